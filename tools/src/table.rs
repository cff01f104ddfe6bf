//! Tables for terminals: plain text, aligned, and harmless.
//!
//! What others wrote (names, codes, notes) can hold escape sequences that repaint a terminal, or
//! direction marks that show `exe.txt` for `txt.exe`. Every cell goes through [`plain`], so that a
//! caller cannot forget it. No colours and no wrapping: output may be piped, and a line is a row.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use crate::amount::decimal;

/// How a column is set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A column's title and how it is set.
pub type Column<'a> = (&'a str, Align);

/// A table with a header and a line under it. Rows shorter than the header are filled up; each
/// line ends without blanks and with a newline.
#[must_use]
pub fn table<R>(columns: &[Column<'_>], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item: AsRef<str>>,
{
    let mut table = bare(STYLE);
    table.set_header(columns.iter().map(|(title, _)| plain(title)));
    for row in rows {
        table.add_row(row.into_iter().map(|cell| plain(cell.as_ref())));
    }
    for (column, (_, align)) in table.column_iter_mut().zip(columns) {
        column.set_cell_alignment(match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    shown(table)
}

/// Names and what they stand for, one pair a line, the second column aligned.
#[must_use]
pub fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = bare(TableStyle::new());
    for (name, value) in pairs {
        table.add_row([plain(name), plain(&value)]);
    }
    shown(table)
}

/// Minor units as money: `1 440.00`. A sum beyond an i64 is shown exactly all the same, as
/// `9223372036854775808e-2`.
#[must_use]
pub fn money(minor: i128, exponent: u8) -> String {
    match i64::try_from(minor) {
        Ok(minor) => decimal(minor, exponent),
        Err(_) => format!("{minor}e-{exponent}"),
    }
}

/// One line of text that moves no cursor and changes no direction: control characters, line
/// breaks, direction marks and invisible characters are shown as `\u{202e}`.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Whether a character does something to the text around it instead of being seen.
///
/// Unicode 17: general category Cc; line and paragraph separator; default-ignorable format
/// characters; bidirectional controls (UAX #9, table 2.4 and the isolates); tags.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A line of dashes under the header and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('-'));
/// Blanks between two columns.
const GAP: u16 = 2;

fn bare(style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn shown(mut table: Table) -> String {
    let last = table.column_count().saturating_sub(1);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if place < last { GAP } else { 0 }));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<'_>; 2] = [("who", Align::Left), ("EUR", Align::Right)];

    #[test]
    fn numbers_end_and_text_begins_at_one_column() {
        let rows = [["alba", "645.54"], ["chloé", "1 408.01"]];
        let expected = "who         EUR\n---------------\nalba     645.54\nchloé  1 408.01\n";
        assert_eq!(table(&COLUMNS, rows), expected);
    }

    #[test]
    fn wide_characters_take_two_places() {
        let shown = table(&COLUMNS, [["猫", "1.00"], ["ab", "1.00"]]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!((lines[2], lines[3]), ("猫   1.00", "ab   1.00"));
    }

    #[test]
    fn a_row_is_a_line_however_long_and_whatever_it_holds() {
        let long = "x".repeat(500);
        let shown = table(&COLUMNS, [[long.as_str(), "a\nb\r\tc"]]);
        assert_eq!(shown.lines().count(), 3);
        assert!(shown.contains(&long) && shown.contains(r"a\u{a}b\u{d}\u{9}c"));
    }

    #[test]
    fn without_rows_there_is_the_header() {
        assert_eq!(table(&COLUMNS, Vec::<[&str; 2]>::new()), "who  EUR\n--------\n");
    }

    #[test]
    fn pairs_are_aligned() {
        let shown = pairs([("run", "2026-01".into()), ("retained", "439.00".into())]);
        assert_eq!(shown, "run       2026-01\nretained  439.00\n");
    }

    #[test]
    fn money_has_the_places_of_its_currency_and_never_overflows() {
        assert_eq!(money(64_554, 2), "645.54");
        assert_eq!(money(-5, 2), "-0.05");
        assert_eq!(money(1_500, 0), "1 500");
        assert_eq!(money(i128::from(i64::MIN), 2), "-92 233 720 368 547 758.08");
        assert_eq!(money(i128::from(i64::MAX) + 1, 2), "9223372036854775808e-2");
    }

    #[test]
    fn no_text_reaches_the_terminal_with_an_escape_or_a_changed_direction() {
        for attack in [
            "\u{1b}[2J\u{1b}]0;title\u{7}",
            "\u{9b}31m",
            "invoice\u{202e}fdp.exe",
            "\u{2066}a\u{2069}\u{200f}\u{61c}",
            "pay\u{200b}pal\u{feff}\u{ad}",
            "one\u{2028}two\u{2029}three\u{85}four\u{b}",
            "\u{e0041}\u{e007f}",
            "\u{8}\u{8}\u{7f}\0",
        ] {
            let shown = plain(attack);
            assert!(shown.chars().all(|c| !is_harmful(c)), "{attack:?} is shown as {shown:?}");
            assert!(shown.contains(r"\u{"), "{attack:?} is shown as {shown:?}");
            let cells = table(&[(attack, Align::Left)], [[attack]]);
            assert!(cells.chars().all(|c| c == '\n' || !is_harmful(c)));
        }
    }

    #[test]
    fn ordinary_text_is_shown_as_it_is() {
        for text in ["Chloé & Cie – 12 € (猫) `x` \\ ~", "naïve", "Ωμέγα", "שלום", ""]
        {
            assert_eq!(plain(text), text);
        }
    }
}
