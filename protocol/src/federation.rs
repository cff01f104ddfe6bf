//! Between cooperatives: who the other one is, what both agreed, what went from one to the other.
//!
//! Each keeps its own log and holds nothing of the other's: what is taken in carries its proof.
//! What counts is the ledger's business. Section 7 of the README; the design's model, section 10.

use serde::Serialize;

use crate::bytes::{Code, Day, Decode, Encode, List, Octets, Quantity, encode};
use crate::charter::{ROSTER_MAX, Roster};
use crate::hash::{Context, EntryId, Hash};
use crate::key::{DeviceKey, Signature};
use crate::recovery::Evidence;

/// Longest charter of another cooperative, as an entry, in bytes: with the keys it fits an act.
pub const CHARTER_BYTES_MAX: usize = 40 * 1024;
/// Longest send, as an entry, in bytes: with sixteen receipts of 2.5 KiB it fits an act.
pub const SEND_BYTES_MAX: usize = 1_024;
/// Devices that speak for another cooperative.
pub const SPEAKERS_MAX: usize = 16;
/// Credits of a fund that one send takes in.
pub const SEND_TAKES_MAX: usize = 16;

/// Says who another cooperative is. A later one of the same cooperative takes its place.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Link {
    /// The complete bytes of its charter's entry: its id follows from them.
    #[serde(serialize_with = "as_hex")]
    pub charter: Octets<CHARTER_BYTES_MAX>,
    /// Its roster, if another one than its charter's is in force.
    pub roster: Option<Roster>,
    /// The devices whose words and sends are its own, strictly ascending.
    pub speakers: List<DeviceKey, SPEAKERS_MAX>,
}

/// What two cooperatives agree: the same bytes in both logs.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Accord {
    /// The one whose id is lower.
    pub one: EntryId,
    /// The other.
    pub other: EntryId,
    /// Tells it from the next between the two.
    pub reference: Code,
    /// What is sent: a currency, or an internal unit that both have.
    pub unit: Code,
    /// By how much the one may have sent more than it got, in minor units.
    pub limit: Quantity,
    /// The first day on which anything is sent.
    pub from: Day,
    /// The last.
    pub until: Day,
    /// The text: BLAKE3 of a document that both have, or zero.
    pub text: Hash,
}

impl Accord {
    /// Its name, in both logs.
    #[must_use]
    pub fn id(&self) -> Hash {
        Context::Accord.hash_of(self)
    }
}

/// Puts an accord into this cooperative's log, with the other one's signature.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Countersign {
    /// What is agreed.
    pub accord: Accord,
    /// A device that speaks for the other cooperative.
    pub device: DeviceKey,
    /// Its signature, for [`crate::key::Purpose::Accord`], over the accord's encoding.
    pub signature: Signature,
}

/// Sends something to the other cooperative of an accord.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Send {
    /// The accord.
    pub accord: Hash,
    /// Minor units of the accord's unit.
    pub amount: Quantity,
    /// When.
    pub date: Day,
    /// What for.
    pub reference: Code,
    /// The fund that pays; none for the bank.
    pub fund: Option<Code>,
    /// What the fund takes in, ascending, each once.
    pub takes: List<EntryId, SEND_TAKES_MAX>,
}

/// Takes in what another cooperative has sent. Keyed by the send: it happens once.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Receive {
    /// The complete bytes of the send's entry, in the other cooperative.
    #[serde(serialize_with = "as_hex")]
    pub send: Octets<SEND_BYTES_MAX>,
    /// Receipts of its accept leaf in logs of the other's roster, ascending by node: as many as
    /// settle an entry there.
    pub evidence: List<Evidence, ROSTER_MAX>,
    /// When.
    pub date: Day,
    /// The fund that gets it; none for the bank.
    pub fund: Option<Code>,
}

/// What one of two cooperatives has sent and got, in minor units.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Turnover {
    /// Sent.
    pub sent: u64,
    /// Got.
    pub received: u64,
}

/// What both hold for so: the same bytes in both logs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Balance {
    /// The accord.
    pub accord: Hash,
    /// The day.
    pub date: Day,
    /// By the books of the one whose id is lower.
    pub one: Turnover,
    /// By the books of the other.
    pub other: Turnover,
}

/// Puts a bilateral statement into this cooperative's log, with the other one's signature.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Statement {
    /// What both say.
    pub balance: Balance,
    /// A device that speaks for the other cooperative.
    pub device: DeviceKey,
    /// Its signature, for [`crate::key::Purpose::Statement`], over the balance's encoding.
    pub signature: Signature,
}

/// What is signed for an accord: its encoding.
#[must_use]
pub fn accordance(accord: &Accord) -> Vec<u8> {
    encode(accord)
}

/// What is signed for a bilateral statement: its encoding.
#[must_use]
pub fn confirmation(balance: &Balance) -> Vec<u8> {
    encode(balance)
}

fn as_hex<S: serde::Serializer, const MAX: usize>(
    bytes: &Octets<MAX>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&crate::bytes::hex(bytes))
}
