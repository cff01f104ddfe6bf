//! Where the ledger's state and the reference say different things, in words.

use std::collections::BTreeMap;
use std::fmt::Debug;

use talea_ledger::account::{self, Unit};
use talea_ledger::state::State;
use talea_ledger::verdict;
use talea_protocol::act::Outcome;

use super::{Account, Credit, Meaning, Verdict};

/// Every difference between what the reference and what the ledger make of the same entries.
#[must_use]
pub fn differences(meaning: &Meaning, state: &mut State) -> Vec<String> {
    let mut found = Vec::new();
    for (id, expected) in &meaning.verdicts {
        let given = state.verdict(id).map(plain);
        if given != Some(*expected) {
            found.push(format!("{id}: {expected:?} by the reference, {given:?} by the ledger"));
        }
    }
    let credits = state.work().iter().map(|(id, record)| (*id, credit(record.credit))).collect();
    compare(&mut found, "credit", &meaning.credits, &credits);
    let net = |(account, unit, balance): (&account::Account, Unit, account::Balance)| {
        ((number(unit), of(account)), balance.net())
    };
    let balances = state.books().iter().map(net).filter(|(_, net)| *net != 0).collect();
    compare(&mut found, "balance", &meaning.balances, &balances);
    let decisions = state.votes().iter().map(|(id, proposal)| {
        let decision = proposal.decision.as_ref();
        (*id, decision.map(|decision| (decision.id, outcome(decision.outcome))))
    });
    compare(&mut found, "decision", &meaning.decisions, &decisions.collect());
    let runs = state.runs().iter().map(|(id, run)| {
        (*id, (run.period.value(), run.payment.as_ref().map(|payment| payment.id)))
    });
    compare(&mut found, "run", &meaning.runs, &runs.collect());
    if state.root() != meaning.root() {
        found.push(format!(
            "root {} by the reference, {} by the ledger",
            meaning.root(),
            state.root()
        ));
    }
    found
}

fn compare<K: Debug + Ord, V: Debug + PartialEq>(
    found: &mut Vec<String>,
    what: &str,
    expected: &BTreeMap<K, V>,
    given: &BTreeMap<K, V>,
) {
    let keys = expected.keys().chain(given.keys().filter(|key| !expected.contains_key(key)));
    for key in keys {
        let (expected, given) = (expected.get(key), given.get(key));
        if expected != given {
            found.push(format!(
                "{what} {key:?}: {expected:?} by the reference, {given:?} by the ledger"
            ));
        }
    }
}

fn plain(verdict: verdict::Verdict) -> Verdict {
    match verdict {
        verdict::Verdict::Counted => Verdict::Counted,
        verdict::Verdict::Pending(_) => Verdict::Pending,
        verdict::Verdict::Void(void) => Verdict::Void(void.rule()),
    }
}

fn credit(credit: talea_ledger::contribution::Credit) -> Credit {
    let talea_ledger::contribution::Credit { nominal, livelihood, love, care } = credit;
    Credit { nominal, livelihood, love, care }
}

fn outcome(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Adopted => 0,
        Outcome::Rejected => 1,
        Outcome::NoQuorum => 2,
        Outcome::Blocked => 3,
    }
}

fn number(unit: Unit) -> u8 {
    match unit {
        Unit::Money => 0,
        Unit::Livelihood => 1,
        Unit::Love => 2,
        Unit::Care => 3,
        Unit::Internal(_) => panic!("no charter here has units of its own"),
    }
}

fn of(account: &account::Account) -> Account {
    match account {
        account::Account::Shares(member) => Account::Shares(member.0),
        account::Account::Receivable(client) => Account::Receivable(client.to_string()),
        account::Account::Payable(member) => Account::Payable(member.0),
        account::Account::Bank => Account::Bank,
        account::Account::Pay => Account::Pay,
        account::Account::Expense(code) => Account::Expense(code.to_string()),
        account::Account::Sales => Account::Sales,
        account::Account::Claim(member) => Account::Claim(member.0),
        account::Account::Issued => Account::Issued,
        other => panic!("nobody here posts to {other:?}"),
    }
}
