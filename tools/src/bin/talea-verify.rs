//! The auditor's program: reads exports, says whether they are right, shows what they add up to.
//!
//! It opens files and nothing else: no socket, no database. What it concludes is its exit status:
//! 0 valid under the policy, 1 usage or file, 2 invalid, 3 valid as far as it goes but
//! incomplete, 4 proof that somebody signed two histories.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};
use talea_protocol::bytes::Malformed;
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_tools::books::{Books, FecFault, beancount, fec, general_ledger, hledger, sankey};
use talea_tools::checks;
use talea_tools::explain::explain;
use talea_tools::lang::Lang;
use talea_tools::page::page;
use talea_tools::verify::compare::compare;
use talea_tools::verify::report::{self, Report};
use talea_tools::verify::text::{advice, headline, line, lines, place};
use talea_tools::verify::{Audit, Finding, Policy, Status, Sum, audit};

/// Check exports of cooperatives' ledgers, offline
///
/// Exit status: 0 valid under the policy, 1 usage or file, 2 invalid (signature, hash, rule),
/// 3 valid as far as it goes but incomplete (missing entries, too few receipts, too old),
/// 4 proof that somebody signed two histories.
#[derive(Parser)]
#[command(name = "talea-verify", version, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true)]
struct Command {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    check: Check,
    /// The export to check
    #[arg(required = true)]
    file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Task {
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
struct Check {
    /// Ask for what this TOML file says: cooperative, nodes, settled, held_by, age_s
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Ask for this cooperative, by its id
    #[arg(long, value_name = "ID")]
    cooperative: Option<EntryId>,
    /// Ask for this node in the roster; may be given again
    #[arg(long = "node", value_name = "KEY")]
    nodes: Vec<NodeKey>,
    /// Ask for so many settled entries, instead of all that the exporting node accepted
    #[arg(long, value_name = "COUNT")]
    settled: Option<u64>,
    /// Ask for a checkpoint that so many nodes of the roster hold
    #[arg(long, value_name = "COUNT")]
    held_by: Option<u32>,
    /// Ask for a checkpoint cosigned in the last so many seconds
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u64>,
    /// The time to judge the age by, in seconds since 1970 UTC, instead of this machine's
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
    /// Answer in JSON, with reasons
    #[arg(long)]
    json: bool,
    /// Print nothing: the exit status is the answer
    #[arg(short, long)]
    quiet: bool,
}

/// A report on an export.
#[derive(Args)]
struct Shown {
    /// The export
    file: PathBuf,
    /// Write comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// The language: en or fr
    #[arg(long, default_value = "en")]
    lang: Lang,
    #[command(flatten)]
    check: Check,
}

/// Whom the books are for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Hledger,
    Beancount,
    Fec,
    Sankey,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Fec(#[from] FecFault),
    #[error(transparent)]
    Page(#[from] askama::Error),
    #[error(
        "`{0}` is no entry, payout, account or member here; `talea-verify entries FILE` lists all entries"
    )]
    Nothing(String),
    #[error("the file has no charter: nothing can be shown")]
    NoCharter,
    #[error("cannot write {}: {reason}", path.display())]
    Write { path: PathBuf, reason: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Proof { path: PathBuf, reason: Malformed },
    #[error("this file shows no fork there")]
    NoFork,
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Export { path: PathBuf, reason: talea_protocol::export::ExportFault },
    #[error("{}: {reason}", path.display())]
    Policy { path: PathBuf, reason: toml::de::Error },
    #[error("nobody here is called `{0}`; `talea-verify member FILE` lists everybody")]
    Member(String),
    #[error("{count} entries are called `{text}`; give more of the id, or its place: alba/4")]
    Entry { text: String, count: usize },
    #[error("these are exports of two cooperatives, {one} and {other}")]
    Strangers { one: EntryId, other: EntryId },
}

fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match run(&command) {
        Ok(status) => ExitCode::from(status.code()),
        Err(failure) => {
            eprintln!("talea-verify: {failure}");
            ExitCode::from(1)
        }
    }
}

fn run(command: &Command) -> Result<Status, Failure> {
    let Some(task) = &command.task else {
        return verdict(command.file.as_deref().unwrap_or(Path::new("")), &command.check);
    };
    match task {
        Task::Compare { one, other, check } => contradictions(one, other, check),
        Task::Fork { proof: Some(proof), check, .. } => check_proof(proof, check),
        Task::Fork { file, place, output, check, .. } => {
            let file = file.as_deref().unwrap_or(Path::new(""));
            write_proof(file, place.as_deref(), output.as_deref(), check)
        }
        Task::Balance(shown) => show(shown, |_, sum| Ok(report::balance(sum))),
        Task::Member { shown, name: None } => show(shown, |_, sum| Ok(report::member_list(sum))),
        Task::Member { shown, name: Some(name) } => show(shown, |_, sum| {
            let member = sum.names.find(&sum.register, name);
            let report = member.and_then(|member| report::member(sum, member));
            report.ok_or_else(|| Failure::Member(name.clone()))
        }),
        Task::Decisions(shown) => show(shown, |_, sum| Ok(report::decision_register(sum))),
        Task::Flows(shown) => show(shown, |_, sum| Ok(report::value_flows(sum))),
        Task::Runs(shown) => show(shown, |_, sum| Ok(report::run_list(sum))),
        Task::Claims(shown) => show(shown, |_, sum| Ok(report::claims_list(sum))),
        Task::Contributions(shown) => show(shown, |_, sum| Ok(report::given_by(sum))),
        Task::Work(shown) => show(shown, |_, sum| Ok(report::work_list(sum))),
        Task::Power(shown) => show(shown, |audit, sum| Ok(report::power(audit, sum))),
        Task::Ledger(shown) => show(shown, |audit, _| {
            let books = Books::new(audit).ok_or(Failure::NoCharter)?;
            Ok(general_ledger(&books, shown.lang))
        }),
        Task::Explain { shown, subject } => show(shown, |audit, _| {
            explain(audit, subject).ok_or_else(|| Failure::Nothing(subject.clone()))
        }),
        Task::Report { file, output, lang, check } => {
            let audit = read(file, check)?;
            deliver(output.as_deref(), page(&audit, *lang)?.as_bytes())?;
            Ok(audit.status)
        }
        Task::Books { file, form, output, lang, check } => {
            write_books(file, (*form, *lang), output.as_deref(), check)
        }
        Task::Entries(shown) => show(shown, |audit, sum| Ok(report::entry_list(audit, sum))),
        Task::Show { shown, entry } => {
            show(shown, |audit, sum| match report::find(audit, entry).as_slice() {
                [entry] => Ok(report::entry(audit, sum, entry)),
                found => Err(Failure::Entry { text: entry.clone(), count: found.len() }),
            })
        }
    }
}

fn read(path: &Path, check: &Check) -> Result<Audit, Failure> {
    let path_of = || path.to_path_buf();
    let file = std::fs::read(path).map_err(|reason| Failure::File { path: path_of(), reason })?;
    let policy = policy(check)?;
    audit(&file, &policy, check.at.unwrap_or_else(now))
        .map_err(|reason| Failure::Export { path: path_of(), reason })
}

fn policy(check: &Check) -> Result<Policy, Failure> {
    let mut policy = match &check.policy {
        None => Policy::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|reason| Failure::File { path: path.clone(), reason })?;
            Policy::parse(&text).map_err(|reason| Failure::Policy { path: path.clone(), reason })?
        }
    };
    policy.cooperative = check.cooperative.or(policy.cooperative);
    policy.nodes.extend(&check.nodes);
    policy.settled = check.settled.or(policy.settled);
    policy.held_by = check.held_by.or(policy.held_by);
    policy.age_s = check.max_age.or(policy.age_s);
    Ok(policy)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn verdict(path: &Path, check: &Check) -> Result<Status, Failure> {
    let audit = read(path, check)?;
    if check.json {
        say(check, &pretty(&verdict_json(&audit)));
    } else {
        say(check, &headline(&audit));
        for line in lines(&audit) {
            say(check, &format!("  {line}"));
        }
        if audit.status != Status::Valid {
            say(check, &format!("  {}", advice(audit.status)));
        }
        for line in checks::lines(&checks::checks(&audit), Lang::En) {
            say(check, &format!("  {line}"));
        }
    }
    Ok(audit.status)
}

fn verdict_json(audit: &Audit) -> Value {
    let mut value = json!(audit.summary());
    value["findings"] = findings(audit.sum.as_ref(), &audit.found);
    value["checks"] = json!(checks::checks(audit));
    value
}

fn findings(sum: Option<&Sum>, found: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        json!({
            "status": finding.status().code(),
            "message": line(sum, finding),
            "log": finding.log(),
            "claim": finding.claim(),
            "place": finding.claim().map(|claim| place(sum, &claim)),
        })
    };
    found.iter().map(one).collect()
}

fn contradictions(one: &Path, other: &Path, check: &Check) -> Result<Status, Failure> {
    let (one, other) = (read(one, check)?, read(other, check)?);
    if one.shown.cooperative != other.shown.cooperative {
        let (one, other) = (one.shown.cooperative, other.shown.cooperative);
        return Err(Failure::Strangers { one, other });
    }
    let found = compare(&one, &other);
    let sum = if one.sum.is_some() { one.sum.as_ref() } else { other.sum.as_ref() };
    let own = one.status.max(other.status);
    let status = if found.is_empty() { own } else { Status::Forked };
    if check.json {
        let both = [verdict_json(&one), verdict_json(&other)];
        let contradictions = findings(sum, &found);
        let value = json!({ "status": status.code(), "verdict": status, "exports": both, "contradictions": contradictions });
        say(check, &pretty(&value));
    } else {
        say(check, &headline(&one));
        say(check, &headline(&other));
        let none = "neither contradicts the other".to_owned();
        let said = found.iter().map(|finding| line(sum, finding));
        for line in said.chain(found.is_empty().then_some(none)) {
            say(check, &format!("  {line}"));
        }
    }
    Ok(status)
}

/// Lists the forks of an export, and writes the proof of one.
fn write_proof(
    file: &Path,
    wanted: Option<&str>,
    output: Option<&Path>,
    check: &Check,
) -> Result<Status, Failure> {
    let audit = read(file, check)?;
    let sum = audit.sum.as_ref();
    let is_fork = |it: &&Finding| matches!(it, Finding::Fork { .. } | Finding::Healed { .. });
    let mut forks = audit.found.iter().filter(is_fork);
    for fork in forks.clone() {
        say(check, &line(sum, fork));
    }
    let named = |it: &&Finding| {
        let here = it.claim().map(|claim| place(sum, &claim));
        wanted.is_none() || wanted == here.as_deref()
    };
    let claim = forks.find(named).and_then(Finding::claim);
    let proof = claim.and_then(|claim| audit.shown.forks.get(&(claim.device, claim.seq)));
    match (proof, output) {
        (Some(proof), Some(path)) => std::fs::write(path, proof.file())
            .map_err(|reason| Failure::Write { path: path.to_path_buf(), reason })?,
        (None, _) if output.is_some() || wanted.is_some() => return Err(Failure::NoFork),
        (None, _) => say(check, "no device has written twice in one place"),
        (Some(_), None) => {}
    }
    Ok(audit.status)
}

/// Says whether a file is the proof of a fork, for whatever cooperative it names.
fn check_proof(path: &Path, check: &Check) -> Result<Status, Failure> {
    let path_of = || path.to_path_buf();
    let file = std::fs::read(path).map_err(|reason| Failure::File { path: path_of(), reason })?;
    let fork = Fork::read(&file).map_err(|reason| Failure::Proof { path: path_of(), reason })?;
    let cooperative = fork.one.cooperative();
    let pinned = policy(check)?.cooperative.unwrap_or(cooperative);
    let verdict = fork.check(&pinned);
    let (device, seq) = (fork.device(), fork.seq());
    let (one, other) = (fork.one.id(), fork.other.id());
    if check.json {
        let why = verdict.err().map(|fault| fault.to_string());
        let value = json!({ "proof": verdict.is_ok(), "why_not": why, "cooperative": cooperative, "device": device, "seq": seq, "entries": [one, other] });
        say(check, &pretty(&value));
    } else {
        match verdict {
            Ok(()) => {
                say(
                    check,
                    &format!("FORKED  device {device} has signed two entries for place {seq}"),
                );
                say(check, &format!("  {one} and {other}, in cooperative {cooperative}"));
            }
            Err(fault) => say(check, &format!("INVALID  no proof: {fault}")),
        }
    }
    Ok(if verdict.is_ok() { Status::Forked } else { Status::Invalid })
}

/// Writes the books in a form; whether they can be relied on is the exit status.
fn write_books(
    file: &Path,
    (form, lang): (Form, Lang),
    output: Option<&Path>,
    check: &Check,
) -> Result<Status, Failure> {
    let audit = read(file, check)?;
    let Some(books) = Books::new(&audit) else {
        say(check, &headline(&audit));
        return Ok(audit.status);
    };
    let bytes = match form {
        Form::Hledger => hledger(&books, lang),
        Form::Beancount => beancount(&books, lang),
        Form::Sankey => sankey(&books, lang),
        Form::Fec => {
            let (text, left) = fec(&books)?;
            if left > 0 && !check.quiet {
                eprintln!("talea-verify: {left} records of open months are not in it");
            }
            text
        }
    };
    deliver(output, bytes.as_bytes())?;
    if audit.status != Status::Valid && !check.quiet {
        eprintln!("talea-verify: {}", headline(&audit));
    }
    Ok(audit.status)
}

/// Writes to a file, or to the terminal.
fn deliver(output: Option<&Path>, bytes: &[u8]) -> Result<(), Failure> {
    match output {
        Some(path) => std::fs::write(path, bytes)
            .map_err(|reason| Failure::Write { path: path.to_path_buf(), reason }),
        None => std::io::stdout()
            .write_all(bytes)
            .map_err(|reason| Failure::Write { path: PathBuf::from("-"), reason }),
    }
}

/// Shows a report; whether it can be relied on is the exit status, and said beside it.
fn show(
    shown: &Shown,
    make: impl FnOnce(&Audit, &Sum) -> Result<Report, Failure>,
) -> Result<Status, Failure> {
    let check = &shown.check;
    let audit = read(&shown.file, check)?;
    let Some(sum) = &audit.sum else {
        say(check, &headline(&audit));
        return Ok(audit.status);
    };
    let report = make(&audit, sum)?;
    if check.json {
        let names: serde_json::Map<String, Value> = (0..sum.register.members().len())
            .filter_map(|number| u32::try_from(number).ok())
            .map(|number| {
                let member = talea_protocol::charter::Member(number);
                (number.to_string(), sum.names.handle(&sum.register, member).into())
            })
            .collect();
        let value = json!({ "export": audit.summary(), "names": names, "report": report.json });
        say(check, &pretty(&value));
        return Ok(audit.status);
    }
    say(
        check,
        if shown.csv { report.csv(shown.lang) } else { report.text(shown.lang) }
            .trim_end_matches('\n'),
    );
    if !check.quiet {
        eprintln!("{}", headline(&audit));
    }
    Ok(audit.status)
}

/// Prints a line. A reader that has gone away has seen enough.
fn say(check: &Check, text: &str) {
    use std::io::Write;
    if !check.quiet {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
