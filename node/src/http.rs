//! HTTP for this machine: submit an entry, read what the cooperatives kept here add up to.
//!
//! Every path stands in one table (`routes`), from which the router and `/openapi.json` are both
//! made. Questions go to the writer as short closures; what is long is read from the store.
//! There is no TLS: it is meant for loopback, or for a proxy in front.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use tokio::sync::watch;

use crate::book::Book;
use crate::clock::Clock;
use crate::exchange::Exchange;
use crate::hosted::Hosted;
use crate::link::Links;
use crate::metrics::Metrics;
use crate::order::Orders;
use crate::shelf::Shelf;
use crate::store::{Store, StoreFault};

pub mod problem;
pub mod caller;
pub mod server;
pub mod entries;
mod imports;
pub mod forks;
pub mod cooperatives;
mod state;
mod log;
mod events;
mod export;
mod attachments;
mod health;
mod routes;

use caller::Caller;
use problem::Problem;
pub use routes::{openapi, router};

/// What handlers share.
pub struct App {
    /// This node.
    pub me: NodeKey,
    /// The writer.
    pub orders: Orders,
    /// What is durable.
    pub store: Arc<Store>,
    /// The attachments.
    pub shelf: Arc<Shelf>,
    /// Brings attachments from peers.
    pub exchange: Arc<Exchange>,
    /// The time.
    pub clock: Clock,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Known nodes.
    pub book: Arc<Book>,
    /// Sessions.
    pub links: Arc<Links>,
    /// Where this node is answered.
    pub addresses: Addresses,
    /// Cooperatives that could not be restored, and why.
    pub failed: BTreeMap<EntryId, String>,
    /// Becomes true when the node is on its way down.
    pub stopping: watch::Sender<bool>,
}

/// Where a node is answered, with the ports that the system chose.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Addresses {
    /// By this machine.
    pub http: SocketAddr,
    /// By nodes and wallets.
    pub quic: SocketAddr,
}

/// The same for all handlers.
pub type Shared = Arc<App>;

impl App {
    /// Asks something of a cooperative, for a caller who may read it.
    async fn look<T: Send + 'static>(
        &self,
        cooperative: EntryId,
        caller: Caller,
        question: impl FnOnce(&mut Hosted) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let answer = self.orders.query(self.clock.steady, move |hosts| {
            let hosted = hosts.get_mut(&cooperative);
            let hosted = hosted.ok_or_else(|| Problem::unknown_cooperative(&cooperative))?;
            if hosted.replica.register().is_none() {
                return Err(Problem::no_charter(&cooperative));
            }
            if !hosted.may_read(caller.0.as_ref()) {
                return Err(Problem::unauthorized("no enrolled device of it has signed this"));
            }
            question(hosted)
        });
        answer.await.unwrap_or_else(|| Err(Problem::stopping()))
    }

    /// Reads from the store without holding up the other requests.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || read(&store)).await;
        match done {
            Ok(read) => read.map_err(|fault| Problem::disk(&fault)),
            Err(_) => Err(Problem::stopping()),
        }
    }

    /// Whether the node is on its way down.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// A JSON answer.
pub(crate) fn json<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => typed("application/json", body),
        Err(error) => {
            tracing::error!(%error, "an answer has no JSON");
            Problem::not_found("this has no JSON form").into_response()
        }
    }
}

/// An answer of this type.
pub(crate) fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body.into()).into_response()
}

/// Reads an id from a path.
fn id(text: &str) -> Result<EntryId, Problem> {
    text.parse().map_err(|_| Problem::bad_request(format!("{text:?} is not 64 hexadecimal digits")))
}
