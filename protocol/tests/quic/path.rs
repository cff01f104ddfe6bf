//! Whoever is on the path may drop what passes, and nothing else: what is forged, bent or sent
//! again changes no frame, opens no connection, and makes nobody speak another version.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use talea_protocol::quic::*;
use tokio::net::UdpSocket;

use super::{LOOPBACK, endpoint, establish, frame, secret};

/// Longest datagram that passes, in bytes.
const DATAGRAM_BYTES_MAX: usize = 2_048;
/// Datagrams that whoever is on the path remembers.
const REMEMBERED: usize = 200;

/// The direction of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    ToAcceptor,
    ToDialer,
}

/// A relay between one dialer and `acceptor`; returns where it is to be dialed. For each datagram
/// `meddle` says what is sent on.
pub async fn relay(
    acceptor: SocketAddr,
    mut meddle: impl FnMut(Way, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> SocketAddr {
    let front = UdpSocket::bind(LOOPBACK).await.unwrap();
    let back = UdpSocket::bind(LOOPBACK).await.unwrap();
    back.connect(acceptor).await.unwrap();
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut there, mut here) = ([0; DATAGRAM_BYTES_MAX], [0; DATAGRAM_BYTES_MAX]);
        let mut dialer = None;
        loop {
            tokio::select! {
                received = front.recv_from(&mut there) => {
                    let Ok((length, from)) = received else { return };
                    dialer = Some(from);
                    for datagram in meddle(Way::ToAcceptor, &there[..length]) {
                        let _ = back.send(&datagram).await;
                    }
                }
                received = back.recv(&mut here) => {
                    let (Ok(length), Some(dialer)) = (received, dialer) else { return };
                    for datagram in meddle(Way::ToDialer, &here[..length]) {
                        let _ = front.send_to(&datagram, dialer).await;
                    }
                }
            }
        }
    });
    address
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// For each datagram: itself, and beside it a bent, a cut and a forged one, and two that were
/// sent before, in whichever direction. The true ones of a handshake go first: who answers takes
/// the first word of a new connection, and whoever is on the path can prevent any connection.
fn meddler(deeds: Arc<AtomicUsize>) -> impl FnMut(Way, &[u8]) -> Vec<Vec<u8>> + Send {
    let (mut dice, mut seen) = (Dice(88_172_645_463_325_252), VecDeque::new());
    move |_, datagram| {
        let (mut bent, mut forged) = (datagram.to_vec(), datagram.to_vec());
        // Not in the version, which is the next tests' business.
        let at = if bent.len() > 5 { 5 + dice.below(bent.len() - 5) } else { 0 };
        bent[at] ^= 1 << dice.below(8);
        // A true header with its connection id, and a false body.
        for byte in forged.iter_mut().skip(18) {
            *byte = dice.below(256).to_le_bytes()[0];
        }
        let cut = datagram[..dice.below(datagram.len())].to_vec();
        let mut passed = vec![bent, forged, cut];
        let is_handshake = datagram[0] & 0x80 != 0;
        passed.insert(if is_handshake { 0 } else { passed.len() }, datagram.to_vec());
        for _ in 0..2 {
            let again: Option<&Vec<u8>> = seen.get(dice.below(seen.len().max(1)));
            passed.extend(again.cloned());
        }
        seen.push_back(datagram.to_vec());
        if seen.len() > REMEMBERED {
            seen.pop_front();
        }
        deeds.fetch_add(passed.len() - 1, Ordering::Relaxed);
        passed
    }
}

/// The first arrival that becomes a connection, whatever else arrives.
async fn first(acceptor: &Endpoint) -> Connection {
    let mut arrivals = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            arrival = acceptor.accept() => {
                let _ = arrivals.spawn(arrival.unwrap().establish());
            }
            Some(established) = arrivals.join_next() => {
                if let Ok(connection) = established.unwrap() {
                    return connection;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_forged_bent_or_replayed_on_the_path_changes_no_frame() {
    const FRAMES: u32 = 500;
    let (dialer, acceptor) = (endpoint(1), endpoint(2));
    let deeds = Arc::new(AtomicUsize::new(0));
    let path = relay(acceptor.local_addr(), meddler(Arc::clone(&deeds))).await;
    let (there, here) = tokio::join!(dialer.connect(path, secret(2).node()), first(&acceptor));
    let there = there.unwrap();
    assert_eq!(there.binding(), here.binding(), "nobody is between the two");
    let (to_b, to_a) = tokio::join!(there.session(), here.session());
    let ((mut to_b, mut from_b), (mut to_a, mut from_a)) = (to_b.unwrap(), to_a.unwrap());
    let pour = async |sender: &mut Sender| {
        for n in 0..FRAMES {
            sender.send(&frame(n, 3_000)).await.unwrap();
        }
    };
    let drain = async |receiver: &mut Receiver| {
        for n in 0..FRAMES {
            assert!(receiver.receive().await.unwrap() == Some(frame(n, 3_000)), "frame {n}");
        }
    };
    tokio::join!(pour(&mut to_b), pour(&mut to_a), drain(&mut from_a), drain(&mut from_b));
    to_b.finish().await.unwrap();
    assert_eq!(from_a.receive().await, Ok(None), "and no frame more");
    let deeds = deeds.load(Ordering::Relaxed);
    assert!(deeds > 5_000, "{deeds} datagrams were forged, bent or replayed: too few");
}

#[tokio::test]
async fn a_connection_that_is_sent_once_more_is_none() {
    let (dialer, acceptor) = (endpoint(1), endpoint(2));
    let (record, recorded) = std::sync::mpsc::channel();
    let path = relay(acceptor.local_addr(), move |way, datagram| {
        if way == Way::ToAcceptor {
            record.send(datagram.to_vec()).unwrap();
        }
        vec![datagram.to_vec()]
    })
    .await;
    let (there, here) = tokio::join!(dialer.connect(path, secret(2).node()), establish(&acceptor));
    let (there, here) = (there.unwrap(), here.unwrap());
    let (sender, receiver) = tokio::join!(there.session(), here.session());
    let (mut sender, _) = sender.unwrap();
    let (_, mut receiver) = receiver.unwrap();
    sender.send(b"pay the baker").await.unwrap();
    assert_eq!(receiver.receive().await, Ok(Some(b"pay the baker".to_vec())));
    there.close(Close::Done);
    let _ = here.closed().await;
    acceptor.wait_idle().await;

    // All that the dialer has ever said, from another address.
    let again = UdpSocket::bind(LOOPBACK).await.unwrap();
    let mut count = 0;
    while let Ok(datagram) = recorded.try_recv() {
        again.send_to(&datagram, acceptor.local_addr()).await.unwrap();
        count += 1;
    }
    assert!(count > 3, "{count} datagrams");
    let fault = establish(&acceptor).await.unwrap_err();
    assert!(
        matches!(fault, AcceptFault::TimedOut | AcceptFault::Lost(_)),
        "it did not become a connection: {fault:?}"
    );
}

/// The version fields of a Version Negotiation packet (RFC 8999, section 6).
fn versions(packet: &[u8]) -> Vec<u32> {
    let destination = 6 + usize::from(packet[5]);
    let source = destination + 1 + usize::from(packet[destination]);
    packet[source..]
        .chunks_exact(4)
        .map(|four| u32::from_be_bytes(four.try_into().unwrap()))
        .collect()
}

#[tokio::test]
async fn an_unknown_version_of_quic_is_answered_with_version_1_and_no_other() {
    let acceptor = endpoint(2);
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    for version in [0xff00_001d_u32, 0x6b33_43cf, 0x5130_3530] {
        let mut first = vec![0xc0];
        first.extend(version.to_be_bytes());
        first.extend([8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        first.resize(1_200, 0);
        socket.send_to(&first, acceptor.local_addr()).await.unwrap();
        let mut answer = [0; DATAGRAM_BYTES_MAX];
        let length = socket.recv(&mut answer).await.unwrap();
        assert_eq!(answer[1..5], [0; 4], "Version Negotiation");
        let mut offered = versions(&answer[..length]);
        // One of the versions that are reserved so that nobody relies on the list.
        offered.retain(|version| version & 0x0f0f_0f0f != 0x0a0a_0a0a);
        assert_eq!(offered, [QUIC_VERSION]);
    }
}

#[tokio::test]
async fn a_dialer_that_is_offered_other_versions_only_speaks_none_of_them() {
    let dialer = endpoint(1);
    let liar = UdpSocket::bind(LOOPBACK).await.unwrap();
    let address = liar.local_addr().unwrap();
    let negotiate = async {
        let mut first = [0; DATAGRAM_BYTES_MAX];
        let (length, from) = liar.recv_from(&mut first).await.unwrap();
        let first = &first[..length];
        assert_eq!(first[1..5], QUIC_VERSION.to_be_bytes());
        let destination = &first[5..6 + usize::from(first[5])];
        let source = &first[5 + destination.len()..];
        let source = &source[..1 + usize::from(source[0])];
        let mut offer = vec![0x80, 0, 0, 0, 0];
        offer.extend_from_slice(source);
        offer.extend_from_slice(destination);
        offer.extend(0xff00_001d_u32.to_be_bytes());
        offer.extend(0x6b33_43cf_u32.to_be_bytes());
        liar.send_to(&offer, from).await.unwrap();
    };
    let (dialed, ()) = tokio::join!(dialer.connect(address, secret(2).node()), negotiate);
    let fault = dialed.unwrap_err();
    assert!(matches!(fault, ConnectFault::Lost(Loss::Transport { .. })), "{fault:?}");
    dialer.close(Close::Done);
    dialer.wait_idle().await;
    // Whatever it has said since was said in version 1.
    let mut more = [0; DATAGRAM_BYTES_MAX];
    while let Ok(length) = liar.try_recv(&mut more) {
        assert!(length < 5 || more[0] & 0x80 == 0 || more[1..5] == QUIC_VERSION.to_be_bytes());
    }
}
