//! The journal: every booking of money, numbered ones first and in their order.
//!
//! What has no number yet follows, by entry: it gets one, and perhaps a later month, when a month is
//! closed. Credits and internal units are not in it. README, section 6.

use serde::Serialize;
use talea_protocol::bytes::{Day, Month};
use talea_protocol::charter::Profile;
use talea_protocol::hash::EntryId;

use crate::account::Party;
use crate::journal::Line;
use crate::register::Register;
use crate::state::State;

/// A booking.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Booking {
    /// Its number, from 1; none while its month is open.
    pub number: Option<u64>,
    /// The entry.
    pub entry: EntryId,
    /// Place among the bookings of the entry, from 0.
    pub part: u32,
    /// Its day.
    pub date: Day,
    /// The month in which it is booked, as year × 12 + month - 1.
    pub month: Month,
    /// Whether it takes over balances from other books.
    pub opening: bool,
    /// What is posted; it adds up to zero.
    pub postings: Vec<Booked>,
}

/// A posting in money.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Booked {
    /// The account's code in the profile's plan.
    pub account: String,
    /// Whom it is about.
    pub party: Option<Party>,
    /// Minor units of the currency, debits above zero.
    pub amount: i128,
}

/// Every booking of money.
#[must_use]
pub fn journal(register: &Register, state: &State) -> Vec<Booking> {
    let (journal, profile) = (state.treasury().journal(), register.charter().profile);
    let numbered = (1_u64..).zip(journal.numbered());
    let numbered = numbered.map(|(number, line)| booking(Some(number), line, profile));
    numbered.chain(journal.open().map(|line| booking(None, line, profile))).collect()
}

fn booking(number: Option<u64>, line: &Line, profile: Profile) -> Booking {
    let posting = |posting: &crate::account::Posting| Booked {
        account: posting.account.code(profile),
        party: posting.account.party(),
        amount: posting.amount,
    };
    Booking {
        number,
        entry: line.entry,
        part: line.part,
        date: line.date,
        month: line.month,
        opening: line.opening,
        postings: line.postings.iter().map(posting).collect(),
    }
}
