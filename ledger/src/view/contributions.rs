//! Contributions that count: who gave what, who attested it, what it earned, and what was said
//! against it or put right.

use serde::Serialize;
use talea_protocol::act::Contribution;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::contest::{Correction, Dispute};
use crate::contribution::{Credit, Record};
use crate::register::Register;
use crate::state::State;

/// A contribution.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Given {
    /// The entry.
    pub id: EntryId,
    /// Who gave the work.
    pub author: Member,
    /// What was stated.
    #[serde(flatten)]
    pub act: Contribution,
    /// Members who must attest it.
    pub needed: u8,
    /// Attestations that count, in their order.
    pub attestations: Vec<Attested>,
    /// Before vesting: hundredths of credits, or minutes of care. Zero until attested.
    pub nominal: i64,
    /// Hundredths of livelihood credits.
    pub livelihood: i64,
    /// Hundredths of love credits.
    pub love: i64,
    /// Minutes of care.
    pub care: i64,
    /// What is left of the quantity after corrections.
    pub left: i64,
    /// Whether a dispute keeps runs from taking it in.
    pub held: bool,
    /// Disputes, by id.
    pub disputes: Vec<Disputed>,
    /// Corrections, by id.
    pub corrections: Vec<Corrected>,
}

/// A dispute.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Disputed {
    /// The entry.
    pub id: EntryId,
    /// Who disputes.
    pub member: Member,
    /// The withdrawal or the decision that ended it; of several, the one with the lowest id.
    pub ended: Option<EntryId>,
}

/// A correction.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Corrected {
    /// The author's entry, or the decision.
    pub id: EntryId,
    /// What is added to the quantity.
    pub difference: i64,
    /// Whether the members decided it.
    pub decided: bool,
}

/// Another member's word.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Attested {
    /// The entry.
    pub id: EntryId,
    /// Who attests.
    pub member: Member,
}

/// Every contribution that counts, by the last day of the work, then by id.
#[must_use]
pub fn contributions(state: &State) -> Vec<Given> {
    in_order(state.work().iter().map(|(id, record)| given(*id, record)))
}

/// Those of one member, in the same order: only what its own devices have written is looked at.
#[must_use]
pub fn contributions_of(register: &Register, state: &State, member: Member) -> Vec<Given> {
    let devices = register.devices_of(member);
    let ids = devices.flat_map(|(device, _)| state.chains().ids(device));
    in_order(ids.filter_map(|id| Some(given(*id, state.work().record(id)?))))
}

fn in_order(all: impl Iterator<Item = Given>) -> Vec<Given> {
    let mut all: Vec<Given> = all.collect();
    all.sort_by_key(|given| (given.act.end, given.id));
    all
}

fn given(id: EntryId, record: &Record) -> Given {
    let Credit { nominal, livelihood, love, care } = record.credit;
    let attested = record.attestations.iter().map(|a| Attested { id: a.id, member: a.member });
    let contest = record.contest();
    let disputed = |it: &Dispute| Disputed {
        id: it.id,
        member: it.member,
        ended: it.ends.first().map(|(by, _)| *by),
    };
    let corrected =
        |it: &Correction| Corrected { id: it.id, difference: it.difference, decided: it.decided };
    Given {
        id,
        author: record.author,
        act: record.act(),
        needed: record.needed,
        attestations: attested.collect(),
        nominal,
        livelihood,
        love,
        care,
        left: record.quantity(|_| true),
        held: record.is_held(|_| true),
        disputes: contest.iter().flat_map(|it| it.disputes()).map(disputed).collect(),
        corrections: contest.iter().flat_map(|it| it.corrections()).map(corrected).collect(),
    }
}
