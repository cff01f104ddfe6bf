//! A scenario file, carried out: on this machine's nodes, or only here to see what would come of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use talea_ledger::verdict::Verdict;
use talea_protocol::bytes::List;
use talea_protocol::charter::{Roster, Visibility};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
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
        outbox.settle(cooperative, key, made.len())?;
    }
    tell(common, &play, &made, (!dry).then_some(statuses.len()));
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
    /// stays here and is given to the next node.
    fn send_all(&mut self) -> Outcome {
        let mut ticker = Ticker::new();
        let nodes = self.statuses.iter().cycle().skip(self.round);
        let all = std::mem::take(&mut self.waiting);
        for (place, (made, status)) in all.iter().copied().zip(nodes).enumerate() {
            ticker.show(&format!("sent {place} of {}", all.len()));
            let answer = Node::at(&status.http).submit(&made.entry, made.payload.as_ref())?;
            if answer.status == "waiting" {
                self.waiting.push(made);
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
            if seen.iter().all(|settled| *settled == wanted) {
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
        for made in made.iter().filter(|made| made.author == handle) {
            journal.adopt(&made.entry)?;
        }
    }
    Ok(())
}

/// Says what was made, and on how many nodes it is settled, if it was sent.
fn tell(common: &Common, play: &Play<'_>, made: &[Made], settled: Option<usize>) {
    let book = play.book();
    let counted =
        made.iter().filter(|made| book.verdict(&made.entry.id()) == Some(Verdict::Counted)).count();
    let value = json!({
        "cooperative": book.register().cooperative(),
        "entries": made.len(),
        "counted": counted,
        "settled_on": settled.unwrap_or(0),
    });
    desk::form(common).give(&value, |_| {
        let name = &book.register().charter().name;
        out::say(&format!("{name}  {}", book.register().cooperative()));
        for made in made {
            if let talea_protocol::act::Content::Known(act) = made.entry.content() {
                let (n, author) = (made.n, &made.author);
                out::say(&format!("{n:>4}  {author:<10} {}", preview::line(act, Some(book))));
            }
        }
        out::say(&format!("{counted} of {} entries count", made.len()));
        match settled {
            Some(nodes) => out::say(&format!("settled on all nodes: {nodes} of {nodes}")),
            None => {
                out::note("Nothing was sent: name the roster's nodes with --node to carry it out.");
            }
        }
    });
}
