//! What paper an act stands for: its day, its journal, its reference, what it says.
//!
//! An act without a row here is dated by its author's clock and called after its name; it is in
//! the books all the same.

use talea_ledger::account::Account;
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::Day;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;

use super::{Journal, last_day};
use crate::amount::{day_of, show_month};
use crate::verify::{Audit, Claim, Sum, text};

/// What a record says beside its amounts.
pub struct Paper {
    /// The day.
    pub date: Day,
    /// The journal.
    pub journal: Journal,
    /// The reference.
    pub piece: String,
    /// A key among the words, and what is put into them.
    pub label: (&'static str, String),
}

/// Describes a record of an entry. Its lines tell a transfer between members from a payment.
pub fn describe(
    audit: &Audit,
    sum: &Sum,
    entry: &Signed,
    act: &Act,
    lines: &[(Account, i128)],
    note: Option<&String>,
) -> Paper {
    let place = text::place(Some(sum), &Claim::of(entry));
    let is_inner = lines.iter().all(|(account, _)| matches!(account, Account::Payable(_)));
    let run = |id: &EntryId| sum.state.runs().record(id).map(|run| run.period);
    let signed = day_of(entry.header().time);
    let said = |label, name: String, piece: String, date| (label, name, piece, Some(date));
    let (label, name, piece, date) = match act {
        Act::Subscribe(it) => {
            let piece = format!("S-{}", it.reference);
            said("book-subscribe", text::handle(sum, it.member), piece, it.date)
        }
        Act::Invoice(it) => {
            said("book-invoice", it.job.to_string(), format!("F-{}", it.job), it.date)
        }
        Act::Income(it) => {
            said("book-income", it.job.to_string(), format!("F-{}", it.job), it.date)
        }
        Act::Expense(it) => {
            let name = note.cloned().unwrap_or_else(|| it.payee.to_string());
            said("book-expense", name, format!("D-{place}"), it.date)
        }
        Act::Distribute(it) => {
            let piece = format!("REP-{}", show_month(it.period));
            ("book-distribute", show_month(it.period), piece, last_day(it.period))
        }
        Act::Pay(it) if is_inner => {
            said("book-redirect", String::new(), format!("T-{place}"), it.date)
        }
        Act::Pay(it) => {
            let month = run(&it.run).map_or_else(String::new, show_month);
            said("book-pay", month.clone(), format!("P-{month}"), it.date)
        }
        Act::Attest(it) => {
            let given = audit.shown.entries.get(&it.contribution);
            let (task, end) = given.and_then(worked).unzip();
            ("book-attest", task.unwrap_or_default(), place, end.or(signed))
        }
        _ => ("book-other", kind(act), place, signed),
    };
    let date = date.or(signed).unwrap_or_else(|| Day::new(0).expect("1970-01-01 is a day"));
    let moves_bank = lines.iter().any(|(account, _)| *account == Account::Bank);
    let journal = match act {
        Act::Invoice(_) => Journal::Sales,
        _ if moves_bank => Journal::Bank,
        _ => Journal::Other,
    };
    Paper { date, journal, piece, label: (label, name) }
}

/// A contribution's task and last day.
fn worked(entry: &Signed) -> Option<(String, Day)> {
    match entry.content() {
        Content::Known(Act::Contribution(act)) => Some((act.task.to_string(), act.end)),
        _ => None,
    }
}

/// An act's name, as it is written in JSON.
#[must_use]
pub fn kind(act: &Act) -> String {
    let value = serde_json::to_value(act).unwrap_or_default();
    value.get("act").and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}
