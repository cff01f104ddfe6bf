//! The store against crashes, damage and strangers: everything that was acknowledged, or an error.
//!
//! A crash image is a copy of the files while the store is open: what a killed process leaves.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its files has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use talea_ledger::batch::{Batch, Column};
use talea_node::span::Span;
use talea_node::store::{Census, Store, StoreFault};
use tempfile::TempDir;

/// Batches in an image.
const BATCHES: u64 = 40;

/// Batch `n` puts one key into each of three columns; whoever has one must have all.
fn batch(n: u64) -> Batch {
    let mut batch = Batch::new();
    for column in [Column::Leaf, Column::Tile, Column::Payload] {
        let value = [n.to_be_bytes(); 40].concat();
        batch.put(column, n.to_be_bytes().to_vec(), value);
    }
    batch
}

/// How many batches are there. They must be whole, and the first ones.
fn batches(store: &Store) -> Result<u64, StoreFault> {
    store.check()?;
    let mut counts = BTreeSet::new();
    for column in [Column::Leaf, Column::Tile, Column::Payload] {
        let mut count = 0_u64;
        store.visit(column, &Span::all(), |key, value| {
            assert_eq!(key, count.to_be_bytes(), "a batch is missing before one that is there");
            assert_eq!(value, [count.to_be_bytes(); 40].concat());
            count += 1;
            ControlFlow::Continue(())
        })?;
        counts.insert(count);
    }
    assert_eq!(counts.len(), 1, "a batch is there in part: {counts:?}");
    Ok(counts.first().copied().unwrap_or_default())
}

/// A copy of a folder of files, in a folder of its own.
struct Image(TempDir);

impl Image {
    fn of(folder: &Path) -> Self {
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join("store")).unwrap();
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.path().join("store").join(file.file_name())).unwrap();
        }
        Self(copy)
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn batches(&self) -> Result<u64, StoreFault> {
        batches(&Store::open(&self.store())?)
    }

    /// Files of which the name ends so, oldest first.
    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.store()).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
        files.sort();
        files
    }
}

/// A store that was killed with its batches in the log, or half of them in tables.
fn killed(tables: bool) -> Image {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::open(&path).unwrap();
    for n in 0..BATCHES {
        store.write(&batch(n)).unwrap();
        if tables && n == BATCHES / 2 {
            store.compact().unwrap();
        }
    }
    Image::of(&path)
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    assert_eq!(killed(false).batches().unwrap(), BATCHES);
    assert_eq!(killed(true).batches().unwrap(), BATCHES);
}

#[test]
fn a_batch_whose_log_record_is_cut_off_is_absent_as_a_whole() {
    let image = killed(false);
    let log = fs::read(image.files(".log").last().unwrap()).unwrap();
    let mut seen = BTreeSet::new();
    for cut in (0..log.len()).step_by(251) {
        let torn = Image::of(&image.store());
        fs::write(torn.files(".log").last().unwrap(), &log[..cut]).unwrap();
        seen.insert(torn.batches().unwrap());
    }
    // Why there is a promise file: the database cannot know that it had more.
    assert!(seen.len() > 30 && *seen.first().unwrap() == 0, "{seen:?}");
}

#[test]
fn a_bit_flipped_in_the_log_is_an_error_and_never_fewer_batches() {
    let image = killed(false);
    let whole = fs::read(image.files(".log").last().unwrap()).unwrap();
    // Not in the last record: a bit of its length makes it look like one that was cut off.
    let last_record = whole.len() - 3 * 320;
    let mut errors = 0;
    for at in (0..last_record).step_by(397) {
        let flipped = Image::of(&image.store());
        let mut log = whole.clone();
        log[at] ^= 1 << (at % 8);
        fs::write(flipped.files(".log").last().unwrap(), log).unwrap();
        match flipped.batches() {
            Ok(count) => assert_eq!(count, BATCHES, "after a flip at {at} of {}", whole.len()),
            Err(StoreFault::Damaged { .. }) => errors += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(errors > 50, "{errors}");
}

#[test]
fn a_bit_flipped_in_a_table_or_manifest_is_an_error_and_never_fewer_batches() {
    let image = killed(true);
    for ending in [".sst", "MANIFEST-"] {
        let files: Vec<_> = if ending == ".sst" {
            image.files(ending)
        } else {
            let all = image.files("");
            all.into_iter().filter(|path| path.to_str().unwrap().contains(ending)).collect()
        };
        let mut errors = 0;
        for file in files {
            let whole = fs::read(&file).unwrap();
            for at in (0..whole.len()).step_by(whole.len().div_ceil(25)) {
                let flipped = Image::of(&image.store());
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << (at % 8);
                fs::write(flipped.store().join(file.file_name().unwrap()), bytes).unwrap();
                match flipped.batches() {
                    Ok(count) => assert_eq!(count, BATCHES, "{} at {at}", file.display()),
                    Err(_) => errors += 1,
                }
            }
        }
        assert!(errors > 10, "{ending}: {errors}");
    }
}

#[test]
fn a_deleted_file_is_an_error_and_never_fewer_batches() {
    for tables in [false, true] {
        let image = killed(tables);
        let mut errors = 0;
        for file in image.files("") {
            let deleted = Image::of(&image.store());
            let at = deleted.store().join(file.file_name().unwrap());
            fs::remove_file(&at).unwrap();
            match deleted.batches() {
                Ok(count) => assert_eq!(count, BATCHES, "without {}", file.display()),
                Err(_) => errors += 1,
            }
        }
        // The log, the manifest, and the file that names it.
        assert!(errors >= 3, "{errors}");
    }
}

#[test]
fn a_store_in_use_is_refused_and_free_once_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::open(&path).unwrap();
    let fault = Store::open(&path).err().unwrap();
    assert!(matches!(fault, StoreFault::InUse { .. }), "{fault}");
    store.close().unwrap();
    Store::open(&path).unwrap();
}

#[test]
fn another_format_is_refused_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut later = Batch::new();
    later.put(Column::Meta, b"format".to_vec(), 7_u32.to_le_bytes().to_vec());
    Store::open(&path).unwrap().write(&later).unwrap();
    let fault = Store::open(&path).err().unwrap();
    assert!(matches!(fault, StoreFault::Format { found: 7, .. }), "{fault}");
}

#[test]
fn a_folder_of_other_things_is_refused_and_an_empty_one_taken() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path()).unwrap().close().unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("letters"), "of others").unwrap();
    let fault = Store::open(other.path()).err().unwrap();
    assert!(matches!(fault, StoreFault::NoStore { .. }), "{fault}");
    assert_eq!(fs::read(other.path().join("letters")).unwrap(), b"of others");
}

#[test]
fn a_store_that_was_being_made_when_the_process_died_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let half = folder.path().join("store.new");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("CURRENT"), "MANIFEST-000001\n").unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(store.check().unwrap().keys, 1, "its format and nothing else");
    assert!(!half.exists());
}

#[test]
fn of_several_words_about_a_key_the_last_counts() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let mut batch = Batch::new();
    for value in [1, 2] {
        batch.put(Column::Leaf, vec![1], vec![value]);
        batch.delete(Column::Leaf, vec![2]);
        batch.put(Column::Leaf, vec![2], vec![value]);
        batch.put(Column::Leaf, vec![3], vec![value]);
    }
    batch.delete(Column::Leaf, vec![3]);
    batch.put(Column::Mirror, vec![3], vec![9]);
    store.write(&batch).unwrap();
    let found = store.range(Column::Leaf, &Span::all(), 10).unwrap();
    assert_eq!(found, vec![(vec![1], vec![2]), (vec![2], vec![2])]);
    assert_eq!(store.read(Column::Mirror, &[3]).unwrap(), Some(vec![9]));
    assert_eq!(store.read(Column::Leaf, &[3]).unwrap(), None);
}

#[test]
fn a_range_stays_in_its_stretch_and_within_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let mut batch = Batch::new();
    let prefixes = [[7_u8; 32], [8; 32], [255; 32]];
    for prefix in prefixes {
        for index in 0..10_u64 {
            batch.put(Column::Leaf, [prefix.as_slice(), &index.to_be_bytes()].concat(), vec![1]);
        }
    }
    store.write(&batch).unwrap();
    for prefix in prefixes {
        let span = Span::prefix(&prefix);
        let keys = |span: &Span, limit| store.range(Column::Leaf, span, limit).unwrap().len();
        assert_eq!((keys(&span, 100), keys(&span, 3), keys(&span, 0)), (10, 3, 0));
        let from = [prefix.as_slice(), &7_u64.to_be_bytes()].concat();
        assert_eq!(keys(&span.clone().starting_at(&from), 100), 3);
        assert_eq!(keys(&span.ending_before(&from), 100), 7);
    }
}

#[test]
fn a_snapshot_sees_nothing_that_is_written_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    store.write(&batch(0)).unwrap();
    let snapshot = store.snapshot();
    let mut erasure = batch(1);
    erasure.delete(Column::Payload, 0_u64.to_be_bytes().to_vec());
    store.write(&erasure).unwrap();
    assert_eq!(snapshot.range(Column::Leaf, &Span::all(), 9).unwrap().len(), 1);
    assert!(snapshot.read(Column::Payload, &0_u64.to_be_bytes()).unwrap().is_some());
    assert!(store.read(Column::Payload, &0_u64.to_be_bytes()).unwrap().is_none());
}

#[test]
fn an_erased_payload_is_off_the_disk_after_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::open(&path).unwrap();
    let secret = b"the name that has to be forgotten";
    let mut kept = Batch::new();
    kept.put(Column::Payload, vec![1], secret.to_vec());
    store.write(&kept).unwrap();
    let on_disk = || {
        Image::of(&path)
            .files("")
            .iter()
            .any(|file| fs::read(file).unwrap().windows(secret.len()).any(|bytes| bytes == secret))
    };
    assert!(on_disk());
    let mut erased = Batch::new();
    erased.delete(Column::Payload, vec![1]);
    store.write(&erased).unwrap();
    store.compact().unwrap();
    assert!(!on_disk());
    assert_eq!(store.check().unwrap(), Census { keys: 1, bytes: 10 }, "the format");
}
