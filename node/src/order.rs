//! What the writer is asked to do, and how: the one door to the cooperatives kept here.
//!
//! Orders are taken one after another by one thread. What anybody can cause is limited here:
//! submissions beyond [`ENTRIES_MAX`], [`BYTES_MAX`] or their device's rate are sent away at once
//! and told when to come back, and questions leave the writer half of its time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::Duration;

use talea_ledger::batch::Batch;
use talea_ledger::replica::{Replica, Reply};
use talea_protocol::entry::{Entry, Refusal as Unsound, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::message::{Message, Payload};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::sleep;

use crate::hosted::Hosts;
use crate::metrics::{Limit, Metrics, Queue};
use crate::rate::{Chain, Devices, ImportFault, Share};
use crate::restore::RestoreFault;

/// Submissions under way: 4,096 that are being checked, and 4,096 that wait for the commit
/// (reliability, section 5). With half of it a core in five is idle under load.
pub const ENTRIES_MAX: usize = 8_192;
/// Their bytes with their payloads (reliability, section 5).
pub const BYTES_MAX: usize = 8 * 1024 * 1024;
/// When whoever was sent away may come back, in ms: a few commits later.
pub const RETRY_MS: u32 = 200;
/// What questions of readers may take of the writer's time in one go (reliability, section 5).
/// After one that took longer nobody asks for as long as it took.
pub const QUERY_SLICE: Duration = Duration::from_millis(10);

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
    /// A leaf of this node's own log was read.
    Recalled {
        /// Of which cooperative.
        cooperative: EntryId,
        /// Which.
        leaf: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A cooperative was restored from disk.
    Reloaded {
        /// Which.
        cooperative: EntryId,
        /// As it is there.
        replica: Box<Result<Replica, RestoreFault>>,
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

impl Order {
    /// How many entries it brings, at least 1: what it costs the writer.
    pub fn weight(&self) -> usize {
        match self {
            Self::Checked { entries, .. } => entries.len().max(1),
            _ => 1,
        }
    }
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
    /// Whether this node has kept it before, and lost what it had signed.
    pub is_lost: bool,
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
    seat: Option<Seat>,
}

impl Answer {
    /// An answer outside the limits: for the operator.
    #[must_use]
    pub fn privileged() -> (Self, oneshot::Receiver<Reply>) {
        let (to, receiver) = oneshot::channel();
        (Self { to, seat: None }, receiver)
    }

    /// Tells it. An entry that got a place, or may get one, counts for its device's rate.
    pub fn give(mut self, reply: Reply) {
        if let (Some(seat), Reply::Placed(_) | Reply::Waiting(_)) = (&mut self.seat, reply) {
            seat.pass = None;
        }
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
    devices: Arc<Mutex<Devices>>,
    /// What is given back if the entry gets no place.
    pass: Option<(Chain, Share)>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((chain, share)) = self.pass {
            lock(&self.devices).give_back(chain, share);
        }
        self.room.entries.fetch_sub(1, Ordering::Relaxed);
        self.room.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.metrics.waiting.dec();
    }
}

/// Why a submission is not even looked at. Nobody's fault: it may come again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Busy {
    /// Too much is under way: again after [`RETRY_MS`].
    #[error("{ENTRIES_MAX} entries or {BYTES_MAX} bytes are under way")]
    Full,
    /// The device has had as many entries placed as it may: again after this time.
    #[error("this device writes faster than is allowed: wait {} ms", wait.as_millis())]
    Often {
        /// How long to wait.
        wait: Duration,
    },
}

impl Busy {
    /// When to come again, in ms.
    #[must_use]
    pub fn retry_ms(self) -> u32 {
        match self {
            Self::Full => RETRY_MS,
            Self::Often { wait } => u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
        }
    }
}

/// Gives orders to the writer. Clones share it.
#[derive(Clone)]
pub struct Orders {
    sender: mpsc::Sender<Order>,
    room: Arc<Room>,
    metrics: Arc<Metrics>,
    devices: Arc<Mutex<Devices>>,
    /// Held by the one question of a reader that is asked.
    turn: Arc<tokio::sync::Mutex<()>>,
}

fn lock(devices: &Mutex<Devices>) -> MutexGuard<'_, Devices> {
    devices.lock().expect("nothing panics while it holds the rates")
}

impl Orders {
    /// The two ends of the writer's queue.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Order>) {
        let (sender, receiver) = mpsc::channel();
        let (devices, turn) = (Arc::default(), Arc::default());
        (Self { sender, room: Arc::default(), metrics, devices, turn }, receiver)
    }

    /// Gives an order; dropped if the writer has ended.
    pub fn give(&self, order: Order) {
        if self.sender.send(order).is_ok() {
            self.metrics.queued(Queue::Writer);
        }
    }

    /// Submits an entry at `now`. What comes of it arrives later, or nothing if the node stops
    /// before.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn submit(
        &self,
        now: Duration,
        source: NodeKey,
        entry: Entry,
        payload: Option<Payload>,
    ) -> Result<oneshot::Receiver<Reply>, Busy> {
        let bytes = entry.bytes().len() + payload.as_ref().map_or(0, |p| p.bytes.len());
        let mut seat = self.sit(bytes)?;
        seat.pass = Some(self.pass(now, (entry.cooperative(), entry.header().device))?);
        let (to, receiver) = oneshot::channel();
        let answer = Answer { to, seat: Some(seat) };
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

    /// The same for a reader whose question may take long: one at a time, each as long after the
    /// one before as that took beyond [`QUERY_SLICE`], so that entries have half of the writer's
    /// time whatever is asked.
    pub async fn query<T: Send + 'static>(
        &self,
        clock: fn() -> Duration,
        question: impl FnOnce(&mut Hosts) -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (metrics, runtime) = (Arc::clone(&self.metrics), Handle::current());
        // The turn goes along, so that nobody gets round it by asking and leaving.
        let timed = move |hosts: &mut Hosts| {
            let begun = clock();
            let answer = question(hosts);
            let took = clock().saturating_sub(begun);
            metrics.query.observe(took.as_secs_f64());
            if took > QUERY_SLICE {
                drop(runtime.spawn(async move {
                    sleep(took).await;
                    drop(turn);
                }));
            }
            answer
        };
        self.ask(timed).await
    }

    /// A device says beforehand how many entries it will bring at once.
    ///
    /// # Errors
    /// [`ImportFault`].
    pub fn announce(&self, now: Duration, chain: Chain, entries: u64) -> Result<(), ImportFault> {
        lock(&self.devices).announce(now, chain, entries)
    }

    fn pass(&self, now: Duration, chain: Chain) -> Result<(Chain, Share), Busy> {
        match lock(&self.devices).take(now, chain) {
            Ok(share) => Ok((chain, share)),
            Err(wait) => {
                self.metrics.limit(Limit::Entries);
                Err(Busy::Often { wait })
            }
        }
    }

    fn sit(&self, bytes: usize) -> Result<Seat, Busy> {
        let Room { entries, bytes: held } = &*self.room;
        let seat = Seat {
            room: Arc::clone(&self.room),
            bytes,
            metrics: Arc::clone(&self.metrics),
            devices: Arc::clone(&self.devices),
            pass: None,
        };
        self.metrics.waiting.inc();
        let before = entries.fetch_add(1, Ordering::Relaxed);
        let bytes_before = held.fetch_add(bytes, Ordering::Relaxed);
        // One is always taken, however long.
        let fits = before < ENTRIES_MAX && (before == 0 || bytes_before + bytes <= BYTES_MAX);
        if fits {
            Ok(seat)
        } else {
            self.metrics.busy.inc();
            Err(Busy::Full)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::DEVICE_ENTRIES_BURST;
    use talea_ledger::place::Refusal;
    use talea_protocol::act::{Act, Attest};
    use talea_protocol::entry::{Header, SCHEME, VERSION, sign};
    use talea_protocol::key::SecretKey;

    fn entry() -> Entry {
        let key = SecretKey::from_seed(&[9; 32]);
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: EntryId([1; 32]),
            device: key.device(),
            seq: 1,
            prev: EntryId([2; 32]),
            basis: EntryId([3; 32]),
            time: 0,
            payload: None,
        };
        let act = Act::Attest(Attest { contribution: EntryId([4; 32]) });
        Entry::clone(&sign(&key, &header, &act).unwrap())
    }

    /// Submits until it is sent away, each time answered so; how often it was taken.
    fn until_busy(reply: Reply) -> u64 {
        let (orders, inbox) = Orders::new(Arc::new(Metrics::new()));
        let submit = || orders.submit(Duration::ZERO, NodeKey([7; 32]), entry(), None);
        let mut taken = 0;
        while taken < 2 * DEVICE_ENTRIES_BURST && submit().is_ok() {
            let Ok(Order::Submit(submission)) = inbox.recv() else { panic!("a submission") };
            submission.answer.give(reply);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_device_that_had_600_entries_placed_is_told_when_to_come_back() {
        assert_eq!(until_busy(Reply::Placed(1)), DEVICE_ENTRIES_BURST);
        assert_eq!(until_busy(Reply::Waiting(EntryId([2; 32]))), DEVICE_ENTRIES_BURST);
        assert_eq!(Busy::Often { wait: Duration::from_secs(1) }.retry_ms(), 1_000);
    }

    #[test]
    fn entries_that_are_refused_or_known_take_nothing_from_the_device_that_they_name() {
        let refused = Reply::Refused(Refusal::NotRegistrar);
        let forged = Reply::Unsound(Unsound::Signature);
        for reply in [refused, forged, Reply::Known(1), Reply::Busy] {
            assert_eq!(until_busy(reply), 2 * DEVICE_ENTRIES_BURST, "{reply:?}");
        }
    }

    /// A question that took 20 ms leaves the writer alone for as long.
    #[tokio::test(start_paused = true)]
    async fn after_a_long_question_the_next_waits_as_long_as_that_took() {
        fn clock() -> Duration {
            static TICKS: AtomicUsize = AtomicUsize::new(0);
            let ticks = TICKS.fetch_add(1, Ordering::Relaxed);
            Duration::from_millis(u64::try_from(ticks).unwrap_or(u64::MAX) * 20)
        }
        let (orders, inbox) = Orders::new(Arc::new(Metrics::new()));
        let writer = std::thread::spawn(move || {
            let mut hosts = Hosts::new();
            while let Ok(Order::Ask(question)) = inbox.recv() {
                question(&mut hosts);
            }
        });
        let begun = tokio::time::Instant::now();
        for _ in 0..3 {
            assert_eq!(orders.query(clock, |_| ()).await, Some(()));
        }
        // After the third, too, if time has passed before its answer was here.
        let waited = begun.elapsed();
        let (least, most) = (Duration::from_millis(40), Duration::from_millis(60));
        assert!((least..=most).contains(&waited), "{waited:?}");
        drop(orders);
        writer.join().unwrap();
    }

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
