//! What members offer, ask for, agree on and promise each other; and what they have to say.
//!
//! Terms are those of Valueflows: intent, agreement, commitment. An offer here is one in a market;
//! what members are asked to decide is a proposal. Words are in payloads. Section 7 of the README;
//! the design's domain, section 1.

use serde::Serialize;

use crate::bytes::{Code, Day, Decode, Encode, List};
use crate::charter::Member;
use crate::hash::EntryId;
use crate::work::Resource;

/// Parties and clauses of an agreement, each.
pub const CLAUSES_MAX: usize = 16;

/// Which way an intent goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The author has it.
    Offer,
    /// The author needs it.
    Request,
}

/// Offers something, or asks for it.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Intent {
    /// Which way.
    pub direction: Direction,
    /// What, and how much.
    pub what: Resource,
    /// Until which day it holds, if it ends.
    pub until: Option<Day>,
    /// The circle that it is for.
    pub circle: Option<Code>,
}

/// Who takes part in an agreement.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// The cooperative itself: by decision.
    Cooperative,
    /// A member.
    Member(Member),
}

/// What somebody does for another.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// Work.
    Work,
    /// Makes something.
    Produce,
    /// Serves.
    DeliverService,
    /// Hands over money or credits.
    Transfer,
}

/// One side of an agreement.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Clause {
    /// Who does it.
    pub provider: Party,
    /// For whom.
    pub receiver: Party,
    /// What is done.
    pub duty: Duty,
    /// Of what, and how much.
    pub what: Resource,
    /// By when, if there is a day.
    pub due: Option<Day>,
}

/// Puts an agreement in writing; it binds each party once that party has agreed. The author has.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Agreement {
    /// Who takes part, strictly ascending.
    pub parties: List<Party, CLAUSES_MAX>,
    /// What each does.
    pub clauses: List<Clause, CLAUSES_MAX>,
}

/// Agrees: binds the author's member.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Agree {
    /// The agreement.
    pub agreement: EntryId,
}

/// Promises something.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Commit {
    /// The offer or request that it takes up.
    pub intent: Option<EntryId>,
    /// The agreement that it is a part of.
    pub agreement: Option<EntryId>,
    /// For whom.
    pub receiver: Party,
    /// What will be done.
    pub duty: Duty,
    /// Of what, and how much.
    pub what: Resource,
    /// By when.
    pub due: Day,
}

/// Says something about an entry, whatever became of it; the words are in the payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Comment {
    /// The entry.
    pub on: EntryId,
}
