//! A running node: what is started in which order, and how it ends.
//!
//! Four threads of its own (writer, commit, intake, serve), the cores' pool for signatures, and a
//! runtime for sockets. It stops in the order in which work flows: first nothing new comes in,
//! then what was begun becomes durable, then peers are told.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::quic::{BindFault, Close, Endpoint};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info};

use crate::book::Book;
use crate::clock::Clock;
use crate::commit::{Abort, Committer, Disk};
use crate::config::{Attachments, Config, Peer};
use crate::control::{self, ControlFault};
use crate::exchange::Exchange;
use crate::gather::Gather;
use crate::http::{self, Addresses, App, Shared, server};
use crate::intake::Intake;
use crate::link::Links;
use crate::metrics::{AlarmKind, Metrics};
use crate::order::{Order, Orders};
use crate::peers::{self, Guests, Peers};
use crate::promise;
use crate::restore::{self, OwnerFault, Restored};
use crate::serve::Reader;
use crate::shelf::{Shelf, ShelfFault};
use crate::store::{self, Store, StoreFault};
use crate::thread;
use crate::writer::Writer;

/// The longest that peers may take to hear of the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a node is made of.
pub struct Setup {
    /// The data folder, which exists.
    pub data: PathBuf,
    /// The operator's settings.
    pub config: Config,
    /// The node's key.
    pub key: SecretKey,
    /// The time.
    pub clock: Clock,
    /// What ends the process when the disk is not to be trusted any more.
    pub abort: Abort,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The store is another node's.
    #[error(transparent)]
    Owner(#[from] OwnerFault),
    /// The UDP socket.
    #[error("{}", whole(.0))]
    Quic(#[from] BindFault),
    /// The TCP socket.
    #[error("cannot listen on {address}: {cause}")]
    Http {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlFault),
    /// The folder of the attachments.
    #[error(transparent)]
    Shelf(#[from] ShelfFault),
    /// The system gives no thread.
    #[error("no thread can be started: {0}")]
    Thread(io::Error),
}

/// A fault with the system's reason.
fn whole(fault: &BindFault) -> String {
    let BindFault::Socket { source, .. } = fault;
    format!("{fault}: {source}")
}

impl StartFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Store(fault) => fault.hint(),
            Self::Owner(fault) => fault.hint(),
            Self::Quic(_) => "another program has the UDP port: stop it, or set quic otherwise",
            Self::Http { .. } => "another program has the port: stop it, or set http otherwise",
            Self::Control(_) => {
                "use a data folder with a shorter path, on a local disk, and its own"
            }
            Self::Shelf(_) => "see to the permissions of the data folder, and to the disk",
            Self::Thread(_) => "raise the limit of threads for this user",
        }
    }
}

/// A node that answers.
pub struct Running {
    node: NodeKey,
    addresses: Addresses,
    app: Shared,
    endpoint: Endpoint,
    servers: JoinSet<()>,
    peers: JoinSet<()>,
    threads: Vec<JoinHandle<()>>,
}

/// What is listened on.
struct Sockets {
    endpoint: Endpoint,
    http: TcpListener,
    control: UnixListener,
    addresses: Addresses,
}

/// Starts a node; it answers when this returns.
///
/// # Errors
/// [`StartFault`].
pub async fn start(setup: Setup) -> Result<Running, StartFault> {
    let Setup { data, config, key, clock, abort } = setup;
    let store = Arc::new(Store::open(&data.join(store::FOLDER))?);
    restore::own(&store, &key.node())?;
    let shelf = Shelf::open(&data, Arc::clone(&store), config.attachments_bytes())
        .map_err(ShelfFault::from)?;
    let shelf = Arc::new(shelf);
    let key = Arc::new(key);
    let known: Vec<Peer> = config.peers.iter().cloned().chain(restore::peers(&store)?).collect();
    let restored = restore::all(&restore::Start {
        store: &store,
        promises: &data.join(promise::FOLDER),
        key: &key,
        now: clock.moment(),
        peers: &known.iter().map(|peer| peer.node).collect::<Vec<_>>(),
    })?;
    sweep(&shelf, &restored)?;
    let sockets = open(&data, &config, &key).await?;
    let metrics = Arc::new(Metrics::new());
    let (orders, inbox) = Orders::new(Arc::clone(&metrics));
    let links = Arc::new(Links::new(key.node()));
    let book = Arc::new(Book::new(key.node()));
    for peer in &known {
        book.add(peer);
    }
    let failed = report(&restored, &metrics, &book);
    let shared = Together { store, shelf, key, clock, metrics, orders, links, book };
    let exchange = Arc::new(Exchange::new(
        Arc::clone(&shared.shelf),
        Arc::clone(&shared.links),
        shared.orders.clone(),
        clock,
    ));
    let promises = data.join(promise::FOLDER);
    let threads = shared.start_threads(restored, promises, inbox, abort)?;
    let app = Arc::new(App {
        me: shared.key.node(),
        orders: shared.orders.clone(),
        store: Arc::clone(&shared.store),
        shelf: Arc::clone(&shared.shelf),
        exchange,
        clock,
        metrics: Arc::clone(&shared.metrics),
        book: Arc::clone(&shared.book),
        links: Arc::clone(&shared.links),
        addresses: sockets.addresses,
        failed,
        stopping: watch::Sender::new(false),
    });
    let is_fetching = config.attachments == Attachments::All;
    let running = shared.answer(sockets, app, &data, threads, is_fetching);
    let Addresses { http, quic } = running.addresses;
    info!(node = %running.node, %http, %quic, "serving");
    Ok(running)
}

async fn open(data: &Path, config: &Config, key: &SecretKey) -> Result<Sockets, StartFault> {
    let endpoint = Endpoint::bind(config.quic, key)?;
    let address = config.http;
    let fault = |cause| StartFault::Http { address, cause };
    let http = TcpListener::bind(address).await.map_err(fault)?;
    let control = control::bind(data)?;
    let addresses =
        Addresses { http: http.local_addr().map_err(fault)?, quic: endpoint.local_addr() };
    Ok(Sockets { endpoint, http, control, addresses })
}

/// Removes what is erased and lies here all the same.
fn sweep(shelf: &Shelf, restored: &Restored) -> Result<(), ShelfFault> {
    for (cooperative, hosted) in &restored.hosts {
        let removed = shelf.forget(&hosted.replica)?;
        if removed > 0 {
            info!(%cooperative, removed, "erased payloads and attachments are removed");
        }
    }
    Ok(())
}

/// Lists the restored rosters, and says what could not be restored.
fn report(
    restored: &Restored,
    metrics: &Metrics,
    book: &Book,
) -> std::collections::BTreeMap<talea_protocol::hash::EntryId, String> {
    for hosted in restored.hosts.values() {
        book.list(&hosted.hosts);
        if let Some(register) = hosted.replica.register() {
            book.list(&register.nodes());
        }
    }
    let reason = |(cooperative, fault): (_, &restore::RestoreFault)| {
        metrics.alarm(AlarmKind::Disk);
        error!(%cooperative, %fault, hint = fault.hint(), "not served");
        (cooperative, fault.to_string())
    };
    restored.failed.iter().map(|(id, fault)| reason((*id, fault))).collect()
}

/// What the parts of a node share.
struct Together {
    store: Arc<Store>,
    shelf: Arc<Shelf>,
    key: Arc<SecretKey>,
    clock: Clock,
    metrics: Arc<Metrics>,
    orders: Orders,
    links: Arc<Links>,
    book: Arc<Book>,
}

impl Together {
    fn start_threads(
        &self,
        restored: Restored,
        promises: PathBuf,
        inbox: Receiver<Order>,
        abort: Abort,
    ) -> Result<Vec<JoinHandle<()>>, StartFault> {
        let (orders, metrics) = (|| self.orders.clone(), || Arc::clone(&self.metrics));
        let disk = Disk {
            store: Arc::clone(&self.store),
            shelf: Arc::clone(&self.shelf),
            promises: promises.clone(),
            kept: restored.promises,
            key: Arc::clone(&self.key),
            clock: self.clock,
        };
        let (committer, commit) =
            Committer::start(disk, orders(), metrics(), abort).map_err(StartFault::Thread)?;
        let (intake, check) = Intake::start(orders(), metrics()).map_err(StartFault::Thread)?;
        let links = Arc::clone(&self.links);
        let (reader, serve) = Reader::start(Arc::clone(&self.store), links, orders(), metrics())
            .map_err(StartFault::Thread)?;
        let writer = Writer {
            promises,
            hosts: restored.hosts,
            key: Arc::clone(&self.key),
            clock: self.clock,
            links: Arc::clone(&self.links),
            book: Arc::clone(&self.book),
            intake,
            committer,
            reader,
            metrics: metrics(),
        };
        let write = thread::spawn("writer", move || writer.run(&inbox));
        let write = write.map_err(StartFault::Thread)?;
        Ok(vec![write, commit, check, serve])
    }

    fn answer(
        self,
        sockets: Sockets,
        app: Shared,
        data: &Path,
        threads: Vec<JoinHandle<()>>,
        is_fetching: bool,
    ) -> Running {
        let Sockets { endpoint, http, control, addresses } = sockets;
        let stopped = app.stopping.subscribe();
        let mut servers = JoinSet::new();
        let until = |mut stopped: watch::Receiver<bool>| async move {
            drop(stopped.wait_for(|stop| *stop).await);
        };
        let exchange = Arc::clone(&app.exchange);
        let public = http::router(Arc::clone(&app));
        servers.spawn(server::serve(http, public, until(stopped.clone())));
        let private = control::router(Arc::clone(&app), data);
        servers.spawn(server::serve(control, private, until(stopped)));
        let mut tasks = JoinSet::new();
        tasks.spawn(
            Arc::new(Gather {
                me: self.key.node(),
                shelf: self.shelf,
                exchange: Arc::clone(&exchange),
                orders: self.orders.clone(),
                clock: self.clock,
                metrics: Arc::clone(&self.metrics),
                is_fetching,
            })
            .run(),
        );
        tasks.spawn(peers::run(Arc::new(Peers {
            endpoint: endpoint.clone(),
            links: self.links,
            book: self.book,
            orders: self.orders,
            clock: self.clock,
            metrics: self.metrics,
            exchange,
            guests: Guests::default(),
        })));
        let node = self.key.node();
        Running { node, addresses, app, endpoint, servers, peers: tasks, threads }
    }
}

impl Running {
    /// The node's key.
    #[must_use]
    pub const fn node(&self) -> NodeKey {
        self.node
    }

    /// Where it answers.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The way to its writer.
    #[must_use]
    pub fn orders(&self) -> &Orders {
        &self.app.orders
    }

    /// Its numbers, as they are shown over HTTP.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.app.metrics
    }

    /// Takes nothing new, finishes what was begun, tells the peers, and lets go of the disk.
    pub async fn stop(mut self) {
        info!("stopping");
        self.app.stopping.send_replace(true);
        while self.servers.join_next().await.is_some() {}
        self.end(Order::Stop).await;
        info!("stopped");
    }

    /// Ends at once, without finishing anything, as after a power cut. For tests.
    pub async fn halt(mut self) {
        self.servers.shutdown().await;
        self.end(Order::Halt).await;
    }

    async fn end(mut self, order: Order) {
        self.app.orders.give(order);
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().filter_map(|thread| thread.join().err()).count()
        });
        if !matches!(joined.await, Ok(0)) {
            error!("a thread has failed");
        }
        self.endpoint.close(Close::Done);
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
        self.peers.shutdown().await;
        let Self { app, .. } = self;
        let store = Arc::clone(&app.store);
        drop(app);
        // Somebody may still be reading: then the logs are read at the next start, and nothing lost.
        if let Ok(Err(fault)) = Arc::try_unwrap(store).map(Store::close) {
            error!(%fault, "the store could not be closed");
        }
    }
}
