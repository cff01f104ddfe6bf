//! What may happen to a node's disk, a little of each: nothing acknowledged is missing without a word.
//!
//! `./tools/crash` does a lot of it, and prints the same counts.

use talea_tests::chance::Chance;
use talea_tests::crash::cuts::record;
use talea_tests::crash::damage::Subjects;
use talea_tests::crash::disks::{Trouble, clocks, small, trouble};
use talea_tests::crash::tally::Tally;

/// Prints what came of it; the test ends if anything is wrong.
fn verdict(tally: &Tally) {
    println!("{tally}");
    assert_eq!(tally.silent(), 0);
    assert!(tally.bad().is_empty(), "{:?}", tally.bad());
    assert!(tally.trials() > 0, "nothing was tried");
}

#[test]
fn after_a_power_cut_all_that_was_acknowledged_is_there_or_the_node_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some(recorded) = record(folder.path()) else {
        return println!("skipped: there is no C compiler for the shim");
    };
    let (mut chance, mut tally) = (Chance::new(1), Tally::default());
    recorded.cut(24, &mut chance, &mut tally);
    recorded.put_back(6, &mut chance, &mut tally);
    verdict(&tally);
}

#[test]
fn a_damaged_file_of_any_kind_loses_nothing_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let mut tally = Tally::default();
    Subjects::new(folder.path()).damage(1, &mut Chance::new(1), &mut tally);
    verdict(&tally);
}

#[test]
fn a_disk_that_is_full_or_fails_loses_nothing_and_is_written_again_when_it_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let (mut chance, mut tally) = (Chance::new(1), Tally::default());
    for what in Trouble::ALL {
        if !trouble(folder.path(), what, 1, &mut chance, &mut tally) {
            return println!("skipped: there is no C compiler for the shim");
        }
    }
    if !small(folder.path(), &mut chance, &mut tally) {
        println!("skipped: this user may mount no small file system");
    }
    verdict(&tally);
}

#[test]
fn a_clock_that_is_ten_years_off_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut tally = Tally::default();
    if !clocks(folder.path(), 1, &mut Chance::new(1), &mut tally) {
        return println!("skipped: there is no C compiler for the shim");
    }
    verdict(&tally);
}
