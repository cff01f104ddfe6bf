//! What a register entry changes in the register, once it has its number.

use talea_protocol::act::{Act, Admit, Request};
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::recovery::{HandOver, Heal};

use super::{End, MemberRecord, Office, Reformed, Register, Term, count};

impl Register {
    pub(super) fn enact(&mut self, number: u32, id: EntryId, act: &Act) {
        match act {
            Act::Admit(Admit { request, college, stage, .. }) => {
                self.enact_admit(number, id, request, (*college, *stage));
            }
            Act::Welcome(it) => {
                self.executed.insert(it.decision);
                self.enact_admit(number, id, &it.request, (it.college, it.stage));
            }
            Act::Enrol(enrol) => self.enter(enrol.request.device, enrol.member, number),
            Act::Revoke(revoke) => {
                self.end(revoke.device, End { number, length: revoke.cut.length(revoke.device) });
            }
            Act::Guardians(guardians) => {
                let choices = self.guardians.entry(guardians.member).or_default();
                choices.push((number, guardians.clone()));
            }
            Act::Depart(depart) => self.go(depart.member, number, &depart.cut),
            Act::Remove(remove) => {
                self.executed.insert(remove.decision);
                self.go(remove.member, number, &remove.cut);
            }
            Act::HandOver(hand_over) => self.hand_over(number, hand_over),
            Act::Succeed(succeed) => self.terms.push(Term {
                office: Office::Registrar,
                number,
                holder: succeed.call.successor,
                before: None,
            }),
            Act::Reform(reform) => {
                self.executed.insert(reform.decision);
                let roster = reform.roster.clone();
                if roster.is_safe() && self.returning(&roster).is_none() {
                    self.rosters.push(Reformed { number, order: id, roster });
                }
            }
            Act::Heal(heal) => self.enact_heal(number, heal),
            _ => {}
        }
    }

    fn enact_admit(
        &mut self,
        number: u32,
        id: EntryId,
        request: &Request,
        (college, stage): (u8, u8),
    ) {
        let member = Member(count(self.members.len()));
        let (kind, id, left) = (request.kind, Hash(id.0), None);
        self.members.push(MemberRecord { admitted: number, college, stage, kind, id, left });
        self.enter(request.device, member, number);
    }

    fn end(&mut self, device: u32, end: End) {
        let record = usize::try_from(device).ok().and_then(|it| self.devices.get_mut(it));
        if let Some(record) = record.filter(|record| record.end.is_none()) {
            record.end = Some(end);
        }
    }

    fn go(&mut self, member: Member, number: u32, cut: &Cut) {
        let devices: Vec<u32> = self.devices_of(member).map(|(device, _)| device).collect();
        for device in devices {
            self.end(device, End { number, length: cut.length(device) });
        }
        let record = usize::try_from(member.0).ok().and_then(|it| self.members.get_mut(it));
        if let Some(record) = record {
            record.left = Some(number);
        }
    }

    fn hand_over(&mut self, number: u32, hand_over: &HandOver) {
        let HandOver { office, holder, decision, cut } = hand_over;
        self.executed.insert(*decision);
        let before = self.holder(*office, number);
        let before = self
            .spender(before, number)
            .filter(|_| *office != Office::Registrar)
            .map(|device| (device, cut.length(device)));
        self.terms.push(Term { office: *office, number, holder: *holder, before });
    }

    fn enact_heal(&mut self, number: u32, heal: &Heal) {
        self.heals.entry((heal.device, heal.seq)).or_insert(heal.adopt);
        if heal.adopt.is_none() {
            self.end(heal.device, End { number, length: heal.seq });
        }
    }
}
