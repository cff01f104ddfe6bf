//! The strongest of several options: by ranking (instant runoff), or by score.
//!
//! Pure arithmetic over ballots. Ties go by the order in which the proposal lists the options, so
//! that everybody gets the same winner. Design's domain, section 1; README, section 6.

/// The highest score that an option can be given.
pub const SCORE_MAX: u8 = 10;

/// What came out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// For each option: rankings that stand by it in the end, or the sum of its scores.
    pub options: Vec<u64>,
    /// The place of the strongest; none if nobody ranked or scored.
    pub winner: Option<u8>,
    /// What supports the winner: rankings, or scores.
    pub support: u64,
}

/// Counts rankings: each stands by its best option that is still in. As long as none has more than
/// half of those that stand, the one with the fewest goes out; of several, the one listed last.
#[must_use]
pub fn ranked(options: usize, rankings: &[&[u8]]) -> Found {
    let mut left = vec![true; options];
    loop {
        let votes = standing(&left, rankings);
        let cast: u64 = votes.iter().sum();
        let still = || (0..options).filter(|place| left.get(*place) == Some(&true));
        let of = |place: &usize| votes.get(*place).copied().unwrap_or(0);
        let best = still().rev().max_by_key(of).filter(|_| cast > 0);
        let Some(best) = best else {
            return Found { options: votes, winner: None, support: 0 };
        };
        if of(&best) * 2 > cast || still().count() == 1 {
            let (support, winner) = (of(&best), u8::try_from(best).ok());
            return Found { options: votes, winner, support };
        }
        let weakest = still().rev().min_by_key(of);
        if let Some(out) = weakest.and_then(|place| left.get_mut(place)) {
            *out = false;
        }
    }
}

/// Adds scores up. The highest sum wins; of several, the one listed first.
#[must_use]
pub fn scored(options: usize, scores: &[&[u8]]) -> Found {
    let sum = |place: usize| -> u64 {
        scores.iter().filter_map(|marks| marks.get(place)).map(|mark| u64::from(*mark)).sum()
    };
    let sums: Vec<u64> = (0..options).map(sum).collect();
    let best = (0..options).rev().max_by_key(|place| sums.get(*place).copied());
    let support = best.and_then(|place| sums.get(place).copied()).unwrap_or(0);
    let winner = best.filter(|_| support > 0).and_then(|place| u8::try_from(place).ok());
    Found { options: sums, winner, support }
}

fn standing(left: &[bool], rankings: &[&[u8]]) -> Vec<u64> {
    let mut votes = vec![0; left.len()];
    let is_left = |place: &&u8| left.get(usize::from(**place)) == Some(&true);
    for best in rankings.iter().filter_map(|ranking| ranking.iter().find(is_left)) {
        if let Some(sum) = votes.get_mut(usize::from(*best)) {
            *sum += 1;
        }
    }
    votes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn repeated(counts: &[(usize, &'static [u8])]) -> Vec<&'static [u8]> {
        counts.iter().flat_map(|(times, ranking)| std::iter::repeat_n(*ranking, *times)).collect()
    }

    /// The textbook case of Tennessee: Memphis 42, Nashville 26, Chattanooga 15, Knoxville 17.
    #[test]
    fn the_weakest_goes_out_until_one_has_more_than_half() {
        let rankings = repeated(&[
            (42, &[0, 1, 2, 3]),
            (26, &[1, 2, 3, 0]),
            (15, &[2, 3, 1, 0]),
            (17, &[3, 2, 1, 0]),
        ]);
        let found = ranked(4, &rankings);
        assert_eq!((found.winner, found.support), (Some(3), 58));
        assert_eq!(found.options, [42, 0, 0, 58]);
    }

    #[test]
    fn of_two_that_are_weakest_the_one_listed_last_goes_out() {
        let found = ranked(3, &repeated(&[(2, &[0]), (1, &[1, 0]), (1, &[2, 1])]));
        assert_eq!((found.winner, found.options), (Some(0), vec![3, 0, 0]));
    }

    #[test]
    fn rankings_that_name_nobody_who_is_left_stand_by_nobody() {
        let found = ranked(3, &repeated(&[(3, &[0]), (2, &[1]), (2, &[2])]));
        assert_eq!((found.winner, found.support), (Some(0), 3));
        assert_eq!(ranked(2, &[]).winner, None);
        assert_eq!(ranked(0, &[]), Found::default());
    }

    #[test]
    fn the_highest_sum_wins_and_of_two_the_first() {
        let found = scored(3, &[&[3, 10, 1], &[7, 0, 9]]);
        assert_eq!((found.options, found.winner, found.support), (vec![10, 10, 10], Some(0), 10));
        assert_eq!(scored(2, &[&[1, 2]]).winner, Some(1));
        assert_eq!(scored(2, &[&[0, 0]]).winner, None);
    }

    proptest! {
        #[test]
        fn no_order_of_ballots_matters_and_a_majority_always_wins(
            mut rankings in proptest::collection::vec(
                Just(vec![0_u8, 1, 2, 3]).prop_shuffle(), 1..40),
        ) {
            let found = ranked(4, &rankings.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for place in 0..4_u8 {
                let first = rankings.iter().filter(|ranking| ranking[0] == place).count();
                if first * 2 > rankings.len() {
                    prop_assert_eq!(found.winner, Some(place));
                }
            }
            rankings.reverse();
            let again = ranked(4, &rankings.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(found, again);
        }
    }
}
