//! A process of `talead` with a folder of its own, which can be killed and started again.
//!
//! The program is the one that stands beside the test: `cargo test --workspace` builds it before,
//! and where it is absent it is built here. Nothing here knows what is asked of the node.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use talea_protocol::bytes::hex;
use talea_protocol::key::{NodeKey, Purpose, SecretKey};

/// The number of SIGKILL, on every system that this runs on.
const SIGKILL: i32 = 9;
/// No node takes so long to start or to stop, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node as a process; killed when dropped.
pub struct Talead {
    folder: PathBuf,
    child: Option<Child>,
    node: NodeKey,
    http: SocketAddr,
    environment: Vec<(String, String)>,
    /// Where its standard error goes; with the test's own if there is none.
    log: Option<PathBuf>,
}

/// How a node ended that was to run.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its status; `None` if it had to be killed because it did nothing at all.
    pub status: Option<ExitStatus>,
    /// What it said on its standard error.
    pub said: String,
}

impl Talead {
    /// Makes a node in a new folder and starts it.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        let mut node = Self::made(folder);
        node.start();
        node
    }

    /// Makes a node in a new folder.
    ///
    /// # Panics
    /// If that is not possible.
    #[must_use]
    pub fn made(folder: PathBuf) -> Self {
        let made = talead().args(["init", "--data"]).arg(&folder).output().expect("talead runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self::at(folder)
    }

    /// A node in a folder as it is.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        let http = SocketAddr::from(([127, 0, 0, 1], 0));
        let (environment, log) = (Vec::new(), None);
        Self { folder, child: None, node: NodeKey([0; 32]), http, environment, log }
    }

    /// The same, in this environment, with its standard error kept beside the folder.
    #[must_use]
    pub fn watched(mut self, environment: Vec<(String, String)>) -> Self {
        self.log = Some(self.folder.with_extension("log"));
        self.environment = environment;
        self
    }

    /// Starts it; it answers when this returns.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(&mut self) {
        let started = self.try_start();
        started.unwrap_or_else(|ended| panic!("talead does not start: {ended:?}"));
    }

    /// Starts it; it answers when this returns.
    ///
    /// # Errors
    /// [`Ended`], if it does not start.
    ///
    /// # Panics
    /// If what it says is not what a node says that is ready.
    pub fn try_start(&mut self) -> Result<(), Ended> {
        let mut child = self.spawn();
        let said = child.stdout.take().expect("it is piped");
        // Kept from here on, so that it is killed if it says nothing of use.
        self.child = Some(child);
        let Some(line) = first_line(said) else { return Err(self.end()) };
        let ready: Value = serde_json::from_str(&line).expect("talead says that it is ready");
        let said = |name: &str| ready[name].as_str().expect("a text").to_owned();
        self.node = said("node").parse().expect("a key");
        self.http = said("http").parse().expect("an address");
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If it was not started.
    pub fn end(&mut self) -> Ended {
        let mut child = self.child.take().expect("it was started");
        let begun = Instant::now();
        let mut status = None;
        while status.is_none() && begun.elapsed() < PATIENCE {
            status = child.try_wait().expect("it can be waited for");
            thread::sleep(Duration::from_millis(5));
        }
        if status.is_none() {
            child.kill().expect("it can be killed");
        }
        child.wait().expect("it has ended");
        let said = self.log.as_ref().and_then(|log| fs::read_to_string(log).ok());
        Ended { status, said: said.unwrap_or_default() }
    }

    /// SIGTERM, and waits until it has ended.
    ///
    /// # Panics
    /// If it does not end well.
    pub fn stop(&mut self) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let told = Command::new("kill").arg(id).status().expect("kill runs");
        assert!(told.success(), "it had ended by itself");
        let ended = self.end();
        assert!(ended.status.is_some_and(|status| status.success()), "{ended:?}");
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
        command.envs(self.environment.iter().cloned());
        if let Some(log) = &self.log {
            command.stderr(File::create(log).expect("a log can be kept"));
        }
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
        if let Err(said) = self.try_check() {
            panic!("{said}");
        }
    }

    /// The same.
    ///
    /// # Errors
    /// What it says is wrong.
    ///
    /// # Panics
    /// If it does not run.
    pub fn try_check(&self) -> Result<(), String> {
        let checked = talead().args(["check", "--data"]).arg(&self.folder).output();
        let checked = checked.expect("talead runs");
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        if checked.status.success() { Ok(()) } else { Err(said) }
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
    proof_at(reader, node, path, 0)
}

/// The same for a node whose clock is so many seconds ahead.
///
/// # Panics
/// If that clock stands before 1970.
#[must_use]
pub fn proof_at(reader: &SecretKey, node: &NodeKey, path: &str, ahead: i64) -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let time = i64::try_from(time).expect("fits") + ahead * 1_000;
    assert!(time > 0, "before 1970");
    let signed = format!("GET {path}\n{node}\n{time}");
    let signature = hex(&reader.sign(Purpose::Request, signed.as_bytes()).0);
    let device = reader.device();
    format!("Talea-Device: {device}\r\nTalea-Time: {time}\r\nTalea-Signature: {signature}\r\n")
}

/// What a node says first; `None` if it ends or hangs before.
fn first_line(said: ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(said).read_line(&mut line);
        // Nobody listens any more if that took too long.
        let _ = sender.send(read.ok().filter(|length| *length > 0).map(|_| line));
    });
    receiver.recv_timeout(PATIENCE).ok().flatten()
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
