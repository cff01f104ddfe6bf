//! Credentials that stand, and requests to erase with their answers.
//!
//! Documents are not here, only their hashes; and of payloads only who asks for their end. Several
//! answers to one question may be written at the same time: the one with the lowest id is shown,
//! so that no order matters. Rules 150 to 152.

use std::collections::BTreeMap;

use talea_protocol::bytes::{Code, encode};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_protocol::personal::{AttestCredential, RefuseErasure, RequestErasure, RevokeCredential};

use crate::chain::Stamp;
use crate::fault::DataFault;
use crate::register::{Office, Register};
use crate::row::Row;
use crate::verdict::Void;

/// A credential that was attested.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credential {
    /// What is stood for.
    pub act: AttestCredential,
    /// Who stands for it.
    pub issuer: Member,
    /// Who took it back, and why.
    pub revoked: Option<Answer>,
}

/// A request to erase.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The entry whose payload it is.
    pub entry: EntryId,
    /// Who asks.
    pub member: Member,
    /// Who refused, and why.
    pub refused: Option<Answer>,
}

/// An answer with its ground.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The entry.
    pub id: EntryId,
    /// The ground.
    pub ground: Code,
}

/// What an act about a person's data does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DataNote {
    /// A credential.
    Credential(Box<Credential>),
    /// A credential is taken back.
    Revoked(EntryId, Code),
    /// A request.
    Request(Request),
    /// A request is refused.
    Refused(EntryId, Code),
}

/// Credentials and requests.
#[derive(Clone, Debug, Default)]
pub struct Personal {
    credentials: BTreeMap<EntryId, Credential>,
    requests: BTreeMap<EntryId, Request>,
}

impl Personal {
    /// Every credential, by the entry that stands for it.
    #[must_use]
    pub const fn credentials(&self) -> &BTreeMap<EntryId, Credential> {
        &self.credentials
    }

    /// Every request to erase, by entry. Whether it was granted, the orders to erase say.
    #[must_use]
    pub const fn requests(&self) -> &BTreeMap<EntryId, Request> {
        &self.requests
    }

    /// Judges a credential.
    ///
    /// # Errors
    /// [`Void`], rules 43 and 150.
    pub fn attest(
        register: &Register,
        stamp: &Stamp,
        act: &AttestCredential,
    ) -> Result<DataNote, Void> {
        if !register.is_member(act.subject, stamp.basis) {
            return Err(Void::Unknown);
        }
        if act.subject == stamp.member || act.until.is_some_and(|until| until < act.from) {
            return Err(DataFault::Credential.into());
        }
        let (act, issuer) = (act.clone(), stamp.member);
        Ok(DataNote::Credential(Box::new(Credential { act, issuer, revoked: None })))
    }

    /// Judges the end of a credential that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50 and 151.
    pub fn revoke(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &RevokeCredential,
    ) -> Result<DataNote, Void> {
        let id = act.credential;
        let credential = self.credentials.get(&id).ok_or(Void::Named { id })?;
        if stamp.member != credential.issuer && !controls(register, stamp) {
            return Err(DataFault::Revocation.into());
        }
        Ok(DataNote::Revoked(id, act.ground.clone()))
    }

    /// A request is heard whoever makes it: whom a payload is about, its reader knows.
    #[must_use]
    pub const fn request(stamp: &Stamp, act: &RequestErasure) -> DataNote {
        DataNote::Request(Request { entry: act.entry, member: stamp.member, refused: None })
    }

    /// Judges the refusal of a request that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50 and 152.
    pub fn refuse(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &RefuseErasure,
    ) -> Result<DataNote, Void> {
        let id = act.request;
        if !self.requests.contains_key(&id) {
            return Err(Void::Named { id });
        }
        if !controls(register, stamp) {
            return Err(DataFault::Refusal.into());
        }
        Ok(DataNote::Refused(id, act.ground.clone()))
    }

    /// Takes in what an act does.
    pub fn take(&mut self, id: EntryId, note: DataNote) {
        match note {
            DataNote::Credential(credential) => {
                self.credentials.insert(id, *credential);
            }
            DataNote::Request(request) => {
                self.requests.insert(id, request);
            }
            DataNote::Revoked(of, ground) => {
                if let Some(credential) = self.credentials.get_mut(&of) {
                    answer(&mut credential.revoked, id, ground);
                }
            }
            DataNote::Refused(of, ground) => {
                if let Some(request) = self.requests.get_mut(&of) {
                    answer(&mut request.refused, id, ground);
                }
            }
        }
    }

    /// The value of a credential's row.
    #[must_use]
    pub fn credential_row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let held = self.credentials.get(id)?;
        let revoked = held.revoked.as_ref().map(|answer| answer.id);
        Some(encode(&(held.act.subject, held.act.document, revoked)))
    }

    /// The value of a request's row.
    #[must_use]
    pub fn request_row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let held = self.requests.get(id)?;
        Some(encode(&(held.entry, held.refused.as_ref().map(|answer| answer.id))))
    }
}

impl DataNote {
    /// The row that it changes.
    #[must_use]
    pub const fn row(&self, id: EntryId) -> Row {
        match self {
            Self::Credential(_) => Row::Credential(id),
            Self::Revoked(of, _) => Row::Credential(*of),
            Self::Request(_) => Row::Request(id),
            Self::Refused(of, _) => Row::Request(*of),
        }
    }
}

fn answer(held: &mut Option<Answer>, id: EntryId, ground: Code) {
    if held.as_ref().is_none_or(|held| id < held.id) {
        *held = Some(Answer { id, ground });
    }
}

/// Whether the author answers for the cooperative's data: its registrar, with any device.
fn controls(register: &Register, stamp: &Stamp) -> bool {
    register.holder(Office::Registrar, stamp.basis) == stamp.member
}
