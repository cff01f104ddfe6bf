//! A charter file's way to the entry that founds, and what refuses it on the way.
//!
//! Founders consent one after another, so a charter is examined before the first of them signs:
//! as if all had. Rules 30 to 39 are the ledger's (`profile.rs` there); none is repeated here.

use talea_ledger::profile::Refusal as Unfit;
use talea_ledger::register::Register;
use talea_protocol::act::Act;
use talea_protocol::bytes::List;
use talea_protocol::charter::{Charter, Founder};
use talea_protocol::entry::{Header, Refusal};
use talea_protocol::key::{DeviceKey, Purpose, SecretKey};

use crate::charter_file::{CharterFault, CharterFile};
use crate::journal::{Draft, reading};

/// The author of a charter that names no founder: no key at all.
const NOBODY: DeviceKey = DeviceKey([0; 32]);

/// Why a charter file founds nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unfounded {
    /// The file is no charter.
    #[error(transparent)]
    File(#[from] CharterFault),
    /// The charter is no entry: rules 1 to 8.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The charter founds nothing: rules 30 to 39.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Founders have not consented, or to another text.
    #[error("rule 36: consent is missing of {}", handles.join(", "))]
    Consent {
        /// Their handles.
        handles: Vec<String>,
    },
}

/// The charter's entry by this device, at `time` ms since 1970 UTC. The salt binds the names.
///
/// # Errors
/// [`Unfounded::File`], [`Unfounded::Refused`].
pub fn draft(
    file: &CharterFile,
    device: Option<DeviceKey>,
    (time, salt): (u64, &[u8; 32]),
) -> Result<Draft, Unfounded> {
    let charter = file.charter()?;
    let device = device.or_else(|| charter.founders.first().map(|founder| founder.device));
    let header = Header::founding(device.unwrap_or(NOBODY), time);
    let words = file.words().payload();
    Ok(Draft::new(header, &Act::Charter(Box::new(charter)), Some((salt, &words)))?)
}

/// Asks every rule of a charter but the founders' consent.
///
/// # Errors
/// [`Unfounded`]: the first rule that is broken.
pub fn examine(file: &CharterFile) -> Result<(), Unfounded> {
    let charter = file.charter()?;
    match found(&charter) {
        Err(Unfounded::Unfit(Unfit::Consent { .. })) => found(&signed_by_stand_ins(charter)),
        other => other,
    }
}

/// Asks whether every founder has consented to what the file says now.
///
/// # Errors
/// [`Unfounded::Consent`].
pub fn consented(file: &CharterFile) -> Result<(), Unfounded> {
    let handles = file.missing()?;
    if handles.is_empty() { Ok(()) } else { Err(Unfounded::Consent { handles }) }
}

fn found(charter: &Charter) -> Result<(), Unfounded> {
    let device = charter.founders.first().map_or(NOBODY, |founder| founder.device);
    let act = Act::Charter(Box::new(charter.clone()));
    let draft = Draft::new(Header::founding(device, 0), &act, None)?;
    Register::found(&reading(draft.bytes())?)?;
    Ok(())
}

/// The same charter with keys that anybody can make, which have consented: rules 37 to 39 come
/// after 36, and are to be asked before there is a single consent.
fn signed_by_stand_ins(mut charter: Charter) -> Charter {
    let keys: Vec<SecretKey> = (0..charter.founders.len()).map(stand_in).collect();
    let renewed = |charter: &Charter, renew: &dyn Fn(&Founder, &SecretKey) -> Founder| {
        let founders = charter.founders.iter().zip(&keys).map(|(founder, key)| renew(founder, key));
        List::try_from(founders.collect::<Vec<_>>()).expect("as many as before")
    };
    charter.founders =
        renewed(&charter, &|founder, key| Founder { device: key.device(), ..founder.clone() });
    let hash = charter.founding_hash();
    charter.founders = renewed(&charter, &|founder, key| Founder {
        proof: key.sign(Purpose::Enrolment, &hash.0),
        ..founder.clone()
    });
    charter
}

fn stand_in(number: usize) -> SecretKey {
    let mut seed = [0; 32];
    for (place, byte) in seed.iter_mut().zip(number.to_le_bytes()) {
        *place = byte;
    }
    SecretKey::from_seed(&seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter_file::TEMPLATE;

    /// The template with devices that exist, and one more change.
    fn file(from: &str, to: &str) -> CharterFile {
        let mut text = TEMPLATE.replacen(from, to, 1);
        for n in 1..=3_u8 {
            let device = SecretKey::from_seed(&[n; 32]).device().to_string();
            text = text.replace(&format!("{:064}", 10 + n), &device);
            let node = SecretKey::from_seed(&[100 + n; 32]).node().to_string();
            text = text.replace(&format!("{n:064}"), &node);
        }
        CharterFile::parse(&text).unwrap()
    }

    fn refused(from: &str, to: &str) -> String {
        examine(&file(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn a_charter_that_founds_is_examined_before_anybody_consents() {
        let file = file("", "");
        examine(&file).unwrap();
        assert!(
            matches!(consented(&file), Err(Unfounded::Consent { handles }) if handles.len() == 3)
        );
    }

    #[test]
    fn the_first_broken_rule_is_named_on_either_side_of_the_consents() {
        assert!(refused("weight_bp = 6000", "weight_bp = 5999").starts_with("rule 31: "));
        assert!(refused("profile = \"none\"", "profile = \"fr-scic\"").starts_with("rule 32: "));
        assert!(refused("\nfaulty = 0", "\nfaulty = 1").starts_with("rule 33: "));
        assert!(refused("currency = \"EUR\"", "currency = \"eur\"").starts_with("rule 39: "));
        assert!(refused("kind = \"person\"", "kind = \"machine\"").starts_with("rule 38: "));
    }

    #[test]
    fn rule_6_an_amount_of_zero_is_named_with_its_field() {
        let words = refused("contribution_max = 100000", "contribution_max = 0");
        assert!(words.starts_with("rule 6: ") && words.ends_with("(contribution_max)"), "{words}");
    }
}
