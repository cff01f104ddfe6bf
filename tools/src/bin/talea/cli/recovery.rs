//! What can be typed when something goes wrong: devices, recovery phrases, guardians.

use clap::{Args, Subcommand, ValueEnum};
use talea_protocol::recovery::Office;

use super::Sort;

/// Add, list, report and end devices.
#[derive(Debug, Subcommand)]
pub enum Device {
    /// Ask for this device to be added to yours: print a request, as text and as a square to scan
    Request {
        /// What to call it: telephone, laptop
        #[arg(default_value = "device")]
        label: String,
        /// What its member is
        #[arg(long, value_enum, default_value_t = Sort::Person)]
        kind: Sort,
        /// The cooperative's id, if this wallet does not know it yet
        #[arg(long, value_name = "ID")]
        of: Option<String>,
        /// Show the square although no terminal listens
        #[arg(long)]
        qr: bool,
    },
    /// Approve a request of your other device, or of somebody whose guardian you are
    Approve {
        /// The request (`talea:request:…`)
        request: String,
    },
    /// Enrol another device of a member (registrar)
    Enrol {
        /// The new device's request (`talea:request:…`)
        request: String,
        /// An approval (`talea:approval:…`): one of the member's devices or its recovery phrase,
        /// or as many of its guardians as it chose
        #[arg(long = "approval", value_name = "SLIP", required = true)]
        approvals: Vec<String>,
        /// Whose device it will be [default: whose device or phrase approves]
        #[arg(long)]
        member: Option<String>,
    },
    /// List devices, and how they stand
    List {
        /// Only this member's
        member: Option<String>,
    },
    /// Report a device as lost or stolen: nodes give it no new place from then on
    Report {
        /// The device: its number, the start of its key, or its member if that has one
        device: String,
        /// Words of its member's guardians or recovery phrase (`talea:revocation:…`), if it is not
        /// yours
        #[arg(long = "word", value_name = "SLIP")]
        words: Vec<String>,
    },
    /// Ask as its member's guardian that a device be ended: print a word for the registrar
    Disown {
        /// The device: its number, the start of its key, or its member if that has one
        device: String,
    },
    /// End a device that is reported: nothing that it signs afterwards counts (registrar)
    Revoke {
        /// The device: its number, the start of its key, or its member if that has one
        device: String,
        /// Who asks (`talea:revocation:…`): one of the member's devices or its recovery phrase, or
        /// as many of its guardians as it chose
        #[arg(long = "word", value_name = "SLIP", required = true)]
        words: Vec<String>,
    },
}

/// Keep a way back on paper.
#[derive(Debug, Subcommand)]
pub enum Phrase {
    /// Make twelve words, and the slip by which the registrar enters them for you
    New,
    /// Practise: type the words from your paper, and see whether they are the ones entered
    Check(Words),
    /// Come back with nothing but the words: approve this new device, and disown the lost one
    Restore {
        /// Where the words are.
        #[command(flatten)]
        words: Words,
        /// What the member is
        #[arg(long, value_enum, default_value_t = Sort::Person)]
        kind: Sort,
        /// The cooperative's id, if this wallet does not know it yet
        #[arg(long, value_name = "ID")]
        of: Option<String>,
        /// The lost device's key, in full: print a word against it, too
        #[arg(long, value_name = "KEY")]
        lost: Option<String>,
    },
}

/// Where the words of a phrase are.
#[derive(Args, Debug)]
pub struct Words {
    /// Read the words from this file descriptor, one line
    #[arg(long, value_name = "N")]
    pub phrase_fd: Option<u32>,
}

/// Choose guardians.
#[derive(Debug, Subcommand)]
pub enum Guardians {
    /// Choose: print a slip to be passed to the registrar
    Set {
        /// A member; once for each guardian, and none to have none
        #[arg(long = "guardian", value_name = "MEMBER")]
        guardians: Vec<String>,
        /// How many of them act together [default: more than half]
        #[arg(long, value_name = "N")]
        threshold: Option<u8>,
    },
    /// Show who guards whom
    Show {
        /// Only this member's
        member: Option<String>,
    },
    /// Enter a member's choice (registrar)
    Enter {
        /// The choice (`talea:guardians:…`)
        slip: String,
    },
}

/// A role.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Role {
    /// Numbers the register
    Registrar,
    /// Writes money
    Treasurer,
    /// Computes the runs
    Distributor,
    /// Answers for personal data
    Controller,
}

impl From<Role> for Office {
    fn from(role: Role) -> Self {
        match role {
            Role::Registrar => Self::Registrar,
            Role::Treasurer => Self::Treasurer,
            Role::Distributor => Self::Distributor,
            Role::Controller => Self::Controller,
        }
    }
}
