//! Laws: what is read is written back, and a signature is good for one thing.
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

mod kept;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use talea_protocol::act::{Act, Attest, Content, Request, Subscribe, enrolment, subscription};
use talea_protocol::bytes::{Code, Day, FRAME_BYTES_MAX, List, Quantity, decode, encode};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::checkpoint::{Checkpoint, cosigner, open, origin};
use talea_protocol::entry::{Entry, Header, SCHEME, VERSION, check, sign, unsigned};
use talea_protocol::export::Section;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, SecretKey, Signature, verify, verify_for};
use talea_protocol::leaf::Leaf;
use talea_protocol::message::Message;
use talea_protocol::note::{Algorithm, SignatureLine, key_id};
use talea_protocol::recovery::{
    Approval, Call, Guardians, departure, guardianship, revocation, succession,
};
use talea_protocol::tree::TreeHash;

/// The bytes in this field of a file's vectors.
fn kept(file: &str, field: &str) -> Vec<Vec<u8>> {
    kept::vectors(file).iter().filter_map(|vector| kept::bytes(&vector[field])).collect()
}

/// One change to some bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Number(Index, u64),
    End(u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let number = prop_oneof![Just(0), Just(1), Just(u64::MAX), 0..100_u64, any::<u64>()];
    let change = prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), number).prop_map(|(at, number)| Change::Number(at, number)),
        1 => any::<u8>().prop_map(Change::End),
    ];
    prop::collection::vec(change, 1..4)
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        match change {
            Change::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Change::Remove(at) => {
                let _ = bytes.remove(at.index(bytes.len()));
            }
            Change::Number(at, number) => {
                let at = at.index(bytes.len());
                bytes
                    .iter_mut()
                    .skip(at)
                    .zip(number.to_le_bytes())
                    .for_each(|(to, from)| *to = from);
            }
            Change::End(byte) => bytes.push(*byte),
        }
    }
    bytes
}

/// These bytes as an entry that is written again; `None` if they are none, or of a later version.
fn written_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let entry = Entry::parse(bytes.to_vec()).ok()?;
    let Content::Known(act) = entry.content() else { return None };
    Some([unsigned(entry.header(), act), bytes[bytes.len() - 64..].to_vec()].concat())
}

#[test]
fn an_entry_with_one_bit_changed_is_refused_or_is_written_back_so() {
    let (mut read, mut refused) = (0, 0);
    for entry in kept("entries", "bytes") {
        for (at, bit) in (0..entry.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = entry.clone();
            bytes[at] ^= 1 << bit;
            match written_again(&bytes) {
                Some(again) => {
                    assert_eq!(again, bytes, "bit {bit} of byte {at}");
                    read += 1;
                }
                None => refused += 1,
            }
        }
    }
    assert!(read > refused && refused > 1_000, "{read} read, {refused} refused: both happen");
}

proptest! {
    #[test]
    fn an_entry_that_is_read_is_written_back(entry in select(kept("entries", "bytes")), changes in changes()) {
        let bytes = changed(entry, &changes);
        if let Some(again) = written_again(&bytes) {
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn a_message_that_is_read_is_written_back(frame in select(kept("messages", "frame")), changes in changes()) {
        let bytes = changed(frame, &changes);
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert_eq!(message.frame(), bytes);
        }
    }

    #[test]
    fn a_section_that_is_read_is_written_back(section in select(kept("exports", "section")), changes in changes()) {
        let bytes = changed(section, &changes);
        if let Ok(section) = decode::<Section>(&bytes, FRAME_BYTES_MAX) {
            prop_assert_eq!(encode(&section), bytes);
        }
    }

    #[test]
    fn a_leaf_that_is_read_is_written_back(leaf in select(kept("logs", "bytes")), changes in changes()) {
        let bytes = changed(leaf, &changes);
        match Leaf::parse(&bytes) {
            Ok(Leaf::Frontier(frontier)) => prop_assert_eq!(frontier.leaf(), bytes),
            Ok(Leaf::Peer(peer)) => prop_assert_eq!(peer.leaf(), bytes),
            Ok(Leaf::Fork(forked)) => prop_assert_eq!(forked.leaf(), bytes),
            Ok(Leaf::Erased(erased)) => prop_assert_eq!(erased.leaf(), bytes),
            Ok(Leaf::Closed(closed)) => prop_assert_eq!(closed.leaf(), bytes),
            Ok(Leaf::Shown(shown)) => prop_assert_eq!(shown.leaf(), bytes),
            Ok(Leaf::Doubt(doubt)) => prop_assert_eq!(doubt.leaf(), bytes),
            Ok(Leaf::Split(split)) => prop_assert_eq!(split.leaf(), bytes),
            Ok(Leaf::Accept(_) | Leaf::Resolve(_) | Leaf::Other(_)) | Err(_) => {}
        }
    }
}

/// A thing that one key has signed, and its judge, who is handed a signature for it.
struct Object {
    name: &'static str,
    signature: Signature,
    judge: Box<dyn Fn(&Signature) -> bool>,
}

/// Everything that is ever signed, by one key, about one cooperative.
fn objects(seed: [u8; 32], cooperative: EntryId, time: u64) -> [Object; 14] {
    let request = Request { device: SecretKey::from_seed(&seed).device(), kind: Kind::Person };
    let asked = enrolment(&cooperative, &request);
    let against = revocation(&cooperative, &request.device);
    let call = Call { at: cooperative, successor: Member(1) };
    let chosen = guardians(seed, cooperative);
    let http = format!(
        "GET /v1/cooperatives/{cooperative}\n{}\n{time}",
        SecretKey::from_seed(&seed).node()
    );
    [
        entry(seed, cooperative, time),
        of_purpose("enrolment", seed, Purpose::Enrolment, asked.clone()),
        of_purpose("approval", seed, Purpose::Approval, asked),
        of_purpose("subscription", seed, Purpose::Subscription, subscribed(seed, cooperative)),
        of_purpose("request", seed, Purpose::Request, http.into_bytes()),
        of_purpose("revocation", seed, Purpose::Revocation, against),
        of_purpose("guardians", seed, Purpose::Guardians, guardianship(&cooperative, &chosen)),
        of_purpose("departure", seed, Purpose::Departure, departure(&cooperative, Member(1))),
        of_purpose("succession", seed, Purpose::Succession, succession(&cooperative, &call)),
        of_purpose("redemption", seed, Purpose::Redemption, subscribed(seed, cooperative)),
        of_purpose("accord", seed, Purpose::Accord, subscribed(seed, cooperative)),
        of_purpose("statement", seed, Purpose::Statement, subscribed(seed, cooperative)),
        note(seed, cooperative, time),
        cosignature(seed, cooperative, time),
    ]
}

fn of_purpose(name: &'static str, seed: [u8; 32], purpose: Purpose, bytes: Vec<u8>) -> Object {
    let key = SecretKey::from_seed(&seed);
    let (signature, device) = (key.sign(purpose, &bytes), key.device());
    let judge = move |other: &Signature| verify_for(purpose, &device, other, &bytes);
    Object { name, signature, judge: Box::new(judge) }
}

fn guardians(seed: [u8; 32], at: EntryId) -> Guardians {
    let (device, signature) = (SecretKey::from_seed(&seed).device(), Signature([0; 64]));
    let (recovery, approval) = (Some(device), Approval { device, signature });
    Guardians { member: Member(1), recovery, keys: List::default(), threshold: 0, at, approval }
}

fn subscribed(seed: [u8; 32], cooperative: EntryId) -> Vec<u8> {
    let subscribe = Subscribe {
        member: Member(1),
        amount: Quantity::new(5_000).unwrap(),
        date: Day::new(20_459).unwrap(),
        reference: Code::try_from("2026/1").unwrap(),
        device: SecretKey::from_seed(&seed).device(),
        signature: Signature([0; 64]),
    };
    subscription(&cooperative, &subscribe)
}

fn entry(seed: [u8; 32], cooperative: EntryId, time: u64) -> Object {
    let key = SecretKey::from_seed(&seed);
    let header = Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative,
        device: key.device(),
        seq: 1,
        prev: cooperative,
        basis: cooperative,
        time,
        payload: None,
    };
    let act = Act::Attest(Attest { contribution: cooperative });
    let bytes = sign(&key, &header, &act).unwrap().bytes().to_vec();
    let (before, signature) = bytes.split_last_chunk().unwrap();
    let (before, signature) = (before.to_vec(), Signature(*signature));
    let judge = move |other: &Signature| {
        let entry = Entry::parse([before.as_slice(), &other.0].concat()).unwrap();
        check(vec![entry]).iter().all(Result::is_ok)
    };
    Object { name: "entry", signature, judge: Box::new(judge) }
}

fn checkpoint(log: &SecretKey, cooperative: EntryId, time: u64) -> Checkpoint {
    Checkpoint {
        origin: origin(&cooperative, &log.node()),
        size: time,
        root: TreeHash(cooperative.0),
    }
}

/// The signature at the end of a line.
fn last(line: &SignatureLine) -> Signature {
    let line = line.to_string();
    let blob = STANDARD.decode(line.rsplit_once(' ').unwrap().1).unwrap();
    Signature(*blob.last_chunk().unwrap())
}

fn note(seed: [u8; 32], cooperative: EntryId, time: u64) -> Object {
    let key = SecretKey::from_seed(&seed);
    let note = checkpoint(&key, cooperative, time).sign(&key);
    let (text, signature) = (note.text().to_owned(), last(&note.signatures()[0]));
    let judge = move |other: &Signature| {
        let name = origin(&cooperative, &key.node());
        let blob = [&key_id(&name, Algorithm::Note, &key.node())[..], &other.0].concat();
        let note = format!("{text}\n— {name} {}\n", STANDARD.encode(blob));
        open(note.as_bytes(), &cooperative, &key.node(), &[]).is_ok()
    };
    Object { name: "note", signature, judge: Box::new(judge) }
}

fn cosignature(seed: [u8; 32], cooperative: EntryId, time: u64) -> Object {
    let (key, log) = (SecretKey::from_seed(&seed), SecretKey::from_seed(&[0xff; 32]));
    let checkpoint = checkpoint(&log, cooperative, time);
    let note = checkpoint.sign(&log).to_string();
    let signature = last(&checkpoint.cosign(&key, time));
    let judge = move |other: &Signature| {
        let name = cosigner(&key.node());
        let id = key_id(&name, Algorithm::Cosignature, &key.node());
        let blob = [&id[..], &time.to_be_bytes(), &other.0].concat();
        let note = format!("{note}— {name} {}\n", STANDARD.encode(blob));
        open(note.as_bytes(), &cooperative, &log.node(), &[key.node()]).is_ok()
    };
    Object { name: "cosignature", signature, judge: Box::new(judge) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Every signed object against every verifier: only the diagonal passes.
    #[test]
    fn a_signature_is_good_for_what_it_was_made_for_and_for_nothing_else(seed: [u8; 32], cooperative: [u8; 32], time in 0..1_u64 << 62) {
        let objects = objects(seed, EntryId(cooperative), time);
        for (i, made) in objects.iter().enumerate() {
            for (j, asked) in objects.iter().enumerate() {
                let verdict = (asked.judge)(&made.signature);
                prop_assert_eq!(verdict, i == j, "{} for {}", made.name, asked.name);
            }
            let handshake = [" ".repeat(64).as_bytes(), b"TLS 1.3, client CertificateVerify\0"].concat();
            let key = SecretKey::from_seed(&seed).device().0;
            prop_assert!(!verify(&key, &made.signature, &handshake));
        }
    }
}

/// So whatever follows, no two kinds of signed bytes are ever the same.
#[test]
fn no_beginning_of_signed_bytes_begins_another() {
    let spaces = " ".repeat(64);
    let beginnings = [
        Purpose::Entry.as_str(),
        Purpose::Enrolment.as_str(),
        Purpose::Approval.as_str(),
        Purpose::Subscription.as_str(),
        Purpose::Request.as_str(),
        Purpose::Revocation.as_str(),
        Purpose::Guardians.as_str(),
        Purpose::Departure.as_str(),
        Purpose::Succession.as_str(),
        Purpose::Redemption.as_str(),
        Purpose::Accord.as_str(),
        Purpose::Statement.as_str(),
        "talea/log/",
        "cosignature/v1\n",
        &spaces,
    ];
    for (i, one) in beginnings.iter().enumerate() {
        for (j, other) in beginnings.iter().enumerate() {
            assert_eq!(one.starts_with(other), i == j, "{one:?} and {other:?}");
        }
    }
}
