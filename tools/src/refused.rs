//! Why an entry, a charter or a place is refused, in the words of a language: rules 1 to 39 and 120.
//!
//! The facts are protocol's and ledger's, and so are their English texts; here are the same in
//! `locales`, under `rule-N`. What only a program can read (bytes that are none) stays as it is said.

use talea_ledger::heal::HealFault;
use talea_ledger::place::{Cause, Refusal};
use talea_ledger::profile::{self, ProfileFault, RULES, WHOLE};
use talea_protocol::entry;
use talea_protocol::hash::EntryId;

use crate::lang::Lang;

/// The words of a key in a language, with values in the places `a` to `e`.
pub(crate) fn words(lang: Lang, key: &str, values: &[String]) -> String {
    let places = ["a", "b", "c", "d", "e"].into_iter();
    let named: Vec<(&'static str, &str)> = places.zip(values.iter().map(String::as_str)).collect();
    lang.say_with(key, &named)
}

/// What a fault of bytes says, which is English: marked where that is another language.
pub(crate) fn foreign(lang: Lang, fault: impl std::fmt::Display) -> String {
    words(lang, "finding-foreign", &[fault.to_string()])
}

fn rule(lang: Lang, number: u16, key: &str, values: &[String]) -> String {
    words(lang, "rule-told", &[number.to_string(), words(lang, key, values)])
}

/// Why bytes are no entry: rules 1 to 9.
#[must_use]
pub fn entry(refusal: &entry::Refusal, lang: Lang) -> String {
    let values = match refusal {
        entry::Refusal::Length { length } => vec![length.to_string()],
        entry::Refusal::Version { version: number } | entry::Refusal::Scheme { scheme: number } => {
            vec![number.to_string()]
        }
        entry::Refusal::Value(malformed) => vec![foreign(lang, malformed)],
        entry::Refusal::Limit { act, payload } => vec![act.to_string(), payload.to_string()],
        entry::Refusal::NotCanonical
        | entry::Refusal::Amount
        | entry::Refusal::Root
        | entry::Refusal::Signature => Vec::new(),
    };
    rule(lang, refusal.rule(), &format!("rule-{}", refusal.rule()), &values)
}

/// Why an entry has no place in a log: rules 10 to 39.
#[must_use]
pub fn place(refusal: &Refusal, lang: Lang) -> String {
    let (key, values) = match refusal {
        Refusal::Charter(refusal) => return charter(refusal, lang),
        Refusal::Heal(fault) => heal(fault, lang),
        Refusal::Cooperative { named } => ("rule-10", vec![named.to_string()]),
        Refusal::NotEnrolled { number } => ("rule-12", vec![number.to_string()]),
        Refusal::Link { seq, held } => ("rule-13", vec![seq.to_string(), held.to_string()]),
        Refusal::OlderBasis { named, before } => {
            ("rule-14", vec![named.to_string(), before.to_string()])
        }
        Refusal::NotHead { head } => ("rule-15", vec![head.to_string()]),
        Refusal::NotRegistrar => ("rule-16", Vec::new()),
        Refusal::Fork { seq, held } => ("rule-20", vec![seq.to_string(), held.to_string()]),
        Refusal::Frozen { from, cause: why } => {
            ("rule-21", vec![from.to_string(), lang.say(cause(*why))])
        }
        Refusal::Behind { number, length } => {
            ("rule-22", vec![number.to_string(), length.to_string()])
        }
        Refusal::Held { device, length, held } => {
            ("rule-25", vec![held.to_string(), device.to_string(), length.to_string()])
        }
        Refusal::CutRoot => ("rule-26", Vec::new()),
        Refusal::Undecided { decision } => ("rule-28-undecided", vec![decision.to_string()]),
        Refusal::Returning { node } => ("rule-28-returning", vec![node.to_string()]),
        Refusal::Staying { node } => ("rule-28-staying", vec![node.to_string()]),
    };
    rule(lang, refusal.rule(), key, &values)
}

const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Fork => "cause-fork",
        Cause::Report => "cause-report",
        Cause::Leave => "cause-leave",
        Cause::Removal => "cause-removal",
        Cause::HandOver => "cause-hand-over",
        Cause::Succession => "cause-succession",
        Cause::Locked => "cause-locked",
        Cause::Closed => "cause-closed",
    }
}

fn heal(fault: &HealFault, lang: Lang) -> (&'static str, Vec<String>) {
    let branch = |id: &Option<EntryId>| {
        id.as_ref().map_or_else(|| lang.say("no-branch"), ToString::to_string)
    };
    match fault {
        HealFault::Device { device } => ("rule-27-device", vec![device.to_string()]),
        HealFault::Order => ("rule-27-order", Vec::new()),
        HealFault::Stranger { node } => ("rule-27-stranger", vec![node.to_string()]),
        HealFault::Receipt { node, fault } => {
            ("rule-27-receipt", vec![node.to_string(), foreign(lang, fault)])
        }
        HealFault::Leaf { node } => ("rule-27-leaf", vec![node.to_string()]),
        HealFault::Proof { node, fault } => {
            ("rule-27-proof", vec![node.to_string(), foreign(lang, fault)])
        }
        HealFault::Place { node } => ("rule-27-place", vec![node.to_string()]),
        HealFault::Healed => ("rule-27-healed", Vec::new()),
        HealFault::Nothing => ("rule-27-nothing", Vec::new()),
        HealFault::Open { one, other } => {
            ("rule-27-open", vec![one.to_string(), other.to_string()])
        }
        HealFault::Older { branch, roster } => {
            ("rule-27-older", vec![roster.to_string(), branch.to_string()])
        }
        HealFault::Changing => ("rule-27-changing", Vec::new()),
        HealFault::Adopted { left, adopted } => {
            ("rule-27-adopted", vec![branch(left), branch(adopted)])
        }
    }
}

/// Why a charter founds nothing: rules 30 to 39 and 120.
#[must_use]
pub fn charter(refusal: &profile::Refusal, lang: Lang) -> String {
    use profile::Refusal as It;
    let (key, values) = match refusal {
        It::Version => ("rule-30", vec![RULES.to_string()]),
        It::Weights { sum } => ("rule-31", vec![sum.to_string(), WHOLE.to_string()]),
        It::Profile(ProfileFault::Categories) => ("rule-32-categories", Vec::new()),
        It::Profile(ProfileFault::CollegeWeight { weight }) => {
            ("rule-32-weight", vec![weight.to_string()])
        }
        It::Profile(ProfileFault::LegalReserve { legal }) => {
            ("rule-32-legal", vec![legal.to_string()])
        }
        It::Profile(ProfileFault::Reserves { kept }) => {
            ("rule-32-reserves", vec![kept.to_string()])
        }
        It::Roster { nodes, faulty, quorum } => {
            ("rule-33", vec![nodes.to_string(), faulty.to_string(), quorum.to_string()])
        }
        It::Founder { founder } => ("rule-34", vec![founder.to_string()]),
        It::Device { founder, .. } => ("rule-35", vec![founder.to_string()]),
        It::Consent { founder } => ("rule-36", vec![founder.to_string()]),
        It::Author => ("rule-37", Vec::new()),
        It::Role => ("rule-38", Vec::new()),
        It::Parameter(text) => ("rule-39", vec![parameter(text, lang)]),
        It::Treasury(text) => ("rule-120", vec![parameter(text, lang)]),
    };
    rule(lang, refusal.rule(), key, &values)
}

/// What a charter's parameters may not be, as the ledger says it, and its key.
const PARAMETERS: [(&str, &str); 13] = [
    ("the currency is not a code of three capital letters", "charter-currency"),
    ("a currency has at most 4 decimal places", "charter-exponent"),
    ("the internal price and the attestations needed are at least 1", "charter-least"),
    ("an admission has at most 16 sponsors", "charter-sponsors"),
    ("the recovery quorum is more than the founders", "charter-recovery"),
    ("a college, stage, task or tier is named twice", "charter-twice"),
    ("a circle is named twice, or its colleges or competences are not in order", "charter-circle"),
    (
        "milestones are for stages that exist, in their order, with at most 16 words",
        "charter-milestones",
    ),
    ("who attests is said once for a task", "charter-attesters"),
    ("an internal unit is named twice, or like the currency", "charter-unit"),
    ("an internal unit has at most 4 decimal places", "charter-unit-exponent"),
    ("a fund is named twice", "charter-fund"),
    ("a fund is in a unit that the charter does not have", "charter-fund-unit"),
];

fn parameter(text: &str, lang: Lang) -> String {
    let key = PARAMETERS.iter().find(|(said, _)| *said == text).map(|(_, key)| key);
    key.map_or_else(|| foreign(lang, text), |key| lang.say(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::bytes::Malformed;
    use talea_protocol::fork::ForkFault;
    use talea_protocol::key::NodeKey;
    use talea_protocol::receipt::ReceiptFault;

    fn node() -> NodeKey {
        talea_protocol::key::SecretKey::from_seed(&[1; 32]).node()
    }

    fn entries() -> Vec<entry::Refusal> {
        vec![
            entry::Refusal::Length { length: 3 },
            entry::Refusal::Version { version: 9 },
            entry::Refusal::Scheme { scheme: 9 },
            entry::Refusal::Value(Malformed::Value("odd")),
            entry::Refusal::NotCanonical,
            entry::Refusal::Amount,
            entry::Refusal::Limit { act: 1, payload: 2 },
            entry::Refusal::Root,
            entry::Refusal::Signature,
        ]
    }

    fn heals() -> Vec<HealFault> {
        let (node, id) = (node(), EntryId([7; 32]));
        vec![
            HealFault::Device { device: 1 },
            HealFault::Order,
            HealFault::Stranger { node },
            HealFault::Receipt { node, fault: ReceiptFault::TooLong { length: 1 } },
            HealFault::Leaf { node },
            HealFault::Proof { node, fault: ForkFault::Place },
            HealFault::Place { node },
            HealFault::Healed,
            HealFault::Nothing,
            HealFault::Open { one: id, other: id },
            HealFault::Older { branch: id, roster: 1 },
            HealFault::Changing,
            HealFault::Adopted { left: None, adopted: Some(id) },
        ]
    }

    fn charters() -> Vec<profile::Refusal> {
        use profile::Refusal as It;
        let profiles = [
            ProfileFault::Categories,
            ProfileFault::CollegeWeight { weight: 1 },
            ProfileFault::LegalReserve { legal: 1 },
            ProfileFault::Reserves { kept: 1 },
        ];
        let others = [
            It::Version,
            It::Weights { sum: 1 },
            It::Roster { nodes: 3, faulty: 1, quorum: 2 },
            It::Founder { founder: 1 },
            It::Device { founder: 1, fault: None },
            It::Consent { founder: 1 },
            It::Author,
            It::Role,
            It::Parameter(PARAMETERS[0].0),
            It::Treasury(PARAMETERS[12].0),
        ];
        profiles.into_iter().map(It::Profile).chain(others).collect()
    }

    fn places() -> Vec<Refusal> {
        let (node, id) = (node(), EntryId([7; 32]));
        let causes = [
            Cause::Fork,
            Cause::Report,
            Cause::Leave,
            Cause::Removal,
            Cause::HandOver,
            Cause::Succession,
            Cause::Locked,
            Cause::Closed,
        ];
        let frozen = causes.into_iter().map(|cause| Refusal::Frozen { from: 1, cause });
        let others = [
            Refusal::Cooperative { named: id },
            Refusal::NotEnrolled { number: 1 },
            Refusal::Link { seq: 1, held: id },
            Refusal::OlderBasis { named: 1, before: 2 },
            Refusal::NotHead { head: 1 },
            Refusal::NotRegistrar,
            Refusal::Fork { seq: 1, held: id },
            Refusal::Behind { number: 1, length: 2 },
            Refusal::Held { device: 1, length: 2, held: 3 },
            Refusal::CutRoot,
            Refusal::Undecided { decision: id },
            Refusal::Returning { node },
            Refusal::Staying { node },
        ];
        let heals = heals().into_iter().map(Refusal::Heal);
        let charters = charters().into_iter().map(Refusal::Charter);
        others.into_iter().chain(frozen).chain(heals).chain(charters).collect()
    }

    #[test]
    fn every_refusal_is_told_in_both_languages_and_in_english_as_the_rules_say_it() {
        let entries = entries();
        let told =
            entries.iter().map(|it| (it.to_string(), [Lang::En, Lang::Fr].map(|l| entry(it, l))));
        let places = places();
        let placed =
            places.iter().map(|it| (it.to_string(), [Lang::En, Lang::Fr].map(|l| place(it, l))));
        for (said, [english, french]) in told.chain(placed) {
            assert_eq!(english, said);
            assert!(french.starts_with("règle ") && french.contains(" : "), "{french}");
            for missing in ["rule-", "cause-", "charter-", "{$"] {
                assert!(!french.contains(missing), "{missing} has no words: {french}");
            }
        }
    }

    #[test]
    fn every_parameter_that_the_ledger_refuses_is_known_here() {
        let source = include_str!("../../ledger/src/profile.rs");
        let said: Vec<&str> = source
            .split("return Err(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(said, PARAMETERS.map(|(text, _)| text));
    }
}
