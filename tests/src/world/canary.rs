//! Planted bugs: what a node of this world does wrong, to see that somebody notices.
//!
//! None of them is in the product. Each is in what stands between a replica and its world here: the
//! disk, the judge of signatures, the charter that is handed over, the answers and the root that
//! come out. A canary that no check notices means that the check is worth nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use talea_ledger::place::Refusal;
use talea_ledger::replica::Reply;
use talea_protocol::entry::{Entry, Refusal as Unsound, Signed, check};
use talea_protocol::hash::{Context, EntryId, Hash};
use talea_protocol::leaf::accept;
use talea_tools::heads::{Frozen, Head};

use super::invariants::{Invariant, Violation};
use super::scenario::{Lie, Scenario, Step, What};
use super::{World, number, run, torsion};
use crate::chance::Chance;

/// A planted bug.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Canary {
    /// The disk says "durable" before anything is synced: checkpoints are signed, and whoever
    /// submitted is told, while a crash can still take it back.
    AcknowledgeBeforeSync,
    /// An entry is taken whatever entry before it it names: where the replica refuses by rule 13,
    /// the wallet is told that it has a place.
    WrongPrev,
    /// The state depends on the order of arrival: beside the root, a node publishes which
    /// attestation of each contribution came first.
    StateByArrival,
    /// A second entry for a place gets a leaf in the log: where the replica refuses by rule 20, the
    /// disk writes it all the same.
    SecondPlace,
    /// The charter that is handed over says that nobody lies, and asks for one receipt fewer; the
    /// world lies as before.
    LowQuorum,
    /// Signatures are judged without the cofactor, in batches, as `ed25519-dalek` does.
    DalekBatch,
    /// A wallet that was restored from an old backup signs without asking any node.
    WalletAsksNobody,
    /// The registrar removes members, and hands roles over, at a cut of what any quorum of nodes says,
    /// whether they stand still or not.
    CutWhileMoving,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AcknowledgeBeforeSync,
        Self::WrongPrev,
        Self::StateByArrival,
        Self::SecondPlace,
        Self::LowQuorum,
        Self::DalekBatch,
        Self::WalletAsksNobody,
        Self::CutWhileMoving,
    ];

    /// What must be said when it is noticed: any of these.
    #[must_use]
    pub const fn betrayed_by(self) -> &'static [Invariant] {
        match self {
            Self::AcknowledgeBeforeSync => {
                &[Invariant::NothingAcknowledgedIsMissing, Invariant::NobodySignsTwoRootsOrFewer]
            }
            Self::WrongPrev => &[Invariant::NothingForgedIsAccepted],
            Self::StateByArrival => &[Invariant::AllHoldTheSame],
            Self::SecondPlace => &[Invariant::NoLogHoldsAPlaceTwice],
            Self::LowQuorum => &[Invariant::NoPlaceSettlesTwice],
            Self::DalekBatch => {
                &[Invariant::NoHonestPeerIsAccused, Invariant::HonestEntriesAreAccepted]
            }
            Self::WalletAsksNobody => &[Invariant::NoHonestWalletForks],
            Self::CutWhileMoving => {
                &[Invariant::AllAgreeInTime, Invariant::NothingSettlesBehindACut]
            }
        }
    }

    /// The scenario of a seed in which the bug can show at all.
    #[must_use]
    pub fn scenario(self, seed: u64) -> Scenario {
        if self != Self::LowQuorum {
            return Scenario::of(seed);
        }
        let mut chance = Chance::new(seed ^ 0x5eed);
        let roster = *chance.one_of(&[(5, 1, 4), (7, 2, 5)]);
        let mut scenario = Scenario::drawn(seed, roster, &mut chance);
        scenario.links =
            (1..roster.0).flat_map(|other| (0..other).map(move |one| (one, other))).collect();
        let mask = chance.number();
        scenario.liars = vec![(chance.index(roster.0), Lie::TwoHistories(mask))];
        let at = chance.below(scenario.storm);
        let what = What::Fork { author: chance.number(), mask, length: 1 };
        scenario.steps.retain(|step| !matches!(step.what, What::Swap { .. } | What::Fork { .. }));
        scenario.steps.push(Step { at, what });
        scenario.steps.sort_by_key(|step| step.at);
        scenario
    }

    /// The first of so many seeds at which it is noticed, and how; on all cores.
    #[must_use]
    pub fn noticed(self, seeds: u64) -> Option<(u64, Violation)> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (next, first) = (AtomicU64::new(0), AtomicU64::new(seeds));
        let search = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first.load(Ordering::Relaxed) {
                    return None;
                }
                if let Err(violation) = run(&self.scenario(seed), Some(self))
                    && self.betrayed_by().contains(&violation.invariant)
                {
                    first.fetch_min(seed, Ordering::Relaxed);
                    return Some((seed, violation));
                }
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(search)).collect();
            let found = threads.into_iter().filter_map(|it| it.join().expect("no panic gets out"));
            found.min_by_key(|(seed, _)| *seed)
        })
    }
}

/// How many may lie and how many receipts settle, as the charter says.
pub(super) const fn roster(canary: Option<Canary>, scenario: &Scenario) -> (u8, u8) {
    match canary {
        Some(Canary::LowQuorum) => (0, scenario.quorum - 1),
        _ => (scenario.faulty, scenario.quorum),
    }
}

impl World {
    /// The verdict on signatures.
    pub(super) fn check(
        &mut self,
        host: usize,
        entries: Vec<Entry>,
    ) -> Vec<Result<Signed, (Entry, Unsound)>> {
        if self.canary == Some(Canary::DalekBatch) {
            let salt = self.now ^ number(host).rotate_left(32);
            let good = torsion::judge_without_cofactor(&entries, salt);
            let verdict = |(entry, good)| match good {
                true => Ok(Signed::kept(entry)),
                false => Err((entry, Unsound::Signature)),
            };
            return entries.into_iter().zip(good).map(verdict).collect();
        }
        let key = |entry: &Entry| {
            let signature = entry.bytes().last_chunk::<64>().expect("signed").to_vec();
            (entry.id(), signature)
        };
        // A verdict is a function of the bytes: what was judged once need not be judged again.
        let new: Vec<Entry> = entries
            .iter()
            .filter(|entry| !self.signatures.contains_key(&key(entry)))
            .cloned()
            .collect();
        let keys: Vec<_> = new.iter().map(key).collect();
        let verdicts = check(new).into_iter().map(|verdict| verdict.is_ok());
        self.signatures.extend(keys.into_iter().zip(verdicts));
        let judge = |entry: Entry| match self.signatures.get(&key(&entry)) {
            Some(true) => Ok(Signed::kept(entry)),
            _ => Err((entry, Unsound::Signature)),
        };
        entries.into_iter().map(judge).collect()
    }

    /// What the registrar takes a node's word for.
    pub(super) fn overstate(&self, mut head: Head) -> Head {
        if self.canary == Some(Canary::CutWhileMoving) {
            let (from, cause) = (head.length, "planted".to_owned());
            head.frozen.get_or_insert(Frozen { from, rule: 21, cause });
        }
        head
    }

    /// What a node with a planted bug answers to a forged entry.
    pub(super) fn bend(&mut self, island: usize, host: usize, id: EntryId, reply: Reply) -> Reply {
        match (self.canary, reply) {
            (Some(Canary::WrongPrev), Reply::Refused(Refusal::Link { .. })) => Reply::Placed(0),
            (Some(Canary::SecondPlace), Reply::Refused(Refusal::Fork { .. })) => {
                let forged = self.islands[island].people.sinful(&id).map(|entry| accept(entry));
                let cooperative = self.islands[island].cooperative;
                let leaf = forged.expect("somebody has signed it");
                let index = number(self.hosts[host].disk.leaves(&cooperative).count());
                self.on_leaf(island, host, &leaf);
                self.hosts[host].disk.put_leaf(&cooperative, index, leaf);
                reply
            }
            (_, reply) => reply,
        }
    }

    /// The state root that a node publishes at the end.
    pub(super) fn root(&mut self, island: usize, host: usize) -> Option<Hash> {
        let root = self.islands[island].replicas[host].as_mut()?.state_mut().root();
        if self.canary != Some(Canary::StateByArrival) {
            return Some(root);
        }
        let mut parts = vec![root.0];
        for (contribution, attestation) in &self.islands[island].arrivals[host] {
            parts.extend([contribution.0, attestation.0]);
        }
        let parts: Vec<&[u8]> = parts.iter().map(<[u8; 32]>::as_slice).collect();
        Some(Context::State.hash(&parts))
    }
}
