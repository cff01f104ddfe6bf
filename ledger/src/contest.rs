//! What is said against a contribution, or put right about it, after it was made.
//!
//! Disputes, their ends and corrections are sets: what follows from them inside a cut depends on no
//! order. Only a device's own corrections are judged in the order of its chain, so that they never
//! take more than was claimed. Design's domain, section 1; README, rules 85 to 88.

use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::chain::Place;

/// Another member's word against a contribution.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dispute {
    /// The entry.
    pub id: EntryId,
    /// Who disputes.
    pub member: Member,
    /// Where the entry stands.
    pub place: Place,
    /// Withdrawals and decisions that end it, by id: any of them does.
    pub ends: Vec<(EntryId, Place)>,
}

/// What was put right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Correction {
    /// The author's entry, or the decision.
    pub id: EntryId,
    /// Where it stands.
    pub place: Place,
    /// What is added to the quantity.
    pub difference: i64,
    /// Whether the members decided it.
    pub decided: bool,
}

/// All of it, for one contribution, by id.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Contest {
    disputes: Vec<Dispute>,
    corrections: Vec<Correction>,
}

impl Contest {
    /// Disputes, by id.
    #[must_use]
    pub fn disputes(&self) -> &[Dispute] {
        &self.disputes
    }

    /// Corrections, by id.
    #[must_use]
    pub fn corrections(&self) -> &[Correction] {
        &self.corrections
    }

    /// Takes in a dispute.
    pub fn dispute(&mut self, dispute: Dispute) {
        let at = self.disputes.partition_point(|before| before.id < dispute.id);
        self.disputes.insert(at, dispute);
    }

    /// Takes in the end of a dispute.
    pub fn end(&mut self, dispute: &EntryId, by: EntryId, place: Place) {
        if let Some(dispute) = self.disputes.iter_mut().find(|held| held.id == *dispute) {
            let at = dispute.ends.partition_point(|(before, _)| *before < by);
            dispute.ends.insert(at, (by, place));
        }
    }

    /// Takes in a correction.
    pub fn correct(&mut self, correction: Correction) {
        let at = self.corrections.partition_point(|before| before.id < correction.id);
        self.corrections.insert(at, correction);
    }

    /// Whether a dispute is open, by what `inside` admits.
    pub fn is_open(&self, inside: impl Fn(Place) -> bool) -> bool {
        let ended = |dispute: &Dispute| dispute.ends.iter().any(|(_, place)| inside(*place));
        self.disputes.iter().any(|dispute| inside(dispute.place) && !ended(dispute))
    }

    /// The sum of the corrections that `inside` admits.
    pub fn difference(&self, inside: impl Fn(Place) -> bool) -> i128 {
        let counted = self.corrections.iter().filter(|correction| inside(correction.place));
        counted.map(|correction| i128::from(correction.difference)).sum()
    }

    /// What a device's own corrections come to.
    #[must_use]
    pub fn difference_of(&self, device: u32) -> i128 {
        let own =
            |correction: &&Correction| correction.place.device == device && !correction.decided;
        self.corrections.iter().filter(own).map(|it| i128::from(it.difference)).sum()
    }
}
