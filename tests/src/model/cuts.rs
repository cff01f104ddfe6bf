//! One chain that is ended by a cut, while its entries still arrive: revocation, departure, removal.
//!
//! A ground (report, leave, decision) freezes the chain on each node that has it; the cut is placed
//! where nothing behind it is held, or where so many logs hold it that nothing behind it can settle;
//! what a quorum of logs holds takes its place anyway. An honest
//! registrar cuts where the highest of a quorum of frozen nodes stands; a careless one anywhere.
//! The design's model, section 7; ledger, rules 21, 22 and 25.

use super::roster::Shape;

/// Entries of the chain.
const LENGTH: u8 = 2;

/// How a cut is placed; a planted bug is another value.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The roster.
    pub shape: Shape,
    /// Whether the registrar cuts where a quorum of frozen nodes stands; else anywhere.
    pub two_steps: bool,
    /// How many nodes it asks.
    pub asked: usize,
    /// The ground freezes.
    pub freezes: bool,
    /// Rule 25: no cut below what is held.
    pub nothing_behind: bool,
    /// Rule 25: unless so many logs hold the cut; then nothing behind it can settle.
    pub witnesses: usize,
    /// Rule 22: no entry behind a cut.
    pub cut_binds: bool,
    /// What a succession adopts, every node places, whatever it holds.
    pub is_adopted: bool,
    /// Whether liars give receipts for a cut; for entries they always do.
    pub liars_place: bool,
}

impl Rules {
    /// As they should be.
    #[must_use]
    pub const fn of(shape: Shape) -> Self {
        Self {
            shape,
            two_steps: true,
            asked: shape.quorum,
            freezes: true,
            nothing_behind: true,
            witnesses: shape.nodes - shape.quorum + shape.faulty + 1,
            cut_binds: true,
            is_adopted: false,
            liars_place: true,
        }
    }
}

/// What one honest node has.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Node {
    /// Entries of the chain that it holds.
    pub length: u8,
    /// Whether it has the ground.
    pub frozen: bool,
    /// What it reported to the registrar.
    pub reported: Option<u8>,
    /// Whether it has placed the cut.
    pub cut: bool,
}

/// The honest nodes, in no order, and where the cut is.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Chain {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// How many entries count, once the registrar has said so.
    pub cut: Option<u8>,
}

impl Rules {
    /// Nothing has come yet.
    #[must_use]
    pub fn start(&self) -> Chain {
        Chain { nodes: vec![Node::default(); self.shape.honest()], cut: None }
    }

    /// What may happen next.
    #[must_use]
    pub fn next(&self, chain: &Chain) -> Vec<Chain> {
        let mut next = Vec::new();
        for number in 0..chain.nodes.len() {
            for node in self.moves(chain, chain.nodes[number]) {
                let mut after = chain.clone();
                after.nodes[number] = node;
                after.nodes.sort_unstable();
                next.push(after);
            }
        }
        if chain.cut.is_none() {
            let cut = |cut| Chain { cut: Some(cut), ..chain.clone() };
            next.extend(self.cuts(chain).into_iter().map(cut));
        }
        next
    }

    /// Behind a cut in two steps nothing ever settles; behind any cut that has settled neither.
    #[must_use]
    pub fn broken(&self, chain: &Chain) -> Option<String> {
        let cut = chain.cut?;
        let behind = (cut + 1..=LENGTH).any(|length| self.settled(chain, length));
        let held = self.two_steps || self.cut_settled(chain);
        (behind && held).then(|| format!("an entry behind the cut at {cut} is settled"))
    }

    /// Whether a cut was made, and whether a quorum has placed it.
    #[must_use]
    pub fn progress(&self, chain: &Chain) -> (bool, bool) {
        (chain.cut.is_some(), self.cut_settled(chain))
    }

    fn settled(&self, chain: &Chain, length: u8) -> bool {
        self.shape.settles(chain.nodes.iter().filter(|node| node.length >= length).count())
    }

    fn cut_settled(&self, chain: &Chain) -> bool {
        self.logs_with_the_cut(chain) >= self.shape.quorum
    }

    fn logs_with_the_cut(&self, chain: &Chain) -> usize {
        let liars = if self.liars_place { self.shape.faulty } else { 0 };
        chain.nodes.iter().filter(|node| node.cut).count() + liars
    }

    fn moves(&self, chain: &Chain, node: Node) -> Vec<Node> {
        let mut moves = Vec::new();
        let stands = self.freezes && node.frozen && !node.cut;
        let behind = self.cut_binds && node.cut && Some(node.length) >= chain.cut;
        let longer = node.length + 1;
        if longer <= LENGTH && (!stands && !behind || self.settled(chain, longer)) {
            moves.push(Node { length: longer, ..node });
        }
        if !node.frozen {
            moves.push(Node { frozen: true, ..node });
        }
        if node.frozen && node.reported.is_none() && chain.cut.is_none() && self.two_steps {
            moves.push(Node { reported: Some(node.length), ..node });
        }
        let is_dead = || self.logs_with_the_cut(chain) >= self.witnesses;
        let fits = !self.nothing_behind || Some(node.length) <= chain.cut || self.is_adopted;
        if chain.cut.is_some() && !node.cut && (fits || is_dead() || self.cut_settled(chain)) {
            moves.push(Node { cut: true, frozen: true, ..node });
        }
        moves
    }

    /// Where the registrar may cut: liars report what they like.
    fn cuts(&self, chain: &Chain) -> Vec<u8> {
        if !self.two_steps {
            return (0..=LENGTH).collect();
        }
        let mut tips: Vec<u8> = chain.nodes.iter().filter_map(|node| node.reported).collect();
        tips.sort_unstable();
        let needed = self.asked.saturating_sub(self.shape.faulty);
        // The lowest highest tip of enough nodes; liars report nothing, and more only raises it.
        match needed.checked_sub(1) {
            Some(last) => tips.get(last).map_or(Vec::new(), |low| (*low..=LENGTH).collect()),
            None => (0..=LENGTH).collect(),
        }
    }
}
