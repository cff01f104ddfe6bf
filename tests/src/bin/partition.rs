//! Five nodes are cut into two and three; both sides go on; the wires are joined again. Prints how
//! long it takes until all have one state, and what was sent beside what was missing.
//!
//! Nodes run in this process and reach each other through wires that can be cut (`relay.rs`), on
//! ports of this machine. A side's connections are lost before it writes, as in a real partition.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use talea_node::config::Peer;
use talea_node::run::Running;
use talea_protocol::entry::Signed;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{NodeKey, SecretKey};
use talea_tests::bench::{host, node, report, submit_all, wait_settled};
use talea_tests::load::load;
use talea_tests::relay::Relay;

const SEEDS: [[u8; 32]; 5] = [[201; 32], [202; 32], [203; 32], [204; 32], [205; 32]];
/// The first so many nodes are one side.
const SIDE: usize = 2;
const DEVICES: usize = 100;
/// Receipts that settle an entry: as with one liar among five, so neither side settles alone.
const QUORUM: u8 = 4;
/// Nothing here takes as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// A wire and the two nodes at its ends.
struct Wire {
    ends: (usize, usize),
    relay: Relay,
}

impl Wire {
    const fn crosses(&self) -> bool {
        (self.ends.0 < SIDE) != (self.ends.1 < SIDE)
    }
}

fn main() -> ExitCode {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runs");
    runtime.block_on(run(count))
}

async fn run(count: usize) -> ExitCode {
    let nodes = SEEDS.map(|seed| SecretKey::from_seed(&seed).node());
    let entries = load(DEVICES, 2 * count, &nodes, QUORUM);
    let cooperative = entries[0].id();
    let folders = SEEDS.map(|_| tempfile::tempdir().expect("a folder"));
    let (running, wires) = meshed(&folders, &nodes).await;
    for one in &running {
        host(one, cooperative, nodes.to_vec(), Some(&entries[0])).await;
    }
    for one in &running {
        wait_settled(one, cooperative, 1).await;
    }
    println!("{} nodes, quorum {QUORUM}, {count} entries on each side", running.len());

    wires.iter().filter(|wire| wire.crosses()).for_each(|wire| wire.relay.cut());
    let begun = Instant::now();
    until(&running, cooperative, "the sides have lost each other", apart).await;
    println!("cut; the sides have lost each other after {:.1} s", begun.elapsed().as_secs_f64());
    let missing = write(&running, cooperative, &entries).await;

    let before: u64 = wires.iter().map(|wire| wire.relay.bytes()).sum();
    wires.iter().for_each(|wire| wire.relay.join());
    let begun = Instant::now();
    until(&running, cooperative, "a first session across", |seen| !apart(seen)).await;
    let met = begun.elapsed();
    for one in &running {
        wait_settled(one, cooperative, entries.len() as u64).await;
    }
    until(&running, cooperative, "one state", |seen| {
        seen.iter().map(|one| one.root).collect::<BTreeSet<_>>().len() == 1
    })
    .await;
    let whole = begun.elapsed();
    let sent = wires.iter().map(|wire| wire.relay.bytes()).sum::<u64>() - before;
    tell(met, whole, sent, missing);
    for one in running {
        one.stop().await;
    }
    ExitCode::SUCCESS
}

fn tell(met: Duration, whole: Duration, sent: u64, missing: u64) {
    println!("joined; first session across after {:.1} s (redialling)", met.as_secs_f64());
    println!(
        "equal roots on all nodes after {:.1} s, {:.1} s from the first session on",
        whole.as_secs_f64(),
        (whole - met).as_secs_f64()
    );
    println!(
        "sent {:.1} MB with all headers, missing {:.1} MB of entries: {:.2} times",
        sent as f64 / 1e6,
        missing as f64 / 1e6,
        sent as f64 / missing as f64
    );
}

/// Nodes that dial those before them, each over a wire of its own.
async fn meshed(
    folders: &[tempfile::TempDir; 5],
    nodes: &[NodeKey; 5],
) -> (Vec<Running>, Vec<Wire>) {
    let (mut running, mut wires) = (Vec::<Running>::new(), Vec::new());
    for (number, (folder, seed)) in folders.iter().zip(&SEEDS).enumerate() {
        let mut peers = Vec::new();
        for (other, target) in running.iter().enumerate() {
            let relay = Relay::to(target.addresses().quic).await.expect("a free port");
            peers.push(Peer { node: nodes[other], address: relay.address().to_string() });
            wires.push(Wire { ends: (other, number), relay });
        }
        running.push(node(folder.path(), seed, peers).await);
    }
    (running, wires)
}

/// Each side's authors write on their side; says how many bytes of entries are missing then,
/// at all nodes together.
async fn write(running: &[Running], cooperative: EntryId, entries: &[Signed]) -> u64 {
    let authors: Vec<_> = entries[1..=DEVICES].iter().map(|entry| entry.header().device).collect();
    let left: BTreeSet<_> = authors[..DEVICES / 2].iter().copied().collect();
    let (left, right): (Vec<_>, Vec<_>) =
        entries[1..].iter().partition(|entry| left.contains(&entry.header().device));
    let sides = [left, right].map(|side| -> Vec<Vec<u8>> {
        side.into_iter().map(|entry| entry.bytes().to_vec()).collect()
    });
    submit_all(&running[0], running[0].node(), &sides[0]).await;
    submit_all(&running[SIDE], running[SIDE].node(), &sides[1]).await;
    let held = [1 + sides[0].len(), 1 + sides[1].len()];
    until(running, cooperative, "each side has its own", |seen| {
        let expected = |number: usize| held[usize::from(number >= SIDE)];
        seen.iter().enumerate().all(|(number, one)| one.placed == expected(number))
    })
    .await;
    let bytes = sides.map(|side| side.iter().map(|entry| entry.len() as u64).sum::<u64>());
    bytes[0] * (SEEDS.len() - SIDE) as u64 + bytes[1] * SIDE as u64
}

/// What is seen of a node.
struct Seen {
    peers: BTreeSet<NodeKey>,
    node: NodeKey,
    placed: usize,
    root: Hash,
}

fn apart(seen: &[Seen]) -> bool {
    let (one, other) = seen.split_at(SIDE);
    let mut pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
    pairs.all(|(one, other)| !one.peers.contains(&other.node) && !other.peers.contains(&one.node))
}

/// Waits until this is so.
async fn until(
    running: &[Running],
    cooperative: EntryId,
    what: &str,
    so: impl Fn(&[Seen]) -> bool,
) {
    let begun = Instant::now();
    loop {
        let mut seen = Vec::new();
        for one in running {
            seen.push(look(one, cooperative).await);
        }
        if so(&seen) {
            return;
        }
        if begun.elapsed() > PATIENCE {
            for one in running {
                eprintln!("{}", report(one, cooperative).await);
            }
            panic!("not in time: {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn look(running: &Running, cooperative: EntryId) -> Seen {
    let node = running.node();
    let look = move |hosts: &mut talea_node::hosted::Hosts| {
        let hosted = hosts.get_mut(&cooperative)?;
        let peers = hosted.replica.peers().copied().collect();
        let placed = hosted.replica.places().len();
        let root = hosted.replica.state_mut().root();
        Some(Seen { peers, node, placed, root })
    };
    running.orders().ask(look).await.flatten().expect("it is hosted")
}
