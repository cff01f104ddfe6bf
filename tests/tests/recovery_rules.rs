//! The rules of recovery, by their numbers: both sides of each.

use talea_ledger::place::Refusal;
use talea_ledger::replica::Reply;
use talea_ledger::state::State;
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Effect, Mark, Matter};
use talea_protocol::bytes::{Code, List};
use talea_protocol::charter::{Member, Roster};
use talea_protocol::cut::Cut;
use talea_protocol::entry::{Entry, check};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{DeviceKey, Purpose};
use talea_protocol::leaf::accepted;
use talea_protocol::recovery::{
    Call, Depart, Erase, Guardians, HandOver, Office, Reform, Remove, Report, Revoke, Succeed,
    departure, guardianship, revocation, succession,
};
use talea_tests::coop::{Coop, work};

/// The registrar revokes device 1 at a cut, by the word of the device itself.
fn revoke(coop: &Coop, cut: Cut) -> Act {
    let key = coop.keys[1].device();
    let word = coop.word(1, Purpose::Revocation, &revocation(&coop.cooperative, &key));
    Act::Revoke(Revoke { device: 1, cut, words: List::new(vec![word]).unwrap() })
}

/// What becomes of an act that this member says next; its chain stays as it was if it is refused.
fn asked(coop: &mut Coop, node: usize, member: usize, act: &Act) -> Result<EntryId, Refusal> {
    let (head, chain) = (coop.head, coop.chains[member]);
    let entry = coop.entry(member, act);
    match coop.net.submit(node, &entry) {
        Reply::Placed(_) => Ok(entry.id()),
        Reply::Refused(refusal) => {
            (coop.head, coop.chains[member]) = (head, chain);
            Err(refusal)
        }
        other => panic!("{other:?}"),
    }
}

/// The rule by which an act is void once it is settled; 0 if it counts.
fn judged(coop: &mut Coop, member: usize, act: &Act) -> u16 {
    let id = coop.say(0, member, act);
    coop.agree();
    match coop.verdict(1, &id) {
        Some(Verdict::Void(void)) => void.rule(),
        Some(Verdict::Counted) => 0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rule_21_a_chain_that_stands_still_is_given_no_place() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.say(0, 1, &Act::Leave);
    assert_eq!(asked(&mut coop, 0, 1, &work(1)).unwrap_err().rule(), 21);
    // Other chains go on.
    coop.say(0, 2, &work(1));
}

#[test]
fn rule_22_nothing_is_placed_behind_a_cut() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.say(0, 1, &work(1));
    let old = coop.head;
    let act = revoke(&coop, coop.cut(0, &[1]));
    coop.say(0, 0, &act);
    // Under the register entry before, as a thief would date it.
    coop.head = old;
    assert_eq!(asked(&mut coop, 0, 1, &work(2)).unwrap_err().rule(), 22);
}

#[test]
fn rule_25_a_cut_is_not_placed_where_more_is_held() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.say(0, 1, &work(1));
    let cut = coop.cut(0, &[1]);
    coop.net.isolate(2);
    coop.say(2, 1, &work(2));
    let act = revoke(&coop, cut);
    let (held, length, device) = (2, 1, 1);
    assert_eq!(asked(&mut coop, 2, 0, &act), Err(Refusal::Held { device, length, held }));
    asked(&mut coop, 0, 0, &act).unwrap();
    // Settled elsewhere, it stands there too, and what lies behind it is dead.
    coop.net.join();
    coop.agree();
    for node in &coop.net.nodes {
        assert_eq!(node.replica.places().settled(1), 1);
    }
}

#[test]
fn rule_25_a_cut_that_enough_logs_hold_is_placed_where_more_is_held() {
    // f = 1: the fifth node has said that it stands where the first three do, and is silent.
    let mut coop = Coop::of(5, 1, 4, 3);
    let given = coop.say(0, 1, &work(1));
    coop.net.pass(2_000);
    let cut = coop.cut(0, &[1]);
    (2..5).for_each(|node| coop.net.isolate(node));
    let late = coop.say(3, 1, &work(2));
    let act = revoke(&coop, cut);
    let revocation = asked(&mut coop, 0, 0, &act).unwrap();
    // With n - q + f = 2 logs a third could still hold what lies behind the cut, and q with it.
    coop.net.link(3, 0);
    coop.net.pass(3_000);
    let held = |coop: &Coop, node: usize| {
        coop.net.nodes[node].replica.places().find(&revocation).is_some()
    };
    assert!(held(&coop, 1) && !held(&coop, 3));
    // With n - q + f + 1 = 3 no quorum can.
    coop.net.link(2, 0);
    coop.net.pass(3_000);
    assert!(held(&coop, 3));
    for node in 0..4 {
        assert_eq!(coop.verdict(node, &revocation), Some(Verdict::Counted), "node {node}");
        assert_eq!(
            (coop.verdict(node, &given), coop.verdict(node, &late)),
            (Some(Verdict::Counted), None)
        );
    }
    // The register goes on, also after a restart, and with the fifth node.
    coop.net.restart(3);
    coop.net.join();
    coop.net.pass(1_000);
    coop.say(3, 2, &work(3));
    coop.agree();
}

#[test]
fn rule_26_a_cut_is_of_what_is_there() {
    let mut coop = Coop::of(3, 0, 2, 3);
    coop.say(0, 1, &work(1));
    let cut = Cut { root: Hash([9; 32]), ..coop.cut(0, &[1]) };
    let act = revoke(&coop, cut);
    assert_eq!(asked(&mut coop, 0, 0, &act), Err(Refusal::CutRoot));
}

#[test]
fn rule_28_what_a_decision_orders_waits_for_the_decision() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let cut = coop.cut(0, &[2]);
    let other = coop.say(0, 0, &Act::Mark(Mark { cut: cut.clone() }));
    let act = Act::Remove(Remove { member: Member(2), decision: other, cut });
    assert_eq!(asked(&mut coop, 0, 0, &act), Err(Refusal::Undecided { decision: other }));
}

#[test]
fn rule_79_a_device_is_revoked_and_reported_by_its_member_or_its_guardians() {
    let mut coop = Coop::of(3, 0, 2, 3);
    assert_eq!(
        judged(&mut coop, 2, &Act::Report(Report { device: 1, words: List::default() })),
        79
    );
    let key = coop.keys[1].device();
    let word = coop.word(2, Purpose::Revocation, &revocation(&coop.cooperative, &key));
    let words = List::new(vec![word]).unwrap();
    let act = Act::Revoke(Revoke { device: 1, cut: coop.cut(0, &[1]), words });
    assert_eq!(judged(&mut coop, 0, &act), 79);
    let member = Member(2);
    let word = coop.word(1, Purpose::Departure, &departure(&coop.cooperative, member));
    let act = Act::Depart(Depart { member, cut: coop.cut(0, &[2]), word });
    assert_eq!(judged(&mut coop, 0, &act), 79);
    coop.say(0, 1, &work(1));
    let act = revoke(&coop, coop.cut(0, &[1]));
    assert_eq!(judged(&mut coop, 0, &act), 0);
}

#[test]
fn rule_79_a_report_is_judged_the_same_before_and_after_the_revocation_that_follows() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let report = coop.say(0, 1, &Act::Report(Report { device: 1, words: List::default() }));
    coop.net.pass(2_000);
    let act = revoke(&coop, coop.cut(0, &[1]));
    assert_eq!(judged(&mut coop, 0, &act), 0);
    coop.agree();
    let (node, cooperative) = (&mut coop.net.nodes[2], coop.cooperative);
    let register = node.replica.register().unwrap().clone();
    let leaves = (0..node.replica.published()).map(|at| node.disk.leaf(&cooperative, at).unwrap());
    let entries = leaves.filter_map(|leaf| Entry::parse(accepted(&leaf)?.to_vec()).ok()).collect();
    // All of the register is known before anything is judged: so it is to whoever reads an export.
    let mut again = State::new();
    for entry in check(entries).into_iter().map(Result::unwrap) {
        again.settle(&register, register.known(&entry.header().device).unwrap(), &entry);
    }
    assert_eq!(again.verdict(&report), Some(Verdict::Counted));
    assert_eq!(again.root(), node.replica.state_mut().root());
}

#[test]
fn rule_21_a_void_revocation_does_not_set_a_reported_device_free() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let theirs = coop.say(0, 1, &Act::Report(Report { device: 1, words: List::default() }));
    coop.net.pass(1_000);
    let word = coop.word(2, Purpose::Revocation, b"of somebody else");
    let words = List::new(vec![word]).unwrap();
    let act = Act::Revoke(Revoke { device: 1, cut: coop.cut(0, &[1]), words });
    assert_eq!(judged(&mut coop, 0, &act), 79);
    assert_eq!(coop.verdict(1, &theirs), Some(Verdict::Counted));
    assert_eq!(asked(&mut coop, 0, 1, &work(1)).unwrap_err().rule(), 21);
}

#[test]
fn rule_80_guardians_ascend_can_be_as_many_as_asked_for_and_are_chosen_anew() {
    let mut coop = Coop::of(3, 0, 2, 4);
    let chosen = |coop: &Coop, keys: Vec<DeviceKey>, threshold, at| {
        let approval = coop.word(1, Purpose::Guardians, b"");
        let keys = List::new(keys).unwrap();
        let it = Guardians { member: Member(1), recovery: None, keys, threshold, at, approval };
        let signed = guardianship(&coop.cooperative, &it);
        let approval = coop.word(1, Purpose::Guardians, &signed);
        Act::Guardians(Guardians { approval, ..it })
    };
    let mut keys = vec![coop.keys[2].device(), coop.keys[3].device()];
    keys.sort_unstable();
    let (founding, falling) = (coop.head, keys.iter().rev().copied().collect());
    let act = chosen(&coop, falling, 1, founding);
    assert_eq!(judged(&mut coop, 0, &act), 80);
    for (threshold, rule) in [(0, 80), (3, 80), (2, 0)] {
        let act = chosen(&coop, keys.clone(), threshold, founding);
        assert_eq!(judged(&mut coop, 0, &act), rule, "{threshold} of 2");
    }
    // The same choice again, as somebody who kept it would play it.
    let act = chosen(&coop, keys, 2, founding);
    assert_eq!(judged(&mut coop, 0, &act), 80);
}

#[test]
fn rule_81_a_decision_is_carried_out_once_and_as_it_says() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let decision = coop.decide(Matter::Ordinary, Effect::Appoint(Office::Treasurer, Member(1)));
    let act = |coop: &Coop, from, holder| {
        let (office, cut) = (Office::Treasurer, coop.cut(0, &[from]));
        Act::HandOver(HandOver { office, holder: Member(holder), decision, cut })
    };
    let other = act(&coop, 0, 2);
    assert_eq!(asked(&mut coop, 0, 0, &other), Err(Refusal::Undecided { decision }));
    let right = act(&coop, 0, 1);
    assert_eq!(judged(&mut coop, 0, &right), 0);
    let again = act(&coop, 1, 1);
    assert_eq!(judged(&mut coop, 0, &again), 81);
}

#[test]
fn rule_82_a_call_names_a_member_and_a_register_entry_that_it_knows() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let call = |at, member| Act::Call(Call { at, successor: Member(member) });
    let head = coop.head;
    assert_eq!(judged(&mut coop, 1, &call(EntryId([9; 32]), 2)), 82);
    assert_eq!(judged(&mut coop, 1, &call(head, 9)), 82);
    assert_eq!(judged(&mut coop, 1, &call(head, 2)), 0);
}

#[test]
fn rule_83_a_successor_is_called_by_enough_members_each_once() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let call = Call { at: coop.head, successor: Member(1) };
    let signed = succession(&coop.cooperative, &call);
    let succeed = |coop: &Coop, members: &[usize]| {
        let words = members.iter().map(|it| coop.word(*it, Purpose::Succession, &signed));
        let mut words: Vec<_> = words.collect();
        words.sort_by_key(|word| word.device);
        Act::Succeed(Succeed { call, words: List::new(words).unwrap() })
    };
    // The registrar itself may write one down; with too few words it is void.
    let few = succeed(&coop, &[2]);
    assert_eq!(judged(&mut coop, 0, &few), 83);
    let enough = succeed(&coop, &[1, 2]);
    assert_eq!(judged(&mut coop, 1, &enough), 0);
}

#[test]
fn rule_84_only_its_author_or_the_registrar_has_a_payload_erased() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let entry = coop.say(0, 1, &work(1));
    let erase = Act::Erase(Erase { entry, ground: Code::try_from("request").unwrap() });
    for (member, rule) in [(2, 84), (1, 0), (0, 0)] {
        assert_eq!(judged(&mut coop, member, &erase), rule, "member {member}");
    }
}

#[test]
fn rule_28_a_new_roster_carries_out_a_settled_decision_and_names_nobody_who_was_left_out() {
    let mut coop = Coop::of(3, 0, 2, 3);
    let all = coop.net.nodes[0].replica.register().unwrap().roster().clone();
    let two = Roster { nodes: List::new(all.nodes[..2].to_vec()).unwrap(), faulty: 0, quorum: 2 };
    let decision = coop.decide(Matter::Ordinary, Effect::Reform(two.clone()));
    let other = Act::Reform(Reform { roster: all.clone(), decision });
    assert_eq!(asked(&mut coop, 0, 0, &other), Err(Refusal::Undecided { decision }));
    let act = Act::Reform(Reform { roster: two, decision });
    assert!(asked(&mut coop, 0, 0, &act).is_ok());
    coop.net.pass(6_000);
    let decision = coop.decide(Matter::Ordinary, Effect::Reform(all.clone()));
    let (node, act) = (all.nodes[2], Act::Reform(Reform { roster: all, decision }));
    assert_eq!(asked(&mut coop, 0, 0, &act), Err(Refusal::Returning { node }));
}

#[test]
fn rule_28_where_nodes_may_lie_none_stays_under_its_key() {
    let mut coop = Coop::of(4, 1, 3, 3);
    let all = coop.net.nodes[0].replica.register().unwrap().roster().clone();
    let (node, roster) = (all.nodes[0], Roster { quorum: 3, ..all });
    let decision = coop.decide(Matter::Ordinary, Effect::Reform(roster.clone()));
    let act = Act::Reform(Reform { roster, decision });
    assert_eq!(asked(&mut coop, 0, 0, &act), Err(Refusal::Staying { node }));
}
