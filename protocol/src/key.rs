//! Suite 1: Ed25519 with one verdict for everybody.
//!
//! `ed25519-dalek` makes keys and signs; `ed25519-zebra` (ZIP 215) is the only judge, for one
//! signature and for many, so that a batch and a single check agree by construction. A key is
//! examined once, when it is enrolled. Section 3 of the README; reliability, section 1.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::traits::IsIdentity;
use ed25519_dalek::Signer;
use ed25519_zebra::{VerificationKeyBytes, batch};
use rand_core::{TryCryptoRng, TryRng};

use crate::bytes::{Decode, Encode, Malformed, bytes32, from_hex, hex};
use crate::hash::Context;

bytes32! {
    /// A device's public key. One device is one chain.
    DeviceKey
}
bytes32! {
    /// A node's public key: its name to its peers, to its roster and in its log.
    NodeKey
}

/// An Ed25519 signature.
#[derive(
    Clone,
    Copy,
    Debug,
    Eq,
    Ord,
    PartialEq,
    PartialOrd,
    Encode,
    Decode,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Signature(pub [u8; 64]);

impl TryFrom<String> for Signature {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        from_hex(&text).map(Self)
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> String {
        hex(&signature.0)
    }
}

/// What a signature is for. Its string begins the signed bytes, and none begins another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// An entry: its header and the hash of its act.
    Entry,
    /// A founder's or an applicant's consent and proof that the key is theirs.
    Enrolment,
    /// A sponsor's or another device's approval of an enrolment.
    Approval,
    /// A member's countersignature under a subscription of shares.
    Subscription,
    /// A wallet's request to a node.
    Request,
    /// A word against a device that is lost or stolen.
    Revocation,
    /// A member's choice of who may restore its right to enrol.
    Guardians,
    /// A member's word that it leaves.
    Departure,
    /// A member's call for another registrar.
    Succession,
    /// A member's countersignature under a redemption of shares.
    Redemption,
}

impl Purpose {
    /// The bytes that come first in what is signed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "talea entry v2\n",
            Self::Enrolment => "talea enrolment v1\n",
            Self::Approval => "talea approval v1\n",
            Self::Subscription => "talea subscription v1\n",
            Self::Request => "talea request v1\n",
            Self::Revocation => "talea revocation v1\n",
            Self::Guardians => "talea guardians v1\n",
            Self::Departure => "talea departure v1\n",
            Self::Succession => "talea succession v1\n",
            Self::Redemption => "talea redemption v1\n",
        }
    }

    /// The bytes that are signed for this purpose.
    #[must_use]
    pub fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.as_str().as_bytes(), bytes].concat()
    }
}

/// Why a key cannot be enrolled.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyFault {
    /// The bytes name no point, or are a second encoding of one.
    #[error("not the canonical encoding of a curve point")]
    Encoding,
    /// The point has a small-order part, so that several keys would share signatures.
    #[error("not a point of the prime-order group")]
    Torsion,
}

/// Examines a key: canonical, not the identity, torsion-free. Asked once, at enrolment.
///
/// # Errors
/// [`KeyFault`].
pub fn examine(key: &[u8; 32]) -> Result<(), KeyFault> {
    let point = CompressedEdwardsY(*key).decompress().ok_or(KeyFault::Encoding)?;
    if point.compress().0 != *key {
        return Err(KeyFault::Encoding);
    }
    if point.is_identity() || !point.is_torsion_free() {
        return Err(KeyFault::Torsion);
    }
    Ok(())
}

/// A secret key. Neither shown nor copied; wiped when dropped.
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// The key of this seed. Whoever calls is responsible for the seed's randomness.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for an encrypted key file.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half, as a device.
    #[must_use]
    pub fn device(&self) -> DeviceKey {
        DeviceKey(self.0.verifying_key().to_bytes())
    }

    /// The public half, as a node.
    #[must_use]
    pub fn node(&self) -> NodeKey {
        NodeKey(self.0.verifying_key().to_bytes())
    }

    /// Signs bytes for a purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, bytes: &[u8]) -> Signature {
        self.sign_raw(&purpose.message(bytes))
    }

    /// Signs the text of a note or a cosignature, whose own first line keeps it apart.
    pub(crate) fn sign_raw(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// Whether `signature` is `key`'s under `message`, by ZIP 215 with suite 1's additional rule on R.
#[must_use]
pub fn verify(key: &[u8; 32], signature: &Signature, message: &[u8]) -> bool {
    item(key, signature, message).is_some_and(|check| check.verify_single().is_ok())
}

/// Whether `signature` was made with `key` for `purpose` over `bytes`.
#[must_use]
pub fn verify_for(purpose: Purpose, key: &DeviceKey, signature: &Signature, bytes: &[u8]) -> bool {
    verify(&key.0, signature, &purpose.message(bytes))
}

/// One signature to be checked with others.
pub struct Claim(Option<Item>);

struct Item {
    check: batch::Item,
    /// Key, signature and a hash of the message: all that the equation depends on.
    transcript: [u8; 128],
}

impl Claim {
    /// Hashes the message, so that it need not be kept.
    #[must_use]
    pub fn new(key: &[u8; 32], signature: &Signature, message: &[u8]) -> Self {
        Self(item(key, signature, message).map(|check| {
            let mut transcript = [0; 128];
            let digest = Context::Batch.hash(&[message]).0;
            let parts = key.iter().chain(&signature.0).chain(&digest);
            for (to, from) in transcript.iter_mut().zip(parts) {
                *to = *from;
            }
            Item { check, transcript }
        }))
    }
}

/// The verdict on each claim, the same as each alone would get, by batches.
///
/// A failed batch is halved until the bad signatures stand alone; the single verdict is final.
#[must_use]
pub fn verify_batch(claims: &[Claim]) -> Vec<bool> {
    let mut verdicts: Vec<bool> = claims.iter().map(|claim| claim.0.is_some()).collect();
    let shaped: Vec<(usize, &Item)> =
        claims.iter().enumerate().filter_map(|(i, claim)| Some((i, claim.0.as_ref()?))).collect();
    bisect(&shaped, &mut |index| {
        if let Some(verdict) = verdicts.get_mut(index) {
            *verdict = false;
        }
    });
    verdicts
}

fn bisect(items: &[(usize, &Item)], refuse: &mut impl FnMut(usize)) {
    match items {
        [] => {}
        [(index, item)] => {
            if item.check.clone().verify_single().is_err() {
                refuse(*index);
            }
        }
        _ if together(items) => {}
        _ => {
            let (left, right) = items.split_at(items.len() / 2);
            bisect(left, refuse);
            bisect(right, refuse);
        }
    }
}

fn together(items: &[(usize, &Item)]) -> bool {
    let mut verifier = batch::Verifier::new();
    let mut transcript = Context::Batch.hasher();
    for (_, item) in items {
        transcript.update(&item.transcript);
        verifier.queue(item.check.clone());
    }
    verifier.verify(Coefficients(transcript.finalize_xof())).is_ok()
}

/// Suite 1's shape; that s is below the group order is zebra's own check.
fn item(key: &[u8; 32], signature: &Signature, message: &[u8]) -> Option<batch::Item> {
    let signature = ed25519_zebra::Signature::from(signature.0);
    is_canonical_and_large(signature.r_bytes())
        .then(|| batch::Item::from((VerificationKeyBytes::from(*key), signature, message)))
}

/// Whether these bytes are neither a second encoding of a point nor a point of small order.
///
/// Told from the y coordinate alone, without a square root: an encoding is not canonical if
/// y >= p, or if x is zero and its sign bit set; the points of small order have the y of
/// [`SMALL_ORDER_Y`], and those with x = 0 are among them.
fn is_canonical_and_large(point: &[u8; 32]) -> bool {
    let mut y = *point;
    y[31] &= 0x7f;
    let below_p = y.iter().rev().cmp(P.iter().rev()).is_lt();
    below_p && !SMALL_ORDER_Y.contains(&y)
}

/// 2^255 - 19, little-endian.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// The y coordinates of the eight points of small order, little-endian (RFC 8032 names the curve;
/// the list is checked against the curve library's in the tests).
const SMALL_ORDER_Y: [[u8; 32]; 5] = {
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = P;
    minus_one[0] = 0xec;
    [
        [0; 32],
        one,
        minus_one,
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ]
};

/// The coefficients of a batch, drawn from a hash of all that the batch checks.
///
/// Whoever wants signatures that cancel out must fix them before the coefficients are known: the
/// argument of Fiat and Shamir. So the core needs no source of randomness.
struct Coefficients(blake3::OutputReader);

impl TryRng for Coefficients {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Coefficients {}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::scalar::Scalar;

    fn secret(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    #[test]
    fn the_list_of_small_order_is_the_curves() {
        for point in EIGHT_TORSION {
            assert!(!is_canonical_and_large(&point.compress().0));
            assert!(
                examine(&point.compress().0).is_err(),
                "a key of small order is never enrolled"
            );
        }
        for n in 0..19 {
            let mut y = P;
            y[0] += n;
            assert!(!is_canonical_and_large(&y));
            y[31] |= 0x80;
            assert!(!is_canonical_and_large(&y));
        }
        assert!(is_canonical_and_large(&secret(1).device().0));
    }

    #[test]
    fn a_key_with_a_torsion_part_is_not_enrolled() {
        assert_eq!(examine(&secret(1).device().0), Ok(()));
        let mixed =
            CompressedEdwardsY(secret(1).device().0).decompress().unwrap() + EIGHT_TORSION[1];
        assert_eq!(examine(&mixed.compress().0), Err(KeyFault::Torsion));
        assert_eq!(examine(&[0xff; 32]), Err(KeyFault::Encoding));
    }

    #[test]
    fn a_second_s_for_one_signature_is_refused() {
        // Fails if the curve library is built with `legacy_compatibility`.
        let key = secret(3);
        let mut signature = key.sign(Purpose::Entry, b"x");
        assert!(verify_for(Purpose::Entry, &key.device(), &signature, b"x"));
        let order = (Scalar::ZERO - Scalar::ONE).to_bytes();
        let mut carry = 1_u16;
        for (to, add) in signature.0[32..].iter_mut().zip(order) {
            let sum = u16::from(*to) + u16::from(add) + carry;
            *to = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert!(!verify_for(Purpose::Entry, &key.device(), &signature, b"x"));
    }

    #[test]
    fn only_the_purpose_it_was_made_for_accepts_a_signature() {
        let all = [
            Purpose::Entry,
            Purpose::Enrolment,
            Purpose::Approval,
            Purpose::Subscription,
            Purpose::Request,
        ];
        let key = secret(2);
        for made in all {
            let signature = key.sign(made, b"same bytes");
            for asked in all {
                let verdict = verify_for(asked, &key.device(), &signature, b"same bytes");
                assert_eq!(verdict, made == asked);
            }
        }
    }

    #[test]
    fn a_batch_names_exactly_the_bad_ones() {
        let mut claims = Vec::new();
        let mut expected = Vec::new();
        for n in 0..100_u8 {
            let key = secret(n % 7);
            let signature = key.sign(Purpose::Entry, &[n]);
            let bad = n % 13 == 5;
            claims.push(Claim::new(
                &key.device().0,
                &signature,
                &Purpose::Entry.message(&[if bad { n + 1 } else { n }]),
            ));
            expected.push(!bad);
        }
        assert_eq!(verify_batch(&claims), expected);
    }
}
