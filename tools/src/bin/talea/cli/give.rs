//! What can be typed about work, and about what members offer, promise and use.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
    /// It produced this resource: its name, how much, and the unit
    #[arg(long, num_args = 3, value_names = ["NAME", "QUANTITY", "UNIT"], conflicts_with = "service")]
    pub produces: Vec<String>,
    /// It was a service to somebody
    #[arg(long)]
    pub service: bool,
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
    /// Files.
    #[command(flatten)]
    pub attach: Attach,
    /// What it belongs to.
    #[command(flatten)]
    pub belongs: Belongs,
}

/// Files that lie beside an entry.
#[derive(Args, Debug)]
pub struct Attach {
    /// A file to attach: a photo, a receipt, minutes; kept erasable; may be repeated
    #[arg(long = "attach", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Who is given the files
    #[arg(long, value_enum, default_value_t = Sight::Members, value_name = "WHO", requires = "files")]
    pub visible: Sight,
}

/// Whom nodes give an attachment.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Sight {
    /// Whoever may read the entries
    Public,
    /// Members alone
    Members,
    /// The author, and whoever holds an office
    Officers,
}

/// What a piece of work, or the use of a resource, belongs to.
#[derive(Args, Debug)]
pub struct Belongs {
    /// The circle, by name
    #[arg(long)]
    pub circle: Option<String>,
    /// The agreement under which it is: `bruno/4`, or the start of its id
    #[arg(long, value_name = "ENTRY")]
    pub agreement: Option<String>,
    /// The commitment that it fulfils
    #[arg(long, value_name = "ENTRY")]
    pub commitment: Option<String>,
}

/// What members say of each other's work, and of what they offer, promise and use.
#[derive(Debug, Subcommand)]
pub enum Giving {
    /// Confirm another member's contribution: all of it, a part, or its quality
    Attest {
        /// The contribution: `bruno/4`, or the start of its id
        contribution: String,
        /// Only so much of it: 12, or 2h for tasks counted in parts of hours
        #[arg(long, value_name = "QUANTITY", conflicts_with = "quality", allow_hyphen_values = true, value_parser = number)]
        part: Option<String>,
        /// Its quality, where the charter asks for words about it
        #[arg(long)]
        quality: bool,
    },
    /// Dispute a contribution: the next run leaves it out until that is settled
    Dispute {
        /// The contribution
        contribution: String,
        /// Why; kept erasable
        #[arg(long, value_name = "WORDS")]
        reason: Option<String>,
    },
    /// Withdraw a dispute of yours
    Withdraw {
        /// The dispute
        dispute: String,
    },
    /// Correct a contribution of yours: less than was claimed, or a part of that again
    #[command(group(clap::ArgGroup::new("by").required(true).args(["less", "more"])))]
    Correct {
        /// The contribution
        contribution: String,
        /// Take so much away: 2, or 30m for tasks counted in parts of hours
        #[arg(long, value_name = "QUANTITY", allow_hyphen_values = true, value_parser = number)]
        less: Option<String>,
        /// Give so much back
        #[arg(long, value_name = "QUANTITY", allow_hyphen_values = true, value_parser = number)]
        more: Option<String>,
        /// Why; kept erasable
        #[arg(long, value_name = "WORDS")]
        reason: Option<String>,
    },
    /// Say that you took something of the commons: used it, cited it or used it up
    Draw {
        /// What was done with it
        #[arg(value_enum)]
        taking: Take,
        /// What, and how much.
        #[command(flatten)]
        much: Much,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
        /// What it belongs to.
        #[command(flatten)]
        belongs: Belongs,
    },
    /// Offer something to the other members
    Offer {
        /// What, and how much.
        #[command(flatten)]
        much: Much,
        /// Until which day it holds
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
        /// The circle that it is for, by name
        #[arg(long)]
        circle: Option<String>,
        /// What to say about it; kept erasable
        #[arg(long, value_name = "WORDS")]
        note: Option<String>,
    },
    /// Ask the other members for something
    Ask {
        /// What, and how much.
        #[command(flatten)]
        much: Much,
        /// Until which day it holds
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
        /// The circle that it is for, by name
        #[arg(long)]
        circle: Option<String>,
        /// What to say about it; kept erasable
        #[arg(long, value_name = "WORDS")]
        note: Option<String>,
    },
    /// Put an agreement in writing: it binds each party once that party has agreed; you have
    Agreement {
        /// One side of it: FROM,TO,DUTY,NAME,QUANTITY,UNIT and perhaps a last DAY. Who: a member or
        /// `cooperative`. Duty: work, produce, deliver-service, transfer. May be repeated
        #[arg(long = "clause", value_name = "CLAUSE", required = true)]
        clauses: Vec<String>,
        /// What it is about; kept erasable
        #[arg(long, value_name = "WORDS")]
        note: Option<String>,
    },
    /// Agree to an agreement that names you as a party
    Agree {
        /// The agreement
        agreement: String,
    },
    /// Promise something by a day
    Commit {
        /// What, and how much.
        #[command(flatten)]
        much: Much,
        /// For whom: a member, or `cooperative`
        #[arg(long, value_name = "MEMBER")]
        to: String,
        /// By when
        #[arg(long, value_name = "DAY")]
        due: String,
        /// What will be done: work, produce, deliver-service, transfer
        #[arg(long, value_name = "DUTY", default_value = "work")]
        duty: String,
        /// The offer or request that it takes up
        #[arg(long, value_name = "ENTRY")]
        intent: Option<String>,
        /// The agreement that it is a part of
        #[arg(long, value_name = "ENTRY")]
        agreement: Option<String>,
    },
    /// Say something about an entry
    Comment {
        /// The entry
        entry: String,
        /// What; kept erasable
        words: String,
        /// Files.
        #[command(flatten)]
        attach: Attach,
    },
}

/// What, and how much.
#[derive(Args, Debug)]
pub struct Much {
    /// Its name: bread, or the name of a task
    pub resource: String,
    /// How much, in whole units
    #[arg(allow_hyphen_values = true, value_parser = number)]
    pub quantity: String,
    /// The unit: loaf, hour
    pub unit: String,
}

/// What is done with a resource.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Take {
    /// It is there afterwards
    Use,
    /// It is named as a source
    Cite,
    /// It is gone
    Consume,
}

/// A number, were it below zero (a rule refuses that); an option that is mistyped is not taken
/// for one.
pub(super) fn number(text: &str) -> Result<String, String> {
    match text.strip_prefix('-') {
        Some(rest) if !rest.starts_with(|first: char| first.is_ascii_digit()) => {
            Err("this is no option here: see --help".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}
