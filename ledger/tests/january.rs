//! The worked quarter's January, entries 1 to 53: signed by its members' keys, folded in any
//! order, and compared with the expected figures to the cent.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use talea_ledger::account::{Account, Unit};
use talea_ledger::state::State;
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{
    Act, Attest, Choice, Close, Contribution, Decide, Effect, Expense, Income, Invoice, Job,
    Matter, Method, Outcome, Pay, Propose, Redirect, Stream, Vote,
};
use talea_protocol::bytes::{Bp, Code, Day, Month};
use talea_protocol::charter::{
    Amendment, Change, Charter, College, Formula, Founder, Kind, Member, Rate, Stage, Tier,
};
use talea_protocol::hash::EntryId;

mod world;
use world::{DAY_MS, World, bp, charter, code, consented, day, key, list, quantity, shuffled};

/// The last entry of January's story.
const LAST: u64 = 53;
const ALBA: u32 = 0;
const BRUNO: u32 = 1;
const CHLOE: u32 = 2;
/// In the file's order: workers, beneficiaries, others.
const COLLEGES: [&str; 3] = ["production", "usagers", "soutien"];

struct January {
    quarter: Value,
    names: Vec<String>,
    world: World,
    ids: BTreeMap<u64, EntryId>,
    proposal: EntryId,
    run: EntryId,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn u16_of(value: &Value) -> u16 {
    u16::try_from(number(value)).unwrap()
}

fn u32_of(value: &Value) -> u32 {
    u32::try_from(number(value)).unwrap()
}

fn share(value: &Value) -> Bp {
    bp(u16_of(value))
}

/// Days since 1970 of `2026-01-31`.
fn date(text: &str) -> Day {
    let [year, month, of_month] =
        text.split('-').map(|part| part.parse::<i32>().unwrap()).collect::<Vec<_>>()[..]
    else {
        panic!("{text}")
    };
    let leap = |year: i32| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let years: i32 = (1970..year).map(|year| 365 + i32::from(leap(year))).sum();
    let february = 28 + i32::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: i32 = months.iter().take(usize::try_from(month - 1).unwrap()).sum();
    day(years + months + of_month - 1)
}

/// A month of `2026-01`.
fn period(text: &str) -> Month {
    let (year, month) = text.split_once('-').unwrap();
    world::month(year.parse().unwrap(), month.parse().unwrap())
}

fn place<T>(keys: impl IntoIterator<Item = T>, name: &str) -> u8
where
    T: AsRef<str>,
{
    u8::try_from(keys.into_iter().position(|key| key.as_ref() == name).unwrap()).unwrap()
}

fn codes(value: &Value) -> Vec<(Code, &Value)> {
    value.as_object().unwrap().iter().map(|(name, value)| (code(name), value)).collect()
}

fn quarter() -> Value {
    serde_json::from_str(include_str!("../../tests/data/passerelles-q1.json")).unwrap()
}

fn charter_of(quarter: &Value) -> Charter {
    let given = &quarter["charter_genesis"];
    let base = charter();
    let stages: Vec<String> = given["vesting_bp"].as_object().unwrap().keys().cloned().collect();
    let college = |(college, name): (&College, &str)| College {
        code: code(name),
        weight: share(&given["colleges"][name]),
        category: college.category,
    };
    let stage = |(code, of): (Code, &Value)| Stage {
        code,
        livelihood: share(&of["livelihood"]),
        love: share(&of["love"]),
        care: share(&of["care"]),
        binding_vote: of["binding_vote"].as_bool().unwrap(),
    };
    let word = |(task, credits): (Code, &Value)| Rate {
        task,
        unit: code("word"),
        credits: u32_of(credits),
    };
    let care = Rate { task: code("care"), unit: code("minute"), credits: 0 };
    let tier = |(code, price): (Code, &Value)| Tier { code, price: u32_of(price) };
    let founder = |(n, member): (usize, &Value)| Founder {
        college: place(COLLEGES, text(&member["college"])),
        stage: place(&stages, text(&member["stage"])),
        kind: if member["kind"] == "person" { Kind::Person } else { Kind::Organisation },
        device: key(n).device(),
        ..base.founders[0].clone()
    };
    let formula = &given["formula"];
    Charter {
        colleges: list(base.colleges.iter().zip(COLLEGES).map(college)),
        stages: list(codes(&given["vesting_bp"]).into_iter().map(stage)),
        founders: list(quarter["members"].as_object().unwrap().values().enumerate().map(founder)),
        quorum: share(&given["quorum_bp"]),
        rates: list(codes(&given["rates_centi_per_word"]).into_iter().map(word).chain([care])),
        internal_price: u32_of(&given["internal_price_cents_per_word"]),
        tiers: list(codes(&given["price_tiers_cents_per_word"]).into_iter().map(tier)),
        formula: Formula {
            retain: share(&formula["retain_bp"]),
            care: share(&formula["care_bp"]),
            livelihood: share(&formula["livelihood_bp"]),
            ..base.formula
        },
        ..base
    }
}

impl January {
    fn new() -> Self {
        let quarter = quarter();
        let names: Vec<String> = quarter["members"].as_object().unwrap().keys().cloned().collect();
        let world = World::of(consented(charter_of(&quarter)));
        let ids = BTreeMap::from([(1, world.register.cooperative())]);
        let (proposal, run) = (EntryId::ZERO, EntryId::ZERO);
        let mut january = Self { quarter: quarter.clone(), names, world, ids, proposal, run };
        let steps = quarter["entries"].as_array().unwrap();
        for step in steps.iter().filter(|step| (2..=LAST).contains(&number(&step["n"]))) {
            january.take(step);
        }
        january
    }

    fn member(&self, name: &Value) -> u32 {
        u32::from(place(&self.names, text(name)))
    }

    fn take(&mut self, step: &Value) {
        let (n, author) = (number(&step["n"]), self.member(&step["author"]));
        let when = date(text(&step["date"]));
        self.world.time = u64::try_from(when.value()).unwrap() * DAY_MS + DAY_MS / 2 + n;
        let act = self.act(step, n, when);
        let id = self.world.good(author, act);
        match text(&step["type"]) {
            "proposal" => self.proposal = id,
            "distribution" => self.run = id,
            _ => {}
        }
        self.ids.insert(n, id);
    }

    fn act(&self, step: &Value, n: u64, date: Day) -> Act {
        let body = &step["body"];
        let world = &self.world;
        let amount = || quantity(body["amount"].as_i64().unwrap());
        match text(&step["type"]) {
            "share.subscribe" => {
                let (member, amount) = (self.member(&body["member"]), amount().value());
                Act::Subscribe(world.subscribe(member, amount, &format!("s{n}")))
            }
            "proposal" => self.proposal(body),
            "vote" => {
                let choice = match text(&body["choice"]) {
                    "yes" => Choice::Yes,
                    "no" => Choice::No,
                    _ => Choice::Abstain,
                };
                Act::Vote(Vote { proposal: self.proposal, choice })
            }
            "decision" => {
                let cut = world.cut();
                let (tally, outcome) =
                    world.state.count(&world.register, &self.proposal, &cut).unwrap();
                Act::Decide(Decide { proposal: self.proposal, cut, tally, outcome })
            }
            "contribution" => self.contribution(body, date),
            "attest" => Act::Attest(Attest { contribution: self.ids[&number(&body["target"])] }),
            "expense" => Act::Expense(Expense {
                account: code(text(&body["account"])),
                payee: code(text(&body["payee"])),
                amount: amount(),
                date,
                decision: None,
            }),
            "invoice" => {
                let (job, client) = (code(text(&body["job"])), code(text(&body["client"])));
                let words = self.quarter["jobs"][job.as_str()]["words"].as_i64().unwrap();
                let (tier, quantity) = (self.tier(&job), quantity(words));
                Act::Invoice(Invoice { job, client, tier, quantity, amount: amount(), date })
            }
            "income" => {
                let (job, client) = (code(text(&body["job"])), code(text(&body["client"])));
                Act::Income(Income { job, client, amount: amount(), date, aid: false })
            }
            "distribution" => {
                let (month, cut) = (period(text(&body["period"])), world.cut());
                let basis = world.register.head().0;
                let run = world.state.distribute(&world.register, basis, month, &cut);
                Act::Distribute(Box::new(run.unwrap()))
            }
            "period.close" => {
                Act::Close(Close { period: period(text(&body["period"])), cut: world.cut() })
            }
            "redirect" => {
                let to = Member(self.member(&body["to"]));
                Act::Redirect(Redirect { run: self.run, to, amount: amount() })
            }
            "payment" => Act::Pay(Pay { run: self.run, cut: world.cut(), date }),
            other => panic!("{other}"),
        }
    }

    fn proposal(&self, body: &Value) -> Act {
        let effect = &body["effect"];
        let care = Amendment::Care(share(&effect["set"]["formula.care_bp"]));
        let from = period(text(&effect["effective_period"]));
        let last = u64::try_from(date(text(&body["closes"])).value()).unwrap();
        Act::Propose(Propose {
            matter: Matter::Charter,
            method: Method::CollegeWeighted,
            statutory: body["statutory"].as_bool().unwrap(),
            closes: (last + 1) * DAY_MS,
            effect: Effect::Amend(Change { amendments: list([care]), from }),
        })
    }

    fn contribution(&self, body: &Value, date: Day) -> Act {
        let stream = match text(&body["stream"]) {
            "livelihood" => Stream::Livelihood,
            "love" => Stream::Love,
            _ => Stream::Care,
        };
        let job = body["job"].as_str().map(code);
        let mut tags: Vec<Code> = body["tags"]
            .as_array()
            .map(|tags| tags.iter().map(|tag| code(text(tag))).collect())
            .unwrap_or_default();
        tags.sort();
        Act::Contribution(Contribution {
            stream,
            task: code(text(&body["task"])),
            quantity: quantity(body["quantity"].as_i64().unwrap()),
            begin: date,
            end: date,
            job: job.map(|code| Job { tier: self.tier(&code), code }),
            tags: list(tags),
        })
    }

    fn tier(&self, job: &Code) -> u8 {
        let tier = text(&self.quarter["jobs"][job.as_str()]["tier"]);
        let tiers = &self.world.register.charter().tiers;
        place(tiers.iter().map(|tier| tier.code.as_str()), tier)
    }

    fn expected_of(&self, sums: &Value) -> Vec<u64> {
        self.names.iter().map(|name| sums[name].as_u64().unwrap_or(0)).collect()
    }

    fn check_figures(&self, state: &State) {
        self.check_decision(state);
        self.check_run(state);
        self.check_books(state);
    }

    fn check_decision(&self, state: &State) {
        let expected = &self.quarter["expected"]["decisions"]["P1"];
        let proposal = state.votes().proposal(&self.proposal).unwrap();
        let decision = proposal.decision.as_ref().unwrap();
        let tally = &decision.tally;
        assert_eq!(tally.yes, number(&expected["yes_ubp"]));
        assert_eq!(tally.no, number(&expected["no_ubp"]));
        assert_eq!(tally.participation, number(&expected["participation_ubp"]));
        assert_eq!(decision.outcome, Outcome::Adopted);
        let voters = proposal.voters(&self.world.register, &decision.cut);
        let advisory: Vec<_> = voters.iter().filter(|voter| !voter.binding).collect();
        assert_eq!(advisory.len(), 1);
        assert_eq!(self.names[world::index(advisory[0].member.0)], "dario");
        assert_eq!(advisory[0].choice, Some(Choice::Yes));
    }

    fn check_run(&self, state: &State) {
        let expected = &self.quarter["expected"]["runs"]["2026-01"];
        let run = state.runs().record(&self.run).unwrap();
        let sum = |name: &str| expected[name].as_i64().unwrap();
        let totals = &run.totals;
        assert_eq!((totals.receipts, totals.surplus), (sum("R"), sum("S")));
        assert_eq!((totals.expenses, totals.retained), (sum("X"), sum("retained")));
        assert_eq!((totals.care_pool, totals.carried), (sum("care_pool"), sum("carried")));
        assert_eq!(totals.livelihood_pool, sum("livelihood_pool"));
        assert_eq!((totals.love_pool, totals.paid), (sum("love_pool"), sum("D")));
        let of = |what: &str| self.expected_of(&expected[what]);
        let lines = of("livelihood").into_iter().zip(of("love")).zip(of("care")).zip(of("total"));
        for (member, (((livelihood, love), care), total)) in (0..).map(Member).zip(lines) {
            let line = run.lines.iter().find(|line| line.member == member);
            let given = line.map_or((0, 0, 0, 0), |l| (l.livelihood, l.love, l.care, l.total()));
            assert_eq!(
                given,
                (livelihood, love, care, total),
                "{}",
                self.names[world::index(member.0)]
            );
        }
        assert_eq!(run.lines.len(), 4);
        let paid = &run.payment.as_ref().unwrap().paid;
        let expected = self.expected_of(&self.quarter["expected"]["payments"]["2026-01"]);
        let paid: Vec<u64> = (0..8)
            .map(|member| u64::try_from(paid.get(&Member(member)).copied().unwrap_or(0)).unwrap())
            .collect();
        assert_eq!(paid, expected);
    }

    fn check_books(&self, state: &State) {
        let books = state.books();
        for unit in Unit::ALL {
            assert_eq!(books.sum(unit), 0, "{unit:?}");
        }
        let expected = &self.quarter["expected"]["runs"]["2026-01"];
        for (name, member) in self.names.iter().zip((0..).map(Member)) {
            let left = |what: &str| i128::from(expected[what][name].as_i64().unwrap_or(0));
            let claim = |unit| -books.net(&Account::Claim(member), unit);
            assert_eq!(claim(Unit::Livelihood), left("liv_after"), "{name}");
            assert_eq!(claim(Unit::Love), left("lov_after"), "{name}");
            assert_eq!(claim(Unit::Care), 0, "{name}");
            assert_eq!(books.net(&Account::Payable(member), Unit::Money), 0, "{name}");
            let shares = i128::from(self.quarter["members"][name]["shares"].as_i64().unwrap());
            assert_eq!(books.net(&Account::Shares(member), Unit::Money), -shares, "{name}");
        }
        // 106,000 of shares, 224,000 received, 4,500 spent, 175,600 paid out.
        assert_eq!(books.net(&Account::Bank, Unit::Money), 149_900);
        assert_eq!(books.net(&Account::Sales, Unit::Money), -224_000);
        assert_eq!(books.net(&Account::Pay, Unit::Money), 175_600);
        assert_eq!(books.net(&Account::Receivable(code("grillon")), Unit::Money), 0);
    }
}

thread_local! {
    static JANUARY: January = January::new();
}

#[test]
fn january_comes_out_to_the_cent() {
    JANUARY.with(|january| {
        january.check_figures(&january.world.state);
        let total: usize = january.world.chains.iter().map(Vec::len).sum();
        assert_eq!(u64::try_from(total).unwrap(), LAST);
        let roles = january.world.register.charter().roles;
        assert_eq!(
            [roles.treasurer.0, roles.registrar.0, roles.distributor.0],
            [ALBA, BRUNO, CHLOE]
        );
    });
}

#[test]
fn everything_of_january_counts() {
    JANUARY.with(|january| {
        let verdicts = january.world.verdicts(&january.world.state);
        assert!(verdicts.iter().all(|verdict| *verdict == Some(Verdict::Counted)));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Chains come in their own order; between them there is none.
    #[test]
    fn january_is_the_same_in_any_order(choices in prop::collection::vec(any::<u32>(), 53)) {
        JANUARY.with(|january| {
            let order = shuffled(&january.world.written, &choices);
            let mut state = january.world.fold(&order);
            january.check_figures(&state);
            assert_eq!(january.world.verdicts(&state), january.world.verdicts(&january.world.state));
            assert_eq!(state.root(), january.world.state.clone().root());
        });
    }

    /// What has settled so far means the same everywhere, however it came and however often the
    /// root was asked for on the way.
    #[test]
    fn any_part_of_january_is_the_same_in_any_order(
        length in 0..53_usize,
        one in prop::collection::vec(any::<u32>(), 53),
        other in prop::collection::vec(any::<u32>(), 53),
    ) {
        JANUARY.with(|january| {
            let world = &january.world;
            let order = &shuffled(&world.written, &one)[..length];
            let part = shuffled(order, &other);
            let (mut one, mut other) = (world.fold(order), State::new());
            for device in &part {
                world.settle(&mut other, *device);
                other.root();
            }
            assert_eq!(world.verdicts(&one), world.verdicts(&other));
            assert_eq!(one.root(), other.root());
            assert_eq!(one.cut(&world.register), other.cut(&world.register));
        });
    }
}
