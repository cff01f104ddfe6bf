//! A cooperative with units, funds and limits of its own, and what its treasurer writes.

use talea_protocol::act::{Act, Choice, Close, Effect, Matter, Method, Propose};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, Signature};
use talea_protocol::money::{
    Allocate, Held, Open, Opening, PayOut, Purse, Reconcile, Redeem, Transfer, redemption,
};
use talea_protocol::treasury::{Fund, InternalUnit, Treasury};

use super::acts::{REGISTRAR, TREASURER, decide, income, invoice, vote};
use super::{
    DAY_MS, TODAY, World, bp, charter, code, consented, day, index, list, month, quantity,
};

/// Hours with mutual credit down to -20, meals without; a common fund, and one that issues 100.
pub fn treasury() -> Treasury {
    let unit = |name, limit: Option<i64>| InternalUnit {
        code: code(name),
        exponent: 0,
        limit: limit.map(quantity),
    };
    let fund = |name, of, issues: Option<i64>| Fund {
        code: code(name),
        unit: code(of),
        issues: issues.map(quantity),
    };
    Treasury {
        units: list([unit("hour", Some(20)), unit("meal", None)]),
        funds: list([fund("common", "hour", None), fund("kitchen", "meal", Some(100))]),
        expense_limit: Some(quantity(500)),
        interest_cap: bp(1_200),
        ..Treasury::default()
    }
}

pub fn rich() -> Charter {
    let mut rich = charter();
    rich.treasury = treasury();
    rich
}

pub fn world() -> World {
    World::of(consented(rich()))
}

pub fn wallet(member: u32) -> Purse {
    Purse::Member(Member(member))
}

pub fn fund(name: &str) -> Purse {
    Purse::Fund(code(name))
}

pub fn transfer(from: Purse, to: Purse, unit: &str, amount: i64, takes: &[EntryId]) -> Act {
    let mut takes = takes.to_vec();
    takes.sort_unstable();
    let (unit, amount, takes) = (code(unit), quantity(amount), list(takes));
    Act::Transfer(Transfer { from, to, unit, amount, takes })
}

pub fn redeem(world: &World, member: u32, amount: i64, reference: &str) -> Redeem {
    let device = &world.keys[index(member)];
    let mut act = Redeem {
        member: Member(member),
        amount: quantity(amount),
        date: day(TODAY),
        reference: code(reference),
        device: device.device(),
        signature: Signature([0; 64]),
    };
    let bytes = redemption(&world.register.cooperative(), &act);
    act.signature = device.sign(Purpose::Redemption, &bytes);
    act
}

pub fn pay_out(member: u32, amount: i64, reference: &str) -> Act {
    let (member, amount, date) = (Member(member), quantity(amount), day(TODAY));
    Act::PayOut(PayOut { member, amount, date, reference: code(reference) })
}

pub fn reconcile(date: i32, balance: i64) -> Act {
    Act::Reconcile(Reconcile { date: day(date), balance, reference: code("r") })
}

pub fn open(balances: &[(Held, i64)]) -> Act {
    let opening =
        |(account, amount): &(Held, i64)| Opening { account: account.clone(), amount: *amount };
    Act::Open(Open { date: day(TODAY - 5), balances: list(balances.iter().map(opening)) })
}

/// Subscribes shares, and counts.
pub fn share(world: &mut World, member: u32, amount: i64, reference: &str) {
    let act = world.subscribe(member, amount, reference);
    world.good(TREASURER, Act::Subscribe(act));
}

pub fn close(world: &World, of_year: u32) -> Act {
    Act::Close(Close { period: month(2026, of_year), cut: world.cut() })
}

/// A decision of this matter with this effect, for which all who may vote say so.
pub fn decided(world: &mut World, matter: Matter, effect: Effect, choice: Choice) -> EntryId {
    let closes = world.time + 3 * DAY_MS;
    let method = Method::CollegeWeighted;
    let propose = Propose { matter, method, statutory: true, closes, effect };
    let proposal = world.good(0, Act::Propose(propose));
    for voter in [0, 1, 2, 4, 5, 6] {
        world.good(voter, vote(proposal, choice));
    }
    let act = decide(world, proposal);
    world.good(REGISTRAR, Act::Decide(act))
}

/// January closed with a result of 10,000: shares of 12,000, and 10,000 invoiced and received.
pub fn january() -> World {
    let mut world = world();
    share(&mut world, 4, 12_000, "a");
    world.good(TREASURER, Act::Invoice(invoice("J1", 0, 1_000, 10_000)));
    world.good(TREASURER, income("J1", 10_000, day(TODAY)));
    let act = close(&world, 1);
    world.good(TREASURER, act);
    world
}

/// An allocation of January's 10,000 that keeps all rules: 15 %, half of the rest, and the rest.
pub fn allocation(decision: EntryId) -> Allocate {
    Allocate {
        decision,
        from: month(2026, 1),
        until: month(2026, 1),
        date: day(TODAY + 40),
        result: 10_000,
        legal: 1_500,
        statutory: 4_250,
        other: 4_250,
        interest: list([]),
        refunds: list([]),
        carried: 0,
    }
}
