//! One cooperative as one node keeps it: its log, the logs of others, settlement and state.
//!
//! A machine without I/O. Hand it an [`Input`], then [`Replica::poll`] until `None`, then wake it
//! at [`Replica::deadline`]. Signatures are checked, leaves written and frames sent by whoever
//! drives it, a node or a simulation; each such [`Output`] is answered by an [`Input`]. Nothing is
//! acknowledged before it is durable, and nothing durable is signed for before it was read back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use talea_protocol::act::{Act, Content};
use talea_protocol::entry::{Commitment, Entry, Header, Refusal as Unsound, Signed, SignedHeader};
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey, SecretKey};
use talea_protocol::message::{Message, Payload};
pub use talea_protocol::sync::Moment;
use talea_protocol::sync::{self, Sync};

use crate::freeze::Freezes;
use crate::place::{Places, Refusal};
use crate::register::Register;
use crate::settle::Mirror;
use crate::state::State;

mod own;
mod room;
mod submit;
mod mirrors;
mod serve;
mod fork;
mod stray;
mod shown;
mod split;
mod restore;
mod behind;
mod reform;

pub use behind::Behind;
pub use mirrors::mirror_key;
pub use own::{Commit, OwnLeaf, leaf_key, tile_key};
pub use reform::Turn;
pub use restore::{Disk, Unreadable};
pub use serve::{Part, Parts, leaves};
pub use submit::payload_key;

use behind::Past;
use own::OwnLog;
use reform::Turns;
use room::Room;
use shown::Shows;
use split::Splits;
use stray::{Dead, Strays};

/// An entry dated further ahead than this gets no receipt yet, in ms (model, section 9).
pub const AHEAD_MS_MAX: u64 = 10 * 60 * 1_000;
/// How long a log may stand before a name, while no other log brings entries, until its bytes are
/// asked for, in ms.
pub const STALL_MS: u64 = 400;
/// The same, whatever others bring.
const STALL_MS_MAX: u64 = 10 * STALL_MS;
/// Between two asks for missing payloads, in ms.
pub const ASK_MS: u64 = 1_000;
/// Submissions in one check. Whoever drives the replica may put several checks together; each is
/// short, so that placing one does not keep the cores waiting for the next.
pub const CHECK_ENTRIES_MAX: usize = 1_024;
/// Checks of submissions under way.
const CHECKS_MAX: usize = 6;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Somebody submitted an entry; answered by [`Output::Reply`] with the same ticket.
    Submit {
        /// Chosen by the caller.
        ticket: u64,
        /// Who: a peer, or this node itself for its own wallets. Limits are kept for each.
        source: NodeKey,
        /// The entry, its signature unchecked.
        entry: Box<Entry>,
        /// Its payload, if it came along.
        payload: Option<Box<Payload>>,
    },
    /// The answer to [`Output::Check`], in the same order.
    Checked {
        /// The check's number.
        check: u64,
        /// What [`talea_protocol::entry::check`] said.
        entries: Vec<Result<Signed, (Entry, Unsound)>>,
    },
    /// A session with a peer began.
    Connected(NodeKey),
    /// It is over.
    Lost(NodeKey),
    /// A peer spoke about this cooperative.
    Message(NodeKey, Box<Message>),
    /// A [`Commit`] is durable and its checkpoint promised; the node's signed note.
    Committed {
        /// The commit's number.
        token: u64,
        /// The note.
        note: Vec<u8>,
    },
    /// The answer to [`Output::Recall`]: the leaf's bytes.
    Recalled {
        /// Which leaf.
        leaf: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A frame of leaves was sent up to `next`; `next` = `from` if there was nothing to send.
    Served {
        /// To whom.
        peer: NodeKey,
        /// Whose log.
        log: NodeKey,
        /// As in [`Parts::from`].
        from: u64,
        /// The first leaf not sent.
        next: u64,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this to a peer; dropped if there is no session.
    Send(NodeKey, Message),
    /// Check these signatures, together; then [`Input::Checked`].
    Check {
        /// The check's number.
        check: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// Make this durable, in order; then [`Input::Committed`]. One at a time.
    Commit(Box<Commit>),
    /// Make one frame of these leaves ([`leaves`]) and send it; then [`Input::Served`].
    Serve(Box<Parts>),
    /// Send these payloads to a peer, those that are here.
    Fetch(NodeKey, Vec<EntryId>),
    /// What became of a submission.
    Reply {
        /// The submission's ticket.
        ticket: u64,
        /// What became of it.
        reply: Reply,
    },
    /// An entry is settled.
    Settled {
        /// The entry.
        entry: EntryId,
        /// Its leaf in this node's log.
        leaf: u64,
    },
    /// Read a leaf of this node's own log; then [`Input::Recalled`].
    Recall(u64),
    /// A place that this log had given is taken over by another entry, durably: drop this replica
    /// and restore it from disk.
    Reload,
    /// Something that an operator must know.
    Alarm(Alarm),
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    /// It has this leaf in the node's log, durably.
    Placed(u64),
    /// It had it already.
    Known(u64),
    /// It waits for this entry, for ten minutes at most.
    Waiting(EntryId),
    /// Its place is refused.
    Refused(Refusal),
    /// It is not its device's statement.
    Unsound(Unsound),
    /// Rule 17: the payload is not the one that the entry commits to.
    Payload,
    /// Rule 23: dated so many ms ahead of this node's clock; again when it is not.
    Ahead(u64),
    /// Rule 24: an act that this version does not know is passed on, but not taken from wallets.
    UnknownAct(u32),
    /// Too much waits already.
    Busy,
}

/// Something that should not happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alarm {
    /// A peer sent, as its log or as another's, what is not an entry, or a signature that is not
    /// its device's.
    Unsound(NodeKey),
    /// A peer's signed root is not the root of the leaves that it sent; or it sent, as the note of
    /// its log or of another's, what its owner has not signed.
    Root(NodeKey),
    /// A peer has another state for the same settled cut. It is cosigned no more.
    State(NodeKey),
    /// A device has written twice in one place; the proof is in the log.
    Fork(DeviceKey, u64),
    /// A node has signed two histories of its log; the proof is in the log. It is cosigned no more.
    Split(NodeKey),
}

/// Why a check is under way.
#[derive(Debug)]
enum Checking {
    /// Submissions, in order.
    Submissions(Vec<Submission>),
    /// Entries of the next unanswered frame of this node's log.
    Frame(NodeKey),
}

/// A submission without its entry, and the place that this shall have.
#[derive(Debug)]
struct Submission {
    ticket: u64,
    source: NodeKey,
    payload: Option<Box<Payload>>,
    device: DeviceKey,
    seq: u64,
    id: EntryId,
}

/// A cooperative, as this node keeps it.
pub struct Replica {
    cooperative: EntryId,
    key: Arc<SecretKey>,
    me: NodeKey,
    register: Option<Register>,
    places: Places,
    state: State,
    settled: u64,
    unsettled: BTreeMap<(u32, u32), Signed>,
    own: OwnLog,
    past: Past,
    mirrors: BTreeMap<NodeKey, Mirror>,
    sync: Sync,
    room: Room,
    submissions: Vec<(Submission, Entry)>,
    checking: BTreeMap<u64, Checking>,
    next_check: u64,
    /// Payloads that entries commit to and that are not here.
    wanted: BTreeMap<EntryId, Commitment>,
    ask_at: Option<Moment>,
    asked: usize,
    /// Peers that sent something unsound as the log of another: told of once.
    unsound: BTreeSet<NodeKey>,
    /// When a peer's frontier last equalled this node's.
    equal: BTreeMap<NodeKey, Moment>,
    /// When an entry last had its place from another's log.
    fed: Moment,
    /// The last frontier of each peer: cut root and state root.
    frontiers: BTreeMap<NodeKey, (talea_protocol::hash::Hash, talea_protocol::hash::Hash)>,
    freezes: Freezes,
    strays: Strays,
    shows: Shows,
    splits: Splits,
    dead: Dead,
    /// Register entries that a succession adopts although their author's chain stands still.
    adopted: BTreeSet<EntryId>,
    /// Proofs behind forks that are open, by device and place. A restart forgets them: peers for whom
    /// they are open tell of them again.
    later: BTreeMap<(u32, u32), Fork>,
    /// Contradictions whose other half is to be read, by its leaf, and whether it was asked for.
    recalls: BTreeMap<u64, (SignedHeader, bool)>,
    /// Entries whose payloads this log says are erased.
    erased: BTreeSet<EntryId>,
    /// The leaf that takes a given place over; what follows needs a restart from disk.
    reload: Option<u64>,
    turns: Turns,
    /// Whether entries come from this node's own log, which has judged them before.
    restoring: bool,
    now: Moment,
    outputs: VecDeque<Output>,
}

impl Replica {
    /// A cooperative of which nothing is here yet. It is asked for at `hosts` until its charter,
    /// and with it its roster, has come.
    #[must_use]
    pub fn new(now: Moment, cooperative: EntryId, key: Arc<SecretKey>, hosts: &[NodeKey]) -> Self {
        let me = key.node();
        let mut replica = Self {
            cooperative,
            key,
            me,
            register: None,
            places: Places::default(),
            state: State::new(),
            settled: 0,
            unsettled: BTreeMap::new(),
            own: OwnLog::default(),
            past: Past::default(),
            mirrors: BTreeMap::new(),
            sync: Sync::new(cooperative, me, now),
            room: Room::default(),
            submissions: Vec::new(),
            checking: BTreeMap::new(),
            next_check: 0,
            wanted: BTreeMap::new(),
            ask_at: None,
            asked: 0,
            unsound: BTreeSet::new(),
            equal: BTreeMap::new(),
            fed: now,
            frontiers: BTreeMap::new(),
            freezes: Freezes::default(),
            strays: Strays::default(),
            shows: Shows::default(),
            splits: Splits::default(),
            dead: Dead::default(),
            adopted: BTreeSet::new(),
            later: BTreeMap::new(),
            recalls: BTreeMap::new(),
            erased: BTreeSet::new(),
            reload: None,
            turns: Turns::default(),
            restoring: false,
            now,
            outputs: VecDeque::new(),
        };
        replica.sync.grown(me, 0);
        replica.set_hosts(hosts);
        replica
    }

    /// Adds nodes to be asked for the cooperative while its charter is not here.
    pub fn set_hosts(&mut self, hosts: &[NodeKey]) {
        if self.register.is_none() {
            self.sync.set_roster(hosts);
        }
    }

    /// Something happened at `now`.
    pub fn handle(&mut self, now: Moment, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Submit { ticket, source, entry, payload } => {
                let Header { device, seq, .. } = *entry.header();
                let submission =
                    Submission { ticket, source, payload, device, seq, id: entry.id() };
                self.submitted(submission, *entry);
            }
            Input::Checked { check, entries } => self.checked(check, entries),
            Input::Connected(peer) => {
                self.sync.connected(peer);
                self.tell_forks(peer);
            }
            Input::Lost(peer) => {
                self.sync.lost(peer);
                self.told_no_more(&peer);
            }
            Input::Message(peer, message) => self.message(peer, *message),
            Input::Committed { token, note } => self.committed(token, &note),
            Input::Recalled { leaf, bytes } => self.recalled(leaf, &bytes),
            Input::Served { peer, log, from, next } => self.sync.served(peer, log, from, next),
        }
        self.change_roster();
        self.try_strays();
        self.tell_remembered();
        self.drain_sync();
    }

    /// The time is `now`.
    pub fn wake(&mut self, now: Moment) {
        self.now = self.now.max(now);
        self.sync.wake(self.now);
        self.wait();
        self.ask_for_stalled();
        self.ask_for_payloads();
        self.testify();
        for ticket in self.room.expire(self.now) {
            self.reply(ticket, Reply::Busy);
        }
        self.drain_sync();
    }

    /// When to wake it, at the latest.
    #[must_use]
    pub fn deadline(&self) -> Moment {
        let stalled = self.mirrors.values().filter_map(|mirror| self.overdue_at(mirror));
        let past = self.past.deadline(self.now, self.own.tree.size());
        let others = [self.own.testify_at, self.ask_at, self.room.deadline(), past];
        stalled.chain(others.into_iter().flatten()).fold(self.sync.deadline(), Moment::min)
    }

    /// The next thing to be done. What can be done together is put off until the rest is said.
    pub fn poll(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.check_submissions();
            self.commit();
        }
        self.outputs.pop_front()
    }

    fn message(&mut self, peer: NodeKey, message: Message) {
        match message {
            Message::Open { .. }
            | Message::Follow { .. }
            | Message::More { .. }
            | Message::Leaves { .. } => {
                if self.is_peer(&peer) {
                    self.heard(peer, message);
                }
            }
            Message::Cosigned { note, .. } => self.cosigned(&note),
            Message::Ask { entries, .. } if self.is_peer(&peer) => {
                self.outputs.push_back(Output::Fetch(peer, entries.to_vec()));
            }
            Message::Given { payload, .. } => self.given(payload),
            Message::Forked { fork, .. } if self.is_peer(&peer) => self.told(peer, &fork),
            Message::Ask { .. }
            | Message::Submit { .. }
            | Message::Answer { .. }
            | Message::Forked { .. }
            // Attachments are files, and none of a replica's business.
            | Message::Fetch { .. }
            | Message::Piece { .. } => {}
        }
    }

    /// Whether a peer may follow logs here: the rosters, or anybody before there is one. A node that
    /// a roster has left out is heard until all of its log is here.
    #[must_use]
    pub fn is_peer(&self, peer: &NodeKey) -> bool {
        self.register.as_ref().is_none_or(|register| self.is_of_rosters(register, peer))
    }

    fn drain_sync(&mut self) {
        while let Some(output) = self.sync.poll() {
            match output {
                // Its own log first: the others are asked for again when it goes on.
                sync::Output::Send(_, Message::Follow { .. } | Message::More { .. })
                    if self.past.holds() => {}
                sync::Output::Send(peer, message) => {
                    self.outputs.push_back(Output::Send(peer, message));
                }
                sync::Output::Serve(serve) => {
                    let parts = self.parts(&serve);
                    self.outputs.push_back(Output::Serve(Box::new(parts)));
                }
                sync::Output::Take(chunk) => self.take(chunk),
                sync::Output::Drop(log) => {
                    if let Some(mirror) = self.mirrors.get_mut(&log) {
                        mirror.back_to_checked();
                    }
                }
            }
        }
    }

    /// Settles what receipts allow, in these chains.
    fn settle(&mut self, devices: BTreeSet<u32>) {
        let Some(register) = &self.register else { return };
        let quorums = self.quorums();
        let before = self.settled;
        for device in devices {
            while let Some((seq, place)) = self.places.settle_next(device, &quorums) {
                if let Some(signed) = self.unsettled.remove(&(device, seq)) {
                    self.state.settle(register, device, &signed);
                    if let Content::Known(Act::Heal(heal)) = signed.content() {
                        self.freezes.healed(heal);
                    }
                }
                self.settled += 1;
                self.outputs.push_back(Output::Settled { entry: place.id, leaf: place.leaf });
            }
        }
        if self.settled > before {
            self.own.news(self.now);
            self.strays.moved();
            self.erase();
            self.turn_over();
        }
    }

    fn reply(&mut self, ticket: u64, reply: Reply) {
        self.outputs.push_back(Output::Reply { ticket, reply });
    }
}

/// What may be read.
impl Replica {
    /// The cooperative's id.
    #[must_use]
    pub const fn cooperative(&self) -> EntryId {
        self.cooperative
    }

    /// The register; `None` while the charter is not here.
    #[must_use]
    pub const fn register(&self) -> Option<&Register> {
        self.register.as_ref()
    }

    /// Who has which place.
    #[must_use]
    pub const fn places(&self) -> &Places {
        &self.places
    }

    /// What the settled entries add up to.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The same, to ask for its root, which is computed when asked for.
    pub const fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// How many entries are settled.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.settled
    }

    /// An entry that has a place and is not settled yet.
    #[must_use]
    pub fn unsettled(&self, device: u32, seq: u32) -> Option<&Signed> {
        self.unsettled.get(&(device, seq))
    }

    /// How many of a roster's checked logs hold an entry; of that roster which holds it most.
    #[must_use]
    pub fn receipts(&self, id: &EntryId) -> u32 {
        let held =
            self.places.position(id).and_then(|(device, seq)| self.places.receipts(device, seq));
        held.and_then(|it| it.all().map(|(_, nodes)| nodes.count_ones()).max()).unwrap_or(0)
    }

    /// The other nodes' logs.
    pub fn mirrors(&self) -> impl Iterator<Item = &Mirror> {
        self.mirrors.values()
    }

    /// The peers with a session.
    pub fn peers(&self) -> impl Iterator<Item = &NodeKey> {
        self.sync.peers()
    }

    /// When a peer's frontier last equalled this node's own.
    #[must_use]
    pub fn equal_since(&self, peer: &NodeKey) -> Option<Moment> {
        self.equal.get(peer).copied()
    }

    /// Which chains stand still, and why.
    #[must_use]
    pub const fn freezes(&self) -> &Freezes {
        &self.freezes
    }

    /// Entries whose payloads this log says are erased.
    #[must_use]
    pub const fn erased(&self) -> &BTreeSet<EntryId> {
        &self.erased
    }

    /// How many payloads are missing.
    #[must_use]
    pub fn payloads_missing(&self) -> usize {
        self.wanted.len()
    }
}
