//! Attachments that settled entries name, fetched from the roster before anybody asks for them: so
//! the loss of one node loses none.
//!
//! A few at a time, slowly, and each that is not found less and less often. What is missing the shelf
//! knows, from the payloads that come and from a look through all of them at the start and every
//! hour; so nothing of this is kept on disk. How a file comes and is checked, `exchange` says.

use std::sync::Arc;
use std::time::Duration;

use talea_protocol::attachment::Attachment;
use talea_protocol::key::NodeKey;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::exchange::{Exchange, Haste};
use crate::metrics::Metrics;
use crate::order::Orders;
use crate::shelf::{ARRIVING_MAX, Label, Shelf, ShelfFault};
use crate::store::StoreFault;

/// Attachments that are fetched at a time: most places are left for those that somebody waits for.
const AT_ONCE: usize = ARRIVING_MAX / 4;
/// After each, found or not: so at most 100 a second are looked for.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two looks through all payloads: for files that somebody has removed, and for names that
/// did not fit.
const SURVEY: Duration = Duration::from_secs(3_600);

/// Whoever fetches what is missing.
pub struct Gather {
    /// This node.
    pub me: NodeKey,
    /// The attachments.
    pub shelf: Arc<Shelf>,
    /// Brings them.
    pub exchange: Arc<Exchange>,
    /// The writer.
    pub orders: Orders,
    /// The time.
    pub clock: Clock,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Whether it fetches them, or is only to know how many are missing.
    pub is_fetching: bool,
}

impl Gather {
    /// Goes on until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut fetching = JoinSet::new();
        let mut survey_at = Duration::ZERO;
        loop {
            let now = (self.clock.steady)();
            if survey_at <= now {
                self.survey().await;
                survey_at = now + SURVEY;
            }
            while self.is_fetching
                && fetching.len() < AT_ONCE
                && let Some(label) = self.shelf.next_missing(now)
            {
                fetching.spawn(Arc::clone(&self).look_for(label));
            }
            let is_full = fetching.len() >= AT_ONCE;
            let turn = self.shelf.next_turn().filter(|_| self.is_fetching && !is_full);
            let until = turn.unwrap_or(survey_at).min(survey_at);
            tokio::select! {
                _ = fetching.join_next(), if !fetching.is_empty() => {}
                () = self.shelf.news(), if !is_full => {}
                () = sleep(until.saturating_sub((self.clock.steady)())) => {}
            }
        }
    }

    /// Looks through all payloads, a stretch at a time.
    async fn survey(&self) {
        let mut from = Some(Vec::new());
        while let Some(key) = from {
            let shelf = Arc::clone(&self.shelf);
            let looked = spawn_blocking(move || shelf.survey(&key)).await;
            from = looked.map_or(Ok(None), |looked: Result<_, StoreFault>| looked).unwrap_or_else(
                |fault| {
                    warn!(%fault, "payloads cannot be looked through for attachments");
                    None
                },
            );
        }
        debug!(missing = self.shelf.missing(), "all payloads are looked through");
    }

    async fn look_for(self: Arc<Self>, label: Label) {
        let sought = self.fetch(label).await;
        self.metrics.sought.inc();
        match sought {
            Ok(true) => {
                self.metrics.fetched.inc();
                info!(attachment = %label.blake3, "fetched");
            }
            Ok(false) | Err(ShelfFault::Busy | ShelfFault::UnderWay | ShelfFault::Erased) => {}
            Err(fault) => {
                warn!(attachment = %label.blake3, %fault, "not fetched; it is tried again");
            }
        }
        sleep(PAUSE).await;
    }

    async fn fetch(&self, label: Label) -> Result<bool, ShelfFault> {
        let Some(attachment) = self.named(label).await? else { return Ok(false) };
        if !self.is_due(label).await {
            return Ok(false);
        }
        Arc::clone(&self.exchange).fetch(label, attachment, Haste::Unasked).await
    }

    async fn named(&self, label: Label) -> Result<Option<Attachment>, ShelfFault> {
        let shelf = Arc::clone(&self.shelf);
        let named = spawn_blocking(move || shelf.named(&label)).await;
        Ok(named.map_err(std::io::Error::other)??)
    }

    /// Whether its entry is settled, and this node of the roster in force, which alone is to have
    /// all of them.
    async fn is_due(&self, label: Label) -> bool {
        let me = self.me;
        let asked = self.orders.query(self.clock.steady, move |hosts| {
            let replica = &hosts.get(&label.cooperative)?.replica;
            let (device, seq) = replica.places().position(&label.entry)?;
            let is_settled = seq < replica.places().settled(device);
            Some(is_settled && replica.roster()?.nodes.contains(&me))
        });
        asked.await.flatten().unwrap_or(false)
    }
}
