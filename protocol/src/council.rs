//! How a cooperative decides and whom it trusts with what: the charter's parameters about it.
//!
//! Data only; what follows from them is the ledger's business. Section 6 of the README; the
//! design's domain, section 1.

use serde::{Deserialize, Serialize};

use crate::bytes::{Bp, Code, Decode, Encode, List};

/// Circles, milestones, and rules about who attests, each.
pub const COUNCIL_MAX: usize = 16;

/// Participation that decisions of a kind need, where it is more than the charter's quorum.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Quorums {
    /// For an ordinary decision.
    pub ordinary: Bp,
    /// To amend the charter.
    pub charter: Bp,
    /// To allocate the result.
    pub allocation: Bp,
}

impl Default for Quorums {
    fn default() -> Self {
        let none = Bp::new(0).expect("zero is a share");
        Self { ordinary: none, charter: none, allocation: none }
    }
}

/// What a circle may decide by itself.
#[derive(
    Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Competence {
    /// Texts.
    Policy,
    /// Admissions.
    Admit,
    /// Stages.
    Advance,
    /// Its own facilitator.
    Appoint,
    /// Disputes.
    Resolve,
    /// Corrections.
    Correct,
    /// Money, up to [`Circle::spend_max`].
    Spend,
    /// Agreements.
    Agree,
}

/// Members who decide something by themselves.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Circle {
    /// Its name.
    pub code: Code,
    /// Places of the colleges whose members are in it, strictly ascending; none for all.
    pub colleges: List<u8, COUNCIL_MAX>,
    /// What it may decide, strictly ascending.
    pub may: List<Competence, COUNCIL_MAX>,
    /// The most that one of its decisions may spend, in minor units of the currency.
    pub spend_max: u64,
}

/// What a member must have done to come to a stage without a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Milestone {
    /// Place of the stage in the charter.
    pub stage: u8,
    /// Other members who vouch.
    pub words: u8,
    /// Credits earned before vesting, in hundredths.
    pub credits: u64,
}

/// How a cooperative decides.
#[derive(Clone, Debug, Default, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Council {
    /// Participation by kind of decision.
    pub quorums: Quorums,
    /// The most members whose votes one member casts besides its own; zero if nobody delegates.
    pub proxies: u8,
    /// Circles.
    pub circles: List<Circle, COUNCIL_MAX>,
    /// Milestones, strictly ascending by stage. A stage without one is come to by decision.
    pub milestones: List<Milestone, COUNCIL_MAX>,
    /// Minutes of care expected of a member in a quarter.
    pub care_minimum: u32,
}
