//! SIGKILL at random, under load and while the node starts.
//!
//! It ends a process and no machine: writes that were never synced survive it. Power cuts are
//! another trial.

use std::path::Path;
use std::time::Duration;

use crate::chance::Chance;
use crate::crash::scene::{LANES, Scene};
use crate::crash::tally::{Outcome, Tally, look};
use crate::load::load;
use crate::process::Talead;

/// Entries of one member in one life of the node: who is through with them ends that life.
const SHARE: usize = 32;
/// From the first submission to the kill, in µs.
const LIFE_US: (u64, u64) = (5_000, 120_000);
/// From the start of the process to a kill before anybody was answered, in µs.
const BIRTH_US: (u64, u64) = (1_000, 80_000);
/// The kind of these trials in the tally.
pub const KIND: &str = "kill -9 under load";

/// Kills a node so many times; what is left after each kill is counted.
///
/// # Panics
/// If there was no load at all.
pub fn kills(folder: &Path, count: usize, chance: &mut Chance, tally: &mut Tally) -> String {
    let node = Talead::new(folder.join("killed"));
    let entries = load(LANES, (count + 1) * LANES * SHARE, &[node.node()], 1);
    let mut scene = Scene::new(node, &entries, None);
    let mut unborn = 0;
    for _ in 0..count {
        let long = micros(chance, LIFE_US);
        scene.live(SHARE, long, Talead::kill);
        while chance.percent(20) {
            scene.node.start_and_kill(micros(chance, BIRTH_US));
            unborn += 1;
        }
        scene.node.start();
        let mut observer = std::mem::take(scene.observer());
        let outcome = look(&scene.node, scene.whose(), &mut observer, chance);
        let is_whole = outcome == Outcome::Whole;
        tally.count(KIND, &outcome);
        *scene.observer() = observer;
        if !is_whole {
            break;
        }
    }
    scene.node.kill();
    if let Err(said) = scene.node.try_check() {
        tally.wrong(format!("talead check after {count} kills: {said}"));
    }
    let untold = scene.untold();
    let observer = scene.observer();
    let all = observer.acknowledged().len();
    assert!(all > count, "there was no load: {all} acknowledged");
    let missing = observer.missing().len();
    format!(
        "{count} kills, {all} acknowledged, {missing} missing; {} checkpoints of one log that \
         grew; {unborn} more kills hit a node that was starting; {untold} entries were kept before \
         anybody was told",
        observer.checkpoints()
    )
}

fn micros(chance: &mut Chance, (low, high): (u64, u64)) -> Duration {
    Duration::from_micros(chance.between(low, high))
}
