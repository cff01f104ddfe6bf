//! What a statement says about work and decisions beyond the ordinary: disputes, corrections,
//! stages, options, circles, delegations.

use talea_protocol::act::{Act, Advance, Course, Delegate, Effect, Grounds, Scope, Tally};
use talea_protocol::charter::Member;
use talea_protocol::council::Circle;
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::Office;

use super::{Rows, WHOLE, percent, serde_name};
use crate::amount;

/// The statement in a few words; empty for an act that is told elsewhere.
pub(super) fn line(
    act: &Act,
    who: &dyn Fn(Member) -> String,
    label: &dyn Fn(&EntryId) -> String,
) -> String {
    match act {
        Act::Dispute(it) => format!("dispute {}", label(&it.contribution)),
        Act::Withdraw(it) => format!("withdraw dispute {}", label(&it.dispute)),
        Act::Correct(it) => format!("correct {} by {:+}", label(&it.contribution), it.difference),
        Act::Advance(it) => advance(it, who, label),
        Act::Rank(it) => {
            let marks: Vec<String> = it.marks.iter().map(ToString::to_string).collect();
            format!("rank or score {}: {}", label(&it.proposal), marks.join(", "))
        }
        Act::Delegate(it) => delegate(it, who, label),
        Act::Welcome(it) => {
            format!("admit a {} by decision {}", serde_name(&it.request.kind), label(&it.decision))
        }
        _ => String::new(),
    }
}

/// What a proposal would do that changes neither text, charter, membership nor roles.
pub(super) fn proposed(effect: &Effect) -> String {
    match effect {
        Effect::Admit(it) => format!("propose to admit a {}, {}", serde_name(&it.kind), it.device),
        Effect::Advance(member, stage) => {
            format!("propose stage {stage} of the charter for member {}", member.0)
        }
        Effect::Resolve(dispute) => format!("propose to end dispute {dispute}"),
        Effect::Correct(id, difference) => format!("propose to correct {id} by {difference:+}"),
        Effect::Spend(amount) => format!("propose to let {amount} minor units be spent"),
        Effect::Allocate(first, last) => format!(
            "propose to allocate the result of {} to {}",
            amount::show_month(*first),
            amount::show_month(*last)
        ),
        Effect::Agree(id) => format!("propose to bind the cooperative to agreement {id}"),
        _ => String::new(),
    }
}

/// Circle, options, fallback, and when voting opens.
pub(super) fn course(course: &Course) -> Rows {
    let mut rows = Rows::new();
    rows.extend(course.circle.iter().map(|circle| ("decided by circle", circle.to_string())));
    rows.extend(course.options.iter().map(|option| ("option", option.to_string())));
    let fallback = course.fallback.as_ref();
    rows.extend(fallback.map(|method| ("if somebody blocks", serde_name(method))));
    if course.opens > 0 {
        rows.push(("opens", format!("{} UTC", amount::show_time(course.opens))));
    }
    rows
}

/// Support and opposition. After a block they may be credits, so only their ratio is told.
pub(super) fn support(tally: &Tally) -> String {
    let (yes, no) = (tally.yes, tally.no);
    if tally.blocks == 0 {
        return format!("{} for, {} against", percent(yes), percent(no));
    }
    let cast = u128::from(yes) + u128::from(no);
    let share = (u128::from(yes) * u128::from(WHOLE)).checked_div(cast).unwrap_or(0);
    let share = u64::try_from(share).unwrap_or(WHOLE);
    format!("{} of what was cast for it", percent(share))
}

/// Who blocks, and what options came to.
pub(super) fn count(tally: &Tally) -> Rows {
    let mut rows = Rows::new();
    if tally.blocks > 0 {
        rows.push(("blocked by", format!("{} of those with a binding vote", tally.blocks)));
    }
    let options = tally.options.iter().enumerate();
    rows.extend(options.map(|(place, sum)| ("option", format!("{place}: {sum}"))));
    rows.extend(tally.winner.map(|place| ("strongest", place.to_string())));
    rows
}

/// A circle as a decision sets it.
pub(super) fn circle(circle: &Circle) -> String {
    let may: Vec<String> = circle.may.iter().map(serde_name).collect();
    format!("circle {} may decide: {}", circle.code, may.join(", "))
}

/// A role in words.
pub(super) fn office(office: Office) -> String {
    match office {
        Office::Facilitator(circle) => format!("facilitator of circle {circle} of the charter"),
        other => serde_name(&other),
    }
}

fn advance(
    it: &Advance,
    who: &dyn Fn(Member) -> String,
    label: &dyn Fn(&EntryId) -> String,
) -> String {
    let why = match &it.grounds {
        Grounds::Milestones { words, .. } => format!("milestones met, {} vouch", words.len()),
        Grounds::Decision(id) => format!("decision {}", label(id)),
    };
    let from = amount::show_day(it.from);
    format!("{} comes to stage {} from {from} on ({why})", who(it.member), it.stage)
}

fn delegate(
    it: &Delegate,
    who: &dyn Fn(Member) -> String,
    label: &dyn Fn(&EntryId) -> String,
) -> String {
    let scope = match &it.scope {
        Scope::All => "every proposal".to_owned(),
        Scope::Matter(matter) => format!("{} proposals", serde_name(matter)),
        Scope::Circle(code) => format!("proposals of circle {code}"),
        Scope::Proposal(id) => format!("proposal {}", label(id)),
    };
    match it.to {
        Some(to) => {
            let until = amount::show_time(it.until);
            format!("let {} vote on {scope}, if it closes by {until} UTC", who(to))
        }
        None => format!("let nobody vote in my stead on {scope}"),
    }
}
