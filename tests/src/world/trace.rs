//! What happened, as one hash, and what went wrong, by kind.

use std::collections::BTreeMap;

use talea_protocol::hash::Hash;

use super::{Event, World};
use crate::people::START_MS;

/// What came out of a world.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// For each cooperative: a hash of everything that happened until all agreed, in order, and the
    /// state root on which they agreed.
    pub agreed: Vec<(Hash, Hash)>,
    /// Entries settled everywhere.
    pub entries: usize,
    /// What went wrong on the way.
    pub faults: Faults,
    /// Simulated time until all agreed, in ms.
    pub lasted: u64,
}

/// What went wrong, or was tried, by kind.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Faults(BTreeMap<&'static str, u64>);

impl Faults {
    /// Counts one.
    pub fn count(&mut self, kind: &'static str) {
        self.add(kind, 1);
    }

    /// Counts some.
    pub fn add(&mut self, kind: &'static str, some: u64) {
        *self.0.entry(kind).or_default() += some;
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (kind, some) in &other.0 {
            self.add(kind, *some);
        }
    }

    /// Kinds and counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }
}

impl World {
    /// Takes an event into the trace of its cooperative, which it returns. What befalls nodes and
    /// links shows in what their replicas do next.
    pub(super) fn trace(&mut self, event: &Event) -> Option<usize> {
        let (island, kind, parts) = match event {
            Event::Step(step) => (None, 0, [*step, 0, 0]),
            Event::Deliver { island, from, to, .. } => (Some(*island), 1, [*from, *to, 0]),
            Event::Written { island, host, .. } => (Some(*island), 2, [*host, 0, 0]),
            Event::Promised { island, host, .. } => (Some(*island), 3, [*host, 0, 0]),
            Event::Wake { island, host, .. } => (Some(*island), 4, [*host, 0, 0]),
            Event::Submit { island, entry, .. } => (Some(*island), 5, [*entry, 0, 0]),
            Event::Restart(host) => (None, 6, [*host, 0, 0]),
            Event::Mend(one, other) => (None, 7, [*one, *other, 0]),
            Event::Hear(from, to) => (None, 8, [*from, *to, 0]),
            Event::Ending { island, ending } => (Some(*island), 10, [*ending, 0, 0]),
            Event::Restore { island, restore } => (Some(*island), 11, [*restore, 0, 0]),
            Event::Mandate { island, mandate } => (Some(*island), 12, [*mandate, 0, 0]),
            Event::Calm => (None, 9, [0; 3]),
        };
        let mut bytes = vec![kind];
        bytes.extend(self.now.to_le_bytes());
        for part in parts {
            bytes.extend(super::number(part).to_le_bytes());
        }
        match event {
            Event::Deliver { frame, .. } => bytes.extend(frame),
            Event::Promised { commit, .. } => bytes.extend(commit.checkpoint.root.0),
            _ => {}
        }
        if let Some(island) = island {
            self.islands[island].trace.update(&bytes);
        }
        island
    }

    pub(super) fn outcome(self) -> Outcome {
        Outcome {
            agreed: self.islands.iter().filter_map(|island| island.agreed).collect(),
            entries: self.islands.iter().map(|island| island.people.entries.len()).sum(),
            faults: self.faults,
            lasted: self.now - START_MS,
        }
    }
}
