//! What the file expects of a month: its run, what members may still claim, what was paid.

use std::collections::BTreeMap;

use serde_json::Value;
use talea_ledger::account::{Account, Unit};
use talea_ledger::state::State;
use talea_ledger::view::accounts::claim;
use talea_ledger::view::contributions::contributions;
use talea_ledger::view::runs::Run;
use talea_protocol::bytes::Month;
use talea_protocol::cut::Cut;

use super::Figures;
use crate::amount::{month, show_month};

impl Figures<'_> {
    /// Every run, with the claims before and after it.
    pub(super) fn runs(&mut self) {
        let names = self.expected["runs"].as_object().into_iter().flatten();
        let periods: Vec<Month> = names.filter_map(|(name, _)| month(name).ok()).collect();
        for period in &periods {
            self.run(*period);
            self.payments(*period);
            if let Some(run) = self.run_of(*period) {
                self.claimed(&run);
            }
        }
        let found = self.book.state().runs().iter().count();
        self.same("number of runs", &periods.len().into(), &found.into());
    }

    /// Claims as they were at a run: what was earned inside its cut, less what runs before took.
    fn claimed(&mut self, run: &Run) {
        let name = show_month(run.period);
        let expected = &self.expected["runs"][&name];
        let register = self.book.register();
        let Some(record) = self.book.state().runs().record(&run.id) else { return };
        let then = self.inside(&record.cut);
        let earned = then.work().earned(&then.law(register), &record.cut, run.period);
        for member in self.members_of_book() {
            let who = self.book.handle(member);
            let earned = earned.get(&member).copied().unwrap_or_default();
            let taken = then.runs().taken(member);
            let line = run.lines.iter().find(|line| line.line.member == member);
            let [livelihood, love] =
                line.map_or([0; 2], |it| [it.line.livelihood, it.line.love]).map(i128::from);
            let livelihood_before = earned.livelihood - taken.livelihood;
            let love_before = earned.love - taken.love;
            let claims = &expected["claims_before"];
            for (what, expected, found) in [
                ("livelihood before", &claims["livelihood"][&who], livelihood_before),
                ("love before", &claims["love"][&who], love_before),
                ("care before", &claims["care_minutes"][&who], earned.care - taken.care),
                ("livelihood after", &expected["liv_after"][&who], livelihood_before - livelihood),
                ("love after", &expected["lov_after"][&who], love_before - love),
            ] {
                self.add_or_zero(format!("{name} {who} {what}"), expected, found);
            }
        }
    }

    /// What the entries inside a cut add up to.
    fn inside(&self, cut: &Cut) -> State {
        let (register, mut state) = (self.book.register(), State::new());
        for entry in self.book.entries() {
            let Some(device) = register.known(&entry.header().device) else { continue };
            if entry.header().seq < u64::from(cut.length(device)) {
                state.settle(register, device, entry);
            }
        }
        state
    }

    pub(super) fn run(&mut self, period: Month) {
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
        for member in self.members_of_book() {
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

    /// Claims as they are now, right after the run of a month.
    pub(super) fn claims(&mut self, period: Month) {
        let name = show_month(period);
        let expected = &self.expected["runs"][&name];
        let given = contributions(self.book.state());
        for member in self.members_of_book() {
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

    pub(super) fn payments(&mut self, period: Month) {
        let name = show_month(period);
        let expected = &self.expected["payments"][&name];
        let payment = self.run_of(period).and_then(|run| run.payment);
        for member in self.members_of_book() {
            let who = self.book.handle(member);
            let paid = payment.iter().flat_map(|payment| &payment.paid);
            let found: i64 =
                paid.filter(|paid| paid.member == member).map(|paid| paid.amount).sum();
            self.add_or_zero(format!("{name} {who} paid out"), &expected[&who], found);
        }
    }

    /// Balances follow from the months up to this one: what came in, was spent and was paid.
    pub(super) fn accounts(&mut self, period: Month, shares: &BTreeMap<String, i64>) {
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
}
