//! What this node holds of another node's log, and when its leaves count as receipts.
//!
//! Leaves come in the order of that log. They count once its owner's signed checkpoint has their
//! root: until then they are a claim. Names whose entries are not here yet stop the log where they
//! stand. Section 6 of the design's model; README, "Settlement".

use std::collections::{BTreeMap, VecDeque};

use talea_protocol::bytes::{List, Octets};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::message::{BUNDLE_BYTES_MAX, ITEMS_MAX, Item};
use talea_protocol::tile::push_leaf;
use talea_protocol::tree::{Frontier, TreeHash};

/// A leaf of another node's log, as this node refers to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// Accepts an entry that has a place here: its chain and its number there.
    Held(u32, u32),
    /// Of another kind: its bytes.
    Other(Vec<u8>),
    /// Gives this entry a place that it has not here, or in another way: its bytes.
    Claim(EntryId, Vec<u8>),
}

/// Successive leaves of another node's log on disk: by reference to this node's own log, or with
/// their bytes. The same items, with the same meaning, are in an export.
pub type Row = List<Item, ITEMS_MAX>;

/// A leaf on its way into a mirror.
#[derive(Clone, Debug)]
pub enum Coming {
    /// Its place here is known.
    Ready(Seen, TreeHash),
    /// Only the entry's name has come.
    Named(EntryId),
    /// Its entry came along, and its signature is being checked; the leaf's kind and hash.
    Checking(u8, TreeHash),
    /// The same, and the signature is good.
    Checked(Signed, u8, TreeHash),
}

/// A frame's worth of leaves that wait for their check or for entries named in them.
#[derive(Debug)]
pub struct Waiting {
    /// Who sent it.
    pub peer: NodeKey,
    /// The number of the check that must be answered first.
    pub check: Option<u64>,
    /// The leaves not yet applied.
    pub leaves: VecDeque<Coming>,
    /// The owner's note, or empty.
    pub checkpoint: Vec<u8>,
}

/// Leaves between two marks: so many are hashed again at most when a root of before is asked for.
const MARK: u64 = 4_096;

/// Another node's log.
#[derive(Debug)]
pub struct Mirror {
    /// Whose.
    pub node: NodeKey,
    /// The leaves applied.
    pub frontier: Frontier,
    /// The leaves under a checkpoint: these count.
    pub checked: Frontier,
    /// Every leaf applied, in order.
    pub order: Vec<Order>,
    /// The bytes of the leaves in `order` that are not held entries, by index.
    pub others: BTreeMap<u64, Vec<u8>>,
    /// Frames not yet applied.
    pub waiting: VecDeque<Waiting>,
    /// The note of the checkpoint up to which it is checked.
    pub note: Vec<u8>,
    /// Checked leaves that are on disk, or in the batch.
    pub kept: u64,
    /// Since when it has stood before a name.
    pub stalled: Option<talea_protocol::sync::Moment>,
    /// Its owner contradicted itself or sent what no honest node sends; it is followed no more.
    pub accused: bool,
    /// Its owner has another state for the same settled cut: it is cosigned no more.
    pub differs: bool,
    /// Entries of the leaves in `others` that accept or resolve one, by index.
    pub claims: BTreeMap<u64, EntryId>,
    /// The log as it was at every [`MARK`]th leaf.
    marks: Vec<Frontier>,
    /// Accept leaves checked since this node's last peer leaf about it.
    pub news: bool,
}

/// A held entry by chain and number, or `None` for what is in [`Mirror::others`].
pub type Order = Option<(u32, u32)>;

impl Mirror {
    /// Nothing of a node's log yet.
    #[must_use]
    pub fn new(node: NodeKey) -> Self {
        Self {
            node,
            frontier: Frontier::default(),
            checked: Frontier::default(),
            order: Vec::new(),
            others: BTreeMap::new(),
            waiting: VecDeque::new(),
            note: Vec::new(),
            kept: 0,
            stalled: None,
            accused: false,
            differs: false,
            claims: BTreeMap::new(),
            marks: Vec::new(),
            news: false,
        }
    }

    /// Applies the next leaf.
    pub fn apply(&mut self, seen: Seen, hash: TreeHash) {
        let index = self.frontier.size();
        self.frontier.append(hash);
        if self.frontier.size().is_multiple_of(MARK) {
            self.marks.push(self.frontier.clone());
        }
        match seen {
            Seen::Held(device, seq) => self.order.push(Some((device, seq))),
            Seen::Other(leaf) => {
                self.order.push(None);
                self.others.insert(index, leaf);
            }
            Seen::Claim(id, leaf) => {
                self.order.push(None);
                self.others.insert(index, leaf);
                self.claims.insert(index, id);
            }
        }
    }

    /// Forgets what no checkpoint covers.
    pub fn back_to_checked(&mut self) {
        self.frontier = self.checked.clone();
        let size = self.checked.size();
        self.order.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        self.others.split_off(&size);
        self.claims.split_off(&size);
        self.marks.retain(|mark| mark.size() <= size);
        self.waiting.clear();
        self.stalled = None;
    }

    /// The root of its first `size` leaves; `hash` gives a leaf's. None if it has fewer.
    pub fn root_at(
        &self,
        size: u64,
        hash: impl Fn(u64, Order) -> Option<TreeHash>,
    ) -> Option<TreeHash> {
        if size == self.checked.size() {
            return Some(self.checked.root());
        }
        let marks = self.marks.partition_point(|mark| mark.size() <= size);
        let mark = marks.checked_sub(1).and_then(|last| self.marks.get(last)).cloned();
        let mut frontier = mark.unwrap_or_default();
        for (index, order) in
            self.applied_since(frontier.size()).take_while(|(index, _)| *index < size)
        {
            frontier.append(hash(index, order)?);
        }
        (frontier.size() == size).then(|| frontier.root())
    }

    /// What was applied from `from` to the end, by index.
    pub fn applied_since(&self, from: u64) -> impl Iterator<Item = (u64, Order)> {
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        (from..).zip(self.order.iter().skip(skip).copied())
    }
}

/// The leaves from `from` to the end as rows, each with the place of its first leaf. `own` gives
/// the leaf of a held entry in this node's log.
#[must_use]
pub fn rows(
    mirror: &Mirror,
    me: NodeKey,
    from: u64,
    own: impl Fn(u32, u32) -> Option<u64>,
) -> Vec<(u64, Row)> {
    let mut rows = Vec::new();
    let (mut begin, mut items, mut bytes) = (from, Vec::new(), 0);
    for (index, order) in mirror.applied_since(from) {
        let Some(item) = item(mirror, me, index, order, &own) else { break };
        if let Item::Bundle(leaf) = &item {
            bytes += leaf.len();
        }
        if items.len() == ITEMS_MAX || bytes > BUNDLE_BYTES_MAX {
            rows.extend(List::new(std::mem::take(&mut items)).map(|row| (begin, row)));
            (begin, bytes) = (index, 0);
        }
        match (items.last_mut(), item) {
            (Some(Item::Copy { from, count, .. }), Item::Copy { from: next, .. })
                if *from + u64::from(*count) == next && *count < u32::MAX =>
            {
                *count += 1;
            }
            (_, item) => items.push(item),
        }
    }
    rows.extend(List::new(items).filter(|row| !row.is_empty()).map(|row| (begin, row)));
    rows
}

fn item(
    mirror: &Mirror,
    me: NodeKey,
    index: u64,
    order: Order,
    own: impl Fn(u32, u32) -> Option<u64>,
) -> Option<Item> {
    if let Some((device, seq)) = order {
        return own(device, seq).map(|from| Item::Copy { log: me, from, count: 1 });
    }
    let mut bundle = Vec::new();
    push_leaf(&mut bundle, mirror.others.get(&index)?).ok()?;
    Octets::new(bundle).map(Item::Bundle)
}
