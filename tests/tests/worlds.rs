//! Worlds in which the simulation has found something once, made small, and played again.
//!
//! What each found is in its file's name; `./tools/sim --replay FILE` says what becomes of one.

use std::path::PathBuf;

use talea_tests::world;
use talea_tests::world::scenario::Scenario;

fn kept() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/worlds");
    let files = std::fs::read_dir(folder).expect("the folder is there");
    files.map(|file| file.expect("a file").path()).collect()
}

#[test]
fn worlds_in_which_something_was_found_hold_what_must_hold() {
    let files = kept();
    assert!(files.len() >= 19, "{} are here", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let scenario: Scenario = serde_json::from_str(&text).expect("a scenario");
        if let Err(violation) = world::run(&scenario, None) {
            panic!("{}: {violation}", file.display());
        }
    }
}
