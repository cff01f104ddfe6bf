//! What later steps say, in the file's words, and what the words stand for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use talea_protocol::act::{Act, Choice, Course, Effect, Matter, Method, Motion, Propose, Stream};
use talea_protocol::bytes::{Bp, List};
use talea_protocol::charter::{Amendment, Change};

use super::council::quarter;
use super::{StepFault, day, month};
use crate::amount::{self, DAY_MS};

#[derive(Deserialize)]
pub(super) struct Shares {
    pub(super) member: String,
    pub(super) amount: i64,
}

#[derive(Deserialize)]
pub(super) struct Proposal {
    pub(super) id: String,
    pub(super) kind: Subject,
    pub(super) rule: String,
    #[serde(default)]
    pub(super) fallback: Option<String>,
    pub(super) closes: String,
    pub(super) statutory: bool,
    pub(super) effect: Consequence,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Subject {
    Ordinary,
    Charter,
    Allocation,
}

#[derive(Deserialize)]
pub(super) struct Consequence {
    pub(super) set: Option<BTreeMap<String, Value>>,
    pub(super) effective_period: Option<String>,
    pub(super) policy: Option<String>,
    pub(super) allocate: Option<String>,
}

impl Proposal {
    /// The act, and its text. What asks for consent may be decided on its last day: whoever has a
    /// word has said it.
    pub(super) fn act(&self) -> Result<(Act, String), StepFault> {
        let method = method(&self.rule)?;
        let matter = match self.kind {
            Subject::Ordinary => Matter::Ordinary,
            Subject::Charter => Matter::Charter,
            Subject::Allocation => Matter::Allocation,
        };
        let (effect, text) = self.effect.effect()?;
        let last = amount::begins(day(&self.closes)?);
        let closes = if method == Method::Consent { last } else { last + DAY_MS - 1 };
        let statutory = self.statutory;
        let proposal = Propose { matter, method, statutory, closes, effect };
        let text = format!("{}: {text}", self.id);
        Ok(match &self.fallback {
            None => (Act::Propose(proposal), text),
            Some(fallback) => {
                let course =
                    Course { fallback: Some(self::method(fallback)?), ..Course::default() };
                (Act::Motion(Box::new(Motion { proposal, course })), text)
            }
        })
    }
}

fn method(name: &str) -> Result<Method, StepFault> {
    Ok(match name {
        "college-weighted" => Method::CollegeWeighted,
        "headcount" => Method::Headcount,
        "consent" => Method::Consent,
        "credit-weighted" => Method::CreditWeighted,
        other => return Err(StepFault::Method(other.to_owned())),
    })
}

impl Consequence {
    fn effect(&self) -> Result<(Effect, String), StepFault> {
        if let Some(name) = &self.allocate {
            let (from, until) = quarter(name)?;
            return Ok((Effect::Allocate(from, until), name.clone()));
        }
        if let Some(text) = &self.policy {
            return Ok((Effect::Policy, text.clone()));
        }
        let set = self.set.as_ref().ok_or_else(|| StepFault::Effect("nothing".to_owned()))?;
        let from = self.effective_period.as_deref().unwrap_or_default();
        let amendments = set.iter().map(amendment).collect::<Result<Vec<_>, _>>()?;
        let change = Change { amendments: List::try_from(amendments)?, from: month(from)? };
        let names: Vec<String> = set.iter().map(|(name, to)| format!("{name} = {to}")).collect();
        Ok((Effect::Amend(change), names.join(", ")))
    }
}

fn amendment((name, to): (&String, &Value)) -> Result<Amendment, StepFault> {
    let share = || Bp::deserialize(to).map_err(StepFault::Body);
    Ok(match name.as_str() {
        "formula.retain_bp" => Amendment::Retain(share()?),
        "formula.care_bp" => Amendment::Care(share()?),
        "formula.livelihood_bp" => Amendment::Livelihood(share()?),
        "quorum_bp" => Amendment::Quorum(share()?),
        other => return Err(StepFault::Effect(other.to_owned())),
    })
}

#[derive(Deserialize)]
pub(super) struct Ballot {
    pub(super) proposal: String,
    pub(super) choice: Answer,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Yes,
    No,
    Abstain,
    Block,
}

impl Answer {
    /// A block needs a reason; the file need not tell it.
    pub(super) fn reason(self) -> Option<String> {
        matches!(self, Self::Block).then(|| "the file tells no reason".to_owned())
    }
}

#[derive(Deserialize)]
pub(super) struct Decision {
    pub(super) proposal: String,
}

#[derive(Deserialize)]
pub(super) struct Target {
    pub(super) target: u32,
}

#[derive(Deserialize)]
pub(super) struct Spending {
    pub(super) account: String,
    pub(super) payee: String,
    pub(super) amount: i64,
    #[serde(default)]
    pub(super) memo: String,
}

#[derive(Deserialize)]
pub(super) struct Billing {
    pub(super) job: String,
    pub(super) client: String,
    pub(super) amount: i64,
}

#[derive(Deserialize)]
pub(super) struct Work {
    pub(super) task: String,
    pub(super) quantity: i64,
    pub(super) stream: Flow,
    #[serde(default)]
    pub(super) job: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Flow {
    Livelihood,
    Love,
    Care,
}

#[derive(Deserialize)]
pub(super) struct Passing {
    pub(super) to: String,
    pub(super) amount: i64,
    #[serde(default)]
    pub(super) memo: String,
}

#[derive(Deserialize)]
pub(super) struct Period {
    pub(super) period: String,
}

impl From<Answer> for Choice {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Yes => Self::Yes,
            Answer::No => Self::No,
            Answer::Abstain => Self::Abstain,
            Answer::Block => Self::Block,
        }
    }
}

impl From<Flow> for Stream {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Livelihood => Self::Livelihood,
            Flow::Love => Self::Love,
            Flow::Care => Self::Care,
        }
    }
}
