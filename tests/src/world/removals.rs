//! Members that are removed by decision, and write on with all their devices: at some nodes at once,
//! and everywhere when all is over.

use talea_ledger::place::Refusal;
use talea_ledger::replica::Reply;
use talea_protocol::act::{Act, Content, Effect};
use talea_protocol::charter::Member;

use super::links::has;
use super::scenario::{Lie, Scenario, Step, What};
use super::wallets::Ticket;
use super::{World, number};
use crate::chance::Chance;

/// The bit of a mask by which whoever is removed gives the other nodes another branch.
const FORKS: usize = 40;

impl Scenario {
    /// Where another cooperative is kept nothing is waited for.
    pub(super) fn draw_removal(&mut self, chance: &mut Chance) {
        if self.island || !chance.percent(15) {
            return;
        }
        let garbage = self.liars.iter().any(|(_, lie)| matches!(lie, Lie::Garbage(_)));
        let (author, entries) = (chance.number(), chance.between(1, 4));
        let forks = u64::from(self.faulty > 0 || !garbage) << FORKS;
        let mask = chance.number() & (!(1 << FORKS) | forks);
        let at = chance.below(self.storm);
        self.steps.push(Step { at, what: What::Removal { author, mask, entries } });
    }
}

impl World {
    /// The others decide that a member without a role goes. It writes on with every device.
    pub(super) fn remove(&mut self, author: u64, mask: u64, count: u64) {
        let Some(island) = self.island(0) else { return };
        let (now, people) = (self.now, &self.islands[island].people);
        let authors = number(people.authors.len());
        let by = usize::try_from(author % authors).expect("few");
        let Some(devices) = people.plain_member(by) else { return };
        if devices.iter().any(|device| people.authors[*device].is_silent) {
            return;
        }
        let effect = Effect::Remove(Member(people.authors[by].member));
        let Some(place) = self.mandate(island, &effect) else { return };
        let people = &mut self.islands[island].people;
        let mut branches = [Vec::new(), Vec::new()];
        for device in devices {
            branches[0].extend(people.steal(device, count, now));
            if has(mask, FORKS) {
                branches[1].extend(people.steal(device, count, now + 1));
            }
        }
        let [one, other] = branches;
        self.islands[island].mandates[place].astray = other;
        self.go_astray(island, place, |node| !has(mask, node));
        self.islands[island].mandates[place].astray = one;
        self.go_astray(island, place, |node| has(mask, node));
    }

    /// Whether a removal or a hand-over is refused where another branch of a chain that it cuts is held
    /// than the nodes held that the registrar had asked: only of a device that has written twice in
    /// one place.
    pub(super) fn cuts_a_forked_chain(&self, island: usize, asked: &Ticket, reply: Reply) -> bool {
        let people = &self.islands[island].people;
        let act = people.find(&asked.entry).map(|entry| entry.content());
        let cut = match act {
            Some(Content::Known(Act::Remove(it))) => &it.cut,
            Some(Content::Known(Act::HandOver(it))) => &it.cut,
            _ => return false,
        };
        let mut devices = (0_u32..).zip(people.register().devices());
        let has_forked = devices
            .any(|(device, record)| cut.length(device) > 0 && people.has_forked(&record.key));
        has_forked && reply == Reply::Refused(Refusal::CutRoot)
    }
}
