//! This node's own log: what it appends, commits, signs and says of itself.
//!
//! Leaves are collected while a commit is under way and go together into the next. A checkpoint
//! covers exactly what a commit made durable.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::bytes::Octets;
use talea_protocol::checkpoint::{Checkpoint, open};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::{Frontier, Peer};
use talea_protocol::message::{CHECKPOINT_BYTES_MAX, Message};
use talea_protocol::note::Note;
use talea_protocol::sync::Moment;
use talea_protocol::tree::{Tree, TreeHash, leaf_hash};

use super::{Alarm, Output, Replica, Reply};
use crate::batch::{Batch, Column};

/// Between two testimonies (frontier and peer leaves) of one log, in ms.
pub const TESTIFY_MS: u64 = 1_000;
/// How long a log is quiet before it testifies, in ms.
pub const QUIET_MS: u64 = 100;
/// Own notes kept for the cosignatures that come, and own frontiers for comparison.
const KEPT: usize = 64;
/// Leaves between two notes that are kept for followers far behind: so that what they fetch counts
/// as it comes, and not only when all of it is there.
const MILESTONE: u64 = 2_048;

/// What a leaf of this node's own log is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OwnLeaf {
    /// Accepts an entry.
    Accept {
        /// Its chain.
        device: u32,
        /// Its number there.
        seq: u32,
        /// Whose log it came from, by number among all nodes, and its leaf there.
        origin: Option<(u8, u32)>,
    },
    /// Gives a place to an entry that is settled elsewhere or healed.
    Resolve {
        /// Its chain.
        device: u32,
        /// Its number there.
        seq: u32,
    },
    /// Renews an entry that it had accepted before it was closed.
    Renew {
        /// Its chain.
        device: u32,
        /// Its number there.
        seq: u32,
    },
    /// Accepted an entry whose place another has taken by a later leaf.
    Dead,
    /// A leaf of another kind.
    Other,
}

impl OwnLeaf {
    /// Chain and number of the entry that has its place by this leaf.
    #[must_use]
    pub const fn place(&self) -> Option<(u32, u32)> {
        match self {
            Self::Accept { device, seq, .. } | Self::Resolve { device, seq } => {
                Some((*device, *seq))
            }
            Self::Renew { .. } | Self::Dead | Self::Other => None,
        }
    }

    /// Chain and number of the entry of which the leaf is a receipt.
    #[must_use]
    pub const fn receipt(&self) -> Option<(u32, u32)> {
        match self {
            Self::Renew { device, seq } => Some((*device, *seq)),
            _ => self.place(),
        }
    }
}

/// Writes that belong together, and the checkpoint that they make true.
#[derive(Debug)]
pub struct Commit {
    /// Its number, to be given back.
    pub token: u64,
    /// Of which cooperative.
    pub cooperative: EntryId,
    /// What to write, together, synced.
    pub batch: Batch,
    /// The first new leaf.
    pub from: u64,
    /// The hashes that the new leaves must have when they are read back.
    pub hashes: Vec<TreeHash>,
    /// To be promised and signed after that.
    pub checkpoint: Checkpoint,
}

/// This node's own log.
#[derive(Default)]
pub struct OwnLog {
    pub(super) tree: Tree,
    pub(super) leaves: Vec<OwnLeaf>,
    /// Durable and signed for.
    pub(super) published: u64,
    pub(super) batch: Batch,
    hashes: Vec<TreeHash>,
    under_way: Option<(u64, u64)>,
    next_token: u64,
    /// Leaf, ticket and answer, to be given when the leaf is durable.
    acks: Vec<(u64, u64, Reply)>,
    /// Own notes by size, with the cosignatures that came.
    pub(super) notes: BTreeMap<u64, Note>,
    /// Own notes by size, about one for every [`MILESTONE`] leaves.
    pub(super) milestones: BTreeMap<u64, Note>,
    /// When to append a frontier, if there is something new.
    pub(super) testify_at: Option<Moment>,
    last: Moment,
    testified: u64,
    /// Own frontiers: state root by cut root.
    frontiers: BTreeMap<Hash, Hash>,
}

impl OwnLog {
    /// Appends a leaf; returns its index.
    pub(super) fn append(
        &mut self,
        cooperative: &EntryId,
        bytes: Vec<u8>,
        hash: TreeHash,
        leaf: OwnLeaf,
    ) -> u64 {
        let index = self.tree.size();
        self.tree.append(hash);
        self.hashes.push(hash);
        self.leaves.push(leaf);
        self.batch.put(Column::Leaf, leaf_key(cooperative, index), bytes);
        index
    }

    /// Answers a ticket once its leaf is durable.
    pub(super) fn acknowledge(&mut self, leaf: u64, ticket: u64, reply: Reply) {
        self.acks.push((leaf, ticket, reply));
    }

    /// Something is to be testified: soon if the log is quiet, at the latest every second.
    pub(super) fn news(&mut self, now: Moment) {
        let at = now.after(QUIET_MS).max(self.last.after(TESTIFY_MS));
        self.testify_at = Some(self.testify_at.map_or(at, |due| due.min(at)));
    }

    /// What is appended so far is on disk already; and promised, up to this size.
    pub(super) fn is_on_disk(&mut self, promised: u64) {
        self.batch = Batch::new();
        if self.tree.size() <= promised {
            self.hashes.clear();
        }
        let _ = self.tree.drain_tiles();
    }

    /// Whether a commit is under way.
    pub(super) const fn is_committing(&self) -> bool {
        self.under_way.is_some()
    }

    /// How far a frame for a follower may go that has the leaves below `from` and may have those
    /// below `to`, and the note for that size: the next milestone, or all.
    pub(super) fn reach(&self, from: u64, to: u64) -> (u64, Option<&Note>) {
        let mut ahead = self.milestones.range(from.saturating_add(1)..to.max(from + 1));
        match ahead.next() {
            Some((size, note)) => (*size, Some(note)),
            None => (to, self.notes.get(&to)),
        }
    }

    fn take_acks(&mut self) -> Vec<(u64, u64, Reply)> {
        let published = self.published;
        self.acks.extract_if(.., |(leaf, ..)| *leaf < published).collect()
    }
}

/// Whether a note for this size is kept.
pub(super) const fn is_milestone(size: u64) -> bool {
    size.is_multiple_of(MILESTONE)
}

/// Key of a leaf on disk.
#[must_use]
pub fn leaf_key(cooperative: &EntryId, index: u64) -> Vec<u8> {
    [cooperative.0.as_slice(), &index.to_be_bytes()].concat()
}

impl Replica {
    /// Leaves of this node's own log that are durable and signed for.
    #[must_use]
    pub const fn published(&self) -> u64 {
        self.own.published
    }

    /// How many commits are durable.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.own.next_token - u64::from(self.own.under_way.is_some())
    }

    /// How many must be before all that is known here now is: what is told on the ground of it,
    /// that a chain stands still for instance, would be forgotten with a loss of power.
    #[must_use]
    pub fn commits_due(&self) -> u64 {
        let own = &self.own;
        own.next_token + u64::from(!own.batch.is_empty() || !own.hashes.is_empty())
    }

    /// The latest own checkpoint, with the cosignatures that came.
    #[must_use]
    pub fn note(&self) -> Option<&Note> {
        self.own.notes.get(&self.own.published)
    }

    /// The latest own checkpoint that enough of the roster have cosigned to settle by.
    #[must_use]
    pub fn cosigned_note(&self) -> Option<(u64, &Note)> {
        let quorum = usize::from(self.roster()?.quorum);
        let enough = |note: &&Note| note.signatures().len() >= quorum;
        let notes = self.own.notes.iter().rev();
        notes.map(|(size, note)| (*size, note)).find(|(_, note)| enough(note))
    }

    /// What a leaf of this node's own log is.
    #[must_use]
    pub fn own_leaf(&self, index: u64) -> Option<OwnLeaf> {
        usize::try_from(index).ok().and_then(|index| self.own.leaves.get(index)).copied()
    }

    /// The tree of this node's own log, which may be ahead of [`Self::published`].
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.own.tree
    }

    /// Puts what has gathered into a commit, if none is under way.
    pub(super) fn commit(&mut self) {
        let own = &mut self.own;
        if own.under_way.is_some() || (own.batch.is_empty() && own.hashes.is_empty()) {
            return;
        }
        // Without new leaves it would sign again what may be less than it has signed since.
        if self.past.holds() && (own.hashes.is_empty() || !self.past.covers(own.tree.size())) {
            return;
        }
        let checkpoint = self.checkpoint();
        let own = &mut self.own;
        for tile in own.tree.drain_tiles() {
            let key = tile_key(&self.cooperative, tile.level, tile.index);
            own.batch.put(Column::Tile, key, tile.hashes);
        }
        let token = own.next_token;
        own.next_token += 1;
        let size = own.tree.size();
        own.under_way = Some((token, size));
        self.outputs.push_back(Output::Commit(Box::new(Commit {
            token,
            cooperative: self.cooperative,
            batch: std::mem::take(&mut own.batch),
            from: size.saturating_sub(u64::try_from(own.hashes.len()).unwrap_or(u64::MAX)),
            hashes: std::mem::take(&mut own.hashes),
            checkpoint,
        })));
    }

    /// A commit is durable: its leaves count as this node's receipts, and whoever submitted them
    /// is told.
    pub(super) fn committed(&mut self, token: u64, note: &[u8]) {
        let Some((_, size)) = self.own.under_way.take_if(|(expected, _)| *expected == token) else {
            return;
        };
        let before = std::mem::replace(&mut self.own.published, size);
        // While leaves are fetched that were signed for before, the note is ahead of them.
        let covers = |note: &Note| note.text().parse().is_ok_and(|it: Checkpoint| it.size == size);
        if let Some(note) = Note::parse(note).ok().filter(covers) {
            if before / MILESTONE < size / MILESTONE {
                self.own.milestones.insert(size, note.clone());
            }
            // A commit without new leaves signs the same again: cosignatures that came stay.
            self.own.notes.entry(size).or_insert(note);
            while self.own.notes.len() > KEPT {
                self.own.notes.pop_first();
            }
        }
        for (_, ticket, reply) in self.own.take_acks() {
            self.reply(ticket, reply);
        }
        self.receive_own(before);
        self.recall();
        if self.reload.is_some_and(|leaf| leaf < size) {
            self.outputs.push_back(Output::Reload);
        }
        self.sync.grown(self.me, size);
        for mirror in self.mirrors.values() {
            self.sync.grown(mirror.node, mirror.checked.size());
        }
        self.go_on();
    }

    /// Counts the own leaves from `from` to the published size as receipts.
    pub(super) fn receive_own(&mut self, from: u64) {
        let mut touched = BTreeSet::new();
        for index in from..self.own.published {
            let Some((device, seq)) = self.own_leaf(index).and_then(|leaf| leaf.receipt()) else {
                continue;
            };
            let counts = self.counts(&self.me, &self.turns.closings, index);
            if let Some((roster, node)) = counts {
                self.places.receive(device, seq, roster, node);
                touched.insert(device);
            }
        }
        self.settle(touched);
    }

    /// Appends what this node has seen of its peers, and what it holds for settled, when due.
    ///
    /// Leaves of these kinds are no news to anybody, so that nodes do not testify to each other's
    /// testimonies for ever.
    pub(super) fn testify(&mut self) {
        if self.own.testify_at.is_none_or(|due| self.now < due) {
            return;
        }
        self.own.testify_at = None;
        if self.past.holds() || !self.grows() {
            return;
        }
        self.own.last = self.now;
        self.show_receipts();
        self.weigh_words();
        self.say();
        self.compare();
    }

    /// Appends the same whatever is due.
    pub(super) fn say(&mut self) {
        let Some(register) = &self.register else { return };
        let mut leaves = Vec::new();
        for mirror in self.mirrors.values_mut().filter(|it| it.news && !it.differs) {
            if self.splits.is_known(&mirror.node) {
                continue;
            }
            mirror.news = false;
            leaves.push(
                Peer {
                    node: mirror.node,
                    size: mirror.checked.size(),
                    root: mirror.checked.root(),
                    time: self.now.0 / 1_000,
                }
                .leaf(),
            );
        }
        if self.settled > self.own.testified {
            self.own.testified = self.settled;
            let frontier = Frontier {
                accepted: self.places.root(register),
                settled: self.state.cut(register),
                state: self.state.root(),
                count: u64::try_from(self.places.len()).unwrap_or(u64::MAX),
            };
            leaves.push(frontier.leaf());
            self.own.frontiers.insert(frontier.settled.root, frontier.state);
            if self.own.frontiers.len() > KEPT {
                self.own.frontiers.retain(|cut, _| *cut == frontier.settled.root);
            }
        }
        for leaf in leaves {
            let hash = leaf_hash(&leaf);
            self.own.append(&self.cooperative, leaf, hash, OwnLeaf::Other);
        }
    }

    /// Compares the peers' last frontiers with this node's own.
    pub(super) fn compare(&mut self) {
        let mut alarms = Vec::new();
        for (peer, (cut, state)) in &self.frontiers {
            match self.own.frontiers.get(cut) {
                Some(own) if own == state => {
                    self.equal.insert(*peer, self.now);
                }
                Some(_) => alarms.push(*peer),
                None => {}
            }
        }
        for peer in alarms {
            self.frontiers.remove(&peer);
            if let Some(mirror) = self.mirrors.get_mut(&peer) {
                mirror.differs = true;
            }
            self.outputs.push_back(Output::Alarm(Alarm::State(peer)));
        }
    }

    /// A peer has cosigned one of this node's own checkpoints.
    pub(super) fn cosigned(&mut self, note: &[u8]) {
        let roster = &self.turns.nodes;
        let Ok(opened) = open(note, &self.cooperative, &self.me, roster) else { return };
        let Ok(theirs) = Note::parse(note) else { return };
        let size = opened.checkpoint().size;
        let Some(own) = self.own.notes.get_mut(&size).filter(|own| own.text() == theirs.text())
        else {
            return;
        };
        for line in theirs.signatures() {
            let known = opened
                .cosignatures()
                .iter()
                .any(|(node, _)| talea_protocol::checkpoint::cosigner(node) == line.key().0);
            if known {
                // More lines than a note can hold: the roster's are few, so it cannot be.
                let _ = own.add(line.clone());
            }
        }
        let value = own.to_string().into_bytes();
        if self.own.notes.range(size + 1..).any(|(_, later)| later.signatures().len() > 1) {
            return;
        }
        let key = [self.cooperative.0, self.me.0].concat();
        self.own.batch.put(Column::Checkpoint, key, value);
    }

    /// Cosigns a peer's checked checkpoint and tells it.
    pub(super) fn cosign(&mut self, log: NodeKey, checkpoint: &Checkpoint, note: &[u8]) {
        let Ok(mut note) = Note::parse(note) else { return };
        if note.add(checkpoint.cosign(&self.key, self.now.0 / 1_000)).is_err() {
            return;
        }
        let Some(note) = Octets::<CHECKPOINT_BYTES_MAX>::new(note.to_string().into_bytes()) else {
            return;
        };
        let cooperative = self.cooperative;
        self.outputs.push_back(Output::Send(log, Message::Cosigned { cooperative, note }));
    }
}

/// Key of a tile on disk.
#[must_use]
pub fn tile_key(cooperative: &EntryId, level: u8, index: u64) -> Vec<u8> {
    [cooperative.0.as_slice(), &[level], &index.to_be_bytes()].concat()
}
