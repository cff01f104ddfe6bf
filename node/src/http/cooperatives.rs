//! Which cooperatives are kept here, and how far each has come.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};
use talea_ledger::replica::{Replica, Turn};

use super::caller::Caller;
use super::problem::Problem;
use super::{Shared, id, json as answer};

/// `GET /v1/cooperatives`: those that the caller may read.
pub async fn list(State(app): State<Shared>, caller: Caller) -> Result<Response, Problem> {
    let list = app.orders.ask(move |hosts| {
        let readable = hosts.values().filter(|hosted| hosted.may_read(caller.0.as_ref()));
        let row = |replica: &Replica| {
            let charter = replica.register().map(|register| register.charter());
            json!({
                "id": replica.cooperative(),
                "name": charter.map(|charter| charter.name.clone()),
                "visibility": charter.map(|charter| charter.visibility),
            })
        };
        readable.map(|hosted| row(&hosted.replica)).collect::<Vec<_>>()
    });
    let list = list.await.ok_or_else(Problem::stopping)?;
    Ok(answer(&json!({ "node": app.me, "cooperatives": list })))
}

/// `GET /v1/cooperatives/{cooperative}`
pub async fn one(
    State(app): State<Shared>,
    caller: Caller,
    Path(cooperative): Path<String>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let now = app.clock.moment().0;
    let me = app.me;
    let overview = app.look(cooperative, caller, move |hosted| {
        let state = hosted.replica.state_mut().root();
        let mut overview = overview(&hosted.replica, now);
        if let Value::Object(fields) = &mut overview {
            fields.insert("node".to_owned(), json!(me));
            fields.insert("state".to_owned(), json!(state));
        }
        Ok(overview)
    });
    Ok(answer(&overview.await?))
}

/// What is known of a cooperative, apart from its state root.
pub fn overview(replica: &Replica, now: u64) -> Value {
    let register = replica.register();
    let charter = register.map(|register| register.charter());
    let (number, head) = register.map(|register| register.head()).unzip();
    json!({
        "id": replica.cooperative(),
        "name": charter.map(|charter| charter.name.clone()),
        "profile": charter.map(|charter| charter.profile),
        "visibility": charter.map(|charter| charter.visibility),
        "currency": charter.map(|charter| charter.currency.clone()),
        "exponent": charter.map(|charter| charter.exponent),
        "roster": replica.roster(),
        "rosters": register.map(|register| register.rosters().len()),
        "turn": turn(replica),
        "register": { "number": number, "head": head },
        "members": register.map(|register| register.members().len()),
        "devices": register.map(|register| register.devices().len()),
        "entries": replica.places().len(),
        "settled": replica.settled(),
        "payloads_missing": replica.payloads_missing(),
        "log": { "size": replica.published() },
        "logs": mirrors(replica, now),
    })
}

/// Whether this node gives places, waits for closed logs of an earlier roster, or is of none.
fn turn(replica: &Replica) -> Value {
    let closed_by = replica.closed_by();
    match replica.turn() {
        Turn::Gives => json!({ "is": "gives", "closed_by": closed_by }),
        Turn::Waits { roster, closed, needed } => json!({
            "is": "waits", "closed_by": closed_by, "roster": roster, "closed": closed, "needed": needed,
        }),
        Turn::Apart if closed_by.is_some() => json!({ "is": "closed", "closed_by": closed_by }),
        Turn::Apart => json!({ "is": "reads", "closed_by": closed_by }),
    }
}

/// What is held of the other nodes' logs.
fn mirrors(replica: &Replica, now: u64) -> Vec<Value> {
    let mirrors = replica.mirrors().map(|mirror| {
        let equal = replica.equal_since(&mirror.node);
        json!({
            "node": mirror.node,
            "size": mirror.frontier.size(),
            "checked": mirror.checked.size(),
            "accused": mirror.accused,
            "connected": replica.peers().any(|peer| *peer == mirror.node),
            "equal_ms_ago": equal.map(|moment| now.saturating_sub(moment.0)),
        })
    });
    mirrors.collect()
}
