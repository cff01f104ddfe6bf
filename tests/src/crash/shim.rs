//! A shared object that stands between a node and its disk, and how a test gives it orders.
//!
//! It is C (`tests/crash/shim.c` says what it does), compiled when it is first asked for; where
//! there is no compiler, whoever needs it says so and passes on.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// What can be ordered, by place in the file.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Seconds added to the wall clock.
    Clock = 0,
    /// Bytes that may still be written before the disk is full.
    Space = 1,
    /// Syncs that may still be done before one fails.
    Syncs = 2,
    /// Writes that may still be done before one fails.
    Writes = 3,
    /// Reads that may still be done before one fails.
    Reads = 4,
}

/// The shim as one node gets it.
pub struct Shim {
    folder: TempDir,
    orders: File,
}

impl Shim {
    /// A shim that does nothing yet; `None` where it cannot be compiled.
    ///
    /// # Panics
    /// If there is no room for its files.
    #[must_use]
    pub fn new() -> Option<Self> {
        library()?;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("orders");
        fs::write(&path, [0; 64]).expect("a file");
        let orders = OpenOptions::new().write(true).open(path).expect("it is there");
        let shim = Self { folder, orders };
        for order in [Order::Space, Order::Syncs, Order::Writes, Order::Reads] {
            shim.order(order, -1);
        }
        Some(shim)
    }

    /// Orders something of a process that runs or is to be started.
    ///
    /// # Panics
    /// If that cannot be written.
    pub fn order(&self, what: Order, amount: i64) {
        let place = [0, 8, 16, 24, 32][what as usize];
        self.orders.write_all_at(&amount.to_le_bytes(), place).expect("it has room");
    }

    /// Where the journal is, if one is kept.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    /// The environment of a process whose files below `root` are watched.
    ///
    /// # Panics
    /// If the path is no text.
    #[must_use]
    pub fn environment(&self, root: &Path, keeps_journal: bool) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().expect("a text").to_owned();
        let library = library().expect("it was compiled before");
        let mut environment = vec![
            ("LD_PRELOAD".to_owned(), text(library)),
            ("TALEA_SHIM_ROOT".to_owned(), text(root)),
            ("TALEA_SHIM_ORDERS".to_owned(), text(&self.folder.path().join("orders"))),
        ];
        if keeps_journal {
            environment.push(("TALEA_SHIM_JOURNAL".to_owned(), text(&self.journal())));
        }
        environment
    }
}

/// The shared object, compiled once for each process, beside the program.
fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crash").join("shim.c");
        let program = std::env::current_exe().ok()?;
        let library = program.with_file_name("talea-shim.so");
        // Beside its place, for another process may be compiling or using it.
        let beside = library.with_extension(std::process::id().to_string());
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]).arg(&beside);
        let compiled = compiler.arg(source).args(["-ldl", "-lpthread"]).status();
        let is_there = compiled.is_ok_and(|status| status.success());
        (is_there && fs::rename(beside, &library).is_ok()).then_some(library)
    });
    library.as_deref()
}
