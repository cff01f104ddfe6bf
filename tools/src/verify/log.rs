//! One node's log, as an export shows it: which leaves there are, and which checkpoints cover them.
//!
//! Missing leaves are ranges, so that a file cannot make its reader hold more than it brings.
//! Nothing here knows what an entry says.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::{self, Forked, Frontier as Stand, Peer};
use talea_protocol::tree::{Frontier, TreeHash};

use super::finding::Finding;

/// A leaf that the file shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// Its place in the log.
    pub index: u64,
    /// Its hash.
    pub hash: TreeHash,
    /// What it says.
    pub content: Content,
}

/// What a leaf says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// Accepts an entry, which is genuine and in the file.
    Accept(EntryId),
    /// Takes an entry over that is settled elsewhere or healed; it is genuine and in the file.
    Resolve(EntryId),
    /// Tells of a fork; the proof is one.
    Fork(Box<Forked>),
    /// Where the node stands.
    Frontier(Box<Stand>),
    /// Where another node stands.
    Peer(Peer),
    /// Shows another node's receipt.
    Shows(Box<leaf::Shown>),
    /// The log ends here for the roster that this register entry replaces.
    Closed(EntryId),
    /// An entry from before the log was closed has its place for the new roster too.
    Renewed(EntryId),
    /// An accept or resolve leaf without a genuine entry: a finding says why.
    Damaged,
    /// A kind that nobody guesses at.
    Other,
}

/// One node's log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Whose.
    pub node: NodeKey,
    /// The leaves, ascending.
    pub leaves: Vec<Shown>,
    /// The entries that it accepts or takes over.
    pub accepts: BTreeSet<EntryId>,
    /// Where the next leaf goes.
    pub end: u64,
    /// Ranges of leaves that are not in the file, ascending.
    pub missing: Vec<(u64, u64)>,
    /// Whether an accept leaf has no genuine entry.
    pub damaged: bool,
    /// Roots that the node has signed, by size, with who else has cosigned and when.
    pub checkpoints: BTreeMap<u64, Checkpoint>,
    /// Leaves under a checkpoint whose root they have: these are receipts.
    pub sound: u64,
}

/// A root that a node has signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The root.
    pub root: TreeHash,
    /// Cosigners and their times, in seconds since 1970 UTC.
    pub cosigners: BTreeMap<NodeKey, u64>,
}

impl Content {
    /// The entry to which the leaf gives a place.
    #[must_use]
    pub const fn entry(&self) -> Option<EntryId> {
        match self {
            Self::Accept(id) | Self::Resolve(id) => Some(*id),
            Self::Fork(_)
            | Self::Frontier(_)
            | Self::Peer(_)
            | Self::Shows(_)
            | Self::Closed(_)
            | Self::Renewed(_)
            | Self::Damaged
            | Self::Other => None,
        }
    }
}

impl Log {
    /// A log of which nothing is known yet.
    #[must_use]
    pub const fn new(node: NodeKey) -> Self {
        Self {
            node,
            leaves: Vec::new(),
            accepts: BTreeSet::new(),
            end: 0,
            missing: Vec::new(),
            damaged: false,
            checkpoints: BTreeMap::new(),
            sound: 0,
        }
    }

    /// Appends a leaf. False, and nothing done, if the log accepts its entry already.
    pub fn push(&mut self, hash: TreeHash, content: Content) -> bool {
        if let Some(id) = content.entry()
            && !self.accepts.insert(id)
        {
            return false;
        }
        self.damaged |= content == Content::Damaged;
        self.leaves.push(Shown { index: self.end, hash, content });
        self.end = self.end.saturating_add(1);
        true
    }

    /// The entries under checkpoints whose roots the leaves have: the node's receipts. Each with the
    /// register entry that had closed the log before, if one had.
    pub fn receipts(&self) -> impl Iterator<Item = (Option<EntryId>, EntryId)> {
        let sound = self.leaves.iter().take_while(|leaf| leaf.index < self.sound);
        let mut closed = None;
        sound.filter_map(move |leaf| match leaf.content {
            Content::Closed(order) => {
                closed = Some(order);
                None
            }
            Content::Renewed(id) => Some((closed, id)),
            _ => leaf.content.entry().map(|id| (closed, id)),
        })
    }

    /// The receipts that it shows of others, before it was closed for the first time.
    fn shown(&self) -> impl Iterator<Item = &leaf::Shown> {
        let sound = self.leaves.iter().take_while(|leaf| leaf.index < self.sound);
        let open = sound.take_while(|leaf| !matches!(leaf.content, Content::Closed(_)));
        open.filter_map(|leaf| match &leaf.content {
            Content::Shows(shown) => Some(&**shown),
            _ => None,
        })
    }

    /// The receipts of others that it shows, under checkpoints as before; each with the hash of the
    /// leaf by which this log accepts the entry, if it does.
    #[must_use]
    pub fn shows(&self) -> Vec<(&leaf::Shown, Option<TreeHash>)> {
        let shown: Vec<&leaf::Shown> = self.shown().collect();
        let named: BTreeSet<EntryId> = shown.iter().map(|shown| shown.entry).collect();
        let accepted = |leaf: &Shown| match leaf.content {
            Content::Accept(id) if named.contains(&id) => Some((id, leaf.hash)),
            _ => None,
        };
        let accepted: BTreeMap<_, _> = self.leaves.iter().filter_map(accepted).collect();
        shown.into_iter().map(|it| (it, accepted.get(&it.entry).copied())).collect()
    }

    /// Goes on at `from`: what lies before and was not shown is missing. False if that is behind.
    pub fn go_on(&mut self, from: u64) -> bool {
        if from > self.end {
            self.missing.push((self.end, from));
            self.end = from;
        }
        from == self.end
    }

    /// Leaves out `count` leaves that are not in the file.
    pub fn skip(&mut self, count: u64) {
        self.go_on(self.end.saturating_add(count));
    }

    /// Compares the leaves with every checkpoint, and notes how far they are sound.
    pub fn weigh(&mut self) -> Vec<Finding> {
        let log = self.node;
        let mut found = Vec::new();
        if let Some(size) = self.checkpoints.keys().next_back().filter(|size| **size > self.end) {
            self.missing.push((self.end, *size));
        }
        found.extend(self.missing.iter().map(|(from, to)| Finding::MissingLeaves {
            log,
            from: *from,
            to: *to,
        }));
        let whole = self.missing.first().map_or(self.end, |(from, _)| *from);
        let mut tree = Frontier::default();
        let mut leaves = self.leaves.iter();
        for (size, Checkpoint { root: signed, .. }) in self.checkpoints.range(..=whole) {
            while tree.size() < *size
                && let Some(leaf) = leaves.next()
            {
                tree.append(leaf.hash);
            }
            let computed = tree.root();
            if computed == *signed {
                self.sound = *size;
            } else {
                found.push(Finding::Root { log, size: *size, signed: *signed, computed });
            }
        }
        found
    }

    /// How many leaves are missing.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.missing.iter().map(|(from, to)| to.saturating_sub(*from)).fold(0, u64::saturating_add)
    }

    /// Whether leaves or genuine entries are missing before its end.
    #[must_use]
    pub fn has_holes(&self) -> bool {
        !self.missing.is_empty() || self.damaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::tree::leaf_hash;

    fn log(leaves: u8) -> Log {
        let mut log = Log::new(NodeKey([1; 32]));
        for leaf in 0..leaves {
            log.push(leaf_hash(&[leaf]), Content::Other);
        }
        log
    }

    fn sign(log: &mut Log, size: u64, root: TreeHash) {
        log.checkpoints.insert(size, Checkpoint { root, cosigners: BTreeMap::new() });
    }

    fn root(leaves: u8) -> TreeHash {
        let mut tree = Frontier::default();
        for leaf in 0..leaves {
            tree.append(leaf_hash(&[leaf]));
        }
        tree.root()
    }

    #[test]
    fn a_log_is_sound_up_to_its_largest_checkpoint_that_fits() {
        let mut whole = log(5);
        sign(&mut whole, 3, root(3));
        sign(&mut whole, 5, root(5));
        assert_eq!((whole.weigh(), whole.sound, whole.has_holes()), (vec![], 5, false));
        let mut bad = log(5);
        sign(&mut bad, 3, root(3));
        sign(&mut bad, 5, root(4));
        assert!(matches!(bad.weigh().as_slice(), [Finding::Root { size: 5, .. }]));
        assert_eq!(bad.sound, 3);
    }

    #[test]
    fn missing_leaves_are_named_and_nothing_behind_them_is_sound() {
        let mut gap = log(2);
        sign(&mut gap, 2, root(2));
        sign(&mut gap, 9, root(9));
        assert!(gap.go_on(4));
        gap.push(leaf_hash(&[4]), Content::Other);
        assert!(!gap.go_on(3));
        let log = gap.node;
        let lost = |from, to| Finding::MissingLeaves { log, from, to };
        assert_eq!(gap.weigh(), [lost(2, 4), lost(5, 9)]);
        assert_eq!((gap.sound, gap.has_holes()), (2, true));
        let far = &mut Log::new(log);
        far.skip(u64::MAX);
        far.skip(u64::MAX);
        assert_eq!(far.missing, [(0, u64::MAX)]);
    }
}
