//! Verdicts and state are functions of the set of settled entries: whatever a cooperative writes,
//! sensible or not, folds to the same in every order in which its chains can come.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use proptest::prelude::*;
use talea_ledger::state::State;
use talea_ledger::verdict::{Verdict, Void};
use talea_protocol::act::{
    Act, Admit, Attest, Choice, Close, Contribution, Decide, Effect, Enrol, Expense, Income,
    Invoice, Job, Mark, Matter, Method, Outcome, Pay, Propose, Redirect, Stream, Vote,
};
use talea_protocol::bytes::List;
use talea_protocol::charter::{Amendment, Change, Kind, Member, Rate, Thresholds};
use talea_protocol::cut::Cut;
use talea_protocol::entry::Commitment;
use talea_protocol::hash::{EntryId, Hash};

#[path = "../world/mod.rs"]
mod world;
mod council;
use world::read::unlike;
use world::{TODAY, World, bp, code, consented, day, index, list, month, quantity, shuffled};

const HOUR_MS: u64 = 3_600_000;
/// Kinds of steps.
const KINDS: u8 = 38;

/// One thing that somebody writes: what, who, and a number to draw details from.
type Step = (u8, u32, u64);

/// Support that amendments need; what else needs does not matter here.
fn thresholds(charter: u16) -> Thresholds {
    Thresholds { ordinary: bp(5000), charter: bp(charter), allocation: bp(5000) }
}

/// Draws details from a number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.roll(u64::try_from(from.len()).unwrap());
        from[usize::try_from(at).unwrap()].clone()
    }

    fn amount(&mut self, most: u64) -> i64 {
        i64::try_from(self.roll(most) + 1).unwrap()
    }
}

struct Writer {
    world: World,
    contributions: Vec<EntryId>,
    disputes: Vec<EntryId>,
    plans: Vec<EntryId>,
    proposals: Vec<EntryId>,
    runs: Vec<EntryId>,
}

impl Writer {
    fn new() -> Self {
        let mut charter = world::charter();
        charter.quorum = bp(0);
        charter.thresholds = thresholds(1000);
        council::council(&mut charter);
        let world = World::of(consented(charter));
        Self {
            world,
            contributions: Vec::new(),
            disputes: Vec::new(),
            plans: Vec::new(),
            proposals: Vec::new(),
            runs: Vec::new(),
        }
    }

    fn write(&mut self, (kind, device, number): Step) {
        let dice = &mut Dice(number);
        self.world.time += HOUR_MS;
        if kind % KINDS == 11 && dice.roll(3) > 0 {
            return self.carry(dice);
        }
        let devices = u64::try_from(self.world.chains.len()).unwrap();
        let anybody = device % u32::try_from(devices).unwrap();
        let (treasurer, registrar, distributor) = match dice.roll(20) {
            0 => (anybody, 1, anybody),
            _ => (0, 1, 2),
        };
        let (device, act) = match kind % KINDS {
            0..=4 => (anybody, self.contribution(dice)),
            5..=10 => (anybody, self.attest(dice)),
            11 => (anybody, self.propose(dice)),
            12..=14 => (anybody, self.vote(dice)),
            15 => (registrar, self.decide(dice)),
            16 => (registrar, self.register(dice)),
            17..=19 => (treasurer, self.money(dice)),
            20 => (distributor, self.distribute(dice)),
            21 => (anybody % 8, self.redirect(dice)),
            22 => (treasurer, self.pay(dice)),
            23 => (treasurer, self.close(dice)),
            24..=26 => (anybody, self.contest(dice)),
            27 | 28 => (self.author(anybody, dice), self.correct(dice)),
            29 | 30 => (anybody, self.motion(dice)),
            31 => (anybody, self.rank(dice)),
            32 => (anybody, self.delegate(dice)),
            33 => (registrar, self.advance(dice)),
            34 | 35 => (anybody, self.event(dice)),
            _ => (anybody, self.plan(anybody, dice)),
        };
        let basis = self.basis(device, &act, dice);
        let payload = (dice.roll(2) == 0).then(|| Commitment::new(&[9; 32], b"{}").unwrap());
        let entry = self.world.sign_with(basis, device, act.clone(), payload);
        let id = entry.id();
        self.world.place(device, entry);
        match act {
            Act::Contribution(_) | Act::Deliver(_) => self.contributions.push(id),
            Act::Intent(_) | Act::Agreement(_) | Act::Commit(_) => self.plans.push(id),
            Act::Propose(_) | Act::Motion(_) => self.proposals.push(id),
            Act::Dispute(_) => self.disputes.push(id),
            Act::Distribute(_) => self.runs.push(id),
            _ => {}
        }
    }

    /// Mostly who wrote the newest contribution.
    fn author(&self, anybody: u32, dice: &mut Dice) -> u32 {
        let place = self.contributions.last().and_then(|id| self.world.state.chains().place(id));
        place.filter(|_| dice.roll(4) > 0).map_or(anybody, |place| place.device)
    }

    /// A proposal that most vote for, and its decision.
    fn carry(&mut self, dice: &mut Dice) {
        let act = if dice.roll(2) == 0 { self.propose(dice) } else { self.motion(dice) };
        let proposal = self.world.put(0, act);
        self.proposals.push(proposal);
        for voter in 0..3 {
            self.world.put(voter, Act::Vote(Vote { proposal, choice: Choice::Yes }));
        }
        self.world.time += 3 * HOUR_MS;
        let cut = self.world.cut();
        if let Some((tally, outcome)) =
            self.world.state.count(&self.world.register, &proposal, &cut)
        {
            self.world.put(1, Act::Decide(Decide { proposal, cut, tally, outcome }));
        }
    }

    /// Mostly the head; sometimes an older register entry, but none older than the chain's last.
    fn basis(&self, device: u32, act: &Act, dice: &mut Dice) -> EntryId {
        let (head, id) = self.world.register.head();
        if act.is_register() || act.cut().is_some() || dice.roll(2) == 0 {
            return id;
        }
        let last = self.world.chains[index(device)].last();
        let enrolled = self.world.register.record(device).unwrap().enrolled;
        let number = |id: &EntryId| self.world.register.number(id).unwrap_or(0);
        let low = last.map_or(0, |entry| number(&entry.header().basis)).max(enrolled);
        let back = u32::try_from(dice.roll(u64::from(head - low + 1))).unwrap();
        self.world.register.entry(head - back).unwrap()
    }

    fn named(&self, of: &[EntryId], dice: &mut Dice) -> EntryId {
        let all = || self.world.chains.iter().flatten().map(|entry| entry.id()).collect::<Vec<_>>();
        match dice.roll(20) {
            0 => EntryId([9; 32]),
            1 => dice.pick(&all()),
            _ if of.is_empty() => dice.pick(&all()),
            _ => dice.pick(&of[of.len().saturating_sub(3)..]),
        }
    }

    fn cut(&self, dice: &mut Dice) -> Cut {
        let mut lengths: Vec<u32> =
            self.world.chains.iter().map(|chain| u32::try_from(chain.len()).unwrap()).collect();
        if dice.roll(3) == 0 {
            for length in &mut lengths {
                *length -= u32::try_from(dice.roll(u64::from(*length).min(3) + 1)).unwrap();
            }
        }
        let enrolled = self.world.register.devices().len();
        lengths.truncate(enrolled);
        let mut cut = self.world.cut_of(&lengths);
        match dice.roll(30) {
            0 => cut.root = Hash([1; 32]),
            1 => cut.lengths = list(cut.lengths.iter().map(|length| length + 1)),
            _ => {}
        }
        cut
    }

    fn contribution(&self, dice: &mut Dice) -> Act {
        let care = dice.roll(4) == 0;
        let begin = TODAY + i32::try_from(dice.roll(60)).unwrap();
        let job = Job { code: code("J1"), tier: u8::try_from(dice.roll(4)).unwrap() };
        let paid = dice.pick(&[Stream::Livelihood, Stream::Livelihood, Stream::Love]);
        Act::Contribution(Contribution {
            stream: if care { Stream::Care } else { paid },
            task: if care { code("care") } else { dice.pick(&[code("bake"), code("sell")]) },
            quantity: quantity(dice.amount(1000)),
            begin: day(begin),
            end: day(begin + i32::try_from(dice.roll(3)).unwrap() - i32::from(dice.roll(30) == 0)),
            job: (dice.roll(3) == 0).then_some(job),
            tags: list([]),
        })
    }

    fn attest(&self, dice: &mut Dice) -> Act {
        Act::Attest(Attest { contribution: self.named(&self.contributions, dice) })
    }

    fn propose(&self, dice: &mut Dice) -> Act {
        let rate = |task, credits| Rate { task: code(task), unit: code("loaf"), credits };
        let new = rate("bake", u32::try_from(dice.roll(20)).unwrap());
        let thresholds = thresholds(dice.pick(&[0, 7000]));
        let any = [
            Amendment::Rate(new.clone()),
            Amendment::Rate(new.clone()),
            Amendment::Rate(new.clone()),
            Amendment::Rate(new),
            Amendment::Rate(rate("sell", 5)),
            Amendment::Thresholds(thresholds),
            Amendment::Care(bp(500)),
            Amendment::Attestations(u8::try_from(dice.roll(3)).unwrap()),
            Amendment::InternalPrice(u32::try_from(dice.roll(20)).unwrap()),
            Amendment::Sponsors(1),
        ];
        let change = Change {
            amendments: list([dice.pick(&any)]),
            from: dice.pick(&[month(2026, 1), month(2026, 2), month(2026, 3)]),
        };
        Act::Propose(Propose {
            matter: dice.pick(&[Matter::Charter, Matter::Charter, Matter::Ordinary]),
            method: dice.pick(&[Method::CollegeWeighted, Method::Headcount]),
            statutory: false,
            closes: self.world.time + dice.roll(3) * HOUR_MS,
            effect: dice.pick(&[
                Effect::Policy,
                Effect::Amend(change.clone()),
                Effect::Amend(change),
            ]),
        })
    }

    fn vote(&self, dice: &mut Dice) -> Act {
        let choice =
            dice.pick(&[Choice::Yes, Choice::Yes, Choice::No, Choice::Abstain, Choice::Block]);
        Act::Vote(Vote { proposal: self.named(&self.proposals, dice), choice })
    }

    fn decide(&self, dice: &mut Dice) -> Act {
        let (proposal, cut) = (self.named(&self.proposals, dice), self.cut(dice));
        let counted = self.world.state.count(&self.world.register, &proposal, &cut);
        let Some((tally, outcome)) = counted else { return Act::Mark(Mark { cut }) };
        let outcome = if dice.roll(20) == 0 { Outcome::Adopted } else { outcome };
        Act::Decide(Decide { proposal, cut, tally, outcome })
    }

    fn register(&mut self, dice: &mut Dice) -> Act {
        if self.world.keys.len() > 12 || dice.roll(3) == 0 {
            return Act::Mark(Mark { cut: self.cut(dice) });
        }
        let key = self.world.add_key();
        let (request, proof) = self.world.request(key, Kind::Person);
        if dice.roll(2) == 0 {
            let member = u32::try_from(dice.roll(4)).unwrap();
            let approval = self.world.approval(index(member), &request);
            let words = List::new(vec![approval]).unwrap();
            return Act::Enrol(Enrol { member: Member(member), request, proof, words });
        }
        let mut sponsors = [0, 3].map(|by| self.world.approval(by, &request)).to_vec();
        sponsors.sort_by_key(|approval| approval.device);
        Act::Admit(Admit { request, proof, college: 1, stage: 0, sponsors: list(sponsors) })
    }

    fn money(&self, dice: &mut Dice) -> Act {
        let (job, client) = (dice.pick(&[code("J1"), code("J2"), code("J3")]), code("grillon"));
        let date = day(TODAY + i32::try_from(dice.roll(60)).unwrap());
        let (tier, units) = (u8::try_from(dice.roll(3)).unwrap(), dice.amount(500));
        let price = [10, 12, 16][usize::from(tier)];
        match dice.roll(4) {
            0 => Act::Subscribe(self.world.subscribe(
                u32::try_from(dice.roll(8)).unwrap(),
                dice.amount(5000),
                &format!("s{}", dice.roll(4)),
            )),
            1 => {
                let amount = quantity(units * price);
                Act::Invoice(Invoice { job, client, tier, quantity: quantity(units), amount, date })
            }
            2 => Act::Income(Income {
                job,
                client,
                amount: quantity(dice.amount(4000)),
                date,
                aid: false,
            }),
            _ => Act::Expense(Expense {
                account: code("628000"),
                payee: code("hebergeur"),
                amount: quantity(dice.amount(300)),
                date,
                decision: None,
            }),
        }
    }

    fn distribute(&self, dice: &mut Dice) -> Act {
        let period = dice.pick(&[month(2026, 1), month(2026, 2), month(2026, 3)]);
        let cut = self.cut(dice);
        let (register, basis) = (&self.world.register, self.world.register.head().0);
        match self.world.state.distribute(register, basis, period, &cut) {
            Some(mut run) if dice.roll(20) == 0 => {
                run.totals.paid += 1;
                Act::Distribute(Box::new(run))
            }
            Some(run) => Act::Distribute(Box::new(run)),
            None => Act::Attest(Attest { contribution: EntryId([9; 32]) }),
        }
    }

    fn redirect(&self, dice: &mut Dice) -> Act {
        let to = Member(u32::try_from(dice.roll(9)).unwrap());
        let run = self.named(&self.runs, dice);
        Act::Redirect(Redirect { run, to, amount: quantity(dice.amount(50)) })
    }

    fn pay(&self, dice: &mut Dice) -> Act {
        let run = self.named(&self.runs, dice);
        Act::Pay(Pay { run, cut: self.cut(dice), date: day(TODAY) })
    }

    fn close(&self, dice: &mut Dice) -> Act {
        let period = dice.pick(&[month(2026, 1), month(2026, 1), month(2026, 2)]);
        Act::Close(Close { period, cut: self.cut(dice) })
    }
}

fn written(steps: &[Step]) -> World {
    let mut writer = Writer::new();
    steps.iter().for_each(|step| writer.write(*step));
    writer.world
}

/// Everything, or work and the rates that decisions give it, or work and what becomes of it.
fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![Just(0..KINDS), Just(3..12), Just(20..KINDS + 10)].prop_flat_map(move |kinds| {
        prop::collection::vec((kinds, any::<u32>(), any::<u64>()), 1..most)
    })
}

fn choices() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 40..80)
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(cases.unwrap_or(200))
}

proptest! {
    #![proptest_config(cases())]

    /// The whole, in any order: the same verdicts, with the same needs, and the same root.
    #[test]
    fn whatever_is_written_folds_to_the_same_in_any_order(
        steps in steps(160),
        one in choices(),
    ) {
        let world = written(&steps);
        let mut state = world.fold(&shuffled(&world.written, &one));
        prop_assert_eq!(world.differences(&state, &world.state), Vec::<String>::new());
        prop_assert_eq!(state.root(), world.state.clone().root());
    }

    /// Any part that has settled, in any order, with the root asked for at any time; and going on
    /// from there leads to the whole.
    #[test]
    fn any_part_of_it_folds_to_the_same_in_any_order(
        steps in steps(120),
        length in any::<prop::sample::Index>(),
        one in choices(),
        other in choices(),
    ) {
        let world = written(&steps);
        let order = shuffled(&world.written, &one);
        let (part, rest) = order.split_at(length.index(order.len() + 1));
        let mut first = world.fold(part);
        let mut second = State::new();
        for device in shuffled(part, &other) {
            world.settle(&mut second, device);
            second.root();
        }
        prop_assert_eq!(world.differences(&first, &second), Vec::<String>::new());
        prop_assert_eq!(first.root(), second.root());
        prop_assert_eq!(unlike(&world.register, &first, &second), Vec::<String>::new());
        for device in rest {
            world.settle(&mut second, *device);
        }
        prop_assert_eq!(second.root(), world.state.clone().root());
        // What a node serves, whose state went on and on, is what a stranger computes at once.
        prop_assert_eq!(unlike(&world.register, &second, &world.state), Vec::<String>::new());
    }

    /// Once said, a verdict stays, except that what was pending gets one.
    #[test]
    fn a_verdict_never_changes(steps in steps(100), one in choices()) {
        let world = written(&steps);
        let mut state = State::new();
        let mut before = world.verdicts(&state);
        for device in shuffled(&world.written, &one) {
            world.settle(&mut state, device);
            let now = world.verdicts(&state);
            for (before, now) in before.iter().zip(&now) {
                let open = matches!(before, None | Some(Verdict::Pending(_)));
                prop_assert!(open || before == now, "{before:?} became {now:?}");
            }
            before = now;
        }
    }
}

/// Once the second was judged first: the contribution and the second attestation waited for one
/// register entry, the first attestation for the contribution.
#[test]
fn of_two_attestations_by_one_device_the_first_counts_whatever_wakes_first() {
    let mut writer = Writer::new();
    let world = &mut writer.world;
    let charter = world.register.cooperative();
    let mark = Mark { cut: world.cut() };
    world.put(1, Act::Mark(mark));
    let work = world.put(0, Writer::new().contribution(&mut Dice(1)));
    let attest = || Act::Attest(Attest { contribution: work });
    let first = world.sign_under(charter, 3, attest());
    world.place(3, first.clone());
    let second = world.put(3, attest());
    let state = world.fold(&[0, 3, 0, 3, 1]);
    assert_eq!(state.verdict(&first.id()), Some(Verdict::Counted));
    assert_eq!(state.verdict(&second), Some(Verdict::Void(Void::Attested)));
}

/// The generator is worth something only if what it writes meets many rules and often counts.
#[test]
fn the_stories_told_here_break_many_rules_and_keep_more() {
    let mut rules = std::collections::BTreeSet::new();
    let (mut counted, mut pending, mut void) = (0, 0, 0);
    let mut dice = Dice(1);
    for _ in 0..60 {
        let any = |dice: &mut Dice| u32::try_from(dice.roll(u64::from(u32::MAX))).unwrap();
        let step = |dice: &mut Dice| {
            (u8::try_from(dice.roll(256)).unwrap(), any(dice), u64::from(any(dice)))
        };
        let steps: Vec<Step> = (0..150).map(|_| step(&mut dice)).collect();
        let world = written(&steps);
        for verdict in world.verdicts(&world.state) {
            match verdict.unwrap() {
                Verdict::Counted => counted += 1,
                Verdict::Pending(_) => pending += 1,
                Verdict::Void(broken) => {
                    void += 1;
                    rules.insert(broken.rule());
                }
            }
        }
    }
    assert!(counted > 3000 && pending > 100 && void > 300, "{counted} {pending} {void}");
    assert!(rules.len() >= 30, "{rules:?}");
    let new: Vec<_> = rules.range(85..).collect();
    assert!(new.len() >= 8, "{rules:?}");
}

/// Once the first waited for ever: its entry was pending when it came, and nobody woke it.
#[test]
fn an_erasure_counts_whether_its_pending_entry_came_before_it_or_after() {
    let mut world = Writer::new().world;
    let lost = world.put(3, Act::Attest(Attest { contribution: EntryId([9; 32]) }));
    let ground = code("request");
    let erase = world.put(1, Act::Erase(talea_protocol::recovery::Erase { entry: lost, ground }));
    for order in [[0, 1, 3], [0, 3, 1]] {
        let state = world.fold(&order);
        assert_eq!(state.verdict(&erase), Some(Verdict::Counted), "{order:?}");
    }
}
