//! What a statement says about work and decisions beyond the ordinary: disputes, corrections,
//! stages, options, circles, delegations.

use talea_protocol::act::{
    Act, Advance, Content, Course, Delegate, Effect, Extent, Grounds, Method, Propose, Rank, Scope,
    Tally,
};
use talea_protocol::charter::{Change, Member};
use talea_protocol::council::Circle;
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::Office;

use super::{Rows, View, WHOLE, percent, plan, recovery, serde_name};
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
        Act::Delegate(it) => delegate(it, who, label),
        Act::Welcome(it) => {
            format!("admit a {} by decision {}", serde_name(&it.request.kind), label(&it.decision))
        }
        Act::Review(it) => match it.extent {
            Extent::Part(part) => format!("attest {part} of {}", label(&it.contribution)),
            Extent::Quality => format!("attest the quality of {}", label(&it.contribution)),
        },
        other => plan::line(other, who, label),
    }
}

/// What a proposal would do.
pub(super) fn proposed(told: &View<'_>, propose: &Propose) -> String {
    match &propose.effect {
        Effect::Policy => format!("propose a text ({})", serde_name(&propose.matter)),
        Effect::Amend(Change { amendments, .. }) => {
            let all: Vec<String> = amendments.iter().map(super::amendment).collect();
            format!("propose {}", all.join(", "))
        }
        Effect::Remove(member) => format!("propose to remove {}", told.who(*member)),
        Effect::Appoint(office, member) => recovery::appointment(*office, &told.who(*member)),
        Effect::Reform(roster) => format!("propose {}", recovery::roster_line(roster)),
        Effect::Admit(it) => format!("propose to admit a {}, {}", serde_name(&it.kind), it.device),
        Effect::Advance(member, stage) => {
            format!("propose stage {} for {}", told.stage_name(*stage), told.who(*member))
        }
        Effect::Resolve(dispute) => format!("propose to end dispute {}", told.label(dispute)),
        Effect::Correct(id, difference) => {
            format!("propose to correct {} by {difference:+}", told.label(id))
        }
        Effect::Spend(amount) => format!("propose to let {} be spent", told.money(*amount)),
        Effect::Allocate(first, last) => format!(
            "propose to allocate the result of {} to {}",
            amount::show_month(*first),
            amount::show_month(*last)
        ),
        Effect::Agree(id) => {
            format!("propose to bind the cooperative to agreement {}", told.label(id))
        }
    }
}

/// A ranking, the best first, or a score for each option, by their names where the motion is here.
pub(super) fn rank(told: &View<'_>, it: &Rank) -> String {
    let entry = told.book.and_then(|book| book.entry(&it.proposal));
    let motion = entry.and_then(|entry| match entry.content() {
        Content::Known(Act::Motion(motion)) => Some(motion),
        _ => None,
    });
    let name = |place: usize| {
        let option = motion.and_then(|motion| motion.course.options.get(place));
        option.map_or_else(|| format!("option {place}"), ToString::to_string)
    };
    let is_score = motion.is_some_and(|motion| motion.proposal.method == Method::Score);
    let marks = it.marks.iter().enumerate().map(|(place, mark)| {
        if is_score { format!("{} {mark}", name(place)) } else { name(usize::from(*mark)) }
    });
    let (verb, marks) = (if is_score { "score" } else { "rank" }, marks.collect::<Vec<_>>());
    format!("{verb} {}: {}", told.label(&it.proposal), marks.join(", "))
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

/// A member's move to a stage.
pub(super) fn advance(told: &View<'_>, it: &Advance) -> String {
    let why = match &it.grounds {
        Grounds::Milestones { words, .. } => format!("milestones met, {} vouch", words.len()),
        Grounds::Decision(id) => format!("decision {}", told.label(id)),
    };
    let (who, stage) = (told.who(it.member), told.stage_name(it.stage));
    format!("{who} comes to stage {stage} from {} on ({why})", amount::show_day(it.from))
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
        Some(to) if it.until == u64::MAX => format!("let {} vote on {scope}", who(to)),
        Some(to) => {
            let until = amount::show_time(it.until);
            format!("let {} vote on {scope}, if it closes by {until} UTC", who(to))
        }
        None => format!("let nobody vote in my stead on {scope}"),
    }
}
