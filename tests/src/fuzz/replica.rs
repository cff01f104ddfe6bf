//! A node's replica of a cooperative among peers that may say anything, and sign anything.
//!
//! What it wants done is done at once: signatures are checked, commits written, frames read back.
//! A story that was recorded between honest nodes is what most inputs begin with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use talea_ledger::replica::{Input, Moment, Output, Replica, Reply, leaves};
use talea_protocol::act::Content;
use talea_protocol::bytes::{FRAME_BYTES_MAX, List, Octets};
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::entry::{Entry, Header, SCHEME, Signed, VERSION, check, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::leaf::accept;
use talea_protocol::message::{Item, Message, Payload};
use talea_protocol::tile::push_leaf;
use talea_protocol::tree::{Frontier, leaf_hash};

use super::script::{Script, bytes};
use super::seed;
use crate::chance::Chance;
use crate::disk::Disk;
use crate::people::{People, START_MS, node_key, secret};

/// Nodes of the roster; this one is the first.
const NODES: u64 = 3;
/// Outputs of one input: a frame of 2,048 leaves settles as many entries, and says so.
const OUTPUTS_MAX: usize = 20_000;
/// How long the clock goes on at once, in ms.
const STEPS_MS: [u64; 7] = [0, 1, 100, 400, 1_000, 5_000, 600_001];

/// Keys and entries that every story has.
static CAST: LazyLock<Cast> = LazyLock::new(Cast::new);

struct Cast {
    nodes: Vec<Arc<SecretKey>>,
    names: Vec<NodeKey>,
    members: Vec<SecretKey>,
    entries: Vec<Signed>,
    cooperative: EntryId,
}

impl Cast {
    fn new() -> Self {
        let nodes: Vec<Arc<SecretKey>> = (0..=NODES).map(|n| Arc::new(node_key(n))).collect();
        let names: Vec<NodeKey> = nodes.iter().map(|key| key.node()).collect();
        let mut chance = Chance::new(7);
        let mut people = People::found(0, 3, &names[..3], (0, 2), &mut chance);
        for hour in 1..12 {
            people.go_on(hour, &mut chance, START_MS + hour * 1_000);
        }
        let members = (0..3).map(secret).collect();
        let cooperative = people.cooperative();
        Self { nodes, names, members, entries: people.entries, cooperative }
    }
}

/// A node, its disk, and what was promised to whom.
struct Host {
    replica: Replica,
    disk: Disk,
    key: Arc<SecretKey>,
    now: Moment,
    /// Submissions that were not answered yet, and what they submit.
    tickets: BTreeMap<u64, EntryId>,
    next_ticket: u64,
    acknowledged: BTreeSet<EntryId>,
    settled: BTreeSet<EntryId>,
}

impl Host {
    fn new(number: usize) -> Self {
        let key = CAST.nodes[number].clone();
        let now = Moment(START_MS);
        let replica = Replica::new(now, CAST.cooperative, key.clone(), &CAST.names[..3]);
        Self {
            replica,
            disk: Disk::default(),
            key,
            now,
            tickets: BTreeMap::new(),
            next_ticket: 0,
            acknowledged: BTreeSet::new(),
            settled: BTreeSet::new(),
        }
    }

    /// Something happens; what is sent because of it.
    fn give(&mut self, input: Input) -> Vec<(NodeKey, Message)> {
        self.replica.handle(self.now, input);
        self.perform()
    }

    fn wake(&mut self, after: u64) -> Vec<(NodeKey, Message)> {
        self.now = self.now.after(after);
        self.replica.wake(self.now);
        let sent = self.perform();
        assert!(self.replica.deadline() > self.now, "woken, and to be woken at once again");
        sent
    }

    fn submit(
        &mut self,
        source: NodeKey,
        entry: Entry,
        payload: Option<Payload>,
    ) -> Vec<(NodeKey, Message)> {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.tickets.insert(ticket, entry.id());
        let (entry, payload) = (Box::new(entry), payload.map(Box::new));
        self.give(Input::Submit { ticket, source, entry, payload })
    }

    fn perform(&mut self) -> Vec<(NodeKey, Message)> {
        let mut sent = Vec::new();
        for count in 0.. {
            let Some(output) = self.replica.poll() else { break };
            assert!(count < OUTPUTS_MAX, "{OUTPUTS_MAX} outputs of one input");
            match output {
                Output::Send(peer, message) => sent.push((peer, message)),
                Output::Check { check: number, entries } => {
                    let entries = check(entries);
                    self.replica.handle(self.now, Input::Checked { check: number, entries });
                }
                Output::Commit(commit) => {
                    let token = commit.token;
                    let note = self.disk.write(*commit, &self.key);
                    self.replica.handle(self.now, Input::Committed { token, note });
                }
                Output::Serve(parts) => {
                    let read = |from: u64, count: u32, each: &mut dyn FnMut(&[u8]) -> bool| {
                        for index in from..from + u64::from(count) {
                            let leaf = self.disk.leaf(&parts.cooperative, index);
                            if !each(&leaf.expect("what is served is durable")) {
                                break;
                            }
                        }
                    };
                    let made = leaves(&parts, read);
                    let next = made.as_ref().map_or(parts.from, |(_, next)| *next);
                    sent.extend(made.map(|(message, _)| (parts.peer, message)));
                    let (peer, log, from) = (parts.peer, parts.log, parts.from);
                    self.replica.handle(self.now, Input::Served { peer, log, from, next });
                }
                Output::Fetch(_, entries) => assert!(entries.len() <= 64, "asked for too much"),
                Output::Reply { ticket, reply } => self.replied(ticket, reply),
                Output::Settled { entry, .. } => {
                    assert!(self.settled.insert(entry), "{entry} is settled twice");
                }
                Output::Recall(leaf) => {
                    let bytes = self.disk.leaf(&CAST.cooperative, leaf);
                    let bytes = bytes.expect("what is recalled is durable");
                    self.replica.handle(self.now, Input::Recalled { leaf, bytes });
                }
                Output::Reload => self.reload(),
                Output::Alarm(_) => {}
            }
        }
        for (_, message) in &sent {
            let frame = message.frame();
            assert!(frame.len() <= FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
            assert_eq!(Message::parse(&frame).as_ref(), Ok(message));
        }
        sent
    }

    /// Whoever waits for another entry is answered twice: now, and when that has come.
    fn replied(&mut self, ticket: u64, reply: Reply) {
        let entry = self.tickets.get(&ticket).copied().expect("a ticket that is not answered yet");
        match reply {
            Reply::Placed(leaf) | Reply::Known(leaf) => {
                assert!(leaf < self.replica.published(), "acknowledged before it is durable");
                self.acknowledged.insert(entry);
            }
            _ => {}
        }
        if !matches!(reply, Reply::Waiting(_)) {
            self.tickets.remove(&ticket);
        }
    }

    fn restored(&self) -> Replica {
        let restored = self.disk.restore(self.now, CAST.cooperative, self.key.clone());
        let mut restored = restored.expect("the disk keeps what it synced");
        restored.set_hosts(&CAST.names[..3]);
        restored
    }

    /// A healed fork has taken places away: nobody is held to what was said of them.
    fn reload(&mut self) {
        self.replica = self.restored();
        self.tickets.clear();
        self.acknowledged.clear();
        self.settled.clear();
    }

    /// The node stops and comes back with what it has written: all of it, and nothing else.
    fn restart(&mut self) {
        let restored = self.restored();
        let mut before = std::mem::replace(&mut self.replica, restored);
        self.tickets.clear();
        self.perform();
        for entry in &self.acknowledged {
            assert!(self.replica.places().find(entry).is_some(), "{entry} is lost");
        }
        assert_eq!(self.replica.places().len(), before.places().len(), "places");
        assert_eq!(self.replica.settled(), before.settled(), "settled entries");
        assert_eq!(self.replica.state_mut().root(), before.state_mut().root(), "state");
    }
}

/// A peer that says what it likes about its own log, and signs it.
#[derive(Default)]
struct Liar {
    tree: Frontier,
}

/// A member's next place, as its wallet would have it.
type Head = (u64, EntryId);

/// A node among any peers.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn replica(input: &[u8]) {
    let mut script = Script::new(input);
    let mut host = Host::new(0);
    let mut liars = [Liar::default(), Liar::default(), Liar::default()];
    let mut heads: [Head; 3] = [(0, EntryId::ZERO); 3];
    for _ in 0..300 {
        if script.is_over() {
            break;
        }
        match script.byte() % 9 {
            0 => drop(host.give(Input::Connected(*script.one_of(&CAST.names[1..])))),
            1 => drop(host.give(Input::Lost(*script.one_of(&CAST.names[1..])))),
            2 => {
                let (peer, frame) = (*script.one_of(&CAST.names[1..]), script.bytes());
                if let Ok(message) = Message::parse(frame) {
                    host.give(Input::Message(peer, Box::new(message)));
                }
            }
            3 => {
                let (source, entry) = (*script.one_of(&CAST.names), script.bytes());
                if let Ok(entry) = Entry::parse(entry.to_vec()) {
                    let payload = payload(&mut script, entry.id());
                    host.submit(source, entry, payload);
                }
            }
            4 => drop(host.wake(*script.one_of(&STEPS_MS))),
            5 => {
                let due = host.replica.deadline().0.saturating_sub(host.now.0);
                host.wake(due);
            }
            6 => host.restart(),
            7 => lie(&mut script, &mut host, &mut liars),
            _ => state(&mut script, &mut host, &mut heads),
        }
    }
    host.restart();
}

fn payload(script: &mut Script<'_>, entry: EntryId) -> Option<Payload> {
    let given = script.byte() % 4 == 3;
    let bytes = Octets::new(if given { script.bytes().to_vec() } else { return None })?;
    Some(Payload { entry, salt: [7; 32], bytes })
}

/// Leaves that a roster node puts into its log, whatever they are, under its good signature.
fn lie(script: &mut Script<'_>, host: &mut Host, liars: &mut [Liar; 3]) {
    let number = script.index(liars.len());
    let (liar, key) = (&mut liars[number], &CAST.nodes[number + 1]);
    let (from, log) = (liar.tree.size(), key.node());
    let mut bundle = Vec::new();
    for _ in 0..=script.byte() % 4 {
        let leaf = match script.byte() % 4 {
            0 | 1 => accept(script.one_of::<Signed>(&CAST.entries)),
            2 => seed::leaves().swap_remove(script.index(7)),
            _ => script.bytes().to_vec(),
        };
        if push_leaf(&mut bundle, &leaf).is_ok() {
            liar.tree.append(leaf_hash(&leaf));
        }
    }
    let (size, root) = (liar.tree.size(), liar.tree.root());
    let origin = origin(&CAST.cooperative, &log);
    let note = Checkpoint { origin, size, root }.sign(key).to_string();
    let Some(bundle) = Octets::new(bundle) else { return };
    let message = Message::Leaves {
        cooperative: CAST.cooperative,
        log,
        from,
        items: List::new(vec![Item::Bundle(bundle)]).expect("one"),
        checkpoint: Octets::new(note.into_bytes()).expect("short"),
    };
    host.give(Input::Message(log, Box::new(message)));
}

/// A member signs any act, in the place that its chain has come to or in another.
fn state(script: &mut Script<'_>, host: &mut Host, heads: &mut [Head; 3]) {
    let author = script.index(heads.len());
    let (seq, prev) = heads[author];
    let place = script.byte();
    let Ok(Content::Known(act)) = Content::parse(script.bytes()) else { return };
    let header = Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative: CAST.cooperative,
        device: CAST.members[author].device(),
        seq: if place % 8 == 7 { seq + u64::from(place / 8) } else { seq },
        prev,
        basis: if place % 16 == 6 { CAST.entries[1].id() } else { CAST.cooperative },
        time: host.now.0,
        payload: None,
    };
    if let Ok(entry) = sign(&CAST.members[author], &header, &act) {
        heads[author] = (header.seq + 1, entry.id());
        host.submit(CAST.names[0], (*entry).clone(), None);
    }
}

/// What three honest nodes say to the first of them, as a story; and stories of liars.
#[must_use]
pub fn stories() -> Vec<Vec<u8>> {
    let record = record();
    let charter = submission(&CAST.entries[0]);
    let meet = vec![0, 0, 0, 1];
    let lies =
        (0..8_u8).map(|n| [vec![7, n % 2, 3, 0, n, 1, n + 1, 2, n, 0, 0], vec![4, 3]].concat());
    let acts = seed::acts()
        .into_iter()
        .zip(0_u8..)
        .filter_map(|(act, n)| Some([vec![8, n % 3, 0], bytes(&act)?, vec![4, 4]].concat()));
    let acts: Vec<Vec<u8>> = acts.collect();
    vec![
        record.concat(),
        record[..record.len() / 2].concat(),
        [charter.clone(), meet.clone(), lies.flatten().collect()].concat(),
        [charter.clone(), acts[..acts.len() / 2].concat(), vec![6]].concat(),
        [charter, meet, acts[acts.len() / 2..].concat(), vec![5, 6, 5]].concat(),
    ]
}

fn submission(entry: &Signed) -> Vec<u8> {
    let entry = bytes(entry.bytes()).expect("an entry is short");
    [vec![3, 0], entry, vec![0]].concat()
}

/// The inputs of the first of three nodes while each takes entries and tells the others.
fn record() -> Vec<Vec<u8>> {
    let mut hosts: Vec<Host> = (0..3).map(Host::new).collect();
    let mut record = vec![vec![0, 0], vec![0, 1]];
    let mut under_way = Vec::new();
    for (one, other) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        let sent = hosts[one].give(Input::Connected(CAST.names[other]));
        under_way.extend(sent.into_iter().map(|sent| (one, sent)));
    }
    for (number, entry) in CAST.entries.iter().enumerate() {
        let to = number % 3;
        if to == 0 {
            record.push(submission(entry));
        }
        let sent = hosts[to].submit(CAST.names[to], (**entry).clone(), None);
        under_way.extend(sent.into_iter().map(|sent| (to, sent)));
        deliver(&mut hosts, &mut under_way, &mut record);
        for (one, host) in hosts.iter_mut().enumerate() {
            let sent = host.wake(1_000);
            under_way.extend(sent.into_iter().map(|sent| (one, sent)));
        }
        record.push(vec![4, 4]);
        deliver(&mut hosts, &mut under_way, &mut record);
    }
    let settled = hosts[0].replica.settled();
    assert!(settled > 6, "{settled} entries are settled in a story of honest nodes");
    record
}

fn deliver(
    hosts: &mut [Host],
    under_way: &mut Vec<(usize, (NodeKey, Message))>,
    record: &mut Vec<Vec<u8>>,
) {
    for _ in 0..2_000 {
        if under_way.is_empty() {
            return;
        }
        let (from, (peer, message)) = under_way.remove(0);
        let Some(to) = CAST.names[..3].iter().position(|node| *node == peer) else { continue };
        if to == 0 {
            let number = u8::try_from(from - 1).expect("not itself");
            record.extend(bytes(&message.frame()).map(|frame| [vec![2, number], frame].concat()));
        }
        let sent = hosts[to].give(Input::Message(CAST.names[from], Box::new(message)));
        under_way.extend(sent.into_iter().map(|sent| (to, sent)));
    }
}
