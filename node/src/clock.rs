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
    /// Time since any fixed moment. It never goes back.
    pub steady: fn() -> Duration,
}

impl Clock {
    /// The steady time in ms, as the protocol's machines take it.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment(millis((self.steady)()))
    }

    /// Seconds since 1970 UTC, as cosignatures take them.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        (self.wall)() / 1000
    }
}

/// A duration in whole ms.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
