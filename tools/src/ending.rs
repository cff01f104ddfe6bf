//! How much of a chain that ends still counts, from what the nodes say of it.
//!
//! A cut below an entry that a quorum may still settle would be refused, or would take back what is
//! settled (ledger, section 8, "Cut"): so it is the farthest that nodes which stand still have come,
//! and as many of them must say so as settle an entry. Who asks the nodes is the caller's business.

use std::collections::BTreeSet;

use talea_ledger::register::Register;
use talea_protocol::bytes::List;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;

use crate::heads::Head;

/// Why no cut can be signed now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Uncut {
    /// Nodes that might still give the chain a place.
    #[error(
        "device {device} stands still at {standing} nodes, and {needed} must say so before its end \
         can be named"
    )]
    Moving {
        /// The device's number.
        device: u32,
        /// Nodes of the roster that give it no new place.
        standing: usize,
        /// The quorum.
        needed: usize,
    },
    /// Too few nodes were heard.
    #[error("{heard} nodes say how far device {device} has come, and {needed} must")]
    Unheard {
        /// The device's number.
        device: u32,
        /// Nodes of the roster that answered.
        heard: usize,
        /// The quorum.
        needed: usize,
    },
    /// Two branches.
    #[error(
        "the nodes hold different entries of device {device} before place {length}: {one} and {other}"
    )]
    Forked {
        /// The device's number.
        device: u32,
        /// Entries that both hold.
        length: u64,
        /// What one holds.
        one: EntryId,
        /// What another holds.
        other: EntryId,
    },
    /// Beyond what a cut can say.
    #[error("the chains are longer, or more, than a cut can name")]
    Large,
}

impl Uncut {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Moving { .. } => {
                "have the ground stated first (`talea device report`, `talea leave`, a decision), or \
                 wait until more nodes hold it"
            }
            Self::Unheard { .. } => "wait until more nodes answer, or name them with `talea join`",
            Self::Forked { .. } => "heal the chain first: `talea forks`, then `talea heal`",
            Self::Large => "report this",
        }
    }
}

/// A chain that ends, and what the nodes say of it.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The device's number.
    pub device: u32,
    /// Every node's word.
    pub heads: Vec<Head>,
}

/// The cut behind which nothing of these chains counts, numbered at the register's head.
///
/// `still` asks for a quorum of nodes that give the chain no new place; where a role alone is handed
/// over, the chain goes on, and a quorum's word how far it has come is enough.
///
/// # Errors
/// [`Uncut`].
pub fn cut(register: &Register, chains: &[Chain], still: bool) -> Result<Cut, Uncut> {
    let (mut root, mut lengths) = (CutRoot::new(), Vec::new());
    let mut chains: Vec<&Chain> = chains.iter().collect();
    chains.sort_by_key(|chain| chain.device);
    for chain in chains {
        let Some((length, last)) = tip(register, chain, still)? else { continue };
        let at = usize::try_from(chain.device).map_err(|_| Uncut::Large)?;
        lengths.resize(at + 1, 0);
        if let Some(slot) = lengths.last_mut() {
            *slot = length;
        }
        if let Some(record) = register.record(chain.device) {
            root.add(&record.key, length, &last);
        }
    }
    let lengths = List::try_from(lengths).map_err(|_| Uncut::Large)?;
    Ok(Cut { at: register.head().1, lengths, root: root.finish() })
}

/// The farthest that a node which counts has come; nothing for an empty chain.
fn tip(register: &Register, chain: &Chain, still: bool) -> Result<Option<(u32, EntryId)>, Uncut> {
    let (device, roster) = (chain.device, register.roster());
    let of_roster = |head: &&Head| roster.nodes.contains(&head.node);
    let stands = |head: &&Head| !still || head.frozen.is_some() || head.ended.is_some();
    let counted: Vec<&Head> = chain.heads.iter().filter(of_roster).filter(stands).collect();
    let nodes: BTreeSet<NodeKey> = counted.iter().map(|head| head.node).collect();
    let (given, needed) = (nodes.len(), usize::from(roster.quorum));
    if given < needed {
        return Err(match still {
            true => Uncut::Moving { device, standing: given, needed },
            false => Uncut::Unheard { device, heard: given, needed },
        });
    }
    let tips = || counted.iter().filter_map(|head| Some((head.length, head.head?)));
    let Some((length, last)) = tips().max_by_key(|(length, _)| *length) else { return Ok(None) };
    if let Some((_, other)) = tips().find(|(there, id)| *there == length && *id != last) {
        return Err(Uncut::Forked { device, length, one: last, other });
    }
    let length = u32::try_from(length).map_err(|_| Uncut::Large)?;
    Ok((length > 0).then_some((length, last)))
}
