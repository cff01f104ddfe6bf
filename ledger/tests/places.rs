//! Rules 10 to 29: what gets a place in a node's log, as whoever submits an entry is told.

#![expect(clippy::unwrap_used, reason = "a test that does not go on has failed")]

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use talea_ledger::replica::{Input, Moment, Output, Replica, Reply};
use talea_protocol::act::{Act, Attest, Mark};
use talea_protocol::bytes::{Octets, encode};
use talea_protocol::entry::{Commitment, Entry, Header, SCHEME, Signed, VERSION, check, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, SecretKey};
use talea_protocol::message::Payload;
use world::{World, charter, consented, founding, key};

const NOW: u64 = 1_800_000_000_000;

/// A node of a roster of one, whose disk is a promise.
struct Node {
    replica: Replica,
    key: Arc<SecretKey>,
    charter: Signed,
    replies: BTreeMap<u64, Reply>,
    tickets: u64,
}

impl Node {
    fn new() -> Self {
        let charter = founding(consented(charter()), NOW);
        let key = Arc::new(key(1000));
        let replica = Replica::new(Moment(NOW), charter.id(), key.clone(), &[]);
        let mut node = Self { replica, key, charter, replies: BTreeMap::new(), tickets: 0 };
        assert_eq!(node.submit(&node.charter.clone()), Reply::Placed(0));
        node
    }

    fn submit(&mut self, entry: &Signed) -> Reply {
        self.submit_with(entry.bytes().to_vec(), None)
    }

    fn submit_with(&mut self, bytes: Vec<u8>, payload: Option<Payload>) -> Reply {
        self.tickets += 1;
        let (ticket, source) = (self.tickets, self.key.node());
        let entry = Box::new(Entry::parse(bytes).unwrap());
        let payload = payload.map(Box::new);
        self.give(Input::Submit { ticket, source, entry, payload });
        self.replies.remove(&ticket).unwrap()
    }

    fn give(&mut self, input: Input) {
        self.replica.handle(Moment(NOW), input);
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Check { check: number, entries } => {
                    let entries = check(entries);
                    self.replica.handle(Moment(NOW), Input::Checked { check: number, entries });
                }
                Output::Commit(commit) => {
                    let note = commit.checkpoint.sign(&self.key).to_string().into_bytes();
                    let token = commit.token;
                    self.replica.handle(Moment(NOW), Input::Committed { token, note });
                }
                Output::Reply { ticket, reply } => {
                    self.replies.insert(ticket, reply);
                }
                _ => {}
            }
        }
    }

    /// The header of a device's entry; tests change what they are about.
    fn header(&self, device: usize, seq: u64, prev: EntryId) -> Header {
        Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: self.charter.id(),
            device: key(device).device(),
            seq,
            prev,
            basis: self.charter.id(),
            time: NOW,
            payload: None,
        }
    }

    fn refused(&mut self, device: usize, header: &Header, act: &Act) -> u16 {
        match self.submit(&sign(&key(device), header, act).unwrap()) {
            Reply::Refused(refusal) => refusal.rule(),
            other => panic!("not refused: {other:?}"),
        }
    }

    /// A register entry of the registrar, device 1, that has its place.
    fn mark(&mut self, seq: u64, prev: EntryId, basis: EntryId) -> EntryId {
        let header = Header { basis, ..self.header(1, seq, prev) };
        let entry = sign(&key(1), &header, &mark()).unwrap();
        assert!(matches!(self.submit(&entry), Reply::Placed(_)));
        entry.id()
    }
}

fn attest(n: u8) -> Act {
    Act::Attest(Attest { contribution: EntryId([n; 32]) })
}

fn mark() -> Act {
    Act::Mark(Mark { cut: World::new().cut() })
}

#[test]
fn rule_10_an_entry_of_another_cooperative_is_refused() {
    let mut node = Node::new();
    let other = EntryId([9; 32]);
    let header = Header { cooperative: other, basis: other, ..node.header(2, 0, EntryId::ZERO) };
    assert_eq!(node.refused(2, &header, &attest(1)), 10);
}

#[test]
fn rule_11_an_entry_waits_for_the_register_entry_that_it_names() {
    let mut node = Node::new();
    let register = sign(&key(1), &node.header(1, 0, EntryId::ZERO), &mark()).unwrap();
    let header = Header { basis: register.id(), ..node.header(2, 0, EntryId::ZERO) };
    let early = sign(&key(2), &header, &attest(1)).unwrap();
    assert_eq!(node.submit(&early), Reply::Waiting(register.id()));
    assert_eq!(node.submit(&register), Reply::Placed(1));
    assert_eq!(node.submit(&early), Reply::Known(2), "it was seated as soon as it could be");
}

#[test]
fn rule_12_a_device_that_is_not_enrolled_is_refused() {
    let mut node = Node::new();
    let header = node.header(77, 0, EntryId::ZERO);
    assert_eq!(node.refused(77, &header, &attest(1)), 12);
}

#[test]
fn rule_13_an_entry_names_the_one_before_it_and_waits_while_that_is_missing() {
    let mut node = Node::new();
    let first = sign(&key(2), &node.header(2, 0, EntryId::ZERO), &attest(1)).unwrap();
    let second = sign(&key(2), &node.header(2, 1, first.id()), &attest(2)).unwrap();
    assert_eq!(node.submit(&second), Reply::Waiting(first.id()));
    assert_eq!(node.submit(&first), Reply::Placed(1));
    assert_eq!(node.submit(&second), Reply::Known(2));
    let wrong = node.header(2, 2, first.id());
    assert_eq!(node.refused(2, &wrong, &attest(3)), 13);
    let nothing_before = node.header(3, 0, first.id());
    assert_eq!(node.refused(3, &nothing_before, &attest(3)), 13);
}

#[test]
fn rule_14_a_chain_goes_back_to_no_older_register_entry() {
    let mut node = Node::new();
    let basis = node.mark(0, EntryId::ZERO, node.charter.id());
    let newer = Header { basis, ..node.header(2, 0, EntryId::ZERO) };
    let first = sign(&key(2), &newer, &attest(1)).unwrap();
    assert!(matches!(node.submit(&first), Reply::Placed(_)));
    let older = node.header(2, 1, first.id());
    assert_eq!(node.refused(2, &older, &attest(2)), 14);
}

#[test]
fn rule_15_a_register_entry_names_the_head() {
    let mut node = Node::new();
    let first = node.mark(0, EntryId::ZERO, node.charter.id());
    let second = node.mark(1, first, first);
    let header = Header { basis: first, ..node.header(1, 2, second) };
    // Its chain named the first before: no older one, and all the same not the head.
    let third = node.refused(1, &header, &mark());
    assert_eq!(third, 15);
}

#[test]
fn rule_16_only_the_registrar_writes_the_register() {
    let mut node = Node::new();
    let header = node.header(2, 0, EntryId::ZERO);
    assert_eq!(node.refused(2, &header, &mark()), 16);
}

#[test]
fn rule_17_a_payload_is_the_one_that_its_entry_commits_to() {
    let mut node = Node::new();
    let bound = Commitment::new(&[1; 32], b"for the market");
    let header = Header { payload: bound, ..node.header(2, 0, EntryId::ZERO) };
    let entry = sign(&key(2), &header, &attest(1)).unwrap();
    let payload = |bytes: &[u8]| Payload {
        entry: entry.id(),
        salt: [1; 32],
        bytes: Octets::new(bytes.to_vec()).unwrap(),
    };
    let bytes = || entry.bytes().to_vec();
    assert_eq!(node.submit_with(bytes(), Some(payload(b"for me"))), Reply::Payload);
    let placed = node.submit_with(bytes(), Some(payload(b"for the market")));
    assert_eq!((placed, node.replica.payloads_missing()), (Reply::Placed(1), 0));
}

#[test]
fn a_payload_that_comes_after_its_entry_is_kept() {
    let mut node = Node::new();
    let bound = Commitment::new(&[1; 32], b"a note");
    let header = Header { payload: bound, ..node.header(2, 0, EntryId::ZERO) };
    let entry = sign(&key(2), &header, &attest(1)).unwrap();
    let bytes = Octets::new(b"a note".to_vec()).unwrap();
    let payload = Payload { entry: entry.id(), salt: [1; 32], bytes };
    assert_eq!(node.submit(&entry), Reply::Placed(1));
    assert_eq!(node.replica.payloads_missing(), 1);
    assert_eq!(node.submit_with(entry.bytes().to_vec(), Some(payload)), Reply::Known(1));
    assert_eq!(node.replica.payloads_missing(), 0);
}

#[test]
fn rule_20_a_place_holds_one_entry_for_ever() {
    let mut node = Node::new();
    let header = node.header(2, 0, EntryId::ZERO);
    let first = sign(&key(2), &header, &attest(1)).unwrap();
    assert_eq!(node.submit(&first), Reply::Placed(1));
    assert_eq!(node.submit(&first), Reply::Known(1));
    assert_eq!(node.refused(2, &header, &attest(2)), 20);
}

#[test]
fn rule_23_an_entry_from_the_future_gets_no_receipt_yet() {
    let mut node = Node::new();
    let ahead = 10 * 60 * 1_000;
    let header = |time| Header { time, ..Node::new().header(2, 0, EntryId::ZERO) };
    let entry = |time| sign(&key(2), &header(time), &attest(1)).unwrap();
    assert_eq!(node.submit(&entry(NOW + ahead + 1)), Reply::Ahead(ahead + 1));
    assert_eq!(node.submit(&entry(NOW + ahead)), Reply::Placed(1));
}

#[test]
fn rule_24_an_act_of_a_later_version_is_not_taken_from_wallets() {
    let mut node = Node::new();
    let mut bytes = encode(&node.header(2, 0, EntryId::ZERO));
    bytes.extend_from_slice(&900_u32.to_le_bytes());
    let signature = key(2).sign(Purpose::Entry, &bytes);
    bytes.extend_from_slice(&signature.0);
    assert_eq!(node.submit_with(bytes, None), Reply::UnknownAct(900));
}
