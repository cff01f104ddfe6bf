//! What members ask each other: every method of voting, delegation, and what decisions order.

use talea_protocol::act::{
    Act, Advance, Choice, Course, Decide, Delegate, Effect, Grounds, Matter, Method, Motion,
    Outcome, Propose, Rank, Scope, Vote,
};
use talea_protocol::bytes::{List, Month, Quantity};
use talea_protocol::charter::{Amendment, Change};
use talea_protocol::hash::EntryId;

use super::super::{bp, code};
use super::{DAY_MS, Mixed, charter::EXPENSE_LIMIT, register::REGISTRAR};

/// Days that members have to vote.
const DAYS: u64 = 6;
/// Options of a proposal that is ranked or scored.
const OPTIONS: u8 = 4;

/// A proposal that is open.
struct Asked {
    id: EntryId,
    /// Number of the register entry that fixes who votes.
    basis: u32,
    closes: u64,
    method: Method,
    effect: Effect,
}

/// What lies on the desk: open proposals, and how many there were.
#[derive(Default)]
pub(super) struct Desk {
    open: Vec<Asked>,
    asked: usize,
}

impl Mixed {
    /// The next of the proposals that a cooperative has, in turn.
    pub(super) fn propose(&mut self) {
        self.council.asked += 1;
        let (ordinary, closes) = (Matter::Ordinary, self.time + DAYS * DAY_MS);
        let plain = Course::default();
        let options =
            (0..OPTIONS).map(|n| code(["north", "east", "south", "west"][usize::from(n)]));
        let listed =
            Course { options: List::new(options.collect()).expect("four"), ..plain.clone() };
        let circle = Course { circle: Some(code("garden")), ..plain.clone() };
        let blockable = Course { fallback: Some(Method::CreditWeighted), ..plain.clone() };
        let amount = Quantity::new(EXPENSE_LIMIT + 10_000).expect("above zero");
        let (matter, method, effect, course) = match self.council.asked % 8 {
            0 => (ordinary, Method::CollegeWeighted, Effect::Policy, plain),
            1 => (ordinary, Method::Ranked, Effect::Policy, listed),
            2 => (ordinary, Method::Consent, Effect::Policy, blockable),
            3 => (ordinary, Method::Headcount, Effect::Spend(amount), circle),
            4 => (ordinary, Method::Score, Effect::Policy, listed),
            5 => (Matter::Charter, Method::CollegeWeighted, self.change(closes), plain),
            6 => (ordinary, Method::Headcount, self.newcomer(), plain),
            _ => match self.dispute_to_resolve() {
                Some(dispute) => (ordinary, Method::Headcount, Effect::Resolve(dispute), plain),
                None => (ordinary, Method::Headcount, Effect::Policy, plain),
            },
        };
        self.ask(Propose { matter, method, statutory: false, closes, effect }, course);
    }

    fn ask(&mut self, proposal: Propose, course: Course) -> EntryId {
        let author = self.anybody();
        let (method, effect, closes) = (proposal.method, proposal.effect.clone(), proposal.closes);
        let act = if course == Course::default() {
            Act::Propose(proposal)
        } else {
            Act::Motion(Box::new(Motion { proposal, course }))
        };
        let id = self.say_why(author, &act);
        let basis = self.people.register.head().0;
        self.council.open.push(Asked { id, basis, closes, method, effect });
        id
    }

    /// The month's part of what comes in that stays, a little more or less.
    fn change(&mut self, closes: u64) -> Effect {
        let share = bp(u16::try_from(self.chance.between(1_500, 2_500)).expect("small"));
        let closing = talea_ledger::terms::month_at(closes).value();
        let from = Month::new(closing + 1).expect("a month");
        let amendments = List::new(vec![Amendment::Retain(share)]).expect("one");
        Effect::Amend(Change { amendments, from })
    }

    /// A member comes to the stage whose vote binds.
    fn newcomer(&mut self) -> Effect {
        let author = self.anybody();
        Effect::Advance(self.member(author), 0)
    }

    /// Some votes on an open proposal: by members who were there when it was asked.
    pub(super) fn vote(&mut self) {
        if self.council.open.is_empty() {
            return self.propose();
        }
        let at = self.chance.index(self.council.open.len());
        self.vote_on(at);
    }

    fn vote_on(&mut self, at: usize) {
        let author = self.anybody();
        let asked = &self.council.open[at];
        let (proposal, method, basis) = (asked.id, asked.method, asked.basis);
        if !self.people.register.is_member(self.member(author), basis) {
            return;
        }
        let roll = self.chance.below(100);
        match method {
            Method::Ranked | Method::Score if roll < 90 => {
                let marks = self.marks(method);
                self.say(author, &Act::Rank(Rank { proposal, marks }));
            }
            Method::Ranked | Method::Score => {
                self.say(author, &Act::Vote(Vote { proposal, choice: Choice::Abstain }));
            }
            Method::Consent if roll == 0 => {
                self.say_why(author, &Act::Vote(Vote { proposal, choice: Choice::Block }));
            }
            _ => {
                let choice = match roll {
                    0..=79 => Choice::Yes,
                    80..=91 => Choice::No,
                    _ => Choice::Abstain,
                };
                self.say(author, &Act::Vote(Vote { proposal, choice }));
            }
        }
    }

    fn marks<const MAX: usize>(&mut self, method: Method) -> List<u8, MAX> {
        let mut marks: Vec<u8> = (0..OPTIONS).collect();
        if method == Method::Ranked {
            self.chance.shuffle(&mut marks);
            marks.truncate(1 + self.chance.index(4));
        } else {
            for mark in &mut marks {
                *mark = u8::try_from(self.chance.below(11)).expect("small");
            }
        }
        List::new(marks).expect("four")
    }

    /// Some let another vote for them, mostly in ordinary matters.
    pub(super) fn delegate(&mut self) {
        let author = self.anybody();
        let other = self.somebody_else(self.member(author));
        let scope = *self.chance.one_of(&[true, true, false]);
        let scope = if scope { Scope::Matter(Matter::Ordinary) } else { Scope::All };
        let until = self.time + 90 * DAY_MS;
        let act = Delegate { to: Some(self.member(other)), scope, until };
        self.say(author, &Act::Delegate(act));
    }

    /// Decides what has closed.
    pub(super) fn decide_due(&mut self) {
        while self.council.open.first().is_some_and(|asked| asked.closes <= self.time) {
            let asked = self.council.open.remove(0);
            self.decide(&asked);
        }
    }

    /// The last days of a month pass until everything that is open has closed.
    pub(super) fn decide_all(&mut self) {
        if let Some(last) = self.council.open.iter().map(|asked| asked.closes).max() {
            self.time = self.time.max(last);
            self.decide_due();
        }
    }

    fn decide(&mut self, asked: &Asked) -> Option<EntryId> {
        let cut = self.people.state.cut(&self.people.register);
        let counted = self.people.state.count(&self.people.register, &asked.id, &cut);
        let (tally, outcome) = counted.expect("the proposal counts");
        let act = Decide { proposal: asked.id, cut, tally, outcome };
        let decision = self.say(REGISTRAR, &Act::Decide(act));
        if outcome != Outcome::Adopted {
            return None;
        }
        match asked.effect {
            Effect::Spend(amount) => self.spend_decided(amount.value(), decision),
            Effect::Advance(member, stage) => {
                let at = self.people.register.head().0;
                if self.people.register.is_member(member, at) {
                    let (from, grounds) = (self.today(), Grounds::Decision(decision));
                    let act = Advance { member, stage, from, grounds };
                    self.say(REGISTRAR, &Act::Advance(act));
                }
            }
            _ => {}
        }
        Some(decision)
    }

    /// The members decide about the result of these months; the decision, if they adopt it.
    pub(super) fn decide_result(&mut self, from: Month, until: Month) -> Option<EntryId> {
        let closes = self.time + DAYS * DAY_MS;
        let (matter, method) = (Matter::Allocation, Method::Headcount);
        let effect = Effect::Allocate(from, until);
        self.ask(Propose { matter, method, statutory: false, closes, effect }, Course::default());
        for _ in 0..self.writing.len() {
            self.vote_on(0);
        }
        self.time = self.time.max(closes);
        let asked = self.council.open.remove(0);
        self.decide(&asked)
    }
}
