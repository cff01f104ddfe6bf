//! Hashes and the context strings that keep their uses apart.
//!
//! BLAKE3 in key-derivation mode for everything that is Talea's own; SHA-256 only where the
//! format is the transparency logs' (`tree`, `note`). No context is a prefix of another, so what
//! was hashed or signed for one use is nothing in another. Table: section 2 of the README.

use crate::bytes::{Encode, bytes32, encode};

bytes32! {
    /// A BLAKE3 hash under one of the contexts of this module.
    Hash
}
bytes32! {
    /// Names one statement: the hash of an entry's bytes without its signature.
    EntryId
}

impl Hash {
    /// Stands for "none" where the format has no option.
    pub const ZERO: Self = Self([0; 32]);
}

impl EntryId {
    /// The id before a chain's first entry, and the cooperative's in its charter.
    pub const ZERO: Self = Self([0; 32]);
}

/// A use of the hash function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Context {
    /// Entry id, over the header and the hash of the act.
    Entry,
    /// An entry's act, over its bytes.
    Act,
    /// Payload commitment, over the salt and the payload.
    Payload,
    /// Root of a cut, over its (device, length, last id) triples.
    Cut,
    /// A founder's consent, over the charter without its proofs.
    Founding,
    /// One row of the state, expanded to the lanes of the set hash.
    Row,
    /// The state root, over the lanes.
    State,
    /// Ties of a split, over the run and the member.
    Tie,
    /// The public name of a node's log, over cooperative and node.
    Origin,
    /// Coefficients of a batch of signatures, over the whole batch.
    Batch,
    /// The digest that ends an export.
    Export,
    /// The name of an accord between two cooperatives.
    Accord,
}

impl Context {
    /// The string given to BLAKE3.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "talea 2026-11 entry id v2",
            Self::Act => "talea 2026-11 act v1",
            Self::Payload => "talea 2026-11 payload v1",
            Self::Cut => "talea 2026-11 cut v1",
            Self::Founding => "talea 2026-11 founding v1",
            Self::Row => "talea 2026-11 state row v1",
            Self::State => "talea 2026-11 state root v1",
            Self::Tie => "talea 2026-11 tie v1",
            Self::Origin => "talea 2026-11 log origin v1",
            Self::Batch => "talea 2026-11 batch v1",
            Self::Export => "talea 2026-11 export v1",
            Self::Accord => "talea 2026-11 accord v1",
        }
    }

    /// A hasher for this use.
    #[must_use]
    pub fn hasher(self) -> blake3::Hasher {
        blake3::Hasher::new_derive_key(self.as_str())
    }

    /// The hash of these parts, one after another.
    #[must_use]
    pub fn hash(self, parts: &[&[u8]]) -> Hash {
        let mut hasher = self.hasher();
        for part in parts {
            hasher.update(part);
        }
        Hash(*hasher.finalize().as_bytes())
    }

    /// The hash of a value's encoding.
    #[must_use]
    pub fn hash_of<T: Encode>(self, value: &T) -> Hash {
        self.hash(&[&encode(value)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Context; 12] = [
        Context::Entry,
        Context::Act,
        Context::Payload,
        Context::Cut,
        Context::Founding,
        Context::Row,
        Context::State,
        Context::Tie,
        Context::Origin,
        Context::Batch,
        Context::Export,
        Context::Accord,
    ];

    #[test]
    fn one_use_never_gives_the_hash_of_another() {
        for (i, one) in ALL.iter().enumerate() {
            for other in ALL.iter().skip(i + 1) {
                assert_ne!(one.hash(&[b"x"]), other.hash(&[b"x"]));
                assert!(!one.as_str().starts_with(other.as_str()));
            }
        }
    }
}
