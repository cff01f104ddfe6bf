//! Disks that are lost, old or damaged, and the commands that an operator has against it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use talea_ledger::batch::{Batch, Column};
use talea_ledger::replica::{leaf_key, tile_key};
use talea_node::span::Span;
use talea_node::store::Store;
use talea_protocol::bytes::hex;
use talea_protocol::hash::EntryId;

use crate::people::{Author, found};
use crate::site::{PATIENCE, Site};

fn talead(words: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talead"));
    // Free ports: `recover` runs a node for as long as it takes, and the tests run side by side.
    command.env("TALEA_QUIC", "127.0.0.1:0").env("TALEA_HTTP", "127.0.0.1:0");
    command.args(words).arg("--data").arg(data).env_remove("TALEA_LOG").output().unwrap()
}

/// The line of JSON that a command prints which succeeds.
pub fn done(words: &[&str], data: &Path) -> Value {
    let output = talead(words, data);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words:?}: {said}"))
}

/// What a command says that fails: the reason, and what to do.
pub fn refused(words: &[&str], data: &Path) -> String {
    let output = talead(words, data);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
    assert!(said.lines().last().unwrap().starts_with("  "), "no remedy: {said}");
    said
}

/// Nodes that keep one cooperative.
struct Roster {
    folder: tempfile::TempDir,
    sites: Vec<Site>,
    authors: Vec<Author>,
    cooperative: EntryId,
    entries: usize,
}

impl Roster {
    fn new(count: usize, quorum: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = |n: usize| Site::new(folder.path().join(n.to_string()));
        let sites: Vec<Site> = (0..count).map(site).collect();
        let nodes: Vec<_> = sites.iter().map(|site| site.node).collect();
        let (authors, charter) = found(4, &nodes, quorum);
        for site in &sites {
            let others: Vec<&Site> = sites.iter().filter(|it| it.node != site.node).collect();
            site.host(&charter, &others).good();
        }
        Self { folder, sites, authors, cooperative: charter.id(), entries: 1 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Entries by all authors in turn through one node.
    fn write(&mut self, site: usize, count: usize) {
        for n in 0..count {
            let author = n % self.authors.len();
            let entry = self.authors[author].work(self.cooperative, 7);
            self.sites[site].submit(&entry).good();
        }
        self.entries += count;
    }

    /// Waits until all is settled everywhere, with one state.
    fn settle(&self) {
        let mut states = std::collections::BTreeSet::new();
        for site in &self.sites {
            site.wait_settled(&self.authors[0].key, &self.cooperative, self.entries);
            states.insert(self.overview(site)["state"].as_str().unwrap().to_owned());
        }
        assert_eq!(states.len(), 1);
    }

    fn overview(&self, site: &Site) -> Value {
        let path = format!("/v1/cooperatives/{}", self.cooperative);
        site.get_as(&self.authors[0].key, &path).good()
    }

    /// The node's checkpoint: its size and its note.
    fn checkpoint(&self, site: usize) -> (u64, String) {
        let path = format!("/v1/cooperatives/{}/checkpoint", self.cooperative);
        let note = self.sites[site].get_as(&self.authors[0].key, &path);
        assert_eq!(note.status, 200);
        let note = String::from_utf8(note.body).unwrap();
        (note.lines().nth(1).unwrap().parse().unwrap(), note)
    }

    fn data(&self, site: usize) -> PathBuf {
        self.sites[site].folder().to_owned()
    }

    fn open(&self, site: usize) -> Store {
        Store::open(&self.data(site).join("store")).unwrap()
    }
}

fn readyz(site: &Site) -> (u16, String) {
    let ready = site.get("/readyz");
    (ready.status, String::from_utf8(ready.body).unwrap())
}

/// Waits until the node says that it lacks nothing.
fn wait_ready(site: &Site) {
    let begun = std::time::Instant::now();
    while readyz(site).0 != 200 {
        assert!(begun.elapsed() < PATIENCE, "not ready in time: {}", readyz(site).1);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_backup_of_a_running_node_is_restored_and_signs_nothing_before_it_has_caught_up() {
    let mut roster = Roster::new(3, 2);
    roster.write(0, 40);
    roster.settle();
    let backup = roster.path("backup");
    let to = backup.to_str().unwrap().to_owned();
    let made = done(&["backup", "--to", &to], &roster.data(0));
    assert_eq!((&made["cooperatives"], made["leaves"].as_u64() >= Some(41)), (&json!(1), true));
    assert!(refused(&["backup", "--to", &to], &roster.data(0)).contains("exists already"));
    // What comes after it went through this node alone.
    roster.write(0, 40);
    roster.settle();
    let (before, _) = roster.checkpoint(0);

    let data = roster.data(0);
    roster.sites[0].kill();
    assert!(refused(&["restore", "--from", &to], &data).contains("exists already"));
    for lost in ["store", "promise"] {
        fs::remove_dir_all(data.join(lost)).unwrap();
    }
    done(&["restore", "--from", &to], &data);
    // The others are not there: it serves what it has and signs nothing.
    roster.sites[1].kill();
    roster.sites[2].kill();
    roster.sites[0].start();
    let (status, reasons) = readyz(&roster.sites[0]);
    assert!(status == 503 && reasons.contains("signs nothing"), "{reasons}");
    let entry = roster.authors[0].work(roster.cooperative, 9);
    let answer = roster.sites[0].submit(&entry);
    assert_eq!((answer.status, answer.code().as_str()), (503, "busy"));
    assert_eq!(roster.overview(&roster.sites[0])["entries"], 41);
    let said = roster.sites[0].control("GET", "/status", &json!(null)).good();
    assert_eq!(
        said["behind"][0]["reason"],
        "0 of 2 nodes have said what they hold of this node's log"
    );
    roster.sites[1].start();
    roster.sites[2].start();
    wait_ready(&roster.sites[0]);
    assert!(roster.checkpoint(0).0 >= before);
    roster.sites[0].submit(&entry).good();
    roster.entries += 1;
    roster.settle();
    // It is known now: the next start does not ask for it again.
    roster.sites[0].kill();
    assert!(roster.open(0).range(Column::Meta, &Span::prefix(b"doubt/"), 9).unwrap().is_empty());
}

#[test]
fn a_backup_that_was_changed_or_is_another_nodes_is_not_restored() {
    let mut roster = Roster::new(2, 2);
    roster.write(0, 10);
    roster.settle();
    let backup = roster.path("backup");
    let to = backup.to_str().unwrap().to_owned();
    roster.sites[0].kill();
    done(&["backup", "--to", &to], &roster.data(0));

    let other = roster.path("other");
    done_init(&other);
    let said = refused(&["restore", "--from", &to], &other);
    assert!(said.contains("a backup of node"), "{said}");
    fs::remove_file(other.join("node.key")).unwrap();
    assert!(refused(&["restore", "--from", &to], &other).contains("node.key"));
    fs::copy(roster.data(0).join("node.key"), other.join("node.key")).unwrap();
    let table = fs::read_dir(backup.join("store")).unwrap().map(|file| file.unwrap().path());
    let table = table.filter(|path| path.extension().is_some_and(|it| it == "sst")).max().unwrap();
    let mut bytes = fs::read(&table).unwrap();
    bytes[100] ^= 4;
    fs::write(&table, bytes).unwrap();
    let said = refused(&["restore", "--from", &to], &other);
    assert!(said.contains("is not the file that was kept"), "{said}");
    assert!(!other.join("store").exists() && !other.join("promise").exists());
}

fn done_init(data: &Path) {
    assert!(talead(&["init"], data).status.success());
}

#[test]
fn a_node_whose_store_is_gone_recovers_it_from_a_peer_and_is_not_another_one() {
    let mut roster = Roster::new(3, 2);
    roster.write(2, 60);
    roster.settle();
    let (before, _) = roster.checkpoint(2);
    let data = roster.data(2);
    roster.sites[2].kill();
    fs::remove_dir_all(data.join("store")).unwrap();
    // Started as it is, it says what is missing: nobody told it where the others are.
    roster.sites[2].start();
    let (status, reasons) = readyz(&roster.sites[2]);
    assert!(status == 503 && reasons.contains("signs nothing"), "{reasons}");
    let peer = format!("{}@{}", roster.sites[0].node, roster.sites[0].quic);
    let words = ["recover", "--from", peer.as_str()];
    let recovered = done(&words, &data);
    assert!(recovered["recovered"][0]["leaves"].as_u64() >= Some(before), "{recovered}");
    assert!(roster.checkpoint(2).0 >= before);
    roster.write(2, 20);
    roster.settle();

    // And the same with the node stopped, from a store that cannot even be opened.
    roster.sites[2].kill();
    let current = data.join("store").join("CURRENT");
    fs::write(&current, "nonsense").unwrap();
    assert!(refused(&["check"], &data).contains("store"));
    let recovered = done(&[&words[..], &["--anew"]].concat(), &data);
    assert_eq!(recovered["recovered"][0]["cooperative"], roster.cooperative.to_string());
    assert!(data.join("store.aside-1").exists());
    done(&["check"], &data);
    roster.sites[2].start();
    roster.write(2, 20);
    roster.settle();
}

#[test]
fn a_node_of_which_only_the_key_is_left_recovers_what_its_operator_names() {
    let mut roster = Roster::new(3, 2);
    roster.write(2, 60);
    roster.settle();
    let (before, _) = roster.checkpoint(2);
    let data = roster.data(2);
    roster.sites[2].kill();
    let key = roster.path("node.key");
    fs::copy(data.join("node.key"), &key).unwrap();
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir(&data).unwrap();
    fs::copy(&key, data.join("node.key")).unwrap();
    let at = |n: usize| format!("{}@{}", roster.sites[n].node, roster.sites[n].quic);
    let (one, other, id) = (at(0), at(1), roster.cooperative.to_string());
    // Nothing here says what it kept.
    let said = refused(&["recover", "--from", &one], &data);
    assert!(said.contains("name each cooperative that it kept, with --cooperative"), "{said}");
    // One other node has all of it; whether a third has more, that one does not know.
    roster.sites[1].kill();
    let words = ["recover", "--cooperative", &id, "--from", &one];
    let said = refused(&[&words[..], &["--patience", "5"]].concat(), &data);
    assert!(said.contains("1 of 2 nodes have said what they hold"), "{said}");
    // Nor is that forgotten when it starts.
    roster.sites[2].start();
    let (status, reasons) = readyz(&roster.sites[2]);
    assert!(status == 503 && reasons.contains("signs nothing"), "{reasons}");
    let early = roster.authors[0].work(roster.cooperative, 7);
    assert_eq!(roster.sites[2].submit(&early).code(), "busy");
    roster.sites[2].kill();
    roster.sites[1].start();
    let recovered = done(&[&words[..], &["--from", &other]].concat(), &data);
    assert!(recovered["recovered"][0]["leaves"].as_u64() >= Some(before), "{recovered}");
    roster.sites[2].start();
    wait_ready(&roster.sites[2]);
    assert!(roster.checkpoint(2).0 >= before);
    roster.sites[2].submit(&early).good();
    roster.entries += 1;
    roster.write(2, 20);
    roster.settle();
    roster.sites[2].kill();
    done(&["check"], &data);
}

#[test]
fn a_recovery_from_a_peer_that_is_not_there_says_so_and_ends() {
    let mut roster = Roster::new(2, 2);
    roster.write(0, 5);
    roster.settle();
    let data = roster.data(0);
    roster.sites[0].kill();
    let peer = format!("{}@{}", roster.sites[1].node, roster.sites[1].quic);
    roster.sites[1].kill();
    let words = ["recover", "--anew", "--patience", "1", "--from", peer.as_str()];
    let said = refused(&words, &data);
    assert!(said.contains("0 leaves are here of a log of which this node has signed"), "{said}");
}

#[test]
fn derived_state_that_is_damaged_is_named_and_made_anew() {
    let mut roster = Roster::new(2, 2);
    roster.write(0, 300);
    roster.settle();
    let data = roster.data(0);
    roster.sites[0].kill();
    let store = roster.open(0);
    let tile = tile_key(&roster.cooperative, 0, 0);
    let mirror = store.range(Column::Mirror, &Span::all(), 1).unwrap().pop().unwrap();
    let mut damage = Batch::new();
    damage.put(Column::Tile, tile.clone(), vec![7; 8192]);
    store.write(&damage).unwrap();
    store.close().unwrap();
    let said = refused(&["check"], &data);
    assert!(said.contains(&format!("column tile, key {}", hex(&tile))), "{said}");

    let store = roster.open(0);
    let mut damage = Batch::new();
    damage.put(Column::Mirror, mirror.0.clone(), vec![1, 2, 3]);
    store.write(&damage).unwrap();
    store.close().unwrap();
    let said = refused(&["check"], &data);
    assert!(said.contains(&format!("column mirror, key {}", hex(&mirror.0))), "{said}");
    let rebuilt = done(&["rebuild"], &data);
    assert_eq!(rebuilt, json!({ "tiles": 1, "mirrors": 1, "attachments": 0, "vouched": 0 }));
    done(&["check"], &data);
    roster.sites[0].start();
    roster.write(0, 5);
    roster.settle();
}

#[test]
fn a_leaf_that_is_not_what_was_signed_is_named_and_only_peers_can_mend_it() {
    let mut roster = Roster::new(2, 2);
    roster.write(0, 30);
    roster.settle();
    let data = roster.data(0);
    roster.sites[0].kill();
    let store = roster.open(0);
    let key = leaf_key(&roster.cooperative, 11);
    let mut damage = Batch::new();
    damage.put(Column::Leaf, key.clone(), vec![1, 2, 3]);
    store.write(&damage).unwrap();
    store.close().unwrap();
    let said = refused(&["check"], &data);
    assert!(said.contains(&format!("column leaf, key {}", hex(&key))), "{said}");
    assert!(refused(&["rebuild"], &data).contains("talead recover --anew"));
    // Started, it does not serve that cooperative, and says why.
    roster.sites[0].start();
    assert_eq!(readyz(&roster.sites[0]).0, 503);
    roster.sites[0].kill();
    let peer = format!("{}@{}", roster.sites[1].node, roster.sites[1].quic);
    done(&["recover", "--anew", "--from", &peer], &data);
    done(&["check"], &data);
    roster.sites[0].start();
    roster.write(0, 5);
    roster.settle();
}

#[test]
fn a_lone_node_from_a_backup_signs_nothing_until_its_operator_vouches_for_it() {
    let mut roster = Roster::new(1, 1);
    roster.write(0, 10);
    let backup = roster.path("backup");
    let to = backup.to_str().unwrap().to_owned();
    done(&["backup", "--to", &to], &roster.data(0));
    let data = roster.data(0);
    roster.sites[0].kill();
    for lost in ["store", "promise"] {
        fs::remove_dir_all(data.join(lost)).unwrap();
    }
    done(&["restore", "--from", &to], &data);
    roster.sites[0].start();
    let said = roster.sites[0].control("GET", "/status", &json!(null)).good();
    let reason = said["behind"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("no other node keeps its log"), "{said}");
    assert!(said["behind"][0]["hint"].as_str().unwrap().contains("--vouch"), "{said}");
    roster.sites[0].kill();
    let vouched = done(&["rebuild", "--vouch"], &data);
    assert_eq!(vouched["vouched"], 1);
    roster.sites[0].start();
    wait_ready(&roster.sites[0]);
    roster.write(0, 5);
    roster.settle();
}

#[test]
fn nobody_can_vouch_for_a_store_that_is_older_than_its_promise() {
    let mut roster = Roster::new(1, 1);
    roster.write(0, 5);
    let data = roster.data(0);
    roster.sites[0].kill();
    let older = roster.path("older");
    assert!(
        Command::new("cp")
            .arg("-r")
            .arg(data.join("store"))
            .arg(&older)
            .status()
            .unwrap()
            .success()
    );
    roster.sites[0].start();
    roster.write(0, 5);
    roster.sites[0].kill();
    fs::remove_dir_all(data.join("store")).unwrap();
    fs::rename(&older, data.join("store")).unwrap();
    assert!(refused(&["check"], &data).contains("were promised"));
    assert!(refused(&["rebuild", "--vouch"], &data).contains("were promised"));
}

#[test]
fn a_promise_that_is_damaged_is_asked_of_the_roster() {
    let mut roster = Roster::new(3, 2);
    roster.write(0, 20);
    roster.settle();
    let data = roster.data(0);
    roster.sites[0].kill();
    let file = data.join("promise").join(roster.cooperative.to_string());
    for damage in [Some(vec![9_u8; 8192]), Some(Vec::new()), None] {
        match damage {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        assert!(refused(&["check"], &data).contains("promise"));
        roster.sites[0].start();
        roster.write(0, 5);
        roster.settle();
        roster.sites[0].kill();
        done(&["check"], &data);
    }
}
