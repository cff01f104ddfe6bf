//! Two cooperatives that hold nothing of each other's log, and what passes between them.

use talea_ledger::account::{Account, Unit};
use talea_protocol::act::Act;
use talea_protocol::bytes::Octets;
use talea_protocol::charter::{Charter, Roster};
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::entry::{Entry, Signed};
use talea_protocol::federation::{Accord, Countersign, Link, Receive, Send, accordance};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{Purpose, SecretKey};
use talea_protocol::leaf::accept;
use talea_protocol::receipt::Receipt;
use talea_protocol::recovery::Evidence;
use talea_protocol::tree::{Tree, leaf_hash};

use super::acts::TREASURER;
use super::coffers::{rich, share};
use super::{TODAY, World, code, consented, day, key, list, quantity};

/// Nodes of the second cooperative: two of three settle.
pub fn nodes() -> Vec<SecretKey> {
    let mut keys: Vec<SecretKey> = (2_000..2_003).map(key).collect();
    keys.sort_unstable_by_key(SecretKey::node);
    keys
}

pub fn second() -> Charter {
    let mut charter = rich();
    charter.name = talea_protocol::bytes::Text::try_from("La Ruche".to_owned()).unwrap();
    let nodes = nodes().iter().map(SecretKey::node).collect::<Vec<_>>();
    charter.roster = Roster { nodes: list(nodes), faulty: 0, quorum: 2 };
    charter
}

/// Ours and theirs, with 10,000 at each bank.
pub fn two() -> (World, World) {
    let mut both = [rich(), second()].map(|charter| World::of(consented(charter)));
    both.iter_mut().for_each(|world| share(world, 4, 10_000, "a"));
    let [ours, theirs] = both;
    (ours, theirs)
}

pub fn link(to: &World) -> Link {
    let charter = Octets::new(to.chains[0][0].bytes().to_vec()).unwrap();
    let speakers = list([to.keys[0].device()]);
    Link { charter, roster: None, speakers }
}

pub fn accord(one: &World, other: &World, unit: &str) -> Accord {
    let (one, other) = (one.register.cooperative(), other.register.cooperative());
    Accord {
        one: one.min(other),
        other: one.max(other),
        reference: code("AG1"),
        unit: code(unit),
        limit: quantity(1_000),
        from: day(TODAY),
        until: day(TODAY + 100),
        text: Hash::ZERO,
    }
}

pub fn countersign(accord: &Accord, by: &World) -> Countersign {
    let key = &by.keys[0];
    let signature = key.sign(Purpose::Accord, &accordance(accord));
    Countersign { accord: accord.clone(), device: key.device(), signature }
}

/// Two that have agreed on a unit.
pub fn agreed(unit: &str) -> (World, World, Hash) {
    let (mut ours, mut theirs) = two();
    let accord = accord(&ours, &theirs, unit);
    let links = (link(&theirs), link(&ours));
    ours.good(TREASURER, Act::Link(links.0));
    theirs.good(TREASURER, Act::Link(links.1));
    let words = (countersign(&accord, &theirs), countersign(&accord, &ours));
    ours.good(TREASURER, Act::Countersign(Box::new(words.0)));
    theirs.good(TREASURER, Act::Countersign(Box::new(words.1)));
    (ours, theirs, accord.id())
}

pub fn send(accord: Hash, amount: i64) -> Send {
    let (amount, date, reference) = (quantity(amount), day(TODAY + 1), code("mediation"));
    Send { accord, amount, date, reference, fund: None, takes: list([]) }
}

/// Sends, and returns the entry.
pub fn sent(by: &mut World, act: Send) -> Signed {
    by.good(TREASURER, Act::Send(act));
    by.chains[0].last().unwrap().clone()
}

/// A receipt of an entry that is the only one of a node's log.
pub fn receipt(node: &SecretKey, cooperative: EntryId, entry: &Signed) -> Evidence {
    let leaf = accept(&Entry::parse(entry.bytes().to_vec()).unwrap());
    let mut tree = Tree::default();
    tree.append(leaf_hash(&leaf));
    let origin = origin(&cooperative, &node.node());
    let checkpoint = Checkpoint { origin, size: 1, root: tree.root() }.sign(node);
    let receipt = Receipt { index: 0, proof: Vec::new(), checkpoint, extra: Vec::new() };
    let receipt = Octets::new(receipt.to_string().into_bytes()).unwrap();
    Evidence { node: node.node(), receipt }
}

pub fn receive(from: &World, nodes: &[SecretKey], entry: &Signed) -> Receive {
    let cooperative = from.register.cooperative();
    let evidence = nodes.iter().map(|node| receipt(node, cooperative, entry));
    let send = Octets::new(entry.bytes().to_vec()).unwrap();
    Receive { send, evidence: list(evidence), date: day(TODAY + 2), fund: None }
}

pub fn bank(world: &World) -> i128 {
    world.state.books().net(&Account::Bank, Unit::Money)
}
