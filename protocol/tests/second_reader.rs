//! A second codec, which knows nothing of ours, reads the kept entries to the same values.
//!
//! The types below are written from sections 1, 4, 6 and 7 of the README with nothing but integers,
//! arrays, vectors, options and strings; `wincode` reads and writes them. Ranges and limits are not
//! asked here: this is about where each byte stands.
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

mod kept;

use serde_json::Value;
use talea_protocol::act::{self, Content};
use talea_protocol::entry;
use wincode::{SchemaRead, SchemaWrite, deserialize_exact, serialize};

type Id = [u8; 32];
type Key = [u8; 32];
type Hash = [u8; 32];
type Signature = [u8; 64];

#[derive(SchemaRead, SchemaWrite)]
struct Entry {
    header: Header,
    act: Act,
    signature: Signature,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Header {
    version: u8,
    scheme: u8,
    cooperative: Id,
    device: Key,
    seq: u64,
    prev: Id,
    basis: Id,
    time: u64,
    payload: Option<Commitment>,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Commitment {
    hash: Hash,
    length: u32,
}

/// The seventeen acts, in the order of their tags.
#[derive(SchemaRead, SchemaWrite)]
enum Act {
    Charter(Charter),
    Admit {
        request: Request,
        proof: Signature,
        college: u8,
        stage: u8,
        sponsors: Vec<Approval>,
    },
    Enrol {
        member: u32,
        request: Request,
        proof: Signature,
        approval: Approval,
    },
    Mark {
        cut: Cut,
    },
    Decide {
        proposal: Id,
        cut: Cut,
        tally: Tally,
        outcome: Outcome,
    },
    Contribution(Contribution),
    Attest {
        contribution: Id,
    },
    Propose {
        matter: Matter,
        method: Method,
        statutory: bool,
        closes: u64,
        effect: Effect,
    },
    Vote {
        proposal: Id,
        choice: Choice,
    },
    Subscribe {
        member: u32,
        amount: i64,
        date: i32,
        reference: String,
        device: Key,
        signature: Signature,
    },
    Invoice {
        job: String,
        client: String,
        tier: u8,
        quantity: i64,
        amount: i64,
        date: i32,
    },
    Income {
        job: String,
        client: String,
        amount: i64,
        date: i32,
    },
    Expense {
        account: String,
        payee: String,
        amount: i64,
        date: i32,
    },
    Redirect {
        run: Id,
        to: u32,
        amount: i64,
    },
    Distribute(Distribute),
    Pay {
        run: Id,
        cut: Cut,
        date: i32,
    },
    Close {
        period: u32,
        cut: Cut,
    },
}

#[derive(SchemaRead, SchemaWrite)]
struct Charter {
    rules: u32,
    name: String,
    profile: Profile,
    visibility: Visibility,
    currency: String,
    exponent: u8,
    colleges: Vec<College>,
    stages: Vec<Stage>,
    founders: Vec<Founder>,
    registrar: u32,
    treasurer: u32,
    distributor: u32,
    nodes: Vec<Key>,
    faulty: u8,
    roster_quorum: u8,
    quorum: u16,
    thresholds: Thresholds,
    rates: Vec<Rate>,
    internal_price: u32,
    tiers: Vec<Tier>,
    retain: u16,
    care: u16,
    livelihood: u16,
    tie: Tie,
    attestations: u8,
    contribution_max: i64,
    love_minimum: u32,
    legal: u16,
    statutory: u16,
    sponsors: u8,
    recovery: u16,
}

#[derive(SchemaRead, SchemaWrite)]
enum Profile {
    None,
    FrScic,
}

#[derive(SchemaRead, SchemaWrite)]
enum Visibility {
    Private,
    Public,
}

#[derive(SchemaRead, SchemaWrite)]
struct College {
    code: String,
    weight: u16,
    category: Category,
}

#[derive(SchemaRead, SchemaWrite)]
enum Category {
    Workers,
    Beneficiaries,
    Others,
}

#[derive(SchemaRead, SchemaWrite)]
struct Stage {
    code: String,
    livelihood: u16,
    love: u16,
    care: u16,
    binding_vote: bool,
}

#[derive(SchemaRead, SchemaWrite)]
struct Founder {
    college: u8,
    stage: u8,
    kind: Kind,
    device: Key,
    proof: Signature,
}

#[derive(SchemaRead, SchemaWrite)]
enum Kind {
    Person,
    Organisation,
    Machine,
}

#[derive(SchemaRead, SchemaWrite)]
struct Thresholds {
    ordinary: u16,
    charter: u16,
    allocation: u16,
}

#[derive(SchemaRead, SchemaWrite)]
struct Rate {
    task: String,
    unit: String,
    credits: u32,
}

#[derive(SchemaRead, SchemaWrite)]
struct Tier {
    code: String,
    price: u32,
}

#[derive(SchemaRead, SchemaWrite)]
enum Tie {
    ByHash,
    ByAdmission,
}

#[derive(SchemaRead, SchemaWrite)]
struct Request {
    device: Key,
    kind: Kind,
}

#[derive(SchemaRead, SchemaWrite)]
struct Approval {
    device: Key,
    signature: Signature,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Cut {
    at: Id,
    lengths: Vec<u32>,
    root: Hash,
}

#[derive(SchemaRead, SchemaWrite)]
struct Tally {
    colleges: Vec<[u32; 4]>,
    yes: u64,
    no: u64,
    participation: u64,
}

#[derive(SchemaRead, SchemaWrite)]
enum Outcome {
    Adopted,
    Rejected,
    NoQuorum,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Contribution {
    stream: Stream,
    task: String,
    quantity: i64,
    begin: i32,
    end: i32,
    job: Option<Job>,
    tags: Vec<String>,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
enum Stream {
    Livelihood,
    Love,
    Care,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Job {
    code: String,
    tier: u8,
}

#[derive(SchemaRead, SchemaWrite)]
enum Matter {
    Ordinary,
    Charter,
    Allocation,
}

#[derive(SchemaRead, SchemaWrite)]
enum Method {
    CollegeWeighted,
    Headcount,
}

#[derive(SchemaRead, SchemaWrite)]
enum Effect {
    Policy,
    Amend { set: Vec<Amendment>, from: u32 },
}

#[derive(SchemaRead, SchemaWrite)]
enum Amendment {
    Retain(u16),
    Care(u16),
    Livelihood(u16),
    Quorum(u16),
    Thresholds(Thresholds),
    Attestations(u8),
    InternalPrice(u32),
    Rate(Rate),
    Tier(Tier),
    Sponsors(u8),
    LoveMinimum(u32),
}

#[derive(SchemaRead, SchemaWrite)]
enum Choice {
    Yes,
    No,
    Abstain,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Distribute {
    period: u32,
    cut: Cut,
    /// Receipts, surplus, expenses, retained, the pools of care, livelihood and love, paid, carried.
    totals: [i64; 9],
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Line {
    member: u32,
    livelihood: u64,
    love: u64,
    care: u64,
}

/// Name and bytes of the kept entries whose act this version knows.
fn known() -> Vec<(String, Vec<u8>)> {
    let mut entries = kept::vectors("entries");
    entries.retain(|vector| vector["act"]["act"].is_string());
    let read = |vector: &Value| {
        (vector["name"].as_str().unwrap().to_owned(), kept::bytes(&vector["bytes"]).unwrap())
    };
    entries.iter().map(read).collect()
}

/// The kept entry of this name, as we read it and as the other codec does.
fn read(name: &str) -> (entry::Entry, Entry) {
    let (_, bytes) = known().into_iter().find(|(known, _)| known == name).unwrap();
    (entry::Entry::parse(bytes.clone()).unwrap(), deserialize_exact(&bytes).unwrap())
}

fn cut(ours: &talea_protocol::cut::Cut) -> Cut {
    Cut { at: ours.at.0, lengths: ours.lengths.to_vec(), root: ours.root.0 }
}

#[test]
fn every_kept_entry_is_read_and_written_back_to_the_last_byte() {
    let entries = known();
    assert!(entries.len() > 17);
    for (name, bytes) in entries {
        let entry: Entry = deserialize_exact(&bytes).unwrap();
        assert_eq!(serialize(&entry).unwrap(), bytes, "{name}");
    }
}

#[test]
fn headers_have_the_same_values() {
    for (name, bytes) in known() {
        let ours = *entry::Entry::parse(bytes.clone()).unwrap().header();
        let expected = Header {
            version: ours.version,
            scheme: ours.scheme,
            cooperative: ours.cooperative.0,
            device: ours.device.0,
            seq: ours.seq,
            prev: ours.prev.0,
            basis: ours.basis.0,
            time: ours.time,
            payload: ours.payload.map(|it| Commitment { hash: it.hash.0, length: it.length }),
        };
        assert_eq!(deserialize_exact::<Entry>(&bytes).unwrap().header, expected, "{name}");
    }
}

#[test]
fn a_contribution_has_the_same_values() {
    let (ours, theirs) = read("contribution, livelihood, with a job");
    let (Content::Known(act::Act::Contribution(ours)), Act::Contribution(theirs)) =
        (ours.content(), theirs.act)
    else {
        panic!("both are contributions")
    };
    assert_eq!(ours.stream, act::Stream::Livelihood);
    let job = ours.job.as_ref().map(|job| Job { code: job.code.to_string(), tier: job.tier });
    let expected = Contribution {
        stream: Stream::Livelihood,
        task: ours.task.to_string(),
        quantity: ours.quantity.value(),
        begin: ours.begin.value(),
        end: ours.end.value(),
        job,
        tags: ours.tags.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(theirs, expected);
}

#[test]
fn a_run_has_the_same_values() {
    let (ours, theirs) = read("distribute");
    let (Content::Known(act::Act::Distribute(ours)), Act::Distribute(theirs)) =
        (ours.content(), theirs.act)
    else {
        panic!("both are runs")
    };
    let t = ours.totals;
    let line = |line: &act::Line| Line {
        member: line.member.0,
        livelihood: line.livelihood,
        love: line.love,
        care: line.care,
    };
    let pools = [t.care_pool, t.livelihood_pool, t.love_pool];
    let [care, livelihood, love] = pools;
    let expected = Distribute {
        period: ours.period.value(),
        cut: cut(&ours.cut),
        totals: [
            t.receipts, t.surplus, t.expenses, t.retained, care, livelihood, love, t.paid,
            t.carried,
        ],
        lines: ours.lines.iter().map(line).collect(),
    };
    assert_eq!(theirs, expected);
}
