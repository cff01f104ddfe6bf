//! What a node gives away and what it keeps: tiles, proofs, exports, its folder.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use talea_protocol::checkpoint::open;
use talea_protocol::entry::Signed;
use talea_protocol::export::{Section, Sections};
use talea_protocol::hash::EntryId;
use talea_protocol::leaf::{accepted, bundled};
use talea_protocol::receipt::Receipt;
use talea_protocol::tile::split_bundle;
use talea_protocol::tree::{Frontier, leaf_hash};

use crate::people::{Author, found};
use crate::site::Site;

/// A node with a cooperative of its own and so many entries besides the charter.
fn alone(folder: &Path, count: usize) -> (Site, Vec<Author>, EntryId, Vec<Signed>) {
    let site = Site::new(folder.join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let mut entries = vec![charter];
    for n in 0..count {
        let entry = authors[n % 2].work(cooperative, 7);
        site.submit(&entry).good();
        entries.push(entry);
    }
    site.wait_settled(&authors[0].key, &cooperative, count + 1);
    (site, authors, cooperative, entries)
}

#[test]
fn tiles_bundles_and_checkpoint_make_one_tree() {
    let folder = tempfile::tempdir().unwrap();
    let (site, authors, cooperative, _) = alone(folder.path(), 300);
    let get = |rest: &str| {
        let path = format!("/v1/cooperatives/{cooperative}/{rest}");
        let answer = site.get_as(&authors[0].key, &path);
        assert_eq!(answer.status, 200, "{rest}");
        answer
    };
    let signed = || {
        let opened = open(&get("checkpoint").body, &cooperative, &site.node, &[]).unwrap();
        opened.checkpoint().clone()
    };
    let checkpoint = signed();
    let full = get("tile/entries/000");
    assert!(full.head.contains("immutable"), "{}", full.head);
    let rest = checkpoint.size - 256;
    let partial = get(&format!("tile/entries/001.p/{rest}"));
    let mut hashes = Vec::new();
    for (bundle, count) in [(&full.body, 256), (&partial.body, rest)] {
        hashes.extend(split_bundle(bundle, count).unwrap().into_iter().map(leaf_hash));
    }
    let mut tree = Frontier::default();
    hashes.iter().for_each(|hash| tree.append(*hash));
    assert_eq!((tree.size(), tree.root()), (checkpoint.size, checkpoint.root));

    let flat: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    assert_eq!(get("tile/0/000").body, flat[..256 * 32]);
    assert_eq!(get("tile/0/000.p/9").body, flat[..9 * 32]);
    assert_eq!(get(&format!("tile/0/001.p/{rest}")).body, flat[256 * 32..]);
    assert_eq!(get("tile/1/000.p/1").body.len(), 32);
    // The log grows by itself once more, when the node says how far all is settled: whoever has asked
    // for a leaf that is there by now asks for the next.
    let (mut size, beyond) = (checkpoint.size, |size| format!("tile/0/001.p/{}", size - 256 + 1));
    let answer = loop {
        let path = format!("/v1/cooperatives/{cooperative}/{}", beyond(size));
        let answer = site.get_as(&authors[0].key, &path);
        match std::mem::replace(&mut size, signed().size) {
            asked if asked == size => break answer,
            asked => assert!(asked < size, "{asked} leaves, then {size}"),
        }
    };
    assert_eq!(answer.code(), "not-found");
}

#[test]
fn every_entry_has_a_receipt_that_proves_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (site, authors, cooperative, entries) = alone(folder.path(), 20);
    for entry in &entries {
        let path = format!("/v1/cooperatives/{cooperative}/proofs/{}", entry.id());
        let text = site.get_as(&authors[1].key, &path);
        let receipt = Receipt::parse(&text.body).unwrap();
        assert_eq!(accepted(&receipt.extra), Some(entry.bytes()));
        receipt.verify(&leaf_hash(&receipt.extra), &cooperative, &site.node, &[]).unwrap();
    }
}

#[test]
fn an_export_holds_the_log_the_payloads_and_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (site, mut authors, cooperative, mut entries) = alone(folder.path(), 20);
    let noted = authors[0].work_with(cooperative, &[7; 32], b"note");
    let body = json!({
        "entry": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, noted.bytes()),
        "payload": { "salt": "07".repeat(32), "bytes": "bm90ZQ==" },
    });
    site.post(&cooperative, &body).good();
    entries.push(noted);
    let path = format!("/v1/cooperatives/{cooperative}/export");
    let export = site.get_as(&authors[0].key, &path);
    let (mut held, mut payloads, mut tree, mut signed) =
        (BTreeSet::new(), 0, Frontier::default(), None);
    for section in Sections::new(&export.body).unwrap() {
        match section.unwrap().1 {
            Section::Leaves { from, bundle } => {
                assert_eq!(from, tree.size());
                for leaf in bundled(&bundle).unwrap() {
                    tree.append(leaf_hash(leaf));
                    held.extend(accepted(leaf).map(<[u8]>::to_vec));
                }
            }
            Section::Checkpoint { log, note } => {
                let opened = open(&note, &cooperative, &log, &[]).unwrap();
                signed = Some((opened.checkpoint().size, opened.checkpoint().root));
            }
            Section::Payload(payload) => {
                assert_eq!(&*payload.bytes, b"note");
                payloads += 1;
            }
            Section::Head { .. } | Section::Mirror { .. } | Section::End { .. } => {}
        }
    }
    assert_eq!(signed, Some((tree.size(), tree.root())));
    assert_eq!(payloads, 1);
    assert!(entries.iter().all(|entry| held.contains(entry.bytes())));
}

#[test]
fn every_described_path_is_answered_and_numbers_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (site, authors, cooperative, entries) = alone(folder.path(), 3);
    let described = site.get("/openapi.json").good();
    for (path, operations) in described["paths"].as_object().unwrap() {
        if operations.get("get").is_none() || path.ends_with("/events") {
            continue;
        }
        let path = path
            .replace("{cooperative}", &cooperative.to_string())
            .replace("{entry}", &entries[1].id().to_string())
            .replace("{device}", "0")
            .replace("{report}", "accounts")
            .replace("{member}", "1")
            .replace("{path}", "entries/000.p/2");
        // Nobody has attached anything here.
        let expected = if path.ends_with("{blake3}") { 404 } else { 200 };
        let path = path.replace("{blake3}", &"00".repeat(32));
        assert_eq!(site.get_as(&authors[0].key, &path).status, expected, "{path}");
    }
    let reports = [
        ["accounts", "members", "contributions", "decisions", "runs", "flows"].as_slice(),
        &["journal", "purses", "resources", "intents", "agreements", "commitments", "partners"],
    ];
    for report in reports.concat() {
        let path = format!("/v1/cooperatives/{cooperative}/state/{report}");
        let shown = site.get_as(&authors[0].key, &path).good();
        assert_eq!(shown["settled"], 4, "{report}");
        assert!(shown[report].is_array() || shown[report].is_object(), "{report}: {shown}");
    }
    let page = format!("/v1/cooperatives/{cooperative}/chains/0?from=1&limit=1");
    let page = site.get_as(&authors[0].key, &page).good();
    assert_eq!((&page["length"], &page["next"]), (&json!(3), &json!(2)), "{page}");
    assert_eq!(page["entries"][0]["seq"], 1);
    let metrics = String::from_utf8(site.get("/metrics").body).unwrap();
    for line in ["talea_entries_placed_total 4", "talea_entries_settled_total 4"] {
        assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    }
}

#[test]
fn what_was_acknowledged_is_there_after_each_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (mut site, mut authors, cooperative, mut entries) = alone(folder.path(), 0);
    for round in 0..5_usize {
        for _ in 0..=round * 7 {
            let entry = authors[1].work(cooperative, 7);
            site.submit(&entry).good();
            entries.push(entry);
        }
        site.kill();
        site.start();
        for entry in &entries {
            let path = format!("/v1/cooperatives/{cooperative}/entries/{}", entry.id());
            assert_eq!(site.get_as(&authors[0].key, &path).good()["settled"], true);
        }
    }
    assert_eq!(site.stop(), Some(0));
}

#[test]
fn a_node_with_an_old_store_signs_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (mut site, mut authors, cooperative, _) = alone(folder.path(), 5);
    assert_eq!(site.stop(), Some(0));
    let (store, backup) = (site.folder().join("store"), folder.path().join("backup"));
    copy(&store, &backup);
    site.start();
    let later = authors[0].work(cooperative, 9);
    site.submit(&later).good();
    assert_eq!(site.stop(), Some(0));
    fs::remove_dir_all(&store).unwrap();
    copy(&backup, &store);

    site.start();
    let ready = site.get("/readyz");
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &json!(false)));
    assert_eq!(site.submit(&authors[1].work(cooperative, 9)).code(), "busy");
    let path = format!("/v1/cooperatives/{cooperative}/checkpoint");
    assert_eq!(site.get_as(&authors[0].key, &path).status, 404, "no old checkpoint as the newest");
    let status = site.control("GET", "/status", &json!(null)).good();
    let reason = status["behind"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("this node has signed"), "{reason}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn secrets_are_their_owners_and_one_folder_is_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    for (file, mode) in [("", 0o700), ("node.key", 0o600), ("control.sock", 0o600)] {
        let found = fs::metadata(site.folder().join(file)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{file}");
    }
    let talead = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_talead"));
        command.args(arguments).arg("--data").arg(site.folder());
        let done = command.output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, words) = talead(&["run", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("in use by another process"), "{words}");
    let (code, words) = talead(&["init"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("exists already"), "{words}");
    fs::write(site.folder().join("config.toml"), "htttp = \"127.0.0.1:1\"\n").unwrap();
    let (code, words) = talead(&["run"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("htttp"), "{words}");
    assert_eq!(talead(&["walk"]).0, Some(2));
}
