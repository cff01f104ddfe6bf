//! What a node serves while its cooperative goes on, started again and again, is what a stranger
//! computes at once from its export.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use proptest::prelude::*;
use talea_ledger::replica::Reply;
use talea_protocol::entry::Signed;
use talea_tests::bench::mixed::fold;
use talea_tests::chance::Chance;
use talea_tests::net::{Net, node_keys};
use talea_tests::people::mixed::Mixed;
use talea_tools::verify::{Policy, Status, audit};

#[path = "../../ledger/tests/world/read.rs"]
mod read;
use read::unlike;

/// Entries of a cooperative told here; a node keeps a note of its log at every 1,024th leaf.
const COUNT: usize = 1_100;

/// Hands a few entries to the node, in an order that makes some of them wait for others.
fn hand_in(net: &mut Net, part: &[Signed], chance: &mut Chance) {
    let mut part: Vec<&Signed> = part.iter().collect();
    chance.shuffle(&mut part);
    for entry in part {
        let reply = net.submit(0, entry);
        assert!(matches!(reply, Reply::Placed(_) | Reply::Waiting(_)), "{reply:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any cooperative, handed to its node piece by piece; between two pieces the node is perhaps
    /// started again, and perhaps asked.
    #[test]
    fn every_view_of_a_node_is_the_one_that_a_stranger_computes(seed in any::<u64>()) {
        let key = node_keys(1).remove(0);
        let mixed = Mixed::year(seed, COUNT, key.node());
        let (all, mut chance) = (mixed.entries(), Chance::of(seed, &[1]));
        let mut net = Net::among(vec![key], all[0].id());
        net.submit(0, &all[0]);
        let (mut done, mut restarts, mut asked) = (1, 0, 0);
        while done < all.len() {
            let until = all.len().min(done + 1 + chance.index(12));
            let part = &all[done..until];
            net.skip_to(part.iter().map(|entry| entry.header().time).max().unwrap());
            hand_in(&mut net, part, &mut chance);
            done = until;
            if chance.percent(4) {
                net.restart(0);
                restarts += 1;
            }
            if chance.percent(6) {
                let (node, stranger) = (&net.nodes[0].replica, fold(&all[..done]));
                let found = unlike(node.register().unwrap(), node.state(), &stranger.state);
                prop_assert_eq!(found, Vec::<String>::new(), "after {} entries", done);
                asked += 1;
            }
        }
        net.pass(2_000);
        prop_assert!(restarts > 0 && asked > 0, "{} restarts, asked {} times", restarts, asked);
        let read = audit(&net.export(0), &Policy::default(), 0).unwrap();
        prop_assert_eq!(read.status, Status::Valid, "{:?}", read.found);
        let (node, stranger) = (&net.nodes[0].replica, read.sum.unwrap());
        prop_assert_eq!(unlike(&stranger.register, node.state(), &stranger.state), Vec::<String>::new());
    }
}
