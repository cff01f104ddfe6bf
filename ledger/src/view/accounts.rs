//! Balances: the trial balance of every unit, and what members have earned and not been paid.
//!
//! Claims lie off the balance of money, in units of their own; each unit's sums are shown so that
//! a reader sees them to be equal. How an amount is written is the reader's business: here are
//! integers, and for each unit its decimal places.

use serde::Serialize;
use talea_protocol::charter::{Charter, Member};

use crate::account::{Account, Balance, Books, Party, Unit};
use crate::register::Register;

/// What is counted, and how it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Measure {
    /// The unit.
    pub unit: Unit,
    /// Its name: the currency's ISO 4217 code, or the unit's own.
    pub code: String,
    /// Decimal places.
    pub exponent: u8,
}

/// The trial balance.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Accounts {
    /// How the units are written.
    pub measures: Vec<Measure>,
    /// Every account of money that was ever posted to, and every claim that is open, by unit,
    /// account and party.
    pub rows: Vec<AccountRow>,
    /// All accounts of each unit together, in the order of `measures`. Both sides are equal.
    pub sums: Vec<Sum>,
}

/// An account.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AccountRow {
    /// Its code in the profile's plan of accounts.
    pub account: String,
    /// Whom it is about.
    pub party: Option<Party>,
    /// What is counted.
    pub unit: Unit,
    /// All debits, in minor units; of claims the balance, if it is a debit.
    pub debit: i128,
    /// All credits, at least zero; of claims the balance, if it is a credit.
    pub credit: i128,
    /// Debits less credits.
    pub balance: i128,
}

/// Both sides of a unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Sum {
    /// What is counted.
    pub unit: Unit,
    /// All debits.
    pub debit: i128,
    /// All credits.
    pub credit: i128,
}

/// What a member has earned and not been paid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Claims {
    /// Who.
    pub member: Member,
    /// Livelihood credits, in hundredths.
    pub livelihood: i128,
    /// Love credits, in hundredths.
    pub love: i128,
    /// Minutes of care.
    pub care: i128,
}

/// How each unit is written.
#[must_use]
pub fn measures(charter: &Charter) -> Vec<Measure> {
    let measure = |unit: Unit| {
        let (code, exponent) = match unit {
            Unit::Money => (charter.currency.as_str(), charter.exponent),
            Unit::Livelihood => ("livelihood", 2),
            Unit::Love => ("love", 2),
            Unit::Care => ("minute", 0),
            Unit::Internal(place) => {
                let unit = charter.treasury.units.get(usize::from(place));
                unit.map_or(("unknown", 0), |unit| (unit.code.as_str(), unit.exponent))
            }
        };
        Measure { unit, code: code.to_owned(), exponent }
    };
    units(charter).into_iter().map(measure).collect()
}

/// Every unit in which something is kept: those that every cooperative has, then its own.
#[must_use]
pub fn units(charter: &Charter) -> Vec<Unit> {
    let own = (0_u8..).zip(&charter.treasury.units).map(|(place, _)| Unit::Internal(place));
    Unit::ALL.into_iter().chain(own).collect()
}

/// The trial balance of these books.
#[must_use]
pub fn accounts(charter: &Charter, books: &Books) -> Accounts {
    let mut rows = Vec::new();
    let mut sums = Vec::new();
    for unit in units(charter) {
        let mut sum = Sum { unit, debit: 0, credit: 0 };
        let shown = books.iter().filter(|(_, of, _)| *of == unit);
        for (account, balance) in shown.filter_map(|(a, _, b)| Some((a, sides(unit, b)?))) {
            let Balance { debit, credit } = balance;
            sum.debit += debit;
            sum.credit += credit;
            let (code, party) = (account.code(charter.profile), account.party());
            let balance = balance.net();
            rows.push(AccountRow { account: code, party, unit, debit, credit, balance });
        }
        sums.push(sum);
    }
    Accounts { measures: measures(charter), rows, sums }
}

/// What is shown of both sides. A credit is corrected as attestations arrive, so the sides of
/// claims depend on that order and only their balance is the same for everyone.
fn sides(unit: Unit, balance: Balance) -> Option<Balance> {
    let net = balance.net();
    match unit {
        Unit::Money | Unit::Internal(_) => Some(balance),
        Unit::Livelihood | Unit::Love | Unit::Care if net == 0 => None,
        Unit::Livelihood | Unit::Love | Unit::Care => {
            Some(Balance { debit: net.max(0), credit: (-net).max(0) })
        }
    }
}

/// The open claims of every member who has one.
#[must_use]
pub fn claims(register: &Register, books: &Books) -> Vec<Claims> {
    let members = (0_u32..).map(Member).take(register.members().len());
    let open = |claims: &Claims| (claims.livelihood, claims.love, claims.care) != (0, 0, 0);
    members.map(|member| claim(books, member)).filter(open).collect()
}

/// One member's claims.
#[must_use]
pub fn claim(books: &Books, member: Member) -> Claims {
    let due = |unit| -books.net(&Account::Claim(member), unit);
    let (livelihood, love, care) = (due(Unit::Livelihood), due(Unit::Love), due(Unit::Care));
    Claims { member, livelihood, love, care }
}
