//! How far members have come: the stage of each, as admitted and as moved since.
//!
//! A stage is asked for under a register entry; entries after it do not exist for it. Work asks for
//! the stage of its last day besides, so that no move is retroactive. Whether a move counts is
//! judged here; a decision behind it elsewhere. Design's domain, section 1; README, rule 89.

use std::collections::BTreeMap;

use talea_protocol::bytes::{Day, encode};
use talea_protocol::charter::{Kind, Member, Stage};
use talea_protocol::hash::EntryId;

use crate::register::Register;
use crate::terms::Terms;

/// A move to another stage that counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// Number of the register entry.
    pub number: u32,
    /// The register entry.
    pub id: EntryId,
    /// Place of the stage in the charter.
    pub stage: u8,
    /// Work that ends on this day or later vests by it.
    pub from: Day,
    /// The decision that it carries out, if it is by decision.
    pub decision: Option<EntryId>,
}

/// Every move that counts, by member, in the order of numbers.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    steps: BTreeMap<Member, Vec<Step>>,
    members: BTreeMap<EntryId, Member>,
}

/// What is in force: read under a register entry, and for a month or a day.
#[derive(Clone, Copy, Debug)]
pub struct Law<'a> {
    /// Members and charter.
    pub register: &'a Register,
    /// The charter as amended.
    pub terms: &'a Terms,
    /// How far members have come.
    pub stages: &'a Stages,
}

impl Stages {
    /// Takes in a move.
    pub fn add(&mut self, member: Member, step: Step) {
        self.members.insert(step.id, member);
        let steps = self.steps.entry(member).or_default();
        let at = steps.partition_point(|before| before.number < step.number);
        steps.insert(at, step);
    }

    /// A member's moves, in the order of numbers.
    #[must_use]
    pub fn of(&self, member: Member) -> &[Step] {
        self.steps.get(&member).map_or(&[], Vec::as_slice)
    }

    /// Whether a move has carried out this decision.
    #[must_use]
    pub fn executed(&self, member: Member, decision: &EntryId) -> bool {
        self.of(member).iter().any(|step| step.decision == Some(*decision))
    }

    /// The value of a move's row: whose it is, the stage, and from when.
    #[must_use]
    pub fn row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let member = self.members.get(id)?;
        let step = self.of(*member).iter().find(|step| step.id == *id)?;
        Some(encode(&(*member, step.stage, step.from)))
    }
}

impl<'a> Law<'a> {
    /// A member's stage at register entry `at`.
    #[must_use]
    pub fn stage(&self, member: Member, at: u32) -> Option<&'a Stage> {
        self.newest(member, |step| step.number <= at)
    }

    /// The stage by which a member's work vests that ends on this day, under register entry `at`.
    #[must_use]
    pub fn vesting(&self, member: Member, at: u32, end: Day) -> Option<&'a Stage> {
        self.newest(member, |step| step.number <= at && step.from <= end)
    }

    /// Whether a member's vote binds at register entry `at`.
    #[must_use]
    pub fn is_binding(&self, member: Member, at: u32) -> bool {
        self.register.member(member).is_some_and(|record| record.kind != Kind::Machine)
            && self.stage(member, at).is_some_and(|stage| stage.binding_vote)
    }

    fn newest(&self, member: Member, holds: impl Fn(&Step) -> bool) -> Option<&'a Stage> {
        let admitted = self.register.member(member)?.stage;
        let steps = self.stages.of(member).iter().rev();
        let stage = steps.into_iter().find(|step| holds(step)).map_or(admitted, |step| step.stage);
        self.register.charter().stages.get(usize::from(stage))
    }
}
