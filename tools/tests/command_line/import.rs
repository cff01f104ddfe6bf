//! The worked quarter, imported into three nodes: settled, exported by each, verified by another
//! program, and to the cent what the file expects.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use talea_ledger::view;
use talea_protocol::key::SecretKey;
use talea_tools::book::Book;
use talea_tools::figures::{self, Figure};
use talea_tools::scenario::Scenario;
use talea_tools::verify::{self, Policy, Status};

use crate::founded::{files, path};
use crate::nodes::Node;
use crate::program::{Said, talea};

/// The worked quarter.
const QUARTER: &str = include_str!("../../../tests/data/passerelles-q1.json");
/// Its 139 steps, without a vote that is refused, with a departure that the file does not count.
const ENTRIES: u64 = 139;
/// The least number of figures that the file has.
const FIGURES: usize = 400;

fn import(folder: &Path, nodes: &[Node], scenario: &str) -> Said {
    let file = folder.join("scenario.json");
    std::fs::write(&file, scenario).expect("room on the disk");
    let wallets = folder.join("wallets");
    let mut words = vec!["import", path(&file), "--json"];
    words.extend(["--seed", "a test", "--wallets", path(&wallets)]);
    for node in nodes {
        words.extend(["--node", path(node.folder())]);
    }
    talea(&folder.join("nobody"), &words)
}

/// A node's export, audited: its state root, and what it adds up to.
fn audited(folder: &Path, node: &Node) -> (String, Book) {
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
    (root, Book::of(audit).expect("a charter"))
}

/// How the figures of a book compare with the file's.
fn figures(book: &Book) -> Vec<Figure> {
    let scenario = Scenario::parse(QUARTER).expect("a scenario");
    figures::compare(&scenario.expected, book)
}

/// The key that the import makes for a member.
fn key(handle: &str) -> SecretKey {
    let material = format!("a test\n{handle}");
    SecretKey::from_seed(&blake3::derive_key("talea 2026-11 scenario key v1", material.as_bytes()))
}

/// Every report that a node serves, computed here from all entries.
fn reports(book: &Book) -> [(&'static str, Value); 13] {
    let (register, state) = (book.register(), book.state());
    let runs = view::runs::runs(state);
    [
        ("accounts", json!(view::accounts::accounts(register.charter(), state.books()))),
        ("members", json!(view::members::members(register, state))),
        ("contributions", json!(view::contributions::contributions(state))),
        ("decisions", json!(view::decisions::decisions(register, state))),
        ("flows", json!(view::runs::flows(&runs))),
        ("runs", json!(runs)),
        ("journal", json!(view::journal::journal(register, state))),
        ("purses", json!(view::purses::purses(register, state))),
        ("resources", json!(view::plans::resources(state))),
        ("intents", json!(view::plans::intents(state))),
        ("agreements", json!(view::plans::agreements(state))),
        ("commitments", json!(view::plans::commitments(state))),
        ("partners", json!(view::partners::partners(state))),
    ]
}

#[test]
fn the_quarter_is_imported_into_three_nodes_and_every_figure_is_as_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = Node::three(folder.path());
    let made = import(folder.path(), &nodes, QUARTER).json();
    assert_eq!(
        (&made["entries"], &made["counted"], &made["settled_on"]),
        (&ENTRIES.into(), &ENTRIES.into(), &3.into()),
        "{made}"
    );
    // Who has left votes, and a node says no.
    assert_eq!(made["refused"], json!([{ "step": 137, "author": "gael", "rule": 12 }]));
    assert_eq!(made["differing"], json!([]));
    let mut roots = Vec::new();
    for node in &nodes {
        let (root, book) = audited(folder.path(), node);
        let figures = figures(&book);
        assert_eq!(made["figures"], json!(figures.len()));
        assert!(figures.len() > FIGURES, "{} figures only", figures.len());
        let differing: Vec<&Figure> = figures.iter().filter(|figure| !figure.agrees()).collect();
        assert!(differing.is_empty(), "{}: {differing:?}", node.name);
        // What it serves grew with each entry; what is compared with it was folded at once.
        for (name, computed) in reports(&book) {
            let served = node.report(&book.register().cooperative(), &key("alba"), name);
            assert_eq!(served, computed, "{}: {name}", node.name);
        }
        println!("{}: {} figures as expected, state {root}", node.name, figures.len());
        roots.push(root);
    }
    assert!(roots.iter().all(|root| *root == roots[0]), "{roots:?}");

    // The members' wallets go on where the file ends.
    let alba = folder.path().join("wallets/alba");
    talea(&alba, &["fetch"]).good();
    let waiting = talea(&alba, &["outbox", "--json"]).json();
    assert_eq!(waiting.as_array().map(Vec::len), Some(0), "{waiting}");
    let more = ["add", "care", "1h", "--on", "2026-04-21", "--yes", "--json"];
    assert_eq!(talea(&alba, &more).json()[0]["status"], "settled");

    let again = import(folder.path(), &nodes, QUARTER);
    assert_eq!(again.status, Some(1), "keys are never written over: {again:?}");
}

#[test]
fn a_figure_that_differs_by_a_cent_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = QUARTER.find("\"expected\"").expect("figures");
    let (before, after) = QUARTER.split_at(at);
    let other = format!("{before}{}", after.replacen("\"alba\": 50799", "\"alba\": 50800", 1));
    let made = import(folder.path(), &[], &other).json();
    let differing =
        json!([{ "what": "2026-01 alba livelihood", "expected": 50_800, "found": 50_799 }]);
    assert_eq!((&made["settled_on"], &made["differing"]), (&0.into(), &differing));
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
