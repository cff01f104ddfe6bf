//! A session that is written down in Markdown, run again and compared to the letter.
//!
//! In blocks marked `console`, a line that begins with `$ ` is run, `> ` continues it, `? n` is
//! its exit status unless that is 0, and what follows is what it says. Before a block, a comment
//! such as `<!-- stop b c -->` or `<!-- start b c -->` does so to nodes, and `<!-- at most 10 commands -->`
//! counts how often our programs were started until there. `SNAPSHOTS=overwrite` writes down what is
//! said now.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use regex::Regex;
use snapbox::{Assert, Data, Redactions, data::DataFormat};

use crate::nodes::{Node, talead};
use crate::session::Session;

/// What is not the same twice, and what stands for it. The order is that of asking.
const MASKS: [(&str, &str); 15] = [
    ("[SLIP]", r"talea:[a-z]+:(?<redacted>[A-Za-z0-9_-]{40,})"),
    ("[SIGNATURE]", r"\b[0-9a-f]{128}\b"),
    ("[KEY]", r"\b[0-9a-f]{64}\b"),
    ("[SIZE]", r"checkpoint (?<redacted>[0-9]+ held by [0-9]) of"),
    ("[SIZE]", r"(?<redacted>[0-9]+) bytes"),
    ("[SIZE]", r"FORKED .*   (?<redacted>[0-9]+) entries"),
    ("[NODE]", r"127\.0\.0\.1:[0-9]+"),
    ("[NOW]", r"dated +(?<redacted>20[0-9-]{8} [0-9:]{8} UTC)"),
    ("[NOW]", r"(?m)^\S+/[0-9]+ +(?<redacted>20[0-9-]{8} [0-9:]{8})  "),
    ("[ID]", r"/[0-9]+  (?<redacted>[0-9a-f]{12})\b"),
    ("[ID]", r"\b(?<redacted>[0-9a-f]{12})/"),
    ("[ERRNO]", r"\(os error (?<redacted>[0-9]+)\)"),
    ("[DEVICE]", r"[a-z]\.(?<redacted>[0-9a-f]{6})/[0-9]"),
    ("[ID]", r"\b[0-9a-f]{12}\b"),
    ("[NODE]", r"\b[0-9a-f]{8}\b"),
];

/// A transcript and where it is.
pub struct Transcript {
    path: PathBuf,
    text: String,
}

/// The running side of a transcript.
struct Stage {
    nodes: Vec<Node>,
    session: Session,
    said: String,
    /// A line for each start of one of our programs, where they are counted.
    starts: PathBuf,
}

/// Programs whose starts are counted.
const PROGRAMS: [&str; 3] = ["talea", "talead", "talea-verify"];

impl Transcript {
    /// The transcript of this name.
    pub fn of(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command_line/transcripts");
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).expect("a transcript");
        Self { path, text }
    }

    /// Runs it with three new nodes and compares.
    #[track_caller]
    pub fn holds(&self) {
        self.compare(Stage::new);
    }

    /// Runs it with nothing there, counts how often our programs are started, and compares.
    #[track_caller]
    pub fn holds_from_nothing(&self) {
        self.compare(Stage::empty);
    }

    #[track_caller]
    fn compare(&self, stage: impl Fn(&Path) -> Stage) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut redactions = Redactions::new();
        for (mask, pattern) in MASKS {
            redactions.insert(mask, Regex::new(pattern).expect("a pattern")).expect("a mask");
        }
        // Masked here, so that what is written anew is masked too.
        let said = redactions.redact(&self.run(stage(folder.path())));
        let expected = Data::read_from(&self.path, Some(DataFormat::Text));
        Assert::new().action_env("SNAPSHOTS").eq(said, expected.raw());
    }

    /// The transcript with what is said now.
    fn run(&self, mut stage: Stage) -> String {
        let mut lines = self.text.lines().peekable();
        let mut inside = false;
        while let Some(line) = lines.next() {
            if line.starts_with("```") {
                inside = line == "```console";
            }
            if !inside {
                stage.direct(line);
            }
            let Some(first) = line.strip_prefix("$ ").filter(|_| inside) else {
                // Within a block, what was said the last time is left out.
                if !inside || line.starts_with("```") {
                    stage.write(line);
                }
                continue;
            };
            stage.write(line);
            let mut command = first.to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
                stage.write(more);
                let _ = write!(command, "\n{}", &more[2..]);
            }
            stage.perform(&command);
        }
        stage.said
    }
}

impl Stage {
    fn new(folder: &Path) -> Self {
        let nodes = Node::three(folder);
        let mut variables = Vec::new();
        for node in &nodes {
            let name = node.name.to_uppercase();
            variables.push((name.clone(), node.peer()));
            variables.push((format!("{name}_HTTP"), node.http.clone()));
            variables.push((format!("{name}_KEY"), node.key.clone()));
        }
        let (session, nodes) = (Session::new(folder, &variables), nodes.into());
        Self { nodes, session, said: String::new(), starts: folder.join("no-starts") }
    }

    /// No node, and programs whose starts are counted. Ports are what the system gives.
    fn empty(folder: &Path) -> Self {
        let (programs, work) = (folder.join("programs"), folder.join("work"));
        for folder in [&programs, &work] {
            std::fs::create_dir(folder).expect("a new folder");
        }
        let starts = folder.join("starts");
        let real = talead(folder);
        for name in PROGRAMS {
            let script = format!(
                "#!/bin/sh\necho {name} >> '{}'\nexec '{}' \"$@\"\n",
                starts.display(),
                real.with_file_name(name).display()
            );
            let path = programs.join(name);
            std::fs::write(&path, script).expect("room on the disk");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&path, mode).expect("our own file");
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let any = "127.0.0.1:0".to_owned();
        let variables = [
            ("PATH".to_owned(), format!("{}:{path}", programs.display())),
            ("TALEA_HTTP".to_owned(), any.clone()),
            ("TALEA_QUIC".to_owned(), any),
        ];
        let session = Session::new(&work, &variables);
        Self { nodes: Vec::new(), session, said: String::new(), starts }
    }

    /// Asks how often our programs were started until now.
    fn count(&self, most: usize) {
        let starts = std::fs::read_to_string(&self.starts).unwrap_or_default();
        let number = starts.lines().count();
        assert!(number > 0, "nothing was started, or nothing was counted");
        assert!(number <= most, "{number} commands, and at most {most} were promised: {starts}");
    }

    fn write(&mut self, line: &str) {
        self.said.push_str(line);
        self.said.push('\n');
    }

    /// Does what a comment says.
    fn direct(&mut self, line: &str) {
        let words = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        let words = words.unwrap_or_default();
        let most = words.strip_prefix("at most ").and_then(|rest| rest.strip_suffix(" commands"));
        if let Some(most) = most {
            return self.count(most.parse().expect("a number"));
        }
        let mut words = words.split(' ');
        let verb = words.next().unwrap_or_default();
        for name in words {
            let node = self.nodes.iter_mut().find(|node| node.name == name).expect("a node");
            match verb {
                "stop" => node.kill(),
                "start" => node.start(),
                other => panic!("a comment says `{other}`"),
            }
        }
    }

    fn perform(&mut self, command: &str) {
        let (said, status) = self.session.run(command);
        if status != 0 {
            self.write(&format!("? {status}"));
        }
        self.said.push_str(&said);
        if !said.is_empty() && !said.ends_with('\n') {
            self.said.push('\n');
        }
    }
}
