//! A run: how a month's receipts are divided, to the last unit.
//!
//! A pure function of sums and claims. Whose credits count, what was booked in the month and which
//! formula was in force, the domain decides from register and cut; here come only the numbers.
//!
//! ```text
//! base       = receipts - surplus - expenses, of which the charter's part is retained
//! care       = the charter's part of the rest, by minutes
//! livelihood = the charter's part of what then remains, by claims
//! love       = what then remains, and the surplus, by claims
//! ```
//! What a pool cannot pay goes to the next: care, livelihood, love, carried.
//! Section 1 of the design's domain; the rules are in the README.

use talea_protocol::act::{Line, Totals};
use talea_protocol::bytes::{Bp, Month};
use talea_protocol::charter::{Formula, Member};
use talea_protocol::hash::{Context, EntryId, Hash};

use crate::split::{Ties, split};

/// What a run starts from. Money in minor units of the currency.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Input {
    /// Received from clients in the month, at least zero.
    pub receipts: i64,
    /// Part of it above the internal price, from zero to `receipts`.
    pub surplus: i64,
    /// Spent in the month, at least zero.
    pub expenses: i64,
    /// What the run before carried, at least zero.
    pub brought: i64,
    /// How to divide.
    pub formula: Formula,
    /// Decides ties by hash: [`seed`] of the run.
    pub seed: Hash,
    /// What members are due, strictly ascending by member.
    pub dues: Vec<Due>,
}

/// What one member has earned and not been paid. Below zero counts as nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Due {
    /// Who.
    pub member: Member,
    /// Livelihood credits, in hundredths; each is worth a minor unit at most.
    pub livelihood: i64,
    /// Love credits, likewise.
    pub love: i64,
    /// Minutes of care that no run has paid yet. They have no price: the pool is their share.
    pub care: i64,
}

/// What comes out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// The sums. Receipts and what was brought = expenses + retained + paid + carried.
    pub totals: Totals,
    /// A line for each member with a claim or payable care, ascending by member.
    pub lines: Vec<Line>,
}

/// The seed of the run's ties. It depends on nothing that the distributor could choose.
#[must_use]
pub fn seed(cooperative: &EntryId, period: Month) -> Hash {
    Context::Tie.hash(&[&cooperative.0, &period.value().to_le_bytes()])
}

/// Divides. `None` if a sum is beyond an i64, which no cooperative's money is.
#[must_use]
pub fn run(input: &Input) -> Option<Run> {
    let share = Share::of(input)?;
    let ties = Ties::new(input.formula.tie, input.seed);
    let care = pay(share.care, &input.weights(|due| due.care), ties)?;
    let offered = share.livelihood.checked_add(care.left)?;
    let livelihood = pay_claims(offered, &input.weights(|due| due.livelihood), ties)?;
    let offered = share.love.checked_add(livelihood.left)?;
    let love = pay_claims(offered, &input.weights(|due| due.love), ties)?;
    let paid = care.paid.checked_add(livelihood.paid)?.checked_add(love.paid)?;
    let totals = Totals {
        receipts: input.receipts,
        surplus: input.surplus,
        expenses: input.expenses,
        retained: share.retained,
        care_pool: i64::try_from(share.care).ok()?,
        livelihood_pool: i64::try_from(share.livelihood).ok()?,
        love_pool: i64::try_from(share.love).ok()?,
        paid: i64::try_from(paid).ok()?,
        carried: i64::try_from(love.left).ok()?,
    };
    Some(Run { totals, lines: lines(&input.dues, &care, &livelihood, &love) })
}

fn lines(dues: &[Due], care: &Paid, livelihood: &Paid, love: &Paid) -> Vec<Line> {
    let parts = care.parts.iter().zip(&livelihood.parts).zip(&love.parts);
    let due = dues.iter().zip(parts).filter(|(due, _)| due.is_due());
    due.map(|(due, ((care, livelihood), love))| Line {
        member: due.member,
        livelihood: *livelihood,
        love: *love,
        care: *care,
    })
    .collect()
}

impl Input {
    fn weights(&self, due: fn(&Due) -> i64) -> Vec<(Member, u64)> {
        self.dues.iter().map(|d| (d.member, u64::try_from(due(d)).unwrap_or(0))).collect()
    }
}

impl Due {
    const fn is_due(&self) -> bool {
        self.livelihood > 0 || self.love > 0 || self.care > 0
    }
}

/// What stays, and what each pool is offered.
struct Share {
    retained: i64,
    care: u64,
    livelihood: u64,
    love: u64,
}

impl Share {
    /// A month that cost more than it brought in takes the surplus, then what was brought; what is
    /// still missing is a loss, retained below zero. Nobody is paid out of a loss.
    fn of(input: &Input) -> Option<Self> {
        let [surplus, brought] = [input.surplus, input.brought].map(i128::from);
        let base = i128::from(input.receipts) - surplus - i128::from(input.expenses);
        let kept = if base > 0 { part(base, input.formula.retain) } else { base };
        let missing = (-base).max(0);
        let from_surplus = missing.min(surplus);
        let from_brought = (missing - from_surplus).min(brought);
        let shared = base - kept + brought - from_brought;
        let care = part(shared, input.formula.care);
        let livelihood = part(shared - care, input.formula.livelihood);
        let love = shared - care - livelihood + surplus - from_surplus;
        Some(Self {
            retained: i64::try_from(kept + from_surplus + from_brought).ok()?,
            care: u64::try_from(care).ok()?,
            livelihood: u64::try_from(livelihood).ok()?,
            love: u64::try_from(love).ok()?,
        })
    }
}

/// A share of an amount above zero, rounded down.
fn part(amount: i128, share: Bp) -> i128 {
    amount * i128::from(share.value()) / 10_000
}

struct Paid {
    parts: Vec<u64>,
    paid: u64,
    left: u64,
}

/// Pays out what claims can take, none of them more than it is.
fn pay_claims(pool: u64, claims: &[(Member, u64)], ties: Ties) -> Option<Paid> {
    let sum: u128 = claims.iter().map(|(_, claim)| u128::from(*claim)).sum();
    let most = u64::try_from(sum).unwrap_or(u64::MAX);
    let paid = pay(pool.min(most), claims, ties)?;
    Some(Paid { left: pool.checked_sub(paid.paid)?, ..paid })
}

/// Pays out all of a pool, if anybody is there to be paid.
fn pay(pool: u64, weights: &[(Member, u64)], ties: Ties) -> Option<Paid> {
    let parts = split(pool, weights, ties);
    let paid: u64 = parts.iter().sum();
    Some(Paid { parts, paid, left: pool.checked_sub(paid)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use talea_protocol::charter::Tie;

    const MEMBERS: [&str; 4] = ["alba", "bruno", "chloe", "dario"];

    fn bp(value: u16) -> Bp {
        Bp::new(value).unwrap()
    }

    fn formula() -> Formula {
        let (retain, care, livelihood) = (bp(2000), bp(1000), bp(7500));
        Formula { retain, care, livelihood, tie: Tie::ByAdmission }
    }

    fn input(receipts: i64, surplus: i64, expenses: i64, dues: &[(i64, i64, i64)]) -> Input {
        let due = |(member, (livelihood, love, care)): (u32, &(i64, i64, i64))| Due {
            member: Member(member),
            livelihood: *livelihood,
            love: *love,
            care: *care,
        };
        let dues = (0..).zip(dues).map(due).collect();
        let formula = formula();
        Input { receipts, surplus, expenses, brought: 0, formula, seed: Hash::ZERO, dues }
    }

    /// Receipts and what was brought, less everything that they became.
    fn lost(input: &Input, run: &Run) -> i128 {
        let Totals { expenses, retained, paid, carried, .. } = run.totals;
        let out = [expenses, retained, paid, carried].map(i128::from).iter().sum::<i128>();
        i128::from(input.receipts) + i128::from(input.brought) - out
    }

    fn amount(value: &Value) -> i64 {
        value.as_i64().unwrap_or(0)
    }

    fn unsigned(value: &Value) -> u64 {
        value.as_u64().unwrap_or(0)
    }

    fn totals(month: &Value) -> Totals {
        let paid = ["livelihood_paid", "love_paid", "care_paid"].map(|pool| amount(&month[pool]));
        Totals {
            receipts: amount(&month["R"]),
            surplus: amount(&month["S"]),
            expenses: amount(&month["X"]),
            retained: amount(&month["retained"]),
            care_pool: amount(&month["care_pool"]),
            livelihood_pool: amount(&month["livelihood_pool"]),
            love_pool: amount(&month["love_pool"]),
            paid: paid.iter().sum(),
            carried: amount(&month["carried"]),
        }
    }

    #[test]
    fn the_three_months_of_the_worked_quarter_come_out_to_the_cent() {
        let quarter: Value =
            serde_json::from_str(include_str!("../../tests/data/passerelles-q1.json")).unwrap();
        let months = quarter["expected"]["runs"].as_object().unwrap();
        assert_eq!(months.len(), 3);
        for (period, month) in months {
            let before = &month["claims_before"];
            let dues = MEMBERS.map(|name| {
                let claim = |stream: &str| amount(&before[stream][name]);
                (claim("livelihood"), claim("love"), claim("care_minutes"))
            });
            let input = input(amount(&month["R"]), amount(&month["S"]), amount(&month["X"]), &dues);
            let run = run(&input).unwrap();
            assert_eq!(run.totals, totals(month), "{period}");
            assert_eq!(run.lines.len(), MEMBERS.len(), "{period}");
            for ((line, name), due) in run.lines.iter().zip(MEMBERS).zip(dues) {
                let of = |what: &str| unsigned(&month[what][name]);
                let given = (line.livelihood, line.love, line.care, line.total());
                let expected = (of("livelihood"), of("love"), of("care"), of("total"));
                assert_eq!(given, expected, "{name} in {period}");
                let after = u64::try_from(due.0).unwrap() - line.livelihood;
                assert_eq!(after, of("liv_after"), "{name} in {period}");
            }
        }
    }

    #[test]
    fn without_care_minutes_the_care_pool_goes_to_livelihood() {
        let run = run(&input(100_000, 0, 0, &[(90_000, 90_000, 0)])).unwrap();
        assert_eq!((run.totals.care_pool, run.totals.livelihood_pool), (8_000, 54_000));
        assert_eq!((run.lines[0].care, run.lines[0].livelihood), (0, 62_000));
    }

    #[test]
    fn what_livelihood_cannot_take_goes_to_love_and_then_is_carried() {
        let run = run(&input(100_000, 0, 0, &[(50_000, 20_000, 1)])).unwrap();
        let line = run.lines[0];
        assert_eq!((line.care, line.livelihood, line.love), (8_000, 50_000, 20_000));
        assert_eq!((run.totals.paid, run.totals.carried), (78_000, 2_000));
    }

    #[test]
    fn what_love_cannot_take_does_not_go_back_to_livelihood() {
        let run = run(&input(100_000, 0, 0, &[(90_000, 1_000, 1)])).unwrap();
        assert_eq!((run.lines[0].livelihood, run.lines[0].love), (54_000, 1_000));
        assert_eq!(run.totals.carried, 17_000);
    }

    #[test]
    fn what_was_carried_is_shared_and_not_retained_again() {
        let dues = [(900_000, 900_000, 1)];
        let run = run(&Input { brought: 10_000, ..input(0, 0, 0, &dues) }).unwrap();
        assert_eq!((run.totals.retained, run.totals.paid), (0, 10_000));
    }

    #[test]
    fn a_month_without_claims_carries_everything_that_is_not_retained() {
        let run = run(&input(100_000, 10_000, 0, &[(0, -5, 0)])).unwrap();
        assert_eq!((run.totals.retained, run.totals.paid), (18_000, 0));
        assert_eq!((run.totals.carried, run.lines.len()), (82_000, 0));
    }

    #[test]
    fn a_loss_takes_the_surplus_then_what_was_brought_and_is_then_retained() {
        let dues = [(900_000, 900_000, 1)];
        let of = |expenses, brought| {
            let input = Input { brought, ..input(100_000, 30_000, expenses, &dues) };
            let run = run(&input).unwrap();
            assert_eq!(lost(&input, &run), 0);
            (run.totals.retained, run.totals.paid, run.totals.love_pool)
        };
        assert_eq!(of(70_000, 0), (0, 30_000, 30_000));
        assert_eq!(of(80_000, 0), (0, 20_000, 20_000));
        assert_eq!(of(110_000, 0), (-10_000, 0, 0));
        assert_eq!(of(110_000, 15_000).1, 5_000);
        assert_eq!(of(110_000, 10_000), (0, 0, 0));
    }

    #[test]
    fn care_without_claims_has_a_line() {
        let run = run(&input(0, 0, 0, &[(0, 0, 0), (0, 0, 5)])).unwrap();
        assert_eq!(run.lines.iter().map(|line| line.member).collect::<Vec<_>>(), [Member(1)]);
    }

    #[test]
    fn sums_beyond_an_i64_are_no_run() {
        let most = Input { brought: i64::MAX, ..input(i64::MAX, 0, 0, &[]) };
        assert_eq!(run(&most), None);
    }

    fn inputs() -> impl Strategy<Value = Input> {
        let money = || prop_oneof![0..2_000_000_i64, 0..100_i64, 0..i64::MAX / 4];
        let claim = || prop_oneof![-50..50_i64, 0..500_000_i64, Just(0)];
        let dues = proptest::collection::vec((claim(), claim(), claim()), 0..12);
        let shares = (0..=10_000_u16, 0..=10_000_u16, 0..=10_000_u16, any::<bool>());
        (money(), money(), money(), money(), dues, shares).prop_map(
            |(receipts, surplus, expenses, brought, dues, (retain, care, livelihood, hash))| {
                let tie = if hash { Tie::ByHash } else { Tie::ByAdmission };
                let (retain, care, livelihood) = (bp(retain), bp(care), bp(livelihood));
                let formula = Formula { retain, care, livelihood, tie };
                let input = input(receipts, surplus.min(receipts), expenses, &dues);
                Input { brought, formula, seed: Hash([3; 32]), ..input }
            },
        )
    }

    proptest! {
        #[test]
        fn no_unit_is_lost_or_made(input in inputs()) {
            let run = run(&input).unwrap();
            prop_assert_eq!(lost(&input, &run), 0);
            let lines: u64 = run.lines.iter().map(Line::total).sum();
            prop_assert_eq!(i64::try_from(lines).unwrap(), run.totals.paid);
            let pools = run.totals.care_pool + run.totals.livelihood_pool + run.totals.love_pool;
            prop_assert_eq!(pools, run.totals.paid + run.totals.carried);
        }

        #[test]
        fn nobody_is_paid_more_than_the_claim_and_only_for_care_given(input in inputs()) {
            let run = run(&input).unwrap();
            for line in &run.lines {
                let due = input.dues.iter().find(|due| due.member == line.member).unwrap();
                prop_assert!(line.livelihood <= u64::try_from(due.livelihood).unwrap_or(0));
                prop_assert!(line.love <= u64::try_from(due.love).unwrap_or(0));
                prop_assert!(due.care > 0 || line.care == 0);
            }
            prop_assert!(run.lines.is_sorted_by_key(|line| line.member));
        }

        #[test]
        fn a_claim_is_left_open_only_where_the_pools_are_empty(input in inputs()) {
            let run = run(&input).unwrap();
            let open: u64 = run.lines.iter().map(|line| {
                let due = input.dues.iter().find(|due| due.member == line.member).unwrap();
                u64::try_from(due.love).unwrap_or(0) - line.love
            }).sum();
            prop_assert!(open == 0 || run.totals.carried == 0);
        }
    }
}
