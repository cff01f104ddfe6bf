//! Which chains this node gives no new place, and why: rules 21 and 25 to 28.
//!
//! Freezing is what one node does by itself, as soon as it has placed the ground for it; nothing
//! that is settled is touched by it. It makes room for a cut behind which nothing can settle any
//! more: by the time the cut comes, enough nodes have stood still. Design's model, section 7.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::act::{Act, Content, Effect};
use talea_protocol::charter::{Member, Roster};
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::Entry;
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::recovery::{Call, Heal, Report};

use crate::heal::{self, HealFault};
use crate::place::{Cause, Places, Refusal, office};
use crate::register::{Office, Register};
use crate::state::State;

/// A proven fork that no heal has ended yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Open {
    /// The proof.
    pub fork: Fork,
    /// Its leaf in this node's log.
    pub leaf: u64,
}

/// The chains that stand still here.
#[derive(Clone, Debug, Default)]
pub struct Freezes {
    forks: BTreeMap<u32, Open>,
    reports: BTreeMap<u32, u32>,
    leaving: BTreeSet<Member>,
    /// Settled heals by device and place, with the branch that goes on.
    heals: BTreeMap<(u32, u32), Option<EntryId>>,
    calls: BTreeMap<Call, BTreeSet<Member>>,
    /// The member whose register stands still, and who shall go on.
    succession: Option<(Member, Member)>,
}

impl Freezes {
    /// Whether a chain stands still before its next place: rule 21.
    ///
    /// # Errors
    /// [`Refusal::Frozen`].
    pub fn ask(
        &self,
        register: &Register,
        places: &Places,
        state: &State,
        device: u32,
        entry: &Entry,
    ) -> Result<(), Refusal> {
        let next = u32::try_from(places.chain(device).len()).unwrap_or(u32::MAX);
        // A healed place is for whom the heal adopts, whoever comes first.
        let other = |adopted: &Option<EntryId>| *adopted != Some(entry.id());
        let healed = self.heals.get(&(device, next)).filter(|adopted| other(adopted));
        if healed.is_some() {
            return Err(Refusal::Frozen { from: next, cause: Cause::Fork });
        }
        match self.stands(register, state, device, next, entry.content()) {
            Some((from, cause)) => Err(Refusal::Frozen { from, cause }),
            None => Ok(()),
        }
    }

    /// Whether what a register entry ends, heals or carries out may be so here: rules 25 to 28.
    /// `is_borne` says that [`logs_needed`](heal::logs_needed) logs hold it, so that nothing behind
    /// its cut can ever settle.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn ask_ground(
        register: &Register,
        places: &Places,
        state: &State,
        entry: &Entry,
        is_borne: bool,
    ) -> Result<(), Refusal> {
        let Content::Known(act) = entry.content() else { return Ok(()) };
        if let Some((office, devices, cut)) = ending(register, act) {
            if !is_borne {
                for device in &devices {
                    nothing_behind(register, places, office, *device, cut)?;
                }
            }
            fits(register, places, &devices, cut)?;
        }
        if let Act::Heal(heal) = act {
            if register.healed(heal.device, heal.seq).is_some() {
                return Err(HealFault::Healed.into());
            }
            heal::examine(register, heal)?;
        }
        match act {
            Act::Remove(it) if !state.backs(act) => {
                Err(Refusal::Undecided { decision: it.decision })
            }
            Act::HandOver(it) if !state.backs(act) => {
                Err(Refusal::Undecided { decision: it.decision })
            }
            Act::Welcome(it) if !state.backs(act) => {
                Err(Refusal::Undecided { decision: it.decision })
            }
            Act::Reform(it) if !state.backs(act) => {
                Err(Refusal::Undecided { decision: it.decision })
            }
            Act::Reform(it) => Self::ask_roster(register, &it.roster),
            _ => Ok(()),
        }
    }

    /// Whether these nodes may be the next roster's: rule 28, whatever was decided.
    ///
    /// # Errors
    /// [`Refusal::Returning`], [`Refusal::Staying`].
    pub fn ask_roster(register: &Register, roster: &Roster) -> Result<(), Refusal> {
        match (register.returning(roster), staying(register, roster)) {
            (Some(node), _) => Err(Refusal::Returning { node }),
            (None, Some(node)) => Err(Refusal::Staying { node }),
            (None, None) => Ok(()),
        }
    }

    /// Whether a cut leaves out something that the logs of an earlier roster hold: rule 25. `held`
    /// says up to which length they hold entries of a device, of one role if there is one.
    ///
    /// # Errors
    /// [`Refusal::Held`].
    pub fn ask_locks(
        register: &Register,
        entry: &Entry,
        held: impl Fn(u32, Option<Office>) -> u32,
    ) -> Result<(), Refusal> {
        let Content::Known(act) = entry.content() else { return Ok(()) };
        let Some((role, devices, cut)) = ending(register, act) else { return Ok(()) };
        for device in devices {
            let (length, held) = (cut.length(device), held(device, role));
            let writes = register.record(device).is_some_and(|it| it.end.is_none());
            if writes && held > length {
                return Err(Refusal::Held { device, length, held });
            }
        }
        Ok(())
    }

    /// Since which place, and why, a chain is given no place for such an act.
    fn stands(
        &self,
        register: &Register,
        state: &State,
        device: u32,
        next: u32,
        content: &Content,
    ) -> Option<(u32, Cause)> {
        if let Some(open) = self.forks.get(&device) {
            let from = seq(&open.fork);
            return (next >= from).then_some((from, Cause::Fork));
        }
        if let Some(from) = self.reports.get(&device) {
            return Some((*from, Cause::Report));
        }
        let member = register.record(device)?.member;
        if self.leaving.contains(&member) {
            return Some((next, Cause::Leave));
        }
        let office = office(content);
        let called = self.succession.filter(|(registrar, _)| *registrar == member);
        if office == Some(Office::Registrar) && called.is_some() {
            return Some((next, Cause::Succession));
        }
        let removed = |effect: &Effect| *effect == Effect::Remove(member);
        if open_orders(register, state).any(removed) {
            return Some((next, Cause::Removal));
        }
        let relieved =
            office.is_some_and(|it| Self::relieved(register, state, device).contains(&it));
        relieved.then_some((next, Cause::HandOver))
    }

    /// The roles for which a chain is given no place here, although it goes on: a settled decision
    /// gives them to others, and no register entry has carried it out.
    #[must_use]
    pub fn relieved(register: &Register, state: &State, device: u32) -> Vec<Office> {
        let Some(member) = register.record(device).map(|record| record.member) else {
            return Vec::new();
        };
        let holds = |it: Office| register.holder(it, register.head().0) == member;
        let given = |effect: &Effect| match effect {
            Effect::Appoint(it @ (Office::Treasurer | Office::Distributor), _) => {
                holds(*it).then_some(*it)
            }
            _ => None,
        };
        let mut roles: Vec<Office> = open_orders(register, state).filter_map(given).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// A fork is proven: its chain stands still from its place on. `false` if it did already.
    pub fn fork(&mut self, device: u32, open: Open) -> bool {
        let held = self.forks.get(&device).map(|held| held.fork.seq());
        if held.is_some_and(|held| held <= open.fork.seq()) {
            return false;
        }
        self.forks.insert(device, open);
        true
    }

    /// An entry got its place: what stands still by it, or moves again.
    pub fn placed(&mut self, register: &Register, places: &Places, device: u32, entry: &Entry) {
        let (Content::Known(act), Some(author)) = (entry.content(), register.record(device)) else {
            return;
        };
        match act {
            Act::Report(report) if grounded(register, author.member, report, entry) => {
                let from = u32::try_from(places.chain(report.device).len()).unwrap_or(u32::MAX);
                self.reports.entry(report.device).or_insert(from);
            }
            Act::Leave => {
                self.leaving.insert(author.member);
            }
            Act::Call(call) => self.called(register, author.member, *call),
            // A fork stays: what this log has said of its place binds it. A void one ends nothing.
            Act::Revoke(it) if register.record(it.device).is_some_and(|it| it.end.is_some()) => {
                self.reports.remove(&it.device);
            }
            Act::Succeed(_) if register.fault(register.head().0).is_none() => {
                self.succession = None;
            }
            _ => {}
        }
    }

    /// A heal is settled: its chain moves again, unless it has a fork in another place. The first
    /// heal of a place counts.
    pub fn healed(&mut self, heal: &Heal) {
        self.heals.entry((heal.device, heal.seq)).or_insert(heal.adopt);
        let here = |open: &Open| seq(&open.fork) == heal.seq;
        if self.forks.get(&heal.device).is_some_and(here) {
            self.forks.remove(&heal.device);
        }
    }

    /// The branch that a settled heal adopts in a place, or none; nothing if no heal is settled.
    #[must_use]
    pub fn adopted(&self, device: u32, seq: u32) -> Option<Option<EntryId>> {
        self.heals.get(&(device, seq)).copied()
    }

    fn called(&mut self, register: &Register, caller: Member, call: Call) {
        let Some(at) = register.number(&call.at) else { return };
        let is_sound = register.examine_call(at, &call).is_ok() && register.is_member(caller, at);
        // What comes after the succession that it called for stops no successor.
        if !is_sound || !register.keeps_registrar(at) {
            return;
        }
        let callers = self.calls.entry(call).or_default();
        callers.insert(caller);
        if callers.len() >= register.calls_needed(at) {
            let registrar = register.holder(Office::Registrar, register.head().0);
            self.succession = Some((registrar, call.successor));
        }
    }

    /// Forks that no heal has ended.
    pub fn forks(&self) -> impl Iterator<Item = (u32, &Open)> {
        self.forks.iter().map(|(device, open)| (*device, open))
    }

    /// The fork of a chain, if it has one that is open.
    #[must_use]
    pub fn forked(&self, device: u32) -> Option<&Open> {
        self.forks.get(&device)
    }

    /// Who shall go on with the register, if it stands still for that.
    #[must_use]
    pub fn successor(&self) -> Option<Member> {
        self.succession.map(|(_, successor)| successor)
    }

    /// The devices that are reported lost or stolen and not revoked.
    pub fn reported(&self) -> impl Iterator<Item = u32> {
        self.reports.keys().copied()
    }
}

/// What settled decisions order and nobody has carried out yet. To appoint somebody who has gone is
/// an order no more: nothing carries it out, and the role would stand still for ever.
fn open_orders<'a>(register: &'a Register, state: &'a State) -> impl Iterator<Item = &'a Effect> {
    let at = register.head().0;
    let is_open = move |(decision, effect): &(&EntryId, &Effect)| {
        let has_gone = matches!(effect, Effect::Appoint(_, it) if !register.is_member(*it, at));
        !register.executed(decision) && !has_gone
    };
    state.votes().orders().filter(is_open).map(|(_, effect)| effect)
}

/// Whether a report counts, and its device has not ended meanwhile.
fn grounded(register: &Register, author: Member, report: &Report, entry: &Entry) -> bool {
    let at = register.number(&entry.header().basis);
    let writes = register.record(report.device).is_some_and(|record| record.end.is_none());
    writes && at.is_some_and(|at| register.examine_report(author, report, at).is_ok())
}

/// A node that stays although receipts of its log may be shown by others (leaves of kind 8): they do
/// not say for which roster they stand. Where nobody lies they are true; after the first change none
/// count.
fn staying(register: &Register, roster: &Roster) -> Option<NodeKey> {
    let old = register.roster();
    let may_be_shown = old.faulty > 0 && register.rosters().len() == 1;
    let mut nodes = roster.nodes.iter().filter(|_| may_be_shown);
    nodes.find(|node| old.nodes.contains(node)).copied()
}

/// The place of a fork; chains are shorter than 2^32 entries.
fn seq(fork: &Fork) -> u32 {
    u32::try_from(fork.seq()).unwrap_or(u32::MAX)
}

/// Which chains a register entry ends, for one role or for everything, and its cut.
fn ending<'a>(register: &Register, act: &'a Act) -> Option<(Option<Office>, Vec<u32>, &'a Cut)> {
    let all = |member| register.devices_of(member).map(|(device, _)| device).collect();
    match act {
        Act::Revoke(it) => Some((None, vec![it.device], &it.cut)),
        Act::Depart(it) => Some((None, all(it.member), &it.cut)),
        Act::Remove(it) => Some((None, all(it.member), &it.cut)),
        // The register has one writer at each number: its hand-over needs no cut.
        Act::HandOver(it) if it.office != Office::Registrar => {
            let at = register.head().0;
            let spender = register.spender(register.holder(it.office, at), at);
            Some((Some(it.office), spender.into_iter().collect(), &it.cut))
        }
        _ => None,
    }
}

/// Rule 25: nothing behind the cut is here.
fn nothing_behind(
    register: &Register,
    places: &Places,
    office: Option<Office>,
    device: u32,
    cut: &Cut,
) -> Result<(), Refusal> {
    let length = cut.length(device);
    let ended = register.record(device).is_some_and(|record| record.end.is_some());
    let held = office.map_or_else(
        || u32::try_from(places.chain(device).len()).unwrap_or(u32::MAX),
        |office| places.served(device, office),
    );
    if held > length && !ended { Err(Refusal::Held { device, length, held }) } else { Ok(()) }
}

/// Rule 26: what is here is the cut's.
fn fits(register: &Register, places: &Places, devices: &[u32], cut: &Cut) -> Result<(), Refusal> {
    let mut root = CutRoot::new();
    let mut whole = true;
    for device in devices.iter().copied() {
        let length = cut.length(device);
        let (Some(record), Some(last)) = (register.record(device), length.checked_sub(1)) else {
            continue;
        };
        match places.at(device, last) {
            Some(place) => root.add(&record.key, length, &place.id),
            None => whole = false,
        }
    }
    if whole && root.finish() != cut.root { Err(Refusal::CutRoot) } else { Ok(()) }
}
