//! The shortest ways that the models found to what must not be, on real replicas.
//!
//! Each asserts what the design says. README, "Model check", says what each of them is about.

use talea_ledger::replica::Reply;
use talea_protocol::act::{Act, Mark};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::leaf::Leaf;
use talea_tests::model::races::Stage;
use talea_tests::model::scenes::{self, Step, every_heal};

use super::replicas::all;
use super::{FOUR, THREE};

#[test]
fn a_heal_told_in_any_order_settles_one_branch() {
    all("fork and heal", every_heal);
}

fn placed(stage: &mut Stage, node: usize, entry: &Signed) {
    let reply = stage.submit(node, entry);
    assert!(matches!(reply, Reply::Placed(_) | Reply::Known(_)), "{reply:?}");
}

/// Founder 1's first entry: one branch at node 0, the other at node 2, the proof at all.
fn torn() -> Stage {
    let mut stage = scenes::forked(THREE);
    for step in [Step::Hand(0, 0), Step::Hand(1, 2), Step::Meet(0, 2), Step::Meet(0, 1)] {
        scenes::play(&mut stage, &step);
    }
    assert_eq!(stage.chain(1, 1).0, []);
    stage
}

/// Two heals that the logs give evidence for: of nodes 0 and 1 for the one branch, of nodes 1 and
/// 2 for the other.
fn two_heals(stage: &Stage) -> [Act; 2] {
    let ids = [0, 1].map(|branch| stage.written[branch].id());
    [([0, 1], ids[0]), ([1, 2], ids[1])]
        .map(|(cited, id)| stage.heal(&cited, 1, 0, Some(id)).expect("evidence"))
}

#[test]
fn a_place_is_healed_once() {
    let mut stage = torn();
    let founding = stage.cooperative;
    let [first, second] = two_heals(&stage);
    let first = stage.entry(0, 1, founding, founding, &first);
    placed(&mut stage, 1, &first);
    stage.join(6_000);
    stage.judge().unwrap();
    let second = stage.entry(0, 2, first.id(), first.id(), &second);
    stage.submit(1, &second);
    stage.join(6_000);
    stage.judge().unwrap();
}

#[test]
fn of_two_heals_for_one_number_of_the_register_one_acts() {
    let mut stage = torn();
    let founding = stage.cooperative;
    let [first, second] =
        two_heals(&stage).map(|heal| stage.entry(0, 1, founding, founding, &heal));
    placed(&mut stage, 1, &first);
    placed(&mut stage, 2, &second);
    stage.judge().unwrap();
    // Nodes 0 and 2 are asked where the register stands: at the second one.
    let succeed = stage.succeed(founding, 2, &[1, 2]);
    let succeed = stage.entry(2, 0, EntryId::ZERO, second.id(), &succeed);
    placed(&mut stage, 2, &succeed);
    stage.meet(0, 2);
    stage.judge().unwrap();
    stage.join(6_000);
    stage.judge().unwrap();
}

#[test]
fn a_node_whose_proof_says_that_it_holds_nothing_takes_nothing_because_of_a_revocation() {
    let mut stage = scenes::stolen(THREE);
    let (enrol, one) = (stage.written[2].id(), stage.written[0].clone());
    let other = stage.entry(1, 0, EntryId::ZERO, enrol, &scenes::work(5));
    placed(&mut stage, 0, &one);
    placed(&mut stage, 1, &other);
    stage.meet(0, 1);
    stage.meet(0, 2);
    assert_eq!(stage.chain(2, 1).0, []);
    let report = stage.written[1].clone();
    placed(&mut stage, 0, &report);
    placed(&mut stage, 2, &report);
    let revoke = scenes::revoke(&stage, [0, 2]);
    let revoke = stage.entry(0, 2, enrol, enrol, &revoke);
    placed(&mut stage, 2, &revoke);
    let node = &stage.net.nodes[2];
    let leaf = |index| node.disk.leaf(&stage.cooperative, index).expect("durable");
    let proves = |index: &u64| matches!(Leaf::parse(&leaf(*index)), Ok(Leaf::Fork(_)));
    assert_eq!((0..node.replica.published()).filter(proves).count(), 1, "one place, one proof");
    assert_eq!(stage.chain(2, 1).0, []);
}

#[test]
fn a_register_torn_in_two_stands_still_which_the_readme_names_as_a_gap() {
    let mut stage = Stage::new(FOUR, 3);
    let founding = stage.cooperative;
    let mark = |chain: &[EntryId]| {
        let cut = stage.cut(0, chain, founding);
        stage.entry(0, 1, founding, founding, &Act::Mark(Mark { cut }))
    };
    let (one, other) = (mark(&[]), mark(&[founding]));
    for (node, entry) in [(0, &one), (1, &one), (2, &other), (3, &other)] {
        placed(&mut stage, node, entry);
    }
    stage.join(3_000);
    let succeed = stage.succeed(founding, 1, &[1, 2]);
    let succeed = stage.entry(1, 0, EntryId::ZERO, one.id(), &succeed);
    for node in 0..4 {
        stage.submit(node, &succeed);
    }
    stage.join(20_000);
    stage.judge().unwrap();
    assert!(
        stage.logs(&succeed.id()) < FOUR.quorum,
        "it goes on: README, section 8 says it does not"
    );
}

#[test]
fn a_succession_adopts_no_cut_behind_which_something_is_settled() {
    let mut stage = scenes::stolen(THREE);
    let (enrol, theft) = (stage.written[2].id(), stage.written[0].clone());
    placed(&mut stage, 0, &theft);
    placed(&mut stage, 1, &theft);
    // A registrar that asked the third node alone.
    let revoke = scenes::revoke(&stage, [2, 2]);
    let revoke = stage.entry(0, 2, enrol, enrol, &revoke);
    placed(&mut stage, 2, &revoke);
    let refused = stage.submit(1, &revoke);
    assert!(matches!(refused, Reply::Refused(it) if it.rule() == 25), "{refused:?}");
    let succeed = stage.succeed(stage.cooperative, 2, &[2, 3]);
    let succeed = stage.entry(2, 0, EntryId::ZERO, revoke.id(), &succeed);
    placed(&mut stage, 2, &succeed);
    stage.join(6_000);
    stage.judge().unwrap();
    let settled = [&theft, &revoke].map(|entry| stage.logs(&entry.id()) >= THREE.quorum);
    assert_ne!(settled, [true, true], "settled, and behind a settled cut");
}
