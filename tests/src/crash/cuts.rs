//! The power is cut: what a node finds on the disk then, made from a journal of what it wrote and
//! synced.
//!
//! The observer's clock is the journal's length: what was acknowledged when it was no longer than
//! at the cut must be there. Also with the store of one cut and the promises of a later one, as
//! after a disk that was put back to an older day.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use talea_node::promise::Promises;

use crate::chance::Chance;
use crate::crash::image::{Disk, Journal, Rest};
use crate::crash::scene::{LANES, Scene, Whose};
use crate::crash::shim::Shim;
use crate::crash::tally::{Outcome, Tally, examine};
use crate::load::load;
use crate::observer::Observer;
use crate::process::Talead;

/// Entries of one member in one life.
const SHARE: usize = 24;
/// Lives of the node, each of which begins with the tables and ends with the logs of the one before.
const LIVES: usize = 3;
/// The kind of the trials with an older store in the tally.
pub const OLDER: &str = "store of an older day, promise kept";

/// A node that ran under a journal, and what it said meanwhile.
pub struct Recorded {
    /// What it did to its folder.
    pub journal: Journal,
    /// What it said, and how long the journal was then.
    pub observer: Observer,
    /// Its folder before.
    pub before: Disk,
    whose: Whose,
    /// How long the journal was when the cooperative was kept.
    hosted: u64,
    folder: PathBuf,
}

/// Runs a node under load with a journal; `None` where there is no shim.
///
/// # Panics
/// If the node does not run.
#[must_use]
pub fn record(folder: &Path) -> Option<Recorded> {
    let shim = Shim::new()?;
    let data = folder.join("recorded");
    let node = Talead::made(data.clone());
    let before = Disk::of(&data).expect("its folder can be read");
    let mut node = node.watched(shim.environment(&data, true));
    node.start();
    let entries = load(LANES, LIVES * LANES * SHARE, &[node.node()], 1);
    let mut scene = Scene::new(node, &entries, Some(shim.journal()));
    let hosted = fs::metadata(shim.journal()).expect("a journal is kept").len();
    for life in 0..LIVES {
        if life > 0 {
            scene.node.start();
        }
        let through = scene.live(SHARE, Duration::from_secs(60), |_| {});
        assert!(through, "a node that nobody troubles takes entries");
        // Not killed: between a write and its record there must be no end.
        scene.node.stop();
    }
    let journal = Journal::read(&shim.journal()).expect("the shim wrote it");
    let observer = std::mem::take(scene.observer());
    let whose = scene.whose();
    Some(Recorded { journal, observer, before, whose, hosted, folder: folder.to_owned() })
}

impl Recorded {
    /// An operation after which the cooperative was kept.
    fn moment(&self, chance: &mut Chance) -> usize {
        loop {
            let count = chance.index(self.journal.len()) + 1;
            if self.journal.length_after(count) > self.hosted {
                return count;
            }
        }
    }

    fn develop(&self, count: usize, rest: Rest, name: &str, chance: &mut Chance) -> PathBuf {
        let mut disk = self.before.clone();
        disk.follow(&self.journal, 0, count);
        let path = self.folder.join(name);
        disk.develop(&path, rest, chance).expect("there is room");
        // Unix permissions are in no journal.
        use std::os::unix::fs::PermissionsExt;
        let key = path.join("node.key");
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("it is there");
        path
    }

    /// Cuts the power at so many moments; what a node makes of the disk is counted.
    ///
    /// # Panics
    /// If there is no room for an image.
    pub fn cut(&self, count: usize, chance: &mut Chance, tally: &mut Tally) {
        for number in 0..count {
            let rest = Rest::ALL[number % Rest::ALL.len()];
            let moment = self.moment(chance);
            let image = self.develop(moment, rest, "image", chance);
            let mut observer = self.observer.until(self.journal.length_after(moment));
            self.compare_promise(&image, &observer, tally);
            let mut node = Talead::at(image.clone()).watched(Vec::new());
            let outcome = examine(&mut node, self.whose, &mut observer, chance);
            if outcome != Outcome::Whole {
                eprintln!("cut at operation {moment}, {}: {outcome:?}", rest.name());
            }
            tally.count(rest.name(), &outcome);
            drop(node);
            fs::remove_dir_all(image).expect("it was made here");
        }
    }

    /// Nothing was shown or acknowledged that the promise on the disk does not cover.
    fn compare_promise(&self, image: &Path, observer: &Observer, tally: &mut Tally) {
        let promises = Promises::open(&image.join("promise"), self.whose.cooperative);
        let promised = promises.ok().and_then(|promises| promises.newest().map(|it| it.size));
        if promised.unwrap_or(0) < observer.floor() {
            let floor = observer.floor();
            tally.wrong(format!("{floor} leaves were shown, and {promised:?} promised on disk"));
        }
    }

    /// Puts the store back to an older day and keeps the promises; counted as the others.
    ///
    /// # Panics
    /// If there is no room for an image.
    pub fn put_back(&self, count: usize, chance: &mut Chance, tally: &mut Tally) {
        for _ in 0..count {
            let mut moments = [self.moment(chance), self.moment(chance)];
            moments.sort_unstable();
            let older = self.develop(moments[0], Rest::None, "older", chance);
            let newer = self.develop(moments[1], Rest::None, "newer", chance);
            fs::remove_dir_all(newer.join("store")).expect("it was made here");
            if older.join("store").exists() {
                fs::rename(older.join("store"), newer.join("store")).expect("in one folder");
            }
            let mut observer = self.observer.until(self.journal.length_after(moments[1]));
            let mut node = Talead::at(newer.clone()).watched(Vec::new());
            let outcome = examine(&mut node, self.whose, &mut observer, chance);
            tally.count(OLDER, &outcome);
            drop(node);
            for folder in [older, newer] {
                fs::remove_dir_all(folder).expect("it was made here");
            }
        }
    }
}
