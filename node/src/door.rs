//! The other side of the control socket: how a command talks to the node that runs here.
//!
//! One question over one connection, which the node closes. What is asked and what the answers
//! mean is `control`'s business.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::control::FILE;

/// The longest that an answer may take: a backup copies the whole store.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DoorFault {
    /// No node runs on this data folder.
    #[error("no node runs on {}", data.display())]
    Closed {
        /// The data folder.
        data: PathBuf,
    },
    /// The connection broke.
    #[error("the node does not answer: {0}")]
    Broken(#[from] io::Error),
    /// The node says why not.
    #[error("{detail}")]
    Refused {
        /// Its reason.
        detail: String,
        /// What it says to do.
        hint: String,
    },
}

impl DoorFault {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::Closed { .. } => "start it with: talead run --data <folder>",
            Self::Broken(_) => "its log says more",
            Self::Refused { hint, .. } => hint,
        }
    }
}

/// Asks the node that runs on a data folder.
///
/// # Errors
/// [`DoorFault`].
pub fn ask(data: &Path, method: &str, path: &str, body: &Value) -> Result<Value, DoorFault> {
    let mut stream = UnixStream::connect(data.join(FILE))
        .map_err(|_| DoorFault::Closed { data: data.to_owned() })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.0\r\nHost: node\r\nContent-Length: {length}\r\n\r\n");
    // In one piece: the node may answer and close before it has read a body in a second one.
    stream.write_all((head + &body).as_bytes())?;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer)?;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "this is no answer");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let said: Value = serde_json::from_str(body).map_err(io::Error::other)?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(said),
        Some(_) => {
            let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
            Err(DoorFault::Refused { detail: text("detail"), hint: text("hint") })
        }
        None => Err(broken().into()),
    }
}
