//! What is said of the files that lie beside an export.

use std::path::{Path, PathBuf};

use serde_json::json;
use talea_tools::attachment;
use talea_tools::verify::attachments::{Beside, Found, beside, summary};
use talea_tools::verify::{Audit, Status};

/// The attachments of an export, and the status that they leave: a file with other bytes than were
/// signed for makes it invalid, one that is missing does not.
pub fn look(audit: &Audit, export: &Path, folder: Option<&PathBuf>) -> (Vec<Beside>, Status) {
    let usual = attachment::beside(export);
    let all = beside(audit, folder.unwrap_or(&usual));
    let is_wrong = all.iter().any(|it| matches!(it.found, Found::Wrong(_)));
    let status = if is_wrong { audit.status.max(Status::Invalid) } else { audit.status };
    (all, status)
}

/// The lines of the verdict: how many, and each that is not what was signed for.
pub fn lines(all: &[Beside]) -> Vec<String> {
    let Some(summary) = summary(all) else { return Vec::new() };
    let wrong = all.iter().filter_map(|it| match &it.found {
        Found::Wrong(why) => Some(format!("attachment of {}: {why}", it.place)),
        Found::Right | Found::Missing => None,
    });
    let mut lines: Vec<String> =
        std::iter::once(format!("attachments: {summary}")).chain(wrong).collect();
    if lines.len() > 1 {
        lines.push("no entry depends on them; get them again: talea export --attachments".into());
    }
    lines
}

/// Each of them.
pub fn list(all: &[Beside]) -> Vec<String> {
    let one = |it: &Beside| {
        let found = match &it.found {
            Found::Right => "right",
            Found::Missing => "missing",
            Found::Wrong(_) => "WRONG",
        };
        let (hash, size, media) = (it.attachment.blake3, it.attachment.size, &it.attachment.media);
        format!("{found:<8} {:<16} {hash}  {size:>8}  {media}", it.place)
    };
    all.iter().map(one).collect()
}

/// The same for other programs.
pub fn value(all: &[Beside]) -> serde_json::Value {
    json!(all)
}
