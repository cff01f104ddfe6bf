//! What is on disk. The only file that names RocksDB.
//!
//! | column      | key                          | value            | if lost or wrong            |
//! |-------------|------------------------------|------------------|-----------------------------|
//! | cooperative | cooperative (32)             | how it is served | the operator hosts it again |
//! | leaf        | cooperative, index (8)       | leaf bytes       | fetched from peers, checked |
//! | mirror      | cooperative, node (32), index | what a log holds | fetched from peers, checked |
//! | tile        | cooperative, level (1), index | 256 hashes       | rebuilt from `leaf`         |
//! | checkpoint  | cooperative, node            | signed note      | asked of the roster         |
//! | payload     | cooperative, entry (32)      | salt, payload    | fetched from peers, checked |
//! | meta        | `format`                     | u32              | the store is refused        |
//! | meta        | `peer/`, node                | address          | the operator names it again |
//! | meta        | `node`                       | node (32)        | written at the next start   |
//! | meta        | `doubt/`, cooperative        | time of a backup | an old backup may fork      |
//!
//! Integers in keys are big-endian, so that keys sort as numbers. The ledger makes the keys
//! ([`talea_ledger::batch`]); here they are bytes. Disk is not trusted for what is true, only for
//! what was kept: who can write here can make the node forget, and cannot make it lie. Settings
//! and their reasons: reliability, section 3.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor,
    CompactOptions, DB, DBRecoveryMode, ErrorKind, FlushOptions, LogLevel, Options, ReadOptions,
    WaitForCompactOptions, WriteBatch, WriteBufferManager, WriteOptions,
};
use talea_ledger::batch::{Batch, Column};
use talea_protocol::bytes::hex;

use crate::span::Span;

/// The database's folder in the data folder.
pub const FOLDER: &str = "store";
/// The format that this program writes. Another one is refused: it may mean something else.
pub const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";

/// Columns that can be had again: the tiles from the leaves, the mirrors from the roster.
const RENEWED: [Column; 2] = [Column::Tile, Column::Mirror];

/// Memory for blocks read, tables' indexes and unflushed writes together, in bytes: a node
/// that idles should fit in 100 MB with its state.
const CACHE_BYTES: usize = 32 * MIB;
/// Unflushed writes of all columns, in bytes, out of the same memory.
const MEMTABLES_BYTES: usize = 24 * MIB;
/// Unflushed writes of one column, in bytes, before they become a file.
const MEMTABLE_BYTES: usize = 8 * MIB;
const _: () = assert!(MEMTABLE_BYTES < MEMTABLES_BYTES && MEMTABLES_BYTES < CACHE_BYTES);
/// Write-ahead logs, in bytes. They are read at each start: half a second at most.
const LOGS_BYTES: u64 = 64 << 20;
/// One read from disk, in bytes: some 50 entries, which mostly are wanted together.
const BLOCK_BYTES: usize = 16 * 1024;
/// Tables held open; few, so that many cooperatives leave descriptors for connections.
const OPEN_FILES_MAX: i32 = 256;
const MIB: usize = 1024 * 1024;

/// What the binding has no function for. A log that is missing or cut is noticed at the next
/// start; each new table is read back; a log takes the space that it uses.
const OPTIONS: &str = "track_and_verify_wals=true;track_and_verify_wals_in_manifest=true;\
    paranoid_file_checks=true;allow_fallocate=false";

/// Why the store cannot be opened, read or written. The disk's fault or the operator's.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// Two processes would sign two histories.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// Written by a newer program, or by an older one.
    #[error("{} has format {found}, this program writes {FORMAT}", path.display())]
    Format {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A folder with other things in it, or a store that has lost its beginning.
    #[error("{} is not empty and is no store", path.display())]
    NoStore {
        /// The folder.
        path: PathBuf,
    },
    /// Something acknowledged may be missing or changed.
    #[error("{} is damaged: {cause}", path.display())]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What the database says, with the file if it knows.
        cause: rocksdb::Error,
    },
    /// The first place that cannot be read.
    #[error(
        "column {} cannot be read after key {}: {cause}",
        column.as_str(),
        after.as_deref().map_or_else(|| "(none)".to_owned(), hex)
    )]
    Unreadable {
        /// The column.
        column: Column,
        /// The last key before it that could be read.
        after: Option<Vec<u8>>,
        /// What the database says, with the file if it knows.
        cause: rocksdb::Error,
    },
    /// The disk is full, gone or refuses.
    #[error("the disk failed under {}: {cause}", path.display())]
    Disk {
        /// The store.
        path: PathBuf,
        /// What the database says.
        cause: rocksdb::Error,
    },
    /// A folder cannot be made, listed or renamed.
    #[error("{}: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

impl StoreFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::InUse { .. } => {
                "stop the other talead, or give this one a data folder of its own"
            }
            Self::Format { .. } => "run the release of talead that wrote it",
            Self::NoStore { .. } => "name another data folder, or move this one away",
            Self::Damaged { .. } | Self::Unreadable { .. } => {
                "check the disk, move the store away and keep the promise folder: the node then \
                 fetches all from its peers, and signs nothing before it holds what it promised"
            }
            Self::Disk { .. } | Self::Folder { .. } => {
                "make room or mend the disk and start again: nothing acknowledged is lost"
            }
        }
    }
}

/// How much [`Store::check`] read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Census {
    /// Keys in all columns.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// The store of one node. Reads come from any thread; writes from one.
pub struct Store {
    db: DB,
    path: PathBuf,
}

impl Store {
    /// Opens the store in the folder `path`, or makes one if there is no such folder or an
    /// empty one, with the folders above it.
    ///
    /// # Errors
    /// [`StoreFault`]: in use, of another format, damaged.
    pub fn open(path: &Path) -> Result<Self, StoreFault> {
        if is_absent_or_empty(path)? {
            make(path)?;
        }
        let store = Self::open_files(path, false)?;
        store.check_format()?;
        Ok(store)
    }

    fn open_files(path: &Path, create: bool) -> Result<Self, StoreFault> {
        let fault = |cause| opening_fault(path, cause);
        let mut options = options().map_err(fault)?;
        options.create_if_missing(create);
        options.create_missing_column_families(create);
        let mut names: BTreeSet<String> =
            Column::ALL.iter().map(|column| column.as_str().to_owned()).collect();
        names.insert("default".to_owned());
        if !create {
            if !path.join("CURRENT").exists() {
                return Err(StoreFault::NoStore { path: path.to_owned() });
            }
            // A newer format may have columns unknown here; all must be named to read its number.
            let kept = DB::list_cf(&options, path).map_err(fault)?;
            // `renew` was cut off between the old column and the new one.
            let is_gone = |column: &Column| !kept.iter().any(|name| name == column.as_str());
            options.create_missing_column_families(RENEWED.iter().any(is_gone));
            names.extend(kept);
        }
        let columns =
            names.into_iter().map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
        let db = DB::open_cf_descriptors(&options, path, columns).map_err(fault)?;
        Ok(Self { db, path: path.to_owned() })
    }

    fn check_format(&self) -> Result<(), StoreFault> {
        let value = self.read(Column::Meta, FORMAT_KEY)?;
        let found =
            value.as_deref().and_then(|value| value.try_into().ok()).map(u32::from_le_bytes);
        match found {
            Some(FORMAT) => Ok(()),
            Some(found) => Err(StoreFault::Format { path: self.path.clone(), found }),
            None => Err(StoreFault::NoStore { path: self.path.clone() }),
        }
    }

    /// Writes all of a batch, and returns when it is on the disk. An empty batch costs nothing.
    ///
    /// # Errors
    /// [`StoreFault::Disk`] or [`StoreFault::Damaged`]. What has reached the disk is then unknown,
    /// and a second sync would report what the first one lost as kept: the caller aborts the
    /// process.
    pub fn write(&self, batch: &Batch) -> Result<(), StoreFault> {
        if batch.is_empty() {
            return Ok(());
        }
        // Per record: kind, column, two lengths.
        let records = batch.puts().len() + batch.deletes().len();
        let mut writes = WriteBatch::with_capacity_bytes(batch.bytes() + records * 8 + 16);
        for (column, key) in batch.deletes() {
            writes.delete_cf(self.column(*column), key);
        }
        for (column, key, value) in batch.puts() {
            writes.put_cf(self.column(*column), key, value);
        }
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.db.write_opt(writes, &synced).map_err(|cause| self.fault(cause))
    }

    /// The value under `key`, as [`Snapshot::read`].
    ///
    /// # Errors
    /// As there.
    pub fn read(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        self.snapshot().read(column, key)
    }

    /// The first keys of a stretch, as [`Snapshot::range`].
    ///
    /// # Errors
    /// As there.
    pub fn range(
        &self,
        column: Column,
        span: &Span,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreFault> {
        self.snapshot().range(column, span, limit)
    }

    /// All keys of a stretch, as [`Snapshot::visit`].
    ///
    /// # Errors
    /// As there.
    pub fn visit(
        &self,
        column: Column,
        span: &Span,
        each: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreFault> {
        self.snapshot().visit(column, span, each)
    }

    /// The store as it is now, whatever is written from now on. To be dropped soon: what it sees
    /// is kept on disk for it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot { store: self, at: self.db.snapshot() }
    }

    /// Reads everything and compares all checksums.
    ///
    /// # Errors
    /// [`StoreFault::Unreadable`], the first that is found.
    pub fn check(&self) -> Result<Census, StoreFault> {
        let snapshot = self.snapshot();
        let mut census = Census::default();
        for column in Column::ALL {
            snapshot.visit(column, &Span::all(), |key, value| {
                census.keys += 1;
                census.bytes += u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX);
                ControlFlow::Continue(())
            })?;
        }
        Ok(census)
    }

    /// Moves all writes from the logs into tables, and off the disk what was replaced or deleted.
    /// Readers and the writer go on meanwhile.
    ///
    /// # Errors
    /// [`StoreFault::Disk`] or [`StoreFault::Damaged`].
    pub fn compact(&self) -> Result<(), StoreFault> {
        self.flush()?;
        let mut rewrite = CompactOptions::default();
        rewrite.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for column in Column::ALL {
            let everything: Option<&[u8]> = None;
            let handle = self.column(column);
            self.db.compact_range_cf_opt(handle, everything, everything, &rewrite);
        }
        let mut wait = WaitForCompactOptions::default();
        wait.set_flush(true);
        self.db.wait_for_compact(&wait).map_err(|cause| self.fault(cause))
    }

    /// Makes a store of everything that is here now in the folder `path`, which must not exist.
    /// Readers and the writer go on meanwhile. It shares files with this one where the system can:
    /// it is a moment's picture, and no backup yet.
    ///
    /// # Errors
    /// [`StoreFault::Disk`] or [`StoreFault::Damaged`].
    pub fn picture(&self, path: &Path) -> Result<(), StoreFault> {
        let taken = Checkpoint::new(&self.db).and_then(|it| it.create_checkpoint(path));
        taken.map_err(|cause| self.fault(cause))
    }

    /// Throws a column away with all its files, unread, and goes on with an empty one. It is one of
    /// those that can be had again: tiles or mirrors.
    ///
    /// # Errors
    /// [`StoreFault::Disk`] or [`StoreFault::Damaged`].
    pub fn renew(&mut self, column: Column) -> Result<(), StoreFault> {
        let name = column.as_str();
        let renewed = options().and_then(|options| {
            self.db.drop_cf(name)?;
            self.db.create_cf(name, &options)
        });
        renewed.map_err(|cause| self.fault(cause))
    }

    /// Bytes that the store's files take.
    ///
    /// # Errors
    /// [`StoreFault::Folder`].
    pub fn disk_bytes(&self) -> Result<u64, StoreFault> {
        let mut bytes = 0;
        for file in fs::read_dir(&self.path).map_err(|cause| folder_fault(&self.path, cause))? {
            // A file that has gone in between takes nothing.
            bytes += file.and_then(|file| file.metadata()).map_or(0, |metadata| metadata.len());
        }
        Ok(bytes)
    }

    /// Closes the store with its logs empty, so that the next start reads none. Dropping it
    /// loses nothing either.
    ///
    /// # Errors
    /// [`StoreFault::Disk`] or [`StoreFault::Damaged`].
    pub fn close(self) -> Result<(), StoreFault> {
        self.flush()?;
        self.db.cancel_all_background_work(true);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreFault> {
        let columns: Vec<_> = Column::ALL.map(|column| self.column(column)).into();
        let flushed = self.db.flush_cfs_opt(&columns, &FlushOptions::default());
        flushed.map_err(|cause| self.fault(cause))
    }

    fn column(&self, column: Column) -> &ColumnFamily {
        self.db
            .cf_handle(column.as_str())
            .expect("every column was named when the store was opened")
    }

    fn fault(&self, cause: rocksdb::Error) -> StoreFault {
        fault(&self.path, cause)
    }
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// A store as it was at one moment: several reads that belong together.
pub struct Snapshot<'a> {
    store: &'a Store,
    at: rocksdb::Snapshot<'a>,
}

impl Snapshot<'_> {
    /// The value under `key`.
    ///
    /// # Errors
    /// [`StoreFault::Disk`] or [`StoreFault::Damaged`].
    pub fn read(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        let value = self.store.db.get_cf_opt(self.store.column(column), key, &self.options());
        value.map_err(|cause| self.store.fault(cause))
    }

    /// The first `limit` keys of a stretch with their values, read as by [`Self::visit`].
    ///
    /// # Errors
    /// [`StoreFault::Unreadable`].
    pub fn range(
        &self,
        column: Column,
        span: &Span,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreFault> {
        let mut pairs = Vec::new();
        self.visit(column, span, |key, value| {
            if pairs.len() == limit {
                return ControlFlow::Break(());
            }
            pairs.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(pairs)
    }

    /// Shows the keys of a stretch with their values, in order, until `each` breaks. What is read
    /// in this way does not displace what others read often: a start reads all of a log once.
    ///
    /// # Errors
    /// [`StoreFault::Unreadable`].
    pub fn visit(
        &self,
        column: Column,
        span: &Span,
        mut each: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreFault> {
        let mut options = self.options();
        options.fill_cache(false);
        if span.is_empty() {
            return Ok(());
        }
        if let Some(below) = span.below() {
            options.set_iterate_upper_bound(below);
        }
        let mut cursor = self.store.db.raw_iterator_cf_opt(self.store.column(column), options);
        let mut after: Option<Vec<u8>> = None;
        cursor.seek(span.from());
        while let Some((key, value)) = cursor.item() {
            if each(key, value).is_break() {
                return Ok(());
            }
            let last = after.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
            cursor.next();
        }
        cursor.status().map_err(|cause| StoreFault::Unreadable { column, after, cause })
    }

    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_verify_checksums(true);
        options.set_snapshot(&self.at);
        options
    }
}

/// The settings of all columns. Each that guards what was acknowledged was tried against damage.
fn options() -> Result<Options, rocksdb::Error> {
    let mut options = Options::default().get_options_from_string(OPTIONS)?;
    // The database's own default opens with half of the entries after one flipped bit.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    options.set_recycle_log_file_num(0);
    options.set_unordered_write(false);
    options.set_enable_pipelined_write(false);
    options.set_manual_wal_flush(false);
    options.set_max_total_wal_size(LOGS_BYTES);

    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let memtables = WriteBufferManager::new_write_buffer_manager_with_cache(
        MEMTABLES_BYTES,
        false,
        cache.clone(),
    );
    options.set_write_buffer_manager(&memtables);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(MIB);

    let mut tables = BlockBasedOptions::default();
    tables.set_block_size(BLOCK_BYTES);
    tables.set_block_cache(&cache);
    tables.set_cache_index_and_filter_blocks(true);
    options.set_block_based_table_factory(&tables);
    Ok(options)
}

fn is_absent_or_empty(path: &Path) -> Result<bool, StoreFault> {
    match fs::read_dir(path) {
        Ok(mut files) => Ok(files.next().is_none()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(cause) => Err(folder_fault(path, cause)),
    }
}

/// Makes a store beside its place and moves it there, so that a crash half-way leaves no store
/// that lacks its log: such a one is refused, for an acknowledged log may have been deleted.
fn make(path: &Path) -> Result<(), StoreFault> {
    let beside = path.with_extension("new");
    let folder = |cause| folder_fault(&beside, cause);
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(folder)?;
    }
    let store = Store::open_files(&beside, true)?;
    let mut first = Batch::new();
    first.put(Column::Meta, FORMAT_KEY.to_vec(), FORMAT.to_le_bytes().to_vec());
    store.write(&first)?;
    store.close()?;
    fs::rename(&beside, path).map_err(folder)?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    File::open(above.unwrap_or(Path::new("."))).and_then(|above| above.sync_all()).map_err(folder)
}

fn folder_fault(path: &Path, cause: io::Error) -> StoreFault {
    StoreFault::Folder { path: path.to_owned(), cause }
}

/// The database reports a lock that another process holds as an I/O error on the file LOCK.
fn opening_fault(path: &Path, cause: rocksdb::Error) -> StoreFault {
    let names_lock = cause.as_ref().contains("/LOCK: ");
    if cause.kind() == ErrorKind::IOError && names_lock {
        return StoreFault::InUse { path: path.to_owned() };
    }
    fault(path, cause)
}

fn fault(path: &Path, cause: rocksdb::Error) -> StoreFault {
    let path = path.to_owned();
    if cause.kind() == ErrorKind::IOError {
        StoreFault::Disk { path, cause }
    } else {
        StoreFault::Damaged { path, cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_with_a_new_column_is_refused_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let mut store = Store::open(&path).unwrap();
        store.db.create_cf("later", &Options::default()).unwrap();
        let mut newer = Batch::new();
        newer.put(Column::Meta, FORMAT_KEY.to_vec(), (FORMAT + 1).to_le_bytes().to_vec());
        store.write(&newer).unwrap();
        store.close().unwrap();
        let fault = Store::open(&path).err().unwrap();
        assert!(
            matches!(fault, StoreFault::Format { found, .. } if found == FORMAT + 1),
            "{fault}"
        );
    }

    #[test]
    fn the_format_is_the_columns_that_were_released() {
        let names = Column::ALL.map(Column::as_str).join(" ");
        assert_eq!(
            (FORMAT, names.as_str()),
            (1, "cooperative leaf mirror tile checkpoint payload meta")
        );
    }
}
