//! The flows of value as CSV for a Sankey diagram (`source,target,value`), a header line first.
//!
//! What enters a node between the first and the last leaves it: the ledger's view sees to it.

use talea_ledger::view::runs::{Flow, flows, runs};

use super::Books;
use crate::lang::{Lang, decimal};
use crate::verify::report;

/// The file.
#[must_use]
pub fn sankey(books: &Books<'_>, lang: Lang) -> String {
    let places = books.charter().exponent;
    let row = |flow: &Flow| {
        let (from, to) =
            (report::node(books.sum, &flow.from, lang), report::node(books.sum, &flow.to, lang));
        format!("{},{},{}\n", report::cell(&from), report::cell(&to), decimal(flow.amount, places))
    };
    let rows: String = flows(&runs(&books.sum.state)).iter().map(row).collect();
    format!("source,target,value\n{rows}")
}
