//! One register whose registrar is replaced: its entries, a rival of one, and two successions.
//!
//! Each number of a node's register is given once. Enough calls freeze the old registrar; a
//! successor goes on from the highest entry that a quorum of frozen nodes reports, settled or not;
//! what it stands on is placed although its author's chain stands still; what a quorum holds takes
//! its number over. The design's model, section 3; ledger, rules 15, 16 and 21.

use super::roster::Shape;

/// A register entry: what it follows. The charter is none of them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Entry {
    /// The registrar's first.
    First,
    /// Its rival, by the same registrar.
    Rival,
    /// The registrar's second, after the first.
    Second,
    /// A succession, by whom, on how much of which line.
    Succession(Successor, Line),
}

/// Who was called.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Successor {
    /// By some.
    One,
    /// By others.
    Other,
}

/// Lines of the old registrar.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Line {
    /// The charter alone.
    Empty,
    /// With the first entry.
    First,
    /// With its rival.
    Rival,
    /// With the first and the second.
    Second,
}

impl Line {
    const ALL: [Self; 4] = [Self::Empty, Self::First, Self::Rival, Self::Second];

    fn entries(self) -> Vec<Entry> {
        match self {
            Self::Empty => vec![],
            Self::First => vec![Entry::First],
            Self::Rival => vec![Entry::Rival],
            Self::Second => vec![Entry::First, Entry::Second],
        }
    }
}

/// How a register is continued; a planted bug is another value.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The roster.
    pub shape: Shape,
    /// The quorum by which nodes act.
    pub quorum: usize,
    /// Whether the old registrar writes a rival.
    pub is_registrar_lying: bool,
    /// Whether the successor goes on from where it likes.
    pub is_successor_lying: bool,
    /// How many successions there are.
    pub successions: usize,
    /// Enough calls freeze the old registrar.
    pub freezes: bool,
    /// Rule 15: a number is given once.
    pub locks: bool,
    /// What a succession stands on is placed although its author stands still.
    pub adopts: bool,
    /// Whether liars place what comes; they show any receipt to whom they like in any case.
    pub liars_place: bool,
}

impl Rules {
    /// As they should be.
    #[must_use]
    pub const fn of(shape: Shape) -> Self {
        Self {
            shape,
            quorum: shape.quorum,
            is_registrar_lying: true,
            is_successor_lying: true,
            successions: 2,
            freezes: true,
            locks: true,
            adopts: true,
            liars_place: true,
        }
    }
}

/// What one honest node has.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Node {
    /// Its register after the charter.
    pub register: Vec<Entry>,
    /// Entries with a leaf in its log.
    pub receipts: Vec<Entry>,
    /// Whether it has enough calls.
    pub frozen: bool,
    /// What it reported to the successor.
    pub reported: Option<Vec<Entry>>,
}

/// The honest nodes, in no order, and the successions that were written.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Frame {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The successions.
    pub successions: Vec<Entry>,
}

impl Rules {
    /// The charter alone.
    #[must_use]
    pub fn start(&self) -> Frame {
        Frame { nodes: vec![Node::default(); self.shape.honest()], successions: Vec::new() }
    }

    /// What may happen next.
    #[must_use]
    pub fn next(&self, frame: &Frame) -> Vec<Frame> {
        let mut next = Vec::new();
        for number in 0..frame.nodes.len() {
            for node in self.moves(frame, &frame.nodes[number]) {
                let mut after = frame.clone();
                after.nodes[number] = node;
                after.nodes.sort_unstable();
                next.push(after);
            }
        }
        if frame.successions.len() < self.successions {
            let who = [Successor::One, Successor::Other][frame.successions.len()];
            next.extend(self.grounds(frame).into_iter().map(|line| {
                let mut after = frame.clone();
                after.successions.push(Entry::Succession(who, line));
                after
            }));
        }
        next
    }

    /// No two registers are settled: what a quorum holds is one line.
    #[must_use]
    pub fn broken(&self, frame: &Frame) -> Option<String> {
        let all = self.written(frame);
        let settled: Vec<_> = all.into_iter().filter(|it| self.settled(frame, *it)).collect();
        let number = |entry: &Entry| line_to(*entry).len();
        for (at, one) in settled.iter().enumerate() {
            for other in &settled[at + 1..] {
                let (longer, shorter) =
                    if number(one) >= number(other) { (one, other) } else { (other, one) };
                if !line_to(*longer).contains(shorter) {
                    return Some(format!("{one:?} and {other:?} are both settled"));
                }
            }
        }
        None
    }

    /// Whether a succession was written, and whether one is settled with honest receipts alone.
    #[must_use]
    pub fn progress(&self, frame: &Frame) -> (bool, bool) {
        let liars = if self.liars_place { self.shape.faulty } else { 0 };
        let done = |entry: &Entry| {
            let holds = |node: &&Node| node.receipts.contains(entry);
            frame.nodes.iter().filter(holds).count() + liars >= self.quorum
        };
        (!frame.successions.is_empty(), frame.successions.iter().any(done))
    }

    fn settled(&self, frame: &Frame, entry: Entry) -> bool {
        let holds = |node: &&Node| node.receipts.contains(&entry);
        frame.nodes.iter().filter(holds).count() + self.shape.faulty >= self.quorum
    }

    fn written(&self, frame: &Frame) -> Vec<Entry> {
        let mut all = vec![Entry::First, Entry::Second];
        all.extend(self.is_registrar_lying.then_some(Entry::Rival));
        all.extend(&frame.successions);
        all
    }

    fn moves(&self, frame: &Frame, node: &Node) -> Vec<Node> {
        let mut moves = Vec::new();
        if !node.frozen {
            moves.push(Node { frozen: true, ..node.clone() });
        }
        if node.frozen && node.reported.is_none() && !self.is_successor_lying {
            moves.push(Node { reported: Some(node.register.clone()), ..node.clone() });
        }
        for entry in self.written(frame) {
            let line = line_to(entry);
            let before = &line[..line.len() - 1];
            if node.register.contains(&entry) {
                continue;
            }
            let is_based = node.register.starts_with(before);
            let over = is_based && self.settled(frame, entry);
            let head = if self.locks { node.register == before } else { is_based };
            let registrar = !matches!(entry, Entry::Succession(..));
            let adopted =
                self.adopts && frame.successions.iter().any(|it| line_to(*it).contains(&entry));
            let replaced = node.register.iter().any(|it| matches!(it, Entry::Succession(..)));
            let stands = registrar && (self.freezes && node.frozen && !adopted || replaced);
            if over || (head && !stands) {
                let mut after = node.clone();
                after.register = line.clone();
                after.receipts.push(entry);
                after.receipts.sort_unstable();
                after.receipts.dedup();
                moves.push(after);
            }
        }
        moves
    }

    /// From where a succession may go on: the highest of what a quorum of frozen nodes reports, of
    /// which liars report what they like.
    fn grounds(&self, frame: &Frame) -> Vec<Line> {
        let lines = Line::ALL.into_iter();
        let known = lines.filter(|line| self.is_registrar_lying || *line != Line::Rival);
        if self.is_successor_lying {
            return known.collect();
        }
        let mut reports: Vec<&Vec<Entry>> =
            frame.nodes.iter().filter_map(|node| node.reported.as_ref()).collect();
        reports.sort_by_key(|line| line.len());
        let needed = self.quorum - self.shape.faulty;
        let Some(low) = reports.get(needed - 1).map(|line| line.len()) else { return vec![] };
        let reported = |line: &Line| reports.iter().any(|it| **it == line.entries());
        let lied = |line: &Line| self.shape.faulty > 0 && !line.entries().is_empty();
        known.filter(|line| line.entries().len() >= low && (reported(line) || lied(line))).collect()
    }
}

/// The register up to an entry.
fn line_to(entry: Entry) -> Vec<Entry> {
    match entry {
        Entry::First => vec![entry],
        Entry::Rival => vec![entry],
        Entry::Second => vec![Entry::First, entry],
        Entry::Succession(_, line) => [line.entries(), vec![entry]].concat(),
    }
}
