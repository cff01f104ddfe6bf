//! V7 to V11: accounts, credits, runs, disputes, corrections.

use talea_ledger::account::{Account, Unit};
use talea_ledger::state::State;
use talea_ledger::terms::{When, month_of};
use talea_ledger::view::contributions::{Given, contributions};
use talea_ledger::view::runs::{Run, runs};
use talea_protocol::act::{Act, Content, Stream};
use talea_protocol::hash::EntryId;

use super::{Seen, called};
use crate::lang::Lang;
use crate::verify::{Audit, Sum};

pub(super) fn checks(audit: &Audit, sum: &Sum) -> Vec<Seen> {
    vec![
        accounts(audit, sum),
        credits(audit, sum),
        lines(audit, sum),
        Seen::nothing("cannot-version"),
        Seen::nothing("cannot-version"),
    ]
}

/// V7: the sides of each unit are equal, and no account is below its floor, entry by entry.
fn accounts(audit: &Audit, sum: &Sum) -> Seen {
    let books = sum.state.books();
    let mut seen = Seen::of(books.iter().count());
    for (unit, excess) in excess(&sum.state) {
        seen.fail(None, format!("debits of {unit:?} exceed credits by {excess}"));
    }
    for (id, bank) in overdrawn(&sum.state) {
        let bank = Lang::En.amount(bank, sum.register.charter().exponent);
        seen.fail(Some(id), format!("{}: leaves {bank} at the bank", called(audit, &id)));
    }
    seen
}

/// Units whose sides differ.
fn excess(state: &State) -> Vec<(Unit, i128)> {
    let all = Unit::ALL.map(|unit| (unit, state.books().sum(unit)));
    all.into_iter().filter(|(_, excess)| *excess != 0).collect()
}

/// Entries after which the bank holds less than nothing. One chain moves it, in its order.
fn overdrawn(state: &State) -> Vec<(EntryId, i128)> {
    let (mut bank, mut found) = (0, Vec::new());
    for posted in state.posted() {
        let moved = posted.postings.iter().filter(|posting| posting.account == Account::Bank);
        let moved: i128 = moved.map(|posting| posting.amount).sum();
        bank += moved;
        if moved < 0 && bank < 0 {
            found.push((posted.id, bank));
        }
    }
    found
}

/// V8: each credit is quantity, rate and vesting as then in force; computed here once more.
fn credits(audit: &Audit, sum: &Sum) -> Seen {
    let all = contributions(&sum.state);
    let mut seen = Seen::of(all.len());
    for given in &all {
        let wanted = credit(sum, given);
        let found = [given.livelihood, given.love, given.care].map(i128::from);
        if found != wanted {
            let what =
                format!("{}: credited {found:?}, earned {wanted:?}", called(audit, &given.id));
            seen.fail(Some(given.id), what);
        }
    }
    seen
}

/// Livelihood, love and care of a contribution, by the charter and the attestations that it has.
fn credit(sum: &Sum, given: &Given) -> [i128; 3] {
    let (charter, terms, register) = (sum.register.charter(), sum.state.terms(), &sum.register);
    let Some(record) = sum.state.work().record(&given.id) else { return [0; 3] };
    let mut attesters = Vec::new();
    let mut at = record.basis;
    for word in &record.attestations {
        if attesters.len() < usize::from(record.needed) && !attesters.contains(&word.member) {
            attesters.push(word.member);
            at = at.max(word.basis);
        }
    }
    let author = register.member(given.author);
    let stage = author.and_then(|author| charter.stages.get(usize::from(author.stage)));
    let Some(stage) = stage.filter(|_| attesters.len() >= usize::from(record.needed)) else {
        return [0; 3];
    };
    let (quantity, when) =
        (i128::from(given.act.quantity.value()), When { at, month: month_of(given.act.end) });
    let vested = |amount: i128, share: u16| amount * i128::from(share) / 10_000;
    if given.act.stream == Stream::Care {
        return [0, 0, vested(quantity, stage.care.value())];
    }
    let rate = terms.rate(charter, when, &given.act.task).map_or(0, |worth| worth.credits);
    let nominal = quantity * i128::from(rate);
    let internal = i128::from(terms.internal_price(charter, when));
    let price = given.act.job.as_ref().and_then(|job| terms.price(charter, when, job.tier));
    let livelihood = match (given.act.stream, price.map(i128::from)) {
        (Stream::Livelihood, Some(price)) if price < internal => nominal * price / internal,
        (Stream::Livelihood, _) => nominal,
        (Stream::Love | Stream::Care, _) => 0,
    };
    let love = nominal - livelihood;
    [vested(livelihood, stage.livelihood.value()), vested(love, stage.love.value()), 0]
}

/// V9: what came in is what became of it, and the lines are what was paid. That the lines are
/// those of charter and cut is rule 75; a run that breaks it is void and named.
fn lines(audit: &Audit, sum: &Sum) -> Seen {
    let all = runs(&sum.state);
    let mut seen = Seen::of(all.iter().map(|run| run.lines.len()).sum());
    for run in &all {
        let paid: i128 = run.lines.iter().map(|line| i128::from(line.total)).sum();
        if paid != i128::from(run.totals.paid) || run.brought < 0 {
            let what = format!("{}: lines add up to {paid}", called(audit, &run.id));
            seen.fail(Some(run.id), what);
        }
        if let Some(wanted) = recomputed(audit, sum, run).filter(|same| !same) {
            seen.fail(
                Some(run.id),
                format!("{}: recomputed otherwise ({wanted})", called(audit, &run.id)),
            );
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
