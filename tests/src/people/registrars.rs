//! A registrar that writes two registers, and members who call for another one: what they sign.
//!
//! Which of the two goes on is not known here: whoever has asked the nodes says so, and only then
//! does it become part of what these members know for their register.

use talea_ledger::register::Office;
use talea_protocol::act::{Act, Admit, Mark};
use talea_protocol::bytes::List;
use talea_protocol::charter::{Kind, Member};
use talea_protocol::entry::{Header, Signed, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{Purpose, SecretKey};
use talea_protocol::recovery::{Approval, Call, Succeed, succession};

use super::{People, index, secret};
use crate::chance::Chance;

/// A register entry that may come to nothing.
pub struct Numbered {
    /// The entry.
    pub entry: Signed,
    /// The key of the device that it enrols, if it enrols one.
    key: Option<SecretKey>,
}

impl People {
    /// Who writes the register: the first device of the member who holds it.
    #[must_use]
    pub fn registrar(&self) -> usize {
        let at = self.register.head().0;
        let holder = self.register.holder(Office::Registrar, at);
        self.register.spender(holder, at).map_or(0, index)
    }

    /// The registrar goes on with the register twice, so many entries each time, and is silent from
    /// then on.
    pub fn two_registers(
        &mut self,
        lengths: [u64; 2],
        chance: &mut Chance,
        time: u64,
    ) -> [Vec<Numbered>; 2] {
        let author = self.registrar();
        self.catch_up(author);
        self.authors[author].is_silent = true;
        let first = self.header(author, time);
        let mut branch = |length, time| {
            let mut header = Header { time, ..first };
            let mut entries = Vec::new();
            for _ in 0..length {
                let (act, key) = self.numbering(author, chance);
                let entry = sign(&self.authors[author].key, &header, &act).expect("an entry");
                let id = entry.id();
                header = Header { seq: header.seq + 1, prev: id, basis: id, ..header };
                self.sin(entry.clone());
                entries.push(Numbered { entry, key });
            }
            entries
        };
        let [one, other] = lengths;
        [branch(one, time), branch(other, time + 1)]
    }

    /// What a registrar may number at any time: a mark, or somebody new.
    fn numbering(&mut self, author: usize, chance: &mut Chance) -> (Act, Option<SecretKey>) {
        if chance.percent(50) {
            let cut = self.cut(author, chance);
            return (Act::Mark(Mark { cut }), None);
        }
        let key = secret(self.next_key);
        self.next_key += 1;
        let sponsors: Vec<usize> = (0..usize::from(self.register.charter().sponsors)).collect();
        let (request, proof, words) = self.request(&key, &sponsors);
        let sponsors = List::new(words).expect("few");
        let college = u8::from(chance.percent(50));
        (Act::Admit(Admit { request, proof, college, stage: 0, sponsors }), Some(key))
    }

    /// The register goes on with these.
    pub fn adopt(&mut self, numbered: Vec<Numbered>) {
        for Numbered { entry, key } in numbered {
            let device = self.register.known(&entry.header().device).expect("the registrar's");
            self.remember(index(device), entry);
            if let Some(key) = key {
                self.welcome(key);
            }
        }
    }

    /// Members who can call for another registrar, each by the first device that writes.
    #[must_use]
    pub fn callers(&self) -> Vec<usize> {
        let at = self.register.head().0;
        let registrar = self.register.holder(Office::Registrar, at);
        let first = |member| {
            let own = |it: &usize| {
                let device = u32::try_from(*it).expect("few");
                let author = &self.authors[*it];
                let writes = self.register.record(device).is_some_and(|it| it.writes(at));
                author.member == member && !author.is_silent && writes
            };
            (0..self.authors.len()).find(own)
        };
        let members = 0..u32::try_from(self.register.members().len()).expect("few");
        let present = |member: &u32| {
            Member(*member) != registrar && self.register.is_member(Member(*member), at)
        };
        members.filter(present).filter_map(first).collect()
    }

    /// Somebody who can go on with the register: the first device of a person.
    #[must_use]
    pub fn next_registrar(&self, chance: &mut Chance) -> Option<usize> {
        let at = self.register.head().0;
        let can = |author: &usize| {
            let member = Member(self.authors[*author].member);
            let is_person = self.register.member(member).is_some_and(|it| it.kind != Kind::Machine);
            is_person && self.register.spender(member, at).map(index) == Some(*author)
        };
        let able: Vec<usize> = self.callers().into_iter().filter(can).collect();
        (!able.is_empty()).then(|| *chance.one_of(&able))
    }

    /// What is called for: this author's member shall go on with the register as it is known.
    #[must_use]
    pub fn calling_for(&self, successor: usize) -> Call {
        let successor = Member(self.authors[successor].member);
        Call { at: self.register.head().1, successor }
    }

    /// A member calls for another registrar.
    pub fn call(&mut self, author: usize, call: Call, time: u64) -> EntryId {
        self.catch_up(author);
        self.state(author, time, &Act::Call(call))
    }

    /// The successor goes on with the register, on the words of these.
    pub fn succeed(&mut self, author: usize, call: Call, by: &[usize], time: u64) -> EntryId {
        let act = self.succession(call, by);
        self.catch_up(author);
        self.state(author, time, &act)
    }

    /// Somebody takes the register with the words of too few, and is silent from then on.
    pub fn usurp(&mut self, author: usize, call: Call, by: &[usize], time: u64) -> Signed {
        let act = self.succession(call, by);
        self.catch_up(author);
        let header = self.header(author, time);
        self.authors[author].is_silent = true;
        let entry = sign(&self.authors[author].key, &header, &act).expect("an entry");
        self.sin(entry.clone());
        entry
    }

    fn succession(&self, call: Call, by: &[usize]) -> Act {
        let said = succession(&self.cooperative(), &call);
        let word = |author: &usize| {
            let key = &self.authors[*author].key;
            Approval { device: key.device(), signature: key.sign(Purpose::Succession, &said) }
        };
        let mut words: Vec<Approval> = by.iter().map(word).collect();
        words.sort_by_key(|word| word.device);
        Act::Succeed(Succeed { call, words: List::new(words).expect("few") })
    }
}
