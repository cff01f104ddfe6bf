//! A world of nodes, links and people, run from one seed until all agree or time is up.
//!
//! Real [`Replica`]s, so real places, settlement, states and conversations; the links lose, repeat,
//! delay and reorder whole messages and are cut, the nodes crash and come back with what their
//! disks had synced. What must never happen is asserted as it happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use talea_ledger::replica::{Input, Moment, Output, Replica, Reply, leaves};
use talea_protocol::bytes::{FRAME_BYTES_MAX, Octets};
use talea_protocol::entry::{Entry, Signed, check};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::message::{Message, Payload};
use talea_protocol::tree::TreeHash;

use crate::chance::Chance;
use crate::disk::Disk;
use crate::people::{People, START_MS, node_key};

/// What one world is like; every part drawn from its seed.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Nodes of the roster, and how many receipts settle.
    pub nodes: u64,
    /// How many receipts settle.
    pub quorum: u8,
    /// Messages lost, of a hundred.
    pub loss: u64,
    /// Messages that come twice, of a hundred.
    pub twice: u64,
    /// Longest delay of a message, in ms.
    pub delay: u64,
    /// Entries that people state while the weather is bad.
    pub entries: u64,
    /// How long the bad weather lasts, in ms.
    pub storm: u64,
    /// How often a node crashes or a link is cut, in ms on average.
    pub trouble: u64,
}

impl Weather {
    /// The weather of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x5eed);
        let (nodes, quorum) = *chance.one_of(&[(3, 2), (3, 2), (5, 4), (5, 3), (4, 3), (1, 1)]);
        Self {
            nodes,
            quorum,
            loss: chance.between(0, 30),
            twice: chance.between(0, 50),
            delay: chance.between(1, 400),
            entries: chance.between(20, 60),
            storm: chance.between(5_000, 40_000),
            trouble: chance.between(1_000, 10_000),
        }
    }
}

/// What came out of a world.
#[derive(Debug, Eq, PartialEq)]
pub struct Outcome {
    /// A hash of everything that happened, in order.
    pub trace: Hash,
    /// The state root that all nodes ended with.
    pub root: Hash,
    /// Entries settled everywhere.
    pub entries: usize,
    /// Crashes, cuts, and messages lost, repeated and delivered.
    pub faults: Faults,
    /// Simulated time until all agreed, in ms.
    pub lasted: u64,
}

/// What went wrong, by kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    /// Nodes that stopped without warning.
    pub crashes: u64,
    /// Links that were cut.
    pub cuts: u64,
    /// Messages lost.
    pub lost: u64,
    /// Messages that came twice.
    pub twice: u64,
    /// Messages that came.
    pub delivered: u64,
}

struct Node {
    key: Arc<SecretKey>,
    replica: Option<Replica>,
    disk: Disk,
    /// Distinguishes what was begun before a crash from what comes after.
    life: u64,
    /// When it is to be woken.
    wake_at: Option<u64>,
}

#[derive(Debug)]
enum Event {
    Deliver { from: usize, to: usize, session: u64, frame: Vec<u8> },
    Committed { node: usize, life: u64, commit: Box<talea_ledger::replica::Commit> },
    Wake { node: usize, life: u64 },
    State,
    Submit { entry: usize },
    Trouble,
    Restart { node: usize },
    Mend { one: usize, other: usize },
}

/// The world.
pub struct World {
    weather: Weather,
    chance: Chance,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    nodes: Vec<Node>,
    /// The number of the session on each link; even while it is cut.
    sessions: BTreeMap<(usize, usize), u64>,
    people: People,
    /// Which node acknowledged which entry: a promise that survives crashes.
    acknowledged: BTreeSet<(usize, EntryId)>,
    settled: BTreeMap<(u32, u32), EntryId>,
    signed: BTreeMap<(usize, u64), TreeHash>,
    tickets: BTreeMap<u64, (usize, usize)>,
    next_ticket: u64,
    faults: Faults,
    trace: blake3::Hasher,
    calm: bool,
}

impl World {
    /// The world of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Weather::of(seed))
    }

    /// A world of this weather.
    #[must_use]
    pub fn with(seed: u64, weather: Weather) -> Self {
        let keys: Vec<Arc<SecretKey>> = (0..weather.nodes).map(|n| Arc::new(node_key(n))).collect();
        let publics: Vec<NodeKey> = keys.iter().map(|key| key.node()).collect();
        let people = People::found(5, &publics, 0, weather.quorum);
        let now = START_MS;
        let cooperative = people.cooperative();
        let node = |key: Arc<SecretKey>| Node {
            replica: Some(Replica::new(Moment(now), cooperative, key.clone(), &publics)),
            key,
            disk: Disk::default(),
            life: 0,
            wake_at: None,
        };
        let mut world = Self {
            chance: Chance::new(seed),
            now,
            events: BTreeMap::new(),
            next_event: 0,
            nodes: keys.into_iter().map(node).collect(),
            sessions: BTreeMap::new(),
            people,
            acknowledged: BTreeSet::new(),
            settled: BTreeMap::new(),
            signed: BTreeMap::new(),
            tickets: BTreeMap::new(),
            next_ticket: 0,
            faults: Faults::default(),
            trace: blake3::Hasher::new(),
            calm: false,
            weather,
        };
        world.plan();
        world
    }

    /// People, troubles and the first sessions, as far as they are known beforehand.
    fn plan(&mut self) {
        for one in 0..self.nodes.len() {
            for other in one + 1..self.nodes.len() {
                self.sessions.insert((one, other), 0);
                self.mend(one, other);
            }
        }
        self.at(0, Event::Submit { entry: 0 });
        for _ in 0..self.weather.entries {
            let after = self.chance.below(self.weather.storm);
            self.at(after, Event::State);
        }
        let mut after = 0;
        while after < self.weather.storm {
            after += self.chance.between(1, 2 * self.weather.trouble);
            self.at(after, Event::Trouble);
        }
    }

    /// Runs until all nodes hold the same settled entries and have said so to each other.
    ///
    /// # Panics
    /// If anything happens that never may, or if they do not agree within ten simulated minutes
    /// after the storm.
    pub fn run(mut self) -> Outcome {
        let end = self.now + self.weather.storm + 600_000;
        while let Some(((time, _), event)) = self.events.pop_first() {
            self.now = time;
            self.calm |= time > START_MS + self.weather.storm;
            self.trace(&event);
            self.happen(event);
            if self.calm && self.agreed() {
                return self.outcome();
            }
            assert!(self.now < end, "no agreement in time: {}", self.report());
        }
        panic!("nothing happens any more and they do not agree: {}", self.report());
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, session, frame } => {
                if self.session(from, to) == session && self.is_open(from, to) {
                    self.faults.delivered += 1;
                    let message = Message::parse(&frame).expect("honest nodes send messages");
                    let peer = self.nodes[from].key.node();
                    self.give(to, Input::Message(peer, Box::new(message)));
                }
            }
            Event::Committed { node, life, commit } => {
                if self.nodes[node].life == life {
                    self.committed(node, *commit);
                }
            }
            Event::Wake { node, life } => {
                let due = self.nodes[node].wake_at == Some(self.now);
                if self.nodes[node].life == life && due {
                    self.nodes[node].wake_at = None;
                    let now = Moment(self.now);
                    if let Some(replica) = &mut self.nodes[node].replica {
                        replica.wake(now);
                    }
                    self.drain(node);
                }
            }
            Event::State => {
                let time = self.now;
                self.people.go_on(&mut self.chance, time);
                let entry = self.people.entries.len() - 1;
                self.at(0, Event::Submit { entry });
            }
            Event::Submit { entry } => self.submit(entry),
            Event::Trouble => self.trouble(),
            Event::Restart { node } => self.restart(node),
            Event::Mend { one, other } => self.mend(one, other),
        }
    }

    /// A wallet submits to a node of its choice, and again until one has acknowledged.
    fn submit(&mut self, entry: usize) {
        let signed = &self.people.entries[entry];
        if self.acknowledged.iter().any(|(_, id)| *id == signed.id()) {
            return;
        }
        let bytes = signed.bytes().to_vec();
        let node = self.chance.index(self.nodes.len());
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.tickets.insert(ticket, (node, entry));
        let source = self.nodes[node].key.node();
        let entry_bytes = Box::new(Entry::parse(bytes).expect("an entry"));
        self.give(node, Input::Submit { ticket, source, entry: entry_bytes, payload: None });
        let again = self.chance.between(500, 3_000);
        self.at(again, Event::Submit { entry });
    }

    fn trouble(&mut self) {
        if self.calm {
            return;
        }
        let back = self.chance.between(100, self.weather.storm);
        if self.chance.percent(50) {
            let node = self.chance.index(self.nodes.len());
            self.crash(node);
            self.at(back, Event::Restart { node });
        } else if self.nodes.len() > 1 {
            let one = self.chance.index(self.nodes.len() - 1);
            let other = one + 1 + self.chance.index(self.nodes.len() - one - 1);
            self.cut(one, other);
            self.at(back, Event::Mend { one, other });
        }
    }

    fn crash(&mut self, node: usize) {
        if self.nodes[node].replica.take().is_none() {
            return;
        }
        self.faults.crashes += 1;
        self.nodes[node].life += 1;
        self.nodes[node].wake_at = None;
        for other in 0..self.nodes.len() {
            if other != node {
                self.cut(node, other);
            }
        }
    }

    fn restart(&mut self, node: usize) {
        if self.nodes[node].replica.is_some() {
            return;
        }
        let (now, cooperative) = (Moment(self.now), self.people.cooperative());
        let publics: Vec<NodeKey> = self.nodes.iter().map(|node| node.key.node()).collect();
        let host = &mut self.nodes[node];
        let mut replica = host.disk.restore(now, cooperative, host.key.clone());
        replica.set_hosts(&publics);
        for (holder, id) in &self.acknowledged {
            let kept = *holder != node || replica.places().find(id).is_some();
            assert!(kept, "node {node} has lost {id}, which it had acknowledged");
        }
        host.replica = Some(replica);
        self.drain(node);
        for other in 0..self.nodes.len() {
            if other != node && self.nodes[other].replica.is_some() {
                self.mend(node.min(other), node.max(other));
            }
        }
    }

    fn cut(&mut self, one: usize, other: usize) {
        let link = (one.min(other), one.max(other));
        if !self.is_open(one, other) {
            return;
        }
        self.faults.cuts += 1;
        *self.sessions.entry(link).or_default() += 1;
        for (node, peer) in [(one, other), (other, one)] {
            let peer = self.nodes[peer].key.node();
            if self.nodes[node].replica.is_some() {
                self.give(node, Input::Lost(peer));
            }
        }
    }

    fn mend(&mut self, one: usize, other: usize) {
        let up = self.nodes[one].replica.is_some() && self.nodes[other].replica.is_some();
        if !up || self.is_open(one, other) {
            return;
        }
        *self.sessions.entry((one, other)).or_default() += 1;
        for (node, peer) in [(one, other), (other, one)] {
            let peer = self.nodes[peer].key.node();
            self.give(node, Input::Connected(peer));
        }
    }

    fn session(&self, one: usize, other: usize) -> u64 {
        self.sessions.get(&(one.min(other), one.max(other))).copied().unwrap_or(0)
    }

    fn is_open(&self, one: usize, other: usize) -> bool {
        self.session(one, other) % 2 == 1
    }

    fn give(&mut self, node: usize, input: Input) {
        let now = Moment(self.now);
        if let Some(replica) = &mut self.nodes[node].replica {
            replica.handle(now, input);
        }
        self.drain(node);
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].replica.as_mut().and_then(Replica::poll) {
            self.perform(node, output);
        }
        if let Some(replica) = &self.nodes[node].replica {
            let life = self.nodes[node].life;
            let due = replica.deadline().0.max(self.now + 1);
            if self.nodes[node].wake_at.is_none_or(|at| due < at) {
                self.nodes[node].wake_at = Some(due);
                self.at(due - self.now, Event::Wake { node, life });
            }
        }
    }

    fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Send(peer, message) => self.send(node, peer, &message),
            Output::Check { check: number, entries } => {
                let input = Input::Checked { check: number, entries: check(entries) };
                let now = Moment(self.now);
                if let Some(replica) = &mut self.nodes[node].replica {
                    replica.handle(now, input);
                }
            }
            Output::Commit(commit) => {
                let life = self.nodes[node].life;
                let after = self.chance.between(0, 30);
                self.at(after, Event::Committed { node, life, commit });
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
                    self.send(node, parts.peer, &message);
                }
                let (peer, log, from) = (parts.peer, parts.log, parts.from);
                let now = Moment(self.now);
                if let Some(replica) = &mut self.nodes[node].replica {
                    replica.handle(now, Input::Served { peer, log, from, next });
                }
            }
            Output::Fetch(peer, entries) => self.fetch(node, peer, &entries),
            Output::Reply { ticket, reply } => self.replied(ticket, reply),
            Output::Settled { entry, .. } => self.settle(node, entry),
            Output::Alarm(alarm) => panic!("an honest peer is accused: {alarm:?}"),
        }
    }

    fn fetch(&mut self, node: usize, peer: NodeKey, entries: &[EntryId]) {
        let cooperative = self.people.cooperative();
        for entry in entries {
            let Some(kept) = self.nodes[node].disk.payload(&cooperative, entry) else { continue };
            let (salt, bytes) = kept.split_first_chunk::<32>().expect("a salt");
            let payload = Payload {
                entry: *entry,
                salt: *salt,
                bytes: Octets::new(bytes.to_vec()).expect("not too long"),
            };
            self.send(node, peer, &Message::Given { cooperative, payload });
        }
    }

    fn send(&mut self, from: usize, peer: NodeKey, message: &Message) {
        let Some(to) = self.nodes.iter().position(|node| node.key.node() == peer) else { return };
        let frame = message.frame();
        assert!(frame.len() <= FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
        let session = self.session(from, to);
        let mut copies = 1;
        if !self.calm && self.chance.percent(self.weather.loss) {
            self.faults.lost += 1;
            copies = 0;
        } else if !self.calm && self.chance.percent(self.weather.twice) {
            self.faults.twice += 1;
            copies = 2;
        }
        for _ in 0..copies {
            let after = self.chance.between(0, self.weather.delay);
            self.at(after, Event::Deliver { from, to, session, frame: frame.clone() });
        }
    }

    fn committed(&mut self, node: usize, commit: talea_ledger::replica::Commit) {
        let token = commit.token;
        let (size, root) = (commit.checkpoint.size, commit.checkpoint.root);
        let former = self.signed.insert((node, size), root);
        assert!(former.is_none_or(|former| former == root), "node {node} signs two roots");
        let host = &mut self.nodes[node];
        let note = host.disk.write(commit, &host.key);
        self.give(node, Input::Committed { token, note });
    }

    fn replied(&mut self, ticket: u64, reply: Reply) {
        let Some((node, entry)) = self.tickets.get(&ticket) else { return };
        let id = self.people.entries[*entry].id();
        match reply {
            Reply::Placed(_) | Reply::Known(_) => {
                self.acknowledged.insert((*node, id));
            }
            Reply::Waiting(_) | Reply::Busy => {}
            Reply::Refused(refusal) => panic!("an honest entry is refused: {refusal}"),
            Reply::Unsound(unsound) => panic!("an honest entry is refused: {unsound}"),
            Reply::Payload | Reply::Ahead(_) | Reply::UnknownAct(_) => panic!("{reply:?}"),
        }
    }

    /// Settled is settled: nobody ever settles another entry in that place.
    fn settle(&mut self, node: usize, entry: EntryId) {
        let Some(replica) = &self.nodes[node].replica else { return };
        let Some(position) = replica.places().position(&entry) else {
            panic!("{entry} is settled without a place");
        };
        let former = self.settled.insert(position, entry);
        assert!(former.is_none_or(|former| former == entry), "two settled ids in one place");
    }

    fn agreed(&mut self) -> bool {
        let all = self.people.entries.len();
        let done = |node: &Node| {
            node.replica.as_ref().is_some_and(|replica| {
                let others = replica.mirrors().map(|mirror| mirror.node);
                replica.settled() == u64::try_from(all).expect("fits")
                    && others.filter(|peer| replica.equal_since(peer).is_some()).count() + 1
                        == self.nodes.len()
            })
        };
        self.events.values().all(|event| !matches!(event, Event::State))
            && self.nodes.iter().all(done)
    }

    fn outcome(mut self) -> Outcome {
        let roots: BTreeSet<Hash> = self
            .nodes
            .iter_mut()
            .filter_map(|node| node.replica.as_mut().map(|replica| replica.state_mut().root()))
            .collect();
        assert_eq!(roots.len(), 1, "one state root");
        Outcome {
            trace: Hash(*self.trace.finalize().as_bytes()),
            root: roots.first().copied().expect("one node at least"),
            entries: self.people.entries.len(),
            faults: self.faults,
            lasted: self.now - START_MS,
        }
    }

    /// Every entry that was stated, in the order of its statement.
    #[must_use]
    pub fn entries(&self) -> &[Signed] {
        &self.people.entries
    }

    fn at(&mut self, after: u64, event: Event) {
        self.events.insert((self.now + after, self.next_event), event);
        self.next_event += 1;
    }

    fn trace(&mut self, event: &Event) {
        self.trace.update(&self.now.to_le_bytes());
        match event {
            Event::Deliver { from, to, frame, .. } => {
                let ends = [*from, *to].map(|end| u8::try_from(end).expect("few nodes"));
                self.trace.update(&ends);
                self.trace.update(frame);
            }
            Event::Committed { commit, .. } => {
                self.trace.update(&commit.checkpoint.root.0);
            }
            other => {
                self.trace.update(format!("{other:?}").as_bytes());
            }
        }
    }

    fn report(&self) -> String {
        let of = |node: &Node| match &node.replica {
            Some(replica) => format!(
                "[{} of {} settled, {} leaves, others {:?}]",
                replica.settled(),
                replica.places().len(),
                replica.published(),
                replica
                    .mirrors()
                    .map(|m| (
                        m.checked.size(),
                        m.frontier.size(),
                        m.waiting.len(),
                        replica.equal_since(&m.node)
                    ))
                    .collect::<Vec<_>>()
            ),
            None => "[down]".to_owned(),
        };
        let nodes: Vec<String> = self.nodes.iter().map(of).collect();
        format!("{} entries; {}", self.people.entries.len(), nodes.join(" "))
    }
}
