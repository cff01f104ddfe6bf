//! Settled entries that cannot be judged yet, by what they wait for.
//!
//! What becomes known wakes exactly those who wait for it, and nothing is ever searched. Two
//! orders are kept here. Acts of one lane (the treasurer's, the distributor's, a device's words on
//! one run or one contribution) are judged as they stand in their chain. And acts over a cut are judged after all
//! others that can be, so that everything inside a settled cut has been judged: its votes,
//! attestations and redirects need nothing that the act itself does not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use talea_protocol::act::Act;
use talea_protocol::hash::EntryId;
use talea_protocol::money::Purse;

use crate::chain::Stamp;
use crate::verdict::Need;

/// Acts that are judged in the order of their chain, by its device.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Lane {
    /// Money.
    Treasury(u32),
    /// Runs.
    Runs(u32),
    /// Redirects of one run.
    Redirects(u32, EntryId),
    /// Attestations of one contribution, of which the first counts.
    Attestations(u32, EntryId),
    /// Corrections of one contribution, which take no more than there is.
    Corrections(u32, EntryId),
    /// Transfers out of a member's wallet.
    Wallet(u32),
}

impl Lane {
    /// The lane of an act, if it is in one.
    #[must_use]
    pub const fn of(device: u32, act: &Act) -> Option<Self> {
        match act {
            Act::Subscribe(_)
            | Act::Invoice(_)
            | Act::Income(_)
            | Act::Expense(_)
            | Act::Pay(_)
            | Act::Close(_)
            | Act::Redeem(_)
            | Act::PayOut(_)
            | Act::Allocate(_)
            | Act::Reconcile(_)
            | Act::Open(_) => Some(Self::Treasury(device)),
            Act::Transfer(transfer) => match transfer.from {
                Purse::Fund(_) => Some(Self::Treasury(device)),
                Purse::Member(_) => Some(Self::Wallet(device)),
            },
            Act::Distribute(_) => Some(Self::Runs(device)),
            Act::Redirect(redirect) => Some(Self::Redirects(device, redirect.run)),
            Act::Attest(attest) => Some(Self::Attestations(device, attest.contribution)),
            Act::Review(review) => Some(Self::Attestations(device, review.contribution)),
            Act::Correct(correct) => Some(Self::Corrections(device, correct.contribution)),
            Act::Charter(_)
            | Act::Admit(_)
            | Act::Enrol(_)
            | Act::Mark(_)
            | Act::Decide(_)
            | Act::Contribution(_)
            | Act::Propose(_)
            | Act::Vote(_)
            | Act::Report(_)
            | Act::Revoke(_)
            | Act::Guardians(_)
            | Act::Leave
            | Act::Depart(_)
            | Act::Remove(_)
            | Act::HandOver(_)
            | Act::Call(_)
            | Act::Succeed(_)
            | Act::Reform(_)
            | Act::Heal(_)
            | Act::Erase(_)
            | Act::Dispute(_)
            | Act::Withdraw(_)
            | Act::Advance(_)
            | Act::Motion(_)
            | Act::Rank(_)
            | Act::Delegate(_)
            | Act::Welcome(_)
            | Act::Deliver(_)
            | Act::Draw(_)
            | Act::Intent(_)
            | Act::Agreement(_)
            | Act::Agree(_)
            | Act::Commit(_)
            | Act::Comment(_) => None,
        }
    }
}

/// An entry that waits.
#[derive(Clone, Debug)]
pub struct Waiter {
    /// Who says it, and where.
    pub stamp: Stamp,
    /// What is said.
    pub act: Act,
}

/// Everything that waits.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    needs: BTreeMap<EntryId, Need>,
    waiters: BTreeMap<EntryId, Waiter>,
    sleeping: BTreeMap<Need, Vec<EntryId>>,
    lanes: BTreeMap<Lane, BTreeSet<(u32, EntryId)>>,
    awake: VecDeque<EntryId>,
    awake_over_cuts: VecDeque<EntryId>,
}

impl Waiting {
    /// What an entry waits for.
    #[must_use]
    pub fn need(&self, id: &EntryId) -> Option<Need> {
        self.needs.get(id).copied()
    }

    /// Everything that waits, with what it waits for.
    pub fn iter(&self) -> impl Iterator<Item = (&EntryId, &Need)> {
        self.needs.iter()
    }

    /// The last act of a lane that waits.
    #[must_use]
    pub fn last(&self, lane: Lane) -> Option<EntryId> {
        self.lanes.get(&lane)?.last().map(|(_, id)| *id)
    }

    /// The first act of a lane that waits, if it stands among the first `length` of its chain.
    #[must_use]
    pub fn first(&self, lane: Lane, length: u32) -> Option<EntryId> {
        self.lanes.get(&lane)?.first().filter(|(seq, _)| *seq < length).map(|(_, id)| *id)
    }

    /// An act that debits, of any lane of a device, that waits and stands among the first
    /// `length` of its chain.
    #[must_use]
    pub fn first_of(&self, device: u32, length: u32) -> Option<EntryId> {
        let redirects =
            Lane::Redirects(device, EntryId([0; 32]))..=Lane::Redirects(device, EntryId([255; 32]));
        let lanes = [Lane::Treasury(device), Lane::Runs(device), Lane::Wallet(device)];
        let redirects = self.lanes.range(redirects).map(|(lane, _)| *lane);
        lanes.into_iter().chain(redirects).find_map(|lane| self.first(lane, length))
    }

    /// Remembers an entry whose act no version known here can judge.
    pub fn shelve(&mut self, id: EntryId, tag: u32) {
        self.needs.insert(id, Need::Version { tag });
    }

    /// Lets an entry sleep until its need is met.
    pub fn sleep(&mut self, waiter: Waiter, need: Need) {
        let (id, place) = (waiter.stamp.id, waiter.stamp.place);
        if let Some(lane) = Lane::of(place.device, &waiter.act) {
            self.lanes.entry(lane).or_default().insert((place.seq, id));
        }
        self.needs.insert(id, need);
        self.sleeping.entry(need).or_default().push(id);
        self.waiters.insert(id, waiter);
    }

    /// Wakes all who wait for this.
    pub fn wake(&mut self, need: Need) {
        for id in self.sleeping.remove(&need).unwrap_or_default() {
            let over_cut = self.waiters.get(&id).is_some_and(|waiter| waiter.act.cut().is_some());
            let queue = if over_cut { &mut self.awake_over_cuts } else { &mut self.awake };
            queue.push_back(id);
        }
    }

    /// The next entry that is awake; it no longer waits. Acts over a cut come last.
    pub fn pop(&mut self) -> Option<Waiter> {
        let id = self.awake.pop_front().or_else(|| self.awake_over_cuts.pop_front())?;
        self.needs.remove(&id);
        let waiter = self.waiters.remove(&id)?;
        let place = waiter.stamp.place;
        if let Some(lane) = Lane::of(place.device, &waiter.act)
            && let Some(acts) = self.lanes.get_mut(&lane)
        {
            acts.remove(&(place.seq, id));
            if acts.is_empty() {
                self.lanes.remove(&lane);
            }
        }
        Some(waiter)
    }
}
