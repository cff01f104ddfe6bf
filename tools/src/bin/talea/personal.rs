//! Documents about members that others stand for, and words to be erased on request.

use std::path::Path;

use talea_protocol::act::Act;
use talea_protocol::hash::Hash;
use talea_protocol::personal::{AttestCredential, RefuseErasure, RequestErasure, RevokeCredential};
use talea_tools::names::Words;

use crate::acts::{code, day, member};
use crate::cli::{Common, Credential, Erasure};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};

/// `talea credential`.
pub fn credential(common: &Common, command: &Credential) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let act = match command {
        Credential::Attest { member: handle, file, kind, from, until } => {
            Act::AttestCredential(AttestCredential {
                subject: member(&desk.book, handle)?,
                kind: code("the kind", kind)?,
                document: document(file)?,
                from: day(from.as_deref())?,
                until: until.as_deref().map(|text| day(Some(text))).transpose()?,
            })
        }
        Credential::Revoke { credential, ground } => Act::RevokeCredential(RevokeCredential {
            credential: desk.book.find(credential)?,
            ground: code("the ground", ground)?,
        }),
    };
    desk.state(&act, None)
}

fn document(path: &Path) -> Outcome<Hash> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    Ok(Hash(*blake3::hash(&bytes).as_bytes()))
}

/// `talea erasure`.
pub fn erasure(common: &Common, command: &Erasure) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let (act, note) = match command {
        Erasure::Request { entry, reason } => {
            let entry = desk.book.find(entry)?;
            (Act::RequestErasure(RequestErasure { entry }), reason.as_deref())
        }
        Erasure::Refuse { request, ground } => {
            let (request, ground) = (desk.book.find(request)?, code("the ground", ground)?);
            (Act::RefuseErasure(RefuseErasure { request, ground }), None)
        }
    };
    desk.state(&act, Words::note(note))
}
