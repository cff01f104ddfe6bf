//! An agreement of the cooperative with a member that serves it, in the file's words.
//!
//! The file names the peer and who provides what; the other side of each clause is the cooperative,
//! and whoever writes the step is a party too (rule 102).

use serde::Deserialize;
use talea_protocol::act::{Act, Agreement, Clause, Duty, Party, Resource};
use talea_protocol::bytes::{List, Quantity};

use super::{Step, StepFault, code, person};
use crate::book::Book;

#[derive(Deserialize)]
struct Pact {
    id: String,
    peer: String,
    clauses: Vec<Side>,
}

#[derive(Deserialize)]
struct Side {
    provider: String,
    action: Action,
    quantity: i64,
    unit: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Action {
    Work,
    Produce,
    DeliverService,
    Transfer,
}

/// The act, and the agreement's name in the file.
pub(super) fn agreement(step: &Step, book: &Book) -> Result<(Act, Option<String>), StepFault> {
    let Pact { id, peer: handle, clauses } = step.body()?;
    let peer = Party::Member(person(book, &handle)?);
    let mut parties = vec![Party::Cooperative, peer, Party::Member(person(book, &step.author)?)];
    parties.sort_unstable();
    parties.dedup();
    let clause = |side: &Side| {
        let (provider, receiver) = match side.provider == handle {
            true => (peer, Party::Cooperative),
            false => (Party::Cooperative, peer),
        };
        let what = Resource {
            code: code(side.action.resource())?,
            unit: code(&side.unit)?,
            quantity: Quantity::new(side.quantity)?,
        };
        Ok(Clause { provider, receiver, duty: side.action.into(), what, due: None })
    };
    let clauses = clauses.iter().map(clause).collect::<Result<Vec<_>, StepFault>>()?;
    let (parties, clauses) = (List::try_from(parties)?, List::try_from(clauses)?);
    Ok((Act::Agreement(Agreement { parties, clauses }), Some(id)))
}

impl Action {
    /// What is given, which the file does not name.
    const fn resource(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Produce => "goods",
            Self::DeliverService => "service",
            Self::Transfer => "money",
        }
    }
}

impl From<Action> for Duty {
    fn from(action: Action) -> Self {
        match action {
            Action::Work => Self::Work,
            Action::Produce => Self::Produce,
            Action::DeliverService => Self::DeliverService,
            Action::Transfer => Self::Transfer,
        }
    }
}
