//! What two nodes say to each other, one message a frame.
//!
//! A conversation about a cooperative is two nodes following each other's logs: `Follow` asks for
//! a log from a place, `Leaves` brings what comes after it, now and as it grows, and `More`
//! allows further frames. Section 11 of the README has the layout; `sync` has the behaviour.

use crate::bytes::{
    Decode, Encode, FRAME_BYTES_MAX, List, Malformed, Octets, Text, decode, encode,
};
use crate::entry::{ENTRY_BYTES_MAX, PAYLOAD_BYTES_MAX};
use crate::fork::Fork;
use crate::hash::{EntryId, Hash};
use crate::key::NodeKey;

/// Bytes of leaves in one frame; the rest of a frame is for names, note and codec.
pub const BUNDLE_BYTES_MAX: usize = 192 * 1024;
/// Ids in one list.
pub const NAMES_MAX: usize = 1024;
/// Items of one `Leaves`.
pub const ITEMS_MAX: usize = 1024;
/// Leaves that one `Leaves` may stand for: a few bytes of [`Item::Copy`] could name any number.
pub const LEAVES_MAX: u64 = 2048;
/// Longest checkpoint with all its cosignatures, in bytes.
pub const CHECKPOINT_BYTES_MAX: usize = 8 * 1024;
/// Logs of one cooperative, of all its rosters: sixteen whole changes.
pub const LOGS_MAX: usize = 256;
/// Payloads asked for at once; each answer is a frame of its own.
pub const ASK_MAX: usize = 64;
/// Bytes of an attachment in one frame.
pub const PIECE_BYTES_MAX: usize = BUNDLE_BYTES_MAX;
/// Longest explanation in an answer, in bytes.
pub const DETAIL_BYTES_MAX: usize = 400;
const _: () =
    assert!(BUNDLE_BYTES_MAX + NAMES_MAX * 32 + CHECKPOINT_BYTES_MAX + 4096 <= FRAME_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX + 1024 <= FRAME_BYTES_MAX);

/// How much of a log somebody holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode)]
pub struct LogSize {
    /// Whose log.
    pub node: NodeKey,
    /// Leaves held and checked.
    pub size: u64,
}

/// How an accept leaf may be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode)]
pub enum Form {
    /// By name where the follower probably has the entry from somebody else.
    Named,
    /// With its bytes always, except what came from the follower itself.
    Whole,
}

/// One or more successive leaves of a log.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub enum Item {
    /// Leaves with their bytes: for each a u16 big-endian length and the leaf (the entry bundle
    /// of tlog-tiles).
    Bundle(Octets<BUNDLE_BYTES_MAX>),
    /// Accept leaves of these entries.
    Known(List<EntryId, NAMES_MAX>),
    /// Accept leaves of the same entries as the next `count` accept leaves of another log, from
    /// its place `from` on; leaves of other kinds there are passed over.
    Copy {
        /// The other log, one that the follower holds: its own.
        log: NodeKey,
        /// The place of the first.
        from: u64,
        /// How many accept leaves.
        count: u32,
    },
}

/// Erasable bytes on their way.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub struct Payload {
    /// The entry that commits to them.
    pub entry: EntryId,
    /// The salt of the commitment.
    pub salt: [u8; 32],
    /// The payload.
    pub bytes: Octets<PAYLOAD_BYTES_MAX>,
}

/// What became of a submitted entry.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub enum Reception {
    /// It has this place in the node's log.
    Placed(u64),
    /// It had one already.
    Known(u64),
    /// It waits for an entry that it names.
    Waiting(EntryId),
    /// It is refused, by the rule of this number.
    Refused {
        /// The rule.
        rule: u16,
        /// The reason in words, and what to do.
        detail: Text<DETAIL_BYTES_MAX>,
    },
    /// The node is full: again after so many milliseconds.
    Busy(u32),
}

/// A message.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub enum Message {
    /// 0: begins the conversation about a cooperative: what the sender holds of which logs.
    Open {
        /// Which.
        cooperative: EntryId,
        /// The logs held.
        logs: List<LogSize, LOGS_MAX>,
    },
    /// 1: asks for a log from a place on, replacing an earlier wish for the same log.
    Follow {
        /// Of which cooperative.
        cooperative: EntryId,
        /// Whose log.
        log: NodeKey,
        /// The first leaf wanted.
        from: u64,
        /// How many frames may come unasked.
        frames: u32,
        /// How leaves may be sent.
        form: Form,
    },
    /// 2: allows further frames of a log that is followed.
    More {
        /// Of which cooperative.
        cooperative: EntryId,
        /// Whose log.
        log: NodeKey,
        /// How many.
        frames: u32,
    },
    /// 3: the leaves that come next.
    Leaves {
        /// Of which cooperative.
        cooperative: EntryId,
        /// Whose log.
        log: NodeKey,
        /// Place of the first.
        from: u64,
        /// The leaves.
        items: List<Item, ITEMS_MAX>,
        /// The log owner's signed checkpoint at or beyond the last of them; may be empty.
        checkpoint: Octets<CHECKPOINT_BYTES_MAX>,
    },
    /// 4: the sender has verified the receiver's log up to a checkpoint and cosigns it.
    Cosigned {
        /// Of which cooperative.
        cooperative: EntryId,
        /// The note with the sender's line.
        note: Octets<CHECKPOINT_BYTES_MAX>,
    },
    /// 5: asks for payloads.
    Ask {
        /// Of which cooperative.
        cooperative: EntryId,
        /// Of these entries.
        entries: List<EntryId, ASK_MAX>,
    },
    /// 6: a payload.
    Given {
        /// Of which cooperative.
        cooperative: EntryId,
        /// The payload.
        payload: Payload,
    },
    /// 7: a wallet submits an entry.
    Submit {
        /// Its bytes.
        entry: Octets<ENTRY_BYTES_MAX>,
        /// Its payload, if it has one.
        payload: Option<Payload>,
    },
    /// 8: what became of it.
    Answer {
        /// Its id; zero if the bytes are no entry.
        entry: EntryId,
        /// What became of it.
        reception: Reception,
    },
    /// 9: a device has written twice in one place. Said before everything else.
    Forked {
        /// Of which cooperative.
        cooperative: EntryId,
        /// The proof.
        fork: Box<Fork>,
    },
    /// 10: asks for a piece of an attachment.
    Fetch {
        /// Of which cooperative.
        cooperative: EntryId,
        /// The entry whose payload names it.
        entry: EntryId,
        /// The hash of its bytes.
        blake3: Hash,
        /// The first byte wanted.
        from: u64,
    },
    /// 11: a piece of an attachment.
    Piece {
        /// Of which cooperative.
        cooperative: EntryId,
        /// The entry whose payload names it.
        entry: EntryId,
        /// The hash of all its bytes.
        blake3: Hash,
        /// The place of the first byte.
        from: u64,
        /// As many as a frame takes, or as are left; none if it is not here.
        bytes: Octets<PIECE_BYTES_MAX>,
    },
}

impl Message {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`Malformed`]: the sender's fault; the session ends.
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        decode(frame, FRAME_BYTES_MAX)
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        encode(self)
    }

    /// The cooperative that it is about; `None` for a submission, whose entry says it.
    #[must_use]
    pub const fn cooperative(&self) -> Option<EntryId> {
        match self {
            Self::Open { cooperative, .. }
            | Self::Follow { cooperative, .. }
            | Self::More { cooperative, .. }
            | Self::Leaves { cooperative, .. }
            | Self::Cosigned { cooperative, .. }
            | Self::Ask { cooperative, .. }
            | Self::Given { cooperative, .. }
            | Self::Forked { cooperative, .. }
            | Self::Fetch { cooperative, .. }
            | Self::Piece { cooperative, .. } => Some(*cooperative),
            Self::Submit { .. } | Self::Answer { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_back_and_a_longer_one_is_refused() {
        let message = Message::Follow {
            cooperative: EntryId([1; 32]),
            log: NodeKey([2; 32]),
            from: 7,
            frames: 4,
            form: Form::Whole,
        };
        assert_eq!(Message::parse(&message.frame()), Ok(message.clone()));
        assert!(Message::parse(&[message.frame(), vec![0]].concat()).is_err());
        assert!(Message::parse(&vec![0; FRAME_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn the_largest_leaves_fit_a_frame() {
        let bundle = Item::Bundle(Octets::new(vec![0; BUNDLE_BYTES_MAX]).unwrap());
        let names = Item::Known(List::new(vec![EntryId([1; 32]); NAMES_MAX]).unwrap());
        let message = Message::Leaves {
            cooperative: EntryId([1; 32]),
            log: NodeKey([2; 32]),
            from: 0,
            items: List::new(vec![bundle, names]).unwrap(),
            checkpoint: Octets::new(vec![0; CHECKPOINT_BYTES_MAX]).unwrap(),
        };
        assert!(message.frame().len() <= FRAME_BYTES_MAX);
    }
}
