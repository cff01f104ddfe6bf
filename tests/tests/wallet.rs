//! A wallet that is restored from old backups, over and over, against simulated nodes: it never
//! signs twice in one place.
//!
//! The files are real, and so are the journal, the witness beside it and the head check; the nodes
//! are replicas whose links come and go. What the wallet asks and in which order is `talea`'s
//! (tools/src/bin/talea/desk.rs). That the same worlds catch a wallet that asks nobody, or a quorum
//! only, is asserted too.

use std::path::{Path, PathBuf};

use talea_ledger::replica::Reply;
use talea_node::http::forks;
use talea_protocol::act::{Act, Attest};
use talea_protocol::charter::Roster;
use talea_protocol::entry::{Entry, Header, SCHEME, Signed, VERSION, check, sign};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::SecretKey;
use talea_protocol::leaf::accepted;
use talea_tests::chance::Chance;
use talea_tests::net::{Net, node_keys};
use talea_tests::people::{START_MS, charter, secret};
use talea_tools::heads::{self, Head, Unsafe, Waiting};
use talea_tools::journal::{Draft, Journal, JournalFault};
use talea_tools::wallet::Wallet;
use talea_tools::witness::{self, Past};

/// The member's device, by number.
const DEVICE: u32 = 1;

/// What a wallet asks before a signature or an entry leaves it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Care {
    /// What `talea` asks.
    Whole,
    /// A quorum's word, and no more.
    Quorum,
    /// Nothing.
    None,
}

/// What happened in a world.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    restores: u64,
    signed: u64,
    behind: u64,
    caught_up: u64,
    contrary: u64,
    too_few: u64,
    silent: u64,
    forks: u64,
}

/// A member's wallet, its backups, and the nodes.
struct World {
    chance: Chance,
    care: Care,
    net: Net,
    roster: Roster,
    cooperative: EntryId,
    key: SecretKey,
    folder: tempfile::TempDir,
    backups: Vec<PathBuf>,
    /// Nodes that the wallet reaches.
    reached: Vec<usize>,
    told: Told,
}

impl World {
    fn new(seed: u64, care: Care) -> Self {
        let mut chance = Chance::of(seed, &[7]);
        let (nodes, faulty, quorum) = *chance.one_of(&[(3, 0, 2), (3, 0, 2), (4, 1, 3), (5, 1, 4)]);
        let keys: Vec<SecretKey> = (0..2).map(secret).collect();
        let publics: Vec<_> = node_keys(nodes).iter().map(|key| key.node()).collect();
        let charter = charter(&keys.iter().collect::<Vec<_>>(), &publics, faulty, quorum);
        let roster = charter.roster.clone();
        let header = header(EntryId::ZERO, &keys[0], 0, EntryId::ZERO);
        let header = Header { basis: EntryId::ZERO, ..header };
        let founding = sign(&keys[0], &header, &Act::Charter(Box::new(charter))).unwrap();
        let cooperative = founding.id();
        let mut net = Net::new(nodes, cooperative);
        net.submit(0, &founding);
        net.pass(2_000);
        let folder = tempfile::tempdir().unwrap();
        let key = secret(1);
        let wallet = Wallet::open(&folder.path().join("wallet")).unwrap();
        // As `talea keys new` does: nothing was signed with this key anywhere.
        std::fs::write(wallet.key(), b"sealed").unwrap();
        witness::begin(&wallet).unwrap();
        let (backups, reached, told) = (Vec::new(), (0..nodes).collect(), Told::default());
        let mut world =
            Self { chance, care, net, roster, cooperative, key, folder, backups, reached, told };
        world.back_up();
        world
    }

    fn wallet(&self) -> Wallet {
        Wallet::open(&self.folder.path().join("wallet")).unwrap()
    }

    fn back_up(&mut self) {
        let backup = self.folder.path().join(format!("backup-{}", self.backups.len()));
        copy(&self.folder.path().join("wallet"), &backup);
        self.backups.push(backup);
    }

    /// Puts a random backup in the place of all that the wallet has; sometimes of the journal alone.
    fn restore(&mut self) {
        self.told.restores += 1;
        let backup = self.chance.one_of(&self.backups).clone();
        let wallet = self.folder.path().join("wallet");
        if self.chance.percent(20) {
            let journal = format!("cooperatives/{}/journal", self.cooperative);
            let _ = std::fs::remove_file(wallet.join(&journal));
            let _ = std::fs::copy(backup.join(&journal), wallet.join(&journal));
            return;
        }
        std::fs::remove_dir_all(&wallet).unwrap();
        copy(&backup, &wallet);
    }

    /// One thing happens.
    fn step(&mut self) {
        match self.chance.below(100) {
            0..50 => self.state(),
            50..62 => self.back_up(),
            62..74 => {
                let nodes: Vec<usize> = (0..self.net.nodes.len()).collect();
                let mut reached = nodes.clone();
                reached.retain(|_| self.chance.percent(75));
                self.reached = reached;
                self.chance.shuffle(&mut self.reached);
            }
            74..84 => {
                let node = self.chance.index(self.net.nodes.len());
                self.net.isolate(node);
            }
            84..92 => self.net.join(),
            _ => {
                let ms = self.chance.between(100, 3_000);
                self.net.pass(ms);
            }
        }
    }

    /// What every node within reach says of the chain.
    fn heads(&self) -> Vec<Head> {
        let head = |node: &usize| {
            let host = &self.net.nodes[*node];
            let register = host.replica.register();
            let nothing = Head::nothing(host.key.node());
            if register.is_none() {
                return nothing;
            }
            let (chain, places) = (host.replica.places().chain(DEVICE), host.replica.places());
            let length = u64::try_from(chain.len()).unwrap();
            let head = chain.last().map(|place| place.id);
            Head { length, head, settled: u64::from(places.settled(DEVICE)), ..nothing }
        };
        self.reached.iter().map(head).collect()
    }

    /// The entries of the chain that a node has, from a place on.
    fn entries(&self, node: usize, from: u64) -> Vec<Signed> {
        let host = &self.net.nodes[node];
        let chain = host.replica.places().chain(DEVICE);
        let from = usize::try_from(from).unwrap();
        let read = |place: &talea_ledger::place::Place| {
            let leaf = host.disk.leaf(&self.cooperative, place.leaf).unwrap();
            Entry::parse(accepted(&leaf).unwrap().to_vec()).unwrap()
        };
        let entries = chain.iter().skip(from).map(read).collect();
        check(entries).into_iter().map(|entry| entry.unwrap()).collect()
    }

    /// Whether it is safe to go on; catches up if that is all that is missing.
    fn is_safe(&mut self, journal: &mut Journal, past: Past) -> bool {
        let heads = self.heads();
        let asked = match self.care {
            Care::Whole => heads::check(&journal.ids(), past, &self.roster, &heads),
            Care::Quorum => match heads::check(&journal.ids(), past, &self.roster, &heads) {
                Err(Unsafe::Silent { .. }) => Ok(()),
                other => other,
            },
            Care::None => Ok(()),
        };
        match asked {
            Ok(()) => return true,
            Err(Unsafe::Behind { here, node, .. }) => {
                self.told.behind += 1;
                let holder = self.net.nodes.iter().position(|it| it.key.node() == node).unwrap();
                let missing = self.entries(holder, here);
                let device = self.key.device();
                match heads::catch_up(journal, &device, &self.cooperative, &missing) {
                    Ok(new) => self.told.caught_up += new,
                    Err(JournalFault::Fork { .. }) => self.told.contrary += 1,
                    Err(other) => panic!("{other}"),
                }
            }
            Err(Unsafe::Contrary { .. } | Unsafe::Exported { .. }) => self.told.contrary += 1,
            Err(Unsafe::TooFew { .. }) => self.told.too_few += 1,
            Err(Unsafe::Silent { .. }) => self.told.silent += 1,
            // Each entry goes after those before it: none waits.
            Err(waiting @ Unsafe::Waiting { .. }) => panic!("{waiting}"),
            // Without a fork no chain stands still.
            Err(still @ Unsafe::Still { .. }) => panic!("{still}"),
        }
        false
    }

    /// The member states something: twice at most if the wallet has to catch up first.
    fn state(&mut self) {
        for _ in 0..2 {
            let wallet = self.wallet();
            let mut journal = wallet.journal(&self.cooperative).unwrap();
            let past = witness::past(&wallet, &self.cooperative, &journal);
            if self.is_safe(&mut journal, past) {
                self.sign(&mut journal);
                witness::keep(&wallet, &self.cooperative).unwrap();
                return;
            }
            if past == Past::Unbroken {
                witness::keep(&wallet, &self.cooperative).unwrap();
            }
        }
    }

    fn sign(&mut self, journal: &mut Journal) {
        let (seq, prev) = journal.next();
        let what = EntryId(Hash([self.chance.number().to_le_bytes()[0]; 32]).0);
        let time = START_MS + self.chance.below(60_000);
        let header = Header { time, ..header(self.cooperative, &self.key, seq, prev) };
        let header = Header { basis: self.cooperative, ..header };
        let draft = Draft::new(header, &Act::Attest(Attest { contribution: what }), None).unwrap();
        journal.promise(&draft).unwrap();
        if self.chance.percent(5) {
            return; // The program stops after its promise.
        }
        for seq in 0..=seq {
            if journal.kept()[usize::try_from(seq).unwrap()].signature.is_none() {
                journal.sign(seq, &self.key).unwrap();
            }
        }
        self.told.signed += 1;
        // To the first that answers, as `talea` sends, with whatever is not settled there; or the
        // program stops before that.
        if let Some(node) = self.reached.first().copied().filter(|_| self.chance.percent(90)) {
            let open = u64::from(self.settled(node)).min(seq);
            for kept in journal.kept().iter().skip(usize::try_from(open).unwrap()) {
                self.net.submit(node, &kept.entry().unwrap());
            }
        }
    }

    fn settled(&self, node: usize) -> u32 {
        self.net.nodes[node].replica.places().settled(DEVICE)
    }

    /// All links are open again, and everything has gone everywhere.
    fn end(mut self) -> Told {
        self.net.join();
        self.net.pass(10_000);
        let forks = |node: &talea_tests::net::Node| node.replica.freezes().forks().count();
        let forks = self.net.nodes.iter().map(forks).max().unwrap_or(0);
        self.told.forks = u64::try_from(forks).unwrap();
        self.told
    }
}

fn header(cooperative: EntryId, key: &SecretKey, seq: u64, prev: EntryId) -> Header {
    let (version, scheme, time, device) = (VERSION, SCHEME, START_MS, key.device());
    let basis = cooperative;
    Header { version, scheme, cooperative, device, seq, prev, basis, time, payload: None }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// So many worlds, in each of which a wallet is restored so many times.
fn worlds(care: Care, worlds: u64, restores: u64) -> Told {
    let mut all = Told::default();
    for seed in 0..worlds {
        let mut world = World::new(seed, care);
        for _ in 0..restores {
            for _ in 0..world.chance.between(3, 12) {
                world.step();
            }
            world.restore();
        }
        for _ in 0..10 {
            world.step();
        }
        let told = world.end();
        if care == Care::Whole {
            assert_eq!(told.forks, 0, "world {seed}: {told:?}");
        }
        all.restores += told.restores;
        all.signed += told.signed;
        all.behind += told.behind;
        all.caught_up += told.caught_up;
        all.contrary += told.contrary;
        all.too_few += told.too_few;
        all.silent += told.silent;
        all.forks += told.forks;
    }
    println!("{care:?}: {all:?}");
    all
}

#[test]
fn a_thousand_restores_from_random_old_backups_make_no_fork() {
    let told = worlds(Care::Whole, 100, 10);
    assert_eq!((told.restores, told.forks), (1_000, 0));
    // Every answer that the check has was given, and the wallet went on all the same.
    assert!(told.signed >= 500, "{told:?}");
    for count in [told.behind, told.caught_up, told.too_few, told.silent] {
        assert!(count > 0, "{told:?}");
    }
}

#[test]
fn the_same_worlds_catch_a_wallet_that_asks_nobody() {
    let told = worlds(Care::None, 5, 10);
    assert_eq!(told.forks, 5, "each of them: {told:?}");
}

#[test]
fn the_same_worlds_catch_a_wallet_that_asks_a_quorum_only() {
    let told = worlds(Care::Quorum, 40, 10);
    assert!(told.forks > 0, "what one node alone holds, a quorum may not show: {told:?}");
}

#[test]
fn a_node_tells_what_waits_there_of_a_device_that_it_knows_and_of_one_that_it_does_not() {
    let mut world = World::new(1, Care::Whole);
    let newcomer = secret(55);
    let unseen = EntryId([8; 32]);
    let waits = |key: &SecretKey, seq, header: Header| {
        let act = Act::Attest(Attest { contribution: unseen });
        let entry = sign(key, &Header { seq, prev: unseen, ..header }, &act).unwrap();
        (entry, seq)
    };
    let known = waits(&world.key, 3, header(world.cooperative, &world.key, 3, unseen));
    let header = header(world.cooperative, &newcomer, 1, unseen);
    let unknown = waits(&newcomer, 1, Header { basis: unseen, ..header });
    for (entry, seq) in [known, unknown] {
        assert!(matches!(world.net.submit(0, &entry), Reply::Waiting(_)));
        let host = &world.net.nodes[0];
        let (device, node) = (entry.header().device.to_string(), host.key.node());
        let told = forks::told(&host.replica, &device, &node).unwrap();
        let head: Head = serde_json::from_value(told).unwrap();
        assert_eq!((head.length, head.waiting.len()), (0, 1));
        assert_eq!(head.waiting[0], Waiting { seq, id: entry.id() });
        let others = world.roster.nodes.iter().filter(|it| **it != node);
        let heads: Vec<Head> = others.map(|it| Head::nothing(*it)).chain([head]).collect();
        let refused = heads::check(&[], Past::Unknown, &world.roster, &heads);
        assert_eq!(refused, Err(Unsafe::Waiting { seq, node }));
    }
}
