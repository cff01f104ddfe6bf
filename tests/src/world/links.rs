//! Links and sessions: what becomes of a frame between two nodes.
//!
//! What befalls a frame is drawn for it alone, by its number on its way, so that leaving out one
//! event changes as little as possible of the rest.

use std::collections::BTreeMap;

use talea_ledger::replica::Input;
use talea_protocol::bytes::FRAME_BYTES_MAX;
use talea_protocol::key::NodeKey;
use talea_protocol::message::Message;

use super::host::Host;
use super::scenario::{Lie, Scenario};
use super::{Event, World, number};

/// How long a node does not talk to one who has sent it garbage, in ms.
const BACK_OFF_MS: u64 = 5_000;
/// Frames remembered for those who say them again.
const HEARD: usize = 24;

/// What is between two hosts.
pub(super) struct Link {
    /// Whether the two would talk: of two with one key a peer knows one.
    pub(super) is_on: bool,
    /// The number of the session; it is open while this is odd.
    session: u64,
    /// Whether nothing comes through, from the lower to the higher host and back.
    pub(super) deaf: [bool; 2],
    /// Frames sent, by cooperative and direction.
    frames: BTreeMap<(usize, usize), u64>,
}

impl Link {
    /// The links of a scenario. Of a node with two histories each peer knows one host.
    pub(super) fn all(scenario: &Scenario, hosts: &[Host]) -> BTreeMap<(usize, usize), Self> {
        let of = |node: usize| -> Vec<(usize, bool)> {
            let all = hosts.iter().enumerate().filter(|(_, host)| host.number == node);
            all.map(|(host, it)| (host, it.is_twin)).collect()
        };
        let mask = |node| match scenario.lie(node) {
            Some(Lie::TwoHistories(mask)) => Some(mask),
            _ => None,
        };
        let mut links = BTreeMap::new();
        for (one, other) in &scenario.links {
            for (left, left_twin) in of(*one) {
                for (right, right_twin) in of(*other) {
                    let is_on = match (mask(*one), mask(*other)) {
                        (Some(_), Some(_)) => left_twin == right_twin,
                        (Some(mask), None) => left_twin == has(mask, *other),
                        (None, Some(mask)) => right_twin == has(mask, *one),
                        (None, None) => true,
                    };
                    let ends = (left.min(right), left.max(right));
                    let (deaf, frames) = ([false; 2], BTreeMap::new());
                    links.insert(ends, Self { is_on, session: 0, deaf, frames });
                }
            }
        }
        links
    }
}

/// Whether a mask of numbers has this one.
pub(super) const fn has(mask: u64, number: usize) -> bool {
    mask >> (number % 64) & 1 == 1
}

const fn ends(one: usize, other: usize) -> (usize, usize) {
    if one < other { (one, other) } else { (other, one) }
}

impl World {
    pub(super) fn session(&self, one: usize, other: usize) -> u64 {
        self.links.get(&ends(one, other)).map_or(0, |link| link.session)
    }

    pub(super) fn is_open(&self, one: usize, other: usize) -> bool {
        self.session(one, other) % 2 == 1
    }

    /// Ends the session between two hosts.
    pub(super) fn cut(&mut self, one: usize, other: usize) {
        if !self.is_open(one, other) {
            return;
        }
        self.faults.count("sessions lost");
        if let Some(link) = self.links.get_mut(&ends(one, other)) {
            link.session += 1;
        }
        for (host, peer) in [(one, other), (other, one)] {
            let peer = self.hosts[peer].node;
            for island in 0..self.islands.len() {
                self.give(island, host, Input::Lost(peer));
            }
        }
    }

    /// Begins a session between two hosts, if both are up and would talk.
    pub(super) fn mend(&mut self, one: usize, other: usize) {
        let up = self.hosts[one].is_up && self.hosts[other].is_up;
        let on = self.links.get(&ends(one, other)).is_some_and(|link| link.is_on);
        if !up || !on || self.is_open(one, other) {
            return;
        }
        if let Some(link) = self.links.get_mut(&ends(one, other)) {
            link.session += 1;
        }
        for (host, peer) in [(one, other), (other, one)] {
            let peer = self.hosts[peer].node;
            for island in 0..self.islands.len() {
                self.give(island, host, Input::Connected(peer));
            }
        }
    }

    /// Cuts the links between two nodes for a while.
    pub(super) fn cut_for(&mut self, one: usize, other: usize, down: u64) {
        if self.calm {
            return;
        }
        self.faults.count("links cut");
        let all: Vec<(usize, usize)> = self.links.keys().copied().collect();
        for (left, right) in all {
            if ends(self.hosts[left].number, self.hosts[right].number) == ends(one, other) {
                self.cut(left, right);
                self.at(down, Event::Mend(left, right));
            }
        }
    }

    /// From now on one does not hear the other, though their session stands.
    pub(super) fn deafen(&mut self, from: usize, to: usize, down: u64) {
        if self.calm {
            return;
        }
        self.faults.count("one way cut");
        self.set_deaf(from, to, true);
        self.at(down, Event::Hear(from, to));
    }

    pub(super) fn hear(&mut self, from: usize, to: usize) {
        self.set_deaf(from, to, false);
    }

    fn set_deaf(&mut self, from: usize, to: usize, deaf: bool) {
        if let Some(link) = self.links.get_mut(&ends(from, to)) {
            link.deaf[usize::from(from > to)] = deaf;
        }
    }

    /// A peer of those with two histories comes to the other one.
    pub(super) fn swap(&mut self, peer: usize) {
        let all: Vec<(usize, usize)> = self.links.keys().copied().collect();
        for (one, other) in all {
            let other_end = if one == peer { other } else { one };
            let concerns = one == peer || other == peer;
            let lie = self.hosts[other_end].lie;
            let honest = self.hosts[peer].lie.is_none();
            if concerns && honest && matches!(lie, Some(Lie::TwoHistories(_))) {
                self.cut(one, other);
                if let Some(link) = self.links.get_mut(&(one, other)) {
                    link.is_on = !link.is_on;
                }
                self.mend(one, other);
                self.faults.count("came to the other history");
            }
        }
    }

    /// Sends a message to whoever has this key and a session.
    pub(super) fn send(&mut self, island: usize, from: usize, peer: NodeKey, message: &Message) {
        self.on_sending(island, from, peer, message);
        let hosts = 0..self.hosts.len();
        let to = hosts
            .into_iter()
            .find(|to| *to != from && self.hosts[*to].node == peer && self.is_open(from, *to));
        let Some(to) = to else { return };
        let frame = message.frame();
        assert!(frame.len() <= FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
        for frame in self.lie(island, from, to, message, frame) {
            self.put_on(island, from, to, frame);
        }
    }

    /// Puts a frame on its way, to be lost, doubled and delayed.
    fn put_on(&mut self, island: usize, from: usize, to: usize, frame: Vec<u8>) {
        let session = self.session(from, to);
        let Some(link) = self.links.get_mut(&ends(from, to)) else { return };
        let way = usize::from(from > to);
        let place = self.islands[island].number;
        let count = link.frames.entry((place, way)).or_default();
        *count += 1;
        let drawn = [2, number(place), number(from), number(to), *count];
        let deaf = link.deaf[way];
        let mut chance = self.chance(&drawn);
        let copies = match () {
            () if self.calm => 1,
            () if deaf => 0,
            () if chance.percent(self.scenario.loss) => 0,
            () if chance.percent(self.scenario.twice) => 2,
            () => 1,
        };
        match copies {
            0 => self.faults.count("frames lost"),
            2 => self.faults.count("frames doubled"),
            _ => {}
        }
        for _ in 0..copies {
            let after = chance.between(0, self.scenario.delay);
            let frame = frame.clone();
            self.at(after, Event::Deliver { island, from, to, session, frame });
        }
    }

    /// A frame arrives, unless its session is over.
    pub(super) fn deliver(
        &mut self,
        island: usize,
        (from, to): (usize, usize),
        session: u64,
        frame: Vec<u8>,
    ) {
        if self.session(from, to) != session || !self.is_open(from, to) {
            return;
        }
        self.faults.count("frames delivered");
        let peer = self.hosts[from].node;
        match Message::parse(&frame) {
            Ok(message) => {
                let concerned = self.islands[island].cooperative;
                if message.cooperative() == Some(concerned) {
                    self.give(island, to, Input::Message(peer, Box::new(message)));
                    self.on_received(island, to);
                }
                self.heard.push(frame);
                if self.heard.len() > HEARD {
                    self.heard.remove(0);
                }
            }
            Err(_) => {
                self.on_garbage(from);
                self.cut(from, to);
                self.at(BACK_OFF_MS, Event::Mend(from, to));
            }
        }
    }
}
