//! The books as an hledger journal: money and claims, accepted by `hledger check -s`.
//!
//! A member's words are one line without what hledger would read as its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use talea_ledger::account::{Account, Unit};

use super::{Books, Transaction};
use crate::amount::show_day;
use crate::lang::{Lang, decimal};
use crate::table::plain;

/// The journal.
#[must_use]
pub fn hledger(books: &Books<'_>, lang: Lang) -> String {
    let mut out = format!("; {}\n", line(&books.charter().name.to_string()));
    let _ = writeln!(out, "; {}", line(&lang.say("books-about")));
    for unit in Unit::ALL {
        let (code, places) = books.commodity(unit);
        let _ = writeln!(out, "commodity {code} {}.{}", 1000, "0".repeat(usize::from(places)));
    }
    let accounts: BTreeSet<String> = books
        .transactions
        .iter()
        .flat_map(|it| it.lines.iter().map(|(account, _)| name(books, account, it.unit)))
        .collect();
    for account in accounts {
        let _ = writeln!(out, "account {account}");
    }
    for transaction in &books.transactions {
        let _ = write!(out, "\n{}", written(books, transaction, lang));
    }
    out
}

fn written(books: &Books<'_>, it: &Transaction, lang: Lang) -> String {
    let number = it.number.map_or_else(String::new, |number| format!("({number}) "));
    let mark = if it.closed.is_some() { "*" } else { "!" };
    let (day, text) = (show_day(it.booked), line(&it.text(lang)));
    let mut out = format!(
        "{day} {mark} {number}{text}  ; entry:{}, journal:{}, piece:{}\n",
        it.id,
        it.journal.code(),
        line(&it.piece),
    );
    let (code, places) = books.commodity(it.unit);
    for (account, amount) in &it.lines {
        let account = name(books, account, it.unit);
        let _ = writeln!(out, "    {account:<40} {code} {}", decimal(*amount, places));
    }
    out
}

/// `assets:411000:grillon`; claims are off the balance: `memo:liv:alba`.
fn name(books: &Books<'_>, account: &Account, unit: Unit) -> String {
    let code = account.code(books.charter().profile).replace(':', "-");
    let party = books.slugs.party(account).map_or_else(String::new, |party| format!(":{party}"));
    let commodity = || books.commodity(unit).0.to_lowercase();
    match account {
        Account::Claim(_) => format!("memo:{}{party}", commodity()),
        Account::Issued => format!("memo:{}:counterpart", commodity()),
        Account::Wallet(_) | Account::Fund(_) => format!("memo:{}:{code}{party}", commodity()),
        Account::Shares(_) | Account::Reserve(_) | Account::Carried | Account::Result => {
            format!("equity:{code}{party}")
        }
        Account::Receivable(_) | Account::Bank => format!("assets:{code}{party}"),
        Account::Payable(_) | Account::Due(_) => format!("liabilities:{code}{party}"),
        Account::Pay | Account::Expense(_) => format!("expenses:{code}"),
        Account::Sales => format!("income:{code}"),
    }
}

/// Text that neither ends a line, nor begins a comment or a tag.
fn line(text: &str) -> String {
    plain(text).replace(';', ",").replace([':', '|'], "-").replace(',', " ")
}
