//! What a demonstration plays on: three nodes, one cooperative, and who asks them.
//!
//! Entries go each through another node, so that what one holds it has from the others. Every
//! wait has an end, and ends early when the user interrupts.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::SecretKey;
use talea_tools::play::Made;
use talea_tools::verify::{self, Audit, Policy, Status, Summary};

use super::servers::Server;
use crate::clock::{self, Deadline};
use crate::failure::{Failure, Kind, Outcome};
use crate::http::Reader;
use crate::nodes::{self, Peer};
use crate::out::{self, Ticker};

/// Set by the signal handler.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The longest that anything may take here.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long to wait for cosignatures, which make an export stronger and not more valid.
const COSIGN_MAX: Duration = Duration::from_secs(10);
/// Questions between two attempts to send what waits.
const RESEND_ROUNDS: usize = 20;
/// Between two questions.
const POLL: Duration = Duration::from_millis(25);

/// How far a node has come.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Overview {
    /// Entries that are settled, as it sees it.
    pub settled: u64,
    /// Its state root.
    pub state: Hash,
}

/// Three nodes and a cooperative.
pub struct Stage {
    /// The nodes.
    pub servers: Vec<Server>,
    /// The cooperative.
    pub cooperative: EntryId,
    /// Who asks: a private cooperative answers its members only.
    pub reader: SecretKey,
    /// Entries that each node was given.
    pub given: Vec<u64>,
    /// Entries that were given in all, the charter included.
    pub sent: u64,
    /// Those that no node has said to hold: the members' outboxes.
    pub outbox: Vec<Made>,
}

impl Stage {
    /// Starts three nodes in this folder.
    pub fn start(talead: &Path, folder: &Path) -> Outcome<Vec<Server>> {
        let mut servers = Vec::new();
        for name in ["a", "b", "c"] {
            interrupted()?;
            servers.push(Server::start(talead, &folder.join(name), name)?);
        }
        Ok(servers)
    }

    /// Makes all of them keep the cooperative, and know each other.
    pub fn host(&self) -> Outcome {
        let peers = self
            .servers
            .iter()
            .map(|server| Peer { node: server.key(), address: server.quic().to_owned() });
        let peers: Vec<Peer> = peers.collect();
        for server in &self.servers {
            let others: Vec<Peer> =
                peers.iter().filter(|peer| peer.node != server.key()).cloned().collect();
            nodes::host(&server.control(), self.cooperative, &others)?;
        }
        Ok(())
    }

    /// Gives an entry to a node of its author's choice: any that is up, never always the same.
    ///
    /// What a node answers with `waiting` is not on its disk: it stays in its author's outbox.
    pub fn give(&mut self, made: Made) -> Outcome<&'static str> {
        let turn = made.entry.id().0.iter().fold(0_usize, |sum, byte| sum + usize::from(*byte));
        let (place, is_held) = self.submit(&made, turn)?;
        if let Some(given) = self.given.get_mut(place) {
            *given += 1;
        }
        self.sent += 1;
        if !is_held {
            self.outbox.push(made);
        }
        self.servers.get(place).map(|server| server.name).ok_or_else(no_node)
    }

    /// The same, or what a node has to say of an entry that must not get a place.
    pub fn give_or_be_refused(&mut self, made: Made) -> Outcome<String> {
        let Some(refused) = made.refused else {
            return Ok(format!("through {}", self.give(made)?));
        };
        match self.submit(&made, 0) {
            Err(failure) if failure.is_rule(refused.rule()) => {
                Ok(format!("refused: rule {}", refused.rule()))
            }
            Err(failure) => Err(failure),
            Ok(_) => Err(Failure::rule(
                format!("step {} has a place, against {refused}", made.n),
                "report this",
            )),
        }
    }

    /// Sends what is in the outboxes once more, through other nodes.
    fn resend(&mut self, round: usize) -> Outcome {
        for (place, made) in std::mem::take(&mut self.outbox).into_iter().enumerate() {
            let (_, is_held) = self.submit(&made, round + place)?;
            if !is_held {
                self.outbox.push(made);
            }
        }
        Ok(())
    }

    /// Submits to the node whose turn it is, or to the next that takes it; says whether it is held.
    fn submit(&self, made: &Made, mut turn: usize) -> Outcome<(usize, bool)> {
        let up: Vec<(usize, &Server)> =
            self.servers.iter().enumerate().filter(|(_, server)| server.is_up()).collect();
        let deadline = Deadline::within(WAIT_MAX);
        loop {
            interrupted()?;
            let (place, server) = up.get(turn % up.len().max(1)).ok_or_else(no_node)?;
            match server.node().submit(&made.entry, made.payload.as_ref()) {
                Ok(submitted) => return Ok((*place, submitted.status != "waiting")),
                Err(failure) if failure.kind() == Kind::Node && !deadline.is_over() => turn += 1,
                Err(failure) => return Err(failure),
            }
            std::thread::sleep(POLL);
        }
    }

    /// How far a node has come.
    pub fn overview(&self, server: &Server) -> Outcome<Overview> {
        self.read(server, "")
    }

    /// What a node answers to a question about the cooperative.
    pub fn read<T: DeserializeOwned>(&self, server: &Server, question: &str) -> Outcome<T> {
        let path = format!("/v1/cooperatives/{}{question}", self.cooperative);
        server.node().read(&path, Some(&self.reader(server)))
    }

    /// Waits until every node that is up holds everything for settled.
    pub fn settle(&mut self, ticker: &mut Ticker) -> Outcome<Duration> {
        let deadline = Deadline::within(WAIT_MAX);
        for round in 0_usize.. {
            interrupted()?;
            if round % RESEND_ROUNDS == RESEND_ROUNDS - 1 {
                self.resend(round)?;
            }
            let mut seen = Vec::new();
            let mut all = true;
            for server in self.servers.iter().filter(|server| server.is_up()) {
                let settled = self.overview(server).map_or(0, |overview| overview.settled);
                all &= settled == self.sent;
                seen.push(format!("{} {settled}", server.name));
            }
            ticker.show(&format!("settled of {}: {}", self.sent, seen.join(" · ")));
            if all {
                ticker.clear();
                return Ok(deadline.elapsed());
            }
            if deadline.is_over() {
                ticker.clear();
                let seen = seen.join(", ");
                return Err(Failure::node(
                    format!("after 30 s not all of {} entries are settled: {seen}", self.sent),
                    "run it again with --keep and look at the nodes' log.txt",
                ));
            }
            std::thread::sleep(POLL);
        }
        Err(no_node())
    }

    /// A node's export, once it has all payloads and nothing speaks against it; preferably once
    /// all nodes have cosigned its newest checkpoint.
    pub fn export(&self, server: &Server) -> Outcome<(Vec<u8>, Audit)> {
        let deadline = Deadline::within(WAIT_MAX);
        loop {
            interrupted()?;
            let (file, audit) = self.export_now(server)?;
            let whole = has_payloads(&audit);
            let Summary { held_by, nodes, .. } = audit.summary();
            let agreed = audit.status == Status::Valid && held_by == nodes;
            let patience =
                if whole && audit.status == Status::Valid { COSIGN_MAX } else { WAIT_MAX };
            if (whole && agreed) || deadline.elapsed() > patience {
                return Ok((file, audit));
            }
            std::thread::sleep(POLL);
        }
    }

    /// A node's export as it is.
    pub fn export_now(&self, server: &Server) -> Outcome<(Vec<u8>, Audit)> {
        let path = format!("/v1/cooperatives/{}/export", self.cooperative);
        let file = server.node().read_bytes(&path, Some(&self.reader(server)))?;
        let audit = verify::audit(&file, &Policy::default(), clock::now_ms() / 1000)?;
        Ok((file, audit))
    }

    fn reader(&self, server: &Server) -> Reader<'_> {
        Reader { key: &self.reader, node: server.key() }
    }
}

/// Waits until something is so; says how long that took.
pub fn wait(otherwise: &str, so: impl Fn() -> Outcome<bool>) -> Outcome<Duration> {
    let deadline = Deadline::within(WAIT_MAX);
    loop {
        interrupted()?;
        if so()? {
            return Ok(deadline.elapsed());
        }
        if deadline.is_over() {
            return Err(Failure::node(
                format!("after {} s {otherwise}", WAIT_MAX.as_secs()),
                "run it again with --keep and look at the nodes' log.txt",
            ));
        }
        std::thread::sleep(POLL);
    }
}

/// Whether every payload that an entry commits to is in the export: payloads come after entries.
fn has_payloads(audit: &Audit) -> bool {
    let committed = audit.shown.entries.values().filter(|entry| entry.header().payload.is_some());
    let here: BTreeSet<_> = audit.shown.payloads.iter().map(|payload| payload.entry).collect();
    committed.map(|entry| entry.id()).all(|id| here.contains(&id))
}

/// Ends the demonstration when the user has asked for it.
pub fn interrupted() -> Outcome {
    if INTERRUPTED.load(Ordering::Relaxed) {
        out::note("");
        return Err(Failure::usage("interrupted", "nothing is left behind; run it again"));
    }
    Ok(())
}

fn no_node() -> Failure {
    Failure::node("no node is up", "run it again")
}
