//! A scenario, played: every step signed by its author and added up here.
//!
//! The same ledger that the nodes run says at once whether a step counts; one that does not ends
//! the play. Where the entries go, and through which node, is the caller's business.

use std::collections::BTreeMap;

use talea_ledger::place::Refusal as Refused;
use talea_ledger::verdict::{Need, Verdict, Void};
use talea_protocol::charter::{Roster, Visibility};
use talea_protocol::entry::{Header, Refusal, Signed};
use talea_protocol::key::SecretKey;

use crate::book::{Book, Unplaced};
use crate::journal::{Draft, Payload};
use crate::scenario::{Planned, Scenario, ScenarioFault, Script, Step};

/// Why a play cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PlayFault {
    /// The step has no act.
    #[error(transparent)]
    Scenario(#[from] ScenarioFault),
    /// The act makes no entry.
    #[error("step {n}: {refusal}")]
    Refused {
        /// The step.
        n: u32,
        /// The rule.
        refusal: Refusal,
    },
    /// The entry has no place.
    #[error("step {n}: {unplaced}")]
    Unplaced {
        /// The step.
        n: u32,
        /// Why.
        unplaced: Unplaced,
    },
    /// The entry adds nothing.
    #[error("step {n} is void: {void}")]
    Void {
        /// The step.
        n: u32,
        /// The rule.
        void: Void,
    },
    /// The entry names what is not there.
    #[error("step {n} waits for {need:?}")]
    Pending {
        /// The step.
        n: u32,
        /// What for.
        need: Need,
    },
    /// Its author has no key, or no place in the register.
    #[error("step {n}: `{author}` has no key or no place in the register")]
    Author {
        /// The step.
        n: u32,
        /// The author.
        author: String,
    },
}

impl PlayFault {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Scenario(ScenarioFault::Step { n, .. }) => {
                format!(
                    "change that step of the file, or stop before it with --until {}",
                    n.saturating_sub(1)
                )
            }
            Self::Scenario(_) => "compare with tests/data/passerelles-q1.json".to_owned(),
            Self::Refused { n, .. }
            | Self::Unplaced { n, .. }
            | Self::Void { n, .. }
            | Self::Pending { n, .. }
            | Self::Author { n, .. } => {
                format!("change step {n} of the file so that the rule holds")
            }
        }
    }
}

/// A step, signed.
#[derive(Debug)]
pub struct Made {
    /// The step's number.
    pub n: u32,
    /// The author's handle.
    pub author: String,
    /// The entry.
    pub entry: Signed,
    /// Its payload.
    pub payload: Option<Payload>,
    /// Why it has no place, if it is one that the file expects to have none.
    pub refused: Option<Refused>,
}

/// A scenario under way.
pub struct Play<'a> {
    script: Script<'a>,
    book: Book,
}

impl<'a> Play<'a> {
    /// Founds, with these keys for the members and this roster. The salt binds the names.
    ///
    /// # Errors
    /// [`PlayFault`].
    pub fn found(
        scenario: &'a Scenario,
        keys: BTreeMap<String, SecretKey>,
        (roster, visibility): (Roster, Visibility),
        salt: &[u8; 32],
    ) -> Result<(Self, Made), PlayFault> {
        let mut script = Script::new(scenario, keys);
        let planned = script.charter(roster, visibility)?;
        let first = scenario.steps().first().ok_or(ScenarioFault::Shape)?;
        let n = first.n;
        let key = script.key(&planned.author).ok_or_else(|| nobody(n, &planned.author))?;
        let header = Header::founding(key.device(), planned.time);
        let made = sign(n, &planned, header, key, salt)?;
        let mut book = Book::found(made.entry.clone())
            .map_err(|unplaced| PlayFault::Unplaced { n, unplaced })?;
        read_names(&mut book, &made, &planned);
        script.done(first, made.entry.id(), &planned.act);
        Ok((Self { script, book }, made))
    }

    /// Plays the next step: signed, and added up. A vote that the file says is nobody's who may
    /// vote, by a member that has left, is signed all the same, and refused.
    ///
    /// # Errors
    /// [`PlayFault`]; the play is over.
    pub fn step(&mut self, step: &Step, salt: &[u8; 32]) -> Result<Made, PlayFault> {
        let planned = self.script.plan(step, &self.book)?;
        if self.script.is_ineligible(step) {
            return self.refuse(step.n, &planned, salt);
        }
        let made = self.make(step.n, &planned, salt)?;
        self.script.done(step, made.entry.id(), &planned.act);
        Ok(made)
    }

    /// What the registrar writes because of the step that was played last: the departure of
    /// whoever leaves. To be asked after every step.
    ///
    /// # Errors
    /// [`PlayFault`]; the play is over.
    pub fn follow(&mut self, step: &Step, salt: &[u8; 32]) -> Result<Option<Made>, PlayFault> {
        let planned = self.script.follow(step, &self.book)?;
        planned.map(|planned| self.make(step.n, &planned, salt)).transpose()
    }

    fn make(&mut self, n: u32, planned: &Planned, salt: &[u8; 32]) -> Result<Made, PlayFault> {
        let key = self.script.key(&planned.author).ok_or_else(|| nobody(n, &planned.author))?;
        let header = self.book.header(&key.device(), planned.time);
        let header = header.ok_or_else(|| nobody(n, &planned.author))?;
        let made = sign(n, planned, header, key, salt)?;
        let unplaced = |unplaced| PlayFault::Unplaced { n, unplaced };
        self.book.add(made.entry.clone()).map_err(unplaced)?;
        read_names(&mut self.book, &made, planned);
        match self.book.verdict(&made.entry.id()) {
            Some(Verdict::Void(void)) => Err(PlayFault::Void { n, void }),
            Some(Verdict::Pending(need)) => Err(PlayFault::Pending { n, need }),
            Some(Verdict::Counted) | None => Ok(made),
        }
    }

    /// Signs what has no place, and says by which rule. If it has one, it is added.
    fn refuse(&mut self, n: u32, planned: &Planned, salt: &[u8; 32]) -> Result<Made, PlayFault> {
        let key = self.script.key(&planned.author).ok_or_else(|| nobody(n, &planned.author))?;
        let header = self.book.ended_header(&key.device(), planned.time);
        let header = header.ok_or_else(|| nobody(n, &planned.author))?;
        let made = sign(n, planned, header, key, salt)?;
        match self.book.add(made.entry.clone()) {
            Ok(()) => Ok(made),
            Err(Unplaced::Refused(refused)) => Ok(Made { refused: Some(refused), ..made }),
            Err(unplaced) => Err(PlayFault::Unplaced { n, unplaced }),
        }
    }

    /// Adds an entry that is no step of the scenario.
    ///
    /// # Errors
    /// [`Unplaced`].
    pub fn add(&mut self, entry: Signed) -> Result<(), Unplaced> {
        self.book.add(entry)
    }

    /// What the steps so far add up to.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// The same, to compute the state's root.
    pub const fn book_mut(&mut self) -> &mut Book {
        &mut self.book
    }

    /// A member's key.
    #[must_use]
    pub fn key(&self, handle: &str) -> Option<&SecretKey> {
        self.script.key(handle)
    }
}

fn sign(
    n: u32,
    planned: &Planned,
    header: Header,
    key: &SecretKey,
    salt: &[u8; 32],
) -> Result<Made, PlayFault> {
    let refused = |refusal| PlayFault::Refused { n, refusal };
    let payload = planned.payload.as_deref().map(|bytes| (salt, bytes));
    let draft = Draft::new(header, &planned.act, payload).map_err(refused)?;
    let entry = draft.sign(key).map_err(refused)?;
    let author = planned.author.clone();
    Ok(Made { n, author, entry, payload: draft.payload().cloned(), refused: None })
}

fn read_names(book: &mut Book, made: &Made, planned: &Planned) {
    if let Some(payload) = &planned.payload {
        book.read_payload(&made.entry.id(), payload);
    }
}

fn nobody(n: u32, author: &str) -> PlayFault {
    PlayFault::Author { n, author: author.to_owned() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use talea_protocol::bytes::List;

    /// The worked quarter.
    pub(crate) const QUARTER: &str = include_str!("../../tests/data/passerelles-q1.json");

    /// Plays the worked quarter up to and with a step.
    pub(crate) fn played(scenario: &Scenario, until: u32) -> Result<Play<'_>, PlayFault> {
        let keys = (1_u8..)
            .zip(scenario.handles())
            .map(|(n, handle)| (handle.to_owned(), SecretKey::from_seed(&[n; 32])))
            .collect();
        let node = SecretKey::from_seed(&[99; 32]).node();
        let nodes = List::try_from(vec![node]).unwrap();
        let roster = Roster { nodes, faulty: 0, quorum: 1 };
        let (mut play, _) = Play::found(scenario, keys, (roster, Visibility::Private), &[7; 32])?;
        for step in scenario.steps().iter().skip(1).filter(|step| step.n <= until) {
            play.step(step, &[7; 32])?;
            play.follow(step, &[7; 32])?;
        }
        Ok(play)
    }

    #[test]
    fn january_of_the_worked_quarter_counts_entry_by_entry() {
        let scenario = Scenario::parse(QUARTER).unwrap();
        let play = played(&scenario, 53).unwrap();
        assert_eq!(play.book().entries().count(), 53);
        for entry in play.book().entries() {
            assert_eq!(play.book().verdict(&entry.id()), Some(Verdict::Counted));
        }
    }

    #[test]
    fn a_step_that_this_version_has_no_act_for_is_named() {
        let text = QUARTER.replacen("\"consent\"", "\"by lot\"", 1);
        let scenario = Scenario::parse(&text).unwrap();
        let fault = played(&scenario, 54).err().unwrap().to_string();
        assert!(fault.starts_with("step 54 (proposal, 2026-02-03):"), "{fault}");
        assert!(fault.contains("by lot"), "{fault}");
    }

    #[test]
    fn the_whole_quarter_counts_entry_by_entry() {
        let scenario = Scenario::parse(QUARTER).unwrap();
        let play = played(&scenario, 139).unwrap();
        for entry in play.book().entries() {
            assert_eq!(play.book().verdict(&entry.id()), Some(Verdict::Counted));
        }
        // Without the vote of who has left; with the departure, which the file does not count.
        assert_eq!(play.book().entries().count(), 139 - 1 + 1);
    }

    #[test]
    fn a_vote_by_who_has_left_is_signed_and_refused_as_the_file_expects() {
        let scenario = Scenario::parse(QUARTER).unwrap();
        let mut play = played(&scenario, 136).unwrap();
        let step = &scenario.steps()[136];
        assert_eq!((step.n, step.author.as_str()), (137, "gael"));
        let made = play.step(step, &[7; 32]).unwrap();
        assert_eq!(made.refused.map(|refused| refused.rule()), Some(12));
        assert_eq!(play.book().entries().count(), 137);
        let elsewhere = QUARTER.replacen("\"ineligible_votes\": [\n", "\"others\": [\n", 1);
        assert!(elsewhere.len() < QUARTER.len(), "the file names them");
        let scenario = Scenario::parse(&elsewhere).unwrap();
        let fault = played(&scenario, 137).err().unwrap();
        assert!(matches!(fault, PlayFault::Author { n: 137, .. }), "{fault}");
    }

    #[test]
    fn an_amount_of_zero_in_the_file_is_refused_with_its_step() {
        let text = QUARTER.replacen("\"amount\": 3600", "\"amount\": 0", 1);
        let scenario = Scenario::parse(&text).unwrap();
        let fault = played(&scenario, 53).err().unwrap().to_string();
        assert!(fault.starts_with("step 24 (expense, 2026-01-15):"), "{fault}");
    }

    #[test]
    fn an_income_above_what_is_open_is_void_and_ends_the_play() {
        let at = QUARTER.find("\"type\": \"income\"").unwrap();
        let (before, after) = QUARTER.split_at(at);
        let text = format!("{before}{}", after.replacen("144000", "144001", 1));
        let scenario = Scenario::parse(&text).unwrap();
        let fault = played(&scenario, 53).err().unwrap();
        assert!(matches!(fault, PlayFault::Void { n: 37, .. }), "{fault}");
    }
}
