//! Findings in the words of a language.
//!
//! Their facts and English texts are in `finding.rs`; here are the same in `locales`, under `finding-…`.
//! What is wrong with bytes that only a program reads is told as it is, in English.

use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::LeafFault;

use super::finding::{Finding, Stated};
use super::policy::PolicyFault;
use crate::lang::Lang;
use crate::refused::{self, foreign, words};

/// What a finding says.
#[must_use]
pub fn said(finding: &Finding, lang: Lang) -> String {
    let (key, values) = Say(lang).of(finding);
    if key.is_empty() { values.concat() } else { words(lang, &format!("finding-{key}"), &values) }
}

struct Say(Lang);

type Told = (&'static str, Vec<String>);

impl Say {
    /// A key and its values; without a key, what is to be said.
    fn of(&self, finding: &Finding) -> Told {
        match finding {
            Finding::File(fault) => ("", vec![foreign(self.0, fault)]),
            Finding::Policy(fault) => policy(fault),
            Finding::Fork { one, other } => {
                ("fork", vec![one.id.to_string(), other.id.to_string()])
            }
            Finding::Healed { one, other, number, adopt } => {
                let (one, other) = (one.id.to_string(), other.id.to_string());
                ("healed", vec![one, other, number.to_string(), self.goes_on(adopt.as_ref())])
            }
            Finding::Dead { count, .. } => ("dead", vec![count.to_string()]),
            Finding::BothSettled { one, other, faulty, nodes } => {
                let (one, other) = (one.to_string(), other.id.to_string());
                let nodes: Vec<String> = nodes.iter().map(|node| self.node(node)).collect();
                ("both-settled", vec![one, other, faulty.to_string(), nodes.join(", ")])
            }
            Finding::Behind { number, length, .. } => {
                ("behind", vec![number.to_string(), length.to_string()])
            }
            Finding::MissingPlace { .. } => ("missing-place", Vec::new()),
            Finding::CharterMissing { id } => ("charter-missing", vec![id.to_string()]),
            Finding::Charter { id, refusal } => {
                ("charter", vec![id.to_string(), refused::charter(refusal, self.0)])
            }
            Finding::Payload { .. } => ("payload", Vec::new()),
            Finding::MissingNamed { id } => ("missing-named", vec![id.to_string()]),
            Finding::Unsettled { count, receipts, quorum, .. } => (
                "unsettled",
                [u64::from(*receipts), u64::from(*quorum), *count].map(|it| it.to_string()).into(),
            ),
            of_log => self.of_log(of_log),
        }
    }

    /// Those that are about a log.
    fn of_log(&self, finding: &Finding) -> Told {
        let at = |index: &u64, log: &NodeKey, more: &[String]| {
            [&[index.to_string(), self.node(log)], more].concat()
        };
        match finding {
            Finding::OutOfPlace { log, from, at: byte } => {
                ("out-of-place", at(from, log, &[byte.to_string()]))
            }
            Finding::Bundle { at, fault } => {
                ("bundle", vec![at.to_string(), foreign(self.0, fault)])
            }
            Finding::Leaf { log, index, fault, .. } => {
                ("leaf", at(index, log, &[self.leaf(fault)]))
            }
            Finding::Proof { log, index, fault, .. } => {
                ("proof", at(index, log, &[foreign(self.0, fault)]))
            }
            Finding::Held { log, index, claimed, held, .. } => {
                let [claimed, held] = [claimed, held].map(|id| self.name(id.as_ref()));
                ("held", at(index, log, &[claimed, held]))
            }
            Finding::AfterEnd { log, index } => ("after-end", at(index, log, &[])),
            Finding::TwoRoots { log, size, one, other } => (
                "two-roots",
                vec![self.node(log), size.to_string(), one.to_string(), other.to_string()],
            ),
            Finding::Split { log, one, other } => {
                ("split", vec![self.node(log), one.to_string(), other.to_string()])
            }
            Finding::NoSplit { log, index, fault } => {
                ("no-split", at(index, log, &[foreign(self.0, fault)]))
            }
            Finding::TwoLeaves { log, index, .. } => ("two-leaves", at(index, log, &[])),
            Finding::Checkpoint { log, fault } => {
                ("checkpoint", vec![self.node(log), foreign(self.0, fault)])
            }
            Finding::Root { log, size, signed, computed } => (
                "root",
                vec![self.node(log), signed.to_string(), size.to_string(), computed.to_string()],
            ),
            Finding::Copy { log, index } => ("copy", at(index, log, &[])),
            Finding::MissingLeaves { log, from, to } => {
                ("missing-leaves", vec![self.node(log), self.span(*from, *to)])
            }
            Finding::MissingEntry { log, index, id } => {
                ("missing-entry", vec![id.to_string(), index.to_string(), self.node(log)])
            }
            Finding::Place { log, index, refusal, .. } => {
                ("place", at(index, log, &[refused::place(refusal, self.0)]))
            }
            Finding::Early { log, index, needs, .. } => {
                ("early", at(index, log, &[needs.to_string()]))
            }
            Finding::Again { log, index, .. } => ("again", at(index, log, &[])),
            Finding::Frontier { log, index, what, claimed, computed } => {
                let what = self.0.say(stated(*what));
                ("frontier", at(index, log, &[what, claimed.clone(), computed.clone()]))
            }
            Finding::Receipts { log, index, .. } => ("receipts", at(index, log, &[])),
            Finding::Uncovered { log, from, to } => {
                ("uncovered", vec![self.node(log), self.span(*from, *to)])
            }
            Finding::File(_)
            | Finding::Policy(_)
            | Finding::Fork { .. }
            | Finding::Healed { .. }
            | Finding::Dead { .. }
            | Finding::BothSettled { .. }
            | Finding::Behind { .. }
            | Finding::MissingPlace { .. }
            | Finding::CharterMissing { .. }
            | Finding::Charter { .. }
            | Finding::Payload { .. }
            | Finding::MissingNamed { .. }
            | Finding::Unsettled { .. } => ("", Vec::new()),
        }
    }

    fn leaf(&self, fault: &LeafFault) -> String {
        match fault {
            LeafFault::Entry(refusal) => {
                words(self.0, "finding-leaf-entry", &[refused::entry(refusal, self.0)])
            }
            LeafFault::Length { .. } | LeafFault::Value { .. } => foreign(self.0, fault),
        }
    }

    /// A node, by the first digits of its key.
    fn node(&self, key: &NodeKey) -> String {
        let digits = key.to_string().get(..8).unwrap_or_default().to_owned();
        words(self.0, "finding-node", &[digits])
    }

    fn name(&self, id: Option<&EntryId>) -> String {
        id.map_or_else(
            || self.0.say("finding-nothing"),
            |id| words(self.0, "finding-entry", &[id.to_string()]),
        )
    }

    fn goes_on(&self, adopt: Option<&EntryId>) -> String {
        adopt.map_or_else(
            || self.0.say("finding-ends"),
            |id| words(self.0, "finding-goes-on", &[id.to_string()]),
        )
    }

    /// The leaves from one to before another.
    fn span(&self, from: u64, to: u64) -> String {
        match to.saturating_sub(1) {
            last if last == from => words(self.0, "finding-leaf-one", &[from.to_string()]),
            last => words(self.0, "finding-leaf-span", &[from.to_string(), last.to_string()]),
        }
    }
}

const fn stated(what: Stated) -> &'static str {
    match what {
        Stated::Count => "finding-stated-count",
        Stated::Accepted => "finding-stated-accepted",
        Stated::Settled => "finding-stated-settled",
        Stated::State => "finding-stated-state",
    }
}

fn policy(fault: &PolicyFault) -> Told {
    let two = |one: &dyn ToString, other: &dyn ToString| vec![one.to_string(), other.to_string()];
    match fault {
        PolicyFault::Cooperative { wanted, found } => ("policy-cooperative", two(wanted, found)),
        PolicyFault::Node { node } => ("policy-node", vec![node.to_string()]),
        PolicyFault::Settled { wanted, found } => ("policy-settled", two(wanted, found)),
        PolicyFault::HeldBy { wanted, found } => ("policy-held-by", two(wanted, found)),
        PolicyFault::Age { wanted, found } => ("policy-age", two(wanted, found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Claim;
    use talea_ledger::{place, profile};
    use talea_protocol::checkpoint::CheckpointFault;
    use talea_protocol::entry;
    use talea_protocol::export::ExportFault;
    use talea_protocol::fork::ForkFault;
    use talea_protocol::key::SecretKey;
    use talea_protocol::split::SplitFault;
    use talea_protocol::tile::BundleFault;
    use talea_protocol::tree::TreeHash;

    fn every_finding() -> Vec<Finding> {
        let key = SecretKey::from_seed(&[1; 32]);
        let (log, node, id) = (key.node(), key.node(), EntryId([7; 32]));
        let claim = Claim { device: key.device(), seq: 3, id };
        let (one, other, first, index, from) = (claim, claim, claim, 4, 4);
        let (root, size) = (TreeHash([9; 32]), 5);
        let stated = [Stated::Count, Stated::Accepted, Stated::Settled, Stated::State];
        let frontiers = stated.into_iter().map(|what| Finding::Frontier {
            log,
            index,
            what,
            claimed: "1".into(),
            computed: "2".into(),
        });
        let policies = [
            PolicyFault::Cooperative { wanted: id, found: id },
            PolicyFault::Node { node },
            PolicyFault::Settled { wanted: 2, found: 1 },
            PolicyFault::HeldBy { wanted: 2, found: 1 },
            PolicyFault::Age { wanted: 2, found: 3 },
        ];
        let leaf = |fault| Finding::Leaf { log, index, fault, claim: Some(claim) };
        let others = [
            Finding::File(ExportFault::Magic),
            Finding::OutOfPlace { log, from, at: 6 },
            Finding::Bundle { at: 6, fault: BundleFault::LeafTooLong { length: 1 } },
            leaf(LeafFault::Entry(entry::Refusal::Signature)),
            leaf(LeafFault::Length { length: 0 }),
            Finding::Fork { one, other },
            Finding::Healed { one, other, number: 1, adopt: None },
            Finding::Healed { one, other, number: 1, adopt: Some(id) },
            Finding::Dead { count: 2, first },
            Finding::BothSettled { one: id, other, faulty: 1, nodes: vec![node, node] },
            Finding::Behind { claim, number: 1, length: 2 },
            Finding::Proof { log, index, claim, fault: ForkFault::Place },
            Finding::Held { log, index, claim, claimed: None, held: Some(id) },
            Finding::AfterEnd { log, index },
            Finding::TwoRoots { log, size, one: root, other: root },
            Finding::Split { log, one: 1, other: 2 },
            Finding::NoSplit { log, index, fault: SplitFault::Order },
            Finding::TwoLeaves { log, index, one: root, other: root },
            Finding::Checkpoint { log, fault: CheckpointFault::Body },
            Finding::Root { log, size, signed: root, computed: root },
            Finding::Copy { log, index },
            Finding::MissingLeaves { log, from, to: 5 },
            Finding::MissingLeaves { log, from, to: 7 },
            Finding::MissingEntry { log, index, id },
            Finding::MissingPlace { claim },
            Finding::CharterMissing { id },
            Finding::Charter { id, refusal: profile::Refusal::Author },
            Finding::Place { log, index, claim, refusal: place::Refusal::NotRegistrar },
            Finding::Early { log, index, claim, needs: id },
            Finding::Again { log, index, claim },
            Finding::Receipts { log, index, claim },
            Finding::Payload { claim },
            Finding::MissingNamed { id },
            Finding::Uncovered { log, from, to: 9 },
            Finding::Unsettled { count: 2, first, receipts: 1, quorum: 2 },
        ];
        others.into_iter().chain(frontiers).chain(policies.map(Finding::Policy)).collect()
    }

    #[test]
    fn every_finding_is_said_in_both_languages_and_in_english_as_it_always_was() {
        for finding in every_finding() {
            assert_eq!(said(&finding, Lang::En), finding.to_string());
            let french = said(&finding, Lang::Fr);
            assert_ne!(french, finding.to_string(), "not translated");
            for missing in ["finding-", "rule-", "{$"] {
                assert!(!french.contains(missing), "{missing} has no words: {french}");
            }
        }
    }
}
