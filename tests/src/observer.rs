//! An outside observer of one log: all that its node has ever said, and what of it did not hold.
//!
//! It is told what the node acknowledged and showed, and never looks at the node's disk or
//! memory. It knows no transport and no time: who asks, and when, is the test's business.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::checkpoint::Checkpoint;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::leaf::{accept, accepted};
use talea_protocol::tree::{Frontier, TreeHash, leaf_hash};

/// What a node has said or shown that is not true of one log that only grows.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// The entry was acknowledged, and is not where that was.
    Missing {
        /// The entry.
        entry: EntryId,
        /// Its leaf, as acknowledged.
        index: u64,
    },
    /// The entry was acknowledged for two places.
    Moved {
        /// The entry.
        entry: EntryId,
        /// Its leaf at first.
        from: u64,
        /// Its leaf later.
        to: u64,
    },
    /// The entry is there, and the node's receipt does not show it.
    Unproven {
        /// The entry.
        entry: EntryId,
    },
    /// The log was longer before somebody asked for its checkpoint.
    Shorter {
        /// Leaves in the checkpoint.
        size: u64,
        /// Leaves that there had been before.
        before: u64,
    },
    /// Two roots were signed for one size.
    TwoRoots {
        /// The size.
        size: u64,
    },
    /// The leaves do not have the root that was signed.
    Root {
        /// Of how many leaves.
        size: u64,
    },
}

/// What was acknowledged: a leaf and its place.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its index in the log.
    pub index: u64,
    /// Its bytes.
    pub leaf: Vec<u8>,
}

/// All that a node has ever said, and what of it did not hold.
#[derive(Default)]
pub struct Observer {
    now: u64,
    told: Vec<(u64, Told)>,
    acknowledged: BTreeMap<EntryId, Kept>,
    fresh: Vec<EntryId>,
    roots: BTreeMap<u64, TreeHash>,
    floor: u64,
    faults: BTreeSet<Fault>,
}

/// What a node said.
#[derive(Clone, Debug)]
enum Told {
    Acknowledged(EntryId, Kept),
    Shown(u64, TreeHash),
}

impl Observer {
    /// What is told from now on was heard at this time, on any clock that never goes back.
    pub fn at(&mut self, now: u64) -> &mut Self {
        self.now = now;
        self
    }

    /// An observer who has heard what this one had heard until then.
    #[must_use]
    pub fn until(&self, then: u64) -> Self {
        let mut earlier = Self::default();
        for (_, told) in self.told.iter().filter(|(at, _)| *at <= then) {
            match told {
                Told::Acknowledged(entry, kept) => {
                    earlier.acknowledged.insert(*entry, kept.clone());
                    earlier.floor = earlier.floor.max(kept.index + 1);
                }
                Told::Shown(size, root) => {
                    earlier.roots.insert(*size, *root);
                    earlier.floor = earlier.floor.max(*size);
                }
            }
        }
        earlier
    }

    /// The node has said that the entry has this place.
    pub fn acknowledge(&mut self, entry: &Signed, index: u64) {
        let id = entry.id();
        let kept = self.acknowledged.entry(id).or_insert_with(|| {
            self.fresh.push(id);
            let kept = Kept { index, leaf: accept(entry) };
            self.told.push((self.now, Told::Acknowledged(id, kept.clone())));
            kept
        });
        let from = kept.index;
        if from != index {
            self.fault(Fault::Moved { entry: id, from, to: index });
        }
        self.floor = self.floor.max(index + 1);
    }

    /// The node has shown this checkpoint to somebody who asked when [`Self::floor`] was `before`.
    pub fn show(&mut self, checkpoint: &Checkpoint, before: u64) {
        let Checkpoint { size, root, .. } = *checkpoint;
        if size < before {
            self.fault(Fault::Shorter { size, before });
        }
        if *self.roots.entry(size).or_insert(root) != root {
            self.fault(Fault::TwoRoots { size });
        }
        self.told.push((self.now, Told::Shown(size, root)));
        self.floor = self.floor.max(size);
    }

    /// The node has shown its log from the first leaf to the last.
    pub fn read(&mut self, leaves: &[Vec<u8>]) {
        for (entry, Kept { index, leaf }) in &self.acknowledged {
            if usize::try_from(*index).ok().and_then(|index| leaves.get(index)) != Some(leaf) {
                let _ = self.faults.insert(Fault::Missing { entry: *entry, index: *index });
            }
        }
        let mut tree = Frontier::default();
        for leaf in leaves {
            tree.append(leaf_hash(leaf));
            let size = tree.size();
            if self.roots.get(&size).is_some_and(|signed| *signed != tree.root()) {
                self.fault(Fault::Root { size });
            }
        }
    }

    /// The node was asked for an acknowledged entry, and gave index and bytes, or nothing.
    ///
    /// # Panics
    /// If the entry was never acknowledged.
    pub fn give(&mut self, entry: EntryId, given: Option<&(u64, Vec<u8>)>) {
        let Kept { index, leaf } = &self.acknowledged[&entry];
        let same = |(at, bytes): &(u64, Vec<u8>)| at == index && accepted(leaf) == Some(bytes);
        if !given.is_some_and(same) {
            let index = *index;
            self.fault(Fault::Missing { entry, index });
        }
    }

    /// Something else was found to be wrong.
    pub fn fault(&mut self, fault: Fault) {
        let _ = self.faults.insert(fault);
    }

    /// The log has been promised to have at least so many leaves, for ever.
    #[must_use]
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// What was acknowledged since this was asked last.
    pub fn take_fresh(&mut self) -> Vec<EntryId> {
        std::mem::take(&mut self.fresh)
    }

    /// All that was acknowledged.
    #[must_use]
    pub const fn acknowledged(&self) -> &BTreeMap<EntryId, Kept> {
        &self.acknowledged
    }

    /// How many different checkpoints were shown.
    #[must_use]
    pub fn checkpoints(&self) -> usize {
        self.roots.len()
    }

    /// All that did not hold.
    #[must_use]
    pub const fn faults(&self) -> &BTreeSet<Fault> {
        &self.faults
    }

    /// Entries that were acknowledged and are not there.
    #[must_use]
    pub fn missing(&self) -> BTreeSet<EntryId> {
        let missing = self.faults.iter().filter_map(|fault| match fault {
            Fault::Missing { entry, .. } => Some(*entry),
            _ => None,
        });
        missing.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::load;
    use talea_protocol::key::NodeKey;

    fn entries() -> Vec<Signed> {
        load(2, 4, &[NodeKey([7; 32])], 1)
    }

    /// An observer that was told of these entries in this order, and the honest log of them.
    fn told(entries: &[Signed]) -> (Observer, Vec<Vec<u8>>) {
        let mut observer = Observer::default();
        for (index, entry) in (0..).zip(entries) {
            observer.acknowledge(entry, index);
        }
        (observer, entries.iter().map(|entry| accept(entry)).collect())
    }

    fn checkpoint(leaves: &[Vec<u8>]) -> Checkpoint {
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.append(leaf_hash(leaf)));
        Checkpoint { origin: "log".to_owned(), size: tree.size(), root: tree.root() }
    }

    fn swapped(mut leaves: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        leaves.swap(1, 2);
        leaves
    }

    #[test]
    fn an_honest_log_has_no_fault() {
        let (mut observer, honest) = told(&entries());
        observer.show(&checkpoint(&honest), observer.floor());
        observer.read(&honest);
        for (entry, kept) in observer.acknowledged().clone() {
            observer.give(entry, Some(&(kept.index, kept.leaf[1..].to_vec())));
        }
        assert_eq!(observer.faults(), &BTreeSet::new());
    }

    #[test]
    fn what_was_heard_later_is_not_asked_of_an_earlier_time() {
        let entries = entries();
        let mut observer = Observer::default();
        for (index, entry) in (0..).zip(&entries) {
            observer.at(index * 10).acknowledge(entry, index);
        }
        let (_, honest) = told(&entries);
        let mut earlier = observer.until(20);
        assert_eq!((earlier.acknowledged().len(), earlier.floor()), (3, 3));
        earlier.read(&honest[..3]);
        assert_eq!(earlier.faults(), &BTreeSet::new());
        earlier.read(&honest[..2]);
        assert_eq!(earlier.missing(), BTreeSet::from([entries[2].id()]));
    }

    #[test]
    fn every_acknowledged_entry_that_the_log_has_not_is_reported() {
        let entries = entries();
        let (_, honest) = told(&entries);
        let mut changed = honest.clone();
        changed[3][40] ^= 1;
        for (log, missing) in [
            (honest[..4].to_vec(), vec![4]),
            (Vec::new(), vec![0, 1, 2, 3, 4]),
            (changed, vec![3]),
            (swapped(honest), vec![1, 2]),
        ] {
            let (mut observer, _) = told(&entries);
            observer.read(&log);
            let missing = missing.iter().map(|n: &usize| entries[*n].id()).collect();
            assert_eq!(observer.missing(), missing);
        }
    }

    #[test]
    fn an_entry_that_is_not_given_as_it_was_acknowledged_is_reported() {
        let entries = entries();
        let (id, bytes) = (entries[1].id(), entries[1].bytes().to_vec());
        let other = entries[0].bytes().to_vec();
        for given in [None, Some((0, bytes)), Some((1, other))] {
            let (mut observer, _) = told(&entries);
            observer.give(id, given.as_ref());
            assert_eq!(observer.missing(), BTreeSet::from([id]), "{given:?}");
        }
    }

    #[test]
    fn an_entry_with_two_places_is_reported() {
        let entries = entries();
        let (mut observer, _) = told(&entries);
        observer.acknowledge(&entries[1], 9);
        let moved = Fault::Moved { entry: entries[1].id(), from: 1, to: 9 };
        assert_eq!(observer.faults(), &BTreeSet::from([moved]));
    }

    #[test]
    fn a_checkpoint_that_covers_less_than_was_acknowledged_is_reported() {
        let (mut observer, honest) = told(&entries());
        observer.show(&checkpoint(&honest[..4]), observer.floor());
        let shorter = Fault::Shorter { size: 4, before: 5 };
        assert_eq!(observer.faults(), &BTreeSet::from([shorter]));
    }

    #[test]
    fn two_roots_for_one_size_and_leaves_without_the_root_are_reported() {
        let (mut observer, honest) = told(&entries());
        observer.show(&checkpoint(&honest), 5);
        observer.show(&checkpoint(&swapped(honest.clone())), 5);
        assert_eq!(observer.faults(), &BTreeSet::from([Fault::TwoRoots { size: 5 }]));

        let (mut observer, _) = told(&[]);
        observer.show(&checkpoint(&honest), 0);
        observer.read(&swapped(honest));
        assert_eq!(observer.faults(), &BTreeSet::from([Fault::Root { size: 5 }]));
    }
}
