//! A reader that shares no code with us, in Python, comes to the same conclusions.
//!
//! `tests/reader/read_export.py` was written from the protocol's README. It runs under the
//! interpreter that `TALEA_PYTHON` names, else `python3`; where that lacks the packages of
//! `tests/reader/requirements.txt`, the test is skipped and says so.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use talea_protocol::export::{Section, Sections, Writer};
use talea_protocol::leaf::accept;
use talea_tests::handmade::Handmade;
use talea_tools::cheat::{change_byte, drop_entry, sign_twice};
use talea_tools::verify::{Policy, audit};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reader/read_export.py");

/// The interpreter, if it has what the script needs.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("TALEA_PYTHON").unwrap_or_else(|| "python3".into());
    let asked = Command::new(&python).args(["-c", "import blake3, cryptography"]).output();
    let able = asked.is_ok_and(|output| output.status.success());
    if !able {
        println!("skipped: {} lacks blake3 or cryptography", python.display());
    }
    able.then(|| python.into())
}

/// What both say of a file: verdict, status, entries, settled, size, root.
fn agree(python: &Path, folder: &Path, name: &str, file: &[u8]) -> String {
    let path = folder.join("export.talea");
    std::fs::write(&path, file).unwrap();
    let output = Command::new(python).arg(SCRIPT).arg(&path).output().unwrap();
    let ours = audit(file, &Policy::default(), 0);
    let Ok(ours) = ours else {
        assert_eq!(output.status.code(), Some(1), "{name}");
        return "no export".to_owned();
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let theirs: Value = serde_json::from_slice(&output.stdout).expect(&said);
    let ours = serde_json::to_value(ours.summary()).unwrap();
    for key in ["verdict", "status", "entries", "settled", "size", "root"] {
        assert_eq!(theirs[key], ours[key], "{key} of {name}: {theirs} {ours}");
    }
    assert_eq!(output.status.code().map(i64::from), theirs["status"].as_i64());
    theirs["verdict"].as_str().unwrap().to_owned()
}

#[test]
fn an_outside_reader_comes_to_the_same_verdict_count_and_root() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let says = |name: &str, file: &[u8]| agree(&python, folder.path(), name, file);
    let made = Handmade::ordinary();
    for node in 0..3 {
        let file = made.export(node);
        assert_eq!(says("an honest export", &file), "VALID");
        for entry in 0..7 {
            let changed = change_byte(&file, entry).unwrap();
            assert_eq!(says("a changed byte", &changed), "INVALID");
            let dropped = drop_entry(&file, entry).unwrap();
            assert_eq!(says("a dropped entry", &dropped), "INCOMPLETE");
        }
        let (twice, _) = sign_twice(&file, 2, &made.members[1]).unwrap();
        assert_eq!(says("a place signed twice", &twice), "FORKED");
    }
    let file = made.export(0);
    for at in (0..file.len()).step_by(file.len() / 12) {
        says("a cut file", &file[..at]);
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert_ne!(says("a damaged file", &changed), "VALID");
    }
}

#[test]
fn an_outside_reader_counts_the_receipts_that_a_log_shows() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let says = |name: &str, file: &[u8]| agree(&python, folder.path(), name, file);
    let made = || {
        let mut made = Handmade::ordinary();
        let work = made.work(1, 45);
        made.place(&work, &[0]);
        (made, work)
    };
    let (alone, work) = made();
    assert_eq!(says("one receipt of two", &alone.export(0)), "INCOMPLETE");
    for extra in [Vec::new(), accept(&work)] {
        let (mut made, work) = made();
        made.show(0, 2, &work, extra);
        assert_eq!(says("and one that is shown", &made.export(0)), "VALID");
    }
    let (mut made, work) = made();
    let other = made.entries[1].clone();
    made.show(0, 2, &work, accept(&other));
    assert_eq!(says("shown with another entry's leaf", &made.export(0)), "INCOMPLETE");
    let shown = made.logs[0].pop().unwrap();
    for at in [40, shown.len() - 200] {
        let mut bent = shown.clone();
        bent[at] ^= 1;
        made.logs[0].push(bent);
        assert_eq!(says("of another node, or bent", &made.export(0)), "INCOMPLETE");
        made.logs[0].pop();
    }
}

#[test]
fn an_outside_reader_misses_what_is_missing() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = Handmade::ordinary().export(2);
    let sections: Vec<Section> =
        Sections::new(&file).unwrap().map(|section| section.unwrap().1).collect();
    for left_out in 1..sections.len() {
        let Section::Head { cooperative, node, time } = sections[0] else { panic!("no head") };
        let (mut writer, mut short) = Writer::begin(cooperative, node, time);
        for (number, section) in sections.iter().enumerate().skip(1) {
            if number != left_out {
                short.extend(writer.frame(section));
            }
        }
        short.extend(writer.end());
        agree(&python, folder.path(), &format!("an export without section {left_out}"), &short);
    }
}
