//! A node that has an entry and does not give its payload, or gives another: what settles all the
//! same, what an auditor is told, and who fills the gap.
//!
//! Played as gossip between real replicas; what erasure does is in `recovery.rs`.

use talea_ledger::replica::{Input, Reply};
use talea_ledger::verdict::Verdict;
use talea_protocol::bytes::Octets;
use talea_protocol::entry::{Commitment, Signed, sign};
use talea_protocol::message::{Message, Payload};
use talea_tests::coop::{Coop, header, work};
use talea_tools::verify::text::lines;
use talea_tools::verify::{Policy, Status, audit};

/// Keeps the payload to itself.
const LIAR: usize = 3;
const SALT: [u8; 32] = [7; 32];
const WORDS: &[u8] = br#"{"note":"at the bakery"}"#;

/// A member's next entry, with a payload.
fn with_words(coop: &mut Coop, member: usize) -> (Signed, Payload) {
    let ((seq, prev), key) = (coop.chains[member], &coop.keys[member]);
    let mut header = header(coop.cooperative, key.device(), seq, prev, coop.head);
    header.payload = Commitment::new(&SALT, WORDS);
    let entry = sign(key, &header, &work(1)).unwrap();
    coop.chains[member] = (seq + 1, entry.id());
    let payload =
        Payload { entry: entry.id(), salt: SALT, bytes: Octets::new(WORDS.to_vec()).unwrap() };
    (entry, payload)
}

/// Four nodes of which one may lie: it alone was given the payload, and gives it to nobody.
fn withheld() -> (Coop, Signed, Payload) {
    let mut coop = Coop::of(4, 1, 3, 3);
    let (entry, payload) = with_words(&mut coop, 1);
    coop.net.isolate(LIAR);
    assert!(matches!(coop.net.submit_with(LIAR, &entry, payload.clone()), Reply::Placed(_)));
    coop.net.nodes[LIAR].disk.forget_payload(&coop.cooperative, &entry.id());
    coop.net.join();
    coop.net.pass(20_000);
    (coop, entry, payload)
}

fn missing(coop: &Coop) -> Vec<usize> {
    coop.net.nodes[..LIAR].iter().map(|node| node.replica.payloads_missing()).collect()
}

#[test]
fn what_a_node_withholds_of_an_entrys_payload_holds_up_nothing_and_is_listed() {
    let (mut coop, entry, _) = withheld();
    assert_eq!(missing(&coop), [1, 1, 1], "nobody else has it");
    let after = coop.say(0, 1, &work(2));
    coop.agree();
    for node in 0..LIAR {
        assert_eq!(coop.verdict(node, &entry.id()), Some(Verdict::Counted), "node {node}");
        assert_eq!(coop.verdict(node, &after), Some(Verdict::Counted), "node {node}");
        assert_eq!(coop.net.nodes[node].alarms, []);
        let audit = audit(&coop.net.export(node), &Policy::default(), 0).unwrap();
        assert_eq!(audit.status, Status::Valid, "{:?}", lines(&audit));
    }
}

#[test]
fn a_payload_that_one_honest_node_gets_reaches_all_whoever_else_is_silent_or_lies() {
    let (mut coop, entry, payload) = withheld();
    // Something else in its place, from the node that is asked for it, is not kept.
    let (peer, cooperative) = (coop.net.nodes[LIAR].key.node(), coop.cooperative);
    let bytes = Octets::new(br#"{"note":"in the cellar"}"#.to_vec()).unwrap();
    for forged in
        [Payload { bytes, ..payload.clone() }, Payload { salt: [8; 32], ..payload.clone() }]
    {
        let given = Message::Given { cooperative, payload: forged };
        coop.net.befall(0, Input::Message(peer, Box::new(given)));
        coop.net.pass(1_000);
        assert_eq!(coop.net.nodes[0].disk.payload(&cooperative, &entry.id()), None);
    }
    // The author gives it to one of the others; those ask one peer after another.
    assert!(matches!(coop.net.submit_with(1, &entry, payload), Reply::Known(_)));
    coop.net.pass(20_000);
    assert_eq!(missing(&coop), [0, 0, 0]);
    let kept = [SALT.as_slice(), WORDS].concat();
    for node in 0..LIAR {
        let held = coop.net.nodes[node].disk.payload(&cooperative, &entry.id());
        assert_eq!(held.as_ref(), Some(&kept), "node {node}");
    }
}
