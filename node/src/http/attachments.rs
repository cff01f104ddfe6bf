//! Attachments over HTTP: brought, listed and given, in pieces.
//!
//! What is brought is named by a payload that is here already; so it costs no more than its author's
//! entries allow, and whoever brings it is asked only for a device. Who is given it, the payload says
//! (`Visibility`). It is always given as plain bytes to be saved, never as a page.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use serde_json::json;
use talea_protocol::attachment::{Attachment, Mismatch};
use talea_protocol::hash::EntryId;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{error, warn};

use super::caller::Caller;
use super::problem::Problem;
use super::{App, Shared, id, json as answer, typed};
use crate::exchange::Haste;
use crate::shelf::{Label, Shelf, ShelfFault};

/// The longest that nothing of an upload comes, as with other requests (reliability, section 5).
const STALL_MAX: Duration = Duration::from_secs(10);
/// The longest that an upload takes in all: 16 MiB at 55 KiB/s. It holds one of few places.
pub const UPLOAD_MAX: Duration = Duration::from_secs(5 * 60);
/// The longest that whoever asks waits for it to be brought from another node: an answer begins in
/// 10 s.
const BRING_MAX: Duration = Duration::from_secs(8);
/// Bytes read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces read ahead of the disk, or of whoever downloads.
const AHEAD: usize = 4;

type Named = (String, String, String);

fn label((cooperative, entry, blake3): &Named) -> Result<Label, Problem> {
    Ok(Label {
        cooperative: id(cooperative)?,
        entry: id(entry)?,
        blake3: talea_protocol::hash::Hash(id(blake3)?.0),
    })
}

/// `GET …/entries/{entry}/attachments`
pub async fn list(
    State(app): State<Shared>,
    caller: Caller,
    Path((cooperative, entry)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (cooperative, entry) = (id(&cooperative)?, id(&entry)?);
    app.look(cooperative, caller, |_| Ok(())).await?;
    let rows = on_shelf(&app, move |shelf| {
        let all = shelf.listed(&cooperative, &entry)?.into_iter();
        let rows = all.map(|it| {
            let is_here = shelf.has(&Label { cooperative, entry, blake3: it.blake3 });
            row(&it, is_here)
        });
        Ok(rows.collect::<Vec<_>>())
    });
    Ok(answer(&json!({ "attachments": rows.await? })))
}

fn row(it: &Attachment, is_here: bool) -> serde_json::Value {
    let Attachment { blake3, size, media, visibility } = it;
    json!({ "blake3": blake3, "size": size, "media": media, "visibility": visibility, "here": is_here })
}

/// `PUT …/entries/{entry}/attachments/{blake3}`
pub async fn put(
    State(app): State<Shared>,
    caller: Caller,
    Path(named): Path<Named>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let label = label(&named)?;
    enrolled(&app, label.cooperative, caller).await?;
    let attachment = find(&app, label).await?;
    if on_shelf(&app, move |shelf| Ok(shelf.has(&label))).await? {
        return Ok(kept("known", &attachment));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length != attachment.size) {
        let size = attachment.size;
        return Err(mismatch(format!("{} bytes of an attachment of {size}", length.unwrap_or(0))));
    }
    let arrived = timeout(UPLOAD_MAX, take(&app, label, attachment.clone(), body)).await;
    arrived.map_err(|_| Problem::timeout())??;
    Ok(kept("kept", &attachment))
}

fn kept(status: &str, attachment: &Attachment) -> Response {
    answer(&json!({ "status": status, "blake3": attachment.blake3, "size": attachment.size }))
}

/// Has what comes written as it comes. If it ends early it is too short, and nothing is kept: nor if
/// it stalls, and then the same bytes may come again.
async fn take(app: &App, label: Label, attachment: Attachment, body: Body) -> Result<(), Problem> {
    let (pieces, mut inbox) = mpsc::channel::<Bytes>(AHEAD);
    let shelf = Arc::clone(&app.shelf);
    let writing = tokio::task::spawn_blocking(move || {
        let mut arriving = shelf.begin(label, &attachment)?;
        while let Some(piece) = inbox.blocking_recv() {
            arriving.take(&piece)?;
        }
        shelf.keep(arriving)
    });
    let mut body = body.into_data_stream();
    let has_ended = loop {
        match timeout(STALL_MAX, body.next()).await {
            Ok(Some(Ok(piece))) => {
                if pieces.send(piece).await.is_err() {
                    // Whoever writes has stopped, and says why.
                    break true;
                }
            }
            Ok(None) => break true,
            Ok(Some(Err(_))) | Err(_) => break false,
        }
    };
    drop(pieces);
    match writing.await {
        Ok(Err(ShelfFault::Mismatch(Mismatch::Short { .. }))) if !has_ended => {
            Err(Problem::timeout())
        }
        Ok(done) => done.map_err(|fault| problem(&fault)),
        Err(_) => Err(Problem::stopping()),
    }
}

/// `GET …/entries/{entry}/attachments/{blake3}`
pub async fn get(
    State(app): State<Shared>,
    caller: Caller,
    Path(named): Path<Named>,
) -> Result<Response, Problem> {
    let label = label(&named)?;
    app.look(label.cooperative, caller, |_| Ok(())).await?;
    let attachment = find(&app, label).await?;
    let visibility = attachment.visibility;
    app.look(label.cooperative, caller, move |hosted| {
        let may_see = hosted.may_see(caller.0.as_ref(), &label.entry, visibility);
        if may_see { Ok(()) } else { Err(hidden()) }
    })
    .await?;
    if !on_shelf(&app, move |shelf| Ok(shelf.has(&label))).await? {
        bring(&app, label, attachment.clone()).await?;
    }
    let file = on_shelf(&app, move |shelf| Ok(shelf.read(&label)?)).await?;
    let file = file.ok_or_else(|| absent(&label))?;
    Ok(given(file, attachment.size))
}

fn absent(label: &Label) -> Problem {
    Problem::not_found(format!("no node that answers here has attachment {}", label.blake3))
}

/// Has it brought by a peer. Whoever asks waits for a while; it goes on after that.
async fn bring(app: &App, label: Label, attachment: Attachment) -> Result<(), Problem> {
    let bringing = Arc::clone(&app.exchange).fetch(label, attachment, Haste::Asked);
    match timeout(BRING_MAX, tokio::spawn(bringing)).await {
        Ok(Ok(Ok(true))) => Ok(()),
        Ok(Ok(Ok(false))) => Err(absent(&label)),
        Ok(Ok(Err(fault))) => Err(problem(&fault)),
        Ok(Err(_)) => Err(Problem::stopping()),
        Err(_) => Err(problem(&ShelfFault::UnderWay)),
    }
}

/// The file, read as it is sent.
fn given(mut file: std::fs::File, size: u64) -> Response {
    let (out, pieces) = mpsc::channel(AHEAD);
    let _reading = tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let sent = match file.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => {
                    piece.truncate(count);
                    out.blocking_send(Ok(Bytes::from(piece)))
                }
                Err(fault) => {
                    error!(%fault, "an attachment could not be read to its end");
                    drop(out.blocking_send(Err(fault)));
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
    });
    let body = stream::unfold(pieces, |mut pieces| async move {
        let piece: std::io::Result<Bytes> = pieces.recv().await?;
        Some((piece, pieces))
    });
    let mut response = typed("application/octet-stream", Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    response
}

/// Whoever brings or asks proves an enrolled device, whatever may be read without.
async fn enrolled(app: &App, cooperative: EntryId, caller: Caller) -> Result<(), Problem> {
    let unproven = || Problem::unauthorized("an attachment is brought by an enrolled device");
    let device = caller.0.ok_or_else(unproven)?;
    let is_enrolled = app.look(cooperative, caller, move |hosted| {
        let register = hosted.replica.register();
        Ok(register.is_some_and(|it| it.device(&device, it.head().0).is_some()))
    });
    if is_enrolled.await? { Ok(()) } else { Err(unproven()) }
}

async fn find(app: &App, label: Label) -> Result<Attachment, Problem> {
    let named = on_shelf(app, move |shelf| Ok(shelf.named(&label)?)).await?;
    named.ok_or_else(|| {
        let Label { entry, blake3, .. } = label;
        Problem::not_found(format!("no payload here of entry {entry} names attachment {blake3}"))
    })
}

async fn on_shelf<T: Send + 'static>(
    app: &App,
    ask: impl FnOnce(&Shelf) -> Result<T, ShelfFault> + Send + 'static,
) -> Result<T, Problem> {
    let shelf = Arc::clone(&app.shelf);
    match tokio::task::spawn_blocking(move || ask(&shelf)).await {
        Ok(done) => done.map_err(|fault| problem(&fault)),
        Err(_) => Err(Problem::stopping()),
    }
}

fn mismatch(detail: String) -> Problem {
    let hint = "send the very bytes that were attached; nothing of these was kept";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-bytes", detail, hint)
}

fn hidden() -> Problem {
    let hint = "the author chose who is given it: ask the author, or somebody who holds an office";
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-visible",
        "this attachment is not for this device",
        hint,
    )
}

fn problem(fault: &ShelfFault) -> Problem {
    match fault {
        ShelfFault::Mismatch(it) => mismatch(it.to_string()),
        ShelfFault::Erased => Problem::not_found(fault.to_string()),
        ShelfFault::Busy => {
            let hint = "send it again after the time in Retry-After, here or to another node";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", fault.to_string(), hint)
        }
        ShelfFault::UnderWay => {
            let hint = "ask again after the time in Retry-After: it goes on meanwhile";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", fault.to_string(), hint)
        }
        ShelfFault::Full { .. } | ShelfFault::Room { .. } => {
            let hint = "give it to another node, or have what is not needed any more erased";
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, "full", fault.to_string(), hint)
        }
        ShelfFault::Store(fault) => Problem::disk(fault),
        ShelfFault::Disk(fault) => {
            warn!(%fault, "attachments");
            let detail = "the disk cannot be read or written; the log says more";
            let hint = "the operator makes room, or sees to the disk";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "disk", detail, hint)
        }
    }
}
