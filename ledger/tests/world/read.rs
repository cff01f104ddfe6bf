//! Everything that people read of a state, as one document. The package of the simulated world reads
//! the same by this file.

use serde_json::{Value, json};
use talea_ledger::register::Register;
use talea_ledger::state::State;
use talea_ledger::terms::month_of;
use talea_ledger::view::accounts::{accounts, claims};
use talea_ledger::view::contributions::contributions;
use talea_ledger::view::decisions::decisions;
use talea_ledger::view::journal::journal;
use talea_ledger::view::members::{members, statement};
use talea_ledger::view::minimums::minimums;
use talea_ledger::view::partners::partners;
use talea_ledger::view::plans::{agreements, commitments, intents, resources};
use talea_ledger::view::purses::purses;
use talea_ledger::view::runs::{flows, runs};
use talea_protocol::bytes::Day;
use talea_protocol::charter::Member;

/// A day in the first quarter of 2026, in which the stories told here begin.
const DAY: i32 = 20_458;

/// Every view.
pub fn read(register: &Register, state: &State) -> Value {
    let runs = runs(state);
    let numbers = (0..).map(Member).take(register.members().len());
    let statements: Vec<_> = numbers.map(|member| statement(register, state, member)).collect();
    json!({
        "accounts": accounts(register.charter(), state.books()),
        "agreements": agreements(state),
        "claims": claims(register, state.books()),
        "commitments": commitments(state),
        "contributions": contributions(state),
        "decisions": decisions(register, state),
        "flows": flows(&runs),
        "intents": intents(state),
        "journal": journal(register, state),
        "members": members(register, state),
        "minimums": minimums(register, state, month_of(Day::new(DAY).unwrap())),
        "partners": partners(state),
        "purses": purses(register, state),
        "resources": resources(state),
        "runs": runs,
        "statements": statements,
    })
}

/// Views in which two states differ, with what they say.
pub fn unlike(register: &Register, one: &State, other: &State) -> Vec<String> {
    let (one, other) = (read(register, one), read(register, other));
    let views = one.as_object().unwrap().iter();
    views
        .filter(|(name, view)| other[name.as_str()] != **view)
        .map(|(name, view)| format!("{name}: {view}\nor {}", other[name.as_str()]))
        .collect()
}
