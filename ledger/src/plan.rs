//! Resources drawn on, offers and requests, agreements, commitments, comments.
//!
//! Nothing here has a price or moves an account: it is kept to be shown, and what fulfils a
//! commitment is found when somebody asks. Design's domain, section 1; README, rules 101 to 104.

use std::collections::BTreeMap;

use talea_protocol::act::{Agree, Agreement, Commit, Draw, Intent, Party};
use talea_protocol::bytes::encode;
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;

use crate::chain::Stamp;
use crate::register::Register;
use crate::verdict::Void;

/// What somebody stated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stated<T> {
    /// Who.
    pub author: Member,
    /// What.
    pub act: T,
}

/// All of it, by entry.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    draws: BTreeMap<EntryId, Stated<Draw>>,
    intents: BTreeMap<EntryId, Stated<Intent>>,
    agreements: BTreeMap<EntryId, Stated<Agreement>>,
    /// The entries by which a member has agreed; the lowest id stands for all.
    agreed: BTreeMap<(EntryId, Member), EntryId>,
    commitments: BTreeMap<EntryId, Stated<Commit>>,
    /// Comments by the entry that they are about.
    comments: BTreeMap<EntryId, BTreeMap<EntryId, Member>>,
}

/// What is taken in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Plan {
    /// A resource is drawn on.
    Draw(Draw),
    /// An offer or a request.
    Intent(Intent),
    /// An agreement.
    Agreement(Agreement),
    /// A word for an agreement.
    Agree(EntryId),
    /// A commitment.
    Commit(Commit),
    /// A comment on an entry.
    Comment(EntryId),
}

impl Plans {
    /// Judges an agreement.
    ///
    /// # Errors
    /// [`Void`], rules 43 and 102.
    pub fn examine(register: &Register, stamp: &Stamp, act: &Agreement) -> Result<(), Void> {
        let member = |party: &Party| match party {
            Party::Cooperative => true,
            Party::Member(member) => register.is_member(*member, stamp.basis),
        };
        if !act.parties.iter().all(member) {
            return Err(Void::Unknown);
        }
        let among = |party: &Party| act.parties.contains(party);
        let fits = act.parties.len() > 1
            && act.parties.is_sorted_by(|a, b| a < b)
            && among(&Party::Member(stamp.member))
            && !act.clauses.is_empty()
            && act.clauses.iter().all(|clause| {
                clause.provider != clause.receiver
                    && among(&clause.provider)
                    && among(&clause.receiver)
            });
        if fits { Ok(()) } else { Err(Void::Agreement) }
    }

    /// Judges a word for an agreement that counts.
    ///
    /// # Errors
    /// [`Void`], rules 50 and 103.
    pub fn agree(&self, stamp: &Stamp, act: &Agree) -> Result<(), Void> {
        let id = act.agreement;
        let held = self.agreements.get(&id).ok_or(Void::Named { id })?;
        let party = held.act.parties.contains(&Party::Member(stamp.member));
        if party { Ok(()) } else { Err(Void::Party) }
    }

    /// Judges a commitment; what it names counts.
    ///
    /// # Errors
    /// [`Void`], rules 43, 50 and 104.
    pub fn commit(&self, register: &Register, stamp: &Stamp, act: &Commit) -> Result<(), Void> {
        if let Some(id) = act.intent.filter(|id| !self.intents.contains_key(id)) {
            return Err(Void::Named { id });
        }
        if let Party::Member(receiver) = act.receiver
            && !register.is_member(receiver, stamp.basis)
        {
            return Err(Void::Unknown);
        }
        let author = Party::Member(stamp.member);
        let among = match act.agreement {
            None => true,
            Some(id) => {
                let held = self.agreements.get(&id).ok_or(Void::Named { id })?;
                [author, act.receiver].iter().all(|party| held.act.parties.contains(party))
            }
        };
        if among && act.receiver != author { Ok(()) } else { Err(Void::Commitment) }
    }

    /// Takes in what counts.
    pub fn add(&mut self, stamp: &Stamp, plan: Plan) {
        let (id, author) = (stamp.id, stamp.member);
        match plan {
            Plan::Draw(act) => {
                self.draws.insert(id, Stated { author, act });
            }
            Plan::Intent(act) => {
                self.intents.insert(id, Stated { author, act });
            }
            Plan::Agreement(act) => {
                self.agreements.insert(id, Stated { author, act });
            }
            Plan::Agree(agreement) => {
                let word = self.agreed.entry((agreement, author)).or_insert(id);
                *word = id.min(*word);
            }
            Plan::Commit(act) => {
                self.commitments.insert(id, Stated { author, act });
            }
            Plan::Comment(on) => {
                self.comments.entry(on).or_default().insert(id, author);
            }
        }
    }

    /// Resources drawn on, by entry.
    #[must_use]
    pub const fn draws(&self) -> &BTreeMap<EntryId, Stated<Draw>> {
        &self.draws
    }

    /// Offers and requests, by entry.
    #[must_use]
    pub const fn intents(&self) -> &BTreeMap<EntryId, Stated<Intent>> {
        &self.intents
    }

    /// Agreements, by entry.
    #[must_use]
    pub const fn agreements(&self) -> &BTreeMap<EntryId, Stated<Agreement>> {
        &self.agreements
    }

    /// The entry by which a member has agreed: of several, the one with the lowest id; the
    /// agreement itself, for its author.
    #[must_use]
    pub fn agreed(&self, agreement: &EntryId, member: Member) -> Option<EntryId> {
        let held = self.agreements.get(agreement)?;
        if held.author == member {
            return Some(*agreement);
        }
        self.agreed.get(&(*agreement, member)).copied()
    }

    /// Whether this is an agreement to which the cooperative is to be bound.
    #[must_use]
    pub fn is_with_cooperative(&self, agreement: &EntryId) -> bool {
        let held = self.agreements.get(agreement);
        held.is_some_and(|held| held.act.parties.contains(&Party::Cooperative))
    }

    /// Commitments, by entry.
    #[must_use]
    pub const fn commitments(&self) -> &BTreeMap<EntryId, Stated<Commit>> {
        &self.commitments
    }

    /// Comments on an entry, with who made them.
    pub fn comments(&self, on: &EntryId) -> impl Iterator<Item = (&EntryId, &Member)> {
        self.comments.get(on).into_iter().flatten()
    }

    /// The value of the row of a draw, an intent, an agreement or a commitment: who, and what.
    #[must_use]
    pub fn row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let draw = self.draws.get(id).map(|it| encode(&(it.author, it.act.clone())));
        let intent = || self.intents.get(id).map(|it| encode(&(it.author, it.act.clone())));
        let agreement = || self.agreements.get(id).map(|it| encode(&(it.author, it.act.clone())));
        let commit = || self.commitments.get(id).map(|it| encode(&(it.author, it.act.clone())));
        draw.or_else(intent).or_else(agreement).or_else(commit)
    }

    /// The value of the row of a member's word for an agreement.
    #[must_use]
    pub fn agreed_row(&self, agreement: &EntryId, member: Member) -> Option<Vec<u8>> {
        self.agreed.get(&(*agreement, member)).map(encode)
    }
}
