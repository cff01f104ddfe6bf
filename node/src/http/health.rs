//! Whether the node lives, serves, and how it is.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use talea_ledger::replica::{Replica, Turn};
use tokio::time::timeout;

use super::problem::Problem;
use super::{Shared, json as answer, typed};

/// A writer that does not answer for so long is not alive.
const ALIVE: Duration = Duration::from_secs(5);

/// `GET /livez`
pub async fn alive(State(app): State<Shared>) -> Result<Response, Problem> {
    match timeout(ALIVE, app.orders.ask(|hosts| hosts.len())).await {
        Ok(Some(_)) => Ok(typed("text/plain", "ok\n")),
        Ok(None) => Err(Problem::stopping()),
        Err(_) => Err(Problem::timeout()),
    }
}

/// `GET /readyz`
pub async fn ready(State(app): State<Shared>) -> Response {
    let mut reasons: Vec<String> = Vec::new();
    if app.is_stopping() {
        reasons.push("the node is stopping".to_owned());
    }
    // Ids are private: how many, and the log says which.
    if !app.failed.is_empty() {
        reasons.push(format!("{} cooperatives cannot be read from disk", app.failed.len()));
    }
    let lacking = app.orders.ask(|hosts| {
        let all = || hosts.values().map(|hosted| &hosted.replica);
        let founded = all().filter(|replica| replica.register().is_none()).count();
        let turn = |replica: &&Replica| matches!(replica.turn(), Turn::Waits { .. });
        let waiting = all().filter(turn).count();
        (founded, all().filter(|replica| replica.behind().is_some()).count(), waiting)
    });
    match lacking.await {
        Some((charters, logs, waiting)) => {
            if charters > 0 {
                reasons.push(format!("{charters} cooperatives wait for their charter"));
            }
            if logs > 0 {
                reasons.push(format!(
                    "{logs} cooperatives may lack what this node has signed: it signs nothing for \
                     them before it has asked the roster and fetched it"
                ));
            }
            if waiting > 0 {
                reasons.push(format!(
                    "{waiting} cooperatives wait for closed logs of an earlier roster: see that its \
                     nodes are reached, or others of the new one that have them"
                ));
            }
        }
        None => reasons.push("the writer has ended".to_owned()),
    }
    let is_ready = reasons.is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, answer(&json!({ "ready": is_ready, "reasons": reasons }))).into_response()
}

/// `GET /metrics`
pub async fn metrics(State(app): State<Shared>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    app.metrics.missing.set(i64::try_from(app.shelf.missing()).unwrap_or(i64::MAX));
    typed(kind, app.metrics.text())
}
