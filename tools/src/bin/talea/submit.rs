//! An entry that is signed already, from a file to a node: anybody's, carried by any means.
//!
//! It is shown from its own bytes and asked every rule that can be asked here first. Nothing is
//! kept: what no node has taken is still in its file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use talea_ledger::place::{Refusal as Misplaced, Standing as Place};
use talea_protocol::act::{Act, Content};
use talea_protocol::entry::{ENTRY_BYTES_MAX, Refusal, Signed};
use talea_tools::book::Book;
use talea_tools::journal::Payload;
use talea_tools::preview;
use talea_tools::submission::Submission;
use talea_tools::wallet::{Known, Wallet};

use crate::cli::Common;
use crate::clock;
use crate::desk::{self, SEND};
use crate::failure::{Failure, Kind, Outcome};
use crate::founding;
use crate::http::{Node, Submitted};
use crate::out::{self, DIM, Form, styled};
use crate::secret;
use crate::source;
use crate::standing::{self, Enquiry, Standing, no_node};

/// Longest file with a payload that is read, in bytes: the longest payload in base64, and JSON.
const PAYLOAD_FILE_BYTES_MAX: u64 = 512 * 1024;

/// `talea submit`.
pub fn run(common: &Common, file: &Path, payload: Option<&Path>, nodes: &[String]) -> Outcome {
    let payload = payload.map(read_payload).transpose()?;
    let submission = Submission::read(read_entry(file)?, payload)?;
    if matches!(submission.entry.content(), Content::Known(Act::Charter(_))) {
        // What founds nothing needs no node, and no cooperative that would keep it.
        submission.examine(None, clock::now_ms())?;
    }
    let wallet = desk::wallet(common)?;
    let known = cooperative(common, &wallet, &submission.entry, nodes)?;
    let book = source::last_export(&wallet, &known)?.and_then(Book::of);
    let place = submission.examine(book.as_ref(), clock::now_ms())?;
    let verdict = show(common, &known, &submission, book.as_ref())?;
    if let Some(Place::Waits(entry)) = place {
        out::note(&styled(DIM, &format!("it waits for entry {entry}, which is not known here")));
    }
    if let (Some(verdict), Some(book), false) = (verdict, &book, common.dry_run) {
        desk::refuse_void(common, verdict, book.register().charter())?;
    }
    if !desk::confirm(common, SEND)? {
        return Ok(());
    }
    let standing = send(common, &wallet, &known, &submission, book.as_ref())?;
    desk::form(common).give(&standing, standing::say);
    Ok(())
}

/// At most one byte more than the longest entry is read: more need not be.
fn read_entry(path: &Path) -> Outcome<Vec<u8>> {
    let fault = |error| Failure::file(path, &error);
    let file = File::open(path).map_err(fault)?;
    let length = file.metadata().map_err(fault)?.len();
    let mut bytes = Vec::new();
    let most = u64::try_from(ENTRY_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() > ENTRY_BYTES_MAX {
        let length = usize::try_from(length).unwrap_or(usize::MAX).max(bytes.len());
        return Err(Refusal::Length { length }.into());
    }
    Ok(bytes)
}

fn read_payload(path: &Path) -> Outcome<Payload> {
    let fault = |error| Failure::file(path, &error);
    let mut text = String::new();
    let file = File::open(path).map_err(fault)?;
    file.take(PAYLOAD_FILE_BYTES_MAX).read_to_string(&mut text).map_err(fault)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(
            format!("{}: {error}", path.display()),
            "write {\"salt\": \"64 hexadecimal digits\", \"bytes\": \"base64\"}",
        )
    })
}

/// Whose entry it is, and which nodes are to have it.
fn cooperative(
    common: &Common,
    wallet: &Wallet,
    entry: &Signed,
    nodes: &[String],
) -> Outcome<Known> {
    let id = entry.cooperative();
    let known = match &common.coop {
        Some(name) => Some(wallet.cooperative(Some(name))?),
        None => wallet.cooperatives()?.into_iter().find(|known| known.cooperative == id),
    };
    let misplaced = || Failure::from(Misplaced::Cooperative { named: id });
    if known.as_ref().is_some_and(|known| known.cooperative != id) {
        return Err(misplaced());
    }
    if nodes.is_empty() {
        return known.ok_or_else(misplaced);
    }
    let nodes = nodes.iter().map(|address| founding::server(address)).collect::<Outcome<_>>()?;
    let name = known.map_or_else(|| id.to_string(), |known| known.name);
    Ok(Known { cooperative: id, name, nodes })
}

/// Shows what the bytes say, and the verdict by what is known here.
fn show(
    common: &Common,
    known: &Known,
    submission: &Submission,
    book: Option<&Book>,
) -> Outcome<Option<talea_ledger::verdict::Verdict>> {
    let Submission { entry, payload } = submission;
    let verdict = book.and_then(|book| book.verdict(&entry.id()).or(book.judge(entry).ok()));
    let foreseen = verdict.zip(book).map_or_else(
        || "not known here".to_owned(),
        |(verdict, book)| desk::foreseen(verdict, book.register().charter()),
    );
    if desk::form(common) == Form::Json {
        if let (true, Content::Known(act)) = (common.dry_run, entry.content()) {
            let value = serde_json::json!({ "dry_run": true, "id": entry.id(),
                "header": entry.header(), "act": act, "verdict": foreseen });
            out::say(&value.to_string());
        }
        return Ok(verdict);
    }
    let unsigned = entry.bytes().split_last_chunk::<64>().map(|(unsigned, _)| unsigned);
    let payload = payload.as_ref().and_then(Payload::read);
    let rows = preview::rows(unsigned.unwrap_or_default(), payload.as_deref(), book);
    let mut rows =
        rows.ok_or_else(|| Failure::usage("the entry cannot be shown", "report this"))?;
    rows.push(("id", entry.id().to_string()));
    rows.push(("verdict", foreseen));
    out::preview(&format!("To be sent to {}", known.name), &rows);
    Ok(verdict)
}

/// Gives it to the first node that answers, and asks how it fares where that can be asked.
fn send(
    common: &Common,
    wallet: &Wallet,
    known: &Known,
    submission: &Submission,
    book: Option<&Book>,
) -> Outcome<Standing> {
    let Submission { entry, payload } = submission;
    let id = entry.id();
    let mut standing = Standing {
        id,
        label: label(book, entry),
        seq: entry.header().seq,
        status: "kept",
        receipts: 0,
        roster: 0,
    };
    // Whoever carries an entry need not have a key: it serves to ask a private cooperative.
    let key = match common.passphrase_fd {
        Some(_) if wallet.key().exists() => Some(secret::unlock(common, wallet)?),
        _ => None,
    };
    let mut failures = Vec::new();
    for server in &known.nodes {
        let answer: Outcome<Submitted> = Node::at(&server.http).submit(entry, payload.as_ref());
        match answer {
            Ok(answer) => {
                standing.submitted(&answer);
                let enquiry = Enquiry { known, key: key.as_ref() };
                enquiry.follow(server, std::slice::from_mut(&mut standing));
                return Ok(standing);
            }
            Err(failure) if failure.kind() == Kind::Node => failures.push(failure),
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::of_all(failures).unwrap_or_else(no_node))
}

fn label(book: Option<&Book>, entry: &Signed) -> String {
    let author = book.and_then(|book| Some(book.handle(book.author(entry)?)));
    let author = author.unwrap_or_else(|| {
        entry.header().device.to_string().get(..12).unwrap_or_default().to_owned()
    });
    format!("{author}/{}", entry.header().seq)
}
