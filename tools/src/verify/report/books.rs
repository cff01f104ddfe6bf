//! Money: the trial balance, the runs, and where value came from and went.

use talea_ledger::account::{Party, Unit};
use talea_ledger::view::accounts::accounts;
use talea_ledger::view::runs::{Flow, Node, Run, RunLine, flows, runs};
use talea_protocol::charter::Member;

use super::{Report, Sheet, json, sheet, word};
use crate::amount::show_month;
use crate::table::Align::{Left, Right};
use crate::table::money;
use crate::verify::Sum;
use crate::verify::text::handle;

/// The trial balance.
#[must_use]
pub fn balance(sum: &Sum) -> Report {
    let view = accounts(sum.register.charter(), sum.state.books());
    let measure = |unit: Unit| view.measures.iter().find(|measure| measure.unit == unit);
    let show = |amount: i128, unit: Unit| {
        money(amount, measure(unit).map_or(0, |measure| measure.exponent))
    };
    let code = |unit: Unit| measure(unit).map_or_else(String::new, |measure| measure.code.clone());
    let mut rows: Vec<Vec<String>> = Vec::new();
    for row in &view.rows {
        let party = row.party.as_ref().map_or_else(String::new, |party| called(sum, party));
        rows.push(vec![
            row.account.clone(),
            party,
            code(row.unit),
            show(row.debit, row.unit),
            show(row.credit, row.unit),
            show(row.balance, row.unit),
        ]);
    }
    for total in &view.sums {
        let balance = show(total.debit - total.credit, total.unit);
        rows.push(vec![
            "total".to_owned(),
            String::new(),
            code(total.unit),
            show(total.debit, total.unit),
            show(total.credit, total.unit),
            balance,
        ]);
    }
    let columns = [
        ("account", Left),
        ("party", Left),
        ("unit", Left),
        ("debit", Right),
        ("credit", Right),
        ("balance", Right),
    ];
    Report { json: json(&view), tables: vec![sheet("Trial balance", &columns, rows)] }
}

fn called(sum: &Sum, party: &Party) -> String {
    match party {
        Party::Member(member) => handle(sum, *member),
        Party::Client(client) => client.to_string(),
        Party::Cooperative(id) => id.to_string(),
    }
}

/// Every run, line by line.
#[must_use]
pub fn run_list(sum: &Sum) -> Report {
    let view = runs(&sum.state);
    let tables = view.iter().flat_map(|run| [totals(sum, run), lines(sum, run)]).collect();
    Report { json: json(&view), tables }
}

fn totals(sum: &Sum, run: &Run) -> Sheet {
    let show = |amount: i64| money(i128::from(amount), sum.register.charter().exponent);
    let it = &run.totals;
    let rows = [
        ("receipts", it.receipts),
        ("surplus", it.surplus),
        ("expenses", it.expenses),
        ("retained", it.retained),
        ("care pool", it.care_pool),
        ("livelihood pool", it.livelihood_pool),
        ("love pool", it.love_pool),
        ("paid", it.paid),
        ("carried", it.carried),
    ];
    let rows = rows.map(|(what, amount)| vec![what.to_owned(), show(amount)]).to_vec();
    let title = format!("Run of {}, entry {}", show_month(run.period), run.id);
    sheet(&title, &[("sum", Left), ("amount", Right)], rows)
}

fn lines(sum: &Sum, run: &Run) -> Sheet {
    let show = |amount: u64| money(i128::from(amount), sum.register.charter().exponent);
    let paid = |member: Member| {
        let mut paid = run.payment.iter().flat_map(|payment| &payment.paid);
        let paid = paid.find(|paid| paid.member == member);
        paid.map_or_else(String::new, |paid| {
            money(i128::from(paid.amount), sum.register.charter().exponent)
        })
    };
    let row = |line: &RunLine| {
        vec![
            handle(sum, line.line.member),
            show(line.line.livelihood),
            show(line.line.love),
            show(line.line.care),
            show(line.total),
            paid(line.line.member),
        ]
    };
    let columns = [
        ("member", Left),
        ("livelihood", Right),
        ("love", Right),
        ("care", Right),
        ("total", Right),
        ("paid", Right),
    ];
    let title = format!("Lines of {}", show_month(run.period));
    sheet(&title, &columns, run.lines.iter().map(row).collect())
}

/// Where value came from and where it went.
#[must_use]
pub fn value_flows(sum: &Sum) -> Report {
    let view = flows(&runs(&sum.state));
    let row = |flow: &Flow| {
        let amount = money(flow.amount, sum.register.charter().exponent);
        vec![node(sum, &flow.from), node(sum, &flow.to), amount]
    };
    let columns = [("from", Left), ("to", Left), ("amount", Right)];
    let rows = view.iter().map(row).collect();
    Report { json: json(&view), tables: vec![sheet("Flows", &columns, rows)] }
}

fn node(sum: &Sum, node: &Node) -> String {
    match node {
        Node::Client(client) => format!("client {client}"),
        Node::Member(member) => handle(sum, *member),
        Node::Brought
        | Node::Cooperative
        | Node::Expenses
        | Node::Retained
        | Node::CarePool
        | Node::LivelihoodPool
        | Node::LovePool
        | Node::Carried => word(node),
    }
}
