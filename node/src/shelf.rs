//! Attachments as they lie beside the database: one file each, whole or not there.
//!
//! ```text
//! attachments/<cooperative>.<entry>.<blake3>     named by the payload of that entry, and checked
//! attachments.part/                              what is arriving; emptied at each start
//! ```
//!
//! What arrives is checked while it is written, synced, and then moved to its place. A file that
//! two entries name lies here twice, so that the erasure of one payload takes its own and nothing
//! else. What payloads name and is not here is known, too. Who may bring and have them, and who
//! fetches what is missing, is settled elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use talea_ledger::batch::{Batch, Column};
use talea_ledger::replica::{Replica, payload_key};
use talea_protocol::attachment::{self, Attachment, Check, Mismatch};
use talea_protocol::hash::EntryId;
use tempfile::NamedTempFile;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::span::Span;
use crate::store::{Store, StoreFault};

mod file;
mod missing;

pub use file::{Label, compare, files};
pub use missing::MISSING_MAX;
use missing::Missing;

/// The folder, in the data folder.
pub const FOLDER: &str = "attachments";
/// What is arriving.
const INCOMING: &str = "attachments.part";
/// Attachments that may be arriving at a time, from wallets and from peers: an upload holds a
/// connection for as long as it takes.
pub const ARRIVING_MAX: usize = 8;
/// Bytes that attachments leave free on the disk, so that they never end what entries need.
pub const FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;
/// Bytes of payloads that are looked through at once.
const SURVEY_BYTES: usize = 1024 * 1024;

/// Why an attachment is not kept.
#[derive(Debug, thiserror::Error)]
pub enum ShelfFault {
    /// It is another one: the fault of whoever sent it.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// As many are arriving as may.
    #[error("{ARRIVING_MAX} attachments are arriving")]
    Busy,
    /// It is being fetched already.
    #[error("it is being fetched from another node")]
    UnderWay,
    /// The cooperative has as many bytes of them as it may.
    #[error("the attachments of one cooperative may have {most} bytes here")]
    Full {
        /// How many, by the operator's settings.
        most: u64,
    },
    /// The disk has little left, which entries may need.
    #[error("the disk has {free} bytes left, and attachments leave {FREE_BYTES_MIN}")]
    Room {
        /// How many it has.
        free: u64,
    },
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
    most: u64,
    /// How many bytes the disk of a folder has left.
    free: fn(&Path) -> io::Result<u64>,
    /// Held while a file gets its place, while files lose theirs, and while it is looked at what
    /// is missing.
    places: Mutex<Places>,
    seats: Arc<Semaphore>,
    /// Something is missing that was not before.
    news: Notify,
}

#[derive(Default)]
struct Places {
    bytes: BTreeMap<EntryId, u64>,
    missing: Missing,
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
    /// The attachments of a data folder, with `most` bytes of one cooperative; what was arriving
    /// when the node stopped is removed.
    ///
    /// # Errors
    /// The system's.
    pub fn open(data: &Path, store: Arc<Store>, most: u64) -> io::Result<Self> {
        let (folder, incoming) = (data.join(FOLDER), data.join(INCOMING));
        match fs::remove_dir_all(&incoming) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            Ok(()) | Err(_) => {}
        }
        for folder in [&folder, &incoming] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut bytes = BTreeMap::new();
        for (label, path) in files(&folder)? {
            *bytes.entry(label.cooperative).or_default() += path.metadata()?.len();
        }
        let places = Mutex::new(Places { bytes, missing: Missing::default() });
        let (seats, news) = (Arc::new(Semaphore::new(ARRIVING_MAX)), Notify::new());
        Ok(Self { folder, incoming, store, most, free: file::free_bytes, places, seats, news })
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
        listed(&self.store, cooperative, entry)
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
    /// [`ShelfFault::Busy`], [`ShelfFault::Full`], [`ShelfFault::Room`], [`ShelfFault::Disk`].
    pub fn begin(&self, label: Label, attachment: &Attachment) -> Result<Arriving, ShelfFault> {
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| ShelfFault::Busy)?;
        let held = self.places().bytes.get(&label.cooperative).copied().unwrap_or(0);
        if held.saturating_add(attachment.size) > self.most {
            return Err(ShelfFault::Full { most: self.most });
        }
        let free = (self.free)(&self.folder)?;
        if free < FREE_BYTES_MIN.saturating_add(attachment.size) {
            return Err(ShelfFault::Room { free });
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
        let (label, size) = (arriving.label, arriving.check.found());
        let mut places = self.places();
        // An erasure that came first has found nothing to remove; one that comes later will.
        if self.named(&label)?.is_none() {
            return Err(ShelfFault::Erased);
        }
        let is_new = !self.has(&label);
        arriving.file.persist(self.path(&label)).map_err(|fault| fault.error)?;
        if is_new {
            *places.bytes.entry(label.cooperative).or_default() += size;
        }
        places.missing.remove(&label);
        Ok(self.sync()?)
    }

    /// Follows a batch that is on the disk: the files go that the payloads named which it deleted,
    /// and what those name which it put is missing from now on. Returns how many files went.
    ///
    /// # Errors
    /// The system's.
    pub fn follow(&self, batch: &Batch) -> io::Result<usize> {
        let of = |column, key: &[u8]| entry_of(key).filter(|_| column == Column::Payload);
        let gone = batch.deletes().iter().filter_map(|(column, key)| of(*column, key));
        let gone: BTreeSet<(EntryId, EntryId)> = gone.collect();
        let removed = self.remove(&gone)?;
        for (column, key, value) in batch.puts() {
            if let Some((cooperative, entry)) = of(*column, key) {
                self.miss(&mut self.places(), cooperative, entry, value);
            }
        }
        Ok(removed)
    }

    /// Looks through payloads from a key on, and notes what they name and is not here; returns the
    /// key to go on from.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn survey(&self, from: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        // Whatever is deleted while this reads is followed after it.
        let mut places = self.places();
        let (mut bytes, mut next) = (0, None);
        self.store.visit(Column::Payload, &Span::all().starting_at(from), |key, value| {
            if bytes > SURVEY_BYTES {
                next = Some(key.to_vec());
                return ControlFlow::Break(());
            }
            bytes += key.len() + value.len();
            if let Some((cooperative, entry)) = entry_of(key) {
                self.miss(&mut places, cooperative, entry, value);
            }
            ControlFlow::Continue(())
        })?;
        Ok(next)
    }

    fn miss(&self, places: &mut Places, cooperative: EntryId, entry: EntryId, payload: &[u8]) {
        let all = within(payload).into_iter();
        let labels = all.map(|it| Label { cooperative, entry, blake3: it.blake3 });
        for label in labels.filter(|label| !self.has(label)) {
            places.missing.add(label);
            self.news.notify_one();
        }
    }

    /// Returns when something is missing that was not before.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// A missing attachment whose turn has come.
    #[must_use]
    pub fn next_missing(&self, now: Duration) -> Option<Label> {
        self.places().missing.take(now)
    }

    /// When the next turn is.
    #[must_use]
    pub fn next_turn(&self) -> Option<Duration> {
        self.places().missing.due()
    }

    /// How many are named by payloads here and are not here themselves; [`MISSING_MAX`] may be more.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.places().missing.count()
    }

    /// Bytes of all that are here.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.places().bytes.values().sum()
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
        let gone = erased.into_iter().map(|entry| (cooperative, entry)).collect();
        Ok(batch.deletes().len() + self.remove(&gone)?)
    }

    /// Removes what the payloads of these entries named.
    fn remove(&self, gone: &BTreeSet<(EntryId, EntryId)>) -> io::Result<usize> {
        if gone.is_empty() {
            return Ok(0);
        }
        let mut places = self.places();
        gone.iter().for_each(|(cooperative, entry)| places.missing.forget(*cooperative, *entry));
        let mut count = 0;
        for (label, path) in files(&self.folder)? {
            if gone.contains(&(label.cooperative, label.entry)) {
                let bytes = path.metadata()?.len();
                fs::remove_file(path)?;
                let held = places.bytes.entry(label.cooperative).or_default();
                *held = held.saturating_sub(bytes);
                count += 1;
            }
        }
        if count > 0 {
            self.sync()?;
        }
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self, label: &Label) -> PathBuf {
        self.folder.join(label.name())
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().expect("nothing panics while it moves files")
    }
}

/// The attachments that the payload of an entry names, if it is in the store.
///
/// # Errors
/// [`StoreFault`].
pub fn listed(
    store: &Store,
    cooperative: &EntryId,
    entry: &EntryId,
) -> Result<Vec<Attachment>, StoreFault> {
    let value = store.read(Column::Payload, &payload_key(cooperative, entry))?;
    Ok(value.as_deref().map(within).unwrap_or_default())
}

/// Of which cooperative and entry a payload is, by its key in the store.
fn entry_of(key: &[u8]) -> Option<(EntryId, EntryId)> {
    let (cooperative, entry) = key.split_first_chunk::<32>()?;
    Some((EntryId(*cooperative), EntryId(entry.try_into().ok()?)))
}

/// The attachments that a payload names, as it lies in the store: the salt stands before it.
fn within(value: &[u8]) -> Vec<Attachment> {
    value.get(32..).map(attachment::listed).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use talea_protocol::attachment::{ATTACHMENT_BYTES_MAX, Visibility};
    use talea_protocol::hash::Hash;

    const HERE: EntryId = EntryId([1; 32]);
    const ENTRY: EntryId = EntryId([2; 32]);
    const MOST: u64 = 2 * ATTACHMENT_BYTES_MAX;

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
        Shelf::open(folder, store, MOST).unwrap()
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
        let shelf = Shelf::open(folder.path(), store, MOST).unwrap();
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

    #[test]
    fn attachments_leave_a_gibibyte_of_the_disk_free_and_take_what_is_above() {
        let folder = tempfile::tempdir().unwrap();
        let of = attachment(b"a photo");
        let (mut shelf, label) = (shelf(folder.path(), &[ENTRY], &of), label(ENTRY, &of));
        assert!((shelf.free)(&shelf.folder).unwrap() > 0, "the system says how much is left");
        assert_eq!(FREE_BYTES_MIN, 1 << 30);
        for free in [|_: &Path| Ok(0), |_: &Path| Ok(FREE_BYTES_MIN + 6)] {
            shelf.free = free;
            let full = bring(&shelf, label, &of, b"a photo");
            assert!(matches!(full, Err(ShelfFault::Room { .. })), "{full:?}");
            assert_eq!((count(&shelf.folder), count(&shelf.incoming)), (0, 0));
        }
        shelf.free = |_| Err(io::ErrorKind::Other.into());
        assert!(matches!(shelf.begin(label, &of), Err(ShelfFault::Disk(_))), "it is not known");
        shelf.free = |_| Ok(FREE_BYTES_MIN + 7);
        bring(&shelf, label, &of, b"a photo").unwrap();
    }

    #[test]
    fn what_payloads_name_is_missing_until_it_is_here_or_its_payload_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (of, other) = (attachment(b"a photo"), EntryId([3; 32]));
        let shelf = shelf(folder.path(), &[ENTRY, other], &of);
        let (one, two) = (label(ENTRY, &of), label(other, &of));
        assert_eq!((shelf.missing(), shelf.survey(&[]).unwrap(), shelf.missing()), (0, None, 2));
        bring(&shelf, one, &of, b"a photo").unwrap();
        assert_eq!((shelf.missing(), shelf.bytes()), (1, 7));
        let mut batch = Batch::new();
        batch.delete(Column::Payload, payload_key(&HERE, &other));
        shelf.store.write(&batch).unwrap();
        assert_eq!((shelf.follow(&batch).unwrap(), shelf.missing()), (0, 0));
        // A payload that comes later says what is missing, too.
        let mut batch = Batch::new();
        let value = [&[7; 32][..], json!({ "attachments": [of] }).to_string().as_bytes()].concat();
        batch.put(Column::Payload, payload_key(&HERE, &other), value);
        shelf.store.write(&batch).unwrap();
        assert_eq!((shelf.follow(&batch).unwrap(), shelf.missing()), (0, 1));
        assert_eq!(shelf.next_missing(Duration::ZERO), Some(two));
        assert_eq!(shelf.survey(&[]).unwrap(), None);
        assert_eq!(shelf.next_missing(Duration::ZERO), None, "its turn is not sooner");
    }

    #[test]
    fn a_cooperative_has_as_many_bytes_as_the_operator_allows_and_gets_back_what_is_erased() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = vec![5; usize::try_from(ATTACHMENT_BYTES_MAX).unwrap()];
        let of = attachment(&bytes);
        let others = [EntryId([3; 32]), EntryId([4; 32])];
        let shelf = shelf(folder.path(), &[ENTRY, others[0], others[1]], &of);
        bring(&shelf, label(ENTRY, &of), &of, &bytes).unwrap();
        bring(&shelf, label(ENTRY, &of), &of, &bytes).unwrap();
        bring(&shelf, label(others[0], &of), &of, &bytes).unwrap();
        assert_eq!(shelf.bytes(), MOST, "one that came twice lies here once");
        let full = bring(&shelf, label(others[1], &of), &of, &bytes);
        assert!(matches!(full, Err(ShelfFault::Full { most: MOST })), "{full:?}");
        // What lies here is counted again at the next start.
        let store = Arc::clone(&shelf.store);
        drop(shelf);
        let shelf = Shelf::open(folder.path(), store, MOST).unwrap();
        assert_eq!(shelf.bytes(), MOST);
        let mut batch = Batch::new();
        batch.delete(Column::Payload, payload_key(&HERE, &ENTRY));
        shelf.store.write(&batch).unwrap();
        assert_eq!((shelf.follow(&batch).unwrap(), shelf.bytes()), (1, ATTACHMENT_BYTES_MAX));
        bring(&shelf, label(others[1], &of), &of, &bytes).unwrap();
    }
}
