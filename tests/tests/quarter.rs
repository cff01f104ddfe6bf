//! The worked quarter in 200 other orders: every figure of the file to the cent, and one state.
//!
//! Entries are signed once, in the file's order, as `talea import` signs them. Then they come in
//! any order that keeps each chain's own and has each register entry before what names it, as nodes
//! give places; and in orders that keep the chains alone, as entries may settle. A seed is an order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;
use talea_ledger::state::State;
use talea_ledger::verdict::Verdict;
use talea_ledger::view::minimums::minimums;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::DeviceKey;
use talea_tests::chance::Chance;
use talea_tests::quarter::{FILE, LAST, expected, signed};
use talea_tools::amount::month;
use talea_tools::book::{Book, Unplaced};
use talea_tools::figures::{self, Figure};
use talea_tools::play::Made;

/// How many orders.
const ORDERS: u64 = 200;
/// Entries of one chain that come in a row, at most.
const ROW_MAX: u64 = 4;

/// What is still to come, by chain.
type Chains<'a> = BTreeMap<DeviceKey, VecDeque<&'a Made>>;

fn chains(made: &[Made]) -> Chains<'_> {
    let mut chains = Chains::new();
    for made in made.iter().skip(1).filter(|made| made.refused.is_none()) {
        chains.entry(made.entry.header().device).or_default().push_back(made);
    }
    chains
}

/// A chain with something to come.
fn any(chains: &Chains<'_>, chance: &mut Chance) -> Option<DeviceKey> {
    let open: Vec<DeviceKey> =
        chains.iter().filter(|(_, left)| !left.is_empty()).map(|(key, _)| *key).collect();
    (!open.is_empty()).then(|| *chance.one_of(&open))
}

fn add(book: &mut Book, made: &Made) -> Result<(), Unplaced> {
    book.add(made.entry.clone())?;
    if let Some(words) = made.payload.as_ref().and_then(|payload| payload.read()) {
        book.read_payload(&made.entry.id(), &words);
    }
    Ok(())
}

/// So many entries, or all, in a causal order; what waits for the register lets others go first.
fn causal(made: &[Made], length: usize, chance: &mut Chance) -> Book {
    let mut book = Book::found(made[0].entry.clone()).expect("a charter");
    let words = made[0].payload.as_ref().and_then(|payload| payload.read()).expect("names");
    book.read_payload(&made[0].entry.id(), &words);
    let mut left = chains(made);
    while book.entries().count() < length {
        let Some(key) = any(&left, chance) else { break };
        let chain = left.get_mut(&key).expect("it is there");
        for _ in 0..chance.between(1, ROW_MAX) {
            let Some(next) = chain.front() else { break };
            match add(&mut book, next) {
                Ok(()) => drop(chain.pop_front()),
                Err(Unplaced::Waits { .. }) => break,
                Err(unplaced) => panic!("step {}: {unplaced}", next.n),
            }
        }
    }
    book
}

/// The entries of a book again, in another order of their chains.
fn again(whole: &Book, chance: &mut Chance) -> State {
    let register = whole.register();
    let mut left: BTreeMap<u32, VecDeque<_>> = BTreeMap::new();
    for entry in whole.entries() {
        let device = register.known(&entry.header().device).expect("enrolled");
        left.entry(device).or_default().push_back(entry);
    }
    let mut state = State::new();
    while !left.is_empty() {
        let open: Vec<u32> = left.keys().copied().collect();
        let device = *chance.one_of(&open);
        let chain = left.get_mut(&device).expect("it is there");
        for _ in 0..chance.between(1, ROW_MAX) {
            if let Some(entry) = chain.pop_front() {
                state.settle(register, device, entry);
            }
        }
        left.retain(|_, chain| !chain.is_empty());
    }
    state
}

fn order(book: &Book) -> Vec<EntryId> {
    book.entries().map(|entry| entry.id()).collect()
}

fn verdicts(book: &Book, of: &State) -> Vec<Option<Verdict>> {
    order(book).iter().map(|id| of.verdict(id)).collect()
}

fn root(book: &mut Book) -> Hash {
    book.state_mut().root()
}

#[test]
fn the_quarter_comes_out_to_the_cent_in_200_other_causal_orders() {
    let made = signed(FILE, LAST);
    let expected = expected();
    let refused: Vec<&Made> = made.iter().filter(|made| made.refused.is_some()).collect();
    assert_eq!((made.len(), refused.len()), (140, 1));
    let (mut orders, mut roots, mut compared) = (BTreeSet::new(), BTreeSet::new(), 0);
    for seed in 0..ORDERS {
        let mut book = causal(&made, usize::MAX, &mut Chance::new(seed));
        assert_eq!(book.entries().count(), 139, "seed {seed}");
        let counts = |id: &EntryId| book.verdict(id) == Some(Verdict::Counted);
        assert!(order(&book).iter().all(counts), "seed {seed}");
        let figures = figures::compare(&expected, &book);
        let differing: Vec<&Figure> = figures.iter().filter(|figure| !figure.agrees()).collect();
        assert!(differing.is_empty(), "seed {seed}: {differing:?}");
        let rule = book.ask(&refused[0].entry).err().map(|refusal| refusal.rule());
        assert_eq!(rule, Some(12), "who has left has no place, seed {seed}");
        compared += figures.len();
        orders.insert(order(&book));
        roots.insert(root(&mut book));
    }
    assert_eq!(orders.len(), usize::try_from(ORDERS).expect("few"), "each is another order");
    assert_eq!(roots.len(), 1, "{roots:?}");
    println!("{compared} figures in {ORDERS} orders, one state: {roots:?}");
    assert!(compared > 80_000, "{compared}");
}

/// What has settled so far means the same everywhere, however it came.
#[test]
fn any_part_of_the_quarter_is_the_same_in_any_order_of_its_chains() {
    let made = signed(FILE, LAST);
    for seed in 0..ORDERS {
        let mut chance = Chance::new(seed);
        let length = chance.between(1, 139);
        let mut part = causal(&made, length.try_into().expect("few"), &mut chance);
        let mut other = again(&part, &mut chance);
        assert_eq!(verdicts(&part, part.state()), verdicts(&part, &other), "seed {seed}");
        assert_eq!(root(&mut part), other.root(), "seed {seed}");
    }
}

/// Gaël, who has left, gave 120 minutes of care; nobody expects anything of him any more.
#[test]
fn what_members_should_give_in_the_quarter_is_compared_with_what_they_gave() {
    let made = signed(FILE, LAST);
    let book = causal(&made, usize::MAX, &mut Chance::new(0));
    let file: Value = serde_json::from_str(FILE).expect("JSON");
    let least = &file["charter_genesis"]["min_love_centi_per_quarter"];
    let all = minimums(book.register(), book.state(), month("2026-03").expect("a month"));
    assert_eq!(all.len(), 7);
    for given in all {
        let name = book.handle(given.member);
        let expected = &file["expected"]["members"][&name];
        let sum = |what: &str| expected[what].as_i64().map(i128::from);
        assert_eq!(Some(given.love), sum("love_credits_in_quarter"), "{name}");
        assert_eq!(Some(given.care), sum("care_minutes"), "{name}");
        assert_eq!(Some(i64::from(given.love_expected)), least.as_i64());
        assert_eq!(given.met, given.love >= 40_000, "{name}");
    }
}
