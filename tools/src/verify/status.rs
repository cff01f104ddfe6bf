//! What is concluded of an export, and of which place in which chain something is said.
//!
//! The heaviest status that occurs is the export's: that somebody signed two histories stands
//! whatever else is wrong with the file, and what is missing says nothing about what is there.

use serde::Serialize;
use talea_protocol::entry::{Entry, Header};
use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;

/// What is concluded of an export; the exit status of `talea-verify`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// 0: nothing speaks against it.
    Valid,
    /// 3: what is there is right, and something is missing.
    Incomplete,
    /// 2: something is wrong.
    Invalid,
    /// 4: somebody signed two histories.
    Forked,
}

impl Status {
    /// The exit status.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 2,
            Self::Incomplete => 3,
            Self::Forked => 4,
        }
    }

    /// The word that is printed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Invalid => "INVALID",
            Self::Incomplete => "INCOMPLETE",
            Self::Forked => "FORKED",
        }
    }
}

/// A place in a chain, and what claims it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Claim {
    /// Whose chain.
    pub device: DeviceKey,
    /// Which place.
    pub seq: u64,
    /// The entry; zero if its id is not known.
    pub id: EntryId,
}

impl Claim {
    /// What an entry claims.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self::by(entry.header(), entry.id())
    }

    /// What a header claims.
    #[must_use]
    pub const fn by(header: &Header, id: EntryId) -> Self {
        Self { device: header.device, seq: header.seq, id }
    }
}
