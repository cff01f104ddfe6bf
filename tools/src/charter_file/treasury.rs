//! How money is kept, as the file has it: the table `treasury` and what is in it.
//!
//! All of it may be left out: then there are neither wallets nor funds, the bank never goes below
//! zero, and nothing else is limited. Amounts are minor units.

use serde::Deserialize;
use talea_protocol::bytes::{Bp, Code, Quantity};
use talea_protocol::treasury::{Fund, InternalUnit, Treasury};

use super::{CharterFault, Share, field, list};

/// The table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TreasuryTerms {
    overdraft: Option<i64>,
    expense_limit: Option<i64>,
    capital_floor: Option<i64>,
    capital_share_bp: Option<Share>,
    legal_ceiling: Option<i64>,
    interest_cap_bp: Option<Share>,
    pay_spread: Option<u32>,
    #[serde(rename = "unit", default)]
    units: Vec<UnitTerms>,
    #[serde(rename = "fund", default)]
    funds: Vec<FundTerms>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitTerms {
    code: Code,
    exponent: u8,
    limit: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FundTerms {
    code: Code,
    unit: Code,
    issues: Option<i64>,
}

impl TreasuryTerms {
    /// What the charter says about it.
    pub(super) fn treasury(&self) -> Result<Treasury, CharterFault> {
        let units = self.units.iter().map(UnitTerms::unit).collect::<Result<Vec<_>, _>>()?;
        let funds = self.funds.iter().map(FundTerms::fund).collect::<Result<Vec<_>, _>>()?;
        let share = |terms: Option<Share>| terms.map(|share| share.0);
        let none: Bp = Treasury::default().capital_share;
        Ok(Treasury {
            units: list("treasury.unit", units.into_iter())?,
            funds: list("treasury.fund", funds.into_iter())?,
            overdraft: amount("treasury.overdraft", self.overdraft)?,
            expense_limit: amount("treasury.expense_limit", self.expense_limit)?,
            capital_floor: amount("treasury.capital_floor", self.capital_floor)?,
            capital_share: share(self.capital_share_bp).unwrap_or(none),
            legal_ceiling: amount("treasury.legal_ceiling", self.legal_ceiling)?,
            interest_cap: share(self.interest_cap_bp).unwrap_or(none),
            pay_spread: self.pay_spread,
        })
    }
}

impl UnitTerms {
    fn unit(&self) -> Result<InternalUnit, CharterFault> {
        let limit = amount("treasury.unit.limit", self.limit)?;
        Ok(InternalUnit { code: self.code.clone(), exponent: self.exponent, limit })
    }
}

impl FundTerms {
    fn fund(&self) -> Result<Fund, CharterFault> {
        let issues = amount("treasury.fund.issues", self.issues)?;
        Ok(Fund { code: self.code.clone(), unit: self.unit.clone(), issues })
    }
}

fn amount(name: &'static str, value: Option<i64>) -> Result<Option<Quantity>, CharterFault> {
    value.map(|value| field(name, Quantity::new(value))).transpose()
}
