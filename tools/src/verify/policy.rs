//! What an auditor asks of an export beyond that it is right: pins and minima, from a TOML file.
//!
//! Without a policy every entry that the exporting node accepted must be settled. The clock is
//! the caller's.

use serde::Deserialize;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;

use super::status::Status;

/// What is asked. A key that is not one of these is an error.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The cooperative, by its id: another one's export is invalid.
    pub cooperative: Option<EntryId>,
    /// Nodes that the roster in force must name: one that it does not name makes the export invalid.
    /// A roster but the charter's is in force if the one before it has settled the change.
    #[serde(default)]
    pub nodes: Vec<NodeKey>,
    /// Entries that must be settled, at least. Not said: all that the exporting node accepted.
    pub settled: Option<u64>,
    /// Roster nodes that must have signed or cosigned the exporting node's checkpoint, at least.
    pub held_by: Option<u32>,
    /// Seconds since the checkpoint was last cosigned, at most.
    pub age_s: Option<u64>,
}

/// Why a policy is not met.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PolicyFault {
    /// Another cooperative.
    #[error("the policy asks for cooperative {wanted}, this is {found}")]
    Cooperative {
        /// The one that is pinned.
        wanted: EntryId,
        /// The one that is here.
        found: EntryId,
    },
    /// A pinned node is not in the roster.
    #[error("the policy asks for node {node} in the roster, which does not name it")]
    Node {
        /// The node.
        node: NodeKey,
    },
    /// Too few entries are settled.
    #[error("the policy asks for {wanted} settled entries, here are {found}")]
    Settled {
        /// How many are asked for.
        wanted: u64,
        /// How many there are.
        found: u64,
    },
    /// Too few nodes hold the checkpoint.
    #[error("the policy asks for a checkpoint held by {wanted} nodes, this is held by {found}")]
    HeldBy {
        /// How many are asked for.
        wanted: u32,
        /// How many there are.
        found: u32,
    },
    /// Too old.
    #[error("the policy asks for a checkpoint at most {wanted} s old, this is {found} s old")]
    Age {
        /// How many seconds are allowed.
        wanted: u64,
        /// How many there are.
        found: u64,
    },
}

impl PolicyFault {
    /// What follows from it.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Cooperative { .. } | Self::Node { .. } => Status::Invalid,
            Self::Settled { .. } | Self::HeldBy { .. } | Self::Age { .. } => Status::Incomplete,
        }
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// What is wrong with the text, as the reader of TOML says it.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_of_a_policy_is_an_error() {
        assert_eq!(Policy::parse(""), Ok(Policy::default()));
        let policy = Policy::parse("settled = 53\nage_s = 3600\nheld_by = 2").unwrap();
        assert_eq!((policy.settled, policy.age_s, policy.held_by), (Some(53), Some(3600), Some(2)));
        assert!(Policy::parse("setled = 53").is_err());
        assert!(Policy::parse("cooperative = \"xyz\"").is_err());
    }
}
