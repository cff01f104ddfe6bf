//! At whom each log is followed, and when another is asked.
//!
//! Everybody says what it holds, and anybody may lie: who says that it has more and sends nothing
//! must not keep a log from growing, and who holds nothing must not be asked for ever. Decided
//! when a session begins or ends and at heartbeats, so that no peer makes a node ask more often;
//! only from one that has nothing it turns at once. Section 12 of the README.

use std::cmp::Reverse;

use super::intake::Intake;
use super::{Message, NodeKey, Output, RETRY_BEATS, Sync};

impl Sync {
    /// Whether a log is better followed at this peer, who has more of it, than where it is: not at
    /// its owner, and not at one who has more or has shown some. Two that follow a log at each
    /// other both do so in vain.
    pub(super) fn is_better(&self, log: NodeKey, peer: NodeKey) -> bool {
        let Some(intake) = self.intakes.get(&log) else { return false };
        let may = self.roster.contains(&peer) && intake.may(&peer) && !intake.is_shy(&peer);
        let is_idle = intake.source().map_or(!intake.waits(self.size(&log)), |source| {
            source != log && (intake.is_shy(&source) || self.says(&source, &log) <= intake.next())
        });
        may && is_idle && self.says(&peer, &log) > intake.next()
    }

    /// What is followed at nobody is followed at its owner, or at whoever has more of it.
    pub(super) fn choose(&mut self) {
        for log in self.logs() {
            match self.source_of(log) {
                // What is under way would come twice.
                Some(owner) if owner == log && self.is_brought(log) => {
                    self.intakes.get_mut(&log).into_iter().for_each(Intake::await_owner);
                }
                Some(source) => self.turn_to(log, source),
                None => {}
            }
        }
        self.choose_forms();
        self.follow();
    }

    /// Leaves are asked for by name where another log brings the entries: every log while all
    /// roster nodes are there, each of which brings those that came to it first; otherwise all but
    /// the one that promises most, and those whose names found no entries.
    pub(super) fn choose_forms(&mut self) {
        if self.roster.iter().all(|node| self.peers.contains_key(node)) {
            self.intakes.values_mut().for_each(Intake::want_names);
            return;
        }
        let promised = |(log, intake): (&NodeKey, &Intake)| {
            let more = self.says(&intake.source()?, log).saturating_sub(self.size(log));
            Some((more, intake.wants_bytes(), Reverse(*log)))
        };
        let most = self.intakes.iter().filter_map(promised).max();
        if let Some(intake) = most.and_then(|(.., Reverse(log))| self.intakes.get_mut(&log)) {
            intake.want_bytes();
        }
    }

    /// Whether a log's source is not its owner and has more of it than has come.
    fn is_brought(&self, log: NodeKey) -> bool {
        let Some(intake) = self.intakes.get(&log) else { return false };
        let brings = |it| it != log && !intake.is_shy(&it) && self.says(&it, &log) > intake.next();
        intake.source().is_some_and(brings)
    }

    /// At whom a log is to be followed, if not where it is.
    fn source_of(&self, log: NodeKey) -> Option<NodeKey> {
        let (intake, held) = (self.intakes.get(&log)?, self.size(&log));
        let candidates = self.candidates(log);
        if candidates.first() == Some(&log) && !intake.is_shy(&log) {
            return (intake.source() != Some(log)).then_some(log);
        }
        if intake.source().is_some() || intake.waits(held) {
            return None;
        }
        let more = candidates.iter().find(|peer| self.says(peer, &log) > held);
        more.or(candidates.first()).copied()
    }

    /// Peers at whom a log may be followed: its owner first.
    fn candidates(&self, log: NodeKey) -> Vec<NodeKey> {
        let Some(intake) = self.intakes.get(&log) else { return Vec::new() };
        let is_one = |peer: &&NodeKey| self.roster.contains(peer) && intake.may(peer);
        let mut all: Vec<NodeKey> = self.peers.keys().filter(is_one).copied().collect();
        all.sort_by_key(|peer| *peer != log);
        all
    }

    /// A heartbeat: a log of which nothing came although somebody has more is asked for again, and
    /// then of the next who has more.
    pub(super) fn beat(&mut self, log: NodeKey) {
        let held = self.size(&log);
        let candidates = self.candidates(log);
        let has_more = |peer: &&NodeKey| self.says(peer, &log) > held;
        let more: Vec<NodeKey> = candidates.iter().filter(has_more).copied().collect();
        let source = self.intakes.get(&log).and_then(Intake::source);
        let promised = source.map_or(0, |source| self.says(&source, &log));
        let is_retried = self.beats.is_multiple_of(RETRY_BEATS);
        let Some(intake) = self.intakes.get_mut(&log) else { return };
        if is_retried {
            intake.forget_shy();
        }
        if intake.owner_waits(None) {
            return self.turn_to(log, log);
        }
        intake.rest(promised);
        let others = more.iter().find(|peer| Some(**peer) != source && !intake.is_shy(peer));
        if let Some(other) = others.copied().filter(|_| intake.is_barren(held)) {
            intake.give_up();
            self.turn_to(log, other);
            return;
        }
        if intake.beat() || (source.is_some() && more.is_empty()) {
            return;
        }
        let next = match source {
            Some(_) => intake.next_source(&more, promised > held),
            None => more.first().or(candidates.first()).copied(),
        };
        match next {
            // What is under way may be lost; what came without a note leads to nothing.
            Some(next) if Some(next) == source && promised > intake.next() => intake.ask(),
            Some(next) => self.turn_to(log, next),
            None => {}
        }
    }

    /// From now on a log is followed at this peer. What another brought of it and is not checked
    /// is dropped.
    pub(super) fn turn_to(&mut self, log: NodeKey, source: NodeKey) {
        let held = self.size(&log);
        if self.intakes.get_mut(&log).is_some_and(|intake| intake.turn_to(source, held)) {
            self.outputs.push_back(Output::Drop(log));
        }
    }

    /// Asks for what is to be asked for.
    pub(super) fn follow(&mut self) {
        let cooperative = self.cooperative;
        let ask = |(log, intake): (&NodeKey, &mut Intake)| {
            let (source, from, frames, form) = intake.asked()?;
            let log = *log;
            Some(Output::Send(source, Message::Follow { cooperative, log, from, frames, form }))
        };
        self.outputs.extend(self.intakes.iter_mut().filter_map(ask));
    }

    pub(super) fn logs(&self) -> Vec<NodeKey> {
        self.intakes.keys().copied().collect()
    }

    /// How much of a log a peer says that it holds.
    fn says(&self, peer: &NodeKey, log: &NodeKey) -> u64 {
        self.peers.get(peer).and_then(|peer| peer.sizes.get(log)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{COOPERATIVE, follows, ids, node, outputs, sync};
    use super::super::{Form, HEARTBEAT_MS, LogSize, Moment};
    use super::*;
    use crate::bytes::List;

    fn says(sync: &mut Sync, peer: u8, log: u8, size: u64) {
        let logs = List::new(vec![LogSize { node: node(log), size }]).unwrap();
        sync.message(node(peer), Message::Open { cooperative: COOPERATIVE, logs });
    }

    fn wake(sync: &mut Sync, beat: u64) -> Vec<(u8, u8, u64, Form)> {
        sync.wake(Moment(beat * HEARTBEAT_MS));
        follows(&outputs(sync))
    }

    fn takes(sync: &mut Sync, peer: u8, message: Message) -> usize {
        sync.message(node(peer), message);
        outputs(sync).iter().filter(|it| matches!(it, Output::Take(_))).count()
    }

    #[test]
    fn a_log_is_followed_at_whoever_has_more_of_it() {
        let mut sync = sync(1, &[1, 2, 3, 4]);
        sync.connected(node(3));
        sync.connected(node(4));
        outputs(&mut sync);
        says(&mut sync, 3, 2, 0);
        outputs(&mut sync);
        says(&mut sync, 4, 2, 9);
        let found = follows(&outputs(&mut sync));
        assert!(
            found.contains(&(4, 2, 0, Form::Whole)),
            "two at each other get nothing: {found:?}"
        );
        says(&mut sync, 3, 2, 9);
        let found = follows(&outputs(&mut sync));
        assert!(!found.iter().any(|it| it.1 == 2), "nobody has more than whom it asks: {found:?}");
    }

    #[test]
    fn while_somebody_is_away_entries_come_with_the_log_that_promises_most() {
        let mut sync = sync(1, &[1, 2, 3, 4]);
        sync.connected(node(3));
        says(&mut sync, 3, 3, 5);
        outputs(&mut sync);
        sync.connected(node(4));
        assert_eq!(follows(&outputs(&mut sync)), [(4, 4, 0, Form::Named)]);
        says(&mut sync, 4, 4, 9);
        assert_eq!(follows(&outputs(&mut sync)), [(4, 4, 0, Form::Whole)]);
        assert_eq!(takes(&mut sync, 4, ids(4, 0, 9)), 1);
        // All are there. What is under way with its bytes is not asked for a second time.
        says(&mut sync, 4, 4, 12);
        sync.connected(node(2));
        assert_eq!(follows(&outputs(&mut sync)), [(2, 2, 0, Form::Named)]);
        sync.taken(node(4), node(4));
        assert!(!wake(&mut sync, 1).iter().any(|it| it.1 == 4));
        assert_eq!(takes(&mut sync, 4, ids(4, 9, 3)), 1);
        sync.taken(node(4), node(4));
        assert!(wake(&mut sync, 2).contains(&(4, 4, 12, Form::Named)));
    }

    #[test]
    fn an_owner_that_withholds_its_log_is_asked_twice_and_then_another() {
        let mut sync = sync(1, &[1, 2, 3]);
        sync.connected(node(2));
        sync.connected(node(3));
        says(&mut sync, 2, 2, 9);
        says(&mut sync, 3, 2, 9);
        outputs(&mut sync);
        assert_eq!(wake(&mut sync, 1), [(2, 2, 0, Form::Named)]);
        assert_eq!(wake(&mut sync, 2), [(3, 2, 0, Form::Named)]);
        // What it sends after all is taken, and it is followed again.
        assert_eq!(takes(&mut sync, 2, ids(2, 0, 3)), 1);
        assert_eq!(takes(&mut sync, 3, ids(2, 3, 1)), 0);
        assert_eq!(takes(&mut sync, 2, ids(2, 3, 1)), 1);
    }

    #[test]
    fn who_says_that_it_has_more_and_sends_nothing_is_not_in_the_owners_way() {
        let mut sync = sync(1, &[1, 2, 3]);
        sync.connected(node(2));
        sync.connected(node(3));
        outputs(&mut sync);
        let mut asked = 0;
        for beat in 1..=120 {
            says(&mut sync, 2, 2, 0);
            says(&mut sync, 3, 2, u64::MAX);
            asked += wake(&mut sync, beat).iter().filter(|it| (it.0, it.1) == (3, 2)).count();
            sync.message(node(2), ids(2, beat - 1, 1));
            sync.taken(node(2), node(2));
            sync.grown(node(2), beat);
            outputs(&mut sync);
        }
        assert!(asked <= 1, "the owner sends; {asked}");
        for beat in 121..=240 {
            says(&mut sync, 3, 2, u64::MAX);
            asked += wake(&mut sync, beat).iter().filter(|it| (it.0, it.1) == (3, 2)).count();
        }
        assert!((1..=121).contains(&asked), "{asked}");
        assert_eq!(
            takes(&mut sync, 2, ids(2, 120, 1)),
            1,
            "the owner's next leaf is taken at once"
        );
    }

    #[test]
    fn what_is_unchecked_of_a_log_has_come_from_one_peer() {
        let mut sync = sync(1, &[1, 2, 3, 4]);
        sync.connected(node(3));
        sync.connected(node(4));
        says(&mut sync, 3, 2, 9);
        says(&mut sync, 4, 2, 9);
        outputs(&mut sync);
        assert_eq!(takes(&mut sync, 3, ids(2, 0, 3)), 1);
        sync.refuse(node(3), node(2));
        assert_eq!(follows(&outputs(&mut sync)), [(4, 2, 0, Form::Whole)]);
        assert_eq!(takes(&mut sync, 3, ids(2, 0, 3)), 0, "it brought what cannot be that log");
        assert_eq!(takes(&mut sync, 4, ids(2, 0, 3)), 1);
        sync.connected(node(2));
        let all = outputs(&mut sync);
        assert!(!all.contains(&Output::Drop(node(2))), "what is under way is let come: {all:?}");
        sync.wake(Moment(HEARTBEAT_MS));
        let all = outputs(&mut sync);
        assert!(all.contains(&Output::Drop(node(2))), "{all:?}");
        assert!(follows(&all).contains(&(2, 2, 0, Form::Named)));
    }

    #[test]
    fn an_owner_that_comes_back_goes_on_where_another_has_come_to() {
        let mut sync = sync(1, &[1, 2, 3]);
        sync.connected(node(3));
        says(&mut sync, 3, 2, 9);
        outputs(&mut sync);
        assert_eq!(takes(&mut sync, 3, ids(2, 0, 3)), 1);
        sync.connected(node(2));
        assert!(follows(&outputs(&mut sync)).is_empty());
        assert_eq!(takes(&mut sync, 3, ids(2, 3, 6)), 1);
        sync.grown(node(2), 3);
        assert!(follows(&outputs(&mut sync)).is_empty());
        sync.grown(node(2), 9);
        assert_eq!(follows(&outputs(&mut sync)), [(2, 2, 9, Form::Named)]);
    }

    #[test]
    fn an_owner_that_is_gone_again_is_waited_for_no_more() {
        let mut sync = sync(1, &[1, 2, 3]);
        sync.connected(node(3));
        says(&mut sync, 3, 2, 9);
        sync.connected(node(2));
        sync.lost(node(2));
        outputs(&mut sync);
        assert!(wake(&mut sync, 1).iter().all(|it| it.0 == 3));
    }

    #[test]
    fn a_relay_that_brings_leaves_and_no_checkpoint_loses_its_place_after_a_minute() {
        let mut sync = sync(1, &[1, 2, 3, 4]);
        sync.connected(node(3));
        says(&mut sync, 3, 2, u64::MAX);
        sync.connected(node(4));
        says(&mut sync, 4, 2, 9);
        outputs(&mut sync);
        let mut turned = None;
        for beat in 1..=20 {
            assert_eq!(takes(&mut sync, 3, ids(2, beat - 1, 1)), 1, "followed until beat {beat}");
            sync.taken(node(3), node(2));
            if wake(&mut sync, beat).contains(&(4, 2, 0, Form::Whole)) {
                turned = Some(beat);
                break;
            }
        }
        assert!(matches!(turned, Some(12..=13)), "{turned:?}");
        assert_eq!(takes(&mut sync, 4, ids(2, 0, 9)), 1, "what the relay brought is dropped");
        sync.taken(node(4), node(2));
        sync.grown(node(2), 9);
        assert_eq!(sync.size(&node(2)), 9);
    }

    #[test]
    fn a_relay_whose_leaves_are_checked_keeps_its_place() {
        let mut sync = sync(1, &[1, 2, 3, 4]);
        sync.connected(node(3));
        says(&mut sync, 3, 2, 900);
        sync.connected(node(4));
        says(&mut sync, 4, 2, 800);
        outputs(&mut sync);
        for beat in 1..=40 {
            assert_eq!(takes(&mut sync, 3, ids(2, beat - 1, 1)), 1, "beat {beat}");
            sync.taken(node(3), node(2));
            if beat % 8 == 0 {
                sync.grown(node(2), beat);
            }
            assert!(!wake(&mut sync, beat).iter().any(|it| (it.0, it.1) == (4, 2)));
        }
    }

    #[test]
    fn no_more_frames_are_held_than_were_asked_for() {
        let mut sync = sync(1, &[1, 2]);
        sync.connected(node(2));
        outputs(&mut sync);
        let taken: usize = (0..40).map(|from| takes(&mut sync, 2, ids(2, from, 1))).sum();
        assert_eq!(taken, 16);
        sync.taken(node(2), node(2));
        let more = Message::More { cooperative: COOPERATIVE, log: node(2), frames: 1 };
        assert_eq!(outputs(&mut sync), [Output::Send(node(2), more)]);
        assert_eq!(takes(&mut sync, 2, ids(2, 16, 1)) + takes(&mut sync, 2, ids(2, 17, 1)), 1);
    }
}
