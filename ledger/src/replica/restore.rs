//! From disk to memory at start.
//!
//! Everything but leaves, rows of mirrors and checkpoints is computed again. Disk is not trusted
//! for what is true: the log's root must be the promised one, and a mirror's root the one that its
//! owner signed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use talea_protocol::bytes::{FRAME_BYTES_MAX, Malformed, decode};
use talea_protocol::checkpoint::{Checkpoint, open, origin};
use talea_protocol::entry::{Entry, Refusal as Unsound, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::leaf::{accepted, bundled};
use talea_protocol::message::Item;
use talea_protocol::note::Note;
use talea_protocol::sync::Moment;
use talea_protocol::tree::{TreeHash, leaf_hash};

use super::Replica;
use super::mirrors::frontier;
use super::own::OwnLeaf;
use super::submit::Placing;
use crate::place::Refusal;
use crate::register::Register;
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
        reason: Refusal,
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
    /// The leaves are fewer than this node has promised, or have another root.
    #[error("{leaves} leaves are not the log of {promised} leaves that this node has signed")]
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
pub struct Disk<L> {
    /// This node's own leaves from 0.
    pub leaves: L,
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
    /// [`Unreadable`]: the disk is damaged, or older than what this node has signed since.
    pub fn restore(
        now: Moment,
        cooperative: EntryId,
        key: Arc<SecretKey>,
        hosts: &[NodeKey],
        disk: Disk<impl Iterator<Item = Vec<u8>>>,
    ) -> Result<Self, Unreadable> {
        let mut replica = Self::new(now, cooperative, key, hosts);
        let mut promised_root = Some(TreeHash::EMPTY);
        let Disk { leaves, mirrors, notes, promised: promise } = disk;
        let promised = promise.map_or(0, |(size, _)| size);
        let mut kept = rows(mirrors)?;
        let mut holders = Holders::default();
        for (index, leaf) in (0_u64..).zip(leaves) {
            replica.restore_leaf(index, leaf)?;
            replica.own.is_on_disk(promised);
            if index == 0 {
                holders = replica.holders(&kept, promised);
            }
            replica.restore_receipts(index, &mut holders);
            if index + 1 == promised {
                promised_root = Some(replica.own.tree.root());
            }
        }
        let leaves = replica.own.tree.size();
        if promise.is_some_and(|(size, root)| size > leaves || promised_root != Some(root)) {
            return Err(Unreadable::Promise { leaves, promised });
        }
        replica.own.published = promised;
        if let Some((size, root)) = promise {
            replica.restore_note(size, root, &notes);
        }
        let nodes: Vec<NodeKey> = kept.keys().copied().collect();
        for node in nodes {
            let rows = kept.remove(&node).unwrap_or_default();
            let note = notes.iter().find(|(owner, _)| *owner == node);
            replica.restore_mirror(node, rows, note.map_or(&[], |(_, note)| note))?;
        }
        replica.outputs.clear();
        replica.sync.grown(replica.me, promised);
        replica.own.news(now);
        Ok(replica)
    }

    fn restore_leaf(&mut self, index: u64, leaf: Vec<u8>) -> Result<(), Unreadable> {
        let Some(bytes) = accepted(&leaf) else {
            let hash = leaf_hash(&leaf);
            self.own.append(&self.cooperative, leaf, hash, OwnLeaf::Other);
            return Ok(());
        };
        let entry = Entry::parse(bytes.to_vec())
            .map(Signed::kept)
            .map_err(|reason| Unreadable::Leaf { index, reason })?;
        match self.place(entry, None) {
            Placing::Placed(_) => Ok(()),
            Placing::Waits(awaited, _) => Err(Unreadable::Early { index, awaited }),
            Placing::Known(_) => Err(Unreadable::Twice { index }),
            Placing::Refused(reason) => Err(Unreadable::Place { index, reason }),
        }
    }

    /// Whose checked logs hold which own leaves: known before the entries are read, so that each
    /// settles as it comes and none piles up.
    fn holders(&self, kept: &Rows, promised: u64) -> Holders {
        let mut runs = Vec::new();
        runs.extend(self.roster_number(&self.me).map(|number| (0, promised, number)));
        for (node, rows) in kept {
            let Some(number) = self.roster_number(node) else { continue };
            for item in rows.iter().flat_map(|(_, row)| row) {
                if let Item::Copy { from, count, .. } = item {
                    runs.push((*from, from.saturating_add(u64::from(*count)), number));
                }
            }
        }
        runs.sort_unstable_by(|one, other| other.cmp(one));
        Holders { runs, now: Vec::new() }
    }

    fn restore_receipts(&mut self, index: u64, holders: &mut Holders) {
        let Some(OwnLeaf::Accept { device, seq, .. }) = self.own_leaf(index) else { return };
        for number in holders.of(index) {
            self.places.receive(device, seq, number);
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
        let roster = self.register.as_ref().map(Register::roster);
        let roster = roster.map(|roster| roster.nodes.to_vec()).unwrap_or_default();
        let opened = open(note, &self.cooperative, &node, &roster)
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
        self.sync.grown(node, size);
        Ok(())
    }

    fn restore_item(&self, mirror: &mut Mirror, item: &Item) -> Result<(), Malformed> {
        const GONE: Malformed = Malformed::Value("a reference to an entry that is not here");
        match item {
            Item::Copy { from, count, .. } => {
                for index in *from..from.saturating_add(u64::from(*count)) {
                    let Some(OwnLeaf::Accept { device, seq, .. }) = self.own_leaf(index) else {
                        return Err(GONE);
                    };
                    let place = self.places.at(device, seq).ok_or(GONE)?;
                    mirror.apply(Seen::Held(device, seq), place.hash);
                }
            }
            Item::Bundle(bundle) => {
                let leaves = bundled(bundle).map_err(|_| Malformed::Value("a torn bundle"))?;
                for leaf in leaves {
                    mirror.apply(Seen::Other(leaf.to_vec()), leaf_hash(leaf));
                }
            }
            Item::Known(_) => return Err(Malformed::Value("names where there are only leaves")),
        }
        Ok(())
    }
}

/// Runs of own leaves whose entries a roster node's checked log holds: first, end, the node's
/// number. Asked for in ascending order.
#[derive(Default)]
struct Holders {
    /// Those that have not begun, the last first.
    runs: Vec<(u64, u64, u8)>,
    /// Those that have, by end and number.
    now: Vec<(u64, u8)>,
}

impl Holders {
    fn of(&mut self, index: u64) -> impl Iterator<Item = u8> {
        while let Some((_, end, number)) = self.runs.pop_if(|(from, ..)| *from <= index) {
            self.now.push((end, number));
        }
        self.now.retain(|(end, _)| *end > index);
        self.now.iter().map(|(_, number)| *number)
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
