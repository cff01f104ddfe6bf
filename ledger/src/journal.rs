//! The journal: every booking of money, and the number that it gets when its month is closed.
//!
//! A closing numbers what is inside its cut and has no number yet, in an order that follows from
//! the entries alone; so numbers are continuous, never change, and are the same for everyone.
//! What a booking is for, and whether it may be, is not known here. README, section 6.

use std::collections::BTreeMap;

use talea_protocol::bytes::{Day, Month, encode};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::account::{Account, Posting, Unit};
use crate::chain::Place;
use crate::terms::month_of;

/// One booking: what an entry posts in money at one time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// The entry.
    pub entry: EntryId,
    /// Place among the bookings of the entry: a payment books each redirect before itself.
    pub part: u32,
    /// Where the entry stands.
    pub place: Place,
    /// Its day; of a run the last of its month.
    pub date: Day,
    /// The month in which it is booked.
    pub month: Month,
    /// Whether it takes over balances from other books.
    pub opening: bool,
    /// What is posted.
    pub postings: Vec<Posting>,
}

impl Line {
    /// The order in which bookings of one closing are numbered.
    const fn order(&self) -> (Month, Day, Place, u32) {
        (self.month, self.date, self.place, self.part)
    }

    fn is_due(&self, cut: &Cut, until: Month) -> bool {
        self.month <= until && self.place.inside(cut)
    }
}

/// All bookings.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    numbered: Vec<Line>,
    numbers: BTreeMap<(EntryId, u32), usize>,
    open: BTreeMap<(EntryId, u32), Line>,
}

impl Journal {
    /// Takes in a booking that no closing holds yet.
    pub fn enter(&mut self, line: Line) {
        self.open.insert((line.entry, line.part), line);
    }

    /// What a closing of months up to `until` over a cut gives a number, in no order that counts.
    pub fn due(&self, cut: &Cut, until: Month) -> impl Iterator<Item = (EntryId, u32)> {
        self.open.values().filter(move |l| l.is_due(cut, until)).map(|l| (l.entry, l.part))
    }

    /// Numbers them. What is dated before `from`, the first month that was open, is booked there.
    pub fn close(&mut self, cut: &Cut, from: Option<Month>, until: Month) {
        let due: Vec<(EntryId, u32)> = self.due(cut, until).collect();
        let mut lines: Vec<Line> = due.iter().filter_map(|key| self.open.remove(key)).collect();
        for line in &mut lines {
            line.month = from.map_or(line.month, |from| line.month.max(from));
        }
        lines.sort_unstable_by_key(Line::order);
        for line in lines {
            self.numbers.insert((line.entry, line.part), self.numbered.len());
            self.numbered.push(line);
        }
    }

    /// Bookings that have a number, in its order: the first has number 1.
    #[must_use]
    pub fn numbered(&self) -> &[Line] {
        &self.numbered
    }

    /// Bookings without one, by entry.
    pub fn open(&self) -> impl Iterator<Item = &Line> {
        self.open.values()
    }

    /// The number of a booking, from 1.
    #[must_use]
    pub fn number(&self, entry: &EntryId, part: u32) -> Option<u64> {
        let at = self.numbers.get(&(*entry, part))?;
        u64::try_from(*at).ok()?.checked_add(1)
    }

    /// The value of a booking's row: its number and the month in which it is booked.
    #[must_use]
    pub fn row(&self, entry: &EntryId, part: u32) -> Option<Vec<u8>> {
        let at = self.numbers.get(&(*entry, part))?;
        let month = self.numbered.get(*at)?.month;
        Some(encode(&(self.number(entry, part)?, month)))
    }

    /// What bookings dated up to a day leave at the bank.
    #[must_use]
    pub fn bank(&self, until: Day) -> i128 {
        let dated = self.numbered.iter().chain(self.open.values()).filter(|l| l.date <= until);
        let bank = |posting: &&Posting| posting.account == Account::Bank;
        dated.flat_map(|line| line.postings.iter().filter(bank)).map(|p| p.amount).sum()
    }

    /// What the numbered bookings of some months brought: income less expenses and members' pay.
    #[must_use]
    pub fn result(&self, from: Month, until: Month, is_result: impl Fn(&Account) -> bool) -> i128 {
        let of = |line: &&Line| !line.opening && (from..=until).contains(&line.month);
        let lines = self.numbered.iter().filter(of).flat_map(|line| &line.postings);
        -lines
            .filter(|p| p.unit == Unit::Money && is_result(&p.account))
            .map(|p| p.amount)
            .sum::<i128>()
    }

    /// Debits minus credits of every account by the numbered bookings of months up to `until`.
    #[must_use]
    pub fn balances(&self, until: Month) -> BTreeMap<Account, i128> {
        let mut balances = BTreeMap::new();
        for line in self.numbered.iter().filter(|line| line.month <= until) {
            for posting in &line.postings {
                *balances.entry(posting.account.clone()).or_insert(0) += posting.amount;
            }
        }
        balances
    }
}

/// The last day of a month.
#[must_use]
pub fn last_day(month: Month) -> Day {
    let (year, of_year) = (i64::from(month.value() / 12), i64::from(month.value() % 12));
    // Days before the first of the next month, counted in years that begin in March.
    let (year, from_march) = if of_year >= 1 { (year, of_year - 1) } else { (year - 1, 11) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * from_march + 2) / 5;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let day = i32::try_from(days - 1).ok().and_then(|day| Day::new(day).ok());
    let day = day.expect("a month is in the years 1 to 9999, and so are its days");
    debug_assert_eq!(month_of(day), month);
    day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_of_every_month_is_in_it_and_the_next_day_is_not() {
        for month in 12..=119_999 {
            let month = Month::new(month).unwrap();
            let last = last_day(month);
            assert_eq!(month_of(last), month);
            if let Ok(next) = Day::new(last.value() + 1) {
                assert!(month_of(next) > month);
            }
        }
    }
}
