//! Receipts of others that this node shows, and those that it is shown.
//!
//! A node that lies may show its log to some and not to others, or another log: its receipt is
//! then counted by some honest nodes only. Where a chain goes on that does no harm, since the
//! honest nodes are enough. Where it stands still behind a fork, an entry may have its quorum with
//! that receipt alone: who has settled it shows what it has counted. README, section 8.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::bytes::Octets;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::{Leaf, RESOLVE, Shown, accept};
use talea_protocol::note::Note;
use talea_protocol::receipt::Receipt;
use talea_protocol::tree::{Tree, TreeHash, leaf_hash};

use super::Replica;
use super::own::OwnLeaf;

/// Receipts in leaves of kind 8.
#[derive(Debug, Default)]
pub(super) struct Shows {
    /// Those in this node's own log: the entry, and whose receipt.
    own: BTreeSet<(EntryId, u8)>,
    /// Those that counted here although this node does not hold the log: the leaf.
    lent: BTreeMap<(EntryId, u8), Vec<u8>>,
}

impl Replica {
    /// Shows whose receipts have settled what is settled behind forks that are open.
    pub(super) fn show_receipts(&mut self) {
        if !self.may_append() {
            return;
        }
        let forks = self.freezes.forks();
        let open: Vec<(u32, u64)> = forks.map(|(device, it)| (device, it.fork.seq())).collect();
        for (device, from) in open {
            let from = u32::try_from(from).unwrap_or(u32::MAX);
            for seq in from..self.places.settled(device) {
                self.show_receipts_of(device, seq);
            }
        }
    }

    fn show_receipts_of(&mut self, device: u32, seq: u32) {
        let Some(place) = self.places.at(device, seq).copied() else { return };
        let own = self.roster_number(&self.me);
        let counted = (0..16).filter(|node| place.receipts & (1 << node) != 0);
        for node in counted.filter(|node| Some(*node) != own) {
            if !self.shows.own.insert((place.id, node)) {
                continue;
            }
            let lent = self.shows.lent.get(&(place.id, node)).cloned();
            if let Some(leaf) = lent.or_else(|| self.receipt(&place.id, (device, seq), node)) {
                let hash = leaf_hash(&leaf);
                self.own.append(&self.cooperative, leaf, hash, OwnLeaf::Other);
            }
        }
    }

    /// The leaf that shows a node's receipt, made from its log as it is held here.
    fn receipt(&self, entry: &EntryId, place: (u32, u32), node: u8) -> Option<Vec<u8>> {
        let node = *self.register.as_ref()?.roster().nodes.get(usize::from(node))?;
        let mirror = self.mirrors.get(&node)?;
        let size = mirror.checked.size();
        let mut tree = Tree::default();
        let (mut found, mut extra) = (None, Vec::new());
        for (index, order) in mirror.applied_since(0).take_while(|(index, _)| *index < size) {
            let hash = match order {
                Some((device, seq)) => self.places.at(device, seq)?.hash,
                None => leaf_hash(mirror.others.get(&index)?),
            };
            if order == Some(place) {
                found = Some(index);
            } else if mirror.claims.get(&index) == Some(entry) {
                found = Some(index);
                extra.clone_from(mirror.others.get(&index)?);
            }
            tree.append(hash);
        }
        let index = found?;
        let proof = tree.prove_inclusion(index, size, |_, _| None).ok()?;
        let checkpoint = Note::parse(&mirror.note).ok()?;
        let receipt = Receipt { index, proof, checkpoint, extra }.to_string();
        let receipt = Octets::new(receipt.into_bytes())?;
        Some(Shown { entry: *entry, node, receipt }.leaf())
    }

    /// A leaf of a checked log shows a receipt: it counts as the log would that it comes from.
    /// Returns the chain in which something may settle.
    pub(super) fn shown(&mut self, log: &NodeKey, leaf: &[u8]) -> Option<u32> {
        let Ok(Leaf::Shown(shown)) = Leaf::parse(leaf) else { return None };
        let node = self.roster_number(&shown.node)?;
        let key = (shown.entry, node);
        let position = self.places.position(&shown.entry);
        let is_counted = match position {
            Some((device, seq)) => self.places.at(device, seq)?.receipts & (1 << node) != 0,
            None => self.strays.has_receipt(&shown.entry, node),
        };
        let same = self.hash_in(log, &shown.entry);
        if is_counted || !shown.proves(&self.cooperative, &same?) {
            return None;
        }
        self.shows.lent.insert(key, leaf.to_vec());
        let Some((device, seq)) = position else {
            self.strays.receive(&shown.entry, node);
            return None;
        };
        self.places.receive(device, seq, node);
        Some(device)
    }

    /// A leaf of this node's own log shows a receipt, which was counted before.
    pub(super) fn restore_shown(&mut self, shown: &Shown) {
        let Some(node) = self.roster_number(&shown.node) else { return };
        self.shows.own.insert((shown.entry, node));
        if let Some((device, seq)) = self.places.position(&shown.entry) {
            self.places.receive(device, seq, node);
            self.settle(BTreeSet::from([device]));
        }
    }

    /// Receipts that the checked leaves of a log show, when it is read back from disk.
    pub(super) fn restore_lent(&mut self, log: &NodeKey) {
        let others = self.mirrors.get(log).map(|mirror| mirror.others.values());
        let kind = |leaf: &&Vec<u8>| matches!(Leaf::parse(leaf), Ok(Leaf::Shown(_)));
        let leaves: Vec<Vec<u8>> = others.into_iter().flatten().filter(kind).cloned().collect();
        let touched = leaves.iter().filter_map(|leaf| self.shown(log, leaf)).collect();
        self.settle(touched);
    }

    /// The hash of the leaf that accepts an entry with the bytes by which a log holds it.
    fn hash_in(&self, log: &NodeKey, entry: &EntryId) -> Option<TreeHash> {
        let mirror = self.mirrors.get(log)?;
        let position = self.places.position(entry);
        if position.is_some() && mirror.order.contains(&position) {
            return position
                .and_then(|(device, seq)| self.places.at(device, seq))
                .map(|it| it.hash);
        }
        let (index, _) = mirror.claims.iter().find(|(_, id)| *id == entry)?;
        let leaf = mirror.others.get(index)?;
        match leaf.split_first()? {
            (&RESOLVE, bytes) => {
                let entry = talea_protocol::entry::Entry::parse(bytes.to_vec()).ok()?;
                Some(leaf_hash(&accept(&entry)))
            }
            _ => Some(leaf_hash(leaf)),
        }
    }
}
