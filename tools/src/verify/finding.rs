//! What speaks against an export: each finding a fact, with the values that show it.
//!
//! The order of checks and the words for members are other files' business; here are the facts.

use serde::Serialize;
use talea_ledger::place;
use talea_protocol::checkpoint::CheckpointFault;
use talea_protocol::export::ExportFault;
use talea_protocol::fork::ForkFault;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::LeafFault;
use talea_protocol::split::SplitFault;
use talea_protocol::tile::BundleFault;
use talea_protocol::tree::TreeHash;

use super::policy::PolicyFault;
use super::status::{Claim, Status};

/// What speaks against an export.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Finding {
    /// The file itself.
    #[error("{0}")]
    File(ExportFault),
    /// A section that does not follow the one before it.
    #[error("leaf {from} of the log of {} is out of place at byte {at} of the file", node(log))]
    OutOfPlace {
        /// Whose log.
        log: NodeKey,
        /// The leaf.
        from: u64,
        /// Where the section begins.
        at: usize,
    },
    /// A bundle that does not end with a leaf.
    #[error("at byte {at} of the file: {fault}")]
    Bundle {
        /// Where the section begins.
        at: usize,
        /// What is wrong.
        fault: BundleFault,
    },
    /// A leaf that is none, or holds no entry, or one with a wrong signature.
    #[error("leaf {index} of the log of {}: {fault}", node(log))]
    Leaf {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// What is wrong.
        fault: LeafFault,
        /// Whose entry it seems to be.
        claim: Option<Claim>,
    },
    /// One place, two genuine entries.
    #[error("two signed entries for one place, {} and {}", one.id, other.id)]
    Fork {
        /// The one.
        one: Claim,
        /// The other.
        other: Claim,
    },
    /// One place, two genuine entries, and a settled heal.
    #[error(
        "two signed entries for one place, {} and {}; healed by register entry {number}, {}",
        one.id, other.id, goes_on(adopt.as_ref())
    )]
    Healed {
        /// The one.
        one: Claim,
        /// The other.
        other: Claim,
        /// The number of the heal.
        number: u32,
        /// What goes on.
        adopt: Option<EntryId>,
    },
    /// Entries that can settle no more, because another branch goes on or the chain has ended.
    #[error("can settle no more, and is the first of {count} such entries of this chain")]
    Dead {
        /// How many.
        count: u64,
        /// The first of them.
        first: Claim,
    },
    /// One place, two entries, both with enough receipts: more nodes lie than the roster allows.
    #[error(
        "{one} and {} are both settled in one place: more than {faulty} of the roster's nodes have signed what is not so ({})",
        other.id, listed(nodes)
    )]
    BothSettled {
        /// The one.
        one: EntryId,
        /// The other.
        other: Claim,
        /// How many may lie.
        faulty: u8,
        /// Nodes whose logs hold both.
        nodes: Vec<NodeKey>,
    },
    /// A settled entry behind the cut that ended its chain, or its author's role.
    #[error("rule 22: is settled, although register entry {number} leaves {length} entries")]
    Behind {
        /// The first such entry.
        claim: Claim,
        /// The number of the register entry.
        number: u32,
        /// How many entries count.
        length: u32,
    },
    /// A fork leaf whose proof is none.
    #[error("leaf {index} of the log of {} proves no fork: {fault}", node(log))]
    Proof {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// What it is about.
        claim: Claim,
        /// Why.
        fault: ForkFault,
    },
    /// A fork leaf that says other than what the log holds.
    #[error(
        "leaf {index} of the log of {} says that the log holds {}, and it holds {}",
        node(log), name(claimed.as_ref()), name(held.as_ref())
    )]
    Held {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// The place.
        claim: Claim,
        /// What it says.
        claimed: Option<EntryId>,
        /// What is so.
        held: Option<EntryId>,
    },
    /// Leaves after the end of a log.
    #[error("leaf {index} of the log of {} comes after its end", node(log))]
    AfterEnd {
        /// Whose log.
        log: NodeKey,
        /// The first of them.
        index: u64,
    },
    /// One log, one size, two signed roots.
    #[error("{} signed two roots for {size} leaves of its log, {one} and {other}", node(log))]
    TwoRoots {
        /// Whose log.
        log: NodeKey,
        /// Leaves.
        size: u64,
        /// The one.
        one: TreeHash,
        /// The other.
        other: TreeHash,
    },
    /// One log, two signed checkpoints that cannot both be of it: a node has kept the proof.
    #[error(
        "{} signed two histories of its log, one with {one} leaves and one with {other}; a node has kept the proof",
        node(log)
    )]
    Split {
        /// Whose log.
        log: NodeKey,
        /// Leaves of the one.
        one: u64,
        /// Leaves of the other.
        other: u64,
    },
    /// A split leaf whose proof is none.
    #[error("leaf {index} of the log of {} proves no two histories: {fault}", node(log))]
    NoSplit {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// Why.
        fault: SplitFault,
    },
    /// One log, under signed roots, two leaves in one place (seen by comparing two exports).
    #[error(
        "leaf {index} of the log of {} is not the same in both, and both are signed",
        node(log)
    )]
    TwoLeaves {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// The one's hash.
        one: TreeHash,
        /// The other's hash.
        other: TreeHash,
    },
    /// A note that is no checkpoint of the log, or whose signatures are not what they say.
    #[error("a checkpoint of the log of {}: {fault}", node(log))]
    Checkpoint {
        /// Whose log.
        log: NodeKey,
        /// What is wrong.
        fault: CheckpointFault,
    },
    /// A root that the leaves do not have.
    #[error(
        "{} signed the root {signed} for {size} leaves of its log; they have {computed}",
        node(log)
    )]
    Root {
        /// Whose log.
        log: NodeKey,
        /// Leaves.
        size: u64,
        /// What was signed.
        signed: TreeHash,
        /// What the leaves have.
        computed: TreeHash,
    },
    /// A copy of a log that is not the exporter's.
    #[error(
        "leaf {index} of the log of {} is to be copied from a log that is not the exporter's",
        node(log)
    )]
    Copy {
        /// Whose log.
        log: NodeKey,
        /// The first leaf.
        index: u64,
    },
    /// Leaves that the file lacks.
    #[error("missing from the log of {}: {}", node(log), span(*from, *to))]
    MissingLeaves {
        /// Whose log.
        log: NodeKey,
        /// The first.
        from: u64,
        /// The first after them.
        to: u64,
    },
    /// An entry that is named and not there.
    #[error("entry {id}, leaf {index} of the log of {}, is missing", node(log))]
    MissingEntry {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// The entry.
        id: EntryId,
    },
    /// A place in a chain that something in the file names.
    #[error("an entry is missing here")]
    MissingPlace {
        /// The place.
        claim: Claim,
    },
    /// Nothing can be said without it.
    #[error("the charter {id} is missing")]
    CharterMissing {
        /// Its id.
        id: EntryId,
    },
    /// A charter that founds nothing.
    #[error("the charter {id} is refused: {refusal}")]
    Charter {
        /// Its id.
        id: EntryId,
        /// Why.
        refusal: talea_ledger::profile::Refusal,
    },
    /// An entry in a log that should have refused it.
    #[error("leaf {index} of the log of {} has no place: {refusal}", node(log))]
    Place {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// The entry.
        claim: Claim,
        /// Why.
        refusal: place::Refusal,
    },
    /// An entry in a log before what it needs.
    #[error("leaf {index} of the log of {} stands before entry {needs}, which it needs", node(log))]
    Early {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// The entry.
        claim: Claim,
        /// What it needs.
        needs: EntryId,
    },
    /// An entry that a log accepts twice.
    #[error("leaf {index} of the log of {} accepts again what another leaf accepts", node(log))]
    Again {
        /// Whose log.
        log: NodeKey,
        /// The second leaf.
        index: u64,
        /// The entry.
        claim: Claim,
    },
    /// A frontier that says other than what stands before it.
    #[error(
        "leaf {index} of the log of {} claims another {what} than the entries have: {claimed}, not {computed}",
        node(log)
    )]
    Frontier {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// Which of its values.
        what: Stated,
        /// What it claims.
        claimed: String,
        /// What the entries have.
        computed: String,
    },
    /// Entries held for settled without the receipts to show for it.
    #[error(
        "leaf {index} of the log of {} holds more for settled than the file can show, first this place",
        node(log)
    )]
    Receipts {
        /// Whose log.
        log: NodeKey,
        /// Which leaf.
        index: u64,
        /// The first place without enough receipts.
        claim: Claim,
    },
    /// A payload that its entry does not commit to.
    #[error("the payload is not the one that the entry commits to")]
    Payload {
        /// The entry.
        claim: Claim,
    },
    /// A register entry that another entry acts under, and that is not in the file.
    #[error("entry {id} of the register is missing")]
    MissingNamed {
        /// The entry.
        id: EntryId,
    },
    /// Leaves that no checkpoint covers.
    #[error("no checkpoint covers this of the log of {}: {}", node(log), span(*from, *to))]
    Uncovered {
        /// Whose log.
        log: NodeKey,
        /// The first.
        from: u64,
        /// The first after them.
        to: u64,
    },
    /// Entries with too few receipts.
    #[error("has {receipts} of {quorum} receipts, and is the first of {count} not settled")]
    Unsettled {
        /// How many.
        count: u64,
        /// The first of them.
        first: Claim,
        /// Its receipts.
        receipts: u32,
        /// Receipts that settle.
        quorum: u32,
    },
    /// The policy.
    #[error("{0}")]
    Policy(PolicyFault),
}

/// A value of a frontier leaf.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Stated {
    /// How many entries were accepted.
    Count,
    /// The root of what was accepted.
    Accepted,
    /// The root of what is settled.
    Settled,
    /// The state root.
    State,
}

impl std::fmt::Display for Stated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Count => "number of accepted entries",
            Self::Accepted => "root of what is accepted",
            Self::Settled => "root of what is settled",
            Self::State => "state root",
        })
    }
}

/// A node, by the first digits of its key.
fn node(key: &NodeKey) -> String {
    format!("node {}", key.to_string().get(..8).unwrap_or_default())
}

fn listed(nodes: &[NodeKey]) -> String {
    nodes.iter().map(node).collect::<Vec<_>>().join(", ")
}

fn goes_on(adopt: Option<&EntryId>) -> String {
    adopt.map_or_else(|| "which ends the chain before it".to_owned(), |id| format!("{id} goes on"))
}

fn name(id: Option<&EntryId>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| format!("entry {id}"))
}

/// The leaves from one to before another.
fn span(from: u64, to: u64) -> String {
    match to.saturating_sub(1) {
        last if last == from => format!("leaf {from}"),
        last => format!("leaves {from} to {last}"),
    }
}

impl Finding {
    /// What follows from it.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Fork { .. }
            | Self::BothSettled { .. }
            | Self::TwoRoots { .. }
            | Self::Split { .. }
            | Self::TwoLeaves { .. } => Status::Forked,
            Self::Healed { .. } | Self::Dead { .. } => Status::Valid,
            Self::File(ExportFault::Short { .. })
            | Self::MissingLeaves { .. }
            | Self::MissingEntry { .. }
            | Self::MissingPlace { .. }
            | Self::CharterMissing { .. }
            | Self::MissingNamed { .. }
            | Self::Receipts { .. }
            | Self::Uncovered { .. }
            | Self::Unsettled { .. } => Status::Incomplete,
            Self::File(_)
            | Self::OutOfPlace { .. }
            | Self::Bundle { .. }
            | Self::Leaf { .. }
            | Self::Checkpoint { .. }
            | Self::Root { .. }
            | Self::Copy { .. }
            | Self::Charter { .. }
            | Self::Place { .. }
            | Self::Early { .. }
            | Self::Again { .. }
            | Self::Frontier { .. }
            | Self::Behind { .. }
            | Self::Proof { .. }
            | Self::NoSplit { .. }
            | Self::Held { .. }
            | Self::AfterEnd { .. }
            | Self::Payload { .. } => Status::Invalid,
            Self::Policy(fault) => fault.status(),
        }
    }

    /// Whose log it is about.
    #[must_use]
    pub const fn log(&self) -> Option<NodeKey> {
        match self {
            Self::OutOfPlace { log, .. }
            | Self::Leaf { log, .. }
            | Self::TwoRoots { log, .. }
            | Self::Split { log, .. }
            | Self::NoSplit { log, .. }
            | Self::TwoLeaves { log, .. }
            | Self::Checkpoint { log, .. }
            | Self::Root { log, .. }
            | Self::Copy { log, .. }
            | Self::MissingLeaves { log, .. }
            | Self::MissingEntry { log, .. }
            | Self::Place { log, .. }
            | Self::Early { log, .. }
            | Self::Again { log, .. }
            | Self::Frontier { log, .. }
            | Self::Proof { log, .. }
            | Self::Held { log, .. }
            | Self::AfterEnd { log, .. }
            | Self::Receipts { log, .. }
            | Self::Uncovered { log, .. } => Some(*log),
            Self::File(_)
            | Self::Bundle { .. }
            | Self::Fork { .. }
            | Self::Healed { .. }
            | Self::Dead { .. }
            | Self::BothSettled { .. }
            | Self::Behind { .. }
            | Self::MissingPlace { .. }
            | Self::MissingNamed { .. }
            | Self::CharterMissing { .. }
            | Self::Charter { .. }
            | Self::Payload { .. }
            | Self::Unsettled { .. }
            | Self::Policy(_) => None,
        }
    }

    /// The place in a chain that it is about.
    #[must_use]
    pub const fn claim(&self) -> Option<Claim> {
        match self {
            Self::Leaf { claim, .. } => *claim,
            Self::Fork { other: claim, .. }
            | Self::Healed { other: claim, .. }
            | Self::BothSettled { other: claim, .. }
            | Self::Dead { first: claim, .. }
            | Self::Behind { claim, .. }
            | Self::Proof { claim, .. }
            | Self::Held { claim, .. }
            | Self::MissingPlace { claim }
            | Self::Place { claim, .. }
            | Self::Early { claim, .. }
            | Self::Again { claim, .. }
            | Self::Receipts { claim, .. }
            | Self::Payload { claim }
            | Self::Unsettled { first: claim, .. } => Some(*claim),
            Self::File(_)
            | Self::OutOfPlace { .. }
            | Self::Bundle { .. }
            | Self::TwoRoots { .. }
            | Self::Split { .. }
            | Self::NoSplit { .. }
            | Self::TwoLeaves { .. }
            | Self::Checkpoint { .. }
            | Self::Root { .. }
            | Self::Copy { .. }
            | Self::MissingLeaves { .. }
            | Self::MissingEntry { .. }
            | Self::CharterMissing { .. }
            | Self::Charter { .. }
            | Self::Frontier { .. }
            | Self::AfterEnd { .. }
            | Self::MissingNamed { .. }
            | Self::Uncovered { .. }
            | Self::Policy(_) => None,
        }
    }
}
