//! Where inputs begin: the vectors that a second implementation is tested with.

use serde_json::Value;
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::encode;
use talea_protocol::cut::Cut;
use talea_protocol::entry::Entry;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};

const ENTRIES: &str = include_str!("../../../protocol/vectors/entries.json");
const EXPORTS: &str = include_str!("../../../protocol/vectors/exports.json");
const KEYS: &str = include_str!("../../../protocol/vectors/keys.json");
const LOGS: &str = include_str!("../../../protocol/vectors/logs.json");
const MESSAGES: &str = include_str!("../../../protocol/vectors/messages.json");
const REFUSALS: &str = include_str!("../../../protocol/vectors/refusals.json");

/// The vectors of a file.
fn vectors(file: &str) -> Vec<Value> {
    serde_json::from_str(file).expect("an array of vectors")
}

/// What the vectors of a file have under this name.
fn texts(file: &str, field: &str) -> Vec<String> {
    let text = |vector: &Value| vector.get(field)?.as_str().map(str::to_owned);
    vectors(file).iter().filter_map(text).collect()
}

/// The same, from hexadecimal.
fn octets(file: &str, field: &str) -> Vec<Vec<u8>> {
    texts(file, field).iter().filter_map(|text| unhex(text)).collect()
}

/// Bytes from hexadecimal of any length.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

/// Entries that are good, and entries that break each rule.
#[must_use]
pub fn entries() -> Vec<Vec<u8>> {
    [octets(ENTRIES, "bytes"), octets(REFUSALS, "bytes")].concat()
}

/// The good ones, read.
fn read() -> Vec<Entry> {
    octets(ENTRIES, "bytes").into_iter().filter_map(|bytes| Entry::parse(bytes).ok()).collect()
}

fn known() -> Vec<Act> {
    let act = |entry: Entry| match entry.content() {
        Content::Known(act) => Some(act.clone()),
        Content::Unknown(_) => None,
    };
    read().into_iter().filter_map(act).collect()
}

/// Acts of every kind.
#[must_use]
pub fn acts() -> Vec<Vec<u8>> {
    known().iter().map(encode).collect()
}

/// Charters.
#[must_use]
pub fn charters() -> Vec<Vec<u8>> {
    let charter = |act: &Act| match act {
        Act::Charter(charter) => Some(encode(charter)),
        _ => None,
    };
    known().iter().filter_map(charter).collect()
}

/// Cuts.
#[must_use]
pub fn cuts() -> Vec<Vec<u8>> {
    known().iter().filter_map(Act::cut).map(|cut: &Cut| encode(cut)).collect()
}

/// A text as people and lenient programs misspell it, at each place: zeros and signs before
/// numbers, other line ends, other case, padding left out or added.
#[must_use]
pub fn misspelt(text: &[u8]) -> Vec<Vec<u8>> {
    let Ok(text) = str::from_utf8(text) else { return Vec::new() };
    let mut texts = vec![text.as_bytes().to_vec()];
    let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    for (at, c) in text.char_indices() {
        let (before, after) = text.split_at(at);
        let added: &[&str] = match c {
            '0'..='9' if begins(at) => &["0", "+", " "],
            '\n' => &["\r", " ", "\n"],
            '=' if !before.ends_with('=') => &["="],
            _ => &[],
        };
        texts.extend(added.iter().map(|added| [before, added, after].concat().into_bytes()));
        if c == '=' || c == '\n' {
            texts.push([before, &after[1..]].concat().into_bytes());
        }
    }
    texts.extend([text.to_uppercase(), text.to_lowercase()].map(String::into_bytes));
    texts
}

fn all_misspelt(texts: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    texts.into_iter().flat_map(|text| misspelt(&text)).collect()
}

/// Leaves of every kind.
#[must_use]
pub fn leaves() -> Vec<Vec<u8>> {
    let named = vectors(LOGS).into_iter().filter(|vector| name(vector).starts_with("leaf"));
    let bytes = |vector: Value| unhex(vector.get("bytes")?.as_str()?);
    [named.filter_map(bytes).collect(), vec![vec![4, 1], vec![200]]].concat()
}

fn name(vector: &Value) -> &str {
    vector.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Frames of every message.
#[must_use]
pub fn messages() -> Vec<Vec<u8>> {
    octets(MESSAGES, "frame")
}

/// Sections of an export.
#[must_use]
pub fn sections() -> Vec<Vec<u8>> {
    octets(EXPORTS, "section")
}

/// A whole, small export.
#[must_use]
pub fn exports() -> Vec<Vec<u8>> {
    octets(EXPORTS, "bytes")
}

/// Notes of checkpoints, with and without cosignatures.
#[must_use]
pub fn notes() -> Vec<Vec<u8>> {
    all_misspelt(texts(LOGS, "note").into_iter().map(String::into_bytes))
}

/// The texts of these notes.
#[must_use]
pub fn checkpoints() -> Vec<Vec<u8>> {
    all_misspelt([checkpoint()])
}

/// The text that the node of [`log`] has signed.
#[must_use]
pub fn checkpoint() -> Vec<u8> {
    let note = texts(LOGS, "note").swap_remove(0);
    let (text, _) = note.split_once("\n\n").expect("a note");
    format!("{text}\n").into_bytes()
}

/// The signature lines under these notes.
#[must_use]
pub fn cosignatures() -> Vec<Vec<u8>> {
    let lines = |note: String| {
        let lines = note.split_once("\n\n").map(|(_, lines)| lines.to_owned()).unwrap_or_default();
        lines.lines().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>()
    };
    all_misspelt(texts(LOGS, "note").into_iter().flat_map(lines))
}

/// The log that the notes and the receipts are of: cooperative, node, and who cosigns.
#[must_use]
pub fn log() -> (EntryId, NodeKey, Vec<NodeKey>) {
    let note = vectors(LOGS).into_iter().find(|vector| name(vector) == "checkpoint");
    let note = note.expect("a vector called checkpoint");
    let field = |name: &str| note.get(name).and_then(Value::as_str).expect("a text").to_owned();
    let node = field("node").parse().expect("a node's key");
    let cosigners = [[0x12; 32], [0x13; 32]].map(|seed| SecretKey::from_seed(&seed).node());
    (field("cooperative").parse().expect("an id"), node, cosigners.to_vec())
}

/// Receipts.
#[must_use]
pub fn receipts() -> Vec<Vec<u8>> {
    let receipts = texts(LOGS, "receipt");
    // Without what only helps to find the leaf.
    let short = receipts.iter().map(|text| {
        let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("extra "));
        lines.collect::<String>()
    });
    let short: Vec<String> = short.collect();
    all_misspelt(receipts.into_iter().chain(short).map(String::into_bytes))
}

/// Bundles of leaves.
#[must_use]
pub fn bundles() -> Vec<Vec<u8>> {
    let named = vectors(LOGS).into_iter().filter(|vector| name(vector).starts_with("tile/entries"));
    named.filter_map(|vector| unhex(vector.get("bytes")?.as_str()?)).collect()
}

/// Keys: good, and of every kind that is not.
#[must_use]
pub fn keys() -> Vec<Vec<u8>> {
    octets(KEYS, "public")
}

/// Signatures, each after the key that made it and before what was signed.
#[must_use]
pub fn signatures() -> Vec<Vec<u8>> {
    let keys = vectors(KEYS);
    let public = |seed: &str| {
        let same = |key: &&Value| key.get("seed").and_then(Value::as_str) == Some(seed);
        keys.iter().find(same)?.get("public")?.as_str()
    };
    let signed = |vector: &Value| {
        let field = |name| vector.get(name).and_then(Value::as_str);
        let (key, message) = (public(field("seed")?)?, field("signed")?);
        unhex(&[key, field("signature")?, message].concat())
    };
    keys.iter().filter_map(signed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_input_has_something_to_begin_with() {
        let kinds = [
            (entries(), 40),
            (acts(), 20),
            (charters(), 2),
            (cuts(), 5),
            (leaves(), 7),
            (messages(), 15),
            (sections(), 6),
            (exports(), 1),
            (notes(), 2),
            (checkpoints(), 2),
            (cosignatures(), 4),
            (receipts(), 1),
            (bundles(), 1),
            (keys(), 15),
            (signatures(), 6),
        ];
        for (number, (seeds, least)) in kinds.iter().enumerate() {
            assert!(seeds.len() >= *least, "kind {number}: {}", seeds.len());
        }
    }
}
