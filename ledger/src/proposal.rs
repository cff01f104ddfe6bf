//! What may be proposed, and how: rules 43, 58 to 60, 88, 90 to 92 and 97.
//!
//! Looks at one proposal and at what is in force; what its effect names has been judged before.
//! Design's domain, section 1.

use std::collections::BTreeSet;

use talea_protocol::act::{Course, Effect, Matter, Method, Propose};
use talea_protocol::charter::{Amendment, Change, Kind, Member};
use talea_protocol::council::{Circle, Competence};
use talea_protocol::recovery::Office;

use crate::chain::Stamp;
use crate::profile::is_circle;
use crate::register::Register;
use crate::terms::{Terms, When, month_at};
use crate::verdict::Void;

/// Judges a proposal.
///
/// # Errors
/// [`Void`], the first rule broken.
pub fn examine(
    register: &Register,
    terms: &Terms,
    stamp: &Stamp,
    act: &Propose,
    course: &Course,
) -> Result<(), Void> {
    if is_machine(register, stamp.member) {
        return Err(Void::Machine);
    }
    effect(register, terms, stamp, act)?;
    method(act, course)?;
    options(act, course)?;
    if course.opens >= act.closes && course.opens > 0 {
        return Err(Void::Opens { opens: course.opens });
    }
    let when = When { at: stamp.basis, month: month_at(act.closes) };
    match &course.circle {
        Some(code) => {
            let circle = terms.circle(register.charter(), when, code).ok_or(Void::Circle)?;
            let place = terms.circles(register.charter(), stamp.basis);
            let place = place.iter().position(|held| *held == code);
            if competent(circle, place, act) { Ok(()) } else { Err(Void::Circle) }
        }
        None => Ok(()),
    }
}

/// Whether a member is a machine, or nobody.
#[must_use]
pub fn is_machine(register: &Register, member: Member) -> bool {
    register.member(member).is_none_or(|record| record.kind == Kind::Machine)
}

fn effect(register: &Register, terms: &Terms, stamp: &Stamp, act: &Propose) -> Result<(), Void> {
    let charter = register.charter();
    let stage = |stage: u8| usize::from(stage) < charter.stages.len();
    let college = |college: u8| usize::from(college) < charter.colleges.len();
    let most = charter.contribution_max.value().unsigned_abs();
    let known = match &act.effect {
        Effect::Remove(member) => register.is_member(*member, stamp.basis),
        Effect::Appoint(Office::Facilitator(place), member) => {
            usize::from(*place) < terms.circles(charter, stamp.basis).len()
                && register.is_member(*member, stamp.basis)
        }
        Effect::Appoint(_, member) => register.is_member(*member, stamp.basis),
        Effect::Advance(member, to) => register.is_member(*member, stamp.basis) && stage(*to),
        Effect::Admit(it) => college(it.college) && stage(it.stage),
        Effect::Policy
        | Effect::Amend(_)
        | Effect::Reform(_)
        | Effect::Resolve(_)
        | Effect::Correct(..)
        | Effect::Spend(_)
        | Effect::Allocate(..)
        | Effect::Agree(_) => true,
    };
    match &act.effect {
        _ if !known => Err(Void::Unknown),
        Effect::Appoint(_, member) if is_machine(register, *member) => Err(Void::Machine),
        Effect::Reform(roster) if !roster.is_safe() => Err(Void::Amendment),
        Effect::Amend(change) => amends(register, terms, stamp, act, change),
        Effect::Correct(_, by) if *by == 0 || by.unsigned_abs() > most => {
            Err(Void::Correction { claimed: charter.contribution_max.value() })
        }
        Effect::Allocate(first, last) if act.matter != Matter::Allocation || first > last => {
            Err(Void::Allocation)
        }
        _ => Ok(()),
    }
}

fn amends(
    register: &Register,
    terms: &Terms,
    stamp: &Stamp,
    act: &Propose,
    change: &Change,
) -> Result<(), Void> {
    let fits = |amendment: &Amendment| fits(register, terms, stamp, change, amendment);
    let any = !change.amendments.is_empty();
    if act.matter != Matter::Charter || !any || !change.amendments.iter().all(fits) {
        return Err(Void::Amendment);
    }
    let (from, closes) = (change.from, month_at(act.closes));
    if from < closes { Err(Void::Retroactive { from, closes }) } else { Ok(()) }
}

/// Rule 90. Credits never decide where the law asks for a vote, nor about charter or result, nor in
/// the first place.
fn method(act: &Propose, course: &Course) -> Result<(), Void> {
    let fallback = match course.fallback {
        None => true,
        Some(Method::CreditWeighted) => {
            let ordinary = act.matter == Matter::Ordinary && !act.statutory;
            ordinary && act.method == Method::Consent
        }
        Some(Method::CollegeWeighted | Method::Headcount) => act.method == Method::Consent,
        Some(Method::Consent | Method::Ranked | Method::Score) => false,
    };
    if act.method != Method::CreditWeighted && fallback { Ok(()) } else { Err(Void::Method) }
}

/// Rule 91. Which option is taken up is the text's business, so only a text can have options.
fn options(act: &Propose, course: &Course) -> Result<(), Void> {
    let options = &course.options;
    let distinct = options.iter().collect::<BTreeSet<_>>().len() == options.len();
    let fits = match act.method {
        Method::Ranked | Method::Score => {
            options.len() > 1 && distinct && act.effect == Effect::Policy
        }
        Method::CollegeWeighted | Method::Headcount | Method::Consent | Method::CreditWeighted => {
            options.is_empty()
        }
    };
    if fits { Ok(()) } else { Err(Void::Options) }
}

/// Rule 93. `place` is the circle's, for its facilitator.
fn competent(circle: &Circle, place: Option<usize>, act: &Propose) -> bool {
    let may = |what| circle.may.contains(&what);
    let effect = match &act.effect {
        Effect::Policy => may(Competence::Policy),
        Effect::Admit(_) => may(Competence::Admit),
        Effect::Advance(..) => may(Competence::Advance),
        Effect::Appoint(Office::Facilitator(of), _) => {
            may(Competence::Appoint) && place == Some(usize::from(*of))
        }
        Effect::Resolve(_) => may(Competence::Resolve),
        Effect::Correct(..) => may(Competence::Correct),
        Effect::Spend(amount) => {
            let amount = u64::try_from(amount.value()).unwrap_or(u64::MAX);
            may(Competence::Spend) && amount <= circle.spend_max
        }
        Effect::Agree(_) => may(Competence::Agree),
        Effect::Amend(_)
        | Effect::Remove(_)
        | Effect::Appoint(..)
        | Effect::Reform(_)
        | Effect::Allocate(..) => false,
    };
    let ordinary = act.matter == Matter::Ordinary && !act.statutory;
    effect && ordinary && act.method != Method::CollegeWeighted
}

/// Whether an amendment sets a value that the parameter can have. The number of sponsors cannot be
/// amended: who is a member must follow from the register alone, and a decision's effect does not.
fn fits(
    register: &Register,
    terms: &Terms,
    stamp: &Stamp,
    change: &Change,
    amendment: &Amendment,
) -> bool {
    match amendment {
        Amendment::Attestations(k) => *k > 0,
        Amendment::InternalPrice(price) => *price > 0,
        Amendment::Rate(rate) => {
            let when = When { at: stamp.basis, month: change.from };
            let held = terms.rate(register.charter(), when, &rate.task);
            held.is_none_or(|held| *held.unit == rate.unit)
        }
        Amendment::Circle(circle) => is_circle(register.charter(), circle),
        Amendment::Sponsors(_) => false,
        Amendment::Retain(_)
        | Amendment::Care(_)
        | Amendment::Livelihood(_)
        | Amendment::Quorum(_)
        | Amendment::Thresholds(_)
        | Amendment::Tier(_)
        | Amendment::LoveMinimum(_)
        | Amendment::Quorums(_)
        | Amendment::Proxies(_)
        | Amendment::CareMinimum(_) => true,
    }
}
