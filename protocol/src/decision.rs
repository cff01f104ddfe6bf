//! What members ask each other, how they answer, and how it is counted.
//!
//! Who may vote, and which of the answers count, is the ledger's business. What cannot be counted
//! (texts, reasons for a block) is in payloads. Section 7 of the README; the design's domain,
//! section 1.

use serde::Serialize;

use crate::bytes::{Code, Decode, Encode, List, Month, Quantity};
use crate::charter::{Change, KINDS_MAX, Kind, Member, Roster};
use crate::cut::Cut;
use crate::hash::EntryId;
use crate::key::DeviceKey;
use crate::recovery::Office;

/// Options of a proposal.
pub const OPTIONS_MAX: usize = 16;

/// What a decision is about; it fixes the threshold.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matter {
    /// Anything that needs no more.
    Ordinary,
    /// The charter.
    Charter,
    /// The result.
    Allocation,
}

/// How votes are weighed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// One member one vote inside each college, colleges by their weight.
    CollegeWeighted,
    /// One member one vote.
    Headcount,
    /// One member one vote, and whoever blocks stops it.
    Consent,
    /// One member one ranking of the options; the weakest option goes out until one has more than
    /// half (instant runoff).
    Ranked,
    /// One member one score for each option.
    Score,
    /// By credits earned: a fallback of consent, and never where the law asks for a vote.
    CreditWeighted,
}

/// What an adopted proposal does.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Puts a text in force; the text is in the payload.
    Policy,
    /// Changes the charter.
    Amend(Change),
    /// Removes a member.
    Remove(Member),
    /// Gives a role to a member.
    Appoint(Office, Member),
    /// Replaces the roster.
    Reform(Roster),
    /// Admits a member.
    Admit(Candidate),
    /// Moves a member to the stage at this place of the charter.
    Advance(Member, u8),
    /// Ends a dispute.
    Resolve(EntryId),
    /// Corrects a contribution: its id, and what is added to its quantity.
    Correct(EntryId, i64),
    /// Lets the treasurer spend so much, in minor units of the currency.
    Spend(Quantity),
    /// Lets the treasurer allocate the result of these months, the first and the last.
    Allocate(Month, Month),
    /// Binds the cooperative to an agreement.
    Agree(EntryId),
}

/// Who is to be admitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Candidate {
    /// The first device.
    pub device: DeviceKey,
    /// What the candidate is.
    pub kind: Kind,
    /// Place of the college in the charter.
    pub college: u8,
    /// Place of the stage in the charter.
    pub stage: u8,
}

/// Asks the members. The electorate is the membership at the entry's basis.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Propose {
    /// What it is about.
    pub matter: Matter,
    /// How votes are weighed.
    pub method: Method,
    /// Whether the law requires this decision.
    pub statutory: bool,
    /// Before this time, in ms since 1970 UTC, it cannot be decided.
    pub closes: u64,
    /// What it does if adopted.
    pub effect: Effect,
}

/// A voter's answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// For.
    Yes,
    /// Against.
    No,
    /// Present, and neither.
    Abstain,
    /// Against, and not to be passed over: only where consent is asked. Why is in the payload.
    Block,
}

/// Answers a proposal; the last one inside the decision's cut counts.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Vote {
    /// The proposal.
    pub proposal: EntryId,
    /// The answer.
    pub choice: Choice,
}

/// Votes of one college.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Ballots {
    /// Members with a binding vote.
    pub eligible: u32,
    /// For.
    pub yes: u32,
    /// Against.
    pub no: u32,
    /// Abstentions: they count for the quorum only.
    pub abstain: u32,
}

/// The count. Shares are in millionths of a basis point, each college's part floored.
#[derive(Clone, Debug, Default, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Tally {
    /// For each college, in the charter's order; by any other method one item for all.
    pub colleges: List<Ballots, KINDS_MAX>,
    /// Support, of 10,000,000,000; by credits, hundredths of credits.
    pub yes: u64,
    /// Opposition, of the same.
    pub no: u64,
    /// Participation, of 10,000,000,000.
    pub participation: u64,
    /// Members who block. If there are any, the rest is the fallback's count, where there is one.
    pub blocks: u32,
    /// For each option: rankings that stand by it when the last option went out, or its scores.
    pub options: List<u64, OPTIONS_MAX>,
    /// The place of the strongest option.
    pub winner: Option<u8>,
}

/// What came out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// In force.
    Adopted,
    /// Not enough support.
    Rejected,
    /// Not enough participation.
    NoQuorum,
    /// Somebody blocks, and there is no fallback.
    Blocked,
}

/// Counts the votes inside the cut. Everybody recomputes it; one wrong unit makes it void.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Decide {
    /// The proposal.
    pub proposal: EntryId,
    /// Which votes count.
    pub cut: Cut,
    /// The count.
    pub tally: Tally,
    /// What came out.
    pub outcome: Outcome,
}

/// How a proposal takes its course, beyond what every proposal says.
#[derive(Clone, Debug, Default, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Course {
    /// The circle that decides; none for everybody.
    pub circle: Option<Code>,
    /// Votes dated before this time, in ms since 1970 UTC, are void.
    pub opens: u64,
    /// What is ranked or scored.
    pub options: List<Code, OPTIONS_MAX>,
    /// How votes are counted if somebody blocks.
    pub fallback: Option<Method>,
}

/// A proposal with a course of its own.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Motion {
    /// What every proposal says.
    pub proposal: Propose,
    /// What only some say.
    pub course: Course,
}

/// Answers a proposal that has options, in favour of some; like a vote, the last one counts.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Rank {
    /// The proposal.
    pub proposal: EntryId,
    /// By ranking: places of options, the best first, each at most once. By score: a score from 0
    /// to 10 for every option, in their order.
    pub marks: List<u8, OPTIONS_MAX>,
}

/// What a delegation is for.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Every proposal.
    All,
    /// Proposals of a kind.
    Matter(Matter),
    /// Proposals of a circle.
    Circle(Code),
    /// One proposal.
    Proposal(EntryId),
}

/// Lets another member vote where the author does not; a newer one takes its place.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Delegate {
    /// Who votes; none ends what was said before for the same scope.
    pub to: Option<Member>,
    /// For what.
    pub scope: Scope,
    /// For proposals that close at this time at the latest, in ms since 1970 UTC.
    pub until: u64,
}
