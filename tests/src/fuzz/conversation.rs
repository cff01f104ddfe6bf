//! The machine of following logs, fed with any order of inputs, among them any messages.
//!
//! Beside it a model keeps what was allowed: to whom there is a session, how many frames a peer
//! has asked for, from where a log goes on. What the machine wants done must fit the model.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::bytes::{FRAME_BYTES_MAX, List, Octets};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::message::{Form, Item, LEAVES_MAX, LogSize, Message};
use talea_protocol::sync::{Chunk, FRAMES, HEARTBEAT_MS, Moment, Output, Serve, Sync};

use super::script::{Script, bytes, number};
use super::seed;

const COOPERATIVE: EntryId = EntryId([0x11; 32]);
/// This node, three of the roster, and one that is not of it.
const NODES: [NodeKey; 5] = [
    NodeKey([0x22; 32]),
    NodeKey([0x23; 32]),
    NodeKey([0x24; 32]),
    NodeKey([0x25; 32]),
    NodeKey([0x99; 32]),
];
/// Outputs of one input: one or two for each pair of a peer and a log, and no more.
const OUTPUTS_MAX: usize = 2 * NODES.len() * NODES.len();

/// Where a peer stands in a log that it follows.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    next: u64,
    /// Frames that it still wants.
    frames: u32,
    reading: bool,
}

/// The machine, and what it may do.
struct Model {
    sync: Sync,
    now: Moment,
    sessions: BTreeSet<NodeKey>,
    roster: Vec<NodeKey>,
    /// Leaves that are here to be served.
    sizes: BTreeMap<NodeKey, u64>,
    /// What each peer wants of each log.
    cursors: BTreeMap<(NodeKey, NodeKey), Cursor>,
    /// What is being read for whom.
    reading: Vec<Serve>,
    /// Where each log goes on, as last asked for.
    next: BTreeMap<NodeKey, u64>,
    /// Who brought the last leaves of each log.
    fed: BTreeMap<NodeKey, NodeKey>,
    /// Chunks not yet dealt with.
    taken: Vec<Chunk>,
}

/// A story of sessions, messages and time.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn conversation(input: &[u8]) {
    let mut script = Script::new(input);
    let now = Moment(script.number());
    let mut model = Model {
        sync: Sync::new(COOPERATIVE, NODES[0], now),
        now,
        sessions: BTreeSet::new(),
        roster: Vec::new(),
        sizes: BTreeMap::new(),
        cursors: BTreeMap::new(),
        reading: Vec::new(),
        next: BTreeMap::new(),
        fed: BTreeMap::new(),
        taken: Vec::new(),
    };
    for _ in 0..400 {
        if script.is_over() {
            break;
        }
        model.happen(&mut script);
        model.drain();
    }
}

impl Model {
    fn happen(&mut self, script: &mut Script<'_>) {
        match script.byte() % 12 {
            0 => {
                let peer = *script.one_of(&NODES[1..]);
                self.sessions.insert(peer);
                self.cursors.retain(|(of, _), _| *of != peer);
                self.sync.connected(peer);
            }
            1 => {
                let peer = *script.one_of(&NODES[1..]);
                self.sessions.remove(&peer);
                self.cursors.retain(|(of, _), _| *of != peer);
                self.sync.lost(peer);
            }
            2 => self.frame(script),
            3..=6 => self.speak(script),
            7 => {
                let log = *script.one_of(&NODES[..4]);
                let size = self.sizes.entry(log).or_insert(0);
                *size = size.saturating_add(script.number());
                let next = self.next.entry(log).or_insert(0);
                *next = (*next).max(*size);
                self.sync.grown(log, *size);
            }
            8 => self.serve(script),
            9 => self.take(script),
            10 => {
                let chosen = script.byte();
                let is_chosen = |(place, _): &(usize, &NodeKey)| chosen >> place & 1 == 1;
                let nodes = NODES[..4].iter().enumerate().filter(is_chosen);
                self.roster = nodes.map(|(_, node)| *node).collect();
                self.sync.set_roster(&self.roster);
            }
            _ => {
                let after = *script.one_of(&[1, HEARTBEAT_MS, HEARTBEAT_MS - 1, 60_000]);
                self.now = self.now.after(after);
                self.sync.wake(self.now);
                let due = self.sync.deadline();
                let idle = due > self.now || self.now == Moment(u64::MAX);
                assert!(idle && due <= self.now.after(HEARTBEAT_MS), "woken at {due:?}");
            }
        }
    }

    /// A peer says any frame.
    fn frame(&mut self, script: &mut Script<'_>) {
        let (peer, frame) = (*script.one_of(&NODES[1..]), script.bytes());
        if let Ok(message) = Message::parse(frame) {
            self.say(peer, message);
        }
    }

    /// A peer says something that concerns this conversation.
    fn speak(&mut self, script: &mut Script<'_>) {
        let (peer, log) = (*script.one_of(&NODES[1..]), *script.one_of(&NODES));
        let cooperative = COOPERATIVE;
        let message = match script.byte() % 4 {
            0 => {
                let logs = NODES.map(|node| LogSize { node, size: script.number() });
                Message::Open { cooperative, logs: List::new(logs.to_vec()).expect("five") }
            }
            1 => {
                let (from, frames) = (script.number(), u32::from(script.byte()));
                let form = *script.one_of(&[Form::Named, Form::Whole]);
                Message::Follow { cooperative, log, from, frames, form }
            }
            2 => {
                let frames = u32::try_from(script.number()).unwrap_or(u32::MAX);
                Message::More { cooperative, log, frames }
            }
            _ => self.leaves(script, log),
        };
        self.say(peer, message);
    }

    /// Leaves from where they are expected, or from elsewhere.
    fn leaves(&self, script: &mut Script<'_>, log: NodeKey) -> Message {
        let expected = self.next.get(&log).copied().unwrap_or(0);
        let from = if script.byte() % 8 == 7 { script.number() } else { expected };
        let mut items = Vec::new();
        for _ in 0..script.byte() % 4 {
            items.push(match script.byte() % 3 {
                0 => Item::Bundle(Octets::new(script.bytes().to_vec()).expect("64 KiB")),
                1 => Item::Known(List::new(vec![COOPERATIVE; script.index(9)]).expect("few")),
                _ => {
                    let count = u32::try_from(script.number()).unwrap_or(u32::MAX);
                    Item::Copy { log: NODES[0], from: script.number(), count }
                }
            });
        }
        let items = List::new(items).expect("few");
        Message::Leaves {
            cooperative: COOPERATIVE,
            log,
            from,
            items,
            checkpoint: Octets::default(),
        }
    }

    fn say(&mut self, peer: NodeKey, message: Message) {
        let is_heard = self.sessions.contains(&peer);
        match &message {
            Message::Follow { log, from, frames, .. }
                if is_heard && (*log == NODES[0] || self.roster.contains(log)) =>
            {
                let frames = (*frames).min(FRAMES);
                self.cursors.insert((peer, *log), Cursor { next: *from, frames, reading: false });
            }
            Message::More { log, frames, .. } => {
                if let Some(cursor) = self.cursors.get_mut(&(peer, *log)) {
                    cursor.frames = cursor.frames.saturating_add(*frames).min(FRAMES);
                }
            }
            _ => {}
        }
        self.sync.message(peer, message);
    }

    /// What was to be read is read and sent, some of it or nothing.
    fn serve(&mut self, script: &mut Script<'_>) {
        if self.reading.is_empty() {
            return;
        }
        let Serve { peer, log, from, to, .. } =
            self.reading.remove(script.index(self.reading.len()));
        let next = from.saturating_add(script.number()).min(to);
        let cursor = self.cursors.get_mut(&(peer, log));
        if let Some(cursor) = cursor.filter(|cursor| cursor.reading && cursor.next == from) {
            (cursor.next, cursor.reading) = (next, false);
            cursor.frames -= u32::from(next > from);
        }
        self.sync.served(peer, log, from, next);
    }

    /// What came is dealt with, or does not fit and is asked for again.
    fn take(&mut self, script: &mut Script<'_>) {
        if self.taken.is_empty() {
            return;
        }
        let chunk = self.taken.remove(script.index(self.taken.len()));
        match script.byte() % 4 {
            2 => {
                self.forget(chunk.log);
                self.sync.refuse(chunk.peer, chunk.log);
            }
            3 => {
                self.taken.retain(|other| other.log != chunk.log);
                self.next.insert(chunk.log, chunk.from);
                self.sync.ask_again(chunk.log, chunk.from);
            }
            _ => self.sync.taken(chunk.peer, chunk.log),
        }
    }

    /// What is unchecked of a log is dropped.
    fn forget(&mut self, log: NodeKey) {
        self.taken.retain(|other| other.log != log);
        self.next.insert(log, self.sizes.get(&log).copied().unwrap_or(0));
    }

    /// Does what is wanted, if the model allows it.
    fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.sync.poll() {
            count += 1;
            assert!(count <= OUTPUTS_MAX, "more than {OUTPUTS_MAX} outputs of one input");
            match output {
                Output::Send(peer, message) => self.sent(peer, &message),
                Output::Serve(serve) => self.serving(serve),
                Output::Take(chunk) => self.taking(chunk),
                Output::Drop(log) => self.forget(log),
            }
        }
        assert!(self.sync.peers().eq(&self.sessions), "sessions");
    }

    fn sent(&mut self, peer: NodeKey, message: &Message) {
        let is_open = self.sessions.contains(&peer);
        let frame = message.frame();
        assert!(frame.len() <= FRAME_BYTES_MAX);
        assert_eq!(Message::parse(&frame).as_ref(), Ok(message));
        match message {
            Message::Follow { log, from, frames, .. } => {
                assert!(*log != NODES[0], "follows its own log");
                assert!(*frames <= FRAMES, "{frames} frames");
                assert!(is_open || !self.roster.contains(log), "to nobody");
                self.next.insert(*log, *from);
            }
            Message::More { log, .. } => {
                assert!(is_open || !self.roster.contains(log), "to nobody");
            }
            _ => assert!(is_open, "to nobody"),
        }
    }

    fn serving(&mut self, serve: Serve) {
        let size = self.sizes.get(&serve.log).copied().unwrap_or(0);
        assert!(serve.from < serve.to && serve.to <= size, "beyond what is here: {serve:?}");
        assert!(self.sessions.contains(&serve.peer), "for nobody");
        let cursor = self.cursors.get_mut(&(serve.peer, serve.log)).expect("it follows the log");
        assert!(cursor.frames > 0 && !cursor.reading, "unasked: {serve:?}");
        assert_eq!(cursor.next, serve.from, "not from where it was asked for");
        cursor.reading = true;
        self.reading.push(serve);
    }

    fn taking(&mut self, chunk: Chunk) {
        assert!((1..=LEAVES_MAX).contains(&chunk.count), "{} leaves", chunk.count);
        assert!(self.sessions.contains(&chunk.peer), "from nobody");
        assert_eq!(self.next.get(&chunk.log), Some(&chunk.from), "out of order");
        if chunk.from > self.sizes.get(&chunk.log).copied().unwrap_or(0) {
            assert_eq!(
                self.fed.get(&chunk.log),
                Some(&chunk.peer),
                "two brought what is unchecked"
            );
        }
        self.fed.insert(chunk.log, chunk.peer);
        self.next.insert(chunk.log, chunk.from.saturating_add(chunk.count));
        let held = self.taken.iter().filter(|other| other.log == chunk.log).count();
        assert!(held < usize::try_from(FRAMES).expect("few"), "{held} chunks of one log");
        self.taken.push(chunk);
    }
}

/// Stories with every frame of the vectors, and one in which two logs are followed.
#[must_use]
pub fn conversations() -> Vec<Vec<u8>> {
    let begin = [vec![5, 10, 0b1110], vec![0, 0], vec![0, 1]].concat();
    let said = |frame: Vec<u8>| Some([begin.clone(), vec![2, 0], bytes(&frame)?].concat());
    let mut stories: Vec<Vec<u8>> = seed::messages().into_iter().filter_map(said).collect();
    let follow = |peer: u8, log: u8| vec![3, peer, log, 1, 0, 16, 0];
    let leaves = |peer: u8, log: u8| vec![3, peer, log, 3, 0, 1, 1, 3];
    let mut story = begin;
    for round in 0..4 {
        story.extend([7, 0].into_iter().chain(number(300)));
        story.extend(follow(0, 0));
        story.extend([8, 0, 200, 8, 0, 99]);
        story.extend(leaves(0, 1));
        story.extend([9, 0, round, 11, 1]);
        story.extend([3, 1, 2, 0, 9, 9, 9, 9, 9]);
        story.extend([3, 0, 0, 2, 4, 1, 0, 0, 0]);
    }
    stories.push(story);
    stories
}
