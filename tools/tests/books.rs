//! Other people's programs read what `talea-verify books` writes, and find the same figures.
//!
//! `tests/reader/check_books.py` asks hledger, beancount and the rules of the formats. It runs under
//! the interpreter that `TALEA_PYTHON` names, else `python3`; what is not installed is skipped, and
//! the test says so.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use talea_protocol::act::{Act, Expense};
use talea_protocol::bytes::{Code, Quantity};
use talea_protocol::charter::Member;
use talea_tests::quarter;
use talea_tools::amount;
use talea_tools::books::{Books, beancount, fec, hledger, parquet, sankey};
use talea_tools::credential;
use talea_tools::lang::Lang;
use talea_tools::verify::{Audit, Policy, Status, audit};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/reader/check_books.py");
const FEC: &str = include_str!("../../tests/data/passerelles-q1-fec.txt");
const SANKEY: &str = include_str!("../../tests/data/passerelles-q1-sankey.csv");

/// The interpreter, if it has what a form needs.
fn python(needs: &str) -> Option<PathBuf> {
    let python = std::env::var_os("TALEA_PYTHON").unwrap_or_else(|| "python3".into());
    let asked = Command::new(&python).args(["-c", needs]).output();
    let able = asked.is_ok_and(|output| output.status.success());
    if !able {
        println!("skipped: {} cannot run `{needs}`", python.display());
    }
    able.then(|| python.into())
}

/// What the outside program says of a file, or why it refuses it.
fn asked(python: &Path, form: &str, text: &[u8]) -> Result<Value, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("books.{form}"));
    std::fs::write(&path, text).unwrap();
    let output = Command::new(python).arg(SCRIPT).arg(form).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(said)
    }
}

fn read(file: &[u8]) -> Audit {
    let read = audit(file, &Policy::default(), 0).unwrap();
    assert_eq!(read.status, Status::Valid, "{:?}", read.found);
    read
}

fn january() -> Audit {
    read(&quarter::played(quarter::JANUARY).export(0))
}

/// The quarter up to the closing of March, as the expected files have it.
fn whole() -> Audit {
    read(&quarter::played(quarter::CLOSED).export(0))
}

/// Expected balances: what the file's journal posts, by account and party.
fn expected() -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for row in rows(u32::MAX) {
        let account = format!("{}|{}", row[4], row[6]);
        let cents = |text: &str| text.replace(',', "").parse::<i64>().unwrap();
        *sums.entry(account).or_insert(0) += cents(&row[11]) - cents(&row[12]);
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// The rows of the expected FEC up to a number.
fn rows(until: u32) -> Vec<Vec<String>> {
    let rows = FEC.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect());
    rows.filter(|row: &Vec<String>| row[2].parse::<u32>().unwrap() <= until).collect()
}

/// What a program said, as the accounts and parties of the expected file, in cents.
fn balances(said: &Value, name: impl Fn(&str) -> Option<String>) -> BTreeMap<String, i64> {
    let cents = |text: &str| -> i64 {
        let (whole, part) = text.split_once('.').unwrap_or((text, "00"));
        format!("{whole}{part:0<2}").parse().unwrap()
    };
    let all = said["balances"].as_object().unwrap().iter();
    all.filter_map(|(key, value)| Some((name(key)?, cents(value.as_str().unwrap())))).collect()
}

#[test]
fn hledger_accepts_the_journal_and_finds_the_quarters_balances_and_claims() {
    let Some(python) = python("import shutil, sys; sys.exit(not shutil.which('hledger'))") else {
        return;
    };
    let audit = whole();
    let text = hledger(&Books::new(&audit).unwrap(), Lang::Fr);
    let said = asked(&python, "hledger", text.as_bytes()).expect("it is accepted");
    let money = |key: &str| {
        let mut parts = key.strip_suffix(" EUR")?.split(':').skip(1);
        let code = parts.next()?;
        Some(format!("{code}|{}", parts.next().unwrap_or_default().to_uppercase()))
    };
    assert_eq!(balances(&said, money), expected());
    let members = &quarter::expected()["members"];
    for (unit, claim) in [("LIV", "livelihood_claim"), ("LOV", "love_claim")] {
        for (who, sums) in members.as_object().unwrap() {
            let key = format!("memo:{}:{who} {unit}", unit.to_lowercase());
            let found = balances(&said, |name| (name == key).then(|| key.clone()));
            let wanted = -sums[claim].as_i64().unwrap();
            assert_eq!(found.get(&key).copied().unwrap_or(0), wanted, "{key}");
        }
    }
    let broken = text.replacen("EUR 36.00", "EUR 36.01", 1);
    assert!(asked(&python, "hledger", broken.as_bytes()).unwrap_err().contains("balance"));
    let unknown = text.replacen("account assets:512000\n", "", 1);
    assert!(asked(&python, "hledger", unknown.as_bytes()).unwrap_err().contains("assets:512000"));
}

#[test]
fn beancount_accepts_the_books_and_finds_the_quarters_balances() {
    let Some(python) = python("import beancount") else { return };
    let audit = whole();
    let text = beancount(&Books::new(&audit).unwrap(), Lang::En);
    let said = asked(&python, "beancount", text.as_bytes()).expect("it is accepted");
    let money = |key: &str| {
        let mut parts = key.strip_suffix(" EUR")?.split(':').skip(1);
        let code = parts.next()?.strip_prefix('A')?;
        Some(format!("{code}|{}", parts.next().unwrap_or_default().to_uppercase()))
    };
    assert_eq!(balances(&said, money), expected());
    let broken = text.replacen("36.00", "36.01", 1);
    assert!(asked(&python, "beancount", broken.as_bytes()).unwrap_err().contains("balance"));
}

#[test]
fn the_fec_has_the_expected_rows_with_the_expected_numbers() {
    let Some(python) = python("import csv") else { return };
    let audit = january();
    let (text, left) = fec(&Books::new(&audit).unwrap()).unwrap();
    assert_eq!(left, 2, "a transfer and the payment of February, which is open");
    let said = asked(&python, "fec", text.as_bytes()).expect("it is accepted");
    let wanted: Vec<Value> = rows(15)
        .iter()
        .map(|r| {
            let number: u32 = r[2].parse().unwrap();
            serde_json::json!([number, r[3], r[0], r[4], r[6], r[11], r[12]])
        })
        .collect();
    assert_eq!(said["rows"].as_array().unwrap(), &wanted);
    for (from, to, why) in [
        ("\t3\t20260102", "\t4\t20260102", "EcritureNum"),
        ("36,00", "36.00", "Debit"),
        ("36,00", "37,00", "unequal"),
        ("20260115", "15/01/26", "EcritureDate"),
    ] {
        let broken = text.replacen(from, to, 1);
        assert!(asked(&python, "fec", broken.as_bytes()).unwrap_err().contains(why), "{why}");
    }
}

#[test]
fn the_quarters_fec_is_the_expected_one_row_by_row() {
    let Some(python) = python("import csv") else { return };
    let audit = whole();
    let (text, left) = fec(&Books::new(&audit).unwrap()).unwrap();
    let said = asked(&python, "fec", text.as_bytes()).expect("it is accepted");
    let shown = |it: &Value| {
        it.as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let given: Vec<String> = said["rows"].as_array().unwrap().iter().map(shown).collect();
    let wanted: Vec<String> = rows(u32::MAX)
        .iter()
        .map(|r| {
            shown(&serde_json::json!([
                r[2].parse::<u32>().unwrap(),
                r[3],
                r[0],
                r[4],
                r[6],
                r[11],
                r[12]
            ]))
        })
        .collect();
    assert_eq!((given, left), (wanted, 0));
}

#[test]
fn what_was_allocated_is_in_the_reserves() {
    let Some(python) = python("import beancount") else { return };
    let audit = read(&quarter::played(quarter::LAST).export(2));
    let books = Books::new(&audit).unwrap();
    let said = asked(&python, "beancount", beancount(&books, Lang::Fr).as_bytes()).unwrap();
    let expected = &quarter::expected()["allocation"];
    for (account, part) in
        [("106100", "legal_reserve"), ("106300", "statutory_reserve"), ("106800", "other_reserves")]
    {
        let key = format!("Equity:A{account} EUR");
        let found = balances(&said, |name| (name == key).then(|| key.clone()));
        assert_eq!(found[&key], -expected[part].as_i64().unwrap(), "{part}");
    }
}

#[test]
fn the_flows_conserve_value_at_every_node() {
    let Some(python) = python("import csv") else { return };
    let audit = whole();
    let text = sankey(&Books::new(&audit).unwrap(), Lang::En);
    let said = asked(&python, "sankey", text.as_bytes()).expect("it is conserved");
    let name = |text: &str| match text {
        "Agence Boreale" => "boreale".to_owned(),
        "Editions du Grillon" => "grillon".to_owned(),
        "ONG Semences" => "semences".to_owned(),
        "Passerelles" => "Collectif Passerelles".to_owned(),
        other => other.to_lowercase(),
    };
    let wanted: BTreeSet<[String; 3]> = SANKEY
        .lines()
        .skip(1)
        .map(|line| {
            let parts: Vec<&str> = line.split(',').collect();
            [name(parts[0]), name(parts[1]), parts[2].to_owned()]
        })
        .collect();
    let given: BTreeSet<[String; 3]> = serde_json::from_value(said["rows"].clone()).unwrap();
    assert_eq!(given, wanted);
    let broken = text.replacen("2160.00", "2160.01", 1);
    assert!(asked(&python, "sankey", broken.as_bytes()).unwrap_err().contains("conserved"));
}

#[test]
fn every_nodes_export_gives_the_same_books() {
    let made = quarter::played(quarter::LAST);
    let all: Vec<[String; 3]> = (0..3)
        .map(|node| {
            let audit = read(&made.export(node));
            let books = Books::new(&audit).unwrap();
            [hledger(&books, Lang::Fr), beancount(&books, Lang::Fr), fec(&books).unwrap().0]
        })
        .collect();
    assert!(all.iter().all(|one| *one == all[0]));
}

/// What members write is text, whatever it looks like to the program that reads it.
#[test]
fn no_words_of_a_member_change_the_books() {
    let Some(python) = python("import beancount") else { return };
    let attack =
        "x ; 1\n2026-01-01 open Assets:Evil\n\"\\\" \t| =1+1 \u{202e}\n    assets:512000  EUR 1";
    let mut made = quarter::unsettled(quarter::FILE, quarter::JANUARY);
    let act = Act::Expense(Expense {
        account: Code::try_from("628000").unwrap(),
        payee: Code::try_from("x").unwrap(),
        amount: Quantity::new(100).unwrap(),
        date: amount::day("2026-01-20").unwrap(),
        decision: None,
    });
    let note = serde_json::json!({ "note": attack }).to_string();
    let entry = made.sign(0, &act, Some(note.as_bytes()));
    made.place(&entry, &[0, 1, 2]);
    quarter::settle(&mut made);
    let audit = read(&made.export(0));
    let books = Books::new(&audit).unwrap();
    let late = books.money().find(|it| it.id == entry.id()).unwrap();
    assert_eq!(amount::show_day(late.date), "2026-01-20");
    assert_eq!(amount::show_day(late.booked), "2026-02-01", "January is closed");
    let bean = asked(&python, "beancount", beancount(&books, Lang::En).as_bytes()).unwrap();
    assert_eq!(bean["balances"]["Expenses:A628000 EUR"], "37.00");
    assert!(bean["balances"].as_object().unwrap().keys().all(|name| !name.contains("Evil")));
    if Command::new("hledger").arg("--version").output().is_ok() {
        let said = asked(&python, "hledger", hledger(&books, Lang::Fr).as_bytes()).unwrap();
        assert_eq!(said["balances"]["expenses:628000 EUR"], "37.00");
    }
}

#[test]
fn duckdb_reads_the_parquet_and_finds_the_same_sums_as_hledger() {
    let Some(python) = python("import duckdb") else { return };
    let audit = whole();
    let books = Books::new(&audit).unwrap();
    let file = parquet(&books, Lang::Fr).unwrap();
    let said = asked(&python, "parquet", &file).expect("it is read");
    let money = |key: &str| key.strip_suffix(" EUR").map(str::to_uppercase);
    assert_eq!(balances(&said, money), expected());
    let lines: usize = books.transactions.iter().map(|it| it.lines.len()).sum();
    assert_eq!(
        (said["rows"].as_u64(), said["first"].as_str()),
        (u64::try_from(lines).ok(), Some("2026-01-02"))
    );
    assert_eq!(said["balances"]["claim|alba LIV"], "-627.33");
}

#[test]
fn a_credential_is_verified_elsewhere_and_not_with_one_minute_changed() {
    let Some(python) = python("import cryptography") else { return };
    let made = quarter::played(quarter::JANUARY);
    let audit = read(&made.export(0));
    let sum = audit.sum.as_ref().unwrap();
    let issuer = &made.members[1];
    let body = credential::body(&audit, sum, Member(0), &issuer.device()).unwrap();
    assert_eq!(body["credentialSubject"]["careMinutes"], 600);
    assert_eq!(body["credentialSubject"]["livelihoodCreditsCenti"], 96_000);
    let signed = credential::signed(&body, issuer, 1_775_000_000_000).unwrap();
    let said = asked(&python, "vc", signed.to_string().as_bytes()).expect("it is verified");
    assert_eq!(said["subject"]["loveCreditsCenti"], 20_000);
    for (field, other) in [("careMinutes", 601), ("contributions", 5)] {
        let mut changed = signed.clone();
        changed["credentialSubject"][field] = other.into();
        let said = asked(&python, "vc", changed.to_string().as_bytes()).unwrap_err();
        assert!(said.contains("not the issuer's"), "{said}");
    }
    let mut other = signed.clone();
    other["proof"]["created"] = "2026-04-01T00:00:00Z".into();
    assert!(asked(&python, "vc", other.to_string().as_bytes()).is_err());
}
