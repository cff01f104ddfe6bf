//! Why a command failed, and what to do next: the only error of this program's own.
//!
//! Whatever the libraries say becomes a line of fact and a line of advice here. Exit status: 1
//! usage or file, 2 refused by a rule, 3 no node could be asked.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use talea_ledger::{place, profile};
use talea_protocol::entry;
use talea_protocol::export::ExportFault;
use talea_tools::attachment::AttachmentFault;
use talea_tools::book::{Unnamed, Unplaced};
use talea_tools::charter_file::CharterFault;
use talea_tools::draft::Undraftable;
use talea_tools::founding::Unfounded;
use talea_tools::journal::JournalFault;
use talea_tools::keyfile::KeyFileFault;
use talea_tools::opening::OpeningFault;
use talea_tools::remedy;
use talea_tools::scenario::ScenarioFault;
use talea_tools::submission::Refused;
use talea_tools::wallet::WalletFault;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Whoever typed the command.
    Usage,
    /// Whoever made the statement: a rule refuses it.
    Rule,
    /// Whoever runs the node.
    Node,
    /// Whoever holds a key: a private cooperative's node answers nobody else.
    Private,
}

/// What a node answers to a question about what it does not hold.
const ABSENT: &str = "not-found";
/// What a node answers that was told to keep a cooperative, and has no charter of it yet.
const UNCHARTERED: &str = "no-charter";

/// What a node answers that keeps no such cooperative.
const UNHOSTED: &str = "unknown-cooperative";

/// What went wrong, and what to do next.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    /// What a node called it; empty if no node did.
    code: String,
    what: String,
    next: String,
}

/// What a command ends with.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure that is the command's.
    pub fn usage(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what, next)
    }

    /// A failure that a rule of the ledger names.
    pub fn rule(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Kind::Rule, what, next)
    }

    /// A failure to reach a node, or of a node.
    pub fn node(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Kind::Node, what, next)
    }

    /// What several nodes failed in: what each said, and the first's advice. `None` for no node.
    pub fn of_all(failures: Vec<Self>) -> Option<Self> {
        let what: Vec<String> = failures.iter().map(Self::to_string).collect();
        let first = failures.into_iter().next()?;
        Some(Self { what: what.join("; "), ..first })
    }

    /// What a node answers instead of what was asked for, by its code.
    pub fn answered(code: String, what: impl Into<String>, next: impl Into<String>) -> Self {
        let kind = match code.as_str() {
            "unauthorized" => Kind::Private,
            code if code.starts_with("rule-") => Kind::Rule,
            _ => Kind::Node,
        };
        // What a wallet can do about these, a node does not know.
        let rule = code.strip_prefix("rule-").and_then(|rule| rule.parse().ok());
        match rule.filter(|rule| (21..=28).contains(rule)) {
            Some(rule) => Self { code, ..Self::new(kind, what, remedy::next(rule)) },
            None => Self { code, ..Self::new(kind, what, next) },
        }
    }

    fn new(kind: Kind, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind, code: String::new(), what: what.into(), next: next.into() }
    }

    /// Whether a node refuses something by this rule.
    pub fn is_rule(&self, rule: u16) -> bool {
        self.code == format!("rule-{rule}")
    }

    /// Whether a node says that it does not hold what was asked for.
    pub fn is_absence(&self) -> bool {
        self.code == ABSENT
    }

    /// Whether the same may be well in a moment: a connection broke off, or a node was busy.
    pub fn is_passing(&self) -> bool {
        self.kind == Kind::Node && ["", "busy", "timeout"].contains(&self.code.as_str())
    }

    /// Whether a node says that it does not keep the cooperative at all.
    pub fn is_unhosted(&self) -> bool {
        self.code == UNHOSTED
    }

    /// Whether a node says that it keeps the cooperative, and has no entry of it yet.
    pub fn is_beginning(&self) -> bool {
        self.code == UNCHARTERED
    }

    /// A file that cannot be read or written.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::usage(format!("{}: {error}", path.display()), "check the name and the permissions")
    }

    /// Whose turn it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The advice.
    pub fn next(&self) -> &str {
        &self.next
    }

    /// The exit status.
    pub fn exit(&self) -> ExitCode {
        ExitCode::from(self.status())
    }

    /// The exit status, as a number.
    pub const fn status(&self) -> u8 {
        match self.kind {
            Kind::Usage => 1,
            Kind::Rule => 2,
            Kind::Node | Kind::Private => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Failures whose advice stands beside them.
macro_rules! with_hint {
    ($($fault:ty),*) => {
        $(impl From<$fault> for Failure {
            fn from(fault: $fault) -> Self {
                Self::usage(fault.to_string(), fault.hint())
            }
        })*
    };
}
with_hint!(AttachmentFault, KeyFileFault, WalletFault, Undraftable, OpeningFault);

impl From<JournalFault> for Failure {
    fn from(fault: JournalFault) -> Self {
        match fault {
            JournalFault::Refused(refusal) => refusal.into(),
            other => Self::usage(other.to_string(), other.hint()),
        }
    }
}

/// Refusals whose advice goes by their rule.
macro_rules! with_remedy {
    ($($refusal:ty),*) => {
        $(impl From<$refusal> for Failure {
            fn from(refusal: $refusal) -> Self {
                Self::rule(refusal.to_string(), remedy::next(refusal.rule()))
            }
        })*
    };
}
with_remedy!(entry::Refusal, place::Refusal, profile::Refusal, Refused);

impl From<CharterFault> for Failure {
    fn from(fault: CharterFault) -> Self {
        match &fault {
            CharterFault::Value { .. } => Self::rule(fault.to_string(), fault.hint()),
            _ => Self::usage(fault.to_string(), fault.hint()),
        }
    }
}

impl From<Unfounded> for Failure {
    fn from(unfounded: Unfounded) -> Self {
        match unfounded {
            Unfounded::File(fault) => fault.into(),
            Unfounded::Refused(refusal) => refusal.into(),
            Unfounded::Unfit(refusal) => refusal.into(),
            Unfounded::Consent { .. } => Self::rule(unfounded.to_string(), remedy::next(36)),
        }
    }
}

impl From<Unplaced> for Failure {
    fn from(unplaced: Unplaced) -> Self {
        match unplaced {
            Unplaced::Refused(refusal) => refusal.into(),
            Unplaced::Register(misplaced) => Self::rule(
                misplaced.to_string(),
                "only the registrar numbers the register, after its newest entry: `talea fetch` brings it",
            ),
            Unplaced::Waits { .. } => Self::rule(
                unplaced.to_string(),
                "run `talea fetch`, which brings what the nodes hold, then try again",
            ),
        }
    }
}

impl From<Unnamed> for Failure {
    fn from(unnamed: Unnamed) -> Self {
        let next =
            "see `talea log`; entries are called `alba/3`, or by six digits of their id or more";
        Self::usage(unnamed.to_string(), next)
    }
}

impl From<ExportFault> for Failure {
    fn from(fault: ExportFault) -> Self {
        Self::usage(fault.to_string(), "fetch the export again with `talea export`")
    }
}

impl From<ScenarioFault> for Failure {
    fn from(fault: ScenarioFault) -> Self {
        let next = match &fault {
            ScenarioFault::Step { n, .. } => {
                format!(
                    "change that step of the file, or stop before it with --until {}",
                    n.saturating_sub(1)
                )
            }
            ScenarioFault::File(_) | ScenarioFault::Shape => {
                "compare with tests/data/passerelles-q1.json".to_owned()
            }
        };
        Self::usage(fault.to_string(), next)
    }
}
