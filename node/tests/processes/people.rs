//! Members who write: a small cooperative, one device each, honest wallets.

use talea_protocol::act::{Act, Contribution, Stream};
use talea_protocol::bytes::{Bp, Code, Day, List, Quantity, Text};
use talea_protocol::charter::{
    Category, Charter, College, Formula, Founder, Kind, Member, Profile, Rate, Reserves, Roles,
    Roster, Stage, Thresholds, Tie, Visibility,
};
use talea_protocol::entry::{Commitment, Header, SCHEME, Signed, VERSION, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, Purpose, SecretKey, Signature};
use talea_protocol::treasury::Treasury;

use crate::site::now_ms;

/// A member's device.
pub struct Author {
    pub key: SecretKey,
    pub seq: u64,
    pub prev: EntryId,
}

impl Author {
    pub fn new(n: u8) -> Self {
        Self { key: SecretKey::from_seed(&[n; 32]), seq: 0, prev: EntryId::ZERO }
    }

    /// The header of this device's next entry.
    pub fn header(&self, cooperative: EntryId) -> Header {
        Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative,
            device: self.key.device(),
            seq: self.seq,
            prev: self.prev,
            basis: cooperative,
            time: now_ms(),
            payload: None,
        }
    }

    /// Signs its next entry.
    pub fn state(&mut self, header: &Header, act: &Act) -> Signed {
        let entry = sign(&self.key, header, act).unwrap();
        self.seq += 1;
        self.prev = entry.id();
        entry
    }

    /// States some work.
    pub fn work(&mut self, cooperative: EntryId, minutes: i64) -> Signed {
        let header = self.header(cooperative);
        self.state(&header, &work(minutes))
    }

    /// States some work with a note beside it.
    pub fn work_with(&mut self, cooperative: EntryId, salt: &[u8; 32], note: &[u8]) -> Signed {
        let payload = Commitment::new(salt, note);
        let header = Header { payload, ..self.header(cooperative) };
        self.state(&header, &work(30))
    }
}

pub fn work(minutes: i64) -> Act {
    let day = Day::new(20_455).unwrap();
    Act::Contribution(Contribution {
        stream: Stream::Livelihood,
        task: code("bake"),
        quantity: Quantity::new(minutes).unwrap(),
        begin: day,
        end: day,
        job: None,
        tags: List::default(),
    })
}

fn code(text: &str) -> Code {
    Code::try_from(text).unwrap()
}

fn bp(value: u16) -> Bp {
    Bp::new(value).unwrap()
}

/// Founders, and the charter that they sign; the first of them is registrar.
pub fn found(count: u8, nodes: &[NodeKey], quorum: u8) -> (Vec<Author>, Signed) {
    found_by(count, nodes, quorum, Visibility::Private)
}

pub fn found_by(
    count: u8,
    nodes: &[NodeKey],
    quorum: u8,
    visibility: Visibility,
) -> (Vec<Author>, Signed) {
    let mut authors: Vec<Author> = (1..=count).map(Author::new).collect();
    let charter = charter(&authors, nodes, quorum, visibility);
    let root = Header {
        cooperative: EntryId::ZERO,
        basis: EntryId::ZERO,
        ..authors[0].header(EntryId::ZERO)
    };
    let entry = authors[0].state(&root, &Act::Charter(Box::new(charter)));
    (authors, entry)
}

pub fn charter(
    authors: &[Author],
    nodes: &[NodeKey],
    quorum: u8,
    visibility: Visibility,
) -> Charter {
    let founder = |author: &Author| Founder {
        college: 0,
        stage: 0,
        kind: Kind::Person,
        device: author.key.device(),
        proof: Signature([0; 64]),
    };
    let mut nodes = nodes.to_vec();
    nodes.sort_unstable();
    let stage = Stage {
        code: code("full"),
        livelihood: bp(10_000),
        love: bp(10_000),
        care: bp(10_000),
        binding_vote: true,
    };
    let college =
        College { code: code("members"), weight: bp(10_000), category: Category::Workers };
    let rate = Rate { task: code("bake"), unit: code("minute"), credits: 30 };
    let mut charter = Charter {
        rules: 2,
        name: Text::try_from("Le Fournil".to_owned()).unwrap(),
        profile: Profile::None,
        visibility,
        currency: code("EUR"),
        exponent: 2,
        colleges: List::new(vec![college]).unwrap(),
        stages: List::new(vec![stage]).unwrap(),
        founders: List::new(authors.iter().map(founder).collect()).unwrap(),
        roles: Roles { registrar: Member(0), treasurer: Member(0), distributor: Member(0) },
        roster: Roster { nodes: List::new(nodes).unwrap(), faulty: 0, quorum },
        quorum: bp(5_000),
        thresholds: Thresholds { ordinary: bp(5_000), charter: bp(6_667), allocation: bp(5_000) },
        rates: List::new(vec![rate]).unwrap(),
        internal_price: 10,
        tiers: List::default(),
        formula: Formula {
            retain: bp(2_000),
            care: bp(1_000),
            livelihood: bp(7_500),
            tie: Tie::ByHash,
        },
        attestations: 1,
        contribution_max: Quantity::new(1_440).unwrap(),
        love_minimum: 0,
        reserves: Reserves { legal: bp(1_500), statutory: bp(5_000) },
        sponsors: 0,
        recovery: 0,
        council: talea_protocol::council::Council::default(),
        treasury: Treasury::default(),
    };
    let hash = charter.founding_hash();
    let prove = |(founder, author): (&Founder, &Author)| Founder {
        proof: author.key.sign(Purpose::Enrolment, &hash.0),
        ..founder.clone()
    };
    charter.founders =
        List::new(charter.founders.iter().zip(authors).map(prove).collect()).unwrap();
    charter
}
