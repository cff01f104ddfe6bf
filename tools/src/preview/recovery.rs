//! What a statement says about devices lost, members who go, roles, forks and erasure.

use talea_ledger::register::DeviceRecord;
use talea_protocol::act::{Act, Approval};
use talea_protocol::charter::{Member, Roster};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::recovery::{Guardians, Heal, Office};

use super::Rows;
use crate::amount::count;
use crate::book::Book;

/// The statement in a few words; empty for an act that is told elsewhere.
pub(super) fn line(
    act: &Act,
    who: &dyn Fn(Member) -> String,
    label: &dyn Fn(&EntryId) -> String,
) -> String {
    match act {
        Act::Report(it) => format!("report device {} as lost or stolen", it.device),
        Act::Revoke(it) => format!(
            "revoke device {}: {} entries of it count, and none after",
            it.device,
            it.cut.length(it.device)
        ),
        Act::Guardians(it) => guardians(it, who),
        Act::Leave => "leave the cooperative: no entry after this one".to_owned(),
        Act::Depart(it) => format!("{} has left: {}", who(it.member), inside(&it.cut)),
        Act::Remove(it) => format!(
            "remove {} by decision {}: {}",
            who(it.member),
            label(&it.decision),
            inside(&it.cut)
        ),
        Act::HandOver(it) => format!(
            "{} is {} from now on, by decision {}",
            who(it.holder),
            super::council::office(it.office),
            label(&it.decision)
        ),
        Act::Call(it) => format!("call for {} as registrar", who(it.successor)),
        Act::Succeed(it) => format!(
            "{} goes on with the register; {} members called",
            who(it.call.successor),
            it.words.len()
        ),
        Act::Reform(it) => {
            format!("{}, by decision {}", roster_line(&it.roster), label(&it.decision))
        }
        Act::Heal(it) => heal(it, label),
        Act::Erase(it) => format!("erase the payload of {} ({})", label(&it.entry), it.ground),
        other => super::council::line(other, who, label),
    }
}

/// What else there is to say.
pub(super) fn rows(act: &Act, book: Option<&Book>) -> Rows {
    let words = |name, words: &[Approval]| -> Rows {
        words.iter().map(|word| (name, signer(&word.device, book))).collect()
    };
    match act {
        Act::Enrol(it) => {
            let mut rows = vec![("device", it.request.device.to_string())];
            rows.extend(words("approved by", &it.words));
            rows
        }
        Act::Report(it) => {
            let mut rows = device(it.device, book);
            rows.extend(words("asked by", &it.words));
            rows
        }
        Act::Revoke(it) => {
            let mut rows = device(it.device, book);
            rows.extend(words("asked by", &it.words));
            rows
        }
        Act::Guardians(it) => it.keys.iter().map(|key| ("guardian", signer(key, book))).collect(),
        Act::Succeed(it) => words("called by", &it.words),
        Act::Heal(it) => {
            let mut rows = device(it.device, book);
            rows.extend(it.evidence.iter().map(|cited| ("log cited", cited.node.to_string())));
            rows
        }
        Act::Reform(it) => roster(&it.roster, book),
        _ => Rows::new(),
    }
}

/// How many nodes keep the log, and how many of them settle.
pub(super) fn roster_line(roster: &Roster) -> String {
    let (nodes, quorum) = (roster.nodes.len(), roster.quorum);
    format!("a roster of {nodes} nodes, of which {quorum} settle and {} may lie", roster.faulty)
}

/// Each node of another roster, and each that it leaves out of the newest one.
pub(super) fn roster(roster: &Roster, book: Option<&Book>) -> Rows {
    let old: &[NodeKey] = book.map_or(&[], |book| &book.register().roster().nodes);
    let name = |node: &NodeKey| if old.contains(node) { "stays" } else { "new node" };
    let mut rows: Rows = roster.nodes.iter().map(|node| (name(node), node.to_string())).collect();
    let gone = old.iter().filter(|node| !roster.nodes.contains(node));
    rows.extend(gone.map(|node| ("left out", node.to_string())));
    rows
}

/// Which device that is, and whose.
fn device(number: u32, book: Option<&Book>) -> Rows {
    let record = book.and_then(|book| Some((book, book.register().record(number)?)));
    let told = |(book, record): (&Book, &DeviceRecord)| {
        vec![("device", record.key.to_string()), ("of", book.name(record.member))]
    };
    record.map(told).unwrap_or_default()
}

/// Whose key that is, as far as it is a device's.
fn signer(key: &DeviceKey, book: Option<&Book>) -> String {
    let owner = book.and_then(|book| {
        let register = book.register();
        Some(book.handle(register.owner(key, register.head().0)?))
    });
    owner.map_or_else(|| key.to_string(), |owner| format!("{key} ({owner})"))
}

/// What a proposal would do that changes neither text nor charter.
pub(super) fn appointment(office: Office, holder: &str) -> String {
    format!("propose {holder} as {}", super::council::office(office))
}

fn guardians(it: &Guardians, who: &dyn Fn(Member) -> String) -> String {
    let phrase = if it.recovery.is_some() { "a recovery phrase" } else { "no recovery phrase" };
    let keys = it.keys.len();
    format!("{} has {phrase} and {keys} guardians, {} together", who(it.member), it.threshold)
}

fn heal(it: &Heal, label: &dyn Fn(&EntryId) -> String) -> String {
    match &it.adopt {
        Some(id) => format!("heal device {} at place {}: {} stands", it.device, it.seq, label(id)),
        None => format!("heal device {}: its chain ends before place {}", it.device, it.seq),
    }
}

fn inside(cut: &Cut) -> String {
    format!("{} entries count, and none after", count(cut.total()))
}
