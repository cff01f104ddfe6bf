//! The settled chains: who wrote what where, and what a cut takes of it.
//!
//! Every settled entry is here in its place, whatever became of it. A cut is checked against the
//! chains alone: its lengths must be settled, its root must fit, and nothing inside may know a
//! register entry that the act over it does not. By that no cut can hold, and no judgement can
//! wait for, what comes after it. Model, section 4; README, rules 47 to 49.

use talea_protocol::bytes::{List, encode};
use talea_protocol::charter::Member;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::hash::EntryId;

use crate::index::Index;
use crate::register::Register;
use crate::verdict::{Hold, Need, Void};

/// Where an entry stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The device's number.
    pub device: u32,
    /// Place in the device's chain, from 0.
    pub seq: u32,
}

impl Place {
    /// Whether the cut takes it.
    #[must_use]
    pub fn inside(&self, cut: &Cut) -> bool {
        self.seq < cut.length(self.device)
    }
}

/// An entry without its act: who says it, where, and under which register entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// The entry.
    pub id: EntryId,
    /// Where it stands.
    pub place: Place,
    /// The author.
    pub member: Member,
    /// Number of the register entry that it names as its basis.
    pub basis: u32,
    /// The author's clock, in ms since 1970 UTC.
    pub time: u64,
    /// Whether a payload belongs to it.
    pub payload: bool,
}

/// What became of a settled entry, without the reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Not judged yet.
    Pending,
    /// It has its effect.
    Counted,
    /// It adds nothing.
    Void,
}

#[derive(Clone, Debug, Default)]
struct Chain {
    ids: Vec<EntryId>,
    statuses: Vec<Status>,
    /// Newest register entry that any entry up to here names or is, by place.
    reach: Vec<u32>,
}

/// All settled chains, by device.
#[derive(Clone, Debug, Default)]
pub struct Chains {
    chains: Vec<Chain>,
    places: Index<Place>,
    reach: u32,
}

impl Chains {
    /// Appends an entry to its chain. `reach`: the newest register entry that it names or is.
    pub fn push(&mut self, place: Place, id: EntryId, reach: u32) {
        let device = index(place.device);
        if self.chains.len() <= device {
            self.chains.resize_with(device + 1, Chain::default);
        }
        if let Some(chain) = self.chains.get_mut(device) {
            let reach = chain.reach.last().copied().unwrap_or(0).max(reach);
            chain.ids.push(id);
            chain.statuses.push(Status::Pending);
            chain.reach.push(reach);
            self.reach = self.reach.max(reach);
            self.places.insert(&id, place);
        }
    }

    /// Where an entry stands, if it is settled.
    #[must_use]
    pub fn place(&self, id: &EntryId) -> Option<Place> {
        self.places.find(id, |at| self.ids(at.device).get(index(at.seq)).copied())
    }

    /// What became of an entry, if it is settled.
    #[must_use]
    pub fn status(&self, id: &EntryId) -> Option<Status> {
        let place = self.place(id)?;
        self.chains.get(index(place.device))?.statuses.get(index(place.seq)).copied()
    }

    /// Says what became of a settled entry.
    pub fn judge(&mut self, place: Place, status: Status) {
        let chain = self.chains.get_mut(index(place.device));
        if let Some(held) = chain.and_then(|chain| chain.statuses.get_mut(index(place.seq))) {
            *held = status;
        }
    }

    /// Settled entries of a device's chain, in order.
    #[must_use]
    pub fn ids(&self, device: u32) -> &[EntryId] {
        self.chains.get(index(device)).map_or(&[], |chain| &chain.ids)
    }

    /// How many entries of a device's chain are settled.
    #[must_use]
    pub fn length(&self, device: u32) -> u32 {
        u32::try_from(self.ids(device).len()).unwrap_or(u32::MAX)
    }

    /// The newest settled entry of a device's chain.
    #[must_use]
    pub fn last(&self, device: u32) -> Option<EntryId> {
        self.ids(device).last().copied()
    }

    /// How many entries are settled.
    #[must_use]
    pub fn total(&self) -> usize {
        self.places.len()
    }

    /// The value of a chain's row: its length and its last id.
    #[must_use]
    pub fn row(&self, device: u32) -> Option<Vec<u8>> {
        self.last(device).map(|last| encode(&(self.length(device), last)))
    }

    /// The cut of everything settled. It names the newest register entry that anything in it
    /// knows, so that equal sets of settled entries make equal cuts.
    #[must_use]
    pub fn cut(&self, register: &Register) -> Cut {
        let mut root = CutRoot::new();
        let mut lengths = Vec::new();
        for (device, record) in (0_u32..).zip(register.devices()).take(self.chains.len()) {
            let length = self.length(device);
            lengths.push(length);
            if let Some(last) = self.last(device) {
                root.add(&record.key, length, &last);
            }
        }
        while lengths.last() == Some(&0) {
            lengths.pop();
        }
        Cut {
            at: register.entry(self.reach).unwrap_or_else(|| register.cooperative()),
            lengths: List::new(lengths).unwrap_or_default(),
            root: root.finish(),
        }
    }

    /// Whether what a cut names is settled and fits: the first thing missing, or rules 47 to 49.
    ///
    /// # Errors
    /// [`Hold`].
    pub fn check(&self, register: &Register, stamp: &Stamp, cut: &Cut) -> Result<(), Hold> {
        let at = register.number(&cut.at).filter(|at| *at <= stamp.basis);
        let devices = at.map_or(0, |at| register.device_count(at));
        let itself = cut.length(stamp.place.device) > stamp.place.seq;
        if at.is_none() || cut.lengths.len() > devices || itself {
            return Err(Void::CutShape.into());
        }
        let all = || (0_u32..).zip(cut.lengths.iter().copied());
        if let Some((device, length)) =
            all().find(|(device, length)| *length > self.length(*device))
        {
            return Err(Hold::Need(Need::Chain { device, length }));
        }
        let mut root = CutRoot::new();
        let mut inside = 0;
        for (device, length) in all() {
            let (Some(record), Some(seq)) = (register.record(device), length.checked_sub(1)) else {
                continue;
            };
            let chain = self.chains.get(index(device));
            inside = inside.max(chain.and_then(|c| c.reach.get(index(seq))).copied().unwrap_or(0));
            if let Some(last) = self.ids(device).get(index(seq)) {
                root.add(&record.key, length, last);
            }
        }
        if inside > stamp.basis {
            return Err(Void::CutBasis { inside, basis: stamp.basis }.into());
        }
        let found = root.finish();
        if found == cut.root {
            Ok(())
        } else {
            Err(Void::CutRoot { named: cut.root, found }.into())
        }
    }
}

/// A number as a place in a list; every target has at least 32 bits.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
