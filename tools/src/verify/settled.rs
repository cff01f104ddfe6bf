//! Which entries are settled, by their names: receipts counted, chain by chain.
//!
//! An entry's receipts are the checked logs that hold it, by an accept leaf or one that takes it
//! over; with a quorum of them, and everything before it in its chain settled, it is settled. So a
//! place may have several entries, of which one at most is. Model, sections 6 and 7.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::place::office;
use talea_ledger::register::{End, Register};
use talea_protocol::charter::Roster;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::leaf::accept;
use talea_protocol::tree::leaf_hash;

use super::finding::Finding;
use super::log::Log;
use super::status::Claim;

type Entries = BTreeMap<EntryId, Signed>;
type Spot = (DeviceKey, u64);

/// Receipts, and what they settle.
#[derive(Debug, Default)]
pub struct Settled {
    /// Each roster that is or was in force, and which of its nodes hold an entry, a bit for each.
    receipts: Vec<(Roster, BTreeMap<EntryId, u16>)>,
    /// Every genuine entry, by place.
    spots: BTreeMap<Spot, Vec<EntryId>>,
    /// The settled entries, by device.
    chains: Vec<Vec<EntryId>>,
    ids: BTreeSet<EntryId>,
    /// What speaks against the roster, or against what is settled.
    pub found: Vec<Finding>,
}

impl Settled {
    /// Counts receipts, and settles what has enough of them.
    #[must_use]
    pub fn new(register: &Register, logs: &BTreeMap<NodeKey, Log>, entries: &Entries) -> Self {
        let mut settled = Self::default();
        for entry in entries.values() {
            let spot = (entry.header().device, entry.header().seq);
            settled.spots.entry(spot).or_default().push(entry.id());
        }
        // A roster is in force once the register entry that brings it is settled by those before.
        for (number, it) in register.rosters().iter().enumerate() {
            if number > 0 && !settled.has(&it.order) {
                break;
            }
            let mut held = held(register, number, &it.roster, logs);
            if number == 0 {
                shown(&register.cooperative(), &it.roster, logs, entries, &mut held);
            }
            settled.receipts.push((it.roster.clone(), held));
            settled.settle(register, entries);
        }
        settled.contradictions(entries);
        settled
    }

    /// Settles anew what has enough receipts.
    fn settle(&mut self, register: &Register, entries: &Entries) {
        (self.chains, self.found) = (Vec::new(), Vec::new());
        for (device, record) in (0_u32..).zip(register.devices()) {
            let chain = self.walk(register, device, &record.key, entries);
            self.ids.extend(&chain);
            self.chains.push(chain);
        }
    }

    /// The roster in force.
    #[must_use]
    pub fn roster(&self) -> Option<&Roster> {
        self.receipts.last().map(|(roster, _)| roster)
    }

    /// How many rosters are or were in force.
    #[must_use]
    pub fn rosters(&self) -> usize {
        self.receipts.len()
    }

    /// The settled entries of a device's chain, in order.
    #[must_use]
    pub fn chain(&self, device: u32) -> &[EntryId] {
        usize::try_from(device).ok().and_then(|at| self.chains.get(at)).map_or(&[], Vec::as_slice)
    }

    /// How many entries of each device's chain are settled.
    #[must_use]
    pub fn lengths(&self) -> Vec<u32> {
        let length = |chain: &Vec<EntryId>| u32::try_from(chain.len()).unwrap_or(u32::MAX);
        self.chains.iter().map(length).collect()
    }

    /// Whether an entry is settled.
    #[must_use]
    pub fn has(&self, id: &EntryId) -> bool {
        self.ids.contains(id)
    }

    /// How many nodes of one roster hold an entry; of the one in which most do.
    #[must_use]
    pub fn receipts(&self, id: &EntryId) -> u32 {
        let held = self.receipts.iter().filter_map(|(_, held)| held.get(id));
        held.map(|nodes| nodes.count_ones()).max().unwrap_or(0)
    }

    /// Entries that can settle no more: on another branch than the one that goes on, or behind the
    /// end of their chain. By device, in the order of places.
    #[must_use]
    pub fn dead(&self, register: &Register, entries: &Entries) -> Vec<Vec<EntryId>> {
        let devices = (0_u32..).zip(register.devices());
        devices
            .map(|(device, record)| self.dead_of(register, device, &record.key, entries))
            .collect()
    }

    fn dead_of(
        &self,
        register: &Register,
        device: u32,
        key: &DeviceKey,
        entries: &Entries,
    ) -> Vec<EntryId> {
        let chain = self.chain(device);
        let mut alive: BTreeSet<EntryId> =
            BTreeSet::from([chain.last().copied().unwrap_or(EntryId::ZERO)]);
        let (mut dead, mut split) = (Vec::new(), false);
        for ((_, seq), ids) in self.spots.range((*key, 0)..=(*key, u64::MAX)) {
            let healed = u32::try_from(*seq).ok().and_then(|seq| register.healed(device, seq));
            let ended = register.record(device).and_then(|record| record.end);
            let behind = ended.is_some_and(|end| *seq >= u64::from(end.length));
            split |= ids.len() > 1 || healed.is_some() || behind;
            let past = usize::try_from(*seq).is_ok_and(|seq| seq < chain.len());
            let lives = |id: &&EntryId| {
                let follows = entries.get(*id).is_some_and(|it| alive.contains(&it.header().prev));
                let chosen = healed.is_none_or(|adopt| adopt == Some(**id));
                if past { self.has(id) } else { follows && chosen && !behind }
            };
            let (living, rest): (Vec<&EntryId>, Vec<&EntryId>) = ids.iter().partition(lives);
            if !past {
                alive = living.into_iter().copied().collect();
            }
            dead.extend(rest.into_iter().filter(|_| split).copied());
        }
        dead
    }

    /// The settled entries of a chain.
    fn walk(
        &mut self,
        register: &Register,
        device: u32,
        key: &DeviceKey,
        entries: &Entries,
    ) -> Vec<EntryId> {
        let (mut chain, mut last) = (Vec::new(), EntryId::ZERO);
        for (_, ids) in self.spots.range((*key, 0)..=(*key, u64::MAX)) {
            let follows = |id: &&EntryId| {
                let entry = entries.get(*id).filter(|it| it.header().prev == last);
                let seq = entry.and_then(|it| usize::try_from(it.header().seq).ok());
                seq == Some(chain.len())
            };
            let mut next = ids.iter().filter(follows).filter(|id| self.is_enough(id));
            let Some(entry) = next.next().and_then(|id| entries.get(id)) else { break };
            if let Some(End { number, length }) = ended(register, device, entry) {
                self.found.push(Finding::Behind { claim: Claim::of(entry), number, length });
                break;
            }
            last = entry.id();
            chain.push(last);
        }
        chain
    }

    /// Whether an entry has a quorum of receipts, under any roster.
    fn is_enough(&self, id: &EntryId) -> bool {
        self.receipts.iter().any(|(roster, held)| {
            held.get(id).is_some_and(|nodes| nodes.count_ones() >= u32::from(roster.quorum))
        })
    }

    /// Places in which two entries have a quorum.
    fn contradictions(&mut self, entries: &Entries) {
        for ids in self.spots.values().filter(|ids| ids.len() > 1) {
            let mut enough = ids.iter().filter(|id| self.is_enough(id));
            if let (Some(one), Some(other)) = (enough.next(), enough.next())
                && let Some(claim) = entries.get(other).map(|entry| Claim::of(entry))
                && let Some((roster, held)) = self.receipts.last()
            {
                let holds = |id| held.get(id).copied().unwrap_or(0);
                let nodes = named(roster, holds(one) & holds(other));
                let (one, faulty) = (*one, roster.faulty);
                self.found.push(Finding::BothSettled { one, other: claim, faulty, nodes });
            }
        }
    }
}

/// Which nodes of a roster hold each entry in their checked logs, by leaves that stand for it.
fn held(
    register: &Register,
    number: usize,
    roster: &Roster,
    logs: &BTreeMap<NodeKey, Log>,
) -> BTreeMap<EntryId, u16> {
    let mut held: BTreeMap<EntryId, u16> = BTreeMap::new();
    let counts = |order: Option<EntryId>| {
        order.map_or(Some(0), |order| register.roster_of(&order)) == Some(number)
    };
    for (node, key) in roster.nodes.iter().enumerate() {
        for (order, id) in logs.get(key).into_iter().flat_map(Log::receipts) {
            if counts(order) {
                *held.entry(id).or_default() |= 1 << node;
            }
        }
    }
    held
}

/// Adds the receipts that the checked logs of a roster show of each other: as good as the logs that
/// they are of.
fn shown(
    cooperative: &EntryId,
    roster: &Roster,
    logs: &BTreeMap<NodeKey, Log>,
    entries: &Entries,
    held: &mut BTreeMap<EntryId, u16>,
) {
    for log in roster.nodes.iter().filter_map(|node| logs.get(node)) {
        for (shown, accepted) in log.shows() {
            let number = roster.nodes.iter().position(|node| *node == shown.node);
            let (Some(number), Some(entry)) = (number, entries.get(&shown.entry)) else { continue };
            let same = accepted.unwrap_or_else(|| leaf_hash(&accept(entry)));
            if shown.proves(cooperative, &same) {
                *held.entry(shown.entry).or_default() |= 1 << number;
            }
        }
    }
}

fn named(roster: &Roster, nodes: u16) -> Vec<NodeKey> {
    let is_set = |number: &usize| nodes >> number & 1 == 1;
    roster
        .nodes
        .iter()
        .enumerate()
        .filter(|(number, _)| is_set(number))
        .map(|(_, it)| *it)
        .collect()
}

/// Rule 22: the cut behind which an entry lies.
fn ended(register: &Register, device: u32, entry: &Signed) -> Option<End> {
    let end = register.record(device)?.end;
    let basis = register.number(&entry.header().basis).unwrap_or(0);
    let relieved = office(entry.content()).and_then(|it| register.relieved(it, device, basis));
    let mut ends = end.into_iter().chain(relieved);
    ends.find(|end| entry.header().seq >= u64::from(end.length))
}
