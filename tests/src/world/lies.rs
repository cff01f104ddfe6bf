//! What nodes do that do not do what they should: their frames, and what they sign.
//!
//! A liar is a sound replica behind somebody who drops, mangles or invents what it says. Two logs
//! under one key are two hosts with one key (`Host::all`), each sound by itself.

use talea_ledger::batch::{Batch, Column};
use talea_ledger::replica::Commit;
use talea_protocol::bytes::{List, Octets};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::Leaf;
use talea_protocol::message::{Form, Item, LogSize, Message, Payload};
use talea_protocol::tree::{self, leaf_hash};

use super::host::Host;
use super::links::has;
use super::scenario::Lie;
use super::{World, number};
use crate::chance::Chance;

/// Frames that one who floods sends beyond those that it may.
const FLOOD: u64 = 40;

impl World {
    /// The frames that leave a node instead of one.
    pub(super) fn lie(
        &mut self,
        island: usize,
        from: usize,
        to: usize,
        message: &Message,
        frame: Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let place = number(self.islands[island].number);
        let drawn = [5, place, number(from), number(to), number(frame.len()), self.now];
        let mut chance = self.chance(&drawn);
        let is_leaves = matches!(message, Message::Leaves { .. });
        match self.hosts[from].lie {
            Some(Lie::Withholds(mask)) if is_leaves && has(mask, self.hosts[to].number) => {
                self.faults.count("frames withheld");
                Vec::new()
            }
            Some(Lie::Hoards) if matches!(message, Message::Given { .. }) => {
                self.faults.count("payloads hoarded");
                Vec::new()
            }
            Some(Lie::Garbage(percent)) if chance.percent(percent) => {
                self.faults.count("garbage frames");
                vec![self.garbage(island, from, message, frame, &mut chance)]
            }
            Some(Lie::Floods) if is_leaves => {
                self.faults.count("floods of frames");
                let cooperative = self.islands[island].cooperative;
                let mut frames = vec![frame];
                frames.extend(flood(cooperative, message, &mut chance));
                frames
            }
            _ => vec![frame],
        }
    }

    /// Bytes that are no message, or a message without sense.
    fn garbage(
        &self,
        island: usize,
        from: usize,
        message: &Message,
        mut frame: Vec<u8>,
        chance: &mut Chance,
    ) -> Vec<u8> {
        let cooperative = self.islands[island].cooperative;
        let node = self.hosts[chance.index(self.hosts.len())].node;
        let log = if chance.percent(50) { node } else { self.hosts[from].node };
        let id = || EntryId([3; 32]);
        // Often in the place of what was to be said, so that it is listened to.
        let (log, from) = match message {
            Message::Leaves { log, from, .. } if chance.percent(70) => (*log, *from),
            _ => (log, chance.below(40)),
        };
        let items = match chance.below(3) {
            0 => vec![Item::Known(List::new(vec![id(); 3]).expect("few"))],
            1 => vec![Item::Copy { log: node, from, count: u32::MAX }],
            _ => vec![Item::Bundle(Octets::new(vec![0, 3, 1, 2, 3]).expect("short"))],
        };
        let checkpoint = Octets::new(vec![7; 40]).expect("short");
        let items = List::new(items).expect("one");
        let message = match chance.below(9) {
            0..=1 => {
                let at = chance.index(frame.len());
                frame[at] ^= 1 << chance.below(8);
                return frame;
            }
            2 => {
                frame.truncate(chance.index(frame.len()));
                return frame;
            }
            3..=4 => Message::Leaves { cooperative, log, from, items, checkpoint },
            5 => {
                let frames = u32::MAX;
                Message::Follow { cooperative, log, from: u64::MAX, frames, form: Form::Whole }
            }
            6 => Message::Cosigned { cooperative, note: checkpoint },
            7 => {
                let logs = vec![LogSize { node: log, size: u64::MAX }];
                Message::Open { cooperative, logs: List::new(logs).expect("one") }
            }
            _ => {
                let bytes = Octets::new(vec![1; 20]).expect("short");
                let payload = Payload { entry: id(), salt: [0; 32], bytes };
                Message::Given { cooperative, payload }
            }
        };
        message.frame()
    }

    /// Puts wrong state roots into the frontiers of a commit, and signs for those.
    pub(super) fn falsify(&mut self, host: usize, commit: &mut Commit) {
        if self.hosts[host].lie != Some(Lie::WrongState) {
            return;
        }
        let mut batch = Batch::new();
        for (column, key) in commit.batch.deletes() {
            batch.delete(*column, key.clone());
        }
        for (column, key, value) in commit.batch.puts() {
            let mut value = value.clone();
            if *column == Column::Leaf {
                let index = key.last_chunk().map(|index| u64::from_be_bytes(*index));
                let at = index.and_then(|index| usize::try_from(index - commit.from).ok());
                if let Ok(Leaf::Frontier(mut frontier)) = Leaf::parse(&value) {
                    frontier.state = Hash([6; 32]);
                    value = frontier.leaf();
                    self.faults.count("wrong state roots");
                }
                if let Some(hash) = at.and_then(|at| commit.hashes.get_mut(at)) {
                    *hash = leaf_hash(&value);
                }
            }
            batch.put(*column, key.clone(), value);
        }
        commit.batch = batch;
        let Host { disk, signed, .. } = &mut self.hosts[host];
        let signed = signed.entry(commit.cooperative).or_default();
        if signed.size() != commit.from {
            // It was started from what it had signed for.
            *signed = tree::Frontier::default();
            let size = usize::try_from(commit.from).expect("short");
            disk.leaves(&commit.cooperative).take(size).for_each(|it| signed.append(leaf_hash(it)));
        }
        commit.hashes.iter().for_each(|hash| signed.append(*hash));
        commit.checkpoint.root = signed.root();
    }

    /// Whether a key belongs to a node that does not do what it should.
    pub(super) fn is_liar(&self, node: NodeKey) -> bool {
        self.hosts.iter().any(|host| host.node == node && host.lie.is_some())
    }
}

/// Frames that go on where a frame of leaves ends, and name what nobody has.
fn flood(cooperative: EntryId, message: &Message, chance: &mut Chance) -> Vec<Vec<u8>> {
    let Message::Leaves { log, from, items, .. } = message else { return Vec::new() };
    let count = |item: &Item| match item {
        Item::Bundle(bundle) => {
            talea_protocol::leaf::bundled(bundle).map_or(0, |it| number(it.len()))
        }
        Item::Known(ids) => number(ids.len()),
        Item::Copy { count, .. } => u64::from(*count),
    };
    let next = from + items.iter().map(count).sum::<u64>();
    let frame = |place| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&chance.number().to_le_bytes());
        let ids = List::new(vec![EntryId(id)]).expect("one");
        let items = List::new(vec![Item::Known(ids)]).expect("one");
        let checkpoint = Octets::new(Vec::new()).expect("short");
        Message::Leaves { cooperative, log: *log, from: next + place, items, checkpoint }.frame()
    };
    (0..FLOOD).map(frame).collect()
}
