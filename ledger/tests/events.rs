//! Rules 98 to 104: who attests what, resources, agreements, commitments. One test each: what the
//! rule refuses, and that its neighbour counts.

use talea_ledger::account::{Account, Unit};
use talea_ledger::view::plans::{self, Fulfilment};
use talea_protocol::act::{
    Act, Action, Agree, Agreement, Belonging, Clause, Comment, Commit, Contribution, Correct,
    Delivery, Direction, Draw, Duty, Effect, Extent, Intent, Matter, Method, Party, Propose,
    Resource, Review, Stream, Taking,
};
use talea_protocol::charter::Member;
use talea_protocol::council::{Attester, Attesting, Circle, Competence};
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::{HandOver, Office};

mod world;
use world::acts::{REGISTRAR, attest, carry, enrol, propose, work};
use world::{TODAY, World, charter, code, consented, day, list, quantity};

fn claim(world: &World, member: u32) -> i128 {
    -world.state.books().net(&Account::Claim(Member(member)), Unit::Livelihood)
}

fn part(contribution: EntryId, units: i64) -> Act {
    Act::Review(Review { contribution, extent: Extent::Part(quantity(units)) })
}

fn quality(contribution: EntryId) -> Act {
    Act::Review(Review { contribution, extent: Extent::Quality })
}

fn resource(units: i64) -> Resource {
    Resource { code: code("glossary"), unit: code("page"), quantity: quantity(units) }
}

fn deliver(action: Action, resource: Option<Resource>, belonging: Belonging) -> Act {
    Act::Deliver(Box::new(Delivery { work: work(10), action, resource, belonging }))
}

fn plain(action: Action, resource: Option<Resource>) -> Act {
    deliver(action, resource, Belonging::default())
}

fn in_circle(name: &str) -> Belonging {
    Belonging { circle: Some(code(name)), ..Belonging::default() }
}

fn draw(taking: Taking, units: i64, belonging: Belonging) -> Act {
    Act::Draw(Draw { taking, resource: resource(units), date: day(TODAY), belonging })
}

/// A cooperative with two circles, in which a task is attested as asked.
fn attested_by(by: Attester, quality: u8) -> World {
    let mut charter = charter();
    charter.council.attesting = list([Attesting { task: code("bake"), by, quality }]);
    let circle = |name| Circle {
        code: code(name),
        colleges: list([]),
        may: list([Competence::Policy]),
        spend_max: 0,
    };
    charter.council.circles = list([circle("oven"), circle("shop")]);
    World::of(consented(charter))
}

/// Makes a member the facilitator of the circle in this place.
fn facilitates(world: &mut World, place: u8, member: u32) {
    let office = Office::Facilitator(place);
    let effect = Effect::Appoint(office, Member(member));
    let act = Propose { matter: Matter::Ordinary, ..propose(effect) };
    let proposal = world.good(0, Act::Propose(act));
    let decision = carry(world, proposal);
    let cut = world.cut_of(&[]);
    let holder = Member(member);
    world.good(REGISTRAR, Act::HandOver(HandOver { office, holder, decision, cut }));
}

#[test]
fn rule_98_a_task_is_attested_by_whom_the_charter_says() {
    let mut world = attested_by(Attester::Client, 0);
    let id = world.good(0, Act::Contribution(work(10)));
    assert_eq!(world.void(1, attest(id)), 98, "a worker");
    assert_eq!(world.void(1, part(id, 1)), 98);
    assert_eq!(world.void(1, quality(id)), 98);
    world.good(4, attest(id));
    assert_eq!(claim(&world, 0), 80);
    let care = Contribution { stream: Stream::Care, task: code("care"), ..work(10) };
    let care = world.good(0, Act::Contribution(care));
    world.good(1, attest(care));

    let mut world = attested_by(Attester::Editor, 0);
    facilitates(&mut world, 1, 2);
    let shop = world.good(0, deliver(Action::Work, None, in_circle("shop")));
    let oven = world.good(0, deliver(Action::Work, None, in_circle("oven")));
    let any = world.good(0, plain(Action::Work, None));
    assert_eq!(world.void(1, attest(shop)), 98, "the registrar is nobody's facilitator");
    assert_eq!(world.void(2, attest(oven)), 98, "of another circle");
    world.good(2, attest(shop));
    world.good(2, attest(any));
}

#[test]
fn rule_99_no_more_is_confirmed_than_was_claimed() {
    let mut world = World::new();
    let id = world.good(0, Act::Contribution(work(10)));
    assert_eq!(world.void(1, part(id, 11)), 99);
    world.good(1, part(id, 10));
    assert_eq!(claim(&world, 0), 80);
}

#[test]
fn rule_57_a_device_attests_the_quantity_once_and_the_quality_once() {
    let mut world = World::new();
    let id = world.good(0, Act::Contribution(work(10)));
    world.good(1, part(id, 4));
    assert_eq!(world.void(1, attest(id)), 57);
    assert_eq!(world.void(1, part(id, 10)), 57);
    world.good(1, quality(id));
    assert_eq!(world.void(1, quality(id)), 57);
}

#[test]
fn rule_56_nobody_reviews_their_own_work() {
    let mut world = World::new();
    let id = world.good(0, Act::Contribution(work(10)));
    assert_eq!(world.void(0, part(id, 4)), 56);
    assert_eq!(world.void(0, quality(id)), 56);
}

#[test]
fn so_much_is_credited_as_enough_members_confirm_and_a_low_word_takes_nothing_away() {
    let mut two = charter();
    two.attestations = 2;
    let mut world = World::of(consented(two));
    let id = world.good(0, Act::Contribution(work(10)));
    world.good(1, part(id, 6));
    assert_eq!(claim(&world, 0), 0, "one of two");
    world.good(2, part(id, 1));
    assert_eq!(claim(&world, 0), 8, "what both confirm");
    world.good(4, part(id, 4));
    assert_eq!(claim(&world, 0), 32, "what two of three confirm");
    world.good(5, attest(id));
    assert_eq!(claim(&world, 0), 48);
    world.good(0, Act::Correct(Correct { contribution: id, difference: -7 }));
    assert_eq!(claim(&world, 0), 24, "and no more than is left");
    assert_eq!(world.state.work().record(&id).unwrap().confirmed(|_| true), 3);
}

#[test]
fn nothing_is_credited_before_as_many_confirm_the_quality_as_the_charter_asks() {
    let mut world = attested_by(Attester::Peer, 2);
    let id = world.good(0, Act::Contribution(work(10)));
    world.good(1, attest(id));
    world.good(1, quality(id));
    assert_eq!(claim(&world, 0), 0);
    let second = world.add_key();
    let act = enrol(&world, second, 1, 1);
    world.good(REGISTRAR, Act::Enrol(act));
    world.good(u32::try_from(second).unwrap(), quality(id));
    assert_eq!(claim(&world, 0), 0, "the same member");
    world.good(2, quality(id));
    assert_eq!(claim(&world, 0), 80);
}

#[test]
fn rule_100_what_produces_names_what_it_produced_and_nothing_else_does() {
    let mut world = World::new();
    world.good(0, plain(Action::Produce, Some(resource(3))));
    assert_eq!(world.void(0, plain(Action::Produce, None)), 100);
    for action in [Action::Work, Action::DeliverService] {
        world.good(0, plain(action, None));
        assert_eq!(world.void(0, plain(action, Some(resource(3)))), 100);
    }
}

#[test]
fn rule_101_a_circle_that_is_named_exists() {
    let mut world = attested_by(Attester::Peer, 0);
    let intent = |circle| {
        let (direction, what) = (Direction::Offer, resource(1));
        Act::Intent(Intent { direction, what, until: None, circle })
    };
    world.good(0, deliver(Action::Work, None, in_circle("oven")));
    assert_eq!(world.void(0, deliver(Action::Work, None, in_circle("sea"))), 101);
    world.good(0, draw(Taking::Use, 1, in_circle("oven")));
    assert_eq!(world.void(0, draw(Taking::Use, 1, in_circle("sea"))), 101);
    world.good(0, intent(Some(code("oven"))));
    assert_eq!(world.void(0, intent(Some(code("sea")))), 101);
}

#[test]
fn resources_are_produced_once_attested_and_only_consuming_takes_from_them() {
    let mut world = World::new();
    let made = world.good(0, plain(Action::Produce, Some(resource(12))));
    world.good(0, plain(Action::Produce, Some(resource(100))));
    world.good(1, attest(made));
    for (taking, units) in [(Taking::Use, 5), (Taking::Cite, 7), (Taking::Consume, 2)] {
        world.good(2, draw(taking, units, Belonging::default()));
    }
    let all = plans::resources(&world.state);
    let [one] = &all[..] else { panic!("{all:?}") };
    assert_eq!((one.produced, one.used, one.cited, one.consumed, one.left), (12, 5, 7, 2, 10));
    assert_eq!(claim(&world, 2), 0, "drawing earns nothing");
    assert_eq!(claim(&world, 0), 80);
}

fn member(number: u32) -> Party {
    Party::Member(Member(number))
}

fn agreement(parties: &[Party], provider: Party, receiver: Party) -> Act {
    let duty = Duty::DeliverService;
    let clause = Clause { provider, receiver, duty, what: resource(600), due: None };
    let parties = list(parties.iter().copied());
    Act::Agreement(Agreement { parties, clauses: list([clause]) })
}

#[test]
fn rule_102_an_agreement_is_between_its_parties_one_of_whom_writes_it() {
    let mut world = World::new();
    let (a, b, all) = (member(0), member(5), Party::Cooperative);
    world.good(0, agreement(&[all, a, b], b, all));
    assert_eq!(world.void(0, agreement(&[a, b, all], a, b)), 102, "not in order");
    assert_eq!(world.void(0, agreement(&[a], a, a)), 102, "alone");
    assert_eq!(world.void(0, agreement(&[a, b], a, a)), 102);
    assert_eq!(world.void(0, agreement(&[a, b], a, all)), 102, "not a party");
    assert_eq!(world.void(1, agreement(&[a, b], a, b)), 102, "not the author's");
    let none = Agreement { parties: list([a, b]), clauses: list([]) };
    assert_eq!(world.void(0, Act::Agreement(none)), 102);
    assert_eq!(world.void(0, agreement(&[a, member(99)], a, member(99))), 43);
}

#[test]
fn rule_103_only_a_party_agrees_and_is_bound_once_it_has() {
    let mut world = World::new();
    let id =
        world.good(0, agreement(&[Party::Cooperative, member(0), member(5)], member(5), member(0)));
    let agree = |agreement| Act::Agree(Agree { agreement });
    assert_eq!(world.void(1, agree(id)), 103);
    assert_eq!(world.void(5, agree(world.register.cooperative())), 50);
    let bound = |world: &World| -> Vec<bool> {
        plans::agreements(&world.state)[0].parties.iter().map(|it| it.by.is_some()).collect()
    };
    assert_eq!(bound(&world), [false, true, false]);
    world.good(5, agree(id));
    assert_eq!(bound(&world), [false, true, true]);
    let effect = Effect::Agree(id);
    let act = Propose { matter: Matter::Ordinary, method: Method::Headcount, ..propose(effect) };
    let proposal = world.good(0, Act::Propose(act.clone()));
    carry(&mut world, proposal);
    assert_eq!(bound(&world), [true, true, true], "the cooperative, by decision");
    let without = world.good(0, agreement(&[member(0), member(5)], member(0), member(5)));
    let act = Propose { effect: Effect::Agree(without), ..act };
    assert_eq!(world.void(0, Act::Propose(act)), 50, "the cooperative is no party of it");
}

fn commit(receiver: Party, agreement: Option<EntryId>, intent: Option<EntryId>) -> Act {
    let (duty, due) = (Duty::DeliverService, day(TODAY + 30));
    let what = Resource { code: code("bake"), unit: code("loaf"), quantity: quantity(30) };
    Act::Commit(Commit { intent, agreement, receiver, duty, what, due })
}

#[test]
fn rule_104_a_commitment_is_to_somebody_else_and_to_a_party_of_its_agreement() {
    let mut world = World::new();
    let id = world.good(0, agreement(&[member(0), member(5)], member(5), member(0)));
    world.good(0, commit(member(5), Some(id), None));
    assert_eq!(world.void(0, commit(member(0), None, None)), 104);
    assert_eq!(world.void(0, commit(member(1), Some(id), None)), 104);
    assert_eq!(world.void(1, commit(member(5), Some(id), None)), 104);
    assert_eq!(world.void(0, commit(member(99), None, None)), 43);
    assert_eq!(world.void(0, commit(member(5), None, Some(id))), 50, "that is no intent");
    world.good(0, commit(Party::Cooperative, None, None));
}

#[test]
fn what_its_author_gives_and_others_confirm_fulfils_a_commitment() {
    let mut world = World::new();
    let promise = world.good(0, commit(member(5), None, None));
    let belonging = Belonging { commitment: Some(promise), ..Belonging::default() };
    let given = world.good(0, deliver(Action::DeliverService, None, belonging.clone()));
    world.good(1, deliver(Action::DeliverService, None, belonging));
    let of = |world: &World| plans::commitments(&world.state)[0].fulfilled.clone();
    assert_eq!(of(&world), [], "not attested");
    world.good(5, attest(given));
    assert_eq!(of(&world), [Fulfilment { id: given, quantity: 10 }]);
    assert_eq!(plans::commitments(&world.state)[0].open, 20);
}

#[test]
fn a_comment_is_about_any_entry_even_one_that_is_void() {
    let mut world = World::new();
    let entry = world.sign(0, Act::Contribution(Contribution { task: code("fly"), ..work(1) }));
    let on = entry.id();
    let early = world.good(1, Act::Comment(Comment { on }));
    world.place(0, entry);
    let late = world.good(2, Act::Comment(Comment { on }));
    let said: Vec<_> = world.state.plans().comments(&on).map(|(id, by)| (*id, by.0)).collect();
    let mut expected = vec![(early, 1), (late, 2)];
    expected.sort_unstable();
    assert_eq!(said, expected);
}
