//! Where a figure, a credit, a payout or a right comes from, back to signatures and clauses of the
//! charter; and what follows from it.
//!
//! What an act names is found in the act itself, so that an act that is new here is followed too;
//! what a cut holds, or a charter says, is the ledger's. Check V20 asks the same of every payout.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use talea_ledger::account::Account;
use talea_ledger::terms::When;
use talea_ledger::view::runs::runs;
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::{Day, Month};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::amount::{month, show_day, show_month};
use crate::lang::{Lang, decimal};
use crate::origin::{self, Clause, Origins, Sources, sources};
use crate::table::Align::{Left, Right};
use crate::verify::report::{Cell, Report, Sheet, act_name, find, sheet};
use crate::verify::text::{handle, place};
use crate::verify::{Audit, Claim, Sum};

/// Steps that are followed from one entry to the next.
const STEPS_MAX: usize = 8;
/// Entries that one answer shows.
const SHOWN_MAX: usize = 500;

/// What is asked about.
enum Subject {
    Entry(EntryId),
    Member(Member),
    Payout(EntryId, Member),
    Account(Vec<Account>),
}

/// Explains what a text names: an entry (`alba/4`, or the beginning of its id), a member's rights
/// (`alba`), a payout (`2026-01/alba`), an account (`512000`). `None` if it names nothing.
#[must_use]
pub fn explain(audit: &Audit, text: &str) -> Option<Report> {
    let sum = audit.sum.as_ref()?;
    let links = Links::new(audit, sum);
    let (title, roots, clauses) = match subject(audit, sum, text)? {
        Subject::Entry(id) => (text.to_owned(), vec![id], clauses(audit, sum, &id)),
        Subject::Member(member) => rights(audit, sum, member)?,
        // Not back through the run: that leads to everybody's work.
        Subject::Payout(run, member) => {
            let Sources { contributions, receipts, expenses } = sources(sum, &run, member);
            let worked = contributions.iter().filter_map(|id| sum.state.work().record(id));
            let of_work: BTreeSet<Clause> =
                worked.flat_map(|record| origin::of_work(sum, record)).collect();
            let clauses =
                clauses(audit, sum, &run).into_iter().chain(of_work.into_iter().map(cells));
            let clauses = clauses.collect();
            let roots = [vec![run], contributions, receipts, expenses].concat();
            (text.to_owned(), roots, clauses)
        }
        Subject::Account(accounts) => {
            let moves = |it: &&talea_ledger::account::Posted| {
                it.postings.iter().any(|posting| accounts.contains(&posting.account))
            };
            let roots = sum.state.posted().iter().filter(moves).map(|posted| posted.id).collect();
            (text.to_owned(), roots, Vec::new())
        }
    };
    let (origin, asked) = (roots.first().copied(), roots.len());
    let through = |id: &EntryId| asked == 1 || Some(*id) != origin || !is_run(audit, id);
    let back = followed(&roots, |id| links.back.get(id).filter(|_| through(id)));
    let forward = followed(&roots, |id| links.forward.get(id));
    let steps = |steps: &[(usize, EntryId)], skip: usize| {
        steps.iter().skip(skip).map(|step| row(audit, sum, step)).collect::<Vec<_>>()
    };
    let name = Cell::Text(title);
    let columns = [
        ("col-step", Right),
        ("col-place", Left),
        ("col-act", Left),
        ("col-what", Left),
        ("col-receipts", Right),
        ("col-entry", Left),
    ];
    let clause_columns = [("col-clause", Left), ("col-value", Left), ("col-entry", Left)];
    let tables = vec![
        sheet(("title-chain", name.clone()), &columns, steps(&back, 0)),
        sheet(("title-clauses", Cell::Empty), &clause_columns, clauses),
        sheet(("title-forward", name), &columns, steps(&forward, roots.len())),
    ];
    let json = json!({ "back": value(&back), "clauses": words(&tables[1]), "forward": value(&forward[roots.len().min(forward.len())..]) });
    Some(Report { tables, json })
}

fn subject(audit: &Audit, sum: &Sum, text: &str) -> Option<Subject> {
    if let [entry] = find(audit, text).as_slice() {
        return Some(Subject::Entry(entry.id()));
    }
    if let Some((period, who)) = text.split_once('/')
        && let (Ok(period), Some(member)) = (month(period), sum.names.find(&sum.register, who))
    {
        let mut all = sum.state.runs().iter();
        let run = all.find(|(_, record)| record.period == period).map(|(id, _)| *id);
        return run.map(|run| Subject::Payout(run, member));
    }
    let profile = sum.register.charter().profile;
    let named = sum.state.books().iter().filter(|(account, ..)| account.code(profile) == text);
    let accounts: Vec<Account> = named.map(|(account, ..)| account.clone()).collect();
    if !accounts.is_empty() {
        return Some(Subject::Account(accounts));
    }
    sum.names.find(&sum.register, text).map(Subject::Member)
}

/// What entries name, both ways.
struct Links {
    back: BTreeMap<EntryId, BTreeSet<EntryId>>,
    forward: BTreeMap<EntryId, BTreeSet<EntryId>>,
}

impl Links {
    fn new(audit: &Audit, sum: &Sum) -> Self {
        let mut links = Self { back: BTreeMap::new(), forward: BTreeMap::new() };
        let mut jobs: BTreeMap<String, EntryId> = BTreeMap::new();
        for (code, job) in sum.state.treasury().jobs() {
            jobs.insert(code.to_string(), job.invoice);
        }
        for (id, entry) in &audit.shown.entries {
            let Content::Known(act) = entry.content() else { continue };
            for named in named(&serde_json::to_value(act).unwrap_or_default()) {
                if audit.shown.entries.contains_key(&named) {
                    links.add(*id, named);
                }
            }
            if let Act::Income(act) = act {
                links.add_all(*id, jobs.get(act.job.as_str()));
            }
        }
        let origins = Origins::new(sum);
        for run in runs(&sum.state) {
            let (receipts, expenses) = origins.money(&run.id);
            let money = receipts.into_iter().chain(expenses).filter(|_| !run.lines.is_empty());
            money.for_each(|source| links.add(run.id, source));
            if let Some(record) = sum.state.runs().record(&run.id) {
                for line in &run.lines {
                    let work = origins.work(line.line.member, run.period, &record.cut);
                    work.for_each(|(source, _)| links.add(run.id, source));
                }
            }
            for redirect in run.redirects.iter().filter(|redirect| redirect.executed) {
                links.add_all(run.payment.as_ref().map_or(run.id, |it| it.id), Some(&redirect.id));
            }
        }
        // A contribution's credit rests on those who attest it.
        for (id, work) in sum.state.work().iter() {
            work.attestations.iter().for_each(|word| links.add(*id, word.id));
        }
        links
    }

    fn add(&mut self, from: EntryId, named: EntryId) {
        if from != named {
            self.back.entry(from).or_default().insert(named);
            self.forward.entry(named).or_default().insert(from);
        }
    }

    fn add_all(&mut self, from: EntryId, named: Option<&EntryId>) {
        named.into_iter().for_each(|named| self.add(from, *named));
    }
}

/// Ids anywhere in an act but in its cut, which names a whole history.
fn named(value: &Value) -> Vec<EntryId> {
    match value {
        Value::String(text) => text.parse().into_iter().collect(),
        Value::Array(all) => all.iter().flat_map(named).collect(),
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| *name != "cut");
            kept.flat_map(|(_, value)| named(value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Everything that is reached, nearest first, each once, with its distance.
fn followed<'a>(
    roots: &[EntryId],
    next: impl Fn(&EntryId) -> Option<&'a BTreeSet<EntryId>>,
) -> Vec<(usize, EntryId)> {
    let mut found: Vec<(usize, EntryId)> = roots.iter().map(|id| (0, *id)).collect();
    let mut seen: BTreeSet<EntryId> = roots.iter().copied().collect();
    let mut at = 0;
    while let Some((step, id)) = found.get(at).copied() {
        at += 1;
        if step < STEPS_MAX && found.len() < SHOWN_MAX {
            let new = next(&id).into_iter().flatten().filter(|id| seen.insert(**id));
            found.extend(new.map(|id| (step + 1, *id)));
        }
    }
    found
}

fn row(audit: &Audit, sum: &Sum, (step, id): &(usize, EntryId)) -> Vec<Cell> {
    let entry = audit.shown.entries.get(id);
    let (place, act, said) = entry.map_or_else(Default::default, |entry| {
        let said = match entry.content() {
            Content::Known(act) => summary(sum, act),
            Content::Unknown(tag) => format!("{tag}"),
        };
        (place(Some(sum), &Claim::of(entry)), act_name(entry), said)
    });
    let receipts = format!("{}/{}", sum.settled.receipts(id), sum.register.roster().nodes.len());
    vec![
        Cell::Number(i128::try_from(*step).unwrap_or(0), 0),
        Cell::Text(place),
        Cell::Word(format!("act-{act}")),
        Cell::Text(said),
        Cell::Text(receipts),
        Cell::Entry(*id, String::new()),
    ]
}

fn is_run(audit: &Audit, id: &EntryId) -> bool {
    let content = audit.shown.entries.get(id).map(|entry| entry.content());
    matches!(content, Some(Content::Known(Act::Distribute(_))))
}

/// What an act says, in a line: its plain fields, days and members as they are read.
fn summary(sum: &Sum, act: &Act) -> String {
    let value = serde_json::to_value(act).unwrap_or_default();
    let shown = |name: &str, value: &Value| -> Option<String> {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let day = || Day::new(i32::try_from(value.as_i64()?).ok()?).ok().map(show_day);
        let text = match (name, number) {
            ("act" | "device" | "signature", _) => return None,
            ("begin" | "end" | "date", _) => day()?,
            ("period" | "from" | "until", Some(month)) => show_month(Month::new(month).ok()?),
            ("member" | "to" | "holder" | "author", Some(member)) => handle(sum, Member(member)),
            ("amount", _) => decimal(i128::from(value.as_i64()?), sum.register.charter().exponent),
            (_, None) => value.as_str().filter(|text| text.len() < 40)?.to_owned(),
            (_, Some(number)) => number.to_string(),
        };
        Some(format!("{name} {text}"))
    };
    let fields = value.as_object().into_iter().flatten();
    let all: Vec<String> = fields.filter_map(|(name, value)| shown(name, value)).collect();
    if matches!(act, Act::Charter(_)) { String::new() } else { all.join(", ") }
}

/// The clauses that an entry's effect rests on, each with the entry that set it.
fn clauses(audit: &Audit, sum: &Sum, id: &EntryId) -> Vec<Vec<Cell>> {
    let Some(entry) = audit.shown.entries.get(id) else { return Vec::new() };
    let basis = sum.register.number(&entry.header().basis).unwrap_or(0);
    let all = match entry.content() {
        Content::Known(Act::Contribution(_) | Act::Deliver(_)) => {
            let record = sum.state.work().record(id);
            record.map_or_else(Vec::new, |record| origin::of_work(sum, record))
        }
        Content::Known(Act::Distribute(act)) => {
            origin::of_run(sum, When { at: basis, month: act.period }).1
        }
        Content::Known(Act::Decide(act)) => {
            let proposal = sum.state.votes().proposal(&act.proposal);
            let matter = proposal.map(|it| serde_json::to_value(it.act.matter).unwrap_or_default());
            let clause = |it: Value| Clause {
                key: "clause-matter",
                value: it.to_string(),
                by: sum.register.cooperative(),
            };
            matter.map(clause).into_iter().collect()
        }
        _ => Vec::new(),
    };
    all.into_iter().map(cells).collect()
}

fn cells(clause: Clause) -> Vec<Cell> {
    let Clause { key, value, by } = clause;
    vec![Cell::Word(key.to_owned()), Cell::Text(value), Cell::Entry(by, String::new())]
}

type Explained = (String, Vec<EntryId>, Vec<Vec<Cell>>);

/// Where a member's rights come from: its admission, its devices, its roles.
fn rights(audit: &Audit, sum: &Sum, member: Member) -> Option<Explained> {
    let (record, charter) = (sum.register.member(member)?, sum.register.charter());
    let by = |number| {
        sum.register.entry(number).map_or(Cell::Empty, |id| Cell::Entry(id, String::new()))
    };
    let row = |key: &str, value: String, number: u32| {
        vec![Cell::Word(key.to_owned()), Cell::Text(value), by(number)]
    };
    let college = charter.colleges.get(usize::from(record.college));
    let stage = charter.stages.get(usize::from(record.stage));
    let mut roots: BTreeSet<u32> = BTreeSet::from([record.admitted]);
    let mut rows = Vec::new();
    rows.extend(college.map(|it| row("col-college", it.code.to_string(), record.admitted)));
    rows.extend(stage.map(|it| row("col-stage", it.code.to_string(), record.admitted)));
    for (_, device) in sum.register.devices_of(member) {
        roots.insert(device.enrolled);
        rows.push(row("clause-device", device.key.to_string(), device.enrolled));
    }
    let offices = [
        talea_ledger::register::Office::Registrar,
        talea_ledger::register::Office::Treasurer,
        talea_ledger::register::Office::Distributor,
    ];
    for office in offices {
        for term in sum.register.terms_of(office).filter(|term| term.holder == member) {
            roots.insert(term.number);
            let name = serde_json::to_value(office).unwrap_or_default();
            rows.push(row("col-office", name.as_str().unwrap_or_default().to_owned(), term.number));
        }
    }
    let known = |id: &EntryId| audit.shown.entries.contains_key(id);
    let roots = roots.into_iter().filter_map(|number| sum.register.entry(number)).filter(known);
    Some((handle(sum, member), roots.collect(), rows))
}

fn value(steps: &[(usize, EntryId)]) -> Vec<Value> {
    steps.iter().map(|(step, id)| json!({ "step": step, "entry": id })).collect()
}

fn words(sheet: &Sheet) -> Vec<Vec<String>> {
    let row = |row: &Vec<Cell>| row.iter().map(|cell| cell.shown(Lang::En)).collect();
    sheet.rows.iter().map(row).collect()
}
