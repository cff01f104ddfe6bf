//! What one node tells a stranger about a cooperative: a file that needs no node to be checked.
//!
//! A first line, then frames: the exporting node's own log with its leaves, the order of the
//! other logs that it mirrors, signed checkpoints, payloads, and a digest over all of it. The
//! digest finds damage; what is true, only signatures and roots tell, and who checks them is not
//! this file's business. Section 14 of the README.

use crate::bytes::{Decode, Encode, FRAME_BYTES_MAX, List, Malformed, Octets, decode, encode};
use crate::hash::{Context, EntryId, Hash};
use crate::key::NodeKey;
use crate::message::{BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX, ITEMS_MAX, Item, Payload};
use crate::tile::push_leaf;

/// The first line of every export.
pub const MAGIC: &[u8] = b"talea-export-1\n";

/// One frame of an export.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub enum Section {
    /// 0: whose this is. First, and once.
    Head {
        /// The cooperative.
        cooperative: EntryId,
        /// The node that exports: whose log the leaves are.
        node: NodeKey,
        /// The node's clock, in ms since 1970 UTC: a claim.
        time: u64,
    },
    /// 1: leaves of the exporting node's own log, each with its bytes.
    Leaves {
        /// Place of the first.
        from: u64,
        /// For each a u16 big-endian length and the leaf.
        bundle: Octets<BUNDLE_BYTES_MAX>,
    },
    /// 2: leaves of another log, as far as possible by the ids of their entries.
    Mirror {
        /// Whose log.
        log: NodeKey,
        /// Place of the first.
        from: u64,
        /// The leaves. [`Item::Copy`] names the exporting node's log.
        items: List<Item, ITEMS_MAX>,
    },
    /// 3: a signed checkpoint of a log, with its cosignatures.
    Checkpoint {
        /// Whose log.
        log: NodeKey,
        /// The signed note.
        note: Octets<CHECKPOINT_BYTES_MAX>,
    },
    /// 4: the erasable bytes beside an entry.
    Payload(Payload),
    /// 5: last, and once.
    End {
        /// BLAKE3 under [`Context::Export`] over every byte before this frame.
        digest: Hash,
    },
}

/// Writes an export piece by piece; the caller puts the pieces, in order, where they belong.
pub struct Writer(blake3::Hasher);

impl Writer {
    /// Begins an export; also returns its first bytes.
    #[must_use]
    pub fn begin(cooperative: EntryId, node: NodeKey, time: u64) -> (Self, Vec<u8>) {
        let mut writer = Self(Context::Export.hasher());
        writer.0.update(MAGIC);
        let head = writer.frame(&Section::Head { cooperative, node, time });
        (writer, [MAGIC, &head].concat())
    }

    /// The bytes of a section in between.
    pub fn frame(&mut self, section: &Section) -> Vec<u8> {
        let bytes = framed(section);
        self.0.update(&bytes);
        bytes
    }

    /// The last bytes.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        framed(&Section::End { digest: Hash(*self.0.finalize().as_bytes()) })
    }
}

fn framed(section: &Section) -> Vec<u8> {
    let bytes = encode(section);
    let length = u32::try_from(bytes.len()).expect("no section is longer than a frame");
    [length.to_le_bytes().as_slice(), &bytes].concat()
}

/// Puts successive leaves of the exporting node's log into as few sections as they need.
///
/// Leaves longer than a bundle allows do not exist: a log refuses them.
pub fn leaves<L: AsRef<[u8]>>(
    from: u64,
    leaves: impl IntoIterator<Item = L>,
) -> impl Iterator<Item = Section> {
    bundles(leaves).scan(from, |next, (count, bundle)| {
        let from = *next;
        *next += count;
        Some(Section::Leaves { from, bundle })
    })
}

/// Puts leaves into bundles, as few as they need, each with its number of leaves.
pub fn bundles<L: AsRef<[u8]>>(
    leaves: impl IntoIterator<Item = L>,
) -> impl Iterator<Item = (u64, Octets<BUNDLE_BYTES_MAX>)> {
    let mut leaves = leaves.into_iter().peekable();
    std::iter::from_fn(move || {
        let (mut count, mut bundle) = (0, Vec::new());
        let fits =
            |bundle: &Vec<u8>, leaf: &L| bundle.len() + 2 + leaf.as_ref().len() <= BUNDLE_BYTES_MAX;
        while let Some(leaf) = leaves.next_if(|leaf| fits(&bundle, leaf)) {
            push_leaf(&mut bundle, leaf.as_ref()).ok()?;
            count += 1;
        }
        (count > 0).then(|| Octets::new(bundle).map(|bundle| (count, bundle)))?
    })
}

/// Why bytes are not an export, or not all of one. Offsets are in bytes from the file's start.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExportFault {
    /// Something else, or a later version.
    #[error("not a talea export of version 1")]
    Magic,
    /// The file ends within a frame or before its last.
    #[error("the file ends at byte {at}, before its end section")]
    Short {
        /// Where it ends.
        at: usize,
    },
    /// A frame longer than any.
    #[error("a section of {length} bytes at byte {at}, at most {FRAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Where the frame begins.
        at: usize,
        /// Bytes that it claims.
        length: u32,
    },
    /// A frame with other bytes.
    #[error("no section at byte {at}: {reason}")]
    Section {
        /// Where the frame begins.
        at: usize,
        /// What is wrong.
        reason: Malformed,
    },
    /// The first section is another one, or a second head follows.
    #[error("the section at byte {at} is out of place")]
    Order {
        /// Where the frame begins.
        at: usize,
    },
    /// Some byte has changed since the file was written.
    #[error("the digest {found} is not that of the file, {computed}")]
    Digest {
        /// What the file says.
        found: Hash,
        /// What its bytes have.
        computed: Hash,
    },
    /// Bytes follow the end section.
    #[error("bytes follow the end section at byte {at}")]
    Trailing {
        /// Where they begin.
        at: usize,
    },
}

/// The sections of an export, one after another, with the offset of each; after a fault, nothing.
///
/// The head comes first. The end section is not given: its digest is compared, and a file that is
/// whole and as it was written ends without a fault.
pub struct Sections<'a> {
    file: &'a [u8],
    at: usize,
    done: bool,
}

impl<'a> Sections<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// [`ExportFault::Magic`].
    pub fn new(file: &'a [u8]) -> Result<Self, ExportFault> {
        if file.starts_with(MAGIC) {
            Ok(Self { file, at: MAGIC.len(), done: false })
        } else {
            Err(ExportFault::Magic)
        }
    }

    fn read(&mut self) -> Result<(usize, Section), ExportFault> {
        let at = self.at;
        let short = ExportFault::Short { at: self.file.len() };
        let rest = self.file.get(at..).unwrap_or_default();
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let length = u32::from_le_bytes(*length);
        let too_long = ExportFault::TooLong { at, length };
        let bytes = usize::try_from(length).map_err(|_| too_long)?;
        if bytes > FRAME_BYTES_MAX {
            return Err(too_long);
        }
        let frame = rest.get(..bytes).ok_or(short)?;
        let section =
            decode(frame, FRAME_BYTES_MAX).map_err(|reason| ExportFault::Section { at, reason })?;
        self.at += 4 + bytes;
        if matches!(section, Section::Head { .. }) != (at == MAGIC.len()) {
            return Err(ExportFault::Order { at });
        }
        Ok((at, section))
    }

    fn end(&self, at: usize, found: Hash) -> Option<ExportFault> {
        let computed = Context::Export.hash(&[self.file.get(..at).unwrap_or_default()]);
        if found != computed {
            return Some(ExportFault::Digest { found, computed });
        }
        (self.at < self.file.len()).then_some(ExportFault::Trailing { at: self.at })
    }
}

impl Iterator for Sections<'_> {
    type Item = Result<(usize, Section), ExportFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read();
        if let Ok((at, Section::End { digest })) = read {
            self.done = true;
            return self.end(at, digest).map(Err);
        }
        self.done = read.is_err();
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::bundled;

    fn export(sections: &[Section]) -> Vec<u8> {
        let (mut writer, mut file) = Writer::begin(EntryId([1; 32]), NodeKey([2; 32]), 7);
        for section in sections {
            file.extend(writer.frame(section));
        }
        file.extend(writer.end());
        file
    }

    fn read(file: &[u8]) -> Result<Vec<Section>, ExportFault> {
        Sections::new(file)?.map(|section| section.map(|(_, section)| section)).collect()
    }

    fn sections() -> Vec<Section> {
        let log = NodeKey([3; 32]);
        let items = vec![
            Item::Known(List::new(vec![EntryId([4; 32])]).unwrap()),
            Item::Copy { log: NodeKey([2; 32]), from: 1, count: 2 },
        ];
        let bytes = Octets::new(b"note".to_vec()).unwrap();
        let mut all: Vec<Section> = leaves(0, [b"abc".as_slice(), b"d"]).collect();
        all.push(Section::Mirror { log, from: 0, items: List::new(items).unwrap() });
        all.push(Section::Checkpoint { log, note: Octets::new(b"x\n".to_vec()).unwrap() });
        all.push(Section::Payload(Payload { entry: EntryId([5; 32]), salt: [6; 32], bytes }));
        all
    }

    #[test]
    fn an_export_is_read_back() {
        let head = Section::Head { cooperative: EntryId([1; 32]), node: NodeKey([2; 32]), time: 7 };
        assert_eq!(read(&export(&sections())), Ok([vec![head], sections()].concat()));
    }

    #[test]
    fn every_changed_missing_or_added_byte_is_noticed() {
        let file = export(&sections());
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "byte {at}");
            assert!(read(&file[..at]).is_err(), "cut at {at}");
        }
        let at = file.len();
        assert_eq!(read(&[file, vec![0]].concat()), Err(ExportFault::Trailing { at }));
    }

    #[test]
    fn the_head_comes_first_and_once() {
        let head = Section::Head { cooperative: EntryId::ZERO, node: NodeKey([2; 32]), time: 0 };
        assert!(matches!(read(&export(&[head])), Err(ExportFault::Order { .. })));
        let headless = [MAGIC, &framed(&sections()[0])].concat();
        assert_eq!(read(&headless), Err(ExportFault::Order { at: MAGIC.len() }));
    }

    #[test]
    fn a_section_longer_than_a_frame_is_refused_before_it_is_read() {
        let length = u32::try_from(FRAME_BYTES_MAX).unwrap() + 1;
        let file = [MAGIC, &length.to_le_bytes(), &vec![0; FRAME_BYTES_MAX + 1]].concat();
        assert_eq!(read(&file), Err(ExportFault::TooLong { at: MAGIC.len(), length }));
    }

    #[test]
    fn leaves_are_cut_into_sections_that_follow_each_other() {
        let log: Vec<Vec<u8>> = (1000..1700).map(|length| vec![9; length]).collect();
        let mut next = 0;
        let mut again: Vec<Vec<u8>> = Vec::new();
        for section in leaves(0, &log) {
            let Section::Leaves { from, bundle } = section else { panic!("no leaves") };
            assert_eq!(from, next);
            let leaves = bundled(&bundle).unwrap();
            next += u64::try_from(leaves.len()).unwrap();
            again.extend(leaves.into_iter().map(<[u8]>::to_vec));
        }
        assert_eq!(again, log);
        assert_eq!(leaves(0, Vec::<Vec<u8>>::new()).count(), 0);
    }
}
