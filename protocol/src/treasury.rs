//! What a charter says of money beyond its prices: internal units, common funds, and limits.
//!
//! Parameters only. Who may move what, and what a floor means, is the ledger's business. Section 6
//! of the README; the design's domain, section 1.

use serde::{Deserialize, Serialize};

use crate::bytes::{Bp, Code, Decode, Encode, List, Quantity};

/// Units of its own that a cooperative may have.
pub const UNITS_MAX: usize = 8;
/// Common funds that a cooperative may have.
pub const FUNDS_MAX: usize = 16;

/// A unit of the cooperative's own, in which members pay each other.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct InternalUnit {
    /// Its name.
    pub code: Code,
    /// Decimal places of its minor unit.
    pub exponent: u8,
    /// How far below zero a member's wallet may go, in minor units: mutual credit. None: not at all.
    pub limit: Option<Quantity>,
}

/// A purse in an internal unit that belongs to all; the treasurer pays out of it.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
pub struct Fund {
    /// Its name.
    pub code: Code,
    /// Its unit.
    pub unit: Code,
    /// How far below zero it may go: what it may issue. None: it pays out what was paid in.
    pub issues: Option<Quantity>,
}

/// How a cooperative keeps its money. Amounts are minor units of the currency.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Treasury {
    /// Units of its own.
    pub units: List<InternalUnit, UNITS_MAX>,
    /// Common funds in them.
    pub funds: List<Fund, FUNDS_MAX>,
    /// How far below zero the bank may go. None: not at all.
    pub overdraft: Option<Quantity>,
    /// The most that is spent without a decision. None: no expense needs one.
    pub expense_limit: Option<Quantity>,
    /// Shares that no redemption may go below. None: no such sum.
    pub capital_floor: Option<Quantity>,
    /// The same, as a part of the most capital that there ever was.
    pub capital_share: Bp,
    /// A legal reserve of so much needs no more. None: it always does.
    pub legal_ceiling: Option<Quantity>,
    /// Interest on shares for a year, at most.
    pub interest_cap: Bp,
    /// The best paid earns at most so many hundredths of what the least paid earns. None: no limit.
    pub pay_spread: Option<u32>,
}

impl Default for Treasury {
    /// Neither units nor funds, neither overdraft nor interest, and no limit.
    fn default() -> Self {
        let none = Bp::new(0).expect("zero is a share");
        Self {
            units: List::default(),
            funds: List::default(),
            overdraft: None,
            expense_limit: None,
            capital_floor: None,
            capital_share: none,
            legal_ceiling: None,
            interest_cap: none,
            pay_spread: None,
        }
    }
}
