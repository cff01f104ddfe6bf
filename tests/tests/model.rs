//! Small exhaustive models: what never happens, and that the checker would see it.
//!
//! `TALEA_MODEL=1` goes through the large shapes too, which takes minutes.

use talea_tests::model::branches::{self, Model};
use talea_tests::model::reform::{self, Evidence};
use talea_tests::model::roster::Shape;
use talea_tests::model::search::{Covered, Found, always_possible, explore};
use talea_tests::model::{cuts, succession};

#[path = "model/replicas.rs"]
mod replicas;
#[path = "model/counterexamples.rs"]
mod counterexamples;

/// States visited at most in one model.
const STATES_MAX: usize = 3_000_000;

const THREE: Shape = Shape { nodes: 3, faulty: 0, quorum: 2 };
const FOUR: Shape = Shape { nodes: 4, faulty: 0, quorum: 3 };
const FOUR_ONE: Shape = Shape { nodes: 4, faulty: 1, quorum: 3 };
const FIVE: Shape = Shape { nodes: 5, faulty: 0, quorum: 3 };

fn is_long() -> bool {
    std::env::var_os("TALEA_MODEL").is_some()
}

fn say(model: &str, covered: Covered) {
    let Covered { states, steps, is_cut_short } = covered;
    let more = if is_cut_short { ", and there are more" } else { "" };
    println!("{model}: {states} states, {steps} steps{more}");
}

fn branches(rules: branches::Rules) -> Result<Covered, Box<Found>> {
    let model = Model::new(rules);
    explore(model.start(), STATES_MAX, |it| model.next(it), |it| model.broken(it))
}

fn cuts(rules: cuts::Rules) -> Result<Covered, Box<Found>> {
    explore(rules.start(), STATES_MAX, |it| rules.next(it), |it| rules.broken(it))
}

fn succession(rules: succession::Rules) -> Result<Covered, Box<Found>> {
    explore(rules.start(), STATES_MAX, |it| rules.next(it), |it| rules.broken(it))
}

fn reform(rules: reform::Rules) -> Result<Covered, Box<Found>> {
    explore(rules.start(), STATES_MAX, |it| rules.next(it), |it| rules.broken(it))
}

/// The shortest way's length and end are printed, and it ends where it should.
fn found(covered: Result<Covered, Box<Found>>, rule: &str) {
    let found = *covered.expect_err("the checker finds it");
    let last = found.trace.last().expect("at least the beginning");
    println!("{} after {} steps: {last}", found.rule, found.trace.len() - 1);
    assert!(found.rule.contains(rule), "{found}");
}

fn all(name: &str, runs: impl Iterator<Item = Result<Covered, Box<Found>>>) {
    let mut sum = Covered::default();
    for run in runs {
        sum = sum.and(run.unwrap_or_else(|found| panic!("{name}: {found}")));
    }
    say(name, sum);
    assert!(!sum.is_cut_short, "{name} is too large");
}

#[test]
fn one_heal_adopts_no_branch_beside_a_settled_one_whoever_of_f_lies() {
    let rules = |shape| branches::Rules { heals: 1, ..branches::Rules::of(shape) };
    all("settlement and heal, n <= 5", Shape::safe(5).into_iter().map(rules).map(branches));
}

#[test]
fn a_registrar_that_writes_two_heals_settles_no_two_branches() {
    let nodes = if is_long() { 5 } else { 4 };
    let rules = branches::Rules::of;
    all("two heals", Shape::safe(nodes).into_iter().map(rules).map(branches));
}

#[test]
fn a_device_that_signs_three_branches_settles_one() {
    let nodes = if is_long() { 5 } else { 4 };
    let rules = |shape| branches::Rules { heals: 1, branches: 3, ..branches::Rules::of(shape) };
    all("three branches", Shape::safe(nodes).into_iter().map(rules).map(branches));
}

fn stuck(nodes: usize, allowed_for: usize, quorum: usize) -> bool {
    let shape = Shape { nodes, faulty: 0, quorum };
    let rules = branches::Rules { heals: 1, allowed_for, ..branches::Rules::of(shape) };
    let model = Model::new(rules);
    let broken = |it: &_| model.is_stuck(it).then(|| "stuck".to_owned());
    explore(model.start(), STATES_MAX, |it| model.next(it), broken).is_err()
}

#[test]
fn an_accidental_fork_is_always_resolvable_where_2q_exceeds_n_and_2f() {
    for shape in Shape::safe(7) {
        let Shape { nodes, faulty, quorum } = shape;
        assert_eq!(stuck(nodes, faulty, quorum), !shape.is_always_resolvable(), "{shape:?}");
        // The f that may lie say nothing: then it takes 2q > n + 3f.
        let silent = stuck(nodes - faulty, 2 * faulty, quorum);
        assert_eq!(silent, 2 * quorum <= nodes + 3 * faulty, "{shape:?}");
    }
}

#[test]
fn the_checker_finds_what_goes_wrong_with_branches() {
    let rules = branches::Rules::of;
    let two = "branches [1, 2] are settled";
    found(branches(branches::Rules { quorum: 1, ..rules(THREE) }), two);
    found(branches(branches::Rules { freezes: false, ..rules(FIVE) }), two);
    found(branches(branches::Rules { allowed_for: 0, ..rules(FOUR_ONE) }), two);
    found(branches(branches::Rules { heal_binds: false, ..rules(THREE) }), two);
    found(branches(branches::Rules { heals_once: false, ..rules(THREE) }), two);
    found(branches(branches::Rules { heal_acts_settled: false, ..rules(THREE) }), two);
}

#[test]
fn nothing_behind_a_cut_settles() {
    let safe = || Shape::safe(5).into_iter().map(cuts::Rules::of);
    all("cut in two steps, n <= 5", safe().map(cuts));
    let careless = |rules| cuts::Rules { two_steps: false, ..rules };
    all("cut anywhere, settled, n <= 5", safe().map(careless).map(cuts));
}

#[test]
fn the_checker_finds_what_goes_wrong_with_cuts() {
    let rules = cuts::Rules::of;
    let behind = "behind the cut";
    found(cuts(cuts::Rules { asked: 1, ..rules(THREE) }), behind);
    found(cuts(cuts::Rules { freezes: false, ..rules(THREE) }), behind);
    found(cuts(cuts::Rules { cut_binds: false, ..rules(THREE) }), behind);
    let careless = cuts::Rules { two_steps: false, ..rules(THREE) };
    found(cuts(cuts::Rules { nothing_behind: false, ..careless }), behind);
    found(cuts(cuts::Rules { is_adopted: true, ..careless }), behind);
    for careless in [careless, cuts::Rules { two_steps: false, ..rules(FOUR_ONE) }] {
        found(cuts(cuts::Rules { witnesses: careless.witnesses - 1, ..careless }), behind);
    }
}

fn cut_is_placed(rules: cuts::Rules) -> Result<Covered, Box<Found>> {
    let (due, done) = (|it: &_| rules.progress(it).0, |it: &_| rules.progress(it).1);
    always_possible(rules.start(), |it| rules.next(it), due, done)
}

#[test]
fn a_cut_in_two_steps_can_be_placed_by_a_quorum_where_a_fork_could_be_healed() {
    let silent = |shape| cuts::Rules { liars_place: false, ..cuts::Rules::of(shape) };
    let shapes = || Shape::safe(6).into_iter().filter(Shape::is_always_resolvable);
    all("a cut gets through", shapes().map(silent).map(cut_is_placed));
    // One that lies reports too low, and then withholds.
    found(cut_is_placed(silent(FOUR_ONE)), "no way out");
    let five = Shape { nodes: 5, faulty: 1, quorum: 4 };
    let without = cuts::Rules { witnesses: five.nodes + 1, ..silent(five) };
    found(cut_is_placed(without), "no way out");
}

#[test]
fn after_a_succession_one_register_goes_on_and_nothing_settled_is_lost() {
    let nodes = if is_long() { 5 } else { 3 };
    let rules = succession::Rules::of;
    all("two successions", Shape::safe(nodes).into_iter().map(rules).map(succession));
    let one = |shape| succession::Rules { successions: 1, ..rules(shape) };
    all("one succession", Shape::safe(nodes + 1).into_iter().map(one).map(succession));
}

#[test]
fn the_checker_finds_what_goes_wrong_with_successions() {
    let rules = succession::Rules::of;
    let both = "are both settled";
    found(succession(succession::Rules { quorum: 1, ..rules(THREE) }), both);
    found(succession(succession::Rules { locks: false, ..rules(THREE) }), both);
}

fn goes_on(rules: succession::Rules) -> Result<Covered, Box<Found>> {
    let (due, done) = (|it: &_| rules.progress(it).0, |it: &_| rules.progress(it).1);
    always_possible(rules.start(), |it| rules.next(it), due, done)
}

#[test]
fn a_register_whose_registrar_was_honest_goes_on() {
    let rules = |shape| succession::Rules {
        is_registrar_lying: false,
        is_successor_lying: false,
        successions: 1,
        ..succession::Rules::of(shape)
    };
    let honest = Shape::safe(4).into_iter().filter(|shape| shape.faulty == 0);
    all("a register goes on", honest.map(rules).map(goes_on));
    let unadopted = succession::Rules { adopts: false, ..rules(THREE) };
    found(goes_on(unadopted), "no way out");
    // Two registers on two nodes each: neither has a quorum, and nothing heals a register.
    let torn = succession::Rules { is_registrar_lying: true, ..rules(FOUR) };
    found(goes_on(torn), "no way out");
}

/// Pairs of rosters, with every number of honest nodes that are of both.
fn changes(nodes_max: usize) -> Vec<reform::Rules> {
    let mut all = Vec::new();
    for old in Shape::safe(nodes_max) {
        for new in Shape::safe(nodes_max) {
            let most = old.honest().min(new.honest());
            all.extend((0..=most).map(|both| reform::Rules::of(old, new, both)));
        }
    }
    all
}

#[test]
fn a_change_of_roster_keeps_what_is_settled() {
    let nodes = if is_long() { 4 } else { 3 };
    all("roster change", changes(nodes).into_iter().map(reform));
    let liar = reform::Rules::of(FOUR_ONE, THREE, 0);
    all("roster change, one lies", [liar].into_iter().map(reform));
}

#[test]
fn the_checker_finds_what_goes_wrong_with_a_change_of_roster() {
    let rules = reform::Rules::of(THREE, THREE, 0);
    let both = "both entries are settled";
    found(reform(reform::Rules { keeps_locks: false, ..rules }), both);
    found(reform(reform::Rules { imported: 1, ..rules }), both);
    found(reform(reform::Rules { stops: false, ..rules }), both);
    found(reform(reform::Rules { waits_if_torn: false, ..rules }), both);
    found(reform(reform::Rules { evidence: Evidence::New, ..rules }), both);
    found(reform(reform::Rules { evidence: Evidence::Old, ..rules }), both);
}
