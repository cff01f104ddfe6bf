//! What is expected of every member, and what each has given: love and care in a quarter.
//!
//! Counted before vesting and after corrections, by the last day of the work. Nobody is paid less
//! for it: it is shown, and members speak about it.

use std::collections::BTreeMap;

use serde::Serialize;
use talea_protocol::act::Stream;
use talea_protocol::bytes::Month;
use talea_protocol::charter::{Kind, Member};

use crate::register::Register;
use crate::state::State;
use crate::terms::{When, month_of};

/// One member's quarter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Minimum {
    /// Who.
    pub member: Member,
    /// Love credits given, in hundredths.
    pub love: i128,
    /// Love credits expected.
    pub love_expected: u32,
    /// Minutes of care given.
    pub care: i128,
    /// Minutes of care expected.
    pub care_expected: u32,
    /// Whether both are met.
    pub met: bool,
}

/// Every member that is there now and is no machine, with what it gave in the quarter of a month;
/// ascending by member.
#[must_use]
pub fn minimums(register: &Register, state: &State, month: Month) -> Vec<Minimum> {
    let (given, at) = (given(state, month), state.frame().saturating_sub(1));
    let when = When { at, month };
    let love_expected = state.terms().love_minimum(register.charter(), when);
    let care_expected = state.terms().care_minimum(register.charter(), when);
    let expected = |member: &Member| {
        let person = register.member(*member).is_some_and(|it| it.kind != Kind::Machine);
        person && register.is_member(*member, at)
    };
    let row = |member: Member| {
        let (love, care) = given.get(&member).copied().unwrap_or_default();
        let met = love >= i128::from(love_expected) && care >= i128::from(care_expected);
        Minimum { member, love, love_expected, care, care_expected, met }
    };
    let members = (0_u32..).map(Member).take(register.member_count(at));
    members.filter(expected).map(row).collect()
}

/// Love and care by member.
fn given(state: &State, month: Month) -> BTreeMap<Member, (i128, i128)> {
    let quarter = |month: Month| month.value() / 3;
    let mut given: BTreeMap<Member, (i128, i128)> = BTreeMap::new();
    for (_, record) in state.work().iter() {
        if quarter(month_of(record.end())) != quarter(month) {
            continue;
        }
        let (love, care) = given.entry(record.author).or_default();
        match record.stream() {
            Stream::Livelihood => {}
            Stream::Love => *love += i128::from(record.credit.nominal),
            Stream::Care => *care += i128::from(record.credit.nominal),
        }
    }
    given
}
