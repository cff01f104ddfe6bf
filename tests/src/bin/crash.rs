//! Everything that can happen to a node's disk, many times, and what came of it.
//!
//! Prints counts by kind and outcome. Exit status: 0 if no node opened with fewer acknowledged
//! entries and no error, and nothing else was wrong; 1 otherwise.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use talea_tests::chance::Chance;
use talea_tests::crash::cuts::record;
use talea_tests::crash::damage::Subjects;
use talea_tests::crash::disks::{Trouble, clocks, small, trouble};
use talea_tests::crash::kills::kills;
use talea_tests::crash::tally::Tally;

/// Kills nodes, cuts their power, damages their files, fills and fails their disks, and shifts
/// their clocks
#[derive(Parser)]
struct Arguments {
    /// Where chance begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// kill -9 under load, so many times
    #[arg(long, default_value_t = 300)]
    kills: usize,
    /// Power cuts, a quarter of them of each kind
    #[arg(long, default_value_t = 1_000)]
    cuts: usize,
    /// Stores put back to an older day while the promises stay
    #[arg(long, default_value_t = 200)]
    older: usize,
    /// Damages of each kind of file in each way
    #[arg(long, default_value_t = 25)]
    damage: usize,
    /// Times that a disk is full, does not sync, write or read
    #[arg(long, default_value_t = 25)]
    disks: usize,
    /// Rounds of clocks that are ten years off
    #[arg(long, default_value_t = 10)]
    clocks: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut tally = Tally::default();
    let mut part = |name: &str, work: &mut dyn FnMut(&mut Chance, &mut Tally) -> String| {
        let (begun, before) = (Instant::now(), tally.trials());
        // Each part has its own chance: fewer trials of one change nothing in the next.
        let said = work(&mut Chance::new(arguments.seed), &mut tally);
        let (trials, seconds) = (tally.trials() - before, begun.elapsed().as_secs());
        println!("{name}: {trials} trials in {seconds} s{said}");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let skipped = |did: bool| if did { "" } else { "; skipped: not possible here" }.to_owned();
    if arguments.kills > 0 {
        part("kills", &mut |chance, tally| {
            format!("; {}", kills(folder, arguments.kills, chance, tally))
        });
    }
    if arguments.cuts + arguments.older > 0 {
        part("power cuts", &mut |chance, tally| match record(folder) {
            Some(recorded) => {
                recorded.cut(arguments.cuts, chance, tally);
                recorded.put_back(arguments.older, chance, tally);
                let (deeds, acknowledged) =
                    (recorded.journal.len(), recorded.observer.acknowledged().len());
                format!("; {deeds} operations and {acknowledged} acknowledgements to cut between")
            }
            None => skipped(false),
        });
    }
    if arguments.damage > 0 {
        part("damage", &mut |chance, tally| {
            Subjects::new(folder).damage(arguments.damage, chance, tally);
            String::new()
        });
    }
    if arguments.disks > 0 {
        for what in Trouble::ALL {
            part(what.name(), &mut |chance, tally| {
                skipped(trouble(folder, what, arguments.disks, chance, tally))
            });
        }
        part("small file system", &mut |chance, tally| skipped(small(folder, chance, tally)));
    }
    if arguments.clocks > 0 {
        part("clocks", &mut |chance, tally| {
            skipped(clocks(folder, arguments.clocks, chance, tally))
        });
    }
    println!("\n{tally}");
    if tally.bad().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
