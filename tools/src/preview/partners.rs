//! What a statement says about other cooperatives, credentials and requests to erase.

use talea_ledger::pact::Pact;
use talea_protocol::act::{Act, Content};
use talea_protocol::entry::Entry;
use talea_protocol::federation::{Accord, Balance, Send, Turnover};
use talea_protocol::hash::Hash;

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
            "agree {} with {}: up to {}, from {} to {}",
            it.accord.reference,
            between(told, &it.accord),
            told.sum(it.accord.unit.as_str(), it.accord.limit.value()),
            show_day(it.accord.from),
            show_day(it.accord.until)
        ),
        Act::Send(it) => format!(
            "send {} under {}, on {} ({})",
            in_accord(told, &it.accord, it.amount.value()),
            accord(told, &it.accord),
            show_day(it.date),
            it.reference
        ),
        Act::Receive(it) => match sent(&it.send) {
            Some((id, send)) => format!(
                "take in {} that was sent under {} by {id}, on {}",
                in_accord(told, &send.accord, send.amount.value()),
                accord(told, &send.accord),
                show_day(it.date)
            ),
            None => "take in what is no send".to_owned(),
        },
        Act::Statement(it) => {
            format!(
                "statement of {} under {}",
                show_day(it.balance.date),
                accord(told, &it.balance.accord)
            )
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
pub(super) fn rows(told: &View<'_>, act: &Act) -> Rows {
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
        Act::Statement(it) => {
            let mut rows = sides(told, &it.balance);
            rows.push(("countersigned", it.device.to_string()));
            rows
        }
        Act::AttestCredential(it) => {
            let until = it.until.map(|day| ("until", show_day(day)));
            let rows = [("document", it.document.to_string()), ("from", show_day(it.from))];
            rows.into_iter().chain(until).collect()
        }
        _ => Rows::new(),
    }
}

fn turnover(told: &View<'_>, accord: &Hash, of: Turnover) -> String {
    let sum = |sum: u64| in_accord(told, accord, i64::try_from(sum).unwrap_or(i64::MAX));
    format!("{} sent, {} received", sum(of.sent), sum(of.received))
}

/// What went both ways: what we have first, where it is known which side that is.
fn sides(told: &View<'_>, balance: &Balance) -> Rows {
    let own = told.book.map(|book| book.register().cooperative());
    let row = |name, of| (name, turnover(told, &balance.accord, of));
    match pact(told, &balance.accord).map(|pact| Some(pact.accord.one) == own) {
        Some(true) => vec![row("we", balance.one), row("they", balance.other)],
        Some(false) => vec![row("we", balance.other), row("they", balance.one)],
        None => vec![row("lower id", balance.one), row("other", balance.other)],
    }
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

/// What an accord is called: its reference and the partner, where it is here.
fn accord(told: &View<'_>, id: &Hash) -> String {
    match pact(told, id) {
        Some(pact) => format!("{} with {}", pact.accord.reference, between(told, &pact.accord)),
        None => format!("accord {id}"),
    }
}

fn in_accord(told: &View<'_>, id: &Hash, minor: i64) -> String {
    match pact(told, id) {
        Some(pact) => told.sum(pact.accord.unit.as_str(), minor),
        None => format!("{} minor units", count(minor.unsigned_abs())),
    }
}

fn pact<'b>(told: &View<'b>, id: &Hash) -> Option<&'b Pact> {
    told.book?.state().treasury().pacts().pacts().get(id)
}

/// The other side of an accord.
fn between(told: &View<'_>, accord: &Accord) -> String {
    let partners = told.book.map(|book| book.state().treasury().pacts().partners());
    let named = |id| partners.and_then(|all| all.get(id)).map(|partner| partner.name.clone());
    let named = named(&accord.one).or_else(|| named(&accord.other));
    named.unwrap_or_else(|| "another cooperative".to_owned())
}

fn sent(bytes: &[u8]) -> Option<(String, Send)> {
    let entry = Entry::parse(bytes.to_vec()).ok()?;
    match entry.content() {
        Content::Known(Act::Send(send)) => Some((entry.id().to_string(), send.clone())),
        _ => None,
    }
}
