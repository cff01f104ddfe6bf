//! Entries about work and decisions beyond the ordinary: acts from 29 on, and every variant that
//! only they need.
//!
//! Words and cuts are genuine. Whether the ledger would count what the entries say is not this
//! file's business.

use talea_protocol::act::*;
use talea_protocol::bytes::List;
use talea_protocol::charter::{Kind, Member};
use talea_protocol::council::{Circle, Competence, Council, Milestone, Quorums};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::recovery::Office;

use crate::entries::{START_MS, World, amount, bp, code, day, january, list, word};
use crate::secret;

/// Parameters with every competence.
pub fn parameters() -> Council {
    let all = vec![
        Competence::Policy,
        Competence::Admit,
        Competence::Advance,
        Competence::Appoint,
        Competence::Resolve,
        Competence::Correct,
        Competence::Spend,
        Competence::Agree,
    ];
    let circle = |name, colleges, may, spend_max| Circle {
        code: code(name),
        colleges: list(colleges),
        may: list(may),
        spend_max,
    };
    Council {
        quorums: Quorums { ordinary: bp(0), charter: bp(6_000), allocation: bp(5_001) },
        proxies: 2,
        circles: list(vec![
            circle("desk", vec![0, 2], all, 50_000),
            circle("all", vec![], vec![Competence::Policy], 0),
        ]),
        milestones: list(vec![Milestone { stage: 0, words: 2, credits: 120_000 }]),
        care_minimum: 300,
    }
}

/// Adds all of them to what is written.
pub fn write(world: &mut World) {
    work(world);
    stages(world);
    let motion = motions(world);
    answers(world, motion);
    decisions(world, motion);
}

fn work(world: &mut World) {
    let contribution = world.entry("contribution, care").id();
    let dispute = Act::Dispute(Dispute { contribution });
    let reason = Some(br#"{"note":"counted twice"}"#.as_slice());
    let dispute = world.write("dispute", 1, reason, dispute);
    world.write("withdraw", 1, None, Act::Withdraw(Withdraw { dispute }));
    let correct = Correct { contribution, difference: -60 };
    world.write("correct", 3, None, Act::Correct(correct));
    let back = Correct { contribution, difference: i64::MAX };
    world.write("correct, the largest difference", 3, None, Act::Correct(back));
}

fn stages(world: &mut World) {
    let grounds = Grounds::Milestones { cut: world.cut(), words: List::default() };
    let mut act = Advance { member: Member(3), stage: 0, from: day(20_514), grounds };
    let signed = advance(&world.cooperative, &act);
    let mut words: Vec<Approval> =
        [1, 2].into_iter().map(|seed| word(seed, Purpose::Approval, &signed)).collect();
    words.sort_unstable_by_key(|word| word.device);
    act.grounds = Grounds::Milestones { cut: world.cut(), words: list(words) };
    world.write("advance, by milestones", 2, None, Act::Advance(act.clone()));
    let decision = world.entry("decide, adopted").id();
    act.grounds = Grounds::Decision(decision);
    world.write("advance, by decision", 2, None, Act::Advance(act));
    let (request, proof) = world.request(9, Kind::Person);
    let welcome = Welcome { request, proof, college: 2, stage: 1, decision };
    world.write("welcome", 2, None, Act::Welcome(welcome));
}

fn motions(world: &mut World) -> EntryId {
    let (dispute, work) = (world.entry("dispute").id(), world.entry("contribution, care").id());
    let candidate =
        Candidate { device: secret(9).device(), kind: Kind::Person, college: 2, stage: 1 };
    let mut propose = |name, method, effect, course| {
        let (matter, closes) = (Matter::Ordinary, START_MS + 90_000);
        let proposal = Propose { matter, method, statutory: false, closes, effect };
        world.write(name, 3, None, Act::Motion(Motion { proposal, course }))
    };
    let course = |fallback| Course { fallback, ..Course::default() };
    let credits = course(Some(Method::CreditWeighted));
    propose("motion, consent, admit", Method::Consent, Effect::Admit(candidate), credits);
    let options = list(vec![code("blue"), code("green")]);
    let opens = START_MS + 60_000;
    let ranked = Course { options: options.clone(), opens, ..Course::default() };
    let ranked = propose("motion, ranked, a text", Method::Ranked, Effect::Policy, ranked);
    let scored = Course { options, ..Course::default() };
    propose("motion, score, a text", Method::Score, Effect::Policy, scored);
    let circle = Course { circle: Some(code("desk")), ..Course::default() };
    for (name, effect) in [
        ("motion, a circle, advance", Effect::Advance(Member(3), 0)),
        ("motion, a circle, resolve", Effect::Resolve(dispute)),
        ("motion, a circle, correct", Effect::Correct(work, i64::MIN)),
        ("motion, a circle, spend", Effect::Spend(amount(50_000))),
        ("motion, a circle, agree", Effect::Agree(work)),
        ("motion, a circle, facilitator", Effect::Appoint(Office::Facilitator(0), Member(1))),
    ] {
        propose(name, Method::Headcount, effect, circle.clone());
    }
    let plain = Course::default;
    let controller = Effect::Appoint(Office::Controller, Member(1));
    propose("motion, controller", Method::CollegeWeighted, controller, plain());
    let allocate = Effect::Allocate(january(), january());
    propose("motion, allocate", Method::CollegeWeighted, allocate, plain());
    ranked
}

fn answers(world: &mut World, proposal: EntryId) {
    let reason = Some(br#"{"note":"not before the audit"}"#.as_slice());
    let block = Vote { proposal, choice: Choice::Block };
    world.write("vote, block", 1, reason, Act::Vote(block));
    let rank = |marks| Act::Rank(Rank { proposal, marks: list(marks) });
    world.write("rank", 1, None, rank(vec![1, 0]));
    world.write("rank, nothing", 2, None, rank(vec![]));
    let mut delegate = |name, to, scope| {
        let act = Delegate { to, scope, until: START_MS + 100_000 };
        world.write(name, 3, None, Act::Delegate(act));
    };
    delegate("delegate, all", Some(Member(0)), Scope::All);
    delegate("delegate, a kind", Some(Member(0)), Scope::Matter(Matter::Charter));
    delegate("delegate, a circle", Some(Member(0)), Scope::Circle(code("desk")));
    delegate("delegate, one proposal", Some(Member(0)), Scope::Proposal(proposal));
    delegate("delegate, to nobody any more", None, Scope::All);
}

fn decisions(world: &mut World, proposal: EntryId) {
    let ballots = Ballots { eligible: 3, yes: 2, no: 1, abstain: 0 };
    let ranked = Tally {
        colleges: list(vec![ballots]),
        yes: 6_666_666_666,
        no: 3_333_333_333,
        participation: 10_000_000_000,
        options: list(vec![0, 2]),
        winner: Some(1),
        ..Tally::default()
    };
    let blocked = Tally { blocks: 1, ..ranked.clone() };
    let decide = |cut: Cut, tally, outcome| Act::Decide(Decide { proposal, cut, tally, outcome });
    let act = decide(world.cut(), ranked, Outcome::Adopted);
    world.write("decide, ranked", 2, None, act);
    let act = decide(world.cut(), blocked, Outcome::Blocked);
    world.write("decide, blocked", 2, None, act);
}
