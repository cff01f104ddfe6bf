//! Partners: other cooperatives that are linked, what is agreed with each, and what went to and fro.
//!
//! All of it is this cooperative's side; what the other says is in the statements that it signed.

use serde::Serialize;
use talea_protocol::bytes::Day;
use talea_protocol::federation::{Accord, Balance, Turnover};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{DeviceKey, NodeKey};

use crate::pact::{Pact, Partner, Passage};
use crate::state::State;

/// Another cooperative.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PartnerRow {
    /// Its id.
    pub id: EntryId,
    /// What it calls itself.
    pub name: String,
    /// The newest link.
    pub link: EntryId,
    /// The nodes of its roster.
    pub nodes: Vec<NodeKey>,
    /// How many of them settle an entry there.
    pub quorum: u8,
    /// Devices whose words are its own.
    pub speakers: Vec<DeviceKey>,
    /// What is agreed with it, by name.
    pub accords: Vec<AccordRow>,
}

/// An accord, and what happened under it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AccordRow {
    /// Its name, in both logs.
    pub id: Hash,
    /// The entry.
    pub entry: EntryId,
    /// What is agreed.
    pub accord: Accord,
    /// What this side has sent and got, in minor units.
    pub turnover: Turnover,
    /// By how much this side has sent more than it got.
    pub position: i128,
    /// What was sent, oldest first.
    pub sent: Vec<PassageRow>,
    /// What was got, oldest first.
    pub received: Vec<PassageRow>,
    /// What both hold for so, oldest first.
    pub statements: Vec<StatementRow>,
}

/// Something sent or got.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PassageRow {
    /// The send's entry, in the log of whoever sent.
    pub send: EntryId,
    /// The entry here.
    pub entry: EntryId,
    /// Minor units.
    pub amount: i64,
    /// When, as said here.
    pub date: Day,
}

/// A bilateral statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct StatementRow {
    /// The entry.
    pub entry: EntryId,
    /// What both say.
    pub balance: Balance,
}

/// Every partner, by id.
#[must_use]
pub fn partners(state: &State) -> Vec<PartnerRow> {
    let pacts = state.treasury().pacts();
    let row = |(id, partner): (&EntryId, &Partner)| {
        let own = pacts.pacts().iter().filter(|(_, pact)| pact.partner == *id);
        PartnerRow {
            id: *id,
            name: partner.name.clone(),
            link: partner.link,
            nodes: partner.roster.nodes.to_vec(),
            quorum: partner.roster.quorum,
            speakers: partner.speakers.clone(),
            accords: own.map(|(id, pact)| accord(*id, pact)).collect(),
        }
    };
    pacts.partners().iter().map(row).collect()
}

fn accord(id: Hash, pact: &Pact) -> AccordRow {
    let passage = |it: &Passage| PassageRow {
        send: it.send,
        entry: it.entry,
        amount: it.amount,
        date: it.date,
    };
    let statement =
        |it: &crate::pact::Agreed| StatementRow { entry: it.entry, balance: it.balance };
    AccordRow {
        id,
        entry: pact.entry,
        accord: pact.accord.clone(),
        turnover: pact.turnover(),
        position: pact.position(),
        sent: pact.sent.iter().map(passage).collect(),
        received: pact.received.iter().map(passage).collect(),
        statements: pact.statements.iter().map(statement).collect(),
    }
}
