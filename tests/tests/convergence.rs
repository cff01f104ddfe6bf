//! Honest nodes that can talk to each other long enough agree, whatever happened before. Worlds with
//! liars are `./tools/sim`'s; what they still find is named in the README.

use talea_tests::world;
use talea_tests::world::scenario::Scenario;

/// Seeds of one run; more with `./tools/sim`.
const SEEDS: u64 = 1_000;

/// Runs the seeds given by `TALEA_SEED` (one) or the first [`SEEDS`], on two threads.
#[test]
fn a_thousand_worlds_agree_and_a_seed_gives_the_same_world_again() {
    let seeds: Vec<u64> = match std::env::var("TALEA_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..SEEDS).collect(),
    };
    let halves: Vec<_> = [0, 1]
        .map(|half| {
            let seeds: Vec<u64> = seeds.iter().copied().filter(|seed| seed % 2 == half).collect();
            std::thread::spawn(move || seeds.into_iter().for_each(run))
        })
        .into();
    for half in halves {
        half.join().expect("a seed failed: its number is printed above; TALEA_SEED=n replays it");
    }
}

fn run(seed: u64) {
    let scenario = Scenario::of(seed).honest();
    match world::run(&scenario, None) {
        Ok(outcome) => {
            if seed.is_multiple_of(50) {
                let again = world::run(&scenario, None).ok();
                assert_eq!(again, Some(outcome), "seed {seed} is not the same twice");
            }
        }
        Err(violation) => panic!("seed {seed}: {violation}"),
    }
}
