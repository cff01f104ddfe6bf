//! `talead`, the node. The only place that reads a clock or asks for randomness.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::{Parser, Subcommand};
use serde_json::json;
use talea_node::audit::{AuditFault, Places, audit};
use talea_node::backup::{self, BackupFault};
use talea_node::clock::{Clock, millis};
use talea_node::commit::CommitFault;
use talea_node::config::{self, Config, ConfigFault, LogFormat, Overrides, Peer};
use talea_node::door::{self, DoorFault};
use talea_node::identity::{self, IdentityFault};
use talea_node::promise;
use talea_node::rebuild::{RebuildFault, rebuild};
use talea_node::recover::{self, RecoverFault, Told};
use talea_node::restore::{self, OwnerFault};
use talea_node::run::{Running, Setup, StartFault, start};
use talea_node::shelf;
use talea_node::store::{self, Store, StoreFault};
use talea_protocol::hash::EntryId;
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
    /// Read everything on disk while the node is stopped, and name the first key that is wrong
    ///
    /// Checksums, leaves, roots, promises, tiles, mirrors, checkpoints, payloads and attachments are
    /// compared.
    Check {
        #[command(flatten)]
        folder: Folder,
    },
    /// Copy the store and its promises to a new folder, while the node runs or not
    ///
    /// The copy is opened and checked before it has its name. The node's key is not in it: keep
    /// that apart, once.
    Backup {
        #[command(flatten)]
        folder: Folder,
        /// The new folder
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Put a backup into a data folder that has the node's key and no store
    ///
    /// The node signs nothing before the roster's other nodes have said what it signed since the
    /// backup was made, and all of that is fetched: so no backup is too old.
    Restore {
        #[command(flatten)]
        folder: Folder,
        /// The folder that talead backup made
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
    },
    /// Fetch what the node has signed and lacks from peers, and wait until all of it is here
    ///
    /// Where the whole folder is lost, put the node's key into a new one, and name what it kept with
    /// --cooperative, before anything else: the node signs nothing for it until enough of its
    /// roster have said how much of its log they hold.
    Recover {
        #[command(flatten)]
        folder: Folder,
        /// A node of the roster: its key, @, its host and UDP port; as many as are known
        #[arg(long, value_name = "NODE@HOST:PORT", required = true, value_parser = recover::peer)]
        from: Vec<Peer>,
        /// A cooperative that the node kept, where neither store nor promise says so any more
        #[arg(long, value_name = "ID")]
        cooperative: Vec<EntryId>,
        /// Put the store aside, as one that cannot be used, and fetch all of it
        #[arg(long)]
        anew: bool,
        /// Give up when nothing has come for so many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        patience: u64,
        #[command(flatten)]
        over: Overrides,
    },
    /// Make tiles anew from the leaves, and forget mirrors and attachments that are damaged, while it
    /// is stopped
    Rebuild {
        #[command(flatten)]
        folder: Folder,
        /// Vouch that this node has signed nothing that is not in this store, and make its promises
        /// anew: if that is not so, it signs a second history, which is proof against it
        #[arg(long)]
        vouch: bool,
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
    #[error(transparent)]
    Owner(#[from] OwnerFault),
    #[error(transparent)]
    Audit(#[from] AuditFault),
    #[error(transparent)]
    Backup(#[from] BackupFault),
    #[error(transparent)]
    Door(#[from] DoorFault),
    #[error(transparent)]
    Recover(#[from] RecoverFault),
    #[error(transparent)]
    Rebuild(#[from] RebuildFault),
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
    fn hint(&self) -> &str {
        match self {
            Self::Config(fault) => fault.hint(),
            Self::Identity(fault) => fault.hint(),
            Self::Start(fault) => fault.hint(),
            Self::Store(fault) => fault.hint(),
            Self::Owner(fault) => fault.hint(),
            Self::Audit(fault) => fault.hint(),
            Self::Backup(fault) => fault.hint(),
            Self::Door(fault) => fault.hint(),
            Self::Recover(fault) => fault.hint(),
            Self::Rebuild(fault) => fault.hint(),
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
        Command::Backup { folder, to } => back_up(&folder.data, &to),
        Command::Restore { folder, from } => put_back(&folder.data, &from),
        Command::Recover { folder, from, cooperative: kept, anew, patience, over } => {
            let told = Told { from, kept };
            recover(&folder.data, &told, anew, Duration::from_secs(patience), over)
        }
        Command::Rebuild { folder, vouch } => make_anew(&folder.data, vouch),
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
    let node = identity::read(data, credentials().as_deref())?.node();
    Config::read(data, &Overrides::default())?;
    let store = Store::open(&data.join(store::FOLDER))?;
    restore::own(&store, &node)?;
    let (promises, attachments) = (data.join(promise::FOLDER), data.join(shelf::FOLDER));
    let places = Places { promises: &promises, attachments: &attachments };
    print(&audit(&store, &places, &node)?);
    Ok(store.close()?)
}

fn back_up(data: &Path, to: &Path) -> Result<(), Fault> {
    let to = std::path::absolute(to)?;
    let key = || identity::read(data, credentials().as_deref());
    match door::ask(data, "POST", "/backup", &json!({ "to": to })) {
        Ok(_) => {}
        Err(DoorFault::Closed { .. }) => {
            let store = Store::open(&data.join(store::FOLDER))?;
            backup::copy(data, &store, &to)?;
            store.close()?;
        }
        Err(fault) => return Err(fault.into()),
    }
    print(&backup::finish(&to, key()?.node(), wall())?);
    Ok(())
}

fn put_back(data: &Path, from: &Path) -> Result<(), Fault> {
    let node = identity::read(data, credentials().as_deref())?.node();
    print(&backup::restore(from, data, node)?);
    eprintln!(
        "restored; until the roster's nodes have said what it signed since, it signs nothing"
    );
    Ok(())
}

fn make_anew(data: &Path, vouch: bool) -> Result<(), Fault> {
    let mut store = Store::open(&data.join(store::FOLDER))?;
    let (promises, attachments) = (data.join(promise::FOLDER), data.join(shelf::FOLDER));
    let places = Places { promises: &promises, attachments: &attachments };
    print(&rebuild(&mut store, &places, vouch.then(wall))?);
    Ok(store.close()?)
}

/// Asks the node that runs, or else starts one for as long as it takes.
fn recover(
    data: &Path,
    told: &Told,
    anew: bool,
    patience: Duration,
    over: Overrides,
) -> Result<(), Fault> {
    let tell = |lacking: &str| eprintln!("{lacking}");
    let runs = door::ask(data, "GET", "/status", &json!(null));
    if !matches!(runs, Err(DoorFault::Closed { .. })) {
        if anew {
            return Err(StoreFault::InUse { path: data.join(store::FOLDER) }.into());
        }
        print(&recover::recover(data, told, patience, tell)?);
        return Ok(());
    }
    if anew && let Some(aside) = recover::set_aside(data)? {
        eprintln!("the store is now {}", aside.display());
    }
    let http = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let config = Config::read(data, &Overrides { http, ..over })?;
    start_logging(&Config { log: "warn".to_owned(), ..config.clone() })?;
    let key = identity::read(data, credentials().as_deref())?;
    let setup = Setup { data: data.to_owned(), config, key, clock: clock(), abort };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let running = start(setup).await?;
        let (data, told) = (data.to_owned(), told.clone());
        let watch = move || recover::recover(&data, &told, patience, tell);
        let done = tokio::task::spawn_blocking(watch).await.map_err(io::Error::other)?;
        running.stop().await;
        print(&done?);
        Ok(())
    })
}

/// One line of JSON, for whoever reads the standard output.
fn print<T: serde::Serialize>(value: &T) {
    println!("{}", json!(value));
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
    // What cannot be logged, on a disk that is full, must not end the thread that says it.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let log = log.log_internal_errors(false);
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
