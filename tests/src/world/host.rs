//! A node of the world: a key, a disk, a clock, and a replica of each cooperative.

use std::collections::BTreeMap;
use std::sync::Arc;

use talea_ledger::replica::{Alarm, Commit, Input, Moment, Output, Parts, Replica, leaves};
use talea_protocol::bytes::Octets;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::message::{Message, Payload};
use talea_protocol::tree;

use super::canary::Canary;
use super::invariants::Invariant;
use super::scenario::{Lie, Scenario};
use super::{Event, OUTPUTS_MAX, World, number};
use crate::disk::Disk;
use crate::people::{START_MS, node_key};

/// A node. Two of them have one key if that key's node keeps two histories.
pub(super) struct Host {
    /// The node's number in the scenario.
    pub(super) number: usize,
    /// Whether it is the second with this number.
    pub(super) is_twin: bool,
    /// Its key.
    pub(super) key: Arc<SecretKey>,
    /// The public half.
    pub(super) node: NodeKey,
    /// What is wrong with it.
    pub(super) lie: Option<Lie>,
    /// Its disk.
    pub(super) disk: Disk,
    /// Longest sync, in ms.
    pub(super) slowest: u64,
    /// Whether it runs.
    pub(super) is_up: bool,
    /// How far its wall clock is off, in ms.
    pub(super) wall: i64,
    /// When it was started, and what its clock said then; it goes on steadily from there.
    started: (u64, u64),
    /// Of logs with false leaves: the trees that were signed.
    pub(super) signed: BTreeMap<EntryId, tree::Frontier>,
    /// A leaf to be added before it is started, as a later version would have.
    pub(super) later: Option<u64>,
    /// The disk as it was on an older day.
    pub(super) backup: Option<Disk>,
    /// Whether the disk was put back, so that at a start more may be missing than was torn.
    pub(super) is_older: bool,
}

impl Host {
    /// The hosts of a scenario, those of the roster first.
    pub(super) fn all(scenario: &Scenario) -> Vec<Self> {
        let twins = scenario
            .liars
            .iter()
            .filter(|(_, lie)| lie.is_equivocation())
            .map(|(node, _)| (*node, true));
        let nodes = (0..scenario.nodes).map(|node| (node, false));
        let host = |(node, is_twin): (usize, bool)| {
            let key = Arc::new(node_key(number(node)));
            Self {
                number: node,
                is_twin,
                node: key.node(),
                key,
                lie: scenario.lie(node),
                disk: Disk::default(),
                slowest: scenario.disks.get(node).copied().unwrap_or(10),
                is_up: true,
                wall: 0,
                started: (START_MS, START_MS),
                signed: BTreeMap::new(),
                later: None,
                backup: None,
                is_older: false,
            }
        };
        nodes.chain(twins).map(host).collect()
    }

    /// What its clock says.
    pub(super) const fn moment(&self, now: u64) -> Moment {
        Moment(self.started.1 + (now - self.started.0))
    }

    /// Whether its clock is wrong.
    pub(super) const fn is_off(&self, now: u64) -> bool {
        self.moment(now).0 != now
    }
}

impl World {
    /// Something happens to a replica.
    pub(super) fn give(&mut self, island: usize, host: usize, input: Input) {
        self.handle(island, host, input);
        self.drain(island, host);
    }

    /// The same, while its outputs are being carried out.
    pub(super) fn handle(&mut self, island: usize, host: usize, input: Input) {
        let moment = self.hosts[host].moment(self.now);
        let held = &mut self.islands[island];
        if let Some(replica) = &mut held.replicas[host] {
            held.behind[host] = replica.behind().is_some();
            replica.handle(moment, input);
        }
    }

    pub(super) fn drain(&mut self, island: usize, host: usize) {
        let mut count = 0;
        while let Some(output) =
            self.islands[island].replicas[host].as_mut().and_then(Replica::poll)
        {
            self.perform(island, host, output);
            count += 1;
            if count > OUTPUTS_MAX {
                let what = format!("host {host} wants more than {OUTPUTS_MAX} things done at once");
                return self.violate(Invariant::EventsAreBounded, what);
            }
        }
        let Some(replica) = &self.islands[island].replicas[host] else { return };
        let moment = self.hosts[host].moment(self.now);
        let after = replica.deadline().0.saturating_sub(moment.0).max(1);
        let due = self.now.saturating_add(after);
        if self.islands[island].wakes[host].is_none_or(|at| due < at) {
            self.islands[island].wakes[host] = Some(due);
            let life = self.islands[island].lives[host];
            self.at(after, Event::Wake { island, host, life });
        }
    }

    pub(super) fn wake(&mut self, island: usize, host: usize, life: u64) {
        let due = self.islands[island].wakes[host] == Some(self.now);
        if self.islands[island].lives[host] != life || !due {
            return;
        }
        self.islands[island].wakes[host] = None;
        let moment = self.hosts[host].moment(self.now);
        let held = &mut self.islands[island];
        if let Some(replica) = &mut held.replicas[host] {
            held.behind[host] = replica.behind().is_some();
            replica.wake(moment);
        }
        self.drain(island, host);
    }

    fn perform(&mut self, island: usize, host: usize, output: Output) {
        match output {
            Output::Send(peer, message) => self.send(island, host, peer, &message),
            Output::Check { check, entries } => {
                let entries = self.check(host, entries);
                self.handle(island, host, Input::Checked { check, entries });
            }
            Output::Commit(commit) => self.commit(island, host, commit),
            Output::Serve(parts) => self.serve(island, host, &parts),
            Output::Fetch(peer, entries) => self.fetch(island, host, peer, &entries),
            Output::Reply { ticket, reply } => self.replied(island, ticket, reply),
            Output::Settled { entry, .. } => self.on_settled(island, host, entry),
            Output::Recall(leaf) => {
                let cooperative = self.islands[island].cooperative;
                let bytes = self.hosts[host].disk.leaf(&cooperative, leaf).expect("durable");
                self.handle(island, host, Input::Recalled { leaf, bytes });
            }
            Output::Reload => self.reload(island, host),
            Output::Alarm(alarm) => self.on_alarm(island, host, &alarm),
        }
    }

    /// A commit is written, and some time later it is durable.
    fn commit(&mut self, island: usize, host: usize, mut commit: Box<Commit>) {
        self.falsify(host, &mut commit);
        self.hosts[host].disk.append(&commit);
        let life = self.islands[island].lives[host];
        if self.canary == Some(Canary::AcknowledgeBeforeSync) {
            self.hosts[host].disk.promise(&commit);
            self.acknowledge(island, host, &commit);
        }
        let after = self.sync_time(island, host);
        self.at(after, Event::Written { island, host, life, commit });
    }

    fn sync_time(&mut self, island: usize, host: usize) -> u64 {
        let held = &mut self.islands[island];
        held.writes[host] += 1;
        let drawn = [1, number(held.number), number(host), held.writes[host]];
        self.chance(&drawn).between(0, self.hosts[host].slowest)
    }

    /// The rows of a commit are durable; now its promise is written.
    pub(super) fn written(&mut self, island: usize, host: usize, commit: Box<Commit>) {
        let cooperative = self.islands[island].cooperative;
        let disk = &mut self.hosts[host].disk;
        disk.sync(&cooperative);
        if self.canary == Some(Canary::AcknowledgeBeforeSync) {
            return;
        }
        disk.read_back(&commit);
        disk.promise(&commit);
        let after = self.sync_time(island, host);
        let life = self.islands[island].lives[host];
        self.at(after, Event::Promised { island, host, life, commit });
    }

    /// The promise is durable: now, and not before, the checkpoint is signed.
    pub(super) fn promised(&mut self, island: usize, host: usize, commit: &Commit) {
        let cooperative = self.islands[island].cooperative;
        self.hosts[host].disk.sync(&cooperative);
        self.acknowledge(island, host, commit);
        self.drain(island, host);
    }

    fn acknowledge(&mut self, island: usize, host: usize, commit: &Commit) {
        self.on_signing(island, host, &commit.checkpoint);
        let note = commit.checkpoint.sign(&self.hosts[host].key).to_string().into_bytes();
        self.handle(island, host, Input::Committed { token: commit.token, note });
    }

    fn serve(&mut self, island: usize, host: usize, parts: &Parts) {
        let disk = &self.hosts[host].disk;
        let made = leaves(parts, |from, count, each| {
            for index in from..from + u64::from(count) {
                let leaf = disk.leaf(&parts.cooperative, index).expect("durable");
                if !each(&leaf) {
                    break;
                }
            }
        });
        let next = made.as_ref().map_or(parts.from, |(_, next)| *next);
        if let Some((message, _)) = made {
            self.send(island, host, parts.peer, &message);
        }
        let (peer, log, from) = (parts.peer, parts.log, parts.from);
        self.handle(island, host, Input::Served { peer, log, from, next });
    }

    fn fetch(&mut self, island: usize, host: usize, peer: NodeKey, entries: &[EntryId]) {
        let cooperative = self.islands[island].cooperative;
        for entry in entries {
            let kept = self.hosts[host].disk.payload(&cooperative, entry);
            let Some((salt, bytes)) = kept.as_ref().and_then(|kept| kept.split_first_chunk())
            else {
                continue;
            };
            let bytes = Octets::new(bytes.to_vec()).expect("not too long");
            let payload = Payload { entry: *entry, salt: *salt, bytes };
            self.send(island, host, peer, &Message::Given { cooperative, payload });
        }
    }

    /// A place that was given is taken over: a replica is restored from disk while its node goes
    /// on. What was on its way to it is for a replica that is no more.
    fn reload(&mut self, island: usize, host: usize) {
        self.faults.count("reloads");
        let cooperative = self.islands[island].cooperative;
        self.hosts[host].disk.sync(&cooperative);
        self.end_life(island, host);
        self.begin_life(island, host);
        for other in 0..self.hosts.len() {
            if other != host && self.is_open(host, other) {
                let peer = self.hosts[other].node;
                self.handle(island, host, Input::Connected(peer));
            }
        }
    }

    /// A node stops without warning.
    pub(super) fn crash(&mut self, host: usize) {
        if !self.hosts[host].is_up {
            return;
        }
        self.faults.count("crashes");
        self.hosts[host].is_up = false;
        for island in 0..self.islands.len() {
            self.end_life(island, host);
        }
        for other in 0..self.hosts.len() {
            self.cut(host, other);
        }
    }

    /// A replica ends; of what it has written and not synced some is lost.
    fn end_life(&mut self, island: usize, host: usize) {
        let held = &mut self.islands[island];
        held.replicas[host] = None;
        held.wakes[host] = None;
        held.lives[host] += 1;
        held.alarmed.retain(|(by, _)| *by != host);
        held.tickets.retain(|_, ticket| ticket.host != host);
        let (cooperative, life) = (held.cooperative, held.lives[host]);
        let unsynced = self.hosts[host].disk.unsynced(&cooperative);
        if unsynced > 0 {
            let drawn = [4, number(self.islands[island].number), number(host), life];
            let kept = self.chance(&drawn).index(unsynced + 1);
            self.faults.add("writes torn", number(unsynced - kept));
            self.hosts[host].disk.tear(&cooperative, kept);
        }
    }

    /// A replica is restored from its host's disk.
    fn begin_life(&mut self, island: usize, host: usize) {
        let cooperative = self.islands[island].cooperative;
        let it = &self.hosts[host];
        match it.disk.restore(it.moment(self.now), cooperative, it.key.clone()) {
            Ok(mut replica) => {
                let mut publics: Vec<NodeKey> = self.hosts.iter().map(|host| host.node).collect();
                publics.dedup();
                replica.set_hosts(&publics);
                self.islands[island].replicas[host] = Some(replica);
            }
            Err(fault) => self.violate(Invariant::WhatWasSyncedIsRead, fault.to_string()),
        }
        self.on_start(island, host);
    }

    /// A node is started from its disk, with what its wall clock says now.
    pub(super) fn restart(&mut self, host: usize) {
        if self.hosts[host].is_up {
            return;
        }
        self.hosts[host].is_up = true;
        let clock = self.now.saturating_add_signed(self.hosts[host].wall);
        self.hosts[host].started = (self.now, clock);
        self.add_later(host);
        for island in 0..self.islands.len() {
            self.begin_life(island, host);
            self.drain(island, host);
        }
        for other in 0..self.hosts.len() {
            if other != host {
                self.mend(host, other);
            }
        }
    }

    pub(super) fn set_clock(&mut self, node: usize, ms: i64) {
        if !self.calm {
            self.faults.count("clocks set");
            self.hosts[node].wall = ms;
        }
    }

    pub(super) fn slow(&mut self, node: usize, ms: u64) {
        if !self.calm {
            self.faults.count("disks slowed");
            self.hosts[node].slowest = ms;
        }
    }

    fn on_alarm(&mut self, island: usize, host: usize, alarm: &Alarm) {
        let (kind, node) = match alarm {
            Alarm::Unsound(node) => ("alarms: unsound leaf", node),
            Alarm::Root(node) => ("alarms: another root", node),
            Alarm::State(node) => ("alarms: another state", node),
            Alarm::Split(node) => ("alarms: two histories of a log", node),
            Alarm::Fork(device, seq) => return self.on_fork(island, host, *device, *seq),
        };
        self.faults.count(kind);
        if matches!(alarm, Alarm::State(_)) {
            self.islands[island].alarmed.insert((host, *node));
        }
        self.no_honest_peer_is_accused(host, *node, alarm);
    }
}
