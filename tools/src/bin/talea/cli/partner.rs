//! What can be typed about other cooperatives, credentials, and words to be erased.

use std::path::PathBuf;

use clap::Subcommand;

/// Deal with another cooperative.
#[derive(Debug, Subcommand)]
pub enum Partner {
    /// Enter another cooperative: who it is, and who speaks for it (treasurer)
    Link {
        /// Its charter (`talea show CHARTER --bytes FILE` there), or an export of it
        file: PathBuf,
        /// A device that speaks for it, its key in full; once for each [default: its treasurer's]
        #[arg(long = "speaker", value_name = "KEY")]
        speakers: Vec<String>,
    },
    /// List other cooperatives, what was agreed, sent and received
    List,
    /// Consent to an accord: print a slip to be passed to the other's treasurer (treasurer)
    Accord {
        /// The other cooperative, by name or by the start of its id
        other: String,
        /// What to call it
        #[arg(long)]
        reference: String,
        /// The most that one may owe the other, in the unit
        #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
        limit: String,
        /// The last day
        #[arg(long, value_name = "DAY")]
        until: String,
        /// The first day [default: today]
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// The unit [default: the currency]
        #[arg(long)]
        unit: Option<String>,
        /// The text of the contract: its hash goes into the accord
        #[arg(long, value_name = "FILE")]
        text: Option<PathBuf>,
    },
    /// Enter an accord that the other has signed, and print your own slip for it (treasurer)
    Countersign {
        /// The other's consent (`talea:accord:…`)
        slip: String,
    },
    /// Send under an accord (treasurer)
    Send {
        /// The accord, by its reference or the start of its name
        accord: String,
        /// How much, in its unit
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// Tells one send from the next
        #[arg(long)]
        reference: String,
        /// Out of this fund, for a unit of the cooperative's own
        #[arg(long)]
        fund: Option<String>,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Write what was sent, with the nodes' receipts for it, to a file for the other
    Proof {
        /// The send: `alba/12`, or the start of its id
        send: String,
        /// The file
        #[arg(long, short, value_name = "FILE", default_value = "sent.json")]
        output: PathBuf,
    },
    /// Take in what the other has sent (treasurer)
    Receive {
        /// The file that `talea partner proof` has written there
        file: PathBuf,
        /// Into this fund, for a unit of the cooperative's own
        #[arg(long)]
        fund: Option<String>,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Sign what went both ways under an accord: print a slip for the other (treasurer)
    Balance {
        /// The accord, by its reference or the start of its name
        accord: String,
        /// What the other has sent, in the unit, if that is not what was received here
        #[arg(long, value_name = "AMOUNT")]
        their_sent: Option<String>,
        /// What the other has received, if that is not what was sent here
        #[arg(long, value_name = "AMOUNT")]
        their_received: Option<String>,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Enter what both hold for so, signed by the other (treasurer)
    Statement {
        /// The other's word (`talea:balance:…`)
        slip: String,
    },
}

/// Stand for a document about a member, or take that back.
#[derive(Debug, Subcommand)]
pub enum Credential {
    /// Stand for a document about a member: its hash is written, the document is not
    Attest {
        /// Whom it is about
        member: String,
        /// The document
        file: PathBuf,
        /// What it is, in a word: contributions, training
        #[arg(long)]
        kind: String,
        /// From which day it holds [default: today]
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// Until which day
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
    },
    /// Take it back
    Revoke {
        /// What was stood for: `alba/9`, or the start of its id
        credential: String,
        /// Why, in a word: mistake, ended
        #[arg(long, default_value = "mistake", value_name = "WORD")]
        ground: String,
    },
}

/// Ask that words beside an entry be erased, or refuse it.
#[derive(Debug, Subcommand)]
pub enum Erasure {
    /// Ask the registrar to have words beside an entry erased (`talea erase` does it)
    Request {
        /// The entry
        entry: String,
        /// Why; kept erasable itself
        #[arg(long, value_name = "WORDS")]
        reason: Option<String>,
    },
    /// Refuse such a request, with its ground (registrar)
    Refuse {
        /// The request: `bruno/9`, or the start of its id
        request: String,
        /// Why, in a word: law, contract, other-person
        #[arg(long, value_name = "WORD")]
        ground: String,
    },
}
