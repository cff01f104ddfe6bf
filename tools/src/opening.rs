//! Balances of earlier books, as a table that any spreadsheet writes, and what they are in an entry.
//!
//! The first line names the columns: `account,of,reference,amount`, in any order, with `,` or `;`
//! between them. No field has either, so nothing is quoted. Amounts are debits above zero and credits
//! below it, in the currency; of a wallet or a fund, what it holds in its unit.
//!
//! | account | of | reference |
//! |---|---|---|
//! | `bank`, `carried` | | |
//! | `shares`, `due` | member | |
//! | `receivable` | client | job |
//! | `reserve` | `legal`, `statutory` or `other` | |
//! | `account` | its number in the plan | |
//! | `wallet`, `fund` | member, or the fund's name | unit |

use talea_protocol::bytes::Code;
use talea_protocol::money::{Held, Opening, Purse, Reserve};

use crate::amount::{Unread, signed};
use crate::book::Book;

/// Why a table holds no balances.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OpeningFault {
    /// The first line.
    #[error("the first line does not name the column `{name}`")]
    Column {
        /// What is missing.
        name: &'static str,
    },
    /// Another number of fields than the first line.
    #[error("line {line} has {fields} fields, and the first line {columns}")]
    Fields {
        /// Which line, from 1.
        line: usize,
        /// Its fields.
        fields: usize,
        /// The first line's.
        columns: usize,
    },
    /// A field that says nothing.
    #[error("line {line}: `{text}` is {wanted}")]
    Field {
        /// Which line, from 1.
        line: usize,
        /// What it says.
        text: String,
        /// What is wrong with it.
        wanted: &'static str,
    },
    /// An amount that is none.
    #[error("line {line}: `{text}` is {fault}")]
    Amount {
        /// Which line, from 1.
        line: usize,
        /// What it says.
        text: String,
        /// Why.
        fault: Unread,
    },
}

impl OpeningFault {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Column { .. } | Self::Fields { .. } => {
                "begin with the line `account,of,reference,amount`, and write as many fields in each line"
            }
            Self::Field { .. } => "tools/README.md has the accounts; members are named by handle",
            Self::Amount { .. } => {
                "write debits above zero and credits below it, with a decimal point and no groups"
            }
        }
    }
}

/// The columns.
const COLUMNS: [&str; 4] = ["account", "of", "reference", "amount"];

/// Reads a table.
///
/// # Errors
/// [`OpeningFault`].
pub fn read(book: &Book, text: &str) -> Result<Vec<Opening>, OpeningFault> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let first = lines.next().map_or("", |(_, line)| line);
    let between = if first.contains(';') { ';' } else { ',' };
    let names: Vec<&str> = first.split(between).map(str::trim).collect();
    let mut places = [0_usize; 4];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        let found = names.iter().position(|it| *it == name);
        *place = found.ok_or(OpeningFault::Column { name })?;
    }
    let mut all = Vec::new();
    for (number, line) in lines {
        let fields: Vec<&str> = line.split(between).map(str::trim).collect();
        let line = number + 1;
        if fields.len() != names.len() {
            let (fields, columns) = (fields.len(), names.len());
            return Err(OpeningFault::Fields { line, fields, columns });
        }
        let [account, of, reference, amount] =
            places.map(|place| fields.get(place).copied().unwrap_or_default());
        all.push(Row { book, line, account, of, reference, amount }.opening()?);
    }
    Ok(all)
}

struct Row<'t> {
    book: &'t Book,
    line: usize,
    account: &'t str,
    of: &'t str,
    reference: &'t str,
    amount: &'t str,
}

impl Row<'_> {
    fn opening(&self) -> Result<Opening, OpeningFault> {
        let charter = self.book.register().charter();
        let (account, places) = match self.account {
            "bank" => (Held::Bank, charter.exponent),
            "carried" => (Held::Carried, charter.exponent),
            "shares" => (Held::Shares(self.member()?), charter.exponent),
            "due" => (Held::Due(self.member()?), charter.exponent),
            "receivable" => {
                let (client, job) = (self.code(self.of)?, self.code(self.reference)?);
                (Held::Receivable { client, job }, charter.exponent)
            }
            "reserve" => (Held::Reserve(self.reserve()?), charter.exponent),
            "account" => (Held::Other(self.code(self.of)?), charter.exponent),
            "wallet" => self.purse(Purse::Member(self.member()?))?,
            "fund" => self.purse(Purse::Fund(self.code(self.of)?))?,
            other => return Err(self.field(other, "no account that can be taken over")),
        };
        let amount = signed(self.amount, places).map_err(|fault| OpeningFault::Amount {
            line: self.line,
            text: self.amount.to_owned(),
            fault,
        })?;
        Ok(Opening { account, amount })
    }

    fn member(&self) -> Result<talea_protocol::charter::Member, OpeningFault> {
        self.book.member(self.of).ok_or_else(|| self.field(self.of, "no member's handle"))
    }

    fn code(&self, text: &str) -> Result<Code, OpeningFault> {
        Code::try_from(text)
            .map_err(|_| self.field(text, "no name in letters, digits and . _ : / -"))
    }

    fn reserve(&self) -> Result<Reserve, OpeningFault> {
        match self.of {
            "legal" => Ok(Reserve::Legal),
            "statutory" => Ok(Reserve::Statutory),
            "other" => Ok(Reserve::Other),
            other => Err(self.field(other, "no reserve: legal, statutory, other")),
        }
    }

    fn purse(&self, purse: Purse) -> Result<(Held, u8), OpeningFault> {
        let units = &self.book.register().charter().treasury.units;
        let known = units.iter().find(|unit| unit.code.as_str() == self.reference);
        let known = known.ok_or_else(|| self.field(self.reference, "no unit of the charter"))?;
        Ok((Held::Purse { purse, unit: known.code.clone() }, known.exponent))
    }

    fn field(&self, text: &str, wanted: &'static str) -> OpeningFault {
        OpeningFault::Field { line: self.line, text: text.to_owned(), wanted }
    }
}
