//! One roster after another: when this log is closed, when it goes on, and what stays locked.
//!
//! A register entry that replaces the roster is in force here once it is settled and counts. Then
//! this log is closed by a leaf: what stands before it is for the rosters up to that one alone. A
//! node of the new roster appends nothing more until the logs of a quorum of every earlier roster
//! are here up to the leaf that closes them. What they hold in a place locks it; nothing is ever
//! forgotten. The design's model, section 7; README, section 8; checked in `tests/src/model`.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::act::{Act, Content};
use talea_protocol::charter::Roster;
use talea_protocol::entry::Entry;
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::leaf::{Closed, Renewed, accepted};
use talea_protocol::recovery::Heal;
use talea_protocol::tree::leaf_hash;

use super::Replica;
use super::own::OwnLeaf;
use super::restore::Spot;
use crate::freeze::Freezes;
use crate::heal::{HealFault, logs_needed};
use crate::place::{Cause, Refusal, office};
use crate::register::{Office, Register};
use crate::settle::Closings;

/// Where this node stands while the roster changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It is of the roster in force, and gives places.
    Gives,
    /// It is of the roster in force, and appends nothing before so many closed logs of an earlier
    /// one are here.
    Waits {
        /// Which roster, by its place among all.
        roster: usize,
        /// Closed logs of it that are here.
        closed: usize,
        /// How many must be.
        needed: usize,
    },
    /// It is not of the roster in force, or not any more.
    Apart,
}

/// What is known here of the rosters and their logs.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Which of the register's rosters is in force.
    pub(super) current: usize,
    /// Every node that is or was of a roster; their numbers stay.
    pub(super) nodes: Vec<NodeKey>,
    /// The leaves that close this node's own log.
    pub(super) closings: Closings,
    /// Entries that this log has renewed since it was closed last.
    pub(super) renewed: BTreeSet<EntryId>,
    /// Places given before this log was closed, neither settled nor renewed.
    unrenewed: BTreeSet<(u32, u32)>,
    /// For which roster this log has gone on.
    opened: usize,
    /// Proofs that came while nothing could be appended, by device.
    proofs: BTreeMap<DeviceKey, Fork>,
    /// What logs of earlier rosters hold where this log holds something else, or nothing.
    locks: Option<Locks>,
}

/// Entries of others' logs without a place here, by what can be given once.
#[derive(Debug, Default)]
struct Locks {
    places: BTreeMap<(DeviceKey, u64), BTreeMap<EntryId, Entry>>,
    numbers: BTreeMap<EntryId, BTreeSet<EntryId>>,
}

impl Locks {
    fn add(&mut self, entry: Entry) {
        let (id, Spot { place, after }) = (entry.id(), Spot::of(&entry));
        if let Some(after) = after {
            self.numbers.entry(after).or_default().insert(id);
        }
        self.places.entry(place).or_default().insert(id, entry);
    }

    /// Other entries for the same place, or the same number.
    fn rivals(&self, entry: &Entry) -> BTreeSet<EntryId> {
        let Spot { place, after } = Spot::of(entry);
        let places = self.places.get(&place).into_iter().flat_map(BTreeMap::keys);
        let numbers = after.and_then(|after| self.numbers.get(&after)).into_iter().flatten();
        places.chain(numbers).filter(|id| **id != entry.id()).copied().collect()
    }

    fn entry(&self, id: &EntryId) -> Option<&Entry> {
        self.places.values().find_map(|held| held.get(id))
    }
}

impl Turns {
    /// Something came that may lock a place.
    pub(super) fn forget_locks(&mut self) {
        self.locks = None;
    }
}

impl Replica {
    /// Where this node stands while the roster changes.
    #[must_use]
    pub fn turn(&self) -> Turn {
        if self.register.is_none() {
            return Turn::Gives;
        }
        let current = self.turns.current;
        if self.number_in(&self.me, current).is_none() {
            return Turn::Apart;
        }
        (0..current)
            .find_map(|roster| {
                let (closed, needed) = self.closed(roster);
                (closed < needed).then_some(Turn::Waits { roster, closed, needed })
            })
            .unwrap_or(Turn::Gives)
    }

    /// Which of the register's rosters is in force here.
    #[must_use]
    pub const fn roster_number(&self) -> usize {
        self.turns.current
    }

    /// The roster in force here.
    #[must_use]
    pub fn roster(&self) -> Option<&Roster> {
        let register = self.register.as_ref()?;
        register.rosters().get(self.turns.current).map(|it| &it.roster)
    }

    /// The register entry that has closed this node's log last.
    #[must_use]
    pub fn closed_by(&self) -> Option<EntryId> {
        self.turns.closings.last()
    }

    /// A node's number in one of the rosters.
    pub(super) fn number_in(&self, node: &NodeKey, roster: usize) -> Option<u8> {
        let nodes = &self.register.as_ref()?.rosters().get(roster)?.roster.nodes;
        nodes.iter().position(|key| key == node).and_then(|number| u8::try_from(number).ok())
    }

    /// A node's number among all that are or were of a roster.
    pub(super) fn node_number(&self, node: &NodeKey) -> Option<u8> {
        let number = self.turns.nodes.iter().position(|key| key == node);
        number.and_then(|number| u8::try_from(number).ok())
    }

    /// For which roster a leaf of a log is a receipt, and as which of its nodes'.
    pub(super) fn counts(
        &self,
        log: &NodeKey,
        closings: &Closings,
        index: u64,
    ) -> Option<(usize, u8)> {
        let roster = closings.roster_at(self.register.as_ref()?, index)?;
        self.number_in(log, roster).map(|node| (roster, node))
    }

    /// Whether a node's log, as it is checked here, holds the entry of this place.
    pub(super) fn is_held_by(&self, device: u32, seq: u32, node: &NodeKey) -> bool {
        let held = self.places.receipts(device, seq);
        held.into_iter().flat_map(|it| it.all()).any(|(roster, nodes)| {
            self.number_in(node, roster)
                .is_some_and(|at| nodes.checked_shr(u32::from(at)).unwrap_or(0) & 1 == 1)
        })
    }

    /// The quorums of the rosters that are or were in force.
    pub(super) fn quorums(&self) -> Vec<u32> {
        let rosters = self.register.as_ref().map_or(&[][..], Register::rosters);
        let in_force = rosters.iter().take(self.turns.current + 1);
        in_force.map(|it| u32::from(it.roster.quorum)).collect()
    }

    /// Whether a peer is heard: it is or was of a roster; of one that has left it out no more once
    /// its whole log is here.
    pub(super) fn is_of_rosters(&self, register: &Register, peer: &NodeKey) -> bool {
        let rosters = register.rosters();
        let Some(last) = rosters.iter().rposition(|it| it.roster.nodes.contains(peer)) else {
            return false;
        };
        let is_over = || {
            self.mirrors.get(peer).is_some_and(|mirror| {
                mirror.closings.closed(register, last, mirror.checked.size()).is_some()
            })
        };
        last + 1 == rosters.len() || last >= self.turns.current || !is_over()
    }

    /// How many logs of a roster are here up to the leaf that closes them, and how many must be.
    fn closed(&self, roster: usize) -> (usize, usize) {
        let Some(register) = &self.register else { return (0, 0) };
        let Some(it) = register.rosters().get(roster) else { return (0, 0) };
        let closed = it.roster.nodes.iter().filter(|node| self.is_closed(register, node, roster));
        (closed.count(), usize::from(it.roster.quorum))
    }

    fn is_closed(&self, register: &Register, node: &NodeKey, roster: usize) -> bool {
        if *node == self.me {
            return self.turns.closings.closed(register, roster, u64::MAX).is_some();
        }
        self.mirrors.get(node).is_some_and(|mirror| {
            mirror.closings.closed(register, roster, mirror.checked.size()).is_some()
        })
    }

    /// The roster for which this node's own log goes on; nothing if what closed it is not here.
    fn own_roster(&self) -> Option<usize> {
        self.turns.closings.roster_at(self.register.as_ref()?, u64::MAX)
    }

    /// Whether this node's own log may grow: it is closed as often as the roster was replaced, and
    /// its node gives places, or has never been of a roster and only reads along.
    pub(super) fn grows(&self) -> bool {
        let Some(register) = &self.register else { return true };
        let current = self.turns.current;
        if self.own_roster() != Some(current) {
            return false;
        }
        match self.turn() {
            Turn::Gives => true,
            Turn::Waits { .. } => false,
            Turn::Apart => !register
                .rosters()
                .iter()
                .take(current + 1)
                .any(|it| it.roster.nodes.contains(&self.me)),
        }
    }

    /// A register entry got its number that may bring a roster: its nodes are followed.
    pub(super) fn enroll_nodes(&mut self) {
        let Some(register) = &self.register else { return };
        let nodes = register.nodes();
        if nodes == self.turns.nodes {
            return;
        }
        let writers = register.roster().nodes.to_vec();
        self.turns.nodes.clone_from(&nodes);
        self.sync.set_roster(&nodes);
        self.sync.set_writers(&writers);
    }

    /// Counts all receipts of others' logs anew: what they count for is known only now.
    pub(super) fn recount(&mut self) {
        let logs: Vec<NodeKey> = self.mirrors.keys().copied().collect();
        let mut touched = BTreeSet::new();
        for log in logs {
            touched.extend(self.receive_log(&log, 0));
        }
        self.settle(touched);
    }

    /// What has settled may have brought a new roster into force.
    pub(super) fn turn_over(&mut self) {
        let before = self.turns.current;
        while let Some(next) =
            self.register.as_ref().and_then(|it| it.rosters().get(self.turns.current + 1))
        {
            if self.state.verdict(&next.order) != Some(crate::verdict::Verdict::Counted) {
                break;
            }
            self.turns.current += 1;
        }
        if self.turns.current > before {
            let all = 0..self.places.chains();
            self.settle(all.collect());
        }
    }

    /// Closes this log if the roster was replaced, and goes on with it as soon as it may.
    pub(super) fn change_roster(&mut self) {
        if self.restoring || self.reload.is_some() || self.past.holds() {
            return;
        }
        self.close();
        if !self.grows() || self.turn() != Turn::Gives {
            return;
        }
        if self.turns.opened < self.turns.current {
            self.turns.opened = self.turns.current;
            for (_, fork) in std::mem::take(&mut self.turns.proofs) {
                self.proven(fork);
            }
            self.say();
            self.turns.unrenewed = self.given_before();
            self.strays.moved();
            self.own.news(self.now);
        }
        self.renew();
    }

    fn close(&mut self) {
        while let (Some(register), Some(own)) = (&self.register, self.own_roster()) {
            let next = register.rosters().get(own + 1).map(|it| it.order);
            let Some(order) = next.filter(|_| own < self.turns.current) else { return };
            let is_member = self.number_in(&self.me, own).is_some();
            if is_member && (own == 0 || self.turns.opened == own) {
                self.say();
            }
            let leaf = Closed { order }.leaf();
            let hash = leaf_hash(&leaf);
            let at = self.own.append(&self.cooperative, leaf, hash, OwnLeaf::Other);
            self.turns.closings.add(at, order);
            self.turns.renewed.clear();
        }
    }

    /// A proof that cannot be appended now is kept until it can.
    pub(super) fn put_off(&mut self, fork: Fork) {
        let held = self.turns.proofs.entry(fork.device()).or_insert(fork);
        if fork.seq() < held.seq() {
            *held = fork;
        }
    }

    /// Places that this log gave before it was closed, and that are not settled.
    fn given_before(&self) -> BTreeSet<(u32, u32)> {
        let closed = self.turns.closings.end();
        let of = |(device, seq): &(u32, u32)| {
            let place = self.places.at(*device, *seq);
            place.is_some_and(|it| it.leaf < closed && !self.turns.renewed.contains(&it.id))
        };
        self.unsettled.keys().copied().filter(of).collect()
    }

    /// Says for the new roster too what this log holds, unless another's closed log holds something
    /// else in the place, or in one before it in the chain.
    fn renew(&mut self) {
        if self.turns.unrenewed.is_empty() {
            return;
        }
        self.find_locks();
        let (mut stuck, mut kept) = (BTreeSet::new(), BTreeSet::new());
        for (device, seq) in std::mem::take(&mut self.turns.unrenewed) {
            if seq < self.places.settled(device) {
                continue;
            }
            let Some(entry) = self.unsettled.get(&(device, seq)) else { continue };
            let id = entry.id();
            if stuck.contains(&device) || self.is_locked(device, entry) {
                stuck.insert(device);
                kept.insert((device, seq));
                continue;
            }
            let leaf = Renewed { entry: id }.leaf();
            let hash = leaf_hash(&leaf);
            self.own.append(&self.cooperative, leaf, hash, OwnLeaf::Renew { device, seq });
            self.turns.renewed.insert(id);
        }
        self.turns.unrenewed = kept;
    }

    /// Gathers what earlier rosters' logs hold that has no place here.
    fn find_locks(&mut self) {
        if self.turns.locks.is_some() {
            return;
        }
        let mut locks = Locks::default();
        for (_, leaf) in self.dead.all() {
            locks.extend(leaf);
        }
        let Some(register) = &self.register else { return };
        for mirror in self.mirrors.values() {
            let size = mirror.checked.size();
            let of =
                (0..self.turns.current).filter(|it| self.number_in(&mirror.node, *it).is_some());
            let ends = of.filter_map(|it| mirror.closings.closed(register, it, size));
            let end = ends.max().unwrap_or(0);
            for index in mirror.claims.range(..end).map(|(index, _)| index) {
                if let Some(leaf) = mirror.others.get(index) {
                    locks.extend(leaf);
                }
            }
        }
        self.turns.locks = Some(locks);
    }

    /// Whether a log of an earlier roster holds another entry in its place, and no heal has given
    /// it to this one.
    fn is_locked(&self, device: u32, entry: &Entry) -> bool {
        let seq = u32::try_from(entry.header().seq).unwrap_or(u32::MAX);
        let Some(locks) = self.turns.locks.as_ref() else { return false };
        let healed = self.freezes.adopted(device, seq) == Some(Some(entry.id()));
        let alive = |id: &EntryId| locks.entry(id).is_some_and(|rival| !self.is_dead(rival));
        !healed && locks.rivals(entry).iter().any(alive)
    }

    /// Whether an entry can never settle, because something else is settled in its place or before
    /// it.
    fn is_dead(&self, entry: &Entry) -> bool {
        let header = entry.header();
        let Some(device) = self.register.as_ref().and_then(|it| it.known(&header.device)) else {
            return false;
        };
        let settled = u64::from(self.places.settled(device));
        let at = |seq: u64| u32::try_from(seq).ok().and_then(|seq| self.places.at(device, seq));
        if header.seq < settled {
            return at(header.seq).is_some_and(|place| place.id != entry.id());
        }
        let before = header.seq.checked_sub(1).filter(|before| *before < settled).and_then(at);
        before.is_some_and(|place| place.id != header.prev)
    }

    /// Up to which length a chain may still settle, by what logs of earlier rosters hold; for one
    /// role, if one is named.
    fn locked_length(&self, device: u32, role: Option<Office>) -> u32 {
        let (Some(locks), Some(record)) =
            (&self.turns.locks, self.register.as_ref().and_then(|it| it.record(device)))
        else {
            return 0;
        };
        let mut length = 0;
        let mut seq = self.places.settled(device);
        let last = seq.checked_sub(1).and_then(|last| self.places.at(device, last));
        let mut ends = BTreeSet::from([last.map_or(EntryId::ZERO, |place| place.id)]);
        while !ends.is_empty() {
            let adopted = self.freezes.adopted(device, seq);
            let may = |id: &EntryId| adopted.is_none_or(|adopted| adopted == Some(*id));
            let held = locks.places.get(&(record.key, u64::from(seq)));
            let held = held.into_iter().flat_map(BTreeMap::iter);
            let held: Vec<(&EntryId, &Entry)> =
                held.filter(|(id, it)| may(id) && ends.contains(&it.header().prev)).collect();
            let serves = |it: &Entry| role.is_none() || office(it.content()) == role;
            if held.iter().any(|(_, it)| serves(it)) {
                length = seq.saturating_add(1);
            }
            ends = held.into_iter().map(|(id, _)| *id).collect();
            ends.extend(self.places.at(device, seq).map(|place| place.id));
            seq = seq.saturating_add(1);
        }
        length
    }

    /// What earlier rosters' logs forbid: another entry in a place of theirs (21), a cut before
    /// something that they hold (25), and a heal of a place that they have not left (27).
    pub(super) fn bar_locked(&mut self, device: u32, entry: &Entry) -> Result<(), Refusal> {
        if self.restoring {
            return Ok(());
        }
        let numbered = self.register.as_ref().map_or(1, |it| it.rosters().len());
        if matches!(entry.content(), Content::Known(Act::Heal(_)))
            && numbered > self.turns.current + 1
        {
            return Err(HealFault::Changing.into());
        }
        if self.turns.current == 0 {
            return Ok(());
        }
        self.find_locks();
        if self.is_locked(device, entry) {
            let from = u32::try_from(entry.header().seq).unwrap_or(u32::MAX);
            return Err(Refusal::Frozen { from, cause: Cause::Locked });
        }
        let Some(register) = &self.register else { return Ok(()) };
        Freezes::ask_locks(register, entry, |device, role| self.locked_length(device, role))?;
        match entry.content() {
            Content::Known(Act::Heal(heal)) => Ok(self.left(register, heal)?),
            _ => Ok(()),
        }
    }

    /// Whether every earlier roster's closed logs show every branch dead but the one that a heal
    /// adopts.
    fn left(&self, register: &Register, heal: &Heal) -> Result<(), HealFault> {
        let Some(key) = register.record(heal.device).map(|it| it.key) else { return Ok(()) };
        let spot = (key, u64::from(heal.seq));
        for (number, it) in register.rosters().iter().enumerate().take(self.turns.current) {
            let closed = it.roster.nodes.iter().filter(|it| self.is_closed(register, it, number));
            let held: Vec<BTreeSet<EntryId>> =
                closed.map(|node| self.ids_in(register, node, number, heal, &spot)).collect();
            let branches: BTreeSet<EntryId> = held.iter().flatten().copied().collect();
            for one in branches.into_iter().filter(|it| Some(*it) != heal.adopt) {
                let against = held.iter().filter(|ids| !ids.contains(&one)).count();
                if against < logs_needed(&it.roster) {
                    return Err(HealFault::Older { branch: one, roster: number });
                }
            }
        }
        Ok(())
    }

    /// What a closed log holds in a place, by all its leaves up to the one that closes it.
    fn ids_in(
        &self,
        register: &Register,
        node: &NodeKey,
        roster: usize,
        heal: &Heal,
        spot: &(DeviceKey, u64),
    ) -> BTreeSet<EntryId> {
        let here = (heal.device, heal.seq);
        let place = self.places.at(here.0, here.1);
        let at_spot = |leaf: &[u8]| {
            let entry = accepted(leaf).and_then(|it| Entry::parse(it.to_vec()).ok());
            entry.filter(|it| Spot::of(it).place == *spot).map(|it| it.id())
        };
        let mut ids = BTreeSet::new();
        if *node == self.me {
            let end = self.turns.closings.closed(register, roster, u64::MAX).unwrap_or(0);
            ids.extend(place.filter(|it| it.leaf < end).map(|it| it.id));
            ids.extend(self.dead.all().filter_map(|(_, leaf)| at_spot(leaf)));
            return ids;
        }
        let Some(mirror) = self.mirrors.get(node) else { return ids };
        let end = mirror.closings.closed(register, roster, mirror.checked.size()).unwrap_or(0);
        let held = mirror.applied_since(0).take_while(|(index, _)| *index < end);
        if held.into_iter().any(|(_, order)| order == Some(here)) {
            ids.extend(place.map(|it| it.id));
        }
        let claims = mirror.claims.range(..end).filter_map(|(index, _)| mirror.others.get(index));
        ids.extend(claims.filter_map(|leaf| at_spot(leaf)));
        ids
    }
}

impl Locks {
    fn extend(&mut self, leaf: &[u8]) {
        if let Some(Ok(entry)) = accepted(leaf).map(|it| Entry::parse(it.to_vec())) {
            self.add(entry);
        }
    }
}
