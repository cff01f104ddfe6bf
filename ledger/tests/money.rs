//! Rules 65 to 78: money, months, runs, redirects, payments. One test each: what the rule refuses,
//! and that its neighbour counts.

use talea_ledger::account::{Account, Unit};
use talea_ledger::verdict::{Need, Verdict};
use talea_protocol::act::{Act, Close, Invoice, Pay, Subscribe};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_protocol::key::Signature;

mod world;
use world::acts::{DISTRIBUTOR, TREASURER, attest, expense, income, invoice, work};
use world::runs::{JANUARY, distribute, earned, redirect, run};
use world::{TODAY, World, code, day, month, quantity};

fn pay(world: &World, run: EntryId) -> Act {
    Act::Pay(Pay { run, cut: world.cut(), date: day(TODAY) })
}

fn close(world: &World, (year, of_year): (u32, u32)) -> Act {
    Act::Close(Close { period: month(year, of_year), cut: world.cut() })
}

fn bank(world: &World) -> i128 {
    world.state.books().net(&Account::Bank, Unit::Money)
}

#[test]
fn rule_65_the_subscriber_signs() {
    let mut world = World::new();
    let good = world.subscribe(4, 100, "a");
    let unsigned = Subscribe { signature: Signature([0; 64]), ..good.clone() };
    assert_eq!(world.void(TREASURER, Act::Subscribe(unsigned)), 65);
    let other = Subscribe { amount: quantity(101), ..good.clone() };
    assert_eq!(world.void(TREASURER, Act::Subscribe(other)), 65);
    let signed = world.subscribe(5, 100, "a");
    let for_another = Subscribe { member: Member(4), ..signed };
    assert_eq!(world.void(TREASURER, Act::Subscribe(for_another)), 65);
    let nobody = Subscribe { member: Member(8), ..good.clone() };
    assert_eq!(world.void(TREASURER, Act::Subscribe(nobody)), 43);
    world.good(TREASURER, Act::Subscribe(good));
    assert_eq!(bank(&world), 100);
}

#[test]
fn rule_66_a_subscription_counts_once() {
    let mut world = World::new();
    let one = world.subscribe(4, 100, "a");
    world.good(TREASURER, Act::Subscribe(one.clone()));
    assert_eq!(world.void(TREASURER, Act::Subscribe(one)), 66);
    let (again, other) = (world.subscribe(4, 100, "b"), world.subscribe(5, 100, "a"));
    world.good(TREASURER, Act::Subscribe(again));
    world.good(TREASURER, Act::Subscribe(other));
}

#[test]
fn rule_67_an_invoice_is_quantity_times_price() {
    let mut world = World::new();
    assert_eq!(world.void(TREASURER, Act::Invoice(invoice("J1", 1, 100, 1199))), 67);
    assert_eq!(world.void(TREASURER, Act::Invoice(invoice("J1", 1, i64::MAX, i64::MAX))), 67);
    assert_eq!(world.void(TREASURER, Act::Invoice(invoice("J1", 3, 100, 1200))), 43);
    world.good(TREASURER, Act::Invoice(invoice("J1", 1, 100, 1200)));
}

#[test]
fn rule_68_a_job_is_invoiced_once() {
    let mut world = World::new();
    world.good(TREASURER, Act::Invoice(invoice("J1", 1, 100, 1200)));
    assert_eq!(world.void(TREASURER, Act::Invoice(invoice("J1", 1, 1, 12))), 68);
    let other = Invoice { client: code("boreale"), ..invoice("J1", 1, 1, 12) };
    assert_eq!(world.void(TREASURER, Act::Invoice(other)), 68);
    world.good(TREASURER, Act::Invoice(invoice("J2", 1, 1, 12)));
}

#[test]
fn rule_69_nobody_pays_more_than_they_owe() {
    let mut world = World::new();
    let date = day(TODAY);
    assert_eq!(world.void(TREASURER, income("J1", 1, date)), 69);
    world.good(TREASURER, Act::Invoice(invoice("J1", 1, 100, 1200)));
    assert_eq!(world.void(TREASURER, income("J1", 1201, date)), 69);
    world.good(TREASURER, income("J1", 1000, date));
    assert_eq!(world.void(TREASURER, income("J1", 201, date)), 69);
    world.good(TREASURER, income("J1", 200, date));
}

#[test]
fn rule_70_an_expense_has_an_account_of_its_own() {
    let mut world = World::new();
    let shares = world.subscribe(4, 100, "a");
    world.good(TREASURER, Act::Subscribe(shares));
    for taken in ["512000", "467000", "611000", "101300"] {
        assert_eq!(world.void(TREASURER, expense(taken, 1, day(TODAY))), 70);
    }
    world.good(TREASURER, expense("628000", 1, day(TODAY)));
}

#[test]
fn rule_71_the_bank_is_never_overdrawn() {
    let mut world = World::new();
    let shares = world.subscribe(4, 100, "a");
    world.good(TREASURER, Act::Subscribe(shares));
    assert_eq!(world.void(TREASURER, expense("628000", 101, day(TODAY))), 71);
    world.good(TREASURER, expense("628000", 100, day(TODAY)));
    assert_eq!(bank(&world), 0);
}

#[test]
fn rule_71_a_run_is_paid_from_what_is_there() {
    let mut world = earned();
    let run = run(&mut world);
    world.good(TREASURER, expense("628000", 241, day(TODAY)));
    let act = pay(&world, run);
    assert_eq!(world.void(TREASURER, act), 71);
    let shares = world.subscribe(4, 1, "a");
    world.good(TREASURER, Act::Subscribe(shares));
    let act = pay(&world, run);
    world.good(TREASURER, act);
    assert_eq!(bank(&world), 0);
}

#[test]
fn rule_72_no_balance_leaves_the_range_of_amounts() {
    let mut world = World::new();
    let all = world.subscribe(4, i64::MAX, "a");
    world.good(TREASURER, Act::Subscribe(all));
    let more = world.subscribe(4, 1, "b");
    assert_eq!(world.void(TREASURER, Act::Subscribe(more)), 72);
    assert_eq!(bank(&world), i128::from(i64::MAX));
}

#[test]
fn rule_73_months_are_closed_once_and_in_order() {
    let mut world = World::new();
    let february = close(&world, (2026, 2));
    world.good(TREASURER, february);
    for closed in [(2026, 2), JANUARY] {
        let act = close(&world, closed);
        assert_eq!(world.void(TREASURER, act), 73);
    }
    let march = close(&world, (2026, 3));
    world.good(TREASURER, march);
}

#[test]
fn what_is_dated_in_a_closed_month_is_booked_in_the_open_one() {
    let mut world = earned();
    let act = close(&world, JANUARY);
    world.good(TREASURER, act);
    world.good(TREASURER, expense("628000", 10, day(TODAY)));
    assert_eq!(distribute(&world, JANUARY).totals.expenses, 0);
    assert_eq!(distribute(&world, (2026, 2)).totals.expenses, 10);
}

#[test]
fn what_an_earlier_run_has_not_counted_the_next_one_does() {
    let mut world = earned();
    run(&mut world);
    world.good(TREASURER, Act::Invoice(invoice("J2", 1, 10, 120)));
    world.good(TREASURER, income("J2", 120, day(TODAY)));
    let next = distribute(&world, (2026, 2));
    assert_eq!(next.totals.receipts, 120, "dated in January, after January's run");
}

#[test]
fn a_run_counts_what_is_inside_its_cut_and_nothing_else() {
    let mut world = earned();
    let act = distribute(&world, JANUARY);
    let late = world.good(3, Act::Contribution(work(50)));
    world.good(2, attest(late));
    world.good(DISTRIBUTOR, Act::Distribute(Box::new(act)));
    let claims = |member| -world.state.books().net(&Account::Claim(member), Unit::Livelihood);
    assert_eq!((claims(Member(0)), claims(Member(1)), claims(Member(3))), (160, 80, 200));
}

#[test]
fn rule_77_a_redirect_is_for_another() {
    let mut world = earned();
    let run = run(&mut world);
    assert_eq!(world.void(0, redirect(run, 0, 1)), 77);
}

#[test]
fn rule_78_a_run_is_paid_once() {
    let mut world = earned();
    let run = run(&mut world);
    let shares = world.subscribe(4, 5000, "a");
    world.good(TREASURER, Act::Subscribe(shares));
    let once = pay(&world, run);
    world.good(TREASURER, once);
    let again = pay(&world, run);
    assert_eq!(world.void(TREASURER, again), 78);
}

#[test]
fn a_payment_executes_the_redirects_inside_its_cut() {
    let mut world = earned();
    let run = run(&mut world);
    world.good(0, redirect(run, 4, 600));
    let act = pay(&world, run);
    world.good(0, redirect(run, 5, 40));
    let entry = world.sign(TREASURER, act);
    world.place(TREASURER, entry.clone());
    world.counts(&entry.id());
    let paid = &world.state.runs().record(&run).unwrap().payment.as_ref().unwrap().paid;
    let amounts: Vec<_> = paid.iter().map(|(member, amount)| (member.0, *amount)).collect();
    assert_eq!(amounts, [(0, 40), (1, 320), (4, 600)]);
    for member in 0..8 {
        let payable = world.state.books().net(&Account::Payable(Member(member)), Unit::Money);
        assert_eq!(payable, 0);
    }
}

#[test]
fn money_waits_for_the_treasurers_acts_before_it() {
    let mut world = earned();
    let act = Act::Distribute(Box::new(distribute(&world, JANUARY)));
    let run = world.sign(DISTRIBUTOR, act);
    let mut ahead = world.clone();
    ahead.place(DISTRIBUTOR, run.clone());
    let payment = world.sign(TREASURER, pay(&ahead, run.id()));
    world.place(TREASURER, payment.clone());
    let need = Need::Chain { device: DISTRIBUTOR, length: world.state.length(DISTRIBUTOR) + 1 };
    assert_eq!(world.verdict(&payment.id()), Verdict::Pending(need));
    let spent = world.put(TREASURER, expense("628000", 240, day(TODAY)));
    let behind = Verdict::Pending(Need::Entry { id: payment.id() });
    assert_eq!(world.verdict(&spent), behind, "the bank cannot be known before");
    world.place(DISTRIBUTOR, run);
    world.counts(&payment.id());
    world.counts(&spent);
    assert_eq!(bank(&world), 0);
}
