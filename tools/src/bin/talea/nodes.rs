//! A node on this machine, over its control socket.

use std::path::Path;

use serde_json::{Value, json};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_tools::table;

use crate::cli::{self, Common};
use crate::desk;
use crate::failure::{Failure, Outcome};
use crate::http::Node;
use crate::out;

/// A node that keeps a cooperative, and where it answers other nodes.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its key.
    pub node: NodeKey,
    /// Host and port, for QUIC.
    pub address: String,
}

/// `talea node`.
pub fn run(common: &Common, command: &cli::Node) -> Outcome {
    match command {
        cli::Node::Status { data } => status(common, data),
        cli::Node::Host { data, id, peers } => host_here(common, data, id.as_deref(), peers),
    }
}

/// Makes a node keep a cooperative. Its charter comes later, as every entry does: by submission,
/// with its payload, or from the other nodes.
pub fn host(node: &Node, cooperative: EntryId, peers: &[Peer]) -> Outcome<Value> {
    let peers: Vec<Value> =
        peers.iter().map(|peer| json!({ "node": peer.node, "address": peer.address })).collect();
    node.write("/host", &json!({ "cooperative": cooperative, "peers": peers }))
}

fn status(common: &Common, data: &Path) -> Outcome {
    let status: Value = Node::control(data).read("/status", None)?;
    desk::form(common).give(&status, |status| {
        let rows = status.as_object().into_iter().flatten();
        let rows = rows.map(|(name, value)| (name.as_str(), shown(value)));
        out::say(table::pairs(rows).trim_end());
    });
    Ok(())
}

fn host_here(common: &Common, data: &Path, id: Option<&str>, peers: &[String]) -> Outcome {
    let cooperative = match id {
        Some(id) => id.parse().map_err(|_| bad_id(id))?,
        None => desk::wallet(common)?.cooperative(common.coop.as_deref())?.cooperative,
    };
    let peers = peers.iter().map(|text| peer(text)).collect::<Outcome<Vec<Peer>>>()?;
    let answer = host(&Node::control(data), cooperative, &peers)?;
    desk::form(common).give(&answer, |_| {
        out::say(&format!("{cooperative} is kept by the node at {}", data.display()));
    });
    Ok(())
}

fn peer(text: &str) -> Outcome<Peer> {
    let parts = text.split_once('@');
    let parts = parts.and_then(|(node, address)| Some((node.parse().ok()?, address)));
    let (node, address) = parts.ok_or_else(|| {
        Failure::usage(
            format!("`{text}` is not KEY@HOST:PORT"),
            "`talead id` prints a node's key; its config.toml says where it answers by QUIC",
        )
    })?;
    Ok(Peer { node, address: address.to_owned() })
}

fn bad_id(id: &str) -> Failure {
    Failure::usage(format!("`{id}` is no cooperative's id"), "an id has 64 hexadecimal digits")
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
