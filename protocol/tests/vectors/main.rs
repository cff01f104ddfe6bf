//! Promises to others: the bytes of every structure, pinned in the folder `vectors` of this crate.
//!
//! A file is a JSON array, one vector a line. What the code makes must be what the files hold, and
//! what the files hold is read back here. A released vector is never edited. To add some:
//! `TALEA_VECTORS=write cargo test -p talea-protocol --test vectors`, and look at the difference.
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

mod entries;
mod exports;
mod hashes;
mod logs;
mod messages;
mod refusals;

use std::path::PathBuf;

use serde_json::Value;
use talea_protocol::key::SecretKey;

/// The files, and what makes each.
const FILES: [(&str, fn() -> Vec<Value>); 7] = [
    ("keys", hashes::keys),
    ("hashes", hashes::hashes),
    ("entries", entries::vectors),
    ("refusals", refusals::vectors),
    ("logs", logs::vectors),
    ("messages", messages::vectors),
    ("exports", exports::vectors),
];
/// All files together, in bytes: somebody shall be able to read them.
const BYTES_MAX: usize = 150_000;

/// The secret key whose seed is 32 times this byte.
fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "vectors", &format!("{file}.json")].iter().collect()
}

/// The vectors of a file.
fn kept(file: &str) -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(path(file)).unwrap()).unwrap()
}

/// The kept vector of this name.
fn named(vectors: &[Value], name: &str) -> Value {
    vectors.iter().find(|vector| vector["name"] == name).unwrap().clone()
}

fn written(vectors: &[Value]) -> String {
    let lines: Vec<String> = vectors.iter().map(Value::to_string).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// The bytes of a hexadecimal field.
fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    let text = vector[field].as_str().unwrap();
    let pairs = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn the_code_makes_what_the_files_hold() {
    let write = std::env::var("TALEA_VECTORS").is_ok_and(|word| word == "write");
    let mut total = 0;
    for (file, make) in FILES {
        let made = written(&make());
        total += made.len();
        if write {
            std::fs::write(path(file), &made).unwrap();
        }
        let kept = std::fs::read_to_string(path(file)).unwrap_or_default();
        let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
        assert_eq!(differs, None, "{file}");
        assert_eq!(made.lines().count(), kept.lines().count(), "vectors added to {file}: write them");
    }
    assert!(total <= BYTES_MAX, "{total} bytes of vectors");
}

#[test]
fn no_two_vectors_of_a_file_have_one_name() {
    for (file, _) in FILES {
        let vectors = kept(file);
        let mut names: Vec<&str> = vectors.iter().map(|v| v["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{file}");
    }
}
