//! The two nodes that are dialled first after a restart: some that answered before it.
//!
//! A node may know more addresses than it dials at a time. Whoever gets false ones into its book
//! must not gain by a restart what it could not gain before (reliability, section 5).

use talea_ledger::batch::{Batch, Column};
use talea_protocol::bytes::{List, STRUCTURE_BYTES_MAX, decode, encode};
use talea_protocol::key::NodeKey;

/// Nodes that are remembered over restarts (reliability, section 5).
pub const ANCHORS_MAX: usize = 2;
/// Their row's key, in [`Column::Meta`].
pub const ANCHORS_KEY: &[u8] = b"anchors";

/// The newest first.
#[derive(Debug, Default)]
pub(super) struct Anchors(Vec<NodeKey>);

type Row = List<NodeKey, ANCHORS_MAX>;

impl Anchors {
    /// As they were kept; none if the row cannot be read, since only an order depends on it.
    pub(super) fn parse(row: &[u8]) -> Self {
        Self(decode::<Row>(row, STRUCTURE_BYTES_MAX).map(|row| row.to_vec()).unwrap_or_default())
    }

    pub(super) fn nodes(&self) -> &[NodeKey] {
        &self.0
    }

    /// A node that was dialled has answered for a while. It takes the place of an anchor without
    /// a session, if there is one; returns what is to be kept if that changes anything.
    pub(super) fn answered(
        &mut self,
        node: NodeKey,
        is_connected: impl Fn(&NodeKey) -> bool,
    ) -> Option<Batch> {
        if self.0.contains(&node) {
            return None;
        }
        if self.0.len() >= ANCHORS_MAX {
            let gone = self.0.iter().rposition(|anchor| !is_connected(anchor))?;
            self.0.remove(gone);
        }
        self.0.insert(0, node);
        let mut batch = Batch::new();
        let row = Row::new(self.0.clone()).unwrap_or_default();
        batch.put(Column::Meta, ANCHORS_KEY.to_vec(), encode(&row));
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeKey {
        NodeKey([n; 32])
    }

    fn kept(batch: &Batch) -> Vec<NodeKey> {
        let (column, key, row) = &batch.puts()[0];
        assert_eq!((*column, key.as_slice()), (Column::Meta, ANCHORS_KEY));
        Anchors::parse(row).0
    }

    #[test]
    fn two_anchors_are_kept_and_a_third_takes_the_place_of_one_that_is_gone() {
        let mut anchors = Anchors::default();
        assert_eq!(kept(&anchors.answered(node(1), |_| true).unwrap()), [node(1)]);
        assert_eq!(kept(&anchors.answered(node(2), |_| true).unwrap()), [node(2), node(1)]);
        assert!(anchors.answered(node(1), |_| true).is_none(), "nothing new");
        assert!(anchors.answered(node(3), |_| true).is_none(), "both are here");
        let without_1 = |anchor: &NodeKey| *anchor != node(1);
        assert_eq!(kept(&anchors.answered(node(3), without_1).unwrap()), [node(3), node(2)]);
    }

    #[test]
    fn a_row_that_cannot_be_read_names_nobody() {
        for row in [b"whatever".to_vec(), encode(&3_u64), Vec::new()] {
            assert!(Anchors::parse(&row).nodes().is_empty());
        }
    }
}
