//! Devices that wrote twice in one place: proven, healed, and what can settle no more because of it.
//!
//! Any two signed headers are the proof, whether a node kept it in a leaf or two logs show one each.
//! A settled register entry may have ended the quarrel; then what it says goes.

use std::collections::BTreeMap;

use talea_ledger::register::Register;
use talea_protocol::act::{Act, Content};
use talea_protocol::entry::{Signed, SignedHeader};
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;

use super::finding::Finding;
use super::settled::Settled;
use super::status::Claim;

type Entries = BTreeMap<EntryId, Signed>;

/// A fork of which nothing says that it was healed.
#[must_use]
pub fn proven(fork: &Fork) -> Finding {
    Finding::Fork { one: claim(&fork.one), other: claim(&fork.other) }
}

fn claim(header: &SignedHeader) -> Claim {
    Claim::by(&header.header, header.id())
}

/// What is to be said of each fork.
#[must_use]
pub fn judge(
    forks: &BTreeMap<(DeviceKey, u64), Fork>,
    register: &Register,
    settled: &Settled,
    entries: &Entries,
) -> Vec<Finding> {
    let heals = heals(register, settled, entries);
    let judged = |fork: &Fork| {
        let device = register.known(&fork.device());
        let spot = device.zip(u32::try_from(fork.seq()).ok());
        match spot.and_then(|spot| heals.get(&spot)) {
            Some((number, adopt)) => Finding::Healed {
                one: claim(&fork.one),
                other: claim(&fork.other),
                number: *number,
                adopt: *adopt,
            },
            None => proven(fork),
        }
    };
    forks.values().map(judged).collect()
}

/// The settled heals that are not void, by device and place: their numbers, and what they adopt.
fn heals(
    register: &Register,
    settled: &Settled,
    entries: &Entries,
) -> BTreeMap<(u32, u32), (u32, Option<EntryId>)> {
    let (head, _) = register.head();
    let mut heals = BTreeMap::new();
    for number in (0..=head).filter(|number| register.fault(*number).is_none()) {
        let id = register.entry(number).filter(|id| settled.has(id));
        if let Some(entry) = id.and_then(|id| entries.get(&id))
            && let Content::Known(Act::Heal(heal)) = entry.content()
        {
            heals.entry((heal.device, heal.seq)).or_insert((number, heal.adopt));
        }
    }
    heals
}

/// A line for each chain with entries that can settle no more.
pub fn dead(dead: &[Vec<EntryId>], entries: &Entries) -> Vec<Finding> {
    let line = |ids: &Vec<EntryId>| {
        let first = Claim::of(entries.get(ids.first()?)?);
        Some(Finding::Dead { count: u64::try_from(ids.len()).unwrap_or(u64::MAX), first })
    };
    dead.iter().filter_map(line).collect()
}
