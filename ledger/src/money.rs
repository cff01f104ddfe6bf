//! The treasurer's acts: shares, invoices, receipts, expenses, closings.
//!
//! All money has one writer, the treasurer's first device, and its acts are judged in the order of
//! that chain; so whether the bank suffices is decided by that chain and what it names, the same
//! for everyone. A dated act is booked in its month, or, where that is closed, in the first that
//! is open. Payments of runs are in `distribution`. Design's domain, section 1; model, section 8.

use std::collections::BTreeMap;

use talea_protocol::act::{Close, Expense, Income, Invoice, Subscribe, subscription};
use talea_protocol::bytes::{Code, Day, Month, encode};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, verify_for};

use crate::account::{Account, Books, Posting, Unit, transfer};
use crate::chain::{Place, Stamp};
use crate::register::Register;
use crate::row::Row;
use crate::terms::{Terms, When, month_after, month_of};
use crate::verdict::Void;

/// A job that was invoiced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    /// The invoice.
    pub invoice: EntryId,
    /// Who owes.
    pub client: Code,
    /// Minor units of the currency for one unit of work.
    pub price: u32,
    /// Minor units of the currency.
    pub amount: i64,
    /// What has been received of it.
    pub received: i64,
    /// The month in which the invoice is booked.
    pub booked: Month,
}

impl Job {
    /// What the client still owes.
    #[must_use]
    pub const fn open(&self) -> i64 {
        self.amount.saturating_sub(self.received)
    }
}

/// What moved the bank, other than shares and pay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Flow {
    /// A client has paid.
    Income {
        /// Who paid.
        client: Code,
        /// The job.
        job: Code,
        /// Minor units of the currency.
        amount: i64,
        /// Part of it above the internal price.
        surplus: i64,
    },
    /// Money was spent.
    Expense {
        /// On which account.
        account: Code,
        /// Who was paid.
        payee: Code,
        /// Minor units of the currency.
        amount: i64,
    },
}

/// A flow, where it was written, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Booked {
    /// Where the entry stands.
    pub place: Place,
    /// The day that the treasurer gives.
    pub date: Day,
    /// The month in which it is booked.
    pub month: Month,
    /// What moved.
    pub flow: Flow,
}

/// What a treasurer's act does to the books, judged and not yet taken in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Booking {
    /// What is posted.
    pub postings: Vec<Posting>,
    /// What is remembered besides.
    pub note: Note,
}

/// What a treasurer's act leaves besides its postings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Note {
    /// A subscription, by member and reference.
    Subscription(Member, Code, EntryId),
    /// A job.
    Job(Code, Job),
    /// A receipt or an expense.
    Flow(Booked),
    /// The last month closed.
    Closed(Month),
}

impl Note {
    /// The row that it changes, if it has one of its own.
    #[must_use]
    pub fn row(&self) -> Option<Row> {
        match self {
            Self::Subscription(member, reference, _) => {
                Some(Row::Subscription(*member, reference.clone()))
            }
            Self::Job(code, _)
            | Self::Flow(Booked { flow: Flow::Income { job: code, .. }, .. }) => {
                Some(Row::Job(code.clone()))
            }
            Self::Flow(_) => None,
            Self::Closed(_) => Some(Row::Closed),
        }
    }
}

/// What the treasurer's chain has booked.
#[derive(Clone, Debug, Default)]
pub struct Treasury {
    jobs: BTreeMap<Code, Job>,
    subscriptions: BTreeMap<(Member, Code), EntryId>,
    flows: Vec<Booked>,
    closed: Option<Month>,
}

impl Treasury {
    /// Every invoiced job, by its reference.
    #[must_use]
    pub const fn jobs(&self) -> &BTreeMap<Code, Job> {
        &self.jobs
    }

    /// Every subscription, by member and reference.
    #[must_use]
    pub const fn subscriptions(&self) -> &BTreeMap<(Member, Code), EntryId> {
        &self.subscriptions
    }

    /// Receipts and expenses, in the order of the treasurer's chain.
    #[must_use]
    pub fn flows(&self) -> &[Booked] {
        &self.flows
    }

    /// The last month closed.
    #[must_use]
    pub const fn closed(&self) -> Option<Month> {
        self.closed
    }

    /// Flows inside a cut that are booked in or before a month.
    pub fn booked(&self, cut: &Cut, until: Month) -> impl Iterator<Item = &Booked> {
        self.flows.iter().filter(move |booked| booked.place.inside(cut) && booked.month <= until)
    }

    /// Judges a subscription of shares.
    ///
    /// # Errors
    /// [`Void`], rules 43, 65, 66 and 72.
    pub fn subscribe(
        &self,
        register: &Register,
        books: &Books,
        stamp: &Stamp,
        act: &Subscribe,
    ) -> Result<Booking, Void> {
        let member = act.member;
        let record = register.member(member).filter(|record| record.admitted <= stamp.basis);
        record.ok_or(Void::Unknown)?;
        let signed = subscription(&register.cooperative(), act);
        let theirs = register.owner(&act.device, stamp.basis) == Some(member);
        if !theirs || !verify_for(Purpose::Subscription, &act.device, &act.signature, &signed) {
            return Err(Void::Countersignature { member });
        }
        if self.subscriptions.contains_key(&(member, act.reference.clone())) {
            return Err(Void::Subscribed { member });
        }
        let amount = act.amount.value();
        let postings = post(books, Account::Bank, Account::Shares(member), amount)?;
        Ok(Booking { postings, note: Note::Subscription(member, act.reference.clone(), stamp.id) })
    }

    /// Judges an invoice.
    ///
    /// # Errors
    /// [`Void`], rules 43, 67, 68 and 72.
    pub fn invoice(
        &self,
        charter: &Charter,
        terms: &Terms,
        books: &Books,
        stamp: &Stamp,
        act: &Invoice,
    ) -> Result<Booking, Void> {
        let when = When { at: stamp.basis, month: month_of(act.date) };
        let price = terms.price(charter, when, act.tier).ok_or(Void::Unknown)?;
        let due = i128::from(act.quantity.value()) * i128::from(price);
        if i128::from(act.amount.value()) != due {
            return Err(Void::Price { amount: due });
        }
        if let Some(job) = self.jobs.get(&act.job) {
            return Err(Void::Invoiced { invoice: job.invoice });
        }
        let (client, amount) = (act.client.clone(), act.amount.value());
        let postings = post(books, Account::Receivable(client.clone()), Account::Sales, amount)?;
        let booked = self.month(act.date);
        let job = Job { invoice: stamp.id, client, price, amount, received: 0, booked };
        Ok(Booking { postings, note: Note::Job(act.job.clone(), job) })
    }

    /// Judges a receipt.
    ///
    /// # Errors
    /// [`Void`], rules 69 and 72.
    pub fn income(
        &self,
        charter: &Charter,
        terms: &Terms,
        books: &Books,
        stamp: &Stamp,
        act: &Income,
    ) -> Result<Booking, Void> {
        let (amount, client) = (act.amount.value(), act.client.clone());
        let job = self.jobs.get(&act.job).filter(|job| job.client == client);
        let job = job.ok_or(Void::Open { open: 0 })?;
        if amount > job.open() {
            return Err(Void::Open { open: job.open() });
        }
        let when = When { at: stamp.basis, month: month_of(act.date) };
        let surplus = surplus(amount, job.price, terms.internal_price(charter, when));
        let receivable = Account::Receivable(client.clone());
        let postings = post(books, Account::Bank, receivable, amount)?;
        let flow = Flow::Income { client, job: act.job.clone(), amount, surplus };
        Ok(Booking { postings, note: self.flow(stamp, act.date, flow) })
    }

    /// Judges an expense.
    ///
    /// # Errors
    /// [`Void`], rules 70 to 72.
    pub fn expense(
        &self,
        charter: &Charter,
        books: &Books,
        stamp: &Stamp,
        act: &Expense,
    ) -> Result<Booking, Void> {
        let account = Account::expense(&act.account, charter.profile).ok_or(Void::Account)?;
        let amount = act.amount.value();
        suffices(books, i128::from(amount))?;
        let postings = post(books, account, Account::Bank, amount)?;
        let (account, payee) = (act.account.clone(), act.payee.clone());
        let flow = Flow::Expense { account, payee, amount };
        Ok(Booking { postings, note: self.flow(stamp, act.date, flow) })
    }

    /// Judges the closing of a month, whose cut has been checked.
    ///
    /// # Errors
    /// [`Void`], rule 73.
    pub fn close(&self, act: &Close) -> Result<Booking, Void> {
        match self.closed {
            Some(closed) if act.period <= closed => Err(Void::Closed { closed }),
            _ => Ok(Booking { postings: Vec::new(), note: Note::Closed(act.period) }),
        }
    }

    /// Takes in what an act leaves.
    pub fn take(&mut self, note: Note) {
        match note {
            Note::Subscription(member, reference, id) => {
                self.subscriptions.insert((member, reference), id);
            }
            Note::Job(code, job) => {
                self.jobs.insert(code, job);
            }
            Note::Flow(booked) => {
                if let Flow::Income { job, amount, .. } = &booked.flow
                    && let Some(job) = self.jobs.get_mut(job)
                {
                    job.received = job.received.saturating_add(*amount);
                }
                self.flows.push(booked);
            }
            Note::Closed(month) => self.closed = Some(month),
        }
    }

    /// The value of a job's row.
    #[must_use]
    pub fn job_row(&self, code: &Code) -> Option<Vec<u8>> {
        let job = self.jobs.get(code)?;
        let sums = (job.price, job.amount, job.received);
        Some(encode(&(job.invoice, job.client.clone(), sums, job.booked)))
    }

    /// The value of a subscription's row: the entry.
    #[must_use]
    pub fn subscription_row(&self, member: Member, reference: &Code) -> Option<Vec<u8>> {
        self.subscriptions.get(&(member, reference.clone())).map(encode)
    }

    /// The value of the row of the last month closed.
    #[must_use]
    pub fn closed_row(&self) -> Option<Vec<u8>> {
        self.closed.map(|month| encode(&month))
    }

    fn flow(&self, stamp: &Stamp, date: Day, flow: Flow) -> Note {
        Note::Flow(Booked { place: stamp.place, date, month: self.month(date), flow })
    }

    /// The month in which an act of this date is booked.
    fn month(&self, date: Day) -> Month {
        let month = month_of(date);
        self.closed.map_or(month, |closed| month.max(month_after(closed)))
    }
}

/// What of a receipt lies above the internal price, rounded down.
fn surplus(amount: i64, price: u32, internal: u32) -> i64 {
    let above = i128::from(price.saturating_sub(internal));
    let part = (i128::from(amount) * above).checked_div(i128::from(price)).unwrap_or(0);
    i64::try_from(part).unwrap_or(amount)
}

/// Whether the bank holds as much.
///
/// # Errors
/// [`Void`], rule 71.
pub fn suffices(books: &Books, amount: i128) -> Result<(), Void> {
    let bank = books.net(&Account::Bank, Unit::Money);
    if amount <= bank {
        return Ok(());
    }
    Err(Void::Bank { bank: i64::try_from(bank).unwrap_or(i64::MAX) })
}

/// A transfer of money that leaves both accounts within the range of amounts. Only the
/// treasurer's chain moves accounts that are judged so.
fn post(books: &Books, debit: Account, credit: Account, amount: i64) -> Result<Vec<Posting>, Void> {
    let postings = transfer(Unit::Money, debit, credit, amount);
    let stays = |posting: &Posting| {
        i64::try_from(books.net(&posting.account, Unit::Money) + posting.amount).is_ok()
    };
    if postings.iter().all(stays) { Ok(postings.to_vec()) } else { Err(Void::Range) }
}
