//! Members and devices as the register's chain has them, read entry by entry (section 3).

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::act::{Act, Approval, Content, Request, enrolment};
use talea_protocol::charter::{Charter, Kind};
use talea_protocol::cut::Cut;
use talea_protocol::entry::Entry;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, Purpose, Signature, examine, verify_for};
use talea_protocol::recovery::{
    Call, Depart, HandOver, Office, Report, Revoke, Succeed, departure, revocation, succession,
};

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
    /// Number of the register entry by which it has left.
    pub left: Option<u32>,
}

/// A device.
pub struct Device {
    /// Its key.
    pub key: DeviceKey,
    /// Whose it is.
    pub member: u32,
    /// Number of the register entry that enrolled it.
    pub enrolled: u32,
    /// Number of the register entry that has ended it, and how many of its entries count.
    pub ended: Option<(u32, u32)>,
}

impl Device {
    fn writes(&self, at: u32) -> bool {
        self.enrolled <= at && self.ended.is_none_or(|(ended, _)| ended > at)
    }
}

/// A term of a role that began by a hand-over.
pub struct Term {
    /// Which role.
    pub office: Office,
    /// Number of the register entry that began it.
    pub number: u32,
    /// Who.
    pub holder: u32,
    /// The device that wrote for it before, and how many of its entries count for it.
    pub before: Option<(u32, u32)>,
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
    /// Hand-overs, in their order.
    pub terms: Vec<Term>,
    executed: BTreeSet<EntryId>,
    faults: BTreeMap<EntryId, u16>,
    /// Number of the register entry since which the register has been with whom it is.
    registrar_since: u32,
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
            terms: Vec::new(),
            executed: BTreeSet::new(),
            faults: BTreeMap::new(),
            registrar_since: 0,
        };
        for (number, founder) in (0..).zip(&charter.founders) {
            let (college, stage, kind) = (founder.college, founder.stage, founder.kind);
            register.members.push(Member { admitted: 0, college, stage, kind, left: None });
            let (key, ended) = (founder.device, None);
            register.devices.push(Device { key, member: number, enrolled: 0, ended });
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

    /// Whether a member with this number was ever admitted, up to register entry `at`.
    pub fn exists(&self, number: u32, at: u32) -> bool {
        let member = usize::try_from(number).ok().and_then(|place| self.members.get(place));
        member.is_some_and(|member| member.admitted <= at)
    }

    /// A member's devices that have ended at register entry `at`, and how many entries of each count.
    pub fn spent(&self, member: u32, at: u32) -> impl Iterator<Item = (u32, u32)> {
        (0..).zip(&self.devices).filter_map(move |(place, device)| {
            let (number, length) = device.ended?;
            (device.member == member && number <= at).then_some((place, length))
        })
    }

    /// The member with this number, if it is one at register entry `at`.
    pub fn member(&self, number: u32, at: u32) -> Option<&Member> {
        let member = self.members.get(usize::try_from(number).ok()?)?;
        let is_here = member.admitted <= at && member.left.is_none_or(|left| left > at);
        is_here.then_some(member)
    }

    /// The owner of a device that is enrolled at register entry `at`.
    pub fn owner(&self, key: &DeviceKey, at: u32) -> Option<u32> {
        let device = self.devices.iter().find(|device| device.key == *key)?;
        device.writes(at).then_some(device.member)
    }

    /// A member's spender at register entry `at`: its first device that has not ended.
    pub fn spender(&self, member: u32, at: u32) -> Option<u32> {
        let is_theirs = |device: &Device| device.member == member && device.writes(at);
        let place = self.devices.iter().position(is_theirs)?;
        u32::try_from(place).ok()
    }

    /// Rules 40 to 45, 58, 79 and 81, of an entry of the chain.
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
            Act::Revoke(it) => self.check_revocation(it),
            Act::Depart(it) => self.check_departure(it),
            Act::Remove(it) => self.check_mandate(it.decision, it.member.0),
            Act::HandOver(it) => {
                self.check_mandate(it.decision, it.holder.0).or_else(|| self.check_holder(it))
            }
            Act::Heal(it) => self.writing(it.device, u32::MAX).is_none().then_some(43),
            Act::Succeed(it) => self.check_succession(it),
            _ => return,
        };
        if let Some(rule) = fault {
            self.faults.insert(entry.id(), rule);
            return;
        }
        let member = match act {
            Act::Admit(it) => {
                let (college, stage, kind) = (it.college, it.stage, it.request.kind);
                let (admitted, left) = (enrolled, None);
                self.members.push(Member { admitted, college, stage, kind, left });
                u32::try_from(self.members.len() - 1).expect("few")
            }
            Act::Enrol(it) => it.member.0,
            Act::Revoke(it) => {
                let length = |device| it.cut.length(device);
                return self.end(|device, _| device == it.device, enrolled, length);
            }
            Act::Succeed(_) => {
                self.registrar_since = enrolled;
                return;
            }
            // A chain whose branches are all dead ends before them.
            Act::Heal(it) if it.adopt.is_none() => {
                return self.end(|device, _| device == it.device, enrolled, |_| it.seq);
            }
            Act::Depart(it) => return self.go(it.member.0, enrolled, &it.cut),
            Act::Remove(it) => {
                self.executed.insert(it.decision);
                return self.go(it.member.0, enrolled, &it.cut);
            }
            Act::HandOver(it) => return self.hand_over(it, enrolled),
            _ => return,
        };
        let key = match act {
            Act::Admit(it) => it.request.device,
            Act::Enrol(it) => it.request.device,
            _ => return,
        };
        self.devices.push(Device { key, member, enrolled, ended: None });
    }

    /// A member goes, with all its devices.
    fn go(&mut self, member: u32, number: u32, cut: &Cut) {
        self.members[usize::try_from(member).expect("few")].left = Some(number);
        self.end(|_, owner| owner == member, number, |device| cut.length(device));
    }

    /// A role goes over.
    fn hand_over(&mut self, it: &HandOver, number: u32) {
        self.executed.insert(it.decision);
        if it.office == Office::Registrar {
            self.registrar_since = number;
        }
        let before = self.spender(self.holder(it.office, number), number);
        let before = before.filter(|_| it.office != Office::Registrar);
        let before = before.map(|device| (device, it.cut.length(device)));
        let (office, holder) = (it.office, it.holder.0);
        self.terms.push(Term { office, number, holder, before });
    }

    /// Who holds a role at register entry `at`.
    pub fn holder(&self, office: Office, at: u32) -> u32 {
        let roles = &self.charter.roles;
        let founded = match office {
            Office::Treasurer => roles.treasurer.0,
            Office::Distributor => roles.distributor.0,
            _ => roles.registrar.0,
        };
        let mut begun = self.terms.iter().filter(|term| term.office == office && term.number <= at);
        begun.next_back().map_or(founded, |term| term.holder)
    }

    /// What carries out a decision is the first to, and is about a member.
    fn check_mandate(&self, decision: EntryId, member: u32) -> Option<u16> {
        if self.executed.contains(&decision) {
            return Some(81);
        }
        self.member(member, u32::MAX).is_none().then_some(43)
    }

    fn check_holder(&self, it: &HandOver) -> Option<u16> {
        let holder = self.member(it.holder.0, u32::MAX)?;
        (holder.kind == Kind::Machine).then_some(58)
    }

    /// Devices end, those that have not ended before.
    fn end(&mut self, is_one: impl Fn(u32, u32) -> bool, number: u32, length: impl Fn(u32) -> u32) {
        for (place, device) in (0..).zip(&mut self.devices) {
            if is_one(place, device.member) {
                device.ended = device.ended.or(Some((number, length(place))));
            }
        }
    }

    fn check_revocation(&self, it: &Revoke) -> Option<u16> {
        let Some(device) = self.writing(it.device, u32::MAX) else { return Some(43) };
        (!self.speaks(device, &it.words, u32::MAX)).then_some(79)
    }

    /// A device that may write under register entry `at`.
    fn writing(&self, device: u32, at: u32) -> Option<&Device> {
        let device = self.devices.get(usize::try_from(device).ok()?);
        device.filter(|device| device.writes(at))
    }

    /// Whether one of these words against a device is of another of its member's, or its own.
    fn speaks(&self, of: &Device, words: &[Approval], at: u32) -> bool {
        let said = revocation(&self.cooperative(), &of.key);
        let good = |word: &Approval| {
            verify_for(Purpose::Revocation, &word.device, &word.signature, &said)
                && self.owner(&word.device, at) == Some(of.member)
        };
        words.is_sorted_by(|one, other| one.device < other.device) && words.iter().any(good)
    }

    fn check_departure(&self, it: &Depart) -> Option<u16> {
        if self.member(it.member.0, u32::MAX).is_none() {
            return Some(43);
        }
        let said = departure(&self.cooperative(), it.member);
        let good = verify_for(Purpose::Departure, &it.word.device, &it.word.signature, &said);
        let theirs = good && self.owner(&it.word.device, u32::MAX) == Some(it.member.0);
        (!theirs).then_some(79)
    }

    /// Rules 43 and 79, of a report by this member under this register entry.
    pub fn examine_report(&self, author: u32, it: &Report, basis: u32) -> Result<(), Stop> {
        let device = self.writing(it.device, basis).ok_or(Stop::Void(43))?;
        let own = device.member == author && it.words.is_empty();
        if own || self.speaks(device, &it.words, basis) { Ok(()) } else { Err(Stop::Void(79)) }
    }

    /// Rule 82, of a call under this register entry.
    pub fn examine_call(&self, it: &Call, basis: u32) -> Result<(), Stop> {
        let at = self.number(&it.at).filter(|at| *at <= basis).ok_or(Stop::Void(82))?;
        let person = self.member(it.successor.0, at).is_some_and(|it| it.kind != Kind::Machine);
        if person { Ok(()) } else { Err(Stop::Void(82)) }
    }

    /// Rules 43, 82 and 83: the successor is a member still, and so were or are those who called.
    fn check_succession(&self, it: &Succeed) -> Option<u16> {
        if self.examine_call(&it.call, u32::MAX).is_err() {
            return Some(82);
        }
        if self.member(it.call.successor.0, u32::MAX).is_none() {
            return Some(43);
        }
        let said = succession(&self.cooperative(), &it.call);
        let good = |word: &&Approval| {
            verify_for(Purpose::Succession, &word.device, &word.signature, &said)
        };
        let ascending = it.words.is_sorted_by(|one, other| one.device < other.device);
        let words = it.words.iter().filter(|_| ascending).filter(good);
        let given: BTreeSet<u32> =
            words.filter_map(|word| self.owner(&word.device, u32::MAX)).collect();
        let at = self.number(&it.call.at).expect("rule 82");
        let members = (0..u32::MAX).take(self.members.len());
        let present = members.filter(|member| self.member(*member, at).is_some()).count();
        let needed = match self.charter.recovery {
            0 => present / 2 + 1,
            recovery => usize::from(recovery),
        };
        (at < self.registrar_since || given.len() < needed).then_some(83)
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
