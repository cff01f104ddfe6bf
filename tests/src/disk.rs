//! A disk that may stop at any moment: what was synced stays, what was not is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use talea_ledger::batch::Column;
use talea_ledger::replica::{self, Commit, Moment, Replica};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::tree::{TreeHash, leaf_hash};

/// What one node has durably.
#[derive(Default)]
pub struct Disk {
    rows: BTreeMap<(Column, Vec<u8>), Vec<u8>>,
    promised: Option<(u64, TreeHash)>,
}

impl Disk {
    /// Writes a commit and promises its checkpoint; the signed note.
    pub fn write(&mut self, commit: Commit, key: &SecretKey) -> Vec<u8> {
        for (column, key) in commit.batch.deletes() {
            self.rows.remove(&(*column, key.clone()));
        }
        for (column, key, value) in commit.batch.puts() {
            self.rows.insert((*column, key.clone()), value.clone());
        }
        for (index, hash) in (commit.from..).zip(&commit.hashes) {
            let leaf = self.leaf(&commit.cooperative, index);
            assert_eq!(leaf.map(|leaf| leaf_hash(&leaf)), Some(*hash), "leaf {index} read back");
        }
        let (size, root) = (commit.checkpoint.size, commit.checkpoint.root);
        if let Some((before, former)) = self.promised {
            assert!(size > before || (size == before && root == former), "one root for each size");
        }
        self.promised = Some((size, root));
        commit.checkpoint.sign(key).to_string().into_bytes()
    }

    /// A leaf of this node's own log.
    #[must_use]
    pub fn leaf(&self, cooperative: &EntryId, index: u64) -> Option<Vec<u8>> {
        let key = [cooperative.0.as_slice(), &index.to_be_bytes()].concat();
        self.rows.get(&(Column::Leaf, key)).cloned()
    }

    /// A payload and its salt before it.
    #[must_use]
    pub fn payload(&self, cooperative: &EntryId, entry: &EntryId) -> Option<Vec<u8>> {
        self.rows.get(&(Column::Payload, [cooperative.0, entry.0].concat())).cloned()
    }

    /// The cooperative as it was kept here.
    #[must_use]
    pub fn restore(&self, now: Moment, cooperative: EntryId, key: Arc<SecretKey>) -> Replica {
        let rows = |column: Column| {
            self.rows.iter().filter(move |((c, _), _)| *c == column).map(|((_, k), v)| (k, v))
        };
        let node = |key: &[u8]| NodeKey(key[32..64].try_into().expect("a node's key"));
        let place = |key: &[u8]| u64::from_be_bytes(key[64..72].try_into().expect("a place"));
        let mirrors = rows(Column::Mirror).map(|(k, v)| (node(k), place(k), v.clone())).collect();
        let notes = rows(Column::Checkpoint).map(|(k, v)| (node(k), v.clone())).collect();
        let leaves = rows(Column::Leaf).map(|(_, v)| v.clone());
        let disk = replica::Disk { leaves, mirrors, notes, promised: self.promised };
        Replica::restore(now, cooperative, key, &[], disk).expect("the disk keeps what it synced")
    }
}
