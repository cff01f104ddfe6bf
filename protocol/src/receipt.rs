//! A receipt that can be carried away: a leaf's place in a log, provable without the log.
//!
//! The form is C2SP tlog-proof v1: a text with the leaf's index, its inclusion proof and the
//! log's checkpoint. It says nothing of the leaf's bytes, which the holder has, or finds in the
//! unauthenticated `extra`. Section 9 of the README.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointFault, Opened};
use crate::hash::EntryId;
use crate::key::NodeKey;
use crate::note::{NOTE_BYTES_MAX, Note, NoteFault};
use crate::proof::{PROOF_HASHES_MAX, ProofFault, verify_inclusion};
use crate::tile::LEAF_BYTES_MAX;
use crate::tree::TreeHash;

/// The first line of every receipt.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Longest receipt, in bytes: the longest leaf in base64, 64 hashes of 45 bytes, a note, and the
/// words between them.
pub const RECEIPT_BYTES_MAX: usize =
    LEAF_BYTES_MAX.div_ceil(3) * 4 + PROOF_HASHES_MAX * 45 + NOTE_BYTES_MAX + 128;

/// Why bytes are not a receipt, or a receipt does not show what it should. The sender's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReceiptFault {
    /// Longer than [`RECEIPT_BYTES_MAX`].
    #[error("a receipt of {length} bytes, at most {RECEIPT_BYTES_MAX} are allowed")]
    TooLong {
        /// Bytes of the receipt.
        length: usize,
    },
    /// Not the header, perhaps extra data, an index, hashes, an empty line and a note.
    #[error("not of the form {HEADER}: line {line}")]
    Form {
        /// The first line that differs, from 0.
        line: usize,
    },
    /// What follows the empty line is not a note.
    #[error(transparent)]
    Note(#[from] NoteFault),
    /// The note is not a checkpoint of that log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointFault),
    /// The leaf is not where the receipt says.
    #[error(transparent)]
    Proof(#[from] ProofFault),
}

/// A leaf's place in a log, of which nothing is known before it is verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// Index of the leaf.
    pub index: u64,
    /// Its inclusion proof in the tree of the checkpoint, from the leaf's sibling upwards.
    pub proof: Vec<TreeHash>,
    /// The checkpoint with its signatures.
    pub checkpoint: Note,
    /// What helps to find the leaf, for instance its bytes; empty if nothing. Never trusted.
    pub extra: Vec<u8>,
}

impl Receipt {
    /// Reads a receipt. Whatever is read is written back by `to_string` to the last byte.
    ///
    /// # Errors
    /// [`ReceiptFault`], the first found.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptFault> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptFault::TooLong { length: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|_| NoteFault::NotText)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ReceiptFault::Form { line: 0 })?;
        let mut lines = head.split('\n').enumerate().peekable();
        let _ = lines.next_if(|(_, line)| *line == HEADER).ok_or(ReceiptFault::Form { line: 0 })?;
        let extra = match lines.next_if(|(_, text)| text.starts_with("extra ")) {
            Some((line, text)) => parse_extra(text).ok_or(ReceiptFault::Form { line })?,
            None => Vec::new(),
        };
        let (line, index) = lines.next().ok_or(ReceiptFault::Form { line: 1 })?;
        let index = parse_index(index).ok_or(ReceiptFault::Form { line })?;
        let mut proof = Vec::new();
        for (line, hash) in lines {
            let hash = parse_hash(hash).filter(|_| proof.len() < PROOF_HASHES_MAX);
            proof.push(hash.ok_or(ReceiptFault::Form { line })?);
        }
        Ok(Self { index, proof, checkpoint: Note::parse(checkpoint.as_bytes())?, extra })
    }

    /// Checks that the log which `node` keeps for `cooperative` has this leaf at the index.
    ///
    /// # Errors
    /// [`ReceiptFault`], the first found.
    pub fn verify(
        &self,
        leaf: &TreeHash,
        cooperative: &EntryId,
        node: &NodeKey,
        roster: &[NodeKey],
    ) -> Result<Opened, ReceiptFault> {
        let opened = self.checkpoint.open(cooperative, node, roster)?;
        let checkpoint = opened.checkpoint();
        verify_inclusion(leaf, self.index, checkpoint.size, &self.proof, &checkpoint.root)?;
        Ok(opened)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", STANDARD.encode(&self.extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

fn parse_extra(line: &str) -> Option<Vec<u8>> {
    let extra = STANDARD.decode(line.strip_prefix("extra ")?).ok()?;
    (1..=LEAF_BYTES_MAX).contains(&extra.len()).then_some(extra)
}

fn parse_index(line: &str) -> Option<u64> {
    let digits = line.strip_prefix("index ")?;
    digits.parse().ok().filter(|index: &u64| index.to_string() == digits)
}

fn parse_hash(line: &str) -> Option<TreeHash> {
    STANDARD.decode(line).ok()?.try_into().ok().map(TreeHash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpoint, origin};
    use crate::key::SecretKey;
    use crate::tree::tests::Log;

    const COOPERATIVE: EntryId = EntryId([7; 32]);

    fn secret() -> SecretKey {
        SecretKey::from_seed(&[1; 32])
    }

    /// Leaf 4 of a log of 11.
    fn receipt() -> (TreeHash, Receipt) {
        let log = Log::of(11);
        let origin = origin(&COOPERATIVE, &secret().node());
        let checkpoint = Checkpoint { origin, size: 11, root: log.tree.root() };
        let receipt = Receipt {
            index: 4,
            proof: log.tree.prove_inclusion(4, 11, |_, _| None).unwrap(),
            checkpoint: checkpoint.sign(&secret()),
            extra: b"leaf 4".to_vec(),
        };
        (log.leaves[4], receipt)
    }

    fn verified(leaf: &TreeHash, receipt: &Receipt) -> Result<u64, ReceiptFault> {
        let opened = receipt.verify(leaf, &COOPERATIVE, &secret().node(), &[])?;
        Ok(opened.checkpoint().size)
    }

    #[test]
    fn a_receipt_is_read_back_and_shows_its_leaf() {
        let (leaf, mut receipt) = receipt();
        for extra in [b"leaf 4".to_vec(), vec![]] {
            receipt.extra = extra;
            let text = receipt.to_string();
            let read = Receipt::parse(text.as_bytes()).unwrap();
            assert_eq!(read, receipt);
            assert_eq!(verified(&leaf, &read), Ok(11));
        }
    }

    #[test]
    fn a_receipt_shows_neither_another_leaf_nor_another_log() {
        let (leaf, receipt) = receipt();
        assert!(matches!(verified(&TreeHash([0; 32]), &receipt), Err(ReceiptFault::Proof(_))));
        let moved = Receipt { index: 5, ..receipt.clone() };
        assert!(matches!(verified(&leaf, &moved), Err(ReceiptFault::Proof(_))));
        let node = secret().node();
        let fault = ReceiptFault::Checkpoint(CheckpointFault::Origin { node });
        assert_eq!(receipt.verify(&leaf, &EntryId([8; 32]), &node, &[]), Err(fault));
    }

    #[test]
    fn a_receipt_has_one_way_to_be_written() {
        let text = receipt().1.to_string();
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            let changed = text.replacen(from, to, 1);
            Receipt::parse(changed.as_bytes()).unwrap_err()
        };
        let form = |line| ReceiptFault::Form { line };
        assert_eq!(refused("proof@v1", "proof@v2"), form(0));
        assert_eq!(refused("extra ", "extra"), form(1));
        assert_eq!(refused("extra bGVhZiA0", "extra "), form(1));
        assert_eq!(refused("extra bGVhZiA0", "extra bGVhZiA0="), form(1));
        assert_eq!(refused("extra bGVhZiA0\n", "extra bGVhZiA0\nextra bGVhZiA0\n"), form(2));
        assert_eq!(refused("index 4", "index 04"), form(2));
        assert_eq!(refused("index 4", "index +4"), form(2));
        assert_eq!(refused("index 4\n", ""), form(2));
        assert_eq!(refused("=\n", "\n"), form(3));
        assert_eq!(refused("=\n", "=\r\n"), form(3));
        assert_eq!(refused("\n\n", "\n"), form(7));
        assert_eq!(refused("— ", "- "), ReceiptFault::Note(NoteFault::Line { line: 0 }));
    }

    #[test]
    fn the_largest_receipt_is_read_and_larger_ones_are_not() {
        let mut receipt = receipt().1;
        receipt.extra = vec![0; LEAF_BYTES_MAX];
        receipt.proof = vec![TreeHash([0; 32]); PROOF_HASHES_MAX];
        assert_eq!(Receipt::parse(receipt.to_string().as_bytes()).as_ref(), Ok(&receipt));
        let more = Receipt { extra: vec![0; LEAF_BYTES_MAX + 1], ..receipt.clone() };
        assert_eq!(
            Receipt::parse(more.to_string().as_bytes()),
            Err(ReceiptFault::Form { line: 1 })
        );
        receipt.proof.push(TreeHash([0; 32]));
        let line = 3 + PROOF_HASHES_MAX;
        assert_eq!(
            Receipt::parse(receipt.to_string().as_bytes()),
            Err(ReceiptFault::Form { line })
        );
        let length = RECEIPT_BYTES_MAX + 1;
        assert_eq!(Receipt::parse(&vec![b'a'; length]), Err(ReceiptFault::TooLong { length }));
    }
}
