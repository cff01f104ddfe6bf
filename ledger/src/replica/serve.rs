//! What a follower gets of a log: planned here, read by whoever has the disk.

use talea_protocol::bytes::{List, Octets};
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_protocol::leaf::ACCEPT;
use talea_protocol::message::{
    BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX, Form, Item, LEAVES_MAX, Message, NAMES_MAX,
};
use talea_protocol::sync::Serve;
use talea_protocol::tile::push_leaf;

use super::Replica;
use super::own::OwnLeaf;

/// Parts planned for one frame; a frame's list of items has as many at most.
const PARTS_MAX: usize = talea_protocol::message::ITEMS_MAX;

/// A run of leaves to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// With their bytes: `count` leaves of this node's own log.
    Read {
        /// The first.
        leaf: u64,
        /// How many.
        count: u32,
    },
    /// One that accepts the entry which this leaf of the own log takes over.
    Taken {
        /// The leaf.
        leaf: u64,
    },
    /// By name.
    Known(Vec<EntryId>),
    /// By reference to the follower's own log.
    Copy {
        /// The first leaf there.
        from: u64,
        /// How many.
        count: u32,
    },
    /// With these bytes.
    Leaf(Vec<u8>),
}

/// A frame's worth of leaves, or more than that.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Of which cooperative.
    pub cooperative: EntryId,
    /// To whom.
    pub peer: NodeKey,
    /// Whose log.
    pub log: NodeKey,
    /// Place of the first leaf.
    pub from: u64,
    /// The leaves.
    pub parts: Vec<Part>,
    /// The log's note, to be sent if the frame ends at `reach`.
    pub note: Vec<u8>,
    /// The size that the note is for.
    pub reach: u64,
}

impl Replica {
    /// Plans a frame of a log.
    pub(super) fn parts(&self, serve: &Serve) -> Parts {
        let (reach, note) = if serve.log == self.me {
            let (reach, note) = self.own.reach(serve.from, serve.to);
            (reach, note.map(ToString::to_string).unwrap_or_default().into_bytes())
        } else {
            let mirror = self.mirrors.get(&serve.log);
            (serve.to, mirror.map(|mirror| mirror.note.clone()).unwrap_or_default())
        };
        let to = reach.min(serve.from.saturating_add(LEAVES_MAX));
        let mut parts = Vec::new();
        for index in serve.from..to {
            let part = if serve.log == self.me {
                self.own_part(index, serve)
            } else {
                self.mirror_part(index, serve)
            };
            let Some(part) = part else { break };
            join(&mut parts, part);
            if parts.len() > PARTS_MAX {
                parts.pop();
                break;
            }
        }
        let Serve { peer, log, from, .. } = *serve;
        Parts { cooperative: self.cooperative, peer, log, from, parts, note, reach }
    }

    fn own_part(&self, index: u64, serve: &Serve) -> Option<Part> {
        let read = Part::Read { leaf: index, count: 1 };
        let OwnLeaf::Accept { device, seq, origin } = self.own_leaf(index)? else {
            return Some(read);
        };
        let place = self.places.at(device, seq)?;
        let follower = self.node_number(&serve.peer);
        Some(match (origin, follower) {
            (Some((node, leaf)), Some(follower)) if node == follower => {
                Part::Copy { from: u64::from(leaf), count: 1 }
            }
            (_, Some(_)) if self.is_held_by(device, seq, &serve.peer) => {
                Part::Known(vec![place.id])
            }
            (Some(_), _) if serve.form == Form::Named => Part::Known(vec![place.id]),
            _ => read,
        })
    }

    fn mirror_part(&self, index: u64, serve: &Serve) -> Option<Part> {
        let mirror = self.mirrors.get(&serve.log)?;
        let order = usize::try_from(index).ok().and_then(|index| mirror.order.get(index))?;
        let Some((device, seq)) = order else {
            return mirror.others.get(&index).cloned().map(Part::Leaf);
        };
        let place = self.places.at(*device, *seq)?;
        // Who asks for its own log has lost it.
        let holds = serve.log != serve.peer && self.is_held_by(*device, *seq, &serve.peer);
        match serve.form {
            // Not on disk yet: the frame ends here, and goes on when it is.
            Form::Whole if !holds && place.leaf >= self.own.published => None,
            Form::Whole if !holds && self.takes_over(place.leaf) => {
                Some(Part::Taken { leaf: place.leaf })
            }
            Form::Whole if !holds => Some(Part::Read { leaf: place.leaf, count: 1 }),
            Form::Whole | Form::Named => Some(Part::Known(vec![place.id])),
        }
    }
}

impl Replica {
    /// Whether a leaf of this node's own log is not the one by which another accepts its entry.
    fn takes_over(&self, leaf: u64) -> bool {
        matches!(self.own_leaf(leaf), Some(OwnLeaf::Resolve { .. }))
    }
}

/// Adds a leaf to the last part if it goes on where that ends.
fn join(parts: &mut Vec<Part>, part: Part) {
    match (parts.last_mut(), part) {
        (Some(Part::Read { leaf, count }), Part::Read { leaf: next, .. })
            if *leaf + u64::from(*count) == next =>
        {
            *count += 1;
        }
        (Some(Part::Copy { from, count }), Part::Copy { from: next, .. })
            if *from + u64::from(*count) == next =>
        {
            *count += 1;
        }
        (Some(Part::Known(ids)), Part::Known(more)) if ids.len() < NAMES_MAX => ids.extend(more),
        (_, part) => parts.push(part),
    }
}

/// Makes the frame: as many leaves as fit. Returns it with the first leaf that did not.
///
/// `read` calls back with the bytes of `count` leaves of this node's own log from a place on, in
/// order, until it is told `false`.
pub fn leaves(
    parts: &Parts,
    mut read: impl FnMut(u64, u32, &mut dyn FnMut(&[u8]) -> bool),
) -> Option<(Message, u64)> {
    let mut frame = Frame::default();
    for part in &parts.parts {
        let whole = match part {
            Part::Read { leaf, count } => {
                let before = frame.leaves;
                read(*leaf, *count, &mut |bytes| frame.leaf(bytes));
                frame.leaves - before == u64::from(*count)
            }
            Part::Taken { leaf } => {
                let mut whole = false;
                read(*leaf, 1, &mut |bytes| {
                    let entry = bytes.get(1..).unwrap_or_default();
                    whole = frame.leaf(&[&[ACCEPT], entry].concat());
                    whole
                });
                whole
            }
            Part::Leaf(bytes) => frame.leaf(bytes),
            Part::Known(ids) => frame.known(ids),
            Part::Copy { from, count } => {
                frame.close_bundle();
                let (log, from, count) = (parts.peer, *from, *count);
                frame.items.push(Item::Copy { log, from, count });
                frame.leaves += u64::from(count);
                true
            }
        };
        if !whole {
            break;
        }
    }
    frame.close_bundle();
    let next = parts.from + frame.leaves;
    let checkpoint = if next == parts.reach { parts.note.clone() } else { Vec::new() };
    let message = Message::Leaves {
        cooperative: parts.cooperative,
        log: parts.log,
        from: parts.from,
        items: List::new(frame.items)?,
        checkpoint: Octets::<CHECKPOINT_BYTES_MAX>::new(checkpoint)?,
    };
    (frame.leaves > 0).then_some((message, next))
}

/// A frame being filled. Bundles and names share one budget of bytes.
#[derive(Default)]
struct Frame {
    items: Vec<Item>,
    bundle: Vec<u8>,
    used: usize,
    leaves: u64,
}

impl Frame {
    /// Adds a leaf if it fits.
    fn leaf(&mut self, bytes: &[u8]) -> bool {
        if self.used + bytes.len() + 2 > BUNDLE_BYTES_MAX
            || push_leaf(&mut self.bundle, bytes).is_err()
        {
            return false;
        }
        self.used += bytes.len() + 2;
        self.leaves += 1;
        true
    }

    /// Adds names if they fit, all or none.
    fn known(&mut self, ids: &[EntryId]) -> bool {
        let bytes = ids.len() * 32 + 16;
        let Some(list) = List::new(ids.to_vec()) else { return false };
        if self.used + bytes > BUNDLE_BYTES_MAX {
            return false;
        }
        self.close_bundle();
        self.used += bytes;
        self.leaves += u64::try_from(ids.len()).unwrap_or(u64::MAX);
        self.items.push(Item::Known(list));
        true
    }

    fn close_bundle(&mut self) {
        if let Some(bundle) =
            Octets::new(std::mem::take(&mut self.bundle)).filter(|b| !b.is_empty())
        {
            self.items.push(Item::Bundle(bundle));
        }
    }
}
