//! What a statement says about resources, offers, agreements, commitments and comments.

use talea_protocol::act::{Act, Belonging, Clause, Party, Resource};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use super::{Rows, serde_name};
use crate::amount;

/// The statement in a few words; empty for an act that is told elsewhere.
pub(super) fn line(
    act: &Act,
    who: &dyn Fn(Member) -> String,
    label: &dyn Fn(&EntryId) -> String,
) -> String {
    match act {
        Act::Draw(it) => format!(
            "{} {}, on {}",
            serde_name(&it.taking),
            resource(&it.resource),
            amount::show_day(it.date)
        ),
        Act::Intent(it) => format!("{} {}", serde_name(&it.direction), resource(&it.what)),
        Act::Agreement(it) => {
            let parties: Vec<String> = it.parties.iter().map(|it| party(it, who)).collect();
            format!("put an agreement of {} in writing", parties.join(", "))
        }
        Act::Agree(it) => format!("agree to {}", label(&it.agreement)),
        Act::Commit(it) => format!(
            "promise {} to {}: {}, by {}",
            resource(&it.what),
            party(&it.receiver, who),
            serde_name(&it.duty),
            amount::show_day(it.due)
        ),
        Act::Comment(it) => format!("comment on {}", label(&it.on)),
        _ => String::new(),
    }
}

/// What else there is to say.
pub(super) fn rows(act: &Act, who: &dyn Fn(Member) -> String) -> Rows {
    match act {
        Act::Deliver(it) => {
            let mut rows = vec![("kind of event", serde_name(&it.action))];
            rows.extend(it.resource.iter().map(|it| ("produces", resource(it))));
            rows.extend(belonging(&it.belonging));
            rows
        }
        Act::Draw(it) => belonging(&it.belonging),
        Act::Agreement(it) => it.clauses.iter().map(|it| ("clause", clause(it, who))).collect(),
        Act::Commit(it) => {
            let intent = it.intent.iter().map(|id| ("takes up", id.to_string()));
            let agreement = it.agreement.iter().map(|id| ("under agreement", id.to_string()));
            intent.chain(agreement).collect()
        }
        _ => Rows::new(),
    }
}

fn belonging(it: &Belonging) -> Rows {
    let circle = it.circle.iter().map(|code| ("circle", code.to_string()));
    let agreement = it.agreement.iter().map(|id| ("under agreement", id.to_string()));
    let commitment = it.commitment.iter().map(|id| ("fulfils", id.to_string()));
    circle.chain(agreement).chain(commitment).collect()
}

fn clause(it: &Clause, who: &dyn Fn(Member) -> String) -> String {
    let (provider, receiver) = (party(&it.provider, who), party(&it.receiver, who));
    let due = it.due.map(|day| format!(", by {}", amount::show_day(day))).unwrap_or_default();
    format!("{provider} to {receiver}: {}, {}{due}", serde_name(&it.duty), resource(&it.what))
}

fn party(it: &Party, who: &dyn Fn(Member) -> String) -> String {
    match it {
        Party::Cooperative => "the cooperative".to_owned(),
        Party::Member(member) => who(*member),
    }
}

fn resource(it: &Resource) -> String {
    format!("{} {} of {}", it.quantity, it.unit, it.code)
}
