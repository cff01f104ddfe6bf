//! Rules 120 to 127 and 132 to 141: limits of the charter, shares given back, expenses by
//! decision, statements, opening balances, closings, results. One test each: what the rule
//! refuses, and that its neighbour counts.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use talea_ledger::account::{Account, Unit};
use talea_ledger::register::Register;
use talea_ledger::result::result;
use talea_protocol::act::{Act, Choice, Close, Effect, Expense, Income, Matter};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::hash::EntryId;
use talea_protocol::key::Signature;
use talea_protocol::money::{Allocate, Held, Part, Purse, Redeem, Reserve};

mod world;
use world::acts::{DISTRIBUTOR, TREASURER, attest, expense, income, invoice, leave, work};
use world::coffers::{
    allocation, close, decided, fund, january, open, pay_out, reconcile, redeem, rich, share,
    wallet,
};
use world::{TODAY, World, code, consented, day, founding, list, month, quantity};

fn net(world: &World, account: &Account) -> i128 {
    world.state.books().net(account, Unit::Money)
}

fn founded(change: impl FnOnce(&mut Charter)) -> u16 {
    let mut charter = rich();
    change(&mut charter);
    Register::found(&founding(consented(charter), 1)).map_or_else(|refusal| refusal.rule(), |_| 0)
}

#[test]
fn rule_120_units_and_funds_are_named_once_and_belong_together() {
    assert_eq!(founded(|_| ()), 0);
    let units = |charter: &mut Charter, code_of_first: &str| {
        let mut units = charter.treasury.units.to_vec();
        units[0].code = code(code_of_first);
        charter.treasury.units = list(units);
    };
    assert_eq!(founded(|charter| units(charter, "meal")), 120);
    assert_eq!(founded(|charter| units(charter, "EUR")), 120);
    assert_eq!(founded(|charter| units(charter, "day")), 120, "the fund is in hours");
    let fine = |charter: &mut Charter, exponent| {
        let mut units = charter.treasury.units.to_vec();
        units[1].exponent = exponent;
        charter.treasury.units = list(units);
    };
    assert_eq!(
        (founded(|charter| fine(charter, 4)), founded(|charter| fine(charter, 5))),
        (0, 120)
    );
    let twice = |charter: &mut Charter| {
        let fund = charter.treasury.funds[0].clone();
        charter.treasury.funds = list([fund.clone(), fund]);
    };
    assert_eq!(founded(twice), 120);
}

#[test]
fn rule_121_the_member_signs_its_redemption_also_after_it_has_left() {
    let mut world = world::coffers::world();
    share(&mut world, 4, 1_000, "a");
    share(&mut world, 5, 9_000, "a");
    let good = redeem(&world, 4, 100, "r");
    let unsigned = Redeem { signature: Signature([0; 64]), ..good.clone() };
    assert_eq!(world.void(TREASURER, Act::Redeem(unsigned)), 121);
    let more = Redeem { amount: quantity(101), ..good.clone() };
    assert_eq!(world.void(TREASURER, Act::Redeem(more)), 121);
    let for_another = Redeem { member: Member(4), ..redeem(&world, 5, 100, "r") };
    assert_eq!(world.void(TREASURER, Act::Redeem(for_another)), 121);
    let subscription = world.subscribe(4, 100, "r");
    let other_word = Redeem { signature: subscription.signature, ..good.clone() };
    assert_eq!(world.void(TREASURER, Act::Redeem(other_word)), 121);
    let nobody = Redeem { member: Member(9), ..good };
    assert_eq!(world.void(TREASURER, Act::Redeem(nobody)), 43);
    leave(&mut world, 4);
    let act = redeem(&world, 4, 1_000, "r");
    world.good(TREASURER, Act::Redeem(act));
    assert_eq!(net(&world, &Account::Shares(Member(4))), 0);
    assert_eq!(net(&world, &Account::Bank), 9_000);
}

#[test]
fn rule_122_a_reference_redeems_once() {
    let mut world = world::coffers::world();
    share(&mut world, 4, 1_000, "a");
    let act = redeem(&world, 4, 100, "r");
    world.good(TREASURER, Act::Redeem(act.clone()));
    assert_eq!(world.void(TREASURER, Act::Redeem(act)), 122);
    let other = redeem(&world, 4, 100, "s");
    world.good(TREASURER, Act::Redeem(other));
}

#[test]
fn rule_123_nobody_gives_back_more_shares_than_they_have() {
    let mut world = world::coffers::world();
    share(&mut world, 4, 1_000, "a");
    share(&mut world, 5, 9_000, "a");
    let more = redeem(&world, 4, 1_001, "r");
    assert_eq!(world.void(TREASURER, Act::Redeem(more)), 123);
    let none = redeem(&world, 6, 1, "r");
    assert_eq!(world.void(TREASURER, Act::Redeem(none)), 123);
    let all = redeem(&world, 4, 1_000, "s");
    world.good(TREASURER, Act::Redeem(all));
}

#[test]
fn rule_124_a_quarter_of_the_most_capital_stays_or_the_charters_floor() {
    let mut world = world::coffers::world();
    share(&mut world, 4, 1_001, "a");
    let more = redeem(&world, 4, 751, "r");
    assert_eq!(world.void(TREASURER, Act::Redeem(more)), 124, "fr-scic keeps a quarter");
    let some = redeem(&world, 4, 750, "r");
    world.good(TREASURER, Act::Redeem(some));
    let again = redeem(&world, 4, 1, "s");
    assert_eq!(world.void(TREASURER, Act::Redeem(again)), 124, "a quarter of what was once there");
    let mut charter = rich();
    charter.treasury.capital_floor = Some(quantity(800));
    let mut world = World::of(consented(charter));
    share(&mut world, 4, 1_000, "a");
    let more = redeem(&world, 4, 201, "r");
    assert_eq!(world.void(TREASURER, Act::Redeem(more)), 124);
    let some = redeem(&world, 4, 200, "s");
    world.good(TREASURER, Act::Redeem(some));
}

fn spend(amount: i64, decision: Option<EntryId>) -> Act {
    let (account, payee, date) = (code("613200"), code("edf"), day(TODAY));
    Act::Expense(Expense { account, payee, amount: quantity(amount), date, decision })
}

#[test]
fn rule_125_an_expense_above_the_limit_names_its_decision() {
    let mut world = world::coffers::world();
    share(&mut world, 4, 10_000, "a");
    world.good(TREASURER, spend(500, None));
    assert_eq!(world.void(TREASURER, spend(501, None)), 125);
    let rejected = decided(&mut world, Matter::Ordinary, Effect::Policy, Choice::No);
    assert_eq!(world.void(TREASURER, spend(501, Some(rejected))), 125);
    let charter = world.register.cooperative();
    assert_eq!(world.void(TREASURER, spend(501, Some(charter))), 125, "no decision");
    assert_eq!(world.void(TREASURER, spend(1, Some(EntryId([9; 32])))), 125, "nothing at all");
    let before = world.register.head().1;
    let adopted = decided(&mut world, Matter::Ordinary, Effect::Policy, Choice::Yes);
    let early = world.sign_under(before, TREASURER, spend(501, Some(adopted)));
    world.place(TREASURER, early.clone());
    let talea_ledger::verdict::Verdict::Void(void) = world.verdict(&early.id()) else { panic!() };
    assert_eq!(void.rule(), 125, "under its basis there is no such decision");
    world.good(TREASURER, spend(501, Some(adopted)));
    assert_eq!(world.state.treasury().documents().spent(&adopted), 501);
}

#[test]
fn rule_71_an_overdraft_is_used_to_its_limit() {
    let mut charter = rich();
    charter.treasury.overdraft = Some(quantity(300));
    let mut world = World::of(consented(charter));
    assert_eq!(world.void(TREASURER, spend(301, None)), 71);
    world.good(TREASURER, spend(300, None));
    assert_eq!(net(&world, &Account::Bank), -300);
}

/// Books of before: 5,000 at the bank, owed to member 4 and in reserve.
fn opened() -> World {
    let mut world = world::coffers::world();
    let balances = [(Held::Bank, 5_000), (Held::Due(Member(4)), -1_000), (Held::Carried, -4_000)];
    world.good(TREASURER, open(&balances));
    world
}

#[test]
fn rule_126_no_more_is_paid_out_than_is_owed() {
    let mut world = opened();
    assert_eq!(world.void(TREASURER, pay_out(4, 1_001, "r")), 126);
    assert_eq!(world.void(TREASURER, pay_out(5, 1, "r")), 126);
    assert_eq!(world.void(TREASURER, pay_out(9, 1, "r")), 43);
    world.good(TREASURER, pay_out(4, 1_000, "r"));
    assert_eq!((net(&world, &Account::Due(Member(4))), net(&world, &Account::Bank)), (0, 4_000));
}

#[test]
fn rule_127_a_reference_pays_out_once() {
    let mut world = opened();
    world.good(TREASURER, pay_out(4, 100, "r"));
    assert_eq!(world.void(TREASURER, pay_out(4, 100, "r")), 127);
    world.good(TREASURER, pay_out(4, 100, "s"));
}

#[test]
fn rule_132_statements_come_by_date_and_show_the_difference() {
    let mut world = world::coffers::world();
    share(&mut world, 4, 1_000, "a");
    world.good(TREASURER, expense("613200", 300, day(TODAY + 10)));
    world.good(TREASURER, reconcile(TODAY + 5, 1_000));
    world.good(TREASURER, reconcile(TODAY + 20, 650));
    assert_eq!(world.void(TREASURER, reconcile(TODAY + 20, 700)), 132);
    let statements = world.state.treasury().documents().statements();
    let differences: Vec<i128> =
        statements.iter().map(|statement| statement.difference()).collect();
    assert_eq!(differences, [0, -50], "the second is of a bank that has 50 less than the books");
}

#[test]
fn rule_133_balances_are_taken_over_before_all_else() {
    let mut world = world::coffers::world();
    let balances = [(Held::Bank, 100), (Held::Carried, -100)];
    world.good(TREASURER, open(&balances));
    world.good(TREASURER, open(&balances));
    share(&mut world, 4, 1, "a");
    assert_eq!(world.void(TREASURER, open(&balances)), 133);
    assert_eq!(net(&world, &Account::Bank), 201);
}

#[test]
fn rule_134_opening_balances_balance_in_each_unit() {
    let mut world = world::coffers::world();
    let bank = |amount| (Held::Bank, amount);
    let carried = |amount| (Held::Carried, amount);
    let purse = |purse: Purse, unit: &str| Held::Purse { purse, unit: code(unit) };
    for wrong in [
        vec![],
        vec![bank(100)],
        vec![bank(100), carried(-99)],
        vec![bank(100), carried(0), carried(-100)],
        vec![bank(50), bank(50), carried(-100)],
        vec![(Held::Shares(Member(4)), 100), carried(-100)],
        vec![bank(100), (purse(wallet(4), "hour"), 100), carried(-200)],
        vec![(purse(wallet(4), "hour"), -1), (purse(wallet(5), "hour"), 1)],
    ] {
        assert_eq!(world.void(TREASURER, open(&wrong)), 134, "{wrong:?}");
    }
    let taken = [(Held::Other(code("101300")), 100), carried(-100)];
    assert_eq!(world.void(TREASURER, open(&taken)), 70);
    let overdrawn = [bank(-1), carried(1)];
    assert_eq!(world.void(TREASURER, open(&overdrawn)), 71);
    let nobody = [bank(100), (Held::Shares(Member(9)), -100)];
    assert_eq!(world.void(TREASURER, open(&nobody)), 43);
    let foreign = [(purse(fund("common"), "meal"), 1), (purse(wallet(4), "meal"), -1)];
    assert_eq!(world.void(TREASURER, open(&foreign)), 128);
    let poor = [(purse(fund("common"), "hour"), -1), (purse(wallet(4), "hour"), 1)];
    assert_eq!(world.void(TREASURER, open(&poor)), 130);
    let receivable = Held::Receivable { client: code("grillon"), job: code("OLD") };
    world.good(
        TREASURER,
        open(&[
            bank(5_000),
            (Held::Shares(Member(4)), -2_000),
            (receivable, 700),
            (Held::Due(Member(5)), -300),
            (Held::Reserve(Reserve::Legal), -2_000),
            (Held::Other(code("218300")), 600),
            carried(-2_000),
            (purse(wallet(4), "meal"), 30),
            (purse(fund("kitchen"), "meal"), -30),
        ]),
    );
    world.good(TREASURER, income("OLD", 700, day(TODAY)));
    assert_eq!(world.void(TREASURER, income("OLD", 1, day(TODAY))), 69);
    assert_eq!(net(&world, &Account::Bank), 5_700);
}

#[test]
fn rule_135_a_closing_holds_all_that_the_treasurer_wrote() {
    let mut world = world::coffers::world();
    let early = close(&world, 1);
    share(&mut world, 4, 1_000, "a");
    assert_eq!(world.void(TREASURER, early), 135);
    let act = close(&world, 1);
    world.good(TREASURER, act);
}

/// What the journal says: for each booking its number, the month and the money that moved.
fn journal(world: &World) -> Vec<(u64, u32, i128)> {
    let journal = world.state.treasury().journal();
    let line = |line: &talea_ledger::journal::Line| {
        let number = journal.number(&line.entry, line.part).unwrap();
        let moved = line.postings.iter().map(|posting| posting.amount.max(0)).sum();
        (number, line.month.value() % 12 + 1, moved)
    };
    journal.numbered().iter().map(line).collect()
}

#[test]
fn journal_numbers_are_continuous_and_late_bookings_have_later_ones() {
    let mut world = world::coffers::world();
    world.good(TREASURER, Act::Invoice(invoice("J1", 1, 100, 1_200)));
    let february = day(TODAY + 40);
    share(&mut world, 4, 5, "a");
    world.good(TREASURER, income("J1", 1_200, february));
    world.good(TREASURER, billed("J2", TODAY - 1));
    let act = close(&world, 1);
    world.good(TREASURER, act);
    assert_eq!(journal(&world), [(1, 1, 70), (2, 1, 1_200), (3, 1, 5)], "by date, then as written");
    world.good(TREASURER, expense("613200", 9, day(TODAY)));
    let act = close(&world, 3);
    world.good(TREASURER, act);
    let all = journal(&world);
    assert_eq!(all[..3], [(1, 1, 70), (2, 1, 1_200), (3, 1, 5)], "numbers never change");
    assert_eq!(all[3..], [(4, 2, 9), (5, 2, 1_200)], "dated in January, booked in February");
    assert_eq!(world.state.treasury().journal().open().count(), 0);
}

/// An invoice of 70, dated.
fn billed(job: &str, date: i32) -> Act {
    let mut invoice = invoice(job, 0, 7, 70);
    invoice.date = day(date);
    Act::Invoice(invoice)
}

#[test]
fn a_run_and_each_redirect_have_numbers_of_their_own() {
    let mut world = world::coffers::world();
    world.good(TREASURER, Act::Invoice(invoice("J1", 1, 100, 1_200)));
    world.good(TREASURER, income("J1", 1_200, day(TODAY)));
    let id = world.good(0, Act::Contribution(work(100)));
    world.good(2, attest(id));
    let basis = world.register.head().0;
    let run = world.state.distribute(&world.register, basis, month(2026, 1), &world.cut()).unwrap();
    let paid = i128::from(run.totals.paid);
    let run = world.good(DISTRIBUTOR, Act::Distribute(Box::new(run)));
    let redirect = talea_protocol::act::Redirect { run, to: Member(4), amount: quantity(7) };
    world.good(0, Act::Redirect(redirect));
    let pay = talea_protocol::act::Pay { run, cut: world.cut(), date: day(TODAY + 1) };
    world.good(TREASURER, Act::Pay(pay));
    let act = close(&world, 1);
    world.good(TREASURER, act);
    let expected = [(1, 1, 1_200), (2, 1, 1_200), (3, 1, 7), (4, 1, paid), (5, 1, paid)];
    assert_eq!(journal(&world), expected, "the run is dated the month's last day");
    assert_eq!(
        world.state.treasury().journal().balances(month(2026, 1))[&Account::Bank],
        1_200 - paid
    );
}

#[test]
fn a_contribution_dated_in_a_closed_month_is_late_and_booked_in_the_open_one() {
    let mut world = world::coffers::world();
    let early = world.good(0, Act::Contribution(work(100)));
    let act = close(&world, 1);
    world.good(TREASURER, act);
    let late = world.good(0, Act::Contribution(work(100)));
    let booked = |world: &World, id: &EntryId| {
        let place = world.state.chains().place(id).unwrap();
        world.state.treasury().settled_in(place, month(2026, 1))
    };
    assert_eq!((booked(&world, &early), booked(&world, &late)), (month(2026, 1), month(2026, 2)));
    let act = Act::Close(Close { period: month(2026, 4), cut: world.cut() });
    world.good(TREASURER, act);
    assert_eq!(booked(&world, &late), month(2026, 2), "its month does not change any more");
}

fn allocate(world: &mut World, act: Allocate) -> u16 {
    world.void(TREASURER, Act::Allocate(Box::new(act)))
}

fn resolved(choice: Choice) -> (World, EntryId) {
    let mut world = january();
    let decision = decided(&mut world, Matter::Allocation, Effect::Policy, choice);
    (world, decision)
}

#[test]
fn rule_136_a_result_is_allocated_by_decision() {
    let (mut world, decision) = resolved(Choice::Yes);
    assert_eq!(allocate(&mut world, allocation(EntryId([9; 32]))), 136);
    let ordinary = decided(&mut world, Matter::Ordinary, Effect::Policy, Choice::Yes);
    assert_eq!(allocate(&mut world, allocation(ordinary)), 136);
    let rejected = decided(&mut world, Matter::Allocation, Effect::Policy, Choice::No);
    assert_eq!(allocate(&mut world, allocation(rejected)), 136);
    world.good(TREASURER, Act::Allocate(Box::new(allocation(decision))));
    let next = Allocate { from: month(2026, 2), until: month(2026, 2), ..allocation(decision) };
    assert_eq!(allocate(&mut world, next), 136, "a decision is carried out once");
    let reserve = |reserve| -net(&world, &Account::Reserve(reserve));
    let reserves = [Reserve::Legal, Reserve::Statutory, Reserve::Other].map(reserve);
    assert_eq!(reserves, [1_500, 4_250, 4_250]);
}

#[test]
fn rule_137_closed_months_are_allocated_once_and_in_order() {
    let (mut world, decision) = resolved(Choice::Yes);
    let open = Allocate { until: month(2026, 2), ..allocation(decision) };
    assert_eq!(allocate(&mut world, open), 137);
    let backwards = Allocate { from: month(2026, 2), ..allocation(decision) };
    assert_eq!(allocate(&mut world, backwards), 137);
    world.good(TREASURER, Act::Allocate(Box::new(allocation(decision))));
    let second = decided(&mut world, Matter::Allocation, Effect::Policy, Choice::Yes);
    assert_eq!(allocate(&mut world, allocation(second)), 137);
}

#[test]
fn rule_138_the_parts_are_the_result_to_the_cent() {
    let (mut world, decision) = resolved(Choice::Yes);
    let good = allocation(decision);
    assert_eq!(allocate(&mut world, Allocate { other: 4_251, ..good.clone() }), 138);
    let more = Allocate { result: 10_001, other: 4_251, ..good.clone() };
    assert_eq!(allocate(&mut world, more), 138);
    let borrowed = Allocate { other: 4_251, carried: -1, ..good.clone() };
    assert_eq!(allocate(&mut world, borrowed), 138, "nothing is taken from earlier results");
    let carried = Allocate { other: 4_249, carried: 1, ..good };
    world.good(TREASURER, Act::Allocate(Box::new(carried)));
    let months = (month(2026, 1), month(2026, 1));
    assert_eq!(result(&world.register, world.state.treasury(), months.0, months.1), 10_000);
}

#[test]
fn a_legal_reserve_at_its_ceiling_needs_no_more() {
    let mut charter = rich();
    charter.treasury.legal_ceiling = Some(quantity(1_000));
    let mut world = World::of(consented(charter));
    world.good(TREASURER, Act::Invoice(invoice("J1", 0, 1_000, 10_000)));
    let act = close(&world, 1);
    world.good(TREASURER, act);
    let decision = decided(&mut world, Matter::Allocation, Effect::Policy, Choice::Yes);
    let good = Allocate { legal: 1_000, statutory: 4_500, other: 4_500, ..allocation(decision) };
    let less = Allocate { legal: 999, statutory: 4_501, ..good.clone() };
    assert_eq!(allocate(&mut world, less), 139);
    let less = Allocate { statutory: 4_499, other: 4_501, ..good.clone() };
    assert_eq!(allocate(&mut world, less), 139);
    world.good(TREASURER, Act::Allocate(Box::new(good)));
}

#[test]
fn rule_141_interest_is_capped_and_never_from_public_aid() {
    let (mut world, decision) = resolved(Choice::Yes);
    // 12 % a year on 12,000: 120 for one month.
    let with = |member, amount| Allocate {
        other: 4_250 - u64::try_from(amount).unwrap(),
        interest: list([Part { member: Member(member), amount: quantity(amount) }]),
        ..allocation(decision)
    };
    assert_eq!(allocate(&mut world, with(4, 121)), 141);
    assert_eq!(allocate(&mut world, with(5, 1)), 141, "no shares, no interest");
    let twice = [Part { member: Member(4), amount: quantity(60) }; 2];
    let twice = Allocate { other: 4_130, interest: list(twice), ..allocation(decision) };
    assert_eq!(allocate(&mut world, twice), 141);
    world.good(TREASURER, Act::Allocate(Box::new(with(4, 120))));
    assert_eq!(net(&world, &Account::Due(Member(4))), -120);
    world.good(TREASURER, pay_out(4, 120, "interest"));
}

#[test]
fn rule_141_public_aid_pays_no_interest() {
    let with_aid = |aid: bool| {
        let mut world = world::coffers::world();
        share(&mut world, 4, 12_000, "a");
        let invoice = invoice("J1", 0, 1_000, 10_000);
        let (job, client) = (invoice.job.clone(), invoice.client.clone());
        world.good(TREASURER, Act::Invoice(invoice));
        // All but 100 of the result is aid, of which 42 may be interest.
        let amount = quantity(9_900);
        world.good(TREASURER, Act::Income(Income { job, client, amount, date: day(TODAY), aid }));
        let act = close(&world, 1);
        world.good(TREASURER, act);
        let decision = decided(&mut world, Matter::Allocation, Effect::Policy, Choice::Yes);
        (world, decision)
    };
    let interest = |decision, amount| Allocate {
        other: 4_250 - u64::try_from(amount).unwrap(),
        interest: list([Part { member: Member(4), amount: quantity(amount) }]),
        ..allocation(decision)
    };
    let (mut world, decision) = with_aid(true);
    assert_eq!(allocate(&mut world, interest(decision, 43)), 141);
    world.good(TREASURER, Act::Allocate(Box::new(interest(decision, 42))));
    let (mut world, decision) = with_aid(false);
    world.good(TREASURER, Act::Allocate(Box::new(interest(decision, 43))));
}

#[test]
fn a_loss_is_carried_forward() {
    let mut world = world::coffers::world();
    share(&mut world, 4, 12_000, "a");
    world.good(TREASURER, expense("613200", 400, day(TODAY)));
    let act = close(&world, 1);
    world.good(TREASURER, act);
    let decision = decided(&mut world, Matter::Allocation, Effect::Policy, Choice::Yes);
    let (legal, statutory, other) = (0, 0, 0);
    let loss =
        Allocate { result: -400, legal, statutory, other, carried: -400, ..allocation(decision) };
    world.good(TREASURER, Act::Allocate(Box::new(loss)));
    assert_eq!((net(&world, &Account::Carried), net(&world, &Account::Result)), (400, -400));
}
