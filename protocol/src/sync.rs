//! Two nodes follow each other's logs: who asks whom for what, and how much at a time.
//!
//! A machine without I/O: hand it inputs, then [`Sync::poll`] until `None`, then wake it at
//! [`Sync::deadline`]. It knows logs by owner and size only; what a leaf means, and whether it is
//! true, is for whoever gets [`Output::Take`]. Pushing is a hint: what guarantees that nodes come
//! to hold the same is that each says the sizes it holds, every [`HEARTBEAT_MS`], and that a
//! follower who got nothing since asks again. Section 12 of the README.

use std::collections::{BTreeMap, VecDeque};

use crate::bytes::{List, Octets};
use crate::hash::EntryId;
use crate::key::NodeKey;
use crate::leaf::bundled;
use crate::message::{CHECKPOINT_BYTES_MAX, Form, ITEMS_MAX, Item, LEAVES_MAX, LogSize, Message};

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

/// Where this node stands in a log that it follows.
#[derive(Clone, Copy, Debug)]
struct Intake {
    source: Option<NodeKey>,
    next: u64,
    /// Whether leaves came since the source last said its size.
    moving: bool,
    form: Form,
}

/// A peer with a session.
#[derive(Debug, Default)]
struct Peer {
    /// Where it stands in the logs that it follows.
    cursors: BTreeMap<NodeKey, Cursor>,
    /// Whether it has spoken about the cooperative: before, it may have heard nothing either.
    spoke: bool,
}

/// The conversation of one node about one cooperative with all its peers.
#[derive(Debug)]
pub struct Sync {
    cooperative: EntryId,
    me: NodeKey,
    roster: Vec<NodeKey>,
    /// Leaves of each log that this node can serve.
    sizes: BTreeMap<NodeKey, u64>,
    intakes: BTreeMap<NodeKey, Intake>,
    peers: BTreeMap<NodeKey, Peer>,
    heartbeat: Moment,
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
            sizes: BTreeMap::new(),
            intakes: BTreeMap::new(),
            peers: BTreeMap::new(),
            heartbeat: now.after(HEARTBEAT_MS),
            outputs: VecDeque::new(),
        }
    }

    /// Sets whose logs are followed: the roster, or the hosts of a cooperative whose charter is
    /// not here yet.
    pub fn set_roster(&mut self, roster: &[NodeKey]) {
        self.roster = roster.iter().copied().filter(|node| *node != self.me).collect();
        self.choose_sources();
    }

    /// How much of a log is held and may be served; for a log of others this is also where
    /// following it goes on.
    pub fn grown(&mut self, log: NodeKey, size: u64) {
        self.sizes.insert(log, size);
        if let Some(intake) = self.intakes.get_mut(&log) {
            intake.next = intake.next.max(size);
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
        for intake in self.intakes.values_mut().filter(|intake| intake.source == Some(peer)) {
            intake.source = None;
        }
        self.choose_sources();
    }

    /// The session with this peer is over.
    pub fn lost(&mut self, peer: NodeKey) {
        self.peers.remove(&peer);
        self.choose_sources();
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
            | Message::Forked { .. } => {}
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

    /// A chunk was dealt with: its sender may send another.
    pub fn taken(&mut self, log: NodeKey) {
        if let Some(source) = self.intakes.get(&log).and_then(|intake| intake.source) {
            let cooperative = self.cooperative;
            self.send(source, Message::More { cooperative, log, frames: 1 });
        }
    }

    /// Names came without their entries, or leaves that do not fit: the log is asked for again
    /// from `from`, with its bytes.
    pub fn ask_again(&mut self, log: NodeKey, from: u64) {
        if let Some(intake) = self.intakes.get_mut(&log) {
            intake.next = from;
            intake.form = Form::Whole;
            self.follow(log);
        }
    }

    /// The time is `now`.
    pub fn wake(&mut self, now: Moment) {
        if now >= self.heartbeat {
            self.heartbeat = now.after(HEARTBEAT_MS);
            let peers: Vec<NodeKey> = self.peers.keys().copied().collect();
            for peer in peers {
                self.say_sizes(peer);
            }
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
        if let Some(known) = self.peers.get_mut(&peer).filter(|known| !known.spoke) {
            known.spoke = true;
            let here = |(_, intake): &(&NodeKey, &Intake)| intake.source == Some(peer);
            let logs: Vec<NodeKey> =
                self.intakes.iter().filter(here).map(|(log, _)| *log).collect();
            for log in logs {
                self.follow(log);
            }
        }
        for LogSize { node, size } in logs {
            let Some(intake) = self.intakes.get_mut(node) else { continue };
            if intake.source != Some(peer) {
                continue;
            }
            let behind = *size > intake.next && !intake.moving;
            intake.moving = false;
            if behind {
                self.follow(*node);
            }
        }
    }

    fn arrived(
        &mut self,
        peer: NodeKey,
        log: NodeKey,
        from: u64,
        items: List<Item, ITEMS_MAX>,
        checkpoint: Octets<CHECKPOINT_BYTES_MAX>,
    ) {
        let Some(intake) = self.intakes.get_mut(&log).filter(|i| i.source == Some(peer)) else {
            return;
        };
        // Twice, or out of order: what is missing is asked for at the next heartbeat.
        let count = items.iter().map(leaves).fold(0, u64::saturating_add);
        if from != intake.next || !(1..=LEAVES_MAX).contains(&count) {
            return;
        }
        intake.next = from.saturating_add(count);
        intake.moving = true;
        let chunk = Chunk { peer, log, from, count, items, checkpoint };
        self.outputs.push_back(Output::Take(chunk));
    }

    /// A log is followed at its owner, or, while there is no session with the owner, at the
    /// first peer that there is.
    fn choose_sources(&mut self) {
        let all = self.roster.iter().all(|node| self.peers.contains_key(node));
        let form = if all { Form::Named } else { Form::Whole };
        for log in self.roster.clone() {
            let other = || self.peers.keys().find(|peer| self.roster.contains(peer)).copied();
            let source = self.peers.contains_key(&log).then_some(log).or_else(other);
            let held = self.sizes.get(&log).copied().unwrap_or(0);
            let intake = self.intakes.entry(log).or_insert(Intake {
                source: None,
                next: held,
                moving: false,
                form,
            });
            let changed = intake.source != source || intake.form != form;
            (intake.source, intake.form) = (source, form);
            if changed {
                self.follow(log);
            }
        }
    }

    fn follow(&mut self, log: NodeKey) {
        let Some(intake) = self.intakes.get_mut(&log) else { return };
        intake.moving = true;
        let Some(source) = intake.source else { return };
        let (from, form, cooperative) = (intake.next, intake.form, self.cooperative);
        self.send(source, Message::Follow { cooperative, log, from, frames: FRAMES, form });
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
        let logs = List::new(sizes.collect()).unwrap_or_default();
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
mod tests {
    use super::*;

    const COOPERATIVE: EntryId = EntryId([7; 32]);

    fn node(n: u8) -> NodeKey {
        NodeKey([n; 32])
    }

    fn sync(me: u8, roster: &[u8]) -> Sync {
        let mut sync = Sync::new(COOPERATIVE, node(me), Moment(0));
        sync.grown(node(me), 0);
        sync.set_roster(&roster.iter().copied().map(node).collect::<Vec<_>>());
        sync
    }

    fn outputs(sync: &mut Sync) -> Vec<Output> {
        std::iter::from_fn(|| sync.poll()).collect()
    }

    fn follows(outputs: &[Output]) -> Vec<(u8, u8, u64, Form)> {
        let follow = |output: &Output| match output {
            Output::Send(to, Message::Follow { log, from, form, .. }) => {
                Some((to.0[0], log.0[0], *from, *form))
            }
            _ => None,
        };
        outputs.iter().filter_map(follow).collect()
    }

    fn ids(from: u64, count: u64) -> Message {
        let ids = (from..from + count).map(|n| EntryId([n.to_le_bytes()[0]; 32])).collect();
        Message::Leaves {
            cooperative: COOPERATIVE,
            log: node(2),
            from,
            items: List::new(vec![Item::Known(List::new(ids).unwrap())]).unwrap(),
            checkpoint: Octets::default(),
        }
    }

    #[test]
    fn a_log_is_followed_at_its_owner_and_at_another_while_the_owner_is_away() {
        let mut sync = sync(1, &[1, 2, 3]);
        sync.connected(node(2));
        assert_eq!(follows(&outputs(&mut sync)), [(2, 2, 0, Form::Whole), (2, 3, 0, Form::Whole)]);
        sync.connected(node(3));
        assert_eq!(follows(&outputs(&mut sync)), [(2, 2, 0, Form::Named), (3, 3, 0, Form::Named)]);
        sync.lost(node(2));
        assert_eq!(follows(&outputs(&mut sync)), [(3, 2, 0, Form::Whole), (3, 3, 0, Form::Whole)]);
    }

    #[test]
    fn leaves_are_taken_once_and_in_order() {
        let mut sync = sync(1, &[1, 2]);
        sync.connected(node(2));
        outputs(&mut sync);
        for message in [ids(0, 3), ids(0, 3), ids(5, 1), ids(3, 2)] {
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
        sync.message(node(2), ids(0, 3));
        outputs(&mut sync);
        sync.message(node(2), open());
        assert_eq!(follows(&outputs(&mut sync)), [], "leaves may still be under way");
        sync.message(node(2), open());
        assert_eq!(follows(&outputs(&mut sync)), [(2, 2, 3, Form::Named)]);
    }
}
