//! The one thread that writes to disk, and signs what it has read back.
//!
//! What has gathered while the disk was busy goes into one synced batch; then, for each
//! cooperative, the new leaves are read back and compared, the promise is kept, the checkpoint
//! signed, and the writer told. A write that fails ends the process: what reached the disk is
//! unknown, and a second sync would report what the first one lost as kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use talea_ledger::batch::{Batch, Column};
use talea_ledger::replica::{Commit, leaf_key};
use talea_protocol::hash::EntryId;
use talea_protocol::key::SecretKey;
use talea_protocol::tree::leaf_hash;

use crate::clock::Clock;
use crate::metrics::{Metrics, Queue};
use crate::order::{Order, Orders};
use crate::promise::{Promise, PromiseFault, Promises};
use crate::span::Span;
use crate::store::{Store, StoreFault};
use crate::thread;

/// New leaves in one synced write: beyond that a write gains nothing (reliability, section 3).
const GROUP_LEAVES_MAX: usize = 1_024;

/// What is to be written.
pub enum Job {
    /// A cooperative's batch, and its checkpoint.
    Commit(Box<Commit>),
    /// The node's own notes.
    Keep(Batch, Then),
}

/// Called when a batch is on the disk.
pub type Then = Box<dyn FnOnce() + Send>;

/// Why what was written is not what is read. The disk's fault, and the end of this process.
#[derive(Debug, thiserror::Error)]
pub enum CommitFault {
    /// The batch did not reach the disk.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The promise did not reach the disk, or contradicts an older one.
    #[error(transparent)]
    Promise(#[from] PromiseFault),
    /// A leaf that was written reads otherwise.
    #[error("leaf {index} of {cooperative} was written and does not read back")]
    ReadBack {
        /// Of which cooperative.
        cooperative: EntryId,
        /// The leaf.
        index: u64,
    },
}

/// Ends the process after a fault that leaves the disk unknown.
pub type Abort = fn(&CommitFault) -> !;

/// What the commit thread works with.
pub struct Disk {
    /// The database.
    pub store: Arc<Store>,
    /// The folder of the promises.
    pub promises: PathBuf,
    /// The promises read at the start.
    pub kept: BTreeMap<EntryId, Promises>,
    /// Signs checkpoints.
    pub key: Arc<SecretKey>,
    /// Dates promises.
    pub clock: Clock,
}

/// The way in.
pub struct Committer {
    jobs: Sender<Job>,
    metrics: Arc<Metrics>,
}

impl Committer {
    /// Starts the thread; it ends, when all is written, after the committer is dropped.
    ///
    /// # Errors
    /// The system's, if it gives no thread.
    pub fn start(
        disk: Disk,
        orders: Orders,
        metrics: Arc<Metrics>,
        abort: Abort,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, inbox) = channel();
        let mut writing = Writing { disk, orders, metrics: Arc::clone(&metrics) };
        let thread = thread::spawn("commit", move || {
            if let Err(fault) = writing.run(&inbox) {
                abort(&fault);
            }
        })?;
        Ok((Self { jobs, metrics }, thread))
    }

    /// Has something written.
    pub fn write(&self, job: Job) {
        if self.jobs.send(job).is_ok() {
            self.metrics.queued(Queue::Commit);
        }
    }
}

struct Writing {
    disk: Disk,
    orders: Orders,
    metrics: Arc<Metrics>,
}

impl Writing {
    fn run(&mut self, inbox: &Receiver<Job>) -> Result<(), CommitFault> {
        while let Ok(first) = inbox.recv() {
            let mut leaves = 0;
            let mut group = Group::default();
            let mut next = Some(first);
            while let Some(job) = next {
                self.metrics.taken(Queue::Commit);
                leaves += group.add(job);
                next = if leaves < GROUP_LEAVES_MAX { inbox.try_recv().ok() } else { None };
            }
            self.write(group)?;
        }
        Ok(())
    }

    fn write(&mut self, group: Group) -> Result<(), CommitFault> {
        let clock = self.disk.clock;
        let begun = (clock.steady)();
        self.disk.store.write(&group.batch)?;
        self.metrics.sync.observe((clock.steady)().saturating_sub(begun).as_secs_f64());
        let leaves: usize = group.commits.iter().map(|commit| commit.hashes.len()).sum();
        self.metrics.group.observe(f64::from(u32::try_from(leaves).unwrap_or(u32::MAX)));
        for then in group.kept {
            then();
        }
        for commit in group.commits {
            let note = self.sign(&commit)?;
            let (cooperative, token) = (commit.cooperative, commit.token);
            self.orders.give(Order::Committed { cooperative, token, note });
            self.metrics.commit.observe((clock.steady)().saturating_sub(begun).as_secs_f64());
        }
        Ok(())
    }

    /// Signs a checkpoint whose leaves read back and whose promise is kept.
    fn sign(&mut self, commit: &Commit) -> Result<Vec<u8>, CommitFault> {
        self.read_back(commit)?;
        let promises = match self.disk.kept.entry(commit.cooperative) {
            std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(Promises::open(&self.disk.promises, commit.cooperative)?)
            }
        };
        let (size, root) = (commit.checkpoint.size, commit.checkpoint.root);
        promises.keep(Promise { size, root, time: (self.disk.clock.wall)() })?;
        Ok(commit.checkpoint.sign(&self.disk.key).to_string().into_bytes())
    }

    fn read_back(&self, commit: &Commit) -> Result<(), CommitFault> {
        let cooperative = commit.cooperative;
        let from = leaf_key(&cooperative, commit.from);
        let span = Span::prefix(&cooperative.0).starting_at(&from);
        let read = self.disk.store.range(Column::Leaf, &span, commit.hashes.len())?;
        let mut read = read.iter();
        for (index, expected) in (commit.from..).zip(&commit.hashes) {
            let same = read.next().is_some_and(|(key, leaf)| {
                *key == leaf_key(&cooperative, index) && leaf_hash(leaf) == *expected
            });
            if !same {
                return Err(CommitFault::ReadBack { cooperative, index });
            }
        }
        Ok(())
    }
}

/// What goes into one synced write.
#[derive(Default)]
struct Group {
    batch: Batch,
    commits: Vec<Commit>,
    kept: Vec<Then>,
}

impl Group {
    /// Adds a job; returns how many new leaves it brings.
    fn add(&mut self, job: Job) -> usize {
        match job {
            Job::Commit(mut commit) => {
                self.batch.append(std::mem::take(&mut commit.batch));
                let leaves = commit.hashes.len();
                self.commits.push(*commit);
                leaves
            }
            Job::Keep(batch, then) => {
                self.batch.append(batch);
                self.kept.push(then);
                0
            }
        }
    }
}
