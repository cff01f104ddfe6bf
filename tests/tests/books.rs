//! Other people's programs read what `talea-verify books` writes, and find the same figures.
//!
//! `tests/reader/check_books.py` asks hledger, beancount and the rules of the formats. It runs under
//! the interpreter that `TALEA_PYTHON` names, else `python3`; what is not installed is skipped, and
//! the test says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use talea_protocol::act::{Act, Expense};
use talea_protocol::bytes::{Code, Quantity};
use talea_tests::quarter;
use talea_tools::amount;
use talea_tools::books::{Books, beancount, fec, hledger, sankey};
use talea_tools::lang::Lang;
use talea_tools::verify::{Audit, Policy, Status, audit};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reader/check_books.py");
const FEC: &str = include_str!("../data/passerelles-q1-fec.txt");

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

/// Expected balances of January: what the file's journal posts by then, by account and party.
fn expected() -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for row in rows(17) {
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
fn hledger_accepts_the_journal_and_finds_januarys_balances_and_claims() {
    let Some(python) = python("import shutil, sys; sys.exit(not shutil.which('hledger'))") else {
        return;
    };
    let audit = january();
    let text = hledger(&Books::new(&audit).unwrap(), Lang::Fr);
    let said = asked(&python, "hledger", text.as_bytes()).expect("it is accepted");
    let money = |key: &str| {
        let mut parts = key.strip_suffix(" EUR")?.split(':').skip(1);
        let code = parts.next()?;
        Some(format!("{code}|{}", parts.next().unwrap_or_default().to_uppercase()))
    };
    assert_eq!(balances(&said, money), expected());
    let run = &quarter::expected()["runs"]["2026-01"];
    for (unit, after) in [("LIV", "liv_after"), ("LOV", "lov_after")] {
        for (who, amount) in run[after].as_object().unwrap() {
            let key = format!("memo:{}:{who} {unit}", unit.to_lowercase());
            let found = balances(&said, |name| (name == key).then(|| key.clone()));
            assert_eq!(found.get(&key).copied().unwrap_or(0), -amount.as_i64().unwrap(), "{key}");
        }
    }
    let broken = text.replacen("EUR 36.00", "EUR 36.01", 1);
    assert!(asked(&python, "hledger", broken.as_bytes()).unwrap_err().contains("balance"));
    let unknown = text.replacen("account assets:512000\n", "", 1);
    assert!(asked(&python, "hledger", unknown.as_bytes()).unwrap_err().contains("assets:512000"));
}

#[test]
fn beancount_accepts_the_books_and_finds_januarys_balances() {
    let Some(python) = python("import beancount") else { return };
    let audit = january();
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
fn the_flows_conserve_value_at_every_node() {
    let Some(python) = python("import csv") else { return };
    let audit = january();
    let text = sankey(&Books::new(&audit).unwrap(), Lang::En);
    let said = asked(&python, "sankey", text.as_bytes()).expect("it is conserved");
    let wanted = ["grillon", "Collectif Passerelles", "1440.00"].map(Value::from).to_vec();
    assert!(said["rows"].as_array().unwrap().contains(&Value::from(wanted)), "{said}");
    let broken = text.replacen("1440.00", "1440.01", 1);
    assert!(asked(&python, "sankey", broken.as_bytes()).unwrap_err().contains("conserved"));
}

#[test]
fn every_nodes_export_gives_the_same_books() {
    let made = quarter::played(quarter::JANUARY);
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
fn zz_write() {
    std::fs::write("/tmp/january.talea", quarter::played(53).export(0)).unwrap();
}
