//! Two cooperatives on disjoint nodes: each takes in what the other has sent, on the other's
//! receipts, and holds nothing of its log.

use std::collections::BTreeSet;

use talea_ledger::account::{Account, Unit};
use talea_ledger::verdict::{Verdict, Void};
use talea_protocol::act::Act;
use talea_protocol::bytes::{Code, Day, List, Octets, Quantity};
use talea_protocol::entry::Signed;
use talea_protocol::federation::{
    Accord, Balance, Countersign, Link, Receive, Send, Statement, Turnover, accordance,
    confirmation,
};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::Purpose;
use talea_protocol::money::{Held, Open, Opening};
use talea_tests::coop::Coop;
use talea_tools::checks::{Outcome, sent_alike};
use talea_tools::verify::{Audit, Policy, audit};

const DAY: i32 = 20_460;

fn code(text: &str) -> Code {
    Code::try_from(text).expect("a code")
}

fn day() -> Day {
    Day::new(DAY).expect("a day")
}

/// Says something as the treasurer, waits, and returns the entry.
fn write(coop: &mut Coop, act: &Act) -> Signed {
    let entry = coop.entry(0, act);
    let reply = coop.net.submit(0, &entry);
    assert!(matches!(reply, talea_ledger::replica::Reply::Placed(_)), "{reply:?}");
    coop.net.pass(3_000);
    entry
}

/// The same, and it must count at every node.
fn counts(coop: &mut Coop, act: &Act) -> Signed {
    let entry = write(coop, act);
    for node in 0..coop.net.nodes.len() {
        assert_eq!(coop.verdict(node, &entry.id()), Some(Verdict::Counted), "node {node}");
    }
    entry
}

/// A cooperative with 1,000 at the bank, and its charter as an entry.
fn founded(first: u64) -> (Coop, Signed) {
    let mut coop = Coop::from(first, 3, 0, 2, 2);
    let replica = &coop.net.nodes[0].replica;
    assert_eq!(replica.register().expect("it is founded").cooperative(), coop.cooperative);
    let leaf = replica.places().find(&coop.cooperative).expect("its place").leaf;
    let leaf = coop.net.nodes[0].disk.leaf(&coop.cooperative, leaf).expect("a leaf");
    let bytes = talea_protocol::leaf::accepted(&leaf).expect("an accept leaf").to_vec();
    let entry = talea_protocol::entry::Entry::parse(bytes).expect("an entry");
    let charter = talea_protocol::entry::check(vec![entry]).remove(0).expect("genuine");
    let balance = |account, amount| Opening { account, amount };
    let balances = vec![balance(Held::Bank, 1_000), balance(Held::Carried, -1_000)];
    let open = Open { date: day(), balances: List::new(balances).expect("two") };
    counts(&mut coop, &Act::Open(open));
    (coop, charter)
}

fn link(coop: &mut Coop, charter: &Signed, other: &Coop) {
    let charter = Octets::new(charter.bytes().to_vec()).expect("it fits");
    let speakers = List::new(vec![other.keys[0].device()]).expect("one");
    counts(coop, &Act::Link(Link { charter, roster: None, speakers }));
}

fn agree(coop: &mut Coop, accord: &Accord, other: &Coop) {
    let key = &other.keys[0];
    let signature = key.sign(Purpose::Accord, &accordance(accord));
    let act = Countersign { accord: accord.clone(), device: key.device(), signature };
    counts(coop, &Act::Countersign(Box::new(act)));
}

fn send(accord: &Accord, amount: i64) -> Act {
    Act::Send(Send {
        accord: accord.id(),
        amount: Quantity::new(amount).expect("above zero"),
        date: day(),
        reference: code("mediation"),
        fund: None,
        takes: List::default(),
    })
}

fn receive(from: &Coop, nodes: &[usize], sent: &Signed) -> Act {
    let evidence = nodes.iter().map(|node| from.receipt(*node, &sent.id())).collect();
    Act::Receive(Receive {
        send: Octets::new(sent.bytes().to_vec()).expect("it fits"),
        evidence: List::new(evidence).expect("few"),
        date: day(),
        fund: None,
    })
}

fn void(coop: &mut Coop, act: &Act) -> u16 {
    let entry = write(coop, act);
    match coop.verdict(2, &entry.id()) {
        Some(Verdict::Void(void)) => Void::rule(&void),
        other => panic!("{other:?}"),
    }
}

fn balance(coop: &Coop, account: &Account) -> i128 {
    coop.net.nodes[1].replica.state().books().net(account, Unit::Money)
}

/// What an auditor reads in an export of a node.
fn read(coop: &Coop) -> Audit {
    audit(&coop.net.export(0), &Policy::default(), 0).expect("an export")
}

fn keys(coop: &Coop) -> BTreeSet<[u8; 32]> {
    coop.net.nodes.iter().map(|node| node.key.node().0).collect()
}

#[test]
fn two_cooperatives_on_disjoint_nodes_take_in_what_the_other_has_sent() {
    let ((mut ours, our_charter), (mut theirs, their_charter)) = (founded(0), founded(500));
    assert!(keys(&ours).is_disjoint(&keys(&theirs)));
    link(&mut ours, &their_charter, &theirs);
    link(&mut theirs, &our_charter, &ours);
    let accord = Accord {
        one: ours.cooperative.min(theirs.cooperative),
        other: ours.cooperative.max(theirs.cooperative),
        reference: code("AG1"),
        unit: code("EUR"),
        limit: Quantity::new(400).expect("above zero"),
        from: day(),
        until: day(),
        text: Hash::ZERO,
    };
    agree(&mut ours, &accord, &theirs);
    agree(&mut theirs, &accord, &ours);

    let sent = counts(&mut ours, &send(&accord, 300));
    // One log's word is not enough: two of three settle there.
    let one = receive(&ours, &[1], &sent);
    assert_eq!(void(&mut theirs, &one), 147);
    let good = receive(&ours, &[0, 2], &sent);
    counts(&mut theirs, &good);
    assert_eq!(void(&mut theirs, &good), 148, "it happens once");
    let again = receive(&ours, &[1, 2], &sent);
    assert_eq!(void(&mut theirs, &again), 148, "with other receipts, too");
    let of = |coop: &Coop, id: EntryId| {
        (balance(coop, &Account::Bank), balance(coop, &Account::Partner(id)))
    };
    assert_eq!(of(&ours, theirs.cooperative), (700, 300));
    assert_eq!(of(&theirs, ours.cooperative), (1_300, -300));

    let older = read(&ours);
    state(&mut ours, &mut theirs, &accord);
    let check = sent_alike(&read(&ours), &read(&theirs)).expect("they are partners");
    assert_eq!((check.outcome, check.looked_at), (Outcome::Pass, 1), "{check:?}");
    assert_eq!(sent_alike(&older, &older), None, "no cooperative is its own partner");

    // What the sender's bank did not hold is void there, and settled, which is all that is shown.
    let more = Accord {
        reference: code("AG2"),
        limit: Quantity::new(2_000).expect("above zero"),
        ..accord
    };
    agree(&mut ours, &more, &theirs);
    let before = read(&ours);
    agree(&mut theirs, &more, &ours);
    let ghost = write(&mut ours, &send(&more, 1_500));
    let verdict = ours.verdict(0, &ghost.id());
    assert!(matches!(verdict, Some(Verdict::Void(void)) if void.rule() == 71), "{verdict:?}");
    let taken = receive(&ours, &[0, 2], &ghost);
    let taken = counts(&mut theirs, &taken);
    let check = sent_alike(&read(&ours), &read(&theirs)).expect("they are partners");
    assert_eq!((check.outcome, check.looked_at), (Outcome::Fail, 2), "{check:?}");
    assert!(check.notes.iter().any(|note| note.fails && note.entry == Some(taken.id())));
    let check = sent_alike(&before, &read(&theirs)).expect("they are partners");
    assert_eq!(check.outcome, Outcome::Cannot, "an older export shows no fault: {check:?}");

    assert!(ours.agree() > 0 && theirs.agree() > 0, "each cooperative's nodes have one state");
    for coop in [&ours, &theirs] {
        assert!(coop.net.nodes.iter().all(|node| node.alarms.is_empty()));
    }
}

/// Both sign what both hold for so.
fn state(ours: &mut Coop, theirs: &mut Coop, accord: &Accord) {
    let (mine, yours) = (Turnover { sent: 300, received: 0 }, Turnover { sent: 0, received: 300 });
    let is_one = accord.one == ours.cooperative;
    let (one, other) = if is_one { (mine, yours) } else { (yours, mine) };
    let balance = Balance { accord: accord.id(), date: day(), one, other };
    let by = |coop: &Coop| {
        let key = &coop.keys[0];
        let signature = key.sign(Purpose::Statement, &confirmation(&balance));
        Act::Statement(Statement { balance, device: key.device(), signature })
    };
    let (of_ours, of_theirs) = (by(ours), by(theirs));
    counts(ours, &of_theirs);
    counts(theirs, &of_ours);
}
