//! A cooperative that is kept here: its replica, and who hears of it.
//!
//! Each is an island: nothing of one is visible in another. All belong to the writer's thread.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use talea_ledger::register::Office;
use talea_ledger::replica::{Behind, Replica};
use talea_protocol::attachment;
use talea_protocol::bytes::List;
use talea_protocol::charter::Visibility;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use tokio::sync::{broadcast, watch};

/// Events that a slow reader may be behind before it has to ask the store.
const EVENTS_BEHIND_MAX: usize = 1_024;
/// Nodes at which a cooperative's charter is asked for.
pub const HOSTS_MAX: usize = 16;

/// Whose holders are given what is for officers.
const OFFICES: [Office; 4] =
    [Office::Registrar, Office::Treasurer, Office::Distributor, Office::Controller];

/// What is kept on disk about the hosting itself: where to ask while there is no charter.
pub type Record = List<NodeKey, HOSTS_MAX>;

/// The record of a hosting.
#[must_use]
pub fn record(hosts: &[NodeKey]) -> Record {
    Record::new(hosts.iter().copied().take(HOSTS_MAX).collect()).unwrap_or_default()
}

/// What the operator can do about a node that lacks what it has signed.
#[must_use]
pub const fn hint(behind: &Behind) -> &'static str {
    match behind {
        Behind::Contradicted { .. } => {
            "another disk has been used with this node's key: put that one back, or stop the node, \
             and have all fetched anew with talead recover --anew"
        }
        Behind::Leaves { .. } | Behind::Claimed { .. } => {
            "it fetches the rest from the roster's other nodes: see that they are reached, or name \
             one with talead recover"
        }
        Behind::Charter => {
            "it asks the peers that it was told of for the charter: see that they keep this \
             cooperative and are reached, or name others with talead recover --from"
        }
        Behind::Alone => {
            "put the newest store or promise back; talead rebuild --vouch goes on without, at \
             your word that this node signed nothing after this store was kept"
        }
        Behind::Answers { .. } => {
            "it waits for the roster's other nodes: see that they are reached, or name one with \
             talead recover"
        }
    }
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It has a place here, durably.
    Placed(Occurrence),
    /// It is settled.
    Settled(Occurrence),
}

/// Which entry it happened to, and from where a reader can go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Occurrence {
    /// The entry.
    pub entry: EntryId,
    /// Its leaf in this node's log.
    pub index: u64,
    /// Every leaf below this one is placed, settled, and told of.
    pub resume: u64,
}

/// A cooperative and its audience.
pub struct Hosted {
    /// The cooperative as this node keeps it.
    pub replica: Replica,
    /// Nodes that the operator named.
    pub hosts: Vec<NodeKey>,
    /// Peers that the replica was told of.
    pub connected: BTreeSet<NodeKey>,
    /// How many rosters' nodes are known as such, so that they are let in.
    pub met: usize,
    /// Why nothing is appended, as the operator was told last.
    pub behind: Option<Behind>,
    /// Whether the disk says that it came from a backup and may lack what was signed since.
    pub is_doubted: bool,
    events: broadcast::Sender<Event>,
    /// Own accept leaves that are told of as placed and not as settled.
    open: BTreeSet<u64>,
    /// Leaves below are told of as placed.
    told: u64,
    /// Durable commits of this replica.
    commits: watch::Sender<u64>,
}

/// All cooperatives that are kept here.
pub type Hosts = BTreeMap<EntryId, Hosted>;

impl Hosted {
    /// A cooperative as it was restored, or a new one.
    #[must_use]
    pub fn new(replica: Replica, hosts: Vec<NodeKey>) -> Self {
        let (events, _) = broadcast::channel(EVENTS_BEHIND_MAX);
        let (connected, open) = (BTreeSet::new(), BTreeSet::new());
        let mut hosted = Self {
            replica,
            hosts,
            connected,
            met: 0,
            behind: None,
            is_doubted: false,
            events,
            open,
            told: 0,
            commits: watch::Sender::default(),
        };
        let _ = hosted.tell_placed();
        hosted
    }

    /// The same cooperative as its disk has it now: whoever listens goes on listening.
    #[must_use]
    pub fn reloaded(self, replica: Replica) -> Self {
        let connected = BTreeSet::new();
        let (open, commits) = (BTreeSet::new(), watch::Sender::default());
        let mut hosted = Self { replica, connected, open, commits, ..self };
        if hosted.is_doubted {
            hosted.replica.doubt();
        }
        let _ = hosted.tell_placed();
        hosted
    }

    /// Whether a peer may hear that the cooperative is kept here: the roster, and before there
    /// is one, those whom the operator named.
    #[must_use]
    pub fn concerns(&self, peer: &NodeKey) -> bool {
        match self.replica.register() {
            Some(_) => self.replica.is_peer(peer),
            None => self.hosts.contains(peer),
        }
    }

    /// Whether whoever proved this device, or nobody, may read.
    #[must_use]
    pub fn may_read(&self, device: Option<&DeviceKey>) -> bool {
        let Some(register) = self.replica.register() else { return false };
        if register.charter().visibility == Visibility::Public {
            return true;
        }
        let (head, _) = register.head();
        device.is_some_and(|device| register.device(device, head).is_some())
    }

    /// Whether whoever proved this device, or nobody, is given an attachment of an entry, among
    /// those who may read.
    #[must_use]
    pub fn may_see(
        &self,
        device: Option<&DeviceKey>,
        entry: &EntryId,
        visibility: attachment::Visibility,
    ) -> bool {
        let Some(register) = self.replica.register() else { return false };
        let (head, _) = register.head();
        let reader = device.and_then(|device| register.owner(device, head));
        match (visibility, reader) {
            (attachment::Visibility::Public, _) => true,
            (attachment::Visibility::Members, reader) => reader.is_some(),
            (attachment::Visibility::Officers, None) => false,
            (attachment::Visibility::Officers, Some(reader)) => {
                let place = self.replica.places().position(entry);
                let author = place.and_then(|(device, _)| register.record(device));
                author.is_some_and(|it| it.member == reader)
                    || OFFICES.iter().any(|it| register.holder(*it, head) == reader)
            }
        }
    }

    /// Events from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Tells of the leaves that became durable; returns how many entries they accept.
    pub fn tell_placed(&mut self) -> u64 {
        let mut count = 0;
        let commits = self.replica.commits();
        self.commits.send_if_modified(|told| std::mem::replace(told, commits) != commits);
        for index in self.told..self.replica.published() {
            self.told = index + 1;
            let leaf = self.replica.own_leaf(index);
            let Some((device, seq)) = leaf.and_then(|leaf| leaf.place()) else { continue };
            let Some(place) = self.replica.places().at(device, seq) else { continue };
            let entry = place.id;
            count += 1;
            let is_settled = seq < self.replica.places().settled(device);
            if !is_settled {
                self.open.insert(index);
            }
            let resume = self.resume();
            let placed = Occurrence { entry, index, resume: resume.min(index) };
            self.tell(Event::Placed(placed));
            if is_settled {
                self.tell(Event::Settled(Occurrence { resume, ..placed }));
            }
        }
        count
    }

    /// Waits until all that is known now is durable; `false` if the replica starts again before.
    pub fn kept(&self) -> impl Future<Output = bool> + Send + use<> {
        let (due, mut commits) = (self.replica.commits_due(), self.commits.subscribe());
        async move { commits.wait_for(|durable| *durable >= due).await.is_ok() }
    }

    /// Tells that an entry is settled. The receipts of others can settle what is not durable here
    /// yet: that is told when it is.
    pub fn tell_settled(&mut self, entry: EntryId, index: u64) {
        self.open.remove(&index);
        if index < self.told {
            self.tell(Event::Settled(Occurrence { entry, index, resume: self.resume() }));
        }
    }

    /// The first leaf that is not told of as placed.
    #[must_use]
    pub const fn told(&self) -> u64 {
        self.told
    }

    /// From which leaf a reader who has heard everything until now would go on.
    #[must_use]
    pub fn resume(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.told)
    }

    /// What is to be told of the leaves from `from` on, as it is now: at most `limit` leaves.
    /// Also the first leaf not looked at.
    #[must_use]
    pub fn past(&self, from: u64, limit: u64) -> (Vec<Event>, u64) {
        let to = self.told.min(from.saturating_add(limit));
        let mut events = Vec::new();
        for index in from..to {
            let leaf = self.replica.own_leaf(index);
            let Some((device, seq)) = leaf.and_then(|leaf| leaf.place()) else { continue };
            let Some(place) = self.replica.places().at(device, seq) else { continue };
            let resume = self.open.first().copied().unwrap_or(u64::MAX).min(index + 1);
            let placed = Occurrence { entry: place.id, index, resume: resume.min(index) };
            events.push(Event::Placed(placed));
            if !self.open.contains(&index) {
                events.push(Event::Settled(Occurrence { resume, ..placed }));
            }
        }
        (events, to.max(from))
    }

    fn tell(&self, event: Event) {
        // Without listeners nobody needs to hear it.
        let _ = self.events.send(event);
    }
}
