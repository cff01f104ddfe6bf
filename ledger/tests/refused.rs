//! What must be refused or void, case by case: the design's domain, section 4, in its order. The
//! README of `tests` has the table: case, rule, test. Each test says what the rule refuses, and
//! that its neighbour counts.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use talea_ledger::account::{Account, Unit};
use talea_ledger::verdict::{Verdict, Void};
use talea_protocol::act::{
    Act, Ballots, Choice, Correct, Course, Decide, Distribute, Effect, Matter, Method, Motion,
    Outcome, Propose,
};
use talea_protocol::charter::{Amendment, Charter, Member, Profile};
use talea_protocol::cut::Cut;
use talea_protocol::entry::Entry;
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::money::{Allocate, Part};
use talea_protocol::recovery::Remove;

mod world;
use world::acts::{
    DISTRIBUTOR, MACHINE, NOVICE, REGISTRAR, TREASURER, amend, attest, carry, decide, enrol,
    expense, income, invoice, leave, propose, vote, work,
};
use world::coffers::{
    allocation, close, decided, fund, january, pay_out, redeem, rich, transfer, wallet,
};
use world::founded::{changed, weights};
use world::pair::{agreed, bank, nodes, receive, send, sent};
use world::runs::{JANUARY, distribute, earned, redirect, run};
use world::{TODAY, World, bp, consented, day, index, list, month};

fn ordinary(method: Method, effect: Effect) -> Act {
    let matter = Matter::Ordinary;
    Act::Propose(Propose { matter, method, statutory: false, ..propose(effect) })
}

fn correct(contribution: EntryId, difference: i64) -> Act {
    Act::Correct(Correct { contribution, difference })
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

fn net(world: &World, account: &Account) -> i128 {
    world.state.books().net(account, Unit::Money)
}

fn allocate(world: &mut World, act: Allocate) -> u16 {
    world.void(TREASURER, Act::Allocate(Box::new(act)))
}

fn resolved(choice: Choice) -> (World, EntryId) {
    let mut world = january();
    let decision = decided(&mut world, Matter::Allocation, Effect::Policy, choice);
    (world, decision)
}

#[test]
fn rule_130_a_transfer_above_the_wallet_is_void() {
    let mut world = world::coffers::world();
    let given = world.good(TREASURER, transfer(fund("kitchen"), wallet(4), "meal", 30, &[]));
    let pay = |amount, takes: &[EntryId]| transfer(wallet(4), wallet(5), "meal", amount, takes);
    assert_eq!(world.void(4, pay(1, &[])), 130, "given, and not taken in");
    assert_eq!(world.void(4, pay(31, &[given])), 130);
    world.good(4, pay(30, &[given]));
    assert_eq!(world.void(4, pay(1, &[])), 130);
}

#[test]
fn rule_76_a_redirect_above_what_is_payable_is_void() {
    let mut world = earned();
    let run = run(&mut world);
    assert_eq!(world.void(0, redirect(run, 4, 641)), 76);
    world.good(0, redirect(run, 4, 600));
    assert_eq!(world.void(0, redirect(run, 4, 41)), 76);
    world.good(0, redirect(run, 1, 40));
    assert_eq!(world.void(4, redirect(run, 0, 1)), 76, "what is passed on is not passed on again");
    assert_eq!(world.void(0, redirect(run, 9, 1)), 43);
}

/// An amount that stands nowhere else in an entry.
const MARK: i64 = 0x0123_4567_89ab;

/// The rule by which an entry's bytes are refused with another amount in them; 0 if they are not.
fn with_amount(world: &World, device: u32, act: Act, amount: i64) -> u16 {
    let mut bytes = world.sign(device, act).bytes().to_vec();
    bytes.truncate(bytes.len() - 64);
    let mark = MARK.to_le_bytes();
    let at = bytes.windows(8).position(|window| window == mark).expect("the amount");
    bytes[at..at + 8].copy_from_slice(&amount.to_le_bytes());
    let signature = world.keys[index(device)].sign(Purpose::Entry, &bytes);
    bytes.extend_from_slice(&signature.0);
    Entry::parse(bytes).err().map_or(0, |refusal| refusal.rule())
}

#[test]
fn rule_6_an_amount_of_zero_or_less_is_refused() {
    let world = world::coffers::world();
    let acts = [
        (4, Act::Contribution(work(MARK))),
        (TREASURER, Act::Invoice(invoice("J1", 1, 1, MARK))),
        (TREASURER, Act::Invoice(invoice("J1", 1, MARK, 1))),
        (TREASURER, income("J1", MARK, day(TODAY))),
        (TREASURER, expense("628000", MARK, day(TODAY))),
        (TREASURER, Act::Subscribe(world.subscribe(4, MARK, "a"))),
        (TREASURER, Act::Redeem(redeem(&world, 4, MARK, "a"))),
        (TREASURER, pay_out(4, MARK, "a")),
        (4, redirect(EntryId::ZERO, 5, MARK)),
        (4, transfer(wallet(4), wallet(5), "hour", MARK, &[])),
    ];
    for (device, act) in acts {
        for amount in [0, -1, i64::MIN] {
            assert_eq!(with_amount(&world, device, act.clone(), amount), 6, "{act:?}");
        }
        assert_eq!(with_amount(&world, device, act, 1), 0);
    }
}

#[test]
fn rule_56_an_attestation_of_ones_own_work_is_void_with_any_device() {
    let mut world = World::new();
    let second = world.add_key();
    let act = enrol(&world, second, 0, 0);
    world.good(REGISTRAR, Act::Enrol(act));
    let id = world.good(0, Act::Contribution(work(10)));
    assert_eq!(world.void(0, attest(id)), 56);
    assert_eq!(world.void(u32::try_from(second).unwrap(), attest(id)), 56);
    world.good(1, attest(id));
}

#[test]
fn rules_12_and_22_an_attestation_by_a_removed_member_is_refused() {
    let mut world = World::new();
    let given = world.good(0, Act::Contribution(work(10)));
    let proposal = world.good(0, ordinary(Method::Headcount, Effect::Remove(Member(6))));
    let decision = carry(&mut world, proposal);
    let (member, cut, before) = (Member(6), world.cut_of(&[]), world.register.head().1);
    assert_eq!(world.refused(&world.sign(6, attest(given))), 0, "still a member");
    world.good(REGISTRAR, Act::Remove(Remove { member, decision, cut }));
    assert_eq!(world.refused(&world.sign(6, attest(given))), 12);
    let backdated = world.sign_under(before, 6, attest(given));
    assert_eq!(world.refused(&backdated), 22, "as if the removal were not known");
    assert!(world.state.work().record(&given).unwrap().attestations.is_empty());
    // Nor does it vote, however its entry got a place.
    let later = world.good(0, ordinary(Method::Headcount, Effect::Policy));
    let entry = world.sign_under(world.register.cooperative(), 6, vote(later, Choice::Yes));
    world.place(6, entry.clone());
    assert_eq!(world.verdict(&entry.id()), Verdict::Void(Void::NotElector { member }));
    let (tally, _) = world.state.count(&world.register, &later, &world.cut()).unwrap();
    assert_eq!(tally.colleges[0].eligible, 5);
}

#[test]
fn rule_64_a_decision_that_counts_a_vote_of_a_non_binding_stage_is_void() {
    let mut world = World::new();
    let proposal = world.good(0, ordinary(Method::Headcount, Effect::Policy));
    world.good(0, vote(proposal, Choice::Yes));
    world.good(NOVICE, vote(proposal, Choice::Yes));
    let good = decide(&mut world, proposal);
    assert_eq!((good.tally.colleges[0].eligible, good.tally.colleges[0].yes), (6, 1));
    let mut both = good.clone();
    both.tally.colleges = list([Ballots { eligible: 7, yes: 2, no: 0, abstain: 0 }]);
    assert_eq!(world.void(REGISTRAR, Act::Decide(both)), 64);
    world.good(REGISTRAR, Act::Decide(good));
}

#[test]
fn rule_64_a_decision_that_counts_a_first_vote_beside_the_second_is_void() {
    let mut world = World::new();
    let proposal = world.good(0, ordinary(Method::Headcount, Effect::Policy));
    world.good(0, vote(proposal, Choice::Yes));
    world.good(0, vote(proposal, Choice::No));
    let good = decide(&mut world, proposal);
    assert_eq!((good.tally.colleges[0].yes, good.tally.colleges[0].no), (0, 1));
    let mut both = good.clone();
    both.tally.colleges = list([Ballots { eligible: 6, yes: 1, no: 1, abstain: 0 }]);
    assert_eq!(world.void(REGISTRAR, Act::Decide(both)), 64);
    let mut first = good.clone();
    first.tally.colleges = list([Ballots { eligible: 6, yes: 1, no: 0, abstain: 0 }]);
    assert_eq!(world.void(REGISTRAR, Act::Decide(first)), 64);
    world.good(REGISTRAR, Act::Decide(good));
}

#[test]
fn rule_64_a_tally_wrong_by_one_unit_is_void() {
    let mut world = World::new();
    let proposal = world.good(0, Act::Propose(propose(Effect::Policy)));
    world.good(0, vote(proposal, Choice::Yes));
    let good = decide(&mut world, proposal);
    let mut yes = good.clone();
    yes.tally.yes += 1;
    assert_eq!(world.void(REGISTRAR, Act::Decide(yes)), 64);
    let outcome = Outcome::Adopted;
    assert_eq!(world.void(REGISTRAR, Act::Decide(Decide { outcome, ..good.clone() })), 64);
    assert_eq!(good.outcome, Outcome::NoQuorum);
    world.good(REGISTRAR, Act::Decide(good));
}

#[test]
fn rule_75_a_run_with_one_cent_moved_is_void() {
    let mut world = earned();
    let good = distribute(&world, JANUARY);
    assert_eq!(good.totals.paid, 960);
    let mut lines = good.lines.to_vec();
    lines[0].livelihood += 1;
    lines[1].livelihood -= 1;
    let moved = Distribute { lines: list(lines), ..good.clone() };
    assert_eq!(world.void(DISTRIBUTOR, Act::Distribute(Box::new(moved))), 75);
    let mut kept = good.clone();
    kept.totals.retained += 1;
    assert_eq!(world.void(DISTRIBUTOR, Act::Distribute(Box::new(kept))), 75);
    let nobody = Distribute { lines: list([]), ..good.clone() };
    assert_eq!(world.void(DISTRIBUTOR, Act::Distribute(Box::new(nobody))), 75);
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(good)));
}

#[test]
fn rule_74_a_second_run_of_a_month_is_void() {
    let mut world = earned();
    let first = run(&mut world);
    let again = distribute(&world, JANUARY);
    assert_eq!(world.void(DISTRIBUTOR, Act::Distribute(Box::new(again))), 74);
    let before = distribute(&world, (2025, 12));
    assert_eq!(world.void(DISTRIBUTOR, Act::Distribute(Box::new(before))), 74);
    let next = distribute(&world, (2026, 2));
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(next)));
    let periods: Vec<_> = world.state.runs().iter().map(|(id, run)| (*id, run.period)).collect();
    assert_eq!(periods[0], (first, month(2026, 1)));
}

#[test]
fn rules_75_and_48_a_run_under_the_previous_charter_is_void() {
    let mut world = earned();
    let proposal = world.good(0, amend(Amendment::Retain(bp(1_000)), JANUARY));
    let previous = distribute(&world, JANUARY);
    carry(&mut world, proposal);
    let good = distribute(&world, JANUARY);
    assert_eq!((previous.totals.retained, good.totals.retained), (240, 120));
    let cut = good.cut.clone();
    let run = |cut| Act::Distribute(Box::new(Distribute { cut, ..previous.clone() }));
    assert_eq!(world.void(DISTRIBUTOR, run(cut.clone())), 75);
    // The same under the charter alone, over the entries of now: the change is among them.
    let at = world.register.cooperative();
    let entry = world.sign_under(at, DISTRIBUTOR, run(Cut { at, ..cut }));
    let verdict = world.state.judge(&world.register, DISTRIBUTOR, &entry);
    assert!(matches!(verdict, Verdict::Void(void) if void.rule() == 48), "{verdict:?}");
    // Over the entries of then, it is what was right then.
    let then = world.sign_under(at, DISTRIBUTOR, Act::Distribute(Box::new(previous)));
    assert_eq!(world.state.judge(&world.register, DISTRIBUTOR, &then), Verdict::Counted);
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(good)));
    assert_eq!(world.refused(&then), 20);
}

#[test]
fn rule_87_a_correction_by_another_member_is_void() {
    let mut world = World::new();
    let id = given(&mut world, 10);
    assert_eq!(world.void(1, correct(id, -1)), 87);
    world.good(0, correct(id, -1));
}

#[test]
fn rule_88_a_correction_below_zero_is_void_and_none_adds_to_what_was_attested() {
    let mut world = World::new();
    let id = given(&mut world, 10);
    assert_eq!(world.void(0, correct(id, 0)), 88);
    assert_eq!(world.void(0, correct(id, 1)), 88);
    assert_eq!(world.void(0, correct(id, -11)), 88);
    world.good(0, correct(id, -10));
    assert_eq!((quantity(&world, &id), claim(&world, 0)), (0, 0));
    assert_eq!(world.void(0, correct(id, -1)), 88);
    assert_eq!(world.void(0, correct(id, 11)), 88);
    world.good(0, correct(id, 4));
    assert_eq!((quantity(&world, &id), claim(&world, 0)), (4, 32));
    assert_eq!(world.void(0, correct(id, i64::MIN)), 88);
    for difference in [0, -100_001, 100_001] {
        assert_eq!(
            world.void(0, ordinary(Method::CollegeWeighted, Effect::Correct(id, difference))),
            88
        );
    }
}

#[test]
fn a_contribution_dated_in_a_closed_month_is_late_and_in_the_next_months_run() {
    let mut world = earned();
    run(&mut world);
    let act = close(&world, 1);
    world.good(TREASURER, act);
    let late = world.good(2, Act::Contribution(work(100)));
    world.good(1, attest(late));
    let place = world.state.chains().place(&late).unwrap();
    assert_eq!(world.state.treasury().settled_in(place, month(2026, 1)), month(2026, 2));
    world.good(TREASURER, Act::Invoice(invoice("J2", 1, 100_000, 1_200_000)));
    world.good(TREASURER, income("J2", 1_200_000, day(TODAY)));
    assert_eq!(world.void(DISTRIBUTOR, Act::Distribute(Box::new(distribute(&world, JANUARY)))), 74);
    let february = distribute(&world, (2026, 2));
    let line = february.lines.iter().find(|line| line.member == Member(2)).unwrap();
    assert_eq!(line.livelihood, 800);
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(february)));
}

#[test]
fn rule_32_a_scic_with_two_colleges_is_refused() {
    let two = |charter: &mut Charter| {
        let colleges = charter.colleges.to_vec();
        charter.colleges = list(colleges.into_iter().take(2));
        weights(charter, &[5_000, 5_000]);
        let founders = charter.founders.to_vec();
        charter.founders = list(founders.into_iter().filter(|founder| founder.college < 2));
    };
    assert_eq!(changed(two), 32);
    let plain = |charter: &mut Charter| {
        charter.profile = Profile::None;
        two(charter);
    };
    assert_eq!(changed(plain), 0, "no country's rule");
}

#[test]
fn rule_32_a_scic_with_a_college_of_9_percent_is_refused() {
    assert_eq!(changed(|charter| weights(charter, &[4_100, 5_000, 900])), 32);
    assert_eq!(changed(|charter| weights(charter, &[4_001, 5_000, 999])), 32);
    assert_eq!(changed(|charter| weights(charter, &[4_000, 5_000, 1_000])), 0);
}

#[test]
fn rule_32_a_scic_with_a_college_of_51_percent_is_refused() {
    assert_eq!(changed(|charter| weights(charter, &[5_100, 2_900, 2_000])), 32);
    assert_eq!(changed(|charter| weights(charter, &[5_001, 2_999, 2_000])), 32);
    assert_eq!(changed(|charter| weights(charter, &[5_000, 3_000, 2_000])), 0);
}

#[test]
fn rule_31_colleges_that_do_not_weigh_ten_thousand_together_are_refused() {
    assert_eq!(changed(|charter| weights(charter, &[5000, 3000, 1999])), 31);
    assert_eq!(changed(|charter| weights(charter, &[5000, 3000, 2001])), 31);
    let none = |charter: &mut Charter, given: &[u16]| {
        charter.profile = Profile::None;
        weights(charter, given);
    };
    assert_eq!(changed(|charter| none(charter, &[10_000, 0, 0])), 31);
    assert_eq!(changed(|charter| none(charter, &[9_998, 1, 1])), 0);
    assert_eq!(changed(|charter| charter.colleges = list([])), 31);
}

#[test]
fn rule_140_an_allocation_with_a_refund_is_void_under_fr_scic() {
    let (mut world, decision) = resolved(Choice::Yes);
    let part = Part { member: Member(4), amount: world::quantity(10) };
    let refund = Allocate { other: 4_240, refunds: list([part]), ..allocation(decision) };
    assert_eq!(allocate(&mut world, refund.clone()), 140);
    let mut charter = rich();
    charter.profile = Profile::None;
    let mut world = World::of(consented(charter));
    world.good(TREASURER, Act::Invoice(invoice("J1", 0, 1_000, 10_000)));
    let act = close(&world, 1);
    world.good(TREASURER, act);
    let decision = decided(&mut world, Matter::Allocation, Effect::Policy, Choice::Yes);
    world.good(TREASURER, Act::Allocate(Box::new(Allocate { decision, ..refund })));
    assert_eq!(net(&world, &Account::Due(Member(4))), -10);
}

#[test]
fn rule_139_an_allocation_with_57_4_percent_in_reserve_is_void() {
    let (mut world, decision) = resolved(Choice::Yes);
    let good = allocation(decision);
    let less = Allocate { statutory: 4_240, other: 4_260, ..good.clone() };
    assert_eq!(allocate(&mut world, less), 139);
    let one_less = Allocate { statutory: 4_249, other: 4_251, ..good.clone() };
    assert_eq!(allocate(&mut world, one_less), 139);
    let not_legal = Allocate { legal: 1_499, statutory: 4_251, ..good.clone() };
    assert_eq!(allocate(&mut world, not_legal), 139);
    world.good(TREASURER, Act::Allocate(Box::new(good)));
}

#[test]
fn rule_90_a_credit_weighted_method_on_a_statutory_proposal_is_void() {
    let mut world = World::new();
    let ask = |method, statutory| {
        let matter = Matter::Ordinary;
        Propose { matter, method, statutory, ..propose(Effect::Policy) }
    };
    let motion = |proposal| {
        let fallback = Some(Method::CreditWeighted);
        let course = Course { fallback, ..Course::default() };
        Act::Motion(Box::new(Motion { proposal, course }))
    };
    assert_eq!(world.void(0, motion(ask(Method::Consent, true))), 90);
    assert_eq!(world.void(0, Act::Propose(ask(Method::CreditWeighted, true))), 90);
    let first = Act::Propose(ask(Method::CreditWeighted, false));
    assert_eq!(world.void(0, first), 90, "nor on any other, in the first place");
    world.good(0, motion(ask(Method::Consent, false)));
}

#[test]
fn rule_58_a_machine_neither_proposes_nor_votes() {
    let mut world = World::new();
    assert_eq!(world.void(MACHINE, Act::Propose(propose(Effect::Policy))), 58);
    let proposal = world.good(0, Act::Propose(propose(Effect::Policy)));
    assert_eq!(world.void(MACHINE, vote(proposal, Choice::Yes)), 58);
}

#[test]
fn rule_148_a_receive_that_is_replayed_is_void() {
    let (mut ours, mut theirs, id) = agreed("EUR");
    let entry = sent(&mut theirs, send(id, 5));
    let act = receive(&theirs, &nodes()[..2], &entry);
    ours.good(TREASURER, Act::Receive(act.clone()));
    assert_eq!(ours.void(TREASURER, Act::Receive(act)), 148);
    let again = receive(&theirs, &nodes()[1..], &entry);
    assert_eq!(ours.void(TREASURER, Act::Receive(again)), 148, "with other receipts");
    assert_eq!(bank(&ours), 10_005);
}

#[test]
fn rules_12_and_22_an_act_after_a_cut_is_refused() {
    let mut world = World::new();
    world.good(4, Act::Contribution(work(1)));
    let before = world.register.head().1;
    leave(&mut world, 4);
    let more = Act::Contribution(work(2));
    assert_eq!(world.refused(&world.sign_under(before, 4, more.clone())), 22);
    assert_eq!(world.refused(&world.sign(4, more)), 12, "and it knows that it has ended");
    assert_eq!(world.refused(&world.sign(5, Act::Contribution(work(2)))), 0);
}

#[test]
fn rule_20_a_fork_of_the_spenders_chain_is_refused_and_is_a_proof() {
    let mut world = world::coffers::world();
    let pay = |to| transfer(wallet(4), wallet(to), "hour", 20, &[]);
    let (one, other) = (world.sign(4, pay(5)), world.sign(4, pay(6)));
    assert_eq!((world.refused(&one), world.refused(&other)), (0, 0), "either, while it is alone");
    world.place(4, one.clone());
    world.counts(&one.id());
    assert_eq!(world.refused(&other), 20);
    let fork = Fork::new(one.signed_header(), other.signed_header());
    assert_eq!(fork.check(&world.register.cooperative()), Ok(()));
    let holds =
        |member| world.state.books().net(&Account::Wallet(Member(member)), Unit::Internal(0));
    assert_eq!([holds(4), holds(5), holds(6)], [-20, 20, 0]);
}
