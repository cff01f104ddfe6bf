//! Rules 40 to 57: admissions, roles, cuts, work. One test each: what the rule refuses, and that
//! its neighbour counts. Votes are in `decisions.rs`, money and runs in `money.rs`.

use talea_ledger::verdict::{Need, Verdict, Void};
use talea_protocol::act::{Act, Admit, Choice, Contribution, Effect, Job, Mark, Redirect, Stream};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{DeviceKey, Signature};

mod world;
use world::acts::{
    DISTRIBUTOR, REGISTRAR, TREASURER, admit, attest, decide, enrol, propose, vote, work,
};
use world::{TODAY, World, code, day, list, month, quantity};

#[test]
fn an_admitted_member_writes_and_is_one_from_then_on() {
    let mut world = World::new();
    let key = world.add_key();
    let act = admit(&world, key, &[0, 2]);
    world.good(REGISTRAR, Act::Admit(act));
    assert_eq!(world.register.member_count(1), 9);
    assert_eq!(world.register.member_count(0), 8);
    let device = u32::try_from(key).unwrap();
    assert_eq!(world.register.device(&world.keys[key].device(), 0), None);
    assert_eq!(world.register.device(&world.keys[key].device(), 1), Some(device));
    world.good(device, Act::Contribution(work(1)));
}

#[test]
fn rule_40_a_key_that_is_no_point_of_the_group_is_not_enrolled() {
    let mut world = World::new();
    let key = world.add_key();
    let mut act = admit(&world, key, &[0, 2]);
    act.request.device = DeviceKey([0xff; 32]);
    assert_eq!(world.void(REGISTRAR, Act::Admit(act)), 40);
    assert_eq!(world.register.members().len(), 8, "it adds nobody");
    assert_eq!(world.register.head().0, 1, "and keeps its number");
}

#[test]
fn rule_41_a_key_is_enrolled_once() {
    let mut world = World::new();
    let act = admit(&world, 5, &[0, 2]);
    assert_eq!(world.void(REGISTRAR, Act::Admit(act)), 41);
    let act = enrol(&world, 5, 0, 0);
    assert_eq!(world.void(REGISTRAR, Act::Enrol(act)), 41);
}

#[test]
fn rule_42_the_new_key_signs_its_request() {
    let mut world = World::new();
    let key = world.add_key();
    let mut act = admit(&world, key, &[0, 2]);
    act.request.kind = Kind::Organisation;
    assert_eq!(world.void(REGISTRAR, Act::Admit(act)), 42);
    let mut act = enrol(&world, key, 0, 0);
    act.proof = Signature([0; 64]);
    assert_eq!(world.void(REGISTRAR, Act::Enrol(act)), 42);
}

#[test]
fn rule_43_colleges_stages_tiers_and_members_exist() {
    let mut world = World::new();
    let key = world.add_key();
    let good = admit(&world, key, &[0, 2]);
    assert_eq!(world.void(REGISTRAR, Act::Admit(Admit { college: 3, ..good.clone() })), 43);
    assert_eq!(world.void(REGISTRAR, Act::Admit(Admit { stage: 2, ..good })), 43);
    let act = enrol(&world, key, 8, 0);
    assert_eq!(world.void(REGISTRAR, Act::Enrol(act)), 43);
    let act = enrol(&world, key, 5, 5);
    assert_eq!(world.void(REGISTRAR, Act::Enrol(act)), 43, "member 5 is an organisation");
    let job = |tier| Some(Job { code: code("J1"), tier });
    world.good(0, Act::Contribution(Contribution { job: job(2), ..work(1) }));
    assert_eq!(world.void(0, Act::Contribution(Contribution { job: job(3), ..work(1) })), 43);
    // Before what comes after it, and before anything is waited for.
    let act = Contribution { job: job(3), task: code("fly"), ..work(1) };
    assert_eq!(world.void(0, Act::Contribution(act)), 43);
    let (run, amount) = (EntryId([9; 32]), quantity(1));
    assert_eq!(world.void(0, Act::Redirect(Redirect { run, to: Member(99), amount })), 43);
}

#[test]
fn rule_44_as_many_members_vouch_as_the_charter_asks() {
    let mut world = World::new();
    let (key, second) = (world.add_key(), world.add_key());
    let one = admit(&world, key, &[0]);
    assert_eq!(world.void(REGISTRAR, Act::Admit(one)), 44);
    let mut unordered = admit(&world, key, &[0, 2]);
    unordered.sponsors = list(unordered.sponsors.iter().rev().cloned());
    assert_eq!(world.void(REGISTRAR, Act::Admit(unordered)), 44);
    let mut other = admit(&world, key, &[0, 2]);
    other.sponsors = admit(&world, second, &[0, 2]).sponsors;
    assert_eq!(world.void(REGISTRAR, Act::Admit(other)), 44, "they vouched for another key");
    let good = admit(&world, key, &[0, 2]);
    world.good(REGISTRAR, Act::Admit(good));
}

#[test]
fn rule_44_two_devices_of_one_member_are_one_sponsor() {
    let mut world = World::new();
    let (second, key) = (world.add_key(), world.add_key());
    let act = enrol(&world, second, 0, 0);
    world.good(REGISTRAR, Act::Enrol(act));
    let act = admit(&world, key, &[0, second]);
    assert_eq!(world.void(REGISTRAR, Act::Admit(act)), 44);
}

#[test]
fn rule_45_a_device_of_the_member_approves_the_next() {
    let mut world = World::new();
    let key = world.add_key();
    let act = enrol(&world, key, 0, 2);
    assert_eq!(world.void(REGISTRAR, Act::Enrol(act)), 45);
    let act = enrol(&world, key, 0, 0);
    world.good(REGISTRAR, Act::Enrol(act));
}

#[test]
fn rule_46_a_role_is_its_holders_first_devices() {
    let mut world = World::new();
    let second = world.add_key();
    let act = enrol(&world, second, TREASURER, 0);
    world.good(REGISTRAR, Act::Enrol(act));
    let second = u32::try_from(second).unwrap();
    let subscribe = Act::Subscribe(world.subscribe(4, 100, "a"));
    assert_eq!(world.void(REGISTRAR, subscribe.clone()), 46);
    assert_eq!(world.void(second, subscribe.clone()), 46);
    world.good(TREASURER, subscribe);
    let run = world.state.distribute(&world.register, 1, month(2026, 1), &world.cut()).unwrap();
    assert_eq!(world.void(TREASURER, Act::Distribute(Box::new(run.clone()))), 46);
    let run_id = world.good(DISTRIBUTOR, Act::Distribute(Box::new(run)));
    let redirect = Redirect { run: run_id, to: Member(4), amount: quantity(1) };
    assert_eq!(world.void(second, Act::Redirect(redirect)), 46);
}

#[test]
fn rule_47_a_cut_is_of_the_past() {
    let mut world = World::new();
    let good = world.cut();
    let mut unknown = good.clone();
    unknown.at = EntryId([5; 32]);
    assert_eq!(world.void(REGISTRAR, Act::Mark(Mark { cut: unknown })), 47);
    let mut itself = world.cut_of(&[1, 1]);
    itself.lengths = list([1, 2]);
    assert_eq!(world.void(REGISTRAR, Act::Mark(Mark { cut: itself })), 47);
    let mut long = world.cut();
    long.lengths = list((0..9).map(|device| world.state.length(device)));
    assert_eq!(
        world.void(REGISTRAR, Act::Mark(Mark { cut: long })),
        47,
        "eight devices, nine chains"
    );
    world.good(REGISTRAR, Act::Mark(Mark { cut: good }));
}

#[test]
fn rule_48_nothing_in_a_cut_knows_more_of_the_register_than_the_act_does() {
    let mut world = World::new();
    let cut = world.cut();
    world.good(REGISTRAR, Act::Mark(Mark { cut }));
    world.good(0, Act::Contribution(work(1)));
    let charter = world.register.cooperative();
    let mut cut = world.cut_of(&[2, 0]);
    cut.at = charter;
    let run = world.state.distribute(&world.register, 0, month(2026, 1), &cut).unwrap();
    let entry = world.sign_under(charter, 2, Act::Distribute(Box::new(run)));
    world.place(2, entry.clone());
    let expected = Verdict::Void(Void::CutBasis { inside: 1, basis: 0 });
    assert_eq!(world.verdict(&entry.id()), expected);
}

#[test]
fn rule_49_a_cut_names_its_entries_and_not_just_how_many() {
    let mut world = World::new();
    let mut cut = world.cut();
    cut.root = Hash([1; 32]);
    assert_eq!(world.void(REGISTRAR, Act::Mark(Mark { cut })), 49);
}

#[test]
fn a_cut_waits_for_what_it_names_and_for_nothing_else() {
    let mut world = World::new();
    let entry = world.sign(0, Act::Contribution(work(1)));
    let mut other = world.clone();
    other.place(0, entry.clone());
    let mark = other.sign(REGISTRAR, Act::Mark(Mark { cut: other.cut() }));
    world.place(REGISTRAR, mark.clone());
    let need = Need::Chain { device: 0, length: 2 };
    assert_eq!(world.verdict(&mark.id()), Verdict::Pending(need));
    world.good(2, Act::Contribution(work(1)));
    world.place(0, entry);
    world.counts(&mark.id());
}

#[test]
fn rule_50_what_is_named_counts_and_is_of_its_kind() {
    let mut world = World::new();
    let proposal = world.good(0, Act::Propose(propose(Effect::Policy)));
    assert_eq!(world.void(1, attest(proposal)), 50);
    let entry = world.sign(0, Act::Contribution(Contribution { task: code("fly"), ..work(1) }));
    world.place(0, entry.clone());
    assert_eq!(world.void(1, attest(entry.id())), 50);
    assert_eq!(world.void(1, vote(entry.id(), Choice::Yes)), 50);
    let mut early = decide(&mut world, proposal);
    early.cut = world.cut_of(&[1, 0]);
    assert_eq!(world.void(REGISTRAR, Act::Decide(early)), 50, "proposed outside the cut");
    let nothing = world.put(1, attest(EntryId([9; 32])));
    let need = Need::Entry { id: EntryId([9; 32]) };
    assert_eq!(world.verdict(&nothing), Verdict::Pending(need));
}

#[test]
fn rule_51_a_task_is_one_of_the_charters() {
    let mut world = World::new();
    assert_eq!(world.void(0, Act::Contribution(Contribution { task: code("fly"), ..work(1) })), 51);
}

#[test]
fn rule_52_a_contribution_claims_no_more_than_the_charter_allows() {
    let mut world = World::new();
    world.good(0, Act::Contribution(work(100_000)));
    assert_eq!(world.void(0, Act::Contribution(work(100_001))), 52);
}

#[test]
fn rule_53_work_does_not_end_before_it_begins() {
    let mut world = World::new();
    let dated = |begin| Act::Contribution(Contribution { begin: day(TODAY + begin), ..work(1) });
    world.good(0, dated(-1));
    assert_eq!(world.void(0, dated(1)), 53);
}

#[test]
fn rule_54_only_minutes_are_care() {
    let mut world = World::new();
    let of = |stream, task| Act::Contribution(Contribution { stream, task: code(task), ..work(1) });
    world.good(0, of(Stream::Care, "care"));
    assert_eq!(world.void(0, of(Stream::Care, "bake")), 54);
    assert_eq!(world.void(0, of(Stream::Love, "care")), 54);
}

#[test]
fn rule_55_tags_ascend() {
    let mut world = World::new();
    let tagged =
        |tags: [&str; 2]| Act::Contribution(Contribution { tags: list(tags.map(code)), ..work(1) });
    world.good(0, tagged(["a", "b"]));
    assert_eq!(world.void(0, tagged(["b", "a"])), 55);
    assert_eq!(world.void(0, tagged(["a", "a"])), 55);
}

#[test]
fn rule_57_a_device_attests_once() {
    let mut world = World::new();
    let id = world.good(0, Act::Contribution(work(10)));
    world.good(1, attest(id));
    assert_eq!(world.void(1, attest(id)), 57);
    world.good(2, attest(id));
}
