//! What is not as it should be is refused at the command line by the number of its rule, with what
//! to do next; the wallet's files and the node's cooperative stay to the byte what they were.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use talea_protocol::act::{Act, Attest, Contribution, Mark, Stream};
use talea_protocol::bytes::{Code, Day, List, Quantity, encode};
use talea_protocol::cut::Cut;
use talea_protocol::entry::{
    Commitment, ENTRY_BYTES_MAX, Header, SCHEME, VERSION, sign, statement, unsigned,
};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{Purpose, SecretKey};

use crate::founded::{Founded, files, path};
use crate::program::{Said, talea};

/// Bytes that break one rule.
struct Bad {
    rule: u16,
    what: &'static str,
    bytes: Vec<u8>,
}

/// Ten minutes are allowed for clocks that differ.
const ELEVEN_MINUTES_MS: u64 = 11 * 60 * 1_000;

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("fits")
}

/// So many minutes of care.
fn care(minutes: i64) -> Act {
    let day = Day::new(20_455).expect("a day");
    Act::Contribution(Contribution {
        stream: Stream::Care,
        task: Code::try_from("care").expect("a code"),
        quantity: Quantity::new(minutes).expect("above zero"),
        begin: day,
        end: day,
        job: None,
        tags: List::default(),
    })
}

/// What stands before the first act of a member's device.
fn header(founded: &Founded, key: &SecretKey) -> Header {
    Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative: founded.cooperative(),
        device: key.device(),
        seq: 0,
        prev: EntryId::ZERO,
        basis: founded.cooperative(),
        time: now_ms(),
        payload: None,
    }
}

fn signed(key: &SecretKey, header: &Header, act: &[u8]) -> Vec<u8> {
    let mut bytes = encode(header);
    bytes.extend_from_slice(act);
    let statement = statement(&bytes).expect("a header begins it");
    let signature = key.sign(Purpose::Entry, &statement);
    bytes.extend_from_slice(&signature.0);
    bytes
}

/// An act of care whose quantity is no amount.
fn care_of(header: &Header, quantity: i64) -> Vec<u8> {
    let mut act = unsigned(header, &care(77)).split_off(encode(header).len());
    let wanted = 77_i64.to_le_bytes();
    let at = act.windows(8).position(|eight| eight == wanted).expect("it is there");
    act[at..at + 8].copy_from_slice(&quantity.to_le_bytes());
    act
}

/// Everything that bytes alone can break, with bruno's key; his first entry is placed.
fn bad(founded: &Founded, placed: EntryId) -> Vec<Bad> {
    let key = &founded.keys[1];
    let header = Header { seq: 1, prev: placed, ..header(founded, key) };
    let entry = |header: &Header| sign(key, header, &care(5)).expect("an entry").bytes().to_vec();
    let good = entry(&header);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let mut all = Vec::new();
    let mut add = |rule, what, bytes| all.push(Bad { rule, what, bytes });
    add(1, "nothing", Vec::new());
    add(1, "truncated to less than a signature", good[..60].to_vec());
    add(1, "oversized", vec![1; ENTRY_BYTES_MAX + 1]);
    add(2, "another version", changed(0, VERSION + 1));
    add(3, "scheme 9", changed(1, 9));
    add(4, "truncated", good[..good.len() - 100].to_vec());
    let mut longer = unsigned(&header, &care(5)).split_off(encode(&header).len());
    longer.push(0);
    add(5, "not canonical: a byte after the act", signed(key, &header, &longer));
    for (what, quantity) in [("zero", 0), ("below zero", -1), ("the least i64", i64::MIN)] {
        add(6, what, signed(key, &header, &care_of(&header, quantity)));
    }
    let mut large = 900_u32.to_le_bytes().to_vec();
    large.resize(48 * 1024 + 1, 0);
    add(7, "an act that is too long", signed(key, &header, &large));
    let root = Header { cooperative: EntryId::ZERO, basis: EntryId::ZERO, seq: 0, ..header };
    add(8, "no cooperative", signed(key, &root, &encode(&care(5))));
    add(9, "another's signature", changed(good.len() - 30, good[good.len() - 30] ^ 1));
    add(10, "another cooperative", entry(&Header { cooperative: EntryId([7; 32]), ..header }));
    let stranger = SecretKey::from_seed(&[99; 32]);
    let strange = Header { device: stranger.device(), seq: 0, prev: EntryId::ZERO, ..header };
    let strange = sign(&stranger, &strange, &care(5)).expect("an entry");
    add(12, "a device that nobody enrolled", strange.bytes().to_vec());
    add(13, "another entry before it", entry(&Header { prev: EntryId([7; 32]), ..header }));
    let cut = Cut { at: founded.cooperative(), lengths: List::default(), root: Hash([0; 32]) };
    let mark = sign(key, &header, &Act::Mark(Mark { cut })).expect("an entry");
    add(16, "a register entry by a member", mark.bytes().to_vec());
    add(20, "a place that is taken", entry(&Header { seq: 0, prev: EntryId::ZERO, ..header }));
    let future = now_ms() + ELEVEN_MINUTES_MS;
    add(23, "future-dated", entry(&Header { time: future, ..header }));
    add(24, "an unknown act", signed(key, &header, &900_u32.to_le_bytes()));
    all
}

/// The refusal says which rule, and what to do; the exit status says that it is one.
#[track_caller]
fn assert_refused(said: &Said, rule: u16, what: &str) {
    assert_eq!(said.status, Some(2), "{what}: {said:?}");
    assert_eq!(said.out, "", "{what}");
    let error = said.err.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    let named = format!("rule {rule}: ");
    assert!(error.contains(&named), "{what} breaks rule {rule}: {error}");
    let next = said.err.lines().find_map(|line| line.strip_prefix("next:  ")).unwrap_or_default();
    assert!(next.len() > 10, "{what}: what to do next is missing: {said:?}");
    assert!(!next.contains("report"), "{what}: {next}");
}

#[test]
fn bytes_that_break_a_rule_are_refused_by_its_number_before_a_node_is_asked() {
    let founded = Founded::new();
    let bruno = founded.wallet("bruno");
    talea(&bruno, &["add", "care", "1h", "--on", "2026-01-05", "--yes"]).good();
    talea(&bruno, &["fetch"]).good();
    let first = talea(&bruno, &["log", "--mine", "--json"]).json();
    let placed: EntryId = first[0]["id"].as_str().expect("an id").parse().expect("an id");
    let there = founded.node.overview(&founded.cooperative(), &founded.keys[0]);
    let here = files(&bruno);
    for Bad { rule, what, bytes } in bad(&founded, placed) {
        let file = founded.write("bad.entry", &bytes);
        let said = talea(&bruno, &["submit", path(&file), "--yes"]);
        assert_refused(&said, rule, what);
        assert!(!said.err.contains("says:"), "{what}: no node was asked: {}", said.err);
        let json = talea(&bruno, &["submit", path(&file), "--yes", "--json"]);
        let json: Value = serde_json::from_str(&json.err).expect("one JSON value");
        let error = json["error"].as_str().unwrap_or_default();
        assert!(error.starts_with(&format!("rule {rule}: ")) && json["status"] == 2, "{json}");
        assert_eq!(std::fs::read(&file).expect("it is there"), bytes, "the file is as it was");
        assert_eq!(files(&bruno), here, "{what}: the wallet is as it was");
    }
    let now = founded.node.overview(&founded.cooperative(), &founded.keys[0]);
    assert_eq!(now, there, "the node holds what it held");
    let said = talea(&bruno, &["add", "care", "5m", "--on", "2026-01-06", "--yes", "--json"]);
    assert_eq!(said.json()[0]["status"], "settled", "nothing stands in the way of what is good");
}

#[test]
fn a_node_refuses_what_a_strangers_wallet_cannot_know_and_is_heard() {
    let founded = Founded::new();
    talea(&founded.wallet("bruno"), &["add", "care", "1h", "--on", "2026-01-05", "--yes"]).good();
    let log = talea(&founded.wallet("bruno"), &["fetch"]).good();
    assert!(log.out.starts_with("VALID"), "{log:?}");
    let mine = talea(&founded.wallet("bruno"), &["log", "--mine", "--json"]).json();
    let placed: EntryId = mine[0]["id"].as_str().expect("an id").parse().expect("an id");
    let there = founded.node.overview(&founded.cooperative(), &founded.keys[0]);
    let stranger = founded.wallet("stranger");
    for Bad { rule, what, bytes } in bad(&founded, placed) {
        let file = founded.write("bad.entry", &bytes);
        let said = talea(&stranger, &submission(path(&file), &founded.node.http));
        assert_refused(&said, rule, what);
        // The node counts 10 to 20; all others are seen by the bytes and the clock.
        let is_asked = (10..=20).contains(&rule);
        assert_eq!(said.err.contains(&format!("(rule-{rule})")), is_asked, "{what}: {said:?}");
    }
    assert_eq!(founded.node.overview(&founded.cooperative(), &founded.keys[0]), there);
    assert!(files(&stranger).is_empty(), "nothing is kept of what was not taken");
    // Bruno's own chain stands still from here on: he has signed twice for one place.
    let key = &founded.keys[2];
    let good = sign(key, &header(&founded, key), &care(5)).expect("an entry");
    let file = founded.write("good.entry", good.bytes());
    let said = talea(&stranger, &submission(path(&file), &founded.node.http)).good();
    assert!(said.out.starts_with("sent "), "a private cooperative says no more: {said:?}");
}

fn submission<'a>(file: &'a str, http: &'a str) -> [&'a str; 5] {
    ["submit", file, "--node", http, "--yes"]
}

#[test]
fn a_payload_that_an_entry_does_not_commit_to_is_refused() {
    let founded = Founded::new();
    let (bruno, key) = (founded.wallet("bruno"), &founded.keys[1]);
    let payload = Commitment::new(&[7; 32], b"un sac de farine");
    let entry = Header { payload, ..header(&founded, key) };
    let entry = sign(key, &entry, &care(5)).expect("an entry");
    let file = founded.write("good.entry", entry.bytes());
    let json = |salt: &str, bytes: &str| {
        format!("{{\"salt\": \"{}\", \"bytes\": \"{bytes}\"}}", salt.repeat(32))
    };
    // "deux sacs", then the right words under another salt.
    let submit = |payload: &str| {
        let payload = founded.write("payload.json", payload.as_bytes());
        talea(&bruno, &["submit", path(&file), "--payload", path(&payload), "--yes", "--json"])
    };
    for wrong in [json("07", "ZGV1eCBzYWNz"), json("08", "dW4gc2FjIGRlIGZhcmluZQ==")] {
        let said = submit(&wrong);
        assert_eq!(said.status, Some(2), "{said:?}");
        assert!(said.err.contains("rule 17: "), "{said:?}");
    }
    assert_eq!(submit("{").status, Some(1), "what is no payload is a mistake in typing");
    let said = submit(&json("07", "dW4gc2FjIGRlIGZhcmluZQ=="));
    assert_eq!(said.json()["status"], "settled");
    let noted = talea(&founded.wallet("chloe"), &["fetch"]).good();
    assert!(noted.out.starts_with("VALID"), "{noted:?}");
    let shown = talea(&founded.wallet("chloe"), &["show", "bruno/0", "--json"]).json();
    assert_eq!(shown["id"], entry.id().to_string());
}

#[test]
fn a_charter_that_breaks_a_rule_is_neither_consented_to_nor_founded() {
    let founded = Founded::new();
    let text = founded.charter_text();
    let nadia = founded.wallet("nadia");
    let here = files(&nadia);
    for (rule, what, from, to) in [
        (31, "weights of 99.99 %", "weight_bp = 6000", "weight_bp = 5999"),
        (32, "two colleges under fr-scic", "profile = \"none\"", "profile = \"fr-scic\""),
        (33, "a node that lies, of one", "\nfaulty = 0", "\nfaulty = 1"),
        (33, "a quorum of two, of one", "\nquorum = 1", "\nquorum = 2"),
        (33, "a quorum of none", "\nquorum = 1", "\nquorum = 0"),
        (39, "a currency in small letters", "\"EUR\"", "\"eur\""),
        (6, "an amount of zero", "contribution_max = 100000", "contribution_max = 0"),
        (6, "an amount below zero", "contribution_max = 100000", "contribution_max = -1"),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{what}");
        let file = founded.write("charter.toml", broken.as_bytes());
        for command in [&["charter", "check"][..], &["charter", "consent"], &["found"]] {
            let said = talea(&nadia, &[command, &[path(&file), "--yes"]].concat());
            assert_refused(&said, rule, what);
            assert_eq!(files(&nadia), here, "{what}: the wallet is as it was");
        }
    }
    let beyond = text.replacen("= 100000", "= 9223372036854775808", 1);
    let file = founded.write("charter.toml", beyond.as_bytes());
    let said = talea(&nadia, &["charter", "check", path(&file)]);
    assert_refused(&said, 6, "beyond what the file's language has");
    let beyond = text.replacen("sponsors = 2", "sponsors = 99999999999999999999", 1);
    let file = founded.write("charter.toml", beyond.as_bytes());
    let said = talea(&nadia, &["charter", "check", path(&file)]);
    assert_refused(&said, 4, "the same in a number that is no amount");
    assert!(said.err.contains("(sponsors)"), "{said:?}");
    let unsigned = text.replacen("quorum_bp = 5000", "quorum_bp = 5001", 1);
    let file = founded.write("charter.toml", unsigned.as_bytes());
    assert_refused(&talea(&nadia, &["found", path(&file), "--yes"]), 36, "consent to another text");
    assert_eq!(files(&nadia), here);
}

#[test]
fn a_charter_in_a_file_of_bytes_is_refused_by_its_rule_too() {
    let founded = Founded::new();
    let (key, file) = (&founded.keys[0], founded.charter_text());
    let broken = file.replacen("\nfaulty = 0", "\nfaulty = 1", 1);
    let broken = talea_tools::charter_file::CharterFile::parse(&broken).expect("a charter file");
    let moment = (now_ms(), &[7; 32]);
    let draft = talea_tools::founding::draft(&broken, Some(key.device()), moment).expect("a draft");
    let entry = draft.sign(key).expect("an entry");
    let file = founded.write("charter.entry", entry.bytes());
    let said = talea(&founded.wallet("nadia"), &["submit", path(&file), "--yes"]);
    assert_refused(&said, 33, "a roster that is not safe");
}

#[test]
fn rule_6_an_amount_is_refused_at_zero_below_it_and_beyond_an_i64() {
    let founded = Founded::new();
    let bruno = founded.wallet("bruno");
    let here = files(&bruno);
    let money = ["0", "-5", "92233720368547758.08"];
    let commands: [(&[&str], [&str; 3]); 8] = [
        (&["shares", "AMOUNT"], money),
        (&["income", "j", "--client", "c", "--amount", "AMOUNT"], money),
        (&["expense", "627000", "--payee", "p", "--amount", "AMOUNT"], money),
        (&["redirect", "chloe", "AMOUNT", "--run", "2026-01"], money),
        (
            &["invoice", "j", "--client", "c", "--tier", "basic", "--quantity", "AMOUNT"],
            ["0", "-1", "9223372036854775807"],
        ),
        (&["add", "work", "AMOUNT"], ["0", "-3h30", "9223372036854775808"]),
        (&["add", "love", "AMOUNT"], ["0h", "-1", "99999999999999999999"]),
        (&["add", "care", "AMOUNT"], ["0m", "-1h", "153722867280912931h"]),
    ];
    for (command, amounts) in commands {
        for amount in amounts {
            let words: Vec<&str> = command
                .iter()
                .map(|word| if *word == "AMOUNT" { amount } else { word })
                .chain(["--offline", "--yes"])
                .collect();
            assert_refused(&talea(&bruno, &words), 6, &words.join(" "));
            assert_eq!(files(&bruno), here, "{words:?}: the wallet is as it was");
        }
    }
    let said = talea(&bruno, &["add", "care", "-x", "--offline", "--yes"]);
    assert_eq!(said.status, Some(1), "an option that there is not is no amount: {said:?}");
}

#[test]
fn what_would_be_void_is_not_signed_and_what_no_node_takes_is_not_even_with_anyway() {
    let founded = Founded::new();
    let bruno = founded.wallet("bruno");
    let here = files(&bruno);
    let too_much = ["add", "work", "100001", "--offline", "--yes"];
    assert_refused(&talea(&bruno, &too_much), 52, "more than a contribution may claim");
    let mark = ["mark", "--offline", "--yes", "--anyway"];
    assert_refused(&talea(&bruno, &mark), 16, "a register entry by a member");
    assert_eq!(files(&bruno), here);
    let void = sign(
        &founded.keys[1],
        &header(&founded, &founded.keys[1]),
        &Act::Attest(Attest { contribution: founded.cooperative() }),
    );
    let file = founded.write("void.entry", void.expect("an entry").bytes());
    let said = talea(&bruno, &["submit", path(&file), "--yes"]);
    assert_refused(&said, 50, "an attestation of what is no contribution");
    assert_eq!(files(&bruno), here);
}
