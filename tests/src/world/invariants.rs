//! What must hold in every world, each rule a function of its own. Reliability, section 4.
//!
//! Some are asked as things happen, the others when all have come to agree. The first that does
//! not hold ends the world.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use talea_ledger::account::Unit;
use talea_ledger::replica::{Alarm, Moment};
use talea_ledger::state::State;
use talea_protocol::act::{Act, Content};
use talea_protocol::checkpoint::Checkpoint;
use talea_protocol::entry::{Entry, Signed};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::{ACCEPT, accepted};
use talea_protocol::message::Message;
use talea_protocol::sync::FRAMES;

use super::canary::Canary;
use super::scenario::Scenario;
use super::trace::Outcome;
use super::wallets::Ticket;
use super::{World, number};
use crate::people::START_MS;
use crate::reference;

mod proven;

/// Waiting entries of one source, and in all; their bytes; how long they wait, in ms (reliability,
/// section 5).
const WAITING: (usize, usize, usize, u64) = (256, 2_048, 8 * 1024 * 1024, 600_000);
/// Bytes that wait for one source: the same share.
const SOURCE_BYTES: usize = WAITING.2 * WAITING.0 / WAITING.1;
/// Orders in which the settled entries are folded again.
const ORDERS: u64 = 10;

/// What must hold.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Invariant {
    /// After the storm all honest nodes come to hold the same, in bounded time.
    AllAgreeInTime,
    /// What a node has acknowledged it holds, also after a crash.
    NothingAcknowledgedIsMissing,
    /// What was synced is read again.
    WhatWasSyncedIsRead,
    /// After healing: the same settled entries and the same state root everywhere.
    AllHoldTheSame,
    /// The same entries make the same state in ten other orders.
    OtherOrdersMakeTheSame,
    /// The slow reference model makes the same of them.
    TheReferenceAgrees,
    /// No two entries settle in one place.
    NoPlaceSettlesTwice,
    /// What was settled anywhere stays settled, and is in the end settled everywhere.
    SettledStaysSettled,
    /// Nothing settles behind the cut that has ended its chain.
    NothingSettlesBehindACut,
    /// In each unit, debits and credits are equal.
    EveryUnitAddsUpToZero,
    /// No node signs two roots for one size, or a smaller size than before; one that was put back to
    /// an older day may repeat what it has signed, and says nothing new by it.
    NobodySignsTwoRootsOrFewer,
    /// No log gives a place twice.
    NoLogHoldsAPlaceTwice,
    /// What happens in one cooperative is the same whether there is another or not.
    OneCooperativeNeverAffectsAnother,
    /// Nothing that waits is more than its limit.
    QueuesStayWithinLimits,
    /// Nodes do not answer each other without end.
    EventsAreBounded,
    /// Nobody is turned away or sent away because of what another has sent.
    NobodyIsTurnedAwayForOthers,
    /// No honest node is accused of anything.
    NoHonestPeerIsAccused,
    /// Two entries of one device in one place, if both came to one honest node, are proven at all,
    /// and nobody is said to have forked who has not.
    EveryMetEquivocationIsProven,
    /// A wrong state root is noticed, and its log is cosigned no more.
    AWrongStateIsNoticed,
    /// Honest wallets do not fork.
    NoHonestWalletForks,
    /// What honest wallets sign is accepted by honest nodes.
    HonestEntriesAreAccepted,
    /// What is forged, or signed by another, is not.
    NothingForgedIsAccepted,
    /// The same scenario gives the same world.
    TheSameSeedGivesTheSame,
    /// Nothing panics.
    NothingPanics,
}

/// Something that must never happen has happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// What was seen.
    pub what: String,
    /// When, in ms after the charter.
    pub at: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} ms: {}", self.invariant, self.at, self.what)
    }
}

impl Violation {
    /// What a panic said.
    pub(super) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
        Self { invariant: Invariant::NothingPanics, what: text.to_owned(), at: 0 }
    }
}

pub(super) type Checked = Result<(), (Invariant, String)>;

fn holds(holds: bool, invariant: Invariant, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err((invariant, what())) }
}

/// Asked as things happen.
impl World {
    pub(super) fn violate(&mut self, invariant: Invariant, what: String) {
        let at = self.now - START_MS;
        self.violation.get_or_insert(Violation { invariant, what, at });
    }

    /// Takes the first violation of a check; the value otherwise.
    pub(super) fn note_violation<T>(
        &mut self,
        checked: Result<T, (Invariant, String)>,
    ) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err((invariant, what)) => {
                self.violate(invariant, what);
                None
            }
        }
    }

    pub(super) fn on_start(&mut self, island: usize, host: usize) {
        // What was put back to an older day fetches the rest first; it is asked when all agree.
        if self.hosts[host].is_older {
            return;
        }
        let checked = self.nothing_acknowledged_is_missing(island, host);
        self.note_violation(checked);
    }

    fn nothing_acknowledged_is_missing(&self, island: usize, host: usize) -> Checked {
        let held = &self.islands[island];
        let Some(replica) = &held.replicas[host] else { return Ok(()) };
        for (_, id) in
            held.acknowledged.range((host, EntryId([0; 32]))..).take_while(|it| it.0 == host)
        {
            let kept = replica.places().find(id).is_some();
            holds(kept, Invariant::NothingAcknowledgedIsMissing, || {
                format!("host {host} has lost {id}, which it had acknowledged")
            })?;
        }
        Ok(())
    }

    pub(super) fn on_settled(&mut self, island: usize, host: usize, entry: EntryId) {
        if self.canary == Some(Canary::StateByArrival) {
            self.note_arrival(island, host, entry);
        }
        if self.hosts[host].lie.is_some() {
            return;
        }
        let checked = self.no_place_settles_twice(island, host, entry);
        self.note_violation(checked);
        self.no_number_settles_twice(island, host, entry);
        self.islands[island].seen.insert(entry);
    }

    fn no_place_settles_twice(&mut self, island: usize, host: usize, entry: EntryId) -> Checked {
        let held = &mut self.islands[island];
        let Some(replica) = &held.replicas[host] else { return Ok(()) };
        let position = replica.places().position(&entry);
        let place = position.and_then(|(device, seq)| {
            Some((replica.register()?.record(device)?.key, u64::from(seq)))
        });
        let place = place.ok_or((
            Invariant::NoPlaceSettlesTwice,
            format!("{entry} is settled at host {host} without a place"),
        ))?;
        let former = *held.settled.entry(place).or_insert(entry);
        holds(former == entry, Invariant::NoPlaceSettlesTwice, || {
            format!("place {} of {}: {former} and {entry}, at host {host}", place.1, place.0)
        })
    }

    fn note_arrival(&mut self, island: usize, host: usize, entry: EntryId) {
        let held = &mut self.islands[island];
        let stated = held.people.entries.iter().find(|signed| signed.id() == entry);
        if let Some(Content::Known(Act::Attest(attest))) = stated.map(|signed| signed.content()) {
            held.arrivals[host].entry(attest.contribution).or_insert(entry);
        }
    }

    pub(super) fn on_signing(&mut self, island: usize, host: usize, checkpoint: &Checkpoint) {
        let signed = &self.islands[island].signed[host];
        let before = signed.last_key_value().map_or(0, |(size, _)| *size);
        self.look_at_leaves(island, host, before, checkpoint);
        let checked = self.nobody_signs_two_roots_or_fewer(island, host, checkpoint);
        self.note_violation(checked);
    }

    fn nobody_signs_two_roots_or_fewer(
        &mut self,
        island: usize,
        host: usize,
        checkpoint: &Checkpoint,
    ) -> Checked {
        let is_older = self.hosts[host].is_older;
        let signed = &mut self.islands[island].signed[host];
        let largest = signed.last_key_value().map_or(0, |(size, _)| *size);
        let (size, root) = (checkpoint.size, checkpoint.root);
        let repeats = is_older && signed.contains_key(&size);
        let former = *signed.entry(size).or_insert(root);
        holds(
            former == root && (size >= largest || repeats),
            Invariant::NobodySignsTwoRootsOrFewer,
            || {
                format!(
                    "host {host} signs size {size} after {largest}; same root: {}",
                    former == root
                )
            },
        )
    }

    /// Looks at the leaves that a checkpoint is the first to cover.
    fn look_at_leaves(&mut self, island: usize, host: usize, before: u64, checkpoint: &Checkpoint) {
        let cooperative = self.islands[island].cooperative;
        for index in before..checkpoint.size {
            if let Some(leaf) = self.hosts[host].disk.leaf(&cooperative, index) {
                self.on_leaf(island, host, &leaf);
            }
        }
    }

    pub(super) fn on_leaf(&mut self, island: usize, host: usize, leaf: &[u8]) {
        let checked = self.no_log_holds_a_place_twice(island, host, leaf);
        self.note_violation(checked);
    }

    fn no_log_holds_a_place_twice(&mut self, island: usize, host: usize, leaf: &[u8]) -> Checked {
        // A leaf that resolves gives a place to what has settled elsewhere, or was healed.
        let accepts = leaf.first() == Some(&ACCEPT);
        let Some(bytes) = accepted(leaf).filter(|_| accepts) else { return Ok(()) };
        let entry = Entry::parse(bytes.to_vec());
        let entry = entry.map_err(|fault| (Invariant::NoLogHoldsAPlaceTwice, fault.to_string()))?;
        let place = (entry.header().device, entry.header().seq);
        let given = &mut self.islands[island].given[host];
        let former = *given.entry(place).or_insert(entry.id());
        holds(former == entry.id(), Invariant::NoLogHoldsAPlaceTwice, || {
            format!("host {host} gives place {} of {} twice", place.1, place.0)
        })?;
        self.no_log_numbers_twice(island, host, &entry)
    }

    pub(super) fn no_honest_peer_is_accused(&mut self, host: usize, node: NodeKey, alarm: &Alarm) {
        if self.hosts[host].lie.is_none() && !self.is_liar(node) {
            let accused = self.hosts.iter().position(|host| host.node == node);
            let what = format!("host {host} accuses host {accused:?}: {alarm:?}");
            self.violate(Invariant::NoHonestPeerIsAccused, what);
        }
    }

    pub(super) fn on_garbage(&mut self, from: usize) {
        self.faults.count("frames refused");
        if self.hosts[from].lie.is_none() {
            self.violate(Invariant::NothingPanics, format!("host {from} sends no message"));
        }
    }

    /// Whoever has another's wrong state before its eyes does not put its name under that log.
    pub(super) fn on_sending(
        &mut self,
        island: usize,
        host: usize,
        to: NodeKey,
        message: &Message,
    ) {
        let alarmed = self.islands[island].alarmed.contains(&(host, to));
        if alarmed && matches!(message, Message::Cosigned { .. }) {
            let what = format!("host {host} cosigns {to}, whose state it has found wrong");
            self.violate(Invariant::AWrongStateIsNoticed, what);
        }
    }

    /// What a node holds for others after one of them has spoken.
    pub(super) fn on_received(&mut self, island: usize, host: usize) {
        let Some(replica) = &self.islands[island].replicas[host] else { return };
        let most = usize::try_from(FRAMES).expect("few");
        let over = replica.mirrors().find(|mirror| mirror.waiting.len() > most);
        if let Some(mirror) = over {
            let what = format!("host {host} keeps {} frames of one log", mirror.waiting.len());
            self.violate(Invariant::QueuesStayWithinLimits, what);
        }
    }

    /// Those who wait at a node: of one source entries and bytes, of all the same.
    fn waiting(&self, island: usize, host: usize, source: NodeKey) -> [usize; 4] {
        let mut count = [0; 4];
        for ticket in self.islands[island].tickets.values() {
            if ticket.host == host && ticket.waits_since.is_some() {
                let of_source = usize::from(ticket.source == source);
                count[0] += of_source;
                count[1] += of_source * ticket.bytes;
                count[2] += 1;
                count[3] += ticket.bytes;
            }
        }
        count
    }

    pub(super) fn queues_stay_within_limits(&mut self, island: usize) {
        let Some((_, last)) = self.islands[island].tickets.last_key_value() else { return };
        let (host, source) = (last.host, last.source);
        let [of_source, _, all, bytes] = self.waiting(island, host, source);
        if of_source > WAITING.0 || all > WAITING.1 || bytes > WAITING.2 {
            let what = format!("{of_source} of one source wait, {all} in all, {bytes} bytes");
            self.violate(Invariant::QueuesStayWithinLimits, what);
        }
    }

    /// A node is busy only if its room is full, for this source or for all, or while it catches up
    /// with its own log; and it sends away only who has waited long enough.
    pub(super) fn nobody_is_turned_away_for_others(
        &mut self,
        island: usize,
        asked: &Ticket,
        moment: Moment,
    ) {
        let held = &self.islands[island];
        let replica = held.replicas[asked.host].as_ref();
        if held.behind[asked.host] || replica.is_some_and(|it| it.behind().is_some()) {
            return;
        }
        let fair = match asked.waits_since {
            Some(since) => moment.0 >= since.0 + WAITING.3,
            None => {
                let [of_source, source_bytes, all, bytes] =
                    self.waiting(island, asked.host, asked.source);
                of_source >= WAITING.0
                    || all >= WAITING.1
                    || source_bytes + asked.bytes > SOURCE_BYTES
                    || bytes + asked.bytes > WAITING.2
            }
        };
        if !fair {
            let what = format!("{} at host {}, at {}", asked.entry, asked.host, moment.0);
            self.violate(Invariant::NobodyIsTurnedAwayForOthers, what);
        }
    }
}

/// Asked when all agree.
impl World {
    /// Whether every honest node holds every honest entry for settled, all of them hold the same
    /// besides, and they have said so to each other.
    pub(super) fn all_agree(&self, island: usize) -> bool {
        let held = &self.islands[island];
        let honest = self.honest();
        let expected = number(held.people.standing().count());
        let first = honest.first().and_then(|host| held.replicas[*host].as_ref());
        let Some(settled) = first.map(|replica| replica.settled()) else { return false };
        let same = |host: &usize| {
            held.replicas[*host].as_ref().is_some_and(|replica| replica.settled() == settled)
        };
        let met = |host: &usize, other: &usize| {
            let replica = held.replicas[*host].as_ref();
            let node = &self.hosts[*other].node;
            host == other || replica.is_some_and(|replica| replica.equal_since(node).is_some())
        };
        self.statements == 0
            && settled >= expected
            && honest.iter().all(same)
            && honest.iter().all(|host| honest.iter().all(|other| met(host, other)))
            && honest.iter().all(|host| self.holds_all(island, *host))
            && self.cuts(island, &honest).len() == 1
            && self.wrong_states_are_noticed(island)
            && self.every_met_equivocation_is_proven(island)
            && self.every_torn_register_is_proven(island)
            && self.every_met_split_is_proven(island)
    }

    /// Whether a host holds everything for settled that honest wallets have stated.
    fn holds_all(&self, island: usize, host: usize) -> bool {
        let held = &self.islands[island];
        let Some(replica) = &held.replicas[host] else { return false };
        let stated = held.people.standing();
        stated.map(|entry| entry.id()).all(|id| replica.state().chains().place(&id).is_some())
    }

    /// The roots of the cuts of what these hosts hold for settled.
    fn cuts(&self, island: usize, hosts: &[usize]) -> BTreeSet<Hash> {
        let cut = |host: &usize| {
            let replica = self.islands[island].replicas[*host].as_ref()?;
            Some(replica.state().cut(replica.register()?).root)
        };
        hosts.iter().filter_map(cut).collect()
    }

    /// Everything else; the state root of all.
    pub(super) fn check_all(&mut self, island: usize) -> Result<Hash, (Invariant, String)> {
        for host in self.honest() {
            self.nothing_acknowledged_is_missing(island, host)?;
            self.settled_stays_settled(island, host)?;
            self.nothing_settles_behind_a_cut(island, host)?;
            self.nothing_serves_behind_a_cut(island, host)?;
            self.every_unit_adds_up_to_zero(island, host)?;
        }
        self.no_honest_wallet_forks(island)?;
        let root = self.all_hold_the_same(island)?;
        self.other_orders_make_the_same(island, root)?;
        self.the_reference_agrees(island)?;
        Ok(root)
    }

    fn settled_stays_settled(&self, island: usize, host: usize) -> Checked {
        let held = &self.islands[island];
        let Some(replica) = &held.replicas[host] else { return Ok(()) };
        for id in held.settled.values() {
            let verdict = replica.state().verdict(id);
            holds(verdict.is_some(), Invariant::SettledStaysSettled, || {
                format!("{id} was settled and is not at host {host}")
            })?;
        }
        Ok(())
    }

    fn every_unit_adds_up_to_zero(&self, island: usize, host: usize) -> Checked {
        let Some(replica) = &self.islands[island].replicas[host] else { return Ok(()) };
        for unit in Unit::ALL {
            let sum = replica.state().books().sum(unit);
            holds(sum == 0, Invariant::EveryUnitAddsUpToZero, || format!("{unit:?}: {sum}"))?;
        }
        Ok(())
    }

    fn no_honest_wallet_forks(&self, island: usize) -> Checked {
        let mut places = BTreeMap::new();
        for entry in self.islands[island].people.standing() {
            let place = (entry.header().device, entry.header().seq);
            let former = *places.entry(place).or_insert(entry.id());
            holds(former == entry.id(), Invariant::NoHonestWalletForks, || {
                format!("{} signs place {} twice", place.0, place.1)
            })?;
        }
        Ok(())
    }

    fn all_hold_the_same(&mut self, island: usize) -> Result<Hash, (Invariant, String)> {
        let mut roots = BTreeSet::new();
        for host in self.honest() {
            roots.extend(self.root(island, host));
        }
        let first = roots.first().copied().unwrap_or(Hash::ZERO);
        holds(roots.len() == 1, Invariant::AllHoldTheSame, || format!("roots {roots:?}"))?;
        Ok(first)
    }

    /// What an honest host holds for settled, by chain.
    fn settled_chains(&self, island: usize) -> Vec<Vec<&Signed>> {
        let held = &self.islands[island];
        let honest = self.honest();
        let replica = honest.first().and_then(|host| held.replicas[*host].as_ref());
        let Some((replica, register)) = replica.and_then(|it| Some((it, it.register()?))) else {
            return Vec::new();
        };
        let devices = 0..u32::try_from(register.devices().len()).expect("few");
        let find = |id: &EntryId| held.people.find(id).expect("somebody has signed it");
        let chain = |device| replica.state().chains().ids(device).iter().map(find).collect();
        devices.map(chain).collect()
    }

    fn other_orders_make_the_same(&self, island: usize, root: Hash) -> Checked {
        let held = &self.islands[island];
        let honest = *self.honest().first().expect("not everybody lies");
        let register = held.replicas[honest].as_ref().and_then(|replica| replica.register());
        let Some(register) = register else { return Ok(()) };
        let chains = self.settled_chains(island);
        for order in 0..ORDERS {
            let mut chance = self.chance(&[7, number(held.number), order]);
            let mut left: Vec<usize> = chains
                .iter()
                .enumerate()
                .flat_map(|(device, chain)| std::iter::repeat_n(device, chain.len()))
                .collect();
            chance.shuffle(&mut left);
            let (mut state, mut next) = (State::new(), vec![0; chains.len()]);
            for device in left {
                let entry = chains[device][next[device]];
                next[device] += 1;
                state.settle(register, u32::try_from(device).expect("few"), entry);
            }
            let other = state.root();
            let same = self.canary == Some(Canary::StateByArrival) || other == root;
            holds(same, Invariant::OtherOrdersMakeTheSame, || {
                format!("{root} and, in order {order}, {other}")
            })?;
        }
        Ok(())
    }

    fn the_reference_agrees(&mut self, island: usize) -> Checked {
        let honest = *self.honest().first().expect("not everybody lies");
        let held = &self.islands[island];
        let register = held.replicas[honest].as_ref().and_then(|replica| replica.register());
        let Some(register) = register else { return Ok(()) };
        let numbered = |number| {
            let id = register.entry(number).expect("a number of the register");
            &**held.people.find(&id).expect("somebody has signed it")
        };
        let register: Vec<&Entry> = (0..=register.head().0).map(numbered).collect();
        let settled = self.settled_chains(island);
        let settled: Vec<&Entry> = settled.iter().flatten().map(|entry| &***entry).collect();
        let meaning = reference::fold(&register, &settled);
        let replica = self.islands[island].replicas[honest].as_mut();
        let Some(replica) = replica else { return Ok(()) };
        let found = reference::differences(&meaning, replica.state_mut());
        holds(found.is_empty(), Invariant::TheReferenceAgrees, || found.join("; "))
    }

    /// What each host holds, for a world that does not come to agree.
    pub(super) fn report(&self) -> String {
        let mut words = Vec::new();
        for held in &self.islands {
            words.push(format!(
                "{} entries, {} to come;",
                held.people.entries.len(),
                self.statements
            ));
            words.extend(self.island(held.number).map(|it| self.report_registers(it)));
            let first = self.honest().first().and_then(|host| held.replicas[*host].as_ref());
            let settled =
                |id: &EntryId| first.is_some_and(|it| it.state().chains().place(id).is_some());
            let open = held.people.standing().filter(|entry| !settled(&entry.id()));
            words.extend(open.map(|it| format!("open: {:?} {:?};", it.header(), it.content())));
            for (host, replica) in held.replicas.iter().enumerate() {
                let lie = self.hosts[host].lie;
                words.push(match replica {
                    Some(replica) => {
                        let logs: Vec<_> = replica
                            .mirrors()
                            .map(|it| (it.checked.size(), it.waiting.len(), it.accused))
                            .collect();
                        let forks: Vec<_> = replica
                            .freezes()
                            .forks()
                            .map(|(device, open)| (device, open.fork.seq()))
                            .collect();
                        format!(
                            "[{host} {lie:?}: {} settled of {}, {} leaves, others {logs:?}, forks \
                             {forks:?}]",
                            replica.settled(),
                            replica.places().len(),
                            replica.published(),
                        )
                    }
                    None => format!("[{host} is down]"),
                });
            }
        }
        words.join(" ")
    }
}

/// The second cooperative's trace, and what it came to, are those of a world without the first.
pub(super) fn one_cooperative_never_affects_another(
    scenario: &Scenario,
    canary: Option<Canary>,
    outcome: &Outcome,
) -> Result<(), Violation> {
    if !scenario.island {
        return Ok(());
    }
    let alone = World::with(scenario.clone(), canary, &[1]).run()?;
    let (together, alone) = (outcome.agreed.get(1).copied(), alone.agreed.first().copied());
    if together == alone {
        return Ok(());
    }
    let invariant = Invariant::OneCooperativeNeverAffectsAnother;
    let what = format!("{together:?} beside another, {alone:?} alone");
    Err(Violation { invariant, what, at: outcome.lasted })
}
