//! Nodes whose disks are put back to an older day, or lost.
//!
//! What nobody but the node had seen is gone with its disk, whatever it had promised: so a disk is
//! put back only when the disk of every other honest node holds all that it has promised. Then nothing
//! acknowledged may be missing, and nothing may be signed twice.

use talea_ledger::replica::Replica;

use crate::disk::Disk;

use super::{Event, Island, World};

/// One disk in so many is lost, instead of put back: its node has only its key.
const LOST: u64 = 4;
/// How often it is asked again whether the others hold everything, in ms.
const ASK_MS: u64 = 100;

impl World {
    /// A copy is made of what a node's disk has synced.
    pub(super) fn back_up(&mut self, node: usize) {
        if self.hosts[node].lie.is_some() || self.calm {
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
        let is_lost = down.is_multiple_of(LOST);
        self.faults.count(if is_lost { "disks lost" } else { "disks put back to an older day" });
        self.crash(node);
        self.hosts[node].disk = if is_lost { Disk::default() } else { copy };
        self.hosts[node].is_older = true;
        self.at(down, Event::Restart(node));
    }

    /// Whether the disks of all other honest nodes hold a node's log up to its last promise.
    fn others_hold_all(&self, node: usize) -> bool {
        let mut others = self.honest().into_iter().filter(|other| *other != node);
        others.all(|other| {
            let mut each = self.islands.iter();
            each.all(|island| {
                self.has_followed(island, other, node) && self.keeps(island, other, node)
            })
        })
    }

    /// Whether a node has checked another's log up to its last promise.
    fn has_followed(&self, island: &Island, other: usize, node: usize) -> bool {
        island.replicas[other].as_ref().is_some_and(|it| self.has_all(it, island, node))
    }

    /// Whether it would have after a loss of power: what is not synced may be lost with it.
    fn keeps(&self, island: &Island, other: usize, node: usize) -> bool {
        let it = &self.hosts[other];
        let mut disk = it.disk.clone();
        disk.tear(&island.cooperative, 0);
        let after = disk.restore(it.moment(self.now), island.cooperative, it.key.clone());
        after.is_ok_and(|after| self.has_all(&after, island, node))
    }

    fn has_all(&self, replica: &Replica, island: &Island, node: usize) -> bool {
        let it = &self.hosts[node];
        let promised = it.disk.promised(&island.cooperative).map_or(0, |(size, _)| size);
        let held = replica.mirrors().find(|mirror| mirror.node == it.node);
        held.is_some_and(|mirror| mirror.checked.size() >= promised)
    }
}
