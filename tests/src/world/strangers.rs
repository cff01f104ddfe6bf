//! Those who are no nodes and mean harm: who flood, repeat, forge, and sign oddly.

use talea_ledger::replica::{Input, Moment};
use talea_protocol::act::{Act, Attest, Content};
use talea_protocol::bytes::encode;
use talea_protocol::entry::{Entry, Header, Signed, sign, statement};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, SecretKey};
use talea_protocol::leaf::accept;
use talea_protocol::message::Message;
use talea_protocol::tree::{Frontier, leaf_hash};

use super::links::has;
use super::wallets::Errand;
use super::{Event, World, number, torsion};
use crate::chance::Chance;
use crate::people::secret;

/// Keys of strangers begin here.
const STRANGERS: u64 = 5_000_000;
/// The tag of an act that no version knows yet.
const LATER_TAG: u32 = 900;

fn attest() -> Act {
    Act::Attest(Attest { contribution: EntryId([4; 32]) })
}

fn stranger(n: u64) -> SecretKey {
    secret(STRANGERS + n)
}

impl World {
    /// Entries that wait for what never comes, from many sources.
    pub(super) fn flood(&mut self, node: usize, sources: u64, entries: u64) {
        let Some(island) = self.island(0) else { return };
        let honest = self.islands[island].people.header(0, self.now);
        for source in 0..sources {
            let key = stranger(source);
            for entry in 0..entries {
                let mut nowhere = [0x77; 32];
                nowhere[..8].copy_from_slice(&(source << 32 | entry).to_le_bytes());
                let (device, basis) = (key.device(), EntryId(nowhere));
                let header = Header { device, seq: 5, prev: basis, basis, ..honest };
                let signed = sign(&key, &header, &attest()).expect("an entry");
                let bytes = signed.bytes().to_vec();
                self.knock(island, node, key.node(), bytes, None, Errand::Flood);
                self.faults.count("entries of a flood");
            }
        }
    }

    /// A stranger says what it has heard, and submits entries again, also to the wrong cooperative.
    pub(super) fn replay(&mut self, node: usize, dice: u64) {
        let Some(island) = self.island(0) else { return };
        self.faults.count("replays");
        let key = stranger(dice % 7);
        for frame in self.heard.clone() {
            if let Ok(message) = Message::parse(&frame) {
                self.give(island, node, Input::Message(key.node(), Box::new(message)));
            }
        }
        let mut chance = Chance::new(dice);
        let entries = &self.islands[island].people.entries;
        let again = &entries[chance.index(entries.len())];
        // What nobody stands for any more no stranger has heard either.
        let known = matches!(again.content(), Content::Known(_))
            && !self.islands[island].people.is_given_up(&again.id());
        let again = again.bytes().to_vec();
        let foreign = Header {
            cooperative: EntryId([5; 32]),
            ..self.islands[island].people.header(0, self.now)
        };
        let author = &self.islands[island].people.authors[0].key;
        let foreign = sign(author, &foreign, &attest()).expect("an entry").bytes().to_vec();
        // What a later version has left is taken from no wallet.
        if known {
            self.knock(island, node, key.node(), again, None, Errand::Honest);
        }
        self.knock(island, node, key.node(), foreign, None, Errand::Foreign);
    }

    /// Some author that may go wrong: not the registrar, whose silence would stop too much.
    pub(super) fn crook(&self, island: usize, author: u64) -> Option<usize> {
        let people = &self.islands[island].people;
        let others = number(people.authors.len() - 1);
        let author = usize::try_from(1 + author % others).expect("few");
        (!people.authors[author].is_silent).then_some(author)
    }

    /// A member signs what must have no place, and is silent from then on.
    pub(super) fn forge(&mut self, author: u64, dice: u64) {
        let Some(island) = self.island(0) else { return };
        let Some(author) = self.crook(island, author) else { return };
        let mut chance = Chance::new(dice);
        let header = if chance.percent(50) {
            self.wrong_link(island, author, &mut chance)
        } else {
            self.second_place(island, author, &mut chance)
        };
        let Some(header) = header else { return };
        self.faults.count("forgeries");
        let people = &mut self.islands[island].people;
        people.authors[author].is_silent = true;
        let entry = sign(&people.authors[author].key, &header, &attest()).expect("an entry");
        let bytes = entry.bytes().to_vec();
        people.sin(entry);
        for host in 0..self.hosts.len() {
            let source = self.hosts[host].node;
            self.knock(island, host, source, bytes.clone(), None, Errand::Forged);
        }
    }

    /// The author's next, but with another entry before it.
    fn wrong_link(&self, island: usize, author: usize, chance: &mut Chance) -> Option<Header> {
        let people = &self.islands[island].people;
        let header = people.header(author, self.now);
        let prev = chance.one_of(&people.entries).id();
        (prev != header.prev).then_some(Header { prev, ..header })
    }

    /// A second entry for a place of a chain that is settled everywhere.
    fn second_place(&self, island: usize, author: usize, chance: &mut Chance) -> Option<Header> {
        let held = &self.islands[island];
        let chain = &held.people.chains[author];
        let device = u32::try_from(author).expect("few");
        let length = u32::try_from(chain.len()).expect("short");
        let settled = |host: &usize| {
            let replica = held.replicas[*host].as_ref();
            replica.is_some_and(|replica| replica.places().settled(device) == length)
        };
        if chain.is_empty() || !self.honest().iter().all(settled) {
            return None;
        }
        let seq = chance.index(chain.len());
        let first = held.people.entries.iter().find(|entry| entry.id() == chain[seq])?;
        Some(Header { time: self.now, ..*first.header() })
    }

    /// A member writes twice in one place, one branch for some nodes and another for the rest, and
    /// is silent from then on.
    pub(super) fn fork(&mut self, author: u64, mask: u64, length: u64) {
        let Some(island) = self.island(0) else { return };
        let Some(author) = self.crook(island, author) else { return };
        self.faults.count("forks");
        let people = &mut self.islands[island].people;
        let first = people.header(author, self.now);
        people.authors[author].is_silent = true;
        let branches = [0, 1].map(|branch| {
            let mut header = Header { time: first.time + branch, ..first };
            let mut bytes = Vec::new();
            for _ in 0..length {
                let key = &people.authors[author].key;
                let entry = sign(key, &header, &attest()).expect("an entry");
                header = Header { seq: header.seq + 1, prev: entry.id(), ..header };
                bytes.push(entry.bytes().to_vec());
                people.sin(entry);
            }
            bytes
        });
        for host in 0..self.hosts.len() {
            let it = &self.hosts[host];
            let side = it.is_twin || (it.lie.is_none() && has(mask, it.number));
            let source = it.node;
            for bytes in branches[usize::from(side)].clone() {
                self.knock(island, host, source, bytes, None, Errand::Forked);
            }
        }
    }

    /// An entry under a damaged signature, or a good one that only cofactored checking accepts.
    pub(super) fn sign(&mut self, author: u64, dice: u64) {
        let Some(island) = self.island(0) else { return };
        let mut chance = Chance::new(dice);
        let host = chance.index(self.hosts.len());
        if chance.percent(40) {
            let entries = &self.islands[island].people.entries;
            let mut bytes = entries[entries.len() - 1].bytes().to_vec();
            let place = bytes.len() - 1 - chance.index(64);
            bytes[place] ^= 1 << chance.below(8);
            let source = stranger(dice % 7).node();
            self.faults.count("damaged signatures");
            return self.knock(island, host, source, bytes, None, Errand::Damaged);
        }
        let authors = number(self.islands[island].people.authors.len());
        let author = usize::try_from(author % authors).expect("few");
        let people = &mut self.islands[island].people;
        if people.authors[author].is_silent {
            return;
        }
        let header = people.header(author, self.now);
        let entry = torsion::sign(&people.authors[author].key, &header, &attest());
        people.remember(author, Signed::kept(entry));
        self.faults.count("signatures with a small-order part");
        self.submit_last(island);
    }

    /// A node is stopped, to run a later version for a while. What stands for that asks nobody what
    /// the node has signed: on a disk that was put back it would sign a second history.
    pub(super) fn run_later(&mut self, node: usize, author: u64) {
        let host = &self.hosts[node];
        if host.lie.is_some() || host.is_older || self.calm {
            return;
        }
        self.crash(node);
        self.hosts[node].later = Some(author);
        self.at(2_000, Event::Restart(node));
    }

    /// What a later version has left on the disk: one entry more, whose act is not known here.
    pub(super) fn add_later(&mut self, host: usize) {
        let Some(author) = self.hosts[host].later.take() else { return };
        let Some(island) = self.island(0) else { return };
        let Some((author, entry)) = self.later_entry(island, host, author) else { return };
        self.faults.count("acts of a later version");
        let cooperative = self.islands[island].cooperative;
        let leaf = accept(&entry);
        self.on_leaf(island, host, &leaf);
        self.islands[island].people.remember(author, Signed::kept(entry));
        let disk = &mut self.hosts[host].disk;
        let size = number(disk.leaves(&cooperative).count());
        disk.put_leaf(&cooperative, size, leaf);
        let mut tree = Frontier::default();
        disk.leaves(&cooperative).for_each(|leaf| tree.append(leaf_hash(leaf)));
        disk.set_promise(cooperative, (size + 1, tree.root()));
    }

    /// The next entry of the first author from this one on whose chain is whole on the disk.
    fn later_entry(&self, island: usize, host: usize, author: u64) -> Option<(usize, Entry)> {
        let held = &self.islands[island];
        let it = &self.hosts[host];
        let replica = it.disk.restore(Moment(self.now), held.cooperative, it.key.clone()).ok()?;
        let register = replica.register()?;
        let count = held.people.authors.len();
        let first = usize::try_from(author % number(count)).expect("few");
        let whole = |author: &usize| {
            let header = held.people.header(*author, self.now);
            let device = u32::try_from(*author).expect("few");
            !held.people.authors[*author].is_silent
                && register.number(&header.basis).is_some()
                && replica.places().chain(device).len() == held.people.chains[*author].len()
        };
        let author = (first..count).chain(0..first).find(whole)?;
        let mut bytes = encode(&held.people.header(author, self.now));
        bytes.extend_from_slice(&LATER_TAG.to_le_bytes());
        bytes.extend_from_slice(b"whatever");
        let said = statement(&bytes).expect("a header comes first");
        let signature = held.people.authors[author].key.sign(Purpose::Entry, &said);
        bytes.extend_from_slice(&signature.0);
        Some((author, Entry::parse(bytes).expect("an entry")))
    }
}
