//! Everything this node knows of a cooperative, as one file that needs no node to be checked.
//!
//! The rows of the other logs refer to leaves of this node's own log; so they are read first, at
//! one moment, and the own log after that, to a signed size that covers them. What is streamed is
//! read as it is sent: the file is as long as the log, the memory is not.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use talea_ledger::batch::Column;
use talea_ledger::replica::leaf_key;
use talea_ledger::settle::Row;
use talea_protocol::bytes::{FRAME_BYTES_MAX, Octets, decode};
use talea_protocol::export::{Section, Writer, leaves};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::message::{Item, Payload};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::error;

use super::caller::Caller;
use super::problem::Problem;
use super::{Shared, id, typed};
use crate::span::Span;
use crate::store::{Store, StoreFault};

/// Frames read ahead of the one who downloads: 1 MiB at most.
const AHEAD: usize = 4;
/// Leaves read at once.
const PAGE: usize = 512;
/// How often, and how many times, the own log is asked whether it has caught up.
const ASK_EVERY: Duration = Duration::from_millis(20);
const ASKS_MAX: u32 = 250;

/// The other logs, as they were at one moment.
struct Others {
    rows: Vec<(NodeKey, u64, Row)>,
    notes: Vec<(NodeKey, Vec<u8>)>,
    /// Size of this node's own log that the rows refer to.
    needed: u64,
}

/// `GET …/export`
pub async fn export(
    State(app): State<Shared>,
    caller: Caller,
    Path(cooperative): Path<String>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    app.look(cooperative, caller, |_| Ok(())).await?;
    let me = app.me;
    let others = app.read(move |store| others(store, &cooperative, &me)).await?;
    let (size, note) = own(&app, cooperative, caller, others.needed).await?;
    let (out, pieces) = mpsc::channel(AHEAD);
    let store = Arc::clone(&app.store);
    let time = (app.clock.wall)();
    let _writing = tokio::task::spawn_blocking(move || {
        let (writer, head) = Writer::begin(cooperative, me, time);
        let mut file = File { writer, out };
        if file.put(head).is_break() {
            return;
        }
        match file.write(&store, &cooperative, (me, size, note), others) {
            Ok(ControlFlow::Continue(())) => drop(file.out.blocking_send(file.writer.end().into())),
            // Whoever downloads has left, or gets a file without an end and sees that.
            Ok(ControlFlow::Break(())) => {}
            Err(fault) => error!(%fault, "an export could not be read to its end"),
        }
    });
    let body = stream::unfold(pieces, |mut pieces| async move {
        let piece: Bytes = pieces.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), pieces))
    });
    let mut response = typed("application/vnd.talea.export", Body::from_stream(body));
    let name = format!("attachment; filename=\"{}.talea\"", &cooperative.to_string()[..8]);
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// A signed size of the own log that covers what the other logs refer to.
async fn own(
    app: &Shared,
    cooperative: EntryId,
    caller: Caller,
    needed: u64,
) -> Result<(u64, String), Problem> {
    for _ in 0..ASKS_MAX {
        let signed = app.look(cooperative, caller, move |hosted| {
            let size = hosted.replica.published();
            Ok(hosted.replica.note().filter(|_| size >= needed).map(|n| (size, n.to_string())))
        });
        if let Some(signed) = signed.await? {
            return Ok(signed);
        }
        sleep(ASK_EVERY).await;
    }
    Err(Problem::timeout())
}

fn others(store: &Store, cooperative: &EntryId, me: &NodeKey) -> Result<Others, StoreFault> {
    let snapshot = store.snapshot();
    let of = Span::prefix(&cooperative.0);
    let mut others = Others { rows: Vec::new(), notes: Vec::new(), needed: 0 };
    for (key, note) in snapshot.range(Column::Checkpoint, &of, usize::MAX)? {
        let owner = key.get(32..).and_then(|node| node.try_into().ok()).map(NodeKey);
        others.notes.extend(owner.filter(|owner| owner != me).map(|owner| (owner, note)));
    }
    for (key, row) in snapshot.range(Column::Mirror, &of, usize::MAX)? {
        let Some((owner, from)) = key.get(32..).and_then(|rest| rest.split_first_chunk()) else {
            continue;
        };
        let (Ok(from), Ok(row)) = (from.try_into(), decode::<Row>(&row, FRAME_BYTES_MAX)) else {
            continue;
        };
        for item in &row {
            if let Item::Copy { from, count, .. } = item {
                others.needed = others.needed.max(from.saturating_add(u64::from(*count)));
            }
        }
        others.rows.push((NodeKey(*owner), u64::from_be_bytes(from), row));
    }
    Ok(others)
}

/// An export on its way out.
struct File {
    writer: Writer,
    out: mpsc::Sender<Bytes>,
}

impl File {
    fn put(&mut self, piece: Vec<u8>) -> ControlFlow<()> {
        match self.out.blocking_send(piece.into()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn section(&mut self, section: &Section) -> ControlFlow<()> {
        let piece = self.writer.frame(section);
        self.put(piece)
    }

    fn write(
        &mut self,
        store: &Store,
        cooperative: &EntryId,
        (me, size, note): (NodeKey, u64, String),
        others: Others,
    ) -> Result<ControlFlow<()>, StoreFault> {
        if self.own_log(store, cooperative, size)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        for (log, from, items) in others.rows {
            if self.section(&Section::Mirror { log, from, items }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let own = (me, note.into_bytes());
        for (log, note) in std::iter::once(own).chain(others.notes) {
            let Some(note) = Octets::new(note) else { continue };
            if self.section(&Section::Checkpoint { log, note }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.payloads(store, cooperative)
    }

    fn own_log(
        &mut self,
        store: &Store,
        cooperative: &EntryId,
        size: u64,
    ) -> Result<ControlFlow<()>, StoreFault> {
        let mut from = 0;
        while from < size {
            let span = Span::prefix(&cooperative.0)
                .starting_at(&leaf_key(cooperative, from))
                .ending_before(&leaf_key(cooperative, size));
            let page = store.range(Column::Leaf, &span, PAGE)?;
            let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
            for section in leaves(from, page.into_iter().map(|(_, leaf)| leaf)) {
                if self.section(&section).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if count == 0 {
                break;
            }
            from += count;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn payloads(
        &mut self,
        store: &Store,
        cooperative: &EntryId,
    ) -> Result<ControlFlow<()>, StoreFault> {
        let mut flow = ControlFlow::Continue(());
        store.visit(Column::Payload, &Span::prefix(&cooperative.0), |key, value| {
            let Some(payload) = payload(key, value) else { return ControlFlow::Continue(()) };
            flow = self.section(&Section::Payload(payload));
            flow
        })?;
        Ok(flow)
    }
}

fn payload(key: &[u8], value: &[u8]) -> Option<Payload> {
    let entry = EntryId(key.get(32..)?.try_into().ok()?);
    let (salt, bytes) = value.split_first_chunk::<32>()?;
    Some(Payload { entry, salt: *salt, bytes: Octets::new(bytes.to_vec())? })
}
