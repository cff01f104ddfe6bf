//! Why a statement would add nothing, in the words of the ledger and with amounts, months and times
//! as people write them.
//!
//! The ledger's own texts count in minor units, in months since the year 0 and in milliseconds,
//! since it knows no charter there. Rules are numbered in the README of the ledger, section 2.

use talea_ledger::fault::MoneyFault;
use talea_ledger::verdict::Void;
use talea_protocol::charter::Charter;

use crate::amount::{show_day, show_month, show_time};
use crate::lang::decimal;

/// What a rule that makes a statement void says, for whoever reads or signs it.
#[must_use]
pub fn told(void: &Void, charter: &Charter) -> String {
    let money = |minor: i128| format!("{} {}", decimal(minor, charter.exponent), charter.currency);
    let rule = void.rule();
    match void {
        Void::Retroactive { from, closes } => format!(
            "rule {rule}: in force from {}, but voting closes in {}",
            show_month(*from),
            show_month(*closes)
        ),
        Void::Early { time, closes } => format!(
            "rule {rule}: decided at {} UTC, but the proposal closes at {} UTC",
            show_time(*time),
            show_time(*closes)
        ),
        Void::Price { amount } => format!("rule {rule}: the tier's price gives {}", money(*amount)),
        Void::Open { open } => {
            format!("rule {rule}: {} is open on this job of this client", money((*open).into()))
        }
        Void::Bank { bank } => format!("rule {rule}: the bank holds {}", money((*bank).into())),
        Void::Closed { closed } => format!("rule {rule}: {} is closed", show_month(*closed)),
        Void::Distributed { run, period } => {
            format!("rule {rule}: {run} has distributed {} or a later month", show_month(*period))
        }
        Void::Run { paid } => {
            let paid = money((*paid).into());
            format!("rule {rule}: charter and cut give another run (it pays {paid})")
        }
        Void::Owed { owed } => {
            format!("rule {rule}: the run owes the author {} more", money((*owed).into()))
        }
        Void::Opens { opens } => {
            format!("rule {rule}: the proposal opens at {} UTC", show_time(*opens))
        }
        Void::Money(fault) => format!("rule {rule}: {}", of_money(fault, &money)),
        other => other.to_string(),
    }
}

/// The same of rules 121 to 141, without their number.
fn of_money(fault: &MoneyFault, money: &dyn Fn(i128) -> String) -> String {
    match fault {
        MoneyFault::Shares { shares } => format!("the member has shares of {}", money(*shares)),
        MoneyFault::CapitalFloor { left, floor } => format!(
            "{} of shares would be left, at least {} must stay",
            money(*left),
            money(*floor)
        ),
        MoneyFault::ExpenseLimit { limit } => {
            format!("more than {} is spent by decision only", money((*limit).into()))
        }
        MoneyFault::Due { due } => format!("the member is owed {}", money(*due)),
        MoneyFault::Purse { held, floor } => format!(
            "the purse holds {held}, and its floor is {floor}, in the smallest parts of its unit"
        ),
        MoneyFault::Reconciled { until } => {
            format!("the bank is reconciled up to {}", show_day(*until))
        }
        MoneyFault::Result { result, parts } => format!(
            "the months brought {}, and the parts add up to {}",
            money(*result),
            money(*parts)
        ),
        MoneyFault::Reserves { legal, kept } => format!(
            "{} goes to legal and statutory reserves ({} to the legal one): not enough",
            money(*kept),
            money((*legal).into())
        ),
        MoneyFault::Interest { most } => format!(
            "interest is at most {} in all, by the cap for each member, and never from public aid",
            money(*most)
        ),
        other => {
            let text = other.to_string();
            text.split_once(": ").map_or_else(|| text.clone(), |(_, words)| words.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::bytes::{Day, Month};
    use talea_protocol::hash::EntryId;

    /// The words of a text: what is left without figures, their unit, and what is called differently.
    fn words(text: &str) -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphabetic());
        let same = |word: &&str| !["", "EUR", "UTC", "ms", "month", "one", "day"].contains(word);
        words.filter(same).map(str::to_owned).collect()
    }

    #[test]
    fn amounts_months_and_times_are_written_as_people_write_them_and_the_words_stay() {
        let charter = crate::ending::tests::register().charter().clone();
        let month = |n| Month::new(n).unwrap();
        let zero = EntryId([0; 32]);
        let (from, closes, period) = (month(24_312), month(24_313), month(24_313));
        let voids: Vec<Void> = vec![
            Void::Retroactive { from, closes },
            Void::Early { time: 1_767_312_000_000, closes: 1_767_398_400_000 },
            Void::Opens { opens: 1_767_312_000_000 },
            Void::Price { amount: 1_250 },
            Void::Open { open: 1_250 },
            Void::Bank { bank: -5 },
            Void::Closed { closed: closes },
            Void::Run { paid: 100 },
            Void::Owed { owed: 100 },
            MoneyFault::Shares { shares: 1 }.into(),
            MoneyFault::CapitalFloor { left: 1, floor: 2 }.into(),
            MoneyFault::ExpenseLimit { limit: 1 }.into(),
            MoneyFault::Due { due: 1 }.into(),
            MoneyFault::Reconciled { until: Day::new(20_455).unwrap() }.into(),
            MoneyFault::Result { result: 1, parts: 2 }.into(),
            MoneyFault::Reserves { legal: 1, kept: 2 }.into(),
            MoneyFault::Interest { most: 1 }.into(),
            MoneyFault::Begun.into(),
            Void::Task,
        ];
        for void in &voids {
            let told = told(void, &charter);
            assert!(told.starts_with(&format!("rule {}: ", void.rule())), "{told}");
            assert_eq!(words(&told), words(&void.to_string()));
        }
        let told = |void: Void| told(&void, &charter);
        assert_eq!(told(voids[4]), "rule 69: 12.50 EUR is open on this job of this client");
        assert_eq!(told(voids[5]), "rule 71: the bank holds -0.05 EUR");
        assert_eq!(told(voids[6]), "rule 73: 2026-02 is closed");
        let run = Void::Distributed { run: zero, period };
        assert!(told(run).ends_with(" has distributed 2026-02 or a later month"), "{}", told(run));
        let purse = told(MoneyFault::Purse { held: 1, floor: 0 }.into());
        assert!(purse.ends_with("in the smallest parts of its unit"), "{purse}");
    }
}
