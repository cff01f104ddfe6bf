//! The books as transactions: what every entry that counts posted, dated, grouped and numbered.
//!
//! What was posted comes from the ledger, entry by entry, so that an act that is new here is in the
//! books all the same; this file knows what a paper is called and when it is dated. Numbers are
//! given month by month where a month is closed, in an order that follows from the closed cuts
//! alone: two exports give the same. Design's domain, section 1 (`close`) and section 3.

use std::collections::BTreeMap;

use talea_ledger::account::{Account, Posting, Unit};
use talea_ledger::chain::Place;
use talea_ledger::terms::{month_after, month_of};
use talea_ledger::view::accounts::units;
use talea_protocol::act::{Act, Close, Content};
use talea_protocol::bytes::{Day, Month};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;

use crate::amount::{day_of, show_month};
use crate::lang::Lang;
use crate::names::Words;
use crate::verify::{Audit, Sum};

mod paper;
mod slug;
mod hledger;
mod beancount;
mod fec;
mod sankey;
mod ledger;

pub use beancount::beancount;
pub use fec::{FecFault, fec, fec_name};
pub use hledger::hledger;
pub use ledger::general_ledger;
pub use sankey::sankey;
pub use slug::Slugs;

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

/// A month that was closed.
struct Closing {
    period: Month,
    place: Place,
    day: Day,
    act: Close,
}

impl<'a> Books<'a> {
    /// The books of an export. `None` without a charter.
    #[must_use]
    pub fn new(audit: &'a Audit) -> Option<Self> {
        let sum = audit.sum.as_ref()?;
        let notes = notes(audit);
        let closings = closings(audit, sum);
        let mut transactions = Vec::new();
        for posted in sum.state.posted() {
            if let Some(entry) = audit.shown.entries.get(&posted.id) {
                let found = of_entry(audit, sum, entry, &posted.postings, notes.get(&posted.id));
                transactions.extend(found);
            }
        }
        let mut transactions = one_credit_each(sum, audit, transactions);
        for transaction in &mut transactions {
            book(transaction, &closings, sum);
        }
        transactions.sort_by_key(|it| {
            (it.unit, month_of(it.booked), it.booked, it.place.device, it.place.seq, it.part)
        });
        let closed = transactions.iter_mut().filter(|it| it.closed.is_some());
        let money = closed.filter(|it| it.unit == Unit::Money);
        for (number, transaction) in (1..).zip(money) {
            transaction.number = Some(number);
        }
        Some(Self { sum, transactions, slugs: Slugs::new(sum) })
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
                    || (format!("UNIT{place}"), 0),
                    |it| (it.code.to_string(), it.exponent),
                )
            }
        }
    }
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

fn closings(audit: &Audit, sum: &Sum) -> Vec<Closing> {
    let act = |id: &EntryId| match audit.shown.entries.get(id)?.content() {
        Content::Known(Act::Close(act)) => Some(act.clone()),
        _ => None,
    };
    let closing = |id: &EntryId| {
        let act = act(id)?;
        let place = sum.state.chains().place(id)?;
        let day = day_of(audit.shown.entries.get(id)?.header().time)?;
        Some(Closing { period: act.period, place, day, act })
    };
    let mut all: Vec<Closing> =
        sum.state.posted().iter().filter_map(|posted| closing(&posted.id)).collect();
    all.sort_by_key(|closing| closing.period);
    all
}

/// The records of one entry: what moves between members apart from what moves the bank.
fn of_entry(
    audit: &Audit,
    sum: &Sum,
    entry: &Signed,
    postings: &[Posting],
    note: Option<&String>,
) -> Vec<Transaction> {
    let (Some(place), Content::Known(act)) =
        (sum.state.chains().place(&entry.id()), entry.content())
    else {
        return Vec::new();
    };
    let mut made = Vec::new();
    for unit in units(sum.register.charter()) {
        let own: Vec<Posting> = postings.iter().filter(|it| it.unit == unit).cloned().collect();
        let pairs: Vec<&[Posting]> = own.chunks(2).collect();
        let is_inner = |pair: &&&[Posting]| {
            pair.iter().all(|posting| matches!(posting.account, Account::Payable(_)))
        };
        let inner = pairs.iter().filter(is_inner).map(|pair| gather(pair));
        let rest: Vec<Posting> =
            pairs.iter().filter(|it| !is_inner(it)).flat_map(|pair| pair.iter()).cloned().collect();
        for lines in inner.chain([gather(&rest)]).filter(|lines| !lines.is_empty()) {
            let said = paper::describe(audit, sum, entry, act, &lines, note);
            let paper::Paper { date, journal, piece, label } = said;
            let (id, part) = (entry.id(), made.len());
            let (number, booked, closed) = (None, date, None);
            made.push(Transaction {
                id,
                place,
                part,
                number,
                date,
                booked,
                closed,
                journal,
                piece,
                label,
                unit,
                lines,
            });
        }
    }
    made
}

/// Postings with one line for each account, debits first, each side in the order of its coming.
fn gather(postings: &[Posting]) -> Vec<(Account, i128)> {
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

/// Attestations correct a credit as they arrive; what is shown is what it came to, once, beside
/// the last attestation that it needed.
fn one_credit_each(sum: &Sum, audit: &Audit, transactions: Vec<Transaction>) -> Vec<Transaction> {
    let (credits, mut rest): (Vec<_>, Vec<_>) =
        transactions.into_iter().partition(|it| attested(audit, &it.id).is_some());
    let mut sums: BTreeMap<(EntryId, Unit), Vec<Transaction>> = BTreeMap::new();
    for credit in credits {
        if let Some(contribution) = attested(audit, &credit.id) {
            sums.entry((contribution, credit.unit)).or_default().push(credit);
        }
    }
    for ((contribution, _), all) in sums {
        let record = sum.state.work().record(&contribution);
        let last = record
            .and_then(|record| record.attestations.get(usize::from(record.needed).checked_sub(1)?));
        let posting = |(account, amount): &(Account, i128), unit| Posting {
            account: account.clone(),
            unit,
            amount: *amount,
        };
        let postings: Vec<Posting> = all
            .iter()
            .flat_map(|one| one.lines.iter().map(|line| posting(line, one.unit)))
            .collect();
        let lines = gather(&postings);
        let shown = all.iter().find(|one| Some(one.id) == last.map(|last| last.id));
        if let (Some(first), false) = (shown.or(all.first()), lines.is_empty()) {
            rest.push(Transaction { lines, ..first.clone() });
        }
    }
    rest
}

/// The contribution that an attestation names.
fn attested(audit: &Audit, id: &EntryId) -> Option<EntryId> {
    match audit.shown.entries.get(id)?.content() {
        Content::Known(Act::Attest(act)) => Some(act.contribution),
        _ => None,
    }
}

/// Books a transaction in its month, or in the first that was open when it came.
fn book(transaction: &mut Transaction, closings: &[Closing], sum: &Sum) {
    let treasurer = |place: Place| {
        let member = |device| sum.register.record(device).map(|record| record.member);
        move |closing: &Closing| member(place.device) == member(closing.place.device)
    };
    let same = treasurer(transaction.place);
    let before = |closing: &Closing| {
        let inside = transaction.place.inside(&closing.act.cut);
        let (one, other) = (transaction.place, closing.place);
        inside || same(closing) && (one.device, one.seq) < (other.device, other.seq)
    };
    let dated = month_of(transaction.date);
    let mut month = dated;
    for closing in closings.iter().filter(|closing| !before(closing)) {
        month = if month <= closing.period { month_after(closing.period) } else { month };
    }
    let closed = closings.iter().find(|closing| closing.period >= month && before(closing));
    transaction.closed = closed.map(|closing| closing.day);
    if month != dated {
        transaction.booked = first_day(month).unwrap_or(transaction.date);
    }
}

fn first_day(month: Month) -> Option<Day> {
    crate::amount::day(&format!("{}-01", show_month(month))).ok()
}

/// The last day of a month.
#[must_use]
pub fn last_day(month: Month) -> Option<Day> {
    let next = first_day(month_after(month))?;
    Day::new(next.value().checked_sub(1)?).ok()
}

/// Whom an account is about, if it is a member.
#[must_use]
pub fn member_of(account: &Account) -> Option<Member> {
    match account.party()? {
        talea_ledger::account::Party::Member(member) => Some(member),
        talea_ledger::account::Party::Client(_) => None,
    }
}
