//! The one thread that reads logs and payloads for followers, so that the writer never waits.
//!
//! It reads what is durable and signed for, makes frames of at most 256 KiB, and puts them on
//! their way. Which leaves, and in which form, the replica has planned.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use talea_ledger::batch::Column;
use talea_ledger::replica::{Parts, leaf_key, leaves, payload_key};
use talea_protocol::bytes::Octets;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::message::{Message, Payload};
use tracing::error;

use crate::link::{ANCHORS_KEY, Frame, Links};
use crate::metrics::{Metrics, Queue};
use crate::order::{Order, Orders, Served};
use crate::span::Span;
use crate::store::{Store, StoreFault};
use crate::thread;

/// What is to be read and sent.
pub enum Job {
    /// A frame of leaves.
    Leaves(Box<Parts>),
    /// Payloads, those that are here.
    Payloads {
        /// Of which cooperative.
        cooperative: EntryId,
        /// To whom.
        peer: NodeKey,
        /// Of which entries.
        entries: Vec<EntryId>,
    },
}

/// The way in.
pub struct Reader {
    jobs: Sender<Job>,
    metrics: Arc<Metrics>,
}

impl Reader {
    /// Starts the thread; it ends when the reader is dropped. Tells the links at once who is to
    /// be dialled first.
    ///
    /// # Errors
    /// The system's, if it gives no thread.
    pub fn start(
        store: Arc<Store>,
        links: Arc<Links>,
        orders: Orders,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        match store.read(Column::Meta, ANCHORS_KEY) {
            Ok(row) => links.remember(&row.unwrap_or_default()),
            Err(fault) => error!(%fault, "who answered before is not known"),
        }
        let (jobs, inbox) = channel();
        let reading = Reading { store, links, orders, metrics: Arc::clone(&metrics) };
        let thread = thread::spawn("serve", move || reading.run(&inbox))?;
        Ok((Self { jobs, metrics }, thread))
    }

    /// Has something read and sent.
    pub fn serve(&self, job: Job) {
        if self.jobs.send(job).is_ok() {
            self.metrics.queued(Queue::Serve);
        }
    }
}

struct Reading {
    store: Arc<Store>,
    links: Arc<Links>,
    orders: Orders,
    metrics: Arc<Metrics>,
}

impl Reading {
    fn run(&self, inbox: &Receiver<Job>) {
        while let Ok(job) = inbox.recv() {
            self.metrics.taken(Queue::Serve);
            match job {
                Job::Leaves(parts) => self.send_leaves(&parts),
                Job::Payloads { cooperative, peer, entries } => {
                    self.send_payloads(cooperative, peer, &entries);
                }
            }
        }
    }

    fn send_leaves(&self, parts: &Parts) {
        let Parts { cooperative, peer, log, from, .. } = *parts;
        let made = leaves(parts, |leaf, count, each| {
            if let Err(fault) = self.read(&cooperative, leaf, count, each) {
                // The follower gets less and asks again; the operator is told.
                error!(%fault, "a log cannot be read for a follower");
            }
        });
        let served = move |next| Served { cooperative, peer, log, from, next };
        let Some((message, next)) = made else {
            self.orders.give(Order::Served(served(from)));
            return;
        };
        let orders = self.orders.clone();
        let sent = Box::new(move || orders.give(Order::Served(served(next))));
        self.links.send(&peer, Frame { bytes: message.frame(), sent: Some(sent) });
    }

    /// Shows `count` leaves from `leaf` on to `each`, until it says no.
    fn read(
        &self,
        cooperative: &EntryId,
        leaf: u64,
        count: u32,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), StoreFault> {
        let end = leaf.saturating_add(u64::from(count));
        let span = Span::prefix(&cooperative.0)
            .starting_at(&leaf_key(cooperative, leaf))
            .ending_before(&leaf_key(cooperative, end));
        self.store.visit(Column::Leaf, &span, |_, bytes| {
            if each(bytes) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    }

    fn send_payloads(&self, cooperative: EntryId, peer: NodeKey, entries: &[EntryId]) {
        for entry in entries {
            match payload(&self.store, &cooperative, entry) {
                Ok(Some(payload)) => {
                    let bytes = Message::Given { cooperative, payload }.frame();
                    self.links.send(&peer, Frame { bytes, sent: None });
                }
                Ok(None) => {}
                Err(fault) => error!(%fault, "a payload cannot be read for a peer"),
            }
        }
    }
}

/// The payload of an entry, if it is here.
///
/// # Errors
/// [`StoreFault`].
pub fn payload(
    store: &Store,
    cooperative: &EntryId,
    entry: &EntryId,
) -> Result<Option<Payload>, StoreFault> {
    let value = store.read(Column::Payload, &payload_key(cooperative, entry))?;
    Ok(value.and_then(|value| {
        let (salt, bytes) = value.split_first_chunk::<32>()?;
        let bytes = Octets::new(bytes.to_vec())?;
        Some(Payload { entry: *entry, salt: *salt, bytes })
    }))
}
