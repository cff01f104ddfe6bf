//! Resources, offers and requests, agreements and commitments: what was made and drawn on, who is
//! bound, and what has been fulfilled.
//!
//! A resource counts as produced once enough members have confirmed the work. A commitment is
//! fulfilled by its author's confirmed contributions that name it, counted in what was promised.

use std::collections::BTreeMap;

use serde::Serialize;
use talea_protocol::act::{Agreement, Commit, Draw, Effect, Intent, Party, Taking};
use talea_protocol::bytes::Code;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::contribution::Record;
use crate::plan::Stated;
use crate::state::State;

/// A resource, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ResourceRow {
    /// Its name.
    pub code: Code,
    /// What it is measured in.
    pub unit: Code,
    /// Made.
    pub produced: i128,
    /// Used, and still there.
    pub used: i128,
    /// Cited, and still there.
    pub cited: i128,
    /// Used up.
    pub consumed: i128,
    /// Made and not used up; below zero if more was used up than anybody has said was made.
    pub left: i128,
}

/// An offer or a request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Offered {
    /// The entry.
    pub id: EntryId,
    /// Who.
    pub author: Member,
    /// What was said.
    #[serde(flatten)]
    pub act: Intent,
    /// Commitments that take it up.
    pub taken_up: Vec<EntryId>,
}

/// An agreement.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Agreed {
    /// The entry.
    pub id: EntryId,
    /// Who put it in writing.
    pub author: Member,
    /// What was agreed.
    pub act: Agreement,
    /// Who is bound, and by what.
    pub parties: Vec<Bound>,
}

/// A party of an agreement.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Bound {
    /// Who.
    pub party: Party,
    /// The entry or the decision that binds it; none before there is one.
    pub by: Option<EntryId>,
}

/// A commitment.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Committed {
    /// The entry.
    pub id: EntryId,
    /// Who promised.
    pub author: Member,
    /// What was promised.
    #[serde(flatten)]
    pub act: Commit,
    /// What fulfils it, by id.
    pub fulfilled: Vec<Fulfilment>,
    /// What is still to be done; never below zero.
    pub open: i128,
}

/// A contribution that fulfils a part of a commitment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Fulfilment {
    /// The contribution.
    pub id: EntryId,
    /// How much, in the unit of the commitment.
    pub quantity: i64,
}

/// Every resource, by name and unit.
#[must_use]
pub fn resources(state: &State) -> Vec<ResourceRow> {
    let mut sums: BTreeMap<(Code, Code), [i128; 4]> = BTreeMap::new();
    for (_, record) in state.work().iter() {
        let made = record.delivery().and_then(|(_, resource, _)| resource);
        if let Some(resource) = made.filter(|_| record.confirmed(|_| true) > 0) {
            let sum = sums.entry((resource.code.clone(), resource.unit.clone())).or_default();
            let [produced, ..] = sum;
            *produced += i128::from(resource.quantity.value());
        }
    }
    for Stated { act: Draw { taking, resource, .. }, .. } in state.plans().draws().values() {
        let sum = sums.entry((resource.code.clone(), resource.unit.clone())).or_default();
        let [_, used, cited, consumed] = sum;
        let of = match taking {
            Taking::Use => used,
            Taking::Cite => cited,
            Taking::Consume => consumed,
        };
        *of += i128::from(resource.quantity.value());
    }
    sums.into_iter().map(|(name, sums)| row(name, sums)).collect()
}

fn row((code, unit): (Code, Code), [produced, used, cited, consumed]: [i128; 4]) -> ResourceRow {
    ResourceRow { code, unit, produced, used, cited, consumed, left: produced - consumed }
}

/// Every offer and request, by id.
#[must_use]
pub fn intents(state: &State) -> Vec<Offered> {
    let plans = state.plans();
    let mut taken_up: BTreeMap<EntryId, Vec<EntryId>> = BTreeMap::new();
    for (id, held) in plans.commitments() {
        if let Some(intent) = held.act.intent {
            taken_up.entry(intent).or_default().push(*id);
        }
    }
    let offered = |(id, held): (&EntryId, &Stated<Intent>)| Offered {
        id: *id,
        author: held.author,
        act: held.act.clone(),
        taken_up: taken_up.get(id).cloned().unwrap_or_default(),
    };
    plans.intents().iter().map(offered).collect()
}

/// Every agreement, by id, with who is bound by it.
#[must_use]
pub fn agreements(state: &State) -> Vec<Agreed> {
    let mut decided: BTreeMap<EntryId, EntryId> = BTreeMap::new();
    for (decision, effect) in state.votes().orders() {
        if let Effect::Agree(id) = effect {
            decided.entry(*id).or_insert(*decision);
        }
    }
    let bound = |id: &EntryId, party: &Party| Bound {
        party: *party,
        by: match party {
            Party::Cooperative => decided.get(id).copied(),
            Party::Member(member) => state.plans().agreed(id, *member),
        },
    };
    let agreed = |(id, held): (&EntryId, &Stated<Agreement>)| Agreed {
        id: *id,
        author: held.author,
        act: held.act.clone(),
        parties: held.act.parties.iter().map(|party| bound(id, party)).collect(),
    };
    state.plans().agreements().iter().map(agreed).collect()
}

/// Every commitment, by id, with what fulfils it.
#[must_use]
pub fn commitments(state: &State) -> Vec<Committed> {
    let mut given: BTreeMap<EntryId, Vec<(EntryId, &Record)>> = BTreeMap::new();
    for (id, record) in state.work().iter() {
        if let Some(commitment) = record.delivery().and_then(|(.., it)| it.commitment) {
            given.entry(commitment).or_default().push((*id, record));
        }
    }
    let committed = |(id, held): (&EntryId, &Stated<Commit>)| {
        let fulfilled = fulfilled(given.get(id).map_or(&[], Vec::as_slice), held);
        let done: i128 = fulfilled.iter().map(|it| i128::from(it.quantity)).sum();
        let open = (i128::from(held.act.what.quantity.value()) - done).max(0);
        Committed { id: *id, author: held.author, act: held.act.clone(), fulfilled, open }
    };
    state.plans().commitments().iter().map(committed).collect()
}

/// What its author gave of what names a commitment.
fn fulfilled(given: &[(EntryId, &Record)], held: &Stated<Commit>) -> Vec<Fulfilment> {
    let own = given.iter().filter(|(_, record)| record.author == held.author);
    let mut all: Vec<Fulfilment> = own
        .filter_map(|(id, record)| {
            let quantity = done(record, &held.act)?;
            Some(Fulfilment { id: *id, quantity })
        })
        .collect();
    all.sort_unstable_by_key(|it| it.id);
    all
}

/// How much of what was promised a contribution has brought: its task's quantity, or what it
/// produced.
fn done(record: &Record, act: &Commit) -> Option<i64> {
    let confirmed = record.confirmed(|_| true);
    let made = record.delivery().and_then(|(_, resource, _)| resource);
    let made = made.filter(|it| it.code == act.what.code && it.unit == act.what.unit);
    let quantity = match made {
        Some(resource) if confirmed > 0 => resource.quantity.value(),
        None if record.act().task == act.what.code => confirmed,
        _ => 0,
    };
    (quantity > 0).then_some(quantity)
}
