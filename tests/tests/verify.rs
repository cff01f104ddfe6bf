//! What the auditor's verifier says of exports: right ones, damaged ones, and ones that lie.

use talea_protocol::export::{MAGIC, Section, Sections, Writer};
use talea_protocol::hash::Context;
use talea_protocol::key::SecretKey;
use talea_tests::handmade::Handmade;
use talea_tools::cheat::{change_byte, drop_entry, sign_twice};
use talea_tools::verify::compare::compare;
use talea_tools::verify::text::{headline, lines};
use talea_tools::verify::{Audit, Finding, Policy, PolicyFault, Status, audit};

/// A time a little after the handmade checkpoints, in seconds since 1970 UTC.
const NOW: u64 = 1_767_312_060;

fn read(file: &[u8]) -> Audit {
    audit(file, &Policy::default(), NOW).unwrap()
}

/// The exit status, of whatever bytes.
fn status(file: &[u8]) -> u8 {
    audit(file, &Policy::default(), NOW).map_or(1, |audit| audit.status.code())
}

/// The file again, with other sections and a fresh digest.
fn rewritten(file: &[u8], change: impl Fn(Section) -> Vec<Section>) -> Vec<u8> {
    let mut sections = Sections::new(file).unwrap().map(|section| section.unwrap().1);
    let Some(Section::Head { cooperative, node, time }) = sections.next() else {
        panic!("no head");
    };
    let (mut writer, mut again) = Writer::begin(cooperative, node, time);
    for section in sections.flat_map(change) {
        again.extend(writer.frame(&section));
    }
    again.extend(writer.end());
    again
}

#[test]
fn every_nodes_export_is_valid_and_all_have_one_state() {
    let made = Handmade::ordinary();
    let audits: Vec<Audit> = (0..3).map(|node| read(&made.export(node))).collect();
    for (node, audit) in audits.iter().enumerate() {
        assert_eq!(audit.found, [], "node {node}");
        assert_eq!(
            headline(audit),
            format!(
                "VALID  Le Fournil   7 entries  4 members  0 gaps  checkpoint {} held by 3 of 3 nodes",
                made.logs[node].len()
            )
        );
        let sum = audit.sum.as_ref().unwrap();
        assert_eq!(sum.order.len(), 7);
        assert_eq!(sum.root, audits[0].sum.as_ref().unwrap().root);
        assert_eq!(audit.summary().root, made.root(node));
    }
    assert_eq!(compare(&audits[0], &audits[1]), []);
}

#[test]
fn no_changed_byte_and_no_shorter_file_is_valid_and_none_panics() {
    let file = Handmade::short().export(0);
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        assert_ne!(status(&changed), 0, "byte {at} changed");
        assert_ne!(status(&file[..at]), 0, "cut at {at}");
    }
    assert_eq!(status(&file), 0);
    assert_eq!(status(&[file, vec![0]].concat()), 2);
}

/// The frames of a file: the section's tag, where the frame begins and where it ends.
fn frames(file: &[u8]) -> Vec<(u8, usize, usize)> {
    let mut at = MAGIC.len();
    let mut frames = Vec::new();
    while let Some((length, rest)) = file[at..].split_first_chunk::<4>() {
        let end = at + 4 + usize::try_from(u32::from_le_bytes(*length)).unwrap();
        frames.push((rest[0], at, end));
        at = end;
    }
    frames
}

/// With a fresh digest only what is signed, hashed or ruled can tell.
#[test]
fn no_changed_byte_of_a_leaf_is_valid_even_with_a_fresh_digest_and_none_anywhere_panics() {
    let file = Handmade::short().export(0);
    let frames = frames(&file);
    let (_, end, _) = *frames.last().unwrap();
    for (tag, from, to) in frames {
        for at in (from..to.min(end)).step_by(if tag == 1 { 1 } else { 3 }) {
            let mut changed = file.clone();
            changed[at] ^= 1 << (at % 7);
            let digest = Context::Export.hash(&[&changed[..end]]);
            changed.truncate(file.len() - 32);
            changed.extend(digest.0);
            let status = status(&changed);
            assert!(tag != 1 || status != 0, "byte {at}");
        }
    }
}

#[test]
fn a_changed_byte_is_2_and_its_entry_is_named() {
    let made = Handmade::ordinary();
    for (node, entry) in [(0, 0), (0, 3), (1, 5), (2, 2)] {
        let changed = change_byte(&made.export(node), entry).unwrap();
        let audit = read(&changed);
        assert_eq!(audit.status, Status::Invalid);
        let Finding::Leaf { claim: Some(claim), .. } = &audit.found[0] else {
            panic!("{:?}", audit.found);
        };
        let whose = made.entries.iter().map(|entry| entry.header());
        assert!(whose.clone().any(|it| (it.device, it.seq) == (claim.device, claim.seq)));
    }
    let audit = read(&change_byte(&made.export(0), 2).unwrap());
    assert!(lines(&audit)[0].contains("rule 9"), "{:?}", lines(&audit));
}

#[test]
fn a_dropped_entry_is_3_and_its_place_is_named() {
    let made = Handmade::ordinary();
    for node in 0..3 {
        for entry in 0..7 {
            let audit = read(&drop_entry(&made.export(node), entry).unwrap());
            assert_eq!(audit.status, Status::Incomplete, "{:?}", audit.found);
            let dropped =
                &made.entries.iter().find(|it| !audit.shown.entries.contains_key(&it.id()));
            let dropped = dropped.unwrap();
            if entry == 0 {
                let id = dropped.id();
                assert!(audit.found.contains(&Finding::CharterMissing { id }));
                continue;
            }
            let named = audit.found.iter().any(|finding| match finding {
                Finding::MissingPlace { claim } => {
                    (claim.device, claim.seq) == (dropped.header().device, dropped.header().seq)
                }
                _ => false,
            });
            assert!(named, "node {node} entry {entry}: {:?}", lines(&audit));
        }
    }
    let audit = read(&drop_entry(&made.export(0), 6).unwrap());
    assert!(lines(&audit).iter().any(|line| line.contains("dario/0")), "{:?}", lines(&audit));
}

#[test]
fn a_place_signed_twice_is_4_with_both_ids() {
    let made = Handmade::ordinary();
    let (file, second) = sign_twice(&made.export(0), 2, &made.members[1]).unwrap();
    let audit = read(&file);
    assert_eq!(audit.status, Status::Forked);
    let Finding::Fork { one, other } = &audit.found[0] else { panic!("{:?}", audit.found) };
    let ids = [one.id, other.id];
    assert!(ids.contains(&second) && ids.contains(&made.entries[2].id()));
    assert!(lines(&audit)[0].starts_with("bruno/0 "), "{:?}", lines(&audit));
    assert!(sign_twice(&made.export(0), 2, &made.members[0]).is_err());
}

#[test]
fn two_exports_show_a_fork_that_neither_shows_alone() {
    let mut made = Handmade::found();
    let one = made.work(1, 60);
    made.forget(1, &one);
    let other = made.work(1, 61);
    made.place(&one, &[0]);
    made.place(&other, &[1]);
    let alone = |node: usize| {
        rewritten(&made.export(node), |section| match section {
            Section::Mirror { .. } | Section::Payload(_) => vec![],
            Section::Checkpoint { log, .. } if log != made.nodes[node].node() => vec![],
            other => vec![other],
        })
    };
    let (first, second) = (read(&alone(0)), read(&alone(1)));
    assert_eq!((first.status, second.status), (Status::Incomplete, Status::Incomplete));
    let found = compare(&first, &second);
    assert!(matches!(found.as_slice(), [Finding::Fork { .. }]), "{found:?}");
}

#[test]
fn a_node_that_signs_two_histories_is_shown_to_have_done_so() {
    let mut made = Handmade::ordinary();
    let honest = read(&made.export(0));
    made.logs[0].pop();
    made.witness(0, 2);
    let other = read(&made.export(0));
    assert_eq!(other.status, Status::Valid, "{:?}", other.found);
    assert!(matches!(compare(&honest, &other).as_slice(), [Finding::TwoRoots { .. }]));
    // Of different sizes, the leaves tell.
    made.witness(0, 1);
    let longer = read(&made.export(0));
    assert!(matches!(compare(&honest, &longer).as_slice(), [Finding::TwoLeaves { .. }]));
    // In one file it is plain without any other.
    let both = rewritten(&made.export(0), |section| match section {
        Section::Checkpoint { log, note } if log == made.nodes[0].node() => {
            let size = u64::try_from(made.logs[0].len()).unwrap();
            let checkpoint = talea_protocol::checkpoint::Checkpoint {
                origin: talea_protocol::checkpoint::origin(&made.cooperative(), &log),
                size,
                root: made.root(1),
            };
            let bytes = checkpoint.sign(&made.nodes[0]).to_string().into_bytes();
            let second = talea_protocol::bytes::Octets::new(bytes).unwrap();
            vec![Section::Checkpoint { log, note }, Section::Checkpoint { log, note: second }]
        }
        other => vec![other],
    });
    assert_eq!(status(&both), 4);
}

#[test]
fn too_few_receipts_is_3() {
    let made = Handmade::ordinary();
    let alone = rewritten(&made.export(0), |section| match section {
        Section::Mirror { .. } => vec![],
        other => vec![other],
    });
    let audit = read(&alone);
    assert_eq!(audit.status, Status::Incomplete);
    assert!(audit.found.iter().any(|finding| matches!(
        finding,
        Finding::Unsettled { count: 7, receipts: 1, quorum: 2, .. }
    )));
}

#[test]
fn an_entry_that_no_honest_node_places_is_2() {
    let mut made = Handmade::ordinary();
    let skipped = made.work(2, 5);
    let early = made.work(2, 6);
    made.place(&early, &[0]);
    assert_eq!(read(&made.export(0)).status, Status::Invalid);
    drop(skipped);

    let mut made = Handmade::ordinary();
    let stranger = SecretKey::from_seed(&[55; 32]);
    let author = std::mem::replace(&mut made.members[2], stranger);
    made.forget(2, &made.entries[0].clone());
    let entry = made.work(2, 7);
    made.members[2] = author;
    made.place(&entry, &[0, 1, 2]);
    let audit = read(&made.export(0));
    assert!(audit.found.iter().any(|finding| finding.to_string().contains("rule 12")));
}

#[test]
fn a_node_with_another_state_is_2() {
    let mut made = Handmade::ordinary();
    let leaf = made.logs[1].last_mut().unwrap();
    // The last 40 bytes of a frontier are its state root and its count.
    let at = leaf.len() - 20;
    leaf[at] ^= 1;
    for node in 0..2 {
        let audit = read(&made.export(node));
        assert_eq!(audit.status, Status::Invalid);
        assert!(audit.found.iter().any(|it| it.to_string().contains("state root")));
    }
}

#[test]
fn a_policy_is_asked_for_after_what_is_right() {
    let file = Handmade::ordinary().export(0);
    let ask = |text: &str| {
        let audit = audit(&file, &Policy::parse(text).unwrap(), NOW).unwrap();
        (audit.status.code(), audit.found)
    };
    assert_eq!(ask("settled = 7\nheld_by = 3\nage_s = 60").0, 0);
    assert_eq!(ask("settled = 8").0, 3);
    assert_eq!(ask("held_by = 4").0, 3);
    assert_eq!(ask("age_s = 57").0, 3);
    let other = format!("cooperative = \"{}\"", "0".repeat(64));
    assert_eq!(ask(&other).0, 2);
    let (status, found) = ask(&format!("nodes = [\"{}\"]", "1".repeat(64)));
    assert_eq!(status, 2);
    assert!(matches!(found.as_slice(), [Finding::Policy(PolicyFault::Node { .. })]));
}

#[test]
fn what_is_no_export_is_1() {
    assert_eq!(status(b""), 1);
    assert_eq!(status(b"talea-export-2\n"), 1);
    assert_eq!(status(b"talea-export-1\n"), 1);
}
