//! A few real replicas on perfect links, driven by hand: for stories with an exact order.
//!
//! Whatever is sent arrives at once, in order, where a link is open; every commit is durable at
//! once. Chance, weather and crashes are `world`'s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use talea_ledger::replica::{Alarm, Input, Moment, Output, Replica, Reply, leaves};
use talea_protocol::bytes::Octets;
use talea_protocol::entry::{Entry, Signed, check};
use talea_protocol::export::Writer;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::message::{Message, Payload};

use crate::disk::Disk;
use crate::people::{START_MS, node_key};

/// A node, its disk and what its operator was told.
pub struct Node {
    /// Its key.
    pub key: Arc<SecretKey>,
    /// What it kept.
    pub disk: Disk,
    /// What it is.
    pub replica: Replica,
    /// What its operator was told.
    pub alarms: Vec<Alarm>,
    /// How often it started again from its disk.
    pub reloads: u32,
}

/// Nodes and links.
pub struct Net {
    /// The nodes, in the order of their keys: the roster's.
    pub nodes: Vec<Node>,
    cooperative: EntryId,
    links: BTreeSet<(usize, usize)>,
    wires: VecDeque<(usize, usize, Message)>,
    replies: BTreeMap<u64, Reply>,
    now: u64,
    tickets: u64,
}

/// Keys of so many nodes, ascending as in a roster.
#[must_use]
pub fn node_keys(count: usize) -> Vec<Arc<SecretKey>> {
    node_keys_from(0, count)
}

/// The same, of other nodes: keys from this number on.
#[must_use]
pub fn node_keys_from(first: u64, count: usize) -> Vec<Arc<SecretKey>> {
    let count = u64::try_from(count).expect("fits");
    let keys = first..first.saturating_add(count);
    let mut keys: Vec<Arc<SecretKey>> = keys.map(|n| Arc::new(node_key(n))).collect();
    keys.sort_by_key(|key| key.node());
    keys
}

impl Net {
    /// So many nodes for a cooperative, all linked; nobody has anything yet.
    #[must_use]
    pub fn new(count: usize, cooperative: EntryId) -> Self {
        Self::among(node_keys(count), cooperative)
    }

    /// The same with these nodes, whose keys ascend.
    #[must_use]
    pub fn among(keys: Vec<Arc<SecretKey>>, cooperative: EntryId) -> Self {
        let (now, count) = (START_MS, keys.len());
        let publics: Vec<NodeKey> = keys.iter().map(|key| key.node()).collect();
        let node = |key: Arc<SecretKey>| {
            let replica = Replica::new(Moment(now), cooperative, key.clone(), &publics);
            let (disk, alarms) = (Disk::default(), Vec::new());
            Node { key, disk, replica, alarms, reloads: 0 }
        };
        let nodes = keys.into_iter().map(node).collect();
        let (links, wires) = (BTreeSet::new(), VecDeque::new());
        let replies = BTreeMap::new();
        let mut net = Self { nodes, cooperative, links, wires, replies, now, tickets: 0 };
        for one in 0..count {
            for other in 0..one {
                net.link(other, one);
            }
        }
        net
    }

    /// One more node, with a key of its own and linked to nobody; it knows whom to ask for the
    /// cooperative. Returns its number.
    pub fn add(&mut self, key: Arc<SecretKey>) -> usize {
        let publics: Vec<NodeKey> = self.nodes.iter().map(|node| node.key.node()).collect();
        let replica = Replica::new(Moment(self.now), self.cooperative, key.clone(), &publics);
        let (disk, alarms) = (Disk::default(), Vec::new());
        self.nodes.push(Node { key, disk, replica, alarms, reloads: 0 });
        self.nodes.len() - 1
    }

    /// Opens a link.
    pub fn link(&mut self, one: usize, other: usize) {
        if self.links.insert((one.min(other), one.max(other))) {
            let keys = [self.nodes[one].key.node(), self.nodes[other].key.node()];
            self.tell(one, Input::Connected(keys[1]));
            self.tell(other, Input::Connected(keys[0]));
        }
    }

    /// Cuts a link; what is on it is lost.
    pub fn cut(&mut self, one: usize, other: usize) {
        if self.links.remove(&(one.min(other), one.max(other))) {
            let link = (one.min(other), one.max(other));
            self.wires.retain(|(from, to, _)| (*from.min(to), *from.max(to)) != link);
            let keys = [self.nodes[one].key.node(), self.nodes[other].key.node()];
            self.tell(one, Input::Lost(keys[1]));
            self.tell(other, Input::Lost(keys[0]));
        }
    }

    /// A second host under a node's key, linked to nobody yet: a node that keeps two histories.
    pub fn twin(&mut self, node: usize) -> usize {
        let key = Arc::clone(&self.nodes[node].key);
        let publics: Vec<NodeKey> = self.nodes.iter().map(|node| node.key.node()).collect();
        let replica = Replica::new(Moment(self.now), self.cooperative, Arc::clone(&key), &publics);
        let (disk, alarms) = (Disk::default(), Vec::new());
        self.nodes.push(Node { key, disk, replica, alarms, reloads: 0 });
        self.nodes.len() - 1
    }

    /// What a node exports: its own log, those that it mirrors, and their checkpoints.
    #[must_use]
    pub fn export(&self, node: usize) -> Vec<u8> {
        let node = &self.nodes[node];
        let me = node.key.node();
        let (mut writer, mut file) = Writer::begin(self.cooperative, me, self.now);
        for section in node.disk.sections(&self.cooperative, me, &node.replica) {
            file.extend(writer.frame(&section));
        }
        file.extend(writer.end());
        file
    }

    /// Cuts every link of a node.
    pub fn isolate(&mut self, node: usize) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.cut(node, other);
        }
    }

    /// Opens every link.
    pub fn join(&mut self) {
        for one in 0..self.nodes.len() {
            for other in 0..one {
                self.link(other, one);
            }
        }
    }

    /// Hands an entry to a node and says what became of it, as soon as the node knows.
    pub fn submit(&mut self, node: usize, entry: &Signed) -> Reply {
        self.hand_in(node, entry, None)
    }

    /// The same with a payload.
    pub fn submit_with(&mut self, node: usize, entry: &Signed, payload: Payload) -> Reply {
        self.hand_in(node, entry, Some(Box::new(payload)))
    }

    fn hand_in(&mut self, node: usize, entry: &Signed, payload: Option<Box<Payload>>) -> Reply {
        let ticket = self.tickets;
        self.tickets += 1;
        let (source, entry) = (self.nodes[node].key.node(), Box::new(Entry::clone(entry)));
        self.tell(node, Input::Submit { ticket, source, entry, payload });
        self.settle_down();
        self.replies.remove(&ticket).expect("an answer")
    }

    /// Lets time pass, in steps of 100 ms, and everything happen that is due.
    pub fn pass(&mut self, ms: u64) {
        self.settle_down();
        let until = self.now + ms;
        while self.now < until {
            self.now += 100;
            for node in 0..self.nodes.len() {
                if self.nodes[node].replica.deadline() <= Moment(self.now) {
                    self.nodes[node].replica.wake(Moment(self.now));
                }
            }
            self.settle_down();
        }
    }

    /// Lets it be a later time, at which everything happens that was due meanwhile.
    pub fn skip_to(&mut self, time: u64) {
        self.settle_down();
        self.now = self.now.max(time);
        for node in &mut self.nodes {
            if node.replica.deadline() <= Moment(self.now) {
                node.replica.wake(Moment(self.now));
            }
        }
        self.settle_down();
    }

    /// The time, in ms since 1970 UTC.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Starts a node again from its disk.
    pub fn restart(&mut self, node: usize) {
        let linked: Vec<usize> = (0..self.nodes.len())
            .filter(|other| self.links.contains(&(node.min(*other), node.max(*other))))
            .collect();
        self.isolate(node);
        let publics: Vec<NodeKey> = self.nodes.iter().map(|node| node.key.node()).collect();
        let host = &mut self.nodes[node];
        let mut replica = host
            .disk
            .restore(Moment(self.now), self.cooperative, host.key.clone())
            .expect("the disk keeps what it synced");
        replica.set_hosts(&publics);
        host.replica = replica;
        for other in linked {
            self.link(node, other);
        }
    }

    /// Something happens to a node that no other node has done: a message in another's name.
    pub fn befall(&mut self, node: usize, input: Input) {
        self.tell(node, input);
        self.settle_down();
    }

    fn tell(&mut self, node: usize, input: Input) {
        self.nodes[node].replica.handle(Moment(self.now), input);
    }

    /// Until nobody has anything to do.
    fn settle_down(&mut self) {
        loop {
            let mut busy = false;
            for node in 0..self.nodes.len() {
                while let Some(output) = self.nodes[node].replica.poll() {
                    busy = true;
                    self.perform(node, output);
                }
            }
            while let Some((from, to, message)) = self.wires.pop_front() {
                busy = true;
                let peer = self.nodes[from].key.node();
                self.tell(to, Input::Message(peer, Box::new(message)));
            }
            if !busy {
                return;
            }
        }
    }

    fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Send(peer, message) => self.send(node, peer, message),
            Output::Check { check: number, entries } => {
                self.tell(node, Input::Checked { check: number, entries: check(entries) });
            }
            Output::Commit(commit) => {
                let (host, token) = (&mut self.nodes[node], commit.token);
                let note = host.disk.write(*commit, &host.key);
                self.tell(node, Input::Committed { token, note });
            }
            Output::Serve(parts) => {
                let disk = &self.nodes[node].disk;
                let made = leaves(&parts, |from, count, each| {
                    for index in from..from + u64::from(count) {
                        let leaf = disk.leaf(&parts.cooperative, index).expect("durable");
                        if !each(&leaf) {
                            break;
                        }
                    }
                });
                let next = made.as_ref().map_or(parts.from, |(_, next)| *next);
                if let Some((message, _)) = made {
                    self.send(node, parts.peer, message);
                }
                let (peer, log, from) = (parts.peer, parts.log, parts.from);
                self.tell(node, Input::Served { peer, log, from, next });
            }
            Output::Fetch(peer, entries) => self.fetch(node, peer, &entries),
            Output::Reply { ticket, reply } => {
                self.replies.insert(ticket, reply);
            }
            Output::Settled { .. } => {}
            Output::Recall(leaf) => {
                let bytes = self.nodes[node].disk.leaf(&self.cooperative, leaf).expect("durable");
                self.tell(node, Input::Recalled { leaf, bytes });
            }
            Output::Reload => {
                self.nodes[node].reloads += 1;
                self.restart(node);
            }
            Output::Alarm(alarm) => self.nodes[node].alarms.push(alarm),
        }
    }

    fn send(&mut self, from: usize, to: NodeKey, message: Message) {
        let linked = |at: &usize| self.links.contains(&(from.min(*at), from.max(*at)));
        let mut hosts = (0..self.nodes.len()).filter(|at| self.nodes[*at].key.node() == to);
        if let Some(to) = hosts.find(linked) {
            self.wires.push_back((from, to, message));
        }
    }

    fn fetch(&mut self, node: usize, peer: NodeKey, entries: &[EntryId]) {
        let cooperative = self.cooperative;
        for entry in entries {
            let Some(kept) = self.nodes[node].disk.payload(&cooperative, entry) else { continue };
            let (salt, bytes) = kept.split_first_chunk::<32>().expect("a salt");
            let bytes = Octets::new(bytes.to_vec()).expect("not too long");
            let payload = Payload { entry: *entry, salt: *salt, bytes };
            self.send(node, peer, Message::Given { cooperative, payload });
        }
    }
}
