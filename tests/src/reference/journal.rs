//! Rule 135, and the numbers that bookings get when a month is closed: "Journal" in section 6.

use std::collections::BTreeSet;

use talea_protocol::act::{Act, Close};
use talea_protocol::bytes::Day;
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::Office;

use super::history::{Fact, History};
use super::terms::{Month, month_of};
use super::{Account, Stop};

/// A booking: the month and the day in which it is booked, its chain and place, its part.
type Line = (Month, i32, u32, u32, u32, EntryId);

impl History<'_> {
    /// Rules 47 to 49, 73 and 135.
    pub fn examine_close(&self, fact: &Fact<'_>, act: &Close) -> Result<(), Stop> {
        self.check_cut(fact, &act.cut)?;
        let spent = self.register.spent(fact.member, fact.basis);
        let before = self.before(fact, Office::Treasurer);
        let mut all = spent.chain([(fact.device, fact.seq)]).chain(before);
        if all.any(|(device, l)| act.cut.length(device) < l) {
            return Err(Stop::Void(135));
        }
        let run = |other: &&Fact<'_>| {
            other.inside(&act.cut) && matches!(other.act(), Some(Act::Distribute(_)))
        };
        if self.facts.iter().filter(run).any(|run| run.verdict.is_none()) {
            return Err(Stop::Wait);
        }
        let closed = self.closed_before(fact);
        if closed.is_some_and(|closed| act.period.value() <= closed) {
            return Err(Stop::Void(73));
        }
        Ok(())
    }

    /// Every booking with a number: its entry, its part, and the month in which it is booked.
    pub fn journal(&self) -> Vec<(EntryId, u32, Month)> {
        let mut numbered = Vec::new();
        let mut seen: BTreeSet<(EntryId, u32)> = BTreeSet::new();
        let mut open_from = 0;
        let closes = self.counted().filter(|(_, act)| matches!(act, Act::Close(_)));
        let mut closes: Vec<(&Fact<'_>, &Act)> = closes.collect();
        closes.sort_by_key(|(fact, _)| self.turn(fact, Office::Treasurer));
        for (_, act) in closes {
            let Act::Close(close) = act else { continue };
            let until = close.period.value();
            let mut lines: Vec<Line> = Vec::new();
            for (fact, act) in self.counted().filter(|(fact, _)| fact.inside(&close.cut)) {
                for (part, month, day) in self.bookings(fact, act) {
                    if month <= until && seen.insert((fact.entry.id(), part)) {
                        let month = month.max(open_from);
                        lines.push((month, day, fact.device, fact.seq, part, fact.entry.id()));
                    }
                }
            }
            lines.sort_unstable();
            numbered.extend(lines.into_iter().map(|(month, _, _, _, part, id)| (id, part, month)));
            open_from = until + 1;
        }
        numbered
    }

    /// The bookings of one entry: part, month, day.
    fn bookings(&self, fact: &Fact<'_>, act: &Act) -> Vec<(u32, Month, i32)> {
        let dated = |date: Day| vec![(0, self.booked(fact, date), date.value())];
        match act {
            Act::Subscribe(it) => dated(it.date),
            Act::Invoice(it) => dated(it.date),
            Act::Income(it) => dated(it.date),
            Act::Expense(it) => dated(it.date),
            Act::Distribute(run) if run.lines.iter().any(|line| line.total() > 0) => {
                vec![(0, run.period.value(), last_day(run.period.value()))]
            }
            Act::Pay(pay) => {
                let (month, day) = (self.booked(fact, pay.date), pay.date.value());
                let transfers = self.pay_transfers(pay);
                let to_bank = |it: &&(u8, Account, Account, i128)| it.2 == Account::Bank;
                let moved = transfers.iter().filter(|it| !to_bank(it)).count();
                let moved = u32::try_from(moved).expect("few");
                let paid = transfers.iter().filter(to_bank).any(|it| it.3 != 0);
                (0..moved + u32::from(paid)).map(|part| (part, month, day)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The last day of a month, found by halving.
fn last_day(month: Month) -> i32 {
    let (mut inside, mut after) = (-719_162, 2_932_897);
    while after - inside > 1 {
        let middle = inside + (after - inside) / 2;
        let day = Day::new(middle).expect("between two days");
        if month_of(day) <= month { inside = middle } else { after = middle }
    }
    inside
}
