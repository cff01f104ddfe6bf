//! A cooperative's first quarter on this machine: kept by three nodes, settled, exported, verified
//! by another program, and three cheats that are caught; then, as a second act, its worst day.
//!
//! `talead` and `talea-verify` are taken from beside this program. Everything lies in one
//! temporary folder; nodes and folder are gone when this ends, however it ends.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use serde::Serialize;
use talea_protocol::act::{Act, Content};
use talea_protocol::charter::Visibility;
use talea_protocol::entry::Signed;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::SecretKey;
use talea_tools::amount::decimal;
use talea_tools::book::Book;
use talea_tools::figures::{self, Figure};
use talea_tools::keyfile;
use talea_tools::play::{Made, Play};
use talea_tools::preview::{self, protection};
use talea_tools::scenario::{Scenario, Step};

use crate::cli::{Common, Demo};
use crate::clock::Deadline;
use crate::desk;
use crate::failure::{Failure, Outcome};
use crate::import;
use crate::out::{self, BAD, DIM, GOOD, HEAD, Ticker, styled};

mod cheats;
mod hand;
mod servers;
mod stage;
mod tell;
mod worst;

use servers::Server;
use stage::{INTERRUPTED, Stage, interrupted};

/// The worked quarter.
const SCENARIO: &str = include_str!("../../../../tests/data/passerelles-q1.json");
/// The last step of its first month. Up to here every step is told, then what closes something or
/// is about a member.
const ALL_TOLD: u32 = 53;
/// A node is stopped without warning after this step, and started again after the other.
const KILL_AFTER: u32 = 26;
const RESTART_AFTER: u32 = 40;
/// Which node.
const VICTIM: usize = 1;
/// The entry that is changed in a file: an expense of the treasurer.
const CHANGED_STEP: u32 = 24;
/// The entry that is left out of a file: a vote against.
const LEFT_OUT_STEP: u32 = 18;
/// Lines of `talea-verify` that are shown: the first names the culprit.
const LINES_SHOWN: usize = 3;
/// Who leaves, and then votes all the same.
const LEAVER: &str = "gael";
/// Who signs two statements for one place.
const FORKER: &str = "dario";

/// `talea demo`.
pub fn run(common: &Common, demo: &Demo) -> Outcome {
    if common.json {
        out::speak_aside();
    }
    // A second demonstration in one process is not a case: there is one handler.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    let folder = tempfile::Builder::new().prefix("talea-demo-").tempdir();
    let mut folder =
        folder.map_err(|error| Failure::file(Path::new("the temporary folder"), &error))?;
    folder.disable_cleanup(demo.keep);
    let shown = show(demo, folder.path());
    if demo.keep {
        out::note(&format!("Kept in {}", folder.path().display()));
    }
    desk::form(common).give(&shown?, |_| {});
    Ok(())
}

/// What came out, for other programs.
#[derive(Serialize)]
struct Shown {
    cooperative: EntryId,
    entries: u64,
    figures_equal: usize,
    state: Hash,
    exports_valid: usize,
    cheats_caught: usize,
    second_act: usize,
    milliseconds: u128,
}

fn show(demo: &Demo, folder: &Path) -> Outcome<Shown> {
    let time = Deadline::within(std::time::Duration::MAX);
    let (talead, verify) = (beside("talead")?, beside("talea-verify")?);
    let scenario = Scenario::parse(SCENARIO)?;
    out::say(&styled(HEAD, "A cooperative's first quarter, on this machine"));

    chapter(1, "Three nodes start");
    let servers = Stage::start(&talead, folder)?;
    for server in &servers {
        let (name, key) = (server.name, server.key().to_string());
        let key = key.get(..16).unwrap_or_default();
        out::say(&format!("  {name}  {key}…  http {}  quic {}", server.http(), server.quic()));
    }
    let (mut stage, mut play) = found(demo, &scenario, servers)?;
    act_out(&scenario, &mut stage, &mut play)?;

    let exports = export(&stage, folder)?;
    let [(_, file_a, book_a), _] = &exports;
    let equal = quarter_told(&scenario, book_a)?;
    let state = roots(&stage, &mut play)?;
    verified(&verify, &exports)?;
    cheat(&verify, &mut stage, &play, (folder, file_a))?;
    let second_act = worst::Worst::begin(&mut stage, &play, (folder, &verify))?.show()?;

    let seconds = decimal_seconds(&time);
    out::say("");
    out::say(&format!(
        "{} in {seconds} s: {equal} figures and 3 state roots equal, 2 exports valid, 3 cheats caught; \
         a fork healed, a restored wallet, a stolen telephone and a lost disk survived ({second_act} \
         claims checked).",
        styled(GOOD, "Done")
    ));
    Ok(Shown {
        cooperative: stage.cooperative,
        entries: stage.sent,
        figures_equal: equal,
        state,
        exports_valid: exports.len(),
        cheats_caught: 3,
        second_act,
        milliseconds: time.elapsed().as_millis(),
    })
}

/// Makes the members' keys, founds, and has every node keep the cooperative.
fn found<'s>(
    demo: &Demo,
    scenario: &'s Scenario,
    servers: Vec<Server>,
) -> Outcome<(Stage, Play<'s>)> {
    chapter(2, "Eight members make their keys and found the cooperative");
    let keys = import::keys(scenario.handles(), demo.seed.as_deref())?;
    let nodes: Vec<_> = servers.iter().map(Server::key).collect();
    let roster = import::roster(&nodes)?;
    let terms = (roster, Visibility::Private);
    let (play, charter) = Play::found(scenario, keys, terms, &*keyfile::random()?)
        .map_err(|fault| Failure::rule(fault.to_string(), fault.hint()))?;
    let key = play.key(&charter.author).map(|key| SecretKey::from_seed(&key.seed()));
    let reader = key.ok_or_else(|| Failure::usage("the charter has no author", "report this"))?;
    let given = vec![0; servers.len()];
    let cooperative = charter.entry.id();
    let outbox = Vec::new();
    let mut stage = Stage { servers, cooperative, reader, given, sent: 0, outbox };
    stage.host()?;
    let first = told(play.book(), &charter);
    let through = stage.give(charter)?;
    let terms = play.book().register().charter();
    let (q, n) = (terms.roster.quorum, terms.roster.nodes.len());
    out::say(&format!("  {}  {}", terms.name, styled(DIM, &cooperative.to_string())));
    out::say(&format!("  {first}  {}", styled(DIM, &format!("through {through}"))));
    out::say(&format!("  an entry is settled once {q} of {n} nodes hold it; protected"));
    out::say(&format!("  {}", protection(terms.roster.faulty)));
    Ok((stage, play))
}

/// Plays the quarter, each entry through another node, and stops one node in the first month.
fn act_out(scenario: &Scenario, stage: &mut Stage, play: &mut Play<'_>) -> Outcome {
    chapter(3, "The quarter: every entry is signed by its author and given to another node");
    let mut ticker = Ticker::new();
    for step in scenario.steps().iter().skip(1) {
        interrupted()?;
        if closes(step) {
            // Whoever closes over others' entries first looks at what is settled.
            stage.settle(&mut ticker)?;
        }
        let made = play.step(step, &*keyfile::random()?);
        let made = made.map_err(|fault| Failure::rule(fault.to_string(), fault.hint()))?;
        let follows = play.follow(step, &*keyfile::random()?);
        let follows = follows.map_err(|fault| Failure::rule(fault.to_string(), fault.hint()))?;
        for made in std::iter::once(made).chain(follows) {
            let told = told(play.book(), &made);
            let result = stage.give_or_be_refused(made)?;
            if is_told(step) {
                ticker.clear();
                out::say(&format!("  {told}  {}", styled(DIM, &result)));
            } else {
                ticker.show(&told);
            }
        }
        stop_or_start(step.n, stage)?;
    }
    let waited = stage.settle(&mut ticker)?;
    let shares = stage.servers.iter().zip(&stage.given);
    let shares: Vec<String> = shares.map(|(s, given)| format!("{} {given}", s.name)).collect();
    out::say(&format!(
        "  {} on all three nodes: {} entries, {} ms after the last; given to {}",
        styled(GOOD, "settled"),
        stage.sent,
        waited.as_millis(),
        shares.join(", ")
    ));
    Ok(())
}

fn told(book: &Book, made: &Made) -> String {
    let Made { n, author, entry, .. } = made;
    let line = match entry.content() {
        Content::Known(act) => preview::line(act, Some(book)),
        Content::Unknown(tag) => format!("an act of a later version (tag {tag})"),
    };
    format!("{n:>3}  {author:<8} {line}")
}

fn stop_or_start(n: u32, stage: &mut Stage) -> Outcome {
    let Some(victim) = stage.servers.get_mut(VICTIM) else { return Ok(()) };
    match n {
        KILL_AFTER => {
            victim.kill();
            let name = victim.name;
            out::say(&styled(
                BAD,
                &format!("      node {name} is stopped with SIGKILL; the two others go on"),
            ));
        }
        RESTART_AFTER => {
            victim.restart()?;
            let name = victim.name;
            out::say(&styled(GOOD, &format!("      node {name} is started again and catches up")));
        }
        _ => {}
    }
    Ok(())
}

type Export = (&'static str, PathBuf, Book);

/// Exports from the first and the last node, each read into a book.
fn export(stage: &Stage, folder: &Path) -> Outcome<[Export; 2]> {
    let of = |place: usize| -> Outcome<Export> {
        let server =
            stage.servers.get(place).ok_or_else(|| Failure::node("no node", "run it again"))?;
        let (file, audit) = stage.export(server)?;
        let path = folder.join(format!("{}.talea", server.name));
        cheats::write(&path, &file)?;
        let book = Book::of(audit);
        let book =
            book.ok_or_else(|| Failure::node("an export without a charter", "report this"))?;
        Ok((server.name, path, book))
    };
    Ok([of(0)?, of(2)?])
}

/// Tells the quarter from an export, and compares every figure.
fn quarter_told(scenario: &Scenario, book: &Book) -> Outcome<usize> {
    chapter(4, "What was decided");
    tell::decided(book);
    chapter(5, "What each earned: a run for each month");
    tell::distributed(book);
    chapter(6, "Payouts and balances");
    tell::balances(book);
    chapter(7, "Compared with the figures worked out by hand");
    let all: Vec<Figure> = figures::compare(&scenario.expected, book);
    tell::compared(&all);
    match all.iter().filter(|figure| !figure.agrees()).count() {
        0 => Ok(all.len()),
        some => Err(Failure::rule(
            format!("{some} of {} figures differ from the scenario's", all.len()),
            "the ledger or the file is wrong: both are in the source tree",
        )),
    }
}

/// Shows that all nodes, and the members' side, have come to the same state.
fn roots(stage: &Stage, play: &mut Play<'_>) -> Outcome<Hash> {
    chapter(8, "The three nodes' states, and the members' own reading");
    let mine = play.book_mut().state_mut().root();
    let mut same = true;
    for server in &stage.servers {
        let overview = stage.overview(server)?;
        same &= overview.state == mine;
        out::say(&format!(
            "  {}  {}  {} entries settled",
            server.name, overview.state, overview.settled
        ));
    }
    out::say(&format!("  us {mine}"));
    if same { Ok(mine) } else { Err(Failure::rule("the state roots differ", "report this")) }
}

/// Runs the auditor's program on both exports.
fn verified(verify: &Path, exports: &[Export]) -> Outcome {
    chapter(9, "Two nodes' exports, checked by another program that has no network code");
    for (name, path, _) in exports {
        out::say(&format!("  $ talea-verify {name}.talea"));
        expect(verify, &[path.as_path()], 0)?;
    }
    Ok(())
}

fn cheat(
    verify: &Path,
    stage: &mut Stage,
    play: &Play<'_>,
    (folder, export): (&Path, &Path),
) -> Outcome {
    chapter(10, "Three cheats");
    let file = std::fs::read(export).map_err(|error| Failure::file(export, &error))?;

    let entry = entry_of(play, CHANGED_STEP)?;
    let Content::Known(Act::Expense(spent)) = entry.content() else { return Err(not_shown()) };
    let (was, label) = (spent.amount.value(), play.book().label(&entry.id()));
    let [was_shown, is_shown] = [was, was ^ 1].map(|amount| decimal(amount, 2));
    out::say(&format!(
        "  One bit of {label} is changed in the file: {was_shown} becomes {is_shown}."
    ));
    out::say("  The file's digest is made to fit again.");
    out::say("  $ talea-verify changed.talea");
    let path = folder.join("changed.talea");
    cheats::write(&path, &cheats::change(&file, &entry, was)?)?;
    expect(verify, &[path.as_path()], 2)?;

    let entry = entry_of(play, LEFT_OUT_STEP)?;
    let label = play.book().label(&entry.id());
    out::say("");
    out::say(&format!(
        "  {label}, a vote against, is left out of the file. The digest is made to fit."
    ));
    out::say("  $ talea-verify short.talea");
    let path = folder.join("short.talea");
    cheats::write(&path, &cheats::leave_out(&file, &entry)?)?;
    expect(verify, &[path.as_path()], 3)?;

    out::say("");
    out::say(&format!("  {FORKER} signs two statements for one place, one for node a while it is"));
    out::say("  alone, the other for b and c while a is away:");
    let fork = cheats::fork(stage, play, FORKER)?;
    let (one, other) = (fork.one.to_string(), fork.other.to_string());
    let short = |id: &str| id.get(..12).unwrap_or_default().to_owned();
    out::say(&format!("  place {}: {} at a, {} at b and c", fork.seq, short(&one), short(&other)));
    out::say("  $ talea-verify compare forked-a.talea forked-c.talea");
    let mut paths = Vec::new();
    for (name, file) in [("a", &fork.alone), ("c", &fork.others)] {
        let path = folder.join(format!("forked-{name}.talea"));
        cheats::write(&path, file)?;
        paths.push(path);
    }
    let arguments: Vec<&Path> =
        std::iter::once(Path::new("compare")).chain(paths.iter().map(PathBuf::as_path)).collect();
    expect(verify, &arguments, 4)
}

/// Runs the auditor's program and shows what it says; another exit status is a failure.
fn expect(verify: &Path, arguments: &[&Path], status: i32) -> Outcome {
    let done = Command::new(verify).args(arguments).output();
    let done = done.map_err(|error| Failure::file(verify, &error))?;
    let said = [done.stdout.as_slice(), done.stderr.as_slice()].concat();
    say_first_lines(&String::from_utf8_lossy(&said));
    let found = done.status.code();
    let shown = found.map_or_else(|| "none".to_owned(), |code| code.to_string());
    out::say(&format!("    exit status {shown}"));
    if found == Some(status) {
        Ok(())
    } else {
        Err(Failure::rule(
            format!("talea-verify ends with {shown}, not with {status}"),
            "run it again with --keep and look at the file",
        ))
    }
}

/// The first lines of what a program said; how many follow.
fn say_first_lines(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    for line in lines.iter().take(LINES_SHOWN) {
        out::say(&format!("    {}", styled(DIM, line)));
    }
    if let Some(more) = lines.len().checked_sub(LINES_SHOWN).filter(|more| *more > 0) {
        out::say(&format!(
            "    {}",
            styled(DIM, &format!("… and {more} lines that follow from it"))
        ));
    }
}

fn entry_of(play: &Play<'_>, n: u32) -> Outcome<Signed> {
    let place = usize::try_from(n).unwrap_or(usize::MAX).saturating_sub(1);
    let entry = play.book().entries().nth(place).cloned();
    entry.ok_or_else(|| Failure::usage(format!("there is no step {n}"), "report this"))
}

fn not_shown() -> Failure {
    Failure::usage("the scenario has not what the demonstration shows", "report this")
}

/// Whether a step closes over what others have signed.
fn closes(step: &Step) -> bool {
    matches!(
        step.kind.as_str(),
        "decision" | "distribution" | "period.close" | "payment" | "allocation" | "member.stage"
    )
}

/// Whether a step is told; what is not is counted.
fn is_told(step: &Step) -> bool {
    let of_interest = [
        "proposal",
        "dispute",
        "dispute.withdraw",
        "correct",
        "member.stage",
        "agreement",
        "member.leave",
        "share.redeem",
        "allocation",
    ];
    let refused = step.kind == "vote" && step.author == LEAVER;
    step.n <= ALL_TOLD || closes(step) || refused || of_interest.contains(&step.kind.as_str())
}

/// Another program of the same build.
fn beside(name: &str) -> Outcome<PathBuf> {
    let me = std::env::current_exe().map_err(|error| Failure::file(Path::new("talea"), &error))?;
    let path = me.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::usage(
        format!("{} is not there", path.display()),
        "build all programs of the workspace: cargo build --release",
    ))
}

fn chapter(number: u32, title: &str) {
    out::say("");
    out::say(&styled(HEAD, &format!("{number}  {title}")));
}

fn decimal_seconds(time: &Deadline) -> String {
    let tenths = i64::try_from(time.elapsed().as_millis() / 100).unwrap_or(i64::MAX);
    decimal(tenths, 1)
}
