//! Random stories about money, sensible or not: no cent is lost or made, no account goes below its
//! floor, and whatever the order in which chains come, the state is the same.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use proptest::prelude::*;
use talea_ledger::account::{Account, Unit};
use talea_ledger::purse::floor;
use talea_ledger::result::result;
use talea_ledger::state::State;
use talea_ledger::verdict::Verdict;
use talea_ledger::view::accounts::units;
use talea_protocol::act::{
    Act, Attest, Choice, Close, Effect, Expense, Income, Invoice, Matter, Pay, Redirect,
};
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::money::{Allocate, Held, Part, Purse};
use talea_protocol::personal::{AttestCredential, RefuseErasure, RequestErasure, RevokeCredential};

mod world;
use world::acts::{DISTRIBUTOR, REGISTRAR, TREASURER, work};
use world::coffers::{
    allocation, decided, fund, open, pay_out, reconcile, redeem, rich, transfer, wallet,
};
use world::read::unlike;
use world::{TODAY, World, code, consented, day, list, month, quantity, shuffled};

/// One thing that somebody writes: what, who, and a number to draw details from.
type Step = (u8, u32, u64);

/// Draws details from a number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn small(&mut self, sides: u64) -> u32 {
        u32::try_from(self.roll(sides)).unwrap()
    }

    fn amount(&mut self, most: u64) -> i64 {
        i64::try_from(self.roll(most) + 1).unwrap()
    }

    fn date(&mut self) -> i32 {
        TODAY + i32::try_from(self.roll(60)).unwrap()
    }

    fn one_of(&mut self, ids: &[EntryId]) -> EntryId {
        match usize::try_from(self.roll(20)).unwrap() {
            0 => EntryId([9; 32]),
            n if ids.is_empty() => EntryId([u8::try_from(n).unwrap(); 32]),
            n => ids[ids.len().saturating_sub(1 + n % 4).min(ids.len() - 1)],
        }
    }
}

struct Writer {
    world: World,
    /// What gave something to a purse, perhaps.
    gifts: Vec<EntryId>,
    runs: Vec<EntryId>,
    work: Vec<EntryId>,
    others: Vec<EntryId>,
}

impl Writer {
    fn new() -> Self {
        let mut charter = rich();
        charter.treasury.overdraft = Some(quantity(50));
        charter.quorum = world::bp(0);
        let world = World::of(consented(charter));
        let (gifts, runs, work, others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut writer = Self { world, gifts, runs, work, others };
        writer.begin();
        writer
    }

    /// Books of before, and some that do not fit.
    fn begin(&mut self) {
        let purse = |purse, unit: &str| Held::Purse { purse, unit: code(unit) };
        for carried in [-900, -899] {
            let opened = self.world.put(
                TREASURER,
                open(&[
                    (Held::Bank, 1_000),
                    (Held::Due(Member(5)), -100),
                    (Held::Carried, carried),
                    (purse(wallet(4), "meal"), 9),
                    (purse(fund("kitchen"), "meal"), -9),
                ]),
            );
            self.gifts.push(opened);
        }
    }

    fn write(&mut self, (kind, who, number): Step) {
        let dice = &mut Dice(number);
        self.world.time += 3_600_000;
        let anybody = who % 7;
        let treasurer = if dice.roll(25) == 0 { anybody } else { TREASURER };
        let (device, act) = match kind % 25 {
            0..=6 => (anybody, self.transfer(anybody, dice)),
            7 | 8 => (treasurer, self.issue(dice)),
            9 => (treasurer, self.shares(dice)),
            10 => (treasurer, self.back(dice)),
            11 => {
                (treasurer, pay_out(dice.small(7), dice.amount(80), &format!("p{}", dice.roll(3))))
            }
            12..=14 => (treasurer, trade(dice)),
            15 => (treasurer, reconcile(dice.date(), dice.amount(3_000))),
            16 | 17 => (treasurer, self.close(dice)),
            18 => return self.allocate(dice),
            19 => (anybody, Act::Contribution(work(dice.amount(300)))),
            20 => (anybody, Act::Attest(Attest { contribution: dice.one_of(&self.work) })),
            21 => (DISTRIBUTOR, self.run(dice)),
            22 => (anybody, self.redirect(dice)),
            23 => (treasurer, self.pay(dice)),
            _ => (anybody, self.data(anybody, dice)),
        };
        let id = self.world.put(device, act.clone());
        match act {
            Act::Transfer(_) => self.gifts.push(id),
            Act::Distribute(_) => self.runs.push(id),
            Act::Contribution(_) => self.work.push(id),
            Act::AttestCredential(_) | Act::RequestErasure(_) => self.others.push(id),
            _ => {}
        }
    }

    /// Of what a wallet was given, often something that counts, and sometimes anything.
    fn takes(&self, purse: &Purse, dice: &mut Dice) -> Vec<EntryId> {
        match dice.roll(6) {
            0 => Vec::new(),
            1 => vec![dice.one_of(&self.gifts)],
            _ => self.world.state.purses().untaken(purse).map(|(id, _)| *id).take(3).collect(),
        }
    }

    fn transfer(&self, who: u32, dice: &mut Dice) -> Act {
        let from = wallet(if dice.roll(30) == 0 { dice.small(7) } else { who });
        let to = match dice.roll(5) {
            0 => fund("common"),
            _ => wallet(dice.small(8)),
        };
        let unit = if dice.roll(4) == 0 { "meal" } else { "hour" };
        let takes = self.takes(&from, dice);
        transfer(from, to, unit, dice.amount(12), &takes)
    }

    fn issue(&self, dice: &mut Dice) -> Act {
        let (from, unit) =
            if dice.roll(2) == 0 { (fund("kitchen"), "meal") } else { (fund("common"), "hour") };
        let takes = self.takes(&from, dice);
        transfer(from, wallet(dice.small(7)), unit, dice.amount(20), &takes)
    }

    fn shares(&self, dice: &mut Dice) -> Act {
        let (member, reference) = (dice.small(7), format!("s{}", dice.roll(4)));
        Act::Subscribe(self.world.subscribe(member, dice.amount(900), &reference))
    }

    fn back(&self, dice: &mut Dice) -> Act {
        let (member, reference) = (dice.small(7), format!("r{}", dice.roll(4)));
        Act::Redeem(redeem(&self.world, member, dice.amount(400), &reference))
    }

    /// Mostly of everything; sometimes of less, or with a wrong root.
    fn cut(&self, dice: &mut Dice) -> Cut {
        let mut cut = self.world.cut();
        match dice.roll(12) {
            0 => cut.root = Hash([1; 32]),
            1 | 2 => {
                let mut lengths: Vec<u32> = cut.lengths.to_vec();
                let at = usize::try_from(dice.roll(7)).unwrap();
                if let Some(length) = lengths.get_mut(at) {
                    *length = length.saturating_sub(1);
                }
                cut = self.world.cut_of(&lengths);
            }
            _ => {}
        }
        cut
    }

    fn close(&self, dice: &mut Dice) -> Act {
        Act::Close(Close { period: month(2026, 1 + dice.small(3)), cut: self.cut(dice) })
    }

    /// A decision, and an allocation of all that was closed, which mostly fits.
    fn allocate(&mut self, dice: &mut Dice) {
        let choice = if dice.roll(8) == 0 { Choice::No } else { Choice::Yes };
        if self.world.verdict(&self.world.chains[0].last().unwrap().id()) != Verdict::Counted {
            return;
        }
        let decision = decided(&mut self.world, Matter::Allocation, Effect::Policy, choice);
        let treasury = self.world.state.treasury();
        let Some(until) = treasury.closed() else { return };
        let last = treasury.documents().allocations().last();
        let from = last.map_or(month(2025, 1), |last| talea_ledger::terms::month_after(last.until));
        let brought = i64::try_from(result(&self.world.register, treasury, from, until)).unwrap();
        let all = u64::try_from(brought.max(0)).unwrap();
        let interest = dice.roll(3).min(all);
        let part =
            || Part { member: Member(4), amount: quantity(i64::try_from(interest).unwrap()) };
        let act = Allocate {
            from,
            until,
            result: brought,
            legal: all - interest,
            statutory: 0,
            other: 0,
            interest: list((interest > 0).then(part)),
            carried: brought.min(0) + i64::from(dice.roll(10) == 0),
            ..allocation(decision)
        };
        self.world.put(TREASURER, Act::Allocate(Box::new(act)));
    }

    fn run(&self, dice: &mut Dice) -> Act {
        let (cut, period) = (self.cut(dice), month(2026, 1 + dice.small(3)));
        let basis = self.world.register.head().0;
        match self.world.state.distribute(&self.world.register, basis, period, &cut) {
            Some(run) => Act::Distribute(Box::new(run)),
            None => Act::Attest(Attest { contribution: EntryId([9; 32]) }),
        }
    }

    fn redirect(&self, dice: &mut Dice) -> Act {
        let (run, to) = (dice.one_of(&self.runs), Member(dice.small(8)));
        Act::Redirect(Redirect { run, to, amount: quantity(dice.amount(40)) })
    }

    fn pay(&self, dice: &mut Dice) -> Act {
        let (run, date) = (dice.one_of(&self.runs), day(dice.date()));
        Act::Pay(Pay { run, cut: self.cut(dice), date })
    }

    fn data(&self, who: u32, dice: &mut Dice) -> Act {
        let (named, ground) = (dice.one_of(&self.others), code("mistake"));
        match dice.roll(5) {
            0 => Act::RequestErasure(RequestErasure { entry: dice.one_of(&self.work) }),
            1 => Act::RevokeCredential(RevokeCredential { credential: named, ground }),
            2 if who == REGISTRAR => Act::RefuseErasure(RefuseErasure { request: named, ground }),
            _ => Act::AttestCredential(AttestCredential {
                subject: Member(dice.small(7)),
                kind: code("contributions"),
                document: Hash([3; 32]),
                from: day(TODAY),
                until: None,
            }),
        }
    }
}

fn trade(dice: &mut Dice) -> Act {
    let (job, client) = (code(&format!("J{}", dice.roll(3))), code("grillon"));
    let (units, date, aid) = (dice.amount(90), day(dice.date()), dice.roll(3) == 0);
    let amount = quantity(dice.amount(900));
    match dice.roll(3) {
        0 => {
            let (tier, quantity, amount) = (1, quantity(units), quantity(units * 12));
            Act::Invoice(Invoice { job, client, tier, quantity, amount, date })
        }
        1 => Act::Income(Income { job, client, amount, date, aid }),
        _ => {
            let (account, payee, decision) = (code("613200"), code("edf"), None);
            Act::Expense(Expense { account, payee, amount, date, decision })
        }
    }
}

fn written(steps: &[Step]) -> World {
    let mut writer = Writer::new();
    steps.iter().for_each(|step| writer.write(*step));
    writer.world
}

/// Nothing is lost or made, and nothing is where it may not be.
fn sound(world: &World, state: &State) {
    let (charter, books) = (world.register.charter(), state.books());
    for unit in units(charter) {
        assert_eq!(books.sum(unit), 0, "{unit:?}");
    }
    for (account, unit, balance) in books.iter() {
        let net = balance.net();
        match account {
            Account::Bank => assert!(net >= -50, "the bank holds {net}"),
            Account::Wallet(_) | Account::Fund(_) => {
                assert!(net >= floor(charter, account, unit), "{account:?} holds {net}");
            }
            Account::Shares(_) | Account::Due(_) => assert!(net <= 0, "{account:?}: {net}"),
            Account::Payable(_) if unit == Unit::Money => assert!(net <= 0, "{account:?}: {net}"),
            _ => {}
        }
    }
    let (capital, peak) = state.treasury().documents().capital();
    assert!(capital * 4 >= peak, "{capital} of {peak} stay");
    let journal = state.treasury().journal();
    let lines = || journal.numbered().iter().chain(journal.open());
    let booked: i128 = lines()
        .flat_map(|line| &line.postings)
        .filter(|posting| posting.account == Account::Bank)
        .map(|posting| posting.amount)
        .sum();
    assert_eq!(booked, books.net(&Account::Bank, Unit::Money), "the journal has every booking");
    for (number, line) in (1..).zip(journal.numbered()) {
        assert_eq!(journal.number(&line.entry, line.part), Some(number));
        assert_eq!(line.postings.iter().map(|posting| posting.amount).sum::<i128>(), 0);
    }
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![Just(0..25_u8), Just(0..9), Just(7..24)].prop_flat_map(move |kinds| {
        prop::collection::vec((kinds, any::<u32>(), any::<u64>()), 1..most)
    })
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(cases.unwrap_or(120))
}

proptest! {
    #![proptest_config(cases())]

    /// The whole and any part of it, in any order: the same verdicts, the same root, and sound.
    #[test]
    fn no_cent_is_lost_and_no_account_is_below_its_floor_in_any_order(
        steps in steps(140),
        length in any::<prop::sample::Index>(),
        one in prop::collection::vec(any::<u32>(), 40..80),
        other in prop::collection::vec(any::<u32>(), 40..80),
    ) {
        let world = written(&steps);
        sound(&world, &world.state);
        let order = shuffled(&world.written, &one);
        let (part, rest) = order.split_at(length.index(order.len() + 1));
        let (mut first, mut second) = (world.fold(part), State::new());
        for device in shuffled(part, &other) {
            world.settle(&mut second, device);
            second.root();
        }
        sound(&world, &first);
        prop_assert_eq!(world.differences(&first, &second), Vec::<String>::new());
        prop_assert_eq!(first.root(), second.root());
        prop_assert_eq!(unlike(&world.register, &first, &second), Vec::<String>::new());
        for device in rest {
            world.settle(&mut second, *device);
        }
        prop_assert_eq!(world.differences(&second, &world.state), Vec::<String>::new());
        prop_assert_eq!(second.root(), world.state.clone().root());
        // What a node serves, whose state went on and on, is what a stranger computes at once.
        prop_assert_eq!(unlike(&world.register, &second, &world.state), Vec::<String>::new());
    }
}

/// The generator is worth something only if what it writes meets these rules and often counts.
#[test]
fn the_stories_told_here_break_many_rules_and_keep_more() {
    let mut rules = std::collections::BTreeMap::new();
    let mut counted = std::collections::BTreeMap::new();
    let mut dice = Dice(1);
    for _ in 0..60 {
        let step = |dice: &mut Dice| {
            (u8::try_from(dice.roll(250)).unwrap(), dice.small(100), dice.roll(u64::from(u32::MAX)))
        };
        let steps: Vec<Step> = (0..140).map(|_| step(&mut dice)).collect();
        let world = written(&steps);
        for entry in world.chains.iter().flatten() {
            let talea_protocol::act::Content::Known(act) = entry.content() else { continue };
            match world.verdict(&entry.id()) {
                Verdict::Counted => *counted.entry(name(act)).or_insert(0) += 1,
                Verdict::Void(void) => *rules.entry(void.rule()).or_insert(0) += 1,
                Verdict::Pending(_) => {}
            }
        }
    }
    println!("{rules:?}\n{counted:?}");
    let later = rules.keys().filter(|rule| **rule > 120).count();
    assert!(later >= 16, "{rules:?}");
    for name in ["transfer", "redeem", "pay-out", "close", "allocate", "open", "reconcile", "pay"] {
        assert!(counted.get(name).is_some_and(|count| *count > 10), "{name}: {counted:?}");
    }
}

fn name(act: &Act) -> String {
    serde_json::to_value(act).unwrap()["act"].as_str().unwrap().to_owned()
}
