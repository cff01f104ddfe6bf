//! Two exports side by side: whoever told two histories is shown to have signed both.
//!
//! Genuine entries of both files share the places; each log's signed roots are compared with each
//! other and with the other file's leaves. That one file shows more than the other is no fault.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::key::{DeviceKey, NodeKey};

use super::Audit;
use super::finding::Finding;
use super::log::Log;
use super::status::Claim;

/// What two exports of one cooperative contradict each other in. Each finding is a proof.
#[must_use]
pub fn compare(one: &Audit, other: &Audit) -> Vec<Finding> {
    let mut found = forks(one, other);
    for (node, log) in &one.shown.logs {
        if let Some(second) = other.shown.logs.get(node) {
            found.extend(roots(*node, log, second));
        }
    }
    found
}

fn forks(one: &Audit, other: &Audit) -> Vec<Finding> {
    let claims = |audit: &Audit| -> Vec<Claim> {
        audit.shown.entries.values().map(|entry| Claim::of(entry)).collect()
    };
    let held: BTreeMap<(DeviceKey, u64), Claim> =
        claims(one).into_iter().map(|claim| ((claim.device, claim.seq), claim)).collect();
    let healed: BTreeSet<(DeviceKey, u64)> =
        one.found.iter().chain(&other.found).filter_map(healed).collect();
    let contradicts = |other: Claim| {
        let one = *held.get(&(other.device, other.seq))?;
        (one.id != other.id && !healed.contains(&(one.device, one.seq)))
            .then_some(Finding::Fork { one, other })
    };
    claims(other).into_iter().filter_map(contradicts).collect()
}

/// The place of a fork that a settled heal has ended.
const fn healed(finding: &Finding) -> Option<(DeviceKey, u64)> {
    match finding {
        Finding::Healed { other, .. } => Some((other.device, other.seq)),
        _ => None,
    }
}

/// Signed roots that cannot both be true of one log.
fn roots(log: NodeKey, one: &Log, other: &Log) -> Option<Finding> {
    for (size, held) in &one.checkpoints {
        if let Some(second) = other.checkpoints.get(size).filter(|second| second.root != held.root)
        {
            return Some(Finding::TwoRoots {
                log,
                size: *size,
                one: held.root,
                other: second.root,
            });
        }
    }
    // Under sound roots of different sizes, the leaves tell whether one continues the other.
    let size = one.sound.min(other.sound);
    let (short, long) = if one.sound <= other.sound { (one, other) } else { (other, one) };
    let mut leaves =
        short.leaves.iter().zip(&long.leaves).take_while(|(leaf, _)| leaf.index < size);
    let (leaf, second) = leaves.find(|(leaf, second)| leaf.hash != second.hash)?;
    Some(Finding::TwoLeaves { log, index: leaf.index, one: leaf.hash, other: second.hash })
}
