//! Where this node stands in one log that it follows, and at whom it follows it.
//!
//! A log is followed at one peer at a time, so that what is unchecked of it can be held against
//! whoever brought it. That is the owner while there is a session and it sends; else whoever says
//! that it has more. Whoever says so and sends nothing is passed over for a while. Knows nothing
//! of messages, and of sessions only what it is told.

use std::collections::BTreeSet;

use super::{FRAMES, RETRY_BEATS};
use crate::key::NodeKey;
use crate::message::Form;

/// Where this node stands in a log that it follows.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    log: NodeKey,
    source: Option<NodeKey>,
    /// The first leaf that has not come.
    next: u64,
    /// Who brought what is unchecked.
    fed: Option<NodeKey>,
    /// Frames that came and are not dealt with yet.
    frames: u32,
    /// Whether one was dealt with since the last heartbeat.
    moved: bool,
    /// Whether the source was asked again at the last heartbeat, since nothing came.
    again: bool,
    /// Whether it is to be asked for.
    asks: bool,
    /// Whether its owner is back while another is bringing some of it.
    awaited: bool,
    /// How its leaves are wanted, and how they were asked for last.
    form: Form,
    asked: Form,
    /// Who brought what cannot be this log.
    barred: BTreeSet<NodeKey>,
    /// Who said that it had more, and sent nothing.
    shy: BTreeSet<NodeKey>,
    /// What was checked when it last grew or another source was taken, and heartbeats since.
    barren: (u64, u64),
    /// After so many the source is passed over, if it is not the owner: longer each time, so that
    /// one who is honest and far ahead comes to the end some time.
    patience: u64,
}

impl Intake {
    /// A log of which so much is here.
    pub(super) const fn new(log: NodeKey, held: u64) -> Self {
        Self {
            log,
            source: None,
            next: held,
            fed: None,
            frames: 0,
            moved: false,
            again: false,
            asks: false,
            awaited: false,
            form: Form::Named,
            asked: Form::Named,
            barred: BTreeSet::new(),
            shy: BTreeSet::new(),
            barren: (held, 0),
            patience: RETRY_BEATS,
        }
    }

    pub(super) const fn source(&self) -> Option<NodeKey> {
        self.source
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether this log may be followed at a peer.
    pub(super) fn may(&self, peer: &NodeKey) -> bool {
        !self.barred.contains(peer)
    }

    /// Whether a peer said that it had more, and sent nothing.
    pub(super) fn is_shy(&self, peer: &NodeKey) -> bool {
        self.shy.contains(peer)
    }

    /// Gives those another chance who sent nothing.
    pub(super) fn forget_shy(&mut self) {
        self.shy.clear();
    }

    /// A session with this peer began.
    pub(super) fn is_met(&mut self, peer: &NodeKey) {
        self.barred.remove(peer);
        self.shy.remove(peer);
        self.is_lost(peer);
    }

    /// There is no session with this peer any more.
    pub(super) fn is_lost(&mut self, peer: &NodeKey) {
        self.source.take_if(|source| source == peer);
        self.awaited &= *peer != self.log;
    }

    /// Whether it waits until the next heartbeat for the return of whoever brought what is
    /// unchecked; `held` is what is checked.
    pub(super) const fn waits(&self, held: u64) -> bool {
        self.source.is_none() && self.next > held
    }

    /// More is checked, or was here.
    pub(super) fn grow(&mut self, held: u64) {
        self.next = self.next.max(held);
    }

    /// Whether leaves are those that come next, from whom and as many as they were asked for;
    /// `held` is what is checked. The owner may go on whenever nothing of another's is in its way.
    pub(super) fn take(&mut self, peer: NodeKey, from: u64, count: u64, held: u64) -> bool {
        let is_owner = peer == self.log && self.next == held && self.may(&peer);
        let is_expected = self.source == Some(peer) || is_owner;
        if !is_expected || from != self.next || self.frames >= FRAMES {
            return false;
        }
        (self.source, self.fed) = (Some(peer), Some(peer));
        self.next = from.saturating_add(count);
        self.frames += 1;
        true
    }

    /// A frame of this peer's was dealt with; whether it may send another.
    pub(super) fn taken(&mut self, peer: NodeKey) -> bool {
        if self.fed == Some(peer) {
            self.moved = true;
            self.frames = self.frames.saturating_sub(1);
        }
        self.source == Some(peer)
    }

    /// What came from there on is forgotten, and asked for again.
    pub(super) const fn go_back(&mut self, from: u64) {
        self.next = from;
        self.frames = 0;
        self.asks = true;
    }

    /// This peer brought what cannot be this log; `held` is what is checked.
    pub(super) fn refuse(&mut self, peer: NodeKey, held: u64) {
        self.barred.insert(peer);
        self.is_lost(&peer);
        self.go_back(held);
    }

    /// It is followed at this peer from now on; whether what is unchecked goes: what another
    /// brought, or what is asked for again because it led to nothing. `held` is what is checked.
    pub(super) fn turn_to(&mut self, source: NodeKey, held: u64) -> bool {
        self.awaited = false;
        let again = self.source == Some(source);
        let drops = self.next > held && (again || self.fed != Some(source));
        if !again {
            self.barren = (held, 0);
        }
        self.source = Some(source);
        self.asks = true;
        if drops {
            self.go_back(held);
        }
        drops
    }

    /// Its owner is back while another is bringing some of it, which is let come first.
    pub(super) const fn await_owner(&mut self) {
        self.awaited = true;
    }

    /// Whether its owner waits; `held` is what is checked, if it waits only for what has come.
    pub(super) fn owner_waits(&self, held: Option<u64>) -> bool {
        self.awaited && held.is_none_or(|held| held >= self.next)
    }

    /// It is to be asked for.
    pub(super) const fn ask(&mut self) {
        self.asks = true;
    }

    /// Its leaves are wanted with the bytes of their entries: asked for so, unless they were.
    pub(super) fn want_bytes(&mut self) {
        self.form = Form::Whole;
        self.asks |= self.asked != Form::Whole;
    }

    /// Names are enough: asked for so when nothing is under way, which would come twice.
    pub(super) const fn want_names(&mut self) {
        self.form = Form::Named;
    }

    /// Whether its leaves are wanted with the bytes of their entries.
    pub(super) fn wants_bytes(&self) -> bool {
        self.form == Form::Whole
    }

    /// Who is to be asked for it, if it is to be: from which leaf, how many frames may come, and
    /// in which form.
    pub(super) fn asked(&mut self) -> Option<(NodeKey, u64, u32, Form)> {
        let asks = std::mem::take(&mut self.asks);
        let source = self.source.filter(|_| asks)?;
        self.asked = self.form;
        Some((source, self.next, FRAMES.saturating_sub(self.frames), self.form))
    }

    /// A heartbeat came when the source has no more than this: the wanted form is asked for.
    pub(super) fn rest(&mut self, promised: u64) {
        self.asks |= self.form != self.asked && self.next >= promised;
    }

    /// Whether a frame was dealt with since the heartbeat before.
    pub(super) const fn beat(&mut self) -> bool {
        let moved = std::mem::replace(&mut self.moved, false);
        if moved {
            self.again = false;
        }
        moved
    }

    /// A heartbeat; `held` is what is checked. Whether the source, who is not the owner, has brought
    /// leaves and no checkpoint over them for too long.
    pub(super) fn is_barren(&mut self, held: u64) -> bool {
        let (before, beats) = self.barren;
        if before != held {
            self.patience = RETRY_BEATS;
        }
        self.barren = if before == held { (held, beats + 1) } else { (held, 0) };
        let is_relay = self.source.is_some_and(|source| source != self.log);
        is_relay && self.next > held && self.barren.1 >= self.patience
    }

    /// The source has lost its place: it is passed over for a while, and has longer next time.
    pub(super) fn give_up(&mut self) {
        self.shy.extend(self.source);
        self.patience = self.patience.saturating_mul(2);
    }

    /// Nothing came since the last heartbeat, and these have more: at whom it is followed now. The
    /// source first gets another chance; `promised` is whether it has more.
    pub(super) fn next_source(&mut self, more: &[NodeKey], promised: bool) -> Option<NodeKey> {
        let source = self.source.filter(|_| promised);
        self.again = !self.again;
        if self.again && source.is_some() {
            return source;
        }
        self.again = false;
        self.shy.extend(source);
        more.iter().find(|peer| !self.shy.contains(peer)).copied().or(source)
    }
}
