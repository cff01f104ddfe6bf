//! What is placed and settled, as it happens (server-sent events).
//!
//! An event's id is a leaf of this node's log: everything below it was placed, settled and told.
//! Whoever comes back with it as `Last-Event-ID` misses nothing and may hear some things twice.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Line, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use talea_protocol::hash::EntryId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::caller::Caller;
use super::problem::Problem;
use super::{Shared, id};
use crate::hosted::{Event, Hosted};

/// Leaves looked through at once for a reader that is behind.
const PAST_AT_ONCE: u64 = 500;
/// A comment goes out so often while nothing happens, so that a dead reader is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// From where.
#[derive(Debug, Deserialize)]
pub struct From {
    /// A leaf; events from it on. Without it, and without `Last-Event-ID`, from now on.
    from: Option<u64>,
}

/// `GET …/events`
pub async fn events(
    State(app): State<Shared>,
    caller: Caller,
    Path(cooperative): Path<String>,
    Query(query): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let wanted = last.or(query.from);
    let (news, behind) = app
        .look(cooperative, caller, move |hosted| {
            Ok((hosted.subscribe(), wanted.unwrap_or_else(|| hosted.told())))
        })
        .await?;
    let (stopping, ready) = (app.stopping.subscribe(), VecDeque::new());
    let reader =
        Reader { app, cooperative, news, stopping, at: behind, behind: Some(behind), ready };
    let lines = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(line(&event)), reader))
    });
    Ok(Sse::new(lines).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn line(event: &Event) -> Line {
    let (name, what) = match event {
        Event::Placed(what) => ("placed", what),
        Event::Settled(what) => ("settled", what),
    };
    let data = serde_json::to_string(event).unwrap_or_default();
    Line::default().event(name).id(what.resume.to_string()).data(data)
}

/// Somebody who listens.
struct Reader {
    app: Shared,
    cooperative: EntryId,
    news: Receiver<Event>,
    stopping: watch::Receiver<bool>,
    /// Everything below this leaf was told.
    at: u64,
    /// The first leaf of the past that it has not been told of; `None` once it has caught up.
    behind: Option<u64>,
    ready: VecDeque<Event>,
}

impl Reader {
    /// The next event; `None` when the node stops.
    async fn next(&mut self) -> Option<Event> {
        let event = self.fetch().await?;
        let (Event::Placed(what) | Event::Settled(what)) = event;
        self.at = self.at.max(what.resume);
        Some(event)
    }

    async fn fetch(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.behind {
                Some(from) => self.turn(from).await?,
                None => match self.hear().await {
                    Ok(event) => return Some(event),
                    // Too slow: what it has missed is told from the log.
                    Err(RecvError::Lagged(_)) => self.start_again().await?,
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    async fn hear(&mut self) -> Result<Event, RecvError> {
        tokio::select! {
            event = self.news.recv() => event,
            _ = self.stopping.wait_for(|stopping| *stopping) => Err(RecvError::Closed),
        }
    }

    /// A page of the past.
    async fn turn(&mut self, from: u64) -> Option<()> {
        let cooperative = self.cooperative;
        let page = self.app.orders.ask(move |hosts| {
            hosts.get(&cooperative).map(|hosted| hosted.past(from, PAST_AT_ONCE))
        });
        let (events, next) = page.await??;
        self.ready = events.into();
        self.behind = (next > from).then_some(next);
        Some(())
    }

    async fn start_again(&mut self) -> Option<()> {
        let cooperative = self.cooperative;
        let again =
            self.app.orders.ask(move |hosts| hosts.get(&cooperative).map(Hosted::subscribe));
        self.news = again.await??;
        self.behind = Some(self.at);
        Some(())
    }
}
