//! What three or four real nodes are told, in any order: a fork and its heal, a theft and its
//! revocation.
//!
//! The registrar is honest: it writes what the ledger would place, once. What is judged besides
//! `Stage::judge` is said by each scene.

use talea_ledger::heal::examine;
use talea_protocol::act::{Act, Contribution, Enrol, Request, Stream, enrolment};
use talea_protocol::bytes::{Code, Day, List, Quantity};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::recovery::{Report, Revoke, revocation};

use super::races::{Stage, every_order};
use super::roster::Shape;
use crate::people::secret;

/// Three nodes, of which two settle.
pub const THREE: Shape = Shape { nodes: 3, faulty: 0, quorum: 2 };

/// Something that happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// What was written is handed in at a node.
    Hand(usize, usize),
    /// Two nodes meet.
    Meet(usize, usize),
    /// The registrar reads two logs, heals for the branch, or for none, and hands it in at a node.
    Heal([usize; 2], Option<usize>, usize),
    /// The registrar cuts where two frozen nodes stand.
    Revoke([usize; 2]),
}

const PAIRS: [[usize; 2]; 3] = [[0, 1], [0, 2], [1, 2]];

/// A statement of work, which differs from those with other minutes.
#[must_use]
pub fn work(minutes: i64) -> Act {
    let day = Day::new(20_455).expect("a day");
    Act::Contribution(Contribution {
        stream: Stream::Love,
        task: Code::try_from("bake").expect("a code"),
        quantity: Quantity::new(minutes).expect("above zero"),
        begin: day,
        end: day,
        job: None,
        tags: List::default(),
    })
}

/// Founder 1 has signed two first entries: `written` 0 and 1, the lower id first.
#[must_use]
pub fn forked(shape: Shape) -> Stage {
    let mut stage = Stage::new(shape, 3);
    let first = |minutes| stage.entry(1, 0, EntryId::ZERO, stage.cooperative, &work(minutes));
    let mut written = vec![first(1), first(2)];
    written.sort_by_key(|entry| entry.id());
    stage.written = written;
    stage
}

/// Founder 1 has a second device, which has signed a report of the first: `written` 0 is an entry
/// of the stolen device, 1 the report.
#[must_use]
pub fn stolen(shape: Shape) -> Stage {
    let mut stage = Stage::new(shape, 3);
    let (founding, second) = (stage.cooperative, secret(77));
    let request = Request { device: second.device(), kind: Kind::Person };
    let signed = enrolment(&founding, &request);
    let proof = second.sign(Purpose::Enrolment, &signed);
    let words = List::new(vec![stage.word(1, Purpose::Approval, &signed)]).expect("one");
    let enrol = Act::Enrol(Enrol { member: Member(1), request, proof, words });
    let enrol = stage.entry(0, 1, founding, founding, &enrol);
    stage.submit(0, &enrol);
    stage.join(1_200);
    stage.keys.push(second);
    let theft = stage.entry(1, 0, EntryId::ZERO, enrol.id(), &work(9));
    let report = Act::Report(Report { device: 1, words: List::default() });
    let report = stage.entry(3, 0, EntryId::ZERO, enrol.id(), &report);
    stage.written = vec![theft, report, enrol];
    stage
}

/// Lets a step happen.
pub fn play(stage: &mut Stage, step: &Step) {
    match *step {
        Step::Hand(entry, node) => {
            let entry = stage.written[entry].clone();
            stage.submit(node, &entry);
        }
        Step::Meet(one, other) => stage.meet(one, other),
        Step::Heal(cited, adopt, node) => {
            let adopt = adopt.map(|branch| stage.written[branch].id());
            let heal = stage.heal(&cited, 1, 0, adopt).expect("evidence");
            let founding = stage.cooperative;
            let heal = stage.entry(0, 1, founding, founding, &heal);
            stage.submit(node, &heal);
            stage.written.push(heal);
        }
        Step::Revoke(asked) => {
            let revoke = revoke(stage, asked);
            let enrol = stage.written[2].id();
            let revoke = stage.entry(0, 2, enrol, enrol, &revoke);
            stage.written.push(revoke);
        }
    }
}

/// The revocation of device 1 where the higher of two nodes stands.
#[must_use]
pub fn revoke(stage: &Stage, asked: [usize; 2]) -> Act {
    let chains = asked.map(|node| stage.chain(node, 1).0);
    let longest = chains.into_iter().max_by_key(Vec::len).expect("two");
    let signed = revocation(&stage.cooperative, &stage.keys[1].device());
    let words = List::new(vec![stage.word(3, Purpose::Revocation, &signed)]).expect("one");
    let at = stage.net.nodes[0].replica.register().expect("founded").head().1;
    Act::Revoke(Revoke { device: 1, cut: stage.cut(1, &longest, at), words })
}

fn moves(stage: &Stage, entries: impl Iterator<Item = usize> + Clone) -> Vec<Step> {
    let nodes = 0..stage.net.nodes.len();
    let hand = entries.flat_map(|entry| nodes.clone().map(move |node| Step::Hand(entry, node)));
    hand.chain(PAIRS.map(|[one, other]| Step::Meet(one, other))).collect()
}

fn heals(stage: &Stage) -> Vec<Step> {
    let register = stage.net.nodes[0].replica.register().expect("founded");
    let mut steps = Vec::new();
    for cited in PAIRS {
        for adopt in [None, Some(0), Some(1)] {
            let branch = adopt.map(|branch: usize| stage.written[branch].id());
            let Some(Act::Heal(heal)) = stage.heal(&cited, 1, 0, branch) else { continue };
            if examine(register, &heal).is_ok() {
                steps.extend((0..3).map(|node| Step::Heal(cited, adopt, node)));
            }
        }
    }
    steps
}

/// A fork at three nodes, every order of at most `depth` steps; states seen.
///
/// # Errors
/// The shortest way to what must not be.
pub fn every_fork(depth: usize, states_max: usize) -> Result<usize, String> {
    let steps = |stage: &Stage| moves(stage, 0..2);
    every_order(depth, states_max, || forked(THREE), steps, play, |_| Ok(()))
}

/// A fork that stands at three nodes in any split, with a heal; states seen.
///
/// # Errors
/// The shortest way to what must not be.
pub fn every_heal(depth: usize, states_max: usize) -> Result<usize, String> {
    let mut sum = 0;
    for split in [[Some(0), Some(1), None], [Some(0), Some(1), Some(1)], [Some(1), Some(0), None]] {
        let begin = || {
            let mut stage = forked(THREE);
            for (node, branch) in split.iter().enumerate() {
                if let Some(branch) = *branch {
                    play(&mut stage, &Step::Hand(branch, node));
                }
            }
            stage
        };
        let steps = |stage: &Stage| {
            let mut steps = moves(stage, 0..stage.written.len());
            if stage.written.len() == 2 {
                steps.extend(heals(stage));
            }
            steps
        };
        let seen = every_order(depth, states_max, begin, steps, play, |_| Ok(()));
        sum += seen.map_err(|found| format!("{split:?}: {found}"))?;
    }
    Ok(sum)
}

/// A theft at three nodes, its report and its revocation in two steps; states seen.
///
/// # Errors
/// The shortest way to a cut behind which something settles.
pub fn every_theft(depth: usize, states_max: usize) -> Result<usize, String> {
    let is_frozen = |stage: &Stage, node: usize| {
        stage.net.nodes[node].replica.freezes().reported().any(|device| device == 1)
    };
    let steps = |stage: &Stage| {
        let revoked = stage.written.len() > 3;
        let entries: Vec<usize> = if revoked { vec![0, 1, 3] } else { vec![0, 1] };
        let mut steps = moves(stage, entries.into_iter());
        let asked = |pair: &[usize; 2]| pair.iter().all(|node| is_frozen(stage, *node));
        if !revoked {
            steps.extend(PAIRS.into_iter().filter(asked).map(Step::Revoke));
        }
        steps
    };
    let judge = |stage: &Stage| {
        let Some(revoke) = stage.written.get(3) else { return Ok(()) };
        let talea_protocol::act::Content::Known(Act::Revoke(act)) = revoke.content() else {
            return Ok(());
        };
        let theft = stage.logs(&stage.written[0].id());
        let behind = act.cut.length(1) == 0 && theft >= THREE.quorum;
        if behind { Err("an entry behind the cut is settled".to_owned()) } else { Ok(()) }
    };
    every_order(depth, states_max, || stolen(THREE), steps, play, judge)
}
