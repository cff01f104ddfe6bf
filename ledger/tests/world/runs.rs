//! A cooperative that has something to divide, its run, and what members pass on of it.

use talea_protocol::act::{Act, Distribute, Redirect};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use super::acts::{DISTRIBUTOR, TREASURER, attest, income, invoice, work};
use super::{TODAY, World, bp, charter, consented, day, month, quantity};

pub const JANUARY: (u32, u32) = (2026, 1);

/// 1,200 received for 100 loaves, and two members with claims of 800 and 400; livelihood only.
pub fn earned() -> World {
    let mut simple = charter();
    (simple.formula.care, simple.formula.livelihood) = (bp(0), bp(10_000));
    let mut world = World::of(consented(simple));
    world.good(TREASURER, Act::Invoice(invoice("J1", 1, 100, 1200)));
    world.good(TREASURER, income("J1", 1200, day(TODAY)));
    for (member, units) in [(0, 100), (1, 50)] {
        let id = world.good(member, Act::Contribution(work(units)));
        world.good(2, attest(id));
    }
    world
}

pub fn distribute(world: &World, (year, of_year): (u32, u32)) -> Distribute {
    let basis = world.register.head().0;
    let period = month(year, of_year);
    world.state.distribute(&world.register, basis, period, &world.cut()).unwrap()
}

/// A run of January: 1,200, of which a fifth is retained.
pub fn run(world: &mut World) -> EntryId {
    let run = distribute(world, JANUARY);
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(run)))
}

pub fn redirect(run: EntryId, to: u32, amount: i64) -> Act {
    Act::Redirect(Redirect { run, to: Member(to), amount: quantity(amount) })
}
