//! What else is written: disputes, corrections, stages, motions, rankings, delegations.

use talea_protocol::act::{
    Act, Action, Advance, Agree, Agreement, Belonging, Clause, Comment, Commit, Correct, Course,
    Delegate, Delivery, Direction, Dispute, Draw, Duty, Effect, Extent, Grounds, Intent, Matter,
    Method, Motion, Party, Propose, Rank, Resource, Review, Scope, Taking, Withdraw,
};
use talea_protocol::charter::{Charter, Member};
use talea_protocol::council::{Attester, Attesting, Circle, Competence, Council, Milestone};
use talea_protocol::recovery::Erase;

use super::world::{TODAY, code, day, list, quantity};
use super::{Dice, HOUR_MS, Writer};

/// A council in which everything can be tried.
pub fn council(charter: &mut Charter) {
    let circle = Circle {
        code: code("oven"),
        colleges: list([0]),
        may: list([Competence::Policy, Competence::Resolve, Competence::Correct]),
        spend_max: 0,
    };
    let (task, by, quality) = (code("sell"), Attester::Peer, 1);
    let milestone = |stage, credits| Milestone { stage, words: 0, credits };
    charter.council = Council {
        proxies: 1,
        circles: list([circle]),
        milestones: list([milestone(0, 100), milestone(1, 0)]),
        attesting: list([Attesting { task, by, quality }]),
        ..Council::default()
    };
}

impl Writer {
    pub fn contest(&self, dice: &mut Dice) -> Act {
        match dice.roll(3) {
            0 => Act::Withdraw(Withdraw { dispute: self.named(&self.disputes, dice) }),
            _ => Act::Dispute(Dispute { contribution: self.named(&self.contributions, dice) }),
        }
    }

    pub fn correct(&self, dice: &mut Dice) -> Act {
        let contribution = self.named(&self.contributions, dice);
        let difference = dice.amount(400) * dice.pick(&[-1, -1, -1, 1]);
        Act::Correct(Correct { contribution, difference })
    }

    pub fn motion(&self, dice: &mut Dice) -> Act {
        let text = Effect::Policy;
        let (work, dispute) =
            (self.named(&self.contributions, dice), self.named(&self.disputes, dice));
        let (method, effect, options) = match dice.roll(7) {
            6 => (Method::Headcount, Effect::Agree(self.named(&self.plans, dice)), 0),
            0 => (Method::Ranked, text, 3),
            1 => (Method::Score, text, 2),
            2 => (Method::Headcount, Effect::Resolve(dispute), 0),
            3 => (Method::Headcount, Effect::Correct(work, -dice.amount(400)), 0),
            4 => (Method::Headcount, Effect::Advance(Member(3), 0), 0),
            _ => (Method::Consent, text, 0),
        };
        let fallback = (method == Method::Consent).then(|| {
            dice.pick(&[Method::CreditWeighted, Method::Headcount, Method::CollegeWeighted])
        });
        let options = ["a", "b", "c"].into_iter().take(options).map(code);
        let course = Course {
            circle: (dice.roll(4) == 0).then(|| code("oven")),
            opens: dice.pick(&[0, self.world.time]),
            options: list(options),
            fallback: fallback.filter(|_| dice.roll(4) > 0),
        };
        let closes = self.world.time + dice.roll(3) * HOUR_MS;
        let (matter, statutory) = (Matter::Ordinary, false);
        let proposal = Propose { matter, method, statutory, closes, effect };
        Act::Motion(Box::new(Motion { proposal, course }))
    }

    pub fn rank(&self, dice: &mut Dice) -> Act {
        let marks = dice.pick(&[&[0_u8, 1, 2][..], &[2, 0], &[1], &[1, 2], &[7, 3], &[0, 9]]);
        let proposal = self.named(&self.proposals, dice);
        Act::Rank(Rank { proposal, marks: list(marks.iter().copied()) })
    }

    pub fn delegate(&self, dice: &mut Dice) -> Act {
        let to = Member(u32::try_from(dice.roll(6)).unwrap());
        let scope = match dice.roll(4) {
            0 => Scope::Proposal(self.named(&self.proposals, dice)),
            1 => Scope::Circle(code("oven")),
            2 => Scope::Matter(Matter::Ordinary),
            _ => Scope::All,
        };
        Act::Delegate(Delegate { to: (dice.roll(6) > 0).then_some(to), scope, until: u64::MAX })
    }

    pub fn event(&self, dice: &mut Dice) -> Act {
        let resource = Resource {
            code: code("glossary"),
            unit: code("page"),
            quantity: quantity(dice.amount(9)),
        };
        let belonging = Belonging {
            circle: (dice.roll(3) == 0).then(|| dice.pick(&[code("oven"), code("sea")])),
            agreement: None,
            commitment: (dice.roll(3) > 0).then(|| self.named(&self.plans, dice)),
        };
        let contribution = self.named(&self.contributions, dice);
        match dice.roll(4) {
            0 => Act::Review(Review { contribution, extent: Extent::Quality }),
            1 => {
                let part = Extent::Part(quantity(dice.amount(1000)));
                Act::Review(Review { contribution, extent: part })
            }
            2 => Act::Draw(Draw {
                taking: dice.pick(&[Taking::Use, Taking::Cite, Taking::Consume]),
                resource,
                date: day(TODAY),
                belonging,
            }),
            _ => {
                let Act::Contribution(work) = self.contribution(dice) else { unreachable!() };
                let action = dice.pick(&[Action::Work, Action::Produce]);
                let resource = (action == Action::Produce).then_some(resource);
                Act::Deliver(Box::new(Delivery { work, action, resource, belonging }))
            }
        }
    }

    pub fn plan(&self, author: u32, dice: &mut Dice) -> Act {
        let what =
            Resource { code: code("bake"), unit: code("loaf"), quantity: quantity(dice.amount(9)) };
        let named = self.named(&self.plans, dice);
        let other = Party::Member(Member(u32::try_from(dice.roll(6)).unwrap()));
        let duty = Duty::Work;
        match dice.roll(6) {
            0 => {
                let direction = Direction::Offer;
                Act::Intent(Intent { direction, what, until: None, circle: None })
            }
            1 => {
                let own = Party::Member(Member(author.min(7)));
                let mut parties = vec![Party::Cooperative, own, other];
                parties.sort_unstable();
                parties.dedup();
                let clause =
                    Clause { provider: own, receiver: Party::Cooperative, duty, what, due: None };
                Act::Agreement(Agreement { parties: list(parties), clauses: list([clause]) })
            }
            2 => Act::Agree(Agree { agreement: named }),
            3 => Act::Commit(Commit {
                intent: (dice.roll(3) == 0).then_some(named),
                agreement: (dice.roll(3) == 0).then_some(named),
                receiver: other,
                duty,
                what,
                due: day(TODAY),
            }),
            4 => Act::Comment(Comment { on: named }),
            _ => Act::Erase(Erase { entry: named, ground: code("request") }),
        }
    }

    pub fn advance(&self, dice: &mut Dice) -> Act {
        let grounds = match dice.roll(2) {
            0 => Grounds::Decision(self.world.register.head().1),
            _ => Grounds::Milestones { cut: self.cut(dice), words: list([]) },
        };
        Act::Advance(Advance {
            member: Member(u32::try_from(dice.roll(6)).unwrap()),
            stage: u8::try_from(dice.roll(2)).unwrap(),
            from: day(TODAY + i32::try_from(dice.roll(60)).unwrap()),
            grounds,
        })
    }
}
