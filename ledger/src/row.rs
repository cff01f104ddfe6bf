//! The rows of the state: what the state root commits to, byte by byte.
//!
//! A row is its key followed by its value, in the one codec; the set hash of all rows is the root.
//! Rows that change between two roots are hashed once: the first change keeps the old value here,
//! and the new one is asked for when somebody asks for the root. What the values mean is the
//! business of the files that own them; the table is section 5 of the README.

use std::collections::BTreeMap;

use talea_protocol::bytes::{Code, encode};
use talea_protocol::charter::Member;
use talea_protocol::hash::{EntryId, Hash};

use crate::account::{Account, Unit};
use crate::sethash::SetHash;

/// Names one row.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Row {
    /// 1: what is settled of a device's chain.
    Chain(u32),
    /// 2: a void entry.
    Void(EntryId),
    /// 3: a contribution and its credit.
    Contribution(EntryId),
    /// 4: a proposal and its decision.
    Proposal(EntryId),
    /// 5: a member's newest vote on a proposal.
    Ballot(EntryId, Member),
    /// 6: an account's balance.
    Account(Unit, Account),
    /// 7: a job and what is open on it.
    Job(Code),
    /// 8: a subscription.
    Subscription(Member, Code),
    /// 9: a run and its payment.
    Run(EntryId),
    /// 10: a redirect.
    Redirect(EntryId),
    /// 11: the last month closed.
    Closed,
}

impl Row {
    /// The row's key: a byte for its kind, then what it is about.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        match self {
            Self::Chain(device) => encode(&(1_u8, *device)),
            Self::Void(id) => encode(&(2_u8, *id)),
            Self::Contribution(id) => encode(&(3_u8, *id)),
            Self::Proposal(id) => encode(&(4_u8, *id)),
            Self::Ballot(proposal, member) => encode(&(5_u8, *proposal, *member)),
            Self::Account(unit, account) => encode(&(6_u8, number(*unit), account.key())),
            Self::Job(code) => encode(&(7_u8, code.clone())),
            Self::Subscription(member, code) => encode(&(8_u8, *member, code.clone())),
            Self::Run(id) => encode(&(9_u8, *id)),
            Self::Redirect(id) => encode(&(10_u8, *id)),
            Self::Closed => encode(&11_u8),
        }
    }
}

/// A unit in a row's key. Part of the state root: a number never changes its meaning.
const fn number(unit: Unit) -> u8 {
    match unit {
        Unit::Money => 0,
        Unit::Livelihood => 1,
        Unit::Love => 2,
        Unit::Care => 3,
    }
}

/// The set hash of all rows, and the rows that it does not know yet.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    sum: SetHash,
    /// Rows changed since the last root, with the value that the sum still holds.
    stale: BTreeMap<Row, Option<Vec<u8>>>,
}

impl Rows {
    /// Whether the sum holds what the row does: its next change must be told.
    #[must_use]
    pub fn is_current(&self, row: &Row) -> bool {
        !self.stale.contains_key(row)
    }

    /// To be called before a current row changes, with what it holds.
    pub fn change(&mut self, row: Row, held: Option<Vec<u8>>) {
        self.stale.entry(row).or_insert(held);
    }

    /// Brings the sum up to date; `value` says what each row holds now.
    pub fn root(&mut self, value: impl Fn(&Row) -> Option<Vec<u8>>) -> Hash {
        for (row, held) in std::mem::take(&mut self.stale) {
            let now = value(&row);
            if held == now {
                continue;
            }
            let key = row.key();
            if let Some(held) = held {
                self.sum.remove(&[key.as_slice(), &held].concat());
            }
            if let Some(now) = now {
                self.sum.add(&[key.as_slice(), &now].concat());
            }
        }
        self.sum.root()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_changed_and_changed_back_leaves_no_trace() {
        let mut rows = Rows::default();
        let empty = rows.root(|_| None);
        rows.change(Row::Chain(1), None);
        let one = rows.root(|_| Some(vec![1]));
        assert_ne!(one, empty);
        rows.change(Row::Chain(1), Some(vec![1]));
        assert!(!rows.is_current(&Row::Chain(1)));
        rows.change(Row::Chain(1), Some(vec![2]));
        assert_eq!(rows.root(|_| Some(vec![1])), one);
        rows.change(Row::Chain(1), Some(vec![1]));
        assert_eq!(rows.root(|_| None), empty);
    }

    #[test]
    fn no_two_rows_share_a_key() {
        let id = EntryId([7; 32]);
        let code = Code::try_from("x").unwrap();
        let rows = [
            Row::Chain(1),
            Row::Void(id),
            Row::Contribution(id),
            Row::Proposal(id),
            Row::Ballot(id, Member(1)),
            Row::Account(Unit::Money, Account::Bank),
            Row::Account(Unit::Care, Account::Bank),
            Row::Job(code.clone()),
            Row::Subscription(Member(1), code),
            Row::Run(id),
            Row::Redirect(id),
            Row::Closed,
        ];
        let keys: std::collections::BTreeSet<_> = rows.iter().map(Row::key).collect();
        assert_eq!(keys.len(), rows.len());
    }
}
