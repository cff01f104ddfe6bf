//! The step that founds: a cooperative's terms in the file's words, and the charter they make.

use std::collections::BTreeMap;

use serde::Deserialize;
use talea_protocol::bytes::{Bp, Code, List, Quantity, Text};
use talea_protocol::charter::{
    Category, Charter, College, Formula, Founder, Kind, Member, Profile, Rate, Reserves, Roles,
    Roster, Stage, Thresholds, Tie, Tier, Visibility,
};
use talea_protocol::council::Council;
use talea_protocol::key::{Purpose, SecretKey, Signature};
use talea_protocol::treasury::Treasury;

use super::{StepFault, code, place};

/// The most that one contribution may claim, which the file does not say: units of the task.
const CONTRIBUTION_MAX: i64 = 100_000;

/// The body of `charter.create`.
#[derive(Deserialize)]
pub(super) struct Founding {
    charter: Terms,
    pub(super) founders: BTreeMap<String, Joining>,
    roles: Holders,
}

/// A founder.
#[derive(Deserialize)]
pub(super) struct Joining {
    kind: Sort,
    college: String,
    stage: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Sort {
    Person,
    #[serde(alias = "organisation")]
    Organization,
    Machine,
}

#[derive(Deserialize)]
struct Holders {
    treasurer: String,
    distributor: String,
    clerk: String,
}

#[derive(Deserialize)]
struct Terms {
    name: String,
    profile: Profile,
    currency: String,
    exponent: u8,
    colleges: BTreeMap<String, Bp>,
    quorum_bp: Bp,
    thresholds_bp: Thresholds,
    rates_centi_per_word: BTreeMap<String, u32>,
    internal_price_cents_per_word: u32,
    price_tiers_cents_per_word: BTreeMap<String, u32>,
    vesting_bp: BTreeMap<String, Vesting>,
    formula: Dividing,
    attestations_required: u8,
    min_love_centi_per_quarter: u32,
    reserves: Keeping,
}

#[derive(Deserialize)]
struct Vesting {
    livelihood: Bp,
    love: Bp,
    care: Bp,
    binding_vote: bool,
}

#[derive(Deserialize)]
struct Dividing {
    retain_bp: Bp,
    care_bp: Bp,
    livelihood_bp: Bp,
    tie: Order,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    MemberIdAscending,
    ByHash,
}

#[derive(Deserialize)]
struct Keeping {
    legal_bp: Bp,
    statutory_bp_of_rest: Bp,
}

impl Founding {
    /// The charter, with every founder's consent.
    pub(super) fn charter(
        &self,
        keys: &BTreeMap<String, SecretKey>,
        roster: Roster,
        visibility: Visibility,
    ) -> Result<Charter, StepFault> {
        let terms = &self.charter;
        let holder = |handle: &str| self.holder(handle);
        let mut charter = Charter {
            rules: 2,
            name: Text::try_from(terms.name.clone())?,
            profile: terms.profile,
            visibility,
            currency: code(&terms.currency)?,
            exponent: terms.exponent,
            colleges: list(&terms.colleges, college)?,
            stages: list(&terms.vesting_bp, stage)?,
            founders: List::try_from(self.founders(keys)?)?,
            roles: Roles {
                registrar: holder(&self.roles.clerk)?,
                treasurer: holder(&self.roles.treasurer)?,
                distributor: holder(&self.roles.distributor)?,
            },
            roster,
            quorum: terms.quorum_bp,
            thresholds: terms.thresholds_bp,
            rates: List::try_from(terms.rates()?)?,
            internal_price: terms.internal_price_cents_per_word,
            tiers: list(&terms.price_tiers_cents_per_word, |code, price| Tier {
                code,
                price: *price,
            })?,
            formula: terms.formula.formula(),
            attestations: terms.attestations_required,
            contribution_max: Quantity::new(CONTRIBUTION_MAX)?,
            love_minimum: terms.min_love_centi_per_quarter,
            reserves: Reserves {
                legal: terms.reserves.legal_bp,
                statutory: terms.reserves.statutory_bp_of_rest,
            },
            sponsors: 1,
            recovery: 0,
            council: Council::default(),
            treasury: Treasury::default(),
        };
        consent(&mut charter, self.founders.keys(), keys)?;
        Ok(charter)
    }

    fn founders(&self, keys: &BTreeMap<String, SecretKey>) -> Result<Vec<Founder>, StepFault> {
        let (colleges, stages) = (&self.charter.colleges, &self.charter.vesting_bp);
        let founder = |(handle, joining): (&String, &Joining)| {
            let key = keys.get(handle).ok_or_else(|| StepFault::Member(handle.clone()))?;
            Ok(Founder {
                college: place(colleges.keys(), &joining.college)?,
                stage: place(stages.keys(), &joining.stage)?,
                kind: joining.kind.into(),
                device: key.device(),
                proof: Signature([0; 64]),
            })
        };
        self.founders.iter().map(founder).collect()
    }

    fn holder(&self, handle: &str) -> Result<Member, StepFault> {
        let place = self.founders.keys().position(|founder| founder == handle);
        let place = place.and_then(|place| u32::try_from(place).ok());
        place.map(Member).ok_or_else(|| StepFault::Member(handle.to_owned()))
    }
}

/// Adds every founder's signature under the charter as it stands.
fn consent<'k>(
    charter: &mut Charter,
    handles: impl Iterator<Item = &'k String>,
    keys: &BTreeMap<String, SecretKey>,
) -> Result<(), StepFault> {
    let hash = charter.founding_hash();
    let signed = charter.founders.iter().zip(handles).map(|(founder, handle)| {
        let key = keys.get(handle).ok_or_else(|| StepFault::Member(handle.clone()))?;
        Ok(Founder { proof: key.sign(Purpose::Enrolment, &hash.0), ..founder.clone() })
    });
    charter.founders = List::try_from(signed.collect::<Result<Vec<_>, StepFault>>()?)?;
    Ok(())
}

impl Terms {
    /// The file's rates are per word; care is counted in minutes and has no rate.
    fn rates(&self) -> Result<Vec<Rate>, StepFault> {
        let word = |(task, credits): (&String, &u32)| {
            Ok(Rate { task: code(task)?, unit: code("word")?, credits: *credits })
        };
        let mut rates: Vec<Rate> =
            self.rates_centi_per_word.iter().map(word).collect::<Result<_, StepFault>>()?;
        rates.push(Rate { task: code("care")?, unit: code("minute")?, credits: 0 });
        Ok(rates)
    }
}

impl Dividing {
    const fn formula(&self) -> Formula {
        let tie = match self.tie {
            Order::MemberIdAscending => Tie::ByAdmission,
            Order::ByHash => Tie::ByHash,
        };
        Formula { retain: self.retain_bp, care: self.care_bp, livelihood: self.livelihood_bp, tie }
    }
}

/// The file does not say whose college it is; these names are those of French cooperatives.
fn college(code: Code, weight: &Bp) -> College {
    let category = match code.as_str() {
        "production" | "salaries" | "workers" => Category::Workers,
        "usagers" | "beneficiaires" | "users" => Category::Beneficiaries,
        _ => Category::Others,
    };
    College { code, weight: *weight, category }
}

fn stage(code: Code, vesting: &Vesting) -> Stage {
    let Vesting { livelihood, love, care, binding_vote } = *vesting;
    Stage { code, livelihood, love, care, binding_vote }
}

impl From<Sort> for Kind {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Person => Self::Person,
            Sort::Organization => Self::Organisation,
            Sort::Machine => Self::Machine,
        }
    }
}

fn list<V, T, const MAX: usize>(
    map: &BTreeMap<String, V>,
    make: impl Fn(Code, &V) -> T,
) -> Result<List<T, MAX>, StepFault> {
    let items = map.iter().map(|(name, value)| Ok(make(code(name)?, value)));
    Ok(List::try_from(items.collect::<Result<Vec<T>, StepFault>>()?)?)
}
