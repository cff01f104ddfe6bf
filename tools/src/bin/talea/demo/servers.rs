//! Three `talead` processes for the length of a demonstration.
//!
//! Each runs in a folder of its own, on ports that the system chose, and is killed when this value
//! is dropped: at the end, on an error, and when the user interrupts.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;
use talea_protocol::key::NodeKey;

use crate::failure::{Failure, Outcome};
use crate::http::Node;

/// How long a node may take to be ready.
const READY_MAX: Duration = Duration::from_secs(20);
/// Lines of a node's log that are shown when it fails.
const LOG_LINES: usize = 8;

/// What a node says when it is ready.
#[derive(Clone, Debug, Deserialize)]
struct Ready {
    node: NodeKey,
    http: String,
    quic: String,
}

/// A node.
pub struct Server {
    /// What the story calls it.
    pub name: &'static str,
    program: PathBuf,
    data: PathBuf,
    ready: Ready,
    child: Option<Child>,
}

impl Server {
    /// Makes a node in this folder and starts it on free ports.
    pub fn start(program: &Path, data: &Path, name: &'static str) -> Outcome<Self> {
        tell(program, "init", data, &[OsStr::new("--name"), OsStr::new(name)])?;
        let free = ("127.0.0.1:0", "127.0.0.1:0");
        let (child, ready) = run(program, data, free)?;
        let (program, data) = (program.to_owned(), data.to_owned());
        Ok(Self { name, program, data, ready, child: Some(child) })
    }

    /// Its key.
    pub const fn key(&self) -> NodeKey {
        self.ready.node
    }

    /// Where it answers HTTP.
    pub fn http(&self) -> &str {
        &self.ready.http
    }

    /// Where it answers other nodes.
    pub fn quic(&self) -> &str {
        &self.ready.quic
    }

    /// Whether it runs.
    pub const fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Its HTTP side.
    pub fn node(&self) -> Node {
        Node::at(&self.ready.http)
    }

    /// Its control socket.
    pub fn control(&self) -> Node {
        Node::control(&self.data)
    }

    /// Kills it as a power failure would: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself: then there is nothing to kill, and still to wait for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Copies its store to a new folder, while it runs.
    pub fn backup(&self, to: &Path) -> Outcome {
        tell(&self.program, "backup", &self.data, &[OsStr::new("--to"), to.as_os_str()])
    }

    /// Loses its store and all that it knew of its signatures, and gets them from a backup.
    pub fn restore(&self, from: &Path) -> Outcome {
        for lost in ["store", "promise"] {
            let path = self.data.join(lost);
            std::fs::remove_dir_all(&path).map_err(|error| Failure::file(&path, &error))?;
        }
        tell(&self.program, "restore", &self.data, &[OsStr::new("--from"), from.as_os_str()])
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) -> Outcome {
        let (child, ready) = run(&self.program, &self.data, (&self.ready.http, &self.ready.quic))?;
        self.child = Some(child);
        self.ready = ready;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Has the node's program do something that ends by itself.
fn tell(program: &Path, verb: &str, data: &Path, arguments: &[&OsStr]) -> Outcome {
    let mut command = Command::new(program);
    command.arg(verb).arg("--data").arg(data).args(arguments).stdin(Stdio::null());
    let done = command.output().map_err(|error| Failure::file(program, &error))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Failure::node(format!("talead {verb}: {said}"), "run it by hand to see more"))
}

fn run(program: &Path, data: &Path, (http, quic): (&str, &str)) -> Outcome<(Child, Ready)> {
    let path = data.join("log.txt");
    let disk = |error| Failure::file(&path, &error);
    let log = File::options().create(true).append(true).open(&path).map_err(disk)?;
    let mut child = Command::new(program)
        .arg("run")
        .arg("--data")
        .arg(data)
        .args(["--http", http, "--quic", quic])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| Failure::file(program, &error))?;
    let ready = child.stdout.take().and_then(first_line);
    match ready.and_then(|line| serde_json::from_str(&line).ok()) {
        Some(ready) => Ok((child, ready)),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Failure::node("a node does not get ready", last_lines(&path)))
        }
    }
}

/// The first line that the node prints, if it comes in time.
fn first_line(stdout: ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        if let Some(Ok(line)) = lines.next() {
            // Nobody listens any more if it came too late.
            let _ = sender.send(line);
        }
        // The rest is read and dropped, so that the node never waits for its reader.
        for _ in lines {}
    });
    receiver.recv_timeout(READY_MAX).ok()
}

fn last_lines(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    let last = lines.get(from..).unwrap_or_default().join("\n");
    format!("the end of its log says:\n{last}")
}
