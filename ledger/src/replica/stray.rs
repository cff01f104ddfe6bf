//! Entries of others' logs that have no place here, and how they come to one after all.
//!
//! A stray is refused here, by a rule or by the order of arrival: it lies on the other branch of a
//! fork, behind a freeze, or carries out a decision that is not settled here yet. It gets its place
//! when the rules allow; when the logs of a quorum hold it, for what is settled stands; or when a
//! heal adopts it. A place that this log has given to another is taken over by a leaf that says so,
//! and the replica starts again from its disk.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::act::Content;
use talea_protocol::entry::{Entry, Signed};
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;
use talea_protocol::leaf::{accept, resolve};
use talea_protocol::tree::leaf_hash;

use super::Replica;
use super::own::OwnLeaf;
use super::submit::Placing;
use crate::heal::logs_needed;
use crate::place::{Place, Receipts};
use crate::register::Register;

/// Where an entry wants to be.
type Spot = (DeviceKey, u64);

#[derive(Debug)]
struct Stray {
    entry: Signed,
    /// Whose checked logs hold it.
    receipts: Receipts,
}

/// Entries without a place, from the logs of roster nodes alone: each such log has signed for them.
#[derive(Debug, Default)]
pub(super) struct Strays {
    by_spot: BTreeMap<Spot, BTreeMap<EntryId, Stray>>,
    spots: BTreeMap<EntryId, Spot>,
    /// Whether something moved since they were last tried.
    moved: bool,
}

impl Strays {
    /// Something moved that may let one in.
    pub(super) const fn moved(&mut self) {
        self.moved = true;
    }

    /// A roster node's checked log holds this entry.
    pub(super) fn receive(&mut self, id: &EntryId, roster: usize, node: u8) {
        let spot = self.spots.get(id).copied();
        let held = spot.and_then(|spot| self.by_spot.get_mut(&spot));
        if let Some(stray) = held.and_then(|held| held.get_mut(id)) {
            stray.receipts.add(roster, node);
            self.moved = true;
        }
    }

    /// Whether a roster node's log is known to hold one; also if none of this id is here.
    pub(super) fn has_receipt(&self, id: &EntryId, roster: usize, node: u8) -> bool {
        self.receipts(id).is_none_or(|receipts| receipts.has(roster, node))
    }

    fn find(&self, id: &EntryId) -> Option<&Stray> {
        self.by_spot.get(self.spots.get(id)?)?.get(id)
    }

    /// Whose checked logs hold one.
    fn receipts(&self, id: &EntryId) -> Option<&Receipts> {
        self.find(id).map(|stray| &stray.receipts)
    }

    /// One of them.
    pub(super) fn entry(&self, id: &EntryId) -> Option<&Signed> {
        self.find(id).map(|stray| &stray.entry)
    }

    /// The leaf by which another's log accepts one.
    pub(super) fn leaf(&self, id: &EntryId) -> Option<Vec<u8>> {
        self.entry(id).map(|entry| accept(entry))
    }

    /// Takes one in; returns another one in the same spot.
    fn add(&mut self, entry: Signed) -> Option<Signed> {
        let (id, header) = (entry.id(), entry.header());
        let spot = (header.device, header.seq);
        if self.spots.insert(id, spot).is_some() {
            return None;
        }
        self.moved = true;
        let held = self.by_spot.entry(spot).or_default();
        let rival = held.values().next().map(|stray| stray.entry.clone());
        held.insert(id, Stray { entry, receipts: Receipts::default() });
        rival
    }

    fn remove(&mut self, id: &EntryId) -> Option<Stray> {
        let spot = self.spots.remove(id)?;
        let held = self.by_spot.get_mut(&spot)?;
        let stray = held.remove(id);
        if held.is_empty() {
            self.by_spot.remove(&spot);
        }
        stray
    }

    fn at(&self, spot: &Spot) -> impl Iterator<Item = &Stray> {
        self.by_spot.get(spot).into_iter().flat_map(BTreeMap::values)
    }

    fn devices(&self) -> BTreeSet<DeviceKey> {
        self.by_spot.keys().map(|(device, _)| *device).collect()
    }
}

/// Accept leaves of this node's own log whose place another entry has taken since.
#[derive(Debug, Default)]
pub(super) struct Dead {
    leaves: BTreeMap<u64, (EntryId, Vec<u8>)>,
    given: BTreeSet<(u32, u32)>,
}

impl Dead {
    /// Remembers a leaf, and the place that it gave if its device is known.
    pub(super) fn bury(
        &mut self,
        index: u64,
        id: EntryId,
        leaf: Vec<u8>,
        given: Option<(u32, u32)>,
    ) {
        self.leaves.insert(index, (id, leaf));
        self.given.extend(given);
    }

    /// The entry and the bytes of such a leaf.
    pub(super) fn leaf(&self, index: u64) -> Option<(EntryId, &[u8])> {
        self.leaves.get(&index).map(|(id, leaf)| (*id, leaf.as_slice()))
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.leaves.iter().map(|(index, (_, leaf))| (*index, leaf.as_slice()))
    }

    /// Whether this log has given a place before.
    pub(super) fn is_given(&self, device: u32, seq: u32) -> bool {
        self.given.contains(&(device, seq))
    }
}

impl Replica {
    /// An entry of another's log has no place here.
    pub(super) fn stray(&mut self, entry: Signed) {
        let header = entry.signed_header();
        if let Some(rival) = self.strays.add(entry) {
            let fork = Fork::new(rival.signed_header(), header);
            if fork.check(&self.cooperative).is_ok() {
                self.proven(fork);
            }
        }
    }

    /// Whether enough logs of the roster in force hold a stray that nothing which they refuse on its
    /// account can ever have a quorum.
    pub(super) fn is_borne(&self, id: &EntryId) -> bool {
        let held = self.strays.receipts(id).map_or(0, |it| it.of(self.turns.current).count_ones());
        let held = usize::try_from(held).unwrap_or(0);
        self.roster().is_some_and(|roster| held >= logs_needed(roster))
    }

    /// Gives strays their places, as far as something has moved.
    pub(super) fn try_strays(&mut self) {
        while self.may_append() && std::mem::take(&mut self.strays.moved) {
            for key in self.strays.devices() {
                self.try_chain(&key);
            }
        }
    }

    fn try_chain(&mut self, key: &DeviceKey) {
        let Some(register) = &self.register else { return };
        let Some(device) = register.known(key) else { return };
        let length = self.places.chain(device).len();
        let next = (*key, u64::try_from(length).unwrap_or(u64::MAX));
        let waiting: Vec<Signed> = self.strays.at(&next).map(|stray| stray.entry.clone()).collect();
        for entry in waiting {
            if self.let_in(entry) {
                return;
            }
        }
        if let Some(id) = self.overdue(device, key) {
            self.take_over(&id);
        }
    }

    /// Tries to give a stray a place like any other entry.
    fn let_in(&mut self, entry: Signed) -> bool {
        let id = entry.id();
        let Placing::Placed(_) = self.place(entry, None, None) else { return false };
        self.bring_receipts(&id);
        self.seat_waiting(&id);
        true
    }

    /// An entry that has a place now is no stray, if it was one: its receipts go with it.
    pub(super) fn bring_receipts(&mut self, id: &EntryId) {
        let Some(stray) = self.strays.remove(id) else { return };
        let Some((device, seq)) = self.places.position(id) else { return };
        self.places.receive_all(device, seq, &stray.receipts);
        self.settle(BTreeSet::from([device]));
    }

    /// A stray that has a right to its place against what this node has there: a quorum holds it,
    /// after all that is settled; or a heal adopts it.
    fn overdue(&self, device: u32, key: &DeviceKey) -> Option<EntryId> {
        let register = self.register.as_ref()?;
        let quorums = self.quorums();
        let settled = self.places.settled(device);
        let last = settled.checked_sub(1).and_then(|last| self.places.at(device, last));
        let last = last.map_or(EntryId::ZERO, |place| place.id);
        let next = (*key, u64::from(settled));
        let follows = |stray: &&Stray| stray.entry.header().prev == last;
        let held = |stray: &&Stray| stray.receipts.settle(&quorums);
        let mut elsewhere = self.strays.at(&next).filter(follows).filter(held);
        if let Some(stray) = elsewhere.next() {
            return is_based(register, &stray.entry).then(|| stray.entry.id());
        }
        let healed = |stray: &&Stray| {
            let seq = u32::try_from(stray.entry.header().seq).unwrap_or(u32::MAX);
            self.freezes.adopted(device, seq) == Some(Some(stray.entry.id()))
        };
        // Never against what is settled here.
        let from = (*key, u64::from(settled));
        let to = (*key, u64::MAX);
        let all = self.strays.by_spot.range(from..=to).flat_map(|(_, held)| held.values());
        let mut healed = all.filter(healed).filter(|stray| is_based(register, &stray.entry));
        healed.next().map(|stray| stray.entry.id())
    }

    /// Gives a stray the place to which it has a right.
    fn take_over(&mut self, id: &EntryId) {
        let Some(stray) = self.strays.remove(id) else { return };
        let Some(register) = &self.register else { return };
        let header = stray.entry.header();
        let (Some(device), Some(basis)) =
            (register.known(&header.device), register.number(&header.basis))
        else {
            return;
        };
        let length = u64::try_from(self.places.chain(device).len()).unwrap_or(u64::MAX);
        let ahead = is_register(&stray.entry) && register.head().0 != basis;
        let bytes = resolve(&stray.entry);
        let hash = leaf_hash(&bytes);
        let seq = u32::try_from(header.seq).unwrap_or(u32::MAX);
        let own = OwnLeaf::Resolve { device, seq };
        let leaf = self.own.append(&self.cooperative, bytes, hash, own);
        if length != header.seq || ahead {
            self.reload = Some(leaf);
            return;
        }
        let hash = leaf_hash(&accept(&stray.entry));
        let place = Place { id: *id, hash, leaf };
        self.keep_place(device, basis, place, stray.entry);
        self.places.receive_all(device, seq, &stray.receipts);
        self.settle(BTreeSet::from([device]));
        self.seat_waiting(id);
    }
}

fn is_register(entry: &Entry) -> bool {
    matches!(entry.content(), Content::Known(act) if act.is_register())
}

/// Whether the register entry that it names is here; for a register entry, the one before it.
fn is_based(register: &Register, entry: &Entry) -> bool {
    register.number(&entry.header().basis).is_some()
}
