//! Published edge cases get the published verdicts, and one verdict each.
//!
//! The files lie beside the project and are not part of it. Where they are absent, a test says so
//! and passes.

use std::io::ErrorKind;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use talea_protocol::bytes::from_hex;
use talea_protocol::key::{Claim, Purpose, SecretKey, Signature, verify, verify_batch};
use talea_protocol::proof::{verify_consistency, verify_inclusion};
use talea_protocol::tree::TreeHash;

/// How many proofs of each kind are published, how many of them hold.
const PROOFS: (usize, usize) = (98, 6);
/// How many Ed25519 edge cases are published.
const SIGNATURES: usize = 12;

/// A published file, or `None`, with a word about it, where it is absent.
fn published(name: &str) -> Option<Value> {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/{}"), name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("a published file is JSON")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: {name} is absent");
            None
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

fn number(case: &Value, field: &str) -> u64 {
    case[field].as_u64().expect("a number of 64 bits")
}

/// A hash, or `None` if the case gives something that is none.
fn hash(value: &Value) -> Option<TreeHash> {
    let bytes = STANDARD.decode(value.as_str()?).expect("base64");
    bytes.try_into().ok().map(TreeHash)
}

/// A root. Some cases compare words where only their being equal matters: these stand as hashes
/// of their own, zeros after their bytes.
fn root(value: &Value) -> Option<TreeHash> {
    let mut bytes = STANDARD.decode(value.as_str()?).expect("base64");
    if bytes.len() < 32 {
        bytes.resize(32, 0);
    }
    bytes.try_into().ok().map(TreeHash)
}

fn proof(case: &Value) -> Option<Vec<TreeHash>> {
    case["proof"].as_array().map_or(Some(Vec::new()), |proof| proof.iter().map(hash).collect())
}

fn included(case: &Value) -> Option<()> {
    let (leaf, root) = (hash(&case["leafHash"])?, root(&case["root"])?);
    let (index, size) = (number(case, "leafIdx"), number(case, "treeSize"));
    verify_inclusion(&leaf, index, size, &proof(case)?, &root).ok()
}

fn consistent(case: &Value) -> Option<()> {
    let (old_root, new_root) = (root(&case["root1"])?, root(&case["root2"])?);
    let (old, new) = (number(case, "size1"), number(case, "size2"));
    verify_consistency(old, &old_root, new, &new_root, &proof(case)?).ok()
}

/// Cases in the file, and those that hold; panics at a verdict that is not the published one.
fn judged(cases: &Value, judge: fn(&Value) -> Option<()>) -> (usize, usize) {
    let cases = cases.as_array().expect("a list of cases");
    let holds = cases.iter().filter(|case| {
        let verdict = judge(case).is_some();
        assert_eq!(case["wantErr"], Value::Bool(!verdict), "{}", case["name"]);
        verdict
    });
    (cases.len(), holds.count())
}

#[test]
fn inclusion_proofs_get_the_published_verdicts() {
    let Some(file) = published("rfc6962-proofs.json") else { return };
    assert_eq!(judged(&file["inclusion"], included), PROOFS);
}

#[test]
fn consistency_proofs_get_the_published_verdicts() {
    let Some(file) = published("rfc6962-proofs.json") else { return };
    assert_eq!(judged(&file["consistency"], consistent), PROOFS);
}

/// A signature and what is said of it.
struct Case {
    key: [u8; 32],
    signature: Signature,
    message: Vec<u8>,
}

impl Case {
    fn claim(&self) -> Claim {
        Claim::new(&self.key, &self.signature, &self.message)
    }

    fn verdict(&self) -> bool {
        verify(&self.key, &self.signature, &self.message)
    }

    /// A good signature, for company.
    fn good(n: u64) -> Self {
        let secret = SecretKey::from_seed(&[n.to_le_bytes()[0] % 5; 32]);
        let bytes = n.to_le_bytes();
        Self {
            key: secret.device().0,
            signature: secret.sign(Purpose::Entry, &bytes),
            message: Purpose::Entry.message(&bytes),
        }
    }
}

fn edge_cases() -> Option<Vec<Case>> {
    let file = published("ed25519-speccheck.json")?;
    let text = |case: &Value, field: &str| case[field].as_str().expect("text").to_owned();
    let cases = file.as_array().expect("a list of cases").iter().map(|case| Case {
        key: from_hex(&text(case, "pub_key")).expect("a key"),
        signature: Signature(from_hex(&text(case, "signature")).expect("a signature")),
        message: from_hex::<32>(&text(case, "message")).expect("a message").to_vec(),
    });
    Some(cases.collect())
}

/// The next number of a sequence that its seed fixes (SplitMix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What suite 1 says of the twelve, for good: a second implementation must say the same.
///
/// Refused are R of small order (0, 2), s beyond the group order (6, 7) and R that is not
/// canonical (8, 9). Whether a key may be enrolled is asked elsewhere.
const VERDICTS: [bool; SIGNATURES] =
    [false, true, false, true, true, true, false, false, false, false, true, true];

#[test]
fn the_twelve_edge_cases_get_the_verdicts_of_suite_1() {
    let Some(cases) = edge_cases() else { return };
    let verdicts: Vec<bool> = cases.iter().map(Case::verdict).collect();
    assert_eq!(verdicts, VERDICTS);
}

#[test]
fn an_edge_case_gets_the_same_verdict_in_a_batch_as_alone() {
    let Some(cases) = edge_cases() else { return };
    let verdicts: Vec<bool> = cases.iter().map(Case::verdict).collect();
    for (case, verdict) in cases.iter().zip(&verdicts) {
        assert_eq!(verify_batch(&[case.claim()]), [*verdict]);
    }
    let all: Vec<Claim> = cases.iter().map(Case::claim).collect();
    assert_eq!(verify_batch(&all), verdicts);
}

#[test]
fn an_edge_case_gets_the_same_verdict_in_any_of_500_batches() {
    let Some(cases) = edge_cases() else { return };
    let good: Vec<Case> = (0..20).map(Case::good).collect();
    assert!(good.iter().all(Case::verdict));
    for seed in 0..500 {
        let mut state = seed;
        let length = 2 + next(&mut state) % 30;
        // Half of a batch on average is good; some batches hold a single edge case, some many.
        let edges = 1 + next(&mut state) % 8;
        let batch: Vec<&Case> = (0..length)
            .map(|_| {
                let from = if next(&mut state) % 8 < edges { &cases } else { &good };
                let place = next(&mut state) % u64::try_from(from.len()).unwrap();
                &from[usize::try_from(place).unwrap()]
            })
            .collect();
        let claims: Vec<Claim> = batch.iter().map(|case| case.claim()).collect();
        let verdicts: Vec<bool> = batch.iter().map(|case| case.verdict()).collect();
        assert_eq!(verify_batch(&claims), verdicts, "seed {seed}");
    }
}
