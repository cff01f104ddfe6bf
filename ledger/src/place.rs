//! Which entry has which place in this node's log: first come, first served, for ever.
//!
//! This is the only question in which the order of arrival matters, and it never decides more
//! than whose receipt an entry has. Rules 10 to 29 of the README, in the order of their numbers;
//! what an entry does, once settled, is `state`'s business.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Content};
use talea_protocol::cut::CutRoot;
use talea_protocol::entry::Entry;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::NodeKey;
use talea_protocol::money::Purse;
use talea_protocol::tree::TreeHash;

use crate::index::Index;
use crate::register::{End, Office, Register};

/// Why an entry has no place in this log. Final; the first rule broken is named.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Rule 10: the cooperative.
    #[error("rule 10: cooperative {named} is not kept here")]
    Cooperative {
        /// The one that the entry names.
        named: EntryId,
    },
    /// Rule 12: enrolment.
    #[error("rule 12: the device is not enrolled at register entry {number}, which it names")]
    NotEnrolled {
        /// The number of the register entry named.
        number: u32,
    },
    /// Rule 13: the link.
    #[error("rule 13: the entry before place {seq} of this chain is {held}, not the one named")]
    Link {
        /// The place.
        seq: u64,
        /// The id of the entry before it.
        held: EntryId,
    },
    /// Rule 14: no going back.
    #[error(
        "rule 14: register entry {named} is older than {before}, which this chain named before"
    )]
    OlderBasis {
        /// The number of the register entry named.
        named: u32,
        /// The number of the one that the chain's last entry names.
        before: u32,
    },
    /// Rule 15: one register.
    #[error("rule 15: the register's next entry names its head, number {head}")]
    NotHead {
        /// The number of the head.
        head: u32,
    },
    /// Rule 16: who writes the register.
    #[error("rule 16: only the registrar writes the register")]
    NotRegistrar,
    /// Rule 20: one entry for each place.
    #[error("rule 20: place {seq} of this chain holds {held}")]
    Fork {
        /// The place.
        seq: u64,
        /// The id that holds it.
        held: EntryId,
    },
    /// Rule 21: a chain that stands still.
    #[error("rule 21: the chain is given no new place from {from} on: {cause}")]
    Frozen {
        /// The first place that is not given.
        from: u32,
        /// Why.
        cause: Cause,
    },
    /// Rule 22: behind a cut.
    #[error("rule 22: register entry {number} has ended this after {length} entries of the chain")]
    Behind {
        /// The register entry.
        number: u32,
        /// How many entries of the chain count.
        length: u32,
    },
    /// Rule 25: nothing behind a cut is held here.
    #[error("rule 25: this log holds {held} entries of device {device}, the cut leaves {length}")]
    Held {
        /// The device's number.
        device: u32,
        /// How many count after the cut.
        length: u32,
        /// How many have a place.
        held: u32,
    },
    /// Rule 26: a cut is of what is there.
    #[error("rule 26: the cut's root is not that of the entries that this log holds")]
    CutRoot,
    /// Rule 27: the evidence of a heal.
    #[error(transparent)]
    Heal(#[from] crate::heal::HealFault),
    /// Rule 28: what a decision orders. Asked again when more is settled.
    #[error("rule 28: {decision} is not settled here as a decision that orders this")]
    Undecided {
        /// The decision named.
        decision: EntryId,
    },
    /// Rule 28: a node comes back under a key whose log is closed.
    #[error("rule 28: an earlier roster has left node {node} out, and its log is closed")]
    Returning {
        /// The node.
        node: NodeKey,
    },
    /// Rule 28: a node of a charter's roster that reckons with liars stays.
    #[error("rule 28: some nodes of the roster may lie: node {node} stays only under a new key")]
    Staying {
        /// The node.
        node: NodeKey,
    },
    /// Rules 30 to 39: the charter.
    #[error(transparent)]
    Charter(#[from] crate::profile::Refusal),
}

/// Why a chain is given no new place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Cause {
    /// Its device has written twice in one place.
    #[error("its device has signed two entries for one place")]
    Fork,
    /// Its device is reported lost or stolen.
    #[error("its device is reported lost or stolen")]
    Report,
    /// Its member leaves.
    #[error("its member has said that it leaves")]
    Leave,
    /// Its member is removed.
    #[error("its member is removed by decision")]
    Removal,
    /// Its member's role goes to another.
    #[error("this role goes to another member by decision")]
    HandOver,
    /// Another registrar is called for.
    #[error("enough members have called for another registrar")]
    Succession,
    /// A closed log of an earlier roster holds another entry there.
    #[error("a log of an earlier roster holds another entry in this place")]
    Locked,
    /// This node is of no roster that is in force.
    #[error("this node is not of the roster: another one of it gives places")]
    Closed,
}

impl Refusal {
    /// The rule's number.
    #[must_use]
    pub const fn rule(&self) -> u16 {
        match self {
            Self::Cooperative { .. } => 10,
            Self::NotEnrolled { .. } => 12,
            Self::Link { .. } => 13,
            Self::OlderBasis { .. } => 14,
            Self::NotHead { .. } => 15,
            Self::NotRegistrar => 16,
            Self::Fork { .. } => 20,
            Self::Frozen { .. } => 21,
            Self::Behind { .. } => 22,
            Self::Held { .. } => 25,
            Self::CutRoot => 26,
            Self::Heal(_) => 27,
            Self::Undecided { .. } | Self::Returning { .. } | Self::Staying { .. } => 28,
            Self::Charter(refusal) => refusal.rule(),
        }
    }
}

/// What an entry gets when it asks for a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// The next place of its chain is free for it.
    Free {
        /// The chain, by its device's number.
        device: u32,
        /// The number of its basis.
        basis: u32,
    },
    /// It has had its place since this leaf.
    Known(u64),
    /// It waits for this entry: the one before it (rule 13), or its basis (rule 11).
    Waits(EntryId),
}

/// One entry's place.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The entry.
    pub id: EntryId,
    /// Its leaf's hash.
    pub hash: TreeHash,
    /// Its leaf in this node's log.
    pub leaf: u64,
}

/// Whose checked logs hold an entry: for each roster, by its place among all, a bit for each node.
///
/// Nearly every entry has receipts of one roster alone; that one needs no allocation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Receipts {
    roster: usize,
    nodes: u16,
    #[expect(clippy::box_collection, reason = "a third of the memory, in every entry's place")]
    others: Option<Box<BTreeMap<usize, u16>>>,
}

impl Receipts {
    /// Notes that the log of this node of this roster holds it.
    pub fn add(&mut self, roster: usize, node: u8) {
        let bit = 1_u16.checked_shl(u32::from(node)).unwrap_or(0);
        if self.nodes == 0 || self.roster == roster {
            self.roster = roster;
            self.nodes |= bit;
        } else {
            *self.others.get_or_insert_default().entry(roster).or_default() |= bit;
        }
    }

    /// Every roster with a receipt, and whose.
    pub fn all(&self) -> impl Iterator<Item = (usize, u16)> {
        let first = (self.nodes != 0).then_some((self.roster, self.nodes));
        let others = self.others.iter().flat_map(|it| it.iter());
        first.into_iter().chain(others.map(|(roster, nodes)| (*roster, *nodes)))
    }

    /// The nodes of one roster whose logs hold it.
    #[must_use]
    pub fn of(&self, roster: usize) -> u16 {
        self.all().find(|(of, _)| *of == roster).map_or(0, |(_, nodes)| nodes)
    }

    /// Whether the log of this node of this roster holds it.
    #[must_use]
    pub fn has(&self, roster: usize, node: u8) -> bool {
        self.of(roster).checked_shr(u32::from(node)).unwrap_or(0) & 1 == 1
    }

    /// Whether as many nodes as one of these rosters asks for hold it. `quorums` are those of the
    /// rosters that are or were in force.
    #[must_use]
    pub fn settle(&self, quorums: &[u32]) -> bool {
        self.all().any(|(roster, nodes)| {
            quorums.get(roster).is_some_and(|quorum| nodes.count_ones() >= *quorum)
        })
    }
}

#[derive(Clone, Debug, Default)]
struct Chain {
    places: Vec<Place>,
    /// Of the same entries, in the same order.
    receipts: Vec<Receipts>,
    settled: u32,
    /// Number of the newest register entry that the chain names.
    basis: u32,
    /// How many entries of the chain there are up to the last for each role.
    offices: BTreeMap<Office, u32>,
}

/// All chains of a cooperative as this node holds them.
#[derive(Clone, Debug, Default)]
pub struct Places {
    chains: Vec<Chain>,
    by_id: Index<(u32, u32)>,
}

impl Places {
    /// Asks for a place; changes nothing.
    ///
    /// # Errors
    /// [`Refusal`], rules 10 to 20.
    pub fn ask(&self, register: &Register, entry: &Entry) -> Result<Standing, Refusal> {
        let header = entry.header();
        let basis = register.number(&header.basis);
        let device = basis.and_then(|basis| register.device(&header.device, basis));
        // Whoever stands behind its chain's end has no place yet: nothing to look for.
        let chain = device.map_or(&[][..], |device| self.chain(device));
        let length = u64::try_from(chain.len()).unwrap_or(u64::MAX);
        let is_behind = device.is_some() && header.seq >= length;
        if !is_behind && let Some(place) = self.find(&entry.id()) {
            return Ok(Standing::Known(place.leaf));
        }
        if entry.cooperative() != register.cooperative() {
            return Err(Refusal::Cooperative { named: entry.cooperative() });
        }
        let Some(basis) = basis else {
            return Ok(Standing::Waits(header.basis));
        };
        let device = device.ok_or(Refusal::NotEnrolled { number: basis })?;
        if header.seq < length {
            let held = usize::try_from(header.seq).ok().and_then(|seq| chain.get(seq));
            let held = held.map_or(EntryId::ZERO, |place| place.id);
            return Err(Refusal::Fork { seq: header.seq, held });
        }
        if header.seq > length {
            return Ok(Standing::Waits(header.prev));
        }
        let last = chain.last().map_or(EntryId::ZERO, |place| place.id);
        if header.prev != last {
            return Err(Refusal::Link { seq: header.seq, held: last });
        }
        let before = self.chains.get(index(device)).map_or(0, |chain| chain.basis);
        if basis < before {
            return Err(Refusal::OlderBasis { named: basis, before });
        }
        ask_register(register, entry, device, basis)?;
        ask_end(register, entry, device, basis)?;
        Ok(Standing::Free { device, basis })
    }

    /// Gives an entry the place that [`Standing::Free`] promised; returns its number in its chain.
    pub fn give(&mut self, device: u32, basis: u32, office: Option<Office>, place: Place) -> u32 {
        let at = index(device);
        if self.chains.len() <= at {
            self.chains.resize(at + 1, Chain::default());
        }
        let chain = self.chains.get_mut(at).expect("resized above");
        let seq = u32::try_from(chain.places.len()).expect("a chain is shorter than 2^32 entries");
        chain.places.push(place);
        chain.receipts.push(Receipts::default());
        chain.basis = basis;
        if let Some(office) = office {
            chain.offices.insert(office, seq.saturating_add(1));
        }
        self.by_id.insert(&place.id, (device, seq));
        seq
    }

    /// One chain's places, in order.
    #[must_use]
    pub fn chain(&self, device: u32) -> &[Place] {
        self.chains.get(index(device)).map_or(&[], |chain| &chain.places)
    }

    /// How many entries of a chain there are up to the last that it wrote for a role.
    #[must_use]
    pub fn served(&self, device: u32, office: Office) -> u32 {
        let chain = self.chains.get(index(device));
        chain.and_then(|chain| chain.offices.get(&office)).copied().unwrap_or(0)
    }

    /// How many chains have an entry, or had a device before one that has.
    #[must_use]
    pub fn chains(&self) -> u32 {
        u32::try_from(self.chains.len()).unwrap_or(u32::MAX)
    }

    /// How many entries have a place.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no entry has a place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// An entry's place.
    #[must_use]
    pub fn find(&self, id: &EntryId) -> Option<&Place> {
        let (device, seq) = self.position(id)?;
        self.at(device, seq)
    }

    /// An entry's chain and its number there.
    #[must_use]
    pub fn position(&self, id: &EntryId) -> Option<(u32, u32)> {
        self.by_id.find(id, |(device, seq)| self.at(device, seq).map(|place| place.id))
    }

    /// The place of a number in a chain.
    #[must_use]
    pub fn at(&self, device: u32, seq: u32) -> Option<&Place> {
        self.chain(device).get(index(seq))
    }

    /// Notes that a checked log holds this entry: that of a node of a roster.
    pub fn receive(&mut self, device: u32, seq: u32, roster: usize, node: u8) {
        let chain = self.chains.get_mut(index(device));
        if let Some(held) = chain.and_then(|chain| chain.receipts.get_mut(index(seq))) {
            held.add(roster, node);
        }
    }

    /// Notes the same of all these.
    pub fn receive_all(&mut self, device: u32, seq: u32, receipts: &Receipts) {
        for (roster, nodes) in receipts.all() {
            let of = |node: &u8| nodes.checked_shr(u32::from(*node)).unwrap_or(0) & 1 == 1;
            (0..16).filter(of).for_each(|node| self.receive(device, seq, roster, node));
        }
    }

    /// Whose checked logs hold this entry.
    #[must_use]
    pub fn receipts(&self, device: u32, seq: u32) -> Option<&Receipts> {
        self.chains.get(index(device))?.receipts.get(index(seq))
    }

    /// The next entry of a chain that its receipts settle: called until `None` after receipts came.
    /// Everything before it in the chain is settled then. `quorums` as in [`Receipts::settle`].
    pub fn settle_next(&mut self, device: u32, quorums: &[u32]) -> Option<(u32, Place)> {
        let chain = self.chains.get_mut(index(device))?;
        let seq = chain.settled;
        let place = chain.places.get(index(seq))?;
        if !chain.receipts.get(index(seq))?.settle(quorums) {
            return None;
        }
        chain.settled += 1;
        Some((seq, *place))
    }

    /// How many entries of a chain are settled.
    #[must_use]
    pub fn settled(&self, device: u32) -> u32 {
        self.chains.get(index(device)).map_or(0, |chain| chain.settled)
    }

    /// The root of the cut of everything that has a place.
    #[must_use]
    pub fn root(&self, register: &Register) -> Hash {
        let mut root = CutRoot::new();
        for (device, chain) in register.devices().iter().zip(&self.chains) {
            if let Some(last) = chain.places.last() {
                let length = u32::try_from(chain.places.len()).unwrap_or(u32::MAX);
                root.add(&device.key, length, &last.id);
            }
        }
        root.finish()
    }
}

/// Rules 15 and 16: a register entry follows the head, and the registrar writes it.
fn ask_register(
    register: &Register,
    entry: &Entry,
    device: u32,
    basis: u32,
) -> Result<(), Refusal> {
    if !matches!(entry.content(), Content::Known(act) if act.is_register()) {
        return Ok(());
    }
    let (head, _) = register.head();
    if basis != head || matches!(entry.content(), Content::Known(Act::Charter(_))) {
        return Err(Refusal::NotHead { head });
    }
    let author = register.record(device).map(|record| record.member);
    let called = |act: &Act| register.succeeds(author, act);
    if author == Some(register.holder(Office::Registrar, basis))
        || matches!(entry.content(), Content::Known(act) if called(act))
    {
        Ok(())
    } else {
        Err(Refusal::NotRegistrar)
    }
}

/// Rule 22: nothing is placed behind a cut that is placed here.
fn ask_end(register: &Register, entry: &Entry, device: u32, basis: u32) -> Result<(), Refusal> {
    let end = register.record(device).and_then(|record| record.end);
    let relieved = office(entry.content()).and_then(|it| register.relieved(it, device, basis));
    for End { number, length } in end.into_iter().chain(relieved) {
        if entry.header().seq >= u64::from(length) {
            return Err(Refusal::Behind { number, length });
        }
    }
    Ok(())
}

/// The role for which an act is written, if it is for one.
#[must_use]
pub fn office(content: &Content) -> Option<Office> {
    let Content::Known(act) = content else { return None };
    match act {
        Act::Subscribe(_)
        | Act::Invoice(_)
        | Act::Income(_)
        | Act::Expense(_)
        | Act::Pay(_)
        | Act::Close(_)
        | Act::Redeem(_)
        | Act::PayOut(_)
        | Act::Allocate(_)
        | Act::Reconcile(_)
        | Act::Open(_)
        | Act::Link(_)
        | Act::Countersign(_)
        | Act::Send(_)
        | Act::Receive(_)
        | Act::Statement(_) => Some(Office::Treasurer),
        Act::Transfer(transfer) if matches!(transfer.from, Purse::Fund(_)) => {
            Some(Office::Treasurer)
        }
        Act::Distribute(_) => Some(Office::Distributor),
        act if act.is_register() => Some(Office::Registrar),
        _ => None,
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("this machine counts to 2^32")
}
