//! Derived state made anew, from what it was derived of, while the node is stopped.
//!
//! The tiles come from the leaves. A mirror that is not what its owner signed is forgotten, and
//! fetched again when the node runs; so is an attachment with other bytes. All else that is derived
//! is in memory, and made at every start. The leaves themselves are never touched.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use serde::Serialize;
use talea_ledger::batch::{Batch, Column};
use talea_ledger::replica::{Moment, Replica, Unreadable, tile_key};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};

use crate::audit::{AuditFault, Places, attachments_in, hosted, tiles};
use crate::promise::{Promise, PromiseFault, Promises};
use crate::restore::{self, RestoreFault, doubt_key};
use crate::span::Span;
use crate::store::{Store, StoreFault};

/// Tiles in one write: half a megabyte.
const TILES_MAX: usize = 64;

/// What was made anew.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Rebuilt {
    /// Tiles made.
    pub tiles: u64,
    /// Mirrors forgotten.
    pub mirrors: u64,
    /// Attachments forgotten.
    pub attachments: u64,
    /// Promises made at the operator's word.
    pub vouched: u64,
}

/// Why nothing more could be made anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildFault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A promise cannot be read or made.
    #[error(transparent)]
    Promise(#[from] PromiseFault),
    /// What is not derived is damaged too.
    #[error("cooperative {cooperative}: {fault}")]
    Leaves {
        /// Which.
        cooperative: EntryId,
        /// Why.
        fault: RestoreFault,
    },
    /// An attachment cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditFault),
    /// An attachment that is damaged cannot be removed.
    #[error("{}: {cause}", path.display())]
    Attachment {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The operator vouches for a store of which the promise file says that it is not the newest.
    #[error("cooperative {cooperative}: {leaves} leaves are here, and {promised} were promised")]
    Contradicted {
        /// Which.
        cooperative: EntryId,
        /// Leaves in the store.
        leaves: u64,
        /// Leaves that this node has signed.
        promised: u64,
    },
}

impl RebuildFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Store(fault) => fault.hint(),
            Self::Promise(fault) => fault.hint(),
            Self::Audit(fault) => fault.hint(),
            Self::Attachment { .. } => "see to the permissions of the data folder, and to the disk",
            Self::Leaves { .. } => {
                "the leaves come from the roster's other nodes: talead recover --anew"
            }
            Self::Contradicted { .. } => {
                "this node has signed more than is here: it goes on once it has fetched that, or \
                 with the newest store"
            }
        }
    }
}

/// Makes derived state anew. With `vouched`, the time in ms since 1970, also promises of all that
/// is here: for an operator who knows that this node has signed nothing else.
///
/// # Errors
/// [`RebuildFault`]; what was made until then stays, and is made again the next time.
pub fn rebuild(
    store: &mut Store,
    places: &Places<'_>,
    vouched: Option<u64>,
) -> Result<Rebuilt, RebuildFault> {
    let mut rebuilt = Rebuilt::default();
    store.renew(Column::Tile)?;
    for id in hosted(store)? {
        rebuilt.tiles += make_tiles(store, &id)?;
        let replica = drop_mirrors(store, id, &mut rebuilt.mirrors)?;
        if let Some(time) = vouched {
            vouch(store, places.promises, id, &replica, time)?;
            rebuilt.vouched += 1;
        }
    }
    attachments_in(store, places.attachments, |path, what| {
        if what.is_some() {
            fs::remove_file(&path).map_err(|cause| RebuildFault::Attachment { path, cause })?;
            rebuilt.attachments += 1;
        }
        Ok::<(), RebuildFault>(())
    })?;
    Ok(rebuilt)
}

fn make_tiles(store: &Store, id: &EntryId) -> Result<u64, StoreFault> {
    let (mut count, mut batch) = (0, Batch::new());
    tiles(store, id, |tile| {
        batch.put(Column::Tile, tile_key(id, tile.level, tile.index), tile.hashes);
        count += 1;
        if batch.puts().len() < TILES_MAX {
            return Ok(());
        }
        store.write(&std::mem::take(&mut batch))
    })?;
    store.write(&batch)?;
    Ok(count)
}

/// Forgets the mirrors that are not what their owners signed, and gives the cooperative as it is
/// without them.
fn drop_mirrors(
    store: &mut Store,
    cooperative: EntryId,
    dropped: &mut u64,
) -> Result<Replica, RebuildFault> {
    loop {
        // Who reads is nobody: the node's key is not needed.
        let nobody = Arc::new(SecretKey::from_seed(&[0; 32]));
        let fault = match restore::replica(store, cooperative, nobody, Moment(0), &[], None) {
            Ok(replica) => return Ok(replica),
            Err(fault) => fault,
        };
        match fault {
            RestoreFault::Content(
                Unreadable::Mirror { node, .. } | Unreadable::MirrorRoot { node },
            ) => forget(store, &cooperative, &node)?,
            RestoreFault::Store(StoreFault::Unreadable { column: Column::Mirror, .. }) => {
                store.renew(Column::Mirror)?;
            }
            fault => return Err(RebuildFault::Leaves { cooperative, fault }),
        }
        *dropped += 1;
    }
}

fn forget(store: &Store, id: &EntryId, node: &NodeKey) -> Result<(), StoreFault> {
    let log = [id.0, node.0].concat();
    let mut batch = Batch::new();
    store.visit(Column::Mirror, &Span::prefix(&log), |key, _| {
        batch.delete(Column::Mirror, key.to_vec());
        ControlFlow::Continue(())
    })?;
    batch.delete(Column::Checkpoint, log);
    store.write(&batch)
}

fn vouch(
    store: &Store,
    folder: &Path,
    cooperative: EntryId,
    replica: &Replica,
    time: u64,
) -> Result<(), RebuildFault> {
    let (leaves, root) = (replica.tree().size(), replica.tree().root());
    let mut promises = match Promises::open(folder, cooperative) {
        Err(PromiseFault::Damaged { .. }) => Promises::lost(folder, cooperative),
        promises => promises?,
    };
    let promised = promises.newest().map_or(0, |promise| promise.size);
    if promised > leaves {
        return Err(RebuildFault::Contradicted { cooperative, leaves, promised });
    }
    promises.keep(Promise { size: leaves, root, time })?;
    let mut batch = Batch::new();
    batch.delete(Column::Meta, doubt_key(&cooperative));
    Ok(store.write(&batch)?)
}
