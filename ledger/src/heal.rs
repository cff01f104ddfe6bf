//! Whether the evidence of a heal shows what it must: rule 27.
//!
//! A branch is dead once so many logs hold another id, or none, in its place that too few are left
//! to settle it, whoever lies. What is cited is checked against the roster alone: no log has to be
//! here. What a heal does to the chain is the register's business, and who may have a place in it
//! is placing's. The design's model, section 7; README, rule 27.

use std::collections::BTreeSet;

use talea_protocol::charter::Roster;
use talea_protocol::fork::ForkFault;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::leaf::{Forked, Leaf};
use talea_protocol::receipt::{Receipt, ReceiptFault};
use talea_protocol::recovery::{Evidence, Heal};
use talea_protocol::tree::leaf_hash;

use crate::register::Register;

/// Why a heal has no place: its evidence does not show what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HealFault {
    /// Nobody has that device.
    #[error("rule 27: there is no device {device}")]
    Device {
        /// The number named.
        device: u32,
    },
    /// Not strictly ascending by node, so that one log might be counted twice.
    #[error("rule 27: the evidence is not strictly ascending by node")]
    Order,
    /// Evidence from outside the roster.
    #[error("rule 27: node {node} is not of the roster")]
    Stranger {
        /// Whose log.
        node: NodeKey,
    },
    /// Evidence that is not a receipt, or not of that log.
    #[error("rule 27: the receipt of node {node}: {fault}")]
    Receipt {
        /// Whose log.
        node: NodeKey,
        /// What is wrong.
        fault: ReceiptFault,
    },
    /// A receipt of another leaf, or without it.
    #[error("rule 27: the receipt of node {node} brings no leaf of a fork")]
    Leaf {
        /// Whose log.
        node: NodeKey,
    },
    /// The leaf's proof is none.
    #[error("rule 27: the leaf of node {node}: {fault}")]
    Proof {
        /// Whose log.
        node: NodeKey,
        /// What is wrong.
        fault: ForkFault,
    },
    /// The leaf is about another place.
    #[error("rule 27: the leaf of node {node} is about another place")]
    Place {
        /// Whose log.
        node: NodeKey,
    },
    /// A heal of this place has its number already.
    #[error("rule 27: the place is healed already")]
    Healed,
    /// Nothing is cited.
    #[error("rule 27: no log is cited")]
    Nothing,
    /// More than one branch could still settle: nothing is safe but to wait.
    #[error("rule 27: neither {one} nor {other} is shown to be dead")]
    Open {
        /// The one.
        one: EntryId,
        /// The other.
        other: EntryId,
    },
    /// An earlier roster might still settle another branch.
    #[error("rule 27: the closed logs of roster {roster} do not show {branch} to be dead")]
    Older {
        /// The branch.
        branch: EntryId,
        /// The roster, by its place among all.
        roster: usize,
    },
    /// A new roster is numbered and not in force yet.
    #[error("rule 27: the roster is being replaced: a heal waits until it is")]
    Changing,
    /// Another branch goes on, or none.
    #[error("rule 27: the evidence leaves {}, not {}", name(.left.as_ref()), name(.adopted.as_ref()))]
    Adopted {
        /// The one branch that is not dead.
        left: Option<EntryId>,
        /// What the heal adopts.
        adopted: Option<EntryId>,
    },
}

fn name(branch: Option<&EntryId>) -> String {
    branch.map_or_else(|| "no branch".to_owned(), ToString::to_string)
}

/// Checks a heal's evidence under a register.
///
/// # Errors
/// [`HealFault`], the first found.
pub fn examine(register: &Register, heal: &Heal) -> Result<(), HealFault> {
    let device = heal.device;
    let key = register.record(device).ok_or(HealFault::Device { device })?.key;
    if !heal.evidence.is_sorted_by(|one, next| one.node < next.node) {
        return Err(HealFault::Order);
    }
    let cooperative = register.cooperative();
    let cited = heal
        .evidence
        .iter()
        .map(|evidence| cited(&cooperative, register.roster(), &key, heal.seq, evidence))
        .collect::<Result<Vec<Forked>, HealFault>>()?;
    if register.rosters().len() > 1 {
        numbered(register, &cited).map_or(Ok(()), |left| adopts(Some(left), heal.adopt))?;
        return others_dead(register.roster(), &cited, heal.adopt);
    }
    adopts(left(register, &cited)?, heal.adopt)
}

fn adopts(left: Option<EntryId>, adopted: Option<EntryId>) -> Result<(), HealFault> {
    if left == adopted { Ok(()) } else { Err(HealFault::Adopted { left, adopted }) }
}

/// What fork leaves of different logs, all about one place, leave of its branches under a register:
/// the one that the register holds, for a succession may have adopted it after those logs were
/// asked, and whatever follows it settles with it; otherwise what [`outcome`] says.
///
/// # Errors
/// [`HealFault::Open`], [`HealFault::Nothing`].
pub fn left(register: &Register, cited: &[Forked]) -> Result<Option<EntryId>, HealFault> {
    match numbered(register, cited) {
        Some(held) => Ok(Some(held)),
        None => outcome(register.roster(), cited),
    }
}

/// The branch that has a number in the register. A heal stands on the whole register before it: once
/// it is settled, so is this.
fn numbered(register: &Register, cited: &[Forked]) -> Option<EntryId> {
    branches(cited).into_iter().find(|branch| register.number(branch).is_some())
}

/// Whether every branch is dead but the one that is adopted. That one may be dead as well: what
/// the logs of an earlier roster hold may leave it, and forbid it to the new one.
fn others_dead(
    roster: &Roster,
    cited: &[Forked],
    adopted: Option<EntryId>,
) -> Result<(), HealFault> {
    let branches = branches(cited);
    if branches.is_empty() {
        return Err(HealFault::Nothing);
    }
    let mut alive = branches
        .into_iter()
        .filter(|branch| Some(*branch) != adopted && is_alive(roster, cited, branch));
    match alive.next() {
        Some(left) => Err(HealFault::Adopted { left: Some(left), adopted }),
        None => Ok(()),
    }
}

/// Every branch that fork leaves name. What a log holds may be a third one, which its proof does
/// not name.
fn branches(cited: &[Forked]) -> BTreeSet<EntryId> {
    let named = |leaf: &Forked| [Some(leaf.fork.one.id()), Some(leaf.fork.other.id()), leaf.held];
    cited.iter().flat_map(named).flatten().collect()
}

fn is_alive(roster: &Roster, cited: &[Forked], branch: &EntryId) -> bool {
    cited.iter().filter(|leaf| leaf.held != Some(*branch)).count() < logs_needed(roster)
}

/// What fork leaves of different logs of the roster, all about one place, leave of its branches:
/// the one that is not dead, or none if all are.
///
/// # Errors
/// [`HealFault::Open`], [`HealFault::Nothing`].
pub fn outcome(roster: &Roster, cited: &[Forked]) -> Result<Option<EntryId>, HealFault> {
    let branches = branches(cited);
    if branches.is_empty() {
        return Err(HealFault::Nothing);
    }
    let mut alive = branches.iter().filter(|branch| is_alive(roster, cited, branch));
    match (alive.next(), alive.next()) {
        (Some(one), Some(other)) => Err(HealFault::Open { one: *one, other: *other }),
        (left, _) => Ok(left.copied()),
    }
}

/// How many logs must hold something else for a branch to be dead: n - q + f + 1. Of these at
/// least n - q + 1 do not lie, so that at most q - 1 of all can ever hold the branch.
#[must_use]
pub fn logs_needed(roster: &Roster) -> usize {
    let beyond = roster.nodes.len().saturating_sub(usize::from(roster.quorum));
    beyond + usize::from(roster.faulty) + 1
}

/// The fork leaf that a piece of evidence shows.
fn cited(
    cooperative: &EntryId,
    roster: &Roster,
    device: &DeviceKey,
    seq: u32,
    Evidence { node, receipt }: &Evidence,
) -> Result<Forked, HealFault> {
    let node = *node;
    if !roster.nodes.contains(&node) {
        return Err(HealFault::Stranger { node });
    }
    let fault = |fault| HealFault::Receipt { node, fault };
    let receipt = Receipt::parse(receipt).map_err(fault)?;
    let Ok(Leaf::Fork(leaf)) = Leaf::parse(&receipt.extra) else {
        return Err(HealFault::Leaf { node });
    };
    // The log's own signature is all that is asked: cosigners say nothing about what it holds.
    receipt.verify(&leaf_hash(&receipt.extra), cooperative, &node, &[]).map_err(fault)?;
    let fork = leaf.fork;
    fork.check(cooperative).map_err(|fault| HealFault::Proof { node, fault })?;
    if (fork.device(), fork.seq()) != (*device, u64::from(seq)) {
        return Err(HealFault::Place { node });
    }
    Ok(*leaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::bytes::List;
    use talea_protocol::entry::{Header, SCHEME, SignedHeader, VERSION};
    use talea_protocol::fork::Fork;
    use talea_protocol::hash::Hash;
    use talea_protocol::key::Signature;

    /// A header whose act differs from those with other numbers.
    fn branch(act: u8) -> SignedHeader {
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: EntryId([1; 32]),
            device: DeviceKey([2; 32]),
            seq: 4,
            prev: EntryId([3; 32]),
            basis: EntryId([1; 32]),
            time: 7,
            payload: None,
        };
        SignedHeader { header, act: Hash([act; 32]), signature: Signature([0; 64]) }
    }

    fn roster(nodes: u8, faulty: u8, quorum: u8) -> Roster {
        let nodes = (0..nodes).map(|n| NodeKey([n; 32])).collect();
        Roster { nodes: List::new(nodes).unwrap(), faulty, quorum }
    }

    /// What a split leaves: so many logs hold the one branch, so many the other, the rest none.
    fn split(
        roster: &Roster,
        one: usize,
        other: usize,
        none: usize,
    ) -> Result<Option<EntryId>, HealFault> {
        let fork = Fork::new(branch(1), branch(2));
        let leaf = |held| Forked { fork, held };
        let mut cited = vec![leaf(Some(branch(1).id())); one];
        cited.extend(vec![leaf(Some(branch(2).id())); other]);
        cited.extend(vec![leaf(None); none]);
        outcome(roster, &cited)
    }

    fn splits(nodes: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let others =
            move |one| (0..=nodes - one).map(move |other| (one, other, nodes - one - other));
        (0..=nodes).flat_map(others)
    }

    /// Every roster of the design's model, section 6, and whether every split can be resolved.
    const TABLE: [(u8, u8, u8, bool); 7] = [
        (1, 0, 1, true),
        (3, 0, 2, true),
        (4, 0, 3, true),
        (4, 1, 3, false),
        (5, 1, 4, true),
        (7, 1, 5, true),
        (7, 2, 5, false),
    ];

    #[test]
    fn rule_27_every_split_of_the_models_rosters_is_resolvable_or_not_as_the_table_says() {
        for (nodes, faulty, quorum, always) in TABLE {
            let roster = roster(nodes, faulty, quorum);
            let open: Vec<_> = splits(usize::from(nodes))
                .filter(|(one, other, none)| split(&roster, *one, *other, *none).is_err())
                .collect();
            assert_eq!(open.is_empty(), always, "{nodes} {faulty} {quorum}: {open:?}");
            assert_eq!(always, 2 * quorum > nodes + 2 * faulty);
        }
        let stuck = |(n, f, q), one, other| split(&roster(n, f, q), one, other, 0).is_err();
        assert!(stuck((4, 1, 3), 2, 2), "as the table says");
        assert!(stuck((7, 2, 5), 3, 4) && stuck((7, 2, 5), 4, 3), "as the table says");
        assert!(!stuck((4, 0, 3), 2, 2) && !stuck((7, 1, 5), 3, 4));
    }

    /// Every safe roster of at most seven: what is left could settle, and nothing else could.
    #[test]
    fn rule_27_what_is_dead_never_settles_whoever_of_f_lies() {
        for (nodes, faulty, quorum) in safe_rosters() {
            let roster = roster(nodes, faulty, quorum);
            let (n, f, q) = (usize::from(nodes), usize::from(faulty), usize::from(quorum));
            for (one, other, none) in splits(n) {
                // Liars hold both: each branch may have f receipts from logs that deny it.
                let most = |held: usize| (held + f).min(n);
                match split(&roster, one, other, none) {
                    Ok(Some(left)) if left == branch(1).id() => assert!(most(other) < q),
                    Ok(Some(_)) => assert!(most(one) < q),
                    Ok(None) => assert!(most(one) < q && most(other) < q),
                    Err(HealFault::Open { .. }) => assert!(most(one) >= q && most(other) >= q),
                    Err(fault) => panic!("{fault}"),
                }
            }
        }
    }

    /// A branch that has settled is never given up: of its q logs, q - f tell the truth.
    #[test]
    fn rule_27_what_is_settled_is_never_dead() {
        for (nodes, faulty, quorum) in safe_rosters() {
            let roster = roster(nodes, faulty, quorum);
            let honest = usize::from(quorum - faulty);
            for (one, other, none) in splits(usize::from(nodes)).filter(|(one, ..)| *one >= honest)
            {
                let left = split(&roster, one, other, none);
                let open = matches!(left, Err(HealFault::Open { .. }));
                assert!(open || left == Ok(Some(branch(1).id())), "{one} {other} {none}");
            }
        }
    }

    fn safe_rosters() -> Vec<(u8, u8, u8)> {
        let all = (1..=7).flat_map(|n| (0..n).flat_map(move |f| (1..=n).map(move |q| (n, f, q))));
        all.filter(|(n, f, q)| 2 * q > n + f && q + f <= *n).collect()
    }

    #[test]
    fn rule_27_logs_that_are_frozen_empty_count_against_both() {
        let roster = roster(4, 1, 3);
        assert_eq!(split(&roster, 2, 1, 1), Ok(Some(branch(1).id())));
        assert_eq!(split(&roster, 1, 1, 2), Ok(None));
        assert_eq!(split(&roster, 0, 0, 4), Ok(None));
        assert_eq!(outcome(&roster, &[]), Err(HealFault::Nothing));
        // Fewer logs than there are may be enough, and too few never are.
        assert_eq!(split(&roster, 3, 0, 0), Ok(Some(branch(1).id())));
        assert!(matches!(split(&roster, 2, 0, 0), Err(HealFault::Open { .. })));
    }

    #[test]
    fn rule_27_a_third_branch_is_a_branch() {
        let fork = Fork::new(branch(1), branch(3));
        let third = Forked { fork, held: Some(branch(3).id()) };
        let fork = Fork::new(branch(1), branch(2));
        let one = Forked { fork, held: Some(branch(1).id()) };
        let roster = roster(4, 1, 3);
        assert_eq!(outcome(&roster, &[one, one, one, third]), Ok(Some(branch(1).id())));
        assert!(outcome(&roster, &[one, one, third]).is_err());
        // Three logs hold what no proof names: it has settled.
        let silent = Forked { fork, held: Some(branch(3).id()) };
        assert_eq!(outcome(&roster, &[silent; 3]), Ok(Some(branch(3).id())));
    }
}
