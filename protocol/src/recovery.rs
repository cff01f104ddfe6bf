//! What is said when something goes wrong, or somebody goes: devices lost, members leaving, roles
//! handed over, a registrar replaced, a fork healed, a payload erased.
//!
//! Whatever the register must know of these is in the register entry itself, with the signatures
//! of those who asked for it, so that its facts follow from the register alone. Section 7 of the
//! README; the design's model, sections 3 and 7.

use serde::{Serialize, Serializer};

use crate::bytes::{Code, Decode, Encode, List, Octets, encode};
use crate::charter::{Member, ROSTER_MAX, Roster};
use crate::cut::Cut;
use crate::hash::EntryId;
use crate::key::{DeviceKey, NodeKey, Signature};

/// Sponsors of an admission.
pub const SPONSORS_MAX: usize = 16;
/// Guardians of a member.
pub const GUARDIANS_MAX: usize = SPONSORS_MAX;
/// Words for a succession: with more members a charter names its recovery quorum. With 96 bytes
/// each they fit an act.
pub const CALLS_MAX: usize = 400;
/// Longest receipt in a heal, in bytes: a fork leaf, twenty hashes and a note with its cosignatures.
pub const EVIDENCE_BYTES_MAX: usize = 5 * 1024;

/// A key's word for what others write down.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Approval {
    /// Who approves.
    pub device: DeviceKey,
    /// Its signature. For an enrolment, for [`crate::key::Purpose::Approval`], over the encoding
    /// of the cooperative's id and the request.
    pub signature: Signature,
}

/// Reports a device as lost or stolen: nodes give its chain no new place until it is revoked.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Report {
    /// The device's number.
    pub device: u32,
    /// Guardians' words; empty if the author is another device of the same member.
    pub words: List<Approval, GUARDIANS_MAX>,
}

/// Ends a device's chain: nothing behind the cut counts.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Revoke {
    /// The device's number.
    pub device: u32,
    /// What still counts of its chain; all other lengths are zero.
    pub cut: Cut,
    /// Who asks: one device of the member, this one included, its recovery key, or as many
    /// guardians as it chose; each signed, for [`crate::key::Purpose::Revocation`], over
    /// [`revocation`]. Strictly ascending by device.
    pub words: List<Approval, GUARDIANS_MAX>,
}

/// Who may ask for a member's devices when it has none left.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Guardians {
    /// Whose.
    pub member: Member,
    /// The key of the member's recovery phrase. It enrols and revokes devices, and nothing else.
    pub recovery: Option<DeviceKey>,
    /// Keys of people it trusts, strictly ascending.
    pub keys: List<DeviceKey, GUARDIANS_MAX>,
    /// How many of them act together.
    pub threshold: u8,
    /// The register entry that the member had seen: an older choice cannot be played again.
    pub at: EntryId,
    /// The word of a device of the member, for [`crate::key::Purpose::Guardians`], over
    /// [`guardianship`].
    pub approval: Approval,
}

/// Ends a member's chains because it said that it leaves.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Depart {
    /// Who.
    pub member: Member,
    /// What counts of the chains of its devices; all other lengths are zero.
    pub cut: Cut,
    /// The word of a device of the member, for [`crate::key::Purpose::Departure`], over
    /// [`departure`].
    pub word: Approval,
}

/// Ends a member's chains because the members decided so.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Remove {
    /// Who.
    pub member: Member,
    /// The decision.
    pub decision: EntryId,
    /// What counts of the chains of its devices; all other lengths are zero.
    pub cut: Cut,
}

/// A role that changes hands by decision.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Office {
    /// Numbers the register.
    Registrar,
    /// Writes money.
    Treasurer,
    /// Computes the runs.
    Distributor,
    /// Answers for personal data.
    Controller,
    /// Speaks for the circle at this place of the charter.
    Facilitator(u8),
}

/// Hands a role over.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct HandOver {
    /// Which.
    pub office: Office,
    /// To whom.
    pub holder: Member,
    /// The decision.
    pub decision: EntryId,
    /// Behind it, the predecessor's device writes nothing more for this role; lengths of all
    /// other devices are zero.
    pub cut: Cut,
}

/// Calls for another registrar.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Encode, Decode, Serialize)]
pub struct Call {
    /// The register entry at which the caller stands.
    pub at: EntryId,
    /// Who shall go on.
    pub successor: Member,
}

/// Goes on with the register: the author is the successor.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Succeed {
    /// What was called for.
    pub call: Call,
    /// Who called: signed, for [`crate::key::Purpose::Succession`], over [`succession`]. Strictly
    /// ascending by device.
    pub words: List<Approval, CALLS_MAX>,
}

/// Replaces the nodes whose receipts count.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Reform {
    /// The new ones.
    pub roster: Roster,
    /// The decision.
    pub decision: EntryId,
}

/// A log's fork leaf, under a checkpoint of that log.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Evidence {
    /// Whose log.
    pub node: NodeKey,
    /// A receipt (section 9) of a fork leaf, the leaf in its `extra`.
    #[serde(serialize_with = "as_text")]
    pub receipt: Octets<EVIDENCE_BYTES_MAX>,
}

/// Ends the quarrel about one place of a chain.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Heal {
    /// The device's number.
    pub device: u32,
    /// The place.
    pub seq: u32,
    /// The branch that goes on; none if all are dead: the chain ends before this place.
    pub adopt: Option<EntryId>,
    /// What logs hold there, strictly ascending by node: enough to show every other branch dead.
    pub evidence: List<Evidence, ROSTER_MAX>,
}

/// Orders that a payload and its salt be deleted. The entry and all proofs stay.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Erase {
    /// The entry whose payload it is.
    pub entry: EntryId,
    /// Why, in a word: `request`, `court`, `mistake`.
    pub ground: Code,
}

/// What is signed against a device: the encoding of (cooperative, device).
#[must_use]
pub fn revocation(cooperative: &EntryId, device: &DeviceKey) -> Vec<u8> {
    encode(&(*cooperative, *device))
}

/// What is signed for guardians: the encoding of (cooperative, member, recovery, keys, threshold,
/// at).
#[must_use]
pub fn guardianship(cooperative: &EntryId, guardians: &Guardians) -> Vec<u8> {
    let Guardians { member, recovery, keys, threshold, at, .. } = guardians;
    encode(&(*cooperative, *member, *recovery, keys.clone(), *threshold, *at))
}

/// What is signed to leave: the encoding of (cooperative, member).
#[must_use]
pub fn departure(cooperative: &EntryId, member: Member) -> Vec<u8> {
    encode(&(*cooperative, member))
}

/// What is signed for another registrar: the encoding of (cooperative, call).
#[must_use]
pub fn succession(cooperative: &EntryId, call: &Call) -> Vec<u8> {
    encode(&(*cooperative, *call))
}

/// Receipts are text.
fn as_text<S: Serializer, const MAX: usize>(
    bytes: &Octets<MAX>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}
