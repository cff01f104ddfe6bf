//! Disks that are full or fail while a node runs, and clocks that are years off.
//!
//! A shim fails what the node asks of its disk, and shifts its clock; a small file system is really
//! full, where the user may mount one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::chance::Chance;
use crate::crash::scene::{LANES, Scene, Whose};
use crate::crash::shim::{Order, Shim};
use crate::crash::tally::{Outcome, Tally, examine, look};
use crate::load::load;
use crate::process::Talead;

/// Entries of one member before and after the trouble.
const SHARE: usize = 8;
/// Entries of one member meanwhile: more than the node lives to take.
const TROUBLED: usize = 400;
/// Ten years, in seconds.
const TEN_YEARS: i64 = 10 * 365 * 86_400;
/// A small file system, in KiB: room for a store, and for some seconds of entries.
const SMALL_KIB: u64 = 1_536;

/// What fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// No room is left.
    Full,
    /// A sync fails.
    Sync,
    /// A write fails.
    Write,
    /// A read fails.
    Read,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::Sync, Self::Write, Self::Read];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "disk full (ENOSPC)",
            Self::Sync => "a sync fails (EIO)",
            Self::Write => "writes fail (EIO)",
            Self::Read => "reads fail (EIO)",
        }
    }

    const fn order(self) -> Order {
        match self {
            Self::Full => Order::Space,
            Self::Sync => Order::Syncs,
            Self::Write => Order::Writes,
            Self::Read => Order::Reads,
        }
    }

    /// How much still goes well.
    fn amount(self, chance: &mut Chance) -> i64 {
        let (low, high) = match self {
            Self::Full => (1, 60_000),
            Self::Sync | Self::Write => (1, 60),
            Self::Read => (1, 20),
        };
        i64::try_from(chance.between(low, high)).expect("fits")
    }
}

/// Gives a node's disk trouble so many times, while it runs under load; `false` without a shim.
///
/// # Panics
/// If the node does not run on a disk that is well.
pub fn trouble(
    folder: &Path,
    what: Trouble,
    count: usize,
    chance: &mut Chance,
    tally: &mut Tally,
) -> bool {
    let Some(shim) = Shim::new() else { return false };
    let data = folder.join(format!("{what:?}"));
    let mut node = Talead::made(data.clone()).watched(shim.environment(&data, false));
    node.start();
    let entries = load(LANES, count * LANES * (TROUBLED + SHARE), &[node.node()], 1);
    let mut scene = Scene::new(node, &entries, None);
    for _ in 0..count {
        scene.submit(SHARE).expect("the disk is well");
        shim.order(what.order(), what.amount(chance));
        if what == Trouble::Read {
            let kind = format!("{}, running", what.name());
            troubled_reads(&mut scene, &kind, chance, tally);
        } else {
            let through = scene.live(TROUBLED, Duration::from_secs(60), |_| {});
            let ended = scene.node.end();
            if through || ended.status.is_none() || !ended.said.contains("what reached the disk") {
                tally.wrong(format!("{}: it went on, or said nothing: {ended:?}", what.name()));
            }
            // Still in trouble: whether it starts is its choice, whether it lies is not.
            judge(&mut scene, &format!("{}, still so", what.name()), chance, tally);
        }
        shim.order(what.order(), -1);
        judge(&mut scene, &format!("{}, mended", what.name()), chance, tally);
        if scene.node.try_start().is_err() {
            break;
        }
    }
    true
}

/// Asks a node for all that it keeps while its disk does not read.
fn troubled_reads(scene: &mut Scene<'_>, kind: &str, chance: &mut Chance, tally: &mut Tally) {
    for _ in 0..4 {
        let mut observer = scene.observer().until(u64::MAX);
        let outcome = look(&scene.node, scene.whose(), &mut observer, chance);
        tally.count(kind, &outcome);
    }
    scene.node.kill();
}

/// Starts a node that is down, looks what it has, and kills it.
fn judge(scene: &mut Scene<'_>, kind: &str, chance: &mut Chance, tally: &mut Tally) {
    let mut observer = scene.observer().until(u64::MAX);
    let whose = scene.whose();
    let outcome = examine(&mut scene.node, whose, &mut observer, chance);
    tally.count(kind, &outcome);
    if !matches!(outcome, Outcome::Refused(_) | Outcome::Mute) {
        scene.node.kill();
    }
}

/// A node's clock is ten years ahead, ten years behind, and jumps while it runs; `false` without a
/// shim.
///
/// # Panics
/// If the node does not run.
pub fn clocks(folder: &Path, rounds: usize, chance: &mut Chance, tally: &mut Tally) -> bool {
    let Some(shim) = Shim::new() else { return false };
    let data = folder.join("clock");
    let mut node = Talead::made(data.clone()).watched(shim.environment(&data, false));
    node.start();
    let entries = load(LANES, rounds * 6 * LANES * SHARE, &[node.node()], 1);
    let mut scene = Scene::new(node, &entries, None);
    for _ in 0..rounds {
        for (name, ahead) in
            [("right", 0), ("ten years ahead", TEN_YEARS), ("ten years behind", -TEN_YEARS)]
        {
            scene.node.kill();
            shim.order(Order::Clock, ahead);
            scene.ahead = ahead;
            let kind = format!("clock {name}");
            let mut observer = scene.observer().until(u64::MAX);
            let whose = scene.whose();
            let outcome = examine(&mut scene.node, whose, &mut observer, chance);
            tally.count(&kind, &outcome);
            // Entries dated ahead of a clock that is behind wait for their time (rule 23).
            let submitted = scene.submit(SHARE);
            let is_early = |said: &std::io::Error| said.to_string().contains("rule-23");
            let is_right = submitted.as_ref().map_or_else(is_early, |()| true);
            if !is_right || submitted.is_ok() != (ahead >= 0) {
                tally.wrong(format!("{kind}: {submitted:?}"));
            }
            // And it jumps: nothing changes before the next start.
            shim.order(Order::Clock, -ahead);
            let mut observer = scene.observer().until(u64::MAX);
            let outcome =
                look(&scene.node, Whose { ahead: -ahead, ..whose }, &mut observer, chance);
            tally.count(format!("{kind}, jumps"), &outcome);
        }
    }
    scene.node.kill();
    true
}

/// A small file system, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    /// `None` where this user may not mount one.
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).ok()?;
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={SMALL_KIB}k"), "none"], &at);
        mounted.then(|| Self(at))
    }

    fn grow(&self) {
        assert!(mount(&["-o", "remount,size=64m"], &self.0), "what was mounted can be grown");
    }
}

fn mount(words: &[&str], at: &Path) -> bool {
    let done = Command::new("mount").args(words).arg(at).output();
    done.is_ok_and(|output| output.status.success())
}

impl Drop for Small {
    fn drop(&mut self) {
        // Nobody holds it any more; if somebody does, the system lets go of it later.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Fills a small file system with entries; `false` where none may be mounted.
///
/// # Panics
/// If the node does not run while there is room.
pub fn small(folder: &Path, chance: &mut Chance, tally: &mut Tally) -> bool {
    // Its log is kept beside its folder: outside of the small file system, or on it.
    ["", "data"].into_iter().all(|data| small_with(folder, data, chance, tally))
}

fn small_with(folder: &Path, data: &str, chance: &mut Chance, tally: &mut Tally) -> bool {
    let Some(disk) = Small::mount(folder.join(format!("small{data}"))) else { return false };
    let mut node = Talead::made(disk.0.join(data)).watched(Vec::new());
    node.start();
    let entries = load(LANES, LANES * 4_000, &[node.node()], 1);
    let mut scene = Scene::new(node, &entries, None);
    let through = scene.live(4_000, Duration::from_secs(60), |_| {});
    if through {
        tally.wrong("a small file system was never full");
    }
    let ended = scene.node.end();
    if ended.status.is_none() {
        tally.wrong(format!("on a full file system it hung: {ended:?}"));
    }
    if !data.is_empty() {
        // There is no room for a reason either: what counts is what is there when there is room.
        disk.grow();
    }
    judge(&mut scene, "small file system, full", chance, tally);
    disk.grow();
    let mut observer = scene.observer().until(u64::MAX);
    let whose = scene.whose();
    let outcome = examine(&mut scene.node, whose, &mut observer, chance);
    tally.count("small file system, grown", &outcome);
    if let Err(cause) = scene.submit(SHARE) {
        tally.wrong(format!("with room again it takes nothing: {cause}"));
    }
    scene.node.kill();
    true
}
