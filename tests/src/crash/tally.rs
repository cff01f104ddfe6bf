//! What came of each trial: counted by kind and outcome.
//!
//! The one outcome that must never be: a node that opens with fewer acknowledged entries and says
//! nothing. It is computed from what the observer found missing, and nothing else decides it.

use std::collections::BTreeMap;
use std::fmt;

use crate::chance::Chance;
use crate::crash::scene::{Caller, Whose};
use crate::observer::{Fault, Observer};
use crate::process::Talead;

/// What a node did that was started on a disk after something had happened to it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Outcome {
    /// Everything that was acknowledged is there, in its place, under checkpoints that fit.
    Whole,
    /// It runs, and says at `/readyz` that something is missing, and signs nothing for it.
    Held(String),
    /// It answers reads with an error.
    Unreadable(String),
    /// It does not start, and says why.
    Refused(String),
    /// It runs, says nothing, and something is not there or not what it was.
    Silent(Vec<Fault>),
    /// It runs under another key.
    Other,
    /// It does not start, or ends, and says nothing.
    Mute,
}

impl Outcome {
    const fn name(&self) -> &'static str {
        match self {
            Self::Whole => "all there",
            Self::Held(_) => "says what is missing, and signs nothing",
            Self::Unreadable(_) => "a read error",
            Self::Refused(_) => "does not start, with a reason",
            Self::Silent(_) => "fewer acknowledged entries and no error",
            Self::Other => "it is another node and does not know it",
            Self::Mute => "ended without a word",
        }
    }
}

/// Starts a node and holds it to what an observer has heard.
pub fn examine(
    node: &mut Talead,
    whose: Whose,
    observer: &mut Observer,
    chance: &mut Chance,
) -> Outcome {
    if let Err(ended) = node.try_start() {
        let exited = ended.status.and_then(|status| status.code()) == Some(1);
        let said = ended.said.trim().to_owned();
        return if exited && !said.is_empty() { Outcome::Refused(said) } else { Outcome::Mute };
    }
    look(node, whose, observer, chance)
}

/// Holds a running node to what an observer has heard.
pub fn look(node: &Talead, whose: Whose, observer: &mut Observer, chance: &mut Chance) -> Outcome {
    if node.node() != whose.node {
        return Outcome::Other;
    }
    let mut caller = match Caller::new(node, whose.cooperative, whose.ahead) {
        Ok(caller) => caller,
        Err(cause) => return Outcome::Unreadable(cause.to_string()),
    };
    match caller.not_ready() {
        Ok(None) => {}
        Ok(Some(reasons)) => return Outcome::Held(reasons),
        Err(cause) => return Outcome::Unreadable(cause.to_string()),
    }
    let looked = caller.inspect(observer, chance);
    if !observer.faults().is_empty() {
        return Outcome::Silent(observer.faults().iter().cloned().collect());
    }
    match looked {
        Ok(()) => Outcome::Whole,
        Err(cause) => Outcome::Unreadable(cause.to_string()),
    }
}

/// Trials counted by kind and outcome, and an example of each that was not the best.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rows: BTreeMap<(String, &'static str), (u64, Option<String>)>,
    bad: Vec<String>,
}

impl Tally {
    /// Counts a trial.
    pub fn count(&mut self, kind: impl Into<String>, outcome: &Outcome) {
        let kind = kind.into();
        let example = match outcome {
            Outcome::Whole | Outcome::Other | Outcome::Mute => None,
            Outcome::Held(said) | Outcome::Unreadable(said) | Outcome::Refused(said) => {
                said.lines().next().map(str::to_owned)
            }
            Outcome::Silent(faults) => Some(format!("{faults:?}")),
        };
        if matches!(outcome, Outcome::Silent(_) | Outcome::Other | Outcome::Mute) {
            self.bad.push(format!("{kind}: {}: {example:?}", outcome.name()));
        }
        let row = self.rows.entry((kind, outcome.name())).or_default();
        row.0 += 1;
        row.1 = row.1.take().or(example);
    }

    /// Notes something else that must not be.
    pub fn wrong(&mut self, what: impl Into<String>) {
        self.bad.push(what.into());
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: Self) {
        for (key, (count, example)) in other.rows {
            let row = self.rows.entry(key).or_default();
            row.0 += count;
            row.1 = row.1.take().or(example);
        }
        self.bad.extend(other.bad);
    }

    /// How many trials of this kind ended in this way.
    #[must_use]
    pub fn of(&self, kind: &str, outcome: &Outcome) -> u64 {
        self.rows.get(&(kind.to_owned(), outcome.name())).map_or(0, |(count, _)| *count)
    }

    /// All trials.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.rows.values().map(|(count, _)| count).sum()
    }

    /// Trials in which a node opened with fewer acknowledged entries and said nothing.
    #[must_use]
    pub fn silent(&self) -> u64 {
        let silent = Outcome::Silent(Vec::new()).name();
        let rows = self.rows.iter().filter(|((_, outcome), _)| *outcome == silent);
        rows.map(|(_, (count, _))| count).sum()
    }

    /// All that must not be.
    #[must_use]
    pub fn bad(&self) -> &[String] {
        &self.bad
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what happened | what the node did | trials | in its words |")?;
        writeln!(f, "|---|---|---|---|")?;
        for ((kind, outcome), (count, example)) in &self.rows {
            let example: String = example.iter().flat_map(|text| text.chars()).take(160).collect();
            writeln!(f, "| {kind} | {outcome} | {count} | {} |", example.replace('|', "/"))?;
        }
        for bad in &self.bad {
            writeln!(f, "WRONG: {bad}")?;
        }
        write!(f, "opened with fewer acknowledged entries and no error: {}", self.silent())
    }
}
