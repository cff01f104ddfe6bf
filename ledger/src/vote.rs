//! Proposals, votes and decisions.
//!
//! The electorate is the membership at the register entry that the proposal names. Anybody admitted
//! then may vote; votes at a stage without a binding vote are kept and shown, and not counted. A
//! decision is recomputed from the votes inside its cut, the last one of each member, and one
//! wrong unit makes it void. Design's domain, section 1.

use std::collections::BTreeMap;

use talea_protocol::act::{
    Choice, Course, Decide, Delegate, Effect, Method, Outcome, Propose, Rank, Scope, Tally, Vote,
};
use talea_protocol::bytes::{List, encode};
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::chain::{Place, Stamp};
use crate::contribution::Work;
use crate::proposal::is_machine;
use crate::proxy::{Delegation, Proxies};
use crate::runoff::{SCORE_MAX, ranked, scored};
use crate::stage::Law;
use crate::tally::{Elector, consent, count, outcome, quorum, share, threshold};
use crate::terms::{When, month_at};
use crate::verdict::Void;

/// A vote that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ballot {
    /// Number of the register entry that it names.
    pub basis: u32,
    /// Where the entry stands.
    pub place: Place,
    /// The answer; for, where options are ranked or scored.
    pub choice: Choice,
    /// The ranking or the scores.
    pub marks: Option<Box<[u8]>>,
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
    /// Where the entry stands.
    pub place: Place,
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
    /// Circle, options, fallback.
    pub course: Course,
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Voter<'a> {
    /// Who.
    pub member: Member,
    /// Whether the vote binds.
    pub binding: bool,
    /// The vote that counts, if there is one.
    pub ballot: Option<&'a Ballot>,
    /// Who cast it, if another member did.
    pub proxy: Option<Member>,
}

impl Voter<'_> {
    /// The answer, if there is one.
    #[must_use]
    pub fn choice(&self) -> Option<Choice> {
        self.ballot.map(|ballot| ballot.choice)
    }
}

/// What a decision is counted by.
#[derive(Clone, Copy, Debug)]
pub struct Roll<'a> {
    /// Members, their stages, and what is in force.
    pub law: Law<'a>,
    /// Contributions.
    pub work: &'a Work,
    /// Delegations.
    pub proxies: &'a Proxies,
}

/// All proposals that count.
#[derive(Clone, Debug, Default)]
pub struct Votes {
    proposals: BTreeMap<EntryId, Proposal>,
    /// What adopted decisions order others to do, by decision.
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

    /// Judges a vote on a proposal that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50, 58, 61 and 92 to 95.
    pub fn vote(&self, law: &Law<'_>, stamp: &Stamp, act: &Vote) -> Result<Ballot, Void> {
        let proposal = self.open(law, stamp, act.proposal)?;
        let options = !proposal.course.options.is_empty();
        let fits = match act.choice {
            Choice::Yes => !options,
            Choice::No | Choice::Abstain => true,
            Choice::Block => proposal.act.method == Method::Consent && stamp.payload,
        };
        if !fits {
            return Err(Void::Answer);
        }
        let (basis, place, choice) = (stamp.basis, stamp.place, act.choice);
        Ok(Ballot { basis, place, choice, marks: None })
    }

    /// Judges a ranking, or scores.
    ///
    /// # Errors
    /// [`Void`], rules 50, 58, 61 and 92 to 95.
    pub fn rank(&self, law: &Law<'_>, stamp: &Stamp, act: &Rank) -> Result<Ballot, Void> {
        let proposal = self.open(law, stamp, act.proposal)?;
        let options = proposal.course.options.len();
        let listed = |place: &u8| usize::from(*place) < options;
        let distinct = |marks: &[u8]| {
            (1..)
                .zip(marks)
                .all(|(rest, mark)| !marks.get(rest..).unwrap_or_default().contains(mark))
        };
        let marks = &act.marks;
        let fits = match proposal.act.method {
            Method::Ranked => !marks.is_empty() && marks.iter().all(listed) && distinct(marks),
            Method::Score => {
                marks.len() == options && marks.iter().all(|score| *score <= SCORE_MAX)
            }
            Method::CollegeWeighted
            | Method::Headcount
            | Method::Consent
            | Method::CreditWeighted => false,
        };
        if !fits {
            return Err(Void::Answer);
        }
        let marks = Some(marks.to_vec().into_boxed_slice());
        Ok(Ballot { basis: stamp.basis, place: stamp.place, choice: Choice::Yes, marks })
    }

    /// The proposal, if the author has a word in it.
    fn open(&self, law: &Law<'_>, stamp: &Stamp, id: EntryId) -> Result<&Proposal, Void> {
        let proposal = self.proposal(&id).ok_or(Void::Named { id })?;
        let member = stamp.member;
        if is_machine(law.register, member) {
            return Err(Void::Machine);
        }
        if !law.register.is_member(member, proposal.basis) {
            return Err(Void::NotElector { member });
        }
        let opens = proposal.course.opens;
        if stamp.time < opens {
            return Err(Void::Opens { opens });
        }
        if proposal.is_for(law, member) { Ok(proposal) } else { Err(Void::NotInCircle { member }) }
    }

    /// Judges a decision, whose cut has been checked and has all votes inside judged.
    ///
    /// # Errors
    /// [`Void`], rules 50 and 62 to 64.
    pub fn decide(&self, roll: &Roll<'_>, stamp: &Stamp, act: &Decide) -> Result<(), Void> {
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
        let (tally, outcome) = proposal.count(&id, roll, &act.cut);
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

    /// Takes in a decision; returns what it puts in force, if it was adopted.
    pub fn close(&mut self, proposal: &EntryId, decision: Decision) -> Option<Effect> {
        let proposal = self.proposals.get_mut(proposal)?;
        let (id, adopted) = (decision.id, decision.outcome == Outcome::Adopted);
        proposal.decision = Some(decision);
        let effect = proposal.act.effect.clone();
        let ordered = !matches!(
            effect,
            Effect::Policy | Effect::Amend(_) | Effect::Resolve(_) | Effect::Correct(..)
        );
        if adopted && ordered {
            self.orders.insert(id, effect.clone());
        }
        adopted.then_some(effect)
    }

    /// What an adopted decision orders others to do; nothing if it does all by itself.
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

    /// The value of the row beside it: the ranking or the scores, if the newest vote has some.
    #[must_use]
    pub fn marks_row(&self, id: &EntryId, member: Member) -> Option<Vec<u8>> {
        let ballot = self.proposal(id)?.ballots.get(&member)?.last()?;
        ballot.marks.as_ref().map(|marks| encode(&marks.to_vec()))
    }
}

impl Proposal {
    /// A proposal that nobody has answered.
    #[must_use]
    pub fn new(stamp: &Stamp, act: &Propose, course: &Course) -> Self {
        Self {
            act: act.clone(),
            course: course.clone(),
            author: stamp.member,
            basis: stamp.basis,
            place: stamp.place,
            ballots: BTreeMap::new(),
            decision: None,
        }
    }

    /// Everybody with a word in it, by what is inside the cut: every member with a binding vote,
    /// and the others who voted; ascending by member.
    #[must_use]
    pub fn voters<'a>(&'a self, id: &EntryId, roll: &Roll<'_>, cut: &Cut) -> Vec<Voter<'a>> {
        let register = roll.law.register;
        let mut voters: Vec<Voter<'a>> = (0_u32..)
            .map(Member)
            .take(register.member_count(self.basis))
            .filter(|member| register.is_member(*member, self.basis))
            .filter(|member| self.is_for(&roll.law, *member))
            .map(|member| Voter {
                member,
                binding: roll.law.is_binding(member, self.basis),
                ballot: self.last(member, cut),
                proxy: None,
            })
            .filter(|voter| voter.binding || voter.ballot.is_some())
            .collect();
        self.pass_on(id, roll, cut, &mut voters);
        voters
    }

    /// The count of the votes inside the cut, and what comes out.
    #[must_use]
    pub fn count(&self, id: &EntryId, roll: &Roll<'_>, cut: &Cut) -> (Tally, Outcome) {
        let mut voters = self.voters(id, roll, cut);
        voters.retain(|voter| voter.binding);
        let blocks = voters.iter().filter(|voter| voter.choice() == Some(Choice::Block)).count();
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let method = if blocks > 0 { self.course.fallback } else { Some(self.act.method) };
        let mut tally = self.tally(method.unwrap_or(self.act.method), roll, cut, &voters);
        tally.blocks = blocks;
        let (charter, terms) = (roll.law.register.charter(), roll.law.terms);
        let when = When { at: self.basis, month: month_at(self.act.closes) };
        let needed = threshold(&terms.thresholds(charter, when), self.act.matter);
        let most = quorum(&terms.quorums(charter, when), self.act.matter);
        let quorum = terms.quorum(charter, when).max(most);
        let outcome = match method {
            None => Outcome::Blocked,
            Some(Method::Consent) => consent(&tally, quorum),
            Some(_) => outcome(&tally, quorum, needed),
        };
        (tally, outcome)
    }

    fn tally(&self, method: Method, roll: &Roll<'_>, cut: &Cut, voters: &[Voter<'_>]) -> Tally {
        let register = roll.law.register;
        let elector = |voter: &Voter<'_>| {
            let college = register.member(voter.member)?.college;
            Some(Elector { college, choice: voter.choice() })
        };
        let electors = voters.iter().filter_map(elector);
        let tally = count(method, &register.charter().colleges, electors);
        match method {
            Method::Ranked | Method::Score => self.strongest(method, voters, tally),
            Method::CreditWeighted => by_credits(roll, cut, voters, tally),
            Method::CollegeWeighted | Method::Headcount | Method::Consent => tally,
        }
    }

    /// The option that wins, and how many of those who answered stand by it.
    fn strongest(&self, method: Method, voters: &[Voter<'_>], tally: Tally) -> Tally {
        let ballots = voters.iter().filter_map(|voter| voter.ballot);
        let marks: Vec<&[u8]> = ballots.filter_map(|ballot| ballot.marks.as_deref()).collect();
        let options = self.course.options.len();
        let (found, weight) = if method == Method::Ranked {
            (ranked(options, &marks), 1)
        } else {
            (scored(options, &marks), u64::from(SCORE_MAX))
        };
        let cast: u64 = tally.colleges.iter().map(|it| u64::from(it.yes) + u64::from(it.no)).sum();
        let yes = share(found.support, cast * weight);
        let no = share((cast * weight).saturating_sub(found.support), cast * weight);
        let options = List::new(found.options).expect("a proposal has no more than a tally");
        Tally { yes, no, options, winner: found.winner, ..tally }
    }

    /// Whether a member is in the circle that decides.
    fn is_for(&self, law: &Law<'_>, member: Member) -> bool {
        let Some(code) = &self.course.circle else { return true };
        let when = When { at: self.basis, month: month_at(self.act.closes) };
        let circle = law.terms.circle(law.register.charter(), when, code);
        let college = law.register.member(member).map(|record| record.college);
        let within = |colleges: &[u8]| {
            colleges.is_empty() || college.is_some_and(|college| colleges.contains(&college))
        };
        circle.is_some_and(|circle| within(&circle.colleges))
    }

    fn last(&self, member: Member, cut: &Cut) -> Option<&Ballot> {
        let ballots = self.ballots.get(&member)?.iter().rev();
        ballots.into_iter().find(|ballot| ballot.place.inside(cut))
    }

    /// Gives electors who have not voted the vote of whom they delegated to, if that one has voted
    /// and holds no more than the charter allows: the oldest delegations go first.
    fn pass_on(&self, id: &EntryId, roll: &Roll<'_>, cut: &Cut, voters: &mut [Voter<'_>]) {
        let when = When { at: self.basis, month: month_at(self.act.closes) };
        let most = roll.law.terms.proxies(roll.law.register.charter(), when);
        if most == 0 {
            return;
        }
        let own: BTreeMap<Member, usize> = (0..)
            .zip(voters.iter())
            .filter(|(_, voter)| voter.binding && voter.ballot.is_some())
            .map(|(place, voter)| (voter.member, place))
            .collect();
        let silent = (0..).zip(voters.iter()).filter(|(_, voter)| voter.ballot.is_none());
        let mut given: Vec<(&Delegation, usize, Member)> = silent
            .filter_map(|(place, voter)| {
                let covers = |act: &Delegate| self.covers(id, act);
                let newest = roll.proxies.newest(voter.member, cut, covers)?;
                Some((newest, place, newest.act.to?))
            })
            .filter(|(.., to)| own.contains_key(to))
            .collect();
        given.sort_unstable_by_key(|(delegation, ..)| (delegation.basis, delegation.id));
        let mut held: BTreeMap<Member, u8> = BTreeMap::new();
        for (_, place, to) in given {
            let count = held.entry(to).or_default();
            let ballot = own.get(&to).and_then(|place| voters.get(*place)).and_then(|it| it.ballot);
            if let Some(voter) = voters.get_mut(place).filter(|_| *count < most) {
                *count += 1;
                (voter.ballot, voter.proxy) = (ballot, Some(to));
            }
        }
    }

    /// Whether a delegation is for this proposal; one that ends others needs no time.
    fn covers(&self, id: &EntryId, act: &Delegate) -> bool {
        let scope = match &act.scope {
            Scope::All => true,
            Scope::Matter(matter) => *matter == self.act.matter,
            Scope::Circle(code) => self.course.circle.as_ref() == Some(code),
            Scope::Proposal(proposal) => proposal == id,
        };
        scope && (act.to.is_none() || self.act.closes <= act.until)
    }
}

/// Votes weighed by the credits that members have earned inside the cut, in hundredths.
fn by_credits(roll: &Roll<'_>, cut: &Cut, voters: &[Voter<'_>], tally: Tally) -> Tally {
    let earned = roll.work.nominal(&roll.law, cut);
    let sum = |counts: fn(Option<Choice>) -> bool| {
        let counted = voters.iter().filter(|voter| counts(voter.choice()));
        let of = |voter: &Voter<'_>| earned.get(&voter.member).copied().unwrap_or(0);
        u64::try_from(counted.map(of).sum::<i128>()).unwrap_or(u64::MAX)
    };
    Tally {
        yes: sum(|choice| choice == Some(Choice::Yes)),
        no: sum(|choice| matches!(choice, Some(Choice::No | Choice::Block))),
        participation: share(sum(|choice| choice.is_some()), sum(|_| true)),
        ..tally
    }
}
