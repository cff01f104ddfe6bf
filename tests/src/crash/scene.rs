//! A node as a process, members who submit to it over HTTP, and an observer outside who notes what
//! it acknowledges and shows.
//!
//! Who kills it, and when, is the trial's business; what did not hold, the observer's.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::time::Duration;
use std::{fs, io, thread};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use talea_protocol::checkpoint::{Checkpoint, open};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::receipt::Receipt;
use talea_protocol::tile::{TILE_WIDTH, TilePath, split_bundle, width};
use talea_protocol::tree::leaf_hash;

use crate::chance::Chance;
use crate::observer::{Fault, Kept, Observer};
use crate::people::secret;
use crate::process::{Talead, proof_at};
use crate::wire::Wire;

/// Members who submit at the same time, each its own chain over its own connection.
pub const LANES: usize = 8;

/// Which log is held to what was heard of it.
#[derive(Clone, Copy, Debug)]
pub struct Whose {
    /// The node that spoke.
    pub node: NodeKey,
    /// The cooperative.
    pub cooperative: EntryId,
    /// Seconds by which the node's clock is ahead.
    pub ahead: i64,
}

/// Somebody who asks a node, over one connection. An error of a kind other than the connection's
/// carries what the node said.
pub struct Caller {
    wire: Wire<TcpStream>,
    node: NodeKey,
    cooperative: EntryId,
    device: SecretKey,
    /// Seconds by which the node's clock is ahead.
    ahead: i64,
}

impl Caller {
    /// Connects to a node.
    ///
    /// # Errors
    /// The system's.
    pub fn new(node: &Talead, cooperative: EntryId, ahead: i64) -> io::Result<Self> {
        let wire = Wire::tcp(node.http())?;
        Ok(Self { wire, node: node.node(), cooperative, device: secret(0), ahead })
    }

    /// The index that the node acknowledges, and whether it knew the entry already.
    ///
    /// # Errors
    /// The connection's, or what the node says that acknowledges nothing.
    pub fn submit(&mut self, entry: &Signed) -> io::Result<(u64, bool)> {
        let path = format!("/v1/cooperatives/{}/entries", self.cooperative);
        let body = json!({ "entry": STANDARD.encode(entry.bytes()), "payload": null }).to_string();
        let answer = self.wire.ask("POST", &path, "", body.as_bytes())?;
        let said: Value = serde_json::from_slice(&answer.body).map_err(io::Error::other)?;
        match (said["index"].as_u64(), said["status"].as_str()) {
            (Some(index), Some("placed")) => Ok((index, false)),
            (Some(index), Some("known")) => Ok((index, true)),
            _ => Err(io::Error::other(said.to_string())),
        }
    }

    /// What stands at a path of the cooperative; `None` if nothing does.
    ///
    /// # Errors
    /// The connection's, or what the node says.
    pub fn get(&mut self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let path = format!("/v1/cooperatives/{}/{path}", self.cooperative);
        let headers = proof_at(&self.device, &self.node, &path, self.ahead);
        let answer = self.wire.ask("GET", &path, &headers, b"")?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            _ => Err(io::Error::other(String::from_utf8_lossy(&answer.body).into_owned())),
        }
    }

    /// Why the node is not ready, in its words; `None` if it is.
    ///
    /// # Errors
    /// The connection's.
    pub fn not_ready(&mut self) -> io::Result<Option<String>> {
        let answer = self.wire.ask("GET", "/readyz", "", b"")?;
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        Ok((answer.status != 200).then_some(said))
    }

    fn checkpoint(&mut self) -> io::Result<Checkpoint> {
        let note = self.get("checkpoint")?;
        let note = note.ok_or_else(|| io::Error::other("there is no checkpoint"))?;
        let opened = open(&note, &self.cooperative, &self.node, &[]).map_err(io::Error::other)?;
        Ok(opened.checkpoint().clone())
    }

    /// The first leaves of the node's log, as far as it shows them.
    fn leaves(&mut self, size: u64) -> io::Result<Vec<Vec<u8>>> {
        let mut leaves = Vec::new();
        for index in 0..size.div_ceil(TILE_WIDTH) {
            let count = width(0, index, size);
            let partial = u8::try_from(count).ok();
            let path = TilePath { level: None, index, partial }.to_string();
            let Some(bundle) = self.get(&path)? else { break };
            let split = split_bundle(&bundle, count).map_err(io::Error::other)?;
            leaves.extend(split.into_iter().map(<[u8]>::to_vec));
        }
        Ok(leaves)
    }

    fn entry(&mut self, id: &EntryId) -> io::Result<Option<(u64, Vec<u8>)>> {
        let Some(body) = self.get(&format!("entries/{id}"))? else { return Ok(None) };
        let row: Value = serde_json::from_slice(&body).map_err(io::Error::other)?;
        let bytes = row["bytes"].as_str().and_then(|bytes| STANDARD.decode(bytes).ok());
        Ok(row["index"].as_u64().zip(bytes))
    }

    /// Whether the node's receipt shows that its log has this leaf there.
    fn is_proven(&mut self, id: &EntryId, kept: &Kept) -> io::Result<bool> {
        let Some(text) = self.get(&format!("proofs/{id}"))? else { return Ok(false) };
        let receipt = Receipt::parse(&text).map_err(io::Error::other)?;
        let leaf = leaf_hash(&kept.leaf);
        let verified = receipt.verify(&leaf, &self.cooperative, &self.node, &[]);
        Ok(receipt.index == kept.index && verified.is_ok())
    }

    /// Holds the node to all that it has said.
    ///
    /// # Errors
    /// The connection's, or what the node says instead of an answer.
    ///
    /// # Panics
    /// If the observer has lost what it was told.
    pub fn inspect(&mut self, observer: &mut Observer, chance: &mut Chance) -> io::Result<()> {
        let before = observer.floor();
        let checkpoint = self.checkpoint()?;
        observer.show(&checkpoint, before);
        observer.read(&self.leaves(checkpoint.size)?);
        for entry in observer.take_fresh() {
            observer.give(entry, self.entry(&entry)?.as_ref());
        }
        let all = observer.acknowledged();
        if !all.is_empty() {
            let (entry, kept) = all.iter().nth(chance.index(all.len())).expect("below its length");
            let (entry, is_proven) = (*entry, self.is_proven(entry, kept)?);
            observer.give(entry, self.entry(&entry)?.as_ref());
            if !is_proven {
                observer.fault(Fault::Unproven { entry });
            }
        }
        Ok(())
    }
}

/// One member, who goes on where the last acknowledgement came.
struct Lane<'a> {
    entries: Vec<&'a Signed>,
    next: usize,
    /// Entries that the node had kept, though nobody was told before it was killed.
    untold: usize,
}

/// An observer, and the journal whose length is its clock.
struct Post {
    observer: Mutex<Observer>,
    journal: Option<PathBuf>,
}

impl Post {
    /// The observer, at a time when the node had done at least what it has just spoken of.
    fn hear(&self) -> MutexGuard<'_, Observer> {
        let now = self.journal.as_ref().map_or(0, |path| length(path));
        let mut observer = self.observer.lock().expect("nobody panics with it");
        observer.at(now);
        observer
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}

impl Lane<'_> {
    /// Submits so many entries, one after the other; before them once more what was acknowledged
    /// last, which must still have its place. An error means that the node is gone.
    fn submit(&mut self, share: usize, caller: &mut Caller, post: &Post) -> io::Result<()> {
        let end = (self.next + share).min(self.entries.len());
        for number in self.next.saturating_sub(1)..end {
            let entry = self.entries[number];
            let (index, is_known) = caller.submit(entry)?;
            post.hear().acknowledge(entry, index);
            if number == self.next {
                self.untold += usize::from(is_known);
                self.next += 1;
            }
            if number.is_multiple_of(4) {
                // It covers at least what was acknowledged before it was asked for.
                let before = post.hear().floor();
                let checkpoint = caller.checkpoint()?;
                post.hear().show(&checkpoint, before);
            }
        }
        Ok(())
    }
}

/// A node that something happens to, and whoever watches it.
pub struct Scene<'a> {
    /// The node.
    pub node: Talead,
    /// The cooperative that it keeps.
    pub cooperative: EntryId,
    /// Seconds by which the node's clock is ahead.
    pub ahead: i64,
    owner: NodeKey,
    lanes: Vec<Lane<'a>>,
    post: Post,
}

impl<'a> Scene<'a> {
    /// A running node, which is told to keep the cooperative of the first entry; the others are
    /// to be submitted. With a journal, its length is the observer's clock.
    ///
    /// # Panics
    /// If it refuses.
    #[must_use]
    pub fn new(node: Talead, entries: &'a [Signed], journal: Option<PathBuf>) -> Self {
        let (charter, work) = entries.split_first().expect("a charter");
        let cooperative = charter.id();
        let body = json!({
            "cooperative": cooperative,
            "charter": STANDARD.encode(charter.bytes()),
        });
        let control = node.folder().join("control.sock");
        let hosted = Wire::unix(&control)
            .and_then(|mut control| control.ask("POST", "/host", "", body.to_string().as_bytes()));
        let hosted = hosted.expect("it answers its operator");
        assert_eq!(hosted.status, 200, "{}", String::from_utf8_lossy(&hosted.body));
        let lane = |first| Lane {
            entries: work.iter().skip(first).step_by(LANES).collect(),
            next: 0,
            untold: 0,
        };
        let lanes = (0..LANES).map(lane).collect();
        let post = Post { observer: Mutex::default(), journal };
        Self { owner: node.node(), node, cooperative, ahead: 0, lanes, post }
    }

    /// Somebody new who asks the node.
    ///
    /// # Errors
    /// The system's.
    pub fn caller(&self) -> io::Result<Caller> {
        Caller::new(&self.node, self.cooperative, self.ahead)
    }

    /// All submit so many entries at once. Ends when the first of them is through, or after so
    /// long, or when the node is gone; whether anybody was through.
    ///
    /// # Panics
    /// If the node does not even take connections.
    pub fn live(&mut self, share: usize, long: Duration, then: impl FnOnce(&mut Talead)) -> bool {
        // All connections stand before the clock runs: later the port may be somebody else's.
        let callers: Vec<Caller> =
            self.lanes.iter().map(|_| self.caller().expect("the node answers")).collect();
        let (post, node) = (&self.post, &mut self.node);
        let (ended, first) = mpsc::channel();
        thread::scope(|scope| {
            for (lane, mut caller) in self.lanes.iter_mut().zip(callers) {
                let ended = ended.clone();
                scope.spawn(move || {
                    let end = lane.submit(share, &mut caller, post);
                    // Nobody listens any more once the first has ended.
                    let _ = ended.send(end.is_ok());
                });
            }
            let through = first.recv_timeout(long) == Ok(true);
            then(node);
            through
        })
    }

    /// All submit so many entries, one after the other, and nothing happens to the node.
    ///
    /// # Errors
    /// The connection's, or what the node says instead of an acknowledgement.
    pub fn submit(&mut self, share: usize) -> io::Result<()> {
        let mut caller = self.caller()?;
        self.lanes.iter_mut().try_for_each(|lane| lane.submit(share, &mut caller, &self.post))
    }

    /// Holds the node to all that it has said.
    ///
    /// # Errors
    /// As [`Caller::inspect`].
    pub fn inspect(&mut self, chance: &mut Chance) -> io::Result<()> {
        let mut caller = self.caller()?;
        caller.inspect(self.observer(), chance)
    }

    /// Whose log is watched.
    #[must_use]
    pub fn whose(&self) -> Whose {
        Whose { node: self.owner, cooperative: self.cooperative, ahead: self.ahead }
    }

    /// Whoever watches.
    ///
    /// # Panics
    /// If somebody panicked while it listened.
    pub fn observer(&mut self) -> &mut Observer {
        self.post.observer.get_mut().expect("nobody panics with it")
    }

    /// Entries that the node had kept, though nobody was told.
    #[must_use]
    pub fn untold(&self) -> usize {
        self.lanes.iter().map(|lane| lane.untold).sum()
    }
}

/// Copies a folder and all that is in it, but for sockets.
///
/// # Errors
/// The system's.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for found in fs::read_dir(from)? {
        let found = found?;
        let (kind, to) = (found.file_type()?, to.join(found.file_name()));
        if kind.is_dir() {
            copy(&found.path(), &to)?;
        } else if kind.is_file() {
            let _ = fs::copy(found.path(), to)?;
        }
    }
    Ok(())
}
