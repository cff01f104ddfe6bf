//! So much a second, with a burst: for one purse, and for the entries of every device.
//!
//! Local policy, never part of a verdict: two nodes with other rates keep the same logs. Who has
//! to pay, and for what, is decided where it comes in (`order`, `peers`).

use std::collections::BTreeMap;
use std::time::Duration;

use talea_protocol::hash::EntryId;
use talea_protocol::key::DeviceKey;

/// Entries of one device, a minute (reliability, section 5): nobody writes faster by hand. What
/// comes in the logs of other nodes is not counted: they have counted it.
pub const DEVICE_ENTRIES_PER_MINUTE: u64 = 60;
/// Entries of one device at once: an evening's notes, or a week without a network.
pub const DEVICE_ENTRIES_BURST: u64 = 600;
const _: () = assert!(DEVICE_ENTRIES_PER_MINUTE.is_multiple_of(60));
/// Entries of one announced import: years of a small cooperative.
pub const IMPORT_ENTRIES_MAX: u64 = 10_000;
/// How long an import may take.
pub const IMPORT_LIFE: Duration = Duration::from_secs(60 * 60);
/// From one import of a device to its next.
pub const IMPORT_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Devices with something on their tab; with more, a device without a tab has to wait: 8 MB.
const TABS_MAX: usize = 65_536;

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

    /// Gives back what was taken and not used.
    pub fn give_back(&mut self, amount: u64) {
        self.level = self.level.saturating_add(amount).min(self.burst);
    }

    /// Whether nothing is missing, so that a new one would be the same.
    pub fn is_full(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.level == self.burst
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

/// A device in a cooperative: each cooperative is an island.
pub type Chain = (EntryId, DeviceKey);

/// What an entry was taken from, and is given back to if it gets no place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Share {
    /// The device's rate.
    Rate,
    /// An import that was announced.
    Import,
}

/// Why an import is not granted. The announcer's to solve.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ImportFault {
    /// None, or more than [`IMPORT_ENTRIES_MAX`].
    #[error("an import of {entries} entries, 1 to {IMPORT_ENTRIES_MAX} are allowed")]
    Count {
        /// How many were announced.
        entries: u64,
    },
    /// The last one was announced less than [`IMPORT_EVERY`] ago.
    #[error("this device has announced an import already; the next in {} s", wait.as_secs())]
    Again {
        /// How long to wait.
        wait: Duration,
    },
}

#[derive(Clone, Copy, Debug)]
struct Import {
    left: u64,
    begun: Duration,
}

impl Import {
    fn is_open(&self, now: Duration) -> bool {
        self.left > 0 && now.saturating_sub(self.begun) < IMPORT_LIFE
    }
}

#[derive(Debug)]
struct Tab {
    rate: Bucket,
    import: Option<Import>,
}

impl Tab {
    const fn new(now: Duration) -> Self {
        let per_second = DEVICE_ENTRIES_PER_MINUTE / 60;
        Self { rate: Bucket::full(per_second, DEVICE_ENTRIES_BURST, now), import: None }
    }

    fn is_clean(&mut self, now: Duration) -> bool {
        let again = |import: Import| now.saturating_sub(import.begun) >= IMPORT_EVERY;
        self.import.is_none_or(again) && self.rate.is_full(now)
    }
}

/// How many entries each device has had placed lately.
///
/// An entry is taken when it is submitted, before its signature is known to be its device's, and
/// given back if it gets no place: whoever forges entries in another's name uses up nothing.
#[derive(Debug, Default)]
pub struct Devices {
    tabs: BTreeMap<Chain, Tab>,
}

impl Devices {
    /// Takes one entry.
    ///
    /// # Errors
    /// The time after which it can be taken; nothing was.
    pub fn take(&mut self, now: Duration, chain: Chain) -> Result<Share, Duration> {
        if self.tabs.len() >= TABS_MAX && !self.tabs.contains_key(&chain) {
            self.tabs.retain(|_, tab| !tab.is_clean(now));
            if self.tabs.len() >= TABS_MAX {
                return Err(Duration::from_secs(1));
            }
        }
        let tab = self.tabs.entry(chain).or_insert_with(|| Tab::new(now));
        if let Some(import) = tab.import.as_mut().filter(|import| import.is_open(now)) {
            import.left -= 1;
            return Ok(Share::Import);
        }
        tab.rate.take(now, 1).map(|()| Share::Rate)
    }

    /// Gives back what an entry that got no place was taken from.
    pub fn give_back(&mut self, chain: Chain, share: Share) {
        let Some(tab) = self.tabs.get_mut(&chain) else { return };
        match (share, &mut tab.import) {
            (Share::Import, Some(import)) => import.left += 1,
            _ => tab.rate.give_back(1),
        }
        // Forgers leave nothing behind, however many devices they name.
        if tab.import.is_none() && tab.rate.level == tab.rate.burst {
            self.tabs.remove(&chain);
        }
    }

    /// A device says beforehand that it will bring so many entries, which are then not rated.
    ///
    /// # Errors
    /// [`ImportFault`].
    pub fn announce(
        &mut self,
        now: Duration,
        chain: Chain,
        entries: u64,
    ) -> Result<(), ImportFault> {
        if !(1..=IMPORT_ENTRIES_MAX).contains(&entries) {
            return Err(ImportFault::Count { entries });
        }
        let tab = self.tabs.entry(chain).or_insert_with(|| Tab::new(now));
        let since = tab.import.map(|import| now.saturating_sub(import.begun));
        match since.and_then(|since| IMPORT_EVERY.checked_sub(since)) {
            Some(wait) if !wait.is_zero() => Err(ImportFault::Again { wait }),
            _ => {
                tab.import = Some(Import { left: entries, begun: now });
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const fn chain(n: u8) -> Chain {
        (EntryId([1; 32]), DeviceKey([n; 32]))
    }

    /// Takes as many as there are; returns how many, and when the next is there.
    fn exhaust(devices: &mut Devices, now: Duration, chain: Chain) -> (u64, Duration) {
        let mut taken = 0;
        loop {
            match devices.take(now, chain) {
                Ok(_) => taken += 1,
                Err(wait) => return (taken, wait),
            }
        }
    }

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

    #[test]
    fn a_device_has_600_entries_at_once_and_60_a_minute_after_them() {
        let mut devices = Devices::default();
        assert_eq!(exhaust(&mut devices, at(0), chain(1)), (DEVICE_ENTRIES_BURST, at(1)));
        assert_eq!(exhaust(&mut devices, at(60), chain(1)), (DEVICE_ENTRIES_PER_MINUTE, at(1)));
        assert_eq!(exhaust(&mut devices, at(60), chain(2)).0, DEVICE_ENTRIES_BURST, "another's");
    }

    #[test]
    fn entries_without_a_place_use_up_nothing_and_leave_nothing_behind() {
        let mut devices = Devices::default();
        for n in 0..=255 {
            let share = devices.take(at(0), chain(n)).unwrap();
            devices.give_back(chain(n), share);
        }
        assert!(devices.tabs.is_empty());
        assert_eq!(exhaust(&mut devices, at(0), chain(1)).0, DEVICE_ENTRIES_BURST);
    }

    #[test]
    fn an_announced_import_is_not_rated_and_ends_with_its_last_entry_or_its_hour() {
        let mut devices = Devices::default();
        assert_eq!(devices.announce(at(0), chain(1), 1_000), Ok(()));
        assert_eq!(exhaust(&mut devices, at(0), chain(1)).0, 1_000 + DEVICE_ENTRIES_BURST);
        let wait = IMPORT_EVERY - at(5);
        let again = devices.announce(at(5), chain(1), 1);
        assert_eq!(again, Err(ImportFault::Again { wait }));
        assert_eq!(devices.announce(IMPORT_EVERY, chain(1), 1_000), Ok(()));
        let late = IMPORT_EVERY + IMPORT_LIFE;
        assert_eq!(exhaust(&mut devices, late, chain(1)).0, DEVICE_ENTRIES_BURST);
    }

    #[test]
    fn an_import_of_10_000_entries_is_granted_and_one_more_or_none_is_not() {
        let mut devices = Devices::default();
        for entries in [0, IMPORT_ENTRIES_MAX + 1, u64::MAX] {
            let refused = devices.announce(at(0), chain(1), entries);
            assert_eq!(refused, Err(ImportFault::Count { entries }));
        }
        assert_eq!(devices.announce(at(0), chain(1), IMPORT_ENTRIES_MAX), Ok(()));
    }

    #[test]
    fn of_an_import_is_given_back_what_it_was_taken_from() {
        let mut devices = Devices::default();
        devices.announce(at(0), chain(1), 1).unwrap();
        let share = devices.take(at(0), chain(1)).unwrap();
        assert_eq!(share, Share::Import);
        devices.give_back(chain(1), share);
        assert_eq!(exhaust(&mut devices, at(0), chain(1)).0, 1 + DEVICE_ENTRIES_BURST);
    }

    #[test]
    fn when_too_many_devices_have_a_tab_the_paid_ones_are_forgotten_first() {
        let mut devices = Devices::default();
        let nth = |n: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            (EntryId([1; 32]), DeviceKey(key))
        };
        for n in 0..TABS_MAX {
            assert!(devices.take(at(0), nth(n)).is_ok());
        }
        assert_eq!(devices.take(at(0), nth(TABS_MAX)), Err(at(1)));
        assert_eq!(devices.take(at(0), nth(0)), Ok(Share::Rate), "who has one is served");
        assert_eq!(devices.take(at(1), nth(TABS_MAX)), Ok(Share::Rate));
        assert_eq!(devices.tabs.len(), 2);
    }
}
