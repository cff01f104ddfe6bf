//! `talea`, run once with what is to be said to it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Every wallet's passphrase here.
pub const PASSPHRASE: &str = "correct horse battery";

/// What the program said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// The exit status.
    pub status: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs `talea` with this wallet. The passphrase comes on standard input, for a key that is asked.
pub fn talea<A: AsRef<OsStr>>(wallet: &Path, arguments: &[A]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talea"));
    command.args(["--passphrase-fd", "0", "--wallet"]).arg(wallet).args(arguments);
    command.env_remove("TALEA_WALLET").env("NO_COLOR", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it was built");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A command that needs no key ends without reading it.
    let _ = writeln!(stdin, "{PASSPHRASE}");
    drop(stdin);
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { status: status.code(), out: text(stdout), err: text(stderr) }
}

impl Said {
    /// What it said, if all went well.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.status, Some(0), "{}{}", self.out, self.err);
        self
    }

    /// What went wrong and what to do next, if it ended so.
    #[track_caller]
    pub fn refused(self, status: i32) -> (String, String) {
        assert_eq!(self.status, Some(status), "{}{}", self.out, self.err);
        let line = |start: &str| {
            let found = self.err.lines().find_map(|line| line.strip_prefix(start));
            found.unwrap_or_else(|| panic!("no `{start}`: {}", self.err)).to_owned()
        };
        (line("error: "), line("next:  "))
    }

    /// The same as one JSON value.
    #[track_caller]
    pub fn json(self) -> Value {
        let said = self.good();
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.out))
    }
}
