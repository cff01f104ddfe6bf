//! One HTML file with everything that an export adds up to: it asks nothing of any network.
//!
//! Reports are turned into headings and tables; every figure leads to its table, every table to its
//! entries, every entry is on the page with what it says; of more entries than [`SHOWN_MAX`], those that
//! figures name (`page/extent.rs`). The template escapes every text. It needs no script, and prints.

use std::collections::BTreeSet;

use askama::Template;
use talea_ledger::verdict::Verdict;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::amount::show_time;
use crate::books::{Books, general_ledger};
use crate::checks;
use crate::lang::Lang;
use crate::table::{Align, plain};
use crate::verify::report::{self, Cell, Report, Sheet};
use crate::verify::text::{lines_in, place};
use crate::verify::{Audit, Claim, Status, Sum};

mod extent;
mod sankey;

use extent::Extent;
pub use extent::SHOWN_MAX;
use sankey::Diagram;

/// Digits of an id that are shown in a table.
const SHORT: usize = 8;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    code: &'static str,
    title: String,
    verdict: String,
    is_valid: bool,
    facts: Vec<(String, String)>,
    findings: Vec<String>,
    /// Said of a page that does not show everything.
    partly: String,
    about: String,
    skip: String,
    contents: String,
    top: String,
    sections: Vec<Section>,
    entries_title: String,
    entries_about: String,
    entries: Vec<Record>,
    entries_left: Option<LeftOut>,
}

/// What is not on the page, and the command that shows it.
struct LeftOut {
    what: String,
    command: String,
}

struct Section {
    id: &'static str,
    title: String,
    about: String,
    diagram: Option<Diagram>,
    tables: Vec<Table>,
    left: Option<LeftOut>,
}

struct Table {
    anchor: String,
    heading: String,
    /// What a reader that does not see is told.
    label: String,
    /// Whether the heading is another than the section's.
    is_named: bool,
    head: Vec<(String, bool)>,
    rows: Vec<Vec<Value>>,
}

struct Value {
    text: String,
    href: String,
    links: Vec<(String, String)>,
    right: bool,
}

/// An entry, whole.
struct Record {
    anchor: String,
    place: String,
    act: String,
    time: String,
    standing: String,
    id: String,
    said: String,
    /// Whether it did nothing.
    idle: bool,
}

/// The page; a short one without a charter.
///
/// # Errors
/// [`askama::Error`], which only a full memory makes.
pub fn page(audit: &Audit, lang: Lang) -> Result<String, askama::Error> {
    page_of(audit, lang, SHOWN_MAX)
}

/// The page of an export with at most so many entries; of one with more, what its figures name.
///
/// # Errors
/// [`askama::Error`], which only a full memory makes.
pub fn page_of(audit: &Audit, lang: Lang, most: usize) -> Result<String, askama::Error> {
    let say = |key: &str| lang.say(key);
    let (summary, extent) = (audit.summary(), Extent::of(audit, most, lang));
    let name = summary.name.clone().unwrap_or_else(|| summary.cooperative.to_string());
    let (mut sections, mut records) = (Vec::new(), Vec::new());
    let checked = checks::report(&checks::checks_in(audit, lang));
    sections.push(section(audit, &extent, ("checks", "title-checks"), checked, lang));
    if let (Some(sum), Some(books)) = (&audit.sum, Books::new(audit)) {
        sections.extend(contents(audit, &extent, sum, &books, lang));
        let all = audit.shown.entries.keys().copied();
        records = entries(audit, sum, &extent.named(&sections, all), lang);
    }
    unlink(&mut sections, &records);
    let number = |count: u64| lang.amount(i128::from(count), 0);
    let counts = [summary.entries, summary.settled, summary.members, summary.gaps].map(number);
    let counts = counts.join(" · ");
    let fact = |key: &str, value: String| (say(key), value);
    let facts = vec![
        fact("page-cooperative", summary.cooperative.to_string()),
        fact("page-node", summary.node.to_string()),
        fact("page-counts", counts),
        fact("page-exported", lang.time(audit.shown.time)),
        fact("page-checkpoint", format!("{} · {}", summary.size, summary.root)),
        fact("page-held", format!("{} / {}", summary.held_by, summary.nodes)),
        fact("page-state", summary.state.map_or_else(String::new, |state| state.to_string())),
    ];
    let page = Page {
        code: lang.code(),
        title: lang.say_with("page-title", &[("name", &plain(&name))]),
        verdict: say(&format!("verdict-{}", summary.verdict.word().to_lowercase())),
        is_valid: audit.status == Status::Valid,
        facts,
        findings: lines_in(audit, lang),
        partly: extent.said(),
        about: say("books-about"),
        skip: say("page-skip"),
        contents: say("page-contents"),
        top: say("page-top"),
        sections,
        entries_title: say("title-entries"),
        entries_about: say("page-entries-about"),
        entries_left: extent.entries_left(records.len()),
        entries: records,
    };
    page.render()
}

fn section(
    audit: &Audit,
    extent: &Extent,
    (id, title): (&'static str, &str),
    mut report: Report,
    lang: Lang,
) -> Section {
    let left = extent.cut(id, &mut report);
    let title = lang.say(title);
    let filled = report.tables.iter().filter(|sheet| !sheet.rows.is_empty());
    let mut tables: Vec<Table> = filled.map(|sheet| table(audit, extent, sheet, lang)).collect();
    for (number, table) in (1..).zip(&mut tables) {
        table.label = format!("{title}, {} {number}", lang.say("word-table"));
        table.is_named = table.heading != title;
    }
    let about = lang.say(&format!("about-{id}"));
    Section { id, title, about, diagram: None, tables, left }
}

fn contents(
    audit: &Audit,
    extent: &Extent,
    sum: &Sum,
    books: &Books<'_>,
    lang: Lang,
) -> Vec<Section> {
    let section = |id, title, report: Report| section(audit, extent, (id, title), report, lang);
    let lists = extent.is_whole();
    let listed = |report: &dyn Fn() -> Report| if lists { report() } else { Report::nothing() };
    let mut flows = section("flows", "title-flows", report::value_flows(sum));
    flows.diagram = Diagram::new(sum, lang).filter(|diagram| extent.draws(diagram.bars.len()));
    vec![
        section("balance", "title-balance", report::balance(sum)),
        section("claims", "title-claims", report::claims_list(sum)),
        flows,
        section("runs", "title-runs", report::run_list(sum)),
        section("work", "title-work", listed(&|| report::work_list(sum))),
        section("given", "title-given", report::given_by(sum)),
        section("decisions", "title-decisions", report::decision_register(sum)),
        section("members", "title-members", report::member_list(sum)),
        section("statements", "title-statements", listed(&|| statements(sum))),
        section("power", "title-power-report", report::power(audit, sum)),
        section("ledger", "title-general-ledger", listed(&|| general_ledger(books, lang))),
    ]
}

fn statements(sum: &Sum) -> Report {
    let members = (0..).map(Member).take(sum.register.members().len());
    let all = members.filter_map(|member| report::member(sum, member));
    Report { tables: all.flat_map(|report| report.tables).collect(), ..Report::nothing() }
}

/// Takes away links that lead to nothing on the page: without a charter that founds, no entry is
/// on it.
fn unlink(sections: &mut [Section], records: &[Record]) {
    let tables = sections.iter().flat_map(|section| &section.tables);
    let named = tables.filter(|table| table.is_named).map(|table| table.anchor.clone());
    let anchors: BTreeSet<String> =
        named.chain(records.iter().map(|record| record.anchor.clone())).collect();
    let leads = |href: &str| href.strip_prefix('#').is_some_and(|anchor| anchors.contains(anchor));
    let tables = sections.iter_mut().flat_map(|section| &mut section.tables);
    for value in tables.flat_map(|table| table.rows.iter_mut().flatten()) {
        if !leads(&value.href) {
            value.href.clear();
        }
        let (live, dead): (Vec<_>, Vec<_>) =
            std::mem::take(&mut value.links).into_iter().partition(|(_, href)| leads(href));
        let words = std::iter::once(value.text.as_str()).chain(dead.iter().map(|it| it.0.as_str()));
        value.text = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        value.links = live;
    }
}

fn table(audit: &Audit, extent: &Extent, sheet: &Sheet, lang: Lang) -> Table {
    let head = sheet.columns.iter().map(|(key, align)| (lang.say(key), *align == Align::Right));
    let row = |row: &Vec<Cell>| {
        row.iter()
            .zip(&sheet.columns)
            .map(|(cell, (_, align))| value(audit, extent, cell, *align == Align::Right, lang))
            .collect()
    };
    Table {
        anchor: sheet.anchor.clone(),
        heading: plain(&sheet.heading(lang)),
        label: String::new(),
        is_named: true,
        head: head.collect(),
        rows: sheet.rows.iter().map(row).collect(),
    }
}

fn value(audit: &Audit, extent: &Extent, cell: &Cell, right: bool, lang: Lang) -> Value {
    let link = |id: &EntryId| (called(audit, id), format!("#{}", anchor(id)));
    match cell {
        Cell::Entry(id, text) => {
            let (name, href) = link(id);
            let text = if text.is_empty() { name } else { plain(text) };
            Value { text, href, links: Vec::new(), right }
        }
        Cell::Entries(ids) => {
            let (text, first) = extent.first(ids);
            let links = first.iter().map(link).collect();
            Value { text, href: String::new(), links, right: false }
        }
        Cell::Linked(cell, anchor) => {
            Value { href: format!("#{anchor}"), ..value(audit, extent, cell, right, lang) }
        }
        other => {
            let text = plain(&other.shown(lang));
            Value { text, href: String::new(), links: Vec::new(), right }
        }
    }
}

/// An entry's place, or the beginning of its id if it is not there.
fn called(audit: &Audit, id: &EntryId) -> String {
    let entry = audit.shown.entries.get(id);
    entry.map_or_else(
        || id.to_string().get(..SHORT).unwrap_or_default().to_owned(),
        |entry| plain(&place(audit.sum.as_ref(), &Claim::of(entry))),
    )
}

fn anchor(id: &EntryId) -> String {
    format!("e-{id}")
}

/// Entries with what they say, as the list has them.
fn entries(audit: &Audit, sum: &Sum, named: &BTreeSet<EntryId>, lang: Lang) -> Vec<Record> {
    let all = sum.order.iter().filter_map(|id| audit.shown.entries.get(id));
    let unsettled = audit.shown.entries.values().filter(|it| !sum.settled.has(&it.id()));
    let payloads = report::payloads(audit);
    all.chain(unsettled)
        .filter(|entry| named.contains(&entry.id()))
        .map(|entry| {
            let (id, json) = (entry.id(), report::entry_json(sum, &payloads, entry));
            let receipts = format!("{}/{}", json["receipts"], json["roster"]);
            let idle = sum.state.verdict(&id) != Some(Verdict::Counted);
            let standing = plain(&report::standing(sum, &id, lang));
            Record {
                anchor: anchor(&id),
                place: plain(&place(Some(sum), &Claim::of(entry))),
                act: lang.say(&format!("act-{}", report::act_name(entry))),
                time: show_time(entry.header().time),
                standing: format!("{standing} · {receipts}"),
                id: id.to_string(),
                said: said(&json),
                idle,
            }
        })
        .collect()
}

/// What an entry says, as lines of its JSON that move nothing.
fn said(json: &serde_json::Value) -> String {
    let shown = serde_json::json!({ "act": json["act"], "payload": json["payload"], "device": json["device"], "basis": json["basis"] });
    let text = serde_json::to_string_pretty(&shown).unwrap_or_default();
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}
