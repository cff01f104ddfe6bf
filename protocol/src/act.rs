//! What a member states: the typed content of an entry.
//!
//! A tag never changes its meaning and is never used again; a new act is a variant at the end and
//! a row in the table of the README's section 7. Amounts, units, parties and references are here;
//! names, free text and evidence are in the erasable payload.

use serde::Serialize;

use crate::bytes::{Code, Day, Decode, Encode, List, Malformed, Month, Quantity, decode, encode};
use crate::charter::{Charter, Kind, Member};
use crate::cut::Cut;
pub use crate::decision::{
    Ballots, Candidate, Choice, Course, Decide, Delegate, Effect, Matter, Method, Motion,
    OPTIONS_MAX, Outcome, Propose, Rank, Scope, Tally, Vote,
};
use crate::hash::EntryId;
use crate::key::{DeviceKey, Signature};
use crate::money::{Allocate, Open, PayOut, Reconcile, Redeem, Transfer};
pub use crate::plan::{
    Agree, Agreement, CLAUSES_MAX, Clause, Comment, Commit, Direction, Duty, Intent, Party,
};
pub use crate::recovery::{Approval, SPONSORS_MAX};
use crate::recovery::{
    Call, Depart, Erase, GUARDIANS_MAX, Guardians, HandOver, Heal, Reform, Remove, Report, Revoke,
    Succeed,
};
pub use crate::work::{
    Action, Advance, Attest, Belonging, Contribution, Correct, Delivery, Dispute, Draw, Extent,
    Grounds, Job, Resource, Review, Stream, TAGS_MAX, Taking, Withdraw, advance,
};

/// Longest act, in bytes.
pub const ACT_BYTES_MAX: usize = 48 * 1024;
/// Lines of a run. With them and a cut of 5,000 devices an act stays within its limit.
pub const LINES_MAX: usize = 1024;

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
    /// 29: disputes another member's contribution.
    Dispute(Dispute),
    /// 30: takes a dispute back.
    Withdraw(Withdraw),
    /// 31: corrects a contribution of one's own.
    Correct(Correct),
    /// 32, register: moves a member to another stage.
    Advance(Advance),
    /// 33: asks the members, with options, a fallback, a beginning or a circle.
    Motion(Box<Motion>),
    /// 34: ranks or scores the options of a proposal.
    Rank(Rank),
    /// 35: lets another member vote in one's stead.
    Delegate(Delegate),
    /// 36, register: admits a member because the members decided so.
    Welcome(Welcome),
    /// 37, treasurer: shares given back and paid out.
    Redeem(Redeem),
    /// 38, treasurer: pays what a member is owed besides runs.
    PayOut(PayOut),
    /// 39, treasurer: puts a result where the members decided.
    Allocate(Box<Allocate>),
    /// 40, treasurer: what the bank says that it holds.
    Reconcile(Reconcile),
    /// 41, treasurer: takes over balances from other books.
    Open(Open),
    /// 42: moves something in an internal unit.
    Transfer(Transfer),
    /// 43: confirms a part of a contribution, or its quality.
    Review(Review),
    /// 44: work given that produces, serves, or belongs somewhere.
    Deliver(Box<Delivery>),
    /// 45: uses, cites or consumes a resource.
    Draw(Draw),
    /// 46: offers something, or asks for it.
    Intent(Intent),
    /// 47: puts an agreement in writing.
    Agreement(Agreement),
    /// 48: agrees.
    Agree(Agree),
    /// 49: promises something.
    Commit(Commit),
    /// 50: says something about an entry.
    Comment(Comment),
}

/// Tags of [`Act`] that this version knows: 0 to this, exclusive.
pub const TAGS: u32 = 51;

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
                | Self::Advance(_)
                | Self::Welcome(_)
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
            Self::Advance(it) => it.cut(),
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
            | Self::Dispute(_)
            | Self::Withdraw(_)
            | Self::Correct(_)
            | Self::Motion(_)
            | Self::Rank(_)
            | Self::Delegate(_)
            | Self::Welcome(_)
            | Self::Redeem(_)
            | Self::PayOut(_)
            | Self::Allocate(_)
            | Self::Reconcile(_)
            | Self::Open(_)
            | Self::Transfer(_)
            | Self::Review(_)
            | Self::Deliver(_)
            | Self::Draw(_)
            | Self::Intent(_)
            | Self::Agreement(_)
            | Self::Agree(_)
            | Self::Commit(_)
            | Self::Comment(_) => None,
        }
    }
}

/// An act, or the tag of one that a later version will know: kept and passed on, never guessed at.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "an unknown act is rare, and costs its own bytes more"
)]
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

/// Admits a member with a first device because the members decided so.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Welcome {
    /// What the applicant asked and signed.
    pub request: Request,
    /// The applicant's signature, as in [`Admit::proof`].
    pub proof: Signature,
    /// Place of the college in the charter.
    pub college: u8,
    /// Place of the stage in the charter.
    pub stage: u8,
    /// The decision.
    pub decision: EntryId,
}

/// A plain cut.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Mark {
    /// The cut.
    pub cut: Cut,
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
