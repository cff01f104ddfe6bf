//! Whether what is on disk is whole: every key and attachment read, every leaf, root and hash
//! computed again.
//!
//! Nothing is changed. It asks less than a start, which has the roster to ask, and more: a start
//! does not look at tiles and payloads. What a leaf means is the replica's business.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use talea_ledger::batch::Column;
use talea_ledger::replica::{Moment, Replica, Unreadable, leaf_key, mirror_key, tile_key};
use talea_protocol::bytes::hex;
use talea_protocol::checkpoint::open;
use talea_protocol::entry::Entry;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::leaf::accepted;
use talea_protocol::tile::Tile;
use talea_protocol::tree::{Tree, leaf_hash};

use crate::promise::{PromiseFault, Promises};
use crate::restore::{self, RestoreFault};
use crate::shelf::{self, Label, ShelfFault};
use crate::span::Span;
use crate::store::{Store, StoreFault};

/// What an audit has read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Keys in all columns.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Cooperatives.
    pub cooperatives: u64,
    /// Leaves of this node's logs.
    pub leaves: u64,
    /// Tiles over them.
    pub tiles: u64,
    /// Payloads.
    pub payloads: u64,
    /// Attachments that lie beside the store.
    pub attachments: u64,
}

/// Where what is not in the store lies.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The folder of the promises.
    pub promises: &'a Path,
    /// The folder of the attachments.
    pub attachments: &'a Path,
}

/// The first thing that is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A promise.
    #[error(transparent)]
    Promise(#[from] PromiseFault),
    /// A cooperative's records do not make a log.
    #[error("cooperative {cooperative}: {fault}")]
    Restore {
        /// Which.
        cooperative: EntryId,
        /// Why.
        fault: RestoreFault,
    },
    /// A value that is not what its key says.
    #[error("column {}, key {}: {what}", column.as_str(), hex(key))]
    Key {
        /// The column.
        column: Column,
        /// The key.
        key: Vec<u8>,
        /// What is wrong with the value.
        what: String,
    },
    /// A file that is not what its payload says.
    #[error("attachment {}: {what}", path.display())]
    Attachment {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The store is older than what this node has signed.
    #[error("cooperative {cooperative}: {leaves} leaves are here, and {promised} were promised")]
    Lacks {
        /// Which.
        cooperative: EntryId,
        /// Leaves in the store.
        leaves: u64,
        /// Leaves that this node has signed.
        promised: u64,
    },
    /// What this node has signed is not known.
    #[error("cooperative {cooperative}: {leaves} leaves are here, and no promise")]
    Unpromised {
        /// Which.
        cooperative: EntryId,
        /// Leaves in the store.
        leaves: u64,
    },
}

impl AuditFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Store(fault) => fault.hint(),
            Self::Promise(fault) => fault.hint(),
            Self::Key { column: Column::Tile | Column::Mirror, .. } => {
                "talead rebuild makes these anew; look at the disk before"
            }
            Self::Attachment { .. } => {
                "talead rebuild removes it; the node fetches it again from the roster's other \
                 nodes; look at the disk before"
            }
            Self::Restore { .. } | Self::Key { .. } => {
                "check the disk; talead rebuild may be enough, and talead recover --anew fetches \
                 all of it from the roster's other nodes"
            }
            Self::Lacks { .. } | Self::Unpromised { .. } => {
                "start the node where it reaches the roster's other nodes: it fetches what it \
                 lacks, and signs nothing before"
            }
        }
    }
}

/// Reads everything in a data folder, or in a backup, whose store is open. `node` is the key whose
/// logs these are.
///
/// # Errors
/// [`AuditFault`], the first found.
pub fn audit(store: &Store, places: &Places<'_>, node: &NodeKey) -> Result<Report, AuditFault> {
    let Places { promises, attachments } = *places;
    let census = store.check()?;
    let mut report = Report { keys: census.keys, bytes: census.bytes, ..Report::default() };
    let hosted = hosted(store)?;
    for id in &hosted {
        cooperative(store, promises, node, *id, &mut report)?;
        report.cooperatives += 1;
    }
    attachments_in(store, attachments, |path, what| {
        report.attachments += 1;
        what.map_or(Ok(()), |what| Err(AuditFault::Attachment { path, what }))
    })?;
    for id in Promises::list(promises)?.into_iter().filter(|id| !hosted.contains(id)) {
        let promised = Promises::open(promises, id)?.newest().map_or(0, |promise| promise.size);
        if promised > 0 {
            return Err(AuditFault::Lacks { cooperative: id, leaves: 0, promised });
        }
    }
    for column in [Column::Leaf, Column::Mirror, Column::Tile, Column::Checkpoint, Column::Payload]
    {
        let is_known = |key: &[u8]| hosted.iter().any(|id| key.starts_with(&id.0));
        first(store, column, &Span::all(), |key, _| {
            (!is_known(key)).then(|| "it belongs to no cooperative that is kept here".to_owned())
        })?;
    }
    Ok(report)
}

/// Looks at each attachment in a folder that a payload here names, and says what is wrong with it,
/// if anything is. Of another the payload is still to come, or erased: then the next start removes it.
///
/// # Errors
/// [`AuditFault`], or what `each` says.
pub fn attachments_in<E: From<AuditFault>>(
    store: &Store,
    folder: &Path,
    mut each: impl FnMut(PathBuf, Option<String>) -> Result<(), E>,
) -> Result<(), E> {
    let unread = |path: &Path, cause: io::Error| AuditFault::Attachment {
        path: path.to_owned(),
        what: cause.to_string(),
    };
    if !folder.exists() {
        return Ok(());
    }
    for (label, path) in shelf::files(folder).map_err(|cause| unread(folder, cause))? {
        let Label { cooperative, entry, blake3 } = label;
        let all = shelf::listed(store, &cooperative, &entry).map_err(AuditFault::from)?;
        let Some(named) = all.into_iter().find(|it| it.blake3 == blake3) else { continue };
        let what = match shelf::compare(&path, &named) {
            Ok(()) => None,
            Err(ShelfFault::Disk(cause)) => return Err(unread(&path, cause).into()),
            Err(fault) => Some(fault.to_string()),
        };
        each(path, what)?;
    }
    Ok(())
}

/// The cooperatives that are kept in a store.
///
/// # Errors
/// [`StoreFault`].
pub fn hosted(store: &Store) -> Result<BTreeSet<EntryId>, StoreFault> {
    let records = store.range(Column::Cooperative, &Span::all(), usize::MAX)?;
    Ok(records.into_iter().filter_map(|(id, _)| id.try_into().ok().map(EntryId)).collect())
}

/// The full tiles of a log, made again from its leaves, in the order in which they fill.
///
/// # Errors
/// [`StoreFault`], or what `each` says.
pub fn tiles<E: From<StoreFault>>(
    store: &Store,
    cooperative: &EntryId,
    mut each: impl FnMut(Tile) -> Result<(), E>,
) -> Result<(), E> {
    let mut tree = Tree::default();
    let mut done = Ok(());
    store.visit(Column::Leaf, &Span::prefix(&cooperative.0), |_, leaf| {
        tree.append(leaf_hash(leaf));
        done = tree.drain_tiles().into_iter().try_for_each(&mut each);
        if done.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    done
}

fn cooperative(
    store: &Store,
    promises: &Path,
    node: &NodeKey,
    id: EntryId,
    report: &mut Report,
) -> Result<(), AuditFault> {
    let promised = Promises::open(promises, id)?.newest().copied();
    // Whose log it is makes no difference to what it must be, and the node's key stays unread.
    let nobody = Arc::new(SecretKey::from_seed(&[0; 32]));
    let signed = promised.map(|promise| (promise.size, promise.root));
    let replica = restore::replica(store, id, nobody, Moment(0), &[], signed)
        .map_err(|fault| named(id, fault))?;
    let leaves = replica.tree().size();
    match promised.map(|promise| promise.size) {
        Some(promised) if promised > leaves => {
            return Err(AuditFault::Lacks { cooperative: id, leaves, promised });
        }
        None if leaves > 0 => return Err(AuditFault::Unpromised { cooperative: id, leaves }),
        Some(_) | None => {}
    }
    report.leaves += leaves;
    report.tiles += compare_tiles(store, &id)?;
    report.payloads += compare_payloads(store, &id, &replica)?;
    first(store, Column::Checkpoint, &Span::prefix(&[id.0, node.0].concat()), |_, note| {
        open(note, &id, node, &[]).err().map(|fault| fault.to_string())
    })
}

/// The key that a fault is about, where it is about one.
fn named(cooperative: EntryId, fault: RestoreFault) -> AuditFault {
    let RestoreFault::Content(unreadable) = &fault else {
        return AuditFault::Restore { cooperative, fault };
    };
    let (column, key) = match unreadable {
        Unreadable::Leaf { index, .. }
        | Unreadable::Place { index, .. }
        | Unreadable::Early { index, .. }
        | Unreadable::Twice { index } => (Column::Leaf, leaf_key(&cooperative, *index)),
        Unreadable::Mirror { node, from, .. } => {
            (Column::Mirror, mirror_key(&cooperative, node, *from))
        }
        Unreadable::Promise { .. } | Unreadable::MirrorRoot { .. } => {
            return AuditFault::Restore { cooperative, fault };
        }
    };
    AuditFault::Key { column, key, what: unreadable.to_string() }
}

fn compare_tiles(store: &Store, id: &EntryId) -> Result<u64, AuditFault> {
    let mut count = 0_u64;
    tiles(store, id, |tile| {
        let key = tile_key(id, tile.level, tile.index);
        let kept = store.read(Column::Tile, &key)?;
        count += 1;
        if kept.as_ref() == Some(&tile.hashes) {
            return Ok(());
        }
        let what = if kept.is_some() { "it is not of the leaves' hashes" } else { "it is missing" };
        Err(AuditFault::Key { column: Column::Tile, key, what: what.to_owned() })
    })?;
    let mut left = count;
    first(store, Column::Tile, &Span::prefix(&id.0), |_, _| {
        let is_one_more = left == 0;
        left = left.saturating_sub(1);
        is_one_more.then(|| "there are more tiles than the leaves fill".to_owned())
    })?;
    Ok(count)
}

fn compare_payloads(store: &Store, id: &EntryId, replica: &Replica) -> Result<u64, AuditFault> {
    let mut count = 0_u64;
    let mut fault = Ok(());
    first(store, Column::Payload, &Span::prefix(&id.0), |key, value| {
        count += 1;
        match is_payload(store, id, replica, key, value) {
            Ok(true) => None,
            Ok(false) => Some("no entry here commits to it".to_owned()),
            Err(cause) => {
                fault = Err(cause);
                Some(String::new())
            }
        }
    })
    .or_else(|bad| fault.map_err(AuditFault::from).and(Err(bad)))?;
    Ok(count)
}

fn is_payload(
    store: &Store,
    id: &EntryId,
    replica: &Replica,
    key: &[u8],
    value: &[u8],
) -> Result<bool, StoreFault> {
    let entry = key.get(32..).and_then(|entry| entry.try_into().ok()).map(EntryId);
    let place = entry.and_then(|entry| replica.places().find(&entry));
    let Some(place) = place else { return Ok(false) };
    let leaf = store.read(Column::Leaf, &leaf_key(id, place.leaf))?;
    let bytes = leaf.as_deref().and_then(accepted).map(<[u8]>::to_vec);
    let Some(Ok(entry)) = bytes.map(Entry::parse) else { return Ok(false) };
    let Some((salt, payload)) = value.split_first_chunk::<32>() else { return Ok(false) };
    Ok(entry.header().payload.is_some_and(|bound| bound.binds(salt, payload)))
}

/// The first key of a stretch with whose value something is wrong.
fn first(
    store: &Store,
    column: Column,
    span: &Span,
    mut wrong: impl FnMut(&[u8], &[u8]) -> Option<String>,
) -> Result<(), AuditFault> {
    let mut found = Ok(());
    store.visit(column, span, |key, value| match wrong(key, value) {
        None => ControlFlow::Continue(()),
        Some(what) => {
            found = Err(AuditFault::Key { column, key: key.to_vec(), what });
            ControlFlow::Break(())
        }
    })?;
    found
}
