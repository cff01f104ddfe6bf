//! Work given, confirmed by others, and the credit that follows.
//!
//! A contribution is nothing until as many other members as the charter asks for have attested
//! it. Of all attestations those under the oldest register entries count (then by id), one of each
//! member, so that the credit depends on the set of them and on no order. It is read under the
//! newest register entry that the contribution or its counted attestations name: nobody keeps an
//! old rate by not looking, and no change is retroactive. Design's domain, section 1.

use std::collections::BTreeMap;

use talea_protocol::act::{Attest, Contribution, Stream};
use talea_protocol::bytes::{Day, Month, STRUCTURE_BYTES_MAX, decode, encode};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::account::{Account, Posting, Unit, transfer};
use crate::chain::{Place, Stamp};
use crate::index::Index;
use crate::profile::WHOLE;
use crate::register::Register;
use crate::row::Row;
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
        if act.job.as_ref().is_some_and(|job| terms.price(charter, when, job.tier).is_none()) {
            return Err(Void::Unknown);
        }
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
        Ok(Record {
            act: encode(act).into_boxed_slice(),
            end: act.end,
            author: stamp.member,
            basis: stamp.basis,
            place: stamp.place,
            needed: terms.attestations(charter, when),
            attestations: Vec::new(),
            credit: Credit::default(),
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
        register: &Register,
        terms: &Terms,
        contribution: &EntryId,
        attestation: Attestation,
    ) -> Vec<Posting> {
        let position = self.position(contribution);
        let Some((_, record)) = position.and_then(|at| self.records.get_mut(at)) else {
            return Vec::new();
        };
        if record.attestations.is_empty() {
            record.attestations.reserve_exact(usize::from(record.needed));
        }
        let at = record.attestations.partition_point(|before| *before < attestation);
        record.attestations.insert(at, attestation);
        let (held, earned) = (record.credit, record.credit(register, terms, |_| true));
        record.credit = earned;
        issue(record.author, earned.livelihood - held.livelihood, Unit::Livelihood)
            .chain(issue(record.author, earned.love - held.love, Unit::Love))
            .chain(issue(record.author, earned.care - held.care, Unit::Care))
            .collect()
    }

    /// What members have earned by work that ended in or before a month, by what is inside a cut
    /// alone.
    #[must_use]
    pub fn earned(
        &self,
        register: &Register,
        terms: &Terms,
        cut: &Cut,
        until: Month,
    ) -> BTreeMap<Member, Earned> {
        let mut earned: BTreeMap<Member, Earned> = BTreeMap::new();
        let inside = |record: &&Record| record.place.inside(cut) && month_of(record.end) <= until;
        for record in self.records.iter().map(|(_, record)| record).filter(inside) {
            let credit = record.credit(register, terms, |place| place.inside(cut));
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

    /// The credit by those attestations whose place `inside` admits.
    fn credit(&self, register: &Register, terms: &Terms, inside: impl Fn(Place) -> bool) -> Credit {
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
        self.worth(register, terms, at).unwrap_or_default()
    }

    /// What it is worth under register entry `at`.
    fn worth(&self, register: &Register, terms: &Terms, at: u32) -> Option<Credit> {
        let (charter, act) = (register.charter(), self.act());
        let when = When { at, month: month_of(act.end) };
        let quantity = act.quantity.value();
        let stage = charter.stages.get(usize::from(register.member(self.author)?.stage))?;
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
