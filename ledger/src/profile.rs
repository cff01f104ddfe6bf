//! Which charters are accepted: rules 30 to 39, and what a country's form adds.
//!
//! A charter that breaks one of them founds nothing: it is refused, not void. Profiles are data
//! about cooperative law; nothing below this file asks for a country. Sources: design's domain,
//! section 2; model, sections 3 and 6.

use std::collections::BTreeSet;

use talea_protocol::act::Content;
use talea_protocol::act::{Act, SPONSORS_MAX};
use talea_protocol::bytes::Code;
use talea_protocol::charter::{Category, Charter, Founder, Kind};
use talea_protocol::council::Circle;
use talea_protocol::entry::Entry;
use talea_protocol::key::{KeyFault, Purpose, examine, verify_for};
use talea_protocol::treasury::Treasury;

use crate::form::form;

/// The version of these rules.
pub const RULES: u32 = 2;
/// All of a share, in basis points.
pub const WHOLE: u16 = 10_000;
/// Decimal places that a currency may have: the most in ISO 4217.
const EXPONENT_MAX: u8 = 4;

/// Why an entry founds no cooperative. The first rule broken, in order, is named.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Rule 30.
    #[error("rule 30: not a charter under rules version {RULES}")]
    Version,
    /// Rule 31.
    #[error(
        "rule 31: the colleges' weights add up to {sum} basis points, not {WHOLE}, or one has no weight"
    )]
    Weights {
        /// What they add up to.
        sum: u32,
    },
    /// Rule 32.
    #[error("rule 32: {0}")]
    Profile(ProfileFault),
    /// Rule 33.
    #[error(
        "rule 33: a roster of {nodes} with {faulty} faulty and quorum {quorum} is not safe (2q > n + f, q + f <= n, keys ascending and genuine)"
    )]
    Roster {
        /// Nodes.
        nodes: usize,
        /// How many may lie.
        faulty: u8,
        /// How many settle.
        quorum: u8,
    },
    /// Rule 34.
    #[error("rule 34: founder {founder} is of a college or a stage that the charter does not have")]
    Founder {
        /// The founder's number; 0 also where there is none.
        founder: usize,
    },
    /// Rule 35.
    #[error("rule 35: founder {founder}'s device is another founder's, or cannot be enrolled")]
    Device {
        /// The founder's number.
        founder: usize,
        /// What is wrong with the key; nothing if it is a second one.
        fault: Option<KeyFault>,
    },
    /// Rule 36.
    #[error("rule 36: founder {founder} has not signed this charter")]
    Consent {
        /// The founder's number.
        founder: usize,
    },
    /// Rule 37.
    #[error("rule 37: the charter's author is no founder's device")]
    Author,
    /// Rule 38.
    #[error("rule 38: a role's holder is no founder")]
    Role,
    /// Rule 39.
    #[error("rule 39: {0}")]
    Parameter(&'static str),
    /// Rule 120.
    #[error("rule 120: {0}")]
    Treasury(&'static str),
}

impl Refusal {
    /// The rule's number, the same in the README, over HTTP and at the command line.
    #[must_use]
    pub const fn rule(&self) -> u16 {
        match self {
            Self::Version => 30,
            Self::Weights { .. } => 31,
            Self::Profile(_) => 32,
            Self::Roster { .. } => 33,
            Self::Founder { .. } => 34,
            Self::Device { .. } => 35,
            Self::Consent { .. } => 36,
            Self::Author => 37,
            Self::Role => 38,
            Self::Parameter(_) => 39,
            Self::Treasury(_) => 120,
        }
    }
}

/// Which rule of its profile a charter breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProfileFault {
    /// A category of members is missing.
    #[error(
        "fr-scic has three colleges at least, one of workers, one of beneficiaries and one more category"
    )]
    Categories,
    /// A college weighs too little or too much.
    #[error("fr-scic gives a college 1000 to 5000 basis points, not {weight}")]
    CollegeWeight {
        /// Its weight, in basis points.
        weight: u16,
    },
    /// Too little goes to the legal reserve.
    #[error("fr-scic keeps 1500 basis points of the result in the legal reserve, not {legal}")]
    LegalReserve {
        /// The legal reserve, in basis points.
        legal: u16,
    },
    /// Too little goes to both reserves.
    #[error("fr-scic keeps 5750 basis points of the result in reserve, not {kept} millionths")]
    Reserves {
        /// What is kept, of 100,000,000.
        kept: u32,
    },
}

/// Accepts a charter, or says why not.
///
/// # Errors
/// [`Refusal`], rules 30 to 39, the first broken.
pub fn accept(entry: &Entry) -> Result<&Charter, Refusal> {
    let Content::Known(Act::Charter(charter)) = entry.content() else {
        return Err(Refusal::Version);
    };
    if charter.rules != RULES {
        return Err(Refusal::Version);
    }
    weights(charter)?;
    profile(charter).map_err(Refusal::Profile)?;
    roster(charter)?;
    founders(charter)?;
    if !charter.founders.iter().any(|founder| founder.device == entry.header().device) {
        return Err(Refusal::Author);
    }
    roles(charter)?;
    parameters(charter).map_err(Refusal::Parameter)?;
    treasury(charter).map_err(Refusal::Treasury)?;
    Ok(charter)
}

fn weights(charter: &Charter) -> Result<(), Refusal> {
    let weights = || charter.colleges.iter().map(|college| college.weight.value());
    let sum: u32 = weights().map(u32::from).sum();
    if sum == u32::from(WHOLE) && weights().all(|weight| weight > 0) {
        Ok(())
    } else {
        Err(Refusal::Weights { sum })
    }
}

fn profile(charter: &Charter) -> Result<(), ProfileFault> {
    let form = form(charter.profile);
    let has = |category: &Category| charter.colleges.iter().any(|it| it.category == *category);
    if !form.categories.iter().all(has) {
        return Err(ProfileFault::Categories);
    }
    let mut weights = charter.colleges.iter().map(|college| college.weight.value());
    if let Some(weight) = weights.find(|weight| !form.college_weight.contains(weight)) {
        return Err(ProfileFault::CollegeWeight { weight });
    }
    let legal = charter.reserves.legal.value();
    if legal < form.legal_reserve {
        return Err(ProfileFault::LegalReserve { legal });
    }
    let rest = u32::from(WHOLE.saturating_sub(legal));
    let statutory = u32::from(charter.reserves.statutory.value());
    let kept = u32::from(legal) * u32::from(WHOLE) + rest * statutory;
    if kept < form.reserves { Err(ProfileFault::Reserves { kept }) } else { Ok(()) }
}

fn roster(charter: &Charter) -> Result<(), Refusal> {
    let roster = &charter.roster;
    if roster.is_safe() && roster.nodes.iter().all(|node| examine(&node.0).is_ok()) {
        return Ok(());
    }
    let (faulty, quorum) = (roster.faulty, roster.quorum);
    Err(Refusal::Roster { nodes: roster.nodes.len(), faulty, quorum })
}

fn founders(charter: &Charter) -> Result<(), Refusal> {
    if charter.founders.is_empty() {
        return Err(Refusal::Founder { founder: 0 });
    }
    let known = |founder: &Founder| {
        usize::from(founder.college) < charter.colleges.len()
            && usize::from(founder.stage) < charter.stages.len()
    };
    if let Some(founder) = charter.founders.iter().position(|founder| !known(founder)) {
        return Err(Refusal::Founder { founder });
    }
    let mut seen = BTreeSet::new();
    for (number, founder) in charter.founders.iter().enumerate() {
        let fault = examine(&founder.device.0).err();
        if fault.is_some() || !seen.insert(founder.device) {
            return Err(Refusal::Device { founder: number, fault });
        }
    }
    let consent = charter.founding_hash().0;
    let signed = |founder: &Founder| {
        verify_for(Purpose::Enrolment, &founder.device, &founder.proof, &consent)
    };
    match charter.founders.iter().position(|founder| !signed(founder)) {
        Some(founder) => Err(Refusal::Consent { founder }),
        None => Ok(()),
    }
}

fn roles(charter: &Charter) -> Result<(), Refusal> {
    let roles = charter.roles;
    let holds = |member: talea_protocol::charter::Member| {
        usize::try_from(member.0)
            .ok()
            .and_then(|number| charter.founders.get(number))
            .is_some_and(|founder| founder.kind != Kind::Machine)
    };
    let all = [roles.registrar, roles.treasurer, roles.distributor];
    if all.into_iter().all(holds) { Ok(()) } else { Err(Refusal::Role) }
}

fn parameters(charter: &Charter) -> Result<(), &'static str> {
    let currency = charter.currency.as_str();
    if currency.len() != 3 || !currency.bytes().all(|c| c.is_ascii_uppercase()) {
        return Err("the currency is not a code of three capital letters");
    }
    if charter.exponent > EXPONENT_MAX {
        return Err("a currency has at most 4 decimal places");
    }
    if charter.internal_price == 0 || charter.attestations == 0 {
        return Err("the internal price and the attestations needed are at least 1");
    }
    if usize::from(charter.sponsors) > SPONSORS_MAX {
        return Err("an admission has at most 16 sponsors");
    }
    if usize::from(charter.recovery) > charter.founders.len() {
        return Err("the recovery quorum is more than the founders");
    }
    let distinct = distinct(charter.colleges.iter().map(|college| college.code.as_str()))
        && distinct(charter.stages.iter().map(|stage| stage.code.as_str()))
        && distinct(charter.rates.iter().map(|rate| rate.task.as_str()))
        && distinct(charter.tiers.iter().map(|tier| tier.code.as_str()));
    if !distinct {
        return Err("a college, stage, task or tier is named twice");
    }
    council(charter)
}

fn council(charter: &Charter) -> Result<(), &'static str> {
    let council = &charter.council;
    let circles = &council.circles;
    let named = distinct(circles.iter().map(|circle| circle.code.as_str()));
    if !named || !circles.iter().all(|circle| is_circle(charter, circle)) {
        return Err("a circle is named twice, or its colleges or competences are not in order");
    }
    let ascending = council.milestones.is_sorted_by(|a, b| a.stage < b.stage);
    let known = |stage: u8| usize::from(stage) < charter.stages.len();
    let within = |words: u8| usize::from(words) <= SPONSORS_MAX;
    if !ascending || !council.milestones.iter().all(|it| known(it.stage) && within(it.words)) {
        return Err("milestones are for stages that exist, in their order, with at most 16 words");
    }
    if !distinct(council.attesting.iter().map(|it| it.task.as_str())) {
        return Err("who attests is said once for a task");
    }
    Ok(())
}

/// Whether a circle can be one of this charter's: its colleges exist, and its lists are in order.
#[must_use]
pub fn is_circle(charter: &Charter, circle: &Circle) -> bool {
    let colleges = &circle.colleges;
    colleges.is_sorted_by(|a, b| a < b)
        && colleges.iter().all(|place| usize::from(*place) < charter.colleges.len())
        && circle.may.is_sorted_by(|a, b| a < b)
}

fn treasury(charter: &Charter) -> Result<(), &'static str> {
    let Treasury { units, funds, .. } = &charter.treasury;
    let codes = || units.iter().map(|unit| &unit.code);
    if codes().any(|code| *code == charter.currency) || !distinct(codes().map(Code::as_str)) {
        return Err("an internal unit is named twice, or like the currency");
    }
    if units.iter().any(|unit| unit.exponent > EXPONENT_MAX) {
        return Err("an internal unit has at most 4 decimal places");
    }
    if !distinct(funds.iter().map(|fund| fund.code.as_str())) {
        return Err("a fund is named twice");
    }
    if funds.iter().any(|fund| !codes().any(|code| *code == fund.unit)) {
        return Err("a fund is in a unit that the charter does not have");
    }
    Ok(())
}

fn distinct<'a>(codes: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = BTreeSet::new();
    let mut codes = codes;
    codes.all(|code| seen.insert(code))
}
