//! What two nodes say to each other when they have nothing to tell.

use std::collections::VecDeque;
use std::sync::Arc;

use talea_ledger::replica::{Input, Moment, Output, Replica, leaves};
use talea_protocol::entry::{Entry, check};
use talea_protocol::key::NodeKey;
use talea_protocol::message::Message;
use talea_tests::disk::Disk;
use talea_tests::load::load;
use talea_tests::people::{START_MS, node_key};

/// Two nodes at one table: every message arrives, at once, and is counted.
struct Table {
    keys: [Arc<talea_protocol::key::SecretKey>; 2],
    replicas: [Replica; 2],
    disks: [Disk; 2],
    said: usize,
    /// Frames of leaves that still arrive.
    frames: usize,
    now: u64,
}

impl Table {
    fn give(&mut self, node: usize, input: Input) {
        let mut inputs = VecDeque::from([(node, input)]);
        while let Some((node, input)) = inputs.pop_front() {
            self.replicas[node].handle(Moment(self.now), input);
            while let Some(output) = self.replicas[node].poll() {
                if let Some(next) = self.perform(node, output) {
                    inputs.push_back(next);
                }
            }
        }
    }

    fn perform(&mut self, node: usize, output: Output) -> Option<(usize, Input)> {
        match output {
            Output::Send(_, message) => Some(self.say(node, message)),
            Output::Check { check: number, entries } => {
                Some((node, Input::Checked { check: number, entries: check(entries) }))
            }
            Output::Commit(commit) => {
                let token = commit.token;
                let note = self.disks[node].write(*commit, &self.keys[node]);
                Some((node, Input::Committed { token, note }))
            }
            Output::Serve(_) if self.frames == 0 => None,
            Output::Serve(parts) => {
                self.frames -= 1;
                let disk = &self.disks[node];
                let (message, next) = leaves(&parts, |from, count, each| {
                    for index in from..from + u64::from(count) {
                        let leaf = disk.leaf(&parts.cooperative, index).expect("durable");
                        if !each(&leaf) {
                            break;
                        }
                    }
                })?;
                let (peer, log, from) = (parts.peer, parts.log, parts.from);
                let told = self.say(node, message);
                self.replicas[node]
                    .handle(Moment(self.now), Input::Served { peer, log, from, next });
                Some(told)
            }
            Output::Fetch(..) | Output::Reply { .. } | Output::Settled { .. } => None,
            Output::Recall(_) | Output::Reload => panic!("nobody contradicts anybody here"),
            Output::Alarm(alarm) => panic!("{alarm:?}"),
        }
    }

    fn say(&mut self, from: usize, message: Message) -> (usize, Input) {
        self.said += message.frame().len();
        (1 - from, Input::Message(self.keys[from].node(), Box::new(message)))
    }

    fn meet(&mut self) {
        for node in [0, 1] {
            let peer = self.keys[1 - node].node();
            self.give(node, Input::Connected(peer));
        }
    }

    fn wake(&mut self, after: u64) {
        self.now += after;
        for node in [0, 1] {
            self.replicas[node].wake(Moment(self.now));
            let peer = self.keys[1 - node].node();
            // Nothing happens: whatever the waking caused is polled.
            self.give(node, Input::Served { peer, log: peer, from: 0, next: 0 });
        }
    }
}

fn table() -> (Table, Vec<Entry>) {
    let keys = [0, 1].map(|n| Arc::new(node_key(n)));
    let nodes: Vec<NodeKey> = keys.iter().map(|key| key.node()).collect();
    let entries = load(100, 3_000, &nodes, 2);
    let now = START_MS + 1_000_000;
    let id = entries[0].id();
    let replicas = [0, 1].map(|n: usize| Replica::new(Moment(now), id, keys[n].clone(), &nodes));
    let disks = [Disk::default(), Disk::default()];
    let bytes = entries.iter().map(|e| Entry::parse(e.bytes().to_vec()).expect("an entry"));
    (Table { keys, replicas, disks, said: 0, frames: usize::MAX, now }, bytes.collect())
}

impl Table {
    fn submit(&mut self, entries: Vec<Entry>, to: impl Fn(u64) -> usize) {
        for (ticket, entry) in (0..).zip(entries) {
            let source = self.keys[0].node();
            let entry = Box::new(entry);
            self.give(to(ticket), Input::Submit { ticket, source, entry, payload: None });
        }
    }

    /// As if this node had been stopped and started again.
    fn restart(&mut self, node: usize) {
        let (id, key) = (self.replicas[node].cooperative(), Arc::clone(&self.keys[node]));
        self.replicas[node] = self.disks[node].restore(Moment(self.now), id, key).expect("whole");
    }
}

/// Of 3,000 entries a frame brings some 620.
#[test]
fn what_a_node_far_behind_has_fetched_counts_before_all_of_it_is_there() {
    for is_restarted in [false, true] {
        let (mut table, entries) = table();
        table.submit(entries, |_| 0);
        table.wake(1_000);
        if is_restarted {
            table.restart(0);
        }
        table.frames = 4;
        table.meet();
        let (settled, published) = (table.replicas[1].settled(), table.replicas[1].published());
        assert!(published < 3_000, "{published} leaves came, and that is all");
        assert!(settled >= 2_000, "{settled} of {published} are settled");
    }
}

#[test]
fn two_equal_nodes_of_a_hundred_devices_find_that_out_in_four_kilobytes() {
    let (mut table, entries) = table();
    let all = u64::try_from(entries.len()).expect("fits");
    table.meet();
    table.submit(entries, |ticket| usize::try_from(ticket % 2).expect("fits"));
    for _ in 0..10 {
        table.wake(1_000);
    }
    assert_eq!(table.replicas.each_ref().map(Replica::settled), [all; 2]);
    for replica in &table.replicas {
        let newest = replica.note().expect("a checkpoint");
        assert_eq!(
            newest.signatures().len(),
            2,
            "the newest checkpoint of a quiet node is cosigned"
        );
    }
    for node in [0, 1] {
        let peer = table.keys[1 - node].node();
        table.give(node, Input::Lost(peer));
    }
    table.said = 0;
    table.meet();
    table.wake(200);
    println!("{} bytes", table.said);
    assert!(table.said > 0 && table.said <= 4 * 1024, "{} bytes", table.said);
}
