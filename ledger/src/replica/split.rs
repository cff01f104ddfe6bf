//! What others say of a log that is held here: from two signed histories to the proof in every log.
//!
//! Each log says which checkpoints of the others it has checked (peer leaves). Where one tells
//! otherwise of a log than what is held here, this log says so with its own checkpoint of it
//! (doubt); the other answers likewise, and whoever holds more leaves makes the proof. Everything
//! goes through the logs, so that it needs no session, and is there again after a restart. The
//! receipts of a node that has split its view count as before: settlement reckons with it.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::bytes::List;
use talea_protocol::checkpoint::{Checkpoint, open, origin};
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::{Doubt, Leaf, Peer};
use talea_protocol::note::Note;
use talea_protocol::split::{SignedCheckpoint, Split, alone};
use talea_protocol::tree::{Tree, TreeHash, leaf_hash};

use super::own::OwnLeaf;
use super::{Alarm, Output, Replica};
use crate::settle::{Mirror, Order};

/// Words of logs about logs, and what came of them. One of each kind for each two nodes at most.
#[derive(Debug, Default)]
pub(super) struct Splits {
    /// The last peer leaf of a log about another, until so much of that one is held here.
    told: BTreeMap<(NodeKey, NodeKey), Peer>,
    /// The last doubt of a log about another that was not looked at yet.
    doubts: BTreeMap<(NodeKey, NodeKey), Doubt>,
    /// This log's own doubts: because of whom, and about whom.
    own: BTreeSet<(NodeKey, NodeKey)>,
    /// Checked proofs that are not in this log yet.
    found: BTreeMap<NodeKey, Split>,
    /// Those that are.
    proven: BTreeMap<NodeKey, Split>,
}

impl Splits {
    /// Whether a node is known to have signed two histories.
    pub(super) fn is_known(&self, node: &NodeKey) -> bool {
        self.proven.contains_key(node) || self.found.contains_key(node)
    }
}

impl Replica {
    /// Nodes that have signed two histories of their logs, and the proofs.
    pub fn splits(&self) -> impl Iterator<Item = (&NodeKey, &Split)> {
        self.splits.proven.iter()
    }

    /// A checked leaf of a log is about another log: it is looked at when this one testifies.
    pub(super) fn tells(&mut self, log: NodeKey, leaf: &[u8]) {
        match Leaf::parse(leaf) {
            Ok(Leaf::Peer(peer)) if self.may_doubt(&peer.node) => {
                self.splits.told.insert((log, peer.node), peer);
            }
            Ok(Leaf::Doubt(doubt)) if self.may_doubt(&doubt.node) => {
                self.splits.doubts.insert((log, doubt.node), doubt);
            }
            _ => return,
        }
        self.own.news(self.now);
    }

    fn may_doubt(&self, node: &NodeKey) -> bool {
        *node != self.me && self.roster_number(node).is_some() && !self.splits.is_known(node)
    }

    /// A leaf of a log, checked or not, is said to prove that a node has split its view. Returns
    /// whether it does.
    pub(super) fn split_told(&mut self, split: Split) -> bool {
        let proves = split.check(&self.cooperative).is_ok();
        let is_news = self.roster_number(&split.node).is_some();
        if proves && is_news && !self.splits.is_known(&split.node) {
            self.splits.found.insert(split.node, split);
            self.own.news(self.now);
        }
        proves
    }

    /// Compares what logs have said of logs with what is held here, and says what came of it.
    pub(super) fn weigh_words(&mut self) {
        if !self.may_append() {
            return;
        }
        for ((log, node), peer) in self.due() {
            if self.root_at(&node, peer.size).is_some_and(|root| root != peer.root) {
                self.say_doubt(log, node);
            }
        }
        for ((log, _), doubt) in std::mem::take(&mut self.splits.doubts) {
            self.doubted(log, &doubt);
        }
        for (node, split) in std::mem::take(&mut self.splits.found) {
            self.say(split.leaf());
            self.splits.proven.insert(node, split);
            self.splits.told.retain(|(_, about), _| *about != node);
            self.outputs.push_back(Output::Alarm(Alarm::Split(node)));
        }
    }

    /// Words about as much of a log as is held here.
    fn due(&mut self) -> Vec<((NodeKey, NodeKey), Peer)> {
        let held = |node: &NodeKey| self.mirrors.get(node).map_or(0, |it| it.checked.size());
        self.splits.told.extract_if(.., |(_, node), peer| peer.size <= held(node)).collect()
    }

    /// Another log tells otherwise of a log: what is held of it here is said once.
    fn say_doubt(&mut self, log: NodeKey, node: NodeKey) {
        let Some((_, note)) = self.checked_note(&node) else { return };
        if self.may_doubt(&node) && self.splits.own.insert((log, node)) {
            self.say(Doubt { node, log, note }.leaf());
        }
    }

    /// Another log doubts. If less of the doubted log is held here, this log's word is the answer
    /// to one that was meant for it.
    fn doubted(&mut self, log: NodeKey, doubt: &Doubt) {
        let node = doubt.node;
        let Some(said) = self.opened(&node, &doubt.note) else { return };
        match self.root_at(&node, said.size) {
            Some(root) if root != said.root => {
                if let Some(split) = self.prove(node, &said, &doubt.note, root) {
                    self.split_told(split);
                }
            }
            Some(_) => {}
            None if doubt.log == self.me => self.say_doubt(log, node),
            None => {}
        }
    }

    /// The proof that a checkpoint of fewer leaves than are held here, or of as many, is of another
    /// history. `began` is the root of the held leaves at its size.
    fn prove(
        &self,
        node: NodeKey,
        said: &Checkpoint,
        note: &SignedCheckpoint,
        began: TreeHash,
    ) -> Option<Split> {
        let (held, own) = self.checked_note(&node)?;
        if said.size == held.size {
            let (one, other, root) = if said.root < held.root {
                (note.clone(), own, held.root)
            } else {
                (own, note.clone(), said.root)
            };
            return Some(Split { node, one, other, root, proof: List::default() });
        }
        let mirror = self.mirrors.get(&node)?;
        let mut tree = Tree::default();
        for (index, order) in mirror.applied_since(0).take_while(|(index, _)| *index < held.size) {
            tree.append(self.hash_of(mirror, index, order)?);
        }
        let proof = tree.prove_consistency(said.size, held.size, |_, _| None).ok()?;
        let proof = List::new(proof)?;
        Some(Split { node, one: note.clone(), other: own, root: began, proof })
    }

    /// The checkpoint up to which a log is checked here, and its bytes.
    fn checked_note(&self, node: &NodeKey) -> Option<(Checkpoint, SignedCheckpoint)> {
        let note = Note::parse(&self.mirrors.get(node)?.note).ok()?;
        let bytes = alone(&note, &origin(&self.cooperative, node))?;
        Some((self.opened(node, &bytes)?, bytes))
    }

    fn opened(&self, node: &NodeKey, note: &SignedCheckpoint) -> Option<Checkpoint> {
        let opened = open(note, &self.cooperative, node, &[]).ok()?;
        Some(opened.checkpoint().clone()).filter(|checkpoint| checkpoint.size > 0)
    }

    /// The root that another node's log had at so many leaves, as it is checked here; none if it
    /// has fewer.
    #[must_use]
    pub fn root_at(&self, node: &NodeKey, size: u64) -> Option<TreeHash> {
        let mirror = self.mirrors.get(node).filter(|it| size <= it.checked.size())?;
        mirror.root_at(size, |index, order| self.hash_of(mirror, index, order))
    }

    fn hash_of(&self, mirror: &Mirror, index: u64, order: Order) -> Option<TreeHash> {
        match order {
            Some((device, seq)) => Some(self.places.at(device, seq)?.hash),
            None => Some(leaf_hash(mirror.others.get(&index)?)),
        }
    }

    fn say(&mut self, leaf: Vec<u8>) {
        let hash = leaf_hash(&leaf);
        self.own.append(&self.cooperative, leaf, hash, OwnLeaf::Other);
    }

    /// What this node's own log says, read back at start.
    pub(super) fn restore_word(&mut self, leaf: Leaf) {
        match leaf {
            Leaf::Doubt(doubt) => {
                self.splits.own.insert((doubt.log, doubt.node));
            }
            Leaf::Split(split) => {
                self.splits.proven.insert(split.node, *split);
            }
            _ => {}
        }
    }

    /// What the checked leaves of a log say of others, when it is read back from disk.
    pub(super) fn restore_words(&mut self, log: NodeKey) {
        let others = self.mirrors.get(&log).map(|mirror| mirror.others.values());
        let leaves: Vec<Vec<u8>> = others.into_iter().flatten().cloned().collect();
        for leaf in leaves {
            match Leaf::parse(&leaf) {
                Ok(Leaf::Split(split)) => {
                    self.split_told(*split);
                }
                _ => self.tells(log, &leaf),
            }
        }
    }
}
