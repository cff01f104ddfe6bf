//! Work given, confirmed by others, and the credit that follows.
//!
//! A contribution is nothing until as many other members as the charter asks for have attested
//! it. Of all attestations those under the oldest register entries count (then by id), one of each
//! member, so that the credit depends on the set of them and on no order. It is read under the
//! newest register entry that the contribution or its counted attestations name: nobody keeps an
//! old rate by not looking, and no change is retroactive. Design's domain, section 1.

use std::collections::BTreeMap;

use talea_protocol::act::{Action, Belonging, Resource, Stream};
use talea_protocol::bytes::{Day, Month, encode};
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::account::Posting;
use crate::chain::Place;
use crate::contest::{self, Contest, Correction};
use crate::index::Index;
use crate::row::Row;
use crate::stage::Law;

mod credit;
mod judgement;
pub use judgement::circle_exists;

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
    /// So much of the quantity; none for all of it.
    pub part: Option<i64>,
}

/// What only some contributions have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct More {
    /// What kind of event it is, what it produced, and where it belongs.
    delivery: Option<(Action, Option<Resource>, Belonging)>,
    /// What was said against it and put right.
    contest: Contest,
    /// Members who must confirm its quality.
    quality: u8,
    /// Those who did, in the order of attestations.
    qualities: Vec<Attestation>,
}

/// A contribution that counts, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// What was stated, encoded: of many, few are looked at again.
    act: Box<[u8]>,
    /// Last day of the work.
    end: Day,
    /// What was claimed, in units of the task.
    claimed: i64,
    /// What it is counted in.
    stream: Stream,
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
    /// Nothing for most.
    more: Option<Box<More>>,
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
    /// The contribution of each dispute, correction and review.
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
        if attestation.part.is_some() {
            self.contested.insert(attestation.id, *contribution);
        }
        let Some(record) = self.record_mut(contribution) else { return Vec::new() };
        if record.attestations.is_empty() {
            record.attestations.reserve_exact(usize::from(record.needed));
        }
        let at = record.attestations.partition_point(|before| *before < attestation);
        record.attestations.insert(at, attestation);
        record.rework(law)
    }

    /// Takes in a word about quality; returns what changes in the books.
    pub fn praise(
        &mut self,
        law: &Law<'_>,
        contribution: &EntryId,
        word: Attestation,
    ) -> Vec<Posting> {
        self.contested.insert(word.id, *contribution);
        let Some(record) = self.record_mut(contribution) else { return Vec::new() };
        let qualities = &mut record.more().qualities;
        let at = qualities.partition_point(|before| *before < word);
        qualities.insert(at, word);
        record.rework(law)
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
            record.more().contest.dispute(dispute);
        }
    }

    /// Takes in the end of a dispute, by a withdrawal or a decision.
    pub fn resolve(&mut self, dispute: &EntryId, by: EntryId, place: Place) {
        let contribution = self.contested.get(dispute).copied();
        let record = contribution.and_then(|id| self.record_mut(&id));
        if let Some(record) = record {
            record.more().contest.end(dispute, by, place);
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
        record.more().contest.correct(correction);
        record.rework(law)
    }

    /// A run was made: what it took in is held up by no later dispute.
    pub fn take_in(&mut self, law: &Law<'_>, cut: &Cut, until: Month) {
        for (_, record) in &mut self.records {
            record.taken_in |=
                record.runs(cut, until) && record.credit_inside(law, cut) != Credit::default();
        }
    }

    /// Credits before vesting that members have earned by what is inside a cut, in hundredths.
    #[must_use]
    pub fn nominal(&self, law: &Law<'_>, cut: &Cut) -> BTreeMap<Member, i128> {
        let mut sums: BTreeMap<Member, i128> = BTreeMap::new();
        for record in self.records.iter().map(|(_, record)| record) {
            if record.place.inside(cut) && record.stream != Stream::Care {
                let credit = record.credit_inside(law, cut);
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
            let credit = record.credit_inside(law, cut);
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

    /// The value of a review's row: the contribution, who reviews, and what is confirmed.
    #[must_use]
    pub fn review_row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let contribution = self.contested.get(id)?;
        let record = self.record(contribution)?;
        let words = record.qualities().iter().map(|word| (word, None));
        let parts = record.attestations.iter().map(|word| (word, word.part));
        let (word, part) = words.chain(parts).find(|(word, _)| word.id == *id)?;
        let extent: (u32, Option<i64>) = if part.is_some() { (0, part) } else { (1, None) };
        Some(encode(&(*contribution, word.member, extent)))
    }

    /// The value of a delivery's row: what kind of event, what was produced, where it belongs.
    #[must_use]
    pub fn delivery_row(&self, id: &EntryId) -> Option<Vec<u8>> {
        self.record(id)?.delivery().map(|(action, resource, belonging)| {
            encode(&(action, resource.cloned(), belonging.clone()))
        })
    }

    /// The row that an attestation of a contribution changes, or the contribution itself.
    #[must_use]
    pub const fn row_of(contribution: EntryId) -> Row {
        Row::Contribution(contribution)
    }
}
