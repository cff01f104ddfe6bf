//! Three ways to cheat with an export, so that everybody can see how each is caught.
//!
//! Each gives the file a fresh digest, as a cheat would: the digest finds damage, not lies. Used
//! by the demonstration and the tests; nothing else in Talea changes what somebody has signed.

use std::ops::Range;

use talea_protocol::act::Act;
use talea_protocol::entry::{self, Entry, Header, Refusal};
use talea_protocol::export::{ExportFault, Section, Sections, Writer, leaves};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::leaf::{accept, accepted, bundled};
use talea_protocol::tile::BundleFault;

/// Where an entry's time stands: any change of it leaves an entry that can be read.
const TIME: Range<usize> = 138..146;

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CheatFault {
    /// Not an export, or not a whole one.
    #[error(transparent)]
    Export(#[from] ExportFault),
    /// A bundle that does not end with a leaf.
    #[error(transparent)]
    Bundle(#[from] BundleFault),
    /// The exporting node's log holds fewer entries.
    #[error("there is no entry {wanted} in this export, only {count}")]
    NoEntry {
        /// Which was asked for, from 0.
        wanted: usize,
        /// How many there are.
        count: usize,
    },
    /// The entry cannot be signed again: not by this key, or not with this act.
    #[error("this key did not sign that entry")]
    Key,
    /// What would come out is not an entry.
    #[error(transparent)]
    Entry(#[from] Refusal),
}

/// Changes one byte of the `entry`-th entry, from 0, in the exporting node's log.
///
/// # Errors
/// [`CheatFault`].
pub fn change_byte(file: &[u8], entry: usize) -> Result<Vec<u8>, CheatFault> {
    let mut export = Export::unpack(file)?;
    let place = export.entry(entry)?;
    if let Some((_, leaf)) = export.leaves.get_mut(place)
        && let Some(byte) = leaf.get_mut(1 + TIME.start)
    {
        *byte ^= 1;
    }
    Ok(export.pack())
}

/// Leaves out the `entry`-th entry, from 0, of the exporting node's log, and its payload.
///
/// # Errors
/// [`CheatFault`].
pub fn drop_entry(file: &[u8], entry: usize) -> Result<Vec<u8>, CheatFault> {
    let mut export = Export::unpack(file)?;
    let (_, leaf) = export.leaves.remove(export.entry(entry)?);
    let dropped = Entry::parse(accepted(&leaf).unwrap_or_default().to_vec())?.id();
    export.rest.retain(
        |section| !matches!(section, Section::Payload(payload) if payload.entry == dropped),
    );
    Ok(export.pack())
}

/// Signs the `entry`-th entry's place, from 0, a second time with its author's key, and adds that
/// at the end of the exporting node's log. Also returns the second entry's id.
///
/// # Errors
/// [`CheatFault`].
pub fn sign_twice(
    file: &[u8],
    entry: usize,
    key: &SecretKey,
) -> Result<(Vec<u8>, EntryId), CheatFault> {
    let mut export = Export::unpack(file)?;
    let (_, leaf) = export.leaves.get(export.entry(entry)?).cloned().unwrap_or_default();
    let first = Entry::parse(accepted(&leaf).unwrap_or_default().to_vec())?;
    let second = entry::sign(key, &later(first.header()), act(&first, key)?)?;
    let end = export.leaves.last().map_or(0, |(index, _)| index + 1);
    export.leaves.push((end, accept(&second)));
    Ok((export.pack(), second.id()))
}

fn later(header: &Header) -> Header {
    Header { time: header.time.saturating_add(1), ..*header }
}

fn act<'a>(entry: &'a Entry, key: &SecretKey) -> Result<&'a Act, CheatFault> {
    match entry.content() {
        talea_protocol::act::Content::Known(act) if entry.header().device == key.device() => {
            Ok(act)
        }
        _ => Err(CheatFault::Key),
    }
}

/// An export, taken apart.
struct Export {
    cooperative: EntryId,
    node: NodeKey,
    time: u64,
    leaves: Vec<(u64, Vec<u8>)>,
    rest: Vec<Section>,
}

impl Export {
    fn unpack(file: &[u8]) -> Result<Self, CheatFault> {
        let mut export = Self {
            cooperative: EntryId::ZERO,
            node: NodeKey([0; 32]),
            time: 0,
            leaves: Vec::new(),
            rest: Vec::new(),
        };
        for section in Sections::new(file)? {
            match section?.1 {
                Section::Head { cooperative, node, time } => {
                    (export.cooperative, export.node, export.time) = (cooperative, node, time);
                }
                Section::Leaves { from, bundle } => {
                    let leaves = bundled(&bundle)?.into_iter().map(<[u8]>::to_vec);
                    export.leaves.extend((from..).zip(leaves));
                }
                section => export.rest.push(section),
            }
        }
        Ok(export)
    }

    /// The place, among the leaves, of the `wanted`-th accept leaf.
    fn entry(&self, wanted: usize) -> Result<usize, CheatFault> {
        let is_accept = |(_, (_, leaf)): &(usize, &(u64, Vec<u8>))| accepted(leaf).is_some();
        let mut accepts = self.leaves.iter().enumerate().filter(is_accept).map(|(place, _)| place);
        let count = accepts.clone().count();
        accepts.nth(wanted).ok_or(CheatFault::NoEntry { wanted, count })
    }

    fn pack(self) -> Vec<u8> {
        let (mut writer, mut file) = Writer::begin(self.cooperative, self.node, self.time);
        for run in self.leaves.chunk_by(|(one, _), (next, _)| one + 1 == *next) {
            let from = run.first().map_or(0, |(index, _)| *index);
            for section in leaves(from, run.iter().map(|(_, leaf)| leaf)) {
                file.extend(writer.frame(&section));
            }
        }
        for section in &self.rest {
            file.extend(writer.frame(section));
        }
        file.extend(writer.end());
        file
    }
}
