//! Why a statement would add nothing, in the words of the ledger and with amounts, months and times
//! as people write them.
//!
//! The ledger's own texts count in minor units, in months since the year 0 and in milliseconds,
//! since it knows no charter there, and they are English. Those here are `rule-N` in `locales`; rules
//! are numbered in the README of the ledger, section 2.

use talea_ledger::fault::{DataFault, MoneyFault, PactFault};
use talea_ledger::verdict::Void;
use talea_protocol::act::Outcome;
use talea_protocol::bytes::{Day, Month};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::key::KeyFault;

use crate::amount::{show_day, show_month, show_time};
use crate::lang::{Lang, decimal};

/// What a rule that makes a statement void says, for whoever signs it: in English.
#[must_use]
pub fn told(void: &Void, charter: &Charter) -> String {
    told_in(void, charter, Lang::En)
}

/// The same for whoever reads it, in a language.
#[must_use]
pub fn told_in(void: &Void, charter: &Charter, lang: Lang) -> String {
    let (rule, values) = (void.rule(), Values { charter, lang }.of(void));
    let named: Vec<(&'static str, &str)> =
        ["a", "b", "c"].into_iter().zip(values.iter().map(String::as_str)).collect();
    let words = lang.say_with(&format!("rule-{rule}"), &named);
    lang.say_with("rule-told", &[("a", &rule.to_string()), ("b", &words)])
}

/// The values in a rule's text, in their order, as they are written in a language.
struct Values<'a> {
    charter: &'a Charter,
    lang: Lang,
}

impl Values<'_> {
    fn of(&self, void: &Void) -> Vec<String> {
        match void {
            Void::Money(fault) => self.of_money(fault),
            Void::Pact(fault) => of_pact(fault),
            Void::Data(DataFault::Credential | DataFault::Revocation | DataFault::Refusal) => {
                Vec::new()
            }
            Void::Key(fault) => vec![self.lang.say(match fault {
                KeyFault::Encoding => "fault-key-encoding",
                KeyFault::Torsion => "fault-key-torsion",
            })],
            Void::Enrolled { device } => vec![device.to_string()],
            Void::Sponsors { given, needed } => vec![given.to_string(), needed.to_string()],
            Void::Calls { given, needed } => vec![given.to_string(), needed.to_string()],
            Void::Approval { member }
            | Void::Role { holder: member }
            | Void::NotElector { member }
            | Void::Countersignature { member }
            | Void::Subscribed { member }
            | Void::Words { member }
            | Void::NotDisputer { member }
            | Void::NotAuthor { member }
            | Void::NotInCircle { member } => vec![number(*member)],
            Void::CutBasis { inside, basis } => vec![inside.to_string(), basis.to_string()],
            Void::CutRoot { named, found } => vec![named.to_string(), found.to_string()],
            Void::Named { id: named }
            | Void::Decided { decision: named }
            | Void::Invoiced { invoice: named }
            | Void::Paid { pay: named } => vec![named.to_string()],
            Void::TooMuch { quantity, max } => vec![quantity.to_string(), max.to_string()],
            Void::Retroactive { from, closes } => vec![self.month(*from), self.month(*closes)],
            Void::Early { time, closes } => vec![self.time(*time), self.time(*closes)],
            Void::Tally { yes, no, outcome } => {
                vec![yes.to_string(), no.to_string(), self.outcome(*outcome)]
            }
            Void::Price { amount } => vec![self.money(*amount)],
            Void::Open { open } => vec![self.money((*open).into())],
            Void::Bank { bank } => vec![self.money((*bank).into())],
            Void::Closed { closed } => vec![self.month(*closed)],
            Void::Distributed { run, period } => vec![run.to_string(), self.month(*period)],
            Void::Run { paid } => vec![self.money((*paid).into())],
            Void::Owed { owed } => vec![self.money((*owed).into())],
            Void::Correction { claimed } | Void::Part { claimed } => vec![claimed.to_string()],
            Void::Opens { opens } => vec![self.time(*opens)],
            Void::Decision { .. }
            | Void::Proof
            | Void::Unknown
            | Void::CutShape
            | Void::Task
            | Void::Dates
            | Void::Care
            | Void::Tags
            | Void::OwnAttestation
            | Void::Attested
            | Void::Machine
            | Void::Amendment
            | Void::Account
            | Void::Range
            | Void::Recipient
            | Void::Guardians
            | Void::Call
            | Void::Erasure
            | Void::Disputer
            | Void::Milestone
            | Void::Method
            | Void::Options
            | Void::Circle
            | Void::Answer
            | Void::Delegation
            | Void::Allocation
            | Void::Attester
            | Void::Produced
            | Void::NoCircle
            | Void::Agreement
            | Void::Party
            | Void::Commitment => Vec::new(),
        }
    }

    fn of_money(&self, fault: &MoneyFault) -> Vec<String> {
        match fault {
            MoneyFault::Countersignature { member } => vec![number(*member)],
            MoneyFault::Redeemed { redemption: named }
            | MoneyFault::PaidOut { payment: named }
            | MoneyFault::Taken { id: named }
            | MoneyFault::Decision { id: named } => vec![named.to_string()],
            MoneyFault::Shares { shares: amount }
            | MoneyFault::Due { due: amount }
            | MoneyFault::Interest { most: amount } => vec![self.money(*amount)],
            MoneyFault::CapitalFloor { left, floor } => {
                vec![self.money(*left), self.money(*floor)]
            }
            MoneyFault::ExpenseLimit { limit } => vec![self.money((*limit).into())],
            // Of the cooperative's own units only the charter knows the exponent, and not here which.
            MoneyFault::Purse { held, floor } => vec![held.to_string(), floor.to_string()],
            MoneyFault::Reconciled { until } => vec![self.day(*until)],
            MoneyFault::Result { result, parts } => {
                vec![self.money(*result), self.money(*parts)]
            }
            MoneyFault::Reserves { legal, kept } => {
                vec![self.money(*kept), self.money((*legal).into())]
            }
            MoneyFault::Unit
            | MoneyFault::Transfer
            | MoneyFault::Begun
            | MoneyFault::Opening
            | MoneyFault::LeftOut
            | MoneyFault::Months { .. }
            | MoneyFault::Refund => Vec::new(),
        }
    }

    fn money(&self, minor: i128) -> String {
        let Charter { exponent, currency, .. } = self.charter;
        match self.lang {
            Lang::En => format!("{} {currency}", decimal(minor, *exponent)),
            Lang::Fr => format!("{} {currency}", self.lang.amount(minor, *exponent)),
        }
    }

    fn month(&self, month: Month) -> String {
        if self.lang == Lang::Fr { self.lang.month(month) } else { show_month(month) }
    }

    fn day(&self, day: Day) -> String {
        if self.lang == Lang::Fr { self.lang.day(day) } else { show_day(day) }
    }

    fn time(&self, ms: u64) -> String {
        if self.lang == Lang::Fr { self.lang.time(ms) } else { format!("{} UTC", show_time(ms)) }
    }

    fn outcome(&self, outcome: Outcome) -> String {
        self.lang.say(match outcome {
            Outcome::Adopted => "word-adopted",
            Outcome::Rejected => "word-rejected",
            Outcome::NoQuorum => "word-no-quorum",
            Outcome::Blocked => "word-blocked",
        })
    }
}

fn number(member: Member) -> String {
    member.0.to_string()
}

fn of_pact(fault: &PactFault) -> Vec<String> {
    match fault {
        PactFault::Limit { position, limit } => vec![position.to_string(), limit.to_string()],
        PactFault::Unproven { needed } => vec![needed.to_string()],
        PactFault::Replayed { by } => vec![by.to_string()],
        PactFault::Statement { sent, received } => vec![sent.to_string(), received.to_string()],
        PactFault::Partner | PactFault::Countersignature | PactFault::Accord | PactFault::Send => {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use talea_protocol::hash::{EntryId, Hash};

    /// The words of a text: what is left without figures, their unit, and what is called differently.
    fn words(text: &str) -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphabetic());
        let same = |word: &&str| !["", "EUR", "UTC", "ms", "month", "one", "day"].contains(word);
        words.filter(same).map(str::to_owned).collect()
    }

    fn every_void() -> Vec<Void> {
        let month = |n| Month::new(n).unwrap();
        let (zero, member) = (EntryId([0; 32]), Member(3));
        let (from, closes, period) = (month(24_312), month(24_313), month(24_313));
        let device = talea_protocol::key::SecretKey::from_seed(&[1; 32]).device();
        let (named, found) = (Hash([1; 32]), Hash([2; 32]));
        vec![
            Void::Key(KeyFault::Encoding),
            Void::Key(KeyFault::Torsion),
            Void::Enrolled { device },
            Void::Proof,
            Void::Unknown,
            Void::Sponsors { given: 1, needed: 2 },
            Void::Approval { member },
            Void::Role { holder: member },
            Void::CutShape,
            Void::CutBasis { inside: 2, basis: 1 },
            Void::CutRoot { named, found },
            Void::Named { id: zero },
            Void::Task,
            Void::TooMuch { quantity: 2, max: 1 },
            Void::Dates,
            Void::Care,
            Void::Tags,
            Void::OwnAttestation,
            Void::Attested,
            Void::Machine,
            Void::Amendment,
            Void::Retroactive { from, closes },
            Void::NotElector { member },
            Void::Early { time: 1_767_312_000_000, closes: 1_767_398_400_000 },
            Void::Decided { decision: zero },
            Void::Tally { yes: 1, no: 2, outcome: Outcome::NoQuorum },
            Void::Countersignature { member },
            Void::Subscribed { member },
            Void::Price { amount: 1_250 },
            Void::Invoiced { invoice: zero },
            Void::Open { open: 1_250 },
            Void::Account,
            Void::Bank { bank: -5 },
            Void::Range,
            Void::Closed { closed: closes },
            Void::Distributed { run: zero, period },
            Void::Run { paid: 100 },
            Void::Owed { owed: 100 },
            Void::Recipient,
            Void::Paid { pay: zero },
            Void::Words { member },
            Void::Guardians,
            Void::Decision { id: zero },
            Void::Call,
            Void::Calls { given: 1, needed: 2 },
            Void::Erasure,
            Void::Disputer,
            Void::NotDisputer { member },
            Void::NotAuthor { member },
            Void::Correction { claimed: 7 },
            Void::Milestone,
            Void::Method,
            Void::Options,
            Void::Opens { opens: 1_767_312_000_000 },
            Void::Circle,
            Void::Answer,
            Void::NotInCircle { member },
            Void::Delegation,
            Void::Allocation,
            Void::Attester,
            Void::Part { claimed: 7 },
            Void::Produced,
            Void::NoCircle,
            Void::Agreement,
            Void::Party,
            Void::Commitment,
            MoneyFault::Countersignature { member }.into(),
            MoneyFault::Redeemed { redemption: zero }.into(),
            MoneyFault::Shares { shares: 1 }.into(),
            MoneyFault::CapitalFloor { left: 1, floor: 2 }.into(),
            MoneyFault::ExpenseLimit { limit: 1 }.into(),
            MoneyFault::Due { due: 1 }.into(),
            MoneyFault::PaidOut { payment: zero }.into(),
            MoneyFault::Unit.into(),
            MoneyFault::Taken { id: zero }.into(),
            MoneyFault::Purse { held: 1, floor: 0 }.into(),
            MoneyFault::Transfer.into(),
            MoneyFault::Reconciled { until: Day::new(20_455).unwrap() }.into(),
            MoneyFault::Begun.into(),
            MoneyFault::Opening.into(),
            MoneyFault::LeftOut.into(),
            MoneyFault::Decision { id: zero }.into(),
            MoneyFault::Months { next: None }.into(),
            MoneyFault::Result { result: 1, parts: 2 }.into(),
            MoneyFault::Reserves { legal: 1, kept: 2 }.into(),
            MoneyFault::Refund.into(),
            MoneyFault::Interest { most: 1 }.into(),
            PactFault::Partner.into(),
            PactFault::Countersignature.into(),
            PactFault::Accord.into(),
            PactFault::Limit { position: 2, limit: 1 }.into(),
            PactFault::Send.into(),
            PactFault::Unproven { needed: 2 }.into(),
            PactFault::Replayed { by: zero }.into(),
            PactFault::Statement { sent: 1, received: 2 }.into(),
            DataFault::Credential.into(),
            DataFault::Revocation.into(),
            DataFault::Refusal.into(),
        ]
    }

    #[test]
    fn every_rule_that_makes_a_statement_void_is_told_in_both_languages() {
        let charter = crate::ending::tests::register().charter().clone();
        let rules: BTreeSet<u16> = every_void().iter().map(Void::rule).collect();
        assert_eq!(
            rules,
            (40..=104).chain(121..=152).collect::<BTreeSet<u16>>(),
            "each rule once at least"
        );
        for void in every_void() {
            let [english, french] = [Lang::En, Lang::Fr].map(|lang| told_in(&void, &charter, lang));
            let rule = void.rule();
            let (en, fr) = (format!("rule {rule}: "), format!("règle {rule} : "));
            assert!(english.starts_with(&en) && french.starts_with(&fr), "{english}, {french}");
            assert!(!french.contains(&format!("rule-{rule}")), "no words: {french}");
            assert!(!french.contains("{$"), "no value: {french}");
            assert_ne!(words(&english), words(&french), "not translated");
        }
    }

    #[test]
    fn amounts_months_and_times_are_written_as_people_write_them_and_the_words_stay() {
        let charter = crate::ending::tests::register().charter().clone();
        let told = |void: Void| told(&void, &charter);
        for void in every_void() {
            // The purse's unit is said besides, the outcome as everywhere else.
            if ![64, 130].contains(&void.rule()) {
                assert_eq!(words(&told(void)), words(&void.to_string()));
            }
        }
        let open = Void::Open { open: 1_250 };
        assert_eq!(told(open), "rule 69: 12.50 EUR is open on this job of this client");
        let french = told_in(&open, &charter, Lang::Fr);
        assert_eq!(french, "règle 69 : il reste 12,50 EUR à payer sur cette mission de ce client");
        assert_eq!(told(Void::Bank { bank: -5 }), "rule 71: the bank holds -0.05 EUR");
        let month = Month::new(24_313).unwrap();
        assert_eq!(told(Void::Closed { closed: month }), "rule 73: 2026-02 is closed");
        let run = Void::Distributed { run: EntryId([0; 32]), period: month };
        assert!(told(run).ends_with(" has distributed 2026-02 or a later month"), "{}", told(run));
        let purse = told(MoneyFault::Purse { held: 1, floor: 0 }.into());
        assert!(purse.ends_with("in the smallest parts of its unit"), "{purse}");
        let tally = told(Void::Tally { yes: 1, no: 2, outcome: Outcome::NoQuorum });
        assert!(tally.ends_with("(yes 1, no 2), or another outcome than no quorum"), "{tally}");
    }
}
