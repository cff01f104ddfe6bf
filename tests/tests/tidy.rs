//! Promises about the code itself: who may name what, who may depend on whom, how long files are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file of the packages, with its path from the top.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for package in ["protocol", "ledger", "node", "tools", "tests"] {
        collect(&root().join(package), &mut files);
    }
    let relative = |path: &Path| {
        path.strip_prefix(root()).expect("below the top").to_string_lossy().replace('\\', "/")
    };
    files.iter().map(|path| (relative(path), fs::read_to_string(path).expect("text"))).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The code without comments and without what tests add.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn only(word: &str, allowed: &[&str]) {
    let elsewhere: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| !path.starts_with("tests/") && !path.contains("/tests/"))
        .filter(|(path, text)| {
            code(text).contains(word) && !allowed.iter().any(|allowed| path.starts_with(allowed))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(elsewhere.is_empty(), "{word} is named outside {allowed:?}: {elsewhere:?}");
}

#[test]
fn one_file_names_the_codec_one_the_database_and_one_the_transport() {
    only("bincode::", &["protocol/src/bytes.rs"]);
    only("rocksdb::", &["node/src/store.rs"]);
    only("quinn::", &["protocol/src/quic"]);
}

#[test]
fn only_programs_read_a_clock() {
    let programs = ["node/src/main.rs", "tools/src/bin/"];
    only("SystemTime::now", &programs);
    only("Instant::now", &programs);
}

#[test]
fn the_core_knows_no_clock_no_chance_and_no_unordered_map() {
    for (path, text) in sources() {
        let core = path.starts_with("protocol/src/") || path.starts_with("ledger/src/");
        if !core || path.starts_with("protocol/src/quic") {
            continue;
        }
        for word in
            ["SystemTime", "Instant", "HashMap", "HashSet", "std::fs", "std::net", "println!"]
        {
            assert!(!code(&text).contains(word), "{path} names {word}");
        }
    }
}

#[test]
fn no_file_is_longer_than_six_hundred_lines_and_none_is_a_stub() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "{path} has {lines} lines");
        assert!(
            text.starts_with("//!") || text.starts_with("#!"),
            "{path} does not say what it is for"
        );
        if path != "tests/tests/tidy.rs" {
            for word in ["todo!", "unimplemented!", "#[ignore", "TODO", "FIXME"] {
                assert!(!text.contains(word), "{path} has {word}");
            }
        }
    }
}

#[test]
fn no_file_is_called_after_nothing() {
    for (path, _) in sources() {
        for name in ["utils", "common", "misc", "types", "errors", "prelude", "helper"] {
            assert!(!path.ends_with(&format!("/{name}.rs")), "{path}");
        }
    }
}

fn tree(package: &str, more: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--package", package])
        .args(more)
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn reaches(tree: &str, package: &str) -> bool {
    tree.lines().any(|line| line.split(' ').next() == Some(package))
}

#[test]
fn the_core_reaches_no_runtime_no_transport_no_database_and_no_random_numbers() {
    for package in ["talea-protocol", "talea-ledger"] {
        let tree = tree(package, &[]);
        assert!(reaches(&tree, "blake3"), "the check reads the tree");
        for other in ["tokio", "quinn", "rustls", "rocksdb", "rand", "getrandom"] {
            assert!(!reaches(&tree, other), "{package} reaches {other}");
        }
    }
    assert!(reaches(&tree("talea-protocol", &["--features", "quic"]), "quinn"));
}

#[test]
fn the_tools_need_no_database() {
    for other in ["rocksdb", "librocksdb-sys", "quinn", "talea-node"] {
        assert!(!reaches(&tree("talea-tools", &[]), other), "talea-tools reaches {other}");
    }
}

/// Rules have numbers that README, errors and tests share.
#[test]
fn every_rule_in_the_tables_is_tested_by_its_number() {
    let tested: Vec<u32> = sources().iter().flat_map(|(_, text)| tested_rules(text)).collect();
    for readme in ["protocol/README.md", "ledger/README.md"] {
        let text = fs::read_to_string(root().join(readme)).expect("a README");
        // Tags and kinds of rows have numbers, too; a table of rules says so at its head.
        let tables = text.split("\n\n").filter(|table| {
            let head = table.lines().find(|line| line.starts_with('|'));
            head.is_some_and(|head| head.contains("rule |"))
        });
        let rules: Vec<u32> = tables
            .flat_map(str::lines)
            .filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")?.0.parse().ok())
            .collect();
        assert!(rules.len() > 5, "{readme}: the tables are read");
        for rule in rules {
            assert!(tested.contains(&rule), "{readme}: no test is called after rule {rule}");
        }
    }
}

/// The numbers in names such as `rule_7_…`, `rules_2_and_3_…` and `rules_4_to_9_…`.
fn tested_rules(text: &str) -> Vec<u32> {
    let numbers = |name: &str| -> Vec<u32> {
        let mut words = name.split('_');
        let first: Option<u32> = words.next().and_then(|word| word.parse().ok());
        let (joint, second) = (words.next(), words.next().and_then(|word| word.parse().ok()));
        match (first, joint, second) {
            (Some(first), Some("to"), Some(last)) => (first..=last).collect(),
            (Some(first), Some("and"), Some(last)) => vec![first, last],
            (Some(first), ..) => vec![first],
            (None, ..) => Vec::new(),
        }
    };
    let names = text.lines().filter_map(|line| {
        let name = line.trim_start().strip_prefix("fn rule")?;
        name.strip_prefix("s_").or_else(|| name.strip_prefix('_'))
    });
    names.flat_map(numbers).collect()
}

/// What stands between backticks in the tables.
fn quoted(readme: &str) -> Vec<&str> {
    let rows = readme.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect()
}

/// The cases of the design that must be refused or void are all in their table.
#[test]
fn every_case_that_must_be_refused_is_in_the_table() {
    let path = root().join("ledger/tests/refused.rs");
    let text = fs::read_to_string(path).expect("the cases");
    let readme = fs::read_to_string(root().join("tests/README.md")).expect("a README");
    let named = quoted(&readme);
    let tests: Vec<&str> = text
        .split("#[test]\nfn ")
        .skip(1)
        .filter_map(|rest| rest.split_once("()").map(|(name, _)| name))
        .collect();
    assert!(tests.len() > 20, "the cases are read: {}", tests.len());
    for test in tests {
        assert!(named.contains(&test), "no row of the table names {test}");
    }
}

#[test]
fn every_test_that_the_tables_name_is_there() {
    let readme = fs::read_to_string(root().join("tests/README.md")).expect("a README");
    let text: String = sources().into_iter().map(|(_, text)| text).collect();
    let is_sentence = |name: &&str| {
        name.matches('_').count() > 3
            && name
                .chars()
                .all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit() || c == '…')
    };
    let named: Vec<&str> = quoted(&readme).into_iter().filter(is_sentence).collect();
    assert!(named.len() > 60, "the tables are read: {}", named.len());
    for name in named {
        // A long name is cut short where it stands for the second time.
        let begin = format!("fn {}", name.trim_end_matches('…'));
        assert!(text.contains(&begin), "no test is called {name}");
    }
}
