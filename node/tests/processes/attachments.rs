//! Files beside payloads: brought, given to whom they are for, fetched from peers, erased.

use std::io::Write;
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
use crate::rescue::done;
use crate::site::{PATIENCE, Site};

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
    fn new(length: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sites: Vec<Site> =
            ["a", "b", "c"].iter().map(|name| Site::new(folder.path().join(name))).collect();
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
    let mut village = Village::new(3 * 1024 * 1024 + 7);
    assert!(!village.file(1).exists());
    village.wait_brought(1);
    assert!(village.file(1).exists() && !village.file(2).exists());
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
    let mut village = Village::new(100_000);
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
    let village = Village::new(500_000);
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
