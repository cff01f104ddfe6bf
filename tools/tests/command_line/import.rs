//! The worked quarter's first month, imported into three nodes: settled, exported by each, verified
//! by another program, and to the cent what the file expects.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use talea_protocol::act::{Act, Content};
use talea_protocol::hash::EntryId;
use talea_tools::amount::month;
use talea_tools::book::Book;
use talea_tools::figures::{self, Figure};
use talea_tools::scenario::Scenario;
use talea_tools::verify::{self, Policy, Status};

use crate::founded::{files, path};
use crate::nodes::Node;
use crate::program::{Said, talea};

/// The worked quarter.
const QUARTER: &str = include_str!("../../../tests/data/passerelles-q1.json");
/// Its month, and the last step of it.
const MONTH: &str = "2026-01";
const LAST_STEP: &str = "53";
const ENTRIES: u64 = 53;

fn import(folder: &Path, nodes: &[Node], scenario: &str) -> Said {
    let file = folder.join("scenario.json");
    std::fs::write(&file, scenario).expect("room on the disk");
    let wallets = folder.join("wallets");
    let mut words = vec!["import", path(&file), "--until", LAST_STEP, "--json"];
    words.extend(["--seed", "a test", "--wallets", path(&wallets)]);
    for node in nodes {
        words.extend(["--node", path(node.folder())]);
    }
    talea(&folder.join("nobody"), &words)
}

/// The entries that the file's proposals have become: each says its name in its words.
fn proposals(book: &Book) -> BTreeMap<String, EntryId> {
    let proposes = |content: &Content| matches!(content, Content::Known(Act::Propose(_)));
    let all = book.entries().filter(|entry| proposes(entry.content()));
    let named = all.filter_map(|entry| {
        let (name, _) = book.note(&entry.id())?.split_once(':')?;
        Some((name.to_owned(), entry.id()))
    });
    named.collect()
}

/// A node's export, audited: its state root, and how its figures compare with the file's.
fn figures(folder: &Path, node: &Node) -> (String, Vec<Figure>) {
    let file = folder.join(format!("{}.talea", node.name));
    let alba = folder.join("wallets/alba");
    talea(&alba, &["export", "-o", path(&file), "--from", &node.http]).good();
    let verdict = Command::new(env!("CARGO_BIN_EXE_talea-verify")).arg(&file).output();
    let verdict = verdict.expect("talea-verify runs");
    assert_eq!(verdict.status.code(), Some(0), "{verdict:?}");
    let audit = verify::audit(&std::fs::read(&file).expect("it is there"), &Policy::default(), 0);
    let audit = audit.expect("an export");
    assert_eq!(audit.status, Status::Valid, "{:?}", audit.found);
    let root = audit.sum.as_ref().map(|sum| sum.root.to_string()).expect("a charter");
    let book = Book::of(audit).expect("a charter");
    let scenario = Scenario::parse(QUARTER).expect("a scenario");
    let (period, proposals) = (month(MONTH).expect("a month"), proposals(&book));
    assert_eq!(proposals.len(), 1, "{proposals:?}");
    let shares = scenario.shares();
    (root, figures::compare(&scenario.expected, &book, period, &proposals, &shares))
}

#[test]
fn january_is_imported_into_three_nodes_and_every_figure_is_as_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = Node::three(folder.path());
    let made = import(folder.path(), &nodes, QUARTER).json();
    assert_eq!(
        (&made["entries"], &made["counted"], &made["settled_on"]),
        (&ENTRIES.into(), &ENTRIES.into(), &3.into()),
        "{made}"
    );
    let mut roots = Vec::new();
    for node in &nodes {
        let (root, figures) = figures(folder.path(), node);
        assert!(figures.len() > 100, "{} figures only", figures.len());
        let differing: Vec<&Figure> = figures.iter().filter(|figure| !figure.agrees()).collect();
        assert!(differing.is_empty(), "{}: {differing:?}", node.name);
        roots.push(root);
    }
    assert!(roots.iter().all(|root| *root == roots[0]), "{roots:?}");

    // The members' wallets go on where the file ends.
    let alba = folder.path().join("wallets/alba");
    talea(&alba, &["fetch"]).good();
    let waiting = talea(&alba, &["outbox", "--json"]).json();
    assert_eq!(waiting.as_array().map(Vec::len), Some(0), "{waiting}");
    let more = ["add", "care", "1h", "--on", "2026-02-01", "--yes", "--json"];
    assert_eq!(talea(&alba, &more).json()[0]["status"], "settled");

    let again = import(folder.path(), &nodes, QUARTER);
    assert_eq!(again.status, Some(1), "keys are never written over: {again:?}");
}

#[test]
fn a_scenario_with_an_amount_of_zero_names_the_step_and_the_rule_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = [Node::in_folder(folder.path(), "a")];
    let broken = QUARTER.replacen("\"amount\": 3600", "\"amount\": 0", 1);
    let said = import(folder.path(), &nodes, &broken);
    assert_eq!(said.status, Some(2), "{said:?}");
    assert!(said.err.contains("step 24 (expense, 2026-01-15): rule 6: "), "{said:?}");
    assert!(files(&folder.path().join("wallets")).is_empty());
    let status = talea(&folder.path().join("nobody"), &node_status(&nodes[0])).json();
    assert_eq!(status["cooperatives"].as_array().map(Vec::len), Some(0), "{status}");
}

fn node_status(node: &Node) -> [&str; 5] {
    ["node", "status", "--data", path(node.folder()), "--json"]
}
