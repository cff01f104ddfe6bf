//! What can be typed to begin: keys, and the charter file.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    /// Write a first charter file for a few founders, this wallet's owner among them
    New(Fresh),
    /// Print a charter file with every key explained
    Template,
    /// Say what a charter file would found, and whose consent is missing
    Check {
        /// The charter file
        file: PathBuf,
    },
    /// Consent to a charter as a founder: write the proof into the file, and print it
    Consent {
        /// The charter file
        file: PathBuf,
    },
}

/// A first charter file.
#[derive(Args, Debug)]
pub struct Fresh {
    /// The cooperative's name
    pub name: String,
    /// A founder: a handle, and the device that `talea keys show` prints in that founder's wallet; a
    /// handle alone is this wallet's owner. The first is registrar, the second treasurer
    #[arg(long = "founder", value_name = "HANDLE[=DEVICE]", required = true)]
    pub founders: Vec<String>,
    /// A node that keeps it: its data folder on this machine, its HTTP address or its key; once for
    /// each node
    #[arg(long = "node", value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
    /// The currency, by its three letters
    #[arg(long, default_value = "EUR")]
    pub currency: String,
    /// The file
    #[arg(long, short, value_name = "FILE", default_value = "charter.toml")]
    pub output: PathBuf,
}
