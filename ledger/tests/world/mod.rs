//! A cooperative to test rules with: its members' keys, its register, and the fold of everything
//! signed so far. Keys are made from the members' numbers.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]
#![expect(dead_code, reason = "each test binary uses a part of it")]

use talea_ledger::place::{Place, Places, office};
use talea_ledger::register::Register;
use talea_ledger::state::State;
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Approval, Request, Subscribe, enrolment, subscription};
use talea_protocol::bytes::{Bp, Code, Day, List, Month, Quantity, Text};
use talea_protocol::charter::{
    Category, Charter, College, Formula, Founder, Kind, Member, Profile, Rate, Reserves, Roles,
    Roster, Stage, Thresholds, Tie, Tier, Visibility,
};
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::{Commitment, Header, SCHEME, Signed, VERSION, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, SecretKey, Signature};
use talea_protocol::leaf::accept;
use talea_protocol::treasury::Treasury;
use talea_protocol::tree::leaf_hash;

pub mod acts;
pub mod coffers;
pub mod founded;
pub mod pair;
pub mod read;
pub mod runs;

pub const DAY_MS: u64 = 86_400_000;
/// Founders of [`charter`]: three workers who may vote, one who may not yet, two beneficiaries,
/// two others, the last a machine.
pub const FOUNDERS: usize = 8;
/// 2026-01-05, in days since 1970.
pub const TODAY: i32 = 20_458;

/// One order of settlement of some chains' beginnings: device numbers, each as often as its chain
/// is long.
pub type Order = Vec<u32>;

#[derive(Clone)]
pub struct World {
    pub keys: Vec<std::rc::Rc<SecretKey>>,
    pub register: Register,
    pub state: State,
    /// Every entry, by device.
    pub chains: Vec<Vec<Signed>>,
    /// Entries in the order in which they were written.
    pub written: Order,
    /// The authors' clock, in ms since 1970 UTC.
    pub time: u64,
}

pub fn code(text: &str) -> Code {
    Code::try_from(text).unwrap()
}

pub fn bp(value: u16) -> Bp {
    Bp::new(value).unwrap()
}

pub fn quantity(value: i64) -> Quantity {
    Quantity::new(value).unwrap()
}

pub fn day(value: i32) -> Day {
    Day::new(value).unwrap()
}

pub fn month(year: u32, month: u32) -> Month {
    Month::new(year * 12 + month - 1).unwrap()
}

pub fn list<T, const MAX: usize>(items: impl IntoIterator<Item = T>) -> List<T, MAX> {
    List::new(items.into_iter().collect()).unwrap()
}

/// The key of a device, by its number.
pub fn key(number: usize) -> SecretKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&u64::try_from(number).unwrap().to_le_bytes());
    SecretKey::from_seed(&seed)
}

/// A charter of `fr-scic` with room for everything; tests change what they are about.
pub fn charter() -> Charter {
    let college =
        |name, weight, category| College { code: code(name), weight: bp(weight), category };
    let stage = |name, livelihood, binding_vote| Stage {
        code: code(name),
        livelihood: bp(livelihood),
        love: bp(10_000),
        care: bp(10_000),
        binding_vote,
    };
    let rate = |task, unit, credits| Rate { task: code(task), unit: code(unit), credits };
    let founder = |(number, college, stage, kind): (usize, u8, u8, Kind)| Founder {
        college,
        stage,
        kind,
        device: key(number).device(),
        proof: Signature([0; 64]),
    };
    let [person, machine] = [Kind::Person, Kind::Machine];
    let founders = [(0, 0, person), (0, 0, person), (0, 0, person), (0, 1, person)]
        .into_iter()
        .chain([(1, 0, person), (1, 0, Kind::Organisation), (2, 0, person), (2, 0, machine)]);
    Charter {
        rules: 2,
        name: Text::try_from("Le Fournil".to_owned()).unwrap(),
        profile: Profile::FrScic,
        visibility: Visibility::Private,
        currency: code("EUR"),
        exponent: 2,
        colleges: list([
            college("production", 5000, Category::Workers),
            college("usagers", 3000, Category::Beneficiaries),
            college("soutien", 2000, Category::Others),
        ]),
        stages: list([stage("committed", 10_000, true), stage("dating", 5000, false)]),
        founders: list(
            founders
                .enumerate()
                .map(|(n, (college, stage, kind))| founder((n, college, stage, kind))),
        ),
        roles: Roles { registrar: Member(1), treasurer: Member(0), distributor: Member(2) },
        roster: Roster { nodes: list([key(1000).node()]), faulty: 0, quorum: 1 },
        quorum: bp(5000),
        thresholds: Thresholds { ordinary: bp(5000), charter: bp(6667), allocation: bp(5000) },
        rates: list([rate("bake", "loaf", 8), rate("care", "minute", 0)]),
        internal_price: 12,
        tiers: list([
            Tier { code: code("low"), price: 10 },
            Tier { code: code("basic"), price: 12 },
            Tier { code: code("high"), price: 16 },
        ]),
        formula: Formula {
            retain: bp(2000),
            care: bp(1000),
            livelihood: bp(7500),
            tie: Tie::ByAdmission,
        },
        attestations: 1,
        contribution_max: quantity(100_000),
        love_minimum: 0,
        reserves: Reserves { legal: bp(1500), statutory: bp(5000) },
        sponsors: 2,
        recovery: 0,
        council: talea_protocol::council::Council::default(),
        treasury: Treasury::default(),
    }
}

/// The charter with every founder's proof under it.
pub fn consented(mut charter: Charter) -> Charter {
    let hash = charter.founding_hash().0;
    let prove = |(number, founder): (usize, &Founder)| Founder {
        proof: key(number).sign(Purpose::Enrolment, &hash),
        ..founder.clone()
    };
    charter.founders = list(charter.founders.iter().enumerate().map(prove));
    charter
}

/// The charter as an entry of founder 0.
pub fn founding(charter: Charter, time: u64) -> Signed {
    let author = key(0);
    let header = Header::founding(author.device(), time);
    sign(&author, &header, &Act::Charter(Box::new(charter))).unwrap()
}

impl World {
    pub fn new() -> Self {
        Self::of(consented(charter()))
    }

    pub fn of(charter: Charter) -> Self {
        let time = u64::try_from(TODAY).unwrap() * DAY_MS;
        let founders = charter.founders.len();
        let entry = founding(charter, time);
        let register = Register::found(&entry).unwrap();
        let keys = (0..founders).map(|number| std::rc::Rc::new(key(number))).collect();
        let chains = vec![Vec::new(); founders];
        let state = State::new();
        let mut world = Self { keys, register, state, chains, written: Vec::new(), time };
        world.place(0, entry);
        world
    }

    /// Signs an act as the device's next, under the register's head.
    pub fn sign(&self, device: u32, act: Act) -> Signed {
        self.sign_under(self.register.head().1, device, act)
    }

    pub fn sign_under(&self, basis: EntryId, device: u32, act: Act) -> Signed {
        self.sign_with(basis, device, act, None)
    }

    /// Signs an act with a reason, and settles it.
    pub fn reasoned(&mut self, device: u32, act: Act) -> Verdict {
        let payload = Commitment::new(&[9; 32], b"{}").unwrap();
        let entry = self.sign_with(self.register.head().1, device, act, Some(payload));
        let id = entry.id();
        self.place(device, entry);
        self.verdict(&id)
    }

    pub fn sign_with(
        &self,
        basis: EntryId,
        device: u32,
        act: Act,
        payload: Option<Commitment>,
    ) -> Signed {
        let chain = &self.chains[index(device)];
        let author = &self.keys[index(device)];
        let header = Header {
            version: VERSION,
            scheme: SCHEME,
            cooperative: self.register.cooperative(),
            device: author.device(),
            seq: u64::try_from(chain.len()).unwrap(),
            prev: chain.last().map_or(EntryId::ZERO, |entry| entry.id()),
            basis,
            time: self.time,
            payload,
        };
        sign(author, &header, &act).unwrap()
    }

    /// Signs, places and settles an act; returns its id.
    pub fn put(&mut self, device: u32, act: Act) -> EntryId {
        let entry = self.sign(device, act);
        let id = entry.id();
        self.place(device, entry);
        id
    }

    /// Places and settles an entry. The register numbers it if it is for the register.
    pub fn place(&mut self, device: u32, entry: Signed) {
        let _ = self.register.append(&entry);
        self.state.settle(&self.register, device, &entry);
        self.chains[index(device)].push(entry);
        self.written.push(device);
    }

    pub fn verdict(&self, id: &EntryId) -> Verdict {
        self.state.verdict(id).unwrap()
    }

    pub fn counts(&self, id: &EntryId) {
        assert_eq!(self.verdict(id), Verdict::Counted);
    }

    /// Puts an act that must be void, and says by which rule. A dry run must say the same.
    pub fn void(&mut self, device: u32, act: Act) -> u16 {
        let entry = self.sign(device, act);
        let dry = self.state.judge(&self.register, device, &entry);
        let id = entry.id();
        self.place(device, entry);
        let verdict = self.verdict(&id);
        assert_eq!(dry, verdict, "a dry run says what settling does");
        match verdict {
            Verdict::Void(void) => void.rule(),
            other => panic!("not void: {other:?}"),
        }
    }

    /// Puts an act that must count.
    pub fn good(&mut self, device: u32, act: Act) -> EntryId {
        let entry = self.sign(device, act);
        assert_eq!(self.state.judge(&self.register, device, &entry), Verdict::Counted);
        let id = entry.id();
        self.place(device, entry);
        self.counts(&id);
        id
    }

    /// The rule by which an entry has no place where all that was written has one; 0 if it has.
    pub fn refused(&self, entry: &Signed) -> u16 {
        let mut places = Places::default();
        for (device, chain) in (0..).zip(&self.chains) {
            for entry in chain {
                let basis = self.register.number(&entry.header().basis).unwrap_or(0);
                let (id, hash) = (entry.id(), leaf_hash(&accept(entry)));
                let place = Place { id, hash, leaf: 0 };
                places.give(device, basis, office(entry.content()), place);
            }
        }
        places.ask(&self.register, entry).err().map_or(0, |refusal| refusal.rule())
    }

    /// The cut of everything so far.
    pub fn cut(&self) -> Cut {
        self.state.cut(&self.register)
    }

    /// A cut of these lengths that fits, under the register's head.
    pub fn cut_of(&self, lengths: &[u32]) -> Cut {
        let mut root = CutRoot::new();
        for (device, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let last = self.chains[device][index(*length) - 1].id();
            root.add(&self.keys[device].device(), *length, &last);
        }
        let lengths = list(lengths.iter().copied());
        Cut { at: self.register.head().1, lengths, root: root.finish() }
    }

    /// A key for another device; its number is the next that will be enrolled.
    pub fn add_key(&mut self) -> usize {
        let number = self.keys.len();
        self.keys.push(std::rc::Rc::new(key(number)));
        self.chains.push(Vec::new());
        number
    }

    pub fn request(&self, key: usize, kind: Kind) -> (Request, Signature) {
        let request = Request { device: self.keys[key].device(), kind };
        let bytes = enrolment(&self.register.cooperative(), &request);
        let proof = self.keys[key].sign(Purpose::Enrolment, &bytes);
        (request, proof)
    }

    pub fn approval(&self, by: usize, request: &Request) -> Approval {
        let bytes = enrolment(&self.register.cooperative(), request);
        let signature = self.keys[by].sign(Purpose::Approval, &bytes);
        Approval { device: self.keys[by].device(), signature }
    }

    pub fn subscribe(&self, member: u32, amount: i64, reference: &str) -> Subscribe {
        let device = &self.keys[index(member)];
        let mut act = Subscribe {
            member: Member(member),
            amount: quantity(amount),
            date: day(TODAY),
            reference: code(reference),
            device: device.device(),
            signature: Signature([0; 64]),
        };
        let bytes = subscription(&self.register.cooperative(), &act);
        act.signature = device.sign(Purpose::Subscription, &bytes);
        act
    }

    /// Folds everything written in another order. The register is the whole one.
    pub fn fold(&self, order: &[u32]) -> State {
        let mut state = State::new();
        order.iter().for_each(|device| self.settle(&mut state, *device));
        state
    }

    /// Settles the next entry of a device's chain.
    pub fn settle(&self, state: &mut State, device: u32) {
        let entry = &self.chains[index(device)][index(state.length(device))];
        state.settle(&self.register, device, entry);
    }

    /// What a state says of every entry that was written.
    pub fn verdicts(&self, state: &State) -> Vec<Option<Verdict>> {
        self.chains.iter().flatten().map(|entry| state.verdict(&entry.id())).collect()
    }

    /// Entries of which two states say different things, with what they say.
    pub fn differences(&self, one: &State, other: &State) -> Vec<String> {
        let all = self.chains.iter().flatten();
        all.filter(|entry| one.verdict(&entry.id()) != other.verdict(&entry.id()))
            .map(|entry| {
                let (one, other) = (one.verdict(&entry.id()), other.verdict(&entry.id()));
                format!("{:?} {:?}: {one:?}, or {other:?}", entry.id(), entry.content())
            })
            .collect()
    }
}

/// An order with the same chains as `written`, by repeated choice among those not exhausted.
pub fn shuffled(written: &[u32], choices: &[u32]) -> Order {
    let mut left: Vec<u32> = written.to_vec();
    left.sort_unstable();
    let mut order = Vec::with_capacity(left.len());
    for choice in choices.iter().cycle() {
        if left.is_empty() {
            break;
        }
        // Several entries of one chain in a row are as likely as one of each.
        let at = index(*choice) % left.len();
        let run = index(*choice / 7) % 3 + 1;
        let device = left[at];
        for _ in 0..run {
            if let Some(at) = left.iter().position(|other| *other == device) {
                order.push(left.remove(at));
            }
        }
    }
    order
}

pub fn index(number: u32) -> usize {
    usize::try_from(number).unwrap()
}
