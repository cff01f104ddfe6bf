//! Signed notes: a text, and under it signatures by named keys.
//!
//! The format is C2SP signed-note, so that witnesses and clients which know nothing of Talea read
//! it. Nothing here is believed: which keys count, and what the text says, is `checkpoint`'s
//! business. Section 9 of the README.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::bytes::{STRUCTURE_BYTES_MAX, hex};
use crate::key::NodeKey;

/// Longest note, in bytes: room for 16 of the longest signatures in use (ML-DSA-44, 3.3 kB each
/// in base64), as signed-note asks, and small enough to be quoted in a leaf.
pub const NOTE_BYTES_MAX: usize = 60 * 1024;
const _: () = assert!(NOTE_BYTES_MAX + 1024 <= STRUCTURE_BYTES_MAX);
/// Most signatures under a note. At least 16 (signed-note, "Format").
pub const SIGNATURES_MAX: usize = 64;

/// What begins a signature line: an em dash and a space.
const LINE_PREFIX: &str = "— ";

/// A use of a node's key in a note (signed-note, "Signature types").
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// 0x01: Ed25519 over the text. A log signs its own checkpoints so.
    Note,
    /// 0x04: Ed25519 over a time and the text. A witness cosigns so.
    Cosignature,
}

impl Algorithm {
    const fn byte(self) -> u8 {
        match self {
            Self::Note => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// The four bytes that stand before a signature and say, with the name, which key made it.
#[must_use]
pub fn key_id(name: &str, algorithm: Algorithm, key: &NodeKey) -> [u8; 4] {
    let hasher = Sha256::new().chain_update(name).chain_update([b'\n', algorithm.byte()]);
    let [a, b, c, d, ..]: [u8; 32] = hasher.chain_update(key.0).finalize().into();
    [a, b, c, d]
}

/// A key as tools for signed notes take it ("vkey"): name, key id in hexadecimal, and in base64
/// the algorithm's byte and the key.
#[must_use]
pub fn verifier_key(name: &str, algorithm: Algorithm, key: &NodeKey) -> String {
    let id = hex(&key_id(name, algorithm, key));
    let key = STANDARD.encode([&[algorithm.byte()], key.0.as_slice()].concat());
    format!("{name}+{id}+{key}")
}

/// Why bytes are not a note. The sender's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoteFault {
    /// Longer than [`NOTE_BYTES_MAX`].
    #[error("a note of {length} bytes, at most {NOTE_BYTES_MAX} are allowed")]
    TooLong {
        /// Bytes of the note.
        length: usize,
    },
    /// More signatures than [`SIGNATURES_MAX`].
    #[error("a note of more than {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// Not UTF-8, or with a control character other than newline.
    #[error("the note is not text")]
    NotText,
    /// The empty line or the last newline is missing.
    #[error("not a text, an empty line and signature lines")]
    Form,
    /// Not an em dash, a name, and the base64 of a key id and a signature.
    #[error("not a signature line: line {line} after the empty one")]
    Line {
        /// Which line, from 0.
        line: usize,
    },
}

/// One signature under a note: a name, and the bytes of key id and signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignatureLine {
    name: String,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl SignatureLine {
    pub(crate) fn new(
        name: String,
        algorithm: Algorithm,
        key: &NodeKey,
        signature: Vec<u8>,
    ) -> Self {
        Self { id: key_id(&name, algorithm, key), name, signature }
    }

    /// Which key the line says made it; whose that is, only the reader's list of keys tells.
    #[must_use]
    pub fn key(&self) -> (&str, [u8; 4]) {
        (&self.name, self.id)
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = STANDARD.encode([self.id.as_slice(), &self.signature].concat());
        write!(f, "{LINE_PREFIX}{} {blob}", self.name)
    }
}

impl FromStr for SignatureLine {
    type Err = NoteFault;

    /// Reads one line, without its newline.
    fn from_str(line: &str) -> Result<Self, NoteFault> {
        let fault = NoteFault::Line { line: 0 };
        let (name, blob) =
            line.strip_prefix(LINE_PREFIX).and_then(|rest| rest.split_once(' ')).ok_or(fault)?;
        let blob = STANDARD.decode(blob).map_err(|_| fault)?;
        let (id, signature) = blob.split_first_chunk::<4>().ok_or(fault)?;
        if !is_name(name) || signature.is_empty() {
            return Err(fault);
        }
        Ok(Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }
}

/// Whether a text can name a key: not empty, without spaces and without `+`.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// A text and the signatures under it, of which nothing is known before it is opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// A text that its first signer has just signed.
    pub(crate) fn new(text: String, line: SignatureLine) -> Self {
        Self { text, signatures: vec![line] }
    }

    /// Reads a note. Whatever is read is written back by `to_string` to the last byte.
    ///
    /// # Errors
    /// [`NoteFault`], the first found.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteFault> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteFault::TooLong { length: bytes.len() });
        }
        let note = str::from_utf8(bytes).map_err(|_| NoteFault::NotText)?;
        if note.contains(|c: char| c < ' ' && c != '\n') {
            return Err(NoteFault::NotText);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteFault::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteFault::Form)?;
        if lines.split('\n').count() > SIGNATURES_MAX {
            return Err(NoteFault::TooManySignatures);
        }
        let numbered = lines.split('\n').enumerate();
        let signatures = numbered
            .map(|(line, text)| text.parse().map_err(|_: NoteFault| NoteFault::Line { line }));
        Ok(Self { text: format!("{text}\n"), signatures: signatures.collect::<Result<_, _>>()? })
    }

    /// The text that is signed, with its last newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, as they stand: of known and of unknown keys, true and false.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Adds a signature at the end, or in the place of an older one by the same key.
    ///
    /// # Errors
    /// [`NoteFault::TooManySignatures`] or [`NoteFault::TooLong`]; the note is then as it was.
    pub fn add(&mut self, line: SignatureLine) -> Result<(), NoteFault> {
        let mut signatures = self.signatures.clone();
        match signatures.iter_mut().find(|held| held.key() == line.key()) {
            Some(held) => *held = line,
            None => signatures.push(line),
        }
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteFault::TooManySignatures);
        }
        let added = Self { text: self.text.clone(), signatures };
        let length = added.to_string().len();
        if length > NOTE_BYTES_MAX {
            return Err(NoteFault::TooLong { length });
        }
        *self = added;
        Ok(())
    }

    /// The signatures that say they are this key's.
    pub(crate) fn made_with(
        &self,
        name: &str,
        algorithm: Algorithm,
        key: &NodeKey,
    ) -> impl Iterator<Item = &[u8]> {
        let id = key_id(name, algorithm, key);
        let lines = self.signatures.iter().filter(move |line| line.key() == (name, id));
        lines.map(|line| line.signature.as_slice())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "a text\n\nwith an empty line\n";

    fn line(name: &str, n: u8) -> SignatureLine {
        SignatureLine::new(name.to_owned(), Algorithm::Note, &NodeKey([n; 32]), vec![n; 64])
    }

    fn note_of(lines: usize) -> String {
        format!("{TEXT}\n{}", format!("{}\n", line("example.org/log", 1)).repeat(lines))
    }

    #[test]
    fn the_text_ends_at_the_last_empty_line() {
        let note = Note::parse(note_of(2).as_bytes()).unwrap();
        assert_eq!(note.text(), TEXT);
        assert_eq!(note.signatures(), [line("example.org/log", 1), line("example.org/log", 1)]);
        assert_eq!(note.to_string(), note_of(2));
    }

    #[test]
    fn what_is_not_a_note_is_refused_for_its_reason() {
        let line = line("name", 1).to_string();
        let note = |lines: &str| Note::parse(format!("text\n\n{lines}").as_bytes());
        assert!(note(&format!("{line}\n")).is_ok());
        assert_eq!(note(&line), Err(NoteFault::Form));
        assert_eq!(note(""), Err(NoteFault::Form));
        assert_eq!(Note::parse(format!("text\n{line}\n").as_bytes()), Err(NoteFault::Form));
        assert_eq!(Note::parse(b"\xff\n\n"), Err(NoteFault::NotText));
        assert_eq!(note(&format!("{line}\r\n")), Err(NoteFault::NotText));
        assert_eq!(note(&format!("{line}\0\n")), Err(NoteFault::NotText));
        for bad in [
            line.replace('—', "-"),
            line.replace("— ", "—"),
            line.replace(" name ", "  "),
            line.replace("name", "na+me"),
            line.replace("name", "na\u{a0}me"),
            format!("{line} "),
            line.trim_end_matches('=').to_owned(),
            format!("{line}="),
            "— name AAAAAA==".to_owned(),
            "— name AAAAAAB=".to_owned(),
            "not a line".to_owned(),
        ] {
            let fault = Err(NoteFault::Line { line: 1 });
            assert_eq!(note(&format!("{line}\n{bad}\n")), fault, "{bad}");
        }
    }

    #[test]
    fn a_note_takes_64_signatures_and_no_more() {
        assert!(Note::parse(note_of(SIGNATURES_MAX).as_bytes()).is_ok());
        let more = note_of(SIGNATURES_MAX + 1);
        assert_eq!(Note::parse(more.as_bytes()), Err(NoteFault::TooManySignatures));
        let mut note = Note::parse(note_of(SIGNATURES_MAX).as_bytes()).unwrap();
        let full = note.clone();
        assert_eq!(note.add(line("example.org/other", 1)), Err(NoteFault::TooManySignatures));
        assert_eq!(note, full);
    }

    #[test]
    fn a_note_is_at_most_60_kib_long() {
        let fill = NOTE_BYTES_MAX - note_of(1).len();
        let longest = format!("{}{}", "x".repeat(fill), note_of(1));
        let mut note = Note::parse(longest.as_bytes()).unwrap();
        let fault = |length| NoteFault::TooLong { length };
        assert_eq!(Note::parse(format!("x{longest}").as_bytes()), Err(fault(NOTE_BYTES_MAX + 1)));
        let added = line("example.org/other", 1);
        let length = NOTE_BYTES_MAX + added.to_string().len() + 1;
        assert_eq!(note.add(added), Err(fault(length)));
        assert_eq!(note.to_string(), longest);
    }

    #[test]
    fn a_newer_signature_by_one_key_takes_the_place_of_the_older() {
        let mut note = Note::parse(note_of(1).as_bytes()).unwrap();
        note.add(line("example.org/other", 1)).unwrap();
        let newer = SignatureLine { signature: vec![2; 64], ..line("example.org/log", 1) };
        note.add(newer.clone()).unwrap();
        assert_eq!(note.signatures(), [newer, line("example.org/other", 1)]);
    }

    #[test]
    fn a_key_has_another_id_under_another_name_or_algorithm() {
        let key = NodeKey([3; 32]);
        let id = key_id("a", Algorithm::Note, &key);
        assert_ne!(id, key_id("b", Algorithm::Note, &key));
        assert_ne!(id, key_id("a", Algorithm::Cosignature, &key));
        assert_eq!(
            verifier_key("a", Algorithm::Note, &key),
            "a+4ba84638+AQMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD"
        );
    }

    proptest! {
        /// Bytes that are read are the only bytes that mean what they mean.
        #[test]
        fn what_is_read_is_written_back_to_the_last_byte(
            text in "([a-z\n]{0,9}\n)?",
            lines in proptest::collection::vec("— [a-z/]{0,3} [A-Za-d+/]{6,9}={0,2}", 0..4),
        ) {
            let bytes = format!("{text}\n{}\n", lines.join("\n"));
            if let Ok(note) = Note::parse(bytes.as_bytes()) {
                prop_assert_eq!(note.to_string(), bytes);
            }
        }
    }
}
