//! The treasurer's acts beyond a month's business, and transfers in internal units.
//!
//! Shares redeemed, debts paid, statements of the bank, balances taken over, a result allocated;
//! and what members pay each other. What each may, the ledger's rules say. Section 7 of the
//! README; the design's domain, section 1.

use serde::Serialize;

use crate::bytes::{Code, Day, Decode, Encode, List, Month, Quantity, encode};
use crate::charter::Member;
use crate::hash::EntryId;
use crate::key::{DeviceKey, Signature};

/// Credits that one transfer takes in.
pub const TAKES_MAX: usize = 256;
/// Balances that one act takes over.
pub const BALANCES_MAX: usize = 512;
/// Members who get a part of one result.
pub const PARTS_MAX: usize = 1_024;

/// Shares given back and paid out.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Redeem {
    /// Whose.
    pub member: Member,
    /// Minor units of the currency.
    pub amount: Quantity,
    /// When.
    pub date: Day,
    /// Tells one redemption from the next; each (member, reference) counts once.
    pub reference: Code,
    /// The member's device.
    pub device: DeviceKey,
    /// Its signature, for [`crate::key::Purpose::Redemption`], over [`redemption`].
    pub signature: Signature,
}

/// Pays a member what it is owed besides runs: interest, refunds, debts taken over.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct PayOut {
    /// Whom.
    pub member: Member,
    /// Minor units of the currency.
    pub amount: Quantity,
    /// When.
    pub date: Day,
    /// Tells one payment from the next; each (member, reference) counts once.
    pub reference: Code,
}

/// What the bank says that it holds.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Reconcile {
    /// The day of the statement: everything dated up to it is compared.
    pub date: Day,
    /// Minor units of the currency; below zero if the account is overdrawn.
    pub balance: i64,
    /// The statement's number.
    pub reference: Code,
}

/// An account whose balance is taken over.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// Money at the bank.
    Bank,
    /// Shares of a member.
    Shares(Member),
    /// What a client owes on a job that was invoiced before.
    Receivable {
        /// The client.
        client: Code,
        /// The job.
        job: Code,
    },
    /// What the cooperative owes a member.
    Due(Member),
    /// A reserve.
    Reserve(Reserve),
    /// Results carried forward.
    Carried,
    /// Another account of the plan of accounts.
    Other(Code),
    /// A purse, in an internal unit.
    Purse {
        /// Whose.
        purse: Purse,
        /// The unit.
        unit: Code,
    },
}

/// Where results are kept.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reserve {
    /// What the law requires.
    Legal,
    /// What the statutes require.
    Statutory,
    /// What the members decided.
    Other,
}

/// A balance that is taken over.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Opening {
    /// Of which account.
    pub account: Held,
    /// Debit above zero, credit below; of a purse, what it holds. Never zero.
    pub amount: i64,
}

/// Takes over balances from books that were kept elsewhere. Debits equal credits in each unit.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Open {
    /// The day of the balances.
    pub date: Day,
    /// The balances.
    pub balances: List<Opening, BALANCES_MAX>,
}

/// A member's part of a result.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Part {
    /// Whose.
    pub member: Member,
    /// Minor units of the currency.
    pub amount: Quantity,
}

/// Puts a result where the members decided. The parts add up to it.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Allocate {
    /// The decision.
    pub decision: EntryId,
    /// The first month.
    pub from: Month,
    /// The last month.
    pub until: Month,
    /// When.
    pub date: Day,
    /// What the closed months brought; below zero for a loss. Minor units, as all that follows.
    pub result: i64,
    /// To the legal reserve.
    pub legal: u64,
    /// To the statutory reserve.
    pub statutory: u64,
    /// To other reserves.
    pub other: u64,
    /// Interest on shares, ascending by member.
    pub interest: List<Part, PARTS_MAX>,
    /// Patronage refunds, ascending by member.
    pub refunds: List<Part, PARTS_MAX>,
    /// What is carried forward.
    pub carried: i64,
}

/// Who holds something in an internal unit.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purse {
    /// A member's wallet.
    Member(Member),
    /// A common fund.
    Fund(Code),
}

/// Moves something in an internal unit: a member out of its wallet, the treasurer out of a fund.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Transfer {
    /// From where.
    pub from: Purse,
    /// To where.
    pub to: Purse,
    /// The unit.
    pub unit: Code,
    /// Minor units.
    pub amount: Quantity,
    /// What this purse was given and takes into its balance from here on: entries, ascending,
    /// each taken once.
    pub takes: List<EntryId, TAKES_MAX>,
}

/// What a member signs under a redemption: the encoding of
/// (cooperative, member, amount, date, reference).
#[must_use]
pub fn redemption(cooperative: &EntryId, redeem: &Redeem) -> Vec<u8> {
    let Redeem { member, amount, date, reference, .. } = redeem;
    encode(&(*cooperative, *member, *amount, *date, reference.clone()))
}
