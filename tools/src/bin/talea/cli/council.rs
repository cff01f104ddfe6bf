//! What can be typed about proposals, votes and stages.

use clap::{Args, Subcommand, ValueEnum};

use super::Attach;

/// Ask the members.
#[derive(Args, Debug)]
pub struct Propose {
    /// What is proposed, in words; kept erasable
    pub text: String,
    /// The last day to vote
    #[arg(long, value_name = "DAY")]
    pub closes: String,
    /// How it is counted [default: college-weighted; in a circle: headcount]
    #[arg(long, value_enum)]
    pub method: Option<Way>,
    /// Count heads instead of weighing colleges
    #[arg(long, conflicts_with = "method")]
    pub headcount: bool,
    /// How it is counted instead if somebody blocks a consent
    #[arg(long, value_enum)]
    pub fallback: Option<Way>,
    /// Let this circle decide, by name
    #[arg(long)]
    pub circle: Option<String>,
    /// The first day to vote [default: at once]
    #[arg(long, value_name = "DAY")]
    pub opens: Option<String>,
    /// One of the options to be ranked or scored, in a word; once for each
    #[arg(long = "option", value_name = "WORD")]
    pub options: Vec<String>,
    /// The law requires this decision
    #[arg(long)]
    pub statutory: bool,
    /// Change the charter: care=1000, retain=2000, livelihood=7500, quorum=5000 (basis points),
    /// thresholds=5000/6667/5000, quorums=0/6000/0 (ordinary, charter, allocation), attestations=2,
    /// internal-price=12, love-minimum=40000, care-minimum=600, proxies=2, rate=TASK:UNIT:375,
    /// tier=NAME:500, circle=NAME:policy+spend:20000 (competences, most to spend); may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "month")]
    pub set: Vec<String>,
    /// The first month in which the change is in force
    #[arg(long = "from", value_name = "MONTH", id = "month")]
    pub month: Option<String>,
    /// Remove this member
    #[arg(long, value_name = "MEMBER", group = "effect", conflicts_with_all = ["set", "month"])]
    pub remove: Option<String>,
    /// Give a role to a member: treasurer=bruno
    #[arg(long, value_name = "ROLE=MEMBER", group = "effect", conflicts_with_all = ["set", "month"])]
    pub appoint: Option<String>,
    /// Admit whoever asks: a request (`talea:request:…`)
    #[arg(long, value_name = "REQUEST", group = "effect", conflicts_with_all = ["set", "month"], requires_all = ["college", "stage"])]
    pub admit: Option<String>,
    /// The college of whom to admit, by name
    #[arg(long, requires = "admit")]
    pub college: Option<String>,
    /// The stage of whom to admit, by name
    #[arg(long, requires = "admit")]
    pub stage: Option<String>,
    /// Let a member come to a stage: bruno=committed
    #[arg(long, value_name = "MEMBER=STAGE", group = "effect", conflicts_with_all = ["set", "month"])]
    pub advance: Option<String>,
    /// End this dispute
    #[arg(long, value_name = "DISPUTE", group = "effect", conflicts_with_all = ["set", "month"])]
    pub resolve: Option<String>,
    /// Correct a contribution by so many units: bruno/4=-2
    #[arg(long, value_name = "CONTRIBUTION=±N", group = "effect", conflicts_with_all = ["set", "month"])]
    pub correct: Option<String>,
    /// Let so much be spent, in the currency
    #[arg(long, value_name = "AMOUNT", group = "effect", conflicts_with_all = ["set", "month"], allow_hyphen_values = true, value_parser = super::give::number)]
    pub spend: Option<String>,
    /// Allocate the result of these months: 2026-01, or 2026-01..2026-12
    #[arg(long, value_name = "MONTHS", group = "effect", conflicts_with_all = ["set", "month"])]
    pub allocate: Option<String>,
    /// Replace the nodes: all that shall keep the log, with commas between; a new one by its whole
    /// key (`talead id`), one that stays by eight digits of it or more
    #[arg(long, value_name = "KEY,KEY", value_delimiter = ',', group = "effect", conflicts_with_all = ["set", "month"])]
    pub roster: Vec<String>,
    /// How many of them may lie [default: as many as now]
    #[arg(long, value_name = "NUMBER", requires = "roster")]
    pub faulty: Option<u8>,
    /// How many of them settle an entry [default: as few as are safe]
    #[arg(long, value_name = "NUMBER", requires = "roster")]
    pub settle: Option<u8>,
    /// Bind the cooperative to this agreement
    #[arg(long, value_name = "AGREEMENT", group = "effect", conflicts_with_all = ["set", "month"])]
    pub agree: Option<String>,
    /// Files.
    #[command(flatten)]
    pub attach: Attach,
}

/// How a proposal is counted.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Way {
    /// Each college has its weight
    CollegeWeighted,
    /// Each member has one vote
    Headcount,
    /// Adopted unless somebody blocks
    Consent,
    /// Options are ranked; the weakest goes out until one has more than half
    Ranked,
    /// Options get 0 to 10 each
    Score,
    /// As a fallback: by the credits that voters have earned
    CreditWeighted,
}

/// A kind of proposal.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// Neither of the others
    Ordinary,
    /// It changes the charter
    Charter,
    /// It allocates a result
    Allocation,
}

/// What members answer, and who stands where.
#[derive(Debug, Subcommand)]
pub enum Council {
    /// Answer a proposal
    Vote {
        /// The proposal: `chloe/2`, or the start of its id
        proposal: String,
        /// The answer
        #[arg(value_enum)]
        choice: Answer,
        /// Why; kept erasable. A block needs it
        #[arg(long, value_name = "WORDS", required_if_eq("choice", "block"))]
        reason: Option<String>,
    },
    /// Answer a proposal with options: rank them, or give each a score
    Rank {
        /// The proposal
        proposal: String,
        /// Options, the best first; or each with its score: north=8 south=3
        #[arg(required = true)]
        options: Vec<String>,
    },
    /// Let another member vote for you where you do not vote yourself
    #[command(group(clap::ArgGroup::new("whom").required(true).args(["to", "nobody"])))]
    Delegate {
        /// Who; nobody ends what was said before
        to: Option<String>,
        /// Let nobody vote for you any more
        #[arg(long)]
        nobody: bool,
        /// Only proposals of this kind
        #[arg(long, value_enum, group = "scope")]
        matter: Option<Kind>,
        /// Only proposals of this circle, by name
        #[arg(long, group = "scope")]
        circle: Option<String>,
        /// Only this proposal
        #[arg(long, value_name = "ENTRY", group = "scope")]
        proposal: Option<String>,
        /// Only proposals that close on this day or before
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
    },
    /// Vouch for a member's next stage: print a word to be passed to the registrar
    Vouch {
        /// Who
        member: String,
        /// The stage, by name
        stage: String,
        /// From which day it holds [default: today]
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
    },
    /// Let a member come to a stage, by the charter's milestone or by decision (registrar)
    Advance {
        /// Who
        member: String,
        /// The stage, by name
        stage: String,
        /// From which day it holds [default: today]
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// A member's word (`talea:stage:…`); once for each
        #[arg(long = "word", value_name = "SLIP", conflicts_with = "decision")]
        words: Vec<String>,
        /// By decision: that one, or the one that says so
        #[arg(long, value_name = "ENTRY", num_args = 0..=1, default_missing_value = "")]
        decision: Option<String>,
    },
    /// Admit whom a decision admits (registrar)
    Welcome {
        /// The request (`talea:request:…`)
        request: String,
        /// The decision [default: the one that says so]
        #[arg(long, value_name = "ENTRY")]
        decision: Option<String>,
    },
}

/// An answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Answer {
    /// For it
    Yes,
    /// Against it
    No,
    /// Present, and neither
    Abstain,
    /// Against a consent, which then fails; needs --reason
    Block,
}
