//! Two entries in one place: from the second one's arrival to the proof in every log.
//!
//! A proof is two signed headers. It is told to all peers before anything else, and kept as a leaf
//! of this node's own log; from its place on the chain stands still here. What is settled stands.

use talea_protocol::entry::{Entry, Signed};
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::{Erased, Forked, Leaf, accepted};
use talea_protocol::message::Message;
use talea_protocol::tree::leaf_hash;

use super::own::OwnLeaf;
use super::submit::payload_key;
use super::{Alarm, Output, Replica};
use crate::batch::Column;
use crate::freeze::{Freezes, Open};
use crate::place::{Cause, Refusal, office};
use crate::register::Office;

impl Replica {
    /// Whether this node's own log grows: it has all that it ever signed, and nothing that needs
    /// a restart from disk.
    pub(super) fn may_append(&self) -> bool {
        !self.restoring && self.reload.is_none() && !self.past.holds() && self.grows()
    }

    /// Whether a fork of this chain, there or before, is proven already.
    pub(super) fn is_proven(&self, entry: &Entry, seq: u64) -> bool {
        let Some(register) = &self.register else { return false };
        let device = register.known(&entry.header().device);
        let open = device.and_then(|device| self.freezes.forked(device));
        open.is_some_and(|open| open.fork.seq() <= seq) || self.is_healed(device, seq)
    }

    fn is_healed(&self, device: Option<u32>, seq: u64) -> bool {
        let Some((register, device)) = self.register.as_ref().zip(device) else { return false };
        u32::try_from(seq).is_ok_and(|seq| register.healed(device, seq).is_some())
    }

    /// A signed entry came whose place holds `held`: both together are a proof, once the bytes of
    /// the other are here.
    pub(super) fn contradict(&mut self, entry: &Signed, held: EntryId) {
        if self.is_proven(entry, entry.header().seq) || self.restoring {
            return;
        }
        let (Some(place), Some((device, seq))) =
            (self.places.find(&held), self.places.position(&held))
        else {
            return;
        };
        let leaf = place.leaf;
        if let Some(held) = self.unsettled.get(&(device, seq)) {
            let fork = Fork::new(held.signed_header(), entry.signed_header());
            self.proven(fork);
        } else {
            self.recalls.entry(leaf).or_insert((entry.signed_header(), false));
            self.recall();
        }
    }

    /// Has the other halves of contradictions read, as far as they are on disk.
    pub(super) fn recall(&mut self) {
        for (leaf, (_, asked)) in self.recalls.range_mut(..self.own.published) {
            if !std::mem::replace(asked, true) {
                self.outputs.push_back(Output::Recall(*leaf));
            }
        }
    }

    /// The other half of a contradiction was read.
    pub(super) fn recalled(&mut self, leaf: u64, bytes: &[u8]) {
        let Some((header, _)) = self.recalls.remove(&leaf) else { return };
        let held = accepted(bytes).and_then(|bytes| Entry::parse(bytes.to_vec()).ok());
        if let Some(held) = held {
            self.proven(Fork::new(held.signed_header(), header));
        }
    }

    /// A peer tells of a fork.
    pub(super) fn told(&mut self, peer: NodeKey, fork: &Fork) {
        if self.news_of(fork) {
            match fork.check(&self.cooperative) {
                Ok(()) => self.proven(*fork),
                Err(_) => self.accuse(Alarm::Unsound(peer), peer, peer),
            }
        }
    }

    /// A leaf of another kind than an entry's came in a log from this peer. Returns whether it may
    /// be there, which is the same whatever is known here: a relay has asked it before.
    pub(super) fn heed(&mut self, peer: NodeKey, log: NodeKey, leaf: &[u8]) -> bool {
        let is_proof = match Leaf::parse(leaf) {
            Ok(Leaf::Fork(forked)) => {
                let is_proof = forked.fork.check(&self.cooperative).is_ok();
                if is_proof {
                    self.proven(forked.fork);
                }
                is_proof
            }
            Ok(Leaf::Split(split)) => self.split_told(*split),
            _ => true,
        };
        if !is_proof {
            self.accuse(Alarm::Unsound(peer), peer, log);
        }
        is_proof
    }

    fn news_of(&self, fork: &Fork) -> bool {
        let Some(register) = &self.register else { return false };
        let Some(device) = register.known(&fork.device()) else { return false };
        // Behind the end of a chain nothing counts, whichever branch it is of.
        let end = register.record(device).and_then(|record| record.end);
        if end.is_some_and(|end| u64::from(end.length) <= fork.seq()) {
            return false;
        }
        let open = self.freezes.forked(device).map(|open| open.fork.seq());
        let settled = u64::from(self.places.settled(device));
        // A second proof matters only where an earlier place is still open.
        open.is_none_or(|open| fork.seq() < open && fork.seq() >= settled)
            && !self.is_healed(Some(device), fork.seq())
    }

    /// A checked proof: the chain stands still, the log says so, everybody is told.
    pub(super) fn proven(&mut self, fork: Fork) {
        if !self.news_of(&fork) {
            return;
        }
        if !self.may_append() {
            return self.put_off(fork);
        }
        let Some(register) = &self.register else { return };
        let Some(device) = register.known(&fork.device()) else { return };
        let seq = u32::try_from(fork.seq()).unwrap_or(u32::MAX);
        let held = self.places.at(device, seq).map(|place| place.id);
        let bytes = Forked { fork, held }.leaf();
        let hash = leaf_hash(&bytes);
        let leaf = self.own.append(&self.cooperative, bytes, hash, OwnLeaf::Other);
        self.freezes.fork(device, Open { fork, leaf });
        self.own.news(self.now);
        self.outputs.push_back(Output::Alarm(Alarm::Fork(fork.device(), fork.seq())));
        let peers: Vec<NodeKey> = self.sync.peers().copied().collect();
        for peer in peers {
            self.tell(peer, fork);
        }
    }

    /// Tells a peer of every fork that is open.
    pub(super) fn tell_forks(&mut self, peer: NodeKey) {
        let forks: Vec<Fork> = self.freezes.forks().map(|(_, open)| open.fork).collect();
        for fork in forks {
            self.tell(peer, fork);
        }
    }

    fn tell(&mut self, peer: NodeKey, fork: Fork) {
        let (cooperative, fork) = (self.cooperative, Box::new(fork));
        self.outputs.push_back(Output::Send(peer, Message::Forked { cooperative, fork }));
    }

    /// A fork leaf of this node's own log, read back at start.
    pub(super) fn restore_fork(&mut self, leaf: u64, bytes: &[u8]) {
        match Leaf::parse(bytes) {
            Ok(Leaf::Fork(forked)) => {
                let device = self.register.as_ref().and_then(|it| it.known(&forked.fork.device()));
                if let Some(device) = device {
                    self.freezes.fork(device, Open { fork: forked.fork, leaf });
                }
            }
            Ok(Leaf::Erased(erased)) => {
                self.erased.insert(erased.entry);
                self.wanted.remove(&erased.entry);
                // A disk that was put back, older than the order, may have it again.
                let key = payload_key(&self.cooperative, &erased.entry);
                self.own.batch.delete(Column::Payload, key);
            }
            Ok(Leaf::Shown(shown)) => self.restore_shown(&shown),
            Ok(leaf @ (Leaf::Doubt(_) | Leaf::Split(_))) => self.restore_word(leaf),
            Ok(Leaf::Closed(closed)) => {
                self.turns.closings.add(leaf, closed.order);
                self.turns.renewed.clear();
            }
            _ => {}
        }
    }

    /// Deletes the payloads that settled orders say are to be erased, and says so in the log.
    pub(super) fn erase(&mut self) {
        if self.state.erased().len() == self.erased.len() || !self.may_append() {
            return;
        }
        let orders = self.state.erased().iter();
        let new: Vec<_> = orders
            .filter(|(entry, _)| !self.erased.contains(*entry))
            .map(|(entry, order)| Erased { entry: *entry, order: *order })
            .collect();
        for erased in new {
            self.erased.insert(erased.entry);
            self.wanted.remove(&erased.entry);
            let key = payload_key(&self.cooperative, &erased.entry);
            self.own.batch.delete(Column::Payload, key);
            let bytes = erased.leaf();
            let hash = leaf_hash(&bytes);
            self.own.append(&self.cooperative, bytes, hash, OwnLeaf::Other);
        }
    }

    /// Rules 21 and 25 to 28, unless this node's own log has judged the entry before. What a
    /// succession adopts is asked for its ground alone.
    pub(super) fn bar(&mut self, device: u32, entry: &Signed) -> Result<(), Refusal> {
        let Some(register) = &self.register else { return Ok(()) };
        if self.restoring {
            return Ok(());
        }
        if !self.grows() {
            let from = u32::try_from(entry.header().seq).unwrap_or(u32::MAX);
            return Err(Refusal::Frozen { from, cause: Cause::Closed });
        }
        // Nothing but the register is adopted: what else a succession may name stands still.
        let is_register = office(entry.content()) == Some(Office::Registrar);
        if !is_register || !self.adopted.contains(&entry.id()) {
            self.freezes.ask(register, &self.places, &self.state, device, entry)?;
        }
        let is_borne = self.is_borne(&entry.id());
        Freezes::ask_ground(register, &self.places, &self.state, entry, is_borne)?;
        self.bar_locked(device, entry)
    }

    /// An entry of another's log has no place here. If it is a succession with enough words, the
    /// register entry that it names is adopted although its author's chain stands still; and so
    /// are those before it, whichever of them came first.
    pub(super) fn ground(&mut self, entry: &Signed) {
        let Some(register) = &self.register else { return };
        if !self.adopted.contains(&entry.id()) && !register.grounds(entry.content()) {
            return;
        }
        let mut basis = entry.header().basis;
        while register.number(&basis).is_none() && self.adopted.insert(basis) {
            match self.strays.entry(&basis) {
                Some(before) => basis = before.header().basis,
                None => break,
            }
        }
    }
}
