//! What members state, sensible or not, in one cooperative: the ledger folds it, in any order, to
//! the same, and every view of it can be shown.
//!
//! The story drafts acts that fit (decisions, runs, payments as a wallet drafts them) and acts
//! that do not, with the largest amounts among them. Signatures are left out, for speed: the
//! entries are taken as from a node's own disk.

use std::sync::LazyLock;

use talea_ledger::view::{accounts, contributions, decisions, members, runs};
use talea_protocol::act::{
    Act, Admit, Attest, Choice, Content, Contribution, Effect, Expense, Income, Invoice, Job,
    Matter, Method, Propose, Redirect, Request, Stream, Subscribe, Vote, enrolment, subscription,
};
use talea_protocol::bytes::{Bp, Code, Day, List, Month, Quantity, encode};
use talea_protocol::charter::{Amendment, Change, Kind, Member, Rate, Tier, Visibility};
use talea_protocol::entry::{Entry, Header, Signed, unsigned};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, SecretKey, Signature};
use talea_tools::book::Book;
use talea_tools::scenario::{Scenario, Script as Quarter};
use talea_tools::{draft, preview};

use super::files::SCENARIO;
use super::script::{Script, bytes, number};
use super::seed;
use crate::people::{START_MS, charter, node_key, secret};

/// Acts of one story.
const ACTS_MAX: usize = 80;
/// How long until the next act, in ms: at once, an hour, a day, a month.
const STEPS_MS: [u64; 4] = [0, 3_600_000, 86_400_000, 31 * 86_400_000];

/// Charters, and how many founders they have: a plain one, and the one of the worked quarter.
static FOUNDED: LazyLock<[(Signed, u64); 2]> = LazyLock::new(|| [plain(), quarter()]);

fn plain() -> (Signed, u64) {
    let keys: Vec<SecretKey> = (0..3).map(secret).collect();
    let charter = charter(&keys.iter().collect::<Vec<_>>(), &[node_key(0).node()], 0, 1);
    (founding(&keys[0], Act::Charter(Box::new(charter))), 3)
}

fn quarter() -> (Signed, u64) {
    let scenario = Scenario::parse(SCENARIO).expect("the worked quarter");
    let names: Vec<&str> = scenario.handles().collect();
    let keys = names.iter().zip(0..).map(|(name, n)| ((*name).to_owned(), secret(n)));
    let roster = charter(&[&secret(0)], &[node_key(0).node()], 0, 1).roster;
    let script = Quarter::new(&scenario, keys.collect());
    let planned = script.charter(roster, Visibility::Private).expect("the quarter's charter");
    let author = script.key(&planned.author).expect("a founder");
    (founding(author, planned.act), u64::try_from(names.len()).expect("few"))
}

fn founding(key: &SecretKey, act: Act) -> Signed {
    let header = Header::founding(key.device(), START_MS);
    kept(&header, &act).expect("a charter")
}

fn kept(header: &Header, act: &Act) -> Option<Signed> {
    let bytes = [unsigned(header, act), vec![0; 64]].concat();
    Entry::parse(bytes).ok().map(Signed::kept)
}

/// A cooperative under way.
struct Story {
    book: Book,
    keys: Vec<SecretKey>,
    entries: Vec<Signed>,
    contributions: Vec<EntryId>,
    proposals: Vec<EntryId>,
    runs: Vec<EntryId>,
    time: u64,
}

/// A cooperative's statements.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn acts(input: &[u8]) {
    let mut script = Script::new(input);
    let (charter, founders) = script.one_of(&*FOUNDED);
    let mut story = Story {
        book: Book::found(charter.clone()).expect("it founds"),
        keys: (0..*founders).map(secret).collect(),
        entries: Vec::new(),
        contributions: Vec::new(),
        proposals: Vec::new(),
        runs: Vec::new(),
        time: START_MS,
    };
    for _ in 0..ACTS_MAX {
        if script.is_over() {
            break;
        }
        story.happen(&mut script);
    }
    story.show();
    story.fold_again(charter);
}

impl Story {
    fn happen(&mut self, script: &mut Script<'_>) {
        let author = script.index(self.keys.len());
        self.time += *script.one_of(&STEPS_MS);
        let Some(mut act) = self.act(script) else { return };
        let manner = script.byte();
        if manner >= 250 {
            act = changed(script, act);
        }
        let Some(mut header) = self.book.header(&self.keys[author].device(), self.time) else {
            return;
        };
        if manner == 249 {
            header.basis = self.book.register().cooperative();
        }
        let Some(entry) = kept(&header, &act) else { return };
        let judged = self.book.judge(&entry);
        if self.book.add(entry.clone()).is_err() {
            return;
        }
        let id = entry.id();
        assert_eq!(judged.ok(), self.book.verdict(&id), "judged otherwise than settled: {act:?}");
        match act {
            Act::Contribution(_) => self.contributions.push(id),
            Act::Propose(_) => self.proposals.push(id),
            Act::Distribute(_) => self.runs.push(id),
            _ => {}
        }
        self.entries.push(entry);
    }

    fn act(&mut self, script: &mut Script<'_>) -> Option<Act> {
        Some(match script.byte() % 17 {
            0 => match Content::parse(script.bytes()) {
                Ok(Content::Known(act)) => act,
                _ => return None,
            },
            1 | 2 => Act::Contribution(contribution(script)),
            3 => Act::Attest(Attest { contribution: *one_of(script, &self.contributions)? }),
            4 => Act::Propose(self.proposal(script)),
            5 => {
                let choice = *script.one_of(&[Choice::Yes, Choice::No, Choice::Abstain]);
                Act::Vote(Vote { proposal: *one_of(script, &self.proposals)?, choice })
            }
            6 => Act::Decide(draft::decide(&self.book, *one_of(script, &self.proposals)?).ok()?),
            7 => Act::Subscribe(self.subscription(script)),
            8 => Act::Invoice(Invoice {
                job: job(script),
                client: code("client"),
                tier: script.byte() % 4,
                quantity: quantity(script),
                amount: quantity(script),
                date: day(script),
            }),
            9 => Act::Income(Income {
                job: job(script),
                client: code("client"),
                amount: quantity(script),
                date: day(script),
                aid: script.byte() % 2 == 1,
            }),
            10 => {
                let account = word(script, &["606300", "613200", "rent", "64"]);
                let (amount, date) = (quantity(script), day(script));
                Act::Expense(Expense {
                    account,
                    payee: code("payee"),
                    amount,
                    date,
                    decision: None,
                })
            }
            11 => {
                let (run, to) =
                    (*one_of(script, &self.runs)?, Member(u32::from(script.byte() % 9)));
                Act::Redirect(Redirect { run, to, amount: quantity(script) })
            }
            12 => Act::Distribute(Box::new(draft::distribute(&self.book, month(script)).ok()?)),
            13 => Act::Pay(draft::pay(&self.book, *one_of(script, &self.runs)?, day(script))),
            14 => Act::Close(draft::close(&self.book, month(script))),
            15 => Act::Mark(draft::mark(&self.book)),
            _ => Act::Admit(self.admission(script)),
        })
    }

    fn proposal(&self, script: &mut Script<'_>) -> Propose {
        let amendments = (0..script.byte() % 3).map(|_| amendment(script)).collect();
        let change =
            Change { amendments: List::new(amendments).expect("two"), from: month(script) };
        Propose {
            matter: *script.one_of(&[Matter::Ordinary, Matter::Charter, Matter::Allocation]),
            method: *script.one_of(&[Method::CollegeWeighted, Method::Headcount]),
            statutory: script.byte() % 2 == 1,
            closes: self.time.saturating_add(script.number().saturating_mul(60_000)),
            effect: if script.byte().is_multiple_of(2) {
                Effect::Amend(change)
            } else {
                Effect::Policy
            },
        }
    }

    fn subscription(&self, script: &mut Script<'_>) -> Subscribe {
        let member = script.index(self.keys.len());
        let key = &self.keys[member];
        let mut subscribe = Subscribe {
            member: Member(u32::try_from(member).expect("few")),
            amount: quantity(script),
            date: day(script),
            reference: word(script, &["one", "two", "three"]),
            device: key.device(),
            signature: Signature([0; 64]),
        };
        let signed = subscription(&self.book.register().cooperative(), &subscribe);
        subscribe.signature = key.sign(Purpose::Subscription, &signed);
        subscribe
    }

    fn admission(&mut self, script: &mut Script<'_>) -> Admit {
        let key = secret(100 + u64::from(script.byte() % 4));
        let request = Request { device: key.device(), kind: Kind::Person };
        let signed = enrolment(&self.book.register().cooperative(), &request);
        let proof = key.sign(Purpose::Enrolment, &signed);
        if self.keys.iter().all(|known| known.device() != key.device()) {
            self.keys.push(key);
        }
        let (college, stage) = (script.byte() % 3, script.byte() % 3);
        Admit { request, proof, college, stage, sponsors: List::default() }
    }

    /// Every view, and what must be so in each.
    fn show(&self) {
        let (register, state) = (self.book.register(), self.book.state());
        let balance = accounts::accounts(register.charter(), state.books());
        for sum in &balance.sums {
            assert_eq!(sum.debit, sum.credit, "an unbalanced {:?}", sum.unit);
        }
        let run_rows = runs::runs(state);
        let shown = [
            serde_json::to_value(&balance),
            serde_json::to_value(accounts::claims(register, state.books())),
            serde_json::to_value(contributions::contributions(state)),
            serde_json::to_value(decisions::decisions(register, state)),
            serde_json::to_value(runs::flows(&run_rows)),
            serde_json::to_value(run_rows),
            serde_json::to_value(members::members(register, state)),
        ];
        assert!(shown.iter().all(Result::is_ok), "a view without a JSON form");
        for member in 0..register.members().len() {
            let member = Member(u32::try_from(member).expect("few"));
            let statement = members::statement(register, state, member).expect("a member");
            serde_json::to_value(statement).expect("a JSON form");
        }
        for entry in self.book.entries() {
            if let Content::Known(act) = entry.content() {
                assert!(!preview::line(act, Some(&self.book)).is_empty());
            }
        }
    }

    /// The same entries, the chains one after another from the last: the same state.
    fn fold_again(mut self, charter: &Signed) {
        let mut other = Book::found(charter.clone()).expect("it founds");
        let mut left: Vec<&Signed> = self.entries.iter().rev().collect();
        let mut before = usize::MAX;
        while left.len() < before {
            before = left.len();
            left.retain(|entry| other.add((*entry).clone()).is_err());
        }
        assert!(left.is_empty(), "{} entries have no place in another order", left.len());
        for entry in &self.entries {
            let id = entry.id();
            assert_eq!(self.book.verdict(&id), other.verdict(&id), "another verdict on {id}");
        }
        assert_eq!(self.book.state_mut().root(), other.state_mut().root(), "another state");
    }
}

/// A bit of the act's bytes is another, if that is an act.
fn changed(script: &mut Script<'_>, act: Act) -> Act {
    let mut bytes = encode(&act);
    let at = usize::try_from(script.number() % u64::try_from(bytes.len()).expect("short"));
    bytes[at.expect("short")] ^= 1 << (script.byte() % 8);
    match Content::parse(&bytes) {
        Ok(Content::Known(changed)) => changed,
        _ => act,
    }
}

fn one_of<'a, T>(script: &mut Script<'_>, items: &'a [T]) -> Option<&'a T> {
    (!items.is_empty()).then(|| script.one_of(items))
}

fn contribution(script: &mut Script<'_>) -> Contribution {
    let stream = *script.one_of(&[Stream::Livelihood, Stream::Love, Stream::Care]);
    let task = word(script, &["bake", "care", "translate", "edit", "none"]);
    let job = (script.byte() % 3 == 2).then(|| Job { code: job(script), tier: script.byte() % 4 });
    let (quantity, begin) = (quantity(script), day(script));
    let tags = List::default();
    Contribution { stream, task, quantity, begin, end: begin, job, tags }
}

fn amendment(script: &mut Script<'_>) -> Amendment {
    let number = script.number();
    let share = Bp::new(u16::try_from(number % 10_001).expect("a share")).expect("a share");
    let (small, wide) = (script.byte(), u32::try_from(number).unwrap_or(u32::MAX));
    match script.byte() % 10 {
        0 => Amendment::Retain(share),
        1 => Amendment::Care(share),
        2 => Amendment::Livelihood(share),
        3 => Amendment::Quorum(share),
        4 => Amendment::Attestations(small),
        5 => Amendment::InternalPrice(wide),
        6 => Amendment::Rate(Rate { task: code("bake"), unit: code("loaf"), credits: wide }),
        7 => Amendment::Tier(Tier { code: code("basic"), price: wide }),
        8 => Amendment::Sponsors(small),
        _ => Amendment::LoveMinimum(wide),
    }
}

fn quantity(script: &mut Script<'_>) -> Quantity {
    let number = i64::try_from(script.number().max(1)).unwrap_or(i64::MAX);
    Quantity::new(number).expect("above zero")
}

fn day(script: &mut Script<'_>) -> Day {
    let first = 20_454;
    Day::new(first + i32::from(script.byte())).expect("in 2026")
}

fn month(script: &mut Script<'_>) -> Month {
    Month::new(24_312 + u32::from(script.byte() % 9)).expect("in 2026")
}

fn job(script: &mut Script<'_>) -> Code {
    word(script, &["job-1", "job-2"])
}

fn word(script: &mut Script<'_>, words: &[&str]) -> Code {
    code(words[script.index(words.len())])
}

fn code(text: &str) -> Code {
    Code::try_from(text).expect("a code")
}

/// A month of work, money and decisions, in either cooperative; and every act of the vectors.
#[must_use]
pub fn stories() -> Vec<Vec<u8>> {
    let given = |author: u8, stream: u8| vec![author, 0, 1, stream, 0, 0, 60, 5, 0];
    let attest = |author: u8, which: u8| vec![author, 0, 3, which, 0];
    let money = [
        vec![0, 0, 9, 0, 200, 9, 0],
        vec![0, 0, 10, 0, 90, 9, 0],
        vec![0, 0, 8, 0, 0, 9, 120, 9, 0],
        vec![0, 0, 7, 1, 50, 9, 0, 0],
    ];
    let question = [
        vec![1, 0, 4, 1, 5, 1, 0, 1, 0, 1, 0, 5, 0, 0],
        vec![1, 0, 5, 0, 0, 0],
        vec![2, 0, 5, 0, 0, 0],
        vec![0, 2, 6, 0, 0],
    ];
    let end = [
        vec![0, 3, 12, 0, 0],
        vec![1, 0, 11, 0, 2, 9, 0],
        vec![0, 0, 13, 0, 40, 0],
        vec![0, 0, 14, 0, 0],
    ];
    let work = [given(0, 0), given(1, 1), given(2, 2), attest(1, 0), attest(2, 1), attest(0, 2)];
    let month = [work.concat(), money.concat(), question.concat(), end.concat()].concat();
    let most = number(u64::MAX >> 1);
    let large = [
        [vec![0, 0, 9, 0], most.clone(), vec![9, 0]].concat(),
        [vec![0, 0, 10, 0], most, vec![9, 0]].concat(),
    ];
    let raw: Vec<Vec<u8>> = seed::acts()
        .iter()
        .zip(0_u8..)
        .filter_map(|(act, n)| Some([vec![n % 8, 1, 0], bytes(act)?, vec![0]].concat()))
        .collect();
    let in_each = |story: &[u8]| (0..2).map(|which| [&[which], story].concat()).collect::<Vec<_>>();
    let twice = [month.clone(), vec![0, 0, 16, 1, 0, 0, 0], month.clone()].concat();
    let much = [large.concat(), large.concat(), month.clone()].concat();
    [in_each(&month), in_each(&twice), in_each(&much), in_each(&raw.concat())].concat()
}
