//! Signatures that only cofactored verification accepts, and a judge that does not agree with itself.
//!
//! Whoever knows a key can sign with a commitment that has a small-order part. ZIP 215 accepts
//! that, alone or in a batch. Verification without the cofactor refuses it alone, and in a batch
//! accepts it once in eight times, depending on what else is in the batch (reliability, section 1).

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use curve25519_dalek::traits::{Identity, IsIdentity};
use sha2::{Digest, Sha512};
use talea_protocol::act::Act;
use talea_protocol::entry::{Entry, Header, statement, unsigned};
use talea_protocol::key::{Purpose, SecretKey};

fn wide(parts: &[&[u8]]) -> Scalar {
    let mut hasher = Sha512::new();
    parts.iter().for_each(|part| hasher.update(part));
    Scalar::from_bytes_mod_order_wide(&hasher.finalize().into())
}

/// Signs an act so that the commitment has a part of order eight.
pub(super) fn sign(key: &SecretKey, header: &Header, act: &Act) -> Entry {
    let mut bytes = unsigned(header, act);
    let message = Purpose::Entry.message(&statement(&bytes).expect("a header comes first"));
    let expanded = Sha512::digest(key.seed());
    let (low, high) = expanded.split_at(32);
    let secret = clamp_integer(low.try_into().expect("32 bytes"));
    let secret = Scalar::from_bytes_mod_order(secret);
    let nonce = wide(&[high, &message]);
    let commitment = EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[1];
    let commitment = commitment.compress();
    let challenge = wide(&[commitment.as_bytes(), &key.device().0, &message]);
    let answer = nonce + challenge * secret;
    bytes.extend_from_slice(commitment.as_bytes());
    bytes.extend_from_slice(answer.as_bytes());
    Entry::parse(bytes).expect("an entry")
}

/// What is left of the equation without the cofactor: the identity, or of small order, if the
/// signature is good under ZIP 215.
fn rest(entry: &Entry) -> Option<EdwardsPoint> {
    let (said, signature) = entry.bytes().split_last_chunk::<64>()?;
    let (commitment, answer) = signature.split_first_chunk::<32>()?;
    let key = CompressedEdwardsY(entry.header().device.0).decompress()?;
    let point = CompressedEdwardsY(*commitment).decompress()?;
    let answer = Option::<Scalar>::from(Scalar::from_canonical_bytes(answer.try_into().ok()?))?;
    let message = Purpose::Entry.message(&statement(said)?);
    let challenge = wide(&[commitment, &entry.header().device.0, &message]);
    Some(EdwardsPoint::mul_base(&answer) - point - key * challenge)
}

/// The verdict on each of a batch, as of a judge who asks the batch without the cofactor first and,
/// if that fails, each alone, likewise. `salt` stands for the judge's own random numbers.
pub(super) fn judge_without_cofactor(entries: &[Entry], salt: u64) -> Vec<bool> {
    let rests: Vec<Option<EdwardsPoint>> = entries.iter().map(rest).collect();
    let weighed = |(place, rest): (usize, &Option<EdwardsPoint>)| {
        let weight = wide(&[&salt.to_le_bytes(), &super::number(place).to_le_bytes()]);
        rest.map(|rest| rest * weight)
    };
    let nothing: EdwardsPoint = Identity::identity();
    let mut parts = rests.iter().enumerate().map(weighed);
    let sum = parts.try_fold(nothing, |sum, part| part.map(|part| sum + part));
    if sum.is_some_and(|sum| sum.is_identity()) {
        return vec![true; entries.len()];
    }
    rests.iter().map(|rest| rest.is_some_and(|rest| rest.is_identity())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::act::Attest;
    use talea_protocol::entry::{SCHEME, VERSION, check};
    use talea_protocol::hash::EntryId;

    fn entries(count: u64) -> Vec<Entry> {
        let key = SecretKey::from_seed(&[9; 32]);
        let entry = |seq| {
            let header = Header {
                version: VERSION,
                scheme: SCHEME,
                cooperative: EntryId([1; 32]),
                device: key.device(),
                seq,
                prev: EntryId::ZERO,
                basis: EntryId([1; 32]),
                time: 7,
                payload: None,
            };
            sign(&key, &header, &Act::Attest(Attest { contribution: EntryId([4; 32]) }))
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn the_real_judge_accepts_all_alone_and_together() {
        let all = entries(9);
        assert!(check(all.clone()).iter().all(Result::is_ok));
        assert!(all.into_iter().all(|entry| check(vec![entry])[0].is_ok()));
    }

    #[test]
    fn the_judge_without_cofactor_says_yes_and_no() {
        let all = entries(3);
        let verdicts: Vec<bool> =
            (0..60).map(|salt| judge_without_cofactor(&all, salt)[0]).collect();
        assert!(verdicts.contains(&true) && verdicts.contains(&false));
    }
}
