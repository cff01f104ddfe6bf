//! A member at its wallet: the program `talea` as it is typed, and what it says.
//!
//! The demonstration's second act needs wallets on disk, since it is about what becomes of them.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use talea_protocol::key::{DeviceKey, SecretKey};
use talea_tools::book::Book;
use talea_tools::keyfile::{self, KeyFile};
use talea_tools::wallet::{Known, Wallet};
use talea_tools::witness;

use super::stage::interrupted;
use crate::failure::{Failure, Outcome};
use crate::out::{self, DIM, styled};

/// Longest line of what a program says that is shown, in characters.
const LINE_MAX: usize = 150;
/// Digits that stand for a slip or a key where it is shown.
const SHORT: usize = 24;

/// Somebody's wallet, and the passphrase for it: random, for this demonstration only.
pub struct Hand {
    /// Who.
    pub name: String,
    /// The wallet's folder.
    pub folder: PathBuf,
    program: PathBuf,
    passphrase: String,
}

/// What the program said, and how it ended.
pub struct Said {
    /// The exit status.
    pub status: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Hand {
    /// Makes a wallet in this folder for a member with this key.
    pub fn new(folder: &Path, name: &str, key: &SecretKey, known: &Known) -> Outcome<Self> {
        let program = std::env::current_exe();
        let program = program.map_err(|error| Failure::file(Path::new("talea"), &error))?;
        let passphrase = keyfile::fresh()?.device().to_string();
        let folder = folder.join(format!("wallet-{name}"));
        let wallet = Wallet::open(&folder)?;
        KeyFile::seal(key, &passphrase)?.create(&wallet.key())?;
        wallet.know(known)?;
        Ok(Self { name: name.to_owned(), folder, program, passphrase })
    }

    /// The wallet has signed what the book has of its device.
    pub fn remember(&self, book: &Book, device: &DeviceKey) -> Outcome {
        let (wallet, cooperative) = (Wallet::open(&self.folder)?, book.register().cooperative());
        let mut journal = wallet.journal(&cooperative)?;
        for entry in book.entries().filter(|entry| entry.header().device == *device) {
            journal.adopt(entry)?;
        }
        Ok(witness::keep(&wallet, &cooperative)?)
    }

    /// Runs the program without showing it.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Outcome<Said> {
        interrupted()?;
        let fault = |error| Failure::file(&self.program, &error);
        let mut command = Command::new(&self.program);
        command.args(["--passphrase-fd", "0", "--yes", "--wallet"]).arg(&self.folder);
        command.args(arguments).env_remove("TALEA_WALLET").env("NO_COLOR", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(fault)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that needs no key ends without reading it.
            let _ = writeln!(stdin, "{}", self.passphrase);
        }
        let Output { status, stdout, stderr } = child.wait_with_output().map_err(fault)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { status: status.code(), out: text(stdout), err: text(stderr) })
    }

    /// The same; anything but success ends the demonstration.
    pub fn must<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Outcome<Said> {
        let said = self.run(arguments)?;
        if said.status == Some(0) { Ok(said) } else { Err(said.failure(&self.name)) }
    }

    /// Shows what is typed, runs it, and shows where what was signed stands.
    pub fn shows(&self, arguments: &[&str]) -> Outcome<Said> {
        self.typed(arguments);
        let said = self.must(arguments)?;
        let kept = said.err.lines().filter(|line| line.starts_with("kept, and not sent"));
        kept.chain(said.out.lines()).for_each(show);
        Ok(said)
    }

    /// Shows what is typed, and that it is refused, with these words in what the program says.
    pub fn is_refused(&self, arguments: &[&str], because: &str) -> Outcome {
        self.typed(arguments);
        let said = self.run(arguments)?;
        let told = said.err.lines().skip_while(|line| !line.starts_with("error: "));
        told.for_each(show);
        match said.status {
            Some(2) if said.err.contains(because) => Ok(()),
            _ => Err(said.failure(&self.name)),
        }
    }

    /// A slip that this command gives, under this name.
    pub fn slip<A: AsRef<OsStr>>(&self, arguments: &[A], name: &str) -> Outcome<String> {
        let arguments = arguments.iter().map(AsRef::as_ref).chain([OsStr::new("--json")]);
        let said = self.must(&arguments.collect::<Vec<_>>())?;
        let value: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_default();
        let slip = value.get(name).and_then(serde_json::Value::as_str);
        slip.map(str::to_owned).ok_or_else(|| said.failure(&self.name))
    }

    /// Shows what is typed, with long slips and keys cut short.
    pub fn typed(&self, arguments: &[&str]) {
        let short = |word: &&str| match word.get(..SHORT) {
            Some(start) if word.starts_with("talea:") || word.len() == 64 => format!("{start}…"),
            _ => (*word).to_owned(),
        };
        let words: Vec<String> = arguments.iter().map(short).collect();
        out::say(&format!("  {:<8} $ talea {}", self.name, words.join(" ")));
    }
}

impl Said {
    /// That this is not what the demonstration claims.
    fn failure(&self, who: &str) -> Failure {
        let said = [self.out.trim(), self.err.trim()].join("\n");
        let status = self.status.map_or_else(|| "none".to_owned(), |code| code.to_string());
        Failure::rule(
            format!("{who}'s talea ends with {status}, which is not what was to be shown:\n{said}"),
            "run it again with --keep and look at the nodes' log.txt",
        )
    }
}

fn show(line: &str) {
    let cut: String = line.chars().take(LINE_MAX).collect();
    let more = if cut.len() < line.len() { "…" } else { "" };
    out::say(&format!("             {}", styled(DIM, &format!("{cut}{more}"))));
}
