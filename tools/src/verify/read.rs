//! From a file's bytes to logs of genuine entries.
//!
//! Every leaf is read, every signature checked, all of them together on all cores. Then the other
//! logs' orders are resolved to the entries that the file shows. What does not fit is a finding,
//! and reading goes on: the worst thing in a file must not hide behind the first.

use std::collections::BTreeMap;

use rayon::prelude::*;
use talea_protocol::bytes::decode_prefix;
use talea_protocol::entry::{self, ENTRY_BYTES_MAX, Entry, Header, Refusal, Signed, statement};
use talea_protocol::export::{ExportFault, Section, Sections};
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::leaf::{Forked, Leaf, LeafFault, accept, accepted, bundled};
use talea_protocol::message::{Item, Payload};
use talea_protocol::split::Split;
use talea_protocol::tree::{TreeHash, leaf_hash};

use super::finding::Finding;
use super::log::{Content, Log};
use super::status::Claim;

/// Signatures checked at once: beyond this a batch gains little (reliability, section 1).
const BATCH: usize = 1024;
/// Bytes of a signature, at an entry's end.
const SIGNATURE_BYTES: usize = 64;

/// What a file shows, before anybody asks what it means.
#[derive(Debug)]
pub struct Shown {
    /// Which cooperative it is about.
    pub cooperative: EntryId,
    /// Whose export it is.
    pub node: NodeKey,
    /// That node's clock, in ms since 1970 UTC: a claim.
    pub time: u64,
    /// Every genuine entry.
    pub entries: BTreeMap<EntryId, Signed>,
    /// The logs: the exporting node's own, and those that it mirrors.
    pub logs: BTreeMap<NodeKey, Log>,
    /// Signed notes, with the node whose log they are about.
    pub notes: Vec<(NodeKey, Vec<u8>)>,
    /// Payloads.
    pub payloads: Vec<Payload>,
    /// A proof for each place in which a device has written twice.
    pub forks: BTreeMap<(DeviceKey, u64), Fork>,
    /// A proof for each node that has signed two histories of its log: their sizes.
    pub splits: BTreeMap<NodeKey, (u64, u64)>,
    /// What speaks against it so far.
    pub found: Vec<Finding>,
}

/// A leaf whose entry waits for its signature's check.
struct Raw {
    hash: TreeHash,
    content: RawContent,
}

enum RawContent {
    /// An entry: its place among those to be checked, and what its leaf does with it.
    Entry(usize, fn(EntryId) -> Content),
    Ready(Content),
}

/// A part of another node's log.
enum Part {
    Leaves(Vec<Raw>),
    Known(Vec<EntryId>),
    Copy { from: u64, count: u32 },
}

/// What the sections hold, with nothing checked yet.
struct Pile {
    cooperative: EntryId,
    node: NodeKey,
    own: Vec<(usize, u64, Vec<Raw>)>,
    mirrors: Vec<(usize, NodeKey, u64, Vec<Part>)>,
    notes: Vec<(NodeKey, Vec<u8>)>,
    payloads: Vec<Payload>,
    entries: Vec<Entry>,
    /// The log and the place of each of `entries`.
    origins: Vec<(NodeKey, u64)>,
    forks: BTreeMap<(DeviceKey, u64), Fork>,
    splits: BTreeMap<NodeKey, (u64, u64)>,
    found: Vec<Finding>,
}

/// Reads a file.
///
/// # Errors
/// The first fault, if the file has not even a head: then it says nothing about anything.
pub fn read(file: &[u8]) -> Result<Shown, ExportFault> {
    let mut sections = Sections::new(file)?;
    let (cooperative, node, time) = match sections.next() {
        Some(Ok((_, Section::Head { cooperative, node, time }))) => (cooperative, node, time),
        Some(Err(fault)) => return Err(fault),
        Some(Ok((at, _))) => return Err(ExportFault::Order { at }),
        None => return Err(ExportFault::Magic),
    };
    let mut pile = Pile::new(cooperative, node);
    for section in sections {
        match section {
            Ok((at, section)) => pile.add(at, section),
            Err(fault) => pile.found.push(Finding::File(fault)),
        }
    }
    let Pile { own, mirrors, notes, payloads, entries, origins, forks, splits, mut found, .. } =
        pile;
    let (ids, entries, bad) = check(entries, &origins);
    // What is wrong with one entry is said before what is wrong with the file because of it.
    let file_faults = found.split_off(
        found.iter().position(|finding| matches!(finding, Finding::File(_))).unwrap_or(found.len()),
    );
    found.extend(bad);
    found.extend(file_faults);
    let mut shown = Shown {
        cooperative,
        node,
        time,
        entries,
        logs: BTreeMap::from([(node, Log::new(node))]),
        notes,
        payloads,
        forks,
        splits,
        found,
    };
    for (at, from, leaves) in own {
        shown.append(at, node, from, vec![Part::Leaves(leaves)], &ids);
    }
    for (at, log, from, parts) in mirrors {
        shown.append(at, log, from, parts, &ids);
    }
    shown.find_forks();
    Ok(shown)
}

impl Pile {
    const fn new(cooperative: EntryId, node: NodeKey) -> Self {
        Self {
            cooperative,
            node,
            own: Vec::new(),
            mirrors: Vec::new(),
            notes: Vec::new(),
            payloads: Vec::new(),
            entries: Vec::new(),
            origins: Vec::new(),
            forks: BTreeMap::new(),
            splits: BTreeMap::new(),
            found: Vec::new(),
        }
    }

    fn add(&mut self, at: usize, section: Section) {
        match section {
            Section::Leaves { from, bundle } => {
                let leaves = self.leaves(at, self.node, from, &bundle);
                self.own.push((at, from, leaves));
            }
            Section::Mirror { log, from, items } => {
                let mut next = from;
                let mut parts = Vec::new();
                for item in &items {
                    let part = self.part(at, log, next, item);
                    next = next.saturating_add(part.length());
                    parts.push(part);
                }
                self.mirrors.push((at, log, from, parts));
            }
            Section::Checkpoint { log, note } => self.notes.push((log, note.into_vec())),
            Section::Payload(payload) => self.payloads.push(payload),
            Section::Head { .. } | Section::End { .. } => {}
        }
    }

    fn part(&mut self, at: usize, log: NodeKey, next: u64, item: &Item) -> Part {
        match item {
            Item::Bundle(bundle) => Part::Leaves(self.leaves(at, log, next, bundle)),
            Item::Known(ids) => Part::Known(ids.to_vec()),
            Item::Copy { log: copied, from, count } if *copied == self.node && log != *copied => {
                Part::Copy { from: *from, count: *count }
            }
            Item::Copy { .. } => {
                self.found.push(Finding::Copy { log, index: next });
                Part::Leaves(Vec::new())
            }
        }
    }

    fn leaves(&mut self, at: usize, log: NodeKey, from: u64, bundle: &[u8]) -> Vec<Raw> {
        let leaves = bundled(bundle).unwrap_or_else(|fault| {
            self.found.push(Finding::Bundle { at, fault });
            Vec::new()
        });
        (from..=u64::MAX).zip(leaves).map(|(index, leaf)| self.leaf(log, index, leaf)).collect()
    }

    fn leaf(&mut self, log: NodeKey, index: u64, leaf: &[u8]) -> Raw {
        let content = match Leaf::parse(leaf) {
            Ok(Leaf::Accept(entry)) => self.entry(log, index, *entry, Content::Accept),
            Ok(Leaf::Resolve(entry)) => self.entry(log, index, *entry, Content::Resolve),
            Ok(Leaf::Fork(forked)) => RawContent::Ready(self.fork(log, index, forked)),
            Ok(Leaf::Closed(_)) => RawContent::Ready(Content::Closed),
            Ok(Leaf::Frontier(frontier)) => RawContent::Ready(Content::Frontier(frontier)),
            Ok(Leaf::Peer(peer)) => RawContent::Ready(Content::Peer(peer)),
            Ok(Leaf::Shown(shown)) => RawContent::Ready(Content::Shows(shown)),
            Ok(Leaf::Split(split)) => RawContent::Ready(self.split(log, index, &split)),
            // A checkpoint that another log doubts: what is proven by it is in a split leaf.
            Ok(Leaf::Erased(_) | Leaf::Doubt(_) | Leaf::Other(_)) => {
                RawContent::Ready(Content::Other)
            }
            Err(fault) => {
                let claim = accepted(leaf).and_then(seeming);
                let is_accept = accepted(leaf).is_some();
                self.found.push(Finding::Leaf { log, index, fault, claim });
                RawContent::Ready(if is_accept { Content::Damaged } else { Content::Other })
            }
        };
        Raw { hash: leaf_hash(leaf), content }
    }

    fn entry(
        &mut self,
        log: NodeKey,
        index: u64,
        entry: Entry,
        does: fn(EntryId) -> Content,
    ) -> RawContent {
        self.entries.push(entry);
        self.origins.push((log, index));
        RawContent::Entry(self.entries.len() - 1, does)
    }

    fn fork(&mut self, log: NodeKey, index: u64, forked: Box<Forked>) -> Content {
        let fork = &forked.fork;
        if let Err(fault) = fork.check(&self.cooperative) {
            let claim = Claim::by(&fork.one.header, fork.one.id());
            self.found.push(Finding::Proof { log, index, claim, fault });
            return Content::Other;
        }
        self.forks.entry((fork.device(), fork.seq())).or_insert(*fork);
        Content::Fork(forked)
    }

    fn split(&mut self, log: NodeKey, index: u64, split: &Split) -> Content {
        match split.check(&self.cooperative) {
            Ok((one, other)) => {
                self.splits.entry(split.node).or_insert((one.size, other.size));
            }
            Err(fault) => self.found.push(Finding::NoSplit { log, index, fault }),
        }
        Content::Other
    }
}

/// Whose entry damaged bytes seem to be.
fn seeming(bytes: &[u8]) -> Option<Claim> {
    let (header, _) = decode_prefix::<Header>(bytes, ENTRY_BYTES_MAX).ok()?;
    let unsigned = bytes.get(..bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
    Some(Claim::by(&header, entry::name(&statement(unsigned)?)))
}

type Checked = (Vec<Option<EntryId>>, BTreeMap<EntryId, Signed>, Vec<Finding>);

/// Checks all signatures; returns the id at each place, or nothing where it is not genuine.
fn check(entries: Vec<Entry>, origins: &[(NodeKey, u64)]) -> Checked {
    let mut entries = entries.into_iter();
    let batch =
        || Some(entries.by_ref().take(BATCH).collect()).filter(|it: &Vec<_>| !it.is_empty());
    let batches: Vec<Vec<Entry>> = std::iter::from_fn(batch).collect();
    let verdicts: Vec<_> = batches.into_par_iter().map(entry::check).collect();
    let (mut ids, mut genuine, mut found) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (verdict, (log, index)) in verdicts.into_iter().flatten().zip(origins) {
        match verdict {
            Ok(entry) => {
                ids.push(Some(entry.id()));
                genuine.entry(entry.id()).or_insert(entry);
            }
            Err((entry, refusal)) => {
                ids.push(None);
                found.push(refused(*log, *index, &entry, refusal));
            }
        }
    }
    (ids, genuine, found)
}

fn refused(log: NodeKey, index: u64, entry: &Entry, refusal: Refusal) -> Finding {
    let fault = LeafFault::Entry(refusal);
    Finding::Leaf { log, index, fault, claim: Some(Claim::of(entry)) }
}

impl RawContent {
    fn checked(self, ids: &[Option<EntryId>]) -> Content {
        match self {
            Self::Ready(content) => content,
            Self::Entry(place, does) => {
                ids.get(place).copied().flatten().map_or(Content::Damaged, does)
            }
        }
    }
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Leaves(leaves) => u64::try_from(leaves.len()).unwrap_or(u64::MAX),
            Self::Known(ids) => u64::try_from(ids.len()).unwrap_or(u64::MAX),
            Self::Copy { count, .. } => u64::from(*count),
        }
    }
}

impl Shown {
    /// The exporting node's log.
    #[must_use]
    pub fn own(&self) -> &Log {
        self.logs.get(&self.node).expect("made with the first section")
    }

    fn append(
        &mut self,
        at: usize,
        node: NodeKey,
        from: u64,
        parts: Vec<Part>,
        ids: &[Option<EntryId>],
    ) {
        let mut log = self.logs.remove(&node).unwrap_or(Log::new(node));
        if log.go_on(from) {
            for part in parts {
                self.resolve(&mut log, part, ids);
            }
        } else {
            self.found.push(Finding::OutOfPlace { log: node, from, at });
        }
        self.logs.insert(node, log);
    }

    fn resolve(&mut self, log: &mut Log, part: Part, ids: &[Option<EntryId>]) {
        match part {
            Part::Leaves(leaves) => {
                for Raw { hash, content } in leaves {
                    self.put(log, hash, content.checked(ids));
                }
            }
            Part::Known(named) => named.iter().for_each(|id| self.name(log, *id)),
            Part::Copy { from, count } => self.copy(log, from, u64::from(count)),
        }
    }

    /// Appends a leaf. An entry that the log accepts already is a finding, and false.
    fn put(&mut self, log: &mut Log, hash: TreeHash, content: Content) -> bool {
        let entry = content.entry().and_then(|id| self.entries.get(&id));
        let again = entry.map(|entry| Claim::of(entry));
        let put = log.push(hash, content);
        if let (false, Some(claim)) = (put, again) {
            self.found.push(Finding::Again { log: log.node, index: log.end, claim });
        }
        put
    }

    fn name(&mut self, log: &mut Log, id: EntryId) {
        if let Some(entry) = self.entries.get(&id) {
            let hash = leaf_hash(&accept(entry));
            self.put(log, hash, Content::Accept(id));
        } else {
            self.found.push(Finding::MissingEntry { log: log.node, index: log.end, id });
            log.skip(1);
        }
    }

    /// Resolves a copy of the own log. Where that has a gap, so has this, from there on.
    fn copy(&mut self, log: &mut Log, from: u64, count: u64) {
        let own = self.own();
        let gap = own.missing.iter().find(|(_, to)| *to > from);
        let end = gap.map_or(own.end, |(gap, _)| *gap);
        let start = own.leaves.partition_point(|leaf| leaf.index < from);
        let (mut place, mut left) = (start, count);
        while left > 0
            && let Some(leaf) = self.own().leaves.get(place).filter(|leaf| leaf.index < end)
        {
            place += 1;
            let accepts = match leaf.content {
                Content::Accept(id) => Some((id, leaf.hash)),
                Content::Resolve(id) => {
                    self.entries.get(&id).map(|entry| (id, leaf_hash(&accept(entry))))
                }
                Content::Damaged => None,
                Content::Fork(_)
                | Content::Frontier(_)
                | Content::Peer(_)
                | Content::Shows(_)
                | Content::Closed
                | Content::Other => continue,
            };
            left -= 1;
            match accepts {
                Some((id, hash)) if !self.put(log, hash, Content::Accept(id)) => return,
                Some(_) => {}
                None => log.skip(1),
            }
        }
        log.skip(left);
    }

    /// Two genuine entries in one place, anywhere in the file.
    fn find_forks(&mut self) {
        let mut places: BTreeMap<(DeviceKey, u64), &Signed> = BTreeMap::new();
        for entry in self.entries.values() {
            let place = (entry.header().device, entry.header().seq);
            if let Some(one) = places.insert(place, entry) {
                let fork = Fork::new(one.signed_header(), entry.signed_header());
                self.forks.entry(place).or_insert(fork);
            }
        }
    }
}
