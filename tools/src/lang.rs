//! English and French: words, dates, numbers, lists of values.
//!
//! The words are in `locales/en.ftl` and `locales/fr.ftl`, a key for each; a test compares the two
//! and asks that every key is one that the code says. What members wrote is never translated.

use std::collections::HashMap;
use std::str::FromStr;

use fluent_templates::{LanguageIdentifier, Loader, langid, static_loader};
use talea_protocol::bytes::{Day, Month};

use crate::amount;

static_loader! {
    static LOCALES = {
        locales: "./locales",
        fallback_language: "en",
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

static ENGLISH: LanguageIdentifier = langid!("en");
static FRENCH: LanguageIdentifier = langid!("fr");

/// A language of reports and books.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

/// A language that there is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the languages are en and fr")]
pub struct NoSuchLanguage;

impl FromStr for Lang {
    type Err = NoSuchLanguage;
    fn from_str(text: &str) -> Result<Self, NoSuchLanguage> {
        match text {
            "en" => Ok(Self::En),
            "fr" => Ok(Self::Fr),
            _ => Err(NoSuchLanguage),
        }
    }
}

impl Lang {
    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
        }
    }

    fn identifier(self) -> &'static LanguageIdentifier {
        match self {
            Self::En => &ENGLISH,
            Self::Fr => &FRENCH,
        }
    }

    /// The words of a key; the key itself if it has none.
    #[must_use]
    pub fn say(self, key: &str) -> String {
        LOCALES.try_lookup(self.identifier(), key).unwrap_or_else(|| key.to_owned())
    }

    /// The words of a key, with values in their places. Values are text as they are.
    #[must_use]
    pub fn say_with(self, key: &str, values: &[(&'static str, &str)]) -> String {
        let values: HashMap<_, _> =
            values.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        LOCALES
            .try_lookup_with_args(self.identifier(), key, &values)
            .unwrap_or_else(|| key.to_owned())
    }

    /// Minor units: `1,440.00`, `1 440,00` (with narrow blanks that do not break).
    #[must_use]
    pub fn amount(self, minor: i128, places: u8) -> String {
        let plain = decimal(minor, places);
        let (whole, part) = plain
            .split_once('.')
            .map_or((plain.as_str(), None), |(whole, part)| (whole, Some(part)));
        let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
        let (group, point) = match self {
            Self::En => (",", "."),
            Self::Fr => ("\u{202f}", ","),
        };
        let mut out = String::from(sign);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push_str(group);
            }
            out.push(digit);
        }
        part.map_or_else(|| out.clone(), |part| format!("{out}{point}{part}"))
    }

    /// `31 January 2026`, `31 janvier 2026`, `1er février 2026`.
    #[must_use]
    pub fn day(self, day: Day) -> String {
        let text = amount::show_day(day);
        let mut parts = text.splitn(3, '-');
        let (Some(year), Some(month), Some(of_month), true) =
            (parts.next(), parts.next(), parts.next(), text.len() == 10)
        else {
            return text;
        };
        let number = of_month.trim_start_matches('0');
        let number = if self == Self::Fr && number == "1" { "1er" } else { number };
        format!("{number} {} {year}", self.say(&format!("month-{month}")))
    }

    /// `January 2026`, `janvier 2026`.
    #[must_use]
    pub fn month(self, month: Month) -> String {
        let text = amount::show_month(month);
        match text.split_once('-') {
            Some((year, of_year)) => format!("{} {year}", self.say(&format!("month-{of_year}"))),
            None => text,
        }
    }

    /// A day and the time on it, UTC.
    #[must_use]
    pub fn time(self, ms: u64) -> String {
        let text = amount::show_time(ms);
        match (amount::day_of(ms), text.split_once(' ')) {
            (Some(day), Some((_, clock))) => format!("{} {clock} UTC", self.day(day)),
            _ => text,
        }
    }
}

/// Minor units with a point and nothing else: `1440.00`, as programs read them.
#[must_use]
pub fn decimal(minor: i128, places: u8) -> String {
    let places = usize::from(places);
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    let sign = if minor < 0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const EN: &str = include_str!("../locales/en.ftl");
    const FR: &str = include_str!("../locales/fr.ftl");

    fn keys(text: &str) -> BTreeSet<&str> {
        text.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect()
    }

    #[test]
    fn both_languages_have_the_same_keys_with_the_same_places() {
        assert_eq!(keys(EN), keys(FR));
        for key in keys(EN) {
            let places = |text: &str| -> BTreeSet<String> {
                let line = text.lines().find(|line| line.starts_with(&format!("{key} = ")));
                let parts = line.unwrap_or_default().split('$').skip(1);
                parts.filter_map(|part| Some(part.split_whitespace().next()?.to_owned())).collect()
            };
            assert_eq!(places(EN), places(FR), "{key}");
            let values = ["name", "a", "b", "c", "d", "e"].map(|name| (name, "x"));
            assert_ne!(Lang::Fr.say_with(key, &values), *key);
        }
    }

    #[test]
    fn numbers_and_dates_are_those_of_the_language() {
        assert_eq!(Lang::En.amount(1_234_567_890, 2), "12,345,678.90");
        assert_eq!(Lang::Fr.amount(-144_005, 2), "-1\u{202f}440,05");
        assert_eq!(Lang::Fr.amount(600, 0), "600");
        let day = |text| amount::day(text).unwrap();
        assert_eq!(Lang::En.day(day("2026-01-31")), "31 January 2026");
        assert_eq!(Lang::Fr.day(day("2026-02-01")), "1er février 2026");
        assert_eq!(Lang::Fr.month(amount::month("2026-08").unwrap()), "août 2026");
        assert_eq!(Lang::En.time(1_769_860_805_000), "31 January 2026 12:00:05 UTC");
        assert_eq!(decimal(-5, 2), "-0.05");
    }
}
