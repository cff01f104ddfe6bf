//! A world of nodes, links and people, run from one scenario until all agree or time is up.
//!
//! Real [`Replica`]s, so real places, settlement, states and conversations; the links lose, repeat,
//! delay and reorder whole messages, the nodes crash and come back with what their disks had
//! synced, some of them lie. What must never happen is in `world/invariants`, each a function of
//! its own. Design's reliability, section 4.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::replica::{Commit, Moment, Replica};
use talea_protocol::entry::Signed;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::tree::TreeHash;

use crate::chance::Chance;
use crate::people::{Ending, Mandate, People, START_MS};

pub mod scenario;
pub mod canary;
mod torsion;
mod trace;
mod links;
mod host;
mod backups;
mod endings;
mod heals;
mod lies;
mod wallets;
mod strangers;
mod invariants;
mod restores;
mod mandates;
mod removals;
mod handovers;
pub mod shrink;

pub use invariants::{Invariant, Violation};
pub use trace::{Faults, Outcome};

use canary::Canary;
use host::Host;
use links::Link;
use restores::Restore;
use scenario::{Scenario, What};
use wallets::Ticket;

/// After the storm, all must agree within this time: ten minutes, and as long as a wallet's clock
/// may be ahead.
const HEALED_MS: u64 = 600_000 + 900_000;
/// Events of one simulated millisecond, events in all, and events to come: several times what any
/// world needs. More means that nodes answer each other without end.
const EVENTS_AT_ONCE_MAX: u64 = 20_000;
const EVENTS_MAX: u64 = 3_000_000;
const EVENTS_TO_COME_MAX: usize = 200_000;
/// Things that a replica wants done after one input, at most.
const OUTPUTS_MAX: u64 = 100_000;
/// Keys of the second cooperative's members begin here.
const ISLAND_KEYS: u64 = 10_000;

/// Something that happens at a time.
#[derive(Debug)]
enum Event {
    /// A step of the scenario.
    Step(usize),
    /// A frame arrives.
    Deliver { island: usize, from: usize, to: usize, session: u64, frame: Vec<u8> },
    /// The rows of a commit are on disk.
    Written { island: usize, host: usize, life: u64, commit: Box<Commit> },
    /// Its promise is too.
    Promised { island: usize, host: usize, life: u64, commit: Box<Commit> },
    /// A replica is to be woken.
    Wake { island: usize, host: usize, life: u64 },
    /// A wallet submits an entry.
    Submit { island: usize, entry: usize, tries: u64 },
    /// A node is started.
    Restart(usize),
    /// A link is whole again.
    Mend(usize, usize),
    /// One hears the other again.
    Hear(usize, usize),
    /// The next step of what ends somebody's chains.
    Ending { island: usize, ending: usize },
    /// A wallet that was restored asks what its chain is.
    Restore { island: usize, restore: usize },
    /// The next step of what was decided.
    Mandate { island: usize, mandate: usize },
    /// The storm is over.
    Calm,
}

/// A cooperative, as all nodes keep it.
struct Island {
    /// Its number in the scenario.
    number: usize,
    people: People,
    /// Devices that are stolen, and members that leave.
    endings: Vec<Ending>,
    /// Wallets that were restored from old backups.
    restores: Vec<Restore>,
    /// What the registrar has to carry out.
    mandates: Vec<Mandate>,
    cooperative: EntryId,
    /// By host; none while it is down.
    replicas: Vec<Option<Replica>>,
    /// When each is to be woken.
    wakes: Vec<Option<u64>>,
    /// Distinguishes what was begun by a replica from what the next one on its host does.
    lives: Vec<u64>,
    /// Which host acknowledged which entry: a promise that survives crashes.
    acknowledged: BTreeSet<(usize, EntryId)>,
    /// What any honest node has held for settled.
    settled: BTreeMap<(DeviceKey, u64), EntryId>,
    /// Entries of honest wallets that some honest node holds for settled.
    seen: BTreeSet<EntryId>,
    /// Roots that each host has signed, by size.
    signed: Vec<BTreeMap<u64, TreeHash>>,
    /// Places that each host's log has given.
    given: Vec<BTreeMap<(DeviceKey, u64), EntryId>>,
    tickets: BTreeMap<u64, Ticket>,
    next_ticket: u64,
    /// Writes of each host, counted.
    writes: Vec<u64>,
    /// Whether each was catching up with its own log before what happened last.
    behind: Vec<bool>,
    /// Who has raised an alarm about whose state.
    alarmed: BTreeSet<(usize, NodeKey)>,
    /// First attestations as each host saw them: what a state by order of arrival would hold.
    arrivals: Vec<BTreeMap<EntryId, EntryId>>,
    trace: blake3::Hasher,
    /// What happened until all agreed, and what they agreed on.
    agreed: Option<(Hash, Hash)>,
}

/// The world.
pub struct World {
    scenario: Scenario,
    canary: Option<Canary>,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    /// Events that happened: in all, and at this time.
    happened: (u64, u64),
    hosts: Vec<Host>,
    links: BTreeMap<(usize, usize), Link>,
    islands: Vec<Island>,
    /// Statements that are still to come.
    statements: usize,
    calm: bool,
    faults: Faults,
    /// Verdicts on signatures, each asked once.
    signatures: BTreeMap<(EntryId, Vec<u8>), bool>,
    /// The last frames that were delivered, for those who say them again.
    heard: Vec<Vec<u8>>,
    violation: Option<Violation>,
}

/// Runs a scenario; with two cooperatives, the second also alone.
///
/// # Errors
/// [`Violation`], the first.
pub fn run(scenario: &Scenario, canary: Option<Canary>) -> Result<Outcome, Violation> {
    let caught = std::panic::catch_unwind(|| {
        let outcome = World::new(scenario.clone(), canary).run()?;
        invariants::one_cooperative_never_affects_another(scenario, canary, &outcome)?;
        Ok(outcome)
    });
    caught.unwrap_or_else(|panic| Err(Violation::of_panic(panic.as_ref())))
}

/// Whether a scenario gave the same world twice.
///
/// # Errors
/// [`Violation`], if it did not.
pub fn same(
    first: &Result<Outcome, Violation>,
    second: &Result<Outcome, Violation>,
) -> Result<(), Violation> {
    if first == second {
        return Ok(());
    }
    let what = format!("first {first:?}, then {second:?}");
    Err(Violation { invariant: Invariant::TheSameSeedGivesTheSame, what, at: 0 })
}

impl World {
    /// The world of a scenario.
    #[must_use]
    pub fn new(scenario: Scenario, canary: Option<Canary>) -> Self {
        let islands = if scenario.island { &[0, 1][..] } else { &[0][..] };
        Self::with(scenario, canary, islands)
    }

    /// The same with these of its cooperatives.
    fn with(scenario: Scenario, canary: Option<Canary>, islands: &[usize]) -> Self {
        let hosts = Host::all(&scenario);
        let links = Link::all(&scenario, &hosts);
        let mut world = Self {
            canary,
            now: START_MS,
            events: BTreeMap::new(),
            next_event: 0,
            happened: (0, 0),
            islands: Vec::new(),
            statements: 0,
            calm: false,
            faults: Faults::default(),
            signatures: BTreeMap::new(),
            heard: Vec::new(),
            violation: None,
            hosts,
            links,
            scenario,
        };
        world.islands = islands.iter().map(|number| world.settle_island(*number)).collect();
        world.plan();
        world
    }

    fn settle_island(&self, number: usize) -> Island {
        let mut publics: Vec<NodeKey> = self.hosts.iter().map(|host| host.node).collect();
        publics.sort_unstable();
        publics.dedup();
        let part = u64::try_from(number).expect("two");
        let mut chance = Chance::of(self.scenario.seed, &[3, part]);
        let roster = canary::roster(self.canary, &self.scenario);
        let founders = self.scenario.founders;
        let people = People::found(part * ISLAND_KEYS, founders, &publics, roster, &mut chance);
        let cooperative = people.cooperative();
        let count = self.hosts.len();
        let replica = |host: &Host| {
            Some(Replica::new(Moment(self.now), cooperative, host.key.clone(), &publics))
        };
        Island {
            number,
            people,
            endings: Vec::new(),
            restores: Vec::new(),
            mandates: Vec::new(),
            cooperative,
            replicas: self.hosts.iter().map(replica).collect(),
            wakes: vec![None; count],
            lives: vec![0; count],
            acknowledged: BTreeSet::new(),
            settled: BTreeMap::new(),
            seen: BTreeSet::new(),
            signed: vec![BTreeMap::new(); count],
            given: vec![BTreeMap::new(); count],
            tickets: BTreeMap::new(),
            next_ticket: 0,
            writes: vec![0; count],
            behind: vec![false; count],
            alarmed: BTreeSet::new(),
            arrivals: vec![BTreeMap::new(); count],
            trace: blake3::Hasher::new(),
            agreed: None,
        }
    }

    /// All that is known beforehand.
    fn plan(&mut self) {
        let links: Vec<(usize, usize)> = self.links.keys().copied().collect();
        for (one, other) in links {
            self.mend(one, other);
        }
        for island in 0..self.islands.len() {
            self.at(0, Event::Submit { island, entry: 0, tries: 0 });
        }
        for number in 0..self.scenario.steps.len() {
            let step = &self.scenario.steps[number];
            let here = |wanted: usize| self.islands.iter().any(|island| island.number == wanted);
            self.statements +=
                usize::from(matches!(step.what, What::Statement { island, .. } if here(island)));
            self.at(step.at, Event::Step(number));
        }
        self.at(self.scenario.storm, Event::Calm);
    }

    /// Runs until all honest nodes hold the same and have said so to each other.
    ///
    /// # Errors
    /// [`Violation`], the first.
    pub fn run(mut self) -> Result<Outcome, Violation> {
        let end = self.now + self.scenario.storm + HEALED_MS;
        while let Some(((time, _), event)) = self.events.pop_first() {
            self.count_event(time);
            self.now = time;
            let island = self.trace(&event);
            self.happen(event);
            if self.calm && self.violation.is_none() {
                match island {
                    Some(island) => self.look(island),
                    None => (0..self.islands.len()).for_each(|island| self.look(island)),
                }
            }
            if let Some(violation) = self.violation.take() {
                return Err(violation);
            }
            if self.islands.iter().all(|island| island.agreed.is_some()) {
                return Ok(self.outcome());
            }
            if self.now >= end {
                break;
            }
        }
        let what = self.report();
        Err(Violation { invariant: Invariant::AllAgreeInTime, what, at: self.now - START_MS })
    }

    /// A world that goes on without end is noticed, and ends.
    fn count_event(&mut self, time: u64) {
        let (all, at_once) = self.happened;
        let at_once = if time == self.now { at_once + 1 } else { 1 };
        self.happened = (all + 1, at_once);
        let to_come = self.events.len();
        if all >= EVENTS_MAX || at_once > EVENTS_AT_ONCE_MAX || to_come > EVENTS_TO_COME_MAX {
            let what = format!("{all} events, {at_once} at this time, {to_come} to come");
            self.violate(Invariant::EventsAreBounded, what);
        }
    }

    /// Whether all agree on a cooperative, for the first time; then everything else is checked.
    fn look(&mut self, island: usize) {
        if self.islands[island].agreed.is_some() || !self.all_agree(island) {
            return;
        }
        let trace = Hash(*self.islands[island].trace.finalize().as_bytes());
        let checked = self.check_all(island);
        let root = self.note_violation(checked);
        self.islands[island].agreed = Some((trace, root.unwrap_or(Hash::ZERO)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step(number) => self.step(number),
            Event::Deliver { island, from, to, session, frame } => {
                self.deliver(island, (from, to), session, frame);
            }
            Event::Written { island, host, life, commit } => {
                if self.islands[island].lives[host] == life {
                    self.written(island, host, commit);
                }
            }
            Event::Promised { island, host, life, commit } => {
                if self.islands[island].lives[host] == life {
                    self.promised(island, host, &commit);
                }
            }
            Event::Wake { island, host, life } => self.wake(island, host, life),
            Event::Submit { island, entry, tries } => self.submit(island, entry, tries),
            Event::Restart(host) => self.restart(host),
            Event::Mend(one, other) => self.mend(one, other),
            Event::Hear(from, to) => self.hear(from, to),
            Event::Ending { island, ending } => self.go_on_ending(island, ending),
            Event::Restore { island, restore } => self.go_on_restoring(island, restore),
            Event::Mandate { island, mandate } => self.go_on_mandate(island, mandate),
            Event::Calm => self.heal(),
        }
    }

    fn step(&mut self, number: usize) {
        let what = self.scenario.steps[number].what.clone();
        match what {
            What::Statement { island, author, dice, clock } => {
                self.state(island, author, dice, clock);
            }
            What::Crash { node, down } => {
                self.crash(node);
                self.at(down, Event::Restart(node));
            }
            What::Cut { one, other, down } => self.cut_for(one, other, down),
            What::Deaf { from, to, down } => self.deafen(from, to, down),
            What::Clock { node, ms } => self.set_clock(node, ms),
            What::Slow { node, ms } => self.slow(node, ms),
            What::Swap { peer } => self.swap(peer),
            What::Flood { node, sources, entries } => self.flood(node, sources, entries),
            What::Replay { node, dice } => self.replay(node, dice),
            What::Forge { author, dice } => self.forge(author, dice),
            What::Fork { author, mask, length } => self.fork(author, mask, length),
            What::Sign { author, dice } => self.sign(author, dice),
            What::Later { node, author } => self.run_later(node, author),
            What::Theft { author, mask, entries, after } => {
                self.theft(author, mask, entries, after);
            }
            What::Leave { author } => self.leave(author),
            What::Backup { node } => self.back_up(node),
            What::Restore { author, lost, word } => self.restore(author, lost, word),
            What::Removal { author, mask, entries } => self.remove(author, mask, entries),
            What::HandOver { role, author, word } => self.hand_over(role, author, word),
            What::PutBack { node, down } => self.put_back(number, node, down),
        }
    }

    /// The storm is over: links, clocks and disks are put right, and who is down is started.
    fn heal(&mut self) {
        self.calm = true;
        for link in self.links.values_mut() {
            link.deaf = [false; 2];
        }
        for host in 0..self.hosts.len() {
            self.hosts[host].wall = 0;
            self.hosts[host].slowest = self.hosts[host].slowest.min(30);
            if self.hosts[host].is_off(self.now) {
                self.crash(host);
            }
            self.restart(host);
        }
        let links: Vec<(usize, usize)> = self.links.keys().copied().collect();
        for (one, other) in links {
            self.mend(one, other);
        }
    }

    /// The place of a cooperative among those of this world.
    fn island(&self, number: usize) -> Option<usize> {
        self.islands.iter().position(|island| island.number == number)
    }

    /// A draw for one thing of this world.
    fn chance(&self, thing: &[u64]) -> Chance {
        Chance::of(self.scenario.seed, thing)
    }

    fn at(&mut self, after: u64, event: Event) {
        self.events.insert((self.now + after, self.next_event), event);
        self.next_event += 1;
    }

    /// Hosts that do what they should.
    fn honest(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].lie.is_none()).collect()
    }

    /// Every entry that was stated in the first cooperative, in the order of its statement.
    #[must_use]
    pub fn entries(&self) -> &[Signed] {
        &self.islands[0].people.entries
    }
}

/// A count as a number that chance takes.
fn number(count: usize) -> u64 {
    u64::try_from(count).expect("this machine counts to 2^64")
}
