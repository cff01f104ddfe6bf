//! Makes a failing scenario small: leaves out whatever is not needed for it to fail in the same way.

use super::canary::Canary;
use super::scenario::Scenario;
use super::{Invariant, run};

/// Whether a scenario still fails by the same invariant.
fn fails(scenario: &Scenario, canary: Option<Canary>, invariant: Invariant) -> bool {
    run(scenario, canary).is_err_and(|violation| violation.invariant == invariant)
}

/// The smallest scenario that was found to fail as this one does, trying at most so many.
#[must_use]
pub fn shrink(
    scenario: &Scenario,
    canary: Option<Canary>,
    invariant: Invariant,
    mut tries: usize,
) -> Scenario {
    let mut least = scenario.clone();
    let mut attempt = |least: &mut Scenario, candidate: Scenario| -> bool {
        if candidate == *least || tries == 0 {
            return false;
        }
        tries -= 1;
        let still = fails(&candidate, canary, invariant);
        if still {
            *least = candidate;
        }
        still
    };
    loop {
        let before = least.clone();
        let mut which = 0;
        while let Some(simpler) = simplifications(&least).into_iter().nth(which) {
            attempt(&mut least, simpler);
            which += 1;
        }
        leave_out_steps(&mut least, &mut attempt);
        if least == before {
            return least;
        }
    }
}

/// The weather, better by one thing at a time.
fn simplifications(scenario: &Scenario) -> Vec<Scenario> {
    let with = |change: &dyn Fn(&mut Scenario)| {
        let mut simpler = scenario.clone();
        change(&mut simpler);
        simpler
    };
    let mut all = vec![
        with(&|it| it.island = false),
        with(&|it| it.loss = 0),
        with(&|it| it.twice = 0),
        with(&|it| it.delay = 1),
        with(&|it| it.disks.iter_mut().for_each(|ms| *ms = 1)),
        with(&|it| it.founders = 3),
        with(&|it| it.storm = it.steps.last().map_or(1, |step| step.at + 1).min(it.storm)),
    ];
    for liar in 0..scenario.liars.len() {
        all.push(with(&|it| {
            it.liars.remove(liar);
        }));
    }
    let every: Vec<(usize, usize)> =
        (1..scenario.nodes).flat_map(|other| (0..other).map(move |one| (one, other))).collect();
    all.push(with(&|it| it.links.clone_from(&every)));
    all
}

/// Leaves out halves, quarters and so on of the steps, down to single ones.
fn leave_out_steps(
    least: &mut Scenario,
    attempt: &mut impl FnMut(&mut Scenario, Scenario) -> bool,
) {
    let mut size = least.steps.len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        while from < least.steps.len() {
            let mut candidate = least.clone();
            let end = (from + size).min(candidate.steps.len());
            candidate.steps.drain(from..end);
            if !attempt(least, candidate) {
                from += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
}
