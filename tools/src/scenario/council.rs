//! Steps of the council and the treasury beyond a month's business: disputes, corrections, stages,
//! delegations, departures, redemptions, allocations.

use serde::Deserialize;
use talea_protocol::act::{
    Act, Advance, Attest, Correct, Delegate, Dispute, Effect, Grounds, Outcome, Scope, Withdraw,
};
use talea_protocol::bytes::{List, Month, Quantity};
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, Signature};
use talea_protocol::money::{Allocate, Redeem, redemption};
use talea_protocol::recovery::{Approval, Depart, departure};

use super::agreement::agreement;
use super::bodies::{Shares, Target};
use super::{Script, Step, StepFault, code, person, place};
use crate::book::Book;
use crate::draft;

#[derive(Deserialize)]
struct Disputed {
    target: u32,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Withdrawn {
    dispute: u32,
}

#[derive(Deserialize)]
struct Corrected {
    target: u32,
    delta: i64,
}

#[derive(Deserialize)]
struct Staged {
    member: String,
    stage: String,
}

#[derive(Deserialize)]
struct Proxied {
    to: String,
    proposal: String,
}

#[derive(Deserialize)]
struct Allocated {
    result_of: String,
}

impl Script<'_> {
    /// The act of such a step.
    pub(super) fn council(
        &self,
        step: &Step,
        book: &Book,
    ) -> Result<(Act, Option<String>), StepFault> {
        let plain = |act| Ok((act, None));
        match step.kind.as_str() {
            "attest" => {
                let Target { target } = step.body()?;
                plain(Act::Attest(Attest { contribution: self.step(target)? }))
            }
            "dispute" => {
                let Disputed { target, reason } = step.body()?;
                let contribution = self.step(target)?;
                Ok((Act::Dispute(Dispute { contribution }), Some(reason)))
            }
            "dispute.withdraw" => {
                let Withdrawn { dispute } = step.body()?;
                plain(Act::Withdraw(Withdraw { dispute: self.step(dispute)? }))
            }
            "correct" => {
                let Corrected { target, delta } = step.body()?;
                let contribution = self.step(target)?;
                plain(Act::Correct(Correct { contribution, difference: delta }))
            }
            "member.stage" => {
                let Staged { member, stage } = step.body()?;
                let stages = &book.register().charter().stages;
                let stage = place(stages.iter().map(|stage| stage.code.as_str()), &stage)?;
                let words = List::default();
                let grounds = Grounds::Milestones { cut: draft::cut(book), words };
                let member = person(book, &member)?;
                plain(Act::Advance(Advance { member, stage, from: step.day()?, grounds }))
            }
            "delegate" => {
                let Proxied { to, proposal } = step.body()?;
                let scope = Scope::Proposal(self.decided(&proposal)?);
                let to = Some(person(book, &to)?);
                plain(Act::Delegate(Delegate { to, scope, until: u64::MAX }))
            }
            "agreement" => agreement(step, book),
            "member.leave" => plain(Act::Leave),
            "share.redeem" => plain(Act::Redeem(self.redeem(step, book)?)),
            "allocation" => plain(Act::Allocate(Box::new(allocate(step, book)?))),
            _ => Err(StepFault::Type),
        }
    }

    /// What the registrar writes after a step: who leaves departs.
    pub(super) fn departure(&self, step: &Step, book: &Book) -> Result<Act, StepFault> {
        let member = person(book, &step.author)?;
        let missing = || StepFault::Member(step.author.clone());
        let key = self.keys.get(&step.author).ok_or_else(missing)?;
        let register = book.register();
        let (device, _) = register.devices_of(member).next().ok_or_else(missing)?;
        let length = book.state().length(device);
        let mut root = CutRoot::new();
        if let Some(last) = book.state().last(device) {
            root.add(&key.device(), length, &last);
        }
        let mut lengths = vec![0; usize::try_from(device).unwrap_or(usize::MAX)];
        lengths.push(length);
        let lengths = List::new(lengths).ok_or_else(missing)?;
        let cut = Cut { at: register.head().1, lengths, root: root.finish() };
        let signed = departure(&register.cooperative(), member);
        let signature = key.sign(Purpose::Departure, &signed);
        Ok(Act::Depart(Depart { member, cut, word: Approval { device: key.device(), signature } }))
    }

    fn step(&self, n: u32) -> Result<EntryId, StepFault> {
        self.steps.get(&n).copied().ok_or_else(|| StepFault::Named(n.to_string()))
    }

    fn redeem(&self, step: &Step, book: &Book) -> Result<Redeem, StepFault> {
        let Shares { member: handle, amount } = step.body()?;
        let member = person(book, &handle)?;
        let key = self.keys.get(&handle).ok_or(StepFault::Member(handle))?;
        let mut redeem = Redeem {
            member,
            amount: Quantity::new(amount)?,
            date: step.day()?,
            reference: code(&format!("step-{}", step.n))?,
            device: key.device(),
            signature: Signature([0; 64]),
        };
        let slip = redemption(&book.register().cooperative(), &redeem);
        redeem.signature = key.sign(Purpose::Redemption, &slip);
        Ok(redeem)
    }
}

/// The months of `result 2026Q1`.
pub(super) fn quarter(text: &str) -> Result<(Month, Month), StepFault> {
    let unread = || StepFault::Effect(text.to_owned());
    let name = text.rsplit(' ').next().unwrap_or(text);
    let (year, of_year) = name.split_once('Q').ok_or_else(unread)?;
    let year: u32 = year.parse().map_err(|_| unread())?;
    let of_year: u32 = of_year.parse().map_err(|_| unread())?;
    let first = year.saturating_mul(12).saturating_add(of_year.saturating_sub(1).saturating_mul(3));
    Ok((Month::new(first)?, Month::new(first.saturating_add(2))?))
}

/// What the charter's reserves ask, rounded up; the rest to other reserves.
fn allocate(step: &Step, book: &Book) -> Result<Allocate, StepFault> {
    let Allocated { result_of } = step.body()?;
    let (from, until) = quarter(&result_of)?;
    let state = book.state();
    let orders = |effect: &Effect| matches!(effect, Effect::Allocate(..));
    let decided = state.votes().iter().filter_map(|(_, proposal)| {
        let adopted = proposal.decision.as_ref().filter(|it| it.outcome == Outcome::Adopted);
        adopted.filter(|_| orders(&proposal.act.effect)).map(|it| it.id)
    });
    let decision = decided.last().ok_or_else(|| StepFault::Named(result_of.clone()))?;
    let span = (from, until, step.day()?);
    draft::allocate(book, decision, span, (Vec::new(), Vec::new()), None)
        .map_err(|_| StepFault::Named(result_of))
}
