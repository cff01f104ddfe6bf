//! What the treasurer's later acts, closings and transfers need before they can be judged.
//!
//! Rules that look at one subject only are in `capital`, `opening`, `result` and `purse`.

use talea_protocol::act::{Act, Close};
use talea_protocol::money::{Purse, Transfer};

use super::State;
use super::effect::Effect;
use crate::authority::adopted;
use crate::capital::{pay_out, redeem};
use crate::chain::Stamp;
use crate::fault::MoneyFault;
use crate::opening::{open, reconcile};
use crate::register::{Office, Register};
use crate::result::{Grounds, allocate};
use crate::verdict::Hold;
use crate::waiting::Lane;

impl State {
    /// Judges an act of these lanes; others do nothing here.
    pub(super) fn keep(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Act,
    ) -> Result<Effect, Hold> {
        if let Act::Transfer(act) = act {
            return self.transferred(register, stamp, act);
        }
        self.treasurer(register, stamp)?;
        let (treasury, books) = (&self.treasury, &self.books);
        let documents = treasury.documents();
        let booking = match act {
            Act::Redeem(act) => redeem(register, documents, books, stamp, act)?,
            Act::PayOut(act) => pay_out(register, documents, books, stamp, act)?,
            Act::Reconcile(act) => reconcile(documents, treasury.journal(), stamp, act)?,
            Act::Open(act) => open(register, treasury, books, stamp, act)?,
            Act::Allocate(act) => {
                let decided = adopted(register, &self.votes, stamp, &act.decision);
                allocate(&Grounds { register, treasury, books, decided }, stamp, act)?
            }
            _ => return Ok(Effect::None),
        };
        Ok(Effect::Booking(booking))
    }

    /// A closing holds all that treasurers wrote before it, so that what is dated inside and comes
    /// later is late, and knows what every run inside has posted.
    pub(super) fn closing(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Close,
    ) -> Result<Effect, Hold> {
        self.treasurer(register, stamp)?;
        self.chains.check(register, stamp, &act.cut)?;
        if self.leaves_out(register, stamp, act) {
            return Err(MoneyFault::LeftOut.into());
        }
        self.lane_judged(Lane::Runs, &act.cut)?;
        Ok(Effect::Booking(self.treasury.close(stamp, act)?))
    }

    fn leaves_out(&self, register: &Register, stamp: &Stamp, act: &Close) -> bool {
        let own = (stamp.place.device, stamp.place.seq);
        let begun = |number: u32| number <= stamp.basis;
        let terms = register.terms_of(Office::Treasurer).filter(|term| begun(term.number));
        let spent = register.spent(stamp.member, stamp.basis);
        let before = terms.filter_map(|term| term.before).filter(|(device, _)| *device != own.0);
        [own].into_iter().chain(spent).chain(before).any(|(device, l)| act.cut.length(device) < l)
    }

    fn transferred(
        &self,
        register: &Register,
        stamp: &Stamp,
        act: &Transfer,
    ) -> Result<Effect, Hold> {
        match &act.from {
            Purse::Member(member) => self.spends(register, *member, stamp)?,
            Purse::Fund(_) => self.treasurer(register, stamp)?,
        }
        for id in &act.takes {
            self.named(*id)?;
        }
        Ok(Effect::Transfer(self.purses.transfer(register, stamp, act)?))
    }
}
