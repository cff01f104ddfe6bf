//! Two nodes follow each other's logs: who asks whom for what, and how much at a time.
//!
//! A machine without I/O: hand it inputs, then [`Sync::poll`] until `None`, then wake it at
//! [`Sync::deadline`]. It knows logs by owner and size only; what a leaf means, and whether it is
//! true, is for whoever gets [`Output::Take`]. Pushing is a hint: what guarantees that nodes come
//! to hold the same is that each says the sizes it holds, every [`HEARTBEAT_MS`], and that a
//! follower who got nothing asks again, and then another. Section 12 of the README; at whom a log
//! is followed is `source`'s business.

use std::collections::{BTreeMap, VecDeque};

use crate::bytes::{List, Octets};
use crate::hash::EntryId;
use crate::key::NodeKey;
use crate::leaf::bundled;
use crate::message::{
    CHECKPOINT_BYTES_MAX, Form, ITEMS_MAX, Item, LEAVES_MAX, LOGS_MAX, LogSize, Message,
};

mod intake;
mod source;

use intake::Intake;

/// A point in time, in ms since some start; the caller's clock never goes back.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment(pub u64);

impl Moment {
    /// So many milliseconds later.
    #[must_use]
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Every so many milliseconds a node says what it holds: the longest that a lost message can
/// keep two nodes apart is twice this.
pub const HEARTBEAT_MS: u64 = 5_000;
/// Frames under way for one log: with frames of 192 KiB, 3 MiB, the most a peer makes us hold.
pub const FRAMES: u32 = 16;
/// After so many heartbeats whoever said that it had more of a log, and sent nothing, is asked
/// again: a minute.
const RETRY_BEATS: u64 = 12;

/// What the machine wants done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Send this.
    Send(NodeKey, Message),
    /// Read leaves of a log from `from`, at most up to `to`, make one `Leaves` of them, send it,
    /// and say [`Sync::served`].
    Serve(Serve),
    /// Leaves arrived, in the log's order; when they are dealt with, say [`Sync::taken`].
    Take(Chunk),
    /// What has come of this log beyond what is checked is given up: it is asked for again, of
    /// another peer. So all that is unchecked of a log has come from one.
    Drop(NodeKey),
}

/// A frame's worth of leaves to be read and sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Serve {
    /// To whom.
    pub peer: NodeKey,
    /// Whose log.
    pub log: NodeKey,
    /// The first leaf.
    pub from: u64,
    /// The end: no leaf from here on.
    pub to: u64,
    /// How leaves may be sent.
    pub form: Form,
}

/// Leaves as they arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunk {
    /// From whom.
    pub peer: NodeKey,
    /// Whose log.
    pub log: NodeKey,
    /// Place of the first.
    pub from: u64,
    /// How many.
    pub count: u64,
    /// The leaves.
    pub items: List<Item, ITEMS_MAX>,
    /// The owner's signed checkpoint, or empty.
    pub checkpoint: Octets<CHECKPOINT_BYTES_MAX>,
}

/// Where a peer stands in a log that it follows.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    next: u64,
    frames: u32,
    form: Form,
    reading: bool,
}

/// A peer with a session.
#[derive(Debug, Default)]
struct Peer {
    /// Where it stands in the logs that it follows.
    cursors: BTreeMap<NodeKey, Cursor>,
    /// Whether it has spoken about the cooperative: before, it may have heard nothing either.
    spoke: bool,
    /// What it said last that it holds of each roster log.
    sizes: BTreeMap<NodeKey, u64>,
}

/// The conversation of one node about one cooperative with all its peers.
#[derive(Debug)]
pub struct Sync {
    cooperative: EntryId,
    me: NodeKey,
    roster: Vec<NodeKey>,
    /// Those of the roster that write; nobody else brings entries.
    writers: Vec<NodeKey>,
    /// Leaves of each log that this node can serve.
    sizes: BTreeMap<NodeKey, u64>,
    intakes: BTreeMap<NodeKey, Intake>,
    peers: BTreeMap<NodeKey, Peer>,
    heartbeat: Moment,
    /// Heartbeats so far.
    beats: u64,
    outputs: VecDeque<Output>,
}

impl Sync {
    /// A conversation about a cooperative whose logs are the roster's.
    #[must_use]
    pub fn new(cooperative: EntryId, me: NodeKey, now: Moment) -> Self {
        Self {
            cooperative,
            me,
            roster: Vec::new(),
            writers: Vec::new(),
            sizes: BTreeMap::new(),
            intakes: BTreeMap::new(),
            peers: BTreeMap::new(),
            heartbeat: now.after(HEARTBEAT_MS),
            beats: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Sets whose logs are followed: the roster, or the hosts of a cooperative whose charter is
    /// not here yet.
    pub fn set_roster(&mut self, roster: &[NodeKey]) {
        self.roster = roster.iter().copied().filter(|node| *node != self.me).collect();
        self.writers.clone_from(&self.roster);
        for log in self.roster.clone() {
            let held = self.size(&log);
            self.intakes.entry(log).or_insert_with(|| Intake::new(log, held));
        }
        self.choose();
    }

    /// Sets who of the roster brings entries: those whose logs are not closed.
    pub fn set_writers(&mut self, writers: &[NodeKey]) {
        self.writers = writers.iter().copied().filter(|node| *node != self.me).collect();
        self.choose();
    }

    /// How much of a log is held and may be served; for a log of others this is also where
    /// following it goes on.
    pub fn grown(&mut self, log: NodeKey, size: u64) {
        self.sizes.insert(log, size);
        if let Some(intake) = self.intakes.get_mut(&log) {
            intake.grow(size);
            if intake.owner_waits(Some(size)) {
                self.turn_to(log, log);
                self.follow();
            }
        }
        let peers: Vec<NodeKey> = self.peers.keys().copied().collect();
        for peer in peers {
            self.serve(peer, log);
        }
    }

    /// A session with this peer began.
    pub fn connected(&mut self, peer: NodeKey) {
        self.peers.insert(peer, Peer::default());
        self.say_sizes(peer);
        self.intakes.values_mut().for_each(|intake| intake.is_met(&peer));
        self.choose();
    }

    /// The session with this peer is over.
    pub fn lost(&mut self, peer: NodeKey) {
        self.peers.remove(&peer);
        self.intakes.values_mut().for_each(|intake| intake.is_lost(&peer));
        self.choose();
    }

    /// Whether there is a session with this peer.
    #[must_use]
    pub fn is_connected(&self, peer: &NodeKey) -> bool {
        self.peers.contains_key(peer)
    }

    /// The peers with a session.
    pub fn peers(&self) -> impl Iterator<Item = &NodeKey> {
        self.peers.keys()
    }

    /// A peer spoke. Messages that are not about logs are passed over.
    pub fn message(&mut self, peer: NodeKey, message: Message) {
        if !self.peers.contains_key(&peer) {
            return;
        }
        match message {
            Message::Open { logs, .. } => self.opened(peer, &logs),
            Message::Follow { log, from, frames, form, .. } => {
                let frames = frames.min(FRAMES);
                let cursor = Cursor { next: from, frames, form, reading: false };
                if let Some(known) = self.peers.get_mut(&peer) {
                    // One for each roster log: a stranger's name is not remembered.
                    if log == self.me || self.roster.contains(&log) {
                        known.cursors.insert(log, cursor);
                    }
                }
                self.serve(peer, log);
            }
            Message::More { log, frames, .. } => {
                if let Some(cursor) = self.cursor(peer, log) {
                    cursor.frames = cursor.frames.saturating_add(frames).min(FRAMES);
                }
                self.serve(peer, log);
            }
            Message::Leaves { log, from, items, checkpoint, .. } => {
                self.arrived(peer, log, from, items, checkpoint);
            }
            Message::Cosigned { .. }
            | Message::Ask { .. }
            | Message::Given { .. }
            | Message::Submit { .. }
            | Message::Answer { .. }
            | Message::Forked { .. }
            | Message::Fetch { .. }
            | Message::Piece { .. } => {}
        }
    }

    /// A frame was made of the leaves up to `next` and sent, or none could be (`next` unchanged).
    pub fn served(&mut self, peer: NodeKey, log: NodeKey, from: u64, next: u64) {
        if let Some(cursor) = self.cursor(peer, log).filter(|c| c.next == from && c.reading) {
            cursor.reading = false;
            if next > from {
                cursor.next = next;
                cursor.frames = cursor.frames.saturating_sub(1);
                self.serve(peer, log);
            }
        }
    }

    /// A chunk of this log that this peer sent was dealt with: it may send another.
    pub fn taken(&mut self, peer: NodeKey, log: NodeKey) {
        if self.intakes.get_mut(&log).is_some_and(|intake| intake.taken(peer)) {
            let cooperative = self.cooperative;
            self.send(peer, Message::More { cooperative, log, frames: 1 });
        }
    }

    /// What this peer brought of a log cannot be that log, and all that is unchecked of it is
    /// forgotten: as long as this session lasts, the log is not followed there.
    pub fn refuse(&mut self, peer: NodeKey, log: NodeKey) {
        let held = self.size(&log);
        if let Some(intake) = self.intakes.get_mut(&log) {
            intake.refuse(peer, held);
            self.choose();
        }
    }

    /// Names came without their entries: the log is asked for again from `from`, with its bytes.
    /// What came from there on is forgotten.
    pub fn ask_again(&mut self, log: NodeKey, from: u64) {
        if let Some(intake) = self.intakes.get_mut(&log) {
            intake.go_back(from);
            intake.want_bytes();
            self.follow();
        }
    }

    /// The time is `now`.
    pub fn wake(&mut self, now: Moment) {
        if now >= self.heartbeat {
            self.heartbeat = now.after(HEARTBEAT_MS);
            self.beats += 1;
            let peers: Vec<NodeKey> = self.peers.keys().copied().collect();
            for peer in peers {
                self.say_sizes(peer);
            }
            for log in self.logs() {
                self.beat(log);
            }
            self.follow();
        }
    }

    /// When to wake it.
    #[must_use]
    pub const fn deadline(&self) -> Moment {
        self.heartbeat
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn opened(&mut self, peer: NodeKey, logs: &[LogSize]) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let is_first = !std::mem::replace(&mut known.spoke, true);
        for LogSize { node, size } in logs {
            // One for each roster log: a stranger's name is not remembered.
            if self.intakes.contains_key(node) {
                known.sizes.insert(*node, *size);
            }
        }
        for log in self.logs() {
            let Some(intake) = self.intakes.get_mut(&log) else { continue };
            if intake.source() == Some(peer) {
                if is_first {
                    intake.ask();
                }
            } else if self.is_better(log, peer) {
                self.turn_to(log, peer);
            }
        }
        if is_first {
            self.choose_forms();
        }
        self.follow();
    }

    fn arrived(
        &mut self,
        peer: NodeKey,
        log: NodeKey,
        from: u64,
        items: List<Item, ITEMS_MAX>,
        checkpoint: Octets<CHECKPOINT_BYTES_MAX>,
    ) {
        let count = items.iter().map(leaves).fold(0, u64::saturating_add);
        let held = self.size(&log);
        let Some(intake) = self.intakes.get_mut(&log) else { return };
        // Twice, out of order, or unasked: what is missing is asked for at a heartbeat.
        if (1..=LEAVES_MAX).contains(&count) && intake.take(peer, from, count, held) {
            let chunk = Chunk { peer, log, from, count, items, checkpoint };
            self.outputs.push_back(Output::Take(chunk));
        }
    }

    /// How much of a log is held here.
    fn size(&self, log: &NodeKey) -> u64 {
        self.sizes.get(log).copied().unwrap_or(0)
    }

    fn serve(&mut self, peer: NodeKey, log: NodeKey) {
        let to = self.sizes.get(&log).copied().unwrap_or(0);
        let Some(cursor) = self.cursor(peer, log) else { return };
        if cursor.reading || cursor.frames == 0 || cursor.next >= to {
            return;
        }
        cursor.reading = true;
        let (from, form) = (cursor.next, cursor.form);
        self.outputs.push_back(Output::Serve(Serve { peer, log, from, to, form }));
    }

    fn cursor(&mut self, peer: NodeKey, log: NodeKey) -> Option<&mut Cursor> {
        self.peers.get_mut(&peer)?.cursors.get_mut(&log)
    }

    fn say_sizes(&mut self, peer: NodeKey) {
        let sizes = self.sizes.iter().map(|(node, size)| LogSize { node: *node, size: *size });
        let logs = List::new(sizes.take(LOGS_MAX).collect()).unwrap_or_default();
        self.send(peer, Message::Open { cooperative: self.cooperative, logs });
    }

    fn send(&mut self, peer: NodeKey, message: Message) {
        self.outputs.push_back(Output::Send(peer, message));
    }
}

/// How many leaves an item stands for.
fn leaves(item: &Item) -> u64 {
    let count = match item {
        Item::Bundle(bundle) => bundled(bundle).map_or(0, |leaves| leaves.len()),
        Item::Known(ids) => ids.len(),
        Item::Copy { count, .. } => return u64::from(*count),
    };
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(super) const COOPERATIVE: EntryId = EntryId([7; 32]);

    pub(super) fn node(n: u8) -> NodeKey {
        NodeKey([n; 32])
    }

    pub(super) fn sync(me: u8, roster: &[u8]) -> Sync {
        let mut sync = Sync::new(COOPERATIVE, node(me), Moment(0));
        sync.grown(node(me), 0);
        sync.set_roster(&roster.iter().copied().map(node).collect::<Vec<_>>());
        sync
    }

    pub(super) fn outputs(sync: &mut Sync) -> Vec<Output> {
        std::iter::from_fn(|| sync.poll()).collect()
    }

    pub(super) fn follows(outputs: &[Output]) -> Vec<(u8, u8, u64, Form)> {
        let follow = |output: &Output| match output {
            Output::Send(to, Message::Follow { log, from, form, .. }) => {
                Some((to.0[0], log.0[0], *from, *form))
            }
            _ => None,
        };
        outputs.iter().filter_map(follow).collect()
    }

    /// Leaves of this node's log, by name.
    pub(super) fn ids(log: u8, from: u64, count: u64) -> Message {
        let ids = (from..from + count).map(|n| EntryId([n.to_le_bytes()[0]; 32])).collect();
        Message::Leaves {
            cooperative: COOPERATIVE,
            log: node(log),
            from,
            items: List::new(vec![Item::Known(List::new(ids).unwrap())]).unwrap(),
            checkpoint: Octets::default(),
        }
    }

    #[test]
    fn a_log_is_followed_at_its_owner_and_at_another_while_the_owner_is_away() {
        let mut sync = sync(1, &[1, 2, 3]);
        sync.connected(node(2));
        assert_eq!(follows(&outputs(&mut sync)), [(2, 2, 0, Form::Whole), (2, 3, 0, Form::Named)]);
        sync.connected(node(3));
        assert_eq!(follows(&outputs(&mut sync)), [(3, 3, 0, Form::Named)]);
        sync.wake(Moment(HEARTBEAT_MS));
        assert_eq!(follows(&outputs(&mut sync)), [(2, 2, 0, Form::Named)], "nothing is under way");
        sync.lost(node(2));
        assert_eq!(follows(&outputs(&mut sync)), [(3, 2, 0, Form::Whole)]);
    }

    #[test]
    fn leaves_are_taken_once_and_in_order() {
        let mut sync = sync(1, &[1, 2]);
        sync.connected(node(2));
        outputs(&mut sync);
        for message in [ids(2, 0, 3), ids(2, 0, 3), ids(2, 5, 1), ids(2, 3, 2)] {
            sync.message(node(2), message);
        }
        let taken: Vec<u64> = outputs(&mut sync)
            .iter()
            .filter_map(|o| if let Output::Take(chunk) = o { Some(chunk.from) } else { None })
            .collect();
        assert_eq!(taken, [0, 3]);
    }

    #[test]
    fn a_frame_that_stands_for_more_leaves_than_one_may_is_passed_over() {
        let mut sync = sync(1, &[1, 2]);
        sync.connected(node(2));
        outputs(&mut sync);
        let copies = |count, times| Message::Leaves {
            cooperative: COOPERATIVE,
            log: node(2),
            from: 0,
            items: List::new(vec![Item::Copy { log: node(1), from: 0, count }; times]).unwrap(),
            checkpoint: Octets::default(),
        };
        for (count, times) in [(2049, 1), (u32::MAX, 1024), (1, 0), (2, 1024)] {
            sync.message(node(2), copies(count, times));
            let taken = outputs(&mut sync).len();
            assert_eq!(taken, usize::from(count == 2), "{times} times {count}");
        }
    }

    #[test]
    fn a_follower_gets_no_more_frames_than_it_allowed() {
        let mut sync = sync(1, &[1, 2]);
        sync.connected(node(2));
        sync.grown(node(1), 100);
        let follow = Message::Follow {
            cooperative: COOPERATIVE,
            log: node(1),
            from: 0,
            frames: 2,
            form: Form::Whole,
        };
        sync.message(node(2), follow);
        let mut frames = 0;
        loop {
            let serves: Vec<Serve> = outputs(&mut sync)
                .into_iter()
                .filter_map(|o| if let Output::Serve(serve) = o { Some(serve) } else { None })
                .collect();
            let [serve] = serves[..] else { break };
            frames += 1;
            sync.served(node(2), node(1), serve.from, serve.from + 10);
        }
        assert_eq!(frames, 2);
        sync.message(node(2), Message::More { cooperative: COOPERATIVE, log: node(1), frames: 1 });
        assert!(matches!(outputs(&mut sync)[..], [Output::Serve(Serve { from: 20, .. })]));
    }

    #[test]
    fn a_lost_frame_is_asked_for_again_at_a_heartbeat() {
        let mut sync = sync(1, &[1, 2]);
        sync.connected(node(2));
        outputs(&mut sync);
        let open = || Message::Open {
            cooperative: COOPERATIVE,
            logs: List::new(vec![LogSize { node: node(2), size: 9 }]).unwrap(),
        };
        sync.message(node(2), open());
        let first = follows(&outputs(&mut sync));
        assert_eq!(first, [(2, 2, 0, Form::Named)], "what was said before may have found nobody");
        sync.message(node(2), ids(2, 0, 3));
        sync.taken(node(2), node(2));
        outputs(&mut sync);
        sync.wake(Moment(HEARTBEAT_MS));
        assert_eq!(follows(&outputs(&mut sync)), [], "leaves may still be under way");
        sync.wake(Moment(2 * HEARTBEAT_MS));
        assert_eq!(follows(&outputs(&mut sync)), [(2, 2, 3, Form::Named)]);
    }
}
