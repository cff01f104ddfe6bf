//! What nodes say of this wallet's chain, and whether it is safe to sign after that.
//!
//! A wallet that was restored from a backup may have signed more than it knows. Two statements in
//! one place freeze the device everywhere, so it asks first, and never signs below what a node
//! holds (the design's model, section 7). What a quorum holds, any quorum of nodes shows; what was
//! sent to a single node before the restore, only that node shows: so a wallet whose past is
//! unknown hears all of them, or says that it did not. It knows no socket.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use talea_protocol::charter::Roster;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};

use crate::journal::{Journal, JournalFault};
use crate::remedy;
use crate::witness::Past;

/// What a node says of a chain (`GET …/heads/{device}`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Who says it.
    pub node: NodeKey,
    /// The device's number; none where the node does not know it yet.
    pub number: Option<u32>,
    /// Entries that have a place there.
    pub length: u64,
    /// The last of them.
    pub head: Option<EntryId>,
    /// How many of them are settled.
    pub settled: u64,
    /// Where the chain has ended, if it has.
    pub ended: Option<Ended>,
    /// Why it gets no new place there, if it does not.
    pub frozen: Option<Frozen>,
    /// Roles for which alone it gets none: a decision gives them to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relieved: Vec<String>,
    /// The register as the node has it.
    pub register: Option<Numbered>,
    /// Who numbers it.
    pub registrar: Option<Numbering>,
    /// Entries that wait there for another: they may still get their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
}

/// An entry that has no place yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The place that it shall have.
    pub seq: u64,
    /// Which.
    pub id: EntryId,
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Number of the register entry that says so.
    pub by: u32,
    /// Entries that still count.
    pub length: u64,
}

/// Why a chain stands still.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    /// Since which place.
    pub from: u64,
    /// By which rule.
    pub rule: u16,
    /// Why.
    pub cause: String,
}

/// A register's newest entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Numbered {
    /// Its number.
    pub number: u32,
    /// The entry.
    pub head: EntryId,
}

/// Who numbers a register, and who shall instead.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Numbering {
    /// The registrar, by number.
    pub member: u32,
    /// Who was called to go on: the registrar stands still.
    pub successor: Option<u32>,
}

/// Why a wallet must not sign now.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsafe {
    /// A node holds more of the chain than the journal.
    #[error(
        "your wallet is older than what you have signed: it knows {here} entries of this device, \
         and {} holds {there}", short(.node)
    )]
    Behind {
        /// Entries in the journal.
        here: u64,
        /// Entries that the node holds.
        there: u64,
        /// Which.
        node: NodeKey,
    },
    /// The last export holds more of the chain than the journal.
    #[error(
        "your wallet is older than what you have signed: it knows {here} entries of this device, \
         and the last export holds {there}"
    )]
    Exported {
        /// Entries in the journal.
        here: u64,
        /// Entries in the export.
        there: u64,
    },
    /// A node holds another entry than the journal in a place.
    #[error(
        "place {seq} of this device is promised to {promised}, and {} holds {found} there",
        short(.node)
    )]
    Contrary {
        /// The place.
        seq: u64,
        /// What the journal has.
        promised: EntryId,
        /// What the node has.
        found: EntryId,
        /// Which.
        node: NodeKey,
    },
    /// Too few answer to know what was signed.
    #[error(
        "this wallet was restored, or never compared with its nodes, and {answered} of the \
         {needed} nodes that it takes say what this device has signed"
    )]
    TooFew {
        /// Nodes of the roster that answered.
        answered: usize,
        /// The quorum.
        needed: usize,
    },
    /// A quorum answers, but not all: what was sent to one of the others alone stays unknown.
    #[error(
        "this wallet was restored, or never compared with its nodes; what it sent to {} alone \
         before that, no other node shows", all(.silent)
    )]
    Silent {
        /// Nodes of the roster that did not answer.
        silent: Vec<NodeKey>,
    },
    /// An entry that the journal does not have is at a node, and may still get its place.
    #[error(
        "this wallet was restored, or never compared with its nodes, and {} has an entry of this \
         device for place {seq} that has no place there yet", short(.node)
    )]
    Waiting {
        /// The place.
        seq: u64,
        /// Where.
        node: NodeKey,
    },
    /// The chain gets no new place: what is signed now would stand in the way of what comes after.
    #[error("rule {rule}: your nodes give this device no new place: {cause}")]
    Still {
        /// By which rule: 21, or 22 where the chain has ended.
        rule: u16,
        /// Why.
        cause: String,
        /// Who says so.
        nodes: Vec<NodeKey>,
    },
}

impl Unsafe {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Behind { .. } | Self::Exported { .. } => {
                "run `talea catch-up`, which fetches what is missing, then sign again"
            }
            Self::Contrary { .. } => {
                "sign nothing more with this device: it was used in two places; add another with \
                 `talea device request`, and have this one healed or revoked"
            }
            Self::TooFew { .. } => {
                "wait until more nodes answer, or name their addresses with `talea join`, then \
                 `talea check-head`"
            }
            Self::Waiting { .. } => {
                "it has its place, or is sent away, within ten minutes: `talea check-head` then; \
                 --anyway signs although a fork may freeze this device"
            }
            Self::Silent { .. } => {
                "wait until they answer, or name their addresses with `talea join`; --anyway signs \
                 although a fork may freeze this device"
            }
            Self::Still { rule, .. } => remedy::next(*rule),
        }
    }
}

/// The first digits of a node's key.
fn short(node: &NodeKey) -> String {
    let key = node.to_string();
    format!("node {}", key.get(..8).unwrap_or_default())
}

/// "a", "a and b", "a, b and c".
fn all(nodes: &[NodeKey]) -> String {
    let mut names: Vec<String> = nodes.iter().map(short).collect();
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) }
}

impl Head {
    /// What a node that does not know the device says by that.
    #[must_use]
    pub const fn nothing(node: NodeKey) -> Self {
        let (number, length, head, settled) = (None, 0, None, 0);
        let (ended, frozen, register, registrar) = (None, None, None, None);
        Self {
            node,
            number,
            length,
            head,
            settled,
            ended,
            frozen,
            relieved: Vec::new(),
            register,
            registrar,
            waiting: Vec::new(),
        }
    }

    /// Whether this entry is the chain's last, as the node says: its device's signature shows that
    /// the node has not made it up.
    #[must_use]
    pub fn is_shown_by(&self, device: &DeviceKey, entry: &Signed) -> bool {
        let header = entry.header();
        header.device == *device && self.length == header.seq + 1 && self.head == Some(entry.id())
    }
}

/// Whether any node holds what is not promised here (the journal's ids, in their order), or
/// something else.
///
/// # Errors
/// [`Unsafe::Behind`], [`Unsafe::Contrary`].
pub fn compare(promised: &[EntryId], heads: &[Head]) -> Result<(), Unsafe> {
    let here = next(promised);
    let longest = heads.iter().max_by_key(|head| head.length);
    if let Some(head) = longest.filter(|head| head.length > here) {
        return Err(Unsafe::Behind { here, there: head.length, node: head.node });
    }
    for head in heads {
        let Some((seq, found)) = head.length.checked_sub(1).zip(head.head) else { continue };
        let kept = usize::try_from(seq).ok().and_then(|seq| promised.get(seq));
        if let Some(kept) = kept.filter(|kept| **kept != found) {
            let (promised, node) = (*kept, head.node);
            return Err(Unsafe::Contrary { seq, promised, found, node });
        }
    }
    Ok(())
}

fn next(promised: &[EntryId]) -> u64 {
    u64::try_from(promised.len()).unwrap_or(u64::MAX)
}

/// Whether enough nodes were heard to sign after this journal, and none of them has more of the chain
/// waiting: none need be heard if its past is unbroken.
///
/// # Errors
/// [`Unsafe::TooFew`], [`Unsafe::Silent`], [`Unsafe::Waiting`].
pub fn enough(
    promised: &[EntryId],
    past: Past,
    roster: &Roster,
    heads: &[Head],
) -> Result<(), Unsafe> {
    if past == Past::Unbroken {
        return Ok(());
    }
    let heard: BTreeSet<NodeKey> = heads.iter().map(|head| head.node).collect();
    let silent: Vec<NodeKey> =
        roster.nodes.iter().filter(|node| !heard.contains(node)).copied().collect();
    let answered = roster.nodes.len().saturating_sub(silent.len());
    let needed = usize::from(roster.quorum);
    if answered < needed {
        return Err(Unsafe::TooFew { answered, needed });
    }
    if !silent.is_empty() {
        return Err(Unsafe::Silent { silent });
    }
    let here = next(promised);
    let waits = |head: &Head| {
        let mut unknown = head.waiting.iter().filter(|it| it.seq >= here);
        unknown.next().map(|it| Unsafe::Waiting { seq: it.seq, node: head.node })
    };
    heads.iter().find_map(waits).map_or(Ok(()), Err)
}

/// Whether the chain may grow: refused if more nodes of the roster than may lie say that it stands
/// still, or has ended, before the journal's next place.
///
/// # Errors
/// [`Unsafe::Still`].
pub fn grows(journal: &Journal, roster: &Roster, heads: &[Head]) -> Result<(), Unsafe> {
    let (here, _) = journal.next();
    let mut still: Vec<(u16, String, NodeKey)> = Vec::new();
    for head in heads.iter().filter(|head| roster.nodes.contains(&head.node)) {
        if let Some(ended) = head.ended.filter(|ended| ended.length <= here) {
            let cause = format!("register entry {} has ended it", ended.by);
            still.push((22, cause, head.node));
        } else if let Some(frozen) = head.frozen.as_ref().filter(|frozen| frozen.from <= here) {
            still.push((frozen.rule, frozen.cause.clone(), head.node));
        }
    }
    if still.len() <= usize::from(roster.faulty) {
        return Ok(());
    }
    let nodes = still.iter().map(|(_, _, node)| *node).collect();
    match still.into_iter().max_by_key(|(rule, _, _)| *rule) {
        Some((rule, cause, _)) => Err(Unsafe::Still { rule, cause, nodes }),
        None => Ok(()),
    }
}

/// Both: whether it is safe to sign after this journal.
///
/// # Errors
/// [`Unsafe`], the first reason found.
pub fn check(
    promised: &[EntryId],
    past: Past,
    roster: &Roster,
    heads: &[Head],
) -> Result<(), Unsafe> {
    compare(promised, heads)?;
    enough(promised, past, roster, heads)
}

/// Takes over entries of this chain that a node gave, in their order, until one is none. Returns how
/// many are new.
///
/// # Errors
/// [`JournalFault`]; the journal has those before.
pub fn catch_up(
    journal: &mut Journal,
    device: &DeviceKey,
    cooperative: &EntryId,
    entries: &[Signed],
) -> Result<u64, JournalFault> {
    let (before, _) = journal.next();
    for entry in entries {
        let (next, last) = journal.next();
        let header = entry.header();
        if header.device != *device || entry.cooperative() != *cooperative {
            break;
        }
        if header.seq == next && header.prev != last {
            let (seq, promised, found) = (next.saturating_sub(1), last, header.prev);
            return Err(JournalFault::Fork { seq, promised, found });
        }
        journal.adopt(entry)?;
    }
    Ok(journal.next().0 - before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Draft;
    use talea_protocol::act::{Act, Attest};
    use talea_protocol::bytes::List;
    use talea_protocol::entry::{Header, SCHEME, VERSION};
    use talea_protocol::key::SecretKey;

    const HERE: EntryId = EntryId([1; 32]);

    fn key() -> SecretKey {
        SecretKey::from_seed(&[5; 32])
    }

    fn roster() -> Roster {
        let nodes = (0..3).map(|n| NodeKey([n; 32])).collect();
        Roster { nodes: List::new(nodes).unwrap(), faulty: 0, quorum: 2 }
    }

    #[test]
    fn a_chain_that_stands_still_at_more_nodes_than_may_lie_gets_no_signature() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&dir.path().join("journal")).unwrap();
        let free = |n: u8| Head::nothing(NodeKey([n; 32]));
        let still = |n: u8| {
            let frozen = Frozen { from: 0, rule: 21, cause: "it is reported".to_owned() };
            Head { frozen: Some(frozen), ..free(n) }
        };
        let ended = Head { ended: Some(Ended { by: 7, length: 0 }), ..free(2) };
        let roster = roster();
        assert_eq!(grows(&journal, &roster, &[free(0), free(1)]), Ok(()));
        let rule = |heads: &[Head]| match grows(&journal, &roster, heads) {
            Err(Unsafe::Still { rule, .. }) => rule,
            other => panic!("{other:?}"),
        };
        assert_eq!(rule(&[free(0), still(1)]), 21);
        assert_eq!(rule(&[still(1), ended]), 22);
        assert_eq!(grows(&journal, &roster, &[still(9)]), Ok(()), "a stranger's word is none");
        let one_may_lie = Roster { faulty: 1, ..roster.clone() };
        assert_eq!(grows(&journal, &one_may_lie, &[free(0), still(1)]), Ok(()));
        let Err(Unsafe::Still { nodes, .. }) = grows(&journal, &one_may_lie, &[still(0), still(1)])
        else {
            panic!("two of them do not lie both");
        };
        assert_eq!(nodes.len(), 2);
    }

    /// States in the journal's next place.
    fn state(journal: &mut Journal, what: u8) -> Signed {
        let (seq, prev) = journal.next();
        let (version, scheme, device) = (VERSION, SCHEME, key().device());
        let header = Header {
            version,
            scheme,
            cooperative: HERE,
            device,
            seq,
            prev,
            basis: HERE,
            time: 1,
            payload: None,
        };
        let act = Act::Attest(Attest { contribution: EntryId([what; 32]) });
        journal.promise(&Draft::new(header, &act, None).unwrap()).unwrap();
        journal.sign(seq, &key()).unwrap()
    }

    fn says(node: u8, journal: &Journal) -> Head {
        let (length, last) = journal.next();
        let head = (length > 0).then_some(last);
        Head { length, head, ..Head::nothing(NodeKey([node; 32])) }
    }

    #[test]
    fn nobody_signs_below_what_a_single_node_holds_and_catches_up_instead() {
        let dir = tempfile::tempdir().unwrap();
        let mut whole = Journal::open(&dir.path().join("whole")).unwrap();
        let mut restored = Journal::open(&dir.path().join("restored")).unwrap();
        let entries = [state(&mut whole, 1), state(&mut whole, 2)];
        let heads = [says(0, &restored), says(1, &whole), says(2, &restored)];
        for past in [Past::Unbroken, Past::Unknown] {
            let refused = check(&restored.ids(), past, &roster(), &heads);
            let node = NodeKey([1; 32]);
            assert_eq!(refused, Err(Unsafe::Behind { here: 0, there: 2, node }));
        }
        let device = key().device();
        assert!(heads[1].is_shown_by(&device, &entries[1]));
        assert!(!heads[1].is_shown_by(&device, &entries[0]));
        assert_eq!(catch_up(&mut restored, &device, &HERE, &entries).unwrap(), 2);
        assert_eq!(restored.next(), whole.next());
        assert_eq!(check(&restored.ids(), Past::Unknown, &roster(), &heads), Ok(()));
    }

    #[test]
    fn a_wallet_of_unknown_past_hears_a_quorum_and_is_told_who_is_silent() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&dir.path().join("journal")).unwrap();
        let heads: Vec<Head> = (0..3).map(|n| says(n, &journal)).collect();
        let ask = |past, count: usize| check(&journal.ids(), past, &roster(), &heads[..count]);
        assert_eq!(ask(Past::Unbroken, 0), Ok(()));
        assert_eq!(ask(Past::Unknown, 1), Err(Unsafe::TooFew { answered: 1, needed: 2 }));
        let silent = vec![NodeKey([2; 32])];
        assert_eq!(ask(Past::Unknown, 2), Err(Unsafe::Silent { silent }));
        assert_eq!(ask(Past::Unknown, 3), Ok(()));
        // One node three times is one node, and a stranger is none.
        let again = [says(0, &journal), says(0, &journal), says(9, &journal)];
        let refused = check(&journal.ids(), Past::Unknown, &roster(), &again);
        assert_eq!(refused, Err(Unsafe::TooFew { answered: 1, needed: 2 }));
    }

    #[test]
    fn what_waits_at_a_node_and_is_not_in_the_journal_keeps_a_restored_wallet_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&dir.path().join("journal")).unwrap();
        let mut heads: Vec<Head> = (0..3).map(|n| says(n, &journal)).collect();
        let entry = state(&mut Journal::open(&dir.path().join("lost")).unwrap(), 1);
        heads[1].waiting = vec![Waiting { seq: 0, id: entry.id() }];
        let refused = check(&journal.ids(), Past::Unknown, &roster(), &heads);
        assert_eq!(refused, Err(Unsafe::Waiting { seq: 0, node: NodeKey([1; 32]) }));
        // Who has lost nothing knows what waits.
        assert_eq!(check(&journal.ids(), Past::Unbroken, &roster(), &heads), Ok(()));
        journal.adopt(&entry).unwrap();
        assert_eq!(check(&journal.ids(), Past::Unknown, &roster(), &heads), Ok(()));
    }

    #[test]
    fn another_entry_in_a_promised_place_is_said_before_a_second_one_is_signed() {
        let dir = tempfile::tempdir().unwrap();
        let mut one = Journal::open(&dir.path().join("one")).unwrap();
        let mut other = Journal::open(&dir.path().join("other")).unwrap();
        let (promised, entry) = (state(&mut one, 1).id(), state(&mut other, 2));
        let refused = check(&one.ids(), Past::Unbroken, &roster(), &[says(1, &other)]);
        let (found, node) = (entry.id(), NodeKey([1; 32]));
        assert_eq!(refused, Err(Unsafe::Contrary { seq: 0, promised, found, node }));
        let further = state(&mut other, 3);
        let fork = catch_up(&mut one, &key().device(), &HERE, &[further]);
        assert!(matches!(fork, Err(JournalFault::Fork { seq: 0, .. })));
    }
}
