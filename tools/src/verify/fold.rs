//! The state, computed again from what is settled, and compared with what nodes say.
//!
//! What is settled is folded by the ledger's own rules, stopping at each frontier of the exporting node to compare its roots.

use std::collections::BTreeMap;

use talea_ledger::register::Register;
use talea_ledger::state::State;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::Signed;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::leaf::Frontier;

use super::finding::{Finding, Stated};
use super::log::{Content, Log};
use super::replay::Replay;
use super::settled::Settled;
use super::status::Claim;

/// What the settled entries add up to.
pub struct Fold {
    /// The state.
    pub state: State,
    /// The settled entries, in the order in which they were folded.
    pub order: Vec<EntryId>,
    /// What speaks against the file.
    pub found: Vec<Finding>,
    /// State roots by the roots of the cuts at which they were computed.
    roots: BTreeMap<Hash, Hash>,
}

type Entries = BTreeMap<EntryId, Signed>;

/// Places, after all of the own log, what only other logs hold.
pub fn adopt(replay: &mut Replay, logs: &BTreeMap<NodeKey, Log>, entries: &Entries) {
    for leaf in logs.values().flat_map(|log| &log.leaves) {
        if let Some(id) = leaf.content.entry()
            && let Some(entry) = entries.get(&id)
        {
            // A refusal was, or will be, found in the log that holds the entry.
            let _ = replay.give(leaf, entry);
        }
    }
}

impl Fold {
    /// Folds everything settled, stopping at the frontiers of `log`, the exporting node's.
    #[must_use]
    pub fn new(register: &Register, settled: &Settled, log: &Log, entries: &Entries) -> Self {
        let mut fold = Self {
            state: State::keeping_postings(),
            order: Vec::new(),
            found: Vec::new(),
            roots: BTreeMap::new(),
        };
        let order = Order { register, settled, entries, leaves: leaves(log) };
        for leaf in log.leaves.iter().take_while(|leaf| leaf.index < log.sound) {
            if let Content::Frontier(frontier) = &leaf.content
                && !fold.stop(&order, log.node, leaf.index, frontier)
            {
                break;
            }
        }
        let lengths = settled.lengths();
        fold.advance(&order, &lengths);
        let state = fold.state.root();
        fold.roots.insert(order.root(&lengths), state);
        fold
    }

    /// Folds up to a frontier and compares; false if the file does not show that much.
    fn stop(&mut self, order: &Order<'_>, log: NodeKey, index: u64, frontier: &Frontier) -> bool {
        let lengths = &frontier.settled.lengths;
        let held = |device| u32::try_from(order.settled.chain(device).len()).unwrap_or(u32::MAX);
        let short = (0_u32..).zip(lengths).find(|(device, length)| held(*device) < **length);
        if let Some((device, _)) = short {
            self.found.push(Finding::Receipts { log, index, claim: order.next(device) });
            return false;
        }
        self.advance(order, lengths);
        let (settled, state) = (order.root(lengths), self.state.root());
        self.differs(log, index, Stated::Settled, frontier.settled.root, settled);
        self.differs(log, index, Stated::State, frontier.state, state);
        self.roots.insert(settled, state);
        true
    }

    fn differs(&mut self, log: NodeKey, index: u64, what: Stated, claimed: Hash, computed: Hash) {
        if claimed != computed {
            let (claimed, computed) = (claimed.to_string(), computed.to_string());
            self.found.push(Finding::Frontier { log, index, what, claimed, computed });
        }
    }

    /// Settles what lies between the state and these lengths, in the order of the log.
    fn advance(&mut self, order: &Order<'_>, lengths: &[u32]) {
        let mut coming: Vec<(u64, u32, EntryId)> = Vec::new();
        for (device, length) in (0_u32..).zip(lengths) {
            let from = usize::try_from(self.state.length(device)).unwrap_or(usize::MAX);
            let count = usize::try_from(*length).unwrap_or(usize::MAX).saturating_sub(from);
            let mut reached = 0;
            for id in order.settled.chain(device).iter().skip(from).take(count) {
                // A chain's entries come in their order, in whatever order the leaves are.
                reached = order.leaves.get(id).copied().unwrap_or(u64::MAX).max(reached);
                coming.push((reached, device, *id));
            }
        }
        coming.sort_by_key(|(leaf, ..)| *leaf);
        for (_, device, id) in coming {
            if let Some(entry) = order.entries.get(&id) {
                self.state.settle(order.register, device, entry);
                self.order.push(id);
            }
        }
    }

    /// Compares the frontiers of another node's log with the state roots that were computed.
    pub fn compare(&mut self, log: &Log) {
        for leaf in log.leaves.iter().take_while(|leaf| leaf.index < log.sound) {
            if let Content::Frontier(frontier) = &leaf.content
                && let Some(state) = self.roots.get(&frontier.settled.root).copied()
            {
                self.differs(log.node, leaf.index, Stated::State, frontier.state, state);
            }
        }
    }
}

/// What is folded, and in which order.
struct Order<'a> {
    register: &'a Register,
    settled: &'a Settled,
    entries: &'a Entries,
    /// The leaf of each entry in the exporting node's log.
    leaves: BTreeMap<EntryId, u64>,
}

impl Order<'_> {
    /// The first place of a chain that is not settled; its id is not known.
    fn next(&self, device: u32) -> Claim {
        let key = self.register.record(device).map_or(DeviceKey([0; 32]), |record| record.key);
        let seq = u64::try_from(self.settled.chain(device).len()).unwrap_or(u64::MAX);
        let here = |entry: &&Signed| (entry.header().device, entry.header().seq) == (key, seq);
        let id = self.entries.values().find(here).map_or(EntryId::ZERO, |entry| entry.id());
        Claim { device: key, seq, id }
    }

    /// The root of a cut with these lengths.
    fn root(&self, lengths: &[u32]) -> Hash {
        let mut root = CutRoot::new();
        for ((number, length), device) in (0_u32..).zip(lengths).zip(self.register.devices()) {
            let last = length.checked_sub(1).and_then(|last| usize::try_from(last).ok());
            if let Some(last) = last.and_then(|last| self.settled.chain(number).get(last)) {
                root.add(&device.key, *length, last);
            }
        }
        root.finish()
    }
}

fn leaves(log: &Log) -> BTreeMap<EntryId, u64> {
    log.leaves.iter().filter_map(|leaf| Some((leaf.content.entry()?, leaf.index))).collect()
}

/// The last cut that a log's frontiers name, and the leaf: it may name what the file lacks.
#[must_use]
pub fn last_cut(log: &Log) -> Option<(u64, &Cut)> {
    log.leaves.iter().rev().find_map(|leaf| match &leaf.content {
        Content::Frontier(frontier) => Some((leaf.index, &frontier.settled)),
        _ => None,
    })
}
