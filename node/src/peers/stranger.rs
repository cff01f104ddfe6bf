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

use super::conduct::{BAD_SIGNATURES_MAX, Cost, Payer};
use super::known::{pay, unheard};
use super::pace::{self, Unheard};
use super::*;
use crate::order::RETRY_MS;
use crate::reception;

/// A stranger that says nothing for so long is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Names under which strangers' entries wait for others. Each takes an eighth of the waiting room
/// at most, so half of it is left to the roster and to this machine, whoever comes.
const WAITING_NAMES: u8 = 4;
/// The number of the rule that a signature breaks.
const SIGNATURE_RULE: u16 = 9;

/// Answers a stranger until it leaves, is silent or misbehaves.
pub(super) async fn serve(peers: &Arc<Peers>, connection: &Connection) {
    let _ = peers.metrics.strangers.inc();
    let why = converse(peers, connection).await;
    if why == Close::BadMessage || why == Close::BadFrame {
        let now = (peers.clock.steady)();
        peers.book.ban(connection.peer(), now);
        peers.guests.offended(now, connection.remote_addr().ip());
    }
    connection.close(why);
    let _ = peers.metrics.strangers.dec();
}

async fn converse(peers: &Arc<Peers>, connection: &Connection) -> Close {
    let Ok((mut sender, mut receiver)) = connection.session().await else {
        return Close::NoSession;
    };
    let payer = Payer::stranger(connection.remote_addr().ip());
    let source = waiting_name(&peers.links.me(), payer);
    let mut bad = 0;
    loop {
        let frame = match pace::receive(&mut receiver, peers.clock.steady, SILENCE_MAX).await {
            Ok(Some(frame)) => frame,
            Ok(None) | Err(Unheard::Silent) => {
                // Nothing more to say: the last answer still has to arrive.
                let _ = timeout(SILENCE_MAX, sender.finish()).await;
                return Close::Done;
            }
            Err(why) => return unheard(peers, connection.peer(), why),
        };
        let bytes = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        pay(peers, payer, Cost::Bytes(bytes)).await;
        match Message::parse(&frame) {
            Ok(Message::Submit { entry, payload }) => {
                pay(peers, payer, Cost::Signature).await;
                let answer = submit(peers, source, entry.into_vec(), payload).await;
                bad += u32::from(is_bad_signature(&answer));
                match pace::send(&mut sender, &answer.frame()).await {
                    Ok(()) => {}
                    Err(Some(_)) => return Close::Done,
                    Err(None) => return unheard(peers, connection.peer(), Unheard::Slow),
                }
                if bad >= BAD_SIGNATURES_MAX {
                    peers.metrics.limit(Limit::BadSignatures);
                    let _ = timeout(SILENCE_MAX, sender.finish()).await;
                    return Close::BadMessage;
                }
            }
            // A node that is not known here yet: no reason to ban it.
            Ok(_) => return Close::NotAdmitted,
            Err(_) => {
                peers.metrics.limit(Limit::Frame);
                return Close::BadMessage;
            }
        }
    }
}

/// Who all that comes from a stranger's address is said to come from, where entries wait: keys
/// cost nothing, and with a name for each nobody else would find room.
fn waiting_name(me: &NodeKey, payer: Payer) -> NodeKey {
    let hash = Context::Tie.hash(&[&me.0, &payer.bytes()]).0;
    NodeKey([hash[0] % WAITING_NAMES; 32])
}

/// Whether somebody was told that a signature is not its device's.
pub(super) fn is_bad_signature(message: &Message) -> bool {
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
    let reception = match peers.orders.submit((peers.clock.steady)(), source, entry, payload) {
        Ok(reply) => match reply.await {
            Ok(reply) => reception::reception(&reply),
            Err(_) => Reception::Busy(RETRY_MS),
        },
        Err(busy) => Reception::Busy(busy.retry_ms()),
    };
    Message::Answer { entry: id, reception }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn strangers_wait_under_four_names_whatever_their_keys_and_however_many_they_are() {
        let me = NodeKey([9; 32]);
        let name = |n: u16| {
            let [high, low] = n.to_be_bytes();
            waiting_name(&me, Payer::stranger(IpAddr::from([10, 0, high, low])))
        };
        let names: BTreeSet<NodeKey> = (0..1_000).map(name).collect();
        assert_eq!(names.len(), usize::from(WAITING_NAMES));
    }
}
