//! Acts that close something: their cut, count and lines, by the ledger's own functions.
//!
//! Each closes over everything in the book. Whoever judges the act afterwards computes the same
//! from the same entries, so nothing here can be a matter of opinion.

use talea_protocol::act::{Close, Decide, Distribute, Mark, Pay};
use talea_protocol::bytes::{Day, Month};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::amount::show_month;
use crate::book::Book;

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
