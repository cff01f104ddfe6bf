//! Entries of the treasurer beyond a month's business, and a transfer: acts 29 to 34.
//!
//! Whether the ledger would count what they say is not this file's business.

use talea_protocol::act::Act;
use talea_protocol::bytes::List;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, Signature};
use talea_protocol::money::*;

use crate::entries::{World, amount, code, day, january, list};
use crate::secret;

/// Adds all of them to what is written.
pub fn write(world: &mut World) {
    shares(world);
    balances(world);
    let parts = vec![Part { member: Member(0), amount: amount(7) }];
    let allocate = Allocate {
        decision: world.basis,
        from: january(),
        until: january(),
        date: day(20_500),
        result: 107_100,
        legal: 16_065,
        statutory: 45_518,
        other: 45_500,
        interest: list(parts.clone()),
        refunds: List::default(),
        carried: 10,
    };
    let loss = Allocate {
        result: -5,
        legal: 0,
        statutory: 0,
        other: 0,
        interest: List::default(),
        refunds: list(parts),
        carried: -12,
        ..allocate.clone()
    };
    world.write("allocate", 2, None, Act::Allocate(Box::new(allocate)));
    world.write("allocate, a loss", 2, None, Act::Allocate(Box::new(loss)));
    transfers(world);
}

fn shares(world: &mut World) {
    let mut redeem = Redeem {
        member: Member(3),
        amount: amount(2_000),
        date: day(20_500),
        reference: code("2026/2"),
        device: secret(4).device(),
        signature: Signature([0; 64]),
    };
    let bytes = redemption(&world.cooperative, &redeem);
    redeem.signature = secret(4).sign(Purpose::Redemption, &bytes);
    world.write("redeem", 2, None, Act::Redeem(redeem));
    let (member, date, reference) = (Member(3), day(20_501), code("interest-2025"));
    let pay = PayOut { member, amount: amount(7), date, reference };
    world.write("pay-out", 2, None, Act::PayOut(pay));
}

fn balances(world: &mut World) {
    let (date, reference) = (day(20_484), code("2026-01"));
    let reconcile = Reconcile { date, balance: -1_200, reference };
    world.write("reconcile, overdrawn", 2, None, Act::Reconcile(reconcile));
    let purse = |purse| Held::Purse { purse, unit: code("hour") };
    let held = [
        (Held::Bank, 5_000),
        (Held::Shares(Member(0)), -1_000),
        (Held::Receivable { client: code("riso"), job: code("2025-9") }, 900),
        (Held::Due(Member(1)), -400),
        (Held::Reserve(Reserve::Legal), -1_500),
        (Held::Reserve(Reserve::Statutory), -1_500),
        (Held::Reserve(Reserve::Other), -1_000),
        (Held::Carried, -1_500),
        (Held::Other(code("218300")), 1_000),
        (purse(Purse::Member(Member(2))), 300),
        (purse(Purse::Fund(code("mint"))), -300),
    ];
    let opening = |(account, amount)| Opening { account, amount };
    let open = Open { date: day(20_453), balances: list(held.map(opening).to_vec()) };
    world.write("open", 2, None, Act::Open(open));
}

fn transfers(world: &mut World) {
    let opened = world.entry("open").id();
    let transfer = |from, to, takes: Vec<EntryId>| {
        let (unit, amount) = (code("hour"), amount(150));
        Act::Transfer(Transfer { from, to, unit, amount, takes: list(takes) })
    };
    let (own, common) = (Purse::Member(Member(2)), Purse::Fund(code("common")));
    let paid = transfer(own.clone(), common.clone(), vec![opened]);
    world.write("transfer, to a fund", 3, None, paid);
    let back = transfer(common, own, Vec::new());
    world.write("transfer, out of a fund", 2, None, back);
}
