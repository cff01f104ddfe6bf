//! The figures that a scenario expects of a month, against those that a book has.
//!
//! Every figure is compared to the last unit, and none is taken from the file into the book. What
//! the file gives for the end of its whole time is not asked of a month in between.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use talea_ledger::account::{Account, Unit};
use talea_ledger::view::accounts::claim;
use talea_ledger::view::contributions::contributions;
use talea_ledger::view::decisions::{Question, decisions};
use talea_ledger::view::runs::{Run, runs};
use talea_protocol::act::Ballots;
use talea_protocol::bytes::Month;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::amount::{month, show_month};
use crate::book::Book;

/// Participation, support and opposition are expected under these names.
const SHARES: [&str; 3] = ["yes_ubp", "no_ubp", "participation_ubp"];

/// One figure.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub what: String,
    /// What the file says; nothing if the file has no such figure.
    pub expected: Option<i128>,
    /// What the book says.
    pub found: i128,
}

impl Figure {
    /// Whether they are the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.expected == Some(self.found)
    }
}

/// Compares the run of a month, the decisions named, and the accounts after it.
///
/// `expected` is [`crate::scenario::Scenario::expected`]; `proposals` says which entry the file's
/// name for a proposal has become; `shares` is what each member should have paid in.
#[must_use]
pub fn compare(
    expected: &Value,
    book: &Book,
    period: Month,
    proposals: &BTreeMap<String, EntryId>,
    shares: &BTreeMap<String, i64>,
) -> Vec<Figure> {
    let mut figures = Figures { expected, book, all: Vec::new() };
    for (name, id) in proposals {
        figures.decision(name, *id);
    }
    figures.run(period);
    figures.claims(period);
    figures.payments(period);
    figures.accounts(period, shares);
    figures.all
}

struct Figures<'a> {
    expected: &'a Value,
    book: &'a Book,
    all: Vec<Figure>,
}

impl Figures<'_> {
    fn add(&mut self, what: impl Into<String>, expected: &Value, found: impl Into<i128>) {
        let expected = expected.as_i64().map(i128::from);
        self.all.push(Figure { what: what.into(), expected, found: found.into() });
    }

    /// A figure that the file does not have is expected to be zero: it names only those who get.
    fn add_or_zero(&mut self, what: impl Into<String>, expected: &Value, found: impl Into<i128>) {
        let zero = Value::from(0);
        self.add(what, if expected.is_null() { &zero } else { expected }, found);
    }

    fn decision(&mut self, name: &str, id: EntryId) {
        let expected = &self.expected["decisions"][name];
        let all = decisions(self.book.register(), self.book.state());
        let Some(question) = all.into_iter().find(|question| question.id == id) else {
            return self.add(format!("{name} is decided"), &Value::from(1), 0);
        };
        let tally = &question.tally;
        for (share, found) in SHARES.iter().zip([tally.yes, tally.no, tally.participation]) {
            self.add(format!("{name} {share}"), &expected[share], found);
        }
        let colleges = &self.book.register().charter().colleges;
        for (college, ballots) in colleges.iter().zip(&tally.colleges) {
            let college = college.code.as_str();
            self.ballots(&format!("{name} {college}"), &expected["per_college"][college], ballots);
        }
        let same = outcome(&question) == expected["outcome"];
        self.add(format!("{name} outcome"), &Value::from(1), i128::from(same));
        self.advisory(name, &expected["advisory"], &question);
    }

    fn ballots(&mut self, name: &str, expected: &Value, ballots: &Ballots) {
        let Ballots { eligible, yes, no, abstain } = *ballots;
        for (what, found) in
            [("eligible", eligible), ("yes", yes), ("no", no), ("abstain", abstain)]
        {
            self.add(format!("{name} {what}"), &expected[what], found);
        }
    }

    fn advisory(&mut self, name: &str, expected: &Value, question: &Question) {
        let advisory = question.votes.iter().filter(|vote| !vote.binding);
        let found: BTreeMap<String, Value> = advisory
            .map(|vote| {
                let choice = serde_json::to_value(vote.choice).unwrap_or_default();
                (self.book.handle(vote.member), choice)
            })
            .collect();
        let same = serde_json::to_value(found).is_ok_and(|found| found == *expected);
        self.add(format!("{name} advisory votes"), &Value::from(1), i128::from(same));
    }

    fn run(&mut self, period: Month) {
        let name = show_month(period);
        let expected = &self.expected["runs"][&name];
        let Some(run) = self.run_of(period) else {
            return self.add(format!("{name} is distributed"), &Value::from(1), 0);
        };
        let t = run.totals;
        let base = t.receipts - t.surplus - t.expenses;
        let divided = base - t.retained;
        let paid = |part: fn(&talea_protocol::act::Line) -> u64| -> i128 {
            run.lines.iter().map(|line| i128::from(part(&line.line))).sum()
        };
        for (what, found) in [
            ("R", i128::from(t.receipts)),
            ("S", i128::from(t.surplus)),
            ("X", i128::from(t.expenses)),
            ("B", i128::from(base)),
            ("retained", i128::from(t.retained)),
            ("D", i128::from(divided)),
            ("care_pool", i128::from(t.care_pool)),
            ("productive", i128::from(divided - t.care_pool)),
            ("livelihood_pool", i128::from(t.livelihood_pool)),
            ("love_pool", i128::from(t.love_pool)),
            ("livelihood_paid", paid(|line| line.livelihood)),
            ("love_paid", paid(|line| line.love)),
            ("care_paid", paid(|line| line.care)),
            ("carried", i128::from(t.carried)),
        ] {
            self.add(format!("{name} {what}"), &expected[what], found);
        }
        for member in self.members() {
            let who = self.book.handle(member);
            let line = run.lines.iter().find(|line| line.line.member == member);
            let (parts, total) = line.map_or(([0; 3], 0), |line| {
                ([line.line.livelihood, line.line.love, line.line.care], line.total)
            });
            for (what, found) in ["livelihood", "love", "care"].iter().zip(parts) {
                self.add_or_zero(format!("{name} {who} {what}"), &expected[what][&who], found);
            }
            self.add_or_zero(format!("{name} {who} total"), &expected["total"][&who], total);
        }
    }

    fn claims(&mut self, period: Month) {
        let name = show_month(period);
        let expected = &self.expected["runs"][&name];
        let given = contributions(self.book.state());
        for member in self.members() {
            let who = self.book.handle(member);
            let after = claim(self.book.state().books(), member);
            let minutes: i64 =
                given.iter().filter(|given| given.author == member).map(|given| given.care).sum();
            for (what, at, found) in [
                ("livelihood after", &expected["liv_after"][&who], after.livelihood),
                ("love after", &expected["lov_after"][&who], after.love),
                ("care minutes", &expected["claims_before"]["care_minutes"][&who], minutes.into()),
            ] {
                self.add_or_zero(format!("{name} {who} {what}"), at, found);
            }
        }
    }

    fn payments(&mut self, period: Month) {
        let name = show_month(period);
        let expected = &self.expected["payments"][&name];
        let payment = self.run_of(period).and_then(|run| run.payment);
        for member in self.members() {
            let who = self.book.handle(member);
            let paid = payment.iter().flat_map(|payment| &payment.paid);
            let found: i64 =
                paid.filter(|paid| paid.member == member).map(|paid| paid.amount).sum();
            self.add_or_zero(format!("{name} {who} paid out"), &expected[&who], found);
        }
    }

    /// Balances follow from the months up to this one: what came in, was spent and was paid.
    fn accounts(&mut self, period: Month, shares: &BTreeMap<String, i64>) {
        let net = |account: &Account| self.book.state().books().net(account, Unit::Money);
        let upto = |name: &str| month(name).is_ok_and(|month| month <= period);
        let sum = |values: &Value, part: fn(&Value) -> i64| -> i64 {
            let months = values.as_object().into_iter().flatten();
            months.filter(|(name, _)| upto(name)).map(|(_, month)| part(month)).sum()
        };
        let whole = |month: &Value| -> i64 {
            month.as_object().into_iter().flatten().filter_map(|(_, part)| part.as_i64()).sum()
        };
        let runs = &self.expected["runs"];
        let received = sum(runs, |month| month["R"].as_i64().unwrap_or(0));
        let spent = sum(runs, |month| month["X"].as_i64().unwrap_or(0));
        let due = runs.as_object().into_iter().flatten().filter(|(name, _)| upto(name));
        let due: i64 = due.map(|(_, month)| whole(&month["total"])).sum();
        let payments = self.expected["payments"].as_object().into_iter().flatten();
        let paid: i64 =
            payments.filter(|(name, _)| upto(name)).map(|(_, month)| whole(month)).sum();
        let capital: i64 = shares.values().sum();
        let spent_here: i128 = self
            .book
            .state()
            .books()
            .iter()
            .filter(|(account, unit, _)| {
                matches!(account, Account::Expense(_)) && *unit == Unit::Money
            })
            .map(|(_, _, balance)| balance.net())
            .sum();
        let accounts = [
            ("bank", capital + received - spent - paid, net(&Account::Bank)),
            ("sales", -received, net(&Account::Sales)),
            ("members' pay", due, net(&Account::Pay)),
            ("expenses", spent, spent_here),
        ];
        let of_members: Vec<(String, i64, i128)> = shares
            .iter()
            .filter_map(|(who, amount)| {
                let found = net(&Account::Shares(self.book.member(who)?));
                Some((format!("shares of {who}"), -amount, found))
            })
            .collect();
        for (what, expected, found) in accounts {
            self.add(what, &Value::from(expected), found);
        }
        for (what, expected, found) in of_members {
            self.add(what, &Value::from(expected), found);
        }
    }

    fn run_of(&self, period: Month) -> Option<Run> {
        runs(self.book.state()).into_iter().find(|run| run.period == period)
    }

    fn members(&self) -> Vec<Member> {
        let count = u32::try_from(self.book.register().members().len()).unwrap_or(0);
        (0..count).map(Member).collect()
    }
}

fn outcome(question: &Question) -> Value {
    let outcome = question.decision.map(|decision| decision.outcome);
    serde_json::to_value(outcome).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::tests::{QUARTER, played};
    use crate::scenario::Scenario;

    fn january(text: &str) -> Vec<Figure> {
        let scenario = Scenario::parse(text).unwrap();
        let quarter = Scenario::parse(QUARTER).unwrap();
        let play = played(&quarter, 53).unwrap();
        let period = month("2026-01").unwrap();
        let (proposals, shares) = (play.proposals(), scenario.shares());
        compare(&scenario.expected, play.book(), period, proposals, &shares)
    }

    #[test]
    fn january_of_the_worked_quarter_comes_out_to_the_cent() {
        let figures = january(QUARTER);
        assert!(figures.len() > 100, "{}", figures.len());
        for figure in figures {
            assert!(figure.agrees(), "{figure:?}");
        }
    }

    #[test]
    fn one_cent_in_the_file_is_one_figure_that_differs() {
        let at = QUARTER.find("\"expected\"").unwrap();
        let (before, after) = QUARTER.split_at(at);
        for (from, to) in [("\"bruno\": 53621", "\"bruno\": 53622"), ("12482", "12483")] {
            let figures = january(&format!("{before}{}", after.replacen(from, to, 1)));
            assert!(figures.iter().any(|figure| !figure.agrees()), "{to}");
        }
    }
}
