//! What attested work is worth: rate, price, vesting, and which attestations count.

use talea_ledger::account::{Account, Unit};
use talea_protocol::act::{Act, Contribution, Job, Mark, Stream};
use talea_protocol::charter::{Amendment, Member, Rate};
use talea_protocol::hash::EntryId;

mod world;
use world::acts::{NOVICE, REGISTRAR, amend, attest, carry, work};
use world::{TODAY, World, charter, code, consented, day, month};

fn claims(world: &World, member: u32) -> (i128, i128, i128) {
    let of = |unit| -world.state.books().net(&Account::Claim(Member(member)), unit);
    (of(Unit::Livelihood), of(Unit::Love), of(Unit::Care))
}

fn attested(world: &mut World, author: u32, act: Contribution) -> EntryId {
    let id = world.good(author, Act::Contribution(act));
    world.good(if author == 2 { 1 } else { 2 }, attest(id));
    id
}

fn job(tier: u8) -> Option<Job> {
    Some(Job { code: code("J1"), tier })
}

/// Puts a rate for baking in force from a month on.
fn rate(world: &mut World, credits: u32, from: (u32, u32)) {
    let rate = Rate { task: code("bake"), unit: code("loaf"), credits };
    let proposal = world.good(0, amend(Amendment::Rate(rate), from));
    carry(world, proposal);
}

#[test]
fn work_is_nothing_until_as_many_have_attested_it_as_the_charter_asks() {
    let mut two = charter();
    two.attestations = 2;
    let mut world = World::of(consented(two));
    let id = world.good(0, Act::Contribution(work(10)));
    world.good(1, attest(id));
    assert_eq!(claims(&world, 0), (0, 0, 0));
    world.good(2, attest(id));
    assert_eq!(claims(&world, 0), (80, 0, 0));
    world.good(4, attest(id));
    assert_eq!(claims(&world, 0), (80, 0, 0), "once");
}

#[test]
fn below_the_internal_price_the_rest_is_love() {
    let mut world = World::new();
    attested(&mut world, 0, Contribution { job: job(0), ..work(8000) });
    assert_eq!(claims(&world, 0), (53_333, 10_667, 0));
    attested(&mut world, 1, Contribution { job: job(1), ..work(8000) });
    assert_eq!(claims(&world, 1), (64_000, 0, 0));
    attested(&mut world, 2, Contribution { job: job(2), ..work(8000) });
    assert_eq!(claims(&world, 2), (64_000, 0, 0), "above it, nobody earns more");
    let love = Contribution { stream: Stream::Love, job: job(0), ..work(8000) };
    attested(&mut world, 4, love);
    assert_eq!(claims(&world, 4), (0, 64_000, 0));
}

#[test]
fn a_novices_livelihood_vests_by_half_and_rounded_down() {
    let mut world = World::new();
    let id = attested(&mut world, NOVICE, Contribution { job: job(0), ..work(1) });
    assert_eq!(claims(&world, NOVICE), (3, 2, 0), "8 × 10/12 = 6, of which half, and 2");
    let record = world.state.work().record(&id).unwrap();
    assert_eq!(record.credit.nominal, 8);
}

#[test]
fn care_is_counted_in_minutes_and_has_no_price() {
    let mut world = World::new();
    attested(&mut world, 0, Contribution { stream: Stream::Care, task: code("care"), ..work(90) });
    assert_eq!(claims(&world, 0), (0, 0, 90));
}

#[test]
fn a_new_rate_is_for_work_that_ends_in_its_months() {
    let mut world = World::new();
    rate(&mut world, 10, (2026, 2));
    attested(&mut world, 0, work(10));
    assert_eq!(claims(&world, 0), (80, 0, 0));
    let february = Contribution { end: day(TODAY + 40), ..work(10) };
    attested(&mut world, 1, february);
    assert_eq!(claims(&world, 1), (100, 0, 0));
}

#[test]
fn nobody_keeps_an_old_rate_by_not_looking() {
    let mut world = World::new();
    let charter = world.register.cooperative();
    rate(&mut world, 5, (2026, 1));
    let old = world.sign_under(charter, 5, Act::Contribution(work(10)));
    world.place(5, old.clone());
    let old_attest = world.sign_under(charter, 6, attest(old.id()));
    world.place(6, old_attest);
    assert_eq!(claims(&world, 5), (80, 0, 0), "neither has seen the decision");
    let seen = world.good(5, Act::Contribution(work(10)));
    world.good(6, attest(seen));
    assert_eq!(claims(&world, 5), (80 + 50, 0, 0));
}

#[test]
fn of_many_attestations_those_under_the_oldest_register_entries_count() {
    let mut world = World::new();
    let charter = world.register.cooperative();
    let id = world.good(5, Act::Contribution(work(10)));
    rate(&mut world, 5, (2026, 1));
    world.good(6, attest(id));
    assert_eq!(claims(&world, 5), (50, 0, 0), "attested under the new rate");
    let older = world.sign_under(charter, 7, attest(id));
    world.place(7, older);
    assert_eq!(claims(&world, 5), (80, 0, 0), "the author's and this one know only the old");
}

#[test]
fn a_change_applies_to_what_names_its_decision_and_not_to_what_comes_later() {
    let mut world = World::new();
    attested(&mut world, 0, work(10));
    rate(&mut world, 5, (2026, 1));
    assert_eq!(claims(&world, 0), (80, 0, 0), "not retroactive");
    let cut = world.cut();
    world.good(REGISTRAR, Act::Mark(Mark { cut }));
    attested(&mut world, 0, work(10));
    assert_eq!(claims(&world, 0), (130, 0, 0));
    assert_eq!(world.state.terms().changes().len(), 1);
    assert_eq!(world.state.terms().changes()[0].1.from, month(2026, 1));
}
