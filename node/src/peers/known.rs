//! A session with a known node: every message goes to the writer, every frame of the writer out.

use std::sync::Arc;
use std::time::Duration;

use talea_protocol::key::NodeKey;
use talea_protocol::message::Message;
use talea_protocol::quic::{Close, Connection, Receiver, Sender, Side};
use tokio::sync::Semaphore;

use super::stranger::submit;
use super::*;
use crate::link::{Frame, Outgoing};
use crate::rate::Bucket;

/// What may wait for the writer from one peer, in KiB; then the peer is read no more.
const INBOX_KIB: u32 = 2 * 1024;
/// What a known node may send besides the leaves that were asked for, in bytes a second, and at
/// once (reliability, section 5).
const RATE: (u64, u64) = (4 * 1024 * 1024, 16 * 1024 * 1024);
/// Signatures that a known node may have checked besides those in logs, a second, and at once.
const SIGNATURES: (u64, u64) = (5_000, 5_000);
/// Frames handed to QUIC at once.
const FRAMES_AT_ONCE: usize = 64;

/// Holds the session of a connection until it ends. False if it never became one.
pub(super) async fn hold(peers: &Arc<Peers>, connection: &Connection) -> bool {
    let (sender, receiver) = match connection.session().await {
        Ok(halves) => halves,
        Err(fault) => {
            debug!(peer = %connection.peer(), %fault, "no session");
            return false;
        }
    };
    let peer = connection.peer();
    let dialler = if connection.side() == Side::Dialer { peers.links.me() } else { peer };
    let now = (peers.clock.steady)();
    let joined = peers.links.join(peer, dialler, now, |joined| {
        if let Joined::Kept { replaced, .. } = joined {
            if *replaced {
                peers.orders.give(Order::Lost(peer));
            }
            peers.orders.give(Order::Connected(peer));
        }
    });
    let Joined::Kept { session, outgoing, .. } = joined else {
        connection.close(Close::Duplicate);
        return false;
    };
    info!(%peer, "connected");
    debug!(%peer, address = %connection.remote_addr(), "reached");
    let _ = peers.metrics.peers.inc();
    let why = tokio::select! {
        why = listen(peers, peer, receiver) => why,
        why = speak(peers, sender, outgoing) => why,
        loss = connection.closed() => {
            debug!(%peer, %loss, "the connection ended");
            Close::Done
        }
    };
    connection.close(why);
    peers.links.leave(peer, session, || peers.orders.give(Order::Lost(peer)));
    let _ = peers.metrics.peers.dec();
    info!(%peer, ?why, "disconnected");
    true
}

/// Hands messages to the writer, as fast as it takes them.
async fn listen(peers: &Arc<Peers>, peer: NodeKey, mut receiver: Receiver) -> Close {
    let now = (peers.clock.steady)();
    let room = Arc::new(Semaphore::new(usize::try_from(INBOX_KIB).unwrap_or(usize::MAX)));
    let mut rate = Bucket::full(RATE.0, RATE.1, now);
    let mut signatures = Bucket::full(SIGNATURES.0, SIGNATURES.1, now);
    loop {
        let frame = match receiver.receive().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Close::Done,
            Err(fault) => {
                debug!(%peer, %fault, "nothing more is received");
                return Close::Done;
            }
        };
        let bytes = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let _ = peers.metrics.received.inc_by(u64::from(bytes));
        let Ok(message) = Message::parse(&frame) else { return Close::BadMessage };
        drop(frame);
        // Leaves come only when asked for, and as many as were asked for.
        if !matches!(message, Message::Leaves { .. }) {
            pay(peers, &mut rate, u64::from(bytes)).await;
        }
        if let Message::Submit { entry, payload } = message {
            pay(peers, &mut signatures, 1).await;
            // Answered in order, after its place is durable: a known node may well wait.
            let answer = submit(peers, peer, entry.into_vec(), payload).await;
            peers.links.send(&peer, Frame { bytes: answer.frame(), sent: None });
            continue;
        }
        let Ok(room) = Arc::clone(&room).acquire_many_owned(bytes.div_ceil(1024)).await else {
            return Close::Done;
        };
        peers.orders.give(Order::Message { peer, message: Box::new(message), room });
    }
}

/// Waits until the rate allows it: QUIC lets the peer wait too.
pub(super) async fn pay(peers: &Peers, bucket: &mut Bucket, amount: u64) {
    while let Err(wait) = bucket.take((peers.clock.steady)(), amount) {
        sleep(wait.max(Duration::from_millis(1))).await;
    }
}

async fn speak(peers: &Arc<Peers>, mut sender: Sender, mut outgoing: Outgoing) -> Close {
    loop {
        let frames = outgoing.next(FRAMES_AT_ONCE).await;
        if frames.is_empty() {
            return Close::Done;
        }
        for frame in frames {
            let bytes = u64::try_from(frame.bytes.len()).unwrap_or(u64::MAX);
            if let Err(fault) = sender.send(&frame.bytes).await {
                debug!(%fault, "nothing more is sent");
                return Close::Done;
            }
            let _ = peers.metrics.sent.inc_by(bytes);
            if let Some(sent) = frame.sent {
                sent();
            }
        }
    }
}
