//! What 100,000 entries of a mixed cooperative cost: fold, memory, and each report of an export.
//!
//! The entries are [`crate::people::mixed`]'s; what they are compared with are the contributions of
//! [`crate::load`], in the same run. What the heap holds is an argument: who measures it says how.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use talea_ledger::register::Register;
use talea_ledger::state::State;
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::Octets;
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::cut::CutRoot;
use talea_protocol::entry::Signed;
use talea_protocol::export::{Section, Writer, leaves};
use talea_protocol::key::SecretKey;
use talea_protocol::leaf::{Frontier, accept};
use talea_protocol::tree;

use crate::people::START_MS;

/// Entries folded into a state.
pub struct Folded {
    /// Members, devices, roster.
    pub register: Register,
    /// What the entries add up to.
    pub state: State,
    /// What that took.
    pub time: Duration,
}

/// Folds entries in their order, the charter first.
///
/// # Panics
/// If an entry's device is unknown, or a register entry is not the next.
#[must_use]
pub fn fold(entries: &[Signed]) -> Folded {
    let begun = Instant::now();
    let mut register = Register::found(&entries[0]).expect("a charter");
    let mut state = State::new();
    for entry in entries {
        if is_numbered(entry) {
            register.append(entry).expect("the register's next");
        }
        let device = register.known(&entry.header().device).expect("enrolled");
        state.settle(&register, device, entry);
    }
    Folded { register, state, time: begun.elapsed() }
}

fn is_numbered(entry: &Signed) -> bool {
    let Content::Known(act) = entry.content() else { return false };
    act.is_register() && !matches!(act, Act::Charter(_))
}

/// The export of the one node that keeps all of it: every entry accepted, then settled.
///
/// # Panics
/// If a log of so many leaves cannot be written.
#[must_use]
pub fn export(node: &SecretKey, entries: &[Signed], folded: &mut Folded) -> Vec<u8> {
    let (register, state) = (&folded.register, &mut folded.state);
    let mut root = CutRoot::new();
    for (device, record) in (0..).zip(register.devices()) {
        if let Some(last) = state.last(device) {
            root.add(&record.key, state.length(device), &last);
        }
    }
    let count = u64::try_from(entries.len()).expect("fits");
    let (settled, accepted) = (state.cut(register), root.finish());
    let frontier = Frontier { accepted, settled, state: state.root(), count };
    let mut log: Vec<Vec<u8>> = entries.iter().map(|entry| accept(entry)).collect();
    log.push(frontier.leaf());
    let mut sum = tree::Frontier::default();
    for leaf in &log {
        sum.append(tree::leaf_hash(leaf));
    }
    let (cooperative, me) = (register.cooperative(), node.node());
    let size = u64::try_from(log.len()).expect("fits");
    let checkpoint = Checkpoint { origin: origin(&cooperative, &me), size, root: sum.root() };
    let note = checkpoint.sign(node).to_string().into_bytes();
    let (mut writer, mut file) = Writer::begin(cooperative, me, START_MS);
    for section in leaves(0, &log) {
        file.extend(writer.frame(&section));
    }
    let note = Octets::new(note).expect("short");
    file.extend(writer.frame(&Section::Checkpoint { log: me, note }));
    file.extend(writer.end());
    file
}

/// What `talea-verify` is asked for: what the table calls it, and the arguments before the file
/// and after it.
pub const REPORTS: [(&str, &[&str], &[&str]); 16] = [
    ("verdict alone", &["--short"], &[]),
    ("verdict with the checks V1 to V21", &[], &[]),
    ("trial balance", &["balance"], &[]),
    ("one member's statement", &["member"], &["15"]),
    ("every member", &["member"], &[]),
    ("decision register", &["decisions"], &[]),
    ("flows", &["flows"], &[]),
    ("runs", &["runs"], &[]),
    ("claims", &["claims"], &[]),
    ("contributions, added up", &["contributions"], &[]),
    ("every contribution", &["work"], &[]),
    ("accounts with their records", &["ledger"], &[]),
    ("power", &["power"], &[]),
    ("every entry", &["entries"], &[]),
    ("journal for hledger", &["books"], &["--as", "hledger"]),
    ("the page (HTML)", &["report"], &[]),
];

/// How long `talea-verify` took, and what it wrote, in bytes; nothing if it did not end well.
#[must_use]
pub fn report(file: &Path, before: &[&str], after: &[&str]) -> Option<(Duration, usize)> {
    let begun = Instant::now();
    let mut child = Command::new(verifier()?);
    let child = child.args(before).arg(file).args(after).stderr(Stdio::null());
    let output = child.output().ok()?;
    output.status.success().then(|| (begun.elapsed(), output.stdout.len()))
}

fn verifier() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name("talea-verify");
    path.exists().then_some(path)
}
