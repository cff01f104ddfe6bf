//! What the later commands refuse: an unknown member, a wrong role, an amount that is none, an entry
//! that is none. The wallet stays to the byte what it was, and what to do next is said.

use std::path::Path;

use crate::founded::{Founded, files, path};
use crate::program::{Said, talea};

/// Whose turn it is, and what the message has in it.
struct Bad<'a> {
    words: &'a [&'a str],
    /// 1: whoever typed; 2: a rule.
    status: i32,
    says: &'a str,
}

const fn bad<'a>(words: &'a [&'a str], status: i32, says: &'a str) -> Bad<'a> {
    Bad { words, status, says }
}

/// Nothing is written, the reason is given, and what to do next.
#[track_caller]
fn assert_stays(wallet: &Path, Bad { words, status, says }: &Bad<'_>) {
    let here = files(wallet);
    let said = talea(wallet, &[words, &["--offline", "--yes"][..]].concat());
    assert_eq!(said.status, Some(*status), "{words:?}: {said:?}");
    assert!(said.err.contains(says), "{words:?} does not say `{says}`: {said:?}");
    assert!(tells_next(&said), "{words:?}: what to do next is missing: {said:?}");
    assert_eq!(said.out, "", "{words:?}");
    assert_eq!(files(wallet), here, "{words:?}: the wallet is as it was");
}

/// A line of advice; or the usage, of what the program's own words refuse.
fn tells_next(said: &Said) -> bool {
    let next = said.err.lines().find_map(|line| line.strip_prefix("next:  "));
    next.is_some_and(|next| next.len() > 10) || said.err.contains("--help")
}

#[test]
fn a_member_that_is_none_is_named_by_no_command() {
    let founded = Founded::new();
    let bruno = founded.wallet("bruno");
    let nobody = "no member is called `nobody`";
    for words in [
        &["delegate", "nobody"][..],
        &["pay-out", "nobody", "5"],
        &["transfer", "5", "crumbs", "nobody"],
        &["transfer", "5", "crumbs", "chloe", "--from", "nobody"],
        &["commit", "bread", "1", "loaf", "--to", "nobody", "--due", "2026-03-01"],
        &["agreement", "--clause", "bruno,nobody,work,baking,1,hour"],
        &["credential", "attest", "nobody", "/dev/null", "--kind", "training"],
        &["vouch", "nobody", "trial"],
        &["advance", "nobody", "trial"],
        &["propose", "x", "--advance", "nobody=trial", "--closes", "2026-02-01"],
        &["propose", "x", "--remove", "nobody", "--closes", "2026-02-01"],
        &["propose", "x", "--appoint", "treasurer=nobody", "--closes", "2026-02-01"],
        &["allocate", "2026-01", "--interest", "nobody=1"],
        &["hand-over", "treasurer", "nobody"],
    ] {
        assert_stays(&bruno, &bad(words, 1, nobody));
    }
}

#[test]
fn an_entry_that_is_none_is_named_by_no_command() {
    let founded = Founded::new();
    let bruno = founded.wallet("bruno");
    let given = "no entry here is called `bruno/99`";
    for words in [
        &["dispute", "bruno/99"][..],
        &["withdraw", "bruno/99"],
        &["correct", "bruno/99", "--less", "1"],
        &["comment", "bruno/99", "bravo"],
        &["agree", "bruno/99"],
        &["attest", "bruno/99", "--part", "1"],
        &["attest", "bruno/99", "--quality"],
        &["rank", "bruno/99", "north"],
        &["delegate", "chloe", "--proposal", "bruno/99"],
        &["vote", "bruno/99", "block", "--reason", "non"],
        &["add", "work", "1h", "--agreement", "bruno/99"],
        &["add", "work", "1h", "--commitment", "bruno/99"],
        &["draw", "use", "oven", "1", "day", "--agreement", "bruno/99"],
        &[
            "commit",
            "bread",
            "1",
            "loaf",
            "--to",
            "chloe",
            "--due",
            "2026-03-01",
            "--intent",
            "bruno/99",
        ],
        &["expense", "606000", "--payee", "p", "--amount", "1", "--decision", "bruno/99"],
        &["credential", "revoke", "bruno/99"],
        &["erasure", "request", "bruno/99"],
        &["erasure", "refuse", "bruno/99", "--ground", "law"],
        &["propose", "x", "--resolve", "bruno/99", "--closes", "2026-02-01"],
        &["propose", "x", "--correct", "bruno/99=-1", "--closes", "2026-02-01"],
        &["propose", "x", "--agree", "bruno/99", "--closes", "2026-02-01"],
        &["partner", "proof", "bruno/99"],
    ] {
        assert_stays(&bruno, &bad(words, 1, given));
    }
    for (words, says) in [
        (
            &["partner", "send", "AG9", "5", "--reference", "x"][..],
            "no accord here is called `AG9`",
        ),
        (&["partner", "balance", "AG9"], "no accord here is called `AG9`"),
        (
            &[
                "partner",
                "accord",
                "Moulin",
                "--reference",
                "x",
                "--limit",
                "5",
                "--until",
                "2026-12-31",
            ],
            "no cooperative that is linked is called `Moulin`",
        ),
        (&["partner", "receive", "/dev/null"], "is nothing that was sent"),
        (&["partner", "link", "/dev/null"], "holds no charter"),
        (
            &["partner", "countersign", "talea:shares:AA"],
            "not a slip that begins with `talea:accord:`",
        ),
        (&["partner", "statement", "talea:balance:AA"], "the slip is damaged"),
        (&["redeem", "talea:shares:AA"], "not a slip that begins with `talea:redemption:`"),
        (&["welcome", "talea:approval:AA"], "not a slip that begins with `talea:request:`"),
        (&["join", "talea:invite:AA"], "the slip is damaged"),
    ] {
        assert_stays(&bruno, &bad(words, 1, says));
    }
}

#[test]
fn rule_6_what_is_no_amount_is_none_in_the_later_commands_too() {
    let founded = Founded::new();
    let bruno = founded.wallet("bruno");
    for amount in ["0", "-1"] {
        for words in [
            &["shares", amount, "--back"][..],
            &["pay-out", "chloe", amount],
            &["transfer", amount, "crumbs", "chloe"],
            &["draw", "use", "oven", amount, "day"],
            &["offer", "bread", amount, "loaf"],
            &["ask", "bread", amount, "loaf"],
            &["commit", "bread", amount, "loaf", "--to", "chloe", "--due", "2026-03-01"],
            &["agreement", "--clause", &format!("bruno,chloe,work,baking,{amount},hour")],
            &["add", "work", "1h", "--produces", "bread", amount.trim_start_matches('-'), "loaf"],
            &["propose", "x", "--spend", amount, "--closes", "2026-02-01"],
            &["allocate", "2026-01", "--interest", &format!("chloe={amount}")],
        ] {
            // The sign is no option's, where three words are one value.
            if words.contains(&"--produces") && amount == "-1" {
                continue;
            }
            assert_stays(&bruno, &bad(words, 2, "rule 6: "));
        }
    }
    let care = talea(&bruno, &["add", "care", "1h", "--on", "2026-01-05", "--yes"]);
    assert_eq!(care.status, Some(0), "{care:?}");
    for words in [
        &["correct", "bruno/0", "--less", "0m"][..],
        &["correct", "bruno/0", "--more", "-1h"],
        &["attest", "bruno/0", "--part", "0m"],
    ] {
        assert_stays(&bruno, &bad(words, 2, "rule 6: "));
    }
    let money = "92233720368547758.08";
    assert_stays(&bruno, &bad(&["reconcile", money, "--reference", "r"], 2, "rule 6: "));
    assert_stays(&bruno, &bad(&["reconcile", "a lot", "--reference", "r"], 1, "a number"));
}

#[test]
fn what_is_another_offices_is_not_signed_by_a_member() {
    let founded = Founded::new();
    let (chloe, bruno) = (founded.wallet("chloe"), founded.wallet("bruno"));
    let table = "account,of,reference,amount\nbank,,,10.00\ncarried,,,-10.00\n";
    let table = founded.write("opening.csv", table.as_bytes());
    for (words, rule) in [
        (&["open", path(&table)][..], 46),
        (&["reconcile", "0", "--reference", "r"], 46),
        (&["pay-out", "bruno", "5"], 46),
        (&["transfer", "1", "crumbs", "bruno", "--from", "fund:commons"], 46),
        (&["advance", "bruno", "trial"], 16),
    ] {
        assert_stays(&chloe, &bad(words, 2, &format!("rule {rule}: ")));
    }
    // What nothing orders is not drafted at all.
    for words in [&["allocate", "2026-01"][..], &["advance", "chloe", "trial", "--decision"]] {
        assert_stays(&bruno, &bad(words, 2, "rule 28: "));
    }
}

#[test]
fn what_is_typed_wrongly_is_told_by_its_word() {
    let founded = Founded::new();
    let bruno = founded.wallet("bruno");
    let write = |name: &str, text: &str| founded.write(name, text.as_bytes());
    let column = write("column.csv", "account,of,amount\n");
    let fields = write("fields.csv", "account,of,reference,amount\nbank,,10\n");
    let account = write("account.csv", "account;of;reference;amount\nsafe;;;10\n");
    let member = write("member.csv", "account,of,reference,amount\nshares,nobody,,-10\n");
    let amount = write("amount.csv", "account,of,reference,amount\nbank,,,much\n");
    for (words, says) in [
        (&["open", path(&column)][..], "does not name the column `reference`"),
        (&["open", path(&fields)], "line 2 has 3 fields, and the first line 4"),
        (&["open", path(&account)], "line 2: `safe` is no account"),
        (&["open", path(&member)], "line 2: `nobody` is no member's handle"),
        (&["open", path(&amount)], "line 2: `much` is not a number"),
        (&["transfer", "1", "beans", "chloe"], "the charter has no unit `beans`"),
        (&["vouch", "chloe", "saint"], "the charter has no stage `saint`"),
        (&["vote", "bruno/0", "block"], "--reason"),
        (&["correct", "bruno/0"], "--less"),
        (&["delegate"], "--nobody"),
        (&["agreement", "--clause", "bruno,chloe"], "`bruno,chloe` is no clause"),
        (&["agreement", "--clause", "bruno,chloe,lend,x,1,y"], "`lend` is no duty"),
        (
            &["propose", "x", "--set", "beard=1", "--from", "2026-02", "--closes", "2026-02-01"],
            "sets nothing",
        ),
        (
            &["propose", "x", "--appoint", "king=chloe", "--closes", "2026-02-01"],
            "`king` is no role",
        ),
        (&["charter", "new", "x", "--founder", "a=b", "--node", "c"], "`b` is no device"),
        (&["join", &"0".repeat(64)], "no node is named"),
    ] {
        assert_stays(&bruno, &bad(words, 1, says));
    }
    let empty = founded.write("folder", b"");
    std::fs::remove_file(&empty).expect("it is there");
    std::fs::create_dir(&empty).expect("a folder");
    let words = ["charter", "new", "x", "--founder", "bruno", "--node", path(&empty)];
    assert_stays(&bruno, &bad(&words, 3, "no node runs in the folder"));
}
