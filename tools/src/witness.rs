//! Whether a journal is the very file that this wallet wrote last, or one that was put back.
//!
//! A file that is restored from a backup is another file: it has another inode, or was changed at
//! another time, and neither can be set from outside. `witness.json` holds what the journals and the
//! key were when this program last wrote them. It says nothing about a whole disk that was put back
//! under the wallet; so a wallet that reaches its nodes asks them before every signature
//! ([`crate::heads`]), and what stands here counts only where they do not answer.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use talea_protocol::hash::EntryId;

use crate::journal::Journal;
use crate::private;
use crate::wallet::{Wallet, WalletFault};

/// What is known of a journal's past.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Past {
    /// This wallet wrote it last, and nobody has touched it since.
    Unbroken,
    /// It may be older than what was signed: it was restored, copied, or never compared.
    Unknown,
}

/// A file as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
    length: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let file = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: file.ino(),
            changed_s: file.ctime(),
            changed_ns: file.ctime_nsec(),
            length: file.len(),
        })
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Witness {
    /// The key, if it was made here.
    key: Option<Stamp>,
    journals: BTreeMap<EntryId, Stamp>,
}

impl Witness {
    /// A witness that is lost or damaged has seen nothing.
    fn read(wallet: &Wallet) -> Self {
        let file = std::fs::read(wallet.witness()).ok();
        file.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn write(&self, wallet: &Wallet) -> Result<(), WalletFault> {
        let path = wallet.witness();
        let bytes = serde_json::to_vec_pretty(self).expect("numbers and ids");
        private::replace(&path, &bytes).map_err(|error| WalletFault::Disk { path, error })
    }
}

/// What is known of a journal that has just been opened, before anything is written to it.
#[must_use]
pub fn past(wallet: &Wallet, cooperative: &EntryId, journal: &Journal) -> Past {
    let witness = Witness::read(wallet);
    let unbroken = match witness.journals.get(cooperative) {
        Some(stamp) => Some(*stamp) == Stamp::of(&wallet.journal_path(cooperative)),
        // A key that was made here has signed nothing in a cooperative that it never wrote in.
        None => {
            let key = Stamp::of(&wallet.key());
            journal.kept().is_empty() && key.is_some() && key == witness.key
        }
    };
    if unbroken { Past::Unbroken } else { Past::Unknown }
}

/// Remembers a journal as this program has written it, or compared it with its nodes.
///
/// # Errors
/// [`WalletFault::Disk`].
pub fn keep(wallet: &Wallet, cooperative: &EntryId) -> Result<(), WalletFault> {
    let mut witness = Witness::read(wallet);
    if let Some(stamp) = Stamp::of(&wallet.journal_path(cooperative)) {
        witness.journals.insert(*cooperative, stamp);
    }
    witness.write(wallet)
}

/// Remembers a key that was made in this folder a moment ago: it has signed nothing anywhere.
///
/// # Errors
/// [`WalletFault::Disk`].
pub fn begin(wallet: &Wallet) -> Result<(), WalletFault> {
    let mut witness = Witness::read(wallet);
    witness.key = Stamp::of(&wallet.key());
    witness.write(wallet)
}

/// Whether the key is the file that was made here; asked before it is sealed anew.
#[must_use]
pub fn made_key(wallet: &Wallet) -> bool {
    let made = Witness::read(wallet).key;
    made.is_some() && made == Stamp::of(&wallet.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: EntryId = EntryId([1; 32]);

    fn look(wallet: &Wallet) -> Past {
        past(wallet, &HERE, &wallet.journal(&HERE).unwrap())
    }

    #[test]
    fn a_new_key_has_signed_nothing_and_one_that_was_copied_may_have() {
        let dir = tempfile::tempdir().unwrap();
        let wallet = Wallet::open(dir.path()).unwrap();
        assert_eq!(look(&wallet), Past::Unknown);
        std::fs::write(wallet.key(), b"a key").unwrap();
        begin(&wallet).unwrap();
        assert_eq!(look(&wallet), Past::Unbroken);
        std::fs::rename(wallet.key(), dir.path().join("old")).unwrap();
        std::fs::copy(dir.path().join("old"), wallet.key()).unwrap();
        assert_eq!(look(&wallet), Past::Unknown);
    }

    #[test]
    fn a_journal_that_was_put_back_is_known_for_one_though_its_bytes_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let wallet = Wallet::open(dir.path()).unwrap();
        drop(wallet.journal(&HERE).unwrap());
        let journal = wallet.journal_path(&HERE);
        std::fs::write(&journal, b"").unwrap();
        keep(&wallet, &HERE).unwrap();
        assert_eq!(look(&wallet), Past::Unbroken);
        std::fs::copy(&journal, dir.path().join("backup")).unwrap();
        assert_eq!(look(&wallet), Past::Unbroken, "a backup changes nothing");
        // Renamed over, as `rsync` does, or removed and written again.
        std::fs::rename(dir.path().join("backup"), &journal).unwrap();
        assert_eq!(look(&wallet), Past::Unknown);
        keep(&wallet, &HERE).unwrap();
        std::fs::remove_file(&journal).unwrap();
        assert_eq!(look(&wallet), Past::Unknown, "a journal that was lost");
    }
}
