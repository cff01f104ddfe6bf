//! Who is connected, and what is on its way to each: the seam between the writer and QUIC.
//!
//! One session for each pair of nodes. The writer puts frames in and never waits; a session's
//! task takes them out. A peer that does not read is given up when [`QUEUE_BYTES_MAX`] wait for
//! it: it comes back and asks for what it lacks. Nothing here knows what a frame means.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use talea_ledger::batch::Batch;
use talea_protocol::key::NodeKey;
use tokio::sync::{mpsc, watch};

mod anchors;

use anchors::Anchors;
pub use anchors::{ANCHORS_KEY, ANCHORS_MAX};

/// What may wait for one peer, in bytes: the frames of all logs that it may have under way, twice.
pub const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Two sessions of one pair that began within this time were dialled by both at once; of two
/// further apart, the older one is dead, since nobody dials a peer whom it holds.
pub const SIMULTANEOUS: Duration = Duration::from_secs(3);

/// A frame on its way.
pub struct Frame {
    /// The bytes, without their length.
    pub bytes: Vec<u8>,
    /// Called when the transport has taken them; dropped uncalled if it never does.
    pub sent: Option<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.bytes.len())
    }
}

/// The number of a session: no two of a process are alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session(u64);

/// The end of a queue at which a session's task takes frames out.
#[derive(Debug)]
pub struct Outgoing {
    frames: mpsc::UnboundedReceiver<Frame>,
    queued: Arc<AtomicUsize>,
}

impl Outgoing {
    /// The next frames, up to `limit`; none when the session is over.
    pub async fn next(&mut self, limit: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        let _ = self.frames.recv_many(&mut frames, limit).await;
        let bytes = frames.iter().map(|frame| frame.bytes.len()).sum();
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
        frames
    }
}

#[derive(Debug)]
struct Link {
    session: Session,
    dialler: NodeKey,
    began: Duration,
    frames: mpsc::UnboundedSender<Frame>,
    queued: Arc<AtomicUsize>,
}

/// What became of a new session.
#[derive(Debug)]
pub enum Joined {
    /// It is the session with this peer now; `replaced` says whether there was one before.
    Kept {
        /// Its number.
        session: Session,
        /// What is to be sent.
        outgoing: Outgoing,
        /// Whether an older session ended by this.
        replaced: bool,
    },
    /// Another session with this peer goes on.
    Duplicate,
}

/// All sessions with known peers.
#[derive(Debug)]
pub struct Links {
    me: NodeKey,
    links: Mutex<(BTreeMap<NodeKey, Link>, u64)>,
    anchors: Mutex<Anchors>,
    changes: watch::Sender<u64>,
}

impl Links {
    /// No sessions yet.
    #[must_use]
    pub fn new(me: NodeKey) -> Self {
        let (links, anchors) = (Mutex::new((BTreeMap::new(), 0)), Mutex::default());
        Self { me, links, anchors, changes: watch::Sender::new(0) }
    }

    /// Takes the row of [`ANCHORS_KEY`] as it was kept.
    pub fn remember(&self, row: &[u8]) {
        *self.anchors() = Anchors::parse(row);
    }

    /// Those nodes first that answered before the last restart.
    #[must_use]
    pub fn anchors_first(&self, mut nodes: Vec<NodeKey>) -> Vec<NodeKey> {
        let anchors = self.anchors();
        nodes.sort_by_key(|node| !anchors.nodes().contains(node));
        nodes
    }

    /// A node that was dialled has answered for a while; returns what is to be kept, if anything.
    #[must_use]
    pub fn answered(&self, node: NodeKey) -> Option<Batch> {
        self.anchors().answered(node, |anchor| self.has(anchor))
    }

    fn anchors(&self) -> MutexGuard<'_, Anchors> {
        self.anchors.lock().expect("nothing panics while it holds the anchors")
    }

    /// Enters a session that `dialler` has begun at `now`, and calls `then` before anybody else
    /// can enter or leave, so that its consequences come in the same order.
    ///
    /// Of two sessions of one pair the one dialled by the smaller key is kept, at both ends.
    pub fn join(
        &self,
        peer: NodeKey,
        dialler: NodeKey,
        now: Duration,
        then: impl FnOnce(&Joined),
    ) -> Joined {
        let mut links = self.lock();
        if links.0.get(&peer).is_some_and(|held| self.keeps(held, dialler, now)) {
            return Joined::Duplicate;
        }
        let (sender, frames) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        links.1 += 1;
        let session = Session(links.1);
        let outgoing = Outgoing { frames, queued: Arc::clone(&queued) };
        let link = Link { session, dialler, began: now, frames: sender, queued };
        let replaced = links.0.insert(peer, link).is_some();
        let joined = Joined::Kept { session, outgoing, replaced };
        then(&joined);
        drop(links);
        self.changed();
        joined
    }

    fn keeps(&self, held: &Link, dialler: NodeKey, now: Duration) -> bool {
        let at_once = now.saturating_sub(held.began) < SIMULTANEOUS;
        at_once && !held.frames.is_closed() && held.dialler < dialler
    }

    /// Ends a session, if it is still the one with this peer; then calls `then` as
    /// [`Self::join`] does.
    pub fn leave(&self, peer: NodeKey, session: Session, then: impl FnOnce()) {
        let mut links = self.lock();
        if links.0.get(&peer).is_some_and(|link| link.session == session) {
            links.0.remove(&peer);
            then();
            drop(links);
            self.changed();
        }
    }

    /// Puts a frame on its way; drops it if there is no session. A peer that does not read loses
    /// its session.
    pub fn send(&self, peer: &NodeKey, frame: Frame) {
        let mut links = self.lock();
        let Some(link) = links.0.get_mut(peer) else { return };
        let bytes = frame.bytes.len();
        if link.queued.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_BYTES_MAX {
            // The queue's other end sees its end, and its task leaves.
            let (closed, _) = mpsc::unbounded_channel();
            link.frames = closed;
            return;
        }
        // Its task has gone and is about to leave.
        let _ = link.frames.send(frame);
    }

    /// Whether there is a session with this peer.
    #[must_use]
    pub fn has(&self, peer: &NodeKey) -> bool {
        self.lock().0.contains_key(peer)
    }

    /// The peers with a session.
    #[must_use]
    pub fn peers(&self) -> Vec<NodeKey> {
        self.lock().0.keys().copied().collect()
    }

    /// Waits until there is no session with this peer.
    pub async fn wait_gone(&self, peer: &NodeKey) {
        let mut changes = self.changes.subscribe();
        // Not `wait_for`: it would ask for the links under the lock of what tells of them.
        while self.has(peer) && changes.changed().await.is_ok() {}
    }

    /// This node.
    #[must_use]
    pub const fn me(&self) -> NodeKey {
        self.me
    }

    /// Tells that something changed; never called while the links are held.
    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, (BTreeMap<NodeKey, Link>, u64)> {
        self.links.lock().expect("nothing panics while it holds the links")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeKey {
        NodeKey([n; 32])
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn join(links: &Links, peer: u8, dialler: u8, ms: u64) -> Joined {
        links.join(node(peer), node(dialler), at(ms), |_| {})
    }

    #[test]
    fn of_two_sessions_at_once_the_one_dialled_by_the_smaller_key_is_kept() {
        let links = Links::new(node(1));
        let first = join(&links, 2, 2, 0);
        assert!(matches!(first, Joined::Kept { replaced: false, .. }));
        let second = join(&links, 2, 1, 10);
        assert!(matches!(second, Joined::Kept { replaced: true, .. }));
        assert!(matches!(join(&links, 2, 2, 20), Joined::Duplicate));
    }

    #[test]
    fn a_peer_that_dials_later_has_lost_its_old_session() {
        let links = Links::new(node(1));
        let _old = join(&links, 2, 1, 0);
        assert!(matches!(join(&links, 2, 2, 2_999), Joined::Duplicate));
        assert!(matches!(join(&links, 2, 2, 3_000), Joined::Kept { replaced: true, .. }));
    }

    #[test]
    fn who_answered_before_a_restart_is_dialled_first_after_it() {
        let links = Links::new(node(1));
        let batch = links.answered(node(9)).unwrap();
        let again = Links::new(node(1));
        again.remember(&batch.puts()[0].2);
        let nodes = vec![node(2), node(5), node(9)];
        assert_eq!(again.anchors_first(nodes.clone()), [node(9), node(2), node(5)]);
        assert_eq!(Links::new(node(1)).anchors_first(nodes.clone()), nodes);
    }

    #[test]
    fn only_the_present_session_can_leave() {
        let links = Links::new(node(1));
        let Joined::Kept { session: old, .. } = join(&links, 2, 2, 0) else { panic!() };
        let Joined::Kept { session: new, .. } = join(&links, 2, 1, 1) else { panic!() };
        links.leave(node(2), old, || panic!("it was replaced"));
        assert!(links.has(&node(2)));
        links.leave(node(2), new, || {});
        assert!(!links.has(&node(2)));
    }

    /// Both ask for two locks; in another order they would wait for each other for ever.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sessions_come_and_go_while_others_wait_for_their_end() {
        let links = Arc::new(Links::new(node(1)));
        let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (links, over) = (Arc::clone(&links), Arc::clone(&over));
            waiting.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    links.wait_gone(&node(2)).await;
                    tokio::task::yield_now().await;
                }
            });
        }
        let coming = tokio::task::spawn_blocking(move || {
            for _ in 0..50_000 {
                let Joined::Kept { session, .. } = join(&links, 2, 2, 0) else { panic!() };
                links.leave(node(2), session, || {});
            }
            over.store(true, Ordering::Relaxed);
        });
        let done = async {
            coming.await.unwrap();
            while waiting.join_next().await.is_some() {}
        };
        tokio::time::timeout(Duration::from_secs(30), done).await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_loses_its_session() {
        let links = Links::new(node(1));
        let Joined::Kept { mut outgoing, .. } = join(&links, 2, 2, 0) else { panic!() };
        let frame = || Frame { bytes: vec![0; QUEUE_BYTES_MAX / 2], sent: None };
        for _ in 0..3 {
            links.send(&node(2), frame());
        }
        assert_eq!(outgoing.next(9).await.len(), 2);
        assert!(outgoing.next(9).await.is_empty());
    }
}
