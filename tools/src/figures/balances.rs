//! What the file expects when all is done: members, balances, journal, allocation, flows, words.

use std::collections::BTreeMap;

use serde_json::Value;
use talea_ledger::account::{Account, Party, Unit};
use talea_ledger::verdict::Verdict;
use talea_ledger::view::accounts::claim;
use talea_ledger::view::contributions::contributions;
use talea_ledger::view::runs::{Node, flows, runs};
use talea_protocol::act::{Act, Content, Stream};
use talea_protocol::charter::Member;
use talea_protocol::money::{Allocate, Part, Reserve};

use super::Figures;

impl Figures<'_> {
    pub(super) fn members(&mut self) {
        let given = contributions(self.book.state());
        let runs = runs(self.book.state());
        for member in self.members_of_book() {
            let who = self.book.handle(member);
            let expected = &self.expected["members"][&who];
            let nominal = |streams: &[Stream]| -> i64 {
                let of = given.iter().filter(|it| it.author == member);
                of.filter(|it| streams.contains(&it.act.stream)).map(|it| it.nominal).sum()
            };
            let owed = |account| -self.book.state().books().net(&account, Unit::Money);
            let lines = runs.iter().flat_map(|run| &run.lines);
            let earned: u64 =
                lines.filter(|line| line.line.member == member).map(|line| line.total).sum();
            let payments = runs.iter().filter_map(|run| run.payment.as_ref());
            let paid = payments.flat_map(|payment| &payment.paid);
            let paid: i64 = paid.filter(|paid| paid.member == member).map(|paid| paid.amount).sum();
            let left = claim(self.book.state().books(), member);
            for (what, found) in [
                ("livelihood_claim", left.livelihood),
                ("love_claim", left.love),
                ("historical_credits", nominal(&[Stream::Livelihood, Stream::Love]).into()),
                ("love_credits_in_quarter", nominal(&[Stream::Love]).into()),
                ("care_minutes", nominal(&[Stream::Care]).into()),
                ("shares", owed(Account::Shares(member))),
                ("paid_out", earned.into()),
                ("wallet", owed(Account::Payable(member))),
                ("bank_paid", paid.into()),
            ] {
                self.add(format!("{who} {what}"), &expected[what], found);
            }
        }
    }

    /// Balances by account, and by account and party, in the codes of the profile's plan. What an
    /// allocation moves between equity accounts is compared by itself.
    pub(super) fn trial_balance(&mut self) {
        let profile = self.book.register().charter().profile;
        let (mut sums, mut parts) = (BTreeMap::new(), BTreeMap::new());
        for (account, unit, balance) in self.book.state().books().iter() {
            let equity =
                matches!(account, Account::Reserve(_) | Account::Result | Account::Carried);
            if unit != Unit::Money || equity {
                continue;
            }
            let code = account.code(profile);
            let party = match account.party() {
                Some(Party::Member(member)) => self.book.handle(member),
                Some(Party::Client(client)) => client.to_string(),
                Some(Party::Cooperative(id)) => id.to_string(),
                None => String::new(),
            };
            *parts.entry(format!("{code}|{party}")).or_insert(0) += balance.net();
            *sums.entry(code).or_insert(0) += balance.net();
        }
        self.each("trial balance", &self.expected["trial_balance"], sums);
        self.each("auxiliary balance", &self.expected["aux_balances"], parts);
    }

    /// Every figure that the file or the book has; what only one of them has is zero in the other.
    fn each(&mut self, kind: &str, expected: &Value, mut found: BTreeMap<String, i128>) {
        for (name, _) in expected.as_object().into_iter().flatten() {
            found.entry(name.clone()).or_insert(0);
        }
        for (name, found) in found {
            self.add_or_zero(format!("{kind} {name}"), &expected[&name], found);
        }
    }

    pub(super) fn journal(&mut self) {
        let numbered = self.book.state().treasury().journal().numbered().len();
        let found = i128::try_from(numbered).unwrap_or(i128::MAX);
        self.add("numbered in the journal", &self.expected["gl_entries"], found);
    }

    /// The result and the reserves as the books have them; interest and refunds as they were
    /// allocated.
    pub(super) fn allocation(&mut self) {
        let expected = &self.expected["allocation"];
        let Some(act) = self.allocated() else {
            return self.add("the result is allocated", &Value::from(1), 0);
        };
        let sum = |all: &[Part]| -> u64 {
            all.iter().map(|part| part.amount.value().unsigned_abs()).sum()
        };
        let (interest, refunds) = (sum(&act.interest), sum(&act.refunds));
        let net = |account| self.book.state().books().net(&account, Unit::Money);
        let reserve = |of| -net(Account::Reserve(of));
        for (what, found) in [
            ("result", net(Account::Result)),
            ("legal_reserve", reserve(Reserve::Legal)),
            ("statutory_reserve", reserve(Reserve::Statutory)),
            ("other_reserves", reserve(Reserve::Other)),
            ("interest_on_shares", interest.into()),
            ("patronage_refund", refunds.into()),
        ] {
            self.add(format!("allocation {what}"), &expected[what], found);
        }
        let carried = net(Account::Carried);
        self.add("carried forward", &Value::from(0), carried);
    }

    fn allocated(&self) -> Option<Allocate> {
        let all = self.book.entries().filter_map(|entry| match entry.content() {
            Content::Known(Act::Allocate(act)) => Some((entry.id(), act)),
            _ => None,
        });
        let mut counted = all
            .filter(|(id, _)| self.book.verdict(id) == Some(Verdict::Counted))
            .map(|(_, act)| Allocate::clone(act));
        counted.next()
    }

    pub(super) fn flows(&mut self) {
        let mut expected = serde_json::Map::new();
        for flow in self.expected["flows"].as_array().into_iter().flatten() {
            let [from, to] = [0, 1].map(|end| called(flow[end].as_str().unwrap_or_default()));
            expected.insert(format!("{from} to {to}"), flow[2].clone());
        }
        let flows = flows(&runs(self.book.state()));
        let found = flows.iter().map(|flow| {
            (format!("{} to {}", self.node(&flow.from), self.node(&flow.to)), flow.amount)
        });
        let found = found.collect();
        self.each("flow from", &Value::Object(expected), found);
    }

    fn node(&self, node: &Node) -> String {
        match node {
            Node::Client(client) => client.to_string(),
            Node::Member(member) => self.book.handle(*member),
            Node::Cooperative => called(self.book.register().charter().name.as_str()),
            Node::CarePool => "care pool".to_owned(),
            Node::LivelihoodPool => "livelihood pool".to_owned(),
            Node::LovePool => "love pool".to_owned(),
            Node::Brought | Node::Expenses | Node::Retained | Node::Carried => {
                format!("{node:?}").to_lowercase()
            }
        }
    }

    /// Words translated and edited in each stream, after corrections; care is in minutes.
    pub(super) fn words(&mut self) {
        let mut words: BTreeMap<String, i128> = BTreeMap::new();
        for given in contributions(self.book.state()) {
            if given.act.stream == Stream::Care || given.nominal == 0 {
                continue;
            }
            let stream = format!("{:?}", given.act.stream).to_lowercase();
            *words.entry(format!("{}:{stream}", given.act.task)).or_insert(0) +=
                i128::from(given.left);
        }
        self.each("words", &self.expected["words"], words);
    }

    pub(super) fn members_of_book(&self) -> Vec<Member> {
        let count = u32::try_from(self.book.register().members().len()).unwrap_or(0);
        (0..count).map(Member).collect()
    }
}

/// The short name of whom the file calls by a full one: `Editions du Grillon` is `grillon`; a pool
/// keeps both its words.
fn called(name: &str) -> String {
    let name = name.to_lowercase();
    let last = name.rsplit(' ').next().unwrap_or_default();
    if last == "pool" { name } else { last.to_owned() }
}
