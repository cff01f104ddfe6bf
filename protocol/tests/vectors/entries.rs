//! Entries of one small cooperative: every act, every variant of every enum, every option both ways.
//!
//! Chains, bases, cuts, proofs and approvals are genuine. Whether the ledger would count what the
//! entries say is not this file's business.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use talea_protocol::act::*;
use talea_protocol::bytes::{Bp, Code, Day, List, Month, Quantity, Text, encode, hex};
use talea_protocol::charter::*;
use talea_protocol::council::Council;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::*;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{NodeKey, Purpose, Signature};
use talea_protocol::treasury::*;

use crate::{bytes, council, kept, recovery, secret, treasurer};

/// 2026-01-02, in ms.
pub const START_MS: u64 = 1_767_312_000_000;

pub fn code(text: &str) -> Code {
    Code::try_from(text).unwrap()
}

pub fn list<T, const MAX: usize>(items: Vec<T>) -> List<T, MAX> {
    List::new(items).unwrap()
}

pub fn bp(value: u16) -> Bp {
    Bp::new(value).unwrap()
}

pub fn amount(value: i64) -> Quantity {
    Quantity::new(value).unwrap()
}

pub fn day(value: i32) -> Day {
    Day::new(value).unwrap()
}

/// 2026-01.
pub fn january() -> Month {
    Month::new(24_312).unwrap()
}

/// The roster: the nodes of seeds 17, 18 and 19.
pub fn nodes() -> Vec<NodeKey> {
    let mut nodes: Vec<NodeKey> = (17..20).map(|n| secret(n).node()).collect();
    nodes.sort_unstable();
    nodes
}

/// Founders with the devices of these seeds, each with a proof, in this charter.
fn founded(mut charter: Charter, founders: &[(u8, Kind)]) -> Charter {
    let bare = |(n, kind): &(u8, Kind)| Founder {
        college: n % 2,
        stage: 0,
        kind: *kind,
        device: secret(*n).device(),
        proof: Signature([0; 64]),
    };
    charter.founders = list(founders.iter().map(bare).collect());
    let hash = charter.founding_hash();
    let proven = founders.iter().map(|founder| Founder {
        proof: secret(founder.0).sign(Purpose::Enrolment, &hash.0),
        ..bare(founder)
    });
    charter.founders = list(proven.collect());
    charter
}

fn college(name: &str, weight: u16, category: Category) -> College {
    College { code: code(name), weight: bp(weight), category }
}

fn stage(name: &str, vests: u16, binding_vote: bool) -> Stage {
    let vests = bp(vests);
    Stage { code: code(name), livelihood: vests, love: vests, care: vests, binding_vote }
}

pub fn charter() -> Charter {
    let charter = Charter {
        rules: 2,
        name: Text::try_from("Les Passerelles\nà Lyon".to_owned()).unwrap(),
        profile: Profile::FrScic,
        visibility: Visibility::Public,
        currency: code("EUR"),
        exponent: 2,
        colleges: list(vec![
            college("workers", 5_000, Category::Workers),
            college("clients", 3_000, Category::Beneficiaries),
            college("friends", 2_000, Category::Others),
        ]),
        stages: list(vec![stage("full", 10_000, true), stage("trial", 5_000, false)]),
        founders: List::default(),
        roles: Roles { registrar: Member(0), treasurer: Member(1), distributor: Member(2) },
        roster: Roster { nodes: list(nodes()), faulty: 0, quorum: 2 },
        quorum: bp(5_000),
        thresholds: Thresholds { ordinary: bp(5_000), charter: bp(6_667), allocation: bp(5_001) },
        rates: list(vec![Rate { task: code("translation"), unit: code("word"), credits: 8 }]),
        internal_price: 10,
        tiers: list(vec![Tier { code: code("solidarity"), price: 7 }]),
        formula: Formula {
            retain: bp(1_500),
            care: bp(1_000),
            livelihood: bp(7_500),
            tie: Tie::ByHash,
        },
        attestations: 1,
        contribution_max: amount(100_000),
        love_minimum: 1_200,
        reserves: Reserves { legal: bp(1_500), statutory: bp(5_000) },
        sponsors: 2,
        recovery: 0,
        council: council::parameters(),
        treasury: treasury(),
    };
    founded(charter, &[(1, Kind::Person), (2, Kind::Organisation), (3, Kind::Person)])
}

/// Each limit, and what they limit.
fn treasury() -> Treasury {
    let unit = |name, limit| InternalUnit { code: code(name), exponent: 2, limit };
    let fund = |name, issues| Fund { code: code(name), unit: code("hour"), issues };
    Treasury {
        units: list(vec![unit("hour", Some(amount(2_000))), unit("meal", None)]),
        funds: list(vec![fund("common", None), fund("mint", Some(amount(100_000)))]),
        overdraft: Some(amount(50_000)),
        expense_limit: Some(amount(100_000)),
        capital_floor: Some(amount(100)),
        capital_share: bp(2_500),
        legal_ceiling: Some(amount(1_000_000)),
        interest_cap: bp(300),
        pay_spread: Some(700),
    }
}

/// The other variants, and lists without items.
fn smallest_charter() -> Charter {
    let alone = Charter {
        name: Text::try_from(String::new()).unwrap(),
        profile: Profile::None,
        visibility: Visibility::Private,
        roles: Roles { registrar: Member(0), treasurer: Member(0), distributor: Member(0) },
        roster: Roster { nodes: list(vec![secret(17).node()]), faulty: 0, quorum: 1 },
        rates: List::default(),
        tiers: List::default(),
        formula: Formula { tie: Tie::ByAdmission, ..charter().formula },
        council: Council::default(),
        treasury: Treasury::default(),
        ..charter()
    };
    founded(alone, &[(1, Kind::Machine)])
}

/// An entry with its name among the vectors and the seed of its device.
pub struct Sample {
    pub name: &'static str,
    pub seed: u8,
    pub entry: Signed,
}

/// A cooperative as it is written, one entry a second.
pub struct World {
    pub cooperative: EntryId,
    pub basis: EntryId,
    /// Next place and last id of each device's chain, by the device's seed.
    chains: BTreeMap<u8, (u32, EntryId)>,
    /// Seeds of the devices in the order of enrolment.
    pub devices: Vec<u8>,
    samples: Vec<Sample>,
}

impl World {
    fn found(name: &'static str, charter: Charter, devices: &[u8]) -> Self {
        let mut world = Self {
            cooperative: EntryId::ZERO,
            basis: EntryId::ZERO,
            chains: BTreeMap::new(),
            devices: devices.to_vec(),
            samples: Vec::new(),
        };
        world.cooperative = world.write(name, 1, None, Act::Charter(Box::new(charter)));
        world
    }

    pub fn write(
        &mut self,
        name: &'static str,
        seed: u8,
        payload: Option<&[u8]>,
        act: Act,
    ) -> EntryId {
        let key = secret(seed);
        let (seq, prev) = self.chains.get(&seed).copied().unwrap_or((0, EntryId::ZERO));
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: self.cooperative,
            device: key.device(),
            seq: u64::from(seq),
            prev,
            basis: self.basis,
            time: START_MS + 1_000 * u64::try_from(self.samples.len()).unwrap(),
            payload: payload.map(|payload| Commitment::new(&[0x5a; 32], payload).unwrap()),
        };
        let entry = sign(&key, &header, &act).unwrap();
        let id = entry.id();
        self.chains.insert(seed, (seq + 1, id));
        if act.is_register() {
            self.basis = id;
        }
        self.samples.push(Sample { name, seed, entry });
        id
    }

    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Signed {
        self.samples.iter().find(|sample| sample.name == name).unwrap().entry.clone()
    }

    /// What the entry of this name says.
    pub fn act(&self, name: &str) -> Act {
        match self.entry(name).content() {
            Content::Known(act) => act.clone(),
            Content::Unknown(_) => unreachable!("every act of a sample is known"),
        }
    }

    /// The last entry of a device's chain.
    pub fn last(&self, seed: u8) -> EntryId {
        self.chains[&seed].1
    }

    /// All that is written.
    pub fn cut(&self) -> Cut {
        let (mut lengths, mut root) = (Vec::new(), CutRoot::new());
        for seed in &self.devices {
            let (length, last) = self.chains.get(seed).copied().unwrap_or((0, EntryId::ZERO));
            lengths.push(length);
            if length > 0 {
                root.add(&secret(*seed).device(), length, &last);
            }
        }
        while lengths.last() == Some(&0) {
            lengths.pop();
        }
        Cut { at: self.basis, lengths: list(lengths), root: root.finish() }
    }

    pub fn request(&self, seed: u8, kind: Kind) -> (Request, Signature) {
        let request = Request { device: secret(seed).device(), kind };
        let proof = secret(seed).sign(Purpose::Enrolment, &enrolment(&self.cooperative, &request));
        (request, proof)
    }

    pub fn approval(&self, seed: u8, request: &Request) -> Approval {
        word(seed, Purpose::Approval, &enrolment(&self.cooperative, request))
    }
}

/// A device's word.
pub fn word(seed: u8, purpose: Purpose, bytes: &[u8]) -> Approval {
    Approval { device: secret(seed).device(), signature: secret(seed).sign(purpose, bytes) }
}

fn members(world: &mut World) {
    let (request, proof) = world.request(4, Kind::Person);
    let mut sponsors = vec![world.approval(1, &request), world.approval(2, &request)];
    sponsors.sort_unstable_by_key(|sponsor| sponsor.device);
    let admit = Admit { request, proof, college: 2, stage: 1, sponsors: list(sponsors) };
    world.write("admit", 1, Some(br#"{"handle":"dora","name":"Dora"}"#), Act::Admit(admit));
    let (request, proof) = world.request(5, Kind::Machine);
    let admit = Admit { request, proof, college: 0, stage: 1, sponsors: List::default() };
    world.write("admit a machine, no sponsors", 1, None, Act::Admit(admit));
    let (request, proof) = world.request(6, Kind::Person);
    let words = list(vec![world.approval(4, &request)]);
    world.write("enrol", 1, None, Act::Enrol(Enrol { member: Member(3), request, proof, words }));
    world.devices.extend([4, 5, 6]);
    let empty = Cut { lengths: List::default(), root: CutRoot::new().finish(), ..world.cut() };
    world.write("mark, an empty cut", 1, None, Act::Mark(Mark { cut: empty }));
}

fn work(world: &mut World) {
    let mut give = |name, seed, stream, task, job, tags: &[&str]| {
        let contribution = Contribution {
            stream,
            task: code(task),
            quantity: amount(1_200),
            begin: day(20_457),
            end: day(20_458),
            job,
            tags: list(tags.iter().map(|tag| code(tag)).collect()),
        };
        world.write(
            name,
            seed,
            Some(br#"{"note":"r\u00e9union"}"#),
            Act::Contribution(contribution),
        )
    };
    let job = Job { code: code("J-1"), tier: 0 };
    let tags = ["sdg:4", "sdg:5"];
    let given = give(
        "contribution, livelihood, with a job",
        4,
        Stream::Livelihood,
        "translation",
        Some(job),
        &tags,
    );
    give("contribution, love", 4, Stream::Love, "garden", None, &[]);
    give("contribution, care", 3, Stream::Care, "listening", None, &[]);
    world.write("attest", 2, None, Act::Attest(Attest { contribution: given }));
}

/// Every amendment.
fn change() -> Change {
    let thresholds = Thresholds { ordinary: bp(5_001), charter: bp(7_500), allocation: bp(6_000) };
    let set = vec![
        Amendment::Retain(bp(0)),
        Amendment::Care(bp(10_000)),
        Amendment::Livelihood(bp(1)),
        Amendment::Quorum(bp(2_500)),
        Amendment::Thresholds(thresholds),
        Amendment::Attestations(2),
        Amendment::InternalPrice(11),
        Amendment::Rate(Rate { task: code("garden"), unit: code("hour"), credits: 1_500 }),
        Amendment::Tier(Tier { code: code("full"), price: 14 }),
        Amendment::Sponsors(3),
        Amendment::LoveMinimum(600),
        Amendment::Quorums(council::parameters().quorums),
        Amendment::Proxies(0),
        Amendment::Circle(council::parameters().circles[0].clone()),
        Amendment::CareMinimum(60),
    ];
    Change { amendments: list(set), from: january() }
}

fn votes(world: &mut World) {
    let mut propose = |name, matter, method, statutory, effect| {
        let act = Propose { matter, method, statutory, closes: START_MS + 60_000, effect };
        world.write(name, 3, None, Act::Propose(act))
    };
    let ordinary = propose(
        "propose, ordinary, headcount, policy",
        Matter::Ordinary,
        Method::Headcount,
        false,
        Effect::Policy,
    );
    let amend = Effect::Amend(change());
    let proposal = propose(
        "propose, charter, by colleges, every amendment",
        Matter::Charter,
        Method::CollegeWeighted,
        true,
        amend,
    );
    propose(
        "propose, allocation",
        Matter::Allocation,
        Method::CollegeWeighted,
        true,
        Effect::Policy,
    );
    for (name, seed, choice) in [
        ("vote, yes", 1, Choice::Yes),
        ("vote, no", 2, Choice::No),
        ("vote, abstain", 3, Choice::Abstain),
    ] {
        world.write(name, seed, None, Act::Vote(Vote { proposal, choice }));
    }
    let mut decide =
        |name, proposal, colleges: Vec<Ballots>, [yes, no, participation]: [u64; 3], outcome| {
            let colleges = list(colleges);
            let tally = Tally { colleges, yes, no, participation, ..Tally::default() };
            let cut = world.cut();
            world.write(name, 1, None, Act::Decide(Decide { proposal, cut, tally, outcome }));
        };
    let college = |yes, no, abstain| Ballots { eligible: 1, yes, no, abstain };
    let tenth = 1_000_000_000;
    decide(
        "decide, adopted",
        proposal,
        vec![college(1, 0, 0), college(0, 1, 0), college(0, 0, 0)],
        [5 * tenth, 3 * tenth, 8 * tenth],
        Outcome::Adopted,
    );
    decide(
        "decide, rejected, by headcount",
        ordinary,
        vec![Ballots { eligible: 3, yes: 1, no: 1, abstain: 1 }],
        [5 * tenth, 5 * tenth, 10 * tenth],
        Outcome::Rejected,
    );
    decide("decide, no quorum", ordinary, vec![Ballots::default()], [0, 0, 0], Outcome::NoQuorum);
}

fn money(world: &mut World) {
    let date = day(20_459);
    let (job, client) = (code("J-1"), code("mairie"));
    let mut subscribe = Subscribe {
        member: Member(3),
        amount: amount(5_000),
        date,
        reference: code("2026/1"),
        device: secret(4).device(),
        signature: Signature([0; 64]),
    };
    subscribe.signature =
        secret(4).sign(Purpose::Subscription, &subscription(&world.cooperative, &subscribe));
    world.write("subscribe", 2, None, Act::Subscribe(subscribe));
    let invoice = Invoice {
        job: job.clone(),
        client: client.clone(),
        tier: 0,
        quantity: amount(1_200),
        amount: amount(8_400),
        date,
    };
    world.write("invoice", 2, None, Act::Invoice(invoice));
    world.write(
        "income",
        2,
        None,
        Act::Income(Income { job, client, amount: amount(8_400), date, aid: true }),
    );
    let (account, payee, decision) = (code("606300"), code("papier"), Some(world.basis));
    let expense = Expense { account, payee, amount: amount(i64::MAX), date, decision };
    world.write("expense, the largest amount", 2, None, Act::Expense(expense));
    let cut = world.cut();
    world.write("close", 2, None, Act::Close(Close { period: january(), cut: cut.clone() }));
    let totals = Totals {
        receipts: 8_400,
        surplus: 0,
        expenses: -1,
        retained: 1_260,
        care_pool: 714,
        livelihood_pool: 4_819,
        love_pool: 1_607,
        paid: 4_819,
        carried: 2_321,
    };
    let lines = vec![
        Line { member: Member(2), livelihood: 0, love: 0, care: 0 },
        Line { member: Member(3), livelihood: 4_819, love: 0, care: u64::MAX },
    ];
    let act = Distribute { period: january(), cut, totals, lines: list(lines) };
    let run = world.write("distribute", 3, None, Act::Distribute(Box::new(act)));
    let redirect = Redirect { run, to: Member(0), amount: amount(1) };
    world.write("redirect", 6, None, Act::Redirect(redirect));
    let cut = world.cut();
    world.write("pay", 2, None, Act::Pay(Pay { run, cut, date: day(-719_162) }));
    let cut = world.cut();
    world.write("mark", 1, None, Act::Mark(Mark { cut }));
}

/// Every entry among the vectors whose act is known.
pub fn samples() -> Vec<Sample> {
    let mut world = World::found("charter", charter(), &[1, 2, 3]);
    members(&mut world);
    work(&mut world);
    votes(&mut world);
    money(&mut world);
    recovery::write(&mut world);
    council::write(&mut world);
    treasurer::write(&mut world);
    world.samples.extend(World::found("charter, the smallest", smallest_charter(), &[1]).samples);
    world.samples
}

/// An entry with an act of a later version.
pub fn unknown() -> Sample {
    let Sample { entry, seed, .. } = samples().pop().unwrap();
    let header = Header { cooperative: EntryId([0x11; 32]), ..*entry.header() };
    let mut bytes =
        [encode(&header), TAGS.to_le_bytes().to_vec(), b"what is to come".to_vec()].concat();
    bytes.extend(secret(seed).sign(Purpose::Entry, &statement(&bytes).unwrap()).0);
    let entry = check(vec![Entry::parse(bytes).unwrap()]).pop().unwrap().unwrap();
    Sample { name: "of a later version", seed, entry }
}

pub fn vectors() -> Vec<Value> {
    samples().iter().chain([&unknown()]).map(vector).collect()
}

fn vector(Sample { name, seed, entry }: &Sample) -> Value {
    let act = match entry.content() {
        Content::Known(act) => serde_json::to_value(act).unwrap(),
        Content::Unknown(tag) => json!({ "tag": tag }),
    };
    json!({
        "name": name,
        "seed": hex(&secret(*seed).seed()),
        "header": entry.header(),
        "act": act,
        "bytes": hex(entry.bytes()),
        "id": entry.id(),
    })
}

#[test]
fn every_kept_entry_is_genuine_and_has_its_id_and_one_encoding() {
    for vector in kept::vectors("entries") {
        let bytes = bytes(&vector, "bytes");
        let entry = Entry::parse(bytes.clone()).unwrap();
        assert_eq!(vector["id"], json!(entry.id()), "{}", vector["name"]);
        let signature = bytes[bytes.len() - 64..].to_vec();
        if let Content::Known(act) = entry.content() {
            assert_eq!([unsigned(entry.header(), act), signature].concat(), bytes);
        }
        assert!(check(vec![entry]).iter().all(Result::is_ok), "{}", vector["name"]);
    }
}

#[test]
fn every_act_has_a_kept_entry() {
    let tag = |vector| match Entry::parse(bytes(vector, "bytes")).unwrap().content() {
        Content::Known(act) => u32::from_le_bytes(*encode(act).first_chunk().unwrap()),
        Content::Unknown(tag) => *tag,
    };
    let tags: Vec<u32> = kept::vectors("entries").iter().map(tag).collect();
    assert!((0..=TAGS).all(|tag| tags.contains(&tag)));
}

/// What founders and cuts are named by, for the vectors of hashes.
pub fn founding() -> (EntryId, Hash) {
    (samples()[0].entry.id(), charter().founding_hash())
}
