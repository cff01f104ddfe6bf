//! A log of five leaves: bytes, hashes, roots, proofs, a bundle, a tile, notes and a receipt.

use serde_json::{Value, json};
use talea_protocol::bytes::hex;
use talea_protocol::checkpoint::{Checkpoint, cosigner, open, origin};
use talea_protocol::entry::Signed;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::leaf::{Frontier, Leaf, Peer, accept, bundled};
use talea_protocol::note::{Algorithm, Note, verifier_key};
use talea_protocol::proof::{verify_consistency, verify_inclusion};
use talea_protocol::receipt::Receipt;
use talea_protocol::tile::push_leaf;
use talea_protocol::tree::{Tree, TreeHash, leaf_hash};

use crate::entries::{samples, unknown};
use crate::{bytes, kept, named, secret};

/// When nodes 18 and 19 cosigned, in seconds.
const TIME: u64 = 1_767_312_060;

fn entry(name: &str) -> Signed {
    samples().into_iter().find(|sample| sample.name == name).unwrap().entry
}

fn cooperative() -> EntryId {
    entry("attest").header().cooperative
}

fn leaves() -> [(&'static str, Vec<u8>); 5] {
    let mark = entry("mark");
    let settled = match mark.content() {
        talea_protocol::act::Content::Known(act) => act.cut().unwrap().clone(),
        talea_protocol::act::Content::Unknown(_) => unreachable!("a mark is known"),
    };
    let frontier =
        Frontier { accepted: Hash([0x41; 32]), settled, state: Hash([0x42; 32]), count: 3 };
    let peer = Peer { node: secret(18).node(), size: 4, root: TreeHash([0x43; 32]), time: TIME };
    [
        ("accept, an attest", accept(&entry("attest"))),
        ("accept, an act of a later version", accept(&unknown().entry)),
        ("accept, a vote", accept(&entry("vote, no"))),
        ("frontier", frontier.leaf()),
        ("peer", peer.leaf()),
    ]
}

fn tree(size: usize) -> Tree {
    let mut tree = Tree::default();
    for (_, leaf) in leaves().iter().take(size) {
        tree.append(leaf_hash(leaf));
    }
    tree
}

fn checkpoint() -> Checkpoint {
    let origin = origin(&cooperative(), &secret(17).node());
    Checkpoint { origin, size: 5, root: tree(5).root() }
}

fn cosigned() -> Note {
    let mut note = checkpoint().sign(&secret(17));
    note.add(checkpoint().cosign(&secret(18), TIME)).unwrap();
    note.add(checkpoint().cosign(&secret(19), TIME + 1)).unwrap();
    note
}

pub fn vectors() -> Vec<Value> {
    let leaf = |(name, leaf): (&str, Vec<u8>)| json!({"name": format!("leaf, {name}"), "bytes": hex(&leaf), "hash": leaf_hash(&leaf)});
    let root = |size| json!({"name": format!("root, {size} leaves"), "root": tree(size).root()});
    let leaves = leaves().map(leaf);
    leaves
        .into_iter()
        .chain((0..=5).map(root))
        .chain(proofs())
        .chain(stored())
        .chain(notes())
        .collect()
}

fn proofs() -> Vec<Value> {
    let (tree, mut proofs) = (tree(5), Vec::new());
    for size in 1..=5 {
        for index in 0..size {
            let proof = tree.prove_inclusion(index, size, |_, _| None).unwrap();
            proofs.push(json!({"name": format!("inclusion of {index} in {size}"), "index": index, "size": size, "proof": proof}));
        }
        for old in 1..=size {
            let proof = tree.prove_consistency(old, size, |_, _| None).unwrap();
            proofs.push(json!({"name": format!("consistency of {old} with {size}"), "old": old, "size": size, "proof": proof}));
        }
    }
    proofs
}

fn stored() -> [Value; 2] {
    let mut bundle = Vec::new();
    for (_, leaf) in leaves() {
        push_leaf(&mut bundle, &leaf).unwrap();
    }
    [
        json!({"name": "tile/entries/000.p/5", "bytes": hex(&bundle)}),
        json!({"name": "tile/0/000.p/5", "bytes": hex(tree(5).tile(0, 0).unwrap())}),
    ]
}

fn notes() -> [Value; 4] {
    let node = secret(17).node();
    let receipt = Receipt {
        index: 2,
        proof: tree(5).prove_inclusion(2, 5, |_, _| None).unwrap(),
        checkpoint: cosigned(),
        extra: leaves()[2].1.clone(),
    };
    let witness = |n| {
        let node = secret(n).node();
        verifier_key(&cosigner(&node), Algorithm::Cosignature, &node)
    };
    [
        json!({"name": "checkpoint", "cooperative": cooperative(), "node": node, "seed": hex(&secret(17).seed()), "note": checkpoint().sign(&secret(17)).to_string()}),
        json!({"name": "checkpoint, cosigned", "seeds": [hex(&secret(18).seed()), hex(&secret(19).seed())], "times": [TIME, TIME + 1], "note": cosigned().to_string()}),
        json!({"name": "verifier keys", "log": verifier_key(&checkpoint().origin, Algorithm::Note, &node), "cosigners": [witness(18), witness(19)]}),
        json!({"name": "receipt of leaf 2", "receipt": receipt.to_string()}),
    ]
}

/// Of the kept vectors whose name begins so.
fn all(kind: &str) -> Vec<Value> {
    let kept = kept::vectors("logs").into_iter();
    kept.filter(|vector| vector["name"].as_str().unwrap().starts_with(kind)).collect()
}

fn hash(value: &Value) -> TreeHash {
    value.as_str().unwrap().parse().unwrap()
}

fn proof(vector: &Value) -> Vec<TreeHash> {
    vector["proof"].as_array().unwrap().iter().map(hash).collect()
}

#[test]
fn every_kept_leaf_is_one_and_has_its_hash() {
    let leaves: Vec<Vec<u8>> = all("leaf").iter().map(|leaf| bytes(leaf, "bytes")).collect();
    for (leaf, vector) in leaves.iter().zip(all("leaf")) {
        assert!(Leaf::parse(leaf).is_ok());
        assert_eq!(leaf_hash(leaf), hash(&vector["hash"]));
    }
    let bundle = bytes(&named(&kept::vectors("logs"), "tile/entries/000.p/5"), "bytes");
    assert_eq!(bundled(&bundle).unwrap(), leaves);
}

#[test]
fn every_kept_proof_holds_between_the_kept_roots() {
    let leaves: Vec<TreeHash> = all("leaf").iter().map(|leaf| hash(&leaf["hash"])).collect();
    let roots: Vec<TreeHash> = all("root").iter().map(|root| hash(&root["root"])).collect();
    let number = |vector: &Value, field: &str| vector[field].as_u64().unwrap();
    let place = |number: u64| usize::try_from(number).unwrap();
    for vector in all("inclusion") {
        let (index, size) = (number(&vector, "index"), number(&vector, "size"));
        let (leaf, root) = (&leaves[place(index)], &roots[place(size)]);
        assert_eq!(verify_inclusion(leaf, index, size, &proof(&vector), root), Ok(()));
    }
    for vector in all("consistency") {
        let (old, size) = (number(&vector, "old"), number(&vector, "size"));
        let (before, after) = (&roots[place(old)], &roots[place(size)]);
        assert_eq!(verify_consistency(old, before, size, after, &proof(&vector)), Ok(()));
    }
}

#[test]
fn the_kept_notes_open_and_the_kept_receipt_holds() {
    let kept = kept::vectors("logs");
    let text = |name: &str, field: &str| named(&kept, name)[field].as_str().unwrap().to_owned();
    let node = secret(17).node();
    let roster = [secret(18).node(), secret(19).node()];
    let opened =
        |name| open(text(name, "note").as_bytes(), &cooperative(), &node, &roster).unwrap();
    assert_eq!(opened("checkpoint").cosignatures(), []);
    assert_eq!(opened("checkpoint, cosigned").cosignatures().len(), 2);
    let receipt = Receipt::parse(text("receipt of leaf 2", "receipt").as_bytes()).unwrap();
    let leaf = leaf_hash(&receipt.extra);
    assert!(receipt.verify(&leaf, &cooperative(), &node, &roster).is_ok());
}
