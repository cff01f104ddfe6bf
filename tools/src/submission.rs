//! An entry that is ready to be sent, whoever signed it, and what can be said of it before a node
//! is asked: rules 1 to 24 by the bytes alone, by the clock, and by what is known here.
//!
//! What is refused here, every node refuses; a node that knows more may refuse more.

use talea_ledger::place::{Refusal as Misplaced, Standing};
use talea_ledger::register::Register;
use talea_ledger::replica::AHEAD_MS_MAX;
use talea_protocol::act::{Act, Content};
use talea_protocol::entry::{Entry, Refusal, Signed, check};

use crate::book::Book;
use crate::journal::Payload;

/// Why an entry is not sent. The first rule broken is named.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Rules 1 to 9.
    #[error(transparent)]
    Unsound(#[from] Refusal),
    /// Rules 10 to 20, and 30 to 39.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// Rule 17.
    #[error("rule 17: the payload is not the one that the entry commits to")]
    Payload,
    /// Rule 23.
    #[error("rule 23: the entry is dated {} s ahead of this machine's clock", ms.div_ceil(1000))]
    Ahead {
        /// How far, in ms.
        ms: u64,
    },
    /// Rule 24.
    #[error("rule 24: act {tag} is not known to this version")]
    Act {
        /// Its number.
        tag: u32,
    },
}

impl Refused {
    /// The rule's number.
    #[must_use]
    pub const fn rule(&self) -> u16 {
        match self {
            Self::Unsound(refusal) => refusal.rule(),
            Self::Misplaced(refusal) => refusal.rule(),
            Self::Payload => 17,
            Self::Ahead { .. } => 23,
            Self::Act { .. } => 24,
        }
    }
}

/// An entry with what came along.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The entry.
    pub entry: Signed,
    /// Its payload, if it is to be given to the node too.
    pub payload: Option<Payload>,
}

impl Submission {
    /// Reads the bytes of an entry.
    ///
    /// # Errors
    /// [`Refusal`], rules 1 to 9.
    pub fn read(bytes: Vec<u8>, payload: Option<Payload>) -> Result<Self, Refusal> {
        let entry = Entry::parse(bytes)?;
        match check(vec![entry]).pop() {
            Some(Ok(entry)) => Ok(Self { entry, payload }),
            _ => Err(Refusal::Signature),
        }
    }

    /// Asks every rule that can be asked here, at `now` ms since 1970 UTC. `Some` says which
    /// place the entry would get by the book, where there is one.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn examine(&self, book: Option<&Book>, now: u64) -> Result<Option<Standing>, Refused> {
        let is_charter = matches!(self.entry.content(), Content::Known(Act::Charter(_)));
        if is_charter && book.is_none() {
            Register::found(&self.entry).map_err(Misplaced::from)?;
        }
        let standing = book.map(|book| book.ask(&self.entry)).transpose()?;
        if self.payload.as_ref().is_some_and(|payload| !payload.belongs_to(&self.entry)) {
            return Err(Refused::Payload);
        }
        let ms = self.entry.header().time.saturating_sub(now);
        if ms > AHEAD_MS_MAX {
            return Err(Refused::Ahead { ms });
        }
        match self.entry.content() {
            Content::Unknown(tag) => Err(Refused::Act { tag: *tag }),
            Content::Known(_) => Ok(standing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::tests::{QUARTER, played};
    use crate::scenario::Scenario;
    use talea_protocol::bytes::encode;
    use talea_protocol::entry::{Header, sign, statement};
    use talea_protocol::hash::EntryId;
    use talea_protocol::key::{Purpose, SecretKey};

    const NOW: u64 = 1_800_000_000_000;

    /// A few steps of the worked quarter; the second member's key; the header of its next entry.
    fn case(scenario: &Scenario) -> (Book, SecretKey, Header, Act) {
        let play = played(scenario, 22).unwrap();
        let first = scenario.steps().iter().find(|step| step.kind == "contribution").unwrap();
        let entry = play.book().entries().nth(usize::try_from(first.n).unwrap() - 1).unwrap();
        let Content::Known(act) = entry.content().clone() else { panic!("{entry:?}") };
        let key = scenario.handles().find_map(|handle| {
            let key = play.key(handle)?;
            (key.device() == entry.header().device).then(|| SecretKey::from_seed(&key.seed()))
        });
        let key = key.unwrap();
        let header = play.book().header(&key.device(), NOW).unwrap();
        let mut again = Book::found(play.book().entries().next().unwrap().clone()).unwrap();
        for entry in play.book().entries().skip(1) {
            again.add(entry.clone()).unwrap();
        }
        (again, key, header, act)
    }

    fn refused(book: &Book, entry: Signed, payload: Option<Payload>) -> u16 {
        let submission = Submission { entry, payload };
        submission.examine(Some(book), NOW).map_or_else(|refused| refused.rule(), |_| 0)
    }

    #[test]
    fn what_a_node_refuses_for_good_is_refused_before_it_is_asked() {
        let scenario = Scenario::parse(QUARTER).unwrap();
        let (book, key, header, act) = case(&scenario);
        let rule = |header: Header| refused(&book, sign(&key, &header, &act).unwrap(), None);
        assert_eq!(rule(header), 0);
        assert_eq!(rule(Header { cooperative: EntryId([7; 32]), ..header }), 10);
        assert_eq!(rule(Header { prev: EntryId([7; 32]), ..header }), 13);
        assert_eq!(rule(Header { seq: 0, prev: EntryId::ZERO, ..header }), 20);
        assert_eq!(rule(Header { time: NOW + AHEAD_MS_MAX, ..header }), 0);
        assert_eq!(rule(Header { time: NOW + AHEAD_MS_MAX + 1, ..header }), 23);
        let stranger = SecretKey::from_seed(&[77; 32]);
        let strange = Header { device: stranger.device(), ..header };
        assert_eq!(refused(&book, sign(&stranger, &strange, &act).unwrap(), None), 12);
        let payload = Some(Payload::new(&[1; 32], b"nothing commits to it"));
        assert_eq!(refused(&book, sign(&key, &header, &act).unwrap(), payload), 17);
        // What it waits for may be on its way: no rule is broken.
        assert_eq!(rule(Header { seq: header.seq + 1, ..header }), 0);
        assert_eq!(rule(Header { basis: EntryId([7; 32]), ..header }), 0);
    }

    #[test]
    fn rule_24_an_act_of_a_later_version_is_not_sent() {
        let scenario = Scenario::parse(QUARTER).unwrap();
        let (book, key, header, _) = case(&scenario);
        let mut bytes = encode(&header);
        bytes.extend(900_u32.to_le_bytes());
        let signature = key.sign(Purpose::Entry, &statement(&bytes).unwrap());
        bytes.extend(signature.0);
        let submission = Submission::read(bytes, None).unwrap();
        assert_eq!(submission.examine(Some(&book), NOW), Err(Refused::Act { tag: 900 }));
    }
}
