//! Planted bugs: each is noticed by the rule that it breaks, within a bounded number of seeds.
//!
//! What each bug is, and where it sits, is said at `talea_tests::world::canary::Canary`. A bug that
//! nobody notices means that the world could not fail.

use std::sync::atomic::{AtomicU64, Ordering};

use talea_tests::world::canary::Canary;
use talea_tests::world::{Violation, run};

/// Seeds within which each must be noticed (reliability, section 4).
const SEEDS_MAX: u64 = 500;

/// The first seed at which a bug shows, and how, on all cores.
fn noticed(canary: Canary) -> Option<(u64, Violation)> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, first) = (AtomicU64::new(0), AtomicU64::new(SEEDS_MAX));
    let search = || {
        let mut found = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first.load(Ordering::Relaxed) {
                return found;
            }
            if let Err(violation) = run(&canary.scenario(seed), Some(canary))
                && canary.betrayed_by().contains(&violation.invariant)
            {
                first.fetch_min(seed, Ordering::Relaxed);
                found.push((seed, violation));
            }
        }
    };
    let found: Vec<(u64, Violation)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(search)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic gets out")).collect()
    });
    found.into_iter().min_by_key(|(seed, _)| *seed)
}

#[test]
fn every_planted_bug_is_noticed_within_five_hundred_seeds() {
    let mut missed = Vec::new();
    for canary in Canary::ALL {
        match noticed(canary) {
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
