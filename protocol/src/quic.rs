//! QUIC between two node keys: who is at the other end, and frames of bytes, both ways.
//!
//! Only this file and its three parts name quinn and rustls. Nothing here knows cooperatives or
//! messages, and nothing decides which keys are admitted: a [`Connection`] says whose it is before
//! anything is read from it. The specification is section 13 of the README.

mod close;
mod session;
mod tls;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{ConnectError, IdleTimeout, TransportConfig, VarInt};
use tokio::time::timeout;

pub use self::close::{Close, Loss};
pub use self::session::{ReceiveFault, Receiver, SESSION, SendFault, Sender, SessionFault};
pub use self::tls::{ALPN, IdentityFault, SPKI_PREFIX};
use self::tls::{OneKey, Tls};
use crate::key::{NodeKey, SecretKey};

/// RFC 9000, and none of its drafts.
pub const QUIC_VERSION: u32 = 1;
/// Longest handshake, and longest wait for the session's stream (reliability, section 5).
pub const HANDSHAKE: Duration = Duration::from_secs(5);
/// A connection that is silent for so long is lost (reliability, section 5).
pub const IDLE: Duration = Duration::from_secs(30);
/// A silent connection is kept alive so often: two may be lost before [`IDLE`] is over.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);
const _: () = assert!(KEEP_ALIVE.as_secs() * 3 <= IDLE.as_secs());
/// Streams that a peer may have open, in both directions and in one: a session takes one, and
/// the rest is room for later versions (reliability, section 5; quinn's default is 100).
pub const STREAMS_MAX: (u32, u32) = (8, 4);
/// What a peer may send on one stream before it is read, in bytes (reliability, section 5).
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// What a peer may send on all streams before it is read, in bytes (quinn's default: no limit).
pub const RECEIVE_WINDOW_BYTES: u32 = 1024 * 1024;
/// What is kept for a peer until it acknowledges it, in bytes (quinn's default: 10 MB).
pub const SEND_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
const _: () = assert!(STREAM_WINDOW_BYTES <= RECEIVE_WINDOW_BYTES);
/// Arrivals that wait for [`Endpoint::accept`]; more are passed over (quinn's default: 65,536).
pub const ARRIVALS_MAX: usize = 256;
/// What one waiting arrival may send, in bytes: a first flight is one or two datagrams, and
/// without 0-RTT nothing follows before it is answered (quinn's default: 10 MiB).
pub const ARRIVAL_BYTES_MAX: u64 = 16 * 1024;
/// From so many open connections on, a dialer first proves that its address is its own (RFC
/// 9000, section 8.1), so that forged addresses cannot use up the 64 that a node takes.
pub const PROOF_OF_ADDRESS_FROM: usize = 32;

/// The exporter's label (RFC 8446, section 7.5); its context is empty.
pub const BINDING_LABEL: &[u8] = b"talea wallet v1";

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// It called [`Endpoint::connect`], and opens the session's stream.
    Dialer,
    /// It called [`Endpoint::accept`].
    Acceptor,
}

/// Why no socket was opened.
#[derive(Debug, thiserror::Error)]
pub enum BindFault {
    /// The system's reason. The operator's to solve: another address, or what holds this one.
    #[error("cannot listen on {address}")]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

/// Why there is no connection to a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConnectFault {
    /// An address that this socket cannot reach: port 0, or IPv6 from an IPv4 socket.
    #[error("cannot dial {address} from this socket")]
    Address {
        /// The address asked for.
        address: SocketAddr,
    },
    /// This endpoint is closed.
    #[error("this endpoint is closed")]
    Closed,
    /// No answer, or not all of it, within [`HANDSHAKE`].
    #[error("no connection within {} s", HANDSHAKE.as_secs())]
    TimedOut,
    /// Another node answered. It has not learned who dialed.
    #[error("expected the node {expected}, and {shown} answered")]
    WrongKey {
        /// The key asked for.
        expected: NodeKey,
        /// The key shown.
        shown: NodeKey,
    },
    /// What answered showed no node key.
    #[error("what answered is no node")]
    Identity(#[from] IdentityFault),
    /// The handshake failed otherwise.
    #[error("the handshake failed")]
    Lost(#[from] Loss),
}

impl ConnectFault {
    fn of(expected: NodeKey, verifier: &OneKey, loss: Loss) -> Self {
        match verifier.shown() {
            Some(Ok(shown)) if shown != expected => Self::WrongKey { expected, shown },
            Some(Err(fault)) => Self::Identity(fault),
            Some(Ok(_)) | None => Self::Lost(loss),
        }
    }
}

/// Why an arrival is no connection. A stranger's fault, as a rule: worth a count, no alarm.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AcceptFault {
    /// The handshake was not finished within [`HANDSHAKE`].
    #[error("no connection within {} s", HANDSHAKE.as_secs())]
    TimedOut,
    /// The handshake failed; [`Loss::Refused`] if the key was refused here.
    #[error("the handshake failed")]
    Lost(#[from] Loss),
}

/// One UDP socket that dials and answers under one node key. Clones share it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    inner: quinn::Endpoint,
    address: SocketAddr,
    tls: Tls,
    transport: Arc<TransportConfig>,
}

impl Endpoint {
    /// Opens a socket. To be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`BindFault`].
    pub fn bind(address: SocketAddr, key: &SecretKey) -> Result<Self, BindFault> {
        let (tls, transport) = (Tls::new(key), Arc::new(transport()));
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls.server()));
        server
            .transport_config(Arc::clone(&transport))
            .migration(false)
            .max_incoming(ARRIVALS_MAX)
            .incoming_buffer_size(ARRIVAL_BYTES_MAX);
        let fault = |source| BindFault::Socket { address, source };
        let socket = UdpSocket::bind(address).map_err(fault)?;
        let runtime =
            quinn::default_runtime().ok_or_else(|| fault(io::Error::other("no tokio runtime")))?;
        let mut config = quinn::EndpointConfig::default();
        config.supported_versions(vec![QUIC_VERSION]);
        let inner = quinn::Endpoint::new(config, Some(server), socket, runtime).map_err(fault)?;
        let address = inner.local_addr().map_err(fault)?;
        Ok(Self { inner, address, tls, transport })
    }

    /// The address it listens on, with the port that the system chose.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Dials a node, which must prove to be `expected` before it learns who dials.
    ///
    /// The other end examines this end's key only after that: whether it admits it shows in what
    /// it does next.
    ///
    /// # Errors
    /// [`ConnectFault`].
    pub async fn connect(
        &self,
        address: SocketAddr,
        expected: NodeKey,
    ) -> Result<Connection, ConnectFault> {
        let verifier = OneKey::new(expected);
        let mut config = quinn::ClientConfig::new(Arc::new(self.tls.client(&verifier)));
        config.transport_config(Arc::clone(&self.transport));
        let connecting =
            self.inner.connect_with(config, address, UNUSED_NAME).map_err(|error| match error {
                ConnectError::EndpointStopping => ConnectFault::Closed,
                _ => ConnectFault::Address { address },
            })?;
        match timeout(HANDSHAKE, connecting).await {
            Ok(Ok(inner)) => Ok(Connection { inner, peer: expected, side: Side::Dialer }),
            Ok(Err(error)) => Err(ConnectFault::of(expected, &verifier, error.into())),
            Err(_) => Err(ConnectFault::TimedOut),
        }
    }

    /// The next arrival, or `None` once this endpoint is closed. Can be dropped and asked again.
    pub async fn accept(&self) -> Option<Arrival> {
        loop {
            let arrival = Arrival(self.inner.accept().await?);
            if self.inner.open_connections() < PROOF_OF_ADDRESS_FROM || arrival.is_proven() {
                return Some(arrival);
            }
            // An error only says that the address is proven already, which was asked above.
            let _ = arrival.0.retry();
        }
    }

    /// Closes every connection, and takes and makes no more.
    pub fn close(&self, why: Close) {
        self.inner.close(VarInt::from_u32(why.code()), &[]);
    }

    /// Waits until every closed connection's peer has been told, or has had time to be.
    pub async fn wait_idle(&self) {
        self.inner.wait_idle().await;
    }
}

/// Somebody who dials and has shown no key yet. Dropped, it is refused.
#[derive(Debug)]
pub struct Arrival(quinn::Incoming);

impl Arrival {
    /// The address it says it comes from.
    #[must_use]
    pub fn remote_addr(&self) -> SocketAddr {
        canonical(self.0.remote_address())
    }

    /// Whether it has shown that it receives what is sent to its address.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.0.remote_address_validated()
    }

    /// Has the dialer come again with a proof that its address is its own (Retry, RFC 9000,
    /// section 8.1.2). Of one that has proven it already, nothing is asked, and it is refused.
    pub fn prove(self) {
        let _ = self.0.retry();
    }

    /// Says nothing, which costs least. An honest dialer tries again within [`HANDSHAKE`].
    pub fn pass_over(self) {
        self.0.ignore();
    }

    /// Answers. To be awaited apart from [`Endpoint::accept`], as a slow one takes its time.
    ///
    /// # Errors
    /// [`AcceptFault`].
    ///
    /// # Panics
    /// Never: without one key that the verifier took there is no handshake.
    pub async fn establish(self) -> Result<Connection, AcceptFault> {
        let connecting = self.0.accept().map_err(Loss::from)?;
        let finished = timeout(HANDSHAKE, connecting).await.map_err(|_| AcceptFault::TimedOut)?;
        let inner = finished.map_err(Loss::from)?;
        let peer = tls::peer(&inner).expect("the verifier took exactly one key");
        Ok(Connection { inner, peer, side: Side::Acceptor })
    }
}

/// An IPv4 address as such, also where an IPv6 socket received it.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A connection to one peer, whose key is proven. Clones share it; the last one to go, with the
/// session's two halves, closes it with [`Close::Done`].
#[derive(Clone, Debug)]
pub struct Connection {
    inner: quinn::Connection,
    peer: NodeKey,
    side: Side,
}

impl Connection {
    /// Whose it is.
    #[must_use]
    pub const fn peer(&self) -> NodeKey {
        self.peer
    }

    /// Which end this is.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// The peer's address.
    #[must_use]
    pub fn remote_addr(&self) -> SocketAddr {
        canonical(self.inner.remote_address())
    }

    /// Thirty-two bytes that only this connection's two ends know, the same at both: whoever
    /// signs them proves a second key to the peer, and to nobody else (RFC 5705).
    ///
    /// # Panics
    /// Never: it would take 8,160 bytes to exhaust the exporter.
    #[must_use]
    pub fn binding(&self) -> [u8; 32] {
        let mut binding = [0; 32];
        self.inner
            .export_keying_material(&mut binding, BINDING_LABEL, &[])
            .expect("the exporter gives 32 bytes");
        binding
    }

    /// The session: the one stream that the dialer opens, and the acceptor accepts. Called once
    /// by each end.
    ///
    /// # Errors
    /// [`SessionFault`].
    pub async fn session(&self) -> Result<(Sender, Receiver), SessionFault> {
        let opened = timeout(HANDSHAKE, session::open(&self.inner, self.side)).await;
        let session = opened.unwrap_or(Err(SessionFault::TimedOut));
        if matches!(session, Err(SessionFault::TimedOut | SessionFault::Kind { .. })) {
            self.close(Close::NoSession);
        }
        session
    }

    /// Closes it at once, whatever is still to be sent; see [`Sender::finish`].
    pub fn close(&self, why: Close) {
        self.inner.close(VarInt::from_u32(why.code()), &[]);
    }

    /// Waits for its end, and says how it came.
    pub async fn closed(&self) -> Loss {
        self.inner.closed().await.into()
    }
}

/// QUIC's client asks for a name; with raw keys it is neither sent nor compared.
const UNUSED_NAME: &str = "talea";

fn transport() -> TransportConfig {
    let (both, one) = STREAMS_MAX;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(both.into())
        .max_concurrent_uni_streams(one.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(RECEIVE_WINDOW_BYTES.into())
        .send_window(SEND_WINDOW_BYTES.into())
        .max_idle_timeout(Some(IdleTimeout::try_from(IDLE).expect("30 s fit a u62 of ms")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .datagram_receive_buffer_size(None);
    transport
}
