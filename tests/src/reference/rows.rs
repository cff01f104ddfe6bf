//! The state's rows and their root, from section 5 alone.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Choice};
use talea_protocol::bytes::encode;
use talea_protocol::hash::{EntryId, Hash};

use super::history::{Fact, History};
use super::{Account, Verdict};

/// Rows by key.
pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Lanes of the sum.
const LANES: usize = 1_024;

/// The root of rows: each expanded to 1,024 lanes, the lanes added, the sums hashed.
#[must_use]
pub fn root(rows: &Rows) -> Hash {
    let mut sums = vec![0_u16; LANES];
    for (key, value) in rows {
        let mut hasher = blake3::Hasher::new_derive_key("talea 2026-11 state row v1");
        hasher.update(key).update(value);
        let mut bytes = vec![0; 2 * LANES];
        hasher.finalize_xof().fill(&mut bytes);
        for (sum, lane) in sums.iter_mut().zip(bytes.chunks(2)) {
            *sum = sum.wrapping_add(u16::from_le_bytes([lane[0], lane[1]]));
        }
    }
    let bytes: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
    let mut hasher = blake3::Hasher::new_derive_key("talea 2026-11 state root v1");
    Hash(*hasher.update(&bytes).finalize().as_bytes())
}

impl History<'_> {
    /// All rows.
    pub fn rows(&self) -> Rows {
        let mut rows = Rows::new();
        self.chain_rows(&mut rows);
        for (number, (id, part, month)) in (1_u64..).zip(self.journal()) {
            rows.insert(encode(&(25_u8, id, part)), encode(&(number, month)));
        }
        for fact in &self.facts {
            if let Some(Verdict::Void(rule)) = fact.verdict {
                rows.insert(encode(&(2_u8, fact.entry.id())), encode(&rule));
            }
        }
        for (fact, act) in self.counted() {
            self.act_rows(&mut rows, fact, act);
        }
        for ((unit, account), balance) in self.balances() {
            let key = encode(&(6_u8, unit, account_name(&account)));
            rows.insert(key, encode(&balance.to_le_bytes()));
        }
        rows
    }

    fn chain_rows(&self, rows: &mut Rows) {
        for fact in &self.facts {
            let length = fact.seq + 1;
            if length == self.length(fact.device) {
                let value = encode(&(length, fact.entry.id()));
                rows.insert(encode(&(1_u8, fact.device)), value);
            }
        }
    }

    fn act_rows(&self, rows: &mut Rows, fact: &Fact<'_>, act: &Act) {
        let id = fact.entry.id();
        match act {
            Act::Contribution(_) => {
                let credit = self.credit(fact, None);
                let parts = (credit.nominal, credit.livelihood, credit.love, credit.care);
                rows.insert(encode(&(3_u8, id)), encode(&(fact.member, parts)));
            }
            Act::Propose(_) => {
                let decision = self.decisions().get(&id).copied().flatten();
                rows.insert(encode(&(4_u8, id)), encode(&decision));
            }
            Act::Vote(vote) => {
                let newest = self.last_vote(vote.proposal, fact.member, None);
                let ((device, seq), choice) = newest.expect("this one at least");
                let choice: u32 = match choice {
                    Choice::Yes => 0,
                    Choice::No => 1,
                    Choice::Abstain => 2,
                    Choice::Block => 3,
                };
                let key = encode(&(5_u8, vote.proposal, fact.member));
                rows.insert(key, encode(&(device, seq, choice)));
            }
            Act::Invoice(it) => {
                let price = self.invoiced_price(fact, it).expect("it counts");
                let received = i64::try_from(self.received(&it.job)).expect("in range");
                let sums = (price, it.amount.value(), received);
                let value = (id, it.client.clone(), sums, self.booked(fact, it.date));
                rows.insert(encode(&(7_u8, it.job.clone())), encode(&value));
            }
            Act::Subscribe(it) => {
                rows.insert(encode(&(8_u8, it.member.0, it.reference.clone())), encode(&id));
            }
            Act::Distribute(_) => {
                let of_it = self.runs().get(&id).copied();
                rows.insert(encode(&(9_u8, id)), encode(&of_it.expect("it counts")));
            }
            Act::Redirect(it) => {
                let value: (EntryId, u32, i64) = (it.run, it.to.0, it.amount.value());
                rows.insert(encode(&(10_u8, id)), encode(&value));
            }
            Act::Close(close) => {
                let closes = self.counted().filter_map(|(_, act)| match act {
                    Act::Close(it) => Some(it.period.value()),
                    _ => None,
                });
                let last = closes.max().unwrap_or(close.period.value());
                rows.insert(encode(&11_u8), encode(&last));
            }
            _ => {}
        }
    }
}

/// A byte for the kind, then the member or the code's characters.
fn account_name(account: &Account) -> Vec<u8> {
    let (kind, rest): (u8, Vec<u8>) = match account {
        Account::Shares(member) => (0, member.to_le_bytes().to_vec()),
        Account::Receivable(client) => (1, client.clone().into_bytes()),
        Account::Payable(member) => (2, member.to_le_bytes().to_vec()),
        Account::Bank => (3, Vec::new()),
        Account::Pay => (4, Vec::new()),
        Account::Expense(code) => (5, code.clone().into_bytes()),
        Account::Sales => (6, Vec::new()),
        Account::Claim(member) => (7, member.to_le_bytes().to_vec()),
        Account::Issued => (8, Vec::new()),
    };
    [vec![kind], rest].concat()
}
