//! `talead`, the node. The only place that reads a clock or asks for randomness.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::{Parser, Subcommand};
use serde_json::json;
use talea_node::clock::{Clock, millis};
use talea_node::commit::CommitFault;
use talea_node::config::{self, Config, ConfigFault, LogFormat, Overrides};
use talea_node::identity::{self, IdentityFault};
use talea_node::run::{Running, Setup, StartFault, start};
use talea_node::store::{Store, StoreFault};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

/// Keeps cooperatives' logs, passes them on to their other nodes, and serves them on this machine
///
/// Exit status: 0 done or stopped as asked, 1 not possible (the reason is on the standard error),
/// 2 wrong usage.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a node: its key and its settings, in a new or empty folder
    Init {
        #[command(flatten)]
        folder: Folder,
        /// What you call this node; nobody else sees it
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Run the node until SIGTERM or Ctrl-C
    ///
    /// When it answers, one line of JSON goes to the standard output: its key and its addresses.
    Run {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        over: Overrides,
    },
    /// Print the node's key, by which other nodes know it
    Id {
        #[command(flatten)]
        folder: Folder,
    },
    /// Read everything on disk and compare all checksums, while the node is stopped
    Check {
        #[command(flatten)]
        folder: Folder,
    },
}

#[derive(clap::Args)]
struct Folder {
    /// The node's folder: key, settings, store
    #[arg(long, env = "TALEA_DATA", value_name = "FOLDER")]
    data: PathBuf,
}

/// What stops a command.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Config(#[from] ConfigFault),
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    #[error(transparent)]
    Start(#[from] StartFault),
    #[error(transparent)]
    Store(#[from] StoreFault),
    #[error("{}: {cause}", path.display())]
    Folder { path: PathBuf, cause: io::Error },
    #[error("the log filter {filter:?}: {cause}")]
    Filter { filter: String, cause: tracing_subscriber::filter::ParseError },
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

impl Fault {
    const fn hint(&self) -> &'static str {
        match self {
            Self::Config(fault) => fault.hint(),
            Self::Identity(fault) => fault.hint(),
            Self::Start(fault) => fault.hint(),
            Self::Store(fault) => fault.hint(),
            Self::Folder { .. } => "name a folder that this user may make and write",
            Self::Filter { .. } => "for instance: info, warn, or info,talea_node=debug",
            Self::System(_) | Self::Randomness(_) => "this is the system's to solve",
        }
    }
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Init { folder, name } => init(&folder.data, &name),
        Command::Run { folder, over } => run(&folder.data, &over),
        Command::Id { folder } => id(&folder.data),
        Command::Check { folder } => check(&folder.data),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("talead: {fault}\n  {}", fault.hint());
            ExitCode::FAILURE
        }
    }
}

fn init(data: &Path, name: &str) -> Result<(), Fault> {
    let folder = |cause| Fault::Folder { path: data.to_owned(), cause };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(folder)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(Fault::Randomness)?;
    let key = identity::make(data, &seed)?;
    let path = data.join(config::FILE);
    if !path.exists() {
        fs::write(&path, Config::template(name)).map_err(folder)?;
    }
    println!("{}", key.node());
    eprintln!("made {}; its settings are in {}", data.display(), path.display());
    eprintln!("start it with: talead run --data {}", data.display());
    Ok(())
}

fn id(data: &Path) -> Result<(), Fault> {
    println!("{}", identity::read(data, credentials().as_deref())?.node());
    Ok(())
}

fn check(data: &Path) -> Result<(), Fault> {
    let census = Store::open(&data.join(talea_node::run::STORE))?.check()?;
    println!("{}", json!({ "keys": census.keys, "bytes": census.bytes }));
    Ok(())
}

/// Where systemd puts the credentials of a unit.
fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

fn run(data: &Path, over: &Overrides) -> Result<(), Fault> {
    let config = Config::read(data, over)?;
    start_logging(&config)?;
    let key = identity::read(data, credentials().as_deref())?;
    let setup = Setup { data: data.to_owned(), config, key, clock: clock(), abort };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let running = start(setup).await?;
        say_ready(&running)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tell_systemd("STOPPING=1");
        tokio::select! {
            () = running.stop() => {}
            _ = terminate.recv() => info!("told twice: not waiting any longer"),
            _ = interrupt.recv() => info!("told twice: not waiting any longer"),
        }
        Ok(())
    })
}

/// Logs go to the standard error: the standard output is for the one line that says "ready".
fn start_logging(config: &Config) -> Result<(), Fault> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|cause| Fault::Filter { filter: config.log.clone(), cause })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

fn say_ready(running: &Running) -> io::Result<()> {
    let addresses = running.addresses();
    let line = json!({ "node": running.node(), "http": addresses.http, "quic": addresses.quic });
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    tell_systemd("READY=1");
    Ok(())
}

/// The whole of sd_notify(3): one datagram, if anybody listens.
fn tell_systemd(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = UnixDatagram::unbound().and_then(|it| it.send_to(state.as_bytes(), path));
    if let Err(cause) = sent {
        info!(%cause, "systemd was not told");
    }
}

fn clock() -> Clock {
    Clock { wall, steady }
}

fn wall() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
}

/// Since 1970 UTC, by the wall clock when the process first asked and by the steady one since: so
/// it can be compared with the dates of entries, and never goes back.
fn steady() -> Duration {
    static START: std::sync::OnceLock<(Instant, Duration)> = std::sync::OnceLock::new();
    let (start, wall) = START.get_or_init(|| (Instant::now(), Duration::from_millis(wall())));
    *wall + start.elapsed()
}

fn abort(fault: &CommitFault) -> ! {
    error!(%fault, "what reached the disk is unknown; the process ends, nothing acknowledged is lost");
    std::process::abort()
}
