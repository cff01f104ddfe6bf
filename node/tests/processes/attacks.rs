//! Attacks on a running node, one test each (reliability, section 7): while they go on, members
//! write and the roster settles.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use talea_protocol::act::{Act, Attest};
use talea_protocol::bytes::Octets;
use talea_protocol::entry::{Header, SCHEME, VERSION, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::SecretKey;
use talea_protocol::message::{Message, Reception};
use talea_protocol::quic::{Close, Endpoint, Loss};
use tokio::task::JoinSet;

use crate::hostile::{
    Way, dial, dial_until_heard, elsewhere, here, key, limits_met, metric, path, resident_kib,
    stranger, turned_away,
};
use crate::people::found;
use crate::site::{PATIENCE, Site};

/// What a node may take on top of what it had, whatever it is sent, in KiB.
const MORE_KIB_MAX: u64 = 128 * 1024;

/// Waits on a thread of its own until so many entries are settled.
async fn settled(site: &Arc<Site>, seed: u8, cooperative: EntryId, count: usize) {
    let (site, reader) = (Arc::clone(site), SecretKey::from_seed(&[seed; 32]));
    let waiting = move || site.wait_settled(&reader, &cooperative, count);
    tokio::task::spawn_blocking(waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eclipse_by_500_keys_does_not_keep_the_roster_out() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Site::new(folder.path().join("a")), Site::new(folder.path().join("b")));
    let (mut authors, charter) = found(2, &[a.node, b.node], 2);
    let cooperative = charter.id();
    // Only the second knows where the other is: it is the one that has to get in.
    a.host(&charter, &[]).good();
    b.host(&charter, &[&a]).good();
    let (a, mut b) = (Arc::new(a), b);
    settled(&a, 1, cooperative, 1).await;
    b.kill();

    let mut strangers = JoinSet::new();
    for n in 0..500 {
        let a = Arc::clone(&a);
        strangers.spawn(async move {
            loop {
                // Whoever gets in stays.
                if let Ok(guest) = dial(&a, &key(n), elsewhere(n), a.quic).await {
                    let _ = guest.connection.closed().await;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    let full = async {
        while metric(&a, "talea_strangers ") < 32 || limits_met(&a, "Connections") < 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.expect("the strangers have all their places");
    b.start();
    a.submit(&authors[0].work(cooperative, 7)).good();
    settled(&a, 1, cooperative, 2).await;
    assert_eq!(metric(&a, "talea_strangers "), 32);
    strangers.abort_all();
}

#[tokio::test]
async fn a_flood_of_handshakes_that_nobody_ends_keeps_neither_wallets_nor_the_roster_out() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let peers = json!({ "peers": [{ "node": key(1).node(), "address": "127.0.0.1:9" }] });
    site.control("POST", "/peers", &peers).good();
    let (known, _) = dial_until_heard(&site, &key(1), here()).await;
    known.connection.close(Close::Done);
    let before = resident_kib(&site);
    // Their first words arrive; what is answered does not.
    let deaf = path(site.quic, elsewhere(1), |way, _| way == Way::ToNode);
    let deaf = deaf.await;
    let endpoint = Endpoint::bind(elsewhere(1), &key(2)).unwrap();
    let mut flood = JoinSet::new();
    for _ in 0..300 {
        let (endpoint, node) = (endpoint.clone(), site.node);
        flood.spawn(async move {
            loop {
                let _ = endpoint.connect(deaf, node).await;
            }
        });
    }
    for n in 0..10 {
        let (mut known, _) = dial_until_heard(&site, &key(1), here()).await;
        known.submit(b"?").await.unwrap();
        known.connection.close(Close::Done);
        let (wallet, _) = dial_until_heard(&site, &key(100 + n), elsewhere(100 + n)).await;
        wallet.connection.close(Close::Done);
    }
    assert_eq!(site.get("/livez").status, 200);
    let more = resident_kib(&site).saturating_sub(before);
    assert!(more < MORE_KIB_MAX, "{more} KiB");
}

/// Datagrams of an honest connection, as somebody on the path sees them.
async fn overheard(site: &Site) -> Vec<Vec<u8>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let path = path(site.quic, elsewhere(1), move |_, datagram| {
        hears.lock().unwrap().push(datagram.to_vec());
        true
    });
    let mut guest = dial(site, &key(1), elsewhere(1), path.await).await.unwrap();
    for _ in 0..20 {
        guest.submit(&[7; 900]).await.unwrap();
    }
    guest.connection.close(Close::Done);
    guest.endpoint.wait_idle().await;
    let heard = heard.lock().unwrap();
    heard.clone()
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn noise(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        while bytes.len() < length {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// Noise, or something that was said once, bent, cut, lengthened or joined.
    fn malformed(&mut self, heard: &[Vec<u8>]) -> Vec<u8> {
        let mut datagram = heard[self.below(heard.len())].clone();
        match self.below(8) {
            0 => {
                let length = self.below(1_400);
                self.noise(length)
            }
            1 => {
                // A long header of version 1 with anything behind it.
                let mut first = self.noise(1_200);
                first[0] |= 0xc0;
                first[1..5].copy_from_slice(&1_u32.to_be_bytes());
                first[5] %= 21;
                first
            }
            2 => {
                datagram.truncate(self.below(datagram.len()));
                datagram
            }
            3 => {
                let more = self.below(300);
                datagram.extend(self.noise(more));
                datagram
            }
            4 => {
                let other = &heard[self.below(heard.len())];
                let at = self.below(datagram.len().min(other.len()));
                [&datagram[..at], &other[at..]].concat()
            }
            5 => datagram,
            _ => {
                for _ in 0..=self.below(8) {
                    let at = self.below(datagram.len());
                    datagram[at] ^= 1 << self.below(8);
                }
                datagram
            }
        }
    }
}

/// Every 48 of them somebody asks and is answered: so all were looked at, and none was too much.
#[tokio::test]
async fn a_million_malformed_datagrams_are_survived() {
    const DATAGRAMS: usize = 1_000_000;
    const TOGETHER: usize = 48;
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let peers = json!({ "peers": [{ "node": key(9).node(), "address": "127.0.0.1:9" }] });
    site.control("POST", "/peers", &peers).good();
    let heard = overheard(&site).await;
    assert!(heard.len() > 20, "{} datagrams were overheard", heard.len());
    let (mut asks, _) = dial_until_heard(&site, &key(9), here()).await;
    let (before, mut dice) = (resident_kib(&site), Dice(88_172_645_463_325_252));
    let socket = UdpSocket::bind(elsewhere(2)).unwrap();
    for sent in 0..DATAGRAMS {
        socket.send_to(&dice.malformed(&heard), site.quic).unwrap();
        if sent % TOGETHER == 0 {
            asks.submit(b"?").await.unwrap();
        }
    }
    let more = resident_kib(&site).saturating_sub(before);
    assert!(more < MORE_KIB_MAX, "{more} KiB");
    assert_eq!(site.get("/livez").status, 200);
    let (_wallet, _) = dial_until_heard(&site, &key(77), elsewhere(77)).await;
}

/// An entry by anybody, that waits for a register entry that there is not.
fn waits_for_ever(cooperative: EntryId, n: u64) -> Vec<u8> {
    let mut seed = [0xaa; 32];
    seed[..8].copy_from_slice(&n.to_le_bytes());
    let key = SecretKey::from_seed(&seed);
    let header = Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative,
        device: key.device(),
        seq: 0,
        prev: EntryId::ZERO,
        basis: EntryId([0xbb; 32]),
        time: 0,
        payload: None,
    };
    let act = Act::Attest(Attest { contribution: EntryId([4; 32]) });
    sign(&key, &header, &act).unwrap().bytes().to_vec()
}

#[tokio::test]
async fn a_flood_of_the_waiting_room_leaves_room_for_the_roster_and_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    // Thirty strangers with an address each, and a device for each entry.
    let (mut waiting, mut number) = (0, 0);
    for n in 0..30 {
        let mut guest = stranger(&site, n).await;
        loop {
            number += 1;
            match guest.submit(&waits_for_ever(cooperative, number)).await.unwrap() {
                Reception::Waiting(_) => waiting += 1,
                Reception::Busy(_) => break,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(waiting, 4 * 256, "half of the room, whoever they are");
    // Two entries that come in the wrong order find a place to wait, and then their places.
    let (first, second) = (authors[1].work(cooperative, 1), authors[1].work(cooperative, 2));
    assert_eq!(site.submit(&second).good()["status"], "waiting");
    assert_eq!(site.submit(&first).good()["status"], "placed");
    site.wait_settled(&authors[0].key, &cooperative, 3);
}

#[tokio::test]
async fn a_flood_of_bad_signatures_is_answered_with_bans_and_costs_the_forged_device_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let good = authors[1].work(cooperative, 5);
    let mut forged = good.bytes().to_vec();
    let last = forged.len() - 30;
    for n in 0..30 {
        let mut guest = stranger(&site, n).await;
        for _ in 0..3 {
            forged[last] = forged[last].wrapping_add(1) | 1;
            let refused = guest.submit(&forged).await;
            assert!(matches!(refused, Ok(Reception::Refused { rule: 9, .. })), "{refused:?}");
        }
        assert_eq!(guest.sent_away().await, Close::BadMessage);
        assert_eq!(turned_away(&site, n).await, Close::NotAdmitted);
    }
    assert_eq!(metric(&site, "talea_signatures_checked_total "), 1 + 3 * 30);
    assert_eq!(limits_met(&site, "Entries"), 0);
    site.submit(&good).good();
}

/// A frame that is announced and never ended, on every connection that there is.
#[tokio::test]
async fn slow_peers_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let before = resident_kib(&site);
    let mut slow = JoinSet::new();
    for n in 0..32 {
        // QUIC's own words arrive, and of what is sent only the beginning.
        let mut pieces = 8;
        let path = path(site.quic, elsewhere(n), move |way, datagram| {
            let is_piece = way == Way::ToNode && datagram.len() > 1_000;
            pieces -= u8::from(is_piece && pieces > 0);
            !is_piece || pieces > 0
        });
        let mut guest = dial(&site, &key(n), elsewhere(n), path.await).await.unwrap();
        guest.submit(b"?").await.unwrap();
        slow.spawn(async move {
            let entry = Octets::new(vec![1; 60_000]).unwrap();
            let frame = Message::Submit { entry, payload: None }.frame();
            let _ = guest.sender.send(&frame).await;
            guest.connection.closed().await
        });
    }
    for n in 0..20 {
        site.submit(&authors[1].work(cooperative, 1 + n)).good();
    }
    let more = resident_kib(&site).saturating_sub(before);
    assert!(more < MORE_KIB_MAX, "{more} KiB");
    while let Some(closed) = slow.join_next().await {
        assert_eq!(closed.unwrap(), Loss::ByPeer(Close::Busy));
    }
    assert_eq!(limits_met(&site, "Slow"), 32);
    let _wallet = dial_until_heard(&site, &key(500), elsewhere(500)).await;
}
