//! What became of a submission, in the words of whoever submitted it.
//!
//! The number of the rule, the reason, and what to do next: the same over HTTP and over QUIC.

use talea_ledger::replica::Reply;
use talea_protocol::bytes::Text;
use talea_protocol::entry::Refusal as Unsound;
use talea_protocol::message::{DETAIL_BYTES_MAX, Reception};

use crate::order::RETRY_MS;

/// The number of the rule by which a submission is refused, if it is.
#[must_use]
pub const fn rule(reply: &Reply) -> Option<u16> {
    match reply {
        Reply::Refused(refusal) => Some(refusal.rule()),
        Reply::Unsound(unsound) => Some(unsound.rule()),
        Reply::Payload => Some(17),
        Reply::Ahead(_) => Some(23),
        Reply::UnknownAct(_) => Some(24),
        Reply::Placed(_) | Reply::Known(_) | Reply::Waiting(_) | Reply::Busy => None,
    }
}

/// Why it is refused, in words; empty if it is not.
#[must_use]
pub fn detail(reply: &Reply) -> String {
    match reply {
        Reply::Refused(refusal) => refusal.to_string(),
        Reply::Unsound(unsound) => unsound.to_string(),
        Reply::Payload => {
            "rule 17: the payload is not the one that the entry commits to".to_owned()
        }
        Reply::Ahead(ms) => {
            format!(
                "rule 23: the entry is dated {} s ahead of this node's clock",
                ms.div_ceil(1000)
            )
        }
        Reply::UnknownAct(tag) => {
            format!("rule 24: act {tag} is not known to this version, and is taken from no wallet")
        }
        Reply::Placed(_) | Reply::Known(_) | Reply::Waiting(_) | Reply::Busy => String::new(),
    }
}

/// What to do about a rule that was broken.
#[must_use]
pub const fn hint(rule: u16) -> &'static str {
    match rule {
        1 => "send the bytes of one entry, whole and alone",
        2 | 3 | 24 => "use a wallet and a node of the same release",
        4 | 5 => {
            "sign the entry again with a wallet of this release: its bytes were changed or cut"
        }
        6 => "amounts are whole numbers from 1 on: a correction is an act of its own",
        7 => "put long text into an attachment, and split long lists",
        8 => "sign the entry for its cooperative, with the charter's id",
        9 => "the bytes were changed on the way, or another key signed: sign it again",
        10 => "check the cooperative's id, or ask a node that keeps it; talea node host makes one",
        11 => "wait: the register entry that it names has not come here yet",
        12 => "the registrar must enrol this device first; then name a register entry from then on",
        13 | 20 => {
            "this device has signed another entry for this place: bring the wallet's chain up to \
             date before it signs again, and never use one key in two places"
        }
        14 => "name the newest register entry that you know: it never goes back",
        15 => "bring the register up to date, and sign the entry again on top of it",
        16 => "give the draft to the registrar",
        17 => "send the very payload and salt that were committed to, or none",
        23 => "set this device's clock, or send the entry again when its time has come",
        30..=39 => "correct the charter: nothing was founded",
        _ => "the rules are explained in the README of the ledger",
    }
}

/// What a peer or a wallet is told over QUIC.
#[must_use]
pub fn reception(reply: &Reply) -> Reception {
    match reply {
        Reply::Placed(index) => Reception::Placed(*index),
        Reply::Known(index) => Reception::Known(*index),
        Reply::Waiting(entry) => Reception::Waiting(*entry),
        Reply::Busy => Reception::Busy(RETRY_MS),
        Reply::Refused(_)
        | Reply::Unsound(_)
        | Reply::Payload
        | Reply::Ahead(_)
        | Reply::UnknownAct(_) => {
            let rule = rule(reply).unwrap_or_default();
            Reception::Refused { rule, detail: explained(&detail(reply), rule) }
        }
    }
}

/// What is told of bytes that are no entry.
#[must_use]
pub fn unsound(unsound: &Unsound) -> Reception {
    let rule = unsound.rule();
    Reception::Refused { rule, detail: explained(&unsound.to_string(), rule) }
}

/// Reason and remedy, cut to what a message takes.
fn explained(detail: &str, rule: u16) -> Text<DETAIL_BYTES_MAX> {
    let mut text = format!("{detail}\n{}", hint(rule));
    while text.len() > DETAIL_BYTES_MAX {
        text.pop();
    }
    Text::try_from(text).unwrap_or_else(|_| no_text())
}

fn no_text() -> Text<DETAIL_BYTES_MAX> {
    Text::try_from(String::new()).expect("the empty text has no control character")
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::hash::EntryId;

    #[test]
    fn a_refusal_names_its_rule_its_reason_and_a_remedy() {
        for reply in [
            Reply::Unsound(Unsound::Signature),
            Reply::Refused(talea_ledger::place::Refusal::Cooperative { named: EntryId([1; 32]) }),
            Reply::Payload,
            Reply::Ahead(700_000),
            Reply::UnknownAct(900),
        ] {
            let Reception::Refused { rule, detail } = reception(&reply) else {
                panic!("{reply:?}")
            };
            let words = format!("rule {rule}: ");
            assert!(detail.as_str().starts_with(&words), "{}", detail.as_str());
            assert!(detail.as_str().ends_with(hint(rule)), "{}", detail.as_str());
        }
    }
}
