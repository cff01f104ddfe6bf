//! Peers that are not Talea's: quinn and rustls with something else in them.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use talea_protocol::bytes::FRAME_BYTES_MAX;
use talea_protocol::key::{KeyFault, NodeKey, examine};
use talea_protocol::quic::*;

use super::{LOOPBACK, endpoint, establish, secret};

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

/// Settings of a client that shows this and offers these protocols.
fn client(shown: Shown, alpn: &[&[u8]]) -> quinn::ClientConfig {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_client_cert_resolver(Arc::new(shown));
    tls.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    quinn::ClientConfig::new(Arc::new(crypto))
}

/// Settings of a client with a good key, whose transport is still to be set.
pub fn good_client() -> quinn::ClientConfig {
    client(Shown { key: tls_key(&[&spki(secret(9).node())], 9), raw: true }, &[ALPN])
}

/// A client that shows this, and connects to `server` or says why not.
async fn dial(server: SocketAddr, shown: Shown, alpn: &[&[u8]]) -> quinn::Connection {
    let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
    let config = client(shown, alpn);
    endpoint.connect_with(config, server, "any").unwrap().await.unwrap()
}

/// What our endpoint says of a client that shows this.
async fn verdict(shown: Shown, alpn: &[u8]) -> Result<NodeKey, AcceptFault> {
    verdict_of(client(shown, &[alpn])).await
}

async fn verdict_of(config: quinn::ClientConfig) -> Result<NodeKey, AcceptFault> {
    let acceptor = endpoint(2);
    let server = acceptor.local_addr();
    let client = tokio::spawn(async move {
        let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
        let dialed = endpoint.connect_with(config, server, "any").unwrap().await;
        dialed.unwrap().closed().await
    });
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
        tokio::join!(dial(acceptor.local_addr(), shown, &[ALPN]), establish(&acceptor));
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

/// Which protocol is spoken is part of the handshake that both sign: nobody on the path can
/// have them speak another. What one end does not speak, it does not fall back from.
#[tokio::test]
async fn a_downgrade_to_an_older_protocol_or_to_none_is_refused() {
    let shown = || Shown { key: tls_key(&[&spki(secret(9).node())], 9), raw: true };
    let refused = Err(AcceptFault::Lost(Loss::Refused { alert: 120 }));
    let offers: [&[&[u8]]; 4] = [&[b"talea/0"], &[b"h3", b"talea"], &[b"talea/1 "], &[]];
    for alpn in offers {
        assert_eq!(verdict_of(client(shown(), alpn)).await, refused, "{alpn:?}");
    }
    let both = verdict_of(client(shown(), &[b"talea/0", ALPN])).await;
    assert_eq!(both, Ok(secret(9).node()), "of several that are offered, this one is spoken");
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
