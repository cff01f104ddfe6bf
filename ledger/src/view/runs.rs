//! Runs line by line, and the flow of value from clients to members.
//!
//! In the flows, what enters a node leaves it again, for every node between the first and the
//! last. Claims and names are not known here.

use std::collections::BTreeMap;

use serde::Serialize;
use talea_protocol::act::{Line, Totals};
use talea_protocol::bytes::{Code, Month};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::distribution::{self, Record, Redirected};
use crate::money::Flow as Booking;
use crate::state::State;

/// A run that counts.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Run {
    /// The entry.
    pub id: EntryId,
    /// The month.
    pub period: Month,
    /// Its sums, in minor units of the currency.
    pub totals: Totals,
    /// What earlier runs carried and this one shared.
    pub brought: i128,
    /// Receipts by client, ascending by client; they add up to the receipts of `totals`.
    pub receipts: Vec<Receipt>,
    /// Each member's part, ascending by member.
    pub lines: Vec<RunLine>,
    /// What members pass on of their parts.
    pub redirects: Vec<Redirect>,
    /// The payment that counts, if it has been paid.
    pub payment: Option<Payment>,
}

/// What one client paid.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Receipt {
    /// The client.
    pub client: Code,
    /// Minor units of the currency.
    pub amount: i128,
}

/// One member's part of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct RunLine {
    /// The three parts, in minor units of the currency.
    #[serde(flatten)]
    pub line: Line,
    /// Their sum.
    pub total: u64,
}

/// A part that is passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Redirect {
    /// The entry.
    pub id: EntryId,
    /// Whose part.
    pub from: Member,
    /// Who shall get it.
    pub to: Member,
    /// Minor units of the currency.
    pub amount: i64,
    /// Whether the payment has executed it. One that a payment left out has no effect.
    pub executed: bool,
}

/// A payment.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Payment {
    /// The entry.
    pub id: EntryId,
    /// What left the bank, ascending by member.
    pub paid: Vec<Paid>,
}

/// What one member was paid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Paid {
    /// Who.
    pub member: Member,
    /// Minor units of the currency.
    pub amount: i64,
}

/// Where value comes from, passes and goes.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A client: only gives.
    Client(Code),
    /// What earlier runs carried: only gives.
    Brought,
    /// The cooperative.
    Cooperative,
    /// What was spent: only takes.
    Expenses,
    /// What stays: takes, or gives what a loss cost.
    Retained,
    /// The pool for care.
    CarePool,
    /// The pool for livelihood claims.
    LivelihoodPool,
    /// The pool for love claims.
    LovePool,
    /// What no claim could take: only takes.
    Carried,
    /// A member: only takes.
    Member(Member),
}

/// Value that went from one node to another.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Flow {
    /// Whence.
    pub from: Node,
    /// Whither.
    pub to: Node,
    /// Minor units of the currency, above zero.
    pub amount: i128,
}

/// Every run that counts, oldest first.
#[must_use]
pub fn runs(state: &State) -> Vec<Run> {
    let mut receipts = receipts(state);
    let run = |(id, record): (&EntryId, &Record)| {
        let executed = record.payment.as_ref().map_or(&[][..], |payment| &payment.redirects);
        Run {
            id: *id,
            period: record.period,
            totals: record.totals,
            brought: brought(&record.totals),
            receipts: receipts.remove(id).unwrap_or_default(),
            lines: record.lines.iter().map(|l| RunLine { line: *l, total: l.total() }).collect(),
            redirects: record.redirects.iter().map(|r| redirect(r, executed)).collect(),
            payment: record.payment.as_ref().map(payment),
        }
    };
    state.runs().iter().map(run).collect()
}

/// What each client paid of each run's receipts. A receipt is in the first run that has it.
fn receipts(state: &State) -> BTreeMap<EntryId, Vec<Receipt>> {
    let mut sums: BTreeMap<(EntryId, &Code), i128> = BTreeMap::new();
    for booked in state.treasury().flows() {
        let first = state.runs().iter().find(|(_, record)| record.has(booked));
        if let (Some((run, _)), Booking::Income { client, amount, .. }) = (first, &booked.flow) {
            *sums.entry((*run, client)).or_default() += i128::from(*amount);
        }
    }
    let mut receipts: BTreeMap<EntryId, Vec<Receipt>> = BTreeMap::new();
    for ((run, client), amount) in sums {
        receipts.entry(run).or_default().push(Receipt { client: client.clone(), amount });
    }
    receipts
}

fn redirect(redirect: &Redirected, executed: &[Redirected]) -> Redirect {
    let Redirected { id, from, to, amount, .. } = *redirect;
    Redirect { id, from, to, amount, executed: executed.iter().any(|one| one.id == id) }
}

fn payment(payment: &distribution::Payment) -> Payment {
    let paid =
        payment.paid.iter().map(|(member, amount)| Paid { member: *member, amount: *amount });
    Payment { id: payment.id, paid: paid.collect() }
}

/// The flows of these runs together, in the order of nodes.
#[must_use]
pub fn flows(runs: &[Run]) -> Vec<Flow> {
    let mut sums: BTreeMap<(Node, Node), i128> = BTreeMap::new();
    for run in runs {
        for (from, to, amount) in edges(run) {
            *sums.entry((from, to)).or_default() += amount;
        }
    }
    let above_zero = sums.into_iter().filter(|(_, amount)| *amount > 0);
    above_zero.map(|((from, to), amount)| Flow { from, to, amount }).collect()
}

fn edges(run: &Run) -> Vec<(Node, Node, i128)> {
    let totals = &run.totals;
    let [care, livelihood, love] = paid(run);
    let care_left = i128::from(totals.care_pool) - care;
    let livelihood_left = i128::from(totals.livelihood_pool) + care_left - livelihood;
    let retained = i128::from(totals.retained);
    let mut edges = vec![
        (Node::Brought, Node::Cooperative, run.brought),
        (Node::Retained, Node::Cooperative, -retained.min(0)),
        (Node::Cooperative, Node::Expenses, totals.expenses.into()),
        (Node::Cooperative, Node::Retained, retained.max(0)),
        (Node::Cooperative, Node::CarePool, totals.care_pool.into()),
        (Node::Cooperative, Node::LivelihoodPool, totals.livelihood_pool.into()),
        (Node::Cooperative, Node::LovePool, totals.love_pool.into()),
        (Node::CarePool, Node::LivelihoodPool, care_left),
        (Node::LivelihoodPool, Node::LovePool, livelihood_left),
        (Node::LovePool, Node::Carried, i128::from(totals.love_pool) + livelihood_left - love),
    ];
    for receipt in &run.receipts {
        edges.push((Node::Client(receipt.client.clone()), Node::Cooperative, receipt.amount));
    }
    for RunLine { line, .. } in &run.lines {
        let member = Node::Member(line.member);
        edges.push((Node::CarePool, member.clone(), line.care.into()));
        edges.push((Node::LivelihoodPool, member.clone(), line.livelihood.into()));
        edges.push((Node::LovePool, member, line.love.into()));
    }
    edges
}

/// Paid for care, livelihood and love.
fn paid(run: &Run) -> [i128; 3] {
    let sum = |part: fn(&Line) -> u64| run.lines.iter().map(|l| i128::from(part(&l.line))).sum();
    [sum(|line| line.care), sum(|line| line.livelihood), sum(|line| line.love)]
}

/// What a run shared beyond the month's own receipts: the rest of what became of them.
#[must_use]
pub fn brought(totals: &Totals) -> i128 {
    let out = [totals.expenses, totals.retained, totals.paid, totals.carried].map(i128::from);
    out.iter().sum::<i128>() - i128::from(totals.receipts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Due, Input};
    use proptest::prelude::*;
    use serde_json::Value;
    use talea_protocol::bytes::Bp;
    use talea_protocol::charter::{Formula, Tie};
    use talea_protocol::hash::Hash;

    const MEMBERS: [&str; 4] = ["Alba", "Bruno", "Chloe", "Dario"];

    fn formula() -> Formula {
        let bp = |value| Bp::new(value).unwrap();
        Formula { retain: bp(2000), care: bp(1000), livelihood: bp(7500), tie: Tie::ByAdmission }
    }

    fn view(input: &Input, receipts: Vec<Receipt>) -> Run {
        let run = crate::run::run(input).unwrap();
        let line = |line: Line| RunLine { line, total: line.total() };
        Run {
            id: EntryId::ZERO,
            period: Month::new(24_312).unwrap(),
            brought: brought(&run.totals),
            totals: run.totals,
            receipts,
            lines: run.lines.into_iter().map(line).collect(),
            redirects: Vec::new(),
            payment: None,
        }
    }

    fn quarter() -> Value {
        serde_json::from_str(include_str!("../../../tests/data/passerelles-q1.json")).unwrap()
    }

    /// The run of a month of the worked quarter, from its claims and the income entries.
    fn month(quarter: &Value, period: &str) -> Run {
        let expected = &quarter["expected"]["runs"][period];
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        let mut receipts: BTreeMap<&str, i64> = BTreeMap::new();
        for entry in quarter["entries"].as_array().unwrap() {
            if entry["type"] == "income" && entry["date"].as_str().unwrap().starts_with(period) {
                let client = entry["body"]["client"].as_str().unwrap();
                *receipts.entry(client).or_default() += number(&entry["body"]["amount"]);
            }
        }
        let claim = |stream: &str, name: &str| {
            number(&expected["claims_before"][stream][name.to_lowercase()])
        };
        let due = |(member, name): (u32, &str)| Due {
            member: Member(member),
            livelihood: claim("livelihood", name),
            love: claim("love", name),
            care: claim("care_minutes", name),
        };
        let input = Input {
            receipts: receipts.values().sum(),
            surplus: number(&expected["S"]),
            expenses: number(&expected["X"]),
            brought: 0,
            formula: formula(),
            seed: Hash::ZERO,
            dues: (0..).zip(MEMBERS).map(due).collect(),
        };
        let receipt = |(client, amount): (&str, i64)| Receipt {
            client: Code::try_from(client).unwrap(),
            amount: amount.into(),
        };
        view(&input, receipts.into_iter().map(receipt).collect())
    }

    fn name(node: &Node) -> String {
        match node {
            Node::Client(client) => match client.as_str() {
                "boreale" => "Agence Boreale".into(),
                "grillon" => "Editions du Grillon".into(),
                _ => "ONG Semences".into(),
            },
            Node::Member(member) => MEMBERS[usize::try_from(member.0).unwrap()].into(),
            Node::Cooperative => "Passerelles".into(),
            Node::CarePool => "Care pool".into(),
            Node::LivelihoodPool => "Livelihood pool".into(),
            Node::LovePool => "Love pool".into(),
            other => format!("{other:?}"),
        }
    }

    /// What every node between the first and the last takes in less what it gives.
    fn kept(flows: &[Flow]) -> BTreeMap<Node, i128> {
        let mut kept = BTreeMap::new();
        for flow in flows {
            *kept.entry(flow.from.clone()).or_default() -= flow.amount;
            *kept.entry(flow.to.clone()).or_default() += flow.amount;
        }
        kept.retain(|node, _| {
            let inner = [Node::Cooperative, Node::CarePool, Node::LivelihoodPool, Node::LovePool];
            inner.contains(node)
        });
        kept
    }

    #[test]
    fn the_worked_quarter_flows_as_expected() {
        let quarter = quarter();
        let runs = ["2026-01", "2026-02", "2026-03"].map(|period| month(&quarter, period));
        let given: BTreeMap<_, _> =
            flows(&runs).iter().map(|f| ((name(&f.from), name(&f.to)), f.amount)).collect();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let expected: BTreeMap<_, _> = quarter["expected"]["flows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|flow| ((text(&flow[0]), text(&flow[1])), i128::from(flow[2].as_i64().unwrap())))
            .collect();
        assert_eq!(given, expected);
    }

    #[test]
    fn in_january_two_clients_feed_four_members() {
        let flows = flows(&[month(&quarter(), "2026-01")]);
        let amount = |from: &str, to: &str| {
            let found = flows.iter().find(|f| name(&f.from) == from && name(&f.to) == to);
            found.map_or(0, |flow| flow.amount)
        };
        assert_eq!(amount("Editions du Grillon", "Passerelles"), 144_000);
        assert_eq!(amount("ONG Semences", "Passerelles"), 80_000);
        assert_eq!(amount("Passerelles", "Expenses"), 4_500);
        assert_eq!(amount("Passerelles", "Retained"), 43_900);
        assert_eq!(amount("Livelihood pool", "Bruno"), 53_621);
        assert_eq!(amount("Care pool", "Dario"), 0);
        assert!(kept(&flows).values().all(|kept| *kept == 0));
    }

    #[test]
    fn a_loss_comes_out_of_what_was_retained() {
        let formula = formula();
        let input = Input {
            receipts: 100,
            surplus: 10,
            expenses: 150,
            brought: 20,
            formula,
            seed: Hash::ZERO,
            dues: vec![],
        };
        let receipt = Receipt { client: Code::try_from("c").unwrap(), amount: 100 };
        let flows = flows(&[view(&input, vec![receipt])]);
        let loss = Flow { from: Node::Retained, to: Node::Cooperative, amount: 30 };
        assert!(flows.contains(&loss), "{flows:?}");
        assert!(kept(&flows).values().all(|kept| *kept == 0));
    }

    proptest! {
        #[test]
        fn what_enters_an_inner_node_leaves_it(
            receipts in 0..500_000_i64,
            surplus in 0..500_000_i64,
            expenses in 0..500_000_i64,
            brought in 0..500_000_i64,
            dues in proptest::collection::vec((0..90_000_i64, 0..90_000_i64, 0..900_i64), 0..6),
        ) {
            let due = |(member, (livelihood, love, care)): (u32, (i64, i64, i64))| {
                Due { member: Member(member), livelihood, love, care }
            };
            let input = Input {
                receipts,
                surplus: surplus.min(receipts),
                expenses,
                brought,
                formula: formula(),
                seed: Hash::ZERO,
                dues: (0..).zip(dues).map(due).collect(),
            };
            let receipt = Receipt { client: Code::try_from("c").unwrap(), amount: receipts.into() };
            let run = view(&input, vec![receipt]);
            prop_assert_eq!(run.brought, i128::from(brought));
            for (node, kept) in kept(&flows(&[run])) {
                prop_assert_eq!(kept, 0, "{:?}", node);
            }
        }
    }
}
