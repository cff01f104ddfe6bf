//! Members who write: a cooperative with one device each, and what they go on to state.
//!
//! Wallets here are honest: each keeps its chain and never signs a place twice.

use talea_protocol::act::{Act, Admit, Attest, Contribution, Mark, Request, Stream, enrolment};
use talea_protocol::bytes::{Bp, Code, Day, List, Quantity, Text};
use talea_protocol::charter::{
    Category, Charter, College, Formula, Founder, Kind, Member, Profile, Rate, Reserves, Roles,
    Roster, Stage, Thresholds, Tie, Visibility,
};
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::{Header, SCHEME, Signed, VERSION, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, Purpose, SecretKey, Signature};

use crate::chance::Chance;

/// A member with a device.
pub struct Author {
    key: SecretKey,
    seq: u64,
    prev: EntryId,
    /// Number of the newest register entry it has named.
    basis: usize,
    number: u32,
}

/// A cooperative's members and all that they have stated so far.
pub struct People {
    /// Who writes.
    pub authors: Vec<Author>,
    /// Every entry, the charter first.
    pub entries: Vec<Signed>,
    cooperative: EntryId,
    register: Vec<EntryId>,
    contributions: Vec<(u32, EntryId)>,
    next_key: u64,
}

/// Time of the charter, in ms since 1970 UTC: 2026-01-02.
pub const START_MS: u64 = 1_767_312_000_000;

/// The n-th secret key of this world.
#[must_use]
pub fn secret(n: u64) -> SecretKey {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_seed(&seed)
}

/// A node's key in this world.
#[must_use]
pub fn node_key(n: u64) -> SecretKey {
    secret(1_000_000 + n)
}

fn code(text: &str) -> Code {
    Code::try_from(text).expect("a code")
}

fn bp(value: u16) -> Bp {
    Bp::new(value).expect("a share")
}

/// A charter of profile `none` whose founders are the owners of these keys.
#[must_use]
pub fn charter(keys: &[&SecretKey], nodes: &[NodeKey], faulty: u8, quorum: u8) -> Charter {
    let founder = |key: &&SecretKey| Founder {
        college: 0,
        stage: 0,
        kind: Kind::Person,
        device: key.device(),
        proof: Signature([0; 64]),
    };
    let mut nodes = nodes.to_vec();
    nodes.sort_unstable();
    let college =
        College { code: code("members"), weight: bp(10_000), category: Category::Workers };
    let stage = Stage {
        code: code("full"),
        livelihood: bp(10_000),
        love: bp(10_000),
        care: bp(10_000),
        binding_vote: true,
    };
    let rate = |task, unit, credits| Rate { task: code(task), unit: code(unit), credits };
    let mut charter = Charter {
        rules: 1,
        name: Text::try_from("Le Fournil".to_owned()).expect("a text"),
        profile: Profile::None,
        visibility: Visibility::Private,
        currency: code("EUR"),
        exponent: 2,
        colleges: List::new(vec![college]).expect("one"),
        stages: List::new(vec![stage]).expect("one"),
        founders: List::new(keys.iter().map(founder).collect()).expect("not too many"),
        roles: Roles { registrar: Member(0), treasurer: Member(0), distributor: Member(0) },
        roster: Roster { nodes: List::new(nodes).expect("not too many"), faulty, quorum },
        quorum: bp(5_000),
        thresholds: Thresholds { ordinary: bp(5_000), charter: bp(6_667), allocation: bp(5_000) },
        rates: List::new(vec![rate("bake", "loaf", 30), rate("care", "minute", 0)]).expect("two"),
        internal_price: 10,
        tiers: List::default(),
        formula: Formula {
            retain: bp(2_000),
            care: bp(1_000),
            livelihood: bp(7_500),
            tie: Tie::ByHash,
        },
        attestations: 1,
        contribution_max: Quantity::new(1_440).expect("above zero"),
        love_minimum: 0,
        reserves: Reserves { legal: bp(1_500), statutory: bp(5_000) },
        sponsors: 0,
        recovery: 0,
    };
    let hash = charter.founding_hash();
    let prove = |(founder, key): (&Founder, &&SecretKey)| Founder {
        proof: key.sign(Purpose::Enrolment, &hash.0),
        ..founder.clone()
    };
    let founders = charter.founders.iter().zip(keys).map(prove).collect();
    charter.founders = List::new(founders).expect("not too many");
    charter
}

impl People {
    /// So many founders, and their charter.
    #[must_use]
    pub fn found(count: u64, nodes: &[NodeKey], faulty: u8, quorum: u8) -> Self {
        let keys: Vec<SecretKey> = (0..count).map(secret).collect();
        let charter = charter(&keys.iter().collect::<Vec<_>>(), nodes, faulty, quorum);
        let authors = keys.into_iter().zip(0..).map(|(key, number)| Author {
            key,
            seq: 0,
            prev: EntryId::ZERO,
            basis: 0,
            number,
        });
        let mut people = Self {
            authors: authors.collect(),
            entries: Vec::new(),
            cooperative: EntryId::ZERO,
            register: vec![EntryId::ZERO],
            contributions: Vec::new(),
            next_key: count,
        };
        let id = people.state(0, START_MS, &Act::Charter(Box::new(charter)));
        people.cooperative = id;
        people.register = vec![id];
        people
    }

    /// The cooperative's id.
    #[must_use]
    pub fn cooperative(&self) -> EntryId {
        self.cooperative
    }

    /// An author states an act; its id. Its basis is what [`Self::catch_up`] last made it.
    pub fn state(&mut self, author: usize, time: u64, act: &Act) -> EntryId {
        let writer = &mut self.authors[author];
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: self.cooperative,
            device: writer.key.device(),
            seq: writer.seq,
            prev: writer.prev,
            basis: self.register[writer.basis],
            time,
            payload: None,
        };
        let entry = sign(&writer.key, &header, act).expect("an entry");
        writer.seq += 1;
        writer.prev = entry.id();
        if act.is_register() && self.cooperative != EntryId::ZERO {
            self.register.push(entry.id());
        }
        self.entries.push(entry);
        self.entries.last().expect("just pushed").id()
    }

    /// The author acts under the newest register entry from now on.
    pub fn catch_up(&mut self, author: usize) {
        self.authors[author].basis = self.register.len() - 1;
    }

    /// Somebody states something, as chance has it.
    pub fn go_on(&mut self, chance: &mut Chance, time: u64) -> EntryId {
        let author = chance.index(self.authors.len());
        if chance.percent(30) || author == 0 {
            self.catch_up(author);
        }
        let number = self.authors[author].number;
        let others: Vec<EntryId> =
            self.contributions.iter().filter(|(by, _)| *by != number).map(|(_, id)| *id).collect();
        match chance.below(10) {
            0 if author == 0 => self.admit(time),
            1 if author == 0 => {
                let cut = Cut {
                    at: self.register[self.register.len() - 1],
                    lengths: List::default(),
                    root: CutRoot::new().finish(),
                };
                self.state(0, time, &Act::Mark(Mark { cut }))
            }
            2..=5 if !others.is_empty() => {
                let contribution = *chance.one_of(&others);
                self.state(author, time, &Act::Attest(Attest { contribution }))
            }
            _ => self.contribute(author, chance, time),
        }
    }

    /// One author's work, so many minutes of it.
    pub fn contribute(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let (stream, task) = *chance.one_of(&[
            (Stream::Livelihood, "bake"),
            (Stream::Love, "bake"),
            (Stream::Care, "care"),
        ]);
        let minutes = i64::try_from(chance.between(1, 480)).expect("fits");
        let day = Day::new(20_455).expect("a day");
        let contribution = Contribution {
            stream,
            task: code(task),
            quantity: Quantity::new(minutes).expect("above zero"),
            begin: day,
            end: day,
            job: None,
            tags: List::default(),
        };
        let id = self.state(author, time, &Act::Contribution(contribution));
        let number = self.authors[author].number;
        self.contributions.push((number, id));
        id
    }

    fn admit(&mut self, time: u64) -> EntryId {
        let key = secret(self.next_key);
        self.next_key += 1;
        let request = Request { device: key.device(), kind: Kind::Person };
        let proof = key.sign(Purpose::Enrolment, &enrolment(&self.cooperative, &request));
        let sponsors = List::default();
        let act = Act::Admit(Admit { request, proof, college: 0, stage: 0, sponsors });
        let id = self.state(0, time, &act);
        let number = u32::try_from(self.authors.len()).expect("fits");
        let basis = self.register.len() - 1;
        self.authors.push(Author { key, seq: 0, prev: EntryId::ZERO, basis, number });
        id
    }
}
