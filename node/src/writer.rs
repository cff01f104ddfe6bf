//! The one thread that owns the cooperatives: orders in, jobs out.
//!
//! It takes what has gathered, lets each replica say what is to be done, and hands that to the
//! cores, the disk, the reader and the links. It never waits for any of them, and does nothing
//! itself that takes long. What an entry means is the replica's business.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use talea_ledger::batch::{Batch, Column};
use talea_ledger::place::Refusal;
use talea_ledger::replica::{Alarm, Behind, Input, Moment, Output, Replica, Reply};
use talea_protocol::bytes::encode;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::message::Message;
use tracing::{error, info, warn};

use crate::book::Book;
use crate::clock::Clock;
use crate::commit::{self, Committer};
use crate::hosted::{self, HOSTS_MAX, Hosted, Hosts, record};
use crate::intake::{self, Intake};
use crate::link::{Frame, Links};
use crate::metrics::{AlarmKind, Metrics, Queue};
use crate::order::{Answer, Host, Hosting, Order, Submission};
use crate::promise::Promises;
use crate::reception;
use crate::restore::{RestoreFault, doubt_key};
use crate::serve::{self, Reader};

/// Entries and other orders taken before the replicas are asked what is to be done: what came
/// together is checked and committed together, and a peer hears soon that it may send more.
const GATHER_MAX: usize = 1_024;
/// The longest sleep, so that a clock that jumps does no harm for longer.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// The longest a stop waits for what was begun.
const STOP_MAX: Duration = Duration::from_secs(10);

/// What the writer works with.
pub struct Writer {
    /// The folder of the promises.
    pub promises: PathBuf,
    /// The cooperatives, as restored.
    pub hosts: Hosts,
    /// This node's key.
    pub key: Arc<SecretKey>,
    /// The time.
    pub clock: Clock,
    /// Sessions with peers.
    pub links: Arc<Links>,
    /// Known nodes.
    pub book: Arc<Book>,
    /// Checks signatures.
    pub intake: Intake,
    /// Writes to disk.
    pub committer: Committer,
    /// Reads for followers.
    pub reader: Reader,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// The state of the loop.
struct Loop {
    it: Writer,
    answers: BTreeMap<u64, (EntryId, Answer)>,
    /// Cooperatives that are being restored from disk.
    reloading: BTreeMap<EntryId, Hosted>,
    next_ticket: u64,
    touched: BTreeSet<EntryId>,
    /// Checks and commits that were not answered yet.
    under_way: usize,
    ages_at: Duration,
}

impl Writer {
    /// Takes orders until it is told to stop.
    pub fn run(self, inbox: &Receiver<Order>) {
        let touched = self.hosts.keys().copied().collect();
        let mut it = Loop {
            it: self,
            answers: BTreeMap::new(),
            reloading: BTreeMap::new(),
            next_ticket: 0,
            touched,
            under_way: 0,
            ages_at: Duration::ZERO,
        };
        it.drain();
        if it.serve(inbox) {
            it.finish(inbox);
        }
    }
}

impl Loop {
    /// Returns whether what was begun is to be finished.
    fn serve(&mut self, inbox: &Receiver<Order>) -> bool {
        loop {
            match inbox.recv_timeout(self.sleep()) {
                Ok(first) => {
                    let mut next = Some(first);
                    let mut left = GATHER_MAX;
                    while let Some(order) = next {
                        self.it.metrics.taken(Queue::Writer);
                        left = left.saturating_sub(order.weight());
                        match order {
                            Order::Stop => return true,
                            Order::Halt => return false,
                            order => self.take(order),
                        }
                        next = if left > 0 { inbox.try_recv().ok() } else { None };
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
            }
            self.wake();
            self.drain();
        }
    }

    /// Takes nothing new, and waits for what was begun.
    fn finish(&mut self, inbox: &Receiver<Order>) {
        let until = (self.it.clock.steady)() + STOP_MAX;
        self.drain();
        while self.under_way > 0 || !self.answers.is_empty() {
            let left = until.saturating_sub((self.it.clock.steady)());
            match inbox.recv_timeout(left) {
                Ok(Order::Submit(submission)) => submission.answer.give(Reply::Busy),
                Ok(Order::Host(host)) => drop(host.done.send(Hosting::Stopping)),
                Ok(Order::Halt) | Err(_) => {
                    warn!(under_way = self.under_way, "stopped before everything was finished");
                    return;
                }
                Ok(Order::Stop) => {}
                Ok(order) => self.take(order),
            }
            self.drain();
        }
    }

    fn now(&self) -> Moment {
        self.it.clock.moment()
    }

    fn sleep(&self) -> Duration {
        let now = self.now();
        let due = self.it.hosts.values().map(|hosted| hosted.replica.deadline()).min();
        let ms = due.map_or(u64::MAX, |due| due.0.saturating_sub(now.0).max(1));
        Duration::from_millis(ms).min(SLEEP_MAX)
    }

    fn wake(&mut self) {
        let now = self.now();
        for (id, hosted) in &mut self.it.hosts {
            if hosted.replica.deadline() <= now {
                hosted.replica.wake(now);
                self.touched.insert(*id);
            }
        }
        self.tell_behind();
        self.show_ages(now);
    }

    /// Tells the operator when a cooperative begins or ceases to lack what this node has signed.
    fn tell_behind(&mut self) {
        for (id, hosted) in &mut self.it.hosts {
            let behind = hosted.replica.behind();
            let told = std::mem::replace(&mut hosted.behind, behind);
            let kind = |behind: &Option<Behind>| behind.as_ref().map(std::mem::discriminant);
            match behind {
                None if told.is_some() || hosted.is_doubted => {
                    info!(cooperative = %id, "all that this node has signed is here: it goes on");
                    hosted.is_doubted = false;
                    let mut batch = Batch::new();
                    batch.delete(Column::Meta, doubt_key(id));
                    batch.put(Column::Cooperative, id.0.to_vec(), encode(&record(&hosted.hosts)));
                    self.it.committer.write(commit::Job::Keep(batch, Box::new(|| {})));
                }
                Some(why) if kind(&told) != kind(&behind) => {
                    if matches!(why, Behind::Contradicted { .. }) {
                        self.it.metrics.alarm(AlarmKind::Disk);
                    }
                    let hint = hosted::hint(&why);
                    warn!(cooperative = %id, %why, hint, "nothing is appended or signed");
                }
                None | Some(_) => {}
            }
        }
    }

    /// Once a second, for monitoring.
    fn show_ages(&mut self, now: Moment) {
        let steady = (self.it.clock.steady)();
        if steady < self.ages_at {
            return;
        }
        self.ages_at = steady + SLEEP_MAX;
        let mut ages: BTreeMap<NodeKey, u64> = BTreeMap::new();
        for hosted in self.it.hosts.values() {
            let nodes = hosted.replica.roster().map(|roster| &roster.nodes);
            for peer in nodes.into_iter().flatten().filter(|peer| **peer != self.it.links.me()) {
                let since = hosted.replica.equal_since(peer).map_or(0, |moment| moment.0);
                let age = now.0.saturating_sub(since);
                ages.entry(*peer).and_modify(|most| *most = age.max(*most)).or_insert(age);
            }
        }
        for (peer, ms) in ages {
            self.it.metrics.equal_age(peer.to_string(), Duration::from_millis(ms));
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Submit(submission) => self.submit(submission),
            Order::Checked { cooperative, check, entries } => {
                self.under_way -= 1;
                self.tell(&cooperative, Input::Checked { check, entries });
            }
            Order::Connected(peer) => self.connected(peer),
            Order::Lost(peer) => self.lost(peer),
            Order::Message { peer, message, room } => {
                self.message(peer, message);
                drop(room);
            }
            Order::Committed { cooperative, token, note } => {
                self.under_way -= 1;
                self.tell(&cooperative, Input::Committed { token, note });
            }
            Order::Served(served) => {
                let (peer, log) = (served.peer, served.log);
                let (from, next) = (served.from, served.next);
                self.tell(&served.cooperative, Input::Served { peer, log, from, next });
            }
            Order::Recalled { cooperative, leaf, bytes } => {
                self.under_way -= 1;
                self.tell(&cooperative, Input::Recalled { leaf, bytes });
            }
            Order::Reloaded { cooperative, replica } => {
                self.under_way -= 1;
                self.reloaded(cooperative, *replica);
            }
            Order::Host(host) => self.host(host),
            Order::Keep(batch, then) => self.it.committer.write(commit::Job::Keep(batch, then)),
            Order::Ask(question) => question(&mut self.it.hosts),
            Order::Stop | Order::Halt => {}
        }
    }

    fn tell(&mut self, cooperative: &EntryId, input: Input) {
        let now = self.now();
        if let Some(hosted) = self.it.hosts.get_mut(cooperative) {
            hosted.replica.handle(now, input);
            self.touched.insert(*cooperative);
        }
    }

    fn submit(&mut self, submission: Submission) {
        let Submission { source, entry, payload, answer } = submission;
        let cooperative = entry.cooperative();
        if self.reloading.contains_key(&cooperative) {
            return answer.give(Reply::Busy);
        }
        if !self.it.hosts.contains_key(&cooperative) {
            let refusal = Refusal::Cooperative { named: cooperative };
            self.it.metrics.refuse(refusal.rule());
            return answer.give(Reply::Refused(refusal));
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.answers.insert(ticket, (cooperative, answer));
        self.tell(&cooperative, Input::Submit { ticket, source, entry, payload });
    }

    fn connected(&mut self, peer: NodeKey) {
        let cooperatives: Vec<EntryId> = self.it.hosts.keys().copied().collect();
        for cooperative in cooperatives {
            self.introduce(&cooperative, &[peer]);
        }
    }

    fn lost(&mut self, peer: NodeKey) {
        let now = self.now();
        for (id, hosted) in &mut self.it.hosts {
            if hosted.connected.remove(&peer) {
                hosted.replica.handle(now, Input::Lost(peer));
                self.touched.insert(*id);
            }
        }
    }

    /// Tells a replica of those peers whom it concerns and does not know of.
    fn introduce(&mut self, cooperative: &EntryId, peers: &[NodeKey]) {
        let now = self.now();
        let Some(hosted) = self.it.hosts.get_mut(cooperative) else { return };
        for peer in peers {
            if hosted.concerns(peer) && hosted.connected.insert(*peer) {
                hosted.replica.handle(now, Input::Connected(*peer));
                self.touched.insert(*cooperative);
            }
        }
    }

    /// A message about a cooperative that is not kept here, or does not concern the peer, gets no
    /// answer: who is not in it does not learn whether it is here.
    fn message(&mut self, peer: NodeKey, message: Box<Message>) {
        let Some(cooperative) = message.cooperative() else { return };
        let concerned = |hosted: &Hosted| hosted.connected.contains(&peer);
        if self.it.hosts.get(&cooperative).is_some_and(concerned) {
            self.tell(&cooperative, Input::Message(peer, message));
        }
    }

    fn host(&mut self, host: Host) {
        let Host { cooperative, hosts, charter, is_lost, done } = host;
        if let Some(charter) = charter.as_ref().filter(|it| it.id() != cooperative) {
            return drop(done.send(Hosting::OtherCharter(charter.id())));
        }
        let known = self.it.hosts.contains_key(&cooperative);
        let now = self.now();
        let hosted = self.it.hosts.entry(cooperative).or_insert_with(|| {
            let key = Arc::clone(&self.it.key);
            let mut replica = Replica::new(now, cooperative, key, &[]);
            let promises = Promises::open(&self.it.promises, cooperative).ok();
            if let Some(promise) = promises.as_ref().and_then(Promises::newest) {
                replica.remember((promise.size, promise.root));
            }
            Hosted::new(replica, Vec::new())
        });
        hosted.hosts.extend(&hosts);
        hosted.hosts.sort_unstable();
        hosted.hosts.dedup();
        hosted.replica.set_hosts(&hosted.hosts);
        let mut batch = Batch::new();
        hosted.hosts.truncate(HOSTS_MAX);
        let record = record(&hosted.hosts);
        batch.put(Column::Cooperative, cooperative.0.to_vec(), encode(&record));
        if is_lost {
            hosted.replica.doubt();
            hosted.is_doubted = true;
            batch.put(Column::Meta, doubt_key(&cooperative), now.0.to_le_bytes().to_vec());
        }
        self.touched.insert(cooperative);
        let founded = hosted.replica.register().is_some();
        let reply = charter.filter(|_| !founded).map(|entry| {
            let (answer, reply) = Answer::privileged();
            let source = self.it.links.me();
            self.submit(Submission { source, entry, payload: None, answer });
            reply
        });
        let answer =
            if known && reply.is_none() { Hosting::Already } else { Hosting::Begun(reply) };
        let then = Box::new(move || drop(done.send(answer)));
        self.it.committer.write(commit::Job::Keep(batch, then));
        self.introduce(&cooperative, &self.it.links.peers());
        info!(%cooperative, "hosting");
    }

    /// Lets every replica that something happened to say what is to be done.
    fn drain(&mut self) {
        while let Some(cooperative) = self.touched.pop_first() {
            while let Some(hosted) = self.it.hosts.get_mut(&cooperative) {
                self.it.metrics.placed.inc_by(hosted.tell_placed());
                let Some(output) = hosted.replica.poll() else { break };
                self.put_out(cooperative, output);
            }
            self.meet_roster(&cooperative);
        }
    }

    /// Once for each roster: when the charter has come, and when it is replaced.
    fn meet_roster(&mut self, cooperative: &EntryId) {
        let Some(hosted) = self.it.hosts.get_mut(cooperative) else { return };
        let Some(register) = hosted.replica.register() else { return };
        if hosted.met >= register.rosters().len() {
            return;
        }
        self.it.book.list(&register.nodes());
        hosted.met = register.rosters().len();
        self.introduce(cooperative, &self.it.links.peers());
    }

    fn put_out(&mut self, cooperative: EntryId, output: Output) {
        match output {
            Output::Send(peer, message) => {
                self.it.links.send(&peer, Frame { bytes: message.frame(), sent: None });
            }
            Output::Check { check, entries } => {
                self.under_way += 1;
                self.it.intake.check(intake::Job { cooperative, check, entries });
            }
            Output::Commit(commit) => {
                self.under_way += 1;
                self.it.committer.write(commit::Job::Commit(commit));
            }
            Output::Serve(parts) => self.it.reader.serve(serve::Job::Leaves(parts)),
            Output::Fetch(peer, entries) => {
                self.it.reader.serve(serve::Job::Payloads { cooperative, peer, entries });
            }
            Output::Reply { ticket, reply } => self.reply(ticket, reply),
            Output::Settled { entry, leaf } => {
                self.it.metrics.settled.inc();
                if let Some(hosted) = self.it.hosts.get_mut(&cooperative) {
                    hosted.tell_settled(entry, leaf);
                }
            }
            Output::Recall(leaf) => {
                self.under_way += 1;
                self.it.committer.write(commit::Job::Recall(cooperative, leaf));
            }
            Output::Reload => self.reload(cooperative),
            Output::Alarm(alarm) => self.alarm(&cooperative, alarm),
        }
    }

    /// Has a cooperative restored from its disk. Whoever waits for an answer asks again.
    fn reload(&mut self, cooperative: EntryId) {
        let Some(hosted) = self.it.hosts.remove(&cooperative) else { return };
        let concerned = |_: &u64, it: &mut (EntryId, Answer)| it.0 == cooperative;
        for (_, (_, answer)) in self.answers.extract_if(.., concerned) {
            answer.give(Reply::Busy);
        }
        self.under_way += 1;
        self.it.committer.write(commit::Job::Reload(cooperative, hosted.hosts.clone()));
        self.reloading.insert(cooperative, hosted);
    }

    fn reloaded(&mut self, cooperative: EntryId, replica: Result<Replica, RestoreFault>) {
        let Some(hosted) = self.reloading.remove(&cooperative) else { return };
        match replica {
            Ok(replica) => {
                self.it.hosts.insert(cooperative, hosted.reloaded(replica));
                self.touched.insert(cooperative);
                self.introduce(&cooperative, &self.it.links.peers());
            }
            Err(fault) => {
                self.it.metrics.alarm(AlarmKind::Disk);
                error!(%cooperative, hint = fault.hint(), "no longer served: {fault}");
            }
        }
    }

    fn reply(&mut self, ticket: u64, reply: Reply) {
        if let Some(rule) = reception::rule(&reply) {
            self.it.metrics.refuse(rule);
        }
        // A guest of the waiting room was answered when it entered.
        if let Some((_, answer)) = self.answers.remove(&ticket) {
            answer.give(reply);
        }
    }

    fn alarm(&self, cooperative: &EntryId, alarm: Alarm) {
        let (kind, peer, what) = match alarm {
            Alarm::Unsound(peer) => {
                (AlarmKind::Unsound, peer, "what it sent of a log holds what is no entry")
            }
            Alarm::Root(peer) => (
                AlarmKind::Root,
                peer,
                "what it sent of a log has not the root that the log's owner signed",
            ),
            Alarm::State(peer) => (AlarmKind::State, peer, "it has another state for the same cut"),
            Alarm::Split(peer) => (AlarmKind::Split, peer, "it signed two histories of its log"),
            Alarm::Fork(device, seq) => {
                self.it.metrics.alarm(AlarmKind::Fork);
                error!(%cooperative, %device, seq, "alarm: it signed two entries for one place");
                return;
            }
        };
        self.it.metrics.alarm(kind);
        error!(%cooperative, %peer, "alarm: {what}");
    }
}
