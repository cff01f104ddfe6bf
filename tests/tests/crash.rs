//! A node is killed a hundred times while members submit: nothing that it acknowledged is missing.
//!
//! The observer stands outside. It notes what the node says over HTTP and, after each start, holds
//! it to all of it: every acknowledged entry at its index, byte for byte; no log shorter than
//! before; one root for each size. What it would report is tested below, also on a real node.
//! SIGKILL ends a process and no machine: writes that were never synced survive it. Power cuts
//! are another test's business (design, reliability, section 3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use std::{fs, io, thread};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use talea_protocol::checkpoint::{Checkpoint, open};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::leaf::accept;
use talea_protocol::receipt::Receipt;
use talea_protocol::tile::{TILE_WIDTH, TilePath, split_bundle, width};
use talea_protocol::tree::{Frontier, TreeHash, leaf_hash};
use talea_tests::chance::Chance;
use talea_tests::load::load;
use talea_tests::people::secret;
use talea_tests::process::{Talead, proof};
use talea_tests::wire::Wire;

/// Kills under load; some more hit a node that is just starting.
const KILLS: usize = 100;
/// Members who submit at the same time, each its own chain over its own connection.
const LANES: usize = 8;
/// Entries of one member in one life of the node: who is through with them ends that life.
const SHARE: usize = 16;
/// From the first submission to the kill, in µs.
const LIFE_US: (u64, u64) = (5_000, 120_000);
/// From the start of the process to a kill before anybody was answered, in µs.
const BIRTH_US: (u64, u64) = (1_000, 80_000);

/// What a node has said or shown that is not true of one log that only grows.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Fault {
    /// The entry was acknowledged, and is not where that was.
    Missing { entry: EntryId, index: u64 },
    /// The entry was acknowledged for two places.
    Moved { entry: EntryId, from: u64, to: u64 },
    /// The entry is there, and the node's receipt does not show it.
    Unproven { entry: EntryId },
    /// The log was longer when it was asked for.
    Shorter { size: u64, before: u64 },
    /// Two roots were signed for one size.
    TwoRoots { size: u64 },
    /// The leaves do not have the root that was signed.
    Root { size: u64 },
}

/// What was acknowledged: a leaf and its place.
struct Kept {
    index: u64,
    leaf: Vec<u8>,
}

/// All that a node has ever said, and what of it did not hold.
#[derive(Default)]
struct Observer {
    acknowledged: BTreeMap<EntryId, Kept>,
    /// Acknowledged since the last inspection.
    fresh: Vec<EntryId>,
    /// Every root that was shown, by its size.
    roots: BTreeMap<u64, TreeHash>,
    /// The log has been promised to have at least so many leaves.
    floor: u64,
    faults: BTreeSet<Fault>,
}

impl Observer {
    /// The node has said that the entry has this place.
    fn acknowledged(&mut self, entry: &Signed, index: u64) {
        let id = entry.id();
        let leaf = accept(entry);
        let kept = self.acknowledged.entry(id).or_insert_with(|| {
            self.fresh.push(id);
            Kept { index, leaf }
        });
        if kept.index != index {
            let _ = self.faults.insert(Fault::Moved { entry: id, from: kept.index, to: index });
        }
        self.floor = self.floor.max(index + 1);
    }

    /// The node has shown this checkpoint to somebody who asked when `before` was promised.
    fn shown(&mut self, checkpoint: &Checkpoint, before: u64) {
        let Checkpoint { size, root, .. } = *checkpoint;
        if size < before {
            let _ = self.faults.insert(Fault::Shorter { size, before });
        }
        if *self.roots.entry(size).or_insert(root) != root {
            let _ = self.faults.insert(Fault::TwoRoots { size });
        }
        self.floor = self.floor.max(size);
    }

    /// The node has shown the whole of its log.
    fn log(&mut self, leaves: &[Vec<u8>]) {
        for (entry, Kept { index, leaf }) in &self.acknowledged {
            if usize::try_from(*index).ok().and_then(|index| leaves.get(index)) != Some(leaf) {
                let _ = self.faults.insert(Fault::Missing { entry: *entry, index: *index });
            }
        }
        let mut tree = Frontier::default();
        for leaf in leaves {
            tree.append(leaf_hash(leaf));
            let size = tree.size();
            if self.roots.get(&size).is_some_and(|signed| *signed != tree.root()) {
                let _ = self.faults.insert(Fault::Root { size });
            }
        }
    }

    /// The node was asked for an acknowledged entry, and gave an index and bytes, or nothing.
    fn given(&mut self, entry: EntryId, given: Option<&(u64, Vec<u8>)>) {
        let Kept { index, leaf } = &self.acknowledged[&entry];
        if given.is_none_or(|(at, bytes)| at != index || leaf[1..] != **bytes) {
            let _ = self.faults.insert(Fault::Missing { entry, index: *index });
        }
    }

    /// Entries that were acknowledged and are not there.
    fn missing(&self) -> Vec<EntryId> {
        let missing = self.faults.iter().filter_map(|fault| match fault {
            Fault::Missing { entry, .. } => Some(*entry),
            _ => None,
        });
        missing.collect()
    }
}

/// Somebody who asks a node, over one connection.
struct Caller {
    wire: Wire<TcpStream>,
    node: NodeKey,
    cooperative: EntryId,
    device: SecretKey,
}

impl Caller {
    fn new(node: &Talead, cooperative: EntryId) -> io::Result<Self> {
        let wire = Wire::tcp(node.http())?;
        Ok(Self { wire, node: node.node(), cooperative, device: secret(0) })
    }

    /// The index that the node acknowledges, and whether it knew the entry already.
    fn submit(&mut self, entry: &Signed) -> io::Result<(u64, bool)> {
        let path = format!("/v1/cooperatives/{}/entries", self.cooperative);
        let body = json!({ "entry": STANDARD.encode(entry.bytes()), "payload": null }).to_string();
        let answer = self.wire.ask("POST", &path, "", body.as_bytes())?;
        let said: Value = serde_json::from_slice(&answer.body).unwrap();
        let index = said["index"].as_u64().unwrap_or_else(|| panic!("no place: {said}"));
        assert!(["placed", "known"].contains(&said["status"].as_str().unwrap()), "{said}");
        Ok((index, said["status"] == "known"))
    }

    /// What stands at a path of the cooperative; `None` if nothing does.
    fn get(&mut self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let path = format!("/v1/cooperatives/{}/{path}", self.cooperative);
        let headers = proof(&self.device, &self.node, &path);
        let answer = self.wire.ask("GET", &path, &headers, b"")?;
        let said = || String::from_utf8_lossy(&answer.body).into_owned();
        assert!([200, 404].contains(&answer.status), "{path}: {} {}", answer.status, said());
        Ok((answer.status == 200).then_some(answer.body))
    }

    fn checkpoint(&mut self) -> io::Result<Checkpoint> {
        let note = self.get("checkpoint")?.expect("a hosted cooperative has a checkpoint");
        let opened = open(&note, &self.cooperative, &self.node, &[]);
        Ok(opened.expect("the node has signed it").checkpoint().clone())
    }

    /// The first leaves of the node's log, as far as it shows them.
    fn leaves(&mut self, size: u64) -> io::Result<Vec<Vec<u8>>> {
        let mut leaves = Vec::new();
        for index in 0..size.div_ceil(TILE_WIDTH) {
            let count = width(0, index, size);
            let partial = u8::try_from(count).ok();
            let path = TilePath { level: None, index, partial }.to_string();
            let Some(bundle) = self.get(&path)? else { break };
            leaves.extend(split_bundle(&bundle, count).unwrap().into_iter().map(<[u8]>::to_vec));
        }
        Ok(leaves)
    }

    fn entry(&mut self, id: &EntryId) -> io::Result<Option<(u64, Vec<u8>)>> {
        let Some(body) = self.get(&format!("entries/{id}"))? else { return Ok(None) };
        let row: Value = serde_json::from_slice(&body).unwrap();
        let bytes = STANDARD.decode(row["bytes"].as_str().unwrap()).unwrap();
        Ok(Some((row["index"].as_u64().unwrap(), bytes)))
    }

    /// Whether the node's receipt shows that its log has this leaf there.
    fn is_proven(&mut self, id: &EntryId, kept: &Kept) -> io::Result<bool> {
        let Some(text) = self.get(&format!("proofs/{id}"))? else { return Ok(false) };
        let receipt = Receipt::parse(&text).unwrap();
        let leaf = leaf_hash(&kept.leaf);
        let verified = receipt.verify(&leaf, &self.cooperative, &self.node, &[]);
        Ok(receipt.index == kept.index && verified.is_ok())
    }
}

/// One member, who goes on where the last acknowledgement came.
struct Lane<'a> {
    entries: Vec<&'a Signed>,
    next: usize,
    /// Entries that the node had kept, though nobody was told before it was killed.
    untold: usize,
}

impl Lane<'_> {
    /// Submits so many entries, one after the other; before them once more what was acknowledged
    /// last, which must still have its place. An error means that the node is gone.
    fn submit(
        &mut self,
        share: usize,
        caller: &mut Caller,
        observer: &Mutex<Observer>,
    ) -> io::Result<()> {
        for number in self.next.saturating_sub(1)..self.next + share {
            let entry = self.entries[number];
            let (index, is_known) = caller.submit(entry)?;
            observer.lock().unwrap().acknowledged(entry, index);
            if number == self.next {
                self.untold += usize::from(is_known);
                self.next += 1;
            }
            if number.is_multiple_of(4) {
                look(caller, observer)?;
            }
        }
        Ok(())
    }
}

/// Asks for the checkpoint, which covers at least what was acknowledged before it was asked for.
fn look(caller: &mut Caller, observer: &Mutex<Observer>) -> io::Result<Checkpoint> {
    let before = observer.lock().unwrap().floor;
    let checkpoint = caller.checkpoint()?;
    observer.lock().unwrap().shown(&checkpoint, before);
    Ok(checkpoint)
}

/// A node that is killed, and whoever watches it.
struct Scene<'a> {
    node: Talead,
    cooperative: EntryId,
    lanes: Vec<Lane<'a>>,
    observer: Mutex<Observer>,
}

impl<'a> Scene<'a> {
    /// A node that keeps the cooperative of the first entry; the others are to be submitted.
    fn new(node: Talead, entries: &'a [Signed]) -> Self {
        let (charter, work) = entries.split_first().unwrap();
        let cooperative = charter.id();
        let body = json!({
            "cooperative": cooperative,
            "charter": STANDARD.encode(charter.bytes()),
        });
        let mut control = Wire::unix(&node.folder().join("control.sock")).unwrap();
        let hosted = control.ask("POST", "/host", "", body.to_string().as_bytes()).unwrap();
        assert_eq!(hosted.status, 200, "{}", String::from_utf8_lossy(&hosted.body));
        let lane = |first| Lane {
            entries: work.iter().skip(first).step_by(LANES).collect(),
            next: 0,
            untold: 0,
        };
        Self {
            node,
            cooperative,
            lanes: (0..LANES).map(lane).collect(),
            observer: Mutex::default(),
        }
    }

    fn caller(&self) -> Caller {
        Caller::new(&self.node, self.cooperative).expect("the node answers")
    }

    /// All submit at once; the node is killed after so long, or when the first is through.
    fn live(&mut self, long: Duration) {
        // All connections stand before the clock runs: later the port may be somebody else's.
        let callers: Vec<Caller> = self.lanes.iter().map(|_| self.caller()).collect();
        let observer = &self.observer;
        let (ended, first) = mpsc::channel();
        thread::scope(|scope| {
            for (lane, mut caller) in self.lanes.iter_mut().zip(callers) {
                let ended = ended.clone();
                scope.spawn(move || {
                    let end = lane.submit(SHARE, &mut caller, observer);
                    // Nobody listens any more once the node is killed.
                    let _ = ended.send(end);
                });
            }
            if let Ok(end) = first.recv_timeout(long) {
                end.expect("nobody loses the node before it is killed");
            }
            self.node.kill();
        });
    }

    /// Holds the node, which has just been started, to all that it has said.
    fn inspect(&mut self, chance: &mut Chance) -> io::Result<()> {
        let mut caller = self.caller();
        let checkpoint = look(&mut caller, &self.observer)?;
        let observer = self.observer.get_mut().unwrap();
        observer.log(&caller.leaves(checkpoint.size)?);
        for entry in std::mem::take(&mut observer.fresh) {
            observer.given(entry, caller.entry(&entry)?.as_ref());
        }
        if let Some(len) = u64::try_from(observer.acknowledged.len()).ok().filter(|len| *len > 0) {
            let number = usize::try_from(chance.below(len)).unwrap();
            let (entry, kept) = observer.acknowledged.iter().nth(number).unwrap();
            if !caller.is_proven(entry, kept)? {
                let _ = observer.faults.insert(Fault::Unproven { entry: *entry });
            }
        }
        Ok(())
    }

    fn summary(&self, kills: usize) -> String {
        let observer = self.observer.lock().unwrap();
        let (all, missing) = (observer.acknowledged.len(), observer.missing().len());
        format!("{kills} kills, {all} acknowledged, {missing} missing")
    }

    fn assert_faultless(&self, kills: usize) {
        let faults = &self.observer.lock().unwrap().faults;
        assert!(faults.is_empty(), "{kills} kills: {faults:?}");
    }
}

fn micros(chance: &mut Chance, (low, high): (u64, u64)) -> Duration {
    Duration::from_micros(chance.between(low, high))
}

#[test]
fn nothing_acknowledged_is_missing_after_a_hundred_kills() {
    let seed = std::env::var("TALEA_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    println!("seed {seed}; another with TALEA_SEED=n");
    let mut chance = Chance::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let node = Talead::new(folder.path().join("a"));
    let entries = load(LANES, (KILLS + 1) * LANES * SHARE, &[node.node()], 1);
    let mut scene = Scene::new(node, &entries);
    let mut unborn = 0;
    for kill in 1..=KILLS {
        scene.live(micros(&mut chance, LIFE_US));
        while chance.percent(20) {
            scene.node.start_and_kill(micros(&mut chance, BIRTH_US));
            unborn += 1;
        }
        scene.node.start();
        scene.inspect(&mut chance).expect("a node that nobody kills answers");
        scene.assert_faultless(kill);
    }
    let mut caller = scene.caller();
    for lane in &mut scene.lanes {
        lane.submit(1, &mut caller, &scene.observer).expect("a node that nobody kills answers");
    }
    scene.assert_faultless(KILLS);
    scene.node.kill();
    scene.node.check_disk();
    let untold: usize = scene.lanes.iter().map(|lane| lane.untold).sum();
    let shown = scene.observer.lock().unwrap().roots.len();
    println!("{untold} entries were kept before anybody was told; {shown} checkpoints hold");
    println!("{unborn} more kills hit a node that was starting");
    println!("{}", scene.summary(KILLS));
    assert!(scene.observer.lock().unwrap().acknowledged.len() > KILLS, "there was no load");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            let _ = fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_node_whose_disk_is_put_back_to_an_older_day_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let (data, older) = (folder.path().join("a"), folder.path().join("b"));
    let node = Talead::new(data.clone());
    let entries = load(LANES, 3 * LANES * SHARE, &[node.node()], 1);
    let mut scene = Scene::new(node, &entries);
    let mut chance = Chance::new(1);
    let ages = Duration::from_secs(60);

    scene.live(ages);
    copy(&data, &older);
    scene.node.start();
    scene.inspect(&mut chance).unwrap();
    scene.assert_faultless(1);
    scene.live(ages);
    let lost: BTreeSet<EntryId> = scene.observer.lock().unwrap().fresh.iter().copied().collect();
    assert!(lost.len() >= SHARE, "one was through with its share");
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&older, &data).unwrap();
    scene.node.start();
    scene.inspect(&mut chance).unwrap();

    let observer = scene.observer.lock().unwrap();
    assert!(observer.faults.iter().any(|fault| matches!(fault, Fault::Shorter { .. })));
    assert_eq!(observer.missing().into_iter().collect::<BTreeSet<_>>(), lost);
}

/// An observer that was told of these entries at these places, and the honest log of them.
fn told(entries: &[Signed]) -> (Observer, Vec<Vec<u8>>) {
    let mut observer = Observer::default();
    for (index, entry) in (0..).zip(entries) {
        observer.acknowledged(entry, index);
    }
    (observer, entries.iter().map(|entry| accept(entry)).collect())
}

fn checkpoint(leaves: &[Vec<u8>]) -> Checkpoint {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.append(leaf_hash(leaf)));
    Checkpoint { origin: "log".to_owned(), size: tree.size(), root: tree.root() }
}

#[test]
fn an_observer_reports_every_acknowledged_entry_that_the_log_has_not() {
    let entries = load(2, 4, &[NodeKey([7; 32])], 1);
    let (mut observer, honest) = told(&entries);
    observer.log(&honest);
    assert_eq!(observer.missing(), []);

    let mut changed = honest.clone();
    changed[3][40] ^= 1;
    let mut swapped = honest.clone();
    swapped.swap(1, 2);
    for (log, missing) in [
        (honest[..4].to_vec(), vec![4]),
        (Vec::new(), vec![0, 1, 2, 3, 4]),
        (changed, vec![3]),
        (swapped, vec![1, 2]),
    ] {
        let (mut observer, _) = told(&entries);
        observer.log(&log);
        let expected: BTreeSet<EntryId> =
            missing.iter().map(|n: &usize| entries[*n].id()).collect();
        assert_eq!(observer.missing().into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn an_observer_reports_an_entry_that_is_not_given_as_it_was_acknowledged() {
    let entries = load(2, 1, &[NodeKey([7; 32])], 1);
    let (id, bytes) = (entries[1].id(), entries[1].bytes().to_vec());
    let other = entries[0].bytes().to_vec();
    for (given, missing) in
        [(Some((1, bytes.clone())), 0), (None, 1), (Some((0, bytes)), 1), (Some((1, other)), 1)]
    {
        let (mut observer, _) = told(&entries);
        observer.given(id, given.as_ref());
        assert_eq!(observer.missing().len(), missing, "{given:?}");
    }
}

#[test]
fn an_observer_reports_another_place_a_shorter_log_and_another_root() {
    let entries = load(2, 4, &[NodeKey([7; 32])], 1);
    let (mut observer, honest) = told(&entries);
    observer.shown(&checkpoint(&honest), observer.floor);
    assert_eq!(observer.faults, BTreeSet::new());

    observer.shown(&checkpoint(&honest[..3]), observer.floor);
    assert_eq!(observer.faults.pop_last(), Some(Fault::Shorter { size: 3, before: 5 }));
    let mut swapped = honest.clone();
    swapped.swap(1, 2);
    observer.shown(&checkpoint(&swapped), 5);
    assert_eq!(observer.faults.pop_last(), Some(Fault::TwoRoots { size: 5 }));
    observer.log(&swapped);
    assert_eq!(observer.faults.pop_last(), Some(Fault::Root { size: 5 }));
    let entry = entries[1].id();
    observer.acknowledged(&entries[1], 9);
    observer.faults.retain(|fault| !matches!(fault, Fault::Missing { .. }));
    assert_eq!(observer.faults.pop_last(), Some(Fault::Moved { entry, from: 1, to: 9 }));
    assert_eq!(observer.faults, BTreeSet::new());
}
