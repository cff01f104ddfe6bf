//! What a contribution is worth by what is inside a cut, or by everything: quantity, standing,
//! rate, vesting.
//!
//! Section 6 of the README, "Credit".

use std::collections::{BTreeMap, BTreeSet};

use talea_protocol::act::{Action, Belonging, Contribution, Resource, Stream};
use talea_protocol::bytes::{Day, Month, STRUCTURE_BYTES_MAX, decode};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::cut::Cut;

use super::{Attestation, Credit, More, Record};
use crate::account::{Account, Posting, Unit, transfer};
use crate::chain::Place;
use crate::contest::Contest;
use crate::profile::WHOLE;
use crate::stage::Law;
use crate::terms::{Terms, When, month_of};

impl Record {
    /// What was stated.
    #[must_use]
    pub fn act(&self) -> Contribution {
        decode(&self.act, STRUCTURE_BYTES_MAX).expect("it was encoded here")
    }

    /// What was said against it and put right.
    #[must_use]
    pub fn contest(&self) -> Option<&Contest> {
        self.more.as_deref().map(|more| &more.contest)
    }

    /// What kind of event it is, what it produced, and where it belongs, if it says so.
    #[must_use]
    pub fn delivery(&self) -> Option<(Action, Option<&Resource>, &Belonging)> {
        let (action, resource, belonging) = self.more.as_deref()?.delivery.as_ref()?;
        Some((*action, resource.as_ref(), belonging))
    }

    /// Members who must confirm its quality.
    #[must_use]
    pub fn quality_needed(&self) -> u8 {
        self.more.as_deref().map_or(0, |more| more.quality)
    }

    /// Words about its quality, in the order of attestations.
    #[must_use]
    pub fn qualities(&self) -> &[Attestation] {
        self.more.as_deref().map_or(&[], |more| &more.qualities)
    }

    /// What of it is confirmed, by those attestations and corrections whose place `inside` admits;
    /// zero before enough members have.
    #[must_use]
    pub fn confirmed(&self, inside: impl Fn(Place) -> bool) -> i64 {
        self.standing(&inside).map_or(0, |(_, most)| self.quantity(inside).min(most))
    }

    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// What was claimed, in units of the task.
    #[must_use]
    pub const fn claimed(&self) -> i64 {
        self.claimed
    }

    /// Last day of the work.
    #[must_use]
    pub const fn end(&self) -> Day {
        self.end
    }

    /// What it is counted in.
    #[must_use]
    pub const fn stream(&self) -> Stream {
        self.stream
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
    pub(super) fn runs(&self, cut: &Cut, until: Month) -> bool {
        let inside = |place: Place| place.inside(cut);
        inside(self.place) && month_of(self.end) <= until && !self.is_held(inside)
    }

    /// Computes the credit again; returns what changes in the books.
    pub(super) fn rework(&mut self, law: &Law<'_>) -> Vec<Posting> {
        let (held, earned) = (self.credit, self.credit(law, |_| true));
        self.credit = earned;
        issue(self.author, earned.livelihood - held.livelihood, Unit::Livelihood)
            .chain(issue(self.author, earned.love - held.love, Unit::Love))
            .chain(issue(self.author, earned.care - held.care, Unit::Care))
            .collect()
    }

    /// The credit by those attestations and corrections that are inside a cut. If all are, that
    /// is what is held, and nothing has to be read again.
    #[must_use]
    pub fn credit_inside(&self, law: &Law<'_>, cut: &Cut) -> Credit {
        let inside = |place: Place| place.inside(cut);
        let words = self.attestations.iter().chain(self.qualities()).map(|word| word.place);
        let corrections = self.contest().map_or(&[][..], Contest::corrections);
        let mut places = words.chain(corrections.iter().map(|correction| correction.place));
        if places.all(inside) { self.credit } else { self.credit(law, inside) }
    }

    /// The credit by those attestations and corrections whose place `inside` admits.
    fn credit(&self, law: &Law<'_>, inside: impl Fn(Place) -> bool) -> Credit {
        let Some((at, most)) = self.standing(&inside) else { return Credit::default() };
        let quantity = self.quantity(inside).min(most);
        self.worth(law, at, quantity).unwrap_or_default()
    }

    /// The register entry under which it is credited, and the most that is: what as many members
    /// as are needed confirm at least. None as long as they are too few.
    fn standing(&self, inside: &impl Fn(Place) -> bool) -> Option<(u32, i64)> {
        let needed = usize::from(self.needed);
        let quality = self.qualities().iter().filter(|word| inside(word.place));
        let praised: BTreeSet<Member> = quality.map(|word| word.member).collect();
        if praised.len() < usize::from(self.quality_needed()) {
            return None;
        }
        let words = || self.attestations.iter().filter(|word| inside(word.place));
        let mut parts: BTreeMap<Member, i64> = BTreeMap::new();
        for word in words() {
            let part = parts.entry(word.member).or_insert(0);
            *part = word.extent().max(*part);
        }
        let mut parts: Vec<i64> = parts.into_values().collect();
        parts.sort_unstable_by(|a, b| b.cmp(a));
        let most = *parts.get(needed.checked_sub(1)?)?;
        let (mut members, mut at) = (Vec::new(), self.basis);
        for word in words().filter(|word| word.extent() >= most) {
            if members.len() < needed && !members.contains(&word.member) {
                members.push(word.member);
                at = at.max(word.basis);
            }
        }
        Some((at, most))
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

impl Attestation {
    /// How much it confirms.
    fn extent(&self) -> i64 {
        self.part.unwrap_or(i64::MAX)
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
