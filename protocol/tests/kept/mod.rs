//! The vectors of the folder `vectors`, as they lie there.

use std::path::PathBuf;

use serde_json::Value;

/// Where a file of vectors lies.
pub fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "vectors", &format!("{file}.json")].iter().collect()
}

/// The vectors of a file.
pub fn vectors(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path(file)).expect("a file of vectors");
    serde_json::from_str(&text).expect("an array")
}

/// The bytes that a text in hexadecimal stands for.
pub fn bytes(text: &Value) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_str()?.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}
