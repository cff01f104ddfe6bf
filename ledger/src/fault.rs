//! Why an act about money is void: rules 121 to 141.
//!
//! Facts with their numbers; what is asked and when is in the files of each subject. The table is
//! in the README, section 2.

use talea_protocol::bytes::{Day, Month};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

/// Why an act of the treasury, or a transfer, adds nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MoneyFault {
    /// Rule 121.
    #[error("rule 121: member {} has not signed the redemption", member.0)]
    Countersignature {
        /// Who should have.
        member: Member,
    },
    /// Rule 122.
    #[error("rule 122: {redemption} has redeemed under this reference")]
    Redeemed {
        /// The redemption that counts.
        redemption: EntryId,
    },
    /// Rule 123.
    #[error("rule 123: the member has shares of {shares}")]
    Shares {
        /// What the member has paid in and not got back.
        shares: i128,
    },
    /// Rule 124.
    #[error("rule 124: {left} of shares would be left, at least {floor} must stay")]
    CapitalFloor {
        /// What would be left of all shares.
        left: i128,
        /// What must be left.
        floor: i128,
    },
    /// Rule 125.
    #[error("rule 125: more than {limit} is spent by decision only")]
    ExpenseLimit {
        /// What may be spent without one; what it allows, if one is named.
        limit: i64,
    },
    /// Rule 126.
    #[error("rule 126: the member is owed {due}")]
    Due {
        /// What is owed besides runs.
        due: i128,
    },
    /// Rule 127.
    #[error("rule 127: {payment} has paid out under this reference")]
    PaidOut {
        /// The payment that counts.
        payment: EntryId,
    },
    /// Rule 128.
    #[error("rule 128: the charter has no such unit, or no such fund in it")]
    Unit,
    /// Rule 129.
    #[error("rule 129: {id} gives this purse nothing in this unit, or is taken in already")]
    Taken {
        /// The entry named.
        id: EntryId,
    },
    /// Rule 130.
    #[error("rule 130: the purse holds {held}, and its floor is {floor}")]
    Purse {
        /// What it holds, with all that it takes in.
        held: i128,
        /// What it may not go below.
        floor: i128,
    },
    /// Rule 131.
    #[error("rule 131: a transfer goes to another purse, and takes in each entry once, ascending")]
    Transfer,
    /// Rule 132.
    #[error("rule 132: the bank is reconciled up to day {}", until.value())]
    Reconciled {
        /// The last statement's day.
        until: Day,
    },
    /// Rule 133.
    #[error("rule 133: balances are taken over before anything is booked")]
    Begun,
    /// Rule 134.
    #[error(
        "rule 134: an account is named twice or has no balance, a sign is wrong, or debits are not credits"
    )]
    Opening,
    /// Rule 135.
    #[error("rule 135: the cut leaves out what the treasurer wrote before")]
    LeftOut,
    /// Rule 136.
    #[error("rule 136: {id} is no adopted decision about the result, or was carried out")]
    Decision {
        /// The decision named.
        id: EntryId,
    },
    /// Rule 137.
    #[error("rule 137: months are allocated in order, once, and after they were closed")]
    Months {
        /// The first month that can be allocated, if a later one than the charter's is needed.
        next: Option<Month>,
    },
    /// Rule 138.
    #[error("rule 138: the months brought {result}, and the parts add up to {parts}")]
    Result {
        /// What the closed months brought.
        result: i128,
        /// All parts together.
        parts: i128,
    },
    /// Rule 139.
    #[error(
        "rule 139: {kept} goes to legal and statutory reserves ({legal} to the legal one): not enough"
    )]
    Reserves {
        /// To the legal reserve.
        legal: u64,
        /// To both.
        kept: i128,
    },
    /// Rule 140.
    #[error("rule 140: the profile knows no refund of results")]
    Refund,
    /// Rule 141.
    #[error(
        "rule 141: interest is at most {most} in all, by the cap for each member, and never from public aid"
    )]
    Interest {
        /// The most there is for interest.
        most: i128,
    },
}

impl MoneyFault {
    /// The rule's number.
    #[must_use]
    pub const fn rule(&self) -> u16 {
        match self {
            Self::Countersignature { .. } => 121,
            Self::Redeemed { .. } => 122,
            Self::Shares { .. } => 123,
            Self::CapitalFloor { .. } => 124,
            Self::ExpenseLimit { .. } => 125,
            Self::Due { .. } => 126,
            Self::PaidOut { .. } => 127,
            Self::Unit => 128,
            Self::Taken { .. } => 129,
            Self::Purse { .. } => 130,
            Self::Transfer => 131,
            Self::Reconciled { .. } => 132,
            Self::Begun => 133,
            Self::Opening => 134,
            Self::LeftOut => 135,
            Self::Decision { .. } => 136,
            Self::Months { .. } => 137,
            Self::Result { .. } => 138,
            Self::Reserves { .. } => 139,
            Self::Refund => 140,
            Self::Interest { .. } => 141,
        }
    }
}
