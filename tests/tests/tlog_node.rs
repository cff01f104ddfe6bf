//! A tlog client that is not ours reads a running node's log over HTTP and finds it sound.
//!
//! As `tlog.rs`, which does it with tiles of many sizes; here the paths, the tiles, the bundles and
//! the checkpoint are those that `talead` serves.

use std::cell::RefCell;
use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use signed_note::{Note, StandardVerifier, VerifierList};
use talea_protocol::checkpoint::origin;
use talea_protocol::hash::EntryId;
use talea_protocol::leaf::{accept, accepted, bundled};
use talea_protocol::note::{Algorithm, verifier_key};
use talea_protocol::tile::{TilePath, width};
use talea_tests::load::load;
use talea_tests::people::secret;
use talea_tests::process::{Talead, proof};
use talea_tests::wire::Wire;
use tlog_tiles::{
    Error, Tile, TileHashReader, TileReader, check_record, prove_record, record_hash, tree_hash,
};

/// What the node serves, asked for as by a member's wallet.
struct Node {
    talead: Talead,
    cooperative: EntryId,
    wire: RefCell<Wire<TcpStream>>,
}

impl Node {
    fn get(&self, path: &str) -> Option<Vec<u8>> {
        let path = format!("/v1/cooperatives/{}/{path}", self.cooperative);
        let headers = proof(&secret(0), &self.talead.node(), &path);
        let answer = self.wire.borrow_mut().ask("GET", &path, &headers, b"").unwrap();
        (answer.status == 200).then_some(answer.body)
    }
}

impl TileReader for Node {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            self.get(&tile.path().replacen("tile/8/", "tile/", 1)).ok_or(Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// A node that keeps a cooperative of 20 members with 600 entries: more than two tiles.
fn node(folder: &std::path::Path) -> (Node, Vec<Vec<u8>>) {
    let talead = Talead::new(folder.join("node"));
    let entries = load(20, 600, &[talead.node()], 1);
    let cooperative = entries[0].id();
    let base64 = |n: usize| STANDARD.encode(entries[n].bytes());
    let body = json!({ "cooperative": cooperative, "charter": base64(0) }).to_string();
    let mut control = Wire::unix(&talead.folder().join("control.sock")).unwrap();
    assert_eq!(control.ask("POST", "/host", "", body.as_bytes()).unwrap().status, 200);
    let mut wire = Wire::tcp(talead.http()).unwrap();
    for n in 1..entries.len() {
        let path = format!("/v1/cooperatives/{cooperative}/entries");
        let body = json!({ "entry": base64(n), "payload": null }).to_string();
        assert_eq!(wire.ask("POST", &path, "", body.as_bytes()).unwrap().status, 200, "{n}");
    }
    let leaves = entries.iter().map(|entry| accept(entry)).collect();
    (Node { talead, cooperative, wire: RefCell::new(wire) }, leaves)
}

#[test]
fn another_client_reads_a_running_nodes_log() {
    let folder = tempfile::tempdir().unwrap();
    let (node, entries) = node(folder.path());
    let name = origin(&node.cooperative, &node.talead.node());
    let key = verifier_key(&name, Algorithm::Note, &node.talead.node());
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&key).unwrap())]);
    let note = Note::from_bytes(&node.get("checkpoint").unwrap()).unwrap();
    assert_eq!(note.verify(&known).unwrap().0.len(), 1, "the node's signature");
    let text = [note.text(), b"\n"].concat();
    let checkpoint = tlog_tiles::Checkpoint::from_reader(&mut text.as_slice(), false).unwrap();
    let (size, root) = (checkpoint.size(), *checkpoint.hash());
    assert!(size >= 601, "all entries are under the checkpoint: {size}");
    let reader = TileHashReader::new(size, root, &node);
    assert_eq!(tree_hash(size, &reader).unwrap(), root);

    let mut leaves: Vec<Vec<u8>> = Vec::new();
    for index in 0..size.div_ceil(256) {
        let partial = u8::try_from(width(0, index, size)).ok();
        let bundle = node.get(&TilePath { level: None, index, partial }.to_string()).unwrap();
        leaves.extend(bundled(&bundle).unwrap().into_iter().map(<[u8]>::to_vec));
    }
    assert_eq!(u64::try_from(leaves.len()).unwrap(), size);
    let kept: Vec<&Vec<u8>> = leaves.iter().filter(|leaf| accepted(leaf).is_some()).collect();
    assert_eq!(kept, entries.iter().collect::<Vec<_>>(), "in the order of arrival");
    for (n, leaf) in (0..).zip(&leaves).step_by(7) {
        let proof = prove_record(size, n, &reader).unwrap();
        assert!(check_record(&proof, size, root, n, record_hash(leaf)).is_ok(), "{n}");
        assert!(check_record(&proof, size, root, n, record_hash(b"other")).is_err());
    }
}
