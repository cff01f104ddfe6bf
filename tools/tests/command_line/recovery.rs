//! What people type on the day when things go wrong, and should not: each is refused with what to do
//! next, and the wallet's files stay what they were.

use std::path::Path;
use std::process::Command;

use talea_protocol::charter::Member;
use talea_protocol::key::SecretKey;
use talea_protocol::recovery::Call;
use talea_tools::word::{Against, Calling, Leaving};

use crate::founded::{Founded, files};
use crate::program::{PASSPHRASE, talea};

/// Twelve words that belong together, and make no key that anybody has entered.
const WORDS: &str = "abandon abandon abandon abandon abandon abandon \
                     abandon abandon abandon abandon abandon about";

/// Runs it: it must end so, say this, and what to do next, and change nothing.
#[track_caller]
fn assert_refused(wallet: &Path, arguments: &[&str], status: i32, what: &str) {
    let here = files(wallet);
    let said = talea(wallet, &[arguments, &["--yes"]].concat());
    assert_eq!(said.status, Some(status), "{arguments:?}: {said:?}");
    let error = said.err.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(error.contains(what), "{arguments:?}: {error}");
    let next = said.err.lines().find_map(|line| line.strip_prefix("next:  ")).unwrap_or_default();
    assert!(next.len() > 10, "{arguments:?}: {said:?}");
    let now = files(wallet);
    let changed: Vec<_> =
        now.iter().filter(|(path, hash)| here.get(*path) != Some(*hash)).collect();
    // The export is fetched before anything is asked; the witness says when that was looked at.
    let known = |path: &Path| path.ends_with("export.talea") || path.ends_with("witness.json");
    assert!(changed.iter().all(|(path, _)| known(path)), "{arguments:?}: {changed:?}");
}

#[test]
fn what_nobody_asked_for_is_not_ended() {
    let founded = Founded::new();
    let (nadia, bruno) = (founded.wallet("nadia"), founded.wallet("bruno"));
    let coop = founded.cooperative();
    let chloe = founded.keys[2].device();
    let against = |key: &SecretKey| Against::new(coop, chloe, key).render();
    let own = against(&founded.keys[2]);
    let device = chloe.to_string();
    let revoke = ["device", "revoke", &device, "--word", &own];
    assert_refused(&nadia, &revoke, 2, "stands still at 0 nodes, and 1 must say so");
    assert_refused(&nadia, &[&revoke[..], &["--offline"]].concat(), 1, "asked of the nodes");
    assert_refused(&bruno, &["device", "report", &device], 2, "rule 79");
    assert_refused(&bruno, &["device", "disown", &device], 2, "rule 79");
    assert_refused(&bruno, &["device", "report", "bruno"], 1, "the device that you sign with");
    assert_refused(&bruno, &["device", "report", "nobody"], 1, "no device here");
    let leaving = Leaving::new(coop, Member(2), &founded.keys[2]).render();
    assert_refused(&nadia, &["depart", &leaving], 2, "stands still at 0 nodes");
    assert_refused(&nadia, &["depart", &own], 1, "talea:departure:");
    assert_refused(&nadia, &["depart", "talea:departure:AAAA"], 1, "damaged");
    assert_refused(&nadia, &["remove", "chloe"], 2, "rule 28");
    assert_refused(&nadia, &["hand-over", "treasurer", "chloe"], 2, "rule 28");
    assert_refused(&nadia, &["heal", "chloe"], 1, "no node tells of an open fork");
    // Once it is reported, the wrong word still ends nothing.
    let said = talea(&bruno, &["device", "report", &device, "--word", &own, "--yes"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    let stranger = against(&founded.keys[1]);
    let wrong = ["device", "revoke", &device, "--word", &stranger];
    assert_refused(&nadia, &wrong, 2, "rule 79");
    assert_refused(&bruno, &revoke, 2, "rule 16");
    assert_eq!(talea(&nadia, &[&revoke[..], &["--yes"]].concat()).status, Some(0));
    assert_refused(&nadia, &revoke, 1, "has ended already");
}

#[test]
fn a_slip_that_one_made_oneself_approves_nothing() {
    let founded = Founded::new();
    let wallet = founded.wallet("telephone");
    talea(&wallet, &["keys", "new"]).good();
    let id = founded.cooperative().to_string();
    talea(&wallet, &["join", &id, "--node", &founded.node.http]).good();
    let request = talea(&wallet, &["device", "request", "--json", "--yes"]).json();
    let request = request["slip"].as_str().expect("a slip").to_owned();
    assert_refused(&wallet, &["device", "approve", &request], 1, "this device's own");
    assert_refused(&wallet, &["approve", &request], 1, "this device's own");
    let nadia = founded.wallet("nadia");
    let approval =
        talea(&founded.wallet("chloe"), &["device", "approve", &request, "--json", "--yes"]);
    let approval = approval.json()["slip"].as_str().expect("a slip").to_owned();
    // Chloé has approved it: it is hers, and nobody else's.
    let enrol = ["device", "enrol", &request, "--approval", &approval];
    assert_refused(&nadia, &[&enrol[..], &["--member", "bruno"]].concat(), 2, "rule 45");
    assert_refused(&nadia, &["device", "enrol", &request, "--approval", &request], 1, "approval");
    assert_refused(&founded.wallet("chloe"), &enrol, 2, "rule 16");
    assert_eq!(talea(&nadia, &[&enrol[..], &["--yes"]].concat()).status, Some(0));
    assert_refused(&nadia, &enrol, 2, "rule 41");
}

#[test]
fn words_that_are_no_phrase_are_told_from_a_phrase_that_is_not_entered() {
    let founded = Founded::new();
    let (bruno, nadia) = (founded.wallet("bruno"), founded.wallet("nadia"));
    let check = |words: &str| {
        let passphrase = founded.write("passphrase.txt", PASSPHRASE.as_bytes());
        let phrase = founded.write("phrase.txt", words.as_bytes());
        let typed = r#"exec "$0" --wallet "$1" --passphrase-fd 3 phrase check --phrase-fd 4 3< "$2" 4< "$3""#;
        let mut shell = Command::new("bash");
        shell.args(["-c", typed, env!("CARGO_BIN_EXE_talea")]).args([&bruno, &passphrase, &phrase]);
        let done = shell.env("NO_COLOR", "1").output().expect("bash runs");
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (status, said) = check(WORDS);
    assert!(status == Some(1) && said.contains("no phrase is entered for you"), "{said}");
    let made = talea(&bruno, &["phrase", "new", "--json", "--yes"]).json();
    let slip = made["slip"].as_str().expect("a slip");
    talea(&nadia, &["guardians", "enter", slip, "--yes"]).good();
    let (status, said) = check(made["phrase"].as_str().expect("words"));
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = check(WORDS);
    assert!(status == Some(1) && said.contains("another key"), "{said}");
    for (words, wrong) in [
        (WORDS.replacen("abandon", "abandonn", 1), "word 1, `abandonn`"),
        (WORDS.replace("abandon about", "about abandon"), "do not belong together"),
        ("abandon ability".to_owned(), "2 words"),
    ] {
        let (status, said) = check(&words);
        assert!(status == Some(1) && said.contains(wrong), "{said}");
    }
    // The same choice again is as old as the one before; an older one would not be taken.
    let guardians = ["guardians", "set", "--guardian", "chloe", "--threshold", "2"];
    assert_refused(&bruno, &guardians, 2, "rule 80");
    assert_refused(&bruno, &["guardians", "set", "--guardian", "bruno"], 1, "own guardian");
}

#[test]
fn a_registrar_is_not_replaced_by_too_few() {
    let founded = Founded::new();
    let (bruno, chloe) = (founded.wallet("bruno"), founded.wallet("chloe"));
    let call = Call { at: founded.cooperative(), successor: Member(1) };
    let slip = Calling::new(founded.cooperative(), call, &founded.keys[1]).render();
    assert_refused(&bruno, &["succeed", &slip], 2, "rule 83: 1 members call for this, 2 must");
    assert_refused(&chloe, &["succeed", &slip], 2, "not for you");
    assert_refused(&bruno, &["call", "nobody"], 1, "no member is called");
    let other = Call { successor: Member(2), ..call };
    let other = Calling::new(founded.cooperative(), other, &founded.keys[2]).render();
    assert_refused(&bruno, &["succeed", &slip, &other], 1, "different successors");
    let propose = ["propose", "x", "--closes", "2026-01-31", "--appoint"];
    assert_refused(&bruno, &[&propose[..], &["bruno"]].concat(), 1, "appoints nobody");
    assert_refused(&bruno, &[&propose[..], &["cook=bruno"]].concat(), 1, "`cook` is no role");
}
