//! A cooperative of three with one node. The wallets are ordinary, and their keys are known here, so
//! that what no honest wallet signs can be signed too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::SecretKey;
use talea_tools::charter_file::{CharterFile, TEMPLATE};
use talea_tools::founding;
use talea_tools::keyfile::KeyFile;
use talea_tools::wallet::{Known, Server, Wallet};

use crate::nodes::Node;
use crate::program::{PASSPHRASE, talea};

/// When it was founded, in ms since 1970 UTC: 2026-01-02.
const FOUNDED_MS: u64 = 1_767_312_000_000;
/// Who has a wallet; the first is the registrar, the second the treasurer.
const MEMBERS: [&str; 3] = ["nadia", "bruno", "chloe"];

/// Members, their node and what they have founded.
pub struct Founded {
    folder: tempfile::TempDir,
    /// The only node of the roster.
    pub node: Node,
    /// The members' keys.
    pub keys: Vec<SecretKey>,
    /// The charter.
    pub charter: Signed,
}

impl Founded {
    /// Founds: everything is settled, and fetched by all, when this returns.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let node = Node::in_folder(folder.path(), "a");
        let keys: Vec<SecretKey> = (1..=3).map(|n| SecretKey::from_seed(&[n; 32])).collect();
        let text = charter_text(&keys, &node.key);
        let file = CharterFile::parse(&text).expect("a charter file");
        let device = Some(keys[0].device());
        let draft = founding::draft(&file, device, (FOUNDED_MS, &[7; 32])).expect("a charter");
        let charter = draft.sign(&keys[0]).expect("an entry");
        let founded = Self { folder, node, keys, charter };
        for (name, key) in MEMBERS.iter().zip(&founded.keys) {
            founded.make_wallet(name, key);
        }
        let wallet = Wallet::open(&founded.wallet("nadia")).expect("a wallet");
        let mut journal = wallet.journal(&founded.cooperative()).expect("a journal");
        journal.promise(&draft).expect("the first place");
        drop(journal);
        let (id, data) = (founded.cooperative().to_string(), founded.node.folder().to_owned());
        talea(&founded.wallet("nadia"), &["node", "host", &id, "--data", path(&data)]).good();
        let sent = talea(&founded.wallet("nadia"), &["send", "--json"]).json();
        assert_eq!(sent[0]["status"], "settled", "{sent}");
        for name in MEMBERS {
            talea(&founded.wallet(name), &["fetch"]).good();
            // Its journal is there from the first look on, be it empty.
            talea(&founded.wallet(name), &["log"]).good();
        }
        founded
    }

    fn make_wallet(&self, name: &str, key: &SecretKey) {
        let wallet = Wallet::open(&self.wallet(name)).expect("a wallet");
        let sealed = KeyFile::seal(key, PASSPHRASE).expect("a passphrase");
        sealed.create(&wallet.key()).expect("a new wallet");
        let http = format!("http://{}", self.node.http);
        let nodes = vec![Server { node: self.node.key.parse().expect("a key"), http }];
        let known = Known { cooperative: self.cooperative(), name: "fournil".to_owned(), nodes };
        wallet.know(&known).expect("room on the disk");
    }

    /// The cooperative.
    pub fn cooperative(&self) -> EntryId {
        self.charter.id()
    }

    /// A member's wallet, or a folder for somebody else's.
    pub fn wallet(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The charter file with every founder's consent.
    pub fn charter_text(&self) -> String {
        charter_text(&self.keys, &self.node.key)
    }

    /// Writes a file beside the wallets.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("room on the disk");
        path
    }
}

/// The template with these founders and their consents, and this node alone.
fn charter_text(keys: &[SecretKey], node: &str) -> String {
    let (before, rest) = TEMPLATE.split_once("nodes = [").expect("a roster");
    let (_, after) = rest.split_once(']').expect("its end");
    let mut text = format!("{before}nodes = [\"{node}\"]{after}");
    text = text.replacen("quorum = 2", "quorum = 1", 1);
    for (place, key) in keys.iter().enumerate() {
        text = text.replace(&format!("{:064}", 11 + place), &key.device().to_string());
    }
    let file = CharterFile::parse(&text).expect("a charter file");
    for key in keys {
        let (_, proof) = file.consent(key).expect("a founder");
        let device = format!("device = \"{}\"", key.device());
        let signed = format!("{device}\nproof = \"{}\"", String::from(proof));
        text = text.replace(&device, &signed);
    }
    text
}

/// Every file below a folder, with the hash of its bytes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map(Iterator::collect::<Vec<_>>);
        for entry in entries.unwrap_or_default().into_iter().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("it can be read");
                all.insert(path, blake3::hash(&bytes).to_string());
            }
        }
    }
    all
}

/// A path as an argument.
pub fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary folder's name is text")
}
