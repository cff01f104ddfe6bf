//! The one thread that writes to disk, and signs what it has read back.
//!
//! What has gathered while the disk was busy goes into one synced batch; then, for each
//! cooperative, the new leaves are read back and compared, the promise is kept, the checkpoint
//! signed, and the writer told. A write that fails ends the process: what reached the disk is
//! unknown, and a second sync would report what the first one lost as kept.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use talea_ledger::batch::{Batch, Column};
use talea_ledger::replica::{Commit, Replica, leaf_key};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::tree::{TreeHash, leaf_hash};
use tracing::error;

use crate::clock::Clock;
use crate::metrics::{Metrics, Queue};
use crate::order::{Order, Orders};
use crate::promise::{Promise, PromiseFault, Promises};
use crate::restore::{self, RestoreFault};
use crate::shelf::Shelf;
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
    /// Read a leaf of this node's own log, after what was to be written before.
    Recall(EntryId, u64),
    /// Restore a cooperative as it is on disk, after what was to be written before.
    Reload(EntryId, Vec<NodeKey>),
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
    /// The attachments, which go with their payloads.
    pub shelf: Arc<Shelf>,
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
        let begun = (self.disk.clock.steady)();
        self.promise_nothing(&group.commits)?;
        self.disk.store.write(&group.batch)?;
        if let Err(fault) = self.disk.shelf.follow(&group.batch) {
            // They are not given any more; the next start removes them.
            error!(%fault, "attachments of an erased payload could not be removed");
        }
        self.metrics.sync.observe(self.since(begun));
        let leaves: usize = group.commits.iter().map(|commit| commit.hashes.len()).sum();
        self.metrics.group.observe(f64::from(u32::try_from(leaves).unwrap_or(u32::MAX)));
        for then in group.kept {
            then();
        }
        for commit in group.commits {
            let note = self.sign(&commit)?;
            let (cooperative, token) = (commit.cooperative, commit.token);
            self.orders.give(Order::Committed { cooperative, token, note });
            self.metrics.commit.observe(self.since(begun));
        }
        for (cooperative, leaf) in group.recalls {
            let bytes = self.disk.store.read(Column::Leaf, &leaf_key(&cooperative, leaf))?;
            let bytes = bytes.unwrap_or_default();
            self.orders.give(Order::Recalled { cooperative, leaf, bytes });
        }
        for (cooperative, hosts) in group.reloads {
            let replica = Box::new(self.reload(cooperative, &hosts));
            self.orders.give(Order::Reloaded { cooperative, replica });
        }
        Ok(())
    }

    fn reload(&self, cooperative: EntryId, hosts: &[NodeKey]) -> Result<Replica, RestoreFault> {
        let Disk { store, key, clock, kept, .. } = &self.disk;
        let newest = kept.get(&cooperative).and_then(Promises::newest);
        let promised = newest.map(|promise| (promise.size, promise.root));
        let (key, now) = (Arc::clone(key), clock.moment());
        let replica = restore::replica(store, cooperative, key, now, hosts, promised)?;
        if let Err(fault) = self.disk.shelf.forget(&replica) {
            // The next start does it.
            error!(%fault, "what is erased could not be removed");
        }
        Ok(replica)
    }

    /// Seconds since a moment.
    fn since(&self, begun: Duration) -> f64 {
        (self.disk.clock.steady)().saturating_sub(begun).as_secs_f64()
    }

    /// Promises an empty log before the first leaf of a new one is written: whoever finds leaves and
    /// no promise at all has lost the promise.
    fn promise_nothing(&mut self, commits: &[Commit]) -> Result<(), CommitFault> {
        let time = (self.disk.clock.wall)();
        for commit in commits.iter().filter(|commit| commit.from == 0) {
            let promises = self.promises(commit.cooperative)?;
            if promises.newest().is_none() {
                let (size, root) = (0, TreeHash::EMPTY);
                promises.keep(Promise { size, root, time })?;
            }
        }
        Ok(())
    }

    fn promises(&mut self, cooperative: EntryId) -> Result<&mut Promises, CommitFault> {
        Ok(match self.disk.kept.entry(cooperative) {
            std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(Promises::open(&self.disk.promises, cooperative)?)
            }
        })
    }

    /// Signs a checkpoint whose leaves read back and whose promise is kept.
    fn sign(&mut self, commit: &Commit) -> Result<Vec<u8>, CommitFault> {
        let begun = (self.disk.clock.steady)();
        read_back(&self.disk.store, commit)?;
        self.metrics.read_back.observe(self.since(begun));
        let begun = (self.disk.clock.steady)();
        let time = (self.disk.clock.wall)();
        let promises = self.promises(commit.cooperative)?;
        let (size, root) = (commit.checkpoint.size, commit.checkpoint.root);
        promises.keep(Promise { size, root, time })?;
        let note = commit.checkpoint.sign(&self.disk.key).to_string().into_bytes();
        self.metrics.promise.observe(self.since(begun));
        Ok(note)
    }
}

/// Whether every new leaf is on the disk as it was appended.
fn read_back(store: &Store, commit: &Commit) -> Result<(), CommitFault> {
    let cooperative = commit.cooperative;
    let from = leaf_key(&cooperative, commit.from);
    let span = Span::prefix(&cooperative.0).starting_at(&from);
    let mut hashes = (commit.from..).zip(&commit.hashes).peekable();
    store.visit(Column::Leaf, &span, |key, leaf| {
        let same = hashes.next_if(|(index, expected)| {
            key == leaf_key(&cooperative, *index) && leaf_hash(leaf) == **expected
        });
        if same.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    match hashes.next() {
        Some((index, _)) => Err(CommitFault::ReadBack { cooperative, index }),
        None => Ok(()),
    }
}

/// What goes into one synced write.
#[derive(Default)]
struct Group {
    batch: Batch,
    commits: Vec<Commit>,
    kept: Vec<Then>,
    recalls: Vec<(EntryId, u64)>,
    reloads: Vec<(EntryId, Vec<NodeKey>)>,
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
            Job::Recall(cooperative, leaf) => {
                self.recalls.push((cooperative, leaf));
                0
            }
            Job::Reload(cooperative, hosts) => {
                self.reloads.push((cooperative, hosts));
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::checkpoint::{Checkpoint, origin};

    const COOPERATIVE: EntryId = EntryId([1; 32]);

    /// A commit of leaves 3 to 5, of which the disk holds `kept`, by index.
    fn read(kept: &[(u64, &[u8])]) -> Result<(), CommitFault> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let mut batch = Batch::new();
        for (index, leaf) in kept {
            batch.put(Column::Leaf, leaf_key(&COOPERATIVE, *index), leaf.to_vec());
        }
        store.write(&batch).unwrap();
        let key = SecretKey::from_seed(&[9; 32]);
        let hashes: Vec<_> = [b"three", b"four.", b"five."].map(|leaf| leaf_hash(leaf)).to_vec();
        let origin = origin(&COOPERATIVE, &key.node());
        let checkpoint = Checkpoint { origin, size: 6, root: hashes[0] };
        let (token, from, batch) = (0, 3, Batch::new());
        let cooperative = COOPERATIVE;
        read_back(&store, &Commit { token, cooperative, batch, from, hashes, checkpoint })
    }

    #[test]
    fn a_leaf_that_is_missing_changed_or_elsewhere_does_not_read_back() {
        let (two, three, four, five) =
            ((2, &b"two"[..]), (3, &b"three"[..]), (4, &b"four."[..]), (5, &b"five."[..]));
        assert!(read(&[two, three, four, five]).is_ok());
        assert!(read(&[three, four, five, (6, b"six")]).is_ok());
        for (kept, at) in [
            (&[][..], 3),
            (&[two], 3),
            (&[four, five], 3),
            (&[three, five], 4),
            (&[three, (4, b"Four."), five], 4),
            (&[three, four], 5),
            (&[three, four, (6, b"five.")], 5),
        ] {
            let fault = read(kept);
            let named = matches!(&fault, Err(CommitFault::ReadBack { index, .. }) if *index == at);
            assert!(named, "{kept:?}: {fault:?}");
        }
    }
}
