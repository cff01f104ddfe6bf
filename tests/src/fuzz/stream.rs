//! The stream of a session, over real QUIC on this machine: frames come out as they were written,
//! however they were cut, and what is no frame ends it.
//!
//! A second, simple reader of the same bytes says what must come out. One connection serves many
//! inputs, until one of them is refused and the connection with it.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use talea_protocol::bytes::FRAME_BYTES_MAX;
use talea_protocol::key::SecretKey;
use talea_protocol::quic::{Connection, Endpoint, ReceiveFault, SESSION, SessionFault};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::script::{Script, number};
use super::seed;
use super::stranger::{LOOPBACK, settings};

/// Longest stream, in bytes: a frame of the greatest length and something more.
const STREAM_BYTES_MAX: usize = 300_000;
/// An input takes a millisecond or two. What never ends is a fault too.
const PATIENCE: Duration = Duration::from_secs(20);

static WIRE: LazyLock<Mutex<Wire>> = LazyLock::new(|| Mutex::new(Wire::new()));

/// Two ends on this machine.
struct Wire {
    runtime: Runtime,
    ours: Endpoint,
    theirs: quinn::Endpoint,
    open: Option<(quinn::Connection, Connection)>,
}

/// How a stream ends.
#[derive(Debug, Eq, PartialEq)]
enum End {
    /// Between two frames.
    Clean,
    /// As [`SessionFault::Kind`].
    Kind(Option<u8>),
    /// As [`ReceiveFault::Length`].
    Length(u32),
    /// As [`ReceiveFault::Truncated`].
    Truncated(usize),
}

/// What is written, and in pieces of how many bytes.
struct Written {
    bytes: Vec<u8>,
    piece: usize,
}

/// Any bytes on a stream.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn stream(input: &[u8]) {
    let written = write(input);
    let expected = read(&written.bytes);
    let mut wire = WIRE.lock().unwrap_or_else(PoisonError::into_inner);
    let found = wire.carry(&written);
    assert!(found.1 == expected.1, "ends with {:?}, not with {:?}", found.1, expected.1);
    assert!(found.0 == expected.0, "other frames came out than were written");
}

/// The stream of an input: its bytes themselves, or frames that it describes in short.
fn write(input: &[u8]) -> Written {
    let mut script = Script::new(input);
    let piece = *script.one_of(&[1, 3, 4, 5, 1_000, 65_536, STREAM_BYTES_MAX]);
    let mut bytes = Vec::new();
    if script.byte().is_multiple_of(2) {
        while !script.is_over() {
            bytes.push(script.byte());
        }
    } else {
        bytes.push(SESSION);
        while !script.is_over() && bytes.len() < STREAM_BYTES_MAX {
            let length = script.number();
            let given = if script.byte() == 255 { script.number() } else { length };
            let fill = script.byte();
            bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
            let given = usize::try_from(given).unwrap_or(usize::MAX).min(STREAM_BYTES_MAX);
            bytes.resize(bytes.len() + given, fill);
        }
    }
    bytes.truncate(STREAM_BYTES_MAX);
    // So that many small pieces do not make many more datagrams than there are bytes to try.
    let piece = piece.max(bytes.len() / 500);
    Written { bytes, piece }
}

/// What must come out.
fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, End) {
    let Some((&SESSION, mut rest)) = bytes.split_first() else {
        return (Vec::new(), End::Kind(bytes.first().copied()));
    };
    let mut frames = Vec::new();
    loop {
        let held = rest.len();
        let Some((length, after)) = rest.split_first_chunk::<4>() else {
            let end = if held == 0 { End::Clean } else { End::Truncated(held) };
            return (frames, end);
        };
        let announced = u32::from_le_bytes(*length);
        let length = usize::try_from(announced).expect("32 bits");
        if length == 0 || length > FRAME_BYTES_MAX {
            return (frames, End::Length(announced));
        }
        let Some((frame, after)) = after.split_at_checked(length) else {
            return (frames, End::Truncated(held));
        };
        frames.push(frame.to_vec());
        rest = after;
    }
}

impl Wire {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (ours, theirs) = runtime.block_on(async {
            let ours = Endpoint::bind(LOOPBACK, &SecretKey::from_seed(&[2; 32]));
            (ours.expect("a socket"), quinn::Endpoint::client(LOOPBACK).expect("a socket"))
        });
        Self { runtime, ours, theirs, open: None }
    }

    fn carry(&mut self, written: &Written) -> (Vec<Vec<u8>>, End) {
        let Self { runtime, ours, theirs, open } = self;
        let carried = runtime.block_on(async {
            let carry = async {
                let (client, server) = match open.take().filter(|(client, _)| is_open(client)) {
                    Some(held) => held,
                    None => connect(theirs, ours).await,
                };
                let (_, came) = tokio::join!(send(&client, written), receive(&server));
                *open = matches!(came.1, End::Clean).then_some((client, server));
                came
            };
            timeout(PATIENCE, carry).await
        });
        carried.expect("a stream that was ended ends")
    }
}

fn is_open(client: &quinn::Connection) -> bool {
    client.close_reason().is_none()
}

async fn connect(theirs: &quinn::Endpoint, ours: &Endpoint) -> (quinn::Connection, Connection) {
    let dial = theirs.connect_with(settings(&[9; 32]), ours.local_addr(), "any");
    let dial = dial.expect("an address of this machine");
    let accept = async { ours.accept().await.expect("it is open").establish().await };
    let (client, server) = tokio::join!(dial, accept);
    (client.expect("a handshake"), server.expect("a handshake"))
}

/// Writes and ends the stream; it may be refused before that.
async fn send(client: &quinn::Connection, written: &Written) -> Option<()> {
    let (mut stream, _answers) = client.open_bi().await.ok()?;
    for piece in written.bytes.chunks(written.piece) {
        stream.write_all(piece).await.ok()?;
    }
    stream.finish().ok()?;
    stream.stopped().await.ok()?;
    Some(())
}

async fn receive(server: &Connection) -> (Vec<Vec<u8>>, End) {
    let mut frames = Vec::new();
    let (_sender, mut receiver) = match server.session().await {
        Ok(session) => session,
        Err(SessionFault::Kind { kind }) => return (frames, End::Kind(kind)),
        Err(fault) => panic!("no session: {fault}"),
    };
    let end = loop {
        match receiver.receive().await {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => break End::Clean,
            Err(ReceiveFault::Length { length }) => break End::Length(length),
            Err(ReceiveFault::Truncated { held }) => break End::Truncated(held),
            Err(fault) => panic!("not one of the two ways to end: {fault}"),
        }
    };
    (frames, end)
}

/// Frames of the vectors, whole and cut short; frames of each remarkable length.
#[must_use]
pub fn streams() -> Vec<Vec<u8>> {
    let framed = |frame: Vec<u8>| {
        let length = u32::try_from(frame.len()).expect("short").to_le_bytes();
        [length.to_vec(), frame].concat()
    };
    let all: Vec<u8> = seed::messages().into_iter().flat_map(framed).collect();
    let described = |lengths: &[u64]| {
        let frame = |length: &u64| [number(*length), vec![0, 7]].concat();
        [vec![4, 1], lengths.iter().flat_map(frame).collect()].concat()
    };
    let short = [number(900), vec![255], number(899), vec![7]].concat();
    vec![
        [vec![0, 0, SESSION], all.clone()].concat(),
        [vec![3, 0, SESSION], all[..all.len() - 3].to_vec()].concat(),
        vec![0, 0, 2, 1, 0, 0, 0, 9],
        vec![0, 0],
        described(&[1, 2, 65_532, 65_533, 131_072, 5]),
        described(&[262_144, 7]),
        described(&[3, 262_145]),
        described(&[3, 0]),
        [vec![2, 1], short].concat(),
    ]
}
