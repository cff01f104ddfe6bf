//! Checkpoints of logs: what a node says of its own, and what others have seen of it.
//!
//! bytes -[`Note::parse`]-> [`Note`] -[`Note::open`]-> [`Opened`]
//!
//! The formats are C2SP tlog-checkpoint and tlog-cosignature (`cosignature/v1`). Whether a
//! checkpoint follows from an earlier one is `proof`'s business, and how many cosigners are enough
//! is the ledger's. Section 9 of the README.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::hash::{Context, EntryId};
use crate::key::{NodeKey, SecretKey, Signature, verify};
use crate::note::{Algorithm, Note, NoteFault, SignatureLine, is_name};
use crate::tree::TreeHash;

/// The name of a node's log for a cooperative: it tells who knows both, and nobody else.
#[must_use]
pub fn origin(cooperative: &EntryId, node: &NodeKey) -> String {
    format!("talea/log/{}", Context::Origin.hash(&[&cooperative.0, &node.0]))
}

/// The name under which a node cosigns the checkpoints of others.
#[must_use]
pub fn cosigner(node: &NodeKey) -> String {
    format!("talea/node/{node}")
}

/// Why a note is not the checkpoint of a log. The sender's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CheckpointFault {
    /// Not a note at all.
    #[error(transparent)]
    Note(#[from] NoteFault),
    /// Not an origin, a size and a root, one a line, or more than these.
    #[error("not the three lines of a checkpoint")]
    Body,
    /// Another cooperative's log, or another node's.
    #[error("not a checkpoint of the log that node {node} keeps for this cooperative")]
    Origin {
        /// The node whose log was expected.
        node: NodeKey,
    },
    /// The log's own signature is missing.
    #[error("node {node} has not signed this checkpoint of its log")]
    Unsigned {
        /// The node whose log it is.
        node: NodeKey,
    },
    /// A line that names a known key and was not made with it, for this text.
    #[error("a signature under the name of node {node} is not its own")]
    Forged {
        /// The node that is named.
        node: NodeKey,
    },
}

/// What a log says of itself: its name, how many leaves it has, and their root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The log's name, as [`origin`] gives it.
    pub origin: String,
    /// How many leaves the log has.
    pub size: u64,
    /// The root of its tree at that size.
    pub root: TreeHash,
}

impl Checkpoint {
    /// The checkpoint as a note, signed by the node whose log it is.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> Note {
        let text = self.to_string();
        let signature = key.sign_raw(text.as_bytes()).0.to_vec();
        let line = SignatureLine::new(self.origin.clone(), Algorithm::Note, &key.node(), signature);
        Note::new(text, line)
    }

    /// A witness's line under the checkpoint: that at this time, in seconds since 1970 UTC, it is
    /// the largest consistent one that the witness has seen of this log. The caller knows that.
    #[must_use]
    pub fn cosign(&self, key: &SecretKey, seconds: u64) -> SignatureLine {
        let message = cosigned_message(seconds, &self.to_string());
        let signature = key.sign_raw(message.as_bytes());
        let blob = [seconds.to_be_bytes().as_slice(), &signature.0].concat();
        SignatureLine::new(cosigner(&key.node()), Algorithm::Cosignature, &key.node(), blob)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointFault;

    /// Reads the three lines; extension lines are refused, since nobody could audit them.
    fn from_str(text: &str) -> Result<Self, CheckpointFault> {
        let mut lines = text.split('\n');
        let mut line = || lines.next().ok_or(CheckpointFault::Body);
        let (origin, size, root) = (line()?.to_owned(), line()?, line()?);
        let size = size.parse().map_err(|_| CheckpointFault::Body)?;
        let root = STANDARD.decode(root).map_err(|_| CheckpointFault::Body)?;
        let root = TreeHash(root.try_into().map_err(|_| CheckpointFault::Body)?);
        let checkpoint = Self { origin, size, root };
        // What was read leniently, or left over, is not what we would write.
        if is_name(&checkpoint.origin) && checkpoint.to_string() == text {
            Ok(checkpoint)
        } else {
            Err(CheckpointFault::Body)
        }
    }
}

/// A checkpoint that its log has signed, and who of the roster has cosigned it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    checkpoint: Checkpoint,
    cosignatures: Vec<(NodeKey, u64)>,
}

impl Opened {
    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Cosigners and their times, in seconds since 1970 UTC, each cosigner once, in order of key.
    #[must_use]
    pub fn cosignatures(&self) -> &[(NodeKey, u64)] {
        &self.cosignatures
    }
}

/// Reads and opens the checkpoint of the log that `node` keeps for `cooperative`.
///
/// # Errors
/// [`CheckpointFault`], the first found.
pub fn open(
    note: &[u8],
    cooperative: &EntryId,
    node: &NodeKey,
    roster: &[NodeKey],
) -> Result<Opened, CheckpointFault> {
    Note::parse(note)?.open(cooperative, node, roster)
}

impl Note {
    /// Opens the checkpoint of the log that `node` keeps for `cooperative`.
    ///
    /// Signatures by keys other than `node`'s and the `roster`'s are passed over. A time from a
    /// cosignature is its cosigner's claim; of several by one key, the earliest counts.
    ///
    /// # Errors
    /// [`CheckpointFault`], the first found.
    pub fn open(
        &self,
        cooperative: &EntryId,
        node: &NodeKey,
        roster: &[NodeKey],
    ) -> Result<Opened, CheckpointFault> {
        let checkpoint: Checkpoint = self.text().parse()?;
        if checkpoint.origin != origin(cooperative, node) {
            return Err(CheckpointFault::Origin { node: *node });
        }
        if !self.is_signed_by(&checkpoint.origin, node)? {
            return Err(CheckpointFault::Unsigned { node: *node });
        }
        let mut cosignatures = BTreeMap::new();
        for member in roster {
            if let Some(seconds) = self.cosigned_by(member)? {
                cosignatures.insert(*member, seconds);
            }
        }
        Ok(Opened { checkpoint, cosignatures: cosignatures.into_iter().collect() })
    }

    fn is_signed_by(&self, origin: &str, node: &NodeKey) -> Result<bool, CheckpointFault> {
        let mut signed = false;
        for signature in self.made_with(origin, Algorithm::Note, node) {
            let signature =
                signature.try_into().map_err(|_| CheckpointFault::Forged { node: *node })?;
            if !verify(&node.0, &Signature(signature), self.text().as_bytes()) {
                return Err(CheckpointFault::Forged { node: *node });
            }
            signed = true;
        }
        Ok(signed)
    }

    fn cosigned_by(&self, node: &NodeKey) -> Result<Option<u64>, CheckpointFault> {
        let mut earliest = None;
        for blob in self.made_with(&cosigner(node), Algorithm::Cosignature, node) {
            let seconds = cosigned_at(blob, node, self.text());
            let seconds = seconds.ok_or(CheckpointFault::Forged { node: *node })?;
            earliest = Some(earliest.map_or(seconds, |earlier: u64| earlier.min(seconds)));
        }
        Ok(earliest)
    }
}

/// When `node` made this cosignature of `text`; `None` if it did not.
fn cosigned_at(blob: &[u8], node: &NodeKey, text: &str) -> Option<u64> {
    let (time, signature) = blob.split_first_chunk::<8>()?;
    let seconds = u64::from_be_bytes(*time);
    let signature = Signature(signature.try_into().ok()?);
    let message = cosigned_message(seconds, text);
    (i64::try_from(seconds).is_ok() && verify(&node.0, &signature, message.as_bytes()))
        .then_some(seconds)
}

/// What a cosignature signs (tlog-cosignature, "Ed25519 signed message").
fn cosigned_message(seconds: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOPERATIVE: EntryId = EntryId([7; 32]);

    fn secret(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    fn node(n: u8) -> NodeKey {
        secret(n).node()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: origin(&COOPERATIVE, &node(1)),
            size: 20_852_163,
            root: TreeHash([9; 32]),
        }
    }

    /// Node 1's checkpoint, cosigned by node 2 at 1,000 and by node 3 at 2,000.
    fn cosigned() -> Note {
        let mut note = checkpoint().sign(&secret(1));
        note.add(checkpoint().cosign(&secret(2), 1000)).unwrap();
        note.add(checkpoint().cosign(&secret(3), 2000)).unwrap();
        note
    }

    fn opened(note: &Note, roster: &[NodeKey]) -> Result<Vec<(NodeKey, u64)>, CheckpointFault> {
        let opened = open(note.to_string().as_bytes(), &COOPERATIVE, &node(1), roster)?;
        assert_eq!(*opened.checkpoint(), checkpoint());
        Ok(opened.cosignatures().to_vec())
    }

    /// `note` with its signature line at `line` replaced.
    fn with_line(note: &Note, line: usize, other: &str) -> Note {
        let old = note.signatures()[line].to_string();
        Note::parse(note.to_string().replace(&old, other).as_bytes()).unwrap()
    }

    #[test]
    fn a_checkpoint_is_opened_with_the_times_of_the_roster_and_of_nobody_else() {
        assert_eq!(opened(&cosigned(), &[]), Ok(vec![]));
        assert_eq!(opened(&cosigned(), &[node(3), node(4)]), Ok(vec![(node(3), 2000)]));
        let mut both = vec![(node(2), 1000), (node(3), 2000)];
        both.sort_unstable();
        assert_eq!(opened(&cosigned(), &[node(3), node(2), node(2)]), Ok(both));
    }

    #[test]
    fn the_log_itself_must_have_signed() {
        let line = checkpoint().cosign(&secret(2), 1);
        let unsigned = with_line(&checkpoint().sign(&secret(1)), 0, &line.to_string());
        let fault = CheckpointFault::Unsigned { node: node(1) };
        assert_eq!(opened(&unsigned, &[node(2)]), Err(fault));
        // Right name, but an id that is no known key's: signed by a stranger, so passed over.
        assert_eq!(opened(&checkpoint().sign(&secret(2)), &[]), Err(fault));
    }

    #[test]
    fn a_checkpoint_of_another_log_is_refused() {
        let note = cosigned();
        for (cooperative, key) in [(EntryId([8; 32]), node(1)), (COOPERATIVE, node(2))] {
            let fault = CheckpointFault::Origin { node: key };
            assert_eq!(note.open(&cooperative, &key, &[]), Err(fault));
        }
    }

    #[test]
    fn a_false_signature_in_a_known_name_refuses_the_whole_note() {
        let other = Checkpoint { size: 1, ..checkpoint() };
        let log = with_line(&cosigned(), 0, &other.sign(&secret(1)).signatures()[0].to_string());
        assert_eq!(opened(&log, &[]), Err(CheckpointFault::Forged { node: node(1) }));

        let cosigner = with_line(&cosigned(), 2, &other.cosign(&secret(3), 2000).to_string());
        assert_eq!(opened(&cosigner, &[node(2)]), Ok(vec![(node(2), 1000)]));
        let forged = Err(CheckpointFault::Forged { node: node(3) });
        assert_eq!(opened(&cosigner, &[node(2), node(3)]), forged);
    }

    #[test]
    fn a_cosignature_holds_for_its_own_time_only() {
        let genuine = checkpoint().cosign(&secret(3), 2000).to_string();
        let (name, blob) = genuine.rsplit_once(' ').unwrap();
        let mut blob = STANDARD.decode(blob).unwrap();
        blob[11] ^= 1;
        let moved = format!("{name} {}", STANDARD.encode(&blob));
        let forged = Err(CheckpointFault::Forged { node: node(3) });
        assert_eq!(opened(&with_line(&cosigned(), 2, &moved), &[node(3)]), forged);
        let short = format!("{name} {}", STANDARD.encode(&blob[..75]));
        assert_eq!(opened(&with_line(&cosigned(), 2, &short), &[node(3)]), forged);
    }

    #[test]
    fn the_last_time_is_2_to_the_63_less_one() {
        let last = u64::MAX >> 1;
        for (seconds, verdict) in [
            (last, Ok(vec![(node(2), last)])),
            (last + 1, Err(CheckpointFault::Forged { node: node(2) })),
        ] {
            let mut note = checkpoint().sign(&secret(1));
            note.add(checkpoint().cosign(&secret(2), seconds)).unwrap();
            assert_eq!(opened(&note, &[node(2)]), verdict);
        }
    }

    #[test]
    fn of_two_times_by_one_cosigner_the_earlier_counts_in_any_order() {
        let lines = [3000, 500].map(|time| checkpoint().cosign(&secret(3), time).to_string());
        for doubled in [lines.join("\n"), format!("{}\n{}", lines[1], lines[0])] {
            let note = with_line(&cosigned(), 2, &doubled);
            assert_eq!(note.signatures().len(), 4);
            assert_eq!(opened(&note, &[node(3)]), Ok(vec![(node(3), 500)]));
        }
        let mut note = cosigned();
        note.add(checkpoint().cosign(&secret(3), 3000)).unwrap();
        assert_eq!(opened(&note, &[node(3)]), Ok(vec![(node(3), 3000)]), "added in its place");
    }

    #[test]
    fn a_checkpoint_has_three_lines_and_one_way_to_write_them() {
        let text = checkpoint().to_string();
        let [name, size, root] = *text.lines().collect::<Vec<_>>() else { panic!() };
        assert_eq!(text.parse(), Ok(checkpoint()));
        for bad in [
            format!("{text}extension\n"),
            format!("{text}\n"),
            text.trim_end().to_owned(),
            format!("{name}\n0{size}\n{root}\n"),
            format!("{name}\n+{size}\n{root}\n"),
            format!("{name}\n-1\n{root}\n"),
            format!("{name}\n18446744073709551616\n{root}\n"),
            format!("{name}\n{size}\n{}\n", root.trim_end_matches('=')),
            format!("{name}\n{size}\nAAAA\n"),
            format!("{name}\n{size}\n{}\n", root.replace('k', "l").replace("l=", "m=")),
            format!("\n{size}\n{root}\n"),
            format!("a b\n{size}\n{root}\n"),
            format!("{name}\r\n{size}\r\n{root}\r\n"),
            String::new(),
        ] {
            assert_eq!(bad.parse::<Checkpoint>(), Err(CheckpointFault::Body), "{bad:?}");
        }
    }

    /// A promise to others: these bytes were checked with tools that are not ours.
    #[test]
    fn a_cosigned_checkpoint_has_these_bytes() {
        assert_eq!(
            cosigned().to_string(),
            "\
talea/log/ffcb0ddfc29fdf80ec82343a12c4165b86c3081f76706482191ab4291999ee2d
20852163
CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=

— talea/log/ffcb0ddfc29fdf80ec82343a12c4165b86c3081f76706482191ab4291999ee2d \
FKzcXROUbtFKV/CzPfqZeN4wuKSYQv1oGpKK/VsUmLcXWvPIB52k0lW7U7u1R7XAMF2yxBCP+rpa2KhsqbJ1hchNZgc=
— talea/node/8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394 \
9/CzDAAAAAAAAAPoHnCEQni9scotivKNyprqFtS7q/q5UL13Rmn88PXhLXqryIQHQdVtS12K7KwUm+CTT2SwjWza690Jl8//4bUZAA==
— talea/node/ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1 \
M7nuyQAAAAAAAAfQoitE/btiohA+JqTdXWFQkcywkn/5FBnC/UBnd1GkvuOdPeZXX+RxwXVydlMEQ7e5z1pHEH5q75ALvsbAFYXNCQ==
"
        );
    }
}
