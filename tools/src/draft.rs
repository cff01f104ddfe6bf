//! Acts that close something: their cut, count and lines, by the ledger's own functions.
//!
//! Each closes over everything in the book. Whoever judges the act afterwards computes the same
//! from the same entries, so nothing here can be a matter of opinion.

use talea_ledger::account::{Account, Unit};
use talea_ledger::result::result;
use talea_protocol::act::{Close, Decide, Distribute, Mark, Pay};
use talea_protocol::bytes::{Code, Day, List, Month};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;
use talea_protocol::money::{Allocate, Part, Purse, Reserve, TAKES_MAX};

use crate::amount::show_month;
use crate::book::Book;
use crate::lang::decimal;

/// Why there is nothing to sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Undraftable {
    /// There is no such proposal in the book.
    #[error("{id} is no proposal that counts")]
    Proposal {
        /// What was to be decided.
        id: EntryId,
    },
    /// The run has more lines than an entry, or a sum beyond an i64.
    #[error("the run of {} is beyond what one entry can hold", show_month(*period))]
    Run {
        /// Its month.
        period: Month,
    },
    /// What members shall get, and what is carried forward, is more than the reserves leave.
    #[error(
        "the reserves leave {} of the result, and the parts come to {}",
        decimal(*left, *exponent),
        decimal(*parts, *exponent)
    )]
    Result {
        /// What is left, in minor units.
        left: i128,
        /// What was asked for.
        parts: i128,
        /// The currency's decimal places.
        exponent: u8,
    },
}

impl Undraftable {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Proposal { .. } => {
                "name a proposal: `talea log` lists them; it may not be settled yet"
            }
            Self::Run { .. } => "distribute more often, or to fewer members",
            Self::Result { .. } => "give less interest, refund less, or carry less forward",
        }
    }
}

/// Everything that the book holds.
#[must_use]
pub fn cut(book: &Book) -> Cut {
    book.state().cut(book.register())
}

/// The decision of a proposal by the votes in the book.
///
/// # Errors
/// [`Undraftable::Proposal`].
pub fn decide(book: &Book, proposal: EntryId) -> Result<Decide, Undraftable> {
    let cut = cut(book);
    let counted = book.state().count(book.register(), &proposal, &cut);
    let (tally, outcome) = counted.ok_or(Undraftable::Proposal { id: proposal })?;
    Ok(Decide { proposal, cut, tally, outcome })
}

/// The run of a month from what is in the book, under the register's newest entry.
///
/// # Errors
/// [`Undraftable::Run`].
pub fn distribute(book: &Book, period: Month) -> Result<Distribute, Undraftable> {
    let (basis, _) = book.register().head();
    let run = book.state().distribute(book.register(), basis, period, &cut(book));
    run.ok_or(Undraftable::Run { period })
}

/// The payment of a run, after the redirects in the book.
#[must_use]
pub fn pay(book: &Book, run: EntryId, date: Day) -> Pay {
    Pay { run, cut: cut(book), date }
}

/// The close of a month.
#[must_use]
pub fn close(book: &Book, period: Month) -> Close {
    Close { period, cut: cut(book) }
}

/// A plain cut.
#[must_use]
pub fn mark(book: &Book) -> Mark {
    Mark { cut: cut(book) }
}

/// The reserves that the charter asks of a result, rounded up: the legal one, the statutory one.
#[must_use]
pub fn reserves(book: &Book, result: i128) -> (u128, u128) {
    let charter = book.register().charter();
    let part = |sum: u128, share: u16| (sum * u128::from(share)).div_ceil(10_000).min(sum);
    let sum = result.max(0).unsigned_abs();
    let held = -book.state().books().net(&Account::Reserve(Reserve::Legal), Unit::Money);
    let room = charter.treasury.legal_ceiling.map(|it| (i128::from(it.value()) - held).max(0));
    let legal = part(sum, charter.reserves.legal.value());
    let legal = room.map_or(legal, |room| legal.min(room.unsigned_abs()));
    (legal, part(sum - legal, charter.reserves.statutory.value()))
}

/// The allocation of a result: the charter's reserves, what members get and what is carried forward
/// (of a loss, all of it); the rest goes to other reserves.
///
/// # Errors
/// [`Undraftable::Result`].
pub fn allocate(
    book: &Book,
    decision: EntryId,
    (from, until, date): (Month, Month, Day),
    (interest, refunds): (Vec<Part>, Vec<Part>),
    carried: Option<i64>,
) -> Result<Allocate, Undraftable> {
    let whole = result(book.register(), book.state().treasury(), from, until);
    let (legal, statutory) = reserves(book, whole);
    let sum = |parts: &[Part]| parts.iter().map(|it| i128::from(it.amount.value())).sum::<i128>();
    let carried = carried.map_or(whole.min(0), i128::from);
    let parts = sum(&interest) + sum(&refunds) + carried;
    let kept = i128::try_from(legal + statutory).unwrap_or(i128::MAX);
    let left = whole.saturating_sub(kept);
    let exponent = book.register().charter().exponent;
    let beyond = || Undraftable::Result { left, parts, exponent };
    let narrow = |sum: i128| i64::try_from(sum).map_err(|_| beyond());
    let reserve = |sum: i128| u64::try_from(sum).map_err(|_| beyond());
    let list = |parts: Vec<Part>| List::new(parts).ok_or(Undraftable::Run { period: until });
    Ok(Allocate {
        decision,
        from,
        until,
        date,
        result: narrow(whole)?,
        legal: reserve(i128::try_from(legal).unwrap_or(i128::MAX))?,
        statutory: reserve(i128::try_from(statutory).unwrap_or(i128::MAX))?,
        other: reserve(left - parts)?,
        interest: list(interest)?,
        refunds: list(refunds)?,
        carried: narrow(carried)?,
    })
}

/// What a purse was given in a unit and has not taken in yet: as many entries as an act can name,
/// ascending.
#[must_use]
pub fn takes(book: &Book, purse: &Purse, unit: &Code) -> Vec<EntryId> {
    let units = &book.register().charter().treasury.units;
    let place = units.iter().position(|known| known.code == *unit);
    let place = place.and_then(|place| u8::try_from(place).ok());
    let given = book.state().purses().untaken(purse);
    let given = given.filter(|(_, gift)| Some(gift.unit) == place && gift.amount > 0);
    let mut ids: Vec<EntryId> = given.map(|(id, _)| *id).take(TAKES_MAX).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
