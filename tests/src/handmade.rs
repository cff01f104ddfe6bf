//! A small cooperative with three nodes, written by hand: logs, checkpoints, exports.
//!
//! No replica and no network: what stands in which log is said line by line, so that a test can
//! also make what no honest node makes. What nodes really export is the demonstration's business.

use std::collections::{BTreeMap, BTreeSet};

use talea_ledger::register::Register;
use talea_ledger::state::State;
use talea_protocol::act::{Act, Admit, Attest, Content, Contribution, Request, Stream, enrolment};
use talea_protocol::bytes::{Code, Day, List, Octets, Quantity};
use talea_protocol::charter::Kind;
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::cut::CutRoot;
use talea_protocol::entry::{Commitment, Header, SCHEME, Signed, VERSION, sign};
use talea_protocol::export::{Section, Writer, leaves};
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey, Purpose, SecretKey};
use talea_protocol::leaf::{self, Forked, Frontier, Peer, accept, accepted};
use talea_protocol::message::{Item, Payload};
use talea_protocol::note::Note;
use talea_protocol::receipt::Receipt;
use talea_protocol::recovery::{Evidence, Heal};
use talea_protocol::tree::{self, TreeHash, leaf_hash};

use crate::people::{START_MS, charter};

/// What the charter's payload calls the members.
pub const NAMES: &[u8] = br#"{"members":[{"handle":"alba","name":"Alba"},{"handle":"bruno","name":"Bruno"},{"handle":"chloe","name":"Chlo\u00e9"}]}"#;
const FOURTH: &[u8] = br#"{"members":[{"handle":"dario","name":"Dario"}]}"#;
const SALT: [u8; 32] = [7; 32];

/// A cooperative and three nodes' logs.
pub struct Handmade {
    /// The members' devices.
    pub members: Vec<SecretKey>,
    /// The nodes' keys, in the order of the roster.
    pub nodes: Vec<SecretKey>,
    /// Every entry, the charter first.
    pub entries: Vec<Signed>,
    /// Each node's leaves.
    pub logs: Vec<Vec<Vec<u8>>>,
    cooperative: EntryId,
    /// The register's newest entry.
    basis: EntryId,
    /// Next place and last id of each member's chain.
    heads: Vec<(u64, EntryId)>,
    payloads: Vec<Payload>,
    /// What the author of the next entry says that the time is.
    pub time: u64,
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

/// The keys of the three nodes, in the order of the roster.
#[must_use]
pub fn roster_keys() -> Vec<SecretKey> {
    let mut nodes: Vec<SecretKey> = (101..=103).map(key).collect();
    nodes.sort_by_key(SecretKey::node);
    nodes
}

impl Handmade {
    /// A charter in all logs, with its payload.
    #[must_use]
    pub fn found() -> Self {
        let members: Vec<SecretKey> = (1..=3).map(key).collect();
        let nodes = roster_keys();
        let names: Vec<NodeKey> = nodes.iter().map(SecretKey::node).collect();
        let charter = charter(&members.iter().collect::<Vec<_>>(), &names, 0, 2);
        let mut made = Self {
            members,
            nodes,
            entries: Vec::new(),
            logs: vec![Vec::new(); 3],
            cooperative: EntryId::ZERO,
            basis: EntryId::ZERO,
            heads: vec![(0, EntryId::ZERO); 3],
            payloads: Vec::new(),
            time: START_MS,
        };
        let entry = made.sign(0, &Act::Charter(Box::new(charter)), Some(NAMES));
        (made.cooperative, made.basis) = (entry.id(), entry.id());
        made.place(&entry, &[0, 1, 2]);
        made
    }

    /// Entries that were made elsewhere, the charter first, in all three logs and settled. The
    /// charter's roster is [`roster_keys`]; `members` are the keys of the charter's founders.
    #[must_use]
    pub fn of(members: Vec<SecretKey>, entries: Vec<Signed>, payloads: Vec<Payload>) -> Self {
        let cooperative = entries.first().expect("a charter").id();
        let mut heads = vec![(0, EntryId::ZERO); members.len()];
        let mut basis = cooperative;
        for entry in &entries {
            let header = entry.header();
            let author = members.iter().position(|key| key.device() == header.device);
            heads[author.expect("a founder's device")] = (header.seq + 1, entry.id());
            if is_numbered(entry) {
                basis = entry.id();
            }
        }
        let (nodes, logs) = (roster_keys(), vec![Vec::new(); 3]);
        let time = entries.last().map_or(START_MS, |last| last.header().time);
        let mut made =
            Self { members, nodes, entries, logs, cooperative, basis, heads, payloads, time };
        for entry in made.entries.clone() {
            made.place(&entry, &[0, 1, 2]);
        }
        made
    }

    /// One member works; the shortest that has something of everything.
    #[must_use]
    pub fn short() -> Self {
        let mut made = Self::found();
        let work = made.work(1, 60);
        made.place(&work, &[0, 1, 2]);
        made.stand(0);
        made.witness(0, 1);
        made
    }

    /// Two members work, a fourth is admitted and works too; frontiers and peer leaves stand in
    /// different places of the three logs.
    #[must_use]
    pub fn ordinary() -> Self {
        let mut made = Self::found();
        let first = made.work(0, 60);
        let second = made.work(1, 90);
        made.place(&first, &[0, 1, 2]);
        made.place(&second, &[1, 0, 2]);
        made.stand(0);
        made.witness(0, 1);
        let attest = made.attest(1, &first);
        made.place(&attest, &[2, 0, 1]);
        let admit = made.admit();
        made.place(&admit, &[0, 1, 2]);
        let third = made.work(0, 30);
        let fourth = made.work(3, 15);
        // The second node takes the two in the other order.
        made.place(&third, &[0, 2]);
        made.place(&fourth, &[0, 1, 2]);
        made.place(&third, &[1]);
        made.witness(1, 2);
        for node in 0..3 {
            made.stand(node);
        }
        made
    }

    /// The cooperative's id.
    #[must_use]
    pub const fn cooperative(&self) -> EntryId {
        self.cooperative
    }

    /// A member's work, signed and not yet placed.
    pub fn work(&mut self, member: usize, minutes: i64) -> Signed {
        let day = Day::new(20_455).expect("a day");
        let act = Act::Contribution(Contribution {
            stream: Stream::Care,
            task: Code::try_from("care").expect("a code"),
            quantity: Quantity::new(minutes).expect("above zero"),
            begin: day,
            end: day,
            job: None,
            tags: List::default(),
        });
        self.sign(member, &act, Some(format!("{{\"note\":\"{minutes} min\"}}").as_bytes()))
    }

    /// A member's attestation, signed and not yet placed.
    pub fn attest(&mut self, member: usize, contribution: &Signed) -> Signed {
        self.sign(member, &Act::Attest(Attest { contribution: contribution.id() }), None)
    }

    /// A fourth member's admission, signed and not yet placed; entries signed later name it.
    pub fn admit(&mut self) -> Signed {
        let key = key(4);
        let request = Request { device: key.device(), kind: Kind::Person };
        let proof = key.sign(Purpose::Enrolment, &enrolment(&self.cooperative, &request));
        let sponsors = List::default();
        let act = Act::Admit(Admit { request, proof, college: 0, stage: 0, sponsors });
        let entry = self.sign(0, &act, Some(FOURTH));
        self.members.push(key);
        self.heads.push((0, EntryId::ZERO));
        self.basis = entry.id();
        entry
    }

    /// The next entry of a member's chain.
    pub fn sign(&mut self, member: usize, act: &Act, payload: Option<&[u8]>) -> Signed {
        let (seq, prev) = self.heads[member];
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: self.cooperative,
            device: self.members[member].device(),
            seq,
            prev,
            basis: self.basis,
            time: self.time,
            payload: payload.and_then(|bytes| Commitment::new(&SALT, bytes)),
        };
        let entry = sign(&self.members[member], &header, act).expect("an entry");
        self.heads[member] = (seq + 1, entry.id());
        let payload = payload.map(|bytes| Payload {
            entry: entry.id(),
            salt: SALT,
            bytes: Octets::new(bytes.to_vec()).expect("short"),
        });
        self.payloads.extend(payload);
        self.entries.push(entry.clone());
        entry
    }

    /// Goes back one place in a member's chain: what a dishonest wallet does.
    pub fn forget(&mut self, member: usize, entry: &Signed) {
        self.heads[member] = (entry.header().seq, entry.header().prev);
    }

    /// Goes on in a member's chain after this entry.
    pub fn sign_after(&mut self, member: usize, entry: &Signed) {
        self.heads[member] = (entry.header().seq + 1, entry.id());
    }

    /// Gives an entry the next place in these logs.
    pub fn place(&mut self, entry: &Signed, logs: &[usize]) {
        for log in logs {
            self.logs[*log].push(accept(entry));
        }
    }

    /// The entries that have a place in a log, in the order of its leaves.
    fn held(&self, node: usize) -> Vec<&Signed> {
        let mut held: Vec<&Signed> = Vec::new();
        let mut lengths: BTreeMap<DeviceKey, u64> = BTreeMap::new();
        let written = self.by_bytes();
        for leaf in &self.logs[node] {
            let Some(bytes) = accepted(leaf) else { continue };
            let entry = *written.get(bytes).expect("written here");
            let (device, seq) = (entry.header().device, entry.header().seq);
            // A leaf that takes a place over empties all behind it in its chain.
            let length = lengths.entry(device).or_insert(0);
            if seq < *length {
                held.retain(|it| it.header().device != device || it.header().seq < seq);
            }
            *length = seq + 1;
            held.push(entry);
        }
        held
    }

    fn by_bytes(&self) -> BTreeMap<&[u8], &Signed> {
        // Of equal entries the first, as they were written.
        self.entries.iter().rev().map(|entry| (entry.bytes(), entry)).collect()
    }

    /// Entries that two logs hold, with all before them in their chains.
    fn settled(&self) -> BTreeSet<EntryId> {
        let mut holders: BTreeMap<&[u8], BTreeSet<usize>> = BTreeMap::new();
        for (log, leaves) in self.logs.iter().enumerate() {
            for bytes in leaves.iter().filter_map(|leaf| accepted(leaf)) {
                holders.entry(bytes).or_default().insert(log);
            }
        }
        let held = |entry: &Signed| holders.get(entry.bytes()).is_some_and(|it| it.len() >= 2);
        let mut chains: Vec<&Signed> = self.entries.iter().filter(|entry| held(entry)).collect();
        chains.sort_by_key(|entry| entry.header().seq);
        let known: BTreeSet<EntryId> = self.entries.iter().map(|entry| entry.id()).collect();
        let mut settled = BTreeSet::new();
        for entry in chains {
            let prev = entry.header().prev;
            if settled.contains(&prev) || !known.contains(&prev) {
                settled.insert(entry.id());
            }
        }
        settled
    }

    /// Takes an entry over in these logs, whatever they hold in its place.
    pub fn take_over(&mut self, entry: &Signed, logs: &[usize]) {
        for log in logs {
            self.logs[*log].push(leaf::resolve(entry));
        }
    }

    /// A fork leaf; the node says that it holds `held`.
    pub fn tell(&mut self, node: usize, fork: Fork, held: Option<&Signed>) {
        self.logs[node].push(Forked { fork, held: held.map(|entry| entry.id()) }.leaf());
    }

    /// The registrar's heal of a place of a founder's chain, with each node's newest fork leaf as
    /// evidence, signed and not yet placed; entries signed later name it.
    pub fn heal(
        &mut self,
        device: u32,
        seq: u32,
        adopt: Option<&Signed>,
        nodes: &[usize],
    ) -> Signed {
        let evidence = nodes.iter().map(|node| self.evidence(*node)).collect();
        let evidence = List::new(evidence).expect("few");
        let adopt = adopt.map(|entry| entry.id());
        let entry = self.sign(0, &Act::Heal(Heal { device, seq, adopt, evidence }), None);
        self.basis = entry.id();
        entry
    }

    fn evidence(&self, node: usize) -> Evidence {
        let log = &self.logs[node];
        let index = log.iter().rposition(|leaf| leaf[0] == leaf::FORK).expect("a fork leaf");
        let mut tree = tree::Tree::default();
        for leaf in log {
            tree.append(leaf_hash(leaf));
        }
        let (index, size) = (u64::try_from(index).expect("few"), tree.size());
        let (key, root) = (&self.nodes[node], tree.root());
        let origin = origin(&self.cooperative, &key.node());
        let receipt = Receipt {
            index,
            proof: tree.prove_inclusion(index, size, |_, _| None).expect("a leaf of it"),
            checkpoint: Checkpoint { origin, size, root }.sign(key),
            extra: log[usize::try_from(index).expect("few")].clone(),
        };
        let receipt = Octets::new(receipt.to_string().into_bytes()).expect("short");
        Evidence { node: key.node(), receipt }
    }

    /// A frontier leaf: the node holds for settled what two logs hold.
    pub fn stand(&mut self, node: usize) {
        let (held, settled) = (self.held(node), self.settled());
        let mut register = Register::found(held[0]).expect("a charter");
        let mut state = State::new();
        let mut last: BTreeMap<u32, (u32, EntryId)> = BTreeMap::new();
        for entry in &held {
            let device = register.known(&entry.header().device).expect("enrolled");
            if is_numbered(entry) {
                register.append(entry).expect("the register's next");
            }
            if settled.contains(&entry.id()) {
                state.settle(&register, device, entry);
            }
            let head = last.entry(device).or_insert((0, EntryId::ZERO));
            *head = (head.0 + 1, entry.id());
        }
        let mut root = CutRoot::new();
        for (device, (length, id)) in &last {
            let record = register.record(*device).expect("enrolled");
            root.add(&record.key, *length, id);
        }
        let frontier = Frontier {
            accepted: root.finish(),
            settled: state.cut(&register),
            state: state.root(),
            count: u64::try_from(held.len()).expect("few"),
        };
        self.logs[node].push(frontier.leaf());
    }

    /// A peer leaf: a node has verified another's log as it stands.
    pub fn witness(&mut self, node: usize, other: usize) {
        let peer = Peer {
            node: self.nodes[other].node(),
            size: u64::try_from(self.logs[other].len()).expect("few"),
            root: self.root(other),
            time: START_MS / 1000,
        };
        self.logs[node].push(peer.leaf());
    }

    /// A shown leaf: another node's log, with this entry at its end, as only `node` was shown it.
    /// `extra` is what the receipt carries of the leaf.
    pub fn show(&mut self, node: usize, other: usize, entry: &Signed, extra: Vec<u8>) {
        let (key, mut tree) = (&self.nodes[other], tree::Tree::default());
        self.logs[other].iter().for_each(|leaf| tree.append(leaf_hash(leaf)));
        tree.append(leaf_hash(&accept(entry)));
        let (size, root) = (tree.size(), tree.root());
        let origin = origin(&self.cooperative, &key.node());
        let receipt = Receipt {
            index: size - 1,
            proof: tree.prove_inclusion(size - 1, size, |_, _| None).expect("a leaf of it"),
            checkpoint: Checkpoint { origin, size, root }.sign(key),
            extra,
        };
        let receipt = Octets::new(receipt.to_string().into_bytes()).expect("short");
        let shown = leaf::Shown { entry: entry.id(), node: key.node(), receipt };
        self.logs[node].push(shown.leaf());
    }

    /// The root of a node's log.
    #[must_use]
    pub fn root(&self, node: usize) -> TreeHash {
        let mut tree = tree::Frontier::default();
        for leaf in &self.logs[node] {
            tree.append(leaf_hash(leaf));
        }
        tree.root()
    }

    /// A node's checkpoint, cosigned by the others.
    #[must_use]
    pub fn note(&self, node: usize) -> Note {
        let checkpoint = Checkpoint {
            origin: origin(&self.cooperative, &self.nodes[node].node()),
            size: u64::try_from(self.logs[node].len()).expect("few"),
            root: self.root(node),
        };
        let mut note = checkpoint.sign(&self.nodes[node]);
        for (number, witness) in self.nodes.iter().enumerate().filter(|(other, _)| *other != node) {
            let seconds = START_MS / 1000 + u64::try_from(number).expect("few");
            note.add(checkpoint.cosign(witness, seconds)).expect("few");
        }
        note
    }

    /// A member's payload is left out of exports, as after an erasure.
    pub fn erase(&mut self, entry: &EntryId) {
        self.payloads.retain(|payload| payload.entry != *entry);
    }

    /// A node's export.
    #[must_use]
    pub fn export(&self, node: usize) -> Vec<u8> {
        let me = self.nodes[node].node();
        let (mut writer, mut file) = Writer::begin(self.cooperative, me, START_MS);
        let mut sections: Vec<Section> = leaves(0, &self.logs[node]).collect();
        for other in (0..3).filter(|other| *other != node) {
            let log = self.nodes[other].node();
            let items = List::new(self.mirrored(node, other)).expect("few");
            sections.push(Section::Mirror { log, from: 0, items });
        }
        for log in 0..3 {
            let note = Octets::new(self.note(log).to_string().into_bytes()).expect("short");
            sections.push(Section::Checkpoint { log: self.nodes[log].node(), note });
        }
        sections.extend(self.payloads.iter().cloned().map(Section::Payload));
        for section in &sections {
            file.extend(writer.frame(section));
        }
        file.extend(writer.end());
        file
    }

    /// Another node's log as `node` refers to it: by copy where its own has the next entry next,
    /// by name where it has it elsewhere, else by its bytes.
    fn mirrored(&self, node: usize, other: usize) -> Vec<Item> {
        let (own, me) = (&self.logs[node], self.nodes[node].node());
        let (mut items, written): (Vec<Item>, _) = (Vec::new(), self.by_bytes());
        let places = own.iter().enumerate().rev().map(|(place, leaf)| (leaf.as_slice(), place));
        let places: BTreeMap<&[u8], usize> = places.collect();
        let mut next = 0;
        for leaf in &self.logs[other] {
            let place = places.get(leaf.as_slice()).copied();
            let ids = accepted(leaf).and_then(|bytes| written.get(bytes));
            match (items.last_mut(), place, ids) {
                (Some(Item::Copy { count, .. }), Some(place), Some(_)) if place == next => {
                    *count += 1;
                    next = place + 1;
                }
                (_, Some(place), Some(_)) if place >= next => {
                    let from = u64::try_from(place).expect("few");
                    items.push(Item::Copy { log: me, from, count: 1 });
                    next = place + 1;
                }
                (_, Some(_), Some(entry)) => {
                    items.push(Item::Known(List::new(vec![entry.id()]).expect("one")));
                }
                _ => {
                    let mut bundle = Vec::new();
                    talea_protocol::tile::push_leaf(&mut bundle, leaf).expect("short");
                    items.push(Item::Bundle(Octets::new(bundle).expect("short")));
                }
            }
            // A leaf of another kind in between is passed over by a copy.
            while own.get(next).is_some_and(|leaf| accepted(leaf).is_none()) {
                next += 1;
            }
        }
        items
    }
}

fn is_numbered(entry: &Signed) -> bool {
    let Content::Known(act) = entry.content() else { return false };
    act.is_register() && !matches!(act, Act::Charter(_))
}
