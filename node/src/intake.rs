//! Signatures, checked on all cores while the writer and the disk deal with what came before.
//!
//! What is waiting when the cores are free is checked together, whosever it is: a batch costs a
//! third of single checks, and the verdicts are the same by construction (protocol, `key`).

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rayon::prelude::*;
use talea_protocol::entry::{Entry, check};
use talea_protocol::hash::EntryId;

use crate::metrics::{Metrics, Queue};
use crate::order::{Order, Orders, Verdicts};
use crate::thread;

/// Entries checked in one go: a batch for each of eight cores, some 25 ms on two. More would keep
/// the writer waiting, and then the cores.
const GROUP_MAX: usize = 4_096;
/// Signatures in one batch, at most: equal keys coalesce, so what a batch of a hundred authors costs
/// still falls between 512 and 2,048 (reliability, section 1), and all cores have one.
const BATCH: usize = 2_048;

/// Signatures to be checked together.
pub struct Job {
    /// For which cooperative.
    pub cooperative: EntryId,
    /// The check's number.
    pub check: u64,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// The way in.
pub struct Intake {
    jobs: Sender<Job>,
    metrics: Arc<Metrics>,
}

impl Intake {
    /// Starts the thread that feeds the cores; it ends when the intake is dropped.
    ///
    /// # Errors
    /// The system's, if it gives no thread.
    pub fn start(orders: Orders, metrics: Arc<Metrics>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, inbox) = channel();
        let seen = Arc::clone(&metrics);
        let thread = thread::spawn("intake", move || run(&inbox, &orders, &seen))?;
        Ok((Self { jobs, metrics }, thread))
    }

    /// Has signatures checked.
    pub fn check(&self, job: Job) {
        if self.jobs.send(job).is_ok() {
            self.metrics.queued(Queue::Intake);
        }
    }
}

fn run(inbox: &Receiver<Job>, orders: &Orders, metrics: &Metrics) {
    while let Ok(first) = inbox.recv() {
        let mut entries = first.entries.len();
        let mut jobs = vec![first];
        while entries < GROUP_MAX
            && let Ok(next) = inbox.try_recv()
        {
            entries += next.entries.len();
            jobs.push(next);
        }
        for (cooperative, check, entries) in check_all(jobs) {
            metrics.taken(Queue::Intake);
            metrics.checked.inc_by(u64::try_from(entries.len()).unwrap_or(u64::MAX));
            orders.give(Order::Checked { cooperative, check, entries });
        }
    }
}

/// Checks all jobs' entries in batches across the cores, and gives each job its own back.
fn check_all(jobs: Vec<Job>) -> Vec<(EntryId, u64, Verdicts)> {
    let mut shapes = Vec::new();
    let mut entries = Vec::new();
    for job in jobs {
        shapes.push((job.cooperative, job.check, job.entries.len()));
        entries.extend(job.entries);
    }
    let mut verdicts = check_in_batches(entries).into_iter();
    let share = |(cooperative, number, count)| {
        (cooperative, number, verdicts.by_ref().take(count).collect())
    };
    shapes.into_iter().map(share).collect()
}

fn check_in_batches(mut entries: Vec<Entry>) -> Verdicts {
    let cores = rayon::current_num_threads().max(1);
    let batch = entries.len().div_ceil(cores).clamp(1, BATCH);
    let mut batches = Vec::new();
    while !entries.is_empty() {
        let rest = entries.split_off(batch.min(entries.len()));
        batches.push(std::mem::replace(&mut entries, rest));
    }
    batches.into_par_iter().map(check).flatten_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::act::{Act, Attest};
    use talea_protocol::entry::{Header, Refusal, SCHEME, VERSION, sign};
    use talea_protocol::key::SecretKey;

    fn entry(n: u64, good: bool) -> Entry {
        let key = SecretKey::from_seed(&[9; 32]);
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: EntryId([1; 32]),
            device: key.device(),
            seq: n,
            prev: EntryId([2; 32]),
            basis: EntryId([3; 32]),
            time: 0,
            payload: None,
        };
        let act = Act::Attest(Attest { contribution: EntryId([4; 32]) });
        let mut bytes = sign(&key, &header, &act).unwrap().bytes().to_vec();
        if !good {
            let last = bytes.len() - 20;
            bytes[last] ^= 1;
        }
        Entry::parse(bytes).unwrap()
    }

    #[test]
    fn every_job_gets_its_own_verdicts_in_its_own_order() {
        let jobs = [3_u64, 0, 1200, 1].into_iter().enumerate().map(|(check, count)| Job {
            cooperative: EntryId([7; 32]),
            check: u64::try_from(check).unwrap(),
            entries: (0..count).map(|n| entry(n, n % 5 != 2)).collect(),
        });
        for (_, check, verdicts) in check_all(jobs.collect()) {
            for (n, verdict) in (0_u64..).zip(verdicts) {
                match verdict {
                    Ok(entry) => assert_eq!((entry.header().seq, n % 5 != 2), (n, true), "{check}"),
                    Err((entry, refusal)) => {
                        assert_eq!((entry.header().seq, refusal), (n, Refusal::Signature));
                        assert_eq!(n % 5, 2);
                    }
                }
            }
        }
    }
}
