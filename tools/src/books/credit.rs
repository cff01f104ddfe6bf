//! What a contribution was credited, once: by its attestations, and by what put it right.
//!
//! In the ledger a credit changes as attestations and corrections arrive, so how it got there depends
//! on their order. Books say what does not: the credit of what was claimed, beside the last
//! attestation that it needed, and the difference that corrections made, beside the last of them.

use std::collections::BTreeMap;

use talea_ledger::account::{Account, Posting, Unit};
use talea_ledger::contribution::Record;
use talea_ledger::terms::{When, month_of};
use talea_protocol::act::{Act, Content, Contribution, Effect, Stream};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use super::{Transaction, gather, paper};
use crate::origin::{Standing, standing};
use crate::verify::{Audit, Sum};

/// The credit transactions, two at most for each contribution and unit; others as they are.
pub fn one_each(audit: &Audit, sum: &Sum, all: Vec<Transaction>) -> Vec<Transaction> {
    let mut sums: BTreeMap<(EntryId, Unit), Vec<Transaction>> = BTreeMap::new();
    let mut rest = Vec::new();
    for transaction in all {
        match about(audit, sum, &transaction.id).filter(|_| transaction.unit != Unit::Money) {
            Some(given) => sums.entry((given, transaction.unit)).or_default().push(transaction),
            None => rest.push(transaction),
        }
    }
    for ((given, unit), all) in sums {
        let line = |one: &Transaction| {
            let lines = one.lines.clone().into_iter();
            lines.map(|(account, amount)| Posting { account, unit, amount }).collect::<Vec<_>>()
        };
        let whole = gather(&all.iter().flat_map(line).collect::<Vec<_>>());
        let Some(record) = sum.state.work().record(&given) else { continue };
        let place = usize::from(record.needed).checked_sub(1);
        let last = place.and_then(|place| record.attestations.get(place)).map(|it| it.id);
        let base = claimed(sum, &given, unit, record.author);
        let left = gather(&[line_of(&whole, unit), negated(&base, unit)].concat());
        let last_correction =
            record.contest().and_then(|it| it.corrections().last()).map(|it| it.id);
        for (lines, by) in [(base, last), (left, last_correction.or(last))] {
            let entry = by.and_then(|id| audit.shown.entries.get(&id));
            if let (Some(entry), Some(first), false) = (entry, all.first(), lines.is_empty())
                && let Content::Known(act) = entry.content()
                && let Some(place) = sum.state.chains().place(&entry.id())
            {
                let about = paper::describe(audit, sum, entry, act, &lines, None);
                let (id, date) = (entry.id(), about.date);
                let (piece, label) = (about.piece, about.label);
                let booked = date;
                rest.push(Transaction {
                    id,
                    place,
                    date,
                    booked,
                    piece,
                    label,
                    lines,
                    ..first.clone()
                });
            }
        }
    }
    rest
}

fn line_of(lines: &[(Account, i128)], unit: Unit) -> Vec<Posting> {
    let posting = |(account, amount): &(Account, i128)| Posting {
        account: account.clone(),
        unit,
        amount: *amount,
    };
    lines.iter().map(posting).collect()
}

fn negated(lines: &[(Account, i128)], unit: Unit) -> Vec<Posting> {
    let mut lines = line_of(lines, unit);
    lines.iter_mut().for_each(|posting| posting.amount = -posting.amount);
    lines
}

/// What the whole claim is worth, as lines.
fn claimed(sum: &Sum, given: &EntryId, unit: Unit, author: Member) -> Vec<(Account, i128)> {
    let record = sum.state.work().record(given);
    let quantity = record.map_or(0, |record| i128::from(record.claimed()));
    let [livelihood, love, care] = credit(sum, given, quantity);
    let amount = match unit {
        Unit::Livelihood => livelihood,
        Unit::Love => love,
        Unit::Care => care,
        Unit::Money | Unit::Internal(_) => 0,
    };
    if amount == 0 {
        Vec::new()
    } else {
        vec![(Account::Issued, amount), (Account::Claim(author), -amount)]
    }
}

/// The contribution that an attestation, a correction or a decision is about.
fn about(audit: &Audit, sum: &Sum, id: &EntryId) -> Option<EntryId> {
    match audit.shown.entries.get(id)?.content() {
        Content::Known(Act::Attest(act)) => Some(act.contribution),
        Content::Known(Act::Review(act)) => Some(act.contribution),
        Content::Known(Act::Correct(act)) => Some(act.contribution),
        Content::Known(Act::Decide(act)) => {
            match sum.state.votes().proposal(&act.proposal)?.act.effect {
                Effect::Correct(contribution, _) => Some(contribution),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Livelihood, love and care of so much of a contribution, by the charter as in force and the
/// attestations that it has; computed here once more, for the ledger's credit to be compared with.
#[must_use]
pub fn credit(sum: &Sum, given: &EntryId, quantity: i128) -> [i128; 3] {
    let record = sum.state.work().record(given);
    record.map_or([0; 3], |record| worth(sum, record, &record.act(), quantity))
}

/// The same of a contribution whose act is at hand.
#[must_use]
pub fn worth(sum: &Sum, record: &Record, act: &Contribution, quantity: i128) -> [i128; 3] {
    let (charter, terms) = (sum.register.charter(), sum.state.terms());
    let Some(Standing { at, most, .. }) = standing(record, |_| true) else { return [0; 3] };
    let Some(stage) = sum.state.law(&sum.register).vesting(record.author, at, act.end) else {
        return [0; 3];
    };
    let quantity = quantity.min(i128::from(most));
    let when = When { at, month: month_of(act.end) };
    let vested = |amount: i128, share: u16| amount * i128::from(share) / 10_000;
    if act.stream == Stream::Care {
        return [0, 0, vested(quantity, stage.care.value())];
    }
    let rate = terms.rate(charter, when, &act.task).map_or(0, |worth| worth.credits);
    let nominal = quantity * i128::from(rate);
    let internal = i128::from(terms.internal_price(charter, when));
    let price = act.job.as_ref().and_then(|job| terms.price(charter, when, job.tier));
    let livelihood = match (act.stream, price.map(i128::from)) {
        (Stream::Livelihood, Some(price)) if price < internal => nominal * price / internal,
        (Stream::Livelihood, _) => nominal,
        (Stream::Love | Stream::Care, _) => 0,
    };
    let love = nominal - livelihood;
    [vested(livelihood, stage.livelihood.value()), vested(love, stage.love.value()), 0]
}
