//! Proofs that a device has written twice in one place, leaves that tell of it, and what proves
//! nothing.

use serde_json::{Value, json};
use talea_protocol::bytes::{List, Octets, encode, hex};
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::entry::SignedHeader;
use talea_protocol::fork::{Fork, ForkFault};
use talea_protocol::hash::EntryId;
use talea_protocol::leaf::{Closed, Doubt, Erased, Forked, Leaf, Shown, accept, resolve};
use talea_protocol::receipt::Receipt;
use talea_protocol::split::{SignedCheckpoint, Split, alone};
use talea_protocol::tree::{Tree, leaf_hash};

use crate::entries::samples;
use crate::recovery::second;
use crate::{bytes, kept, secret};

/// The entry `redirect` and another one in its place.
pub fn forked() -> Fork {
    let redirect = redirect();
    Fork::new(redirect.signed_header(), second(&redirect).signed_header())
}

fn redirect() -> talea_protocol::entry::Signed {
    samples().into_iter().find(|sample| sample.name == "redirect").unwrap().entry
}

fn cooperative() -> EntryId {
    redirect().header().cooperative
}

/// Name, verdict, proof.
fn cases() -> Vec<(&'static str, &'static str, Fork)> {
    let fork = forked();
    let Fork { one, other } = fork;
    let changed = |change: fn(&mut SignedHeader)| {
        let mut changed = one;
        change(&mut changed);
        Fork::new(changed, other)
    };
    vec![
        ("two acts in one place", "proof", fork),
        ("the higher id first", "order", Fork { one: other, other: one }),
        ("one statement", "order", Fork { one, other: one }),
        ("another place", "place", changed(|it| it.header.seq += 1)),
        ("another device", "place", changed(|it| it.header.device = secret(1).device())),
        ("another cooperative", "place", changed(|it| it.header.cooperative = EntryId([1; 32]))),
        ("a header of version 1", "version", changed(|it| it.header.version = 1)),
        ("another act's hash", "signature", changed(|it| it.act.0[0] ^= 1)),
        ("another time", "signature", changed(|it| it.header.time += 1)),
        ("a changed signature", "signature", changed(|it| it.signature.0[0] ^= 1)),
    ]
}

/// The receipt of `redirect` in a log of that one leaf, kept by node 19.
fn shown(extra: Vec<u8>) -> Shown {
    let (entry, key) = (redirect(), secret(19));
    let root = leaf_hash(&accept(&entry));
    let checkpoint = Checkpoint { origin: origin(&cooperative(), &key.node()), size: 1, root };
    let receipt = Receipt { index: 0, proof: Vec::new(), checkpoint: checkpoint.sign(&key), extra };
    let receipt = Octets::new(receipt.to_string().into_bytes()).unwrap();
    Shown { entry: entry.id(), node: key.node(), receipt }
}

/// A log of so many leaves, of which the last ones are of another history.
fn history(leaves: u8, others: u8) -> Tree {
    let mut tree = Tree::default();
    for leaf in 0..leaves {
        tree.append(leaf_hash(&[leaf, u8::from(leaf >= leaves - others)]));
    }
    tree
}

/// Its checkpoint, by node 19.
fn signed(log: &Tree) -> SignedCheckpoint {
    let (origin, key) = (origin(&cooperative(), &secret(19).node()), secret(19));
    let note = Checkpoint { origin: origin.clone(), size: log.size(), root: log.root() }.sign(&key);
    alone(&note, &origin).unwrap()
}

/// Node 19 has signed these two; `began` is how the second began.
fn split(one: &Tree, other: &Tree, began: &Tree) -> Split {
    let proof = other.prove_consistency(began.size(), other.size(), |_, _| None).unwrap();
    let (node, root) = (secret(19).node(), began.root());
    let proof = List::new(proof).unwrap();
    Split { node, one: signed(one), other: signed(other), root, proof }
}

/// Of one size, and of two.
fn splits() -> [Split; 2] {
    let (one, other) = (history(5, 1), history(5, 2));
    let (one, other) = if one.root() < other.root() { (one, other) } else { (other, one) };
    [split(&one, &other, &other), split(&history(5, 1), &history(9, 6), &history(5, 2))]
}

fn said_of(split: &Split) -> Value {
    let text = |note: &SignedCheckpoint| str::from_utf8(note).unwrap().to_owned();
    json!({"node": split.node, "one": text(&split.one), "other": text(&split.other),
        "root": split.root, "proof": *split.proof})
}

#[test]
fn every_split_of_the_vectors_is_a_proof_for_its_cooperative_alone() {
    for split in splits() {
        assert!(split.check(&cooperative()).is_ok());
        assert!(split.check(&EntryId([1; 32])).is_err());
    }
}

fn leaves() -> [(&'static str, Vec<u8>, Value); 11] {
    let fork = forked();
    let (one, redirect, order) = (fork.one.id(), redirect(), EntryId([0x17; 32]));
    let forked = |held| Forked { fork, held }.leaf();
    let (erased, closed) = (Erased { entry: one, order }, Closed { order });
    let said = |held: Option<EntryId>| json!({"fork": fork, "held": held});
    let with = accept(&redirect);
    let [same, longer] = splits();
    let (node, log, note) = (secret(19).node(), secret(18).node(), signed(&history(5, 1)));
    let doubt = Doubt { node, log, note };
    let doubted = json!({"node": node, "log": log, "note": str::from_utf8(&doubt.note).unwrap()});
    let says = |it: &Shown| json!({"entry": it.entry, "node": it.node, "receipt": str::from_utf8(&it.receipt).unwrap()});
    [
        ("leaf, fork, one branch is held", forked(Some(one)), said(Some(one))),
        ("leaf, fork, nothing is held", forked(None), said(None)),
        ("leaf, resolve", resolve(&redirect), json!({"entry": redirect.id()})),
        (
            "leaf, resolve, the other",
            resolve(&second(&redirect)),
            json!({"entry": second(&redirect).id()}),
        ),
        ("leaf, erased", erased.leaf(), json!(erased)),
        ("leaf, closed", closed.leaf(), json!(closed)),
        ("leaf, shown", shown(Vec::new()).leaf(), says(&shown(Vec::new()))),
        ("leaf, shown with its bytes", shown(with.clone()).leaf(), says(&shown(with))),
        ("leaf, doubt", doubt.leaf(), doubted),
        ("leaf, split, one size", same.leaf(), said_of(&same)),
        ("leaf, split, another beginning", longer.leaf(), said_of(&longer)),
    ]
}

pub fn vectors() -> Vec<Value> {
    let proof = |(name, verdict, fork): (&str, &str, Fork)| {
        json!({
            "name": format!("fork, {name}"),
            "cooperative": cooperative(),
            "verdict": verdict,
            "ids": [fork.one.id(), fork.other.id()],
            "bytes": hex(&encode(&fork)),
        })
    };
    let leaf = |(name, leaf, says): (&str, Vec<u8>, Value)| json!({"name": name, "says": says, "bytes": hex(&leaf), "hash": leaf_hash(&leaf)});
    let file = json!({"name": "file", "file": hex(&forked().file())});
    cases().into_iter().map(proof).chain(leaves().map(leaf)).chain([file]).collect()
}

fn verdict(fork: &Fork) -> &'static str {
    match fork.check(&cooperative()) {
        Ok(()) => "proof",
        Err(ForkFault::Place) => "place",
        Err(ForkFault::Version) => "version",
        Err(ForkFault::Order) => "order",
        Err(ForkFault::Signature) => "signature",
    }
}

#[test]
fn every_kept_proof_has_its_verdict_and_names_its_entries() {
    let kept = kept::vectors("forks").into_iter();
    let proofs: Vec<Value> = kept.filter(|vector| vector["verdict"].is_string()).collect();
    assert_eq!(proofs.len(), cases().len());
    for vector in proofs {
        let proof = [talea_protocol::fork::MAGIC, &bytes(&vector, "bytes")].concat();
        let fork = Fork::read(&proof).unwrap();
        assert_eq!(vector["verdict"], verdict(&fork), "{}", vector["name"]);
        assert_eq!(vector["ids"], json!([fork.one.id(), fork.other.id()]));
    }
}

#[test]
fn every_kept_leaf_of_a_fork_is_read_and_the_file_holds_its_proof() {
    let kept = kept::vectors("forks");
    for vector in kept.iter().filter(|vector| vector["hash"].is_string()) {
        let leaf = bytes(vector, "bytes");
        assert!(!matches!(Leaf::parse(&leaf), Err(_) | Ok(Leaf::Other(_))), "{}", vector["name"]);
        assert_eq!(vector["hash"], json!(leaf_hash(&leaf)));
    }
    let file = bytes(&crate::named(&kept, "file"), "file");
    assert_eq!(Fork::read(&file), Ok(forked()));
}

#[test]
fn a_shown_receipt_proves_its_entry_in_that_log_and_nothing_else() {
    let (entry, other) = (redirect(), second(&redirect()));
    let same = leaf_hash(&accept(&entry));
    for with in [Vec::new(), accept(&entry)] {
        let shown = shown(with);
        assert!(shown.proves(&cooperative(), &same));
        assert!(!shown.proves(&EntryId([1; 32]), &same), "of another cooperative");
        let node = secret(18).node();
        assert!(!Shown { node, ..shown.clone() }.proves(&cooperative(), &same), "of another node");
    }
    let same = leaf_hash(&accept(&other));
    assert!(!shown(Vec::new()).proves(&cooperative(), &same), "of another entry");
    let named = Shown { entry: other.id(), ..shown(accept(&entry)) };
    assert!(!named.proves(&cooperative(), &same), "of another entry than it names");
    assert!(!shown(accept(&other)).proves(&cooperative(), &same), "with another leaf");
}
