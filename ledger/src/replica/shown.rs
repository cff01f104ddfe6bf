//! Receipts of others that this node shows, and those that it is shown.
//!
//! A node that lies may show its log to some and not to others, or another log: its receipt is
//! then counted by some honest nodes only. Where a chain goes on that does no harm, since the
//! honest nodes are enough. Where it stands still behind a fork, an entry may have its quorum with
//! that receipt alone: who has settled it shows what it has counted. README, section 8.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::bytes::Octets;
use talea_protocol::charter::Roster;
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

/// An entry, its device's number and its number in that chain.
type Spot = (EntryId, (u32, u32));

impl Replica {
    /// Shows whose receipts have settled what is settled behind forks that are open, where so few
    /// have that others might not see as many.
    pub(super) fn show_receipts(&mut self) {
        if !self.may_append() {
            return;
        }
        for (node, wanted) in self.to_show() {
            let fresh = wanted.into_iter().filter(|(id, _)| self.shows.own.insert((*id, node)));
            let (lent, own): (Vec<_>, Vec<_>) =
                fresh.partition(|(id, _)| self.shows.lent.contains_key(&(*id, node)));
            let lent = lent.iter().filter_map(|(id, _)| self.shows.lent.get(&(*id, node)).cloned());
            let mut leaves: Vec<Vec<u8>> = lent.collect();
            leaves.extend(self.receipts_of(node, &own).unwrap_or_default());
            for leaf in leaves {
                let hash = leaf_hash(&leaf);
                self.own.append(&self.cooperative, leaf, hash, OwnLeaf::Other);
            }
        }
    }

    /// What is to be shown, by the node whose receipts they are: of entries with at least q + f
    /// receipts none, since q of those are of honest nodes, whose logs everybody gets. A roster
    /// built for no liar is helped against one.
    fn to_show(&self) -> BTreeMap<u8, Vec<Spot>> {
        let mut wanted: BTreeMap<u8, Vec<Spot>> = BTreeMap::new();
        let Some(roster) = self.only_roster() else { return wanted };
        let enough = u32::from(roster.quorum) + u32::from(roster.faulty.max(1));
        let own = self.number_in(&self.me, 0);
        for (device, open) in self.freezes.forks() {
            let from = u32::try_from(open.fork.seq()).unwrap_or(u32::MAX);
            for seq in from..self.places.settled(device) {
                let Some(place) = self.places.at(device, seq) else { break };
                let Some(receipts) = self.places.receipts(device, seq) else { break };
                if receipts.of(0).count_ones() >= enough {
                    continue;
                }
                let counted = (0..16).filter(|node| receipts.has(0, *node));
                for node in counted.filter(|node| Some(*node) != own) {
                    if !self.shows.own.contains(&(place.id, node)) {
                        wanted.entry(node).or_default().push((place.id, (device, seq)));
                    }
                }
            }
        }
        wanted
    }

    /// The leaves that show a node's receipts, made from its log as it is held here, in one pass.
    fn receipts_of(&self, node: u8, wanted: &[Spot]) -> Option<Vec<Vec<u8>>> {
        if wanted.is_empty() {
            return None;
        }
        let node = *self.only_roster()?.nodes.get(usize::from(node))?;
        let mirror = self.mirrors.get(&node)?;
        let size = mirror.checked.size();
        let mut tree = Tree::default();
        let ids: BTreeSet<EntryId> = wanted.iter().map(|(id, _)| *id).collect();
        let places: BTreeMap<(u32, u32), EntryId> =
            wanted.iter().map(|(id, at)| (*at, *id)).collect();
        let mut found: Vec<(EntryId, u64, Vec<u8>)> = Vec::new();
        for (index, order) in mirror.applied_since(0).take_while(|(index, _)| *index < size) {
            let hash = match order {
                Some((device, seq)) => self.places.at(device, seq)?.hash,
                None => leaf_hash(mirror.others.get(&index)?),
            };
            tree.append(hash);
            let claim = mirror.claims.get(&index);
            let id =
                order.and_then(|place| places.get(&place)).or(claim).filter(|id| ids.contains(id));
            if let Some(id) = id {
                let extra = claim.and_then(|_| mirror.others.get(&index)).cloned();
                found.push((*id, index, extra.unwrap_or_default()));
            }
        }
        let checkpoint = Note::parse(&mirror.note).ok()?;
        let leaf = |(entry, index, extra): (EntryId, u64, Vec<u8>)| {
            let proof = tree.prove_inclusion(index, size, |_, _| None).ok()?;
            let receipt = Receipt { index, proof, checkpoint: checkpoint.clone(), extra };
            let receipt = Octets::new(receipt.to_string().into_bytes())?;
            Some(Shown { entry, node, receipt }.leaf())
        };
        Some(found.into_iter().filter_map(leaf).collect())
    }

    /// A leaf of a checked log shows a receipt: it counts as the log would that it comes from.
    /// Returns the chain in which something may settle.
    pub(super) fn shown(&mut self, log: &NodeKey, leaf: &[u8]) -> Option<u32> {
        let Ok(Leaf::Shown(shown)) = Leaf::parse(leaf) else { return None };
        let node = self.number_in(&shown.node, 0)?;
        let key = (shown.entry, node);
        let position = self.places.position(&shown.entry);
        if self.only_roster().is_none() && !self.restoring {
            return None;
        }
        let is_counted = match position {
            Some((device, seq)) => self.places.receipts(device, seq)?.has(0, node),
            None => self.strays.has_receipt(&shown.entry, 0, node),
        };
        let same = self.hash_in(log, &shown.entry);
        if is_counted || !shown.proves(&self.cooperative, &same?) {
            return None;
        }
        self.shows.lent.insert(key, leaf.to_vec());
        let Some((device, seq)) = position else {
            self.strays.receive(&shown.entry, 0, node);
            return None;
        };
        self.places.receive(device, seq, 0, node);
        Some(device)
    }

    /// A leaf of this node's own log shows a receipt, which was counted before.
    pub(super) fn restore_shown(&mut self, shown: &Shown) {
        let Some(node) = self.number_in(&shown.node, 0) else { return };
        self.shows.own.insert((shown.entry, node));
        if let Some((device, seq)) = self.places.position(&shown.entry) {
            self.places.receive(device, seq, 0, node);
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

    /// The roster, if there has been one alone: a receipt does not say for which one it stands.
    fn only_roster(&self) -> Option<&Roster> {
        let rosters = self.register.as_ref()?.rosters();
        (rosters.len() == 1).then(|| rosters.first().map(|it| &it.roster)).flatten()
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
