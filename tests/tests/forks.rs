//! What the auditor's verifier and an outside reader say of forks: proven, healed, settled twice.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use talea_protocol::act::{Act, Mark};
use talea_protocol::bytes::List;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::Signed;
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::recovery::{Approval, Revoke, revocation};
use talea_tests::handmade::Handmade;
use talea_tools::verify::compare::compare;
use talea_tools::verify::text::lines;
use talea_tools::verify::{Audit, Finding, Policy, Status, audit};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reader/read_export.py");

/// An export, read here and by a program that shares no code with us.
fn read(file: &[u8]) -> Audit {
    let ours = audit(file, &Policy::default(), 0).unwrap();
    if let Some(python) = python() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.talea");
        std::fs::write(&path, file).unwrap();
        let output = Command::new(python).arg(SCRIPT).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let theirs: Value = serde_json::from_slice(&output.stdout).expect(&said);
        let summary = serde_json::to_value(ours.summary()).unwrap();
        for key in ["verdict", "status", "entries", "settled", "size", "root"] {
            assert_eq!(theirs[key], summary[key], "{key}: {theirs} {:?}", lines(&ours));
        }
    }
    ours
}

fn python() -> Option<PathBuf> {
    let python = std::env::var_os("TALEA_PYTHON").unwrap_or_else(|| "python3".into());
    let asked = Command::new(&python).args(["-c", "import blake3, cryptography"]).output();
    let able = asked.is_ok_and(|output| output.status.success());
    if !able {
        println!("skipped: {} lacks blake3 or cryptography", Path::new(&python).display());
    }
    able.then(|| python.into())
}

/// Bruno writes twice in his first place: the first node has the one, the two others the other.
fn split() -> (Handmade, Signed, Signed, Fork) {
    let mut made = Handmade::found();
    let one = made.work(1, 60);
    made.forget(1, &one);
    let other = made.work(1, 61);
    made.place(&one, &[0]);
    made.place(&other, &[1, 2]);
    let fork = Fork::new(one.signed_header(), other.signed_header());
    (made, one, other, fork)
}

/// The same, told in all logs.
fn told() -> (Handmade, Signed, Signed, Fork) {
    let (mut made, one, other, fork) = split();
    made.tell(0, fork, Some(&one));
    made.tell(1, fork, Some(&other));
    made.tell(2, fork, Some(&other));
    (made, one, other, fork)
}

/// And healed: the one of the two that two nodes hold goes on.
fn healed() -> (Handmade, Signed, Signed) {
    let (mut made, one, other, _) = told();
    let heal = made.heal(1, 0, Some(&other), &[1, 2]);
    made.place(&heal, &[0, 1, 2]);
    made.take_over(&other, &[0]);
    (made, one, other)
}

fn kinds(audit: &Audit) -> Vec<u8> {
    audit.found.iter().map(|finding| finding.status().code()).collect()
}

#[test]
fn a_fork_that_no_node_has_told_of_is_4_and_names_its_author_and_place() {
    let (made, ..) = split();
    for node in 0..3 {
        let audit = read(&made.export(node));
        assert_eq!(audit.status, Status::Forked, "{:?}", lines(&audit));
        assert!(lines(&audit)[0].starts_with("bruno/0 "), "{:?}", lines(&audit));
        assert_eq!(audit.summary().settled, 2, "what two logs hold stands");
    }
}

#[test]
fn a_fork_leaf_alone_is_a_proof() {
    let (mut made, one, _, fork) = split();
    // No log has the other branch: it was told by another node.
    made.logs[1].pop();
    made.logs[2].pop();
    made.tell(0, fork, Some(&one));
    for node in 1..3 {
        made.tell(node, fork, None);
    }
    let audit = read(&made.export(0));
    assert_eq!(audit.status, Status::Forked);
    assert!(matches!(audit.found[0], Finding::Fork { .. }));
    assert_eq!(audit.shown.forks.values().collect::<Vec<_>>(), [&fork]);
}

#[test]
fn a_healed_fork_is_0_with_a_line_that_says_so_and_the_dead_branch_is_reported() {
    let (mut made, one, other) = healed();
    for node in 0..3 {
        made.stand(node);
    }
    let exports: Vec<Audit> = (0..3).map(|node| read(&made.export(node))).collect();
    for audit in &exports {
        assert_eq!(kinds(audit), [0, 0], "{:?}", lines(audit));
        assert_eq!(audit.status, Status::Valid);
        let said = lines(audit).join("\n");
        assert!(said.contains("healed by register entry 1"), "{said}");
        assert!(said.contains("bruno/0 ") && said.contains("can settle no more"), "{said}");
        let sum = audit.sum.as_ref().unwrap();
        assert!(sum.settled.has(&other.id()) && !sum.settled.has(&one.id()));
        assert_eq!(sum.root, exports[0].sum.as_ref().unwrap().root);
        assert!(sum.dead.contains(&one.id()));
    }
    assert_eq!(compare(&exports[0], &exports[1]), []);
}

#[test]
fn a_healed_chain_goes_on_and_its_dead_branch_does_not() {
    let (mut made, one, other) = healed();
    made.sign_after(1, &other);
    let after = made.work(1, 7);
    made.place(&after, &[0, 1, 2]);
    let audit = read(&made.export(0));
    assert_eq!(audit.status, Status::Valid, "{:?}", lines(&audit));
    made.sign_after(1, &one);
    let behind = made.work(1, 8);
    made.place(&behind, &[0]);
    assert_eq!(read(&made.export(0)).status, Status::Forked, "a second fork, at place 1");
}

#[test]
fn a_heal_that_is_not_settled_heals_nothing() {
    let (mut made, _, other, _) = told();
    let heal = made.heal(1, 0, Some(&other), &[1, 2]);
    made.place(&heal, &[1]);
    assert_eq!(read(&made.export(1)).status, Status::Forked);
}

#[test]
fn a_heal_with_too_little_evidence_has_no_place_in_any_log() {
    let (mut made, _, other, _) = told();
    let heal = made.heal(1, 0, Some(&other), &[1]);
    made.place(&heal, &[0, 1, 2]);
    let audit = audit(&made.export(1), &Policy::default(), 0).unwrap();
    let found = lines(&audit).join("\n");
    assert!(found.contains("rule 27: neither"), "{found}");
}

#[test]
fn a_heal_that_adopts_a_dead_branch_has_no_place_in_any_log() {
    let (mut made, one, _, _) = told();
    let heal = made.heal(1, 0, Some(&one), &[1, 2]);
    made.place(&heal, &[0, 1, 2]);
    let audit = audit(&made.export(1), &Policy::default(), 0).unwrap();
    let found = lines(&audit).join("\n");
    assert!(found.contains("rule 27: the evidence leaves"), "{found}");
}

#[test]
fn a_log_that_goes_on_with_a_forked_chain_is_2() {
    let (mut made, _, other, _) = told();
    made.sign_after(1, &other);
    let after = made.work(1, 7);
    made.place(&after, &[1]);
    let audit = audit(&made.export(1), &Policy::default(), 0).unwrap();
    assert!(kinds(&audit).contains(&2), "{:?}", lines(&audit));
    assert!(lines(&audit).join("\n").contains("rule 21"), "{:?}", lines(&audit));
}

#[test]
fn a_fork_leaf_that_says_other_than_its_log_holds_is_2() {
    let (mut made, _, other, fork) = split();
    made.tell(0, fork, Some(&other));
    let audit = audit(&made.export(0), &Policy::default(), 0).unwrap();
    assert!(audit.found.iter().any(|it| matches!(it, Finding::Held { .. })), "{:?}", lines(&audit));
}

#[test]
fn a_fork_leaf_without_a_proof_is_2() {
    let (mut made, one, _, fork) = split();
    let mut forged = fork;
    forged.other.act.0[0] ^= 1;
    let forged = Fork::new(forged.one, forged.other);
    made.logs[1].pop();
    made.logs[2].pop();
    made.place(&one, &[1, 2]);
    made.tell(0, forged, Some(&one));
    assert_eq!(read(&made.export(0)).status, Status::Invalid);
}

#[test]
fn two_entries_settled_in_one_place_are_4_and_the_roster_is_named() {
    let (mut made, one, other, _) = split();
    // The second node takes over what it should not, and so has signed for both.
    made.take_over(&one, &[1]);
    let audit = read(&made.export(1));
    assert_eq!(audit.status, Status::Forked);
    let both = audit.found.iter().find_map(|finding| match finding {
        Finding::BothSettled { nodes, one, other, .. } => Some((nodes.clone(), [*one, other.id])),
        _ => None,
    });
    let (nodes, ids) = both.expect("both have two receipts");
    assert_eq!(nodes, [made.nodes[1].node()]);
    assert!(ids.contains(&one.id()) && ids.contains(&other.id()));
}

/// Register entry 1 ends Bruno's chain after so many entries.
fn revoke(made: &mut Handmade, entries: &[&Signed]) -> Signed {
    let device = made.members[1].device();
    let mut root = CutRoot::new();
    let length = u32::try_from(entries.len()).unwrap();
    if let Some(last) = entries.last() {
        root.add(&device, length, &last.id());
    }
    let lengths = List::new(vec![0, length]).unwrap();
    let cut = Cut { at: made.cooperative(), lengths, root: root.finish() };
    let signed = revocation(&made.cooperative(), &device);
    let signature = made.members[1].sign(Purpose::Revocation, &signed);
    let words = List::new(vec![Approval { device, signature }]).unwrap();
    made.sign(0, &Act::Revoke(Revoke { device: 1, cut, words }), None)
}

#[test]
fn what_settles_behind_a_cut_is_2_and_named() {
    let mut made = Handmade::found();
    let one = made.work(1, 60);
    let two = made.work(1, 61);
    made.place(&one, &[0, 1, 2]);
    let revoke = revoke(&mut made, &[&one]);
    made.place(&two, &[0, 1]);
    made.place(&revoke, &[0, 1, 2]);
    let audit = audit(&made.export(2), &Policy::default(), 0).unwrap();
    let behind = audit.found.iter().find(|it| matches!(it, Finding::Behind { .. }));
    let behind = behind.unwrap_or_else(|| panic!("{:?}", lines(&audit)));
    assert_eq!((behind.status().code(), behind.claim().unwrap().id), (2, two.id()));
}

#[test]
fn what_lies_behind_a_cut_and_cannot_settle_is_no_lack() {
    let mut made = Handmade::found();
    let one = made.work(1, 60);
    let two = made.work(1, 61);
    made.place(&one, &[0, 1, 2]);
    let revoke = revoke(&mut made, &[&one]);
    made.place(&two, &[0]);
    made.place(&revoke, &[0, 1, 2]);
    let audit = audit(&made.export(0), &Policy::default(), 0).unwrap();
    assert_eq!(audit.status, Status::Valid, "{:?}", lines(&audit));
    assert!(lines(&audit)[0].contains("bruno/1 "), "{:?}", lines(&audit));
    assert!(audit.sum.unwrap().dead.contains(&two.id()));
}

#[test]
fn the_registrars_fork_is_4_too() {
    let mut made = Handmade::found();
    let mark = |made: &Handmade| {
        let root = CutRoot::new().finish();
        Act::Mark(Mark { cut: Cut { at: made.cooperative(), lengths: List::default(), root } })
    };
    let act = mark(&made);
    let one = made.sign(0, &act, None);
    made.forget(0, &one);
    let other = made.work(0, 3);
    made.place(&one, &[0, 1, 2]);
    made.place(&other, &[]);
    let fork = Fork::new(one.signed_header(), other.signed_header());
    made.tell(0, fork, Some(&one));
    let audit = read(&made.export(0));
    assert_eq!(audit.status, Status::Forked);
    assert!(lines(&audit)[0].starts_with("alba/1 "), "{:?}", lines(&audit));
    assert_ne!(audit.summary().settled, 0);
    assert_ne!(one.id(), EntryId::ZERO);
}
