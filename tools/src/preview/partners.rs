//! What a statement says about other cooperatives, credentials and requests to erase.

use talea_protocol::act::{Act, Content};
use talea_protocol::entry::Entry;
use talea_protocol::federation::Turnover;

use super::{Rows, View};
use crate::amount::{count, show_day};

/// The statement in a few words; empty for an act that is told elsewhere.
pub(super) fn line(told: &View<'_>, act: &Act) -> String {
    match act {
        Act::Link(it) => match charter(&it.charter) {
            Some((id, name)) => format!("link cooperative {name} ({id})"),
            None => "link what is no charter".to_owned(),
        },
        Act::Countersign(it) => format!(
            "agree {} with another cooperative: {} up to {} minor units, {} to {}",
            it.accord.reference,
            it.accord.unit,
            count(it.accord.limit.value().unsigned_abs()),
            show_day(it.accord.from),
            show_day(it.accord.until)
        ),
        Act::Send(it) => format!(
            "send {} minor units to the partner of accord {}, on {} ({})",
            count(it.amount.value().unsigned_abs()),
            it.accord,
            show_day(it.date),
            it.reference
        ),
        Act::Receive(it) => match sent(&it.send) {
            Some((id, amount)) => format!(
                "take in {} minor units that another cooperative has sent by {id}, on {}",
                count(amount),
                show_day(it.date)
            ),
            None => "take in what is no send".to_owned(),
        },
        Act::Statement(it) => {
            format!("statement of {} under accord {}", show_day(it.balance.date), it.balance.accord)
        }
        Act::AttestCredential(it) => {
            format!("stand for a credential ({}) about {}", it.kind, told.who(it.subject))
        }
        Act::RevokeCredential(it) => {
            format!("take back credential {} ({})", told.label(&it.credential), it.ground)
        }
        Act::RequestErasure(it) => {
            format!("ask that the payload of {} be erased", told.label(&it.entry))
        }
        Act::RefuseErasure(it) => {
            format!("refuse request {} to erase ({})", told.label(&it.request), it.ground)
        }
        _ => String::new(),
    }
}

/// What else there is to say.
pub(super) fn rows(act: &Act) -> Rows {
    match act {
        Act::Link(it) => it.speakers.iter().map(|key| ("speaks for it", key.to_string())).collect(),
        Act::Countersign(it) => vec![
            ("between", it.accord.one.to_string()),
            ("and", it.accord.other.to_string()),
            ("text", it.accord.text.to_string()),
            ("countersigned", it.device.to_string()),
        ],
        Act::Send(it) => {
            let fund = it.fund.as_ref().map(|fund| ("out of fund", fund.to_string()));
            let takes = it.takes.iter().map(|id| ("takes in", id.to_string()));
            fund.into_iter().chain(takes).collect()
        }
        Act::Receive(it) => {
            let fund = it.fund.as_ref().map(|fund| ("into fund", fund.to_string()));
            let logs = it.evidence.iter().map(|cited| ("log cited", cited.node.to_string()));
            fund.into_iter().chain(logs).collect()
        }
        Act::Statement(it) => vec![
            ("lower id", turnover(it.balance.one)),
            ("other", turnover(it.balance.other)),
            ("countersigned", it.device.to_string()),
        ],
        Act::AttestCredential(it) => {
            let until = it.until.map(|day| ("until", show_day(day)));
            let rows = [("document", it.document.to_string()), ("from", show_day(it.from))];
            rows.into_iter().chain(until).collect()
        }
        _ => Rows::new(),
    }
}

fn turnover(of: Turnover) -> String {
    format!("{} sent, {} got, in minor units", count(of.sent), count(of.received))
}

fn charter(bytes: &[u8]) -> Option<(String, String)> {
    let entry = Entry::parse(bytes.to_vec()).ok()?;
    match entry.content() {
        Content::Known(Act::Charter(charter)) => {
            Some((entry.id().to_string(), charter.name.to_string()))
        }
        _ => None,
    }
}

fn sent(bytes: &[u8]) -> Option<(String, u64)> {
    let entry = Entry::parse(bytes.to_vec()).ok()?;
    match entry.content() {
        Content::Known(Act::Send(send)) => {
            Some((entry.id().to_string(), send.amount.value().unsigned_abs()))
        }
        _ => None,
    }
}
