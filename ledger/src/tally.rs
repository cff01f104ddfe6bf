//! The count of a decision, from who may vote and what they chose.
//!
//! Inside a college one member has one vote; colleges weigh what the charter says. Shares are in
//! millionths of a basis point and each college's part is floored, so that everybody gets the same
//! integers. Who is an elector, and which of a member's votes counts, is not decided here.
//! Section 1 of the design's domain.

use talea_protocol::act::{Ballots, Choice, Matter, Method, Outcome, Tally};
use talea_protocol::bytes::{Bp, List};
use talea_protocol::charter::{College, Thresholds};
use talea_protocol::council::Quorums;

/// Millionths in a basis point.
const MICRO: u64 = 1_000_000;
/// The whole, in basis points.
const WHOLE_BP: u64 = 10_000;
/// The whole, in millionths of a basis point.
pub const WHOLE: u64 = WHOLE_BP * MICRO;

/// A member with a binding vote.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Elector {
    /// Place of its college in the charter.
    pub college: u8,
    /// The vote that counts, if there is one.
    pub choice: Option<Choice>,
}

/// Counts.
#[must_use]
pub fn count(
    method: Method,
    colleges: &[College],
    electors: impl IntoIterator<Item = Elector>,
) -> Tally {
    let weights: Vec<u64> = match method {
        Method::CollegeWeighted => {
            colleges.iter().map(|college| u64::from(college.weight.value())).collect()
        }
        _ => vec![WHOLE_BP],
    };
    let mut ballots = vec![Ballots::default(); weights.len()];
    for elector in electors {
        let place = match method {
            Method::CollegeWeighted => usize::from(elector.college),
            _ => 0,
        };
        if let Some(ballots) = ballots.get_mut(place) {
            add(ballots, elector.choice);
        }
    }
    let sum = |part: fn(&Ballots) -> (u32, u32)| {
        ballots.iter().zip(&weights).map(|(ballots, weight)| weigh(*weight, part(ballots))).sum()
    };
    Tally {
        yes: sum(|b| (b.yes, b.yes + b.no)),
        no: sum(|b| (b.no, b.yes + b.no)),
        participation: sum(|b| (b.yes + b.no + b.abstain, b.eligible)),
        colleges: List::new(ballots).expect("a charter has no more colleges than a tally"),
        ..Tally::default()
    }
}

/// What the count means: enough participation, then support strictly above the threshold.
/// Abstentions count for the quorum only.
#[must_use]
pub fn outcome(tally: &Tally, quorum: Bp, threshold: Bp) -> Outcome {
    let cast = u128::from(tally.yes) + u128::from(tally.no);
    if tally.participation < u64::from(quorum.value()) * MICRO {
        Outcome::NoQuorum
    } else if u128::from(tally.yes) * u128::from(WHOLE_BP) > u128::from(threshold.value()) * cast {
        Outcome::Adopted
    } else {
        Outcome::Rejected
    }
}

/// What consent means: enough participation, and somebody for it. Nobody blocks, or this is not
/// asked.
#[must_use]
pub fn consent(tally: &Tally, quorum: Bp) -> Outcome {
    if tally.participation < u64::from(quorum.value()) * MICRO {
        Outcome::NoQuorum
    } else if tally.yes > 0 {
        Outcome::Adopted
    } else {
        Outcome::Rejected
    }
}

/// The participation that a matter needs besides.
#[must_use]
pub const fn quorum(quorums: &Quorums, matter: Matter) -> Bp {
    match matter {
        Matter::Ordinary => quorums.ordinary,
        Matter::Charter => quorums.charter,
        Matter::Allocation => quorums.allocation,
    }
}

/// `part` of `whole`, in millionths of a basis point, floored; nothing of nothing.
#[must_use]
pub fn share(part: u64, whole: u64) -> u64 {
    let share = (u128::from(WHOLE) * u128::from(part)).checked_div(u128::from(whole));
    share.and_then(|share| u64::try_from(share).ok()).unwrap_or(0)
}

/// The support that a matter needs.
#[must_use]
pub const fn threshold(thresholds: &Thresholds, matter: Matter) -> Bp {
    match matter {
        Matter::Ordinary => thresholds.ordinary,
        Matter::Charter => thresholds.charter,
        Matter::Allocation => thresholds.allocation,
    }
}

fn add(ballots: &mut Ballots, choice: Option<Choice>) {
    ballots.eligible += 1;
    match choice {
        Some(Choice::Yes) => ballots.yes += 1,
        Some(Choice::No | Choice::Block) => ballots.no += 1,
        Some(Choice::Abstain) => ballots.abstain += 1,
        None => {}
    }
}

/// `part` of `whole` of a weight, floored; nothing of nothing.
fn weigh(weight_bp: u64, (part, whole): (u32, u32)) -> u64 {
    (weight_bp * MICRO * u64::from(part)).checked_div(u64::from(whole)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use talea_protocol::bytes::Code;
    use talea_protocol::charter::Category;

    const NAMES: [&str; 3] = ["production", "usagers", "soutien"];

    fn bp(value: u16) -> Bp {
        Bp::new(value).unwrap()
    }

    fn colleges(weights: &[u16]) -> Vec<College> {
        let named = |(i, weight): (usize, &u16)| College {
            code: Code::try_from(format!("c{i}")).unwrap(),
            weight: bp(*weight),
            category: Category::Others,
        };
        weights.iter().enumerate().map(named).collect()
    }

    fn electors(ballots: &[Ballots]) -> Vec<Elector> {
        let mut electors = Vec::new();
        for (college, b) in (0_u8..).zip(ballots) {
            let none = b.eligible - b.yes - b.no - b.abstain;
            for (times, choice) in [
                (b.yes, Some(Choice::Yes)),
                (b.no, Some(Choice::No)),
                (b.abstain, Some(Choice::Abstain)),
                (none, None),
            ] {
                electors.extend((0..times).map(|_| Elector { college, choice }));
            }
        }
        electors
    }

    fn ballots(eligible: u32, yes: u32, no: u32, abstain: u32) -> Ballots {
        Ballots { eligible, yes, no, abstain }
    }

    fn number(value: &Value) -> u32 {
        u32::try_from(value.as_u64().unwrap()).unwrap()
    }

    #[test]
    fn the_worked_quarter_decides_as_expected() {
        let quarter: Value =
            serde_json::from_str(include_str!("../../tests/data/passerelles-q1.json")).unwrap();
        for (name, threshold) in [("P1", 6667), ("P3", 5000), ("P4", 5000)] {
            let decision = &quarter["expected"]["decisions"][name];
            let given: Vec<Ballots> = NAMES
                .iter()
                .map(|college| &decision["per_college"][college])
                .map(|b| {
                    ballots(
                        number(&b["eligible"]),
                        number(&b["yes"]),
                        number(&b["no"]),
                        number(&b["abstain"]),
                    )
                })
                .collect();
            let tally =
                count(Method::CollegeWeighted, &colleges(&[5000, 3000, 2000]), electors(&given));
            assert_eq!(tally.yes, decision["yes_ubp"].as_u64().unwrap(), "{name}");
            assert_eq!(tally.no, decision["no_ubp"].as_u64().unwrap(), "{name}");
            assert_eq!(
                tally.participation,
                decision["participation_ubp"].as_u64().unwrap(),
                "{name}"
            );
            assert_eq!(*tally.colleges, *given);
            let outcome = serde_json::to_value(outcome(&tally, bp(5000), bp(threshold))).unwrap();
            assert_eq!(outcome, decision["outcome"], "{name}");
        }
    }

    #[test]
    fn support_at_the_threshold_is_not_enough() {
        let half = count(Method::Headcount, &[], electors(&[ballots(4, 2, 2, 0)]));
        assert_eq!(outcome(&half, bp(0), bp(5000)), Outcome::Rejected);
        let more = count(Method::Headcount, &[], electors(&[ballots(5, 3, 2, 0)]));
        assert_eq!(outcome(&more, bp(0), bp(5000)), Outcome::Adopted);
    }

    #[test]
    fn participation_at_the_quorum_is_enough_and_abstentions_count_for_it() {
        let half = count(Method::Headcount, &[], electors(&[ballots(4, 1, 0, 1)]));
        assert_eq!(outcome(&half, bp(5000), bp(5000)), Outcome::Adopted);
        assert_eq!(outcome(&half, bp(5001), bp(5000)), Outcome::NoQuorum);
    }

    #[test]
    fn without_a_vote_for_or_against_nothing_is_adopted() {
        let silent = count(Method::Headcount, &[], electors(&[ballots(2, 0, 0, 2)]));
        assert_eq!(outcome(&silent, bp(10_000), bp(0)), Outcome::Rejected);
    }

    #[test]
    fn by_headcount_every_member_weighs_the_same_and_there_is_one_item() {
        let three = [ballots(1, 1, 0, 0), ballots(1, 0, 1, 0), ballots(1, 0, 1, 0)];
        let tally = count(Method::Headcount, &colleges(&[8000, 1000, 1000]), electors(&three));
        assert_eq!(*tally.colleges, [ballots(3, 1, 2, 0)]);
        assert_eq!((tally.yes, tally.no), (3_333_333_333, 6_666_666_666));
    }

    #[test]
    fn a_college_without_electors_counts_nothing() {
        let tally = count(
            Method::CollegeWeighted,
            &colleges(&[6000, 4000]),
            electors(&[ballots(1, 1, 0, 0), ballots(0, 0, 0, 0)]),
        );
        assert_eq!((tally.yes, tally.no, tally.participation), (6_000_000_000, 0, 6_000_000_000));
    }

    proptest! {
        #[test]
        fn shares_stay_within_the_whole_and_no_order_of_electors_matters(
            given in proptest::collection::vec((0..9_u32, 0..9_u32, 0..9_u32, 0..9_u32), 3),
        ) {
            let given: Vec<Ballots> =
                given.iter().map(|(y, n, a, rest)| ballots(y + n + a + rest, *y, *n, *a)).collect();
            let (weights, mut voters) = (colleges(&[5000, 3000, 2000]), electors(&given));
            let tally = count(Method::CollegeWeighted, &weights, voters.clone());
            prop_assert!(tally.yes + tally.no <= WHOLE_BP * MICRO);
            prop_assert!(tally.participation <= WHOLE_BP * MICRO);
            voters.reverse();
            prop_assert_eq!(count(Method::CollegeWeighted, &weights, voters), tally);
        }
    }
}
