//! The register as placed: who is a member, which devices write, who holds which role.
//!
//! Its facts are a function of the register chain alone, never of settlement: a node that has
//! placed register entry n knows them up to n. So nothing here looks at a ballot; what decisions
//! change is the state's business. An admission that breaks its rule (40 to 45) keeps its number
//! and adds nobody. Model, section 3; README, section 3.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Admit, Approval, Content, Enrol, Request, enrolment};
use talea_protocol::charter::{Charter, Kind, Member, Roster};
use talea_protocol::cut::DEVICES_MAX;
use talea_protocol::entry::Signed;
use talea_protocol::hash::{Context, EntryId, Hash};
use talea_protocol::key::{DeviceKey, Purpose, Signature, examine, verify_for};

use crate::profile::{Refusal, accept};
use crate::verdict::Void;

/// What one member may do for all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Numbers the register.
    Registrar,
    /// Writes money.
    Treasurer,
    /// Computes the runs.
    Distributor,
}

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
        };
        for (number, founder) in (0_u32..).zip(&charter.founders) {
            let (college, stage, kind) = (founder.college, founder.stage, founder.kind);
            let id = Context::Founding.hash_of(&(id, number));
            register.members.push(MemberRecord { admitted: 0, college, stage, kind, id });
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

    /// The nodes whose receipts count.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.charter.roster
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
        let registrar = self.holder(Role::Registrar, at);
        if self.owner(&entry.header().device, at) != Some(registrar) {
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

    /// Whether this act, as the register's next, admits or enrols whom it says.
    ///
    /// # Errors
    /// [`Void`], rules 40 to 45. An act that neither admits nor enrols breaks none of them.
    pub fn examine(&self, act: &Act) -> Result<(), Void> {
        if let Act::Admit(admit) = act {
            self.examine_admit(admit)
        } else if let Act::Enrol(enrol) = act {
            self.examine_enrol(enrol)
        } else {
            Ok(())
        }
    }

    /// Why the register entry with this number is void, if it is an admission or an enrolment
    /// that breaks its rule.
    #[must_use]
    pub fn fault(&self, number: u32) -> Option<Void> {
        self.faults.get(&number).copied()
    }

    /// The number of a device that is enrolled at register entry `at`.
    #[must_use]
    pub fn device(&self, key: &DeviceKey, at: u32) -> Option<u32> {
        let number = self.keys.get(key).copied()?;
        self.record(number).filter(|device| device.enrolled <= at).map(|_| number)
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

    /// A member's first device: the one that debits for it, so that whatever can be contended has
    /// one writer.
    #[must_use]
    pub fn spender(&self, member: Member) -> Option<u32> {
        let first = self.devices.iter().position(|device| device.member == member)?;
        u32::try_from(first).ok()
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

    /// Who holds a role at register entry `at`. Roles change hands in a later version.
    #[must_use]
    pub const fn holder(&self, role: Role, _at: u32) -> Member {
        let roles = &self.charter.roles;
        match role {
            Role::Registrar => roles.registrar,
            Role::Treasurer => roles.treasurer,
            Role::Distributor => roles.distributor,
        }
    }

    fn enter(&mut self, key: DeviceKey, member: Member, enrolled: u32) {
        self.keys.insert(key, count(self.devices.len()));
        self.devices.push(DeviceRecord { key, member, enrolled });
    }

    fn enact(&mut self, number: u32, id: EntryId, act: &Act) {
        if let Act::Admit(admit) = act {
            let member = Member(count(self.members.len()));
            let (college, stage, kind) = (admit.college, admit.stage, admit.request.kind);
            let id = Hash(id.0);
            self.members.push(MemberRecord { admitted: number, college, stage, kind, id });
            self.enter(admit.request.device, member, number);
        } else if let Act::Enrol(enrol) = act {
            self.enter(enrol.request.device, enrol.member, number);
        }
    }

    fn examine_admit(&self, admit: &Admit) -> Result<(), Void> {
        self.check_request(&admit.request, &admit.proof)?;
        let college = usize::from(admit.college) < self.charter.colleges.len();
        if !college || usize::from(admit.stage) >= self.charter.stages.len() {
            return Err(Void::Unknown);
        }
        let given = self.vouching(&admit.request, &admit.sponsors);
        let needed = self.charter.sponsors;
        if given < u32::from(needed) { Err(Void::Sponsors { given, needed }) } else { Ok(()) }
    }

    fn examine_enrol(&self, enrol: &Enrol) -> Result<(), Void> {
        self.check_request(&enrol.request, &enrol.proof)?;
        let member = enrol.member;
        if self.member(member).is_none_or(|record| record.kind != enrol.request.kind) {
            return Err(Void::Unknown);
        }
        let approved = self.approver(&enrol.request, &enrol.approval) == Some(member);
        if approved { Ok(()) } else { Err(Void::Approval { member }) }
    }

    fn check_request(&self, request: &Request, proof: &Signature) -> Result<(), Void> {
        let device = request.device;
        examine(&device.0).map_err(Void::Key)?;
        if self.keys.contains_key(&device) || self.devices.len() >= DEVICES_MAX {
            return Err(Void::Enrolled { device });
        }
        let signed = enrolment(&self.cooperative(), request);
        if !verify_for(Purpose::Enrolment, &device, proof, &signed) {
            return Err(Void::Proof);
        }
        Ok(())
    }

    /// Distinct members whose approvals stand. None stands in a list that is not strictly
    /// ascending by device, so that one admission has one encoding.
    fn vouching(&self, request: &Request, approvals: &[Approval]) -> u32 {
        if !approvals.is_sorted_by(|a, b| a.device < b.device) {
            return 0;
        }
        let mut members: Vec<Member> =
            approvals.iter().filter_map(|approval| self.approver(request, approval)).collect();
        members.sort_unstable();
        members.dedup();
        count(members.len())
    }

    /// Who has approved, if the device is enrolled and the signature its own.
    fn approver(&self, request: &Request, approval: &Approval) -> Option<Member> {
        let device = self.keys.get(&approval.device)?;
        let signed = enrolment(&self.cooperative(), request);
        verify_for(Purpose::Approval, &approval.device, &approval.signature, &signed)
            .then(|| self.record(*device).map(|record| record.member))
            .flatten()
    }
}

/// A count of what has a u32 for its number: lists here are far shorter than that.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
