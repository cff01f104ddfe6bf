//! Sessions with other nodes and with wallets, over QUIC.
//!
//! Known nodes are dialled, greeted and listened to; strangers may submit entries and nothing
//! else. Every limit that a peer can run into is a constant here, with its reason. What messages
//! mean is the replica's business; how bytes travel is `talea_protocol::quic`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use talea_protocol::hash::Context;
use talea_protocol::key::NodeKey;
use talea_protocol::quic::{Arrival, Close, ConnectFault, Connection, Endpoint};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::book::Book;
use crate::clock::Clock;
use crate::link::{Joined, Links};
use crate::metrics::Metrics;
use crate::order::{Order, Orders};

mod known;
mod stranger;

/// Connections that others opened, in all (reliability, section 5).
pub const INCOMING_MAX: usize = 64;
/// Of these, connections of strangers: they cannot keep the roster out.
pub const STRANGERS_MAX: usize = 32;
/// Connections of one key (reliability, section 5).
pub const PER_KEY_MAX: usize = 2;
/// Connections from one address (reliability, section 5); this machine's own are not counted,
/// since whoever is on it has other ways.
pub const PER_ADDRESS_MAX: usize = 4;
/// Dials at a time, and nodes dialled (reliability, section 5): with a roster of 16 each pair is
/// joined if each node dials half of the others.
pub const OUTGOING_MAX: usize = 8;
const _: () = assert!(STRANGERS_MAX < INCOMING_MAX);
/// The first wait after a failed dial; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// The longest wait between two dials of one node.
const BACKOFF_MAX: Duration = Duration::from_secs(15);
/// A session that lasted so long was one: the next dial comes soon.
const LASTING: Duration = Duration::from_secs(1);
/// The node with the larger key lets the other dial first, for so long: one session a pair.
const COURTESY: Duration = Duration::from_millis(300);
/// The longest a name may take to be resolved.
const RESOLVE_MAX: Duration = Duration::from_secs(5);
const _: () = assert!(BACKOFF_MIN.as_millis() < BACKOFF_MAX.as_millis());

/// What sessions work with.
pub struct Peers {
    /// The socket.
    pub endpoint: Endpoint,
    /// Sessions with known nodes.
    pub links: Arc<Links>,
    /// Who is known.
    pub book: Arc<Book>,
    /// The writer.
    pub orders: Orders,
    /// The time.
    pub clock: Clock,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Who is connected from where.
    pub guests: Guests,
}

/// Connections that others opened, counted.
#[derive(Debug, Default)]
pub struct Guests(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    strangers: usize,
    addresses: BTreeMap<IpAddr, usize>,
    keys: BTreeMap<NodeKey, usize>,
}

impl Guests {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().expect("nothing panics while it holds the counts")
    }
}

/// A place among the connections that others opened; given back when dropped.
struct Seat {
    peers: Arc<Peers>,
    address: IpAddr,
    key: Option<(NodeKey, bool)>,
}

impl Seat {
    /// A place for a connection from this address, if there is one.
    fn take(peers: &Arc<Peers>, address: IpAddr) -> Option<Self> {
        let mut counts = peers.guests.lock();
        let here = counts.addresses.get(&address).copied().unwrap_or(0);
        if counts.all >= INCOMING_MAX || (!address.is_loopback() && here >= PER_ADDRESS_MAX) {
            return None;
        }
        counts.all += 1;
        *counts.addresses.entry(address).or_default() += 1;
        Some(Self { peers: Arc::clone(peers), address, key: None })
    }

    /// Says whose it is; false if that key, or strangers, have no place left.
    fn name(&mut self, node: NodeKey, is_stranger: bool) -> bool {
        let mut counts = self.peers.guests.lock();
        let held = counts.keys.get(&node).copied().unwrap_or(0);
        if held >= PER_KEY_MAX || (is_stranger && counts.strangers >= STRANGERS_MAX) {
            return false;
        }
        *counts.keys.entry(node).or_default() += 1;
        counts.strangers += usize::from(is_stranger);
        drop(counts);
        self.key = Some((node, is_stranger));
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.peers.guests.lock();
        counts.all -= 1;
        forget(&mut counts.addresses, &self.address);
        if let Some((node, is_stranger)) = self.key {
            forget(&mut counts.keys, &node);
            counts.strangers -= usize::from(is_stranger);
        }
    }
}

fn forget<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Answers and dials until the endpoint is closed.
pub async fn run(peers: Arc<Peers>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(dial_all(Arc::clone(&peers)));
    while let Some(arrival) = peers.endpoint.accept().await {
        while tasks.try_join_next().is_some() {}
        let address = arrival.remote_addr().ip();
        match Seat::take(&peers, address) {
            Some(seat) => drop(tasks.spawn(answer(Arc::clone(&peers), arrival, seat))),
            // Dropped, it is refused.
            None => drop(peers.metrics.turned_away.inc()),
        }
    }
    tasks.shutdown().await;
}

async fn answer(peers: Arc<Peers>, arrival: Arrival, mut seat: Seat) {
    let connection = match arrival.establish().await {
        Ok(connection) => connection,
        Err(fault) => {
            let _ = peers.metrics.turned_away.inc();
            return debug!(%fault, "an arrival did not become a connection");
        }
    };
    let peer = connection.peer();
    let is_stranger = !peers.book.knows(&peer);
    if peer == peers.links.me() || peers.book.is_banned(&peer, (peers.clock.steady)()) {
        return connection.close(Close::NotAdmitted);
    }
    if !seat.name(peer, is_stranger) {
        let _ = peers.metrics.turned_away.inc();
        return connection.close(Close::Busy);
    }
    if is_stranger {
        stranger::serve(&peers, &connection).await;
    } else {
        known::hold(&peers, &connection).await;
    }
}

/// Keeps one dialler for each node with an address.
async fn dial_all(peers: Arc<Peers>) {
    let mut changes = peers.book.changes();
    let turns = Arc::new(Semaphore::new(OUTGOING_MAX));
    let mut dialled = BTreeSet::new();
    let mut tasks = JoinSet::new();
    loop {
        changes.mark_unchanged();
        for node in peers.book.nodes() {
            if dialled.insert(node) {
                tasks.spawn(dial(Arc::clone(&peers), node, Arc::clone(&turns)));
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Holds a session with one node for as long as this node runs.
async fn dial(peers: Arc<Peers>, node: NodeKey, turns: Arc<Semaphore>) {
    let mut backoff = BACKOFF_MIN;
    let mut attempt = 0_u64;
    if peers.links.me() > node {
        sleep(COURTESY).await;
    }
    loop {
        peers.links.wait_gone(&node).await;
        let Ok(turn) = turns.acquire().await else { return };
        let began = (peers.clock.steady)();
        let dialled = reach(&peers, node).await;
        let held = match dialled {
            Ok(connection) => known::hold(&peers, &connection).await,
            Err(ConnectFault::Closed) => return,
            Err(fault) => {
                debug!(peer = %node, %fault, "not reached");
                false
            }
        };
        drop(turn);
        let lasted = (peers.clock.steady)().saturating_sub(began);
        backoff = if held && lasted > LASTING { BACKOFF_MIN } else { backoff };
        attempt += 1;
        sleep(backoff + jitter(&peers.links.me(), &node, attempt, backoff)).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Dials a node's addresses one after another.
async fn reach(peers: &Peers, node: NodeKey) -> Result<Connection, ConnectFault> {
    let mut last = ConnectFault::TimedOut;
    for address in peers.book.addresses(&node) {
        for resolved in resolve(&address).await {
            match peers.endpoint.connect(resolved, node).await {
                Err(fault @ ConnectFault::WrongKey { .. }) => {
                    warn!(peer = %node, address, %fault, "another node answers there");
                    last = fault;
                }
                Err(fault) => last = fault,
                connected => return connected,
            }
        }
    }
    Err(last)
}

async fn resolve(address: &str) -> Vec<SocketAddr> {
    let found = timeout(RESOLVE_MAX, tokio::net::lookup_host(address)).await;
    found.ok().and_then(Result::ok).map(|found| found.take(4).collect()).unwrap_or_default()
}

/// Up to half of the backoff, other for each pair and attempt: nodes that lost a third together
/// do not come back together.
fn jitter(me: &NodeKey, node: &NodeKey, attempt: u64, backoff: Duration) -> Duration {
    let hash = Context::Tie.hash(&[&me.0, &node.0, &attempt.to_le_bytes()]).0;
    let share = u32::from(u16::from_le_bytes([hash[0], hash[1]]));
    backoff / 2 * share / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_is_lengthened_by_half_at_most() {
        for attempt in 0..100 {
            let jitter = jitter(&NodeKey([1; 32]), &NodeKey([2; 32]), attempt, BACKOFF_MAX);
            assert!(jitter <= BACKOFF_MAX / 2, "{jitter:?}");
        }
    }
}
