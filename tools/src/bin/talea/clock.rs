//! The only place in this program that reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use talea_protocol::bytes::Day;
use talea_tools::amount;

/// Milliseconds since 1970 UTC; zero on a clock that stands before that.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Today, in UTC.
pub fn today() -> Day {
    amount::day_of(now_ms()).unwrap_or_else(|| Day::new(0).expect("1970-01-01 is a day"))
}

/// A stopwatch for waits that are bounded.
pub struct Deadline(std::time::Instant, Duration);

impl Deadline {
    /// So far from now.
    pub fn within(limit: Duration) -> Self {
        Self(std::time::Instant::now(), limit)
    }

    /// Whether it has passed.
    pub fn is_over(&self) -> bool {
        self.elapsed() >= self.1
    }

    /// How long it has been.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
