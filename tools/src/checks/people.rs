//! V12 to V21: decisions, parameters, expenses, the bank, closings, the profile, the federation,
//! erasures, provenance, power.

use talea_ledger::terms::month_at;
use talea_ledger::view::decisions::decisions;
use talea_ledger::view::runs::runs;
use talea_protocol::act::{Act, Content, Effect, Outcome};
use talea_protocol::charter::Profile;

use super::{Seen, called};
use crate::explain::sources;
use crate::verify::report::{Cell, power};
use crate::verify::{Audit, Finding, Sum};

pub(super) fn checks(audit: &Audit, sum: &Sum) -> Vec<Seen> {
    vec![
        ballots(audit, sum),
        parameters(audit, sum),
        Seen::nothing("cannot-limit"),
        Seen::nothing("cannot-reconciled"),
        Seen::nothing("cannot-one-export"),
        profile(audit, sum),
        Seen::nothing("cannot-federation"),
        erasures(audit, sum),
        provenance(audit, sum),
        minimum(audit, sum),
    ]
}

/// V12: tally and outcome are rules 62 to 64; here what a cut left out.
fn ballots(audit: &Audit, sum: &Sum) -> Seen {
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
                seen.fail(
                    id,
                    format!("{who}: dated before the vote closed, and left outside its cut"),
                );
            } else {
                seen.note(id, format!("{who}: came after the vote had closed"));
            }
        }
    }
    seen
}

/// V13: each change of a parameter is the effect of an adopted decision.
fn parameters(audit: &Audit, sum: &Sum) -> Seen {
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
            seen.fail(
                id,
                format!("register entry {number} changes the charter without a decision"),
            );
        }
    }
    seen
}

/// V17: the charter keeps its profile's rules (32); changes cannot touch what they are about.
fn profile(audit: &Audit, sum: &Sum) -> Seen {
    let mut seen = Seen::of(1);
    super::from_findings(&mut seen, audit, |it| matches!(it, Finding::Charter { .. }));
    if sum.register.charter().profile == Profile::None {
        seen.note(None, "profile none: no country's rules");
    }
    seen
}

/// V19: what is to be erased is gone, the commitment is there, the ground is told.
fn erasures(audit: &Audit, sum: &Sum) -> Seen {
    let erased = sum.state.erased();
    let mut seen = Seen::of(erased.len());
    super::from_findings(&mut seen, audit, |it| matches!(it, Finding::Payload { .. }));
    for (id, order) in erased {
        let place = called(audit, id);
        if audit.shown.payloads.iter().any(|payload| payload.entry == *id) {
            seen.fail(Some(*id), format!("{place}: its payload is still in the file"));
        }
        let entry = audit.shown.entries.get(id);
        if entry.is_some_and(|entry| entry.header().payload.is_none()) {
            seen.note(Some(*id), format!("{place}: never had a payload"));
        }
        match audit.shown.entries.get(order).map(|entry| entry.content()) {
            Some(Content::Known(Act::Erase(act))) => {
                seen.note(Some(*order), format!("{place}: erased, ground: {}", act.ground));
            }
            _ => seen.fail(Some(*order), format!("{place}: no order tells the ground")),
        }
    }
    seen
}

/// V20: each line of each run leads back to a client, a contribution, an attester and a clause.
fn provenance(audit: &Audit, sum: &Sum) -> Seen {
    let mut seen = Seen::of(0);
    for run in runs(&sum.state) {
        for line in run.lines.iter().filter(|line| line.total > 0) {
            seen.looked_at += 1;
            let found = sources(sum, &run.id, line.line.member);
            if found.contributions.is_empty() || found.receipts.is_empty() {
                let who = crate::verify::text::handle(sum, line.line.member);
                let what = format!(
                    "{}: nothing shows where {who}'s line comes from",
                    called(audit, &run.id)
                );
                seen.fail(Some(run.id), what);
            }
        }
    }
    seen
}

/// V21: the report is `talea-verify power`; what the charter says is too little, fails once the
/// quarter is over for the exporting node.
fn minimum(audit: &Audit, sum: &Sum) -> Seen {
    let report = power(audit, sum);
    let mut seen = Seen::of(report.tables.iter().map(|table| table.rows.len()).sum());
    let now = month_at(audit.shown.time);
    for row in report.tables.last().into_iter().flat_map(|table| &table.rows) {
        let [Cell::Quarter(quarter), who, love, needed, Cell::Word(reached), ..] = row.as_slice()
        else {
            continue;
        };
        if reached == "word-no" {
            let shown = |cell: &Cell| cell.shown(crate::lang::Lang::En);
            let (who, love, needed) = (shown(who), shown(love), shown(needed));
            let what = format!("{who}: {love} love credits of {needed} in {}", shown(&row[0]));
            if now.value() / 3 > *quarter { seen.fail(None, what) } else { seen.note(None, what) }
        }
    }
    seen
}
