//! The money of the books for beancount, accepted by `bean-check`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use talea_ledger::account::Account;

use super::Books;
use crate::amount::show_day;
use crate::lang::{Lang, decimal};
use crate::table::plain;

/// The file.
#[must_use]
pub fn beancount(books: &Books<'_>, lang: Lang) -> String {
    let (code, places) = (commodity(books), books.charter().exponent);
    let mut out = format!("option \"title\" {}\n", quoted(&books.charter().name.to_string()));
    let _ = writeln!(out, "option \"operating_currency\" {}", quoted(&code));
    let accounts: BTreeSet<String> = books
        .money()
        .flat_map(|it| it.lines.iter().map(|(account, _)| name(books, account)))
        .collect();
    let first = books.money().map(|it| it.booked).min().map(show_day);
    for account in accounts {
        let _ = writeln!(out, "{} open {account} {code}", first.as_deref().unwrap_or_default());
    }
    for it in books.money() {
        let mark = if it.closed.is_some() { "*" } else { "!" };
        let _ = writeln!(out, "{} {mark} {}", show_day(it.booked), quoted(&it.text(lang)));
        let _ = writeln!(out, "  entry: \"{}\"\n  piece: {}", it.id, quoted(&it.piece));
        if let Some(number) = it.number {
            let _ = writeln!(out, "  number: {number}");
        }
        for (account, amount) in &it.lines {
            let _ =
                writeln!(out, "  {}  {} {code}", name(books, account), decimal(*amount, places));
        }
    }
    out
}

fn commodity(books: &Books<'_>) -> String {
    books.charter().currency.to_string()
}

/// `Assets:A411000:Grillon`: parts begin with a capital letter.
fn name(books: &Books<'_>, account: &Account) -> String {
    let code: String = account
        .code(books.charter().profile)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let party = books.slugs.party(account).map_or_else(String::new, |party| {
        let party = party.trim_start_matches('-');
        let (first, rest) = party.split_at(party.len().min(1));
        format!(":{}{rest}", first.to_ascii_uppercase())
    });
    let class = match account {
        Account::Shares(_)
        | Account::Claim(_)
        | Account::Issued
        | Account::Reserve(_)
        | Account::Carried
        | Account::Result
        | Account::Wallet(_)
        | Account::Fund(_) => "Equity",
        Account::Receivable(_) | Account::Bank => "Assets",
        Account::Payable(_) | Account::Due(_) => "Liabilities",
        Account::Pay | Account::Expense(_) => "Expenses",
        Account::Sales => "Income",
    };
    format!("{class}:A{code}{party}")
}

/// A text between quotation marks, on one line.
fn quoted(text: &str) -> String {
    format!("\"{}\"", plain(text).replace('\\', "\\\\").replace('"', "\\\""))
}
