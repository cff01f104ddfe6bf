//! Rule 27: what a heal must show before any node gives it a place.
#![expect(clippy::unwrap_used, reason = "a test says by failing what went wrong")]

mod world;

use talea_ledger::heal::{HealFault, examine, logs_needed};
use talea_protocol::act::{Act, Attest};
use talea_protocol::bytes::Octets;
use talea_protocol::charter::Roster;
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::entry::{Header, SCHEME, SignedHeader, VERSION, sign};
use talea_protocol::fork::{Fork, ForkFault};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::leaf::{Erased, Forked};
use talea_protocol::receipt::{Receipt, ReceiptFault};
use talea_protocol::recovery::{Evidence, Heal};
use talea_protocol::tree::{Tree, leaf_hash};
use world::{World, charter, consented, key, list};

/// The device that wrote twice, and where.
const DEVICE: u32 = 3;
const SEQ: u32 = 4;

/// Four nodes, of which one may lie: three logs must hold something else.
fn nodes() -> Vec<SecretKey> {
    let mut nodes: Vec<SecretKey> = (1000..1004).map(key).collect();
    nodes.sort_by_key(SecretKey::node);
    nodes
}

fn world() -> World {
    let mut charter = charter();
    let names: Vec<NodeKey> = nodes().iter().map(SecretKey::node).collect();
    charter.roster = Roster { nodes: list(names), faulty: 1, quorum: 3 };
    World::of(consented(charter))
}

fn half(world: &World, device: u32, seq: u32, attested: u8) -> SignedHeader {
    let author = key(usize::try_from(device).unwrap());
    let cooperative = world.register.cooperative();
    let header = Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative,
        device: author.device(),
        seq: u64::from(seq),
        prev: EntryId([1; 32]),
        basis: cooperative,
        time: world.time,
        payload: None,
    };
    let act = Act::Attest(Attest { contribution: EntryId([attested; 32]) });
    sign(&author, &header, &act).unwrap().signed_header()
}

fn fork(world: &World) -> Fork {
    Fork::new(half(world, DEVICE, SEQ, 5), half(world, DEVICE, SEQ, 6))
}

/// A receipt of a leaf in the middle of a node's log.
fn receipt(world: &World, node: &SecretKey, leaf: &[u8]) -> Receipt {
    let mut tree = Tree::default();
    for leaf in [b"\xc8 before".as_slice(), leaf, b"\xc8 after"] {
        tree.append(leaf_hash(leaf));
    }
    let origin = origin(&world.register.cooperative(), &node.node());
    Receipt {
        index: 1,
        proof: tree.prove_inclusion(1, 3, |_, _| None).unwrap(),
        checkpoint: Checkpoint { origin, size: 3, root: tree.root() }.sign(node),
        extra: leaf.to_vec(),
    }
}

fn evidence(world: &World, node: &SecretKey, leaf: &[u8]) -> Evidence {
    let receipt = receipt(world, node, leaf).to_string().into_bytes();
    Evidence { node: node.node(), receipt: Octets::new(receipt).unwrap() }
}

/// A heal that cites what these logs hold, in the order of the roster.
fn heal(world: &World, adopt: Option<EntryId>, held: &[Option<EntryId>]) -> Heal {
    let fork = fork(world);
    let leaf = |held: &Option<EntryId>| Forked { fork, held: *held }.leaf();
    let nodes = nodes();
    let cited = nodes.iter().zip(held).map(|(node, held)| evidence(world, node, &leaf(held)));
    Heal { device: DEVICE, seq: SEQ, adopt, evidence: list(cited) }
}

/// What is said of a heal of which one piece of evidence is another.
fn with(world: &World, n: usize, other: Evidence) -> HealFault {
    let one = Some(fork(world).one.id());
    let mut cited = heal(world, one, &[one; 3]).evidence.to_vec();
    cited[n] = other;
    let heal = Heal { evidence: list(cited), ..heal(world, one, &[one; 3]) };
    examine(&world.register, &heal).unwrap_err()
}

#[test]
fn rule_27_the_branch_that_is_not_dead_goes_on_and_no_other() {
    let world = world();
    assert_eq!(logs_needed(world.register.roster()), 3);
    let (one, other) = (Some(fork(&world).one.id()), Some(fork(&world).other.id()));
    let examined = |adopt, held: &[_]| examine(&world.register, &heal(&world, adopt, held));
    assert_eq!(examined(one, &[one, one, one]), Ok(()));
    assert_eq!(examined(one, &[one, other, one, None]), Ok(()));
    assert_eq!(examined(None, &[one, None, other, None]), Ok(()));
    let wrong = |left, adopted| Err(HealFault::Adopted { left, adopted });
    assert_eq!(examined(other, &[one, one, one]), wrong(one, other));
    assert_eq!(examined(None, &[one, one, one]), wrong(one, None));
    assert_eq!(examined(one, &[one, None, other, None]), wrong(None, one));
    assert!(matches!(examined(one, &[one, one]), Err(HealFault::Open { .. })));
    assert!(matches!(examined(one, &[one, one, other, other]), Err(HealFault::Open { .. })));
    assert_eq!(examined(None, &[]), Err(HealFault::Nothing));
}

#[test]
fn rule_27_each_log_is_cited_once_and_is_of_the_roster() {
    let world = world();
    let nodes = nodes();
    let one = Some(fork(&world).one.id());
    let leaf = Forked { fork: fork(&world), held: one }.leaf();
    assert_eq!(with(&world, 1, evidence(&world, &nodes[0], &leaf)), HealFault::Order);
    let mut turned = heal(&world, one, &[one; 3]).evidence.to_vec();
    turned.reverse();
    let turned = Heal { evidence: list(turned), ..heal(&world, one, &[one; 3]) };
    assert_eq!(examine(&world.register, &turned), Err(HealFault::Order));
    let strangers = (2000..).map(key).filter(|it| it.node() > nodes[1].node());
    let stranger = strangers.into_iter().find(|it| it.node() > nodes[3].node()).unwrap();
    let node = stranger.node();
    assert_eq!(with(&world, 2, evidence(&world, &stranger, &leaf)), HealFault::Stranger { node });
    let nobody = Heal { device: 8, ..heal(&world, one, &[one; 3]) };
    assert_eq!(examine(&world.register, &nobody), Err(HealFault::Device { device: 8 }));
}

#[test]
fn rule_27_a_receipt_is_of_that_log_and_of_a_leaf_of_a_fork() {
    let world = world();
    let (nodes, fork) = (nodes(), fork(&world));
    let node = nodes[1].node();
    let leaf = Forked { fork, held: Some(fork.one.id()) }.leaf();
    let raw = |bytes: Vec<u8>| Evidence { node, receipt: Octets::new(bytes).unwrap() };
    let fault = with(&world, 1, raw(b"no receipt".to_vec()));
    assert!(matches!(fault, HealFault::Receipt { .. }), "{fault}");
    // Another node's log, under this one's name.
    let other = receipt(&world, &nodes[0], &leaf).to_string().into_bytes();
    let fault = with(&world, 1, raw(other));
    let origin = matches!(fault, HealFault::Receipt { fault: ReceiptFault::Checkpoint(_), .. });
    assert!(origin, "{fault}");
    // The leaf in `extra` is not the one at the index.
    let mut moved = receipt(&world, &nodes[1], &leaf);
    moved.extra = Forked { fork, held: Some(fork.other.id()) }.leaf();
    let fault = with(&world, 1, raw(moved.to_string().into_bytes()));
    let absent = matches!(fault, HealFault::Receipt { fault: ReceiptFault::Proof(_), .. });
    assert!(absent, "{fault}");
    let erased = Erased { entry: fork.one.id(), order: fork.other.id() }.leaf();
    assert_eq!(with(&world, 1, evidence(&world, &nodes[1], &erased)), HealFault::Leaf { node });
    moved.extra = Vec::new();
    let bare = raw(moved.to_string().into_bytes());
    assert_eq!(with(&world, 1, bare), HealFault::Leaf { node });
}

#[test]
fn rule_27_the_leafs_proof_is_one_and_about_this_place() {
    let world = world();
    let nodes = nodes();
    let node = nodes[2].node();
    let said = |fork: Fork| {
        let leaf = Forked { fork, held: None }.leaf();
        with(&world, 2, evidence(&world, &nodes[2], &leaf))
    };
    let mut forged = fork(&world);
    forged.one.signature.0[0] ^= 1;
    let fault = ForkFault::Signature;
    assert_eq!(said(forged), HealFault::Proof { node, fault });
    let at = |device, seq| Fork::new(half(&world, device, seq, 5), half(&world, device, seq, 6));
    assert_eq!(said(at(DEVICE, SEQ + 1)), HealFault::Place { node });
    assert_eq!(said(at(DEVICE - 1, SEQ)), HealFault::Place { node });
}

#[test]
fn rule_27_sixteen_receipts_without_cosignatures_fit_an_act() {
    let world = world();
    let leaf = Forked { fork: fork(&world), held: Some(fork(&world).one.id()) }.leaf();
    let mut receipt = receipt(&world, &nodes()[0], &leaf);
    // The log of a million leaves.
    receipt.proof = vec![receipt.proof[0]; 20];
    receipt.index = 999_999;
    let length = receipt.to_string().len();
    assert!(16 * (length + 100) < talea_protocol::act::ACT_BYTES_MAX, "{length}");
}
