//! A cooperative whose founders write by hand, without a wallet to keep them honest.
//!
//! For stories on a [`Net`]: each founder's device can say anything in any place. What a member's
//! wallet would do is `people`'s.

use talea_ledger::replica::Reply;
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{
    Act, Choice, Contribution, Decide, Effect, Matter, Method, Propose, Stream, Vote,
};
use talea_protocol::bytes::{Code, Day, List, Octets, Quantity};
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::{Header, SCHEME, Signed, VERSION, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, Purpose, SecretKey};
use talea_protocol::receipt::Receipt;
use talea_protocol::recovery::{Approval, Evidence, Heal};

use crate::net::{Net, Node, node_keys_from};
use crate::people::{START_MS, charter, secret};

/// A cooperative whose founders write by hand, without a wallet to keep them honest.
pub struct Coop {
    /// Its nodes.
    pub net: Net,
    /// The devices' keys, the founders' first.
    pub keys: Vec<SecretKey>,
    /// Its id.
    pub cooperative: EntryId,
    /// The next place and the id before it, of each founder's first device.
    pub chains: Vec<(u64, EntryId)>,
    /// The register's newest entry.
    pub head: EntryId,
}

impl Coop {
    /// So many nodes that tolerate `faulty` liars and settle with `quorum`, and so many founders.
    #[must_use]
    pub fn of(nodes: usize, faulty: u8, quorum: u8, members: u64) -> Self {
        Self::from(0, nodes, faulty, quorum, members)
    }

    /// The same with other people and other nodes: whose keys have numbers from `first` on.
    #[must_use]
    pub fn from(first: u64, nodes: usize, faulty: u8, quorum: u8, members: u64) -> Self {
        let keys: Vec<SecretKey> = (first..first.saturating_add(members)).map(secret).collect();
        let node_keys = node_keys_from(first, nodes);
        let publics: Vec<_> = node_keys.iter().map(|key| key.node()).collect();
        let charter = charter(&keys.iter().collect::<Vec<_>>(), &publics, faulty, quorum);
        let header = header(EntryId::ZERO, keys[0].device(), 0, EntryId::ZERO, EntryId::ZERO);
        let founding = sign(&keys[0], &header, &Act::Charter(Box::new(charter))).expect("as told");
        let cooperative = founding.id();
        let mut chains = vec![(0, EntryId::ZERO); keys.len()];
        chains[0] = (1, cooperative);
        let mut net = Net::among(node_keys, cooperative);
        assert!(matches!(net.submit(0, &founding), Reply::Placed(_)));
        net.pass(2_000);
        Self { net, keys, cooperative, chains, head: cooperative }
    }

    /// A member's next entry, under the newest register entry.
    pub fn entry(&mut self, member: usize, act: &Act) -> Signed {
        let (seq, prev) = self.chains[member];
        let entry = self.entry_at(member, seq, prev, act);
        self.chains[member] = (seq + 1, entry.id());
        if act.is_register() {
            self.head = entry.id();
        }
        entry
    }

    /// An entry of a member for any place.
    #[must_use]
    pub fn entry_at(&self, member: usize, seq: u64, prev: EntryId, act: &Act) -> Signed {
        let key = &self.keys[member];
        sign(key, &header(self.cooperative, key.device(), seq, prev, self.head), act)
            .expect("as told")
    }

    /// Submits a member's next entry to a node, which gives it a place.
    pub fn say(&mut self, node: usize, member: usize, act: &Act) -> EntryId {
        let entry = self.entry(member, act);
        let reply = self.net.submit(node, &entry);
        assert!(matches!(reply, Reply::Placed(_)), "{reply:?}");
        entry.id()
    }

    /// A member's word for what others write down.
    #[must_use]
    pub fn word(&self, member: usize, purpose: Purpose, signed: &[u8]) -> Approval {
        let key = &self.keys[member];
        Approval { device: key.device(), signature: key.sign(purpose, signed) }
    }

    /// The cut of these devices' chains as a node holds them.
    pub fn cut(&self, node: usize, devices: &[u32]) -> Cut {
        let replica = &self.net.nodes[node].replica;
        let (register, places) = (replica.register().expect("as told"), replica.places());
        let (mut root, mut lengths) = (CutRoot::new(), Vec::new());
        for device in devices {
            let chain = places.chain(*device);
            let at = usize::try_from(*device).expect("as told");
            lengths.resize(lengths.len().max(at + 1), 0);
            lengths[at] = u32::try_from(chain.len()).expect("as told");
            if let Some(last) = chain.last() {
                root.add(&register.record(*device).expect("as told").key, lengths[at], &last.id);
            }
        }
        Cut { at: self.head, lengths: List::new(lengths).expect("as told"), root: root.finish() }
    }

    /// A receipt of the fork leaf that a node has for a device.
    pub fn evidence(&self, node: usize, device: u32) -> Evidence {
        let of = &self.net.nodes[node];
        let leaf = of.replica.freezes().forked(device).expect("a proven fork").leaf;
        self.shown(node, leaf, of.disk.leaf(&self.cooperative, leaf).expect("as told"))
    }

    /// A receipt of an entry's place in a node's log.
    pub fn receipt(&self, node: usize, id: &EntryId) -> Evidence {
        let place = self.net.nodes[node].replica.places().find(id).expect("it has a place");
        self.shown(node, place.leaf, Vec::new())
    }

    fn shown(&self, node: usize, leaf: u64, extra: Vec<u8>) -> Evidence {
        let node = &self.net.nodes[node];
        let size = node.replica.published();
        let proof = node.replica.tree().prove_inclusion(leaf, size, |_, _| None).expect("as told");
        let checkpoint = node.replica.note().expect("as told").clone();
        let receipt = Receipt { index: leaf, proof, checkpoint, extra };
        let receipt = Octets::new(receipt.to_string().into_bytes()).expect("as told");
        Evidence { node: node.key.node(), receipt }
    }

    /// A heal by the fork leaves of these nodes.
    #[must_use]
    pub fn heal(&self, nodes: &[usize], device: u32, seq: u32, adopt: Option<EntryId>) -> Act {
        let evidence = nodes.iter().map(|node| self.evidence(*node, device)).collect();
        Act::Heal(Heal { device, seq, adopt, evidence: List::new(evidence).expect("as told") })
    }

    /// An adopted decision with this effect; everybody votes for it through node 0.
    pub fn decide(&mut self, matter: Matter, effect: Effect) -> EntryId {
        let closes = self.net.now() + 1_000;
        let propose =
            Propose { matter, method: Method::Headcount, statutory: false, closes, effect };
        let proposal = self.say(0, 1, &Act::Propose(propose));
        for member in 0..self.keys.len() {
            let choice = Choice::Yes;
            self.say(0, member, &Act::Vote(Vote { proposal, choice }));
        }
        self.net.pass(3_000);
        let replica = &self.net.nodes[0].replica;
        let register = replica.register().expect("as told");
        let cut = replica.state().cut(register);
        let (tally, outcome) = replica.state().count(register, &proposal, &cut).expect("as told");
        let decision = self.say(0, 0, &Act::Decide(Decide { proposal, cut, tally, outcome }));
        self.net.pass(3_000);
        assert_eq!(self.verdict(0, &decision), Some(Verdict::Counted));
        decision
    }

    /// What became of an entry at a node.
    #[must_use]
    pub fn verdict(&self, node: usize, id: &EntryId) -> Option<Verdict> {
        self.net.nodes[node].replica.state().verdict(id)
    }

    /// All nodes hold the same for settled, and it adds up to the same.
    pub fn agree(&mut self) -> u64 {
        self.net.pass(6_000);
        let of = |net: &mut Net, node: usize| {
            let replica = &mut net.nodes[node].replica;
            (replica.settled(), replica.state_mut().root())
        };
        let first = of(&mut self.net, 0);
        for node in 1..self.net.nodes.len() {
            assert_eq!(of(&mut self.net, node), first, "node {node}");
        }
        first.0
    }

    /// How many forks are open at each node.
    #[must_use]
    pub fn forks(&self) -> Vec<usize> {
        let forks = |node: &Node| node.replica.freezes().forks().count();
        self.net.nodes.iter().map(forks).collect()
    }
}

/// A header with a time of its own.
#[must_use]
pub fn header(
    cooperative: EntryId,
    device: DeviceKey,
    seq: u64,
    prev: EntryId,
    basis: EntryId,
) -> Header {
    let (version, scheme, time) = (VERSION, SCHEME, START_MS + 50_000);
    Header { version, scheme, cooperative, device, seq, prev, basis, time, payload: None }
}

/// So many minutes of work.
#[must_use]
pub fn work(minutes: i64) -> Act {
    let day = Day::new(20_455).expect("as told");
    Act::Contribution(Contribution {
        stream: Stream::Love,
        task: Code::try_from("bake").expect("as told"),
        quantity: Quantity::new(minutes).expect("as told"),
        begin: day,
        end: day,
        job: None,
        tags: List::default(),
    })
}
