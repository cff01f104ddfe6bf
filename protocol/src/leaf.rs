//! What a node's log holds: one leaf for each thing that it accepted or found.
//!
//! A leaf's first byte is its kind, the rest is that kind's (README, section 10). Kinds of later
//! versions are kept whole and passed on. What a leaf does to a state is the ledger's business, and
//! where leaves lie is `tile`'s.

use serde::Serialize;

use crate::bytes::{Decode, Encode, Malformed, Octets, decode, encode};
use crate::cut::Cut;
use crate::entry::{ENTRY_BYTES_MAX, Entry, Refusal};
use crate::fork::Fork;
use crate::hash::{EntryId, Hash};
use crate::key::NodeKey;
use crate::receipt::Receipt;
use crate::split::{SignedCheckpoint, Split};
use crate::tile::{BundleFault, LEAF_BYTES_MAX};
use crate::tree::{TreeHash, leaf_hash};

/// Kind of a leaf with an entry's complete bytes.
pub const ACCEPT: u8 = 1;
/// Kind of a leaf with a [`Frontier`].
pub const FRONTIER: u8 = 2;
/// Kind of a leaf with a [`Peer`].
pub const PEER: u8 = 3;
/// Kind of a leaf with a [`Forked`].
pub const FORK: u8 = 4;
/// Kind of a leaf with the complete bytes of an entry that is settled elsewhere, or healed, in a
/// place that this log has given to another, or to none because the chain was frozen.
pub const RESOLVE: u8 = 5;
/// Kind of a leaf with an [`Erased`].
pub const ERASED: u8 = 6;
/// Kind of a leaf with a [`Closed`].
pub const CLOSED: u8 = 7;
/// Kind of a leaf with a [`Shown`].
pub const SHOWN: u8 = 8;
/// Kind of a leaf with a [`Doubt`].
pub const DOUBT: u8 = 9;
/// Kind of a leaf with a [`Split`].
pub const SPLIT: u8 = 10;
/// Longest receipt in a leaf of kind 8, in bytes: the longest act's leaf may not fit one that
/// carries it.
pub const SHOWN_BYTES_MAX: usize = 60 * 1024;

/// What this node has accepted and holds for settled, and what that adds up to.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Frontier {
    /// Root of the cut of all that this log has accepted before this leaf.
    pub accepted: Hash,
    /// What this node holds for settled.
    pub settled: Cut,
    /// State root over exactly what is settled.
    pub state: Hash,
    /// Entries accepted in this log before this leaf.
    pub count: u64,
}

/// A checkpoint of another roster node that this node has verified and cosigned.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Peer {
    /// Whose log.
    pub node: NodeKey,
    /// Its leaves.
    pub size: u64,
    /// Its root.
    pub root: TreeHash,
    /// Time of the cosignature, in seconds since 1970 UTC.
    pub time: u64,
}

/// A device has written twice in one place; this log gives its chain no new place from there on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Forked {
    /// The proof.
    pub fork: Fork,
    /// What this log holds in that place; if nothing, it will give it to nobody but whom a heal
    /// adopts.
    pub held: Option<EntryId>,
}

/// This node has deleted a payload and its salt.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Erased {
    /// The entry whose payload it was.
    pub entry: EntryId,
    /// The entry that ordered it, and says on what ground.
    pub order: EntryId,
}

/// The end of this log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Closed {
    /// The register entry that replaced the roster.
    pub order: EntryId,
}

/// Another node's receipt of an entry, shown to those who do not see that node's log as it is seen
/// here.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub struct Shown {
    /// The entry.
    pub entry: EntryId,
    /// Whose log holds it.
    pub node: NodeKey,
    /// The receipt of the leaf by which it does; its checkpoint needs no signature but the log's.
    /// The leaf is in `extra`; if that is empty, it accepts the same bytes as this log has.
    pub receipt: Octets<SHOWN_BYTES_MAX>,
}

/// What this node holds of a log of which another one tells otherwise.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub struct Doubt {
    /// Whose log.
    pub node: NodeKey,
    /// Whose peer leaf, or doubt, tells otherwise.
    pub log: NodeKey,
    /// The checkpoint up to which this node has checked the log of `node`.
    pub note: SignedCheckpoint,
}

/// Why bytes are not a leaf. The log's node is at fault: it signed a root over them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LeafFault {
    /// No kind, or more bytes than a bundle can hold.
    #[error("{length} bytes are not a leaf (1 to {LEAF_BYTES_MAX})")]
    Length {
        /// Bytes given.
        length: usize,
    },
    /// An accept leaf without an entry.
    #[error("no genuine entry: {0}")]
    Entry(Refusal),
    /// A frontier or peer leaf with other bytes.
    #[error("a leaf of kind {kind}: {reason}")]
    Value {
        /// The leaf's kind.
        kind: u8,
        /// What is wrong.
        reason: Malformed,
    },
}

/// A leaf, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Leaf {
    /// An entry that has its place in this log. Its signature has not been asked yet.
    Accept(Box<Entry>),
    /// Where this node stands.
    Frontier(Box<Frontier>),
    /// Where another node stands.
    Peer(Peer),
    /// A proof.
    Fork(Box<Forked>),
    /// An entry that takes a place which this log had given to another, or to none.
    Resolve(Box<Entry>),
    /// A payload is gone.
    Erased(Erased),
    /// The log ends.
    Closed(Closed),
    /// Another node's receipt of an entry.
    Shown(Box<Shown>),
    /// What is held here of a log of which another one tells otherwise.
    Doubt(Doubt),
    /// A node has signed two histories of its log.
    Split(Box<Split>),
    /// Of a kind that this version keeps and passes on, never guesses at.
    Other(u8),
}

impl Leaf {
    /// Reads a leaf's bytes.
    ///
    /// # Errors
    /// [`LeafFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafFault> {
        let length = bytes.len();
        let (kind, rest) = bytes
            .split_first()
            .filter(|_| length <= LEAF_BYTES_MAX)
            .ok_or(LeafFault::Length { length })?;
        let value = |reason| LeafFault::Value { kind: *kind, reason };
        match *kind {
            ACCEPT => Entry::parse(rest.to_vec())
                .map(|entry| Self::Accept(Box::new(entry)))
                .map_err(LeafFault::Entry),
            RESOLVE => Entry::parse(rest.to_vec())
                .map(|entry| Self::Resolve(Box::new(entry)))
                .map_err(LeafFault::Entry),
            FORK => decode(rest, LEAF_BYTES_MAX).map(|it| Self::Fork(Box::new(it))).map_err(value),
            ERASED => decode(rest, LEAF_BYTES_MAX).map(Self::Erased).map_err(value),
            CLOSED => decode(rest, LEAF_BYTES_MAX).map(Self::Closed).map_err(value),
            SHOWN => {
                decode(rest, LEAF_BYTES_MAX).map(|it| Self::Shown(Box::new(it))).map_err(value)
            }
            DOUBT => decode(rest, LEAF_BYTES_MAX).map(Self::Doubt).map_err(value),
            SPLIT => {
                decode(rest, LEAF_BYTES_MAX).map(|it| Self::Split(Box::new(it))).map_err(value)
            }
            FRONTIER => {
                decode(rest, LEAF_BYTES_MAX).map(|it| Self::Frontier(Box::new(it))).map_err(value)
            }
            PEER => decode(rest, LEAF_BYTES_MAX).map(Self::Peer).map_err(value),
            other => Ok(Self::Other(other)),
        }
    }
}

/// The leaves of a bundle, however many they are, without copying them.
///
/// # Errors
/// [`BundleFault::Short`].
pub fn bundled(bundle: &[u8]) -> Result<Vec<&[u8]>, BundleFault> {
    let (mut leaves, mut rest) = (Vec::new(), bundle);
    while !rest.is_empty() {
        let place = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
        let short = BundleFault::Short { leaf: place, count: place.saturating_add(1) };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(short)?;
        let (leaf, after) =
            after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(short)?;
        leaves.push(leaf);
        rest = after;
    }
    Ok(leaves)
}

/// The bytes of the leaf that accepts an entry.
#[must_use]
pub fn accept(entry: &Entry) -> Vec<u8> {
    [&[ACCEPT], entry.bytes()].concat()
}

/// The bytes of the leaf that takes an entry over.
#[must_use]
pub fn resolve(entry: &Entry) -> Vec<u8> {
    [&[RESOLVE], entry.bytes()].concat()
}

/// The entry's bytes in an accept or resolve leaf, without a copy; `None` for any other leaf.
#[must_use]
pub fn accepted(leaf: &[u8]) -> Option<&[u8]> {
    match leaf {
        [ACCEPT | RESOLVE, entry @ ..] if entry.len() <= ENTRY_BYTES_MAX => Some(entry),
        _ => None,
    }
}

impl Frontier {
    /// The leaf's bytes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        [vec![FRONTIER], encode(self)].concat()
    }
}

impl Forked {
    /// The leaf's bytes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        [vec![FORK], encode(self)].concat()
    }
}

impl Erased {
    /// The leaf's bytes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        [vec![ERASED], encode(self)].concat()
    }
}

impl Shown {
    /// The leaf's bytes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        [vec![SHOWN], encode(self)].concat()
    }

    /// Whether the receipt is one: of this entry, in the log that the node keeps for the
    /// cooperative. `same` is the hash of the leaf that accepts the bytes that this log has.
    #[must_use]
    pub fn proves(&self, cooperative: &EntryId, same: &TreeHash) -> bool {
        let Ok(receipt) = Receipt::parse(&self.receipt) else { return false };
        let leaf = match receipt.extra.as_slice() {
            [] => *same,
            leaf => {
                let entry = accepted(leaf).and_then(|bytes| Entry::parse(bytes.to_vec()).ok());
                if entry.is_none_or(|entry| entry.id() != self.entry) {
                    return false;
                }
                leaf_hash(leaf)
            }
        };
        receipt.verify(&leaf, cooperative, &self.node, &[]).is_ok()
    }
}

impl Doubt {
    /// The leaf's bytes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        [vec![DOUBT], encode(self)].concat()
    }
}

impl Split {
    /// The leaf's bytes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        [vec![SPLIT], encode(self)].concat()
    }
}

impl Closed {
    /// The leaf's bytes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        [vec![CLOSED], encode(self)].concat()
    }
}

impl Peer {
    /// The leaf's bytes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        [vec![PEER], encode(self)].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{Act, Attest};
    use crate::bytes::List;
    use crate::cut::DEVICES_MAX;
    use crate::entry::{Header, SCHEME, VERSION, sign};
    use crate::key::SecretKey;
    use crate::tile::push_leaf;

    fn frontier(devices: usize) -> Frontier {
        let lengths = List::new(vec![1; devices]).unwrap();
        let settled = Cut { at: EntryId([1; 32]), lengths, root: Hash([2; 32]) };
        Frontier { accepted: Hash([3; 32]), settled, state: Hash([4; 32]), count: 9 }
    }

    #[test]
    fn every_kind_is_read_back() {
        let key = SecretKey::from_seed(&[9; 32]);
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: EntryId([1; 32]),
            device: key.device(),
            seq: 0,
            prev: EntryId::ZERO,
            basis: EntryId([1; 32]),
            time: 7,
            payload: None,
        };
        let act = Act::Attest(Attest { contribution: EntryId([4; 32]) });
        let entry = sign(&key, &header, &act).unwrap();
        let leaf = accept(&entry);
        assert_eq!(accepted(&leaf), Some(entry.bytes()));
        assert_eq!(Leaf::parse(&leaf), Ok(Leaf::Accept(Box::new((*entry).clone()))));

        let taken = resolve(&entry);
        assert_eq!(accepted(&taken), Some(entry.bytes()));
        assert_eq!(Leaf::parse(&taken), Ok(Leaf::Resolve(Box::new((*entry).clone()))));
        let fork = Fork::new(entry.signed_header(), entry.signed_header());
        let forked = Forked { fork, held: Some(entry.id()) };
        assert_eq!(Leaf::parse(&forked.leaf()), Ok(Leaf::Fork(Box::new(forked))));
        let erased = Erased { entry: entry.id(), order: EntryId([5; 32]) };
        assert_eq!(Leaf::parse(&erased.leaf()), Ok(Leaf::Erased(erased)));
        let closed = Closed { order: EntryId([5; 32]) };
        assert_eq!(Leaf::parse(&closed.leaf()), Ok(Leaf::Closed(closed)));

        let receipt = Octets::new(b"anything".to_vec()).unwrap();
        let shown = Shown { entry: entry.id(), node: key.node(), receipt };
        assert_eq!(Leaf::parse(&shown.leaf()), Ok(Leaf::Shown(Box::new(shown))));

        let note = Octets::new(b"anything".to_vec()).unwrap();
        let doubt = Doubt { node: key.node(), log: key.node(), note: note.clone() };
        assert_eq!(Leaf::parse(&doubt.leaf()), Ok(Leaf::Doubt(doubt)));
        let root = TreeHash::EMPTY;
        let proof = List::new(vec![root; 64]).unwrap();
        let split = Split { node: key.node(), one: note.clone(), other: note, root, proof };
        assert_eq!(Leaf::parse(&split.leaf()), Ok(Leaf::Split(Box::new(split))));

        let peer = Peer { node: key.node(), size: 3, root: TreeHash::EMPTY, time: 8 };
        assert_eq!(Leaf::parse(&peer.leaf()), Ok(Leaf::Peer(peer)));
        let frontier = frontier(3);
        assert_eq!(Leaf::parse(&frontier.leaf()), Ok(Leaf::Frontier(Box::new(frontier))));
        assert_eq!(accepted(&peer.leaf()), None);
    }

    #[test]
    fn the_frontier_of_the_largest_cooperative_fits_in_a_leaf() {
        let leaf = frontier(DEVICES_MAX).leaf();
        assert!(leaf.len() <= LEAF_BYTES_MAX);
        assert!(Leaf::parse(&leaf).is_ok());
    }

    #[test]
    fn an_empty_or_overlong_or_damaged_leaf_is_refused() {
        assert_eq!(Leaf::parse(&[]), Err(LeafFault::Length { length: 0 }));
        let length = LEAF_BYTES_MAX + 1;
        assert_eq!(Leaf::parse(&vec![9; length]), Err(LeafFault::Length { length }));
        assert!(matches!(Leaf::parse(&[ACCEPT]), Err(LeafFault::Entry(Refusal::Length { .. }))));
        let leaf = frontier(2).leaf();
        for cut in 1..leaf.len() {
            assert!(Leaf::parse(&leaf[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Leaf::parse(&[leaf, vec![0]].concat()).is_err());
    }

    #[test]
    fn a_bundle_is_read_to_its_last_byte() {
        let mut bundle = Vec::new();
        for leaf in [b"abc".as_slice(), b"", b"d"] {
            push_leaf(&mut bundle, leaf).unwrap();
        }
        assert_eq!(bundled(&bundle).unwrap(), [b"abc".as_slice(), b"", b"d"]);
        assert_eq!(bundled(&[]).unwrap().len(), 0);
        let short = BundleFault::Short { leaf: 2, count: 3 };
        assert_eq!(bundled(&bundle[..bundle.len() - 1]), Err(short));
    }

    #[test]
    fn a_kind_of_a_later_version_is_kept_and_not_guessed_at() {
        assert!(Leaf::parse(&[CLOSED, 1, 2]).is_err());
        assert_eq!(Leaf::parse(&[200]), Ok(Leaf::Other(200)));
    }
}
