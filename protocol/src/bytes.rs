//! The one codec: little-endian, fixed width, one encoding for each value.
//!
//! Only this file names the codec crate. A value is decoded under a limit, to the last byte, and
//! encoded again: bytes that differ from what they mean are refused, so that nobody can make two
//! ids for one statement. The layout is section 1 of the README.

use std::fmt;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::de::{BorrowDecoder, Decoder, read::Reader};
use bincode::enc::{Encoder, write::Writer};
use bincode::error::{DecodeError, EncodeError};
pub use bincode::{BorrowDecode, Decode, Encode};
use serde::{Deserialize, Serialize};

/// Longest structure that is decoded in one piece, in bytes: the longest entry.
pub const STRUCTURE_BYTES_MAX: usize = 65_535;
/// Longest frame between two nodes, in bytes, in either direction (reliability, section 5).
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
const _: () = assert!(STRUCTURE_BYTES_MAX + 1024 <= FRAME_BYTES_MAX);

const CONFIG: Configuration<LittleEndian, Fixint, Limit<FRAME_BYTES_MAX>> =
    bincode::config::legacy().with_limit::<FRAME_BYTES_MAX>();

/// Why bytes are not the canonical encoding of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// More bytes than any value of this kind has.
    #[error("{length} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The bytes end early, name an unknown variant, or hold a value out of its range.
    #[error("{0}")]
    Value(&'static str),
    /// The value has another encoding, or bytes follow it.
    #[error("not the one encoding of its value")]
    NotCanonical,
}

/// Encodes a value.
///
/// # Panics
/// If a list or text is longer than its type allows, which its constructor prevents.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, CONFIG).expect("a Vec takes every value that can be built")
}

/// Decodes all of `bytes`, at most `max` of them, and refuses a second encoding of a value.
///
/// # Errors
/// [`Malformed`], the first reason found.
pub fn decode<T: Decode<()> + Encode>(bytes: &[u8], max: usize) -> Result<T, Malformed> {
    let (value, used) = decode_prefix(bytes, max)?;
    if used == bytes.len() { Ok(value) } else { Err(Malformed::NotCanonical) }
}

/// Decodes one value from the front of `bytes`; also returns how many bytes it took.
///
/// # Errors
/// [`Malformed`], the first reason found.
pub fn decode_prefix<T: Decode<()> + Encode>(
    bytes: &[u8],
    max: usize,
) -> Result<(T, usize), Malformed> {
    if bytes.len() > max {
        return Err(Malformed::TooLong { length: bytes.len(), max });
    }
    let (value, used): (T, usize) = bincode::decode_from_slice(bytes, CONFIG)
        .map_err(|error| Malformed::Value(name(&error)))?;
    let mut rest = Expected(bytes.get(..used).unwrap_or_default());
    let same = bincode::encode_into_writer(&value, &mut rest, CONFIG).is_ok();
    if same && rest.0.is_empty() { Ok((value, used)) } else { Err(Malformed::NotCanonical) }
}

/// Compares what is written with what is expected, and keeps nothing.
struct Expected<'a>(&'a [u8]);

impl Writer for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0 = self.0.strip_prefix(bytes).ok_or(EncodeError::Other("another encoding"))?;
        Ok(())
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the codec's other errors mean one thing here")]
fn name(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::UnexpectedEnd { .. } => "the bytes end early",
        DecodeError::LimitExceeded => "a length beyond the limit",
        DecodeError::UnexpectedVariant { .. } => "an unknown variant",
        DecodeError::Utf8 { .. } => "text that is not UTF-8",
        DecodeError::Other(reason) => reason,
        _ => "a value out of its range",
    }
}

/// Implements `Decode` and `BorrowDecode` from one function that reads from a decoder.
macro_rules! decode_by {
    ([$($generics:tt)*] $type:ty, $decoder:ident => $body:block) => {
        impl<Context, $($generics)*> Decode<Context> for $type {
            fn decode<D: Decoder<Context = Context>>(
                $decoder: &mut D,
            ) -> Result<Self, DecodeError> $body
        }

        impl<'de, Context, $($generics)*> BorrowDecode<'de, Context> for $type {
            fn borrow_decode<D: BorrowDecoder<'de, Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, DecodeError> {
                Self::decode(decoder)
            }
        }
    };
}

/// A list of at most `MAX` items. Encoded as a u64 count and the items.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "Vec<T>")]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// A list of these items, or `None` if there are more than `MAX`.
    #[must_use]
    pub fn new(items: Vec<T>) -> Option<Self> {
        (items.len() <= MAX).then_some(Self(items))
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = Malformed;
    fn try_from(items: Vec<T>) -> Result<Self, Malformed> {
        Self::new(items).ok_or(Malformed::Value("a list longer than its limit"))
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a List<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Encode, const MAX: usize> Encode for List<T, MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

decode_by!([T: Decode<Context>, const MAX: usize] List<T, MAX>, decoder => {
    let count = u64::decode(decoder)?;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= MAX)
        .ok_or(DecodeError::Other("a list longer than its limit"))?;
    // Not reserved by the sender's word: 64 items at first, then as they come.
    let mut items = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        items.push(T::decode(decoder)?);
    }
    Ok(Self(items))
});

/// Text of at most `MAX` bytes of UTF-8, without control characters except newline.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        if text.len() > MAX {
            return Err(Malformed::TooLong { length: text.len(), max: MAX });
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Malformed::Value("text with a control character"));
        }
        Ok(Self(text))
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> Encode for Text<MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

decode_by!([const MAX: usize] Text<MAX>, decoder => {
    let bytes = octets(decoder, MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| DecodeError::Other("text that is not UTF-8"))?;
    Self::try_from(text).map_err(|_| DecodeError::Other("text with a control character"))
});

/// Up to `MAX` opaque bytes. Encoded as a u64 count and the bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Octets<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Octets<MAX> {
    /// These bytes, or `None` if there are more than `MAX`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX).then_some(Self(bytes))
    }

    /// The bytes themselves, without a copy.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> std::ops::Deref for Octets<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> Encode for Octets<MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

decode_by!([const MAX: usize] Octets<MAX>, decoder => {
    Ok(Self(octets(decoder, MAX)?))
});

fn octets<D: Decoder>(decoder: &mut D, max: usize) -> Result<Vec<u8>, DecodeError> {
    let count = u64::decode(decoder)?;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= max)
        .ok_or(DecodeError::Other("bytes beyond their limit"))?;
    decoder.claim_bytes_read(count)?;
    // Room is made for bytes that are there, not for a length that somebody wrote.
    let short = DecodeError::UnexpectedEnd { additional: count };
    let bytes = decoder.reader().peek_read(count).ok_or(short)?.to_vec();
    decoder.reader().consume(count);
    Ok(bytes)
}

/// A short name: 1 to 32 bytes of ASCII letters, digits and `.` `_` `:` `/` `-`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

impl Code {
    /// Longest code, in bytes.
    pub const BYTES_MAX: usize = 32;

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Code {
    type Error = Malformed;
    fn try_from(code: String) -> Result<Self, Malformed> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
        if code.is_empty() || code.len() > Self::BYTES_MAX || !code.chars().all(allowed) {
            return Err(Malformed::Value("a code is 1 to 32 of A-Z a-z 0-9 . _ : / -"));
        }
        Ok(Self(code))
    }
}

impl TryFrom<&str> for Code {
    type Error = Malformed;
    fn try_from(code: &str) -> Result<Self, Malformed> {
        Self::try_from(code.to_owned())
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Encode for Code {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

decode_by!([] Code, decoder => {
    let bytes = octets(decoder, Self::BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| DecodeError::Other("text that is not UTF-8"))?;
    Self::try_from(text)
        .map_err(|_| DecodeError::Other("a code is 1 to 32 of A-Z a-z 0-9 . _ : / -"))
});

/// An integer whose range is part of the format: decoding refuses a value outside it.
macro_rules! ranged {
    ($(#[$doc:meta])* $name:ident($int:ty), $range:expr, $reason:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "i128", into = "i128")]
        pub struct $name($int);

        impl $name {
            /// The value, or the reason why it is out of range.
            ///
            /// # Errors
            /// [`Malformed::Value`].
            pub fn new(value: $int) -> Result<Self, Malformed> {
                if $range.contains(&value) { Ok(Self(value)) } else { Err(Malformed::Value($reason)) }
            }

            /// The integer.
            #[must_use]
            pub const fn value(self) -> $int {
                self.0
            }
        }

        impl TryFrom<i128> for $name {
            type Error = Malformed;
            fn try_from(value: i128) -> Result<Self, Malformed> {
                <$int>::try_from(value).map_err(|_| Malformed::Value($reason)).and_then(Self::new)
            }
        }

        impl From<$name> for i128 {
            fn from(value: $name) -> i128 {
                i128::from(value.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Encode for $name {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                self.0.encode(encoder)
            }
        }

        decode_by!([] $name, decoder => {
            Self::new(<$int>::decode(decoder)?).map_err(|_| DecodeError::Other($reason))
        });
    };
}

/// Why an amount was refused; named so that [`crate::entry`] can give it a rule of its own.
pub const AMOUNT_REASON: &str = "an amount is from 1 to 9223372036854775807";

ranged! {
    /// A quantity above zero: minor units of money, credits, minutes, words. The only negative
    /// quantity in Talea is a correction, and that is an act of its own.
    Quantity(i64), (1..=i64::MAX), "an amount is from 1 to 9223372036854775807"
}
ranged! {
    /// A share in basis points, 0 to 10,000.
    Bp(u16), (0..=10_000), "a share is from 0 to 10000 basis points"
}
ranged! {
    /// A day, counted from 1970-01-01, between the years 1 and 9999.
    Day(i32), (-719_162..=2_932_896), "a day is in the years 1 to 9999"
}
ranged! {
    /// A calendar month, as year × 12 + month - 1: 2026-01 is 24,312.
    Month(u32), (12..=119_999), "a month is in the years 1 to 9999"
}

/// Thirty-two bytes with a meaning: shown and read as 64 lower-case hexadecimal digits.
macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, PartialEq, $crate::bytes::Encode, $crate::bytes::Decode, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; 32]);

        /// The order of the bytes. Keys and ids differ in their first eight nearly always, and
        /// maps of them are asked several times for each entry.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                let head = |bytes: &[u8; 32]| {
                    bytes.first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
                };
                head(&self.0).cmp(&head(&other.0)).then_with(|| self.0.cmp(&other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::bytes::hex(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), $crate::bytes::hex(self.0.split_at(4).0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::bytes::Malformed;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::bytes::from_hex(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::bytes::Malformed;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}
pub(crate) use bytes32;

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| DIGITS.get(usize::from(digit)))
        .collect()
}

/// Reads lower-case hexadecimal of exactly `N` bytes.
///
/// # Errors
/// [`Malformed::Value`] for another length or another character.
pub fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], Malformed> {
    const REASON: Malformed = Malformed::Value("not lower-case hexadecimal of the right length");
    let digit = |c: u8| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(REASON),
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != N {
        return Err(REASON);
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_encoding_and_nothing_follows_it() {
        let bytes = encode(&(7_u64, Some(3_u8)));
        assert_eq!(decode::<(u64, Option<u8>)>(&bytes, 100), Ok((7, Some(3))));
        assert_eq!(
            decode::<(u64, Option<u8>)>(&[bytes.clone(), vec![0]].concat(), 100),
            Err(Malformed::NotCanonical)
        );
        assert!(decode::<(u64, Option<u8>)>(&bytes[..9], 100).is_err());
        assert!(decode::<bool>(&[2], 100).is_err());
    }

    #[test]
    fn a_list_and_a_text_stop_at_their_limit_and_at_one_more() {
        let three = encode(&vec![1_u32, 2, 3]);
        assert!(decode::<List<u32, 3>>(&three, 100).is_ok());
        assert!(decode::<List<u32, 2>>(&three, 100).is_err());
        let text = encode(&"abc".to_owned());
        assert!(decode::<Text<3>>(&text, 100).is_ok());
        assert!(decode::<Text<2>>(&text, 100).is_err());
        assert!(decode::<Text<3>>(&encode(&"a\tb".to_owned()), 100).is_err());
        assert!(decode::<Text<3>>(&encode(&"a\nb".to_owned()), 100).is_ok());
        assert!(decode::<Code>(&encode(&String::new()), 100).is_err());
    }

    #[test]
    fn a_length_beyond_the_bytes_allocates_nothing() {
        let bomb = encode(&u64::MAX);
        assert!(decode::<List<u8, 10>>(&bomb, 100).is_err());
        assert!(decode::<Octets<100_000>>(&encode(&100_000_u64), 100).is_err());
    }

    #[test]
    fn an_amount_is_neither_zero_nor_negative() {
        assert!(decode::<Quantity>(&encode(&1_i64), 8).is_ok());
        assert_eq!(decode::<Quantity>(&encode(&0_i64), 8), Err(Malformed::Value(AMOUNT_REASON)));
        assert!(decode::<Quantity>(&encode(&-5_i64), 8).is_err());
        assert!(decode::<Bp>(&encode(&10_000_u16), 8).is_ok());
        assert!(decode::<Bp>(&encode(&10_001_u16), 8).is_err());
    }

    #[test]
    fn hexadecimal_is_read_back_and_upper_case_is_refused() {
        assert_eq!(from_hex::<2>("0aff"), Ok([10, 255]));
        assert_eq!(hex(&[10, 255]), "0aff");
        assert!(from_hex::<2>("0AFF").is_err());
        assert!(from_hex::<2>("0af").is_err());
    }
}
