//! Every state that steps lead to, the nearest first, and the shortest way to a broken rule.
//!
//! What a state is and which steps it has is the models' business.

use std::collections::BTreeMap;
use std::fmt::Debug;

/// How much was seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Covered {
    /// Different states.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// Whether there were more than could be visited.
    pub is_cut_short: bool,
}

impl Covered {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let is_cut_short = self.is_cut_short || other.is_cut_short;
        let (states, steps) = (self.states + other.states, self.steps + other.steps);
        Self { states, steps, is_cut_short }
    }
}

/// A broken rule and the shortest way to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// What was broken.
    pub rule: String,
    /// The steps from the beginning, and where they led.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.rule)?;
        self.trace.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

/// The states seen, each with the one before it.
struct Seen<S> {
    states: Vec<(S, usize)>,
    numbers: BTreeMap<S, usize>,
}

impl<S: Clone + Ord + Debug> Seen<S> {
    /// Notes a state, unless it was seen.
    fn add(&mut self, state: S, from: usize) {
        let number = self.states.len();
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.numbers.entry(state) {
            self.states.push((vacant.key().clone(), from));
            vacant.insert(number);
        }
    }

    fn way(&self, to: usize) -> Vec<String> {
        let mut at = to;
        let mut way = vec![format!("{:?}", self.states[at].0)];
        while self.states[at].1 != at {
            at = self.states[at].1;
            way.push(format!("{:?}", self.states[at].0));
        }
        way.reverse();
        way
    }
}

/// Visits every state from `start`, at most `limit` of them.
///
/// # Errors
/// [`Found`]: `broken` names a rule for a state.
pub fn explore<S: Clone + Ord + Debug>(
    start: S,
    limit: usize,
    next: impl Fn(&S) -> Vec<S>,
    broken: impl Fn(&S) -> Option<String>,
) -> Result<Covered, Box<Found>> {
    let mut seen = Seen { states: vec![(start.clone(), 0)], numbers: BTreeMap::from([(start, 0)]) };
    let (mut at, mut steps) = (0, 0);
    while at < seen.states.len() {
        if at == limit {
            return Ok(Covered { states: at, steps, is_cut_short: true });
        }
        let state = seen.states[at].0.clone();
        if let Some(rule) = broken(&state) {
            return Err(Box::new(Found { rule, trace: seen.way(at) }));
        }
        for after in next(&state) {
            steps += 1;
            seen.add(after, at);
        }
        at += 1;
    }
    Ok(Covered { states: at, steps, is_cut_short: false })
}

/// Whether from every state with `due` some state with `done` can be reached.
///
/// # Errors
/// [`Found`]: the nearest state from which none can.
pub fn always_possible<S: Clone + Ord + Debug>(
    start: S,
    next: impl Fn(&S) -> Vec<S>,
    due: impl Fn(&S) -> bool,
    done: impl Fn(&S) -> bool,
) -> Result<Covered, Box<Found>> {
    let mut seen = Seen { states: vec![(start.clone(), 0)], numbers: BTreeMap::from([(start, 0)]) };
    let mut before: Vec<Vec<usize>> = Vec::new();
    let (mut at, mut steps) = (0, 0);
    while at < seen.states.len() {
        let state = seen.states[at].0.clone();
        for after in next(&state) {
            steps += 1;
            seen.add(after.clone(), at);
            let number = seen.numbers[&after];
            before.resize(before.len().max(number + 1), Vec::new());
            before[number].push(at);
        }
        at += 1;
    }
    before.resize(at, Vec::new());
    let mut can = vec![false; at];
    let mut open: Vec<usize> = (0..at).filter(|number| done(&seen.states[*number].0)).collect();
    while let Some(number) = open.pop() {
        if !std::mem::replace(&mut can[number], true) {
            open.extend(before[number].iter().filter(|before| !can[**before]));
        }
    }
    match (0..at).find(|number| !can[*number] && due(&seen.states[*number].0)) {
        Some(number) => {
            Err(Box::new(Found { rule: "no way out".to_owned(), trace: seen.way(number) }))
        }
        None => Ok(Covered { states: at, steps, is_cut_short: false }),
    }
}
