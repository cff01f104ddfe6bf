//! The transport against itself, and against peers that keep to QUIC and TLS but not to Talea.
//!
//! Every socket is on loopback with a port of the system's choice, and everything awaited is an
//! event. The crooked peers are made of quinn and rustls directly.
#![cfg(feature = "quic")]
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use talea_protocol::bytes::FRAME_BYTES_MAX;
use talea_protocol::key::{KeyFault, NodeKey, SecretKey, examine};
use talea_protocol::quic::*;
use tokio::sync::oneshot;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn endpoint(n: u8) -> Endpoint {
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
    assert_eq!((sent, received), (Ok(()), Ok(Some(longest))));
}

#[tokio::test]
async fn a_receiver_refuses_zero_one_too_many_and_an_end_inside_a_frame() {
    let over = u32::try_from(FRAME_BYTES_MAX).unwrap() + 1;
    let cases = [
        (over.to_le_bytes().to_vec(), ReceiveFault::Length { length: over }),
        (u32::MAX.to_le_bytes().to_vec(), ReceiveFault::Length { length: u32::MAX }),
        (vec![0; 4], ReceiveFault::Length { length: 0 }),
        (vec![5, 0, 0, 0, 1, 2], ReceiveFault::Truncated { held: 6 }),
        (vec![5, 0], ReceiveFault::Truncated { held: 2 }),
    ];
    for (bytes, fault) in cases {
        let (stranger, connection) = stranger(&[&[SESSION], &bytes[..]].concat()).await;
        let (_sender, mut receiver) = connection.session().await.unwrap();
        assert_eq!(receiver.receive().await, Err(fault));
        assert_eq!(Loss::from(stranger.closed().await), Loss::ByPeer(Close::BadFrame));
    }
}

#[tokio::test]
async fn a_stream_of_an_unknown_kind_is_no_session() {
    for (bytes, kind) in [(vec![2, 0, 0], Some(2)), (vec![], None)] {
        let (stranger, connection) = stranger(&bytes).await;
        assert_eq!(connection.session().await.unwrap_err(), SessionFault::Kind { kind });
        assert_eq!(Loss::from(stranger.closed().await), Loss::ByPeer(Close::NoSession));
    }
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
                    full.take().map(|full| full.send(n).unwrap());
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
            assert_eq!(from_a.receive().await.unwrap().unwrap(), frame(n, 300));
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
        assert_eq!(receiver.receive().await.unwrap().unwrap(), frame(n, FRAME_BYTES_MAX));
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
            assert_eq!(bytes, frame(received, 100_000));
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

// Peers that are not Talea's: quinn and rustls with something else in them.

/// What a client or server shows instead of one good key.
#[derive(Debug)]
struct Shown {
    /// The TLS key, if any, and whether it is announced as a raw key.
    key: Option<Arc<CertifiedKey>>,
    raw: bool,
}

impl rustls::client::ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.key.clone()
    }
    fn only_raw_public_keys(&self) -> bool {
        self.raw
    }
    fn has_certs(&self) -> bool {
        true
    }
}

impl rustls::server::ResolvesServerCert for Shown {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.key.clone()
    }
    fn only_raw_public_keys(&self) -> bool {
        self.raw
    }
}

/// Believes everybody.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("TLS 1.3 only")
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Gullible {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("TLS 1.3 only")
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// A TLS key that shows `certificate` and signs with the secret key of `seed`, in the 48 bytes
/// of PKCS #8 (RFC 8410, section 7).
fn tls_key(certificates: &[&[u8]], seed: u8) -> Option<Arc<CertifiedKey>> {
    let start = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let pkcs8 = rustls::pki_types::PrivatePkcs8KeyDer::from([&start[..], &[seed; 32]].concat());
    let signer = rustls::crypto::ring::sign::any_eddsa_type(&pkcs8).unwrap();
    let chain = certificates.iter().map(|bytes| bytes.to_vec().into()).collect();
    Some(Arc::new(CertifiedKey::new(chain, signer)))
}

fn spki(key: NodeKey) -> Vec<u8> {
    [&SPKI_PREFIX[..], &key.0].concat()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client that shows this, and connects to `server` or says why not.
async fn dial(server: SocketAddr, shown: Shown, alpn: &[u8]) -> quinn::Connection {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_client_cert_resolver(Arc::new(shown));
    tls.alpn_protocols = vec![alpn.to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
    endpoint.connect_with(config, server, "any").unwrap().await.unwrap()
}

/// What our endpoint says of a client that shows this.
async fn verdict(shown: Shown, alpn: &[u8]) -> Result<NodeKey, AcceptFault> {
    let acceptor = endpoint(2);
    let server = acceptor.local_addr();
    let alpn = alpn.to_vec();
    let client = tokio::spawn(async move { dial(server, shown, &alpn).await.closed().await });
    let verdict = establish(&acceptor).await.map(|connection| connection.peer());
    client.abort();
    verdict
}

/// A good key in a client that is not ours, which sends these bytes on its first stream and ends
/// it, and our end of the connection.
async fn stranger(bytes: &[u8]) -> (quinn::Connection, Connection) {
    let acceptor = endpoint(2);
    let shown = Shown { key: tls_key(&[&spki(secret(9).node())], 9), raw: true };
    let (client, ours) =
        tokio::join!(dial(acceptor.local_addr(), shown, ALPN), establish(&acceptor));
    let (mut send, _receive) = client.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    send.finish().unwrap();
    (client, ours.unwrap())
}

#[tokio::test]
async fn a_client_is_taken_by_its_raw_key_alone_and_whatever_else_it_shows_is_refused() {
    let good = spki(secret(9).node());
    let raw = |certificates: &[&[u8]], seed| Shown { key: tls_key(certificates, seed), raw: true };
    let refused = |alert| Err(AcceptFault::Lost(Loss::Refused { alert }));
    assert_eq!(verdict(raw(&[&good], 9), ALPN).await, Ok(secret(9).node()));

    let x509 = Shown { key: tls_key(&[&good], 9), raw: false };
    assert_eq!(verdict(x509, ALPN).await, refused(40), "a certificate");
    assert_eq!(verdict(Shown { key: None, raw: true }, ALPN).await, refused(116), "no key");
    assert_eq!(verdict(raw(&[&good], 8), ALPN).await, refused(51), "another's key");
    assert_eq!(verdict(raw(&[&good], 9), b"talea/2").await, refused(120), "a later protocol");

    let identity = NodeKey([&[1][..], &[0; 31]].concat().try_into().unwrap());
    assert_eq!(examine(&identity.0), Err(KeyFault::Torsion));
    assert_eq!(verdict(raw(&[&spki(identity)], 9), ALPN).await, refused(42), "nobody's key");
    assert_eq!(verdict(raw(&[&good[..43]], 9), ALPN).await, refused(42), "43 bytes");
    assert_eq!(verdict(raw(&[&good, &good], 9), ALPN).await, refused(42), "two keys");
}

#[tokio::test]
async fn a_server_that_shows_no_node_key_is_named() {
    let good = spki(secret(9).node());
    let cases = [
        (&good[..43], true, ConnectFault::Identity(IdentityFault::Shape { length: 43 })),
        (&good[..], false, ConnectFault::Lost(Loss::RefusedByPeer { alert: 40 })),
    ];
    for (certificate, raw, fault) in cases {
        let mut tls = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(Gullible))
            .with_cert_resolver(Arc::new(Shown { key: tls_key(&[certificate], 9), raw }));
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        let server = quinn::Endpoint::server(config, LOOPBACK).unwrap();
        let accept = async { server.accept().await.unwrap().await.map(|_| ()) };
        let dialer = endpoint(1);
        let (dialed, _) =
            tokio::join!(dialer.connect(server.local_addr().unwrap(), secret(9).node()), accept);
        assert_eq!(dialed.unwrap_err(), fault);
    }
}
