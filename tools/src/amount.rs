//! Amounts, days and months as people write them.
//!
//! `1234.50`, `3h30`, `2026-01-31` and `2026-01`, in both directions and exactly: no floats, no
//! rounding, nothing guessed. Units are the charter's; this file knows only the digits.

use talea_protocol::bytes::{AMOUNT_REASON, Day, Month};

/// Why a text is not the number, day or month that was asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unread {
    /// Not a decimal number with at most so many places.
    #[error("not a number with at most {places} decimal places")]
    Number {
        /// Decimal places allowed.
        places: u8,
    },
    /// A number that no amount is: zero, below it, or beyond an i64. Rule 6.
    #[error("rule 6: {AMOUNT_REASON}")]
    Amount,
    /// Not a duration.
    #[error("not a duration such as 3h30, 2h or 45m")]
    Duration,
    /// Not a day.
    #[error("not a day such as 2026-01-31")]
    Day,
    /// Not a month.
    #[error("not a month such as 2026-01")]
    Month,
}

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;

/// Minor units, with their decimal point and thin groups of three: `1 440.00`.
#[must_use]
pub fn decimal(minor: i64, places: u8) -> String {
    let digits = minor.unsigned_abs().to_string();
    let places = usize::from(places);
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, part) = padded.split_at(padded.len() - places);
    let sign = if minor < 0 { "-" } else { "" };
    let whole = grouped(whole);
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// A count with groups of three: `12 000`.
#[must_use]
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Reads `1234.5` as minor units. Groups of digits may be set apart by blanks or `_`.
///
/// # Errors
/// [`Unread::Number`]; [`Unread::Amount`], if it is a number and no amount.
pub fn minor(text: &str, places: u8) -> Result<i64, Unread> {
    let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '_')).collect();
    let size = plain.strip_prefix('-').unwrap_or(&plain);
    let (whole, part) = size.split_once(['.', ',']).unwrap_or((size, ""));
    let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    let width = usize::from(places);
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > width {
        return Err(Unread::Number { places });
    }
    above_zero(&plain, format!("{whole}{part:0<width$}").parse().ok())
}

/// The same, above zero, below it or zero itself: a balance.
///
/// # Errors
/// [`Unread::Number`]; [`Unread::Amount`], if it is beyond an i64.
pub fn signed(text: &str, places: u8) -> Result<i64, Unread> {
    let plain = text.trim();
    let (size, is_below) = match plain.strip_prefix('-') {
        Some(size) => (size, true),
        None => (plain.strip_prefix('+').unwrap_or(plain), false),
    };
    let is_zero =
        size.chars().any(|c| c == '0') && size.chars().all(|c| matches!(c, '0' | '.' | ','));
    match minor(size, places) {
        Ok(size) => Ok(if is_below { -size } else { size }),
        Err(Unread::Amount) if is_zero => Ok(0),
        Err(fault) => Err(fault),
    }
}

/// Reads `3h30`, `2h`, `45m` or plain minutes.
///
/// # Errors
/// [`Unread::Duration`]; [`Unread::Amount`], if it is a duration and no amount.
pub fn minutes(text: &str) -> Result<i64, Unread> {
    let size = text.strip_prefix('-').unwrap_or(text);
    let size = size.strip_suffix('m').unwrap_or(size);
    let (hours, rest) = match size.split_once('h') {
        Some((hours, "")) => (hours, "0"),
        Some(parts) => parts,
        None => ("0", size),
    };
    let digits = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_digit());
    if !digits(hours) || !digits(rest) {
        return Err(Unread::Duration);
    }
    let in_hours = hours.parse::<i64>().ok().and_then(|hours| hours.checked_mul(60));
    let all = in_hours.zip(rest.parse().ok()).and_then(|(hours, rest)| hours.checked_add(rest));
    above_zero(text, all)
}

/// An amount, if the number that the text shows is one.
fn above_zero(text: &str, size: Option<i64>) -> Result<i64, Unread> {
    size.filter(|size| *size > 0 && !text.starts_with('-')).ok_or(Unread::Amount)
}

/// Minutes as hours: `3h30`.
#[must_use]
pub fn hours(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, rest) => format!("{rest}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, rest) => format!("{hours}h{rest:02}"),
    }
}

/// Reads a day.
///
/// # Errors
/// [`Unread::Day`].
pub fn day(text: &str) -> Result<Day, Unread> {
    let date: jiff::civil::Date = text.parse().map_err(|_| Unread::Day)?;
    let since = date.since((jiff::Unit::Day, EPOCH)).map_err(|_| Unread::Day)?;
    Day::new(since.get_days()).map_err(|_| Unread::Day)
}

/// `2026-01-31`.
#[must_use]
pub fn show_day(day: Day) -> String {
    let span = jiff::Span::new().try_days(day.value());
    let date = span.and_then(|span| EPOCH.checked_add(span));
    date.map_or_else(|_| format!("day {day}"), |date| date.to_string())
}

/// The day on which a moment lies, in UTC.
#[must_use]
pub fn day_of(ms: u64) -> Option<Day> {
    i32::try_from(ms / DAY_MS).ok().and_then(|day| Day::new(day).ok())
}

/// The first millisecond of a day, UTC; zero before 1970.
#[must_use]
pub fn begins(day: Day) -> u64 {
    u64::try_from(day.value()).unwrap_or(0) * DAY_MS
}

/// `2026-01-31 12:00:05`, UTC.
#[must_use]
pub fn show_time(ms: u64) -> String {
    let second = (ms % DAY_MS) / 1000;
    let date = day_of(ms).map_or_else(|| format!("{ms} ms"), show_day);
    format!("{date} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Reads a month.
///
/// # Errors
/// [`Unread::Month`].
pub fn month(text: &str) -> Result<Month, Unread> {
    let (year, month) = text.split_once('-').ok_or(Unread::Month)?;
    let year: u32 = year.parse().map_err(|_| Unread::Month)?;
    let month: u32 = month.parse().map_err(|_| Unread::Month)?;
    if !(1..=12).contains(&month) || year > 9999 {
        return Err(Unread::Month);
    }
    Month::new(year * 12 + month - 1).map_err(|_| Unread::Month)
}

/// `2026-01`.
#[must_use]
pub fn show_month(month: Month) -> String {
    format!("{:04}-{:02}", month.value() / 12, month.value() % 12 + 1)
}

const EPOCH: jiff::civil::Date = jiff::civil::date(1970, 1, 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_it_is_shown() {
        for (text, value) in [("0.05", 5), ("1 440.00", 144_000), ("12", 1200), ("0.5", 50)] {
            assert_eq!(minor(text, 2), Ok(value));
        }
        assert_eq!(decimal(144_000, 2), "1 440.00");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(1_234_567, 0), "1 234 567");
        for bad in ["", "-", "--1", "1.234", "1e3", "1.2.3", "."] {
            assert_eq!(minor(bad, 2), Err(Unread::Number { places: 2 }), "{bad}");
        }
    }

    #[test]
    fn rule_6_a_number_is_an_amount_from_one_to_the_largest_i64() {
        assert_eq!(minor("0.01", 2), Ok(1));
        assert_eq!(minor("9223372036854775807", 0), Ok(i64::MAX));
        assert_eq!(minutes("1m"), Ok(1));
        for none in ["0", "0.00", "-1", "-0.01", "92233720368547758.08"] {
            assert_eq!(minor(none, 2), Err(Unread::Amount), "{none}");
        }
        for none in ["0m", "0h00", "-1h", "-3h30", "999999999999999999h", "9223372036854775808"] {
            assert_eq!(minutes(none), Err(Unread::Amount), "{none}");
        }
    }

    #[test]
    fn a_balance_may_be_zero_or_below_it() {
        for (text, value) in [("-5", -500), ("0", 0), ("-0.00", 0), ("+1 000.5", 100_050)] {
            assert_eq!(signed(text, 2), Ok(value), "{text}");
        }
        assert!(signed("--5", 2).is_err());
        assert_eq!(signed("x", 2), Err(Unread::Number { places: 2 }));
        assert_eq!(signed("-92233720368547758.08", 2), Err(Unread::Amount));
    }

    #[test]
    fn a_day_and_a_month_are_read_as_they_are_shown() {
        assert_eq!(day("1970-01-02").unwrap().value(), 1);
        assert_eq!(show_day(day("2026-01-31").unwrap()), "2026-01-31");
        assert_eq!(month("2026-01").unwrap().value(), 24_312);
        assert_eq!(show_month(month("2026-12").unwrap()), "2026-12");
        assert!(day("2026-02-30").is_err());
        assert!(month("2026-13").is_err());
        assert_eq!(
            show_time(begins(day("2026-01-31").unwrap()) + 43_205_000),
            "2026-01-31 12:00:05"
        );
    }

    #[test]
    fn a_duration_is_hours_and_minutes() {
        assert_eq!(minutes("3h30"), Ok(210));
        assert_eq!(minutes("2h"), Ok(120));
        assert_eq!(minutes("45m"), Ok(45));
        assert_eq!(minutes("45"), Ok(45));
        for bad in ["", "h", "m", "3x", "3h-1", "h30", "45mm"] {
            assert_eq!(minutes(bad), Err(Unread::Duration), "{bad}");
        }
        assert_eq!(hours(210), "3h30");
        assert_eq!(hours(45), "45m");
    }
}
