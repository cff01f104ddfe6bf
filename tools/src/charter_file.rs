//! A charter as its founders write it: a TOML file with names in it, and what it becomes.
//!
//! Every key is explained in [`TEMPLATE`], which is itself a charter that founds. An unknown key is
//! an error. The file also gathers the founders' consents: each founder signs what the file says
//! ([`CharterFile::charter`]), and the proof is written beside its device.

use std::borrow::Cow;

use serde::Deserialize;
use talea_protocol::bytes::{AMOUNT_REASON, Bp, Code, List, Malformed, Quantity, Text};
use talea_protocol::charter::{
    Charter, College, Formula, Founder, Kind, Member, Profile, Rate, Reserves, Roles, Roster,
    Stage, Thresholds, Tier, Visibility,
};
use talea_protocol::entry::Refusal;
use talea_protocol::key::{DeviceKey, NodeKey, Purpose, SecretKey, Signature, verify_for};

use crate::names::{Called, Words};
use crate::remedy;

mod council;
mod fresh;
mod treasury;
use council::CouncilTerms;
pub use fresh::{Fresh, with_consent};
use treasury::TreasuryTerms;

/// A charter file with every key explained.
pub const TEMPLATE: &str = include_str!("charter.toml");
/// Version of the ledger's rules that this program founds under.
const RULES: u32 = 2;

/// Why a charter file is none.
#[derive(Debug, thiserror::Error)]
pub enum CharterFault {
    /// Not TOML, or with a key that is missing or unknown.
    #[error("{0}")]
    Syntax(Box<toml::de::Error>),
    /// A name that nothing in the file has.
    #[error("founder `{founder}` names {what} `{name}`, which the file does not have")]
    Name {
        /// Whose line it is.
        founder: String,
        /// What was to be named.
        what: &'static str,
        /// What it says.
        name: String,
    },
    /// A name in the council that nothing in the file has.
    #[error("the council names {what} `{name}`, which the file does not have")]
    Council {
        /// What was to be named.
        what: &'static str,
        /// What it says.
        name: String,
    },
    /// A role is given to nobody.
    #[error("the role of {role} is given to `{name}`, who is no founder")]
    Role {
        /// The role.
        role: &'static str,
        /// What it says.
        name: String,
    },
    /// A value that no charter can hold: rule 4, or 6 for an amount.
    #[error("{refusal} ({field})")]
    Value {
        /// Where.
        field: Cow<'static, str>,
        /// Why.
        refusal: Refusal,
    },
    /// This key is no founder's.
    #[error("the key of this wallet, {device}, is no founder's in the file")]
    Stranger {
        /// The wallet's device.
        device: DeviceKey,
    },
}

impl CharterFault {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "compare with `talea charter template`, which explains every key",
            Self::Name { .. } | Self::Council { .. } | Self::Role { .. } => {
                "correct the name in the file; names are compared letter by letter"
            }
            Self::Value { .. } => {
                "correct the value; `talea charter template` gives each key's range"
            }
            Self::Stranger { .. } => {
                "write this wallet's device (`talea keys show`) beside your name in the file"
            }
        }
    }
}

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterFile {
    name: String,
    profile: Profile,
    visibility: Visibility,
    currency: Code,
    exponent: u8,
    quorum_bp: Share,
    internal_price: u32,
    attestations: u8,
    contribution_max: i64,
    love_minimum: u32,
    sponsors: u8,
    recovery: u16,
    roster: RosterTerms,
    roles: RoleTerms,
    thresholds_bp: ThresholdTerms,
    formula: FormulaTerms,
    reserves_bp: ReserveTerms,
    #[serde(rename = "college")]
    colleges: Vec<CollegeTerms>,
    #[serde(rename = "stage")]
    stages: Vec<StageTerms>,
    #[serde(rename = "rate", default)]
    rates: Vec<Rate>,
    #[serde(rename = "tier", default)]
    tiers: Vec<Tier>,
    #[serde(rename = "founder")]
    founders: Vec<FounderTerms>,
    #[serde(default)]
    council: CouncilTerms,
    #[serde(default)]
    treasury: TreasuryTerms,
}

/// Basis points; TOML has no integers wider than an i64.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u16")]
struct Share(Bp);

impl TryFrom<u16> for Share {
    type Error = Malformed;
    fn try_from(value: u16) -> Result<Self, Malformed> {
        Bp::new(value).map(Self)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterTerms {
    nodes: Vec<NodeKey>,
    faulty: u8,
    quorum: u8,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleTerms {
    registrar: String,
    treasurer: String,
    distributor: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdTerms {
    ordinary: Share,
    charter: Share,
    allocation: Share,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormulaTerms {
    retain_bp: Share,
    care_bp: Share,
    livelihood_bp: Share,
    tie: talea_protocol::charter::Tie,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReserveTerms {
    legal: Share,
    statutory: Share,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CollegeTerms {
    code: Code,
    weight_bp: Share,
    category: talea_protocol::charter::Category,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageTerms {
    code: Code,
    livelihood_bp: Share,
    love_bp: Share,
    care_bp: Share,
    binding_vote: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FounderTerms {
    handle: String,
    name: String,
    kind: Kind,
    college: String,
    stage: String,
    device: DeviceKey,
    #[serde(default)]
    proof: Option<Signature>,
}

impl CharterFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`CharterFault::Syntax`]; [`CharterFault::Value`] for a number that no entry can hold.
    pub fn parse(text: &str) -> Result<Self, CharterFault> {
        toml::from_str(text).map_err(|error| {
            beyond(text, &error).unwrap_or_else(|| CharterFault::Syntax(Box::new(error)))
        })
    }

    /// The charter that the file describes. Consents that are missing or do not fit are blank;
    /// [`CharterFile::missing`] names their founders.
    ///
    /// # Errors
    /// [`CharterFault`].
    pub fn charter(&self) -> Result<Charter, CharterFault> {
        let max = Quantity::new(self.contribution_max);
        Ok(Charter {
            rules: RULES,
            name: field("name", Text::try_from(self.name.clone()))?,
            profile: self.profile,
            visibility: self.visibility,
            currency: self.currency.clone(),
            exponent: self.exponent,
            colleges: list("college", self.colleges.iter().map(CollegeTerms::college))?,
            stages: list("stage", self.stages.iter().map(StageTerms::stage))?,
            founders: field("founder", List::try_from(self.founders()?))?,
            roles: Roles {
                registrar: self.holder("registrar", &self.roles.registrar)?,
                treasurer: self.holder("treasurer", &self.roles.treasurer)?,
                distributor: self.holder("distributor", &self.roles.distributor)?,
            },
            roster: self.roster()?,
            quorum: self.quorum_bp.0,
            thresholds: Thresholds {
                ordinary: self.thresholds_bp.ordinary.0,
                charter: self.thresholds_bp.charter.0,
                allocation: self.thresholds_bp.allocation.0,
            },
            rates: list("rate", self.rates.iter().cloned())?,
            internal_price: self.internal_price,
            tiers: list("tier", self.tiers.iter().cloned())?,
            formula: Formula {
                retain: self.formula.retain_bp.0,
                care: self.formula.care_bp.0,
                livelihood: self.formula.livelihood_bp.0,
                tie: self.formula.tie,
            },
            attestations: self.attestations,
            contribution_max: field("contribution_max", max)?,
            love_minimum: self.love_minimum,
            reserves: Reserves {
                legal: self.reserves_bp.legal.0,
                statutory: self.reserves_bp.statutory.0,
            },
            sponsors: self.sponsors,
            recovery: self.recovery,
            council: self.council.council(self)?,
            treasury: self.treasury.treasury()?,
        })
    }

    /// What the founders are called, for the payload beside the charter.
    #[must_use]
    pub fn words(&self) -> Words {
        let called = |founder: &FounderTerms| Called {
            handle: founder.handle.clone(),
            name: founder.name.clone(),
        };
        Words { members: self.founders.iter().map(called).collect(), ..Words::default() }
    }

    /// A founder's consent to what the file says now.
    ///
    /// # Errors
    /// [`CharterFault::Stranger`], or another if the file is no charter.
    pub fn consent(&self, key: &SecretKey) -> Result<(String, Signature), CharterFault> {
        let device = key.device();
        let founder = self.founders.iter().find(|founder| founder.device == device);
        let founder = founder.ok_or(CharterFault::Stranger { device })?;
        let hash = self.charter()?.founding_hash();
        Ok((founder.handle.clone(), key.sign(Purpose::Enrolment, &hash.0)))
    }

    /// Handles of founders whose consent is missing, or was given to another text.
    ///
    /// # Errors
    /// [`CharterFault`].
    pub fn missing(&self) -> Result<Vec<String>, CharterFault> {
        let hash = self.charter()?.founding_hash();
        let consents = |founder: &&FounderTerms| {
            founder.proof.as_ref().is_some_and(|proof| {
                verify_for(Purpose::Enrolment, &founder.device, proof, &hash.0)
            })
        };
        let missing = self.founders.iter().filter(|founder| !consents(founder));
        Ok(missing.map(|founder| founder.handle.clone()).collect())
    }

    /// Adds a consent that this program has just made.
    pub fn add_consent(&mut self, handle: &str, proof: Signature) {
        for founder in self.founders.iter_mut().filter(|founder| founder.handle == handle) {
            founder.proof = Some(proof);
        }
    }

    fn founders(&self) -> Result<Vec<Founder>, CharterFault> {
        let founder = |terms: &FounderTerms| {
            let colleges = self.colleges.iter().map(|college| college.code.as_str());
            let stages = self.stages.iter().map(|stage| stage.code.as_str());
            Ok(Founder {
                college: place(terms, "college", colleges, &terms.college)?,
                stage: place(terms, "stage", stages, &terms.stage)?,
                kind: terms.kind,
                device: terms.device,
                proof: terms.proof.unwrap_or(Signature([0; 64])),
            })
        };
        self.founders.iter().map(founder).collect()
    }

    fn roster(&self) -> Result<Roster, CharterFault> {
        let mut nodes = self.roster.nodes.clone();
        nodes.sort_unstable();
        let nodes = field("roster.nodes", List::try_from(nodes))?;
        Ok(Roster { nodes, faulty: self.roster.faulty, quorum: self.roster.quorum })
    }

    fn holder(&self, role: &'static str, name: &str) -> Result<Member, CharterFault> {
        let place = self.founders.iter().position(|founder| founder.handle == name);
        let place = place.and_then(|place| u32::try_from(place).ok()).map(Member);
        place.ok_or_else(|| CharterFault::Role { role, name: name.to_owned() })
    }
}

impl CollegeTerms {
    fn college(&self) -> College {
        College { code: self.code.clone(), weight: self.weight_bp.0, category: self.category }
    }
}

impl StageTerms {
    fn stage(&self) -> Stage {
        Stage {
            code: self.code.clone(),
            livelihood: self.livelihood_bp.0,
            love: self.love_bp.0,
            care: self.care_bp.0,
            binding_vote: self.binding_vote,
        }
    }
}

fn place<'a>(
    founder: &FounderTerms,
    what: &'static str,
    mut names: impl Iterator<Item = &'a str>,
    name: &str,
) -> Result<u8, CharterFault> {
    let place = names.position(|known| known == name).and_then(|place| u8::try_from(place).ok());
    place.ok_or_else(|| CharterFault::Name {
        founder: founder.handle.clone(),
        what,
        name: name.to_owned(),
    })
}

fn field<T>(field: &'static str, value: Result<T, Malformed>) -> Result<T, CharterFault> {
    value.map_err(|value| CharterFault::Value {
        field: Cow::Borrowed(field),
        refusal: remedy::refusal(value),
    })
}

/// Keys whose value is an amount.
const AMOUNTS: [&str; 7] = [
    "contribution_max",
    "overdraft",
    "expense_limit",
    "capital_floor",
    "legal_ceiling",
    "limit",
    "issues",
];

/// The fault of a whole number beyond 64 bits, which the file's language cannot tell in words.
fn beyond(text: &str, error: &toml::de::Error) -> Option<CharterFault> {
    let at = error.span()?.start;
    let line =
        text.get(..at)?.lines().count().max(1) - usize::from(!text.get(..at)?.ends_with('\n'));
    let line = text.lines().nth(line)?;
    let (name, value) = line.split_once('=')?;
    let value = value.split('#').next()?.trim().replace('_', "");
    let digits = value.trim_start_matches(['+', '-']);
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    if !is_number || value.parse::<i64>().is_ok() {
        return None;
    }
    let name = name.trim();
    let reason = if AMOUNTS.contains(&name) { AMOUNT_REASON } else { "a number beyond 64 bits" };
    let refusal = remedy::refusal(Malformed::Value(reason));
    Some(CharterFault::Value { field: Cow::Owned(name.to_owned()), refusal })
}

fn list<T, const MAX: usize>(
    name: &'static str,
    items: impl Iterator<Item = T>,
) -> Result<List<T, MAX>, CharterFault> {
    field(name, List::try_from(items.collect::<Vec<T>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    /// The template with devices that exist.
    fn file() -> CharterFile {
        let mut file = CharterFile::parse(TEMPLATE).unwrap();
        for (founder, n) in file.founders.iter_mut().zip(1..) {
            founder.device = key(n).device();
        }
        file
    }

    #[test]
    fn the_template_is_a_charter() {
        let charter = file().charter().unwrap();
        assert_eq!(charter.founders.len(), 3);
        assert!(charter.roster.is_safe());
        let sum: u16 = charter.colleges.iter().map(|college| college.weight.value()).sum();
        assert_eq!(sum, 10_000);
    }

    #[test]
    fn a_consent_is_to_the_whole_text_and_to_no_other() {
        let mut file = file();
        assert_eq!(file.missing().unwrap().len(), 3);
        for n in 1..=3 {
            let (handle, proof) = file.consent(&key(n)).unwrap();
            file.add_consent(&handle, proof);
        }
        assert_eq!(file.missing().unwrap(), Vec::<String>::new());
        file.formula.care_bp = Share(Bp::new(1).unwrap());
        assert_eq!(file.missing().unwrap().len(), 3);
        assert!(matches!(file.consent(&key(9)), Err(CharterFault::Stranger { .. })));
    }

    #[test]
    fn a_mistyped_key_or_name_is_an_error() {
        let text = TEMPLATE.replace("visibility", "visiblity");
        assert!(matches!(CharterFile::parse(&text), Err(CharterFault::Syntax(_))));
        let text = TEMPLATE.replace("registrar = \"", "registrar = \"x");
        let file = CharterFile::parse(&text).unwrap();
        assert!(matches!(file.charter(), Err(CharterFault::Role { role: "registrar", .. })));
    }
}
