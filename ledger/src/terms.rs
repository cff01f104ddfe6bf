//! The charter as amended: which value of a parameter is in force.
//!
//! A value is asked for under a register entry and for a month: decisions numbered later, and
//! changes that begin later, do not exist for it. So no change is retroactive and nobody asks for
//! "now". Of several changes the one numbered last holds. Model, section 3.

use talea_protocol::bytes::{Bp, Code, Day, Month};
use talea_protocol::charter::{Amendment, Change, Charter, Formula, Thresholds};
use talea_protocol::council::{Circle, Quorums};

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Changes of the charter that were adopted, in the order of their register numbers.
#[derive(Clone, Debug, Default)]
pub struct Terms(Vec<(u32, Change)>);

/// A question to the terms: under which register entry, and for which month.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct When {
    /// Number of the register entry.
    pub at: u32,
    /// The month.
    pub month: Month,
}

/// What one unit of a task is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Worth<'a> {
    /// What it is measured in.
    pub unit: &'a Code,
    /// Hundredths of credits.
    pub credits: u32,
}

impl Terms {
    /// Puts a change in force from a register entry on, which is numbered above all before.
    pub fn adopt(&mut self, number: u32, change: Change) {
        self.0.push((number, change));
    }

    /// The changes adopted, with the numbers of their decisions.
    #[must_use]
    pub fn changes(&self) -> &[(u32, Change)] {
        &self.0
    }

    /// How a run divides.
    #[must_use]
    pub fn formula(&self, charter: &Charter, when: When) -> Formula {
        let share = |pick: fn(&Amendment) -> Option<Bp>, founded| {
            self.newest(when, pick).unwrap_or(founded)
        };
        let founded = charter.formula;
        Formula {
            retain: share(
                |a| if let Amendment::Retain(bp) = a { Some(*bp) } else { None },
                founded.retain,
            ),
            care: share(
                |a| if let Amendment::Care(bp) = a { Some(*bp) } else { None },
                founded.care,
            ),
            livelihood: share(
                |a| if let Amendment::Livelihood(bp) = a { Some(*bp) } else { None },
                founded.livelihood,
            ),
            tie: founded.tie,
        }
    }

    /// Participation that a decision needs.
    #[must_use]
    pub fn quorum(&self, charter: &Charter, when: When) -> Bp {
        self.newest(when, |a| if let Amendment::Quorum(bp) = a { Some(*bp) } else { None })
            .unwrap_or(charter.quorum)
    }

    /// Support that decisions need.
    #[must_use]
    pub fn thresholds(&self, charter: &Charter, when: When) -> Thresholds {
        self.newest(when, |a| if let Amendment::Thresholds(t) = a { Some(*t) } else { None })
            .unwrap_or(charter.thresholds)
    }

    /// Members who must attest.
    #[must_use]
    pub fn attestations(&self, charter: &Charter, when: When) -> u8 {
        self.newest(when, |a| if let Amendment::Attestations(k) = a { Some(*k) } else { None })
            .unwrap_or(charter.attestations)
    }

    /// The internal price, in minor units for one unit of work; never zero.
    #[must_use]
    pub fn internal_price(&self, charter: &Charter, when: When) -> u32 {
        self.newest(when, |a| if let Amendment::InternalPrice(p) = a { Some(*p) } else { None })
            .unwrap_or(charter.internal_price)
    }

    /// Love credits expected of a member in a quarter.
    #[must_use]
    pub fn love_minimum(&self, charter: &Charter, when: When) -> u32 {
        self.newest(when, |a| if let Amendment::LoveMinimum(m) = a { Some(*m) } else { None })
            .unwrap_or(charter.love_minimum)
    }

    /// Participation that kinds of decisions need besides.
    #[must_use]
    pub fn quorums(&self, charter: &Charter, when: When) -> Quorums {
        self.newest(when, |a| if let Amendment::Quorums(q) = a { Some(*q) } else { None })
            .unwrap_or(charter.council.quorums)
    }

    /// The most members whose votes one member casts besides its own.
    #[must_use]
    pub fn proxies(&self, charter: &Charter, when: When) -> u8 {
        self.newest(when, |a| if let Amendment::Proxies(p) = a { Some(*p) } else { None })
            .unwrap_or(charter.council.proxies)
    }

    /// Minutes of care expected of a member in a quarter.
    #[must_use]
    pub fn care_minimum(&self, charter: &Charter, when: When) -> u32 {
        self.newest(when, |a| if let Amendment::CareMinimum(m) = a { Some(*m) } else { None })
            .unwrap_or(charter.council.care_minimum)
    }

    /// Names of circles, the charter's first, then new ones in the order of their adoption. A
    /// circle's place here never changes.
    #[must_use]
    pub fn circles<'a>(&'a self, charter: &'a Charter, at: u32) -> Vec<&'a Code> {
        let mut codes: Vec<&Code> = charter.council.circles.iter().map(|it| &it.code).collect();
        let before = self.0.iter().filter(|(number, _)| *number <= at);
        for amendment in before.flat_map(|(_, change)| change.amendments.iter()) {
            if let Amendment::Circle(circle) = amendment
                && !codes.contains(&&circle.code)
            {
                codes.push(&circle.code);
            }
        }
        codes
    }

    /// A circle.
    #[must_use]
    pub fn circle<'a>(
        &'a self,
        charter: &'a Charter,
        when: When,
        code: &Code,
    ) -> Option<&'a Circle> {
        let amended = self.all(when).rev().find_map(|amendment| match amendment {
            Amendment::Circle(circle) if circle.code == *code => Some(circle),
            _ => None,
        });
        amended.or_else(|| charter.council.circles.iter().find(|circle| circle.code == *code))
    }

    /// What a task is worth. A task keeps the unit that it was first given.
    #[must_use]
    pub fn rate<'a>(&'a self, charter: &'a Charter, when: When, task: &Code) -> Option<Worth<'a>> {
        let founded = charter.rates.iter().find(|rate| rate.task == *task);
        let of_task = |amendment: &'a Amendment| match amendment {
            Amendment::Rate(rate) if rate.task == *task => Some(rate),
            _ => None,
        };
        let mut amended = self.all(when).filter_map(of_task);
        let first = founded.or_else(|| amended.clone().next())?;
        let newest = amended.next_back().unwrap_or(first);
        Some(Worth { unit: &first.unit, credits: newest.credits })
    }

    /// The price of a tier, in minor units for one unit of work. Tiers keep their places; new ones
    /// follow in the order of their adoption.
    #[must_use]
    pub fn price(&self, charter: &Charter, when: When, tier: u8) -> Option<u32> {
        let mut codes: Vec<&Code> = charter.tiers.iter().map(|tier| &tier.code).collect();
        let before = self.0.iter().filter(|(number, _)| *number <= when.at);
        for amendment in before.flat_map(|(_, change)| change.amendments.iter()) {
            if let Amendment::Tier(tier) = amendment
                && !codes.contains(&&tier.code)
            {
                codes.push(&tier.code);
            }
        }
        let code = *codes.get(usize::from(tier))?;
        let amended = self.newest(when, |amendment| match amendment {
            Amendment::Tier(tier) if tier.code == *code => Some(tier.price),
            _ => None,
        });
        amended
            .or_else(|| charter.tiers.iter().find(|tier| tier.code == *code).map(|tier| tier.price))
    }

    /// Every amendment in force, oldest decision first.
    fn all(&self, when: When) -> impl DoubleEndedIterator<Item = &Amendment> + Clone {
        self.0
            .iter()
            .filter(move |(number, change)| *number <= when.at && change.from <= when.month)
            .flat_map(|(_, change)| change.amendments.iter())
    }

    fn newest<T>(&self, when: When, pick: impl Fn(&Amendment) -> Option<T>) -> Option<T> {
        self.all(when).rev().find_map(pick)
    }
}

/// The month of a day, in the proleptic Gregorian calendar.
///
/// Days are counted in eras of 400 years from 1 March of the year 0, so that a leap day is the
/// last of its year (Hinnant, "chrono-compatible low-level date algorithms").
#[must_use]
pub fn month_of(day: Day) -> Month {
    let days = i64::from(day.value()) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March; the days before month m are floor((153 m + 2) / 5).
    let from_march = (5 * of_year + 2) / 153;
    let months = (era * 400 + year_of_era) * 12 + from_march + 2;
    u32::try_from(months)
        .ok()
        .and_then(|months| Month::new(months).ok())
        .expect("a day is in the years 1 to 9999, and so is its month")
}

/// The month of a time in ms since 1970 UTC; of times after the year 9999, its last month.
#[must_use]
pub fn month_at(time: u64) -> Month {
    let day = i32::try_from(time / DAY_MS).ok().and_then(|day| Day::new(day).ok());
    let last = || Day::new(2_932_896).expect("the last day of the year 9999");
    month_of(day.unwrap_or_else(last))
}

/// The month after, or the same at the end of the year 9999.
#[must_use]
pub fn month_after(month: Month) -> Month {
    Month::new(month.value().saturating_add(1)).unwrap_or(month)
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::bytes::List;

    fn month(year: u32, month: u32) -> Month {
        Month::new(year * 12 + month - 1).unwrap()
    }

    fn of(day: i32) -> Month {
        month_of(Day::new(day).unwrap())
    }

    #[test]
    fn a_month_begins_and_ends_where_the_calendar_says() {
        assert_eq!(of(0), month(1970, 1));
        assert_eq!((of(30), of(31)), (month(1970, 1), month(1970, 2)));
        assert_eq!(
            (of(-1), of(20_454), of(20_453)),
            (month(1969, 12), month(2026, 1), month(2025, 12))
        );
        // 2000 and 2024 have a leap day, 1900 has none.
        assert_eq!((of(11_016), of(11_017)), (month(2000, 2), month(2000, 3)));
        assert_eq!((of(-25_509), of(-25_508)), (month(1900, 2), month(1900, 3)));
        assert_eq!((of(-719_162), of(2_932_896)), (month(1, 1), month(9999, 12)));
    }

    #[test]
    fn every_day_is_in_the_month_of_the_day_before_or_the_next() {
        let mut before = of(-719_162);
        let mut months = 1;
        for day in -719_161..=2_932_896 {
            let now = of(day);
            assert!(now == before || now == month_after(before), "day {day}");
            months += u32::from(now != before);
            before = now;
        }
        assert_eq!(months, 9999 * 12);
    }

    #[test]
    fn a_change_is_in_force_from_its_number_and_its_month_on() {
        let bp = |value| Bp::new(value).unwrap();
        let change = |value, from| Change {
            amendments: List::new(vec![Amendment::Quorum(bp(value))]).unwrap(),
            from,
        };
        let mut terms = Terms::default();
        terms.adopt(3, change(1, month(2026, 3)));
        terms.adopt(5, change(2, month(2026, 2)));
        let quorum = |at, m| {
            terms.newest(When { at, month: month(2026, m) }, |amendment| match amendment {
                Amendment::Quorum(bp) => Some(bp.value()),
                _ => None,
            })
        };
        assert_eq!((quorum(2, 3), quorum(3, 2), quorum(3, 3)), (None, None, Some(1)));
        assert_eq!((quorum(5, 1), quorum(5, 2), quorum(5, 3)), (None, Some(2), Some(2)));
    }
}
