//! A session with a known node: every message goes to the writer, every frame of the writer out.

use std::sync::Arc;
use std::time::Duration;

use talea_protocol::key::NodeKey;
use talea_protocol::message::Message;
use talea_protocol::quic::{Close, Connection, ReceiveFault, Receiver, Sender, Side};
use tokio::sync::Semaphore;

use super::conduct::{BAD_SIGNATURES_MAX, Cost, Payer};
use super::pace::{self, Unheard};
use super::stranger::{is_bad_signature, submit};
use super::*;
use crate::link::{Frame, Outgoing};
use crate::shelf::Label;

/// What may wait for the writer from one peer, in KiB; then the peer is read no more.
const INBOX_KIB: u32 = 2 * 1024;
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
        never = remember(peers, connection) => match never {},
    };
    connection.close(why);
    if why == Close::BadFrame || why == Close::BadMessage {
        let wait = peers.guests.conduct().offend((peers.clock.steady)(), peer);
        warn!(%peer, ?why, seconds = wait.as_secs(), "a known node misbehaves, and has to wait");
    }
    peers.links.leave(peer, session, || peers.orders.give(Order::Lost(peer)));
    let _ = peers.metrics.peers.dec();
    info!(%peer, ?why, "disconnected");
    true
}

/// A node that was dialled and has answered for a while is dialled first after a restart.
async fn remember(peers: &Peers, connection: &Connection) -> std::convert::Infallible {
    if connection.side() == Side::Dialer {
        sleep(LASTING).await;
        if let Some(batch) = peers.links.answered(connection.peer()) {
            peers.orders.give(Order::Keep(batch, Box::new(|| ())));
        }
    }
    std::future::pending().await
}

/// Hands messages to the writer, as fast as it takes them.
async fn listen(peers: &Arc<Peers>, peer: NodeKey, mut receiver: Receiver) -> Close {
    let room = Arc::new(Semaphore::new(usize::try_from(INBOX_KIB).unwrap_or(usize::MAX)));
    let payer = Payer::Node(peer);
    let mut bad = 0;
    loop {
        let frame = match pace::receive(&mut receiver, peers.clock.steady, Duration::MAX).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Close::Done,
            Err(why) => return unheard(peers, peer, why),
        };
        let bytes = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let _ = peers.metrics.received.inc_by(u64::from(bytes));
        let Ok(message) = Message::parse(&frame) else {
            peers.metrics.limit(Limit::Frame);
            return Close::BadMessage;
        };
        drop(frame);
        let message = match message {
            Message::Fetch { cooperative, entry, blake3, from } => {
                pay(peers, payer, Cost::Bytes(u64::from(bytes))).await;
                let label = Label { cooperative, entry, blake3 };
                Arc::clone(&peers.exchange).give(peer, label, from);
                continue;
            }
            Message::Piece { cooperative, entry, blake3, from, bytes: piece } => {
                // What was asked for is paid for by having been asked for.
                let label = Label { cooperative, entry, blake3 };
                if !peers.exchange.arrived(peer, label, from, piece.into_vec()) {
                    pay(peers, payer, Cost::Bytes(u64::from(bytes))).await;
                }
                continue;
            }
            other => other,
        };
        // Leaves come only when asked for, and as many as were asked for.
        if !matches!(message, Message::Leaves { .. }) {
            pay(peers, payer, Cost::Bytes(u64::from(bytes))).await;
        }
        if let Message::Submit { entry, payload } = message {
            pay(peers, payer, Cost::Signature).await;
            // Answered in order, after its place is durable: a known node may well wait.
            let answer = submit(peers, peer, entry.into_vec(), payload).await;
            bad += u32::from(is_bad_signature(&answer));
            peers.links.send(&peer, Frame { bytes: answer.frame(), sent: None });
            if bad >= BAD_SIGNATURES_MAX {
                peers.metrics.limit(Limit::BadSignatures);
                return Close::BadMessage;
            }
            continue;
        }
        let Ok(room) = Arc::clone(&room).acquire_many_owned(bytes.div_ceil(1024)).await else {
            return Close::Done;
        };
        peers.orders.give(Order::Message { peer, message: Box::new(message), room });
    }
}

/// Why a session ends in which nothing more is heard. Only a frame that is none is a misdeed: a
/// connection may be lost, and whoever is slow may have a bad one.
pub(super) fn unheard(peers: &Peers, peer: NodeKey, why: Unheard) -> Close {
    debug!(%peer, ?why, "nothing more is received");
    match why {
        Unheard::Fault(ReceiveFault::Length { .. } | ReceiveFault::Truncated { .. }) => {
            peers.metrics.limit(Limit::Frame);
            Close::BadFrame
        }
        Unheard::Slow => {
            peers.metrics.limit(Limit::Slow);
            Close::Busy
        }
        Unheard::Silent | Unheard::Fault(_) => Close::Done,
    }
}

/// Waits until it can be paid: QUIC lets the peer wait too.
pub(super) async fn pay(peers: &Peers, payer: Payer, cost: Cost) {
    let mut is_told = false;
    while let Err(wait) = peers.guests.conduct().pay((peers.clock.steady)(), payer, cost) {
        if !is_told {
            is_told = true;
            peers.metrics.limit(match cost {
                Cost::Bytes(_) => Limit::Bytes,
                Cost::Signature => Limit::Signatures,
            });
        }
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
            match pace::send(&mut sender, &frame.bytes).await {
                Ok(()) => {}
                Err(Some(fault)) => {
                    debug!(%fault, "nothing more is sent");
                    return Close::Done;
                }
                Err(None) => {
                    peers.metrics.limit(Limit::Slow);
                    return Close::Busy;
                }
            }
            let _ = peers.metrics.sent.inc_by(bytes);
            if let Some(sent) = frame.sent {
                sent();
            }
        }
    }
}
