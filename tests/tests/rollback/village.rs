//! Nodes that stop and start again from the store of some day, on links that are opened by hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use talea_ledger::batch::Column;
use talea_ledger::replica::{
    self, Commit, Input, Moment, Output, Replica, Reply, leaf_key, leaves,
};
use talea_protocol::bytes::{List, Octets};
use talea_protocol::entry::{Entry, Signed, check};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::leaf::bundled;
use talea_protocol::message::{Item, Message};
use talea_protocol::tile::push_leaf;
use talea_protocol::tree::{TreeHash, leaf_hash};
use talea_tests::load::load;
use talea_tests::people::{START_MS, node_key};

/// A disk that can be copied and put back.
#[derive(Clone, Default)]
pub(crate) struct Store {
    pub(crate) rows: BTreeMap<(Column, Vec<u8>), Vec<u8>>,
    pub(crate) promised: Option<(u64, TreeHash)>,
}

impl Store {
    pub(crate) fn leaf(&self, cooperative: &EntryId, index: u64) -> Option<&Vec<u8>> {
        self.rows.get(&(Column::Leaf, leaf_key(cooperative, index)))
    }

    pub(crate) fn restore(&self, now: Moment, id: EntryId, key: Arc<SecretKey>) -> Replica {
        let rows = |column: Column| {
            self.rows.iter().filter(move |((c, _), _)| *c == column).map(|((_, k), v)| (k, v))
        };
        let node = |key: &[u8]| NodeKey(key[32..64].try_into().unwrap());
        let place = |key: &[u8]| u64::from_be_bytes(key[64..72].try_into().unwrap());
        let disk = replica::Disk {
            leaves: || rows(Column::Leaf).map(|(_, leaf)| leaf.clone()),
            mirrors: rows(Column::Mirror).map(|(k, v)| (node(k), place(k), v.clone())).collect(),
            notes: rows(Column::Checkpoint).map(|(k, v)| (node(k), v.clone())).collect(),
            promised: self.promised,
        };
        Replica::restore(now, id, key, &[], disk).expect("it was kept like that")
    }
}

/// A roster whose nodes can be stopped, put back and started.
pub(crate) struct Village {
    pub(crate) keys: Vec<Arc<SecretKey>>,
    pub(crate) nodes: Vec<Option<Replica>>,
    pub(crate) stores: Vec<Store>,
    pub(crate) cooperative: EntryId,
    pub(crate) entries: Vec<Signed>,
    pub(crate) now: u64,
    pub(crate) open: BTreeSet<(usize, usize)>,
    pub(crate) inputs: VecDeque<(usize, Input)>,
    /// Roots by node and size, as signed.
    pub(crate) signed: BTreeMap<(usize, u64), TreeHash>,
    pub(crate) largest: Vec<u64>,
    pub(crate) replies: BTreeMap<u64, Reply>,
    pub(crate) settled: BTreeMap<(u32, u32), EntryId>,
    /// A node that shows others their logs as they are when asked first, and changed after that.
    pub(crate) liar: Option<usize>,
    pub(crate) asked: BTreeSet<usize>,
    /// Whether nobody hears how much of its own log the others hold.
    pub(crate) unsaid: bool,
}

impl Village {
    pub(crate) fn new(count: u64, quorum: u8, entries: usize) -> Self {
        let keys: Vec<_> = (0..count).map(|n| Arc::new(node_key(n))).collect();
        let nodes: Vec<NodeKey> = keys.iter().map(|key| key.node()).collect();
        let entries = load(8, entries, &nodes, quorum);
        let mut village = Self {
            nodes: keys.iter().map(|_| None).collect(),
            stores: vec![Store::default(); keys.len()],
            cooperative: entries[0].id(),
            entries,
            now: START_MS + 1_000_000,
            open: BTreeSet::new(),
            inputs: VecDeque::new(),
            signed: BTreeMap::new(),
            largest: vec![0; keys.len()],
            replies: BTreeMap::new(),
            settled: BTreeMap::new(),
            liar: None,
            asked: BTreeSet::new(),
            unsaid: false,
            keys,
        };
        (0..village.keys.len()).for_each(|node| village.found(node));
        (0..village.keys.len()).for_each(|node| village.join(node));
        village
    }

    pub(crate) fn publics(&self) -> Vec<NodeKey> {
        self.keys.iter().map(|key| key.node()).collect()
    }

    /// Hosts the cooperative on a node with nothing of it.
    pub(crate) fn found(&mut self, node: usize) {
        let (now, key) = (Moment(self.now), Arc::clone(&self.keys[node]));
        let mut replica = Replica::new(now, self.cooperative, key, &self.publics());
        if let Some(promised) = self.stores[node].promised {
            replica.remember(promised);
        }
        self.nodes[node] = Some(replica);
    }

    /// Starts a node from its disk.
    pub(crate) fn start(&mut self, node: usize) {
        let key = Arc::clone(&self.keys[node]);
        let replica = self.stores[node].restore(Moment(self.now), self.cooperative, key);
        self.nodes[node] = Some(replica);
    }

    pub(crate) fn stop(&mut self, node: usize) {
        self.nodes[node] = None;
        for other in 0..self.keys.len() {
            self.part(node, other);
        }
    }

    /// Connects a node with all that run.
    pub(crate) fn join(&mut self, node: usize) {
        (0..self.keys.len()).for_each(|other| self.meet(node, other));
    }

    pub(crate) fn meet(&mut self, one: usize, other: usize) {
        let up = self.nodes[one].is_some() && self.nodes[other].is_some();
        if one != other && up && self.open.insert((one.min(other), one.max(other))) {
            for (node, peer) in [(one, other), (other, one)] {
                let peer = self.keys[peer].node();
                self.inputs.push_back((node, Input::Connected(peer)));
            }
            self.run();
        }
    }

    pub(crate) fn part(&mut self, one: usize, other: usize) {
        if self.open.remove(&(one.min(other), one.max(other))) {
            for (node, peer) in [(one, other), (other, one)] {
                let peer = self.keys[peer].node();
                self.inputs.push_back((node, Input::Lost(peer)));
            }
            self.run();
        }
    }

    /// Submits these entries at a node; how many it acknowledges.
    pub(crate) fn submit(&mut self, node: usize, entries: std::ops::Range<usize>) -> usize {
        let source = self.keys[node].node();
        for number in entries.clone() {
            let entry = Box::new(Entry::parse(self.entries[number].bytes().to_vec()).unwrap());
            let ticket = number as u64;
            self.replies.remove(&ticket);
            self.inputs.push_back((node, Input::Submit { ticket, source, entry, payload: None }));
        }
        self.run();
        self.acknowledged(entries)
    }

    pub(crate) fn acknowledged(&self, entries: std::ops::Range<usize>) -> usize {
        let is_kept = |number: &usize| {
            let reply = self.replies.get(&(*number as u64));
            matches!(reply, Some(Reply::Placed(_) | Reply::Known(_)))
        };
        entries.filter(is_kept).count()
    }

    pub(crate) fn run(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.drain(node));
        while let Some((node, input)) = self.inputs.pop_front() {
            if let Some(replica) = &mut self.nodes[node] {
                replica.handle(Moment(self.now), input);
            }
            self.drain(node);
        }
    }

    pub(crate) fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].as_mut().and_then(Replica::poll) {
            self.perform(node, output);
        }
    }

    pub(crate) fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Send(peer, message) => self.say(node, &peer, message),
            Output::Check { check: number, entries } => {
                let entries = check(entries);
                self.inputs.push_back((node, Input::Checked { check: number, entries }));
            }
            Output::Commit(commit) => self.commit(node, *commit),
            Output::Serve(parts) => {
                let store = &self.stores[node];
                let made = leaves(&parts, |from, count, each| {
                    for index in from..from + u64::from(count) {
                        if !each(store.leaf(&parts.cooperative, index).expect("durable")) {
                            break;
                        }
                    }
                });
                let next = made.as_ref().map_or(parts.from, |(_, next)| *next);
                let (peer, log, from) = (parts.peer, parts.log, parts.from);
                if let Some((message, _)) = made {
                    self.say(node, &peer, message);
                }
                self.inputs.push_back((node, Input::Served { peer, log, from, next }));
            }
            Output::Reply { ticket, reply } => drop(self.replies.insert(ticket, reply)),
            Output::Settled { entry, .. } => {
                let places = self.nodes[node].as_ref().unwrap().places();
                let place = places.position(&entry).unwrap();
                assert_eq!(*self.settled.entry(place).or_insert(entry), entry, "settled twice");
            }
            Output::Fetch(..) => {}
            Output::Recall(_) | Output::Reload => panic!("nobody contradicts anybody here"),
            Output::Alarm(alarm) => panic!("node {node}: {alarm:?}"),
        }
    }

    pub(crate) fn say(&mut self, from: usize, peer: &NodeKey, mut message: Message) {
        let to = self.keys.iter().position(|key| key.node() == *peer).unwrap();
        if let (true, Message::Leaves { log, items, checkpoint, .. }) =
            (self.liar == Some(from), &mut message)
            && log == peer
        {
            if self.asked.contains(&to) {
                *items = changed(items);
            } else if !checkpoint.is_empty() {
                self.asked.insert(to);
            }
        }
        if let (true, Message::Open { logs, .. }) = (self.unsaid, &mut message) {
            let others = logs.iter().filter(|log| log.node != *peer).copied();
            *logs = List::new(others.collect()).unwrap();
        }
        if self.open.contains(&(from.min(to), from.max(to))) {
            let from = self.keys[from].node();
            self.inputs.push_back((to, Input::Message(from, Box::new(message))));
        }
    }

    pub(crate) fn commit(&mut self, node: usize, commit: Commit) {
        let store = &mut self.stores[node];
        for (column, key) in commit.batch.deletes() {
            store.rows.remove(&(*column, key.clone()));
        }
        for (column, key, value) in commit.batch.puts() {
            store.rows.insert((*column, key.clone()), value.clone());
        }
        for (index, hash) in (commit.from..).zip(&commit.hashes) {
            let leaf = store.leaf(&commit.cooperative, index);
            assert_eq!(leaf.map(|leaf| leaf_hash(leaf)), Some(*hash), "leaf {index} read back");
        }
        let (size, root) = (commit.checkpoint.size, commit.checkpoint.root);
        let former = self.signed.insert((node, size), root);
        assert!(former.is_none_or(|former| former == root), "node {node} signs two roots");
        assert!(size >= self.largest[node], "node {node} signs {size} leaves, and had signed more");
        self.largest[node] = size;
        let promised = store.promised.map_or(0, |(size, _)| size);
        assert!(size >= promised, "the promise file refuses {size} after {promised}");
        store.promised = Some((size, root));
        let note = commit.checkpoint.sign(&self.keys[node]).to_string().into_bytes();
        self.inputs.push_back((node, Input::Committed { token: commit.token, note }));
    }

    /// Lets time go on.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += 100;
            for node in 0..self.nodes.len() {
                let now = Moment(self.now);
                if let Some(replica) = &mut self.nodes[node]
                    && replica.deadline() <= now
                {
                    replica.wake(now);
                }
            }
            self.run();
        }
    }

    pub(crate) fn node(&self, node: usize) -> &Replica {
        self.nodes[node].as_ref().expect("it runs")
    }

    /// All nodes hold and settle all entries up to this one, with one state.
    pub(crate) fn agree(&mut self, count: usize) {
        let count = count as u64;
        let mut roots = BTreeSet::new();
        for node in 0..self.nodes.len() {
            let replica = self.nodes[node].as_mut().expect("it runs");
            assert_eq!((node, replica.behind()), (node, None));
            assert_eq!((node, replica.settled()), (node, count));
            roots.insert(replica.state_mut().root());
            let size = replica.note().expect("a checkpoint");
            assert!(size.signatures().len() > 1 || self.keys.len() == 1, "it is cosigned");
        }
        assert_eq!(roots.len(), 1);
    }
}

/// Entries before the older day, those that went through the third node alone after it, and
/// those that are still to be submitted. Those in the middle fill several frames.
pub(crate) const BEFORE: usize = 301;
pub(crate) const SINCE: usize = 2_101;
pub(crate) const ALL: usize = 2_401;

/// The same number of leaves, and others.
fn changed(items: &[Item]) -> List<Item, 1024> {
    let change = |item: &Item| match item {
        Item::Bundle(bundle) => {
            let mut other = Vec::new();
            for leaf in bundled(bundle).unwrap() {
                let (last, rest) = leaf.split_last().unwrap();
                push_leaf(&mut other, &[rest, &[last ^ 1]].concat()).unwrap();
            }
            Item::Bundle(Octets::new(other).unwrap())
        }
        other => other.clone(),
    };
    List::new(items.iter().map(change).collect()).unwrap()
}
