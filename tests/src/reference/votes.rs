//! Proposals, votes and decisions: rules 58 to 64, and "Decisions" in section 6.

use std::collections::BTreeMap;

use talea_protocol::act::{
    Act, Ballots, Choice, Decide, Effect, Matter, Method, Outcome, Propose, Tally, Vote,
};
use talea_protocol::bytes::List;
use talea_protocol::charter::{Amendment, Kind};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use super::Stop;
use super::history::{Fact, History};
use super::terms::{When, month_at};

/// Millionths in a basis point.
const MICRO: u64 = 1_000_000;

impl History<'_> {
    /// Rules 43 and 58 to 60.
    pub fn examine_propose(&self, fact: &Fact<'_>, act: &Propose) -> Result<(), Stop> {
        self.is_no_machine(fact)?;
        if let Effect::Remove(named) | Effect::Appoint(_, named) = act.effect {
            let member = self.register.member(named.0, fact.basis).ok_or(Stop::Void(43))?;
            let appoints = matches!(act.effect, Effect::Appoint(..));
            let is_machine = appoints && member.kind == Kind::Machine;
            return if is_machine { Err(Stop::Void(58)) } else { Ok(()) };
        }
        let Effect::Amend(change) = &act.effect else { return Ok(()) };
        let when = When { at: fact.basis, month: change.from.value() };
        let can = |amendment: &Amendment| match amendment {
            Amendment::Attestations(count) => *count >= 1,
            Amendment::InternalPrice(price) => *price >= 1,
            Amendment::Sponsors(_) => false,
            Amendment::Rate(rate) => {
                self.rate(when, &rate.task).is_none_or(|(unit, _)| *unit == rate.unit)
            }
            _ => true,
        };
        let some = !change.amendments.is_empty();
        if act.matter != Matter::Charter || !some || !change.amendments.iter().all(can) {
            return Err(Stop::Void(59));
        }
        if change.from.value() < month_at(act.closes) { Err(Stop::Void(60)) } else { Ok(()) }
    }

    /// Rules 50, 58 and 61.
    pub fn examine_vote(&self, fact: &Fact<'_>, act: &Vote) -> Result<(), Stop> {
        let named = self.named(&act.proposal)?;
        if !matches!(named.act(), Some(Act::Propose(_))) {
            return Err(Stop::Void(50));
        }
        self.is_no_machine(fact)?;
        let elector = self.register.member(fact.member, named.basis);
        elector.map(|_| ()).ok_or(Stop::Void(61))
    }

    /// Rules 47 to 50 and 62 to 64.
    pub fn examine_decide(&self, fact: &Fact<'_>, act: &Decide) -> Result<(), Stop> {
        self.check_cut(fact, &act.cut)?;
        let proposal = self.named_inside(&act.proposal, &act.cut)?;
        let Some(Act::Propose(asked)) = proposal.act() else { return Err(Stop::Void(50)) };
        if fact.entry.header().time < asked.closes {
            return Err(Stop::Void(62));
        }
        let decided =
            |act_before: &Act| matches!(act_before, Act::Decide(it) if it.proposal == act.proposal);
        if self.counted().any(|(_, act)| decided(act)) {
            return Err(Stop::Void(63));
        }
        let (tally, outcome) = self.count(proposal, asked, &act.cut);
        if tally == act.tally && outcome == act.outcome { Ok(()) } else { Err(Stop::Void(64)) }
    }

    /// The count of a proposal by the votes inside a cut.
    pub fn count(&self, proposal: &Fact<'_>, asked: &Propose, cut: &Cut) -> (Tally, Outcome) {
        let charter = self.register.charter;
        let weights: Vec<u64> = match asked.method {
            Method::CollegeWeighted => {
                charter.colleges.iter().map(|college| u64::from(college.weight.value())).collect()
            }
            _ => vec![10_000],
        };
        let mut colleges = vec![Ballots::default(); weights.len()];
        for (number, member) in (0_u32..).zip(&self.register.members) {
            let stage = &charter.stages[usize::from(member.stage)];
            let votes = stage.binding_vote && member.kind != Kind::Machine;
            if self.register.member(number, proposal.basis).is_none() || !votes {
                continue;
            }
            let college = match asked.method {
                Method::CollegeWeighted => usize::from(member.college),
                _ => 0,
            };
            let ballots = &mut colleges[college];
            ballots.eligible += 1;
            match self.last_vote(proposal.entry.id(), number, Some(cut)).map(|(_, choice)| choice) {
                Some(Choice::Yes) => ballots.yes += 1,
                Some(Choice::No | Choice::Block) => ballots.no += 1,
                Some(Choice::Abstain) => ballots.abstain += 1,
                None => {}
            }
        }
        let (mut yes, mut no, mut participation) = (0, 0, 0);
        for (ballots, weight) in colleges.iter().zip(&weights) {
            let cast = ballots.yes + ballots.no;
            yes += part(*weight, ballots.yes, cast);
            no += part(*weight, ballots.no, cast);
            participation += part(*weight, cast + ballots.abstain, ballots.eligible);
        }
        let when = When { at: proposal.basis, month: month_at(asked.closes) };
        let thresholds = self.thresholds(when);
        let threshold = match asked.matter {
            Matter::Ordinary => thresholds.ordinary,
            Matter::Charter => thresholds.charter,
            Matter::Allocation => thresholds.allocation,
        };
        let [wide, needed] = [u128::from(yes), u128::from(threshold.value())];
        let outcome = if participation < u64::from(self.quorum(when)) * MICRO {
            Outcome::NoQuorum
        } else if wide * 10_000 > needed * (wide + u128::from(no)) {
            Outcome::Adopted
        } else {
            Outcome::Rejected
        };
        let colleges = List::new(colleges).expect("as many as the charter has");
        (Tally { colleges, yes, no, participation, ..Tally::default() }, outcome)
    }

    /// A member's newest vote on a proposal inside a cut, or of all: where it stands, and what it
    /// says.
    pub fn last_vote(
        &self,
        proposal: EntryId,
        member: u32,
        cut: Option<&Cut>,
    ) -> Option<((u32, u32), Choice)> {
        let votes = self.counted().filter_map(|(fact, act)| match act {
            Act::Vote(vote) if vote.proposal == proposal && fact.member == member => {
                cut.is_none_or(|cut| fact.inside(cut)).then_some((fact, vote.choice))
            }
            _ => None,
        });
        let newest = votes.max_by_key(|(fact, _)| (fact.basis, fact.device, fact.seq));
        newest.map(|(fact, choice)| ((fact.device, fact.seq), choice))
    }

    /// Of every proposal that counts, its decision and the outcome's number.
    pub fn decisions(&self) -> BTreeMap<EntryId, Option<(EntryId, u32)>> {
        let of = |proposal: EntryId| {
            self.counted().find_map(|(fact, act)| match act {
                Act::Decide(decide) if decide.proposal == proposal => {
                    let outcome = match decide.outcome {
                        Outcome::Adopted => 0,
                        Outcome::Rejected => 1,
                        Outcome::NoQuorum => 2,
                        Outcome::Blocked => 3,
                    };
                    Some((fact.entry.id(), outcome))
                }
                _ => None,
            })
        };
        self.counted()
            .filter(|(_, act)| matches!(act, Act::Propose(_)))
            .map(|(fact, _)| (fact.entry.id(), of(fact.entry.id())))
            .collect()
    }

    fn is_no_machine(&self, fact: &Fact<'_>) -> Result<(), Stop> {
        let member = &self.register.members[usize::try_from(fact.member).expect("few")];
        if member.kind == Kind::Machine { Err(Stop::Void(58)) } else { Ok(()) }
    }
}

/// So much of a weight, floored; nothing of nothing.
fn part(weight: u64, some: u32, all: u32) -> u64 {
    if all == 0 { 0 } else { weight * MICRO * u64::from(some) / u64::from(all) }
}
