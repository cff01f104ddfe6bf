//! What an export adds up to, as tables, as CSV and as JSON: one report, three forms.
//!
//! The figures are the ledger's views; nothing is computed here. Members are named as they call
//! themselves. A cell of CSV that a spreadsheet would run as a formula begins with an apostrophe.

use serde_json::Value;

use crate::table::{Align, Column, plain, table};

mod books;
mod people;
mod entries;

pub use books::{balance, run_list, value_flows};
pub use entries::{entry, entry_list, find};
pub use people::{decision_register, member, member_list};

/// A report.
pub struct Report {
    /// Its tables.
    pub tables: Vec<Sheet>,
    /// The same, for programs: the ledger's view, with members by number.
    pub json: Value,
}

/// A table.
pub struct Sheet {
    /// What it shows.
    pub title: String,
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Report {
    /// As text for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let sheet = |sheet: &Sheet| {
            let columns: Vec<Column<'_>> = sheet.columns.clone();
            format!("{}\n{}", plain(&sheet.title), table(&columns, &sheet.rows))
        };
        let filled: Vec<String> =
            self.tables.iter().filter(|sheet| !sheet.rows.is_empty()).map(sheet).collect();
        if filled.is_empty() { "nothing yet\n".to_owned() } else { filled.join("\n") }
    }

    /// As CSV (RFC 4180, lines ended by a newline), each table after its title.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut lines = Vec::new();
        for sheet in &self.tables {
            if self.tables.len() > 1 {
                lines.push(cell(&sheet.title));
            }
            let titles = sheet.columns.iter().map(|(title, _)| cell(title));
            lines.push(titles.collect::<Vec<_>>().join(","));
            let row = |row: &Vec<String>| row.iter().map(|text| cell(text)).collect::<Vec<_>>();
            lines.extend(sheet.rows.iter().map(|cells| row(cells).join(",")));
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn cell(text: &str) -> String {
    let text = plain(text).replace(['\u{202f}', '\u{2009}'], "");
    let is_number = text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    let runs = text.starts_with(['=', '+', '-', '@']) && !is_number;
    let safe = if runs { format!("'{text}") } else { text };
    if safe.contains(['"', ',', ';', '\n']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

fn sheet(title: &str, columns: &[(&'static str, Align)], rows: Vec<Vec<String>>) -> Sheet {
    Sheet { title: title.to_owned(), columns: columns.to_vec(), rows }
}

/// How a value without fields is written: `college-weighted`.
fn word<T: serde::Serialize>(value: &T) -> String {
    match json(value) {
        Value::String(word) => word,
        other => other.to_string(),
    }
}

fn yes(it: bool) -> String {
    if it { "yes" } else { "no" }.to_owned()
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
        assert_eq!(cell("-12.50"), "-12.50");
        assert_eq!(cell("say \"a\""), "\"say \"\"a\"\"\"");
    }
}
