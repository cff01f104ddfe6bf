//! The table of README.md: what Talea does on this machine, beside what the machine could do.
//!
//! Every figure is measured in this run. Ratios compare things measured minutes apart at most,
//! since machines are shared; the raw rate is measured before and after, and the mean is taken.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use talea_node::config::Peer;
use talea_node::run::Running;
use talea_node::store::Store;
use talea_protocol::entry::{Entry, Signed, check};
use talea_protocol::key::{NodeKey, SecretKey};
use talea_tests::bench::{
    folder_bytes, host, loopback_bytes, measured, node, parse, processor_ns, resident_kib,
    submit_all, wait_settled,
};
use talea_tests::load::load;

const DEVICES: usize = 100;
const SEEDS: [[u8; 32]; 3] = [[101; 32], [102; 32], [103; 32]];

fn main() {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let alone = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(500);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runs");
    println!("entries: {count} by {DEVICES} devices; cores: {}", rayon::current_num_threads());
    println!("| what | measured | beside |\n|---|---|---|");
    let only = std::env::args().nth(3);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    runtime.block_on(async {
        if wanted("ingest") {
            ingest(count).await;
        }
        if wanted("catch-up") {
            catch_up(count).await;
        }
        if wanted("alone") {
            one_at_a_time(alone).await;
        }
    });
}

fn row(what: &str, measured: impl std::fmt::Display, beside: impl std::fmt::Display) {
    println!("| {what} | {measured} | {beside} |");
}

fn public(seed: &[u8; 32]) -> NodeKey {
    SecretKey::from_seed(seed).node()
}

/// Signatures verified a second, on all cores, in batches of 1,024: the bound of everything else.
fn raw(entries: &[Vec<u8>]) -> f64 {
    let parsed: Vec<Vec<Entry>> =
        entries.chunks(1_024).map(|part| part.iter().map(|b| parse(b)).collect()).collect();
    let begun = Instant::now();
    let good: usize = parsed
        .into_par_iter()
        .map(|part| check(part).iter().filter(|verdict| verdict.is_ok()).count())
        .sum();
    assert_eq!(good, entries.len());
    entries.len() as f64 / begun.elapsed().as_secs_f64()
}

fn bytes_of(entries: &[Signed]) -> Vec<Vec<u8>> {
    entries.iter().map(|entry| entry.bytes().to_vec()).collect()
}

/// Durable ingest at one node; then its disk, its start and its memory.
async fn ingest(count: usize) {
    let entries = load(DEVICES, count, &[public(&SEEDS[0])], 1);
    let bytes = bytes_of(&entries);
    let total: usize = bytes.iter().map(Vec::len).sum();
    let folder = tempfile::tempdir().expect("a folder");
    let before = raw(&bytes);
    let one = node(folder.path(), &SEEDS[0], Vec::new()).await;
    let cooperative = entries[0].id();
    host(&one, cooperative, Vec::new(), Some(&entries[0])).await;
    let (begun, spent) = (Instant::now(), processor_ns());
    submit_all(&one, one.node(), &bytes[1..]).await;
    wait_settled(&one, cooperative, entries.len() as u64).await;
    let wall = begun.elapsed();
    let spent = shares(&spent, &processor_ns(), wall, count);
    let rate = count as f64 / wall.as_secs_f64();
    one.stop().await;
    let raw = f64::midpoint(before, raw(&bytes));
    row("average entry, bytes", total / entries.len(), "");
    row("raw batch verification, entries/s", format!("{raw:.0}"), "the bound of all rates");
    row(
        "durable ingest to settled, entries/s",
        format!("{rate:.0}"),
        format!("{:.2} of raw", rate / raw),
    );
    row("where the cores were, us an entry", spent, "us of both cores");
    let store = Store::open(&folder.path().join("store")).expect("it opens");
    store.compact().expect("it compacts");
    store.close().expect("it closes");
    let disk = folder_bytes(folder.path());
    row(
        "disk after compaction, bytes",
        disk,
        format!("{:.2} x the entries", disk as f64 / total as f64),
    );
    start_and_rest(folder.path());
}

/// `talead run` on that folder: time to its ready line, and resident memory after it.
fn start_and_rest(folder: &Path) {
    let talead = std::env::current_exe().expect("a path").with_file_name("talead");
    std::fs::write(folder.join("config.toml"), "http = \"127.0.0.1:0\"\nquic = \"127.0.0.1:0\"\n")
        .expect("written");
    if !talead.exists() || talea_node::identity::make(folder, &SEEDS[0]).is_err() {
        return row("start and memory", "not measured", "build talead first: ./tools/bench does");
    }
    let begun = Instant::now();
    let mut child = Command::new(talead)
        .args(["run", "--log", "off", "--data"])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().expect("piped"));
    output.read_line(&mut line).expect("a line");
    let start = begun.elapsed();
    let memory = resident_kib(child.id());
    let _ = child.kill();
    let _ = child.wait();
    row("start with these entries, ms", start.as_millis(), "aim: 2,000");
    row("resident memory then, MB", memory / 1_024, "aim: 100");
}

/// A second, empty node catches up over QUIC on this machine.
async fn catch_up(count: usize) {
    let nodes = [public(&SEEDS[0]), public(&SEEDS[1])];
    let entries = load(DEVICES, count, &nodes, 2);
    let bytes = bytes_of(&entries);
    let total: usize = bytes.iter().map(Vec::len).sum();
    let cooperative = entries[0].id();
    let folders = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
    let one = node(folders[0].path(), &SEEDS[0], Vec::new()).await;
    host(&one, cooperative, Vec::new(), Some(&entries[0])).await;
    submit_all(&one, one.node(), &bytes[1..]).await;
    let before = raw(&bytes);
    let peer = Peer { node: one.node(), address: one.addresses().quic.to_string() };
    let two = node(folders[1].path(), &SEEDS[1], vec![peer]).await;
    let carried = loopback_bytes();
    let (begun, spent) = (Instant::now(), processor_ns());
    host(&two, cooperative, vec![one.node()], None).await;
    wait_settled(&two, cooperative, entries.len() as u64).await;
    let wall = begun.elapsed();
    let spent = shares(&spent, &processor_ns(), wall, count);
    let rate = count as f64 / wall.as_secs_f64();
    wait_settled(&one, cooperative, entries.len() as u64).await;
    let carried = loopback_bytes() - carried;
    let raw = f64::midpoint(before, raw(&bytes));
    row(
        "catch-up of an empty node, entries/s",
        format!("{rate:.0}"),
        format!("{:.2} of raw", rate / raw),
    );
    row("where the cores were, us an entry", spent, "us of both cores, both nodes");
    row(
        "bytes on the wire, all headers, both ways",
        carried,
        format!("{:.3} x the entries", carried as f64 / total as f64),
    );
    let carried = loopback_bytes();
    two.stop().await;
    let peer = Peer { node: one.node(), address: one.addresses().quic.to_string() };
    let two = node(folders[1].path(), &SEEDS[1], vec![peer]).await;
    while two
        .orders()
        .ask(move |h| h.get(&cooperative).is_none_or(|h| h.replica.peers().next().is_none()))
        .await
        == Some(true)
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    row(
        "two equal nodes meet again, bytes with handshake",
        loopback_bytes() - carried,
        "messages alone: see the test",
    );
    two.stop().await;
    one.stop().await;
}

/// One entry at a time: placed at one node, and settled at all three.
async fn one_at_a_time(count: usize) {
    let nodes = SEEDS.map(|seed| public(&seed));
    let entries = load(10, count, &nodes, 2);
    let bytes = bytes_of(&entries);
    let cooperative = entries[0].id();
    let folders = SEEDS.map(|_| tempfile::tempdir().expect("a folder"));
    let mut running = Vec::new();
    let mut peers = Vec::new();
    for (folder, seed) in folders.iter().zip(&SEEDS) {
        let one = node(folder.path(), seed, peers.clone()).await;
        peers.push(Peer { node: one.node(), address: one.addresses().quic.to_string() });
        running.push(one);
    }
    for one in &running {
        host(one, cooperative, nodes.to_vec(), Some(&entries[0])).await;
    }
    let mut events = Vec::new();
    for one in &running {
        wait_settled(one, cooperative, 1).await;
        let subscribed =
            one.orders().ask(move |hosts| hosts.get(&cooperative).map(|h| h.subscribe())).await;
        events.push(subscribed.flatten().expect("it is hosted"));
    }
    let (mut placed, mut done) = (Vec::new(), Vec::new());
    let begun_with = STEPS.map(|step| sums(&running, step));
    for (index, (entry, bytes)) in entries.iter().zip(&bytes).enumerate().skip(1) {
        let begun = Instant::now();
        let one = &running[index % 3];
        submit_all(one, one.node(), std::slice::from_ref(bytes)).await;
        placed.push(begun.elapsed().as_secs_f64() * 1e3);
        for events in &mut events {
            loop {
                match events.recv().await {
                    Ok(talea_node::hosted::Event::Settled(what)) if what.entry == entry.id() => {
                        break;
                    }
                    Ok(_) => {}
                    Err(fault) => panic!("events are lost: {fault}"),
                }
            }
        }
        done.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let ended_with = STEPS.map(|step| sums(&running, step));
    let steps = steps(&begun_with, &ended_with, &placed);
    let sync = sync_ms(folders[0].path());
    row(
        "one entry placed, ms p50 / p99",
        percentiles(&mut placed),
        format!("one sync of this disk: {sync:.2} ms"),
    );
    row("where that time goes, ms on average", steps, "a commit's steps, as /metrics has them");
    row(
        "the same settled on all three, ms p50 / p99",
        percentiles(&mut done),
        "two commits one after another, two syncs each",
    );
    for one in running {
        one.stop().await;
    }
}

/// Processor time of each kind of thread for one entry, in us, and what was idle.
fn shares(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    wall: Duration,
    count: usize,
) -> String {
    let each = |ns: f64| ns / 1e3 / count as f64;
    let all = wall.as_nanos() as f64 * rayon::current_num_threads() as f64;
    let mut spent: Vec<(f64, &str)> = after
        .iter()
        .map(|(name, ns)| (ns.saturating_sub(*before.get(name).unwrap_or(&0)) as f64, &**name))
        .collect();
    let idle = all - spent.iter().map(|(ns, _)| ns).sum::<f64>();
    spent.push((idle, "idle or others"));
    spent.sort_by(|one, other| other.0.total_cmp(&one.0));
    let text = spent.iter().filter(|(ns, _)| each(*ns) >= 0.05);
    text.map(|(ns, name)| format!("{name} {:.1}", each(*ns))).collect::<Vec<_>>().join(", ")
}

/// What a commit consists of, by the names in /metrics.
const STEPS: [&str; 4] = ["sync", "read_back", "promise", "commit"];

fn sums(running: &[Running], step: &str) -> (f64, f64) {
    let each = running.iter().map(|node| measured(node, step));
    each.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// The steps of a commit, and what is left of the time to a place: the check of the signature,
/// the fold and the hand-overs between threads.
fn steps(before: &[(f64, f64)], after: &[(f64, f64)], placed: &[f64]) -> String {
    let means = before.iter().zip(after).map(|(b, a)| 1e3 * (a.0 - b.0) / (a.1 - b.1).max(1.0));
    let [sync, read_back, promise, commit] = means.collect::<Vec<_>>()[..] else {
        return String::new();
    };
    let rest = placed.iter().sum::<f64>() / placed.len().max(1) as f64 - commit;
    format!(
        "write and sync {sync:.2}, read back {read_back:.2}, promise, its sync and the signature \
         {promise:.2}, check, place and hand-overs {rest:.2}"
    )
}

fn percentiles(times: &mut [f64]) -> String {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    format!("{:.2} / {:.2}", at(50), at(99))
}

/// The median time of appending 4 KiB to a file and syncing it.
fn sync_ms(folder: &Path) -> f64 {
    use std::io::Write;
    let mut file = std::fs::File::create(folder.join("sync")).expect("a file");
    let mut times: Vec<f64> = (0..100)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&[0; 4_096]).expect("written");
            file.sync_data().expect("synced");
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[50]
}
