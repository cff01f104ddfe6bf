//! The operator's door: HTTP on a Unix socket that only this node's user can open.
//!
//! What it may do is decided by the file's permissions and nothing else. It hosts cooperatives,
//! names peers and shows how the node is; it can sign nothing and forge nothing.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use talea_ledger::batch::{Batch, Column};
use talea_ledger::place::Refusal;
use talea_ledger::register::Register;
use talea_ledger::replica::{Behind, Replica};
use talea_protocol::entry::{Entry, Signed, check};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::tree::TreeHash;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use crate::backup;
use crate::config::{PEERS_MAX, Peer};
use crate::hosted::{self, HOSTS_MAX};
use crate::http::Shared;
use crate::http::problem::Problem;
use crate::http::{cooperatives, json as answer};
use crate::order::{Host, Hosting, Order};
use crate::promise::{self, Promise, Promises};
use crate::reception;
use crate::restore::peer_row;

/// The socket's name in the data folder.
pub const FILE: &str = "control.sock";
/// Longest path of a Unix socket, in bytes, on every system that this runs on.
const PATH_BYTES_MAX: usize = 103;

/// Why there is no control socket. The operator's to solve.
#[derive(Debug, thiserror::Error)]
pub enum ControlFault {
    /// The system's limit.
    #[error("{} is {length} bytes long, a socket's path at most {PATH_BYTES_MAX}", path.display())]
    Long {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        length: usize,
    },
    /// The system's reason.
    #[error("{}: {cause}", path.display())]
    Socket {
        /// The path.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

/// Opens the socket. The caller holds the store's lock, so a socket that is there is a dead one.
///
/// # Errors
/// [`ControlFault`].
pub fn bind(data: &Path) -> Result<UnixListener, ControlFault> {
    let path = data.join(FILE);
    let length = path.as_os_str().len();
    if length > PATH_BYTES_MAX {
        return Err(ControlFault::Long { path, length });
    }
    let open = || {
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    open().map_err(|cause| ControlFault::Socket { path: path.clone(), cause })
}

/// A cooperative to be kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostRequest {
    cooperative: EntryId,
    #[serde(default)]
    peers: Vec<Peer>,
    charter: Option<String>,
    /// Whether this node has kept it before, and lost what it had signed.
    #[serde(default)]
    lost: bool,
}

/// Nodes to be dialled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeersRequest {
    peers: Vec<Peer>,
}

/// What the operator may ask.
pub fn router(app: Shared, data: &Path) -> Router {
    let (promises, data) = (data.join(promise::FOLDER), data.to_owned());
    Router::new()
        .route("/status", get(status))
        .route("/host", post(move |app, body| host(app, promises.clone(), body)))
        .route("/peers", post(peers))
        .route("/backup", post(move |app, body| backup(app, data.clone(), body)))
        .with_state(app)
}

async fn status(State(app): State<Shared>) -> Result<Response, Problem> {
    let now = app.clock.moment().0;
    let hosted = app.orders.ask(move |hosts| {
        let all = hosts.values_mut().map(|hosted| {
            let root = hosted.replica.state_mut().root();
            let mut overview = cooperatives::overview(&hosted.replica, now);
            if let Some(fields) = overview.as_object_mut() {
                fields.insert("state".to_owned(), json!(root));
            }
            (overview, hosted.replica.behind().map(|why| behind(&hosted.replica, &why)))
        });
        all.unzip::<_, _, Vec<_>, Vec<_>>()
    });
    let (hosted, behind) = hosted.await.ok_or_else(Problem::stopping)?;
    let behind: Vec<_> = behind.into_iter().flatten().collect();
    let peers: Vec<_> = app.book.nodes().iter().map(|node| peer(&app, node)).collect();
    let failed: Vec<_> = app
        .failed
        .iter()
        .map(|(cooperative, reason)| json!({ "cooperative": cooperative, "reason": reason }))
        .collect();
    Ok(answer(&json!({
        "node": app.me,
        "http": app.addresses.http,
        "quic": app.addresses.quic,
        "cooperatives": hosted,
        "failed": failed,
        "behind": behind,
        "peers": peers,
        "disk_bytes": app.store.disk_bytes().ok(),
        "attachments": { "bytes": app.shelf.bytes(), "missing": app.shelf.missing() },
    })))
}

/// A cooperative that gets no new leaf, why, and what to do.
fn behind(replica: &Replica, why: &Behind) -> serde_json::Value {
    json!({
        "cooperative": replica.cooperative(),
        "reason": why.to_string(),
        "hint": hosted::hint(why),
    })
}

fn peer(app: &Shared, node: &NodeKey) -> serde_json::Value {
    json!({
        "node": node,
        "addresses": app.book.addresses(node),
        "connected": app.links.has(node),
    })
}

async fn peers(State(app): State<Shared>, body: Bytes) -> Result<Response, Problem> {
    let request: PeersRequest = parse(&body)?;
    meet(&app, &request.peers).await?;
    Ok(answer(&json!({ "peers": request.peers.len() })))
}

async fn host(
    State(app): State<Shared>,
    promises: PathBuf,
    body: Bytes,
) -> Result<Response, Problem> {
    let HostRequest { cooperative, peers, charter, lost } = parse(&body)?;
    let charter = charter.map(|text| charter_of(&cooperative, &text)).transpose()?;
    meet(&app, &peers).await?;
    let is_known = app.orders.ask(move |hosts| hosts.contains_key(&cooperative)).await;
    if is_known == Some(false) {
        let time = (app.clock.wall)();
        blocking(move || begin_promise(&promises, cooperative, time)).await?;
    }
    let hosts = peers.iter().map(|peer| peer.node).take(HOSTS_MAX).collect();
    let (done, kept) = oneshot::channel();
    let charter = charter.map(|charter| Box::new(Entry::clone(&charter)));
    app.orders.give(Order::Host(Host { cooperative, hosts, charter, is_lost: lost, done }));
    let status = match kept.await {
        Ok(Hosting::Already) => "already",
        Ok(Hosting::Begun(None)) => "hosting",
        Ok(Hosting::Begun(Some(reply))) => {
            let reply = reply.await.map_err(|_| Problem::stopping())?;
            match Problem::of(&reply) {
                Some(problem) => return Err(problem),
                None => "hosting",
            }
        }
        Ok(Hosting::OtherCharter(named)) => return Err(other_charter(named)),
        Ok(Hosting::Stopping) | Err(_) => return Err(Problem::stopping()),
    };
    Ok(answer(&json!({ "cooperative": cooperative, "status": status })))
}

/// Promises an empty log, unless more is promised already. So a promise that is missing later has
/// been lost, and what this node has signed is for the roster to say.
fn begin_promise(folder: &Path, cooperative: EntryId, time: u64) -> Result<(), Problem> {
    let begun = Promises::open(folder, cooperative).and_then(|mut promises| {
        let nothing = Promise { size: 0, root: TreeHash::EMPTY, time };
        if promises.newest().is_some() { Ok(()) } else { promises.keep(nothing) }
    });
    begun.map_err(|fault| disk(&fault, fault.hint()))
}

/// Where a backup goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupRequest {
    to: PathBuf,
}

/// Copies the store and the promises while the node goes on; whoever asked audits the copy.
async fn backup(
    State(app): State<Shared>,
    data: PathBuf,
    body: Bytes,
) -> Result<Response, Problem> {
    let BackupRequest { to } = parse(&body)?;
    if !to.is_absolute() {
        return Err(Problem::bad_request("where a backup goes is named from / on"));
    }
    let store = Arc::clone(&app.store);
    let part = backup::unfinished(&to);
    blocking(move || backup::copy(&data, &store, &to).map_err(|fault| disk(&fault, fault.hint())))
        .await?;
    let time = (app.clock.wall)();
    Ok(answer(&json!({ "unfinished": part, "node": app.me, "time": time })))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Problem::stopping()))
}

fn disk(fault: &impl std::fmt::Display, hint: &'static str) -> Problem {
    let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "disk", fault.to_string(), hint)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(error.to_string()))
}

/// A charter that would found the cooperative of this id. Nothing is kept of one that would not.
fn charter_of(cooperative: &EntryId, text: &str) -> Result<Signed, Problem> {
    let bytes = STANDARD.decode(text);
    let bytes = bytes.map_err(|_| Problem::bad_request("the charter is not base64"))?;
    let entry = Entry::parse(bytes).map_err(|unsound| Problem::unsound(&unsound))?;
    if entry.id() != *cooperative {
        return Err(other_charter(entry.id()));
    }
    let checked = check(vec![entry]).pop().ok_or_else(Problem::busy)?;
    let signed = checked.map_err(|(_, unsound)| Problem::unsound(&unsound))?;
    match Register::found(&signed) {
        Ok(_) => Ok(signed),
        Err(refusal) => {
            let refusal = Refusal::Charter(refusal);
            Err(Problem::rule(refusal.rule(), refusal.to_string()))
        }
    }
}

fn other_charter(named: EntryId) -> Problem {
    let detail = format!("the charter is that of {named}");
    Problem::new(axum::http::StatusCode::CONFLICT, "other-charter", detail, reception::hint(10))
}

/// Enters peers in the book, on disk first.
async fn meet(app: &Shared, peers: &[Peer]) -> Result<(), Problem> {
    if let Some(bad) = peers.iter().find(|peer| !peer.is_addressed()) {
        return Err(Problem::bad_request(format!("{:?} is not a host and a port", bad.address)));
    }
    if peers.len() > PEERS_MAX {
        return Err(Problem::bad_request(format!("{PEERS_MAX} peers at most")));
    }
    let mut batch = Batch::new();
    for (key, value) in peers.iter().map(peer_row) {
        batch.put(Column::Meta, key, value);
    }
    let (done, kept) = oneshot::channel();
    app.orders.give(Order::Keep(
        batch,
        Box::new(move || {
            // Whoever asked may have left.
            let _ = done.send(());
        }),
    ));
    kept.await.map_err(|_| Problem::stopping())?;
    for peer in peers {
        app.book.add(peer);
    }
    Ok(())
}
