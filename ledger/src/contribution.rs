//! Work given, confirmed by others, and the credit that follows.
//!
//! A contribution is nothing until as many other members as the charter asks for have attested
//! it. Of all attestations those under the oldest register entries count (then by id), one of each
//! member, so that the credit depends on the set of them and on no order. It is read under the
//! newest register entry that the contribution or its counted attestations name: nobody keeps an
//! old rate by not looking, and no change is retroactive. Design's domain, section 1.

use std::collections::BTreeMap;

use talea_protocol::act::{Attest, Contribution, Correct, Dispute, Stream};
use talea_protocol::bytes::{Day, Month, STRUCTURE_BYTES_MAX, decode, encode};
use talea_protocol::charter::{Charter, Kind, Member};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::account::{Account, Posting, Unit, transfer};
use crate::chain::{Place, Stamp};
use crate::contest::{self, Contest, Correction};
use crate::index::Index;
use crate::profile::WHOLE;
use crate::register::Register;
use crate::row::Row;
use crate::stage::Law;
use crate::terms::{Terms, When, month_of};
use crate::verdict::Void;

/// What care is measured in.
pub const MINUTE: &str = "minute";

/// What a contribution has earned.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Credit {
    /// Before vesting: hundredths of credits, or minutes of care.
    pub nominal: i64,
    /// Hundredths of livelihood credits.
    pub livelihood: i64,
    /// Hundredths of love credits.
    pub love: i64,
    /// Minutes of care.
    pub care: i64,
}

/// Another member's word for a contribution.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Attestation {
    /// Number of the register entry that it names.
    pub basis: u32,
    /// The entry.
    pub id: EntryId,
    /// Who attests.
    pub member: Member,
    /// Where the entry stands.
    pub place: Place,
}

/// A contribution that counts, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// What was stated, encoded: of many, few are looked at again.
    act: Box<[u8]>,
    /// Last day of the work.
    end: Day,
    /// Who gave the work.
    pub author: Member,
    /// Number of the register entry that it names.
    pub basis: u32,
    /// Where the entry stands.
    pub place: Place,
    /// Members who must attest it.
    pub needed: u8,
    /// Every attestation that counts, in their order.
    pub attestations: Vec<Attestation>,
    /// What it has earned, by everything settled.
    pub credit: Credit,
    /// What was said against it and put right; nothing for most.
    contest: Option<Box<Contest>>,
    /// Whether a run has taken it in: a dispute no longer holds it up.
    pub taken_in: bool,
}

/// What a member has earned.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Earned {
    /// Hundredths of livelihood credits.
    pub livelihood: i128,
    /// Hundredths of love credits.
    pub love: i128,
    /// Minutes of care.
    pub care: i128,
}

/// All contributions that count.
#[derive(Clone, Debug, Default)]
pub struct Work {
    index: Index<usize>,
    records: Vec<(EntryId, Record)>,
    /// The contribution of each dispute and correction.
    contested: BTreeMap<EntryId, EntryId>,
}

impl Work {
    /// A contribution that counts.
    #[must_use]
    pub fn record(&self, id: &EntryId) -> Option<&Record> {
        self.records.get(self.position(id)?).map(|(_, record)| record)
    }

    /// Every contribution that counts, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&EntryId, &Record)> {
        self.records.iter().map(|(id, record)| (id, record))
    }

    fn position(&self, id: &EntryId) -> Option<usize> {
        self.index.find(id, |at| self.records.get(at).map(|(held, _)| *held))
    }

    /// Judges a contribution.
    ///
    /// # Errors
    /// [`Void`], rules 43 and 51 to 55.
    pub fn contribute(
        terms: &Terms,
        charter: &Charter,
        stamp: &Stamp,
        act: &Contribution,
    ) -> Result<Record, Void> {
        let when = When { at: stamp.basis, month: month_of(act.end) };
        let rate = terms.rate(charter, when, &act.task).ok_or(Void::Task)?;
        let (quantity, max) = (act.quantity.value(), charter.contribution_max.value());
        if quantity > max {
            return Err(Void::TooMuch { quantity, max });
        }
        if act.begin > act.end {
            return Err(Void::Dates);
        }
        if (act.stream == Stream::Care) != (rate.unit.as_str() == MINUTE) {
            return Err(Void::Care);
        }
        if !act.tags.is_sorted_by(|a, b| a < b) {
            return Err(Void::Tags);
        }
        if act.job.as_ref().is_some_and(|job| terms.price(charter, when, job.tier).is_none()) {
            return Err(Void::Unknown);
        }
        Ok(Record {
            act: encode(act).into_boxed_slice(),
            end: act.end,
            author: stamp.member,
            basis: stamp.basis,
            place: stamp.place,
            needed: terms.attestations(charter, when),
            attestations: Vec::new(),
            credit: Credit::default(),
            contest: None,
            taken_in: false,
        })
    }

    /// Judges an attestation of a contribution that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50, 56 and 57.
    pub fn attest(&self, stamp: &Stamp, act: &Attest) -> Result<Attestation, Void> {
        let id = act.contribution;
        let record = self.record(&id).ok_or(Void::Named { id })?;
        if record.author == stamp.member {
            return Err(Void::OwnAttestation);
        }
        let device = stamp.place.device;
        if record.attestations.iter().any(|before| before.place.device == device) {
            return Err(Void::Attested);
        }
        let (basis, id, member, place) = (stamp.basis, stamp.id, stamp.member, stamp.place);
        Ok(Attestation { basis, id, member, place })
    }

    /// Takes in a contribution.
    pub fn add(&mut self, id: EntryId, record: Record) {
        self.index.insert(&id, self.records.len());
        self.records.push((id, record));
    }

    /// Takes in an attestation; returns what changes in the books.
    pub fn confirm(
        &mut self,
        law: &Law<'_>,
        contribution: &EntryId,
        attestation: Attestation,
    ) -> Vec<Posting> {
        let Some(record) = self.record_mut(contribution) else { return Vec::new() };
        if record.attestations.is_empty() {
            record.attestations.reserve_exact(usize::from(record.needed));
        }
        let at = record.attestations.partition_point(|before| *before < attestation);
        record.attestations.insert(at, attestation);
        record.rework(law)
    }

    /// Judges a dispute of a contribution that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50 and 85.
    pub fn dispute(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Dispute,
    ) -> Result<contest::Dispute, Void> {
        let id = act.contribution;
        let record = self.record(&id).ok_or(Void::Named { id })?;
        let machine = register.member(stamp.member).is_none_or(|it| it.kind == Kind::Machine);
        if record.author == stamp.member || machine {
            return Err(Void::Disputer);
        }
        let (id, member, place) = (stamp.id, stamp.member, stamp.place);
        Ok(contest::Dispute { id, member, place, ends: Vec::new() })
    }

    /// Judges the withdrawal of a dispute that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50 and 86.
    pub fn withdraw(&self, stamp: &Stamp, dispute: &EntryId) -> Result<(), Void> {
        let held = self.disputed(dispute).ok_or(Void::Named { id: *dispute })?;
        if held.member == stamp.member {
            Ok(())
        } else {
            Err(Void::NotDisputer { member: held.member })
        }
    }

    /// Judges an author's correction of a contribution that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50, 87 and 88.
    pub fn correct(&self, stamp: &Stamp, act: &Correct) -> Result<Correction, Void> {
        let id = act.contribution;
        let record = self.record(&id).ok_or(Void::Named { id })?;
        if record.author != stamp.member {
            return Err(Void::NotAuthor { member: record.author });
        }
        let before = record.contest().map_or(0, |held| held.difference_of(stamp.place.device));
        let (claimed, after) = (record.claimed(), before + i128::from(act.difference));
        if act.difference == 0 || after > 0 || after < -i128::from(claimed) {
            return Err(Void::Correction { claimed });
        }
        let (id, place, difference) = (stamp.id, stamp.place, act.difference);
        Ok(Correction { id, place, difference, decided: false })
    }

    /// A dispute that counts.
    #[must_use]
    pub fn disputed(&self, dispute: &EntryId) -> Option<&contest::Dispute> {
        let record = self.record(self.contested.get(dispute)?)?;
        record.contest()?.disputes().iter().find(|held| held.id == *dispute)
    }

    /// Takes in a dispute.
    pub fn contest(&mut self, contribution: EntryId, dispute: contest::Dispute) {
        self.contested.insert(dispute.id, contribution);
        if let Some(record) = self.record_mut(&contribution) {
            record.contest.get_or_insert_default().dispute(dispute);
        }
    }

    /// Takes in the end of a dispute, by a withdrawal or a decision.
    pub fn resolve(&mut self, dispute: &EntryId, by: EntryId, place: Place) {
        let contribution = self.contested.get(dispute).copied();
        let record = contribution.and_then(|id| self.record_mut(&id));
        if let Some(contest) = record.and_then(|record| record.contest.as_mut()) {
            contest.end(dispute, by, place);
        }
    }

    /// Takes in a correction; returns what changes in the books.
    pub fn put_right(
        &mut self,
        law: &Law<'_>,
        contribution: &EntryId,
        correction: Correction,
    ) -> Vec<Posting> {
        self.contested.insert(correction.id, *contribution);
        let Some(record) = self.record_mut(contribution) else { return Vec::new() };
        record.contest.get_or_insert_default().correct(correction);
        record.rework(law)
    }

    /// A run was made: what it took in is held up by no later dispute.
    pub fn take_in(&mut self, law: &Law<'_>, cut: &Cut, until: Month) {
        for (_, record) in &mut self.records {
            let inside = |place: Place| place.inside(cut);
            record.taken_in |=
                record.runs(cut, until) && record.credit(law, inside) != Credit::default();
        }
    }

    /// Credits before vesting that members have earned by what is inside a cut, in hundredths.
    #[must_use]
    pub fn nominal(&self, law: &Law<'_>, cut: &Cut) -> BTreeMap<Member, i128> {
        let mut sums: BTreeMap<Member, i128> = BTreeMap::new();
        for record in self.records.iter().map(|(_, record)| record) {
            if record.place.inside(cut) && record.act().stream != Stream::Care {
                let credit = record.credit(law, |place| place.inside(cut));
                *sums.entry(record.author).or_default() += i128::from(credit.nominal);
            }
        }
        sums
    }

    fn record_mut(&mut self, id: &EntryId) -> Option<&mut Record> {
        let position = self.position(id)?;
        self.records.get_mut(position).map(|(_, record)| record)
    }

    /// What members have earned by work that ended in or before a month, by what is inside a cut
    /// alone.
    #[must_use]
    pub fn earned(&self, law: &Law<'_>, cut: &Cut, until: Month) -> BTreeMap<Member, Earned> {
        let mut earned: BTreeMap<Member, Earned> = BTreeMap::new();
        let runs = |record: &&Record| record.runs(cut, until);
        for record in self.records.iter().map(|(_, record)| record).filter(runs) {
            let credit = record.credit(law, |place| place.inside(cut));
            let sum = earned.entry(record.author).or_default();
            sum.livelihood += i128::from(credit.livelihood);
            sum.love += i128::from(credit.love);
            sum.care += i128::from(credit.care);
        }
        earned
    }

    /// The rows of this file, by what they hold.
    #[must_use]
    pub fn row(&self, id: &EntryId) -> Option<Vec<u8>> {
        self.record(id).map(|record| {
            let Credit { nominal, livelihood, love, care } = record.credit;
            encode(&(record.author, nominal, livelihood, love, care))
        })
    }

    /// The value of a dispute's row: the contribution, who disputes, and the lowest id of what ends
    /// it.
    #[must_use]
    pub fn dispute_row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let held = self.disputed(id)?;
        let end = held.ends.first().map(|(by, _)| *by);
        Some(encode(&(*self.contested.get(id)?, held.member, end)))
    }

    /// The value of a correction's row: the contribution, and the difference.
    #[must_use]
    pub fn correction_row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let contribution = self.contested.get(id)?;
        let corrections = self.record(contribution)?.contest()?.corrections();
        let held = corrections.iter().find(|held| held.id == *id && !held.decided)?;
        Some(encode(&(*contribution, held.difference)))
    }

    /// The row that an attestation of a contribution changes, or the contribution itself.
    #[must_use]
    pub const fn row_of(contribution: EntryId) -> Row {
        Row::Contribution(contribution)
    }
}

impl Record {
    /// What was stated.
    #[must_use]
    pub fn act(&self) -> Contribution {
        decode(&self.act, STRUCTURE_BYTES_MAX).expect("it was encoded here")
    }

    /// What was said against it and put right.
    #[must_use]
    pub fn contest(&self) -> Option<&Contest> {
        self.contest.as_deref()
    }

    /// What was claimed, in units of the task.
    #[must_use]
    pub fn claimed(&self) -> i64 {
        self.act().quantity.value()
    }

    /// What is left of the claim after the corrections that `inside` admits; never below zero.
    #[must_use]
    pub fn quantity(&self, inside: impl Fn(Place) -> bool) -> i64 {
        let claimed = i128::from(self.claimed());
        let difference = self.contest().map_or(0, |contest| contest.difference(inside));
        i64::try_from((claimed + difference).max(0)).unwrap_or(i64::MAX)
    }

    /// Whether a dispute holds it up, by what `inside` admits: one is open, and no run has taken
    /// the contribution in.
    pub fn is_held(&self, inside: impl Fn(Place) -> bool) -> bool {
        !self.taken_in && self.contest().is_some_and(|contest| contest.is_open(inside))
    }

    /// Whether a run up to this month over this cut takes it in, once it is attested.
    fn runs(&self, cut: &Cut, until: Month) -> bool {
        let inside = |place: Place| place.inside(cut);
        inside(self.place) && month_of(self.end) <= until && !self.is_held(inside)
    }

    /// Computes the credit again; returns what changes in the books.
    fn rework(&mut self, law: &Law<'_>) -> Vec<Posting> {
        let (held, earned) = (self.credit, self.credit(law, |_| true));
        self.credit = earned;
        issue(self.author, earned.livelihood - held.livelihood, Unit::Livelihood)
            .chain(issue(self.author, earned.love - held.love, Unit::Love))
            .chain(issue(self.author, earned.care - held.care, Unit::Care))
            .collect()
    }

    /// The credit by those attestations and corrections whose place `inside` admits.
    fn credit(&self, law: &Law<'_>, inside: impl Fn(Place) -> bool) -> Credit {
        let mut members = Vec::new();
        let mut at = self.basis;
        for attestation in self.attestations.iter().filter(|a| inside(a.place)) {
            if members.len() < usize::from(self.needed) && !members.contains(&attestation.member) {
                members.push(attestation.member);
                at = at.max(attestation.basis);
            }
        }
        if members.len() < usize::from(self.needed) {
            return Credit::default();
        }
        let quantity = self.quantity(inside);
        self.worth(law, at, quantity).unwrap_or_default()
    }

    /// What so much of it is worth under register entry `at`.
    fn worth(&self, law: &Law<'_>, at: u32, quantity: i64) -> Option<Credit> {
        let (charter, terms, act) = (law.register.charter(), law.terms, self.act());
        let when = When { at, month: month_of(act.end) };
        let stage = law.vesting(self.author, at, act.end)?;
        if act.stream == Stream::Care {
            let care = floor(i128::from(quantity), stage.care.value(), WHOLE);
            return Some(Credit { nominal: quantity, care, ..Credit::default() });
        }
        let rate = terms.rate(charter, when, &act.task)?;
        let nominal = i128::from(quantity) * i128::from(rate.credits);
        let (mut livelihood, mut love) = (0, nominal);
        if act.stream == Stream::Livelihood {
            livelihood = livelihood_part(&act, charter, terms, when, nominal);
            love = nominal - livelihood;
        }
        Some(Credit {
            nominal: floor(nominal, 1_u16, 1_u16),
            livelihood: floor(livelihood, stage.livelihood.value(), WHOLE),
            love: floor(love, stage.love.value(), WHOLE),
            care: 0,
        })
    }
}

/// Livelihood of a livelihood contribution: all of it, except where its job is priced below the
/// internal price.
fn livelihood_part(
    act: &Contribution,
    charter: &Charter,
    terms: &Terms,
    when: When,
    nominal: i128,
) -> i128 {
    let internal = terms.internal_price(charter, when);
    let price = act.job.as_ref().and_then(|job| terms.price(charter, when, job.tier));
    match price {
        Some(price) if price < internal => nominal * i128::from(price) / i128::from(internal),
        _ => nominal,
    }
}

/// `amount × share / whole`, rounded down, and at most what an i64 holds.
fn floor(amount: i128, share: u16, whole: u16) -> i64 {
    i64::try_from(amount * i128::from(share) / i128::from(whole)).unwrap_or(i64::MAX)
}

/// Raises a member's claim, or lowers it.
fn issue(member: Member, amount: i64, unit: Unit) -> impl Iterator<Item = Posting> {
    (amount != 0)
        .then(|| transfer(unit, Account::Issued, Account::Claim(member), amount))
        .into_iter()
        .flatten()
}
