//! What is known here, shown: the outbox, the log, one entry, an export.

use std::path::Path;

use talea_ledger::verdict::Verdict;
use talea_protocol::act::Content;
use talea_protocol::entry::Signed;
use talea_protocol::key::SecretKey;
use talea_tools::amount;
use talea_tools::book::Book;
use talea_tools::preview;
use talea_tools::table::Align;
use talea_tools::verify;

use crate::cli::Common;
use crate::desk::{self, Desk};
use crate::failure::{Failure, Outcome};
use crate::http::{Node, Reader};
use crate::out;
use crate::secret;
use crate::source;
use crate::standing;

/// `talea outbox`.
pub fn outbox(common: &Common) -> Outcome {
    let all = Desk::reading(common)?.outbox()?;
    desk::form(common).give(&all, |all| {
        if all.is_empty() {
            out::say("Nothing waits: everything that was signed here is settled.");
        }
        all.iter().for_each(standing::say);
    });
    Ok(())
}

/// `talea send`.
pub fn send(common: &Common) -> Outcome {
    let all = Desk::reading(common)?.deliver()?;
    desk::form(common).give(&all, |all| {
        if all.is_empty() {
            out::say("Nothing waits: everything that was signed here is settled.");
        }
        all.iter().for_each(standing::say);
    });
    Ok(())
}

/// `talea fetch`.
pub fn fetch(common: &Common) -> Outcome {
    let wallet = desk::wallet(common)?;
    let known = wallet.cooperative(common.coop.as_deref())?;
    // A private cooperative answers its members only; a public one needs no key.
    let key = match source::fetch(&wallet, &known, None) {
        Ok(_) => None,
        Err(_) => Some(secret::unlock(common, &wallet)?),
    };
    let (from, audit) = source::fetch(&wallet, &known, key.as_ref())?;
    desk::form(common).give(&audit.summary(), |_| {
        out::say(&format!("{}  (from {from})", verify::text::headline(&audit)));
    });
    Ok(())
}

/// `talea log`.
pub fn log(common: &Common, mine: bool, last: usize) -> Outcome {
    let desk = Desk::reading(common)?;
    let me = desk.device();
    let entries = desk.book.entries().rev().filter(|e| !mine || e.header().device == me);
    let mut entries: Vec<&Signed> = entries.take(last).collect();
    entries.reverse();
    let values: Vec<_> = entries.iter().map(|entry| value(&desk.book, entry)).collect();
    desk::form(common).give(&values, |_| {
        let columns = [
            ("entry", Align::Left),
            ("dated", Align::Left),
            ("verdict", Align::Left),
            ("", Align::Left),
        ];
        let rows = entries.iter().map(|entry| {
            vec![
                desk.book.label(&entry.id()),
                amount::show_time(entry.header().time),
                verdict(&desk.book, entry),
                line(&desk.book, entry),
            ]
        });
        out::table(&columns, rows.collect());
    });
    Ok(())
}

/// `talea show`.
pub fn show(common: &Common, name: &str, file: Option<&Path>) -> Outcome {
    let desk = Desk::reading(common)?;
    let id = desk.book.find(name)?;
    if let Some(path) = file {
        let signed = desk.entry(&id).ok_or_else(|| {
            Failure::usage(format!("`{name}` is not signed yet"), "run `talea send` first")
        })?;
        std::fs::write(path, signed.bytes()).map_err(|error| Failure::file(path, &error))?;
    }
    let entry = desk
        .book
        .entry(&id)
        .ok_or_else(|| Failure::usage(format!("`{name}` is not here"), "run `talea fetch`"))?;
    desk::form(common).give(&value(&desk.book, entry), |_| {
        let bytes = entry.bytes();
        let unsigned = bytes.get(..bytes.len().saturating_sub(64)).unwrap_or_default();
        let mut rows = preview::rows(unsigned, None, Some(&desk.book)).unwrap_or_default();
        rows.extend(desk.book.note(&id).map(|note| ("in words", note.to_owned())));
        let attached = desk.book.attachments(&id).iter();
        rows.extend(attached.map(|it| ("attached", preview::attached(it))));
        rows.push(("verdict", verdict(&desk.book, entry)));
        rows.push(("id", id.to_string()));
        out::say(&out::styled(out::HEAD, &desk.book.label(&id)));
        out::say(&out::indented(
            talea_tools::table::pairs(rows.iter().map(|(n, v)| (*n, v.clone()))).trim_end(),
        ));
    });
    Ok(())
}

/// `talea export`. Also the key, if it had to be opened.
pub fn export(
    common: &Common,
    output: &Path,
    from: Option<&str>,
    member: Option<&str>,
) -> Outcome<Option<SecretKey>> {
    let wallet = desk::wallet(common)?;
    let known = wallet.cooperative(common.coop.as_deref())?;
    let fits = |server: &&talea_tools::wallet::Server| {
        from.is_none_or(|from| {
            server.http.contains(from) || server.node.to_string().starts_with(from)
        })
    };
    let server = known.nodes.iter().find(fits).ok_or_else(|| {
        Failure::usage("this wallet knows no such node", "see `talea cooperatives`")
    })?;
    let node = Node::at(&server.http);
    let path = format!("/v1/cooperatives/{}/export", known.cooperative);
    let (file, key) = match node.read_bytes(&path, None) {
        Ok(file) => (file, None),
        Err(_) => {
            let key = secret::unlock(common, &wallet)?;
            let reader = Reader { key: &key, node: server.node };
            (node.read_bytes(&path, Some(&reader))?, Some(key))
        }
    };
    let file = match member {
        Some(member) => history(&file, member)?,
        None => file,
    };
    std::fs::write(output, &file).map_err(|error| Failure::file(output, &error))?;
    let value = serde_json::json!({ "file": output, "bytes": file.len(), "from": server.http });
    desk::form(common).give(&value, |_| {
        out::say(&format!("{}: {} bytes from {}", output.display(), file.len(), server.http));
        out::note(&format!("Next: talea-verify {}", output.display()));
    });
    Ok(key)
}

fn value(book: &Book, entry: &Signed) -> serde_json::Value {
    let act = match entry.content() {
        Content::Known(act) => serde_json::to_value(act).unwrap_or_default(),
        Content::Unknown(tag) => serde_json::json!({ "unknown": tag }),
    };
    serde_json::json!({
        "id": entry.id(),
        "label": book.label(&entry.id()),
        "header": entry.header(),
        "act": act,
        "note": book.note(&entry.id()),
        "verdict": verdict(book, entry),
    })
}

fn verdict(book: &Book, entry: &Signed) -> String {
    match book.verdict(&entry.id()) {
        Some(Verdict::Counted) => "counts".to_owned(),
        Some(Verdict::Pending(_)) => "pending".to_owned(),
        Some(Verdict::Void(void)) => format!("void ({})", void.rule()),
        None => "unsettled".to_owned(),
    }
}

fn line(book: &Book, entry: &Signed) -> String {
    let line = match entry.content() {
        Content::Known(act) => preview::line(act, Some(book)),
        Content::Unknown(tag) => format!("an act of a later version (tag {tag})"),
    };
    match book.note(&entry.id()) {
        Some(note) => format!("{line} ({note})"),
        None => line,
    }
}

/// One member's history out of an export.
fn history(export: &[u8], member: &str) -> Outcome<Vec<u8>> {
    let again = "ask another node with --from";
    let audit = talea_tools::verify::audit(export, &talea_tools::verify::Policy::default(), 0)
        .map_err(|fault| Failure::node(fault.to_string(), again))?;
    let sum = audit.sum.as_ref();
    let named = sum.and_then(|sum| sum.names.find(&sum.register, member));
    let named = named.ok_or_else(|| {
        Failure::usage(
            format!("nobody is called `{member}`"),
            "`talea-verify member FILE` lists everybody",
        )
    })?;
    let history = talea_tools::history::History::of(&audit, named);
    Ok(history.map_err(|fault| Failure::node(fault.to_string(), again))?.file())
}
