//! One place of a chain while the roster changes: from the old nodes' logs to the new ones'.
//!
//! Once the change is settled, an old node closes its log; a new one starts when it has imported
//! what a quorum of closed logs holds: its locks. A place for which they name one entry is given to
//! that one alone; one for which they name two is given to none until the old roster's closed logs
//! show one dead. Some nodes may be of both rosters. The design's model, section 7.

use super::roster::Shape;

/// A set of the two entries, a bit for each.
type Ids = u8;

/// How a roster changes; a planted bug is another value.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The old roster.
    pub old: Shape,
    /// The new one.
    pub new: Shape,
    /// How many honest nodes are of both.
    pub both: usize,
    /// How many closed logs are imported.
    pub imported: usize,
    /// Locks are imported at all.
    pub keeps_locks: bool,
    /// A node gives no place after it has closed its log.
    pub stops: bool,
    /// Two ids in one place: none is taken. Otherwise the first that comes.
    pub waits_if_torn: bool,
    /// Whose logs must show a branch dead.
    pub evidence: Evidence,
}

/// Whose logs must show a branch dead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// The old roster's.
    Old,
    /// The new roster's.
    New,
    /// Those of each.
    Both,
}

impl Rules {
    /// As they should be.
    #[must_use]
    pub const fn of(old: Shape, new: Shape, both: usize) -> Self {
        Self {
            old,
            new,
            both,
            imported: old.quorum,
            keeps_locks: true,
            stops: true,
            waits_if_torn: true,
            evidence: Evidence::Both,
        }
    }
}

/// A log of the old roster.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Old {
    /// Entries with a leaf.
    pub holds: Ids,
    /// Whether it is closed.
    pub closed: bool,
}

/// A log of the new roster.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct New {
    /// What the imported logs hold, once they are imported.
    pub locks: Option<Ids>,
    /// Entries with a leaf.
    pub holds: Ids,
    /// What it held when the proof of the fork came, if it came: it takes nothing from then on.
    pub proven: Option<Ids>,
}

/// An honest node: its part in either roster.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Node {
    /// In the old one.
    pub old: Option<Old>,
    /// In the new one.
    pub new: Option<New>,
}

/// The honest nodes, in no order, and what a heal adopts.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Change {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The entry that a heal adopts in the new roster; 0 if it ends the chain.
    pub heal: Option<Ids>,
}

const BOTH: Ids = 3;

impl Rules {
    /// Nothing has come yet.
    #[must_use]
    pub fn start(&self) -> Change {
        let (old, new) = (Some(Old::default()), Some(New::default()));
        let mut nodes = vec![Node { old, new }; self.both];
        nodes.extend(vec![Node { old, new: None }; self.old.honest() - self.both]);
        nodes.extend(vec![Node { old: None, new }; self.new.honest() - self.both]);
        nodes.sort_unstable();
        Change { nodes, heal: None }
    }

    /// What may happen next.
    #[must_use]
    pub fn next(&self, change: &Change) -> Vec<Change> {
        let mut next = Vec::new();
        for number in 0..change.nodes.len() {
            for node in self.moves(change, change.nodes[number]) {
                let mut after = change.clone();
                after.nodes[number] = node;
                after.nodes.sort_unstable();
                next.push(after);
            }
        }
        if change.heal.is_none() {
            next.extend(
                self.heals(change)
                    .into_iter()
                    .map(|it| Change { heal: Some(it), ..change.clone() }),
            );
        }
        next
    }

    /// No two entries are settled, whether by the old roster's logs or by the new one's.
    #[must_use]
    pub fn broken(&self, change: &Change) -> Option<String> {
        let both =
            [1, 2].iter().all(|id| self.settled_old(change, *id) || self.settled_new(change, *id));
        both.then(|| "both entries are settled".to_owned())
    }

    fn settled_old(&self, change: &Change, id: Ids) -> bool {
        let logs = change.nodes.iter().filter_map(|node| node.old);
        self.old.settles(logs.filter(|log| log.holds & id != 0).count())
    }

    fn settled_new(&self, change: &Change, id: Ids) -> bool {
        let logs = change.nodes.iter().filter_map(|node| node.new);
        self.new.settles(logs.filter(|log| log.holds & id != 0).count())
    }

    fn moves(&self, change: &Change, node: Node) -> Vec<Node> {
        let mut moves = Vec::new();
        if let Some(old) = node.old {
            let put = |old| Node { old: Some(old), ..node };
            for id in [1, 2] {
                let open = !old.closed || !self.stops;
                let over = self.settled_old(change, id) && old.holds & id == 0;
                if open && (old.holds == 0 || over) {
                    moves.push(put(Old { holds: old.holds | id, ..old }));
                }
            }
            if !old.closed {
                moves.push(put(Old { closed: true, ..old }));
            }
        }
        if let Some(new) = node.new {
            let put = |new| Node { new: Some(new), ..node };
            moves.extend(self.takes(change, new).into_iter().map(put));
            if new.locks.is_none() {
                let locks = |locks| put(New { locks: Some(locks), ..new });
                moves.extend(self.imports(change, node).into_iter().map(locks));
            }
        }
        moves
    }

    fn takes(&self, change: &Change, new: New) -> Vec<New> {
        let Some(locks) = new.locks else { return Vec::new() };
        let takes = |id: &Ids| {
            let locked = match locks {
                0 => true,
                BOTH => !self.waits_if_torn,
                one => one == *id,
            };
            let free = new.holds == 0 && new.proven.is_none() && change.heal.is_none() && locked;
            let over = self.settled_new(change, *id) || change.heal == Some(*id);
            new.holds & *id == 0 && (free || over)
        };
        let ids = [1, 2].into_iter().filter(takes);
        let mut takes: Vec<New> = ids.map(|id| New { holds: new.holds | id, ..new }).collect();
        if new.proven.is_none() && change.heal.is_none() {
            takes.push(New { proven: Some(new.holds), ..new });
        }
        takes
    }

    /// What a new node may find in enough closed logs: liars show, or leave out, what they like.
    fn imports(&self, change: &Change, node: Node) -> Vec<Ids> {
        if !self.keeps_locks {
            return vec![0];
        }
        let closed = |it: &Node| it.old.filter(|old| old.closed);
        let own = closed(&node);
        if node.old.is_some() && own.is_none() {
            return Vec::new();
        }
        let needed = self.imported.saturating_sub(self.old.faulty + usize::from(own.is_some()));
        let mut logs: Vec<Ids> =
            change.nodes.iter().filter_map(closed).map(|old| old.holds).collect();
        if let Some(own) = own {
            let at = logs.iter().position(|it| *it == own.holds).expect("its own");
            logs.remove(at);
        }
        let shown = |locks: &Ids| {
            let beside = own.map_or(0, |own| own.holds) & !locks == 0;
            let within = logs.iter().filter(|log| **log & !locks == 0).count() >= needed;
            beside && within && self.is_shown(*locks, &logs, own)
        };
        (0..=BOTH).filter(shown).collect()
    }

    /// Whether every id in `locks` is in some log that may be among the imported ones.
    fn is_shown(&self, locks: Ids, logs: &[Ids], own: Option<Old>) -> bool {
        let honest =
            logs.iter().chain(own.as_ref().map(|own| &own.holds)).fold(0, |all, log| all | log);
        locks & !honest == 0 || self.old.faulty > 0
    }

    /// What a heal after the change may adopt: any logs may be cited, and liars say anything.
    fn heals(&self, change: &Change) -> Vec<Ids> {
        let closed = change.nodes.iter().filter_map(|node| node.old.filter(|old| old.closed));
        let old: Vec<Ids> = closed.map(|old| old.holds).collect();
        let proven = change.nodes.iter().filter_map(|node| node.new?.proven);
        let new: Vec<Ids> = proven.collect();
        let dead = |id: Ids| {
            let by_old = dead(self.old, &old, id);
            let by_new = dead(self.new, &new, id);
            match self.evidence {
                Evidence::Old => by_old,
                Evidence::New => by_new,
                Evidence::Both => by_old && by_new,
            }
        };
        let adopted = [(dead(2), 1), (dead(1), 2), (dead(1) && dead(2), 0)];
        adopted.iter().filter(|it| it.0).map(|it| it.1).collect()
    }
}

/// Whether logs, and liars, can show that an entry never settles in a roster.
fn dead(shape: Shape, logs: &[Ids], id: Ids) -> bool {
    let needed = shape.nodes - shape.quorum + shape.faulty + 1;
    logs.iter().filter(|log| **log & id == 0).count() + shape.faulty >= needed
}
