//! Connections of HTTP, TCP or Unix, with limits on how many there are and how slow they may be.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tracing::debug;

/// Connections at a time; more wait to be accepted (reliability, section 5).
pub const CONNECTIONS_MAX: usize = 64;
/// The longest a request's head may take, and a connection may idle between two requests.
pub const HEAD_MAX: Duration = Duration::from_secs(10);
/// The longest that nothing of an answer is taken; whoever does not read loses the connection.
pub const STALL_MAX: Duration = Duration::from_secs(10);
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
            let connection = builder.serve_connection(TokioIo::new(Patient::new(io)), service);
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

/// A connection that is given up when it takes nothing for [`STALL_MAX`].
struct Patient<T> {
    io: T,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T> Patient<T> {
    const fn new(io: T) -> Self {
        Self { io, stalled: None }
    }

    fn watch<R>(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if done.is_ready() {
            self.stalled = None;
            return done;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL_MAX)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(context, bytes);
        self.watch(context, done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_flush(context);
        self.watch(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_shutdown(context);
        self.watch(context, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_for_ten_seconds_is_given_up_and_who_reads_slowly_is_not() {
        let (ours, mut theirs) = duplex(1_000);
        let mut ours = Patient::new(ours);
        let reads = async {
            for _ in 0..6 {
                sleep(STALL_MAX - Duration::from_millis(1)).await;
                theirs.read_exact(&mut [0; 500]).await.unwrap();
            }
            Instant::now()
        };
        let (written, last) = tokio::join!(ours.write_all(&[7; 10_000]), reads);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let waited = last.elapsed();
        assert!(waited >= STALL_MAX && waited < STALL_MAX + HEAD_MAX, "{waited:?}");
    }
}
