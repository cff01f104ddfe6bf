//! What members say about work: given, confirmed, disputed, corrected; and how far they have come.
//!
//! Whether a statement counts, and what it is worth, is the ledger's business. Reasons and evidence
//! are in payloads. Section 7 of the README; the design's domain, section 1.

use serde::Serialize;

use crate::bytes::{Code, Day, Decode, Encode, List, Quantity, encode};
use crate::charter::Member;
use crate::cut::Cut;
use crate::hash::EntryId;
use crate::recovery::{Approval, SPONSORS_MAX};

/// Tags of a contribution.
pub const TAGS_MAX: usize = 16;

/// Where a contribution belongs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Paid work.
    Livelihood,
    /// Work for the commons.
    Love,
    /// Care for each other and for the cooperative, in minutes.
    Care,
}

/// The job that a contribution was made for.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Job {
    /// Its reference.
    pub code: Code,
    /// Place of the client's price tier in the charter.
    pub tier: u8,
}

/// Work given. Nothing until attested.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Contribution {
    /// Where it belongs.
    pub stream: Stream,
    /// One of the charter's tasks.
    pub task: Code,
    /// How much, in the unit of the task.
    pub quantity: Quantity,
    /// First day of the work.
    pub begin: Day,
    /// Last day of the work: the day whose rate counts.
    pub end: Day,
    /// The job, if it was for one.
    pub job: Option<Job>,
    /// Free labels such as `sdg:5`, strictly ascending.
    pub tags: List<Code, TAGS_MAX>,
}

/// Confirms a contribution as it stands.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Attest {
    /// The contribution.
    pub contribution: EntryId,
}

/// Disputes a contribution: while this is open, no further run takes it in. Why is in the payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Dispute {
    /// The contribution.
    pub contribution: EntryId,
}

/// Takes a dispute back.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Withdraw {
    /// The dispute.
    pub dispute: EntryId,
}

/// Corrects a contribution of the author's own. The original stays as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Correct {
    /// The contribution.
    pub contribution: EntryId,
    /// To be added to its quantity, in the unit of the task: below zero, or giving back what an
    /// earlier correction of the same device took.
    pub difference: i64,
}

/// Why a member is at another stage from now on.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grounds {
    /// The charter's milestones of the stage are met.
    Milestones {
        /// What the member has earned by.
        cut: Cut,
        /// Who vouches, each with a signature for [`crate::key::Purpose::Approval`] over
        /// [`advance`], strictly ascending by device.
        words: List<Approval, SPONSORS_MAX>,
    },
    /// The members decided so.
    Decision(EntryId),
}

/// Moves a member to another stage.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Advance {
    /// Who.
    pub member: Member,
    /// Place of the stage in the charter.
    pub stage: u8,
    /// Work that ends on this day or later vests by it; votes bind by it from this entry on.
    pub from: Day,
    /// Why.
    pub grounds: Grounds,
}

impl Advance {
    /// The cut by which milestones are met.
    #[must_use]
    pub const fn cut(&self) -> Option<&Cut> {
        match &self.grounds {
            Grounds::Milestones { cut, .. } => Some(cut),
            Grounds::Decision(_) => None,
        }
    }
}

/// What is signed for another stage: the encoding of (cooperative, member, stage, from).
#[must_use]
pub fn advance(cooperative: &EntryId, it: &Advance) -> Vec<u8> {
    encode(&(*cooperative, it.member, it.stage, it.from))
}
