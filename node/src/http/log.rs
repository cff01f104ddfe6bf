//! This node's log as the world's transparency tools read it: checkpoint, tiles, proofs (C2SP
//! tlog-tiles, tlog-checkpoint, tlog-proof).

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use talea_ledger::batch::Column;
use talea_ledger::replica::{leaf_key, tile_key};
use talea_protocol::hash::EntryId;
use talea_protocol::note::Note;
use talea_protocol::proof::Unprovable;
use talea_protocol::receipt::Receipt;
use talea_protocol::tile::{HASH_BYTES, TILE_WIDTH, TilePath, push_leaf, width};
use talea_protocol::tree::Tree;

use super::caller::Caller;
use super::problem::Problem;
use super::{Shared, id, typed};
use crate::span::Span;
use crate::store::{Store, StoreFault};

const OCTETS: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";
/// A tile of a given width never changes; private, since who may read depends on the request.
const FOREVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
const NEVER: HeaderValue = HeaderValue::from_static("no-store");

/// `GET …/checkpoint`
pub async fn checkpoint(
    State(app): State<Shared>,
    caller: Caller,
    Path(cooperative): Path<String>,
) -> Result<Response, Problem> {
    let note = app
        .look(id(&cooperative)?, caller, |hosted| {
            let note = hosted.replica.note().map(Note::to_string);
            note.ok_or_else(|| Problem::not_found("nothing is signed here yet"))
        })
        .await?;
    let mut response = typed(TEXT, note);
    response.headers_mut().insert(header::CACHE_CONTROL, NEVER);
    Ok(response)
}

/// `GET …/tile/{path}`
pub async fn tile(
    State(app): State<Shared>,
    caller: Caller,
    Path((cooperative, path)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let tile: TilePath = format!("tile/{path}")
        .parse()
        .map_err(|fault| Problem::not_found(format!("{path:?} is no tile: {fault}")))?;
    let level = tile.level.unwrap_or(0);
    let held = app
        .look(cooperative, caller, move |hosted| {
            let replica = &hosted.replica;
            if width(level, tile.index, replica.published()) < tile.width() {
                return Err(Problem::not_found("this log is not that long yet"));
            }
            Ok(replica.tree().tile(level, tile.index).map(<[u8]>::to_vec))
        })
        .await?;
    let bytes = match tile.level {
        None => app.read(move |store| bundle(store, &cooperative, &tile)).await?,
        Some(level) => {
            let key = tile_key(&cooperative, level, tile.index);
            let stored = app.read(move |store| store.read(Column::Tile, &key)).await?;
            stored.or(held).and_then(|hashes| beginning(hashes, tile.width()))
        }
    };
    let bytes = bytes.ok_or_else(|| Problem::not_found("this tile is not on this node's disk"))?;
    let mut response = typed(OCTETS, bytes);
    response.headers_mut().insert(header::CACHE_CONTROL, FOREVER);
    Ok(response)
}

fn beginning(mut hashes: Vec<u8>, width: u64) -> Option<Vec<u8>> {
    let bytes = usize::try_from(width).ok()?.checked_mul(HASH_BYTES)?;
    (hashes.len() >= bytes).then(|| {
        hashes.truncate(bytes);
        hashes
    })
}

/// Leaves with their lengths; `None` if one is missing.
fn bundle(
    store: &Store,
    cooperative: &EntryId,
    tile: &TilePath,
) -> Result<Option<Vec<u8>>, StoreFault> {
    let from = tile.index.saturating_mul(TILE_WIDTH);
    let span = Span::prefix(&cooperative.0).starting_at(&leaf_key(cooperative, from));
    let count = usize::try_from(tile.width()).unwrap_or(usize::MAX);
    let leaves = store.range(Column::Leaf, &span, count)?;
    let mut bundle = Vec::new();
    for (index, (key, leaf)) in (from..).zip(&leaves) {
        if *key != leaf_key(cooperative, index) || push_leaf(&mut bundle, leaf).is_err() {
            return Ok(None);
        }
    }
    Ok((leaves.len() == count).then_some(bundle))
}

/// `GET …/proofs/{id}`: the entry's receipt from this node.
pub async fn proof(
    State(app): State<Shared>,
    caller: Caller,
    Path((cooperative, entry)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (cooperative, entry) = (id(&cooperative)?, id(&entry)?);
    let (index, size, note, tree) = app
        .look(cooperative, caller, move |hosted| {
            let replica = &hosted.replica;
            let place = replica.places().find(&entry).filter(|it| it.leaf < replica.published());
            let place = place
                .ok_or_else(|| Problem::not_found(format!("entry {entry} has no place here")))?;
            // One that the roster has cosigned says more, if it covers the leaf.
            let cosigned = replica.cosigned_note().filter(|(size, _)| place.leaf < *size);
            let latest = || replica.note().map(|note| (replica.published(), note));
            let (size, note) =
                cosigned.or_else(latest).ok_or_else(|| Problem::not_found("nothing is signed"))?;
            Ok((place.leaf, size, note.clone(), replica.tree().clone()))
        })
        .await?;
    let receipt =
        app.read(move |store| prove(store, &cooperative, &tree, index, size, note)).await?;
    let receipt = receipt.map_err(|fault| Problem::not_found(fault.to_string()))?;
    Ok(typed(TEXT, receipt.to_string()))
}

fn prove(
    store: &Store,
    cooperative: &EntryId,
    tree: &Tree,
    index: u64,
    size: u64,
    checkpoint: Note,
) -> Result<Result<Receipt, Unprovable>, StoreFault> {
    let mut fault = None;
    let proof = tree.prove_inclusion(index, size, |level, tile| {
        store.read(Column::Tile, &tile_key(cooperative, level, tile)).unwrap_or_else(|broken| {
            fault = Some(broken);
            None
        })
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let extra = store.read(Column::Leaf, &leaf_key(cooperative, index))?.unwrap_or_default();
    Ok(proof.map(|proof| Receipt { index, proof, checkpoint, extra }))
}
