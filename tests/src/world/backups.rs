//! Nodes whose disks are put back to an older day.
//!
//! What nobody but the node had seen is gone with its disk, whatever it had promised: so a disk is
//! put back only when every other honest node holds all that it has signed. Then nothing
//! acknowledged may be missing, and nothing may be signed twice.

use super::{Event, World};

/// How often it is asked again whether the others hold everything, in ms.
const ASK_MS: u64 = 100;

impl World {
    /// A copy is made of what a node's disk has synced.
    pub(super) fn back_up(&mut self, node: usize) {
        // A disk with nothing on it is a new one, and no older day.
        let has_signed =
            |it: &super::Island| self.hosts[node].disk.promised(&it.cooperative).is_some();
        if self.hosts[node].lie.is_some() || self.calm || !self.islands.iter().all(has_signed) {
            return;
        }
        let mut copy = self.hosts[node].disk.clone();
        self.islands.iter().for_each(|island| copy.tear(&island.cooperative, 0));
        self.hosts[node].backup = Some(copy);
        self.faults.count("backups made");
    }

    /// A node gets its older disk back, now or as soon as nothing is lost by it.
    pub(super) fn put_back(&mut self, step: usize, node: usize, down: u64) {
        if self.hosts[node].lie.is_some() || self.calm || self.hosts[node].backup.is_none() {
            return;
        }
        if !self.hosts[node].is_up || !self.others_hold_all(node) {
            return self.at(ASK_MS, Event::Step(step));
        }
        let Some(copy) = self.hosts[node].backup.take() else { return };
        self.faults.count("disks put back to an older day");
        self.crash(node);
        self.hosts[node].disk = copy;
        self.hosts[node].is_older = true;
        self.at(down, Event::Restart(node));
    }

    /// Whether all other honest nodes hold a node's log up to its last signature.
    fn others_hold_all(&self, node: usize) -> bool {
        let key = self.hosts[node].node;
        self.islands.iter().all(|island| {
            let signed = island.signed[node].last_key_value().map_or(0, |(size, _)| *size);
            self.honest().into_iter().filter(|other| *other != node).all(|other| {
                let replica = island.replicas[other].as_ref();
                let mut mirrors = replica.into_iter().flat_map(|replica| replica.mirrors());
                let held = mirrors.find(|mirror| mirror.node == key);
                held.is_some_and(|mirror| mirror.checked.size() >= signed)
            })
        })
    }
}
