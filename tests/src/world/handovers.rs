//! Roles that go over to somebody else by decision, while what the old holder has written for them is
//! on its way. Some old holders write on for the role, at some nodes and then everywhere.

use talea_ledger::place::{self, Cause, Refusal};
use talea_ledger::register::Office;
use talea_protocol::act::Effect;
use talea_protocol::cut::Cut;

use super::invariants::Invariant;
use super::links::has;
use super::scenario::{Scenario, Step, What};
use super::wallets::Ticket;
use super::{World, number};
use crate::chance::Chance;

/// The bit of a word by which the old holder writes on.
const GOES_ON: usize = 40;

impl Scenario {
    /// Where another cooperative is kept nothing is waited for.
    pub(super) fn draw_hand_over(&mut self, chance: &mut Chance) {
        if self.island || !chance.percent(20) {
            return;
        }
        for _ in 0..chance.between(1, 2) {
            let (role, author, word) = (chance.below(2), chance.number(), chance.number());
            let at = chance.below(self.storm);
            self.steps.push(Step { at, what: What::HandOver { role, author, word } });
        }
    }
}

impl World {
    /// The members appoint another treasurer or distributor.
    pub(super) fn hand_over(&mut self, role: u64, author: u64, word: u64) {
        let Some(island) = self.island(0) else { return };
        let office = if role == 0 { Office::Treasurer } else { Office::Distributor };
        let people = &self.islands[island].people;
        let is_under_way = self.islands[island].mandates.iter().any(|it| {
            matches!(it.effect, Effect::Appoint(of, _) if of == office)
                && !people.register().executed(&it.decision)
        });
        let author = usize::try_from(author % number(people.authors.len())).expect("few");
        let Some(holder) = people.successor(office, author).filter(|_| !is_under_way) else {
            return;
        };
        let Some(place) = self.mandate(island, &Effect::Appoint(office, holder)) else { return };
        let people = &mut self.islands[island].people;
        let old = people.concerned(&Effect::Appoint(office, holder));
        let Some(old) = old.first().and_then(|it| usize::try_from(*it).ok()) else { return };
        if people.is_registrar(old) {
            return people.refrain(office);
        }
        if office == Office::Treasurer && has(word, GOES_ON) && !people.authors[old].is_silent {
            let astray = people.book_astray(old, 3, self.now);
            self.islands[island].mandates[place].astray = astray;
            self.go_astray(island, place, |node| has(word, node));
            self.faults.count("treasurers that book on");
        }
    }

    /// The role is handed over at this cut. What the old holder wrote for it behind the cut has no
    /// place, and nothing after it in the same chain.
    pub(super) fn relieve(&mut self, island: usize, office: Office, devices: &[u32], cut: &Cut) {
        self.faults.count("roles handed over");
        for device in devices.iter().copied() {
            let author = usize::try_from(device).expect("few");
            let length = usize::try_from(cut.length(device)).expect("short");
            let people = &mut self.islands[island].people;
            if let Some(from) = people.served_from(author, length, office) {
                people.authors[author].is_silent = true;
                people.give_up(author, from);
                self.faults.count("chains that an act in flight for a role blocks");
            }
        }
    }

    /// Whether an entry for a role is refused because the role is handed over.
    pub(super) fn is_relieved(&self, island: usize, asked: &Ticket, refusal: Refusal) -> bool {
        let held = &self.islands[island];
        let cause = matches!(
            refusal,
            Refusal::Frozen { cause: Cause::HandOver, .. } | Refusal::Behind { .. }
        );
        let content = held.people.find(&asked.entry).map(|entry| entry.content());
        let office = content.and_then(place::office);
        let is_about =
            |effect: &Effect| matches!(effect, Effect::Appoint(of, _) if Some(*of) == office);
        cause && held.mandates.iter().any(|mandate| is_about(&mandate.effect))
    }

    /// Nothing is settled that an old holder has written for its role behind the cut.
    pub(super) fn nothing_serves_behind_a_cut(
        &self,
        island: usize,
        host: usize,
    ) -> Result<(), (Invariant, String)> {
        let held = &self.islands[island];
        let Some(replica) = &held.replicas[host] else { return Ok(()) };
        let Some(register) = replica.register() else { return Ok(()) };
        for office in [Office::Treasurer, Office::Distributor] {
            for term in register.terms_of(office) {
                let Some((device, length)) = term.before else { continue };
                let chain = replica.state().chains().ids(device).iter();
                for id in chain.skip(usize::try_from(length).expect("short")) {
                    let entry = held.people.find(id).expect("somebody has signed it");
                    let basis = register.number(&entry.header().basis);
                    let serves = place::office(entry.content()) == Some(office);
                    if serves && basis.is_some_and(|basis| basis < term.number) {
                        let what =
                            format!("{id} of device {device} at host {host}, cut at {length}");
                        return Err((Invariant::NothingSettlesBehindACut, what));
                    }
                }
            }
        }
        Ok(())
    }
}
