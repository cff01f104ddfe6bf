//! Double entry: accounts, balanced postings, and what they add up to.
//!
//! Money and claims are kept alike: every effect is a posting whose sides are equal in each unit,
//! so the sum over all accounts of a unit is zero at any time. Whether an act may post, and what
//! an account's floor is, the domain's files decide; here nothing has a date. Codes are those of
//! the charter's profile and only for display. Section 8 of the design's model.

use std::collections::BTreeMap;

use serde::Serialize;
use talea_protocol::bytes::Code;
use talea_protocol::charter::{Member, Profile};
use talea_protocol::hash::EntryId;
use talea_protocol::money::{Purse, Reserve};

/// Where value lies. The order is that of the trial balance.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Account {
    /// Shares paid in by a member.
    Shares(Member),
    /// What a client owes.
    Receivable(Code),
    /// What the cooperative owes a member.
    Payable(Member),
    /// Money at the bank. Never below zero.
    Bank,
    /// Members' pay.
    Pay,
    /// An expense, on the account that the treasurer named.
    Expense(Code),
    /// Sales.
    Sales,
    /// What a member earned and has not been paid: in hundredths of credits, or minutes.
    Claim(Member),
    /// The other side of all claims.
    Issued,
    /// What the cooperative owes a member besides runs.
    Due(Member),
    /// A reserve.
    Reserve(Reserve),
    /// Results carried forward.
    Carried,
    /// The result that was allocated.
    Result,
    /// A member's wallet, in an internal unit: a debit is what it holds.
    Wallet(Member),
    /// A common fund, likewise.
    Fund(Code),
}

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Minor units of the charter's currency.
    Money,
    /// Hundredths of livelihood credits.
    Livelihood,
    /// Hundredths of love credits.
    Love,
    /// Minutes of care.
    Care,
    /// A unit of the charter's own, by its place there.
    Internal(u8),
}

impl Unit {
    /// Those that every cooperative has.
    pub const ALL: [Self; 4] = [Self::Money, Self::Livelihood, Self::Love, Self::Care];
}

/// Whom an account is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// A member.
    Member(Member),
    /// A client.
    Client(Code),
}

impl Account {
    /// The account of an expense, unless the profile's plan uses the code for something else.
    #[must_use]
    pub fn expense(code: &Code, profile: Profile) -> Option<Self> {
        let taken = profile == Profile::FrScic && FR_SCIC.contains(&code.as_str());
        (!taken).then(|| Self::Expense(code.clone()))
    }

    /// The account's code in the profile's plan of accounts: the French one (PCG, with 101300 for
    /// the capital of cooperatives), or plain words where no country's plan applies.
    #[must_use]
    pub fn code(&self, profile: Profile) -> String {
        let [
            shares,
            receivable,
            payable,
            bank,
            pay,
            sales,
            due,
            legal,
            statutory,
            other,
            carried,
            result,
        ] = match profile {
            Profile::FrScic => FR_SCIC,
            Profile::None => NEUTRAL,
        };
        match self {
            Self::Shares(_) => shares.into(),
            Self::Receivable(_) => receivable.into(),
            Self::Payable(_) => payable.into(),
            Self::Bank => bank.into(),
            Self::Pay => pay.into(),
            Self::Sales => sales.into(),
            Self::Expense(code) if profile == Profile::None => format!("expense:{code}"),
            Self::Expense(code) => code.to_string(),
            Self::Claim(_) => "claim".into(),
            Self::Issued => "issued".into(),
            Self::Due(_) => due.into(),
            Self::Reserve(Reserve::Legal) => legal.into(),
            Self::Reserve(Reserve::Statutory) => statutory.into(),
            Self::Reserve(Reserve::Other) => other.into(),
            Self::Carried => carried.into(),
            Self::Result => result.into(),
            Self::Wallet(_) => "wallet".into(),
            Self::Fund(code) => format!("fund:{code}"),
        }
    }

    /// The account of a purse.
    #[must_use]
    pub fn of(purse: &Purse) -> Self {
        match purse {
            Purse::Member(member) => Self::Wallet(*member),
            Purse::Fund(code) => Self::Fund(code.clone()),
        }
    }

    /// Whether what is booked here is a part of the result. The French plan says so by the first
    /// digit; elsewhere every account of an expense is one.
    #[must_use]
    pub fn is_result(&self, profile: Profile) -> bool {
        match self {
            Self::Sales | Self::Pay => true,
            Self::Expense(code) => {
                profile == Profile::None || code.as_str().starts_with(['6', '7'])
            }
            _ => false,
        }
    }

    /// Whom the account is about, if it is about somebody.
    #[must_use]
    pub fn party(&self) -> Option<Party> {
        match self {
            Self::Shares(member)
            | Self::Payable(member)
            | Self::Claim(member)
            | Self::Due(member)
            | Self::Wallet(member) => Some(Party::Member(*member)),
            Self::Receivable(client) => Some(Party::Client(client.clone())),
            Self::Bank
            | Self::Pay
            | Self::Expense(_)
            | Self::Sales
            | Self::Issued
            | Self::Reserve(_)
            | Self::Carried
            | Self::Result
            | Self::Fund(_) => None,
        }
    }

    /// The account's name in a row of the state: a byte for its kind, then its party or code.
    /// Numbers are part of the state root and never change.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        let (kind, rest): (u8, &[u8]) = match self {
            Self::Shares(member) => (0, &member.0.to_le_bytes()),
            Self::Receivable(client) => (1, client.as_str().as_bytes()),
            Self::Payable(member) => (2, &member.0.to_le_bytes()),
            Self::Bank => (3, &[]),
            Self::Pay => (4, &[]),
            Self::Expense(code) => (5, code.as_str().as_bytes()),
            Self::Sales => (6, &[]),
            Self::Claim(member) => (7, &member.0.to_le_bytes()),
            Self::Issued => (8, &[]),
            Self::Due(member) => (9, &member.0.to_le_bytes()),
            Self::Reserve(Reserve::Legal) => (10, &[0]),
            Self::Reserve(Reserve::Statutory) => (10, &[1]),
            Self::Reserve(Reserve::Other) => (10, &[2]),
            Self::Carried => (11, &[]),
            Self::Result => (12, &[]),
            Self::Wallet(member) => (13, &member.0.to_le_bytes()),
            Self::Fund(code) => (14, code.as_str().as_bytes()),
        };
        [&[kind], rest].concat()
    }
}

/// Shares, receivable, payable, bank, members' pay, sales; due to members; legal, statutory and
/// other reserves, carried forward, result.
const FR_SCIC: [&str; 12] = [
    "101300", "411000", "467000", "512000", "611000", "706000", "455000", "106100", "106300",
    "106800", "110000", "120000",
];
const NEUTRAL: [&str; 12] = [
    "shares",
    "receivable",
    "payable",
    "bank",
    "pay",
    "sales",
    "due",
    "reserve:legal",
    "reserve:statutory",
    "reserve:other",
    "carried",
    "result",
];

/// A change of one account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// What is counted.
    pub unit: Unit,
    /// Debit above zero, credit below.
    pub amount: i128,
}

/// What one entry has posted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Posted {
    /// The entry.
    pub id: EntryId,
    /// Its postings, balanced in each unit; none, if it moves nothing.
    pub postings: Vec<Posting>,
}

/// Debits `amount` of one account and credits another.
#[must_use]
pub fn transfer(unit: Unit, debit: Account, credit: Account, amount: i64) -> [Posting; 2] {
    let amount = i128::from(amount);
    [Posting { account: debit, unit, amount }, Posting { account: credit, unit, amount: -amount }]
}

/// Postings that do not belong together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the debits of {unit:?} exceed the credits by {excess}")]
pub struct Unbalanced {
    /// The unit.
    pub unit: Unit,
    /// Debits minus credits.
    pub excess: i128,
}

/// Both sides of an account since the beginning, each at least zero.
///
/// 2^64 entries of at most 2^63 each stay within an i128, so a balance never overflows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Balance {
    /// All debits.
    pub debit: i128,
    /// All credits.
    pub credit: i128,
}

impl Balance {
    /// Debits minus credits.
    #[must_use]
    pub const fn net(&self) -> i128 {
        self.debit - self.credit
    }
}

/// All accounts. Only balanced postings get in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Books(BTreeMap<(Account, Unit), Balance>);

impl Books {
    /// Books with nothing in them.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Posts all or nothing.
    ///
    /// # Errors
    /// [`Unbalanced`], and nothing has been posted.
    pub fn post(&mut self, postings: &[Posting]) -> Result<(), Unbalanced> {
        balanced(postings)?;
        for posting in postings {
            let key = (posting.account.clone(), posting.unit);
            let balance = self.0.entry(key).or_default();
            balance.debit += posting.amount.max(0);
            balance.credit -= posting.amount.min(0);
        }
        Ok(())
    }

    /// Both sides of an account.
    #[must_use]
    pub fn balance(&self, account: &Account, unit: Unit) -> Balance {
        self.0.get(&(account.clone(), unit)).copied().unwrap_or_default()
    }

    /// Debits minus credits of an account: above zero for what the cooperative has, below zero for
    /// what it owes.
    #[must_use]
    pub fn net(&self, account: &Account, unit: Unit) -> i128 {
        self.balance(account, unit).net()
    }

    /// Every account that was ever posted to, in the order of accounts.
    pub fn iter(&self) -> impl Iterator<Item = (&Account, Unit, Balance)> {
        self.0.iter().map(|((account, unit), balance)| (account, *unit, *balance))
    }

    /// Debits minus credits over all accounts: zero, or the books are wrong.
    #[must_use]
    pub fn sum(&self, unit: Unit) -> i128 {
        self.iter().filter(|(_, of, _)| *of == unit).map(|(_, _, balance)| balance.net()).sum()
    }
}

/// Whether the sides are equal in each unit.
///
/// # Errors
/// [`Unbalanced`], for the first unit in which they are not.
pub fn balanced(postings: &[Posting]) -> Result<(), Unbalanced> {
    let units: std::collections::BTreeSet<Unit> = postings.iter().map(|it| it.unit).collect();
    for unit in units {
        let of_unit = postings.iter().filter(|posting| posting.unit == unit);
        let excess: i128 = of_unit.map(|posting| posting.amount).sum();
        if excess != 0 {
            return Err(Unbalanced { unit, excess });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(text: &str) -> Code {
        Code::try_from(text).unwrap()
    }

    fn accounts() -> Vec<Account> {
        vec![
            Account::Shares(Member(0)),
            Account::Shares(Member(1)),
            Account::Receivable(code("grillon")),
            Account::Payable(Member(0)),
            Account::Bank,
            Account::Pay,
            Account::Expense(code("628000")),
            Account::Sales,
            Account::Claim(Member(0)),
            Account::Issued,
            Account::Due(Member(0)),
            Account::Reserve(Reserve::Legal),
            Account::Reserve(Reserve::Statutory),
            Account::Reserve(Reserve::Other),
            Account::Carried,
            Account::Result,
            Account::Wallet(Member(0)),
            Account::Fund(code("common")),
        ]
    }

    #[test]
    fn an_unbalanced_posting_changes_nothing() {
        let mut books = Books::new();
        let mut postings = transfer(Unit::Money, Account::Bank, Account::Sales, 100).to_vec();
        postings[1].amount += 1;
        let excess = Unbalanced { unit: Unit::Money, excess: 1 };
        assert_eq!(books.post(&postings), Err(excess));
        assert_eq!(books, Books::new());
    }

    #[test]
    fn what_balances_only_across_units_is_unbalanced() {
        let mut books = Books::new();
        let mut postings = transfer(Unit::Money, Account::Bank, Account::Sales, 100).to_vec();
        postings[1].unit = Unit::Care;
        assert!(books.post(&postings).is_err());
    }

    #[test]
    fn both_sides_of_an_account_are_kept() {
        let mut books = Books::new();
        books.post(&transfer(Unit::Money, Account::Bank, Account::Sales, 100)).unwrap();
        books.post(&transfer(Unit::Money, Account::Pay, Account::Bank, 30)).unwrap();
        let bank = books.balance(&Account::Bank, Unit::Money);
        assert_eq!(bank, Balance { debit: 100, credit: 30 });
        assert_eq!(books.net(&Account::Bank, Unit::Money), 70);
        assert_eq!(books.net(&Account::Bank, Unit::Care), 0);
    }

    #[test]
    fn the_largest_amounts_add_up() {
        let mut books = Books::new();
        for _ in 0..3 {
            books.post(&transfer(Unit::Money, Account::Bank, Account::Sales, i64::MAX)).unwrap();
        }
        assert_eq!(books.net(&Account::Bank, Unit::Money), 3 * i128::from(i64::MAX));
    }

    #[test]
    fn codes_follow_the_profile_and_parties_the_account() {
        let payable = Account::Payable(Member(3));
        assert_eq!(payable.code(Profile::FrScic), "467000");
        assert_eq!(payable.code(Profile::None), "payable");
        assert_eq!(payable.party(), Some(Party::Member(Member(3))));
        let expense = Account::Expense(code("628000"));
        assert_eq!(expense.code(Profile::FrScic), "628000");
        assert_eq!(expense.code(Profile::None), "expense:628000");
        assert_eq!(expense.party(), None);
    }

    #[test]
    fn an_expense_never_takes_the_code_of_another_account() {
        for own in FR_SCIC {
            assert_eq!(Account::expense(&code(own), Profile::FrScic), None);
            assert!(Account::expense(&code(own), Profile::None).is_some());
        }
        assert!(Account::expense(&code("628000"), Profile::FrScic).is_some());
        for profile in [Profile::FrScic, Profile::None] {
            let codes: std::collections::BTreeSet<_> =
                accounts().iter().map(|account| (account.code(profile), account.party())).collect();
            assert_eq!(codes.len(), accounts().len());
        }
    }

    #[test]
    fn no_two_accounts_share_a_key() {
        let keys: std::collections::BTreeSet<_> = accounts().iter().map(Account::key).collect();
        assert_eq!(keys.len(), accounts().len());
    }

    proptest! {
        #[test]
        fn every_unit_adds_up_to_zero_after_any_transfers_in_any_order(
            moves in proptest::collection::vec(
                (0..4_usize, 0..10_usize, 0..10_usize, 1..i64::MAX), 0..40),
        ) {
            let all = accounts();
            let post = |books: &mut Books, &(unit, debit, credit, amount): &(usize, usize, usize, i64)| {
                let (debit, credit) = (all[debit].clone(), all[credit].clone());
                books.post(&transfer(Unit::ALL[unit], debit, credit, amount)).unwrap();
            };
            let (mut forth, mut back) = (Books::new(), Books::new());
            moves.iter().for_each(|step| post(&mut forth, step));
            moves.iter().rev().for_each(|step| post(&mut back, step));
            prop_assert_eq!(&forth, &back);
            for unit in Unit::ALL {
                prop_assert_eq!(forth.sum(unit), 0);
            }
        }
    }
}
