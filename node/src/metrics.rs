//! What monitoring sees of a node, in the OpenMetrics text format.
//!
//! Numbers about the node, none about a member; cooperatives are not named, since even their ids
//! are private. The table is in the README.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// A queue between two threads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, EncodeLabelValue)]
pub enum Queue {
    /// Orders to the writer.
    Writer,
    /// Signatures to be checked.
    Intake,
    /// Batches to be committed.
    Commit,
    /// Frames to be read for followers.
    Serve,
}

impl Queue {
    const ALL: [Self; 4] = [Self::Writer, Self::Intake, Self::Commit, Self::Serve];
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, EncodeLabelValue)]
pub enum AlarmKind {
    /// A peer's log holds what is not an entry of its device.
    Unsound,
    /// A peer signed a root that its leaves do not have.
    Root,
    /// A peer has another state for the same settled entries.
    State,
    /// A device has written twice in one place.
    Fork,
    /// A peer has signed two histories of its log.
    Split,
    /// A cooperative's disk is not what this node promised.
    Disk,
}

/// A limit that somebody met.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, EncodeLabelValue)]
pub enum Limit {
    /// Connections, of all, of an address or of a key.
    Connections,
    /// Handshakes, at a time or a second.
    Handshakes,
    /// Bytes a second.
    Bytes,
    /// Signatures a second.
    Signatures,
    /// Entries a minute of one device.
    Entries,
    /// A frame that came, or was taken, too slowly.
    Slow,
    /// A frame that is none.
    Frame,
    /// Bad signatures of one session.
    BadSignatures,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct LimitLabel {
    limit: Limit,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct QueueLabel {
    queue: Queue,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct AlarmLabel {
    kind: AlarmKind,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct RuleLabel {
    rule: u16,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct PeerLabel {
    peer: String,
}

/// From 100 us to 1.6 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 15))
}

/// Seconds as a gauge shows them.
type Age = Gauge<f64, AtomicU64>;

/// The numbers of one node. All may be counted up from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Entries that got a place, durably.
    pub placed: Counter,
    /// Entries that settled.
    pub settled: Counter,
    refused: Family<RuleLabel, Counter>,
    /// Submissions that were sent away because too many wait.
    pub busy: Counter,
    /// Submissions that wait for their place.
    pub waiting: Gauge,
    /// Signatures checked.
    pub checked: Counter,
    /// From a commit's order to its checkpoint.
    pub commit: Histogram,
    /// The synced write in it.
    pub sync: Histogram,
    /// Reading the new leaves back, after it.
    pub read_back: Histogram,
    /// Keeping the promise, which is synced too, and signing, after that.
    pub promise: Histogram,
    /// New leaves in one synced write.
    pub group: Histogram,
    queues: [Gauge; Queue::ALL.len()],
    /// Sessions with known nodes.
    pub peers: Gauge,
    /// Connections of strangers.
    pub strangers: Gauge,
    /// Arrivals that were refused.
    pub turned_away: Counter,
    limits: Family<LimitLabel, Counter>,
    /// Bytes of frames received from known nodes.
    pub received: Counter,
    /// Bytes of frames sent to known nodes.
    pub sent: Counter,
    ages: Family<PeerLabel, Age>,
    alarms: Family<AlarmLabel, Counter>,
    /// Attachments that payloads name and are not here.
    pub missing: Gauge,
    /// How often an attachment's turn came to be fetched unasked, whatever came of it.
    pub sought: Counter,
    /// Attachments that were fetched before anybody asked.
    pub fetched: Counter,
    /// HTTP requests answered.
    pub requests: Counter,
    /// What readers' questions took of the writer's time.
    pub query: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("talea"),
            placed: Counter::default(),
            settled: Counter::default(),
            refused: Family::default(),
            busy: Counter::default(),
            waiting: Gauge::default(),
            checked: Counter::default(),
            commit: seconds(),
            sync: seconds(),
            read_back: seconds(),
            promise: seconds(),
            group: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            queues: Default::default(),
            peers: Gauge::default(),
            strangers: Gauge::default(),
            turned_away: Counter::default(),
            limits: Family::default(),
            received: Counter::default(),
            sent: Counter::default(),
            ages: Family::default(),
            alarms: Family::default(),
            missing: Gauge::default(),
            sought: Counter::default(),
            fetched: Counter::default(),
            requests: Counter::default(),
            // 10 us to 160 ms.
            query: Histogram::new(exponential_buckets(0.000_01, 4.0, 8)),
        };
        metrics.register_entries();
        metrics.register_disk();
        metrics.register_peers();
        metrics
    }

    fn register_entries(&mut self) {
        let it = &mut self.registry;
        it.register("entries_placed", "Entries that got a place", self.placed.clone());
        it.register("entries_settled", "Entries that settled", self.settled.clone());
        it.register("entries_refused", "Submissions refused, by rule", self.refused.clone());
        it.register("entries_busy", "Submissions sent away for now", self.busy.clone());
        it.register("entries_waiting", "Submissions under way", self.waiting.clone());
        it.register("signatures_checked", "Signatures checked", self.checked.clone());
        it.register("http_requests", "HTTP requests answered", self.requests.clone());
        let query = self.query.clone();
        it.register_with_unit("query", "One reader's question", Unit::Seconds, query);
    }

    fn register_disk(&mut self) {
        let it = &mut self.registry;
        let commit = self.commit.clone();
        it.register_with_unit("commit", "From order to checkpoint", Unit::Seconds, commit);
        let sync = self.sync.clone();
        it.register_with_unit("sync", "One synced write", Unit::Seconds, sync);
        let read_back = self.read_back.clone();
        it.register_with_unit("read_back", "New leaves read again", Unit::Seconds, read_back);
        let promise = self.promise.clone();
        it.register_with_unit("promise", "A root kept and signed", Unit::Seconds, promise);
        it.register("commit_leaves", "New leaves in one synced write", self.group.clone());
        let queues: Family<QueueLabel, Gauge> = Family::default();
        for (queue, gauge) in Queue::ALL.into_iter().zip(&mut self.queues) {
            *gauge = queues.get_or_create_owned(&QueueLabel { queue });
        }
        it.register("queue", "Orders that wait for a thread", queues);
        let missing = self.missing.clone();
        it.register("attachments_missing", "Attachments named and not here", missing);
        let sought = self.sought.clone();
        it.register("attachments_sought", "Turns of attachments to be fetched unasked", sought);
        let fetched = self.fetched.clone();
        it.register("attachments_fetched", "Attachments fetched unasked", fetched);
    }

    fn register_peers(&mut self) {
        let it = &mut self.registry;
        it.register("peers", "Sessions with known nodes", self.peers.clone());
        it.register("strangers", "Connections of strangers", self.strangers.clone());
        it.register("turned_away", "Connections refused", self.turned_away.clone());
        it.register("limits_met", "How often a limit was met, by limit", self.limits.clone());
        let received = self.received.clone();
        it.register_with_unit("received", "Frames of known nodes", Unit::Bytes, received);
        it.register_with_unit("sent", "Frames to known nodes", Unit::Bytes, self.sent.clone());
        let help = "Since a peer last held the same settled entries with the same state";
        it.register_with_unit("peer_equal_age", help, Unit::Seconds, self.ages.clone());
        it.register("alarms", "What an operator must look at", self.alarms.clone());
    }

    /// A submission was refused by this rule.
    pub fn refuse(&self, rule: u16) {
        self.refused.get_or_create(&RuleLabel { rule }).inc();
    }

    /// Somebody met a limit.
    pub fn limit(&self, limit: Limit) {
        self.limits.get_or_create(&LimitLabel { limit }).inc();
    }

    /// Something went into a queue.
    pub fn queued(&self, queue: Queue) {
        self.queue(queue).inc();
    }

    /// Something was taken out of a queue.
    pub fn taken(&self, queue: Queue) {
        self.queue(queue).dec();
    }

    const fn queue(&self, queue: Queue) -> &Gauge {
        let [writer, intake, commit, serve] = &self.queues;
        match queue {
            Queue::Writer => writer,
            Queue::Intake => intake,
            Queue::Commit => commit,
            Queue::Serve => serve,
        }
    }

    /// An alarm was raised.
    pub fn alarm(&self, kind: AlarmKind) {
        self.alarms.get_or_create(&AlarmLabel { kind }).inc();
    }

    /// How long ago a peer last held the same, in the cooperative where that is longest.
    pub fn equal_age(&self, peer: String, age: Duration) {
        self.ages.get_or_create(&PeerLabel { peer }).set(age.as_secs_f64());
    }

    /// The text of all numbers.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A String takes everything.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_by_name_and_label() {
        let metrics = Metrics::new();
        metrics.placed.inc_by(3);
        metrics.refuse(9);
        metrics.queued(Queue::Commit);
        metrics.alarm(AlarmKind::State);
        let text = metrics.text();
        for line in [
            "talea_entries_placed_total 3",
            "talea_entries_refused_total{rule=\"9\"} 1",
            "talea_queue{queue=\"Commit\"} 1",
            "talea_alarms_total{kind=\"State\"} 1",
            "talea_commit_seconds_count 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
