//! A node's own threads: named, and none can be missed silently.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use tracing::error;

/// Starts a thread. If it panics, the process ends: without one of its threads a node would take
/// orders and never answer. What was acknowledged is on the disk.
///
/// # Errors
/// The system's, if it gives no thread.
pub fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            error!(thread = name, "a thread has failed; the process ends");
            std::process::abort();
        }
    })
}
