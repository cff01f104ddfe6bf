//! Who votes for whom: delegations, of which the newest inside a cut holds.
//!
//! Depth one: what is passed on is the holder's own vote and never one that the holder was given.
//! Whether somebody needs it, and how many one may hold, is asked when a decision is counted.
//! Design's domain, section 1; README, rule 96 and section 6.

use std::collections::BTreeMap;

use talea_protocol::act::{Delegate, Scope};
use talea_protocol::bytes::encode;
use talea_protocol::charter::{Kind, Member};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;

use crate::chain::{Place, Stamp};
use crate::register::Register;
use crate::terms::{Terms, When, month_at};
use crate::verdict::Void;

/// A delegation that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delegation {
    /// The entry.
    pub id: EntryId,
    /// Number of the register entry that it names.
    pub basis: u32,
    /// Where the entry stands.
    pub place: Place,
    /// What was said.
    pub act: Delegate,
}

impl Delegation {
    /// The newest of a member's has the greatest.
    const fn age(&self) -> (u32, u32, u32) {
        (self.basis, self.place.device, self.place.seq)
    }
}

/// All delegations that count, of each member the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    given: BTreeMap<Member, Vec<Delegation>>,
    members: BTreeMap<EntryId, Member>,
}

impl Proxies {
    /// Judges a delegation.
    ///
    /// # Errors
    /// [`Void`], rule 96.
    pub fn judge(
        register: &Register,
        terms: &Terms,
        stamp: &Stamp,
        act: &Delegate,
    ) -> Result<Delegation, Void> {
        let charter = register.charter();
        let when = When { at: stamp.basis, month: month_at(stamp.time) };
        let machine = |member| register.member(member).is_none_or(|it| it.kind == Kind::Machine);
        let fits =
            |to: Member| to != stamp.member && register.is_member(to, stamp.basis) && !machine(to);
        let known = match &act.scope {
            Scope::Circle(code) => terms.circles(charter, stamp.basis).contains(&code),
            Scope::All | Scope::Matter(_) | Scope::Proposal(_) => true,
        };
        let allowed = terms.proxies(charter, when) > 0 && !machine(stamp.member);
        if !allowed || !known || !act.to.is_none_or(fits) {
            return Err(Void::Delegation);
        }
        let (id, basis, place) = (stamp.id, stamp.basis, stamp.place);
        Ok(Delegation { id, basis, place, act: act.clone() })
    }

    /// Takes in a delegation.
    pub fn add(&mut self, member: Member, delegation: Delegation) {
        self.members.insert(delegation.id, member);
        let given = self.given.entry(member).or_default();
        let at = given.partition_point(|before| before.age() < delegation.age());
        given.insert(at, delegation);
    }

    /// The newest delegation of a member inside a cut, among those that `covers` admits.
    pub fn newest(
        &self,
        member: Member,
        cut: &Cut,
        covers: impl Fn(&Delegate) -> bool,
    ) -> Option<&Delegation> {
        let given = self.given.get(&member)?.iter().rev();
        given.into_iter().find(|it| it.place.inside(cut) && covers(&it.act))
    }

    /// Every delegation, by member, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Member, &Delegation)> {
        self.given.iter().flat_map(|(member, given)| given.iter().map(|it| (*member, it)))
    }

    /// The value of a delegation's row: whose it is, and what it says.
    #[must_use]
    pub fn row(&self, id: &EntryId) -> Option<Vec<u8>> {
        let member = self.members.get(id)?;
        let held = self.given.get(member)?.iter().find(|it| it.id == *id)?;
        Some(encode(&(*member, held.act.clone())))
    }
}
