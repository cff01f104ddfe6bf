//! What is not as it should be is refused by the number of its rule, over HTTP and QUIC alike.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use talea_protocol::act::{Act, Mark};
use talea_protocol::bytes::{List, Octets, encode};
use talea_protocol::charter::{Roster, Visibility};
use talea_protocol::cut::Cut;
use talea_protocol::entry::{ENTRY_BYTES_MAX, Header, sign, statement, unsigned};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{Purpose, SecretKey};
use talea_protocol::message::{Message, Reception};
use talea_protocol::quic::{Close, Connection, Endpoint, Loss, Receiver, Sender};

use crate::people::{Author, charter, found, found_by, work};
use crate::site::{Answer, Site, now_ms};

/// A submission that breaks one rule.
struct Bad {
    rule: u16,
    what: &'static str,
    bytes: Vec<u8>,
}

/// The founders, their charter, and entries that break every rule that a wallet can break alone.
struct Case {
    authors: Vec<Author>,
    cooperative: EntryId,
    bad: Vec<Bad>,
}

fn signed_raw(key: &SecretKey, header: &Header, act: &[u8]) -> Vec<u8> {
    let mut bytes = encode(header);
    bytes.extend_from_slice(act);
    let signature = key.sign(Purpose::Entry, &statement(&bytes).unwrap());
    bytes.extend_from_slice(&signature.0);
    bytes
}

fn amount(header: &Header, key: &SecretKey, quantity: i64) -> Vec<u8> {
    // The quantity is the one place where this act has 77 in eight bytes.
    let whole = unsigned(header, &work(77));
    let act = &whole[encode(header).len()..];
    let wanted = 77_i64.to_le_bytes();
    let at = act.windows(8).position(|eight| eight == wanted).unwrap();
    let mut act = act.to_vec();
    act[at..at + 8].copy_from_slice(&quantity.to_le_bytes());
    signed_raw(key, header, &act)
}

fn case(mut authors: Vec<Author>, cooperative: EntryId) -> Case {
    let author = &mut authors[1];
    let placed = author.work(cooperative, 60);
    let header = author.header(cooperative);
    let key = &author.key;
    let good = sign(key, &header, &work(5)).unwrap().bytes().to_vec();
    let entry = |header: &Header, act: &Act| sign(key, header, act).unwrap().bytes().to_vec();
    let mut bad = vec![Bad { rule: 0, what: "the entry before", bytes: placed.bytes().to_vec() }];
    let mut add = |rule, what, bytes| bad.push(Bad { rule, what, bytes });

    add(1, "nothing", Vec::new());
    add(1, "a byte more than the longest", vec![1; ENTRY_BYTES_MAX + 1]);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    add(2, "version 1", changed(0, 1));
    add(2, "version 3", changed(0, 3));
    add(3, "scheme 9", changed(1, 9));
    let cut = good.len() - 100;
    add(4, "cut off", good[..cut].to_vec());
    let payload_tag = 1 + 1 + 32 + 32 + 8 + 32 + 32 + 8;
    add(4, "neither with nor without a payload", changed(payload_tag, 7));
    let mut longer = unsigned(&header, &work(5))[encode(&header).len()..].to_vec();
    longer.push(0);
    add(5, "a byte after the act", signed_raw(key, &header, &longer));
    for quantity in [0, -1, i64::MIN] {
        add(6, "no amount", amount(&header, key, quantity));
    }
    let mut large = 900_u32.to_le_bytes().to_vec();
    large.resize(48 * 1024 + 1, 0);
    add(7, "an act that is too long", signed_raw(key, &header, &large));
    let root = Header { cooperative: EntryId::ZERO, basis: EntryId::ZERO, seq: 0, ..header };
    add(8, "no cooperative", signed_raw(key, &root, &encode(&work(5))));
    add(9, "another's signature", changed(good.len() - 30, good[good.len() - 30] ^ 1));
    let elsewhere = Header { cooperative: EntryId([7; 32]), ..header };
    add(10, "another cooperative", entry(&elsewhere, &work(5)));
    let stranger = Author::new(99);
    let strange = sign(&stranger.key, &stranger.header(cooperative), &work(5)).unwrap();
    add(12, "a device that nobody enrolled", strange.bytes().to_vec());
    let link = Header { prev: EntryId([7; 32]), ..header };
    add(13, "another entry before it", entry(&link, &work(5)));
    let at = Cut { at: cooperative, lengths: List::default(), root: Hash([0; 32]) };
    add(16, "a register entry by a member", entry(&header, &Act::Mark(Mark { cut: at })));
    let future = Header { time: now_ms() + 11 * 60 * 1_000, ..header };
    add(23, "from the future", entry(&future, &work(5)));
    add(24, "an act of a later version", signed_raw(key, &header, &900_u32.to_le_bytes()));
    // The last one: a chain whose device has written twice in one place stands still.
    let fork = Header { seq: 0, prev: EntryId::ZERO, ..header };
    add(20, "another entry for a place that is taken", entry(&fork, &work(6)));
    Case { authors, cooperative, bad }
}

#[test]
fn every_rule_has_its_number_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (authors, charter) = found(3, &[site.node], 1);
    site.host(&charter, &[]).good();
    let case = case(authors, charter.id());
    for Bad { rule, what, bytes } in &case.bad {
        let answer = site.submit_bytes(&case.cooperative, bytes);
        if *rule == 0 {
            assert_eq!(answer.good()["status"], "placed");
        } else {
            assert_eq!(answer.code(), format!("rule-{rule}"), "{what}");
        }
    }
    let overview = format!("/v1/cooperatives/{}", case.cooperative);
    let seen = site.get_as(&case.authors[0].key, &overview).good();
    assert_eq!(seen["entries"], 2, "the charter, and the one good entry");
}

#[test]
fn a_payload_is_the_one_that_was_committed_to() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let entry = authors[0].work_with(cooperative, &[7; 32], b"un sac de farine");
    let body = |salt: &str, bytes: &[u8]| {
        json!({
            "entry": STANDARD.encode(entry.bytes()),
            "payload": { "salt": salt.repeat(32), "bytes": STANDARD.encode(bytes) },
        })
    };
    assert_eq!(site.post(&cooperative, &body("07", b"deux sacs")).code(), "rule-17");
    assert_eq!(site.post(&cooperative, &body("08", b"un sac de farine")).code(), "rule-17");
    assert_eq!(site.post(&cooperative, &body("07", &vec![0; 256 * 1024])).code(), "rule-7");
    let good = body("07", b"un sac de farine");
    assert_eq!(site.post(&cooperative, &good).good()["status"], "placed");
    let path = format!("/v1/cooperatives/{cooperative}/entries/{}", entry.id());
    let shown = site.get_as(&authors[1].key, &path).good();
    assert_eq!(shown["payload"]["bytes"], STANDARD.encode(b"un sac de farine"));
    assert_eq!(site.post(&cooperative, &good).good()["status"], "known");
}

#[test]
fn what_is_no_request_is_a_problem_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let entries = format!("/v1/cooperatives/{cooperative}/entries");
    let post = |body: &[u8]| site.send("POST", &entries, "", body).code();
    assert_eq!(post(b"{"), "bad-request");
    assert_eq!(post(b"{\"entry\": \"?\"}"), "bad-request");
    assert_eq!(post(b"{\"entry\": \"\", \"extra\": 1}"), "bad-request");
    assert_eq!(post(&vec![b' '; 1024 * 1024]), "too-long");
    let get = |path: &str| site.get_as(&authors[0].key, path).code();
    assert_eq!(get("/v1/nothing"), "no-such-path");
    assert_eq!(get("/v1/cooperatives/zz"), "bad-request");
    assert_eq!(get(&format!("/v1/cooperatives/{}", EntryId([9; 32]))), "unknown-cooperative");
    assert_eq!(get(&format!("{entries}/{}", EntryId([9; 32]))), "not-found");
    assert_eq!(get(&format!("/v1/cooperatives/{cooperative}/state/gossip")), "not-found");
    assert_eq!(get(&format!("/v1/cooperatives/{cooperative}/chains/9")), "not-found");
    assert_eq!(get(&format!("/v1/cooperatives/{cooperative}/chains/0?limit=x")), "bad-request");
    for path in ["../../store", "0/../000", "0/000", "entries/000.p/9", "64/000", "0/0000"] {
        assert_eq!(get(&format!("/v1/cooperatives/{cooperative}/tile/{path}")), "not-found");
    }
    assert_eq!(site.send("DELETE", &entries, "", b"").code(), "no-such-method");
    let entry = authors[0].work(cooperative, 1);
    assert_eq!(site.submit(&entry).good()["status"], "placed", "nothing was half-written");
}

#[test]
fn a_private_cooperative_is_shown_to_enrolled_devices_only() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (authors, charter) = found(2, &[site.node], 1);
    let (_, public) = found_by(1, &[site.node], 1, Visibility::Public);
    for charter in [&charter, &public] {
        site.host(charter, &[]).good();
    }
    let of = |id: EntryId| format!("/v1/cooperatives/{id}");
    let private = of(charter.id());
    let stranger = SecretKey::from_seed(&[99; 32]);
    for rest in ["", "/register", "/checkpoint", "/export", "/state/members", "/events"] {
        let path = format!("{private}{rest}");
        assert_eq!(site.get(&path).code(), "unauthorized", "{path}");
        assert_eq!(site.get_as(&stranger, &path).code(), "unauthorized", "{path}");
    }
    let member = &authors[1].key;
    assert_eq!(site.get_as(member, &private).status, 200);
    let other = site.proof(member, &format!("{private}/register"));
    assert_eq!(site.send("GET", &private, &other, b"").code(), "unauthorized", "another path");
    let proof = site.proof(member, &private);
    let old = proof.replace("Talea-Time: 1", "Talea-Time: 0");
    assert_eq!(site.send("GET", &private, &old, b"").code(), "unauthorized", "another time");
    assert_eq!(site.get(&of(public.id())).status, 200);
    let list = |answer: Answer| answer.good()["cooperatives"].as_array().unwrap().len();
    assert_eq!(list(site.get("/v1/cooperatives")), 1, "the private one is not even named");
    assert_eq!(list(site.get_as(member, "/v1/cooperatives")), 2);
}

#[test]
fn a_charter_that_breaks_a_rule_founds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let mut authors: Vec<Author> = (1..=2).map(Author::new).collect();
    let roster = Roster { nodes: List::new(vec![site.node]).unwrap(), faulty: 1, quorum: 1 };
    let good = charter(&authors, &[site.node], 1, Visibility::Private);
    let mut unsafe_roster = good.clone();
    unsafe_roster.roster = roster;
    let mut unproven = good;
    unproven.quorum = talea_protocol::bytes::Bp::new(1).unwrap();
    for charter in [unsafe_roster, unproven] {
        let root = Header {
            cooperative: EntryId::ZERO,
            basis: EntryId::ZERO,
            seq: 0,
            prev: EntryId::ZERO,
            ..authors[0].header(EntryId::ZERO)
        };
        let entry = authors[0].state(&root, &Act::Charter(Box::new(charter)));
        let code = site.host(&entry, &[]).code();
        let rule: u16 = code.strip_prefix("rule-").unwrap().parse().unwrap();
        assert!((30..40).contains(&rule), "{code}");
        let status = site.control("GET", "/status", &json!(null)).good();
        assert_eq!(status["cooperatives"], json!([]));
    }
}

struct Wallet {
    _endpoint: Endpoint,
    connection: Connection,
    sender: Sender,
    receiver: Receiver,
}

async fn connect(site: &Site, n: u8) -> Wallet {
    let key = SecretKey::from_seed(&[n; 32]);
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap(), &key).unwrap();
    let connection = endpoint.connect(site.quic, site.node).await.unwrap();
    let (sender, receiver) = connection.session().await.unwrap();
    Wallet { _endpoint: endpoint, connection, sender, receiver }
}

impl Wallet {
    async fn submit(&mut self, bytes: &[u8]) -> Option<Reception> {
        let entry = Octets::new(bytes.to_vec())?;
        self.sender.send(&Message::Submit { entry, payload: None }.frame()).await.unwrap();
        let frame = self.receiver.receive().await.unwrap().unwrap();
        match Message::parse(&frame) {
            Ok(Message::Answer { reception, .. }) => Some(reception),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn every_rule_has_its_number_over_quic() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (authors, charter) = found(3, &[site.node], 1);
    site.host(&charter, &[]).good();
    let case = case(authors, charter.id());
    let mut wallet = connect(&site, 70).await;
    for Bad { rule, what, bytes } in &case.bad {
        // Longer than any entry: such a message cannot even be made.
        let Some(reception) = wallet.submit(bytes).await else { continue };
        match reception {
            Reception::Refused { rule: given, detail } => {
                assert_eq!(given, *rule, "{what}: {}", detail.as_str());
                assert!(detail.as_str().lines().count() >= 2, "what to do: {}", detail.as_str());
            }
            Reception::Placed(1) => assert_eq!(*rule, 0, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_stranger_may_submit_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (_, charter) = found(2, &[site.node], 1);
    site.host(&charter, &[]).good();
    let open = Message::Open { cooperative: charter.id(), logs: List::default() };
    for (n, frame, why) in
        [(71, open.frame(), Close::NotAdmitted), (72, vec![0xff; 100], Close::BadMessage)]
    {
        let mut wallet = connect(&site, n).await;
        wallet.sender.send(&frame).await.unwrap();
        assert_eq!(wallet.connection.closed().await, Loss::ByPeer(why));
    }
    // Who sent what is no message is not listened to for a day.
    let key = SecretKey::from_seed(&[72; 32]);
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap(), &key).unwrap();
    let connection = endpoint.connect(site.quic, site.node).await.unwrap();
    assert_eq!(connection.closed().await, Loss::ByPeer(Close::NotAdmitted));
}

#[tokio::test]
async fn three_bad_signatures_end_the_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    site.host(&charter, &[]).good();
    let mut wallet = connect(&site, 73).await;
    for n in 0..3 {
        let mut bytes = authors[0].work(charter.id(), 5 + n).bytes().to_vec();
        authors[0].seq = 1;
        authors[0].prev = charter.id();
        let last = bytes.len() - 30;
        bytes[last] ^= 1;
        let refused = wallet.submit(&bytes).await.unwrap();
        assert!(matches!(refused, Reception::Refused { rule: 9, .. }), "{refused:?}");
    }
    assert_eq!(wallet.connection.closed().await, Loss::ByPeer(Close::BadMessage));
}
