//! What the writer is asked to do, and how: the one door to the cooperatives kept here.
//!
//! Orders are taken one after another by one thread. What strangers can cause is limited here:
//! submissions beyond [`ENTRIES_MAX`] or [`BYTES_MAX`] are sent away at once, in a few
//! nanoseconds, and told when to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use talea_ledger::batch::Batch;
use talea_ledger::replica::Reply;
use talea_protocol::entry::{Entry, Refusal as Unsound, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::message::{Message, Payload};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::hosted::Hosts;
use crate::metrics::{Metrics, Queue};

/// Submissions under way: 4,096 that are being checked, and 4,096 that wait for the commit
/// (reliability, section 5). With half of it a core in five is idle under load.
pub const ENTRIES_MAX: usize = 8_192;
/// Their bytes with their payloads (reliability, section 5).
pub const BYTES_MAX: usize = 8 * 1024 * 1024;
/// When whoever was sent away may come back, in ms: a few commits later.
pub const RETRY_MS: u32 = 200;

/// The answers of [`talea_protocol::entry::check`].
pub type Verdicts = Vec<Result<Signed, (Entry, Unsound)>>;
/// Something to be asked of all cooperatives: reads, and short ones.
pub type Question = Box<dyn FnOnce(&mut Hosts) + Send>;

/// What the writer is to do.
pub enum Order {
    /// Give an entry a place.
    Submit(Submission),
    /// Signatures were checked.
    Checked {
        /// For which cooperative.
        cooperative: EntryId,
        /// The check's number.
        check: u64,
        /// The verdicts.
        entries: Verdicts,
    },
    /// A session with a known peer began.
    Connected(NodeKey),
    /// It is over.
    Lost(NodeKey),
    /// A known peer spoke.
    Message {
        /// Who.
        peer: NodeKey,
        /// What.
        message: Box<Message>,
        /// The room that it takes in this peer's queue, freed when it is dealt with.
        room: OwnedSemaphorePermit,
    },
    /// A batch is durable and its checkpoint promised.
    Committed {
        /// Of which cooperative.
        cooperative: EntryId,
        /// The commit's number.
        token: u64,
        /// The signed note.
        note: Vec<u8>,
    },
    /// A frame of leaves was sent, or there was none to send.
    Served(Served),
    /// Keep a cooperative.
    Host(Host),
    /// Keep something of the node's own, and call when it is on the disk.
    Keep(Batch, Box<dyn FnOnce() + Send>),
    /// Answer a question.
    Ask(Question),
    /// Take no more, finish what was begun, and end.
    Stop,
    /// End at once, as if the power had gone.
    Halt,
}

/// How far a follower was served; see [`talea_ledger::replica::Input::Served`].
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Of which cooperative.
    pub cooperative: EntryId,
    /// To whom.
    pub peer: NodeKey,
    /// Whose log.
    pub log: NodeKey,
    /// The first leaf asked for.
    pub from: u64,
    /// The first leaf not sent.
    pub next: u64,
}

/// An entry on its way to a place.
pub struct Submission {
    /// Who brought it: a peer, a stranger, or this node itself for its own wallets.
    pub source: NodeKey,
    /// The entry.
    pub entry: Box<Entry>,
    /// Its payload.
    pub payload: Option<Box<Payload>>,
    /// Whom to tell.
    pub answer: Answer,
}

/// A cooperative to be kept.
pub struct Host {
    /// Which.
    pub cooperative: EntryId,
    /// Nodes that may have it.
    pub hosts: Vec<NodeKey>,
    /// Its charter, if the operator has it.
    pub charter: Option<Box<Entry>>,
    /// Told when it is kept on disk that the cooperative is hosted.
    pub done: oneshot::Sender<Hosting>,
}

/// Whether a cooperative is kept now.
#[derive(Debug)]
pub enum Hosting {
    /// It was kept already.
    Already,
    /// It is kept from now on; the charter's fate comes from the second part, if there is one.
    Begun(Option<oneshot::Receiver<Reply>>),
    /// The charter is another cooperative's.
    OtherCharter(EntryId),
    /// The node is stopping.
    Stopping,
}

/// Whom to tell of a submission, and its place among those under way.
pub struct Answer {
    to: oneshot::Sender<Reply>,
    _seat: Option<Seat>,
}

impl Answer {
    /// An answer outside the limits: for the operator.
    #[must_use]
    pub fn privileged() -> (Self, oneshot::Receiver<Reply>) {
        let (to, receiver) = oneshot::channel();
        (Self { to, _seat: None }, receiver)
    }

    /// Tells it.
    pub fn give(self, reply: Reply) {
        // Whoever asked may have left.
        let _ = self.to.send(reply);
    }
}

#[derive(Debug, Default)]
struct Room {
    entries: AtomicUsize,
    bytes: AtomicUsize,
}

struct Seat {
    room: Arc<Room>,
    bytes: usize,
    metrics: Arc<Metrics>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.entries.fetch_sub(1, Ordering::Relaxed);
        self.room.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.metrics.waiting.dec();
    }
}

/// Too much is under way: again after [`RETRY_MS`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{ENTRIES_MAX} entries or {BYTES_MAX} bytes are under way")]
pub struct Busy;

/// Gives orders to the writer. Clones share it.
#[derive(Clone)]
pub struct Orders {
    sender: mpsc::Sender<Order>,
    room: Arc<Room>,
    metrics: Arc<Metrics>,
}

impl Orders {
    /// The two ends of the writer's queue.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Order>) {
        let (sender, receiver) = mpsc::channel();
        (Self { sender, room: Arc::default(), metrics }, receiver)
    }

    /// Gives an order; dropped if the writer has ended.
    pub fn give(&self, order: Order) {
        if self.sender.send(order).is_ok() {
            self.metrics.queued(Queue::Writer);
        }
    }

    /// Submits an entry. What comes of it arrives later, or nothing if the node stops before.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn submit(
        &self,
        source: NodeKey,
        entry: Entry,
        payload: Option<Payload>,
    ) -> Result<oneshot::Receiver<Reply>, Busy> {
        let seat = self.sit(entry.bytes().len() + payload.as_ref().map_or(0, |p| p.bytes.len()))?;
        let (to, receiver) = oneshot::channel();
        let answer = Answer { to, _seat: Some(seat) };
        let (entry, payload) = (Box::new(entry), payload.map(Box::new));
        self.give(Order::Submit(Submission { source, entry, payload, answer }));
        Ok(receiver)
    }

    /// Asks something of the cooperatives kept here; `None` if the node stops before.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Hosts) -> T + Send + 'static,
    ) -> Option<T> {
        let (to, receiver) = oneshot::channel();
        self.give(Order::Ask(Box::new(move |hosts| {
            let _ = to.send(question(hosts));
        })));
        receiver.await.ok()
    }

    fn sit(&self, bytes: usize) -> Result<Seat, Busy> {
        let Room { entries, bytes: held } = &*self.room;
        let seat = Seat { room: Arc::clone(&self.room), bytes, metrics: Arc::clone(&self.metrics) };
        self.metrics.waiting.inc();
        let before = entries.fetch_add(1, Ordering::Relaxed);
        let bytes_before = held.fetch_add(bytes, Ordering::Relaxed);
        // One is always taken, however long.
        let fits = before < ENTRIES_MAX && (before == 0 || bytes_before + bytes <= BYTES_MAX);
        if fits {
            Ok(seat)
        } else {
            self.metrics.busy.inc();
            Err(Busy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_submission_too_many_is_sent_away_and_a_freed_seat_is_taken() {
        let (orders, _inbox) = Orders::new(Arc::new(Metrics::new()));
        let mut seats: Vec<_> = (0..ENTRIES_MAX).map(|_| orders.sit(1).ok()).collect();
        assert!(seats.iter().all(Option::is_some));
        assert!(orders.sit(1).is_err());
        seats.pop();
        assert!(orders.sit(1).is_ok());
    }

    #[test]
    fn many_bytes_are_sent_away_before_many_entries() {
        let (orders, _inbox) = Orders::new(Arc::new(Metrics::new()));
        let large = orders.sit(BYTES_MAX);
        assert!(large.is_ok());
        assert!(orders.sit(1).is_err());
    }
}
