//! How much of a chain that ends still counts, from what the nodes say of it.
//!
//! A cut below an entry that a quorum may still settle would be refused, or would take back what is
//! settled (ledger, section 8, "Cut"): so it is the farthest that nodes which stand still have come,
//! and as many of them must say so as settle an entry. Who asks the nodes is the caller's business.

use std::collections::BTreeSet;

use talea_ledger::place::Cause;
use talea_ledger::register::{Office, Register};
use talea_protocol::bytes::List;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;

use crate::heads::{Frozen, Head};

/// Why no cut can be signed now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Uncut {
    /// Nodes that might still give the chain a place.
    #[error(
        "device {device} stands still at {standing} nodes, and {needed} must say so before its end \
         can be named"
    )]
    Moving {
        /// The device's number.
        device: u32,
        /// Nodes of the roster that give it no new place.
        standing: usize,
        /// The quorum.
        needed: usize,
    },
    /// A fork is proven, and no heal has ended it: nodes with the other branch would refuse the cut, and
    /// the register could not go on (rule 26).
    #[error("device {device} has signed two entries for its place {from}, and is not healed")]
    Wounded {
        /// The device's number.
        device: u32,
        /// The place.
        from: u64,
    },
    /// Two branches.
    #[error(
        "the nodes hold different entries of device {device} before place {length}: {one} and {other}"
    )]
    Forked {
        /// The device's number.
        device: u32,
        /// Entries that both hold.
        length: u64,
        /// What one holds.
        one: EntryId,
        /// What another holds.
        other: EntryId,
    },
    /// Beyond what a cut can say.
    #[error("the chains are longer, or more, than a cut can name")]
    Large,
}

impl Uncut {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Moving { .. } => {
                "have the ground stated first (`talea device report`, `talea leave`, a decision), or \
                 wait until more nodes hold it"
            }
            Self::Wounded { .. } | Self::Forked { .. } => {
                "heal the chain first: `talea forks`, then `talea heal`"
            }
            Self::Large => "report this",
        }
    }
}

/// A chain that ends, and what the nodes say of it.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The device's number.
    pub device: u32,
    /// Every node's word.
    pub heads: Vec<Head>,
}

/// The cut behind which nothing of these chains counts, numbered at the register's head.
///
/// A quorum of nodes has to give the chain no new place; where a role alone is handed over, none for
/// this role: what others place for it behind the cut would keep the hand-over from its quorum, and
/// the register would stand still.
///
/// # Errors
/// [`Uncut`].
pub fn cut(register: &Register, chains: &[Chain], role: Option<Office>) -> Result<Cut, Uncut> {
    let (mut root, mut lengths) = (CutRoot::new(), Vec::new());
    let mut chains: Vec<&Chain> = chains.iter().collect();
    chains.sort_by_key(|chain| chain.device);
    for chain in chains {
        let Some((length, last)) = tip(register, chain, role)? else { continue };
        let at = usize::try_from(chain.device).map_err(|_| Uncut::Large)?;
        lengths.resize(at + 1, 0);
        if let Some(slot) = lengths.last_mut() {
            *slot = length;
        }
        if let Some(record) = register.record(chain.device) {
            root.add(&record.key, length, &last);
        }
    }
    let lengths = List::try_from(lengths).map_err(|_| Uncut::Large)?;
    Ok(Cut { at: register.head().1, lengths, root: root.finish() })
}

/// Whether a node gives a chain no place for a role; for one that has no acts of its own it needs not.
fn is_relieved(head: &Head, role: Office) -> bool {
    match role {
        Office::Treasurer => head.relieved.iter().any(|it| it == "treasurer"),
        Office::Distributor => head.relieved.iter().any(|it| it == "distributor"),
        Office::Registrar | Office::Controller | Office::Facilitator(_) => true,
    }
}

/// The farthest that a node which counts has come; nothing for an empty chain.
fn tip(
    register: &Register,
    chain: &Chain,
    role: Option<Office>,
) -> Result<Option<(u32, EntryId)>, Uncut> {
    let (device, roster) = (chain.device, register.roster());
    let of_roster = |head: &&Head| roster.nodes.contains(&head.node);
    let is_fork = |frozen: &&Frozen| frozen.cause == Cause::Fork.to_string();
    let mut forks = chain.heads.iter().filter(of_roster).filter_map(|head| head.frozen.as_ref());
    if let Some(fork) = forks.find(is_fork) {
        return Err(Uncut::Wounded { device, from: fork.from });
    }
    let stands = |head: &&Head| {
        let is_whole = head.frozen.is_some() || head.ended.is_some();
        is_whole || role.is_some_and(|role| is_relieved(head, role))
    };
    let counted: Vec<&Head> = chain.heads.iter().filter(of_roster).filter(stands).collect();
    let nodes: BTreeSet<NodeKey> = counted.iter().map(|head| head.node).collect();
    let (given, needed) = (nodes.len(), usize::from(roster.quorum));
    if given < needed {
        return Err(Uncut::Moving { device, standing: given, needed });
    }
    let tips = || counted.iter().filter_map(|head| Some((head.length, head.head?)));
    let Some((length, last)) = tips().max_by_key(|(length, _)| *length) else { return Ok(None) };
    if let Some((_, other)) = tips().find(|(there, id)| *there == length && *id != last) {
        return Err(Uncut::Forked { device, length, one: last, other });
    }
    let length = u32::try_from(length).map_err(|_| Uncut::Large)?;
    Ok((length > 0).then_some((length, last)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use talea_protocol::charter::{Roster, Visibility};
    use talea_protocol::key::SecretKey;

    use crate::play::Play;
    use crate::play::tests::QUARTER;
    use crate::scenario::Scenario;

    const DEVICE: u32 = 3;

    /// A cooperative whose entries two of three nodes settle.
    pub(crate) fn register() -> Register {
        let scenario = Scenario::parse(QUARTER).unwrap();
        let key = |n: u8| SecretKey::from_seed(&[n; 32]);
        let keys: BTreeMap<String, SecretKey> =
            (1_u8..).zip(scenario.handles()).map(|(n, name)| (name.to_owned(), key(n))).collect();
        let mut nodes: Vec<NodeKey> = (90..93).map(|n| key(n).node()).collect();
        nodes.sort_unstable();
        let roster = Roster { nodes: List::new(nodes).unwrap(), faulty: 0, quorum: 2 };
        let terms = (roster, Visibility::Private);
        Play::found(&scenario, keys, terms, &[7; 32]).unwrap().0.book().register().clone()
    }

    fn id(n: u8) -> EntryId {
        EntryId([n; 32])
    }

    /// A node's word: so many entries, the last of which is `id(last)`, and whether it stands still.
    fn head(register: &Register, node: usize, (length, last): (u64, u8), still: bool) -> Head {
        let cause = "its device is reported lost or stolen".to_owned();
        let frozen = still.then_some(Frozen { from: length, rule: 21, cause });
        let nothing = Head::nothing(register.roster().nodes[node]);
        Head { length, head: (length > 0).then_some(id(last)), frozen, ..nothing }
    }

    fn cut_of(register: &Register, heads: Vec<Head>, role: Option<Office>) -> Result<Cut, Uncut> {
        cut(register, &[Chain { device: DEVICE, heads }], role)
    }

    #[test]
    fn a_cut_is_where_the_farthest_node_stands_that_stands_still() {
        let register = register();
        let of = |node, tip, still| head(&register, node, tip, still);
        let heads = vec![of(0, (2, 2), true), of(1, (3, 3), true), of(2, (9, 9), false)];
        let cut = cut_of(&register, heads, None).unwrap();
        assert_eq!((cut.at, cut.length(DEVICE), cut.total()), (register.head().1, 3, 3));
        let mut root = CutRoot::new();
        root.add(&register.record(DEVICE).unwrap().key, 3, &id(3));
        assert_eq!(cut.root, root.finish());
        let empty = vec![of(0, (0, 0), true), of(1, (0, 0), true)];
        assert_eq!(cut_of(&register, empty, None).unwrap().total(), 0);
    }

    #[test]
    fn fewer_nodes_than_settle_an_entry_make_no_cut_however_often_they_say_it() {
        let register = register();
        let of = |node, still| head(&register, node, (2, 2), still);
        let moving = Err(Uncut::Moving { device: DEVICE, standing: 1, needed: 2 });
        let heads = vec![of(0, true), of(0, true), of(1, false), of(2, false)];
        assert_eq!(cut_of(&register, heads, None), moving);
        let stranger = Head { node: NodeKey([7; 32]), ..of(0, true) };
        assert_eq!(cut_of(&register, vec![of(0, true), stranger], None), moving);
    }

    #[test]
    fn a_role_is_cut_where_a_quorum_gives_it_no_new_place_though_the_chain_goes_on() {
        let register = register();
        let of = |node| head(&register, node, (2, 2), false);
        let role = || "treasurer".to_owned();
        let relieved = |node| Head { relieved: vec![role()], ..of(node) };
        let cut = |heads| cut_of(&register, heads, Some(Office::Treasurer));
        let moving = Err(Uncut::Moving { device: DEVICE, standing: 1, needed: 2 });
        assert_eq!(cut(vec![relieved(0), of(1), of(2)]), moving, "two could still book on");
        assert_eq!(cut(vec![relieved(0), relieved(1), of(2)]).unwrap().total(), 2);
        let other = cut_of(&register, vec![relieved(0), relieved(1)], Some(Office::Distributor));
        assert!(matches!(other, Err(Uncut::Moving { standing: 0, .. })));
        // Nothing is written for it: how far the chain has come bears on nothing.
        let answers = Some(Office::Controller);
        assert_eq!(cut_of(&register, vec![of(0), of(1)], answers).unwrap().total(), 2);
    }

    #[test]
    fn two_branches_make_no_cut() {
        let register = register();
        let heads = vec![head(&register, 0, (2, 2), true), head(&register, 1, (2, 3), true)];
        assert!(matches!(cut_of(&register, heads, None), Err(Uncut::Forked { length: 2, .. })));
    }

    /// One node stands still at the third entry of one branch, another at the first of the other: the
    /// lengths alone do not show it, and a cut at the third would stop the register at the other node.
    #[test]
    fn a_forked_chain_is_healed_before_it_is_cut_whoever_says_that_it_has_forked() {
        let register = register();
        let of = |node, tip| head(&register, node, tip, true);
        let fork = Frozen { from: 0, rule: 21, cause: Cause::Fork.to_string() };
        let knows = Head { frozen: Some(fork), ..of(2, (0, 0)) };
        let heads = vec![of(0, (3, 3)), of(1, (1, 9)), knows];
        for role in [None, Some(Office::Treasurer)] {
            let cut = cut_of(&register, heads.clone(), role);
            assert_eq!(cut, Err(Uncut::Wounded { device: DEVICE, from: 0 }));
        }
        assert_eq!(cut_of(&register, heads[..2].to_vec(), None).unwrap().total(), 3);
    }

    #[test]
    fn what_a_node_shows_nothing_for_is_no_wound() {
        let register = register();
        let row = crate::healing::Row {
            node: register.roster().nodes[0],
            number: DEVICE,
            seq: 1,
            receipt: "c2sp.org/tlog-proof@v1\nindex 0\n\n".to_owned(),
        };
        let (wounds, unshown) = crate::healing::wounds(&register, vec![row]);
        assert!(wounds.is_empty() && unshown.len() == 1);
    }
}
