//! What a payout is made of: clients' payments, work, who attested it, and the clauses of the charter, or
//! of decisions that changed it, by which it counts.
//!
//! Each contribution and each payment is looked at once for all runs. Whose words a credit stands on is
//! found here once more, for the ledger's own to be compared with. Design's domain, section 3, V8 and V20.

use std::collections::BTreeMap;

use talea_ledger::chain::Place;
use talea_ledger::contribution::{Attestation, Credit, Record};
use talea_ledger::distribution;
use talea_ledger::money::{Booked, Flow};
use talea_ledger::terms::{When, month_of};
use talea_ledger::view::runs::brought;
use talea_protocol::act::Stream;
use talea_protocol::bytes::Month;
use talea_protocol::charter::{Amendment, Formula, Member};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::verify::Sum;

/// What a line of a run is made of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sources {
    /// Contributions of the member that the run could count.
    pub contributions: Vec<EntryId>,
    /// What clients paid that the run shares.
    pub receipts: Vec<EntryId>,
    /// Expenses that it takes off.
    pub expenses: Vec<EntryId>,
}

/// What a member's line of a run is made of: what is inside the run's cut.
#[must_use]
pub fn sources(sum: &Sum, run: &EntryId, member: Member) -> Sources {
    let origins = Origins::new(sum);
    let (receipts, expenses) = origins.money(run);
    let record = sum.state.runs().record(run);
    let work =
        record.map(|it| origins.work(member, it.period, &it.cut).map(|(id, _)| id).collect());
    Sources { contributions: work.unwrap_or_default(), receipts, expenses }
}

/// What a contribution's credit stands on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// A word of each member that is needed: for the quantity, then for the quality.
    pub words: Vec<Attestation>,
    /// The register entry under which it is credited.
    pub at: u32,
    /// The most that they confirm, in units of the task.
    pub most: i64,
}

/// What a contribution's credit stands on, by the words whose place `inside` admits; nothing as long
/// as they are too few.
#[must_use]
pub fn standing(record: &Record, inside: impl Fn(Place) -> bool) -> Option<Standing> {
    let extent = |word: &Attestation| word.part.unwrap_or(i64::MAX);
    let admitted = |words: &[Attestation]| -> Vec<Attestation> {
        words.iter().filter(|word| inside(word.place)).copied().collect()
    };
    let words = admitted(&record.attestations);
    let mut widest: BTreeMap<Member, i64> = BTreeMap::new();
    for word in &words {
        let held = widest.entry(word.member).or_insert(0);
        *held = extent(word).max(*held);
    }
    let mut widest: Vec<i64> = widest.into_values().collect();
    widest.sort_unstable();
    let most = *widest.iter().nth_back(usize::from(record.needed).checked_sub(1)?)?;
    let enough = words.into_iter().filter(|word| extent(word) >= most);
    let mut words = one_each(enough, record.needed);
    let at = words.iter().map(|word| word.basis).fold(record.basis, u32::max);
    let quality = one_each(admitted(record.qualities()).into_iter(), record.quality_needed());
    let praised = quality.len() == usize::from(record.quality_needed());
    words.extend(quality);
    praised.then_some(Standing { words, at, most })
}

/// The first words of so many members.
fn one_each(words: impl Iterator<Item = Attestation>, needed: u8) -> Vec<Attestation> {
    let mut first: Vec<Attestation> = Vec::new();
    for word in words {
        let said = first.iter().any(|before| before.member == word.member);
        if !said && first.len() < usize::from(needed) {
            first.push(word);
        }
    }
    first
}

/// A value of the charter, and the entry that set it: the charter itself, or what changed it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Clause {
    /// Its key among the words.
    pub key: &'static str,
    /// What it says.
    pub value: String,
    /// The entry.
    pub by: EntryId,
}

/// The clauses that a contribution's credit rests on.
#[must_use]
pub fn of_work(sum: &Sum, record: &Record) -> Vec<Clause> {
    let (charter, terms, act) = (sum.register.charter(), sum.state.terms(), record.act());
    let month = month_of(act.end);
    let at = standing(record, |_| true).map_or(record.basis, |it| it.at);
    let (stated, when) = (When { at: record.basis, month }, When { at, month });
    let mut clauses = vec![Clause {
        key: "clause-attestations",
        value: record.needed.to_string(),
        by: set_by(sum, stated, |it| matches!(it, Amendment::Attestations(_))),
    }];
    if let Some(rate) = terms.rate(charter, when, &act.task).filter(|_| act.stream != Stream::Care)
    {
        let of_task = |it: &Amendment| matches!(it, Amendment::Rate(it) if it.task == act.task);
        let value = format!("{}: {} / {}", act.task, rate.credits, rate.unit);
        clauses.push(Clause { key: "clause-rate", value, by: set_by(sum, when, of_task) });
    }
    if let Some(stage) = sum.state.law(&sum.register).vesting(record.author, at, act.end) {
        let shares = [stage.livelihood, stage.love, stage.care].map(|share| share.to_string());
        let value = format!("{}: {}", stage.code, shares.join(" / "));
        clauses.push(Clause { key: "clause-vesting", value, by: sum.register.cooperative() });
        let steps = sum.state.stages().of(record.author).iter().rev();
        let step = steps.into_iter().find(|step| step.number <= at && step.from <= act.end);
        let admitted = || sum.register.entry(sum.register.member(record.author)?.admitted);
        if let Some(by) = step.map(|step| step.id).or_else(admitted) {
            clauses.push(Clause { key: "clause-stage", value: stage.code.to_string(), by });
        }
    }
    clauses
}

/// How a run divides, and the clauses that say so.
#[must_use]
pub fn of_run(sum: &Sum, when: When) -> (Formula, Vec<Clause>) {
    let formula = sum.state.terms().formula(sum.register.charter(), when);
    let shares = [formula.retain, formula.care, formula.livelihood].map(|it| it.to_string());
    let sets: [fn(&Amendment) -> bool; 3] = [
        |it| matches!(it, Amendment::Retain(_)),
        |it| matches!(it, Amendment::Care(_)),
        |it| matches!(it, Amendment::Livelihood(_)),
    ];
    let mut by: Vec<EntryId> = sets.iter().map(|sets| set_by(sum, when, sets)).collect();
    by.sort_unstable();
    by.dedup();
    let value = shares.join(" / ");
    let clause = |by| Clause { key: "clause-formula", value: value.clone(), by };
    (formula, by.into_iter().map(clause).collect())
}

/// The entry that set a value which is in force: the decision numbered last, or the charter.
fn set_by(sum: &Sum, when: When, sets: impl Fn(&Amendment) -> bool) -> EntryId {
    let mut newest = sum.state.terms().changes().iter().rev();
    let change = newest.find(|(number, change)| {
        *number <= when.at && change.from <= when.month && change.amendments.iter().any(&sets)
    });
    let by = change.and_then(|(number, _)| sum.register.entry(*number));
    by.unwrap_or_else(|| sum.register.cooperative())
}

/// A receipt or an expense.
struct Moved {
    id: EntryId,
    /// The place of the run that shares it first, among all runs.
    first: Option<usize>,
    is_income: bool,
    place: Place,
    month: Month,
}

/// Work by its author, and money by the run that shares it first: each looked at once for all runs.
pub struct Origins<'a> {
    sum: &'a Sum,
    work: BTreeMap<Member, Vec<(EntryId, &'a Record)>>,
    money: Vec<Moved>,
}

impl<'a> Origins<'a> {
    /// Of all runs of an export.
    #[must_use]
    pub fn new(sum: &'a Sum) -> Self {
        let mut work: BTreeMap<Member, Vec<(EntryId, &Record)>> = BTreeMap::new();
        for (id, given) in sum.state.work().iter() {
            work.entry(given.author).or_default().push((*id, given));
        }
        work.values_mut().for_each(|own| own.sort_by_key(|(id, given)| (given.end(), *id)));
        let runs: Vec<&distribution::Record> =
            sum.state.runs().iter().map(|(_, record)| record).collect();
        let moved = |booked: &Booked| {
            let at = usize::try_from(booked.place.seq).unwrap_or(usize::MAX);
            Some(Moved {
                id: sum.settled.chain(booked.place.device).get(at).copied()?,
                first: runs.iter().position(|record| record.has(booked)),
                is_income: matches!(booked.flow, Flow::Income { .. }),
                place: booked.place,
                month: booked.month,
            })
        };
        let money = sum.state.treasury().flows().iter().filter_map(moved).collect();
        Self { sum, work, money }
    }

    /// Contributions of a member that a run of this month over this cut could count, with what they
    /// earned by what is inside it; the oldest first.
    pub fn work<'b>(
        &'b self,
        member: Member,
        period: Month,
        cut: &'b Cut,
    ) -> impl Iterator<Item = (EntryId, Credit)> + 'b {
        let own = self.work.get(&member).into_iter().flatten();
        own.filter_map(move |(id, given)| Some((*id, self.earned(given, period, cut)?)))
    }

    fn earned(&self, given: &Record, period: Month, cut: &Cut) -> Option<Credit> {
        let law = self.sum.state.law(&self.sum.register);
        let taken = |cut: &Cut| {
            let credit = given.place.inside(cut).then(|| given.credit_inside(&law, cut));
            credit.filter(|credit| *credit != Credit::default())
        };
        let disputed = |cut: &Cut| {
            given.contest().is_some_and(|contest| contest.is_open(|place| place.inside(cut)))
        };
        let ended = month_of(given.end());
        let credit = if ended <= period { taken(cut)? } else { return None };
        // A dispute holds up nothing that an earlier run has taken in.
        let is_earlier = |run: &distribution::Record| ended <= run.period && run.period < period;
        let mut earlier = self.sum.state.runs().iter().filter(|(_, run)| is_earlier(run));
        let is_due = !disputed(cut)
            || earlier.any(|(_, run)| !disputed(&run.cut) && taken(&run.cut).is_some());
        is_due.then_some(credit)
    }

    /// Receipts, each with the place of the run that shares it, if one does yet.
    pub fn receipts(&self) -> impl Iterator<Item = (EntryId, Option<usize>)> {
        self.money.iter().filter(|it| it.is_income).map(|it| (it.id, it.first))
    }

    /// Whether a client has paid anything that a run of this month over this cut could share.
    #[must_use]
    pub fn has_receipts(&self, period: Month, cut: &Cut) -> bool {
        let shared = |it: &Moved| it.is_income && it.month <= period && it.place.inside(cut);
        self.money.iter().any(shared)
    }

    /// Receipts and expenses that a run shares.
    #[must_use]
    pub fn money(&self, run: &EntryId) -> (Vec<EntryId>, Vec<EntryId>) {
        let mut all = (0..).zip(self.sum.state.runs().iter());
        let Some((at, (_, record))) = all.find(|(_, (id, _))| *id == run) else {
            return Default::default();
        };
        // What earlier runs carried came from what they shared.
        let brought = brought(&record.totals) > 0;
        let shares = |it: &&Moved| it.first.is_some_and(|it| it == at || brought && it < at);
        let (mut receipts, mut expenses) = (Vec::new(), Vec::new());
        for it in self.money.iter().filter(shares) {
            if it.is_income { receipts.push(it.id) } else { expenses.push(it.id) }
        }
        (receipts, expenses)
    }
}
