//! What became of a settled entry: it counts, it waits, or it is void by a numbered rule.
//!
//! A verdict is a function of the entry's causal past: its chain, the register up to its basis,
//! the ids and the cuts that it names. It never depends on what arrived when. A void entry keeps
//! its place and never spoils what comes after it. The table of rules is in the README.

use serde::Serialize;
use talea_protocol::act::Outcome;
use talea_protocol::bytes::Month;
use talea_protocol::charter::Member;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{DeviceKey, KeyFault};

use crate::fault::MoneyFault;

/// What became of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It has its effect.
    Counted,
    /// It waits for something that it names.
    Pending(Need),
    /// It adds nothing, for ever.
    Void(Void),
}

/// What a pending entry waits for: the first thing that is missing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub enum Need {
    /// The register's entries up to this number: settled, and decisions judged.
    Register {
        /// The last number needed.
        number: u32,
    },
    /// A verdict on this entry.
    Entry {
        /// The entry.
        id: EntryId,
    },
    /// So many settled entries of a device's chain, because a cut names them.
    Chain {
        /// The device's number.
        device: u32,
        /// How many.
        length: u32,
    },
    /// A version of these rules that knows the act.
    Version {
        /// The act's tag.
        tag: u32,
    },
}

/// Why a judgement ends early: something is missing, or a rule is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hold {
    /// It cannot be judged yet.
    Need(Need),
    /// It adds nothing.
    Void(Void),
}

impl From<Void> for Hold {
    fn from(void: Void) -> Self {
        Self::Void(void)
    }
}

impl From<MoneyFault> for Hold {
    fn from(fault: MoneyFault) -> Self {
        Self::Void(fault.into())
    }
}

impl From<Hold> for Verdict {
    fn from(hold: Hold) -> Self {
        match hold {
            Hold::Need(need) => Self::Pending(need),
            Hold::Void(void) => Self::Void(void),
        }
    }
}

/// Why a settled entry adds nothing. The first rule broken, in order, is named.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Void {
    /// Rule 40.
    #[error("rule 40: the key cannot be enrolled: {0}")]
    Key(KeyFault),
    /// Rule 41.
    #[error("rule 41: {device} is enrolled already, or one device too many")]
    Enrolled {
        /// The key.
        device: DeviceKey,
    },
    /// Rule 42.
    #[error("rule 42: the request is not signed by the key that it asks for")]
    Proof,
    /// Rule 43.
    #[error("rule 43: the charter has no such college, stage or tier, or there is no such member")]
    Unknown,
    /// Rule 44.
    #[error("rule 44: {given} members vouch, {needed} must; each once, by an enrolled device")]
    Sponsors {
        /// Distinct members whose word stands.
        given: u32,
        /// Members that the charter asks for.
        needed: u8,
    },
    /// Rule 45.
    #[error("rule 45: no device of member {} approves", member.0)]
    Approval {
        /// Whose device should have.
        member: Member,
    },
    /// Rule 46.
    #[error("rule 46: only the first device of member {} may say this", holder.0)]
    Role {
        /// Who may.
        holder: Member,
    },
    /// Rule 47.
    #[error(
        "rule 47: the cut names no register entry before it, more chains than devices, or itself"
    )]
    CutShape,
    /// Rule 48.
    #[error("rule 48: inside the cut is register entry {inside}, the entry's basis is {basis}")]
    CutBasis {
        /// The newest register entry inside.
        inside: u32,
        /// The basis.
        basis: u32,
    },
    /// Rule 49.
    #[error("rule 49: the cut's root is {named}, its entries give {found}")]
    CutRoot {
        /// The root that it names.
        named: Hash,
        /// The root of what is inside.
        found: Hash,
    },
    /// Rule 50.
    #[error("rule 50: {id} is void, or not what is to be named here, or not inside the cut")]
    Named {
        /// The entry named.
        id: EntryId,
    },
    /// Rule 51.
    #[error("rule 51: the charter has no such task")]
    Task,
    /// Rule 52.
    #[error("rule 52: {quantity} is more than one contribution may claim, {max}")]
    TooMuch {
        /// What is claimed.
        quantity: i64,
        /// What may be.
        max: i64,
    },
    /// Rule 53.
    #[error("rule 53: the work ends before it begins")]
    Dates,
    /// Rule 54.
    #[error("rule 54: care is measured in minutes, and nothing else is care")]
    Care,
    /// Rule 55.
    #[error("rule 55: tags are not in strictly ascending order")]
    Tags,
    /// Rule 56.
    #[error("rule 56: members cannot attest their own contribution")]
    OwnAttestation,
    /// Rule 57.
    #[error("rule 57: this device has attested the contribution before")]
    Attested,
    /// Rule 58.
    #[error("rule 58: a machine neither proposes nor votes")]
    Machine,
    /// Rule 59.
    #[error("rule 59: only a proposal about the charter amends it, and to values that it can have")]
    Amendment,
    /// Rule 60.
    #[error("rule 60: in force from month {}, but voting closes in {}", from.value(), closes.value())]
    Retroactive {
        /// The first month.
        from: Month,
        /// The month in which the proposal closes.
        closes: Month,
    },
    /// Rule 61.
    #[error("rule 61: member {} was not admitted when the proposal was made", member.0)]
    NotElector {
        /// The voter.
        member: Member,
    },
    /// Rule 62.
    #[error("rule 62: decided at {time} ms, but the proposal closes at {closes} ms")]
    Early {
        /// The decision's time.
        time: u64,
        /// The proposal's.
        closes: u64,
    },
    /// Rule 63.
    #[error("rule 63: {decision} has decided the proposal")]
    Decided {
        /// The decision that counts.
        decision: EntryId,
    },
    /// Rule 64.
    #[error(
        "rule 64: the ballots inside the cut give another tally (yes {yes}, no {no}), or another outcome than {outcome:?}"
    )]
    Tally {
        /// Support, recomputed.
        yes: u64,
        /// Opposition, recomputed.
        no: u64,
        /// Outcome, recomputed.
        outcome: Outcome,
    },
    /// Rule 65.
    #[error("rule 65: member {} has not signed the subscription", member.0)]
    Countersignature {
        /// Who should have.
        member: Member,
    },
    /// Rule 66.
    #[error("rule 66: a subscription of member {} with this reference counts already", member.0)]
    Subscribed {
        /// The subscriber.
        member: Member,
    },
    /// Rule 67.
    #[error("rule 67: the tier's price gives {amount}")]
    Price {
        /// Quantity times price.
        amount: i128,
    },
    /// Rule 68.
    #[error("rule 68: {invoice} has invoiced the job")]
    Invoiced {
        /// The invoice that counts.
        invoice: EntryId,
    },
    /// Rule 69.
    #[error("rule 69: {open} is open on this job of this client")]
    Open {
        /// What the client owes on it.
        open: i64,
    },
    /// Rule 70.
    #[error("rule 70: the account is not one for expenses")]
    Account,
    /// Rule 71.
    #[error("rule 71: the bank holds {bank}")]
    Bank {
        /// What is there.
        bank: i64,
    },
    /// Rule 72.
    #[error("rule 72: a balance would leave the range of amounts")]
    Range,
    /// Rule 73.
    #[error("rule 73: month {} is closed", closed.value())]
    Closed {
        /// The last month closed.
        closed: Month,
    },
    /// Rule 74.
    #[error("rule 74: {run} has distributed month {} or a later one", period.value())]
    Distributed {
        /// The run that counts.
        run: EntryId,
        /// The month asked for.
        period: Month,
    },
    /// Rule 75.
    #[error("rule 75: charter and cut give another run (it pays {paid})")]
    Run {
        /// What the recomputed run pays.
        paid: i64,
    },
    /// Rule 76.
    #[error("rule 76: the run owes the author {owed} more")]
    Owed {
        /// What is left of the author's line.
        owed: u64,
    },
    /// Rule 77.
    #[error("rule 77: a redirect is for another member")]
    Recipient,
    /// Rule 78.
    #[error("rule 78: {pay} has paid the run")]
    Paid {
        /// The payment that counts.
        pay: EntryId,
    },
    /// Rule 79.
    #[error("rule 79: neither a device of member {} asks for this nor its guardians", member.0)]
    Words {
        /// Whose word is missing.
        member: Member,
    },
    /// Rule 80.
    #[error(
        "rule 80: guardians are in ascending order, their threshold is among them, and the choice is newer than the last"
    )]
    Guardians,
    /// Rule 81.
    #[error("rule 81: the decision is not adopted, or says something else")]
    Decision {
        /// The entry named.
        id: EntryId,
    },
    /// Rule 82.
    #[error("rule 82: the call names no register entry that it knows, or nobody who can go on")]
    Call,
    /// Rule 83.
    #[error("rule 83: {given} members call for this, {needed} must; each once, by its device")]
    Calls {
        /// Distinct members whose word stands.
        given: u32,
        /// Members needed.
        needed: u32,
    },
    /// Rule 84.
    #[error("rule 84: only its author or the registrar orders that a payload be erased")]
    Erasure,
    /// Rule 85.
    #[error("rule 85: nobody disputes their own contribution, and no machine disputes")]
    Disputer,
    /// Rule 86.
    #[error("rule 86: only member {}, whose dispute it is, withdraws it", member.0)]
    NotDisputer {
        /// Who may.
        member: Member,
    },
    /// Rule 87.
    #[error("rule 87: only member {}, the contribution's author, corrects it", member.0)]
    NotAuthor {
        /// Who may.
        member: Member,
    },
    /// Rule 88.
    #[error(
        "rule 88: a correction takes something, at most {claimed} with those before it, or gives back what they took"
    )]
    Correction {
        /// The most that can be taken: what was claimed, or what one contribution may claim.
        claimed: i64,
    },
    /// Rule 89.
    #[error("rule 89: the charter's milestones for the stage are not met")]
    Milestone,
    /// Rule 90.
    #[error(
        "rule 90: votes are not weighed by credits but as an ordinary consent's fallback; only consent has one"
    )]
    Method,
    /// Rule 91.
    #[error("rule 91: a text that is ranked or scored has 2 to 16 distinct options, others none")]
    Options,
    /// Rule 92.
    #[error("rule 92: the proposal opens at {opens} ms")]
    Opens {
        /// When it opens.
        opens: u64,
    },
    /// Rule 93.
    #[error("rule 93: there is no such circle, or it may not decide this, or not so")]
    Circle,
    /// Rule 94.
    #[error("rule 94: the proposal is not answered like this")]
    Answer,
    /// Rule 95.
    #[error("rule 95: member {} is not in the circle that decides", member.0)]
    NotInCircle {
        /// The voter.
        member: Member,
    },
    /// Rule 96.
    #[error("rule 96: the charter does not let this vote be delegated, or not to this member")]
    Delegation,
    /// Rule 97.
    #[error("rule 97: only a proposal about the result allocates it, month by month")]
    Allocation,
    /// Rule 98.
    #[error("rule 98: the charter lets others attest this task")]
    Attester,
    /// Rule 99.
    #[error("rule 99: {claimed} were claimed, so that no larger part is confirmed")]
    Part {
        /// What was claimed.
        claimed: i64,
    },
    /// Rule 100.
    #[error("rule 100: what produces names what it produced, and nothing else does")]
    Produced,
    /// Rule 101.
    #[error("rule 101: there is no such circle")]
    NoCircle,
    /// Rule 102.
    #[error(
        "rule 102: an agreement has two parties or more in order, its author among them, and clauses between them"
    )]
    Agreement,
    /// Rule 103.
    #[error("rule 103: only a party agrees")]
    Party,
    /// Rule 104.
    #[error("rule 104: a commitment is to somebody else, and to a party of the agreement it names")]
    Commitment,
    /// Rules 121 to 141.
    #[error(transparent)]
    Money(#[from] MoneyFault),
}

impl Void {
    /// The rule's number, the same in the README, over HTTP and at the command line.
    #[must_use]
    pub const fn rule(&self) -> u16 {
        match self {
            Self::Key(_) => 40,
            Self::Enrolled { .. } => 41,
            Self::Proof => 42,
            Self::Unknown => 43,
            Self::Sponsors { .. } => 44,
            Self::Approval { .. } => 45,
            Self::Role { .. } => 46,
            Self::CutShape => 47,
            Self::CutBasis { .. } => 48,
            Self::CutRoot { .. } => 49,
            Self::Named { .. } => 50,
            Self::Task => 51,
            Self::TooMuch { .. } => 52,
            Self::Dates => 53,
            Self::Care => 54,
            Self::Tags => 55,
            Self::OwnAttestation => 56,
            Self::Attested => 57,
            Self::Machine => 58,
            Self::Amendment => 59,
            Self::Retroactive { .. } => 60,
            Self::NotElector { .. } => 61,
            Self::Early { .. } => 62,
            Self::Decided { .. } => 63,
            Self::Tally { .. } => 64,
            Self::Countersignature { .. } => 65,
            Self::Subscribed { .. } => 66,
            Self::Price { .. } => 67,
            Self::Invoiced { .. } => 68,
            Self::Open { .. } => 69,
            Self::Account => 70,
            Self::Bank { .. } => 71,
            Self::Range => 72,
            Self::Closed { .. } => 73,
            Self::Distributed { .. } => 74,
            Self::Run { .. } => 75,
            Self::Owed { .. } => 76,
            Self::Recipient => 77,
            Self::Paid { .. } => 78,
            Self::Words { .. } => 79,
            Self::Guardians => 80,
            Self::Decision { .. } => 81,
            Self::Call => 82,
            Self::Calls { .. } => 83,
            Self::Erasure => 84,
            Self::Disputer => 85,
            Self::NotDisputer { .. } => 86,
            Self::NotAuthor { .. } => 87,
            Self::Correction { .. } => 88,
            Self::Milestone => 89,
            Self::Method => 90,
            Self::Options => 91,
            Self::Opens { .. } => 92,
            Self::Circle => 93,
            Self::Answer => 94,
            Self::NotInCircle { .. } => 95,
            Self::Delegation => 96,
            Self::Allocation => 97,
            Self::Attester => 98,
            Self::Part { .. } => 99,
            Self::Produced => 100,
            Self::NoCircle => 101,
            Self::Agreement => 102,
            Self::Party => 103,
            Self::Commitment => 104,
            Self::Money(fault) => fault.rule(),
        }
    }
}
