//! Entries: the list, and one whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use talea_ledger::verdict::{Need, Verdict};
use talea_protocol::act::Content;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::message::Payload;

use super::{Cell, Report, json as value, sheet, text};
use crate::lang::Lang;
use crate::table::Align::{Left, Right};
use crate::verify::text::{device, place};
use crate::verify::{Audit, Claim, Sum};
use crate::voided;

/// Every settled entry, in the order in which it was folded.
#[must_use]
pub fn entry_list(audit: &Audit, sum: &Sum) -> Report {
    let settled = sum.order.iter().filter_map(|id| audit.shown.entries.get(id));
    let others =
        audit.shown.entries.values().filter(|entry| sum.state.verdict(&entry.id()).is_none());
    let all: Vec<&Signed> = settled.chain(others).collect();
    let row = |entry: &&Signed| {
        let claim = Claim::of(entry);
        vec![
            text(place(Some(sum), &claim)),
            text(act_name(entry)),
            Cell::Time(entry.header().time),
            Cell::Number(i128::from(receipts(sum, &entry.id())), 0),
            standing_cell(sum, &entry.id()),
            Cell::Entry(entry.id(), String::new()),
        ]
    };
    let columns = [
        ("col-place", Left),
        ("col-act", Left),
        ("col-clock", Left),
        ("col-receipts", Right),
        ("col-verdict", Left),
        ("col-entry", Left),
    ];
    let payloads = payloads(audit);
    let json = all.iter().map(|entry| entry_json(sum, &payloads, entry)).collect();
    Report {
        json,
        tables: vec![sheet(
            ("title-entries", Cell::Empty),
            &columns,
            all.iter().map(row).collect(),
        )],
    }
}

/// One entry, whole.
#[must_use]
pub fn entry(audit: &Audit, sum: &Sum, entry: &Signed) -> Report {
    let json = entry_json(sum, &payloads(audit), entry);
    let fields = json.as_object().into_iter().flatten();
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    };
    let rows = fields.map(|(name, value)| vec![text(name), text(shown(value))]).collect();
    let title = ("title-entry", Cell::Entry(entry.id(), String::new()));
    Report { tables: vec![sheet(title, &[("col-field", Left), ("col-value", Left)], rows)], json }
}

/// Each payload of an export, by its entry.
#[must_use]
pub fn payloads(audit: &Audit) -> BTreeMap<EntryId, &Payload> {
    audit.shown.payloads.iter().rev().map(|payload| (payload.entry, payload)).collect()
}

/// One entry, for programs.
#[must_use]
pub fn entry_json(sum: &Sum, payloads: &BTreeMap<EntryId, &Payload>, entry: &Signed) -> Value {
    let header = entry.header();
    let id = entry.id();
    let payload = payloads.get(&id);
    let words = payload.map(|payload| String::from_utf8_lossy(&payload.bytes).into_owned());
    let said = match entry.content() {
        Content::Known(act) => value(act),
        Content::Unknown(tag) => json!({ "act": tag }),
    };
    json!({
        "id": id,
        "place": place(Some(sum), &Claim::of(entry)),
        "member": device(Some(sum), &header.device),
        "device": header.device,
        "seq": header.seq,
        "prev": header.prev,
        "basis": header.basis,
        "time": header.time,
        "act": said,
        "payload": words,
        "receipts": receipts(sum, &id),
        "roster": sum.register.roster().nodes.len(),
        "settled": sum.state.verdict(&id).is_some(),
        "verdict": standing(sum, &id, Lang::En),
    })
}

fn receipts(sum: &Sum, id: &EntryId) -> u32 {
    sum.settled.receipts(id)
}

/// What became of an entry, in a language.
#[must_use]
pub fn standing(sum: &Sum, id: &EntryId, lang: Lang) -> String {
    match sum.state.verdict(id) {
        None if sum.dead.contains(id) => lang.say("standing-dead"),
        None => lang.say("standing-not-settled"),
        Some(Verdict::Counted) => lang.say("standing-counted"),
        Some(Verdict::Pending(need)) => waits(sum, &need, lang),
        Some(Verdict::Void(void)) => {
            let told = voided::told_in(&void, sum.register.charter(), lang);
            lang.say_with("standing-void", &[("a", &told)])
        }
    }
}

/// The same as a cell.
pub(super) fn standing_cell(sum: &Sum, id: &EntryId) -> Cell {
    let [en, fr] = [Lang::En, Lang::Fr].map(|lang| standing(sum, id, lang));
    Cell::Told { en, fr }
}

fn waits(sum: &Sum, need: &Need, lang: Lang) -> String {
    match need {
        Need::Register { number } => lang.say_with("waits-register", &[("a", &number.to_string())]),
        Need::Entry { id } => lang.say_with("waits-entry", &[("a", &id.to_string())]),
        Need::Chain { device: number, length } => {
            let key = sum.register.record(*number).map(|record| record.key);
            let whose = key.map_or_else(String::new, |key| device(Some(sum), &key));
            lang.say_with("waits-chain", &[("a", &length.to_string()), ("b", &whose)])
        }
        Need::Version { tag } => lang.say_with("waits-version", &[("a", &tag.to_string())]),
    }
}

/// What an entry's act is called, as in JSON.
#[must_use]
pub fn act_name(entry: &Signed) -> String {
    match entry.content() {
        Content::Known(act) => match value(act).get("act") {
            Some(Value::String(name)) => name.clone(),
            _ => String::new(),
        },
        Content::Unknown(tag) => format!("act {tag}"),
    }
}

/// The entry that a text names: the beginning of its id, or `handle/place`.
#[must_use]
pub fn find<'a>(audit: &'a Audit, text: &str) -> Vec<&'a Signed> {
    let entries = audit.shown.entries.values();
    let names = |entry: &&Signed| {
        let prefix = text.len() >= ID_DIGITS_MIN && entry.id().to_string().starts_with(text);
        prefix || place(audit.sum.as_ref(), &Claim::of(entry)) == text
    };
    entries.filter(names).collect()
}

/// Least digits of an id that name an entry.
const ID_DIGITS_MIN: usize = 6;
