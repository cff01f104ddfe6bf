//! What each peer has used up, and how it has behaved.
//!
//! A known node pays for itself. A stranger's address pays for all that comes from there, whoever
//! it says it is and however often it comes back, and all strangers together have a limit of
//! their own. Known nodes are never banned: who sends what is none has to wait, longer each time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::Duration;

use talea_protocol::key::NodeKey;

use crate::rate::Bucket;

/// What a stranger may send, in bytes a second (reliability, section 5).
pub const STRANGER_BYTES_PER_SECOND: u64 = 256 * 1024;
/// What a stranger may send at once, in bytes.
pub const STRANGER_BURST_BYTES: u64 = 2 * 1024 * 1024;
/// What a known node may send besides the leaves that were asked for, in bytes a second.
pub const KNOWN_BYTES_PER_SECOND: u64 = 4 * 1024 * 1024;
/// What a known node may send at once, in bytes.
pub const KNOWN_BURST_BYTES: u64 = 16 * 1024 * 1024;
/// Signatures that a stranger may have checked, a second (reliability, section 5): 1 % of a core.
pub const STRANGER_SIGNATURES_PER_SECOND: u64 = 200;
/// Signatures that a stranger may have checked at once.
pub const STRANGER_BURST_SIGNATURES: u64 = 2_000;
/// Signatures that a known node may have checked besides those in logs, a second, and at once.
pub const KNOWN_SIGNATURES_PER_SECOND: u64 = 5_000;
/// What all strangers together may send, in bytes a second, however many addresses they have:
/// three times what their signatures come with, and some 2 % of a core.
pub const STRANGERS_BYTES_PER_SECOND: u64 = 1024 * 1024;
/// What all strangers together may send at once, in bytes.
pub const STRANGERS_BURST_BYTES: u64 = 8 * 1024 * 1024;
const _: () = assert!(STRANGER_BURST_BYTES <= STRANGERS_BURST_BYTES);
/// Signatures that all strangers together may have checked, a second: less than 5 % of a core,
/// however many addresses they have.
pub const STRANGERS_SIGNATURES_PER_SECOND: u64 = 1_000;
/// Signatures that all strangers together may have checked at once.
pub const STRANGERS_BURST_SIGNATURES: u64 = 4_000;
const _: () = assert!(STRANGER_BURST_SIGNATURES <= STRANGERS_BURST_SIGNATURES);
/// Bad signatures in one session; with the last, it is over (reliability, section 5). A frame
/// that is none ends it at once.
pub const BAD_SIGNATURES_MAX: u32 = 3;
/// How long a known node that misbehaved has to wait; each further time doubles it.
pub const BACK_OFF_MIN: Duration = Duration::from_secs(1);
/// The longest that a known node has to wait: it may have been repaired.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(10 * 60);
/// A known node that has behaved for so long begins anew.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(60 * 60);
const _: () = assert!(BACK_OFF_MIN.as_millis() < BACK_OFF_MAX.as_millis());
/// Payers with something on their tab. Only who has finished a handshake gets one, and tabs are
/// paid in 10 s: more are not to be expected.
const TABS_MAX: usize = 4_096;

/// Who pays.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Payer {
    /// A known node.
    Node(NodeKey),
    /// Whoever is at this address.
    Address(IpAddr),
}

impl Payer {
    /// A stranger at this address.
    pub(super) const fn stranger(address: IpAddr) -> Self {
        Self::Address(payer(address))
    }

    /// What tells it from others.
    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Node(node) => node.0.to_vec(),
            Self::Address(IpAddr::V4(four)) => four.octets().to_vec(),
            Self::Address(IpAddr::V6(six)) => six.octets().to_vec(),
        }
    }
}

/// What is counted as one address: of IPv6 the 64 bits that a subscriber is given.
pub(super) const fn payer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) if six.is_loopback() => address,
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// What is paid for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cost {
    /// Bytes of frames.
    Bytes(u64),
    /// One signature to be checked.
    Signature,
}

#[derive(Debug)]
struct Tab {
    bytes: Bucket,
    signatures: Bucket,
}

impl Tab {
    const fn new(payer: Payer, now: Duration) -> Self {
        let (bytes, signatures) = match payer {
            Payer::Node(_) => (
                (KNOWN_BYTES_PER_SECOND, KNOWN_BURST_BYTES),
                (KNOWN_SIGNATURES_PER_SECOND, KNOWN_SIGNATURES_PER_SECOND),
            ),
            Payer::Address(_) => (
                (STRANGER_BYTES_PER_SECOND, STRANGER_BURST_BYTES),
                (STRANGER_SIGNATURES_PER_SECOND, STRANGER_BURST_SIGNATURES),
            ),
        };
        Self {
            bytes: Bucket::full(bytes.0, bytes.1, now),
            signatures: Bucket::full(signatures.0, signatures.1, now),
        }
    }

    /// That of all strangers together.
    const fn of_strangers() -> Self {
        let (bytes, signatures) = (
            (STRANGERS_BYTES_PER_SECOND, STRANGERS_BURST_BYTES),
            (STRANGERS_SIGNATURES_PER_SECOND, STRANGERS_BURST_SIGNATURES),
        );
        Self {
            bytes: Bucket::full(bytes.0, bytes.1, Duration::ZERO),
            signatures: Bucket::full(signatures.0, signatures.1, Duration::ZERO),
        }
    }

    const fn bucket(&mut self, cost: Cost) -> (&mut Bucket, u64) {
        match cost {
            Cost::Bytes(bytes) => (&mut self.bytes, bytes),
            Cost::Signature => (&mut self.signatures, 1),
        }
    }

    fn pay(&mut self, now: Duration, cost: Cost) -> Result<(), Duration> {
        let (bucket, amount) = self.bucket(cost);
        bucket.take(now, amount)
    }

    fn is_paid(&mut self, now: Duration) -> bool {
        self.bytes.is_full(now) && self.signatures.is_full(now)
    }
}

/// A known node's misdeeds.
#[derive(Clone, Copy, Debug)]
struct Record {
    times: u32,
    until: Duration,
}

#[derive(Debug)]
struct Records {
    tabs: BTreeMap<Payer, Tab>,
    strangers: Tab,
    nodes: BTreeMap<NodeKey, Record>,
}

/// How everybody has behaved.
#[derive(Debug)]
pub(super) struct Conduct(Mutex<Records>);

impl Conduct {
    pub(super) const fn new() -> Self {
        let strangers = Tab::of_strangers();
        Self(Mutex::new(Records { tabs: BTreeMap::new(), strangers, nodes: BTreeMap::new() }))
    }

    /// Pays, or says how long to wait before asking again; nothing was paid then.
    pub(super) fn pay(&self, now: Duration, payer: Payer, cost: Cost) -> Result<(), Duration> {
        let mut records = self.lock();
        let Records { tabs, strangers, .. } = &mut *records;
        if tabs.len() >= TABS_MAX && !tabs.contains_key(&payer) {
            tabs.retain(|_, tab| !tab.is_paid(now));
            if tabs.len() >= TABS_MAX {
                return Err(Duration::from_secs(1));
            }
        }
        let tab = tabs.entry(payer).or_insert_with(|| Tab::new(payer, now));
        tab.pay(now, cost)?;
        if let Payer::Address(_) = payer {
            strangers.pay(now, cost).inspect_err(|_| {
                let (bucket, amount) = tab.bucket(cost);
                bucket.give_back(amount);
            })?;
        }
        Ok(())
    }

    /// A known node has misbehaved; returns how long it has to wait.
    pub(super) fn offend(&self, now: Duration, node: NodeKey) -> Duration {
        let mut records = self.lock();
        let record = records.nodes.entry(node).or_insert(Record { times: 0, until: now });
        if now.saturating_sub(record.until) >= FORGIVEN_AFTER {
            record.times = 0;
        }
        let wait = BACK_OFF_MIN.saturating_mul(1 << record.times.min(16)).min(BACK_OFF_MAX);
        record.times = record.times.saturating_add(1);
        record.until = now + wait;
        wait
    }

    /// How long a known node still has to wait.
    pub(super) fn wait(&self, now: Duration, node: &NodeKey) -> Duration {
        let records = self.lock();
        records.nodes.get(node).map_or(Duration::ZERO, |record| record.until.saturating_sub(now))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Records> {
        self.0.lock().expect("nothing panics while it holds the records")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn known() -> Payer {
        Payer::Node(NodeKey([1; 32]))
    }

    fn stranger(n: u8) -> Payer {
        Payer::stranger(IpAddr::from([192, 0, 2, n]))
    }

    /// How much can be paid at once.
    fn burst(conduct: &Conduct, now: Duration, payer: Payer, cost: Cost) -> u64 {
        (0..).take_while(|_| conduct.pay(now, payer, cost).is_ok()).count().try_into().unwrap()
    }

    #[test]
    fn bytes_are_taken_up_to_the_burst_and_then_at_the_rate() {
        let kib = Cost::Bytes(1024);
        for (payer, per_second, at_once) in [
            (stranger(1), STRANGER_BYTES_PER_SECOND, STRANGER_BURST_BYTES),
            (known(), KNOWN_BYTES_PER_SECOND, KNOWN_BURST_BYTES),
        ] {
            let conduct = Conduct::new();
            assert_eq!(burst(&conduct, at(0), payer, kib), at_once / 1024);
            assert_eq!(burst(&conduct, at(1_000), payer, kib), per_second / 1024);
            assert!(conduct.pay(at(1_000), payer, Cost::Bytes(1)).is_err(), "one beyond");
            let frame = u64::try_from(talea_protocol::bytes::FRAME_BYTES_MAX).unwrap();
            assert!(frame <= at_once, "whatever may be sent can be paid");
        }
    }

    #[test]
    fn signatures_are_checked_up_to_the_burst_and_then_at_the_rate() {
        for (payer, per_second, at_once) in [
            (stranger(1), STRANGER_SIGNATURES_PER_SECOND, STRANGER_BURST_SIGNATURES),
            (known(), KNOWN_SIGNATURES_PER_SECOND, KNOWN_SIGNATURES_PER_SECOND),
        ] {
            let conduct = Conduct::new();
            assert_eq!(burst(&conduct, at(0), payer, Cost::Signature), at_once);
            assert_eq!(burst(&conduct, at(1_000), payer, Cost::Signature), per_second);
        }
    }

    #[test]
    fn all_strangers_together_have_a_limit_that_no_number_of_addresses_raises() {
        let kib = Cost::Bytes(1024);
        for (cost, per_second, at_once) in [
            (Cost::Signature, STRANGERS_SIGNATURES_PER_SECOND, STRANGERS_BURST_SIGNATURES),
            (kib, STRANGERS_BYTES_PER_SECOND / 1024, STRANGERS_BURST_BYTES / 1024),
        ] {
            let conduct = Conduct::new();
            let all =
                |now| -> u64 { (0..200).map(|n| burst(&conduct, now, stranger(n), cost)).sum() };
            assert_eq!((all(at(0)), all(at(1_000))), (at_once, per_second), "{cost:?}");
            assert_eq!(conduct.pay(at(1_000), known(), cost), Ok(()), "not the roster's");
        }
    }

    #[test]
    fn who_comes_back_from_the_same_address_goes_on_with_the_same_tab() {
        let conduct = Conduct::new();
        let of = |text: &str| Payer::stranger(text.parse().unwrap());
        let _ = burst(&conduct, at(0), of("2001:db8:1:2::1"), Cost::Signature);
        assert!(conduct.pay(at(0), of("2001:db8:1:2::1"), Cost::Signature).is_err());
        assert!(conduct.pay(at(0), of("2001:db8:1:2::ffff"), Cost::Signature).is_err());
        assert!(conduct.pay(at(0), of("2001:db8:1:3::1"), Cost::Signature).is_ok());
    }

    #[test]
    fn a_known_node_that_misbehaves_waits_longer_each_time_and_is_forgiven_after_an_hour() {
        let (conduct, node) = (Conduct::new(), NodeKey([1; 32]));
        assert_eq!(conduct.wait(at(0), &node), Duration::ZERO);
        assert_eq!(conduct.offend(at(0), node), BACK_OFF_MIN);
        assert_eq!(conduct.wait(at(999), &node), at(1));
        assert_eq!(conduct.wait(at(1_000), &node), Duration::ZERO);
        assert_eq!(conduct.offend(at(1_000), node), BACK_OFF_MIN * 2);
        for _ in 0..40 {
            let _ = conduct.offend(at(2_000), node);
        }
        assert_eq!(conduct.offend(at(2_000), node), BACK_OFF_MAX, "and no longer");
        let later = at(2_000) + BACK_OFF_MAX + FORGIVEN_AFTER;
        assert_eq!(conduct.offend(later, node), BACK_OFF_MIN);
    }

    #[test]
    fn paid_tabs_are_forgotten_when_there_are_too_many() {
        let conduct = Conduct::new();
        let nth = |n: usize| Payer::Address(IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()));
        for n in 0..TABS_MAX {
            assert!(conduct.pay(at(0), nth(n), Cost::Bytes(1)).is_ok());
        }
        assert!(conduct.pay(at(0), nth(TABS_MAX), Cost::Bytes(1)).is_err());
        assert!(conduct.pay(at(60_000), nth(TABS_MAX), Cost::Bytes(1)).is_ok());
        assert_eq!(conduct.lock().tabs.len(), 1);
    }
}
