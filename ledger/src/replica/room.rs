//! Entries that wait for the one before them, or for the register entry that they name.
//!
//! Limited in number, bytes and time, and for each source, so that no peer can fill it against
//! another (reliability, section 5). What waits here has no place and no receipt.

use std::collections::BTreeMap;

use talea_protocol::entry::{ENTRY_BYTES_MAX, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::sync::Moment;

use super::Submission;

/// Waiting entries of one source (reliability, section 5).
pub const SOURCE_MAX: usize = 256;
/// Bytes of one source's waiting entries: the same share of all as of the entries, or a few long
/// ones would take everybody's room.
pub const SOURCE_BYTES_MAX: usize = 1024 * 1024;
/// Waiting entries in all.
pub const ENTRIES_MAX: usize = 2_048;
/// Bytes of waiting entries in all.
pub const BYTES_MAX: usize = 8 * 1024 * 1024;
const _: () = assert!(BYTES_MAX / SOURCE_BYTES_MAX == ENTRIES_MAX / SOURCE_MAX);
const _: () = assert!(ENTRY_BYTES_MAX <= SOURCE_BYTES_MAX);
/// How long an entry waits, in ms.
pub const LIFE_MS: u64 = 10 * 60 * 1_000;

#[derive(Debug)]
struct Guest {
    submission: Submission,
    entry: Signed,
    until: Moment,
}

/// What is taken of the room.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    entries: usize,
    bytes: usize,
}

impl Taken {
    const fn has_room(self, bytes: usize, most: Self) -> bool {
        self.entries < most.entries && self.bytes + bytes <= most.bytes
    }

    const fn add(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes;
    }

    const fn remove(&mut self, bytes: usize) {
        self.entries -= 1;
        self.bytes -= bytes;
    }
}

const ALL: Taken = Taken { entries: ENTRIES_MAX, bytes: BYTES_MAX };
const OF_SOURCE: Taken = Taken { entries: SOURCE_MAX, bytes: SOURCE_BYTES_MAX };

/// The waiting room.
#[derive(Debug, Default)]
pub struct Room {
    /// By what is waited for.
    guests: BTreeMap<EntryId, Vec<Guest>>,
    sources: BTreeMap<NodeKey, Taken>,
    all: Taken,
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
        let bytes = entry.bytes().len();
        let of_source = self.sources.get(&submission.source).copied().unwrap_or_default();
        if !self.all.has_room(bytes, ALL) || !of_source.has_room(bytes, OF_SOURCE) {
            return Err(submission);
        }
        self.sources.entry(submission.source).or_default().add(bytes);
        self.all.add(bytes);
        let until = now.after(LIFE_MS);
        self.guests.entry(awaited).or_default().push(Guest { submission, entry, until });
        Ok(())
    }

    /// What waits of one device, in the order of its places.
    pub fn of(&self, device: &DeviceKey) -> Vec<(u64, EntryId)> {
        let guests = self.guests.values().flatten();
        let theirs = guests.filter(|guest| guest.entry.header().device == *device);
        theirs.map(|guest| (guest.entry.header().seq, guest.entry.id())).collect()
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
        let bytes = guest.entry.bytes().len();
        self.all.remove(bytes);
        if let Some(taken) = self.sources.get_mut(&guest.submission.source) {
            taken.remove(bytes);
            if taken.entries == 0 {
                self.sources.remove(&guest.submission.source);
            }
        }
        (guest.submission, guest.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::act::{Act, Attest, Mark};
    use talea_protocol::bytes::List;
    use talea_protocol::cut::Cut;
    use talea_protocol::entry::{Header, SCHEME, VERSION, sign};
    use talea_protocol::hash::Hash;
    use talea_protocol::key::SecretKey;

    fn source(n: usize) -> NodeKey {
        NodeKey([u8::try_from(n).unwrap(); 32])
    }

    fn entry(act: &Act) -> Signed {
        let key = SecretKey::from_seed(&[9; 32]);
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: EntryId([1; 32]),
            device: key.device(),
            seq: 5,
            prev: EntryId([2; 32]),
            basis: EntryId([3; 32]),
            time: 0,
            payload: None,
        };
        sign(&key, &header, act).unwrap()
    }

    fn short() -> Signed {
        entry(&Act::Attest(Attest { contribution: EntryId([4; 32]) }))
    }

    /// An entry of about so many bytes.
    fn long(bytes: usize) -> Signed {
        let lengths = List::new(vec![1; bytes / 4]).unwrap();
        entry(&Act::Mark(Mark { cut: Cut { at: EntryId([5; 32]), lengths, root: Hash::ZERO } }))
    }

    impl Room {
        fn comes(&mut self, now: u64, from: usize, entry: &Signed) -> bool {
            let ticket = u64::try_from(self.all.entries).unwrap();
            let Header { device, seq, .. } = *entry.header();
            let (source, id) = (source(from), entry.id());
            let submission = Submission { ticket, source, payload: None, device, seq, id };
            self.enter(Moment(now), EntryId([2; 32]), submission, entry.clone()).is_ok()
        }

        fn fill(&mut self, from: usize, entry: &Signed) -> usize {
            (0..).take_while(|_| self.comes(0, from, entry)).count()
        }
    }

    #[test]
    fn a_source_has_256_entries_waiting_and_no_more() {
        let (mut room, entry) = (Room::default(), short());
        assert_eq!(room.fill(1, &entry), SOURCE_MAX);
        assert!(room.comes(0, 2, &entry), "another's room is not taken");
    }

    #[test]
    fn a_source_has_a_mebibyte_waiting_and_no_more() {
        let (mut room, entry) = (Room::default(), long(40_000));
        assert_eq!(room.fill(1, &entry), SOURCE_BYTES_MAX / entry.bytes().len());
        assert!(room.comes(0, 2, &entry), "another's room is not taken");
    }

    #[test]
    fn two_thousand_and_forty_eight_entries_wait_and_nobody_has_to_leave_for_another() {
        let (mut room, entry) = (Room::default(), short());
        let all: usize = (0..ENTRIES_MAX / SOURCE_MAX).map(|n| room.fill(n, &entry)).sum();
        assert_eq!(all, ENTRIES_MAX);
        for n in 0..20 {
            assert!(!room.comes(0, n, &entry));
        }
        let left = room.leave(&EntryId([2; 32]));
        assert_eq!(left.len(), ENTRIES_MAX);
        let in_order = (0..).zip(&left).all(|(n, (submission, _))| submission.ticket == n);
        assert!(in_order, "in the order of their arrival");
        assert_eq!((room.all.entries, room.all.bytes, room.sources.len()), (0, 0, 0));
    }

    #[test]
    fn eight_mebibytes_wait_and_no_more() {
        let (mut room, entry) = (Room::default(), long(40_000));
        for n in 0..BYTES_MAX / SOURCE_BYTES_MAX {
            let _ = room.fill(n, &entry);
        }
        let left = BYTES_MAX - room.all.bytes;
        assert!(room.comes(0, 100, &entry) == (left >= entry.bytes().len()));
        let _ = room.fill(101, &short());
        let _ = room.fill(102, &short());
        assert!(room.all.bytes <= BYTES_MAX && BYTES_MAX - room.all.bytes < short().bytes().len());
    }

    #[test]
    fn an_entry_waits_ten_minutes_and_then_its_sender_is_told() {
        let (mut room, entry) = (Room::default(), short());
        assert!(room.comes(0, 1, &entry) && room.comes(1, 2, &entry));
        assert_eq!(room.deadline(), Some(Moment(LIFE_MS)));
        assert!(room.expire(Moment(LIFE_MS - 1)).is_empty());
        assert_eq!(room.expire(Moment(LIFE_MS)), [0]);
        assert_eq!(room.expire(Moment(LIFE_MS + 1)), [1]);
        assert_eq!((room.all.entries, room.all.bytes, room.sources.len()), (0, 0, 0));
    }
}
