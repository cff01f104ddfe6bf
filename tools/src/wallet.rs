//! A wallet's folder: one identity, and the cooperatives that it knows.
//!
//! ```text
//! key                                   the device's key, sealed (keyfile.rs)
//! cooperatives/<id>/known.json          its name and its nodes' addresses
//! cooperatives/<id>/journal             what was signed (journal.rs); the outbox is a part of it
//! cooperatives/<id>/export.talea        the last export that a node gave: enough to work offline
//! cooperatives/<id>/attachments/        files that nodes do not have yet (attachment.rs)
//! cooperatives/<id>/standing.json       what a node last said of the outbox; it may be lost
//! witness.json                          what the files were when last written (witness.rs)
//! ```
//!
//! Two cooperatives that must not learn of each other get two wallets (`--wallet`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;

use crate::attachment::Attic;
use crate::journal::{Journal, JournalFault};
use crate::private;

/// Why the wallet cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum WalletFault {
    /// The disk refused.
    #[error("cannot read or write {path}: {error}")]
    Disk {
        /// File or folder.
        path: PathBuf,
        /// What the disk said.
        error: io::Error,
    },
    /// A file of the wallet is not what was written.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// No home.
    #[error("neither XDG_DATA_HOME nor HOME is set")]
    Homeless,
    /// No cooperative fits.
    #[error("this wallet knows no cooperative called `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// No cooperative at all.
    #[error("this wallet knows no cooperative yet")]
    None,
    /// Several fit.
    #[error("this wallet knows several cooperatives: {}", names.join(", "))]
    Several {
        /// Their names.
        names: Vec<String>,
    },
}

impl WalletFault {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Disk { .. } => "check the folder's permissions and the free space",
            Self::Damaged { .. } => {
                "remove that file and run `talea join` again; keys and journals stay"
            }
            Self::Homeless => "name the wallet's folder with --wallet",
            Self::Unknown { .. } => {
                "see `talea cooperatives`, or add it with `talea join ID --node ADDRESS`"
            }
            Self::None => {
                "found one with `talea found`, or add one with `talea join ID --node ADDRESS`"
            }
            Self::Several { .. } => "choose one with --coop NAME",
        }
    }
}

/// Where a cooperative is served.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// The node's key: a signed request is for this node only.
    pub node: NodeKey,
    /// Its HTTP address, such as `http://127.0.0.1:7440`.
    pub http: String,
}

/// A cooperative that this wallet knows.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The charter's id.
    pub cooperative: EntryId,
    /// Its name here.
    pub name: String,
    /// Its nodes.
    pub nodes: Vec<Server>,
}

/// What a node said of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Nodes of the roster that hold it.
    pub receipts: u32,
    /// Nodes of the roster.
    pub roster: u32,
    /// Whether it is settled.
    pub settled: bool,
}

/// What a node said of each entry of an outbox.
pub type Outbox = BTreeMap<EntryId, Seen>;

/// A wallet's folder.
#[derive(Clone, Debug)]
pub struct Wallet {
    folder: PathBuf,
}

impl Wallet {
    /// The wallet in this folder, which is made if need be.
    ///
    /// # Errors
    /// [`WalletFault::Disk`].
    pub fn open(folder: &Path) -> Result<Self, WalletFault> {
        let cooperatives = folder.join("cooperatives");
        private::folder(&cooperatives)
            .map_err(|error| WalletFault::Disk { path: cooperatives, error })?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where the wallet is when nobody says: `$XDG_DATA_HOME/talea`, or `~/.local/share/talea`.
    ///
    /// # Errors
    /// [`WalletFault::Homeless`].
    pub fn usual_folder() -> Result<PathBuf, WalletFault> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let data = set("XDG_DATA_HOME").map(PathBuf::from);
        let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        data.or_else(home).map(|data| data.join("talea")).ok_or(WalletFault::Homeless)
    }

    /// The key file.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// The last export that a node gave.
    #[must_use]
    pub fn export(&self, cooperative: &EntryId) -> PathBuf {
        self.place(cooperative).join("export.talea")
    }

    /// Files attached to what was signed here, until nodes have them.
    #[must_use]
    pub fn attic(&self, cooperative: &EntryId) -> Attic {
        Attic::at(self.place(cooperative).join("attachments"))
    }

    /// Every cooperative that this wallet knows, by name.
    ///
    /// # Errors
    /// [`WalletFault::Disk`], [`WalletFault::Damaged`].
    pub fn cooperatives(&self) -> Result<Vec<Known>, WalletFault> {
        let path = self.folder.join("cooperatives");
        let disk = |error| WalletFault::Disk { path: path.clone(), error };
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(disk)? {
            let file = entry.map_err(disk)?.path().join("known.json");
            match std::fs::read(&file) {
                Ok(bytes) => all.push(
                    serde_json::from_slice::<Known>(&bytes)
                        .map_err(|_| WalletFault::Damaged { path: file })?,
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(WalletFault::Disk { path: file, error }),
            }
        }
        all.sort_by(|a, b| (&a.name, a.cooperative).cmp(&(&b.name, b.cooperative)));
        Ok(all)
    }

    /// The cooperative of this name or of an id that begins so; the only one if none is named.
    ///
    /// # Errors
    /// [`WalletFault::None`], [`WalletFault::Unknown`], [`WalletFault::Several`].
    pub fn cooperative(&self, name: Option<&str>) -> Result<Known, WalletFault> {
        let mut all = self.cooperatives()?;
        if let Some(name) = name {
            let fits = |known: &Known| {
                known.name == name
                    || (name.len() >= 4 && known.cooperative.to_string().starts_with(name))
            };
            all.retain(fits);
            if all.is_empty() {
                return Err(WalletFault::Unknown { name: name.to_owned() });
            }
        }
        match all.len() {
            0 => Err(WalletFault::None),
            1 => Ok(all.remove(0)),
            _ => Err(WalletFault::Several { names: all.into_iter().map(label).collect() }),
        }
    }

    /// Remembers a cooperative, or its new name and nodes.
    ///
    /// # Errors
    /// [`WalletFault::Disk`].
    pub fn know(&self, known: &Known) -> Result<(), WalletFault> {
        let place = self.place(&known.cooperative);
        let bytes = serde_json::to_vec_pretty(known).expect("a record of texts");
        private::folder(&place)
            .and_then(|()| private::replace(&place.join("known.json"), &bytes))
            .map_err(|error| WalletFault::Disk { path: place, error })
    }

    /// Keeps an export for work without a node.
    ///
    /// # Errors
    /// [`WalletFault::Disk`].
    pub fn keep_export(&self, cooperative: &EntryId, bytes: &[u8]) -> Result<(), WalletFault> {
        let path = self.export(cooperative);
        private::folder(&self.place(cooperative))
            .and_then(|()| private::replace(&path, bytes))
            .map_err(|error| WalletFault::Disk { path, error })
    }

    /// What a node last said of the outbox; nothing if that was lost.
    #[must_use]
    pub fn seen(&self, cooperative: &EntryId) -> Outbox {
        let file = std::fs::read(self.standing(cooperative)).ok();
        file.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Keeps what a node said of the outbox.
    ///
    /// # Errors
    /// [`WalletFault::Disk`].
    pub fn keep_seen(&self, cooperative: &EntryId, seen: &Outbox) -> Result<(), WalletFault> {
        let path = self.standing(cooperative);
        let bytes = serde_json::to_vec_pretty(seen).expect("ids and numbers");
        private::replace(&path, &bytes).map_err(|error| WalletFault::Disk { path, error })
    }

    fn standing(&self, cooperative: &EntryId) -> PathBuf {
        self.place(cooperative).join("standing.json")
    }

    /// This identity's journal in a cooperative, locked.
    ///
    /// # Errors
    /// [`JournalFault`].
    pub fn journal(&self, cooperative: &EntryId) -> Result<Journal, JournalFault> {
        let place = self.place(cooperative);
        private::folder(&place)
            .map_err(|error| JournalFault::Disk { path: place.clone(), error })?;
        Journal::open(&self.journal_path(cooperative))
    }

    /// Where that is.
    #[must_use]
    pub fn journal_path(&self, cooperative: &EntryId) -> PathBuf {
        self.place(cooperative).join("journal")
    }

    /// What the files of this wallet were when it last wrote them.
    #[must_use]
    pub fn witness(&self) -> PathBuf {
        self.folder.join("witness.json")
    }

    fn place(&self, cooperative: &EntryId) -> PathBuf {
        self.folder.join("cooperatives").join(cooperative.to_string())
    }
}

fn label(known: Known) -> String {
    let id = known.cooperative.to_string();
    format!("{} ({})", known.name, id.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: u8, name: &str) -> Known {
        let nodes =
            vec![Server { node: NodeKey([3; 32]), http: "http://127.0.0.1:7440".to_owned() }];
        Known { cooperative: EntryId([id; 32]), name: name.to_owned(), nodes }
    }

    #[test]
    fn a_cooperative_is_found_by_name_by_the_start_of_its_id_and_alone_without_either() {
        let dir = tempfile::tempdir().unwrap();
        let wallet = Wallet::open(dir.path()).unwrap();
        assert!(matches!(wallet.cooperative(None), Err(WalletFault::None)));
        wallet.know(&known(0xab, "fournil")).unwrap();
        assert_eq!(wallet.cooperative(None).unwrap(), known(0xab, "fournil"));
        wallet.know(&known(0xcd, "passerelles")).unwrap();
        assert!(matches!(wallet.cooperative(None), Err(WalletFault::Several { .. })));
        assert_eq!(wallet.cooperative(Some("fournil")).unwrap().name, "fournil");
        assert_eq!(wallet.cooperative(Some("cdcd")).unwrap().name, "passerelles");
        assert!(matches!(wallet.cooperative(Some("moulin")), Err(WalletFault::Unknown { .. })));
    }

    #[test]
    fn a_name_or_an_address_can_change_and_the_journal_stays() {
        let dir = tempfile::tempdir().unwrap();
        let wallet = Wallet::open(dir.path()).unwrap();
        let mut cooperative = known(1, "one");
        wallet.know(&cooperative).unwrap();
        drop(wallet.journal(&cooperative.cooperative).unwrap());
        cooperative.name = "two".to_owned();
        wallet.know(&cooperative).unwrap();
        assert_eq!(wallet.cooperative(Some("two")).unwrap(), cooperative);
        assert_eq!(wallet.journal(&cooperative.cooperative).unwrap().next().0, 0);
    }

    #[test]
    fn what_a_node_said_of_the_outbox_is_kept_and_may_be_lost() {
        let dir = tempfile::tempdir().unwrap();
        let wallet = Wallet::open(dir.path()).unwrap();
        let here = known(1, "one");
        wallet.know(&here).unwrap();
        assert!(wallet.seen(&here.cooperative).is_empty());
        let seen = Seen { receipts: 1, roster: 3, settled: false };
        let outbox = Outbox::from([(EntryId([7; 32]), seen)]);
        wallet.keep_seen(&here.cooperative, &outbox).unwrap();
        assert_eq!(wallet.seen(&here.cooperative), outbox);
        std::fs::write(wallet.standing(&here.cooperative), b"{").unwrap();
        assert!(wallet.seen(&here.cooperative).is_empty());
    }
}
