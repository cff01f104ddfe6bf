//! What an entry does if it counts, or why it does not: a function of its causal past.
//!
//! Nothing changes here, so a dry run is the judgement itself. Rules that look at one subject only
//! are in the domain's files; here is what an act needs before it can be judged at all.

use talea_protocol::act::{
    Act, Advance, Candidate, Course, Decide, Distribute, Effect as Order, Extent, Grounds, Pay,
    Propose,
};
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use super::State;
use super::effect::Effect;
use crate::authority::adopted;
use crate::chain::{Place, Stamp, Status};
use crate::contribution::{Work, circle_exists};
use crate::plan::{Plan, Plans};
use crate::proposal;
use crate::proxy::Proxies;
use crate::register::{Office, Register, Term};
use crate::stage::Step;
use crate::verdict::{Hold, Need, Void};
use crate::vote::{Decision, Proposal};
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
            Act::Welcome(it) => self.ordered(register, stamp, act, &it.decision),
            Act::Leave => Ok(Effect::None),
            Act::Report(report) => {
                register.examine_report(stamp.member, report, stamp.basis)?;
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
                let word = self.work.attest(&self.law(register), stamp, act)?;
                Ok(Effect::Attestation(act.contribution, word))
            }
            Act::Review(act) => {
                self.named(act.contribution)?;
                let word = self.work.review(&self.law(register), stamp, act)?;
                Ok(match act.extent {
                    Extent::Part(_) => Effect::Attestation(act.contribution, word),
                    Extent::Quality => Effect::Quality(act.contribution, word),
                })
            }
            Act::Deliver(act) => {
                let record = Work::deliver(terms, charter, stamp, act)?;
                Ok(Effect::Contribution(Box::new(record)))
            }
            Act::Draw(_)
            | Act::Intent(_)
            | Act::Agreement(_)
            | Act::Agree(_)
            | Act::Commit(_)
            | Act::Comment(_) => self.planned(register, stamp, act),
            Act::Propose(act) => self.proposed(register, stamp, act, &Course::default()),
            Act::Motion(act) => self.proposed(register, stamp, &act.proposal, &act.course),
            Act::Vote(act) => {
                self.named(act.proposal)?;
                let ballot = self.votes.vote(&self.law(register), stamp, act)?;
                Ok(Effect::Ballot(act.proposal, ballot))
            }
            Act::Rank(act) => {
                self.named(act.proposal)?;
                let ballot = self.votes.rank(&self.law(register), stamp, act)?;
                Ok(Effect::Ballot(act.proposal, ballot))
            }
            Act::Delegate(act) => {
                Ok(Effect::Delegation(Proxies::judge(register, terms, stamp, act)?))
            }
            Act::Dispute(act) => {
                self.named(act.contribution)?;
                let dispute = self.work.dispute(register, stamp, act)?;
                Ok(Effect::Dispute(act.contribution, dispute))
            }
            Act::Withdraw(act) => {
                self.named(act.dispute)?;
                self.work.withdraw(stamp, &act.dispute)?;
                Ok(Effect::Withdrawal(act.dispute))
            }
            Act::Correct(act) => {
                self.named(act.contribution)?;
                Ok(Effect::Correction(act.contribution, self.work.correct(stamp, act)?))
            }
            Act::Advance(it) => self.advance(register, stamp, act, it),
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
                let named = act.decision.as_ref();
                let decided = named.map(|id| adopted(register, &self.votes, stamp, id));
                Ok(Effect::Booking(treasury.expense(charter, decided, books, stamp, act)?))
            }
            Act::Close(act) => self.closing(register, stamp, act),
            Act::Redeem(_)
            | Act::PayOut(_)
            | Act::Allocate(_)
            | Act::Reconcile(_)
            | Act::Open(_)
            | Act::Transfer(_) => self.keep(register, stamp, act),
            Act::Link(_)
            | Act::Countersign(_)
            | Act::Send(_)
            | Act::Receive(_)
            | Act::Statement(_) => self.federate(register, stamp, act),
            Act::AttestCredential(_)
            | Act::RevokeCredential(_)
            | Act::RequestErasure(_)
            | Act::RefuseErasure(_) => self.answer(register, stamp, act),
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
        self.votes.decide(&self.roll(register), stamp, act)?;
        let (id, number, place) = (stamp.id, stamp.basis.saturating_add(1), stamp.place);
        let (tally, outcome, cut) = (act.tally.clone(), act.outcome, act.cut.clone());
        let decision = Decision { id, number, place, tally, outcome, cut };
        Ok(Effect::Decision(act.proposal, Box::new(decision)))
    }

    fn proposed(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Propose,
        course: &Course,
    ) -> Result<Effect, Hold> {
        if let Order::Resolve(id) | Order::Correct(id, _) | Order::Agree(id) = act.effect {
            self.named(id)?;
            let fits = match act.effect {
                Order::Resolve(_) => self.work.disputed(&id).is_some(),
                Order::Correct(..) => self.work.record(&id).is_some(),
                _ => self.plans.is_with_cooperative(&id),
            };
            if !fits {
                return Err(Void::Named { id }.into());
            }
        }
        proposal::examine(register, &self.terms, stamp, act, course)?;
        Ok(Effect::Proposal(Box::new(Proposal::new(stamp, act, course))))
    }

    /// What is planned, agreed or said.
    fn planned(&self, register: &Register, stamp: &Stamp, act: &Act) -> Result<Effect, Hold> {
        let (charter, terms) = (register.charter(), &self.terms);
        let plan = match act {
            Act::Draw(act) => {
                circle_exists(terms, charter, stamp, act.belonging.circle.as_ref())?;
                Plan::Draw(act.clone())
            }
            Act::Intent(act) => {
                circle_exists(terms, charter, stamp, act.circle.as_ref())?;
                Plan::Intent(act.clone())
            }
            Act::Agreement(act) => {
                Plans::examine(register, stamp, act)?;
                Plan::Agreement(act.clone())
            }
            Act::Agree(act) => {
                self.named(act.agreement)?;
                self.plans.agree(stamp, act)?;
                Plan::Agree(act.agreement)
            }
            Act::Commit(act) => {
                act.intent.iter().chain(&act.agreement).try_for_each(|id| self.named(*id))?;
                self.plans.commit(register, stamp, act)?;
                Plan::Commit(act.clone())
            }
            Act::Comment(act) => Plan::Comment(act.on),
            _ => return Ok(Effect::None),
        };
        Ok(Effect::Plan(Box::new(plan)))
    }

    /// A move to another stage: words are the register's business, credits and decisions are not.
    fn advance(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Act,
        it: &Advance,
    ) -> Result<Effect, Hold> {
        let decision = match &it.grounds {
            Grounds::Milestones { cut, .. } => {
                self.chains.check(register, stamp, cut)?;
                let earned = self.work.nominal(&self.law(register), cut);
                let earned = earned.get(&it.member).copied().unwrap_or(0);
                let needed = register.milestone(it.stage).map_or(0, |milestone| milestone.credits);
                if earned < i128::from(needed) {
                    return Err(Void::Milestone.into());
                }
                None
            }
            Grounds::Decision(id) => {
                // A decision before it in the register has been judged; nothing else is waited for.
                let before = register.number(id).is_some_and(|number| number <= stamp.basis);
                let executed = self.stages.executed(it.member, id);
                if !before || executed || !self.backs(act) {
                    return Err(Void::Decision { id: *id }.into());
                }
                Some(*id)
            }
        };
        enter(register, stamp, act)?;
        let (number, id) = (stamp.basis.saturating_add(1), stamp.id);
        let step = Step { number, id, stage: it.stage, from: it.from, decision };
        Ok(Effect::Stage(it.member, step))
    }

    fn distribution(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Distribute,
    ) -> Result<Effect, Hold> {
        self.serves(register, Office::Distributor, stamp)?;
        self.chains.check(register, stamp, &act.cut)?;
        self.lane_judged(Lane::Treasury, &act.cut)?;
        let run = self.runs.distribute(&self.sources(register), stamp, act)?;
        Ok(Effect::Run(Box::new(run)))
    }

    /// Whether no act of these lanes that is inside a cut still waits.
    pub(super) fn lane_judged(&self, lane: fn(u32) -> Lane, cut: &Cut) -> Result<(), Hold> {
        let mut devices = (0..).take(cut.lengths.len());
        match devices.find_map(|device| self.waiting.first(lane(device), cut.length(device))) {
            Some(id) => Err(Hold::Need(Need::Entry { id })),
            None => Ok(()),
        }
    }

    fn payment(&self, register: &Register, stamp: &Stamp, act: &Pay) -> Result<Effect, Hold> {
        self.treasurer(register, stamp)?;
        self.chains.check(register, stamp, &act.cut)?;
        self.named_inside(act.run, &act.cut)?;
        let payment = self.runs.pay(register.charter(), &self.books, stamp, act)?;
        Ok(Effect::Payment(act.run, payment))
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
            Act::Welcome(it) => {
                let (device, kind) = (it.request.device, it.request.kind);
                let (college, stage) = (it.college, it.stage);
                let candidate = Candidate { device, kind, college, stage };
                self.votes.order(&it.decision) == Some(&Order::Admit(candidate))
            }
            Act::Advance(Advance { grounds: Grounds::Decision(id), member, stage, .. }) => {
                self.votes.order(id) == Some(&Order::Advance(*member, *stage))
            }
            _ => true,
        }
    }

    fn erasure(&self, register: &Register, stamp: &Stamp, id: &EntryId) -> Result<Effect, Hold> {
        let place = self.chains.place(id).ok_or(Hold::Need(Need::Entry { id: *id }))?;
        let author = register.record(place.device).map(|device| device.member);
        let offices = [Office::Registrar, Office::Controller];
        let mut holders = offices.map(|office| register.holder(office, stamp.basis)).into_iter();
        if author == Some(stamp.member) || holders.any(|holder| holder == stamp.member) {
            Ok(Effect::Erasure(*id))
        } else {
            Err(Void::Erasure.into())
        }
    }

    pub(super) fn treasurer(&self, register: &Register, stamp: &Stamp) -> Result<(), Hold> {
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
    pub(super) fn spends(
        &self,
        register: &Register,
        holder: Member,
        stamp: &Stamp,
    ) -> Result<(), Hold> {
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
    pub(super) fn named(&self, id: EntryId) -> Result<(), Hold> {
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
