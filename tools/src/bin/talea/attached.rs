//! The files that are attached to an entry: listed, and got from a node.

use std::path::Path;

use serde_json::json;
use talea_protocol::attachment::Attachment;
use talea_protocol::hash::EntryId;
use talea_protocol::key::SecretKey;
use talea_tools::verify::attachments::{self, Found};
use talea_tools::verify::{self, Policy};
use talea_tools::{attachment, preview, private};

use crate::cli::{self, Common};
use crate::clock;
use crate::desk::{self, Desk};
use crate::failure::{Failure, Outcome};
use crate::out;

/// `talea attachment`.
pub fn run(common: &Common, command: &cli::Attachment) -> Outcome {
    match command {
        cli::Attachment::List { entry } => list(common, entry),
        cli::Attachment::Get { entry, number, output } => get(common, entry, *number, output),
    }
}

fn list(common: &Common, name: &str) -> Outcome {
    let desk = Desk::reading(common)?;
    let (_, all) = attached(&desk, name)?;
    desk::form(common).give(&all, |all| {
        for (number, it) in (1..).zip(all) {
            out::say(&format!("{number}  {}", preview::attached(it)));
        }
    });
    Ok(())
}

fn get(common: &Common, name: &str, number: Option<usize>, output: &Path) -> Outcome {
    let mut desk = Desk::reading(common)?;
    let (entry, all) = attached(&desk, name)?;
    let attachment = match (number, all.as_slice()) {
        (None, [only]) => only,
        (None, _) => {
            return Err(Failure::usage(
                format!("`{name}` has {} attachments", all.len()),
                "choose one with --number; `talea attachment list` shows them",
            ));
        }
        (Some(number), all) => number.checked_sub(1).and_then(|n| all.get(n)).ok_or_else(|| {
            Failure::usage(
                format!("`{name}` has no attachment {number}"),
                "see `talea attachment list`",
            )
        })?,
    };
    let from = desk.fetch_attachment(&entry, attachment, output)?;
    let value = json!({ "file": output, "attachment": attachment, "from": from });
    desk::form(common).give(&value, |_| {
        let size = attachment.size;
        out::say(&format!("{}: {size} bytes from {from}, checked", output.display()));
    });
    Ok(())
}

/// Gets every attachment that an export names into the folder beside it.
pub fn beside(common: &Common, export: &Path, key: Option<SecretKey>) -> Outcome {
    let file = std::fs::read(export).map_err(|error| Failure::file(export, &error))?;
    let audit = verify::audit(&file, &Policy::default(), clock::now_ms() / 1000)?;
    let folder = attachment::beside(export);
    let all = attachments::beside(&audit, &folder);
    let missing = all.iter().filter(|it| it.found != Found::Right);
    let mut desk = match key {
        Some(key) => {
            let known = desk::wallet(common)?.cooperative(common.coop.as_deref())?;
            Desk::at(common, known, key)?
        }
        None => Desk::reading(common)?,
    };
    let mut got = 0;
    for it in missing {
        private::folder(&folder).map_err(|error| Failure::file(&folder, &error))?;
        let output = folder.join(it.attachment.blake3.to_string());
        match desk.fetch_attachment(&it.entry, &it.attachment, &output) {
            Ok(_) => got += 1,
            Err(failure) => out::note(&format!("{}: {failure}", it.place)),
        }
    }
    let value = json!({ "folder": folder, "got": got, "named": all.len() });
    desk::form(common).give(&value, |_| {
        let (named, folder) = (all.len(), folder.display());
        out::say(&format!("{folder}: got {got} of {named} attachments"));
    });
    Ok(())
}

fn attached(desk: &Desk<'_>, name: &str) -> Outcome<(EntryId, Vec<Attachment>)> {
    let entry = desk.book.find(name)?;
    let all = desk.book.attachments(&entry).to_vec();
    if all.is_empty() {
        return Err(Failure::usage(
            format!("nothing is attached to `{name}`, or it has been erased"),
            "see `talea show`; run `talea fetch` if the entry is new",
        ));
    }
    Ok((entry, all))
}
