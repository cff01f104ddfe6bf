//! V7 to V11: accounts, credits, runs, disputes, corrections.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::account::{Account, Unit};
use talea_ledger::chain::Place;
use talea_ledger::state::State;
use talea_ledger::terms::month_of;
use talea_ledger::view::contributions::contributions;
use talea_ledger::view::runs::{Run, runs};
use talea_protocol::act::{Act, Content};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use super::{Seen, called, said};
use crate::books::worth;
use crate::lang::Lang;
use crate::verify::{Audit, Sum};

pub(super) fn checks(audit: &Audit, sum: &Sum, lang: Lang) -> Vec<Seen> {
    vec![
        accounts(audit, sum, lang),
        credits(audit, sum, lang),
        lines(audit, sum, lang),
        disputes(audit, sum, lang),
        corrections(audit, sum, lang),
    ]
}

/// V7: the sides of each unit are equal, and no account is below its floor, entry by entry.
fn accounts(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let books = sum.state.books();
    let mut seen = Seen::of(books.iter().count());
    for (unit, excess) in excess(&sum.state) {
        seen.fail(None, said(lang, "found-excess", &[&format!("{unit:?}"), &excess]));
    }
    let floor = sum.register.charter().treasury.overdraft.map_or(0, |it| -i128::from(it.value()));
    for (id, bank) in overdrawn(&sum.state, floor) {
        let bank = lang.amount(bank, sum.register.charter().exponent);
        seen.fail(Some(id), said(lang, "found-overdrawn", &[&called(audit, &id), &bank]));
    }
    seen
}

/// Units whose sides differ.
fn excess(state: &State) -> Vec<(Unit, i128)> {
    let units: BTreeSet<Unit> = state.books().iter().map(|(_, unit, _)| unit).collect();
    let all = units.into_iter().map(|unit| (unit, state.books().sum(unit)));
    all.filter(|(_, excess)| *excess != 0).collect()
}

/// Entries after which the bank holds less than its floor. One chain moves it, in its order.
fn overdrawn(state: &State, floor: i128) -> Vec<(EntryId, i128)> {
    let (mut bank, mut found) = (0, Vec::new());
    for posted in state.posted() {
        let moved = posted.postings.iter().filter(|posting| posting.account == Account::Bank);
        let moved: i128 = moved.map(|posting| posting.amount).sum();
        bank += moved;
        if moved < 0 && bank < floor {
            found.push((posted.id, bank));
        }
    }
    found
}

/// V8: each credit is quantity, rate and vesting as then in force; computed here once more.
fn credits(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let all = contributions(&sum.state);
    let mut seen = Seen::of(all.len());
    for given in &all {
        let Some(record) = sum.state.work().record(&given.id) else { continue };
        let wanted = worth(sum, record, &given.act, i128::from(given.left));
        let found = [given.livelihood, given.love, given.care].map(i128::from);
        if found != wanted {
            let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
            let what = said(lang, "found-credit", &[&called(audit, &given.id), &found, &wanted]);
            seen.fail(Some(given.id), what);
        }
    }
    seen
}

/// V9: what came in is what became of it, and the lines are what was paid. That the lines are
/// those of charter and cut is rule 75; a run that breaks it is void and named.
fn lines(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let all = runs(&sum.state);
    let mut seen = Seen::of(all.iter().map(|run| run.lines.len()).sum());
    for run in &all {
        let paid: i128 = run.lines.iter().map(|line| i128::from(line.total)).sum();
        if paid != i128::from(run.totals.paid) || run.brought < 0 {
            let what = said(lang, "found-lines", &[&called(audit, &run.id), &paid]);
            seen.fail(Some(run.id), what);
        }
        if recomputed(audit, sum, run) == Some(false) {
            seen.fail(Some(run.id), said(lang, "found-run", &[&called(audit, &run.id)]));
        }
    }
    seen
}

/// Whether a run's lines add up with its receipts; `None` if its entry is not there.
fn recomputed(audit: &Audit, sum: &Sum, run: &Run) -> Option<bool> {
    let entry = audit.shown.entries.get(&run.id)?;
    let Content::Known(Act::Distribute(act)) = entry.content() else { return None };
    let receipts: i128 = run.receipts.iter().map(|receipt| receipt.amount).sum();
    let record = sum.state.runs().record(&run.id)?;
    Some(receipts == i128::from(act.totals.receipts) && *record.lines == *act.lines)
}

/// V10: a contribution under an open dispute is in no run whose cut holds the dispute and no end
/// of it; so it waits, and a later run pays it once.
fn disputes(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let mut seen = Seen::of(0);
    for (id, record) in sum.state.work().iter() {
        let disputes = record.contest().map_or(&[][..], |contest| contest.disputes());
        for dispute in disputes {
            seen.looked_at += 1;
            let place = called(audit, &dispute.id);
            for (run, over) in sum.state.runs().iter() {
                let inside = |place: Place| place.inside(&over.cut);
                let open =
                    inside(dispute.place) && !dispute.ends.iter().any(|(_, end)| inside(*end));
                let ended = month_of(record.end()) <= over.period;
                if open && ended && inside(record.place) {
                    let (given, run) = (called(audit, id), called(audit, run));
                    let waited = said(lang, "found-waits", &[&place, &given, &run]);
                    seen.note(Some(dispute.id), waited);
                }
            }
            if dispute.ends.is_empty() {
                seen.note(Some(dispute.id), said(lang, "found-open", &[&place]));
            }
        }
    }
    for (member, taken, earned) in overpaid(sum) {
        let who = crate::verify::text::handle(sum, member);
        seen.note(None, said(lang, "found-debt", &[&who, &taken, &earned]));
    }
    seen
}

/// Members from whose claims runs have taken more than is left of what they earned: something was
/// corrected after it was paid.
fn overpaid(sum: &Sum) -> Vec<(Member, i128, i128)> {
    let mut earned: BTreeMap<Member, i128> = BTreeMap::new();
    for (_, record) in sum.state.work().iter() {
        let credit = i128::from(record.credit.livelihood) + i128::from(record.credit.love);
        *earned.entry(record.author).or_default() += credit;
    }
    let one = |member| {
        let taken = sum.state.runs().taken(member);
        let (taken, earned) =
            (taken.livelihood + taken.love, earned.get(&member).copied().unwrap_or(0));
        (taken > earned).then_some((member, taken, earned))
    };
    (0..).map(Member).take(sum.register.members().len()).filter_map(one).collect()
}

/// V11: each correction names its contribution, and what is left is not below zero.
fn corrections(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let mut seen = Seen::of(0);
    for (id, record) in sum.state.work().iter() {
        let Some(contest) = record.contest() else { continue };
        for correction in contest.corrections() {
            seen.looked_at += 1;
            let (by, given) = (called(audit, &correction.id), called(audit, id));
            let difference = format!("{:+}", correction.difference);
            seen.note(
                Some(correction.id),
                said(lang, "found-correction", &[&by, &difference, &given]),
            );
        }
        let left = i128::from(record.claimed()) + contest.difference(|_| true);
        if left < 0 {
            seen.fail(Some(*id), said(lang, "found-left", &[&called(audit, id), &left]));
        }
    }
    seen
}
