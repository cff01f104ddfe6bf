//! Shares given back, and what members are owed besides runs.
//!
//! Shares have a floor, of one member and of all: the variable capital never falls below what the
//! charter and the form of the cooperative keep. Rules 121 to 124, 126 and 127.

use talea_protocol::bytes::Code;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, Purpose, verify_for};
use talea_protocol::money::{PayOut, Redeem, redemption};

use crate::account::{Account, Books, Unit};
use crate::chain::Stamp;
use crate::documents::{Documents, Paper};
use crate::fault::MoneyFault;
use crate::form::form;
use crate::money::{Booking, Note, post, suffices};
use crate::profile::WHOLE;
use crate::register::Register;
use crate::verdict::Void;

/// Judges a redemption of shares.
///
/// # Errors
/// [`Void`], rules 43, 71 and 121 to 124.
pub fn redeem(
    register: &Register,
    documents: &Documents,
    books: &Books,
    stamp: &Stamp,
    act: &Redeem,
) -> Result<Booking, Void> {
    let (member, amount) = (act.member, act.amount.value());
    known(register, member, stamp)?;
    let signed = redemption(&register.cooperative(), act);
    let theirs = speaks(register, member, &act.device, stamp.basis);
    if !theirs || !verify_for(Purpose::Redemption, &act.device, &act.signature, &signed) {
        return Err(MoneyFault::Countersignature { member }.into());
    }
    if let Some(redemption) = documents.paper(Paper::Redemption, member, &act.reference) {
        return Err(MoneyFault::Redeemed { redemption }.into());
    }
    let shares = -books.net(&Account::Shares(member), Unit::Money);
    if i128::from(amount) > shares {
        return Err(MoneyFault::Shares { shares }.into());
    }
    let floor = floor(register, documents);
    let left = documents.capital().0 - i128::from(amount);
    if left < floor {
        return Err(MoneyFault::CapitalFloor { left, floor }.into());
    }
    suffices(register.charter(), books, i128::from(amount))?;
    let postings = post(books, Account::Shares(member), Account::Bank, amount)?;
    let note = paid(Paper::Redemption, member, &act.reference, stamp.id);
    Ok(Booking { postings, date: Some(act.date), note })
}

/// Judges a payment of what a member is owed besides runs.
///
/// # Errors
/// [`Void`], rules 43, 71, 126 and 127.
pub fn pay_out(
    register: &Register,
    documents: &Documents,
    books: &Books,
    stamp: &Stamp,
    act: &PayOut,
) -> Result<Booking, Void> {
    let (member, amount) = (act.member, act.amount.value());
    known(register, member, stamp)?;
    let due = -books.net(&Account::Due(member), Unit::Money);
    if i128::from(amount) > due {
        return Err(MoneyFault::Due { due }.into());
    }
    if let Some(payment) = documents.paper(Paper::PayOut, member, &act.reference) {
        return Err(MoneyFault::PaidOut { payment }.into());
    }
    suffices(register.charter(), books, i128::from(amount))?;
    let postings = post(books, Account::Due(member), Account::Bank, amount)?;
    let note = paid(Paper::PayOut, member, &act.reference, stamp.id);
    Ok(Booking { postings, date: Some(act.date), note })
}

/// Whether there is such a member under an act's basis, or ever was.
///
/// # Errors
/// [`Void`], rule 43.
pub fn known(register: &Register, member: Member, stamp: &Stamp) -> Result<(), Void> {
    let known = register.member(member).is_some_and(|it| it.admitted <= stamp.basis);
    if known { Ok(()) } else { Err(Void::Unknown) }
}

/// What all shares may not fall below.
#[must_use]
pub fn floor(register: &Register, documents: &Documents) -> i128 {
    let (charter, (_, peak)) = (register.charter(), documents.capital());
    let share = charter.treasury.capital_share.value().max(form(charter.profile).capital_share);
    let kept = (peak * i128::from(share)).div_euclid(i128::from(WHOLE));
    let rest = (peak * i128::from(share)).rem_euclid(i128::from(WHOLE));
    let sum = charter.treasury.capital_floor.map_or(0, |floor| i128::from(floor.value()));
    sum.max(kept + i128::from(rest > 0))
}

fn paid(paper: Paper, member: Member, reference: &Code, id: EntryId) -> Note {
    Note::Paper { paper, member, reference: reference.clone(), id }
}

/// Whether a device speaks for a member about its shares: one that writes, or that ended with the
/// membership itself. A device that was revoked does not.
fn speaks(register: &Register, member: Member, key: &DeviceKey, at: u32) -> bool {
    let device = register.known(key).and_then(|device| register.record(device));
    let left = register.member(member).and_then(|it| it.left);
    device.is_some_and(|device| {
        let with_it = device.end.is_some_and(|end| Some(end.number) == left);
        device.member == member && device.enrolled <= at && (device.writes(at) || with_it)
    })
}
