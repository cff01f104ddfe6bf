//! The register of members, and what one member has given, is owed and was paid.
//!
//! Names and handles are not here: they are in erasable payloads, which no state reads.

use serde::Serialize;
use talea_protocol::bytes::{Code, Month};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::DeviceKey;

use crate::account::{Account, Unit};
use crate::register::Register;
use crate::state::State;
use crate::verdict::{Need, Verdict};
use crate::view::accounts::{Claims, Measure, claim, measures};
use crate::view::contributions::{Given, contributions_of};
use crate::view::runs::{Redirect, Run, RunLine, runs};

/// A member.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MemberRow {
    /// Its number.
    pub member: Member,
    /// Its name for ever.
    pub id: Hash,
    /// What it is.
    pub kind: Kind,
    /// Its college.
    pub college: Option<Code>,
    /// Its stage.
    pub stage: Option<Code>,
    /// Whether its votes count.
    pub binding_vote: bool,
    /// Number of the register entry that admitted it; 0 for founders.
    pub admitted: u32,
    /// Its devices, in the order of their enrolment.
    pub devices: Vec<DeviceRow>,
    /// Shares paid in, in minor units of the currency.
    pub shares: i128,
}

/// A member's device.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct DeviceRow {
    /// Its number.
    pub device: u32,
    /// Its key.
    pub key: DeviceKey,
    /// Number of the register entry that enrolled it.
    pub enrolled: u32,
    /// Settled entries of its chain.
    pub length: u32,
}

/// What one member has given, is owed and was paid.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Statement {
    /// How the units are written.
    pub measures: Vec<Measure>,
    /// The member.
    #[serde(flatten)]
    pub member: MemberRow,
    /// Earned and not paid yet.
    pub claims: Claims,
    /// What runs owe and no payment has paid, in minor units of the currency.
    pub payable: i128,
    /// Contributions that count.
    pub contributions: Vec<Given>,
    /// The member's part of each run.
    pub runs: Vec<Part>,
    /// Settled entries of the member's devices that do not count, and why.
    pub uncounted: Vec<Uncounted>,
}

/// A member's part of a run.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Part {
    /// The run.
    pub run: EntryId,
    /// The month, as year × 12 + month - 1.
    pub period: Month,
    /// The part; none for a member who only receives.
    #[serde(flatten)]
    pub line: Option<RunLine>,
    /// What the member passes on, and receives from others.
    pub redirects: Vec<Redirect>,
    /// What the payment paid, in minor units of the currency; none before there is one.
    pub paid: Option<i64>,
}

/// An entry that does not count, or not yet.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Uncounted {
    /// The entry.
    pub id: EntryId,
    /// The device's number.
    pub device: u32,
    /// Place in the device's chain.
    pub seq: u32,
    /// The rule that it breaks, if it is void.
    pub rule: Option<u16>,
    /// The same in words.
    pub detail: Option<String>,
    /// What it waits for, if it is pending.
    pub needs: Option<Need>,
}

/// Every member, by number.
#[must_use]
pub fn members(register: &Register, state: &State) -> Vec<MemberRow> {
    let numbers = (0_u32..).map(Member).take(register.members().len());
    numbers.filter_map(|member| row(register, state, member)).collect()
}

/// One member's statement, if there is such a member.
#[must_use]
pub fn statement(register: &Register, state: &State, member: Member) -> Option<Statement> {
    let books = state.books();
    Some(Statement {
        measures: measures(register.charter()),
        member: row(register, state, member)?,
        claims: claim(books, member),
        payable: -books.net(&Account::Payable(member), Unit::Money),
        contributions: contributions_of(register, state, member),
        runs: runs(state).iter().filter_map(|run| part(run, member)).collect(),
        uncounted: uncounted(register, state, member),
    })
}

fn row(register: &Register, state: &State, member: Member) -> Option<MemberRow> {
    let record = register.member(member)?;
    let charter = register.charter();
    let law = state.law(register);
    let stage = law.stage(member, state.frame().saturating_sub(1));
    let device = |(number, device): (u32, &crate::register::DeviceRecord)| DeviceRow {
        device: number,
        key: device.key,
        enrolled: device.enrolled,
        length: state.length(number),
    };
    Some(MemberRow {
        member,
        id: record.id,
        kind: record.kind,
        college: charter.colleges.get(usize::from(record.college)).map(|c| c.code.clone()),
        stage: stage.map(|stage| stage.code.clone()),
        binding_vote: law.is_binding(member, state.frame().saturating_sub(1)),
        admitted: record.admitted,
        devices: register.devices_of(member).map(device).collect(),
        shares: -state.books().net(&Account::Shares(member), Unit::Money),
    })
}

fn part(run: &Run, member: Member) -> Option<Part> {
    let line = run.lines.iter().find(|line| line.line.member == member).copied();
    let concerns = |redirect: &&Redirect| redirect.from == member || redirect.to == member;
    let redirects: Vec<Redirect> = run.redirects.iter().filter(concerns).copied().collect();
    let paid = run.payment.as_ref().map(|payment| {
        payment.paid.iter().find(|paid| paid.member == member).map_or(0, |paid| paid.amount)
    });
    let any = line.is_some() || !redirects.is_empty();
    any.then_some(Part { run: run.id, period: run.period, line, redirects, paid })
}

fn uncounted(register: &Register, state: &State, member: Member) -> Vec<Uncounted> {
    let mut all = Vec::new();
    for (device, _) in register.devices_of(member) {
        for (seq, id) in (0_u32..).zip(state.chains().ids(device)) {
            let (rule, detail, needs) = match state.verdict(id) {
                Some(Verdict::Void(void)) => (Some(void.rule()), Some(void.to_string()), None),
                Some(Verdict::Pending(need)) => (None, None, Some(need)),
                Some(Verdict::Counted) | None => continue,
            };
            all.push(Uncounted { id: *id, device, seq, rule, detail, needs });
        }
    }
    all
}
