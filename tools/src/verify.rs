//! The auditor's reading of an export: what it shows, what speaks against it, what it adds up to.
//!
//! bytes -[`read::read`]-> genuine entries in logs -[`audit`]-> [`Audit`]
//!
//! No network, no clock and no storage: a file's bytes, a policy and the time are arguments. The
//! rules are the ledger's; what an export must show is section 14 of the protocol's README.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use talea_ledger::place::Places;
use talea_ledger::register::Register;
use talea_ledger::state::State;
use talea_protocol::act::{Act, Content};
use talea_protocol::checkpoint::{CheckpointFault, Opened};
use talea_protocol::export::ExportFault;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::NodeKey;
use talea_protocol::note::Note;
use talea_protocol::tree::TreeHash;

use crate::names::Names;

pub mod status;
pub mod policy;
pub mod finding;
pub mod log;
pub mod read;
pub mod replay;
pub mod fold;
pub mod settled;
mod forks;
mod lack;
pub mod compare;
pub mod said;
pub mod text;
pub mod attachments;
pub mod report;

pub use finding::Finding;
pub use policy::{Policy, PolicyFault};
pub use status::{Claim, Status};

use fold::Fold;
use log::{Checkpoint, Log};
use read::Shown;
use replay::Replay;
use settled::Settled;

/// An export, read and judged.
pub struct Audit {
    /// What the file shows.
    pub shown: Shown,
    /// What that adds up to; nothing without a charter.
    pub sum: Option<Sum>,
    /// What speaks against it: the heaviest first, of these what names a place in a chain.
    pub found: Vec<Finding>,
    /// What is concluded.
    pub status: Status,
}

/// What an export adds up to.
pub struct Sum {
    /// Members, devices, roster.
    pub register: Register,
    /// Who has which place, as the exporting node has it.
    pub places: Places,
    /// What is settled, and who holds it.
    pub settled: Settled,
    /// Entries that can settle no more.
    pub dead: BTreeSet<EntryId>,
    /// What the settled entries add up to.
    pub state: State,
    /// Its root.
    pub root: Hash,
    /// The settled entries, in an order in which they can be read.
    pub order: Vec<EntryId>,
    /// What members are called.
    pub names: Names,
}

/// What there is to say about an export in one line, and for other programs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// What is concluded.
    pub verdict: Status,
    /// The exit status.
    pub status: u8,
    /// The cooperative's id.
    pub cooperative: EntryId,
    /// Its name.
    pub name: Option<String>,
    /// Whose export it is.
    pub node: NodeKey,
    /// Genuine entries in the file.
    pub entries: u64,
    /// Members.
    pub members: u64,
    /// Leaves that are missing, in all logs.
    pub gaps: u64,
    /// Settled entries.
    pub settled: u64,
    /// Leaves under the exporting node's largest checkpoint.
    pub size: u64,
    /// The root that it signed there.
    pub root: TreeHash,
    /// Nodes of the roster that have signed or cosigned it.
    pub held_by: u32,
    /// Nodes of the roster.
    pub nodes: u32,
    /// Receipts that settle.
    pub quorum: u32,
    /// The state root over what is settled.
    pub state: Option<Hash>,
}

/// Reads an export and says what is so. Never fails: what is wrong is a finding.
///
/// `now` is the time in seconds since 1970 UTC, for a policy that asks for an age.
///
/// # Errors
/// [`ExportFault`], if the file is no export: it has not even a head.
pub fn audit(file: &[u8], policy: &Policy, now: u64) -> Result<Audit, ExportFault> {
    let mut shown = read::read(file)?;
    let register = found(&mut shown);
    let cosigners = cosigners(register.as_ref(), &shown);
    open_notes(&mut shown, &cosigners);
    for log in shown.logs.values_mut() {
        shown.found.extend(log.weigh());
    }
    let sum = match register {
        Some(register) => Some(add_up(&mut shown, register)),
        None => {
            shown.found.extend(shown.forks.values().map(forks::proven));
            split(&mut shown, None);
            None
        }
    };
    let mut audit = Audit { shown, sum, found: Vec::new(), status: Status::Valid };
    audit.check_payloads();
    audit.ask(policy, now);
    audit.conclude();
    Ok(audit)
}

/// The register of the charter, if that is in the file and founds something.
fn found(shown: &mut Shown) -> Option<Register> {
    let id = shown.cooperative;
    let Some(charter) = shown.entries.get(&id) else {
        shown.found.push(Finding::CharterMissing { id });
        return None;
    };
    match Register::found(charter) {
        Ok(register) => Some(register),
        Err(refusal) => {
            shown.found.push(Finding::Charter { id, refusal });
            None
        }
    }
}

/// Every node that may have cosigned: of the charter's roster, or of one that is written down.
fn cosigners(register: Option<&Register>, shown: &Shown) -> Vec<NodeKey> {
    let mut nodes = register.map_or_else(Vec::new, Register::nodes);
    for entry in shown.entries.values() {
        if let Content::Known(Act::Reform(reform)) = entry.content() {
            nodes.extend(reform.roster.nodes.iter());
        }
    }
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn open_notes(shown: &mut Shown, roster: &[NodeKey]) {
    for (node, note) in shown.notes.clone() {
        match open(&note, &shown.cooperative, &node, roster) {
            Ok(opened) => {
                let log = shown.logs.entry(node).or_insert_with(|| Log::new(node));
                shown.found.extend(enter(log, &opened));
            }
            Err(fault) => shown.found.push(Finding::Checkpoint { log: node, fault }),
        }
    }
}

fn open(
    note: &[u8],
    cooperative: &EntryId,
    node: &NodeKey,
    roster: &[NodeKey],
) -> Result<Opened, CheckpointFault> {
    Note::parse(note)?.open(cooperative, node, roster)
}

/// Enters a checkpoint; a second root for one size is a finding.
fn enter(log: &mut Log, opened: &Opened) -> Option<Finding> {
    let (size, root) = (opened.checkpoint().size, opened.checkpoint().root);
    let new = || Checkpoint { root, cosigners: BTreeMap::new() };
    let held = log.checkpoints.entry(size).or_insert_with(new);
    if held.root != root {
        let (one, other) = (held.root, root);
        return Some(Finding::TwoRoots { log: log.node, size, one, other });
    }
    held.cosigners.extend(opened.cosignatures().iter().copied());
    None
}

/// Places and folds everything.
fn add_up(shown: &mut Shown, register: Register) -> Sum {
    split(shown, Some(&register));
    let Shown { entries, logs, node, found, payloads, forks, .. } = shown;
    for log in logs.values().filter(|log| log.node != *node) {
        let mut replay = Replay::new(register.clone());
        replay.run(log, entries);
        found.append(&mut replay.found);
    }
    let own = logs.get(node).expect("made with the first section");
    let mut replay = Replay::new(register);
    replay.run(own, entries);
    found.append(&mut replay.found);
    fold::adopt(&mut replay, logs, entries);
    let Replay { register, places, .. } = replay;
    let mut settled = Settled::new(&register, logs, entries);
    found.append(&mut settled.found);
    let dead = settled.dead(&register, entries);
    found.extend(forks::dead(&dead, entries));
    found.extend(forks::judge(forks, &register, &settled, entries));
    let mut fold = Fold::new(&register, &settled, own, entries);
    for log in logs.values().filter(|log| log.node != *node) {
        fold.compare(log);
    }
    found.append(&mut fold.found);
    let mut names = Names::default();
    for payload in payloads {
        if let Some(entry) = entries.get(&payload.entry).filter(|entry| is_bound(entry, payload)) {
            names.learn(&register, entry, &payload.bytes);
        }
    }
    let Fold { mut state, order, .. } = fold;
    let root = state.root();
    let dead = dead.into_iter().flatten().collect();
    Sum { register, places, settled, dead, state, root, order, names }
}

/// Says which nodes have signed two histories: those that the file's charter names, or any if it
/// has none. Nobody else's log counts for anything.
fn split(shown: &mut Shown, register: Option<&Register>) {
    let counts = |node: &NodeKey| register.is_none_or(|it| it.roster().nodes.contains(node));
    let splits = shown.splits.iter().filter(|(node, _)| counts(node));
    let found =
        splits.map(|(log, (one, other))| Finding::Split { log: *log, one: *one, other: *other });
    shown.found.extend(found);
}

fn is_bound(
    entry: &talea_protocol::entry::Entry,
    payload: &talea_protocol::message::Payload,
) -> bool {
    let commitment = entry.header().payload;
    commitment.is_some_and(|commitment| commitment.binds(&payload.salt, &payload.bytes))
}

impl Audit {
    /// Whether a payload is the one that its entry commits to.
    #[must_use]
    pub fn is_bound(&self, payload: &talea_protocol::message::Payload) -> bool {
        self.shown.entries.get(&payload.entry).is_some_and(|entry| is_bound(entry, payload))
    }

    fn check_payloads(&mut self) {
        for payload in &self.shown.payloads {
            // A payload without its entry says nothing: the entry may have been on its way.
            if let Some(entry) = self.shown.entries.get(&payload.entry)
                && !is_bound(entry, payload)
            {
                self.shown.found.push(Finding::Payload { claim: Claim::of(entry) });
            }
        }
    }

    fn conclude(&mut self) {
        self.found = std::mem::take(&mut self.shown.found);
        self.found.sort_by_key(|finding| {
            let culprit = finding.claim().is_some();
            (std::cmp::Reverse(finding.status()), std::cmp::Reverse(culprit))
        });
        self.status = self.found.first().map_or(Status::Valid, Finding::status);
    }

    /// The export in one line's worth of values.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let own = self.shown.own();
        let last = own.checkpoints.last_key_value();
        let sum = self.sum.as_ref();
        let roster = sum.and_then(|sum| sum.settled.roster());
        let held_by = |checkpoint: &Checkpoint| {
            let holds =
                |node: &&NodeKey| **node == own.node || checkpoint.cosigners.contains_key(*node);
            roster.map_or(0, |roster| roster.nodes.iter().filter(holds).count())
        };
        Summary {
            verdict: self.status,
            status: self.status.code(),
            cooperative: self.shown.cooperative,
            name: sum.map(|sum| sum.register.charter().name.to_string()),
            node: own.node,
            entries: count(self.shown.entries.len()),
            members: sum.map_or(0, |sum| count(sum.register.members().len())),
            gaps: self.shown.logs.values().map(Log::lost).fold(0, u64::saturating_add),
            settled: sum.map_or(0, |sum| count(sum.order.len())),
            size: last.map_or(0, |(size, _)| *size),
            root: last.map_or(TreeHash([0; 32]), |(_, checkpoint)| checkpoint.root),
            held_by: last.map_or(0, |(_, checkpoint)| {
                u32::try_from(held_by(checkpoint)).unwrap_or(u32::MAX)
            }),
            nodes: roster.map_or(0, |roster| u32::try_from(roster.nodes.len()).unwrap_or(u32::MAX)),
            quorum: roster.map_or(0, |roster| u32::from(roster.quorum)),
            state: sum.map(|sum| sum.root),
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
