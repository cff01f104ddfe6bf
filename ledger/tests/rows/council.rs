//! Rows 13 to 24, put together by hand.

use talea_protocol::act::{
    Act, Action, Advance, Agree, Agreement, Belonging, Clause, Commit, Correct, Course, Delegate,
    Delivery, Direction, Dispute, Draw, Duty, Effect, Extent, Grounds, Intent, Matter, Method,
    Motion, Party, Propose, Rank, Resource, Review, Scope, Taking, Withdraw,
};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::council::{Council, Milestone};
use talea_protocol::hash::EntryId;

use super::text;
use super::world::acts::{REGISTRAR, propose, work};
use super::world::{TODAY, World, code, day, list, quantity};

/// A council in which all of it can be written.
pub fn council(charter: &mut Charter) {
    let milestones = list([Milestone { stage: 0, words: 0, credits: 0 }]);
    charter.council = Council { proxies: 1, milestones, ..Council::default() };
}

fn resource() -> Resource {
    Resource { code: code("glossary"), unit: code("page"), quantity: quantity(3) }
}

fn member(number: u32) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

/// A row: kind, key, value.
fn row(kind: u8, key: &EntryId, value: &[Vec<u8>]) -> Vec<u8> {
    [vec![kind], key.0.to_vec(), value.concat()].concat()
}

fn three_pages() -> Vec<u8> {
    [text("glossary"), text("page"), 3_i64.to_le_bytes().to_vec()].concat()
}

/// Writes a row of every kind from 13 to 24; returns them.
pub fn write(world: &mut World) -> Vec<Vec<u8>> {
    [contested(world), asked(world), given(world), planned(world)].concat()
}

fn contested(world: &mut World) -> Vec<Vec<u8>> {
    let contribution = world.good(0, Act::Contribution(work(10)));
    let dispute = world.good(2, Act::Dispute(Dispute { contribution }));
    let open = world.good(1, Act::Dispute(Dispute { contribution }));
    let end = world.good(2, Act::Withdraw(Withdraw { dispute }));
    let correct = Correct { contribution, difference: -2 };
    let correct = world.good(0, Act::Correct(correct));
    let grounds = Grounds::Milestones { cut: world.cut(), words: list([]) };
    let (who, from) = (Member(3), day(TODAY));
    let stage =
        world.good(REGISTRAR, Act::Advance(Advance { member: who, stage: 0, from, grounds }));
    let of = contribution.0.to_vec();
    vec![
        row(13, &dispute, &[of.clone(), member(2), vec![1], end.0.to_vec()]),
        row(13, &open, &[of.clone(), member(1), vec![0]]),
        row(15, &correct, &[of, (-2_i64).to_le_bytes().to_vec()]),
        row(14, &stage, &[member(3), vec![0], TODAY.to_le_bytes().to_vec()]),
    ]
}

fn asked(world: &mut World) -> Vec<Vec<u8>> {
    let course = Course { options: list([code("a"), code("b")]), ..Course::default() };
    let (matter, method, statutory) = (Matter::Ordinary, Method::Ranked, false);
    let proposal = Propose { matter, method, statutory, ..propose(Effect::Policy) };
    let proposal = world.good(0, Act::Motion(Box::new(Motion { proposal, course })));
    let marks = list([1, 0]);
    world.good(6, Act::Rank(Rank { proposal, marks }));
    let scope = Scope::Proposal(proposal);
    let delegate = Delegate { to: Some(Member(6)), scope, until: 7 };
    let delegate = world.good(4, Act::Delegate(delegate));
    let until = 7_u64.to_le_bytes().to_vec();
    let scope = [3_u32.to_le_bytes().to_vec(), proposal.0.to_vec()].concat();
    vec![
        row(16, &proposal, &[member(6), 2_u64.to_le_bytes().to_vec(), vec![1, 0]]),
        row(17, &delegate, &[member(4), vec![1], member(6), scope, until]),
    ]
}

fn given(world: &mut World) -> Vec<Vec<u8>> {
    let belonging = Belonging { commitment: Some(EntryId([7; 32])), ..Belonging::default() };
    let (action, resource) = (Action::Produce, Some(resource()));
    let delivery = Delivery { work: work(10), action, resource, belonging };
    let contribution = world.good(0, Act::Deliver(Box::new(delivery)));
    let mut review = |extent| world.good(2, Act::Review(Review { contribution, extent }));
    let part = review(Extent::Part(quantity(4)));
    let quality = review(Extent::Quality);
    let taking = Taking::Consume;
    let draw = Draw {
        taking,
        resource: self::resource(),
        date: day(TODAY),
        belonging: Belonging::default(),
    };
    let draw = world.good(1, Act::Draw(draw));
    let of = contribution.0.to_vec();
    vec![
        row(18, &part, &[of.clone(), member(2), member(0), vec![1], 4_i64.to_le_bytes().to_vec()]),
        row(18, &quality, &[of, member(2), member(1), vec![0]]),
        row(19, &contribution, &[member(1), vec![1], three_pages(), vec![0, 0, 1], vec![7; 32]]),
        row(
            20,
            &draw,
            &[member(1), member(2), three_pages(), TODAY.to_le_bytes().to_vec(), vec![0, 0, 0]],
        ),
    ]
}

fn planned(world: &mut World) -> Vec<Vec<u8>> {
    let (direction, what) = (Direction::Request, resource());
    let intent = Intent { direction, what, until: None, circle: None };
    let intent = world.good(0, Act::Intent(intent));
    let (all, one, other) =
        (Party::Cooperative, Party::Member(Member(0)), Party::Member(Member(5)));
    let (duty, what) = (Duty::Transfer, resource());
    let clause = Clause { provider: one, receiver: all, duty, what, due: None };
    let agreement = Agreement { parties: list([all, one, other]), clauses: list([clause]) };
    let agreement = world.good(0, Act::Agreement(agreement));
    let word = world.good(5, Act::Agree(Agree { agreement }));
    let (what, due) = (resource(), day(TODAY));
    let commit = Commit {
        intent: Some(intent),
        agreement: None,
        receiver: all,
        duty: Duty::Work,
        what,
        due,
    };
    let commit = world.good(0, Act::Commit(commit));
    let party = |number| [member(1), member(number)].concat();
    let count = |count: u64| count.to_le_bytes().to_vec();
    vec![
        row(21, &intent, &[member(0), member(1), three_pages(), vec![0, 0]]),
        row(
            22,
            &agreement,
            &[
                member(0),
                count(3),
                member(0),
                party(0),
                party(5),
                count(1),
                party(0),
                member(0),
                member(3),
                three_pages(),
                vec![0],
            ],
        ),
        row(23, &agreement, &[member(5), word.0.to_vec()]),
        row(
            24,
            &commit,
            &[
                member(0),
                vec![1],
                intent.0.to_vec(),
                vec![0],
                member(0),
                member(0),
                three_pages(),
                TODAY.to_le_bytes().to_vec(),
            ],
        ),
    ]
}
