//! What a statement says about devices lost, members who go, roles, forks and erasure.

use talea_protocol::act::Act;
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::{Guardians, Heal, Office};

use super::Rows;
use crate::amount::count;

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
        Act::Reform(it) => format!(
            "a roster of {} nodes, of which {} settle, by decision {}",
            it.roster.nodes.len(),
            it.roster.quorum,
            label(&it.decision)
        ),
        Act::Heal(it) => heal(it, label),
        Act::Erase(it) => format!("erase the payload of {} ({})", label(&it.entry), it.ground),
        other => super::council::line(other, who, label),
    }
}

/// What else there is to say.
pub(super) fn rows(act: &Act) -> Rows {
    match act {
        Act::Guardians(it) => it.keys.iter().map(|key| ("guardian", key.to_string())).collect(),
        Act::Heal(it) => {
            it.evidence.iter().map(|cited| ("log cited", cited.node.to_string())).collect()
        }
        Act::Reform(it) => it.roster.nodes.iter().map(|node| ("node", node.to_string())).collect(),
        _ => Rows::new(),
    }
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
