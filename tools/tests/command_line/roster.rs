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
/// Between two questions to a node.
const POLL: Duration = Duration::from_millis(50);

/// Waits until the node says so of the cooperative.
#[track_caller]
fn until(founded: &Founded, node: &Node, what: &str, holds: impl Fn(&Value) -> bool) {
    let begun = Instant::now();
    loop {
        let said = node.whole(&founded.cooperative(), &founded.keys[0]);
        if said.as_ref().is_some_and(&holds) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "node {}: {what}: {said:?}", node.name);
        std::thread::sleep(POLL);
    }
}

/// Waits until a node has settled all that another one holds.
#[track_caller]
fn settled(founded: &Founded, node: &Node, like: &Node) {
    let there = like.overview(&founded.cooperative(), &founded.keys[0])["entries"].as_u64();
    until(founded, node, "has all settled", |said| said["settled"].as_u64() >= there);
}

/// What `talea-verify` concludes of a file, in JSON.
fn verified(file: &Path) -> Value {
    let mut verify = Command::new(env!("CARGO_BIN_EXE_talea-verify"));
    let done = verify.arg("--json").arg(file).output().expect("it was built");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// A wallet names these nodes anew.
fn know(founded: &Founded, wallet: &Path, nodes: &[&Node]) {
    let id = founded.cooperative().to_string();
    let addresses: Vec<String> = nodes.iter().map(|node| format!("http://{}", node.http)).collect();
    let mut join = vec!["join", id.as_str()];
    join.extend(addresses.iter().flat_map(|address| ["--node", address.as_str()]));
    talea(wallet, &join).good();
}

#[test]
fn a_node_is_replaced_and_an_auditor_counts_each_leaf_for_its_roster() {
    let mut founded = Founded::by(&["b", "c"], 2);
    let new = founded.node("d");
    let (nadia, bruno) = (founded.wallet("nadia"), founded.wallet("bruno"));
    talea(&bruno, &["add", "care", "1h", "--on", "2026-01-05", "--yes"]).good();
    let keys = format!("{},{},{}", &founded.node.key[..8], founded.others[0].key, new.key);
    founded.decide("another node", &["--roster", &keys]);

    // One entry is in the hands of the first node alone, which misses the change.
    founded.others.iter_mut().for_each(Node::kill);
    let flight = talea(&bruno, &["add", "care", "2h", "--on", "2026-01-06", "--yes", "--json"]);
    let flight = flight.json()[0].clone();
    assert_eq!((flight["status"].as_str(), flight["receipts"].as_u64()), (Some("sent"), Some(1)));
    founded.node.kill();
    founded.others.iter_mut().for_each(Node::start);

    // Nobody signs before the new node is known, and is there.
    let (first, stays, leaves) = (&founded.node, &founded.others[0], &founded.others[1]);
    let (error, next) = talea(&nadia, &["reform", "--yes"]).refused(3);
    assert!(error.contains("1 of the 3 nodes are there"), "{error}");
    assert!(next.contains("`talea join ID --node ADDRESS"), "{next}");
    know(&founded, &nadia, &[leaves, stays, &new]);
    let (_, next) = talea(&nadia, &["reform", "--yes"]).refused(3);
    assert!(next.contains("`talea node host "), "{next}");
    founded.host(&new);
    let shown = talea(&nadia, &["reform", "--yes"]).good();
    assert!(shown.err.contains("a roster of 3 nodes, of which 2 settle"), "{shown:?}");
    for (node, row) in [(&new, "new node"), (first, "stays"), (leaves, "left out")] {
        let told = shown.err.lines().find(|line| line.contains(&node.key)).unwrap_or_default();
        assert!(told.contains(row), "{shown:?}");
    }

    founded.node.start();
    let (first, stays, leaves) = (&founded.node, &founded.others[0], &founded.others[1]);
    let gives = |said: &Value| said["turn"]["is"] == "gives" && said["rosters"] == 2;
    for node in [first, stays, &new] {
        until(&founded, node, "gives places", gives);
    }
    until(&founded, leaves, "is closed", |said| said["turn"]["is"] == "closed");
    settled(&founded, &new, first);
    know(&founded, &nadia, &[leaves, first, stays, &new]);
    // An export shows what checkpoints are cosigned for, a moment after it has settled.
    let (id, begun) = (flight["id"].as_str().expect("an id"), Instant::now());
    let shown = loop {
        talea(&nadia, &["fetch"]).good();
        let shown = talea(&nadia, &["show", id, "--json"]);
        if shown.status == Some(0) {
            break shown.json();
        }
        assert!(begun.elapsed() < PATIENCE, "{shown:?}");
    };
    assert_eq!(shown["verdict"], "counts");

    // A member that knows only the old nodes, the closed one first, gets its entry placed.
    know(&founded, &bruno, &[leaves, first, stays]);
    let sent = talea(&bruno, &["add", "care", "3h", "--on", "2026-01-07", "--yes", "--json"]);
    assert_eq!(sent.json()[0]["status"], "settled");
    // One that knows only the closed one is told whom to ask.
    let chloe = founded.wallet("chloe");
    know(&founded, &chloe, &[leaves]);
    let alone = talea(&chloe, &["add", "care", "4h", "--on", "2026-01-07", "--yes"]);
    assert!(alone.err.contains("this node is not of the roster"), "{alone:?}");
    assert!(alone.err.contains("talea invite"), "{alone:?}");
    let invite = talea(&nadia, &["invite", "--json"]).json()["slip"].clone();
    let joined = talea(&chloe, &["join", invite.as_str().expect("a slip"), "--json"]).json();
    assert_eq!(joined["nodes"].as_array().map(Vec::len), Some(3), "{joined}");
    assert_eq!(talea(&chloe, &["send", "--json"]).json()[0]["status"], "settled");
    settled(&founded, &new, first);

    let file = founded.write("new.talea", b"");
    talea(&nadia, &["export", "--from", &new.key[..16], "--output", path(&file)]).good();
    let said = verified(&file);
    assert_eq!(said["verdict"], "VALID", "{said}");
    assert_eq!((said["nodes"].as_u64(), said["quorum"].as_u64()), (Some(3), Some(2)), "{said}");
    assert_eq!(
        said["entries"].as_u64(),
        new.overview(&founded.cooperative(), &founded.keys[0])["settled"].as_u64()
    );
}
