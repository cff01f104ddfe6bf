//! Rules 142 to 149: two cooperatives that hold nothing of each other's log. One test each: what
//! the rule refuses, and that its neighbour counts.

use talea_ledger::account::{Account, Unit};
use talea_protocol::act::Act;
use talea_protocol::bytes::Octets;
use talea_protocol::charter::Roster;
use talea_protocol::federation::{
    Accord, Balance, Countersign, Link, Receive, Send, Statement, Turnover, confirmation,
};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{Purpose, SecretKey};

mod world;
use world::acts::TREASURER;
use world::coffers::{transfer, wallet};
use world::pair::{accord, agreed, bank, countersign, link, nodes, receive, send, sent, two};
use world::{TODAY, World, code, day, key, list, quantity};

#[test]
fn rule_142_a_link_brings_a_genuine_charter_of_another_cooperative() {
    let (mut ours, theirs) = two();
    let good = link(&theirs);
    let own = link(&ours);
    assert_eq!(ours.void(TREASURER, Act::Link(own)), 142);
    let share = theirs.chains[0][1].bytes().to_vec();
    let other = Link { charter: Octets::new(share).unwrap(), ..good.clone() };
    assert_eq!(ours.void(TREASURER, Act::Link(other)), 142);
    let mut forged = good.charter.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = Link { charter: Octets::new(forged).unwrap(), ..good.clone() };
    assert_eq!(ours.void(TREASURER, Act::Link(forged)), 142);
    let unsafe_roster = Roster { nodes: list([key(2_000).node()]), faulty: 1, quorum: 1 };
    let unsafe_roster = Link { roster: Some(unsafe_roster), ..good.clone() };
    assert_eq!(ours.void(TREASURER, Act::Link(unsafe_roster)), 142);
    let twice = list([good.speakers[0], good.speakers[0]]);
    let twice = Link { speakers: twice, ..good.clone() };
    assert_eq!(ours.void(TREASURER, Act::Link(twice)), 142);
    assert_eq!(ours.void(4, Act::Link(good.clone())), 46);
    ours.good(TREASURER, Act::Link(good));
    let partner = &ours.state.treasury().pacts().partners()[&theirs.register.cooperative()];
    assert_eq!((partner.name.as_str(), partner.roster.quorum), ("La Ruche", 2));
}

#[test]
fn rule_143_an_accord_is_ours_and_the_partner_has_signed_it() {
    let (mut ours, theirs) = two();
    let accord = accord(&ours, &theirs, "EUR");
    let good = countersign(&accord, &theirs);
    assert_eq!(ours.void(TREASURER, Act::Countersign(Box::new(good.clone()))), 143, "not linked");
    let linked = link(&theirs);
    ours.good(TREASURER, Act::Link(linked));
    let stranger = Countersign { device: key(1).device(), ..good.clone() };
    assert_eq!(ours.void(TREASURER, Act::Countersign(Box::new(stranger))), 143, "not a speaker");
    let more = Accord { limit: quantity(1_001), ..accord.clone() };
    let changed = Countersign { accord: more, ..good.clone() };
    assert_eq!(ours.void(TREASURER, Act::Countersign(Box::new(changed))), 143);
    let turned = Accord { one: accord.other, other: accord.one, ..accord.clone() };
    let turned = countersign(&turned, &theirs);
    assert_eq!(ours.void(TREASURER, Act::Countersign(Box::new(turned))), 143);
    let others = Accord { one: EntryId([0; 32]), ..accord };
    let others = countersign(&others, &theirs);
    assert_eq!(ours.void(TREASURER, Act::Countersign(Box::new(others))), 143, "between others");
    ours.good(TREASURER, Act::Countersign(Box::new(good)));
}

#[test]
fn rule_144_an_accord_counts_once_in_a_unit_that_is_known() {
    let (mut ours, theirs, id) = agreed("EUR");
    let again = countersign(&accord(&ours, &theirs, "EUR"), &theirs);
    assert_eq!(ours.void(TREASURER, Act::Countersign(Box::new(again))), 144);
    let unknown = countersign(&accord(&ours, &theirs, "USD"), &theirs);
    assert_eq!(ours.void(TREASURER, Act::Countersign(Box::new(unknown))), 144);
    let backwards = Accord { until: day(TODAY - 1), ..accord(&ours, &theirs, "EUR") };
    let backwards = countersign(&backwards, &theirs);
    assert_eq!(ours.void(TREASURER, Act::Countersign(Box::new(backwards))), 144);
    assert_eq!(ours.void(TREASURER, Act::Send(send(Hash([9; 32]), 1))), 144);
    let next = Accord { reference: code("AG2"), ..accord(&ours, &theirs, "EUR") };
    let next = countersign(&next, &theirs);
    ours.good(TREASURER, Act::Countersign(Box::new(next)));
    assert!(ours.state.treasury().pacts().pacts().contains_key(&id));
}

#[test]
fn rule_145_neither_side_sends_more_than_the_limit_beyond_what_it_got() {
    let (mut ours, mut theirs, id) = agreed("EUR");
    assert_eq!(ours.void(TREASURER, Act::Send(send(id, 1_001))), 145);
    let late = Send { date: day(TODAY + 101), ..send(id, 1) };
    assert_eq!(ours.void(TREASURER, Act::Send(late)), 145);
    ours.good(TREASURER, Act::Send(send(id, 1_000)));
    assert_eq!(ours.void(TREASURER, Act::Send(send(id, 1))), 145);
    // What the partner's books would call void is settled there all the same.
    let back = sent(&mut theirs, send(id, 1_000));
    let too_much = theirs.sign(TREASURER, Act::Send(send(id, 500)));
    let act = receive(&theirs, &nodes()[..2], &back);
    ours.good(TREASURER, Act::Receive(act));
    assert_eq!((bank(&ours), bank(&theirs)), (10_000, 9_000));
    let (mut fresh, mut other, _) = agreed("EUR");
    let first = sent(&mut other, send(id, 1_000));
    let act = receive(&other, &nodes()[..2], &first);
    fresh.good(TREASURER, Act::Receive(act));
    let act = receive(&other, &nodes()[..2], &too_much);
    assert_eq!(fresh.void(TREASURER, Act::Receive(act)), 145);
}

#[test]
fn rule_146_what_is_taken_in_is_a_send_by_who_speaks_for_the_partner() {
    let (mut ours, mut theirs, id) = agreed("EUR");
    let share = theirs.chains[0][1].clone();
    let act = receive(&theirs, &nodes()[..2], &share);
    assert_eq!(ours.void(TREASURER, Act::Receive(act)), 146, "no send");
    let stranger = theirs.sign(1, Act::Send(send(id, 5)));
    let act = receive(&theirs, &nodes()[..2], &stranger);
    assert_eq!(ours.void(TREASURER, Act::Receive(act)), 146, "not by a speaker");
    let foreign = theirs.sign(TREASURER, Act::Send(send(Hash([9; 32]), 5)));
    let act = receive(&theirs, &nodes()[..2], &foreign);
    assert_eq!(ours.void(TREASURER, Act::Receive(act)), 146, "under no accord of ours");
    let own = ours.sign(TREASURER, Act::Send(send(id, 5)));
    let act = receive(&ours, &nodes()[..2], &own);
    assert_eq!(ours.void(TREASURER, Act::Receive(act)), 146, "our own");
    let entry = sent(&mut theirs, send(id, 5));
    let good = receive(&theirs, &nodes()[..2], &entry);
    let mut forged = good.send.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = Receive { send: Octets::new(forged).unwrap(), ..good.clone() };
    assert_eq!(ours.void(TREASURER, Act::Receive(forged)), 146, "not genuine");
    ours.good(TREASURER, Act::Receive(good));
}

#[test]
fn rule_147_as_many_receipts_of_the_partners_roster_as_settle() {
    let (mut ours, mut theirs, id) = agreed("EUR");
    let entry = sent(&mut theirs, send(id, 5));
    let all = nodes();
    for few in [&all[..0], &all[..1]] {
        let act = receive(&theirs, few, &entry);
        assert_eq!(ours.void(TREASURER, Act::Receive(act)), 147);
    }
    let good = receive(&theirs, &all[1..], &entry);
    let twice = vec![good.evidence[0].clone(); 2];
    let twice = Receive { evidence: list(twice), ..good.clone() };
    assert_eq!(ours.void(TREASURER, Act::Receive(twice)), 147, "one log twice");
    let mut strangers = vec![key(2_000), key(1_000)];
    strangers.sort_unstable_by_key(SecretKey::node);
    let act = receive(&theirs, &strangers, &entry);
    assert_eq!(ours.void(TREASURER, Act::Receive(act)), 147, "not of the roster");
    let other = sent(&mut theirs, send(id, 6));
    let of_another = receive(&theirs, &all[1..], &other);
    let of_another = Receive { evidence: of_another.evidence, ..good.clone() };
    assert_eq!(ours.void(TREASURER, Act::Receive(of_another)), 147, "receipts of another entry");
    ours.good(TREASURER, Act::Receive(good));
}

#[test]
fn rule_149_a_statement_is_what_our_books_say_and_the_partner_signs_it() {
    let (mut ours, mut theirs, id) = agreed("EUR");
    let entry = sent(&mut theirs, send(id, 5));
    let act = receive(&theirs, &nodes()[..2], &entry);
    ours.good(TREASURER, Act::Receive(act));
    sent(&mut ours, send(id, 7));
    // Our 7 are on their way.
    let mine = Turnover { sent: 7, received: 5 };
    let yours = Turnover { sent: 5, received: 0 };
    let is_one = ours.register.cooperative() < theirs.register.cooperative();
    let balance = |mine, yours, date| {
        let (one, other) = if is_one { (mine, yours) } else { (yours, mine) };
        Balance { accord: id, date: day(date), one, other }
    };
    let signed = |balance: Balance, by: &World| {
        let key = &by.keys[0];
        let signature = key.sign(Purpose::Statement, &confirmation(&balance));
        Statement { balance, device: key.device(), signature }
    };
    let good = balance(mine, yours, TODAY + 9);
    let wrong = balance(Turnover { sent: 6, ..mine }, yours, TODAY + 9);
    assert_eq!(ours.void(TREASURER, Act::Statement(signed(wrong, &theirs))), 149);
    let other_word = Statement { balance: good, ..signed(wrong, &theirs) };
    assert_eq!(ours.void(TREASURER, Act::Statement(other_word)), 149);
    let statement = signed(good, &theirs);
    ours.good(TREASURER, Act::Statement(statement.clone()));
    assert_eq!(ours.void(TREASURER, Act::Statement(statement)), 149, "of the same day");
    let statement = signed(good, &ours);
    theirs.good(TREASURER, Act::Statement(statement));
    let pact = &ours.state.treasury().pacts().pacts()[&id];
    assert_eq!((pact.position(), pact.statements.len()), (2, 1));
}

#[test]
fn what_a_fund_sends_comes_out_of_it_and_goes_into_the_partners() {
    let (mut ours, mut theirs, id) = agreed("hour");
    let common = || Some(code("common"));
    let act = |amount, takes| Send { fund: common(), takes, ..send(id, amount) };
    assert_eq!(ours.void(TREASURER, Act::Send(send(id, 5))), 128, "hours are not at the bank");
    assert_eq!(ours.void(TREASURER, Act::Send(act(5, list([])))), 130);
    let given = ours.good(4, transfer(wallet(4), world::coffers::fund("common"), "hour", 8, &[]));
    ours.good(TREASURER, Act::Send(act(5, list([given]))));
    let entry = ours.chains[0].last().unwrap().clone();
    let one_node = [key(1_000)];
    let good = receive(&ours, &one_node, &entry);
    let bank = good.clone();
    assert_eq!(theirs.void(TREASURER, Act::Receive(bank)), 128);
    let fund = Receive { fund: common(), ..good };
    theirs.good(TREASURER, Act::Receive(fund));
    let hours = Unit::Internal(0);
    let of = |world: &World, account: Account| world.state.books().net(&account, hours);
    let fund = || Account::Fund(code("common"));
    assert_eq!((of(&ours, fund()), of(&theirs, fund())), (3, 5));
    let partner = (theirs.register.cooperative(), ours.register.cooperative());
    let positions =
        (of(&ours, Account::Partner(partner.0)), of(&theirs, Account::Partner(partner.1)));
    assert_eq!(positions, (5, -5), "what one has sent the other has got");
    let back = transfer(world::coffers::fund("common"), wallet(4), "hour", 5, &[]);
    theirs.good(TREASURER, back);
}
