//! Where a member works: wallet, journal, book and nodes of one cooperative, for one command.
//!
//! fetch -> draft -> preview -> confirm -> promise (synced) -> sign -> send. Every step but the
//! first and the last works without a node. Nothing a node says is believed before it is audited.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Content};
use talea_protocol::attachment::Attachment;
use talea_protocol::charter::Charter;
use talea_protocol::entry::{Header, Signed};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, SecretKey};
use talea_tools::book::Book;
use talea_tools::heads::Head;
use talea_tools::journal::{Draft, Journal, Kept, reading};
use talea_tools::keyfile::{self, KeyFile};
use talea_tools::preview;
use talea_tools::remedy;
use talea_tools::voided;
use talea_tools::wallet::{Known, Outbox, Server, Wallet};
use talea_tools::witness::{self, Past};

use crate::cli::Common;
use crate::clock;
use crate::failure::{Failure, Kind, Outcome};
use crate::http::{Node, Submitted};
use crate::out::{self, DIM, Form, styled};
use crate::secret;
use crate::source::{fetch, last_export};
use crate::standing::{Enquiry, Standing, no_node, say};

mod attached;
mod head;

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
    /// What a node last said of the others.
    seen: Outbox,
    /// How many entries of this device the last export has.
    exported: u64,
    /// Whether the journal may be older than what was signed.
    past: Past,
    /// What the nodes have said of this chain, if they were asked.
    heard: Option<Vec<Head>>,
    /// Files to lie beside what is stated next.
    enclosed: Vec<(PathBuf, Attachment)>,
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

    /// A desk in this cooperative, whichever the command names, with the key that is open already.
    pub fn at(common: &'a Common, known: Known, key: SecretKey) -> Outcome<Self> {
        Self::sit(common, wallet(common)?, known, Some(key))
    }

    fn sit(
        common: &'a Common,
        wallet: Wallet,
        known: Known,
        key: Option<SecretKey>,
    ) -> Outcome<Self> {
        let device = KeyFile::read(&wallet.key())?.device();
        let journal = wallet.journal(&known.cooperative)?;
        let past = witness::past(&wallet, &known.cooperative, &journal);
        let (book, settled, exported) = match last_export(&wallet, &known)? {
            Some(audit) => {
                let exported = head::exported(&journal, &audit, &device)?;
                let book = Book::of(audit);
                let settled = book.as_ref().map_or(0, |book| settled_of(book, &device));
                (book, settled, exported)
            }
            None => (first_book(&journal)?, 0, 0),
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
        let seen = wallet.seen(&known.cooperative);
        let (heard, enclosed) = (None, Vec::new());
        Ok(Self {
            common,
            wallet,
            known,
            book,
            journal,
            key,
            device,
            settled,
            seen,
            exported,
            past,
            heard,
            enclosed,
        })
    }

    /// This wallet's device.
    pub const fn device(&self) -> DeviceKey {
        self.device
    }

    /// The key of a desk to sign at.
    pub fn key(&self) -> Outcome<&SecretKey> {
        self.key.as_ref().ok_or_else(|| Failure::usage("the key is not open", "try again"))
    }

    /// Opens the key of a desk to read at.
    pub fn open_key(&mut self) -> Outcome {
        if self.key.is_none() {
            self.key = Some(secret::unlock(self.common, &self.wallet)?);
        }
        Ok(())
    }

    /// What was signed here and is not settled in the last export.
    pub fn open(&self) -> impl Iterator<Item = &Kept> {
        self.journal.kept().iter().filter(|kept| kept.seq >= self.settled)
    }

    /// States an act: preview, verdict, consent, signature, and on to the nodes.
    pub fn state(&mut self, act: &Act, note: Option<Vec<u8>>) -> Outcome {
        if let Some(standing) = self.declare(act, note)? {
            form(self.common).give(&standing, |standing| standing.iter().for_each(say));
        }
        Ok(())
    }

    /// The same, and says nothing of where it stands; nothing if it was not signed.
    pub fn declare(&mut self, act: &Act, note: Option<Vec<u8>>) -> Outcome<Option<Vec<Standing>>> {
        self.hear()?;
        let draft = self.draft(act, note)?;
        let verdict = self.foresee(&draft)?;
        self.show(&draft, verdict)?;
        if !self.common.dry_run {
            refuse_void(self.common, verdict, self.book.register().charter())?;
            self.heard_enough()?;
            self.may_grow()?;
        }
        if !confirm(self.common, SIGN)? {
            return Ok(None);
        }
        self.keep_enclosed(&draft.id())?;
        self.journal.promise(&draft)?;
        let seq = self.journal.next().0 - 1;
        let key = self.key.as_ref().ok_or_else(nothing_here)?;
        let entry = self.journal.sign(seq, key)?;
        self.vouch()?;
        // A label needs the entry in the book; a book that cannot take it shows the id.
        let _ = self.book.add(entry);
        self.deliver().map(Some)
    }

    /// Sends everything that is open with what is attached to it, and says where it stands.
    pub fn deliver(&mut self) -> Outcome<Vec<Standing>> {
        let standing = self.deliver_entries()?;
        self.deliver_attachments()?;
        Ok(standing)
    }

    fn deliver_entries(&mut self) -> Outcome<Vec<Standing>> {
        let unsent = self.open().next().is_some();
        if unsent && let Err(failure) = self.may_send() {
            out::note(&styled(
                DIM,
                "kept, and not sent: what the nodes hold has to be known first",
            ));
            return Err(failure);
        }
        self.sign_leftovers()?;
        let waiting: Vec<Kept> = self.open().cloned().collect();
        let mut standing: Vec<Standing> = waiting.iter().map(|kept| self.kept(kept)).collect();
        if self.common.offline || waiting.is_empty() {
            return Ok(standing);
        }
        match self.send(&waiting) {
            Ok((server, submitted)) => {
                for (one, submitted) in standing.iter_mut().zip(&submitted) {
                    one.submitted(submitted);
                }
                self.open_if_offered()?;
                self.enquiry().follow(&server, &mut standing);
                self.remember(&standing)?;
            }
            Err(failure) if failure.kind() == Kind::Node => {
                out::note(&styled(DIM, &format!("kept, and not sent: {failure}")));
                out::note(&styled(DIM, &format!("  {}", failure.next())));
            }
            Err(failure) => {
                out::note(&styled(DIM, "kept, and not taken by the node: see `talea outbox`"));
                return Err(failure);
            }
        }
        Ok(standing)
    }

    /// What is open, and how far the nodes say it has come.
    pub fn outbox(&mut self) -> Outcome<Vec<Standing>> {
        let mut standing: Vec<Standing> = self.open().map(|kept| self.kept(kept)).collect();
        if self.common.offline || standing.is_empty() {
            return Ok(standing);
        }
        self.open_if_offered()?;
        let mut asked = self.enquiry().ask_any(&mut standing);
        if self.key.is_none()
            && asked.as_ref().is_err_and(|failure| failure.kind() == Kind::Private)
        {
            asked = secret::unlock(self.common, &self.wallet).and_then(|key| {
                self.key = Some(key);
                self.enquiry().ask_any(&mut standing)
            });
        }
        match asked {
            Ok(()) => self.remember(&standing)?,
            Err(failure) => out::note(&styled(DIM, &format!("no node says more: {failure}"))),
        }
        Ok(standing)
    }

    /// Keeps what a node has said, for when none can be asked.
    fn remember(&mut self, standing: &[Standing]) -> Outcome {
        let told = standing.iter().filter_map(|one| Some((one.id, one.seen()?)));
        let told: Outbox = told.collect();
        if told != self.seen {
            self.wallet.keep_seen(&self.known.cooperative, &told)?;
            self.seen = told;
        }
        Ok(())
    }

    const fn enquiry(&self) -> Enquiry<'_> {
        Enquiry { known: &self.known, key: self.key.as_ref() }
    }

    /// Opens the key where nobody has to be asked for the passphrase.
    fn open_if_offered(&mut self) -> Outcome {
        if self.key.is_none() && self.common.passphrase_fd.is_some() {
            self.key = Some(secret::unlock(self.common, &self.wallet)?);
        }
        Ok(())
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
        self.vouch()
    }

    /// Sends to the first node that answers and gives places; the others have it from there.
    fn send(&self, waiting: &[Kept]) -> Outcome<(Server, Vec<Submitted>)> {
        let mut failures = Vec::new();
        let roster = &self.book.register().roster().nodes;
        let is_of = |server: &&Server| roster.contains(&server.node);
        let nodes = &self.known.nodes;
        let others = nodes.iter().filter(|server| !is_of(server));
        for server in nodes.iter().filter(is_of).chain(others) {
            match send_to(&Node::at(&server.http), waiting) {
                Ok(submitted) => return Ok((server.clone(), submitted)),
                Err(failure) if failure.kind() == Kind::Node => failures.push(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::of_all(failures).unwrap_or_else(no_node))
    }

    /// An entry with its signature: one of this wallet's, or one that a node gave.
    pub fn entry(&self, id: &EntryId) -> Option<Signed> {
        let own = self.journal.kept().iter().find(|kept| kept.id == *id);
        own.map_or_else(|| self.book.entry(id).cloned(), Kept::entry)
    }

    /// An entry as it stands by what a node last said.
    pub fn kept(&self, kept: &Kept) -> Standing {
        let roster = self.book.register().roster().nodes.len();
        let mut standing = Standing {
            id: kept.id,
            label: self.book.label(&kept.id),
            seq: kept.seq,
            status: "kept",
            receipts: 0,
            roster: u32::try_from(roster).unwrap_or(u32::MAX),
        };
        if let Some(seen) = self.seen.get(&kept.id) {
            standing.told(seen);
        }
        standing
    }

    fn draft(&self, act: &Act, note: Option<Vec<u8>>) -> Outcome<Draft> {
        let header = self.book.header(&self.device, clock::now_ms()).ok_or_else(|| {
            Failure::rule(
                format!("rule 12: device {} is not enrolled in {}", self.device, self.known.name),
                remedy::next(12),
            )
        })?;
        let (seq, prev) = self.journal.next();
        let header = Header { seq, prev, ..header };
        let salt = keyfile::random::<32>()?;
        let payload = note.as_deref().map(|bytes| (&*salt, bytes));
        Ok(Draft::new(header, act, payload)?)
    }

    /// The verdict that the statement would get by what is known here; refused at once is what no
    /// node would take, so that it never stands in the way of what this device states next.
    fn foresee(&self, draft: &Draft) -> Outcome<Verdict> {
        let entry = reading(draft.bytes())?;
        self.book.ask(&entry)?;
        Ok(self.book.judge(&entry)?)
    }

    fn show(&self, draft: &Draft, verdict: Verdict) -> Outcome {
        let payload = draft.payload_bytes();
        let rows = preview::rows(draft.bytes(), payload.as_deref(), Some(&self.book));
        let mut rows = rows.ok_or_else(nothing_here)?;
        rows.push(("id", draft.id().to_string()));
        let foreseen = foreseen(verdict, self.book.register().charter());
        rows.push(("verdict", foreseen.clone()));
        match form(self.common) {
            Form::Text => out::preview(&format!("To be signed for {}", self.known.name), &rows),
            Form::Json if self.common.dry_run => {
                let (header, act) = preview::read(draft.bytes()).ok_or_else(nothing_here)?;
                out::say(
                    &serde_json::json!({ "dry_run": true, "id": draft.id(), "header": header,
                    "act": act, "verdict": foreseen })
                    .to_string(),
                );
            }
            Form::Json => {}
        }
        Ok(())
    }
}

/// Stops at what would add nothing.
pub fn refuse_void(common: &Common, verdict: Verdict, charter: &Charter) -> Outcome {
    match verdict {
        Verdict::Void(void) if !common.anyway => Err(Failure::rule(
            voided::told(&void, charter),
            "change what the rule names; if the nodes know more than this wallet, `talea fetch` \
             first; --anyway goes on all the same",
        )),
        _ => Ok(()),
    }
}

fn send_to(node: &Node, waiting: &[Kept]) -> Outcome<Vec<Submitted>> {
    let submit = |kept: &Kept| {
        let entry = kept.entry().ok_or_else(nothing_here)?;
        node.submit(&entry, kept.payload.as_ref())
    };
    waiting.iter().map(submit).collect()
}

/// A verdict, in words for whoever is about to sign.
pub fn foreseen(verdict: Verdict, charter: &Charter) -> String {
    match verdict {
        Verdict::Counted => "counts, by what is known here".to_owned(),
        Verdict::Pending(_) => "will count once what it names is settled".to_owned(),
        Verdict::Void(void) => format!("void: {}", voided::told(&void, charter)),
    }
}

/// What is asked before something is done, and what was not done.
pub type Question = (&'static str, &'static str);

/// Before a signature.
pub const SIGN: Question = ("sign", "signed");
/// Before an entry is given to a node.
pub const SEND: Question = ("send", "sent");

/// Whether to go on: asks whoever sits at the terminal. In a dry run nothing is done.
pub fn confirm(common: &Common, (verb, done): Question) -> Outcome<bool> {
    if common.dry_run || common.yes {
        return Ok(!common.dry_run);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            format!("there is nobody to ask whether to {verb}"),
            format!("look at it with --dry-run, then {verb} with --yes"),
        ));
    }
    anstream::eprint!("Really {verb} this? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes" | "o" | "oui") => Ok(true),
        _ => Err(Failure::usage(format!("nothing was {done}"), format!("answer `y` to {verb}"))),
    }
}

/// A cooperative that was founded here and is on no node yet.
fn first_book(journal: &Journal) -> Outcome<Option<Book>> {
    let first = journal.kept().first().and_then(Kept::reading);
    // A journal that does not begin with a charter is a member's, who has fetched nothing yet.
    let is_charter = |entry: &Signed| matches!(entry.content(), Content::Known(Act::Charter(_)));
    Ok(first.filter(is_charter).map(Book::found).transpose()?)
}

/// How many entries of a device's chain the book adds up.
fn settled_of(book: &Book, device: &DeviceKey) -> u64 {
    let (at, _) = book.register().head();
    let number = book.register().device(device, at);
    number.map_or(0, |number| u64::from(book.state().length(number)))
}

fn nothing_here() -> Failure {
    Failure::usage(
        "nothing is known here of this cooperative yet",
        "run `talea fetch`, with a node's address from `talea join`",
    )
}
