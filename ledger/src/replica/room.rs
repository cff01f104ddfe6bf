//! Entries that wait for the one before them, or for the register entry that they name.
//!
//! Limited in number, bytes and time, and for each source, so that no peer can fill it against
//! another (reliability, section 5). What waits here has no place and no receipt.

use std::collections::BTreeMap;

use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::sync::Moment;

use super::Submission;

/// Waiting entries of one source.
pub const SOURCE_MAX: usize = 256;
/// Waiting entries in all.
pub const ENTRIES_MAX: usize = 2_048;
/// Bytes of waiting entries in all.
pub const BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long an entry waits, in ms.
pub const LIFE_MS: u64 = 10 * 60 * 1_000;

#[derive(Debug)]
struct Guest {
    submission: Submission,
    entry: Signed,
    until: Moment,
}

/// The waiting room.
#[derive(Debug, Default)]
pub struct Room {
    /// By what is waited for.
    guests: BTreeMap<EntryId, Vec<Guest>>,
    sources: BTreeMap<NodeKey, usize>,
    entries: usize,
    bytes: usize,
}

impl Room {
    /// Lets an entry wait for another; gives it back when there is no room.
    pub fn enter(
        &mut self,
        now: Moment,
        awaited: EntryId,
        submission: Submission,
        entry: Signed,
    ) -> Result<(), Submission> {
        let of_source = self.sources.get(&submission.source).copied().unwrap_or(0);
        let full = self.entries >= ENTRIES_MAX || self.bytes + entry.bytes().len() > BYTES_MAX;
        if full || of_source >= SOURCE_MAX {
            return Err(submission);
        }
        *self.sources.entry(submission.source).or_default() += 1;
        self.entries += 1;
        self.bytes += entry.bytes().len();
        let until = now.after(LIFE_MS);
        self.guests.entry(awaited).or_default().push(Guest { submission, entry, until });
        Ok(())
    }

    /// Whoever waited for this entry, in the order of arrival.
    pub fn leave(&mut self, awaited: &EntryId) -> Vec<(Submission, Signed)> {
        let guests = self.guests.remove(awaited).unwrap_or_default();
        guests.into_iter().map(|guest| self.forget(guest)).collect()
    }

    /// Sends away who has waited too long; their tickets.
    pub fn expire(&mut self, now: Moment) -> Vec<u64> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        let mut gone = Vec::new();
        for guests in self.guests.values_mut() {
            gone.extend(guests.extract_if(.., |guest| guest.until <= now));
        }
        self.guests.retain(|_, guests| !guests.is_empty());
        gone.into_iter().map(|guest| self.forget(guest).0.ticket).collect()
    }

    /// When the first has waited too long.
    pub fn deadline(&self) -> Option<Moment> {
        self.guests.values().flatten().map(|guest| guest.until).min()
    }

    fn forget(&mut self, guest: Guest) -> (Submission, Signed) {
        self.entries -= 1;
        self.bytes -= guest.entry.bytes().len();
        if let Some(count) = self.sources.get_mut(&guest.submission.source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&guest.submission.source);
            }
        }
        (guest.submission, guest.entry)
    }
}
