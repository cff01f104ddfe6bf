//! A second codec, which knows nothing of ours, reads the kept entries to the same values.
//!
//! The types below are written from sections 1, 4, 6 and 7 of the README with nothing but integers,
//! arrays, vectors, options and strings; `wincode` reads and writes them. Ranges and limits are not
//! asked here: this is about where each byte stands.
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

mod charter;
mod decision;
mod federation;
mod money;
mod plan;
#[path = "../kept/mod.rs"]
mod kept;

use serde_json::Value;
use talea_protocol::act::{self, Content};
use talea_protocol::entry;
use talea_protocol::leaf::Leaf;
use wincode::{SchemaRead, SchemaWrite, deserialize_exact, serialize};

use charter::{Charter, Kind, Roster};
use decision::{Choice, Course, Grounds, Outcome, Propose, Scope, Tally};

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

/// The acts, in the order of their tags.
#[expect(clippy::large_enum_variant, reason = "one at a time, and laid out as it is read")]
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
        words: Vec<Approval>,
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
    Propose(Propose),
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
        aid: bool,
    },
    Expense {
        account: String,
        payee: String,
        amount: i64,
        date: i32,
        decision: Option<Id>,
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
    Report {
        device: u32,
        words: Vec<Approval>,
    },
    Revoke {
        device: u32,
        cut: Cut,
        words: Vec<Approval>,
    },
    Guardians {
        member: u32,
        recovery: Option<Key>,
        keys: Vec<Key>,
        threshold: u8,
        at: Id,
        approval: Approval,
    },
    Leave,
    Depart {
        member: u32,
        cut: Cut,
        word: Approval,
    },
    Remove {
        member: u32,
        decision: Id,
        cut: Cut,
    },
    HandOver {
        office: Office,
        holder: u32,
        decision: Id,
        cut: Cut,
    },
    Call(Call),
    Succeed {
        call: Call,
        words: Vec<Approval>,
    },
    Reform {
        roster: Roster,
        decision: Id,
    },
    Heal(Heal),
    Erase {
        entry: Id,
        ground: String,
    },
    Dispute(Id),
    Withdraw(Id),
    Correct {
        contribution: Id,
        difference: i64,
    },
    Advance {
        member: u32,
        stage: u8,
        from: i32,
        grounds: Grounds,
    },
    Motion {
        proposal: Propose,
        course: Course,
    },
    Rank {
        proposal: Id,
        marks: Vec<u8>,
    },
    Delegate {
        to: Option<u32>,
        scope: Scope,
        until: u64,
    },
    Welcome {
        request: Request,
        proof: Signature,
        college: u8,
        stage: u8,
        decision: Id,
    },
    Redeem {
        member: u32,
        amount: i64,
        date: i32,
        reference: String,
        device: Key,
        signature: Signature,
    },
    PayOut {
        member: u32,
        amount: i64,
        date: i32,
        reference: String,
    },
    Allocate(money::Allocate),
    Reconcile {
        date: i32,
        balance: i64,
        reference: String,
    },
    Open {
        date: i32,
        balances: Vec<money::Opening>,
    },
    Transfer {
        from: money::Purse,
        to: money::Purse,
        unit: String,
        amount: i64,
        takes: Vec<Id>,
    },
    Review {
        contribution: Id,
        extent: plan::Extent,
    },
    Deliver {
        work: Contribution,
        action: plan::Action,
        resource: Option<plan::Resource>,
        belonging: plan::Belonging,
    },
    Draw {
        taking: plan::Taking,
        resource: plan::Resource,
        date: i32,
        belonging: plan::Belonging,
    },
    Intent {
        direction: plan::Direction,
        what: plan::Resource,
        until: Option<i32>,
        circle: Option<String>,
    },
    Agreement {
        parties: Vec<plan::Party>,
        clauses: Vec<plan::Clause>,
    },
    Agree(Id),
    Commit {
        intent: Option<Id>,
        agreement: Option<Id>,
        receiver: plan::Party,
        duty: plan::Duty,
        what: plan::Resource,
        due: i32,
    },
    Comment(Id),
    Link {
        charter: Vec<u8>,
        roster: Option<Roster>,
        speakers: Vec<Key>,
    },
    Countersign {
        accord: federation::Accord,
        device: Key,
        signature: Signature,
    },
    Send {
        accord: Hash,
        amount: i64,
        date: i32,
        reference: String,
        fund: Option<String>,
        takes: Vec<Id>,
    },
    Receive {
        send: Vec<u8>,
        evidence: Vec<Evidence>,
        date: i32,
        fund: Option<String>,
    },
    Statement {
        balance: federation::Balance,
        device: Key,
        signature: Signature,
    },
    AttestCredential {
        subject: u32,
        kind: String,
        document: Hash,
        from: i32,
        until: Option<i32>,
    },
    RevokeCredential {
        credential: Id,
        ground: String,
    },
    RequestErasure {
        entry: Id,
    },
    RefuseErasure {
        request: Id,
        ground: String,
    },
}

#[derive(SchemaRead, SchemaWrite)]
enum Office {
    Registrar,
    Treasurer,
    Distributor,
    Controller,
    Facilitator(u8),
}

#[derive(SchemaRead, SchemaWrite)]
struct Call {
    at: Id,
    successor: u32,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Heal {
    device: u32,
    seq: u32,
    adopt: Option<Id>,
    evidence: Vec<Evidence>,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Evidence {
    node: Key,
    receipt: Vec<u8>,
}

/// A leaf of kind 4, without its first byte.
#[derive(SchemaRead, SchemaWrite)]
struct Forked {
    one: SignedHeader,
    other: SignedHeader,
    held: Option<Id>,
}

#[derive(SchemaRead, SchemaWrite)]
struct SignedHeader {
    header: Header,
    act: Hash,
    signature: Signature,
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

fn header(ours: &entry::Header) -> Header {
    Header {
        version: ours.version,
        scheme: ours.scheme,
        cooperative: ours.cooperative.0,
        device: ours.device.0,
        seq: ours.seq,
        prev: ours.prev.0,
        basis: ours.basis.0,
        time: ours.time,
        payload: ours.payload.map(|it| Commitment { hash: it.hash.0, length: it.length }),
    }
}

fn cut(ours: &talea_protocol::cut::Cut) -> Cut {
    Cut { at: ours.at.0, lengths: ours.lengths.to_vec(), root: ours.root.0 }
}

#[test]
fn every_kept_entry_is_read_and_written_back_to_the_last_byte() {
    let entries = known();
    assert!(entries.len() > 60);
    for (name, bytes) in entries {
        let entry: Entry = deserialize_exact(&bytes).unwrap();
        assert_eq!(serialize(&entry).unwrap(), bytes, "{name}");
    }
}

#[test]
fn headers_have_the_same_values() {
    for (name, bytes) in known() {
        let ours = *entry::Entry::parse(bytes.clone()).unwrap().header();
        let theirs = deserialize_exact::<Entry>(&bytes).unwrap().header;
        assert_eq!(theirs, header(&ours), "{name}");
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
fn a_heal_has_the_same_values() {
    let (ours, theirs) = read("heal, one branch goes on");
    let (Content::Known(act::Act::Heal(ours)), Act::Heal(theirs)) = (ours.content(), theirs.act)
    else {
        panic!("both are heals")
    };
    let evidence = ours.evidence.iter();
    let evidence = evidence.map(|it| Evidence { node: it.node.0, receipt: it.receipt.to_vec() });
    let expected = Heal {
        device: ours.device,
        seq: ours.seq,
        adopt: ours.adopt.map(|id| id.0),
        evidence: evidence.collect(),
    };
    assert_eq!(theirs, expected);
    assert_eq!(theirs.evidence.len(), 2);
}

#[test]
fn a_fork_leaf_has_the_same_values_and_each_id_is_that_of_its_header_and_its_acts_hash() {
    let leaves = kept::vectors("forks").into_iter().filter(|it| it["hash"].is_string());
    let mut count = 0;
    for vector in leaves {
        let leaf = kept::bytes(&vector["bytes"]).unwrap();
        let (4, Ok(Leaf::Fork(ours))) = (leaf[0], Leaf::parse(&leaf)) else { continue };
        let theirs: Forked = deserialize_exact(&leaf[1..]).unwrap();
        assert_eq!(serialize(&theirs).unwrap(), leaf[1..]);
        assert_eq!(theirs.held, ours.held.map(|id| id.0));
        for (theirs, ours) in [(theirs.one, ours.fork.one), (theirs.other, ours.fork.other)] {
            assert_eq!(theirs.header, header(&ours.header));
            assert_eq!((theirs.act, theirs.signature), (ours.act.0, ours.signature.0));
            let named = [serialize(&theirs.header).unwrap(), theirs.act.to_vec()].concat();
            let id = blake3::derive_key("talea 2026-11 entry id v2", &named);
            assert_eq!(id, ours.id().0);
        }
        count += 1;
    }
    assert_eq!(count, 2);
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
