//! From disk to memory at start: which cooperatives are kept here, and how far each has come.
//!
//! Each is an island: one that cannot be restored is left out, reported and touched no more, and
//! the others are served. What is read is checked against the promise file by the replica; one
//! that lacks what was promised is served as far as it goes, and fetches the rest.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use talea_ledger::batch::{Batch, Column};
use talea_ledger::replica::{Disk, Moment, Replica, Unreadable};
use talea_protocol::bytes::{Malformed, STRUCTURE_BYTES_MAX, decode};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::tree::TreeHash;

use crate::config::{ADDRESS_BYTES_MAX, Peer};
use crate::hosted::{Hosted, Hosts, Record};
use crate::promise::{PromiseFault, Promises};
use crate::span::Span;
use crate::store::{Pair, Store, StoreFault};

/// Leaves read at once: some 300 KB.
const PAGE: usize = 1_024;
/// Keys of the peers that the operator named, in [`Column::Meta`].
const PEER_KEY: &[u8] = b"peer/";
/// Key of the node whose store this is, in [`Column::Meta`].
const OWNER_KEY: &[u8] = b"node";
/// Keys of the cooperatives that came from a backup, in [`Column::Meta`], until it is known that
/// nothing is lacking that was signed since.
const DOUBT_KEY: &[u8] = b"doubt/";

/// Why a cooperative is not served. The disk's fault, or the operator's.
#[derive(Debug, thiserror::Error)]
pub enum RestoreFault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The promise file.
    #[error(transparent)]
    Promise(#[from] PromiseFault),
    /// What is on disk is not what this node wrote, or has signed.
    #[error(transparent)]
    Content(#[from] Unreadable),
    /// The record of the hosting.
    #[error("the record of a hosted cooperative: {0}")]
    Record(#[from] Malformed),
}

impl RestoreFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Store(fault) => fault.hint(),
            Self::Promise(fault) => fault.hint(),
            Self::Content(_) | Self::Record(_) => {
                "check the disk; the other nodes of the roster have all of it. This node signs \
                 nothing for this cooperative meanwhile"
            }
        }
    }
}

/// A store is one node's: under another key its logs would be signed as that one's.
#[derive(Debug, thiserror::Error)]
pub enum OwnerFault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The key beside it is another, or has changed.
    #[error("this store is that of node {owner}, and the key here is that of {here}")]
    Other {
        /// Whose store it is.
        owner: NodeKey,
        /// Whose key is here.
        here: NodeKey,
    },
}

impl OwnerFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Store(fault) => fault.hint(),
            Self::Other { .. } => {
                "put this node's own node.key back from where it is kept, or give the other node a \
                 data folder of its own"
            }
        }
    }
}

/// Makes sure that a store is this node's; one that is nobody's yet becomes it.
///
/// # Errors
/// [`OwnerFault`].
pub fn own(store: &Store, here: &NodeKey) -> Result<(), OwnerFault> {
    match store.read(Column::Meta, OWNER_KEY)? {
        Some(owner) if owner == here.0 => Ok(()),
        Some(owner) => {
            let owner = NodeKey(owner.try_into().unwrap_or_default());
            Err(OwnerFault::Other { owner, here: *here })
        }
        None => {
            let mut batch = Batch::new();
            batch.put(Column::Meta, OWNER_KEY.to_vec(), here.0.to_vec());
            Ok(store.write(&batch)?)
        }
    }
}

/// What a start has to go by.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The database.
    pub store: &'a Store,
    /// The folder of the promises.
    pub promises: &'a Path,
    /// This node's key.
    pub key: &'a Arc<SecretKey>,
    /// The time.
    pub now: Moment,
    /// Known peers: they are asked for what only the promises know of.
    pub peers: &'a [NodeKey],
}

/// What a start found.
#[derive(Default)]
pub struct Restored {
    /// The cooperatives that are served.
    pub hosts: Hosts,
    /// The promises to each of them.
    pub promises: BTreeMap<EntryId, Promises>,
    /// Those that are not, and why.
    pub failed: BTreeMap<EntryId, RestoreFault>,
}

/// Restores every cooperative that is kept here.
///
/// # Errors
/// [`StoreFault`], if not even the list of them can be read.
pub fn all(start: &Start<'_>) -> Result<Restored, StoreFault> {
    let mut restored = Restored::default();
    for (id, record) in start.store.range(Column::Cooperative, &Span::all(), usize::MAX)? {
        let Ok(id) = <[u8; 32]>::try_from(id).map(EntryId) else { continue };
        restored.take(id, start.one(id, &record));
    }
    // What was promised, and of which the store knows nothing: it is asked for at all peers.
    match Promises::list(start.promises) {
        Ok(promised) => {
            for id in promised {
                if !restored.failed.contains_key(&id) && !restored.hosts.contains_key(&id) {
                    restored.take_some(id, start.lost(id));
                }
            }
        }
        Err(fault) => {
            restored.failed.insert(EntryId::ZERO, fault.into());
        }
    }
    Ok(restored)
}

impl Restored {
    fn take(&mut self, id: EntryId, one: Result<(Hosted, Promises), RestoreFault>) {
        self.take_some(id, one.map(Some));
    }

    fn take_some(&mut self, id: EntryId, one: Result<Option<(Hosted, Promises)>, RestoreFault>) {
        match one {
            Ok(Some((hosted, promises))) => {
                self.hosts.insert(id, hosted);
                self.promises.insert(id, promises);
            }
            Ok(None) => {}
            Err(fault) => {
                self.failed.insert(id, fault);
            }
        }
    }
}

impl Start<'_> {
    fn one(&self, id: EntryId, record: &[u8]) -> Result<(Hosted, Promises), RestoreFault> {
        let hosts: Record = decode(record, STRUCTURE_BYTES_MAX)?;
        let (promises, is_lost) = match Promises::open(self.promises, id) {
            Ok(promises) => (promises, false),
            // What it was is then for the roster to say.
            Err(PromiseFault::Damaged { .. }) => (Promises::lost(self.promises, id), true),
            Err(fault) => return Err(fault.into()),
        };
        let promised = promises.newest().map(|promise| (promise.size, promise.root));
        let mut replica =
            replica(self.store, id, Arc::clone(self.key), self.now, &hosts, promised)?;
        let is_doubted = self.store.read(Column::Meta, &doubt_key(&id))?.is_some();
        if is_doubted || is_lost {
            replica.doubt();
        }
        let mut hosted = Hosted::new(replica, hosts.to_vec());
        hosted.is_doubted = is_doubted;
        Ok((hosted, promises))
    }

    /// A cooperative that the store does not name, if anything was promised to it.
    fn lost(&self, id: EntryId) -> Result<Option<(Hosted, Promises)>, RestoreFault> {
        let promises = Promises::open(self.promises, id)?;
        let Some(promise) = promises.newest().filter(|promise| promise.size > 0) else {
            return Ok(None);
        };
        let promised = Some((promise.size, promise.root));
        let (key, hosts) = (Arc::clone(self.key), self.peers);
        let replica = replica(self.store, id, key, self.now, hosts, promised)?;
        Ok(Some((Hosted::new(replica, hosts.to_vec()), promises)))
    }
}

/// A cooperative as it is kept in the store, held against what was promised.
///
/// # Errors
/// [`RestoreFault`].
pub fn replica(
    store: &Store,
    id: EntryId,
    key: Arc<SecretKey>,
    now: Moment,
    hosts: &[NodeKey],
    promised: Option<(u64, TreeHash)>,
) -> Result<Replica, RestoreFault> {
    let fault = RefCell::new(None);
    let disk = Disk {
        leaves: || Leaves::new(store, Span::prefix(&id.0), &fault),
        mirrors: mirrors(store, &id)?,
        notes: notes(store, &id)?,
        promised,
    };
    let replica = Replica::restore(now, id, key, hosts, disk);
    match fault.into_inner() {
        Some(fault) => Err(fault.into()),
        None => Ok(replica?),
    }
}

/// Key under which it is kept that a cooperative came from a backup.
#[must_use]
pub fn doubt_key(cooperative: &EntryId) -> Vec<u8> {
    [DOUBT_KEY, &cooperative.0].concat()
}

/// The leaves of a log, read a page at a time. A fault ends them and is left with the caller.
struct Leaves<'a> {
    store: &'a Store,
    span: Span,
    page: VecDeque<Pair>,
    is_last: bool,
    fault: &'a RefCell<Option<StoreFault>>,
}

impl<'a> Leaves<'a> {
    fn new(store: &'a Store, span: Span, fault: &'a RefCell<Option<StoreFault>>) -> Self {
        Self { store, span, page: VecDeque::new(), is_last: false, fault }
    }

    fn turn(&mut self) {
        match self.store.range(Column::Leaf, &self.span, PAGE) {
            Ok(page) => {
                self.is_last = page.len() < PAGE;
                if let Some((key, _)) = page.last() {
                    let after = [key.as_slice(), &[0]].concat();
                    self.span = self.span.clone().starting_at(&after);
                }
                self.page = page.into();
            }
            Err(fault) => {
                self.is_last = true;
                self.fault.replace(Some(fault));
            }
        }
    }
}

impl Iterator for Leaves<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.page.is_empty() && !self.is_last {
            self.turn();
        }
        self.page.pop_front().map(|(_, leaf)| leaf)
    }
}

/// Rows of the logs of others: whose, the first leaf, the bytes.
type Rows = Vec<(NodeKey, u64, Vec<u8>)>;

fn mirrors(store: &Store, id: &EntryId) -> Result<Rows, StoreFault> {
    let rows = store.range(Column::Mirror, &Span::prefix(&id.0), usize::MAX)?;
    Ok(rows.into_iter().filter_map(|(key, row)| mirror_row(&key, row)).collect())
}

fn mirror_row(key: &[u8], row: Vec<u8>) -> Option<(NodeKey, u64, Vec<u8>)> {
    let (node, from) = key.get(32..)?.split_first_chunk::<32>()?;
    Some((NodeKey(*node), u64::from_be_bytes(from.try_into().ok()?), row))
}

fn notes(store: &Store, id: &EntryId) -> Result<Vec<(NodeKey, Vec<u8>)>, StoreFault> {
    let notes = store.range(Column::Checkpoint, &Span::prefix(&id.0), usize::MAX)?;
    let owner = |key: &[u8]| Some(NodeKey(key.get(32..)?.try_into().ok()?));
    Ok(notes.into_iter().filter_map(|(key, note)| Some((owner(&key)?, note))).collect())
}

/// Key and value under which a peer's address is kept: the last one that the operator gave.
#[must_use]
pub fn peer_row(peer: &Peer) -> (Vec<u8>, Vec<u8>) {
    ([PEER_KEY, &peer.node.0].concat(), peer.address.clone().into_bytes())
}

/// The peers that the operator named while the node ran.
///
/// # Errors
/// [`StoreFault`].
pub fn peers(store: &Store) -> Result<Vec<Peer>, StoreFault> {
    let rows = store.range(Column::Meta, &Span::prefix(PEER_KEY), usize::MAX)?;
    let peer = |(key, address): Pair| {
        let node = NodeKey(key.strip_prefix(PEER_KEY)?.try_into().ok()?);
        let address = String::from_utf8(address).ok()?;
        (address.len() <= ADDRESS_BYTES_MAX).then_some(Peer { node, address })
    };
    Ok(rows.into_iter().filter_map(peer).collect())
}
