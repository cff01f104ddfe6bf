//! Entries: submitting one, and reading one, a chain or the register.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use talea_ledger::batch::Column;
use talea_ledger::register::Register;
use talea_ledger::replica::{Replica, Reply, leaf_key};
use talea_ledger::verdict::Verdict;
use talea_protocol::act::Content;
use talea_protocol::bytes::{Octets, from_hex};
use talea_protocol::entry::{Commitment, ENTRY_BYTES_MAX, Entry, PAYLOAD_BYTES_MAX};
use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;
use talea_protocol::leaf::accepted;
use talea_protocol::message::Payload;
use utoipa::ToSchema;

use super::caller::Caller;
use super::problem::Problem;
use super::{Shared, id, json as answer};
use crate::serve::payload;
use crate::store::{Store, StoreFault};

/// Longest body of a submission, in bytes: the longest entry and payload in base64, and JSON.
pub const BODY_BYTES_MAX: usize = (ENTRY_BYTES_MAX + PAYLOAD_BYTES_MAX) * 4 / 3 + 4096;
/// Rows of a page (reliability, section 5).
pub const PAGE_MAX: u32 = 500;
/// Rows of a page unless more are asked for.
const PAGE: u32 = 100;
/// Bytes of entries in a page, after which it ends early.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// An entry to be given a place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Its bytes in base64.
    entry: String,
    /// Its payload.
    payload: Option<SubmittedPayload>,
}

/// Erasable bytes beside an entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmittedPayload {
    /// The salt of the commitment, 64 hexadecimal digits.
    salt: String,
    /// The bytes in base64.
    bytes: String,
}

/// What became of a submission.
#[derive(Debug, Serialize, ToSchema)]
pub struct Placement {
    /// The entry.
    #[schema(value_type = String)]
    id: EntryId,
    /// `placed`, `known` or `waiting`.
    status: &'static str,
    /// Its leaf in this node's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    waits_for: Option<EntryId>,
}

/// An entry, and how far it has come here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Row {
    /// Its id.
    #[schema(value_type = String)]
    id: EntryId,
    /// Its cooperative.
    #[schema(value_type = String)]
    cooperative: EntryId,
    /// Its author's key.
    #[schema(value_type = String)]
    device: DeviceKey,
    /// Its author's number.
    member: Option<u32>,
    /// Its place in its chain.
    seq: u64,
    /// The entry before it.
    #[schema(value_type = String)]
    prev: EntryId,
    /// The register entry that it names.
    #[schema(value_type = String)]
    basis: EntryId,
    /// Its author's clock, ms since 1970.
    time: u64,
    /// What it says.
    act: Value,
    /// Its payload: hash, length, and salt and bytes (base64) if they are here.
    payload: Option<Value>,
    /// Its leaf in this node's log.
    index: u64,
    /// How many of the roster's logs hold it.
    receipts: u32,
    /// How many logs the roster has.
    roster: usize,
    /// Whether it is settled.
    settled: bool,
    /// What became of it once settled.
    verdict: Option<Value>,
    /// Its bytes in base64: what was hashed and signed.
    bytes: String,
}

/// Which part of a list.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The first.
    from: Option<u64>,
    /// How many.
    limit: Option<u32>,
}

impl Page {
    /// The first wanted, from 0.
    pub fn from(&self) -> u64 {
        self.from.unwrap_or(0)
    }

    /// How many are given at most.
    pub fn limit(&self) -> usize {
        usize::try_from(self.limit.unwrap_or(PAGE).min(PAGE_MAX)).unwrap_or_default()
    }
}

/// What the replica knows of an entry; its bytes are in the store.
struct Standing {
    id: EntryId,
    member: Option<u32>,
    index: u64,
    receipts: u32,
    roster: usize,
    verdict: Option<Verdict>,
    settled: bool,
}

/// `POST …/entries`
pub async fn submit(
    State(app): State<Shared>,
    Path(cooperative): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let body = body.map_err(|_| too_long())?;
    let submission: Submission = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("the body is not a submission: {error}")))?;
    let entry = Entry::parse(base64("entry", &submission.entry)?)
        .map_err(|unsound| refuse(&app, &unsound))?;
    let id = entry.id();
    if entry.cooperative() != cooperative {
        let named = entry.cooperative();
        return Err(Problem::of(&Reply::Refused(talea_ledger::place::Refusal::Cooperative {
            named,
        }))
        .unwrap_or_else(Problem::busy));
    }
    let payload = submission.payload.map(|it| payload_of(id, &it)).transpose()?;
    let now = (app.clock.steady)();
    let reply = app.orders.submit(now, app.me, entry, payload).map_err(Problem::sent_away)?;
    let reply = reply.await.map_err(|_| Problem::stopping())?;
    placement(id, &reply).map(|placement| answer(&placement))
}

fn refuse(app: &Shared, unsound: &talea_protocol::entry::Refusal) -> Problem {
    app.metrics.refuse(unsound.rule());
    Problem::unsound(unsound)
}

fn too_long() -> Problem {
    let status = axum::http::StatusCode::PAYLOAD_TOO_LARGE;
    let detail = format!("a body is at most {BODY_BYTES_MAX} bytes long");
    Problem::new(status, "too-long", detail, "send one entry and its payload, and nothing else")
}

fn base64(what: &str, text: &str) -> Result<Vec<u8>, Problem> {
    let fault = |_| Problem::bad_request(format!("{what} is not base64"));
    STANDARD.decode(text).map_err(fault)
}

fn payload_of(entry: EntryId, submitted: &SubmittedPayload) -> Result<Payload, Problem> {
    let salt = from_hex(&submitted.salt)
        .map_err(|_| Problem::bad_request("salt is not 64 hexadecimal digits"))?;
    let bytes = Octets::new(base64("payload", &submitted.bytes)?);
    let bytes = bytes.ok_or_else(|| {
        Problem::rule(7, format!("rule 7: a payload is at most {PAYLOAD_BYTES_MAX} bytes long"))
    })?;
    Ok(Payload { entry, salt, bytes })
}

fn placement(id: EntryId, reply: &Reply) -> Result<Placement, Problem> {
    let (status, index, waits_for) = match reply {
        Reply::Placed(index) => ("placed", Some(*index), None),
        Reply::Known(index) => ("known", Some(*index), None),
        Reply::Waiting(entry) => ("waiting", None, Some(*entry)),
        _ => return Err(Problem::of(reply).unwrap_or_else(Problem::busy)),
    };
    Ok(Placement { id, status, index, waits_for })
}

/// `GET …/entries/{id}`
pub async fn entry(
    State(app): State<Shared>,
    caller: Caller,
    Path((cooperative, entry)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (cooperative, entry) = (id(&cooperative)?, id(&entry)?);
    let standing = app
        .look(cooperative, caller, move |hosted| {
            standing(&hosted.replica, &entry)
                .ok_or_else(|| Problem::not_found(format!("entry {entry} has no place here")))
        })
        .await?;
    let rows = app.read(move |store| rows(store, &cooperative, vec![standing])).await?;
    rows.0.into_iter().next().map(|row| answer(&row)).ok_or_else(|| missing(&entry))
}

fn missing(entry: &EntryId) -> Problem {
    Problem::not_found(format!("entry {entry} is not on this node's disk"))
}

/// `GET …/chains/{device}`
pub async fn chain(
    State(app): State<Shared>,
    caller: Caller,
    Path((cooperative, device)): Path<(String, String)>,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let (from, limit) = (page.from(), page.limit());
    let (head, standings) = app
        .look(cooperative, caller, move |hosted| {
            let replica = &hosted.replica;
            let number = replica.register().and_then(|register| device_number(register, &device));
            let number = number
                .ok_or_else(|| Problem::not_found(format!("no device {device:?} is enrolled")))?;
            let chain = replica.places().chain(number);
            let skip = usize::try_from(from).unwrap_or(usize::MAX);
            let ids = chain.iter().skip(skip).take(limit).map(|place| place.id);
            let standings: Vec<_> = ids.filter_map(|id| standing(replica, &id)).collect();
            let record = replica.register().and_then(|register| register.record(number));
            let head = json!({
                "device": record.map(|record| record.key),
                "number": number,
                "member": record.map(|record| record.member),
                "length": chain.len(),
                "settled": replica.places().settled(number),
                "head": chain.last().map(|place| place.id),
            });
            Ok((head, standings))
        })
        .await?;
    page_of(&app, cooperative, head, from, limit, standings).await
}

/// `GET …/register`
pub async fn register(
    State(app): State<Shared>,
    caller: Caller,
    Path(cooperative): Path<String>,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let (from, limit) = (page.from(), page.limit());
    let (head, standings) = app
        .look(cooperative, caller, move |hosted| {
            let replica = &hosted.replica;
            let register = replica.register().ok_or_else(|| Problem::no_charter(&cooperative))?;
            let (number, head) = register.head();
            let first = u32::try_from(from).unwrap_or(u32::MAX);
            let numbers = (first..=number).take(limit);
            let ids: Vec<EntryId> = numbers.filter_map(|n| register.entry(n)).collect();
            let standings: Vec<_> = ids.iter().filter_map(|id| standing(replica, id)).collect();
            let head = json!({
                "number": number,
                "head": head,
                "members": register.members().len(),
                "devices": register.devices().len(),
                "roster": replica.roster(),
            });
            Ok((head, standings))
        })
        .await?;
    page_of(&app, cooperative, head, from, limit, standings).await
}

/// A device by its key, or by its number.
fn device_number(register: &Register, text: &str) -> Option<u32> {
    let (head, _) = register.head();
    match text.parse::<DeviceKey>() {
        Ok(key) => register.device(&key, head),
        Err(_) => text.parse().ok().filter(|number| register.record(*number).is_some()),
    }
}

async fn page_of(
    app: &Shared,
    cooperative: EntryId,
    mut head: Value,
    from: u64,
    limit: usize,
    standings: Vec<Standing>,
) -> Result<Response, Problem> {
    let asked = standings.len();
    let (rows, given) = app.read(move |store| rows(store, &cooperative, standings)).await?;
    let is_last = given == asked && asked < limit;
    let next = from.saturating_add(u64::try_from(given).unwrap_or(u64::MAX));
    if let Value::Object(head) = &mut head {
        let rows = serde_json::to_value(rows).unwrap_or_default();
        head.insert("entries".to_owned(), rows);
        head.insert("next".to_owned(), if is_last { Value::Null } else { next.into() });
    }
    Ok(answer(&head))
}

fn standing(replica: &Replica, id: &EntryId) -> Option<Standing> {
    let (device, seq) = replica.places().position(id)?;
    let place = replica.places().at(device, seq)?;
    // A place that is not durable yet may be gone after a crash: nobody is told of it.
    if place.leaf >= replica.published() {
        return None;
    }
    let register = replica.register()?;
    let settled = seq < replica.places().settled(device);
    Some(Standing {
        id: *id,
        member: register.record(device).map(|record| record.member.0),
        index: place.leaf,
        receipts: replica.receipts(id),
        roster: replica.roster().map_or(0, |roster| roster.nodes.len()),
        verdict: settled.then(|| replica.state().verdict(id)).flatten(),
        settled,
    })
}

/// Rows with their bytes, as far as a page goes; also how many were dealt with.
fn rows(
    store: &Store,
    cooperative: &EntryId,
    standings: Vec<Standing>,
) -> Result<(Vec<Row>, usize), StoreFault> {
    let (mut rows, mut bytes, mut given) = (Vec::new(), 0, 0);
    for standing in standings {
        if bytes > PAGE_BYTES_MAX {
            break;
        }
        given += 1;
        let leaf = store.read(Column::Leaf, &leaf_key(cooperative, standing.index))?;
        let entry = leaf.as_deref().and_then(accepted).map(|bytes| Entry::parse(bytes.to_vec()));
        let Some(Ok(entry)) = entry else { continue };
        bytes += entry.bytes().len();
        let held = match entry.header().payload {
            Some(_) => payload(store, cooperative, &standing.id)?,
            None => None,
        };
        bytes += held.as_ref().map_or(0, |held| held.bytes.len());
        rows.push(row(&entry, standing, held));
    }
    Ok((rows, given))
}

fn row(entry: &Entry, standing: Standing, held: Option<Payload>) -> Row {
    let header = entry.header();
    let Standing { id, member, index, receipts, roster, verdict, settled } = standing;
    Row {
        id,
        cooperative: entry.cooperative(),
        device: header.device,
        member,
        seq: header.seq,
        prev: header.prev,
        basis: header.basis,
        time: header.time,
        act: act(entry.content()),
        payload: header.payload.map(|bound| payload_json(&bound, held)),
        index,
        receipts,
        roster,
        settled,
        verdict: verdict.map(|verdict| verdict_json(&verdict)),
        bytes: STANDARD.encode(entry.bytes()),
    }
}

fn act(content: &Content) -> Value {
    match content {
        Content::Known(act) => serde_json::to_value(act).unwrap_or_default(),
        Content::Unknown(tag) => json!({ "act": "unknown", "tag": tag }),
    }
}

fn payload_json(bound: &Commitment, held: Option<Payload>) -> Value {
    let (salt, bytes) = match held {
        Some(held) => {
            (Some(talea_protocol::bytes::hex(&held.salt)), Some(STANDARD.encode(&*held.bytes)))
        }
        None => (None, None),
    };
    json!({ "hash": bound.hash, "length": bound.length, "salt": salt, "bytes": bytes })
}

fn verdict_json(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Counted => json!({ "status": "counted" }),
        Verdict::Pending(need) => json!({ "status": "pending", "needs": need }),
        Verdict::Void(void) => {
            json!({ "status": "void", "rule": void.rule(), "detail": void.to_string() })
        }
    }
}
