//! Decisions that the registrar carries out once enough nodes stand still: where it asks them, and how
//! it finds the cut, is as in `talea` (`talea_tools::ending`).
//!
//! What is special to removals is in `world/removals`, to hand-overs in `world/handovers`.

use talea_ledger::place::Refusal;
use talea_ledger::register::Office;
use talea_ledger::replica::Reply;
use talea_node::http::forks::told;
use talea_protocol::act::Effect;
use talea_protocol::cut::Cut;
use talea_tools::ending::{self, Chain};
use talea_tools::heads::Head;

use super::wallets::{Errand, Ticket};
use super::{Event, World, number};
use crate::people::Mandate;

/// How often the registrar asks how the nodes stand, in ms.
const ASK_MS: u64 = 500;

impl World {
    /// Members decide, and the registrar is to carry it out; `None` if there is no majority.
    pub(super) fn mandate(&mut self, island: usize, effect: &Effect) -> Option<usize> {
        let before = self.islands[island].people.entries.len();
        let decided = self.islands[island].people.decide_on(effect, self.now);
        for entry in before..self.islands[island].people.entries.len() {
            self.at(0, Event::Submit { island, entry, tries: 0 });
        }
        let Some(decision) = decided else {
            self.faults.count("decisions that found no majority");
            return None;
        };
        let mandate = Mandate { effect: effect.clone(), decision, astray: Vec::new() };
        self.statements += 1;
        self.islands[island].mandates.push(mandate);
        let mandate = self.islands[island].mandates.len() - 1;
        self.at(ASK_MS, Event::Mandate { island, mandate });
        Some(mandate)
    }

    /// The next step of a mandate, if its time has come.
    pub(super) fn go_on_mandate(&mut self, island: usize, place: usize) {
        if self.is_carried_out(island, place) {
            self.statements -= 1;
            return self.go_astray(island, place, |_| true);
        }
        self.at(ASK_MS, Event::Mandate { island, mandate: place });
    }

    fn is_carried_out(&mut self, island: usize, place: usize) -> bool {
        let mandate = self.islands[island].mandates[place].clone();
        let people = &self.islands[island].people;
        if people.register().executed(&mandate.decision) {
            return true;
        }
        let register = people.register();
        let has_gone = |holder| !register.is_member(holder, register.head().0);
        // Nobody stands still for somebody who has gone, and `talea` refuses to hand over to it.
        let is_vain = matches!(mandate.effect, Effect::Appoint(_, holder) if has_gone(holder));
        if is_vain || !people.orders(&mandate.decision, &mandate.effect) {
            self.faults.count("decisions that come to nothing");
            return true;
        }
        // `talea` knows of decisions from a node's export: one that no node has settled may wait for
        // what waits for this entry.
        let settles = |host: &usize| {
            let replica = self.islands[island].replicas[*host].as_ref();
            replica.is_some_and(|it| it.state().votes().order(&mandate.decision).is_some())
        };
        if !self.honest().iter().any(settles) {
            return false;
        }
        let devices = people.concerned(&mandate.effect);
        let role = match mandate.effect {
            Effect::Appoint(office, _) => Some(office),
            _ => None,
        };
        if let Some((device, seq)) = self.open_fork(island, &devices) {
            return self.heal_first(island, device, seq);
        }
        let Some(cut) = self.cut_as_told(island, &devices, role) else { return false };
        let (now, people) = (self.now, &mut self.islands[island].people);
        people.carry_out(&mandate, cut.clone(), now);
        self.submit_last(island);
        if let Effect::Appoint(office, _) = mandate.effect {
            self.relieve(island, office, &devices, &cut);
        } else {
            self.faults.count("members removed");
        }
        // A void one changes nothing: its successor has gone meanwhile.
        !self.islands[island].people.register().executed(&mandate.decision)
    }

    /// The cut of these chains as the registrar's wallet finds it from what honest nodes say that
    /// answer now.
    fn cut_as_told(&self, island: usize, devices: &[u32], role: Option<Office>) -> Option<Cut> {
        let held = &self.islands[island];
        let loss = if self.calm { 0 } else { self.scenario.loss };
        let mut chance = self.chance(&[11, number(held.number), self.now]);
        let mut heard = self.honest();
        heard.retain(|host| self.hosts[*host].is_up && !chance.percent(loss));
        let register = held.people.register();
        let chains: Option<Vec<Chain>> = devices
            .iter()
            .map(|device| {
                let key = register.record(*device)?.key.to_string();
                let head = |host: &usize| {
                    let (replica, node) = (held.replicas[*host].as_ref()?, self.hosts[*host].node);
                    let told = told(replica, &key, &node);
                    let head = told.and_then(|told| serde_json::from_value(told).ok());
                    Some(self.overstate(head.unwrap_or_else(|| Head::nothing(node))))
                };
                Some(Chain { device: *device, heads: heard.iter().filter_map(head).collect() })
            })
            .collect();
        ending::cut(register, &chains?, role).ok()
    }

    /// Whoever loses by a mandate submits to these nodes what it has signed.
    pub(super) fn go_astray(
        &mut self,
        island: usize,
        place: usize,
        is_asked: impl Fn(usize) -> bool,
    ) {
        let astray = self.islands[island].mandates[place].astray.clone();
        for host in 0..self.hosts.len() {
            let it = &self.hosts[host];
            let (source, asked) = (it.node, is_asked(it.number));
            for entry in astray.iter().filter(|_| asked) {
                self.knock(island, host, source, entry.bytes().to_vec(), None, Errand::Forked);
            }
        }
    }

    /// Whether a node has not settled the decision yet that a register entry carries out, or an
    /// entry is for a role that is handed over.
    pub(super) fn is_mandated(&self, island: usize, asked: &Ticket, reply: Reply) -> bool {
        match reply {
            Reply::Refused(Refusal::Undecided { decision }) => {
                let mandates = &self.islands[island].mandates;
                mandates.iter().any(|mandate| mandate.decision == decision)
            }
            Reply::Refused(refusal) => self.is_relieved(island, asked, refusal),
            _ => false,
        }
    }
}
