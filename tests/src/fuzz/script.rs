//! Bytes read as a list of choices, so that a fuzzer of bytes can act out a story.
//!
//! Where the bytes end, every choice is the first one: a story that is cut short is a story.

/// What is left of the choices.
#[derive(Clone, Debug)]
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// All of the bytes are to be read.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left to be chosen.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// One of so many, `count` being from 1 to 256.
    pub fn index(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    /// One of these.
    pub fn one_of<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.index(items.len())]
    }

    /// A number: small in one byte, or all of it in nine.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::from_le_bytes(self.array()),
            small => u64::from(small),
        }
    }

    /// So many bytes, zeros where there are none.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// Bytes after their number (u16, little-endian), or as many as there are.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes(self.array()));
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

/// A number as [`Script::number`] reads it.
#[must_use]
pub fn number(number: u64) -> Vec<u8> {
    match u8::try_from(number) {
        Ok(small @ 0..=254) => vec![small],
        _ => [&[255], number.to_le_bytes().as_slice()].concat(),
    }
}

/// Bytes as [`Script::bytes`] reads them; `None` if they are too many.
#[must_use]
pub fn bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(bytes.len()).ok()?;
    Some([length.to_le_bytes().as_slice(), bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_were_written_and_then_the_first_ones() {
        let written = [number(7), number(255), number(u64::MAX), bytes(b"abc").unwrap()].concat();
        let mut script = Script::new(&written);
        let numbers = [script.number(), script.number(), script.number()];
        assert_eq!(numbers, [7, 255, u64::MAX]);
        assert_eq!(script.bytes(), b"abc");
        assert!(script.is_over());
        assert_eq!((script.index(3), script.number(), script.bytes()), (0, 0, b"".as_slice()));
    }
}
