//! Whatever a decoder is given, it neither panics nor asks for much memory.
//!
//! One test, alone in its program, because memory is counted for the whole of it.
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

mod kept;

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use talea_protocol::act::Content;
use talea_protocol::bytes::{FRAME_BYTES_MAX, decode, encode};
use talea_protocol::charter::Charter;
use talea_protocol::checkpoint;
use talea_protocol::cut::Cut;
use talea_protocol::entry::Entry;
use talea_protocol::export::{MAGIC, Section, Sections};
use talea_protocol::fork::{self, Fork};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::Leaf;
use talea_protocol::message::Message;
use talea_protocol::receipt::Receipt;
use talea_protocol::tile::TilePath;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Longest input that is drawn, in bytes.
const INPUT_BYTES_MAX: usize = 64 * 1024;
/// What one decoder may hold at once, in bytes, beyond as much as it was given (reliability,
/// section 7).
const MEMORY_BYTES_MAX: usize = 128 * 1024;
/// What one decoder may take, at the best of three times (reliability, section 7).
const TIME_MAX: Duration = Duration::from_millis(1);

type Decoder = fn(&[u8]);

const DECODERS: [(&str, Decoder); 12] = [
    ("entry", |bytes| drop(Entry::parse(bytes.to_vec()))),
    ("act", |bytes| drop(Content::parse(bytes))),
    ("charter", |bytes| drop(decode::<Charter>(bytes, INPUT_BYTES_MAX))),
    ("cut", |bytes| drop(decode::<Cut>(bytes, INPUT_BYTES_MAX))),
    ("leaf", |bytes| drop(Leaf::parse(bytes))),
    ("message", |bytes| drop(Message::parse(bytes))),
    ("section", |bytes| drop(decode::<Section>(bytes, FRAME_BYTES_MAX))),
    ("export", |bytes| {
        if let Ok(sections) = Sections::new(bytes) {
            sections.for_each(drop);
        }
    }),
    ("checkpoint", |bytes| {
        drop(checkpoint::open(bytes, &EntryId([1; 32]), &NodeKey([2; 32]), &[NodeKey([3; 32])]));
    }),
    ("receipt", |bytes| drop(Receipt::parse(bytes))),
    ("fork", |bytes| {
        let _ = Fork::read(bytes);
    }),
    ("path", |bytes| {
        let _ = str::from_utf8(bytes).map(str::parse::<TilePath>);
    }),
];

/// Gives the bytes to every decoder, and says which asked for too much.
fn judged(bytes: &[u8]) -> Result<(), String> {
    for (name, decoder) in DECODERS {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let took = (0..3).map(|_| timed(decoder, bytes)).min().unwrap_or_default();
        let held = MEMORY.peak_usage() - before;
        if held > bytes.len() + MEMORY_BYTES_MAX {
            return Err(format!("{name}: {held} bytes for {}", bytes.len()));
        }
        if took > TIME_MAX {
            return Err(format!("{name}: {took:?} for {} bytes", bytes.len()));
        }
    }
    Ok(())
}

fn timed(decoder: Decoder, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    decoder(bytes);
    begun.elapsed()
}

/// Every text in the vectors, and the bytes that it stands for.
fn kept() -> Vec<Vec<u8>> {
    let mut found = vec![MAGIC.to_vec(), fork::MAGIC.to_vec()];
    for file in ["entries", "logs", "messages", "exports"] {
        for vector in kept::vectors(file) {
            let texts = vector.as_object().unwrap().values().filter_map(Value::as_str);
            found.extend(texts.map(|text| text.as_bytes().to_vec()));
            found.extend(vector.as_object().unwrap().values().filter_map(kept::bytes));
        }
    }
    found
}

/// The largest of so many bytes that the limits let through, and lengths without what they
/// announce.
fn bombs(length: usize) -> Vec<Vec<u8>> {
    let ids = [[0x11; 32], [0x22; 32]].concat();
    let leaves = |count: u64, item: &[u8]| {
        let head = [3_u32.to_le_bytes().to_vec(), ids.clone(), vec![0; 8], encode(&count)].concat();
        let mut frame = [head, item.repeat(1023)].concat();
        frame.extend([0; 4]);
        frame.extend(encode(&196_608_u64));
        frame.resize(length, 0);
        frame
    };
    let known = |ids: u64| [encode(&1_u32), encode(&ids)].concat();
    let filled = |head: Vec<u8>, with: u8| {
        let mut bytes = head;
        bytes.resize(length, with);
        bytes
    };
    let cut = [vec![0; 32], encode(&10_000_u64), vec![0; 40_032]].concat();
    vec![
        leaves(1024, &known(0)),
        leaves(1024, &[known(1), vec![0; 32]].concat()),
        leaves(1024, &[known(1_024)].concat()),
        leaves(1024, &[encode(&0_u32), encode(&50_u64), vec![0; 50]].concat()),
        leaves(1024, &[encode(&0_u32), encode(&114_u64), vec![0; 114]].concat()),
        [vec![2], vec![0; 32], cut.clone(), vec![0; 40]].concat(),
        [encode(&3_u32), cut.clone()].concat(),
        cut,
        filled([encode(&6_u32), ids.clone(), vec![0; 32], encode(&261_120_u64)].concat(), 0),
        filled(b"c2sp.org/tlog-proof@v1\nextra ".to_vec(), b'A'),
        filled("a\n\n— a ".as_bytes().to_vec(), b'A'),
        filled(b"tile/0/".to_vec(), b'0'),
        "— a AAAAAAAA\n".repeat(4_500).into_bytes(),
        filled(Vec::new(), b'\n'),
        [encode(&5_u32), vec![0xff; 60_000]].concat(),
        // A succession with all its words, a heal whose evidence is one receipt of all bytes, and
        // one that only says so.
        filled([encode(&25_u32), vec![0; 36], encode(&400_u64)].concat(), 0),
        filled(
            [encode(&27_u32), vec![0; 9], encode(&1_u64), vec![0; 32], encode(&5_120_u64)].concat(),
            0,
        ),
        filled(
            [encode(&27_u32), vec![0; 9], encode(&16_u64), vec![0; 32], encode(&u64::MAX)].concat(),
            0,
        ),
    ]
}

/// Bytes of no meaning, or bytes of some meaning that goes on as none, with an odd length in them.
fn inputs(kept: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let noise = || {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(any::<u8>(), 0..INPUT_BYTES_MAX),
            (any::<u8>(), 0..INPUT_BYTES_MAX).prop_map(|(byte, count)| vec![byte; count]),
        ]
    };
    let length = prop_oneof![any::<u64>(), 0..2_000_u64, Just(0), Just(u64::MAX), Just(196_608)];
    let begun = (prop::sample::select(kept), any::<prop::sample::Index>(), length, noise());
    let begun = begun.prop_map(|(bytes, at, length, rest)| {
        let at = at.index(bytes.len() + 1);
        let mut bytes = [&bytes[..at], &length.to_le_bytes(), &rest].concat();
        bytes.truncate(INPUT_BYTES_MAX);
        bytes
    });
    prop_oneof![noise(), begun]
}

#[test]
fn no_decoder_panics_or_takes_a_millisecond_or_128_kib_more_than_it_was_given() {
    let bombs = [INPUT_BYTES_MAX, FRAME_BYTES_MAX].map(bombs).concat();
    for (n, bomb) in bombs.iter().chain(&kept()).enumerate() {
        assert_eq!(judged(bomb), Ok(()), "bomb {n}");
    }
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(2_000) });
    runner.run(&inputs(kept()), |bytes| judged(&bytes).map_err(TestCaseError::fail)).unwrap();
}
