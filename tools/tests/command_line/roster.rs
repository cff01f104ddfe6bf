//! A node is replaced: decided by members, written down by the registrar, carried out by processes
//! over QUIC, and shown to an auditor by a file.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::founded::{Founded, path};
use crate::nodes::Node;
use crate::program::talea;

/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until the node says so of the cooperative.
fn until(founded: &Founded, node: &Node, what: &str, holds: impl Fn(&Value) -> bool) {
    let begun = Instant::now();
    loop {
        let said = node.whole(&founded.cooperative(), &founded.keys[0]);
        if said.as_ref().is_some_and(&holds) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "node {}: {what}: {said:?}", node.name);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What `talea-verify` concludes of a file, in JSON.
fn verified(file: &Path) -> Value {
    let mut verify = Command::new(env!("CARGO_BIN_EXE_talea-verify"));
    let done = verify.arg("--json").arg(file).output().expect("it was built");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn a_node_is_replaced_and_an_auditor_sees_that_the_old_roster_has_settled_it() {
    let founded = Founded::by(&["b", "c"], 2);
    let new = founded.node("d");
    let (nadia, bruno) = (founded.wallet("nadia"), founded.wallet("bruno"));
    talea(&bruno, &["add", "care", "1h", "--on", "2026-01-05", "--yes"]).good();
    let keys = [&founded.node.key, &founded.others[0].key, &new.key].map(String::as_str).join(",");
    let propose = ["propose", "another node", "--closes", "2026-01-31", "--headcount"];
    let proposed = [&propose[..], &["--roster", &keys, "--yes", "--json"]].concat();
    let proposal = talea(&bruno, &proposed).json()["id"].as_str().expect("an id").to_owned();
    for member in ["nadia", "bruno", "chloe"] {
        let wallet = founded.wallet(member);
        talea(&wallet, &["fetch"]).good();
        talea(&wallet, &["vote", &proposal[..16], "yes", "--yes"]).good();
    }
    talea(&nadia, &["fetch"]).good();
    talea(&nadia, &["decide", &proposal[..16], "--yes"]).good();
    founded.host(&new, false);
    talea(&nadia, &["fetch"]).good();
    let shown = talea(&nadia, &["reform", "--yes"]).good();
    assert!(shown.out.contains("a roster of 3 nodes"), "{}{}", shown.out, shown.err);

    let gives = |said: &Value| said["turn"]["is"] == "gives" && said["rosters"] == 2;
    for node in [&founded.node, &founded.others[0], &new] {
        until(&founded, node, "gives places", gives);
    }
    let left_out = &founded.others[1];
    until(&founded, left_out, "is closed", |said| said["turn"]["is"] == "closed");
    talea(&bruno, &["add", "care", "2h", "--on", "2026-01-06", "--yes"]).good();
    let before = founded.node.overview(&founded.cooperative(), &founded.keys[0]);
    let settled = before["entries"].as_u64();
    until(&founded, &new, "has all settled", |said| said["settled"].as_u64() >= settled);

    let file = founded.write("new.talea", b"");
    let from = ["export", "--from", &new.key[..16], "--output", path(&file)];
    let id = founded.cooperative().to_string();
    let address = format!("http://{}", new.http);
    talea(&nadia, &["join", &id, "--name", "fournil", "--node", &address]).good();
    talea(&nadia, &from).good();
    let said = verified(&file);
    assert_eq!(said["verdict"], "VALID", "{said}");
    assert_eq!((said["nodes"].as_u64(), said["quorum"].as_u64()), (Some(3), Some(2)), "{said}");
}
