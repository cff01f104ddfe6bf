//! What a disk may hold after the power is cut: everything synced, and some of the rest.
//!
//! The journal of the shim (`tests/crash/shim.c`) says what a process did to its folder. A file's
//! bytes are safe after a sync of the file, its name after a sync of the folder. Of what is not,
//! any part may be there: of the names of a folder, the first changes; of a file, none of the
//! writes, the first and a part of the next, or any sectors of any of them. Nothing here knows
//! what the files mean.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::chance::Chance;

/// What a disk writes whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

/// An operation that a process has done.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Deed {
    Create,
    Write { at: u64, bytes: Vec<u8> },
    Length(u64),
    Rename(PathBuf),
    Unlink,
    Folder,
    SyncBegin,
    SyncEnd,
    Link(PathBuf),
}

/// The operations of a process, and where in the journal each ends.
pub struct Journal {
    deeds: Vec<(u64, PathBuf, Deed)>,
}

impl Journal {
    /// Reads a journal. A record that is cut off at its end was not finished.
    ///
    /// # Errors
    /// The system's, or [`io::ErrorKind::InvalidData`] for what the shim does not write.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let mut deeds = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((path, deed, after)) = record(rest)? {
            rest = after;
            let end = bytes.len() - rest.len();
            deeds.push((u64::try_from(end).expect("fits"), path, deed));
        }
        Ok(Self { deeds })
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.deeds.len()
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deeds.is_empty()
    }

    /// How long the journal was after so many operations.
    #[must_use]
    pub fn length_after(&self, count: usize) -> u64 {
        count.checked_sub(1).and_then(|last| self.deeds.get(last)).map_or(0, |(end, ..)| *end)
    }
}

fn record(bytes: &[u8]) -> io::Result<Option<(PathBuf, Deed, &[u8])>> {
    let Some((head, rest)) = bytes.split_first_chunk::<33>() else { return Ok(None) };
    let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
    let length = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let lengths = [length(25), length(29)].map(|length| usize::try_from(length).expect("fits"));
    let Some((path, rest)) = rest.split_at_checked(lengths[0]) else { return Ok(None) };
    let Some((data, rest)) = rest.split_at_checked(lengths[1]) else { return Ok(None) };
    let text = |bytes: &[u8]| {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        Ok::<PathBuf, io::Error>(PathBuf::from(text))
    };
    let deed = match head[0] {
        1 => Deed::Create,
        2 => Deed::Write { at: number(1), bytes: data.to_vec() },
        3 => Deed::Length(number(1)),
        4 => Deed::Rename(text(data)?),
        5 => Deed::Unlink,
        6 => Deed::Folder,
        7 => Deed::SyncBegin,
        8 => Deed::SyncEnd,
        9 => Deed::Link(text(data)?),
        other => return Err(io::Error::other(format!("a record of kind {other}"))),
    };
    Ok(Some((text(path)?, deed, rest)))
}

/// How much of what was not synced is on the disk.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rest {
    /// Nothing.
    None,
    /// Everything, as after a kill.
    All,
    /// The first of it, torn within a write.
    First,
    /// Any sectors of it, in any order.
    Sectors,
}

impl Rest {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::All, Self::First, Self::Sectors];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "power cut, only what was synced",
            Self::All => "power cut, all that was written",
            Self::First => "power cut, the first of the rest, torn",
            Self::Sectors => "power cut, any sectors of the rest",
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// A file or a folder, whatever its name.
#[derive(Clone, Debug)]
enum Node {
    File { safe: Vec<u8>, rest: Vec<Change> },
    Folder { safe: Names, now: Names, rest: Vec<Names> },
}

type Names = BTreeMap<PathBuf, usize>;

/// A folder's files as the process sees them, and as the disk must have them.
#[derive(Clone, Debug)]
pub struct Disk {
    nodes: Vec<Node>,
    /// How many changes a node had when its sync began.
    syncing: BTreeMap<usize, usize>,
}

impl Disk {
    /// The folder as it is, all of it on the disk.
    ///
    /// # Errors
    /// The system's.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let mut disk = Self { nodes: Vec::new(), syncing: BTreeMap::new() };
        let _ = disk.load(folder)?;
        Ok(disk)
    }

    fn load(&mut self, folder: &Path) -> io::Result<usize> {
        let number =
            self.add(Node::Folder { safe: Names::new(), now: Names::new(), rest: Vec::new() });
        for found in fs::read_dir(folder)? {
            let found = found?;
            let kind = found.file_type()?;
            let inner = if kind.is_dir() {
                self.load(&found.path())?
            } else if kind.is_file() {
                self.add(Node::File { safe: fs::read(found.path())?, rest: Vec::new() })
            } else {
                continue;
            };
            let Node::Folder { safe, now, .. } = &mut self.nodes[number] else { continue };
            safe.insert(found.file_name().into(), inner);
            now.insert(found.file_name().into(), inner);
        }
        Ok(number)
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Does what the process did, from one operation to another.
    ///
    /// # Panics
    /// If that cannot be: then the shim has missed something.
    pub fn follow(&mut self, journal: &Journal, from: usize, to: usize) {
        for (_, path, deed) in &journal.deeds[from..to] {
            self.perform(path, deed);
        }
    }

    fn perform(&mut self, path: &Path, deed: &Deed) {
        match deed {
            Deed::Create => {
                let file = self.add(Node::File { safe: Vec::new(), rest: Vec::new() });
                self.set(path, file);
            }
            Deed::Folder => {
                let (safe, now, rest) = (Names::new(), Names::new(), Vec::new());
                let folder = self.add(Node::Folder { safe, now, rest });
                self.set(path, folder);
            }
            Deed::Write { at, bytes } => {
                let at = usize::try_from(*at).expect("fits");
                self.change(path, Change::Write { at, bytes: bytes.clone() });
            }
            Deed::Length(length) => {
                self.change(path, Change::Length(usize::try_from(*length).expect("fits")));
            }
            Deed::Unlink => self.unset(path),
            Deed::Link(to) => {
                let node = self.find(path);
                self.set(to, node);
            }
            Deed::Rename(to) => self.rename(path, to),
            Deed::SyncBegin => {
                let Some(node) = self.there(path) else { return };
                let count = match &self.nodes[node] {
                    Node::File { rest, .. } => rest.len(),
                    Node::Folder { rest, .. } => rest.len(),
                };
                self.syncing.insert(node, count);
            }
            Deed::SyncEnd => {
                let Some(node) = self.there(path) else { return };
                let count = self.syncing.remove(&node).unwrap_or(0);
                self.sync(node, count);
            }
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let node = self.find(from);
        if from.parent() == to.parent() {
            let old = file_name(from);
            self.name(to, |names, name| {
                names.remove(&old);
                names.insert(name, node);
            });
        } else {
            self.set(to, node);
            self.unset(from);
        }
    }

    /// Of these many changes of a node it is known now that they are on the disk.
    fn sync(&mut self, node: usize, count: usize) {
        match &mut self.nodes[node] {
            Node::File { safe, rest } => {
                let done = rest.drain(..count.min(rest.len())).collect::<Vec<_>>();
                done.iter().for_each(|change| apply(safe, change));
            }
            Node::Folder { safe, rest, .. } => {
                let mut done = rest.drain(..count.min(rest.len()));
                if let Some(last) = done.next_back() {
                    *safe = last;
                }
            }
        }
        // A sync that began before and ends later has fewer changes before it now.
        if let Some(begun) = self.syncing.get_mut(&node) {
            *begun = begun.saturating_sub(count);
        }
    }

    fn set(&mut self, path: &Path, node: usize) {
        self.name(path, |names, name| {
            names.insert(name, node);
        });
    }

    fn unset(&mut self, path: &Path) {
        self.name(path, |names, name| {
            names.remove(&name);
        });
    }

    fn name(&mut self, path: &Path, change: impl FnOnce(&mut Names, PathBuf)) {
        let above = path.parent().map_or(0, |above| self.find(above));
        let Node::Folder { now, rest, .. } = &mut self.nodes[above] else {
            panic!("{} is in no folder", path.display());
        };
        change(now, file_name(path));
        rest.push(now.clone());
    }

    fn change(&mut self, path: &Path, change: Change) {
        // A file without a name is gone after any cut.
        let Some(node) = self.there(path) else { return };
        let Node::File { rest, .. } = &mut self.nodes[node] else {
            panic!("{} is no file", path.display());
        };
        rest.push(change);
    }

    fn find(&self, path: &Path) -> usize {
        self.there(path).unwrap_or_else(|| panic!("{} is not there", path.display()))
    }

    fn there(&self, path: &Path) -> Option<usize> {
        let mut node = 0;
        for part in path {
            let Node::Folder { now, .. } = &self.nodes[node] else { return None };
            node = *now.get(Path::new(part))?;
        }
        Some(node)
    }

    /// Writes what a disk may hold to a new folder.
    ///
    /// # Errors
    /// The system's.
    pub fn develop(&self, folder: &Path, rest: Rest, chance: &mut Chance) -> io::Result<()> {
        self.develop_node(0, folder, rest, chance)
    }

    fn develop_node(
        &self,
        node: usize,
        path: &Path,
        how: Rest,
        chance: &mut Chance,
    ) -> io::Result<()> {
        match &self.nodes[node] {
            Node::File { safe, rest } => fs::write(path, content(safe.clone(), rest, how, chance)),
            Node::Folder { safe, rest, .. } => {
                fs::create_dir(path)?;
                let count = match how {
                    Rest::None => 0,
                    Rest::All => rest.len(),
                    Rest::First | Rest::Sectors => chance.index(rest.len() + 1),
                };
                let names = count.checked_sub(1).map_or(safe, |last| &rest[last]);
                for (name, node) in names {
                    self.develop_node(*node, &path.join(name), how, chance)?;
                }
                Ok(())
            }
        }
    }
}

fn content(mut safe: Vec<u8>, rest: &[Change], how: Rest, chance: &mut Chance) -> Vec<u8> {
    match how {
        Rest::None => {}
        Rest::All => rest.iter().for_each(|change| apply(&mut safe, change)),
        Rest::First => {
            let whole = chance.index(rest.len() + 1);
            rest[..whole].iter().for_each(|change| apply(&mut safe, change));
            if let Some(Change::Write { at, bytes }) = rest.get(whole) {
                let sectors = bytes.len() / SECTOR_BYTES;
                let torn = chance.index(sectors + 1) * SECTOR_BYTES;
                apply(&mut safe, &Change::Write { at: *at, bytes: bytes[..torn].to_vec() });
            }
        }
        Rest::Sectors => {
            for change in rest {
                match change {
                    Change::Length(_) if chance.percent(50) => apply(&mut safe, change),
                    Change::Length(_) => {}
                    Change::Write { at, bytes } => some(&mut safe, *at, bytes, chance),
                }
            }
        }
    }
    safe
}

/// Writes every second sector or so, as they lie on the disk.
fn some(file: &mut Vec<u8>, at: usize, bytes: &[u8], chance: &mut Chance) {
    let (mut place, mut left) = (at, bytes);
    while !left.is_empty() {
        let here = (SECTOR_BYTES - place % SECTOR_BYTES).min(left.len());
        let (sector, after) = left.split_at(here);
        if chance.percent(50) {
            apply(file, &Change::Write { at: place, bytes: sector.to_vec() });
        }
        (place, left) = (place + here, after);
    }
}

fn apply(file: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => file.resize(*length, 0),
        Change::Write { at, bytes } => {
            let end = at + bytes.len();
            if file.len() < end && !bytes.is_empty() {
                file.resize(end, 0);
            }
            if !bytes.is_empty() {
                file[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

fn file_name(path: &Path) -> PathBuf {
    path.file_name().map(PathBuf::from).expect("a path below the root")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(deeds: &[(&str, Deed)]) -> Journal {
        let place = |(path, deed): &(&str, Deed)| (0, PathBuf::from(path), deed.clone());
        Journal { deeds: deeds.iter().map(place).collect() }
    }

    fn write(at: u64, bytes: &[u8]) -> Deed {
        Deed::Write { at, bytes: bytes.to_vec() }
    }

    fn developed(deeds: &[(&str, Deed)], rest: Rest, seed: u64) -> BTreeMap<String, Vec<u8>> {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut disk = Disk::of(from.path()).unwrap();
        disk.follow(&journal(deeds), 0, deeds.len());
        let image = to.path().join("image");
        disk.develop(&image, rest, &mut Chance::new(seed)).unwrap();
        let mut found = BTreeMap::new();
        let mut folders = vec![image.clone()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&image).unwrap().to_str().unwrap().to_owned();
                    found.insert(name, fs::read(path).unwrap());
                }
            }
        }
        found
    }

    /// A file that is written to its place beside it, synced there, moved, and its folder synced:
    /// before the last step, the old one or the new one, and never half of it.
    #[test]
    fn a_file_that_is_replaced_is_old_or_new_after_any_cut() {
        let old = [
            ("a", Deed::Create),
            ("a", write(0, b"old")),
            ("a", Deed::SyncBegin),
            ("a", Deed::SyncEnd),
            ("", Deed::SyncBegin),
            ("", Deed::SyncEnd),
        ];
        let new = [
            ("b", Deed::Create),
            ("b", write(0, b"newer")),
            ("b", Deed::SyncBegin),
            ("b", Deed::SyncEnd),
            ("b", Deed::Rename("a".into())),
            ("", Deed::SyncBegin),
            ("", Deed::SyncEnd),
        ];
        for done in 0..=new.len() {
            let deeds = [&old[..], &new[..done]].concat();
            for (rest, seed) in Rest::ALL.into_iter().zip([1, 1, 1, 1]).chain([(Rest::First, 2)]) {
                let found = developed(&deeds, rest, seed);
                let content = &found["a"];
                assert!(content == b"old" || (done >= 5 && content == b"newer"), "{done} {rest:?}");
                assert!(done < new.len() || content == b"newer", "{rest:?}");
            }
        }
    }

    #[test]
    fn what_is_written_after_a_sync_began_is_not_safe_when_it_ends() {
        let deeds = [
            ("a", Deed::Create),
            ("", Deed::SyncBegin),
            ("", Deed::SyncEnd),
            ("a", write(0, b"one")),
            ("a", Deed::SyncBegin),
            ("a", write(3, b"two")),
            ("a", Deed::SyncEnd),
        ];
        assert_eq!(developed(&deeds, Rest::None, 1)["a"], b"one");
        assert_eq!(developed(&deeds, Rest::All, 1)["a"], b"onetwo");
    }

    #[test]
    fn a_name_is_not_safe_before_its_folder_is_synced() {
        let deeds = [
            ("f", Deed::Folder),
            ("f/a", Deed::Create),
            ("f/a", write(0, b"kept")),
            ("f/a", Deed::SyncBegin),
            ("f/a", Deed::SyncEnd),
        ];
        assert_eq!(developed(&deeds, Rest::None, 1), BTreeMap::new());
        assert_eq!(developed(&deeds, Rest::All, 1)["f/a"], b"kept");
    }

    #[test]
    fn a_torn_write_ends_at_a_sector_and_any_sectors_may_be_missing() {
        let deeds = [
            ("a", Deed::Create),
            ("", Deed::SyncBegin),
            ("", Deed::SyncEnd),
            ("a", write(0, &[7; 4 * SECTOR_BYTES])),
        ];
        let mut lengths = std::collections::BTreeSet::new();
        let mut holes = 0;
        for seed in 0..200 {
            lengths.insert(developed(&deeds, Rest::First, seed)["a"].len());
            let sectors = developed(&deeds, Rest::Sectors, seed).remove("a").unwrap();
            assert!(sectors.chunks(SECTOR_BYTES).all(|it| it == [0; SECTOR_BYTES] || it[0] == 7));
            holes += usize::from(sectors.contains(&0));
        }
        assert!(lengths.iter().all(|length| length.is_multiple_of(SECTOR_BYTES)));
        assert_eq!((lengths.len(), holes > 50), (5, true));
    }

    #[test]
    fn a_record_that_was_cut_off_was_not_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut bytes = vec![2];
        bytes.extend([5_u64, 0, 0].iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend([1_u32, 3].iter().flat_map(|length| length.to_le_bytes()));
        bytes.extend(b"aabc");
        let one = bytes.len();
        bytes.extend(bytes.clone());
        for cut in [0, 1, one - 1, one, one + 1, 2 * one] {
            fs::write(&path, &bytes[..cut]).unwrap();
            let journal = Journal::read(&path).unwrap();
            assert_eq!(journal.len(), cut / one);
            assert!(journal.length_after(journal.len()) <= u64::try_from(cut).unwrap());
        }
        let deed = &Journal::read(&path).unwrap().deeds[0];
        assert_eq!(deed, &(one as u64, "a".into(), write(5, b"abc")));
    }
}
