//! The register of decisions: what was asked, who had a word, what came out.
//!
//! A settled vote that lies outside a decision's cut is named, so that nobody can drop a ballot
//! silently. An undecided proposal shows the votes that are settled now.

use serde::Serialize;
use talea_protocol::act::{Choice, Course, Effect, Matter, Method, Outcome, Tally};
use talea_protocol::bytes::Bp;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::register::Register;
use crate::state::State;
use crate::tally::{quorum, threshold};
use crate::terms::{When, month_at};
use crate::vote::Proposal;

/// A proposal that counts.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Question {
    /// The entry.
    pub id: EntryId,
    /// Who asked.
    pub author: Member,
    /// What it is about.
    pub matter: Matter,
    /// How votes are weighed.
    pub method: Method,
    /// Whether the law requires this decision.
    pub statutory: bool,
    /// What it does if adopted.
    pub effect: Effect,
    /// Circle, options, fallback, and when voting opens.
    #[serde(flatten)]
    pub course: Course,
    /// Number of the register entry that fixes the electorate.
    pub electorate: u32,
    /// Before this time, in ms since 1970 UTC, it cannot be decided.
    pub closes: u64,
    /// Participation that it needs.
    pub quorum: Bp,
    /// Support that it needs, strictly more.
    pub threshold: Bp,
    /// Everybody with a binding vote, and the others who voted, ascending by member.
    pub votes: Vec<Vote>,
    /// The count: the decision's, or of what is settled now.
    pub tally: Tally,
    /// The decision, if there is one.
    pub decision: Option<Decision>,
    /// Votes that are settled and lie outside the decision's cut.
    pub outside: Vec<Outside>,
}

/// A member's part in a decision.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Vote {
    /// Who.
    pub member: Member,
    /// Place of its college in the charter.
    pub college: Option<u8>,
    /// Whether the vote counts; otherwise it is advisory.
    pub binding: bool,
    /// The answer, if there is one.
    pub choice: Option<Choice>,
    /// The ranking or the scores, if there are some.
    pub marks: Option<Vec<u8>>,
    /// Who cast it, if another member did.
    pub proxy: Option<Member>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Decision {
    /// The register entry.
    pub id: EntryId,
    /// Its number.
    pub number: u32,
    /// What came out.
    pub outcome: Outcome,
}

/// A vote that came too late, or was left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Outside {
    /// Who voted.
    pub member: Member,
    /// The device's number.
    pub device: u32,
    /// Place in the device's chain.
    pub seq: u32,
    /// The answer.
    pub choice: Choice,
}

/// Every proposal that counts: decided ones by the number of the decision, then open ones by the
/// time at which they close.
#[must_use]
pub fn decisions(register: &Register, state: &State) -> Vec<Question> {
    let proposals = state.votes().iter();
    let mut questions: Vec<Question> =
        proposals.map(|(id, proposal)| question(register, state, *id, proposal)).collect();
    questions.sort_by_key(|question| {
        let number = question.decision.map_or(u32::MAX, |decision| decision.number);
        (number, question.closes, question.id)
    });
    questions
}

fn question(register: &Register, state: &State, id: EntryId, proposal: &Proposal) -> Question {
    let (charter, terms, act) = (register.charter(), state.terms(), &proposal.act);
    let when = When { at: proposal.basis, month: month_at(act.closes) };
    let cut = proposal.decision.as_ref().map_or_else(|| state.cut(register), |d| d.cut.clone());
    let roll = state.roll(register);
    let vote = |voter: crate::vote::Voter<'_>| Vote {
        member: voter.member,
        college: register.member(voter.member).map(|member| member.college),
        binding: voter.binding,
        choice: voter.choice(),
        marks: voter.ballot.and_then(|ballot| ballot.marks.as_ref()).map(|it| it.to_vec()),
        proxy: voter.proxy,
    };
    let decision = proposal.decision.as_ref();
    Question {
        id,
        author: proposal.author,
        matter: act.matter,
        method: act.method,
        statutory: act.statutory,
        effect: act.effect.clone(),
        course: proposal.course.clone(),
        electorate: proposal.basis,
        closes: act.closes,
        quorum: terms.quorum(charter, when).max(quorum(&terms.quorums(charter, when), act.matter)),
        threshold: threshold(&terms.thresholds(charter, when), act.matter),
        votes: proposal.voters(&id, &roll, &cut).into_iter().map(vote).collect(),
        tally: proposal.count(&id, &roll, &cut).0,
        decision: decision.map(|d| Decision { id: d.id, number: d.number, outcome: d.outcome }),
        outside: outside(proposal),
    }
}

fn outside(proposal: &Proposal) -> Vec<Outside> {
    let Some(decision) = &proposal.decision else { return Vec::new() };
    let ballots = proposal.ballots.iter();
    ballots
        .flat_map(|(member, ballots)| ballots.iter().map(|ballot| (*member, ballot)))
        .filter(|(_, ballot)| !ballot.place.inside(&decision.cut))
        .map(|(member, ballot)| Outside {
            member,
            device: ballot.place.device,
            seq: ballot.place.seq,
            choice: ballot.choice,
        })
        .collect()
}
