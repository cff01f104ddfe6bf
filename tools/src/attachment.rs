//! Files that are attached to an entry, on this machine: measured, kept until nodes have them,
//! compared with what a payload says.
//!
//! All of it in pieces: no file is ever whole in memory. What an attachment is, and how long it may
//! be, `talea_protocol::attachment` says; who is given it, nodes see to.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use talea_protocol::attachment::{ATTACHMENT_BYTES_MAX, Attachment, Check, Mismatch, Visibility};
use talea_protocol::hash::{EntryId, Hash};

use crate::private;

/// Bytes read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Media types by the ends of names; whatever else it is, its author can say.
const MEDIA: [(&str, &str); 16] = [
    ("csv", "text/csv"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("heic", "image/heic"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("webp", "image/webp"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
];
/// What nobody knows better.
const ANYTHING: &str = "application/octet-stream";

/// Why a file is not attached, kept, or what was attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentFault {
    /// It is no attachment.
    #[error("{} has {size} bytes: an attachment has one at least, and 16 MiB at most", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// How many it has.
        size: u64,
    },
    /// It has other bytes.
    #[error("{}: {mismatch}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// How they differ.
        mismatch: Mismatch,
    },
    /// The disk refused.
    #[error("{}: {error}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        error: io::Error,
    },
}

impl AttachmentFault {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Size { .. } => "attach a smaller copy of it, or parts of it",
            Self::Mismatch { .. } => "it has changed: attach it again, or fetch it from a node",
            Self::Disk { .. } => "check the name, the permissions and the free space",
        }
    }
}

fn disk(path: &Path) -> impl Fn(io::Error) -> AttachmentFault {
    move |error| AttachmentFault::Disk { path: path.to_owned(), error }
}

/// What a payload says of this file.
///
/// # Errors
/// [`AttachmentFault::Size`], [`AttachmentFault::Disk`].
pub fn measure(path: &Path, visibility: Visibility) -> Result<Attachment, AttachmentFault> {
    let mut file = File::open(path).map_err(disk(path))?;
    let size = file.metadata().map_err(disk(path))?.len();
    if !(1..=ATTACHMENT_BYTES_MAX).contains(&size) {
        return Err(AttachmentFault::Size { path: path.to_owned(), size });
    }
    let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
    pieces(&mut file, |piece| {
        size += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        hasher.update(piece);
        Ok(())
    })
    .map_err(disk(path))?;
    let blake3 = Hash(*hasher.finalize().as_bytes());
    let attachment = Attachment { blake3, size, media: media(path).to_owned(), visibility };
    // It may have grown while it was read.
    let is_sound = attachment.is_sound();
    is_sound.then_some(attachment).ok_or(AttachmentFault::Size { path: path.to_owned(), size })
}

fn media(path: &Path) -> &'static str {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let known = MEDIA.iter().find(|(known, _)| end.eq_ignore_ascii_case(known));
    known.map_or(ANYTHING, |(_, media)| media)
}

/// Whether a file is what was attached.
///
/// # Errors
/// [`AttachmentFault::Mismatch`], [`AttachmentFault::Disk`].
pub fn compare(path: &Path, attachment: &Attachment) -> Result<(), AttachmentFault> {
    let mut file = File::open(path).map_err(disk(path))?;
    transfer(path, &mut file, attachment, &mut io::sink())
}

/// Writes what comes to a file, whole and right or not at all; in place of what was there.
///
/// # Errors
/// [`AttachmentFault::Mismatch`], [`AttachmentFault::Disk`]: `to` is then as it was.
pub fn save(
    from: &mut dyn Read,
    attachment: &Attachment,
    to: &Path,
) -> Result<(), AttachmentFault> {
    let folder = to.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(disk(to))?;
    transfer(to, from, attachment, file.as_file_mut())?;
    file.as_file().sync_all().map_err(disk(to))?;
    file.persist(to).map_err(|fault| disk(to)(fault.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(disk(to))
}

fn transfer(
    path: &Path,
    from: &mut dyn Read,
    attachment: &Attachment,
    to: &mut dyn Write,
) -> Result<(), AttachmentFault> {
    let mut check = Check::new(attachment);
    let mut wrong = None;
    let read = pieces(from, |piece| match check.take(piece) {
        Ok(()) => to.write_all(piece),
        Err(mismatch) => {
            wrong = Some(mismatch);
            Err(io::ErrorKind::InvalidData.into())
        }
    });
    let mismatch = |mismatch| AttachmentFault::Mismatch { path: path.to_owned(), mismatch };
    match (wrong, read) {
        (Some(wrong), _) => Err(mismatch(wrong)),
        (None, read) => read.map_err(disk(path)),
    }?;
    check.end().map_err(mismatch)
}

fn pieces(from: &mut dyn Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// One that no node has yet, or too few.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Waiting {
    /// The entry beside which it lies.
    pub entry: EntryId,
    /// The hash of its bytes.
    pub blake3: Hash,
    /// Where they are.
    pub path: PathBuf,
}

/// The attachments in a wallet's folder that wait for their nodes.
#[derive(Clone, Debug)]
pub struct Attic(PathBuf);

impl Attic {
    /// Those in this folder, which is made when something is kept.
    #[must_use]
    pub const fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Keeps a copy of a file, which is what was measured; durable when this returns.
    ///
    /// # Errors
    /// [`AttachmentFault`].
    pub fn keep(
        &self,
        entry: &EntryId,
        attachment: &Attachment,
        file: &Path,
    ) -> Result<(), AttachmentFault> {
        private::folder(&self.0).map_err(disk(&self.0))?;
        let mut from = File::open(file).map_err(disk(file))?;
        let to = self.0.join(format!("{entry}.{}", attachment.blake3));
        save(&mut from, attachment, &to).map_err(|fault| match fault {
            AttachmentFault::Mismatch { mismatch, .. } => {
                AttachmentFault::Mismatch { path: file.to_owned(), mismatch }
            }
            other => other,
        })
    }

    /// Those that wait.
    ///
    /// # Errors
    /// [`AttachmentFault::Disk`].
    pub fn waiting(&self) -> Result<Vec<Waiting>, AttachmentFault> {
        let found = match fs::read_dir(&self.0) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(disk(&self.0)(error)),
        };
        let mut waiting = Vec::new();
        for file in found {
            let path = file.map_err(disk(&self.0))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let ids = name.split_once('.');
            let ids = ids.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            waiting.extend(ids.map(|(entry, blake3)| Waiting { entry, blake3, path }));
        }
        waiting.sort();
        Ok(waiting)
    }

    /// Forgets one that nodes have, or that is to be erased.
    ///
    /// # Errors
    /// [`AttachmentFault::Disk`].
    pub fn forget(&self, one: &Waiting) -> Result<(), AttachmentFault> {
        fs::remove_file(&one.path).map_err(disk(&one.path))
    }
}

/// Where the attachments of an export lie: `fournil.talea` has `fournil.attachments` beside it.
#[must_use]
pub fn beside(export: &Path) -> PathBuf {
    export.with_extension("attachments")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached(folder: &Path, name: &str, bytes: &[u8]) -> (PathBuf, Attachment) {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let attachment = measure(&path, Visibility::Members).unwrap();
        (path, attachment)
    }

    #[test]
    fn a_file_is_attached_up_to_sixteen_mebibytes_and_never_when_it_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.PDF");
        let file = File::create(&path).unwrap();
        file.set_len(ATTACHMENT_BYTES_MAX).unwrap();
        let measured = measure(&path, Visibility::Members).unwrap();
        assert_eq!(
            (measured.size, measured.media.as_str()),
            (ATTACHMENT_BYTES_MAX, "application/pdf")
        );
        for size in [0, ATTACHMENT_BYTES_MAX + 1] {
            file.set_len(size).unwrap();
            let refused = measure(&path, Visibility::Members);
            assert!(
                matches!(refused, Err(AttachmentFault::Size { size: found, .. }) if found == size)
            );
        }
    }

    #[test]
    fn what_a_wallet_keeps_is_what_was_measured_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, attachment) = attached(folder.path(), "receipt.png", b"a receipt");
        let attic = Attic::at(folder.path().join("attic"));
        assert_eq!(attic.waiting().unwrap(), []);
        attic.keep(&EntryId([1; 32]), &attachment, &path).unwrap();
        fs::write(&path, b"a Receipt").unwrap();
        let changed = attic.keep(&EntryId([2; 32]), &attachment, &path);
        assert!(matches!(changed, Err(AttachmentFault::Mismatch { .. })), "{changed:?}");
        let waiting = attic.waiting().unwrap();
        let [one] = waiting.as_slice() else { panic!("{waiting:?}") };
        assert_eq!((one.entry, one.blake3), (EntryId([1; 32]), attachment.blake3));
        compare(&one.path, &attachment).unwrap();
        attic.forget(one).unwrap();
        assert_eq!(attic.waiting().unwrap(), []);
    }

    #[test]
    fn wrong_bytes_leave_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let (_, attachment) = attached(folder.path(), "minutes", b"minutes");
        let to = folder.path().join("out");
        fs::write(&to, b"before").unwrap();
        for wrong in [&b"Minutes"[..], b"minute", b"minutes!"] {
            let refused = save(&mut &wrong[..], &attachment, &to);
            assert!(matches!(refused, Err(AttachmentFault::Mismatch { .. })));
            assert_eq!(fs::read(&to).unwrap(), b"before");
        }
        save(&mut &b"minutes"[..], &attachment, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"minutes");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
