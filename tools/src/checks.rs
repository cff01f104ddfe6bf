//! What an auditor asks of an export, numbered V1 to V21: pass, fail with the entries, or cannot be
//! checked and why. Design's domain, section 3.
//!
//! A settled entry that claims what is not so, or does what its author may not, has no effect (it
//! is void); the check that it belongs to fails all the same and names it, because somebody signed
//! it. What is void for being said twice or too late is noted. What the file lacks fails nothing.

use serde::Serialize;
use talea_ledger::verdict::{Verdict, Void};
use talea_protocol::hash::EntryId;

use crate::amount::show_month;
use crate::books::Books;
use crate::lang::Lang;
use crate::table::Align::{Left, Right};
use crate::verify::report::{Cell, Report, sheet};
use crate::verify::text::{line, place};
use crate::verify::{Audit, Claim, Finding, Status, Sum};
use crate::voided;

mod federation;
mod file;
mod provenance;
mod people;
mod value;

pub use federation::sent_alike;

/// The check of the charter's profile: of all that need a charter, it alone can fail without one.
const PROFILE: usize = 17;

/// What became of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing speaks against it.
    Pass,
    /// Something does.
    Fail,
    /// It cannot be said.
    Cannot,
}

/// Something that a check found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Note {
    /// Whether the check fails for it.
    pub fails: bool,
    /// The entry, if it is about one.
    pub entry: Option<EntryId>,
    /// What is so.
    pub what: String,
}

/// A check.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Check {
    /// 1 to 21.
    pub number: u8,
    /// What became of it.
    pub outcome: Outcome,
    /// How many things were looked at.
    pub looked_at: usize,
    /// Why it cannot be said: a key among the words.
    pub because: Option<&'static str>,
    /// What it found.
    pub notes: Vec<Note>,
}

/// What one check has seen so far.
struct Seen {
    looked_at: usize,
    because: Option<&'static str>,
    notes: Vec<Note>,
}

impl Seen {
    const fn of(looked_at: usize) -> Self {
        Self { looked_at, because: None, notes: Vec::new() }
    }

    /// A check that this version, this file or this charter gives nothing for.
    const fn nothing(because: &'static str) -> Self {
        Self { looked_at: 0, because: Some(because), notes: Vec::new() }
    }

    fn fail(&mut self, entry: Option<EntryId>, what: impl Into<String>) {
        self.notes.push(Note { fails: true, entry, what: what.into() });
    }

    fn note(&mut self, entry: Option<EntryId>, what: impl Into<String>) {
        self.notes.push(Note { fails: false, entry, what: what.into() });
    }

    /// The check: a failure weighs more than what is missing.
    fn check(self, number: u8) -> Check {
        let Self { looked_at, because, notes } = self;
        let outcome = match because {
            _ if notes.iter().any(|note| note.fails) => Outcome::Fail,
            Some(_) => Outcome::Cannot,
            None => Outcome::Pass,
        };
        Check { number, outcome, looked_at, because, notes }
    }
}

/// All checks, V1 first; what they found is said in English.
#[must_use]
pub fn checks(audit: &Audit) -> Vec<Check> {
    checks_in(audit, Lang::En)
}

/// The same in a language.
#[must_use]
pub fn checks_in(audit: &Audit, lang: Lang) -> Vec<Check> {
    let mut seen: Vec<Seen> = file::checks(audit, lang);
    match &audit.sum {
        None => {
            seen.extend((7..=21).map(|_| Seen::nothing("cannot-charter")));
            if let Some(profile) = seen.get_mut(PROFILE - 1) {
                from_findings(profile, audit, lang, |it| matches!(it, Finding::Charter { .. }));
            }
        }
        Some(sum) => {
            seen.extend(value::checks(audit, sum, lang));
            seen.extend(people::checks(audit, sum, lang));
            add_voids(audit, sum, &mut seen, lang);
        }
    }
    (1..).zip(seen).map(|(number, seen)| seen.check(number)).collect()
}

/// The check that a rule belongs to, and whether breaking it fails the check. Rules by their
/// numbers in the README of the ledger.
const fn place_of(rule: u16) -> (usize, bool) {
    match rule {
        40..=46 | 58 | 61 | 79..=83 | 89 | 95 | 96 => (5, true),
        47 => (3, true),
        50 | 57 => (3, false),
        48 | 49 | 135 => (4, true),
        51 | 53..=55 => (8, false),
        52 | 56 => (8, true),
        59 | 60 => (13, true),
        62 | 64 | 90 | 93 | 97 => (12, true),
        63 | 91 | 92 | 94 => (12, false),
        65 | 67 | 69 | 71 | 72 | 121 | 123 | 126 | 129 | 130 | 134 => (7, true),
        66 | 68 | 73 | 77 | 78 | 122 | 127 | 128 | 131 | 133 | 137 => (7, false),
        74 => (9, false),
        75 | 76 => (9, true),
        84 | 152 => (19, true),
        142..=149 => (18, true),
        85 | 86 => (10, true),
        87 | 88 => (11, true),
        125 => (14, true),
        132 => (15, false),
        70 => (17, false),
        124 | 136 | 138..=141 => (17, true),
        _ => (5, true),
    }
}

fn add_voids(audit: &Audit, sum: &Sum, seen: &mut [Seen], lang: Lang) {
    for (id, void) in sum.state.voids() {
        let (number, fails) = place_of(void.rule());
        let told = voided::told_in(void, sum.register.charter(), lang);
        let what = said(lang, "found-void", &[&called(audit, id), &told]);
        // What is named is there and counts, and is not what it is named as.
        let counts = |named: &EntryId| sum.state.verdict(named) == Some(Verdict::Counted);
        let fails = fails || matches!(void, Void::Named { id } if counts(id));
        if let Some(seen) = seen.get_mut(number - 1) {
            if fails { seen.fail(Some(*id), what) } else { seen.note(Some(*id), what) }
        }
    }
}

/// V16: months that both exports show as closed are the same in both, record by record.
#[must_use]
pub fn closed_alike(one: &Audit, other: &Audit) -> Check {
    let months = |audit: &Audit| Books::new(audit).map(|books| books.closed()).unwrap_or_default();
    let (ours, theirs) = (months(one), months(other));
    let both =
        ours.iter().filter_map(|(month, records)| Some((month, records, theirs.get(month)?)));
    let mut seen = Seen::of(0);
    for (month, ours, theirs) in both {
        seen.looked_at += 1;
        let mine = ours.iter().zip(theirs).find(|(mine, its)| mine != its).map(|(mine, _)| mine);
        let missing = ours.get(theirs.len()).or(theirs.get(ours.len()));
        if let Some(record) = mine.or(missing) {
            let what = format!("{}: record {} differs", show_month(*month), record.0);
            seen.fail(Some(record.1), what);
        }
    }
    if seen.looked_at == 0 {
        seen.because = Some("cannot-closed");
    }
    seen.check(16)
}

/// What is so, in a language: the words of a key, with values in the order of their names.
fn said(lang: Lang, key: &str, values: &[&dyn std::fmt::Display]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    let named: Vec<(&'static str, &str)> =
        ["a", "b", "c", "d"].into_iter().zip(values.iter().map(String::as_str)).collect();
    lang.say_with(key, &named)
}

/// Where an entry stands: `alba/4`.
fn called(audit: &Audit, id: &EntryId) -> String {
    let entry = audit.shown.entries.get(id);
    entry.map_or_else(|| id.to_string(), |it| place(audit.sum.as_ref(), &Claim::of(it)))
}

/// Findings of the audit that a check is about: what is missing fails nothing.
fn from_findings(seen: &mut Seen, audit: &Audit, lang: Lang, about: impl Fn(&Finding) -> bool) {
    for finding in audit.found.iter().filter(|finding| about(finding)) {
        let entry = finding.claim().map(|claim| claim.id).filter(|id| *id != EntryId::ZERO);
        let what = line(audit.sum.as_ref(), finding, lang);
        match finding.status() {
            Status::Valid => seen.note(entry, what),
            Status::Incomplete => {
                seen.because = Some("cannot-missing");
                seen.note(entry, what);
            }
            Status::Invalid | Status::Forked => seen.fail(entry, what),
        }
    }
}

/// The checks as a report: a line each, and what each has found.
#[must_use]
pub fn report(checks: &[Check]) -> Report {
    let mut rows = Vec::new();
    for check in checks {
        let outcome = match check.outcome {
            Outcome::Pass => "word-pass",
            Outcome::Fail => "word-fail",
            Outcome::Cannot => "word-cannot",
        };
        rows.push(vec![
            Cell::Text(format!("V{}", check.number)),
            Cell::Word(outcome.to_owned()),
            Cell::Word(format!("check-{}", check.number)),
            Cell::Number(i128::try_from(check.looked_at).unwrap_or(i128::MAX), 0),
            check.because.map_or(Cell::Empty, |because| Cell::Word(because.to_owned())),
        ]);
    }
    let columns = [
        ("col-number", Left),
        ("col-outcome", Left),
        ("col-check", Left),
        ("col-looked-at", Right),
        ("col-why", Left),
    ];
    let found = checks.iter().flat_map(|check| check.notes.iter().map(move |note| (check, note)));
    let found = found.map(|(check, note)| {
        let word = if note.fails { "word-fail" } else { "word-noted" };
        vec![
            Cell::Text(format!("V{}", check.number)),
            Cell::Word(word.to_owned()),
            Cell::Text(note.what.clone()),
            note.entry.map_or(Cell::Empty, |id| Cell::Entries(vec![id])),
        ]
    });
    let found_columns =
        [("col-number", Left), ("col-outcome", Left), ("col-what", Left), ("col-entry", Left)];
    let tables = vec![
        sheet(("title-checks", Cell::Empty), &columns, rows),
        sheet(("title-found", Cell::Empty), &found_columns, found.collect()),
    ];
    Report { tables, json: serde_json::to_value(checks).unwrap_or_default() }
}

/// The checks for a terminal: a line each, what each has found under it.
#[must_use]
pub fn lines(checks: &[Check], lang: Lang) -> Vec<String> {
    let mut lines = Vec::new();
    for check in checks {
        let (word, what) = match check.outcome {
            Outcome::Pass => ("word-pass", None),
            Outcome::Fail => ("word-fail", None),
            Outcome::Cannot => ("word-cannot-short", check.because.map(|key| lang.say(key))),
        };
        let name = lang.say(&format!("check-{}", check.number));
        let why = what.map_or_else(String::new, |what| format!(": {what}"));
        let number = format!("V{}", check.number);
        lines.push(format!("{number:<4}{:<7} {name}{why}", lang.say(word)));
        for note in check.notes.iter().take(NOTES_MAX) {
            let entry = note.entry.map_or_else(String::new, |id| format!(" [{id}]"));
            lines.push(format!("      {}{entry}", crate::table::plain(&note.what)));
        }
        if let Some(rest) = check.notes.len().checked_sub(NOTES_MAX).filter(|rest| *rest > 0) {
            lines.push(format!("      + {rest}"));
        }
    }
    lines
}

/// Notes of one check that a terminal shows; all of them are in JSON and on the page.
const NOTES_MAX: usize = 10;
