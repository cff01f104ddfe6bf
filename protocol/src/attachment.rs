//! Files that lie beside a payload: a photo, a receipt, minutes.
//!
//! A payload names them by hash and length ([`listed`]); the bytes travel and are kept apart, and
//! are checked while they arrive ([`Check`]), so that nobody ever holds one whole in memory.
//! Whoever erases a payload erases them. It knows no disk and no socket, and no verdict depends on
//! any of this. The convention is section 7 of the README.

use serde::{Deserialize, Serialize};

use crate::hash::Hash;

/// Longest attachment, in bytes: 16 MiB (reliability, section 5).
pub const ATTACHMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Attachments that one payload names: with [`ATTACHMENT_BYTES_MAX`] it bounds what an entry costs.
pub const ATTACHMENTS_MAX: usize = 16;
/// Longest media type, in bytes.
pub const MEDIA_BYTES_MAX: usize = 100;

/// Who is given the bytes by a node that keeps its word. They are not encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Whoever may read the cooperative's entries.
    Public,
    /// Enrolled devices, also of a cooperative that anybody may read.
    Members,
    /// Devices of the entry's author, and of whoever holds an office.
    Officers,
}

/// A file as a payload names it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// BLAKE3 of its bytes, without a context.
    pub blake3: Hash,
    /// How many bytes it has, 1 to [`ATTACHMENT_BYTES_MAX`].
    pub size: u64,
    /// What it is, as the author says: `image/jpeg`.
    pub media: String,
    /// Who is given it.
    pub visibility: Visibility,
}

impl Attachment {
    /// Whether size and media type are within their limits.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_plain);
        (1..=ATTACHMENT_BYTES_MAX).contains(&self.size)
            && self.media.len() <= MEDIA_BYTES_MAX
            && self.media.split_once('/').is_some_and(|(kind, of)| is_part(kind) && is_part(of))
    }
}

/// What of a payload is read here; the rest is somebody else's.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside {
    attachments: Vec<Attachment>,
}

/// The attachments that a payload names; none if it is no such record, names more than
/// [`ATTACHMENTS_MAX`], one twice, or one that is not sound.
#[must_use]
pub fn listed(payload: &[u8]) -> Vec<Attachment> {
    let Beside { attachments } = serde_json::from_slice(payload).unwrap_or_default();
    let mut hashes: Vec<Hash> = attachments.iter().map(|it| it.blake3).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let is_sound = attachments.len() <= ATTACHMENTS_MAX
        && hashes.len() == attachments.len()
        && attachments.iter().all(Attachment::is_sound);
    if is_sound { attachments } else { Vec::new() }
}

/// Why bytes are not the attachment. Whoever sent them is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// There are more of them.
    #[error("more than the {size} bytes of the attachment")]
    Long {
        /// How many it has.
        size: u64,
    },
    /// There are fewer of them.
    #[error("{found} bytes of an attachment of {size}")]
    Short {
        /// How many came.
        found: u64,
        /// How many it has.
        size: u64,
    },
    /// Some byte is another.
    #[error("the bytes have the hash {found}, the attachment has {named}")]
    Hash {
        /// What the bytes have.
        found: Hash,
        /// What the payload says.
        named: Hash,
    },
}

/// Bytes that arrive and are to be an attachment.
#[derive(Clone, Debug)]
pub struct Check {
    hasher: blake3::Hasher,
    found: u64,
    size: u64,
    named: Hash,
}

impl Check {
    /// Nothing has arrived yet.
    #[must_use]
    pub fn new(attachment: &Attachment) -> Self {
        let Attachment { blake3: named, size, .. } = *attachment;
        Self { hasher: blake3::Hasher::new(), found: 0, size, named }
    }

    /// Looks at the bytes that come next.
    ///
    /// # Errors
    /// [`Mismatch::Long`], before a byte too many would be kept.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Mismatch> {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let found = self.found.saturating_add(count);
        if found > self.size {
            return Err(Mismatch::Long { size: self.size });
        }
        self.found = found;
        self.hasher.update(bytes);
        Ok(())
    }

    /// How many bytes have come.
    #[must_use]
    pub const fn found(&self) -> u64 {
        self.found
    }

    /// Whether all have come.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.found == self.size
    }

    /// What came was all there is: the verdict.
    ///
    /// # Errors
    /// [`Mismatch::Short`], [`Mismatch::Hash`].
    pub fn end(&self) -> Result<(), Mismatch> {
        let Self { found, size, named, .. } = *self;
        if found != size {
            return Err(Mismatch::Short { found, size });
        }
        let hash = Hash(*self.hasher.finalize().as_bytes());
        if hash == named { Ok(()) } else { Err(Mismatch::Hash { found: hash, named }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(bytes: &[u8]) -> Attachment {
        Attachment {
            blake3: Hash(*blake3::hash(bytes).as_bytes()),
            size: u64::try_from(bytes.len()).unwrap(),
            media: "text/plain".to_owned(),
            visibility: Visibility::Members,
        }
    }

    fn payload(attachments: &[Attachment]) -> Vec<u8> {
        json!({ "note": "n", "attachments": attachments }).to_string().into_bytes()
    }

    #[test]
    fn an_attachment_is_named_beside_whatever_else_a_payload_says() {
        let one = of(b"one");
        assert_eq!(listed(&payload(std::slice::from_ref(&one))), [one]);
        for nothing in [&b""[..], b"{}", b"[]", b"{\"attachments\":7}", b"a note"] {
            assert_eq!(listed(nothing), []);
        }
    }

    #[test]
    fn sixteen_of_sixteen_mebibytes_are_named_and_one_more_or_a_byte_more_names_none() {
        let numbered = |count: u8| -> Vec<Attachment> { (0..count).map(|n| of(&[n])).collect() };
        assert_eq!(listed(&payload(&numbered(16))).len(), 16);
        assert_eq!(listed(&payload(&numbered(17))), []);
        let sized = |size| Attachment { size, ..of(b"one") };
        assert_eq!(listed(&payload(&[sized(ATTACHMENT_BYTES_MAX)])).len(), 1);
        assert_eq!(listed(&payload(&[sized(ATTACHMENT_BYTES_MAX + 1)])), []);
        assert_eq!(listed(&payload(&[sized(0)])), []);
        assert_eq!(listed(&payload(&[of(b"one"), of(b"one")])), []);
    }

    #[test]
    fn a_media_type_is_a_type_and_a_subtype_and_no_header_of_its_own() {
        let media = |text: &str| Attachment { media: text.to_owned(), ..of(b"one") }.is_sound();
        assert!(media("image/svg+xml") && media("application/vnd.ms-excel"));
        for text in [
            "",
            "image",
            "/",
            "a/",
            "/b",
            "a/b/c",
            "text/html; charset=utf-8",
            "a/b\r\nX: y",
            "é/b",
        ] {
            assert!(!media(text), "{text:?}");
        }
        assert!(media(&format!("a/{}", "b".repeat(98))) && !media(&"b/".repeat(51)));
        assert!(!media(&format!("a/{}", "b".repeat(99))));
    }

    #[test]
    fn bytes_are_right_in_pieces_of_any_length_and_a_wrong_one_refuses_the_whole() {
        let whole = b"minutes of the general meeting";
        for length in 1..=whole.len() {
            let mut check = Check::new(&of(whole));
            for piece in whole.chunks(length) {
                assert!(!check.is_whole());
                check.take(piece).unwrap();
            }
            assert!(check.is_whole());
            assert_eq!(check.end(), Ok(()));
            assert!(matches!(check.take(b"."), Err(Mismatch::Long { size: 30 })));
        }
        let mut short = Check::new(&of(whole));
        short.take(&whole[..29]).unwrap();
        assert_eq!(short.end(), Err(Mismatch::Short { found: 29, size: 30 }));
        short.take(b"!").unwrap();
        assert!(matches!(short.end(), Err(Mismatch::Hash { .. })));
    }
}
