//! Words that the registrar needs in writing before it ends, guards or hands on anything: against a
//! device, for guardians, of whoever leaves, for another registrar, for a member's next stage.
//!
//! They are slips like those of `slip`: one line each, worth what their signatures are worth. What is
//! signed is the protocol's (`recovery`); who may sign it is asked by the ledger, rules 79 to 83.

use talea_protocol::act::{Advance, Approval, advance};
use talea_protocol::bytes::{Day, encode};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, Purpose, SecretKey, Signature, verify_for};
use talea_protocol::recovery::{Call, Guardians, departure, guardianship, revocation, succession};

use crate::slip::{SlipFault, belongs, parse, render};

/// A word that a device shall end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Against {
    /// Where.
    pub cooperative: EntryId,
    /// The device.
    pub device: DeviceKey,
    /// Who says so.
    pub word: Approval,
}

/// A word of a member that it leaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leaving {
    /// Where.
    pub cooperative: EntryId,
    /// Who.
    pub member: Member,
    /// The word of one of its devices.
    pub word: Approval,
}

/// A word for another registrar.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Calling {
    /// Where.
    pub cooperative: EntryId,
    /// For whom, as seen from which register entry.
    pub call: Call,
    /// Who calls.
    pub word: Approval,
}

/// A word for a member's next stage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StageWord {
    /// Where.
    pub cooperative: EntryId,
    /// Who comes to it.
    pub member: Member,
    /// The stage's place in the charter.
    pub stage: u8,
    /// From which day it holds.
    pub from: Day,
    /// Who vouches.
    pub word: Approval,
}

impl StageWord {
    /// Signs a word; the grounds are for the registrar.
    #[must_use]
    pub fn new(cooperative: EntryId, moved: &Advance, key: &SecretKey) -> Self {
        let signed = advance(&cooperative, moved);
        let word = word(key, key.sign(Purpose::Approval, &signed));
        let Advance { member, stage, from, .. } = *moved;
        Self { cooperative, member, stage, from, word }
    }

    /// The slip.
    #[must_use]
    pub fn render(&self) -> String {
        let Self { cooperative, member, stage, from, word } = self.clone();
        render("stage", &(cooperative, member, stage, from, word))
    }

    /// Reads a slip for this cooperative.
    ///
    /// # Errors
    /// [`SlipFault`].
    pub fn parse(text: &str, cooperative: EntryId) -> Result<Self, SlipFault> {
        type Bytes = (EntryId, Member, u8, Day, Approval);
        let (there, member, stage, from, word): Bytes = parse("stage", text)?;
        belongs(there, cooperative)?;
        genuine(Purpose::Approval, &word, &encode(&(cooperative, member, stage, from)))?;
        Ok(Self { cooperative, member, stage, from, word })
    }
}

impl Against {
    /// Signs a word against a device.
    #[must_use]
    pub fn new(cooperative: EntryId, device: DeviceKey, key: &SecretKey) -> Self {
        let signed = revocation(&cooperative, &device);
        Self { cooperative, device, word: word(key, key.sign(Purpose::Revocation, &signed)) }
    }

    /// The slip.
    #[must_use]
    pub fn render(&self) -> String {
        render("revocation", &(self.cooperative, self.device, self.word.clone()))
    }

    /// Reads a slip for this cooperative.
    ///
    /// # Errors
    /// [`SlipFault`].
    pub fn parse(text: &str, cooperative: EntryId) -> Result<Self, SlipFault> {
        let (there, device, word): (EntryId, DeviceKey, Approval) = parse("revocation", text)?;
        belongs(there, cooperative)?;
        genuine(Purpose::Revocation, &word, &revocation(&cooperative, &device))?;
        Ok(Self { cooperative, device, word })
    }
}

impl Leaving {
    /// Signs a member's word that it leaves.
    #[must_use]
    pub fn new(cooperative: EntryId, member: Member, key: &SecretKey) -> Self {
        let signed = departure(&cooperative, member);
        Self { cooperative, member, word: word(key, key.sign(Purpose::Departure, &signed)) }
    }

    /// The slip.
    #[must_use]
    pub fn render(&self) -> String {
        render("departure", &(self.cooperative, self.member, self.word.clone()))
    }

    /// Reads a slip for this cooperative.
    ///
    /// # Errors
    /// [`SlipFault`].
    pub fn parse(text: &str, cooperative: EntryId) -> Result<Self, SlipFault> {
        let (there, member, word): (EntryId, Member, Approval) = parse("departure", text)?;
        belongs(there, cooperative)?;
        genuine(Purpose::Departure, &word, &departure(&cooperative, member))?;
        Ok(Self { cooperative, member, word })
    }
}

impl Calling {
    /// Signs a call.
    #[must_use]
    pub fn new(cooperative: EntryId, call: Call, key: &SecretKey) -> Self {
        let signed = succession(&cooperative, &call);
        Self { cooperative, call, word: word(key, key.sign(Purpose::Succession, &signed)) }
    }

    /// The slip.
    #[must_use]
    pub fn render(&self) -> String {
        render("call", &(self.cooperative, self.call, self.word.clone()))
    }

    /// Reads a slip for this cooperative.
    ///
    /// # Errors
    /// [`SlipFault`].
    pub fn parse(text: &str, cooperative: EntryId) -> Result<Self, SlipFault> {
        let (there, call, word): (EntryId, Call, Approval) = parse("call", text)?;
        belongs(there, cooperative)?;
        genuine(Purpose::Succession, &word, &succession(&cooperative, &call))?;
        Ok(Self { cooperative, call, word })
    }
}

/// Signs a member's choice of guardians: the approval is filled in.
#[must_use]
pub fn choose(cooperative: EntryId, mut guardians: Guardians, key: &SecretKey) -> Guardians {
    guardians.approval =
        word(key, key.sign(Purpose::Guardians, &guardianship(&cooperative, &guardians)));
    guardians
}

/// The slip with a member's choice of guardians.
#[must_use]
pub fn render_guardians(cooperative: EntryId, guardians: &Guardians) -> String {
    render("guardians", &(cooperative, guardians.clone()))
}

/// Reads a choice of guardians in this cooperative.
///
/// # Errors
/// [`SlipFault`].
pub fn parse_guardians(text: &str, cooperative: EntryId) -> Result<Guardians, SlipFault> {
    let (there, guardians): (EntryId, Guardians) = parse("guardians", text)?;
    belongs(there, cooperative)?;
    let signed = guardianship(&cooperative, &guardians);
    genuine(Purpose::Guardians, &guardians.approval, &signed)?;
    Ok(guardians)
}

/// Words in the order in which an act holds them: strictly ascending by device.
#[must_use]
pub fn ordered(mut words: Vec<Approval>) -> Vec<Approval> {
    words.sort_by_key(|word| word.device);
    words.dedup_by_key(|word| word.device);
    words
}

fn word(key: &SecretKey, signature: Signature) -> Approval {
    Approval { device: key.device(), signature }
}

fn genuine(purpose: Purpose, word: &Approval, signed: &[u8]) -> Result<(), SlipFault> {
    verify_for(purpose, &word.device, &word.signature, signed)
        .then_some(())
        .ok_or(SlipFault::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::bytes::List;

    const HERE: EntryId = EntryId([1; 32]);
    const THERE: EntryId = EntryId([2; 32]);

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    #[test]
    fn a_word_is_for_one_cooperative_and_of_the_kind_that_it_says() {
        let against = Against::new(HERE, key(1).device(), &key(2));
        let leaving = Leaving::new(HERE, Member(3), &key(2));
        let call = Call { at: HERE, successor: Member(1) };
        let calling = Calling::new(HERE, call, &key(2));
        assert_eq!(Against::parse(&against.render(), HERE), Ok(against.clone()));
        assert_eq!(Leaving::parse(&leaving.render(), HERE), Ok(leaving.clone()));
        assert_eq!(Calling::parse(&calling.render(), HERE), Ok(calling.clone()));
        let elsewhere = Err(SlipFault::Cooperative { cooperative: HERE });
        assert_eq!(Against::parse(&against.render(), THERE), elsewhere);
        let other = Leaving::parse(&against.render(), HERE);
        assert_eq!(other, Err(SlipFault::Kind { kind: "departure" }));
        let forged = Against { device: key(9).device(), ..against };
        assert_eq!(Against::parse(&forged.render(), HERE), Err(SlipFault::Signature));
    }

    #[test]
    fn a_choice_of_guardians_is_signed_with_all_that_it_says() {
        let approval = Approval { device: key(1).device(), signature: Signature([0; 64]) };
        let chosen = Guardians {
            member: Member(1),
            recovery: Some(key(5).device()),
            keys: List::new(vec![key(2).device()]).unwrap(),
            threshold: 1,
            at: HERE,
            approval,
        };
        let chosen = choose(HERE, chosen, &key(1));
        assert_eq!(parse_guardians(&render_guardians(HERE, &chosen), HERE), Ok(chosen.clone()));
        let changed = Guardians { threshold: 2, ..chosen };
        let slip = render_guardians(HERE, &changed);
        assert_eq!(parse_guardians(&slip, HERE), Err(SlipFault::Signature));
    }
}
