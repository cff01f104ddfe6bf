//! Waiting until a node holds all that it has ever signed: for an operator whose disk was lost.
//!
//! The node fetches by itself ([`talea_ledger::replica::Behind`]); here it is told where peers
//! are, and what it kept if neither store nor promise says so any more, and watched until nothing
//! is lacking. It is asked through its control socket, so that it may have been running before, or
//! have been started for this alone.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

use serde_json::{Value, json};
use talea_protocol::hash::EntryId;

use crate::config::Peer;
use crate::door::{DoorFault, ask};
use crate::store::FOLDER;

/// Between two looks at the node.
const LOOK: Duration = Duration::from_millis(200);

/// Why a node does not hold all that it has signed.
#[derive(Debug, thiserror::Error)]
pub enum RecoverFault {
    /// The node cannot be asked.
    #[error(transparent)]
    Door(#[from] DoorFault),
    /// Neither store nor promise names a cooperative, and nobody else did.
    #[error("neither a store nor a promise here says what this node has kept")]
    Nothing,
    /// Nothing has come for too long.
    #[error("{}", reasons(.0))]
    Stuck(Vec<Value>),
    /// The store cannot be moved away.
    #[error("{}: {cause}", path.display())]
    Folder {
        /// The store.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

fn reasons(behind: &[Value]) -> String {
    let reason = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        format!("cooperative {}: {}", text("cooperative"), text("reason"))
    };
    behind.iter().map(reason).collect::<Vec<_>>().join("; ")
}

impl RecoverFault {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::Door(fault) => fault.hint(),
            Self::Nothing => {
                "name each cooperative that it kept, with --cooperative ID: every wallet of its \
                 members shows the id, and so does talea node status on another node"
            }
            Self::Stuck(behind) => behind
                .first()
                .and_then(|one| one["hint"].as_str())
                .unwrap_or("see that the peer runs and is reached, and try again"),
            Self::Folder { .. } => "move the store away by hand, and keep the promise folder",
        }
    }
}

/// Reads a peer as it is written on a command line: its key, `@`, its host and port.
///
/// # Errors
/// In words.
pub fn peer(text: &str) -> Result<Peer, String> {
    let form = || "not a key, @, a host and a port".to_owned();
    let (node, address) = text.split_once('@').ok_or_else(form)?;
    let node = node.parse().map_err(|_| form())?;
    let peer = Peer { node, address: address.to_owned() };
    if peer.is_addressed() { Ok(peer) } else { Err(form()) }
}

/// Moves a store that cannot be used away, so that all of it is fetched; where it is now.
///
/// # Errors
/// [`RecoverFault::Folder`].
pub fn set_aside(data: &Path) -> Result<Option<PathBuf>, RecoverFault> {
    let store = data.join(FOLDER);
    if !store.exists() {
        return Ok(None);
    }
    let free = (1_u32..).map(|n| data.join(format!("{FOLDER}.aside-{n}"))).find(|to| !to.exists());
    let to = free.unwrap_or_else(|| data.join("store.aside"));
    let moved = fs::rename(&store, &to);
    moved.map_err(|cause| RecoverFault::Folder { path: store, cause })?;
    Ok(Some(to))
}

/// What an operator says about a node that has lost something.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where others of the roster are.
    pub from: Vec<Peer>,
    /// What the node kept, of which nothing need be here any more.
    pub kept: Vec<EntryId>,
}

/// Tells the node on a data folder what its operator knows, and waits until nothing is lacking, or
/// until nothing has come for `patience`. `tell` hears what is still lacking, each time that changes.
///
/// # Errors
/// [`RecoverFault`].
pub fn recover(
    data: &Path,
    told: &Told,
    patience: Duration,
    mut tell: impl FnMut(&str),
) -> Result<Value, RecoverFault> {
    let Told { from, kept } = told;
    ask(data, "POST", "/peers", &json!({ "peers": from }))?;
    for cooperative in kept {
        let host = json!({ "cooperative": cooperative, "peers": from, "lost": true });
        ask(data, "POST", "/host", &host)?;
    }
    let mut behind = lacking(data)?;
    if behind.is_empty() && cooperatives(data)?.is_empty() {
        return Err(RecoverFault::Nothing);
    }
    for one in behind.iter().chain(&charterless(data)?) {
        let host = json!({ "cooperative": one["cooperative"], "peers": from });
        ask(data, "POST", "/host", &host)?;
    }
    let mut idle = Duration::ZERO;
    while !behind.is_empty() {
        tell(&reasons(&behind));
        loop {
            thread::sleep(LOOK);
            let now = lacking(data)?;
            if now != behind {
                (behind, idle) = (now, Duration::ZERO);
                break;
            }
            idle += LOOK;
            if idle >= patience {
                return Err(RecoverFault::Stuck(behind));
            }
        }
    }
    let row = |one: &Value| json!({ "cooperative": one["id"], "leaves": one["log"]["size"] });
    let rows: Vec<Value> = cooperatives(data)?.iter().map(row).collect();
    Ok(json!({ "recovered": rows }))
}

/// What the node keeps.
fn cooperatives(data: &Path) -> Result<Vec<Value>, RecoverFault> {
    let status = ask(data, "GET", "/status", &Value::Null)?;
    Ok(status["cooperatives"].as_array().cloned().unwrap_or_default())
}

/// Cooperatives that lack something, with the reasons.
fn lacking(data: &Path) -> Result<Vec<Value>, RecoverFault> {
    let status = ask(data, "GET", "/status", &Value::Null)?;
    let mut lacking = status["behind"].as_array().cloned().unwrap_or_default();
    lacking.extend(status["failed"].as_array().cloned().unwrap_or_default());
    Ok(lacking)
}

/// Cooperatives of which not even the charter is here.
fn charterless(data: &Path) -> Result<Vec<Value>, RecoverFault> {
    let all = cooperatives(data)?;
    let without = all.iter().filter(|one| one["name"].is_null());
    Ok(without.map(|one| json!({ "cooperative": one["id"] })).collect())
}
