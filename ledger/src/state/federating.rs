//! What acts between cooperatives, and about personal data, need before they can be judged.
//!
//! Rules that look at one subject only are in `pact` and `personal`.

use talea_protocol::act::Act;
use talea_protocol::bytes::{Code, Day};
use talea_protocol::federation::{Receive, Send};
use talea_protocol::hash::EntryId;
use talea_protocol::money::Purse;

use super::State;
use super::effect::Effect;
use crate::account::{Account, Unit, transfer};
use crate::chain::Stamp;
use crate::fault::MoneyFault;
use crate::money::{Booking, Note, post, suffices};
use crate::pact::{Pact, PactNote, Pacts};
use crate::personal::{DataNote, Personal};
use crate::purse::{Moved, fund, unit_of};
use crate::register::Register;
use crate::verdict::{Hold, Need, Void};

impl State {
    /// Judges an act between cooperatives; others do nothing here.
    pub(super) fn federate(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Act,
    ) -> Result<Effect, Hold> {
        self.treasurer(register, stamp)?;
        let pacts = self.treasury.pacts();
        let note = match act {
            Act::Send(act) => return self.sent(register, stamp, act),
            Act::Receive(act) => return self.received(register, stamp, act),
            Act::Link(act) => Pacts::link(register, stamp, act)?,
            Act::Countersign(act) => pacts.countersign(register, stamp, act)?,
            Act::Statement(act) => pacts.state(register, stamp, act)?,
            _ => return Ok(Effect::None),
        };
        let note = Note::Pact(note, None);
        Ok(Effect::Booking(Booking { postings: Vec::new(), date: None, note }))
    }

    fn sent(&self, register: &Register, stamp: &Stamp, act: &Send) -> Result<Effect, Hold> {
        for id in &act.takes {
            self.named(*id)?;
        }
        let (pact, note) = self.treasury.pacts().send(stamp, act)?;
        let (charter, amount) = (register.charter(), act.amount.value());
        let partner = Account::Partner(pact.partner);
        let Some(code) = &act.fund else {
            if pact.accord.unit != charter.currency || !act.takes.is_empty() {
                return Err(MoneyFault::Unit.into());
            }
            suffices(charter, &self.books, i128::from(amount))?;
            let postings = post(&self.books, partner, Account::Bank, amount)?;
            return Ok(booked(postings, act.date, note, None));
        };
        let (purse, unit) = purse(register, pact, code)?;
        if !act.takes.is_sorted_by(|one, next| one < next) {
            return Err(MoneyFault::Transfer.into());
        }
        let left = self.purses.spend(charter, &purse, unit, amount, &act.takes)?;
        let postings = transfer(Unit::Internal(unit), partner, Account::of(&purse), amount);
        let moved = Moved { purse, unit, takes: act.takes.to_vec(), left };
        Ok(booked(postings.to_vec(), act.date, note, Some(moved)))
    }

    fn received(&self, register: &Register, stamp: &Stamp, act: &Receive) -> Result<Effect, Hold> {
        let (pact, note) = self.treasury.pacts().receive(stamp, act)?;
        let PactNote::Received(_, passage) = &note else { return Ok(Effect::None) };
        let (partner, amount) = (Account::Partner(pact.partner), passage.amount);
        let Some(code) = &act.fund else {
            if pact.accord.unit != register.charter().currency {
                return Err(MoneyFault::Unit.into());
            }
            let postings = post(&self.books, Account::Bank, partner, amount)?;
            return Ok(booked(postings, act.date, note, None));
        };
        let (purse, unit) = purse(register, pact, code)?;
        let left = self.purses.held(&purse, unit) + i128::from(amount);
        let postings = transfer(Unit::Internal(unit), Account::of(&purse), partner, amount);
        let moved = Moved { purse, unit, takes: Vec::new(), left };
        Ok(booked(postings.to_vec(), act.date, note, Some(moved)))
    }

    /// Judges an act about personal data; others do nothing here.
    pub(super) fn answer(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Act,
    ) -> Result<Effect, Hold> {
        let note: DataNote = match act {
            Act::AttestCredential(act) => Personal::attest(register, stamp, act)?,
            Act::RevokeCredential(act) => {
                self.named(act.credential)?;
                self.personal.revoke(register, stamp, act)?
            }
            Act::RequestErasure(act) => {
                self.settled(act.entry)?;
                Personal::request(stamp, act)
            }
            Act::RefuseErasure(act) => {
                self.named(act.request)?;
                self.personal.refuse(register, stamp, act)?
            }
            _ => return Ok(Effect::None),
        };
        Ok(Effect::Data(note))
    }

    fn settled(&self, id: EntryId) -> Result<(), Hold> {
        match self.chains.place(&id) {
            Some(_) => Ok(()),
            None => Err(Hold::Need(Need::Entry { id })),
        }
    }
}

fn booked(
    postings: Vec<crate::account::Posting>,
    date: Day,
    note: PactNote,
    moved: Option<Moved>,
) -> Effect {
    Effect::Booking(Booking { postings, date: Some(date), note: Note::Pact(note, moved) })
}

/// The fund that pays or gets what an accord is about, and its unit.
fn purse(register: &Register, pact: &Pact, code: &Code) -> Result<(Purse, u8), Void> {
    let charter = register.charter();
    fund(charter, code, &pact.accord.unit)?;
    Ok((Purse::Fund(code.clone()), unit_of(charter, &pact.accord.unit)?))
}
