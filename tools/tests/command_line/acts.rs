//! No act without a command: the table of `tools/README.md` against the list of acts in the protocol's
//! README and the commands that the program knows.

use std::path::Path;
use std::process::Command;

use regex::Regex;

/// A row of either table.
#[derive(Debug, Eq, PartialEq)]
struct Row {
    tag: u32,
    act: String,
    /// The third column.
    rest: String,
}

/// Rows `| tag | act | … |` of a README.
fn rows(path: &str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(path).expect("a README");
    let heading = Regex::new("(?m)^## (7. Acts|A command for each act)$").expect("a pattern");
    let from = heading.find(&text).expect("the section").end();
    let section = &text[from..];
    let section = &section[..section.find("\n## ").expect("another section")];
    let row = Regex::new(r"(?m)^\| (\d+)(?: R)? \| ([a-z ]+) \|(.*)\|$").expect("a pattern");
    let rows = row.captures_iter(section).map(|found| Row {
        tag: found[1].parse().expect("a number"),
        act: found[2].to_owned(),
        rest: found[3].trim().to_owned(),
    });
    rows.collect()
}

#[test]
fn every_act_has_a_command() {
    let acts = rows("../protocol/README.md");
    let told = rows("README.md");
    let names = |rows: &[Row]| -> Vec<(u32, String)> {
        rows.iter().map(|row| (row.tag, row.act.clone())).collect()
    };
    let tags: Vec<u32> = acts.iter().map(|row| row.tag).collect();
    assert_eq!(
        tags,
        (0..talea_protocol::act::TAGS).collect::<Vec<_>>(),
        "the list of acts is whole"
    );
    assert_eq!(names(&told), names(&acts));
    let name = Regex::new("^`([a-z -]+)`(?: `([a-z]+)`)?").expect("a pattern");
    for Row { act, rest, .. } in &told {
        let found = name.captures(rest).unwrap_or_else(|| panic!("{act}: {rest}"));
        for words in [found.get(1), found.get(2)].into_iter().flatten() {
            // What comes after `add` is what it adds.
            let words: Vec<&str> = words.as_str().split(' ').collect();
            let mut help = Command::new(env!("CARGO_BIN_EXE_talea"));
            let said = help.args(&words).arg("--help").output().expect("it was built");
            let status = said.status.code();
            let is_kind = ["work", "love", "care"].contains(&words[0]);
            assert!(is_kind || status == Some(0), "{act}: talea {words:?} is no command");
        }
    }
}
