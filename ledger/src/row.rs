//! The rows of the state: what the state root commits to, byte by byte.
//!
//! A row is its key followed by its value, in the one codec; the set hash of all rows is the root.
//! Rows that change between two roots are hashed once: the first change keeps the old value here,
//! and the new one is asked for when somebody asks for the root. What the values mean is the
//! business of the files that own them; the table is section 5 of the README.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use talea_protocol::bytes::{Code, Day, Month, encode};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_protocol::money::Purse;

use crate::account::{Account, Unit};
use crate::documents::Paper;
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
    /// 12: an entry whose payload is to be erased.
    Erased(EntryId),
    /// 13: a dispute and its end.
    Dispute(EntryId),
    /// 14: a move to another stage.
    Stage(EntryId),
    /// 15: an author's correction.
    Correction(EntryId),
    /// 16: a ranking, or scores, of a member's newest vote.
    Marks(EntryId, Member),
    /// 17: a delegation.
    Delegation(EntryId),
    /// 18: a review.
    Review(EntryId),
    /// 19: what a contribution produced and where it belongs.
    Delivery(EntryId),
    /// 20: a resource drawn on.
    Draw(EntryId),
    /// 21: an offer or a request.
    Intent(EntryId),
    /// 22: an agreement.
    Agreement(EntryId),
    /// 23: a member's word for an agreement.
    Agreed(EntryId, Member),
    /// 24: a commitment.
    Commitment(EntryId),
    /// 25: a booking's number in the journal.
    Booked(EntryId, u32),
    /// 26 and 27: a redemption of shares, a debt paid.
    Paper(Paper, Member, Code),
    /// 28: a statement of the bank.
    Statement(Day),
    /// 29: an allocation, by its last month.
    Allocation(Month),
    /// 30: what a purse has taken in of an entry.
    Taken(EntryId, Purse),
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
            Self::Erased(id) => encode(&(12_u8, *id)),
            Self::Dispute(id) => encode(&(13_u8, *id)),
            Self::Stage(id) => encode(&(14_u8, *id)),
            Self::Correction(id) => encode(&(15_u8, *id)),
            Self::Marks(proposal, member) => encode(&(16_u8, *proposal, *member)),
            Self::Delegation(id) => encode(&(17_u8, *id)),
            Self::Review(id) => encode(&(18_u8, *id)),
            Self::Delivery(id) => encode(&(19_u8, *id)),
            Self::Draw(id) => encode(&(20_u8, *id)),
            Self::Intent(id) => encode(&(21_u8, *id)),
            Self::Agreement(id) => encode(&(22_u8, *id)),
            Self::Agreed(id, member) => encode(&(23_u8, *id, *member)),
            Self::Commitment(id) => encode(&(24_u8, *id)),
            Self::Booked(id, part) => encode(&(25_u8, *id, *part)),
            Self::Paper(paper, member, reference) => {
                let kind: u8 = match paper {
                    Paper::Redemption => 26,
                    Paper::PayOut => 27,
                };
                encode(&(kind, *member, reference.clone()))
            }
            Self::Statement(date) => encode(&(28_u8, *date)),
            Self::Allocation(until) => encode(&(29_u8, *until)),
            Self::Taken(id, purse) => encode(&(30_u8, *id, purse.clone())),
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
        Unit::Internal(place) => place.saturating_add(16),
    }
}

/// Rows changed since the last root, with the values that the root still stands for.
#[derive(Clone, Debug, Default)]
pub struct Stale(BTreeMap<Row, Option<Vec<u8>>>);

impl Stale {
    /// To be called before a row changes; `held` says what it holds, and is asked the first time.
    pub fn change(&mut self, row: Row, held: impl FnOnce(&Row) -> Option<Vec<u8>>) {
        if let Entry::Vacant(entry) = self.0.entry(row) {
            let held = held(entry.key());
            entry.insert(held);
        }
    }

    /// How many rows have changed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Brings the sum of all rows up to date; `value` says what each row holds now.
    pub fn refresh(self, sum: &mut SetHash, value: impl Fn(&Row) -> Option<Vec<u8>>) {
        for (row, held) in self.0 {
            let now = value(&row);
            if held == now {
                continue;
            }
            let key = row.key();
            if let Some(held) = held {
                sum.remove(&[key.as_slice(), &held].concat());
            }
            if let Some(now) = now {
                sum.add(&[key.as_slice(), &now].concat());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_changed_and_changed_back_leaves_no_trace() {
        let (mut sum, row) = (SetHash::new(), || Row::Chain(1));
        let empty = sum.root();
        let mut change = |held: Option<Vec<u8>>, now: Option<Vec<u8>>| {
            let mut stale = Stale::default();
            stale.change(row(), |_| held.clone());
            stale.change(row(), |_| unreachable!("only the first change is asked"));
            stale.refresh(&mut sum, |_| now.clone());
            sum.root()
        };
        let one = change(None, Some(vec![1]));
        assert_ne!(one, empty);
        assert_eq!(change(Some(vec![1]), Some(vec![1])), one);
        assert_ne!(change(Some(vec![1]), Some(vec![2])), one);
        assert_eq!(change(Some(vec![2]), None), empty);
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
            Row::Erased(id),
            Row::Dispute(id),
            Row::Stage(id),
            Row::Correction(id),
            Row::Marks(id, Member(1)),
            Row::Delegation(id),
            Row::Review(id),
            Row::Delivery(id),
            Row::Draw(id),
            Row::Intent(id),
            Row::Agreement(id),
            Row::Agreed(id, Member(1)),
            Row::Commitment(id),
        ];
        let keys: std::collections::BTreeSet<_> = rows.iter().map(Row::key).collect();
        assert_eq!(keys.len(), rows.len());
    }
}
