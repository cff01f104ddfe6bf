//! How much of an export one page shows, and what is said of the rest.
//!
//! Of a small one, everything. Of a large one, its figures, and the entries that they name: a browser
//! has to lay out all that is on a page before it shows any of it. What is left out is said where it
//! would stand, with the command that shows it.

use std::collections::BTreeSet;

use talea_protocol::hash::EntryId;

use super::{LeftOut, Section};
use crate::lang::Lang;
use crate::verify::Audit;
use crate::verify::report::{Cell, Report};

/// Entries that a page shows, and rows of one of its tables, at most. So many entries make about 3 MB,
/// which a telephone opens at once.
pub const SHOWN_MAX: usize = 2_000;
/// Entries to which one cell leads where there are more than a page shows.
const LINKS_MAX: usize = 10;
/// Rows of one section's tables, times those of one table.
const TABLES_MAX: usize = 3;
/// Nodes that a drawing can name: above it, its lines of text alone are taller than ten screens.
const NODES_MAX: usize = 400;

/// Sections that list what others add up: not on a page that does not show every entry.
const LISTS: [&str; 3] = ["work", "statements", "ledger"];

/// How much a page shows.
pub(super) struct Extent {
    entries: usize,
    most: usize,
    lang: Lang,
}

impl Extent {
    /// Of an export, if a page shows at most so many entries.
    pub(super) fn of(audit: &Audit, most: usize, lang: Lang) -> Self {
        Self { entries: audit.shown.entries.len(), most, lang }
    }

    /// Whether everything is on the page.
    pub(super) const fn is_whole(&self) -> bool {
        self.entries <= self.most
    }

    /// What is said at the top of a page that does not show everything.
    pub(super) fn said(&self) -> String {
        if self.is_whole() {
            return String::new();
        }
        let [entries, most] = [self.entries, self.most].map(|count| self.count(count));
        self.lang.say_with("page-partly", &[("a", &entries), ("b", &most)])
    }

    /// Whether a drawing of so many nodes can be read.
    pub(super) const fn draws(&self, nodes: usize) -> bool {
        self.is_whole() || nodes <= NODES_MAX
    }

    /// The entries to which a cell leads, and what stands before them if they are not all.
    pub(super) fn first<'a>(&self, ids: &'a [EntryId]) -> (String, &'a [EntryId]) {
        match ids.get(..LINKS_MAX) {
            Some(first) if !self.is_whole() && ids.len() > LINKS_MAX => {
                let count = self.count(ids.len());
                (self.lang.say_with("page-among", &[("a", &count)]), first)
            }
            _ => (String::new(), ids),
        }
    }

    /// Takes away the rows of a report that the page has no room for; says so.
    pub(super) fn cut(&self, section: &str, report: &mut Report) -> Option<LeftOut> {
        if self.is_whole() {
            return None;
        }
        if LISTS.contains(&section) {
            return Some(self.left_out(section, self.lang.say("page-no-list")));
        }
        let rows = |report: &Report| report.tables.iter().map(|it| it.rows.len()).sum::<usize>();
        let all = rows(report);
        for sheet in &mut report.tables {
            self.cut_rows(&mut sheet.rows);
        }
        // Reports of many tables have the newest last.
        while rows(report) > self.most.saturating_mul(TABLES_MAX) {
            report.tables.remove(0);
        }
        let left = rows(report);
        (left < all).then(|| {
            let [left, all] = [left, all].map(|count| self.count(count));
            let what = self.lang.say_with("page-rows", &[("a", &left), ("b", &all)]);
            self.left_out(section, what)
        })
    }

    /// The first and the last half of what there is room for: a table ends with its totals, a list
    /// with what is newest.
    fn cut_rows(&self, rows: &mut Vec<Vec<Cell>>) {
        let half = self.most / 2;
        if rows.len() > self.most {
            rows.drain(half..rows.len() - half);
        }
    }

    /// The entries that the page shows: all, or those to which it leads. The sections take turns, each
    /// with the first that it leads to and that is not shown yet, until there is room for no more.
    pub(super) fn named(
        &self,
        sections: &[Section],
        all: impl Iterator<Item = EntryId>,
    ) -> BTreeSet<EntryId> {
        let all = all.collect();
        if self.is_whole() {
            return all;
        }
        let mut named = BTreeSet::new();
        let mut lists: Vec<_> = sections.iter().map(leads).collect();
        while named.len() < self.most && !lists.is_empty() {
            lists.retain_mut(|list| {
                named.len() < self.most && list.any(|id| all.contains(&id) && named.insert(id))
            });
        }
        named
    }

    /// What is said of the entries that are not on the page.
    pub(super) fn entries_left(&self, shown: usize) -> Option<LeftOut> {
        (shown < self.entries).then(|| {
            let [shown, all] = [shown, self.entries].map(|count| self.count(count));
            let what = self.lang.say_with("page-entries-left", &[("a", &shown), ("b", &all)]);
            self.left_out("entries", what)
        })
    }

    fn left_out(&self, section: &str, what: String) -> LeftOut {
        let command = command(section);
        let command = match self.lang {
            Lang::En => command.to_owned(),
            Lang::Fr => command.replace("FILE", "FICHIER").replace("NAME", "NOM"),
        };
        LeftOut { what, command }
    }

    fn count(&self, count: usize) -> String {
        self.lang.amount(i128::try_from(count).unwrap_or(i128::MAX), 0)
    }
}

/// The entries to which a section leads, in the order in which it is read.
fn leads(section: &Section) -> impl Iterator<Item = EntryId> {
    let values = section.tables.iter().flat_map(|table| table.rows.iter().flatten());
    let hrefs = values.flat_map(|it| {
        std::iter::once(it.href.as_str()).chain(it.links.iter().map(|(_, href)| href.as_str()))
    });
    hrefs.filter_map(|href| href.strip_prefix("#e-")?.parse().ok())
}

/// What shows all that a section leaves out.
fn command(section: &str) -> &'static str {
    match section {
        "checks" => "talea-verify --json FILE",
        "balance" => "talea-verify balance --csv FILE",
        "claims" => "talea-verify claims --csv FILE",
        "flows" => "talea-verify flows --csv FILE",
        "runs" => "talea-verify runs --csv FILE",
        "work" => "talea-verify work --csv FILE",
        "given" => "talea-verify contributions --csv FILE",
        "decisions" => "talea-verify decisions --csv FILE",
        "members" => "talea-verify member --csv FILE",
        "statements" => "talea-verify member FILE NAME",
        "power" => "talea-verify power --csv FILE",
        "ledger" => "talea-verify ledger --csv FILE",
        _ => "talea-verify entries --csv FILE; talea-verify explain FILE alba/4",
    }
}
