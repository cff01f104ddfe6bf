//! V1 to V6: signatures, chains, what is missing, logs, rights, the state root.

use talea_protocol::entry;
use talea_protocol::leaf::LeafFault;

use super::{Seen, from_findings};
use crate::lang::Lang;
use crate::verify::finding::Stated;
use crate::verify::log::Content;
use crate::verify::{Audit, Finding};

pub(super) fn checks(audit: &Audit, lang: Lang) -> Vec<Seen> {
    let entries = audit.shown.entries.len();
    let leaves = audit.shown.logs.values().map(|log| log.leaves.len()).sum();
    let mut all: Vec<Seen> =
        [entries, entries, entries, leaves, entries, frontiers(audit)].map(Seen::of).into();
    let about: [fn(&Finding) -> bool; 6] =
        [is_signature, is_chain, is_missing, is_log, is_right, is_state];
    for (seen, about) in all.iter_mut().zip(about) {
        from_findings(seen, audit, lang, about);
    }
    if let Some(state) = all.last_mut().filter(|seen| seen.looked_at == 0) {
        state.because = Some("cannot-frontier");
    }
    all
}

/// Leaves in which a node says what its entries add up to.
fn frontiers(audit: &Audit) -> usize {
    let leaves = audit.shown.logs.values().flat_map(|log| &log.leaves);
    leaves.filter(|leaf| matches!(leaf.content, Content::Frontier(_))).count()
}

/// V1: every signature, by a key enrolled at that point.
fn is_signature(finding: &Finding) -> bool {
    match finding {
        Finding::Leaf { fault: LeafFault::Entry(refusal), .. } => {
            !matches!(refusal, entry::Refusal::Version { .. })
        }
        Finding::Place { refusal, .. } => refusal.rule() == 12,
        _ => false,
    }
}

/// V2: every chain without gap or fork.
fn is_chain(finding: &Finding) -> bool {
    match finding {
        Finding::Fork { .. }
        | Finding::Healed { .. }
        | Finding::Dead { .. }
        | Finding::BothSettled { .. }
        | Finding::MissingPlace { .. } => true,
        Finding::Place { refusal, .. } => matches!(refusal.rule(), 13 | 14 | 20 | 27),
        _ => false,
    }
}

/// V3: everything named is there.
fn is_missing(finding: &Finding) -> bool {
    matches!(
        finding,
        Finding::MissingEntry { .. }
            | Finding::MissingLeaves { .. }
            | Finding::MissingPlace { .. }
            | Finding::MissingNamed { .. }
            | Finding::CharterMissing { .. }
            | Finding::Unsettled { .. }
    )
}

/// V4: complete against checkpoints and cosignatures, and no log shows two histories.
fn is_log(finding: &Finding) -> bool {
    match finding {
        Finding::File(_)
        | Finding::OutOfPlace { .. }
        | Finding::Bundle { .. }
        | Finding::TwoRoots { .. }
        | Finding::Split { .. }
        | Finding::NoSplit { .. }
        | Finding::TwoLeaves { .. }
        | Finding::Checkpoint { .. }
        | Finding::Root { .. }
        | Finding::Copy { .. }
        | Finding::Early { .. }
        | Finding::Again { .. }
        | Finding::Proof { .. }
        | Finding::Held { .. }
        | Finding::AfterEnd { .. }
        | Finding::Receipts { .. }
        | Finding::Uncovered { .. }
        | Finding::MissingLeaves { .. }
        | Finding::Policy(_) => true,
        Finding::Leaf { fault, .. } => !matches!(fault, LeafFault::Entry(_)),
        Finding::Frontier { what, .. } => matches!(what, Stated::Count),
        _ => false,
    }
}

/// V5: the author had the right, and wrote before the cut.
fn is_right(finding: &Finding) -> bool {
    match finding {
        Finding::Behind { .. } => true,
        Finding::Place { refusal, .. } => !matches!(refusal.rule(), 12 | 13 | 14 | 20 | 27),
        _ => false,
    }
}

/// V6: what nodes say that the entries add up to is what they add up to.
fn is_state(finding: &Finding) -> bool {
    matches!(finding, Finding::Frontier { what, .. } if !matches!(what, Stated::Count))
}
