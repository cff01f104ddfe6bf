//! The Merkle tree of a node's log: RFC 6962 over SHA-256, which the world's tools read.
//!
//! [`Frontier`] follows a log that somebody else keeps, in a hash for each level. [`Tree`] also
//! holds the tiles that are not yet full and hands each full one out, once, to be stored; it never
//! asks what a leaf means. Proofs are `proof`'s business. Section 8 of the README.

use sha2::{Digest, Sha256};

use crate::bytes::bytes32;
use crate::tile::{HASH_BYTES, TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, Tile, width};

bytes32! {
    /// A hash in a log's Merkle tree (RFC 6962, section 2.1).
    TreeHash
}

impl TreeHash {
    /// The root of a log without leaves: SHA-256 of nothing.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);
}

/// The hash of a leaf: SHA-256 of a zero byte and the leaf's bytes.
#[inline]
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> TreeHash {
    TreeHash(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

/// The hash of a node: SHA-256 of a byte of one and the two hashes below it.
#[inline]
#[must_use]
pub fn node_hash(left: &TreeHash, right: &TreeHash) -> TreeHash {
    let hasher = Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0);
    TreeHash(hasher.finalize().into())
}

/// The root over a run of hashes of one level, given as the bytes of (a part of) a tile.
#[must_use]
pub fn root_of(hashes: &[u8]) -> TreeHash {
    Frontier::over(hashes).root()
}

/// A tree reduced to the roots of its complete subtrees: one for each bit set in its size.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frontier {
    size: u64,
    /// The largest subtree first.
    peaks: Vec<TreeHash>,
}

impl Frontier {
    /// The frontier with these peaks, the largest first; `None` if `size` has another number.
    #[must_use]
    pub fn restore(size: u64, peaks: Vec<TreeHash>) -> Option<Self> {
        (u32::try_from(peaks.len()) == Ok(size.count_ones())).then_some(Self { size, peaks })
    }

    /// The frontier over the hashes of (a part of) a tile.
    fn over(hashes: &[u8]) -> Self {
        let mut frontier = Self::default();
        for hash in hashes.as_chunks::<HASH_BYTES>().0 {
            frontier.append(TreeHash(*hash));
        }
        frontier
    }

    /// Appends a leaf, given by its hash.
    pub fn append(&mut self, leaf: TreeHash) {
        self.append_telling(leaf, |_, _| ());
    }

    /// Appends a leaf and tells each hash that is then final, with its height, from the leaf up.
    fn append_telling(&mut self, leaf: TreeHash, mut tell: impl FnMut(u32, &TreeHash)) {
        let mut hash = leaf;
        tell(0, &hash);
        for height in 1..=self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak for each bit set in the size");
            hash = node_hash(&left, &hash);
            tell(height, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, the largest first.
    #[must_use]
    pub fn peaks(&self) -> &[TreeHash] {
        &self.peaks
    }

    /// The root of the tree, in at most 63 hashes.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        let joined =
            self.peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or(TreeHash::EMPTY)
    }
}

/// The tree of a node's own log: appends, tells its root, and lets go of what is complete.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tree {
    frontier: Frontier,
    /// For each level, the hashes of its last tile as far as they are known: 0 to 255.
    partial: Vec<Vec<u8>>,
    /// Full tiles not yet drained, in the order of their completion.
    full: Vec<Tile>,
}

/// A tile that the store should have and does not, or not in its full length.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("tile {index} of level {level} is missing or has not its {width} hashes")]
pub struct TileMissing {
    /// The tile's level.
    pub level: u8,
    /// Its index in the level.
    pub index: u64,
    /// Hashes that it should have.
    pub width: u64,
}

impl Tree {
    /// The tree of `size` leaves as it was before a stop, from what a store keeps.
    ///
    /// `stored` gives the bytes of a tile: of the full ones, and of level 0's last one, which the
    /// store makes of its last leaves ([`leaf_hash`]). The partial tiles above are computed from
    /// the full ones below them (at most 255 a level), so nobody has to store them. The caller
    /// compares the [`Self::root`] with what it promised.
    ///
    /// # Errors
    /// [`TileMissing`], the first.
    pub fn restore(
        size: u64,
        mut stored: impl FnMut(u8, u64) -> Option<Vec<u8>>,
    ) -> Result<Self, TileMissing> {
        let mut tree = Self::default();
        for level in (0..8).take_while(|level| width(*level, 0, size) > 0) {
            let partial = partial_tile(level, size, &mut stored)?;
            tree.partial.push(partial);
        }
        tree.frontier.size = size;
        for partial in tree.partial.iter().rev() {
            tree.frontier.peaks.append(&mut Frontier::over(partial).peaks);
        }
        Ok(tree)
    }

    /// Appends a leaf, given by its hash: one node hash on average.
    pub fn append(&mut self, leaf: TreeHash) {
        let Self { frontier, partial, full } = self;
        let size = frontier.size + 1;
        frontier.append_telling(leaf, |height, hash| {
            if height.is_multiple_of(TILE_HEIGHT) {
                push_hash(partial, full, height / TILE_HEIGHT, size, hash);
            }
        });
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size
    }

    /// The root of the tree, in at most 63 hashes.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        self.frontier.root()
    }

    /// The frontier of the same tree, which is all that a follower keeps.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The tiles completed since the last call, to be stored before a checkpoint covers them.
    pub fn drain_tiles(&mut self) -> Vec<Tile> {
        std::mem::take(&mut self.full)
    }

    /// The hashes of a tile that is still held here: the last of its level, or one not yet drained.
    ///
    /// A smaller tree's partial tile is the beginning of this one.
    #[must_use]
    pub fn tile(&self, level: u8, index: u64) -> Option<&[u8]> {
        if let Some(tile) = self.full.iter().find(|tile| (tile.level, tile.index) == (level, index))
        {
            return Some(&tile.hashes);
        }
        let last = width(level, index, self.size());
        (1..TILE_WIDTH)
            .contains(&last)
            .then(|| self.partial.get(usize::from(level)))?
            .map(Vec::as_slice)
    }
}

/// Puts a hash into the last tile of its level; a full tile is moved out of it.
fn push_hash(
    partial: &mut Vec<Vec<u8>>,
    full: &mut Vec<Tile>,
    level: u32,
    size: u64,
    hash: &TreeHash,
) {
    let level = u8::try_from(level).expect("a size of 64 bits has 8 levels of tiles");
    let place = usize::from(level);
    if partial.len() == place {
        partial.push(Vec::new());
    }
    let Some(hashes) = partial.get_mut(place) else { return };
    hashes.extend_from_slice(&hash.0);
    if hashes.len() == TILE_BYTES {
        let index = (size >> (TILE_HEIGHT * u32::from(level))) / TILE_WIDTH - 1;
        full.push(Tile { level, index, hashes: std::mem::take(hashes) });
    }
}

/// The hashes of the last tile of a level, if it is not full; nothing if it is.
fn partial_tile(
    level: u8,
    size: u64,
    stored: &mut impl FnMut(u8, u64) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, TileMissing> {
    let index = (size >> (TILE_HEIGHT * u32::from(level))) / TILE_WIDTH;
    let width = width(level, index, size);
    let Some(below) = level.checked_sub(1) else {
        return if width == 0 { Ok(Vec::new()) } else { read(stored, 0, index, width) };
    };
    let first = index * TILE_WIDTH;
    let mut hashes = Vec::new();
    for child in first..first + width {
        hashes.extend_from_slice(&root_of(&read(stored, below, child, TILE_WIDTH)?).0);
    }
    Ok(hashes)
}

/// The first `width` hashes of a tile, from wherever it is kept.
pub(crate) fn read(
    tiles: &mut impl FnMut(u8, u64) -> Option<Vec<u8>>,
    level: u8,
    index: u64,
    width: u64,
) -> Result<Vec<u8>, TileMissing> {
    let missing = TileMissing { level, index, width };
    let mut hashes = tiles(level, index).ok_or(missing)?;
    let bytes = usize::try_from(width).map_err(|_| missing)? * HASH_BYTES;
    if hashes.len() < bytes {
        return Err(missing);
    }
    hashes.truncate(bytes);
    Ok(hashes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A tree, and the store of a node beside it.
    #[derive(Default)]
    pub(crate) struct Log {
        pub tree: Tree,
        pub leaves: Vec<TreeHash>,
        full: BTreeMap<(u8, u64), Vec<u8>>,
    }

    impl Log {
        pub(crate) fn of(size: u64) -> Self {
            let mut log = Self::default();
            for leaf in 0..size {
                log.append(leaf_hash(&leaf.to_be_bytes()));
            }
            log
        }

        fn append(&mut self, leaf: TreeHash) {
            self.tree.append(leaf);
            self.leaves.push(leaf);
            for tile in self.tree.drain_tiles() {
                assert_eq!(tile.hashes.len(), TILE_BYTES);
                assert_eq!(self.full.insert((tile.level, tile.index), tile.hashes), None);
            }
        }

        pub(crate) fn stored(&self, level: u8, index: u64) -> Option<Vec<u8>> {
            self.full.get(&(level, index)).cloned()
        }

        fn restored(&self) -> Result<Tree, TileMissing> {
            let last = self.leaves.len() / 256;
            Tree::restore(self.tree.size(), |level, index| {
                if level == 0 && usize::try_from(index) == Ok(last) {
                    return Some(bytes(&self.leaves[last * 256..]));
                }
                self.stored(level, index)
            })
        }
    }

    fn bytes(hashes: &[TreeHash]) -> Vec<u8> {
        hashes.iter().flat_map(|hash| hash.0).collect()
    }

    /// RFC 6962, section 2.1, word for word.
    pub(crate) fn naive_root(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => TreeHash(Sha256::digest([]).into()),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    #[test]
    fn leaves_and_nodes_begin_with_a_byte_of_their_own() {
        let sha = |parts: &[&[u8]]| TreeHash(Sha256::digest(parts.concat()).into());
        for length in [0, 1, 62, 63, 64, 127, 300] {
            let leaf = vec![7; length];
            assert_eq!(leaf_hash(&leaf), sha(&[&[0], &leaf]), "{length}");
        }
        let (left, right) = (TreeHash([2; 32]), TreeHash([3; 32]));
        assert_eq!(node_hash(&left, &right), sha(&[&[1], &left.0, &right.0]));
        assert_eq!(TreeHash::EMPTY, sha(&[]));
    }

    #[test]
    fn every_size_up_to_600_has_the_root_of_the_rfc_and_survives_a_stop() {
        let mut log = Log::default();
        let mut follower = Frontier::default();
        for size in 0..=600_u64 {
            assert_eq!(log.tree.size(), size);
            assert_eq!(log.tree.root(), naive_root(&log.leaves), "{size}");
            assert_eq!(log.tree.root(), root_of(&bytes(&log.leaves)));
            assert_eq!(follower, *log.tree.frontier());
            assert_eq!(log.restored().unwrap(), log.tree, "{size}");
            let leaf = leaf_hash(&size.to_be_bytes());
            log.append(leaf);
            follower.append(leaf);
        }
    }

    #[test]
    fn a_tree_of_70_000_leaves_has_the_tiles_of_the_specification() {
        let log = Log::of(70_000);
        assert_eq!(log.full.keys().filter(|(level, _)| *level == 0).count(), 273);
        assert_eq!(log.full.keys().filter(|(level, _)| *level == 1).count(), 1);
        assert_eq!(log.full.len(), 274);
        let held = |level, index| log.tree.tile(level, index).map(|hashes| hashes.len() / 32);
        assert_eq!(held(0, 273), Some(112));
        assert_eq!(held(1, 1), Some(17));
        assert_eq!(held(2, 0), Some(1));
        assert_eq!([held(0, 272), held(0, 274), held(3, 0)], [None; 3]);
        assert_eq!(log.stored(1, 0).unwrap()[..32], root_of(&log.stored(0, 0).unwrap()).0);
        assert_eq!(log.tree.tile(2, 0).unwrap(), root_of(&log.stored(1, 0).unwrap()).0);
        assert_eq!(log.tree.root(), naive_root(&log.leaves));
        assert_eq!(log.restored().unwrap(), log.tree);
    }

    #[test]
    fn a_full_tile_can_be_read_until_it_is_drained_and_is_handed_out_once() {
        let mut tree = Tree::default();
        for _ in 0..256 {
            tree.append(TreeHash::EMPTY);
        }
        assert_eq!(tree.tile(0, 0).map(<[u8]>::len), Some(TILE_BYTES));
        assert_eq!(tree.tile(1, 0).map(<[u8]>::len), Some(32));
        assert_eq!(tree.drain_tiles().len(), 1);
        assert_eq!(tree.tile(0, 0), None);
        assert!(tree.drain_tiles().is_empty());
    }

    #[test]
    fn a_store_that_lost_a_tile_or_its_end_is_named() {
        let log = Log::of(600);
        let lost = |lost: (u8, u64), bytes: usize| {
            Tree::restore(600, |level, index| {
                let tile = log
                    .stored(level, index)
                    .or_else(|| log.tree.tile(level, index).map(<[u8]>::to_vec))?;
                Some(if (level, index) == lost { tile[..bytes].to_vec() } else { tile })
            })
        };
        assert_eq!(lost((9, 9), 0).unwrap(), log.tree);
        assert_eq!(lost((0, 2), 87 * 32), Err(TileMissing { level: 0, index: 2, width: 88 }));
        assert_eq!(
            lost((0, 1), TILE_BYTES - 1),
            Err(TileMissing { level: 0, index: 1, width: 256 })
        );
    }

    #[test]
    fn a_frontier_has_one_peak_for_each_bit_of_its_size() {
        let frontier = Log::of(11).tree.frontier().clone();
        let peaks = frontier.peaks().to_vec();
        assert_eq!(peaks.len(), 3);
        assert_eq!(Frontier::restore(11, peaks.clone()), Some(frontier));
        assert_eq!(Frontier::restore(12, peaks), None);
        assert_eq!(Frontier::restore(0, vec![]), Some(Frontier::default()));
    }

    proptest! {
        /// Stopping anywhere, any number of times, leaves no trace.
        #[test]
        fn a_restored_tree_grows_as_the_one_that_never_stopped(sizes in proptest::collection::vec(1..400_u64, 1..4)) {
            let mut log = Log::default();
            let mut steady = Tree::default();
            for size in sizes {
                for leaf in 0..size {
                    let leaf = leaf_hash(&leaf.to_be_bytes());
                    log.append(leaf);
                    steady.append(leaf);
                }
                steady.drain_tiles();
                log.tree = log.restored().unwrap();
                prop_assert_eq!(&log.tree, &steady);
            }
        }
    }
}
