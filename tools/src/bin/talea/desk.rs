//! Where a member works: wallet, journal, book and nodes of one cooperative, for one command.
//!
//! fetch -> draft -> preview -> confirm -> promise (synced) -> sign -> send. Every step but the
//! first and the last works without a node. Nothing a node says is believed before it is audited.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use talea_ledger::verdict::Verdict;
use talea_protocol::act::Act;
use talea_protocol::entry::Header;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, SecretKey};
use talea_tools::book::Book;
use talea_tools::journal::{Draft, Journal, Kept, reading};
use talea_tools::keyfile::{self, KeyFile};
use talea_tools::preview;
use talea_tools::verify::{self, Audit, Policy, Status};
use talea_tools::wallet::{Known, Server, Wallet};

use crate::cli::Common;
use crate::clock::{self, Deadline};
use crate::failure::{Failure, Outcome};
use crate::http::{Node, Reader, Submitted};
use crate::out::{self, DIM, Form, GOOD, styled};
use crate::secret;

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
    /// Nodes of the roster.
    pub roster: u32,
}

/// What a node says of an entry.
#[derive(Debug, Deserialize)]
struct Held {
    receipts: u32,
    roster: u32,
    settled: bool,
}

/// A member's desk.
pub struct Desk<'a> {
    common: &'a Common,
    wallet: Wallet,
    /// The cooperative.
    pub known: Known,
    /// What is known of it here.
    pub book: Book,
    journal: Journal,
    key: Option<SecretKey>,
    device: DeviceKey,
    /// Entries of this wallet that the last export shows as settled.
    settled: u64,
}

/// The wallet that the command names.
pub fn wallet(common: &Common) -> Outcome<Wallet> {
    let folder = match &common.wallet {
        Some(folder) => folder.clone(),
        None => Wallet::usual_folder()?,
    };
    Ok(Wallet::open(&folder)?)
}

/// How the command gives its results.
pub const fn form(common: &Common) -> Form {
    if common.json { Form::Json } else { Form::Text }
}

impl<'a> Desk<'a> {
    /// A desk to read at: what was last fetched, and what was signed here since.
    pub fn reading(common: &'a Common) -> Outcome<Self> {
        let wallet = wallet(common)?;
        let known = wallet.cooperative(common.coop.as_deref())?;
        Self::sit(common, wallet, known, None)
    }

    /// A desk to sign at: the key is open, and what the nodes hold was fetched.
    pub fn signing(common: &'a Common) -> Outcome<Self> {
        let wallet = wallet(common)?;
        let known = wallet.cooperative(common.coop.as_deref())?;
        let key = secret::unlock(common, &wallet)?;
        if !common.offline {
            match fetch(&wallet, &known, Some(&key)) {
                Ok(_) => {}
                Err(failure) => {
                    out::note(&styled(DIM, &format!("working without a node: {failure}")));
                }
            }
        }
        Self::sit(common, wallet, known, Some(key))
    }

    fn sit(
        common: &'a Common,
        wallet: Wallet,
        known: Known,
        key: Option<SecretKey>,
    ) -> Outcome<Self> {
        let device = KeyFile::read(&wallet.key())?.device();
        let mut journal = wallet.journal(&known.cooperative)?;
        let (book, settled) = match last_export(&wallet, &known)? {
            Some(audit) => {
                adopt(&mut journal, &audit, &device)?;
                let book = Book::of(audit);
                let settled = book.as_ref().map_or(0, |book| settled_of(book, &device));
                (book, settled)
            }
            None => (first_book(&journal)?, 0),
        };
        let mut book = book.ok_or_else(nothing_here)?;
        for kept in journal.kept() {
            if let Some(entry) = kept.reading() {
                // What does not fit yet (its basis is not here) waits for the next fetch.
                let _ = book.add(entry);
                if let Some(payload) = kept.payload_bytes() {
                    book.read_payload(&kept.id, &payload);
                }
            }
        }
        Ok(Self { common, wallet, known, book, journal, key, device, settled })
    }

    /// This wallet's device.
    pub const fn device(&self) -> DeviceKey {
        self.device
    }

    /// The key of a desk to sign at.
    pub fn key(&self) -> Outcome<&SecretKey> {
        self.key.as_ref().ok_or_else(|| Failure::usage("the key is not open", "try again"))
    }

    /// What was signed here and is not settled in the last export.
    pub fn open(&self) -> impl Iterator<Item = &Kept> {
        self.journal.kept().iter().filter(|kept| kept.seq >= self.settled)
    }

    /// States an act: preview, verdict, consent, signature, and on to the nodes.
    pub fn state(&mut self, act: &Act, note: Option<Vec<u8>>) -> Outcome {
        let draft = self.draft(act, note)?;
        let verdict = self.foresee(&draft)?;
        self.show(&draft, verdict)?;
        if !self.common.dry_run {
            self.refuse_void(verdict)?;
        }
        if !confirm(self.common)? {
            return Ok(());
        }
        self.journal.promise(&draft)?;
        let seq = self.journal.next().0 - 1;
        let key = self.key.as_ref().ok_or_else(nothing_here)?;
        let entry = self.journal.sign(seq, key)?;
        // A label needs the entry in the book; a book that cannot take it shows the id.
        let _ = self.book.add(entry);
        let standing = self.deliver()?;
        form(self.common).give(&standing, |standing| standing.iter().for_each(say));
        Ok(())
    }

    /// Sends everything that is open, and says where it stands.
    pub fn deliver(&mut self) -> Outcome<Vec<Standing>> {
        self.sign_leftovers()?;
        let waiting: Vec<Kept> = self.open().cloned().collect();
        let mut standing: Vec<Standing> = waiting.iter().map(|kept| self.kept(kept)).collect();
        if self.common.offline || waiting.is_empty() {
            return Ok(standing);
        }
        match self.send(&waiting) {
            Ok((node, submitted)) => {
                for (one, submitted) in standing.iter_mut().zip(submitted) {
                    // A node that lacks what an entry names keeps it in memory only.
                    one.status = if submitted.status == "waiting" { "waiting" } else { "sent" };
                }
                self.follow(&node, &mut standing);
            }
            Err(failure) if matches!(failure.kind(), crate::failure::Kind::Node) => {
                out::note(&styled(DIM, &format!("kept, and not sent: {failure}")));
                out::note(&styled(DIM, &format!("  {}", failure.next())));
            }
            Err(failure) => return Err(failure),
        }
        Ok(standing)
    }

    /// Signs what was promised when the program was stopped before its signature.
    fn sign_leftovers(&mut self) -> Outcome {
        let unsigned: Vec<u64> =
            self.open().filter(|kept| kept.signature.is_none()).map(|kept| kept.seq).collect();
        if unsigned.is_empty() {
            return Ok(());
        }
        if self.key.is_none() {
            self.key = Some(secret::unlock(self.common, &self.wallet)?);
        }
        let key = self.key.as_ref().ok_or_else(nothing_here)?;
        for seq in unsigned {
            self.journal.sign(seq, key)?;
        }
        Ok(())
    }

    /// Sends to the first node that answers; the others have it from there.
    fn send(&self, waiting: &[Kept]) -> Outcome<(Node, Vec<Submitted>)> {
        let mut last = no_node();
        for server in &self.known.nodes {
            let node = Node::at(&server.http);
            match self.send_to(&node, waiting) {
                Ok(submitted) => return Ok((node, submitted)),
                Err(failure) if failure.kind() == crate::failure::Kind::Node => last = failure,
                Err(failure) => return Err(failure),
            }
        }
        Err(last)
    }

    fn send_to(&self, node: &Node, waiting: &[Kept]) -> Outcome<Vec<Submitted>> {
        let submit = |kept: &Kept| {
            let entry = kept.entry().ok_or_else(nothing_here)?;
            node.submit(&entry, kept.payload.as_ref())
        };
        waiting.iter().map(submit).collect()
    }

    /// Asks until everything is settled, or the wait is over.
    fn follow(&self, node: &Node, standing: &mut [Standing]) {
        let deadline = Deadline::within(SETTLE_MAX);
        loop {
            let mut told = false;
            for one in standing.iter_mut().filter(|one| one.status != "settled") {
                if let Ok(held) = self.held(node, &one.id) {
                    told = true;
                    (one.receipts, one.roster) = (held.receipts, held.roster);
                    if held.settled {
                        one.status = "settled";
                    }
                }
            }
            // A private cooperative's node says nothing to a wallet whose key is not open.
            if !told || deadline.is_over() {
                return;
            }
            std::thread::sleep(SETTLE_POLL);
        }
    }

    fn held(&self, node: &Node, id: &EntryId) -> Outcome<Held> {
        let path = format!("/v1/cooperatives/{}/entries/{id}", self.known.cooperative);
        let server =
            self.known.nodes.iter().find(|server| Node::at(&server.http).shown() == node.shown());
        let reader = self.key.as_ref().zip(server);
        let reader = reader.map(|(key, server)| Reader { key, node: server.node });
        node.read(&path, reader.as_ref())
    }

    /// An entry as it stands without a node's word.
    pub fn kept(&self, kept: &Kept) -> Standing {
        let roster = self.book.register().roster().nodes.len();
        Standing {
            id: kept.id,
            label: self.book.label(&kept.id),
            seq: kept.seq,
            status: "kept",
            receipts: 0,
            roster: u32::try_from(roster).unwrap_or(u32::MAX),
        }
    }

    fn draft(&self, act: &Act, note: Option<Vec<u8>>) -> Outcome<Draft> {
        let header = self.book.header(&self.device, clock::now_ms()).ok_or_else(|| {
            Failure::rule(
                format!("device {} is not enrolled in {}", self.device, self.known.name),
                "ask to be let in with `talea request`, and run `talea fetch` once you are",
            )
        })?;
        let (seq, prev) = self.journal.next();
        let header = Header { seq, prev, ..header };
        let salt = keyfile::random::<32>()?;
        let payload = note.as_deref().map(|bytes| (&*salt, bytes));
        Ok(Draft::new(header, act, payload)?)
    }

    /// The verdict that the statement would get by what is known here.
    fn foresee(&self, draft: &Draft) -> Outcome<Verdict> {
        let entry = reading(draft.bytes()).ok_or_else(|| {
            Failure::rule("the statement is too long for an entry", "say it in fewer words")
        })?;
        Ok(self.book.judge(&entry)?)
    }

    fn show(&self, draft: &Draft, verdict: Verdict) -> Outcome {
        let payload = draft.payload_bytes();
        let rows = preview::rows(draft.bytes(), payload.as_deref(), Some(&self.book));
        let mut rows = rows.ok_or_else(nothing_here)?;
        rows.push(("id", draft.id().to_string()));
        rows.push(("verdict", foreseen(verdict)));
        match form(self.common) {
            Form::Text => out::preview(&format!("To be signed for {}", self.known.name), &rows),
            Form::Json if self.common.dry_run => {
                let (header, act) = preview::read(draft.bytes()).ok_or_else(nothing_here)?;
                out::say(
                    &serde_json::json!({ "dry_run": true, "id": draft.id(), "header": header,
                    "act": act, "verdict": foreseen(verdict) })
                    .to_string(),
                );
            }
            Form::Json => {}
        }
        Ok(())
    }

    fn refuse_void(&self, verdict: Verdict) -> Outcome {
        match verdict {
            Verdict::Void(void) if !self.common.anyway => Err(Failure::rule(
                void.to_string(),
                "change what the rule names; if the nodes know more than this wallet, `talea fetch` \
                 first; --anyway signs all the same",
            )),
            _ => Ok(()),
        }
    }
}

/// A verdict, in words for whoever is about to sign.
fn foreseen(verdict: Verdict) -> String {
    match verdict {
        Verdict::Counted => "counts, by what is known here".to_owned(),
        Verdict::Pending(_) => "will count once what it names is settled".to_owned(),
        Verdict::Void(void) => format!("void: {void}"),
    }
}

/// Whether to sign: asks whoever sits at the terminal. In a dry run nothing is signed.
pub fn confirm(common: &Common) -> Outcome<bool> {
    if common.dry_run || common.yes {
        return Ok(!common.dry_run);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "there is nobody to ask whether to sign",
            "look at it with --dry-run, then sign with --yes",
        ));
    }
    anstream::eprint!("Sign this? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes" | "o" | "oui") => Ok(true),
        _ => Err(Failure::usage("nothing was signed", "answer `y` to sign")),
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

/// Brings the export of the node that holds most of this wallet's chain; what it shows is audited
/// and kept. Returns who gave it.
pub fn fetch(wallet: &Wallet, known: &Known, key: Option<&SecretKey>) -> Outcome<(String, Audit)> {
    let mut best: Option<(String, Vec<u8>, Audit)> = None;
    let mut last = no_node();
    for server in &known.nodes {
        match fetch_from(known, server, key) {
            Ok((file, audit)) => {
                let weight = |audit: &Audit| audit.summary().entries;
                if best.as_ref().is_none_or(|(_, _, held)| weight(held) < weight(&audit)) {
                    best = Some((server.http.clone(), file, audit));
                }
            }
            Err(failure) => last = failure,
        }
    }
    let (from, file, audit) = best.ok_or(last)?;
    wallet.keep_export(&known.cooperative, &file)?;
    Ok((from, audit))
}

fn fetch_from(
    known: &Known,
    server: &Server,
    key: Option<&SecretKey>,
) -> Outcome<(Vec<u8>, Audit)> {
    let node = Node::at(&server.http);
    let reader = key.map(|key| Reader { key, node: server.node });
    let path = format!("/v1/cooperatives/{}/export", known.cooperative);
    let file = node.read_bytes(&path, reader.as_ref())?;
    let audit = verify::audit(&file, &Policy::default(), clock::now_ms() / 1000)?;
    if audit.shown.cooperative != known.cooperative {
        return Err(Failure::node(
            format!("{} gave the export of another cooperative", node.shown()),
            "name another node with `talea join`",
        ));
    }
    if matches!(audit.status, Status::Invalid | Status::Forked) {
        let what = verify::text::headline(&audit);
        out::note(&styled(out::BAD, &format!("{}: {what}", node.shown())));
    }
    Ok((file, audit))
}

fn last_export(wallet: &Wallet, known: &Known) -> Outcome<Option<Audit>> {
    let path = wallet.export(&known.cooperative);
    match std::fs::read(&path) {
        Ok(file) => Ok(Some(verify::audit(&file, &Policy::default(), clock::now_ms() / 1000)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(&path, &error)),
    }
}

/// A cooperative that was founded here and is on no node yet.
fn first_book(journal: &Journal) -> Outcome<Option<Book>> {
    let charter = journal.kept().first().and_then(Kept::reading);
    Ok(charter.map(Book::found).transpose()?)
}

/// How many entries of a device's chain the book adds up.
fn settled_of(book: &Book, device: &DeviceKey) -> u64 {
    let (at, _) = book.register().head();
    let number = book.register().device(device, at);
    number.map_or(0, |number| u64::from(book.state().length(number)))
}

/// Takes over what a node holds of this wallet's chain and the journal does not.
fn adopt(journal: &mut Journal, audit: &Audit, device: &DeviceKey) -> Outcome {
    let entries = audit.shown.entries.values();
    let mut own: Vec<_> = entries.filter(|entry| entry.header().device == *device).collect();
    own.sort_by_key(|entry| entry.header().seq);
    for entry in own {
        journal.adopt(entry)?;
    }
    Ok(())
}

fn no_node() -> Failure {
    Failure::node(
        "this wallet knows no node of the cooperative",
        "add one with `talea join ID --node ADDRESS`",
    )
}

fn nothing_here() -> Failure {
    Failure::usage(
        "nothing is known here of this cooperative yet",
        "run `talea fetch`, with a node's address from `talea join`",
    )
}
