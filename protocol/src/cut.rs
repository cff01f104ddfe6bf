//! A cut: a prefix of every chain, named exactly.
//!
//! It costs four bytes a device and answers "was this entry inside?" without asking anybody. What
//! its lengths mean is fixed by the register entry that it names, because that entry numbers the
//! devices. Section 5 of the README; the design's model, section 4.

use serde::Serialize;

use crate::bytes::{Decode, Encode, List};
use crate::hash::{Context, EntryId, Hash};
use crate::key::DeviceKey;

/// Devices that a cooperative may enrol (reliability, section 5). A cut of so many takes 40 KB.
pub const DEVICES_MAX: usize = 10_000;

/// A prefix of every chain.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct Cut {
    /// The register entry up to which devices are numbered.
    pub at: EntryId,
    /// Entries inside, for each device in the order of enrolment; at most one for each device
    /// enrolled at `at`. A missing tail means zero.
    pub lengths: List<u32, DEVICES_MAX>,
    /// BLAKE3 over the (device, length, last id) triples of all lengths above zero.
    pub root: Hash,
}

impl Cut {
    /// How many entries of this device's chain are inside.
    #[must_use]
    pub fn length(&self, device: u32) -> u32 {
        usize::try_from(device).ok().and_then(|i| self.lengths.get(i)).copied().unwrap_or(0)
    }

    /// How many entries are inside.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lengths.iter().copied().map(u64::from).sum()
    }
}

/// Builds the root of a cut from its triples, in the order of the devices' numbers.
pub struct CutRoot(blake3::Hasher);

impl CutRoot {
    /// The root of no triples yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Context::Cut.hasher())
    }

    /// Adds a chain: its device, how many entries are inside (one at least), the id of the last.
    pub fn add(&mut self, device: &DeviceKey, length: u32, last: &EntryId) {
        self.0.update(&device.0);
        self.0.update(&length.to_le_bytes());
        self.0.update(&last.0);
    }

    /// The root.
    #[must_use]
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}

impl Default for CutRoot {
    fn default() -> Self {
        Self::new()
    }
}
