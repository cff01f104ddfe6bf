//! Runs simulated worlds, a scenario for each seed, and says what it saw.
//!
//! Exit status: 0 nothing that must never happen did, 1 something did, 2 usage or file.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use clap::Parser;
use talea_tests::world::canary::Canary;
use talea_tests::world::scenario::Scenario;
use talea_tests::world::{Faults, Outcome, Violation, run, shrink};

/// Scenarios that are tried to make a failing one small.
const TRIES: usize = 2_000;
/// Every so many seeds one is run twice.
const TWICE: u64 = 50;

/// Run simulated worlds
///
/// Each seed draws a cooperative or two, nodes, links, weather and liars. What must never happen is
/// looked for all the time. Exit status: 0 nothing found, 1 something found, 2 usage or file.
#[derive(Parser)]
struct Options {
    /// How many seeds
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Make the first failing scenario small and print it
    #[arg(long)]
    shrink: bool,
    /// Draw honest people and nodes only, all of them linked
    #[arg(long)]
    honest: bool,
    /// Plant each known bug instead, and say at which of the first so many seeds it is noticed
    #[arg(long)]
    canaries: bool,
    /// Run the scenario of this file instead
    #[arg(long)]
    replay: Option<std::path::PathBuf>,
    /// Threads; as many as there are cores, if not given
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    // A panic is a violation, and is printed as one.
    std::panic::set_hook(Box::new(|_| {}));
    match &options.replay {
        Some(path) => replay(path),
        None if options.canaries => plant(options.seeds),
        None => search(&options),
    }
}

fn plant(seeds: u64) -> ExitCode {
    let mut missed = false;
    for canary in Canary::ALL {
        let noticed = canary.noticed(seeds);
        missed |= noticed.is_none();
        match noticed {
            Some((seed, violation)) => println!("{canary:?}: seed {seed}: {violation}"),
            None => println!("{canary:?}: not noticed"),
        }
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn replay(path: &std::path::Path) -> ExitCode {
    let scenario =
        std::fs::read_to_string(path).map_err(|fault| fault.to_string()).and_then(|text| {
            serde_json::from_str::<Scenario>(&text).map_err(|fault| fault.to_string())
        });
    match scenario {
        Ok(scenario) => match run(&scenario, None) {
            Ok(outcome) => {
                println!("{outcome:#?}");
                ExitCode::SUCCESS
            }
            Err(violation) => {
                println!("{violation}");
                ExitCode::FAILURE
            }
        },
        Err(fault) => {
            eprintln!("sim: {}: {fault}", path.display());
            ExitCode::from(2)
        }
    }
}

/// What came out of all seeds.
#[derive(Default)]
struct Sum {
    worlds: u64,
    entries: usize,
    lasted: u64,
    faults: Faults,
    violations: BTreeMap<u64, Violation>,
}

fn search(options: &Options) -> ExitCode {
    let begun = Instant::now();
    let sum = run_all(options);
    let seconds = begun.elapsed().as_secs_f64();
    let rate = sum.worlds as f64 * 60.0 / seconds;
    println!("seeds              {} from {}", sum.worlds, options.from);
    println!("violations         {}", sum.violations.len());
    println!("seeds per minute   {rate:.0}");
    println!("simulated hours    {:.1}", sum.lasted as f64 / 3_600_000.0);
    println!("entries settled    {}", sum.entries);
    for (kind, count) in sum.faults.iter() {
        println!("  {kind:<36} {count}");
    }
    for (seed, violation) in &sum.violations {
        println!("seed {seed}: {violation}");
    }
    let Some((seed, violation)) = sum.violations.first_key_value() else {
        return ExitCode::SUCCESS;
    };
    if options.shrink {
        let least = shrink::shrink(&options.scenario(*seed), None, violation.invariant, TRIES);
        println!("the least scenario that fails as seed {seed} does, for --replay:");
        println!("{}", serde_json::to_string(&least).expect("a scenario is data"));
        if let Err(violation) = run(&least, None) {
            println!("{violation}");
        }
    }
    ExitCode::FAILURE
}

fn run_all(options: &Options) -> Sum {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, end) = (AtomicU64::new(options.from), options.from + options.seeds);
    let (report, reports) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..options.threads.unwrap_or(cores) {
            let (next, report) = (&next, report.clone());
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || report.send((seed, run_seed(seed, options))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(report);
        let mut sum = Sum::default();
        for (seed, result) in reports {
            take(&mut sum, seed, result);
        }
        sum
    })
}

fn take(sum: &mut Sum, seed: u64, result: Result<Outcome, Violation>) {
    sum.worlds += 1;
    match result {
        Ok(outcome) => {
            sum.entries += outcome.entries;
            sum.lasted += outcome.lasted;
            sum.faults.merge(&outcome.faults);
        }
        Err(violation) => {
            eprintln!("seed {seed}: {violation}");
            sum.violations.insert(seed, violation);
        }
    }
    if sum.worlds.is_multiple_of(1_000) {
        eprintln!("{} worlds, {} violations", sum.worlds, sum.violations.len());
        let _ = std::io::stderr().flush();
    }
}

impl Options {
    fn scenario(&self, seed: u64) -> Scenario {
        let scenario = Scenario::of(seed);
        if self.honest { scenario.honest() } else { scenario }
    }
}

/// One seed; now and then twice, since the same seed must give the same world.
fn run_seed(seed: u64, options: &Options) -> Result<Outcome, Violation> {
    let scenario = options.scenario(seed);
    let first = run(&scenario, None);
    if seed.is_multiple_of(TWICE) {
        talea_tests::world::same(&first, &run(&scenario, None))?;
    }
    first
}
