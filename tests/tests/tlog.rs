//! A tlog client that is not ours reads our tiles and checkpoints and finds them sound.
//!
//! The crates `tlog_tiles` and `signed_note` (Cloudflare's, of Azul) know C2SP tlog-tiles and
//! signed-note, and nothing of Talea. They see what a node serves: paths, bytes, a note.

use std::collections::BTreeMap;

use signed_note::{Note, StandardVerifier, VerifierList};
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::hash::EntryId;
use talea_protocol::key::SecretKey;
use talea_protocol::note::{Algorithm, verifier_key};
use talea_protocol::tile::{TilePath, width};
use talea_protocol::tree::{Tree, leaf_hash};
use tlog_tiles::{
    Error, Hash, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, tree_hash,
};

/// What a node serves: bytes by path.
struct Served {
    files: BTreeMap<String, Vec<u8>>,
}

impl TileReader for Served {
    fn height(&self) -> u8 {
        8
    }

    /// The client names tiles as the Go checksum database does, with their height; C2SP leaves
    /// it out.
    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            self.files.get(&path).cloned().ok_or(Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn leaf(n: u64) -> Vec<u8> {
    format!("leaf {n}").into_bytes()
}

/// A log of `size` leaves as a node serves it, and its signed checkpoint.
fn log(size: u64) -> (Served, Vec<u8>) {
    let mut tree = Tree::default();
    let mut files = BTreeMap::new();
    for n in 0..size {
        tree.append(leaf_hash(&leaf(n)));
        for tile in tree.drain_tiles() {
            let path = TilePath { level: Some(tile.level), index: tile.index, partial: None };
            files.insert(path.to_string(), tile.hashes);
        }
    }
    for level in 0..8 {
        let index = (size >> (8 * u32::from(level))) / 256;
        if let Some(hashes) = tree.tile(level, index) {
            let partial = u8::try_from(width(level, index, size)).unwrap();
            let path = TilePath { level: Some(level), index, partial: Some(partial) };
            files.insert(path.to_string(), hashes.to_vec());
        }
    }
    let checkpoint = Checkpoint { origin: name(), size, root: tree.root() };
    let mut note = checkpoint.sign(&node());
    let witness = SecretKey::from_seed(&[2; 32]);
    note.add(checkpoint.cosign(&witness, 1_767_312_000)).unwrap();
    (Served { files }, note.to_string().into_bytes())
}

fn node() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn name() -> String {
    origin(&EntryId([7; 32]), &node().node())
}

fn known() -> VerifierList {
    let key = verifier_key(&name(), Algorithm::Note, &node().node());
    VerifierList::new(vec![Box::new(StandardVerifier::new(&key).unwrap())])
}

/// What the client believes: the size and the root that the node has signed.
fn opened(note: &[u8]) -> (u64, Hash) {
    let note = Note::from_bytes(note).unwrap();
    let (verified, others) = note.verify(&known()).unwrap();
    assert_eq!((verified.len(), others.len()), (1, 1), "the node's signature, and a cosignature");
    let checkpoint =
        tlog_tiles::Checkpoint::from_reader(&mut [note.text(), b"\n"].concat().as_slice(), false)
            .unwrap();
    assert_eq!(checkpoint.origin(), name());
    assert_eq!(checkpoint.extension(), "");
    (checkpoint.size(), *checkpoint.hash())
}

#[test]
fn another_client_finds_every_leaf_in_our_tiles() {
    for size in [1, 2, 255, 256, 257, 700, 70_000] {
        let (served, note) = log(size);
        let (signed, root) = opened(&note);
        assert_eq!(signed, size);
        let reader = TileHashReader::new(size, root, &served);
        assert_eq!(tree_hash(size, &reader).unwrap(), root);
        for n in (0..size).step_by(usize::try_from(size / 64 + 1).unwrap()).chain([size - 1]) {
            let proof = prove_record(size, n, &reader).unwrap();
            assert!(check_record(&proof, size, root, n, record_hash(&leaf(n))).is_ok());
            assert!(check_record(&proof, size, root, n, record_hash(b"other")).is_err());
        }
    }
}

#[test]
fn another_client_finds_that_our_log_only_grew() {
    let (served, note) = log(700);
    let (_, root) = opened(&note);
    for before in [1, 3, 255, 256, 300, 512, 699] {
        let (_, earlier) = opened(&log(before).1);
        let reader = TileHashReader::new(700, root, &served);
        let proof = prove_tree(700, before, &reader).unwrap();
        assert!(check_tree(&proof, 700, root, before, earlier).is_ok(), "{before}");
        assert!(check_tree(&proof, 700, root, before, record_hash(b"other")).is_err());
    }
}

#[test]
fn another_client_checks_the_proofs_that_we_make() {
    let mut tree = Tree::default();
    let mut tiles = BTreeMap::new();
    for n in 0..700 {
        tree.append(leaf_hash(&leaf(n)));
        for tile in tree.drain_tiles() {
            tiles.insert((tile.level, tile.index), tile.hashes);
        }
    }
    let stored = |level, index| tiles.get(&(level, index)).cloned();
    let theirs = |proof: Vec<talea_protocol::tree::TreeHash>| -> Vec<Hash> {
        proof.into_iter().map(|hash| Hash(hash.0)).collect()
    };
    let root = Hash(tree.root().0);
    for n in 0..700 {
        let proof = theirs(tree.prove_inclusion(n, 700, stored).unwrap());
        assert!(check_record(&proof, 700, root, n, record_hash(&leaf(n))).is_ok(), "{n}");
    }
    for before in 1..700 {
        let (_, earlier) = opened(&log(before).1);
        let proof = theirs(tree.prove_consistency(before, 700, stored).unwrap());
        assert!(check_tree(&proof, 700, root, before, earlier).is_ok(), "{before}");
    }
}

#[test]
fn another_client_refuses_what_was_changed() {
    let (mut served, note) = log(700);
    let (size, root) = opened(&note);
    // Its reader (0.2.0) compares a tile with the one above it only beyond as many tiles as the
    // root has subtrees, so that here it believes tile 0; its check of the proof does not.
    let verdict = |served: &Served| {
        let reader = TileHashReader::new(size, root, served);
        let proof = prove_record(size, 5, &reader).unwrap();
        check_record(&proof, size, root, 5, record_hash(&leaf(5)))
    };
    assert!(verdict(&served).is_ok());
    served.files.get_mut("tile/0/000").unwrap()[0] ^= 1;
    assert!(verdict(&served).is_err());
    served.files.get_mut("tile/0/002.p/188").unwrap()[0] ^= 1;
    assert!(tree_hash(size, &TileHashReader::new(size, root, &served)).is_err());

    let mut forged = note.clone();
    let digit = forged.windows(5).position(|bytes| bytes == b"\n700\n").unwrap() + 3;
    forged[digit] = b'1';
    assert!(Note::from_bytes(&forged).unwrap().verify(&known()).is_err());
}
