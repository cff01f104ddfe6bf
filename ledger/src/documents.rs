//! What the treasurer's papers add up to: references used, statements, results allocated.
//!
//! Written in the order of the treasurer's chain, so that each can ask for those before it. Who
//! may write what is judged in `capital`, `opening` and `result`.

use std::collections::BTreeMap;

use talea_protocol::bytes::{Code, Day, Month, encode};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::account::{Account, Posting, Unit};

/// Payments to members that count once for each reference.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Paper {
    /// Shares redeemed.
    Redemption,
    /// Debts paid.
    PayOut,
}

/// A statement of the bank.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Statement {
    /// The entry.
    pub id: EntryId,
    /// Its day.
    pub date: Day,
    /// What the bank says, in minor units of the currency.
    pub balance: i64,
    /// What the books say of that day.
    pub booked: i128,
}

impl Statement {
    /// What the bank has more than the books.
    #[must_use]
    pub fn difference(&self) -> i128 {
        i128::from(self.balance) - self.booked
    }
}

/// A result that was allocated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Allocation {
    /// The entry.
    pub id: EntryId,
    /// The decision.
    pub decision: EntryId,
    /// The first month.
    pub from: Month,
    /// The last month.
    pub until: Month,
}

/// What the treasurer's chain has put on paper, besides jobs and flows.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    papers: BTreeMap<(Paper, Member, Code), EntryId>,
    statements: Vec<Statement>,
    allocations: Vec<Allocation>,
    /// What was spent by each decision.
    spent: BTreeMap<EntryId, i128>,
    /// All shares, now and at the most.
    capital: i128,
    peak: i128,
    /// Whether the treasurer has booked anything but balances taken over.
    begun: bool,
}

impl Documents {
    /// The payment that counts under a reference.
    #[must_use]
    pub fn paper(&self, paper: Paper, member: Member, reference: &Code) -> Option<EntryId> {
        self.papers.get(&(paper, member, reference.clone())).copied()
    }

    /// Every statement of the bank, oldest first.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Every result allocated, oldest first.
    #[must_use]
    pub fn allocations(&self) -> &[Allocation] {
        &self.allocations
    }

    /// What was spent by a decision.
    #[must_use]
    pub fn spent(&self, decision: &EntryId) -> i128 {
        self.spent.get(decision).copied().unwrap_or(0)
    }

    /// What was spent by each decision that an expense has named.
    #[must_use]
    pub const fn spending(&self) -> &BTreeMap<EntryId, i128> {
        &self.spent
    }

    /// All shares, and the most there ever were.
    #[must_use]
    pub const fn capital(&self) -> (i128, i128) {
        (self.capital, self.peak)
    }

    /// Whether the treasurer has booked anything but balances taken over.
    #[must_use]
    pub const fn begun(&self) -> bool {
        self.begun
    }

    /// Takes in what an act posts.
    pub fn post(&mut self, postings: &[Posting], opening: bool) {
        let shares = |posting: &&Posting| {
            posting.unit == Unit::Money && matches!(posting.account, Account::Shares(_))
        };
        self.capital -= postings.iter().filter(shares).map(|posting| posting.amount).sum::<i128>();
        self.peak = self.peak.max(self.capital);
        self.begun |= !opening;
    }

    /// Takes in a payment to a member.
    pub fn file(&mut self, paper: Paper, member: Member, reference: Code, id: EntryId) {
        self.papers.insert((paper, member, reference), id);
    }

    /// Takes in a statement.
    pub fn state(&mut self, statement: Statement) {
        self.statements.push(statement);
    }

    /// Takes in an allocation.
    pub fn allocate(&mut self, allocation: Allocation) {
        self.allocations.push(allocation);
    }

    /// Takes in what was spent by a decision.
    pub fn spend(&mut self, decision: EntryId, amount: i64) {
        *self.spent.entry(decision).or_insert(0) += i128::from(amount);
    }

    /// The value of a payment's row.
    #[must_use]
    pub fn paper_row(&self, paper: Paper, member: Member, reference: &Code) -> Option<Vec<u8>> {
        self.paper(paper, member, reference).map(|id| encode(&id))
    }

    /// The value of a statement's row: what the bank says, and what the books said.
    #[must_use]
    pub fn statement_row(&self, date: Day) -> Option<Vec<u8>> {
        let held = self.statements.iter().find(|statement| statement.date == date)?;
        Some(encode(&(held.id, held.balance, held.booked.to_le_bytes())))
    }

    /// The value of an allocation's row, by its last month.
    #[must_use]
    pub fn allocation_row(&self, until: Month) -> Option<Vec<u8>> {
        let held = self.allocations.iter().find(|allocation| allocation.until == until)?;
        Some(encode(&(held.id, held.decision, held.from)))
    }
}
