//! Receipts that one log shows of another: what they settle, and which of them count for nothing.

use talea_ledger::replica::Input;
use talea_ledger::settle::Mirror;
use talea_protocol::bytes::{List, Octets};
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::SecretKey;
use talea_protocol::leaf::{SHOWN, Shown, accept};
use talea_protocol::message::{Item, Message};
use talea_protocol::receipt::Receipt;
use talea_protocol::tile::push_leaf;
use talea_protocol::tree::{Tree, leaf_hash};
use talea_tests::coop::{Coop, work};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const LIAR: usize = 3;

fn apart(coop: &mut Coop) {
    for one in 0..4 {
        coop.net.isolate(one);
    }
}

fn mirror(coop: &Coop, node: usize, of: usize) -> &Mirror {
    let key = coop.net.nodes[of].key.node();
    coop.net.nodes[node].replica.mirrors().find(|mirror| mirror.node == key).unwrap()
}

/// The example of the ledger's README, section 8: a device forks, and the liar has a log with the
/// one branch for A, and another with the other branch for B and C.
#[test]
fn what_a_liar_shows_to_one_node_settles_at_those_it_hides_from() {
    let mut coop = Coop::of(4, 1, 3, 3);
    let twin = coop.net.twin(LIAR);
    apart(&mut coop);
    let one = coop.entry(1, &work(60));
    let other = coop.entry_at(1, 0, EntryId::ZERO, &work(61));
    coop.net.link(A, B);
    coop.net.submit(A, &one);
    coop.net.pass(3_000);
    coop.net.cut(A, B);
    coop.net.link(C, twin);
    coop.net.submit(C, &other);
    coop.net.pass(8_000);
    coop.net.link(B, twin);
    coop.net.link(A, LIAR);
    coop.net.pass(8_000);
    let settled = |coop: &Coop, node: usize| coop.net.nodes[node].replica.settled();
    assert_eq!([A, B, C].map(|node| settled(&coop, node)), [2, 1, 1], "A alone has three receipts");
    // It says no more, so that it cannot take over what the others settle.
    coop.net.isolate(twin);
    coop.net.link(A, B);
    coop.net.link(B, C);
    coop.net.link(A, C);
    coop.net.pass(30_000);
    assert_eq!([A, B, C].map(|node| settled(&coop, node)), [2, 2, 2]);
    for node in [B, C] {
        let spot = coop.net.nodes[node].replica.places().position(&one.id()).expect("it is held");
        let seen = mirror(&coop, node, LIAR);
        let hidden =
            !seen.order.contains(&Some(spot)) && !seen.claims.values().any(|id| *id == one.id());
        assert!(hidden, "the liar's log with this branch is not here");
    }
    let shows = coop.net.nodes[A].disk.leaves(&coop.cooperative);
    assert_eq!(shows.filter(|leaf| leaf.first() == Some(&SHOWN)).count(), 2, "B's and the liar's");
}

/// A and B hold an entry; C and the liar are silent. A's log goes on as the test has it.
struct Showing {
    coop: Coop,
    entry: Signed,
}

impl Showing {
    fn new() -> Self {
        let mut coop = Coop::of(4, 1, 3, 3);
        apart(&mut coop);
        coop.net.link(A, B);
        let entry = coop.entry(1, &work(60));
        coop.net.submit(A, &entry);
        coop.net.pass(8_000);
        coop.net.isolate(A);
        let peer = coop.net.nodes[A].key.node();
        coop.net.befall(B, Input::Connected(peer));
        assert_eq!(coop.net.nodes[B].replica.receipts(&entry.id()), 2);
        Self { coop, entry }
    }

    /// The liar's receipt of an entry, in a log of three leaves of which it is the second.
    fn receipt(&self, entry: &Signed, signs: &SecretKey) -> Receipt {
        let mut tree = Tree::default();
        for leaf in [vec![200], accept(entry), vec![201]] {
            tree.append(leaf_hash(&leaf));
        }
        let liar = self.coop.net.nodes[LIAR].key.node();
        let origin = origin(&self.coop.cooperative, &liar);
        let (size, root) = (tree.size(), tree.root());
        let checkpoint = Checkpoint { origin, size, root }.sign(signs);
        let proof = tree.prove_inclusion(1, size, |_, _| None).unwrap();
        Receipt { index: 1, proof, checkpoint, extra: accept(entry) }
    }

    /// A's log gets this leaf, under a checkpoint that A signs; how many receipts B counts then.
    fn says(&mut self, entry: EntryId, receipt: &Receipt) -> u32 {
        let cooperative = self.coop.cooperative;
        let node = self.coop.net.nodes[LIAR].key.node();
        let receipt = Octets::new(receipt.to_string().into_bytes()).unwrap();
        let leaf = Shown { entry, node, receipt }.leaf();
        let mut frontier = mirror(&self.coop, B, A).checked.clone();
        let from = frontier.size();
        frontier.append(leaf_hash(&leaf));
        let key = self.coop.net.nodes[A].key.clone();
        let origin = origin(&cooperative, &key.node());
        let note = Checkpoint { origin, size: from + 1, root: frontier.root() }.sign(&key);
        let mut bundle = Vec::new();
        push_leaf(&mut bundle, &leaf).unwrap();
        let items = List::new(vec![Item::Bundle(Octets::new(bundle).unwrap())]).unwrap();
        let checkpoint = Octets::new(note.to_string().into_bytes()).unwrap();
        let log = key.node();
        let frame = Message::Leaves { cooperative, log, from, items, checkpoint };
        self.coop.net.befall(B, Input::Message(log, Box::new(frame)));
        assert_eq!(mirror(&self.coop, B, A).checked.size(), from + 1, "the leaf is in A's log");
        self.coop.net.nodes[B].replica.receipts(&self.entry.id())
    }
}

#[test]
fn a_shown_receipt_counts_only_if_its_proof_its_checkpoint_and_its_entry_are_right() {
    let mut showing = Showing::new();
    let liar = showing.coop.net.nodes[LIAR].key.clone();
    let (id, entry) = (showing.entry.id(), showing.entry.clone());
    let good = showing.receipt(&entry, &liar);
    let mut bent = good.clone();
    bent.proof[0].0[0] ^= 1;
    assert_eq!(showing.says(id, &bent), 2, "the leaf is not in that log");
    let moved = Receipt { index: 0, ..good.clone() };
    assert_eq!(showing.says(id, &moved), 2, "it is not in that place");
    let forged = showing.receipt(&entry, &SecretKey::from_seed(&[9; 32]));
    assert_eq!(showing.says(id, &forged), 2, "the liar has not signed that log");
    let another = showing.coop.entry_at(1, 0, EntryId::ZERO, &work(61));
    let of_another = showing.receipt(&another, &liar);
    assert_eq!(showing.says(id, &of_another), 2, "it is of another entry than it names");
    let other = another.id();
    assert_eq!(showing.says(other, &of_another), 2, "it is of an entry that nobody here holds");
    assert_eq!(showing.coop.net.nodes[B].replica.settled(), 1);
    assert_eq!(showing.says(id, &good), 3);
    assert_eq!(showing.coop.net.nodes[B].replica.settled(), 2, "what three hold is settled");
}
