//! What the file expects of a month: its run, what members may still claim, what was paid.

use serde_json::Value;
use talea_ledger::state::State;
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
}
