//! That a leaf is in a log, and that a log only grew: proofs made from tiles, and their judges.
//!
//! The proofs are those of RFC 6962, sections 2.1.1 and 2.1.2; they are checked as RFC 9162,
//! sections 2.1.3.2 and 2.1.4.2, writes it down. Who vouches for a root is `checkpoint`'s business.
//! Section 8 of the README.

use std::collections::BTreeMap;

use crate::tile::{HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, width};
use crate::tree::{TileMissing, Tree, TreeHash, node_hash, read, root_of};

/// Most hashes in a proof: one for each level of a tree whose size has 64 bits.
pub const PROOF_HASHES_MAX: usize = 64;

/// Why a proof does not show what it should. The sender's fault, or the log's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProofFault {
    /// The log has no such leaf.
    #[error("leaf {index} is not in a log of {size} leaves")]
    Index {
        /// Index of the leaf.
        index: u64,
        /// Leaves in the log.
        size: u64,
    },
    /// A log shrinks, or begins at nothing, with which every log is consistent.
    #[error("no proof leads from a log of {old} leaves to one of {new}")]
    Sizes {
        /// Leaves before.
        old: u64,
        /// Leaves after.
        new: u64,
    },
    /// The sizes ask for another number of hashes.
    #[error("{given} hashes are not the number that these sizes ask for")]
    Length {
        /// Hashes given.
        given: usize,
    },
    /// The hashes do not lead to the earlier root.
    #[error("the proof leads to {computed} for the earlier root, not to {claimed}")]
    OldRoot {
        /// What the hashes lead to.
        computed: TreeHash,
        /// What was claimed.
        claimed: TreeHash,
    },
    /// The hashes do not lead to the root.
    #[error("the proof leads to the root {computed}, not to {claimed}")]
    Root {
        /// What the hashes lead to.
        computed: TreeHash,
        /// What was claimed.
        claimed: TreeHash,
    },
}

/// Checks that the leaf with this hash is leaf `index` of the log with this size and root.
///
/// # Errors
/// [`ProofFault`], the first found.
pub fn verify_inclusion(
    leaf: &TreeHash,
    index: u64,
    size: u64,
    proof: &[TreeHash],
    root: &TreeHash,
) -> Result<(), ProofFault> {
    let last = size.checked_sub(1).filter(|last| index <= *last);
    let mut climb = Climb { node: index, last: last.ok_or(ProofFault::Index { index, size })? };
    let mut computed = *leaf;
    for hash in proof {
        computed = match climb.step(proof.len())? {
            Side::Left => node_hash(hash, &computed),
            Side::Right => node_hash(&computed, hash),
        };
    }
    climb.end(proof.len())?;
    same_root(computed, root)
}

/// Checks that the log of `new` leaves began with the log of `old` leaves.
///
/// Everything is consistent with an empty log, so that nobody can prove it: `old` is at least 1,
/// and who has seen nothing of a log compares nothing.
///
/// # Errors
/// [`ProofFault`], the first found.
pub fn verify_consistency(
    old: u64,
    old_root: &TreeHash,
    new: u64,
    new_root: &TreeHash,
    proof: &[TreeHash],
) -> Result<(), ProofFault> {
    let length = ProofFault::Length { given: proof.len() };
    if old == 0 || old > new {
        return Err(ProofFault::Sizes { old, new });
    }
    if old == new {
        return if proof.is_empty() { same_root(*old_root, new_root) } else { Err(length) };
    }
    // A complete subtree's root is the old root itself, which the proof then leaves out.
    let (first, rest) = match proof.split_first() {
        Some(_) if old.is_power_of_two() => (old_root, proof),
        Some(split) => split,
        None => return Err(length),
    };
    let mut climb = Climb { node: old - 1, last: new - 1 };
    climb.skip(climb.node.trailing_ones());
    let (mut before, mut after) = (*first, *first);
    for hash in rest {
        match climb.step(proof.len())? {
            Side::Left => {
                before = node_hash(hash, &before);
                after = node_hash(hash, &after);
            }
            Side::Right => after = node_hash(&after, hash),
        }
    }
    climb.end(proof.len())?;
    if before != *old_root {
        return Err(ProofFault::OldRoot { computed: before, claimed: *old_root });
    }
    same_root(after, new_root)
}

fn same_root(computed: TreeHash, claimed: &TreeHash) -> Result<(), ProofFault> {
    if computed == *claimed {
        Ok(())
    } else {
        Err(ProofFault::Root { computed, claimed: *claimed })
    }
}

/// Where the sibling of a proof stands.
enum Side {
    Left,
    Right,
}

/// The way from a leaf to the root: the node we are at and the last of its level.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    fn skip(&mut self, levels: u32) {
        self.node >>= levels;
        self.last >>= levels;
    }

    /// Goes up past one sibling, and past the levels where a last node has none.
    fn step(&mut self, given: usize) -> Result<Side, ProofFault> {
        if self.last == 0 {
            return Err(ProofFault::Length { given });
        }
        if self.node & 1 == 0 && self.node < self.last {
            self.skip(1);
            return Ok(Side::Right);
        }
        // Nonzero: an odd node, or the last of a level that has others.
        self.skip(self.node.trailing_zeros());
        self.skip(1);
        Ok(Side::Left)
    }

    fn end(&self, given: usize) -> Result<(), ProofFault> {
        if self.last == 0 { Ok(()) } else { Err(ProofFault::Length { given }) }
    }
}

/// Why a proof could not be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unprovable {
    /// What was asked for does not exist here.
    #[error("this log of {size} leaves has no proof from {from} to {to}")]
    Range {
        /// Index of the leaf, or the earlier size.
        from: u64,
        /// Size of the log that the proof is for.
        to: u64,
        /// Size of the log as it is.
        size: u64,
    },
    /// The store lost a tile: the disk's fault.
    #[error(transparent)]
    Tile(#[from] TileMissing),
}

impl Tree {
    /// The proof that leaf `index` is in this log as it was at `size` leaves.
    ///
    /// `stored` gives the full tiles that were drained from here.
    ///
    /// # Errors
    /// [`Unprovable`].
    pub fn prove_inclusion(
        &self,
        index: u64,
        size: u64,
        stored: impl FnMut(u8, u64) -> Option<Vec<u8>>,
    ) -> Result<Vec<TreeHash>, Unprovable> {
        if index >= size || size > self.size() {
            return Err(Unprovable::Range { from: index, to: size, size: self.size() });
        }
        let mut siblings = Vec::new();
        let (mut begin, mut end) = (0, size);
        while end - begin > 1 {
            let middle = begin + split(end - begin);
            if index < middle {
                siblings.push((middle, end));
                end = middle;
            } else {
                siblings.push((begin, middle));
                begin = middle;
            }
        }
        Tiles::new(self, stored).roots(&siblings)
    }

    /// The proof that this log at `new` leaves began with this log at `old` leaves.
    ///
    /// `stored` gives the full tiles that were drained from here.
    ///
    /// # Errors
    /// [`Unprovable`].
    pub fn prove_consistency(
        &self,
        old: u64,
        new: u64,
        stored: impl FnMut(u8, u64) -> Option<Vec<u8>>,
    ) -> Result<Vec<TreeHash>, Unprovable> {
        if old == 0 || old > new || new > self.size() {
            return Err(Unprovable::Range { from: old, to: new, size: self.size() });
        }
        let mut siblings = Vec::new();
        let (mut begin, mut end) = (0, new);
        while old < end {
            let middle = begin + split(end - begin);
            if old <= middle {
                siblings.push((middle, end));
                end = middle;
            } else {
                siblings.push((begin, middle));
                begin = middle;
            }
        }
        // On the left edge that subtree is the whole old log, whose root the verifier has.
        if begin > 0 {
            siblings.push((begin, end));
        }
        Tiles::new(self, stored).roots(&siblings)
    }
}

/// The largest power of two below `count`, which is at least 2: where the RFC splits a tree.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The hashes of a tree, wherever they are; each tile is fetched once for a proof.
struct Tiles<'a, F> {
    tree: &'a Tree,
    stored: F,
    fetched: BTreeMap<(u8, u64), Vec<u8>>,
}

impl<'a, F: FnMut(u8, u64) -> Option<Vec<u8>>> Tiles<'a, F> {
    fn new(tree: &'a Tree, stored: F) -> Self {
        Self { tree, stored, fetched: BTreeMap::new() }
    }

    /// The roots over these ranges of leaves, the last range first.
    fn roots(&mut self, ranges: &[(u64, u64)]) -> Result<Vec<TreeHash>, Unprovable> {
        ranges.iter().rev().map(|(begin, end)| Ok(self.root(*begin, *end)?)).collect()
    }

    /// The root over `begin..end`, where `begin` is a multiple of the largest subtree inside.
    fn root(&mut self, mut begin: u64, end: u64) -> Result<TreeHash, TileMissing> {
        let mut peaks = Vec::new();
        while begin < end {
            let height = (end - begin).ilog2();
            peaks.push(self.node(height, begin >> height)?);
            begin += 1 << height;
        }
        let joined = peaks.into_iter().rev().reduce(|right, left| node_hash(&left, &right));
        Ok(joined.unwrap_or(TreeHash::EMPTY))
    }

    /// The root of a complete subtree: a run of hashes in one tile, hashed together.
    fn node(&mut self, height: u32, index: u64) -> Result<TreeHash, TileMissing> {
        let level = u8::try_from(height / TILE_HEIGHT).expect("a height below 64");
        let count = 1_u64 << (height % TILE_HEIGHT);
        let first = index * count;
        let tile = first / TILE_WIDTH;
        let width = width(level, tile, self.tree.size());
        let missing = TileMissing { level, index: tile, width };
        let hashes = self.tile(level, tile, width)?;
        let from = usize::try_from(first % TILE_WIDTH).map_err(|_| missing)? * HASH_BYTES;
        let bytes = usize::try_from(count).map_err(|_| missing)? * HASH_BYTES;
        Ok(root_of(hashes.get(from..from + bytes).ok_or(missing)?))
    }

    fn tile(&mut self, level: u8, index: u64, width: u64) -> Result<&[u8], TileMissing> {
        if let Some(held) = self.tree.tile(level, index) {
            return Ok(held);
        }
        if !self.fetched.contains_key(&(level, index)) {
            let hashes = read(&mut self.stored, level, index, width)?;
            self.fetched.insert((level, index), hashes);
        }
        self.fetched.get(&(level, index)).map(Vec::as_slice).ok_or(TileMissing {
            level,
            index,
            width,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::{Log, naive_root};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    fn prefix_root(log: &Log, size: u64) -> TreeHash {
        naive_root(&log.leaves[..usize::try_from(size).unwrap()])
    }

    /// Every proof that differs in one hash, lacks one, or has one more.
    fn damaged(proof: &[TreeHash]) -> Vec<Vec<TreeHash>> {
        let mut all = vec![[proof, &[TreeHash::EMPTY]].concat()];
        all.push([&[TreeHash::EMPTY], proof].concat());
        for place in 0..proof.len() {
            let mut changed = proof.to_vec();
            changed[place].0[31] ^= 1;
            all.push(changed);
            let mut shorter = proof.to_vec();
            shorter.remove(place);
            all.push(shorter);
        }
        all
    }

    #[test]
    fn every_leaf_of_every_log_up_to_70_is_proven_and_no_other_proof_is_accepted() {
        let log = Log::of(70);
        for size in 1..=70 {
            let root = prefix_root(&log, size);
            for (index, leaf) in (0..size).zip(&log.leaves) {
                let proof = log.tree.prove_inclusion(index, size, |_, _| None).unwrap();
                assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()));
                for bad in damaged(&proof) {
                    assert!(verify_inclusion(leaf, index, size, &bad, &root).is_err());
                }
                for other in (0..=size).filter(|other| *other != index) {
                    assert!(verify_inclusion(leaf, other, size, &proof, &root).is_err());
                }
                assert!(verify_inclusion(&TreeHash::EMPTY, index, size, &proof, &root).is_err());
            }
        }
    }

    #[test]
    fn every_growth_up_to_70_is_proven_and_no_other_proof_is_accepted() {
        let log = Log::of(70);
        for new in 1..=70 {
            let new_root = prefix_root(&log, new);
            for old in 1..=new {
                let old_root = prefix_root(&log, old);
                let proof = log.tree.prove_consistency(old, new, |_, _| None).unwrap();
                let check = |old, old_root, proof: &[TreeHash]| {
                    verify_consistency(old, old_root, new, &new_root, proof)
                };
                assert_eq!(check(old, &old_root, &proof), Ok(()));
                assert!(check(old, &TreeHash::EMPTY, &proof).is_err());
                assert!(damaged(&proof).iter().all(|bad| check(old, &old_root, bad).is_err()));
                for other in (0..=new + 1).filter(|other| *other != old) {
                    assert!(check(other, &old_root, &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn what_does_not_exist_is_neither_proven_nor_believed() {
        let log = Log::of(5);
        let range = |from, to| Err(Unprovable::Range { from, to, size: 5 });
        assert_eq!(log.tree.prove_inclusion(5, 5, |_, _| None), range(5, 5));
        assert_eq!(log.tree.prove_inclusion(0, 6, |_, _| None), range(0, 6));
        assert_eq!(log.tree.prove_consistency(0, 5, |_, _| None), range(0, 5));
        assert_eq!(log.tree.prove_consistency(4, 3, |_, _| None), range(4, 3));
        assert_eq!(log.tree.prove_consistency(4, 6, |_, _| None), range(4, 6));
        let root = log.tree.root();
        assert_eq!(
            verify_inclusion(&root, 0, 0, &[], &root),
            Err(ProofFault::Index { index: 0, size: 0 })
        );
        assert_eq!(
            verify_consistency(0, &TreeHash::EMPTY, 5, &root, &[]),
            Err(ProofFault::Sizes { old: 0, new: 5 })
        );
        assert_eq!(
            verify_consistency(u64::MAX, &root, u64::MAX, &root, &[root]),
            Err(ProofFault::Length { given: 1 })
        );
        assert!(verify_inclusion(&root, u64::MAX - 1, u64::MAX, &[root; 70], &root).is_err());
    }

    #[test]
    fn a_lost_tile_is_named() {
        let log = Log::of(600);
        assert_eq!(
            log.tree.prove_inclusion(3, 600, |_, _| None),
            Err(Unprovable::Tile(TileMissing { level: 0, index: 0, width: 256 }))
        );
    }

    /// Three levels of tiles.
    static LARGE: LazyLock<Log> = LazyLock::new(|| Log::of(66_000));

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn proofs_hold_across_tiles(a in 1..=66_000_u64, b in 1..=66_000_u64, leaf: prop::sample::Index) {
            let (old, new) = (a.min(b), a.max(b));
            let index = u64::try_from(leaf.index(usize::try_from(new).unwrap())).unwrap();
            let (old_root, new_root) = (prefix_root(&LARGE, old), prefix_root(&LARGE, new));
            let stored = |level, tile| LARGE.stored(level, tile);

            let proof = LARGE.tree.prove_inclusion(index, new, stored).unwrap();
            let hash = &LARGE.leaves[usize::try_from(index).unwrap()];
            prop_assert_eq!(verify_inclusion(hash, index, new, &proof, &new_root), Ok(()));
            prop_assert!(damaged(&proof).iter().all(|bad| verify_inclusion(hash, index, new, bad, &new_root).is_err()));

            let proof = LARGE.tree.prove_consistency(old, new, stored).unwrap();
            prop_assert!(proof.len() <= PROOF_HASHES_MAX);
            prop_assert_eq!(verify_consistency(old, &old_root, new, &new_root, &proof), Ok(()));
            prop_assert!(damaged(&proof).iter().all(|bad| verify_consistency(old, &old_root, new, &new_root, bad).is_err()));
        }
    }
}
