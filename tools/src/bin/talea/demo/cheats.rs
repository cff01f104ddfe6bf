//! Three ways to cheat, each tried for real, and what `talea-verify` says to them.
//!
//! A changed byte and a left-out entry are made in an export's file, whose digest is made to fit
//! again: whoever cheats would do that. Two statements for one place are signed by a member and
//! given to nodes that cannot hear each other.

use std::path::Path;

use talea_protocol::act::{Act, Content};
use talea_protocol::entry::Signed;
use talea_protocol::export::{Section, Sections, Writer, leaves};
use talea_protocol::hash::EntryId;
use talea_tools::journal::Draft;
use talea_tools::play::Play;

use super::servers::Server;
use super::stage::{Stage, wait};
use crate::failure::{Failure, Outcome};
use crate::http::Node;

/// Changes one bit of an entry in an export, the lowest of an amount, and makes the digest fit
/// again.
pub fn change(file: &[u8], entry: &Signed, amount: i64) -> Outcome<Vec<u8>> {
    let bytes = entry.bytes();
    let digits = amount.to_le_bytes();
    let at = bytes.windows(digits.len()).rposition(|window| window == digits);
    let mut changed = bytes.to_vec();
    if let Some(byte) = changed.get_mut(at.ok_or_else(absent)?) {
        *byte ^= 1;
    }
    rewrite(file, |leaf| match leaf.split_first() {
        Some((_, rest)) if rest == bytes => Some([leaf.split_at(1).0, changed.as_slice()].concat()),
        _ => Some(leaf.to_vec()),
    })
}

/// Leaves one entry out of an export, and makes the digest fit again.
pub fn leave_out(file: &[u8], entry: &Signed) -> Outcome<Vec<u8>> {
    rewrite(file, |leaf| {
        let is_it = leaf.split_first().is_some_and(|(_, rest)| rest == entry.bytes());
        (!is_it).then(|| leaf.to_vec())
    })
}

/// Writes an export again, each leaf as `edit` wants it; a leaf left out leaves its place empty.
fn rewrite(file: &[u8], edit: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Outcome<Vec<u8>> {
    let mut writer: Option<Writer> = None;
    let mut out = Vec::new();
    for section in Sections::new(file)? {
        let (_, section) = section?;
        match (&section, &mut writer) {
            (Section::Head { cooperative, node, time }, None) => {
                let (begun, head) = Writer::begin(*cooperative, *node, *time);
                out.extend(head);
                writer = Some(begun);
            }
            (Section::Leaves { from, bundle }, Some(writer)) => {
                for (index, leaf) in (*from..).zip(unbundle(bundle)) {
                    for edited in leaves(index, edit(leaf)) {
                        out.extend(writer.frame(&edited));
                    }
                }
            }
            (_, Some(writer)) => out.extend(writer.frame(&section)),
            (_, None) => return Err(absent()),
        }
    }
    out.extend(writer.ok_or_else(absent)?.end());
    Ok(out)
}

/// The leaves of a bundle: a u16 big-endian length before each.
fn unbundle(bundle: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (leaf, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        Some(leaf)
    })
}

/// Two statements of one member for one place, each on other nodes.
pub struct Fork {
    /// The place.
    pub seq: u64,
    /// What the first node has.
    pub one: EntryId,
    /// What the others have.
    pub other: EntryId,
    /// The export of the first node, while it was alone.
    pub alone: Vec<u8>,
    /// The export of the last, while the first was away.
    pub others: Vec<u8>,
}

/// Signs two statements for one place. The first node gets one while it is alone; the others get the
/// other while it is away. All of them are up again when this returns.
pub fn fork(stage: &mut Stage, play: &Play<'_>, author: &str) -> Outcome<Fork> {
    let (one, other) = pair(play, author)?;
    let apart = |stage: &mut Stage, first: bool| -> Outcome {
        for (place, server) in stage.servers.iter_mut().enumerate() {
            match (place == 0) == first {
                true if !server.is_up() => server.restart()?,
                true => {}
                false => server.kill(),
            }
        }
        Ok(())
    };
    apart(stage, true)?;
    let (first, last) = (0, stage.servers.len().saturating_sub(1));
    node(stage, first)?.submit(&one, None)?;
    let alone = stage.export_now(server(stage, first)?)?.0;
    apart(stage, false)?;
    let before = stage.overview(server(stage, last)?)?.settled;
    node(stage, last)?.submit(&other, None)?;
    wait("the two nodes do not settle it", || {
        Ok(stage.overview(server(stage, last)?)?.settled > before)
    })?;
    let others = stage.export_now(server(stage, last)?)?.0;
    stage.servers.first_mut().ok_or_else(absent)?.restart()?;
    let (seq, one, other) = (one.header().seq, one.id(), other.id());
    Ok(Fork { seq, one, other, alone, others })
}

fn server(stage: &Stage, place: usize) -> Outcome<&Server> {
    stage.servers.get(place).ok_or_else(absent)
}

fn node(stage: &Stage, place: usize) -> Outcome<Node> {
    Ok(server(stage, place)?.node())
}

/// A contribution, and twice as much of it, in one place of the author's chain.
fn pair(play: &Play<'_>, author: &str) -> Outcome<(Signed, Signed)> {
    let key = play.key(author).ok_or_else(absent)?;
    let book = play.book();
    let last = book.entries().last().ok_or_else(absent)?;
    let header = book.header(&key.device(), last.header().time + 1000).ok_or_else(absent)?;
    let mut works = book.entries().filter_map(|entry| match entry.content() {
        Content::Known(Act::Contribution(work)) if entry.header().device == key.device() => {
            Some(work)
        }
        _ => None,
    });
    let one = works.next_back().ok_or_else(absent)?;
    let twice = one.quantity.value().checked_mul(2).unwrap_or(1);
    let mut other = one.clone();
    other.quantity = talea_protocol::bytes::Quantity::new(twice).map_err(|_| absent())?;
    let sign = |work| Draft::new(header, &Act::Contribution(work), None)?.sign(key);
    Ok((sign(one.clone())?, sign(other)?))
}

/// Writes a file of the demonstration.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome {
    std::fs::write(path, bytes).map_err(|error| Failure::file(path, &error))
}

fn absent() -> Failure {
    Failure::usage("the scenario has not what the demonstration shows", "report this")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_comes_apart_into_its_leaves() {
        let bundle = [0, 1, 7, 0, 0, 0, 2, 8, 9];
        let parts: Vec<&[u8]> = unbundle(&bundle).collect();
        assert_eq!(parts, [&[7][..], &[], &[8, 9]]);
        assert_eq!(unbundle(&[0, 5, 1]).count(), 0);
    }
}
