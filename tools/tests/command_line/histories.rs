//! A member's history, written out of a real node's log, and proven without any node.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::founded::Founded;
use crate::program::talea;

/// What `talea-verify` makes of a file, without a wallet, a folder of its own or anybody to ask.
fn verified(file: &Path) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talea-verify"));
    command.arg("--json").arg(file).env_clear().stdin(Stdio::null());
    let done = command.output().expect("it was built");
    let said = serde_json::from_slice(&done.stdout).unwrap_or_default();
    (done.status.code(), said)
}

/// The words that lie in a history, beside whichever entry.
fn words(file: &Path) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let history: Value =
        serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("JSON");
    let entries = history["entries"].as_array().expect("entries");
    let payloads = entries.iter().filter_map(|entry| entry["payload"]["bytes"].as_str());
    let bytes = payloads.map(|text| STANDARD.decode(text).expect("base64"));
    bytes.map(|bytes| String::from_utf8(bytes).expect("text")).collect()
}

#[test]
fn a_members_history_is_proven_without_any_node_also_after_its_own_words_are_erased() {
    let mut founded = Founded::by(&["b", "c"], 2);
    let (bruno, chloe) = (founded.wallet("bruno"), founded.wallet("chloe"));
    let on = ["--on", "2026-01-12", "--yes"];
    let work = ["add", "work", "3h", "--for", "marché de la Croix-Rousse"];
    talea(&bruno, &[&work[..], &on].concat()).good();
    let care = ["add", "care", "1h", "--for", "accueil"];
    talea(&bruno, &[&care[..], &on].concat()).good();
    talea(&chloe, &["attest", "bruno/0", "--yes"]).good();
    let export = |name: &str| {
        let file = founded.write(name, b"");
        let out = file.to_str().expect("a path").to_owned();
        talea(&bruno, &["export", "--member", "bruno", "-o", &out]).good();
        file
    };
    let before = export("before.talea");
    assert!(words(&before).contains("Croix-Rousse") && words(&before).contains("accueil"));
    talea(&bruno, &["erase", "bruno/0", "--yes"]).good();
    // Settled is one thing; that the node has carried it out is another.
    let after = loop {
        let after = export("after.talea");
        if !words(&after).contains("Croix-Rousse") {
            break after;
        }
    };
    assert!(words(&after).contains("accueil"), "only what was to go is gone");

    // Nobody is there to be asked any more.
    founded.node.kill();
    founded.others.iter_mut().for_each(crate::nodes::Node::kill);
    for (file, entries) in [(&before, 2), (&after, 3)] {
        let (status, said) = verified(file);
        assert_eq!(status, Some(0), "{said}");
        assert_eq!(said["proven"]["chains"][0][1], entries, "{said}");
        assert_eq!(said["proven"]["words"], 1, "{said}");
    }
    // What is gone cannot be put back by other words.
    let text = std::fs::read_to_string(&before).expect("text");
    let mut history: Value = serde_json::from_str(&text).expect("JSON");
    let entries = history["entries"].as_array_mut().expect("entries");
    let mut payloads: Vec<Value> = entries.iter().map(|entry| entry["payload"].clone()).collect();
    payloads.rotate_right(1);
    for (entry, payload) in entries.iter_mut().zip(payloads) {
        if !payload.is_null() {
            entry["payload"] = payload;
        }
    }
    let other = founded.write("other.talea", history.to_string().as_bytes());
    assert_eq!(verified(&other).0, Some(2));
}
