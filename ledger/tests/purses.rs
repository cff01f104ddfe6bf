//! Rules 128 to 131: wallets and funds in units of the cooperative's own. One test each: what the
//! rule refuses, and that its neighbour counts.

use talea_ledger::account::{Account, Unit};
use talea_ledger::verdict::{Need, Verdict};
use talea_protocol::act::Act;
use talea_protocol::hash::EntryId;
use talea_protocol::money::{Held, Purse};

mod world;
use world::acts::{REGISTRAR, TREASURER, enrol};
use world::coffers::{fund, open, transfer, wallet};
use world::{World, code};

const HOUR: Unit = Unit::Internal(0);
const MEAL: Unit = Unit::Internal(1);

fn holds(world: &World, purse: &Purse, unit: Unit) -> i128 {
    world.state.books().net(&Account::of(purse), unit)
}

#[test]
fn rule_46_only_the_owners_first_device_pays_out_of_a_wallet_and_the_treasurer_out_of_a_fund() {
    let mut world = world::coffers::world();
    let pay = || transfer(wallet(4), wallet(5), "hour", 1, &[]);
    assert_eq!(world.void(5, pay()), 46);
    let key = world.add_key();
    let second = enrol(&world, key, 4, 4);
    world.good(REGISTRAR, Act::Enrol(second));
    assert_eq!(world.void(u32::try_from(key).unwrap(), pay()), 46);
    world.good(4, pay());
    let issue = || transfer(fund("kitchen"), wallet(4), "meal", 1, &[]);
    assert_eq!(world.void(4, issue()), 46);
    world.good(TREASURER, issue());
}

#[test]
fn rule_128_units_and_funds_are_the_charters() {
    let mut world = world::coffers::world();
    assert_eq!(world.void(4, transfer(wallet(4), wallet(5), "day", 1, &[])), 128);
    assert_eq!(world.void(4, transfer(wallet(4), wallet(5), "EUR", 1, &[])), 128);
    assert_eq!(world.void(4, transfer(wallet(4), fund("mint"), "hour", 1, &[])), 128);
    assert_eq!(world.void(4, transfer(wallet(4), fund("kitchen"), "hour", 1, &[])), 128);
    assert_eq!(world.void(4, transfer(wallet(4), wallet(9), "hour", 1, &[])), 43);
    world.good(4, transfer(wallet(4), fund("common"), "hour", 1, &[]));
}

#[test]
fn rule_129_what_is_taken_in_was_given_to_this_purse_in_this_unit_and_once() {
    let mut world = world::coffers::world();
    let given = world.good(TREASURER, transfer(fund("kitchen"), wallet(4), "meal", 30, &[]));
    let hours = world.good(6, transfer(wallet(6), wallet(4), "hour", 5, &[]));
    let pay = |unit, amount, takes: &[EntryId]| transfer(wallet(4), wallet(5), unit, amount, takes);
    assert_eq!(world.void(4, pay("meal", 1, &[hours])), 129, "another unit");
    assert_eq!(world.void(5, transfer(wallet(5), wallet(4), "meal", 1, &[given])), 129);
    let spent = world.good(4, pay("meal", 10, &[given]));
    assert_eq!(world.void(4, pay("meal", 1, &[given])), 129, "taken in already");
    assert_eq!(world.void(4, pay("meal", 1, &[spent])), 129, "it gave to another");
    world.good(4, pay("meal", 20, &[]));
    world.good(5, transfer(wallet(5), wallet(6), "meal", 10, &[spent]));
    assert_eq!(holds(&world, &wallet(4), MEAL), 0);
}

#[test]
fn rule_50_what_is_taken_in_counts() {
    let mut world = world::coffers::world();
    let void = world.put(5, transfer(wallet(5), wallet(4), "meal", 5, &[]));
    assert_eq!(world.void(4, transfer(wallet(4), wallet(6), "meal", 5, &[void])), 50);
}

#[test]
fn rule_130_mutual_credit_and_issue_have_their_limits() {
    let mut world = world::coffers::world();
    let pay = |amount| transfer(wallet(4), wallet(5), "hour", amount, &[]);
    assert_eq!(world.void(4, pay(21)), 130);
    world.good(4, pay(20));
    assert_eq!(world.void(4, pay(1)), 130);
    assert_eq!((holds(&world, &wallet(4), HOUR), holds(&world, &wallet(5), HOUR)), (-20, 20));
    let issue = |amount| transfer(fund("kitchen"), wallet(4), "meal", amount, &[]);
    world.good(TREASURER, issue(100));
    assert_eq!(world.void(TREASURER, issue(1)), 130);
    let common = |takes: &[EntryId]| transfer(fund("common"), wallet(6), "hour", 5, takes);
    assert_eq!(world.void(TREASURER, common(&[])), 130);
    let given = world.good(6, transfer(wallet(6), fund("common"), "hour", 5, &[]));
    world.good(TREASURER, common(&[given]));
    assert_eq!(world.state.books().sum(HOUR), 0);
}

#[test]
fn rule_131_a_transfer_goes_to_another_purse() {
    let mut world = world::coffers::world();
    assert_eq!(world.void(4, transfer(wallet(4), wallet(4), "hour", 1, &[])), 131);
    let one = world.good(5, transfer(wallet(5), wallet(4), "hour", 1, &[]));
    let twice = transfer(wallet(4), wallet(6), "hour", 1, &[one, one]);
    assert_eq!(world.void(4, twice), 131);
    world.good(4, transfer(wallet(4), wallet(6), "hour", 21, &[one]));
}

#[test]
fn what_is_taken_over_from_other_books_is_taken_in_by_name() {
    let mut world = world::coffers::world();
    let purse = |purse, amount| (Held::Purse { purse, unit: code("meal") }, amount);
    let opened = world.good(TREASURER, open(&[purse(wallet(4), 7), purse(fund("kitchen"), -7)]));
    assert_eq!(holds(&world, &wallet(4), MEAL), 7);
    world.good(4, transfer(wallet(4), wallet(5), "meal", 7, &[opened]));
    let issue = |amount| transfer(fund("kitchen"), wallet(4), "meal", amount, &[]);
    assert_eq!(world.void(TREASURER, issue(94)), 130, "it has issued 7 before");
    world.good(TREASURER, issue(93));
    assert_eq!(holds(&world, &fund("kitchen"), MEAL), -100);
}

#[test]
fn a_transfer_waits_for_what_it_takes_in_and_for_the_transfers_before_it() {
    let mut world = world::coffers::world();
    let gift = world.sign(5, transfer(wallet(5), wallet(4), "hour", 10, &[]));
    let first = world.put(4, transfer(wallet(4), wallet(6), "hour", 25, &[gift.id()]));
    let second = world.put(4, transfer(wallet(4), wallet(6), "hour", 5, &[]));
    assert_eq!(world.verdict(&first), Verdict::Pending(Need::Entry { id: gift.id() }));
    assert_eq!(world.verdict(&second), Verdict::Pending(Need::Entry { id: first }));
    world.place(5, gift);
    world.counts(&first);
    world.counts(&second);
    assert_eq!(holds(&world, &wallet(4), HOUR), -20);
}
