//! Every fuzz target, with a few thousand inputs: the beginning of what `./tools/fuzz` does.
//!
//! The tests take turns, because memory is counted for the whole program.

use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;
use talea_protocol::bytes::{FRAME_BYTES_MAX, decode_prefix};
use talea_protocol::message::Message;
use talea_tests::chance::Chance;
use talea_tests::fuzz::mutation::mutated;
use talea_tests::fuzz::{TARGETS, Target, find};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The inputs of a short run: every beginning, and as many changed ones as the target asks for.
fn inputs(target: &Target) -> impl Iterator<Item = Vec<u8>> {
    let first = target.beginnings();
    let name = target.name.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte));
    let mut chance = Chance::new(name);
    let mut pool = first.clone();
    let max = target.input_bytes_max;
    let changed = (0..target.inputs).map(move |_| {
        let base = chance.one_of(&pool).clone();
        let input = mutated(&mut chance, &base, &pool, max);
        // What was changed once is changed again now and then.
        if chance.percent(2) {
            pool.push(input.clone());
        }
        input
    });
    first.into_iter().chain(changed)
}

/// The first input with which a property does not hold, and what is then said.
fn broken(target: &Target) -> Option<(Vec<u8>, String)> {
    inputs(target).find_map(|input| {
        let fault = catch_unwind(|| target.run(&input)).err()?;
        let said = fault.downcast_ref::<String>().cloned();
        let said = said.or_else(|| fault.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Some((input, said.unwrap_or_default()))
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn no_input_of_a_short_run_breaks_a_property() {
    let _turn = turn();
    assert!(MEMORY.current_usage() > 0, "memory is counted");
    let found: Vec<String> = TARGETS
        .iter()
        .filter_map(|target| {
            let (input, said) = broken(target)?;
            Some(format!("{}: {said}\n{} {}", target.name, target.name, hex(&input)))
        })
        .collect();
    assert!(found.is_empty(), "keep these in tests/fuzz/kept.txt:\n{}", found.join("\n\n"));
}

/// The frame's reader with a bug in it: what follows the message is passed over.
fn lenient(input: &[u8]) {
    if let Ok((message, _)) = decode_prefix::<Message>(input, FRAME_BYTES_MAX) {
        assert_eq!(message.frame(), input, "written otherwise than read");
    }
}

/// One that believes a length before the bytes are there.
fn trusting(input: &[u8]) {
    if let Some(length) = input.first_chunk::<4>() {
        drop(Vec::<u8>::with_capacity(usize::try_from(u32::from_le_bytes(*length)).unwrap_or(0)));
    }
}

/// One that counts on at least as many bytes as it was told.
fn careless(input: &[u8]) {
    if let Some((count, rest)) = input.split_first() {
        assert!(rest.len() > 100 || usize::from(*count) < 240 || rest[usize::from(*count)] < 255);
    }
}

#[test]
fn a_short_run_finds_a_lenient_a_trusting_and_a_careless_reader() {
    let _turn = turn();
    let message = find("message").expect("a target");
    let hook = take_hook();
    set_hook(Box::new(|_| ()));
    let found = [lenient, trusting, careless]
        .map(|check: fn(&[u8])| broken(&Target { check, ..*message }).map(|(_, said)| said));
    let honest = broken(message);
    set_hook(hook);
    let [lenient, trusting, careless] = found;
    assert!(lenient.is_some_and(|said| said.contains("written otherwise than read")));
    assert!(trusting.is_some_and(|said| said.contains("bytes of memory")));
    assert!(careless.is_some_and(|said| said.contains("out of bounds")));
    assert!(honest.is_none());
}
