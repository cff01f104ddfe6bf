//! All settled entries, and the questions that every judgement asks first: is the register in
//! force, may the author, is it this act's turn, what does its cut hold, does what it names count.
//! Sections 2 (rules 46 to 50) and 4.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Content, Effect, Outcome};
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::Entry;
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::Office;

use super::register::Register;
use super::{Stop, Verdict};

/// A settled entry, and where it stands.
pub struct Fact<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// Its device's number.
    pub device: u32,
    /// Its place in the device's chain.
    pub seq: u32,
    /// The author.
    pub member: u32,
    /// Number of the register entry that it names; no number there is comes after it.
    pub basis: u32,
    /// Its own number in the register.
    pub number: Option<u32>,
    /// What became of it, once judged.
    pub verdict: Option<Verdict>,
}

impl<'a> Fact<'a> {
    /// The act; `None` of one that this version does not know.
    pub fn act(&self) -> Option<&'a Act> {
        match self.entry.content() {
            Content::Known(act) => Some(act),
            Content::Unknown(_) => None,
        }
    }

    /// Whether it closes over a cut.
    pub fn is_over_cut(&self) -> bool {
        self.act().is_some_and(|act| act.cut().is_some())
    }

    /// Whether a cut takes it.
    pub fn inside(&self, cut: &Cut) -> bool {
        self.seq < cut.length(self.device)
    }
}

/// Everything settled.
pub struct History<'a> {
    /// Members and devices.
    pub register: Register<'a>,
    /// The entries, by device and place.
    pub facts: Vec<Fact<'a>>,
}

impl<'a> History<'a> {
    /// These entries, none of them judged.
    pub fn new(register: Register<'a>, settled: &[&'a Entry]) -> Self {
        let mut facts: Vec<Fact<'a>> = settled
            .iter()
            .map(|entry| {
                let header = entry.header();
                let device = register.device(&header.device).expect("an enrolled device");
                let owner = register.devices[usize::try_from(device).expect("few")].member;
                let basis = match header.basis {
                    EntryId::ZERO => 0,
                    basis => register.number(&basis).unwrap_or(u32::MAX),
                };
                Fact {
                    entry,
                    device,
                    seq: u32::try_from(header.seq).expect("short"),
                    member: owner,
                    basis,
                    number: register.number(&entry.id()),
                    verdict: None,
                }
            })
            .collect();
        facts.sort_by_key(|fact| (fact.device, fact.seq));
        Self { register, facts }
    }

    /// Entries that count, with their acts.
    pub fn counted(&self) -> impl Iterator<Item = (&Fact<'a>, &'a Act)> {
        self.facts
            .iter()
            .filter(|fact| fact.verdict == Some(Verdict::Counted))
            .filter_map(|fact| fact.act().map(|act| (fact, act)))
    }

    /// Every verdict.
    pub fn verdicts(&self) -> BTreeMap<EntryId, Verdict> {
        let verdict = |fact: &Fact<'_>| fact.verdict.unwrap_or(Verdict::Pending);
        self.facts.iter().map(|fact| (fact.entry.id(), verdict(fact))).collect()
    }

    /// How many entries of a device's chain are settled.
    pub fn length(&self, device: u32) -> u32 {
        let all = self.facts.iter().filter(|fact| fact.device == device);
        u32::try_from(all.count()).expect("short")
    }

    /// A settled entry.
    pub fn find(&self, id: &EntryId) -> Option<&Fact<'a>> {
        self.facts.iter().find(|fact| fact.entry.id() == *id)
    }

    /// Whether the register is in force up to a number: settled without a gap, the decisions
    /// among them judged.
    pub fn is_in_force(&self, number: u32) -> bool {
        (0..=number).all(|number| {
            let fact = self.facts.iter().find(|fact| fact.number == Some(number));
            fact.is_some_and(|fact| {
                matches!(fact.act(), Some(Act::Mark(_))) || fact.verdict.is_some()
            })
        })
    }

    /// Rule 46.
    pub fn may(&self, fact: &Fact<'_>, act: &Act) -> Result<(), Stop> {
        let office = match act {
            Act::Subscribe(_)
            | Act::Invoice(_)
            | Act::Income(_)
            | Act::Expense(_)
            | Act::Pay(_)
            | Act::Close(_) => Some(Office::Treasurer),
            Act::Distribute(_) => Some(Office::Distributor),
            Act::Redirect(_) => None,
            _ => return Ok(()),
        };
        let holder = office.map_or(fact.member, |it| self.register.holder(it, fact.basis));
        let first = self.register.spender(holder, fact.basis) == Some(fact.device);
        if !first {
            return Err(Stop::Void(46));
        }
        let spent = self.register.spent(holder, fact.basis);
        let before = office.map_or(Vec::new(), |office| self.before(fact, office));
        if spent.chain(before).all(|(device, length)| self.is_judged(device, length)) {
            Ok(())
        } else {
            Err(Stop::Wait)
        }
    }

    /// Rules 50 and 81, of what carries out a decision.
    pub fn examine_mandate(
        &self,
        fact: &Fact<'_>,
        decision: EntryId,
        is_it: impl Fn(&Effect) -> bool,
    ) -> Result<(), Stop> {
        let Some(Act::Decide(decide)) = self.named(&decision)?.act() else {
            return Err(Stop::Void(81));
        };
        let proposal = self.find(&decide.proposal).and_then(|proposal| proposal.act());
        let says_so = matches!(proposal, Some(Act::Propose(it)) if is_it(&it.effect));
        if decide.outcome != Outcome::Adopted || !says_so {
            return Err(Stop::Void(81));
        }
        self.register.fault(fact.entry.id())
    }

    /// Whether a chain is settled so far, and every act in it judged that debits or runs: words about
    /// others' work hold up nobody who comes after.
    fn is_judged(&self, device: u32, length: u32) -> bool {
        let waits = |it: &Fact<'_>| {
            let is_in_lane =
                it.act().is_some_and(|act| is_one_lane(act, act) && !matches!(act, Act::Attest(_)));
            it.device == device && it.seq < length && is_in_lane && it.verdict.is_none()
        };
        self.length(device) >= length && !self.facts.iter().any(waits)
    }

    /// Where an act for a role stands among all for that role: by term, chain and place.
    pub fn turn(&self, fact: &Fact<'_>, office: Office) -> (usize, u32, u32) {
        let terms = self.register.terms.iter();
        let begun = terms.filter(|term| term.office == office && term.number <= fact.basis);
        (begun.count(), fact.device, fact.seq)
    }

    /// Where chains stood at which others began to write for a role, as a fact's basis has it.
    pub fn before(&self, fact: &Fact<'_>, office: Office) -> Vec<(u32, u32)> {
        let terms = self.register.terms.iter();
        let begun = terms.filter(|term| term.office == office && term.number <= fact.basis);
        begun.filter_map(|term| term.before).filter(|it| it.0 != fact.device).collect()
    }

    /// Whether all earlier acts of its lane are judged.
    pub fn comes_next(&self, fact: &Fact<'_>, act: &Act) -> Result<(), Stop> {
        let earlier = |other: &&Fact<'_>| {
            let same = other.act().is_some_and(|other| is_one_lane(act, other));
            other.device == fact.device && other.seq < fact.seq && same
        };
        let waits = self.facts.iter().filter(earlier).any(|other| other.verdict.is_none());
        if waits { Err(Stop::Wait) } else { Ok(()) }
    }

    /// Rules 47 to 49.
    pub fn check_cut(&self, fact: &Fact<'_>, cut: &Cut) -> Result<(), Stop> {
        let at = self.register.number(&cut.at).filter(|at| *at <= fact.basis);
        let at = at.ok_or(Stop::Void(47))?;
        let numbered = self.register.devices.iter().filter(|device| device.enrolled <= at).count();
        if cut.lengths.len() > numbered || fact.inside(cut) {
            return Err(Stop::Void(47));
        }
        let chains = || (0_u32..).zip(cut.lengths.iter().copied());
        if chains().any(|(device, length)| length > self.length(device)) {
            return Err(Stop::Wait);
        }
        let late = |inside: &Fact<'_>| {
            inside.basis > fact.basis || inside.number.is_some_and(|number| number > fact.basis)
        };
        if self.facts.iter().any(|inside| inside.inside(cut) && late(inside)) {
            return Err(Stop::Void(48));
        }
        let mut root = CutRoot::new();
        for (device, length) in chains().filter(|(_, length)| *length > 0) {
            let last = |fact: &&Fact<'_>| fact.device == device && fact.seq == length - 1;
            let last = self.facts.iter().find(last).expect("it is settled");
            let key = &self.register.devices[usize::try_from(device).expect("small")].key;
            root.add(key, length, &last.entry.id());
        }
        if root.finish() == cut.root { Ok(()) } else { Err(Stop::Void(49)) }
    }

    /// Rule 50: an entry that is named counts.
    pub fn named(&self, id: &EntryId) -> Result<&Fact<'a>, Stop> {
        match self.find(id) {
            Some(fact) => match fact.verdict {
                Some(Verdict::Counted) => Ok(fact),
                Some(Verdict::Void(_)) => Err(Stop::Void(50)),
                Some(Verdict::Pending) | None => Err(Stop::Wait),
            },
            None => Err(Stop::Wait),
        }
    }

    /// Rule 50, of what must be inside the act's cut: nothing else is waited for.
    pub fn named_inside(&self, id: &EntryId, cut: &Cut) -> Result<&Fact<'a>, Stop> {
        if self.find(id).is_some_and(|fact| fact.inside(cut)) {
            self.named(id)
        } else {
            Err(Stop::Void(50))
        }
    }
}

/// Whether two acts of one device are judged in the order of its chain.
fn is_one_lane(one: &Act, other: &Act) -> bool {
    let money = |act: &Act| {
        matches!(
            act,
            Act::Subscribe(_)
                | Act::Invoice(_)
                | Act::Income(_)
                | Act::Expense(_)
                | Act::Pay(_)
                | Act::Close(_)
        )
    };
    match (one, other) {
        (Act::Distribute(_), Act::Distribute(_)) => true,
        (Act::Redirect(one), Act::Redirect(other)) => one.run == other.run,
        (Act::Attest(one), Act::Attest(other)) => one.contribution == other.contribution,
        (one, other) => money(one) && money(other),
    }
}
