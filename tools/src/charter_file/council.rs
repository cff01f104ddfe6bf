//! How the cooperative decides, as the file has it: the table `council` and what is in it.
//!
//! All of it may be left out: then nobody delegates, there are no circles, and stages are come to by
//! decision.

use serde::Deserialize;
use talea_protocol::bytes::Code;
use talea_protocol::council::{Circle, Competence, Council, Milestone, Quorums};

use super::{CharterFault, CharterFile, Share, list};

/// The table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CouncilTerms {
    #[serde(default)]
    proxies: u8,
    #[serde(default)]
    care_minimum: u32,
    quorums_bp: Option<QuorumTerms>,
    #[serde(rename = "circle", default)]
    circles: Vec<CircleTerms>,
    #[serde(rename = "milestone", default)]
    milestones: Vec<MilestoneTerms>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuorumTerms {
    ordinary: Share,
    charter: Share,
    allocation: Share,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CircleTerms {
    code: Code,
    #[serde(default)]
    colleges: Vec<Code>,
    may: Vec<Competence>,
    #[serde(default)]
    spend_max: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MilestoneTerms {
    stage: Code,
    #[serde(default)]
    words: u8,
    #[serde(default)]
    credits: u64,
}

impl CouncilTerms {
    /// What the charter says about it.
    pub(super) fn council(&self, file: &CharterFile) -> Result<Council, CharterFault> {
        let circles = self.circles.iter().map(|circle| circle.circle(file));
        let mut milestones = Vec::new();
        for terms in &self.milestones {
            let stages = file.stages.iter().map(|stage| &stage.code);
            let stage = place("stage", &terms.stage, stages)?;
            milestones.push(Milestone { stage, words: terms.words, credits: terms.credits });
        }
        milestones.sort_unstable_by_key(|milestone| milestone.stage);
        let quorums = self.quorums_bp.as_ref().map(|terms| Quorums {
            ordinary: terms.ordinary.0,
            charter: terms.charter.0,
            allocation: terms.allocation.0,
        });
        Ok(Council {
            quorums: quorums.unwrap_or_default(),
            proxies: self.proxies,
            circles: list("council.circle", circles.collect::<Result<Vec<_>, _>>()?.into_iter())?,
            milestones: list("council.milestone", milestones.into_iter())?,
            care_minimum: self.care_minimum,
        })
    }
}

impl CircleTerms {
    fn circle(&self, file: &CharterFile) -> Result<Circle, CharterFault> {
        let known = || file.colleges.iter().map(|college| &college.code);
        let colleges = self.colleges.iter().map(|name| place("college", name, known()));
        let mut colleges = colleges.collect::<Result<Vec<u8>, _>>()?;
        colleges.sort_unstable();
        let mut may = self.may.clone();
        may.sort_unstable();
        Ok(Circle {
            code: self.code.clone(),
            colleges: list("council.circle.colleges", colleges.into_iter())?,
            may: list("council.circle.may", may.into_iter())?,
            spend_max: self.spend_max,
        })
    }
}

fn place<'a>(
    what: &'static str,
    name: &Code,
    mut names: impl Iterator<Item = &'a Code>,
) -> Result<u8, CharterFault> {
    let place = names.position(|known| known == name).and_then(|place| u8::try_from(place).ok());
    place.ok_or_else(|| CharterFault::Council { what, name: name.to_string() })
}
