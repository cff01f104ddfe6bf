//! The register as placed: who is a member, which devices write, who holds which role.
//!
//! Its facts are a function of the register chain alone, never of settlement: a node that has
//! placed register entry n knows them up to n. So nothing here looks at a ballot; what decisions
//! change is the state's business. An entry that breaks its rule keeps its number and changes
//! nothing. Model, section 3; README, section 3.

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::act::{Act, Content};
use talea_protocol::charter::{Charter, Kind, Member, Roster};
use talea_protocol::council::Milestone;
use talea_protocol::entry::Signed;
use talea_protocol::hash::{Context, EntryId, Hash};
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::recovery::Guardians;
pub use talea_protocol::recovery::Office;

use crate::profile::{Refusal, accept};
use crate::verdict::Void;

mod enact;
mod examine;

/// A member, as the register has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MemberRecord {
    /// Number of the register entry that admitted it; 0 for founders.
    pub admitted: u32,
    /// Place of its college in the charter.
    pub college: u8,
    /// Place of its stage in the charter.
    pub stage: u8,
    /// What it is.
    pub kind: Kind,
    /// Its name for ever: the id of the entry that admitted it; a founder's is the hash, under
    /// [`Context::Founding`], of the charter's id and the founder's number (u32).
    pub id: Hash,
    /// Number of the register entry by which it left or was removed.
    pub left: Option<u32>,
}

/// Where a device's chain ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct End {
    /// Number of the register entry that says so.
    pub number: u32,
    /// How many entries of the chain still count.
    pub length: u32,
}

/// A device, as the register has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeviceRecord {
    /// Its key.
    pub key: DeviceKey,
    /// Whose it is.
    pub member: Member,
    /// Number of the register entry that enrolled it; 0 for founders' first devices.
    pub enrolled: u32,
    /// Where its chain ends, if it does.
    pub end: Option<End>,
}

/// Who holds a role, from a register entry on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Term {
    /// Which role.
    pub office: Office,
    /// The first register entry of the term.
    pub number: u32,
    /// Who.
    pub holder: Member,
    /// Where the predecessor's chain ends as far as this role is concerned: the device, and how
    /// many of its entries count.
    pub before: Option<(u32, u32)>,
}

/// Nodes whose receipts count, from a register entry on: once that is settled and counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reformed {
    /// The register entry's number; 0 for the charter.
    pub number: u32,
    /// Its id.
    pub order: EntryId,
    /// The nodes.
    pub roster: Roster,
}

/// Why an entry is not the register's next. Placing has asked before; nothing changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Misplaced {
    /// The act does not belong into a register.
    #[error("not an act of the register")]
    NotRegister,
    /// Rule 15.
    #[error("rule 15: the register's head is {head}, not {basis}")]
    Basis {
        /// The register's newest entry.
        head: EntryId,
        /// What the entry names.
        basis: EntryId,
    },
    /// Rule 16.
    #[error("rule 16: only member {}, the registrar, numbers the register", registrar.0)]
    Author {
        /// Who may.
        registrar: Member,
    },
    /// There are as many numbers as a u32 has.
    #[error("the register is full")]
    Full,
}

/// The numbered entries of a register, and the facts that follow from them.
#[derive(Clone, Debug)]
pub struct Register {
    charter: Charter,
    entries: Vec<EntryId>,
    numbers: BTreeMap<EntryId, u32>,
    members: Vec<MemberRecord>,
    devices: Vec<DeviceRecord>,
    keys: BTreeMap<DeviceKey, u32>,
    faults: BTreeMap<u32, Void>,
    /// Every term, in the order of numbers; the charter's first.
    terms: Vec<Term>,
    /// Every choice of guardians, in the order of numbers.
    guardians: BTreeMap<Member, Vec<(u32, Guardians)>>,
    /// Heals by device and place, with the branch that goes on.
    heals: BTreeMap<(u32, u32), Option<EntryId>>,
    /// Decisions that a register entry has carried out.
    executed: BTreeSet<EntryId>,
    /// Every roster, in the order of numbers; the charter's first.
    rosters: Vec<Reformed>,
}

impl Register {
    /// The register of a charter. Its founders' devices are numbered like their owners.
    ///
    /// # Errors
    /// [`Refusal`], rules 30 to 39.
    pub fn found(entry: &Signed) -> Result<Self, Refusal> {
        let charter = accept(entry)?.clone();
        let id = entry.id();
        let mut register = Self {
            charter: charter.clone(),
            entries: vec![id],
            numbers: BTreeMap::from([(id, 0)]),
            members: Vec::new(),
            devices: Vec::new(),
            keys: BTreeMap::new(),
            faults: BTreeMap::new(),
            terms: terms(&charter),
            guardians: BTreeMap::new(),
            heals: BTreeMap::new(),
            executed: BTreeSet::new(),
            rosters: vec![Reformed { number: 0, order: id, roster: charter.roster.clone() }],
        };
        for (number, founder) in (0_u32..).zip(&charter.founders) {
            let (college, stage, kind) = (founder.college, founder.stage, founder.kind);
            let id = Context::Founding.hash_of(&(id, number));
            let left = None;
            register.members.push(MemberRecord { admitted: 0, college, stage, kind, id, left });
            register.enter(founder.device, Member(number), 0);
        }
        Ok(register)
    }

    /// The cooperative's id: its charter's.
    #[must_use]
    pub fn cooperative(&self) -> EntryId {
        self.entries.first().copied().unwrap_or(EntryId::ZERO)
    }

    /// The charter as founded; what is in force later is the state's business.
    #[must_use]
    pub const fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The newest roster that is numbered. Whether it is in force, its settlement says.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        self.rosters.last().map_or(&self.charter.roster, |it| &it.roster)
    }

    /// Every roster, in the order of numbers; the charter's first.
    #[must_use]
    pub fn rosters(&self) -> &[Reformed] {
        &self.rosters
    }

    /// Which roster this register entry brings: its place among them.
    #[must_use]
    pub fn roster_of(&self, order: &EntryId) -> Option<usize> {
        self.rosters.iter().position(|it| it.order == *order)
    }

    /// Every node that is or was of a roster, in the order in which they came.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeKey> {
        let mut nodes: Vec<NodeKey> = Vec::new();
        for node in self.rosters.iter().flat_map(|it| it.roster.nodes.iter()) {
            if !nodes.contains(node) {
                nodes.push(*node);
            }
        }
        nodes
    }

    /// A node that a new roster names although an earlier one had left it out: its log is closed.
    #[must_use]
    pub fn returning(&self, roster: &Roster) -> Option<NodeKey> {
        let now = &self.roster().nodes;
        let known = self.nodes();
        roster.nodes.iter().find(|node| known.contains(node) && !now.contains(node)).copied()
    }

    /// The number of a register entry.
    #[must_use]
    pub fn number(&self, id: &EntryId) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// The register entry with this number.
    #[must_use]
    pub fn entry(&self, number: u32) -> Option<EntryId> {
        usize::try_from(number).ok().and_then(|number| self.entries.get(number)).copied()
    }

    /// The newest entry and its number.
    #[must_use]
    pub fn head(&self) -> (u32, EntryId) {
        let number = count(self.entries.len()).saturating_sub(1);
        (number, self.entries.last().copied().unwrap_or(EntryId::ZERO))
    }

    /// Numbers the register's next entry. An entry that is void has its number all the same.
    ///
    /// # Errors
    /// [`Misplaced`]; the register is as before.
    pub fn append(&mut self, entry: &Signed) -> Result<u32, Misplaced> {
        let Content::Known(act) = entry.content() else {
            return Err(Misplaced::NotRegister);
        };
        if !act.is_register() || matches!(act, Act::Charter(_)) {
            return Err(Misplaced::NotRegister);
        }
        let (at, head) = self.head();
        let basis = entry.header().basis;
        if basis != head {
            return Err(Misplaced::Basis { head, basis });
        }
        let registrar = self.holder(Office::Registrar, at);
        let author = self.owner(&entry.header().device, at);
        if author != Some(registrar) && !self.succeeds(author, act) {
            return Err(Misplaced::Author { registrar });
        }
        let number = at.checked_add(1).ok_or(Misplaced::Full)?;
        self.entries.push(entry.id());
        self.numbers.insert(entry.id(), number);
        match self.examine(act) {
            Ok(()) => self.enact(number, entry.id(), act),
            Err(void) => {
                self.faults.insert(number, void);
            }
        }
        Ok(number)
    }

    /// Why the register entry with this number is void, if it breaks its rule.
    #[must_use]
    pub fn fault(&self, number: u32) -> Option<Void> {
        self.faults.get(&number).copied()
    }

    /// The number of a device that is enrolled, and not ended, at register entry `at`.
    #[must_use]
    pub fn device(&self, key: &DeviceKey, at: u32) -> Option<u32> {
        let number = self.known(key)?;
        self.record(number).filter(|device| device.writes(at)).map(|_| number)
    }

    /// The number of a device, enrolled or ended.
    #[must_use]
    pub fn known(&self, key: &DeviceKey) -> Option<u32> {
        self.keys.get(key).copied()
    }

    /// Every device, by number.
    #[must_use]
    pub fn devices(&self) -> &[DeviceRecord] {
        &self.devices
    }

    /// Every member, by number.
    #[must_use]
    pub fn members(&self) -> &[MemberRecord] {
        &self.members
    }

    /// The device with this number.
    #[must_use]
    pub fn record(&self, device: u32) -> Option<&DeviceRecord> {
        usize::try_from(device).ok().and_then(|device| self.devices.get(device))
    }

    /// The member with this number.
    #[must_use]
    pub fn member(&self, member: Member) -> Option<&MemberRecord> {
        usize::try_from(member.0).ok().and_then(|member| self.members.get(member))
    }

    /// Whose device this is, at register entry `at`.
    #[must_use]
    pub fn owner(&self, key: &DeviceKey, at: u32) -> Option<Member> {
        self.device(key, at).and_then(|device| self.record(device)).map(|device| device.member)
    }

    /// The device that debits for a member at register entry `at`, so that whatever can be
    /// contended has one writer: its first one that has not ended.
    #[must_use]
    pub fn spender(&self, member: Member, at: u32) -> Option<u32> {
        let mut own = (0..).zip(&self.devices).filter(|(_, device)| device.member == member);
        own.find(|(_, device)| device.writes(at)).map(|(number, _)| number)
    }

    /// Every device of a member, by number.
    pub fn devices_of(&self, member: Member) -> impl Iterator<Item = (u32, &DeviceRecord)> {
        (0..).zip(&self.devices).filter(move |(_, device)| device.member == member)
    }

    /// Chains that a member's spender goes on from at register entry `at`: each earlier device
    /// and how many of its entries count.
    pub fn spent(&self, member: Member, at: u32) -> impl Iterator<Item = (u32, u32)> {
        let ended = move |device: &DeviceRecord| device.end.filter(|end| end.number <= at);
        self.devices_of(member)
            .filter_map(move |(number, device)| ended(device).map(|end| (number, end.length)))
    }

    /// How many devices are enrolled at register entry `at`.
    #[must_use]
    pub fn device_count(&self, at: u32) -> usize {
        self.devices.partition_point(|device| device.enrolled <= at)
    }

    /// How many members are admitted at register entry `at`.
    #[must_use]
    pub fn member_count(&self, at: u32) -> usize {
        self.members.partition_point(|member| member.admitted <= at)
    }

    /// Whether a member is one at register entry `at`: admitted, and not gone.
    #[must_use]
    pub fn is_member(&self, member: Member, at: u32) -> bool {
        self.member(member)
            .is_some_and(|it| it.admitted <= at && it.left.is_none_or(|left| left > at))
    }

    /// How many members there are at register entry `at`.
    #[must_use]
    pub fn present(&self, at: u32) -> usize {
        (0..).take(self.members.len()).filter(|member| self.is_member(Member(*member), at)).count()
    }

    /// Who holds a role at register entry `at`.
    #[must_use]
    pub fn holder(&self, office: Office, at: u32) -> Member {
        self.term(office, at).map_or(self.charter.roles.registrar, |term| term.holder)
    }

    /// The term of a role that runs at register entry `at`.
    #[must_use]
    pub fn term(&self, office: Office, at: u32) -> Option<&Term> {
        self.terms_of(office).filter(|term| term.number <= at).last()
    }

    /// What a member must have done to come to a stage without a decision.
    #[must_use]
    pub fn milestone(&self, stage: u8) -> Option<&Milestone> {
        self.charter.council.milestones.iter().find(|milestone| milestone.stage == stage)
    }

    /// Every term of a role, in order.
    pub fn terms_of(&self, office: Office) -> impl Iterator<Item = &Term> {
        self.terms.iter().filter(move |term| term.office == office)
    }

    /// A member's choice of guardians.
    #[must_use]
    pub fn guardians(&self, member: Member) -> Option<&Guardians> {
        self.guardians_at(member, u32::MAX)
    }

    /// The choice that a member had made at register entry `at`.
    #[must_use]
    pub fn guardians_at(&self, member: Member, at: u32) -> Option<&Guardians> {
        let mut choices = self.guardians.get(&member)?.iter().rev();
        choices.find(|(number, _)| *number <= at).map(|(_, guardians)| guardians)
    }

    /// What a heal said of a place: the branch that goes on, or none.
    #[must_use]
    pub fn healed(&self, device: u32, seq: u32) -> Option<Option<EntryId>> {
        self.heals.get(&(device, seq)).copied()
    }

    /// Members whose calls replace the registrar.
    #[must_use]
    pub fn calls_needed(&self, at: u32) -> usize {
        match self.charter.recovery {
            0 => self.present(at) / 2 + 1,
            recovery => usize::from(recovery),
        }
    }

    /// Whether whoever held the register at entry `at` has held it ever since: a call is about the
    /// registrar of then, and about no later one.
    #[must_use]
    pub fn keeps_registrar(&self, at: u32) -> bool {
        let begun = |at| self.term(Office::Registrar, at).map(|term| term.number);
        begun(at) == begun(self.head().0)
    }

    /// Where a device's acts for a role end, if it writes them under register entry `basis`: the
    /// term that ends its holder's, and how many of its entries count.
    #[must_use]
    pub fn relieved(&self, office: Office, device: u32, basis: u32) -> Option<End> {
        let member = self.record(device)?.member;
        if self.holder(office, basis) != member {
            return None;
        }
        let later = |term: &&Term| term.number > basis;
        self.terms_of(office).filter(later).find_map(|term| {
            let (of, length) = term.before?;
            (of == device).then_some(End { number: term.number, length })
        })
    }

    /// Whether a register entry has carried out this decision.
    #[must_use]
    pub fn executed(&self, decision: &EntryId) -> bool {
        self.executed.contains(decision)
    }

    fn enter(&mut self, key: DeviceKey, member: Member, enrolled: u32) {
        self.keys.insert(key, count(self.devices.len()));
        self.devices.push(DeviceRecord { key, member, enrolled, end: None });
    }
}

impl DeviceRecord {
    /// Whether it is enrolled, and has not ended, at register entry `at`.
    #[must_use]
    pub fn writes(&self, at: u32) -> bool {
        self.enrolled <= at && self.end.is_none_or(|end| end.number > at)
    }
}

/// The terms that a charter begins.
fn terms(charter: &Charter) -> Vec<Term> {
    let roles = &charter.roles;
    let begin = |(office, holder)| Term { office, number: 0, holder, before: None };
    let holders = [
        (Office::Registrar, roles.registrar),
        (Office::Treasurer, roles.treasurer),
        (Office::Distributor, roles.distributor),
    ];
    holders.map(begin).to_vec()
}

/// A count of what has a u32 for its number: lists here are far shorter than that.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
