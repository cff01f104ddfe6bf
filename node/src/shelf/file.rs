//! The files on the shelf: what they are called, and whether they are what payloads say.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use talea_protocol::attachment::{Attachment, Check};
use talea_protocol::hash::{EntryId, Hash};

use super::ShelfFault;

/// Bytes read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Which file.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Label {
    /// Of which cooperative.
    pub cooperative: EntryId,
    /// The entry whose payload names it.
    pub entry: EntryId,
    /// The hash of its bytes.
    pub blake3: Hash,
}

impl Label {
    pub(super) fn name(&self) -> String {
        let Self { cooperative, entry, blake3 } = self;
        format!("{cooperative}.{entry}.{blake3}")
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '.');
        let cooperative = parts.next()?.parse().ok()?;
        let entry = parts.next()?.parse().ok()?;
        Some(Self { cooperative, entry, blake3: parts.next()?.parse().ok()? })
    }
}

/// The attachments in a folder.
///
/// # Errors
/// The system's.
pub fn files(folder: &Path) -> io::Result<Vec<(Label, PathBuf)>> {
    let mut files = Vec::new();
    for found in fs::read_dir(folder)? {
        let found = found?;
        let label = found.file_name().to_str().and_then(Label::parse);
        files.extend(label.map(|label| (label, found.path())));
    }
    Ok(files)
}

/// Whether a file has the very bytes of an attachment.
///
/// # Errors
/// [`ShelfFault::Mismatch`], [`ShelfFault::Disk`].
pub fn compare(path: &Path, attachment: &Attachment) -> Result<(), ShelfFault> {
    let (mut file, mut check) = (File::open(path)?, Check::new(attachment));
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(check.end()?),
            count => check.take(&piece[..count])?,
        }
    }
}

/// What whoever is not the system's administrator may still write to the disk of a folder.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
