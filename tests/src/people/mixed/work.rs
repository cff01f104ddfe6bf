//! Work given, confirmed, disputed, corrected.

use std::collections::VecDeque;

use talea_protocol::act::{
    Act, Action, Attest, Belonging, Contribution, Correct, Delivery, Dispute, Extent, Job,
    Resource, Review, Stream, Withdraw,
};
use talea_protocol::bytes::{Day, List, Quantity};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use super::super::code;
use super::{Mixed, NEW_YEAR};

/// A contribution that somebody may look at.
#[derive(Clone, Copy)]
struct Given {
    author: usize,
    member: Member,
    id: EntryId,
    quantity: i64,
    /// Whether its quality is to be confirmed too.
    quality: bool,
}

/// What lies on the desk: contributions and disputes.
#[derive(Default)]
pub(super) struct Desk {
    open: VecDeque<Given>,
    /// Attested, the last few hundred.
    done: VecDeque<Given>,
    disputes: Vec<(usize, EntryId)>,
}

impl Mixed {
    pub(super) fn contribute(&mut self) {
        let author = self.anybody();
        let work = self.work_of();
        let (quantity, quality) = (work.quantity.value(), work.task == code("code"));
        let id = self.say(author, &Act::Contribution(work));
        self.hand_in(author, id, quantity, quality);
    }

    /// Work by which a resource comes to be, or a service; for the circle.
    pub(super) fn deliver(&mut self) {
        let (author, work) = (self.anybody(), self.work_of());
        let (quantity, quality) = (work.quantity.value(), work.task == code("code"));
        let produces = self.chance.percent(60);
        let resource = Resource { code: code("bread"), unit: code("kg"), quantity: work.quantity };
        let delivery = Delivery {
            work,
            action: if produces { Action::Produce } else { Action::DeliverService },
            resource: produces.then_some(resource),
            belonging: Belonging { circle: Some(code("garden")), ..Belonging::default() },
        };
        let id = self.say(author, &Act::Deliver(Box::new(delivery)));
        self.hand_in(author, id, quantity, quality);
    }

    fn hand_in(&mut self, author: usize, id: EntryId, quantity: i64, quality: bool) {
        let member = self.member(author);
        self.work.open.push_back(Given { author, member, id, quantity, quality });
    }

    fn work_of(&mut self) -> Contribution {
        let (stream, task, most) = *self.chance.one_of(&[
            (Stream::Livelihood, "bake", 200),
            (Stream::Livelihood, "code", 8),
            (Stream::Livelihood, "deliver", 6),
            (Stream::Love, "teach", 4),
            (Stream::Love, "code", 3),
            (Stream::Care, "care", 240),
        ]);
        let quantity = i64::try_from(self.chance.between(1, most)).expect("small");
        let jobs = self.money.jobs();
        let job =
            (stream == Stream::Livelihood && jobs > 0 && self.chance.percent(50)).then(|| {
                let number = self.chance.below(jobs);
                Job { code: super::money::job(number), tier: super::money::tier(number) }
            });
        let end = self.work_day();
        let begin = Day::new(end.value() - i32::from(self.chance.percent(20))).expect("a day");
        let tags =
            if self.chance.percent(30) { vec![code("commons"), code("sdg:5")] } else { vec![] };
        Contribution {
            stream,
            task: code(task),
            quantity: Quantity::new(quantity).expect("above zero"),
            begin,
            end,
            job,
            tags: List::new(tags).expect("two"),
        }
    }

    /// Mostly yesterday; of late, rarely in the month before.
    fn work_day(&mut self) -> Day {
        let back = if self.chance.percent(3) { 20 } else { self.chance.below(3) };
        let back = i32::try_from(back).expect("small");
        Day::new((self.today().value() - back).max(NEW_YEAR + 1)).expect("a day")
    }

    /// The oldest contribution that waits, by another member; rarely a part of it only.
    pub(super) fn attest(&mut self) {
        let Some(given) = self.work.open.pop_front() else { return self.contribute() };
        let by = self.somebody_else(given.member);
        let contribution = given.id;
        let part = Quantity::new((given.quantity / 2).max(1)).expect("above zero");
        let act = if self.chance.percent(4) {
            Act::Review(Review { contribution, extent: Extent::Part(part) })
        } else {
            Act::Attest(Attest { contribution })
        };
        self.say(by, &act);
        if given.quality {
            let by = self.somebody_else(given.member);
            self.say(by, &Act::Review(Review { contribution, extent: Extent::Quality }));
        }
        self.work.done.push_back(given);
        if self.work.done.len() > 400 {
            self.work.done.pop_front();
        }
    }

    fn one_done(&mut self) -> Option<Given> {
        let length = self.work.done.len();
        if length == 0 {
            return None;
        }
        let at = self.chance.index(length);
        self.work.done.remove(at)
    }

    pub(super) fn dispute(&mut self) {
        let Some(given) = self.one_done() else { return self.contribute() };
        let by = self.somebody_else(given.member);
        let id = self.say_why(by, &Act::Dispute(Dispute { contribution: given.id }));
        self.work.disputes.push((by, id));
    }

    pub(super) fn withdraw(&mut self) {
        self.work.disputes.retain(|(by, _)| self.writing.contains(by));
        let Some((by, dispute)) = self.work.disputes.pop() else { return self.contribute() };
        self.say(by, &Act::Withdraw(Withdraw { dispute }));
    }

    /// A dispute that its author has not taken back: to be put to the members.
    pub(super) fn dispute_to_resolve(&mut self) -> Option<EntryId> {
        self.work.disputes.pop().map(|(_, id)| id)
    }

    /// The author takes some of the quantity back.
    pub(super) fn correct(&mut self) {
        let given =
            self.one_done().filter(|it| it.quantity > 1 && self.writing.contains(&it.author));
        let Some(given) = given else { return self.contribute() };
        let act = Correct { contribution: given.id, difference: -(given.quantity / 4).max(1) };
        self.say(given.author, &Act::Correct(act));
    }
}
