//! The binary structures: whatever is read is what would be written, and nothing else is read.

use std::fmt::Debug;

use talea_protocol::act::{Act, Content, TAGS};
use talea_protocol::bytes::{
    Decode, Encode, FRAME_BYTES_MAX, STRUCTURE_BYTES_MAX, decode, decode_prefix, encode,
};
use talea_protocol::charter::Charter;
use talea_protocol::cut::Cut;
use talea_protocol::entry::{ENTRY_BYTES_MAX, Entry, Refusal, check};
use talea_protocol::export::{Section, Sections};
use talea_protocol::hash::{Context, EntryId};
use talea_protocol::key::{
    Claim, Purpose, SecretKey, Signature, examine, verify, verify_batch, verify_for,
};
use talea_protocol::leaf::{Leaf, accept, accepted, bundled, resolve};
use talea_protocol::message::{Item, Message};
use talea_protocol::tile::{push_leaf, split_bundle};

/// Reads a value, which must then be written with the same bytes, and with no others.
fn one_encoding<T: Decode<()> + Encode + PartialEq + Debug>(input: &[u8], max: usize) -> Option<T> {
    let value: T = decode(input, max).ok()?;
    assert!(input.len() <= max, "read beyond the limit");
    assert_eq!(encode(&value), input, "written otherwise than read");
    let longer = [input, &[0]].concat();
    assert!(decode::<T>(&longer, max).is_err(), "a byte more is the same value");
    let prefix = decode_prefix::<T>(&longer, max.max(longer.len())).expect("the value is in front");
    assert_eq!(prefix, (decode(input, max).expect("read before"), input.len()));
    if let Some((_, shorter)) = input.split_last() {
        assert!(decode::<T>(shorter, max).is_err(), "a byte less is a value too");
    }
    Some(value)
}

/// Rules 1 to 9.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn entry(input: &[u8]) {
    let entry = match Entry::parse(input.to_vec()) {
        Ok(entry) => entry,
        Err(refusal) => {
            assert!((1..=8).contains(&refusal.rule()), "{refusal}");
            assert!(refusal.to_string().starts_with(&format!("rule {}: ", refusal.rule())));
            return;
        }
    };
    assert!(input.len() <= ENTRY_BYTES_MAX);
    assert_eq!(entry.bytes(), input);
    let (unsigned, signature) = input.split_at(input.len() - 64);
    let said = unsigned.strip_prefix(encode(entry.header()).as_slice());
    let said = said.expect("an entry begins with its header");
    match entry.content() {
        Content::Known(act) => {
            assert_eq!(encode(act), said, "another encoding of the act");
            let longer = [unsigned, &[0], signature].concat();
            assert!(Entry::parse(longer).is_err(), "a byte follows the act");
        }
        Content::Unknown(tag) => assert!(*tag >= TAGS && said.starts_with(&tag.to_le_bytes())),
    }
    let is_charter = matches!(entry.content(), Content::Known(Act::Charter(_)));
    assert_eq!(is_charter, entry.cooperative() == entry.id());
    let header = entry.signed_header();
    assert_eq!(header.act, Context::Act.hash(&[said]));
    let statement = encode(&(*entry.header(), header.act));
    assert_eq!(entry.id().0, Context::Entry.hash(&[&statement]).0);
    assert_eq!((header.id(), header.cooperative()), (entry.id(), entry.cooperative()));
    assert_eq!(one_encoding(&encode(&header), STRUCTURE_BYTES_MAX), Some(header));
    let leaf = accept(&entry);
    assert_eq!(accepted(&leaf), Some(input));
    assert_eq!(Leaf::parse(&leaf), Ok(Leaf::Accept(Box::new(entry.clone()))));
    let (key, signature) = (entry.header().device, Signature(tail(signature)));
    let alone = verify_for(Purpose::Entry, &key, &signature, &statement);
    assert_eq!(verify_batch(&[header.claim()]), [alone]);
    match check(vec![entry.clone()]).remove(0) {
        Ok(signed) => assert!(alone && *signed == entry),
        Err((_, refusal)) => assert!(!alone && refusal == Refusal::Signature),
    }
}

fn tail(signature: &[u8]) -> [u8; 64] {
    signature.try_into().expect("64 bytes")
}

/// What an entry says.
pub fn act(input: &[u8]) {
    match Content::parse(input) {
        Ok(Content::Known(act)) => {
            assert_eq!(encode(&act), input, "another encoding of the act");
            let longer = [input, &[0]].concat();
            assert!(Content::parse(&longer).is_err(), "a byte follows the act");
            serde_json::to_string(&act).expect("every act has a JSON form");
        }
        Ok(Content::Unknown(tag)) => assert!(tag >= TAGS),
        Err(_) => assert!(decode::<Act>(input, STRUCTURE_BYTES_MAX).is_err() || input.len() > 4),
    }
}

/// What founds a cooperative.
pub fn charter(input: &[u8]) {
    if let Some(charter) = one_encoding::<Charter>(input, STRUCTURE_BYTES_MAX) {
        let hash = charter.founding_hash();
        assert_eq!(hash, charter.founding_hash());
        serde_json::to_string(&charter).expect("every charter has a JSON form");
    }
}

/// What a cut names.
pub fn cut(input: &[u8]) {
    one_encoding::<Cut>(input, STRUCTURE_BYTES_MAX);
}

/// A leaf of a log.
pub fn leaf(input: &[u8]) {
    match Leaf::parse(input) {
        Ok(Leaf::Accept(entry)) => assert_eq!(accept(&entry), input),
        Ok(Leaf::Frontier(frontier)) => assert_eq!(frontier.leaf(), input),
        Ok(Leaf::Peer(peer)) => assert_eq!(peer.leaf(), input),
        Ok(Leaf::Fork(forked)) => assert_eq!(forked.leaf(), input),
        Ok(Leaf::Resolve(entry)) => assert_eq!(resolve(&entry), input),
        Ok(Leaf::Erased(erased)) => assert_eq!(erased.leaf(), input),
        Ok(Leaf::Closed(closed)) => assert_eq!(closed.leaf(), input),
        Ok(Leaf::Shown(shown)) => assert_eq!(shown.leaf(), input),
        Ok(Leaf::Doubt(doubt)) => assert_eq!(doubt.leaf(), input),
        Ok(Leaf::Split(split)) => assert_eq!(split.leaf(), input),
        Ok(Leaf::Other(kind)) => assert_eq!(Some(&kind), input.first()),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

/// A frame between nodes.
pub fn message_frame(input: &[u8]) {
    let Some(message) = one_encoding::<Message>(input, FRAME_BYTES_MAX) else {
        assert!(Message::parse(input).is_err());
        return;
    };
    assert_eq!(message.frame(), input);
    assert_eq!(Message::parse(input).as_ref(), Ok(&message));
    if let Message::Leaves { items, .. } = &message {
        items.iter().for_each(item);
    }
}

fn item(item: &Item) {
    if let Item::Bundle(leaves) = item {
        bundle(leaves);
    }
}

/// Leaves side by side.
pub fn bundle(input: &[u8]) {
    let Ok(leaves) = bundled(input) else {
        for count in 0..4 {
            assert!(split_bundle(input, count).is_err(), "split and yet not whole");
        }
        return;
    };
    let mut again = Vec::new();
    for leaf in &leaves {
        push_leaf(&mut again, leaf).expect("it was in a bundle");
    }
    assert_eq!(again, input, "leaves make another bundle");
    let count = u64::try_from(leaves.len()).expect("few");
    assert_eq!(split_bundle(input, count).as_ref(), Ok(&leaves));
    assert!(split_bundle(input, count + 1).is_err());
}

/// One section of an export.
pub fn section(input: &[u8]) {
    match one_encoding::<Section>(input, FRAME_BYTES_MAX) {
        Some(Section::Leaves { bundle: leaves, .. }) => bundle(&leaves),
        Some(Section::Mirror { items, .. }) => items.iter().for_each(item),
        _ => {}
    }
}

/// A whole file's sections: each once, in order, and what was read is in the file.
pub fn sections(input: &[u8]) {
    let Ok(sections) = Sections::new(input) else { return };
    let (mut at, mut whole) = (0, true);
    for section in sections {
        let Ok((begin, section)) = section else {
            whole = false;
            continue;
        };
        assert!(whole, "a section after a fault");
        assert!(begin > at, "sections go forward");
        at = begin;
        let bytes = encode(&section);
        assert_eq!(input.get(begin + 4..begin + 4 + bytes.len()), Some(bytes.as_slice()));
    }
    // The digest's own section is the last: nothing can follow it unseen.
    if whole {
        let longer = [input, &[0]].concat();
        let faults = Sections::new(&longer).map(|sections| sections.filter(Result::is_err).count());
        assert_eq!(faults, Ok(1), "a byte after the end");
    }
}

/// A key, and a signature under it over the rest: one verdict, alone and in any company.
pub fn signature(input: &[u8]) {
    let Some((key, rest)) = input.split_first_chunk::<32>() else { return };
    let Some((signature, message)) = rest.split_first_chunk::<64>() else { return };
    let signature = Signature(*signature);
    let alone = verify(key, &signature, message);
    let friend = SecretKey::from_seed(&[1; 32]);
    let good = friend.sign(Purpose::Entry, message);
    let company = [
        Claim::new(&friend.device().0, &good, &Purpose::Entry.message(message)),
        Claim::new(key, &signature, message),
        Claim::new(&friend.device().0, &signature, message),
    ];
    let verdicts = verify_batch(&company);
    assert_eq!(verdicts.get(1), Some(&alone), "the verdict depends on the company");
    assert_eq!(verdicts.first(), Some(&true), "a good one suffers from its company");
    // Under a key of small order one signature is good for every message; none is ever enrolled.
    if alone && examine(key).is_ok() {
        assert!(!verify(key, &signature, &[message, &[0]].concat()), "for another message too");
    }
}

/// The id in hexadecimal, as people copy it.
pub fn id(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(id) = text.parse::<EntryId>() {
        assert_eq!(id.to_string(), text);
    }
}
