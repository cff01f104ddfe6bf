//! What a wallet asks before it signs, and what a heal is made of: chains' heads and open forks.
//!
//! A head says how far a chain has come at this node alone, and whether it stands still here. The
//! receipt of a fork's leaf carries this log's signature and no other, so that sixteen fit an act
//! (protocol, section 10, "Evidence of a heal").

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde_json::{Value, json};
use talea_ledger::batch::Column;
use talea_ledger::freeze::{Freezes, Open};
use talea_ledger::place::Refusal;
use talea_ledger::register::{Office, Register};
use talea_ledger::replica::{Replica, leaf_key, tile_key};
use talea_protocol::act::Act;
use talea_protocol::checkpoint::origin;
use talea_protocol::entry::{Entry, Header, SCHEME, VERSION, unsigned};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_protocol::leaf::Leaf;
use talea_protocol::note::Note;
use talea_protocol::proof::Unprovable;
use talea_protocol::receipt::Receipt;
use talea_protocol::tree::Tree;
use tokio::time::timeout;

use super::caller::Caller;
use super::entries::Page;
use super::problem::Problem;
use super::{Shared, id, json as answer};
use crate::store::{Store, StoreFault};

/// How long a head waits for the disk, and for a node that fetches what it has signed before.
const KEPT_MAX: Duration = Duration::from_secs(5);

/// An open fork, and its device's key and owner.
type Found = (u32, DeviceKey, u32, Open);

/// `GET …/heads/{device}`
pub async fn head(
    State(app): State<Shared>,
    caller: Caller,
    Path((cooperative, device)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let me = app.me;
    let (head, kept) = app
        .look(cooperative, caller, move |hosted| {
            let replica = &hosted.replica;
            let Some(head) = told(replica, &device, &me) else {
                replica.register().ok_or_else(|| Problem::no_charter(&cooperative))?;
                return Err(Problem::not_found(format!("no device {device:?} is enrolled")));
            };
            // A cut is made, and a successor goes on, where nodes say that they stand still: for
            // good, and not until a loss of power.
            let relieved = head["relieved"].as_array().is_some_and(|roles| !roles.is_empty());
            let called = !head["registrar"]["successor"].is_null();
            let stands = relieved || called || !head["frozen"].is_null();
            let kept = stands.then(|| hosted.kept());
            Ok((head, kept))
        })
        .await?;
    if let Some(kept) = kept
        && timeout(KEPT_MAX, kept).await != Ok(true)
    {
        return Err(Problem::busy());
    }
    Ok(answer(&head))
}

/// `GET …/forks`
pub async fn list(
    State(app): State<Shared>,
    caller: Caller,
    Path(cooperative): Path<String>,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let (me, skip) = (app.me, usize::try_from(page.from()).unwrap_or(usize::MAX));
    let (found, size, note, tree) = app
        .look(cooperative, caller, move |hosted| {
            let replica = &hosted.replica;
            let size = replica.published();
            let found: Vec<Found> = open(replica, size).skip(skip).take(page.limit()).collect();
            let note = replica.note().and_then(|note| alone(note, &cooperative, &me));
            let note = note.ok_or_else(|| Problem::not_found("nothing is signed here yet"))?;
            Ok((found, size, note, replica.tree().clone()))
        })
        .await?;
    let log = Log { cooperative, node: me, size, note, tree };
    let forks = app.read(move |store| rows(store, &log, &found)).await?;
    let forks = forks.map_err(|fault| Problem::not_found(fault.to_string()))?;
    Ok(answer(&forks))
}

/// A device by its key or its number, whether its chain has ended or not.
fn number(register: &Register, text: &str) -> Option<u32> {
    match text.parse::<DeviceKey>() {
        Ok(key) => register.known(&key),
        Err(_) => text.parse().ok().filter(|number| register.record(*number).is_some()),
    }
}

/// How far the chain of a device, by its key or its number, has come at a node, and what waits to go
/// on with it; nothing of one that is unknown there and has nothing waiting. Places that are not
/// durable yet count: whoever is about to sign must not sign below them.
#[must_use]
pub fn told(replica: &Replica, device: &str, me: &NodeKey) -> Option<Value> {
    let register = replica.register();
    let number = register.and_then(|register| number(register, device));
    let record = number.and_then(|number| register?.record(number));
    let key = record.map(|record| record.key).or_else(|| device.parse().ok());
    let waiting = key.map(|key| replica.awaiting(&key)).unwrap_or_default();
    if number.is_none() && waiting.is_empty() {
        return None;
    }
    let places = replica.places();
    let chain = number.map_or(&[][..], |number| places.chain(number));
    let end = record.and_then(|record| record.end);
    let waits = |(seq, id): &(u64, EntryId)| json!({ "seq": seq, "id": id });
    let relieved = number.zip(register);
    let relieved = relieved.map(|(it, register)| Freezes::relieved(register, replica.state(), it));
    Some(json!({
        "node": me,
        "device": key,
        "number": number,
        "member": record.map(|record| record.member),
        "length": chain.len(),
        "head": chain.last().map(|place| place.id),
        "settled": number.map_or(0, |number| places.settled(number)),
        "ended": end.map(|end| json!({ "by": end.number, "length": end.length })),
        "frozen": number.and_then(|number| frozen(replica, register?, number)),
        "relieved": relieved.unwrap_or_default(),
        "register": register.map(numbered),
        "registrar": register.map(|register| json!({
            "member": register.holder(Office::Registrar, register.head().0),
            "successor": replica.freezes().successor(),
        })),
        "waiting": waiting.iter().map(waits).collect::<Vec<_>>(),
    }))
}

fn numbered(register: &Register) -> Value {
    let (number, head) = register.head();
    json!({ "number": number, "head": head })
}

/// Why a chain would get no place now, whatever it states: asked with the shortest statement that
/// belongs to no role.
fn frozen(replica: &Replica, register: &Register, number: u32) -> Option<Value> {
    let chain = replica.places().chain(number);
    let header = Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative: register.cooperative(),
        device: register.record(number)?.key,
        seq: u64::try_from(chain.len()).ok()?,
        prev: chain.last().map_or(EntryId::ZERO, |place| place.id),
        basis: register.head().1,
        time: 0,
        payload: None,
    };
    let probe =
        Entry::parse([unsigned(&header, &Act::Leave).as_slice(), &[0; 64]].concat()).ok()?;
    let refusal =
        replica.freezes().ask(register, replica.places(), replica.state(), number, &probe).err()?;
    let Refusal::Frozen { from, cause } = refusal else { return None };
    Some(json!({ "from": from, "rule": refusal.rule(), "cause": cause.to_string() }))
}

/// Forks that no heal has ended and whose leaves are signed for.
fn open(replica: &Replica, size: u64) -> impl Iterator<Item = Found> {
    let register = replica.register();
    let signed = replica.freezes().forks().filter(move |(_, open)| open.leaf < size);
    signed.filter_map(move |(device, open)| {
        let record = register?.record(device)?;
        Some((device, record.key, record.member.0, *open))
    })
}

/// A checkpoint with this log's own signature alone.
fn alone(note: &Note, cooperative: &EntryId, me: &NodeKey) -> Option<Note> {
    let name = origin(cooperative, me);
    let line = note.signatures().iter().find(|line| line.key().0 == name)?;
    Note::parse(format!("{}\n{line}\n", note.text()).as_bytes()).ok()
}

/// This node's log, as far as it is signed for.
struct Log {
    cooperative: EntryId,
    node: NodeKey,
    size: u64,
    note: Note,
    tree: Tree,
}

fn rows(
    store: &Store,
    log: &Log,
    found: &[Found],
) -> Result<Result<Vec<Value>, Unprovable>, StoreFault> {
    let mut rows = Vec::new();
    for fork in found {
        match receipt(store, log, fork.3.leaf)? {
            Ok(receipt) => rows.push(row(log, fork, &receipt)),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    Ok(Ok(rows))
}

fn row(log: &Log, (number, device, member, open): &Found, receipt: &Receipt) -> Value {
    let held = match Leaf::parse(&receipt.extra) {
        Ok(Leaf::Fork(forked)) => forked.held,
        _ => None,
    };
    json!({
        "node": log.node,
        "device": device,
        "number": number,
        "member": member,
        "seq": open.fork.seq(),
        "ids": [open.fork.one.id(), open.fork.other.id()],
        "held": held,
        "leaf": open.leaf,
        "receipt": receipt.to_string(),
    })
}

fn receipt(
    store: &Store,
    log: &Log,
    index: u64,
) -> Result<Result<Receipt, Unprovable>, StoreFault> {
    let mut fault = None;
    let proof = log.tree.prove_inclusion(index, log.size, |level, tile| {
        let key = tile_key(&log.cooperative, level, tile);
        store.read(Column::Tile, &key).unwrap_or_else(|broken| {
            fault = Some(broken);
            None
        })
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let extra = store.read(Column::Leaf, &leaf_key(&log.cooperative, index))?.unwrap_or_default();
    Ok(proof.map(|proof| Receipt { index, proof, checkpoint: log.note.clone(), extra }))
}
