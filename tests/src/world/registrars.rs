//! A registrar that writes two registers, and the members who call for another one.
//!
//! The successor goes on from where `talea` does (`talea_tools::succession`). Where two registers
//! are held by so many each that neither can settle, no succession gets through: then the register
//! stands still for ever, and the world says so (the ledger's README, section 8, "Succession").

use talea_ledger::place::Refusal;
use talea_ledger::replica::{Replica, Reply};
use talea_protocol::act::{Act, Content};
use talea_protocol::entry::{Entry, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;
use talea_protocol::recovery::Call;
use talea_tools::succession::{self, Report};

use super::canary::Canary;
use super::invariants::{Checked, Invariant};
use super::links::has;
use super::wallets::{Errand, Ticket};
use super::{Event, World, number};
use crate::chance::Chance;
use crate::people::Numbered;

/// How often the successor asks how the nodes stand, in ms.
const ASK_MS: u64 = 500;
/// How often it asks, once everything is whole again, before it gives up: a minute.
const PATIENCE: u64 = 120;
/// The bit of the mask from which on nodes do not hear of the first entries at all: two bits each.
const DEAF: usize = 20;

/// A register that was written twice.
pub(super) struct Torn {
    /// The device that has.
    registrar: usize,
    /// Its next place, of which there are two.
    place: (DeviceKey, u64),
    /// Both.
    branches: [Vec<Numbered>; 2],
    mask: u64,
    /// The device of the member who shall go on.
    successor: usize,
    /// When the members call.
    due: u64,
    /// Draws who does.
    dice: u64,
    /// How far it is.
    stage: Stage,
    /// How often it was asked since everything is whole again.
    asked: u64,
}

/// How far a succession is.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Stage {
    /// Nobody has said anything.
    Written,
    /// These have called, for this.
    Called(Call, Vec<usize>),
    /// Another goes on with the register; the old one's chain is to be healed.
    Heals,
    /// Nothing more is to come, and somebody writes the register.
    Over,
    /// Nothing more is to come, and nobody does.
    ForEver,
}

/// What the standing nodes' reports leave.
enum Ground {
    /// The register goes on behind so many entries of this branch.
    At(usize, usize),
    /// That cannot be said yet.
    Open,
    /// Neither can settle.
    None,
}

impl World {
    /// The registrar writes two registers, one for some nodes, the other for the rest.
    pub(super) fn tear(&mut self, mask: u64, lengths: [u64; 2], after: u64, dice: u64) {
        let Some(island) = self.island(0) else { return };
        let (now, people) = (self.now, &mut self.islands[island].people);
        let (registrar, mut chance) = (people.registrar(), Chance::new(dice));
        let is_silent = people.authors[registrar].is_silent;
        let is_under_way = |it: &Torn| it.stage != Stage::Over;
        if is_silent || self.calm || self.islands[island].torn.last().is_some_and(is_under_way) {
            return;
        }
        let people = &mut self.islands[island].people;
        let Some(successor) = people.next_registrar(&mut chance) else { return };
        let header = people.header(registrar, now);
        let place = (header.device, header.seq);
        let branches = people.two_registers(lengths, &mut chance, now);
        self.faults.count("registers written twice");
        let (stage, asked, due) = (Stage::Written, 0, now + after);
        let torn = Torn { registrar, place, branches, mask, successor, due, dice, stage, asked };
        self.islands[island].torn.push(torn);
        self.statements += 1;
        self.at(0, Event::Register { island });
    }

    /// Whether nobody writes the register.
    pub(super) fn is_leaderless(&self, island: usize) -> bool {
        let last = self.islands[island].torn.last().map(|it| &it.stage);
        matches!(last, Some(Stage::Written | Stage::Called(..) | Stage::ForEver))
    }

    /// Whether nobody ever will.
    pub(super) fn is_leaderless_for_ever(&self, island: usize) -> bool {
        self.islands[island].torn.last().is_some_and(|it| it.stage == Stage::ForEver)
    }

    /// Whether too much would stop if this author were silent.
    pub(super) fn is_needed(&self, island: usize, author: usize) -> bool {
        let held = &self.islands[island];
        let called = held.torn.last().filter(|it| it.stage != Stage::Over);
        author == held.people.registrar() || called.is_some_and(|it| it.successor == author)
    }

    /// The next step of a register that was written twice.
    pub(super) fn go_on_with_register(&mut self, island: usize) {
        let Some(torn) = self.islands[island].torn.last_mut() else { return };
        torn.asked += u64::from(self.calm);
        let next = match torn.stage.clone() {
            Stage::Written if self.now < torn.due => self.show_branches(island),
            Stage::Written => self.call(island),
            Stage::Called(call, by) => self.succeed(island, call, &by),
            Stage::Heals => self.heal_old_chain(island),
            Stage::Over | Stage::ForEver => return,
        };
        let is_over = matches!(next, Some(Stage::Over | Stage::ForEver));
        if let (Some(stage), Some(torn)) = (next, self.islands[island].torn.last_mut()) {
            torn.stage = stage;
        }
        if is_over {
            self.statements -= 1;
        } else {
            self.at(ASK_MS, Event::Register { island });
        }
    }

    /// Both branches are submitted, each to its nodes.
    fn show_branches(&mut self, island: usize) -> Option<Stage> {
        let torn = self.islands[island].torn.last()?;
        let (bytes, mask) = (torn.branches.each_ref().map(|it| all_bytes(it)), torn.mask);
        for host in 0..self.hosts.len() {
            let it = &self.hosts[host];
            let is_deaf = has(mask, DEAF + 2 * it.number) && has(mask, DEAF + 1 + 2 * it.number);
            let side = it.is_twin || (it.lie.is_none() && has(mask, it.number));
            let source = it.node;
            if !is_deaf || it.lie.is_some() {
                for bytes in bytes[usize::from(side)].clone() {
                    self.knock(island, host, source, bytes, None, Errand::Rival);
                }
            }
        }
        None
    }

    /// Enough members call for another registrar, if so many can write.
    fn call(&mut self, island: usize) -> Option<Stage> {
        let (now, held) = (self.now, &mut self.islands[island]);
        let torn = held.torn.last()?;
        let (successor, mut chance) = (torn.successor, Chance::of(torn.dice, &[1]));
        let mut by = held.people.callers();
        let (at, _) = held.people.register().head();
        let needed = held.people.register().calls_needed(at);
        if by.len() < needed {
            self.faults.count("registers that too few can call about");
            return Some(Stage::ForEver);
        }
        chance.shuffle(&mut by);
        by.truncate(needed + chance.index(by.len() - needed + 1));
        let call = held.people.calling_for(successor);
        for author in by.clone() {
            self.islands[island].people.call(author, call, now);
            self.submit_last(island);
        }
        self.faults.count("successors called for");
        self.usurp(island, call, &by, &mut chance);
        Some(Stage::Called(call, by))
    }

    /// Now and then somebody else takes the register, with one word too few.
    fn usurp(&mut self, island: usize, call: Call, by: &[usize], chance: &mut Chance) {
        let (at, _) = self.islands[island].people.register().head();
        let needed = self.islands[island].people.register().calls_needed(at);
        let others = self.islands[island].people.callers();
        let author = others.into_iter().find(|it| !self.is_needed(island, *it));
        let Some(author) = author.filter(|_| chance.percent(30)) else { return };
        let (now, people) = (self.now, &mut self.islands[island].people);
        let own = Call { successor: people.calling_for(author).successor, ..call };
        let entry = people.usurp(author, own, &by[..needed - 1], now);
        self.faults.count("registers taken with too few words");
        for host in 0..self.hosts.len() {
            let (source, bytes) = (self.hosts[host].node, entry.bytes().to_vec());
            self.knock(island, host, source, bytes, None, Errand::Forged);
        }
    }

    /// The successor goes on with the register, as soon as enough nodes stand still.
    fn succeed(&mut self, island: usize, call: Call, by: &[usize]) -> Option<Stage> {
        let (branch, length) = match self.ground(island, call) {
            Ground::At(branch, length) => (branch, length),
            Ground::Open => return None,
            Ground::None => {
                self.faults.count("registers torn for ever");
                return Some(Stage::ForEver);
            }
        };
        let (now, held) = (self.now, &mut self.islands[island]);
        let torn = held.torn.last_mut()?;
        let adopted = torn.branches[branch].drain(..length).collect();
        let (successor, heals) = (torn.successor, torn.dice.is_multiple_of(2));
        held.people.adopt(adopted);
        held.people.succeed(successor, call, by, now);
        self.submit_last(island);
        self.faults.count("registers that a successor goes on with");
        self.faults.add("register entries adopted", number(length));
        Some(if heals { Stage::Heals } else { Stage::Over })
    }

    /// From where the register may go on, by what honest nodes report that stand still, durably.
    fn ground(&self, island: usize, call: Call) -> Ground {
        let Some(torn) = self.islands[island].torn.last() else { return Ground::Open };
        let held = &self.islands[island];
        let honest = self.honest();
        let report = |host: &usize| {
            let line = line(held.replicas[*host].as_ref()?, call)?;
            Some(Report { node: self.hosts[*host].node, line })
        };
        let reports: Vec<Report> = honest.iter().filter_map(report).collect();
        let mut roster = held.people.register().roster().clone();
        if self.canary == Some(Canary::HastySuccessor) {
            roster.quorum = 1;
        }
        match succession::ground(&roster, &reports) {
            Ok(ground) => {
                let is_in = |branch: &&Vec<Numbered>| {
                    let ids = branch.iter().map(|it| it.entry.id());
                    ground.iter().copied().eq(ids.take(ground.len()))
                };
                let branch = torn.branches.iter().position(|it| is_in(&it)).expect("one of two");
                Ground::At(branch, ground.len())
            }
            Err(_) if reports.len() == honest.len() && torn.asked > PATIENCE => Ground::None,
            Err(_) => Ground::Open,
        }
    }

    /// The successor heals the old registrar's chain, where that is allowed.
    fn heal_old_chain(&mut self, island: usize) -> Option<Stage> {
        let torn = self.islands[island].torn.last()?;
        let device = u32::try_from(torn.registrar).expect("few");
        let (asked, seq) = (torn.asked, u32::try_from(torn.place.1).expect("short"));
        if self.islands[island].people.register().healed(device, seq).is_some() {
            return Some(Stage::Over);
        }
        let is_over = match self.open_fork(island, &[device]) {
            Some((device, seq)) => self.heal_first(island, device, seq),
            None => asked > PATIENCE,
        };
        is_over.then_some(Stage::Over)
    }

    /// How far the registers are that were written twice, and the chains that are to end.
    pub(super) fn report_registers(&self, island: usize) -> String {
        let held = &self.islands[island];
        let stages: Vec<_> = held.torn.iter().map(|it| (it.place.1, &it.stage, it.asked)).collect();
        let endings: Vec<_> =
            held.endings.iter().map(|it| (it.by, it.device, it.ground.is_some())).collect();
        format!("registers {stages:?}, endings {endings:?};")
    }

    /// A register number is settled once, and given once by each log.
    pub(super) fn no_number_settles_twice(&mut self, island: usize, host: usize, id: EntryId) {
        let held = &mut self.islands[island];
        let Some(after) = held.people.find(&id).and_then(|entry| follows(entry)) else { return };
        let former = *held.numbers.entry(after).or_insert(id);
        if former != id {
            let what = format!("{former} and {id} follow {after}, at host {host}");
            self.violate(Invariant::NoPlaceSettlesTwice, what);
        }
    }

    /// No log accepts two entries that follow the same one in the register.
    pub(super) fn no_log_numbers_twice(
        &mut self,
        island: usize,
        host: usize,
        entry: &Entry,
    ) -> Checked {
        let Some(after) = follows(entry) else { return Ok(()) };
        let former = *self.islands[island].numbered[host].entry(after).or_insert(entry.id());
        if former == entry.id() {
            return Ok(());
        }
        let what = format!("host {host} gives the number after {after} twice");
        Err((Invariant::NoLogHoldsAPlaceTwice, what))
    }

    /// Whether a succession is refused where another register is held than the one that goes on.
    pub(super) fn is_torn(&self, island: usize, asked: &Ticket, reply: Reply) -> bool {
        let entry = self.islands[island].people.find(&asked.entry);
        let succeeds = |entry: &Signed| matches!(entry.content(), Content::Known(Act::Succeed(_)));
        entry.is_some_and(succeeds) && matches!(reply, Reply::Refused(Refusal::NotHead { .. }))
    }

    /// Whether what the registrar has written twice is proven everywhere, if two honest nodes' logs
    /// hold one each.
    pub(super) fn every_torn_register_is_proven(&self, island: usize) -> bool {
        let held = &self.islands[island];
        held.torn.iter().all(|torn| {
            let given = |host: &usize| held.given[*host].get(&torn.place);
            let honest = self.honest();
            let mut ids: Vec<&EntryId> = honest.iter().filter_map(given).collect();
            ids.sort_unstable();
            ids.dedup();
            let device = u32::try_from(torn.registrar).expect("few");
            let proven = |host: &usize| {
                held.replicas[*host].as_ref().is_some_and(|it| {
                    let register = it.register();
                    let seq = u32::try_from(torn.place.1).expect("short");
                    it.freezes().forked(device).is_some()
                        || register.is_some_and(|it| it.healed(device, seq).is_some())
                })
            };
            ids.len() < 2 || honest.iter().all(proven)
        })
    }
}

/// The register entry that a register entry follows.
pub(super) fn follows(entry: &Entry) -> Option<EntryId> {
    let is_register = matches!(
        entry.content(),
        Content::Known(act) if act.is_register()
    );
    let after = entry.header().basis;
    (is_register && after != EntryId::ZERO).then_some(after)
}

fn all_bytes(branch: &[Numbered]) -> Vec<Vec<u8>> {
    branch.iter().map(|it| it.entry.bytes().to_vec()).collect()
}

/// The register behind what the callers stand at, as a node tells it once all that it knows is
/// durable; none while it has not enough calls.
fn line(replica: &Replica, call: Call) -> Option<Vec<EntryId>> {
    let register = replica.register()?;
    let stands = replica.freezes().successor() == Some(call.successor);
    let is_kept = replica.commits() >= replica.commits_due();
    let first = register.number(&call.at)? + 1;
    let ids = (first..=register.head().0).filter_map(|number| register.entry(number));
    (stands && is_kept).then(|| ids.collect())
}
