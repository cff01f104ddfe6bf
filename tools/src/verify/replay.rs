//! One log's leaves again, in their order, by the ledger's own rules of placing.
//!
//! What an honest node placed, everybody places again: devices enrolled, chains unbroken, one
//! entry in a place, the register's order. What a log should have refused is its node's fault;
//! what it must hold and the file does not show is missing.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::place::{Place, Places, Standing};
use talea_ledger::register::Register;
use talea_protocol::act::{Act, Content as Said};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::leaf::Frontier;

use super::finding::{Finding, Stated};
use super::log::{Content, Log, Shown};
use super::status::Claim;

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
        }
    }

    /// Places all of a log, and compares what its frontiers say of what stands before them.
    pub fn run(&mut self, log: &Log, entries: &BTreeMap<EntryId, Signed>) {
        for leaf in &log.leaves {
            match &leaf.content {
                Content::Accept(id) => {
                    if let Some(entry) = entries.get(id) {
                        self.place(log, leaf, entry, entries);
                    }
                }
                Content::Frontier(frontier) if !log.has_holes() && self.unplaced.is_empty() => {
                    self.compare(log, leaf.index, frontier);
                }
                Content::Frontier(_) | Content::Peer(_) | Content::Damaged | Content::Other => {}
            }
        }
    }

    fn place(
        &mut self,
        log: &Log,
        leaf: &Shown,
        entry: &Signed,
        entries: &BTreeMap<EntryId, Signed>,
    ) {
        match self.give(leaf, entry) {
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

    /// Gives an entry its place if it is free.
    ///
    /// # Errors
    /// As [`Places::ask`].
    pub fn give(
        &mut self,
        leaf: &Shown,
        entry: &Signed,
    ) -> Result<Standing, talea_ledger::place::Refusal> {
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
            let place = Place { id: entry.id(), hash: leaf.hash, leaf: leaf.index, receipts: 0 };
            self.places.give(device, basis, place);
            if matches!(entry.content(), Said::Known(act) if is_numbered(act)) {
                // `ask` has put the questions that `append` puts again.
                let _ = self.register.append(entry);
            }
        }
        Ok(standing)
    }

    /// An entry stands before what it needs: is that missing, or was it wrong to place it?
    fn miss(
        &mut self,
        log: &Log,
        index: u64,
        entry: &Signed,
        needs: EntryId,
        entries: &BTreeMap<EntryId, Signed>,
    ) {
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

const fn is_numbered(act: &Act) -> bool {
    act.is_register() && !matches!(act, Act::Charter(_))
}
