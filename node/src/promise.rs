//! What this node has signed, kept apart from the database: the promise file.
//!
//! A checkpoint leaves only after its size and root stand here, synced. At the next start the
//! database must hold what is promised; otherwise the node fetches, and signs nothing until it has
//! caught up. So a database that is lost, cut short or restored from an old backup cannot make a
//! node sign a second history. Two slots are written by turns: a write that is cut off damages
//! the older one. Nothing here knows a database or a log. Reliability, section 3.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use talea_protocol::bytes::{decode, encode};
use talea_protocol::hash::EntryId;
use talea_protocol::tree::TreeHash;

/// The promises' folder in the data folder.
pub const FOLDER: &str = "promise";
/// From one slot to the next, in bytes: a block of every file system, so that a write that is torn
/// by a power cut reaches one slot only.
const SLOT_STRIDE: usize = 4096;
/// Cooperative, size, root, time.
const BODY_BYTES: usize = 32 + 8 + 32 + 8;
/// Body and checksum.
const SLOT_BYTES: usize = BODY_BYTES + 32;
const _: () = assert!(SLOT_BYTES <= SLOT_STRIDE);
/// The whole file.
const FILE_BYTES: usize = 2 * SLOT_STRIDE;
/// Keeps the checksum apart from every other hash.
const CHECKSUM_CONTEXT: &str = "talea 2026-11 promise v1";

/// What one checkpoint of this node's log for one cooperative commits it to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Promise {
    /// Leaves in the log.
    pub size: u64,
    /// The root of their tree.
    pub root: TreeHash,
    /// This node's clock when it was made, in ms since 1970: for the operator, never compared.
    pub time: u64,
}

/// Why a promise cannot be kept or read. The disk's fault, or ours.
#[derive(Debug, thiserror::Error)]
pub enum PromiseFault {
    /// Both slots are unreadable, or belong to another cooperative.
    #[error("{} holds no promise of this node for this cooperative", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The log has become shorter.
    #[error("a checkpoint of {size} leaves after one of {promised}")]
    Smaller {
        /// Leaves already promised.
        promised: u64,
        /// Leaves of the refused checkpoint.
        size: u64,
    },
    /// The log has another history.
    #[error("a second root for {size} leaves: {root} after {promised}")]
    OtherRoot {
        /// Leaves of both.
        size: u64,
        /// The root already promised.
        promised: TreeHash,
        /// The root of the refused checkpoint.
        root: TreeHash,
    },
    /// The disk is full, gone or refuses.
    #[error("{}: {cause}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

impl PromiseFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => {
                "check the disk; the node asks the roster what it has signed before it signs again"
            }
            Self::Smaller { .. } | Self::OtherRoot { .. } => {
                "start again and keep this file: the node then fetches what it lacks"
            }
            Self::Disk { .. } => "make room or mend the disk and start again",
        }
    }
}

/// The promises of this node to one cooperative, newest last.
#[derive(Debug)]
pub struct Promises {
    path: PathBuf,
    cooperative: EntryId,
    newest: Option<Promise>,
    /// Where the newest stands. The other slot is written next.
    slot: Slot,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    First,
    Second,
}

impl Slot {
    const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    const fn offset(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => SLOT_STRIDE,
        }
    }
}

impl Promises {
    /// Reads the file of `cooperative` in `folder`, which is made if it is missing. A missing file
    /// means that nothing was promised.
    ///
    /// # Errors
    /// [`PromiseFault::Damaged`] if neither slot can be believed, [`PromiseFault::Disk`].
    pub fn open(folder: &Path, cooperative: EntryId) -> Result<Self, PromiseFault> {
        let path = folder.join(cooperative.to_string());
        let mut promises = Self { path, cooperative, newest: None, slot: Slot::First };
        fs::create_dir_all(folder).map_err(|cause| promises.disk_fault(cause))?;
        let bytes = match fs::read(&promises.path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(promises),
            Err(cause) => return Err(promises.disk_fault(cause)),
        };
        promises.consider(Slot::First, &bytes);
        promises.consider(Slot::Second, &bytes);
        match promises.newest {
            Some(_) => Ok(promises),
            None => Err(PromiseFault::Damaged { path: promises.path }),
        }
    }

    /// As if nothing had ever been promised: for a file that is damaged, once it is known from
    /// elsewhere what was. The next promise takes its place.
    #[must_use]
    pub fn lost(folder: &Path, cooperative: EntryId) -> Self {
        let path = folder.join(cooperative.to_string());
        Self { path, cooperative, newest: None, slot: Slot::First }
    }

    /// The cooperatives to which something was promised, by the names of the files.
    ///
    /// # Errors
    /// [`PromiseFault::Disk`].
    pub fn list(folder: &Path) -> Result<Vec<EntryId>, PromiseFault> {
        let fault = |cause| PromiseFault::Disk { path: folder.to_owned(), cause };
        let files = match fs::read_dir(folder) {
            Ok(files) => files,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(fault(cause)),
        };
        let mut ids = Vec::new();
        for file in files {
            let name = file.map_err(fault)?.file_name();
            ids.extend(name.to_str().and_then(|name| name.parse::<EntryId>().ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn consider(&mut self, slot: Slot, file: &[u8]) {
        let bytes = file.get(slot.offset()..slot.offset() + SLOT_BYTES);
        let found = bytes.and_then(|bytes| promise_in(bytes, &self.cooperative));
        if found.is_some_and(|found| self.newest.is_none_or(|newest| newest.size < found.size)) {
            self.newest = found;
            self.slot = slot;
        }
    }

    /// The newest promise, if any was made.
    #[must_use]
    pub const fn newest(&self) -> Option<&Promise> {
        self.newest.as_ref()
    }

    /// Keeps a promise, and returns when it is on the disk; only then may its checkpoint leave.
    /// A size that is promised already, with the same root, costs nothing.
    ///
    /// # Errors
    /// [`PromiseFault::Smaller`], [`PromiseFault::OtherRoot`]: nothing is written.
    /// [`PromiseFault::Disk`]: what was written is unknown, and the caller aborts the process.
    pub fn keep(&mut self, promise: Promise) -> Result<(), PromiseFault> {
        let Promise { size, root, .. } = promise;
        let slot = match self.newest {
            Some(kept) if size < kept.size => {
                return Err(PromiseFault::Smaller { promised: kept.size, size });
            }
            Some(kept) if size == kept.size && root != kept.root => {
                return Err(PromiseFault::OtherRoot { size, promised: kept.root, root });
            }
            Some(kept) if size == kept.size => return Ok(()),
            Some(_) => self.slot.other(),
            None => Slot::First,
        };
        let bytes = slot_bytes(&self.cooperative, &promise);
        let written = match self.newest {
            Some(_) => write_slot(&self.path, slot, &bytes),
            None => create(&self.path, &bytes),
        };
        written.map_err(|cause| self.disk_fault(cause))?;
        self.newest = Some(promise);
        self.slot = slot;
        Ok(())
    }

    fn disk_fault(&self, cause: io::Error) -> PromiseFault {
        PromiseFault::Disk { path: self.path.clone(), cause }
    }
}

fn slot_bytes(cooperative: &EntryId, promise: &Promise) -> Vec<u8> {
    let mut bytes = encode(&(*cooperative, promise.size, promise.root, promise.time));
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// The promise that a slot holds, if it is whole and this cooperative's.
fn promise_in(bytes: &[u8], cooperative: &EntryId) -> Option<Promise> {
    let (body, kept) = bytes.split_at_checked(BODY_BYTES)?;
    if checksum(body) != kept {
        return None;
    }
    let (of, size, root, time): (EntryId, u64, TreeHash, u64) = decode(body, BODY_BYTES).ok()?;
    (of == *cooperative).then_some(Promise { size, root, time })
}

fn checksum(body: &[u8]) -> [u8; 32] {
    blake3::derive_key(CHECKSUM_CONTEXT, body)
}

fn write_slot(path: &Path, slot: Slot, bytes: &[u8]) -> io::Result<()> {
    let offset = u64::try_from(slot.offset()).expect("a slot begins within the file");
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// The first promise: beside its place and then moved there, so that a file always holds one. Both
/// slots get their blocks now: a full disk stops no later promise. The folder's own name is synced
/// too: it may have been made just before.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut whole = bytes.to_vec();
    whole.resize(FILE_BYTES, 0);
    let mut file = File::create(&beside)?;
    file.write_all(&whole)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    for folder in path.ancestors().skip(1).take(2) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOPERATIVE: EntryId = EntryId([7; 32]);

    fn promise(size: u64) -> Promise {
        let root = size.to_le_bytes()[0];
        Promise { size, root: TreeHash([root; 32]), time: 1_000 + size }
    }

    fn kept(folder: &Path) -> Option<Promise> {
        Promises::open(folder, COOPERATIVE).unwrap().newest().copied()
    }

    fn file(folder: &Path) -> PathBuf {
        folder.join(COOPERATIVE.to_string())
    }

    #[test]
    fn the_newest_promise_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(kept(folder.path()), None);
        let mut promises = Promises::open(folder.path(), COOPERATIVE).unwrap();
        for size in [0, 1, 5, 6, 900] {
            promises.keep(promise(size)).unwrap();
            assert_eq!(kept(folder.path()), Some(promise(size)));
        }
        let others = Promises::open(folder.path(), EntryId([8; 32])).unwrap();
        assert_eq!(others.newest(), None, "each cooperative has a file of its own");
    }

    #[test]
    fn a_smaller_size_or_a_second_root_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut promises = Promises::open(folder.path(), COOPERATIVE).unwrap();
        promises.keep(promise(5)).unwrap();
        let before = fs::read(file(folder.path())).unwrap();
        let smaller = promises.keep(promise(4)).unwrap_err();
        assert!(matches!(smaller, PromiseFault::Smaller { promised: 5, size: 4 }));
        let other = Promise { root: TreeHash([0xee; 32]), ..promise(5) };
        let other = promises.keep(other).unwrap_err();
        assert!(matches!(other, PromiseFault::OtherRoot { size: 5, .. }));
        promises.keep(Promise { time: 1, ..promise(5) }).unwrap();
        assert_eq!(fs::read(file(folder.path())).unwrap(), before);
    }

    /// Also the refusals: they hold against the promise that a restart finds.
    #[test]
    fn a_write_torn_at_any_byte_keeps_the_former_promise() {
        let folder = tempfile::tempdir().unwrap();
        let mut promises = Promises::open(folder.path(), COOPERATIVE).unwrap();
        promises.keep(promise(1)).unwrap();
        // Into a slot that is empty, into the first, into the second.
        for size in 2..=4 {
            let before = fs::read(file(folder.path())).unwrap();
            promises.keep(promise(size)).unwrap();
            let after = fs::read(file(folder.path())).unwrap();
            let slot = if size % 2 == 0 { Slot::Second } else { Slot::First }.offset();
            for written in 0..=SLOT_BYTES {
                let mut torn = before.clone();
                torn[slot..slot + written].copy_from_slice(&after[slot..slot + written]);
                fs::write(file(folder.path()), &torn).unwrap();
                let whole = torn == after;
                let expected = promise(if whole { size } else { size - 1 });
                assert_eq!(kept(folder.path()), Some(expected), "{written} bytes of {size}");
            }
            fs::write(file(folder.path()), &after).unwrap();
        }
    }

    #[test]
    fn after_a_torn_write_the_next_promise_takes_the_torn_slot() {
        let folder = tempfile::tempdir().unwrap();
        let mut promises = Promises::open(folder.path(), COOPERATIVE).unwrap();
        promises.keep(promise(1)).unwrap();
        promises.keep(promise(2)).unwrap();
        let mut torn = fs::read(file(folder.path())).unwrap();
        torn[SLOT_STRIDE + 50] ^= 1;
        fs::write(file(folder.path()), &torn).unwrap();

        let mut promises = Promises::open(folder.path(), COOPERATIVE).unwrap();
        assert_eq!(promises.newest(), Some(&promise(1)));
        promises.keep(promise(2)).unwrap();
        let file = fs::read(file(folder.path())).unwrap();
        assert_eq!(promise_in(&file[..SLOT_BYTES], &COOPERATIVE), Some(promise(1)));
        assert_eq!(kept(folder.path()), Some(promise(2)));
    }

    #[test]
    fn a_lost_promise_is_made_anew_over_what_is_left_of_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(file(folder.path()), [7; 90]).unwrap();
        let mut promises = Promises::lost(folder.path(), COOPERATIVE);
        assert_eq!(promises.newest(), None);
        promises.keep(promise(9)).unwrap();
        assert_eq!(kept(folder.path()), Some(promise(9)));
        assert_eq!(Promises::list(folder.path()).unwrap(), [COOPERATIVE]);
        assert_eq!(Promises::list(&folder.path().join("none")).unwrap(), []);
    }

    #[test]
    fn two_damaged_slots_are_an_error_and_not_an_empty_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut promises = Promises::open(folder.path(), COOPERATIVE).unwrap();
        promises.keep(promise(1)).unwrap();
        promises.keep(promise(2)).unwrap();
        let whole = fs::read(file(folder.path())).unwrap();
        let mut flipped = whole.clone();
        flipped[3] ^= 0x40;
        flipped[SLOT_STRIDE + SLOT_BYTES - 1] ^= 1;
        let cut = whole[..SLOT_BYTES - 1].to_vec();
        for damaged in [flipped, cut, Vec::new(), vec![0; FILE_BYTES]] {
            fs::write(file(folder.path()), damaged).unwrap();
            let fault = Promises::open(folder.path(), COOPERATIVE).unwrap_err();
            assert!(matches!(fault, PromiseFault::Damaged { .. }), "{fault}");
        }
        // The file of another cooperative under this one's name.
        fs::write(file(folder.path()), whole).unwrap();
        let other = EntryId([8; 32]);
        fs::rename(file(folder.path()), folder.path().join(other.to_string())).unwrap();
        let fault = Promises::open(folder.path(), other).unwrap_err();
        assert!(matches!(fault, PromiseFault::Damaged { .. }), "{fault}");
    }
}
