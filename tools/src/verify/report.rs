//! What an export adds up to, as tables, as CSV and as JSON: one report, three forms, two languages.
//!
//! The figures are the ledger's views; nothing is computed here. Members are named as they call
//! themselves. A cell of CSV that a spreadsheet would run as a formula begins with an apostrophe.

use serde_json::Value;
use talea_protocol::bytes::{Day, Month};
use talea_protocol::hash::EntryId;

use crate::amount::{show_day, show_month, show_time};
use crate::lang::{Lang, decimal};
use crate::table::{Align, plain, table};

mod books;
mod people;
mod given;
mod entries;
mod power;

pub use books::{account_anchor, balance, claims_list, node, run_list, value_flows};
pub use entries::{act_name, entry, entry_json, entry_list, find, payloads, standing};
pub use given::given_by;
pub use people::{decision_register, member, member_list, work_list};
pub use power::power;

/// A report.
pub struct Report {
    /// Its tables.
    pub tables: Vec<Sheet>,
    /// The same, for programs: the ledger's view, with members by number.
    pub json: Value,
}

/// A table.
pub struct Sheet {
    /// What it shows: a key among the words, and what is put into it.
    pub title: (&'static str, Cell),
    /// Where links to it lead on a page; nothing if none do.
    pub anchor: String,
    /// Keys of the columns' titles, and how each is set.
    pub columns: Vec<(&'static str, Align)>,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
}

/// A value in a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// What a member wrote, or a code: never translated.
    Text(String),
    /// A key among the words.
    Word(String),
    /// What is so, with values in it.
    Told {
        /// In English.
        en: String,
        /// In French.
        fr: String,
    },
    /// Minor units, with their decimal places.
    Number(i128, u8),
    /// A day.
    Day(Day),
    /// A month.
    Month(Month),
    /// A time in ms since 1970 UTC.
    Time(u64),
    /// A share of ten thousand million.
    Share(u64),
    /// A quarter, counted from the year 0.
    Quarter(u32),
    /// An entry, and what it is called; its id if that is empty.
    Entry(EntryId, String),
    /// Entries that a figure comes from: their number, and on a page each of them.
    Entries(Vec<EntryId>),
    /// A value, and the table that it adds up, by its anchor on a page.
    Linked(Box<Cell>, String),
}

impl Cell {
    /// For a reader, in a language.
    #[must_use]
    pub fn shown(&self, lang: Lang) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Word(key) => lang.say(key),
            Self::Told { en, fr } => if lang == Lang::Fr { fr } else { en }.clone(),
            Self::Number(minor, places) => lang.amount(*minor, *places),
            Self::Day(day) => lang.day(*day),
            Self::Month(month) => lang.month(*month),
            Self::Time(ms) => lang.time(*ms),
            Self::Quarter(quarter) => {
                let (year, of_year) = (quarter / 4, quarter % 4 + 1);
                if lang == Lang::Fr {
                    format!("T{of_year} {year}")
                } else {
                    format!("Q{of_year} {year}")
                }
            }
            Self::Share(share) => {
                let places = lang.amount(i128::from(share / 10_000), 4);
                if lang == Lang::Fr { format!("{places}\u{202f}%") } else { format!("{places}%") }
            }
            Self::Entry(id, text) if text.is_empty() => id.to_string(),
            Self::Entry(_, text) => text.clone(),
            Self::Entries(ids) => ids.len().to_string(),
            Self::Linked(cell, _) => cell.shown(lang),
        }
    }

    /// For a spreadsheet: numbers without groups, days as `2026-01-31`.
    fn spread(&self, lang: Lang) -> String {
        let point = |text: String| if lang == Lang::Fr { text.replace('.', ",") } else { text };
        match self {
            Self::Number(minor, places) => point(decimal(*minor, *places)),
            Self::Share(share) => point(decimal(i128::from(share / 10_000), 4)),
            Self::Day(day) => show_day(*day),
            Self::Month(month) => show_month(*month),
            Self::Time(ms) => show_time(*ms),
            Self::Entries(ids) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Self::Linked(cell, _) => cell.spread(lang),
            Self::Empty
            | Self::Text(_)
            | Self::Word(_)
            | Self::Told { .. }
            | Self::Quarter(_)
            | Self::Entry(..) => cell(&self.shown(lang)),
        }
    }
}

impl Sheet {
    /// Its title.
    #[must_use]
    pub fn heading(&self, lang: Lang) -> String {
        lang.say_with(self.title.0, &[("name", &self.title.1.shown(lang))])
    }
}

impl Report {
    /// A report without anything.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { tables: Vec::new(), json: Value::Null }
    }

    /// As text for a terminal.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        let sheet = |sheet: &Sheet| {
            let titles: Vec<String> = sheet.columns.iter().map(|(key, _)| lang.say(key)).collect();
            let columns: Vec<(&str, Align)> = titles
                .iter()
                .map(String::as_str)
                .zip(sheet.columns.iter().map(|it| it.1))
                .collect();
            let rows = sheet.rows.iter().map(|row| row.iter().map(|cell| cell.shown(lang)));
            format!("{}\n{}", plain(&sheet.heading(lang)), table(&columns, rows))
        };
        let filled: Vec<String> =
            self.tables.iter().filter(|sheet| !sheet.rows.is_empty()).map(sheet).collect();
        if filled.is_empty() { format!("{}\n", lang.say("nothing-yet")) } else { filled.join("\n") }
    }

    /// As CSV (RFC 4180, lines ended by a newline), each table after its title. French
    /// spreadsheets read `;` between cells and a comma in numbers.
    #[must_use]
    pub fn csv(&self, lang: Lang) -> String {
        let between = if lang == Lang::Fr { ";" } else { "," };
        let mut lines = Vec::new();
        for sheet in &self.tables {
            if self.tables.len() > 1 {
                lines.push(cell(&sheet.heading(lang)));
            }
            let titles = sheet.columns.iter().map(|(key, _)| cell(&lang.say(key)));
            lines.push(titles.collect::<Vec<_>>().join(between));
            for row in &sheet.rows {
                let cells: Vec<String> = row.iter().map(|cell| cell.spread(lang)).collect();
                lines.push(cells.join(between));
            }
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// A cell of CSV that is text.
#[must_use]
pub fn cell(text: &str) -> String {
    let text = plain(text);
    let runs = text.starts_with(['=', '+', '-', '@']);
    let safe = if runs { format!("'{text}") } else { text };
    if safe.contains(['"', ',', ';', '\n']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

/// A table that nothing links to.
#[must_use]
pub fn sheet(
    title: (&'static str, Cell),
    columns: &[(&'static str, Align)],
    rows: Vec<Vec<Cell>>,
) -> Sheet {
    Sheet { title, anchor: String::new(), columns: columns.to_vec(), rows }
}

fn text(text: impl ToString) -> Cell {
    Cell::Text(text.to_string())
}

fn optional<T: std::fmt::Display>(value: Option<&T>) -> Cell {
    value.map_or(Cell::Empty, text)
}

fn count(number: usize) -> Cell {
    Cell::Number(i128::try_from(number).unwrap_or(i128::MAX), 0)
}

/// How a value without fields is written: `college-weighted`.
fn word<T: serde::Serialize>(value: &T) -> Cell {
    match json(value) {
        Value::String(word) => Cell::Word(format!("word-{word}")),
        other => text(other),
    }
}

fn yes(it: bool) -> Cell {
    Cell::Word(if it { "word-yes" } else { "word-no" }.to_owned())
}

fn json<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_runs_as_a_formula_and_numbers_stay_numbers() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@x, y"), "\"'@x, y\"");
        assert_eq!(cell("-12+cmd|' /C calc'!A0"), "'-12+cmd|' /C calc'!A0");
        assert_eq!(cell("\t=1"), r"\u{9}=1");
        assert_eq!(cell("say \"a\""), "\"say \"\"a\"\"\"");
        let number = Cell::Number(-144_050, 2);
        assert_eq!(
            (number.spread(Lang::En), number.spread(Lang::Fr)),
            ("-1440.50".into(), "-1440,50".into())
        );
    }

    #[test]
    fn a_share_is_shown_with_four_places() {
        assert_eq!(Cell::Share(7_333_333_333).shown(Lang::En), "73.3333%");
        assert_eq!(Cell::Share(10_000_000_000).shown(Lang::Fr), "100,0000\u{202f}%");
    }
}
