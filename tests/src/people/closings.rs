//! What closes over a cut: marks, decisions, runs, payments, months.

use talea_protocol::act::{Act, Attest, Close, Decide, Mark, Outcome, Pay};
use talea_protocol::bytes::{List, Month};
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::hash::{EntryId, Hash};

use super::acts::january;
use super::{People, index};
use crate::chance::Chance;

impl People {
    /// A cut of what was stated, mostly of all of it; rarely one that does not fit.
    pub(super) fn cut(&mut self, author: usize, chance: &mut Chance) -> Cut {
        if !chance.percent(3) {
            // What is inside may name the newest register entry.
            self.catch_up(author);
        }
        let mut lengths = self.lengths(author, chance);
        let mut root = CutRoot::new();
        for (device, length) in (0..).zip(lengths.iter().copied()).filter(|(_, n)| *n > 0) {
            let key = self.authors[index(device)].key.device();
            root.add(&key, length, &self.last(device, length));
        }
        let mut root = root.finish();
        match chance.below(60) {
            0 => root = Hash([1; 32]),
            // Itself inside.
            1 => lengths[author] += 1,
            _ => {}
        }
        let at = self.register.entry(self.authors[author].basis).expect("a register entry");
        Cut { at, lengths: List::new(lengths).expect("few"), root }
    }

    pub(super) fn mark(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let cut = self.cut(author, chance);
        self.catch_up(author);
        self.state(author, time, &Act::Mark(Mark { cut }))
    }

    pub(super) fn decide(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let open: Vec<EntryId> = self
            .state
            .votes()
            .iter()
            .filter(|(_, proposal)| proposal.decision.is_none() && proposal.act.closes <= time)
            .map(|(id, _)| *id)
            .collect();
        let proposal = if open.is_empty() || chance.percent(5) {
            self.one_of_last(&self.proposals, chance)
        } else {
            *chance.one_of(&open)
        };
        let cut = self.cut(author, chance);
        self.catch_up(author);
        let Some((mut tally, mut outcome)) = self.state.count(&self.register, &proposal, &cut)
        else {
            return self.state(author, time, &Act::Mark(Mark { cut }));
        };
        match chance.below(30) {
            0 => tally.yes += 1,
            1 => outcome = Outcome::Adopted,
            _ => {}
        }
        self.state(author, time, &Act::Decide(Decide { proposal, cut, tally, outcome }))
    }

    pub(super) fn distribute(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let done = self.state.runs().iter().count();
        let done = u32::try_from(done).expect("few") - u32::from(done > 0 && chance.percent(10));
        let period = Month::new(january().value() + done).expect("a month");
        let cut = self.cut(author, chance);
        let basis = self.authors[author].basis;
        match self.state.distribute(&self.register, basis, period, &cut) {
            Some(mut run) => {
                run.totals.paid += i64::from(chance.percent(4));
                self.state(author, time, &Act::Distribute(Box::new(run)))
            }
            None => self.state(author, time, &Act::Attest(Attest { contribution: EntryId::ZERO })),
        }
    }

    pub(super) fn pay(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let runs: Vec<(EntryId, bool)> =
            self.state.runs().iter().map(|(id, run)| (*id, run.payment.is_some())).collect();
        let open = runs.iter().find(|(_, paid)| !paid).or(runs.last());
        let run = open.map_or(EntryId([8; 32]), |(id, _)| *id);
        let cut = self.cut(author, chance);
        let date = talea_protocol::bytes::Day::new(20_520).expect("a day");
        self.state(author, time, &Act::Pay(Pay { run, cut, date }))
    }

    pub(super) fn close(&mut self, author: usize, chance: &mut Chance, time: u64) -> EntryId {
        let next = self.state.treasury().closed().map_or(january().value(), |it| it.value() + 1);
        let period = Month::new(next - u32::from(chance.percent(10))).expect("a month");
        let cut = self.cut(author, chance);
        self.state(author, time, &Act::Close(Close { period, cut }))
    }
}
