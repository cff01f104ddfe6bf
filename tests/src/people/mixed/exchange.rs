//! Wallets, resources, offers, agreements, promises, remarks.

use std::collections::BTreeMap;

use talea_protocol::act::{
    Act, Agree, Agreement, Belonging, Clause, Comment, Commit, Direction, Draw, Duty, Intent,
    Party, Resource, Taking,
};
use talea_protocol::bytes::{Day, List, Quantity};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_protocol::money::{Purse, Transfer};

use super::super::code;
use super::charter::LIMIT;
use super::{Mixed, money::TREASURER};

/// Entries that a wallet takes in at once.
const TAKES: usize = 8;

/// What lies on the desk: gifts not taken in, offers.
#[derive(Default)]
pub(super) struct Desk {
    given: BTreeMap<Member, Vec<(EntryId, i64)>>,
    offers: Vec<(Member, EntryId)>,
}

impl Mixed {
    /// From a wallet to another, or from the fund to a wallet.
    pub(super) fn transfer(&mut self) {
        let (author, unit) = (self.spender(), code("HOURS"));
        let member = self.member(author);
        let amount = i64::try_from(self.chance.between(50, 2_000)).expect("small");
        if self.chance.percent(10) {
            let act = self.moving(Purse::Fund(code("commons")), member, amount, Vec::new());
            let id = self.say(TREASURER, &Act::Transfer(act));
            self.exchange.given.entry(member).or_default().push((id, amount));
            return;
        }
        let mut taken: Vec<(EntryId, i64)> =
            self.exchange.given.remove(&member).unwrap_or_default();
        let rest = taken.split_off(taken.len().min(TAKES));
        let sum: i64 = taken.iter().map(|(_, amount)| amount).sum();
        let held = self.people.state.purses().held(&Purse::Member(member), 0);
        let left = held + i128::from(sum) - i128::from(amount) + i128::from(LIMIT);
        let amount = if left < 0 { 1 } else { amount };
        if left < -1_999 {
            self.exchange.given.insert(member, taken);
            return self.contribute();
        }
        let mut takes: Vec<EntryId> = taken.iter().map(|(id, _)| *id).collect();
        takes.sort_unstable();
        let other = self.somebody_else(member);
        let to = self.member(other);
        let act = self.moving(Purse::Member(member), to, amount, takes);
        debug_assert_eq!(act.unit, unit);
        let id = self.say(author, &Act::Transfer(act));
        if !rest.is_empty() {
            self.exchange.given.insert(member, rest);
        }
        self.exchange.given.entry(to).or_default().push((id, amount));
    }

    fn moving(&self, from: Purse, to: Member, amount: i64, takes: Vec<EntryId>) -> Transfer {
        Transfer {
            from,
            to: Purse::Member(to),
            unit: code("HOURS"),
            amount: Quantity::new(amount).expect("above zero"),
            takes: List::new(takes).expect("few"),
        }
    }

    fn some(&mut self, what: &str) -> Resource {
        let quantity = i64::try_from(self.chance.between(1, 40)).expect("small");
        let quantity = Quantity::new(quantity).expect("above zero");
        Resource { code: code(what), unit: code("kg"), quantity }
    }

    pub(super) fn draw(&mut self) {
        let author = self.anybody();
        let taking = *self.chance.one_of(&[Taking::Use, Taking::Cite, Taking::Consume]);
        let (resource, date) = (self.some("bread"), self.today());
        self.say(
            author,
            &Act::Draw(Draw { taking, resource, date, belonging: Belonging::default() }),
        );
    }

    pub(super) fn offer(&mut self) {
        let author = self.anybody();
        let direction = *self.chance.one_of(&[Direction::Offer, Direction::Request]);
        let intent = Intent { direction, what: self.some("flour"), until: None, circle: None };
        let id = self.say(author, &Act::Intent(intent));
        self.exchange.offers.push((self.member(author), id));
    }

    /// Two members agree: one writes, the other agrees.
    pub(super) fn agree(&mut self) {
        let author = self.anybody();
        let one = self.member(author);
        let second = self.somebody_else(one);
        let other = self.member(second);
        let mut parties = vec![Party::Member(one), Party::Member(other)];
        parties.sort_unstable();
        let (duty, what) = (Duty::Work, self.some("flour"));
        let (provider, receiver) = (Party::Member(one), Party::Member(other));
        let clause = Clause { provider, receiver, duty, what, due: None };
        let agreement = Agreement {
            parties: List::new(parties).expect("two"),
            clauses: List::new(vec![clause]).expect("one"),
        };
        let agreement = self.say_why(author, &Act::Agreement(agreement));
        self.say(second, &Act::Agree(Agree { agreement }));
    }

    /// Somebody promises what another has asked for.
    pub(super) fn promise(&mut self) {
        let (register, at) = (&self.people.register, self.people.register.head().0);
        self.exchange.offers.retain(|(asked, _)| register.is_member(*asked, at));
        let Some((asked, intent)) = self.exchange.offers.pop() else { return self.offer() };
        let author = self.somebody_else(asked);
        let due = Day::new(self.today().value() + 14).expect("a day");
        let what = self.some("flour");
        let (receiver, duty) = (Party::Member(asked), Duty::Transfer);
        let act = Commit { intent: Some(intent), agreement: None, receiver, duty, what, due };
        self.say(author, &Act::Commit(act));
    }

    pub(super) fn remark(&mut self) {
        let (author, entries) = (self.anybody(), self.people.entries.len());
        let on = self.people.entries[entries - 1 - self.chance.index(entries.min(200))].id();
        self.say_why(author, &Act::Comment(Comment { on }));
    }
}
