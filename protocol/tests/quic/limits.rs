//! Each limit of the transport, at it and one beyond: what a peer may open, send and keep waiting.
//!
//! The peer is quinn with settings of its own. A limit is reached when the next call has to wait,
//! though everything sent before has been answered.

use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use talea_protocol::bytes::FRAME_BYTES_MAX;
use talea_protocol::quic::*;
use tokio::time::{Instant, timeout};

use super::path::relay;
use super::stranger::good_client;
use super::{LOOPBACK, connect, endpoint, establish, frame, pair, secret};

/// A client that is not ours, its endpoint, our end, and our endpoint.
struct Stranger {
    client: quinn::Connection,
    endpoint: quinn::Endpoint,
    ours: Connection,
    acceptor: Endpoint,
}

async fn stranger() -> Stranger {
    let acceptor = endpoint(2);
    let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
    let dialed = endpoint.connect_with(good_client(), acceptor.local_addr(), "any").unwrap();
    let (client, ours) = tokio::join!(dialed, establish(&acceptor));
    Stranger { client: client.unwrap(), endpoint, ours: ours.unwrap(), acceptor }
}

/// What is there at once, without waiting for anything.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    tokio::select! { biased;
        value = &mut future => Some(value),
        () = ready(()) => None,
    }
}

/// Bytes that a stream takes until it has to wait.
async fn poured(stream: &mut quinn::SendStream) -> usize {
    let (mut count, chunk) = (0, vec![7; 10_000]);
    while let Some(written) = at_once(stream.write(&chunk)).await {
        count += written.unwrap();
    }
    count
}

#[tokio::test]
async fn a_peer_opens_eight_streams_both_ways_and_four_one_way_and_no_more() {
    let stranger = stranger().await;
    let (both, one) = STREAMS_MAX;
    let mut kept = Vec::new();
    for _ in 0..both {
        kept.push(at_once(stranger.client.open_bi()).await.expect("a stream").unwrap());
    }
    assert!(at_once(stranger.client.open_bi()).await.is_none());
    let mut one_way = Vec::new();
    for _ in 0..one {
        one_way.push(at_once(stranger.client.open_uni()).await.expect("a stream").unwrap());
    }
    assert!(at_once(stranger.client.open_uni()).await.is_none());
    // Nor later, after all that was sent has been answered.
    kept[0].0.write_all(&[SESSION]).await.unwrap();
    let (mut sender, _receiver) = stranger.ours.session().await.unwrap();
    sender.send(b"an answer").await.unwrap();
    let mut answer = [0; 13];
    kept[0].1.read_exact(&mut answer).await.unwrap();
    assert!(at_once(stranger.client.open_bi()).await.is_none());
    assert!(at_once(stranger.client.open_uni()).await.is_none());
}

#[tokio::test]
async fn what_is_not_read_is_256_kib_of_a_stream_and_a_mebibyte_of_all() {
    let stranger = stranger().await;
    let (mut streams, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..STREAMS_MAX.0 {
        let (mut sender, receiver) = stranger.client.open_bi().await.unwrap();
        counts.push(poured(&mut sender).await);
        streams.push((sender, receiver));
    }
    let stream = usize::try_from(STREAM_WINDOW_BYTES).unwrap();
    let all = usize::try_from(RECEIVE_WINDOW_BYTES).unwrap();
    assert_eq!(counts[..all / stream], vec![stream; all / stream]);
    assert_eq!(counts.iter().sum::<usize>(), all, "{counts:?}");
}

#[tokio::test]
async fn what_is_not_acknowledged_is_two_mebibytes_and_no_more() {
    let acceptor = endpoint(2);
    let cut = Arc::new(AtomicBool::new(false));
    let is_cut = Arc::clone(&cut);
    let path = relay(acceptor.local_addr(), move |_, datagram| {
        if is_cut.load(Ordering::Relaxed) { Vec::new() } else { vec![datagram.to_vec()] }
    })
    .await;
    let mut greedy = quinn::TransportConfig::default();
    greedy.stream_receive_window((16_u32 << 20).into()).receive_window((64_u32 << 20).into());
    let mut config = good_client();
    config.transport_config(Arc::new(greedy));
    let client = quinn::Endpoint::client(LOOPBACK).unwrap();
    let (client, ours) =
        tokio::join!(client.connect_with(config, path, "any").unwrap(), establish(&acceptor));
    let (client, ours) = (client.unwrap(), ours.unwrap());
    let (mut to_us, _from_us) = client.open_bi().await.unwrap();
    to_us.write_all(&[SESSION]).await.unwrap();
    let (mut sender, _receiver) = ours.session().await.unwrap();
    cut.store(true, Ordering::Relaxed);
    let frame = vec![1; FRAME_BYTES_MAX];
    let mut sent = 0;
    while let Some(done) = at_once(sender.send(&frame)).await {
        done.unwrap();
        sent += frame.len() + 4;
    }
    let window = usize::try_from(SEND_WINDOW_BYTES).unwrap();
    assert!(sent <= window && window < sent + frame.len() + 4, "{sent} of {window}");
}

#[tokio::test]
async fn two_hundred_and_fifty_six_arrivals_wait_and_one_more_does_not() {
    let acceptor = endpoint(2);
    let mut dialed = Vec::new();
    for _ in 0..=ARRIVALS_MAX {
        let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
        let dialing = endpoint.connect_with(good_client(), acceptor.local_addr(), "any").unwrap();
        dialed.push((endpoint, dialing));
        tokio::task::yield_now().await;
    }
    let mut waiting = Vec::new();
    for _ in 0..ARRIVALS_MAX {
        waiting.push(acceptor.accept().await.unwrap());
    }
    // It dials again and again, and is passed over.
    assert!(timeout(Duration::from_secs(5), acceptor.accept()).await.is_err());
    waiting.pop();
    assert!(timeout(Duration::from_secs(20), acceptor.accept()).await.is_ok());
}

#[tokio::test]
async fn early_data_datagrams_and_migration_are_off() {
    let stranger = stranger().await;
    assert_eq!(stranger.client.max_datagram_size(), None, "datagrams");
    let config = good_client();
    let address = stranger.acceptor.local_addr();
    let dial = || stranger.endpoint.connect_with(config.clone(), address, "any").unwrap();
    let (first, ours) = tokio::join!(dial(), establish(&stranger.acceptor));
    let (mut to_us, mut from_us) = first.as_ref().unwrap().open_bi().await.unwrap();
    to_us.write_all(&[SESSION]).await.unwrap();
    let (mut sender, _) = ours.unwrap().session().await.unwrap();
    sender.send(b"a ticket would have come before this").await.unwrap();
    from_us.read_exact(&mut [0; 20]).await.unwrap();
    let late = dial().into_0rtt().err().expect("no early data");
    let (late, _kept) = tokio::join!(late, establish(&stranger.acceptor));
    assert!(late.is_ok());

    // From another address nothing is heard any more.
    let before = stranger.ours.remote_addr();
    let socket = std::net::UdpSocket::bind(LOOPBACK).unwrap();
    stranger.endpoint.rebind(socket).unwrap();
    let (mut moved, _) = stranger.client.open_bi().await.unwrap();
    moved.write_all(&[SESSION]).await.unwrap();
    let (other, _kept) = connect(&[endpoint(1), stranger.acceptor]).await;
    drop(other);
    assert!(at_once(stranger.ours.session()).await.is_none(), "migration");
    assert_eq!(stranger.ours.remote_addr(), before);
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_lost_after_thirty_seconds() {
    let (dialer, acceptor) = (endpoint(1), endpoint(2));
    let cut = Arc::new(AtomicBool::new(false));
    let is_cut = Arc::clone(&cut);
    let path = relay(acceptor.local_addr(), move |_, datagram| {
        if is_cut.load(Ordering::Relaxed) { Vec::new() } else { vec![datagram.to_vec()] }
    })
    .await;
    let (there, here) = tokio::join!(dialer.connect(path, secret(2).node()), establish(&acceptor));
    let (_there, here) = (there.unwrap(), here.unwrap());
    cut.store(true, Ordering::Relaxed);
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(here.closed().await, Loss::Idle);
    let passed = begun.elapsed();
    assert!(passed >= IDLE - Duration::from_secs(1), "{passed:?}");
    assert!(passed <= IDLE + Duration::from_secs(5), "{passed:?}");
}

#[tokio::test]
async fn a_silent_connection_is_kept_for_as_long_as_both_are_there() {
    let pair = pair().await;
    tokio::time::pause();
    assert!(timeout(IDLE * 10, pair.acceptor.closed()).await.is_err());
}

#[tokio::test]
async fn a_frame_that_was_begun_shows_how_much_of_it_has_come() {
    let stranger = stranger().await;
    let (mut to_us, _from_us) = stranger.client.open_bi().await.unwrap();
    to_us.write_all(&[SESSION]).await.unwrap();
    let (_sender, mut receiver) = stranger.ours.session().await.unwrap();
    assert_eq!(receiver.begun(), 0);
    let whole = frame(3, 1_000);
    to_us.write_all(&[&1_000_u32.to_le_bytes()[..], &whole[..996]].concat()).await.unwrap();
    while receiver.begun() < 1_000 {
        assert!(timeout(Duration::from_millis(1), receiver.receive()).await.is_err());
    }
    to_us.write_all(&whole[996..]).await.unwrap();
    assert_eq!(receiver.receive().await, Ok(Some(whole)));
    assert_eq!(receiver.begun(), 0);
}
