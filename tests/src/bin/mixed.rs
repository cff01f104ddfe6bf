//! `./tools/bench mixed`: the table of README.md about 100,000 entries of a mixed cooperative.
//!
//! What the heap holds is counted by the allocator of this program alone.

use std::fmt::Display;

use peak_alloc::PeakAlloc;
use talea_protocol::entry::Signed;
use talea_protocol::key::SecretKey;
use talea_tests::bench::mixed::{Folded, REPORTS, export, fold, report};
use talea_tests::load::load;
use talea_tests::people::mixed::Mixed;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn main() {
    let number = |at: usize| std::env::args().nth(at).and_then(|n| n.parse::<u64>().ok());
    let count = usize::try_from(number(1).unwrap_or(100_000)).expect("fits");
    let node = SecretKey::from_seed(&[101; 32]);
    let entries = made(number(2).unwrap_or(1), count, &node);
    println!("| what | measured | beside |\n|---|---|---|");
    let alike = load(100, entries.len(), &[node.node()], 1);
    let (mut folded, rate) = folded("mixed", &entries);
    let (_, other) = self::folded("contributions and attestations alone", &alike);
    row("the one's rate of the other's", format!("{:.2}", rate / other), "");
    let file = export(&node, &entries, &mut folded);
    drop((folded, alike, entries));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mixed.talea");
    std::fs::write(&path, &file).expect("written");
    row("the export, bytes", file.len(), "");
    for (what, before, after) in REPORTS {
        match report(&path, before, after) {
            Some((time, bytes)) => row(
                &format!("{what}, s"),
                format!("{:.2}", time.as_secs_f64()),
                format!("{bytes} bytes"),
            ),
            None => row(what, "not measured", "build talea-verify first: ./tools/bench does"),
        }
    }
}

/// The cooperative's year; what it consists of is printed.
fn made(seed: u64, count: usize, node: &SecretKey) -> Vec<Signed> {
    let mixed = Mixed::year(seed, count, node.node());
    let kinds = mixed.kinds();
    let list: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let (members, devices) = (mixed.register().members().len(), mixed.register().devices().len());
    println!(
        "seed {seed}: {} entries of {members} members' {devices} devices",
        mixed.entries().len()
    );
    println!("kinds: {}", list.join(", "));
    let void = mixed.void();
    println!("not counted: {}", void.len());
    for (id, verdict) in void.iter().take(10) {
        println!("  {id}: {verdict:?}");
    }
    mixed.entries().to_vec()
}

/// Folds; the rate is of the fold without the root that is asked for after it.
fn folded(what: &str, entries: &[Signed]) -> (Folded, f64) {
    let before = HEAP.current_usage();
    let mut folded = fold(entries);
    let held = HEAP.current_usage().saturating_sub(before);
    let rate = entries.len() as f64 / folded.time.as_secs_f64();
    let begun = std::time::Instant::now();
    let root = folded.state.root();
    let rest = begun.elapsed();
    row(
        &format!("fold, {what}, entries/s"),
        format!("{rate:.0}"),
        format!("{} entries", entries.len()),
    );
    let whole = (folded.time + rest).as_millis();
    row("its state's root from the entries alone, ms", whole, format!("{root}"));
    let each = held as f64 / entries.len() as f64;
    row("register and state in memory, MB", held / 1_000_000, format!("{each:.0} bytes an entry"));
    (folded, rate)
}

fn row(what: &str, measured: impl Display, beside: impl Display) {
    println!("| {what} | {measured} | {beside} |");
}
