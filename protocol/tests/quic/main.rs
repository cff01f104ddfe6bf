//! The transport against itself, and in `stranger` against peers that keep to QUIC and TLS alone.
//!
//! Every socket is on loopback with a port of the system's choice, and everything awaited is an
//! event, or one of the transport's own limits.
#![cfg(feature = "quic")]
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

mod stranger;
mod path;
mod limits;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::Once;
use std::time::Duration;

use talea_protocol::bytes::FRAME_BYTES_MAX;
use talea_protocol::key::SecretKey;
use talea_protocol::quic::*;
use tokio::sync::oneshot;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

/// Ends a run in which an event never comes. After 60 s the test that waits is named.
static WATCHDOG: Once = Once::new();

fn endpoint(n: u8) -> Endpoint {
    WATCHDOG.call_once(|| {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(120));
            std::process::exit(1);
        });
    });
    Endpoint::bind(LOOPBACK, &secret(n)).unwrap()
}

/// Two endpoints, of the keys 1 and 2, and the connection that the first one dialed.
struct Pair {
    dialer: Connection,
    acceptor: Connection,
    endpoints: [Endpoint; 2],
}

async fn pair() -> Pair {
    let endpoints = [endpoint(1), endpoint(2)];
    let (dialer, acceptor) = connect(&endpoints).await;
    Pair { dialer, acceptor, endpoints }
}

async fn connect([dialer, acceptor]: &[Endpoint; 2]) -> (Connection, Connection) {
    let (dialed, accepted) =
        tokio::join!(dialer.connect(acceptor.local_addr(), secret(2).node()), establish(acceptor));
    (dialed.unwrap(), accepted.unwrap())
}

async fn establish(endpoint: &Endpoint) -> Result<Connection, AcceptFault> {
    endpoint.accept().await.unwrap().establish().await
}

type Session = (Sender, Receiver);

async fn sessions(pair: &Pair) -> (Session, Session) {
    let (dialer, acceptor) = tokio::join!(pair.dialer.session(), pair.acceptor.session());
    (dialer.unwrap(), acceptor.unwrap())
}

/// A frame of `length` bytes that no other `n` has.
fn frame(n: u32, length: usize) -> Vec<u8> {
    n.to_le_bytes().into_iter().cycle().take(length).collect()
}

#[tokio::test]
async fn frames_go_both_ways_and_the_session_ends_between_two_of_them() {
    let pair = pair().await;
    let ((mut to_b, mut from_b), (mut to_a, mut from_a)) = sessions(&pair).await;
    to_b.send(b"from the dialer").await.unwrap();
    to_a.send_many(&[&b"one"[..], b"two"]).await.unwrap();
    assert_eq!(from_a.receive().await, Ok(Some(b"from the dialer".to_vec())));
    assert_eq!(from_b.receive().await, Ok(Some(b"one".to_vec())));
    assert_eq!(from_b.receive().await, Ok(Some(b"two".to_vec())));

    to_b.finish().await.unwrap();
    assert_eq!(from_a.receive().await, Ok(None));
    to_a.send(b"the other direction goes on").await.unwrap();
    assert!(from_b.receive().await.unwrap().is_some());
}

#[tokio::test]
async fn each_end_knows_the_other_before_anything_is_read() {
    let pair = pair().await;
    assert_eq!((pair.dialer.peer(), pair.dialer.side()), (secret(2).node(), Side::Dialer));
    assert_eq!((pair.acceptor.peer(), pair.acceptor.side()), (secret(1).node(), Side::Acceptor));
    assert_eq!(pair.dialer.remote_addr(), pair.endpoints[1].local_addr());
    assert_eq!(pair.acceptor.remote_addr(), pair.endpoints[0].local_addr());
}

#[tokio::test]
async fn a_binding_is_the_same_at_both_ends_and_in_no_other_connection() {
    let pair = pair().await;
    assert_eq!(pair.dialer.binding(), pair.acceptor.binding());
    let (again, _kept) = connect(&pair.endpoints).await;
    assert_ne!(again.binding(), pair.dialer.binding());
}

#[tokio::test]
async fn the_session_opens_before_the_dialer_has_anything_to_say() {
    let pair = pair().await;
    let ((_to_b, mut from_b), (mut to_a, _from_a)) = sessions(&pair).await;
    to_a.send(b"the acceptor speaks first").await.unwrap();
    assert!(from_b.receive().await.unwrap().is_some());
}

#[tokio::test]
async fn another_node_than_the_expected_one_is_refused_and_does_not_learn_who_dialed() {
    let (dialer, acceptor) = (endpoint(1), endpoint(2));
    let expected = secret(3).node();
    let (dialed, accepted) =
        tokio::join!(dialer.connect(acceptor.local_addr(), expected), establish(&acceptor));
    let wrong = ConnectFault::WrongKey { expected, shown: secret(2).node() };
    assert_eq!(dialed.unwrap_err(), wrong);
    assert_eq!(accepted.unwrap_err(), AcceptFault::Lost(Loss::RefusedByPeer { alert: 49 }));
}

#[tokio::test]
async fn an_address_out_of_reach_and_a_closed_endpoint_are_named() {
    let (dialer, key) = (endpoint(1), secret(2).node());
    assert_eq!(
        dialer.connect(LOOPBACK, key).await.unwrap_err(),
        ConnectFault::Address { address: LOOPBACK }
    );
    dialer.close(Close::Done);
    let other = endpoint(2).local_addr();
    assert_eq!(dialer.connect(other, key).await.unwrap_err(), ConnectFault::Closed);
    assert!(dialer.accept().await.is_none());
    assert!(matches!(
        Endpoint::bind(endpoint(2).local_addr(), &secret(1)).and_then(|first| {
            let again = Endpoint::bind(first.local_addr(), &secret(1));
            again.map(|_| ())
        }),
        Err(BindFault::Socket { .. })
    ));
}

#[tokio::test]
async fn who_does_not_answer_or_opens_no_session_is_given_up_after_five_seconds() {
    let silent = UdpSocket::bind(LOOPBACK).unwrap();
    let pair = pair().await;
    let (dialed, session) = tokio::join!(
        pair.endpoints[0].connect(silent.local_addr().unwrap(), secret(2).node()),
        pair.acceptor.session(),
    );
    assert_eq!(dialed.unwrap_err(), ConnectFault::TimedOut);
    assert_eq!(session.unwrap_err(), SessionFault::TimedOut);
    assert_eq!(pair.dialer.closed().await, Loss::ByPeer(Close::NoSession));
}

#[tokio::test]
async fn an_end_is_told_to_both_sides_with_its_reason() {
    let pair = pair().await;
    let ((mut to_b, _from_b), (_to_a, mut from_a)) = sessions(&pair).await;
    pair.acceptor.close(Close::Duplicate);
    assert_eq!(pair.acceptor.closed().await, Loss::Here);
    assert_eq!(pair.dialer.closed().await, Loss::ByPeer(Close::Duplicate));
    let told = SendFault::Lost(Loss::ByPeer(Close::Duplicate));
    assert_eq!(to_b.send(b"too late").await, Err(told));
    assert_eq!(from_a.receive().await, Err(ReceiveFault::Lost(Loss::Here)));
}

#[tokio::test]
async fn a_closed_endpoint_tells_every_peer_before_it_is_idle() {
    let pair = pair().await;
    pair.endpoints[0].close(Close::Busy);
    pair.endpoints[0].wait_idle().await;
    assert_eq!(pair.acceptor.closed().await, Loss::ByPeer(Close::Busy));
}

#[tokio::test]
async fn a_refused_arrival_is_told_apart_from_a_failed_handshake() {
    let (dialer, acceptor) = (endpoint(1), endpoint(2));
    let (dialed, ()) =
        tokio::join!(dialer.connect(acceptor.local_addr(), secret(2).node()), async {
            drop(acceptor.accept().await)
        });
    assert_eq!(dialed.unwrap_err(), ConnectFault::Lost(Loss::Declined));
}

#[tokio::test]
async fn where_many_are_connected_an_arrival_proves_its_address_first() {
    let endpoints = [endpoint(1), endpoint(2)];
    let mut kept = Vec::new();
    for _ in 1..PROOF_OF_ADDRESS_FROM {
        kept.push(connect(&endpoints).await);
    }
    let [dialer, acceptor] = &endpoints;
    let mut proven = Vec::new();
    for _ in 0..2 {
        let (dialed, accepted) =
            tokio::join!(dialer.connect(acceptor.local_addr(), secret(2).node()), async {
                let arrival = acceptor.accept().await.unwrap();
                proven.push(arrival.is_proven());
                arrival.establish().await
            });
        kept.push((dialed.unwrap(), accepted.unwrap()));
    }
    assert_eq!(proven, [false, true]);
}

// Frames.

#[tokio::test]
async fn a_frame_of_the_greatest_length_passes_and_zero_or_one_more_is_not_sent() {
    let pair = pair().await;
    let ((mut to_b, _from_b), (_to_a, mut from_a)) = sessions(&pair).await;
    let longest = frame(7, FRAME_BYTES_MAX);
    let over = vec![0; FRAME_BYTES_MAX + 1];
    let fault = |length| Err(SendFault::Length { length });
    assert_eq!(to_b.send(&over).await, fault(over.len()));
    assert_eq!(to_b.send(&[]).await, fault(0));
    assert_eq!(to_b.send_many(&[&b"not sent either"[..], &over]).await, fault(over.len()));
    let (sent, received) = tokio::join!(to_b.send(&longest), from_a.receive());
    assert_eq!(sent, Ok(()));
    assert!(received.unwrap() == Some(longest), "not the frame that was sent");
}

#[tokio::test]
async fn twenty_thousand_frames_arrive_in_order_though_the_receiver_begins_late() {
    const FRAMES: u32 = 20_000;
    let pair = pair().await;
    let ((mut to_b, _from_b), (_to_a, mut from_a)) = sessions(&pair).await;
    let (full, filled) = oneshot::channel();
    let send = async {
        let mut full = Some(full);
        for n in 0..FRAMES {
            let frame = frame(n, 300);
            let mut sending = pin!(to_b.send(&frame));
            tokio::select! { biased;
                sent = &mut sending => sent.unwrap(),
                // Not taken at once: the windows are full. The first time, the receiver begins.
                () = std::future::ready(()) => {
                    if let Some(full) = full.take() {
                        full.send(n).unwrap();
                    }
                    sending.await.unwrap();
                }
            }
        }
        to_b.finish().await.unwrap();
    };
    let receive = async {
        let at = filled.await.unwrap();
        assert!(at < FRAMES / 10, "the windows took {at} frames");
        for n in 0..FRAMES {
            assert!(from_a.receive().await.unwrap() == Some(frame(n, 300)), "frame {n} is another");
        }
        assert_eq!(from_a.receive().await, Ok(None));
    };
    tokio::join!(send, receive);
}

/// 256 frames of 256 KiB: 64 MiB.
async fn pour(mut sender: Sender) {
    for n in 0..256 {
        sender.send(&frame(n, FRAME_BYTES_MAX)).await.unwrap();
    }
    sender.finish().await.unwrap();
}

async fn drain(mut receiver: Receiver) {
    for n in 0..256 {
        let received = receiver.receive().await.unwrap();
        assert!(received == Some(frame(n, FRAME_BYTES_MAX)), "frame {n} is another");
    }
    assert_eq!(receiver.receive().await, Ok(None));
}

#[tokio::test]
async fn sixty_four_mebibytes_go_in_one_direction() {
    let pair = pair().await;
    let ((to_b, _from_b), (_to_a, from_a)) = sessions(&pair).await;
    tokio::join!(pour(to_b), drain(from_a));
}

#[tokio::test]
async fn sixty_four_mebibytes_go_in_both_directions_at_once() {
    let pair = pair().await;
    let ((to_b, from_b), (to_a, from_a)) = sessions(&pair).await;
    tokio::join!(pour(to_b), pour(to_a), drain(from_a), drain(from_b));
}

#[tokio::test]
async fn a_send_or_receive_that_is_dropped_half_way_tears_no_frame() {
    const FRAMES: u32 = 200;
    let pair = pair().await;
    let ((mut to_b, _from_b), (_to_a, mut from_a)) = sessions(&pair).await;
    let (mut sends, mut receives) = (0, 0);
    let send = async {
        for n in 0..FRAMES {
            let frame = frame(n, 100_000);
            tokio::select! { biased;
                sent = to_b.send(&frame) => sent.unwrap(),
                () = tokio::task::yield_now() => sends += 1,
            }
        }
        to_b.finish().await.unwrap();
    };
    let mut received = 0;
    let receive = async {
        loop {
            let frame_received = tokio::select! { biased;
                frame = from_a.receive() => frame.unwrap(),
                () = tokio::task::yield_now() => { receives += 1; continue }
            };
            let Some(bytes) = frame_received else { break };
            assert!(bytes == frame(received, 100_000), "frame {received} is torn");
            received += 1;
        }
    };
    tokio::join!(send, receive);
    assert_eq!(received, FRAMES);
    assert!(sends > 10 && receives > 10, "dropped {sends} and {receives}: nothing was tried");
}

#[tokio::test]
async fn a_peer_that_reads_no_more_is_named() {
    let pair = pair().await;
    let ((mut to_b, _from_b), (to_a, from_a)) = sessions(&pair).await;
    drop(from_a);
    let full = frame(0, FRAME_BYTES_MAX);
    let fault = loop {
        if let Err(fault) = to_b.send(&full).await {
            break fault;
        }
    };
    assert_eq!(fault, SendFault::Stopped);
    drop(to_a);
}
