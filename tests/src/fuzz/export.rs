//! The auditor's reader: whatever a file holds, it never says VALID of what is not what a good
//! file says.
//!
//! An input is read as it is, and again with a digest that fits it: a digest only finds damage,
//! and whoever wants to deceive computes it anew.

use std::sync::LazyLock;

use talea_ledger::view::accounts;
use talea_protocol::bytes::{Octets, encode};
use talea_protocol::export::{MAGIC, Section, Sections};
use talea_protocol::hash::{Context, Hash};
use talea_protocol::leaf::bundled;
use talea_protocol::tile::push_leaf;
use talea_protocol::tree::Frontier;
use talea_tools::lang::Lang;
use talea_tools::verify::log::Log;
use talea_tools::verify::report::{
    Report, balance, decision_register, entry_list, member_list, run_list, value_flows,
};
use talea_tools::verify::{Audit, Policy, Status, Summary, audit, text};

use crate::handmade::Handmade;
use crate::people::START_MS;

/// Good files, their sections, and what is concluded of them.
static GOOD: LazyLock<Vec<Good>> = LazyLock::new(|| {
    let files = [Handmade::short().export(0), Handmade::ordinary().export(1)];
    files.into_iter().map(Good::of).collect()
});

struct Good {
    file: Vec<u8>,
    summary: Summary,
}

impl Good {
    fn of(file: Vec<u8>) -> Self {
        let audit = read(&file).expect("an export");
        assert_eq!(audit.status, Status::Valid, "{:?}", audit.found);
        Self { summary: audit.summary(), file }
    }
}

fn read(file: &[u8]) -> Option<Audit> {
    audit(file, &Policy::default(), START_MS / 1_000).ok()
}

/// An export, true, damaged or forged.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn export(input: &[u8]) {
    if judge(input) == Some(Status::Valid) {
        let body = input.len().saturating_sub(ENDING_BYTES);
        assert!(input[body..] == ending(&input[..body]), "VALID in spite of its digest");
    }
    let sealed = [input, &ending(input)].concat();
    judge(&sealed);
}

/// Bytes of the end section with its length.
const ENDING_BYTES: usize = 4 + 4 + 32;

/// The end section that fits.
fn ending(before: &[u8]) -> Vec<u8> {
    let digest: Hash = Context::Export.hash(&[before]);
    framed(&Section::End { digest })
}

fn framed(section: &Section) -> Vec<u8> {
    let bytes = encode(section);
    let length = u32::try_from(bytes.len()).expect("short");
    [length.to_le_bytes().as_slice(), &bytes].concat()
}

fn judge(file: &[u8]) -> Option<Status> {
    let audit = read(file)?;
    assert_eq!(audit.found.is_empty(), audit.status == Status::Valid);
    let worst = audit.found.iter().map(talea_tools::verify::Finding::status).max();
    assert_eq!(worst.unwrap_or(Status::Valid), audit.status);
    let summary = audit.summary();
    if audit.status == Status::Valid {
        let is_good = GOOD.iter().any(|good| says_the_same(&good.summary, &summary));
        assert!(is_good, "VALID, and what no good file says: {summary:?}");
        audit.shown.logs.values().for_each(fits);
    }
    harmless(&text::headline(&audit));
    text::lines(&audit).iter().for_each(|line| harmless(line));
    show(&audit);
    Some(audit.status)
}

/// The leaves shown have the roots that are signed, hashed here once more.
fn fits(log: &Log) {
    let (mut tree, mut leaves) = (Frontier::default(), log.leaves.iter());
    for (size, checkpoint) in &log.checkpoints {
        while tree.size() < *size {
            tree.append(leaves.next().expect("VALID without all leaves").hash);
        }
        assert_eq!(tree.root(), checkpoint.root, "VALID with another root than the signed one");
    }
}

/// What is signed. A copy may lack another node's word, and has its own time.
fn says_the_same(good: &Summary, found: &Summary) -> bool {
    let signed = |it: &Summary| {
        let counted = (it.entries, it.members, it.gaps, it.settled, it.size, it.nodes, it.quorum);
        (it.cooperative, it.node, it.name.clone(), counted, it.root, it.state)
    };
    signed(good) == signed(found) && found.held_by <= good.held_by
}

/// One line that moves no cursor and changes no direction.
pub(super) fn harmless(line: &str) {
    let bad =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!line.contains(bad), "a line that does something: {line:?}");
}

fn show(audit: &Audit) {
    let Some(sum) = &audit.sum else { return };
    for unit in accounts::accounts(sum.register.charter(), sum.state.books()).sums {
        assert_eq!(unit.debit, unit.credit, "an unbalanced {:?}", unit.unit);
    }
    let reports: [Report; 6] = [
        balance(sum),
        run_list(sum),
        value_flows(sum),
        member_list(sum),
        decision_register(sum),
        entry_list(audit, sum),
    ];
    for report in reports {
        report.text(Lang::Fr).lines().for_each(harmless);
        for line in report.csv(Lang::Fr).lines() {
            assert!(!line.starts_with(['=', '@', '+']), "a spreadsheet would run {line:?}");
        }
    }
}

/// The good files, and without the end: with each section left out, said twice, or moved, and
/// with each leaf of the own log left out, said twice, or moved.
#[must_use]
pub fn exports() -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = GOOD.iter().map(|good| good.file.clone()).collect();
    for good in GOOD.iter() {
        let sections = Sections::new(&good.file).expect("an export");
        let sections: Vec<Section> = sections.map(|section| section.expect("good").1).collect();
        let frames: Vec<Vec<u8>> = sections.iter().map(framed).collect();
        files.extend(varied(&frames, 1).iter().map(|frames| whole(frames)));
        for (at, section) in sections.iter().enumerate() {
            let Section::Leaves { from, bundle } = section else { continue };
            let leaves: Vec<Vec<u8>> =
                bundled(bundle).expect("a bundle").into_iter().map(<[u8]>::to_vec).collect();
            for leaves in varied(&leaves, 0) {
                let mut frames = frames.clone();
                frames[at] = framed(&Section::Leaves { from: *from, bundle: bundle_of(&leaves) });
                files.push(whole(&frames));
            }
        }
    }
    files
}

/// The list itself, and with each item from `first` on left out, said twice, or moved.
fn varied(items: &[Vec<u8>], first: usize) -> Vec<Vec<Vec<u8>>> {
    let mut lists = vec![items.to_vec()];
    for at in first..items.len() {
        let (mut less, mut twice, mut moved) = (items.to_vec(), items.to_vec(), items.to_vec());
        less.remove(at);
        twice.insert(at, items[at].clone());
        moved.swap(at, (at + 1).min(items.len() - 1));
        lists.extend([less, twice, moved]);
    }
    lists
}

fn bundle_of<const MAX: usize>(leaves: &[Vec<u8>]) -> Octets<MAX> {
    let mut bundle = Vec::new();
    for leaf in leaves {
        push_leaf(&mut bundle, leaf).expect("short");
    }
    Octets::new(bundle).expect("few")
}

fn whole(frames: &[Vec<u8>]) -> Vec<u8> {
    [MAGIC, &frames.concat()].concat()
}
