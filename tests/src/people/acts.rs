//! What members state in the course of a quarter, most of it sensible.
//!
//! A few in a hundred acts break a rule of the ledger on purpose: they have a place like others and
//! are void. Nothing here breaks a rule of placing.

use talea_ledger::register::Office;
use talea_ledger::terms::{When, month_at, month_of};
use talea_protocol::act::{
    Act, Admit, Attest, Choice, Contribution, Effect, Enrol, Expense, Income, Invoice, Job, Matter,
    Method, Propose, Redirect, Stream, Subscribe, Vote, subscription,
};
use talea_protocol::bytes::{Code, Day, List, Month, Quantity};
use talea_protocol::charter::{Amendment, Change, Member, Rate, Thresholds, Tier};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, Signature};

use super::{People, bp, code, index, secret};
use crate::chance::Chance;

/// 2026-01-01, in days since 1970.
const NEW_YEAR: i32 = 20_454;
/// Devices that a cooperative of this world grows to, at most.
const DEVICES_MAX: usize = 9;

fn quantity(chance: &mut Chance, most: u64) -> Quantity {
    let amount = i64::try_from(chance.between(1, most)).expect("small");
    Quantity::new(amount).expect("above zero")
}

fn day(chance: &mut Chance) -> Day {
    let after = i32::try_from(chance.below(75)).expect("small");
    Day::new(NEW_YEAR + after).expect("a day")
}

pub(super) fn january() -> Month {
    Month::new(2026 * 12).expect("a month")
}

impl People {
    /// An author states something, as chance has it; its id, unless it is silent.
    pub fn go_on(&mut self, author: u64, chance: &mut Chance, time: u64) -> Option<EntryId> {
        let authors = u64::try_from(self.authors.len()).expect("few");
        let author = usize::try_from(author % authors).expect("few");
        if self.authors[author].is_silent {
            return None;
        }
        if chance.percent(30) {
            self.catch_up(author);
        }
        let role = |role| self.is_first_device_of(author, role);
        let (registrar, treasurer, distributor) =
            (role(Office::Registrar), role(Office::Treasurer), role(Office::Distributor));
        let id = match chance.below(100) {
            0..=29 if registrar => self.number(author, chance, time),
            30..=59 if treasurer => self.book(author, chance, time),
            60..=74 if distributor => self.distribute(author, chance, time),
            0..=29 => self.attest(author, chance, time),
            30..=39 => self.vote(author, chance, time),
            40..=44 => self.propose(author, chance, time),
            45..=49 => self.redirect(author, chance, time),
            // Whoever has had the role knows who has it now; the registrar, who must not stop, tries
            // none that is not its own.
            50..=51 if !self.is_registrar(author) => {
                self.catch_up(author);
                self.book(author, chance, time)
            }
            _ => self.contribute(author, chance, time),
        };
        Some(id)
    }

    fn is_first_device_of(&self, author: usize, role: Office) -> bool {
        let at = self.register.head().0;
        let holder = self.register.holder(role, at);
        let refrains = self.is_registrar(author) && self.refrained.contains(&role);
        !refrains && self.register.spender(holder, at) == u32::try_from(author).ok()
    }

    /// One author's work.
    pub fn contribute(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let (mut stream, task) = *chance.one_of(&[
            (Stream::Livelihood, "bake"),
            (Stream::Livelihood, "bake"),
            (Stream::Love, "bake"),
            (Stream::Care, "care"),
        ]);
        let begin = day(chance);
        let mut end = Day::new(begin.value() + i32::from(chance.percent(20))).expect("a day");
        let tier = u8::try_from(chance.below(3)).expect("small");
        let mut job = chance.percent(40).then(|| Job { code: code("J1"), tier });
        let mut tags = vec![code("commons"), code("sdg:5")];
        let (mut task, mut amount) = (code(task), quantity(chance, 480));
        match chance.below(100) {
            0 => task = code("sing"),
            1 => amount = Quantity::new(1_441).expect("above zero"),
            2 => end = Day::new(begin.value() - 1).expect("a day"),
            3 => stream = if stream == Stream::Care { Stream::Love } else { Stream::Care },
            4 => tags.reverse(),
            5 => job = Some(Job { code: code("J1"), tier: 9 }),
            _ => {}
        }
        let act = Act::Contribution(Contribution {
            stream,
            task,
            quantity: amount,
            begin,
            end,
            job,
            tags: List::new(tags).expect("two"),
        });
        let note = format!("note {}", self.entries.len());
        let payload = chance.percent(20).then_some(note.as_bytes());
        self.state_with(author, time, &act, payload)
    }

    fn attest(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let contribution = self.one_of_last(&self.contributions, chance);
        self.state(author, time, &Act::Attest(Attest { contribution }))
    }

    fn vote(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let proposal = self.one_of_last(&self.proposals, chance);
        let choice = *chance.one_of(&[Choice::Yes, Choice::Yes, Choice::No, Choice::Abstain]);
        self.state(author, time, &Act::Vote(Vote { proposal, choice }))
    }

    /// Mostly one of the last few of these; rarely anything that was ever stated, or nothing.
    pub(super) fn one_of_last(&self, ids: &[EntryId], chance: &mut Chance) -> EntryId {
        let last = &ids[ids.len().saturating_sub(6)..];
        match chance.below(50) {
            0 => EntryId([9; 32]),
            1 => chance.one_of(&self.entries).id(),
            _ if last.is_empty() => chance.one_of(&self.entries).id(),
            _ => *chance.one_of(last),
        }
    }

    fn propose(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let closes = time + chance.below(3_000);
        let mut from = month_at(closes).value() + u32::try_from(chance.below(3)).expect("small");
        let mut amendments = vec![amendment(chance)];
        let mut matter = *chance.one_of(&[Matter::Charter, Matter::Charter, Matter::Ordinary]);
        let amends = chance.percent(70);
        if amends {
            matter = Matter::Charter;
            match chance.below(20) {
                0 => amendments.push(Amendment::Sponsors(1)),
                1 => from = month_at(closes).value() - 1,
                2 => matter = Matter::Ordinary,
                3 => amendments.clear(),
                _ => {}
            }
        }
        let amendments = List::new(amendments).expect("few");
        let change = Change { amendments, from: Month::new(from).expect("a month") };
        let propose = Propose {
            matter,
            method: *chance.one_of(&[Method::CollegeWeighted, Method::Headcount]),
            statutory: false,
            closes,
            effect: if amends { Effect::Amend(change) } else { Effect::Policy },
        };
        self.state(author, time, &Act::Propose(propose))
    }

    /// The registrar's next.
    fn number(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        self.catch_up(author);
        match chance.below(10) {
            0..=1 if self.authors.len() < DEVICES_MAX => self.admit(author, chance, time),
            2 if self.authors.len() < DEVICES_MAX => self.enrol(author, chance, time),
            3..=4 => self.mark(author, chance, time),
            _ => self.decide(author, chance, time),
        }
    }

    fn admit(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let key = secret(self.next_key);
        self.next_key += 1;
        let needed = usize::from(self.register.charter().sponsors);
        let fewer = usize::from(needed > 0 && chance.percent(10));
        let sponsors: Vec<usize> = (0..needed - fewer).collect();
        let (request, mut proof, words) = self.request(&key, &sponsors);
        if chance.percent(5) {
            proof = Signature([1; 64]);
        }
        let stage = u8::from(chance.percent(30)) + 3 * u8::from(chance.percent(3));
        let college = u8::from(chance.percent(50));
        let sponsors = List::new(words).expect("few");
        let act = Act::Admit(Admit { request, proof, college, stage, sponsors });
        let id = self.state(author, time, &act);
        self.welcome(key);
        id
    }

    fn enrol(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let key = secret(self.next_key);
        self.next_key += 1;
        let by = chance.index(self.authors.len());
        let (request, proof, words) = self.request(&key, &[by]);
        let other = u32::from(chance.percent(10));
        let member = Member(self.authors[by].member + other);
        let words = List::new(words).expect("one");
        let enrol = Enrol { member, request, proof, words };
        let id = self.state(author, time, &Act::Enrol(enrol));
        self.welcome(key);
        id
    }

    /// The treasurer's next.
    fn book(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let act = match chance.below(12) {
            0..=2 => self.subscribe(author, chance),
            3..=5 => self.invoice(author, chance),
            6..=8 => self.income(chance),
            9 => Act::Expense(Expense {
                account: code("628000"),
                payee: code("edf"),
                amount: quantity(chance, 3_000),
                date: day(chance),
                decision: None,
            }),
            10 => return self.close(author, chance, time),
            _ => return self.pay(author, chance, time),
        };
        self.state(author, time, &act)
    }

    fn subscribe(&self, author: usize, chance: &mut Chance) -> Act {
        let by = &self.authors[chance.index(self.authors.len())];
        // One who has only just come is not known at an older register entry.
        let other = u32::from(chance.percent(5));
        let reference = format!("s{}", chance.below(6));
        let mut act = Subscribe {
            member: Member(by.member + other),
            amount: quantity(chance, 5_000),
            date: day(chance),
            reference: Code::try_from(reference).expect("a code"),
            device: by.key.device(),
            signature: Signature([0; 64]),
        };
        let said = subscription(&self.cooperative(), &act);
        act.signature = by.key.sign(Purpose::Subscription, &said);
        if chance.percent(5) {
            act.signature = self.authors[author].key.sign(Purpose::Approval, &said);
        }
        Act::Subscribe(act)
    }

    fn invoice(&self, author: usize, chance: &mut Chance) -> Act {
        let (tier, date) = (u8::try_from(chance.below(3)).expect("small"), day(chance));
        let when = When { at: self.authors[author].basis, month: month_of(date) };
        let price = self.state.terms().price(self.register.charter(), when, tier);
        let units = quantity(chance, 400);
        let mut due = units.value() * i64::from(price.expect("three tiers"));
        due += i64::from(chance.percent(5));
        Act::Invoice(Invoice {
            job: Code::try_from(format!("J{}", chance.below(8))).expect("a code"),
            client: code("grillon"),
            tier: if chance.percent(3) { 9 } else { tier },
            quantity: units,
            amount: Quantity::new(due.max(1)).expect("above zero"),
            date,
        })
    }

    fn income(&self, chance: &mut Chance) -> Act {
        let jobs: Vec<_> = self.state.treasury().jobs().iter().collect();
        let open = jobs.iter().find(|(_, job)| job.open() > 0);
        let (job, most) = match open {
            Some((code, job)) => ((*code).clone(), job.open() + i64::from(chance.percent(5))),
            None => (code("J9"), 100),
        };
        let some = if chance.percent(50) { most } else { (most / 2).max(1) };
        Act::Income(Income {
            job,
            client: if chance.percent(4) { code("other") } else { code("grillon") },
            amount: Quantity::new(some).expect("above zero"),
            date: day(chance),
            aid: false,
        })
    }

    fn redirect(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let runs: Vec<EntryId> = self.state.runs().iter().map(|(id, _)| *id).collect();
        let known = self.register.member_count(self.authors[author].basis);
        let (run, mut to) = (self.one_of_last(&runs, chance), chance.index(known));
        if runs.contains(&run) && chance.percent(4) {
            to = known + 5;
        }
        let to = Member(u32::try_from(to).expect("few"));
        let amount = quantity(chance, 40);
        self.state(author, time, &Act::Redirect(Redirect { run, to, amount }))
    }

    /// How many entries each chain has, the last ones of some left out.
    pub(super) fn lengths(&self, author: usize, chance: &mut Chance) -> Vec<u32> {
        let at = self.authors[author].basis;
        let devices = self.register.device_count(at);
        let all = self.chains.iter().take(devices).map(Vec::len);
        let mut lengths: Vec<u32> = all.map(|length| u32::try_from(length).expect("few")).collect();
        if chance.percent(25) {
            for length in &mut lengths {
                *length -= u32::try_from(chance.below(u64::from(*length).min(2) + 1)).expect("few");
            }
        }
        lengths
    }

    /// The id of the last of so many entries of a chain.
    pub(super) fn last(&self, device: u32, length: u32) -> EntryId {
        self.chains[index(device)][index(length) - 1]
    }
}

fn amendment(chance: &mut Chance) -> Amendment {
    let credits = u32::try_from(chance.between(1, 60)).expect("small");
    let price = u32::try_from(chance.between(0, 16)).expect("small");
    let share = bp(u16::try_from(chance.below(5_000)).expect("small"));
    let rate =
        |task, unit, credits| Amendment::Rate(Rate { task: code(task), unit: code(unit), credits });
    let thresholds = Thresholds { ordinary: share, charter: bp(1_000), allocation: share };
    match chance.below(14) {
        0..=2 => rate("bake", "loaf", credits),
        3 => rate("sell", "hour", credits),
        4 => rate("bake", "hour", credits),
        5 => Amendment::InternalPrice(price),
        6 => Amendment::Tier(Tier { code: code("high"), price }),
        7 => Amendment::Tier(Tier { code: code("gift"), price }),
        8 => Amendment::Attestations(u8::try_from(chance.below(3)).expect("small")),
        9 => Amendment::Care(share),
        10 => Amendment::Retain(share),
        11 => Amendment::Livelihood(share),
        12 => Amendment::Thresholds(thresholds),
        _ => Amendment::Quorum(bp(1_000)),
    }
}
