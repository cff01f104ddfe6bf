//! The treasurer's acts and all bookings: rules 65 to 73, and "Booking" in section 6.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Expense, Income, Invoice, Pay, Subscribe, subscription};
use talea_protocol::bytes::{Code, Day};
use talea_protocol::charter::Profile;
use talea_protocol::key::{Purpose, verify_for};
use talea_protocol::recovery::Office;

use super::history::{Fact, History};
use super::terms::{Month, When, month_of};
use super::{Account, Stop};

/// Accounts that the plan of fr-scic uses for something else.
const TAKEN: [&str; 13] = [
    "101300", "106100", "106300", "106800", "110000", "120000", "411000", "451000", "455000",
    "467000", "512000", "611000", "706000",
];

/// One debit and one credit: unit, debited, credited, amount.
pub type Transfer = (u8, Account, Account, i128);

/// A receipt or an expense.
pub struct Flow<'f, 'a> {
    /// The entry.
    pub fact: &'f Fact<'a>,
    /// The month in which it is booked.
    pub month: Month,
    /// What a client has paid.
    pub receipt: i128,
    /// Part of it above the internal price.
    pub surplus: i128,
    /// What was spent.
    pub expense: i128,
}

impl<'a> History<'a> {
    /// Rules 43, 65, 66 and 72.
    pub fn examine_subscribe(&self, fact: &Fact<'_>, act: &Subscribe) -> Result<(), Stop> {
        let member = act.member.0;
        if !self.register.exists(member, fact.basis) {
            return Err(Stop::Void(43));
        }
        let said = subscription(&self.register.cooperative(), act);
        let theirs = self.register.owner(&act.device, fact.basis) == Some(member);
        if !theirs || !verify_for(Purpose::Subscription, &act.device, &act.signature, &said) {
            return Err(Stop::Void(65));
        }
        let same = |act_before: &Act| {
            matches!(act_before, Act::Subscribe(it)
                if it.member == act.member && it.reference == act.reference)
        };
        if self.counted().any(|(_, act)| same(act)) {
            return Err(Stop::Void(66));
        }
        self.stays(&Account::Bank, &Account::Shares(member), act.amount.value())
    }

    /// Rules 43, 67, 68 and 72.
    pub fn examine_invoice(&self, fact: &Fact<'_>, act: &Invoice) -> Result<(), Stop> {
        let price = self.invoiced_price(fact, act).ok_or(Stop::Void(43))?;
        let due = i128::from(act.quantity.value()) * i128::from(price);
        if due != i128::from(act.amount.value()) {
            return Err(Stop::Void(67));
        }
        if self.invoice(&act.job).is_some() {
            return Err(Stop::Void(68));
        }
        let client = Account::Receivable(act.client.to_string());
        self.stays(&client, &Account::Sales, act.amount.value())
    }

    /// Rules 69 and 72.
    pub fn examine_income(&self, _fact: &Fact<'_>, act: &Income) -> Result<(), Stop> {
        let open = match self.invoice(&act.job) {
            Some((_, invoice)) if invoice.client == act.client => {
                i128::from(invoice.amount.value()) - self.received(&act.job)
            }
            _ => 0,
        };
        if i128::from(act.amount.value()) > open {
            return Err(Stop::Void(69));
        }
        let client = Account::Receivable(act.client.to_string());
        self.stays(&Account::Bank, &client, act.amount.value())
    }

    /// Rules 70 to 72.
    pub fn examine_expense(&self, _fact: &Fact<'_>, act: &Expense) -> Result<(), Stop> {
        let plan = self.register.charter.profile == Profile::FrScic;
        if plan && TAKEN.contains(&act.account.as_str()) {
            return Err(Stop::Void(70));
        }
        self.suffices(i128::from(act.amount.value()))?;
        let account = Account::Expense(act.account.to_string());
        self.stays(&account, &Account::Bank, act.amount.value())
    }

    /// Rules 47 to 50, 71 and 78.
    pub fn examine_pay(&self, fact: &Fact<'_>, act: &Pay) -> Result<(), Stop> {
        self.check_cut(fact, &act.cut)?;
        let run = self.named_inside(&act.run, &act.cut)?;
        let Some(Act::Distribute(run)) = run.act() else { return Err(Stop::Void(50)) };
        self.suffices(i128::from(run.totals.paid))?;
        let paid = self.counted().any(|(_, it)| matches!(it, Act::Pay(it) if it.run == act.run));
        if paid { Err(Stop::Void(78)) } else { Ok(()) }
    }

    /// The last month that was closed before an entry for the same role.
    pub fn closed_before(&self, fact: &Fact<'_>) -> Option<Month> {
        let turn = |fact: &Fact<'_>| self.turn(fact, Office::Treasurer);
        let closes = self.counted().filter_map(|(other, act)| match act {
            Act::Close(close) if turn(other) < turn(fact) => Some(close.period.value()),
            _ => None,
        });
        closes.max()
    }

    /// The month in which a dated act is booked.
    pub fn booked(&self, fact: &Fact<'_>, date: Day) -> Month {
        let month = month_of(date);
        self.closed_before(fact).map_or(month, |closed| month.max(closed + 1))
    }

    /// The invoice of a job.
    pub fn invoice(&self, job: &Code) -> Option<(&Fact<'a>, &'a Invoice)> {
        self.counted().find_map(|(fact, act)| match act {
            Act::Invoice(invoice) if invoice.job == *job => Some((fact, invoice)),
            _ => None,
        })
    }

    /// The price of an invoice's tier.
    pub fn invoiced_price(&self, fact: &Fact<'_>, act: &Invoice) -> Option<u32> {
        self.price(When { at: fact.basis, month: month_of(act.date) }, act.tier)
    }

    /// What has been received on a job.
    pub fn received(&self, job: &Code) -> i128 {
        let of_job = self.counted().filter_map(|(_, act)| match act {
            Act::Income(income) if income.job == *job => Some(i128::from(income.amount.value())),
            _ => None,
        });
        of_job.sum()
    }

    /// Every receipt and expense that counts.
    pub fn flows(&self) -> Vec<Flow<'_, 'a>> {
        let flow = |(fact, act): (&'_ Fact<'a>, &'a Act)| match act {
            Act::Income(income) => {
                let (receipt, surplus) = self.surplus(fact, income);
                Some((self.booked(fact, income.date), receipt, surplus, 0))
            }
            Act::Expense(expense) => {
                let spent = i128::from(expense.amount.value());
                Some((self.booked(fact, expense.date), 0, 0, spent))
            }
            _ => None,
        };
        let all = self.counted().filter_map(|(fact, act)| {
            flow((fact, act)).map(|(month, receipt, surplus, expense)| Flow {
                fact,
                month,
                receipt,
                surplus,
                expense,
            })
        });
        all.collect()
    }

    /// A receipt, and its part above the internal price.
    fn surplus(&self, fact: &Fact<'_>, income: &Income) -> (i128, i128) {
        let amount = i128::from(income.amount.value());
        let invoiced = self.invoice(&income.job);
        let price = invoiced.and_then(|(fact, invoice)| self.invoiced_price(fact, invoice));
        let when = When { at: fact.basis, month: month_of(income.date) };
        let [price, internal] = [price.unwrap_or(0), self.internal_price(when)].map(i128::from);
        let surplus = if price > internal { amount * (price - internal) / price } else { 0 };
        (amount, surplus)
    }

    /// All transfers of everything that counts.
    pub fn transfers(&self) -> Vec<Transfer> {
        let mut all: Vec<Transfer> = Vec::new();
        for (fact, act) in self.counted() {
            match act {
                Act::Contribution(_) => {
                    let credit = self.credit(fact, None);
                    let claim = || Account::Claim(fact.member);
                    for (unit, amount) in (1..).zip([credit.livelihood, credit.love, credit.care]) {
                        all.push((unit, Account::Issued, claim(), i128::from(amount)));
                    }
                }
                Act::Distribute(run) => all.extend(self.run_transfers(fact, run)),
                Act::Pay(pay) => all.extend(self.pay_transfers(pay)),
                _ => all.extend(plain(act)),
            }
        }
        all
    }

    /// Debits minus credits of every account that is not at zero.
    pub fn balances(&self) -> BTreeMap<(u8, Account), i128> {
        let mut balances: BTreeMap<(u8, Account), i128> = BTreeMap::new();
        for (unit, debit, credit, amount) in self.transfers() {
            *balances.entry((unit, debit)).or_default() += amount;
            *balances.entry((unit, credit)).or_default() -= amount;
        }
        balances.retain(|_, balance| *balance != 0);
        balances
    }

    /// A balance of money.
    fn balance(&self, account: &Account) -> i128 {
        self.balances().get(&(0, account.clone())).copied().unwrap_or(0)
    }

    /// Rule 71.
    fn suffices(&self, amount: i128) -> Result<(), Stop> {
        if amount > self.balance(&Account::Bank) { Err(Stop::Void(71)) } else { Ok(()) }
    }

    /// Rule 72.
    fn stays(&self, debit: &Account, credit: &Account, amount: i64) -> Result<(), Stop> {
        let amount = i128::from(amount);
        let fits = |balance: i128| i64::try_from(balance).is_ok();
        let stay = fits(self.balance(debit) + amount) && fits(self.balance(credit) - amount);
        if stay { Ok(()) } else { Err(Stop::Void(72)) }
    }
}

/// What an act books that depends on nothing else.
fn plain(act: &Act) -> Option<Transfer> {
    let money = |debit, credit, amount: i64| Some((0, debit, credit, i128::from(amount)));
    match act {
        Act::Subscribe(it) => money(Account::Bank, Account::Shares(it.member.0), it.amount.value()),
        Act::Invoice(it) => {
            money(Account::Receivable(it.client.to_string()), Account::Sales, it.amount.value())
        }
        Act::Income(it) => {
            money(Account::Bank, Account::Receivable(it.client.to_string()), it.amount.value())
        }
        Act::Expense(it) => {
            money(Account::Expense(it.account.to_string()), Account::Bank, it.amount.value())
        }
        _ => None,
    }
}
