//! Entries that somebody submits: cheap checks, then the signature, then a place.

use talea_protocol::act::Content;
use talea_protocol::bytes::List;
use talea_protocol::entry::{Entry, Refusal as Unsound, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;
use talea_protocol::leaf::{accept, resolve};
use talea_protocol::message::{ASK_MAX, Message, Payload};
use talea_protocol::tree::{TreeHash, leaf_hash};

use super::own::OwnLeaf;
use super::{
    AHEAD_MS_MAX, ASK_MS, CHECK_ENTRIES_MAX, CHECKS_MAX, Checking, Output, Replica, Reply,
    Submission, Turn,
};
use crate::batch::Column;
use crate::place::{Cause, Place, Refusal, Standing, office};
use crate::register::Register;

/// What an entry got that asked for a place.
pub(super) enum Placing {
    /// This leaf of the log, just now.
    Placed(u64),
    /// This leaf, long since.
    Known(u64, Signed),
    /// It waits for another entry.
    Waits(EntryId, Signed),
    /// Nothing.
    Refused(Refusal, Signed),
}

impl Replica {
    /// Everything that can be asked before the signature, the cheapest first.
    pub(super) fn submitted(&mut self, submission: Submission, entry: Entry) {
        match self.before_check(&submission, &entry) {
            Some(reply) => {
                if let (Reply::Known(_), Some(payload)) = (reply, submission.payload) {
                    // It may be the first to bring the payload along.
                    self.given(*payload);
                }
                self.answer(submission.ticket, reply);
            }
            None if self.past.holds() && !self.past.is_patient(self.now) => {
                self.reply(submission.ticket, Reply::Busy);
            }
            None if self.turn() != Turn::Gives => {
                let reply = self.turned_away(&entry);
                self.reply(submission.ticket, reply);
            }
            None => self.submissions.push((submission, entry)),
        }
    }

    /// Entries of a device that are here and have no place yet: they wait for another, or their
    /// signatures are to be checked first. Their places and ids.
    #[must_use]
    pub fn awaiting(&self, device: &DeviceKey) -> Vec<(u64, EntryId)> {
        let under_check = self.checking.values().filter_map(|checking| match checking {
            Checking::Submissions(submissions) => Some(submissions),
            Checking::Frame(_) => None,
        });
        let unchecked = self.submissions.iter().map(|(submission, _)| submission);
        let unchecked = unchecked.chain(under_check.flatten()).filter(|it| it.device == *device);
        let mut all = self.room.of(device);
        all.extend(unchecked.map(|it| (it.seq, it.id)));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What is said to who submits to a node that gives no places.
    fn turned_away(&self, entry: &Entry) -> Reply {
        let from = u32::try_from(entry.header().seq).unwrap_or(u32::MAX);
        match self.turn() {
            Turn::Apart => Reply::Refused(Refusal::Frozen { from, cause: Cause::Closed }),
            Turn::Waits { .. } | Turn::Gives => Reply::Busy,
        }
    }

    fn before_check(&self, submission: &Submission, entry: &Entry) -> Option<Reply> {
        if entry.cooperative() != self.cooperative {
            return Some(Reply::Refused(Refusal::Cooperative { named: entry.cooperative() }));
        }
        if let Content::Unknown(tag) = entry.content() {
            return Some(Reply::UnknownAct(*tag));
        }
        let ahead = entry.header().time.saturating_sub(self.now.0);
        if ahead > AHEAD_MS_MAX {
            return Some(Reply::Ahead(ahead));
        }
        if let Some(payload) = &submission.payload {
            let bound = entry.header().payload;
            if !bound.is_some_and(|bound| bound.binds(&payload.salt, &payload.bytes)) {
                return Some(Reply::Payload);
            }
        }
        // What waits may be on its way in the same check: asked again after it.
        let register = self.register.as_ref()?;
        match self.places.ask(register, entry) {
            Ok(Standing::Known(leaf)) => Some(Reply::Known(leaf)),
            Ok(Standing::Free { .. } | Standing::Waits(_)) => None,
            Err(Refusal::NotHead { .. }) => None,
            // The first contradiction is checked: it is a proof.
            Err(Refusal::Fork { seq, .. }) if !self.is_proven(entry, seq) => None,
            Err(refusal) => Some(Reply::Refused(refusal)),
        }
    }

    /// Hands the submissions that have gathered to the cores.
    pub(super) fn check_submissions(&mut self) {
        let under_way =
            self.checking.values().filter(|c| matches!(c, Checking::Submissions(_))).count();
        if self.past.holds() || self.submissions.is_empty() || under_way >= CHECKS_MAX {
            return;
        }
        let count = self.submissions.len().min(CHECK_ENTRIES_MAX);
        let (waiting, entries) = self.submissions.drain(..count).unzip();
        self.check(Checking::Submissions(waiting), entries);
    }

    /// Asks for a check.
    pub(super) fn check(&mut self, checking: Checking, entries: Vec<Entry>) -> u64 {
        let check = self.next_check;
        self.next_check += 1;
        self.checking.insert(check, checking);
        self.outputs.push_back(Output::Check { check, entries });
        check
    }

    pub(super) fn checked(&mut self, check: u64, entries: Vec<Result<Signed, (Entry, Unsound)>>) {
        match self.checking.remove(&check) {
            Some(Checking::Submissions(submissions)) => {
                let mut line = Vec::with_capacity(entries.len());
                for (submission, entry) in submissions.into_iter().zip(entries) {
                    match entry {
                        Ok(_) if self.past.holds() => self.reply(submission.ticket, Reply::Busy),
                        Ok(entry) if !self.grows() || self.turn() != Turn::Gives => {
                            let reply = self.turned_away(&entry);
                            self.reply(submission.ticket, reply);
                        }
                        Ok(entry) => line.push((submission, entry)),
                        Err((_, unsound)) => {
                            self.reply(submission.ticket, Reply::Unsound(unsound));
                        }
                    }
                }
                line.reverse();
                self.seat_line(line);
            }
            Some(Checking::Frame(log)) => self.frame_checked(log, check, entries),
            None => {}
        }
        self.advance_all();
    }

    /// Gives those their places that waited for this entry.
    pub(super) fn seat_waiting(&mut self, id: &EntryId) {
        let mut line = self.room.leave(id);
        line.reverse();
        self.seat_line(line);
    }

    /// Gives entries their places, the last first, and then those that waited for them.
    fn seat_line(&mut self, mut line: Vec<(Submission, Signed)>) {
        while let Some((submission, entry)) = line.pop() {
            let (id, ticket) = (entry.id(), submission.ticket);
            // It waited for what came to a node that gives no places.
            if self.turn() == Turn::Apart {
                let reply = self.turned_away(&entry);
                self.reply(ticket, reply);
                continue;
            }
            match self.place(entry, None, None) {
                Placing::Placed(leaf) => {
                    self.bring_receipts(&id);
                    if let Some(payload) = submission.payload {
                        self.keep_payload(&payload);
                    }
                    self.own.acknowledge(leaf, ticket, Reply::Placed(leaf));
                    line.extend(self.room.leave(&id).into_iter().rev());
                }
                Placing::Known(leaf, _) => self.answer(ticket, Reply::Known(leaf)),
                Placing::Waits(awaited, entry) => {
                    let reply = match self.room.enter(self.now, awaited, submission, entry) {
                        Ok(()) => Reply::Waiting(awaited),
                        Err(_) => Reply::Busy,
                    };
                    self.reply(ticket, reply);
                }
                Placing::Refused(refusal, entry) => {
                    if let Refusal::Fork { held, .. } = refusal {
                        self.contradict(&entry, held);
                    }
                    self.reply(ticket, Reply::Refused(refusal));
                }
            }
        }
    }

    /// Answers; a place is told of only when it is durable.
    fn answer(&mut self, ticket: u64, reply: Reply) {
        match reply {
            Reply::Known(leaf) if leaf >= self.own.published => {
                self.own.acknowledge(leaf, ticket, reply);
            }
            _ => self.reply(ticket, reply),
        }
    }

    /// Gives an entry its place, if it is free and nothing is missing. `hash`: of the leaf that
    /// accepts it, where it is known.
    pub(super) fn place(
        &mut self,
        entry: Signed,
        origin: Option<(u8, u32)>,
        hash: Option<TreeHash>,
    ) -> Placing {
        let standing = match &self.register {
            Some(register) => self.places.ask(register, &entry),
            None if entry.id() == self.cooperative => self.found(&entry),
            None => Ok(Standing::Waits(self.cooperative)),
        };
        let (device, basis) = match standing {
            Ok(Standing::Free { device, basis }) => (device, basis),
            Ok(Standing::Known(leaf)) => return Placing::Known(leaf, entry),
            Ok(Standing::Waits(awaited)) => return Placing::Waits(awaited, entry),
            Err(refusal) => return Placing::Refused(refusal, entry),
        };
        if let Err(refusal) = self.bar(device, &entry) {
            return Placing::Refused(refusal, entry);
        }
        Placing::Placed(self.give(device, basis, entry, origin, hash))
    }

    /// Gives an entry its place; returns its leaf. A place that this log has given to another
    /// before takes a leaf that resolves it.
    pub(super) fn give(
        &mut self,
        device: u32,
        basis: u32,
        entry: Signed,
        origin: Option<(u8, u32)>,
        hash: Option<TreeHash>,
    ) -> u64 {
        let id = entry.id();
        let seq = u32::try_from(self.places.chain(device).len()).unwrap_or(u32::MAX);
        let accept = accept(&entry);
        let hash = hash.unwrap_or_else(|| leaf_hash(&accept));
        let leaf = if self.dead.is_given(device, seq) {
            let bytes = resolve(&entry);
            let own = OwnLeaf::Resolve { device, seq };
            self.own.append(&self.cooperative, bytes.clone(), leaf_hash(&bytes), own)
        } else {
            let own = OwnLeaf::Accept { device, seq, origin };
            self.own.append(&self.cooperative, accept, hash, own)
        };
        self.keep_place(device, basis, Place { id, hash, leaf }, entry);
        leaf
    }

    /// What follows from an entry's place.
    pub(super) fn keep_place(&mut self, device: u32, basis: u32, place: Place, entry: Signed) {
        let id = place.id;
        let seq = self.places.give(device, basis, office(entry.content()), place);
        let commitment = entry.header().payload;
        if let Some(commitment) = commitment.filter(|_| !self.state.erased().contains_key(&id)) {
            self.wanted.insert(id, commitment);
            self.ask_at.get_or_insert(self.now.after(super::own::QUIET_MS));
        }
        let rosters = self.enter_register(&entry);
        if let Some(register) = &self.register {
            self.freezes.placed(register, &self.places, device, &entry);
        }
        self.strays.moved();
        self.unsettled.insert((device, seq), entry);
        if rosters {
            self.enroll_nodes();
            self.recount();
        }
    }

    /// Numbers a register entry; says whether it brings a roster.
    fn enter_register(&mut self, entry: &Signed) -> bool {
        let Some(register) = &mut self.register else { return false };
        let rosters = register.rosters().len();
        let is_register = matches!(entry.content(), Content::Known(act) if act.is_register());
        if is_register && entry.id() != self.cooperative {
            register.append(entry).expect("rules 15 and 16 were asked before");
        }
        register.rosters().len() > rosters
    }

    fn found(&mut self, charter: &Signed) -> Result<Standing, Refusal> {
        let register = Register::found(charter)?;
        let device = register.device(&charter.header().device, 0);
        let device = device.ok_or(Refusal::NotEnrolled { number: 0 })?;
        self.register = Some(register);
        self.enroll_nodes();
        self.doubt_by_charter();
        Ok(Standing::Free { device, basis: 0 })
    }

    fn keep_payload(&mut self, payload: &Payload) {
        let key = payload_key(&self.cooperative, &payload.entry);
        let value = [payload.salt.as_slice(), &payload.bytes].concat();
        self.own.batch.put(Column::Payload, key, value);
        self.wanted.remove(&payload.entry);
    }

    /// A peer gave a payload.
    pub(super) fn given(&mut self, payload: Payload) {
        let wanted = self.wanted.get(&payload.entry);
        if wanted.is_some_and(|bound| bound.binds(&payload.salt, &payload.bytes)) {
            self.keep_payload(&payload);
        }
    }

    /// Asks one peer after another for missing payloads.
    pub(super) fn ask_for_payloads(&mut self) {
        if self.ask_at.is_none_or(|due| self.now < due) {
            return;
        }
        let peers: Vec<_> = self.sync.peers().copied().collect();
        self.ask_at = (!self.wanted.is_empty()).then(|| self.now.after(ASK_MS));
        let Some(peer) = peers.get(self.asked % peers.len().max(1)) else { return };
        let ids: Vec<EntryId> = self.wanted.keys().take(ASK_MAX).copied().collect();
        if let Some(entries) = List::new(ids).filter(|ids| !ids.is_empty()) {
            self.asked += 1;
            let cooperative = self.cooperative;
            self.outputs.push_back(Output::Send(*peer, Message::Ask { cooperative, entries }));
        }
    }
}

/// Key of a payload on disk; the value is the salt (32 bytes) and the payload.
#[must_use]
pub fn payload_key(cooperative: &EntryId, entry: &EntryId) -> Vec<u8> {
    [cooperative.0, entry.0].concat()
}
