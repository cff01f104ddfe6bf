//! What damage, chance and malice do to bytes: the short run's stand-in for a fuzzer's engine.
//!
//! It is blind to what the code does with an input, and therefore no more than a beginning; the
//! same seed gives the same inputs everywhere.

use crate::chance::Chance;

/// Numbers at which readers tend to be wrong, in one, two, four and eight bytes.
const NUMBERS: [u64; 20] = [
    0,
    1,
    2,
    16,
    63,
    64,
    127,
    128,
    255,
    256,
    1_024,
    32_767,
    65_535,
    65_536,
    262_144,
    2_147_483_647,
    4_294_967_295,
    4_294_967_296,
    9_223_372_036_854_775_807,
    18_446_744_073_709_551_615,
];

/// Changes an input once to four times. `others` are inputs to borrow from.
#[must_use]
pub fn mutated(chance: &mut Chance, input: &[u8], others: &[Vec<u8>], max: usize) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..chance.between(1, 4) {
        change(chance, &mut bytes, others);
    }
    bytes.truncate(max);
    bytes
}

fn change(chance: &mut Chance, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    if bytes.is_empty() {
        bytes.push(byte(chance));
        return;
    }
    let at = chance.index(bytes.len());
    match chance.below(10) {
        0 | 1 => bytes[at] ^= 1 << chance.below(8),
        2 => bytes[at] = byte(chance),
        3 => write_number(chance, bytes, at),
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(range(chance, bytes.len(), at))),
        6 => {
            let again = bytes[range(chance, bytes.len(), at)].to_vec();
            insert(chance, bytes, &again);
        }
        7 => {
            let added: Vec<u8> = (0..chance.between(1, 9)).map(|_| byte(chance)).collect();
            insert(chance, bytes, &added);
        }
        8 => {
            let from = range(chance, bytes.len(), at);
            let to = chance.index(bytes.len() - from.len() + 1);
            let moved: Vec<u8> = bytes.drain(from).collect();
            bytes.splice(to..to, moved);
        }
        _ => borrow(chance, bytes, others, at),
    }
}

fn byte(chance: &mut Chance) -> u8 {
    let any = u8::try_from(chance.below(256)).expect("below 256");
    *chance.one_of(&[any, 0, 255, b'\n', b' ', any])
}

/// From `at` on: a few bytes mostly, sometimes many.
fn range(chance: &mut Chance, length: usize, at: usize) -> std::ops::Range<usize> {
    let longest = *chance.one_of(&[4, 32, 128, length]);
    at..(at + 1 + chance.index(longest)).min(length)
}

fn insert(chance: &mut Chance, bytes: &mut Vec<u8>, added: &[u8]) {
    let at = chance.index(bytes.len() + 1);
    bytes.splice(at..at, added.iter().copied());
}

/// A number of note, in either order of its bytes, or one more or less than what is there.
fn write_number(chance: &mut Chance, bytes: &mut [u8], at: usize) {
    let width = *chance.one_of(&[1, 2, 4, 8]);
    let Some(place) = bytes.get_mut(at..at + width) else { return };
    let mut held = [0; 8];
    held[..width].copy_from_slice(place);
    let held = u64::from_le_bytes(held);
    let noted = *chance.one_of(&NUMBERS);
    let number = *chance.one_of(&[noted, noted, held.wrapping_add(1), held.wrapping_sub(1)]);
    place.copy_from_slice(&number.to_le_bytes()[..width]);
    if chance.percent(30) {
        place.reverse();
    }
}

/// The rest, or a piece in between, comes from another input.
fn borrow(chance: &mut Chance, bytes: &mut Vec<u8>, others: &[Vec<u8>], at: usize) {
    let Some(other) = (!others.is_empty()).then(|| chance.one_of(others)) else { return };
    if other.is_empty() {
        return;
    }
    let from = chance.index(other.len());
    if chance.percent(50) {
        bytes.truncate(at);
        bytes.extend_from_slice(&other[from..]);
    } else {
        let piece = range(chance, other.len(), from);
        insert(chance, bytes, &other[piece]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_makes_one_series_of_inputs_and_none_is_too_long() {
        let series = |seed| {
            let mut chance = Chance::new(seed);
            let others = vec![b"another".to_vec(), Vec::new()];
            let one = |_| mutated(&mut chance, b"a few bytes of input", &others, 24);
            (0..500).map(one).collect::<Vec<_>>()
        };
        assert_eq!(series(1), series(1));
        assert_ne!(series(1), series(2));
        assert!(series(1).iter().all(|input| input.len() <= 24));
        let same = series(1).iter().filter(|input| *input == b"a few bytes of input").count();
        assert!(same < 50, "{same} of 500 were not changed");
    }
}
