//! Imports: a device says beforehand that it will bring many entries at once.
//!
//! Otherwise it brings as many as its rate allows (`rate`). The request is signed by the device
//! itself, whatever may be read without: nobody announces in another's name.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::caller::Caller;
use super::problem::Problem;
use super::{Shared, id, json as answer};
use crate::rate::IMPORT_LIFE;

/// How many.
#[derive(Debug, Deserialize)]
pub struct Announcement {
    /// Entries, 1 to [`crate::rate::IMPORT_ENTRIES_MAX`].
    entries: u64,
}

/// `POST …/imports?entries=N`: the number is in the path because that is what is signed.
pub async fn announce(
    State(app): State<Shared>,
    caller: Caller,
    Path(cooperative): Path<String>,
    Query(Announcement { entries }): Query<Announcement>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let unproven = || Problem::unauthorized("an import is announced by the device that brings it");
    let device = caller.0.ok_or_else(unproven)?;
    let enrolled = app.look(cooperative, caller, move |hosted| {
        let register = hosted.replica.register();
        Ok(register.is_some_and(|it| it.device(&device, it.head().0).is_some()))
    });
    if !enrolled.await? {
        return Err(Problem::unauthorized("this device is not enrolled"));
    }
    let now = (app.clock.steady)();
    let granted = app.orders.announce(now, (cooperative, device), entries);
    granted.map_err(|fault| Problem::import(&fault))?;
    Ok(answer(&json!({ "entries": entries, "seconds": IMPORT_LIFE.as_secs() })))
}
