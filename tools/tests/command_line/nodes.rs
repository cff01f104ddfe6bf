//! Three nodes as processes, each in a folder of its own, killed when dropped.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use talea_protocol::hash::EntryId;
use talea_protocol::key::SecretKey;
use talea_tests::process::{Talead, proof};

/// A node, on ports that the system chose when it first started.
pub struct Node {
    /// Its folder's name.
    pub name: &'static str,
    program: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
    /// Its key, in hexadecimal.
    pub key: String,
    /// Where it answers members.
    pub http: String,
    /// Where it answers other nodes.
    pub quic: String,
}

impl Node {
    /// Three nodes `a`, `b` and `c` below this folder; they answer when this returns.
    pub fn three(folder: &Path) -> [Self; 3] {
        ["a", "b", "c"].map(|name| Self::in_folder(folder, name))
    }

    /// One node below this folder; it answers when this returns.
    pub fn in_folder(folder: &Path, name: &'static str) -> Self {
        Self::new(&talead(folder), folder.join(name), name)
    }

    fn new(program: &Path, folder: PathBuf, name: &'static str) -> Self {
        let mut init = Command::new(program);
        init.args(["init", "--name", name, "--data"]).arg(&folder);
        let made = init.output().expect("talead runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let free = "127.0.0.1:0".to_owned();
        let (http, quic, key) = (free.clone(), free, String::new());
        let program = program.to_owned();
        let mut node = Self { name, program, folder, child: None, key, http, quic };
        node.start();
        node
    }

    /// Starts it where it was; it answers when this returns.
    pub fn start(&mut self) {
        let mut command = Command::new(&self.program);
        for name in ["TALEA_DATA", "TALEA_HTTP", "TALEA_QUIC", "TALEA_LOG", "TALEA_LOG_FORMAT"] {
            command.env_remove(name);
        }
        command.args(["run", "--http", &self.http, "--quic", &self.quic, "--data"]);
        command.arg(&self.folder).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut child = command.spawn().expect("talead runs");
        let said = child.stdout.take().expect("it is piped");
        // Kept from here on, so that it is killed if it says nothing of use.
        self.child = Some(child);
        let mut line = String::new();
        let _ = BufReader::new(said).read_line(&mut line).expect("it can be read");
        let ready: Value = serde_json::from_str(&line).expect("talead says that it is ready");
        let said = |name: &str| ready[name].as_str().expect("a text").to_owned();
        (self.key, self.http, self.quic) = (said("node"), said("http"), said("quic"));
    }

    /// SIGKILL, as when the power fails.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself: then there is nothing left to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a path answers this member.
    fn read(&self, path: &str, reader: &SecretKey) -> Value {
        let mut request = ureq::get(format!("http://{}{path}", self.http));
        let node = self.key.parse().expect("a key");
        for line in proof(reader, &node, path).lines() {
            let (name, value) = line.split_once(": ").expect("a header");
            request = request.header(name, value);
        }
        let mut answer = request.call().expect("the node answers");
        answer.body_mut().read_json().expect("JSON")
    }

    /// A report of what the settled entries add up to there: a list from all its pages, or a record.
    pub fn report(&self, cooperative: &EntryId, reader: &SecretKey, name: &str) -> Value {
        let (mut rows, mut from) = (Vec::new(), 0);
        loop {
            // Pages so short that most lists have several.
            let path = format!("/v1/cooperatives/{cooperative}/state/{name}?from={from}&limit=3");
            let mut page = self.read(&path, reader);
            match page[name].take() {
                Value::Array(part) => rows.extend(part),
                record => return record,
            }
            match page["next"].as_u64() {
                Some(next) => from = next,
                None => return rows.into(),
            }
        }
    }

    /// A cooperative's entries, members and state there, as this member may read them.
    pub fn overview(&self, cooperative: &EntryId, reader: &SecretKey) -> Value {
        let all = self.read(&format!("/v1/cooperatives/{cooperative}"), reader);
        // What else is there changes while nothing happens: sizes of logs, and how long ago.
        let lasting = ["entries", "settled", "state", "register", "members", "devices"];
        lasting.map(|name| (name.to_owned(), all[name].clone())).into_iter().collect()
    }

    /// All that it says of a cooperative; nothing if it says that it cannot.
    pub fn whole(&self, cooperative: &EntryId, reader: &SecretKey) -> Option<Value> {
        let path = format!("/v1/cooperatives/{cooperative}");
        let mut request = ureq::get(format!("http://{}{path}", self.http));
        let node = self.key.parse().expect("a key");
        for line in proof(reader, &node, &path).lines() {
            let (name, value) = line.split_once(": ").expect("a header");
            request = request.header(name, value);
        }
        request.call().ok()?.body_mut().read_json().ok()
    }

    /// What other nodes and members' wallets are told of it.
    pub fn peer(&self) -> String {
        format!("{}@{}", self.key, self.quic)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The node's program, beside the one under test; built where it is absent, as all tests do it.
pub fn talead(folder: &Path) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_talea")).with_file_name("talead");
    if !path.exists() {
        drop(Talead::new(folder.join("first")));
    }
    path
}
