//! What becomes of a result: reserves first, then what the members decided.
//!
//! The result is that of closed months, by the journal's numbered bookings, so that it cannot
//! change afterwards. What must stay in reserve, and what interest may be paid, follows from the
//! charter and from the form of the cooperative. Rules 136 to 141. Design's domain, section 2.

use talea_protocol::act::Outcome;
use talea_protocol::charter::{Charter, Member};
use talea_protocol::money::{Allocate, Part, Reserve};

use crate::account::{Account, Books, Posting, Unit};
use crate::authority::allocates;
use crate::capital::known;
use crate::chain::Stamp;
use crate::documents::Allocation;
use crate::fault::MoneyFault;
use crate::form::form;
use crate::money::{Booking, Flow, Note, Treasury, stays};
use crate::profile::WHOLE;
use crate::register::Register;
use crate::terms::month_after;
use crate::verdict::Void;
use crate::vote::Proposal;

/// What an allocation is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// Members and charter.
    pub register: &'a Register,
    /// What is booked, closed and allocated.
    pub treasury: &'a Treasury,
    /// Balances.
    pub books: &'a Books,
    /// The proposal that the decision has put in force, if it is adopted.
    pub decided: Option<&'a Proposal>,
}

/// Judges an allocation.
///
/// # Errors
/// [`Void`], rules 43, 72 and 136 to 141.
pub fn allocate(on: &Grounds<'_>, stamp: &Stamp, act: &Allocate) -> Result<Booking, Void> {
    let decision = act.decision;
    let done = on.treasury.documents().allocations();
    let stands = on.decided.is_some_and(|it| adopted(it) && allocates(it, act.from, act.until));
    if !stands || done.iter().any(|before| before.decision == decision) {
        return Err(MoneyFault::Decision { id: decision }.into());
    }
    months(on.treasury, act)?;
    for part in act.interest.iter().chain(&act.refunds) {
        known(on.register, part.member, stamp)?;
    }
    sums(on, act)?;
    reserves(on, act)?;
    if !act.refunds.is_empty() && !form(on.register.charter().profile).refunds {
        return Err(MoneyFault::Refund.into());
    }
    interest(on, act)?;
    let postings = postings(act);
    if !stays(on.books, &postings) {
        return Err(Void::Range);
    }
    let (id, from, until) = (stamp.id, act.from, act.until);
    let note = Note::Allocation(Allocation { id, decision, from, until });
    Ok(Booking { postings, date: Some(act.date), note })
}

/// What the closed months from one to another brought, by the numbered bookings.
#[must_use]
pub fn result(
    register: &Register,
    treasury: &Treasury,
    from: talea_protocol::bytes::Month,
    until: talea_protocol::bytes::Month,
) -> i128 {
    let profile = register.charter().profile;
    treasury.journal().result(from, until, |account| account.is_result(profile))
}

fn adopted(proposal: &Proposal) -> bool {
    proposal.decision.as_ref().is_some_and(|held| held.outcome == Outcome::Adopted)
}

/// Rule 137.
fn months(treasury: &Treasury, act: &Allocate) -> Result<(), MoneyFault> {
    let next = treasury.documents().allocations().last().map(|last| month_after(last.until));
    let in_order = next.is_none_or(|next| next == act.from) && act.from <= act.until;
    let closed = treasury.closed().is_some_and(|closed| act.until <= closed);
    if in_order && closed { Ok(()) } else { Err(MoneyFault::Months { next }) }
}

/// Rule 138. What is carried forward is below zero only after a loss.
fn sums(on: &Grounds<'_>, act: &Allocate) -> Result<(), MoneyFault> {
    let result = result(on.register, on.treasury, act.from, act.until);
    let reserves = [act.legal, act.statutory, act.other].map(i128::from);
    let parts = reserves.iter().sum::<i128>()
        + total(&act.interest)
        + total(&act.refunds)
        + i128::from(act.carried);
    let carried = act.carried >= 0 || act.result < 0;
    if result == i128::from(act.result) && parts == result && carried {
        Ok(())
    } else {
        Err(MoneyFault::Result { result, parts })
    }
}

/// Rule 139, without rounding: shares of shares are compared by cross-multiplication.
fn reserves(on: &Grounds<'_>, act: &Allocate) -> Result<(), MoneyFault> {
    let charter = on.register.charter();
    let (whole, result) = (i128::from(WHOLE), i128::from(act.result.max(0)));
    let legal_share = i128::from(charter.reserves.legal.value());
    let statutory_share = i128::from(charter.reserves.statutory.value());
    let kept = i128::from(act.legal) + i128::from(act.statutory);
    // Of 10,000 × 10,000.
    let mut legal_due = result * legal_share * whole;
    if let Some(ceiling) = charter.treasury.legal_ceiling {
        let held = -on.books.net(&Account::Reserve(Reserve::Legal), Unit::Money);
        let room = (i128::from(ceiling.value()) - held).max(0);
        legal_due = legal_due.min(room * whole * whole);
    }
    let rest = result * whole * whole - legal_due;
    let kept_due = legal_due * whole + rest * statutory_share;
    let enough = i128::from(act.legal) * whole * whole >= legal_due
        && kept * whole * whole * whole >= kept_due;
    if enough { Ok(()) } else { Err(MoneyFault::Reserves { legal: act.legal, kept }) }
}

/// Rule 141. Interest is paid on shares, by the year; public aid is no part of what it is paid
/// from, and neither is what must stay in reserve of the rest.
fn interest(on: &Grounds<'_>, act: &Allocate) -> Result<(), MoneyFault> {
    let charter = on.register.charter();
    let most = most_interest(charter, i128::from(act.result), aid(on.treasury, act));
    let months = i128::from(act.until.value().saturating_sub(act.from.value())) + 1;
    let cap = i128::from(charter.treasury.interest_cap.value());
    let fits = |part: &Part| {
        let shares = -on.books.net(&Account::Shares(part.member), Unit::Money);
        i128::from(part.amount.value()) * i128::from(WHOLE) * 12 <= shares * cap * months
    };
    let each = act.interest.iter().all(fits) && ascending(&act.interest) && ascending(&act.refunds);
    if each && total(&act.interest) <= most { Ok(()) } else { Err(MoneyFault::Interest { most }) }
}

fn most_interest(charter: &Charter, result: i128, aid: i128) -> i128 {
    let whole = i128::from(WHOLE);
    let legal = i128::from(charter.reserves.legal.value());
    let rest = whole - legal;
    let free = rest * (whole - i128::from(charter.reserves.statutory.value()));
    (result - aid).max(0) * free / (whole * whole)
}

/// Public aid received in the months.
fn aid(treasury: &Treasury, act: &Allocate) -> i128 {
    let months = act.from..=act.until;
    let received = treasury.flows().iter().filter(|booked| months.contains(&booked.month));
    received
        .map(|booked| match booked.flow {
            Flow::Income { amount, aid: true, .. } => i128::from(amount),
            Flow::Income { .. } | Flow::Expense { .. } => 0,
        })
        .sum()
}

fn ascending(parts: &[Part]) -> bool {
    parts.is_sorted_by(|one, next| one.member < next.member)
}

fn total(parts: &[Part]) -> i128 {
    parts.iter().map(|part| i128::from(part.amount.value())).sum()
}

fn postings(act: &Allocate) -> Vec<Posting> {
    let post = |account, amount| Posting { account, unit: Unit::Money, amount };
    let due = |part: &Part| (part.member, i128::from(part.amount.value()));
    let mut members: std::collections::BTreeMap<Member, i128> =
        act.interest.iter().map(due).collect();
    for (member, amount) in act.refunds.iter().map(due) {
        *members.entry(member).or_insert(0) += amount;
    }
    let reserve = |reserve, amount: u64| post(Account::Reserve(reserve), -i128::from(amount));
    let mut postings = vec![
        post(Account::Result, i128::from(act.result)),
        reserve(Reserve::Legal, act.legal),
        reserve(Reserve::Statutory, act.statutory),
        reserve(Reserve::Other, act.other),
        post(Account::Carried, -i128::from(act.carried)),
    ];
    postings
        .extend(members.into_iter().map(|(member, amount)| post(Account::Due(member), -amount)));
    postings.retain(|posting| posting.amount != 0);
    postings
}
