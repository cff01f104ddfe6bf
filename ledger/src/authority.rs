//! Which decision allows the treasurer what.
//!
//! A decision is a register entry: one that is numbered up to an act's basis has been judged when
//! the act is, so nothing is waited for. README, rules 125 and 136.

use talea_protocol::act::{Effect, Matter, Outcome};
use talea_protocol::bytes::Month;
use talea_protocol::charter::Charter;
use talea_protocol::hash::EntryId;

use crate::chain::Stamp;
use crate::fault::MoneyFault;
use crate::register::Register;
use crate::vote::{Proposal, Votes};

/// The proposal that an adopted decision has put in force under an act's basis.
#[must_use]
pub fn adopted<'a>(
    register: &Register,
    votes: &'a Votes,
    stamp: &Stamp,
    decision: &EntryId,
) -> Option<&'a Proposal> {
    register.number(decision).filter(|number| *number <= stamp.basis)?;
    let is_it = |proposal: &&Proposal| {
        let held = proposal.decision.as_ref();
        held.is_some_and(|held| held.id == *decision && held.outcome == Outcome::Adopted)
    };
    votes.iter().map(|(_, proposal)| proposal).find(is_it)
}

/// Whether so much may be spent: within the charter's limit, or by a decision of which `spent` has
/// been spent before. A decision that is named must stand, whatever the amount.
///
/// # Errors
/// [`MoneyFault`], rule 125.
pub fn spending(
    charter: &Charter,
    decided: Option<Option<&Proposal>>,
    spent: i128,
    amount: i64,
) -> Result<(), MoneyFault> {
    let limit = charter.treasury.expense_limit.map_or(i64::MAX, |limit| limit.value());
    match decided {
        None if amount <= limit => Ok(()),
        None => Err(MoneyFault::ExpenseLimit { limit }),
        Some(None) => Err(MoneyFault::ExpenseLimit { limit: 0 }),
        Some(Some(proposal)) => match allowance(&proposal.act.effect) {
            None => Err(MoneyFault::ExpenseLimit { limit: 0 }),
            Some(most) if spent + i128::from(amount) <= i128::from(most) => Ok(()),
            Some(limit) => Err(MoneyFault::ExpenseLimit { limit }),
        },
    }
}

/// What an effect allows to be spent in all, in minor units. A text sets no limit.
const fn allowance(effect: &Effect) -> Option<i64> {
    match effect {
        Effect::Policy => Some(i64::MAX),
        Effect::Spend(amount) => Some(amount.value()),
        Effect::Amend(_)
        | Effect::Remove(_)
        | Effect::Appoint(..)
        | Effect::Reform(_)
        | Effect::Admit(_)
        | Effect::Advance(..)
        | Effect::Resolve(_)
        | Effect::Correct(..)
        | Effect::Allocate(..)
        | Effect::Agree(_) => None,
    }
}

/// Whether a decision is about the result, and about these months if it names any.
#[must_use]
pub fn allocates(proposal: &Proposal, from: Month, until: Month) -> bool {
    let named = match &proposal.act.effect {
        Effect::Policy => true,
        Effect::Allocate(first, last) => (*first, *last) == (from, until),
        _ => false,
    };
    proposal.act.matter == Matter::Allocation && named
}
