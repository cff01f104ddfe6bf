//! A node's own files, as a bad disk or a hurried operator may leave them: settings, key, promises.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;

use talea_node::config::{ADDRESS_BYTES_MAX, Config, FILE, Overrides, PEERS_MAX};
use talea_node::identity;
use talea_node::promise::{Promise, Promises};
use talea_protocol::hash::EntryId;
use talea_protocol::tree::TreeHash;

use crate::people::{node_key, secret};

const COOPERATIVE: EntryId = EntryId([0x11; 32]);

/// Settings; and a name that is written into them.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn config(input: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(FILE), input).expect("written");
    if let Ok(config) = Config::read(folder.path(), &Overrides::default()) {
        assert!(config.peers.len() <= PEERS_MAX);
        assert!(config.peers.iter().all(|peer| peer.address.len() <= ADDRESS_BYTES_MAX));
    }
    let Ok(name) = str::from_utf8(input) else { return };
    fs::write(folder.path().join(FILE), Config::template(name)).expect("written");
    let config = Config::read(folder.path(), &Overrides::default()).expect("what init writes");
    let shown: String = name.chars().filter(|c| !c.is_control()).collect();
    assert_eq!(config, Config { name: shown, ..Config::default() }, "a name that sets something");
}

/// What `talead init` writes, and the same with peers.
#[must_use]
pub fn configs() -> Vec<Vec<u8>> {
    let (plain, node) = (Config::template("fournil \"1\""), node_key(1).node());
    let peer = format!("\n[[peers]]\nnode = \"{node}\"\naddress = \"a.example:7341\"\n");
    vec![format!("{plain}{peer}{peer}").into_bytes(), plain.into_bytes(), b"fournil".to_vec()]
}

/// The file that `talead init` puts a node's key into.
static KEY_FILE: LazyLock<(String, Vec<u8>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let made = identity::make(folder.path(), &secret(1).seed());
    assert!(made.is_ok_and(|key| key.node() == secret(1).node()));
    let file = fs::read_dir(folder.path()).expect("a folder").flatten().next().expect("a file");
    let name = file.file_name().into_string().expect("a name");
    (name, fs::read(file.path()).expect("read"))
});

/// A node's key: no file but one that a node wrote makes another node of it.
pub fn node_key_file(input: &[u8]) {
    let (name, _) = &*KEY_FILE;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, input).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its own file");
    let Ok(key) = identity::read(folder.path(), None) else { return };
    let seed = talea_protocol::bytes::hex(&key.seed());
    let line = format!("talea-node-key-1 {seed}");
    assert!(input.starts_with(line.as_bytes()), "a key that is not in the file");
}

/// The key file.
#[must_use]
pub fn node_keys() -> Vec<Vec<u8>> {
    vec![KEY_FILE.1.clone()]
}

fn promised(size: u64) -> Promise {
    let byte = u8::try_from(size).expect("small");
    Promise { size, root: TreeHash([byte; 32]), time: 7 }
}

/// A promise file after damage: what is read was promised, and nothing else.
pub fn promise(input: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(COOPERATIVE.to_string()), input).expect("written");
    let Ok(promises) = Promises::open(folder.path(), COOPERATIVE) else { return };
    let newest = promises.newest().expect("a file without a promise is damaged");
    assert!([3, 4, 5].map(promised).contains(newest), "nobody promised {newest:?}");
}

/// The file after one, two and three promises.
#[must_use]
pub fn promises() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |folder: &Path| fs::read(folder.join(COOPERATIVE.to_string())).expect("read");
    let mut promises = Promises::open(folder.path(), COOPERATIVE).expect("a folder");
    let sizes = [3, 4, 5].map(|size| {
        promises.keep(promised(size)).expect("each is larger");
        file(folder.path())
    });
    sizes.to_vec()
}
