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
use crate::authority::spending;
use crate::chain::{Place, Stamp};
use crate::documents::{Allocation, Documents, Paper, Statement};
use crate::journal::{Journal, Line, last_day};
use crate::pact::{PactNote, Pacts};
use crate::purse::{Gift, Moved};
use crate::register::Register;
use crate::row::Row;
use crate::terms::{Terms, When, month_after, month_of};
use crate::verdict::Void;
use crate::vote::Proposal;

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
        /// Whether it is public aid.
        aid: bool,
    },
    /// Money was spent.
    Expense {
        /// On which account.
        account: Code,
        /// Who was paid.
        payee: Code,
        /// Minor units of the currency.
        amount: i64,
        /// The decision that allows it, if one is named.
        decision: Option<EntryId>,
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
    /// The day that the treasurer gives; none for what posts nothing.
    pub date: Option<Day>,
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
    /// A month closed, and what is inside.
    Closed(Closing),
    /// A payment to a member that counts once for its reference.
    Paper {
        /// What it pays.
        paper: Paper,
        /// Whom.
        member: Member,
        /// Tells it from the next.
        reference: Code,
        /// The entry.
        id: EntryId,
    },
    /// A statement of the bank.
    Statement(Statement),
    /// Balances taken over: jobs that are open, and what purses hold.
    Opening {
        /// By their references.
        jobs: Vec<(Code, Job)>,
        /// By purse.
        gifts: Vec<Gift>,
    },
    /// A result allocated.
    Allocation(Allocation),
    /// Something between cooperatives, and what a fund holds after it.
    Pact(PactNote, Option<Moved>),
}

/// A closing of a month, and of those before it that were open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Closing {
    /// The entry.
    pub id: EntryId,
    /// The last month that it closes.
    pub period: Month,
    /// What is inside.
    pub cut: Cut,
}

impl Note {
    /// The rows that it changes of its own.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        match self {
            Self::Subscription(member, reference, _) => {
                vec![Row::Subscription(*member, reference.clone())]
            }
            Self::Job(code, _)
            | Self::Flow(Booked { flow: Flow::Income { job: code, .. }, .. }) => {
                vec![Row::Job(code.clone())]
            }
            Self::Flow(_) => Vec::new(),
            Self::Closed(_) => vec![Row::Closed],
            Self::Paper { paper, member, reference, .. } => {
                vec![Row::Paper(*paper, *member, reference.clone())]
            }
            Self::Statement(statement) => vec![Row::Statement(statement.date)],
            Self::Opening { jobs, .. } => {
                jobs.iter().map(|(code, _)| Row::Job(code.clone())).collect()
            }
            Self::Allocation(allocation) => vec![Row::Allocation(allocation.until)],
            Self::Pact(note, _) => note.rows(),
        }
    }
}

/// What the treasurer's chain has booked.
#[derive(Clone, Debug, Default)]
pub struct Treasury {
    jobs: BTreeMap<Code, Job>,
    subscriptions: BTreeMap<(Member, Code), EntryId>,
    flows: Vec<Booked>,
    closings: Vec<Closing>,
    journal: Journal,
    documents: Documents,
    pacts: Pacts,
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
    pub fn closed(&self) -> Option<Month> {
        self.closings.last().map(|closing| closing.period)
    }

    /// Every closing, oldest first.
    #[must_use]
    pub fn closings(&self) -> &[Closing] {
        &self.closings
    }

    /// Every booking of money.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// References, statements, results allocated.
    #[must_use]
    pub const fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Partners and accords.
    #[must_use]
    pub const fn pacts(&self) -> &Pacts {
        &self.pacts
    }

    /// The month in which an entry that is about a month is booked: that month, or, if its closing
    /// leaves the entry out, the first whose closing holds it, or the first that is open.
    #[must_use]
    pub fn settled_in(&self, place: Place, month: Month) -> Month {
        let mut open = month;
        for closing in self.closings.iter().filter(|closing| closing.period >= month) {
            if place.inside(&closing.cut) {
                return open;
            }
            open = month_after(closing.period);
        }
        open
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
        let note = Note::Subscription(member, act.reference.clone(), stamp.id);
        Ok(Booking { postings, date: Some(act.date), note })
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
        let note = Note::Job(act.job.clone(), job);
        Ok(Booking { postings, date: Some(act.date), note })
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
        let (job, aid) = (act.job.clone(), act.aid);
        let flow = Flow::Income { client, job, amount, surplus, aid };
        let note = self.flow(stamp, act.date, flow);
        Ok(Booking { postings, date: Some(act.date), note })
    }

    /// Judges an expense.
    ///
    /// # Errors
    /// [`Void`], rules 70 to 72 and 125.
    pub fn expense(
        &self,
        charter: &Charter,
        decided: Option<Option<&Proposal>>,
        books: &Books,
        stamp: &Stamp,
        act: &Expense,
    ) -> Result<Booking, Void> {
        let account = Account::expense(&act.account, charter.profile).ok_or(Void::Account)?;
        let amount = act.amount.value();
        suffices(charter, books, i128::from(amount))?;
        let spent = act.decision.map_or(0, |decision| self.documents.spent(&decision));
        spending(charter, decided, spent, amount)?;
        let postings = post(books, account, Account::Bank, amount)?;
        let (account, payee) = (act.account.clone(), act.payee.clone());
        let flow = Flow::Expense { account, payee, amount, decision: act.decision };
        let note = self.flow(stamp, act.date, flow);
        Ok(Booking { postings, date: Some(act.date), note })
    }

    /// Judges the closing of a month, whose cut has been checked and has all runs inside judged.
    ///
    /// # Errors
    /// [`Void`], rule 73.
    pub fn close(&self, stamp: &Stamp, act: &Close) -> Result<Booking, Void> {
        match self.closed() {
            Some(closed) if act.period <= closed => Err(Void::Closed { closed }),
            _ => {
                let closing = Closing { id: stamp.id, period: act.period, cut: act.cut.clone() };
                Ok(Booking { postings: Vec::new(), date: None, note: Note::Closed(closing) })
            }
        }
    }

    /// Takes in what an act posts: a booking of its own for each part.
    pub fn enter(&mut self, stamp: &Stamp, date: Day, parts: Vec<Vec<Posting>>) {
        let month = self.month(date);
        parts.iter().for_each(|postings| self.documents.post(postings, false));
        self.write(stamp, date, month, parts, false);
    }

    /// Takes in what a run posts. It is about a month, and dated its last day. It is of another
    /// chain than the balances taken over, so it does not count among what comes before them.
    pub fn enter_run(&mut self, stamp: &Stamp, period: Month, postings: Vec<Posting>) {
        self.write(stamp, last_day(period), period, vec![postings], false);
    }

    /// Takes in balances from other books.
    pub fn enter_opening(&mut self, stamp: &Stamp, date: Day, postings: Vec<Posting>) {
        let month = self.month(date);
        self.documents.post(&postings, true);
        self.write(stamp, date, month, vec![postings], true);
    }

    fn write(
        &mut self,
        stamp: &Stamp,
        date: Day,
        month: Month,
        parts: Vec<Vec<Posting>>,
        opening: bool,
    ) {
        for (part, mut postings) in (0..).zip(parts) {
            postings.retain(|posting| posting.unit == Unit::Money);
            let (entry, place) = (stamp.id, stamp.place);
            if !postings.is_empty() {
                self.journal.enter(Line { entry, part, place, date, month, opening, postings });
            }
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
                if let Flow::Expense { amount, decision: Some(decision), .. } = booked.flow {
                    self.documents.spend(decision, amount);
                }
                self.flows.push(booked);
            }
            Note::Closed(closing) => {
                let from = self.closed().map(month_after);
                self.journal.close(&closing.cut, from, closing.period);
                self.closings.push(closing);
            }
            Note::Paper { paper, member, reference, id } => {
                self.documents.file(paper, member, reference, id);
            }
            Note::Statement(statement) => self.documents.state(statement),
            Note::Opening { jobs, .. } => self.jobs.extend(jobs),
            Note::Allocation(allocation) => self.documents.allocate(allocation),
            Note::Pact(note, _) => self.pacts.take(note),
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
        self.closed().map(|month| encode(&month))
    }

    fn flow(&self, stamp: &Stamp, date: Day, flow: Flow) -> Note {
        Note::Flow(Booked { place: stamp.place, date, month: self.month(date), flow })
    }

    /// The month in which an act of this date is booked.
    fn month(&self, date: Day) -> Month {
        let month = month_of(date);
        self.closed().map_or(month, |closed| month.max(month_after(closed)))
    }
}

/// What of a receipt lies above the internal price, rounded down.
fn surplus(amount: i64, price: u32, internal: u32) -> i64 {
    let above = i128::from(price.saturating_sub(internal));
    let part = (i128::from(amount) * above).checked_div(i128::from(price)).unwrap_or(0);
    i64::try_from(part).unwrap_or(amount)
}

/// How far below zero the bank may go, in minor units of the currency.
#[must_use]
pub fn overdraft(charter: &Charter) -> i128 {
    charter.treasury.overdraft.map_or(0, |overdraft| i128::from(overdraft.value()))
}

/// Whether the bank pays as much.
///
/// # Errors
/// [`Void`], rule 71.
pub fn suffices(charter: &Charter, books: &Books, amount: i128) -> Result<(), Void> {
    let bank = books.net(&Account::Bank, Unit::Money);
    if amount <= bank + overdraft(charter) {
        return Ok(());
    }
    Err(Void::Bank { bank: i64::try_from(bank).unwrap_or(i64::MAX) })
}

/// A transfer of money that leaves both accounts within the range of amounts. Only the
/// treasurer's chain moves accounts that are judged so.
///
/// # Errors
/// [`Void`], rule 72.
pub fn post(
    books: &Books,
    debit: Account,
    credit: Account,
    amount: i64,
) -> Result<Vec<Posting>, Void> {
    let postings = transfer(Unit::Money, debit, credit, amount);
    if stays(books, &postings) { Ok(postings.to_vec()) } else { Err(Void::Range) }
}

/// Whether all accounts stay within the range of amounts; each is posted to once.
#[must_use]
pub fn stays(books: &Books, postings: &[Posting]) -> bool {
    let stays = |posting: &Posting| {
        i64::try_from(books.net(&posting.account, posting.unit) + posting.amount).is_ok()
    };
    postings.iter().all(stays)
}
