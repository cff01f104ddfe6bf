//! A disk that may stop at any moment: what was synced stays, of the rest a beginning may.
//!
//! An ordered map of rows, one promise for each cooperative, and for each cooperative the writes
//! that were not synced yet. Each write is a record with a checksum: it survives whole, or it is
//! torn and gone. What the rows mean is the ledger's business.

use std::collections::BTreeMap;
use std::sync::Arc;

use talea_ledger::batch::{Batch, Column};
use talea_ledger::replica::{self, Commit, Moment, Replica, Unreadable};
use talea_protocol::bytes::{FRAME_BYTES_MAX, Octets, decode};
use talea_protocol::export::{self, Section};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::tree::{TreeHash, leaf_hash};

type Rows = BTreeMap<(Column, Vec<u8>), Vec<u8>>;

/// A write that was not synced yet.
#[derive(Clone, Debug)]
enum Unsynced {
    Rows(Batch),
    Promise(u64, TreeHash),
}

/// What one node has durably, and what is on its way there.
#[derive(Clone, Default)]
pub struct Disk {
    rows: Rows,
    promised: BTreeMap<EntryId, (u64, TreeHash)>,
    tails: BTreeMap<EntryId, Vec<Unsynced>>,
}

impl Disk {
    /// Writes a commit and promises its checkpoint, both synced; the signed note.
    pub fn write(&mut self, commit: Commit, key: &SecretKey) -> Vec<u8> {
        self.append(&commit);
        self.sync(&commit.cooperative);
        self.read_back(&commit);
        self.promise(&commit);
        self.sync(&commit.cooperative);
        commit.checkpoint.sign(key).to_string().into_bytes()
    }

    /// Writes a commit's rows; they are not synced yet.
    pub fn append(&mut self, commit: &Commit) {
        if commit.from == 0 && self.promised(&commit.cooperative).is_none() {
            // As a node does before the first leaf of a new log.
            self.set_promise(commit.cooperative, (0, TreeHash::EMPTY));
        }
        let tail = self.tails.entry(commit.cooperative).or_default();
        tail.push(Unsynced::Rows(commit.batch.clone()));
    }

    /// Writes the promise of a commit's checkpoint; it is not synced yet.
    pub fn promise(&mut self, commit: &Commit) {
        let (size, root) = (commit.checkpoint.size, commit.checkpoint.root);
        let tail = self.tails.entry(commit.cooperative).or_default();
        tail.push(Unsynced::Promise(size, root));
    }

    /// Everything written for a cooperative is durable from now on.
    pub fn sync(&mut self, cooperative: &EntryId) {
        for write in self.tails.remove(cooperative).unwrap_or_default() {
            self.keep(cooperative, write);
        }
    }

    /// How many writes for a cooperative were not synced.
    #[must_use]
    pub fn unsynced(&self, cooperative: &EntryId) -> usize {
        self.tails.get(cooperative).map_or(0, Vec::len)
    }

    /// The power goes: of what was not synced only the first `kept` writes are there afterwards.
    pub fn tear(&mut self, cooperative: &EntryId, kept: usize) {
        let tail = self.tails.remove(cooperative).unwrap_or_default();
        for write in tail.into_iter().take(kept) {
            self.keep(cooperative, write);
        }
    }

    fn keep(&mut self, cooperative: &EntryId, write: Unsynced) {
        match write {
            Unsynced::Rows(batch) => apply(&mut self.rows, &batch),
            Unsynced::Promise(size, root) => {
                self.promised.insert(*cooperative, (size, root));
            }
        }
    }

    /// Reads a commit's new leaves back, as a node does before it promises them.
    ///
    /// # Panics
    /// If they are not what was written.
    pub fn read_back(&self, commit: &Commit) {
        for (index, hash) in (commit.from..).zip(&commit.hashes) {
            let leaf = self.leaf(&commit.cooperative, index);
            assert_eq!(leaf.map(|leaf| leaf_hash(&leaf)), Some(*hash), "leaf {index} read back");
        }
    }

    /// A leaf of this node's own log; from what is not synced too, as a file's cache gives it.
    #[must_use]
    pub fn leaf(&self, cooperative: &EntryId, index: u64) -> Option<Vec<u8>> {
        let key = [cooperative.0.as_slice(), &index.to_be_bytes()].concat();
        let unsynced = self.tails.get(cooperative).into_iter().flatten().rev();
        let mut puts = unsynced.flat_map(|write| match write {
            Unsynced::Rows(batch) => batch.puts(),
            Unsynced::Promise(..) => &[],
        });
        let fresh = puts.find(|(column, at, _)| *column == Column::Leaf && *at == key);
        let fresh = fresh.map(|(_, _, leaf)| leaf.clone());
        fresh.or_else(|| self.rows.get(&(Column::Leaf, key)).cloned())
    }

    /// Puts a leaf under an index, whatever the node thinks of it.
    pub fn put_leaf(&mut self, cooperative: &EntryId, index: u64, leaf: Vec<u8>) {
        let key = [cooperative.0.as_slice(), &index.to_be_bytes()].concat();
        self.rows.insert((Column::Leaf, key), leaf);
    }

    /// Every leaf of this node's own log that is durable, in order.
    pub fn leaves(&self, cooperative: &EntryId) -> impl Iterator<Item = &Vec<u8>> {
        self.rows_of(Column::Leaf, cooperative).map(|(_, leaf)| leaf)
    }

    /// Size and root that were promised last.
    #[must_use]
    pub fn promised(&self, cooperative: &EntryId) -> Option<(u64, TreeHash)> {
        self.promised.get(cooperative).copied()
    }

    /// Sets what was promised last.
    pub fn set_promise(&mut self, cooperative: EntryId, promise: (u64, TreeHash)) {
        self.promised.insert(cooperative, promise);
    }

    /// A payload and its salt before it.
    #[must_use]
    pub fn payload(&self, cooperative: &EntryId, entry: &EntryId) -> Option<Vec<u8>> {
        self.rows.get(&(Column::Payload, [cooperative.0, entry.0].concat())).cloned()
    }

    /// Loses a payload, or keeps it to itself: nobody gets it from here.
    pub fn forget_payload(&mut self, cooperative: &EntryId, entry: &EntryId) {
        self.rows.remove(&(Column::Payload, [cooperative.0, entry.0].concat()));
    }

    /// The sections of an export between its head and its end: all leaves of the own log that are
    /// signed for, the other logs as they are mirrored, and the newest checkpoints.
    #[must_use]
    pub fn sections(&self, cooperative: &EntryId, me: NodeKey, replica: &Replica) -> Vec<Section> {
        let size = usize::try_from(replica.published()).expect("few");
        let mut sections: Vec<Section> =
            export::leaves(0, self.leaves(cooperative).take(size)).collect();
        let node = |key: &[u8]| NodeKey(key[32..64].try_into().expect("a node's key"));
        for (key, row) in self.rows_of(Column::Mirror, cooperative) {
            let from = u64::from_be_bytes(key[64..72].try_into().expect("a place"));
            let items = decode(row, FRAME_BYTES_MAX).expect("as it was written");
            sections.push(Section::Mirror { log: node(key), from, items });
        }
        let own = replica.note().map(|note| (me, note.to_string().into_bytes()));
        let others = self.rows_of(Column::Checkpoint, cooperative);
        let others = others.map(|(key, note)| (node(key), note.clone()));
        for (log, note) in others.filter(|(log, _)| *log != me).chain(own) {
            let note = Octets::new(note).expect("short");
            sections.push(Section::Checkpoint { log, note });
        }
        sections
    }

    /// A cooperative as it was kept here.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn restore(
        &self,
        now: Moment,
        cooperative: EntryId,
        key: Arc<SecretKey>,
    ) -> Result<Replica, Unreadable> {
        let rows = |column| self.rows_of(column, &cooperative);
        let node = |key: &[u8]| NodeKey(key[32..64].try_into().expect("a node's key"));
        let place = |key: &[u8]| u64::from_be_bytes(key[64..72].try_into().expect("a place"));
        let mirrors = rows(Column::Mirror).map(|(k, v)| (node(k), place(k), v.clone())).collect();
        let notes = rows(Column::Checkpoint).map(|(k, v)| (node(k), v.clone())).collect();
        let leaves = || rows(Column::Leaf).map(|(_, v)| v.clone());
        let promised = self.promised(&cooperative);
        let disk = replica::Disk { leaves, mirrors, notes, promised };
        Replica::restore(now, cooperative, key, &[], disk)
    }

    /// The rows of a column that belong to a cooperative: their keys begin with its id.
    fn rows_of(
        &self,
        column: Column,
        cooperative: &EntryId,
    ) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        let id = cooperative.0;
        self.rows
            .range((column, id.to_vec())..)
            .take_while(move |((held, key), _)| *held == column && key.starts_with(&id))
            .map(|((_, key), value)| (key, value))
    }
}

fn apply(rows: &mut Rows, batch: &Batch) {
    for (column, key) in batch.deletes() {
        rows.remove(&(*column, key.clone()));
    }
    for (column, key, value) in batch.puts() {
        rows.insert((*column, key.clone()), value.clone());
    }
}
