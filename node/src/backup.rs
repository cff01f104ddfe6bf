//! A copy of the store and its promises in a folder of its own, and the way back.
//!
//! A picture of the store is taken while the node runs, copied file by file, opened, audited, and
//! listed with checksums. The node's key is never in it. What is restored is marked: the node then
//! signs nothing before the roster has said that it lacks nothing which it signed since. So a
//! restored node cannot fork, however old the backup is. Model, section 5.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use talea_ledger::batch::{Batch, Column};
use talea_protocol::key::NodeKey;

use crate::audit::{AuditFault, Places, Report, audit, hosted};
use crate::promise::{self, PromiseFault, Promises};
use crate::restore::doubt_key;
use crate::shelf;
use crate::store::{self, Store, StoreFault};

/// The list of what a backup holds.
pub const LIST: &str = "backup.json";
/// The layout of a backup. Another one is refused.
const FORMAT: u32 = 1;
/// The picture's folder, beside the store so that files can be shared.
const PICTURE: &str = "store.picture";

/// What a backup says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    format: u32,
    /// Whose logs these are.
    pub node: NodeKey,
    /// When it was made, in ms since 1970, by that node's clock.
    pub time: u64,
    /// Every file, by path.
    pub files: Vec<Listed>,
}

/// A file of a backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// From the backup's folder on.
    path: PathBuf,
    bytes: u64,
    blake3: String,
}

/// Why there is no backup, or none can be restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupFault {
    /// A backup goes where nothing is, and is restored where nothing is.
    #[error("{} exists already", path.display())]
    Exists {
        /// The folder or file.
        path: PathBuf,
    },
    /// Not a backup, or one of another release.
    #[error("{} is no list of a backup: {cause}", path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
    /// A file that is not the one that was listed.
    #[error("{} is not the file that was kept", path.display())]
    File {
        /// The file.
        path: PathBuf,
    },
    /// The backup of another node: under this node's key its log would be a second history.
    #[error("this is a backup of node {listed}, and the key here is that of {here}")]
    Node {
        /// Whose backup it is.
        listed: NodeKey,
        /// Whose key stands in the data folder.
        here: NodeKey,
    },
    /// The copy cannot be written or opened.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A promise cannot be read.
    #[error(transparent)]
    Promise(#[from] PromiseFault),
    /// The copy is not whole.
    #[error("the copy is not whole: {0}")]
    Audit(#[from] AuditFault),
    /// The system's reason.
    #[error("{}: {cause}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

impl BackupFault {
    /// What the operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "name a folder that does not exist yet, or move that one away",
            Self::List { .. } => "name the folder that talead backup made, whole",
            Self::File { .. } => "this backup has been changed or damaged: take another one",
            Self::Node { .. } => "put that node's own node.key into the data folder first",
            Self::Store(fault) => fault.hint(),
            Self::Promise(fault) => fault.hint(),
            Self::Audit(fault) => fault.hint(),
            Self::Disk { .. } => "make room, or name another folder",
        }
    }
}

/// Where a backup is made before it has its name.
#[must_use]
pub fn unfinished(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Copies the store and its promises to the unfinished backup, while the node runs. The promises
/// first: then the copy holds all that they promise.
///
/// # Errors
/// [`BackupFault`].
pub fn copy(data: &Path, store: &Store, to: &Path) -> Result<(), BackupFault> {
    if to.exists() {
        return Err(BackupFault::Exists { path: to.to_owned() });
    }
    let part = unfinished(to);
    clear(&part)?;
    make_folder(&part)?;
    let promises = part.join(promise::FOLDER);
    make_folder(&promises)?;
    for id in hosted(store)? {
        // Read as a start would: a slot that is being written is passed over.
        if let Some(promise) = Promises::open(&data.join(promise::FOLDER), id)?.newest() {
            Promises::open(&promises, id)?.keep(*promise)?;
        }
    }
    let picture = data.join(PICTURE);
    clear(&picture)?;
    store.picture(&picture)?;
    let copied = copy_folder(&picture, &part.join(store::FOLDER));
    clear(&picture)?;
    copied?;
    copy_attachments(&data.join(shelf::FOLDER), &part.join(shelf::FOLDER))
}

/// Copies those that are here; one that is erased meanwhile is left out.
fn copy_attachments(from: &Path, to: &Path) -> Result<(), BackupFault> {
    if from.is_dir() { copy_folder(from, to) } else { make_folder(to) }
}

/// Opens and audits an unfinished backup, lists it, and gives it its name.
///
/// # Errors
/// [`BackupFault`].
pub fn finish(to: &Path, node: NodeKey, time: u64) -> Result<Report, BackupFault> {
    let part = unfinished(to);
    let store = Store::open(&part.join(store::FOLDER))?;
    let (promises, attachments) = (part.join(promise::FOLDER), part.join(shelf::FOLDER));
    let places = Places { promises: &promises, attachments: &attachments };
    let report = audit(&store, &places, &node)?;
    store.close()?;
    let list = List { format: FORMAT, node, time, files: files(&part)? };
    let path = part.join(LIST);
    let text = serde_json::to_string_pretty(&list)
        .map_err(|cause| disk(&path)(io::Error::other(cause)))?;
    let write = || -> io::Result<()> {
        let mut file = File::create_new(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(disk(&path))?;
    rename(&part, to)?;
    Ok(report)
}

/// Reads the list of a backup and compares every file with it.
///
/// # Errors
/// [`BackupFault::List`], [`BackupFault::File`], [`BackupFault::Disk`].
pub fn verify(backup: &Path) -> Result<List, BackupFault> {
    let path = backup.join(LIST);
    let wrong = |cause: String| BackupFault::List { path: path.clone(), cause };
    let text = fs::read_to_string(&path).map_err(|cause| wrong(cause.to_string()))?;
    let list: List = serde_json::from_str(&text).map_err(|cause| wrong(cause.to_string()))?;
    if list.format != FORMAT {
        return Err(wrong(format!("it has format {}, this program reads {FORMAT}", list.format)));
    }
    for listed in &list.files {
        let path = backup.join(&listed.path);
        if !file(backup, &listed.path).is_ok_and(|found| found == *listed) {
            return Err(BackupFault::File { path });
        }
    }
    Ok(list)
}

/// Restores a backup into a data folder that has a key and no store, and marks it.
///
/// # Errors
/// [`BackupFault`]; the data folder is then as it was.
pub fn restore(backup: &Path, data: &Path, here: NodeKey) -> Result<Report, BackupFault> {
    for path in [store::FOLDER, promise::FOLDER].map(|name| data.join(name)) {
        if path.read_dir().is_ok_and(|mut files| files.next().is_some()) {
            return Err(BackupFault::Exists { path });
        }
    }
    let list = verify(backup)?;
    if list.node != here {
        return Err(BackupFault::Node { listed: list.node, here });
    }
    let (copied, promises) = (data.join("store.part"), data.join("promise.part"));
    for (name, part) in [(store::FOLDER, &copied), (promise::FOLDER, &promises)] {
        clear(part)?;
        copy_folder(&backup.join(name), part)?;
    }
    let opened = Store::open(&copied)?;
    let attachments = backup.join(shelf::FOLDER);
    let places = Places { promises: &promises, attachments: &attachments };
    let report = audit(&opened, &places, &here)?;
    let mut batch = Batch::new();
    for id in hosted(&opened)? {
        batch.put(Column::Meta, doubt_key(&id), list.time.to_le_bytes().to_vec());
    }
    opened.write(&batch)?;
    opened.close()?;
    // What is here already is not older than the backup, and stays.
    let attachments = data.join(shelf::FOLDER);
    let brought = data.join("attachments.restored");
    if !attachments.exists() {
        clear(&brought)?;
        copy_attachments(&backup.join(shelf::FOLDER), &brought)?;
        rename(&brought, &attachments)?;
    }
    rename(&promises, &data.join(promise::FOLDER))?;
    rename(&copied, &data.join(store::FOLDER))?;
    Ok(report)
}

fn files(backup: &Path) -> Result<Vec<Listed>, BackupFault> {
    let mut listed = Vec::new();
    for name in [store::FOLDER, promise::FOLDER, shelf::FOLDER] {
        let folder = backup.join(name);
        for found in fs::read_dir(&folder).map_err(disk(&folder))? {
            let name = Path::new(name).join(found.map_err(disk(&folder))?.file_name());
            listed.push(file(backup, &name).map_err(disk(&backup.join(&name)))?);
        }
    }
    listed.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(listed)
}

fn file(backup: &Path, path: &Path) -> io::Result<Listed> {
    let mut hasher = blake3::Hasher::new();
    let bytes = io::copy(&mut File::open(backup.join(path))?, &mut hasher)?;
    let blake3 = hasher.finalize().to_hex().to_string();
    Ok(Listed { path: path.to_owned(), bytes, blake3 })
}

/// Copies the files of a folder to a new one, and returns when they are on the disk.
fn copy_folder(from: &Path, to: &Path) -> Result<(), BackupFault> {
    make_folder(to)?;
    for found in fs::read_dir(from).map_err(disk(from))? {
        let (from, to) =
            found.map(|found| (found.path(), to.join(found.file_name()))).map_err(disk(from))?;
        let copy = || -> io::Result<()> {
            let _ = fs::copy(&from, &to)?;
            File::open(&to)?.sync_all()
        };
        match copy() {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound && !from.exists() => {}
            copied => copied.map_err(disk(&to))?,
        }
    }
    File::open(to).and_then(|folder| folder.sync_all()).map_err(disk(to))
}

fn make_folder(path: &Path) -> Result<(), BackupFault> {
    use std::os::unix::fs::DirBuilderExt;
    // Payloads and members' names are in it.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(disk(path))
}

/// Removes what an earlier attempt has left.
fn clear(path: &Path) -> Result<(), BackupFault> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(disk(path)(cause)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), BackupFault> {
    let above = to.parent().filter(|above| !above.as_os_str().is_empty());
    let moved =
        fs::rename(from, to).and_then(|()| File::open(above.unwrap_or(Path::new(".")))?.sync_all());
    moved.map_err(disk(to))
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> BackupFault {
    let path = path.to_owned();
    move |cause| BackupFault::Disk { path, cause }
}
