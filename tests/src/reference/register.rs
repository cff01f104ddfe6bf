//! Members and devices as the register's chain has them, read entry by entry (section 3).

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::act::{Act, Approval, Content, Request, enrolment};
use talea_protocol::charter::{Charter, Kind};
use talea_protocol::entry::Entry;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, Purpose, Signature, examine, verify_for};

use super::Stop;

/// Devices that a cooperative may enrol (rule 41).
const DEVICES_MAX: usize = 10_000;

/// A member.
pub struct Member {
    /// Number of the register entry that admitted it.
    pub admitted: u32,
    /// Place of its college.
    pub college: u8,
    /// Place of its stage.
    pub stage: u8,
    /// What it is.
    pub kind: Kind,
}

/// A device.
pub struct Device {
    /// Its key.
    pub key: DeviceKey,
    /// Whose it is.
    pub member: u32,
    /// Number of the register entry that enrolled it.
    pub enrolled: u32,
}

/// The register.
pub struct Register<'a> {
    /// The charter.
    pub charter: &'a Charter,
    /// Ids by number.
    pub ids: Vec<EntryId>,
    /// Members by number.
    pub members: Vec<Member>,
    /// Devices by number.
    pub devices: Vec<Device>,
    faults: BTreeMap<EntryId, u16>,
}

impl<'a> Register<'a> {
    /// Reads a chain, the charter first.
    pub fn read(chain: &[&'a Entry]) -> Self {
        let first = chain.first().expect("a charter");
        let Content::Known(Act::Charter(charter)) = first.content() else {
            panic!("a register begins with a charter");
        };
        let mut register = Self {
            charter,
            ids: vec![first.id()],
            members: Vec::new(),
            devices: Vec::new(),
            faults: BTreeMap::new(),
        };
        for (number, founder) in (0..).zip(&charter.founders) {
            let (college, stage, kind) = (founder.college, founder.stage, founder.kind);
            register.members.push(Member { admitted: 0, college, stage, kind });
            register.devices.push(Device { key: founder.device, member: number, enrolled: 0 });
        }
        for entry in chain.iter().skip(1) {
            register.take(entry);
        }
        register
    }

    /// The cooperative.
    pub fn cooperative(&self) -> EntryId {
        self.ids[0]
    }

    /// The number of a register entry.
    pub fn number(&self, id: &EntryId) -> Option<u32> {
        let place = self.ids.iter().position(|held| held == id)?;
        u32::try_from(place).ok()
    }

    /// A device's number.
    pub fn device(&self, key: &DeviceKey) -> Option<u32> {
        let place = self.devices.iter().position(|device| device.key == *key)?;
        u32::try_from(place).ok()
    }

    /// The member with this number, if it is admitted at register entry `at`.
    pub fn member(&self, number: u32, at: u32) -> Option<&Member> {
        let member = self.members.get(usize::try_from(number).ok()?)?;
        (member.admitted <= at).then_some(member)
    }

    /// The owner of a device that is enrolled at register entry `at`.
    pub fn owner(&self, key: &DeviceKey, at: u32) -> Option<u32> {
        let device = self.devices.iter().find(|device| device.key == *key)?;
        (device.enrolled <= at).then_some(device.member)
    }

    /// A member's first device.
    pub fn first_device(&self, member: u32) -> Option<u32> {
        let place = self.devices.iter().position(|device| device.member == member)?;
        u32::try_from(place).ok()
    }

    /// Rules 40 to 45, of an admission or an enrolment in the chain.
    pub fn fault(&self, id: EntryId) -> Result<(), Stop> {
        self.faults.get(&id).map_or(Ok(()), |rule| Err(Stop::Void(*rule)))
    }

    fn take(&mut self, entry: &'a Entry) {
        let enrolled = u32::try_from(self.ids.len()).expect("few");
        self.ids.push(entry.id());
        let Content::Known(act) = entry.content() else { return };
        let fault = match act {
            Act::Admit(it) => self
                .check_request(&it.request, &it.proof)
                .or_else(|| self.check_place(it.college, it.stage))
                .or_else(|| self.check_sponsors(&it.request, &it.sponsors)),
            Act::Enrol(it) => self
                .check_request(&it.request, &it.proof)
                .or_else(|| self.check_owner(it.member.0, it.request.kind))
                .or_else(|| self.check_approval(it.member.0, &it.request, &it.words)),
            _ => return,
        };
        if let Some(rule) = fault {
            self.faults.insert(entry.id(), rule);
            return;
        }
        let member = match act {
            Act::Admit(it) => {
                let (college, stage, kind) = (it.college, it.stage, it.request.kind);
                self.members.push(Member { admitted: enrolled, college, stage, kind });
                u32::try_from(self.members.len() - 1).expect("few")
            }
            Act::Enrol(it) => it.member.0,
            _ => return,
        };
        let key = match act {
            Act::Admit(it) => it.request.device,
            Act::Enrol(it) => it.request.device,
            _ => return,
        };
        self.devices.push(Device { key, member, enrolled });
    }

    fn check_request(&self, request: &Request, proof: &Signature) -> Option<u16> {
        if examine(&request.device.0).is_err() {
            return Some(40);
        }
        if self.device(&request.device).is_some() || self.devices.len() >= DEVICES_MAX {
            return Some(41);
        }
        let said = enrolment(&self.cooperative(), request);
        (!verify_for(Purpose::Enrolment, &request.device, proof, &said)).then_some(42)
    }

    fn check_place(&self, college: u8, stage: u8) -> Option<u16> {
        let exist = usize::from(college) < self.charter.colleges.len()
            && usize::from(stage) < self.charter.stages.len();
        (!exist).then_some(43)
    }

    fn check_owner(&self, member: u32, kind: Kind) -> Option<u16> {
        let fits = self.member(member, u32::MAX).is_some_and(|member| member.kind == kind);
        (!fits).then_some(43)
    }

    fn check_sponsors(&self, request: &Request, sponsors: &[Approval]) -> Option<u16> {
        let ascending = sponsors.windows(2).all(|pair| pair[0].device < pair[1].device);
        let vouching: BTreeSet<u32> =
            sponsors.iter().filter_map(|approval| self.approver(request, approval)).collect();
        let given = if ascending { vouching.len() } else { 0 };
        (given < usize::from(self.charter.sponsors)).then_some(44)
    }

    fn check_approval(&self, member: u32, request: &Request, words: &[Approval]) -> Option<u16> {
        let theirs = |approval: &Approval| self.approver(request, approval) == Some(member);
        (!words.iter().any(theirs)).then_some(45)
    }

    fn approver(&self, request: &Request, approval: &Approval) -> Option<u32> {
        let said = enrolment(&self.cooperative(), request);
        let good = verify_for(Purpose::Approval, &approval.device, &approval.signature, &said);
        if good { self.owner(&approval.device, u32::MAX) } else { None }
    }
}
