//! Targets for a fuzzer: every reader of foreign bytes, and what it must never do.
//!
//! A target takes any bytes and panics if a property does not hold; that nothing panics by itself
//! is one of them, and how much memory it takes is another. `./tools/fuzz` runs them with
//! coverage as the guide, `tests/fuzz.rs` runs a few thousand inputs of each in every build.

use peak_alloc::PeakAlloc;

pub mod script;
pub mod mutation;
pub mod seed;
pub mod structure;
pub mod text;
pub mod tree;
pub mod conversation;
pub mod replica;
pub mod export;
pub mod files;
pub mod node;
pub mod words;
pub mod acts;
pub mod stranger;
pub mod stream;

/// Counts the memory of a program that has it for its allocator.
static MEMORY: PeakAlloc = PeakAlloc;

/// Inputs that once broke a property: a target's name and the input in hexadecimal, one a line.
const KEPT: &str = include_str!("../fuzz/kept.txt");

/// One reader, or several that belong together.
pub struct Target {
    /// What it is called at the command line.
    pub name: &'static str,
    /// What is held to what.
    pub what: &'static str,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads an input, and panics if a property does not hold.
    pub check: fn(&[u8]),
    /// Longest input, in bytes.
    pub input_bytes_max: usize,
    /// What it may hold at once, in bytes: always, and for each byte of the input.
    pub memory: (usize, usize),
    /// Inputs of the short run.
    pub inputs: u64,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

const fn target(
    name: &'static str,
    what: &'static str,
    seeds: fn() -> Vec<Vec<u8>>,
    check: fn(&[u8]),
) -> Target {
    let (input_bytes_max, memory, inputs) = (16 * KIB, (128 * KIB, 32), 3_000);
    Target { name, what, seeds, check, input_bytes_max, memory, inputs }
}

/// A target that reads a file: some hundred in a second, where others read some thousand.
const fn on_disk(
    name: &'static str,
    what: &'static str,
    seeds: fn() -> Vec<Vec<u8>>,
    check: fn(&[u8]),
) -> Target {
    Target { inputs: 300, ..target(name, what, seeds, check) }
}

/// A target that reads TOML, whose reader keeps a record of each word and sign, for its errors.
const fn toml(
    name: &'static str,
    what: &'static str,
    seeds: fn() -> Vec<Vec<u8>>,
    check: fn(&[u8]),
) -> Target {
    Target { memory: (256 * KIB, 256), ..target(name, what, seeds, check) }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("entry", "an entry: rules 1 to 9", seed::entries, structure::entry),
    target("act", "an entry's act", seed::acts, structure::act),
    target("charter", "a charter", seed::charters, structure::charter),
    target("cut", "a cut", seed::cuts, structure::cut),
    target("leaf", "a leaf of a log", seed::leaves, structure::leaf),
    target("message", "a frame between nodes", seed::messages, structure::message_frame),
    target("bundle", "leaves side by side", seed::bundles, structure::bundle),
    target("section", "a section of an export", seed::sections, structure::section),
    target("sections", "an export, section by section", seed::exports, structure::sections),
    target("signature", "a key, a signature, a message", seed::signatures, structure::signature),
    target("note", "a signed note", seed::notes, text::note),
    target("checkpoint", "a checkpoint's text", seed::checkpoints, text::checkpoint),
    target("cosignature", "a line under a note", seed::cosignatures, text::cosignature),
    target("receipt", "a receipt", seed::receipts, text::receipt),
    target("path", "the path of a tile", text::tile_paths, text::tile_path),
    target("proof", "proofs in a log, true and false", tree::proofs, tree::proof),
    target("tree", "a tree restored from a store", tree::stores, tree::restore),
    target(
        "sync",
        "following logs, in any order",
        conversation::conversations,
        conversation::conversation,
    ),
    Target {
        input_bytes_max: 60 * KIB,
        memory: (16 * MIB, 256),
        inputs: 400,
        ..target("replica", "a node among any peers", replica::stories, replica::replica)
    },
    Target {
        memory: (16 * MIB, 1024),
        inputs: 400,
        ..target("acts", "what members state, in two orders", acts::stories, acts::acts)
    },
    Target {
        memory: (32 * MIB, 256),
        inputs: 600,
        ..target("export", "an auditor reads an export", export::exports, export::export)
    },
    target("key-file", "a sealed key", files::keys, files::key),
    on_disk("journal", "a wallet's journal", files::journals, files::journal),
    toml("charter-file", "a charter in TOML", files::charter_files, files::charter_file),
    Target {
        inputs: 300,
        ..toml("config", "a node's settings in TOML", node::configs, node::config)
    },
    on_disk("node-key", "a node's key file", node::node_keys, node::node_key_file),
    on_disk("promise", "a node's promise file", node::promises, node::promise),
    toml("policy", "an auditor's policy in TOML", files::policies, files::policy),
    Target {
        input_bytes_max: 60 * KIB,
        memory: (32 * MIB, 256),
        inputs: 300,
        ..target("scenario", "a story in JSON, and playing it", files::scenarios, files::scenario)
    },
    target("amount", "amounts, days and months as typed", words::amounts, words::amount),
    target("slip", "slips that members paste", words::slips, words::slip),
    target("invite", "invites, and words that are passed on", words::invites, words::invite),
    target("preview", "what is shown before signing", words::previews, words::shown),
    Target {
        memory: (16 * MIB, 256),
        inputs: 300,
        ..target("frames", "the frames of a stream, over QUIC", stream::streams, stream::stream)
    },
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

impl Target {
    /// What a run begins with: the seeds, and what was found before.
    ///
    /// # Panics
    /// If what is kept is not in its form.
    #[must_use]
    pub fn beginnings(&self) -> Vec<Vec<u8>> {
        let mut inputs = (self.seeds)();
        for line in KEPT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, input) = line.split_once(' ').expect("a name and an input");
            assert!(find(name).is_some(), "no target is called {name}");
            if name == self.name {
                inputs.push(seed::unhex(input).expect("hexadecimal"));
            }
        }
        inputs
    }

    /// Reads an input, under the target's limit of memory.
    ///
    /// # Panics
    /// If a property does not hold.
    pub fn run(&self, input: &[u8]) {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        (self.check)(input);
        let held = MEMORY.peak_usage().saturating_sub(before);
        let (always, each) = self.memory;
        let most = always + each * input.len();
        assert!(held <= most, "{held} bytes of memory for {} of input", input.len());
    }
}
