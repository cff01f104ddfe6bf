//! The figures that a scenario expects when all its steps are played, against those of a book.
//!
//! Every figure is compared to the last unit, and none is taken from the file into the book. What
//! the file says of a run in between is compared with what the entries inside its cut add up to.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use talea_ledger::view::decisions::{Question, Vote, decisions};
use talea_ledger::view::runs::{Run, runs};
use talea_protocol::act::{Act, Ballots, Choice, Content};
use talea_protocol::bytes::Month;
use talea_protocol::hash::EntryId;

use crate::book::Book;

mod balances;
mod months;

/// Participation, support and opposition are expected under these names.
const SHARES: [&str; 3] = ["yes_ubp", "no_ubp", "participation_ubp"];
/// Shares of votes are in millionths of a basis point.
const PER_BP: u64 = 1_000_000;

/// One figure.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub what: String,
    /// What the file says; nothing if the file has no such figure.
    pub expected: Option<i128>,
    /// What the book says.
    pub found: i128,
}

impl Figure {
    /// Whether they are the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.expected == Some(self.found)
    }
}

/// Compares all that the file expects when all its steps are played: every decision, run and
/// payment, members, balances, the journal, the allocation, flows and words.
///
/// Each figure that the file has is asked, and each of these kinds that the book has.
#[must_use]
pub fn compare(expected: &Value, book: &Book) -> Vec<Figure> {
    let proposals = proposals(book);
    let mut figures = Figures { expected, book, all: Vec::new() };
    let names = |field: &str| expected[field].as_object().into_iter().flatten();
    for (name, _) in names("decisions") {
        figures.decision(name, proposals.get(name).copied().unwrap_or(EntryId::ZERO));
    }
    figures.runs();
    figures.members();
    figures.trial_balance();
    figures.journal();
    figures.allocation();
    figures.flows();
    figures.words();
    figures.all
}

/// The entries that the file's proposals have become: each says its name in its words.
#[must_use]
pub fn proposals(book: &Book) -> BTreeMap<String, EntryId> {
    let all = book.entries().filter(|entry| {
        matches!(entry.content(), Content::Known(Act::Propose(_) | Act::Motion(_)))
    });
    let named = all.filter_map(|entry| {
        let (name, _) = book.note(&entry.id())?.split_once(':')?;
        Some((name.to_owned(), entry.id()))
    });
    named.collect()
}

struct Figures<'a> {
    expected: &'a Value,
    book: &'a Book,
    all: Vec<Figure>,
}

impl Figures<'_> {
    fn add(&mut self, what: impl Into<String>, expected: &Value, found: impl Into<i128>) {
        let expected = expected.as_i64().map(i128::from);
        self.all.push(Figure { what: what.into(), expected, found: found.into() });
    }

    /// A figure that the file does not have is expected to be zero: it names only those who get.
    fn add_or_zero(&mut self, what: impl Into<String>, expected: &Value, found: impl Into<i128>) {
        let zero = Value::from(0);
        self.add(what, if expected.is_null() { &zero } else { expected }, found);
    }

    /// What is no number is the same, or is not.
    fn same(&mut self, what: impl Into<String>, expected: &Value, found: &Value) {
        self.add(what, &Value::from(1), i128::from(expected == found));
    }

    fn decision(&mut self, name: &str, id: EntryId) {
        let expected = &self.expected["decisions"][name];
        let all = decisions(self.book.register(), self.book.state());
        let Some(question) = all.into_iter().find(|question| question.id == id) else {
            return self.add(format!("{name} is decided"), &Value::from(1), 0);
        };
        self.same(format!("{name} rule"), &expected["rule"], &rule(&question));
        self.same(format!("{name} outcome"), &expected["outcome"], &outcome(&question));
        self.advisory(name, &expected["advisory"], &question);
        let tally = &question.tally;
        if expected["per_college"].is_null() {
            self.add(format!("{name} yes"), &expected["yes"], tally.yes);
            self.add(format!("{name} no"), &expected["no"], tally.no);
            let blocks = |vote: &&Vote| vote.choice == Some(Choice::Block);
            let by = question.votes.iter().filter(blocks).map(|vote| self.book.handle(vote.member));
            let by = by.collect::<Vec<_>>().into();
            return self.same(format!("{name} blocked by"), &expected["blocked_by"], &by);
        }
        for (share, found) in SHARES.iter().zip([tally.yes, tally.no, tally.participation]) {
            self.add(format!("{name} {share}"), &expected[share], found);
        }
        let enough = tally.participation >= u64::from(question.quorum.value()) * PER_BP;
        self.same(format!("{name} quorum met"), &expected["quorum_met"], &enough.into());
        let colleges = &self.book.register().charter().colleges;
        for (college, ballots) in colleges.iter().zip(&tally.colleges) {
            let college = college.code.as_str();
            self.ballots(&format!("{name} {college}"), &expected["per_college"][college], ballots);
        }
        self.ineligible(name, &expected["ineligible_votes"], &question);
    }

    /// Who has no vote has none: neither a seat nor an answer. The file names no others.
    fn ineligible(&mut self, name: &str, expected: &Value, question: &Question) {
        let all = expected.as_array().into_iter().flatten();
        let outside = |who: &&Value| {
            let member = who.as_str().and_then(|who| self.book.member(who));
            member.is_some_and(|member| question.votes.iter().all(|vote| vote.member != member))
        };
        let found: Vec<Value> = all.filter(outside).cloned().collect();
        self.same(format!("{name} ineligible votes"), expected, &found.into());
    }

    fn ballots(&mut self, name: &str, expected: &Value, ballots: &Ballots) {
        let Ballots { eligible, yes, no, abstain } = *ballots;
        for (what, found) in
            [("eligible", eligible), ("yes", yes), ("no", no), ("abstain", abstain)]
        {
            self.add(format!("{name} {what}"), &expected[what], found);
        }
    }

    fn advisory(&mut self, name: &str, expected: &Value, question: &Question) {
        let advisory = question.votes.iter().filter(|vote| !vote.binding);
        let found: serde_json::Map<String, Value> = advisory
            .map(|vote| {
                let choice = serde_json::to_value(vote.choice).unwrap_or_default();
                (self.book.handle(vote.member), choice)
            })
            .collect();
        self.same(format!("{name} advisory votes"), expected, &found.into());
    }

    fn run_of(&self, period: Month) -> Option<Run> {
        runs(self.book.state()).into_iter().find(|run| run.period == period)
    }
}

/// How votes were weighed in the end.
fn rule(question: &Question) -> Value {
    let name = |method| serde_json::to_value(method).unwrap_or_default();
    match question.course.fallback.filter(|_| question.tally.blocks > 0) {
        None => name(question.method),
        Some(fallback) => {
            format!("{} after block", name(fallback).as_str().unwrap_or_default()).into()
        }
    }
}

fn outcome(question: &Question) -> Value {
    let outcome = question.decision.map(|decision| decision.outcome);
    serde_json::to_value(outcome).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::tests::{QUARTER, played};
    use crate::scenario::Scenario;

    #[test]
    fn the_quarter_comes_out_to_the_cent() {
        let scenario = Scenario::parse(QUARTER).unwrap();
        let play = played(&scenario, 139).unwrap();
        let figures = compare(&scenario.expected, play.book());
        let differing: Vec<&Figure> = figures.iter().filter(|figure| !figure.agrees()).collect();
        assert!(differing.is_empty(), "{differing:?}");
        assert!(figures.len() > 400, "{}", figures.len());
    }

    /// Every place in a value at which there is no list and no record.
    fn leaves(value: &Value, at: &str, all: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| leaves(value, &format!("{at}/{key}"), all));
            }
            Value::Array(items) => {
                (0..).zip(items).for_each(|(n, value)| leaves(value, &format!("{at}/{n}"), all));
            }
            _ => all.push(at.to_owned()),
        }
    }

    #[test]
    fn whatever_is_changed_in_what_the_file_expects_is_noticed() {
        let scenario = Scenario::parse(QUARTER).unwrap();
        let play = played(&scenario, 139).unwrap();
        let mut all = Vec::new();
        leaves(&scenario.expected, "", &mut all);
        assert!(all.len() > 300, "{}", all.len());
        for at in all {
            let mut expected = scenario.expected.clone();
            let leaf = expected.pointer_mut(&at).unwrap();
            *leaf = match &*leaf {
                Value::Number(number) => (number.as_i64().unwrap() + 1).into(),
                Value::Bool(is) => (!is).into(),
                text => format!("{} and more", text.as_str().unwrap()).into(),
            };
            let figures = compare(&expected, play.book());
            assert!(figures.iter().any(|figure| !figure.agrees()), "{at}");
        }
    }
}
