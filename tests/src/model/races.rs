//! Real replicas, without chance: entries written by hand, handed in and passed on in any order.
//!
//! Nobody is linked until told so; two nodes that meet tell each other all that they have. A
//! replica cannot be copied, so a state is reached by playing its steps again. What a step means is
//! the ledger's business.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::replica::Reply;
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::{List, Octets};
use talea_protocol::charter::Member;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::Entry;
use talea_protocol::entry::{Header, SCHEME, Signed, VERSION, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, Purpose, SecretKey};
use talea_protocol::leaf::{Leaf, accepted};
use talea_protocol::receipt::Receipt;
use talea_protocol::recovery::{Approval, Call, Evidence, Heal, Succeed, succession};

use super::roster::Shape;
use crate::net::{Net, node_keys};
use crate::people::{START_MS, charter, secret};

/// How long two nodes meet, in ms: logs follow each other at once.
const MEETING_MS: u64 = 300;

/// A cooperative whose founders write by hand, and its nodes, each alone at first.
pub struct Stage {
    /// The nodes.
    pub net: Net,
    /// The founders' keys; founder 0 is the registrar.
    pub keys: Vec<SecretKey>,
    /// Its id.
    pub cooperative: EntryId,
    /// What was signed and can be handed in anywhere.
    pub written: Vec<Signed>,
    quorum: usize,
    /// What every node held for settled.
    before: Vec<BTreeMap<(u32, u32), EntryId>>,
}

impl Stage {
    /// Founds a cooperative on so many nodes.
    #[must_use]
    pub fn new(shape: Shape, members: u64) -> Self {
        let keys: Vec<SecretKey> = (0..members).map(secret).collect();
        let publics: Vec<_> = node_keys(shape.nodes).iter().map(|key| key.node()).collect();
        let (faulty, quorum) =
            (u8::try_from(shape.faulty).expect("few"), u8::try_from(shape.quorum).expect("few"));
        let charter = charter(&keys.iter().collect::<Vec<_>>(), &publics, faulty, quorum);
        let header = header(EntryId::ZERO, &keys[0], 0, EntryId::ZERO, EntryId::ZERO);
        let founding = sign(&keys[0], &header, &Act::Charter(Box::new(charter))).expect("valid");
        let cooperative = founding.id();
        let mut net = Net::new(shape.nodes, cooperative);
        assert!(matches!(net.submit(0, &founding), Reply::Placed(_)), "a charter");
        net.pass(MEETING_MS);
        for node in 0..shape.nodes {
            net.isolate(node);
        }
        let before = vec![BTreeMap::new(); shape.nodes];
        Self { net, keys, cooperative, written: Vec::new(), quorum: shape.quorum, before }
    }

    /// An entry by a founder.
    #[must_use]
    pub fn entry(
        &self,
        member: usize,
        seq: u64,
        prev: EntryId,
        basis: EntryId,
        act: &Act,
    ) -> Signed {
        let key = &self.keys[member];
        sign(key, &header(self.cooperative, key, seq, prev, basis), act).expect("valid")
    }

    /// Hands an entry in.
    pub fn submit(&mut self, node: usize, entry: &Signed) -> Reply {
        let reply = self.net.submit(node, entry);
        self.net.pass(100);
        reply
    }

    /// Two nodes tell each other all that they have.
    pub fn meet(&mut self, one: usize, other: usize) {
        self.net.link(one, other);
        self.net.pass(MEETING_MS);
        self.net.cut(one, other);
    }

    /// Everybody meets everybody, for so long.
    pub fn join(&mut self, ms: u64) {
        self.net.join();
        self.net.pass(ms);
        for node in 0..self.net.nodes.len() {
            self.net.isolate(node);
        }
    }

    /// A key's word for what others write down.
    #[must_use]
    pub fn word(&self, member: usize, purpose: Purpose, signed: &[u8]) -> Approval {
        let key = &self.keys[member];
        Approval { device: key.device(), signature: key.sign(purpose, signed) }
    }

    /// A succession with these members' words.
    #[must_use]
    pub fn succeed(&self, at: EntryId, successor: u32, callers: &[usize]) -> Act {
        let call = Call { at, successor: Member(successor) };
        let signed = succession(&self.cooperative, &call);
        let mut words: Vec<Approval> =
            callers.iter().map(|it| self.word(*it, Purpose::Succession, &signed)).collect();
        words.sort_by_key(|word| word.device);
        Act::Succeed(Succeed { call, words: List::new(words).expect("few") })
    }

    /// The cut of one device's chain after these entries.
    #[must_use]
    pub fn cut(&self, device: u32, chain: &[EntryId], at: EntryId) -> Cut {
        let number = usize::try_from(device).expect("few");
        let mut root = CutRoot::new();
        let length = u32::try_from(chain.len()).expect("few");
        if let Some(last) = chain.last() {
            root.add(&self.keys[number].device(), length, last);
        }
        let mut lengths = vec![0; number + 1];
        lengths[number] = length;
        Cut { at, lengths: List::new(lengths).expect("few"), root: root.finish() }
    }

    /// A receipt of a node's fork leaf for a device, whether the fork is healed since or not.
    #[must_use]
    pub fn evidence(&self, node: usize, device: u32, seq: u64) -> Option<Evidence> {
        let node = &self.net.nodes[node];
        let key = self.keys[usize::try_from(device).expect("few")].device();
        let size = node.replica.published();
        let proves = |index: &u64| {
            let leaf = node.disk.leaf(&self.cooperative, *index).expect("durable");
            matches!(Leaf::parse(&leaf), Ok(Leaf::Fork(it))
                if (it.fork.device(), it.fork.seq()) == (key, seq))
        };
        let index = (0..size).find(proves)?;
        let proof = node.replica.tree().prove_inclusion(index, size, |_, _| None).ok()?;
        let extra = node.disk.leaf(&self.cooperative, index)?;
        let receipt = Receipt { index, proof, checkpoint: node.replica.note()?.clone(), extra };
        let receipt = Octets::new(receipt.to_string().into_bytes())?;
        Some(Evidence { node: node.key.node(), receipt })
    }

    /// A heal that cites these nodes' logs.
    #[must_use]
    pub fn heal(
        &self,
        cited: &[usize],
        device: u32,
        seq: u32,
        adopt: Option<EntryId>,
    ) -> Option<Act> {
        let evidence = cited.iter().map(|node| self.evidence(*node, device, u64::from(seq)));
        let evidence = List::new(evidence.collect::<Option<Vec<_>>>()?)?;
        Some(Act::Heal(Heal { device, seq, adopt, evidence }))
    }

    /// The entries of a chain that a node holds, and how many of them it holds for settled.
    #[must_use]
    pub fn chain(&self, node: usize, device: u32) -> (Vec<EntryId>, u32) {
        let places = self.net.nodes[node].replica.places();
        let ids = places.chain(device).iter().map(|place| place.id).collect();
        (ids, places.settled(device))
    }

    /// No two entries are in the logs of a quorum for one place, or for one register number; and
    /// what a node held for settled, it holds.
    ///
    /// # Errors
    /// What is not so.
    pub fn judge(&mut self) -> Result<(), String> {
        for node in 0..self.net.nodes.len() {
            let now = self.settled_at(node);
            for (place, id) in &self.before[node] {
                if now.get(place) != Some(id) {
                    return Err(format!("node {node} held {place:?} for settled, and gave it up"));
                }
            }
            self.before[node] = now;
        }
        let mut settled = BTreeMap::new();
        for (entry, logs) in self.receipts() {
            let spots = [Some(entry.place), entry.after.map(|id| (DeviceKey([0; 32]), 0, id))];
            for spot in spots.into_iter().flatten().filter(|_| logs.len() >= self.quorum) {
                if let Some(other) = settled.insert(spot, entry.id) {
                    return Err(format!(
                        "{other:?} and {:?} are in {} logs each",
                        entry.id, self.quorum
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whose published logs hold each entry.
    fn receipts(&self) -> BTreeMap<Claim, BTreeSet<usize>> {
        let mut receipts: BTreeMap<Claim, BTreeSet<usize>> = BTreeMap::new();
        for (number, node) in self.net.nodes.iter().enumerate() {
            for index in 0..node.replica.published() {
                let leaf = node.disk.leaf(&self.cooperative, index).expect("durable");
                let Some(bytes) = accepted(&leaf) else { continue };
                let entry = Entry::parse(bytes.to_vec()).expect("an entry");
                receipts.entry(Claim::of(&entry)).or_default().insert(number);
            }
        }
        receipts
    }

    /// How many published logs hold an entry.
    #[must_use]
    pub fn logs(&self, id: &EntryId) -> usize {
        let receipts = self.receipts().into_iter().filter(|(claim, _)| claim.id == *id);
        receipts.map(|(_, logs)| logs.len()).sum()
    }

    fn settled_at(&self, node: usize) -> BTreeMap<(u32, u32), EntryId> {
        let places = self.net.nodes[node].replica.places();
        let chains = (0..places.chains()).flat_map(|device| {
            let settled = usize::try_from(places.settled(device)).expect("few");
            let held = (0_u32..).zip(places.chain(device)).take(settled);
            held.map(move |(seq, place)| ((device, seq), place.id)).collect::<Vec<_>>()
        });
        chains.collect()
    }

    /// What the nodes' logs say of entries and forks, in order: equal for equal states.
    #[must_use]
    pub fn state(&self) -> Vec<Vec<(u8, EntryId)>> {
        let logs = (0..self.net.nodes.len()).map(|node| {
            let node = &self.net.nodes[node];
            let own = (0..node.replica.published()).filter_map(|index| {
                let leaf = node.disk.leaf(&self.cooperative, index).expect("durable");
                said(&leaf)
            });
            let mut said: Vec<_> = own.collect();
            for mirror in node.replica.mirrors() {
                said.push((0, EntryId(mirror.node.0)));
                for (device, seq) in mirror.order.iter().flatten() {
                    said.extend(node.replica.places().at(*device, *seq).map(|it| (8, it.id)));
                }
                said.extend(mirror.claims.values().map(|id| (9, *id)));
            }
            said.push((10, EntryId::ZERO));
            said.extend(self.settled_at_ids(node.key.node()));
            said
        });
        logs.collect()
    }

    fn settled_at_ids(&self, key: talea_protocol::key::NodeKey) -> Vec<(u8, EntryId)> {
        let node = self.net.nodes.iter().position(|node| node.key.node() == key).expect("a node");
        self.settled_at(node).into_values().map(|id| (11, id)).collect()
    }
}

/// An entry, and what only one can have.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Claim {
    id: EntryId,
    place: (DeviceKey, u64, EntryId),
    /// The register entry before it, if it is one.
    after: Option<EntryId>,
}

impl Claim {
    fn of(entry: &Entry) -> Self {
        let header = entry.header();
        let register = matches!(entry.content(), Content::Known(act) if act.is_register());
        let place = (header.device, header.seq, EntryId::ZERO);
        Self { id: entry.id(), place, after: register.then_some(header.basis) }
    }
}

/// An entry that a leaf accepts or resolves, or what a fork leaf says is held.
fn said(leaf: &[u8]) -> Option<(u8, EntryId)> {
    match Leaf::parse(leaf) {
        Ok(Leaf::Fork(forked)) => Some((4, forked.held.unwrap_or(EntryId::ZERO))),
        _ => {
            let entry = Entry::parse(accepted(leaf)?.to_vec()).ok()?;
            Some((*leaf.first()?, entry.id()))
        }
    }
}

fn header(
    cooperative: EntryId,
    key: &SecretKey,
    seq: u64,
    prev: EntryId,
    basis: EntryId,
) -> Header {
    let (version, scheme, time) = (VERSION, SCHEME, START_MS + 50_000);
    let device = key.device();
    Header { version, scheme, cooperative, device, seq, prev, basis, time, payload: None }
}

/// Plays every way of at most `depth` steps, without going on twice from one state; says how many
/// states there were.
///
/// # Errors
/// The shortest way to what [`Stage::judge`] finds, and what it is.
pub fn every_order<T: Clone + std::fmt::Debug>(
    depth: usize,
    states_max: usize,
    begin: impl Fn() -> Stage,
    steps: impl Fn(&Stage) -> Vec<T>,
    play: impl Fn(&mut Stage, &T),
    judge: impl Fn(&Stage) -> Result<(), String>,
) -> Result<usize, String> {
    let mut seen = BTreeSet::new();
    let mut ways: Vec<Vec<T>> = vec![Vec::new()];
    while let Some(way) = ways.first().cloned() {
        ways.remove(0);
        let mut stage = begin();
        for step in &way {
            play(&mut stage, step);
            let judged = stage.judge().and_then(|()| judge(&stage));
            judged.map_err(|broken| format!("{broken}: {way:?}"))?;
        }
        if !seen.insert(stage.state()) || way.len() == depth || seen.len() >= states_max {
            continue;
        }
        let next = steps(&stage).into_iter();
        ways.extend(next.map(|step| way.iter().cloned().chain([step]).collect()));
    }
    Ok(seen.len())
}
