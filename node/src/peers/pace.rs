//! How slow a peer may be: a frame that was begun comes, or is taken, at 1 KiB a second at least.
//!
//! Who has nothing to say may be silent; who has begun a frame holds room and a place for it.

use std::time::Duration;

use talea_protocol::quic::{ReceiveFault, Receiver, SendFault, Sender};
use tokio::time::timeout;

/// What a frame that was begun brings at least, in bytes a second on average since it was begun
/// (reliability, section 5).
pub const FLOOR_BYTES_PER_SECOND: u64 = 1024;
/// How long a frame is not yet held to that: a lost datagram costs a second or two.
pub const FLOOR_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked at, while one is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why no frame was received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unheard {
    /// Nothing was begun for as long as is waited.
    Silent,
    /// The frame that was begun comes too slowly.
    Slow,
    /// The transport's reason.
    Fault(ReceiveFault),
}

/// A frame under way.
#[derive(Debug, Default)]
struct Pace {
    begun: Option<Duration>,
}

impl Pace {
    /// Whether a frame of which so many bytes are here by now comes too slowly.
    fn is_too_slow(&mut self, now: Duration, held: usize) -> bool {
        if held == 0 {
            self.begun = None;
            return false;
        }
        let passed = now.saturating_sub(*self.begun.get_or_insert(now));
        let held = u64::try_from(held).unwrap_or(u64::MAX);
        passed >= FLOOR_AFTER && held < passed.as_secs().saturating_mul(FLOOR_BYTES_PER_SECOND)
    }
}

/// The longest that a frame of so many bytes may take.
fn longest(bytes: usize) -> Duration {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    FLOOR_AFTER + Duration::from_secs(bytes.div_ceil(FLOOR_BYTES_PER_SECOND))
}

/// The next frame, or `None` at the end of the session; waits for its beginning at most `patience`.
///
/// # Errors
/// [`Unheard`].
pub(super) async fn receive(
    receiver: &mut Receiver,
    clock: fn() -> Duration,
    patience: Duration,
) -> Result<Option<Vec<u8>>, Unheard> {
    let (begun, mut pace) = (clock(), Pace::default());
    loop {
        match timeout(LOOK_EVERY, receiver.receive()).await {
            Ok(received) => return received.map_err(Unheard::Fault),
            Err(_) if pace.is_too_slow(clock(), receiver.begun()) => return Err(Unheard::Slow),
            Err(_) if receiver.begun() > 0 => {}
            Err(_) if clock().saturating_sub(begun) >= patience => return Err(Unheard::Silent),
            Err(_) => {}
        }
    }
}

/// Sends a frame, unless it is not taken in time.
///
/// # Errors
/// The transport's reason; `None` if it was too slow.
pub(super) async fn send(sender: &mut Sender, frame: &[u8]) -> Result<(), Option<SendFault>> {
    match timeout(longest(frame.len()), sender.send(frame)).await {
        Ok(sent) => sent.map_err(Some),
        Err(_) => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn after_five_seconds_a_frame_has_brought_a_kib_a_second_or_is_too_slow() {
        let mut pace = Pace::default();
        assert!(!pace.is_too_slow(at(10_000), 1));
        assert!(!pace.is_too_slow(at(14_999), 1), "not yet held to it");
        assert!(!pace.is_too_slow(at(15_000), 5 * 1024));
        assert!(pace.is_too_slow(at(15_000), 5 * 1024 - 1));
        assert!(!pace.is_too_slow(at(70_000), 60 * 1024));
        assert!(pace.is_too_slow(at(70_000), 60 * 1024 - 1));
    }

    #[test]
    fn who_has_begun_nothing_is_not_slow_and_the_next_frame_begins_anew() {
        let mut pace = Pace::default();
        assert!(!pace.is_too_slow(at(0), 1));
        assert!(!pace.is_too_slow(at(60_000), 0));
        assert!(!pace.is_too_slow(at(61_000), 1));
        assert!(!pace.is_too_slow(at(65_999), 1));
        assert!(pace.is_too_slow(at(66_000), 1));
    }

    #[test]
    fn the_longest_frame_is_sent_in_261_seconds_at_most() {
        assert_eq!(longest(256 * 1024), Duration::from_secs(261));
        assert_eq!(longest(1), Duration::from_secs(6));
    }
}
