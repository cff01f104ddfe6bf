//! What an export lacks: places that nothing fills, receipts, and what a policy asks for.
//!
//! Nothing here is wrong with the file; whoever made it may have had no more. The clock is the
//! caller's.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};

use super::finding::Finding;
use super::policy::{Policy, PolicyFault};
use super::status::Claim;
use super::{Audit, Sum, Summary, count, fold};

/// Missing places that are named; a file without most of its leaves has thousands.
pub const PLACES_MAX: usize = 100;

impl Audit {
    /// What is missing, and what a policy asks for beyond what is right.
    pub(super) fn ask(&mut self, policy: &Policy, now: u64) {
        let own = self.shown.own();
        let covered = own.checkpoints.keys().next_back().copied().unwrap_or(0);
        let mut found = Vec::new();
        if covered < own.end {
            found.push(Finding::Uncovered { log: own.node, from: covered, to: own.end });
        }
        found.extend(self.missing_places());
        let summary = self.summary();
        if policy.settled.is_some() {
            // How much must be settled is said: what nodes held for settled beyond it is no lack.
            self.shown.found.retain(|finding| !matches!(finding, Finding::Receipts { .. }));
        } else {
            found.extend(self.unsettled());
        }
        found.extend(self.faults(policy, &summary, now).into_iter().map(Finding::Policy));
        self.shown.found.append(&mut found);
    }

    /// Places that no entry in the file fills, before ones that are filled or that a frontier
    /// holds for settled; at most [`PLACES_MAX`].
    fn missing_places(&self) -> Vec<Finding> {
        let Some(sum) = self.sum.as_ref().filter(|_| self.shown.own().has_holes()) else {
            return Vec::new();
        };
        let headers = || self.shown.entries.values().map(|entry| entry.header());
        let filled: BTreeSet<(DeviceKey, u64)> =
            headers().map(|header| (header.device, header.seq)).collect();
        let named: BTreeSet<(DeviceKey, u64)> = self
            .shown
            .found
            .iter()
            .filter(|finding| matches!(finding, Finding::MissingPlace { .. }))
            .filter_map(|finding| finding.claim().map(|claim| (claim.device, claim.seq)))
            .collect();
        let ends = self.ends(sum);
        let held = |device: &DeviceKey| {
            let number = sum.register.device(device, u32::MAX);
            number.map_or(0, |number| count(sum.places.chain(number).len()))
        };
        ends.into_iter()
            .flat_map(|(device, end)| (held(&device)..end).map(move |seq| (device, seq)))
            .filter(|place| !filled.contains(place) && !named.contains(place))
            .take(PLACES_MAX)
            .map(|(device, seq)| Claim { device, seq, id: EntryId::ZERO })
            .map(|claim| Finding::MissingPlace { claim })
            .collect()
    }

    /// How long each chain is at least, by entries and by frontiers.
    fn ends(&self, sum: &Sum) -> BTreeMap<DeviceKey, u64> {
        let mut ends: BTreeMap<DeviceKey, u64> = BTreeMap::new();
        let mut reach = |device: DeviceKey, end: u64| {
            let held = ends.entry(device).or_default();
            *held = end.max(*held);
        };
        for entry in self.shown.entries.values() {
            reach(entry.header().device, entry.header().seq);
        }
        for (_, cut) in self.shown.logs.values().filter_map(fold::last_cut) {
            for (device, length) in sum.register.devices().iter().zip(&cut.lengths) {
                reach(device.key, u64::from(*length));
            }
        }
        ends
    }

    /// What the exporting node accepted and too few logs hold.
    fn unsettled(&self) -> Option<Finding> {
        let sum = self.sum.as_ref()?;
        let own = self.shown.own();
        if own.has_holes() {
            // A consequence of what is missing, not a fact beside it.
            return None;
        }
        let is_open = |id: &EntryId| !sum.settled.has(id) && !sum.dead.contains(id);
        let accepted = own.leaves.iter().filter_map(|leaf| leaf.content.entry());
        let open: Vec<EntryId> = accepted.filter(is_open).collect();
        let first = self.shown.entries.get(open.first()?)?;
        let receipts = sum.settled.receipts(&first.id());
        Some(Finding::Unsettled {
            count: count(open.len()),
            first: Claim::of(first),
            receipts,
            quorum: u32::from(sum.settled.roster().map_or(0, |roster| roster.quorum)),
        })
    }

    fn faults(&self, policy: &Policy, summary: &Summary, now: u64) -> Vec<PolicyFault> {
        let mut faults = Vec::new();
        let found = summary.cooperative;
        if let Some(wanted) = policy.cooperative.filter(|wanted| *wanted != found) {
            faults.push(PolicyFault::Cooperative { wanted, found });
        }
        let roster = self.sum.as_ref().and_then(|sum| sum.settled.roster());
        let names = |node: &&NodeKey| roster.is_some_and(|it| it.nodes.contains(node));
        let absent = policy.nodes.iter().filter(|node| !names(node));
        faults.extend(absent.map(|node| PolicyFault::Node { node: *node }));
        let found = summary.settled;
        if let Some(wanted) = policy.settled.filter(|wanted| *wanted > found) {
            faults.push(PolicyFault::Settled { wanted, found });
        }
        let found = summary.held_by;
        if let Some(wanted) = policy.held_by.filter(|wanted| *wanted > found) {
            faults.push(PolicyFault::HeldBy { wanted, found });
        }
        let found = now.saturating_sub(self.seen_at());
        if let Some(wanted) = policy.age_s.filter(|wanted| *wanted < found) {
            faults.push(PolicyFault::Age { wanted, found });
        }
        faults
    }

    /// When the largest checkpoint was cosigned, in seconds since 1970 UTC, as somebody says who
    /// does not lie: of the roster's times the (f + 1)-th from the latest.
    fn seen_at(&self) -> u64 {
        let roster = self.sum.as_ref().and_then(|sum| sum.settled.roster());
        let faulty = roster.map_or(0, |roster| roster.faulty);
        let mut times: Vec<u64> = match self.shown.own().checkpoints.values().next_back() {
            Some(checkpoint) => checkpoint.cosigners.values().copied().collect(),
            None => Vec::new(),
        };
        times.push(self.shown.time / 1000);
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.get(usize::from(faulty)).copied().unwrap_or(0)
    }
}
