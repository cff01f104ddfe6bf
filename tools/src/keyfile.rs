//! A device's secret key at rest: a short text, sealed with a passphrase.
//!
//! ```text
//! talea-key-1
//! device <64 hex>
//! argon2id <KiB> <passes> <lanes> <32 hex of salt>
//! xchacha20poly1305 <48 hex of nonce>
//! sealed <96 hex: 32 bytes of seed and a tag>
//! check <16 hex>
//! ```
//!
//! The first four lines are authenticated with the seed. The last tells damage from a wrong
//! passphrase: BLAKE3 over all lines above. A changed line is another version.

use std::io;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use talea_protocol::bytes::{from_hex, hex};
use talea_protocol::key::{DeviceKey, SecretKey};
use zeroize::Zeroizing;

use crate::private;

/// Memory of the key derivation, in KiB: RFC 9106's second choice, for machines with little of it.
const MEMORY_KIB: u32 = 64 * 1024;
/// Passes over that memory (RFC 9106, section 4).
const PASSES: u32 = 3;
/// Most memory that a file may ask for, in KiB: a file must not be able to exhaust the machine.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Least memory, in KiB: below it the passphrase would be cheap to guess.
const MEMORY_KIB_MIN: u32 = 19 * 1024;
/// Most passes and lanes that a file may ask for.
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;
/// Longest key file, in bytes.
const FILE_BYTES_MAX: usize = 1024;
/// Shortest passphrase, in characters.
pub const PASSPHRASE_CHARS_MIN: usize = 8;

const FIRST_LINE: &str = "talea-key-1";
const CHECK_CONTEXT: &str = "talea 2026-11 key file check v1";

/// Why a key cannot be had from a file, or put into one.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileFault {
    /// The disk refused.
    #[error("cannot read or write {path}: {error}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        error: io::Error,
    },
    /// There is no key file.
    #[error("there is no key at {path}")]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is one already.
    #[error("{path} holds a key already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("{path} can be read by others than its owner (mode {mode:o})")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a file of this version.
    #[error("not a key file of version 1 (its first line is not `{FIRST_LINE}`)")]
    Version,
    /// Changed or cut short since it was written.
    #[error("the key file is damaged at line {line}")]
    Damaged {
        /// The first line that does not fit, from 1.
        line: usize,
    },
    /// The file asks for more, or less, than this program does.
    #[error(
        "the key file asks for {memory} KiB, {passes} passes and {lanes} lanes of argon2id, which is out of bounds"
    )]
    Cost {
        /// KiB of memory.
        memory: u32,
        /// Passes.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The seal does not open.
    #[error("wrong passphrase")]
    Passphrase,
    /// Too easy to guess.
    #[error("a passphrase has at least {PASSPHRASE_CHARS_MIN} characters")]
    Short,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

impl KeyFileFault {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Disk { .. } => "check the folder's permissions and the free space",
            Self::Absent { .. } => {
                "make a key with `talea keys new`, or name the wallet with --wallet"
            }
            Self::Exists { .. } => {
                "use it, or choose another folder with --wallet; a key is never overwritten"
            }
            Self::Exposed { .. } => {
                "take the others' rights away with `chmod 600`, and consider whether it was copied"
            }
            Self::Version => {
                "name the wallet's folder with --wallet; a newer `talea` may have written this file"
            }
            Self::Damaged { .. } => {
                "restore the file from a copy; the key in it cannot be guessed from what is left"
            }
            Self::Cost { .. } => "restore the file from a copy: `talea` writes no such numbers",
            Self::Passphrase => "try again; there is no way to open the key without its passphrase",
            Self::Short => "choose a longer one: four random words are good",
            Self::Random(_) => "try again once the system has started up",
        }
    }
}

/// A sealed key, as it is in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyFile {
    device: DeviceKey,
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
    sealed: [u8; 48],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// A new key, from the system's random bytes.
///
/// # Errors
/// [`KeyFileFault::Random`].
pub fn fresh() -> Result<SecretKey, KeyFileFault> {
    Ok(SecretKey::from_seed(&*random::<32>()?))
}

/// Random bytes of the system, wiped when dropped.
///
/// # Errors
/// [`KeyFileFault::Random`].
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyFileFault> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).map_err(KeyFileFault::Random)?;
    Ok(bytes)
}

impl KeyFile {
    /// Seals a key. Takes about a tenth of a second and 64 MiB, on purpose.
    ///
    /// # Errors
    /// [`KeyFileFault::Short`], [`KeyFileFault::Random`].
    pub fn seal(key: &SecretKey, passphrase: &str) -> Result<Self, KeyFileFault> {
        if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(KeyFileFault::Short);
        }
        let mut file = Self {
            device: key.device(),
            cost: Cost { memory: MEMORY_KIB, passes: PASSES, lanes: 1 },
            salt: *random()?,
            nonce: *random()?,
            sealed: [0; 48],
        };
        let seed = Zeroizing::new(key.seed());
        let cipher = file.cipher(passphrase)?;
        let sealed = cipher
            .encrypt(
                &XNonce::from(file.nonce),
                Payload { msg: &*seed, aad: file.head().as_bytes() },
            )
            .ok()
            .and_then(|sealed| sealed.try_into().ok());
        file.sealed = sealed.expect("32 bytes seal to 48");
        Ok(file)
    }

    /// Opens the seal.
    ///
    /// # Errors
    /// [`KeyFileFault::Passphrase`].
    pub fn open(&self, passphrase: &str) -> Result<SecretKey, KeyFileFault> {
        let cipher = self.cipher(passphrase)?;
        let head = self.head();
        let payload = Payload { msg: &self.sealed, aad: head.as_bytes() };
        let seed = cipher
            .decrypt(&XNonce::from(self.nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| KeyFileFault::Passphrase)?;
        let seed = <&[u8; 32]>::try_from(seed.as_slice()).map_err(|_| KeyFileFault::Passphrase)?;
        let key = SecretKey::from_seed(seed);
        if key.device() == self.device { Ok(key) } else { Err(KeyFileFault::Passphrase) }
    }

    /// The public half, which needs no passphrase.
    #[must_use]
    pub const fn device(&self) -> DeviceKey {
        self.device
    }

    /// The file's text.
    #[must_use]
    pub fn render(&self) -> String {
        let body = format!("{}sealed {}\n", self.head(), hex(&self.sealed));
        let check = check(&body);
        format!("{body}check {check}\n")
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// [`KeyFileFault::Version`], [`KeyFileFault::Damaged`], [`KeyFileFault::Cost`].
    pub fn parse(text: &str) -> Result<Self, KeyFileFault> {
        if text.lines().next() != Some(FIRST_LINE) {
            return Err(KeyFileFault::Version);
        }
        let mut lines = Lines { lines: text.lines().skip(1), line: 1 };
        let [device] = lines.words("device")?;
        let [memory, passes, lanes, salt] = lines.words("argon2id")?;
        let cost = Cost {
            memory: lines.number(memory)?,
            passes: lines.number(passes)?,
            lanes: lines.number(lanes)?,
        };
        let salt = lines.bytes(salt)?;
        let [nonce] = lines.words("xchacha20poly1305")?;
        let nonce = lines.bytes(nonce)?;
        let [sealed] = lines.words("sealed")?;
        let sealed = lines.bytes(sealed)?;
        let file =
            Self { device: DeviceKey(lines.at(2).bytes(device)?), cost, salt, nonce, sealed };
        if file.render() != text {
            return Err(KeyFileFault::Damaged { line: 6 });
        }
        cost.examine()?;
        Ok(file)
    }

    /// Reads a file, which only its owner may read.
    ///
    /// # Errors
    /// [`KeyFileFault`].
    pub fn read(path: &Path) -> Result<Self, KeyFileFault> {
        use std::os::unix::fs::PermissionsExt;
        let disk = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => KeyFileFault::Absent { path: path.to_owned() },
            _ => KeyFileFault::Disk { path: path.to_owned(), error },
        };
        let mode = std::fs::metadata(path).map_err(disk)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileFault::Exposed { path: path.to_owned(), mode });
        }
        let bytes = std::fs::read(path).map_err(disk)?;
        let text = String::from_utf8(bytes).ok().filter(|text| text.len() <= FILE_BYTES_MAX);
        Self::parse(&text.ok_or(KeyFileFault::Version)?)
    }

    /// Writes a new file.
    ///
    /// # Errors
    /// [`KeyFileFault::Exists`], [`KeyFileFault::Disk`].
    pub fn create(&self, path: &Path) -> Result<(), KeyFileFault> {
        private::create(path, self.render().as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyFileFault::Exists { path: path.to_owned() },
            _ => KeyFileFault::Disk { path: path.to_owned(), error },
        })
    }

    /// Writes the file in place of the one that is there: a changed passphrase.
    ///
    /// # Errors
    /// [`KeyFileFault::Disk`].
    pub fn replace(&self, path: &Path) -> Result<(), KeyFileFault> {
        private::replace(path, self.render().as_bytes())
            .map_err(|error| KeyFileFault::Disk { path: path.to_owned(), error })
    }

    fn head(&self) -> String {
        let Cost { memory, passes, lanes } = self.cost;
        format!(
            "{FIRST_LINE}\ndevice {}\nargon2id {memory} {passes} {lanes} {}\nxchacha20poly1305 {}\n",
            self.device,
            hex(&self.salt),
            hex(&self.nonce)
        )
    }

    fn cipher(&self, passphrase: &str) -> Result<XChaCha20Poly1305, KeyFileFault> {
        let params = self.cost.examine()?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &self.salt, key.as_mut())
            .map_err(|_| self.cost.fault())?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

impl Cost {
    fn examine(self) -> Result<Params, KeyFileFault> {
        let bounded = (MEMORY_KIB_MIN..=MEMORY_KIB_MAX).contains(&self.memory)
            && (1..=PASSES_MAX).contains(&self.passes)
            && (1..=LANES_MAX).contains(&self.lanes);
        Params::new(self.memory, self.passes, self.lanes, Some(32))
            .ok()
            .filter(|_| bounded)
            .ok_or(self.fault())
    }

    const fn fault(self) -> KeyFileFault {
        KeyFileFault::Cost { memory: self.memory, passes: self.passes, lanes: self.lanes }
    }
}

/// The file's lines, and which of them is being read.
struct Lines<I> {
    lines: I,
    line: usize,
}

impl<'a, I: Iterator<Item = &'a str>> Lines<I> {
    fn words<const N: usize>(&mut self, name: &str) -> Result<[&'a str; N], KeyFileFault> {
        self.line += 1;
        let line = self.lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let words: Vec<&str> = line.ok_or(self.fault())?.split(' ').collect();
        words.try_into().map_err(|_| self.fault())
    }

    fn number(&self, word: &str) -> Result<u32, KeyFileFault> {
        word.parse().map_err(|_| self.fault())
    }

    fn bytes<const N: usize>(&self, word: &str) -> Result<[u8; N], KeyFileFault> {
        from_hex(word).map_err(|_| self.fault())
    }

    fn at(mut self, line: usize) -> Self {
        self.line = line;
        self
    }

    const fn fault(&self) -> KeyFileFault {
        KeyFileFault::Damaged { line: self.line }
    }
}

fn check(body: &str) -> String {
    let hash = blake3::derive_key(CHECK_CONTEXT, body.as_bytes());
    hex(hash.split_at(8).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_seed(&[7; 32])
    }

    /// As sealed by [`KeyFile::seal`], with the least cost that is read.
    fn quick() -> KeyFile {
        let mut file = KeyFile::seal(&key(), "correct horse").unwrap();
        file.cost = Cost { memory: MEMORY_KIB_MIN, passes: 1, lanes: 1 };
        let seed = key().seed();
        let cipher = file.cipher("correct horse").unwrap();
        let head = file.head();
        let payload = Payload { msg: &seed, aad: head.as_bytes() };
        file.sealed =
            cipher.encrypt(&XNonce::from(file.nonce), payload).unwrap().try_into().unwrap();
        file
    }

    #[test]
    fn a_key_comes_back_with_its_passphrase_only() {
        let file = KeyFile::parse(&quick().render()).unwrap();
        assert_eq!(file.device(), key().device());
        assert_eq!(file.open("correct horse").unwrap().seed(), key().seed());
        assert!(matches!(file.open("correct hors"), Err(KeyFileFault::Passphrase)));
        assert!(matches!(KeyFile::seal(&key(), "1234567"), Err(KeyFileFault::Short)));
    }

    #[test]
    fn a_changed_character_is_told_from_a_wrong_passphrase() {
        let text = quick().render();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).unwrap();
            match KeyFile::parse(&changed) {
                Err(KeyFileFault::Version | KeyFileFault::Damaged { .. }) => {}
                other => panic!("byte {at}: {other:?}"),
            }
            assert!(KeyFile::parse(&text[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_file_that_asks_for_too_much_or_too_little_work_is_refused() {
        for cost in [
            Cost { memory: MEMORY_KIB_MAX + 1, passes: 1, lanes: 1 },
            Cost { memory: MEMORY_KIB_MIN - 1, passes: 1, lanes: 1 },
            Cost { memory: MEMORY_KIB, passes: PASSES_MAX + 1, lanes: 1 },
            Cost { memory: MEMORY_KIB, passes: 0, lanes: 1 },
            Cost { memory: MEMORY_KIB, passes: 1, lanes: LANES_MAX + 1 },
        ] {
            let text = KeyFile { cost, ..quick() }.render();
            assert!(matches!(KeyFile::parse(&text), Err(KeyFileFault::Cost { .. })), "{cost:?}");
        }
    }

    #[test]
    fn a_key_is_never_overwritten_and_never_read_when_others_can() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(matches!(KeyFile::read(&path), Err(KeyFileFault::Absent { .. })));
        let file = quick();
        file.create(&path).unwrap();
        assert!(matches!(file.create(&path), Err(KeyFileFault::Exists { .. })));
        assert_eq!(KeyFile::read(&path).unwrap(), file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(KeyFile::read(&path), Err(KeyFileFault::Exposed { mode: 0o640, .. })));
    }
}
