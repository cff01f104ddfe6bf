//! Runs, redirects and payments: rules 72 and 74 to 78, and "Runs" in section 6.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Distribute, Line, Pay, Redirect, Totals};
use talea_protocol::charter::{Member, Tie};
use talea_protocol::cut::Cut;
use talea_protocol::hash::{Context, EntryId, Hash};
use talea_protocol::recovery::Office;

use super::history::{Fact, History};
use super::money::Transfer;
use super::terms::{Month, When, month_of};
use super::{Account, Stop};

/// What is due to members, or was taken: livelihood, love, care.
type Dues = BTreeMap<u32, [i128; 3]>;

impl<'a> History<'a> {
    /// Rules 46 to 49, 72, 74 and 75.
    pub fn examine_run(&self, fact: &Fact<'_>, act: &Distribute) -> Result<(), Stop> {
        self.check_cut(fact, &act.cut)?;
        let money = |other: &&Fact<'_>| {
            other.inside(&act.cut)
                && other.act().is_some_and(|act| {
                    matches!(
                        act,
                        Act::Subscribe(_)
                            | Act::Invoice(_)
                            | Act::Income(_)
                            | Act::Expense(_)
                            | Act::Pay(_)
                            | Act::Close(_)
                    )
                })
        };
        if self.facts.iter().filter(money).any(|other| other.verdict.is_none()) {
            return Err(Stop::Wait);
        }
        let (totals, lines) = self.run(fact, act).ok_or(Stop::Void(72))?;
        let earlier = self.runs_before(fact);
        if earlier.last().is_some_and(|(_, run)| act.period <= run.period) {
            return Err(Stop::Void(74));
        }
        if totals != act.totals || lines != *act.lines { Err(Stop::Void(75)) } else { Ok(()) }
    }

    /// Rules 43, 50, 76 and 77.
    pub fn examine_redirect(&self, fact: &Fact<'_>, act: &Redirect) -> Result<(), Stop> {
        if !self.register.exists(act.to.0, fact.basis) {
            return Err(Stop::Void(43));
        }
        let run = self.named(&act.run)?;
        let Some(Act::Distribute(run)) = run.act() else { return Err(Stop::Void(50)) };
        let line = run.lines.iter().find(|line| line.member.0 == fact.member);
        let owed = line.map_or(0, |line| {
            i128::from(line.livelihood) + i128::from(line.love) + i128::from(line.care)
        });
        let passed = self.redirects(act.run).into_iter().filter(|(by, _)| by.member == fact.member);
        let passed: i128 = passed.map(|(_, it)| i128::from(it.amount.value())).sum();
        if i128::from(act.amount.value()) > owed - passed {
            return Err(Stop::Void(76));
        }
        if act.to.0 == fact.member { Err(Stop::Void(77)) } else { Ok(()) }
    }

    /// Of every run that counts, its month and its payment.
    pub fn runs(&self) -> BTreeMap<EntryId, (Month, Option<EntryId>)> {
        let payment = |run: EntryId| {
            let pays = self.counted().find(|(_, it)| matches!(it, Act::Pay(it) if it.run == run));
            pays.map(|(fact, _)| fact.entry.id())
        };
        let all = self.counted().filter_map(|(fact, act)| match act {
            Act::Distribute(run) => {
                let id = fact.entry.id();
                Some((id, (run.period.value(), payment(id))))
            }
            _ => None,
        });
        all.collect()
    }

    /// What a run books.
    pub fn run_transfers(&self, fact: &Fact<'_>, run: &Distribute) -> Vec<Transfer> {
        let mut transfers = Vec::new();
        for (member, taken) in self.taken(fact, run) {
            for (unit, amount) in (1..).zip(taken) {
                transfers.push((unit, Account::Claim(member), Account::Issued, amount));
            }
        }
        for line in &run.lines {
            let amount =
                i128::from(line.livelihood) + i128::from(line.love) + i128::from(line.care);
            transfers.push((0, Account::Pay, Account::Payable(line.member.0), amount));
        }
        transfers
    }

    /// What a payment books: redirects inside its cut first, then each member's sum.
    pub fn pay_transfers(&self, pay: &Pay) -> Vec<Transfer> {
        let Some(Act::Distribute(run)) = self.find(&pay.run).and_then(Fact::act) else {
            return Vec::new();
        };
        let mut transfers = Vec::new();
        let mut sums: BTreeMap<u32, i128> = BTreeMap::new();
        for line in &run.lines {
            *sums.entry(line.member.0).or_default() +=
                i128::from(line.livelihood) + i128::from(line.love) + i128::from(line.care);
        }
        for (by, redirect) in self.redirects(pay.run) {
            if by.inside(&pay.cut) {
                let (from, to) = (by.member, redirect.to.0);
                let amount = i128::from(redirect.amount.value());
                *sums.entry(from).or_default() -= amount;
                *sums.entry(to).or_default() += amount;
                transfers.push((0, Account::Payable(from), Account::Payable(to), amount));
            }
        }
        for (member, amount) in sums {
            transfers.push((0, Account::Payable(member), Account::Bank, amount));
        }
        transfers
    }

    /// Redirects of a run that count.
    pub fn redirects(&self, run: EntryId) -> Vec<(&Fact<'a>, &'a Redirect)> {
        let of_run = self.counted().filter_map(|(fact, act)| match act {
            Act::Redirect(redirect) if redirect.run == run => Some((fact, redirect)),
            _ => None,
        });
        of_run.collect()
    }

    /// Runs that count and stand earlier among all, in order.
    fn runs_before(&self, fact: &Fact<'_>) -> Vec<(&Fact<'a>, &'a Distribute)> {
        let turn = |fact: &Fact<'_>| self.turn(fact, Office::Distributor);
        let earlier = self.counted().filter_map(|(other, act)| match act {
            Act::Distribute(run) if turn(other) < turn(fact) => Some((other, &**run)),
            _ => None,
        });
        let mut earlier: Vec<(&Fact<'a>, &'a Distribute)> = earlier.collect();
        earlier.sort_by_key(|(other, _)| turn(other));
        earlier
    }

    /// What members have earned inside a cut by work that ended in a month or before.
    fn earned(&self, cut: &Cut, until: Month) -> Dues {
        let mut earned = Dues::new();
        for (fact, act) in self.counted() {
            let Act::Contribution(work) = act else { continue };
            if fact.inside(cut) && month_of(work.end) <= until {
                let credit = self.credit(fact, Some(cut));
                let sum = earned.entry(fact.member).or_default();
                for (sum, part) in sum.iter_mut().zip([credit.livelihood, credit.love, credit.care])
                {
                    *sum += i128::from(part);
                }
            }
        }
        earned
    }

    /// What is left of that after the runs before, one after another.
    fn dues(&self, fact: &Fact<'_>, run: &Distribute) -> Dues {
        let mut taken = Dues::new();
        for (_, before) in self.runs_before(fact) {
            let dues = less(self.earned(&before.cut, before.period.value()), &taken);
            for (member, parts) in lowered(before, &dues) {
                let sum = taken.entry(member).or_default();
                for (sum, part) in sum.iter_mut().zip(parts) {
                    *sum += part;
                }
            }
        }
        less(self.earned(&run.cut, run.period.value()), &taken)
    }

    /// By how much a run that counts lowers claims.
    fn taken(&self, fact: &Fact<'_>, run: &Distribute) -> Dues {
        lowered(run, &self.dues(fact, run))
    }

    /// What a run has to say; nothing if a sum is beyond the range of amounts.
    fn run(&self, fact: &Fact<'_>, act: &Distribute) -> Option<(Totals, Vec<Line>)> {
        let period = act.period.value();
        let earlier = self.runs_before(fact);
        let mut sums = Sums::default();
        for flow in self.flows() {
            let counted_before = earlier.iter().any(|(_, before)| {
                flow.month <= before.period.value() && flow.fact.inside(&before.cut)
            });
            if flow.month <= period && flow.fact.inside(&act.cut) && !counted_before {
                sums.receipts += flow.receipt;
                sums.surplus += flow.surplus;
                sums.expenses += flow.expense;
            }
        }
        sums.brought = earlier.last().map_or(0, |(_, before)| i128::from(before.totals.carried));
        let formula = self.formula(When { at: fact.basis, month: period });
        let cooperative = self.register.cooperative();
        let seed = Context::Tie.hash(&[&cooperative.0, &period.to_le_bytes()]);
        let tie = self.register.charter.formula.tie;
        divide(&sums, formula, &self.dues(fact, act), |member| match tie {
            Tie::ByHash => (Context::Tie.hash(&[&seed.0, &member.to_le_bytes()]), member),
            Tie::ByAdmission => (Hash::ZERO, member),
        })
    }
}

/// What came in and went out.
#[derive(Default)]
struct Sums {
    receipts: i128,
    surplus: i128,
    expenses: i128,
    brought: i128,
}

fn less(mut dues: Dues, taken: &Dues) -> Dues {
    for (member, parts) in &mut dues {
        for (part, taken) in parts.iter_mut().zip(taken.get(member).copied().unwrap_or_default()) {
            *part -= taken;
        }
    }
    dues
}

/// By how much a run lowers claims: what it paid, and all payable minutes if care was paid for.
fn lowered(run: &Distribute, dues: &Dues) -> Dues {
    let mut lowered = Dues::new();
    for line in &run.lines {
        let parts = [i128::from(line.livelihood), i128::from(line.love), 0];
        lowered.insert(line.member.0, parts);
    }
    for (member, [_, _, care]) in dues.iter().filter(|(_, [_, _, care])| *care > 0) {
        if run.totals.care_pool > 0 {
            lowered.entry(*member).or_default()[2] = *care;
        }
    }
    lowered
}

/// Divides what came in: retained, care, livelihood, love, carried.
fn divide(
    sums: &Sums,
    [retain, care, livelihood]: [u16; 3],
    dues: &Dues,
    tie: impl Fn(u32) -> (Hash, u32),
) -> Option<(Totals, Vec<Line>)> {
    let part = |amount: i128, bp: u16| amount * i128::from(bp) / 10_000;
    let base = sums.receipts - sums.surplus - sums.expenses;
    let (mut retained, mut surplus, mut brought) = (base, sums.surplus, sums.brought);
    let mut shared = 0;
    if base > 0 {
        retained = part(base, retain);
        shared = base - retained;
    } else {
        // A loss takes the surplus, then what was brought.
        let from_surplus = surplus.min(-retained);
        (retained, surplus) = (retained + from_surplus, surplus - from_surplus);
        let from_brought = brought.min(-retained);
        (retained, brought) = (retained + from_brought, brought - from_brought);
    }
    shared += brought;
    let care_pool = part(shared, care);
    let livelihood_pool = part(shared - care_pool, livelihood);
    let love_pool = shared - care_pool - livelihood_pool + surplus;

    let claims = |place: usize| -> Vec<(u32, i128)> {
        dues.iter().map(|(member, parts)| (*member, parts[place].max(0))).collect()
    };
    let sum = |parts: &BTreeMap<u32, i128>| parts.values().sum::<i128>();
    let most = |place: usize| claims(place).iter().map(|(_, claim)| claim).sum::<i128>();
    let by_care = split(care_pool, &claims(2), &tie);
    let offered = livelihood_pool + care_pool - sum(&by_care);
    let by_livelihood = split(offered.min(most(0)), &claims(0), &tie);
    let offered = love_pool + offered - sum(&by_livelihood);
    let by_love = split(offered.min(most(1)), &claims(1), &tie);
    let carried = offered - sum(&by_love);
    let of = |parts: &BTreeMap<u32, i128>, member| {
        u64::try_from(parts.get(member).copied().unwrap_or(0)).ok()
    };
    let mut lines = Vec::new();
    for (member, _) in dues.iter().filter(|(_, parts)| parts.iter().any(|part| *part > 0)) {
        lines.push(Line {
            member: Member(*member),
            livelihood: of(&by_livelihood, member)?,
            love: of(&by_love, member)?,
            care: of(&by_care, member)?,
        });
    }
    let paid = sum(&by_care) + sum(&by_livelihood) + sum(&by_love);
    let amount = |value: i128| i64::try_from(value).ok();
    let totals = Totals {
        receipts: amount(sums.receipts)?,
        surplus: amount(sums.surplus)?,
        expenses: amount(sums.expenses)?,
        retained: amount(retained)?,
        care_pool: amount(care_pool)?,
        livelihood_pool: amount(livelihood_pool)?,
        love_pool: amount(love_pool)?,
        paid: amount(paid)?,
        carried: amount(carried)?,
    };
    Some((totals, lines))
}

/// Splits by largest remainder: first everybody's share rounded down, then a unit at a time to
/// whoever was rounded down by most.
fn split(
    total: i128,
    weights: &[(u32, i128)],
    tie: &impl Fn(u32) -> (Hash, u32),
) -> BTreeMap<u32, i128> {
    let sum: i128 = weights.iter().map(|(_, weight)| weight).sum();
    if sum == 0 {
        return BTreeMap::new();
    }
    let mut parts: BTreeMap<u32, i128> =
        weights.iter().map(|(member, weight)| (*member, total * weight / sum)).collect();
    let mut line: Vec<&(u32, i128)> = weights.iter().collect();
    line.sort_by_key(|(member, weight)| (-(total * weight % sum), tie(*member)));
    let left = total - parts.values().sum::<i128>();
    for (member, _) in line.into_iter().take(usize::try_from(left).expect("few")) {
        *parts.entry(*member).or_default() += 1;
    }
    parts
}
