//! What a member states: the typed content of an entry.
//!
//! A tag never changes its meaning and is never used again; a new act is a variant at the end and
//! a row in the table of the README's section 7. Amounts, units, parties and references are here;
//! names, free text and evidence are in the erasable payload.

use serde::Serialize;

use crate::bytes::{Code, Day, Decode, Encode, List, Malformed, Month, Quantity, decode, encode};
use crate::charter::{Change, Charter, KINDS_MAX, Kind, Member, Roster};
use crate::cut::Cut;
use crate::federation::{Countersign, Link, Receive, Send, Statement};
use crate::hash::EntryId;
use crate::key::{DeviceKey, Signature};
use crate::money::{Allocate, Open, PayOut, Reconcile, Redeem, Transfer};
use crate::personal::{AttestCredential, RefuseErasure, RequestErasure, RevokeCredential};
pub use crate::recovery::{Approval, SPONSORS_MAX};
use crate::recovery::{
    Call, Depart, Erase, GUARDIANS_MAX, Guardians, HandOver, Heal, Office, Reform, Remove, Report,
    Revoke, Succeed,
};

/// Longest act, in bytes.
pub const ACT_BYTES_MAX: usize = 48 * 1024;
/// Lines of a run. With them and a cut of 5,000 devices an act stays within its limit.
pub const LINES_MAX: usize = 1024;
/// Tags of a contribution.
pub const TAGS_MAX: usize = 16;

/// What an entry says. The tag is a u32, in the order below, from 0.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// 0, register: founds the cooperative.
    Charter(Box<Charter>),
    /// 1, register: admits a member with a first device.
    Admit(Admit),
    /// 2, register: enrols another device of a member.
    Enrol(Enrol),
    /// 3, register: names a cut and nothing else.
    Mark(Mark),
    /// 4, register: counts the votes and puts a decision in force.
    Decide(Decide),
    /// 5: work given.
    Contribution(Contribution),
    /// 6: confirms another member's contribution.
    Attest(Attest),
    /// 7: asks the members.
    Propose(Propose),
    /// 8: answers a proposal.
    Vote(Vote),
    /// 9, treasurer: shares subscribed and paid.
    Subscribe(Subscribe),
    /// 10, treasurer: a client owes for a job.
    Invoice(Invoice),
    /// 11, treasurer: a client has paid.
    Income(Income),
    /// 12, treasurer: money spent.
    Expense(Expense),
    /// 13: passes on a part of what a run owes the author.
    Redirect(Redirect),
    /// 14, distributor: a run.
    Distribute(Box<Distribute>),
    /// 15, treasurer: executes a run.
    Pay(Pay),
    /// 16, treasurer: closes a month.
    Close(Close),
    /// 17: reports a device as lost or stolen.
    Report(Report),
    /// 18, register: ends a device's chain.
    Revoke(Revoke),
    /// 19, register: names who may restore a member's right to enrol.
    Guardians(Guardians),
    /// 20: the author leaves.
    Leave,
    /// 21, register: ends the chains of a member that leaves.
    Depart(Depart),
    /// 22, register: ends the chains of a member that is removed.
    Remove(Remove),
    /// 23, register: hands a role over.
    HandOver(HandOver),
    /// 24: calls for another registrar.
    Call(Call),
    /// 25, register: the successor goes on with the register.
    Succeed(Succeed),
    /// 26, register: replaces the roster.
    Reform(Reform),
    /// 27, register: ends the quarrel about a fork.
    Heal(Heal),
    /// 28: orders that a payload be deleted.
    Erase(Erase),
    /// 29, treasurer: shares given back and paid out.
    Redeem(Redeem),
    /// 30, treasurer: pays what a member is owed besides runs.
    PayOut(PayOut),
    /// 31, treasurer: puts a result where the members decided.
    Allocate(Box<Allocate>),
    /// 32, treasurer: what the bank says that it holds.
    Reconcile(Reconcile),
    /// 33, treasurer: takes over balances from other books.
    Open(Open),
    /// 34: moves something in an internal unit.
    Transfer(Transfer),
    /// 35, treasurer: says who another cooperative is.
    Link(Link),
    /// 36, treasurer: agrees with another cooperative.
    Countersign(Box<Countersign>),
    /// 37, treasurer: sends something to another cooperative.
    Send(Send),
    /// 38, treasurer: takes in what another cooperative has sent.
    Receive(Receive),
    /// 39, treasurer: what two cooperatives hold for so.
    Statement(Statement),
    /// 40: stands for a credential about another member.
    AttestCredential(AttestCredential),
    /// 41: takes a credential back.
    RevokeCredential(RevokeCredential),
    /// 42: asks that a payload about the author be erased.
    RequestErasure(RequestErasure),
    /// 43, registrar: refuses such a request.
    RefuseErasure(RefuseErasure),
}

/// Tags of [`Act`] that this version knows: 0 to this, exclusive.
pub const TAGS: u32 = 44;

impl Act {
    /// Whether this is a register entry, numbered by the registrar.
    #[must_use]
    pub const fn is_register(&self) -> bool {
        matches!(
            self,
            Self::Charter(_)
                | Self::Admit(_)
                | Self::Enrol(_)
                | Self::Mark(_)
                | Self::Decide(_)
                | Self::Revoke(_)
                | Self::Guardians(_)
                | Self::Depart(_)
                | Self::Remove(_)
                | Self::HandOver(_)
                | Self::Succeed(_)
                | Self::Reform(_)
                | Self::Heal(_)
        )
    }

    /// The cut that this act closes over, if it does.
    #[must_use]
    pub fn cut(&self) -> Option<&Cut> {
        match self {
            Self::Mark(Mark { cut })
            | Self::Decide(Decide { cut, .. })
            | Self::Pay(Pay { cut, .. })
            | Self::Close(Close { cut, .. }) => Some(cut),
            Self::Distribute(run) => Some(&run.cut),
            Self::Charter(_)
            | Self::Admit(_)
            | Self::Enrol(_)
            | Self::Contribution(_)
            | Self::Attest(_)
            | Self::Propose(_)
            | Self::Vote(_)
            | Self::Subscribe(_)
            | Self::Invoice(_)
            | Self::Income(_)
            | Self::Expense(_)
            | Self::Redirect(_)
            // Chains that end are cut by placing: what is inside need not be settled first.
            | Self::Report(_)
            | Self::Revoke(_)
            | Self::Guardians(_)
            | Self::Leave
            | Self::Depart(_)
            | Self::Remove(_)
            | Self::HandOver(_)
            | Self::Call(_)
            | Self::Succeed(_)
            | Self::Reform(_)
            | Self::Heal(_)
            | Self::Erase(_)
            | Self::Redeem(_)
            | Self::PayOut(_)
            | Self::Allocate(_)
            | Self::Reconcile(_)
            | Self::Open(_)
            | Self::Transfer(_)
            | Self::Link(_)
            | Self::Countersign(_)
            | Self::Send(_)
            | Self::Receive(_)
            | Self::Statement(_)
            | Self::AttestCredential(_)
            | Self::RevokeCredential(_)
            | Self::RequestErasure(_)
            | Self::RefuseErasure(_) => None,
        }
    }
}

/// An act, or the tag of one that a later version will know: kept and passed on, never guessed at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// An act of this version.
    Known(Act),
    /// The tag of another.
    Unknown(u32),
}

impl Content {
    /// Reads an act's bytes.
    ///
    /// # Errors
    /// [`Malformed`], for a known tag.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (tag, _) =
            bytes.split_first_chunk::<4>().ok_or(Malformed::Value("the bytes end early"))?;
        match u32::from_le_bytes(*tag) {
            tag if tag < TAGS => decode(bytes, ACT_BYTES_MAX).map(Self::Known),
            tag => Ok(Self::Unknown(tag)),
        }
    }
}

/// Admits a member: the applicant's proof, and the members who vouch.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Admit {
    /// What the applicant asked and signed.
    pub request: Request,
    /// The applicant's signature, for [`crate::key::Purpose::Enrolment`], over the encoding of
    /// the cooperative's id and `request`.
    pub proof: Signature,
    /// Place of the college in the charter.
    pub college: u8,
    /// Place of the stage in the charter.
    pub stage: u8,
    /// Who vouches, each with a signature, strictly ascending by device.
    pub sponsors: List<Approval, SPONSORS_MAX>,
}

/// What an applicant, or a member's new device, asks for.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Request {
    /// The key to be enrolled.
    pub device: DeviceKey,
    /// What the applicant is.
    pub kind: Kind,
}

/// Enrols another device of a member.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Enrol {
    /// Whose device it will be.
    pub member: Member,
    /// What the new device asked and signed.
    pub request: Request,
    /// The new device's signature, as in [`Admit::proof`].
    pub proof: Signature,
    /// Who approves: one device that the member has already, its recovery key, or as many
    /// guardians as it chose; strictly ascending by device.
    pub words: List<Approval, GUARDIANS_MAX>,
}

/// A plain cut.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Mark {
    /// The cut.
    pub cut: Cut,
}

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
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Tally {
    /// For each college, in the charter's order; by headcount one item for all.
    pub colleges: List<Ballots, KINDS_MAX>,
    /// Support, of 10,000,000,000.
    pub yes: u64,
    /// Opposition, of the same.
    pub no: u64,
    /// Participation, of the same.
    pub participation: u64,
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

/// Shares subscribed and paid in.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Subscribe {
    /// Who subscribes.
    pub member: Member,
    /// Minor units of the currency.
    pub amount: Quantity,
    /// When.
    pub date: Day,
    /// Tells one subscription from the next; each (member, reference) counts once.
    pub reference: Code,
    /// The subscriber's device.
    pub device: DeviceKey,
    /// Its signature, for [`crate::key::Purpose::Subscription`], over the encoding of the
    /// cooperative's id, `member`, `amount`, `date` and `reference`.
    pub signature: Signature,
}

/// A client owes for a job.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Invoice {
    /// The job: one invoice each.
    pub job: Code,
    /// Who owes.
    pub client: Code,
    /// Place of the price tier in the charter.
    pub tier: u8,
    /// Units of work.
    pub quantity: Quantity,
    /// Minor units of the currency: `quantity` times the tier's price.
    pub amount: Quantity,
    /// When.
    pub date: Day,
}

/// A client has paid.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Income {
    /// The job.
    pub job: Code,
    /// Who paid.
    pub client: Code,
    /// Minor units of the currency; never above what is open.
    pub amount: Quantity,
    /// When.
    pub date: Day,
    /// Whether it is public aid: no interest is paid from it.
    pub aid: bool,
}

/// Money spent.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Expense {
    /// Account of the plan of accounts.
    pub account: Code,
    /// Who was paid.
    pub payee: Code,
    /// Minor units of the currency.
    pub amount: Quantity,
    /// When.
    pub date: Day,
    /// The decision that allows it, if it is above the charter's limit.
    pub decision: Option<EntryId>,
}

/// Passes on a part of what a run owes the author.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Redirect {
    /// The run that owes.
    pub run: EntryId,
    /// Who shall get it.
    pub to: Member,
    /// Minor units of the currency.
    pub amount: Quantity,
}

/// One member's part of a run, in minor units of the currency.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Line {
    /// Whose.
    pub member: Member,
    /// For livelihood claims.
    pub livelihood: u64,
    /// For love claims.
    pub love: u64,
    /// For care.
    pub care: u64,
}

impl Line {
    /// The member's whole part.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.livelihood.saturating_add(self.love).saturating_add(self.care)
    }
}

/// A run: who gets what of a month. Equal to the pure function of charter and cut, or void.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Distribute {
    /// The month.
    pub period: Month,
    /// What counts.
    pub cut: Cut,
    /// The sums.
    pub totals: Totals,
    /// Members with a claim or payable care, ascending by member.
    pub lines: List<Line, LINES_MAX>,
}

/// The sums of a run, in minor units of the currency.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Totals {
    /// Received from clients in the month.
    pub receipts: i64,
    /// Part of it above the internal price.
    pub surplus: i64,
    /// Spent in the month.
    pub expenses: i64,
    /// Kept by the cooperative.
    pub retained: i64,
    /// Offered to care, livelihood and love claims.
    pub care_pool: i64,
    /// The same, for livelihood.
    pub livelihood_pool: i64,
    /// The same, for love, surplus included.
    pub love_pool: i64,
    /// Paid from the three pools.
    pub paid: i64,
    /// What no claim could take: it stays for the next run.
    pub carried: i64,
}

/// Executes a run, after the redirects inside the cut.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Pay {
    /// The run.
    pub run: EntryId,
    /// Which redirects count.
    pub cut: Cut,
    /// When.
    pub date: Day,
}

/// Closes a month: what is dated inside and comes later is booked in the open one.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Close {
    /// The month.
    pub period: Month,
    /// What is inside.
    pub cut: Cut,
}

/// What a device signs to be enrolled: the encoding of (cooperative, request).
#[must_use]
pub fn enrolment(cooperative: &EntryId, request: &Request) -> Vec<u8> {
    encode(&(*cooperative, request.clone()))
}

/// What a member signs under a subscription: the encoding of
/// (cooperative, member, amount, date, reference).
#[must_use]
pub fn subscription(cooperative: &EntryId, subscribe: &Subscribe) -> Vec<u8> {
    encode(&(
        *cooperative,
        subscribe.member,
        subscribe.amount,
        subscribe.date,
        subscribe.reference.clone(),
    ))
}
