//! Who is at the other end: TLS 1.3 with raw public keys on both sides (RFC 7250).
//!
//! A node's "certificate" is its key in the 44 bytes of RFC 8410. The dialer knows which key must
//! answer and refuses another before it says who it is; the acceptor takes any key that could be
//! enrolled and lets its caller decide. No name, no issuer and no clock has a part in it.

use std::sync::{Arc, OnceLock};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, PeerIncompatible,
    SignatureAlgorithm, SignatureScheme,
};

use crate::key::{KeyFault, NodeKey, SecretKey, examine};

/// The protocol's name in the TLS handshake, one for each version of the messages (RFC 7301).
pub const ALPN: &[u8] = b"talea/1";
/// What a public key is wrapped in: SEQUENCE { SEQUENCE { 1.3.101.112 }, BIT STRING }, of 32
/// bytes of key (RFC 8410, section 4). With the key, the whole "certificate" of RFC 7250.
pub const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why what a peer shows is no node key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdentityFault {
    /// Not one Ed25519 key in the 44 bytes of RFC 8410.
    #[error("{length} bytes that are not one Ed25519 public key")]
    Shape {
        /// Bytes shown.
        length: usize,
    },
    /// The key cannot be anybody's.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

/// What TLS needs of this node: its key, and the suites of version 1.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    identity: Arc<CertifiedKey>,
}

impl Tls {
    pub(super) fn new(key: &SecretKey) -> Self {
        let provider = CryptoProvider {
            cipher_suites: vec![
                ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
                ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            ],
            kx_groups: vec![ring::kx_group::X25519],
            ..ring::default_provider()
        };
        let spki = CertificateDer::from([&SPKI_PREFIX[..], &key.node().0].concat());
        let signer = Arc::new(Signer(Arc::new(SecretKey::from_seed(&key.seed()))));
        let identity = Arc::new(CertifiedKey::new(vec![spki], signer));
        Self { provider: Arc::new(provider), identity }
    }

    pub(super) fn server(&self) -> QuicServerConfig {
        let resolver = AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&self.identity));
        let mut tls = rustls::ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("both suites are TLS 1.3's")
            .with_client_cert_verifier(Arc::new(AnyKey))
            .with_cert_resolver(Arc::new(resolver));
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.send_tls13_tickets = 0;
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        QuicServerConfig::try_from(tls).expect("QUIC's first suite is among them")
    }

    pub(super) fn client(&self, verifier: &Arc<OneKey>) -> QuicClientConfig {
        let resolver = AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&self.identity));
        let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("both suites are TLS 1.3's")
            .dangerous()
            .with_custom_certificate_verifier(Arc::<OneKey>::clone(verifier))
            .with_client_cert_resolver(Arc::new(resolver));
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.enable_sni = false;
        tls.resumption = Resumption::disabled();
        QuicClientConfig::try_from(tls).expect("QUIC's first suite is among them")
    }
}

/// The node's key as TLS asks for it. What it signs begins with 64 spaces and TLS's own context
/// (RFC 8446, section 4.4.3), so that it is no entry, note or cosignature.
#[derive(Clone, Debug)]
struct Signer(Arc<SecretKey>);

impl rustls::sign::SigningKey for Signer {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        let signer: Box<dyn rustls::sign::Signer> = Box::new(self.clone());
        offered.contains(&SignatureScheme::ED25519).then_some(signer)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl rustls::sign::Signer for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.0.sign_raw(message).0.to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// The dialer's view: the one key that may answer, and the key that did.
#[derive(Debug)]
pub(super) struct OneKey {
    expected: NodeKey,
    shown: OnceLock<Result<NodeKey, IdentityFault>>,
}

impl OneKey {
    pub(super) fn new(expected: NodeKey) -> Arc<Self> {
        Arc::new(Self { expected, shown: OnceLock::new() })
    }

    /// What the other end showed, if it came to that.
    pub(super) fn shown(&self) -> Option<Result<NodeKey, IdentityFault>> {
        self.shown.get().copied()
    }
}

impl ServerCertVerifier for OneKey {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The expected key was examined when its owner was listed.
        match *self.shown.get_or_init(|| alone(key, others)) {
            Ok(shown) if shown == self.expected => Ok(ServerCertVerified::assertion()),
            Ok(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
            Err(_) => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// The acceptor's view: any key that could be enrolled, and never none.
#[derive(Debug)]
struct AnyKey;

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        alone(key, others)
            .and_then(|key| Ok(examine(&key.0)?))
            .map(|()| ClientCertVerified::assertion())
            .map_err(|_| CertificateError::BadEncoding.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

fn check(
    message: &[u8],
    key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
    let algorithms = ring::default_provider().signature_verification_algorithms;
    rustls::crypto::verify_tls13_signature_with_raw_key(message, &spki, signature, &algorithms)
}

/// The key of a finished handshake's peer, which one of the two verifiers took.
pub(super) fn peer(connection: &quinn::Connection) -> Option<NodeKey> {
    let shown = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    parse(shown.first()?).ok()
}

/// A raw key comes alone (RFC 8446, section 4.4.2).
fn alone(key: &[u8], others: &[CertificateDer<'_>]) -> Result<NodeKey, IdentityFault> {
    let length = others.iter().fold(key.len(), |sum, other| sum + other.len());
    if others.is_empty() { parse(key) } else { Err(IdentityFault::Shape { length }) }
}

fn parse(spki: &[u8]) -> Result<NodeKey, IdentityFault> {
    spki.strip_prefix(&SPKI_PREFIX)
        .and_then(|key| key.try_into().ok())
        .map(NodeKey)
        .ok_or(IdentityFault::Shape { length: spki.len() })
}
