//! Who comes and goes: admissions, second devices, departures.

use talea_protocol::act::{Act, Admit, Approval, Enrol};
use talea_protocol::bytes::List;
use talea_protocol::charter::Member;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::key::Purpose;
use talea_protocol::recovery::{Depart, departure};

use super::super::{index, secret};
use super::{FOUNDERS, Mixed};

/// The registrar's device.
pub(super) const REGISTRAR: usize = 0;

impl Mixed {
    /// A new member, with a founder's word for it and its first shares.
    pub(super) fn admit(&mut self, number: usize) {
        let key = secret(self.people.next_key);
        self.people.next_key += 1;
        let sponsor = 3 + self.chance.index(5);
        let (request, proof, words) = self.people.request(&key, &[sponsor]);
        let college = u8::try_from(number % 3).expect("small");
        let stage = u8::from(self.chance.percent(30));
        let sponsors = List::new(words).expect("one");
        let act = Act::Admit(Admit { request, proof, college, stage, sponsors });
        self.say(REGISTRAR, &act);
        self.people.welcome(key);
        let author = self.people.authors.len() - 1;
        self.writing.push(author);
        self.subscribe(author);
    }

    /// A second device of somebody, or a departure.
    pub(super) fn come_or_go(&mut self) {
        if self.chance.percent(70) { self.enrol() } else { self.leave() }
    }

    fn enrol(&mut self) {
        let by = self.spender();
        let key = secret(self.people.next_key);
        self.people.next_key += 1;
        let (request, proof, words) = self.people.request(&key, &[by]);
        let words = List::new(words).expect("one");
        let act = Act::Enrol(Enrol { member: self.member(by), request, proof, words });
        self.say(REGISTRAR, &act);
        self.people.welcome(key);
        self.writing.push(self.people.authors.len() - 1);
    }

    /// Somebody leaves, unless it is a founder.
    fn leave(&mut self) {
        let author = self.spender();
        if u64::from(self.member(author).0) < FOUNDERS {
            self.contribute()
        } else {
            self.part(author)
        }
    }

    /// The newest member leaves: every year has a departure.
    pub(super) fn farewell(&mut self) {
        let newest = self.writing.iter().copied().max_by_key(|author| self.member(*author));
        let at = self.people.register.head().0;
        let first = newest.and_then(|it| self.people.register.spender(self.member(it), at));
        self.part(first.map(index).expect("somebody writes"));
    }

    /// A member leaves, and gets its shares back.
    fn part(&mut self, author: usize) {
        let member = self.member(author);
        self.say(author, &Act::Leave);
        let key = &self.people.authors[author].key;
        let said = departure(&self.people.cooperative(), member);
        let signature = key.sign(Purpose::Departure, &said);
        let word = Approval { device: key.device(), signature };
        let cut = self.chains_of(member);
        self.say(REGISTRAR, &Act::Depart(Depart { member, cut, word }));
        let authors = &self.people.authors;
        self.writing.retain(|writing| authors[*writing].member != member.0);
        self.redeem(author);
    }

    /// All that a member's devices have written.
    fn chains_of(&self, member: Member) -> Cut {
        let register = &self.people.register;
        let (mut root, mut lengths) = (CutRoot::new(), Vec::new());
        for (device, record) in register.devices_of(member) {
            let length = self.people.state.length(device);
            lengths.resize(index(device), 0);
            lengths.push(length);
            if let Some(last) = self.people.state.last(device) {
                root.add(&record.key, length, &last);
            }
        }
        let lengths = List::new(lengths).expect("few");
        Cut { at: register.head().1, lengths, root: root.finish() }
    }
}
