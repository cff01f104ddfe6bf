//! The general ledger: every account with its records, one after another, and the balance after each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use talea_ledger::account::{Account, Unit};

use super::{Books, Transaction};
use crate::amount::show_day;
use crate::lang::Lang;
use crate::table::Align::{Left, Right};
use crate::verify::report::{Cell, Report, Sheet, account_anchor, sheet};

/// The general ledger. Texts of records are in the language asked for, wherever they are shown.
#[must_use]
pub fn general_ledger(books: &Books<'_>, lang: Lang) -> Report {
    let mut accounts: BTreeMap<(Unit, Account), Vec<(&Transaction, i128)>> = BTreeMap::new();
    for transaction in &books.transactions {
        for (account, amount) in &transaction.lines {
            let lines = accounts.entry((transaction.unit, account.clone())).or_default();
            lines.push((transaction, *amount));
        }
    }
    let tables = accounts.iter().map(|(key, lines)| table(books, key, lines, lang)).collect();
    let json = accounts.iter().map(|(key, lines)| value(books, key, lines, lang)).collect();
    Report { tables, json }
}

fn table(
    books: &Books<'_>,
    (unit, account): &(Unit, Account),
    lines: &[(&Transaction, i128)],
    lang: Lang,
) -> Sheet {
    let code = account.code(books.charter().profile);
    let (commodity, places) = books.commodity(*unit);
    let party = books.slugs.party(account).unwrap_or_default();
    let name = format!("{code} {party} ({commodity})").replace("  ", " ");
    let mut balance = 0;
    let mut row = |(it, amount): &(&Transaction, i128)| {
        balance += amount;
        let side = |amount: i128| {
            if amount > 0 { Cell::Number(amount, places) } else { Cell::Empty }
        };
        vec![
            Cell::Day(it.booked),
            it.number.map_or(Cell::Empty, |number| Cell::Text(number.to_string())),
            Cell::Text(it.journal.code().to_owned()),
            Cell::Text(it.piece.clone()),
            Cell::Text(it.text(lang)),
            side(*amount),
            side(-*amount),
            Cell::Number(balance, places),
            Cell::Entry(it.id, String::new()),
        ]
    };
    let rows = lines.iter().map(&mut row).collect();
    let columns = [
        ("col-day", Left),
        ("col-number", Right),
        ("col-journal", Left),
        ("col-piece", Left),
        ("col-text", Left),
        ("col-debit", Right),
        ("col-credit", Right),
        ("col-balance", Right),
        ("col-entry", Left),
    ];
    let anchor = account_anchor(*unit, &code, account.party().as_ref());
    Sheet { anchor, ..sheet(("title-ledger", Cell::Text(name)), &columns, rows) }
}

fn value(
    books: &Books<'_>,
    (unit, account): &(Unit, Account),
    lines: &[(&Transaction, i128)],
    lang: Lang,
) -> Value {
    let line = |(it, amount): &(&Transaction, i128)| {
        json!({
            "entry": it.id,
            "number": it.number,
            "date": show_day(it.date),
            "booked": show_day(it.booked),
            "journal": it.journal.code(),
            "piece": it.piece,
            "text": it.text(lang),
            "amount": amount,
        })
    };
    json!({
        "account": account.code(books.charter().profile),
        "party": account.party(),
        "unit": unit,
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
    })
}
