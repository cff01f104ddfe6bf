//! What may be stated about work, and by whom: rules 43, 50 to 57, 85 to 88 and 98 to 101.

use talea_protocol::act::{
    Action, Attest, Contribution, Correct, Delivery, Dispute, Extent, Review, Stream,
};
use talea_protocol::bytes::{Code, encode};
use talea_protocol::charter::{Category, Charter, Kind};
use talea_protocol::council::Attester;
use talea_protocol::hash::EntryId;

use super::{Attestation, Credit, MINUTE, More, Record, Work};
use crate::chain::Stamp;
use crate::contest::{self, Correction};
use crate::register::{Office, Register};
use crate::stage::Law;
use crate::terms::{Terms, When, month_of};
use crate::verdict::Void;

impl Work {
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
        let attesting = charter.council.attesting.iter().find(|it| it.task == act.task);
        let quality = attesting.map_or(0, |it| it.quality);
        let more = (quality > 0).then(|| Box::new(More { quality, ..More::default() }));
        Ok(Record {
            act: encode(act).into_boxed_slice(),
            end: act.end,
            claimed: quantity,
            stream: act.stream,
            author: stamp.member,
            basis: stamp.basis,
            place: stamp.place,
            needed: terms.attestations(charter, when),
            attestations: Vec::new(),
            credit: Credit::default(),
            more,
            taken_in: false,
        })
    }

    /// Judges a contribution that says more than most.
    ///
    /// # Errors
    /// [`Void`], rules 43, 51 to 55, 100 and 101.
    pub fn deliver(
        terms: &Terms,
        charter: &Charter,
        stamp: &Stamp,
        act: &Delivery,
    ) -> Result<Record, Void> {
        let mut record = Self::contribute(terms, charter, stamp, &act.work)?;
        if (act.action == Action::Produce) != act.resource.is_some() {
            return Err(Void::Produced);
        }
        circle_exists(terms, charter, stamp, act.belonging.circle.as_ref())?;
        record.more().delivery = Some((act.action, act.resource.clone(), act.belonging.clone()));
        Ok(record)
    }

    /// Judges an attestation of all of a contribution that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50, 56, 57 and 98.
    pub fn attest(&self, law: &Law<'_>, stamp: &Stamp, act: &Attest) -> Result<Attestation, Void> {
        let record = self.attested(law, stamp, act.contribution)?;
        word(stamp, &record.attestations, None)
    }

    /// Judges an attestation of a part or of the quality of a contribution that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50, 56, 57, 98 and 99.
    pub fn review(&self, law: &Law<'_>, stamp: &Stamp, act: &Review) -> Result<Attestation, Void> {
        let record = self.attested(law, stamp, act.contribution)?;
        match act.extent {
            Extent::Quality => word(stamp, record.qualities(), None),
            Extent::Part(part) => {
                let claimed = record.claimed();
                let word = word(stamp, &record.attestations, Some(part.value()))?;
                if part.value() > claimed { Err(Void::Part { claimed }) } else { Ok(word) }
            }
        }
    }

    /// The contribution, if the author of this entry may attest it.
    fn attested(&self, law: &Law<'_>, stamp: &Stamp, id: EntryId) -> Result<&Record, Void> {
        let record = self.record(&id).ok_or(Void::Named { id })?;
        if record.author == stamp.member {
            return Err(Void::OwnAttestation);
        }
        if may_attest(law, stamp, record) { Ok(record) } else { Err(Void::Attester) }
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
}

/// Whether a circle that is named exists: rule 101.
///
/// # Errors
/// [`Void::NoCircle`].
pub fn circle_exists(
    terms: &Terms,
    charter: &Charter,
    stamp: &Stamp,
    circle: Option<&Code>,
) -> Result<(), Void> {
    let known = |code: &Code| terms.circles(charter, stamp.basis).contains(&code);
    if circle.is_none_or(known) { Ok(()) } else { Err(Void::NoCircle) }
}

/// A device's word, unless it has given one of this kind before.
fn word(stamp: &Stamp, before: &[Attestation], part: Option<i64>) -> Result<Attestation, Void> {
    let device = stamp.place.device;
    if before.iter().any(|before| before.place.device == device) {
        return Err(Void::Attested);
    }
    let (basis, id, member, place) = (stamp.basis, stamp.id, stamp.member, stamp.place);
    Ok(Attestation { basis, id, member, place, part })
}

/// Whether the charter lets the author of this entry attest work of this task.
fn may_attest(law: &Law<'_>, stamp: &Stamp, record: &Record) -> bool {
    let charter = law.register.charter();
    let attesting = &charter.council.attesting;
    if attesting.is_empty() {
        return true;
    }
    let task = record.act().task;
    match attesting.iter().find(|it| it.task == task).map_or(Attester::Peer, |it| it.by) {
        Attester::Peer => true,
        Attester::Client => {
            let college = law.register.member(stamp.member).map(|it| usize::from(it.college));
            let college = college.and_then(|college| charter.colleges.get(college));
            college.is_some_and(|college| college.category == Category::Beneficiaries)
        }
        Attester::Editor => {
            let circle = record.delivery().and_then(|(_, _, belonging)| belonging.circle.as_ref());
            let circles = law.terms.circles(charter, stamp.basis);
            let speaks = |place: u8| {
                let term = law.register.term(Office::Facilitator(place), stamp.basis);
                term.is_some_and(|term| term.holder == stamp.member)
            };
            let mut places = (0..=u8::MAX).zip(circles);
            places.any(|(place, code)| circle.is_none_or(|circle| circle == code) && speaks(place))
        }
    }
}
