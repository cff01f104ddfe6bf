//! One device's signed statement, and the two steps from bytes to trust.
//!
//! bytes -[`Entry::parse`]-> [`Entry`] -[`check`]-> [`Signed`]
//!
//! Nothing here looks at a second entry: places, membership and balances are the ledger's
//! business. The layout is section 4 of the README, and the rules 1 to 9 too; a changed
//! byte is a new version.

use serde::Serialize;

use crate::act::{ACT_BYTES_MAX, Act, Content};
use crate::bytes::{
    AMOUNT_REASON, Decode, Encode, Malformed, STRUCTURE_BYTES_MAX, decode_prefix, encode,
};
use crate::hash::{Context, EntryId, Hash};
use crate::key::{Claim, DeviceKey, Purpose, SecretKey, Signature, verify_batch};

/// This version of the entry's layout.
pub const VERSION: u8 = 2;
/// Ed25519 under suite 1. 2 is reserved for FIDO ssh keys, 3 for ML-DSA-44.
pub const SCHEME: u8 = 1;
/// Longest entry with its signature, in bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Longest payload, in bytes: with its salt and its names it fits one frame of 256 KiB.
pub const PAYLOAD_BYTES_MAX: usize = 255 * 1024;
/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 64;
/// Bytes of a header with a payload.
const HEADER_BYTES_MAX: usize = 1 + 1 + 32 + 32 + 8 + 32 + 32 + 8 + 1 + COMMITMENT_BYTES;
/// Bytes of a commitment.
const COMMITMENT_BYTES: usize = 36;
const _: () = assert!(HEADER_BYTES_MAX + ACT_BYTES_MAX + SIGNATURE_BYTES <= ENTRY_BYTES_MAX);
const _: () = assert!(ENTRY_BYTES_MAX <= STRUCTURE_BYTES_MAX);

/// Binds erasable bytes to an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Commitment {
    /// BLAKE3 under [`Context::Payload`] over the 32-byte salt and the payload.
    pub hash: Hash,
    /// Bytes of the payload.
    pub length: u32,
}

impl Commitment {
    /// Commits to a payload.
    #[must_use]
    pub fn new(salt: &[u8; 32], payload: &[u8]) -> Option<Self> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return None;
        }
        let length = u32::try_from(payload.len()).ok()?;
        Some(Self { hash: Context::Payload.hash(&[salt, payload]), length })
    }

    /// Whether this is the payload.
    #[must_use]
    pub fn binds(&self, salt: &[u8; 32], payload: &[u8]) -> bool {
        Self::new(salt, payload) == Some(*self)
    }
}

/// What every entry says before its act.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u8,
    /// [`SCHEME`].
    pub scheme: u8,
    /// The charter's id; zero in a charter.
    pub cooperative: EntryId,
    /// The author's key.
    pub device: DeviceKey,
    /// Place in this device's chain, from 0.
    pub seq: u64,
    /// Id of the chain's entry before; zero at place 0.
    pub prev: EntryId,
    /// Id of the newest register entry that the author acts under; zero in a charter.
    pub basis: EntryId,
    /// The author's clock, in ms since 1970 UTC: a claim, never evidence.
    pub time: u64,
    /// Erasable bytes beside the entry.
    pub payload: Option<Commitment>,
}

impl Header {
    /// What a charter says before its act: it founds what others name, and names nothing. `time` is
    /// in ms since 1970 UTC.
    #[must_use]
    pub const fn founding(device: DeviceKey, time: u64) -> Self {
        let (cooperative, prev, basis) = (EntryId::ZERO, EntryId::ZERO, EntryId::ZERO);
        let (version, scheme, seq, payload) = (VERSION, SCHEME, 0, None);
        Self { version, scheme, cooperative, device, seq, prev, basis, time, payload }
    }
}

/// Why bytes are not an entry, or an entry is not its device's. Final, and the same everywhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Rule 1: length.
    #[error("rule 1: {length} bytes are not an entry (at most {ENTRY_BYTES_MAX})")]
    Length {
        /// Bytes given.
        length: usize,
    },
    /// Rule 2: version.
    #[error("rule 2: version {version} of the entry's layout is not known here")]
    Version {
        /// The version named.
        version: u8,
    },
    /// Rule 3: signature scheme.
    #[error("rule 3: signature scheme {scheme} is not known here")]
    Scheme {
        /// The scheme named.
        scheme: u8,
    },
    /// Rule 4: values.
    #[error("rule 4: {0}")]
    Value(Malformed),
    /// Rule 5: one encoding.
    #[error("rule 5: the bytes are not the one encoding of what they say")]
    NotCanonical,
    /// Rule 6: amounts.
    #[error("rule 6: {AMOUNT_REASON}")]
    Amount,
    /// Rule 7: limits of act and payload.
    #[error(
        "rule 7: an act of {act} and a payload of {payload} bytes (at most {ACT_BYTES_MAX} and {PAYLOAD_BYTES_MAX})"
    )]
    Limit {
        /// Bytes of the act.
        act: usize,
        /// Bytes of the payload.
        payload: u32,
    },
    /// Rule 8: a charter, and only a charter, has no cooperative, no basis and place 0.
    #[error("rule 8: only a charter is entry 0 of nothing, and it is nothing else")]
    Root,
    /// Rule 9: signature.
    #[error("rule 9: the signature is not this device's under these bytes")]
    Signature,
}

impl Refusal {
    /// The rule's number, the same in the README, over HTTP and at the command line.
    #[must_use]
    pub const fn rule(&self) -> u16 {
        match self {
            Self::Length { .. } => 1,
            Self::Version { .. } => 2,
            Self::Scheme { .. } => 3,
            Self::Value(_) => 4,
            Self::NotCanonical => 5,
            Self::Amount => 6,
            Self::Limit { .. } => 7,
            Self::Root => 8,
            Self::Signature => 9,
        }
    }
}

/// A statement with the right shape. Whose it is has not been asked yet.
///
/// It is handed from thread to thread and from list to list: its parts stay where they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry(Box<Parts>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Parts {
    bytes: Vec<u8>,
    id: EntryId,
    header: Header,
    /// Hash of the act's bytes.
    act: Hash,
    content: Content,
    signature: Signature,
}

impl Entry {
    /// Reads the received bytes, which stay the entry's bytes for ever.
    ///
    /// # Errors
    /// [`Refusal`], rules 1 to 8, the first broken.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Refusal> {
        let length = bytes.len();
        if length > ENTRY_BYTES_MAX {
            return Err(Refusal::Length { length });
        }
        let (unsigned, signature) =
            bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(Refusal::Length { length })?;
        match unsigned {
            // A version alone ends early, which the decoder says.
            [VERSION] | [VERSION, SCHEME, ..] => {}
            [VERSION, scheme, ..] => return Err(Refusal::Scheme { scheme: *scheme }),
            [version, ..] => return Err(Refusal::Version { version: *version }),
            [] => return Err(Refusal::Length { length }),
        }
        let (header, used) = decode_prefix::<Header>(unsigned, ENTRY_BYTES_MAX).map_err(refusal)?;
        let act = unsigned.get(used..).unwrap_or_default();
        let payload = header.payload.map_or(0, |payload| payload.length);
        let long = usize::try_from(payload).is_ok_and(|length| length > PAYLOAD_BYTES_MAX);
        if act.len() > ACT_BYTES_MAX || long {
            return Err(Refusal::Limit { act: act.len(), payload });
        }
        let content = Content::parse(act).map_err(refusal)?;
        if is_root(&header) != matches!(content, Content::Known(Act::Charter(_))) {
            return Err(Refusal::Root);
        }
        let act = Context::Act.hash(&[act]);
        let signature = Signature(*signature);
        let id = [unsigned.get(..used).unwrap_or_default(), &act.0];
        let id = EntryId(Context::Entry.hash(&id).0);
        Ok(Self(Box::new(Parts { bytes, id, header, act, content, signature })))
    }

    /// The statement's name.
    #[must_use]
    pub const fn id(&self) -> EntryId {
        self.0.id
    }

    /// What comes before the act.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.0.header
    }

    /// The act, or the tag of one that this version does not know.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.0.content
    }

    /// The received bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The cooperative that it belongs to: its own id if it is a charter.
    #[must_use]
    pub fn cooperative(&self) -> EntryId {
        let Parts { id, header, .. } = &*self.0;
        if is_root(header) { *id } else { header.cooperative }
    }

    /// Prepares the signature's check, so that many can be checked together.
    #[must_use]
    pub fn claim(&self) -> Claim {
        let Parts { bytes, header, act, signature, .. } = &*self.0;
        let bare = header.payload.map_or(HEADER_BYTES_MAX - COMMITMENT_BYTES, |_| HEADER_BYTES_MAX);
        let statement = [bytes.get(..bare).unwrap_or_default(), &act.0].concat();
        Claim::new(&header.device.0, signature, &Purpose::Entry.message(&statement))
    }

    /// The entry without its act: what is signed, and the signature.
    #[must_use]
    pub fn signed_header(&self) -> SignedHeader {
        let Parts { header, act, signature, .. } = &*self.0;
        SignedHeader { header: *header, act: *act, signature: *signature }
    }
}

/// An entry without its act, whose hash stands for it: enough to check the signature, and to show
/// that a device has written twice in one place, whatever it wrote there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// Hash of the act's bytes, under [`Context::Act`].
    pub act: Hash,
    /// The device's signature, for [`Purpose::Entry`], over the two.
    pub signature: Signature,
}

impl SignedHeader {
    /// The entry's name.
    #[must_use]
    pub fn id(&self) -> EntryId {
        name(&self.statement())
    }

    /// The cooperative that it belongs to: its own id if it is a charter's.
    #[must_use]
    pub fn cooperative(&self) -> EntryId {
        if is_root(&self.header) { self.id() } else { self.header.cooperative }
    }

    /// Prepares the signature's check.
    #[must_use]
    pub fn claim(&self) -> Claim {
        let message = Purpose::Entry.message(&self.statement());
        Claim::new(&self.header.device.0, &self.signature, &message)
    }

    fn statement(&self) -> Vec<u8> {
        encode(&(self.header, self.act))
    }
}

/// A statement that is its device's: rules 1 to 9 hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed(Entry);

impl Signed {
    /// Takes an entry from this node's own disk, where it was written only after its check.
    ///
    /// Disk is not trusted for what is true: the log's root, signed before, must fit afterwards.
    #[must_use]
    pub const fn kept(entry: Entry) -> Self {
        Self(entry)
    }
}

impl std::ops::Deref for Signed {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        &self.0
    }
}

/// Checks the signatures of many entries at once; each gets the verdict that it would get alone.
#[must_use]
pub fn check(entries: Vec<Entry>) -> Vec<Result<Signed, (Entry, Refusal)>> {
    let claims: Vec<Claim> = entries.iter().map(Entry::claim).collect();
    let verdicts = verify_batch(&claims);
    let judge =
        |(entry, good)| if good { Ok(Signed(entry)) } else { Err((entry, Refusal::Signature)) };
    entries.into_iter().zip(verdicts).map(judge).collect()
}

/// Signs a statement.
///
/// # Errors
/// [`Refusal`], if what would come out is not an entry.
pub fn sign(key: &SecretKey, header: &Header, act: &Act) -> Result<Signed, Refusal> {
    let bytes = unsigned(header, act);
    let signature = key.sign(Purpose::Entry, &statement(&bytes).unwrap_or_default());
    Entry::parse([bytes.as_slice(), &signature.0].concat()).map(Signed)
}

/// An entry's bytes before its signature.
#[must_use]
pub fn unsigned(header: &Header, act: &Act) -> Vec<u8> {
    let mut bytes = encode(header);
    bytes.extend(encode(act));
    bytes
}

/// What is hashed and signed of an entry's bytes before its signature: the header's bytes and the
/// hash of the act's. `None` if no header begins the bytes.
#[must_use]
pub fn statement(unsigned: &[u8]) -> Option<Vec<u8>> {
    let (_, used) = decode_prefix::<Header>(unsigned, ENTRY_BYTES_MAX).ok()?;
    let (header, act) = unsigned.split_at_checked(used)?;
    Some([header, &Context::Act.hash(&[act]).0].concat())
}

/// The name of a statement.
#[must_use]
pub fn name(statement: &[u8]) -> EntryId {
    EntryId(Context::Entry.hash(&[statement]).0)
}

fn is_root(header: &Header) -> bool {
    header.cooperative == EntryId::ZERO && header.basis == EntryId::ZERO && header.seq == 0
}

fn refusal(malformed: Malformed) -> Refusal {
    match malformed {
        Malformed::NotCanonical => Refusal::NotCanonical,
        Malformed::Value(AMOUNT_REASON) => Refusal::Amount,
        Malformed::Value(_) | Malformed::TooLong { .. } => Refusal::Value(malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{Attest, Choice, Vote};

    fn header(key: &SecretKey) -> Header {
        Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: EntryId([1; 32]),
            device: key.device(),
            seq: 3,
            prev: EntryId([2; 32]),
            basis: EntryId([3; 32]),
            time: 1_767_312_000_000,
            payload: None,
        }
    }

    fn vote() -> (SecretKey, Signed) {
        let key = SecretKey::from_seed(&[9; 32]);
        let act = Act::Vote(Vote { proposal: EntryId([4; 32]), choice: Choice::Yes });
        let entry = sign(&key, &header(&key), &act).unwrap();
        (key, entry)
    }

    fn refused(bytes: Vec<u8>) -> u16 {
        match Entry::parse(bytes) {
            Ok(entry) => match check(vec![entry]).pop() {
                Some(Err((_, refusal))) => refusal.rule(),
                _ => 0,
            },
            Err(refusal) => refusal.rule(),
        }
    }

    #[test]
    fn rule_1_no_entry_is_longer_than_its_limit() {
        assert_eq!(refused(vec![1; ENTRY_BYTES_MAX + 1]), 1);
        assert_eq!(refused(vec![1; 63]), 1);
        assert_eq!(refused(Vec::new()), 1);
    }

    #[test]
    fn rules_2_and_3_another_version_or_scheme_is_refused() {
        let (_, entry) = vote();
        let mut bytes = entry.bytes().to_vec();
        bytes[0] = 1;
        assert_eq!(refused(bytes.clone()), 2);
        bytes[0] = VERSION;
        bytes[1] = 2;
        assert_eq!(refused(bytes), 3);
    }

    #[test]
    fn rules_4_to_9_every_changed_truncated_or_appended_byte_is_refused() {
        let (_, entry) = vote();
        let bytes = entry.bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1 << bit;
                assert_ne!(refused(changed), 0, "bit {bit} of byte {at}");
            }
            assert_ne!(refused(bytes[..at].to_vec()), 0, "cut at {at}");
        }
        assert_ne!(refused([bytes, &[0]].concat()), 0);
        assert_eq!(refused(bytes.to_vec()), 0);
    }

    #[test]
    fn rule_8_only_a_charter_has_no_cooperative() {
        let key = SecretKey::from_seed(&[9; 32]);
        let root =
            Header { cooperative: EntryId::ZERO, basis: EntryId::ZERO, seq: 0, ..header(&key) };
        let act = Act::Attest(Attest { contribution: EntryId([4; 32]) });
        assert_eq!(sign(&key, &root, &act), Err(Refusal::Root));
    }

    #[test]
    fn an_entry_is_named_and_signed_by_its_header_and_the_hash_of_its_act() {
        let (key, entry) = vote();
        let (before, signature) = entry.bytes().split_last_chunk::<64>().unwrap();
        let statement = statement(before).unwrap();
        assert_eq!(statement.len(), 147 + 32);
        assert_eq!((name(&statement), entry.signed_header().id()), (entry.id(), entry.id()));
        assert_eq!(key.sign(Purpose::Entry, &statement).0, *signature);
        assert_eq!(super::statement(&before[..146]), None);
    }

    #[test]
    fn one_statement_signed_twice_has_one_id() {
        let (_, entry) = vote();
        let mut other = entry.bytes().to_vec();
        let last = other.len() - 1;
        other[last] ^= 1;
        assert_eq!(Entry::parse(other).unwrap().id(), entry.id());
    }

    #[test]
    fn an_act_of_a_later_version_is_kept_and_not_guessed_at() {
        let key = SecretKey::from_seed(&[9; 32]);
        let mut bytes = encode(&header(&key));
        bytes.extend_from_slice(&900_u32.to_le_bytes());
        bytes.extend_from_slice(b"whatever");
        let signature = key.sign(Purpose::Entry, &statement(&bytes).unwrap());
        bytes.extend_from_slice(&signature.0);
        assert_eq!(*Entry::parse(bytes).unwrap().content(), Content::Unknown(900));
    }

    #[test]
    fn a_payload_is_bound_by_its_salt_and_its_bytes() {
        let commitment = Commitment::new(&[1; 32], b"note").unwrap();
        assert!(commitment.binds(&[1; 32], b"note"));
        assert!(!commitment.binds(&[2; 32], b"note"));
        assert!(!commitment.binds(&[1; 32], b"nota"));
        assert_eq!(Commitment::new(&[1; 32], &vec![0; PAYLOAD_BYTES_MAX + 1]), None);
    }
}
