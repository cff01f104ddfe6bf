//! What can be typed about money, shares and the cooperative's own units.

use std::path::PathBuf;

use clap::Subcommand;

/// What treasurer and distributor write, and what members pay each other.
#[derive(Debug, Subcommand)]
pub enum Money {
    /// Consent to take shares, or to give them back: print a slip to be passed to the treasurer
    Shares {
        /// How much, in the currency: 100 or 100.00
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// Give shares back instead: consent to get their money
        #[arg(long)]
        back: bool,
        /// Tells one subscription, or redemption, from the next
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
        /// It is public aid: no interest is paid from it
        #[arg(long)]
        aid: bool,
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
        /// The decision that allows it: `alba/7`, or the start of its id
        #[arg(long, value_name = "ENTRY")]
        decision: Option<String>,
        /// What for; kept erasable
        #[arg(long)]
        note: Option<String>,
        /// Files.
        #[command(flatten)]
        attach: super::Attach,
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
    /// Give a member the money of shares that it gives back (treasurer)
    Redeem {
        /// The member's consent (`talea:redemption:…`)
        slip: String,
    },
    /// Pay a member what it is owed besides runs: interest, a refund (treasurer)
    PayOut {
        /// Whom
        member: String,
        /// How much, in the currency
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// Tells one payment from the next
        #[arg(long, default_value = "first")]
        reference: String,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Enter what the bank's statement says, and see whether the books say the same (treasurer)
    Reconcile {
        /// The balance, in the currency; below zero if the bank is owed
        #[arg(allow_negative_numbers = true)]
        balance: String,
        /// The statement's number
        #[arg(long)]
        reference: String,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Allocate the result of closed months, as was decided (treasurer)
    Allocate {
        /// The months: 2026-01, or 2026-01..2026-12
        months: String,
        /// The decision [default: the one that says so]
        #[arg(long, value_name = "ENTRY")]
        decision: Option<String>,
        /// Interest to a member: alba=12.50; may be repeated
        #[arg(long = "interest", value_name = "MEMBER=AMOUNT")]
        interest: Vec<String>,
        /// A refund to a member: bruno=20; may be repeated
        #[arg(long = "refund", value_name = "MEMBER=AMOUNT")]
        refunds: Vec<String>,
        /// Carried forward [default: nothing, or the loss]; the rest goes to other reserves
        #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
        carry: Option<String>,
        /// The day [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Take over the balances of earlier books from a CSV file (treasurer)
    Open {
        /// The file: account,of,reference,amount (see tools/README.md)
        file: PathBuf,
        /// The day of the balances [default: today]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
    },
    /// Pay another member, or a fund, in a unit of the cooperative's own
    Transfer {
        /// How much, in that unit: 12.50
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// The unit, by name
        unit: String,
        /// Whom: a member, or fund:NAME
        to: String,
        /// Out of a fund instead of your wallet: fund:NAME (treasurer)
        #[arg(long, value_name = "FUND")]
        from: Option<String>,
        /// What for; kept erasable
        #[arg(long)]
        note: Option<String>,
    },
}
