//! `talea check-head` and `talea catch-up`: a wallet that was restored, and what its nodes hold.

use serde_json::{Value, json};
use talea_tools::heads::Head;
use talea_tools::table::Align;
use talea_tools::witness::Past;

use crate::chain::Answer;
use crate::cli::Common;
use crate::desk::{self, Desk};
use crate::failure::{Failure, Kind, Outcome};
use crate::out::{self, GOOD, styled};

/// `talea check-head`.
pub fn check_head(common: &Common) -> Outcome {
    let mut desk = Desk::reading(common)?;
    let answers = ask(&mut desk)?;
    let past = desk.past();
    let safe = desk.check_head(&answers)?;
    show(common, &desk, &answers, json!({ "past": past, "safe": safe.is_ok() }));
    safe?;
    if desk::form(common) == out::Form::Text {
        out::say(&styled(GOOD, "No node holds more than this wallet: it may sign."));
    }
    Ok(())
}

/// `talea catch-up`.
pub fn catch_up(common: &Common) -> Outcome {
    let mut desk = Desk::reading(common)?;
    let answers = ask(&mut desk)?;
    let before = desk.kept_count();
    if common.dry_run {
        let there = answers.iter().filter_map(|(_, head)| head.as_ref().ok());
        let there = there.map(|head| head.length).max().unwrap_or(0);
        let missing = there.saturating_sub(before);
        let value = json!({ "dry_run": true, "missing": missing });
        desk::form(common)
            .give(&value, |_| out::say(&format!("{missing} entries are missing here.")));
        return Ok(());
    }
    let new = desk.catch_up(&answers)?;
    let answers = ask(&mut desk)?;
    let safe = desk.check_head(&answers)?;
    let value = json!({ "fetched": new, "entries": desk.kept_count(), "safe": safe.is_ok() });
    desk::form(common).give(&value, |_| {
        out::say(&format!("{new} entries of this device were fetched: {} now.", before + new));
    });
    safe?;
    out::note("It is safe to sign again. Next: `talea fetch`, which brings what the others did.");
    Ok(())
}

/// Asks all nodes; with the key where one of them answers nobody else.
fn ask(desk: &mut Desk<'_>) -> Outcome<Vec<Answer>> {
    let answers = desk.ask_heads();
    let is_private =
        |(_, head): &Answer| head.as_ref().is_err_and(|failure| failure.kind() == Kind::Private);
    if !answers.iter().any(is_private) {
        return Ok(answers);
    }
    desk.open_key()?;
    Ok(desk.ask_heads())
}

fn show(common: &Common, desk: &Desk<'_>, answers: &[Answer], mut value: Value) {
    let nodes: Vec<Value> = answers
        .iter()
        .map(|(server, head)| match head {
            Ok(head) => json!(head),
            Err(failure) => json!({ "node": server.node, "error": failure.to_string() }),
        })
        .collect();
    if let Value::Object(value) = &mut value {
        value.insert("entries".to_owned(), desk.kept_count().into());
        value.insert("nodes".to_owned(), nodes.into());
    }
    desk::form(common).give(&value, |_| {
        let columns = [
            ("node", Align::Left),
            ("holds", Align::Right),
            ("settled", Align::Right),
            ("", Align::Left),
        ];
        let mut rows = vec![vec!["this wallet".to_owned(), desk.kept_count().to_string()]];
        rows.extend(answers.iter().map(|(server, head)| row(&server.node.to_string(), head)));
        for row in &mut rows {
            row.resize(columns.len(), String::new());
        }
        out::table(&columns, rows);
        if desk.past() == Past::Unknown {
            out::note("This wallet was restored, or has not been compared with its nodes before.");
        }
    });
}

fn row(node: &str, head: &Result<Head, Failure>) -> Vec<String> {
    let node = node.get(..8).unwrap_or_default().to_owned();
    match head {
        Ok(head) => {
            vec![node, head.length.to_string(), head.settled.to_string(), state(head)]
        }
        Err(failure) => vec![node, String::new(), String::new(), failure.to_string()],
    }
}

/// How a chain stands at a node, in words.
pub fn state(head: &Head) -> String {
    match (&head.ended, &head.frozen) {
        (Some(ended), _) => format!("ended after {} entries", ended.length),
        (None, Some(frozen)) => {
            format!(
                "stands still from place {} on: {} (rule {})",
                frozen.from, frozen.cause, frozen.rule
            )
        }
        (None, None) => String::new(),
    }
}
