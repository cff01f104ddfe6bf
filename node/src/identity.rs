//! The node's key on disk: made once, read at each start, never written again.
//!
//! A file that only its owner may read, or a credential that systemd hands over. Whoever has it
//! can speak as this node, and cannot write an entry: node keys are no device's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use talea_protocol::bytes::{from_hex, hex};
use talea_protocol::key::SecretKey;

/// The key's file in the data folder, and the name of systemd's credential.
pub const FILE: &str = "node.key";
/// The file's first word; a later layout has another.
const HEADER: &str = "talea-node-key-1 ";
/// Bytes of the file: header, 64 digits, newline.
const FILE_BYTES_MAX: u64 = 128;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityFault {
    /// A key is made once: a second one would be another node.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others on this machine can read it.
    #[error("{} can be read by others on this machine (mode {mode:o})", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not a key that this program wrote.
    #[error("{} holds no node key", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// The system's reason.
    #[error("{}: {cause}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

impl IdentityFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "this folder is a node already: start it with talead run",
            Self::Open { .. } => "chmod 600 the file; if others may have read it, retire this node",
            Self::Content { .. } => "put the node's own key file back from your backup",
            Self::Disk { .. } => "make a node with: talead init --data <folder>",
        }
    }
}

/// Writes a new key, which is on the disk when this returns.
///
/// # Errors
/// [`IdentityFault::Exists`] or [`IdentityFault::Disk`].
pub fn make(data: &Path, seed: &[u8; 32]) -> Result<SecretKey, IdentityFault> {
    let path = data.join(FILE);
    let line = format!("{HEADER}{}\n", hex(seed));
    match write_new(&path, line.as_bytes()) {
        Ok(()) => Ok(SecretKey::from_seed(seed)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            Err(IdentityFault::Exists { path })
        }
        Err(cause) => Err(IdentityFault::Disk { path, cause }),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Reads the key: from the folder of systemd's credentials if it is there, else from `data`.
///
/// # Errors
/// [`IdentityFault`].
pub fn read(data: &Path, credentials: Option<&Path>) -> Result<SecretKey, IdentityFault> {
    let handed = credentials.map(|folder| folder.join(FILE)).filter(|path| path.exists());
    // Who may read a credential is systemd's business.
    let is_handed = handed.is_some();
    let path = handed.unwrap_or_else(|| data.join(FILE));
    let disk = |cause| IdentityFault::Disk { path: path.clone(), cause };
    let mode = fs::metadata(&path).map_err(disk)?.permissions().mode() & 0o777;
    if !is_handed && mode & 0o077 != 0 {
        return Err(IdentityFault::Open { path, mode });
    }
    let mut text = String::new();
    let mut file = File::open(&path).map_err(disk)?.take(FILE_BYTES_MAX);
    let _ = file.read_to_string(&mut text).map_err(disk)?;
    let digits = text.trim_end().strip_prefix(HEADER);
    let seed = digits.and_then(|digits| from_hex(digits).ok());
    seed.map(|seed| SecretKey::from_seed(&seed)).ok_or(IdentityFault::Content { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_back() {
        let data = tempfile::tempdir().unwrap();
        let made = make(data.path(), &[7; 32]).unwrap();
        assert_eq!(read(data.path(), None).unwrap().node(), made.node());
        assert!(matches!(make(data.path(), &[8; 32]), Err(IdentityFault::Exists { .. })));
        assert_eq!(read(data.path(), None).unwrap().node(), made.node());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let _ = make(data.path(), &[7; 32]).unwrap();
        let path = data.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(data.path(), None), Err(IdentityFault::Open { mode: 0o640, .. })));
    }

    #[test]
    fn a_file_with_something_else_is_no_key() {
        let data = tempfile::tempdir().unwrap();
        write_new(&data.path().join(FILE), b"talea-node-key-2 00\n").unwrap();
        assert!(matches!(read(data.path(), None), Err(IdentityFault::Content { .. })));
    }
}
