//! From disk to memory at start.
//!
//! Everything but leaves, rows of mirrors and checkpoints is computed again. Disk is not trusted
//! for what is true: the log's root must be the promised one, and a mirror's root the one that its
//! owner signed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use talea_protocol::act::Content;
use talea_protocol::bytes::{FRAME_BYTES_MAX, Malformed, decode};
use talea_protocol::checkpoint::{Checkpoint, open, origin};
use talea_protocol::entry::{Entry, Refusal as Unsound, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey, SecretKey};
use talea_protocol::leaf::{Leaf, RESOLVE, accept, accepted, bundled, resolve};
use talea_protocol::message::Item;
use talea_protocol::note::Note;
use talea_protocol::sync::Moment;
use talea_protocol::tree::{TreeHash, leaf_hash};

use super::Replica;
use super::behind::Need;
use super::mirrors::frontier;
use super::own::{OwnLeaf, is_milestone};
use super::submit::Placing;
use crate::place::{Place, Refusal, Standing};
use crate::settle::{Mirror, Row, Seen};

/// Why what is on disk is not what was written there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// A leaf is no leaf, or its entry is none.
    #[error("leaf {index} of this node's log: {reason}")]
    Leaf {
        /// The leaf.
        index: u64,
        /// What is wrong.
        reason: Unsound,
    },
    /// A leaf's entry has no place after the leaves before it.
    #[error("leaf {index} of this node's log does not follow from the leaves before it: {reason}")]
    Place {
        /// The leaf.
        index: u64,
        /// What is wrong.
        reason: Box<Refusal>,
    },
    /// A leaf's entry waits for another.
    #[error("leaf {index} of this node's log comes before {awaited}, which it needs")]
    Early {
        /// The leaf.
        index: u64,
        /// What it waits for.
        awaited: EntryId,
    },
    /// A leaf's entry has a place already.
    #[error("leaf {index} of this node's log holds an entry that an earlier leaf holds")]
    Twice {
        /// The leaf.
        index: u64,
    },
    /// The leaves have another root than this node has promised.
    #[error("the {leaves} leaves do not begin with the {promised} that this node has signed")]
    Promise {
        /// Leaves on disk.
        leaves: u64,
        /// Leaves promised.
        promised: u64,
    },
    /// A row of another node's log.
    #[error("the kept log of node {node}, row {from}: {reason}")]
    Mirror {
        /// Whose log.
        node: NodeKey,
        /// The row's first leaf.
        from: u64,
        /// What is wrong.
        reason: Malformed,
    },
    /// The rows of another node's log do not have the root that it signed.
    #[error("the kept log of node {node} has not the root that its owner signed")]
    MirrorRoot {
        /// Whose log.
        node: NodeKey,
    },
}

/// What a node's disk gives, in order of key.
pub struct Disk<F> {
    /// This node's own leaves from 0; asked again when a leaf takes over what another had.
    pub leaves: F,
    /// Rows of the logs of others: whose, its first leaf, its bytes.
    pub mirrors: Vec<(NodeKey, u64, Vec<u8>)>,
    /// The latest notes: whose log, its bytes.
    pub notes: Vec<(NodeKey, Vec<u8>)>,
    /// Size and root of the own log that this node promised last.
    pub promised: Option<(u64, TreeHash)>,
}

impl Replica {
    /// The cooperative as it was kept.
    ///
    /// # Errors
    /// [`Unreadable`]: the disk is damaged. One that is only older than what this node has signed
    /// is no error: see [`Replica::behind`].
    pub fn restore<L>(
        now: Moment,
        cooperative: EntryId,
        key: Arc<SecretKey>,
        hosts: &[NodeKey],
        disk: Disk<impl Fn() -> L>,
    ) -> Result<Self, Unreadable>
    where
        L: Iterator<Item = Vec<u8>>,
    {
        let Disk { leaves, mirrors, notes, promised } = disk;
        let kept = rows(mirrors)?;
        let mut taken = Taken::default();
        loop {
            let replica = Self::new(now, cooperative, Arc::clone(&key), hosts);
            match replica.read(now, leaves(), kept.clone(), &notes, promised, &taken)? {
                Reading::Done(replica) => return Ok(*replica),
                // A later leaf takes a place over: read again without what it replaces.
                Reading::Again(spot, id) => taken.add(spot, id),
            }
        }
    }

    fn read(
        mut self,
        now: Moment,
        leaves: impl Iterator<Item = Vec<u8>>,
        mut kept: Rows,
        notes: &[(NodeKey, Vec<u8>)],
        promise: Option<(u64, TreeHash)>,
        taken: &Taken,
    ) -> Result<Reading, Unreadable> {
        let replica = &mut self;
        replica.restoring = true;
        let mut promised_root = Some(TreeHash::EMPTY);
        let promised = promise.map_or(0, |(size, _)| size);
        let mut holders = Holders::default();
        let mut milestones = Vec::new();
        for (index, leaf) in (0_u64..).zip(leaves) {
            if let Some((spot, id)) = replica.restore_leaf(index, leaf, taken)? {
                return Ok(Reading::Again(spot, id));
            }
            replica.own.is_on_disk(promised);
            if index == 0 {
                holders = replica.holders(&kept, promised);
            }
            replica.restore_receipts(index, &mut holders);
            if index + 1 == promised {
                promised_root = Some(replica.own.tree.root());
            }
            if is_milestone(index + 1) {
                milestones.push((index + 1, replica.own.tree.root()));
            }
        }
        let leaves = replica.own.tree.size();
        let is_whole = promised <= leaves;
        if is_whole && promise.is_some_and(|(_, root)| promised_root != Some(root)) {
            return Err(Unreadable::Promise { leaves, promised });
        }
        replica.own.published = promised.min(leaves);
        if let Some((size, root)) = promise.filter(|_| is_whole) {
            replica.restore_note(size, root, notes);
            replica.restore_milestones(milestones.into_iter().filter(|(at, _)| *at < size));
        }
        let nodes: Vec<NodeKey> = kept.keys().copied().collect();
        for node in nodes {
            let rows = kept.remove(&node).unwrap_or_default();
            let note = notes.iter().find(|(owner, _)| *owner == node);
            replica.restore_mirror(node, rows, note.map_or(&[], |(_, note)| note))?;
        }
        replica.outputs.clear();
        replica.sync.grown(replica.me, replica.own.published);
        replica.own.news(now);
        replica.restoring = false;
        match promise {
            Some(signed) => replica.hold(Need::Settlers, Some(signed)),
            None if leaves > 0 => replica.hold(Need::Witnesses, None),
            None => {}
        }
        replica.go_on();
        Ok(Reading::Done(Box::new(self)))
    }

    /// Takes back a leaf that this node had appended before and lost. One that takes a place over
    /// is kept, and judged when the replica starts again from its disk.
    pub(super) fn take_back(&mut self, leaf: Vec<u8>) -> Result<(), Unreadable> {
        let index = self.own.tree.size();
        self.restoring = true;
        let taken = Taken::default();
        let over = match self.reload {
            Some(_) => true,
            None => self.restore_leaf(index, leaf.clone(), &taken)?.is_some(),
        };
        self.restoring = false;
        if over {
            self.reload.get_or_insert(index);
            let hash = leaf_hash(&leaf);
            self.own.append(&self.cooperative, leaf, hash, OwnLeaf::Other);
        }
        Ok(())
    }

    /// Takes in an own leaf; says what it takes over if that was given to another before.
    fn restore_leaf(
        &mut self,
        index: u64,
        leaf: Vec<u8>,
        taken: &Taken,
    ) -> Result<Option<(Spot, EntryId)>, Unreadable> {
        let Some(bytes) = accepted(&leaf) else {
            self.restore_fork(index, &leaf);
            let (hash, own) = (leaf_hash(&leaf), self.restore_renewed(&leaf));
            self.own.append(&self.cooperative, leaf, hash, own);
            return Ok(None);
        };
        let entry = Entry::parse(bytes.to_vec())
            .map(Signed::kept)
            .map_err(|reason| Unreadable::Leaf { index, reason })?;
        let resolves = leaf.first() == Some(&RESOLVE);
        if !resolves && taken.replaces(&entry) {
            self.bury(index, &entry, leaf);
            return Ok(None);
        }
        let (id, spot) = (entry.id(), Spot::of(&entry));
        match self.place_kept(entry, resolves) {
            Placing::Placed(_) => Ok(None),
            // It stands on a branch that another has replaced.
            Placing::Waits(_, entry) | Placing::Refused(_, entry)
                if !resolves && !taken.is_empty() =>
            {
                self.bury(index, &entry, leaf);
                Ok(None)
            }
            Placing::Refused(..) if resolves && !taken.has(&spot) => Ok(Some((spot, id))),
            Placing::Waits(awaited, _) => Err(Unreadable::Early { index, awaited }),
            Placing::Known(..) => Err(Unreadable::Twice { index }),
            Placing::Refused(reason, _) => {
                Err(Unreadable::Place { index, reason: Box::new(reason) })
            }
        }
    }

    /// Gives an entry of the own log its place again, by the leaf that it had.
    fn place_kept(&mut self, entry: Signed, resolves: bool) -> Placing {
        if !resolves {
            return self.place(entry, None, None);
        }
        let Some(register) = &self.register else {
            return Placing::Waits(self.cooperative, entry);
        };
        let (device, basis) = match self.places.ask(register, &entry) {
            Ok(Standing::Free { device, basis }) => (device, basis),
            Ok(Standing::Known(leaf)) => return Placing::Known(leaf, entry),
            Ok(Standing::Waits(awaited)) => return Placing::Waits(awaited, entry),
            Err(refusal) => return Placing::Refused(refusal, entry),
        };
        let bytes = resolve(&entry);
        let seq = u32::try_from(self.places.chain(device).len()).unwrap_or(u32::MAX);
        let own = OwnLeaf::Resolve { device, seq };
        let hash = leaf_hash(&bytes);
        let leaf = self.own.append(&self.cooperative, bytes, hash, own);
        let hash = leaf_hash(&accept(&entry));
        let place = Place { id: entry.id(), hash, leaf };
        self.keep_place(device, basis, place, entry);
        Placing::Placed(leaf)
    }

    fn bury(&mut self, index: u64, entry: &Signed, leaf: Vec<u8>) {
        let header = entry.header();
        let device = self.register.as_ref().and_then(|it| it.known(&header.device));
        let given = device.zip(u32::try_from(header.seq).ok());
        let hash = leaf_hash(&leaf);
        self.own.append(&self.cooperative, leaf.clone(), hash, OwnLeaf::Dead);
        self.dead.bury(index, entry.id(), leaf, given);
    }

    /// A leaf of this log that renews an entry, read back at start.
    fn restore_renewed(&mut self, leaf: &[u8]) -> OwnLeaf {
        let Ok(Leaf::Renewed(renewed)) = Leaf::parse(leaf) else { return OwnLeaf::Other };
        self.turns.renewed.insert(renewed.entry);
        match self.places.position(&renewed.entry) {
            Some((device, seq)) => OwnLeaf::Renew { device, seq },
            None => OwnLeaf::Other,
        }
    }

    /// Whose checked logs hold which own leaves: known before the entries are read, so that each
    /// settles as it comes and none piles up.
    fn holders(&self, kept: &Rows, promised: u64) -> Holders {
        let mut runs = vec![(0, promised, self.me, None)];
        for (node, rows) in kept {
            let mut order = None;
            for item in rows.iter().flat_map(|(_, row)| row) {
                match item {
                    Item::Copy { from, count, .. } => {
                        runs.push((*from, from.saturating_add(u64::from(*count)), *node, order));
                    }
                    Item::Bundle(bundle) => {
                        let leaves = bundled(bundle).unwrap_or_default();
                        let closed = leaves.iter().rev().find_map(|leaf| match Leaf::parse(leaf) {
                            Ok(Leaf::Closed(closed)) => Some(closed.order),
                            _ => None,
                        });
                        order = closed.or(order);
                    }
                    Item::Known(_) => {}
                }
            }
        }
        runs.sort_unstable_by(|one, other| other.cmp(one));
        Holders { runs, now: Vec::new() }
    }

    fn restore_receipts(&mut self, index: u64, holders: &mut Holders) {
        let Some((device, seq)) = self.own_leaf(index).and_then(|leaf| leaf.receipt()) else {
            return;
        };
        for (node, order) in holders.of(index) {
            let counts = if node == self.me {
                self.counts(&self.me, &self.turns.closings, index)
            } else {
                let register = self.register.as_ref();
                let roster = order.map_or(Some(0), |order| register?.roster_of(&order));
                roster.and_then(|roster| Some((roster, self.number_in(&node, roster)?)))
            };
            if let Some((roster, node)) = counts {
                self.places.receive(device, seq, roster, node);
            }
        }
        self.settle(BTreeSet::from([device]));
        self.outputs.clear();
    }

    /// The note of the promised size: with its cosignatures if they were kept, else signed again.
    fn restore_note(&mut self, size: u64, root: TreeHash, notes: &[(NodeKey, Vec<u8>)]) {
        let origin = origin(&self.cooperative, &self.me);
        let mut note = Checkpoint { origin, size, root }.sign(&self.key);
        let kept = notes.iter().find(|(node, _)| *node == self.me);
        if let Some(kept) = kept.and_then(|(_, bytes)| Note::parse(bytes).ok())
            && kept.text() == note.text()
        {
            note = kept;
        }
        self.own.notes.insert(size, note);
    }

    /// Signs again what the promised size implies: its own beginnings.
    fn restore_milestones(&mut self, beginnings: impl Iterator<Item = (u64, TreeHash)>) {
        for (size, root) in beginnings {
            let checkpoint = Checkpoint { origin: origin(&self.cooperative, &self.me), size, root };
            self.own.milestones.insert(size, checkpoint.sign(&self.key));
        }
    }

    fn restore_mirror(
        &mut self,
        node: NodeKey,
        rows: Vec<(u64, Row)>,
        note: &[u8],
    ) -> Result<(), Unreadable> {
        let mut mirror = Mirror::new(node);
        for (from, row) in rows {
            let broken = |reason| Unreadable::Mirror { node, from, reason };
            if from != mirror.frontier.size() {
                return Err(broken(Malformed::Value("the row before it is missing")));
            }
            for item in &row {
                self.restore_item(&mut mirror, item).map_err(broken)?;
            }
        }
        let opened = open(note, &self.cooperative, &node, &self.turns.nodes)
            .map_err(|_| Unreadable::MirrorRoot { node })?;
        let (size, root) = (opened.checkpoint().size, opened.checkpoint().root);
        if (size, root) != (mirror.frontier.size(), mirror.frontier.root()) {
            return Err(Unreadable::MirrorRoot { node });
        }
        mirror.checked = mirror.frontier.clone();
        mirror.kept = mirror.checked.size();
        mirror.note = note.to_vec();
        let mut others = mirror.others.values().rev();
        let last = others.find_map(|leaf| frontier(leaf));
        self.frontiers.extend(last.map(|said| (node, said)));
        self.mirrors.insert(node, mirror);
        // What was taken over since it was kept is held now, though its row is not a copy.
        let touched = self.receive_log(&node, 0);
        self.settle(touched);
        self.restore_lent(&node);
        self.restore_words(node);
        self.sync.grown(node, size);
        Ok(())
    }

    /// A leaf of another's log that gives an entry a place: it has one here too, or none.
    fn restore_claim(&mut self, mirror: &mut Mirror, id: EntryId, leaf: Vec<u8>, hash: TreeHash) {
        let position = self.places.position(&id);
        let same = self.places.find(&id).is_some_and(|place| place.hash == hash);
        match position.filter(|_| same) {
            Some((device, seq)) => mirror.apply(Seen::Held(device, seq), hash),
            None => {
                if position.is_none()
                    && let Some(Ok(entry)) = accepted(&leaf).map(|it| Entry::parse(it.to_vec()))
                {
                    let entry = Signed::kept(entry);
                    self.ground(&entry);
                    self.stray(entry);
                }
                mirror.apply(Seen::Claim(id, leaf), hash);
            }
        }
    }

    fn restore_item(&mut self, mirror: &mut Mirror, item: &Item) -> Result<(), Malformed> {
        const GONE: Malformed = Malformed::Value("a reference to an entry that is not here");
        match item {
            Item::Copy { from, count, .. } => {
                for index in *from..from.saturating_add(u64::from(*count)) {
                    let held = self.own_leaf(index).and_then(|leaf| leaf.place());
                    if let Some((device, seq)) = held {
                        let place = self.places.at(device, seq).ok_or(GONE)?;
                        mirror.apply(Seen::Held(device, seq), place.hash);
                    } else {
                        let (id, leaf) = self.dead.leaf(index).ok_or(GONE)?;
                        let (leaf, hash) = (leaf.to_vec(), leaf_hash(leaf));
                        self.restore_claim(mirror, id, leaf, hash);
                    }
                }
            }
            Item::Bundle(bundle) => {
                let leaves = bundled(bundle).map_err(|_| Malformed::Value("a torn bundle"))?;
                for leaf in leaves {
                    let (bytes, hash) = (leaf.to_vec(), leaf_hash(leaf));
                    match accepted(leaf).map(|entry| Entry::parse(entry.to_vec())) {
                        Some(Ok(entry)) => self.restore_claim(mirror, entry.id(), bytes, hash),
                        _ => mirror.apply(Seen::Other(bytes), hash),
                    }
                }
            }
            Item::Known(_) => return Err(Malformed::Value("names where there are only leaves")),
        }
        Ok(())
    }
}

/// How far reading the own log has come.
enum Reading {
    /// To its end.
    Done(Box<Replica>),
    /// To a leaf that takes over what an earlier one had given.
    Again(Spot, EntryId),
}

/// What can be given once: a place in a chain, and the number after a register entry.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Spot {
    pub(super) place: (DeviceKey, u64),
    /// The register entry before it, if it is one.
    pub(super) after: Option<EntryId>,
}

impl Spot {
    pub(super) fn of(entry: &Entry) -> Self {
        let header = entry.header();
        let register = matches!(entry.content(), Content::Known(act) if act.is_register());
        Self { place: (header.device, header.seq), after: register.then_some(header.basis) }
    }
}

/// What later leaves take over.
#[derive(Default)]
struct Taken(BTreeMap<Spot, EntryId>);

impl Taken {
    fn add(&mut self, spot: Spot, id: EntryId) {
        self.0.insert(spot, id);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, spot: &Spot) -> bool {
        self.0.contains_key(spot)
    }

    /// Whether another entry has taken what this one was given.
    fn replaces(&self, entry: &Entry) -> bool {
        let asked = Spot::of(entry);
        let same = |spot: &Spot| {
            spot.place == asked.place || (spot.after.is_some() && spot.after == asked.after)
        };
        self.0.iter().any(|(spot, id)| same(spot) && *id != entry.id())
    }
}

/// A run of own leaves: first, end, whose log holds their entries, and the register entry that has
/// closed that log before, if one has.
type Run = (u64, u64, NodeKey, Option<EntryId>);

/// Runs of own leaves whose entries checked logs hold. Asked for in ascending order.
#[derive(Default)]
struct Holders {
    /// Those that have not begun, the last first.
    runs: Vec<Run>,
    /// Those that have.
    now: Vec<Run>,
}

impl Holders {
    fn of(&mut self, index: u64) -> impl Iterator<Item = (NodeKey, Option<EntryId>)> {
        while let Some(run) = self.runs.pop_if(|(from, ..)| *from <= index) {
            self.now.push(run);
        }
        self.now.retain(|(_, end, ..)| *end > index);
        self.now.iter().map(|(_, _, node, order)| (*node, *order))
    }
}

type Rows = BTreeMap<NodeKey, Vec<(u64, Row)>>;

fn rows(mirrors: Vec<(NodeKey, u64, Vec<u8>)>) -> Result<Rows, Unreadable> {
    let mut rows = Rows::new();
    for (node, from, bytes) in mirrors {
        let row = decode(&bytes, FRAME_BYTES_MAX).map_err(|reason| Unreadable::Mirror {
            node,
            from,
            reason,
        })?;
        rows.entry(node).or_default().push((from, row));
    }
    Ok(rows)
}
