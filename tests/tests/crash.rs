//! A node is killed a hundred times while members submit: nothing that it acknowledged is missing.
//!
//! The observer stands outside (`src/crash/scene.rs`): every acknowledged entry at its index, byte
//! for byte; no log shorter than before; one root for each size. That it can report a loss is shown
//! on a real node below. SIGKILL ends a process and no machine: writes that were never synced
//! survive it. Power cuts are another test's business (design, reliability, section 3).

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use talea_protocol::hash::EntryId;
use talea_tests::chance::Chance;
use talea_tests::crash::kills::kills;
use talea_tests::crash::scene::{LANES, Scene, copy};
use talea_tests::crash::tally::Tally;
use talea_tests::load::load;
use talea_tests::observer::Fault;
use talea_tests::process::Talead;

/// Kills under load; some more hit a node that is just starting.
const KILLS: usize = 100;
/// Entries of one member in one life of the node: who is through with them ends that life.
const SHARE: usize = 32;

#[test]
fn nothing_acknowledged_is_missing_after_a_hundred_kills() {
    let seed = std::env::var("TALEA_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    println!("seed {seed}; another with TALEA_SEED=n");
    let folder = tempfile::tempdir().unwrap();
    let mut tally = Tally::default();
    let said = kills(folder.path(), KILLS, &mut Chance::new(seed), &mut tally);
    println!("{said}");
    assert!(tally.bad().is_empty(), "{:?}", tally.bad());
    assert_eq!((tally.trials(), tally.silent()), (u64::try_from(KILLS).unwrap(), 0), "{said}");
    assert!(said.contains(" 0 missing"), "{said}");
}

#[test]
fn a_node_whose_disk_is_put_back_to_an_older_day_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let (data, older) = (folder.path().join("a"), folder.path().join("b"));
    let node = Talead::new(data.clone());
    let entries = load(LANES, 2 * LANES * SHARE, &[node.node()], 1);
    let mut scene = Scene::new(node, &entries, None);
    let mut chance = Chance::new(1);

    scene.submit(2).unwrap();
    scene.node.kill();
    copy(&data, &older).unwrap();
    scene.node.start();
    scene.inspect(&mut chance).unwrap();
    assert!(scene.observer().faults().is_empty(), "{:?}", scene.observer().faults());
    assert!(scene.live(SHARE, Duration::from_secs(60), Talead::kill), "one was through");
    let lost: BTreeSet<EntryId> = scene.observer().take_fresh().into_iter().collect();
    assert!(lost.len() >= SHARE, "with its share");
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&older, &data).unwrap();
    scene.node.start();
    scene.inspect(&mut chance).unwrap();

    let observer = scene.observer();
    assert!(observer.faults().iter().any(|fault| matches!(fault, Fault::Shorter { .. })));
    assert_eq!(observer.missing(), lost);
}
