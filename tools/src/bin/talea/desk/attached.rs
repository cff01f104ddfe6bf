//! Files that are attached to what is stated: kept here first, then given to the nodes.
//!
//! A node takes a file once it has the payload that names it. What so many nodes have as settle an
//! entry (or all that this wallet knows) is not kept here any longer.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use talea_protocol::attachment::{ATTACHMENTS_MAX, Attachment, Visibility};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::NodeKey;
use talea_tools::attachment::{AttachmentFault, Waiting, measure};
use talea_tools::wallet::Server;

use super::Desk;
use crate::cli::{Attach, Sight};
use crate::clock::Deadline;
use crate::failure::{Failure, Outcome};
use crate::http::{Node, Reader};
use crate::out::{self, DIM, styled};
use crate::secret;

/// How long a command waits for nodes to have the payload that names a file.
const PAYLOAD_MAX: Duration = Duration::from_secs(5);
/// Between two tries.
const PAYLOAD_POLL: Duration = Duration::from_millis(100);
/// How often a file is sent to a node whose connection breaks off, or that is busy.
const TRIES: usize = 3;
/// Between two of these.
const TRY_PAUSE: Duration = Duration::from_secs(1);

/// The attachments of an entry, as a node lists them.
#[derive(Debug, Deserialize)]
struct Listed {
    attachments: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    blake3: Hash,
    size: u64,
    here: bool,
}

impl Desk<'_> {
    /// Measures files to lie beside what is stated next; returns what its payload says of them.
    pub fn enclose(&mut self, attach: &Attach) -> Outcome<Vec<Attachment>> {
        let visibility = match attach.visible {
            Sight::Public => Visibility::Public,
            Sight::Members => Visibility::Members,
            Sight::Officers => Visibility::Officers,
        };
        self.enclosed.clear();
        for path in &attach.files {
            let attachment = measure(path, visibility)?;
            // The same file twice is the same attachment.
            if self.enclosed.iter().all(|(_, it)| it.blake3 != attachment.blake3) {
                self.enclosed.push((path.clone(), attachment));
            }
        }
        if self.enclosed.len() > ATTACHMENTS_MAX {
            return Err(Failure::usage(
                format!("an entry has at most {ATTACHMENTS_MAX} attachments"),
                "attach the others to a comment on the entry: `talea comment`",
            ));
        }
        Ok(self.enclosed.iter().map(|(_, it)| it.clone()).collect())
    }

    /// Copies them into the wallet, before the statement that names them is promised.
    pub(super) fn keep_enclosed(&mut self, entry: &EntryId) -> Outcome {
        let attic = self.wallet.attic(&self.known.cooperative);
        for (path, attachment) in std::mem::take(&mut self.enclosed) {
            attic.keep(entry, &attachment, &path)?;
        }
        Ok(())
    }

    /// Gives the nodes what waits here, and says what still does.
    pub(super) fn deliver_attachments(&mut self) -> Outcome {
        let attic = self.wallet.attic(&self.known.cooperative);
        let waiting = attic.waiting()?;
        let (erased, mut waiting): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|one| self.book.state().erased().contains_key(&one.entry));
        for one in &erased {
            attic.forget(one)?;
        }
        // What a program that was stopped kept for a statement that was never promised.
        waiting.retain(|one| self.journal.kept().iter().any(|kept| kept.id == one.entry));
        if waiting.is_empty() || self.common.offline {
            return Ok(());
        }
        if self.key.is_none() {
            self.key = Some(secret::unlock(self.common, &self.wallet)?);
        }
        let quorum = usize::from(self.book.register().roster().quorum);
        let needed = quorum.min(self.known.nodes.len()).max(1);
        let mut parcels: Vec<Parcel> = waiting.into_iter().map(Parcel::of).collect();
        let deadline = Deadline::within(PAYLOAD_MAX);
        loop {
            for parcel in &mut parcels {
                self.give(parcel);
                if parcel.holders >= needed {
                    attic.forget(&parcel.one)?;
                }
            }
            parcels.retain(|parcel| parcel.holders < needed);
            let is_broken = parcels.iter().any(|parcel| parcel.broken().next().is_some());
            if parcels.is_empty() || (deadline.is_over() && !is_broken) {
                parcels.iter().for_each(|parcel| parcel.say_left(needed));
                return Ok(());
            }
            parcels.iter().for_each(Parcel::say_again);
            std::thread::sleep(if is_broken { TRY_PAUSE } else { PAYLOAD_POLL });
        }
    }

    /// Gives a file to each node that has not given up on it.
    fn give(&self, parcel: &mut Parcel) {
        parcel.holders = 0;
        for server in &self.known.nodes {
            let tries = parcel.troubles.get(&server.node).map_or(0, |it| it.tries);
            if tries > 0 && !parcel.broken().any(|(node, _)| *node == server.node) {
                continue;
            }
            match self.give_to(server, &parcel.one) {
                Ok(has) => parcel.holders += usize::from(has),
                Err(failure) => {
                    let trouble = Trouble { tries: tries + 1, failure };
                    parcel.troubles.insert(server.node, trouble);
                }
            }
        }
    }

    /// Whether a node has a file now; false while it lacks the payload that names it.
    fn give_to(&self, server: &Server, one: &Waiting) -> Outcome<bool> {
        let (node, key) = (Node::at(&server.http), self.key()?);
        let reader = Reader { key, node: server.node };
        let path = path(&self.known.cooperative, &one.entry);
        let listed: Listed = node.read(&path, Some(&reader))?;
        let Some(row) = listed.attachments.iter().find(|row| row.blake3 == one.blake3) else {
            return Ok(false);
        };
        if !row.here {
            let mut file =
                File::open(&one.path).map_err(|error| Failure::file(&one.path, &error))?;
            node.put(&format!("{path}/{}", one.blake3), &mut file, row.size, &reader)?;
        }
        Ok(true)
    }

    /// Writes an attachment to a file, from the first node that gives it whole and right; or from
    /// what waits here.
    pub fn fetch_attachment(
        &mut self,
        entry: &EntryId,
        attachment: &Attachment,
        output: &Path,
    ) -> Outcome<String> {
        let attic = self.wallet.attic(&self.known.cooperative);
        let here = attic.waiting()?.into_iter();
        let mut here = here.filter(|it| it.entry == *entry && it.blake3 == attachment.blake3);
        if let Some(one) = here.next() {
            let mut file =
                File::open(&one.path).map_err(|error| Failure::file(&one.path, &error))?;
            talea_tools::attachment::save(&mut file, attachment, output)?;
            return Ok("this wallet".to_owned());
        }
        let mut failures = Vec::new();
        for server in self.known.nodes.clone() {
            match self.fetch_from(&server, entry, attachment, output) {
                Ok(()) => return Ok(server.http),
                Err(failure) => failures.push(failure),
            }
        }
        Err(Failure::of_all(failures).unwrap_or_else(crate::standing::no_node))
    }

    fn fetch_from(
        &mut self,
        server: &Server,
        entry: &EntryId,
        attachment: &Attachment,
        output: &Path,
    ) -> Outcome {
        self.open_key()?;
        let reader = Reader { key: self.key()?, node: server.node };
        let path = format!("{}/{}", path(&self.known.cooperative, entry), attachment.blake3);
        let mut given = Node::at(&server.http).stream(&path, Some(&reader))?;
        let saved = talea_tools::attachment::save(&mut given, attachment, output);
        saved.map_err(|fault| match fault {
            AttachmentFault::Mismatch { mismatch, .. } => Failure::node(
                format!("{} gives other bytes: {mismatch}", server.http),
                "tell its operator; another node may have the right ones",
            ),
            other => other.into(),
        })
    }
}

fn path(cooperative: &EntryId, entry: &EntryId) -> String {
    format!("/v1/cooperatives/{cooperative}/entries/{entry}/attachments")
}

/// A file on its way to the nodes.
struct Parcel {
    one: Waiting,
    /// How many have it.
    holders: usize,
    /// What went wrong with others, the last time.
    troubles: BTreeMap<NodeKey, Trouble>,
}

struct Trouble {
    tries: usize,
    failure: Failure,
}

impl Parcel {
    const fn of(one: Waiting) -> Self {
        Self { one, holders: 0, troubles: BTreeMap::new() }
    }

    /// Nodes that may take it at once after: their connection broke off, or they were busy.
    fn broken(&self) -> impl Iterator<Item = (&NodeKey, &Trouble)> {
        self.troubles.iter().filter(|(_, it)| it.failure.is_passing() && it.tries < TRIES)
    }

    fn say_again(&self) {
        for (_, Trouble { tries, failure }) in self.broken() {
            self.say(&format!("{failure}; it is sent again, try {} of {TRIES}", tries + 1));
        }
    }

    fn say_left(&self, needed: usize) {
        self.say(&format!("{} of {needed} nodes have it; kept for `talea send`", self.holders));
        for Trouble { failure, .. } in self.troubles.values() {
            out::note(&styled(DIM, &format!("  {failure}")));
        }
    }

    fn say(&self, words: &str) {
        let hash = self.one.blake3.to_string();
        let hash = hash.get(..12).unwrap_or_default();
        out::note(&styled(DIM, &format!("attachment {hash}: {words}")));
    }
}
