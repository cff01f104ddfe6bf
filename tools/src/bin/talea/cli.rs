//! What can be typed. Help is in the imperative; nothing here does anything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod begin;
mod council;
mod give;
mod grouped;
mod money;
mod partner;
mod recovery;

pub use begin::{CharterCommand, Fresh, Keys};
pub use council::{Answer, Council, Kind, Propose, Way};
pub use give::{About, Add, Attach, Belongs, Giving, Much, Sight, Take};
pub use grouped::command;
pub use money::Money;
pub use partner::{Credential, Erasure, Partner};
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
        /// A node's HTTP address; or its data folder on this machine, and it keeps the cooperative
        /// from now on; once for each node
        #[arg(long = "node", value_name = "ADDRESS|FOLDER")]
        nodes: Vec<String>,
    },
    /// Add a cooperative to this wallet
    Join {
        /// An invite (`talea:invite:…`), or the cooperative's id
        id: String,
        /// Call it so here
        #[arg(long)]
        name: Option<String>,
        /// A node's HTTP address, instead of those of the invite; once for each node
        #[arg(long = "node", value_name = "ADDRESS")]
        nodes: Vec<String>,
    },
    /// Print the line by which others add the cooperative to their wallets
    Invite,
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
    /// What members say of each other's work, and of what they offer, promise and use.
    #[command(flatten)]
    Giving(Giving),
    /// Ask the members
    Propose(Propose),
    /// What members answer, and who stands where.
    #[command(flatten)]
    Council(Council),
    /// Count the votes on a proposal and put the decision in force (registrar)
    Decide {
        /// The proposal
        proposal: String,
    },
    /// What treasurer and distributor write, and what members pay each other.
    #[command(flatten)]
    Money(Money),
    /// Deal with another cooperative: agree, send, receive, state what is open (treasurer)
    #[command(subcommand)]
    Partner(Partner),
    /// Stand for a document about a member, or take that back
    #[command(subcommand)]
    Credential(Credential),
    /// Look at the files that are attached to an entry, and get them
    #[command(subcommand)]
    Attachment(Attachment),
    /// Ask that words beside an entry be erased, or refuse it
    #[command(subcommand)]
    Erasure(Erasure),
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
        /// Get the attachments as well, into the folder beside it that `talea-verify` looks in
        #[arg(long)]
        attachments: bool,
        /// One member's history alone, by handle or number: verifies without any server
        #[arg(long, value_name = "MEMBER")]
        member: Option<String>,
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
        /// Which role: registrar, treasurer, distributor, controller, facilitator:CIRCLE
        office: String,
        /// To whom
        member: String,
        /// The decision [default: the one that says so]
        #[arg(long, value_name = "ENTRY")]
        decision: Option<String>,
    },
    /// Replace the nodes that keep the log, by decision (registrar)
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

/// The files that are attached to an entry.
#[derive(Debug, Subcommand)]
pub enum Attachment {
    /// List them
    List {
        /// The entry: `bruno/4`, or the start of its id
        entry: String,
    },
    /// Get one from a node, checked
    Get {
        /// The entry
        entry: String,
        /// Which, by its number in the list [default: the only one]
        #[arg(long, value_name = "N")]
        number: Option<usize>,
        /// The file to write
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
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
