//! The hash of a set of rows, kept up to date row by row.
//!
//! A lattice hash (Bellare and Micciancio, 1997; LtHash, 2019): each row is expanded to 1,024
//! lanes of 16 bits, and the set is their sum, lane by lane, modulo 2^16. Adding and removing cost
//! the change and not the set, and no order is in it. What a row is, and that a row is added once
//! only, is the state's business. Section 5 of the design's model.

use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use talea_protocol::hash::{Context, Hash};

/// Lanes of the sum. With 1,024 lanes of 16 bits, finding two sets with one sum is held to take
/// more than 2^200 steps (Lewi, Kim, Maykov and Weis, "Securing Update Propagation with
/// Homomorphic Hashing", 2019).
const LANES: usize = 1024;
/// Bytes of the sum.
const SUM_BYTES: usize = LANES * 2;

/// The context is hashed once and not for each row.
static ROW: LazyLock<ContextKey> = LazyLock::new(|| hash_derive_key_context(Context::Row.as_str()));

/// The running sum over a set of rows.
#[derive(Clone, Eq, PartialEq)]
pub struct SetHash([u16; LANES]);

impl SetHash {
    /// The hash of no rows.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; LANES])
    }

    /// Adds a row that is not in the set.
    pub fn add(&mut self, row: &[u8]) {
        for (sum, lane) in self.0.iter_mut().zip(lanes(row)) {
            *sum = sum.wrapping_add(lane);
        }
    }

    /// Takes out a row that is in the set.
    pub fn remove(&mut self, row: &[u8]) {
        for (sum, lane) in self.0.iter_mut().zip(lanes(row)) {
            *sum = sum.wrapping_sub(lane);
        }
    }

    /// Thirty-two bytes that stand for the set.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut bytes = [0; SUM_BYTES];
        for (chunk, lane) in bytes.chunks_exact_mut(2).zip(self.0) {
            chunk.copy_from_slice(&lane.to_le_bytes());
        }
        Context::State.hash(&[&bytes])
    }
}

impl Default for SetHash {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SetHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SetHash").field(&self.root()).finish()
    }
}

fn lanes(row: &[u8]) -> [u16; LANES] {
    let mut bytes = [0; SUM_BYTES];
    blake3::Hasher::new_from_context_key(&ROW).update(row).finalize_xof().fill(&mut bytes);
    let mut lanes = [0; LANES];
    for (lane, chunk) in lanes.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *lane = u16::from_le_bytes(*chunk);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(rows: &[Vec<u8>]) -> SetHash {
        let mut set = SetHash::new();
        rows.iter().for_each(|row| set.add(row));
        set
    }

    fn rows() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..20)
    }

    #[test]
    fn a_row_expands_to_the_xof_of_its_context() {
        let mut expected = [0; SUM_BYTES];
        Context::Row.hasher().update(b"row").finalize_xof().fill(&mut expected);
        let given: Vec<u8> = lanes(b"row").iter().flat_map(|lane| lane.to_le_bytes()).collect();
        assert_eq!(given, expected);
    }

    #[test]
    fn a_row_twice_is_not_a_row_once_nor_none() {
        let (none, once, twice) = (of(&[]), of(&[b"a".to_vec()]), of(&vec![b"a".to_vec(); 2]));
        assert_ne!(none.root(), once.root());
        assert_ne!(once.root(), twice.root());
        assert_ne!(none.root(), twice.root());
    }

    #[test]
    fn every_lane_takes_part_in_the_root() {
        for lane in 0..LANES {
            let mut set = of(&[b"a".to_vec()]);
            set.0[lane] = set.0[lane].wrapping_add(1);
            assert_ne!(set.root(), of(&[b"a".to_vec()]).root());
        }
    }

    proptest! {
        #[test]
        fn the_same_rows_make_the_same_root_in_any_order(
            (rows, shuffled) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
        ) {
            prop_assert_eq!(of(&rows).root(), of(&shuffled).root());
        }

        #[test]
        fn what_was_added_and_removed_leaves_no_trace(kept in rows(), passing in rows()) {
            let mut set = of(&kept);
            passing.iter().for_each(|row| set.add(row));
            passing.iter().rev().for_each(|row| set.remove(row));
            prop_assert_eq!(set, of(&kept));
        }

        #[test]
        fn one_changed_row_makes_another_root(rows in rows(), at in any::<prop::sample::Index>()) {
            let mut changed = rows.clone();
            changed[at.index(rows.len())].push(0);
            prop_assert_ne!(of(&rows).root(), of(&changed).root());
        }
    }
}
