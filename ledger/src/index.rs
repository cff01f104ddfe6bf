//! Where an entry is, by its id, in a third of the memory that the ids would take.
//!
//! Ids are hashes, so their first eight bytes nearly always tell them apart, and whoever has the
//! entries has the ids. Nearly: an author may search for two ids that begin alike. So what is found
//! is compared with the whole id, and ids that begin like an earlier one are kept whole. A look
//! costs the logarithm of their number, whatever authors choose. What a position means is the
//! caller's business.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use talea_protocol::hash::EntryId;

/// Positions of entries by their ids. Each id is entered once and stays.
#[derive(Clone, Debug)]
pub struct Index<P> {
    first: BTreeMap<u64, P>,
    /// Those whose first eight bytes were taken.
    rest: BTreeMap<EntryId, P>,
}

impl<P> Default for Index<P> {
    fn default() -> Self {
        Self { first: BTreeMap::new(), rest: BTreeMap::new() }
    }
}

impl<P: Copy> Index<P> {
    /// Enters an id that is not here yet.
    pub fn insert(&mut self, id: &EntryId, position: P) {
        match self.first.entry(beginning(id)) {
            Entry::Vacant(free) => {
                free.insert(position);
            }
            Entry::Occupied(_) => {
                self.rest.insert(*id, position);
            }
        }
    }

    /// The position of an id; `held` says which id a position has.
    #[must_use]
    pub fn find(&self, id: &EntryId, held: impl FnOnce(P) -> Option<EntryId>) -> Option<P> {
        let first = self.first.get(&beginning(id)).copied()?;
        if held(first) == Some(*id) { Some(first) } else { self.rest.get(id).copied() }
    }

    /// How many ids there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

fn beginning(id: &EntryId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = id.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Ids of which many begin alike, some in all bytes but the last.
        #[test]
        fn every_id_is_found_where_it_was_entered_however_alike_they_begin(
            ids in proptest::collection::btree_set((0_u8..3, 0_u8..3, 0_u8..9), 0..60)
                .prop_map(|ids| ids.into_iter().collect::<Vec<_>>())
                .prop_shuffle(),
            absent in (0_u8..3, 0_u8..3, 9_u8..12),
        ) {
            let id = |(first, eighth, last): (u8, u8, u8)| {
                let mut bytes = [7; 32];
                (bytes[0], bytes[7], bytes[31]) = (first, eighth, last);
                EntryId(bytes)
            };
            let held: Vec<EntryId> = ids.into_iter().map(id).collect();
            let mut index = Index::default();
            for (position, id) in held.iter().enumerate() {
                prop_assert_eq!(index.find(id, |at: usize| held.get(at).copied()), None);
                index.insert(id, position);
            }
            prop_assert_eq!(index.len(), held.len());
            for (position, id) in held.iter().enumerate() {
                prop_assert_eq!(index.find(id, |at| held.get(at).copied()), Some(position));
            }
            prop_assert_eq!(index.find(&id(absent), |at| held.get(at).copied()), None);
        }
    }
}
