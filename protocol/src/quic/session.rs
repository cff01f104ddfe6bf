//! The session of a connection: one stream, cut into frames.
//!
//! A frame is 1 to [`FRAME_BYTES_MAX`] bytes after their number (u32, little-endian). Both halves
//! can be dropped at any await without losing or tearing a frame. What the bytes mean is not
//! known here. The specification is section 13 of the README.

use quinn::{ReadError, StoppedError, VarInt, WriteError};

use super::Side;
use super::close::{Close, Loss};
use crate::bytes::FRAME_BYTES_MAX;

/// First byte of a session's stream, from the dialer: the acceptor sees a stream only when
/// something is sent on it, and another byte leaves room for another kind of stream.
pub const SESSION: u8 = 1;
/// Bytes of the length before a frame.
const PREFIX_BYTES: usize = 4;
/// Read and written at once, in bytes: some 45 datagrams for one lock of the connection.
const BATCH_BYTES: usize = 64 * 1024;
const _: () = assert!(BATCH_BYTES <= PREFIX_BYTES + FRAME_BYTES_MAX);

/// Why a connection has no session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SessionFault {
    /// No stream within [`super::HANDSHAKE`]. The connection is closed with [`Close::NoSession`].
    #[error("no session in time")]
    TimedOut,
    /// The stream does not begin with [`SESSION`]; closed with [`Close::NoSession`].
    #[error("the stream is of the unknown kind {kind:?}")]
    Kind {
        /// Its first byte, if it has one.
        kind: Option<u8>,
    },
    /// The peer wants no session: it stopped the stream while it was opened.
    #[error("the peer stopped the stream")]
    Stopped,
    /// The connection ended.
    #[error("the connection ended")]
    Lost(#[from] Loss),
}

/// Why a frame was not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SendFault {
    /// Ours: a frame of this many bytes. Nothing was sent.
    #[error("a frame of {length} bytes, 1 to {FRAME_BYTES_MAX} are allowed")]
    Length {
        /// Its bytes.
        length: usize,
    },
    /// The peer reads this session no more.
    #[error("the peer reads no more")]
    Stopped,
    /// The connection ended.
    #[error("the connection ended")]
    Lost(#[from] Loss),
}

impl From<WriteError> for SendFault {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ConnectionLost(error) => Self::Lost(error.into()),
            WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => {
                Self::Stopped
            }
        }
    }
}

/// Why no frame was received. The first two close the connection with [`Close::BadFrame`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReceiveFault {
    /// The peer's: a frame of this many bytes. Refused before room is made for it.
    #[error("a frame of {length} bytes, 1 to {FRAME_BYTES_MAX} are allowed")]
    Length {
        /// The length it announced.
        length: u32,
    },
    /// The stream ended inside a frame.
    #[error("the session ended inside a frame, after {held} bytes of it")]
    Truncated {
        /// Bytes of the frame, its length included, that did arrive.
        held: usize,
    },
    /// The peer gave the session up.
    #[error("the peer gave the session up")]
    Reset,
    /// The connection ended.
    #[error("the connection ended")]
    Lost(#[from] Loss),
}

impl From<ReadError> for ReceiveFault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(error) => Self::Lost(error.into()),
            ReadError::Reset(_)
            | ReadError::ClosedStream
            | ReadError::IllegalOrderedRead
            | ReadError::ZeroRttRejected => Self::Reset,
        }
    }
}

/// Opens or awaits the session's stream.
pub(super) async fn open(
    connection: &quinn::Connection,
    side: Side,
) -> Result<(Sender, Receiver), SessionFault> {
    let (stream, kind, received) = match side {
        Side::Dialer => {
            let (stream, received) = connection.open_bi().await.map_err(Loss::from)?;
            (stream, vec![SESSION], received)
        }
        Side::Acceptor => {
            let (stream, mut received) = connection.accept_bi().await.map_err(Loss::from)?;
            take_kind(&mut received).await?;
            (stream, Vec::new(), received)
        }
    };
    let mut sender = Sender { stream, queue: kind, written: 0 };
    sender.flush().await.map_err(|fault| match fault {
        SendFault::Lost(loss) => SessionFault::Lost(loss),
        SendFault::Stopped | SendFault::Length { .. } => SessionFault::Stopped,
    })?;
    Ok((sender, Receiver::new(received, connection.clone())))
}

async fn take_kind(stream: &mut quinn::RecvStream) -> Result<(), SessionFault> {
    let mut kind = [0];
    match stream.read(&mut kind).await {
        Ok(Some(_)) if kind == [SESSION] => Ok(()),
        Ok(Some(_)) => Err(SessionFault::Kind { kind: Some(kind[0]) }),
        Err(ReadError::ConnectionLost(error)) => Err(SessionFault::Lost(error.into())),
        Ok(None) | Err(_) => Err(SessionFault::Kind { kind: None }),
    }
}

/// The half of a session that sends. Dropped, it ends the session in this direction.
///
/// A call that is dropped before it returns leaves no frame half sent: what it had begun goes
/// out with the next call.
#[derive(Debug)]
pub struct Sender {
    stream: quinn::SendStream,
    /// Whole frames with their lengths, of which the first `written` bytes are QUIC's already.
    queue: Vec<u8>,
    written: usize,
}

impl Sender {
    /// Sends a frame. Returns when QUIC has taken it, and waits while a window's worth is unread:
    /// whoever sends without receiving waits for ever for a peer that does the same.
    ///
    /// # Errors
    /// [`SendFault`].
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), SendFault> {
        self.send_many(&[frame]).await
    }

    /// Sends frames, one after another; for small ones much faster than [`Sender::send`] of each.
    ///
    /// # Errors
    /// [`SendFault`]. With [`SendFault::Length`], none of them is sent.
    pub async fn send_many<F: AsRef<[u8]>>(&mut self, frames: &[F]) -> Result<(), SendFault> {
        let lengths = frames.iter().map(|frame| frame.as_ref().len());
        let prefixes = lengths.map(prefix).collect::<Result<Vec<_>, _>>()?;
        for (prefix, frame) in prefixes.iter().zip(frames) {
            self.queue.extend_from_slice(prefix);
            self.queue.extend_from_slice(frame.as_ref());
            if self.queue.len() >= BATCH_BYTES {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    /// Ends the session in this direction, and waits until the peer's QUIC has all of it.
    ///
    /// # Errors
    /// [`SendFault`].
    pub async fn finish(mut self) -> Result<(), SendFault> {
        self.flush().await?;
        self.stream.finish().map_err(|_| SendFault::Stopped)?;
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(StoppedError::ZeroRttRejected) => Err(SendFault::Stopped),
            Err(StoppedError::ConnectionLost(error)) => Err(SendFault::Lost(error.into())),
        }
    }

    async fn flush(&mut self) -> Result<(), SendFault> {
        while let Some(rest) = self.queue.get(self.written..).filter(|rest| !rest.is_empty()) {
            self.written += self.stream.write(rest).await?;
        }
        self.queue.clear();
        self.written = 0;
        Ok(())
    }
}

fn prefix(length: usize) -> Result<[u8; PREFIX_BYTES], SendFault> {
    u32::try_from(length)
        .ok()
        .filter(|_| (1..=FRAME_BYTES_MAX).contains(&length))
        .map(u32::to_le_bytes)
        .ok_or(SendFault::Length { length })
}

/// The half of a session that receives. Dropped, it tells the peer to send no more.
#[derive(Debug)]
pub struct Receiver {
    stream: quinn::RecvStream,
    connection: quinn::Connection,
    /// Room for what is read. It grows with what came, never by what a length announces, and
    /// not beyond one frame.
    buffer: Vec<u8>,
    /// What came and was not handed out yet is `buffer[start..end]`.
    start: usize,
    end: usize,
}

impl Receiver {
    fn new(stream: quinn::RecvStream, connection: quinn::Connection) -> Self {
        Self { stream, connection, buffer: vec![0; BATCH_BYTES], start: 0, end: 0 }
    }

    /// The next frame; `None` when the peer has ended the session. Can be dropped and asked
    /// again: no byte is lost.
    ///
    /// # Errors
    /// [`ReceiveFault`].
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, ReceiveFault> {
        let result = self.next().await;
        if matches!(result, Err(ReceiveFault::Length { .. } | ReceiveFault::Truncated { .. })) {
            self.connection.close(VarInt::from_u32(Close::BadFrame.code()), &[]);
        }
        result
    }

    /// Bytes that have come of the frame under way, its length included: whoever waits for the
    /// rest learns whether it goes on.
    #[must_use]
    pub const fn begun(&self) -> usize {
        self.end - self.start
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, ReceiveFault> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            self.make_room();
            match self.stream.read(&mut self.buffer[self.end..]).await? {
                Some(read) => self.end += read,
                None if self.end == 0 => return Ok(None),
                None => return Err(ReceiveFault::Truncated { held: self.end }),
            }
        }
    }

    /// The first frame held, if all of it is.
    fn take(&mut self) -> Result<Option<Vec<u8>>, ReceiveFault> {
        let held = &self.buffer[self.start..self.end];
        let Some((prefix, rest)) = held.split_first_chunk() else { return Ok(None) };
        let announced = u32::from_le_bytes(*prefix);
        let length = usize::try_from(announced)
            .ok()
            .filter(|length| (1..=FRAME_BYTES_MAX).contains(length))
            .ok_or(ReceiveFault::Length { length: announced })?;
        let frame = rest.get(..length).map(<[u8]>::to_vec);
        if frame.is_some() {
            self.start += PREFIX_BYTES + length;
        }
        Ok(frame)
    }

    /// Moves the begun frame to the front, and doubles the room if it fills all of it.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            let room = (self.buffer.len() * 2).min(PREFIX_BYTES + FRAME_BYTES_MAX);
            self.buffer.resize(room, 0);
        }
    }
}
