//! Settlement and state, computed again from what the file shows, and compared with what nodes say.
//!
//! Receipts are accept leaves under checked checkpoints; what q of them settle is folded by the
//! ledger's own rules, stopping at each frontier of the exporting node to compare its roots.

use std::collections::BTreeMap;

use talea_ledger::place::{Place, Places};
use talea_ledger::register::Register;
use talea_ledger::state::State;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::Signed;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::Frontier;

use super::finding::{Finding, Stated};
use super::log::{Content, Log};
use super::replay::Replay;
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

/// Counts receipts, and settles what has enough of them.
pub fn settle(replay: &mut Replay, logs: &BTreeMap<NodeKey, Log>, entries: &Entries) {
    adopt(replay, logs, entries);
    let roster = replay.register.roster().clone();
    for (number, node) in (0_u8..).zip(&roster.nodes) {
        let Some(log) = logs.get(node) else { continue };
        for leaf in log.leaves.iter().take_while(|leaf| leaf.index < log.sound) {
            if let Content::Accept(id) = leaf.content
                && let Some((device, seq)) = replay.places.position(&id)
            {
                replay.places.receive(device, seq, number);
            }
        }
    }
    for device in 0..replay.places.chains() {
        while replay.places.settle_next(device, u32::from(roster.quorum)).is_some() {}
    }
}

type Entries = BTreeMap<EntryId, Signed>;

/// Places, after all of the own log, what only other logs hold.
fn adopt(replay: &mut Replay, logs: &BTreeMap<NodeKey, Log>, entries: &Entries) {
    for leaf in logs.values().flat_map(|log| &log.leaves) {
        if let Content::Accept(id) = leaf.content
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
    pub fn new(replay: &Replay, log: &Log, entries: &Entries) -> Self {
        let mut fold = Self {
            state: State::new(),
            order: Vec::new(),
            found: Vec::new(),
            roots: BTreeMap::new(),
        };
        let Replay { register, places, .. } = replay;
        for leaf in log.leaves.iter().take_while(|leaf| leaf.index < log.sound) {
            if let Content::Frontier(frontier) = &leaf.content
                && !fold.stop(register, places, log.node, leaf.index, frontier, entries)
            {
                break;
            }
        }
        let lengths: Vec<u32> = (0..places.chains()).map(|device| places.settled(device)).collect();
        fold.advance(register, places, &lengths, entries);
        let state = fold.state.root();
        fold.roots.insert(root_of(register, places, &lengths), state);
        fold
    }

    /// Folds up to a frontier and compares; false if the file does not show that much.
    fn stop(
        &mut self,
        register: &Register,
        places: &Places,
        log: NodeKey,
        index: u64,
        frontier: &Frontier,
        entries: &Entries,
    ) -> bool {
        let lengths = &frontier.settled.lengths;
        let short =
            (0_u32..).zip(lengths).find(|(device, length)| places.settled(*device) < **length);
        if let Some((device, _)) = short {
            self.found.push(Finding::Receipts {
                log,
                index,
                claim: next(register, places, device),
            });
            return false;
        }
        self.advance(register, places, lengths, entries);
        let (settled, state) = (root_of(register, places, lengths), self.state.root());
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
    fn advance(
        &mut self,
        register: &Register,
        places: &Places,
        lengths: &[u32],
        entries: &Entries,
    ) {
        let mut coming: Vec<(u32, Place)> = Vec::new();
        for (device, length) in (0_u32..).zip(lengths) {
            let chain = places.chain(device).iter();
            let from = usize::try_from(self.state.length(device)).unwrap_or(usize::MAX);
            let count = usize::try_from(*length).unwrap_or(usize::MAX).saturating_sub(from);
            coming.extend(chain.skip(from).take(count).map(|place| (device, *place)));
        }
        coming.sort_by_key(|(_, place)| place.leaf);
        for (device, place) in coming {
            if let Some(entry) = entries.get(&place.id) {
                self.state.settle(register, device, entry);
                self.order.push(place.id);
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

/// The first place of a chain that is not settled; its id, if the file shows the entry.
fn next(register: &Register, places: &Places, device: u32) -> Claim {
    let seq = places.settled(device);
    let key = register.record(device).map(|record| record.key);
    Claim {
        device: key.unwrap_or(talea_protocol::key::DeviceKey([0; 32])),
        seq: u64::from(seq),
        id: places.at(device, seq).map_or(EntryId::ZERO, |place| place.id),
    }
}

/// The root of a cut with these lengths.
fn root_of(register: &Register, places: &Places, lengths: &[u32]) -> Hash {
    let mut root = CutRoot::new();
    for ((number, length), device) in (0_u32..).zip(lengths).zip(register.devices()) {
        if let Some(last) = length.checked_sub(1).and_then(|last| places.at(number, last)) {
            root.add(&device.key, *length, &last.id);
        }
    }
    root.finish()
}

/// The last cut that a log's frontiers name, and the leaf: it may name what the file lacks.
#[must_use]
pub fn last_cut(log: &Log) -> Option<(u64, &Cut)> {
    log.leaves.iter().rev().find_map(|leaf| match &leaf.content {
        Content::Frontier(frontier) => Some((leaf.index, &frontier.settled)),
        Content::Accept(_) | Content::Peer(_) | Content::Damaged | Content::Other => None,
    })
}
