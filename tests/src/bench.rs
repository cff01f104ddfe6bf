//! What the benchmarks share: nodes in this process, and numbers from the system.

pub mod mixed;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use talea_ledger::replica::Reply;
use talea_node::clock::Clock;
use talea_node::commit::CommitFault;
use talea_node::config::{Config, Peer};
use talea_node::order::{Answer, ENTRIES_MAX, Host, Hosting, Order};
use talea_node::run::{Running, Setup, start};
use talea_protocol::entry::{Entry, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use tokio::sync::oneshot;

fn wall() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("fits")
}

fn steady() -> Duration {
    static START: std::sync::OnceLock<(Instant, u64)> = std::sync::OnceLock::new();
    let (start, wall) = START.get_or_init(|| (Instant::now(), wall()));
    Duration::from_millis(*wall) + start.elapsed()
}

fn abort(fault: &CommitFault) -> ! {
    eprintln!("{fault}");
    std::process::abort()
}

/// Starts a node in this process, on free ports of this machine.
///
/// # Panics
/// If it does not start.
pub async fn node(data: &Path, seed: &[u8; 32], peers: Vec<Peer>) -> Running {
    let local = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    let config = Config { http: local, quic: local, peers, ..Config::default() };
    let clock = Clock { wall, steady };
    let key = SecretKey::from_seed(seed);
    start(Setup { data: data.to_owned(), config, key, clock, abort }).await.expect("it starts")
}

/// Has a node keep a cooperative.
///
/// # Panics
/// If it does not.
pub async fn host(
    node: &Running,
    cooperative: EntryId,
    hosts: Vec<NodeKey>,
    charter: Option<&Signed>,
) {
    let charter = charter.map(|entry| Box::new(parse(entry.bytes())));
    let (done, answer) = oneshot::channel();
    node.orders().give(Order::Host(Host { cooperative, hosts, charter, is_lost: false, done }));
    match answer.await {
        Ok(Hosting::Begun(Some(reply))) => {
            assert!(matches!(reply.await, Ok(Reply::Placed(_))), "the charter has its place");
        }
        Ok(Hosting::Begun(None) | Hosting::Already) => {}
        other => panic!("not hosted: {other:?}"),
    }
}

/// An entry of these bytes.
///
/// # Panics
/// If they are none.
#[must_use]
pub fn parse(bytes: &[u8]) -> Entry {
    Entry::parse(bytes.to_vec()).expect("an entry")
}

/// Submits entries in order, as many at once as the node takes, and waits for the last answer.
///
/// # Panics
/// If one gets no place.
pub async fn submit_all(node: &Running, source: NodeKey, entries: &[Vec<u8>]) {
    let mut open: VecDeque<oneshot::Receiver<Reply>> = VecDeque::new();
    for bytes in entries {
        let entry = parse(bytes);
        while open.len() >= ENTRIES_MAX - 1 {
            placed(open.pop_front().expect("not empty")).await;
        }
        let (answer, receiver) = Answer::privileged();
        node.orders().give(Order::Submit(talea_node::order::Submission {
            source,
            entry: Box::new(entry),
            payload: None,
            answer,
        }));
        open.push_back(receiver);
    }
    for receiver in open {
        placed(receiver).await;
    }
}

async fn placed(receiver: oneshot::Receiver<Reply>) {
    match receiver.await {
        Ok(Reply::Placed(_) | Reply::Known(_)) => {}
        other => panic!("no place: {other:?}"),
    }
}

/// How many entries a node holds for settled.
///
/// # Panics
/// If the node has stopped.
pub async fn settled(node: &Running, cooperative: EntryId) -> u64 {
    node.orders()
        .ask(move |hosts| hosts.get(&cooperative).map_or(0, |hosted| hosted.replica.settled()))
        .await
        .expect("the node answers")
}

async fn held(node: &Running, cooperative: EntryId) -> usize {
    let places = |hosted: &talea_node::hosted::Hosted| hosted.replica.places().len();
    let held = node.orders().ask(move |hosts| hosts.get(&cooperative).map_or(0, places));
    held.await.expect("the node answers")
}

/// Waits until a node holds so many entries for settled.
///
/// # Panics
/// If it gets no further for half a minute; says then how far it and its peers are.
pub async fn wait_settled(node: &Running, cooperative: EntryId, count: u64) {
    let (mut last, mut since) = ((0, 0), Instant::now());
    loop {
        let now = (settled(node, cooperative).await, held(node, cooperative).await);
        if now.0 >= count {
            return;
        }
        if now > last {
            (last, since) = (now, Instant::now());
        }
        assert!(since.elapsed().as_secs() < 30, "stuck: {}", report(node, cooperative).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How far a node is with a cooperative, in words.
///
/// # Panics
/// If the node has stopped.
pub async fn report(node: &Running, cooperative: EntryId) -> String {
    let question = move |hosts: &mut talea_node::hosted::Hosts| {
        let Some(hosted) = hosts.get(&cooperative) else { return "not hosted".to_owned() };
        let replica = &hosted.replica;
        let mirror = |mirror: &talea_ledger::settle::Mirror| {
            let (checked, applied) = (mirror.checked.size(), mirror.frontier.size());
            format!("{checked} checked, {applied} applied, {} frames wait", mirror.waiting.len())
        };
        format!(
            "{} settled of {} placed, {} published, {} peers, others: {:?}",
            replica.settled(),
            replica.places().len(),
            replica.published(),
            replica.peers().count(),
            replica.mirrors().map(mirror).collect::<Vec<_>>()
        )
    };
    node.orders().ask(question).await.expect("the node answers")
}

/// Bytes that the loopback interface has carried, with all headers.
#[must_use]
pub fn loopback_bytes() -> u64 {
    let text = fs::read_to_string("/sys/class/net/lo/statistics/tx_bytes").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Resident memory of a process, in KiB.
#[must_use]
pub fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// Processor time of this process by now, in nanoseconds, by the name of the thread; threads of
/// one kind together. The first thread is `main`, and whoever has the program's name a core's.
#[must_use]
pub fn processor_ns() -> BTreeMap<String, u64> {
    let own = fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let mut spent = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let name = match read("comm") {
            _ if task.file_name().to_string_lossy() == std::process::id().to_string() => {
                "main".to_owned()
            }
            name if name == own => "cores".to_owned(),
            name => name.trim().split(':').next().unwrap_or_default().to_owned(),
        };
        let ns = read("schedstat").split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
        *spent.entry(name).or_insert(0) += ns.unwrap_or(0);
    }
    spent
}

/// Sum in seconds and number of what a node has measured under this name.
#[must_use]
pub fn measured(node: &Running, name: &str) -> (f64, f64) {
    let text = node.metrics().text();
    let value = |what: &str| {
        let name = format!("talea_{name}_seconds_{what} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    };
    (value("sum"), value("count"))
}

/// Bytes of all files below a folder.
#[must_use]
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
