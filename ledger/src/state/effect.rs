//! What an entry that counts changes, and the rows in which that shows.

use talea_protocol::act::Effect as Order;
use talea_protocol::bytes::encode;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use talea_protocol::money::Purse;

use super::State;
use crate::account::{Account, Posted, Posting, Unit};
use crate::chain::Stamp;
use crate::contest::{Correction, Dispute};
use crate::contribution::{self, Attestation};
use crate::distribution::{Distribution, Payment, Redirected};
use crate::money::{Booking, Note};
use crate::plan::Plan;
use crate::proxy::Delegation;
use crate::purse::Moved;
use crate::register::Register;
use crate::row::Row;
use crate::stage::{Law, Step};
use crate::vote::{Ballot, Decision, Proposal};

/// What an entry that counts does. Ids name what it is done to.
pub(super) enum Effect {
    None,
    Contribution(Box<contribution::Record>),
    Attestation(EntryId, Attestation),
    Proposal(Box<Proposal>),
    Ballot(EntryId, Ballot),
    Decision(EntryId, Box<Decision>),
    Booking(Booking),
    Run(Box<Distribution>),
    Redirect(EntryId, Redirected),
    Payment(EntryId, Payment),
    /// The payload of this entry is to be erased.
    Erasure(EntryId),
    Dispute(EntryId, Dispute),
    /// Ends this dispute.
    Withdrawal(EntryId),
    Correction(EntryId, Correction),
    Stage(Member, Step),
    Delegation(Delegation),
    /// A word about the quality of this contribution.
    Quality(EntryId, Attestation),
    Plan(Box<Plan>),
    Transfer(Moved),
}

impl State {
    /// Takes in what an entry does.
    pub(super) fn apply(&mut self, register: &Register, stamp: &Stamp, effect: Effect) {
        let id = stamp.id;
        if let Some(posted) = &mut self.posted {
            posted.push(Posted { id, postings: Vec::new() });
        }
        match effect {
            Effect::None => {}
            Effect::Contribution(record) => {
                // A new row, so nothing is held.
                self.stale.change(Row::Contribution(id), |_| None);
                if record.delivery().is_some() {
                    self.stale.change(Row::Delivery(id), |_| None);
                }
                self.work.add(id, *record);
            }
            Effect::Attestation(contribution, attestation) => {
                self.change(Row::Contribution(contribution));
                if attestation.part.is_some() {
                    self.change(Row::Review(id));
                }
                let law = Law { register, terms: &self.terms, stages: &self.stages };
                let postings = self.work.confirm(&law, &contribution, attestation);
                self.post(&postings);
            }
            Effect::Proposal(proposal) => {
                self.change(Row::Proposal(id));
                self.votes.add(id, *proposal);
            }
            Effect::Ballot(proposal, ballot) => {
                self.change(Row::Ballot(proposal, stamp.member));
                self.change(Row::Marks(proposal, stamp.member));
                self.votes.cast(&proposal, stamp.member, ballot);
            }
            Effect::Decision(proposal, decision) => {
                self.change(Row::Proposal(proposal));
                let number = decision.number;
                if let Some(order) = self.votes.close(&proposal, *decision) {
                    self.order(register, stamp, number, order);
                }
            }
            Effect::Booking(booking) => self.book(stamp, booking),
            Effect::Run(run) => {
                self.change(Row::Run(id));
                let postings = run.postings();
                self.post(&postings);
                let law = Law { register, terms: &self.terms, stages: &self.stages };
                self.work.take_in(&law, &run.record.cut, run.record.period);
                self.treasury.enter_run(stamp, run.record.period, postings);
                self.runs.add(id, *run);
            }
            Effect::Redirect(run, redirect) => {
                self.change(Row::Redirect(id));
                self.runs.instruct(&run, redirect);
            }
            Effect::Erasure(entry) => {
                self.change(Row::Erased(entry));
                let order = self.erased.entry(entry).or_insert(id);
                *order = id.min(*order);
            }
            Effect::Payment(run, payment) => {
                self.change(Row::Run(run));
                let bookings = payment.bookings();
                bookings.iter().for_each(|postings| self.post(postings));
                self.treasury.enter(stamp, payment.date, bookings);
                self.runs.settle(&run, payment);
            }
            Effect::Dispute(contribution, dispute) => {
                self.change(Row::Dispute(id));
                self.work.contest(contribution, dispute);
            }
            Effect::Withdrawal(dispute) => {
                self.change(Row::Dispute(dispute));
                self.work.resolve(&dispute, id, stamp.place);
            }
            Effect::Correction(contribution, correction) => {
                self.change(Row::Correction(id));
                self.put_right(register, contribution, correction);
            }
            Effect::Stage(member, step) => {
                self.change(Row::Stage(id));
                self.stages.add(member, step);
            }
            Effect::Delegation(delegation) => {
                self.change(Row::Delegation(id));
                self.proxies.add(stamp.member, delegation);
            }
            Effect::Quality(contribution, word) => {
                self.change(Row::Contribution(contribution));
                self.change(Row::Review(id));
                let law = Law { register, terms: &self.terms, stages: &self.stages };
                let postings = self.work.praise(&law, &contribution, word);
                self.post(&postings);
            }
            Effect::Plan(plan) => {
                match &*plan {
                    Plan::Draw(_) => self.change(Row::Draw(id)),
                    Plan::Intent(_) => self.change(Row::Intent(id)),
                    Plan::Agreement(_) => self.change(Row::Agreement(id)),
                    Plan::Agree(agreement) => self.change(Row::Agreed(*agreement, stamp.member)),
                    Plan::Commit(_) => self.change(Row::Commitment(id)),
                    Plan::Comment(_) => {}
                }
                self.plans.add(stamp, *plan);
            }
            Effect::Transfer(moved) => self.transfer(id, moved),
        }
    }

    /// What an adopted decision does by itself.
    fn order(&mut self, register: &Register, stamp: &Stamp, number: u32, order: Order) {
        let (id, place) = (stamp.id, stamp.place);
        match order {
            Order::Amend(change) => self.terms.adopt(number, change),
            Order::Resolve(dispute) => {
                self.change(Row::Dispute(dispute));
                self.work.resolve(&dispute, id, place);
            }
            Order::Correct(contribution, difference) => {
                let correction = Correction { id, place, difference, decided: true };
                self.put_right(register, contribution, correction);
            }
            Order::Policy
            | Order::Remove(_)
            | Order::Appoint(..)
            | Order::Reform(_)
            | Order::Admit(_)
            | Order::Advance(..)
            | Order::Spend(_)
            | Order::Allocate(..)
            | Order::Agree(_) => {}
        }
    }

    fn put_right(&mut self, register: &Register, contribution: EntryId, correction: Correction) {
        self.change(Row::Contribution(contribution));
        let law = Law { register, terms: &self.terms, stages: &self.stages };
        let postings = self.work.put_right(&law, &contribution, correction);
        self.post(&postings);
    }

    /// What a row holds now.
    pub(super) fn row(&self, row: &Row) -> Option<Vec<u8>> {
        match row {
            Row::Chain(device) => self.chains.row(*device),
            Row::Void(id) => self.voids.get(id).map(|void| encode(&void.rule())),
            Row::Contribution(id) => self.work.row(id),
            Row::Proposal(id) => self.votes.row(id),
            Row::Ballot(proposal, member) => self.votes.ballot_row(proposal, *member),
            Row::Account(unit, account) => self.account_row(*unit, account),
            Row::Job(code) => self.treasury.job_row(code),
            Row::Subscription(member, code) => self.treasury.subscription_row(*member, code),
            Row::Run(id) => self.runs.row(id),
            Row::Redirect(id) => self.runs.redirect_row(id),
            Row::Closed => self.treasury.closed_row(),
            Row::Erased(id) => self.erased.get(id).map(|order| encode(&order.0)),
            Row::Dispute(id) => self.work.dispute_row(id),
            Row::Stage(id) => self.stages.row(id),
            Row::Correction(id) => self.work.correction_row(id),
            Row::Marks(proposal, member) => self.votes.marks_row(proposal, *member),
            Row::Delegation(id) => self.proxies.row(id),
            Row::Review(id) => self.work.review_row(id),
            Row::Delivery(id) => self.work.delivery_row(id),
            Row::Draw(id) | Row::Intent(id) | Row::Agreement(id) | Row::Commitment(id) => {
                self.plans.row(id)
            }
            Row::Agreed(agreement, member) => self.plans.agreed_row(agreement, *member),
            Row::Booked(id, part) => self.treasury.journal().row(id, *part),
            Row::Paper(paper, member, reference) => {
                self.treasury.documents().paper_row(*paper, *member, reference)
            }
            Row::Statement(date) => self.treasury.documents().statement_row(*date),
            Row::Allocation(until) => self.treasury.documents().allocation_row(*until),
            Row::Taken(id, purse) => self.purses.row(id, purse),
        }
    }

    fn book(&mut self, stamp: &Stamp, booking: Booking) {
        let Booking { postings, date, note } = booking;
        note.rows().into_iter().for_each(|row| self.change(row));
        self.post(&postings);
        match &note {
            Note::Closed(closing) => {
                let due: Vec<(EntryId, u32)> =
                    self.treasury.journal().due(&closing.cut, closing.period).collect();
                due.into_iter().for_each(|(id, part)| self.change(Row::Booked(id, part)));
            }
            Note::Opening { gifts, .. } => self.purses.open(stamp.id, gifts),
            _ => {}
        }
        match (date, &note) {
            (Some(date), Note::Opening { .. }) => {
                self.treasury.enter_opening(stamp, date, postings);
            }
            (Some(date), _) => self.treasury.enter(stamp, date, vec![postings]),
            (None, _) => {}
        }
        self.treasury.take(note);
    }

    fn transfer(&mut self, id: EntryId, moved: Moved) {
        let purse: &Purse = &moved.from;
        for taken in &moved.takes {
            self.change(Row::Taken(*taken, purse.clone()));
        }
        self.post(&moved.postings());
        self.purses.pay(id, purse, moved.gift.unit, &moved.takes, moved.left);
        self.purses.give(id, vec![moved.gift]);
    }

    fn post(&mut self, postings: &[Posting]) {
        for posting in postings {
            self.change(Row::Account(posting.unit, posting.account.clone()));
        }
        self.books.post(postings).expect("every posting of the domain is a transfer");
        if let Some(last) = self.posted.as_mut().and_then(|posted| posted.last_mut()) {
            last.postings.extend_from_slice(postings);
        }
    }

    /// The balance, debits minus credits, in two's complement; an account at zero has no row.
    fn account_row(&self, unit: Unit, account: &Account) -> Option<Vec<u8>> {
        let net = self.books.net(account, unit);
        (net != 0).then(|| encode(&net.to_le_bytes()))
    }

    /// To be called before a row changes.
    pub(super) fn change(&mut self, row: Row) {
        let mut stale = std::mem::take(&mut self.stale);
        stale.change(row, |row| self.row(row));
        self.stale = stale;
    }
}
