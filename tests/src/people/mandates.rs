//! Decisions that the registrar has to carry out: a member removed, a role handed over.
//!
//! Proposal, votes and decision are stated one after the other; they settle in whatever order they
//! may. Where the nodes stand is not known here: the cut comes from whoever has asked them.

use talea_ledger::register::Office;
use talea_protocol::act::{
    Act, Choice, Content, Decide, Effect, Expense, Matter, Method, Propose, Vote,
};
use talea_protocol::bytes::{Day, List, Quantity};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::{Header, Signed, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::{HandOver, Remove};

use super::{People, code, index};

/// Who writes the register.
const REGISTRAR: usize = 0;

/// A decision that is to be carried out.
#[derive(Clone, Debug)]
pub struct Mandate {
    /// What was decided.
    pub effect: Effect,
    /// The decision.
    pub decision: EntryId,
    /// Entries that whoever loses by it has signed for some nodes, and goes on to submit.
    pub astray: Vec<Signed>,
}

impl People {
    /// Members decide; the decision, if it is adopted. Who is removed has no voice here.
    pub fn decide_on(&mut self, effect: &Effect, time: u64) -> Option<EntryId> {
        let voters = self.voters(effect);
        let proposer = *voters.first()?;
        let (matter, method, statutory) = (Matter::Ordinary, Method::Headcount, false);
        let propose = Propose { matter, method, statutory, closes: time, effect: effect.clone() };
        self.catch_up(proposer);
        let proposal = self.state(proposer, time, &Act::Propose(propose));
        for voter in voters {
            self.catch_up(voter);
            self.state(voter, time, &Act::Vote(Vote { proposal, choice: Choice::Yes }));
        }
        self.catch_up(REGISTRAR);
        let cut = self.whole_cut();
        let (tally, outcome) = self.state.count(&self.register, &proposal, &cut)?;
        let decide = Decide { proposal, cut, tally, outcome };
        let decision = self.state(REGISTRAR, time, &Act::Decide(decide));
        self.orders(&decision, effect).then_some(decision)
    }

    /// One device of each person who may say something.
    fn voters(&self, effect: &Effect) -> Vec<usize> {
        let at = self.register.head().0;
        let mut members: Vec<u32> = Vec::new();
        let mut voters = Vec::new();
        for (author, it) in self.authors.iter().enumerate() {
            let member = Member(it.member);
            let is_person = self.register.member(member).is_some_and(|it| it.kind != Kind::Machine);
            let is_here = is_person && self.register.is_member(member, at);
            let is_new = !members.contains(&it.member) && *effect != Effect::Remove(member);
            if is_here && is_new && !it.is_silent {
                members.push(it.member);
                voters.push(author);
            }
        }
        voters
    }

    /// Whether a decision orders this, if all that was stated is settled.
    #[must_use]
    pub fn orders(&self, decision: &EntryId, effect: &Effect) -> bool {
        self.state.votes().order(decision) == Some(effect)
    }

    /// All that wallets know of their chains, under the newest register entry.
    fn whole_cut(&self) -> Cut {
        let (at, id) = self.register.head();
        let (mut root, mut lengths) = (CutRoot::new(), Vec::new());
        for device in 0..self.register.device_count(at) {
            let length = u32::try_from(self.known(device)).expect("short");
            let number = u32::try_from(device).expect("few");
            lengths.push(length);
            if length > 0 {
                let key = self.authors[device].key.device();
                root.add(&key, length, &self.last(number, length));
            }
        }
        Cut { at: id, lengths: List::new(lengths).expect("few"), root: root.finish() }
    }

    /// The devices whose chains a mandate is about: all of a removed member's, or the one that writes
    /// for a role now.
    #[must_use]
    pub fn concerned(&self, effect: &Effect) -> Vec<u32> {
        let at = self.register.head().0;
        match effect {
            Effect::Remove(member) => {
                let theirs = self.register.devices_of(*member);
                theirs.filter(|(_, it)| it.end.is_none()).map(|(device, _)| device).collect()
            }
            Effect::Appoint(office, _) => {
                let holder = self.register.holder(*office, at);
                self.register.spender(holder, at).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The register entry that carries a mandate out at this cut.
    pub fn carry_out(&mut self, mandate: &Mandate, cut: Cut, time: u64) -> Option<EntryId> {
        let decision = mandate.decision;
        let act = match mandate.effect {
            Effect::Remove(member) => Act::Remove(Remove { member, decision, cut }),
            Effect::Appoint(office, holder) => {
                Act::HandOver(HandOver { office, holder, decision, cut })
            }
            _ => return None,
        };
        self.catch_up(REGISTRAR);
        Some(self.state(REGISTRAR, time, &act))
    }

    /// Who could take a role over: a person with a device that writes, who does not have it.
    #[must_use]
    pub fn successor(&self, office: Office, author: usize) -> Option<Member> {
        let (at, member) = (self.register.head().0, Member(self.authors[author].member));
        let kind = self.register.member(member)?.kind;
        let spender = self.register.spender(member, at)?;
        let able = kind != Kind::Machine
            && self.register.is_member(member, at)
            && self.register.holder(office, at) != member
            && !self.authors[index(spender)].is_silent;
        able.then_some(member)
    }

    /// Whether an author writes the register.
    #[must_use]
    pub const fn is_registrar(&self, author: usize) -> bool {
        author == REGISTRAR
    }

    /// A treasurer who is about to be relieved books on and on, for some nodes; it is silent otherwise.
    pub fn book_astray(&mut self, author: usize, count: u64, time: u64) -> Vec<Signed> {
        self.authors[author].is_silent = true;
        let mut header = self.header(author, time);
        let mut astray = Vec::new();
        for amount in 1..=count {
            let amount = Quantity::new(i64::try_from(amount).expect("few")).expect("above zero");
            let (account, payee) = (code("628000"), code("edf"));
            let date = Day::new(20_460).expect("a day");
            let act = Act::Expense(Expense { account, payee, amount, date, decision: None });
            let entry = sign(&self.authors[author].key, &header, &act).expect("an entry");
            header = Header { seq: header.seq + 1, prev: entry.id(), ..header };
            self.sin(entry.clone());
            astray.push(entry);
        }
        astray
    }

    /// The first place of a chain from this one on that was written for a role.
    #[must_use]
    pub fn served_from(&self, author: usize, from: usize, office: Office) -> Option<usize> {
        let serves = |id: &EntryId| {
            let content = self.find(id).map(|entry| entry.content());
            content.is_some_and(|content: &Content| {
                talea_ledger::place::office(content) == Some(office)
            })
        };
        let mut later = self.chains[author].iter().enumerate().skip(from);
        later.find(|(_, id)| serves(id)).map(|(place, _)| place)
    }

    /// The registrar keeps from writing for a role that it is about to hand over: a booking in flight
    /// would block the chain of the register.
    pub fn refrain(&mut self, office: Office) {
        self.refrained.push(office);
    }
}
