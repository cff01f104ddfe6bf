//! A node whose disk is put back to an older day signs nothing before it has caught up.
//!
//! Real replicas, messages that arrive at once, and disks that can be copied and put back. That a
//! node signs two roots for one size, or a smaller log than before, is asserted as it happens.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use talea_ledger::batch::Column;
use talea_ledger::replica::{Behind, Commit, Input, Moment, Output, Replica, Reply, leaf_key};
use talea_node::hosted::Hosted;
use talea_protocol::bytes::{List, Octets};
use talea_protocol::entry::{Entry, check};
use talea_protocol::leaf::Peer;
use talea_protocol::message::{Item, LogSize, Message};
use talea_protocol::tile::push_leaf;
use talea_protocol::tree::TreeHash;
use talea_tests::chance::Chance;
use talea_tests::load::load;
use talea_tests::people::{START_MS, node_key};

mod village;

use village::{ALL, BEFORE, SINCE, Store, Village};

/// Three nodes, and the third one's disk as it was on an older day. It is down.
fn older_day() -> (Village, Store) {
    let mut village = Village::new(3, 2, ALL - 1);
    assert_eq!(village.submit(0, 0..BEFORE), BEFORE);
    village.wait(3_000);
    let older = village.stores[2].clone();
    assert_eq!(village.submit(2, BEFORE..SINCE), SINCE - BEFORE);
    village.wait(3_000);
    village.agree(SINCE);
    village.stop(2);
    (village, older)
}

/// The third node meets the others, has what they have, and gives places.
fn goes_on(village: &mut Village) {
    village.join(2);
    village.wait(3_000);
    assert_eq!(village.submit(2, SINCE..ALL), ALL - SINCE);
    village.wait(12_000);
    village.agree(ALL);
}

#[test]
fn a_node_put_back_whole_asks_what_it_has_signed_and_fetches_it_first() {
    let (mut village, older) = older_day();
    village.stores[2] = older;
    village.start(2);
    // Alone it does not know, and gives no place.
    assert_eq!(village.submit(2, SINCE..ALL), 0);
    village.wait(20_000);
    assert_eq!(village.acknowledged(SINCE..ALL), 0);
    assert_eq!(village.node(2).behind(), Some(Behind::Answers { heard: 0, needed: 1 }));
    village.meet(2, 0);
    village.wait(3_000);
    assert_eq!(village.node(2).behind(), None);
    assert_eq!(village.submit(2, SINCE..ALL), ALL - SINCE);
    village.join(2);
    village.wait(12_000);
    village.agree(ALL);
}

#[test]
fn a_store_that_is_older_than_its_promise_catches_up() {
    let (mut village, older) = older_day();
    let promised = village.stores[2].promised;
    village.stores[2] = Store { promised, ..older };
    village.start(2);
    assert!(matches!(village.node(2).behind(), Some(Behind::Leaves { .. })));
    assert_eq!(village.node(2).note(), None, "an old checkpoint is not shown as the newest");
    // Submissions wait for it, since it takes no time.
    village.inputs.clear();
    village.join(2);
    assert_eq!(village.node(2).behind(), None);
    assert_eq!(village.submit(2, SINCE..ALL), ALL - SINCE);
    village.wait(12_000);
    village.agree(ALL);
}

#[test]
fn a_submission_waits_for_a_start_and_is_answered_in_time_if_that_takes_long() {
    let (mut village, older) = older_day();
    village.stores[2] = older;
    village.start(2);
    assert_eq!(village.submit(2, SINCE..SINCE + 1), 0);
    assert_eq!(village.replies.get(&(SINCE as u64)), None);
    village.wait(5_100);
    assert_eq!(village.replies.get(&(SINCE as u64)), Some(&Reply::Busy));
    village.submit(2, SINCE..SINCE + 1);
    assert_eq!(village.replies.get(&(SINCE as u64)), Some(&Reply::Busy), "at once from now on");
    village.stop(2);
    village.start(2);
    assert_eq!(village.submit(2, SINCE..SINCE + 1), 0);
    village.join(2);
    assert_eq!(village.acknowledged(SINCE..SINCE + 1), 1);
}

#[test]
fn a_store_that_is_lost_is_fetched_whole_and_the_promise_says_when_it_is() {
    let (mut village, _) = older_day();
    let promised = village.stores[2].promised;
    village.stores[2] = Store { promised, ..Store::default() };
    village.found(2);
    assert_eq!(village.submit(2, 0..1), 0, "not even the charter");
    goes_on(&mut village);
}

#[test]
fn a_node_of_which_nothing_is_left_learns_from_its_peers_that_it_has_signed() {
    let (mut village, _) = older_day();
    village.stores[2] = Store::default();
    village.found(2);
    goes_on(&mut village);
}

#[test]
fn who_shows_it_its_own_leaves_before_it_says_that_it_has_them_is_not_accused() {
    let (mut village, _) = older_day();
    village.stores[2] = Store::default();
    village.found(2);
    village.unsaid = true;
    // Their logs are told as what they have in common with its own: a false leaf, or a lost one?
    goes_on(&mut village);
}

#[test]
fn a_node_that_crashes_while_it_catches_up_goes_on_where_it_was() {
    let (mut village, older) = older_day();
    let promised = village.stores[2].promised;
    village.stores[2] = Store { promised, ..older };
    let whole = promised.unwrap().0;
    let mut steps = 0;
    loop {
        village.start(2);
        let before = village.node(2).published();
        // One order after the other, and a crash after each commit.
        village.open.extend([(0, 2), (1, 2)]);
        for (node, peer) in [(2, 0), (0, 2), (2, 1), (1, 2)] {
            let peer = village.keys[peer].node();
            village.inputs.push_back((node, Input::Connected(peer)));
        }
        while let Some((node, input)) = village.inputs.pop_front() {
            village.nodes[node].as_mut().unwrap().handle(Moment(village.now), input);
            village.drain(node);
            if village.node(2).published() > before {
                break;
            }
        }
        let (published, behind) = (village.node(2).published(), village.node(2).behind());
        village.inputs.retain(|(node, _)| *node != 2);
        village.stop(2);
        if behind.is_none() {
            break;
        }
        assert!(published > before && published <= whole, "{before} {published} {whole}");
        steps += 1;
    }
    println!("{steps} crashes");
    village.start(2);
    goes_on(&mut village);
}

/// Any day, with or without the promise, and any order in which the others come.
#[test]
fn whatever_day_it_is_put_back_to_no_second_history_is_signed() {
    let mut chance = Chance::new(7);
    for round in 0..40 {
        let (count, quorum) = *chance.one_of(&[(3, 2), (4, 3), (5, 4), (5, 3), (2, 2)]);
        let mut village = Village::new(count, quorum, 160);
        let last = village.nodes.len() - 1;
        let mut days = Vec::new();
        for step in 0..8 {
            let node = chance.index(village.nodes.len());
            assert_eq!(village.submit(node, step * 20..(step + 1) * 20), 20, "round {round}");
            village.wait(chance.between(0, 2_000) + 300);
            days.push(village.stores[last].clone());
        }
        village.stop(last);
        let mut day = chance.one_of(&days).clone();
        if chance.percent(50) {
            day.promised = village.stores[last].promised;
        }
        village.stores[last] = day;
        village.start(last);
        if chance.percent(30) {
            village.nodes[last].as_mut().unwrap().doubt();
        }
        let mut others: Vec<usize> = (0..last).collect();
        chance.shuffle(&mut others);
        for other in others {
            village.submit(last, 159..161);
            village.meet(last, other);
            village.wait(chance.between(0, 3_000));
        }
        village.wait(12_000);
        village.submit(last, 159..161);
        village.wait(12_000);
        village.agree(161);
    }
}

#[test]
fn leaves_that_are_changed_once_they_are_proven_are_refused_and_another_node_is_asked() {
    let (mut village, older) = older_day();
    village.stores[2] = older;
    village.liar = Some(0);
    village.start(2);
    village.join(2);
    assert!(village.asked.contains(&2), "it was asked first");
    assert_eq!(village.node(2).behind(), None);
    assert_eq!(village.submit(2, SINCE..ALL), ALL - SINCE);
    village.wait(12_000);
    village.agree(ALL);
}

/// A peer's words, as if it had said them.
fn hear(village: &mut Village, peer: usize, node: usize, message: Message) {
    let peer = village.keys[peer].node();
    village.inputs.push_back((node, Input::Message(peer, Box::new(message))));
    village.run();
}

fn claim(village: &Village, node: usize, size: u64) -> Message {
    let logs = vec![LogSize { node: village.keys[node].node(), size }];
    Message::Open { cooperative: village.cooperative, logs: List::new(logs).unwrap() }
}

#[test]
fn a_claim_that_is_never_shown_stops_a_node_for_half_a_minute_and_only_once() {
    let mut village = Village::new(3, 2, 100);
    assert_eq!(village.submit(0, 0..51), 51);
    village.wait(3_000);
    village.part(0, 1);
    // Not a word of it comes: the liar's own answers are kept from the node.
    let lie = claim(&village, 1, 1_000_000);
    village.meet(0, 1);
    village.stop(0);
    village.open.insert((0, 1));
    hear(&mut village, 0, 1, Message::clone(&lie));
    let claimed = village.node(1).behind();
    assert!(matches!(claimed, Some(Behind::Claimed { held: 1_000_000, .. })), "{claimed:?}");
    assert_eq!(village.submit(1, 51..52), 0);
    village.wait(31_000);
    assert_eq!(village.node(1).behind(), None);
    assert_eq!(village.submit(1, 51..52), 1);
    hear(&mut village, 0, 1, lie);
    assert_eq!(village.node(1).behind(), None);
    assert_eq!(village.submit(1, 52..53), 1);
}

#[test]
fn leaves_that_are_not_the_log_are_refused_and_another_node_is_asked() {
    let (mut village, older) = older_day();
    let promised = village.stores[2].promised;
    village.stores[2] = Store { promised, ..older };
    village.start(2);
    let leaves = village.node(2).published();
    // The first peer claims most, is asked, and makes something up.
    village.stop(0);
    village.open.insert((0, 2));
    let liar = village.keys[0].node();
    village.inputs.push_back((2, Input::Connected(liar)));
    let lie = claim(&village, 2, 1_000_000);
    hear(&mut village, 0, 2, lie);
    let made_up = Peer { node: liar, size: 3, root: TreeHash::EMPTY, time: 1 }.leaf();
    let mut bundle = Vec::new();
    for _ in leaves..promised.unwrap().0 {
        push_leaf(&mut bundle, &made_up).unwrap();
    }
    let items = List::new(vec![Item::Bundle(Octets::new(bundle).unwrap())]).unwrap();
    let made_up = Message::Leaves {
        cooperative: village.cooperative,
        log: village.keys[2].node(),
        from: leaves,
        items,
        checkpoint: Octets::default(),
    };
    hear(&mut village, 0, 2, made_up);
    let behind = village.node(2).behind();
    assert!(matches!(behind, Some(Behind::Contradicted { .. })), "{behind:?}");
    assert_eq!(village.node(2).published(), leaves);
    village.meet(2, 1);
    assert_eq!(village.node(2).behind(), None);
    assert_eq!(village.submit(2, SINCE..SINCE + 100), 100);
}

/// Its key was used with another disk: nothing that it could sign would be consistent.
#[test]
fn a_node_whose_disk_holds_another_history_signs_nothing_and_says_so() {
    let (mut village, older) = older_day();
    village.stores[2] = older;
    village.start(2);
    village.nodes[2] = None;
    // One more leaf than that day's log had, and not the one that followed.
    let (size, _) = village.stores[2].promised.unwrap();
    let other = Peer { node: village.keys[0].node(), size: 1, root: TreeHash::EMPTY, time: 1 };
    let key = leaf_key(&village.cooperative, size);
    village.stores[2].rows.insert((Column::Leaf, key), other.leaf());
    village.start(2);
    village.join(2);
    village.wait(60_000);
    let behind = village.node(2).behind();
    assert!(matches!(behind, Some(Behind::Contradicted { .. })), "{behind:?}");
    assert_eq!(village.submit(2, SINCE..SINCE + 100), 0);
}

#[test]
fn a_store_from_a_backup_waits_for_as_many_as_can_know_and_a_lone_node_for_ever() {
    for (count, quorum, needed) in [(3, 2, 2), (4, 3, 2), (5, 4, 2), (5, 3, 3), (2, 2, 1)] {
        let mut village = Village::new(count, quorum, 60);
        assert_eq!(village.submit(0, 0..41), 41);
        village.wait(3_000);
        village.stop(0);
        village.start(0);
        village.nodes[0].as_mut().unwrap().doubt();
        for other in 1..=needed {
            let heard = other - 1;
            assert_eq!(village.node(0).behind(), Some(Behind::Answers { heard, needed }));
            assert_eq!(village.submit(0, 41..42), 0);
            village.meet(0, other);
        }
        assert_eq!(village.node(0).behind(), None, "{count} nodes, {quorum} settle");
        assert_eq!(village.submit(0, 41..61), 20);
    }
    let mut village = Village::new(1, 1, 60);
    assert_eq!(village.submit(0, 0..41), 41);
    village.stop(0);
    village.start(0);
    assert_eq!(village.node(0).behind(), None, "its promise is there");
    village.nodes[0].as_mut().unwrap().doubt();
    village.wait(600_000);
    assert_eq!(village.node(0).behind(), Some(Behind::Alone));
    assert_eq!(village.submit(0, 41..42), 0);
}

/// The third node has lost everything but its key, and of the last that it has signed the second
/// alone has heard.
fn nothing_left() -> Village {
    let mut village = Village::new(3, 2, ALL - 1);
    assert_eq!(village.submit(0, 0..BEFORE), BEFORE);
    village.wait(3_000);
    village.stop(0);
    assert_eq!(village.submit(2, BEFORE..SINCE), SINCE - BEFORE);
    village.wait(3_000);
    village.stop(2);
    village.start(0);
    village.stores[2] = Store::default();
    village.found(2);
    village
}

#[test]
fn a_node_of_which_only_the_key_is_left_asks_as_many_as_one_from_a_backup() {
    let mut village = nothing_left();
    village.nodes[2].as_mut().unwrap().doubt();
    assert_eq!(village.node(2).behind(), Some(Behind::Charter));
    village.meet(2, 0);
    village.wait(3_000);
    assert_eq!(village.node(2).behind(), Some(Behind::Answers { heard: 1, needed: 2 }));
    assert_eq!(village.submit(2, SINCE..ALL), 0);
    village.join(0);
    goes_on(&mut village);
}

#[test]
fn leaves_without_any_promise_are_as_good_as_a_backup() {
    let mut village = Village::new(3, 2, 60);
    assert_eq!(village.submit(0, 0..41), 41);
    village.wait(3_000);
    village.stop(2);
    village.stores[2].promised = None;
    village.start(2);
    assert_eq!(village.node(2).behind(), Some(Behind::Answers { heard: 0, needed: 2 }));
    village.join(2);
    village.wait(3_000);
    assert_eq!(village.submit(2, 41..61), 20);
    village.wait(12_000);
    village.agree(61);
}

/// What a future gives if it has waited enough.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The next commit that a replica wants made; signatures are checked on the way to it.
fn commit(replica: &mut Replica) -> Option<Commit> {
    while let Some(output) = replica.poll() {
        match output {
            Output::Commit(commit) => return Some(*commit),
            Output::Check { check: number, entries } => {
                let entries = check(entries);
                replica.handle(Moment(START_MS), Input::Checked { check: number, entries });
            }
            _ => {}
        }
    }
    None
}

#[test]
fn what_a_node_tells_of_a_chain_is_kept_when_its_ground_is_durable_and_not_before() {
    let key = Arc::new(node_key(0));
    let entries = load(1, 2, &[key.node()], 1);
    let replica = Replica::new(Moment(START_MS), entries[0].id(), Arc::clone(&key), &[]);
    let mut hosted = Hosted::new(replica, Vec::new());
    assert_eq!(now(hosted.kept()), Some(true), "nothing is known");
    let mut made = None;
    for (ticket, entry) in (0..).zip(&entries) {
        let entry = Box::new(Entry::parse(entry.bytes().to_vec()).unwrap());
        let source = key.node();
        let submit = Input::Submit { ticket, source, entry, payload: None };
        hosted.replica.handle(Moment(START_MS), submit);
        made = made.or(commit(&mut hosted.replica));
    }
    // What came while the first commit was under way is in the next.
    let mut waiting = pin!(hosted.kept());
    let mut commits = 0;
    while let Some(Commit { token, checkpoint, .. }) = made {
        assert_eq!(now(waiting.as_mut()), None);
        let note = checkpoint.sign(&key).to_string().into_bytes();
        hosted.replica.handle(Moment(START_MS), Input::Committed { token, note });
        let _ = hosted.tell_placed();
        made = commit(&mut hosted.replica);
        commits += 1;
    }
    assert_eq!((now(waiting), commits), (Some(true), 2));
}
