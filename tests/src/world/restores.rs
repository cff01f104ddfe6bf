//! Wallets that are restored from old backups.
//!
//! A member's device loses the last entries of its journal. It asks every node how far its chain has
//! come, as the node tells it (`talea_node::http::forks`), and whether it may sign is what `talea`
//! asks too (`talea_tools::heads`): it takes over what a node has, waits while one is silent or has
//! more waiting, and then writes in its next places again, something else. That a lying node alone
//! had an entry and denies it, no wallet can find out: such a chain forks, and is counted.

use talea_ledger::place::Refusal;
use talea_ledger::replica::Reply;
use talea_node::http::forks::told;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_tools::heads::{self, Head, Unsafe};
use talea_tools::witness::Past;

use super::canary::Canary;
use super::invariants::Invariant;
use super::links::has;
use super::scenario::{Scenario, Step, What};
use super::wallets::{Errand, Ticket};
use super::{Event, Island, World, number};
use crate::chance::Chance;

/// How often a wallet asks again, in ms.
const ASK_MS: u64 = 500;
/// The bits by which one of two histories of a node answers, above those by which it denies.
const HISTORIES: usize = 16;

/// A wallet that was restored.
pub(super) struct Restore {
    /// Whose, by author.
    author: usize,
    /// What lying nodes say of it.
    word: u64,
    /// How often it has asked.
    tries: u64,
}

impl Scenario {
    /// Where another cooperative is kept nothing is waited for.
    pub(super) fn draw_restore(&mut self, chance: &mut Chance) {
        if self.island || !chance.percent(25) {
            return;
        }
        for _ in 0..chance.between(1, 2) {
            let (author, word) = (chance.number(), chance.number());
            let what = What::Restore { author, lost: chance.between(1, 4), word };
            self.steps.push(Step { at: chance.below(self.storm), what });
        }
    }
}

impl World {
    /// A device's journal is put back to an older day.
    pub(super) fn restore(&mut self, author: u64, lost: u64, word: u64) {
        let Some(island) = self.island(0) else { return };
        let Some(author) = self.crook(island, author) else { return };
        let people = &mut self.islands[island].people;
        let length = people.chains[author].len();
        let kept = length.saturating_sub(usize::try_from(lost).expect("few"));
        if kept == length || !people.may_lose(author, kept) {
            return;
        }
        people.forget(author, kept);
        self.faults.count("wallets restored from old backups");
        self.statements += 1;
        self.islands[island].restores.push(Restore { author, word, tries: 0 });
        self.go_on_restoring(island, self.islands[island].restores.len() - 1);
    }

    /// The wallet asks, and goes on if it may.
    pub(super) fn go_on_restoring(&mut self, island: usize, place: usize) {
        let author = self.islands[island].restores[place].author;
        if !self.islands[island].people.is_lost(author) {
            // Its chain has been blocked meanwhile.
            self.statements -= 1;
            return;
        }
        let heads = self.heads(island, place);
        self.islands[island].restores[place].tries += 1;
        let held = &self.islands[island];
        let promised = &held.people.chains[author][..held.people.known(author)];
        let roster = held.people.register().roster();
        let asked = match self.canary {
            Some(Canary::WalletAsksNobody) => Ok(()),
            _ => heads::check(promised, Past::Unknown, roster, &heads),
        };
        match asked {
            Ok(()) => {
                self.statements -= 1;
                return self.sign_again(island, place);
            }
            Err(Unsafe::Behind { node, .. }) => {
                self.take_over(island, author, node);
                return self.at(0, Event::Restore { island, restore: place });
            }
            Err(Unsafe::TooFew { .. } | Unsafe::Silent { .. }) => {
                self.faults.count("restored wallets wait for answers");
            }
            Err(Unsafe::Waiting { .. }) => {
                self.faults.count("restored wallets wait for what waits elsewhere");
            }
            Err(other) => self.violate(Invariant::NoHonestWalletForks, other.to_string()),
        }
        self.at(ASK_MS, Event::Restore { island, restore: place });
    }

    /// What each node says that answers now.
    fn heads(&self, island: usize, place: usize) -> Vec<Head> {
        let (held, of) = (&self.islands[island], &self.islands[island].restores[place]);
        let device = held.people.authors[of.author].key.device().to_string();
        let loss = if self.calm { 0 } else { self.scenario.loss };
        let drawn = [9, number(held.number), number(place), of.tries];
        let mut chance = self.chance(&drawn);
        let head = |node: usize| {
            let host = self.speaks_for(node, of.word);
            let it = &self.hosts[host];
            if chance.percent(loss) || !it.is_up {
                return None;
            }
            // Where nobody is reckoned to lie, a denial leaves two entries settled.
            let denies = it.lie.is_some() && self.scenario.faulty > 0 && has(of.word, node);
            let replica = held.replicas[host].as_ref().filter(|_| !denies);
            let told = replica.and_then(|replica| told(replica, &device, &it.node));
            let head = told.and_then(|told| serde_json::from_value(told).ok());
            Some(head.unwrap_or_else(|| Head::nothing(it.node)))
        };
        (0..self.scenario.nodes).filter_map(head).collect()
    }

    /// The host that answers for a node: of two histories, one.
    fn speaks_for(&self, node: usize, word: u64) -> usize {
        let mut hosts = (0..self.hosts.len()).filter(|host| self.hosts[*host].number == node);
        let first = hosts.next().expect("every node has a host");
        hosts.next().filter(|_| has(word, HISTORIES + node)).unwrap_or(first)
    }

    /// The wallet takes over what a node has of its chain.
    fn take_over(&mut self, island: usize, author: usize, node: NodeKey) {
        let held = &self.islands[island];
        let device = u32::try_from(author).expect("few");
        let chain = &held.people.chains[author];
        let of_node = |host: &usize| self.hosts[*host].node == node;
        let hosts = (0..self.hosts.len()).filter(of_node);
        let ids = |host: usize| -> Option<Vec<EntryId>> {
            let places = held.replicas[host].as_ref()?.places();
            Some(places.chain(device).iter().map(|place| place.id).collect())
        };
        let shown = hosts.filter_map(ids).filter(|ids| chain.starts_with(ids));
        let kept = shown.map(|ids| ids.len()).max().unwrap_or(0);
        if kept <= held.people.known(author) {
            let what = format!("{node} has more of the chain of author {author} than was signed");
            return self.violate(Invariant::NoHonestWalletForks, what);
        }
        self.faults.count("entries that restored wallets take over");
        self.islands[island].people.forget(author, kept);
    }

    /// The wallet writes something else in the places that it does not know.
    fn sign_again(&mut self, island: usize, place: usize) {
        let Restore { author, tries, .. } = self.islands[island].restores[place];
        let (now, people) = (self.now, &mut self.islands[island].people);
        let lost = people.give_up(author, people.known(author));
        let ids: Vec<EntryId> = lost.iter().map(|entry| entry.id()).collect();
        let lies = |host: &usize| self.hosts[*host].lie.is_some();
        let liars: Vec<usize> = (0..self.hosts.len()).filter(lies).collect();
        if liars.iter().any(|host| self.keeps_any(island, *host, &ids)) {
            let Island { people, acknowledged, .. } = &mut self.islands[island];
            // What it had acknowledged and denied may give way to what the wallet signs now.
            acknowledged.retain(|(host, id)| !(liars.contains(host) && ids.contains(id)));
            lost.into_iter().for_each(|entry| people.sin(entry));
            let again = people.steal(author, 1, now);
            self.faults.count("restored wallets that a lying node lets fork");
            return self.submit_forked(island, &again);
        }
        let mut chance = self.chance(&[10, number(place), tries]);
        self.islands[island].people.authors[author].is_silent = false;
        for _ in &ids {
            self.faults.count("places signed again by restored wallets");
            self.islands[island].people.contribute(author, &mut chance, now);
            self.submit_last(island);
        }
    }

    /// Whether a host has a place for one of these, or lets one wait.
    fn keeps_any(&self, island: usize, host: usize, ids: &[EntryId]) -> bool {
        let held = &self.islands[island];
        let waits = |ticket: &Ticket| {
            ticket.host == host && ticket.waits_since.is_some() && ids.contains(&ticket.entry)
        };
        let placed = |id: &EntryId| {
            held.replicas[host].as_ref().is_some_and(|it| it.places().find(id).is_some())
        };
        held.tickets.values().any(waits) || ids.iter().any(placed)
    }

    /// Every honest node gets these entries of a device that writes twice in one place.
    fn submit_forked(&mut self, island: usize, entries: &[talea_protocol::entry::Signed]) {
        for host in self.honest() {
            for entry in entries {
                let (source, bytes) = (self.hosts[host].node, entry.bytes().to_vec());
                self.knock(island, host, source, bytes, None, Errand::Forked);
            }
        }
    }

    /// Whether an honest wallet's entry meets another of the same wallet in its place.
    pub(super) fn has_signed_twice(&self, island: usize, asked: &Ticket, reply: Reply) -> bool {
        let people = &self.islands[island].people;
        let device = people.find(&asked.entry).map(|entry| entry.header().device);
        let twice = device.is_some_and(|device| people.has_forked(&device));
        twice && matches!(reply, Reply::Refused(Refusal::Fork { .. }))
    }
}
