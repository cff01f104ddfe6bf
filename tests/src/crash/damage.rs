//! One file of a node's folder is damaged while the node is down: a bit flips, a sector is empty,
//! an end is missing, or all of it.
//!
//! Every kind of file, also those that RocksDB makes. The damage is drawn without looking at what
//! the file means.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::chance::Chance;
use crate::crash::scene::{LANES, Scene, Whose, copy};
use crate::crash::tally::{Outcome, Tally, examine};
use crate::load::load;
use crate::observer::Observer;
use crate::process::Talead;

/// Entries of one member before each stop.
const SHARE: usize = 24;
/// What a disk loses at once, in bytes.
const SECTOR_BYTES: usize = 512;

/// A kind of file, by its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A table.
    Table,
    /// A write-ahead log.
    Log,
    /// The list of the tables.
    Manifest,
    /// The name of that list.
    Current,
    /// RocksDB's settings.
    Options,
    /// What this node has signed.
    Promise,
    /// The node's key.
    Key,
    /// The operator's settings.
    Config,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Table,
        Self::Log,
        Self::Manifest,
        Self::Current,
        Self::Options,
        Self::Promise,
        Self::Key,
        Self::Config,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Log => "write-ahead log",
            Self::Manifest => "MANIFEST",
            Self::Current => "CURRENT",
            Self::Options => "OPTIONS",
            Self::Promise => "promise",
            Self::Key => "node.key",
            Self::Config => "config.toml",
        }
    }

    fn is(self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match self {
            Self::Table => name.ends_with(".sst"),
            Self::Log => name.ends_with(".log"),
            Self::Manifest => name.starts_with("MANIFEST"),
            Self::Current => name == "CURRENT",
            Self::Options => name.starts_with("OPTIONS"),
            Self::Promise => path.parent().is_some_and(|above| above.ends_with("promise")),
            Self::Key => name == "node.key",
            Self::Config => name == "config.toml",
        }
    }
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// One bit is another.
    Flip,
    /// A sector is zero.
    Empty,
    /// The end is missing.
    Cut,
    /// It is not there.
    Delete,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Flip, Self::Empty, Self::Cut, Self::Delete];

    const fn name(self) -> &'static str {
        match self {
            Self::Flip => "a bit flipped",
            Self::Empty => "a sector of zeros",
            Self::Cut => "cut short",
            Self::Delete => "deleted",
        }
    }

    fn apply(self, path: &Path, chance: &mut Chance) {
        let mut bytes = fs::read(path).expect("it is there");
        match self {
            Self::Delete => return fs::remove_file(path).expect("it is there"),
            Self::Cut => bytes.truncate(chance.index(bytes.len().max(1))),
            Self::Flip if !bytes.is_empty() => {
                let at = chance.index(bytes.len());
                bytes[at] ^= 1_u8 << chance.below(8);
            }
            Self::Empty if !bytes.is_empty() => {
                let from = chance.index(bytes.len().div_ceil(SECTOR_BYTES)) * SECTOR_BYTES;
                let to = bytes.len().min(from + SECTOR_BYTES);
                bytes[from..to].fill(0);
            }
            Self::Flip | Self::Empty => {}
        }
        fs::write(path, bytes).expect("it can be written");
    }
}

/// Folders of nodes that are down, and what they had said.
pub struct Subjects {
    folder: PathBuf,
    /// With most entries in the log; with most in tables; stopped well, with all in tables.
    folders: Vec<(PathBuf, Observer)>,
    whose: Whose,
}

impl Subjects {
    /// Runs a node and keeps its folder at three moments.
    ///
    /// # Panics
    /// If the node does not run.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let node = Talead::new(folder.join("subject"));
        let entries = load(LANES, 3 * LANES * SHARE, &[node.node()], 1);
        let mut scene = Scene::new(node, &entries, None);
        let mut folders = Vec::new();
        for moment in 0..3 {
            if moment > 0 {
                scene.node.start();
            }
            let through = scene.live(SHARE, Duration::from_secs(60), |_| {});
            assert!(through, "a node that nobody troubles takes entries");
            if moment < 2 {
                scene.node.kill()
            } else {
                scene.node.stop()
            }
            let kept = folder.join(format!("subject-{moment}"));
            copy(scene.node.folder(), &kept).expect("there is room");
            folders.push((kept, scene.observer().until(u64::MAX)));
        }
        Self { folder: folder.to_owned(), folders, whose: scene.whose() }
    }

    /// Damages so many files of each kind in each way; what a node makes of it is counted.
    ///
    /// # Panics
    /// If there is no room, or no such file.
    pub fn damage(&self, rounds: usize, chance: &mut Chance, tally: &mut Tally) {
        for kind in Kind::ALL {
            for way in Way::ALL {
                for _ in 0..rounds {
                    self.damage_one(kind, way, chance, tally);
                }
            }
        }
    }

    fn damage_one(&self, kind: Kind, way: Way, chance: &mut Chance, tally: &mut Tally) {
        let (kept, observer) = &self.folders[chance.index(self.folders.len())];
        let data = self.folder.join("damaged");
        copy(kept, &data).expect("there is room");
        let files = files(&data, kind);
        // A store that was closed well has an empty log, and one that was killed early no table.
        if !files.is_empty() {
            let file = chance.one_of(&files).clone();
            way.apply(&file, chance);
            let mut observer = observer.until(u64::MAX);
            let mut node = Talead::at(data.clone()).watched(Vec::new());
            let outcome = examine(&mut node, self.whose, &mut observer, chance);
            tally.count(format!("{}, {}", kind.name(), way.name()), &outcome);
            if matches!(outcome, Outcome::Silent(_) | Outcome::Other | Outcome::Mute) {
                eprintln!("{} {}: {outcome:?}", file.display(), way.name());
            }
        }
        fs::remove_dir_all(data).expect("it was made here");
    }
}

/// The files of a kind, with something in them where there is a choice.
fn files(data: &Path, kind: Kind) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [data.to_owned(), data.join("store"), data.join("promise")] {
        let files = fs::read_dir(folder).expect("it is there").map(|file| file.expect("listed"));
        found.extend(files.map(|file| file.path()).filter(|path| kind.is(path)));
    }
    let is_full = |path: &PathBuf| fs::metadata(path).is_ok_and(|about| about.len() > 0);
    if found.iter().any(is_full) {
        found.retain(is_full);
    }
    found.sort();
    found
}
