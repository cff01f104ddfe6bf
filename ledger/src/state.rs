//! What the settled entries add up to: a function of their set, never of an order of arrival.
//!
//! Every entry is judged once, when what it needs has been judged: the register up to its basis,
//! the entries and cuts that it names, and in some lanes what its chain says before. So its verdict
//! follows from its causal past. An entry that counts has an effect that commutes with all others,
//! or one whose order its chain fixes. The rules are in the domain's files and in the README.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Content, Distribute, Outcome, Tally};
use talea_protocol::bytes::{List, Month};
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::entry::Signed;
use talea_protocol::hash::{EntryId, Hash};

use crate::account::{Books, Posted};
use crate::chain::{Chains, Place, Stamp, Status};
use crate::contribution::Work;
use crate::distribution::{Runs, Sources};
use crate::money::Treasury;
use crate::plan::Plans;
use crate::proxy::Proxies;
use crate::purse::Purses;
use crate::register::Register;
use crate::row::{Row, Stale};
use crate::sethash::SetHash;
use crate::stage::{Law, Stages};
use crate::terms::Terms;
use crate::verdict::{Hold, Need, Verdict, Void};
use crate::vote::{Roll, Votes};
use crate::waiting::{Lane, Waiter, Waiting};

mod effect;
mod judgement;
mod keeping;

/// Changed rows that may gather before they are hashed, some 10 ms of work: while many entries
/// settle, a root that is asked for would otherwise take a tenth of a second, and their keys
/// 100 bytes each.
const STALE_MAX: usize = 8_192;
/// Stands for the author where the register knows no such device, which placing refuses.
const NOBODY: Member = Member(u32::MAX);

/// The state of one cooperative.
#[derive(Clone, Debug, Default)]
pub struct State {
    chains: Chains,
    terms: Terms,
    stages: Stages,
    work: Work,
    votes: Votes,
    proxies: Proxies,
    plans: Plans,
    treasury: Treasury,
    runs: Runs,
    purses: Purses,
    books: Books,
    voids: BTreeMap<EntryId, Void>,
    /// Entries whose payload is to be erased, and the order with the lowest id.
    erased: BTreeMap<EntryId, EntryId>,
    waiting: Waiting,
    /// The set hash of all rows, as of the last root.
    sum: SetHash,
    stale: Stale,
    /// Register entries in force: settled without a gap, and decisions among them judged.
    frame: u32,
    /// What each entry that counts has posted, where that is kept.
    posted: Option<Vec<Posted>>,
}

impl State {
    /// The state of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state of nothing, which keeps what each entry posts: for auditors, who show it. A node
    /// has no use for it.
    #[must_use]
    pub fn keeping_postings() -> Self {
        Self { posted: Some(Vec::new()), ..Self::default() }
    }

    /// Takes in a settled entry. Each chain's entries come in their order and once; chains
    /// interleave in any way. `register` holds the entry's basis at least.
    pub fn settle(&mut self, register: &Register, device: u32, entry: &Signed) {
        let stamp = stamp(register, device, self.length(device), entry);
        let number = register.number(&stamp.id).unwrap_or(0);
        self.change(Row::Chain(device));
        self.chains.push(stamp.place, stamp.id, stamp.basis.max(number));
        match entry.content() {
            Content::Unknown(tag) => self.waiting.shelve(stamp.id, *tag),
            Content::Known(act) => {
                let judged = match self.queue(&stamp, act) {
                    Ok(()) => self.attempt(register, &stamp, act),
                    Err(need) => Err(need),
                };
                if let Err(need) = judged {
                    self.waiting.sleep(Waiter { stamp, act: act.clone() }, need);
                }
            }
        }
        self.waiting.wake(Need::Chain { device, length: self.length(device) });
        // Who only needs it settled: an erasure does not ask what became of it.
        self.waiting.wake(Need::Entry { id: stamp.id });
        while let Some(Waiter { stamp, act }) = self.waiting.pop() {
            if let Err(need) = self.attempt(register, &stamp, &act) {
                self.waiting.sleep(Waiter { stamp, act }, need);
            }
        }
        if self.stale.len() >= STALE_MAX {
            self.refresh();
        }
    }

    /// What became of an entry; `None` if it is not settled.
    #[must_use]
    pub fn verdict(&self, id: &EntryId) -> Option<Verdict> {
        match self.chains.status(id)? {
            Status::Counted => Some(Verdict::Counted),
            Status::Pending => self.waiting.need(id).map(Verdict::Pending),
            Status::Void => self.voids.get(id).copied().map(Verdict::Void),
        }
    }

    /// What the verdict would be if the entry settled now.
    #[must_use]
    pub fn judge(&self, register: &Register, device: u32, entry: &Signed) -> Verdict {
        let seq = u32::try_from(entry.header().seq).unwrap_or(u32::MAX);
        let stamp = stamp(register, device, seq, entry);
        let act = match entry.content() {
            Content::Known(act) => act,
            Content::Unknown(tag) => return Verdict::Pending(Need::Version { tag: *tag }),
        };
        if let Err(need) = self.queue(&stamp, act) {
            return Verdict::Pending(need);
        }
        self.evaluate(register, &stamp, act).map_or_else(Verdict::from, |_| Verdict::Counted)
    }

    /// The hash of all rows: equal states have equal roots.
    pub fn root(&mut self) -> Hash {
        self.refresh();
        self.sum.root()
    }

    /// Brings the sum of all rows up to date. Only between entries: a row that is about to change
    /// would be forgotten.
    fn refresh(&mut self) {
        let (stale, mut sum) = (std::mem::take(&mut self.stale), std::mem::take(&mut self.sum));
        stale.refresh(&mut sum, |row| self.row(row));
        self.sum = sum;
    }

    /// The cut of everything settled.
    #[must_use]
    pub fn cut(&self, register: &Register) -> Cut {
        self.chains.cut(register)
    }

    /// How many entries of a device's chain are settled.
    #[must_use]
    pub fn length(&self, device: u32) -> u32 {
        self.chains.length(device)
    }

    /// The newest settled entry of a device's chain.
    #[must_use]
    pub fn last(&self, device: u32) -> Option<EntryId> {
        self.chains.last(device)
    }

    /// The decision of a proposal by the votes inside a cut: what a registrar has to state.
    #[must_use]
    pub fn count(
        &self,
        register: &Register,
        proposal: &EntryId,
        cut: &Cut,
    ) -> Option<(Tally, Outcome)> {
        let held = self.votes.proposal(proposal)?;
        Some(held.count(proposal, &self.roll(register), cut))
    }

    /// The run of a month from what is inside a cut: what a distributor has to state under
    /// register entry `basis`. `None` if a sum or the number of lines is beyond its range.
    #[must_use]
    pub fn distribute(
        &self,
        register: &Register,
        basis: u32,
        period: Month,
        cut: &Cut,
    ) -> Option<Distribute> {
        let sources = self.sources(register);
        let (run, _) = self.runs.compute(&sources, basis, period, cut)?;
        let lines = List::new(run.lines)?;
        Some(Distribute { period, cut: cut.clone(), totals: run.totals, lines })
    }

    /// The settled chains.
    #[must_use]
    pub const fn chains(&self) -> &Chains {
        &self.chains
    }

    /// The charter's changes.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What is in force here.
    #[must_use]
    pub const fn law<'a>(&'a self, register: &'a Register) -> Law<'a> {
        Law { register, terms: &self.terms, stages: &self.stages }
    }

    /// What decisions are counted by.
    #[must_use]
    pub const fn roll<'a>(&'a self, register: &'a Register) -> Roll<'a> {
        Roll { law: self.law(register), work: &self.work, proxies: &self.proxies }
    }

    /// How far members have come.
    #[must_use]
    pub const fn stages(&self) -> &Stages {
        &self.stages
    }

    /// Who votes for whom.
    #[must_use]
    pub const fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Contributions.
    #[must_use]
    pub const fn work(&self) -> &Work {
        &self.work
    }

    /// Proposals, votes and decisions.
    #[must_use]
    pub const fn votes(&self) -> &Votes {
        &self.votes
    }

    /// Resources drawn on, offers, agreements, commitments, comments.
    #[must_use]
    pub const fn plans(&self) -> &Plans {
        &self.plans
    }

    /// Jobs, receipts and expenses.
    #[must_use]
    pub const fn treasury(&self) -> &Treasury {
        &self.treasury
    }

    /// Runs and their payments.
    #[must_use]
    pub const fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Wallets and funds.
    #[must_use]
    pub const fn purses(&self) -> &Purses {
        &self.purses
    }

    /// All accounts. Sides of claims depend on the order of arrival, balances do not.
    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// Every entry that counts, with its postings, in the order in which they were judged; nothing
    /// unless they are kept. Acts of one lane are in its order; the rest depends on arrival.
    #[must_use]
    pub fn posted(&self) -> &[Posted] {
        self.posted.as_deref().unwrap_or_default()
    }

    /// Every void entry, with its reason.
    #[must_use]
    pub const fn voids(&self) -> &BTreeMap<EntryId, Void> {
        &self.voids
    }

    /// Entries whose payload is to be erased, each with the order that says so.
    #[must_use]
    pub const fn erased(&self) -> &BTreeMap<EntryId, EntryId> {
        &self.erased
    }

    /// Every entry that waits, with what it waits for.
    pub fn pending(&self) -> impl Iterator<Item = (&EntryId, &Need)> {
        self.waiting.iter()
    }

    /// How many register entries are in force, the charter included.
    #[must_use]
    pub const fn frame(&self) -> u32 {
        self.frame
    }

    const fn sources<'a>(&'a self, register: &'a Register) -> Sources<'a> {
        Sources { law: self.law(register), work: &self.work, treasury: &self.treasury }
    }

    /// Whether an act is the next of its lane to be judged.
    fn queue(&self, stamp: &Stamp, act: &Act) -> Result<(), Need> {
        let lane = Lane::of(stamp.place.device, act);
        match lane.and_then(|lane| self.waiting.last(lane)) {
            Some(id) => Err(Need::Entry { id }),
            None => Ok(()),
        }
    }

    /// Judges an entry and takes in what it does, or says what is missing.
    fn attempt(&mut self, register: &Register, stamp: &Stamp, act: &Act) -> Result<(), Need> {
        let id = stamp.id;
        let outcome = match self.evaluate(register, stamp, act) {
            Ok(effect) => {
                self.chains.judge(stamp.place, Status::Counted);
                self.apply(register, stamp, effect);
                Ok(())
            }
            Err(Hold::Void(void)) => {
                self.chains.judge(stamp.place, Status::Void);
                self.change(Row::Void(id));
                self.voids.insert(id, void);
                Ok(())
            }
            Err(Hold::Need(need)) => Err(need),
        };
        // A mark changes nothing, so nobody waits for its cut.
        if (outcome.is_ok() || matches!(act, Act::Mark(_)))
            && register.number(&id) == Some(self.frame)
        {
            self.waiting.wake(Need::Register { number: self.frame });
            self.frame = self.frame.saturating_add(1);
        }
        if outcome.is_ok() {
            self.waiting.wake(Need::Entry { id });
        }
        outcome
    }
}

fn stamp(register: &Register, device: u32, seq: u32, entry: &Signed) -> Stamp {
    let header = entry.header();
    // Only a charter has no basis; it is under itself.
    let basis = match header.basis {
        EntryId::ZERO => Some(0),
        basis => register.number(&basis),
    };
    Stamp {
        id: entry.id(),
        place: Place { device, seq },
        member: register.record(device).map_or(NOBODY, |record| record.member),
        basis: basis.unwrap_or(u32::MAX),
        time: header.time,
        payload: header.payload.is_some(),
    }
}
