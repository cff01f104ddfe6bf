//! The proof that a node has signed two histories of its log.
//!
//! Two checkpoints that bear its signature and cannot both be of one log: of one size with two
//! roots, or of two sizes where the larger log began otherwise than the smaller checkpoint says.
//! No leaf is needed, and nobody is believed. Section 10 of the README; the design's model,
//! section 5.

use crate::bytes::{Decode, Encode, List, Octets};
use crate::checkpoint::{Checkpoint, CheckpointFault};
use crate::hash::EntryId;
use crate::key::NodeKey;
use crate::note::Note;
use crate::proof::{PROOF_HASHES_MAX, ProofFault, verify_consistency};
use crate::tree::TreeHash;

/// Longest checkpoint with its log's signature alone, in bytes: three lines and one of 172.
pub const SIGNED_BYTES_MAX: usize = 512;

/// A checkpoint with no signature but its log's.
pub type SignedCheckpoint = Octets<SIGNED_BYTES_MAX>;

/// Two checkpoints of one log that cannot both be true.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub struct Split {
    /// Whose log.
    pub node: NodeKey,
    /// The checkpoint of fewer leaves; of as many, the one with the lower root.
    pub one: SignedCheckpoint,
    /// The other.
    pub other: SignedCheckpoint,
    /// The root that the log of `other` had when it had as many leaves as `one`.
    pub root: TreeHash,
    /// That it had: the consistency proof from there to `other`.
    pub proof: List<TreeHash, PROOF_HASHES_MAX>,
}

/// Why this is no proof. Whoever shows it is at fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SplitFault {
    /// One is no checkpoint of that log, or its node has not signed it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointFault),
    /// The first has more leaves, or as many and not the lower root.
    #[error("the two checkpoints are not in order of their sizes and roots")]
    Order,
    /// The one may be the beginning of the other.
    #[error("the two checkpoints do not contradict each other")]
    Same,
    /// The log of the second did not have this root at the size of the first.
    #[error(transparent)]
    Proof(#[from] ProofFault),
}

impl Split {
    /// Checks that this is a proof, for the log that the node keeps for this cooperative; the two
    /// checkpoints.
    ///
    /// # Errors
    /// [`SplitFault`], the first found.
    pub fn check(&self, cooperative: &EntryId) -> Result<(Checkpoint, Checkpoint), SplitFault> {
        let opened = |note: &SignedCheckpoint| -> Result<Checkpoint, SplitFault> {
            let note = Note::parse(note).map_err(CheckpointFault::Note)?;
            Ok(note.open(cooperative, &self.node, &[])?.checkpoint().clone())
        };
        let (one, other) = (opened(&self.one)?, opened(&self.other)?);
        if (one.size, one.root) > (other.size, other.root) {
            return Err(SplitFault::Order);
        }
        if one.root == self.root {
            return Err(SplitFault::Same);
        }
        verify_consistency(one.size, &self.root, other.size, &other.root, &self.proof)?;
        Ok((one, other))
    }
}

/// A checkpoint without any signature but its log's; `None` if it has none under that name.
#[must_use]
pub fn alone(note: &Note, origin: &str) -> Option<SignedCheckpoint> {
    let line = note.signatures().iter().find(|line| line.key().0 == origin)?;
    Octets::new(Note::new(note.text().to_owned(), line.clone()).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::origin;
    use crate::key::SecretKey;
    use crate::tree::{Tree, leaf_hash};

    const COOPERATIVE: EntryId = EntryId([7; 32]);

    fn key() -> SecretKey {
        SecretKey::from_seed(&[1; 32])
    }

    /// A log of so many leaves, the last of which are another history's.
    fn log(leaves: u8, others: u8) -> Tree {
        let mut tree = Tree::default();
        for leaf in 0..leaves {
            let history = u8::from(leaf >= leaves - others);
            tree.append(leaf_hash(&[leaf, history]));
        }
        tree
    }

    fn signed(tree: &Tree) -> SignedCheckpoint {
        let origin = origin(&COOPERATIVE, &key().node());
        let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root() };
        let mut note = checkpoint.sign(&key());
        note.add(checkpoint.cosign(&SecretKey::from_seed(&[2; 32]), 5)).unwrap();
        alone(&note, &checkpoint.origin).unwrap()
    }

    fn split(one: &Tree, other: &Tree, began: &Tree) -> Split {
        let proof = other.prove_consistency(began.size(), other.size(), |_, _| None).unwrap();
        Split {
            node: key().node(),
            one: signed(one),
            other: signed(other),
            root: began.root(),
            proof: List::new(proof).unwrap(),
        }
    }

    #[test]
    fn two_roots_of_one_size_are_a_proof_and_so_is_another_beginning() {
        let (one, other) = (log(5, 1), log(5, 2));
        let (one, other) = if one.root() < other.root() { (one, other) } else { (other, one) };
        let proof = split(&one, &other, &other);
        assert_eq!(proof.check(&COOPERATIVE).map(|it| (it.0.size, it.1.size)), Ok((5, 5)));
        assert_eq!(split(&other, &one, &one).check(&COOPERATIVE), Err(SplitFault::Order));
        let other = split(&log(5, 1), &log(9, 6), &log(5, 2));
        assert_eq!(other.check(&COOPERATIVE).map(|it| (it.0.size, it.1.size)), Ok((5, 9)));
        assert_eq!(split(&log(9, 6), &log(9, 0), &log(5, 2)).check(&EntryId([8; 32])).ok(), None);
    }

    #[test]
    fn a_log_that_only_grew_contradicts_nothing() {
        let honest = split(&log(5, 0), &log(9, 0), &log(5, 0));
        assert_eq!(honest.check(&COOPERATIVE), Err(SplitFault::Same));
        let invented = Split { root: TreeHash([4; 32]), ..honest.clone() };
        assert!(matches!(invented.check(&COOPERATIVE), Err(SplitFault::Proof(_))));
        let same = Split { one: honest.other.clone(), ..honest };
        assert!(same.check(&COOPERATIVE).is_err());
    }

    #[test]
    fn nobody_can_prove_it_of_a_node_that_has_not_signed() {
        let proof = split(&log(5, 1), &log(9, 6), &log(5, 2));
        let other = SecretKey::from_seed(&[3; 32]).node();
        let fault = Split { node: other, ..proof.clone() }.check(&COOPERATIVE);
        assert!(matches!(fault, Err(SplitFault::Checkpoint(CheckpointFault::Origin { .. }))));
        let mut bytes = proof.one.to_vec();
        let at = bytes.len() - 20;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let forged = Split { one: Octets::new(bytes).unwrap(), ..proof };
        assert!(matches!(forged.check(&COOPERATIVE), Err(SplitFault::Checkpoint(_))));
    }
}
