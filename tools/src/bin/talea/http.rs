//! The HTTP client: one node, asked one thing after another.
//!
//! Only the program `talea` has this module; nothing in the library opens a socket. What a node
//! answers is not believed: an export is audited before anything is read from it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use talea_protocol::bytes::hex;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, Purpose, SecretKey};
use talea_tools::journal::Payload;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body, SendBody, http::Response};

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::socket::UnixConnector;

/// How long a node may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long an attachment may take, in either direction: as long as a node gives an upload.
const ATTACHMENT_MAX: Duration = Duration::from_secs(5 * 60);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// A node.
pub struct Node {
    agent: Agent,
    base: String,
    shown: String,
}

/// Who asks: a private cooperative answers enrolled devices only.
pub struct Reader<'a> {
    /// The device's key.
    pub key: &'a SecretKey,
    /// The node that is asked: the request is for it alone.
    pub node: NodeKey,
}

impl Reader<'_> {
    /// The headers by which a node knows who asks.
    fn proof(&self, method: &str, path: &str) -> [(&'static str, String); 3] {
        let (Self { key, node }, time) = (self, clock::now_ms());
        let signed = format!("{method} {path}\n{node}\n{time}");
        let signature = key.sign(Purpose::Request, signed.as_bytes());
        [
            ("Talea-Device", key.device().to_string()),
            ("Talea-Time", time.to_string()),
            ("Talea-Signature", hex(&signature.0)),
        ]
    }
}

/// What became of an entry that was submitted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Submitted {
    /// The entry.
    pub id: EntryId,
    /// `placed`, `known` or `waiting`.
    pub status: String,
}

/// What a node keeps, of which only its own name is read here.
#[derive(Debug, Deserialize)]
struct Kept {
    node: NodeKey,
}

/// A problem, as RFC 9457 has it, with a stable code and a hint.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    code: String,
    detail: String,
    hint: String,
}

impl Node {
    /// A node by its HTTP address.
    pub fn at(address: &str) -> Self {
        let base =
            if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let base = base.trim_end_matches('/').to_owned();
        Self { agent: Agent::new_with_config(config()), shown: base.clone(), base }
    }

    /// A node on this machine by its data folder: its control socket is in it.
    pub fn control(data: &Path) -> Self {
        let socket = data.join("control.sock");
        let shown = socket.display().to_string();
        let agent = Agent::with_parts(config(), UnixConnector(socket), DefaultResolver::default());
        Self { agent, base: "http://127.0.0.1".to_owned(), shown }
    }

    /// The address as it was given.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The node's key, as it says.
    pub fn identity(&self) -> Outcome<NodeKey> {
        let kept: Kept = self.read("/v1/cooperatives", None)?;
        Ok(kept.node)
    }

    /// Reads a JSON value.
    pub fn read<T: DeserializeOwned>(&self, path: &str, reader: Option<&Reader<'_>>) -> Outcome<T> {
        let response = self.get(path, reader)?;
        self.json(path, response)
    }

    /// Reads bytes.
    pub fn read_bytes(&self, path: &str, reader: Option<&Reader<'_>>) -> Outcome<Vec<u8>> {
        let mut response = self.get(path, reader)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        body.map_err(|error| self.silent(&error))
    }

    /// Gives a JSON value, and reads another.
    pub fn write<T: DeserializeOwned>(&self, path: &str, value: &Value) -> Outcome<T> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let response = request.send_json(value).map_err(|error| self.silent(&error))?;
        let response = self.examine(response)?;
        self.json(path, response)
    }

    /// Submits an entry with its payload.
    pub fn submit(&self, entry: &Signed, payload: Option<&Payload>) -> Outcome<Submitted> {
        let path = format!("/v1/cooperatives/{}/entries", entry.cooperative());
        let body = json!({ "entry": STANDARD.encode(entry.bytes()), "payload": payload });
        self.write(&path, &body)
    }

    /// Gives a file of so many bytes, in pieces.
    pub fn put(&self, path: &str, file: &mut File, size: u64, reader: &Reader<'_>) -> Outcome {
        let request = self.agent.put(format!("{}{path}", self.base));
        let request = reader
            .proof("PUT", path)
            .into_iter()
            .fold(request, |request, (name, it)| request.header(name, it));
        let request = request.header("Content-Length", size.to_string());
        let request = request.config().timeout_global(Some(ATTACHMENT_MAX)).build();
        let response = request.send(SendBody::from_reader(file));
        self.examine(response.map_err(|error| self.silent(&error))?)?;
        Ok(())
    }

    /// What a node gives, to be read in pieces.
    pub fn stream(&self, path: &str, reader: Option<&Reader<'_>>) -> Outcome<impl Read + use<>> {
        let response = self.get_within(path, reader, ATTACHMENT_MAX)?;
        Ok(response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).reader())
    }

    fn get(&self, path: &str, reader: Option<&Reader<'_>>) -> Outcome<Response<Body>> {
        self.get_within(path, reader, ANSWER_MAX)
    }

    fn get_within(
        &self,
        path: &str,
        reader: Option<&Reader<'_>>,
        limit: Duration,
    ) -> Outcome<Response<Body>> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let proof = reader.map(|reader| reader.proof("GET", path));
        let request = proof
            .into_iter()
            .flatten()
            .fold(request, |request, (name, it)| request.header(name, it));
        let request = request.config().timeout_global(Some(limit)).build();
        let response = request.call().map_err(|error| self.silent(&error))?;
        self.examine(response)
    }

    /// An answer that is no problem.
    fn examine(&self, mut response: Response<Body>) -> Outcome<Response<Body>> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem: Problem = response.body_mut().read_json().unwrap_or_default();
        let Problem { title, code, detail, hint } = problem;
        let reason = [detail, title, status.to_string()].into_iter().find(|text| !text.is_empty());
        let what = format!("{} says: {} ({code})", self.shown, reason.unwrap_or_default());
        let next = if hint.is_empty() { "see the node's log".to_owned() } else { hint };
        Err(Failure::answered(code, what, next))
    }

    fn json<T: DeserializeOwned>(&self, path: &str, response: Response<Body>) -> Outcome<T> {
        let mut response = response;
        let mut body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).reader();
        serde_json::from_reader(&mut body).map_err(|error| {
            Failure::node(
                format!("{}{path} answers something else than expected: {error}", self.shown),
                "check that a talead of the same version listens there",
            )
        })
    }

    fn silent(&self, error: &ureq::Error) -> Failure {
        Failure::node(
            format!("{} does not answer: {error}", self.shown),
            "start the node with `talead run`, or work with --offline and `talea send` later",
        )
    }
}

fn config() -> ureq::config::Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(ANSWER_MAX))
        .build()
}
