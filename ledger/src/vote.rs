//! Proposals, votes and decisions.
//!
//! The electorate is the membership at the register entry that the proposal names. Anybody admitted
//! then may vote; votes at a stage without a binding vote are kept and shown, and not counted. A
//! decision is recomputed from the votes inside its cut, the last one of each member, and one
//! wrong unit makes it void. Design's domain, section 1.

use std::collections::BTreeMap;

use talea_protocol::act::{Choice, Decide, Effect, Matter, Outcome, Propose, Tally, Vote};
use talea_protocol::bytes::encode;
use talea_protocol::charter::{Amendment, Change, Kind, Member};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::chain::{Place, Stamp};
use crate::register::Register;
use crate::tally::{Elector, count, outcome, threshold};
use crate::terms::{Terms, When, month_at};
use crate::verdict::Void;

/// A vote that counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ballot {
    /// Number of the register entry that it names.
    pub basis: u32,
    /// Where the entry stands.
    pub place: Place,
    /// The answer.
    pub choice: Choice,
}

impl Ballot {
    /// The newest of a member's votes has the greatest.
    const fn age(&self) -> (u32, u32, u32) {
        (self.basis, self.place.device, self.place.seq)
    }
}

/// A decision that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// The register entry.
    pub id: EntryId,
    /// Its number.
    pub number: u32,
    /// The count.
    pub tally: Tally,
    /// What came out.
    pub outcome: Outcome,
    /// What had been settled here and lies outside its cut is found with this.
    pub cut: Cut,
}

/// A proposal that counts, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proposal {
    /// What was asked.
    pub act: Propose,
    /// Who asked.
    pub author: Member,
    /// Number of the register entry that fixes the electorate.
    pub basis: u32,
    /// Where the entry stands.
    pub place: Place,
    /// The votes of each member, oldest first.
    pub ballots: BTreeMap<Member, Vec<Ballot>>,
    /// The decision, once there is one.
    pub decision: Option<Decision>,
}

/// A member's part in a vote.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Voter {
    /// Who.
    pub member: Member,
    /// Whether the vote binds.
    pub binding: bool,
    /// The vote that counts, if there is one.
    pub choice: Option<Choice>,
}

/// All proposals that count.
#[derive(Clone, Debug, Default)]
pub struct Votes {
    proposals: BTreeMap<EntryId, Proposal>,
    /// What adopted decisions order, by decision, but for changes of the charter.
    orders: BTreeMap<EntryId, Effect>,
}

impl Votes {
    /// A proposal that counts.
    #[must_use]
    pub fn proposal(&self, id: &EntryId) -> Option<&Proposal> {
        self.proposals.get(id)
    }

    /// Every proposal that counts, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&EntryId, &Proposal)> {
        self.proposals.iter()
    }

    /// Judges a proposal.
    ///
    /// # Errors
    /// [`Void`], rules 43 and 58 to 60.
    pub fn propose(
        register: &Register,
        terms: &Terms,
        stamp: &Stamp,
        act: &Propose,
    ) -> Result<Proposal, Void> {
        if is_machine(register, stamp.member) {
            return Err(Void::Machine);
        }
        match &act.effect {
            Effect::Remove(member) | Effect::Appoint(_, member)
                if !register.is_member(*member, stamp.basis) =>
            {
                return Err(Void::Unknown);
            }
            Effect::Appoint(_, member) if is_machine(register, *member) => {
                return Err(Void::Machine);
            }
            Effect::Reform(roster) if !roster.is_safe() => return Err(Void::Amendment),
            _ => {}
        }
        if let Effect::Amend(change) = &act.effect {
            let fits = |amendment: &Amendment| fits(register, terms, stamp, change, amendment);
            let any = !change.amendments.is_empty();
            if act.matter != Matter::Charter || !any || !change.amendments.iter().all(fits) {
                return Err(Void::Amendment);
            }
            let (from, closes) = (change.from, month_at(act.closes));
            if from < closes {
                return Err(Void::Retroactive { from, closes });
            }
        }
        Ok(Proposal {
            act: act.clone(),
            author: stamp.member,
            basis: stamp.basis,
            place: stamp.place,
            ballots: BTreeMap::new(),
            decision: None,
        })
    }

    /// Judges a vote on a proposal that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50, 58 and 61.
    pub fn vote(&self, register: &Register, stamp: &Stamp, act: &Vote) -> Result<Ballot, Void> {
        let id = act.proposal;
        let proposal = self.proposal(&id).ok_or(Void::Named { id })?;
        let member = stamp.member;
        if is_machine(register, member) {
            return Err(Void::Machine);
        }
        if !register.is_member(member, proposal.basis) {
            return Err(Void::NotElector { member });
        }
        Ok(Ballot { basis: stamp.basis, place: stamp.place, choice: act.choice })
    }

    /// Judges a decision, whose cut has been checked and has all votes inside judged.
    ///
    /// # Errors
    /// [`Void`], rules 50 and 62 to 64.
    pub fn decide(
        &self,
        register: &Register,
        terms: &Terms,
        stamp: &Stamp,
        act: &Decide,
    ) -> Result<(), Void> {
        let id = act.proposal;
        let inside = |proposal: &&Proposal| proposal.place.inside(&act.cut);
        let proposal = self.proposal(&id).filter(inside).ok_or(Void::Named { id })?;
        let (time, closes) = (stamp.time, proposal.act.closes);
        if time < closes {
            return Err(Void::Early { time, closes });
        }
        if let Some(decision) = &proposal.decision {
            return Err(Void::Decided { decision: decision.id });
        }
        let (tally, outcome) = proposal.count(register, terms, &act.cut);
        if tally == act.tally && outcome == act.outcome {
            Ok(())
        } else {
            Err(Void::Tally { yes: tally.yes, no: tally.no, outcome })
        }
    }

    /// Takes in a proposal.
    pub fn add(&mut self, id: EntryId, proposal: Proposal) {
        self.proposals.insert(id, proposal);
    }

    /// Takes in a vote.
    pub fn cast(&mut self, proposal: &EntryId, member: Member, ballot: Ballot) {
        if let Some(proposal) = self.proposals.get_mut(proposal) {
            let ballots = proposal.ballots.entry(member).or_default();
            let at = ballots.partition_point(|before| before.age() < ballot.age());
            ballots.insert(at, ballot);
        }
    }

    /// Takes in a decision; returns the change that it puts in force.
    pub fn close(&mut self, proposal: &EntryId, decision: Decision) -> Option<Change> {
        let proposal = self.proposals.get_mut(proposal)?;
        let (id, adopted) = (decision.id, decision.outcome == Outcome::Adopted);
        proposal.decision = Some(decision);
        match &proposal.act.effect {
            Effect::Amend(change) if adopted => Some(change.clone()),
            order @ (Effect::Remove(_) | Effect::Appoint(..) | Effect::Reform(_)) if adopted => {
                self.orders.insert(id, order.clone());
                None
            }
            _ => None,
        }
    }

    /// What an adopted decision orders; nothing if it changes the charter or puts a text in force.
    #[must_use]
    pub fn order(&self, decision: &EntryId) -> Option<&Effect> {
        self.orders.get(decision)
    }

    /// All that adopted decisions order, by decision.
    pub fn orders(&self) -> impl Iterator<Item = (&EntryId, &Effect)> {
        self.orders.iter()
    }

    /// The value of a proposal's row: the decision that counts and its outcome.
    #[must_use]
    pub fn row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let proposal = self.proposal(id)?;
        Some(encode(&proposal.decision.as_ref().map(|decision| (decision.id, decision.outcome))))
    }

    /// The value of a ballot's row: where the newest vote stands, and what it says.
    #[must_use]
    pub fn ballot_row(&self, id: &EntryId, member: Member) -> Option<Vec<u8>> {
        let ballot = self.proposal(id)?.ballots.get(&member)?.last()?;
        Some(encode(&(ballot.place.device, ballot.place.seq, ballot.choice)))
    }
}

impl Proposal {
    /// Everybody with a word in it, by what is inside the cut: every member with a binding vote,
    /// and the others who voted.
    #[must_use]
    pub fn voters(&self, register: &Register, cut: &Cut) -> Vec<Voter> {
        let last = |member: Member| {
            let ballots = self.ballots.get(&member)?.iter().rev();
            ballots.into_iter().find(|ballot| ballot.place.inside(cut)).map(|ballot| ballot.choice)
        };
        (0_u32..)
            .map(Member)
            .take(register.member_count(self.basis))
            .filter(|member| register.is_member(*member, self.basis))
            .map(|member| Voter {
                member,
                binding: is_binding(register, member),
                choice: last(member),
            })
            .filter(|voter| voter.binding || voter.choice.is_some())
            .collect()
    }

    /// The count of the votes inside the cut, and what comes out.
    #[must_use]
    pub fn count(&self, register: &Register, terms: &Terms, cut: &Cut) -> (Tally, Outcome) {
        let charter = register.charter();
        let elector = |voter: Voter| {
            let college = register.member(voter.member)?.college;
            voter.binding.then_some(Elector { college, choice: voter.choice })
        };
        let electors = self.voters(register, cut).into_iter().filter_map(elector);
        let tally = count(self.act.method, &charter.colleges, electors);
        let when = When { at: self.basis, month: month_at(self.act.closes) };
        let needed = threshold(&terms.thresholds(charter, when), self.act.matter);
        let outcome = outcome(&tally, terms.quorum(charter, when), needed);
        (tally, outcome)
    }
}

/// Whether an amendment sets a value that the parameter can have. The number of sponsors cannot be
/// amended: who is a member must follow from the register alone, and a decision's effect does not.
fn fits(
    register: &Register,
    terms: &Terms,
    stamp: &Stamp,
    change: &Change,
    amendment: &Amendment,
) -> bool {
    match amendment {
        Amendment::Attestations(k) => *k > 0,
        Amendment::InternalPrice(price) => *price > 0,
        Amendment::Rate(rate) => {
            let when = When { at: stamp.basis, month: change.from };
            let held = terms.rate(register.charter(), when, &rate.task);
            held.is_none_or(|held| *held.unit == rate.unit)
        }
        Amendment::Sponsors(_) => false,
        Amendment::Retain(_)
        | Amendment::Care(_)
        | Amendment::Livelihood(_)
        | Amendment::Quorum(_)
        | Amendment::Thresholds(_)
        | Amendment::Tier(_)
        | Amendment::LoveMinimum(_) => true,
    }
}

fn is_machine(register: &Register, member: Member) -> bool {
    register.member(member).is_none_or(|record| record.kind == Kind::Machine)
}

fn is_binding(register: &Register, member: Member) -> bool {
    let stage = |stage: u8| register.charter().stages.get(usize::from(stage));
    register
        .member(member)
        .filter(|record| record.kind != Kind::Machine)
        .and_then(|record| stage(record.stage))
        .is_some_and(|stage| stage.binding_vote)
}
