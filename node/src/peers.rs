//! Sessions with other nodes and with wallets, over QUIC.
//!
//! Known nodes are dialled, greeted and listened to; strangers may submit entries and nothing
//! else. Every limit that a peer can run into is a constant here, with its reason. What messages
//! mean is the replica's business; how bytes travel is `talea_protocol::quic`'s.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use talea_protocol::hash::Context;
use talea_protocol::key::NodeKey;
use talea_protocol::quic::{Arrival, Close, ConnectFault, Connection, Endpoint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::book::Book;
use crate::clock::Clock;
use crate::exchange::Exchange;
use crate::link::{Joined, Links};
use crate::metrics::{Limit, Metrics};
use crate::order::{Order, Orders};

mod conduct;
mod guests;
mod pace;
mod known;
mod stranger;

pub use guests::Guests;
use guests::{Seat, Turned};

/// Dials at a time, and nodes dialled (reliability, section 5): with a roster of 16 each pair is
/// joined if each node dials half of the others.
pub const OUTGOING_MAX: usize = 8;
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
    /// Attachments, given and brought.
    pub exchange: Arc<Exchange>,
    /// Who is connected from where.
    pub guests: Guests,
}

/// Answers and dials until the endpoint is closed.
pub async fn run(peers: Arc<Peers>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(dial_all(Arc::clone(&peers)));
    while let Some(arrival) = peers.endpoint.accept().await {
        while tasks.try_join_next().is_some() {}
        let (now, address) = ((peers.clock.steady)(), arrival.remote_addr().ip());
        match peers.guests.seat(now, address, arrival.is_proven()) {
            Ok(seat) => drop(tasks.spawn(answer(Arc::clone(&peers), arrival, seat))),
            Err(Turned::Unproven) => arrival.prove(),
            // Dropped, it is refused.
            Err(Turned::NoPlace) => peers.turn_away(Limit::Connections),
            Err(Turned::TooMany) => {
                peers.turn_away(Limit::Handshakes);
                arrival.pass_over();
            }
        }
    }
    tasks.shutdown().await;
}

impl Peers {
    fn turn_away(&self, limit: Limit) {
        self.metrics.turned_away.inc();
        self.metrics.limit(limit);
    }
}

async fn answer(peers: Arc<Peers>, arrival: Arrival, mut seat: Seat) {
    let connection = match arrival.establish().await {
        Ok(connection) => connection,
        Err(fault) => {
            let _ = peers.metrics.turned_away.inc();
            return debug!(%fault, "an arrival did not become a connection");
        }
    };
    let (peer, now) = (connection.peer(), (peers.clock.steady)());
    let is_stranger = !peers.book.knows(&peer);
    if peer == peers.links.me() || peers.book.is_banned(&peer, now) {
        return connection.close(Close::NotAdmitted);
    }
    let named = if is_stranger { seat.stranger(peer) } else { seat.known(now, peer) };
    if !named || !peers.guests.conduct().wait(now, &peer).is_zero() {
        peers.turn_away(Limit::Connections);
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
        for node in peers.links.anchors_first(peers.book.nodes()) {
            if dialled.insert(node) {
                // As long as there are turns, they are given in this order.
                let turn = Arc::clone(&turns).try_acquire_owned().ok();
                tasks.spawn(dial(Arc::clone(&peers), node, Arc::clone(&turns), turn));
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Holds a session with one node for as long as this node runs.
async fn dial(
    peers: Arc<Peers>,
    node: NodeKey,
    turns: Arc<Semaphore>,
    mut turn: Option<OwnedSemaphorePermit>,
) {
    let mut backoff = BACKOFF_MIN;
    let mut attempt = 0_u64;
    if peers.links.me() > node {
        sleep(COURTESY).await;
    }
    loop {
        if peers.links.has(&node) {
            turn = None;
            peers.links.wait_gone(&node).await;
        }
        let held_turn = match turn.take() {
            Some(turn) => turn,
            None => match Arc::clone(&turns).acquire_owned().await {
                Ok(turn) => turn,
                Err(_) => return,
            },
        };
        let began = (peers.clock.steady)();
        let dialled = reach(&peers, node).await;
        let held = match dialled {
            Ok(connection) => {
                let address = connection.remote_addr().ip();
                peers.guests.learn((peers.clock.steady)(), address);
                known::hold(&peers, &connection).await
            }
            Err(ConnectFault::Closed) => return,
            Err(fault) => {
                debug!(peer = %node, %fault, "not reached");
                false
            }
        };
        drop(held_turn);
        let now = (peers.clock.steady)();
        let lasted = now.saturating_sub(began);
        backoff = if held && lasted > LASTING { BACKOFF_MIN } else { backoff };
        attempt += 1;
        let jitter = jitter(&peers.links.me(), &node, attempt, backoff);
        sleep((backoff + jitter).max(peers.guests.conduct().wait(now, &node))).await;
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
