//! Acts to test rules with, by those who usually write them.

use talea_protocol::act::{
    Act, Admit, Approval, Attest, Choice, Contribution, Decide, Effect, Enrol, Expense, Income,
    Invoice, Matter, Method, Propose, Stream, Vote,
};
use talea_protocol::bytes::{Day, List};
use talea_protocol::charter::{Amendment, Change, Kind, Member};
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::recovery::{Depart, departure};

use super::{DAY_MS, TODAY, World, code, day, index, list, month, quantity};

pub const TREASURER: u32 = 0;
pub const REGISTRAR: u32 = 1;
pub const DISTRIBUTOR: u32 = 2;
/// At a stage without a binding vote, where half of livelihood vests.
pub const NOVICE: u32 = 3;
pub const MACHINE: u32 = 7;

pub fn work(units: i64) -> Contribution {
    Contribution {
        stream: Stream::Livelihood,
        task: code("bake"),
        quantity: quantity(units),
        begin: day(TODAY),
        end: day(TODAY),
        job: None,
        tags: list([]),
    }
}

pub fn attest(contribution: EntryId) -> Act {
    Act::Attest(Attest { contribution })
}

pub fn admit(world: &World, key: usize, sponsors: &[usize]) -> Admit {
    let (request, proof) = world.request(key, Kind::Person);
    let mut sponsors: Vec<Approval> =
        sponsors.iter().map(|by| world.approval(*by, &request)).collect();
    sponsors.sort_by_key(|approval| approval.device);
    Admit { request, proof, college: 1, stage: 0, sponsors: list(sponsors) }
}

pub fn enrol(world: &World, key: usize, member: u32, by: usize) -> Enrol {
    let (request, proof) = world.request(key, Kind::Person);
    let approval = world.approval(by, &request);
    let words = List::new(vec![approval]).unwrap();
    Enrol { member: Member(member), request, proof, words }
}

pub fn propose(effect: Effect) -> Propose {
    let closes = u64::try_from(TODAY + 3).unwrap() * DAY_MS;
    let (matter, method) = (Matter::Charter, Method::CollegeWeighted);
    Propose { matter, method, statutory: true, closes, effect }
}

pub fn amend(amendment: Amendment, from: (u32, u32)) -> Act {
    let change = Change { amendments: list([amendment]), from: month(from.0, from.1) };
    Act::Propose(propose(Effect::Amend(change)))
}

pub fn vote(proposal: EntryId, choice: Choice) -> Act {
    Act::Vote(Vote { proposal, choice })
}

/// A decision by everything settled, three days later.
pub fn decide(world: &mut World, proposal: EntryId) -> Decide {
    world.time += 3 * DAY_MS;
    let cut = world.cut();
    let (tally, outcome) = world.state.count(&world.register, &proposal, &cut).unwrap();
    Decide { proposal, cut, tally, outcome }
}

/// Puts a decision of a proposal for which members 0, 1 and 2 vote.
pub fn carry(world: &mut World, proposal: EntryId) -> EntryId {
    for voter in 0..3 {
        world.good(voter, vote(proposal, Choice::Yes));
    }
    for voter in 4..6 {
        world.good(voter, vote(proposal, Choice::Yes));
    }
    let act = decide(world, proposal);
    world.good(REGISTRAR, Act::Decide(act))
}

pub fn invoice(job: &str, tier: u8, units: i64, amount: i64) -> Invoice {
    let (client, date) = (code("grillon"), day(TODAY));
    let (quantity, amount) = (quantity(units), quantity(amount));
    Invoice { job: code(job), client, tier, quantity, amount, date }
}

pub fn income(job: &str, amount: i64, date: Day) -> Act {
    let (job, client, amount) = (code(job), code("grillon"), quantity(amount));
    Act::Income(Income { job, client, amount, date, aid: false })
}

pub fn expense(account: &str, amount: i64, date: Day) -> Act {
    let (account, payee, amount) = (code(account), code("edf"), quantity(amount));
    Act::Expense(Expense { account, payee, amount, date, decision: None })
}

/// A member leaves, and the registrar numbers it.
pub fn leave(world: &mut World, member: u32) {
    world.good(member, Act::Leave);
    let key = &world.keys[index(member)];
    let signed = departure(&world.register.cooperative(), Member(member));
    let signature = key.sign(Purpose::Departure, &signed);
    let word = Approval { device: key.device(), signature };
    let length = world.state.length(member);
    let mut lengths = vec![0; index(member)];
    lengths.push(length);
    let cut = world.cut_of(&lengths);
    world.good(REGISTRAR, Act::Depart(Depart { member: Member(member), cut, word }));
}
