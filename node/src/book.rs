//! Which nodes are no strangers, and where they are to be found.
//!
//! A node is known if the operator named it or if it is in the roster of a cooperative that is
//! kept here. Only the operator gives addresses. Strangers may submit entries and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use talea_protocol::key::NodeKey;
use tokio::sync::watch;

use crate::config::Peer;

/// How long a key that misbehaved is not listened to (reliability, section 5).
pub const BAN: Duration = Duration::from_secs(24 * 60 * 60);
/// Banned keys that are remembered; keys cost nothing, so this is no wall, only a delay.
const BANS_MAX: usize = 4_096;
/// Addresses of one node.
const ADDRESSES_MAX: usize = 4;

#[derive(Debug, Default)]
struct Pages {
    addresses: BTreeMap<NodeKey, Vec<String>>,
    listed: BTreeSet<NodeKey>,
    banned: BTreeMap<NodeKey, Duration>,
}

/// The address book of a node.
#[derive(Debug)]
pub struct Book {
    me: NodeKey,
    pages: Mutex<Pages>,
    changes: watch::Sender<u64>,
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(me: NodeKey) -> Self {
        Self { me, pages: Mutex::new(Pages::default()), changes: watch::Sender::new(0) }
    }

    /// Adds a node's address; the newest is tried first. This node itself is passed over.
    pub fn add(&self, peer: &Peer) {
        if peer.node == self.me {
            return;
        }
        {
            let mut pages = self.lock();
            let addresses = pages.addresses.entry(peer.node).or_default();
            addresses.retain(|held| *held != peer.address);
            addresses.insert(0, peer.address.clone());
            addresses.truncate(ADDRESSES_MAX);
        }
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// These nodes are in the roster of a cooperative kept here.
    pub fn list(&self, nodes: &[NodeKey]) {
        self.lock().listed.extend(nodes);
    }

    /// Whether the node is no stranger.
    #[must_use]
    pub fn knows(&self, node: &NodeKey) -> bool {
        let pages = self.lock();
        pages.listed.contains(node) || pages.addresses.contains_key(node)
    }

    /// The nodes that can be dialled.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeKey> {
        self.lock().addresses.keys().copied().collect()
    }

    /// Where a node may be found.
    #[must_use]
    pub fn addresses(&self, node: &NodeKey) -> Vec<String> {
        self.lock().addresses.get(node).cloned().unwrap_or_default()
    }

    /// Tells of every new address.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A stranger misbehaved. Known nodes are never banned: they back off.
    pub fn ban(&self, node: NodeKey, now: Duration) {
        if self.knows(&node) {
            return;
        }
        let mut pages = self.lock();
        if pages.banned.len() >= BANS_MAX {
            pages.banned.retain(|_, until| *until > now);
        }
        if pages.banned.len() < BANS_MAX {
            pages.banned.insert(node, now + BAN);
        }
    }

    /// Whether a stranger is not listened to.
    #[must_use]
    pub fn is_banned(&self, node: &NodeKey, now: Duration) -> bool {
        self.lock().banned.get(node).is_some_and(|until| *until > now)
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("nothing panics while it holds the book")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeKey {
        NodeKey([n; 32])
    }

    #[test]
    fn a_known_node_is_never_banned_and_a_stranger_for_a_day() {
        let book = Book::new(node(1));
        book.list(&[node(2)]);
        let now = Duration::from_secs(5);
        book.ban(node(2), now);
        book.ban(node(3), now);
        assert!(!book.is_banned(&node(2), now));
        assert!(book.is_banned(&node(3), now));
        assert!(!book.is_banned(&node(3), now + BAN));
    }

    #[test]
    fn the_newest_address_is_tried_first_and_few_are_kept() {
        let book = Book::new(node(1));
        for port in 1..=6 {
            book.add(&Peer { node: node(2), address: format!("a:{port}") });
        }
        assert_eq!(book.addresses(&node(2)), ["a:6", "a:5", "a:4", "a:3"]);
        book.add(&Peer { node: node(1), address: "me:1".to_owned() });
        assert_eq!(book.nodes(), [node(2)]);
    }
}
