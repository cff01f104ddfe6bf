//! Connections that others opened: how many there may be, in all and of each, and how soon.
//!
//! A key costs nothing and an address something, so strangers are told apart by address, and
//! have a part of the places only. What is left over is for addresses at which a known node has
//! shown its key: whoever wants to cut this node off from its roster does not get them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use talea_protocol::charter::ROSTER_MAX;
use talea_protocol::key::NodeKey;

use super::conduct::{Conduct, payer};
use crate::rate::Bucket;

/// Connections that others opened, in all (reliability, section 5).
pub const INCOMING_MAX: usize = 64;
/// Of these, connections of strangers: they cannot keep the roster out.
pub const STRANGERS_MAX: usize = 32;
/// Of these, handshakes under way with addresses of which no known node has come: at 50 ms each
/// that lets in 320 a second.
pub const HANDSHAKES_MAX: usize = 16;
const _: () = assert!(STRANGERS_MAX + HANDSHAKES_MAX + ROSTER_MAX <= INCOMING_MAX);
/// While so many handshakes are under way, the next address has to be proven first, so that
/// forged ones cannot take the rest.
pub const UNPROVEN_MAX: usize = 8;
const _: () = assert!(UNPROVEN_MAX < HANDSHAKES_MAX);
/// Connections of one key (reliability, section 5).
pub const PER_KEY_MAX: usize = 2;
/// Connections from one address (reliability, section 5); this machine's own are not counted,
/// since whoever is on it has other ways.
pub const PER_ADDRESS_MAX: usize = 4;
/// Handshakes a second, of all unknown addresses together, and of each known one: at 0.5 ms for
/// one they take 2.5 % of a core.
pub const HANDSHAKES_PER_SECOND: u64 = 50;
/// Handshakes at once, after a time without any.
pub const HANDSHAKES_BURST: u64 = 100;
/// Handshakes a second of an address at which a stranger was banned: a new key is free, so the
/// address pays. Who shares it with a nuisance still gets in.
pub const OFFENDER_HANDSHAKES_PER_SECOND: u64 = 5;
/// Handshakes of such an address at once.
pub const OFFENDER_HANDSHAKES_BURST: u64 = 5;
/// Handshakes a second of all such addresses together: without it 64 of them take all that is left
/// to strangers. At 2 ms for one with three bad signatures they take 2 % of a core.
pub const OFFENDERS_HANDSHAKES_PER_SECOND: u64 = 10;
/// Handshakes of all such addresses at once.
pub const OFFENDERS_HANDSHAKES_BURST: u64 = 20;
const _: () = assert!(OFFENDERS_HANDSHAKES_PER_SECOND < HANDSHAKES_PER_SECOND);
/// How long that is remembered after the last ban.
pub const OFFENDER_LIFE: Duration = Duration::from_secs(60 * 60);
/// Such addresses that are remembered; of more, the one that was banned first is forgotten.
const OFFENDERS_MAX: usize = 1_024;
/// Addresses of known nodes that are remembered; only who proves a known key adds one.
const KNOWN_ADDRESSES_MAX: usize = 64;
const _: () = assert!(ROSTER_MAX <= KNOWN_ADDRESSES_MAX);

/// Connections that others opened, counted, and how their owners behave. Clones share it.
#[derive(Clone, Debug)]
pub struct Guests(Arc<(Mutex<Counts>, Conduct)>);

impl Default for Guests {
    fn default() -> Self {
        Self(Arc::new((Mutex::default(), Conduct::new())))
    }
}

#[derive(Debug)]
struct Counts {
    all: usize,
    handshakes: usize,
    strangers: usize,
    addresses: BTreeMap<IpAddr, usize>,
    keys: BTreeMap<NodeKey, usize>,
    /// Handshakes of unknown addresses.
    rate: Bucket,
    /// Those of addresses at which a known node has shown its key.
    known: BTreeMap<IpAddr, (Bucket, Duration)>,
    /// Those of addresses at which a stranger was banned, and when that was.
    offenders: BTreeMap<IpAddr, (Bucket, Duration)>,
    /// Those of all such addresses together.
    offending: Bucket,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            all: 0,
            handshakes: 0,
            strangers: 0,
            addresses: BTreeMap::new(),
            keys: BTreeMap::new(),
            rate: handshakes(Duration::ZERO),
            known: BTreeMap::new(),
            offenders: BTreeMap::new(),
            offending: Bucket::full(
                OFFENDERS_HANDSHAKES_PER_SECOND,
                OFFENDERS_HANDSHAKES_BURST,
                Duration::ZERO,
            ),
        }
    }
}

const fn handshakes(now: Duration) -> Bucket {
    Bucket::full(HANDSHAKES_PER_SECOND, HANDSHAKES_BURST, now)
}

/// Why an arrival is not answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turned {
    /// It has to prove its address first.
    Unproven,
    /// There is no place left for it.
    NoPlace,
    /// Too many came in this second.
    TooMany,
}

impl Guests {
    /// A place for a connection from this address, if there is one.
    pub(super) fn seat(
        &self,
        now: Duration,
        address: IpAddr,
        is_proven: bool,
    ) -> Result<Seat, Turned> {
        let address = payer(address);
        let mut counts = self.lock();
        let here = counts.addresses.get(&address).copied().unwrap_or(0);
        let is_known = counts.known.contains_key(&address);
        if counts.all >= INCOMING_MAX || (!address.is_loopback() && here >= PER_ADDRESS_MAX) {
            return Err(Turned::NoPlace);
        }
        if !is_known && counts.handshakes >= HANDSHAKES_MAX {
            return Err(Turned::NoPlace);
        }
        if !is_proven && counts.handshakes >= UNPROVEN_MAX {
            return Err(Turned::Unproven);
        }
        counts.pay(now, &address)?;
        counts.all += 1;
        counts.handshakes += 1;
        *counts.addresses.entry(address).or_default() += 1;
        drop(counts);
        Ok(Seat { guests: self.clone(), address, stage: Stage::Handshake })
    }

    /// A known node has shown its key at this address.
    pub(super) fn learn(&self, now: Duration, address: IpAddr) {
        let known = &mut self.lock().known;
        known.entry(payer(address)).or_insert_with(|| (handshakes(now), now)).1 = now;
        if known.len() > KNOWN_ADDRESSES_MAX {
            forget_oldest(known);
        }
    }

    /// A stranger at this address was banned.
    pub(super) fn offended(&self, now: Duration, address: IpAddr) {
        let offenders = &mut self.lock().offenders;
        let bucket = Bucket::full(OFFENDER_HANDSHAKES_PER_SECOND, OFFENDER_HANDSHAKES_BURST, now);
        offenders.entry(payer(address)).or_insert((bucket, now)).1 = now;
        if offenders.len() > OFFENDERS_MAX {
            forget_oldest(offenders);
        }
    }

    /// How they behave.
    pub(super) fn conduct(&self) -> &Conduct {
        &self.0.1
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.0.lock().expect("nothing panics while it holds the counts")
    }
}

impl Counts {
    /// Pays for a handshake, if that is possible now.
    fn pay(&mut self, now: Duration, address: &IpAddr) -> Result<(), Turned> {
        if let Some((rate, _)) = self.known.get_mut(address) {
            return rate.take(now, 1).map_err(|_| Turned::TooMany);
        }
        match self.offenders.get_mut(address) {
            Some((_, banned)) if now.saturating_sub(*banned) > OFFENDER_LIFE => {
                self.offenders.remove(address);
            }
            Some((rate, _)) => {
                rate.take(now, 1).map_err(|_| Turned::TooMany)?;
                if self.offending.take(now, 1).is_err() {
                    rate.give_back(1);
                    return Err(Turned::TooMany);
                }
            }
            None => {}
        }
        self.rate.take(now, 1).map_err(|_| Turned::TooMany)
    }
}

fn forget_oldest(addresses: &mut BTreeMap<IpAddr, (Bucket, Duration)>) {
    let oldest = addresses.iter().min_by_key(|(_, (_, seen))| *seen).map(|(address, _)| *address);
    if let Some(oldest) = oldest {
        addresses.remove(&oldest);
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Handshake,
    /// The key is shown and has no place.
    Refused,
    Stranger(NodeKey),
    Known(NodeKey),
}

/// A place among the connections that others opened; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    guests: Guests,
    address: IpAddr,
    stage: Stage,
}

impl Seat {
    /// Says whose it is, a stranger's; false if that key, or strangers, have no place left.
    pub(super) fn stranger(&mut self, node: NodeKey) -> bool {
        self.name(node, Stage::Stranger(node))
    }

    /// Says whose it is, a known node's; false if that key has no place left.
    pub(super) fn known(&mut self, now: Duration, node: NodeKey) -> bool {
        self.guests.learn(now, self.address);
        self.name(node, Stage::Known(node))
    }

    fn name(&mut self, node: NodeKey, stage: Stage) -> bool {
        let mut counts = self.guests.lock();
        counts.handshakes -= 1;
        let held = counts.keys.get(&node).copied().unwrap_or(0);
        let is_stranger = matches!(stage, Stage::Stranger(_));
        let fits = held < PER_KEY_MAX && !(is_stranger && counts.strangers >= STRANGERS_MAX);
        if fits {
            *counts.keys.entry(node).or_default() += 1;
            counts.strangers += usize::from(is_stranger);
        }
        drop(counts);
        self.stage = if fits { stage } else { Stage::Refused };
        fits
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.guests.lock();
        counts.all -= 1;
        forget(&mut counts.addresses, &self.address);
        match self.stage {
            Stage::Handshake => counts.handshakes -= 1,
            Stage::Refused => {}
            Stage::Known(node) => forget(&mut counts.keys, &node),
            Stage::Stranger(node) => {
                forget(&mut counts.keys, &node);
                counts.strangers -= 1;
            }
        }
    }
}

fn forget<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    /// A time at which nothing is left of the rate's earlier use.
    fn at(n: usize) -> Duration {
        NOW + Duration::from_secs(u64::try_from(n).unwrap())
    }

    fn address(n: usize) -> IpAddr {
        IpAddr::from([10, 0, u8::try_from(n / 256).unwrap(), u8::try_from(n % 256).unwrap()])
    }

    fn key(n: usize) -> NodeKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_le_bytes());
        NodeKey(key)
    }

    /// A stranger who is through with the handshake, from an address of its own.
    fn stranger(guests: &Guests, n: usize) -> Option<Seat> {
        let mut seat = guests.seat(at(n), address(n), true).ok()?;
        seat.stranger(key(n)).then_some(seat)
    }

    /// A known node, at an address where it was seen before.
    fn known(guests: &Guests, n: usize) -> Option<Seat> {
        guests.learn(NOW, address(n));
        let mut seat = guests.seat(NOW, address(n), true).ok()?;
        seat.known(NOW, key(n)).then_some(seat)
    }

    #[test]
    fn sixty_four_connections_are_taken_and_one_more_is_not_until_one_ends() {
        let guests = Guests::default();
        let mut seats: Vec<_> = (0..INCOMING_MAX).map(|n| known(&guests, n).unwrap()).collect();
        assert_eq!(guests.seat(NOW, address(0), true).unwrap_err(), Turned::NoPlace);
        seats.pop();
        assert!(known(&guests, 0).is_some());
    }

    #[test]
    fn a_key_has_two_connections_and_an_address_four() {
        let guests = Guests::default();
        let mut seats = Vec::new();
        for n in 0..PER_KEY_MAX {
            let mut seat = guests.seat(NOW, address(n), true).unwrap();
            assert!(seat.stranger(key(1)));
            seats.push(seat);
        }
        let mut third = guests.seat(NOW, address(9), true).unwrap();
        assert!(!third.stranger(key(1)));
        drop((third, seats));

        let seats: Vec<_> =
            (0..PER_ADDRESS_MAX).map(|_| guests.seat(NOW, address(1), true).unwrap()).collect();
        assert_eq!(guests.seat(NOW, address(1), true).unwrap_err(), Turned::NoPlace);
        assert!(guests.seat(NOW, address(2), true).is_ok(), "another address");
        drop(seats);
        assert!(guests.seat(NOW, address(1), true).is_ok());
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_address() {
        let of = |text: &str| payer(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert!(of("::1").is_loopback());
    }

    #[test]
    fn thirty_two_strangers_are_taken_and_however_many_more_come_the_roster_gets_in() {
        let guests = Guests::default();
        guests.learn(NOW, address(1_000));
        let strangers: Vec<_> = (0..500).map(|n| stranger(&guests, n)).collect();
        assert_eq!(strangers.iter().flatten().count(), STRANGERS_MAX);
        // And as many begin a handshake and do not go on.
        let half: Vec<_> = (500..1_000).map(|n| guests.seat(at(n), address(n), true)).collect();
        assert_eq!(half.iter().flatten().count(), HANDSHAKES_MAX);
        let roster: Vec<_> = (1_000..1_000 + ROSTER_MAX).map(|n| known(&guests, n)).collect();
        assert_eq!(roster.iter().flatten().count(), ROSTER_MAX);
    }

    #[test]
    fn sixteen_handshakes_are_under_way_and_the_ninth_address_is_proven_first() {
        let guests = Guests::default();
        let mut seats: Vec<_> =
            (0..UNPROVEN_MAX).map(|n| guests.seat(NOW, address(n), false).unwrap()).collect();
        assert_eq!(guests.seat(NOW, address(99), false).unwrap_err(), Turned::Unproven);
        seats.extend((8..HANDSHAKES_MAX).map(|n| guests.seat(NOW, address(n), true).unwrap()));
        assert_eq!(guests.seat(NOW, address(99), true).unwrap_err(), Turned::NoPlace);
        assert!(seats[0].stranger(key(0)), "its handshake is over");
        assert!(guests.seat(NOW, address(99), true).is_ok());
    }

    #[test]
    fn a_hundred_handshakes_come_at_once_and_fifty_in_each_second_after_them() {
        let guests = Guests::default();
        let come = |now: Duration, from: usize| {
            let taken =
                (0..1_000).take_while(|n| guests.seat(now, address(from + n), true).is_ok());
            u64::try_from(taken.count()).unwrap()
        };
        assert_eq!(come(NOW, 0), HANDSHAKES_BURST);
        assert_eq!(guests.seat(NOW, address(0), true).unwrap_err(), Turned::TooMany);
        assert_eq!(come(NOW + Duration::from_secs(1), 0), HANDSHAKES_PER_SECOND);
        guests.learn(NOW, address(7));
        assert!(guests.seat(NOW, address(7), true).is_ok(), "where a known node has been");
    }

    #[test]
    fn an_address_at_which_a_stranger_was_banned_has_five_handshakes_a_second_for_an_hour() {
        let guests = Guests::default();
        let come = |now: Duration, n: usize| {
            let taken = (0..1_000).take_while(|_| guests.seat(now, address(n), true).is_ok());
            u64::try_from(taken.count()).unwrap()
        };
        guests.offended(NOW, address(1));
        assert_eq!(come(NOW, 1), OFFENDER_HANDSHAKES_BURST);
        assert_eq!(come(NOW, 2), HANDSHAKES_BURST - OFFENDER_HANDSHAKES_BURST, "others do not pay");
        assert_eq!(come(NOW + Duration::from_secs(1), 1), OFFENDER_HANDSHAKES_PER_SECOND);
        let later = NOW + OFFENDER_LIFE;
        assert_eq!(come(later, 1), OFFENDER_HANDSHAKES_BURST);
        assert_eq!(come(later + Duration::from_secs(2), 1), HANDSHAKES_BURST);
        guests.offended(later, address(3));
        guests.learn(later, address(3));
        assert_eq!(come(later + Duration::from_secs(9), 3), HANDSHAKES_BURST, "a known node");
        for n in 0..2 * OFFENDERS_MAX {
            guests.offended(later, address(n));
        }
        assert_eq!(guests.lock().offenders.len(), OFFENDERS_MAX);
    }

    #[test]
    fn all_such_addresses_together_have_ten_and_leave_the_rest_to_others() {
        let guests = Guests::default();
        let come = |now: Duration, of: std::ops::Range<usize>| {
            let taken = of.filter(|n| guests.seat(now, address(*n), true).is_ok());
            u64::try_from(taken.count()).unwrap()
        };
        (0..200).for_each(|n| guests.offended(NOW, address(n)));
        assert_eq!(come(NOW, 0..200), OFFENDERS_HANDSHAKES_BURST);
        assert_eq!(come(NOW, 200..400), HANDSHAKES_BURST - OFFENDERS_HANDSHAKES_BURST);
        let later = NOW + Duration::from_secs(1);
        assert_eq!(come(later, 0..200), OFFENDERS_HANDSHAKES_PER_SECOND);
        let left = HANDSHAKES_PER_SECOND - OFFENDERS_HANDSHAKES_PER_SECOND;
        assert_eq!(come(later, 200..400), left);
    }

    #[test]
    fn a_seat_gives_back_all_that_it_took() {
        let guests = Guests::default();
        let strangers: Vec<_> = (0..PER_KEY_MAX + 1)
            .map(|n| {
                let mut seat = guests.seat(NOW, address(n), true).unwrap();
                let _ = seat.stranger(key(1));
                seat
            })
            .collect();
        assert!(strangers.iter().any(|seat| seat.stage == Stage::Refused));
        drop((strangers, known(&guests, 9), guests.seat(NOW, address(8), true)));
        let counts = guests.lock();
        assert_eq!((counts.all, counts.handshakes, counts.strangers), (0, 0, 0));
        assert!(counts.addresses.is_empty() && counts.keys.is_empty());
    }
}
