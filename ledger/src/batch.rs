//! What is to be kept: writes that reach the disk together or not at all.
//!
//! A value: the ledger makes it, a node writes it, a simulation drops it half way. A column and a
//! key are bytes to whoever writes; what they mean is the ledger's business, and the table at the
//! head of the node's `store` says it for operators. Nothing here knows a disk.

/// A keyed table on disk. Its name is part of the disk format and never changes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Column {
    /// The cooperatives served here.
    Cooperative,
    /// This node's own log, by index.
    Leaf,
    /// What is kept of the logs of others.
    Mirror,
    /// Full tiles of the hash trees.
    Tile,
    /// Signed checkpoints, this node's and others'.
    Checkpoint,
    /// Erasable payloads and their salts.
    Payload,
    /// What concerns the whole store: its format version.
    Meta,
}

impl Column {
    /// Every column, in the order of the enum.
    pub const ALL: [Self; 7] = [
        Self::Cooperative,
        Self::Leaf,
        Self::Mirror,
        Self::Tile,
        Self::Checkpoint,
        Self::Payload,
        Self::Meta,
    ];

    /// The name on disk.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cooperative => "cooperative",
            Self::Leaf => "leaf",
            Self::Mirror => "mirror",
            Self::Tile => "tile",
            Self::Checkpoint => "checkpoint",
            Self::Payload => "payload",
            Self::Meta => "meta",
        }
    }
}

/// One value to be kept under a key of a column.
pub type Put = (Column, Vec<u8>, Vec<u8>);
/// One key of a column to be forgotten.
pub type Delete = (Column, Vec<u8>);

/// Writes that belong together. Of several words about one key the last counts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Batch {
    puts: Vec<Put>,
    deletes: Vec<Delete>,
}

impl Batch {
    /// A batch that changes nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { puts: Vec::new(), deletes: Vec::new() }
    }

    /// Keeps `value` under `key`, in the place of what was there.
    pub fn put(&mut self, column: Column, key: Vec<u8>, value: Vec<u8>) {
        self.puts.push((column, key, value));
    }

    /// Forgets `key`, also where this batch has put it. Deletions are few: each looks at all puts.
    pub fn delete(&mut self, column: Column, key: Vec<u8>) {
        self.puts.retain(|(held, at, _)| *held != column || *at != key);
        self.deletes.push((column, key));
    }

    /// Adds what `later` says after what this batch says.
    pub fn append(&mut self, later: Self) {
        for (column, key) in later.deletes {
            self.delete(column, key);
        }
        self.puts.extend(later.puts);
    }

    /// What is put, in order, to be written after [`deletes`](Self::deletes). Keys may repeat.
    #[must_use]
    pub fn puts(&self) -> &[Put] {
        &self.puts
    }

    /// What is deleted. To be written first.
    #[must_use]
    pub fn deletes(&self) -> &[Delete] {
        &self.deletes
    }

    /// Whether writing it would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }

    /// Bytes of all keys and values: what a disk has to take at least.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let puts: usize = self.puts.iter().map(|(_, key, value)| key.len() + value.len()).sum();
        puts + self.deletes.iter().map(|(_, key)| key.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Disk = BTreeMap<(Column, Vec<u8>), Vec<u8>>;
    type Word = (Column, u8, Option<u8>);

    fn batch(words: &[Word]) -> Batch {
        let mut batch = Batch::new();
        for (column, key, value) in words {
            match value {
                Some(value) => batch.put(*column, vec![*key], vec![*value]),
                None => batch.delete(*column, vec![*key]),
            }
        }
        batch
    }

    fn write(disk: &mut Disk, batch: &Batch) {
        for (column, key) in batch.deletes() {
            disk.remove(&(*column, key.clone()));
        }
        for (column, key, value) in batch.puts() {
            disk.insert((*column, key.clone()), value.clone());
        }
    }

    fn words() -> impl Strategy<Value = Vec<Word>> {
        let column = prop::sample::select(Column::ALL.to_vec());
        prop::collection::vec((column, 0..4_u8, prop::option::of(0..4_u8)), 0..40)
    }

    proptest! {
        /// One batch, or the same words cut into two or joined again: the same disk.
        #[test]
        fn the_last_word_about_a_key_counts(words in words(), cut in 0..40_usize) {
            let (first, second) = words.split_at(cut.min(words.len()));
            let mut expected = Disk::new();
            for (column, key, value) in &words {
                match value {
                    Some(value) => expected.insert((*column, vec![*key]), vec![*value]),
                    None => expected.remove(&(*column, vec![*key])),
                };
            }
            let mut whole = Disk::new();
            write(&mut whole, &batch(&words));
            prop_assert_eq!(&whole, &expected);

            let mut split = Disk::new();
            write(&mut split, &batch(first));
            write(&mut split, &batch(second));
            prop_assert_eq!(&split, &expected);

            let mut joined = batch(first);
            joined.append(batch(second));
            let mut once = Disk::new();
            write(&mut once, &joined);
            prop_assert_eq!(&once, &expected);
        }
    }

    #[test]
    fn no_column_has_the_name_of_another() {
        let names: std::collections::BTreeSet<_> =
            Column::ALL.iter().map(|column| column.as_str()).collect();
        assert_eq!(names.len(), Column::ALL.len());
    }

    #[test]
    fn a_batch_knows_its_bytes_and_whether_it_says_anything() {
        let mut batch = Batch::new();
        assert!(batch.is_empty());
        batch.put(Column::Leaf, vec![1, 2], vec![3, 4, 5]);
        batch.delete(Column::Payload, vec![6]);
        assert_eq!((batch.bytes(), batch.is_empty()), (6, false));
    }
}
