//! Wallets: what they submit, where, how often, and what they make of the answers.
//!
//! A wallet submits to a node of its choice, and again, there or elsewhere, until some honest node
//! holds the entry for settled. It never signs a place twice: that is `people`'s business.

use talea_ledger::place::Refusal;
use talea_ledger::replica::{AHEAD_MS_MAX, Input, Moment, Reply};
use talea_protocol::act::{Act, Content};
use talea_protocol::entry::Entry;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::message::Payload;

use super::invariants::Invariant;
use super::{Event, World, number};
use crate::chance::Chance;

/// What somebody wants of a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Errand {
    /// A place for an honest wallet's entry.
    Honest,
    /// A place for what must not have one.
    Forged,
    /// A place for the entry of a device that writes twice in one place.
    Forked,
    /// A place for one of two registers.
    Rival,
    /// A place for an honest entry under a signature that is not its device's.
    Damaged,
    /// A place for an entry of another cooperative.
    Foreign,
    /// To fill the waiting room.
    Flood,
}

/// A submission that was not answered for good yet.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    /// Where.
    pub(super) host: usize,
    /// Under whose name.
    pub(super) source: NodeKey,
    /// What.
    pub(super) entry: EntryId,
    /// The author's clock.
    time: u64,
    /// Bytes of the entry.
    pub(super) bytes: usize,
    /// Why.
    errand: Errand,
    /// Since when it waits there, by that node's clock.
    pub(super) waits_since: Option<Moment>,
}

impl World {
    /// A member states something.
    pub(super) fn state(&mut self, place: usize, author: u64, dice: u64, clock: i64) {
        let Some(island) = self.island(place) else { return };
        self.statements -= 1;
        let time = self.now.saturating_add_signed(clock);
        let mut chance = Chance::new(dice);
        if self.islands[island].people.go_on(author, &mut chance, time).is_some() {
            self.submit_last(island);
        }
    }

    /// The newest entry is submitted from now on.
    pub(super) fn submit_last(&mut self, island: usize) {
        let entry = self.islands[island].people.entries.len() - 1;
        self.at(0, Event::Submit { island, entry, tries: 0 });
    }

    pub(super) fn submit(&mut self, island: usize, entry: usize, tries: u64) {
        let held = &self.islands[island];
        let signed = &held.people.entries[entry];
        let id = signed.id();
        if held.seen.contains(&id) || held.people.is_given_up(&id) {
            return;
        }
        if !held.people.knows(signed) {
            return self.at(500, Event::Submit { island, entry, tries });
        }
        let acknowledged = held.acknowledged.iter().any(|(_, known)| *known == id);
        let drawn = [6, number(held.number), number(entry), tries];
        let mut chance = self.chance(&drawn);
        let host = chance.index(self.hosts.len());
        let waits = |ticket: &super::Ticket| {
            ticket.host == host && ticket.entry == id && ticket.waits_since.is_some()
        };
        let unknown = matches!(signed.content(), Content::Unknown(_));
        if !held.tickets.values().any(waits) && !unknown {
            let payload = held.people.payloads.get(&id).cloned();
            let bytes = signed.bytes().to_vec();
            self.knock(island, host, self.hosts[host].node, bytes, payload, Errand::Honest);
        }
        let again = match tries {
            _ if acknowledged => 20_000,
            0..=8 => chance.between(500, 3_000),
            _ => 10_000,
        };
        self.at(again, Event::Submit { island, entry, tries: tries + 1 });
    }

    /// Somebody submits an entry to a node.
    pub(super) fn knock(
        &mut self,
        island: usize,
        host: usize,
        source: NodeKey,
        bytes: Vec<u8>,
        payload: Option<Payload>,
        errand: Errand,
    ) {
        if !self.hosts[host].is_up {
            return;
        }
        let length = bytes.len();
        let entry = Box::new(Entry::parse(bytes).expect("an entry"));
        let held = &mut self.islands[island];
        let ticket = held.next_ticket;
        held.next_ticket += 1;
        held.tickets.insert(
            ticket,
            Ticket {
                host,
                source,
                entry: entry.id(),
                time: entry.header().time,
                bytes: length,
                errand,
                waits_since: None,
            },
        );
        let payload = payload.map(Box::new);
        self.give(island, host, Input::Submit { ticket, source, entry, payload });
    }

    pub(super) fn replied(&mut self, island: usize, ticket: u64, reply: Reply) {
        let Some(mut asked) = self.islands[island].tickets.remove(&ticket) else { return };
        let moment = self.hosts[asked.host].moment(self.now);
        let reply = match asked.errand {
            Errand::Forged | Errand::Rival => self.bend(island, asked.host, asked.entry, reply),
            _ => reply,
        };
        match reply {
            Reply::Waiting(_) => {
                asked.waits_since = Some(moment);
                self.islands[island].tickets.insert(ticket, asked);
                self.queues_stay_within_limits(island);
                return;
            }
            Reply::Busy => self.nobody_is_turned_away_for_others(island, &asked, moment),
            Reply::Ahead(_) if asked.time <= moment.0 + AHEAD_MS_MAX => {
                let what = format!("{} is dated {}, it is {}", asked.entry, asked.time, moment.0);
                self.violate(Invariant::HonestEntriesAreAccepted, what);
            }
            _ => {}
        }
        self.judge_reply(island, &asked, reply);
    }

    fn judge_reply(&mut self, island: usize, asked: &Ticket, reply: Reply) {
        let placed = matches!(reply, Reply::Placed(_) | Reply::Known(_));
        let refused = matches!(
            reply,
            Reply::Refused(_) | Reply::Unsound(_) | Reply::Payload | Reply::UnknownAct(_)
        );
        let what = || format!("{}: {reply:?} at host {}", asked.entry, asked.host);
        let is_lost = || {
            let people = &self.islands[island].people;
            self.hosts[asked.host].lie.is_some() && people.sinful(&asked.entry).is_some()
        };
        match asked.errand {
            // A node that denies what it has lets a restored wallet sign something else.
            Errand::Honest if placed && is_lost() => {}
            Errand::Honest if placed => {
                self.islands[island].acknowledged.insert((asked.host, asked.entry));
            }
            // Whoever has forked has lost the rest of the chain, wherever it is not held yet.
            Errand::Honest if self.is_stopped(island, asked, reply) => {}
            // Rule 25: this node holds more than the registrar has cut, and takes the cut over later.
            Errand::Honest if matches!(reply, Reply::Refused(Refusal::Held { .. })) => {}
            // Rule 15: this node holds a register that a successor has left, and takes the other over.
            Errand::Honest if self.is_torn(island, asked, reply) => {}
            // Rule 26: the same, of another branch of the chain that is cut.
            Errand::Honest if self.cuts_a_fork(island, asked, reply) => {}
            Errand::Honest if self.is_mandated(island, asked, reply) => {}
            Errand::Honest if self.cuts_a_forked_chain(island, asked, reply) => {}
            Errand::Honest if self.has_signed_twice(island, asked, reply) => {
                self.violate(Invariant::NoHonestWalletForks, what());
            }
            Errand::Honest if refused => {
                self.violate(Invariant::HonestEntriesAreAccepted, what());
            }
            // A node that lies may hold less of the chain than the honest ones: for it, what they
            // know for a second entry in one place may be the first.
            Errand::Forged if self.hosts[asked.host].lie.is_some() => {}
            Errand::Forged | Errand::Foreign if placed => {
                self.violate(Invariant::NothingForgedIsAccepted, what());
            }
            Errand::Damaged if matches!(reply, Reply::Placed(_)) => {
                self.violate(Invariant::NothingForgedIsAccepted, what());
            }
            _ if refused => self.faults.count("forged or foreign entries refused"),
            _ => {}
        }
    }

    /// Whether a revocation is refused where another branch of the revoked device is held than the
    /// quorum held that the registrar had asked: only of one that has written twice in one place.
    fn cuts_a_fork(&self, island: usize, asked: &Ticket, reply: Reply) -> bool {
        let people = &self.islands[island].people;
        let act = people.find(&asked.entry).map(|entry| entry.content());
        let Some(Content::Known(Act::Revoke(revoke))) = act else { return false };
        let revoked = people.register().record(revoke.device);
        let has_forked = revoked.is_some_and(|record| people.has_forked(&record.key));
        has_forked && reply == Reply::Refused(Refusal::CutRoot)
    }

    /// Whether an entry is refused because its device has forked.
    fn is_stopped(&self, island: usize, asked: &Ticket, reply: Reply) -> bool {
        let people = &self.islands[island].people;
        let entry = people.find(&asked.entry);
        let crook = entry.is_some_and(|entry| people.is_crook(&entry.header().device));
        crook && matches!(reply, Reply::Refused(Refusal::Frozen { .. } | Refusal::Fork { .. }))
    }
}
