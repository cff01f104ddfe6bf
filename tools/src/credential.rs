//! A member's contributions as a W3C Verifiable Credential 2.0, and its proof (eddsa-jcs-2022).
//!
//! The body says what an export adds up to; `talea-verify` makes it and has no key. Whoever signs
//! is its issuer, under the rules of the standard: over the SHA-256 hashes of the canonical (JCS)
//! proof options and body, with no string of ours before them. That is why
//! [`SecretKey::sign_credential`] hashes by itself: what it signs begins with a hash, which nobody
//! can make to look like the beginning of anything else that is signed.

use serde_json::{Value, json};
use talea_ledger::view::contributions::{Given, contributions};
use talea_protocol::charter::Member;
use talea_protocol::key::{DeviceKey, SecretKey};

use crate::amount::{show_day, show_time};
use crate::verify::{Audit, Sum};

/// The credential's contexts: the standard's, and the one that lets an issuer have terms of its own.
const CONTEXTS: [&str; 2] = [
    "https://www.w3.org/ns/credentials/v2",
    "https://www.w3.org/ns/credentials/undefined-terms/v2",
];
/// Multicodec of an Ed25519 public key.
const ED25519: [u8; 2] = [0xed, 0x01];
/// The largest integer that every reader of JSON has exactly (RFC 8785, section 3.2.2.3).
const INTEGER_MAX: u64 = 1 << 53;

/// Why there is no signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SigningFault {
    /// Another key's.
    #[error("the credential names another issuer than this key")]
    Issuer,
    /// No canonical form.
    #[error("the credential has a value that has no canonical form: use texts and whole numbers")]
    Canonical,
}

/// The credential of a member's contributions, unsigned. `None` without such a member or device.
#[must_use]
pub fn body(audit: &Audit, sum: &Sum, member: Member, issuer: &DeviceKey) -> Option<Value> {
    let subject = sum.register.devices_of(member).next()?.1.key;
    let mut given = contributions(&sum.state);
    given.retain(|it| it.author == member && it.livelihood + it.love + it.care > 0);
    let total = |part: fn(&Given) -> i64| -> i64 { given.iter().map(part).sum() };
    let days =
        given.iter().map(|it| it.act.begin).min().zip(given.iter().map(|it| it.act.end).max());
    let period = days.map(|(from, to)| format!("{}/{}", show_day(from), show_day(to)));
    let summary = audit.summary();
    Some(json!({
        "@context": CONTEXTS,
        "type": ["VerifiableCredential", "ContributionStatement"],
        "issuer": did(issuer),
        "validFrom": rfc3339(audit.shown.time),
        "credentialSubject": {
            "id": did(&subject),
            "cooperative": format!("urn:talea:{}", summary.cooperative),
            "cooperativeName": summary.name,
            "period": period,
            "contributions": given.len(),
            "livelihoodCreditsCenti": total(|it| it.livelihood),
            "loveCreditsCenti": total(|it| it.love),
            "careMinutes": total(|it| it.care),
            "quantities": quantities(&given),
            "node": summary.node.to_string(),
            "checkpointSize": summary.size,
            "checkpointRoot": summary.root.to_string(),
            "stateRoot": summary.state.map(|state| state.to_string()),
        },
    }))
}

/// What was given of each task, in its unit.
fn quantities(given: &[Given]) -> Value {
    let mut sums: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    for it in given {
        *sums.entry(it.act.task.to_string()).or_default() += it.act.quantity.value();
    }
    let item = |(task, quantity)| json!({ "task": task, "quantity": quantity });
    sums.into_iter().map(item).collect()
}

/// The credential with its proof. `created` is the time of signing, in ms since 1970 UTC.
///
/// # Errors
/// [`SigningFault`].
pub fn signed(body: &Value, key: &SecretKey, created: u64) -> Result<Value, SigningFault> {
    let issuer = did(&key.device());
    if body["issuer"] != issuer.as_str() {
        return Err(SigningFault::Issuer);
    }
    let name = issuer.trim_start_matches("did:key:");
    let mut proof = json!({
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": rfc3339(created),
        "verificationMethod": format!("{issuer}#{name}"),
        "proofPurpose": "assertionMethod",
        "@context": body["@context"],
    });
    let options = canonical(&proof).ok_or(SigningFault::Canonical)?;
    let text = canonical(body).ok_or(SigningFault::Canonical)?;
    let signature = key.sign_credential(options.as_bytes(), text.as_bytes());
    proof["proofValue"] = format!("z{}", bs58::encode(signature.0).into_string()).into();
    let mut whole = body.clone();
    whole["proof"] = proof;
    Ok(whole)
}

/// A device's key as a decentralized identifier (did:key).
#[must_use]
pub fn did(key: &DeviceKey) -> String {
    let bytes = [&ED25519[..], &key.0[..]].concat();
    format!("did:key:z{}", bs58::encode(bytes).into_string())
}

/// JSON by RFC 8785: sorted keys (by UTF-16 units), no blanks. Of numbers only whole ones up to
/// 2^53; `None` for others.
#[must_use]
pub fn canonical(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => serde_json::to_string(value).ok(),
        Value::Number(number) => {
            let size = number.as_i64().map(i64::unsigned_abs).or(number.as_u64())?;
            (size <= INTEGER_MAX).then(|| number.to_string())
        }
        Value::Array(all) => {
            let all: Option<Vec<String>> = all.iter().map(canonical).collect();
            Some(format!("[{}]", all?.join(",")))
        }
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_by_cached_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            let pair = |(name, value): &(&String, &Value)| {
                Some(format!("{}:{}", serde_json::to_string(name).ok()?, canonical(value)?))
            };
            let all: Option<Vec<String>> = sorted.iter().map(pair).collect();
            Some(format!("{{{}}}", all?.join(",")))
        }
    }
}

fn rfc3339(ms: u64) -> String {
    format!("{}Z", show_time(ms).replace(' ', "T"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_by_utf_16_and_fractions_have_no_form() {
        let value = json!({ "\u{fb33}": 1, "\u{1f600}": 2, "a": [true, null, "\u{8}\"é"] });
        let text = "{\"a\":[true,null,\"\\b\\\"é\"],\"\u{1f600}\":2,\"\u{fb33}\":1}";
        assert_eq!(canonical(&value).as_deref(), Some(text));
        assert_eq!(canonical(&json!(0.5)), None);
        assert_eq!(canonical(&json!(INTEGER_MAX + 1)), None);
    }

    #[test]
    fn who_signs_is_the_issuer() {
        let (key, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let body = json!({ "@context": CONTEXTS, "issuer": did(&key.device()) });
        assert!(signed(&body, &key, 0).is_ok());
        assert_eq!(signed(&body, &other, 0), Err(SigningFault::Issuer));
        assert!(did(&key.device()).starts_with("did:key:z6Mk"));
    }
}
