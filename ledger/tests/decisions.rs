//! Rules 58 to 64: proposals, votes, decisions. One test each: what the rule refuses, and that its
//! neighbour counts.

use talea_protocol::act::{Act, Choice, Effect, Matter};
use talea_protocol::charter::{Amendment, Change, Member, Rate, Tier};

mod world;
use world::acts::{NOVICE, REGISTRAR, admit, amend, decide, propose, vote};
use world::{World, bp, code, list, month};

#[test]
fn rule_59_the_charter_is_amended_by_charter_proposals_to_values_it_can_have() {
    let mut world = World::new();
    let mut ordinary = propose(Effect::Amend(Change {
        amendments: list([Amendment::Care(bp(1))]),
        from: month(2026, 1),
    }));
    world.good(0, Act::Propose(ordinary.clone()));
    ordinary.matter = Matter::Ordinary;
    assert_eq!(world.void(0, Act::Propose(ordinary)), 59);
    let nothing = Effect::Amend(Change { amendments: list([]), from: month(2026, 1) });
    assert_eq!(world.void(0, Act::Propose(propose(nothing))), 59);
    let rate = |unit| Amendment::Rate(Rate { task: code("bake"), unit: code(unit), credits: 1 });
    for bad in [
        Amendment::InternalPrice(0),
        Amendment::Attestations(0),
        Amendment::Sponsors(1),
        rate("minute"),
    ] {
        assert_eq!(world.void(0, amend(bad, (2026, 1))), 59);
    }
    world.good(0, amend(rate("loaf"), (2026, 1)));
    world.good(0, amend(Amendment::Tier(Tier { code: code("new"), price: 9 }), (2026, 1)));
}

#[test]
fn rule_60_no_change_is_in_force_before_voting_ends() {
    let mut world = World::new();
    world.good(0, amend(Amendment::Care(bp(1)), (2026, 1)));
    assert_eq!(world.void(0, amend(Amendment::Care(bp(1)), (2025, 12))), 60);
}

#[test]
fn rule_61_who_was_admitted_later_is_no_elector() {
    let mut world = World::new();
    let key = world.add_key();
    let proposal = world.good(0, Act::Propose(propose(Effect::Policy)));
    let act = admit(&world, key, &[0, 2]);
    world.good(REGISTRAR, Act::Admit(act));
    let device = u32::try_from(key).unwrap();
    assert_eq!(world.void(device, vote(proposal, Choice::Yes)), 61);
    let later = world.good(0, Act::Propose(propose(Effect::Policy)));
    world.good(device, vote(later, Choice::Yes));
}

#[test]
fn rule_62_nothing_is_decided_before_voting_ends() {
    let mut world = World::new();
    let proposal = world.good(0, Act::Propose(propose(Effect::Policy)));
    let act = decide(&mut world, proposal);
    world.time -= 1;
    assert_eq!(world.void(REGISTRAR, Act::Decide(act.clone())), 62);
    world.time += 1;
    world.good(REGISTRAR, Act::Decide(act));
}

#[test]
fn rule_63_a_proposal_is_decided_once() {
    let mut world = World::new();
    let proposal = world.good(0, Act::Propose(propose(Effect::Policy)));
    let act = decide(&mut world, proposal);
    world.good(REGISTRAR, Act::Decide(act));
    let act = decide(&mut world, proposal);
    assert_eq!(world.void(REGISTRAR, Act::Decide(act)), 63);
}

#[test]
fn the_last_vote_inside_the_cut_counts_and_a_novices_is_only_shown() {
    let mut world = World::new();
    let proposal = world.good(0, Act::Propose(propose(Effect::Policy)));
    world.good(0, vote(proposal, Choice::No));
    world.good(NOVICE, vote(proposal, Choice::Yes));
    world.good(0, vote(proposal, Choice::Yes));
    let early = world.cut_of(&[3, 0]);
    let act = decide(&mut world, proposal);
    assert_eq!((act.tally.colleges[0].yes, act.tally.colleges[0].no), (1, 0));
    assert_eq!(act.tally.colleges[0].eligible, 3);
    let (tally, _) = world.state.count(&world.register, &proposal, &early).unwrap();
    assert_eq!((tally.colleges[0].yes, tally.colleges[0].no), (0, 1));
    let held = world.state.votes().proposal(&proposal).unwrap();
    let voters = held.voters(&proposal, &world.state.roll(&world.register), &act.cut);
    let novice = voters.iter().find(|voter| voter.member == Member(NOVICE)).unwrap();
    assert_eq!((novice.binding, novice.choice()), (false, Some(Choice::Yes)));
}
