//! Which attachments are named by payloads here while their bytes are not, and when each is to be
//! looked for again.
//!
//! It is bounded: when it is full, the one whose turn is the farthest away gives its place, and is
//! found again by a later look at the payloads. It knows no clock, no file and no peer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use talea_protocol::hash::{EntryId, Hash};

use super::Label;

/// Missing attachments that are remembered: 4 MiB of memory.
pub const MISSING_MAX: usize = 16_384;
/// From the first look to the second; then twice as long each time.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// The longest between two looks.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// Missing attachments, by label and by turn.
#[derive(Debug, Default)]
pub struct Missing {
    all: BTreeMap<Label, Turn>,
    turns: BTreeSet<(Duration, Label)>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    at: Duration,
    wait: Duration,
}

impl Missing {
    /// One more, whose turn is at once.
    pub fn add(&mut self, label: Label) {
        if self.all.contains_key(&label) {
            return;
        }
        if self.all.len() >= MISSING_MAX
            && let Some((_, last)) = self.turns.last().copied()
        {
            self.remove(&last);
        }
        self.put(label, Turn { at: Duration::ZERO, wait: WAIT_MIN });
    }

    /// It is here now, or nothing names it any more.
    pub fn remove(&mut self, label: &Label) {
        if let Some(turn) = self.all.remove(label) {
            self.turns.remove(&(turn.at, *label));
        }
    }

    /// The payload of an entry is gone, and with it what it named.
    pub fn forget(&mut self, cooperative: EntryId, entry: EntryId) {
        let of = |blake3| Label { cooperative, entry, blake3: Hash(blake3) };
        let named = self.all.range(of([0; 32])..=of([0xff; 32]));
        let named: Vec<Label> = named.map(|(label, _)| *label).collect();
        named.iter().for_each(|label| self.remove(label));
    }

    /// One whose turn has come; its next is later.
    pub fn take(&mut self, now: Duration) -> Option<Label> {
        let (at, label) = self.turns.first().copied().filter(|(at, _)| *at <= now)?;
        let wait = self.all.get(&label)?.wait;
        self.turns.remove(&(at, label));
        self.put(label, Turn { at: now + wait, wait: (wait * 2).min(WAIT_MAX) });
        Some(label)
    }

    /// When the next turn is.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.turns.first().map(|(at, _)| *at)
    }

    /// How many are remembered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    fn put(&mut self, label: Label, turn: Turn) {
        self.all.insert(label, turn);
        self.turns.insert((turn.at, label));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(n: usize) -> Label {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Label { cooperative: EntryId([1; 32]), entry: EntryId([2; 32]), blake3: Hash(bytes) }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn what_was_not_found_is_looked_for_less_and_less_often_and_never_given_up() {
        let mut missing = Missing::default();
        missing.add(label(1));
        let (mut now, mut waits) = (seconds(0), Vec::new());
        for _ in 0..13 {
            assert_eq!(missing.take(now), Some(label(1)));
            assert_eq!(missing.take(now), None, "once in its turn");
            let due = missing.due().unwrap();
            waits.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
        // Named again, it does not come sooner.
        missing.add(label(1));
        assert_eq!((missing.due(), missing.count()), (Some(now), 1));
        missing.remove(&label(1));
        assert_eq!((missing.due(), missing.count(), missing.take(now)), (None, 0, None));
    }

    #[test]
    fn whatever_is_named_in_vain_keeps_nothing_new_from_its_turn() {
        let mut missing = Missing::default();
        (0..MISSING_MAX).for_each(|n| missing.add(label(n)));
        while missing.take(seconds(0)).is_some() {}
        missing.add(label(MISSING_MAX));
        assert_eq!(missing.count(), MISSING_MAX);
        assert_eq!(missing.take(seconds(0)), Some(label(MISSING_MAX)));
        assert_eq!(missing.all.len(), missing.turns.len());
    }

    #[test]
    fn with_its_payload_goes_all_that_an_entry_named_and_nothing_else() {
        let mut missing = Missing::default();
        let other = Label { entry: EntryId([3; 32]), ..label(1) };
        let end = Label { blake3: Hash([0xff; 32]), ..label(1) };
        [label(0), label(1), end, other].into_iter().for_each(|it| missing.add(it));
        missing.forget(EntryId([1; 32]), EntryId([2; 32]));
        assert_eq!((missing.count(), missing.take(seconds(0))), (1, Some(other)));
    }
}
