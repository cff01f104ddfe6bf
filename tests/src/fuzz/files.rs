//! Files that people keep, copy and edit: keys, journals, charters, policies, stories.
//!
//! What a program writes itself is read back to the last byte; what people write is either
//! understood or refused, and what it becomes fits the format.

use std::collections::BTreeMap;
use std::fs;

use talea_protocol::act::Act;
use talea_protocol::bytes::{STRUCTURE_BYTES_MAX, decode, encode, hex};
use talea_protocol::charter::{Charter, Visibility};
use talea_protocol::entry::{Header, SCHEME, VERSION};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_tools::charter_file::{CharterFile, TEMPLATE};
use talea_tools::journal::{Draft, Journal};
use talea_tools::keyfile::KeyFile;
use talea_tools::play::Play;
use talea_tools::scenario::Scenario;
use talea_tools::verify::Policy;

use super::seed;
use crate::people::{charter, node_key, secret};

/// The worked quarter.
pub(super) const SCENARIO: &str = include_str!("../../data/passerelles-q1.json");
/// Steps of a scenario that are played; the worked quarter has more.
const STEPS: usize = 40;

/// A key file, and the same with a check that fits: the check finds damage and stops nobody.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn key(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    read_key(text);
    let body = text.rsplit_once("check ").map_or(text, |(body, _)| body);
    read_key(&checked(body));
}

fn read_key(text: &str) {
    if let Ok(file) = KeyFile::parse(text) {
        assert_eq!(file.render(), text, "another way to write the key file");
        assert!(text.contains(&format!("device {}\n", file.device())));
    }
}

fn checked(body: &str) -> String {
    let hash = blake3::derive_key("talea 2026-11 key file check v1", body.as_bytes());
    format!("{body}check {}\n", hex(&hash[..8]))
}

/// Key files with the usual cost and with the least and the most.
#[must_use]
pub fn keys() -> Vec<Vec<u8>> {
    let file = |cost: &str| {
        let (device, salt, nonce, sealed) = (secret(1).device(), [1; 16], [2; 24], [3; 48]);
        let (salt, nonce, sealed) = (hex(&salt), hex(&nonce), hex(&sealed));
        let head = format!("talea-key-1\ndevice {device}\nargon2id {cost} {salt}\n");
        let text = checked(&format!("{head}xchacha20poly1305 {nonce}\nsealed {sealed}\n"));
        assert!(KeyFile::parse(&text).is_ok(), "a key file of {cost}");
        text.into_bytes()
    };
    let files = ["65536 3 1", "19456 1 1", "1048576 16 16"].map(file);
    files.iter().flat_map(|file| seed::misspelt(file)).collect()
}

/// A wallet's journal: places one after another, each with what was promised to it.
pub fn journal(input: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    fs::write(&path, input).expect("written");
    let Ok(journal) = Journal::open(&path) else { return };
    let whole = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    assert_eq!(fs::read(&path).expect("read"), &input[..whole], "the file was changed");
    for (seq, kept) in (0_u64..).zip(journal.kept()) {
        assert_eq!(kept.seq, seq, "a place is missing");
        if kept.signature.is_some() {
            let entry = kept.entry().expect("what was signed can be sent");
            assert_eq!((entry.header().seq, entry.id()), (seq, kept.id));
        }
    }
    let (held, next) = (journal.kept().to_vec(), journal.next());
    drop(journal);
    let again = Journal::open(&path).expect("opened before");
    assert_eq!((again.kept(), again.next()), (held.as_slice(), next));
}

/// A journal of three places: signed, promised, and promised with a payload.
#[must_use]
pub fn journals() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let mut journal = Journal::open(&path).expect("a journal");
    let mut acts = seed::acts().into_iter().filter_map(|act| decode::<Act>(&act, 49_152).ok());
    for seq in 0..3 {
        let act = acts.find(|act| matches!(act, Act::Attest(_) | Act::Vote(_) | Act::Income(_)));
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: EntryId([1; 32]),
            device: secret(1).device(),
            seq,
            prev: journal.next().1,
            basis: EntryId([1; 32]),
            time: 7,
            payload: None,
        };
        let payload = (seq == 2).then_some((&[7; 32], b"{\"note\":\"words\"}".as_slice()));
        let draft = Draft::new(header, &act.expect("an act"), payload).expect("short");
        journal.promise(&draft).expect("the next place");
        if seq == 0 {
            journal.sign(seq, &secret(1)).expect("its own key");
        }
    }
    let file = fs::read(&path).expect("read");
    vec![file.clone(), file[..file.len() - 9].to_vec(), Vec::new()]
}

/// A charter as its founders write it.
pub fn charter_file(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(file) = CharterFile::parse(text) else { return };
    let Ok(charter) = file.charter() else {
        assert!(file.missing().is_err());
        return;
    };
    let bytes = encode(&charter);
    // A charter that is too long for an entry is refused there, and not here.
    if bytes.len() <= STRUCTURE_BYTES_MAX {
        assert_eq!(decode::<Charter>(&bytes, STRUCTURE_BYTES_MAX).as_ref(), Ok(&charter));
    }
    let missing = file.missing().expect("it is a charter");
    assert!(missing.len() <= charter.founders.len());
    assert_eq!(file.words().members.len(), charter.founders.len());
}

/// The template, which founds.
#[must_use]
pub fn charter_files() -> Vec<Vec<u8>> {
    vec![TEMPLATE.as_bytes().to_vec()]
}

/// An auditor's policy.
pub fn policy(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(policy) = Policy::parse(text) {
        assert_eq!(Policy::parse(text).as_ref(), Ok(&policy));
    }
}

/// A policy with every key.
#[must_use]
pub fn policies() -> Vec<Vec<u8>> {
    let (id, node) = (EntryId([1; 32]), NodeKey([2; 32]));
    let text = format!(
        "cooperative = \"{id}\"\nnodes = [\"{node}\"]\nsettled = 3\nheld_by = 2\nage_s = 86400\n"
    );
    assert!(Policy::parse(&text).is_ok(), "a policy");
    vec![text.into_bytes(), Vec::new()]
}

/// A story as a file: it plays, or says why not.
pub fn scenario(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(scenario) = Scenario::parse(text) else { return };
    let keys: BTreeMap<String, SecretKey> = scenario
        .handles()
        .take(16)
        .zip(0..)
        .map(|(name, n)| (name.to_owned(), secret(n)))
        .collect();
    let nodes = [node_key(1).node()];
    let roster = charter(&[&secret(1)], &nodes, 0, 1).roster;
    let terms = (roster, Visibility::Private);
    let Ok((mut play, _)) = Play::found(&scenario, keys, terms, &[7; 32]) else { return };
    for step in scenario.steps().iter().skip(1).take(STEPS) {
        if play.step(step, &[7; 32]).is_err() {
            break;
        }
    }
    play.book_mut().state_mut().root();
}

/// The worked quarter, without its figures and with fewer and fewer steps.
#[must_use]
pub fn scenarios() -> Vec<Vec<u8>> {
    let whole: serde_json::Value = serde_json::from_str(SCENARIO).expect("JSON");
    let part = |count: usize| {
        let mut part = whole.clone();
        let fields = part.as_object_mut().expect("an object");
        fields.remove("expected");
        fields.remove("charter_genesis");
        fields.get_mut("entries").and_then(|it| it.as_array_mut()).expect("steps").truncate(count);
        serde_json::to_vec(&part).expect("JSON")
    };
    vec![part(STEPS), part(20), part(6), part(1)]
}
