//! Entries between cooperatives: acts 43 to 47, with an accord and a receipt that are genuine.

use talea_protocol::act::Act;
use talea_protocol::bytes::{List, Octets, encode};
use talea_protocol::charter::Roster;
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::entry::{Entry, Header, SCHEME, VERSION, sign};
use talea_protocol::federation::*;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::Purpose;
use talea_protocol::leaf::accept;
use talea_protocol::receipt::Receipt;
use talea_protocol::recovery::Evidence;
use talea_protocol::tree::{Tree, leaf_hash};

use crate::entries::{World, amount, code, day, list};
use crate::secret;

/// Another cooperative's id; nobody here has its charter.
pub const PARTNER: EntryId = EntryId([0xf0; 32]);

/// An accord of the vectors' cooperative with [`PARTNER`].
pub fn accord(cooperative: EntryId) -> Accord {
    let (one, other) = (cooperative.min(PARTNER), cooperative.max(PARTNER));
    Accord {
        one,
        other,
        reference: code("AG1"),
        unit: code("EUR"),
        limit: amount(50_000),
        from: day(20_455),
        until: day(20_820),
        text: Hash::ZERO,
    }
}

/// A bilateral statement under an accord.
pub fn balance(accord: &Accord) -> Balance {
    let one = Turnover { sent: 15_000, received: 0 };
    let other = Turnover { sent: 0, received: 15_000 };
    Balance { accord: accord.id(), date: day(20_540), one, other }
}

/// Adds all of them to what is written.
pub fn write(world: &mut World) {
    let charter = Octets::new(world.entry("charter").bytes().to_vec()).unwrap();
    let mut speakers = vec![secret(2).device(), secret(3).device()];
    speakers.sort_unstable();
    let link = Link { charter, roster: None, speakers: list(speakers) };
    let roster = Some(Roster { nodes: list(vec![secret(17).node()]), faulty: 0, quorum: 1 });
    world.write("link", 2, None, Act::Link(link.clone()));
    let moved = Link { roster, speakers: List::default(), ..link };
    world.write("link, another roster", 2, None, Act::Link(moved));

    let accord = accord(world.cooperative);
    let signature = secret(1).sign(Purpose::Accord, &accordance(&accord));
    let countersign = Countersign { accord: accord.clone(), device: secret(1).device(), signature };
    world.write("countersign", 2, None, Act::Countersign(Box::new(countersign)));
    let send = Send {
        accord: accord.id(),
        amount: amount(15_000),
        date: day(20_530),
        reference: code("mediation"),
        fund: None,
        takes: List::default(),
    };
    world.write("send", 2, None, Act::Send(send.clone()));
    let opened = world.entry("open").id();
    let of_fund = Send { fund: Some(code("common")), takes: list(vec![opened]), ..send.clone() };
    world.write("send, out of a fund", 2, None, Act::Send(of_fund));
    receive(world, send);
    let balance = balance(&accord);
    let signature = secret(1).sign(Purpose::Statement, &confirmation(&balance));
    let statement = Statement { balance, device: secret(1).device(), signature };
    world.write("statement", 2, None, Act::Statement(statement));
}

/// What the partner has sent, the only leaf of a log.
fn receive(world: &mut World, send: Send) {
    let header = Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative: PARTNER,
        device: secret(1).device(),
        seq: 7,
        prev: EntryId([0xf1; 32]),
        basis: PARTNER,
        time: 1_774_000_000_000,
        payload: None,
    };
    let sent = sign(&secret(1), &header, &Act::Send(send)).unwrap();
    let leaf = accept(&Entry::parse(sent.bytes().to_vec()).unwrap());
    let mut tree = Tree::default();
    tree.append(leaf_hash(&leaf));
    let node = secret(17).node();
    let checkpoint = Checkpoint { origin: origin(&PARTNER, &node), size: 1, root: tree.root() };
    let checkpoint = checkpoint.sign(&secret(17));
    let receipt = Receipt { index: 0, proof: Vec::new(), checkpoint, extra: Vec::new() };
    let receipt = Octets::new(receipt.to_string().into_bytes()).unwrap();
    let receive = Receive {
        send: Octets::new(sent.bytes().to_vec()).unwrap(),
        evidence: list(vec![Evidence { node, receipt }]),
        date: day(20_531),
        fund: None,
    };
    assert!(encode(&receive).len() < 2_000);
    world.write("receive", 2, None, Act::Receive(receive.clone()));
    let into_fund = Receive { fund: Some(code("common")), evidence: List::default(), ..receive };
    world.write("receive, into a fund", 2, None, Act::Receive(into_fund));
}
