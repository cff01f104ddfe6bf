//! Open forks as the nodes tell of them, and the heal that their fork leaves allow.
//!
//! A node's word is nothing without the receipt of its leaf: each is checked by the ledger's rule 27
//! as soon as it is read, and what does not hold is left out. Which branch is dead, and how many logs
//! say so, is counted here only to be told; whether a heal may cite it is `heal::examine`'s.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use talea_ledger::heal::{self, HealFault, logs_needed};
use talea_ledger::register::Register;
use talea_protocol::bytes::{List, Octets};
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::{Forked, Leaf};
use talea_protocol::receipt::Receipt;
use talea_protocol::recovery::{Evidence, Heal};

/// An open fork as a node tells of it (`GET …/forks`).
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// Whose log.
    pub node: NodeKey,
    /// The device's number.
    pub number: u32,
    /// The place.
    pub seq: u32,
    /// The receipt of the fork's leaf.
    pub receipt: String,
}

/// What one log shows of a fork.
#[derive(Clone, Debug)]
struct Cited {
    forked: Forked,
    evidence: Evidence,
}

/// One place of a chain that was written twice, and all that the logs show of it.
#[derive(Clone, Debug)]
pub struct Wound {
    /// The device's number.
    pub device: u32,
    /// The place.
    pub seq: u32,
    cited: BTreeMap<NodeKey, Cited>,
}

/// A branch of a fork, and who speaks against it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Branch {
    /// The entry in that place.
    pub id: EntryId,
    /// The logs that hold it.
    pub held_by: Vec<NodeKey>,
    /// The logs that hold another entry there, or none.
    pub against: Vec<NodeKey>,
    /// Whether these are so many that it can settle no more.
    pub dead: bool,
}

/// Why a log's word on a fork is left out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unshown {
    /// Longer than a heal can cite.
    #[error("the receipt of node {node} is longer than a heal can cite")]
    Long {
        /// Whose log.
        node: NodeKey,
    },
    /// The receipt shows something else, or nothing.
    #[error(transparent)]
    Fault(#[from] HealFault),
}

/// All wounds that the rows show, and what was left out.
#[must_use]
pub fn wounds(register: &Register, rows: Vec<Row>) -> (Vec<Wound>, Vec<Unshown>) {
    let (mut wounds, mut unshown) = (BTreeMap::<(u32, u32), Wound>::new(), Vec::new());
    for row in rows {
        let (device, seq, node) = (row.number, row.seq, row.node);
        match cite(register, row) {
            Ok(cited) => {
                let new = || Wound { device, seq, cited: BTreeMap::new() };
                let wound = wounds.entry((device, seq)).or_insert_with(new);
                wound.cited.insert(node, cited);
            }
            Err(fault) => unshown.push(fault),
        }
    }
    (wounds.into_values().collect(), unshown)
}

fn cite(register: &Register, row: Row) -> Result<Cited, Unshown> {
    let Row { node, number: device, seq, receipt } = row;
    let receipt = Octets::new(receipt.into_bytes()).ok_or(Unshown::Long { node })?;
    let evidence = Evidence { node, receipt };
    let alone = List::new(vec![evidence.clone()]).ok_or(Unshown::Long { node })?;
    match heal::examine(register, &Heal { device, seq, adopt: None, evidence: alone }) {
        // What one log alone leaves open is no fault of its receipt.
        Ok(()) | Err(HealFault::Open { .. } | HealFault::Adopted { .. }) => {}
        Err(fault) => return Err(fault.into()),
    }
    let receipt =
        Receipt::parse(&evidence.receipt).map_err(|fault| HealFault::Receipt { node, fault })?;
    match Leaf::parse(&receipt.extra) {
        Ok(Leaf::Fork(forked)) => Ok(Cited { forked: *forked, evidence }),
        _ => Err(HealFault::Leaf { node }.into()),
    }
}

impl Wound {
    /// The proof that the device has written twice.
    #[must_use]
    pub fn proof(&self) -> Option<&Fork> {
        self.cited.values().next().map(|cited| &cited.forked.fork)
    }

    /// How many logs show their leaf.
    #[must_use]
    pub fn logs(&self) -> usize {
        self.cited.len()
    }

    /// Every branch that a proof names or a log holds: those that are not dead first.
    #[must_use]
    pub fn branches(&self, register: &Register) -> Vec<Branch> {
        let all = self.cited.values().map(|cited| &cited.forked);
        let named = all.flat_map(|it| [Some(it.fork.one.id()), Some(it.fork.other.id()), it.held]);
        let ids: BTreeSet<EntryId> = named.flatten().collect();
        let needed = logs_needed(register.roster());
        let branch = |id: EntryId| {
            let holds = |cited: &Cited| cited.forked.held == Some(id);
            let (held, against): (Vec<_>, Vec<_>) =
                self.cited.iter().partition(|(_, cited)| holds(cited));
            let nodes = |side: Vec<(&NodeKey, &Cited)>| side.into_iter().map(|(n, _)| *n).collect();
            let dead = against.len() >= needed;
            Branch { id, held_by: nodes(held), against: nodes(against), dead }
        };
        let mut branches: Vec<Branch> = ids.into_iter().map(branch).collect();
        branches.sort_by_key(|branch| branch.dead);
        branches
    }

    /// The heal that the logs' leaves allow.
    ///
    /// # Errors
    /// [`HealFault`]: two branches may still settle, or the place is healed.
    pub fn heal(&self, register: &Register) -> Result<Heal, HealFault> {
        let (device, seq) = (self.device, self.seq);
        if register.healed(device, seq).is_some() {
            return Err(HealFault::Healed);
        }
        let leaves: Vec<Forked> = self.cited.values().map(|cited| cited.forked).collect();
        let adopt = heal::left(register, &leaves)?;
        let evidence = self.cited.values().map(|cited| cited.evidence.clone()).collect();
        let evidence = List::new(evidence).ok_or(HealFault::Nothing)?;
        let heal = Heal { device, seq, adopt, evidence };
        heal::examine(register, &heal)?;
        Ok(heal)
    }
}
