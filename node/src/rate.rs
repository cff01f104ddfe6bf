//! A token bucket: so much a second, with a burst. Local policy, never part of a verdict.

use std::time::Duration;

/// What may be used: refilled at a steady rate up to the burst.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_second: u64,
    burst: u64,
    level: u64,
    last: Duration,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub const fn full(per_second: u64, burst: u64, now: Duration) -> Self {
        Self { per_second, burst, level: burst, last: now }
    }

    /// Takes `amount`, or says how long to wait for it. More than the burst is taken when the
    /// bucket is full, and paid off afterwards by nobody: a single message is limited elsewhere.
    ///
    /// # Errors
    /// The time after which it can be taken; nothing was.
    pub fn take(&mut self, now: Duration, amount: u64) -> Result<(), Duration> {
        self.refill(now);
        let needed = amount.min(self.burst);
        match self.level.checked_sub(needed) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None => {
                let missing = needed - self.level;
                let ms = missing.saturating_mul(1000).div_ceil(self.per_second.max(1));
                Err(Duration::from_millis(ms))
            }
        }
    }

    /// Whole units only: what is left of the time counts from the last unit on.
    fn refill(&mut self, now: Duration) {
        let passed = u64::try_from(now.saturating_sub(self.last).as_millis()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(self.per_second) / 1000;
        if gained > 0 {
            self.level = self.level.saturating_add(gained).min(self.burst);
            self.last = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_at_once_and_the_rest_at_the_rate() {
        let at = Duration::from_millis;
        let mut bucket = Bucket::full(10, 20, at(0));
        assert_eq!(bucket.take(at(0), 20), Ok(()));
        assert_eq!(bucket.take(at(0), 1), Err(at(100)));
        assert_eq!(bucket.take(at(99), 1), Err(at(100)));
        assert_eq!(bucket.take(at(100), 1), Ok(()));
        assert_eq!(bucket.take(at(10_000), 21), Ok(()), "more than the burst, once it is full");
        assert_eq!(bucket.take(at(10_000), 1), Err(at(100)));
    }
}
