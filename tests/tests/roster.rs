//! One roster after another, told step by step on real replicas: a node is replaced, nodes are
//! added, one lies, one comes back; and what is in flight meanwhile.

use talea_ledger::heal::HealFault;
use talea_ledger::place::Refusal;
use talea_ledger::replica::{Reply, Turn};
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Effect, Matter};
use talea_protocol::bytes::List;
use talea_protocol::charter::{Member, Roster};
use talea_protocol::entry::{Entry, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::accepted;
use talea_protocol::recovery::Reform;
use talea_tests::coop::{Coop, work};
use talea_tests::net::node_keys_from;
use talea_tools::history::History;
use talea_tools::verify::text::lines;
use talea_tools::verify::{Policy, Status, audit};

/// A roster of these nodes of the net.
fn roster(coop: &Coop, nodes: &[usize], faulty: u8, quorum: u8) -> Roster {
    let mut keys: Vec<NodeKey> = nodes.iter().map(|it| coop.net.nodes[*it].key.node()).collect();
    keys.sort();
    Roster { nodes: List::new(keys).unwrap(), faulty, quorum }
}

/// Adds a node that nobody has heard of, and with which nobody speaks yet.
fn newcomer(coop: &mut Coop, number: u64) -> usize {
    let key = node_keys_from(100 + number, 1).remove(0);
    coop.net.add(key)
}

/// The members decide on a roster, and the registrar writes it down.
fn reform(coop: &mut Coop, roster: Roster) -> EntryId {
    let decision = coop.decide(Matter::Ordinary, Effect::Reform(roster.clone()));
    coop.say(0, 0, &Act::Reform(Reform { roster, decision }))
}

/// A newcomer, and what the registrar writes down once the members have decided that it and these
/// nodes are the roster.
fn decided(coop: &mut Coop, nodes: &[usize]) -> (usize, Act) {
    let new = newcomer(coop, 1);
    let roster = roster(coop, &[nodes, &[new]].concat(), 0, 2);
    let decision = coop.decide(Matter::Ordinary, Effect::Reform(roster.clone()));
    (new, Act::Reform(Reform { roster, decision }))
}

fn turn(coop: &Coop, node: usize) -> Turn {
    coop.net.nodes[node].replica.turn()
}

#[test]
fn a_node_is_replaced_by_another_and_entries_go_on() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let new = newcomer(&mut coop, 1);
    let old = coop.say(0, 1, &work(1));
    let next = roster(&coop, &[0, 1, new], 0, 2);
    let order = reform(&mut coop, next);
    coop.net.join();
    coop.net.pass(20_000);
    for node in 0..4 {
        assert_eq!(coop.net.nodes[node].replica.roster_number(), 1, "node {node}");
        assert_eq!(coop.net.nodes[node].replica.closed_by(), Some(order));
    }
    assert_eq!([0, 1, new].map(|node| turn(&coop, node)), [Turn::Gives; 3]);
    assert_eq!(turn(&coop, 2), Turn::Apart);
    let entry = coop.entry(1, &work(2));
    assert!(matches!(coop.net.submit(2, &entry), Reply::Refused(refusal) if refusal.rule() == 21));
    assert!(matches!(coop.net.submit(new, &entry), Reply::Placed(_)));
    coop.net.pass(10_000);
    for node in [0, 1, new] {
        assert_eq!(coop.verdict(node, &entry.id()), Some(Verdict::Counted), "node {node}");
        assert_eq!(coop.verdict(node, &old), Some(Verdict::Counted));
    }
}

#[test]
fn three_nodes_become_four_that_tolerate_a_liar_and_the_change_outlives_a_restart() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let new = newcomer(&mut coop, 1);
    let next = roster(&coop, &[0, 1, 2, new], 1, 3);
    reform(&mut coop, next);
    coop.net.join();
    coop.net.pass(20_000);
    assert_eq!([0, 1, 2, new].map(|node| turn(&coop, node)), [Turn::Gives; 4]);
    let entry = coop.say(new, 1, &work(1));
    let before = coop.agree();
    for node in 0..4 {
        coop.net.restart(node);
        coop.net.pass(6_000);
        assert_eq!(turn(&coop, node), Turn::Gives);
    }
    assert_eq!(coop.agree(), before);
    assert_eq!(coop.verdict(2, &entry), Some(Verdict::Counted));
    // Two receipts are not enough any more.
    for (one, other) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        coop.net.cut(one, other);
    }
    let late = coop.say(0, 1, &work(2));
    coop.net.pass(6_000);
    assert_eq!(coop.verdict(1, &late), None);
    coop.net.join();
    coop.agree();
    assert_eq!(coop.verdict(1, &late), Some(Verdict::Counted));
}

#[test]
fn a_new_node_appends_nothing_before_a_quorum_of_closed_logs_is_there() {
    let mut coop = Coop::of(5, 0, 3, 3);
    let (new, act) = decided(&mut coop, &[1, 2]);
    for node in 0..5 {
        coop.net.isolate(node);
    }
    coop.say(0, 0, &act);
    coop.net.link(0, 1);
    coop.net.pass(2_000);
    coop.net.cut(0, 1);
    // Two of five hold it: nothing has changed yet, and the new node only reads along.
    coop.net.link(1, new);
    coop.net.pass(10_000);
    assert_eq!((turn(&coop, new), coop.net.nodes[new].replica.roster_number()), (Turn::Apart, 0));
    let entry = coop.entry(1, &work(1));
    assert!(
        matches!(coop.net.submit(new, &entry), Reply::Refused(refusal) if refusal.rule() == 21)
    );
    // The third one settles it. The first has not heard of that, and its log is not closed.
    coop.net.link(1, 2);
    coop.net.pass(10_000);
    let waits = Turn::Waits { roster: 0, closed: 2, needed: 3 };
    for node in [1, 2, new] {
        assert_eq!(turn(&coop, node), waits, "node {node}");
        let leaves = coop.net.nodes[node].replica.published();
        assert_eq!(coop.net.submit(node, &entry), Reply::Busy);
        coop.net.pass(3_000);
        assert_eq!(coop.net.nodes[node].replica.published(), leaves);
    }
    coop.net.join();
    coop.net.pass(20_000);
    assert_eq!(turn(&coop, new), Turn::Gives);
    assert!(matches!(coop.net.submit(new, &entry), Reply::Placed(_)));
    coop.net.pass(6_000);
    for node in [1, 2, new] {
        assert_eq!(coop.verdict(node, &entry.id()), Some(Verdict::Counted), "node {node}");
    }
}

/// What comes to a spare node before the charter waits there for it.
#[test]
fn a_node_of_no_roster_gives_no_place_either_to_what_has_waited_there() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let new = newcomer(&mut coop, 1);
    let cooperative = coop.net.nodes[0].replica.cooperative();
    let leaf = coop.net.nodes[0].disk.leaf(&cooperative, 0).unwrap();
    let charter = Entry::parse(accepted(&leaf).unwrap().to_vec()).unwrap();
    let entry = coop.entry(1, &work(1));
    assert!(matches!(coop.net.submit(new, &entry), Reply::Waiting(_)));
    assert!(matches!(coop.net.submit(new, &Signed::kept(charter)), Reply::Placed(_)));
    coop.net.pass(1_000);
    assert_eq!(turn(&coop, new), Turn::Apart);
    assert!(coop.net.nodes[new].replica.places().find(&entry.id()).is_none());
}

#[test]
fn what_only_one_old_node_holds_is_settled_by_the_new_roster() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let (new, act) = decided(&mut coop, &[0, 1]);
    coop.net.isolate(0);
    let flight = coop.entry(2, &work(7));
    assert!(matches!(coop.net.submit(0, &flight), Reply::Placed(_)));
    coop.say(1, 0, &act);
    coop.net.pass(6_000);
    coop.net.join();
    coop.net.pass(20_000);
    for node in [0, 1, new] {
        assert_eq!(coop.verdict(node, &flight.id()), Some(Verdict::Counted), "node {node}");
    }
}

#[test]
fn a_fork_in_flight_stays_open_until_both_rosters_show_a_branch_dead() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let (new, act) = decided(&mut coop, &[0, 1]);
    let (seq, prev) = coop.chains[2];
    let (one, other) =
        (coop.entry_at(2, seq, prev, &work(1)), coop.entry_at(2, seq, prev, &work(2)));
    let reform = coop.entry(0, &act);
    for node in 0..3 {
        coop.net.isolate(node);
    }
    coop.net.submit(0, &one);
    coop.net.submit(1, &other);
    coop.net.submit(2, &reform);
    // The third node hears of the proof before it sees either branch.
    coop.net.link(0, 1);
    coop.net.pass(2_000);
    coop.net.join();
    coop.net.pass(20_000);
    let mut nodes = [0, 1, new];
    assert_eq!(nodes.map(|node| turn(&coop, node)), [Turn::Gives; 3]);
    assert_eq!(coop.forks(), [1; 4]);
    nodes.sort_by_key(|node| coop.net.nodes[*node].key.node());
    let held = |node: usize| {
        let chain = coop.net.nodes[node].replica.places().chain(2).last().map(|it| it.id);
        [one.id(), other.id()].iter().position(|id| Some(*id) == chain)
    };
    assert_eq!([held(0), held(1), held(2)], [Some(0), Some(1), None]);
    assert_eq!(held(new), None);
    let place = u32::try_from(seq).unwrap();
    // Two logs are not enough to show either branch dead.
    let (head, chain) = (coop.head, coop.chains[0]);
    let few = coop.heal(&nodes[..1], 2, place, None);
    let few = coop.entry(0, &few);
    assert!(matches!(coop.net.submit(0, &few), Reply::Refused(refusal) if refusal.rule() == 27));
    (coop.head, coop.chains[0]) = (head, chain);
    let heal = coop.heal(&nodes, 2, place, None);
    let heal = coop.say(0, 0, &heal);
    coop.net.pass(10_000);
    for node in [0, 1, new] {
        assert_eq!(coop.verdict(node, &heal), Some(Verdict::Counted), "node {node}");
        assert_eq!(coop.net.nodes[node].replica.freezes().forks().count(), 0);
    }
}

/// Two branches: one is settled by the old roster, in the sight of a single old node.
#[test]
fn what_the_old_roster_has_settled_stands_whatever_the_new_one_sees_first() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let new = newcomer(&mut coop, 1);
    let other_new = newcomer(&mut coop, 2);
    let next = roster(&coop, &[0, new, other_new], 0, 2);
    let decision = coop.decide(Matter::Ordinary, Effect::Reform(next.clone()));
    let (seq, prev) = coop.chains[2];
    let (one, other) =
        (coop.entry_at(2, seq, prev, &work(1)), coop.entry_at(2, seq, prev, &work(2)));
    let reform = coop.entry(0, &Act::Reform(Reform { roster: next, decision }));
    // Settled by nodes 1 and 2, and nobody knows.
    for node in 0..3 {
        coop.net.isolate(node);
    }
    coop.net.submit(1, &other);
    coop.net.submit(2, &other);
    coop.net.submit(0, &one);
    coop.net.submit(0, &reform);
    coop.net.pass(1_000);
    coop.net.link(0, 1);
    coop.net.pass(6_000);
    coop.net.link(0, new);
    coop.net.link(0, other_new);
    coop.net.link(new, other_new);
    coop.net.pass(30_000);
    for node in [0, new, other_new] {
        assert_eq!(turn(&coop, node), Turn::Gives, "node {node}");
        assert_eq!(coop.verdict(node, &one.id()), None, "node {node}");
        assert_eq!(coop.net.nodes[node].replica.freezes().forks().count(), 1);
    }
    // By the new roster's logs the one branch may go on; the old one might have settled the other.
    let mut nodes = [0, new, other_new];
    nodes.sort_by_key(|node| coop.net.nodes[*node].key.node());
    let place = u32::try_from(seq).unwrap();
    let (head, chain) = (coop.head, coop.chains[0]);
    let heal = coop.heal(&nodes, 2, place, Some(one.id()));
    let heal = coop.entry(0, &heal);
    let Reply::Refused(refusal) = coop.net.submit(0, &heal) else { panic!("it has a place") };
    assert!(matches!(refusal, Refusal::Heal(HealFault::Older { .. })), "{refusal}");
    (coop.head, coop.chains[0]) = (head, chain);
    coop.net.join();
    coop.net.pass(70_000);
    for node in [0, new, other_new] {
        assert_eq!(coop.verdict(node, &other.id()), Some(Verdict::Counted), "node {node}");
    }
}

/// A node of the old roster alone goes on writing behind the leaf that closes its log.
#[test]
fn an_old_node_that_comes_back_late_closes_its_log_and_gives_no_more_places() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let (new, act) = decided(&mut coop, &[0, 1]);
    coop.net.isolate(2);
    let alone = coop.entry(2, &work(3));
    let missed = coop.say(0, 1, &work(1));
    let order = coop.say(0, 0, &act);
    for (one, other) in [(0, new), (1, new)] {
        coop.net.link(one, other);
    }
    coop.net.pass(20_000);
    let since = coop.say(new, 1, &work(2));
    coop.net.pass(6_000);
    assert_eq!(coop.verdict(0, &since), Some(Verdict::Counted));
    // Meanwhile it has gone on giving places, which settle nothing.
    assert!(matches!(coop.net.submit(2, &alone), Reply::Placed(_)));
    coop.net.join();
    coop.net.pass(20_000);
    assert_eq!(coop.net.nodes[2].replica.closed_by(), Some(order));
    assert_eq!(turn(&coop, 2), Turn::Apart);
    assert_eq!(coop.verdict(2, &missed), Some(Verdict::Counted));
    let late = coop.entry(1, &work(4));
    assert!(matches!(coop.net.submit(2, &late), Reply::Refused(refusal) if refusal.rule() == 21));
    // What it took is no receipt of the new roster's, and loses nothing: others take it from it.
    for node in [0, 1, new] {
        assert_eq!(coop.verdict(node, &alone.id()), Some(Verdict::Counted), "node {node}");
    }
}

#[test]
fn an_export_and_a_members_history_are_proven_after_three_rosters() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let mut nodes = vec![0, 1, 2];
    let mut said = vec![coop.say(0, 1, &work(1))];
    for number in 1..=2 {
        nodes.remove(1);
        nodes.push(newcomer(&mut coop, number));
        let next = roster(&coop, &nodes, 0, 2);
        reform(&mut coop, next);
        coop.net.join();
        coop.net.pass(20_000);
        said.push(coop.say(0, 1, &work(1)));
        coop.net.pass(10_000);
    }
    for node in nodes {
        let audit = audit(&coop.net.export(node), &Policy::default(), 0).expect("an export");
        assert_eq!(audit.status, Status::Valid, "node {node}: {:?}", lines(&audit));
        let settled = &audit.sum.as_ref().expect("a charter").settled;
        assert!(said.iter().all(|id| settled.has(id)) && settled.rosters() == 3);
        let file = History::of(&audit, Member(1)).expect("a history").file();
        let proven = History::read(&file).expect("of this form").check();
        let proven = proven.unwrap_or_else(|fault| panic!("node {node}: {fault}"));
        let length = coop.chains[1].0;
        assert_eq!(proven.chains, [(coop.keys[1].device(), length)], "node {node}");
    }
}
