//! One cooperative's entries on this side of the wire, and what they add up to.
//!
//! The ledger's own register and state, fed with the entries that are at hand, so that what a
//! member closes (a decision, a run, a month) is computed from the same rules that judge it
//! afterwards. Whether an entry is settled is asked elsewhere: a book is a reading, never a proof.

use std::collections::BTreeMap;

use talea_ledger::place::{Place, Places, Refusal, Standing, office};
use talea_ledger::register::{Misplaced, Register};
use talea_ledger::state::State;
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Content};
use talea_protocol::attachment::Attachment;
use talea_protocol::charter::Member;
use talea_protocol::entry::{Entry, Header, SCHEME, Signed, VERSION};
use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;
use talea_protocol::leaf::accept;
use talea_protocol::tree::leaf_hash;

use crate::names::{Names, Words};
use crate::verify::Audit;

/// Least digits of an id that name an entry.
const PREFIX_DIGITS_MIN: usize = 6;

/// Why an entry is not this book's next.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unplaced {
    /// It has no place, or founds nothing: rules 10 to 39.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not the register's next.
    #[error(transparent)]
    Register(#[from] Misplaced),
    /// It names a register entry, or an entry before it, that is not here.
    #[error("it waits for entry {entry}, which is not here")]
    Waits {
        /// What it names.
        entry: EntryId,
    },
}

/// Why a text names no entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unnamed {
    /// Nothing fits.
    #[error("no entry here is called `{text}`")]
    Unknown {
        /// What was asked for.
        text: String,
    },
    /// More than one fits.
    #[error("{count} entries begin with `{text}`")]
    Several {
        /// What was asked for.
        text: String,
        /// How many fit.
        count: usize,
    },
}

/// A cooperative, as read.
pub struct Book {
    register: Register,
    places: Places,
    state: State,
    names: Names,
    notes: BTreeMap<EntryId, String>,
    attachments: BTreeMap<EntryId, Vec<Attachment>>,
    entries: BTreeMap<EntryId, Signed>,
    order: Vec<EntryId>,
}

impl Book {
    /// A book that holds a charter.
    ///
    /// # Errors
    /// [`Refusal::Charter`], rules 30 to 39.
    pub fn found(charter: Signed) -> Result<Self, Unplaced> {
        let register = Register::found(&charter).map_err(Refusal::from)?;
        let author = charter.header().device;
        let device = register.device(&author, 0).ok_or(Refusal::NotEnrolled { number: 0 })?;
        let mut book = Self {
            register,
            places: Places::default(),
            state: State::new(),
            names: Names::default(),
            notes: BTreeMap::new(),
            attachments: BTreeMap::new(),
            entries: BTreeMap::new(),
            order: Vec::new(),
        };
        book.places.give(device, 0, office(charter.content()), place(&charter));
        book.settle(device, charter);
        Ok(book)
    }

    /// The book of what an audited export shows as settled; nothing if it has no charter.
    #[must_use]
    pub fn of(audit: Audit) -> Option<Self> {
        let Audit { shown, sum, .. } = audit;
        let sum = sum?;
        let (register, places, state, names) = (sum.register, sum.places, sum.state, sum.names);
        let (entries, order, notes) = (shown.entries, sum.order, BTreeMap::new());
        let attachments = BTreeMap::new();
        let mut book = Self { register, places, state, names, notes, attachments, entries, order };
        for payload in &shown.payloads {
            let commitment = book.entries.get(&payload.entry).and_then(|e| e.header().payload);
            if commitment.is_some_and(|bound| bound.binds(&payload.salt, &payload.bytes)) {
                book.read_payload(&payload.entry, &payload.bytes);
            }
        }
        Some(book)
    }

    /// Adds the next entry of a chain.
    ///
    /// # Errors
    /// [`Unplaced`]; the book is as before.
    pub fn add(&mut self, entry: Signed) -> Result<(), Unplaced> {
        if self.state.verdict(&entry.id()).is_some() {
            return Ok(());
        }
        let device = match self.ask(&entry)? {
            Standing::Waits(entry) => return Err(Unplaced::Waits { entry }),
            Standing::Known(_) => self.device_of(&entry)?,
            Standing::Free { device, basis } => {
                if matches!(entry.content(), Content::Known(act) if act.is_register()) {
                    self.register.append(&entry)?;
                }
                self.places.give(device, basis, office(entry.content()), place(&entry));
                device
            }
        };
        if entry.header().seq != u64::from(self.state.length(device)) {
            return Err(Unplaced::Waits { entry: entry.header().prev });
        }
        self.settle(device, entry);
        Ok(())
    }

    /// Whether an entry has a place, or would get one, by rules 10 to 20; changes nothing.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn ask(&self, entry: &Entry) -> Result<Standing, Refusal> {
        self.places.ask(&self.register, entry)
    }

    /// Takes what the payload beside an entry says: names, and a note. That the entry commits to
    /// it was asked before.
    pub fn read_payload(&mut self, id: &EntryId, payload: &[u8]) {
        if let Some(entry) = self.entries.get(id) {
            self.names.learn(&self.register, entry, payload);
            let words = Words::read(payload);
            self.notes.extend(words.note.map(|note| (*id, note)));
            self.attachments.insert(*id, words.attachments);
        }
    }

    /// The files that the author of an entry attached to it, in order.
    #[must_use]
    pub fn attachments(&self, id: &EntryId) -> &[Attachment] {
        self.attachments.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the author of an entry had to say beside it.
    #[must_use]
    pub fn note(&self, id: &EntryId) -> Option<&str> {
        self.notes.get(id).map(String::as_str)
    }

    fn settle(&mut self, device: u32, entry: Signed) {
        self.state.settle(&self.register, device, &entry);
        self.order.push(entry.id());
        self.entries.insert(entry.id(), entry);
    }

    fn device_of(&self, entry: &Entry) -> Result<u32, Unplaced> {
        let header = entry.header();
        let number = match entry.content() {
            Content::Known(Act::Charter(_)) => 0,
            _ => self
                .register
                .number(&header.basis)
                .ok_or(Unplaced::Waits { entry: header.basis })?,
        };
        let device = self.register.device(&header.device, number);
        Ok(device.ok_or(Refusal::NotEnrolled { number })?)
    }

    /// The header of the next entry of a device's chain, under the register's newest entry.
    #[must_use]
    pub fn header(&self, device: &DeviceKey, time: u64) -> Option<Header> {
        let (at, _) = self.register.head();
        Some(self.next(self.register.device(device, at)?, device, time))
    }

    /// The same of a device that has ended: nobody gives its entry a place (rule 12).
    #[must_use]
    pub fn ended_header(&self, device: &DeviceKey, time: u64) -> Option<Header> {
        Some(self.next(self.register.known(device)?, device, time))
    }

    fn next(&self, number: u32, device: &DeviceKey, time: u64) -> Header {
        let (_, basis) = self.register.head();
        Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: self.register.cooperative(),
            device: *device,
            seq: u64::from(self.state.length(number)),
            prev: self.state.last(number).unwrap_or(EntryId::ZERO),
            basis,
            time,
            payload: None,
        }
    }

    /// The verdict that an entry would get if it were added now.
    ///
    /// # Errors
    /// [`Unplaced`].
    pub fn judge(&self, entry: &Signed) -> Result<Verdict, Unplaced> {
        Ok(self.state.judge(&self.register, self.device_of(entry)?, entry))
    }

    /// The verdict on an entry that is here.
    #[must_use]
    pub fn verdict(&self, id: &EntryId) -> Option<Verdict> {
        self.state.verdict(id)
    }

    /// The register.
    #[must_use]
    pub const fn register(&self) -> &Register {
        &self.register
    }

    /// What the entries add up to.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The same, to compute its root.
    pub const fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// An entry.
    #[must_use]
    pub fn entry(&self, id: &EntryId) -> Option<&Signed> {
        self.entries.get(id)
    }

    /// Every entry that is added up, in the order of adding.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Signed> {
        self.order.iter().filter_map(|id| self.entries.get(id))
    }

    /// Whose entry this is.
    #[must_use]
    pub fn author(&self, entry: &Signed) -> Option<Member> {
        let device = self.device_of(entry).ok()?;
        self.register.record(device).map(|record| record.member)
    }

    /// What a member is called.
    #[must_use]
    pub fn handle(&self, member: Member) -> String {
        self.names.handle(&self.register, member)
    }

    /// A member's full name.
    #[must_use]
    pub fn name(&self, member: Member) -> String {
        self.names.name(&self.register, member)
    }

    /// Who is called so.
    #[must_use]
    pub fn member(&self, handle: &str) -> Option<Member> {
        self.names.find(&self.register, handle)
    }

    /// What to call an entry in speech: author and place, such as `alba/3`.
    #[must_use]
    pub fn label(&self, id: &EntryId) -> String {
        let named = self.entries.get(id).and_then(|entry| {
            let author = self.author(entry)?;
            let device = self.device_of(entry).ok()?;
            let first = self.register.devices_of(author).next().map(|(it, _)| it) == Some(device);
            let handle = self.handle(author);
            let key = entry.header().device.to_string();
            let key = key.get(..6).unwrap_or_default();
            let chain = if first { handle } else { format!("{handle}.{key}") };
            Some(format!("{chain}/{}", entry.header().seq))
        });
        named.unwrap_or_else(|| id.to_string().get(..12).unwrap_or_default().to_owned())
    }

    /// The entry called so: `alba/3`, or the beginning of its id.
    ///
    /// # Errors
    /// [`Unnamed`].
    pub fn find(&self, text: &str) -> Result<EntryId, Unnamed> {
        let fits = |id: &&EntryId| {
            if text.contains('/') {
                self.label(id) == text
            } else {
                text.len() >= PREFIX_DIGITS_MIN && id.to_string().starts_with(text)
            }
        };
        let mut found = self.order.iter().filter(fits);
        match (found.next(), found.count()) {
            (Some(id), 0) => Ok(*id),
            (Some(_), more) => Err(Unnamed::Several { text: text.to_owned(), count: more + 1 }),
            (None, _) => Err(Unnamed::Unknown { text: text.to_owned() }),
        }
    }
}

/// A place that no node has given yet.
fn place(entry: &Signed) -> Place {
    Place { id: entry.id(), hash: leaf_hash(&accept(entry)), leaf: 0 }
}
