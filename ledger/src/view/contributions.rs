//! Contributions that count: who gave what, who attested it, what it earned.

use serde::Serialize;
use talea_protocol::act::Contribution;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::contribution::{Credit, Record};
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
    let mut all: Vec<Given> = state.work().iter().map(|(id, record)| given(*id, record)).collect();
    all.sort_by_key(|given| (given.act.end, given.id));
    all
}

fn given(id: EntryId, record: &Record) -> Given {
    let Credit { nominal, livelihood, love, care } = record.credit;
    let attested = record.attestations.iter().map(|a| Attested { id: a.id, member: a.member });
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
    }
}
