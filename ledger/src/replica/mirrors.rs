//! The logs of others: from frames to leaves, from leaves to receipts.

use std::collections::{BTreeSet, VecDeque};

use talea_protocol::bytes::encode;
use talea_protocol::checkpoint::open;
use talea_protocol::entry::{Entry, Refusal as Unsound, Signed};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::{ACCEPT, DOUBT, Leaf, PEER, RESOLVE, SHOWN, accept, bundled, resolve};
use talea_protocol::message::Item;
use talea_protocol::sync::{Chunk, Moment};
use talea_protocol::tree::{TreeHash, leaf_hash};

use super::own::OwnLeaf;
use super::submit::Placing;
use super::{Alarm, Checking, Output, Replica, STALL_MS, STALL_MS_MAX};
use crate::batch::{Batch, Column};
use crate::place::Refusal;
use crate::settle::{Coming, Mirror, Seen, Waiting, rows};

/// Why a frame's items are not read.
enum Unread {
    /// They are no leaves.
    Unsound,
    /// They name leaves of this node's own log that are not here, up to this size.
    Lost(u64),
}

impl Replica {
    /// A frame of another node's log arrived.
    pub(super) fn take(&mut self, chunk: Chunk) {
        let log = chunk.log;
        let mirror = self.mirrors.entry(log).or_insert_with(|| Mirror::new(log));
        if mirror.accused {
            return;
        }
        let mut fresh = Vec::new();
        let leaves = match self.read_items(log, &chunk.items, &mut fresh) {
            Ok(leaves) => leaves,
            Err(Unread::Lost(size)) if self.told_of_more(chunk.peer, size) => return,
            Err(_) => return self.accuse(Alarm::Unsound(chunk.peer), chunk.peer, log),
        };
        let check = (!fresh.is_empty()).then(|| self.check(Checking::Frame(log), fresh));
        if let Some(mirror) = self.mirrors.get_mut(&log) {
            let (peer, checkpoint) = (chunk.peer, chunk.checkpoint.into_vec());
            mirror.waiting.push_back(Waiting { peer, check, leaves, checkpoint });
        }
        self.advance(log);
    }

    /// What a frame's items say; entries that are not here go to `fresh`, to be checked.
    fn read_items(
        &self,
        log: NodeKey,
        items: &[Item],
        fresh: &mut Vec<Entry>,
    ) -> Result<VecDeque<Coming>, Unread> {
        let mut leaves = VecDeque::new();
        for item in items {
            match item {
                Item::Bundle(bundle) => {
                    for leaf in bundled(bundle).map_err(|_| Unread::Unsound)? {
                        leaves.push_back(self.read_leaf(leaf, fresh).ok_or(Unread::Unsound)?);
                    }
                }
                Item::Known(ids) => leaves.extend(ids.iter().map(|id| Coming::Named(*id))),
                Item::Copy { log: from_log, from, count } => {
                    // Only this node's own log is copied from: what it sent comes back.
                    if *from_log != self.me || log == self.me {
                        return Err(Unread::Unsound);
                    }
                    self.read_copy(*from, *count, &mut leaves)?;
                }
            }
        }
        Ok(leaves)
    }

    fn read_leaf(&self, leaf: &[u8], fresh: &mut Vec<Entry>) -> Option<Coming> {
        let hash = leaf_hash(leaf);
        match leaf.split_first()? {
            (&kind @ (ACCEPT | RESOLVE), bytes) => {
                let entry = Entry::parse(bytes.to_vec()).ok()?;
                let id = entry.id();
                // The same statement signed twice has another leaf than the one here: its signature
                // is checked like any other, so that whoever passes this log on can answer for it.
                if self.places.find(&id).is_some_and(|place| place.hash == hash) {
                    return Some(Coming::Named(id));
                }
                fresh.push(entry);
                Some(Coming::Checking(kind, hash))
            }
            (_, _) => {
                Leaf::parse(leaf).ok()?;
                Some(Coming::Ready(Seen::Other(leaf.to_vec()), hash))
            }
        }
    }

    fn read_copy(
        &self,
        from: u64,
        count: u32,
        leaves: &mut VecDeque<Coming>,
    ) -> Result<(), Unread> {
        let (mut index, mut left) = (from, count);
        while left > 0 {
            let lost = || Unread::Lost(index.saturating_add(left.into()));
            match self.own_leaf(index).ok_or_else(lost)? {
                OwnLeaf::Accept { device, seq, .. } => {
                    let place = self.places.at(device, seq).ok_or(Unread::Unsound)?;
                    leaves.push_back(Coming::Ready(Seen::Held(device, seq), place.hash));
                    left -= 1;
                }
                OwnLeaf::Dead => {
                    let (id, leaf) = self.dead.leaf(index).ok_or(Unread::Unsound)?;
                    let hash = leaf_hash(leaf);
                    leaves.push_back(Coming::Ready(Seen::Claim(id, leaf.to_vec()), hash));
                    left -= 1;
                }
                OwnLeaf::Resolve { .. } | OwnLeaf::Renew { .. } | OwnLeaf::Other => {}
            }
            index += 1;
        }
        Ok(())
    }

    fn held(&self, id: &EntryId) -> Option<(u32, u32)> {
        self.places.position(id)
    }

    /// The signatures of a frame were checked.
    pub(super) fn frame_checked(
        &mut self,
        log: NodeKey,
        check: u64,
        entries: Vec<Result<Signed, (Entry, Unsound)>>,
    ) {
        let Some(mirror) = self.mirrors.get_mut(&log) else { return };
        let Some(frame) = mirror.waiting.iter_mut().find(|frame| frame.check == Some(check)) else {
            return;
        };
        frame.check = None;
        let peer = frame.peer;
        let Ok(entries) = entries.into_iter().collect::<Result<Vec<Signed>, _>>() else {
            return self.accuse(Alarm::Unsound(peer), peer, log);
        };
        let mut entries = entries.into_iter();
        for coming in &mut frame.leaves {
            if let Coming::Checking(kind, hash) = *coming
                && let Some(entry) = entries.next()
            {
                *coming = Coming::Checked(entry, kind, hash);
            }
        }
    }

    /// Goes on with every log that may go on.
    pub(super) fn advance_all(&mut self) {
        let logs: Vec<NodeKey> = self
            .mirrors
            .values()
            .filter(|mirror| !mirror.waiting.is_empty())
            .map(|mirror| mirror.node)
            .collect();
        for log in logs {
            self.advance(log);
        }
    }

    /// Applies the leaves of a log as far as they go.
    pub(super) fn advance(&mut self, log: NodeKey) {
        if self.past.holds() {
            return;
        }
        while let Some(mirror) = self.mirrors.get_mut(&log) {
            let Some(frame) = mirror.waiting.front_mut().filter(|frame| frame.check.is_none())
            else {
                return;
            };
            let peer = frame.peer;
            match frame.leaves.pop_front() {
                Some(coming) => {
                    if let Some(back) = self.apply(peer, log, coming) {
                        self.stall(log, back);
                        return;
                    }
                }
                None => {
                    let note = std::mem::take(&mut frame.checkpoint);
                    mirror.waiting.pop_front();
                    mirror.stalled = None;
                    self.sync.taken(peer, log);
                    if !note.is_empty() {
                        self.verify(peer, log, &note);
                    }
                }
            }
        }
    }

    /// Applies one leaf; gives it back if its entry is not here.
    fn apply(&mut self, peer: NodeKey, log: NodeKey, coming: Coming) -> Option<Coming> {
        let (seen, hash) = match coming {
            Coming::Ready(seen, hash) => (seen, hash),
            Coming::Named(id) => match self.held(&id) {
                Some((device, seq)) => (Seen::Held(device, seq), self.places.at(device, seq)?.hash),
                None => match self.strays.leaf(&id) {
                    Some(leaf) => (Seen::Claim(id, leaf.clone()), leaf_hash(&leaf)),
                    None => return Some(coming),
                },
            },
            Coming::Checked(entry, kind, hash) => (self.seat(log, entry, kind, hash), hash),
            // No frame is applied before its check was answered.
            Coming::Checking(..) => return Some(coming),
        };
        if let Seen::Other(leaf) = &seen
            && !self.heed(peer, log, leaf)
        {
            return None;
        }
        if let Some(mirror) = self.mirrors.get_mut(&log) {
            mirror.apply(seen, hash);
        }
        None
    }

    /// Gives an entry that came in another's log its place here, unless that place is taken. Says
    /// how this node refers to the leaf in which it came, by that leaf's kind and hash.
    fn seat(&mut self, log: NodeKey, entry: Signed, kind: u8, hash: TreeHash) -> Seen {
        let (id, accepted) = (entry.id(), kind == ACCEPT);
        let resolved = (!accepted).then(|| resolve(&entry));
        let size = self.mirrors.get(&log).map_or(0, |mirror| mirror.frontier.size());
        let leaf = u32::try_from(size).unwrap_or(u32::MAX);
        // Unknown while the charter is not here: the charter itself has no origin.
        // Only accept leaves are sent back by reference.
        let number = self.node_number(&log).filter(|_| accepted);
        let origin = number.map(|number| (number, leaf));
        let (entry, known) = match self.place(entry, origin, accepted.then_some(hash)) {
            Placing::Placed(leaf) => {
                self.fed = self.now;
                self.bring_receipts(&id);
                self.seat_waiting(&id);
                let held = self.holding(leaf, hash);
                return held.unwrap_or_else(|| Seen::Claim(id, resolved.unwrap_or_default()));
            }
            Placing::Known(leaf, entry) => (entry, self.holding(leaf, hash)),
            Placing::Waits(awaited, entry) => {
                self.ground(&entry, awaited);
                self.stray(entry.clone());
                (entry, None)
            }
            Placing::Refused(refusal, entry) => {
                if let Refusal::Fork { held, .. } = refusal {
                    self.contradict(&entry, held);
                }
                self.stray(entry.clone());
                (entry, None)
            }
        };
        known.unwrap_or_else(|| Seen::Claim(id, resolved.unwrap_or_else(|| accept(&entry))))
    }

    /// The entry that this own leaf gives a place, if another's leaf of this hash accepts the same.
    fn holding(&self, leaf: u64, hash: TreeHash) -> Option<Seen> {
        let (device, seq) = self.own_leaf(leaf)?.place()?;
        let same = self.places.at(device, seq)?.hash == hash;
        same.then_some(Seen::Held(device, seq))
    }

    fn stall(&mut self, log: NodeKey, coming: Coming) {
        let now = self.now;
        let Some(mirror) = self.mirrors.get_mut(&log) else { return };
        if let Some(frame) = mirror.waiting.front_mut() {
            frame.leaves.push_front(coming);
        }
        mirror.stalled.get_or_insert(now);
    }

    /// Asks for the bytes of what has been named too long ago.
    pub(super) fn ask_for_stalled(&mut self) {
        let is_overdue = |it: &&Mirror| self.overdue_at(it).is_some_and(|at| self.now >= at);
        let overdue = self.mirrors.values().filter(is_overdue).map(|mirror| mirror.node);
        for log in overdue.collect::<Vec<_>>() {
            let Some(mirror) = self.mirrors.get_mut(&log) else { continue };
            mirror.waiting.clear();
            mirror.stalled = None;
            self.sync.ask_again(log, mirror.frontier.size());
        }
    }

    /// When a log that stands before a name is to be asked for its bytes.
    pub(super) fn overdue_at(&self, mirror: &Mirror) -> Option<Moment> {
        let since = mirror.stalled?;
        Some(since.max(self.fed).after(STALL_MS).min(since.after(STALL_MS_MAX)))
    }

    /// Compares a log's signed root with the leaves that came; if it fits, they count.
    fn verify(&mut self, peer: NodeKey, log: NodeKey, note: &[u8]) {
        let Some(mirror) = self.mirrors.get_mut(&log) else { return };
        let Ok(opened) = open(note, &self.cooperative, &log, &self.turns.nodes) else {
            return self.accuse(Alarm::Root(peer), peer, log);
        };
        let checkpoint = opened.checkpoint();
        if checkpoint.size != mirror.frontier.size() {
            return;
        }
        if checkpoint.root != mirror.frontier.root() {
            return self.differ(peer, log);
        }
        let checkpoint = checkpoint.clone();
        self.count(log, note);
        let differs = self.mirrors.get(&log).is_some_and(|mirror| mirror.differs)
            || self.splits.is_known(&log);
        if self.sync.is_connected(&log) && !differs {
            self.cosign(log, &checkpoint, note);
        }
    }

    /// The leaves of a log up to its checked size are receipts.
    fn count(&mut self, log: NodeKey, note: &[u8]) {
        let Some(mirror) = self.mirrors.get_mut(&log) else { return };
        let before = mirror.checked.size();
        mirror.checked = mirror.frontier.clone();
        mirror.note = note.to_vec();
        let (mut shown, mut words) = (Vec::new(), Vec::new());
        for leaf in mirror.others.range(before..).map(|(_, leaf)| leaf) {
            self.frontiers.extend(frontier(leaf).map(|said| (log, said)));
            match leaf.first() {
                Some(&SHOWN) => shown.push(leaf.clone()),
                Some(&(PEER | DOUBT)) => words.push(leaf.clone()),
                _ => {}
            }
        }
        self.turns.forget_locks();
        let mut touched = self.receive_log(&log, before);
        let Some(mirror) = self.mirrors.get_mut(&log) else { return };
        if !touched.is_empty() {
            mirror.news = true;
            self.own.news(self.now);
        }
        keep(&self.cooperative, self.me, mirror, &self.places, &mut self.own.batch);
        let size = mirror.checked.size();
        touched.extend(shown.iter().filter_map(|leaf| self.shown(&log, leaf)));
        words.iter().for_each(|leaf| self.tells(log, leaf));
        self.settle(touched);
        self.compare();
        self.sync.grown(log, size);
    }

    /// Counts the checked leaves of a log from `from` on, each for the roster for which it stands.
    /// Returns the chains in which something may settle.
    pub(super) fn receive_log(&mut self, log: &NodeKey, from: u64) -> BTreeSet<u32> {
        let mut touched = BTreeSet::new();
        let Some(mirror) = self.mirrors.get(log) else { return touched };
        let size = mirror.checked.size();
        let mut found = Vec::new();
        for (index, order) in mirror.applied_since(from).take_while(|(index, _)| *index < size) {
            let claim = mirror.claims.get(&index).copied();
            if (order.is_some() || claim.is_some())
                && let Some(counts) = self.counts(log, &mirror.closings, index)
            {
                found.push((order, claim, counts));
            }
        }
        for (order, claim, (roster, node)) in found {
            let place = order.or_else(|| self.places.position(&claim?));
            match (place, claim) {
                (Some((device, seq)), _) => {
                    self.places.receive(device, seq, roster, node);
                    touched.insert(device);
                }
                (None, Some(id)) => self.strays.receive(&id, roster, node),
                (None, None) => {}
            }
        }
        touched
    }

    /// The leaves of a log that this peer brought have not the root that the log's owner signed. If
    /// the owner brought them itself, it has contradicted itself. If not, either may lie: the owner
    /// by a second log, the peer by other leaves; so neither is accused, and another is asked.
    fn differ(&mut self, peer: NodeKey, log: NodeKey) {
        if peer == log {
            return self.accuse(Alarm::Root(log), log, log);
        }
        self.drop_unchecked(peer, log);
    }

    /// This peer sent, as this log, what no honest node sends. Its own log is followed no more;
    /// the log of another is followed elsewhere, and its owner has said nothing.
    pub(super) fn accuse(&mut self, alarm: Alarm, peer: NodeKey, log: NodeKey) {
        if peer != log {
            self.drop_unchecked(peer, log);
            if self.unsound.insert(peer) {
                self.outputs.push_back(Output::Alarm(alarm));
            }
            return;
        }
        if let Some(mirror) = self.mirrors.get_mut(&log) {
            mirror.accused = true;
            mirror.back_to_checked();
        }
        self.outputs.push_back(Output::Alarm(alarm));
    }

    fn drop_unchecked(&mut self, peer: NodeKey, log: NodeKey) {
        if let Some(mirror) = self.mirrors.get_mut(&log) {
            mirror.back_to_checked();
        }
        self.sync.refuse(peer, log);
    }
}

/// The cut root and the state root that a frontier leaf states.
pub(super) fn frontier(leaf: &[u8]) -> Option<(Hash, Hash)> {
    match Leaf::parse(leaf) {
        Ok(Leaf::Frontier(frontier)) => Some((frontier.settled.root, frontier.state)),
        _ => None,
    }
}

/// Writes the checked leaves that are not on disk yet, and the note that covers them.
fn keep(
    cooperative: &EntryId,
    me: NodeKey,
    mirror: &mut Mirror,
    places: &crate::place::Places,
    batch: &mut Batch,
) {
    let own = |device, seq| places.at(device, seq).map(|place| place.leaf);
    for (from, row) in rows(mirror, me, mirror.kept, own) {
        batch.put(Column::Mirror, mirror_key(cooperative, &mirror.node, from), encode(&row));
    }
    let key = [cooperative.0, mirror.node.0].concat();
    batch.put(Column::Checkpoint, key, mirror.note.clone());
    mirror.kept = mirror.checked.size();
}

/// Key of a row of another node's log on disk.
#[must_use]
pub fn mirror_key(cooperative: &EntryId, log: &NodeKey, from: u64) -> Vec<u8> {
    [cooperative.0.as_slice(), &log.0, &from.to_be_bytes()].concat()
}
