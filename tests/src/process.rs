//! A process of `talead` with a folder of its own, which can be killed and started again.
//!
//! The program is the one that stands beside the test: `cargo test --workspace` builds it before,
//! and where it is absent it is built here. Nothing here knows what is asked of the node.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use talea_protocol::bytes::hex;
use talea_protocol::key::{NodeKey, Purpose, SecretKey};

/// The number of SIGKILL, on every system that this runs on.
const SIGKILL: i32 = 9;

/// A node as a process; killed when dropped.
pub struct Talead {
    folder: PathBuf,
    child: Option<Child>,
    node: NodeKey,
    http: SocketAddr,
}

impl Talead {
    /// Makes a node in a new folder and starts it.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        let made = talead().args(["init", "--data"]).arg(&folder).output().expect("talead runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let http = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut node = Self { folder, child: None, node: NodeKey([0; 32]), http };
        node.start();
        node
    }

    /// Starts it; it answers when this returns.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(&mut self) {
        let mut child = self.spawn();
        let mut line = String::new();
        let said = child.stdout.take().expect("it is piped");
        // Kept from here on, so that it is killed if it says nothing of use.
        self.child = Some(child);
        let _ = BufReader::new(said).read_line(&mut line).expect("it can be read");
        let ready: Value = serde_json::from_str(&line).expect("talead says that it is ready");
        let said = |name: &str| ready[name].as_str().expect("a text").to_owned();
        self.node = said("node").parse().expect("a key");
        self.http = said("http").parse().expect("an address");
    }

    /// Starts it and kills it after so long, whether it answers by then or not.
    ///
    /// # Panics
    /// If it ends in another way.
    pub fn start_and_kill(&mut self, after: Duration) {
        self.child = Some(self.spawn());
        std::thread::sleep(after);
        self.kill();
    }

    fn spawn(&self) -> Child {
        let mut command = talead();
        command.args(["run", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--data"]);
        command.arg(&self.folder).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().expect("talead runs")
    }

    /// SIGKILL: nothing is finished, nothing said.
    ///
    /// # Panics
    /// If it does not run, or has ended by itself.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        let status = child.wait().expect("it has ended");
        assert_eq!(status.signal(), Some(SIGKILL), "it had ended by itself: {status}");
    }

    /// Has the program read all of its disk, while the node is down.
    ///
    /// # Panics
    /// If it finds something wrong.
    pub fn check_disk(&self) {
        let checked = talead().args(["check", "--data"]).arg(&self.folder).output();
        let checked = checked.expect("talead runs");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }

    /// Its data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its key.
    #[must_use]
    pub const fn node(&self) -> NodeKey {
        self.node
    }

    /// Where it answers by HTTP, in this life.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }
}

impl Drop for Talead {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself: then there is nothing left to do.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The header lines by which a device shows that it may read a private cooperative.
///
/// # Panics
/// If the clock stands before 1970.
#[must_use]
pub fn proof(reader: &SecretKey, node: &NodeKey, path: &str) -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let signed = format!("GET {path}\n{node}\n{time}");
    let signature = hex(&reader.sign(Purpose::Request, signed.as_bytes()).0);
    let device = reader.device();
    format!("Talea-Device: {device}\r\nTalea-Time: {time}\r\nTalea-Signature: {signature}\r\n")
}

/// The program, without settings from outside; it logs what is wrong where the test does.
fn talead() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(program));
    for name in ["TALEA_DATA", "TALEA_HTTP", "TALEA_QUIC", "TALEA_LOG_FORMAT"] {
        command.env_remove(name);
    }
    command.env("TALEA_LOG", "warn");
    command
}

/// `talead` in the folder of this build; tests themselves stand in `deps` below it.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder =
        test.ancestors().skip(1).find(|folder| folder.file_name() != Some(OsStr::new("deps")));
    let folder = folder.expect("a test stands in a folder");
    let program = folder.join("talead");
    if !program.exists() {
        build(folder);
    }
    program
}

fn build(folder: &Path) {
    let name = folder.file_name().and_then(OsStr::to_str).expect("a profile");
    let profile = if name == "debug" { "dev" } else { name };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "-p", "talea-node", "--bin", "talead", "--profile", profile])
        .env("CARGO_TARGET_DIR", folder.parent().expect("the target folder"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .status();
    assert!(built.expect("cargo runs").success(), "talead is absent and cannot be built");
}
