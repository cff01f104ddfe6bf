//! Keys, a signature for each purpose, and a hash under each context.

use serde_json::{Value, json};
use talea_protocol::act::{Request, Subscribe, enrolment, subscription};
use talea_protocol::bytes::{Day, Quantity, hex};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::checkpoint::{cosigner, origin};
use talea_protocol::cut::CutRoot;
use talea_protocol::entry::Commitment;
use talea_protocol::hash::{Context, EntryId};
use talea_protocol::key::{
    DeviceKey, KeyFault, NodeKey, Purpose, SecretKey, Signature, examine, verify_for,
};

use crate::entries::{code, founding, list};
use crate::{bytes, kept, named, secret};
use talea_protocol::recovery::{
    Approval, Call, Guardians, departure, guardianship, revocation, succession,
};

const COOPERATIVE: EntryId = EntryId([0x11; 32]);

pub fn keys() -> Vec<Value> {
    let pairs = (1..7).chain(17..20).map(|n| {
        json!({
            "name": format!("key {n}"),
            "seed": hex(&secret(n).seed()),
            "public": secret(n).device(),
        })
    });
    let signatures = signed().into_iter().map(|(purpose, name, bytes)| {
        json!({
            "name": format!("signature, {name}"),
            "seed": hex(&secret(1).seed()),
            "bytes": hex(&bytes),
            "signed": hex(&purpose.message(&bytes)),
            "signature": secret(1).sign(purpose, &bytes),
        })
    });
    pairs.chain(signatures).chain(examined()).collect()
}

/// What is signed for each purpose; an entry's are among the entries.
fn signed() -> Vec<(Purpose, &'static str, Vec<u8>)> {
    let request = Request { device: secret(1).device(), kind: Kind::Machine };
    let subscribe = Subscribe {
        member: Member(3),
        amount: Quantity::new(5_000).unwrap(),
        date: Day::new(20_459).unwrap(),
        reference: code("2026/1"),
        device: secret(1).device(),
        signature: Signature([0; 64]),
    };
    let path = format!("/v1/cooperatives/{COOPERATIVE}/register?from=0");
    let http = format!("GET {path}\n{}\n1767312000000", secret(17).node());
    vec![
        (Purpose::Entry, "entry", b"an entry's header and the hash of its act".to_vec()),
        (Purpose::Enrolment, "enrolment of a founder", founding().1.0.to_vec()),
        (Purpose::Enrolment, "enrolment", enrolment(&COOPERATIVE, &request)),
        (Purpose::Approval, "approval", enrolment(&COOPERATIVE, &request)),
        (Purpose::Subscription, "subscription", subscription(&COOPERATIVE, &subscribe)),
        (Purpose::Request, "request", http.into_bytes()),
        (Purpose::Revocation, "revocation", revocation(&COOPERATIVE, &secret(2).device())),
        (Purpose::Guardians, "guardians", guardianship(&COOPERATIVE, &guardians())),
        (Purpose::Departure, "departure", departure(&COOPERATIVE, Member(3))),
        (Purpose::Succession, "succession", succession(&COOPERATIVE, &call())),
        (Purpose::Redemption, "redemption", subscription(&COOPERATIVE, &subscribe)),
    ]
}

/// No recovery key, two keys, of which both are needed.
fn guardians() -> Guardians {
    let (device, signature) = (secret(1).device(), Signature([0; 64]));
    let mut keys = vec![secret(2).device(), secret(3).device()];
    keys.sort_unstable();
    Guardians {
        member: Member(3),
        recovery: None,
        keys: list(keys),
        threshold: 2,
        at: EntryId([0x12; 32]),
        approval: Approval { device, signature },
    }
}

fn call() -> Call {
    Call { at: EntryId([0x12; 32]), successor: Member(1) }
}

/// Keys that may be enrolled, and keys that may not.
fn examined() -> Vec<Value> {
    let mut identity = [0; 32];
    identity[0] = 1;
    // y = 2 is not on the curve; y = 0 is, and of order 4; y = p + 1 is the identity once more.
    let mut no_point = [0; 32];
    no_point[0] = 2;
    let mut signed_zero = identity;
    signed_zero[31] = 0x80;
    let mut second_identity = [0xff; 32];
    second_identity[0] = 0xee;
    second_identity[31] = 0x7f;
    let cases = [
        ("key, good", secret(1).device().0),
        ("key, no point", no_point),
        ("key, y not below p", second_identity),
        ("key, x of zero with a sign", signed_zero),
        ("key, the identity", identity),
        ("key, of small order", [0; 32]),
        ("key, with a part of small order", MIXED),
    ];
    let verdict = |key| match examine(key) {
        Ok(()) => "may be enrolled",
        Err(KeyFault::Encoding) => "not the canonical encoding of a point",
        Err(KeyFault::Torsion) => "not of the prime-order group",
    };
    cases
        .iter()
        .map(|(name, key)| json!({ "name": name, "public": hex(key), "verdict": verdict(key) }))
        .collect()
}

/// Key 1 plus the point of order 2: y becomes p - y, and the sign of x turns.
const MIXED: [u8; 32] = [
    0x63, 0x77, 0x1c, 0x22, 0x8b, 0xf6, 0x0e, 0x6a, 0x02, 0xad, 0x24, 0xd2, 0xc3, 0x45, 0xa2, 0x8d,
    0x35, 0x98, 0xf6, 0x40, 0xe2, 0x6b, 0xed, 0xe4, 0x0c, 0x8b, 0x77, 0xfe, 0x4b, 0xf0, 0x90, 0xa3,
];

const CONTEXTS: [Context; 11] = [
    Context::Entry,
    Context::Act,
    Context::Payload,
    Context::Cut,
    Context::Founding,
    Context::Row,
    Context::State,
    Context::Tie,
    Context::Origin,
    Context::Batch,
    Context::Export,
];

pub fn hashes() -> Vec<Value> {
    let context = |context: &Context| {
        json!({
            "name": format!("context, {}", context.as_str()),
            "bytes": hex(b"talea"),
            "hash": context.hash(&[b"talea"]),
        })
    };
    CONTEXTS.iter().map(context).chain(uses()).collect()
}

fn uses() -> [Value; 6] {
    let (charter, founding_hash) = founding();
    let (salt, payload) = ([0x5a; 32], br#"{"note":"r\u00e9union"}"#);
    let triples = [
        (secret(1).device(), 3_u32, EntryId([0x31; 32])),
        (secret(3).device(), 1, EntryId([0x33; 32])),
    ];
    let mut root = CutRoot::new();
    for (device, length, last) in &triples {
        root.add(device, *length, last);
    }
    let triples = triples.map(|(device, length, last)| json!([device, length, last]));
    let node = secret(17).node();
    [
        json!({"name": "payload", "salt": hex(&salt), "bytes": hex(payload), "commitment": Commitment::new(&salt, payload)}),
        json!({"name": "cut, empty", "triples": [], "root": CutRoot::new().finish()}),
        json!({"name": "cut, lengths 3, 0, 1", "triples": triples, "root": root.finish()}),
        json!({"name": "founding hash of the entry `charter`", "hash": founding_hash}),
        json!({"name": "founder 2 of the entry `charter`", "charter": charter, "number": 2, "id": Context::Founding.hash_of(&(charter, 2_u32))}),
        json!({"name": "log", "cooperative": COOPERATIVE, "node": node, "origin": origin(&COOPERATIVE, &node), "cosigner": cosigner(&node)}),
    ]
}

#[test]
fn every_kept_signature_is_its_keys() {
    let kept = kept::vectors("keys");
    for (purpose, name, _) in signed() {
        let vector = named(&kept, &format!("signature, {name}"));
        let seed = bytes(&vector, "seed").try_into().unwrap();
        let key: DeviceKey = SecretKey::from_seed(&seed).device();
        let signature = Signature(bytes(&vector, "signature").try_into().unwrap());
        assert!(verify_for(purpose, &key, &signature, &bytes(&vector, "bytes")), "{name}");
    }
}

#[test]
fn a_key_is_its_seeds() {
    for vector in kept::vectors("keys")
        .iter()
        .filter(|vector| vector["seed"].is_string() && vector["public"].is_string())
    {
        let key = SecretKey::from_seed(&bytes(vector, "seed").try_into().unwrap());
        assert_eq!(key.node(), NodeKey(bytes(vector, "public").try_into().unwrap()));
    }
}
