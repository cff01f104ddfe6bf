//! What is refused, and by which rule; and what stands just inside the limits.

use serde_json::{Value, json};
use talea_protocol::act::{
    ACT_BYTES_MAX, Act, Choice, Close, Content, Effect, Matter, Method, Propose, TAGS, Vote,
};
use talea_protocol::bytes::{Month, encode, hex};
use talea_protocol::entry::*;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{Purpose, Signature};

use crate::entries::{samples, unknown};
use crate::{bytes, kept, secret};

/// A run of so many zero bytes is counted, not written.
const RUN: usize = 256;

/// A sound header under key 9.
fn header() -> Header {
    Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative: EntryId([0x11; 32]),
        device: secret(9).device(),
        seq: 3,
        prev: EntryId([0x12; 32]),
        basis: EntryId([0x13; 32]),
        time: 1_767_312_000_000,
        payload: None,
    }
}

fn root() -> Header {
    Header {
        cooperative: EntryId::ZERO,
        seq: 0,
        prev: EntryId::ZERO,
        basis: EntryId::ZERO,
        ..header()
    }
}

fn vote() -> Act {
    Act::Vote(Vote { proposal: EntryId([0x14; 32]), choice: Choice::Yes })
}

/// The act of the vector of this name.
fn act(name: &str) -> Act {
    let entry = samples().into_iter().find(|sample| sample.name == name).unwrap().entry;
    match entry.content() {
        Content::Known(act) => act.clone(),
        Content::Unknown(_) => unreachable!("every act of a sample is known"),
    }
}

/// Bytes with key 9's signature: whatever is wrong with them, it is not that.
fn signed(unsigned: Vec<u8>) -> Vec<u8> {
    let statement = statement(&unsigned).unwrap_or_else(|| unsigned.clone());
    let signature = secret(9).sign(Purpose::Entry, &statement);
    [unsigned, signature.0.to_vec()].concat()
}

fn with_act(act: &[u8]) -> Vec<u8> {
    signed([encode(&header()), act.to_vec()].concat())
}

/// An act whose bytes at `at` are replaced.
fn changed(act: &Act, at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = encode(act);
    bytes[at..at + with.len()].copy_from_slice(with);
    with_act(&bytes)
}

/// An act in which these bytes, which it has once, are others.
fn replaced(act: &Act, from: &[u8], to: &[u8]) -> Vec<u8> {
    let bytes = encode(act);
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    with_act(&[&bytes[..at], to, &bytes[at + from.len()..]].concat())
}

type Case = (&'static str, u16, Vec<u8>);

fn shapes() -> Vec<Case> {
    let vote = signed(unsigned(&header(), &vote()));
    let version = |version| signed([&[version], &vote[1..vote.len() - 64]].concat());
    let scheme = |scheme| signed([&[VERSION, scheme], &vote[2..vote.len() - 64]].concat());
    vec![
        ("no byte", 1, Vec::new()),
        ("a signature alone", 1, vec![1; 64]),
        ("65,536 bytes", 1, vec![0; ENTRY_BYTES_MAX + 1]),
        ("version 0", 2, version(0)),
        ("version 1", 2, version(1)),
        ("version 1, signed as version 1 was", 2, of_version_1()),
        ("version 3", 2, version(3)),
        ("version 3, scheme 2", 2, signed(vec![3, 2])),
        ("scheme 0", 3, scheme(0)),
        ("scheme 2", 3, scheme(2)),
        ("one byte", 4, signed(vec![VERSION])),
        ("two bytes", 4, signed(vec![VERSION, SCHEME])),
        ("a header alone", 4, with_act(&[])),
        ("a tag of three bytes", 4, with_act(&[8, 0, 0])),
        ("an act that ends early", 4, with_act(&encode(&self::vote())[..39])),
    ]
}

/// An entry whose signature is over all that precedes it, under the string of version 1.
fn of_version_1() -> Vec<u8> {
    let unsigned = unsigned(&Header { version: 1, ..header() }, &vote());
    let message = [b"talea entry v1\n".as_slice(), &unsigned].concat();
    let key = ed25519_dalek::SigningKey::from_bytes(&secret(9).seed());
    let signature = ed25519_dalek::Signer::sign(&key, &message);
    [unsigned.as_slice(), &signature.to_bytes()].concat()
}

fn values() -> Vec<Case> {
    let option = {
        let mut bytes = encode(&header());
        *bytes.last_mut().unwrap() = 2;
        signed([bytes, encode(&vote())].concat())
    };
    let propose = Act::Propose(Propose {
        matter: Matter::Ordinary,
        method: Method::Headcount,
        statutory: false,
        closes: 0,
        effect: Effect::Policy,
    });
    let charter = act("charter");
    let (guardians, handed) = (act("guardians, none any more"), act("hand-over, registrar"));
    let (succeed, heal) = (act("succeed"), act("heal, one branch goes on"));
    let given = act("contribution, livelihood, with a job");
    let at = |act: &Act, bytes: &[u8]| {
        encode(act).windows(bytes.len()).position(|window| window == bytes).unwrap()
    };
    let (weight, day) = (5_000_u16.to_le_bytes(), 20_457_i32.to_le_bytes());
    let close = Act::Close(Close { period: Month::new(24_312).unwrap(), ..close() });
    vec![
        ("an option of 2", 4, option),
        ("a vote of 4", 4, changed(&vote(), 36, &[4])),
        ("a truth of 2", 4, changed(&propose, 12, &[2])),
        ("a name with a tab", 4, replaced(&charter, b"Passerelles\n", b"Passerelles\t")),
        (
            "a name with the control U+0085",
            4,
            replaced(&charter, "à".as_bytes(), "\u{85}".as_bytes()),
        ),
        ("a name that is not UTF-8", 4, replaced(&charter, "à".as_bytes(), &[0xc3, 0x28])),
        ("a code with a space", 4, replaced(&given, b"sdg:4", b"sdg 4")),
        ("a code without bytes", 4, replaced(&given, b"\x05\0\0\0\0\0\0\0sdg:4", &[0; 8])),
        (
            "a list of 17 tags",
            4,
            replaced(&given, b"\x02\0\0\0\0\0\0\0\x05", b"\x11\0\0\0\0\0\0\0\x05"),
        ),
        ("a list of 2^64 - 1 devices", 4, changed(&close, 4 + 4 + 32, &[0xff; 8])),
        (
            "a share of 10,001",
            4,
            changed(&charter, at(&charter, &weight), &10_001_u16.to_le_bytes()),
        ),
        (
            "a day in the year 10,000",
            4,
            changed(&given, at(&given, &day), &2_932_897_i32.to_le_bytes()),
        ),
        ("a month in the year 0", 4, changed(&close, 4, &11_u32.to_le_bytes())),
        ("a list of 17 guardians", 4, changed(&guardians, 9, &[&[17], [0; 7].as_slice()].concat())),
        ("a recovery key and half of another", 4, changed(&guardians, 8, &[2])),
        ("an office of 5", 4, changed(&handed, 4, &[5])),
        ("a list of 401 words", 4, changed(&succeed, 40, &401_u64.to_le_bytes())),
        ("evidence of 5,121 bytes", 4, changed(&heal, 85, &5_121_u64.to_le_bytes())),
        ("a byte after the act", 5, with_act(&[encode(&vote()), vec![0]].concat())),
        ("an amount of 0", 6, replaced(&given, &1_200_i64.to_le_bytes(), &[0; 8])),
        ("an amount of -1", 6, replaced(&given, &1_200_i64.to_le_bytes(), &[0xff; 8])),
        ("a charter's amount of 0", 6, replaced(&charter, &100_000_i64.to_le_bytes(), &[0; 8])),
    ]
}

fn close() -> Close {
    match act("close") {
        Act::Close(close) => close,
        _ => unreachable!("the sample is a close"),
    }
}

/// An act of a later version, this long.
fn long(length: usize) -> Vec<u8> {
    let mut act = TAGS.to_le_bytes().to_vec();
    act.resize(length, 0);
    act
}

fn promising(length: u32) -> Vec<u8> {
    let payload = Some(Commitment { hash: Hash([0x15; 32]), length });
    signed(unsigned(&Header { payload, ..header() }, &vote()))
}

fn limits() -> Vec<Case> {
    let known = [encode(&vote()), vec![0; ACT_BYTES_MAX]].concat();
    let founding = |header: Header| signed(unsigned(&header, &act("charter")));
    vec![
        ("an act of 49,153 bytes", 7, with_act(&long(ACT_BYTES_MAX + 1))),
        ("an act of 49,192 bytes, of which 40 are a vote", 7, with_act(&known)),
        ("a payload of 261,121 bytes", 7, promising(261_121)),
        ("a vote with a charter's header", 8, signed(unsigned(&root(), &vote()))),
        ("an unknown act with a charter's header", 8, signed([encode(&root()), long(4)].concat())),
        ("a charter at place 1", 8, founding(Header { seq: 1, ..root() })),
        (
            "a charter in a cooperative",
            8,
            founding(Header { cooperative: EntryId([1; 32]), ..root() }),
        ),
        ("a charter with a basis", 8, founding(Header { basis: EntryId([1; 32]), ..root() })),
    ]
}

/// Rule 9, and what no rule refuses.
fn signatures() -> Vec<Case> {
    let unsigned = unsigned(&header(), &vote());
    let under = |signature: Signature| [unsigned.as_slice(), &signature.0].concat();
    let mut moved = unsigned.clone();
    moved[66] ^= 1;
    let statement = statement(&unsigned).unwrap();
    let good = secret(9).sign(Purpose::Entry, &statement);
    let whole = secret(9).sign(Purpose::Entry, &unsigned);
    let mut small = good;
    small.0[..32].copy_from_slice(&[0; 32]);
    let mut second = good;
    second.0[63] |= 0xe0;
    vec![
        ("another device's signature", 9, under(secret(8).sign(Purpose::Entry, &statement))),
        ("a signature for another purpose", 9, under(secret(9).sign(Purpose::Request, &statement))),
        ("a signature over the act instead of its hash", 9, under(whole)),
        ("a signature at another place", 9, [moved, good.0.to_vec()].concat()),
        ("a signature of zeros", 9, under(Signature([0; 64]))),
        ("R of small order", 9, under(small)),
        ("s beyond the group order", 9, under(second)),
        ("accepted: a vote", 0, under(good)),
        ("accepted: an act of 49,152 bytes", 0, with_act(&long(ACT_BYTES_MAX))),
        ("accepted: an act of a later version, 4 bytes", 0, with_act(&long(4))),
        ("accepted: a payload of 261,120 bytes", 0, promising(261_120)),
        ("accepted: a charter whose prev is not zero", 0, signed(unsigned_charter())),
    ]
}

/// What an entry names before it is a question for the ledger.
fn unsigned_charter() -> Vec<u8> {
    unsigned(&Header { prev: EntryId([1; 32]), ..root() }, &act("charter, the smallest"))
}

/// Name, rule (0 if none), and bytes: `bytes`, then as many zero bytes as `zeros` says, then `rest`.
pub fn vectors() -> Vec<Value> {
    let cases = [shapes(), values(), limits(), signatures()].concat();
    cases.iter().map(|(name, rule, bytes)| packed(name, *rule, bytes)).collect()
}

fn packed(name: &str, rule: u16, bytes: &[u8]) -> Value {
    let Some(from) = bytes.windows(RUN).position(|run| run.iter().all(|byte| *byte == 0)) else {
        return json!({"name": name, "rule": rule, "bytes": hex(bytes)});
    };
    let zeros = bytes[from..].iter().take_while(|byte| **byte == 0).count();
    let (before, rest) = (&bytes[..from], &bytes[from + zeros..]);
    json!({"name": name, "rule": rule, "bytes": hex(before), "zeros": zeros, "rest": hex(rest)})
}

fn unpacked(vector: &Value) -> Vec<u8> {
    match vector["zeros"].as_u64() {
        None => bytes(vector, "bytes"),
        Some(zeros) => {
            let zeros = vec![0; usize::try_from(zeros).unwrap()];
            [bytes(vector, "bytes"), zeros, bytes(vector, "rest")].concat()
        }
    }
}

/// The rule that refuses these bytes; 0 if none does.
fn verdict(bytes: Vec<u8>) -> u16 {
    match Entry::parse(bytes) {
        Err(refusal) => refusal.rule(),
        Ok(entry) => check(vec![entry])
            .iter()
            .map(|it| it.as_ref().map_or_else(|(_, it)| it.rule(), |_| 0))
            .sum(),
    }
}

#[test]
fn every_kept_refusal_names_its_rule() {
    let mut rules = Vec::new();
    for vector in kept::vectors("refusals") {
        let rule = verdict(unpacked(&vector));
        assert_eq!(vector["rule"], json!(rule), "{}", vector["name"]);
        rules.push(rule);
    }
    assert!((0..=9).all(|rule| rules.contains(&rule)));
}

#[test]
fn an_act_of_a_later_version_is_no_reason_to_refuse() {
    assert_eq!(verdict(unknown().entry.bytes().to_vec()), 0);
}
