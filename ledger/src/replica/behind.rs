//! What a node has signed before, and what of it is not here: until all is, it appends nothing.
//!
//! A store that is lost, cut short or restored from an old backup must not make a node sign a
//! second history. So at a start it asks the roster what they hold of its own log, and fetches
//! what it lacks: first only the hashes, up to a checkpoint that bears its own signature, then
//! the leaves that have them. Meanwhile it serves, and gives no place, no checkpoint and no
//! cosignature. Nothing here knows a disk or a backup. Model, section 5; reliability, section 3.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use talea_protocol::checkpoint::{Checkpoint, open, origin};
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::bundled;
use talea_protocol::message::{Form, Item, LogSize, Message};
use talea_protocol::sync::{FRAMES, Moment};
use talea_protocol::tree::{Frontier, TreeHash, leaf_hash};

use super::{Output, Replica, Reply};

/// How long submissions wait for the answers of the roster, in ms: a start among nodes that
/// answer takes less. After that they are sent away, to be submitted elsewhere.
pub const PATIENCE_MS: u64 = 5_000;
/// Without a leaf for so long, they are asked for again, in ms.
pub const AGAIN_MS: u64 = 2_000;
/// How long a node that says it holds more of this log may take to show some of it, in ms. After
/// that it is asked still, and not waited for: a claim alone must not stop a node.
pub const PROOF_MS: u64 = 30_000;

/// Why a node appends nothing to its log for now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Behind {
    /// Nobody has leaves that lead from the log here to what this node has signed.
    #[error(
        "this node has signed a log of {signed} leaves that does not begin with the {leaves} here"
    )]
    Contradicted {
        /// Leaves here.
        leaves: u64,
        /// Leaves under its largest known signature.
        signed: u64,
    },
    /// It has signed more than it holds.
    #[error("{leaves} leaves are here of a log of which this node has signed {signed}")]
    Leaves {
        /// Leaves here.
        leaves: u64,
        /// Leaves under its largest known signature.
        signed: u64,
    },
    /// Another node says that it holds more of this log.
    #[error("{leaves} leaves are here, and node {node} says it holds {held} of this log")]
    Claimed {
        /// Leaves here.
        leaves: u64,
        /// Who says so.
        node: NodeKey,
        /// Leaves there.
        held: u64,
    },
    /// What it has signed is not known, nor the charter, which says whom to ask.
    #[error("what this node has signed is not known, and the charter is not here yet")]
    Charter,
    /// What it has signed is not known, and there is nobody who could tell.
    #[error("what this node has signed is not known, and no other node keeps its log")]
    Alone,
    /// Too few have said what they hold of this log.
    #[error("{heard} of {needed} nodes have said what they hold of this node's log")]
    Answers {
        /// Nodes that hold no more than is here.
        heard: usize,
        /// How many must.
        needed: usize,
    },
}

/// How many others must say that they hold no more of this log.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Need {
    /// None: it was running, and somebody claims to hold more.
    Nobody,
    /// One less than settle: the promise file says what was signed, unless it is as old as the
    /// store. Waiting for so many keeps nothing from being settled.
    Settlers,
    /// Enough that one honest node among them is also among any that settled an entry with this
    /// one: n - q + f + 1. The promise is lost, or as old as the store.
    Witnesses,
}

/// What is known of this node's past.
#[derive(Default)]
pub(super) struct Past {
    held: Option<Held>,
    /// Doubted before there is a charter: held once there is one, which says whom to ask.
    is_doubted: bool,
    /// Nodes that claimed to hold more and did not show it.
    spent: BTreeSet<NodeKey>,
}

/// The state of a node that appends nothing.
struct Held {
    since: Moment,
    need: Need,
    /// Own signatures that are known: sizes and roots.
    signed: BTreeMap<u64, TreeHash>,
    /// Leaves of this log that others say they hold.
    answers: BTreeMap<NodeKey, Answer>,
    fetch: Option<Fetch>,
    /// Hashes of the leaves from the end of this log on, under an own signature.
    proven: VecDeque<TreeHash>,
    /// Nodes whose leaves did not lead to an own signature.
    failed: BTreeSet<NodeKey>,
}

#[derive(Clone, Copy)]
struct Answer {
    size: u64,
    /// Until when it is waited for, if it is more than is here.
    until: Moment,
}

/// Leaves on their way from one node.
struct Fetch {
    from: NodeKey,
    next: u64,
    again: Moment,
    /// This log and what came after it, while nothing of that is proven.
    frontier: Frontier,
    hashes: VecDeque<TreeHash>,
}

impl Past {
    /// Whether nothing may be appended or signed for.
    pub(super) const fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// The largest known own signature, while leaves under it are being fetched: what is on disk
    /// may be signed for with it, since it was before.
    pub(super) fn signed(&self) -> Option<(u64, TreeHash)> {
        let held = self.held.as_ref()?;
        held.signed.last_key_value().map(|(size, root)| (*size, *root))
    }

    /// Whether a log of this size is under the largest known own signature.
    pub(super) fn covers(&self, size: u64) -> bool {
        self.signed().is_some_and(|(signed, _)| size <= signed)
    }

    /// Whether submissions wait for the end of it.
    pub(super) fn is_patient(&self, now: Moment) -> bool {
        self.held.as_ref().is_some_and(|held| now < held.since.after(PATIENCE_MS))
    }

    /// When something is to be done, at the latest.
    pub(super) fn deadline(&self, now: Moment, leaves: u64) -> Option<Moment> {
        let held = self.held.as_ref()?;
        let patience = held.since.after(PATIENCE_MS);
        let awaited = |(node, answer): (&NodeKey, &Answer)| {
            (answer.size > leaves && !self.spent.contains(node)).then_some(answer.until)
        };
        let fetch = held.fetch.as_ref().map(|fetch| fetch.again);
        let times = held.answers.iter().filter_map(awaited).chain(fetch);
        times.chain((now < patience).then_some(patience)).min()
    }
}

impl Replica {
    /// Why nothing is appended to this node's log; `None` if it goes on.
    #[must_use]
    pub fn behind(&self) -> Option<Behind> {
        let Some(held) = &self.past.held else {
            return self.past.is_doubted.then_some(Behind::Charter);
        };
        let leaves = self.own.tree.size();
        let ahead = held.answers.iter().filter(|(_, answer)| answer.size > leaves);
        let claim = ahead.clone().find(|(node, _)| !self.past.spent.contains(node));
        if let Some((&signed, _)) = held.signed.last_key_value().filter(|(size, _)| **size > leaves)
        {
            let is_there = |node: &NodeKey| self.sync.is_connected(node);
            let mut there = ahead.map(|(node, _)| node).filter(|node| is_there(node)).peekable();
            let tried = there.peek().is_some() && there.all(|node| held.failed.contains(node));
            return Some(if tried {
                Behind::Contradicted { leaves, signed }
            } else {
                Behind::Leaves { leaves, signed }
            });
        }
        if let Some((node, answer)) = claim {
            return Some(Behind::Claimed { leaves, node: *node, held: answer.size });
        }
        let heard = held.answers.values().filter(|answer| answer.size <= leaves).count();
        let (needed, others) = self.needed(held.need);
        Some(if others < needed { Behind::Alone } else { Behind::Answers { heard, needed } })
    }

    /// What the promise file says of a cooperative of which nothing else is here: size and root
    /// of the log that this node has signed.
    pub fn remember(&mut self, promised: (u64, TreeHash)) {
        self.hold(Need::Settlers, Some(promised));
        self.go_on();
    }

    /// What is here may be older than what this node has signed, and so may the promise: it was
    /// restored from a backup, or nothing is left but the key.
    pub fn doubt(&mut self) {
        if self.register.is_none() {
            self.past.is_doubted = true;
            return;
        }
        self.hold(Need::Witnesses, None);
        self.go_on();
    }

    /// The charter is here: whom to ask is known now.
    pub(super) fn doubt_by_charter(&mut self) {
        if std::mem::take(&mut self.past.is_doubted) {
            self.hold(Need::Witnesses, None);
        }
    }

    /// Appends nothing from now on, until [`Self::go_on`] finds that all that was signed is here.
    pub(super) fn hold(&mut self, need: Need, signed: Option<(u64, TreeHash)>) {
        let since = self.now;
        let held = self.past.held.get_or_insert_with(|| Held {
            since,
            need,
            signed: BTreeMap::new(),
            answers: BTreeMap::new(),
            fetch: None,
            proven: VecDeque::new(),
            failed: BTreeSet::new(),
        });
        held.need = held.need.max(need);
        held.signed.extend(signed);
        for mirror in self.mirrors.values_mut() {
            mirror.waiting.clear();
            mirror.stalled = None;
        }
    }

    /// How many others must answer, and how many there are.
    fn needed(&self, need: Need) -> (usize, usize) {
        let Some(roster) = self.roster() else { return (0, 0) };
        let others = roster.nodes.iter().filter(|node| **node != self.me).count();
        let (n, quorum) = (roster.nodes.len(), usize::from(roster.quorum));
        let needed = match need {
            Need::Nobody => 0,
            Need::Settlers => quorum.saturating_sub(1),
            Need::Witnesses => n.saturating_sub(quorum) + usize::from(roster.faulty) + 1,
        };
        (needed, others)
    }

    /// A peer spoke about logs. While this node's own log is not whole, no other grows.
    pub(super) fn heard(&mut self, peer: NodeKey, message: Message) {
        match &message {
            Message::Open { logs, .. } => self.told_sizes(peer, logs),
            Message::Leaves { log, from, items, checkpoint, .. } if self.past.holds() => {
                if *log == self.me {
                    self.told_leaves(peer, *from, items, checkpoint);
                }
                return;
            }
            _ => {}
        }
        self.sync.message(peer, message);
    }

    /// A peer says which logs it holds, and with that how much of this node's own.
    fn told_sizes(&mut self, peer: NodeKey, logs: &[LogSize]) {
        let mine = logs.iter().find(|log| log.node == self.me);
        self.told_size(peer, mine.map_or(0, |log| log.size));
    }

    /// A peer names leaves of this node's own log that are not here: they may be lost, and it has
    /// not been heard before. Returns whether it may still show them.
    pub(super) fn told_of_more(&mut self, peer: NodeKey, size: u64) -> bool {
        let may = !self.past.spent.contains(&peer);
        if may {
            self.told_size(peer, size);
        }
        may
    }

    fn told_size(&mut self, peer: NodeKey, size: u64) {
        let is_more = size > self.own.published;
        if !self.past.holds() && is_more && !self.past.spent.contains(&peer) {
            self.hold(Need::Nobody, None);
        }
        let until = self.now.after(PROOF_MS);
        let Some(held) = &mut self.past.held else { return };
        let answer = held.answers.entry(peer).or_insert(Answer { size, until });
        if answer.size <= self.own.tree.size() {
            answer.until = until;
        }
        answer.size = size;
        self.fetch();
        self.go_on();
    }

    /// The session with a peer is over: what it has said stands.
    pub(super) fn told_no_more(&mut self, peer: &NodeKey) {
        let Some(held) = &mut self.past.held else { return };
        held.failed.remove(peer);
        held.fetch.take_if(|fetch| fetch.from == *peer);
        self.fetch();
    }

    /// Asks a node that holds more of this log for what is missing here.
    fn fetch(&mut self) {
        let leaves = self.own.tree.size();
        let Some(held) = self.past.held.as_mut().filter(|held| held.fetch.is_none()) else {
            return;
        };
        let may = |(node, answer): &(&NodeKey, &Answer)| {
            answer.size > leaves && self.sync.is_connected(node) && !held.failed.contains(node)
        };
        let order =
            |(node, answer): &(&NodeKey, &Answer)| (!self.past.spent.contains(node), answer.size);
        let Some((&from, _)) = held.answers.iter().filter(may).max_by_key(order) else { return };
        let frontier = self.own.tree.frontier().clone();
        let (next, again, hashes) = (leaves, self.now, VecDeque::new());
        held.fetch = Some(Fetch { from, next, again, frontier, hashes });
        self.ask();
    }

    /// Asks for the next leaf, again if need be.
    fn ask(&mut self) {
        let (log, cooperative, form) = (self.me, self.cooperative, Form::Whole);
        let again = self.now.after(AGAIN_MS);
        let Some(fetch) = self.past.held.as_mut().and_then(|held| held.fetch.as_mut()) else {
            return;
        };
        fetch.again = again;
        let (from, frames) = (fetch.next, FRAMES);
        let follow = Message::Follow { cooperative, log, from, frames, form };
        self.outputs.push_back(Output::Send(fetch.from, follow));
    }

    /// Leaves of this node's own log came from a peer.
    fn told_leaves(&mut self, peer: NodeKey, from: u64, items: &[Item], note: &[u8]) {
        let (again, until) = (self.now.after(AGAIN_MS), self.now.after(PROOF_MS));
        let Some(held) = &mut self.past.held else { return };
        let Some(fetch) = &mut held.fetch else { return };
        if fetch.from != peer || fetch.next != from {
            return;
        }
        let Some(leaves) = whole(items) else { return self.fail(peer) };
        fetch.again = again;
        fetch.next += u64::try_from(leaves.len()).unwrap_or(u64::MAX);
        held.answers.entry(peer).and_modify(|answer| answer.until = until);
        let is_good =
            if held.proven.is_empty() { self.weigh(&leaves, note) } else { self.append(leaves) };
        if !is_good {
            return self.fail(peer);
        }
        let (cooperative, log) = (self.cooperative, self.me);
        self.outputs.push_back(Output::Send(peer, Message::More { cooperative, log, frames: 1 }));
        let leaves = self.own.tree.size();
        if let Some(held) = &mut self.past.held
            && held.answers.get(&peer).is_none_or(|answer| answer.size <= leaves)
        {
            held.fetch = None;
            self.fetch();
        }
        self.go_on();
    }

    /// Adds the hashes of leaves to those that came; they count once an own signature covers them.
    /// Returns whether they may be this log's.
    fn weigh(&mut self, leaves: &[&[u8]], note: &[u8]) -> bool {
        let Some(held) = &mut self.past.held else { return true };
        let Some(fetch) = &mut held.fetch else { return true };
        for hash in leaves.iter().map(|leaf| leaf_hash(leaf)) {
            fetch.frontier.append(hash);
            fetch.hashes.push_back(hash);
            let signed = held.signed.get(&fetch.frontier.size());
            if signed.is_some_and(|root| *root != fetch.frontier.root()) {
                return false;
            }
        }
        if note.is_empty() {
            return true;
        }
        let Ok(opened) = open(note, &self.cooperative, &self.me, &[]) else { return false };
        let Checkpoint { size, root, .. } = *opened.checkpoint();
        if size > self.own.tree.size()
            && held.signed.last_key_value().is_none_or(|(known, _)| *known < size)
        {
            held.signed.insert(size, root);
        }
        if size != fetch.frontier.size() {
            return true;
        }
        let is_mine = root == fetch.frontier.root();
        if is_mine {
            held.proven = std::mem::take(&mut fetch.hashes);
            fetch.next = self.own.tree.size();
            self.ask();
        }
        is_mine
    }

    /// Appends leaves that are proven to be this log's. Returns whether they were.
    fn append(&mut self, leaves: Vec<&[u8]>) -> bool {
        for leaf in leaves {
            let Some(held) = &mut self.past.held else { return true };
            // Beyond the proof: they are proven next.
            let Some(hash) = held.proven.front() else { return true };
            if *hash != leaf_hash(leaf) {
                return false;
            }
            if self.take_back(leaf.to_vec()).is_err() {
                return false;
            }
            if let Some(held) = &mut self.past.held {
                held.proven.pop_front();
            }
        }
        true
    }

    /// What a node sent is not this log, or nothing that can be used.
    fn fail(&mut self, peer: NodeKey) {
        let Some(held) = &mut self.past.held else { return };
        held.failed.insert(peer);
        held.fetch = None;
        self.past.spent.insert(peer);
        self.fetch();
        self.go_on();
    }

    /// The time has gone on.
    pub(super) fn wait(&mut self) {
        let (now, leaves) = (self.now, self.own.tree.size());
        let Some(held) = &self.past.held else { return };
        let late = |(node, answer): (&NodeKey, &Answer)| {
            (answer.size > leaves && now >= answer.until).then_some(*node)
        };
        let late: Vec<NodeKey> = held.answers.iter().filter_map(late).collect();
        let again = held.fetch.as_ref().is_some_and(|fetch| now >= fetch.again);
        for node in late {
            self.past.spent.insert(node);
            if let Some(held) = &mut self.past.held {
                held.fetch.take_if(|fetch| fetch.from == node);
            }
        }
        self.fetch();
        if again {
            self.ask();
        }
        if !self.past.is_patient(now) {
            for (submission, _) in std::mem::take(&mut self.submissions) {
                self.reply(submission.ticket, Reply::Busy);
            }
        }
        self.go_on();
    }

    /// Goes on as a node that has all that it ever signed, if it has.
    pub(super) fn go_on(&mut self) {
        let Some(held) = &self.past.held else { return };
        let published = self.own.published;
        let kept = held.signed.last_key_value().is_none_or(|(size, _)| *size <= published);
        let answered = match self.behind() {
            None => true,
            Some(Behind::Answers { heard, needed }) => heard >= needed,
            Some(_) => false,
        };
        if !kept || !answered || self.own.is_committing() {
            return;
        }
        self.past.held = None;
        self.own.news(self.now);
        for node in self.turns.nodes.clone() {
            let size = self.mirrors.get(&node).map_or(0, |mirror| mirror.frontier.size());
            self.sync.ask_again(node, size);
        }
    }

    /// The checkpoint that a commit is signed with: the log's own, or, while it is being fetched,
    /// the largest that this node is known to have signed.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let log = || (self.own.tree.size(), self.own.tree.root());
        let (size, root) = self.past.signed().unwrap_or_else(log);
        Checkpoint { origin: origin(&self.cooperative, &self.me), size, root }
    }
}

/// The leaves of a frame, if all came with their bytes.
fn whole(items: &[Item]) -> Option<Vec<&[u8]>> {
    let mut leaves = Vec::new();
    for item in items {
        match item {
            Item::Bundle(bundle) => leaves.extend(bundled(bundle).ok()?),
            Item::Known(_) | Item::Copy { .. } => return None,
        }
    }
    Some(leaves)
}
