//! Why a command failed, and what to do next: the only error of this program's own.
//!
//! Whatever the libraries say becomes a line of fact and a line of advice here. Exit status: 1
//! usage or file, 2 refused by a rule, 3 no node could be asked.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use talea_ledger::profile;
use talea_protocol::entry::Refusal;
use talea_protocol::export::ExportFault;
use talea_tools::book::{Unnamed, Unplaced};
use talea_tools::charter_file::CharterFault;
use talea_tools::draft::Undraftable;
use talea_tools::journal::JournalFault;
use talea_tools::keyfile::KeyFileFault;
use talea_tools::scenario::ScenarioFault;
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
}

/// What went wrong, and what to do next.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    what: String,
    next: String,
}

/// What a command ends with.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure that is the command's.
    pub fn usage(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, what: what.into(), next: next.into() }
    }

    /// A failure that a rule of the ledger names.
    pub fn rule(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind: Kind::Rule, what: what.into(), next: next.into() }
    }

    /// A failure to reach a node, or of a node.
    pub fn node(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind: Kind::Node, what: what.into(), next: next.into() }
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
            Kind::Node => 3,
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
with_hint!(KeyFileFault, WalletFault, CharterFault, Undraftable);

impl From<JournalFault> for Failure {
    fn from(fault: JournalFault) -> Self {
        match fault {
            JournalFault::Refused(refusal) => refusal.into(),
            other => Self::usage(other.to_string(), other.hint()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let next = match &refusal {
            Refusal::Amount => "give an amount above zero",
            Refusal::Limit { .. } => "say it in fewer words, or in several entries",
            _ => "this should not happen with `talea`: keep the message and report it",
        };
        Self::rule(refusal.to_string(), next)
    }
}

impl From<profile::Refusal> for Failure {
    fn from(refusal: profile::Refusal) -> Self {
        let next = match &refusal {
            profile::Refusal::Weights { .. } => {
                "change the colleges' weight_bp so that they add up to 10000"
            }
            profile::Refusal::Profile(_) => {
                "change what the rule names, or choose profile = \"none\""
            }
            profile::Refusal::Roster { .. } => {
                "name other nodes, or another quorum: 2q > n + f and q + f <= n"
            }
            profile::Refusal::Device { .. } => "each founder makes a key with `talea keys new`",
            profile::Refusal::Consent { .. } => {
                "have each founder run `talea charter consent` on the file as it is now"
            }
            _ => "change the charter file; `talea charter template` explains every key",
        };
        Self::rule(refusal.to_string(), next)
    }
}

impl From<Unplaced> for Failure {
    fn from(unplaced: Unplaced) -> Self {
        match unplaced {
            Unplaced::Charter(refusal) => refusal.into(),
            Unplaced::Register(misplaced) => Self::rule(
                misplaced.to_string(),
                "only the registrar numbers the register, after its newest entry: `talea fetch` brings it",
            ),
            other => Self::rule(
                other.to_string(),
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
