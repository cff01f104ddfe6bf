//! Attachments as they lie beside the database: one file each, whole or not there.
//!
//! ```text
//! attachments/<cooperative>.<entry>.<blake3>     named by the payload of that entry, and checked
//! attachments.part/                              what is arriving; emptied at each start
//! ```
//!
//! What arrives is checked while it is written, synced, and then moved to its place. A file that
//! two entries name lies here twice, so that the erasure of one payload takes its own and nothing
//! else. Who may bring and have them is asked elsewhere.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use talea_ledger::batch::{Batch, Column};
use talea_ledger::replica::{Replica, payload_key};
use talea_protocol::attachment::{Attachment, Check, Mismatch, listed};
use talea_protocol::hash::{EntryId, Hash};
use tempfile::NamedTempFile;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::{Store, StoreFault};

/// The folder, in the data folder.
pub const FOLDER: &str = "attachments";
/// What is arriving.
const INCOMING: &str = "attachments.part";
/// Attachments that may be arriving at a time, from wallets and from peers: an upload holds a
/// connection for as long as it takes.
pub const ARRIVING_MAX: usize = 8;
/// Bytes of attachments of one cooperative: 64 GiB, so that no cooperative fills another's disk.
pub const SHELF_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

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
    fn name(&self) -> String {
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

/// Why an attachment is not kept.
#[derive(Debug, thiserror::Error)]
pub enum ShelfFault {
    /// It is another one: the fault of whoever sent it.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// As many are arriving as may.
    #[error("{ARRIVING_MAX} attachments are arriving")]
    Busy,
    /// The cooperative has as many bytes of them as it may.
    #[error("the attachments of this cooperative have {SHELF_BYTES_MAX} bytes here")]
    Full,
    /// The payload that names it has gone in the meantime.
    #[error("its payload has been erased")]
    Erased,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The files.
    #[error("attachments cannot be read or written: {0}")]
    Disk(#[from] io::Error),
}

/// The attachments that are here.
pub struct Shelf {
    folder: PathBuf,
    incoming: PathBuf,
    store: Arc<Store>,
    /// Held while a file gets its place, and while files lose theirs.
    places: Mutex<()>,
    seats: Arc<Semaphore>,
}

/// One that is arriving. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Arriving {
    label: Label,
    file: NamedTempFile,
    check: Check,
    _seat: OwnedSemaphorePermit,
}

impl Arriving {
    /// Takes the bytes that come next.
    ///
    /// # Errors
    /// [`ShelfFault::Mismatch`], [`ShelfFault::Disk`].
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), ShelfFault> {
        self.check.take(bytes)?;
        Ok(self.file.write_all(bytes)?)
    }

    /// How many bytes have come.
    #[must_use]
    pub const fn found(&self) -> u64 {
        self.check.found()
    }

    /// Whether all have come.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.check.is_whole()
    }
}

impl Shelf {
    /// The attachments of a data folder; what was arriving when the node stopped is removed.
    ///
    /// # Errors
    /// The system's.
    pub fn open(data: &Path, store: Arc<Store>) -> io::Result<Self> {
        let (folder, incoming) = (data.join(FOLDER), data.join(INCOMING));
        match fs::remove_dir_all(&incoming) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            Ok(()) | Err(_) => {}
        }
        for folder in [&folder, &incoming] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let seats = Arc::new(Semaphore::new(ARRIVING_MAX));
        Ok(Self { folder, incoming, store, places: Mutex::new(()), seats })
    }

    /// The attachments that the payload of an entry names, if it is here.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn listed(
        &self,
        cooperative: &EntryId,
        entry: &EntryId,
    ) -> Result<Vec<Attachment>, StoreFault> {
        let value = self.store.read(Column::Payload, &payload_key(cooperative, entry))?;
        // The salt stands before it.
        Ok(value.as_deref().and_then(|value| value.get(32..)).map(listed).unwrap_or_default())
    }

    /// What is said of one attachment by a payload that is here.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn named(&self, label: &Label) -> Result<Option<Attachment>, StoreFault> {
        let all = self.listed(&label.cooperative, &label.entry)?;
        Ok(all.into_iter().find(|it| it.blake3 == label.blake3))
    }

    /// Whether its bytes are here.
    #[must_use]
    pub fn has(&self, label: &Label) -> bool {
        self.path(label).exists()
    }

    /// Its bytes, if they are here. They were checked when they came; whoever gets them checks
    /// them again.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self, label: &Label) -> io::Result<Option<File>> {
        match File::open(self.path(label)) {
            Ok(file) => Ok(Some(file)),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Makes room for one that a payload here names.
    ///
    /// # Errors
    /// [`ShelfFault::Busy`], [`ShelfFault::Full`], [`ShelfFault::Disk`].
    pub fn begin(&self, label: Label, attachment: &Attachment) -> Result<Arriving, ShelfFault> {
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| ShelfFault::Busy)?;
        if self.bytes_of(&label.cooperative)?.saturating_add(attachment.size) > SHELF_BYTES_MAX {
            return Err(ShelfFault::Full);
        }
        let file = NamedTempFile::new_in(&self.incoming)?;
        Ok(Arriving { label, file, check: Check::new(attachment), _seat: seat })
    }

    /// Keeps one that has come whole and right; durable when this returns.
    ///
    /// # Errors
    /// [`ShelfFault::Mismatch`], [`ShelfFault::Erased`], [`ShelfFault::Disk`]; nothing is kept then.
    pub fn keep(&self, arriving: Arriving) -> Result<(), ShelfFault> {
        arriving.check.end()?;
        arriving.file.as_file().sync_all()?;
        let _places = self.places();
        // An erasure that came first has found nothing to remove; one that comes later will.
        if self.named(&arriving.label)?.is_none() {
            return Err(ShelfFault::Erased);
        }
        arriving.file.persist(self.path(&arriving.label)).map_err(|fault| fault.error)?;
        Ok(self.sync()?)
    }

    /// Removes what the payload of an entry named; returns how many files.
    ///
    /// # Errors
    /// The system's.
    pub fn erase(&self, cooperative: &EntryId, entry: &EntryId) -> io::Result<usize> {
        self.remove(|label| label.cooperative == *cooperative && label.entry == *entry)
    }

    /// Removes what the payloads named that this batch has deleted: called when it is on the disk.
    ///
    /// # Errors
    /// The system's.
    pub fn follow(&self, batch: &Batch) -> io::Result<usize> {
        let mut count = 0;
        for (column, key) in batch.deletes() {
            let ids = key.split_first_chunk::<32>().filter(|_| *column == Column::Payload);
            let Some((cooperative, entry)) = ids else { continue };
            let Ok(entry) = entry.try_into() else { continue };
            count += self.erase(&EntryId(*cooperative), &EntryId(entry))?;
        }
        Ok(count)
    }

    /// Removes payloads that are erased and lie here all the same, and whatever they named: after
    /// an erasure that the node did not survive, or a backup that was older than the order.
    /// Returns how many payloads and files.
    ///
    /// # Errors
    /// [`ShelfFault::Store`], [`ShelfFault::Disk`].
    pub fn forget(&self, replica: &Replica) -> Result<usize, ShelfFault> {
        let cooperative = replica.cooperative();
        let erased: BTreeSet<EntryId> =
            replica.erased().iter().chain(replica.state().erased().keys()).copied().collect();
        let mut batch = Batch::new();
        for entry in &erased {
            let key = payload_key(&cooperative, entry);
            if self.store.read(Column::Payload, &key)?.is_some() {
                batch.delete(Column::Payload, key);
            }
        }
        if !batch.is_empty() {
            self.store.write(&batch)?;
        }
        let is_gone =
            |label: &Label| label.cooperative == cooperative && erased.contains(&label.entry);
        Ok(batch.deletes().len() + self.remove(is_gone)?)
    }

    fn remove(&self, is_gone: impl Fn(&Label) -> bool) -> io::Result<usize> {
        let _places = self.places();
        let mut count = 0;
        for (label, path) in self.files()? {
            if is_gone(&label) {
                fs::remove_file(path)?;
                count += 1;
            }
        }
        if count > 0 {
            self.sync()?;
        }
        Ok(count)
    }

    fn bytes_of(&self, cooperative: &EntryId) -> io::Result<u64> {
        let mut bytes = 0_u64;
        for (label, path) in self.files()? {
            if label.cooperative == *cooperative {
                // One that has gone in between has no bytes.
                bytes = bytes.saturating_add(path.metadata().map_or(0, |it| it.len()));
            }
        }
        Ok(bytes)
    }

    fn files(&self) -> io::Result<Vec<(Label, PathBuf)>> {
        let mut files = Vec::new();
        for found in fs::read_dir(&self.folder)? {
            let found = found?;
            let label = found.file_name().to_str().and_then(Label::parse);
            files.extend(label.map(|label| (label, found.path())));
        }
        Ok(files)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self, label: &Label) -> PathBuf {
        self.folder.join(label.name())
    }

    fn places(&self) -> MutexGuard<'_, ()> {
        self.places.lock().expect("nothing panics while it moves files")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use talea_protocol::attachment::{ATTACHMENT_BYTES_MAX, Visibility};

    const HERE: EntryId = EntryId([1; 32]);
    const ENTRY: EntryId = EntryId([2; 32]);

    fn attachment(bytes: &[u8]) -> Attachment {
        Attachment {
            blake3: Hash(*blake3::hash(bytes).as_bytes()),
            size: u64::try_from(bytes.len()).unwrap(),
            media: "image/jpeg".to_owned(),
            visibility: Visibility::Members,
        }
    }

    fn label(entry: EntryId, of: &Attachment) -> Label {
        Label { cooperative: HERE, entry, blake3: of.blake3 }
    }

    /// A shelf, and a payload of each entry that names this attachment.
    fn shelf(folder: &Path, entries: &[EntryId], of: &Attachment) -> Shelf {
        let store = Arc::new(Store::open(&folder.join("store")).unwrap());
        let mut batch = Batch::new();
        for entry in entries {
            let payload = json!({ "attachments": [of] }).to_string();
            let value = [&[7; 32][..], payload.as_bytes()].concat();
            batch.put(Column::Payload, payload_key(&HERE, entry), value);
        }
        store.write(&batch).unwrap();
        Shelf::open(folder, store).unwrap()
    }

    fn bring(shelf: &Shelf, label: Label, of: &Attachment, bytes: &[u8]) -> Result<(), ShelfFault> {
        let mut arriving = shelf.begin(label, of)?;
        for piece in bytes.chunks(64 * 1024) {
            arriving.take(piece)?;
        }
        shelf.keep(arriving)
    }

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn sixteen_mebibytes_are_kept_and_one_byte_more_or_less_or_other_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = vec![3; usize::try_from(ATTACHMENT_BYTES_MAX).unwrap() + 1];
        let whole = bytes.len() - 1;
        let of = attachment(&bytes[..whole]);
        let (shelf, label) = (shelf(folder.path(), &[ENTRY], &of), label(ENTRY, &of));
        for wrong in [&bytes[..], &bytes[..whole - 1], &[], &vec![4; whole]] {
            let refused = bring(&shelf, label, &of, wrong);
            assert!(matches!(refused, Err(ShelfFault::Mismatch(_))), "{refused:?}");
            assert!(!shelf.has(&label));
            assert_eq!((count(&shelf.folder), count(&shelf.incoming)), (0, 0));
        }
        bytes.truncate(whole);
        bring(&shelf, label, &of, &bytes).unwrap();
        assert!(shelf.has(&label));
        assert_eq!(count(&shelf.incoming), 0);
        let mut read = Vec::new();
        io::copy(&mut shelf.read(&label).unwrap().unwrap(), &mut read).unwrap();
        assert!(read == bytes);
    }

    #[test]
    fn what_was_arriving_when_the_node_stopped_is_gone_when_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        let of = attachment(b"a receipt");
        let (shelf, label) = (shelf(folder.path(), &[ENTRY], &of), label(ENTRY, &of));
        let mut arriving = shelf.begin(label, &of).unwrap();
        arriving.take(b"a rec").unwrap();
        // As a process that is killed leaves it.
        let (_, left) = arriving.file.keep().unwrap();
        assert!(left.exists());
        let store = Arc::clone(&shelf.store);
        drop(shelf);
        let shelf = Shelf::open(folder.path(), store).unwrap();
        assert!(!left.exists() && !shelf.has(&label));
        bring(&shelf, label, &of, b"a receipt").unwrap();
    }

    #[test]
    fn an_erased_payload_takes_its_files_and_not_those_of_another_entry() {
        let folder = tempfile::tempdir().unwrap();
        let (of, other) = (attachment(b"a photo"), EntryId([3; 32]));
        let shelf = shelf(folder.path(), &[ENTRY, other], &of);
        let (one, two) = (label(ENTRY, &of), label(other, &of));
        bring(&shelf, one, &of, b"a photo").unwrap();
        bring(&shelf, two, &of, b"a photo").unwrap();
        let mut late = shelf.begin(one, &of).unwrap();
        late.take(b"a photo").unwrap();
        let mut batch = Batch::new();
        batch.delete(Column::Payload, payload_key(&HERE, &ENTRY));
        batch.delete(Column::Leaf, payload_key(&HERE, &other));
        shelf.store.write(&batch).unwrap();
        assert_eq!(shelf.follow(&batch).unwrap(), 1);
        assert!(!shelf.has(&one) && shelf.has(&two));
        assert_eq!(shelf.named(&one).unwrap(), None);
        assert_eq!(shelf.named(&two).unwrap(), Some(of.clone()));
        assert!(matches!(shelf.keep(late), Err(ShelfFault::Erased)));
        assert!(!shelf.has(&one));
    }

    #[test]
    fn eight_arrive_at_a_time_and_the_ninth_waits() {
        let folder = tempfile::tempdir().unwrap();
        let of = attachment(b"a photo");
        let (shelf, label) = (shelf(folder.path(), &[ENTRY], &of), label(ENTRY, &of));
        let mut arriving: Vec<Arriving> =
            (0..ARRIVING_MAX).map(|_| shelf.begin(label, &of).unwrap()).collect();
        assert!(matches!(shelf.begin(label, &of), Err(ShelfFault::Busy)));
        arriving.pop();
        assert!(shelf.begin(label, &of).is_ok());
    }
}
