//! Every order of a few steps, on real replicas.

use talea_tests::model::scenes::{every_fork, every_theft};

use super::is_long;

/// Steps of one way, and states visited at most.
fn bounds() -> (usize, usize) {
    if is_long() { (5, 20_000) } else { (3, 3_000) }
}

/// Plays every order and says how many states there were.
pub fn all(name: &str, every: impl Fn(usize, usize) -> Result<usize, String>) {
    let (depth, states_max) = bounds();
    let states = every(depth, states_max).unwrap_or_else(|found| panic!("{name}: {found}"));
    println!("{name}, three replicas, {depth} steps: {states} states");
}

#[test]
fn a_fork_told_in_any_order_settles_one_branch() {
    all("fork", every_fork);
}

#[test]
fn a_theft_told_in_any_order_settles_nothing_behind_the_cut() {
    all("theft and revocation", every_theft);
}
