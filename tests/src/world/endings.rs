//! Stolen devices and members that leave: from the freeze to the cut.
//!
//! The registrar here does what the ledger's README asks of one: it waits until as many honest
//! nodes stand still as settle an entry, and cuts where the longest of their chains ends; if the
//! chain has forked, it is healed before (`world/heals`). A thief, or whoever has left, goes on writing
//! all the while.

use talea_ledger::place::Place;
use talea_ledger::replica::Replica;
use talea_protocol::bytes::List;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::hash::EntryId;

use super::invariants::Invariant;
use super::links::has;
use super::wallets::Errand;
use super::{Event, World, number};
use crate::people::Ending;

/// How often the registrar asks how the nodes stand, in ms.
const ASK_MS: u64 = 500;
/// The bit of a theft's mask by which the thief gives the other nodes another branch.
const FORKS: usize = 40;

impl World {
    /// A further device of a member is enrolled, and somebody else writes with it, at some nodes. The
    /// member reports it some time later.
    pub(super) fn theft(&mut self, author: u64, mask: u64, count: u64, after: u64) {
        let Some(island) = self.island(0) else { return };
        let (now, people) = (self.now, &mut self.islands[island].people);
        let authors = number(people.authors.len());
        let by = usize::try_from(author % authors).expect("few");
        let is_silent = people.authors[by].is_silent;
        if is_silent || self.is_leaderless(island) {
            return;
        }
        let people = &mut self.islands[island].people;
        let Some(device) = people.second(by, now) else { return self.submit_last(island) };
        let stolen = people.steal(device, count, now);
        let forked =
            if has(mask, FORKS) { people.steal(device, count, now + 1) } else { Vec::new() };
        self.submit_last(island);
        for host in 0..self.hosts.len() {
            let is_his = has(mask, self.hosts[host].number);
            for entry in if is_his { &stolen } else { &forked } {
                let (source, bytes) = (self.hosts[host].node, entry.bytes().to_vec());
                self.knock(island, host, source, bytes, None, Errand::Forked);
            }
        }
        self.faults.count("devices stolen");
        self.begin_ending(island, Ending { by, device: Some(device), ground: None }, after);
    }

    /// A member without a role leaves, once all that it has written is settled.
    pub(super) fn leave(&mut self, author: u64) {
        let Some(island) = self.island(0) else { return };
        let people = &mut self.islands[island].people;
        let authors = number(people.authors.len());
        let by = usize::try_from(author % authors).expect("few");
        let Some(devices) = people.plain_member(by) else { return };
        let people = &self.islands[island].people;
        let is_silent = |device: &usize| people.authors[*device].is_silent;
        if devices.iter().any(|it| is_silent(it) || self.is_needed(island, *it)) {
            return;
        }
        let people = &mut self.islands[island].people;
        for device in devices {
            people.authors[device].is_silent = true;
        }
        self.faults.count("members that leave");
        self.begin_ending(island, Ending { by, device: None, ground: None }, ASK_MS);
    }

    fn begin_ending(&mut self, island: usize, ending: Ending, after: u64) {
        self.statements += 1;
        self.islands[island].endings.push(ending);
        let ending = self.islands[island].endings.len() - 1;
        self.at(after, Event::Ending { island, ending });
    }

    /// The next step of an ending, if its time has come.
    pub(super) fn go_on_ending(&mut self, island: usize, place: usize) {
        if self.is_leaderless_for_ever(island) {
            self.faults.count("chains that no registrar ends");
            self.statements -= 1;
            return;
        }
        if self.is_leaderless(island) {
            return self.at(ASK_MS, Event::Ending { island, ending: place });
        }
        let ground = self.islands[island].endings[place].ground;
        if ground.is_some_and(|it| self.islands[island].people.is_given_up(&it)) {
            // It was signed behind an act for a role that a hand-over has left out.
            self.faults.count("reports and farewells on blocked chains");
            self.statements -= 1;
            return;
        }
        let done = match ground {
            None => self.give_ground(island, place),
            Some(ground) => self.go_on_to_the_cut(island, place, ground),
        };
        if done {
            self.statements -= 1;
            return self.goes_on(island, place);
        }
        self.at(ASK_MS, Event::Ending { island, ending: place });
    }

    /// The report, at once, or the farewell, once all before it is settled; what follows is to come.
    fn give_ground(&mut self, island: usize, place: usize) -> bool {
        let is_revoked = self.islands[island].endings[place].device.is_some();
        if is_revoked || self.is_all_settled(island, place) {
            let (now, held) = (self.now, &mut self.islands[island]);
            let ground = held.people.give_ground(&held.endings[place], now);
            held.endings[place].ground = Some(ground);
            self.submit_last(island);
        }
        false
    }

    /// The cut; a fork is healed before it, since a node that holds another branch than the cut's
    /// refuses it by rule 26. Returns whether there is nothing more to come.
    fn go_on_to_the_cut(&mut self, island: usize, place: usize, ground: EntryId) -> bool {
        let devices = self.ended(island, place);
        if let Some((device, seq)) = self.open_fork(island, &devices) {
            return self.heal_first(island, device, seq);
        }
        let register = self.islands[island].people.register();
        let has_ended = |it: &u32| register.record(*it).is_some_and(|it| it.end.is_some());
        if devices.iter().all(has_ended) {
            return true;
        }
        let Some(cut) = self.cut_of(island, &devices, ground) else { return false };
        let (now, held) = (self.now, &mut self.islands[island]);
        held.people.end(&held.endings[place], cut, now);
        self.submit_last(island);
        self.faults.count("chains ended by a cut");
        true
    }

    /// Whose chains have ended writes on.
    fn goes_on(&mut self, island: usize, place: usize) {
        let now = self.now;
        let held = &mut self.islands[island];
        let by = held.endings[place].device.unwrap_or(held.endings[place].by);
        for entry in held.people.steal(by, 2, now) {
            for host in 0..self.hosts.len() {
                let (source, bytes) = (self.hosts[host].node, entry.bytes().to_vec());
                self.knock(island, host, source, bytes, None, Errand::Forked);
            }
        }
    }

    /// The devices that an ending is about.
    fn ended(&self, island: usize, place: usize) -> Vec<u32> {
        let held = &self.islands[island];
        let ending = &held.endings[place];
        let devices = match ending.device {
            Some(device) => vec![device],
            None => held.people.plain_member(ending.by).unwrap_or_default(),
        };
        devices.into_iter().map(|device| u32::try_from(device).expect("few")).collect()
    }

    fn is_all_settled(&self, island: usize, place: usize) -> bool {
        let held = &self.islands[island];
        self.ended(island, place).into_iter().all(|device| {
            let chain = &held.people.chains[usize::try_from(device).expect("few")];
            let length = u32::try_from(chain.len()).expect("short");
            self.honest().into_iter().all(|host| {
                let replica = held.replicas[host].as_ref();
                replica.is_some_and(|it| it.places().settled(device) == length)
            })
        })
    }

    /// The cut of the ended chains where the longest of a quorum of honest nodes that stand still,
    /// durably, end; none while there are fewer, or while they hold different branches.
    fn cut_of(&self, island: usize, devices: &[u32], ground: EntryId) -> Option<Cut> {
        let held = &self.islands[island];
        let stands = |it: &&Replica| {
            it.places().find(&ground).is_some_and(|place| place.leaf < it.published())
        };
        let replicas = self.honest().into_iter().filter_map(|host| held.replicas[host].as_ref());
        let frozen: Vec<&Replica> = replicas.filter(stands).collect();
        let register = held.people.register();
        if frozen.len() < usize::from(register.roster().quorum) {
            return None;
        }
        let (mut root, mut lengths) = (CutRoot::new(), Vec::new());
        for device in devices.iter().copied() {
            let chains = || frozen.iter().map(|it| it.places().chain(device));
            let longest = chains().max_by_key(|chain| chain.len())?;
            let is_prefix = |chain: &[Place]| {
                chain.last().is_none_or(|last| longest[chain.len() - 1].id == last.id)
            };
            if !chains().all(is_prefix) {
                return None;
            }
            let at = usize::try_from(device).expect("few");
            lengths.resize(lengths.len().max(at + 1), 0);
            lengths[at] = u32::try_from(longest.len()).expect("short");
            if let Some(last) = longest.last() {
                root.add(&register.record(device)?.key, lengths[at], &last.id);
            }
        }
        let at = register.entry(register.head().0)?;
        Some(Cut { at, lengths: List::new(lengths)?, root: root.finish() })
    }

    /// Nothing behind the cut of a settled ending is settled.
    pub(super) fn nothing_settles_behind_a_cut(
        &self,
        island: usize,
        host: usize,
    ) -> Result<(), (Invariant, String)> {
        let Some(replica) = &self.islands[island].replicas[host] else { return Ok(()) };
        let Some(register) = replica.register() else { return Ok(()) };
        for (device, record) in (0_u32..).zip(register.devices()) {
            let settled = replica.places().settled(device);
            if let Some(end) = record.end.filter(|end| settled > end.length) {
                let what = format!("{settled} of device {device} at host {host}, cut at {end:?}");
                return Err((Invariant::NothingSettlesBehindACut, what));
            }
        }
        Ok(())
    }
}
