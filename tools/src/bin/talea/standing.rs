//! Where an entry stands: kept here, in the hands of k of n nodes, settled.
//!
//! What a node says of it is shown and not believed: a fetched export proves it.

use std::time::Duration;

use serde::Serialize;
use talea_protocol::hash::EntryId;
use talea_protocol::key::SecretKey;
use talea_tools::wallet::{Known, Seen, Server};

use crate::clock::Deadline;
use crate::failure::{Failure, Outcome};
use crate::http::{Node, Reader, Submitted};
use crate::out::{self, DIM, GOOD, styled};

/// How long a command waits for its entry to settle before it says "not yet".
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// Between two questions whether it has.
const SETTLE_POLL: Duration = Duration::from_millis(50);

/// Where an entry stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The entry.
    pub id: EntryId,
    /// What to call it.
    pub label: String,
    /// Place in the chain.
    pub seq: u64,
    /// `kept`, `waiting` (for what it names, in a node's memory), `sent` or `settled`.
    pub status: &'static str,
    /// Nodes that hold it, as a node says.
    pub receipts: u32,
    /// Nodes of the roster; 0 where the roster is not known.
    pub roster: u32,
}

impl Standing {
    /// Takes over what a node answered to the submission. What a node says is `waiting` is in its
    /// memory only.
    pub fn submitted(&mut self, answer: &Submitted) {
        self.status = if answer.status == "waiting" { "waiting" } else { "sent" };
    }

    /// Takes over what a node said of it.
    pub const fn told(&mut self, seen: &Seen) {
        (self.receipts, self.roster) = (seen.receipts, seen.roster);
        self.status = if seen.settled { "settled" } else { "sent" };
    }

    /// What a node said of it, if one did.
    pub fn seen(&self) -> Option<Seen> {
        let Self { receipts, roster, .. } = *self;
        (receipts > 0).then(|| Seen { receipts, roster, settled: self.status == "settled" })
    }
}

/// Whom to ask, and as whom.
pub struct Enquiry<'a> {
    /// The cooperative.
    pub known: &'a Known,
    /// A member's key: a private cooperative answers nobody else.
    pub key: Option<&'a SecretKey>,
}

impl Enquiry<'_> {
    /// Asks until everything is settled, or the wait is over.
    pub fn follow(&self, server: &Server, standing: &mut [Standing]) {
        let deadline = Deadline::within(SETTLE_MAX);
        // A private cooperative's node says nothing to a wallet whose key is not open.
        while self.ask(server, standing).is_ok_and(|told| told) {
            if deadline.is_over() || standing.iter().all(|one| one.status == "settled") {
                return;
            }
            std::thread::sleep(SETTLE_POLL);
        }
    }

    /// Asks the first node that answers how things stand there.
    pub fn ask_any(&self, standing: &mut [Standing]) -> Outcome {
        let mut failures = Vec::new();
        for server in &self.known.nodes {
            match self.ask(server, standing) {
                Ok(_) => return Ok(()),
                Err(failure) => failures.push(failure),
            }
        }
        Err(Failure::of_all(failures).unwrap_or_else(no_node))
    }

    /// Whether the node had anything to tell.
    fn ask(&self, server: &Server, standing: &mut [Standing]) -> Outcome<bool> {
        let node = Node::at(&server.http);
        let mut told = false;
        for one in standing.iter_mut().filter(|one| one.status != "settled") {
            let path = format!("/v1/cooperatives/{}/entries/{}", self.known.cooperative, one.id);
            let reader = self.key.map(|key| Reader { key, node: server.node });
            match node.read::<Seen>(&path, reader.as_ref()) {
                Ok(seen) => one.told(&seen),
                Err(failure) if failure.is_absence() => continue,
                Err(failure) => return Err(failure),
            }
            told = true;
        }
        Ok(told)
    }
}

/// Says where an entry stands.
pub fn say(standing: &Standing) {
    let Standing { label, id, receipts, roster, .. } = standing;
    let id = id.to_string();
    let short = id.get(..12).unwrap_or_default();
    let status = match standing.status {
        "settled" => styled(GOOD, &format!("{:<8}", "settled")),
        "sent" if *receipts > 0 => format!("{:<8}", format!("{receipts} of {roster}")),
        other => format!("{other:<8}"),
    };
    out::say(&format!("{status}  {label}  {}", styled(DIM, short)));
}

/// Nobody is there to be asked.
pub fn no_node() -> Failure {
    Failure::node(
        "this wallet knows no node of the cooperative",
        "add one with `talea join ID --node ADDRESS`",
    )
}
