//! One member's whole history as a file that verifies without the cooperative's servers.
//!
//! It holds the charter, the register, the member's chains, and what others said about its work, each
//! entry with its place in nodes' logs and those nodes' checkpoints. What credits and payouts came of it
//! takes everybody's entries, and is not known here. The form is in the README, "A member's history".

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use talea_ledger::register::Register;
use talea_protocol::act::{Act, Content};
use talea_protocol::charter::{Member, Roster};
use talea_protocol::entry::{Entry, Signed, check};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::leaf::{accept, resolve};
use talea_protocol::note::Note;
use talea_protocol::proof::verify_inclusion;
use talea_protocol::tree::{Tree, TreeHash, leaf_hash};

use crate::verify::log::Log;
use crate::verify::{Audit, Status, Sum};

/// What the file says that it is.
const FORMAT: &str = "talea member history 1";

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    format: String,
    cooperative: String,
    member: u32,
    logs: Vec<Covered>,
    entries: Vec<Kept>,
}

/// A node's log, as far as its checkpoint covers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Covered {
    node: NodeKey,
    checkpoint: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    entry: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Words>,
    places: Vec<Place>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Words {
    salt: String,
    bytes: String,
}

/// Where a log holds an entry, and the way from its leaf to the checkpoint's root.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    log: usize,
    index: u64,
    path: Vec<String>,
}

/// Why no history is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unwritten {
    /// The export has no charter.
    #[error("the export has no charter; ask another node for its export")]
    NoCharter,
    /// Something speaks against the export.
    #[error("the export is {}; see what talea-verify says of it", .0.word())]
    Export(Status),
    /// Nobody has this number.
    #[error("there is no member {0}; `talea-verify member FILE` lists everybody")]
    Member(u32),
}

/// Why a file is no proof of a history.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HistoryFault {
    /// Not of this form.
    #[error("not a member's history: {0}")]
    Form(String),
    /// Of another version.
    #[error("the form is `{found}`, and `{FORMAT}` is read here")]
    Format {
        /// What the file says.
        found: String,
    },
    /// An entry is not what its device signed, or not of this cooperative.
    #[error("entry {at} of the file is not genuine: {why}")]
    Entry {
        /// Its place in the file, from 0.
        at: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The first entry founds no cooperative, or another one.
    #[error("the first entry is not the charter of cooperative {cooperative}")]
    Charter {
        /// The cooperative that the file names.
        cooperative: String,
    },
    /// A register entry is missing, or has no place in the register.
    #[error("register entry {id} is not the next: {why}")]
    Register {
        /// The entry.
        id: EntryId,
        /// What is wrong with it.
        why: String,
    },
    /// The member is not one.
    #[error("the register knows no member {0}")]
    Member(u32),
    /// A checkpoint is not signed by the node that it names.
    #[error("the checkpoint of node {node} is not genuine")]
    Checkpoint {
        /// The node.
        node: NodeKey,
    },
    /// Too few logs hold an entry.
    #[error("entry {id} is shown in {held} logs, {needed} are needed")]
    Unproven {
        /// The entry.
        id: EntryId,
        /// Logs of the roster that hold it.
        held: usize,
        /// As many as settle.
        needed: u8,
    },
    /// The member's chain has a hole, or its device was not enrolled.
    #[error("the chain of device {device} breaks at place {seq}")]
    Chain {
        /// The device.
        device: DeviceKey,
        /// The place.
        seq: u64,
    },
    /// A payload is not the one that its entry commits to.
    #[error("the payload beside entry {id} is another one")]
    Payload {
        /// The entry.
        id: EntryId,
    },
}

/// What a file proves.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Proven {
    /// The cooperative.
    pub cooperative: EntryId,
    /// What it calls itself.
    pub name: String,
    /// The member.
    pub member: Member,
    /// The member's devices that have written, and how many entries of each are shown.
    pub chains: Vec<(DeviceKey, u64)>,
    /// Entries of the register, the charter among them.
    pub register: usize,
    /// Entries of others about the member's work.
    pub words: usize,
    /// Each log that shows entries, and how many leaves its checkpoint covers.
    pub logs: Vec<(NodeKey, u64)>,
    /// How many logs hold each entry at least.
    pub quorum: u8,
    /// Nodes of the roster.
    pub nodes: usize,
}

impl History {
    /// A member's history out of an audited export.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn of(audit: &Audit, member: Member) -> Result<Self, Unwritten> {
        let sum = audit.sum.as_ref().ok_or(Unwritten::NoCharter)?;
        if matches!(audit.status, Status::Invalid | Status::Forked) {
            return Err(Unwritten::Export(audit.status));
        }
        if sum.register.member(member).is_none() {
            return Err(Unwritten::Member(member.0));
        }
        let logs: Vec<Proving> =
            audit.shown.logs.values().filter_map(|log| Proving::new(audit, log)).collect();
        let payloads = payloads(audit, sum, member);
        let mut known = BTreeSet::new();
        let chosen = chosen(sum, member).into_iter().filter(|id| known.insert(*id));
        let kept = |entry: &Signed| Kept {
            entry: STANDARD.encode(entry.bytes()),
            payload: payloads.get(&entry.id()).cloned(),
            places: (0..).zip(&logs).filter_map(|(at, log)| log.place(at, &entry.id())).collect(),
        };
        Ok(Self {
            format: FORMAT.to_owned(),
            cooperative: sum.register.cooperative().to_string(),
            member: member.0,
            entries: chosen.filter_map(|id| audit.shown.entries.get(&id)).map(kept).collect(),
            logs: logs.into_iter().map(|log| log.covered).collect(),
        })
    }

    /// The file's bytes.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Reads a file. Nothing in it is believed before [`History::check`].
    ///
    /// # Errors
    /// [`HistoryFault::Form`] and [`HistoryFault::Format`].
    pub fn read(file: &[u8]) -> Result<Self, HistoryFault> {
        let read: Self =
            serde_json::from_slice(file).map_err(|fault| HistoryFault::Form(fault.to_string()))?;
        if read.format == FORMAT {
            Ok(read)
        } else {
            Err(HistoryFault::Format { found: read.format })
        }
    }

    /// Whether a file could be one: it is JSON, and no export is.
    #[must_use]
    pub fn is_likely(file: &[u8]) -> bool {
        file.first() == Some(&b'{')
    }

    /// What the file proves.
    ///
    /// # Errors
    /// [`HistoryFault`], the first found.
    pub fn check(&self) -> Result<Proven, HistoryFault> {
        let (entries, logs) = (self.genuine()?, self.opened()?);
        let register = self.register(&entries)?;
        let member = Member(self.member);
        if register.member(member).is_none() {
            return Err(HistoryFault::Member(self.member));
        }
        for (entry, kept) in entries.iter().zip(&self.entries) {
            proven(entry, kept, &logs, &register)?;
        }
        let chains = chains(&entries, &register, member)?;
        let is_word =
            |entry: &&Signed| !is_numbered(entry) && author(&register, entry) != Some(member);
        let roster = register.roster();
        Ok(Proven {
            cooperative: register.cooperative(),
            name: register.charter().name.to_string(),
            member,
            chains,
            register: entries.iter().filter(|entry| is_numbered(entry)).count(),
            words: entries.iter().filter(is_word).count(),
            logs: logs.iter().map(|(node, size, _)| (*node, *size)).collect(),
            quorum: roster.quorum,
            nodes: roster.nodes.len(),
        })
    }

    /// The entries, each signed by its device and of this cooperative.
    fn genuine(&self) -> Result<Vec<Signed>, HistoryFault> {
        let mut parsed = Vec::new();
        for (at, kept) in self.entries.iter().enumerate() {
            let fault = |why: String| HistoryFault::Entry { at, why };
            let bytes = STANDARD.decode(&kept.entry).map_err(|it| fault(it.to_string()))?;
            let entry = Entry::parse(bytes).map_err(|it| fault(it.to_string()))?;
            let here = entry.cooperative().to_string() == self.cooperative;
            parsed
                .push(here.then_some(entry).ok_or_else(|| fault("of another cooperative".into()))?);
        }
        let checked = check(parsed).into_iter().enumerate();
        checked
            .map(|(at, entry)| {
                entry.map_err(|(_, why)| HistoryFault::Entry { at, why: why.to_string() })
            })
            .collect()
    }

    /// The logs' roots, each signed by its node.
    fn opened(&self) -> Result<Vec<Opened>, HistoryFault> {
        let open = |log: &Covered| {
            let cooperative: EntryId = self.cooperative.parse().ok()?;
            let note = Note::parse(log.checkpoint.as_bytes()).ok()?;
            let opened = note.open(&cooperative, &log.node, &[]).ok()?;
            let checkpoint = opened.checkpoint();
            Some((log.node, checkpoint.size, checkpoint.root))
        };
        let open = |log: &Covered| open(log).ok_or(HistoryFault::Checkpoint { node: log.node });
        self.logs.iter().map(open).collect()
    }

    /// The register, from all of its entries.
    fn register(&self, entries: &[Signed]) -> Result<Register, HistoryFault> {
        let fault = || HistoryFault::Charter { cooperative: self.cooperative.clone() };
        let first = entries.first().filter(|it| it.id().to_string() == self.cooperative);
        let mut register = Register::found(first.ok_or_else(fault)?).map_err(|_| fault())?;
        for entry in entries.iter().skip(1).filter(|entry| is_numbered(entry)) {
            let number = register.append(entry);
            number
                .map_err(|why| HistoryFault::Register { id: entry.id(), why: why.to_string() })?;
        }
        Ok(register)
    }
}

/// A log's node, and the size and root that it has signed.
type Opened = (NodeKey, u64, TreeHash);

/// Whether as many logs of a roster that is or was in force hold an entry as settle it, and its payload
/// is its own.
fn proven(
    entry: &Signed,
    kept: &Kept,
    logs: &[Opened],
    register: &Register,
) -> Result<(), HistoryFault> {
    let (id, leaves) = (entry.id(), [accept(entry), resolve(entry)].map(|leaf| leaf_hash(&leaf)));
    let shows = |place: &Place| {
        let (node, size, root) = logs.get(place.log)?;
        let step = |text: &String| STANDARD.decode(text).ok()?.try_into().ok().map(TreeHash);
        let path = place.path.iter().map(step).collect::<Option<Vec<_>>>()?;
        let has = |leaf| verify_inclusion(leaf, place.index, *size, &path, root).is_ok();
        leaves.iter().any(has).then_some(*node)
    };
    let nodes: BTreeSet<NodeKey> = kept.places.iter().filter_map(shows).collect();
    let held = |roster: &Roster| roster.nodes.iter().filter(|it| nodes.contains(*it)).count();
    let settles = |roster: &Roster| held(roster) >= usize::from(roster.quorum);
    if !register.rosters().iter().any(|it| settles(&it.roster)) {
        let roster = register.roster();
        return Err(HistoryFault::Unproven { id, held: held(roster), needed: roster.quorum });
    }
    let binds = |words: &Words| {
        let salt: [u8; 32] = STANDARD.decode(&words.salt).ok()?.try_into().ok()?;
        let bytes = STANDARD.decode(&words.bytes).ok()?;
        entry.header().payload.map(|commitment| commitment.binds(&salt, &bytes))
    };
    match kept.payload.as_ref().map(binds) {
        None | Some(Some(true)) => Ok(()),
        Some(_) => Err(HistoryFault::Payload { id }),
    }
}

/// The member's chains: each whole from its first entry, by a device that was enrolled.
fn chains(
    entries: &[Signed],
    register: &Register,
    member: Member,
) -> Result<Vec<(DeviceKey, u64)>, HistoryFault> {
    let mut own: BTreeMap<DeviceKey, Vec<&Signed>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| author(register, entry) == Some(member)) {
        own.entry(entry.header().device).or_default().push(entry);
    }
    let mut chains = Vec::new();
    for (device, mut chain) in own {
        chain.sort_by_key(|entry| entry.header().seq);
        let mut prev = EntryId::ZERO;
        for (seq, entry) in (0..).zip(&chain) {
            let header = entry.header();
            // Only a charter has no basis; its device is a founder's.
            let at = if header.basis == EntryId::ZERO {
                Some(0)
            } else {
                register.number(&header.basis)
            };
            let enrolled = at.is_some_and(|at| register.device(&device, at).is_some());
            if header.seq != seq || header.prev != prev || !enrolled {
                return Err(HistoryFault::Chain { device, seq });
            }
            prev = entry.id();
        }
        chains.push((device, u64::try_from(chain.len()).unwrap_or(u64::MAX)));
    }
    Ok(chains)
}

fn author(register: &Register, entry: &Signed) -> Option<Member> {
    let device = register.known(&entry.header().device)?;
    register.record(device).map(|record| record.member)
}

fn is_numbered(entry: &Signed) -> bool {
    matches!(entry.content(), Content::Known(act) if act.is_register() || matches!(act, Act::Charter(_)))
}

/// Charter and register, the member's chains, and others' words about its work; in this order.
fn chosen(sum: &Sum, member: Member) -> Vec<EntryId> {
    let (head, _) = sum.register.head();
    let mut ids = vec![sum.register.cooperative()];
    let settled = |id: &EntryId| sum.settled.has(id);
    ids.extend((1..=head).filter_map(|number| sum.register.entry(number)).take_while(settled));
    for (device, _) in sum.register.devices_of(member) {
        ids.extend(sum.settled.chain(device));
    }
    for (_, work) in sum.state.work().iter().filter(|(_, work)| work.author == member) {
        ids.extend(work.attestations.iter().chain(work.qualities()).map(|word| word.id));
        if let Some(contest) = work.contest() {
            ids.extend(contest.disputes().iter().map(|it| it.id));
            ids.extend(contest.corrections().iter().map(|it| it.id));
        }
    }
    ids
}

/// Payloads of the member's own entries, and of its admission. Others' words are theirs to show.
fn payloads(audit: &Audit, sum: &Sum, member: Member) -> BTreeMap<EntryId, Words> {
    let admitted = sum.register.member(member).map(|it| it.admitted).filter(|number| *number > 0);
    let admission = admitted.and_then(|number| sum.register.entry(number));
    let is_own = |id: &EntryId| {
        let entry = audit.shown.entries.get(id);
        let by = entry.and_then(|entry| author(&sum.register, entry));
        Some(*id) == admission || by == Some(member) && *id != sum.register.cooperative()
    };
    let own = audit.shown.payloads.iter().filter(|it| audit.is_bound(it) && is_own(&it.entry));
    let words = own.map(|it| {
        let (salt, bytes) = (STANDARD.encode(it.salt), STANDARD.encode(&*it.bytes));
        (it.entry, Words { salt, bytes })
    });
    words.collect()
}

/// A log whose leaves have the root of a checkpoint, so that places in it can be shown.
struct Proving {
    covered: Covered,
    size: u64,
    tree: Tree,
    places: BTreeMap<EntryId, u64>,
}

impl Proving {
    fn new(audit: &Audit, log: &Log) -> Option<Self> {
        let own = audit.shown.notes.iter().filter(|(node, _)| *node == log.node);
        let sized = own.filter_map(|(node, bytes)| {
            let opened = Note::parse(bytes).ok()?.open(&audit.shown.cooperative, node, &[]).ok()?;
            let size = opened.checkpoint().size;
            (size <= log.sound).then(|| (size, String::from_utf8_lossy(bytes).into_owned()))
        });
        let (size, checkpoint) = sized.max_by_key(|(size, _)| *size)?;
        let (mut tree, mut places) = (Tree::default(), BTreeMap::new());
        for leaf in log.leaves.iter().take_while(|leaf| leaf.index < size) {
            tree.append(leaf.hash);
            if let Some(id) = leaf.content.entry() {
                places.insert(id, leaf.index);
            }
        }
        let covered = Covered { node: log.node, checkpoint };
        (tree.size() == size).then_some(Self { covered, size, tree, places })
    }

    fn place(&self, log: usize, id: &EntryId) -> Option<Place> {
        let index = *self.places.get(id)?;
        let path = self.tree.prove_inclusion(index, self.size, |_, _| None).ok()?;
        let path = path.iter().map(|hash| STANDARD.encode(hash.0)).collect();
        Some(Place { log, index, path })
    }
}

impl Proven {
    /// For a reader: what is proven, and what such a file cannot prove.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let entries: u64 = self.chains.iter().map(|(_, length)| length).sum();
        let mut lines = vec![format!(
            "PROVEN  {}   member {}  {entries} entries in {} chains  {} words of others  register of {}",
            crate::table::plain(&self.name),
            self.member.0,
            self.chains.len(),
            self.words,
            self.register,
        )];
        let (quorum, nodes) = (self.quorum, self.nodes);
        lines.push(format!(
            "  proven: each entry is signed by its device, which the register had enrolled, and is held by \
             the logs of {quorum} of {nodes} nodes or more, under roots that they signed"
        ));
        for (device, length) in &self.chains {
            lines.push(format!(
                "  proven: device {device} wrote these {length} entries, in this order"
            ));
        }
        lines.push("  not proven: what the member signed after these checkpoints, and that others said nothing else".to_owned());
        lines.push("  not proven: the credits and payouts that came of it, which takes everybody's entries: talea-verify EXPORT".to_owned());
        lines
    }
}
