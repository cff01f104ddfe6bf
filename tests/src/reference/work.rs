//! Contributions, attestations and credits: rules 51 to 57, and "Credit" in section 6.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Attest, Contribution, Stream};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use super::history::{Fact, History};
use super::terms::{When, month_of};
use super::{Credit, Stop};

impl History<'_> {
    /// Rules 43 and 51 to 55.
    pub fn examine_contribution(&self, fact: &Fact<'_>, act: &Contribution) -> Result<(), Stop> {
        let when = When { at: fact.basis, month: month_of(act.end) };
        if act.job.as_ref().is_some_and(|job| self.price(when, job.tier).is_none()) {
            return Err(Stop::Void(43));
        }
        let (unit, _) = self.rate(when, &act.task).ok_or(Stop::Void(51))?;
        if act.quantity.value() > self.register.charter.contribution_max.value() {
            return Err(Stop::Void(52));
        }
        if act.end < act.begin {
            return Err(Stop::Void(53));
        }
        let is_care = act.stream == Stream::Care;
        if is_care != (unit.as_str() == "minute") {
            return Err(Stop::Void(54));
        }
        if act.tags.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Stop::Void(55));
        }
        Ok(())
    }

    /// Rules 50, 56 and 57.
    pub fn examine_attest(&self, fact: &Fact<'_>, act: &Attest) -> Result<(), Stop> {
        let named = self.named(&act.contribution)?;
        if !matches!(named.act(), Some(Act::Contribution(_))) {
            return Err(Stop::Void(50));
        }
        if named.member == fact.member {
            return Err(Stop::Void(56));
        }
        let before = |(other, act_before): (&Fact<'_>, &Act)| {
            let same = matches!(act_before, Act::Attest(it) if it.contribution == act.contribution);
            other.device == fact.device && same
        };
        if self.counted().any(before) { Err(Stop::Void(57)) } else { Ok(()) }
    }

    /// What every contribution that counts has earned by everything settled.
    pub fn credits(&self) -> BTreeMap<EntryId, Credit> {
        self.counted()
            .filter(|(_, act)| matches!(act, Act::Contribution(_)))
            .map(|(fact, _)| (fact.entry.id(), self.credit(fact, None)))
            .collect()
    }

    /// What a contribution has earned by the attestations inside a cut, or by all.
    pub fn credit(&self, fact: &Fact<'_>, cut: Option<&Cut>) -> Credit {
        let Some(Act::Contribution(work)) = fact.act() else { return Credit::default() };
        let month = month_of(work.end);
        let mut attested: Vec<&Fact<'_>> = self
            .counted()
            .filter(|(_, act)| matches!(act, Act::Attest(it) if it.contribution == fact.entry.id()))
            .map(|(attest, _)| attest)
            .filter(|attest| cut.is_none_or(|cut| attest.inside(cut)))
            .collect();
        attested.sort_by_key(|attest| (attest.basis, attest.entry.id()));
        let mut members: Vec<u32> = Vec::new();
        let mut at = fact.basis;
        let needed = usize::from(self.attestations(When { at: fact.basis, month }));
        for attest in attested {
            if members.len() == needed {
                break;
            }
            if !members.contains(&attest.member) {
                members.push(attest.member);
                at = at.max(attest.basis);
            }
        }
        if members.len() < needed {
            return Credit::default();
        }
        self.worth(fact, work, When { at, month })
    }

    fn worth(&self, fact: &Fact<'_>, work: &Contribution, when: When) -> Credit {
        let charter = self.register.charter;
        let stage = self.register.members[usize::try_from(fact.member).expect("few")].stage;
        let stage = &charter.stages[usize::from(stage)];
        let vested = |amount: i128, bp: u16| {
            i64::try_from(amount * i128::from(bp) / 10_000).unwrap_or(i64::MAX)
        };
        let quantity = work.quantity.value();
        if work.stream == Stream::Care {
            let care = vested(i128::from(quantity), stage.care.value());
            return Credit { nominal: quantity, care, ..Credit::default() };
        }
        let Some((_, credits)) = self.rate(when, &work.task) else { return Credit::default() };
        let nominal = i128::from(quantity) * i128::from(credits);
        let internal = self.internal_price(when);
        let price = work.job.as_ref().and_then(|job| self.price(when, job.tier));
        let livelihood = match (work.stream, price) {
            (Stream::Love, _) => 0,
            (_, Some(price)) if price < internal => {
                nominal * i128::from(price) / i128::from(internal)
            }
            (_, _) => nominal,
        };
        Credit {
            nominal: i64::try_from(nominal).unwrap_or(i64::MAX),
            livelihood: vested(livelihood, stage.livelihood.value()),
            love: vested(nominal - livelihood, stage.love.value()),
            care: 0,
        }
    }
}
