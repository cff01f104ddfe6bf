//! What to do about a rule that is broken, said to whoever sits at the command line.
//!
//! Only rules 1 to 39 are here, by which an entry is refused; what is void says itself what it
//! lacks. The rules are numbered in the READMEs of `protocol` (section 8) and `ledger` (section 2).

use talea_protocol::bytes::{AMOUNT_REASON, Malformed};
use talea_protocol::entry::Refusal;

/// What to do next about the rule of this number.
#[must_use]
pub const fn next(rule: u16) -> &'static str {
    match rule {
        1 => {
            "give the bytes of one entry, whole and alone, as `talea show --bytes FILE` writes them"
        }
        2 | 3 | 24 => "use a talea of the release that made the entry",
        4 | 5 => {
            "the bytes were changed or cut on the way, or made by another program: ask for them again"
        }
        6 => {
            "amounts are whole numbers from 1 on, in the smallest unit: a correction is an act of its own"
        }
        7 => "say it in fewer words, or in several entries",
        8 => "have it signed for its cooperative; a charter is founded with `talea found`",
        9 => {
            "the bytes were changed on the way, or another key signed: ask whoever signed it to send it again"
        }
        10 => "choose its cooperative with --coop, or add that with `talea join ID --node ADDRESS`",
        12 => {
            "ask the registrar to let this device in (`talea request`), then `talea fetch`, and sign again"
        }
        13 | 20 => {
            "another entry was signed for this place: run `talea fetch`, then sign again, and never \
             use one key in two places"
        }
        14 | 15 => "run `talea fetch`, which brings the register up to date, and sign it again",
        16 => "ask the registrar to state it",
        17 => "give the very payload and salt that the entry commits to, or none",
        21 => {
            "sign no more with this device: ask the registrar to heal its chain, or to enrol another"
        }
        22 => "it is ended there: ask the registrar to enrol another device",
        25..=27 => "run `talea fetch`, and state it again once the nodes hold what it rests on",
        28 => {
            "what was signed is kept: `talea send` it again once the nodes have settled the decision"
        }
        23 => "set the clock of the machine that signed, or send it again when its time has come",
        30 => "use a talea of the release that made the charter",
        31 => "change the colleges' weight_bp so that they add up to 10000",
        32 => "change what the rule names, or choose profile = \"none\"",
        33 => "name other nodes, or another quorum: 2q > n + f and q + f <= n",
        34 | 38 | 39 => "change the charter file; `talea charter template` explains every key",
        35 => "each founder makes a key with `talea keys new`",
        36 => {
            "have each founder run `talea charter consent` on the file as it is now, and add the proofs"
        }
        37 => "a founder founds, with the key that the file names",
        _ => "the README of the ledger explains the rules by their numbers",
    }
}

/// The rule that a value breaks which no entry can hold.
#[must_use]
pub fn refusal(value: Malformed) -> Refusal {
    match value {
        Malformed::NotCanonical => Refusal::NotCanonical,
        Malformed::Value(AMOUNT_REASON) => Refusal::Amount,
        Malformed::Value(_) | Malformed::TooLong { .. } => Refusal::Value(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::bytes::Quantity;

    #[test]
    fn rule_6_is_named_for_what_is_no_amount_and_rule_4_for_other_values() {
        assert_eq!(refusal(Quantity::new(0).unwrap_err()), Refusal::Amount);
        assert_eq!(refusal(Malformed::Value("a day")).rule(), 4);
        assert_eq!(refusal(Malformed::TooLong { length: 17, max: 16 }).rule(), 4);
    }

    #[test]
    fn every_rule_that_refuses_has_its_own_advice() {
        let none = next(0);
        for rule in (1..=39).filter(|rule| !matches!(rule, 11 | 18 | 19 | 29)) {
            assert_ne!(next(rule), none, "rule {rule}");
        }
    }
}
