//! A node keeps two histories of its log under one key and shows each to one half of the others.
//!
//! Played as gossip between real replicas: who finds it, what is kept of it, and what it changes.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use talea_ledger::replica::Alarm;
use talea_protocol::bytes::List;
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::SPLIT;
use talea_protocol::split::{Split, alone};
use talea_protocol::tree::{Tree, TreeHash, leaf_hash};
use talea_tests::coop::{Coop, work};
use talea_tools::verify::text::lines;
use talea_tools::verify::{Finding, Policy, Status, audit};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reader/read_export.py");
/// Who sees the one history, who the other, who neither; and the liar.
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const LIAR: usize = 3;

/// Four nodes of which one may lie. It has a log for A, and another, with other leaves, for B.
fn two_histories() -> (Coop, NodeKey) {
    let mut coop = Coop::of(4, 1, 3, 3);
    let twin = coop.net.twin(LIAR);
    for other in [A, B, C] {
        coop.net.cut(LIAR, other);
    }
    // While A and B are apart, each gets a member's entry first that the other gets later.
    coop.net.cut(A, B);
    coop.net.cut(A, C);
    coop.net.cut(B, C);
    coop.net.link(B, twin);
    coop.net.link(A, LIAR);
    coop.say(A, 1, &work(60));
    coop.say(B, 2, &work(30));
    coop.net.pass(8_000);
    let liar = coop.net.nodes[LIAR].key.node();
    (coop, liar)
}

fn proofs(coop: &Coop, node: usize) -> Vec<(NodeKey, Split)> {
    let splits = coop.net.nodes[node].replica.splits();
    splits.map(|(node, split)| (*node, split.clone())).collect()
}

/// How many split leaves a node's own log has.
fn told(coop: &Coop, node: usize) -> usize {
    let leaves = coop.net.nodes[node].disk.leaves(&coop.cooperative);
    leaves.filter(|leaf| leaf.first() == Some(&SPLIT)).count()
}

#[test]
fn a_node_that_splits_its_view_is_proven_by_those_who_saw_one_half_each() {
    let (mut coop, liar) = two_histories();
    for node in [A, B, C] {
        assert_eq!(proofs(&coop, node), [], "nobody has seen both halves");
    }
    coop.net.link(A, B);
    coop.net.link(B, C);
    coop.net.pass(20_000);
    for node in [A, B, C] {
        let [(named, proof)] = &proofs(&coop, node)[..] else { panic!("node {node} has no proof") };
        assert_eq!((*named, proof.check(&coop.cooperative).is_ok()), (liar, true));
        assert_eq!(told(&coop, node), 1, "node {node} says it once");
        let alarms = &coop.net.nodes[node].alarms;
        assert_eq!(alarms.iter().filter(|it| **it == Alarm::Split(liar)).count(), 1);
        let accused = |alarm: &Alarm| matches!(alarm, Alarm::Root(node) if *node != liar);
        assert!(!alarms.iter().any(accused), "{alarms:?}");
    }
    assert_eq!(coop.net.nodes[A].replica.settled(), 3, "the receipts of all four count");
    // What was proven is there again after a restart, and nobody says it twice.
    for node in [A, B, C] {
        let before = proofs(&coop, node);
        coop.net.restart(node);
        assert_eq!(proofs(&coop, node), before);
    }
    coop.net.pass(20_000);
    for node in [A, B, C] {
        assert_eq!(told(&coop, node), 1);
    }
}

#[test]
fn the_proof_is_in_every_export_and_the_verifier_names_the_node() {
    let (mut coop, liar) = two_histories();
    coop.net.link(A, B);
    coop.net.link(B, C);
    coop.net.pass(20_000);
    for node in [A, B, C] {
        let file = coop.net.export(node);
        let audit = audit(&file, &Policy::default(), 0).unwrap();
        assert_eq!(audit.status, Status::Forked, "{:?}", lines(&audit));
        let named =
            |finding: &Finding| matches!(finding, Finding::Split { log, .. } if *log == liar);
        assert!(audit.found.iter().any(named), "{:?}", lines(&audit));
        says_the_same(&file);
    }
}

#[test]
fn a_node_that_is_proven_to_have_split_its_view_is_cosigned_no_more() {
    let (mut coop, liar) = two_histories();
    coop.net.link(A, B);
    coop.net.pass(20_000);
    let cosigned = |coop: &Coop| coop.net.nodes[LIAR].replica.note().unwrap().signatures().len();
    coop.say(A, 1, &work(15));
    coop.net.pass(8_000);
    assert_eq!(cosigned(&coop), 1, "its newest checkpoint has its own signature alone");
    assert!(proofs(&coop, A).iter().any(|(node, _)| *node == liar));
}

/// What is no proof against the first node, which only wrote on.
fn no_proofs(coop: &mut Coop) -> [Vec<u8>; 4] {
    let (node, key) = (coop.net.nodes[A].key.node(), coop.net.nodes[A].key.clone());
    let origin = origin(&coop.cooperative, &node);
    let note = |coop: &Coop| {
        let replica = &coop.net.nodes[A].replica;
        let (size, root) = (replica.published(), replica.tree().root());
        let checkpoint = Checkpoint { origin: origin.clone(), size, root };
        (alone(&checkpoint.sign(&key), &origin).unwrap(), size, root)
    };
    let (one, size, root) = note(coop);
    coop.say(A, 1, &work(60));
    coop.net.pass(8_000);
    let (other, grown, _) = note(coop);
    let tree = coop.net.nodes[A].replica.tree();
    let proof = tree.prove_consistency(size, grown, |_, _| None).unwrap();
    let grew = Split { node, one, other, root, proof: List::new(proof).unwrap() };
    let invented = Split { root: TreeHash([7; 32]), ..grew.clone() };
    let liar = coop.net.nodes[LIAR].key.node();
    let unsigned = Split { node: liar, ..grew.clone() };
    let [grew, invented, unsigned] = [grew, invented, unsigned].map(|split| split.leaf());
    let torn = grew[..grew.len() - 1].to_vec();
    [grew, invented, unsigned, torn]
}

/// The liar puts a leaf into its own log, and signs a checkpoint over it.
fn forge(coop: &mut Coop, leaf: Vec<u8>) {
    let (cooperative, liar) = (coop.cooperative, &mut coop.net.nodes[LIAR]);
    let mut tree = Tree::default();
    liar.disk.leaves(&cooperative).for_each(|leaf| tree.append(leaf_hash(leaf)));
    liar.disk.put_leaf(&cooperative, tree.size(), leaf.clone());
    tree.append(leaf_hash(&leaf));
    liar.disk.set_promise(cooperative, (tree.size(), tree.root()));
}

#[test]
fn a_split_leaf_that_is_no_proof_is_refused_and_changes_nothing() {
    for which in 0..4 {
        let mut coop = Coop::of(4, 1, 3, 3);
        let leaf = no_proofs(&mut coop)[which].clone();
        let before = coop.agree();
        let liar = coop.net.nodes[LIAR].key.node();
        let held = |coop: &Coop, node: usize| {
            let mut mirrors = coop.net.nodes[node].replica.mirrors();
            mirrors.find(|mirror| mirror.node == liar).map(|mirror| mirror.checked.size())
        };
        let sizes = [A, B, C].map(|node| held(&coop, node));
        coop.net.isolate(LIAR);
        forge(&mut coop, leaf);
        coop.net.restart(LIAR);
        coop.net.join();
        coop.net.pass(20_000);
        for node in [A, B, C] {
            let replica = &coop.net.nodes[node].replica;
            assert_eq!((proofs(&coop, node), told(&coop, node)), (vec![], 0), "leaf {which}");
            assert_eq!(coop.net.nodes[node].alarms, [Alarm::Unsound(liar)], "leaf {which}");
            assert_eq!((replica.settled(), held(&coop, node)), (before, sizes[node]));
        }
        // Who was accused is cosigned as before, and what honest nodes hold settles.
        coop.say(A, 2, &work(30));
        coop.net.pass(8_000);
        assert_eq!([A, B, C].map(|it| coop.net.nodes[it].replica.settled()), [before + 1; 3]);
        let [accused, b, c] = [A, B, C].map(|node| coop.net.nodes[node].key.node());
        let note = coop.net.nodes[A].replica.note().unwrap();
        let opened = note.open(&coop.cooperative, &accused, &[b, c]).unwrap();
        assert_eq!(opened.cosignatures().len(), 2, "leaf {which}: both honest nodes cosign it");
    }
}

/// A reader that shares no code with us says so too, if it can be run.
fn says_the_same(file: &[u8]) {
    let python = std::env::var_os("TALEA_PYTHON").unwrap_or_else(|| "python3".into());
    let asked = Command::new(&python).args(["-c", "import blake3, cryptography"]).output();
    if !asked.is_ok_and(|output| output.status.success()) {
        println!("skipped: {} lacks blake3 or cryptography", PathBuf::from(&python).display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.talea");
    std::fs::write(&path, file).unwrap();
    let output = Command::new(python).arg(SCRIPT).arg(&path).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["verdict"], "FORKED", "{said}");
    assert!(said["findings"].to_string().contains("two histories"), "{said}");
}
