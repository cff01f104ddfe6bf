//! The ledger a second time, slow and plain: what the settled entries mean, from the README alone.
//!
//! Written apart from `ledger` and sharing nothing with it but the parsing of entries. Nothing is
//! kept up to date: every question is answered by looking through all settled entries again, and
//! entries are judged in passes until a pass judges none. Where the two differ, one of them does
//! not do what `ledger/README.md` says. Section numbers below are that README's.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Content, Effect};
use talea_protocol::entry::Entry;
use talea_protocol::hash::{EntryId, Hash};

mod register;
mod history;
mod terms;
mod work;
mod votes;
mod money;
mod journal;
mod runs;
mod rows;
mod compare;

pub use compare::differences;
pub use rows::root;

use history::{Fact, History};
use register::Register;

/// What became of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It has its effect.
    Counted,
    /// It waits for something that it names.
    Pending,
    /// It adds nothing, by the rule of this number.
    Void(u16),
}

/// Why an entry is not judged as counting, here and now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stop {
    /// Something that it needs is missing.
    Wait,
    /// The first rule that it breaks.
    Void(u16),
}

/// Accounts as the README numbers them (section 5): kind, then member or code.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Account {
    /// 0: shares of a member.
    Shares(u32),
    /// 1: what a client owes.
    Receivable(String),
    /// 2: what a member is owed.
    Payable(u32),
    /// 3: the bank.
    Bank,
    /// 4: members' pay.
    Pay,
    /// 5: an expense.
    Expense(String),
    /// 6: sales.
    Sales,
    /// 7: what a member has earned.
    Claim(u32),
    /// 8: the other side of claims.
    Issued,
}

/// What a contribution has earned: hundredths of credits, and minutes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Credit {
    /// Before vesting; of care, minutes.
    pub nominal: i64,
    /// Livelihood.
    pub livelihood: i64,
    /// Love.
    pub love: i64,
    /// Care.
    pub care: i64,
}

/// What a set of settled entries adds up to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meaning {
    /// Of every settled entry.
    pub verdicts: BTreeMap<EntryId, Verdict>,
    /// Of every contribution that counts.
    pub credits: BTreeMap<EntryId, Credit>,
    /// Debits minus credits by unit (0 money, 1 livelihood, 2 love, 3 care), none zero.
    pub balances: BTreeMap<(u8, Account), i128>,
    /// Of every proposal that counts: its decision and the outcome's number.
    pub decisions: BTreeMap<EntryId, Option<(EntryId, u32)>>,
    /// Of every run that counts: its month and its payment.
    pub runs: BTreeMap<EntryId, (u32, Option<EntryId>)>,
    /// All rows of section 5, key and value.
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What these settled entries mean. `register` is the register's chain as placed, the charter
/// first; `settled` holds a beginning of every chain, in any order.
///
/// # Panics
/// If `register` does not begin with a charter, or an entry's device is not in it.
#[must_use]
pub fn fold<'a>(register: &[&'a Entry], settled: &[&'a Entry]) -> Meaning {
    let mut history = History::new(Register::read(register), settled);
    judge_all(&mut history);
    Meaning {
        verdicts: history.verdicts(),
        credits: history.credits(),
        balances: history.balances(),
        decisions: history.decisions(),
        runs: history.runs(),
        rows: history.rows(),
    }
}

/// Passes over everything not judged, until nothing is. Acts over cuts come one at a time, and
/// only when nothing else can be judged (section 4).
fn judge_all(history: &mut History<'_>) {
    loop {
        let mut judged = false;
        for over_cut in [false, true] {
            for at in 0..history.facts.len() {
                let fact = &history.facts[at];
                if fact.verdict.is_some() || fact.is_over_cut() != over_cut {
                    continue;
                }
                if let Some(verdict) = judge(history, fact) {
                    history.facts[at].verdict = Some(verdict);
                    judged = true;
                    if over_cut {
                        break;
                    }
                }
            }
            if judged {
                break;
            }
        }
        if !judged {
            return;
        }
    }
}

fn judge(history: &History<'_>, fact: &Fact<'_>) -> Option<Verdict> {
    match examine(history, fact) {
        Ok(()) => Some(Verdict::Counted),
        Err(Stop::Void(rule)) => Some(Verdict::Void(rule)),
        Err(Stop::Wait) => None,
    }
}

fn examine(history: &History<'_>, fact: &Fact<'_>) -> Result<(), Stop> {
    let Content::Known(act) = fact.entry.content() else { return Err(Stop::Wait) };
    if matches!(act, Act::Charter(_)) {
        return Ok(());
    }
    if !history.is_in_force(fact.basis) {
        return Err(Stop::Wait);
    }
    history.may(fact, act)?;
    history.comes_next(fact, act)?;
    match act {
        Act::Admit(_) | Act::Enrol(_) | Act::Revoke(_) | Act::Depart(_) | Act::Heal(_) => {
            history.register.fault(fact.entry.id())
        }
        Act::Remove(it) => history
            .examine_mandate(fact, it.decision, |effect| *effect == Effect::Remove(it.member)),
        Act::HandOver(it) => history.examine_mandate(fact, it.decision, |effect| {
            *effect == Effect::Appoint(it.office, it.holder)
        }),
        Act::Leave => Ok(()),
        Act::Report(report) => history.register.examine_report(fact.member, report, fact.basis),
        Act::Mark(mark) => history.check_cut(fact, &mark.cut),
        Act::Decide(decide) => history.examine_decide(fact, decide),
        Act::Contribution(contribution) => history.examine_contribution(fact, contribution),
        Act::Attest(attest) => history.examine_attest(fact, attest),
        Act::Propose(propose) => history.examine_propose(fact, propose),
        Act::Vote(vote) => history.examine_vote(fact, vote),
        Act::Subscribe(subscribe) => history.examine_subscribe(fact, subscribe),
        Act::Invoice(invoice) => history.examine_invoice(fact, invoice),
        Act::Income(income) => history.examine_income(fact, income),
        Act::Expense(expense) => history.examine_expense(fact, expense),
        Act::Redirect(redirect) => history.examine_redirect(fact, redirect),
        Act::Distribute(run) => history.examine_run(fact, run),
        Act::Pay(pay) => history.examine_pay(fact, pay),
        Act::Close(close) => history.examine_close(fact, close),
        _ => Err(Stop::Wait),
    }
}

impl Meaning {
    /// The state root of section 5.
    #[must_use]
    pub fn root(&self) -> Hash {
        root(&self.rows)
    }
}
