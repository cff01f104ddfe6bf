//! The charter in force, asked for under a register entry and for a month (section 6), and months.

use talea_protocol::act::{Act, Effect, Outcome};
use talea_protocol::bytes::{Code, Day};
use talea_protocol::charter::{Amendment, Change, Thresholds, Tier};

use super::history::History;

/// Months since the year 0.
pub type Month = u32;

/// A question: under which register entry, for which month.
#[derive(Clone, Copy)]
pub struct When {
    /// The register entry.
    pub at: u32,
    /// The month.
    pub month: Month,
}

impl<'a> History<'a> {
    /// Adopted changes by their decision's number, in that order.
    fn adopted(&self) -> Vec<(u32, &'a Change)> {
        let mut adopted: Vec<(u32, &Change)> = self
            .counted()
            .filter_map(|(fact, act)| match act {
                Act::Decide(decide) if decide.outcome == Outcome::Adopted => {
                    let proposal = self.find(&decide.proposal)?.act()?;
                    match proposal {
                        Act::Propose(it) => match &it.effect {
                            Effect::Amend(change) => Some((fact.number?, change)),
                            _ => None,
                        },
                        _ => None,
                    }
                }
                _ => None,
            })
            .collect();
        adopted.sort_by_key(|(number, _)| *number);
        adopted
    }

    /// Amendments in force, in the order of their decisions.
    pub fn amendments(&self, when: When) -> Vec<&'a Amendment> {
        self.adopted()
            .into_iter()
            .filter(|(number, change)| *number <= when.at && change.from.value() <= when.month)
            .flat_map(|(_, change)| change.amendments.iter())
            .collect()
    }

    /// The newest value that an amendment in force sets.
    fn amended<T>(&self, when: When, pick: impl Fn(&'a Amendment) -> Option<T>) -> Option<T> {
        self.amendments(when).into_iter().filter_map(pick).next_back()
    }

    /// Parts of the formula in basis points: retained, care, livelihood.
    pub fn formula(&self, when: When) -> [u16; 3] {
        let founded = self.register.charter.formula;
        let retain = self.amended(when, |a| match a {
            Amendment::Retain(bp) => Some(bp.value()),
            _ => None,
        });
        let care = self.amended(when, |a| match a {
            Amendment::Care(bp) => Some(bp.value()),
            _ => None,
        });
        let livelihood = self.amended(when, |a| match a {
            Amendment::Livelihood(bp) => Some(bp.value()),
            _ => None,
        });
        [
            retain.unwrap_or(founded.retain.value()),
            care.unwrap_or(founded.care.value()),
            livelihood.unwrap_or(founded.livelihood.value()),
        ]
    }

    /// Participation needed, in basis points.
    pub fn quorum(&self, when: When) -> u16 {
        let amended = self.amended(when, |a| match a {
            Amendment::Quorum(bp) => Some(bp.value()),
            _ => None,
        });
        amended.unwrap_or(self.register.charter.quorum.value())
    }

    /// Support needed.
    pub fn thresholds(&self, when: When) -> Thresholds {
        let amended = self.amended(when, |a| match a {
            Amendment::Thresholds(thresholds) => Some(*thresholds),
            _ => None,
        });
        amended.unwrap_or(self.register.charter.thresholds)
    }

    /// Members who must attest.
    pub fn attestations(&self, when: When) -> u8 {
        let amended = self.amended(when, |a| match a {
            Amendment::Attestations(count) => Some(*count),
            _ => None,
        });
        amended.unwrap_or(self.register.charter.attestations)
    }

    /// The internal price.
    pub fn internal_price(&self, when: When) -> u32 {
        let amended = self.amended(when, |a| match a {
            Amendment::InternalPrice(price) => Some(*price),
            _ => None,
        });
        amended.unwrap_or(self.register.charter.internal_price)
    }

    /// A task's unit, which it was first given, and what a unit is worth now.
    pub fn rate(&self, when: When, task: &Code) -> Option<(&'a Code, u32)> {
        let founded = self.register.charter.rates.iter().filter(|rate| rate.task == *task);
        let later = self.amendments(when).into_iter().filter_map(|amendment| match amendment {
            Amendment::Rate(rate) if rate.task == *task => Some(rate),
            _ => None,
        });
        let rates: Vec<_> = founded.chain(later).collect();
        Some((&rates.first()?.unit, rates.last()?.credits))
    }

    /// A tier's price. New tiers follow the charter's in the order of their adoption.
    pub fn price(&self, when: When, tier: u8) -> Option<u32> {
        let mut all: Vec<(&Tier, bool)> =
            self.register.charter.tiers.iter().map(|tier| (tier, true)).collect();
        for (number, change) in self.adopted() {
            let in_force = change.from.value() <= when.month;
            for amendment in change.amendments.iter().filter(|_| number <= when.at) {
                if let Amendment::Tier(tier) = amendment {
                    all.push((tier, in_force));
                }
            }
        }
        let mut codes: Vec<&Code> = Vec::new();
        for (tier, _) in &all {
            if !codes.contains(&&tier.code) {
                codes.push(&tier.code);
            }
        }
        let code = *codes.get(usize::from(tier))?;
        let of_it = all.iter().filter(|(tier, in_force)| *in_force && tier.code == *code);
        of_it.map(|(tier, _)| tier.price).next_back()
    }
}

/// The month of a day, counted forth and back from January 1970.
pub fn month_of(day: Day) -> Month {
    let mut left = i64::from(day.value());
    let (mut year, mut month) = (1970_u32, 0_usize);
    while left < 0 {
        year -= 1;
        left += if is_leap(year) { 366 } else { 365 };
    }
    loop {
        let february = if is_leap(year) { 29 } else { 28 };
        let days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
        if left < days {
            return year * 12 + u32::try_from(month).expect("small");
        }
        left -= days;
        (year, month) = if month == 11 { (year + 1, 0) } else { (year, month + 1) };
    }
}

/// The month of a time in ms since 1970; at most the last of the year 9999.
pub fn month_at(ms: u64) -> Month {
    let days = ms / (24 * 60 * 60 * 1000);
    let last = 2_932_896;
    let day = i32::try_from(days).unwrap_or(last).min(last);
    month_of(Day::new(day).expect("a day"))
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}
