//! What an entry does if it counts, or why it does not: a function of its causal past.
//!
//! Nothing changes here, so a dry run is the judgement itself. Rules that look at one subject only
//! are in the domain's files; here is what an act needs before it can be judged at all.

use talea_protocol::act::{Act, Decide, Distribute, Pay};
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use super::State;
use super::effect::Effect;
use crate::chain::{Place, Stamp, Status};
use crate::contribution::Work;
use crate::register::{Register, Role};
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
            Act::Admit(_) | Act::Enrol(_) => enter(register, stamp, act),
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
                treasurer(register, stamp)?;
                Ok(Effect::Booking(treasury.subscribe(register, books, stamp, act)?))
            }
            Act::Invoice(act) => {
                treasurer(register, stamp)?;
                Ok(Effect::Booking(treasury.invoice(charter, terms, books, stamp, act)?))
            }
            Act::Income(act) => {
                treasurer(register, stamp)?;
                Ok(Effect::Booking(treasury.income(charter, terms, books, stamp, act)?))
            }
            Act::Expense(act) => {
                treasurer(register, stamp)?;
                Ok(Effect::Booking(treasury.expense(charter, books, stamp, act)?))
            }
            Act::Close(act) => {
                treasurer(register, stamp)?;
                self.chains.check(register, stamp, &act.cut)?;
                Ok(Effect::Booking(treasury.close(act)?))
            }
            Act::Redirect(act) => {
                only(register, stamp.member, stamp)?;
                self.named(act.run)?;
                Ok(Effect::Redirect(act.run, self.runs.redirect(register, stamp, act)?))
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
        only(register, register.holder(Role::Distributor, stamp.basis), stamp)?;
        self.chains.check(register, stamp, &act.cut)?;
        let treasurer = register.spender(register.holder(Role::Treasurer, stamp.basis));
        let first = treasurer
            .and_then(|device| self.waiting.first(Lane::Treasury(device), act.cut.length(device)));
        match first {
            Some(id) => Err(Hold::Need(Need::Entry { id })),
            None => {
                let run = self.runs.distribute(&self.sources(register), stamp, act)?;
                Ok(Effect::Run(Box::new(run)))
            }
        }
    }

    fn payment(&self, register: &Register, stamp: &Stamp, act: &Pay) -> Result<Effect, Hold> {
        treasurer(register, stamp)?;
        self.chains.check(register, stamp, &act.cut)?;
        self.named_inside(act.run, &act.cut)?;
        Ok(Effect::Payment(act.run, self.runs.pay(&self.books, stamp, act)?))
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

fn treasurer(register: &Register, stamp: &Stamp) -> Result<(), Void> {
    only(register, register.holder(Role::Treasurer, stamp.basis), stamp)
}

/// Whether the author is this member, with its first device.
fn only(register: &Register, holder: Member, stamp: &Stamp) -> Result<(), Void> {
    let first = register.spender(holder) == Some(stamp.place.device);
    if first { Ok(()) } else { Err(Void::Role { holder }) }
}
