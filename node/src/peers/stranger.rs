//! A session with a stranger: entries in, answers out, and nothing else.
//!
//! Whoever signs with an enrolled device may submit through any node; whether the device is
//! enrolled is asked before its signature is checked.

use std::sync::Arc;
use std::time::Duration;

use talea_protocol::entry::Entry;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::message::{Message, Payload, Reception};
use talea_protocol::quic::{Close, Connection};

use super::known::pay;
use super::*;
use crate::order::RETRY_MS;
use crate::rate::Bucket;
use crate::reception;

/// What a stranger may send, in bytes a second, and at once (reliability, section 5).
const RATE: (u64, u64) = (256 * 1024, 2 * 1024 * 1024);
/// Signatures that a stranger may have checked, a second, and at once (reliability, section 5).
const SIGNATURES: (u64, u64) = (200, 2_000);
/// A stranger that says nothing for so long is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Bad signatures, after which a key is not listened to for a day (reliability, section 5).
const BAD_SIGNATURES_MAX: u32 = 3;
/// The number of the rule that a signature breaks.
const SIGNATURE_RULE: u16 = 9;

/// Answers a stranger until it leaves, is silent or misbehaves.
pub(super) async fn serve(peers: &Arc<Peers>, connection: &Connection) {
    let _ = peers.metrics.strangers.inc();
    let why = converse(peers, connection).await;
    if why == Close::BadMessage || why == Close::BadFrame {
        peers.book.ban(connection.peer(), (peers.clock.steady)());
    }
    connection.close(why);
    let _ = peers.metrics.strangers.dec();
}

async fn converse(peers: &Arc<Peers>, connection: &Connection) -> Close {
    let Ok((mut sender, mut receiver)) = connection.session().await else {
        return Close::NoSession;
    };
    let now = (peers.clock.steady)();
    let mut rate = Bucket::full(RATE.0, RATE.1, now);
    let mut signatures = Bucket::full(SIGNATURES.0, SIGNATURES.1, now);
    let mut bad = 0;
    loop {
        let frame = match timeout(SILENCE_MAX, receiver.receive()).await {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) | Err(_) => {
                // Nothing more to say: the last answer still has to arrive.
                let _ = timeout(SILENCE_MAX, sender.finish()).await;
                return Close::Done;
            }
            Ok(Err(_)) => return Close::BadFrame,
        };
        pay(peers, &mut rate, u64::try_from(frame.len()).unwrap_or(u64::MAX)).await;
        match Message::parse(&frame) {
            Ok(Message::Submit { entry, payload }) => {
                pay(peers, &mut signatures, 1).await;
                let answer = submit(peers, connection.peer(), entry.into_vec(), payload).await;
                bad += u32::from(is_bad_signature(&answer));
                if sender.send(&answer.frame()).await.is_err() {
                    return Close::Done;
                }
                if bad >= BAD_SIGNATURES_MAX {
                    let _ = timeout(SILENCE_MAX, sender.finish()).await;
                    return Close::BadMessage;
                }
            }
            // A node that is not known here yet: no reason to ban it.
            Ok(_) => return Close::NotAdmitted,
            Err(_) => return Close::BadMessage,
        }
    }
}

fn is_bad_signature(message: &Message) -> bool {
    let Message::Answer { reception, .. } = message else { return false };
    matches!(reception, Reception::Refused { rule: SIGNATURE_RULE, .. })
}

/// Submits an entry for a peer or a wallet; returns what it is told.
pub(super) async fn submit(
    peers: &Peers,
    source: NodeKey,
    bytes: Vec<u8>,
    payload: Option<Payload>,
) -> Message {
    let entry = match Entry::parse(bytes) {
        Ok(entry) => entry,
        Err(fault) => {
            peers.metrics.refuse(fault.rule());
            return Message::Answer { entry: EntryId::ZERO, reception: reception::unsound(&fault) };
        }
    };
    let id = entry.id();
    let reception = match peers.orders.submit(source, entry, payload) {
        Ok(reply) => match reply.await {
            Ok(reply) => reception::reception(&reply),
            Err(_) => Reception::Busy(RETRY_MS),
        },
        Err(_) => Reception::Busy(RETRY_MS),
    };
    Message::Answer { entry: id, reception }
}
