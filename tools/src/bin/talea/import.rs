//! A scenario file, carried out: on this machine's nodes, or only here to see what would come of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use talea_ledger::place::Refusal;
use talea_ledger::verdict::Verdict;
use talea_protocol::act::Content;
use talea_protocol::bytes::List;
use talea_protocol::charter::{Roster, Visibility};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_tools::figures::{self, Figure};
use talea_tools::keyfile::{self, KeyFile};
use talea_tools::play::{Made, Play};
use talea_tools::preview;
use talea_tools::scenario::Scenario;
use talea_tools::wallet::{Known, Server, Wallet};

use crate::cli::{Common, Import};
use crate::clock::Deadline;
use crate::desk;
use crate::failure::{Failure, Outcome};
use crate::http::{Node, Reader};
use crate::nodes::{self, Peer};
use crate::out::{self, Ticker};
use crate::secret;

/// The context of keys that are made from a word: for tests, never for members.
const SEED_CONTEXT: &str = "talea 2026-11 scenario key v1";

/// How long the nodes may take until everything is settled.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// Between two questions whether it is.
const POLL: Duration = Duration::from_millis(50);

/// What a node on this machine says of itself.
#[derive(Debug, Deserialize)]
struct Status {
    node: NodeKey,
    http: String,
    quic: String,
}

/// How far a node has come.
#[derive(Debug, Deserialize)]
struct Overview {
    settled: u64,
    payloads_missing: u64,
}

/// `talea import`.
pub fn run(common: &Common, import: &Import) -> Outcome {
    let text = std::fs::read_to_string(&import.file)
        .map_err(|error| Failure::file(&import.file, &error))?;
    let scenario = Scenario::parse(&text)?;
    let keys = keys(scenario.handles(), import.seed.as_deref())?;
    let controls: Vec<Node> = import.nodes.iter().map(|data| Node::control(data)).collect();
    let statuses = controls
        .iter()
        .map(|control| control.read("/status", None))
        .collect::<Outcome<Vec<Status>>>()?;
    let dry = common.dry_run || statuses.is_empty();
    let roster = match dry {
        true => roster(&[keyfile::fresh()?.node()]),
        false => roster(&statuses.iter().map(|status| status.node).collect::<Vec<_>>()),
    }?;
    let (mut play, charter) =
        Play::found(&scenario, keys, (roster, Visibility::Private), &*keyfile::random()?)
            .map_err(|fault| Failure::rule(fault.to_string(), fault.hint()))?;
    let mut made = vec![charter];
    let wanted = scenario.steps().iter().skip(1);
    for step in wanted.filter(|step| import.until.is_none_or(|until| step.n <= until)) {
        let next = play.step(step, &*keyfile::random()?);
        made.push(next.map_err(|fault| Failure::rule(fault.to_string(), fault.hint()))?);
        let next = play.follow(step, &*keyfile::random()?);
        made.extend(next.map_err(|fault| Failure::rule(fault.to_string(), fault.hint()))?);
    }
    // The keys are on the disk before anything that they have signed is anywhere else.
    match &import.wallets {
        Some(folder) => make_wallets(common, folder, &scenario, &play, (&made, &statuses))?,
        None if !dry => out::note("The members' keys are gone after this: --wallets keeps them."),
        None => {}
    }
    if !dry {
        host_on_all(&controls, &statuses, play.book().register().cooperative())?;
        let mut outbox = Outbox { statuses: &statuses, waiting: made.iter().collect(), round: 0 };
        outbox.send_all()?;
        let cooperative = play.book().register().cooperative();
        let key = made.first().and_then(|charter| play.key(&charter.author));
        outbox.settle(
            cooperative,
            key,
            made.iter().filter(|made| made.refused.is_none()).count(),
        )?;
    }
    let whole = import.until.is_none() && !scenario.expected.is_null();
    let figures = whole.then(|| figures::compare(&scenario.expected, play.book()));
    tell(common, &play, &made, ((!dry).then_some(statuses.len()), figures));
    Ok(())
}

/// Entries that no node has said to hold, and whom to give them to.
struct Outbox<'a> {
    statuses: &'a [Status],
    waiting: Vec<&'a Made>,
    round: usize,
}

impl Outbox<'_> {
    /// Gives each entry to another node. What a node says is `waiting` is in its memory only: it
    /// stays here and is given to the next node. What has no place is given too, to be refused.
    fn send_all(&mut self) -> Outcome {
        let mut ticker = Ticker::new();
        let nodes = self.statuses.iter().cycle().skip(self.round);
        let all = std::mem::take(&mut self.waiting);
        for (place, (made, status)) in all.iter().copied().zip(nodes).enumerate() {
            ticker.show(&format!("sent {place} of {}", all.len()));
            let answer = Node::at(&status.http).submit(&made.entry, made.payload.as_ref());
            match (made.refused, answer) {
                (Some(refused), Err(failure)) if failure.is_rule(refused.rule()) => {}
                (_, Err(failure)) => return Err(failure),
                (_, Ok(answer)) if answer.status == "waiting" => self.waiting.push(made),
                (None, Ok(_)) => {}
                (Some(refused), Ok(_)) => return Err(placed(made.n, status, &refused)),
            }
        }
        ticker.clear();
        self.round += 1;
        Ok(())
    }

    /// Waits until every node holds so many entries for settled, and has their payloads.
    fn settle(&mut self, cooperative: EntryId, key: Option<&SecretKey>, count: usize) -> Outcome {
        let path = format!("/v1/cooperatives/{cooperative}");
        let wanted = u64::try_from(count).unwrap_or(u64::MAX);
        let (deadline, mut ticker) = (Deadline::within(SETTLE_MAX), Ticker::new());
        while !deadline.is_over() {
            let mut seen = Vec::new();
            for status in self.statuses {
                let reader = key.map(|key| Reader { key, node: status.node });
                let node = Node::at(&status.http);
                let overview: Outcome<Overview> = node.read(&path, reader.as_ref());
                let here =
                    |overview: Overview| overview.settled.saturating_sub(overview.payloads_missing);
                seen.push(overview.map_or(0, here));
            }
            ticker.show(&format!("settled of {wanted}: {seen:?}"));
            if self.waiting.is_empty() && seen.iter().all(|settled| *settled == wanted) {
                ticker.clear();
                return Ok(());
            }
            std::thread::sleep(POLL);
            if !self.waiting.is_empty() {
                self.send_all()?;
            }
        }
        ticker.clear();
        Err(Failure::node(
            format!("after {} s not all of {wanted} entries are settled", SETTLE_MAX.as_secs()),
            "see whether the nodes reach each other (`talea node status`); those that run go on by themselves",
        ))
    }
}

/// A node has given a place to what every node has to refuse.
fn placed(n: u32, status: &Status, refused: &Refusal) -> Failure {
    let what = format!("step {n} has a place at node {}, against {refused}", status.node);
    Failure::rule(what, "the node does not keep the rules: see its log and its version")
}

/// Each member's key: random, or made from a word for tests.
pub fn keys<'h>(
    handles: impl Iterator<Item = &'h str>,
    seed: Option<&str>,
) -> Outcome<BTreeMap<String, SecretKey>> {
    let mut keys = BTreeMap::new();
    for handle in handles {
        let key = match seed {
            Some(word) => {
                let material = format!("{word}\n{handle}");
                SecretKey::from_seed(&blake3::derive_key(SEED_CONTEXT, material.as_bytes()))
            }
            None => keyfile::fresh()?,
        };
        keys.insert(handle.to_owned(), key);
    }
    Ok(keys)
}

/// The smallest safe quorum of these nodes, none of which may lie.
pub fn roster(nodes: &[NodeKey]) -> Outcome<Roster> {
    let mut nodes = nodes.to_vec();
    nodes.sort_unstable();
    let quorum = u8::try_from(nodes.len() / 2 + 1).unwrap_or(u8::MAX);
    let nodes = List::try_from(nodes)
        .map_err(|fault| Failure::usage(format!("--node: {fault}"), "name at most 16 nodes"))?;
    Ok(Roster { nodes, faulty: 0, quorum })
}

/// Makes every node keep the cooperative, and know the others.
fn host_on_all(controls: &[Node], statuses: &[Status], cooperative: EntryId) -> Outcome {
    let peers: Vec<Peer> = statuses
        .iter()
        .map(|status| Peer { node: status.node, address: status.quic.clone() })
        .collect();
    for (control, status) in controls.iter().zip(statuses) {
        let others: Vec<Peer> =
            peers.iter().filter(|peer| peer.node != status.node).cloned().collect();
        nodes::host(control, cooperative, &others)?;
    }
    Ok(())
}

fn make_wallets(
    common: &Common,
    folder: &Path,
    scenario: &Scenario,
    play: &Play<'_>,
    (made, statuses): (&[Made], &[Status]),
) -> Outcome {
    for handle in scenario.handles() {
        let path = folder.join(handle).join("key");
        if path.exists() {
            return Err(keyfile::KeyFileFault::Exists { path }.into());
        }
    }
    let passphrase = secret::new_passphrase(common)?;
    let register = play.book().register();
    let nodes = statuses
        .iter()
        .map(|s| Server { node: s.node, http: Node::at(&s.http).shown().to_owned() });
    let known = Known {
        cooperative: register.cooperative(),
        name: register.charter().name.to_string(),
        nodes: nodes.collect(),
    };
    for handle in scenario.handles() {
        let Some(key) = play.key(handle) else { continue };
        let wallet = Wallet::open(&folder.join(handle))?;
        KeyFile::seal(key, &passphrase)?.create(&wallet.key())?;
        wallet.know(&known)?;
        let mut journal = wallet.journal(&known.cooperative)?;
        let placed = made.iter().filter(|made| made.refused.is_none());
        for made in placed.filter(|made| made.author == handle) {
            journal.adopt(&made.entry)?;
        }
    }
    Ok(())
}

/// Says what was made, on how many nodes it is settled if it was sent, and how it compares with
/// what the file expects.
fn tell(
    common: &Common,
    play: &Play<'_>,
    made: &[Made],
    (settled, figures): (Option<usize>, Option<Vec<Figure>>),
) {
    let book = play.book();
    let counted =
        made.iter().filter(|made| book.verdict(&made.entry.id()) == Some(Verdict::Counted)).count();
    let refused: Vec<&Made> = made.iter().filter(|made| made.refused.is_some()).collect();
    let entries = made.len() - refused.len();
    let differing: Vec<&Figure> =
        figures.iter().flatten().filter(|figure| !figure.agrees()).collect();
    let compared = figures.as_ref().map(Vec::len);
    let value = json!({
        "cooperative": book.register().cooperative(),
        "entries": entries,
        "counted": counted,
        "refused": refused.iter().map(|made| refusal(made)).collect::<Vec<Value>>(),
        "settled_on": settled.unwrap_or(0),
        "figures": compared,
        "differing": differing,
    });
    desk::form(common).give(&value, |_| {
        let name = &book.register().charter().name;
        out::say(&format!("{name}  {}", book.register().cooperative()));
        made.iter().for_each(|made| out::say(&line(play, made)));
        out::say(&format!("{counted} of {entries} entries count"));
        match settled {
            Some(nodes) => out::say(&format!("settled on all nodes: {nodes} of {nodes}")),
            None => {
                out::note("Nothing was sent: name the roster's nodes with --node to carry it out.");
            }
        }
        let Some(compared) = compared else { return };
        out::say(&format!("{} of {compared} figures are as expected", compared - differing.len()));
        for Figure { what, expected, found } in &differing {
            let expected = expected.map_or_else(|| "nothing".to_owned(), |sum| sum.to_string());
            out::say(&format!("  {what}: {expected} is expected, and {found} found"));
        }
    });
}

/// A step as a line: its number, its author, and what it does, or by which rule it does nothing.
fn line(play: &Play<'_>, made: &Made) -> String {
    let act = match made.entry.content() {
        Content::Known(act) => preview::line(act, Some(play.book())),
        Content::Unknown(tag) => format!("an act of a later version (tag {tag})"),
    };
    let refused = made.refused.map(|refused| format!("; as expected, {refused}"));
    format!("{:>4}  {:<10} {act}{}", made.n, made.author, refused.unwrap_or_default())
}

fn refusal(made: &Made) -> Value {
    let rule = made.refused.map(|refused| refused.rule());
    json!({ "step": made.n, "author": made.author, "rule": rule })
}
