//! A realistic cooperative of one year, of any size, from a seed: all kinds of acts that members
//! write from day to day, in proportions that a working cooperative could have.
//!
//! Every act is meant to count; [`Mixed::void`] says how many do not. Payloads are committed to
//! where an act needs a reason or a receipt, and not there, as if erased. What the acts add up to is not known
//! here: what a registrar, a treasurer or a distributor states is the ledger's own word.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::register::Register;
use talea_ledger::state::State;
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::{Day, Month};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::entry::{Commitment, Header, Signed, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};

use super::{Author, People, START_MS, consented, secret};
use crate::chance::Chance;

mod charter;
mod council;
mod exchange;
mod money;
mod register;
mod work;

/// 2026-01-01, in days since 1970.
const NEW_YEAR: i32 = 20_454;
/// First days of the months of 2026, counted from its first.
const MONTHS: [i32; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;
/// Founders: the first holds the register, the second the money, the third the runs.
const FOUNDERS: u64 = 12;

/// A cooperative under way.
pub struct Mixed {
    /// Its members and all that they have stated.
    people: People,
    chance: Chance,
    /// Time of the next entry, in ms since 1970 UTC, and what passes between two.
    time: u64,
    tick: u64,
    /// The month under way, from 0.
    month: usize,
    /// Devices that write.
    writing: Vec<usize>,
    work: work::Desk,
    council: council::Desk,
    money: money::Desk,
    exchange: exchange::Desk,
}

impl Mixed {
    /// A year of about so many entries (a few in a hundred more), for a cooperative that this
    /// node keeps alone.
    ///
    /// # Panics
    /// If an act cannot be made: the generator would be wrong.
    #[must_use]
    pub fn year(seed: u64, count: usize, node: NodeKey) -> Self {
        let mut mixed = Self::found(seed, node);
        let members = (count / 300).clamp(20, 330);
        for month in 0..12 {
            mixed.begin(month, count / 12);
            let newcomers = (members * (month + 1) / 12).saturating_sub(mixed.members());
            for number in 0..newcomers {
                mixed.admit(number);
            }
            let goal = count * (month + 1) / 12;
            if month == 11 {
                mixed.farewell();
            }
            while mixed.people.entries.len() < goal {
                mixed.day();
            }
            mixed.end_month();
        }
        mixed.allocate();
        mixed
    }

    fn found(seed: u64, node: NodeKey) -> Self {
        let keys: Vec<SecretKey> = (0..FOUNDERS).map(secret).collect();
        let borrowed: Vec<&SecretKey> = keys.iter().collect();
        let charter = consented(charter::charter(&borrowed, &[node]), &borrowed);
        let people = People::of(keys, charter);
        Self {
            writing: (0..people.authors.len()).collect(),
            people,
            chance: Chance::of(seed, &[]),
            time: START_MS,
            tick: 1_000,
            month: 0,
            work: work::Desk::default(),
            council: council::Desk::default(),
            money: money::Desk::default(),
            exchange: exchange::Desk::default(),
        }
    }

    /// Every entry, the charter first, in an order in which they can be placed.
    #[must_use]
    pub fn entries(&self) -> &[Signed] {
        &self.people.entries
    }

    /// Members, devices, roster.
    #[must_use]
    pub const fn register(&self) -> &Register {
        &self.people.register
    }

    /// What all of it adds up to.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.people.state
    }

    /// Entries that do not count, with their verdicts.
    #[must_use]
    pub fn void(&self) -> Vec<(EntryId, Verdict)> {
        let verdict = |entry: &Signed| Some((entry.id(), self.people.state.verdict(&entry.id())?));
        let all = self.people.entries.iter().filter_map(verdict);
        all.filter(|(_, verdict)| *verdict != Verdict::Counted).collect()
    }

    /// How many entries of each kind there are.
    #[must_use]
    pub fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for entry in &self.people.entries {
            *kinds.entry(kind(entry)).or_insert(0) += 1;
        }
        kinds
    }

    /// Members who have not left.
    fn members(&self) -> usize {
        self.people.register.present(self.people.register.head().0)
    }

    fn begin(&mut self, month: usize, budget: usize) {
        self.month = month;
        let days = |n: i32| u64::try_from(n).expect("after the new year") * DAY_MS;
        let begin = START_MS - DAY_MS + days(MONTHS[month]);
        self.time = self.time.max(begin);
        let length = days(MONTHS[month + 1] - MONTHS[month]) - 2 * DAY_MS;
        self.tick = (length / u64::try_from(budget.max(1)).expect("fits")).max(1);
    }

    /// One statement, or a few that belong together, as chance has it.
    fn day(&mut self) {
        self.decide_due();
        match self.chance.below(1_000) {
            0..=399 => self.contribute(),
            400..=429 => self.deliver(),
            430..=769 => self.attest(),
            770..=774 => self.dispute(),
            775..=779 => self.withdraw(),
            780..=787 => self.correct(),
            788..=789 => self.propose(),
            790..=869 => self.vote(),
            870..=874 => self.delegate(),
            875..=889 => self.invoice(),
            890..=909 => self.receive(),
            910..=924 => self.spend(),
            925..=964 => self.transfer(),
            965..=974 => self.draw(),
            975..=982 => self.offer(),
            983..=987 => self.agree(),
            988..=992 => self.promise(),
            993..=997 => self.remark(),
            _ => self.come_or_go(),
        }
    }

    /// An author states an act under the newest register entry; its id.
    fn say(&mut self, author: usize, act: &Act) -> EntryId {
        self.people.catch_up(author);
        self.time += self.tick;
        self.people.state(author, self.time, act)
    }

    /// The same with a payload that nobody has any more.
    fn say_why(&mut self, author: usize, act: &Act) -> EntryId {
        self.people.catch_up(author);
        self.time += self.tick;
        let payload = Commitment::new(&[7; 32], &self.time.to_le_bytes());
        let header = Header { payload, ..self.people.header(author, self.time) };
        let entry = sign(&self.people.authors[author].key, &header, act).expect("an entry");
        let id = entry.id();
        self.people.remember(author, entry);
        id
    }

    fn anybody(&mut self) -> usize {
        *self.chance.one_of(&self.writing)
    }

    fn member(&self, author: usize) -> Member {
        Member(self.people.authors[author].member)
    }

    /// Somebody whose device this is not.
    fn somebody_else(&mut self, member: Member) -> usize {
        loop {
            let author = self.anybody();
            if self.member(author) != member {
                return author;
            }
        }
    }

    /// The first device of anybody who writes: what it alone may do, it does.
    fn spender(&mut self) -> usize {
        let author = self.anybody();
        let at = self.people.register.head().0;
        let first = self.people.register.spender(self.member(author), at);
        first.and_then(|first| usize::try_from(first).ok()).expect("it writes")
    }

    /// Today.
    fn today(&self) -> Day {
        let after = (self.time - (START_MS - DAY_MS)) / DAY_MS;
        Day::new(NEW_YEAR + i32::try_from(after).expect("a year or two")).expect("a day")
    }

    fn period(&self) -> Month {
        Month::new(2026 * 12 + u32::try_from(self.month).expect("of a year")).expect("a month")
    }
}

/// What an entry is called.
fn kind(entry: &Signed) -> String {
    match entry.content() {
        Content::Known(act) => {
            let json = serde_json::to_value(act).expect("an act has a name");
            json["act"].as_str().unwrap_or_default().to_owned()
        }
        Content::Unknown(tag) => format!("act {tag}"),
    }
}

impl People {
    /// The founders of a charter.
    fn of(keys: Vec<SecretKey>, charter: Charter) -> Self {
        let next_key = u64::try_from(keys.len()).expect("few");
        let header = Header::founding(keys[0].device(), START_MS);
        let founding = sign(&keys[0], &header, &Act::Charter(Box::new(charter)));
        let founding = founding.expect("an entry");
        let register = Register::found(&founding).expect("a charter");
        let author = |(key, member)| Author { key, member, basis: 0, is_silent: false };
        let chains = vec![Vec::new(); keys.len()];
        let mut people = Self {
            authors: keys.into_iter().zip(0..).map(author).collect(),
            entries: Vec::new(),
            numbers: BTreeMap::new(),
            payloads: BTreeMap::new(),
            chains,
            register,
            state: State::new(),
            contributions: Vec::new(),
            proposals: Vec::new(),
            crooked: BTreeMap::new(),
            known: BTreeMap::new(),
            given_up: BTreeSet::new(),
            refrained: Vec::new(),
            next_key,
        };
        people.remember(0, founding);
        people
    }
}

/// Every kind of act that a year of at least 3,000 entries has.
#[must_use]
pub fn expected_kinds() -> BTreeSet<&'static str> {
    BTreeSet::from([
        "charter",
        "admit",
        "enrol",
        "decide",
        "contribution",
        "attest",
        "propose",
        "vote",
        "subscribe",
        "invoice",
        "income",
        "expense",
        "redirect",
        "distribute",
        "pay",
        "close",
        "leave",
        "depart",
        "dispute",
        "withdraw",
        "correct",
        "advance",
        "motion",
        "rank",
        "delegate",
        "redeem",
        "allocate",
        "reconcile",
        "transfer",
        "review",
        "deliver",
        "draw",
        "intent",
        "agreement",
        "agree",
        "commit",
        "comment",
    ])
}
