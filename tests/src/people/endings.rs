//! Devices that are stolen and revoked, and members that leave: what they and the registrar write.
//!
//! Where the nodes stand is not known here: the cut that a revocation or a departure names, and the
//! evidence of a heal, come from whoever has asked them.

use talea_ledger::register::Office;
use talea_protocol::act::{Act, Attest, Enrol};
use talea_protocol::bytes::List;
use talea_protocol::charter::Member;
use talea_protocol::cut::Cut;
use talea_protocol::entry::{Header, Signed, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::recovery::{Approval, Depart, Heal, Report, Revoke, departure, revocation};

use super::{People, secret};

/// Devices whose chains end, on whose word.
pub struct Ending {
    /// The author whose word it is.
    pub by: usize,
    /// The device that is revoked; none if the member departs with all.
    pub device: Option<usize>,
    /// The report, or the farewell, once it is stated.
    pub ground: Option<EntryId>,
}

impl People {
    /// Another device of an author's member, which the registrar enrols; none for a machine.
    pub fn second(&mut self, author: usize, time: u64) -> Option<usize> {
        let key = secret(self.next_key);
        self.next_key += 1;
        let registrar = self.registrar();
        self.catch_up(registrar);
        let (request, proof, words) = self.request(&key, &[author]);
        let (member, words) = (Member(self.authors[author].member), List::new(words)?);
        let before = self.authors.len();
        self.state(registrar, time, &Act::Enrol(Enrol { member, request, proof, words }));
        self.welcome(key);
        (self.authors.len() > before).then_some(before)
    }

    /// Whoever has an author's key goes on with its chain; the author itself is silent.
    pub fn steal(&mut self, author: usize, count: u64, time: u64) -> Vec<Signed> {
        self.authors[author].is_silent = true;
        let mut header = self.header(author, time);
        let mut stolen = Vec::new();
        for _ in 0..count {
            let act = Act::Attest(Attest { contribution: self.cooperative() });
            let entry = sign(&self.authors[author].key, &header, &act).expect("an entry");
            header = Header { seq: header.seq + 1, prev: entry.id(), ..header };
            self.sin(entry.clone());
            stolen.push(entry);
        }
        stolen
    }

    /// Every device of a member that neither keeps the register nor has another role; none else.
    #[must_use]
    pub fn plain_member(&self, author: usize) -> Option<Vec<usize>> {
        let (member, at) = (self.authors[author].member, self.register.head().0);
        let offices = [Office::Registrar, Office::Treasurer, Office::Distributor];
        let plain = offices.iter().all(|it| self.register.holder(*it, at) != Member(member));
        let devices = (0..self.authors.len()).filter(|it| self.authors[*it].member == member);
        plain.then(|| devices.collect())
    }

    /// The report of a device, or the farewell of a member. Who cannot write any more, since the
    /// other device has forked, has the registrar report it with a word from there.
    pub fn give_ground(&mut self, ending: &Ending, time: u64) -> EntryId {
        let Some(device) = ending.device else {
            self.catch_up(ending.by);
            return self.state(ending.by, time, &Act::Leave);
        };
        let is_silent = self.authors[ending.by].is_silent;
        let words = if is_silent { vec![self.word_against(ending.by, device)] } else { Vec::new() };
        let by = if is_silent { self.registrar() } else { ending.by };
        let device = u32::try_from(device).expect("few");
        self.catch_up(by);
        let words = List::new(words).expect("one at most");
        self.state(by, time, &Act::Report(Report { device, words }))
    }

    /// An author's word that a device shall end.
    fn word_against(&self, by: usize, device: usize) -> Approval {
        let (by, key) = (&self.authors[by].key, self.authors[device].key.device());
        let signed = revocation(&self.cooperative(), &key);
        let signature = by.sign(Purpose::Revocation, &signed);
        Approval { device: by.device(), signature }
    }

    /// The registrar's heal of a forked chain.
    pub fn heal(&mut self, heal: Heal, time: u64) -> EntryId {
        let registrar = self.registrar();
        self.catch_up(registrar);
        self.state(registrar, time, &Act::Heal(heal))
    }

    /// The register entry that ends the chains at a cut.
    pub fn end(&mut self, ending: &Ending, cut: Cut, time: u64) -> EntryId {
        let act = match ending.device {
            Some(device) => {
                let words = List::new(vec![self.word_against(ending.by, device)]).expect("one");
                let device = u32::try_from(device).expect("few");
                Act::Revoke(Revoke { device, cut, words })
            }
            None => {
                let by = &self.authors[ending.by];
                let member = Member(by.member);
                let signed = departure(&self.cooperative(), member);
                let signature = by.key.sign(Purpose::Departure, &signed);
                let word = Approval { device: by.key.device(), signature };
                Act::Depart(Depart { member, cut, word })
            }
        };
        let registrar = self.registrar();
        self.catch_up(registrar);
        self.state(registrar, time, &act)
    }
}
