//! Who has power: the offices, who asks, closes, attests and pays, who is paid how much.
//!
//! Check V21 of the design's domain, section 3. Figures and no judgement: where the charter says
//! what is too little (love credits in a quarter), that is compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use talea_ledger::contribution::Record;
use talea_ledger::register::Office;
use talea_ledger::terms::{When, month_of};
use talea_ledger::view::members::{MemberRow, members};
use talea_ledger::view::runs::runs;
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::Month;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use super::{Cell, Report, Sheet, sheet, text, word, yes};
use crate::amount::DAY_MS;
use crate::table::Align::{Left, Right};
use crate::verify::text::handle;
use crate::verify::{Audit, Sum};

/// What acts a member has settled, by what they do.
#[derive(Clone, Default)]
struct Deeds {
    proposes: Vec<EntryId>,
    votes: Vec<EntryId>,
    closes: Vec<EntryId>,
    attests: Vec<EntryId>,
    pays: Vec<EntryId>,
}

/// The power report.
#[must_use]
pub fn power(audit: &Audit, sum: &Sum) -> Report {
    let all = members(&sum.register, &sum.state);
    let tables = vec![
        offices(audit, sum),
        deeds(audit, sum, &all),
        pay(sum, &all),
        attesters(sum),
        outflows(audit, sum),
        minimum(sum, &all),
    ];
    let json = tables.iter().map(as_json).collect();
    Report { tables, json }
}

/// A table of this report for programs: its rows as objects.
fn as_json(sheet: &Sheet) -> serde_json::Value {
    let name = |key: &str| key.split_once('-').map_or(key, |(_, name)| name).to_owned();
    let value = |cell: &Cell| match cell {
        Cell::Empty => serde_json::Value::Null,
        Cell::Number(minor, 0) => json!(minor),
        Cell::Number(minor, places) => json!({ "minor": minor, "places": places }),
        Cell::Entries(ids) => json!(ids),
        Cell::Word(key) => json!(name(key)),
        other => json!(other.shown(crate::lang::Lang::En)),
    };
    let row = |row: &Vec<Cell>| -> serde_json::Value {
        let pairs = sheet.columns.iter().zip(row).map(|((key, _), cell)| (name(key), value(cell)));
        pairs.collect::<serde_json::Map<_, _>>().into()
    };
    json!({ "table": sheet.title.1.shown(crate::lang::Lang::En), "rows": sheet.rows.iter().map(row).collect::<Vec<_>>() })
}

fn title(key: &str) -> (&'static str, Cell) {
    ("title-power", Cell::Word(key.to_owned()))
}

/// The holders of roles, one after another, and for how long.
fn offices(audit: &Audit, sum: &Sum) -> Sheet {
    let time = |number| {
        let id = sum.register.entry(number)?;
        Some(audit.shown.entries.get(&id)?.header().time)
    };
    let mut rows = Vec::new();
    for office in [Office::Registrar, Office::Treasurer, Office::Distributor] {
        let terms: Vec<_> = sum.register.terms_of(office).collect();
        for (at, term) in terms.iter().enumerate() {
            let next = terms.get(at + 1).map(|next| next.number);
            let end = next.map_or(Some(audit.shown.time), time);
            let days =
                time(term.number).zip(end).map(|(from, to)| to.saturating_sub(from) / DAY_MS);
            rows.push(vec![
                word(&office),
                text(handle(sum, term.holder)),
                time(term.number).map_or(Cell::Empty, Cell::Time),
                days.map_or(Cell::Empty, |days| Cell::Number(i128::from(days), 0)),
                sum.register.entry(term.number).map_or(Cell::Empty, |id| Cell::Entries(vec![id])),
            ]);
        }
    }
    let columns = [
        ("col-office", Left),
        ("col-member", Left),
        ("col-since", Left),
        ("col-days", Right),
        ("col-entries", Left),
    ];
    sheet(title("power-offices"), &columns, rows)
}

/// Who does what, in numbers of settled entries that count.
fn deeds(audit: &Audit, sum: &Sum, all: &[MemberRow]) -> Sheet {
    let mut deeds: BTreeMap<Member, Deeds> = BTreeMap::new();
    for posted in sum.state.posted() {
        let Some(entry) = audit.shown.entries.get(&posted.id) else { continue };
        let device = sum.register.known(&entry.header().device);
        let Some(record) = device.and_then(|device| sum.register.record(device)) else { continue };
        let own = deeds.entry(record.member).or_default();
        let Content::Known(act) = entry.content() else { continue };
        let list = match act {
            Act::Propose(_) => &mut own.proposes,
            Act::Vote(_) => &mut own.votes,
            Act::Attest(_) => &mut own.attests,
            Act::Pay(_) | Act::Expense(_) => &mut own.pays,
            Act::Decide(_) | Act::Distribute(_) | Act::Close(_) => &mut own.closes,
            _ => continue,
        };
        list.push(posted.id);
    }
    let row = |member: &MemberRow| {
        let own = deeds.remove(&member.member).unwrap_or_default();
        let lists = [own.proposes, own.votes, own.attests, own.closes, own.pays];
        let mut row = vec![text(handle(sum, member.member))];
        row.extend(lists.map(Cell::Entries));
        row
    };
    let columns = [
        ("col-member", Left),
        ("col-proposes", Right),
        ("col-votes", Right),
        ("col-attests", Right),
        ("col-closings", Right),
        ("col-pays", Right),
    ];
    let rows = all.iter().map(row).collect();
    sheet(title("power-deeds"), &columns, rows)
}

/// What each member was paid beside what it cared, and how far pay is apart.
fn pay(sum: &Sum, all: &[MemberRow]) -> Sheet {
    let exponent = sum.register.charter().exponent;
    let runs = runs(&sum.state);
    let lines = || runs.iter().flat_map(|run| run.lines.iter().map(move |line| (run.id, line)));
    let mut paid: BTreeMap<Member, (i128, Vec<EntryId>)> = BTreeMap::new();
    for (run, line) in lines() {
        let (total, from) = paid.entry(line.line.member).or_default();
        *total += i128::from(line.total);
        from.push(run);
    }
    let mut cared: BTreeMap<Member, i128> = BTreeMap::new();
    for (_, record) in sum.state.work().iter() {
        *cared.entry(record.author).or_default() += i128::from(record.credit.care);
    }
    let fact = |member: Member| {
        let earned = paid.get(&member).map_or(0, |(total, _)| *total);
        (member, earned, cared.get(&member).copied().unwrap_or(0))
    };
    let facts: Vec<(Member, i128, i128)> = all
        .iter()
        .map(|row| fact(row.member))
        .filter(|(_, pay, care)| *pay > 0 || *care > 0)
        .collect();
    let (pays, cares): (i128, i128) =
        facts.iter().fold((0, 0), |(pay, care), fact| (pay + fact.1, care + fact.2));
    let lowest = facts.iter().map(|fact| fact.1).filter(|pay| *pay > 0).min();
    let share = |part: i128, whole: i128| {
        let share =
            (part * 10_000_000_000).checked_div(whole).and_then(|it| u64::try_from(it).ok());
        share.map_or(Cell::Empty, Cell::Share)
    };
    let row = |(member, pay, care): &(Member, i128, i128)| {
        let from = paid.get(member).map(|(_, from)| from.clone()).unwrap_or_default();
        let times = lowest.and_then(|lowest| (pay * 100).checked_div(lowest));
        vec![
            text(handle(sum, *member)),
            Cell::Number(*pay, exponent),
            share(*pay, pays),
            Cell::Number(*care, 0),
            share(*care, cares),
            times.map_or(Cell::Empty, |times| Cell::Number(times, 2)),
            Cell::Entries(from),
        ]
    };
    let columns = [
        ("col-member", Left),
        ("col-pay", Right),
        ("col-share", Right),
        ("col-care-minutes", Right),
        ("col-share", Right),
        ("col-times-lowest", Right),
        ("col-entries", Left),
    ];
    sheet(title("power-pay"), &columns, facts.iter().map(row).collect())
}

/// Contributions by the last day of the work, then by id.
fn in_order(sum: &Sum) -> Vec<(&EntryId, &Record)> {
    let mut all: Vec<(&EntryId, &Record)> = sum.state.work().iter().collect();
    all.sort_unstable_by_key(|(id, record)| (record.end(), **id));
    all
}

/// Who attests whom.
fn attesters(sum: &Sum) -> Sheet {
    let mut pairs: BTreeMap<(Member, Member), Vec<EntryId>> = BTreeMap::new();
    for (_, record) in in_order(sum) {
        for attested in &record.attestations {
            pairs.entry((attested.member, record.author)).or_default().push(attested.id);
        }
    }
    let row = |((attester, author), ids): ((Member, Member), Vec<EntryId>)| {
        vec![text(handle(sum, attester)), text(handle(sum, author)), Cell::Entries(ids)]
    };
    let columns = [("col-attester", Left), ("col-author", Left), ("col-entries", Right)];
    sheet(title("power-attesters"), &columns, pairs.into_iter().map(row).collect())
}

/// What went to others than members.
fn outflows(audit: &Audit, sum: &Sum) -> Sheet {
    let exponent = sum.register.charter().exponent;
    let mut paid: BTreeMap<String, (i128, Vec<EntryId>)> = BTreeMap::new();
    for posted in sum.state.posted() {
        let entry = audit.shown.entries.get(&posted.id).map(|entry| entry.content());
        if let Some(Content::Known(Act::Expense(act))) = entry {
            let (amount, ids) = paid.entry(act.payee.to_string()).or_default();
            *amount += i128::from(act.amount.value());
            ids.push(posted.id);
        }
    }
    let row = |(payee, (amount, ids))| {
        vec![text(payee), Cell::Number(amount, exponent), Cell::Entries(ids)]
    };
    let columns = [("col-payee", Left), ("col-amount", Right), ("col-entries", Left)];
    sheet(title("power-outflows"), &columns, paid.into_iter().map(row).collect())
}

/// Love credits of each quarter against the charter's minimum, for members whose vote binds.
fn minimum(sum: &Sum, all: &[MemberRow]) -> Sheet {
    let mut given: BTreeMap<(u32, Member), (i128, Vec<EntryId>)> = BTreeMap::new();
    let mut earning: BTreeSet<Member> = BTreeSet::new();
    let quarter = |month: Month| month.value() / 3;
    for (id, one) in in_order(sum) {
        let (love, ids) = given.entry((quarter(month_of(one.end())), one.author)).or_default();
        *love += i128::from(one.credit.love);
        if one.credit.love > 0 {
            ids.push(*id);
        }
        if one.credit.livelihood + one.credit.love > 0 {
            earning.insert(one.author);
        }
    }
    let works = |row: &&MemberRow| earning.contains(&row.member);
    let quarters: BTreeSet<u32> = given.keys().map(|(quarter, _)| *quarter).collect();
    let mut rows = Vec::new();
    for at in quarters {
        let Ok(last) = Month::new(at * 3 + 2) else { continue };
        let when = When { at: sum.register.head().0, month: last };
        let needed = i128::from(sum.state.terms().love_minimum(sum.register.charter(), when));
        for member in all.iter().filter(works).map(|row| row.member) {
            let (love, ids) = given.remove(&(at, member)).unwrap_or_default();
            rows.push(vec![
                Cell::Quarter(at),
                text(handle(sum, member)),
                Cell::Number(love, 2),
                Cell::Number(needed, 2),
                yes(love >= needed),
                Cell::Entries(ids),
            ]);
        }
    }
    let columns = [
        ("col-quarter", Left),
        ("col-member", Left),
        ("col-love", Right),
        ("col-minimum", Right),
        ("col-reached", Left),
        ("col-entries", Left),
    ];
    sheet(title("power-minimum"), &columns, rows)
}
