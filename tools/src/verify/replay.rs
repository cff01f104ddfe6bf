//! One log's leaves again, in their order, by the ledger's own rules of placing.
//!
//! What an honest node placed, everybody places again: devices enrolled, chains unbroken, one
//! entry in a place, the register's order, nothing in a chain that a fork has stopped. What a log
//! should have refused is its node's fault; what it must hold and the file does not show is
//! missing. What the log gave a place that a later leaf takes over, has none here.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::heal;
use talea_ledger::place::{Cause, Place, Places, Refusal, Standing, office};
use talea_ledger::register::{Reformed, Register};
use talea_protocol::act::{Act, Content as Said};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;
use talea_protocol::leaf::{Forked, Frontier};

use super::finding::{Finding, Stated};
use super::log::{Content, Log, Shown};
use super::status::Claim;

type Entries = BTreeMap<EntryId, Signed>;

/// What one log holds, placed again.
pub struct Replay {
    /// The register as this log has it.
    pub register: Register,
    /// Who has which place.
    pub places: Places,
    /// What speaks against the log.
    pub found: Vec<Finding>,
    /// Entries without a place, for want of others.
    unplaced: BTreeSet<EntryId>,
    /// Missing entries that were named already.
    named: BTreeSet<EntryId>,
    /// What this log takes over, by chain and place.
    taken: BTreeMap<DeviceKey, BTreeMap<u64, EntryId>>,
    /// Register entries that this log takes over, by the one before them.
    taken_register: BTreeMap<EntryId, EntryId>,
    /// Entries whose places are taken over, and what stands on them.
    buried: BTreeSet<EntryId>,
    /// Leaves that take something over, still to come.
    to_come: usize,
    /// From which place on a chain stands still, by device.
    frozen: BTreeMap<DeviceKey, u64>,
}

impl Replay {
    /// Nothing placed yet under a charter.
    #[must_use]
    pub fn new(register: Register) -> Self {
        Self {
            register,
            places: Places::default(),
            found: Vec::new(),
            unplaced: BTreeSet::new(),
            named: BTreeSet::new(),
            taken: BTreeMap::new(),
            taken_register: BTreeMap::new(),
            buried: BTreeSet::new(),
            to_come: 0,
            frozen: BTreeMap::new(),
        }
    }

    /// Places all of a log, and compares what its frontiers say of what stands before them.
    pub fn run(&mut self, log: &Log, entries: &Entries) {
        self.foresee(log, entries);
        let mut closed = false;
        for leaf in &log.leaves {
            if closed {
                self.found.push(Finding::AfterEnd { log: log.node, index: leaf.index });
                break;
            }
            match &leaf.content {
                Content::Accept(id) => {
                    if let Some(entry) = entries.get(id) {
                        self.place(log, leaf, entry, entries);
                    }
                }
                Content::Resolve(id) => {
                    self.to_come = self.to_come.saturating_sub(1);
                    if let Some(entry) = entries.get(id) {
                        self.place(log, leaf, entry, entries);
                    }
                }
                Content::Fork(forked) => self.freeze(log, leaf.index, forked, entries),
                Content::Frontier(frontier) if self.is_whole(log) => {
                    self.compare(log, leaf.index, frontier);
                }
                Content::Closed(order) => closed = self.is_left_out(log, order),
                Content::Frontier(_)
                | Content::Peer(_)
                | Content::Renewed(_)
                | Content::Shows(_)
                | Content::Damaged
                | Content::Other => {}
            }
        }
    }

    /// Whether the roster that this entry brings has left the log's node out: nothing of it counts
    /// any more.
    fn is_left_out(&self, log: &Log, order: &EntryId) -> bool {
        let rosters = self.register.rosters();
        let before = rosters.iter().take_while(|it| it.order != *order);
        let new = rosters.iter().find(|it| it.order == *order);
        let names = |it: &Reformed| it.roster.nodes.contains(&log.node);
        new.is_none_or(|it| !names(it)) && before.into_iter().any(names)
    }

    /// Whether the places are all that the log had given at this leaf.
    fn is_whole(&self, log: &Log) -> bool {
        let dug = self.buried.is_empty() || self.to_come == 0;
        !log.has_holes() && self.unplaced.is_empty() && dug
    }

    /// What the log will take over.
    fn foresee(&mut self, log: &Log, entries: &Entries) {
        for leaf in &log.leaves {
            if let Content::Resolve(id) = leaf.content
                && let Some(entry) = entries.get(&id)
            {
                let header = entry.header();
                self.to_come += 1;
                if is_register(entry) {
                    self.taken_register.insert(header.basis, id);
                }
                self.taken.entry(header.device).or_default().insert(header.seq, id);
            }
        }
    }

    /// Whether the log itself says that this entry's place, or one before it, is another's.
    fn is_replaced(&self, entry: &Signed) -> bool {
        let header = entry.header();
        let mut taken = self.taken.get(&header.device).into_iter().flatten();
        let replaced = taken.any(|(seq, id)| *seq == header.seq && *id != entry.id());
        let successor = self.taken_register.get(&header.basis).filter(|_| is_register(entry));
        let outrun = successor.is_some_and(|id| *id != entry.id());
        replaced
            || outrun
            || self.buried.contains(&header.prev)
            || self.buried.contains(&header.basis)
    }

    fn place(&mut self, log: &Log, leaf: &Shown, entry: &Signed, entries: &Entries) {
        let accepts = matches!(leaf.content, Content::Accept(_));
        if accepts && self.is_replaced(entry) {
            self.buried.insert(entry.id());
            return;
        }
        let barred = if accepts { self.bar(entry) } else { Ok(()) };
        match barred.and_then(|()| self.give(leaf, entry)) {
            Ok(Standing::Free { .. } | Standing::Known(_)) => {}
            Ok(Standing::Waits(needs)) => {
                if !self.unplaced.contains(&needs) {
                    self.miss(log, leaf.index, entry, needs, entries);
                }
                self.unplaced.insert(entry.id());
            }
            Err(refusal) => {
                let (log, index, claim) = (log.node, leaf.index, Claim::of(entry));
                self.found.push(Finding::Place { log, index, claim, refusal });
                self.unplaced.insert(entry.id());
            }
        }
    }

    /// Rule 21, as far as forks go, and rule 27. A register entry may be adopted by a succession.
    fn bar(&self, entry: &Signed) -> Result<(), Refusal> {
        let header = entry.header();
        let from = self.frozen.get(&header.device).filter(|from| header.seq >= **from);
        let act = match entry.content() {
            Said::Known(act) => Some(act),
            Said::Unknown(_) => None,
        };
        if let Some(from) = from.filter(|_| !is_register(entry)) {
            let from = u32::try_from(*from).unwrap_or(u32::MAX);
            return Err(Refusal::Frozen { from, cause: Cause::Fork });
        }
        match act {
            Some(Act::Heal(heal)) if self.places.find(&entry.id()).is_none() => {
                heal::examine(&self.register, heal).map_err(Refusal::Heal)
            }
            _ => Ok(()),
        }
    }

    /// A fork stops its chain, until a heal; and the log says what it holds there.
    fn freeze(&mut self, log: &Log, index: u64, forked: &Forked, entries: &Entries) {
        let (device, seq) = (forked.fork.device(), forked.fork.seq());
        let number = self.register.known(&device);
        let healed = number.zip(u32::try_from(seq).ok());
        if healed.is_none_or(|(device, seq)| self.register.healed(device, seq).is_none()) {
            let from = self.frozen.entry(device).or_insert(seq);
            *from = seq.min(*from);
        }
        if log.has_holes() || self.taken.contains_key(&device) {
            return;
        }
        let before = log.leaves.iter().take_while(|leaf| leaf.index < index);
        let here = |id: &EntryId| {
            let header = entries.get(id).map(|entry| entry.header());
            header.is_some_and(|header| (header.device, header.seq) == (device, seq))
        };
        let held = before.filter_map(|leaf| leaf.content.entry()).filter(here).last();
        let claimed = forked.held;
        if claimed != held {
            let claim = Claim::by(&forked.fork.one.header, forked.fork.one.id());
            self.found.push(Finding::Held { log: log.node, index, claim, claimed, held });
        }
    }

    /// Gives an entry its place if it is free.
    ///
    /// # Errors
    /// As [`Places::ask`].
    pub fn give(&mut self, leaf: &Shown, entry: &Signed) -> Result<Standing, Refusal> {
        let standing = if entry.id() == self.register.cooperative() {
            let device = self.register.device(&entry.header().device, 0).unwrap_or(0);
            match self.places.find(&entry.id()) {
                Some(place) => Standing::Known(place.leaf),
                None => Standing::Free { device, basis: 0 },
            }
        } else {
            self.places.ask(&self.register, entry)?
        };
        if let Standing::Free { device, basis } = standing {
            let place = Place { id: entry.id(), hash: leaf.hash, leaf: leaf.index };
            self.places.give(device, basis, office(entry.content()), place);
            self.enter(entry);
        }
        Ok(standing)
    }

    /// Numbers a register entry; a heal lets its chain go on.
    fn enter(&mut self, entry: &Signed) {
        let Said::Known(act) = entry.content() else { return };
        if !act.is_register() || matches!(act, Act::Charter(_)) {
            return;
        }
        // `ask` has put the questions that `append` puts again.
        let _ = self.register.append(entry);
        if let Act::Heal(heal) = act
            && let Some(record) = self.register.record(heal.device)
        {
            self.frozen.remove(&record.key);
        }
    }

    /// An entry stands before what it needs: is that missing, or was it wrong to place it?
    fn miss(&mut self, log: &Log, index: u64, entry: &Signed, needs: EntryId, entries: &Entries) {
        let claim = Claim::of(entry);
        if !log.has_holes() {
            self.found.push(Finding::Early { log: log.node, index, claim, needs });
        } else if !entries.contains_key(&needs) && self.named.insert(needs) {
            let header = entry.header();
            let before = header.seq.checked_sub(1).filter(|_| needs == header.prev);
            self.found.push(match before {
                Some(seq) => Finding::MissingPlace { claim: Claim { seq, id: needs, ..claim } },
                None => Finding::MissingNamed { id: needs },
            });
        }
    }

    fn compare(&mut self, log: &Log, index: u64, frontier: &Frontier) {
        let count = u64::try_from(self.places.len()).unwrap_or(u64::MAX);
        let root = self.places.root(&self.register);
        let mut differs = |what, claimed: String, computed: String| {
            if claimed != computed {
                self.found.push(Finding::Frontier {
                    log: log.node,
                    index,
                    what,
                    claimed,
                    computed,
                });
            }
        };
        differs(Stated::Count, frontier.count.to_string(), count.to_string());
        differs(Stated::Accepted, frontier.accepted.to_string(), root.to_string());
    }
}

fn is_register(entry: &Signed) -> bool {
    matches!(entry.content(), Said::Known(act) if act.is_register())
}
