//! What happens when something goes wrong, told step by step on real replicas: forks and heals,
//! stolen devices, members who go, roles handed over, a registrar replaced, payloads erased.

use talea_ledger::place::{Cause, Refusal};
use talea_ledger::register::Office;
use talea_ledger::replica::{Alarm, Input, Reply};
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Close, Effect, Enrol, Mark, Matter, Request, enrolment};
use talea_protocol::bytes::{Code, List, Month, Octets};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::entry::{Commitment, sign};
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::leaf::Leaf;
use talea_protocol::message::{Message, Payload};
use talea_protocol::recovery::{
    Approval, Call, Depart, Erase, Guardians, HandOver, Remove, Report, Revoke, Succeed, departure,
    guardianship, revocation, succession,
};
use talea_tests::coop::{Coop, header, work};
use talea_tests::net::{Node, node_keys};
use talea_tests::people::secret;

#[test]
fn a_fork_is_proven_in_every_log_and_what_is_settled_stands() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.net.isolate(0);
    let (seq, prev) = coop.chains[1];
    let (one, other) =
        (coop.entry_at(1, seq, prev, &work(1)), coop.entry_at(1, seq, prev, &work(2)));
    assert!(matches!(coop.net.submit(0, &one), Reply::Placed(_)));
    assert!(matches!(coop.net.submit(1, &other), Reply::Placed(_)));
    coop.net.pass(2_000);
    coop.net.join();
    assert_eq!(coop.agree(), 2);
    assert_eq!(coop.forks(), [1, 1, 1]);
    for node in &coop.net.nodes {
        assert_eq!(node.alarms, [Alarm::Fork(coop.keys[1].device(), seq)]);
        assert!(node.replica.places().find(&other.id()).is_some());
    }
    assert_eq!(coop.net.nodes[0].reloads, 1, "the node that held the other branch took it over");
    assert_eq!(coop.verdict(0, &other.id()), Some(Verdict::Counted));
    // A third branch adds nothing: neither a place nor a leaf.
    let leaves = coop.net.nodes[2].replica.published();
    let third = coop.entry_at(1, seq, prev, &work(3));
    assert!(matches!(coop.net.submit(2, &third), Reply::Refused(Refusal::Fork { .. })));
    assert_eq!(coop.net.nodes[2].replica.published(), leaves);
    // The chain stands still, whichever branch it goes on from.
    for (prev, rule) in [(other.id(), 21), (one.id(), 13)] {
        let next = coop.entry_at(1, seq + 1, prev, &work(4));
        let Reply::Refused(refusal) = coop.net.submit(1, &next) else { panic!("given a place") };
        assert_eq!(refusal.rule(), rule);
    }
}

#[test]
fn a_healed_chain_goes_on_from_the_branch_that_is_not_dead() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.net.isolate(0);
    let (seq, prev) = coop.chains[1];
    let (one, other) =
        (coop.entry_at(1, seq, prev, &work(1)), coop.entry_at(1, seq, prev, &work(2)));
    coop.net.submit(0, &one);
    // The dead branch goes on for a while where it is believed.
    let further = coop.entry_at(1, seq + 1, one.id(), &work(9));
    coop.net.submit(0, &further);
    coop.net.submit(1, &other);
    coop.net.pass(2_000);
    coop.net.join();
    coop.agree();
    let place = u32::try_from(seq).unwrap();
    let wrong = coop.heal(&[0, 1, 2], 1, place, Some(one.id()));
    let head = coop.head;
    let wrong = coop.entry(0, &wrong);
    let Reply::Refused(refusal) = coop.net.submit(1, &wrong) else { panic!("a dead branch") };
    assert_eq!(refusal.rule(), 27);
    (coop.head, coop.chains[0]) = (head, (1, coop.cooperative));
    let heal = coop.heal(&[0, 1, 2], 1, place, Some(other.id()));
    coop.say(2, 0, &heal);
    coop.agree();
    assert_eq!(coop.forks(), [0, 0, 0]);
    coop.chains[1] = (seq + 1, other.id());
    let next = coop.say(0, 1, &work(5));
    coop.agree();
    assert_eq!(coop.verdict(2, &next), Some(Verdict::Counted));
    // And so it is after a restart, from the same leaves.
    coop.net.restart(0);
    coop.agree();
}

#[test]
fn a_fork_behind_another_one_is_proven_everywhere_once_that_is_healed() {
    let mut coop = Coop::of(4, 0, 3, 3);
    for node in 0..4 {
        coop.net.isolate(node);
    }
    let (seq, prev) = coop.chains[1];
    let first = [1, 2].map(|minutes| coop.entry_at(1, seq, prev, &work(minutes)));
    let second = [3, 4].map(|minutes| coop.entry_at(1, seq + 1, first[0].id(), &work(minutes)));
    for (node, entry) in [
        (0, &first[0]),
        (0, &second[0]),
        (1, &first[0]),
        (1, &second[0]),
        (2, &first[0]),
        (2, &second[1]),
        (3, &first[1]),
    ] {
        assert!(matches!(coop.net.submit(node, entry), Reply::Placed(_)));
    }
    // The fork in the first place is proven before anybody hears of the second.
    for (one, other) in [(0, 3), (1, 3), (2, 3)] {
        coop.net.link(one, other);
        coop.net.pass(1_000);
    }
    coop.net.join();
    coop.agree();
    assert_eq!(coop.forks(), [1, 1, 1, 1]);
    let place = u32::try_from(seq).unwrap();
    let heal = coop.heal(&[0, 1, 2, 3], 1, place, Some(first[0].id()));
    coop.say(2, 0, &heal);
    coop.agree();
    let opened = |node: &Node| {
        let device = node.replica.register().unwrap().known(&coop.keys[1].device()).unwrap();
        node.replica.freezes().forked(device).map(|open| open.fork.seq())
    };
    let opened: Vec<_> = coop.net.nodes.iter().map(opened).collect();
    assert_eq!(opened, [Some(seq + 1); 4]);
    // So the second can be healed, too, and the chain goes on.
    let heal = coop.heal(&[0, 1, 2, 3], 1, place + 1, Some(second[0].id()));
    coop.say(2, 0, &heal);
    coop.agree();
    assert_eq!(coop.forks(), [0, 0, 0, 0]);
    coop.chains[1] = (seq + 2, second[0].id());
    let next = coop.say(3, 1, &work(5));
    coop.agree();
    assert_eq!(coop.verdict(1, &next), Some(Verdict::Counted));
}

/// What is behind the end of a chain counts for nobody, so nobody has to agree on it: without this
/// one node would say for ever that the chain stands still, and another that it does not.
#[test]
fn a_fork_behind_the_end_of_a_chain_is_told_of_nowhere() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let (seq, prev) = coop.chains[1];
    coop.say(0, 1, &Act::Leave);
    coop.agree();
    let word = coop.word(1, Purpose::Departure, &departure(&coop.cooperative, Member(1)));
    let cut = coop.cut(0, &[1]);
    coop.say(1, 0, &Act::Depart(Depart { member: Member(1), cut, word }));
    coop.agree();
    let left = coop.chains[1].1;
    assert_ne!(left, prev);
    let [one, other] = [1, 2].map(|it| coop.entry_at(1, seq + 1, left, &work(it)));
    let fork = Fork::new(one.signed_header(), other.signed_header());
    let told = Message::Forked { cooperative: coop.cooperative, fork: Box::new(fork) };
    let peer = node_keys(3)[1].node();
    coop.net.befall(0, Input::Message(peer, Box::new(told)));
    coop.agree();
    assert_eq!(coop.forks(), [0, 0, 0]);
}

#[test]
fn a_place_whose_branches_are_all_dead_ends_the_chain_and_the_member_goes_on_elsewhere() {
    let mut coop = Coop::of(3, 0, 2, 3);
    for node in 0..3 {
        coop.net.isolate(node);
    }
    let (seq, prev) = coop.chains[1];
    let (one, other) =
        (coop.entry_at(1, seq, prev, &work(1)), coop.entry_at(1, seq, prev, &work(2)));
    coop.net.submit(0, &one);
    coop.net.submit(1, &other);
    // The third node hears of the proof before it sees either branch.
    coop.net.link(0, 1);
    coop.net.pass(2_000);
    coop.net.join();
    assert_eq!(coop.agree(), 1);
    let heal = coop.heal(&[0, 1, 2], 1, u32::try_from(seq).unwrap(), None);
    coop.say(2, 0, &heal);
    assert_eq!(coop.agree(), 2);
    let late = coop.entry_at(1, seq, prev, &work(3));
    assert!(matches!(coop.net.submit(2, &late), Reply::Refused(refusal) if refusal.rule() == 12));
}

#[test]
fn two_against_two_of_four_with_one_liar_is_never_healed() {
    let mut coop = Coop::of(4, 1, 3, 3);
    let (seq, prev) = coop.chains[1];
    let (one, other) =
        (coop.entry_at(1, seq, prev, &work(1)), coop.entry_at(1, seq, prev, &work(2)));
    for (left, right) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        coop.net.cut(left, right);
    }
    coop.net.submit(0, &one);
    coop.net.submit(2, &other);
    coop.net.pass(2_000);
    coop.net.join();
    assert_eq!(coop.agree(), 1);
    for adopt in [None, Some(one.id()), Some(other.id())] {
        let heal = coop.heal(&[0, 1, 2, 3], 1, u32::try_from(seq).unwrap(), adopt);
        let heal = coop.entry_at(0, 1, coop.cooperative, &heal);
        assert!(matches!(coop.net.submit(0, &heal), Reply::Refused(r) if r.rule() == 27));
    }
}

#[test]
fn a_stolen_device_stands_still_once_reported_and_ends_at_the_cut() {
    let mut coop = Coop::of(3, 0, 2, 3);
    // Member 1 enrols a second device, then loses the first.
    let second = secret(77);
    let request = Request { device: second.device(), kind: Kind::Person };
    let signed = enrolment(&coop.cooperative, &request);
    let proof = second.sign(Purpose::Enrolment, &signed);
    let words = List::new(vec![coop.word(1, Purpose::Approval, &signed)]).unwrap();
    coop.say(0, 0, &Act::Enrol(Enrol { member: Member(1), request, proof, words }));
    let given = coop.say(0, 1, &work(1));
    coop.net.pass(2_000);
    // A thief goes on with it at a node that has not heard of the report.
    coop.net.isolate(2);
    let theft = coop.entry(1, &work(400));
    assert!(matches!(coop.net.submit(2, &theft), Reply::Placed(_)));
    coop.keys.push(second);
    coop.chains.push((0, EntryId::ZERO));
    let report = Act::Report(Report { device: 1, words: List::default() });
    coop.say(0, 3, &report);
    coop.net.pass(1_000);
    let late = coop.net.submit(1, &theft);
    let frozen = Refusal::Frozen { from: 1, cause: Cause::Report };
    assert_eq!(late, Reply::Refused(frozen));
    // The registrar cuts where a quorum of frozen nodes stand.
    let key = coop.keys[1].device();
    let word = coop.word(3, Purpose::Revocation, &revocation(&coop.cooperative, &key));
    let words = List::new(vec![word]).unwrap();
    let revoke = Act::Revoke(Revoke { device: 1, cut: coop.cut(0, &[1]), words });
    let revoke = coop.say(0, 0, &revoke);
    coop.net.pass(1_000);
    coop.net.join();
    let settled = coop.agree();
    assert_eq!(coop.verdict(2, &given), Some(Verdict::Counted));
    assert_eq!(coop.verdict(2, &revoke), Some(Verdict::Counted));
    assert_eq!(coop.verdict(2, &theft.id()), None, "behind the cut");
    // Signed again under any register entry, it gets no place anywhere.
    let (seq, prev) = (1, given);
    for node in 0..3 {
        let again = coop.entry_at(1, seq, prev, &work(401));
        assert!(matches!(coop.net.submit(node, &again), Reply::Refused(_)), "node {node}");
    }
    // The member goes on with the other device.
    coop.say(2, 3, &work(2));
    assert_eq!(coop.agree(), settled + 1);
}

#[test]
fn a_report_needs_a_device_of_the_member_or_its_guardians() {
    let mut coop = Coop::of(3, 0, 2, 4);
    let guardians = Guardians {
        member: Member(1),
        recovery: None,
        keys: List::new({
            let mut keys = vec![coop.keys[2].device(), coop.keys[3].device()];
            keys.sort_unstable();
            keys
        })
        .unwrap(),
        threshold: 2,
        at: coop.head,
        approval: coop.word(1, Purpose::Guardians, b""),
    };
    let signed = guardianship(&coop.cooperative, &guardians);
    let approval = coop.word(1, Purpose::Guardians, &signed);
    coop.say(0, 0, &Act::Guardians(Guardians { approval, ..guardians }));
    coop.net.pass(1_000);
    // One guardian alone freezes nobody.
    let key = coop.keys[1].device();
    let signed = revocation(&coop.cooperative, &key);
    let mut words: Vec<Approval> =
        [2, 3].map(|guardian| coop.word(guardian, Purpose::Revocation, &signed)).to_vec();
    words.sort_by_key(|word| word.device);
    let alone = List::new(vec![coop.word(2, Purpose::Revocation, &signed)]).unwrap();
    let alone = coop.say(0, 2, &Act::Report(Report { device: 1, words: alone }));
    coop.net.pass(1_000);
    assert!(matches!(coop.verdict(0, &alone), Some(Verdict::Void(void)) if void.rule() == 79));
    coop.say(0, 1, &work(1));
    let both = List::new(words).unwrap();
    coop.say(0, 2, &Act::Report(Report { device: 1, words: both }));
    let stopped = coop.entry(1, &work(2));
    assert!(
        matches!(coop.net.submit(0, &stopped), Reply::Refused(refusal) if refusal.rule() == 21)
    );
}

#[test]
fn whoever_leaves_writes_nothing_more_and_is_no_elector_afterwards() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.say(1, 2, &work(1));
    coop.say(1, 2, &Act::Leave);
    coop.net.pass(1_000);
    let after = coop.entry(2, &work(2));
    assert!(matches!(coop.net.submit(0, &after), Reply::Refused(refusal) if refusal.rule() == 21));
    let member = Member(2);
    let word = coop.word(2, Purpose::Departure, &departure(&coop.cooperative, member));
    coop.say(0, 0, &Act::Depart(Depart { member, cut: coop.cut(0, &[2]), word }));
    coop.agree();
    let register = coop.net.nodes[1].replica.register().unwrap();
    assert!(register.is_member(member, 0) && !register.is_member(member, 1));
    assert_eq!(register.present(1), 2);
}

#[test]
fn a_member_is_removed_by_decision_and_not_otherwise() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.say(0, 2, &work(1));
    let remove = |coop: &Coop, decision| {
        Act::Remove(Remove { member: Member(2), decision, cut: coop.cut(0, &[2]) })
    };
    let early = remove(&coop, coop.head);
    let early = coop.entry_at(0, 1, coop.cooperative, &early);
    assert!(matches!(coop.net.submit(0, &early), Reply::Refused(refusal) if refusal.rule() == 28));
    let decision = coop.decide(Matter::Ordinary, Effect::Remove(Member(2)));
    let stopped = coop.entry(2, &work(2));
    assert!(
        matches!(coop.net.submit(1, &stopped), Reply::Refused(refusal) if refusal.rule() == 21)
    );
    let act = remove(&coop, decision);
    let removal = coop.say(0, 0, &act);
    coop.agree();
    assert_eq!(coop.verdict(2, &removal), Some(Verdict::Counted));
    // Once is enough: the decision has been carried out.
    let again = remove(&coop, decision);
    let again = coop.say(0, 0, &again);
    coop.agree();
    assert!(matches!(coop.verdict(1, &again), Some(Verdict::Void(void)) if void.rule() == 81));
}

/// A month closed over all that the first node holds for settled.
fn close(coop: &Coop, month: u32) -> Act {
    let replica = &coop.net.nodes[0].replica;
    let cut = replica.state().cut(replica.register().unwrap());
    Act::Close(Close { period: Month::new(month).unwrap(), cut })
}

#[test]
fn a_role_goes_over_at_a_cut_behind_which_its_old_holder_writes_nothing_for_it() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let decision = coop.decide(Matter::Ordinary, Effect::Appoint(Office::Treasurer, Member(1)));
    let late = close(&coop, 24_312);
    let (seq, prev) = coop.chains[0];
    let late = coop.entry_at(0, seq, prev, &late);
    let frozen = Reply::Refused(Refusal::Frozen {
        from: u32::try_from(seq).unwrap(),
        cause: Cause::HandOver,
    });
    assert_eq!(coop.net.submit(0, &late), frozen);
    // What is not for the role goes on meanwhile.
    coop.say(0, 0, &work(1));
    let (office, holder) = (Office::Treasurer, Member(1));
    let cut = coop.cut(0, &[0]);
    coop.say(0, 0, &Act::HandOver(HandOver { office, holder, decision, cut }));
    coop.net.pass(1_000);
    let act = close(&coop, 24_312);
    let by_old = coop.say(0, 0, &act);
    let act = close(&coop, 24_312);
    let by_new = coop.say(1, 1, &act);
    coop.agree();
    assert!(matches!(coop.verdict(2, &by_old), Some(Verdict::Void(void)) if void.rule() == 46));
    assert_eq!(coop.verdict(2, &by_new), Some(Verdict::Counted));
}

#[test]
fn a_role_that_was_given_to_somebody_who_has_gone_goes_on_with_its_holder() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.decide(Matter::Ordinary, Effect::Appoint(Office::Treasurer, Member(1)));
    let (seq, prev) = coop.chains[0];
    let early = coop.entry_at(0, seq, prev, &close(&coop, 24_312));
    assert!(matches!(coop.net.submit(0, &early), Reply::Refused(it) if it.rule() == 21));
    coop.say(0, 1, &Act::Leave);
    coop.net.pass(1_000);
    let word = coop.word(1, Purpose::Departure, &departure(&coop.cooperative, Member(1)));
    let depart = Depart { member: Member(1), cut: coop.cut(0, &[1]), word };
    coop.say(0, 0, &Act::Depart(depart));
    coop.net.pass(1_000);
    let act = close(&coop, 24_312);
    let closed = coop.say(0, 0, &act);
    coop.agree();
    assert_eq!(coop.verdict(2, &closed), Some(Verdict::Counted));
}

#[test]
fn a_silent_registrar_is_replaced_by_more_than_half() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.say(0, 0, &Act::Mark(Mark { cut: coop.cut(0, &[]) }));
    coop.net.pass(1_000);
    let call = Call { at: coop.head, successor: Member(1) };
    coop.say(1, 1, &Act::Call(call));
    // One caller of three stops nobody.
    coop.say(1, 0, &Act::Mark(Mark { cut: coop.cut(0, &[]) }));
    coop.say(1, 2, &Act::Call(call));
    coop.net.pass(1_000);
    let mark = Act::Mark(Mark { cut: coop.cut(0, &[]) });
    let (seq, prev) = coop.chains[0];
    let stopped = coop.entry_at(0, seq, prev, &mark);
    let reply = coop.net.submit(0, &stopped);
    assert!(matches!(reply, Reply::Refused(refusal) if refusal.rule() == 21), "{reply:?}");
    let signed = succession(&coop.cooperative, &call);
    let words = |coop: &Coop, members: &[usize]| {
        let mut words: Vec<Approval> =
            members.iter().map(|it| coop.word(*it, Purpose::Succession, &signed)).collect();
        words.sort_by_key(|word| word.device);
        Act::Succeed(Succeed { call, words: List::new(words).unwrap() })
    };
    let few = words(&coop, &[1]);
    let (seq, prev) = coop.chains[1];
    let few = coop.entry_at(1, seq, prev, &few);
    assert!(matches!(coop.net.submit(0, &few), Reply::Refused(refusal) if refusal.rule() == 16));
    let enough = words(&coop, &[1, 2]);
    coop.say(0, 1, &enough);
    coop.say(0, 1, &Act::Mark(Mark { cut: coop.cut(0, &[]) }));
    coop.agree();
    let register = coop.net.nodes[2].replica.register().unwrap();
    assert_eq!(register.holder(Office::Registrar, register.head().0), Member(1));
    assert_eq!(register.head().0, 4);
}

#[test]
fn a_registrar_that_writes_two_registers_is_replaced_and_one_of_them_goes_on() {
    let mut coop = Coop::of(3, 0, 2, 3);
    for node in 0..3 {
        coop.net.isolate(node);
    }
    let (one, other) = (Mark { cut: coop.cut(0, &[]) }, Mark { cut: coop.cut(0, &[0]) });
    let prev = coop.cooperative;
    let one = coop.entry_at(0, 1, prev, &Act::Mark(one));
    let other = coop.entry_at(0, 1, prev, &Act::Mark(other));
    coop.net.submit(0, &one);
    coop.net.submit(1, &other);
    coop.net.link(0, 1);
    coop.net.pass(1_000);
    coop.net.join();
    coop.net.pass(2_000);
    assert_eq!(coop.forks(), [1, 1, 1]);
    let call = Call { at: coop.cooperative, successor: Member(1) };
    coop.say(2, 1, &Act::Call(call));
    coop.say(2, 2, &Act::Call(call));
    coop.net.pass(2_000);
    // Nodes 0 and 2 report: the highest register entry of the two is node 0's.
    coop.head = one.id();
    let signed = succession(&coop.cooperative, &call);
    let mut words: Vec<Approval> =
        [1, 2].map(|it| coop.word(it, Purpose::Succession, &signed)).to_vec();
    words.sort_by_key(|word| word.device);
    let words = List::new(words).unwrap();
    let succeed = coop.say(0, 1, &Act::Succeed(Succeed { call, words }));
    coop.agree();
    assert_eq!(coop.verdict(1, &succeed), Some(Verdict::Counted));
    let register = coop.net.nodes[1].replica.register().unwrap();
    assert_eq!(register.entry(1), Some(one.id()));
    assert_eq!(coop.net.nodes[1].reloads, 1);
}

#[test]
fn an_erased_payload_is_gone_everywhere_and_every_proof_still_holds() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let (salt, bytes) = ([7; 32], b"at the bakery".to_vec());
    let (seq, prev) = coop.chains[1];
    let key = &coop.keys[1];
    let mut header = header(coop.cooperative, key.device(), seq, prev, coop.head);
    header.payload = Commitment::new(&salt, &bytes);
    let entry = sign(key, &header, &work(1)).unwrap();
    coop.chains[1] = (seq + 1, entry.id());
    let payload = Payload { entry: entry.id(), salt, bytes: Octets::new(bytes).unwrap() };
    assert!(matches!(coop.net.submit_with(0, &entry, payload), Reply::Placed(_)));
    coop.net.pass(5_000);
    let held = |coop: &Coop| {
        let kept = |node: &Node| node.disk.payload(&coop.cooperative, &entry.id()).is_some();
        coop.net.nodes.iter().filter(|node| kept(node)).count()
    };
    assert_eq!(held(&coop), 3);
    let ground = Code::try_from("request").unwrap();
    let erase = Act::Erase(Erase { entry: entry.id(), ground });
    // Nobody else can order it.
    let other = coop.say(0, 2, &erase);
    coop.agree();
    assert!(matches!(coop.verdict(1, &other), Some(Verdict::Void(void)) if void.rule() == 84));
    assert_eq!(held(&coop), 3);
    coop.say(0, 1, &erase);
    coop.agree();
    assert_eq!(held(&coop), 0);
    for node in 0..3 {
        coop.net.restart(node);
    }
    coop.agree();
    for node in &coop.net.nodes {
        assert_eq!(node.replica.payloads_missing(), 0, "nobody asks for it any more");
        let erased = |index| {
            let leaf = node.disk.leaf(&coop.cooperative, index).unwrap();
            matches!(Leaf::parse(&leaf), Ok(Leaf::Erased(it)) if it.entry == entry.id())
        };
        assert_eq!((0..node.replica.published()).filter(|index| erased(*index)).count(), 1);
    }
}
