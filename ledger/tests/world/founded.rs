//! Charters that are nearly right, and by which rule they found nothing.

use talea_ledger::profile::Refusal;
use talea_ledger::register::Register;
use talea_protocol::charter::Charter;

use super::{bp, charter, consented, founding, list};

/// The rule by which a charter is refused; 0 if it founds a cooperative.
pub fn refused(charter: Charter) -> u16 {
    Register::found(&founding(charter, 1)).err().map_or(0, |refusal: Refusal| refusal.rule())
}

pub fn changed(change: impl FnOnce(&mut Charter)) -> u16 {
    let mut charter = charter();
    change(&mut charter);
    refused(consented(charter))
}

pub fn weights(charter: &mut Charter, weights: &[u16]) {
    let colleges = charter.colleges.iter().zip(weights);
    charter.colleges = list(colleges.map(|(college, weight)| talea_protocol::charter::College {
        weight: bp(*weight),
        ..college.clone()
    }));
}
