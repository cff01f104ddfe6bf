//! A cooperative of three with one node, or several. The wallets are ordinary, and their keys are known here, so
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
pub const FOUNDED_MS: u64 = 1_767_312_000_000;
/// Who has a wallet; the first is the registrar, the second the treasurer.
const MEMBERS: [&str; 3] = ["nadia", "bruno", "chloe"];

/// Members, their node and what they have founded.
pub struct Founded {
    folder: tempfile::TempDir,
    /// The first node of the roster.
    pub node: Node,
    /// The others.
    pub others: Vec<Node>,
    quorum: u8,
    /// The members' keys.
    pub keys: Vec<SecretKey>,
    /// The charter.
    pub charter: Signed,
}

impl Founded {
    /// Founds: everything is settled, and fetched by all, when this returns.
    pub fn new() -> Self {
        Self::by(&[], 1)
    }

    /// The same with these nodes besides, of which so many settle an entry.
    pub fn by(others: &[&'static str], quorum: u8) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let node = Node::in_folder(folder.path(), "a");
        let others: Vec<Node> =
            others.iter().map(|name| Node::in_folder(folder.path(), name)).collect();
        let keys: Vec<SecretKey> = (1..=3).map(|n| SecretKey::from_seed(&[n; 32])).collect();
        let text = charter_text(&keys, &roster(&node, &others), quorum);
        let file = CharterFile::parse(&text).expect("a charter file");
        let device = Some(keys[0].device());
        let draft = founding::draft(&file, device, (FOUNDED_MS, &[7; 32])).expect("a charter");
        let charter = draft.sign(&keys[0]).expect("an entry");
        let founded = Self { folder, node, others, quorum, keys, charter };
        for (name, key) in MEMBERS.iter().zip(&founded.keys) {
            founded.make_wallet(name, key);
        }
        let wallet = Wallet::open(&founded.wallet("nadia")).expect("a wallet");
        let mut journal = wallet.journal(&founded.cooperative()).expect("a journal");
        journal.promise(&draft).expect("the first place");
        drop(journal);
        founded.host(&founded.node);
        founded.others.iter().for_each(|other| founded.host(other));
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
        let server = |node: &Node| Server {
            node: node.key.parse().expect("a key"),
            http: format!("http://{}", node.http),
        };
        let nodes = std::iter::once(&self.node).chain(&self.others).map(server).collect();
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
        charter_text(&self.keys, &roster(&self.node, &self.others), self.quorum)
    }

    /// One more node below the same folder, of which nobody knows.
    pub fn node(&self, name: &'static str) -> Node {
        Node::in_folder(self.folder.path(), name)
    }

    /// Has a node keep the cooperative, with the first roster's nodes for peers.
    pub fn host(&self, node: &Node) {
        let all = std::iter::once(&self.node).chain(&self.others);
        let peers = all.filter(|peer| peer.key != node.key).map(Node::peer);
        let peers: Vec<String> = peers.flat_map(|peer| ["--peer".to_owned(), peer]).collect();
        let id = self.cooperative().to_string();
        let mut host = ["node", "host", &id, "--data", path(node.folder())].to_vec();
        host.extend(peers.iter().map(String::as_str));
        talea(&self.wallet("nadia"), &host).good();
    }

    /// The members decide on what this proposal of Bruno's does, and the registrar counts.
    pub fn decide(&self, text: &str, effect: &[&str]) {
        let propose = ["propose", text, "--closes", "2026-01-31", "--headcount", "--yes", "--json"];
        let proposed = talea(&self.wallet("bruno"), &[&propose[..], effect].concat()).json();
        let proposal = &proposed[0]["id"].as_str().expect("an id")[..16];
        for member in MEMBERS {
            talea(&self.wallet(member), &["vote", proposal, "yes", "--yes"]).good();
        }
        talea(&self.wallet("nadia"), &["decide", proposal, "--yes"]).good();
    }

    /// Somebody asks to be let in, and Bruno and Chloé vouch. Returns what to type after `admit`.
    pub fn applicant(&self, name: &str) -> Vec<String> {
        let wallet = self.wallet(name);
        let (id, node) = (self.cooperative().to_string(), format!("http://{}", self.node.http));
        talea(&wallet, &["keys", "new"]).good();
        talea(&wallet, &["join", &id, "--node", &node]).good();
        let slip = |wallet: &Path, words: &[&str]| -> String {
            let said = talea(wallet, &[words, &["--json", "--yes"]].concat()).json();
            said["slip"].as_str().expect("a slip").to_owned()
        };
        let request = slip(&wallet, &["request", name]);
        let mut admit: Vec<String> =
            ["admit", &request, "--college", "bakers"].map(str::to_owned).to_vec();
        admit.extend(["--stage", "committed", "--yes"].map(str::to_owned));
        for sponsor in ["bruno", "chloe"] {
            let approval = slip(&self.wallet(sponsor), &["approve", &request]);
            admit.extend(["--approval".to_owned(), approval]);
        }
        admit
    }

    /// Writes a file beside the wallets.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("room on the disk");
        path
    }
}

/// The keys of the roster, ascending, as they stand in a charter file.
fn roster(node: &Node, others: &[Node]) -> String {
    let mut keys: Vec<String> =
        std::iter::once(node).chain(others).map(|node| format!("\"{}\"", node.key)).collect();
    keys.sort_unstable();
    keys.join(", ")
}

/// The template with these founders and their consents, and these nodes.
fn charter_text(keys: &[SecretKey], nodes: &str, quorum: u8) -> String {
    let (before, rest) = TEMPLATE.split_once("nodes = [").expect("a roster");
    let (_, after) = rest.split_once(']').expect("its end");
    let mut text = format!("{before}nodes = [{nodes}]{after}");
    text = text.replacen("quorum = 2", &format!("quorum = {quorum}"), 1);
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
