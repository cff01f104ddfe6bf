//! Purses in internal units: members' wallets and common funds, and transfers between them.
//!
//! A purse has one writer: a wallet its owner's spender, a fund the treasurer. What a purse was
//! given is in its balance at once, but covers a transfer only once the writer has taken it in by
//! naming it; so whether a transfer is covered follows from its own chain and what it names, the
//! same for everyone. Rules 128 to 131. Design's model, section 8.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::bytes::{Code, encode};
use talea_protocol::charter::Charter;
use talea_protocol::hash::EntryId;
use talea_protocol::money::{Purse, Transfer};
use talea_protocol::treasury::Fund;

use crate::account::{Account, Posting, Unit};
use crate::chain::Stamp;
use crate::fault::MoneyFault;
use crate::register::Register;
use crate::verdict::Void;

/// What an entry gives a purse.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gift {
    /// Which.
    pub purse: Purse,
    /// Place of the unit in the charter.
    pub unit: u8,
    /// Minor units; below zero for what a fund had issued in other books.
    pub amount: i64,
}

/// A transfer that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transferred {
    /// What it does to the purse that pays.
    pub moved: Moved,
    /// To where, and what.
    pub gift: Gift,
}

/// What an act of its writer does to a purse.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Moved {
    /// Which.
    pub purse: Purse,
    /// Place of the unit in the charter.
    pub unit: u8,
    /// What is taken in.
    pub takes: Vec<EntryId>,
    /// What the purse holds of all that it has taken in, after this.
    pub left: i128,
}

/// What purses were given, have taken in and have paid.
#[derive(Clone, Debug, Default)]
pub struct Purses {
    given: BTreeMap<EntryId, Vec<Gift>>,
    taken: BTreeMap<(EntryId, Purse), EntryId>,
    held: BTreeMap<(Purse, u8), i128>,
    /// What was given to a purse and is not taken in.
    open: BTreeSet<(Purse, EntryId)>,
}

impl Purses {
    /// What a purse holds of all that it has taken in, in minor units.
    #[must_use]
    pub fn held(&self, purse: &Purse, unit: u8) -> i128 {
        self.held.get(&(purse.clone(), unit)).copied().unwrap_or(0)
    }

    /// What an entry gives.
    #[must_use]
    pub fn given(&self, entry: &EntryId) -> &[Gift] {
        self.given.get(entry).map_or(&[], Vec::as_slice)
    }

    /// The transfer by which a purse has taken in what an entry gives it.
    #[must_use]
    pub fn taken(&self, entry: &EntryId, purse: &Purse) -> Option<EntryId> {
        self.taken.get(&(*entry, purse.clone())).copied()
    }

    /// What a purse was given and has not taken in, with the entries that gave it.
    pub fn untaken(&self, purse: &Purse) -> impl Iterator<Item = (&EntryId, &Gift)> {
        let of = (purse.clone(), EntryId([0; 32]))..=(purse.clone(), EntryId([0xff; 32]));
        self.open.range(of).flat_map(move |(_, id)| {
            let own = self.given(id).iter().filter(move |gift| gift.purse == *purse);
            own.map(move |gift| (id, gift))
        })
    }

    /// Judges a transfer whose author may write for the purse, and whose names count.
    ///
    /// # Errors
    /// [`Void`], rules 43 and 128 to 131.
    pub fn transfer(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Transfer,
    ) -> Result<Transferred, Void> {
        let charter = register.charter();
        let unit = unit_of(charter, &act.unit)?;
        for purse in [&act.from, &act.to] {
            match purse {
                Purse::Member(member) if register.is_member(*member, stamp.basis) => {}
                Purse::Member(_) => return Err(Void::Unknown),
                Purse::Fund(code) => {
                    fund(charter, code, &act.unit)?;
                }
            }
        }
        if act.from == act.to || !act.takes.is_sorted_by(|one, next| one < next) {
            return Err(MoneyFault::Transfer.into());
        }
        let left = self.spend(charter, &act.from, unit, act.amount.value(), &act.takes)?;
        let gift = Gift { purse: act.to.clone(), unit, amount: act.amount.value() };
        let moved = Moved { purse: act.from.clone(), unit, takes: act.takes.to_vec(), left };
        Ok(Transferred { moved, gift })
    }

    /// What is left in a purse once it has taken in these entries and paid so much.
    ///
    /// # Errors
    /// [`MoneyFault`], rules 129 and 130.
    pub fn spend(
        &self,
        charter: &Charter,
        purse: &Purse,
        unit: u8,
        amount: i64,
        takes: &[EntryId],
    ) -> Result<i128, MoneyFault> {
        let mut held = self.held(purse, unit);
        for id in takes {
            let mine = |gift: &&Gift| gift.purse == *purse && gift.unit == unit;
            let gift = self.given(id).iter().find(mine);
            let fresh = gift.filter(|_| self.taken(id, purse).is_none());
            held += i128::from(fresh.ok_or(MoneyFault::Taken { id: *id })?.amount);
        }
        let floor = floor(charter, &Account::of(purse), Unit::Internal(unit));
        let left = held - i128::from(amount);
        if left < floor { Err(MoneyFault::Purse { held, floor }) } else { Ok(left) }
    }

    /// Takes in balances from other books. A fund has the treasurer for its writer as these have,
    /// so nothing has to be named.
    pub fn open(&mut self, entry: EntryId, gifts: &[Gift]) {
        let is_fund = |gift: &&Gift| matches!(gift.purse, Purse::Fund(_));
        for gift in gifts.iter().filter(is_fund) {
            let held = self.held(&gift.purse, gift.unit) + i128::from(gift.amount);
            self.held.insert((gift.purse.clone(), gift.unit), held);
        }
        let wallets = gifts.iter().filter(|gift| !is_fund(gift)).cloned().collect();
        self.give(entry, wallets);
    }

    /// Takes in what an entry gives.
    pub fn give(&mut self, entry: EntryId, gifts: Vec<Gift>) {
        if !gifts.is_empty() {
            self.open.extend(gifts.iter().map(|gift| (gift.purse.clone(), entry)));
            self.given.insert(entry, gifts);
        }
    }

    /// Takes in what a purse has paid.
    pub fn pay(&mut self, by: EntryId, moved: &Moved) {
        for id in &moved.takes {
            self.taken.insert((*id, moved.purse.clone()), by);
            self.open.remove(&(moved.purse.clone(), *id));
        }
        self.held.insert((moved.purse.clone(), moved.unit), moved.left);
    }

    /// The value of the row of something taken in: the transfer.
    #[must_use]
    pub fn row(&self, entry: &EntryId, purse: &Purse) -> Option<Vec<u8>> {
        self.taken(entry, purse).map(|id| encode(&id))
    }
}

impl Transferred {
    /// What the transfer does to the books.
    #[must_use]
    pub fn postings(&self) -> Vec<Posting> {
        let (to, from) = (Account::of(&self.gift.purse), Account::of(&self.moved.purse));
        crate::account::transfer(Unit::Internal(self.gift.unit), to, from, self.gift.amount)
            .to_vec()
    }
}

/// The place of a unit in the charter.
///
/// # Errors
/// [`MoneyFault`], rule 128.
pub fn unit_of(charter: &Charter, code: &Code) -> Result<u8, MoneyFault> {
    let at = charter.treasury.units.iter().position(|unit| unit.code == *code);
    at.and_then(|at| u8::try_from(at).ok()).ok_or(MoneyFault::Unit)
}

/// A fund in a unit.
///
/// # Errors
/// [`MoneyFault`], rule 128.
pub fn fund<'a>(charter: &'a Charter, code: &Code, unit: &Code) -> Result<&'a Fund, MoneyFault> {
    let mut funds = charter.treasury.funds.iter();
    funds.find(|fund| fund.code == *code && fund.unit == *unit).ok_or(MoneyFault::Unit)
}

/// What a purse may not go below: zero, or what it may owe or issue, below it.
#[must_use]
pub fn floor(charter: &Charter, account: &Account, unit: Unit) -> i128 {
    let Unit::Internal(number) = unit else { return 0 };
    let Some(unit) = charter.treasury.units.get(usize::from(number)) else { return 0 };
    let limit = match account {
        Account::Wallet(_) => unit.limit,
        Account::Fund(code) => fund(charter, code, &unit.code).ok().and_then(|fund| fund.issues),
        _ => None,
    };
    -limit.map_or(0, |limit| i128::from(limit.value()))
}
