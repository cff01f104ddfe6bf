//! Promises to others: the bytes of every structure, pinned in the folder `vectors` of this crate.
//!
//! A file is a JSON array, one vector a line. What the code makes must be what the files hold, and
//! what the files hold is read back here. A released vector is never edited. To add some:
//! `TALEA_VECTORS=write cargo test -p talea-protocol --test vectors the_code_makes`.
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

mod attachments;
mod council;
mod entries;
mod exports;
mod forks;
mod hashes;
#[path = "../kept/mod.rs"]
mod kept;
mod logs;
mod messages;
mod partners;
mod personal;
mod recovery;
mod treasurer;
mod refusals;

use serde_json::Value;
use talea_protocol::key::SecretKey;

type Vectors = fn() -> Vec<Value>;

/// The files, and what makes each.
const FILES: [(&str, Vectors); 9] = [
    ("keys", hashes::keys),
    ("hashes", hashes::hashes),
    ("entries", entries::vectors),
    ("refusals", refusals::vectors),
    ("logs", logs::vectors),
    ("forks", forks::vectors),
    ("messages", messages::vectors),
    ("exports", exports::vectors),
    ("attachments", attachments::vectors),
];
/// All files together, in bytes: somebody shall be able to read them.
const BYTES_MAX: usize = 360_000;

/// The secret key whose seed is 32 times this byte.
fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

/// The kept vector of this name.
fn named(vectors: &[Value], name: &str) -> Value {
    vectors.iter().find(|vector| vector["name"] == name).unwrap().clone()
}

fn written(vectors: &[Value]) -> String {
    let lines: Vec<String> = vectors.iter().cloned().map(line).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// A vector, its name first.
fn line(mut vector: Value) -> String {
    let name = vector.as_object_mut().unwrap().remove("name").unwrap();
    vector.to_string().replacen('{', &format!("{{\"name\":{name},"), 1)
}

/// The bytes of a hexadecimal field.
fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    kept::bytes(&vector[field]).unwrap()
}

#[test]
fn the_code_makes_what_the_files_hold() {
    let write = std::env::var("TALEA_VECTORS").is_ok_and(|word| word == "write");
    let mut total = 0;
    for (file, make) in FILES {
        let made = written(&make());
        total += made.len();
        if write {
            std::fs::write(kept::path(file), &made).unwrap();
        }
        let kept = std::fs::read_to_string(kept::path(file)).unwrap_or_default();
        let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
        assert_eq!(differs, None, "{file}");
        assert_eq!(
            made.lines().count(),
            kept.lines().count(),
            "vectors added to {file}: write them"
        );
    }
    assert!(total <= BYTES_MAX, "{total} bytes of vectors");
}

#[test]
fn no_two_vectors_of_a_file_have_one_name() {
    for (file, _) in FILES {
        let vectors = kept::vectors(file);
        let mut names: Vec<&str> = vectors.iter().map(|v| v["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{file}");
    }
}
