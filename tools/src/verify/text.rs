//! What is said of an export in words: one line for the whole, one for each finding.
//!
//! Members are named as they call themselves, their places as `handle/place`. Nothing that comes
//! from a file reaches a terminal with its control characters.

use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;

use super::finding::Finding;
use super::said::said;
use super::status::{Claim, Status};
use super::{Audit, Sum};
use crate::lang::Lang;
use crate::refused::words;
use crate::table::plain;

/// Findings that are listed; a badly damaged file has one for each leaf.
pub const LINES_MAX: usize = 20;

/// The line for the whole:
/// `VALID  Le Fournil   412 entries  9 members  0 gaps  checkpoint 412 held by 3 of 3 nodes`.
#[must_use]
pub fn headline(audit: &Audit) -> String {
    let summary = audit.summary();
    let name = summary.name.map_or_else(|| summary.cooperative.to_string(), |name| plain(&name));
    format!(
        "{}  {name}   {}  {}  {}  checkpoint {} held by {} of {}",
        summary.verdict.word(),
        counted(summary.entries, "entry", "entries"),
        counted(summary.members, "member", "members"),
        counted(summary.gaps, "gap", "gaps"),
        summary.size,
        summary.held_by,
        counted(u64::from(summary.nodes), "node", "nodes"),
    )
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A line for each finding, the heaviest first, at most [`LINES_MAX`]: in English.
#[must_use]
pub fn lines(audit: &Audit) -> Vec<String> {
    lines_in(audit, Lang::En)
}

/// The same in a language.
#[must_use]
pub fn lines_in(audit: &Audit, lang: Lang) -> Vec<String> {
    let sum = audit.sum.as_ref();
    let said = audit.found.iter().take(LINES_MAX).map(|finding| line(sum, finding, lang));
    let rest = audit.found.len().saturating_sub(LINES_MAX);
    said.chain((rest > 0).then(|| words(lang, "finding-more", &[rest.to_string()]))).collect()
}

/// A finding, with the member and the place that it is about.
#[must_use]
pub fn line(sum: Option<&Sum>, finding: &Finding, lang: Lang) -> String {
    let said = said(finding, lang);
    match finding.claim() {
        Some(claim) => words(lang, "finding-line", &[named(sum, &claim, lang), said]),
        None => said,
    }
}

/// A place in a chain with all that identifies it.
fn named(sum: Option<&Sum>, claim: &Claim, lang: Lang) -> String {
    let key = claim.device.to_string();
    let device = key.get(..8).unwrap_or_default().to_owned();
    let place = place(sum, claim);
    let which = if claim.id == EntryId::ZERO {
        words(lang, "finding-one-device", &[device])
    } else {
        words(lang, "finding-one-entry", &[device, claim.id.to_string()])
    };
    format!("{place} {which}")
}

/// A place in a chain: `alba/4`, `alba:2/4` for her second device.
#[must_use]
pub fn place(sum: Option<&Sum>, claim: &Claim) -> String {
    format!("{}/{}", device(sum, &claim.device), claim.seq)
}

/// A device: its member's handle, and which of the member's devices it is if not the first.
#[must_use]
pub fn device(sum: Option<&Sum>, key: &DeviceKey) -> String {
    let record = |sum: &Sum| {
        let number = sum.register.known(key)?;
        let device = sum.register.record(number)?;
        let mut devices = sum.register.devices_of(device.member);
        let own = devices.position(|(other, _)| other == number)?;
        let handle = handle(sum, device.member);
        Some(if own == 0 { handle } else { format!("{handle}:{}", own + 1) })
    };
    sum.and_then(record).unwrap_or_else(|| format!("device {key}"))
}

/// A member's handle.
#[must_use]
pub fn handle(sum: &Sum, member: Member) -> String {
    plain(&sum.names.handle(&sum.register, member))
}

/// What follows, for whoever asks "and now?".
#[must_use]
pub const fn advice(status: Status) -> &'static str {
    match status {
        Status::Valid => "",
        Status::Incomplete => {
            "what is there is right; ask another node for its export, or this one again later"
        }
        Status::Invalid => "do not rely on this file; compare it with another node's export",
        Status::Forked => {
            "keep this file: it is the proof; both entries or checkpoints are signed by one key"
        }
    }
}
