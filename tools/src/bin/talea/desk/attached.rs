//! Files that are attached to what is stated: kept here first, then given to the nodes.
//!
//! A node takes a file once it has the payload that names it. What so many nodes have as settle an
//! entry (or all that this wallet knows) is not kept here any longer.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use talea_protocol::attachment::{ATTACHMENTS_MAX, Attachment, Visibility};
use talea_protocol::hash::{EntryId, Hash};
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
        let deadline = Deadline::within(PAYLOAD_MAX);
        loop {
            let mut left = Vec::new();
            for one in waiting {
                let holders = self.give(&one);
                if holders >= needed {
                    attic.forget(&one)?;
                } else {
                    left.push((one, holders));
                }
            }
            if left.is_empty() || deadline.is_over() {
                left.iter().for_each(|(one, holders)| say(one, *holders, needed));
                return Ok(());
            }
            waiting = left.into_iter().map(|(one, _)| one).collect();
            std::thread::sleep(PAYLOAD_POLL);
        }
    }

    /// How many nodes have a file after each was given it.
    fn give(&self, one: &Waiting) -> usize {
        self.known.nodes.iter().filter(|server| self.give_to(server, one).unwrap_or(false)).count()
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

fn say(one: &Waiting, holders: usize, needed: usize) {
    let hash = one.blake3.to_string();
    let hash = hash.get(..12).unwrap_or_default();
    out::note(&styled(
        DIM,
        &format!("attachment {hash}: {holders} of {needed} nodes have it; kept for `talea send`"),
    ));
}
