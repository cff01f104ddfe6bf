//! V12 to V21: decisions, parameters, expenses, the bank, closings, the profile, erasures, power.
//! V18 and V20 have files of their own.

use std::collections::BTreeSet;

use talea_ledger::terms::month_at;
use talea_ledger::view::decisions::decisions;
use talea_protocol::act::{Act, Content, Effect, Outcome};
use talea_protocol::charter::Profile;
use talea_protocol::hash::EntryId;

use super::{Seen, called, said};
use crate::lang::Lang;
use crate::verify::report::{Cell, power};
use crate::verify::{Audit, Finding, Sum};

pub(super) fn checks(audit: &Audit, sum: &Sum, lang: Lang) -> Vec<Seen> {
    vec![
        ballots(audit, sum, lang),
        parameters(audit, sum, lang),
        expenses(audit, sum, lang),
        bank(audit, sum, lang),
        Seen::nothing("cannot-one-export"),
        profile(audit, sum, lang),
        super::federation::passages(audit, sum, lang),
        erasures(audit, sum, lang),
        super::provenance::provenance(audit, sum, lang),
        minimum(audit, sum, lang),
    ]
}

/// V12: tally and outcome are rules 62 to 64; here what a cut left out.
fn ballots(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let all = decisions(&sum.register, &sum.state);
    let decided = || all.iter().filter(|question| question.decision.is_some());
    let mut seen = Seen::of(decided().count());
    for question in decided() {
        for outside in &question.outside {
            let at = usize::try_from(outside.seq).unwrap_or(usize::MAX);
            let id = sum.settled.chain(outside.device).get(at).copied();
            let entry = id.and_then(|id| audit.shown.entries.get(&id));
            let in_time = entry.is_some_and(|it| it.header().time <= question.closes);
            let who = id.map_or_else(String::new, |id| called(audit, &id));
            if in_time {
                seen.fail(id, said(lang, "found-ballot", &[&who]));
            } else {
                seen.note(id, said(lang, "found-late-ballot", &[&who]));
            }
        }
    }
    seen
}

/// V13: each change of a parameter is the effect of an adopted decision.
fn parameters(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let changes = sum.state.terms().changes();
    let mut seen = Seen::of(changes.len());
    for (number, change) in changes {
        let id = sum.register.entry(*number);
        let act = id.and_then(|id| audit.shown.entries.get(&id)).map(|entry| entry.content());
        let proposal = match act {
            Some(Content::Known(Act::Decide(it))) if it.outcome == Outcome::Adopted => {
                sum.state.votes().proposal(&it.proposal)
            }
            _ => None,
        };
        let orders = proposal.is_some_and(|it| it.act.effect == Effect::Amend(change.clone()));
        if !orders {
            seen.fail(id, said(lang, "found-change", &[number]));
        }
    }
    seen
}

/// V14: expenses above the charter's limit name a decision (125); what shows what they were for
/// is in their payloads.
fn expenses(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let Some(limit) = sum.register.charter().treasury.expense_limit else {
        return Seen::nothing("cannot-limit");
    };
    let mut seen = Seen::of(0);
    for posted in sum.state.posted() {
        let Some(entry) = audit.shown.entries.get(&posted.id) else { continue };
        let Content::Known(Act::Expense(act)) = entry.content() else { continue };
        if act.amount > limit {
            seen.looked_at += 1;
            let place = called(audit, &posted.id);
            if act.decision.is_none() {
                seen.fail(Some(posted.id), said(lang, "found-undecided", &[&place]));
            }
            if entry.header().payload.is_none() {
                seen.fail(Some(posted.id), said(lang, "found-unproven", &[&place]));
            }
        }
    }
    seen
}

/// V15: what the bank said against what the books said at each statement.
fn bank(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let statements = sum.state.treasury().documents().statements();
    if statements.is_empty() {
        return Seen::nothing("cannot-reconciled");
    }
    let mut seen = Seen::of(statements.len());
    for statement in statements.iter().filter(|statement| statement.difference() != 0) {
        let exponent = sum.register.charter().exponent;
        let shown = |amount: i128| lang.amount(amount, exponent);
        let (bank, books) = (shown(statement.balance.into()), shown(statement.booked));
        let place = called(audit, &statement.id);
        seen.fail(Some(statement.id), said(lang, "found-bank", &[&place, &bank, &books]));
    }
    seen
}

/// V17: the charter keeps its profile's rules (32), and so does each allocation (139 to 141).
fn profile(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let mut seen = Seen::of(1 + sum.state.treasury().documents().allocations().len());
    super::from_findings(&mut seen, audit, lang, |it| matches!(it, Finding::Charter { .. }));
    if sum.register.charter().profile == Profile::None {
        seen.note(None, lang.say("found-no-profile"));
    }
    seen
}

/// V19: what is to be erased is gone, the commitment is there, the ground is told.
fn erasures(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let erased = sum.state.erased();
    let mut seen = Seen::of(erased.len());
    super::from_findings(&mut seen, audit, lang, |it| matches!(it, Finding::Payload { .. }));
    let payloads = audit.shown.payloads.iter().map(|payload| payload.entry);
    let there: BTreeSet<EntryId> = payloads.collect();
    for (id, order) in erased {
        let place = called(audit, id);
        if there.contains(id) {
            seen.fail(Some(*id), said(lang, "found-payload", &[&place]));
        }
        let entry = audit.shown.entries.get(id);
        if entry.is_some_and(|entry| entry.header().payload.is_none()) {
            seen.note(Some(*id), said(lang, "found-no-payload", &[&place]));
        }
        match audit.shown.entries.get(order).map(|entry| entry.content()) {
            Some(Content::Known(Act::Erase(act))) => {
                seen.note(Some(*order), said(lang, "found-erased", &[&place, &act.ground]));
            }
            _ => seen.fail(Some(*order), said(lang, "found-no-ground", &[&place])),
        }
    }
    seen
}

/// V21: the report is `talea-verify power`; what the charter says is too little, fails once the
/// quarter is over for the exporting node.
fn minimum(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let report = power(audit, sum);
    let mut seen = Seen::of(report.tables.iter().map(|table| table.rows.len()).sum());
    let now = month_at(audit.shown.time);
    for row in report.tables.last().into_iter().flat_map(|table| &table.rows) {
        let [Cell::Quarter(quarter), who, love, needed, Cell::Word(reached), ..] = row.as_slice()
        else {
            continue;
        };
        if reached == "word-no" {
            let shown = |cell: &Cell| cell.shown(lang);
            let (who, love, needed) = (shown(who), shown(love), shown(needed));
            let what = said(lang, "found-minimum", &[&who, &love, &needed, &shown(&row[0])]);
            if now.value() / 3 > *quarter { seen.fail(None, what) } else { seen.note(None, what) }
        }
    }
    seen
}
