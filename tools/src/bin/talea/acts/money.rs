//! What treasurer and distributor write, and what members pay each other.

use talea_protocol::act::Effect;
use talea_protocol::act::{Act, Content, Expense, Income, Invoice, Redirect};
use talea_protocol::bytes::{Code, Day, List, Month, Quantity};
use talea_protocol::charter::Charter;
use talea_protocol::entry::Refusal;
use talea_protocol::hash::EntryId;
use talea_protocol::money::{Open, Part, PayOut, Purse, Reconcile, Transfer};
use talea_tools::amount;
use talea_tools::book::Book;
use talea_tools::draft;
use talea_tools::opening;

use super::{
    Stated, assigned, code, day, member, minor, money, month, months, plain, positive,
    states_nothing, unread, value, whole,
};
use crate::cli::Money;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::going::decided;
use crate::people::me;

/// The act of a command about money.
pub(super) fn act(desk: &Desk<'_>, command: &Money) -> Outcome<Stated> {
    let book = &desk.book;
    let charter = book.register().charter();
    match command {
        Money::Invoice { job, client, tier, quantity, date } => {
            plain(invoice(charter, (job, client, tier), whole(quantity)?, date.as_deref())?)
        }
        Money::Income { job, client, amount, date, aid } => plain(Act::Income(Income {
            job: code("the job", job)?,
            client: code("the client", client)?,
            amount: money(charter, amount)?,
            date: day(date.as_deref())?,
            aid: *aid,
        })),
        Money::Expense { account, payee, amount, date, decision, note, .. } => {
            let spent = Expense {
                account: code("the account", account)?,
                payee: code("the payee", payee)?,
                amount: money(charter, amount)?,
                date: day(date.as_deref())?,
                decision: decision.as_deref().map(|text| book.find(text)).transpose()?,
            };
            Ok((Act::Expense(spent), note.clone()))
        }
        Money::Redirect { to, amount, run, note } => {
            let amount = money(charter, amount)?;
            let (run, to) = (run_of(book, month(run)?)?, member(book, to)?);
            Ok((Act::Redirect(Redirect { run, to, amount }), note.clone()))
        }
        Money::Distribute { month: period } => {
            plain(Act::Distribute(Box::new(draft::distribute(book, month(period)?)?)))
        }
        Money::Pay { month: period, date } => {
            let run = run_of(book, month(period)?)?;
            plain(Act::Pay(draft::pay(book, run, day(date.as_deref())?)))
        }
        Money::Close { month: period } => plain(Act::Close(draft::close(book, month(period)?))),
        other => beyond(desk, other),
    }
}

/// What goes beyond a month's business.
fn beyond(desk: &Desk<'_>, command: &Money) -> Outcome<Stated> {
    let book = &desk.book;
    let charter = book.register().charter();
    match command {
        Money::PayOut { member: handle, amount, reference, date } => plain(Act::PayOut(PayOut {
            amount: money(charter, amount)?,
            member: member(book, handle)?,
            date: day(date.as_deref())?,
            reference: code("the reference", reference)?,
        })),
        Money::Reconcile { balance, reference, date } => plain(Act::Reconcile(Reconcile {
            date: day(date.as_deref())?,
            balance: amount::signed(balance, charter.exponent)
                .map_err(|fault| unread(balance, &fault))?,
            reference: code("the reference", reference)?,
        })),
        Money::Allocate { months, decision, interest, refunds, carry, date } => {
            let carry = carry.as_deref();
            let parts = (parts(book, interest)?, parts(book, refunds)?);
            allocate(book, (months, day(date.as_deref())?), decision.as_deref(), parts, carry)
        }
        Money::Open { file, date } => {
            let text =
                std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
            let balances = opening::read(book, &text)?;
            let balances =
                List::try_from(balances).map_err(|fault| value("the balances", fault))?;
            plain(Act::Open(Open { date: day(date.as_deref())?, balances }))
        }
        Money::Transfer { amount, unit, to, from, note } => {
            Ok((transfer(desk, (amount, unit), to, from.as_deref())?, note.clone()))
        }
        _ => Err(states_nothing()),
    }
}

fn invoice(
    charter: &Charter,
    (job, client, tier): (&str, &str, &str),
    quantity: i64,
    date: Option<&str>,
) -> Outcome<Act> {
    let tier = super::tier(charter, tier)?;
    let price = charter.tiers.get(usize::from(tier)).map_or(0, |tier| i64::from(tier.price));
    let amount = quantity.checked_mul(price).ok_or(Refusal::Amount)?;
    Ok(Act::Invoice(Invoice {
        job: code("the job", job)?,
        client: code("the client", client)?,
        tier,
        quantity: positive(quantity)?,
        amount: positive(amount)?,
        date: day(date)?,
    }))
}

fn run_of(book: &Book, period: Month) -> Outcome<EntryId> {
    let runs = book.entries().filter(|entry| match entry.content() {
        Content::Known(Act::Distribute(run)) => run.period == period,
        _ => false,
    });
    let counted = |id: &EntryId| book.verdict(id) == Some(talea_ledger::verdict::Verdict::Counted);
    runs.map(|entry| entry.id()).find(counted).ok_or_else(|| {
        Failure::usage(
            format!("{} has no run that counts yet", talea_tools::amount::show_month(period)),
            "the distributor makes one with `talea distribute MONTH`",
        )
    })
}

fn parts(book: &Book, texts: &[String]) -> Outcome<Vec<Part>> {
    let charter = book.register().charter();
    let part = |text: &String| {
        let (member, amount) = assigned(book, text)?;
        Ok(Part { member, amount: money(charter, amount)? })
    };
    let mut parts = texts.iter().map(part).collect::<Outcome<Vec<Part>>>()?;
    parts.sort_by_key(|part| part.member);
    Ok(parts)
}

fn allocate(
    book: &Book,
    (span, date): (&str, Day),
    decision: Option<&str>,
    (interest, refunds): (Vec<Part>, Vec<Part>),
    carry: Option<&str>,
) -> Outcome<Stated> {
    let (from, until) = months(span)?;
    let exponent = book.register().charter().exponent;
    let carry = carry.map(|text| amount::signed(text, exponent).map_err(|it| unread(text, &it)));
    let ordered = |effect: &Effect| *effect == Effect::Allocate(from, until);
    let decision = decided(book, decision, ordered)?;
    let act = draft::allocate(
        book,
        decision,
        (from, until, date),
        (interest, refunds),
        carry.transpose()?,
    )?;
    plain(Act::Allocate(Box::new(act)))
}

/// Out of the wallet of whoever signs, or out of a fund. All that it was given is taken in first.
fn transfer(
    desk: &Desk<'_>,
    (amount, unit): (&str, &str),
    to: &str,
    from: Option<&str>,
) -> Outcome<Act> {
    let book = &desk.book;
    let from = match from {
        Some(text) => purse(book, text)?,
        None => Purse::Member(me(desk)?),
    };
    let (unit, amount) = in_unit(book, unit, amount)?;
    let takes = draft::takes(book, &from, &unit);
    let takes = List::try_from(takes).map_err(|fault| value("what is taken in", fault))?;
    Ok(Act::Transfer(Transfer { from, to: purse(book, to)?, unit, amount, takes }))
}

fn purse(book: &Book, text: &str) -> Outcome<Purse> {
    match text.strip_prefix("fund:") {
        Some(name) => Ok(Purse::Fund(code("the fund", name)?)),
        None => Ok(Purse::Member(member(book, text)?)),
    }
}

/// An amount in a unit of the cooperative's own.
fn in_unit(book: &Book, unit: &str, amount: &str) -> Outcome<(Code, Quantity)> {
    let units = &book.register().charter().treasury.units;
    let known = units.iter().find(|known| known.code.as_str() == unit).ok_or_else(|| {
        let names: Vec<&str> = units.iter().map(|unit| unit.code.as_str()).collect();
        let next = if names.is_empty() {
            "its charter has no unit of its own: `talea charter template` shows how one is written"
                .to_owned()
        } else {
            format!("choose one of: {}", names.join(", "))
        };
        Failure::usage(format!("the charter has no unit `{unit}`"), next)
    })?;
    Ok((known.code.clone(), positive(minor(amount, known.exponent)?)?))
}
