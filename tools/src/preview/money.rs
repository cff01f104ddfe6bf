//! What a statement says about shares redeemed, debts paid, balances, results and transfers.

use talea_protocol::act::Act;
use talea_protocol::bytes::Quantity;
use talea_protocol::money::{Held, Purse};
use talea_protocol::treasury::Treasury;

use super::{Rows, View};
use crate::amount::{show_day, show_month};

/// The statement in a few words; empty for an act that is told elsewhere.
pub(super) fn line(told: &View<'_>, act: &Act) -> String {
    match act {
        Act::Redeem(it) => format!(
            "give back shares of {} to {}, on {} ({})",
            told.money(it.amount),
            told.who(it.member),
            show_day(it.date),
            it.reference
        ),
        Act::PayOut(it) => format!(
            "pay {} what it is owed: {}, on {} ({})",
            told.who(it.member),
            told.money(it.amount),
            show_day(it.date),
            it.reference
        ),
        Act::Allocate(it) => format!(
            "allocate the result of {} to {}, {}, by decision {}",
            show_month(it.from),
            show_month(it.until),
            told.cents(it.result),
            told.label(&it.decision)
        ),
        Act::Reconcile(it) => format!(
            "the bank says {} on {} ({})",
            told.cents(it.balance),
            show_day(it.date),
            it.reference
        ),
        Act::Open(it) => {
            format!("take over {} balances of {}", it.balances.len(), show_day(it.date))
        }
        Act::Transfer(it) => format!(
            "move {} from {} to {}",
            told.sum(it.unit.as_str(), it.amount.value()),
            purse(told, &it.from),
            purse(told, &it.to)
        ),
        _ => String::new(),
    }
}

/// What else there is to say.
pub(super) fn rows(told: &View<'_>, act: &Act) -> Rows {
    match act {
        Act::Redeem(it) => vec![("countersigned", it.device.to_string())],
        Act::Allocate(it) => {
            let parts = |sum: u64| told.cents(i64::try_from(sum).unwrap_or(i64::MAX));
            let mut rows = vec![
                ("legal reserve", parts(it.legal)),
                ("statutory reserve", parts(it.statutory)),
                ("other reserves", parts(it.other)),
                ("carried forward", told.cents(it.carried)),
            ];
            let part = |part: &talea_protocol::money::Part| {
                format!("{} to {}", told.money(part.amount), told.who(part.member))
            };
            rows.extend(it.interest.iter().map(|it| ("interest", part(it))));
            rows.extend(it.refunds.iter().map(|it| ("refund", part(it))));
            rows
        }
        Act::Open(it) => {
            it.balances.iter().map(|o| ("balance", balance(told, &o.account, o.amount))).collect()
        }
        Act::Transfer(it) => it.takes.iter().map(|id| ("takes in", id.to_string())).collect(),
        _ => Rows::new(),
    }
}

/// What a charter says of money beyond its prices.
pub(super) fn charter(told: &View<'_>, treasury: &Treasury) -> Rows {
    let most = |limit: Option<Quantity>, none: &str| {
        limit.map_or_else(|| none.to_owned(), |limit| told.money(limit))
    };
    let minor = |limit: Option<Quantity>| limit.map_or(0, Quantity::value);
    let mut rows = vec![
        ("overdraft", most(treasury.overdraft, "none")),
        ("spent without a decision", most(treasury.expense_limit, "without limit")),
        ("least capital", most(treasury.capital_floor, "no sum")),
        ("least capital, share", super::share(treasury.capital_share)),
        ("legal reserve, at most", most(treasury.legal_ceiling, "without limit")),
        ("interest a year, at most", super::share(treasury.interest_cap)),
    ];
    rows.extend(treasury.pay_spread.map(|spread| {
        (
            "best paid to least paid",
            format!("{} to 1", crate::amount::decimal(i64::from(spread), 2)),
        )
    }));
    rows.extend(treasury.units.iter().map(|unit| {
        let below = crate::amount::decimal(minor(unit.limit), unit.exponent);
        ("unit", format!("{}, wallets to {below} below zero", unit.code))
    }));
    rows.extend(treasury.funds.iter().map(|fund| {
        let below = told.sum(fund.unit.as_str(), minor(fund.issues));
        ("fund", format!("{}, to {below} below zero", fund.code))
    }));
    rows
}

fn balance(told: &View<'_>, account: &Held, amount: i64) -> String {
    let name = match account {
        Held::Bank => "bank".to_owned(),
        Held::Shares(member) => format!("shares of {}", told.who(*member)),
        Held::Receivable { client, job } => format!("{client} for job {job}"),
        Held::Due(member) => format!("owed to {}", told.who(*member)),
        Held::Reserve(reserve) => format!("{} reserve", super::serde_name(reserve)),
        Held::Carried => "carried forward".to_owned(),
        Held::Other(code) => format!("account {code}"),
        Held::Purse { purse: of, unit } => {
            return format!("{}: {}", purse(told, of), told.sum(unit.as_str(), amount));
        }
    };
    format!("{name}: {}", told.cents(amount))
}

fn purse(told: &View<'_>, purse: &Purse) -> String {
    match purse {
        Purse::Member(member) => told.who(*member),
        Purse::Fund(code) => format!("fund {code}"),
    }
}
