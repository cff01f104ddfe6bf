//! The treasurer's and the distributor's year: shares, invoices, receipts, expenses, runs, months
//! closed, statements of the bank, the result.

use std::collections::VecDeque;

use talea_ledger::account::{Account, Unit};
use talea_ledger::result::result;
use talea_ledger::terms::{When, month_of};
use talea_protocol::act::{
    Act, Close, Expense, Income, Invoice, Pay, Redirect, Subscribe, subscription,
};
use talea_protocol::bytes::{Code, List, Month, Quantity};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, Signature};
use talea_protocol::money::{Allocate, Reconcile, Redeem, redemption};

use super::super::code;
use super::{Mixed, charter::EXPENSE_LIMIT};

/// The treasurer's device, and the distributor's.
pub(super) const TREASURER: usize = 1;
const DISTRIBUTOR: usize = 2;
/// Minor units of the currency that a member subscribes.
const SHARE: i64 = 5_000;

/// What lies on the desk: jobs, and what is open on them.
#[derive(Default)]
pub(super) struct Desk {
    jobs: u64,
    open: VecDeque<(u64, i64)>,
    papers: u64,
}

impl Desk {
    /// How many jobs there are.
    pub(super) const fn jobs(&self) -> u64 {
        self.jobs
    }
}

/// The reference of a job.
pub(super) fn job(number: u64) -> Code {
    Code::try_from(format!("J{number}")).expect("a code")
}

/// Its price tier.
pub(super) fn tier(number: u64) -> u8 {
    u8::try_from(number % 3).expect("small")
}

fn client(number: u64) -> Code {
    Code::try_from(format!("client-{}", number % 40)).expect("a code")
}

fn quantity(amount: i64) -> Quantity {
    Quantity::new(amount).expect("above zero")
}

impl Mixed {
    pub(super) fn subscribe(&mut self, author: usize) {
        let by = &self.people.authors[author];
        let mut act = Subscribe {
            member: self.member(author),
            amount: quantity(SHARE),
            date: self.today(),
            reference: code("first"),
            device: by.key.device(),
            signature: Signature([0; 64]),
        };
        let said = subscription(&self.people.cooperative(), &act);
        act.signature = by.key.sign(Purpose::Subscription, &said);
        self.say(TREASURER, &Act::Subscribe(act));
    }

    /// Who has left gets its shares back.
    pub(super) fn redeem(&mut self, author: usize) {
        let shares = Account::Shares(self.member(author));
        let amount = -self.people.state.books().net(&shares, Unit::Money);
        if amount <= 0 || self.bank() < amount {
            return;
        }
        let by = &self.people.authors[author];
        let mut act = Redeem {
            member: self.member(author),
            amount: quantity(i64::try_from(amount).expect("a share")),
            date: self.today(),
            reference: code("all"),
            device: by.key.device(),
            signature: Signature([0; 64]),
        };
        let said = redemption(&self.people.cooperative(), &act);
        act.signature = by.key.sign(Purpose::Redemption, &said);
        self.say(TREASURER, &Act::Redeem(act));
    }

    pub(super) fn invoice(&mut self) {
        let (number, date) = (self.money.jobs, self.today());
        let when = When { at: self.people.register.head().0, month: month_of(date) };
        let (charter, terms) = (self.people.register.charter(), self.people.state.terms());
        let price = i64::from(terms.price(charter, when, tier(number)).expect("three tiers"));
        let units = i64::try_from(self.chance.between(5, 120)).expect("small");
        let amount = units * price;
        let act = Invoice {
            job: job(number),
            client: client(number),
            tier: tier(number),
            quantity: quantity(units),
            amount: quantity(amount),
            date,
        };
        self.say(TREASURER, &Act::Invoice(act));
        self.money.jobs += 1;
        self.money.open.push_back((number, amount));
    }

    /// The oldest open invoice is paid, mostly at once.
    pub(super) fn receive(&mut self) {
        let Some((number, open)) = self.money.open.pop_front() else { return self.invoice() };
        let some = if open > 1 && self.chance.percent(25) { open / 2 } else { open };
        let act = Income {
            job: job(number),
            client: client(number),
            amount: quantity(some),
            date: self.today(),
            aid: false,
        };
        self.say(TREASURER, &Act::Income(act));
        if some < open {
            self.money.open.push_back((number, open - some));
        }
    }

    fn bank(&self) -> i128 {
        self.people.state.books().net(&Account::Bank, Unit::Money)
    }

    pub(super) fn spend(&mut self) {
        let most = u64::try_from(self.bank() / 20).unwrap_or(0).min(20_000);
        if most < 100 {
            return self.receive();
        }
        let amount = i64::try_from(self.chance.between(100, most)).expect("small");
        self.pay_for(amount, None);
    }

    /// What the members have decided to spend.
    pub(super) fn spend_decided(&mut self, amount: i64, decision: EntryId) {
        if self.bank() > i128::from(amount) {
            self.pay_for(amount.min(EXPENSE_LIMIT * 2), Some(decision));
        }
    }

    /// The receipt is in the payload.
    fn pay_for(&mut self, amount: i64, decision: Option<EntryId>) {
        let account = *self.chance.one_of(&["606100", "613200", "622600", "628000"]);
        let payee = *self.chance.one_of(&["edf", "landlord", "mill", "printer", "railway"]);
        let (account, payee, date) = (code(account), code(payee), self.today());
        let act = Expense { account, payee, amount: quantity(amount), date, decision };
        self.say_why(TREASURER, &Act::Expense(act));
    }

    /// The run of the month, what members pass on of it, its payment; the month closed, and what
    /// the bank says.
    pub(super) fn end_month(&mut self) {
        self.decide_all();
        self.people.catch_up(DISTRIBUTOR);
        let cut = self.people.state.cut(&self.people.register);
        let (basis, _) = self.people.register.head();
        let period = self.period();
        let run = self.people.state.distribute(&self.people.register, basis, period, &cut);
        let run = run.expect("no more lines than an entry has");
        let lines = run.lines.to_vec();
        let run = self.say(DISTRIBUTOR, &Act::Distribute(Box::new(run)));
        for line in lines.iter().filter(|line| line.total() > 4) {
            if self.chance.percent(6) {
                self.redirect(run, line.member, line.total());
            }
        }
        let (cut, date) = (self.people.state.cut(&self.people.register), self.today());
        self.say(TREASURER, &Act::Pay(Pay { run, cut, date }));
        let cut = self.people.state.cut(&self.people.register);
        self.say(TREASURER, &Act::Close(Close { period, cut }));
        self.money.papers += 1;
        let reference = Code::try_from(format!("bank-{}", self.money.papers)).expect("a code");
        let balance = i64::try_from(self.bank()).expect("a cooperative's money");
        self.say(TREASURER, &Act::Reconcile(Reconcile { date, balance, reference }));
    }

    fn redirect(&mut self, run: EntryId, member: talea_protocol::charter::Member, total: u64) {
        let at = self.people.register.head().0;
        let device = self.people.register.spender(member, at);
        let device = device.and_then(|device| usize::try_from(device).ok());
        let Some(author) = device.filter(|device| self.writing.contains(device)) else { return };
        let other = self.somebody_else(member);
        let amount = quantity(i64::try_from(total / 4).expect("a cooperative's money"));
        let act = Redirect { run, to: self.member(other), amount };
        self.say(author, &Act::Redirect(act));
    }

    /// The year's result, as the members decide: the reserves, and the rest kept.
    pub(super) fn allocate(&mut self) {
        let from = Month::new(2026 * 12).expect("a month");
        let until = self.period();
        let Some(decision) = self.decide_result(from, until) else { return };
        let state = &self.people.state;
        let whole = result(&self.people.register, state.treasury(), from, until);
        let charter = self.people.register.charter();
        let part = |sum: i128, share: u16| (sum * i128::from(share) + 9_999).div_euclid(10_000);
        let sum = whole.max(0);
        let legal = part(sum, charter.reserves.legal.value()).min(sum);
        let statutory = part(sum - legal, charter.reserves.statutory.value()).min(sum - legal);
        let narrow = |sum: i128| u64::try_from(sum).expect("above zero");
        let act = Allocate {
            decision,
            from,
            until,
            date: self.today(),
            result: i64::try_from(whole).expect("a cooperative's money"),
            legal: narrow(legal),
            statutory: narrow(statutory),
            other: narrow(sum - legal - statutory),
            interest: List::default(),
            refunds: List::default(),
            carried: i64::try_from(whole.min(0)).expect("a cooperative's money"),
        };
        self.say(TREASURER, &Act::Allocate(Box::new(act)));
    }
}
