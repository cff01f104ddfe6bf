//! Where a node reads the time and gets its randomness: from whoever starts it.
//!
//! Only `main` asks the system. A test hands in clocks of its own.

use std::time::Duration;

use talea_protocol::sync::Moment;

/// The two clocks of a node.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Milliseconds since 1970 UTC. It may jump.
    pub wall: fn() -> u64,
    /// Time since 1970 UTC, right when the process started. It never goes back nor jumps.
    pub steady: fn() -> Duration,
}

impl Clock {
    /// The time in ms, as the protocol's machines take it: they date cosignatures by it, compare
    /// entries' claims with it and arm their timers by it. A wall clock that is set while the node
    /// runs changes none of that before its next start.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment(millis((self.steady)()))
    }
}

/// A duration in whole ms.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
