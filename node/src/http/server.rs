//! Connections of HTTP, TCP or Unix, with limits on how many there are and how slow they may be.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

/// Connections at a time; more wait to be accepted (reliability, section 5).
pub const CONNECTIONS_MAX: usize = 64;
/// The longest a request's head may take, and a connection may idle between two requests.
pub const HEAD_MAX: Duration = Duration::from_secs(10);
/// Longest head, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest that answers may take once the node stops; event streams are then cut off.
const GRACE: Duration = Duration::from_secs(3);

/// Answers until `stop` is ready, then lets what was begun be finished.
pub async fn serve<L: Listener>(mut listener: L, router: Router, stop: impl Future<Output = ()>) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (closing, closed) = tokio::sync::watch::channel(false);
    let mut tasks = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let seat = tokio::select! {
            seat = Arc::clone(&seats).acquire_owned() => seat,
            () = &mut stop => break,
        };
        let Ok(seat) = seat else { break };
        let (io, _) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        while tasks.try_join_next().is_some() {}
        let (router, mut closed) = (router.clone(), closed.clone());
        tasks.spawn(async move {
            let _seat = seat;
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
            builder.max_buf_size(HEAD_BYTES_MAX);
            let service = TowerToHyperService::new(router);
            let connection = builder.serve_connection(TokioIo::new(io), service);
            tokio::pin!(connection);
            let closing = async { drop(closed.wait_for(|closed| *closed).await) };
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = closing => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(fault) = ended {
                debug!(%fault, "a connection ended");
            }
        });
    }
    drop(listener);
    let _ = closing.send(true);
    let finished = async { while tasks.join_next().await.is_some() {} };
    let _ = timeout(GRACE, finished).await;
    tasks.shutdown().await;
}
