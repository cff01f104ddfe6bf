//! Runs, what members pass on of them, and their payment.
//!
//! A run is recomputed by everybody from the charter in force and what is inside its cut; the
//! distributor's first device writes all of them, a month each, in order. A redirect is an
//! instruction over the author's own line and takes effect when the run is paid, if it is inside
//! the payment's cut. Design's domain, section 1; README, rules 74 to 78.

use std::collections::BTreeMap;

use talea_protocol::act::{Distribute, Line, Pay, Redirect, Totals};
use talea_protocol::bytes::{Day, Month, encode};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::account::{Account, Books, Posting, Unit, transfer};
use crate::chain::{Place, Stamp};
use crate::contribution::{Earned, Work};
use crate::money::{Booked, Flow, Treasury, suffices};
use crate::run::{Due, Input, Run, run, seed};
use crate::stage::Law;
use crate::terms::When;
use crate::verdict::Void;

/// An instruction that counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Redirected {
    /// The entry.
    pub id: EntryId,
    /// Where it stands.
    pub place: Place,
    /// Whose line.
    pub from: Member,
    /// Who shall get it.
    pub to: Member,
    /// Minor units of the currency.
    pub amount: i64,
}

/// A payment that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payment {
    /// The entry.
    pub id: EntryId,
    /// When.
    pub date: Day,
    /// What left the bank, by member, in minor units of the currency.
    pub paid: BTreeMap<Member, i64>,
    /// The redirects that were executed.
    pub redirects: Vec<Redirected>,
}

/// A run that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The month.
    pub period: Month,
    /// What counts.
    pub cut: Cut,
    /// The sums.
    pub totals: Totals,
    /// The lines, ascending by member.
    pub lines: Vec<Line>,
    /// Redirects of it, by their places.
    pub redirects: Vec<Redirected>,
    /// Its payment, once there is one.
    pub payment: Option<Payment>,
}

/// What a run does, judged and not yet taken in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Distribution {
    /// The run.
    pub record: Record,
    /// By how much claims fall: what was paid, and the minutes of care that were.
    pub taken: BTreeMap<Member, Earned>,
}

/// All runs that count, in the order of the distributor's chain, and redirects of them.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    order: Vec<EntryId>,
    runs: BTreeMap<EntryId, Record>,
    redirects: BTreeMap<EntryId, EntryId>,
    taken: BTreeMap<Member, Earned>,
}

/// What a run is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// Members, their stages, and what is in force.
    pub law: Law<'a>,
    /// Contributions.
    pub work: &'a Work,
    /// Receipts and expenses.
    pub treasury: &'a Treasury,
}

impl Runs {
    /// A run that counts.
    #[must_use]
    pub fn record(&self, id: &EntryId) -> Option<&Record> {
        self.runs.get(id)
    }

    /// Every run that counts, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&EntryId, &Record)> {
        self.order.iter().filter_map(|id| self.runs.get_key_value(id))
    }

    /// What all runs have taken of a member's claims.
    #[must_use]
    pub fn taken(&self, member: Member) -> Earned {
        self.taken.get(&member).copied().unwrap_or_default()
    }

    /// The next run of the distributor's chain: for a month, under a register entry, from what is
    /// inside a cut. `None` if a sum is beyond the range of amounts.
    #[must_use]
    pub fn compute(
        &self,
        sources: &Sources<'_>,
        basis: u32,
        period: Month,
        cut: &Cut,
    ) -> Option<(Run, Vec<Due>)> {
        let Sources { law, work, treasury } = *sources;
        let Law { register, terms, .. } = law;
        let new = |booked: &&Booked| !self.runs.values().any(|before| before.has(booked));
        let [mut receipts, mut surplus, mut expenses] = [0_i64; 3];
        for booked in treasury.booked(cut, period).filter(new) {
            match &booked.flow {
                Flow::Income { amount, surplus: above, .. } => {
                    receipts = receipts.checked_add(*amount)?;
                    surplus = surplus.checked_add(*above)?;
                }
                Flow::Expense { amount, .. } => expenses = expenses.checked_add(*amount)?,
            }
        }
        let earned = work.earned(&law, cut, period);
        let dues: Vec<Due> = earned
            .iter()
            .map(|(member, earned)| due(*member, earned, &self.taken(*member)))
            .collect();
        let input = Input {
            receipts,
            surplus,
            expenses,
            brought: self.iter().last().map_or(0, |(_, before)| before.totals.carried),
            formula: terms.formula(register.charter(), When { at: basis, month: period }),
            seed: seed(&register.cooperative(), period),
            dues: dues.clone(),
        };
        run(&input).map(|run| (run, dues))
    }

    /// Judges a run, whose cut has been checked and has everything inside judged.
    ///
    /// # Errors
    /// [`Void`], rules 72, 74 and 75.
    pub fn distribute(
        &self,
        sources: &Sources<'_>,
        stamp: &Stamp,
        act: &Distribute,
    ) -> Result<Distribution, Void> {
        let period = act.period;
        if let Some((run, _)) = self.iter().last().filter(|(_, before)| period <= before.period) {
            return Err(Void::Distributed { run: *run, period });
        }
        let (run, dues) =
            self.compute(sources, stamp.basis, period, &act.cut).ok_or(Void::Range)?;
        if run.totals != act.totals || *run.lines != *act.lines {
            return Err(Void::Run { paid: run.totals.paid });
        }
        let taken = taken(&run, &dues);
        let record = Record {
            period,
            cut: act.cut.clone(),
            totals: run.totals,
            lines: run.lines,
            redirects: Vec::new(),
            payment: None,
        };
        Ok(Distribution { record, taken })
    }

    /// Judges a redirect of a run that counts, to a member that exists.
    ///
    /// # Errors
    /// [`Void`], rules 50, 76 and 77.
    pub fn redirect(&self, stamp: &Stamp, act: &Redirect) -> Result<Redirected, Void> {
        let record = self.record(&act.run).ok_or(Void::Named { id: act.run })?;
        let (from, amount) = (stamp.member, act.amount.value());
        let owed = record.owed(from);
        if u64::try_from(amount).is_ok_and(|amount| amount > owed) {
            return Err(Void::Owed { owed });
        }
        if act.to == from {
            return Err(Void::Recipient);
        }
        Ok(Redirected { id: stamp.id, place: stamp.place, from, to: act.to, amount })
    }

    /// Judges a payment of a run that counts; its cut has been checked.
    ///
    /// # Errors
    /// [`Void`], rules 50, 71 and 78.
    pub fn pay(
        &self,
        charter: &Charter,
        books: &Books,
        stamp: &Stamp,
        act: &Pay,
    ) -> Result<Payment, Void> {
        let id = act.run;
        let record = self.record(&id).ok_or(Void::Named { id })?;
        suffices(charter, books, i128::from(record.totals.paid))?;
        if let Some(payment) = &record.payment {
            return Err(Void::Paid { pay: payment.id });
        }
        let inside = |redirect: &&Redirected| redirect.place.inside(&act.cut);
        let redirects: Vec<Redirected> = record.redirects.iter().filter(inside).copied().collect();
        let mut paid: BTreeMap<Member, i64> = BTreeMap::new();
        let mut add = |member, amount: i64| {
            let sum = paid.entry(member).or_insert(0);
            *sum = sum.saturating_add(amount);
        };
        for line in &record.lines {
            add(line.member, signed(line.total()));
        }
        for redirect in &redirects {
            add(redirect.from, -redirect.amount);
            add(redirect.to, redirect.amount);
        }
        paid.retain(|_, amount| *amount != 0);
        Ok(Payment { id: stamp.id, date: act.date, paid, redirects })
    }

    /// Takes in a run.
    pub fn add(&mut self, id: EntryId, distribution: Distribution) {
        for (member, more) in &distribution.taken {
            let sum = self.taken.entry(*member).or_default();
            sum.livelihood += more.livelihood;
            sum.love += more.love;
            sum.care += more.care;
        }
        self.order.push(id);
        self.runs.insert(id, distribution.record);
    }

    /// Takes in a redirect.
    pub fn instruct(&mut self, run: &EntryId, redirect: Redirected) {
        if let Some(record) = self.runs.get_mut(run) {
            let at = record.redirects.partition_point(|before| before.place < redirect.place);
            record.redirects.insert(at, redirect);
            self.redirects.insert(redirect.id, *run);
        }
    }

    /// Takes in a payment.
    pub fn settle(&mut self, run: &EntryId, payment: Payment) {
        if let Some(record) = self.runs.get_mut(run) {
            record.payment = Some(payment);
        }
    }

    /// The value of a run's row: its month and its payment.
    #[must_use]
    pub fn row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let record = self.record(id)?;
        Some(encode(&(record.period, record.payment.as_ref().map(|payment| payment.id))))
    }

    /// The value of a redirect's row: its run, the recipient, the amount.
    #[must_use]
    pub fn redirect_row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let run = self.redirects.get(id)?;
        let redirect = self.record(run)?.redirects.iter().find(|redirect| redirect.id == *id)?;
        Some(encode(&(*run, redirect.to, redirect.amount)))
    }
}

impl Record {
    /// Whether this run has counted a flow.
    #[must_use]
    pub fn has(&self, booked: &Booked) -> bool {
        booked.month <= self.period && booked.place.inside(&self.cut)
    }

    /// What is left of a member's line after the redirects of it.
    #[must_use]
    pub fn owed(&self, member: Member) -> u64 {
        let line = self.lines.iter().find(|line| line.member == member);
        let passed = self.redirects.iter().filter(|redirect| redirect.from == member);
        let passed: u64 = passed.map(|redirect| redirect.amount.unsigned_abs()).sum();
        line.map_or(0, Line::total).saturating_sub(passed)
    }
}

impl Distribution {
    /// What the run does to the books.
    #[must_use]
    pub fn postings(&self) -> Vec<Posting> {
        let claim = |member, unit, amount: i128| {
            let amount = i64::try_from(amount).unwrap_or(i64::MAX);
            transfer(unit, Account::Claim(member), Account::Issued, amount)
        };
        let claims = self.taken.iter().flat_map(|(member, taken)| {
            [
                claim(*member, Unit::Livelihood, taken.livelihood),
                claim(*member, Unit::Love, taken.love),
                claim(*member, Unit::Care, taken.care),
            ]
        });
        let pay = |line: &Line| {
            let payable = Account::Payable(line.member);
            transfer(Unit::Money, Account::Pay, payable, signed(line.total()))
        };
        let lines = self.record.lines.iter().map(pay);
        claims.chain(lines).flatten().filter(|posting| posting.amount != 0).collect()
    }
}

impl Payment {
    /// What the payment does to the books, a booking each: redirects between members first, then
    /// the bank.
    #[must_use]
    pub fn bookings(&self) -> Vec<Vec<Posting>> {
        let payable = Account::Payable;
        let moved = self.redirects.iter().map(|redirect| {
            let (from, to) = (payable(redirect.from), payable(redirect.to));
            transfer(Unit::Money, from, to, redirect.amount).to_vec()
        });
        let paid = self.paid.iter().flat_map(|(member, amount)| {
            transfer(Unit::Money, payable(*member), Account::Bank, *amount)
        });
        moved.chain([paid.collect()]).collect()
    }
}

/// What a member is due: what was earned, less what earlier runs have taken.
fn due(member: Member, earned: &Earned, taken: &Earned) -> Due {
    let left = |earned: i128, taken: i128| i64::try_from(earned - taken).unwrap_or(i64::MAX);
    Due {
        member,
        livelihood: left(earned.livelihood, taken.livelihood),
        love: left(earned.love, taken.love),
        care: left(earned.care, taken.care),
    }
}

/// By how much a run lowers claims. Minutes of care are paid once care was paid for at all.
fn taken(run: &Run, dues: &[Due]) -> BTreeMap<Member, Earned> {
    let mut taken: BTreeMap<Member, Earned> = BTreeMap::new();
    for line in &run.lines {
        let sum = taken.entry(line.member).or_default();
        sum.livelihood = i128::from(line.livelihood);
        sum.love = i128::from(line.love);
    }
    for due in dues.iter().filter(|due| run.totals.care_pool > 0 && due.care > 0) {
        taken.entry(due.member).or_default().care = i128::from(due.care);
    }
    taken
}

/// A part of a sum that is within the range of amounts.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
