//! What concerns a person: credentials that others can check, and requests to erase.
//!
//! A credential is a document outside the ledger; here are its hash, whom it is about, and whether
//! it was taken back. That a payload is to be erased is said by [`crate::recovery::Erase`].
//! Section 7 of the README; the design's domain, section 1.

use serde::Serialize;

use crate::bytes::{Code, Day, Decode, Encode};
use crate::charter::Member;
use crate::hash::{EntryId, Hash};

/// Stands for a credential about another member.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct AttestCredential {
    /// Whom it is about.
    pub subject: Member,
    /// What kind of credential, in a word: `contributions`.
    pub kind: Code,
    /// BLAKE3 of the document.
    pub document: Hash,
    /// Since when it holds.
    pub from: Day,
    /// Until when it holds, if it ends.
    pub until: Option<Day>,
}

/// Takes a credential back.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct RevokeCredential {
    /// The entry that stands for it.
    pub credential: EntryId,
    /// Why, in a word: `mistake`, `fraud`, `request`.
    pub ground: Code,
}

/// Asks that a payload about the author be erased.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct RequestErasure {
    /// The entry whose payload it is.
    pub entry: EntryId,
}

/// Refuses a request, with the ground that the law asks for.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize)]
pub struct RefuseErasure {
    /// The request.
    pub request: EntryId,
    /// Why, in a word: `accounts`, `legal-claim`, `not-personal`.
    pub ground: Code,
}
