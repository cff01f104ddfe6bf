//! What people read of a small cooperative's month: sums agree, nothing is lost on the way from
//! clients to members, and everybody reads the same whatever arrived first.

#![expect(clippy::unwrap_used, reason = "a test that unwraps in vain has failed")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use talea_ledger::view::accounts::accounts;
use talea_ledger::view::decisions::decisions;
use talea_ledger::view::members::{members, statement};
use talea_ledger::view::runs::{Node, flows, runs};
use talea_protocol::act::{
    Act, Attest, Choice, Contribution, Decide, Effect, Expense, Income, Invoice, Matter, Method,
    Outcome, Pay, Propose, Redirect, Stream, Vote,
};
use talea_protocol::charter::{Amendment, Change, Kind, Member, Rate};
use talea_protocol::hash::EntryId;

mod world;
use world::read::{read, unlike};
use world::{DAY_MS, TODAY, World, code, day, list, month, quantity, shuffled};

const TREASURER: u32 = 0;
const REGISTRAR: u32 = 1;
const DISTRIBUTOR: u32 = 2;
/// At a stage without a binding vote.
const NOVICE: u32 = 3;
const LATE_VOTER: u32 = 6;

struct Month {
    world: World,
    /// Attested twice: by the registrar under the new rate, then by the treasurer, who names the
    /// charter still, under the old one.
    bread: EntryId,
    own_attestation: EntryId,
    early_attestation: EntryId,
    proposal: EntryId,
    run: EntryId,
}

fn work(stream: Stream, task: &str, units: i64) -> Act {
    Act::Contribution(Contribution {
        stream,
        task: code(task),
        quantity: quantity(units),
        begin: day(TODAY),
        end: day(TODAY),
        job: None,
        tags: list([]),
    })
}

fn attest(contribution: EntryId) -> Act {
    Act::Attest(Attest { contribution })
}

impl Month {
    fn new() -> Self {
        let mut world = World::new();
        let subscribe = world.subscribe(NOVICE, 2_000, "first");
        world.good(TREASURER, Act::Subscribe(subscribe));
        let bread = world.good(DISTRIBUTOR, work(Stream::Livelihood, "bake", 1_000));
        let care = world.good(NOVICE, work(Stream::Care, "care", 90));
        world.good(TREASURER, attest(care));
        let own_attestation = world.put(DISTRIBUTOR, attest(bread));
        let proposal = double_the_rate(&mut world);
        world.good(REGISTRAR, attest(bread));
        let founding = world.register.cooperative();
        let under_the_old_rate = world.sign_under(founding, TREASURER, attest(bread));
        world.place(TREASURER, under_the_old_rate);
        let early_attestation = world.put(NOVICE, attest(EntryId([9; 32])));
        trade(&mut world);
        let run = distribute(&mut world);
        Self { world, bread, own_attestation, early_attestation, proposal, run }
    }
}

/// Adopted by everybody who may vote, but for one who votes after the cut.
fn double_the_rate(world: &mut World) -> EntryId {
    let rate = Rate { task: code("bake"), unit: code("loaf"), credits: 16 };
    let change = Change { amendments: list([Amendment::Rate(rate)]), from: month(2026, 1) };
    let proposal = world.good(
        TREASURER,
        Act::Propose(Propose {
            matter: Matter::Charter,
            method: Method::CollegeWeighted,
            statutory: false,
            closes: world.time,
            effect: Effect::Amend(change),
        }),
    );
    for voter in [TREASURER, REGISTRAR, DISTRIBUTOR, NOVICE, 4, 5] {
        world.good(voter, Act::Vote(Vote { proposal, choice: Choice::Yes }));
    }
    let cut = world.cut();
    world.good(LATE_VOTER, Act::Vote(Vote { proposal, choice: Choice::No }));
    let (tally, outcome) = world.state.count(&world.register, &proposal, &cut).unwrap();
    world.good(REGISTRAR, Act::Decide(Decide { proposal, cut, tally, outcome }));
    proposal
}

/// Two clients pay 14,000 in all, 2,000 of it above the internal price; 3,000 are spent.
fn trade(world: &mut World) {
    for (job, client, tier, amount) in [("j1", "market", 1_u8, 6_000), ("j2", "inn", 2, 8_000)] {
        let (job, client, date) = (code(job), code(client), day(TODAY));
        let price = [10, 12, 16][usize::from(tier)];
        let units = quantity(amount / price);
        let amount = quantity(amount);
        let invoice = Invoice {
            job: job.clone(),
            client: client.clone(),
            tier,
            quantity: units,
            amount,
            date,
        };
        world.good(TREASURER, Act::Invoice(invoice));
        world.good(TREASURER, Act::Income(Income { job, client, amount, date, aid: false }));
    }
    let (account, payee, amount) = (code("628000"), code("mill"), quantity(3_000));
    world.good(
        TREASURER,
        Act::Expense(Expense { account, payee, amount, date: day(TODAY), decision: None }),
    );
}

/// A run; the distributor passes on 500, and later 7, which the payment leaves out.
fn distribute(world: &mut World) -> EntryId {
    let (cut, basis) = (world.cut(), world.register.head().0);
    let run = world.state.distribute(&world.register, basis, month(2026, 1), &cut).unwrap();
    let run = world.good(DISTRIBUTOR, Act::Distribute(Box::new(run)));
    let redirect = |amount| Redirect { run, to: Member(4), amount: quantity(amount) };
    world.good(DISTRIBUTOR, Act::Redirect(redirect(500)));
    let cut = world.cut();
    world.good(DISTRIBUTOR, Act::Redirect(redirect(7)));
    world.time += DAY_MS;
    world.good(TREASURER, Act::Pay(Pay { run, cut, date: day(TODAY + 1) }));
    run
}

thread_local! {
    static MONTH: Month = Month::new();
}

fn no_floats(value: &Value) {
    match value {
        Value::Number(number) => assert!(!number.is_f64(), "{number}"),
        Value::Array(items) => items.iter().for_each(no_floats),
        Value::Object(fields) => fields.values().for_each(no_floats),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[test]
fn both_sides_of_every_unit_are_equal() {
    MONTH.with(|month| {
        let charter = month.world.register.charter();
        let view = accounts(charter, month.world.state.books());
        assert_eq!(view.sums.len(), 4);
        assert!(view.sums.iter().all(|sum| sum.debit == sum.credit), "{:?}", view.sums);
        let row = |code: &str| view.rows.iter().find(|row| row.account == code).unwrap();
        assert_eq!((row("512000").debit, row("512000").credit), (16_000, 3_000 + 5_580));
        assert_eq!((row("411000").debit, row("411000").balance), (8_000, 0));
        assert_eq!(row("101300").balance, -2_000);
        let exponents: Vec<u8> = view.measures.iter().map(|measure| measure.exponent).collect();
        assert_eq!(exponents, [2, 2, 2, 0]);
    });
}

#[test]
fn a_statement_says_what_was_given_owed_and_paid_and_what_does_not_count() {
    MONTH.with(|month| {
        let (register, state) = (&month.world.register, &month.world.state);
        let view = statement(register, state, Member(DISTRIBUTOR)).unwrap();
        assert_eq!(view.contributions.len(), 1);
        let given = &view.contributions[0];
        assert_eq!((given.id, given.nominal, given.livelihood), (month.bread, 8_000, 8_000));
        assert_eq!(given.attestations.len(), 2);
        let [part] = &view.runs[..] else { panic!("{:?}", view.runs) };
        assert_eq!(part.redirects.iter().map(|r| r.executed).collect::<Vec<_>>(), [true, false]);
        let total = part.line.unwrap().total;
        assert_eq!(part.paid, Some(i64::try_from(total).unwrap() - 500));
        assert_eq!(view.payable, 0);
        assert_eq!(view.claims.livelihood, 8_000 - i128::from(part.line.unwrap().line.livelihood));
        let [void] = &view.uncounted[..] else { panic!("{:?}", view.uncounted) };
        assert_eq!(void.id, month.own_attestation);
        assert!(void.rule.is_some() && void.needs.is_none());
    });
}

#[test]
fn who_only_receives_has_a_part_without_a_line() {
    MONTH.with(|month| {
        let view = statement(&month.world.register, &month.world.state, Member(4)).unwrap();
        let [part] = &view.runs[..] else { panic!("{:?}", view.runs) };
        assert_eq!((part.run, part.line, part.paid), (month.run, None, Some(500)));
    });
}

#[test]
fn what_waits_is_shown_with_what_it_waits_for() {
    MONTH.with(|month| {
        let view = statement(&month.world.register, &month.world.state, Member(NOVICE)).unwrap();
        let [waiting] = &view.uncounted[..] else { panic!("{:?}", view.uncounted) };
        assert_eq!(waiting.id, month.early_attestation);
        assert!(waiting.rule.is_none() && waiting.needs.is_some());
    });
}

#[test]
fn nobody_has_no_statement() {
    MONTH.with(|month| {
        let (register, state) = (&month.world.register, &month.world.state);
        assert_eq!(statement(register, state, Member(8)), None);
    });
}

#[test]
fn a_decision_shows_every_vote_and_names_those_outside_its_cut() {
    MONTH.with(|month| {
        let view = decisions(&month.world.register, &month.world.state);
        let [question] = &view[..] else { panic!("{view:?}") };
        assert_eq!(question.id, month.proposal);
        assert_eq!(question.decision.unwrap().outcome, Outcome::Adopted);
        assert_eq!((question.threshold.value(), question.quorum.value()), (6_667, 5_000));
        let outside: Vec<_> = question.outside.iter().map(|o| (o.member, o.choice)).collect();
        assert_eq!(outside, [(Member(LATE_VOTER), Choice::No)]);
        let vote = |n| question.votes.iter().find(|vote| vote.member == Member(n)).unwrap();
        assert!(!vote(NOVICE).binding && vote(NOVICE).choice == Some(Choice::Yes));
        assert!(vote(LATE_VOTER).binding && vote(LATE_VOTER).choice.is_none());
        let binding = question.votes.iter().filter(|vote| vote.binding).count();
        let eligible: u32 = question.tally.colleges.iter().map(|college| college.eligible).sum();
        assert_eq!(u32::try_from(binding).unwrap(), eligible);
    });
}

#[test]
fn members_are_shown_with_devices_shares_and_whether_their_vote_binds() {
    MONTH.with(|month| {
        let view = members(&month.world.register, &month.world.state);
        assert_eq!(view.len(), world::FOUNDERS);
        let novice = &view[3];
        assert_eq!((novice.shares, novice.binding_vote), (2_000, false));
        assert_eq!(novice.stage, Some(code("dating")));
        assert_eq!((novice.devices.len(), novice.devices[0].device), (1, NOVICE));
        let machine = &view[7];
        assert!(machine.kind == Kind::Machine && !machine.binding_vote);
        let settled: u32 = view.iter().flat_map(|m| &m.devices).map(|device| device.length).sum();
        assert_eq!(settled, u32::try_from(month.world.written.len()).unwrap());
    });
}

#[test]
fn what_clients_paid_arrives_at_members_expenses_and_reserve() {
    MONTH.with(|month| {
        let runs = runs(&month.world.state);
        let [run] = &runs[..] else { panic!("{runs:?}") };
        let clients: Vec<_> = run.receipts.iter().map(|r| (r.client.as_str(), r.amount)).collect();
        assert_eq!(clients, [("inn", 8_000), ("market", 6_000)]);
        let mut kept: BTreeMap<Node, i128> = BTreeMap::new();
        for flow in flows(&runs) {
            assert!(flow.amount > 0);
            *kept.entry(flow.from).or_default() -= flow.amount;
            *kept.entry(flow.to).or_default() += flow.amount;
        }
        for node in [Node::Cooperative, Node::CarePool, Node::LivelihoodPool, Node::LovePool] {
            assert_eq!(kept[&node], 0, "{node:?}");
        }
        assert_eq!(kept[&Node::Expenses], 3_000);
        assert_eq!(kept[&Node::Member(Member(DISTRIBUTOR))], i128::from(run.lines[0].total));
    });
}

#[test]
fn no_view_holds_a_float() {
    MONTH.with(|month| no_floats(&read(&month.world.register, &month.world.state)));
}

#[test]
fn of_a_charter_alone_everything_can_be_read() {
    let world = World::new();
    assert!(accounts(world.register.charter(), world.state.books()).rows.is_empty());
    assert_eq!(members(&world.register, &world.state).len(), world::FOUNDERS);
    assert!(runs(&world.state).is_empty() && flows(&[]).is_empty());
    assert!(decisions(&world.register, &world.state).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Attestations correct each other's credit as they arrive, so the way to a claim differs.
    #[test]
    fn everybody_reads_the_same_in_any_order(choices in prop::collection::vec(any::<u32>(), 40)) {
        MONTH.with(|month| {
            let state = month.world.fold(&shuffled(&month.world.written, &choices));
            let unlike = unlike(&month.world.register, &state, &month.world.state);
            assert_eq!(unlike, Vec::<String>::new());
        });
    }
}
