//! Between cooperatives: partners, accords, what was sent and got, what both hold for so.
//!
//! Nothing of the partner's log is held here: its charter and the speakers come with a link, and
//! what is taken in proves by receipts of its roster that it is settled there. That it counts
//! there cannot be proven so: therefore an accord's limit binds both sides, and statements show a
//! difference. All of it is written by the treasurer, in the order of its chain. Rules 142 to 149.

use std::collections::BTreeMap;

use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::{Day, encode};
use talea_protocol::charter::Roster;
use talea_protocol::entry::{Entry, check};
use talea_protocol::federation::{
    Accord, Balance, Countersign, Link, Receive, Send, Statement, Turnover, accordance,
    confirmation,
};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::{DeviceKey, Purpose, examine, verify_for};
use talea_protocol::leaf::{accept, resolve};
use talea_protocol::receipt::Receipt;
use talea_protocol::recovery::Evidence;
use talea_protocol::tree::leaf_hash;

use crate::chain::Stamp;
use crate::fault::PactFault;
use crate::register::Register;
use crate::row::Row;

/// Another cooperative, as the newest link says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partner {
    /// The link.
    pub link: EntryId,
    /// What it calls itself.
    pub name: String,
    /// Whose receipts settle there.
    pub roster: Roster,
    /// Devices whose words are its own.
    pub speakers: Vec<DeviceKey>,
}

/// Something sent or got.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Passage {
    /// The send's entry, in the log of whoever sent.
    pub send: EntryId,
    /// The entry here: the send, or what took it in.
    pub entry: EntryId,
    /// Minor units.
    pub amount: i64,
    /// When, as said here.
    pub date: Day,
}

/// A bilateral statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Agreed {
    /// The entry.
    pub entry: EntryId,
    /// What both say.
    pub balance: Balance,
}

/// An accord that counts, and what happened under it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pact {
    /// The entry.
    pub entry: EntryId,
    /// What is agreed.
    pub accord: Accord,
    /// The other cooperative.
    pub partner: EntryId,
    /// What was sent, oldest first.
    pub sent: Vec<Passage>,
    /// What was got, oldest first.
    pub received: Vec<Passage>,
    /// What both hold for so, oldest first.
    pub statements: Vec<Agreed>,
}

impl Pact {
    /// What this side has sent and got, in minor units.
    #[must_use]
    pub fn turnover(&self) -> Turnover {
        let sum = |passages: &[Passage]| passages.iter().map(|it| it.amount.unsigned_abs()).sum();
        Turnover { sent: sum(&self.sent), received: sum(&self.received) }
    }

    /// By how much this side has sent more than it got.
    #[must_use]
    pub fn position(&self) -> i128 {
        let Turnover { sent, received } = self.turnover();
        i128::from(sent) - i128::from(received)
    }

    fn within(&self, position: i128, date: Day) -> Result<(), PactFault> {
        let limit = i128::from(self.accord.limit.value());
        let open = (self.accord.from..=self.accord.until).contains(&date);
        if open && (-limit..=limit).contains(&position) {
            Ok(())
        } else {
            Err(PactFault::Limit { position, limit })
        }
    }
}

/// What an act between cooperatives leaves besides its postings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PactNote {
    /// A partner, by its id.
    Partner(EntryId, Box<Partner>),
    /// An accord, by its name.
    Accord(Hash, Box<Pact>),
    /// Something sent under an accord.
    Sent(Hash, Passage),
    /// Something got under an accord.
    Received(Hash, Passage),
    /// A statement under an accord.
    Agreed(Agreed),
}

impl PactNote {
    /// The rows that it changes.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        match self {
            Self::Partner(id, _) => vec![Row::Partner(*id)],
            Self::Accord(id, _) | Self::Sent(id, _) => vec![Row::Pact(*id)],
            Self::Received(id, passage) => vec![Row::Pact(*id), Row::Received(passage.send)],
            Self::Agreed(agreed) => vec![Row::Pact(agreed.balance.accord)],
        }
    }
}

/// Partners and accords.
#[derive(Clone, Debug, Default)]
pub struct Pacts {
    partners: BTreeMap<EntryId, Partner>,
    pacts: BTreeMap<Hash, Pact>,
    received: BTreeMap<EntryId, EntryId>,
}

impl Pacts {
    /// Every partner, by id.
    #[must_use]
    pub const fn partners(&self) -> &BTreeMap<EntryId, Partner> {
        &self.partners
    }

    /// Every accord that counts, by name.
    #[must_use]
    pub const fn pacts(&self) -> &BTreeMap<Hash, Pact> {
        &self.pacts
    }

    /// The entry that took in a send.
    #[must_use]
    pub fn received(&self, send: &EntryId) -> Option<EntryId> {
        self.received.get(send).copied()
    }

    /// Judges a link.
    ///
    /// # Errors
    /// [`PactFault`], rule 142.
    pub fn link(register: &Register, stamp: &Stamp, act: &Link) -> Result<PactNote, PactFault> {
        let entry = genuine(act.charter.to_vec()).ok_or(PactFault::Partner)?;
        let charter = crate::profile::accept(&entry).map_err(|_| PactFault::Partner)?;
        let roster = act.roster.clone().unwrap_or_else(|| charter.roster.clone());
        let speakers = act.speakers.to_vec();
        let keys = speakers.is_sorted_by(|one, next| one < next)
            && speakers.iter().all(|key| examine(&key.0).is_ok())
            && roster.nodes.iter().all(|node| examine(&node.0).is_ok());
        if entry.id() == register.cooperative() || !keys || !roster.is_safe() {
            return Err(PactFault::Partner);
        }
        let (link, name) = (stamp.id, charter.name.to_string());
        Ok(PactNote::Partner(entry.id(), Box::new(Partner { link, name, roster, speakers })))
    }

    /// Judges an accord.
    ///
    /// # Errors
    /// [`PactFault`], rules 143 and 144.
    pub fn countersign(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Countersign,
    ) -> Result<PactNote, PactFault> {
        let (accord, own) = (&act.accord, register.cooperative());
        let partner = if accord.one == own { accord.other } else { accord.one };
        let ours = accord.one < accord.other && [accord.one, accord.other].contains(&own);
        let signed = self.speaks(&partner, &act.device)
            && verify_for(Purpose::Accord, &act.device, &act.signature, &accordance(accord));
        if !ours || !signed {
            return Err(PactFault::Countersignature);
        }
        let (charter, id) = (register.charter(), accord.id());
        let known = accord.unit == charter.currency
            || charter.treasury.units.iter().any(|unit| unit.code == accord.unit);
        if !known || accord.from > accord.until || self.pacts.contains_key(&id) {
            return Err(PactFault::Accord);
        }
        let (entry, accord) = (stamp.id, accord.clone());
        let (sent, received, statements) = (Vec::new(), Vec::new(), Vec::new());
        let pact = Pact { entry, accord, partner, sent, received, statements };
        Ok(PactNote::Accord(id, Box::new(pact)))
    }

    /// Judges a send, but for its cover.
    ///
    /// # Errors
    /// [`PactFault`], rules 144 and 145.
    pub fn send(&self, stamp: &Stamp, act: &Send) -> Result<(&Pact, PactNote), PactFault> {
        let pact = self.pacts.get(&act.accord).ok_or(PactFault::Accord)?;
        let amount = act.amount.value();
        pact.within(pact.position() + i128::from(amount), act.date)?;
        let passage = Passage { send: stamp.id, entry: stamp.id, amount, date: act.date };
        Ok((pact, PactNote::Sent(act.accord, passage)))
    }

    /// Judges what was sent elsewhere and is taken in here.
    ///
    /// # Errors
    /// [`PactFault`], rules 145 to 148.
    pub fn receive(&self, stamp: &Stamp, act: &Receive) -> Result<(&Pact, PactNote), PactFault> {
        let entry = genuine(act.send.to_vec()).ok_or(PactFault::Send)?;
        let Content::Known(Act::Send(send)) = entry.content() else { return Err(PactFault::Send) };
        let pact = self.pacts.get(&send.accord).ok_or(PactFault::Send)?;
        let theirs = entry.cooperative() == pact.partner
            && self.speaks(&pact.partner, &entry.header().device);
        if !theirs {
            return Err(PactFault::Send);
        }
        let partner = self.partners.get(&pact.partner).ok_or(PactFault::Send)?;
        settled(&pact.partner, &partner.roster, &entry, &act.evidence)?;
        if let Some(by) = self.received(&entry.id()) {
            return Err(PactFault::Replayed { by });
        }
        let amount = send.amount.value();
        pact.within(pact.position() - i128::from(amount), send.date)?;
        let passage = Passage { send: entry.id(), entry: stamp.id, amount, date: act.date };
        Ok((pact, PactNote::Received(send.accord, passage)))
    }

    /// Judges a bilateral statement.
    ///
    /// # Errors
    /// [`PactFault`], rule 149.
    pub fn state(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Statement,
    ) -> Result<PactNote, PactFault> {
        let balance = act.balance;
        let pact = self.pacts.get(&balance.accord).ok_or(PactFault::Accord)?;
        let is_one = pact.accord.one == register.cooperative();
        let ours = if is_one { balance.one } else { balance.other };
        let booked = pact.turnover();
        let later = pact.statements.last().is_none_or(|last| last.balance.date < balance.date);
        let signed = self.speaks(&pact.partner, &act.device)
            && verify_for(Purpose::Statement, &act.device, &act.signature, &confirmation(&balance));
        if ours == booked && later && signed {
            Ok(PactNote::Agreed(Agreed { entry: stamp.id, balance }))
        } else {
            Err(PactFault::Statement { sent: booked.sent, received: booked.received })
        }
    }

    /// Takes in what an act leaves.
    pub fn take(&mut self, note: PactNote) {
        match note {
            PactNote::Partner(id, partner) => {
                self.partners.insert(id, *partner);
            }
            PactNote::Accord(id, pact) => {
                self.pacts.insert(id, *pact);
            }
            PactNote::Sent(id, passage) => {
                self.pacts.entry(id).and_modify(|pact| pact.sent.push(passage));
            }
            PactNote::Received(id, passage) => {
                self.received.insert(passage.send, passage.entry);
                self.pacts.entry(id).and_modify(|pact| pact.received.push(passage));
            }
            PactNote::Agreed(agreed) => {
                let id = agreed.balance.accord;
                self.pacts.entry(id).and_modify(|pact| pact.statements.push(agreed));
            }
        }
    }

    /// The value of a partner's row: its newest link.
    #[must_use]
    pub fn partner_row(&self, id: &EntryId) -> Option<Vec<u8>> {
        self.partners.get(id).map(|partner| encode(&partner.link))
    }

    /// The value of an accord's row: the entry, what was sent and got, the last statement.
    #[must_use]
    pub fn pact_row(&self, id: &Hash) -> Option<Vec<u8>> {
        let pact = self.pacts.get(id)?;
        let last = pact.statements.last().map(|agreed| agreed.entry);
        Some(encode(&(pact.entry, pact.turnover(), last)))
    }

    /// The value of the row of a send that was taken in: by which entry.
    #[must_use]
    pub fn received_row(&self, send: &EntryId) -> Option<Vec<u8>> {
        self.received(send).map(|by| encode(&by))
    }

    fn speaks(&self, partner: &EntryId, device: &DeviceKey) -> bool {
        self.partners.get(partner).is_some_and(|partner| partner.speakers.contains(device))
    }
}

/// An entry that keeps rules 1 to 9.
fn genuine(bytes: Vec<u8>) -> Option<Entry> {
    let entry = Entry::parse(bytes).ok()?;
    let signed = check(vec![entry]).pop()?.ok()?;
    Entry::parse(signed.bytes().to_vec()).ok()
}

/// Whether so many logs of a roster have an entry's accept or resolve leaf as settle it there.
fn settled(
    cooperative: &EntryId,
    roster: &Roster,
    entry: &Entry,
    evidence: &[Evidence],
) -> Result<(), PactFault> {
    let leaves = [accept(entry), resolve(entry)].map(|leaf| leaf_hash(&leaf));
    let shows = |piece: &Evidence| {
        let receipt = Receipt::parse(&piece.receipt);
        roster.nodes.contains(&piece.node)
            && receipt.is_ok_and(|it| {
                leaves.iter().any(|leaf| it.verify(leaf, cooperative, &piece.node, &[]).is_ok())
            })
    };
    let needed = usize::from(roster.quorum);
    let ascending = evidence.is_sorted_by(|one, next| one.node < next.node);
    if ascending && evidence.len() >= needed && evidence.iter().all(shows) {
        Ok(())
    } else {
        Err(PactFault::Unproven { needed: roster.quorum })
    }
}
