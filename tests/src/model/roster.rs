//! Rosters of a model: how many nodes, how many may lie, how many settle.

/// The numbers of a roster; liars are its last `faulty` nodes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Shape {
    /// Nodes, n.
    pub nodes: usize,
    /// How many lie, f.
    pub faulty: usize,
    /// How many receipts settle, q.
    pub quorum: usize,
}

impl Shape {
    /// `2q > n + f` and `q <= n - f`: rule 33.
    #[must_use]
    pub const fn is_safe(&self) -> bool {
        2 * self.quorum > self.nodes + self.faulty && self.quorum + self.faulty <= self.nodes
    }

    /// `2q > n + 2f`: an accidental fork can always be resolved.
    #[must_use]
    pub const fn is_always_resolvable(&self) -> bool {
        2 * self.quorum > self.nodes + 2 * self.faulty
    }

    /// Nodes that tell the truth.
    #[must_use]
    pub const fn honest(&self) -> usize {
        self.nodes - self.faulty
    }

    /// Whether so many honest receipts settle an entry for somebody to whom all liars show it.
    #[must_use]
    pub const fn settles(&self, honest: usize) -> bool {
        honest + self.faulty >= self.quorum
    }

    /// Every safe roster of at most so many nodes.
    #[must_use]
    pub fn safe(nodes_max: usize) -> Vec<Self> {
        let all = (1..=nodes_max).flat_map(|nodes| {
            (0..nodes).flat_map(move |faulty| {
                (1..=nodes).map(move |quorum| Self { nodes, faulty, quorum })
            })
        });
        all.filter(Self::is_safe).collect()
    }
}
