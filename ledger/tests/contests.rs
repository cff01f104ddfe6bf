//! Rules 85 to 89: disputes, corrections, stages. One test each: what the rule refuses, and that
//! its neighbour counts; and what follows for credits and runs.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use talea_ledger::account::{Account, Unit};
use talea_protocol::act::{
    Act, Advance, Choice, Contribution, Correct, Dispute, Distribute, Effect, Grounds, Matter,
    Propose, Stream, Withdraw, advance,
};
use talea_protocol::bytes::List;
use talea_protocol::charter::Member;
use talea_protocol::council::Milestone;
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::recovery::Approval;

mod world;
use world::acts::{
    DISTRIBUTOR, MACHINE, NOVICE, REGISTRAR, TREASURER, attest, carry, enrol, income, invoice,
    propose, work,
};
use world::{TODAY, World, charter, code, consented, day, index, list, month};

fn dispute(contribution: EntryId) -> Act {
    Act::Dispute(Dispute { contribution })
}

fn correct(contribution: EntryId, difference: i64) -> Act {
    Act::Correct(Correct { contribution, difference })
}

fn ordinary(effect: Effect) -> Act {
    Act::Propose(Propose { matter: Matter::Ordinary, ..propose(effect) })
}

/// Attested work of member 0, so many loaves at 8 hundredths.
fn given(world: &mut World, units: i64) -> EntryId {
    let id = world.good(0, Act::Contribution(work(units)));
    world.good(1, attest(id));
    id
}

fn claim(world: &World, member: u32) -> i128 {
    -world.state.books().net(&Account::Claim(Member(member)), Unit::Livelihood)
}

fn quantity(world: &World, id: &EntryId) -> i64 {
    world.state.work().record(id).unwrap().quantity(|_| true)
}

fn run(world: &World, of: u32) -> Distribute {
    let (cut, at) = (world.cut(), world.register.head().0);
    world.state.distribute(&world.register, at, month(2026, of), &cut).unwrap()
}

/// What a run pays a member for livelihood.
fn line(run: &Distribute, member: u32) -> u64 {
    run.lines.iter().find(|line| line.member == Member(member)).map_or(0, |line| line.livelihood)
}

/// Money to distribute, so that claims are paid in full.
fn receive(world: &mut World, job: &str) {
    world.good(TREASURER, Act::Invoice(invoice(job, 1, 100_000, 1_200_000)));
    world.good(TREASURER, income(job, 1_200_000, day(TODAY)));
}

#[test]
fn rule_85_nobody_disputes_their_own_work_and_no_machine_disputes() {
    let mut world = World::new();
    let id = given(&mut world, 10);
    assert_eq!(world.void(0, dispute(id)), 85);
    assert_eq!(world.void(MACHINE, dispute(id)), 85);
    world.good(2, dispute(id));
}

#[test]
fn rule_86_a_dispute_is_withdrawn_by_whose_it_is_with_any_device() {
    let mut world = World::new();
    let second = world.add_key();
    let act = enrol(&world, second, 2, 2);
    world.good(REGISTRAR, Act::Enrol(act));
    let id = given(&mut world, 10);
    let dispute = world.good(2, dispute(id));
    let withdraw = Act::Withdraw(Withdraw { dispute });
    assert_eq!(world.void(0, withdraw.clone()), 86, "not the author of the work");
    assert_eq!(world.void(1, withdraw.clone()), 86);
    world.good(u32::try_from(second).unwrap(), withdraw);
    assert_eq!(world.void(2, Act::Withdraw(Withdraw { dispute: id })), 50, "that is no dispute");
}

#[test]
fn two_devices_of_an_author_never_bring_a_contribution_below_zero() {
    let mut world = World::new();
    let second = world.add_key();
    let act = enrol(&world, second, 0, 0);
    world.good(REGISTRAR, Act::Enrol(act));
    let id = given(&mut world, 10);
    world.good(0, correct(id, -8));
    world.good(u32::try_from(second).unwrap(), correct(id, -8));
    assert_eq!((quantity(&world, &id), claim(&world, 0)), (0, 0));
}

#[test]
fn an_adopted_decision_corrects_a_contribution_and_below_zero_is_nothing() {
    let mut world = World::new();
    let id = given(&mut world, 10);
    for (difference, left) in [(-4, 6), (1, 7), (-100_000, 0)] {
        let proposal = world.good(1, ordinary(Effect::Correct(id, difference)));
        carry(&mut world, proposal);
        assert_eq!((quantity(&world, &id), claim(&world, 0)), (left, i128::from(left) * 8));
    }
}

#[test]
fn a_disputed_contribution_waits_for_the_next_run_and_is_paid_once() {
    let mut world = World::new();
    receive(&mut world, "J1");
    let waits = given(&mut world, 100);
    given(&mut world, 50);
    let dispute = world.good(2, dispute(waits));
    let january = run(&world, 1);
    assert_eq!(line(&january, 0), 400, "8 × 50");
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(january)));
    world.good(2, Act::Withdraw(Withdraw { dispute }));
    receive(&mut world, "J2");
    let february = run(&world, 2);
    assert_eq!(line(&february, 0), 800);
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(february)));
    receive(&mut world, "J3");
    assert_eq!(line(&run(&world, 3), 0), 0, "once");
}

#[test]
fn what_a_run_has_taken_in_is_held_up_by_no_later_dispute() {
    let mut world = World::new();
    receive(&mut world, "J1");
    let id = given(&mut world, 100);
    let january = run(&world, 1);
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(january)));
    world.good(2, dispute(id));
    given(&mut world, 50);
    receive(&mut world, "J2");
    assert_eq!(line(&run(&world, 2), 0), 400, "the new work, whole");
}

#[test]
fn a_decision_ends_a_dispute() {
    let mut world = World::new();
    receive(&mut world, "J1");
    let id = given(&mut world, 100);
    let dispute = world.good(2, dispute(id));
    assert_eq!(world.void(0, ordinary(Effect::Resolve(id))), 50, "that is no dispute");
    let proposal = world.good(0, ordinary(Effect::Resolve(dispute)));
    assert_eq!(line(&run(&world, 1), 0), 0);
    carry(&mut world, proposal);
    assert_eq!(line(&run(&world, 1), 0), 800);
    assert!(!world.state.work().record(&id).unwrap().is_held(|_| true));
}

#[test]
fn a_correction_after_a_run_is_a_debt_that_the_next_credits_pay_off() {
    let mut world = World::new();
    receive(&mut world, "J1");
    let id = given(&mut world, 100);
    let january = run(&world, 1);
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(january)));
    assert_eq!(claim(&world, 0), 0);
    world.good(0, correct(id, -50));
    assert_eq!(claim(&world, 0), -400);
    receive(&mut world, "J2");
    assert_eq!(line(&run(&world, 2), 0), 0);
    given(&mut world, 60);
    assert_eq!((claim(&world, 0), line(&run(&world, 2), 0)), (80, 80));
}

/// A charter by whose milestones one comes to the first stage with a word and 80 hundredths.
fn milestones(words: u8, credits: u64) -> World {
    let mut charter = charter();
    charter.council.milestones = list([Milestone { stage: 0, words, credits }]);
    World::of(consented(charter))
}

fn advanced(world: &World, member: u32, by: &[usize]) -> Advance {
    let grounds = Grounds::Milestones { cut: world.cut(), words: List::default() };
    let mut act = Advance { member: Member(member), stage: 0, from: day(TODAY), grounds };
    let signed = advance(&world.register.cooperative(), &act);
    let word = |by: &usize| Approval {
        device: world.keys[*by].device(),
        signature: world.keys[*by].sign(Purpose::Approval, &signed),
    };
    let mut words: Vec<Approval> = by.iter().map(word).collect();
    words.sort_by_key(|word| word.device);
    act.grounds = Grounds::Milestones { cut: world.cut(), words: list(words) };
    act
}

#[test]
fn rule_89_a_stage_is_come_to_by_milestones_that_are_met() {
    let mut world = milestones(1, 80);
    let none = advanced(&world, NOVICE, &[0]);
    assert_eq!(world.void(REGISTRAR, Act::Advance(none)), 89, "nothing earned");
    let id = world.good(NOVICE, Act::Contribution(work(10)));
    world.good(1, attest(id));
    let alone = advanced(&world, NOVICE, &[]);
    assert_eq!(world.void(REGISTRAR, Act::Advance(alone)), 89);
    let own = advanced(&world, NOVICE, &[index(NOVICE)]);
    assert_eq!(world.void(REGISTRAR, Act::Advance(own)), 89, "nobody vouches for oneself");
    let other = Advance { stage: 1, ..advanced(&world, 0, &[2]) };
    assert_eq!(world.void(REGISTRAR, Act::Advance(other)), 89, "no milestone of that stage");
    let good = advanced(&world, NOVICE, &[0]);
    world.good(REGISTRAR, Act::Advance(good));
    let unknown = Advance { stage: 2, ..advanced(&world, 0, &[2]) };
    assert_eq!(world.void(REGISTRAR, Act::Advance(unknown)), 43);
}

#[test]
fn work_vests_by_the_stage_of_its_last_day_and_votes_bind_from_the_move_on() {
    let mut world = milestones(0, 0);
    let before = world.good(0, ordinary(Effect::Policy));
    let early = world.good(NOVICE, Act::Contribution(Contribution { end: day(TODAY), ..work(10) }));
    let act = Advance { from: day(TODAY + 1), ..advanced(&world, NOVICE, &[]) };
    world.good(REGISTRAR, Act::Advance(act));
    world.good(1, attest(early));
    assert_eq!(claim(&world, NOVICE), 40, "half, for it ended the day before");
    let late = Contribution { end: day(TODAY + 1), ..work(10) };
    let late = world.good(NOVICE, Act::Contribution(late));
    world.good(1, attest(late));
    assert_eq!(claim(&world, NOVICE), 120);
    let after = world.good(0, ordinary(Effect::Policy));
    for (proposal, eligible) in [(before, 3), (after, 4)] {
        world.good(NOVICE, world::acts::vote(proposal, Choice::Yes));
        let (tally, _) = world.state.count(&world.register, &proposal, &world.cut()).unwrap();
        assert_eq!(tally.colleges[0].eligible, eligible);
        assert_eq!(tally.colleges[0].yes, eligible - 3);
    }
}

#[test]
fn rule_81_a_decision_moves_a_member_once_and_no_other() {
    let mut world = World::new();
    let proposal = world.good(0, ordinary(Effect::Advance(Member(NOVICE), 0)));
    let decision = carry(&mut world, proposal);
    let by = |member, decision| {
        let grounds = Grounds::Decision(decision);
        Act::Advance(Advance { member: Member(member), stage: 0, from: day(TODAY), grounds })
    };
    assert_eq!(world.void(REGISTRAR, by(0, decision)), 81);
    assert_eq!(world.void(REGISTRAR, by(NOVICE, EntryId([9; 32]))), 81, "not waited for");
    world.good(REGISTRAR, by(NOVICE, decision));
    assert_eq!(world.void(REGISTRAR, by(NOVICE, decision)), 81, "once");
}

#[test]
fn care_in_dispute_waits_like_everything_else() {
    let mut world = World::new();
    receive(&mut world, "J1");
    let care = Contribution { stream: Stream::Care, task: code("care"), ..work(90) };
    let id = world.good(0, Act::Contribution(care.clone()));
    world.good(1, attest(id));
    let other = world.good(2, Act::Contribution(care));
    world.good(1, attest(other));
    world.good(2, dispute(id));
    let run = run(&world, 1);
    assert_eq!(run.lines.len(), 1);
    assert_eq!(run.lines[0].member, Member(2));
}
