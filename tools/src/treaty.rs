//! What two cooperatives' treasurers pass to each other: consents to an accord, balances, and what was
//! sent with its receipts.
//!
//! The first two are slips like those of `slip`. What was sent is a JSON file: `{"send": base64 of the
//! entry's bytes, "evidence": [{"node": its key, "receipt": text}, …]}`, the receipts of section 9 of
//! the protocol's README. Whether it counts is asked by the ledger, rules 142 to 149.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use talea_protocol::bytes::{List, Octets};
use talea_protocol::charter::ROSTER_MAX;
use talea_protocol::entry::Signed;
use talea_protocol::federation::{
    Accord, Balance, Countersign, SEND_BYTES_MAX, Statement, accordance, confirmation,
};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, Purpose, SecretKey, verify_for};
use talea_protocol::recovery::Evidence;

use crate::slip::{SlipFault, belongs, parse, render};

/// A consent to an accord.
#[must_use]
pub fn consent(accord: Accord, key: &SecretKey) -> Countersign {
    let signature = key.sign(Purpose::Accord, &accordance(&accord));
    Countersign { accord, device: key.device(), signature }
}

/// The slip with a consent to an accord.
#[must_use]
pub fn render_consent(countersign: &Countersign) -> String {
    render("accord", countersign)
}

/// Reads a consent to an accord that is this cooperative's.
///
/// # Errors
/// [`SlipFault`].
pub fn parse_consent(text: &str, own: EntryId) -> Result<Countersign, SlipFault> {
    let consent: Countersign = parse("accord", text)?;
    let Accord { one, other, .. } = consent.accord;
    if one != own {
        belongs(other, own)?;
    }
    let signed = accordance(&consent.accord);
    verify_for(Purpose::Accord, &consent.device, &consent.signature, &signed)
        .then_some(consent)
        .ok_or(SlipFault::Signature)
}

/// A word that these are the sums of both sides.
#[must_use]
pub fn confirm(balance: Balance, key: &SecretKey) -> Statement {
    let signature = key.sign(Purpose::Statement, &confirmation(&balance));
    Statement { balance, device: key.device(), signature }
}

/// The slip with such a word.
#[must_use]
pub fn render_statement(statement: &Statement) -> String {
    render("balance", statement)
}

/// Reads such a word; of which accord, the ledger asks.
///
/// # Errors
/// [`SlipFault`].
pub fn parse_statement(text: &str) -> Result<Statement, SlipFault> {
    let statement: Statement = parse("balance", text)?;
    let signed = confirmation(&statement.balance);
    verify_for(Purpose::Statement, &statement.device, &statement.signature, &signed)
        .then_some(statement)
        .ok_or(SlipFault::Signature)
}

/// What was sent, and the receipts for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parcel {
    send: String,
    evidence: Vec<Shown>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shown {
    node: NodeKey,
    receipt: String,
}

/// As an entry holds it: the send's bytes, and the receipts by node.
pub type Unpacked = (Octets<SEND_BYTES_MAX>, List<Evidence, ROSTER_MAX>);

impl Parcel {
    /// An entry with the receipts that nodes gave for it. What a receipt carries besides its proof is
    /// left out: the entry is here, and cosignatures are not looked at.
    #[must_use]
    pub fn new(send: &Signed, receipts: &[(NodeKey, Vec<u8>)]) -> Self {
        let shown = |(node, receipt): &(NodeKey, Vec<u8>)| {
            let text = String::from_utf8_lossy(receipt);
            let mut kept = String::new();
            for line in text.lines() {
                if !line.starts_with("extra ") && !line.starts_with("\u{2014} talea/node/") {
                    kept.push_str(line);
                    kept.push('\n');
                }
            }
            Shown { node: *node, receipt: kept }
        };
        let mut evidence: Vec<Shown> = receipts.iter().map(shown).collect();
        evidence.sort_by_key(|shown| shown.node);
        Self { send: STANDARD.encode(send.bytes()), evidence }
    }

    /// What is inside; nothing if that is too long for an entry or was changed on the way.
    #[must_use]
    pub fn open(&self) -> Option<Unpacked> {
        let send = Octets::new(STANDARD.decode(&self.send).ok()?)?;
        let evidence = self.evidence.iter().map(|shown| {
            let receipt = Octets::new(shown.receipt.clone().into_bytes())?;
            Some(Evidence { node: shown.node, receipt })
        });
        Some((send, List::new(evidence.collect::<Option<Vec<_>>>()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::bytes::{Code, Day, Quantity};
    use talea_protocol::federation::Turnover;
    use talea_protocol::hash::Hash;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    fn accord() -> Accord {
        Accord {
            one: EntryId([1; 32]),
            other: EntryId([2; 32]),
            reference: Code::try_from("AG1").unwrap(),
            unit: Code::try_from("EUR").unwrap(),
            limit: Quantity::new(40_000).unwrap(),
            from: Day::new(1).unwrap(),
            until: Day::new(2).unwrap(),
            text: Hash([0; 32]),
        }
    }

    #[test]
    fn a_consent_to_an_accord_is_for_its_two_sides_and_every_word_of_it() {
        let consent = consent(accord(), &key(1));
        let slip = render_consent(&consent);
        for side in [1, 2] {
            assert_eq!(parse_consent(&slip, EntryId([side; 32])), Ok(consent.clone()));
        }
        let elsewhere = parse_consent(&slip, EntryId([3; 32]));
        assert!(matches!(elsewhere, Err(SlipFault::Cooperative { .. })));
        let mut more = consent;
        more.accord.limit = Quantity::new(40_001).unwrap();
        let forged = parse_consent(&render_consent(&more), EntryId([1; 32]));
        assert_eq!(forged, Err(SlipFault::Signature));
    }

    #[test]
    fn a_balance_is_signed_to_the_unit() {
        let (one, other) = (Turnover { sent: 3, received: 0 }, Turnover { sent: 0, received: 3 });
        let date = Day::new(2).unwrap();
        let word = confirm(Balance { accord: accord().id(), date, one, other }, &key(1));
        assert_eq!(parse_statement(&render_statement(&word)), Ok(word.clone()));
        let mut more = word;
        more.balance.one.sent = 4;
        assert_eq!(parse_statement(&render_statement(&more)), Err(SlipFault::Signature));
    }
}
