//! Whoever has contradicted itself before honest eyes is proven to have done so, everywhere.

use std::collections::BTreeSet;

use talea_ledger::freeze::Open;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::leaf::Leaf;

use super::super::World;
use super::super::scenario::Lie;
use super::Invariant;

impl World {
    /// A device is said to have forked.
    pub(in crate::world) fn on_fork(
        &mut self,
        island: usize,
        host: usize,
        device: DeviceKey,
        seq: u64,
    ) {
        self.faults.count("alarms: a fork");
        let people = &self.islands[island].people;
        if !people.is_crook(&device) {
            let what = format!("host {host}: place {seq} of {device}, an honest wallet's");
            let invariant = match people.has_forked(&device) {
                true => Invariant::NoHonestWalletForks,
                false => Invariant::EveryMetEquivocationIsProven,
            };
            self.violate(invariant, what);
        }
    }

    /// What is behind the end of a chain counts for nobody: who heard of it before the end tells of it,
    /// and who heard later does not.
    pub(super) fn every_met_equivocation_is_proven(&self, island: usize) -> bool {
        let held = &self.islands[island];
        let forked = |host: usize| -> BTreeSet<u32> {
            let Some(replica) = held.replicas[host].as_ref() else { return BTreeSet::new() };
            let counts = |(device, open): &(u32, &Open)| {
                let record = replica.register().and_then(|register| register.record(*device));
                let end = record.and_then(|record| record.end);
                end.is_none_or(|end| open.fork.seq() < u64::from(end.length))
            };
            replica.freezes().forks().filter(counts).map(|(device, _)| device).collect()
        };
        let all: BTreeSet<BTreeSet<u32>> = self.honest().into_iter().map(forked).collect();
        all.len() <= 1
    }

    /// Whoever has shown one log to one honest node and another log to another one is proven to have
    /// done so, in the logs of all, if one of the two has said what it saw.
    pub(super) fn every_met_split_is_proven(&self, island: usize) -> bool {
        let honest = self.honest();
        let twins = self.hosts.iter().filter(|host| host.is_twin).map(|host| host.node);
        twins.into_iter().all(|node| {
            let proven = |host: &usize| {
                let replica = self.islands[island].replicas[*host].as_ref();
                replica.is_some_and(|it| it.splits().any(|(named, _)| *named == node))
            };
            let count = honest.iter().filter(|host| proven(host)).count();
            count == honest.len()
                || (count == 0 && !honest.iter().any(|host| self.is_met(island, *host, node)))
        })
    }

    /// Whether what a host has said of a node's log is not what another honest one has of it.
    fn is_met(&self, island: usize, host: usize, node: NodeKey) -> bool {
        let held = &self.islands[island];
        let mut leaves: Vec<&Vec<u8>> = self.hosts[host].disk.leaves(&held.cooperative).collect();
        leaves.reverse();
        let said = leaves.into_iter().find_map(|leaf| match Leaf::parse(leaf) {
            Ok(Leaf::Peer(peer)) if peer.node == node => Some(peer),
            _ => None,
        });
        let Some(said) = said else { return false };
        self.honest()
            .into_iter()
            .filter_map(|other| held.replicas[other].as_ref())
            .any(|other| other.root_at(&node, said.size).is_some_and(|root| root != said.root))
    }

    pub(super) fn wrong_states_are_noticed(&self, island: usize) -> bool {
        let wrong = self.hosts.iter().filter(|host| host.lie == Some(Lie::WrongState));
        let nodes: Vec<NodeKey> = wrong.map(|host| host.node).collect();
        let alarmed =
            |host: &usize, node: &NodeKey| self.islands[island].alarmed.contains(&(*host, *node));
        self.honest().iter().all(|host| nodes.iter().all(|node| alarmed(host, node)))
    }
}
