//! Purses: what members' wallets and common funds hold in the charter's own units, what they may
//! spend, and what they were given and have not taken in.

use serde::Serialize;
use talea_protocol::bytes::Code;
use talea_protocol::hash::EntryId;
use talea_protocol::money::Purse;

use crate::account::{Account, Unit};
use crate::purse::floor;
use crate::register::Register;
use crate::state::State;

/// A purse in one unit.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PurseRow {
    /// Whose.
    pub purse: Purse,
    /// What it holds.
    pub unit: Code,
    /// By the books, in minor units: all that it was given, less what it paid.
    pub balance: i128,
    /// What is left of all that it has taken in: what covers a transfer.
    pub held: i128,
    /// What `held` may not go below.
    pub floor: i128,
    /// What it was given and has not taken in, by entry.
    pub open: Vec<Given>,
}

/// What an entry gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Given {
    /// The entry.
    pub entry: EntryId,
    /// Minor units.
    pub amount: i64,
}

/// Every purse that was ever moved, wallets before funds, by unit.
#[must_use]
pub fn purses(register: &Register, state: &State) -> Vec<PurseRow> {
    let (charter, purses) = (register.charter(), state.purses());
    let row = |(account, unit): (&Account, Unit)| {
        let Unit::Internal(place) = unit else { return None };
        let purse = match account {
            Account::Wallet(member) => Purse::Member(*member),
            Account::Fund(code) => Purse::Fund(code.clone()),
            _ => return None,
        };
        let open = purses.untaken(&purse).filter(|(_, gift)| gift.unit == place);
        let open = open.map(|(entry, gift)| Given { entry: *entry, amount: gift.amount }).collect();
        Some(PurseRow {
            unit: charter.treasury.units.get(usize::from(place))?.code.clone(),
            balance: state.books().net(account, unit),
            held: purses.held(&purse, place),
            floor: floor(charter, account, unit),
            purse,
            open,
        })
    };
    state.books().iter().filter_map(|(account, unit, _)| row((account, unit))).collect()
}
