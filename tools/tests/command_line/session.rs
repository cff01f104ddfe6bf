//! One shell in which commands are run one after another, so that its variables and functions stay.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// No command takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Reads commands that end with a zero byte; ends what each says with one, and its status with
/// another. Programs that it started aside end with it.
const LOOP: &str = r#"trap 'kill $(jobs -p) 2> /dev/null' EXIT; while IFS= read -r -d '' command; do eval "$command" < /dev/null 2>&1; printf '\0%s\0' "$?"; done"#;

/// A shell; killed when dropped.
pub struct Session {
    shell: Child,
    commands: ChildStdin,
    said: Receiver<String>,
}

impl Session {
    /// A shell in this folder, which finds the programs under test and these variables.
    pub fn new(folder: &Path, variables: &[(String, String)]) -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_talea")).parent().expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-c", LOOP]).current_dir(folder);
        command.env("PATH", format!("{}:{path}", programs.display()));
        command.env_remove("TALEA_WALLET").env("NO_COLOR", "1").env("LC_ALL", "C");
        command.envs(variables.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.process_group(0);
        let mut shell = command.spawn().expect("bash runs");
        let commands = shell.stdin.take().expect("it is piped");
        let mut output = BufReader::new(shell.stdout.take().expect("it is piped"));
        let (sender, said) = channel();
        std::thread::spawn(move || {
            let mut part = Vec::new();
            while output.read_until(0, &mut part).is_ok_and(|length| length > 0) {
                part.pop();
                let text = String::from_utf8_lossy(&std::mem::take(&mut part)).into_owned();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        Self { shell, commands, said }
    }

    /// Runs a command; what it said, both streams as they came, and its exit status.
    pub fn run(&mut self, command: &str) -> (String, i32) {
        write!(self.commands, "{command}\0").expect("the shell listens");
        self.commands.flush().expect("the shell listens");
        let part = || {
            let part = self.said.recv_timeout(PATIENCE);
            part.unwrap_or_else(|error| panic!("`{command}`: {error} after {PATIENCE:?}"))
        };
        let said = part();
        (said, part().parse().expect("a number"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The shell and all that it started, whether it ended already or not.
        let group = format!("-{}", self.shell.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.shell.wait();
    }
}
