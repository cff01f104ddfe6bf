//! The proof that a device has written twice in one place.
//!
//! Two signed headers are enough: an entry's signature is over its header and its act's hash, so
//! that the proof has the same few bytes whatever the acts are. What follows from it is the
//! ledger's business. Section 10 of the README; the design's model, section 7.

use serde::Serialize;

use crate::bytes::{Decode, Encode, Malformed, decode, encode};
use crate::entry::{SCHEME, SignedHeader, VERSION};
use crate::hash::EntryId;
use crate::key::{DeviceKey, verify_batch};

/// How the file of a proof begins.
pub const MAGIC: &[u8] = b"talea-fork-1\n";
/// Longest proof, in bytes: both headers with a payload.
const PROOF_BYTES_MAX: usize = 2 * (183 + 32 + 64);

/// Two statements of one device in one place of its chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Fork {
    /// The one with the lower id.
    pub one: SignedHeader,
    /// The one with the higher id.
    pub other: SignedHeader,
}

/// Why two signed headers prove nothing. Whoever shows them is at fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ForkFault {
    /// They are of two cooperatives, devices or places.
    #[error("the two headers are not in one place of one chain")]
    Place,
    /// One is of another version or scheme.
    #[error("a header is not of version {VERSION} and scheme {SCHEME}")]
    Version,
    /// They are the same, or not in the order of their ids.
    #[error("the two headers are one statement, or not in the order of their ids")]
    Order,
    /// One is not its device's.
    #[error("a signature is not the device's")]
    Signature,
}

impl Fork {
    /// The proof that two headers make, in the order of their ids.
    #[must_use]
    pub fn new(one: SignedHeader, other: SignedHeader) -> Self {
        if one.id() < other.id() { Self { one, other } } else { Self { one: other, other: one } }
    }

    /// Reads the file that carries a proof from hand to hand: [`MAGIC`], and the proof's encoding.
    ///
    /// # Errors
    /// [`Malformed`], the first reason found.
    pub fn read(file: &[u8]) -> Result<Self, Malformed> {
        let bytes = file.strip_prefix(MAGIC).ok_or(Malformed::Value("not a proof of a fork"))?;
        decode(bytes, PROOF_BYTES_MAX)
    }

    /// The file that carries this proof.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        [MAGIC, &encode(self)].concat()
    }

    /// Who has written twice.
    #[must_use]
    pub const fn device(&self) -> DeviceKey {
        self.one.header.device
    }

    /// In which place.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.one.header.seq
    }

    /// Whether one of the two is this.
    #[must_use]
    pub fn names(&self, id: &EntryId) -> bool {
        self.one.id() == *id || self.other.id() == *id
    }

    /// Checks that this is a proof, for this cooperative.
    ///
    /// # Errors
    /// [`ForkFault`], the first found.
    pub fn check(&self, cooperative: &EntryId) -> Result<(), ForkFault> {
        let place = |it: &SignedHeader| (it.cooperative(), it.header.device, it.header.seq);
        let here = (*cooperative, self.device(), self.seq());
        if place(&self.one) != here || place(&self.other) != here {
            return Err(ForkFault::Place);
        }
        let is_known =
            |it: &SignedHeader| (it.header.version, it.header.scheme) == (VERSION, SCHEME);
        if !is_known(&self.one) || !is_known(&self.other) {
            return Err(ForkFault::Version);
        }
        if self.one.id() >= self.other.id() {
            return Err(ForkFault::Order);
        }
        let verdicts = verify_batch(&[self.one.claim(), self.other.claim()]);
        if verdicts.iter().all(|good| *good) { Ok(()) } else { Err(ForkFault::Signature) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{Act, Attest};
    use crate::entry::{Header, Signed, sign};
    use crate::key::{Purpose, SecretKey};

    const COOPERATIVE: EntryId = EntryId([1; 32]);

    fn entry(seed: u8, seq: u64, named: u8) -> Signed {
        let key = SecretKey::from_seed(&[seed; 32]);
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: COOPERATIVE,
            device: key.device(),
            seq,
            prev: EntryId([2; 32]),
            basis: EntryId([3; 32]),
            time: 7,
            payload: None,
        };
        sign(&key, &header, &Act::Attest(Attest { contribution: EntryId([named; 32]) })).unwrap()
    }

    fn fork(one: &Signed, other: &Signed) -> Fork {
        Fork::new(one.signed_header(), other.signed_header())
    }

    #[test]
    fn two_acts_in_one_place_are_a_proof_in_either_order() {
        let (one, other) = (entry(9, 4, 5), entry(9, 4, 6));
        let proof = fork(&one, &other);
        assert_eq!(proof, fork(&other, &one));
        assert_eq!(proof.check(&COOPERATIVE), Ok(()));
        assert!(proof.names(&one.id()) && proof.names(&other.id()));
    }

    #[test]
    fn the_charters_place_can_be_forked_too() {
        let key = SecretKey::from_seed(&[9; 32]);
        let mut charter = entry(9, 0, 5).signed_header();
        (charter.header.cooperative, charter.header.basis) = (EntryId::ZERO, EntryId::ZERO);
        let statement = encode(&(charter.header, charter.act));
        charter.signature = key.sign(Purpose::Entry, &statement);
        let mut second = entry(9, 0, 6).signed_header();
        second.header.cooperative = charter.id();
        second.signature = key.sign(Purpose::Entry, &encode(&(second.header, second.act)));
        let proof = Fork::new(charter, second);
        assert_eq!(proof.check(&charter.id()), Ok(()));
        assert_eq!(proof.check(&COOPERATIVE), Err(ForkFault::Place));
    }

    #[test]
    fn a_file_carries_one_proof_and_nothing_after_it() {
        let proof = fork(&entry(9, 4, 5), &entry(9, 4, 6));
        let file = proof.file();
        assert_eq!(Fork::read(&file), Ok(proof));
        assert!(Fork::read(&file[1..]).is_err() && Fork::read(&file[..99]).is_err());
        assert!(Fork::read(&[file, vec![0]].concat()).is_err());
    }

    #[test]
    fn nothing_else_is_a_proof() {
        let one = entry(9, 4, 5);
        let place = Err(ForkFault::Place);
        assert_eq!(fork(&one, &entry(9, 5, 6)).check(&COOPERATIVE), place);
        assert_eq!(fork(&one, &entry(8, 4, 6)).check(&COOPERATIVE), place);
        assert_eq!(fork(&one, &entry(9, 4, 6)).check(&EntryId([2; 32])), place);
        assert_eq!(fork(&one, &one).check(&COOPERATIVE), Err(ForkFault::Order));
        let mut swapped = fork(&one, &entry(9, 4, 6));
        std::mem::swap(&mut swapped.one, &mut swapped.other);
        assert_eq!(swapped.check(&COOPERATIVE), Err(ForkFault::Order));
        let mut later = fork(&one, &entry(9, 4, 6));
        later.other.header.version += 1;
        assert_eq!(later.check(&COOPERATIVE), Err(ForkFault::Version));
        let mut forged = one.signed_header();
        forged.act.0[0] ^= 1;
        assert_eq!(
            Fork::new(one.signed_header(), forged).check(&COOPERATIVE),
            Err(ForkFault::Signature)
        );
    }
}
