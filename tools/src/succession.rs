//! From where a successor goes on with the register, by what the nodes say of it.
//!
//! An entry that some nodes hold and that is not settled stands in the way of another with its number
//! there. So a successor goes on behind the highest that fits what a quorum of nodes report, each
//! of which gives the old registrar's chains no new place, and adopts it (the design's model, section
//! 3; ledger, section 8, "Succession"). Who asks the nodes is the caller's business.

use std::collections::BTreeMap;

use talea_protocol::charter::Roster;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;

/// The register as a node has it that stands still for this successor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Who says it.
    pub node: NodeKey,
    /// Its entries behind the one that the calls name, in order.
    pub line: Vec<EntryId>,
}

/// Why nobody can go on with the register now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unready {
    /// Nodes that might still number the old registrar's entries.
    #[error(
        "the old registrar stands still at {standing} nodes, and {needed} must say so before \
         another goes on"
    )]
    Moving {
        /// Nodes of the roster that stand still.
        standing: usize,
        /// The quorum.
        needed: usize,
    },
    /// Two registers, neither of which as many nodes can go on with.
    #[error(
        "the nodes that stand still hold different registers: {fitting} of them fit one, and \
         {needed} must"
    )]
    Torn {
        /// Those that fit the register which most fit.
        fitting: usize,
        /// The quorum.
        needed: usize,
        /// Whether all nodes of the roster were heard: then it stays so.
        heard_all: bool,
    },
}

impl Unready {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Moving { .. } => {
                "have more members run `talea call`, and wait until their calls have reached the \
                 nodes; then try again"
            }
            Self::Torn { heard_all: false, .. } => {
                "wait until the other nodes answer, or name their addresses with `talea join`"
            }
            Self::Torn { heard_all: true, .. } => {
                "the registrar has signed two registers that as many nodes hold each: this one \
                 stays as it is; found the cooperative anew from an export"
            }
        }
    }
}

/// The entries behind the one that the calls name with which the register goes on: all that a node
/// which stands still holds, unless fewer than a quorum fit it.
///
/// # Errors
/// [`Unready`].
pub fn ground<'a>(roster: &Roster, reports: &'a [Report]) -> Result<&'a [EntryId], Unready> {
    let of_roster = reports.iter().filter(|it| roster.nodes.contains(&it.node));
    let lines: BTreeMap<NodeKey, &[EntryId]> =
        of_roster.map(|it| (it.node, it.line.as_slice())).collect();
    let (standing, needed) = (lines.len(), usize::from(roster.quorum));
    if standing < needed {
        return Err(Unready::Moving { standing, needed });
    }
    let fitting = |line: &[EntryId]| lines.values().filter(|it| line.starts_with(it)).count();
    let counted = lines.values().map(|line| (fitting(line), line.len(), *line));
    match counted.max() {
        Some((fitting, _, line)) if fitting >= needed => Ok(line),
        best => {
            let heard_all = standing == roster.nodes.len();
            Err(Unready::Torn { fitting: best.map_or(0, |it| it.0), needed, heard_all })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talea_protocol::bytes::List;

    fn roster(nodes: u8, quorum: u8) -> Roster {
        let nodes = (0..nodes).map(|node| NodeKey([node; 32])).collect();
        Roster { nodes: List::new(nodes).unwrap(), faulty: 0, quorum }
    }

    /// What the nodes from 0 on report, an entry a digit.
    fn reports(lines: &[&str]) -> Vec<Report> {
        let line = |line: &&str| line.bytes().map(|n| EntryId([n; 32])).collect();
        let all = (0..).zip(lines);
        all.map(|(node, it)| Report { node: NodeKey([node; 32]), line: line(it) }).collect()
    }

    fn line(nodes: u8, quorum: u8, lines: &[&str]) -> Result<String, Unready> {
        let reports = reports(lines);
        let found = ground(&roster(nodes, quorum), &reports)?;
        Ok(found.iter().map(|id| char::from(id.0[0])).collect())
    }

    #[test]
    fn a_successor_goes_on_behind_the_highest_entry_that_a_quorum_can_go_on_with() {
        assert_eq!(line(4, 3, &["", "", ""]), Ok(String::new()));
        assert_eq!(line(4, 3, &["ab", "a", ""]), Ok("ab".to_owned()));
        // What two of four hold, a successor that did not adopt it could not go past.
        assert_eq!(line(4, 3, &["a", "a", "", ""]), Ok("a".to_owned()));
        assert_eq!(line(4, 3, &["a", "b", "b", ""]), Ok("b".to_owned()));
        assert_eq!(line(5, 3, &["a", "", "", "b", "b"]), Ok("b".to_owned()));
    }

    #[test]
    fn fewer_nodes_than_settle_an_entry_are_no_ground_however_often_they_say_it() {
        let moving = Err(Unready::Moving { standing: 2, needed: 3 });
        assert_eq!(line(4, 3, &["a", "a"]), moving);
        let mut twice = reports(&["a", "a"]);
        twice.extend(reports(&["a"]));
        twice.push(Report { node: NodeKey([9; 32]), line: Vec::new() });
        let found = ground(&roster(4, 3), &twice).map(<[EntryId]>::len);
        assert_eq!(found, Err(Unready::Moving { standing: 2, needed: 3 }));
    }

    #[test]
    fn where_neither_of_two_registers_has_a_quorum_nobody_goes_on() {
        let torn = |fitting, heard_all| Err(Unready::Torn { fitting, needed: 3, heard_all });
        assert_eq!(line(4, 3, &["a", "b", "b"]), torn(2, false));
        assert_eq!(line(4, 3, &["a", "a", "b", "b"]), torn(2, true));
    }
}
