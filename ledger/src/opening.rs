//! Balances taken over from other books, and the bank's own word for its balance.
//!
//! Opening balances come before anything else, and balance in each unit. A statement is compared
//! with what is booked up to its day; a difference is shown and changes nothing. Rules 132 to 134.

use std::collections::BTreeSet;

use talea_protocol::bytes::encode;
use talea_protocol::charter::Charter;
use talea_protocol::hash::EntryId;
use talea_protocol::money::{Held, Open, Opening, Purse, Reconcile};

use crate::account::{Account, Books, Posting, Unit, balanced};
use crate::capital::known;
use crate::chain::Stamp;
use crate::documents::{Documents, Statement};
use crate::fault::MoneyFault;
use crate::journal::Journal;
use crate::money::{Booking, Job, Note, Treasury};
use crate::purse::{Gift, fund, unit_of};
use crate::register::Register;
use crate::terms::month_of;
use crate::verdict::Void;

/// Judges balances taken over.
///
/// # Errors
/// [`Void`], rules 43, 68, 70, 71, 72, 128, 130, 133 and 134.
pub fn open(
    register: &Register,
    treasury: &Treasury,
    books: &Books,
    stamp: &Stamp,
    act: &Open,
) -> Result<Booking, Void> {
    if treasury.documents().begun() {
        return Err(MoneyFault::Begun.into());
    }
    let mut named = BTreeSet::new();
    let mut opened = Opened { postings: Vec::new(), jobs: Vec::new(), gifts: Vec::new() };
    for opening in &act.balances {
        if opening.amount == 0 || !named.insert(encode(&opening.account)) {
            return Err(MoneyFault::Opening.into());
        }
        opened.add(register, treasury, stamp, act, opening)?;
    }
    if opened.postings.is_empty() || balanced(&opened.postings).is_err() {
        return Err(MoneyFault::Opening.into());
    }
    floors(register.charter(), books, &opened.postings)?;
    let Opened { postings, jobs, gifts } = opened;
    Ok(Booking { postings, date: Some(act.date), note: Note::Opening { jobs, gifts } })
}

struct Opened {
    postings: Vec<Posting>,
    jobs: Vec<(talea_protocol::bytes::Code, Job)>,
    gifts: Vec<Gift>,
}

impl Opened {
    fn add(
        &mut self,
        register: &Register,
        treasury: &Treasury,
        stamp: &Stamp,
        act: &Open,
        opening: &Opening,
    ) -> Result<(), Void> {
        let (charter, amount) = (register.charter(), opening.amount);
        let signed = |fits: bool| if fits { Ok(()) } else { Err(Void::from(MoneyFault::Opening)) };
        let (account, unit) = match &opening.account {
            Held::Bank => (Account::Bank, Unit::Money),
            Held::Shares(member) => {
                known(register, *member, stamp)?;
                signed(amount < 0)?;
                (Account::Shares(*member), Unit::Money)
            }
            Held::Due(member) => {
                known(register, *member, stamp)?;
                signed(amount < 0)?;
                (Account::Due(*member), Unit::Money)
            }
            Held::Receivable { client, job } => {
                signed(amount > 0)?;
                if let Some(job) = treasury.jobs().get(job) {
                    return Err(Void::Invoiced { invoice: job.invoice });
                }
                self.jobs.push((job.clone(), old_job(stamp.id, client.clone(), act, amount)));
                (Account::Receivable(client.clone()), Unit::Money)
            }
            Held::Reserve(reserve) => (Account::Reserve(*reserve), Unit::Money),
            Held::Carried => (Account::Carried, Unit::Money),
            Held::Other(code) => {
                (Account::expense(code, charter.profile).ok_or(Void::Account)?, Unit::Money)
            }
            Held::Purse { purse, unit } => {
                let number = unit_of(charter, unit)?;
                match purse {
                    // A member's debt would be its own to state.
                    Purse::Member(member) => {
                        known(register, *member, stamp)?;
                        signed(amount > 0)?;
                    }
                    Purse::Fund(code) => fund(charter, code, unit).map(|_| ())?,
                }
                self.gifts.push(Gift { purse: purse.clone(), unit: number, amount });
                (Account::of(purse), Unit::Internal(number))
            }
        };
        self.postings.push(Posting { account, unit, amount: i128::from(amount) });
        Ok(())
    }
}

/// A job that was invoiced in other books: its price is not known, so nothing of it is surplus.
fn old_job(invoice: EntryId, client: talea_protocol::bytes::Code, act: &Open, amount: i64) -> Job {
    Job { invoice, client, price: 0, amount, received: 0, booked: month_of(act.date) }
}

/// Whether every account stays within its range, and bank and purses above their floors.
fn floors(charter: &Charter, books: &Books, postings: &[Posting]) -> Result<(), Void> {
    for posting in postings {
        let held = books.net(&posting.account, posting.unit) + posting.amount;
        if i64::try_from(held).is_err() {
            return Err(Void::Range);
        }
        let floor = match &posting.account {
            Account::Bank if held < -crate::money::overdraft(charter) => {
                return Err(Void::Bank { bank: i64::try_from(held).unwrap_or(i64::MIN) });
            }
            Account::Wallet(_) | Account::Fund(_) => {
                crate::purse::floor(charter, &posting.account, posting.unit)
            }
            _ => continue,
        };
        if held < floor {
            return Err(MoneyFault::Purse { held, floor }.into());
        }
    }
    Ok(())
}

/// Judges a statement of the bank.
///
/// # Errors
/// [`Void`], rule 132.
pub fn reconcile(
    documents: &Documents,
    journal: &Journal,
    stamp: &Stamp,
    act: &Reconcile,
) -> Result<Booking, Void> {
    if let Some(last) = documents.statements().last().filter(|last| act.date <= last.date) {
        return Err(MoneyFault::Reconciled { until: last.date }.into());
    }
    let (id, date, balance) = (stamp.id, act.date, act.balance);
    let statement = Statement { id, date, balance, booked: journal.bank(date) };
    Ok(Booking { postings: Vec::new(), date: None, note: Note::Statement(statement) })
}
