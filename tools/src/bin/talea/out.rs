//! What the program says: text for people, or one JSON value for other programs.
//!
//! Results go to standard output, everything else to standard error. Colours only where a
//! terminal listens (and `NO_COLOR` is not set): `anstream` takes them out elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use talea_tools::table::{self, Column};

use crate::failure::Failure;

/// How results are given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON value.
    Json,
}

/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Something that needs attention.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// A heading.
pub const HEAD: Style = Style::new().bold();
/// What may be skipped.
pub const DIM: Style = Style::new().dimmed();

/// Text in a style.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Whether text for people is beside the result: a story whose result is one JSON value.
static ASIDE: AtomicBool = AtomicBool::new(false);

/// From now on, lets what is said to people go to standard error.
pub fn speak_aside() {
    ASIDE.store(true, Ordering::Relaxed);
}

/// Says a line of a result to people.
pub fn say(text: &str) {
    if ASIDE.load(Ordering::Relaxed) {
        note(text);
    } else {
        anstream::println!("{text}");
    }
}

/// Says a line beside the result: progress, previews, advice.
pub fn note(text: &str) {
    anstream::eprintln!("{text}");
}

/// A heading and rows of names and values, beside the result.
pub fn preview(title: &str, rows: &[(&'static str, String)]) {
    note(&styled(HEAD, title));
    let text = table::pairs(rows.iter().map(|(name, value)| (*name, value.clone())));
    note(&indented(text.trim_end()));
}

/// A table as a result.
pub fn table(columns: &[Column<'_>], rows: Vec<Vec<String>>) {
    anstream::print!("{}", table::table(columns, rows));
}

/// Two blanks before each line.
pub fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

impl Form {
    /// Gives a result: the value as JSON, or what `text` says of it.
    pub fn give<T: Serialize>(self, value: &T, text: impl FnOnce(&T)) {
        match self {
            Self::Text => text(value),
            Self::Json => {
                let json = serde_json::to_string_pretty(value).expect("results have text keys");
                anstream::println!("{json}");
            }
        }
    }

    /// Says why a command failed.
    pub fn fail(self, failure: &Failure) {
        match self {
            Self::Text => {
                note(&format!("{} {failure}", styled(BAD, "error:")));
                note(&format!("{}  {}", styled(HEAD, "next:"), failure.next()));
            }
            Self::Json => {
                let value = serde_json::json!({
                    "error": failure.to_string(),
                    "next": failure.next(),
                    "status": failure.status(),
                });
                note(&value.to_string());
            }
        }
    }
}

/// A line that is written over and over on a terminal, and nowhere else.
pub struct Ticker(bool);

impl Ticker {
    /// A ticker on standard error.
    pub fn new() -> Self {
        Self(std::io::stderr().is_terminal())
    }

    /// Shows this instead of what was shown.
    pub fn show(&mut self, text: &str) {
        if self.0 {
            anstream::eprint!("\r\x1b[2K  {text}");
            let _ = std::io::stderr().flush();
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.0 {
            anstream::eprint!("\r\x1b[2K");
        }
    }
}
