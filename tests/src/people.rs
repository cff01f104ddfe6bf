//! Members who write: a cooperative's devices, its charter, and what they have stated so far.
//!
//! Wallets here are honest: each keeps its chain and never signs a place twice. They see all that
//! was ever stated, which no real wallet does: so they name and close over entries that have no
//! place anywhere yet. What they state is in `people/acts`; what others make of it is not known here.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::register::{Office, Register};
use talea_ledger::state::State;
use talea_protocol::act::{Act, Approval, Content, Request, enrolment};
use talea_protocol::bytes::{Bp, Code, List, Octets, Quantity, Text};
use talea_protocol::charter::{
    Category, Charter, College, Formula, Founder, Kind, Member, Profile, Rate, Reserves, Roles,
    Roster, Stage, Thresholds, Tie, Tier, Visibility,
};
use talea_protocol::entry::{Commitment, Header, SCHEME, Signed, VERSION, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey, Purpose, SecretKey, Signature};
use talea_protocol::message::Payload;
use talea_protocol::treasury::Treasury;

use crate::chance::Chance;

mod acts;
mod closings;
pub mod mixed;
mod endings;
mod losses;
mod mandates;

pub use endings::Ending;
pub use mandates::Mandate;

/// A device that writes, by its number.
pub struct Author {
    /// Its key.
    pub key: SecretKey,
    /// Whose it is.
    pub member: u32,
    /// Number of the newest register entry that it has named.
    basis: u32,
    /// Whether it has stopped writing.
    pub is_silent: bool,
}

/// A cooperative's members and all that they have stated so far.
pub struct People {
    /// Who writes, by device.
    pub authors: Vec<Author>,
    /// Every entry, the charter first.
    pub entries: Vec<Signed>,
    /// Their places in that list.
    numbers: BTreeMap<EntryId, usize>,
    /// Payloads that entries commit to.
    pub payloads: BTreeMap<EntryId, Payload>,
    /// Every chain, by device.
    pub chains: Vec<Vec<EntryId>>,
    register: Register,
    /// What it would all add up to.
    state: State,
    contributions: Vec<EntryId>,
    proposals: Vec<EntryId>,
    /// What was signed besides: forged entries, and both halves of forks.
    crooked: BTreeMap<EntryId, Signed>,
    /// Of wallets that were restored: how many entries of its chain each knows.
    known: BTreeMap<usize, usize>,
    /// Entries that nobody stands for any more.
    given_up: BTreeSet<EntryId>,
    /// Roles that the registrar is about to hand over.
    refrained: Vec<Office>,
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
    consented(draft(keys, nodes, faulty, quorum), keys)
}

/// The same without the founders' proofs.
fn draft(keys: &[&SecretKey], nodes: &[NodeKey], faulty: u8, quorum: u8) -> Charter {
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
    Charter {
        rules: 2,
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
        council: talea_protocol::council::Council::default(),
        treasury: Treasury::default(),
    }
}

/// A charter with something of everything, its details as chance has them.
fn varied(
    keys: &[&SecretKey],
    nodes: &[NodeKey],
    faulty: u8,
    quorum: u8,
    chance: &mut Chance,
) -> Charter {
    let mut charter = draft(keys, nodes, faulty, quorum);
    let college =
        |name, weight| College { code: code(name), weight: bp(weight), category: Category::Others };
    let stage = |name, livelihood, binding_vote| Stage {
        code: code(name),
        livelihood: bp(livelihood),
        love: bp(10_000),
        care: bp(9_000),
        binding_vote,
    };
    let tier = |name, price| Tier { code: code(name), price };
    charter.colleges =
        List::new(vec![college("makers", 6_000), college("users", 4_000)]).expect("two");
    charter.stages =
        List::new(vec![stage("full", 10_000, true), stage("new", 5_000, false)]).expect("two");
    charter.tiers =
        List::new(vec![tier("low", 8), tier("basic", 10), tier("high", 14)]).expect("three");
    charter.thresholds =
        Thresholds { ordinary: bp(5_000), charter: bp(1_000), allocation: bp(5_000) };
    charter.quorum = bp(*chance.one_of(&[0, 0, 3_000]));
    charter.attestations = *chance.one_of(&[1, 1, 2]);
    charter.sponsors = *chance.one_of(&[0, 1, 2]);
    charter.formula.tie = *chance.one_of(&[Tie::ByHash, Tie::ByAdmission]);
    let holders = u64::try_from(keys.len() - 1).expect("few");
    let mut holder = || Member(u32::try_from(chance.below(holders)).expect("small"));
    charter.roles = Roles { registrar: Member(0), treasurer: holder(), distributor: holder() };
    let mut founders = charter.founders.to_vec();
    for founder in founders.iter_mut().skip(1) {
        founder.college = u8::from(chance.percent(40));
        founder.stage = u8::from(chance.percent(20));
    }
    if let Some(last) = founders.last_mut().filter(|_| chance.percent(30)) {
        last.kind = Kind::Machine;
    }
    charter.founders = List::new(founders).expect("as many as before");
    charter
}

/// The charter with every founder's proof.
fn consented(mut charter: Charter, keys: &[&SecretKey]) -> Charter {
    let hash = charter.founding_hash();
    let prove = |(founder, key): (&Founder, &&SecretKey)| Founder {
        proof: key.sign(Purpose::Enrolment, &hash.0),
        ..founder.clone()
    };
    let founders = charter.founders.iter().zip(keys).map(prove).collect();
    charter.founders = List::new(founders).expect("not too many");
    charter
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("this machine counts to 2^32")
}

impl People {
    /// So many founders, two at least, with keys from `first_key` on, and their charter.
    #[must_use]
    pub fn found(
        first_key: u64,
        founders: u64,
        nodes: &[NodeKey],
        (faulty, quorum): (u8, u8),
        chance: &mut Chance,
    ) -> Self {
        let keys: Vec<SecretKey> = (first_key..first_key + founders).map(secret).collect();
        let borrowed: Vec<&SecretKey> = keys.iter().collect();
        let charter = consented(varied(&borrowed, nodes, faulty, quorum, chance), &borrowed);
        let header = Header::founding(keys[0].device(), START_MS);
        let founding = sign(&keys[0], &header, &Act::Charter(Box::new(charter)));
        let founding = founding.expect("an entry");
        let register = Register::found(&founding).expect("a charter");
        let author = |(key, member)| Author { key, member, basis: 0, is_silent: false };
        let mut people = Self {
            authors: keys.into_iter().zip(0..).map(author).collect(),
            entries: Vec::new(),
            numbers: BTreeMap::new(),
            payloads: BTreeMap::new(),
            chains: vec![Vec::new(); usize::try_from(founders).expect("few")],
            register,
            state: State::new(),
            contributions: Vec::new(),
            proposals: Vec::new(),
            crooked: BTreeMap::new(),
            known: BTreeMap::new(),
            given_up: BTreeSet::new(),
            refrained: Vec::new(),
            next_key: first_key + founders,
        };
        people.remember(0, founding);
        people
    }

    /// The cooperative's id.
    #[must_use]
    pub fn cooperative(&self) -> EntryId {
        self.register.cooperative()
    }

    /// The register as stated so far.
    #[must_use]
    pub const fn register(&self) -> &Register {
        &self.register
    }

    /// An author states an act; its id.
    pub fn state(&mut self, author: usize, time: u64, act: &Act) -> EntryId {
        self.state_with(author, time, act, None)
    }

    /// The same, with a payload.
    pub fn state_with(
        &mut self,
        author: usize,
        time: u64,
        act: &Act,
        payload: Option<&[u8]>,
    ) -> EntryId {
        let salt = [7; 32];
        let commitment = payload.and_then(|bytes| Commitment::new(&salt, bytes));
        let header = Header { payload: commitment, ..self.header(author, time) };
        let entry = sign(&self.authors[author].key, &header, act).expect("an entry");
        let id = entry.id();
        if let Some(bytes) = payload {
            let bytes = Octets::new(bytes.to_vec()).expect("short");
            self.payloads.insert(id, Payload { entry: id, salt, bytes });
        }
        self.remember(author, entry);
        id
    }

    /// What the author's next entry says before its act.
    #[must_use]
    pub fn header(&self, author: usize, time: u64) -> Header {
        let (writer, chain) = (&self.authors[author], &self.chains[author]);
        Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: self.cooperative(),
            device: writer.key.device(),
            seq: u64::try_from(chain.len()).expect("short"),
            prev: chain.last().copied().unwrap_or(EntryId::ZERO),
            basis: self.register.entry(writer.basis).expect("a register entry"),
            time,
            payload: None,
        }
    }

    /// Takes an entry for its author's next.
    pub fn remember(&mut self, author: usize, entry: Signed) {
        let id = entry.id();
        if let Content::Known(act) = entry.content() {
            if act.is_register() && !matches!(act, Act::Charter(_)) {
                self.register.append(&entry).expect("the registrar's, on the head");
            }
            match act {
                Act::Contribution(_) => self.contributions.push(id),
                Act::Propose(_) => self.proposals.push(id),
                _ => {}
            }
        }
        let device = u32::try_from(author).expect("few");
        self.state.settle(&self.register, device, &entry);
        self.chains[author].push(id);
        self.numbers.insert(id, self.entries.len());
        self.entries.push(entry);
    }

    /// Remembers an entry that no honest wallet has signed.
    pub fn sin(&mut self, entry: Signed) {
        self.crooked.insert(entry.id(), entry);
    }

    /// An entry that no honest wallet has signed.
    #[must_use]
    pub fn sinful(&self, id: &EntryId) -> Option<&Signed> {
        self.crooked.get(id)
    }

    /// Whether a device has signed what no honest wallet signs.
    #[must_use]
    pub fn is_crook(&self, device: &DeviceKey) -> bool {
        self.crooked.values().any(|entry| entry.header().device == *device)
    }

    /// Whether a device has signed two entries for one place.
    #[must_use]
    pub fn has_forked(&self, device: &DeviceKey) -> bool {
        let mut places = BTreeSet::new();
        let all = self.crooked.values().chain(&self.entries);
        let mut signed = all.map(|entry| entry.header()).filter(|it| it.device == *device);
        signed.any(|header| !places.insert(header.seq))
    }

    /// An entry that anybody has signed.
    #[must_use]
    pub fn find(&self, id: &EntryId) -> Option<&Signed> {
        let place = self.numbers.get(id).map(|number| &self.entries[*number]);
        place.or_else(|| self.crooked.get(id))
    }

    /// The author acts under the newest register entry from now on.
    pub fn catch_up(&mut self, author: usize) {
        self.authors[author].basis = self.register.head().0;
    }

    /// A new device's request, its proof, and the words of others for it.
    fn request(&self, key: &SecretKey, by: &[usize]) -> (Request, Signature, Vec<Approval>) {
        let request = Request { device: key.device(), kind: Kind::Person };
        let said = enrolment(&self.cooperative(), &request);
        let approve = |author: &usize| {
            let key = &self.authors[*author].key;
            let signature = key.sign(Purpose::Approval, &said);
            Approval { device: key.device(), signature }
        };
        let mut words: Vec<Approval> = by.iter().map(approve).collect();
        words.sort_by_key(|approval| approval.device);
        let proof = key.sign(Purpose::Enrolment, &said);
        (request, proof, words)
    }

    /// After a register entry: if it has enrolled a device, that is an author from now on.
    fn welcome(&mut self, key: SecretKey) {
        let Some(record) = self.register.devices().get(self.authors.len()) else { return };
        let (member, basis) = (record.member.0, record.enrolled);
        // Who is leaving writes with no new device either.
        let mut theirs = self.authors.iter().filter(|it| it.member == member).peekable();
        let is_silent = theirs.peek().is_some() && theirs.all(|it| it.is_silent);
        self.authors.push(Author { key, member, basis, is_silent });
        self.chains.push(Vec::new());
    }
}
