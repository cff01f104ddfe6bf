//! A process of `talead`, and a small HTTP client for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use talea_protocol::bytes::hex;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, Purpose, SecretKey};

/// Nothing here takes longer, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Settings as the environment gives them.
pub type Settings = &'static [(&'static str, &'static str)];

/// A process of `talead` with a folder of its own; killed when dropped.
pub struct Site {
    folder: PathBuf,
    settings: Settings,
    child: Option<Child>,
    pub node: NodeKey,
    pub http: SocketAddr,
    pub quic: SocketAddr,
}

fn talead() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talead"));
    command.env_remove("TALEA_LOG").stderr(Stdio::null()).stdin(Stdio::null());
    command
}

impl Site {
    /// Makes a node and starts it.
    pub fn new(folder: PathBuf) -> Self {
        Self::with(folder, &[])
    }

    /// The same with settings other than the usual.
    pub fn with(folder: PathBuf, settings: Settings) -> Self {
        let made = talead().args(["init", "--data"]).arg(&folder).output().unwrap();
        assert!(made.status.success());
        let none = "127.0.0.1:0".parse().unwrap();
        let node = NodeKey([0; 32]);
        let mut site = Self { folder, settings, child: None, node, http: none, quic: none };
        site.start();
        site
    }

    /// Starts it; it answers when this returns.
    pub fn start(&mut self) {
        let quic = self.quic.to_string();
        let log = std::env::var("TALEA_TEST_LOG").ok();
        let mut command = talead();
        command.args(["run", "--http", "127.0.0.1:0", "--quic", &quic, "--data"]);
        command.arg(&self.folder).envs(self.settings.iter().copied()).stdout(Stdio::piped());
        if let Some(filter) = log {
            command.args(["--log", &filter]).stderr(Stdio::inherit());
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        self.child = Some(child);
        self.node = ready["node"].as_str().unwrap().parse().unwrap();
        self.http = ready["http"].as_str().unwrap().parse().unwrap();
        self.quic = ready["quic"].as_str().unwrap().parse().unwrap();
    }

    /// SIGKILL: nothing is finished, nothing said.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; the exit status.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(killed.success());
        child.wait().unwrap().code()
    }

    /// The most memory that it has ever had, in KiB.
    pub fn peak_kib(&self) -> u64 {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    /// As an enrolled device.
    pub fn get_as(&self, key: &SecretKey, path: &str) -> Answer {
        self.send("GET", path, &self.proof(key, path), b"")
    }

    pub fn put_as(&self, key: &SecretKey, path: &str, body: &[u8]) -> Answer {
        self.send("PUT", path, &self.proof_of("PUT", key, path), body)
    }

    pub fn proof(&self, key: &SecretKey, path: &str) -> String {
        self.proof_of("GET", key, path)
    }

    pub fn proof_of(&self, method: &str, key: &SecretKey, path: &str) -> String {
        let time = now_ms();
        let signed = format!("{method} {path}\n{}\n{time}", self.node);
        let signature = key.sign(Purpose::Request, signed.as_bytes());
        format!(
            "Talea-Device: {}\r\nTalea-Time: {time}\r\nTalea-Signature: {}\r\n",
            key.device(),
            hex(&signature.0)
        )
    }

    pub fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        exchange(stream, method, path, headers, body)
    }

    /// Says something to the control socket.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Answer {
        let stream = UnixStream::connect(self.folder.join("control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        exchange(stream, method, path, "", body.to_string().as_bytes())
    }

    /// Hosts a cooperative.
    pub fn host(&self, charter: &Signed, peers: &[&Site]) -> Answer {
        let peers: Vec<Value> = peers
            .iter()
            .map(|peer| json!({ "node": peer.node, "address": peer.quic.to_string() }))
            .collect();
        let body = json!({
            "cooperative": charter.id(),
            "peers": peers,
            "charter": STANDARD.encode(charter.bytes()),
        });
        self.control("POST", "/host", &body)
    }

    pub fn submit(&self, entry: &Signed) -> Answer {
        self.submit_bytes(&entry.cooperative(), entry.bytes())
    }

    pub fn submit_bytes(&self, cooperative: &EntryId, entry: &[u8]) -> Answer {
        let body = json!({ "entry": STANDARD.encode(entry), "payload": null });
        self.post(cooperative, &body)
    }

    pub fn post(&self, cooperative: &EntryId, body: &Value) -> Answer {
        let path = format!("/v1/cooperatives/{cooperative}/entries");
        self.send("POST", &path, "", body.to_string().as_bytes())
    }

    /// Listens to events from a leaf on, until `enough` says so.
    pub fn listen(
        &self,
        key: &SecretKey,
        cooperative: &EntryId,
        from: u64,
        mut enough: impl FnMut(&str, &Value) -> bool,
    ) -> u64 {
        let path = format!("/v1/cooperatives/{cooperative}/events?from={from}");
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let proof = self.proof(key, &path);
        write!(stream, "GET {path} HTTP/1.0\r\nHost: node\r\n{proof}\r\n").unwrap();
        let (mut name, mut id) = (String::new(), from);
        let begun = std::time::Instant::now();
        for line in BufReader::new(stream).lines() {
            // Comments keep the stream alive, and must not keep the test alive.
            let (Ok(line), true) = (line, begun.elapsed() < PATIENCE) else {
                panic!("not in time: {:#}", self.control("GET", "/status", &json!(null)).json());
            };
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.to_owned();
            } else if let Some(resume) = line.strip_prefix("id: ") {
                id = resume.parse().unwrap();
            } else if let Some(data) = line.strip_prefix("data: ")
                && enough(&name, &serde_json::from_str(data).unwrap())
            {
                return id;
            }
        }
        panic!("the events ended");
    }

    /// Waits until so many entries are settled here.
    pub fn wait_settled(&self, key: &SecretKey, cooperative: &EntryId, count: usize) {
        let mut settled = std::collections::BTreeSet::new();
        self.listen(key, cooperative, 0, |name, data| {
            if name == "settled" {
                settled.insert(data["entry"].as_str().unwrap().to_owned());
            }
            settled.len() >= count
        });
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// The JSON of an answer that was expected to be good.
    pub fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The code of a problem, which must be one and say what to do.
    pub fn code(&self) -> String {
        let problem = self.json();
        assert!(self.head.contains("application/problem+json"), "{}", self.head);
        assert_eq!(problem["status"], self.status);
        assert!(!problem["hint"].as_str().unwrap().is_empty());
        problem["code"].as_str().unwrap().to_owned()
    }
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Answer {
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: node\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    // The server may answer and close before it has read all of a body that is too long.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: answer[end + 4..].to_vec() }
}

pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
