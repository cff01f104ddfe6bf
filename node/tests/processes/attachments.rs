//! Files beside payloads: brought, given to whom they are for, fetched from peers, erased.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use talea_protocol::act::Act;
use talea_protocol::attachment::{ATTACHMENT_BYTES_MAX, Attachment, Visibility};
use talea_protocol::bytes::Code;
use talea_protocol::charter;
use talea_protocol::entry::Signed;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::SecretKey;
use talea_protocol::recovery::Erase;

use crate::people::{Author, found, found_by};
use crate::rescue::{done, refused};
use crate::site::{PATIENCE, Settings, Site};

/// A node that fetches what is asked for, and nothing else.
const ON_DEMAND: Settings = &[("TALEA_ATTACHMENTS", "on-demand")];

fn attachment(bytes: &[u8], visibility: Visibility) -> Attachment {
    Attachment {
        blake3: Hash(*blake3::hash(bytes).as_bytes()),
        size: u64::try_from(bytes.len()).unwrap(),
        media: "image/jpeg".to_owned(),
        visibility,
    }
}

/// Bytes that no compression or sparse file makes shorter.
fn noise(seed: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut bytes);
    bytes
}

/// Some work, with these beside it, placed at a site.
fn attach(site: &Site, author: &mut Author, cooperative: EntryId, all: &[&Attachment]) -> EntryId {
    let payload = json!({ "note": "photos", "attachments": all }).to_string();
    let entry: Signed = author.work_with(cooperative, &[7; 32], payload.as_bytes());
    let body = json!({
        "entry": STANDARD.encode(entry.bytes()),
        "payload": { "salt": "07".repeat(32), "bytes": STANDARD.encode(payload) },
    });
    assert_eq!(site.post(&cooperative, &body).good()["status"], "placed");
    entry.id()
}

fn list_path(cooperative: &EntryId, entry: &EntryId) -> String {
    format!("/v1/cooperatives/{cooperative}/entries/{entry}/attachments")
}

fn path(cooperative: &EntryId, entry: &EntryId, of: &Attachment) -> String {
    format!("{}/{}", list_path(cooperative, entry), of.blake3)
}

fn file(site: &Site, cooperative: &EntryId, entry: &EntryId, of: &Attachment) -> PathBuf {
    site.folder().join("attachments").join(format!("{cooperative}.{entry}.{}", of.blake3))
}

/// How many attachments a node says it lacks, to its operator and to monitoring.
fn missing(site: &Site) -> u64 {
    let status = site.control("GET", "/status", &json!(null)).good();
    let told = status["attachments"]["missing"].as_u64().unwrap();
    // It may have come between the two.
    told.max(metric(site, "missing"))
}

/// What monitoring sees of attachments.
fn metric(site: &Site, name: &str) -> u64 {
    let metrics = String::from_utf8(site.get("/metrics").body).unwrap();
    let name = format!("talea_attachments_{name} ");
    let shown = metrics.lines().find_map(|line| line.strip_prefix(name.as_str()));
    shown.unwrap().parse().unwrap()
}

fn arriving(site: &Site) -> usize {
    std::fs::read_dir(site.folder().join("attachments.part")).unwrap().count()
}

/// Asks until it is so.
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::yield_now();
    }
}

fn is_here(site: &Site, key: &SecretKey, cooperative: &EntryId, entry: &EntryId) -> Value {
    site.get_as(key, &list_path(cooperative, entry)).good()["attachments"][0]["here"].clone()
}

#[test]
fn the_very_bytes_up_to_16_mib_are_kept_and_given_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let mut bytes = noise(1, ATTACHMENT_BYTES_MAX);
    let of = attachment(&bytes, Visibility::Members);
    let entry = attach(&site, &mut authors[0], cooperative, &[&of]);
    let path = path(&cooperative, &entry, &of);
    let key = &authors[1].key;
    assert_eq!(is_here(&site, key, &cooperative, &entry), false);
    assert_eq!(site.get_as(key, &path).code(), "not-found");

    // One byte more, one less, one other; what nobody has named; whoever is nobody.
    bytes.push(0);
    assert_eq!(site.put_as(key, &path, &bytes).code(), "wrong-bytes");
    bytes.truncate(bytes.len() - 2);
    assert_eq!(site.put_as(key, &path, &bytes).code(), "wrong-bytes");
    bytes.push(!noise(1, ATTACHMENT_BYTES_MAX).last().unwrap());
    assert_eq!(site.put_as(key, &path, &bytes).code(), "wrong-bytes");
    *bytes.last_mut().unwrap() ^= 0xff;
    let other = attachment(b"another", Visibility::Members);
    let unnamed = format!("{}/{}", list_path(&cooperative, &entry), other.blake3);
    assert_eq!(site.put_as(key, &unnamed, b"another").code(), "not-found");
    assert_eq!(site.send("PUT", &path, "", &bytes).code(), "unauthorized");
    let stranger = SecretKey::from_seed(&[99; 32]);
    assert_eq!(site.put_as(&stranger, &path, &bytes).code(), "unauthorized");
    // A proof of a question is none of a gift.
    assert_eq!(site.send("PUT", &path, &site.proof(key, &path), &bytes).code(), "unauthorized");
    assert_eq!(is_here(&site, key, &cooperative, &entry), false);
    assert!(!file(&site, &cooperative, &entry, &of).exists());
    wait("what was refused leaves nothing", || arriving(&site) == 0);

    assert_eq!(site.put_as(key, &path, &bytes).good()["status"], "kept");
    assert_eq!(site.put_as(key, &path, &bytes).good()["status"], "known");
    assert_eq!(is_here(&site, key, &cooperative, &entry), true);
    let given = site.get_as(&authors[0].key, &path);
    assert_eq!(given.status, 200);
    assert!(given.body == bytes, "other bytes are given");
    let head = given.head.to_lowercase();
    assert!(head.contains("content-type: application/octet-stream"), "{head}");
    assert!(head.contains("content-disposition: attachment"), "{head}");
    assert_eq!(site.get(&path).code(), "unauthorized");
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing_and_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let bytes = noise(2, 4 * 1024 * 1024);
    let of = attachment(&bytes, Visibility::Members);
    let entry = attach(&site, &mut authors[0], cooperative, &[&of]);
    let path = path(&cooperative, &entry, &of);
    let half = |site: &Site| {
        let proof = site.proof_of("PUT", &authors[0].key, &path);
        let mut stream = TcpStream::connect(site.http).unwrap();
        let length = bytes.len();
        write!(
            stream,
            "PUT {path} HTTP/1.1\r\nHost: node\r\n{proof}Content-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(&bytes[..length / 2]).unwrap();
        stream
    };
    let stream = half(&site);
    wait("it arrives", || arriving(&site) == 1);
    drop(stream);
    wait("what came is gone", || arriving(&site) == 0);
    assert!(!file(&site, &cooperative, &entry, &of).exists());
    // One that stalls is told that it may come again, as soon as nothing has come for 10 s.
    let (mut stream, mut answer) = (half(&site), String::new());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("timeout"), "{answer}");
    wait("what came is gone", || arriving(&site) == 0);
    // The node's end leaves something; its next start does not.
    let _stream = half(&site);
    wait("it arrives", || arriving(&site) == 1);
    site.kill();
    assert_eq!(arriving(&site), 1);
    site.start();
    assert_eq!(arriving(&site), 0);
    assert_eq!(is_here(&site, &authors[0].key, &cooperative, &entry), false);
    assert_eq!(site.put_as(&authors[0].key, &path, &bytes).good()["status"], "kept");
}

#[test]
fn an_attachment_is_given_to_those_whom_its_author_chose() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found_by(3, &[site.node], 1, charter::Visibility::Public);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let sights = [Visibility::Public, Visibility::Members, Visibility::Officers];
    let files: Vec<(Vec<u8>, Attachment)> = sights
        .iter()
        .zip(1..)
        .map(|(sight, n)| (noise(n, 1_000), attachment(&noise(n, 1_000), *sight)))
        .collect();
    // The first member holds all offices, the second is the author.
    let all: Vec<&Attachment> = files.iter().map(|(_, of)| of).collect();
    let entry = attach(&site, &mut authors[1], cooperative, &all);
    for (bytes, of) in &files {
        let path = path(&cooperative, &entry, of);
        assert_eq!(site.put_as(&authors[2].key, &path, bytes).good()["status"], "kept");
    }
    let stranger = SecretKey::from_seed(&[99; 32]);
    let readers = [
        (None, [200, 403, 403]),
        (Some(&stranger), [200, 403, 403]),
        (Some(&authors[2].key), [200, 200, 403]),
        (Some(&authors[1].key), [200, 200, 200]),
        (Some(&authors[0].key), [200, 200, 200]),
    ];
    for (n, (reader, expected)) in readers.into_iter().enumerate() {
        let given = files.iter().map(|(bytes, of)| {
            let path = path(&cooperative, &entry, of);
            let answer = reader.map_or_else(|| site.get(&path), |key| site.get_as(key, &path));
            assert!(answer.status != 200 || answer.body == *bytes);
            answer.status
        });
        assert_eq!(given.collect::<Vec<u16>>(), expected, "reader {n}");
    }
}

#[test]
fn sixty_four_mebibytes_pass_through_a_node_that_grows_by_less_than_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let files: Vec<_> = (1..=4).map(|n| noise(n, ATTACHMENT_BYTES_MAX)).collect();
    let all: Vec<Attachment> =
        files.iter().map(|bytes| attachment(bytes, Visibility::Members)).collect();
    let small = attachment(b"small", Visibility::Members);
    let named: Vec<&Attachment> = all.iter().chain([&small]).collect();
    let entry = attach(&site, &mut authors[0], cooperative, &named);
    let key = &authors[0].key;
    let paths: Vec<String> = named.iter().map(|of| path(&cooperative, &entry, of)).collect();
    site.put_as(key, &paths[4], b"small").good();
    assert_eq!(site.get_as(key, &paths[4]).body, b"small");
    let before = site.peak_kib();
    std::thread::scope(|scope| {
        for (bytes, path) in files.iter().zip(&paths) {
            let site = &site;
            scope.spawn(move || {
                site.put_as(key, path, bytes).good();
                assert!(site.get_as(key, path).body == *bytes);
            });
        }
    });
    let grown = site.peak_kib() - before;
    println!("64 MiB up and 64 MiB down, four at a time: the node grew by {grown} KiB");
    assert!(grown < ATTACHMENT_BYTES_MAX / 1024, "{before} KiB grew by {grown}");
}

/// Three nodes, a cooperative, and a file of which the first has the bytes and all the name.
struct Village {
    folder: tempfile::TempDir,
    sites: Vec<Site>,
    authors: Vec<Author>,
    cooperative: EntryId,
    entry: EntryId,
    of: Attachment,
    bytes: Vec<u8>,
}

impl Village {
    fn new(length: u64, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = |name: &&str| Site::with(folder.path().join(name), settings);
        let sites: Vec<Site> = ["a", "b", "c"].iter().map(site).collect();
        let nodes: Vec<_> = sites.iter().map(|site| site.node).collect();
        let (mut authors, charter) = found(2, &nodes, 2);
        let cooperative = charter.id();
        for site in &sites {
            let others: Vec<&Site> = sites.iter().filter(|other| other.node != site.node).collect();
            site.host(&charter, &others).good();
        }
        let bytes = noise(5, length);
        let of = attachment(&bytes, Visibility::Members);
        let entry = attach(&sites[0], &mut authors[0], cooperative, &[&of]);
        let village = Self { folder, sites, authors, cooperative, entry, of, bytes };
        let path = village.path();
        for site in &village.sites {
            let list = list_path(&cooperative, &entry);
            wait("the payload is everywhere", || {
                let listed = site.get_as(&village.authors[0].key, &list).good();
                !listed["attachments"].as_array().unwrap().is_empty()
            });
        }
        let kept = village.sites[0].put_as(&village.authors[0].key, &path, &village.bytes);
        assert_eq!(kept.good()["status"], "kept");
        village
    }

    fn path(&self) -> String {
        path(&self.cooperative, &self.entry, &self.of)
    }

    fn file(&self, n: usize) -> PathBuf {
        file(&self.sites[n], &self.cooperative, &self.entry, &self.of)
    }

    /// The author has it erased, by the last node.
    fn erase(&mut self) {
        let ground = Code::try_from("request").unwrap();
        let header = self.authors[0].header(self.cooperative);
        let order = Act::Erase(Erase { entry: self.entry, ground });
        let erase = self.authors[0].state(&header, &order);
        self.sites[2].submit(&erase).good();
    }

    fn wait_erased(&self, n: usize) {
        let list = list_path(&self.cooperative, &self.entry);
        wait("the payload is gone", || {
            let listed = self.sites[n].get_as(&self.authors[0].key, &list);
            listed.status == 200 && listed.json()["attachments"] == json!([])
        });
        wait("the file is gone", || !self.file(n).exists());
    }

    /// Another file, beside other work, brought to one node.
    fn attach(&mut self, n: usize, seed: u8, length: u64) -> (EntryId, Attachment) {
        let bytes = noise(seed, length);
        let of = attachment(&bytes, Visibility::Officers);
        let entry = attach(&self.sites[n], &mut self.authors[0], self.cooperative, &[&of]);
        let path = path(&self.cooperative, &entry, &of);
        self.sites[n].put_as(&self.authors[0].key, &path, &bytes).good();
        (entry, of)
    }

    /// A node has it on its own.
    fn wait_gathered(&self, n: usize, entry: &EntryId, of: &Attachment) {
        let file = file(&self.sites[n], &self.cooperative, entry, of);
        wait("it is fetched unasked", || file.exists());
        assert_eq!(attachment(&std::fs::read(file).unwrap(), of.visibility), *of);
        wait("nothing is missing", || missing(&self.sites[n]) == 0);
    }

    /// A node gives the very bytes: asked again while no peer that has them answers it.
    fn wait_brought(&self, n: usize) {
        wait("a peer that has the bytes answers", || self.get(n).body == self.bytes);
    }

    /// What a node gives, asked again while it is still fetching.
    fn get(&self, n: usize) -> crate::site::Answer {
        loop {
            let answer = self.sites[n].get_as(&self.authors[1].key, &self.path());
            if answer.status != 503 {
                return answer;
            }
        }
    }
}

#[test]
fn a_node_fetches_from_a_peer_what_it_is_asked_for_and_all_erase_it_when_told_to() {
    let mut village = Village::new(3 * 1024 * 1024 + 7, ON_DEMAND);
    assert!(!village.file(1).exists());
    assert_eq!((0..3).map(|n| missing(&village.sites[n])).collect::<Vec<_>>(), [0, 1, 1]);
    village.wait_brought(1);
    assert!(village.file(1).exists() && !village.file(2).exists());
    assert_eq!((0..3).map(|n| missing(&village.sites[n])).collect::<Vec<_>>(), [0, 0, 1]);
    // Other work of the same author has the same file, and keeps it.
    let again =
        attach(&village.sites[0], &mut village.authors[0], village.cooperative, &[&village.of]);
    let kept = path(&village.cooperative, &again, &village.of);
    village.sites[0].put_as(&village.authors[0].key, &kept, &village.bytes).good();

    village.erase();
    for n in 0..3 {
        village.wait_erased(n);
        // Who knows the hash, and has the bytes, gets nothing and cannot bring it back.
        let put = village.sites[n].put_as(&village.authors[1].key, &village.path(), &village.bytes);
        assert_eq!(put.code(), "not-found");
        let list = list_path(&village.cooperative, &village.entry);
        let listed = village.sites[n].get_as(&village.authors[0].key, &list).good();
        assert_eq!(listed["attachments"], json!([]));
        assert_eq!(arriving(&village.sites[n]), 0);
    }
    assert!(village.sites[0].get_as(&village.authors[1].key, &kept).body == village.bytes);
}

#[test]
fn a_backup_that_is_older_than_an_erasure_brings_back_nothing_that_was_erased() {
    let mut village = Village::new(100_000, ON_DEMAND);
    let backup = village.folder.path().join("backup");
    let to = backup.to_str().unwrap().to_owned();
    let data = village.sites[0].folder().to_owned();
    done(&["backup", "--to", &to], &data);
    assert_eq!(std::fs::read_dir(backup.join("attachments")).unwrap().count(), 1);
    village.erase();
    for n in 0..3 {
        village.wait_erased(n);
    }
    village.sites[0].kill();
    for lost in ["store", "promise", "attachments"] {
        std::fs::remove_dir_all(data.join(lost)).unwrap();
    }
    done(&["restore", "--from", &to], &data);
    assert!(std::fs::read(village.file(0)).unwrap() == village.bytes, "the backup is whole");
    village.sites[0].start();
    village.wait_erased(0);
}

#[test]
fn a_peer_that_gives_other_bytes_fewer_or_none_is_passed_over_for_another() {
    let village = Village::new(500_000, ON_DEMAND);
    // The second has it as well, and the first has what a failing disk, or a liar, makes of it.
    village.wait_brought(1);
    let mut wrong = village.bytes.clone();
    wrong[300_000] ^= 1;
    for lie in [wrong.as_slice(), &wrong[..200_000], &[]] {
        std::fs::write(village.file(0), lie).unwrap();
        village.wait_brought(2);
        assert!(std::fs::read(village.file(2)).unwrap() == village.bytes);
        std::fs::remove_file(village.file(2)).unwrap();
    }
    // If nobody has the right ones, nothing is kept.
    for liar in 0..2 {
        std::fs::write(village.file(liar), &wrong).unwrap();
    }
    assert_eq!(village.get(2).code(), "not-found");
    assert!(!village.file(2).exists());
    assert_eq!(arriving(&village.sites[2]), 0);
}

#[test]
fn every_node_of_the_roster_has_what_was_attached_and_the_loss_of_one_loses_nothing() {
    let mut village = Village::new(1_000_000, &[]);
    for n in 1..3 {
        village.wait_gathered(n, &village.entry, &village.of);
    }
    // The disk to which it was brought is lost.
    let data = village.sites[0].folder().to_owned();
    village.sites[0].kill();
    for lost in ["store", "attachments"] {
        std::fs::remove_dir_all(data.join(lost)).unwrap();
    }
    for n in 1..3 {
        assert!(village.get(n).body == village.bytes);
    }
    village.sites[0].start();
    let peer = format!("{}@{}", village.sites[1].node, village.sites[1].quic);
    done(&["recover", "--from", &peer], &data);
    village.wait_gathered(0, &village.entry, &village.of);
}

#[test]
fn a_node_that_was_away_fetches_what_it_missed_and_nothing_that_is_erased() {
    let mut village = Village::new(1_000, &[]);
    for n in 1..3 {
        village.wait_gathered(n, &village.entry, &village.of);
    }
    village.sites[1].kill();
    let (later, of) = village.attach(0, 6, 2_000);
    village.wait_gathered(2, &later, &of);
    village.erase();
    for n in [0, 2] {
        village.wait_erased(n);
    }
    village.sites[1].start();
    village.wait_gathered(1, &later, &of);
    village.wait_erased(1);
    // What comes after it has come; the erased one has not, anywhere.
    let (last, of) = village.attach(1, 7, 3_000);
    for n in [0, 2] {
        village.wait_gathered(n, &last, &of);
    }
    for n in 0..3 {
        assert!(!village.file(n).exists() && missing(&village.sites[n]) == 0);
    }
}

#[test]
fn a_file_that_has_rotted_is_named_removed_and_fetched_again() {
    let mut village = Village::new(300_000, &[]);
    village.wait_gathered(1, &village.entry, &village.of);
    let data = village.sites[1].folder().to_owned();
    village.sites[1].kill();
    assert_eq!(done(&["check"], &data)["attachments"], 1);
    let file = village.file(1);
    let mut rotten = village.bytes.clone();
    rotten[299_999] ^= 1;
    for rotten in [&rotten[..], &rotten[..299_999]] {
        std::fs::write(&file, rotten).unwrap();
        let said = refused(&["check"], &data);
        assert!(said.contains(file.to_str().unwrap()) && said.contains("talead rebuild"), "{said}");
    }
    assert_eq!(done(&["rebuild"], &data)["attachments"], 1);
    assert_eq!(done(&["check"], &data)["attachments"], 0);
    village.sites[1].start();
    village.wait_gathered(1, &village.entry, &village.of);
    // What no payload names yet, or any more, is no fault.
    village.sites[1].kill();
    let other = Hash(*blake3::hash(b"another").as_bytes()).to_string();
    std::fs::copy(&file, file.with_extension(other)).unwrap();
    assert_eq!(done(&["check"], &data)["attachments"], 1);
}

#[test]
fn what_belongs_to_an_entry_that_is_not_settled_is_not_fetched_until_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut sites: Vec<Site> =
        ["a", "b", "c"].iter().map(|name| Site::new(folder.path().join(name))).collect();
    let nodes: Vec<_> = sites.iter().map(|site| site.node).collect();
    // Nothing settles without the third.
    let (mut authors, charter) = found(2, &nodes, 3);
    let cooperative = charter.id();
    for site in &sites {
        let others: Vec<&Site> = sites.iter().filter(|other| other.node != site.node).collect();
        site.host(&charter, &others).good();
    }
    for site in &sites {
        site.wait_settled(&authors[0].key, &cooperative, 1);
    }
    sites[2].kill();
    let bytes = noise(8, 1_000);
    let of = attachment(&bytes, Visibility::Members);
    let entry = attach(&sites[0], &mut authors[0], cooperative, &[&of]);
    let key = &authors[0].key;
    sites[0].put_as(key, &path(&cooperative, &entry, &of), &bytes).good();
    wait("it is named where it is not", || missing(&sites[1]) == 1);
    let sought = metric(&sites[1], "sought_total");
    wait("its turn has come and gone", || metric(&sites[1], "sought_total") >= sought + 2);
    let file = file(&sites[1], &cooperative, &entry, &of);
    assert!(!file.exists() && missing(&sites[1]) == 1);
    sites[2].start();
    wait("it is settled, and fetched", || file.exists());
    wait("nothing is missing", || missing(&sites[1]) == 0);
    assert_eq!(metric(&sites[1], "fetched_total"), 1);
}
