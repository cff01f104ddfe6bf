//! The command line of `talea-verify`: what may be asked, and how.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};
use talea_tools::lang::Lang;

/// Check exports of cooperatives' ledgers, offline
///
/// Exit status: 0 valid under the policy, 1 usage or file, 2 invalid (signature, hash, rule),
/// 3 valid as far as it goes but incomplete (missing entries, too few receipts, too old),
/// 4 proof that somebody signed two histories.
#[derive(Parser)]
#[command(name = "talea-verify", version, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true)]
pub struct Command {
    #[command(subcommand)]
    pub task: Option<Task>,
    #[command(flatten)]
    pub check: Check,
    /// Say the verdict and what speaks against it, without the checks V1 to V21
    #[arg(long, conflicts_with = "json")]
    pub short: bool,
    /// The folder of its attachments [default: the export's name, ending in `.attachments`]
    #[arg(long, value_name = "FOLDER")]
    pub attachments: Option<PathBuf>,
    /// The export to check
    #[arg(required = true)]
    pub file: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Task {
    /// Find what two exports contradict each other in
    Compare {
        /// An export
        one: PathBuf,
        /// Another, of the same cooperative
        other: PathBuf,
        #[command(flatten)]
        check: Check,
    },
    /// Write out the proof that a device has written twice in one place, or check one
    ///
    /// Exit status: 4 if the file to check is a proof, 2 if it is none, 1 if it cannot be read; of
    /// an export, as without this command.
    Fork {
        /// The export
        #[arg(required_unless_present = "proof")]
        file: Option<PathBuf>,
        /// Which of several: `alba/4`; if not said, the first that is not healed
        #[arg(long, value_name = "PLACE", conflicts_with = "proof")]
        place: Option<String>,
        /// Where to write the proof; if not said, the forks are listed
        #[arg(short, long, value_name = "FILE", conflicts_with = "proof")]
        output: Option<PathBuf>,
        /// Check this proof; no export is needed
        #[arg(long = "check", value_name = "FILE", conflicts_with = "file")]
        proof: Option<PathBuf>,
        #[command(flatten)]
        check: Check,
    },
    /// Show the trial balance
    Balance(Shown),
    /// Show every member, or one member's statement
    Member {
        #[command(flatten)]
        shown: Shown,
        /// A handle or a number; nobody for all
        name: Option<String>,
    },
    /// Show the decision register
    Decisions(Shown),
    /// Show where value came from and where it went
    Flows(Shown),
    /// Show every run, line by line
    Runs(Shown),
    /// Show what members have earned and not been paid
    Claims(Shown),
    /// Add contributions up by stream, task, tag, job and member
    Contributions(Shown),
    /// Show every account with its records
    Ledger(Shown),
    /// Show who has power: offices, closings, attestations, pay
    Power(Shown),
    /// List every contribution that counts
    Work(Shown),
    /// Show where something comes from, back to signatures and clauses, and what follows from it
    Explain {
        #[command(flatten)]
        shown: Shown,
        /// An entry (`alba/4`, or the beginning of its id), a payout (`2026-01/alba`), an account
        /// (`512000`), a member's rights (`alba`)
        subject: String,
    },
    /// Write a member's contributions as a W3C credential, to be signed by its issuer
    ///
    /// The body only: this program has no keys. Whoever signs it vouches for it.
    Credential {
        /// The export
        file: PathBuf,
        /// A handle or a number
        member: String,
        /// The device that will sign, by its key; if not said, the registrar's
        #[arg(long, value_name = "KEY")]
        issuer: Option<DeviceKey>,
        /// Where to write; if not said, to the terminal
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        check: Check,
    },
    /// Write everything into one page that any browser shows
    ///
    /// The page asks nothing of any network, has no script, and prints.
    Report {
        /// The export
        file: PathBuf,
        /// Where to write; if not said, to the terminal
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The language: en or fr
        #[arg(long, default_value = "en")]
        lang: Lang,
        #[command(flatten)]
        check: Check,
    },
    /// Write the books for another program
    ///
    /// hledger and beancount take them as they are (`hledger check -s`, `bean-check`); fec is the
    /// French file of closed months; sankey is CSV.
    Books {
        /// The export
        file: PathBuf,
        /// For which program
        #[arg(long = "as", value_name = "FORM")]
        form: Form,
        /// Where to write; if not said, to the terminal
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The language of the records' texts: en or fr
        #[arg(long, default_value = "en")]
        lang: Lang,
        #[command(flatten)]
        check: Check,
    },
    /// List every attachment, and whether the file lies beside the export
    Attachments {
        /// The export
        file: PathBuf,
        /// The folder [default: the export's name, ending in `.attachments`]
        #[arg(long = "in", value_name = "FOLDER")]
        folder: Option<PathBuf>,
        #[command(flatten)]
        check: Check,
    },
    /// List every entry
    Entries(Shown),
    /// Show one entry
    Show {
        #[command(flatten)]
        shown: Shown,
        /// The beginning of its id, or its place: `alba/4`
        entry: String,
    },
}

/// What is asked of an export, and how the answer is given.
#[derive(Args)]
pub struct Check {
    /// Ask for what this TOML file says: cooperative, nodes, settled, held_by, age_s
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Ask for this cooperative, by its id
    #[arg(long, value_name = "ID")]
    pub cooperative: Option<EntryId>,
    /// Ask for this node in the roster; may be given again
    #[arg(long = "node", value_name = "KEY")]
    pub nodes: Vec<NodeKey>,
    /// Ask for so many settled entries, instead of all that the exporting node accepted
    #[arg(long, value_name = "COUNT")]
    pub settled: Option<u64>,
    /// Ask for a checkpoint that so many nodes of the roster hold
    #[arg(long, value_name = "COUNT")]
    pub held_by: Option<u32>,
    /// Ask for a checkpoint cosigned in the last so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub max_age: Option<u64>,
    /// The time to judge the age by, in seconds since 1970 UTC, instead of this machine's
    #[arg(long, value_name = "SECONDS")]
    pub at: Option<u64>,
    /// Answer in JSON, with reasons
    #[arg(long)]
    pub json: bool,
    /// Print nothing: the exit status is the answer
    #[arg(short, long)]
    pub quiet: bool,
}

/// A report on an export.
#[derive(Args)]
pub struct Shown {
    /// The export
    pub file: PathBuf,
    /// Write comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// The language: en or fr
    #[arg(long, default_value = "en")]
    pub lang: Lang,
    #[command(flatten)]
    pub check: Check,
}

/// Whom the books are for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Form {
    Hledger,
    Beancount,
    Fec,
    Sankey,
    Valueflows,
    Parquet,
}
