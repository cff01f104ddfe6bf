//! The books as transactions: what every entry that counts posted, dated, grouped and numbered.
//!
//! Money is the ledger's journal, with the numbers that closings gave; credits and the charter's own
//! units are what entries posted. Both come from the ledger, so that an act that is new here is in
//! the books all the same; this file knows what a paper is called. Two exports give the same. Design's domain, section 1 (`close`) and section 3.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::account::{Account, Posting, Unit};
use talea_ledger::chain::Place;
use talea_ledger::journal::Line;
use talea_ledger::terms::month_of;
use talea_ledger::view::accounts::units;
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::{Day, Month};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;

use crate::amount::{day_of, show_month};
use crate::lang::Lang;
use crate::names::Words;
use crate::verify::{Audit, Sum};

mod paper;
mod credit;
pub(crate) mod slug;
mod hledger;
mod beancount;
mod fec;
mod sankey;
mod ledger;
mod valueflows;
mod parquet;

pub use beancount::beancount;
pub use credit::{credit, worth};
pub use fec::{FecFault, fec, fec_name};
pub use hledger::hledger;
pub use ledger::general_ledger;
pub use parquet::{ParquetFault, parquet};
pub use sankey::sankey;
pub use slug::Slugs;
pub use valueflows::valueflows;

/// One balanced record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transaction {
    /// The entry that it comes from.
    pub id: EntryId,
    /// Where the entry stands.
    pub place: Place,
    /// Which of the entry's records, from 0.
    pub part: usize,
    /// Its number, if its month is closed; only money is numbered.
    pub number: Option<u32>,
    /// The day on its paper.
    pub date: Day,
    /// The day on which it is booked: the paper's, or in the month that was open.
    pub booked: Day,
    /// The day on which its month was closed.
    pub closed: Option<Day>,
    /// The journal.
    pub journal: Journal,
    /// The paper's reference.
    pub piece: String,
    /// What it says, by its key among the words and what is put into them.
    pub label: (&'static str, String),
    /// What is counted.
    pub unit: Unit,
    /// Accounts and amounts, debits above zero and first.
    pub lines: Vec<(Account, i128)>,
}

/// Where a record is kept.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Journal {
    /// What moves the bank: BQ.
    Bank,
    /// Invoices: VE.
    Sales,
    /// Everything else: OD.
    Other,
}

impl Journal {
    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Bank => "BQ",
            Self::Sales => "VE",
            Self::Other => "OD",
        }
    }

    /// The key of its name.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Bank => "journal-bank",
            Self::Sales => "journal-sales",
            Self::Other => "journal-other",
        }
    }
}

/// All transactions of an export, and what is needed to write them down.
pub struct Books<'a> {
    /// What the export adds up to.
    pub sum: &'a Sum,
    /// Money, by month, date and place; then claims likewise.
    pub transactions: Vec<Transaction>,
    /// What accounts' parties are called where only letters, digits and `-` are allowed.
    pub slugs: Slugs,
}

/// A numbered record: number, entry, day, lines.
pub type Numbered = (u32, EntryId, Day, Vec<(Account, i128)>);

impl<'a> Books<'a> {
    /// The books of an export. `None` without a charter.
    #[must_use]
    pub fn new(audit: &'a Audit) -> Option<Self> {
        let sum = audit.sum.as_ref()?;
        let notes = notes(audit);
        let closed = closings(audit, sum);
        let journal = sum.state.treasury().journal();
        let mut transactions = Vec::new();
        for line in journal.numbered().iter().chain(journal.open()) {
            let entry = audit.shown.entries.get(&line.entry);
            transactions.extend(entry.and_then(|it| money(audit, sum, it, line, &closed, &notes)));
        }
        for posted in sum.state.posted() {
            let entry = audit.shown.entries.get(&posted.id);
            transactions.extend(
                entry.into_iter().flat_map(|it| others(audit, sum, it, &posted.postings, &notes)),
            );
        }
        let mut transactions = credit::one_each(audit, sum, transactions);
        transactions.sort_by_key(|it| {
            let number = it.number.unwrap_or(u32::MAX);
            (it.unit, number, it.booked, it.place.device, it.place.seq, it.part)
        });
        Some(Self { sum, transactions, slugs: Slugs::new(sum) })
    }

    /// The numbered records of each month in which they are booked: number, entry, what is booked.
    #[must_use]
    pub fn closed(&self) -> BTreeMap<Month, Vec<Numbered>> {
        let mut months: BTreeMap<Month, Vec<Numbered>> = BTreeMap::new();
        for it in self.money() {
            if let Some(number) = it.number {
                let record = (number, it.id, it.booked, it.lines.clone());
                months.entry(month_of(it.booked)).or_default().push(record);
            }
        }
        months
    }

    /// Every unit that something is counted in.
    #[must_use]
    pub fn units(&self) -> Vec<Unit> {
        units(self.charter())
    }

    /// The transactions in money.
    pub fn money(&self) -> impl Iterator<Item = &Transaction> {
        self.transactions.iter().filter(|it| it.unit == Unit::Money)
    }

    /// The charter.
    #[must_use]
    pub fn charter(&self) -> &Charter {
        self.sum.register.charter()
    }

    /// What a unit is called in books, and its decimal places.
    #[must_use]
    pub fn commodity(&self, unit: Unit) -> (String, u8) {
        let own = |code: &str, long: &str| {
            let taken = self.charter().currency.as_str() == code;
            if taken { long.to_owned() } else { code.to_owned() }
        };
        match unit {
            Unit::Money => (self.charter().currency.to_string(), self.charter().exponent),
            Unit::Livelihood => (own("LIV", "LIVELIHOOD"), 2),
            Unit::Love => (own("LOV", "LOVE"), 2),
            Unit::Care => ("CARE".to_owned(), 0),
            Unit::Internal(place) => {
                let unit = self.charter().treasury.units.get(usize::from(place));
                unit.map_or_else(
                    || (format!("U{place}"), 0),
                    |unit| (letters(unit.code.as_str(), place), unit.exponent),
                )
            }
        }
    }
}

/// A unit's code in capital letters, as commodities are written; its place makes it its own.
fn letters(code: &str, place: u8) -> String {
    let kept: String = code.chars().filter(char::is_ascii_alphabetic).collect();
    let own = (b'A'..=b'Z').nth(usize::from(place) % 26).map_or('A', char::from);
    format!("{}{own}", kept.to_ascii_uppercase())
}

impl Transaction {
    /// What it says, in a language.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        lang.say_with(self.label.0, &[("name", &self.label.1)])
    }
}

/// The author's words beside each entry, where the payload is there and is the entry's.
fn notes(audit: &Audit) -> BTreeMap<EntryId, String> {
    let words = audit.shown.payloads.iter().filter(|payload| audit.is_bound(payload));
    words.filter_map(|payload| Some((payload.entry, Words::read(&payload.bytes).note?))).collect()
}

/// Each month that was closed, with the day of its closing by the treasurer's clock.
fn closings(audit: &Audit, sum: &Sum) -> BTreeMap<Month, Day> {
    let closing = |id: &EntryId| {
        let entry = audit.shown.entries.get(id)?;
        let Content::Known(Act::Close(act)) = entry.content() else { return None };
        Some((act.period, day_of(entry.header().time)?))
    };
    sum.state.posted().iter().filter_map(|posted| closing(&posted.id)).collect()
}

/// A booking of the ledger's journal.
fn money(
    audit: &Audit,
    sum: &Sum,
    entry: &Signed,
    line: &Line,
    closed: &BTreeMap<Month, Day>,
    notes: &BTreeMap<EntryId, String>,
) -> Option<Transaction> {
    let Content::Known(act) = entry.content() else { return None };
    let lines = gather(&line.postings);
    let about = paper::describe(audit, sum, entry, act, &lines, notes.get(&line.entry));
    let number = sum.state.treasury().journal().number(&line.entry, line.part);
    let late = month_of(line.date) != line.month;
    Some(Transaction {
        id: line.entry,
        place: line.place,
        part: usize::try_from(line.part).unwrap_or(usize::MAX),
        number: number.and_then(|number| u32::try_from(number).ok()),
        date: line.date,
        booked: if late { first_day(line.month).unwrap_or(line.date) } else { line.date },
        // The closing that numbered it is the first of its month or of a later one.
        closed: number.and_then(|_| closed.range(line.month..).next()).map(|(_, day)| *day),
        journal: about.journal,
        piece: about.piece,
        label: about.label,
        unit: Unit::Money,
        lines,
    })
}

/// What an entry posts in other units than money: credits and the charter's own.
fn others(
    audit: &Audit,
    sum: &Sum,
    entry: &Signed,
    postings: &[Posting],
    notes: &BTreeMap<EntryId, String>,
) -> Vec<Transaction> {
    let (Some(place), Content::Known(act)) =
        (sum.state.chains().place(&entry.id()), entry.content())
    else {
        return Vec::new();
    };
    let units: BTreeSet<Unit> = postings.iter().map(|it| it.unit).collect();
    let mut made = Vec::new();
    for unit in units.into_iter().filter(|unit| *unit != Unit::Money) {
        let of_unit: Vec<Posting> =
            postings.iter().filter(|posting| posting.unit == unit).cloned().collect();
        let lines = gather(&of_unit);
        if !lines.is_empty() {
            let about = paper::describe(audit, sum, entry, act, &lines, notes.get(&entry.id()));
            made.push(Transaction {
                id: entry.id(),
                place,
                part: made.len(),
                number: None,
                date: about.date,
                booked: about.date,
                closed: None,
                journal: Journal::Other,
                piece: about.piece,
                label: about.label,
                unit,
                lines,
            });
        }
    }
    made
}

/// Postings with one line for each account, debits first, each side in the order of its coming.
pub(crate) fn gather(postings: &[Posting]) -> Vec<(Account, i128)> {
    let mut lines: Vec<(Account, i128)> = Vec::new();
    for posting in postings {
        match lines.iter_mut().find(|(account, _)| *account == posting.account) {
            Some((_, amount)) => *amount += posting.amount,
            None => lines.push((posting.account.clone(), posting.amount)),
        }
    }
    lines.retain(|(_, amount)| *amount != 0);
    lines.sort_by_key(|(_, amount)| *amount < 0);
    lines
}

fn first_day(month: Month) -> Option<Day> {
    crate::amount::day(&format!("{}-01", show_month(month))).ok()
}

/// Whom an account is about, if it is a member.
#[must_use]
pub fn member_of(account: &Account) -> Option<Member> {
    match account.party()? {
        talea_ledger::account::Party::Member(member) => Some(member),
        talea_ledger::account::Party::Client(_) | talea_ledger::account::Party::Cooperative(_) => {
            None
        }
    }
}
