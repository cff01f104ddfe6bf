//! Divides a whole number among members without losing or making a unit.
//!
//! Largest remainder: everybody gets the exact share rounded down, and what is left goes, a unit
//! each, to those whose share was rounded down by most. Integers only. Whether the shares are of
//! money, and who may take part, is not known here. Section 8 of the design's model.

use std::cmp::Reverse;

use talea_protocol::charter::{Member, Tie};
use talea_protocol::hash::{Context, Hash};

/// Who comes first when two remainders are equal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ties {
    /// The lowest hash of this seed and the member.
    ByHash(Hash),
    /// The lowest member.
    ByAdmission,
}

impl Ties {
    /// The charter's rule; the seed must be the same for everybody who computes the split.
    #[must_use]
    pub const fn new(rule: Tie, seed: Hash) -> Self {
        match rule {
            Tie::ByHash => Self::ByHash(seed),
            Tie::ByAdmission => Self::ByAdmission,
        }
    }

    fn key(self, member: Member) -> (Hash, Member) {
        match self {
            Self::ByHash(seed) => (Context::Tie.hash(&[&seed.0, &member.0.to_le_bytes()]), member),
            Self::ByAdmission => (Hash::ZERO, member),
        }
    }
}

/// Each member's part of `total`, in the order of `weights`, each member at most once.
///
/// The parts add up to `total`; each is the exact share rounded down or up; who weighs more never
/// gets less; and if `total` is not above the sum of weights, no part is above its weight. Where
/// nobody weighs anything, nobody gets anything.
#[must_use]
pub fn split(total: u64, weights: &[(Member, u64)], ties: Ties) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|(_, weight)| u128::from(*weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: u64| u128::from(total) * u128::from(weight);
    let floor = |weight: u64| u64::try_from(exact(weight) / sum).expect("a part of a u64");
    let mut parts: Vec<u64> = weights.iter().map(|(_, weight)| floor(*weight)).collect();
    let left = total - parts.iter().sum::<u64>();
    let mut claimants: Vec<_> = weights
        .iter()
        .zip(&mut parts)
        .map(|((member, weight), part)| (Reverse(exact(*weight) % sum), ties, *member, part))
        .collect();
    claimants.sort_by_cached_key(|(remainder, ties, member, _)| (*remainder, ties.key(*member)));
    let left = usize::try_from(left).expect("fewer units are left than there are members");
    for (_, _, _, part) in claimants.into_iter().take(left) {
        *part += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEED: Ties = Ties::ByHash(Hash([7; 32]));

    fn members(weights: &[u64]) -> Vec<(Member, u64)> {
        (0..).map(Member).zip(weights.iter().copied()).collect()
    }

    fn by_admission(total: u64, weights: &[u64]) -> Vec<u64> {
        split(total, &members(weights), Ties::ByAdmission)
    }

    #[test]
    fn the_cent_left_goes_to_the_largest_remainder() {
        // 5,853.33 and 2,926.67 and 8,780.00: care of the worked quarter's January.
        assert_eq!(by_admission(17_560, &[600, 300, 900]), [5_853, 2_927, 8_780]);
    }

    #[test]
    fn equal_remainders_go_by_admission_whatever_the_order_of_the_list() {
        assert_eq!(by_admission(10_280, &[420, 720, 720]), [2_321, 3_980, 3_979]);
        let reversed = [(Member(2), 720), (Member(1), 720), (Member(0), 420)];
        assert_eq!(split(10_280, &reversed, Ties::ByAdmission), [3_979, 3_980, 2_321]);
    }

    #[test]
    fn equal_remainders_by_hash_do_not_always_favour_the_same_member() {
        let two = members(&[1, 1]);
        let first = |seed: u8| split(1, &two, Ties::ByHash(Hash([seed; 32])))[0];
        let times: u64 = (0..=255).map(first).sum();
        assert!((64..192).contains(&times), "the first of two got {times} of 256 cents");
    }

    #[test]
    fn nobody_gets_anything_where_nobody_weighs_anything() {
        assert_eq!(by_admission(5, &[0, 0]), [0, 0]);
        assert_eq!(by_admission(5, &[]), Vec::<u64>::new());
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        assert_eq!(by_admission(u64::MAX, &[u64::MAX, u64::MAX]), [1 << 63, (1 << 63) - 1]);
    }

    proptest! {
        #[test]
        fn no_unit_is_lost_and_no_part_is_a_unit_off(
            total in prop_oneof![any::<u64>(), 0..1_000_u64],
            weights in proptest::collection::vec(prop_oneof![any::<u64>(), 0..9_u64], 1..40),
        ) {
            let sum: u128 = weights.iter().copied().map(u128::from).sum();
            prop_assume!(sum > 0);
            let list = members(&weights);
            for ties in [SEED, Ties::ByAdmission] {
                let parts = split(total, &list, ties);
                prop_assert_eq!(parts.iter().copied().map(u128::from).sum::<u128>(), u128::from(total));
                for (part, weight) in parts.iter().zip(&weights) {
                    let exact = u128::from(total) * u128::from(*weight);
                    let floor = exact / sum;
                    let ceiling = exact.div_ceil(sum);
                    prop_assert!((floor..=ceiling).contains(&u128::from(*part)));
                    prop_assert!(u128::from(total) > sum || part <= weight);
                }
            }
        }

        #[test]
        fn who_weighs_more_never_gets_less(
            total in 0..100_000_u64,
            weights in proptest::collection::vec(0..500_u64, 2..20),
        ) {
            let parts = split(total, &members(&weights), SEED);
            for (one, part) in weights.iter().zip(&parts) {
                for (other, less) in weights.iter().zip(&parts) {
                    prop_assert!(one <= other || part >= less);
                }
            }
        }

        #[test]
        fn the_order_of_the_list_changes_nobodys_part(
            total in 0..100_000_u64,
            list in proptest::collection::vec(0..50_u64, 1..20)
                .prop_map(|weights| members(&weights)),
        ) {
            let by_member = |list: &[(Member, u64)]| {
                let parts = split(total, list, SEED);
                list.iter().map(|(member, _)| *member).zip(parts).collect::<std::collections::BTreeMap<_, _>>()
            };
            let backwards: Vec<_> = list.iter().rev().copied().collect();
            prop_assert_eq!(by_member(&list), by_member(&backwards));
        }
    }
}
