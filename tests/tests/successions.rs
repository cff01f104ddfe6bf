//! A registrar that writes two registers and is replaced: what its successor adopts stands, in
//! whatever order the nodes hear of it, and no heal takes it back.

use talea_ledger::place::Refusal;
use talea_ledger::register::Office;
use talea_ledger::replica::Reply;
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Mark};
use talea_protocol::bytes::List;
use talea_protocol::charter::Member;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::recovery::{Approval, Call, Succeed, succession};
use talea_tests::coop::{Coop, work};

/// The words of these members for a call.
fn words(coop: &Coop, call: Call, members: &[usize]) -> Act {
    let signed = succession(&coop.cooperative, &call);
    let mut words: Vec<Approval> =
        members.iter().map(|it| coop.word(*it, Purpose::Succession, &signed)).collect();
    words.sort_by_key(|word| word.device);
    Act::Succeed(Succeed { call, words: List::new(words).unwrap() })
}

/// Three nodes: the first holds so many register entries, the second another one, the third none,
/// since it has heard of the fork first. The members call, and the successor goes on with the first.
fn torn(length: u64) -> (Coop, Vec<Signed>, Signed, EntryId) {
    let mut coop = Coop::of(3, 0, 2, 3);
    for node in 0..3 {
        coop.net.isolate(node);
    }
    let mark = |coop: &Coop, devices: &[u32]| Act::Mark(Mark { cut: coop.cut(0, devices) });
    let other = coop.entry_at(0, 1, coop.cooperative, &mark(&coop, &[0]));
    let mut line = Vec::new();
    for _ in 0..length {
        let act = mark(&coop, &[]);
        let entry = coop.entry(0, &act);
        assert!(matches!(coop.net.submit(0, &entry), Reply::Placed(_)));
        line.push(entry);
    }
    assert!(matches!(coop.net.submit(1, &other), Reply::Placed(_)));
    coop.net.link(0, 1);
    coop.net.pass(1_000);
    coop.net.join();
    coop.net.pass(2_000);
    assert_eq!(coop.forks(), [1, 1, 1]);
    let head = std::mem::replace(&mut coop.head, coop.cooperative);
    let call = Call { at: coop.cooperative, successor: Member(1) };
    coop.say(2, 1, &Act::Call(call));
    coop.say(2, 2, &Act::Call(call));
    coop.net.pass(2_000);
    coop.head = head;
    let act = words(&coop, call, &[1, 2]);
    let succeed = coop.say(0, 1, &act);
    (coop, line, other, succeed)
}

#[test]
fn all_that_a_successor_stands_on_is_adopted_whichever_of_it_came_first() {
    for length in 1..=3 {
        let (mut coop, line, _, succeed) = torn(length);
        coop.agree();
        for node in 0..3 {
            assert_eq!(coop.verdict(node, &succeed), Some(Verdict::Counted), "{length}, {node}");
            for entry in &line {
                assert_eq!(coop.verdict(node, &entry.id()), Some(Verdict::Counted));
            }
        }
        let register = coop.net.nodes[1].replica.register().unwrap();
        assert_eq!(register.holder(Office::Registrar, register.head().0), Member(1));
    }
}

/// By the fork leaves alone both are dead: one log holds each, and one held neither when it heard.
#[test]
fn rule_27_no_heal_takes_back_what_the_register_holds() {
    let (mut coop, line, other, _) = torn(1);
    coop.agree();
    let (head, chain) = (coop.head, coop.chains[1]);
    for adopt in [None, Some(other.id())] {
        let heal = coop.heal(&[0, 1, 2], 0, 1, adopt);
        let heal = coop.entry(1, &heal);
        let Reply::Refused(refusal) = coop.net.submit(2, &heal) else { panic!("it has a place") };
        assert!(matches!(refusal, Refusal::Heal(_)), "{refusal}");
        (coop.head, coop.chains[1]) = (head, chain);
    }
    let heal = coop.heal(&[0, 1, 2], 0, 1, Some(line[0].id()));
    let heal = coop.say(2, 1, &heal);
    coop.agree();
    assert_eq!(coop.verdict(0, &heal), Some(Verdict::Counted));
    assert_eq!(coop.forks(), [0, 0, 0]);
    // The old registrar is a member like others now, and its chain goes on.
    coop.chains[0] = (2, line[0].id());
    let next = coop.say(1, 0, &work(1));
    coop.agree();
    assert_eq!(coop.verdict(0, &next), Some(Verdict::Counted));
}

/// Two of three callers' entries come before the succession, which has the words of all.
#[test]
fn a_call_that_comes_after_the_succession_stops_no_successor() {
    let mut coop = Coop::of(3, 0, 2, 4);
    let call = Call { at: coop.cooperative, successor: Member(1) };
    coop.say(0, 1, &Act::Call(call));
    let late = coop.entry(3, &Act::Call(call));
    coop.say(0, 2, &Act::Call(call));
    let act = words(&coop, call, &[1, 2, 3]);
    coop.say(0, 1, &act);
    coop.net.pass(2_000);
    assert!(matches!(coop.net.submit(0, &late), Reply::Placed(_)));
    coop.net.pass(2_000);
    for node in 0..3 {
        assert_eq!(coop.net.nodes[node].replica.freezes().successor(), None, "node {node}");
    }
    coop.say(2, 1, &Act::Mark(Mark { cut: coop.cut(0, &[]) }));
    coop.agree();
}

#[test]
fn rule_83_the_words_of_one_succession_do_not_bring_the_register_back() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let old = Call { at: coop.cooperative, successor: Member(1) };
    let back = words(&coop, old, &[1, 2]);
    coop.say(0, 1, &back);
    coop.net.pass(1_000);
    let new = Call { at: coop.head, successor: Member(2) };
    let act = words(&coop, new, &[0, 2]);
    coop.say(0, 2, &act);
    coop.agree();
    let again = coop.entry(1, &back);
    let Reply::Refused(refusal) = coop.net.submit(1, &again) else { panic!("taken back") };
    assert_eq!(refusal.rule(), 16);
    let register = coop.net.nodes[0].replica.register().unwrap();
    assert_eq!(register.holder(Office::Registrar, register.head().0), Member(2));
}
