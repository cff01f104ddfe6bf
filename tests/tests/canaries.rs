//! Planted bugs: each is noticed by the rule that it breaks, within a bounded number of seeds.
//!
//! What each bug is, and where it sits, is said at `talea_tests::world::canary::Canary`. A bug that
//! nobody notices means that the world could not fail.

use talea_tests::world::canary::Canary;
use talea_tests::world::run;

/// Seeds within which each must be noticed (reliability, section 4).
const SEEDS_MAX: u64 = 500;

#[test]
fn every_planted_bug_is_noticed_within_five_hundred_seeds() {
    let mut missed = Vec::new();
    for canary in Canary::ALL {
        match canary.noticed(SEEDS_MAX) {
            Some((seed, violation)) => println!("{canary:?}: seed {seed}: {violation}"),
            None => missed.push(canary),
        }
    }
    assert!(missed.is_empty(), "not noticed within {SEEDS_MAX} seeds: {missed:?}");
}

/// The same scenarios without the bugs: what was noticed came from them.
#[test]
fn without_a_planted_bug_nothing_of_the_kind_is_noticed() {
    for canary in Canary::ALL {
        for seed in 0..20 {
            if let Err(violation) = run(&canary.scenario(seed), None) {
                let same = canary.betrayed_by().contains(&violation.invariant);
                assert!(!same, "{canary:?}, seed {seed}: {violation}");
            }
        }
    }
}
