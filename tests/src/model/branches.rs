//! One place of a chain whose device has signed several entries for it: settlement and heals.
//!
//! A node takes the first that comes; from the proof on it takes none (leaf 4 says what it held);
//! what a quorum of logs holds, or a heal adopts, takes the place over (leaf 5). A registrar that
//! lies can write two heals, one after the other or for one number. What evidence leaves of the
//! branches is asked of the ledger itself. The design's model, sections 6 and 7.

use std::collections::BTreeSet;

use talea_ledger::heal::outcome;
use talea_protocol::bytes::List;
use talea_protocol::charter::Roster;
use talea_protocol::entry::{Header, SCHEME, SignedHeader, VERSION};
use talea_protocol::fork::Fork;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{DeviceKey, NodeKey, Signature};
use talea_protocol::leaf::Forked;

use super::roster::Shape;

/// A branch by number; 0 is none.
type Branch = u8;

/// How a place is dealt with; a planted bug is another value.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The roster.
    pub shape: Shape,
    /// The quorum by which nodes act, if it is another.
    pub quorum: usize,
    /// How many liars the evidence of a heal allows for.
    pub allowed_for: usize,
    /// How many branches there are.
    pub branches: Branch,
    /// How many heals the registrar writes.
    pub heals: usize,
    /// Whether the registrar may write two heals for one number of the register.
    pub is_registrar_lying: bool,
    /// From the proof on a node takes nothing.
    pub freezes: bool,
    /// Once a heal acts, a node takes what it adopts and nothing else.
    pub heal_binds: bool,
    /// A place is healed once.
    pub heals_once: bool,
    /// A heal acts once it is settled, not as soon as it is placed.
    pub heal_acts_settled: bool,
}

impl Rules {
    /// As they should be.
    #[must_use]
    pub const fn of(shape: Shape) -> Self {
        Self {
            shape,
            quorum: shape.quorum,
            allowed_for: shape.faulty,
            branches: 2,
            heals: 2,
            is_registrar_lying: true,
            freezes: true,
            heal_binds: true,
            heals_once: true,
            heal_acts_settled: true,
        }
    }
}

/// What one honest node has.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Node {
    /// Which branch has the place here.
    pub holds: Branch,
    /// Branches with a leaf in the log, a bit for each: receipts, for ever.
    pub receipts: u8,
    /// What was held when the proof came, if it came.
    pub leaf: Option<Branch>,
    /// The heals in this node's register: the first, the second, or both.
    pub register: (bool, bool),
}

/// A heal.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Heal {
    /// The branch that goes on; 0: the chain ends here.
    pub adopt: Branch,
    /// Whether it follows the first one in the register, or has its number.
    pub follows: bool,
}

/// The honest nodes, in no order, and the heals that were written.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The heals.
    pub heals: Vec<Heal>,
}

/// A place, its rules, and what evidence leaves.
pub struct Model {
    rules: Rules,
    /// By how many cited logs hold none and each branch: the branch that goes on, if evidence shows
    /// it.
    outcomes: Vec<(Vec<usize>, Option<Branch>)>,
}

impl Model {
    /// The model of these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let nodes = rules.shape.nodes;
        let mut counts = vec![Vec::new()];
        for _ in 0..=rules.branches {
            let longer = |count: Vec<usize>| {
                (0..=nodes).map(move |more| [count.clone(), vec![more]].concat())
            };
            counts = counts.into_iter().flat_map(longer).collect();
            counts.retain(|count| count.iter().sum::<usize>() <= nodes);
        }
        let left = |count: Vec<usize>| (count.clone(), left(&rules, &count));
        Self { rules, outcomes: counts.into_iter().map(left).collect() }
    }

    /// Nothing has come yet.
    #[must_use]
    pub fn start(&self) -> Place {
        Place { nodes: vec![Node::default(); self.rules.shape.honest()], heals: Vec::new() }
    }

    /// What may happen next.
    #[must_use]
    pub fn next(&self, place: &Place) -> Vec<Place> {
        let mut next = Vec::new();
        for number in 0..place.nodes.len() {
            for node in self.moves(place, place.nodes[number]) {
                let mut after = place.clone();
                after.nodes[number] = node;
                after.nodes.sort_unstable();
                next.push(after);
            }
        }
        if place.heals.len() < self.rules.heals {
            next.extend(self.writable(place).into_iter().map(|heal| {
                let mut after = place.clone();
                after.heals.push(heal);
                after
            }));
        }
        next
    }

    /// No two branches can be shown to be in the logs of a quorum.
    #[must_use]
    pub fn broken(&self, place: &Place) -> Option<String> {
        let settled = (1..=self.rules.branches).filter(|branch| self.settled(place, *branch));
        let settled: Vec<Branch> = settled.collect();
        (settled.len() > 1).then(|| format!("branches {settled:?} are settled"))
    }

    /// Whether a place is forked here, and nothing more can happen but that a heal ends it.
    #[must_use]
    pub fn is_stuck(&self, place: &Place) -> bool {
        let proven = place.nodes.iter().all(|node| node.leaf.is_some());
        proven && place.heals.is_empty() && self.writable(place).is_empty()
    }

    fn settled(&self, place: &Place, branch: Branch) -> bool {
        let holds = |node: &&Node| node.receipts & (1 << branch) != 0;
        place.nodes.iter().filter(holds).count() + self.rules.shape.faulty >= self.rules.quorum
    }

    fn heal_settled(&self, place: &Place, second: bool) -> bool {
        let holds = |node: &&Node| if second { node.register.1 } else { node.register.0 };
        place.nodes.iter().filter(holds).count() + self.rules.shape.faulty >= self.rules.quorum
    }

    /// What acts at a node: the branch adopted, by the newest heal in its register.
    fn healed(&self, place: &Place, node: Node) -> Option<Branch> {
        let acts = |second| !self.rules.heal_acts_settled || self.heal_settled(place, second);
        let (first, second) = (place.heals.first(), place.heals.get(1));
        let second = second.filter(|heal| {
            node.register.1 && acts(true) && !(heal.follows && self.rules.heals_once)
        });
        let first = first.filter(|_| node.register.0 && acts(false));
        second.or(first).map(|heal| heal.adopt)
    }

    fn moves(&self, place: &Place, node: Node) -> Vec<Node> {
        let mut moves = Vec::new();
        let healed = self.healed(place, node);
        let frozen = self.rules.freezes && node.leaf.is_some() && healed.is_none();
        for branch in 1..=self.rules.branches {
            let take = Node { holds: branch, receipts: node.receipts | 1 << branch, ..node };
            let bound = self.rules.heal_binds && healed.is_some_and(|adopt| adopt != branch);
            let free = node.holds == 0 && !frozen && !bound && healed != Some(0);
            let over = self.settled(place, branch) || healed == Some(branch);
            if node.holds != branch && (free || over) {
                moves.push(take);
            }
        }
        if node.leaf.is_none() && healed.is_none() {
            moves.push(Node { leaf: Some(node.holds), ..node });
        }
        moves.extend(self.registers(place, node).map(|register| Node { register, ..node }));
        moves
    }

    /// The registers that this node's may become.
    fn registers(&self, place: &Place, node: Node) -> impl Iterator<Item = (bool, bool)> {
        let (first, second) = (place.heals.first(), place.heals.get(1));
        let follows = second.is_some_and(|heal| heal.follows);
        let rival = second.is_some() && !follows;
        let (has_first, has_second) = node.register;
        let over_first = rival && has_second && self.heal_settled(place, false);
        let over_second = rival && has_first && self.heal_settled(place, true);
        [
            (first.is_some() && !has_first && (!has_second || over_first)).then_some((true, false)),
            (follows && has_first && !has_second).then_some((true, true)),
            (rival && !has_second && (!has_first || over_second)).then_some((false, true)),
        ]
        .into_iter()
        .flatten()
    }

    /// The heals that the logs there are, and any lies, give evidence for.
    fn writable(&self, place: &Place) -> Vec<Heal> {
        let branches = usize::from(self.rules.branches);
        let mut most = vec![0; branches + 1];
        for held in place.nodes.iter().filter_map(|node| node.leaf) {
            most[usize::from(held)] += 1;
        }
        let liars = self.rules.shape.faulty;
        let citable = |count: &[usize]| {
            let lies = count.iter().zip(&most).map(|(cited, most)| cited.saturating_sub(*most));
            lies.sum::<usize>() <= liars
        };
        let shown = self.outcomes.iter().filter(|(count, _)| citable(count));
        let adopted: BTreeSet<Branch> = shown.filter_map(|(_, left)| *left).collect();
        let follows: &[bool] = match place.heals.len() {
            0 => &[true],
            _ if self.rules.is_registrar_lying => &[true, false],
            _ => &[true],
        };
        let heal = |adopt| follows.iter().map(move |follows| Heal { adopt, follows: *follows });
        adopted.into_iter().flat_map(heal).collect()
    }
}

/// What the ledger says that so many cited logs leave of the branches.
fn left(rules: &Rules, count: &[usize]) -> Option<Branch> {
    let key = |number: usize| NodeKey([u8::try_from(number).expect("few"); 32]);
    let roster = Roster {
        nodes: List::new((0..rules.shape.nodes).map(key).collect()).expect("few"),
        faulty: u8::try_from(rules.allowed_for).expect("few"),
        quorum: u8::try_from(rules.quorum).expect("few"),
    };
    let ids: Vec<EntryId> = (1..=rules.branches).map(|branch| header(branch).id()).collect();
    let fork = Fork::new(header(1), header(2));
    let leaf = |held: usize| Forked { fork, held: held.checked_sub(1).map(|at| ids[at]) };
    let cited: Vec<Forked> =
        count.iter().enumerate().flat_map(|(held, times)| vec![leaf(held); *times]).collect();
    let number = |id: EntryId| ids.iter().position(|it| *it == id).expect("a branch") + 1;
    let left = outcome(&roster, &cited).ok()?;
    Some(left.map_or(0, |id| u8::try_from(number(id)).expect("few")))
}

/// A header whose act differs from those with other numbers.
fn header(branch: Branch) -> SignedHeader {
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
    SignedHeader { header, act: Hash([branch; 32]), signature: Signature([0; 64]) }
}
