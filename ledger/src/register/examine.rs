//! Whether a register entry has the words that it needs: rules 40 to 45 and 79 to 83.
//!
//! Asked when it gets its number, of the register before it and of nothing else.

use talea_protocol::act::{
    Act, Admit, Advance, Approval, Content, Enrol, Grounds, Request, Welcome, advance, enrolment,
};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::cut::DEVICES_MAX;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, Purpose, Signature, examine, verify_for};
use talea_protocol::recovery::{
    Call, Depart, Guardians, HandOver, Remove, Report, Revoke, Succeed, departure, guardianship,
    revocation, succession,
};

use super::{Register, count};
use crate::verdict::Void;

impl Register {
    /// Whether this act, as the register's next, may change what it says.
    ///
    /// # Errors
    /// [`Void`], rules 40 to 45 and 79 to 83. An act that changes no members, devices or roles
    /// breaks none of them.
    pub fn examine(&self, act: &Act) -> Result<(), Void> {
        match act {
            Act::Admit(admit) => self.examine_admit(admit),
            Act::Enrol(enrol) => self.examine_enrol(enrol),
            Act::Revoke(revoke) => self.examine_revoke(revoke),
            Act::Guardians(guardians) => self.examine_guardians(guardians),
            Act::Depart(depart) => self.examine_depart(depart),
            Act::Remove(Remove { member, decision, .. }) => {
                self.unexecuted(decision)?;
                self.present_member(*member)
            }
            Act::HandOver(hand_over) => self.examine_hand_over(hand_over),
            Act::Succeed(succeed) => self.examine_succeed(succeed),
            Act::Reform(reform) => self.unexecuted(&reform.decision),
            Act::Welcome(welcome) => self.examine_welcome(welcome),
            Act::Advance(it) => self.examine_advance(it),
            Act::Heal(heal) => self.writing(heal.device, self.head().0).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Whether the author of this act has been called to go on with the register.
    #[must_use]
    pub fn succeeds(&self, author: Option<Member>, act: &Act) -> bool {
        let Act::Succeed(succeed) = act else { return false };
        author == Some(succeed.call.successor) && self.examine_succeed(succeed).is_ok()
    }

    /// Whether this is a succession with enough words, whoever signed it: what it names as its
    /// basis is the register's, whatever happened to the registrar.
    #[must_use]
    pub fn grounds(&self, content: &Content) -> bool {
        match content {
            Content::Known(Act::Succeed(succeed)) => self.examine_succeed(succeed).is_ok(),
            _ => false,
        }
    }

    /// Whether a report comes from another device of the member or from its guardians, by what the
    /// register says at `at`, the report's basis: a revocation that follows makes no report void.
    ///
    /// # Errors
    /// [`Void`], rules 43 and 79.
    pub fn examine_report(&self, author: Member, report: &Report, at: u32) -> Result<(), Void> {
        let (key, member) = self.writing(report.device, at)?;
        if author == member && report.words.is_empty() {
            return Ok(());
        }
        let signed = revocation(&self.cooperative(), &key);
        let words = &report.words;
        let vouched = self.speak_for(member, Purpose::Revocation, &signed, words, at);
        if vouched { Ok(()) } else { Err(Void::Words { member }) }
    }

    /// Whether a call names somebody who can go on with the register.
    ///
    /// # Errors
    /// [`Void`], rule 82.
    pub fn examine_call(&self, basis: u32, call: &Call) -> Result<(), Void> {
        let at = self.number(&call.at).filter(|at| *at <= basis).ok_or(Void::Call)?;
        let person = self.member(call.successor).is_some_and(|it| it.kind != Kind::Machine);
        if person && self.is_member(call.successor, at) { Ok(()) } else { Err(Void::Call) }
    }

    fn examine_admit(&self, admit: &Admit) -> Result<(), Void> {
        self.check_request(&admit.request, &admit.proof)?;
        let college = usize::from(admit.college) < self.charter.colleges.len();
        if !college || usize::from(admit.stage) >= self.charter.stages.len() {
            return Err(Void::Unknown);
        }
        let signed = enrolment(&self.cooperative(), &admit.request);
        let given = self.vouching(Purpose::Approval, &signed, &admit.sponsors);
        let needed = self.charter.sponsors;
        if given < u32::from(needed) { Err(Void::Sponsors { given, needed }) } else { Ok(()) }
    }

    fn examine_welcome(&self, welcome: &Welcome) -> Result<(), Void> {
        self.check_request(&welcome.request, &welcome.proof)?;
        self.unexecuted(&welcome.decision)
    }

    fn examine_advance(&self, it: &Advance) -> Result<(), Void> {
        self.present_member(it.member)?;
        if usize::from(it.stage) >= self.charter.stages.len() {
            return Err(Void::Unknown);
        }
        let Grounds::Milestones { words, .. } = &it.grounds else { return Ok(()) };
        let milestone = self.milestone(it.stage).ok_or(Void::Milestone)?;
        let signed = advance(&self.cooperative(), it);
        let given = self.vouching(Purpose::Approval, &signed, words);
        let own = words
            .iter()
            .any(|word| self.approver(Purpose::Approval, &signed, word) == Some(it.member));
        if given.saturating_sub(u32::from(own)) < u32::from(milestone.words) {
            return Err(Void::Milestone);
        }
        Ok(())
    }

    fn examine_enrol(&self, enrol: &Enrol) -> Result<(), Void> {
        self.check_request(&enrol.request, &enrol.proof)?;
        let member = enrol.member;
        self.present_member(member)?;
        if self.member(member).is_none_or(|record| record.kind != enrol.request.kind) {
            return Err(Void::Unknown);
        }
        let signed = enrolment(&self.cooperative(), &enrol.request);
        let at = self.head().0;
        let approved = self.speak_for(member, Purpose::Approval, &signed, &enrol.words, at);
        if approved { Ok(()) } else { Err(Void::Approval { member }) }
    }

    fn examine_revoke(&self, revoke: &Revoke) -> Result<(), Void> {
        let at = self.head().0;
        let (key, member) = self.writing(revoke.device, at)?;
        let signed = revocation(&self.cooperative(), &key);
        let asked = self.speak_for(member, Purpose::Revocation, &signed, &revoke.words, at);
        if asked { Ok(()) } else { Err(Void::Words { member }) }
    }

    fn examine_guardians(&self, it: &Guardians) -> Result<(), Void> {
        let member = it.member;
        self.present_member(member)?;
        let at = self.number(&it.at);
        let last = self.guardians.get(&member).and_then(|choices| choices.last());
        let newer = last.is_none_or(|(number, _)| at >= Some(*number));
        let enough = if it.keys.is_empty() {
            it.threshold == 0
        } else {
            (1..=it.keys.len()).contains(&usize::from(it.threshold))
        };
        if !newer || at.is_none() || !enough || !it.keys.is_sorted_by(|a, b| a < b) {
            return Err(Void::Guardians);
        }
        it.keys
            .iter()
            .chain(&it.recovery)
            .try_for_each(|key| examine(&key.0).map_err(Void::Key))?;
        let signed = guardianship(&self.cooperative(), it);
        let approved = self.approver(Purpose::Guardians, &signed, &it.approval) == Some(member);
        if approved { Ok(()) } else { Err(Void::Words { member }) }
    }

    fn examine_depart(&self, depart: &Depart) -> Result<(), Void> {
        let member = depart.member;
        self.present_member(member)?;
        let signed = departure(&self.cooperative(), member);
        let word = self.approver(Purpose::Departure, &signed, &depart.word) == Some(member);
        if word { Ok(()) } else { Err(Void::Words { member }) }
    }

    fn examine_hand_over(&self, hand_over: &HandOver) -> Result<(), Void> {
        self.unexecuted(&hand_over.decision)?;
        self.present_member(hand_over.holder)?;
        let machine = self.member(hand_over.holder).is_some_and(|it| it.kind == Kind::Machine);
        if machine { Err(Void::Machine) } else { Ok(()) }
    }

    fn examine_succeed(&self, succeed: &Succeed) -> Result<(), Void> {
        let at = self.number(&succeed.call.at).ok_or(Void::Call)?;
        self.examine_call(at, &succeed.call)?;
        self.present_member(succeed.call.successor)?;
        let signed = succession(&self.cooperative(), &succeed.call);
        let needed = count(self.calls_needed(at));
        let given = if self.keeps_registrar(at) {
            self.vouching(Purpose::Succession, &signed, &succeed.words)
        } else {
            0
        };
        if given < needed { Err(Void::Calls { given, needed }) } else { Ok(()) }
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

    fn unexecuted(&self, decision: &EntryId) -> Result<(), Void> {
        let id = *decision;
        if self.executed(decision) { Err(Void::Decision { id }) } else { Ok(()) }
    }

    fn present_member(&self, member: Member) -> Result<(), Void> {
        if self.is_member(member, self.head().0) { Ok(()) } else { Err(Void::Unknown) }
    }

    /// The key and the owner of a device that is enrolled, and has not ended, at register entry `at`.
    fn writing(&self, device: u32, at: u32) -> Result<(DeviceKey, Member), Void> {
        let record = self.record(device).filter(|record| record.writes(at));
        record.map(|record| (record.key, record.member)).ok_or(Void::Unknown)
    }

    /// Whether these words are a member's: of one of its devices, of its recovery key, or of as
    /// many of its guardians as it chose.
    fn speak_for(
        &self,
        member: Member,
        purpose: Purpose,
        signed: &[u8],
        words: &[Approval],
        at: u32,
    ) -> bool {
        if !words.is_sorted_by(|a, b| a.device < b.device) {
            return false;
        }
        let good = |word: &&Approval| verify_for(purpose, &word.device, &word.signature, signed);
        let keys: Vec<DeviceKey> = words.iter().filter(good).map(|word| word.device).collect();
        let guardians = self.guardians_at(member, at);
        let own = |key: &DeviceKey| {
            self.owner(key, at) == Some(member)
                || guardians.is_some_and(|it| it.recovery == Some(*key))
        };
        let enough = |it: &Guardians| {
            let given = keys.iter().filter(|key| it.keys.contains(key)).count();
            it.threshold > 0 && given >= usize::from(it.threshold)
        };
        keys.iter().any(own) || guardians.is_some_and(enough)
    }

    /// Distinct members whose approvals stand. None stands in a list that is not strictly
    /// ascending by device, so that one admission has one encoding.
    fn vouching(&self, purpose: Purpose, signed: &[u8], approvals: &[Approval]) -> u32 {
        if !approvals.is_sorted_by(|a, b| a.device < b.device) {
            return 0;
        }
        let mut members: Vec<Member> = approvals
            .iter()
            .filter_map(|approval| self.approver(purpose, signed, approval))
            .collect();
        members.sort_unstable();
        members.dedup();
        count(members.len())
    }

    /// Who has approved, if the device writes and the signature is its own.
    fn approver(&self, purpose: Purpose, signed: &[u8], approval: &Approval) -> Option<Member> {
        let member = self.owner(&approval.device, self.head().0)?;
        verify_for(purpose, &approval.device, &approval.signature, signed).then_some(member)
    }
}
