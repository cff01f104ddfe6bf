//! A member's history proves what it says without anybody's server, and nothing else passes.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use serde_json::Value;
use talea_protocol::charter::Member;
use talea_tests::quarter::{self, JANUARY};
use talea_tools::history::{History, HistoryFault, Unwritten};
use talea_tools::verify::{Audit, Policy, audit};

const BRUNO: Member = Member(1);
const CHLOE: Member = Member(2);

fn january() -> Audit {
    audit(&quarter::played(JANUARY).export(0), &Policy::default(), 0).unwrap()
}

/// The history of Bruno, with a change in its JSON.
fn changed(change: impl FnOnce(&mut Value)) -> Result<(), HistoryFault> {
    let file = History::of(&january(), BRUNO).unwrap().file();
    let mut value: Value = serde_json::from_slice(&file).unwrap();
    change(&mut value);
    History::read(&serde_json::to_vec(&value).unwrap())?.check().map(|_| ())
}

fn entries(value: &mut Value) -> &mut Vec<Value> {
    value["entries"].as_array_mut().unwrap()
}

#[test]
fn every_members_history_proves_its_chains_to_their_ends() {
    let audit = january();
    let sum = audit.sum.as_ref().unwrap();
    for (number, _) in (0..).zip(sum.register.members()) {
        let member = Member(number);
        let file = History::of(&audit, member).unwrap().file();
        assert!(History::is_likely(&file));
        let proven = History::read(&file).unwrap().check().unwrap();
        let wanted = sum
            .register
            .devices_of(member)
            .map(|(device, record)| (record.key, u64::from(sum.state.length(device))));
        let mut wanted: Vec<_> = wanted.filter(|(_, length)| *length > 0).collect();
        wanted.sort();
        assert_eq!(proven.chains, wanted, "member {number}");
        assert_eq!(proven.logs.len(), 3);
        assert!(proven.lines().iter().any(|line| line.contains("not proven")));
    }
    assert_eq!(History::of(&audit, Member(99)).err(), Some(Unwritten::Member(99)));
}

#[test]
fn who_attested_the_members_work_is_in_it() {
    let proven = History::of(&january(), BRUNO).unwrap().check().unwrap();
    assert!(proven.words > 0, "{proven:?}");
}

#[test]
fn what_is_left_out_changed_or_not_held_by_enough_logs_proves_nothing() {
    let length = History::of(&january(), BRUNO).unwrap().check().unwrap().register;
    assert_eq!(changed(|_| ()), Ok(()));
    // The first entry after the register is the member's own.
    let own = |value: &mut Value| {
        entries(value).remove(length);
    };
    assert!(matches!(changed(own), Err(HistoryFault::Chain { .. })));
    let charter = |value: &mut Value| {
        entries(value).remove(0);
    };
    assert!(matches!(changed(charter), Err(HistoryFault::Charter { .. })));
    let bytes = |value: &mut Value| {
        let mut text = entries(value)[length]["entry"].as_str().unwrap().to_owned();
        let end = text.trim_end_matches('=').len() - 8;
        let other = if &text[end..end + 4] == "AAAA" { "BBBB" } else { "AAAA" };
        text.replace_range(end..end + 4, other);
        entries(value)[length]["entry"] = text.into();
    };
    assert!(matches!(changed(bytes), Err(HistoryFault::Entry { .. })));
    let places =
        |value: &mut Value| entries(value)[length]["places"].as_array_mut().unwrap().truncate(1);
    assert!(matches!(changed(places), Err(HistoryFault::Unproven { held: 1, .. })));
    let twice = |value: &mut Value| {
        let places = entries(value)[length]["places"].as_array_mut().unwrap();
        let first = places[0].clone();
        places.iter_mut().for_each(|place| *place = first.clone());
    };
    assert!(matches!(changed(twice), Err(HistoryFault::Unproven { held: 1, .. })));
    let index = |value: &mut Value| {
        for place in entries(value)[length]["places"].as_array_mut().unwrap() {
            place["index"] = 0.into();
        }
    };
    assert!(matches!(changed(index), Err(HistoryFault::Unproven { held: 0, .. })));
    let root = |value: &mut Value| {
        let note = value["logs"][0]["checkpoint"].as_str().unwrap().replacen('\n', "\n1", 1);
        value["logs"][0]["checkpoint"] = note.into();
    };
    assert!(matches!(changed(root), Err(HistoryFault::Checkpoint { .. })));
    let another = |value: &mut Value| value["format"] = "talea member history 2".into();
    assert!(matches!(changed(another), Err(HistoryFault::Format { .. })));
}

#[test]
fn a_shorter_history_is_proven_as_far_as_it_goes() {
    // Who writes no register entries has them all behind the register.
    let history = History::of(&january(), CHLOE).unwrap();
    let whole = history.check().unwrap();
    let (device, length) = whole.chains[0];
    let mut value: Value = serde_json::from_slice(&history.file()).unwrap();
    entries(&mut value).remove(whole.register + usize::try_from(length).unwrap() - 1);
    let shorter = History::read(&serde_json::to_vec(&value).unwrap()).unwrap().check().unwrap();
    assert_eq!(shorter.chains, [(device, length - 1)]);
}
