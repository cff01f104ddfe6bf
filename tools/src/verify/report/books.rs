//! Money: the trial balance, claims, the runs, and where value came from and went.

use talea_ledger::account::{Account, Party, Unit};
use talea_ledger::view::accounts::{Claims, accounts, claims};
use talea_ledger::view::runs::{Flow, Node, Run, RunLine, flows, runs};
use talea_protocol::charter::Member;

use super::{Cell, Report, Sheet, json, sheet, text};
use crate::books::slug;
use crate::lang::Lang;
use crate::table::Align::{Left, Right};
use crate::verify::Sum;
use crate::verify::text::handle;

/// The trial balance.
#[must_use]
pub fn balance(sum: &Sum) -> Report {
    let view = accounts(sum.register.charter(), sum.state.books());
    let measure = |unit: Unit| view.measures.iter().find(|measure| measure.unit == unit);
    let show = |amount: i128, unit: Unit| {
        Cell::Number(amount, measure(unit).map_or(0, |measure| measure.exponent))
    };
    let code = |unit: Unit| {
        let code = measure(unit).map_or_else(String::new, |measure| measure.code.clone());
        match unit {
            Unit::Money | Unit::Internal(_) => Cell::Text(code),
            _ => Cell::Word(format!("word-{code}")),
        }
    };
    let row = |account: Cell, party: Cell, unit: Unit, sides: [i128; 3]| {
        let [debit, credit, net] = sides.map(|side| show(side, unit));
        vec![account, party, code(unit), debit, credit, net]
    };
    let accounts = view.rows.iter().map(|it| {
        let party = it.party.as_ref().map_or(Cell::Empty, |party| text(called(sum, party)));
        let anchor = account_anchor(it.unit, &it.account, it.party.as_ref());
        let name = match it.unit {
            Unit::Money | Unit::Internal(_) => text(&it.account),
            _ => Cell::Word(format!("word-account-{}", it.account)),
        };
        let account = Cell::Linked(Box::new(name), anchor);
        row(account, party, it.unit, [it.debit, it.credit, it.balance])
    });
    let totals = view.sums.iter().map(|it| {
        let sides = [it.debit, it.credit, it.debit - it.credit];
        row(Cell::Word("word-total".to_owned()), Cell::Empty, it.unit, sides)
    });
    let columns = [
        ("col-account", Left),
        ("col-party", Left),
        ("col-unit", Left),
        ("col-debit", Right),
        ("col-credit", Right),
        ("col-balance", Right),
    ];
    let rows = accounts.chain(totals).collect();
    let tables = vec![sheet(("title-balance", Cell::Empty), &columns, rows)];
    Report { json: json(&view), tables }
}

/// Where an account's lines are on a page.
#[must_use]
pub fn account_anchor(unit: Unit, code: &str, party: Option<&Party>) -> String {
    let unit = match unit {
        Unit::Money => "money".to_owned(),
        Unit::Livelihood => "livelihood".to_owned(),
        Unit::Love => "love".to_owned(),
        Unit::Care => "care".to_owned(),
        Unit::Internal(place) => format!("own{place}"),
    };
    let party = match party {
        None => String::new(),
        Some(Party::Member(member)) => format!("-m{}", member.0),
        Some(Party::Client(code)) => format!("-c-{code}"),
        Some(Party::Cooperative(id)) => format!("-k-{id}"),
    };
    format!("account-{unit}-{code}{party}")
}

fn called(sum: &Sum, party: &Party) -> String {
    match party {
        Party::Member(member) => handle(sum, *member),
        Party::Client(client) => client.to_string(),
        // As in the ledger; the JSON has the whole id.
        Party::Cooperative(id) => slug::cooperative(id),
    }
}

/// What members have earned and not been paid: off the balance.
#[must_use]
pub fn claims_list(sum: &Sum) -> Report {
    let view = claims(&sum.register, sum.state.books());
    let row = |it: &Claims| {
        let claim = |unit, amount, places| {
            let anchor = account_anchor(unit, "claim", Some(&Party::Member(it.member)));
            let number = Cell::Number(amount, places);
            let balance = sum.state.books().balance(&Account::Claim(it.member), unit);
            let never = balance == talea_ledger::account::Balance::default();
            if never { number } else { Cell::Linked(Box::new(number), anchor) }
        };
        vec![
            text(handle(sum, it.member)),
            claim(Unit::Livelihood, it.livelihood, 2),
            claim(Unit::Love, it.love, 2),
            claim(Unit::Care, it.care, 0),
        ]
    };
    let columns = [
        ("col-member", Left),
        ("col-livelihood", Right),
        ("col-love", Right),
        ("col-care-minutes", Right),
    ];
    let rows = view.iter().map(row).collect();
    Report { json: json(&view), tables: vec![sheet(("title-claims", Cell::Empty), &columns, rows)] }
}

/// Every run, line by line.
#[must_use]
pub fn run_list(sum: &Sum) -> Report {
    let view = runs(&sum.state);
    let tables = view.iter().flat_map(|run| [totals(sum, run), lines(sum, run)]).collect();
    Report { json: json(&view), tables }
}

fn totals(sum: &Sum, run: &Run) -> Sheet {
    let show = |amount: i64| Cell::Number(i128::from(amount), sum.register.charter().exponent);
    let it = &run.totals;
    let rows = [
        ("word-receipts", it.receipts),
        ("word-surplus", it.surplus),
        ("word-expenses", it.expenses),
        ("word-retained", it.retained),
        ("word-care-pool", it.care_pool),
        ("word-livelihood-pool", it.livelihood_pool),
        ("word-love-pool", it.love_pool),
        ("word-paid", it.paid),
        ("word-carried", it.carried),
    ];
    let row = |(what, amount): (&str, i64)| vec![Cell::Word(what.to_owned()), show(amount)];
    let mut rows: Vec<Vec<Cell>> = rows.map(row).to_vec();
    rows.push(vec![Cell::Word("col-entry".to_owned()), Cell::Entry(run.id, String::new())]);
    let columns = [("col-what", Left), ("col-amount", Right)];
    sheet(("title-run", Cell::Month(run.period)), &columns, rows)
}

fn lines(sum: &Sum, run: &Run) -> Sheet {
    let exponent = sum.register.charter().exponent;
    let show = |amount: u64| Cell::Number(i128::from(amount), exponent);
    let paid = |member: Member| {
        let mut paid = run.payment.iter().flat_map(|payment| &payment.paid);
        let paid = paid.find(|paid| paid.member == member);
        paid.map_or(Cell::Empty, |paid| Cell::Number(i128::from(paid.amount), exponent))
    };
    let row = |line: &RunLine| {
        vec![
            text(handle(sum, line.line.member)),
            show(line.line.livelihood),
            show(line.line.love),
            show(line.line.care),
            show(line.total),
            paid(line.line.member),
        ]
    };
    let columns = [
        ("col-member", Left),
        ("col-livelihood", Right),
        ("col-love", Right),
        ("col-care", Right),
        ("col-total", Right),
        ("col-paid", Right),
    ];
    let rows = run.lines.iter().map(row).collect();
    sheet(("title-lines", Cell::Month(run.period)), &columns, rows)
}

/// Where value came from and where it went.
#[must_use]
pub fn value_flows(sum: &Sum) -> Report {
    let runs = runs(&sum.state);
    let view = flows(&runs);
    let row = |flow: &Flow| {
        let amount = Cell::Number(flow.amount, sum.register.charter().exponent);
        let same = |other: &Flow| (&other.from, &other.to) == (&flow.from, &flow.to);
        let from = runs.iter().filter(|run| flows(std::slice::from_ref(run)).iter().any(same));
        let from = Cell::Entries(from.map(|run| run.id).collect());
        vec![named(sum, &flow.from), named(sum, &flow.to), amount, from]
    };
    let columns =
        [("col-from", Left), ("col-to", Left), ("col-amount", Right), ("col-entries", Left)];
    let rows = view.iter().map(row).collect();
    Report { json: json(&view), tables: vec![sheet(("title-flows", Cell::Empty), &columns, rows)] }
}

/// What a node of the flows is called.
#[must_use]
pub fn node(sum: &Sum, node: &Node, lang: Lang) -> String {
    named(sum, node).shown(lang)
}

fn named(sum: &Sum, node: &Node) -> Cell {
    match node {
        Node::Client(client) => text(client),
        Node::Member(member) => text(handle(sum, *member)),
        Node::Cooperative => text(&sum.register.charter().name),
        Node::Brought => Cell::Word("word-brought".to_owned()),
        Node::Expenses => Cell::Word("word-expenses".to_owned()),
        Node::Retained => Cell::Word("word-retained".to_owned()),
        Node::CarePool => Cell::Word("word-care-pool".to_owned()),
        Node::LivelihoodPool => Cell::Word("word-livelihood-pool".to_owned()),
        Node::LovePool => Cell::Word("word-love-pool".to_owned()),
        Node::Carried => Cell::Word("word-carried".to_owned()),
    }
}
