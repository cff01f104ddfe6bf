//! The auditor's program: reads exports, says whether they are right, shows what they add up to.
//!
//! It opens files and nothing else: no socket, no database. What it concludes is its exit status:
//! 0 valid under the policy, 1 usage or file, 2 invalid, 3 valid as far as it goes but
//! incomplete, 4 proof that somebody signed two histories.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use serde_json::{Value, json};
use talea_protocol::fork::Fork;
use talea_protocol::key::DeviceKey;
use talea_protocol::recovery::Office;
use talea_tools::books::{
    Books, beancount, fec, general_ledger, hledger, parquet, sankey, valueflows,
};
use talea_tools::checks;
use talea_tools::credential;
use talea_tools::explain::explain;
use talea_tools::history::History;
use talea_tools::lang::Lang;
use talea_tools::page::page;
use talea_tools::verify::compare::compare;
use talea_tools::verify::report::{self, Report};
use talea_tools::verify::text::{advice, headline, line, lines, place};
use talea_tools::verify::{Audit, Finding, Policy, Status, Sum, audit};

mod attachments;
mod cli;
mod failure;

use cli::{Check, Command, Form, Shown, Task};
use failure::Failure;

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
        return verdict(command.file.as_deref().unwrap_or(Path::new("")), command);
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
        Task::Credential { file, member, issuer, output, check } => {
            write_credential(file, (member, *issuer), output.as_deref(), check)
        }
        Task::Report { file, output, lang, check } => {
            let audit = read(file, check)?;
            deliver(output.as_deref(), page(&audit, *lang)?.as_bytes())?;
            Ok(audit.status)
        }
        Task::Books { file, form, output, lang, check } => {
            write_books(file, (*form, *lang), output.as_deref(), check)
        }
        Task::Attachments { file, folder, check } => list_attachments(file, folder.as_ref(), check),
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

fn verdict(path: &Path, command: &Command) -> Result<Status, Failure> {
    let check = &command.check;
    let file =
        std::fs::read(path).map_err(|reason| Failure::File { path: path.to_path_buf(), reason })?;
    if History::is_likely(&file) {
        return history(&file, path, check);
    }
    let mut audit = read(path, check)?;
    let (attached, status) = attachments::look(&audit, path, command.attachments.as_ref());
    let of_entries = std::mem::replace(&mut audit.status, status);
    if check.json {
        let mut value = verdict_json(&audit);
        value["attachments"] = attachments::value(&attached);
        say(check, &pretty(&value));
    } else {
        say(check, &headline(&audit));
        for line in lines(&audit) {
            say(check, &format!("  {line}"));
        }
        if of_entries != Status::Valid {
            say(check, &format!("  {}", advice(of_entries)));
        }
        let all = if command.short { Vec::new() } else { checks::checks(&audit) };
        for line in checks::lines(&all, Lang::En).into_iter().chain(attachments::lines(&attached)) {
            say(check, &format!("  {line}"));
        }
    }
    Ok(status)
}

fn list_attachments(
    file: &Path,
    folder: Option<&PathBuf>,
    check: &Check,
) -> Result<Status, Failure> {
    let audit = read(file, check)?;
    let (attached, status) = attachments::look(&audit, file, folder);
    if check.json {
        say(check, &pretty(&attachments::value(&attached)));
    } else {
        attachments::list(&attached).iter().for_each(|line| say(check, line));
    }
    Ok(status)
}

/// One member's history: what it proves, and what it cannot.
fn history(file: &[u8], path: &Path, check: &Check) -> Result<Status, Failure> {
    let read = History::read(file)
        .map_err(|reason| Failure::History { path: path.to_path_buf(), reason })?;
    let pinned = policy(check)?.cooperative;
    match read.check() {
        Ok(proven) if pinned.is_some_and(|wanted| wanted != proven.cooperative) => {
            say(check, &format!("INVALID  it is of cooperative {}", proven.cooperative));
            Ok(Status::Invalid)
        }
        Ok(proven) if check.json => {
            say(check, &pretty(&json!({ "status": Status::Valid.code(), "proven": proven })));
            Ok(Status::Valid)
        }
        Ok(proven) => {
            proven.lines().iter().for_each(|line| say(check, line));
            Ok(Status::Valid)
        }
        Err(fault) if check.json => {
            let status = Status::Invalid.code();
            say(check, &pretty(&json!({ "status": status, "why_not": fault.to_string() })));
            Ok(Status::Invalid)
        }
        Err(fault) => {
            say(check, &format!("INVALID  {fault}"));
            Ok(Status::Invalid)
        }
    }
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
            "message": line(sum, finding, Lang::En),
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
        return partners(&one, &other, check);
    }
    let found = compare(&one, &other);
    let sum = if one.sum.is_some() { one.sum.as_ref() } else { other.sum.as_ref() };
    let own = one.status.max(other.status);
    let alike = checks::closed_alike(&one, &other);
    let status = if found.is_empty() { own } else { Status::Forked };
    if check.json {
        let both = [verdict_json(&one), verdict_json(&other)];
        let contradictions = findings(sum, &found);
        let value = json!({ "status": status.code(), "verdict": status, "exports": both, "contradictions": contradictions, "closed": alike });
        say(check, &pretty(&value));
    } else {
        say(check, &headline(&one));
        say(check, &headline(&other));
        let none = "neither contradicts the other".to_owned();
        let said = found.iter().map(|finding| line(sum, finding, Lang::En));
        for line in said.chain(found.is_empty().then_some(none)) {
            say(check, &format!("  {line}"));
        }
        for line in checks::lines(std::slice::from_ref(&alike), Lang::En) {
            say(check, &format!("  {line}"));
        }
    }
    Ok(status)
}

/// Two cooperatives that are partners: what one has sent against what the other has received.
fn partners(one: &Audit, other: &Audit, check: &Check) -> Result<Status, Failure> {
    let (ours, theirs) = (one.shown.cooperative, other.shown.cooperative);
    let alike =
        checks::sent_alike(one, other).ok_or(Failure::Strangers { one: ours, other: theirs })?;
    let own = one.status.max(other.status);
    let fails = alike.outcome == checks::Outcome::Fail;
    let status = if fails { own.max(Status::Invalid) } else { own };
    if check.json {
        let both = [verdict_json(one), verdict_json(other)];
        let value = json!({ "status": status.code(), "verdict": status, "exports": both, "partners": alike });
        say(check, &pretty(&value));
    } else {
        say(check, &headline(one));
        say(check, &headline(other));
        for line in checks::lines(std::slice::from_ref(&alike), Lang::En) {
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
        say(check, &line(sum, fork, Lang::En));
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
        Form::Hledger => hledger(&books, lang).into_bytes(),
        Form::Beancount => beancount(&books, lang).into_bytes(),
        Form::Sankey => sankey(&books, lang).into_bytes(),
        Form::Valueflows => pretty(&valueflows(&audit, &books)).into_bytes(),
        Form::Parquet => parquet(&books, lang)?,
        Form::Fec => {
            let (text, left) = fec(&books)?;
            if left > 0 && !check.quiet {
                eprintln!("talea-verify: {left} records of open months are not in it");
            }
            text.into_bytes()
        }
    };
    deliver(output, &bytes)?;
    if audit.status != Status::Valid && !check.quiet {
        eprintln!("talea-verify: {}", headline(&audit));
    }
    Ok(audit.status)
}

/// Writes the body of a credential, of an export that nothing speaks against.
fn write_credential(
    file: &Path,
    (member, issuer): (&str, Option<DeviceKey>),
    output: Option<&Path>,
    check: &Check,
) -> Result<Status, Failure> {
    let audit = read(file, check)?;
    let sum = audit.sum.as_ref().ok_or(Failure::NoCharter)?;
    let register = &sum.register;
    let head = register.head().0;
    let registrar = register.spender(register.holder(Office::Registrar, head), head);
    let key = registrar.and_then(|device| register.record(device)).map(|record| record.key);
    let named = sum.names.find(register, member);
    let body = named
        .zip(issuer.or(key))
        .and_then(|(member, key)| credential::body(&audit, sum, member, &key));
    let body = body.ok_or_else(|| Failure::Member(member.to_owned()))?;
    if audit.status == Status::Valid {
        deliver(output, pretty(&body).as_bytes())?;
    } else {
        say(check, &headline(&audit));
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
