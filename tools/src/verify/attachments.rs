//! The attachments that an export's payloads name, and the files that lie beside it.
//!
//! They are not in the export. What lies in the folder under its hash is compared, byte for byte in
//! pieces; what does not is missing, and that fails nothing: it may not be for whoever made the
//! folder, and an erased payload names nothing. No verdict on an entry depends on it.

use std::path::Path;

use serde::Serialize;
use talea_protocol::attachment::{Attachment, listed};
use talea_protocol::hash::EntryId;

use super::Audit;
use super::status::Claim;
use super::text::place;
use crate::attachment::compare;

/// What lies beside the export in the place of an attachment.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "file", content = "why", rename_all = "kebab-case")]
pub enum Found {
    /// The file.
    Right,
    /// Nothing.
    Missing,
    /// Something else, or what cannot be read.
    Wrong(String),
}

/// An attachment that a payload of the export names.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Beside {
    /// The entry.
    pub entry: EntryId,
    /// Its place, as people say it.
    pub place: String,
    /// What its payload says.
    pub attachment: Attachment,
    /// What lies there.
    #[serde(flatten)]
    pub found: Found,
}

/// Every attachment of an export, with what lies under its hash in a folder.
#[must_use]
pub fn beside(audit: &Audit, folder: &Path) -> Vec<Beside> {
    let bound = audit.shown.payloads.iter().filter(|payload| audit.is_bound(payload));
    let mut all = Vec::new();
    for payload in bound {
        let Some(entry) = audit.shown.entries.get(&payload.entry) else { continue };
        let place = place(audit.sum.as_ref(), &Claim::of(entry));
        let entry = payload.entry;
        all.extend(listed(&payload.bytes).into_iter().map(|attachment| {
            let found = look(&folder.join(attachment.blake3.to_string()), &attachment);
            Beside { entry, place: place.clone(), attachment, found }
        }));
    }
    all.sort_by(|one, other| one.place.cmp(&other.place));
    all
}

fn look(path: &Path, attachment: &Attachment) -> Found {
    match path.try_exists() {
        Ok(false) => Found::Missing,
        _ => match compare(path, attachment) {
            Ok(()) => Found::Right,
            Err(fault) => Found::Wrong(fault.to_string()),
        },
    }
}

/// How many there are, in one line; nothing if none is named.
#[must_use]
pub fn summary(all: &[Beside]) -> Option<String> {
    let count = |is: fn(&Found) -> bool| all.iter().filter(|it| is(&it.found)).count();
    let right = count(|it| *it == Found::Right);
    let missing = count(|it| *it == Found::Missing);
    let wrong = all.len() - right - missing;
    let line =
        format!("{} named, {right} beside and right, {missing} missing, {wrong} wrong", all.len());
    (!all.is_empty()).then_some(line)
}
