//! The auditor's program, run: what it prints, and the exit status that it promises.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use talea_tests::handmade::Handmade;
use talea_tools::cheat::{change_byte, drop_entry, sign_twice};

/// A time a little after the handmade checkpoints, in seconds since 1970 UTC.
const NOW: &str = "1767312060";

struct Folder {
    folder: tempfile::TempDir,
    made: Handmade,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), made: Handmade::ordinary() }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("room on the disk");
        path
    }

    /// An honest export.
    fn honest(&self) -> PathBuf {
        self.write("honest.talea", &self.made.export(0))
    }
}

fn run<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_talea-verify")).args(arguments).output().expect("it was built")
}

fn code<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Option<i32> {
    run(arguments).status.code()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn success_is_said_in_one_line_and_each_check_in_one_more() {
    let folder = Folder::new();
    let said = run(&[folder.honest()]);
    let text = text(&said);
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some(
            "VALID  Le Fournil   7 entries  4 members  0 gaps  checkpoint 10 held by 3 of 3 nodes"
        )
    );
    let numbered = lines.filter(|line| line.starts_with("  V")).collect::<Vec<_>>();
    assert_eq!(numbered.len(), 21, "{text}");
    assert_eq!(numbered[0], "  V1  pass    every signature, by a key enrolled at that point");
    assert!(numbered[15].starts_with("  V16 cannot  "), "{}", numbered[15]);
    assert_eq!((said.status.code(), said.stderr.len()), (Some(0), 0));
}

#[test]
fn each_cheat_has_its_exit_status_and_names_the_culprit() {
    let folder = Folder::new();
    let honest = folder.made.export(0);
    let entry = |number: usize| folder.made.entries[number].id().to_string();

    let changed = folder.write("changed.talea", &change_byte(&honest, 3).unwrap());
    let said = run(&[&changed]);
    assert_eq!(said.status.code(), Some(2));
    assert!(text(&said).starts_with("INVALID  Le Fournil"));
    assert!(text(&said).contains("\n  bruno/1 (device 8139770e, entry "), "{}", text(&said));
    assert!(text(&said).contains("rule 9"), "{}", text(&said));

    let dropped = folder.write("dropped.talea", &drop_entry(&honest, 6).unwrap());
    let said = run(&[&dropped]);
    assert_eq!(said.status.code(), Some(3));
    assert!(text(&said).contains("dario/0 "), "{}", text(&said));

    let (twice, second) = sign_twice(&honest, 2, &folder.made.members[1]).unwrap();
    let twice = folder.write("twice.talea", &twice);
    let said = run(&[&twice]);
    assert_eq!(said.status.code(), Some(4));
    let first_finding = text(&said).lines().nth(1).unwrap().to_owned();
    assert!(first_finding.starts_with("  bruno/0 "), "{first_finding}");
    assert!(first_finding.contains(&second.to_string()) && first_finding.contains(&entry(2)));

    let compared = [PathBuf::from("compare"), folder.honest(), twice.clone()];
    assert_eq!(code(&compared), Some(4));
    let silent = run(&[PathBuf::from("-q"), twice]);
    assert_eq!((silent.stdout.len(), silent.status.code()), (0, Some(4)));
}

#[test]
fn a_fork_is_written_out_and_its_proof_stands_without_the_export() {
    let folder = Folder::new();
    let honest = folder.made.export(0);
    let (twice, second) = sign_twice(&honest, 2, &folder.made.members[1]).unwrap();
    let twice = folder.write("twice.talea", &twice);
    let proof = folder.folder.path().join("bruno.talea-fork");
    let word = PathBuf::from;
    let said = run(&[word("fork"), twice.clone(), word("-o"), proof.clone()]);
    assert_eq!(said.status.code(), Some(4));
    assert!(text(&said).starts_with("bruno/0 "), "{}", text(&said));

    let said = run(&[word("fork"), word("--check"), proof.clone()]);
    assert_eq!(said.status.code(), Some(4));
    assert!(text(&said).starts_with("FORKED  device 8139770e"), "{}", text(&said));
    assert!(text(&said).contains(&second.to_string()), "{}", text(&said));
    let (check, other) = (word("--check"), "0".repeat(64));
    let elsewhere = [word("fork"), check, proof.clone(), word("--cooperative"), word(&other)];
    assert_eq!(code(&elsewhere), Some(2));

    let mut forged = std::fs::read(&proof).unwrap();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let forged = folder.write("forged.talea-fork", &forged);
    assert_eq!(code(&[word("fork"), word("--check"), forged]), Some(2));
    let shorter = folder.write("short.talea-fork", &std::fs::read(&proof).unwrap()[..400]);
    assert_eq!(code(&[word("fork"), word("--check"), shorter]), Some(1));
    assert_eq!(code(&[word("fork"), folder.honest(), word("-o"), proof.clone()]), Some(1));
    assert_eq!(code(&[word("fork"), folder.honest()]), Some(0));
    let nowhere = [word("fork"), twice, word("--place"), word("alba/0")];
    assert_eq!(code(&nowhere), Some(1));
}

#[test]
fn what_is_no_export_or_no_command_is_1() {
    let folder = Folder::new();
    assert_eq!(code(&[folder.write("empty", b"")]), Some(1));
    assert_eq!(code(&[folder.folder.path().join("nothing")]), Some(1));
    assert_eq!(code::<&str>(&[]), Some(1));
    assert_eq!(code(&["--no-such-flag"]), Some(1));
    assert_eq!(code(&["--help"]), Some(0));
    let policy = folder.write("policy.toml", b"setled = 7");
    let asked = ["--policy".into(), policy, folder.honest()];
    assert_eq!(code(&asked), Some(1));
}

#[test]
fn a_policy_comes_from_a_file_and_from_flags() {
    let folder = Folder::new();
    let honest = folder.honest();
    let ask = |flags: &[&str]| {
        let mut arguments: Vec<std::ffi::OsString> = flags.iter().map(Into::into).collect();
        arguments.push(honest.clone().into());
        code(&arguments)
    };
    assert_eq!(ask(&["--settled", "7", "--held-by", "3", "--max-age", "60", "--at", NOW]), Some(0));
    assert_eq!(ask(&["--settled", "8"]), Some(3));
    assert_eq!(ask(&["--max-age", "50", "--at", NOW]), Some(3));
    assert_eq!(ask(&["--cooperative", &"0".repeat(64)]), Some(2));
    let policy = folder.write("policy.toml", b"held_by = 4\n");
    assert_eq!(ask(&["--policy", policy.to_str().unwrap()]), Some(3));
    assert_eq!(ask(&["--policy", policy.to_str().unwrap(), "--held-by", "3"]), Some(0));
}

#[test]
fn every_report_is_a_table_csv_and_json() {
    let folder = Folder::new();
    let honest = folder.honest().into_os_string().into_string().unwrap();
    for (report, more) in [
        ("balance", None),
        ("ledger", None),
        ("claims", None),
        ("work", None),
        ("contributions", None),
        ("power", None),
        ("explain", Some("alba/1")),
        ("member", None),
        ("member", Some("bruno")),
        ("decisions", None),
        ("flows", None),
        ("runs", None),
        ("entries", None),
        ("show", Some("alba/1")),
    ] {
        let arguments: Vec<&str> = [report, honest.as_str()].into_iter().chain(more).collect();
        let plain = run(&arguments);
        assert_eq!(plain.status.code(), Some(0), "{report}");
        assert!(!plain.stdout.is_empty(), "{report}");
        assert_eq!(code(&[arguments.as_slice(), &["--csv"]].concat()), Some(0));
        let json = run(&[arguments.as_slice(), &["--json"]].concat());
        let value: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(value["export"]["verdict"], "VALID");
        assert_eq!(value["names"]["1"], "bruno");
    }
    assert_eq!(code(&["member", honest.as_str(), "nobody"]), Some(1));
    assert_eq!(code(&["show", honest.as_str(), "alba/99"]), Some(1));
    let listed = text(&run(&["entries", honest.as_str(), "--csv"]));
    assert_eq!(listed.lines().count(), 8);
    assert!(listed.contains("\nbruno/0,contribution,"), "{listed}");
}

#[test]
fn json_gives_what_an_outside_reader_gives_and_the_reasons() {
    let folder = Folder::new();
    let dropped = folder.write("dropped.talea", &drop_entry(&folder.made.export(1), 2).unwrap());
    let said = run(&[PathBuf::from("--json"), dropped]);
    let value: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((&value["verdict"], &value["status"]), (&"INCOMPLETE".into(), &3.into()));
    assert_eq!(value["root"], folder.made.root(1).to_string());
    let named = value["findings"].as_array().unwrap().iter().any(|it| it["place"] == "bruno/0");
    assert!(named, "{value:#}");
}

/// What a program wants of the system's libraries; `None` where there is no `nm`.
fn imports(program: &str) -> Option<String> {
    let output = Command::new("nm").args(["-D", "--undefined-only", program]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_verifier_links_no_socket_code() {
    let asks = |imports: &str, name: &str| {
        imports.lines().any(|line| {
            line.split_whitespace().last().is_some_and(|it| it.split('@').next() == Some(name))
        })
    };
    let Some(wallet) = imports(env!("CARGO_BIN_EXE_talea")) else {
        return println!("skipped: nm is not here (binutils)");
    };
    assert!(asks(&wallet, "socket"), "the wallet does: so the check can fail");
    let verifier = imports(env!("CARGO_BIN_EXE_talea-verify")).expect("nm reads it");
    for name in ["socket", "connect", "bind", "listen", "accept", "accept4", "sendto", "recvfrom"] {
        assert!(!asks(&verifier, name), "talea-verify imports {name}");
    }
}

#[test]
fn the_verifier_works_where_there_is_no_network() {
    let folder = Folder::new();
    let file = folder.honest();
    let alone = |program: &std::ffi::OsStr| {
        Command::new("unshare").args(["--map-root-user", "--net"]).arg(program).arg(&file).output()
    };
    if !alone("true".as_ref()).is_ok_and(|output| output.status.success()) {
        return println!("skipped: unshare makes no network namespace here");
    }
    let output = alone(env!("CARGO_BIN_EXE_talea-verify").as_ref()).expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
