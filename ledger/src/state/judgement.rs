//! What an entry does if it counts, or why it does not: a function of its causal past.
//!
//! Nothing changes here, so a dry run is the judgement itself. Rules that look at one subject only
//! are in the domain's files; here is what an act needs before it can be judged at all.

use talea_protocol::act::{Act, Decide, Distribute, Effect as Order, Pay};
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use super::State;
use super::effect::Effect;
use crate::chain::{Place, Stamp, Status};
use crate::contribution::Work;
use crate::register::{Office, Register, Term};
use crate::verdict::{Hold, Need, Void};
use crate::vote::{Decision, Votes};
use crate::waiting::Lane;

impl State {
    /// Judges an entry that is the next of its lane.
    pub(super) fn evaluate(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Act,
    ) -> Result<Effect, Hold> {
        if self.frame <= stamp.basis && !matches!(act, Act::Charter(_)) {
            return Err(Hold::Need(Need::Register { number: stamp.basis }));
        }
        let (charter, terms, books) = (register.charter(), &self.terms, &self.books);
        let treasury = &self.treasury;
        match act {
            Act::Charter(_) => Ok(Effect::None),
            Act::Admit(_)
            | Act::Enrol(_)
            | Act::Revoke(_)
            | Act::Guardians(_)
            | Act::Depart(_)
            | Act::Succeed(_)
            | Act::Heal(_) => enter(register, stamp, act),
            Act::Remove(it) => self.ordered(register, stamp, act, &it.decision),
            Act::HandOver(it) => self.ordered(register, stamp, act, &it.decision),
            Act::Reform(it) => self.ordered(register, stamp, act, &it.decision),
            Act::Leave => Ok(Effect::None),
            Act::Report(report) => {
                register.examine_report(stamp.member, report)?;
                Ok(Effect::None)
            }
            Act::Call(call) => {
                register.examine_call(stamp.basis, call)?;
                Ok(Effect::None)
            }
            Act::Erase(it) => self.erasure(register, stamp, &it.entry),
            Act::Mark(act) => {
                self.chains.check(register, stamp, &act.cut)?;
                Ok(Effect::None)
            }
            Act::Decide(act) => self.decide(register, stamp, act),
            Act::Contribution(act) => {
                let record = Work::contribute(terms, charter, stamp, act)?;
                Ok(Effect::Contribution(Box::new(record)))
            }
            Act::Attest(act) => {
                self.named(act.contribution)?;
                Ok(Effect::Attestation(act.contribution, self.work.attest(stamp, act)?))
            }
            Act::Propose(act) => {
                Ok(Effect::Proposal(Box::new(Votes::propose(register, terms, stamp, act)?)))
            }
            Act::Vote(act) => {
                self.named(act.proposal)?;
                Ok(Effect::Ballot(act.proposal, self.votes.vote(register, stamp, act)?))
            }
            Act::Subscribe(act) => {
                self.treasurer(register, stamp)?;
                Ok(Effect::Booking(treasury.subscribe(register, books, stamp, act)?))
            }
            Act::Invoice(act) => {
                self.treasurer(register, stamp)?;
                Ok(Effect::Booking(treasury.invoice(charter, terms, books, stamp, act)?))
            }
            Act::Income(act) => {
                self.treasurer(register, stamp)?;
                Ok(Effect::Booking(treasury.income(charter, terms, books, stamp, act)?))
            }
            Act::Expense(act) => {
                self.treasurer(register, stamp)?;
                Ok(Effect::Booking(treasury.expense(charter, books, stamp, act)?))
            }
            Act::Close(act) => {
                self.treasurer(register, stamp)?;
                self.chains.check(register, stamp, &act.cut)?;
                Ok(Effect::Booking(treasury.close(act)?))
            }
            Act::Redirect(act) => {
                self.spends(register, stamp.member, stamp)?;
                if register.member(act.to).is_none_or(|to| to.admitted > stamp.basis) {
                    return Err(Void::Unknown.into());
                }
                self.named(act.run)?;
                Ok(Effect::Redirect(act.run, self.runs.redirect(stamp, act)?))
            }
            Act::Distribute(act) => self.distribution(register, stamp, act),
            Act::Pay(act) => self.payment(register, stamp, act),
        }
    }

    fn decide(&self, register: &Register, stamp: &Stamp, act: &Decide) -> Result<Effect, Hold> {
        self.chains.check(register, stamp, &act.cut)?;
        self.named_inside(act.proposal, &act.cut)?;
        self.votes.decide(register, &self.terms, stamp, act)?;
        let (id, number) = (stamp.id, stamp.basis.saturating_add(1));
        let (tally, outcome, cut) = (act.tally.clone(), act.outcome, act.cut.clone());
        let decision = Decision { id, number, tally, outcome, cut };
        Ok(Effect::Decision(act.proposal, Box::new(decision)))
    }

    fn distribution(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Distribute,
    ) -> Result<Effect, Hold> {
        self.serves(register, Office::Distributor, stamp)?;
        self.chains.check(register, stamp, &act.cut)?;
        let mut devices = (0..).take(act.cut.lengths.len());
        let first = devices
            .find_map(|device| self.waiting.first(Lane::Treasury(device), act.cut.length(device)));
        match first {
            Some(id) => Err(Hold::Need(Need::Entry { id })),
            None => {
                let run = self.runs.distribute(&self.sources(register), stamp, act)?;
                Ok(Effect::Run(Box::new(run)))
            }
        }
    }

    fn payment(&self, register: &Register, stamp: &Stamp, act: &Pay) -> Result<Effect, Hold> {
        self.treasurer(register, stamp)?;
        self.chains.check(register, stamp, &act.cut)?;
        self.named_inside(act.run, &act.cut)?;
        Ok(Effect::Payment(act.run, self.runs.pay(&self.books, stamp, act)?))
    }

    /// A register entry that carries out an adopted decision.
    fn ordered(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Act,
        decision: &EntryId,
    ) -> Result<Effect, Hold> {
        self.named(*decision)?;
        if !self.backs(act) {
            return Err(Void::Decision { id: *decision }.into());
        }
        enter(register, stamp, act)
    }

    /// Whether an adopted decision orders what this register entry carries out. An act that
    /// carries out none is backed by itself.
    #[must_use]
    pub fn backs(&self, act: &Act) -> bool {
        match act {
            Act::Remove(it) => self.votes.order(&it.decision) == Some(&Order::Remove(it.member)),
            Act::HandOver(it) => {
                self.votes.order(&it.decision) == Some(&Order::Appoint(it.office, it.holder))
            }
            Act::Reform(it) => {
                self.votes.order(&it.decision) == Some(&Order::Reform(it.roster.clone()))
            }
            _ => true,
        }
    }

    fn erasure(&self, register: &Register, stamp: &Stamp, id: &EntryId) -> Result<Effect, Hold> {
        let place = self.chains.place(id).ok_or(Hold::Need(Need::Entry { id: *id }))?;
        let author = register.record(place.device).map(|device| device.member);
        let registrar = register.holder(Office::Registrar, stamp.basis);
        if author == Some(stamp.member) || registrar == stamp.member {
            Ok(Effect::Erasure(*id))
        } else {
            Err(Void::Erasure.into())
        }
    }

    fn treasurer(&self, register: &Register, stamp: &Stamp) -> Result<(), Hold> {
        self.serves(register, Office::Treasurer, stamp)
    }

    /// Whether the author writes for a role: it is its holder's spender, and all that its
    /// predecessors wrote for the role has been judged.
    fn serves(&self, register: &Register, office: Office, stamp: &Stamp) -> Result<(), Hold> {
        let holder = register.holder(office, stamp.basis);
        self.spends(register, holder, stamp)?;
        let begun = |term: &&Term| term.number <= stamp.basis;
        let before = register.terms_of(office).filter(begun).filter_map(|term| term.before);
        for (device, length) in before.filter(|(device, _)| *device != stamp.place.device) {
            self.judged(device, length)?;
        }
        Ok(())
    }

    /// Whether the author is this member, with the device that debits for it, and all that its
    /// earlier devices wrote has been judged.
    fn spends(&self, register: &Register, holder: Member, stamp: &Stamp) -> Result<(), Hold> {
        if register.spender(holder, stamp.basis) != Some(stamp.place.device) {
            return Err(Void::Role { holder }.into());
        }
        for (device, length) in register.spent(holder, stamp.basis) {
            self.judged(device, length)?;
        }
        Ok(())
    }

    /// Whether a device's chain is settled so far, and no act of a lane in it still waits.
    fn judged(&self, device: u32, length: u32) -> Result<(), Hold> {
        if self.chains.length(device) < length {
            return Err(Hold::Need(Need::Chain { device, length }));
        }
        match self.waiting.first_of(device, length) {
            Some(id) => Err(Hold::Need(Need::Entry { id })),
            None => Ok(()),
        }
    }

    /// Whether an entry that is named counts.
    fn named(&self, id: EntryId) -> Result<(), Hold> {
        match self.chains.status(&id) {
            Some(Status::Counted) => Ok(()),
            Some(Status::Void) => Err(Void::Named { id }.into()),
            Some(Status::Pending) | None => Err(Hold::Need(Need::Entry { id })),
        }
    }

    /// The same for what must be inside a cut: what is not there is not waited for.
    fn named_inside(&self, id: EntryId, cut: &Cut) -> Result<(), Hold> {
        let inside = |place: Place| place.inside(cut);
        if self.chains.place(&id).is_some_and(inside) {
            self.named(id)
        } else {
            Err(Void::Named { id }.into())
        }
    }
}

/// Whether an admission or an enrolment did what it says; the register knows already, unless the
/// entry is only tried.
fn enter(register: &Register, stamp: &Stamp, act: &Act) -> Result<Effect, Hold> {
    let fault = match register.number(&stamp.id) {
        Some(number) => register.fault(number),
        None => register.examine(act).err(),
    };
    fault.map_or(Ok(Effect::None), |void| Err(void.into()))
}
