//! A cooperative's founding document: parameters only, no rules and no formulas in text.
//!
//! Whoever reads an entry reads these values as in force at the register entry that it names.
//! What makes a charter acceptable (weights, profile, proofs) is the ledger's business. Section 6
//! of the README.

use serde::{Deserialize, Serialize};

use crate::bytes::{Bp, Code, Decode, Encode, List, Month, Quantity, Text};
use crate::council::{Circle, Council, Quorums};
use crate::hash::{Context, Hash};
use crate::key::{DeviceKey, NodeKey, Signature};
use crate::treasury::Treasury;

/// Colleges, stages and price tiers that a charter may have, each.
pub const KINDS_MAX: usize = 16;
/// Founders of a cooperative: those who sign its charter.
pub const FOUNDERS_MAX: usize = 128;
/// Nodes of a roster.
pub const ROSTER_MAX: usize = 16;
/// Kinds of task with a rate.
pub const RATES_MAX: usize = 64;

/// A member's number: its place in the order of admission, founders first, from 0.
///
/// It is read together with the register entry that the statement names as its basis, which fixes
/// who is meant.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Encode, Decode, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Member(pub u32);

/// A kind of member, with a share of the vote of its own.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct College {
    /// Its name.
    pub code: Code,
    /// Its share of a college-weighted vote.
    pub weight: Bp,
    /// Whose college it is, for profiles that prescribe categories of members.
    pub category: Category,
}

/// A category of members in cooperative law.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Those who work in the cooperative.
    Workers,
    /// Those whom its goods and services are for.
    Beneficiaries,
    /// Everybody else: supporters, public bodies, other cooperatives.
    Others,
}

/// How far a member has come, and what follows for credits and votes.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub code: Code,
    /// Part of livelihood credits that vests.
    pub livelihood: Bp,
    /// Part of love credits that vests.
    pub love: Bp,
    /// Part of care minutes that vests.
    pub care: Bp,
    /// Whether a vote at this stage binds; otherwise it is shown as advisory.
    pub binding_vote: bool,
}

/// What a member is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A human being.
    Person,
    /// An organisation.
    Organisation,
    /// A program or a sensor. It never votes.
    Machine,
}

/// A member of the first hour, with its first device.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Founder {
    /// Place of its college in [`Charter::colleges`].
    pub college: u8,
    /// Place of its stage in [`Charter::stages`].
    pub stage: u8,
    /// What it is.
    pub kind: Kind,
    /// Its device.
    pub device: DeviceKey,
    /// The device's signature, for [`crate::key::Purpose::Enrolment`], over
    /// [`Charter::founding_hash`].
    pub proof: Signature,
}

/// Who holds the roles at the start.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Roles {
    /// Numbers the register.
    pub registrar: Member,
    /// Writes money.
    pub treasurer: Member,
    /// Computes the runs.
    pub distributor: Member,
}

/// The nodes whose receipts count.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Roster {
    /// Their keys, strictly ascending.
    pub nodes: List<NodeKey, ROSTER_MAX>,
    /// How many of them may lie.
    pub faulty: u8,
    /// How many receipts settle an entry.
    pub quorum: u8,
}

impl Roster {
    /// Whether two contradicting entries cannot both settle (2q > n + f), and entries settle
    /// while f nodes are down (q <= n - f). Model, section 6.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let ascending = self.nodes.is_sorted_by(|a, b| a < b);
        let n = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let (f, q) = (u32::from(self.faulty), u32::from(self.quorum));
        ascending && n > 0 && q > 0 && 2 * q > n + f && q + f <= n
    }
}

/// Support that a decision needs, strictly more than this share of the votes cast for or against.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Thresholds {
    /// For an ordinary decision.
    pub ordinary: Bp,
    /// To amend the charter.
    pub charter: Bp,
    /// To allocate the result.
    pub allocation: Bp,
}

/// What a unit of a task is worth.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Rate {
    /// The task.
    pub task: Code,
    /// What it is measured in.
    pub unit: Code,
    /// Credits for one unit, in hundredths. Zero for care, which is counted in minutes.
    pub credits: u32,
}

/// A price that clients are asked, for one unit of work.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Tier {
    /// Its name.
    pub code: Code,
    /// Minor units of currency for one unit of work.
    pub price: u32,
}

/// How a run divides what came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Formula {
    /// Part of the base that stays.
    pub retain: Bp,
    /// Part of what is distributed that goes to care.
    pub care: Bp,
    /// Part of the rest that goes to livelihood claims; what remains goes to love claims.
    pub livelihood: Bp,
    /// Who gets the cent that two remainders claim alike.
    pub tie: Tie,
}

/// Ties of a split.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tie {
    /// By the hash of run and member: nobody is always first.
    ByHash,
    /// By the order of admission: can be checked by hand.
    ByAdmission,
}

/// Parts of the result that must stay in reserve.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Reserves {
    /// Legal reserve, of the result.
    pub legal: Bp,
    /// Statutory reserve, of what remains.
    pub statutory: Bp,
}

/// The country's and the form's own rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// No country, no form.
    None,
    /// Société coopérative d'intérêt collectif, France.
    FrScic,
}

/// Whether anybody may read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// Roster nodes and enrolled devices only.
    Private,
    /// Everybody.
    Public,
}

/// Entry 0 of the register.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Charter {
    /// Version of the ledger's rules: 2.
    pub rules: u32,
    /// The cooperative's name.
    pub name: Text<120>,
    /// Whose rules apply besides.
    pub profile: Profile,
    /// Who may read.
    pub visibility: Visibility,
    /// ISO 4217 code of the money.
    pub currency: Code,
    /// Decimal places of the currency's minor unit.
    pub exponent: u8,
    /// Colleges; their weights add up to 10,000.
    pub colleges: List<College, KINDS_MAX>,
    /// Stages of membership.
    pub stages: List<Stage, KINDS_MAX>,
    /// The founders, members 0, 1, 2 …; their devices are numbered likewise.
    pub founders: List<Founder, FOUNDERS_MAX>,
    /// Who holds the roles.
    pub roles: Roles,
    /// Whose receipts count.
    pub roster: Roster,
    /// Participation that a decision needs, at least.
    pub quorum: Bp,
    /// Support that a decision needs.
    pub thresholds: Thresholds,
    /// What tasks are worth.
    pub rates: List<Rate, RATES_MAX>,
    /// Price below which a job's credit is part livelihood and part love, and above which the
    /// surplus feeds the love pool; minor units of currency for one unit of work.
    pub internal_price: u32,
    /// Prices asked of clients.
    pub tiers: List<Tier, KINDS_MAX>,
    /// How runs divide.
    pub formula: Formula,
    /// Members other than the author who must attest a contribution.
    pub attestations: u8,
    /// The most that one contribution may claim, in units of its task.
    pub contribution_max: Quantity,
    /// Love credits expected of a member in a quarter, in hundredths.
    pub love_minimum: u32,
    /// Reserves.
    pub reserves: Reserves,
    /// Members who must approve an admission.
    pub sponsors: u8,
    /// Members who can replace the registrar; zero stands for more than half.
    pub recovery: u16,
    /// How it decides.
    pub council: Council,
    /// How its money is kept.
    pub treasury: Treasury,
}

impl Charter {
    /// What founders consent to: the charter without their proofs.
    #[must_use]
    pub fn founding_hash(&self) -> Hash {
        let blank = |founder: &Founder| Founder { proof: Signature([0; 64]), ..founder.clone() };
        let mut bare = self.clone();
        bare.founders = List::new(self.founders.iter().map(blank).collect()).unwrap_or_default();
        Context::Founding.hash_of(&bare)
    }
}

/// One parameter that a decision sets.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amendment {
    /// [`Formula::retain`].
    Retain(Bp),
    /// [`Formula::care`].
    Care(Bp),
    /// [`Formula::livelihood`].
    Livelihood(Bp),
    /// [`Charter::quorum`].
    Quorum(Bp),
    /// [`Charter::thresholds`].
    Thresholds(Thresholds),
    /// [`Charter::attestations`].
    Attestations(u8),
    /// [`Charter::internal_price`].
    InternalPrice(u32),
    /// One of [`Charter::rates`], by its task; a new task is added.
    Rate(Rate),
    /// One of [`Charter::tiers`], by its code; a new tier is added.
    Tier(Tier),
    /// [`Charter::sponsors`].
    Sponsors(u8),
    /// [`Charter::love_minimum`].
    LoveMinimum(u32),
    /// [`Council::quorums`].
    Quorums(Quorums),
    /// [`Council::proxies`].
    Proxies(u8),
    /// One of [`Council::circles`], by its code; a new circle is added.
    Circle(Circle),
    /// [`Council::care_minimum`].
    CareMinimum(u32),
}

/// Amendments that come into force together.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Change {
    /// What is set.
    #[serde(rename = "set")]
    pub amendments: List<Amendment, KINDS_MAX>,
    /// The first month in which it is in force.
    pub from: Month,
}
