//! Another roster: the nodes that members decide on, and the register entry that brings them.
//!
//! Before it is signed, the nodes are asked whether they are there: from then on no other gives
//! places. What a roster must be is rules 28 and 33; how one follows another is in the README of
//! the ledger, section 8.

use talea_ledger::freeze::Freezes;
use talea_ledger::place::Refusal;
use talea_ledger::register::Register;
use talea_protocol::act::{Act, Effect};
use talea_protocol::bytes::List;
use talea_protocol::charter::Roster;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::recovery::Reform;
use talea_tools::book::Book;
use talea_tools::wallet::Server;

use crate::cli::Common;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::going::decided;
use crate::http::{Node, Reader};
use crate::out::{self, DIM, styled};

/// Fewest digits by which a node of the present roster is named.
const DIGITS_MIN: usize = 8;

/// A node of another roster that could not give places, and what to do about it.
struct Unready {
    node: NodeKey,
    what: String,
    next: String,
}

/// The roster that a proposal names: its nodes, how many of them may lie, and how many settle.
pub fn proposed(
    register: &Register,
    keys: &[String],
    (faulty, quorum): (Option<u8>, Option<u8>),
) -> Outcome<Roster> {
    let present = register.roster();
    let mut nodes = keys.iter().map(|text| node(present, text)).collect::<Outcome<Vec<_>>>()?;
    nodes.sort_unstable();
    let (count, faulty) = (nodes.len(), faulty.unwrap_or(present.faulty));
    let fewest = u8::try_from((count + usize::from(faulty)) / 2 + 1).unwrap_or(u8::MAX);
    let nodes = List::new(nodes).ok_or_else(|| {
        Failure::usage(format!("a roster of {count} nodes is too large"), "name 16 at most")
    })?;
    let roster = Roster { nodes, faulty, quorum: quorum.unwrap_or(fewest) };
    if !roster.is_safe() {
        return Err(unsafe_roster(&roster));
    }
    Freezes::ask_roster(register, &roster).map_err(|refusal| barred(&refusal))?;
    Ok(roster)
}

/// A node by its whole key, or one of the present roster by the start of its key.
fn node(present: &Roster, text: &str) -> Outcome<NodeKey> {
    let text = text.trim();
    if let Ok(node) = text.parse() {
        return Ok(node);
    }
    let mut known = present.nodes.iter().filter(|node| node.to_string().starts_with(text));
    match (text.len() >= DIGITS_MIN, known.next(), known.next()) {
        (true, Some(node), None) => Ok(*node),
        _ => Err(Failure::usage(
            format!(
                "`{text}` is no node's key, and no node of the roster has a key that begins so"
            ),
            "`talead id` prints a node's key; name a new node by all of it",
        )),
    }
}

fn unsafe_roster(roster: &Roster) -> Failure {
    let Roster { nodes, faulty, quorum } = roster;
    Failure::rule(
        format!(
            "rule 33: {} nodes of which {faulty} may lie and {quorum} settle are no safe roster",
            nodes.len()
        ),
        "name each node once; of n nodes of which f may lie (--faulty), more than (n + f) / 2 and at \
         most n - f settle (--settle): with 4 nodes one may lie, with 3 none",
    )
}

/// Rule 28 bars a node from the roster, whatever is decided.
fn barred(refusal: &Refusal) -> Failure {
    let next = match refusal {
        Refusal::Staying { .. } => {
            "make each node that is to stay a new key (`talead init` in a new folder) and name that; \
             this once, because the present roster reckons with nodes that lie"
        }
        _ => {
            "make that node a new key (`talead init` in a new folder) and name that: its old log \
             stays closed"
        }
    };
    Failure::rule(refusal.to_string(), next)
}

/// `talea reform`.
pub fn reform(common: &Common, decision: Option<&str>) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let decision = decided(&desk.book, decision, |effect| matches!(effect, Effect::Reform(_)))?;
    let Some(roster) = ordered(&desk.book, &decision) else { return Ok(()) };
    Freezes::ask_roster(desk.book.register(), &roster).map_err(|refusal| barred(&refusal))?;
    if !common.offline && !common.dry_run {
        ready(common, &desk, &roster)?;
    }
    out::note(&styled(
        DIM,
        "Once this is settled, nodes that are left out give no more places; the others go on when \
         they have the logs of enough old ones. Keep the old ones running until then.",
    ));
    desk.state(&Act::Reform(Reform { roster, decision }), None)?;
    if !common.dry_run {
        out::note(
            "When `talea node status` says that the new nodes give places, pass `talea invite` to \
             everybody, and stop the old ones.",
        );
    }
    Ok(())
}

/// The roster that a decision orders.
fn ordered(book: &Book, decision: &EntryId) -> Option<Roster> {
    book.state().votes().orders().find_map(|(id, effect)| match effect {
        Effect::Reform(roster) if id == decision => Some(roster.clone()),
        _ => None,
    })
}

/// Refuses to go on unless every new node keeps the cooperative already, and as many nodes answer
/// as settle an entry: nobody else would give places.
fn ready(common: &Common, desk: &Desk<'_>, roster: &Roster) -> Outcome {
    let present = desk.book.register().roster();
    let unready: Vec<Unready> =
        roster.nodes.iter().filter_map(|node| unready(desk, node).err()).collect();
    let is_new = |it: &Unready| !present.nodes.contains(&it.node);
    let answer = roster.nodes.len() - unready.len();
    let too_few = answer < usize::from(roster.quorum);
    let new = unready.iter().find(|it| is_new(it));
    let Some(first) = new.or(unready.first().filter(|_| too_few)) else { return Ok(()) };
    for it in &unready {
        out::note(&styled(DIM, &format!("node {}: {}", short(&it.node), it.what)));
    }
    let what = format!(
        "{answer} of the {} nodes are there, and after this {} must be for anything to settle",
        roster.nodes.len(),
        roster.quorum
    );
    if common.anyway {
        out::note(&styled(DIM, &format!("signed all the same: {what}")));
        return Ok(());
    }
    Err(Failure::node(what, format!("{}; --anyway signs all the same", first.next)))
}

/// Whether a node keeps the cooperative, be it that it has nothing of it yet.
fn unready(desk: &Desk<'_>, node: &NodeKey) -> Result<(), Unready> {
    let id = desk.known.cooperative;
    let unready = |what: String, next: String| Unready { node: *node, what, next };
    let Some(server) = desk.known.nodes.iter().find(|it| it.node == *node) else {
        let (what, next) = (
            "this wallet does not know its address",
            "name the HTTP addresses of all nodes, old and new, with `talea join ID --node ADDRESS --node …`",
        );
        return Err(unready(what.to_owned(), next.to_owned()));
    };
    match ask(desk, server) {
        Ok(_) => Ok(()),
        // It is told to keep it, and is answered by the others once it is of the roster.
        Err(failure) if failure.is_beginning() => Ok(()),
        Err(failure) if failure.is_unhosted() => Err(unready(
            failure.to_string(),
            format!(
                "on its machine: `talea node host {id} --data FOLDER --peer KEY@HOST:PORT`, with nodes \
                 of the present roster for peers"
            ),
        )),
        Err(failure) => Err(unready(failure.to_string(), failure.next().to_owned())),
    }
}

fn ask(desk: &Desk<'_>, server: &Server) -> Outcome<serde_json::Value> {
    let reader = Reader { key: desk.key()?, node: server.node };
    let path = format!("/v1/cooperatives/{}", desk.known.cooperative);
    Node::at(&server.http).read(&path, Some(&reader))
}

fn short(node: &NodeKey) -> String {
    node.to_string().get(..DIGITS_MIN).unwrap_or_default().to_owned()
}
