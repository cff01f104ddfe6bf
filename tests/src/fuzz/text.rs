//! Notes, checkpoints, cosignatures, receipts, paths: texts that are signed, or that name a file.
//!
//! Whatever is read is written back to the last byte, and nothing opens with a known key but what
//! that key has signed.

use std::sync::LazyLock;

use talea_protocol::checkpoint::Checkpoint;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::note::{NOTE_BYTES_MAX, Note, SIGNATURES_MAX, SignatureLine};
use talea_protocol::proof::PROOF_HASHES_MAX;
use talea_protocol::receipt::Receipt;
use talea_protocol::tile::TilePath;
use talea_protocol::tree::leaf_hash;

use super::seed;

/// The log of the vectors, and the text that its node has signed.
static LOG: LazyLock<(EntryId, NodeKey, Vec<NodeKey>, Vec<u8>)> = LazyLock::new(|| {
    let (cooperative, node, cosigners) = seed::log();
    (cooperative, node, cosigners, seed::checkpoint())
});

/// A signed note.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn note(input: &[u8]) {
    let Ok(note) = Note::parse(input) else { return };
    assert!(input.len() <= NOTE_BYTES_MAX && note.signatures().len() <= SIGNATURES_MAX);
    assert_eq!(note.to_string().as_bytes(), input, "another way to write the note");
    assert!(note.text().ends_with('\n'));
    open(&note);
    let lines: Vec<SignatureLine> = note.signatures().to_vec();
    let mut again = note.clone();
    for line in lines {
        let count = again.signatures().len();
        if again.add(line).is_ok() {
            assert_eq!(again.signatures().len(), count, "a key that is there is not added");
        }
    }
}

/// Nobody but the log's node signs its checkpoints, and nobody but cosigners cosigns.
fn open(note: &Note) {
    let (cooperative, node, cosigners, text) = &*LOG;
    let Ok(opened) = note.open(cooperative, node, cosigners) else { return };
    assert_eq!(note.text().as_bytes(), text, "a forged checkpoint");
    assert_eq!(opened.checkpoint().to_string().as_bytes(), text);
    let keys: Vec<NodeKey> = opened.cosignatures().iter().map(|(key, _)| *key).collect();
    assert!(keys.is_sorted() && keys.iter().all(|key| cosigners.contains(key)));
    assert!(opened.cosignatures().iter().all(|(_, time)| *time > 0), "a forged time");
    assert!(note.open(cooperative, node, &[]).is_ok(), "an unknown cosigner's line counts");
}

/// A checkpoint's three lines.
pub fn checkpoint(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string(), text, "another way to write the checkpoint");
        assert_eq!(text.lines().count(), 3);
    }
}

/// One line under a note.
pub fn cosignature(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(line) = text.parse::<SignatureLine>() {
        assert_eq!(line.to_string(), text, "another way to write the line");
        let (name, _) = line.key();
        assert!(!name.is_empty() && !name.contains([' ', '+', '\n']));
    }
}

/// A receipt to be carried away.
pub fn receipt(input: &[u8]) {
    let Ok(receipt) = Receipt::parse(input) else { return };
    assert_eq!(receipt.to_string().as_bytes(), input, "another way to write the receipt");
    assert!(receipt.proof.len() <= PROOF_HASHES_MAX);
    let (cooperative, node, cosigners, text) = &*LOG;
    for (index, leaf) in (0_u64..5).zip(seed::leaves()) {
        if receipt.verify(&leaf_hash(&leaf), cooperative, node, cosigners).is_ok() {
            assert_eq!(receipt.index, index, "a receipt for another place");
            assert_eq!(receipt.checkpoint.text().as_bytes(), text, "under a forged checkpoint");
        }
    }
}

/// The path of a tile or a bundle: one for each, and none leads elsewhere.
pub fn tile_path(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text, "another way to write the path");
        assert!((1..=256).contains(&path.width()));
        assert!(!text.contains("..") && !text.contains("//") && text.starts_with("tile/"));
    }
}

/// Paths of each form.
#[must_use]
pub fn tile_paths() -> Vec<Vec<u8>> {
    let paths = [
        "tile/0/005",
        "tile/63/x001/x234/067",
        "tile/8/000.p/255",
        "tile/entries/x018/x446/x744/x073/x709/x551/615.p/1",
    ];
    paths.iter().flat_map(|path| seed::misspelt(path.as_bytes())).collect()
}
