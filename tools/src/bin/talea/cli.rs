//! What can be typed. Help is in the imperative; nothing here does anything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod grouped;
mod recovery;

pub use grouped::command;
pub use recovery::{Device, Guardians, Phrase, Role, Words};

/// Keep a cooperative's books together: sign what you gave, decide, pay, and check it all
///
/// Works without a node: what is signed is kept here and sent later.
///
/// Each entry goes from kept (here, on disk) to k of n (nodes hold it) to settled (it stays).
///
/// Exit status: 0 done, 1 usage or file, 2 refused by a rule, 3 no node answered.
#[derive(Debug, Parser)]
#[command(name = "talea", version, arg_required_else_help = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Args, Debug)]
pub struct Common {
    /// Use the wallet in this folder [default: $XDG_DATA_HOME/talea]
    #[arg(long, global = true, value_name = "FOLDER", env = "TALEA_WALLET")]
    pub wallet: Option<PathBuf>,
    /// Choose the cooperative, by name or by the start of its id
    #[arg(long, global = true, value_name = "NAME")]
    pub coop: Option<String>,
    /// Read the passphrase from this file descriptor, one line
    #[arg(long, global = true, value_name = "N")]
    pub passphrase_fd: Option<u32>,
    /// Show what would be signed, and its verdict, and sign nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Sign, or send, without asking
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// Sign, or send, although the statement would be void by what is known here
    #[arg(long, global = true)]
    pub anyway: bool,
    /// Ask no node: keep what is signed, and send it later
    #[arg(long, global = true)]
    pub offline: bool,
    /// Give results as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make and show this wallet's key
    #[command(subcommand)]
    Keys(Keys),
    /// Write, check and consent to a charter file
    #[command(subcommand)]
    Charter(CharterCommand),
    /// Found a cooperative: sign its charter, once all founders have consented
    Found {
        /// The charter file (see `talea charter template`)
        file: PathBuf,
        /// A node's HTTP address; once for each node
        #[arg(long = "node", value_name = "ADDRESS")]
        nodes: Vec<String>,
    },
    /// Add a cooperative to this wallet
    Join {
        /// The cooperative's id
        id: String,
        /// Call it so here
        #[arg(long)]
        name: Option<String>,
        /// A node's HTTP address; once for each node
        #[arg(long = "node", value_name = "ADDRESS", required = true)]
        nodes: Vec<String>,
    },
    /// List the cooperatives that this wallet knows
    Cooperatives,
    /// Ask to be let in: print a request to be passed to the registrar
    Request {
        /// What to be called, in one word
        handle: String,
        /// The full name
        #[arg(long, default_value = "")]
        name: String,
        /// What the applicant is
        #[arg(long, value_enum, default_value_t = Sort::Person)]
        kind: Sort,
        /// The cooperative's id, if this wallet does not know it yet
        #[arg(long, value_name = "ID")]
        of: Option<String>,
    },
    /// Vouch for a request: print an approval to be passed to the registrar
    Approve {
        /// The request (`talea:request:…`)
        request: String,
    },
    /// Admit a member (registrar)
    Admit {
        /// The request (`talea:request:…`)
        request: String,
        /// The college, by name
        #[arg(long)]
        college: String,
        /// The stage, by name
        #[arg(long)]
        stage: String,
        /// A sponsor's approval (`talea:approval:…`); once for each sponsor
        #[arg(long = "approval", value_name = "SLIP")]
        approvals: Vec<String>,
    },
    /// State what you gave: paid work, work for the commons, care
    #[command(subcommand)]
    Add(Add),
    /// Confirm another member's contribution
    Attest {
        /// The contribution: `bruno/4`, or the start of its id
        contribution: String,
    },
    /// Ask the members
    Propose(Propose),
    /// Answer a proposal
    Vote {
        /// The proposal: `chloe/2`, or the start of its id
        proposal: String,
        /// The answer
        #[arg(value_enum)]
        choice: Answer,
    },
    /// Count the votes on a proposal and put the decision in force (registrar)
    Decide {
        /// The proposal
        proposal: String,
    },
    /// Consent to a subscription of shares: print a slip to be passed to the treasurer
    Shares {
        /// How much, in the currency: 100 or 100.00
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// Tells one subscription from the next
        #[arg(long, default_value = "first")]
        reference: String,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Enter shares that a member has consented to and paid (treasurer)
    Subscribe {
        /// The member's consent (`talea:shares:…`)
        slip: String,
    },
    /// Enter what a client owes for a job (treasurer)
    Invoice {
        /// The job's reference
        job: String,
        /// Who owes
        #[arg(long)]
        client: String,
        /// The price tier, by name
        #[arg(long)]
        tier: String,
        /// Units of work
        #[arg(long, allow_negative_numbers = true)]
        quantity: String,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Enter what a client has paid (treasurer)
    Income {
        /// The job's reference
        job: String,
        /// Who paid
        #[arg(long)]
        client: String,
        /// How much, in the currency
        #[arg(long, allow_negative_numbers = true)]
        amount: String,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Enter money spent (treasurer)
    Expense {
        /// Account of the plan of accounts, such as 627000
        account: String,
        /// Who was paid
        #[arg(long)]
        payee: String,
        /// How much, in the currency
        #[arg(long, allow_negative_numbers = true)]
        amount: String,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
        /// What for; kept erasable
        #[arg(long)]
        note: Option<String>,
    },
    /// Pass on a part of what a run owes you
    Redirect {
        /// Who shall get it
        to: String,
        /// How much, in the currency
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// The run, by its month
        #[arg(long, value_name = "MONTH")]
        run: String,
        /// What for; kept erasable
        #[arg(long)]
        note: Option<String>,
    },
    /// Divide a month's receipts by the charter's formula (distributor)
    Distribute {
        /// The month: 2026-01
        month: String,
    },
    /// Pay a run, after the redirects (treasurer)
    Pay {
        /// The run, by its month
        month: String,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Close a month: what is dated inside and comes later is booked in the open one (treasurer)
    Close {
        /// The month: 2026-01
        month: String,
    },
    /// Name a cut of everything that is known here (registrar)
    Mark,
    /// Bring what the nodes hold into this wallet
    Fetch,
    /// Ask the nodes how far they hold this device's chain, and whether it is safe to sign
    CheckHead,
    /// Bring back what this device has signed and this wallet does not know: after a restore
    CatchUp,
    /// Show what was signed here and is not settled yet
    Outbox,
    /// Send what was signed here and is not settled yet
    Send,
    /// List the cooperative's entries, as last fetched
    Log {
        /// Only those of this wallet's member
        #[arg(long)]
        mine: bool,
        /// At most so many, the newest
        #[arg(long, default_value_t = 30)]
        last: usize,
    },
    /// Show one entry in full
    Show {
        /// The entry: `alba/3`, or the start of its id
        entry: String,
        /// Write its very bytes, signature and all, to this file as well (see `talea submit`)
        #[arg(long = "bytes", value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Give a node an entry that is signed already, from a file: anybody's, carried by any means
    Submit {
        /// The entry's bytes (see `talea show --bytes`)
        file: PathBuf,
        /// Its payload as JSON: the salt in hexadecimal, the bytes in base64
        #[arg(long, value_name = "FILE")]
        payload: Option<PathBuf>,
        /// A node's HTTP address, instead of those that this wallet knows; once for each node
        #[arg(long = "node", value_name = "ADDRESS")]
        nodes: Vec<String>,
    },
    /// Write a node's export to a file, for `talea-verify` and for keeps
    Export {
        /// The file
        #[arg(long, short, value_name = "FILE", default_value = "export.talea")]
        output: PathBuf,
        /// Ask this node, by the start of its key or its address
        #[arg(long, value_name = "NODE")]
        from: Option<String>,
    },
    /// Add, list, report and end devices: a telephone that was stolen, a new one
    #[command(subcommand)]
    Device(Device),
    /// Keep a way back on paper: twelve words that can only add and end your devices
    #[command(subcommand)]
    Phrase(Phrase),
    /// Choose people who together can add and end your devices
    #[command(subcommand)]
    Guardians(Guardians),
    /// Leave the cooperative: nothing more is signed after this
    Leave,
    /// End the chains of a member that has said so (registrar)
    Depart {
        /// The member's word (`talea:departure:…`)
        slip: String,
    },
    /// End the chains of a member by decision (registrar)
    Remove {
        /// Who
        member: String,
        /// The decision: `alba/7`, or the start of its id [default: the one that says so]
        #[arg(long, value_name = "ENTRY")]
        decision: Option<String>,
    },
    /// Hand a role over by decision (registrar)
    HandOver {
        /// Which role
        #[arg(value_enum)]
        office: Role,
        /// To whom
        member: String,
        /// The decision [default: the one that says so]
        #[arg(long, value_name = "ENTRY")]
        decision: Option<String>,
    },
    /// Replace the nodes whose receipts count, by decision (registrar)
    Reform {
        /// The decision [default: the one that says so]
        #[arg(long, value_name = "ENTRY")]
        decision: Option<String>,
    },
    /// Call for another registrar, if the one there is is silent or lies
    Call {
        /// Who shall go on with the register
        successor: String,
    },
    /// Go on with the register as the successor that enough members call for
    Succeed {
        /// The members' calls (`talea:call:…`), one each
        #[arg(required = true)]
        calls: Vec<String>,
    },
    /// List chains that stand still because a device signed twice in one place
    Forks {
        /// Write the proof against this device to a file (see `talea-verify fork`)
        #[arg(long, value_name = "DEVICE", requires = "file")]
        save: Option<String>,
        /// The file
        #[arg(long, short = 'o', value_name = "FILE", id = "file")]
        file: Option<PathBuf>,
    },
    /// End the quarrel about a fork, by what the nodes' logs show (registrar)
    Heal {
        /// The device: its number, the start of its key, or its member
        device: String,
    },
    /// Order that what was written beside an entry be deleted at every node
    Erase {
        /// The entry: yours, or anybody's for the registrar
        entry: String,
        /// Why, in a word: request, court, mistake
        #[arg(long, default_value = "request", value_name = "WORD")]
        ground: String,
    },
    /// Carry out a scenario file: make its members' keys, found, and send every step
    Import(Import),
    /// Speak with a node on this machine, over its control socket
    #[command(subcommand)]
    Node(Node),
    /// Show it all on this machine in a minute: eight members, three nodes, and three cheats
    Demo(Demo),
}

/// Make and show this wallet's key.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key, sealed with a passphrase
    New,
    /// Show this wallet's device: the public half of its key
    Show,
    /// Seal the key with another passphrase
    Passphrase,
}

/// Write, check and consent to a charter file.
#[derive(Debug, Subcommand)]
pub enum CharterCommand {
    /// Print a charter file with every key explained
    Template,
    /// Say what a charter file would found, and whose consent is missing
    Check {
        /// The charter file
        file: PathBuf,
    },
    /// Consent to a charter as a founder: print the proof that goes into the file
    Consent {
        /// The charter file
        file: PathBuf,
    },
}

/// State what you gave.
#[derive(Debug, Subcommand)]
pub enum Add {
    /// Paid work
    Work(Given),
    /// Work for the commons
    Love(Given),
    /// Care for each other and for the cooperative, in time: 1h, 45m
    Care(Care),
}

/// What was given.
#[derive(Args, Debug)]
pub struct Given {
    /// How much: 12000, or 3h30 for tasks counted in parts of hours
    #[arg(allow_hyphen_values = true, value_parser = number)]
    pub quantity: String,
    /// The task, by name [default: the charter's only one]
    #[arg(long)]
    pub task: Option<String>,
    /// The job that it was for
    #[arg(long, requires = "tier")]
    pub job: Option<String>,
    /// The job's price tier, by name
    #[arg(long, requires = "job")]
    pub tier: Option<String>,
    /// When, tags and words.
    #[command(flatten)]
    pub about: About,
}

/// Care that was given.
#[derive(Args, Debug)]
pub struct Care {
    /// How long: 1h, 45m, 1h30
    #[arg(allow_hyphen_values = true, value_parser = number)]
    pub time: String,
    /// The task, by name
    #[arg(long, default_value = "care")]
    pub task: String,
    /// When, tags and words.
    #[command(flatten)]
    pub about: About,
}

/// When it was, and what to say about it.
#[derive(Args, Debug)]
pub struct About {
    /// The last day of the work [default: today]
    #[arg(long, value_name = "DAY")]
    pub on: Option<String>,
    /// The first day [default: the last]
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,
    /// A label such as sdg:5; may be repeated
    #[arg(long = "tag")]
    pub tags: Vec<String>,
    /// What it was for; kept erasable
    #[arg(long = "for", value_name = "WORDS")]
    pub note: Option<String>,
}

/// Ask the members.
#[derive(Args, Debug)]
pub struct Propose {
    /// What is proposed, in words; kept erasable
    pub text: String,
    /// The last day to vote
    #[arg(long, value_name = "DAY")]
    pub closes: String,
    /// Count heads instead of weighing colleges
    #[arg(long)]
    pub headcount: bool,
    /// The law requires this decision
    #[arg(long)]
    pub statutory: bool,
    /// Change the charter: care=1000, retain=2000, livelihood=7500, quorum=5000 (basis points),
    /// attestations=2, sponsors=2, internal-price=12, love-minimum=40000; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "month")]
    pub set: Vec<String>,
    /// The first month in which the change is in force
    #[arg(long = "from", value_name = "MONTH", id = "month")]
    pub month: Option<String>,
    /// Remove this member
    #[arg(long, value_name = "MEMBER", conflicts_with_all = ["set", "month"])]
    pub remove: Option<String>,
    /// Give a role to a member: treasurer=bruno
    #[arg(long, value_name = "ROLE=MEMBER", conflicts_with_all = ["set", "month", "remove"])]
    pub appoint: Option<String>,
    /// Replace the nodes: the keys of all that shall keep the log, with commas between
    #[arg(
        long,
        value_name = "KEY,KEY",
        value_delimiter = ',',
        conflicts_with_all = ["set", "month", "remove", "appoint"]
    )]
    pub roster: Vec<String>,
    /// How many of them may lie
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "roster")]
    pub faulty: u8,
    /// How many of them settle an entry [default: as few as are safe]
    #[arg(long, value_name = "NUMBER", requires = "roster")]
    pub quorum: Option<u8>,
}

/// An answer.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Answer {
    /// For it
    Yes,
    /// Against it
    No,
    /// Present, and neither
    Abstain,
}

/// What an applicant is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Sort {
    /// A human being
    Person,
    /// An organisation
    Organisation,
    /// A program or a sensor
    Machine,
}

/// Carry out a scenario file.
#[derive(Args, Debug)]
pub struct Import {
    /// The scenario, such as tests/data/passerelles-q1.json
    pub file: PathBuf,
    /// A node's data folder (its control socket is in it); once for each node of the roster
    #[arg(long = "node", value_name = "FOLDER")]
    pub nodes: Vec<PathBuf>,
    /// Stop after this step
    #[arg(long, value_name = "N")]
    pub until: Option<u32>,
    /// Make the members' keys from this word instead of from random bytes: for tests only
    #[arg(long, value_name = "WORD")]
    pub seed: Option<String>,
    /// Make each member a wallet in this folder
    #[arg(long, value_name = "FOLDER")]
    pub wallets: Option<PathBuf>,
}

/// Speak with a node.
#[derive(Debug, Subcommand)]
pub enum Node {
    /// Say how a node is doing
    Status {
        /// The node's data folder
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
    },
    /// Make a node keep a cooperative
    Host {
        /// The node's data folder
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
        /// The cooperative [default: the one that this wallet chooses]
        id: Option<String>,
        /// Another node that keeps it: its key, @, its host and QUIC port; may be repeated
        #[arg(long = "peer", value_name = "KEY@ADDRESS")]
        peers: Vec<String>,
    },
}

/// Show it all on this machine.
#[derive(Args, Debug)]
pub struct Demo {
    /// Keep the folder with the nodes' data and the exports
    #[arg(long)]
    pub keep: bool,
    /// Make the members' keys from this word instead of from random bytes
    #[arg(long, value_name = "WORD")]
    pub seed: Option<String>,
}

/// A number, were it below zero (a rule refuses that); an option that is mistyped is not taken
/// for one.
fn number(text: &str) -> Result<String, String> {
    match text.strip_prefix('-') {
        Some(rest) if !rest.starts_with(|first: char| first.is_ascii_digit()) => {
            Err("this is no option here: see --help".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}
