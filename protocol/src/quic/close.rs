//! Why a connection is closed, and how one ended.
//!
//! The codes are this protocol's (section 13 of the README), QUIC's own (RFC 9000, section 20.1) or
//! TLS alerts within QUIC's (RFC 9001, section 4.8). No text goes over the wire: what a stranger
//! writes there would end up in somebody's log.

use quinn::ConnectionError;

/// Why a connection is closed: the application error code of QUIC. No text goes with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Close {
    /// Nothing more to say. Also what a connection that is dropped says.
    Done,
    /// A length of zero, beyond [`crate::bytes::FRAME_BYTES_MAX`], or an end inside a frame.
    BadFrame,
    /// No session's stream within [`super::HANDSHAKE`], or a stream of an unknown kind.
    NoSession,
    /// A frame that is no message, a bad signature in it, or a message out of turn.
    BadMessage,
    /// This key is not admitted here.
    NotAdmitted,
    /// As many connections as are allowed, in all, for this key or for this address.
    Busy,
    /// Another connection between the same two keys goes on.
    Duplicate,
}

impl Close {
    const ALL: [Self; 7] = [
        Self::Done,
        Self::BadFrame,
        Self::NoSession,
        Self::BadMessage,
        Self::NotAdmitted,
        Self::Busy,
        Self::Duplicate,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::BadFrame => 1,
            Self::NoSession => 2,
            Self::BadMessage => 3,
            Self::NotAdmitted => 4,
            Self::Busy => 5,
            Self::Duplicate => 6,
        }
    }

    /// The meaning of a code, if this version gives it one.
    #[must_use]
    pub fn of(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|close| u64::from(close.code()) == code)
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Loss {
    /// Closed here: by [`super::Connection::close`], [`super::Endpoint::close`] or a fault that closes.
    #[error("closed here")]
    Here,
    /// The peer closed it, for a reason of this version.
    #[error("closed by the peer: {0:?}")]
    ByPeer(Close),
    /// The peer closed it, for a reason that this version does not know.
    #[error("closed by the peer with the unknown code {code}")]
    ByPeerUnknown {
        /// Its code.
        code: u64,
    },
    /// Nothing came for [`super::IDLE`].
    #[error("the peer is silent")]
    Idle,
    /// The peer has started anew and does not know this connection.
    #[error("unknown to the peer, which has started anew")]
    Forgotten,
    /// The peer took no connection: it is stopping, or too many are waiting.
    #[error("the peer takes no connection now")]
    Declined,
    /// This end refused the peer's handshake.
    #[error("handshake refused here, TLS alert {alert}")]
    Refused {
        /// The alert sent (RFC 8446, section 6.2): 40 no raw key or no suite in common, 42 not
        /// a key, 49 not this key, 116 no key shown, 120 another protocol.
        alert: u8,
    },
    /// The peer refused this end's handshake.
    #[error("handshake refused by the peer, TLS alert {alert}")]
    RefusedByPeer {
        /// The alert received; see [`Loss::Refused`].
        alert: u8,
    },
    /// One of the two found QUIC itself violated or could not go on.
    #[error("QUIC failed with the code {code}")]
    Transport {
        /// RFC 9000, section 20.1.
        code: u64,
    },
}

impl From<ConnectionError> for Loss {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::LocallyClosed => Self::Here,
            ConnectionError::TimedOut => Self::Idle,
            ConnectionError::Reset => Self::Forgotten,
            ConnectionError::ApplicationClosed(close) => {
                let code = close.error_code.into_inner();
                Close::of(code).map_or(Self::ByPeerUnknown { code }, Self::ByPeer)
            }
            ConnectionError::TransportError(error) => {
                let code = u64::from(error.code);
                alert(code).map_or(Self::Transport { code }, |alert| Self::Refused { alert })
            }
            ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
                CONNECTION_REFUSED => Self::Declined,
                code => alert(code)
                    .map_or(Self::Transport { code }, |alert| Self::RefusedByPeer { alert }),
            },
            ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => {
                Self::Transport { code: INTERNAL_ERROR }
            }
        }
    }
}

/// RFC 9000, section 20.1.
const INTERNAL_ERROR: u64 = 1;
const CONNECTION_REFUSED: u64 = 2;

/// The TLS alert in a code of QUIC (RFC 9001, section 4.8).
fn alert(code: u64) -> Option<u8> {
    code.checked_sub(0x100).and_then(|alert| u8::try_from(alert).ok())
}
