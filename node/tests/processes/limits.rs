//! What a node grants, at the limit and one beyond, as peers and wallets meet it.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use serde_json::json;
use talea_ledger::register::Register;
use talea_protocol::act::{Act, Admit, Request, enrolment};
use talea_protocol::bytes::{List, Octets};
use talea_protocol::charter::Kind;
use talea_protocol::cut::DEVICES_MAX;
use talea_protocol::entry::Header;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, Purpose, SecretKey};
use talea_protocol::message::{Message, Reception};
use talea_protocol::quic::{Close, Endpoint, Loss};

use crate::hostile::{
    Way, dial, dial_until_heard, elsewhere, here, key, limits_met, path, stranger, turned_away,
    until_met,
};
use crate::people::{Author, found};
use crate::site::{Answer, Site, now_ms};

/// Entries of one device, at once and a minute, as the node's README says.
const BURST: u64 = 600;
/// Entries of one source that wait for others.
const WAITING: usize = 256;
/// Connections of strangers.
const STRANGERS: u16 = 32;

fn announce(site: &Site, path: &str, key: &SecretKey) -> Answer {
    let time = now_ms();
    let signed = format!("POST {path}\n{}\n{time}", site.node);
    let signature = key.sign(Purpose::Request, signed.as_bytes());
    let headers = format!(
        "Talea-Device: {}\r\nTalea-Time: {time}\r\nTalea-Signature: {}\r\n",
        key.device(),
        talea_protocol::bytes::hex(&signature.0)
    );
    site.send("POST", path, &headers, b"")
}

#[test]
fn a_cooperative_has_10_000_devices_and_the_next_one_is_not_enrolled() {
    let (mut authors, charter) = found(2, &[key(1).node()], 1);
    let cooperative = charter.id();
    let mut register = Register::found(&charter).unwrap();
    let registrar = &mut authors[0];
    for n in 2..=DEVICES_MAX {
        let mut seed = [0xde; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        let device = SecretKey::from_seed(&seed);
        let request = Request { device: device.device(), kind: Kind::Person };
        let proof = device.sign(Purpose::Enrolment, &enrolment(&cooperative, &request));
        let sponsors = List::default();
        let admit = Act::Admit(Admit { request, proof, college: 0, stage: 0, sponsors });
        let header = Header { basis: register.head().1, ..registrar.header(cooperative) };
        let number = register.append(&registrar.state(&header, &admit)).unwrap();
        assert_eq!(register.fault(number).is_some(), n == DEVICES_MAX, "{n}");
    }
    assert_eq!(register.devices().len(), DEVICES_MAX);
}

/// Submits until the node says that this is too often; how many got their place.
fn exhaust(site: &Site, author: &mut Author, cooperative: EntryId) -> u64 {
    for placed in 0.. {
        let (seq, prev) = (author.seq, author.prev);
        let answer = site.submit(&author.work(cooperative, 1));
        if answer.status != 200 {
            assert_eq!((answer.status, answer.code().as_str()), (429, "too-often"));
            assert!(answer.head.to_lowercase().contains("retry-after: 1"), "{}", answer.head);
            (author.seq, author.prev) = (seq, prev);
            return placed;
        }
    }
    unreachable!("it never ends")
}

#[test]
fn a_device_has_600_entries_at_once_and_more_only_if_it_has_announced_an_import() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(3, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let begun = Instant::now();
    let placed = exhaust(&site, &mut authors[1], cooperative);
    let refilled = begun.elapsed().as_secs() + 1;
    assert!((BURST..=BURST + refilled).contains(&placed), "{placed} in {:?}", begun.elapsed());
    site.submit(&authors[2].work(cooperative, 1)).good();

    let imports = format!("/v1/cooperatives/{cooperative}/imports");
    let of = |entries: u64| format!("{imports}?entries={entries}");
    assert_eq!(site.send("POST", &of(50), "", b"").code(), "unauthorized");
    let nobody = SecretKey::from_seed(&[99; 32]);
    assert_eq!(announce(&site, &of(50), &nobody).code(), "unauthorized");
    let device = SecretKey::from_seed(&[2; 32]);
    assert_eq!(announce(&site, &of(0), &device).code(), "bad-request");
    assert_eq!(announce(&site, &of(10_001), &device).code(), "bad-request");
    assert_eq!(announce(&site, &of(50), &device).good()["entries"], 50);
    let begun = Instant::now();
    let placed = exhaust(&site, &mut authors[1], cooperative);
    let refilled = begun.elapsed().as_secs() + 2;
    assert!((50..=50 + refilled).contains(&placed), "{placed}");
    assert_eq!(announce(&site, &of(50), &device).code(), "too-often", "once a day");
    assert!(limits_met(&site, "Entries") >= 2);
}

/// An entry of an author's chain whose predecessor nobody has.
fn ahead(author: &mut Author, cooperative: EntryId, n: u64) -> Vec<u8> {
    (author.seq, author.prev) = (1_000 + n, EntryId([0xee; 32]));
    author.work(cooperative, 1).bytes().to_vec()
}

#[tokio::test]
async fn a_stranger_has_256_entries_waiting_and_takes_no_room_from_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(3, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let mut guest = stranger(&site, 1).await;
    for n in 0..=WAITING {
        let entry = ahead(&mut authors[1], cooperative, u64::try_from(n).unwrap());
        let reception = guest.submit(&entry).await.unwrap();
        if n < WAITING {
            assert!(matches!(reception, Reception::Waiting(_)), "{n}: {reception:?}");
        } else {
            assert!(matches!(reception, Reception::Busy(_)), "{reception:?}");
        }
    }
    let entry = ahead(&mut authors[2], cooperative, 0);
    assert_eq!(site.submit_bytes(&cooperative, &entry).good()["status"], "waiting");
}

#[tokio::test]
async fn a_key_has_two_connections_and_thirty_two_strangers_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let mut held = Vec::new();
    for n in 0..2 {
        // One key, from two addresses.
        let mut guest = dial(&site, &key(1), elsewhere(10 + n), site.quic).await.unwrap();
        guest.submit(b"?").await.unwrap();
        held.push(guest);
    }
    assert_eq!(turned_away(&site, 1).await, Close::Busy);
    for n in 2..STRANGERS {
        let mut guest = stranger(&site, n).await;
        guest.submit(b"?").await.unwrap();
        held.push(guest);
    }
    assert_eq!(turned_away(&site, STRANGERS).await, Close::Busy);
    drop(held.pop());
    let (_guest, _) = dial_until_heard(&site, &key(999), elsewhere(999)).await;
}

#[tokio::test]
async fn a_frame_that_comes_slower_than_a_kib_a_second_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (crawl, is_slow) = tokio::sync::watch::channel(false);
    // Once it is slow: 4 datagrams of 1,200 bytes, and then one every 3 s.
    let (mut first, mut last) = (4, Instant::now());
    let slow = path(site.quic, elsewhere(1), move |way, datagram| {
        if way == Way::FromNode || !*is_slow.borrow() || datagram.len() < 1_000 {
            return true;
        }
        let passes = first > 0 || last.elapsed() > Duration::from_secs(3);
        if passes {
            (first, last) = (first.max(1) - 1, Instant::now());
        }
        passes
    });
    let mut guest = dial(&site, &key(1), elsewhere(1), slow.await).await.unwrap();
    guest.submit(b"?").await.unwrap();
    crawl.send_replace(true);
    let begun = Instant::now();
    let frame = vec![0; 256 * 1024];
    let sent = guest.sender.send(&frame).await;
    let closed = guest.connection.closed().await;
    assert_eq!(closed, Loss::ByPeer(Close::Busy), "{sent:?}");
    let passed = begun.elapsed();
    assert!(passed > Duration::from_secs(5), "{passed:?}");
    assert_eq!(limits_met(&site, "Slow"), 1);
    // It may come again: a bad line is no misdeed.
    let (_guest, busy) = dial_until_heard(&site, &key(1), elsewhere(1)).await;
    assert_eq!(busy, 0);
}

#[tokio::test]
async fn who_does_not_read_the_answers_is_not_written_to_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let mut guest = stranger(&site, 1).await;
    let entry = Octets::new(b"no entry".to_vec()).unwrap();
    let frame = Message::Submit { entry, payload: None }.frame();
    // Each is answered with some 150 bytes, and 256 KiB fit on the way.
    let mut sent = 0;
    while guest.sender.send(&frame).await.is_ok() {
        sent += 1;
        assert!(sent < 100_000, "it is written to for ever");
    }
    assert_eq!(guest.sent_away().await, Close::Busy);
    assert_eq!(limits_met(&site, "Slow"), 1);
}

#[tokio::test]
async fn a_wallet_that_leaves_without_a_word_is_not_banned() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    for _ in 0..3 {
        let mut guest = stranger(&site, 1).await;
        guest.submit(b"?").await.unwrap();
        guest.connection.close(Close::Done);
        guest.endpoint.wait_idle().await;
    }
    let mut guest = stranger(&site, 1).await;
    guest.submit(b"?").await.unwrap();
    assert_eq!(limits_met(&site, "Frame"), 0);
}

#[tokio::test]
async fn one_bad_frame_ends_a_session_and_a_known_node_waits_while_a_stranger_is_banned() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let peers = json!({ "peers": [{ "node": key(1).node(), "address": "127.0.0.1:9" }] });
    site.control("POST", "/peers", &peers).good();
    let garbage = vec![0xff; 100];

    let (mut known, _) = dial_until_heard(&site, &key(1), here()).await;
    known.sender.send(&garbage).await.unwrap();
    assert_eq!(known.sent_away().await, Close::BadMessage);
    let begun = Instant::now();
    let (mut known, busy) = dial_until_heard(&site, &key(1), here()).await;
    let first = begun.elapsed();
    assert!(busy > 0 && first > Duration::from_millis(700), "it had to wait: {busy}, {first:?}");
    known.sender.send(&garbage).await.unwrap();
    assert_eq!(known.sent_away().await, Close::BadMessage);
    let begun = Instant::now();
    let _known = dial_until_heard(&site, &key(1), here()).await;
    assert!(begun.elapsed() > Duration::from_millis(1_700), "longer the second time");

    let mut unknown = stranger(&site, 2).await;
    unknown.sender.send(&garbage).await.unwrap();
    assert_eq!(unknown.sent_away().await, Close::BadMessage);
    assert_eq!(turned_away(&site, 2).await, Close::NotAdmitted);
    until_met(&site, "Frame", 3).await;
}

#[tokio::test]
async fn three_bad_signatures_end_a_known_nodes_session_and_two_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let peers = json!({ "peers": [{ "node": key(1).node(), "address": "127.0.0.1:9" }] });
    site.control("POST", "/peers", &peers).good();
    let mut forged = authors[1].work(cooperative, 5).bytes().to_vec();
    let last = forged.len() - 30;
    forged[last] ^= 1;
    for n in [2, 3] {
        let (mut known, _) = dial_until_heard(&site, &key(1), here()).await;
        for _ in 0..n {
            let refused = known.submit(&forged).await;
            let is_refused = matches!(refused, Ok(Reception::Refused { rule: 9, .. }));
            assert!(is_refused || n == 3, "{refused:?}");
        }
        if n == 3 {
            assert_eq!(known.sent_away().await, Close::BadMessage);
        } else {
            known.submit(b"?").await.unwrap();
            known.connection.close(Close::Done);
            known.endpoint.wait_idle().await;
        }
    }
    let (_known, busy) = dial_until_heard(&site, &key(1), here()).await;
    assert!(busy > 0, "it has to wait, and is not banned");
    assert_eq!(limits_met(&site, "BadSignatures"), 1);
    // The device in whose name they were forged goes on.
    (authors[1].seq, authors[1].prev) = (0, EntryId::ZERO);
    site.submit(&authors[1].work(cooperative, 5)).good();
}

/// Nodes that never answer, and how many of them are being dialled by now.
struct Silent(Vec<(NodeKey, UdpSocket)>);

impl Silent {
    fn new(keys: impl Iterator<Item = NodeKey>) -> Self {
        let socket = |key| {
            let socket = UdpSocket::bind(here()).unwrap();
            socket.set_nonblocking(true).unwrap();
            (key, socket)
        };
        Self(keys.map(socket).collect())
    }

    fn peers(&self) -> Vec<serde_json::Value> {
        let peer = |(key, socket): &(NodeKey, UdpSocket)| json!({ "node": key, "address": socket.local_addr().unwrap().to_string() });
        self.0.iter().map(peer).collect()
    }

    fn dialled(&self) -> usize {
        self.0.iter().filter(|(_, socket)| socket.peek_from(&mut [0; 2_048]).is_ok()).count()
    }
}

#[test]
fn eight_nodes_are_dialled_at_a_time_and_the_ninth_waits() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let silent = Silent::new((0..12).map(|n| key(n).node()));
    site.control("POST", "/peers", &json!({ "peers": silent.peers() })).good();
    let begun = Instant::now();
    // Until the first give up, after 5 s.
    while silent.dialled() < 8 || begun.elapsed() < Duration::from_secs(3) {
        assert!(silent.dialled() <= 8, "{} at a time", silent.dialled());
        std::thread::sleep(Duration::from_millis(10));
    }
    while silent.dialled() < 12 {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn who_answered_before_a_restart_is_dialled_first_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::new(folder.path().join("a"));
    let mut keys: Vec<SecretKey> = (0..21).map(key).collect();
    keys.sort_by_key(SecretKey::node);
    // Otherwise it would be the last.
    let answers = keys.pop().unwrap();
    let endpoint = Endpoint::bind(here(), &answers).unwrap();
    let address = endpoint.local_addr().to_string();
    let peer = json!({ "peers": [{ "node": answers.node(), "address": address }] });
    site.control("POST", "/peers", &peer).good();
    let connection = endpoint.accept().await.unwrap().establish().await.unwrap();
    let _session = connection.session().await.unwrap();
    // A session that has lasted a second was one.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let silent = Silent::new(keys.iter().map(SecretKey::node));
    site.control("POST", "/peers", &json!({ "peers": silent.peers() })).good();
    assert_eq!(site.stop(), Some(0));
    for (_, socket) in &silent.0 {
        while socket.recv(&mut [0; 2_048]).is_ok() {}
    }
    site.start();
    let _arrival = endpoint.accept().await.unwrap();
    assert!(silent.dialled() < 8, "it was among the first, with {} others", silent.dialled());
}
