//! What happens in one world, said beforehand: its weather, who lies, and every step with its time.
//!
//! A seed draws a scenario; the scenario alone says what happens. So a step can be left out and the
//! rest stays as it was, which is how a failing world is made small. It is kept as JSON.

use serde::{Deserialize, Serialize};

use crate::chance::Chance;

/// One world.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// Decides what befalls single messages and writes.
    pub seed: u64,
    /// Nodes of the roster.
    pub nodes: usize,
    /// How many of them may lie, as the charter says.
    pub faulty: u8,
    /// How many receipts settle, as the charter says.
    pub quorum: u8,
    /// Which nodes are linked, the lower number first; everybody is, by others.
    pub links: Vec<(usize, usize)>,
    /// Messages lost, of a hundred.
    pub loss: u64,
    /// Messages that come twice, of a hundred.
    pub twice: u64,
    /// Longest delay of a message, in ms.
    pub delay: u64,
    /// How long the bad weather lasts, in ms.
    pub storm: u64,
    /// Longest sync of each node's disk, in ms.
    pub disks: Vec<u64>,
    /// Founders of each cooperative.
    pub founders: u64,
    /// Nodes that do not do what they should.
    pub liars: Vec<(usize, Lie)>,
    /// Whether the same nodes keep a second cooperative.
    pub island: bool,
    /// What happens when, in order.
    pub steps: Vec<Step>,
}

/// What is wrong with a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Lie {
    /// It sends no leaves to some of its peers, by their numbers' bits.
    Withholds(u64),
    /// It answers nobody who asks for a payload.
    Hoards,
    /// It keeps two logs, one for some of its peers, by their numbers' bits, and one for the rest.
    TwoHistories(u64),
    /// The state roots that it publishes are wrong.
    WrongState,
    /// So many of a hundred of its frames are garbage.
    Garbage(u64),
    /// It sends more frames than it was allowed, naming entries that nobody has.
    Floods,
}

impl Lie {
    /// Whether it may contradict itself, which only `faulty` nodes may without harm.
    #[must_use]
    pub const fn is_equivocation(self) -> bool {
        matches!(self, Self::TwoHistories(_))
    }
}

/// A step and its time.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// In ms after the charter.
    pub at: u64,
    /// What happens.
    pub what: What,
}

/// Something that happens.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// A member states something in one of the two cooperatives.
    Statement {
        /// Which cooperative: 0, or 1 for the second.
        island: usize,
        /// Who, modulo the devices that there are.
        author: u64,
        /// Draws what.
        dice: u64,
        /// By how many ms the author's clock is wrong.
        clock: i64,
    },
    /// A node stops without warning, and is started again so many ms later.
    Crash {
        /// Which.
        node: usize,
        /// For how long.
        down: u64,
    },
    /// A link is cut, and the session over it with it.
    Cut {
        /// One end.
        one: usize,
        /// The other end.
        other: usize,
        /// For how long.
        down: u64,
    },
    /// What one node says does not reach the other, though their session stands.
    Deaf {
        /// Who speaks.
        from: usize,
        /// Who hears nothing.
        to: usize,
        /// For how long.
        down: u64,
    },
    /// A node's wall clock is set; the node takes note at its next start.
    Clock {
        /// Which.
        node: usize,
        /// How far it is off from then on.
        ms: i64,
    },
    /// A node's disk becomes slow.
    Slow {
        /// Which.
        node: usize,
        /// Longest sync from then on.
        ms: u64,
    },
    /// A peer of a node with two histories comes to the other one.
    Swap {
        /// The peer.
        peer: usize,
    },
    /// Somebody submits many entries that wait for what never comes.
    Flood {
        /// Where.
        node: usize,
        /// Under how many names.
        sources: u64,
        /// How many under each.
        entries: u64,
    },
    /// A stranger says again what it has heard, and submits it again.
    Replay {
        /// To whom.
        node: usize,
        /// Draws what.
        dice: u64,
    },
    /// A member signs what has no place: its chain's next with a wrong entry before it, or a second
    /// entry for a place long settled. It is silent from then on.
    Forge {
        /// Who, modulo the devices that there are.
        author: u64,
        /// Draws what.
        dice: u64,
    },
    /// A member signs two entries for its next place, and maybe more after each, and submits one
    /// branch to some nodes, by their numbers' bits, and the other to the rest. It is silent from
    /// then on.
    Fork {
        /// Who, modulo the devices that there are.
        author: u64,
        /// Which nodes get the second.
        mask: u64,
        /// Entries on each branch.
        length: u64,
    },
    /// Somebody submits an entry whose signature is not its device's, or barely is.
    Sign {
        /// Who is named, modulo the devices that there are.
        author: u64,
        /// Draws what.
        dice: u64,
    },
    /// A further device of a member is enrolled and stolen: the thief writes with it at some nodes.
    /// The member reports it, and the registrar revokes it.
    Theft {
        /// Whose, modulo the devices that there are.
        author: u64,
        /// At which nodes, by their numbers' bits.
        mask: u64,
        /// How many entries the thief writes.
        entries: u64,
        /// How many ms later it is reported.
        after: u64,
    },
    /// A member without a role leaves.
    Leave {
        /// One of its devices, modulo those that there are.
        author: u64,
    },
    /// A copy is made of what a node's disk has synced.
    Backup {
        /// Which.
        node: usize,
    },
    /// A node's disk is replaced by its last copy, or by an empty one, once all honest nodes hold
    /// what it has signed since, and it is started again so many ms later.
    PutBack {
        /// Which.
        node: usize,
        /// For how long it is down.
        down: u64,
    },
    /// A member's device gets a copy of its journal back that lacks the last entries. Before it signs
    /// again it asks the nodes how far its chain has come.
    Restore {
        /// Which, modulo the devices that there are.
        author: u64,
        /// How many entries are lost, at most.
        lost: u64,
        /// What lying nodes say of it, by their numbers' bits.
        word: u64,
    },
    /// The members decide that one without a role goes. It writes on with all its devices.
    Removal {
        /// One of its devices, modulo those that there are.
        author: u64,
        /// At which nodes it writes first, by their numbers' bits.
        mask: u64,
        /// How many entries, with each device.
        entries: u64,
    },
    /// The members decide that somebody else takes a role over.
    HandOver {
        /// Which: 0 treasurer, 1 distributor.
        role: u64,
        /// A device of the next holder, modulo those that there are.
        author: u64,
        /// At which nodes a treasurer that does not give way writes on, by their numbers' bits.
        word: u64,
    },
    /// A node is stopped, runs a later version for a while, which accepts an act that this one
    /// does not know, and is started again as it was.
    Later {
        /// Which.
        node: usize,
        /// Who states it, modulo the devices that there are.
        author: u64,
    },
}

/// Rosters: nodes, how many may lie, how many receipts settle. Model, section 6.
const ROSTERS: [(usize, u8, u8); 10] = [
    (1, 0, 1),
    (3, 0, 2),
    (3, 0, 2),
    (3, 0, 2),
    (4, 0, 3),
    (4, 1, 3),
    (5, 0, 3),
    (5, 1, 4),
    (7, 1, 5),
    (7, 2, 5),
];

impl Scenario {
    /// The scenario of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x5eed);
        let (nodes, faulty, quorum) = *chance.one_of(&ROSTERS);
        Self::drawn(seed, (nodes, faulty, quorum), &mut chance)
    }

    /// A scenario of a seed with this roster.
    #[must_use]
    pub fn drawn(seed: u64, roster: (usize, u8, u8), chance: &mut Chance) -> Self {
        let (nodes, faulty, quorum) = roster;
        let liars = liars(roster, chance);
        let mut scenario = Self {
            seed,
            nodes,
            faulty,
            quorum,
            links: links(roster, chance),
            loss: chance.between(0, 30),
            twice: chance.between(0, 50),
            delay: *chance.one_of(&[20, 100, 100, 400]),
            storm: chance.between(2_000, 20_000),
            disks: (0..nodes).map(|_| *chance.one_of(&[2, 10, 10, 30, 300])).collect(),
            founders: chance.between(3, 6),
            liars,
            island: chance.percent(6),
            steps: Vec::new(),
        };
        // Who sends garbage about one cooperative loses its session for all.
        let is_garbage = |(_, lie): &(usize, Lie)| matches!(lie, Lie::Garbage(_));
        scenario.island &= !scenario.liars.iter().any(is_garbage);
        scenario.draw_statements(chance);
        scenario.draw_troubles(chance);
        scenario.draw_strangers(chance);
        // With a chance of their own: what was drawn before them stays as it was.
        scenario.draw_restore(&mut Chance::of(seed, &[901]));
        scenario.draw_removal(&mut Chance::of(seed, &[902]));
        scenario.draw_hand_over(&mut Chance::of(seed, &[903]));
        scenario.steps.sort_by_key(|step| step.at);
        scenario
    }

    fn draw_statements(&mut self, chance: &mut Chance) {
        let islands = 1 + usize::from(self.island);
        for island in 0..islands {
            for _ in 0..chance.between(10, 45) {
                let clock = match chance.below(40) {
                    0 => i64::try_from(chance.between(1, 900_000)).expect("small"),
                    1 => -i64::try_from(chance.between(1, 300_000_000_000)).expect("fits"),
                    _ => 0,
                };
                let (author, dice) = (chance.number(), chance.number());
                self.push(chance, What::Statement { island, author, dice, clock });
            }
        }
    }

    fn draw_troubles(&mut self, chance: &mut Chance) {
        let each = chance.between(700, 8_000);
        let mut after = chance.between(1, 2 * each);
        while after < self.storm {
            let down = chance.between(100, self.storm);
            let node = chance.index(self.nodes);
            let what = match chance.below(10) {
                0..=3 => Some(What::Crash { node, down }),
                4..=5 => self.link(chance).map(|(one, other)| What::Cut { one, other, down }),
                6..=7 => self.link(chance).map(|(one, other)| {
                    let (from, to) = if chance.percent(50) { (one, other) } else { (other, one) };
                    What::Deaf { from, to, down }
                }),
                8 => Some(What::Clock { node, ms: jump(chance) }),
                _ => Some(What::Slow { node, ms: chance.between(50, 3_000) }),
            };
            self.steps.extend(what.map(|what| Step { at: after, what }));
            after += chance.between(1, 2 * each);
        }
    }

    fn draw_strangers(&mut self, chance: &mut Chance) {
        if self.liars.iter().any(|(_, lie)| lie.is_equivocation()) {
            for _ in 0..chance.below(3) {
                let peer = chance.index(self.nodes);
                self.push(chance, What::Swap { peer });
            }
        }
        if chance.percent(3) {
            let (sources, entries) = *chance.one_of(&[(1, 300), (3, 40), (20, 20)]);
            let node = chance.index(self.nodes);
            self.push(chance, What::Flood { node, sources, entries });
        }
        if chance.percent(25) {
            let (node, dice) = (chance.index(self.nodes), chance.number());
            self.push(chance, What::Replay { node, dice });
        }
        if chance.percent(25) {
            let (author, dice) = (chance.number(), chance.number());
            self.push(chance, What::Forge { author, dice });
        }
        // Where no node is reckoned to lie, one that some do not hear any more leaves a forked entry
        // settled for those who do.
        let garbage = self.liars.iter().any(|(_, lie)| matches!(lie, Lie::Garbage(_)));
        let may_fork = self.faulty > 0 || !garbage;
        if chance.percent(25) && may_fork {
            let (author, mask, length) = (chance.number(), chance.number(), chance.between(1, 3));
            self.push(chance, What::Fork { author, mask, length });
        }
        for _ in 0..chance.below(3) {
            let (author, dice) = (chance.number(), chance.number());
            self.push(chance, What::Sign { author, dice });
        }
        // What one cooperative waits for is no other's business: nothing is waited for beside one.
        if chance.percent(20) && !self.island {
            let (author, mask, entries) = (chance.number(), chance.number(), chance.between(1, 4));
            let after = chance.below(4_000);
            self.push(chance, What::Theft { author, mask, entries, after });
        }
        if chance.percent(12) && !self.island {
            let author = chance.number();
            self.push(chance, What::Leave { author });
        }
        // Whoever is put back asks the others, of whom no more may lie than the charter says.
        let may = self.nodes > 1 && self.liars.len() <= usize::from(self.faulty);
        if chance.percent(30) && may && !self.island {
            let (node, down) = (chance.index(self.nodes), chance.between(100, 5_000));
            let at = chance.below(self.storm);
            self.steps.push(Step { at: at / 2, what: What::Backup { node } });
            self.steps.push(Step { at, what: What::PutBack { node, down } });
        }
        if chance.percent(15) {
            let (node, author) = (chance.index(self.nodes), chance.number());
            self.push(chance, What::Later { node, author });
        }
    }

    fn push(&mut self, chance: &mut Chance, what: What) {
        let at = chance.below(self.storm);
        self.steps.push(Step { at, what });
    }

    fn link(&self, chance: &mut Chance) -> Option<(usize, usize)> {
        (!self.links.is_empty()).then(|| *chance.one_of(&self.links))
    }

    /// The same with honest people and nodes, every two of which are linked, and no thefts or
    /// departures: what those lead to is `./tools/sim`'s to find.
    #[must_use]
    pub fn honest(mut self) -> Self {
        self.liars.clear();
        let numbers = 0..self.nodes;
        self.links = numbers
            .clone()
            .flat_map(|one| (one + 1..self.nodes).map(move |it| (one, it)))
            .collect();
        let beyond = |what: &What| {
            matches!(
                what,
                What::Fork { .. }
                    | What::Swap { .. }
                    | What::Forge { .. }
                    | What::Flood { .. }
                    | What::Theft { .. }
                    | What::Leave { .. }
                    | What::Removal { .. }
            )
        };
        self.steps.retain(|step| !beyond(&step.what));
        self
    }

    /// What is wrong with a node, if anything is.
    #[must_use]
    pub fn lie(&self, node: usize) -> Option<Lie> {
        self.liars.iter().find(|(liar, _)| *liar == node).map(|(_, lie)| *lie)
    }
}

/// In some worlds as many nodes lie as may be down without harm; contradicting themselves only
/// where the charter reckons with it.
fn liars((nodes, faulty, quorum): (usize, u8, u8), chance: &mut Chance) -> Vec<(usize, Lie)> {
    let may_be_down = nodes - usize::from(quorum);
    if may_be_down == 0 || !chance.percent(45) {
        return Vec::new();
    }
    let most = if faulty > 0 { usize::from(faulty) } else { 1 };
    let mut numbers: Vec<usize> = (0..nodes).collect();
    chance.shuffle(&mut numbers);
    numbers.truncate(1 + chance.index(most));
    let lie = |chance: &mut Chance| match chance.below(10) {
        0..=1 => Lie::Withholds(chance.number()),
        2 => Lie::Hoards,
        3..=5 if faulty > 0 => Lie::TwoHistories(chance.number()),
        6..=7 => Lie::WrongState,
        8 => Lie::Floods,
        _ => Lie::Garbage(chance.between(1, 60)),
    };
    numbers.into_iter().map(|node| (node, lie(chance))).collect()
}

/// Everybody with everybody, or with some links fewer.
///
/// A node that was started asks q - 1 others what they hold of its log, and one restored from a
/// backup n - q + f + 1, before it goes on: it has links to as many.
fn links((nodes, faulty, quorum): (usize, u8, u8), chance: &mut Chance) -> Vec<(usize, usize)> {
    let mut links: Vec<(usize, usize)> =
        (1..nodes).flat_map(|other| (0..other).map(move |one| (one, other))).collect();
    if chance.percent(50) {
        return links;
    }
    let quorum = usize::from(quorum);
    let least = (quorum - 1).max(nodes - quorum + usize::from(faulty) + 1).min(nodes - 1);
    let mut order = links.clone();
    chance.shuffle(&mut order);
    order.truncate(chance.index(order.len() + 1));
    for (one, other) in order {
        let degree = |node| links.iter().filter(|link| link.0 == node || link.1 == node).count();
        if degree(one) > least && degree(other) > least {
            links.retain(|link| *link != (one, other));
        }
    }
    links
}

/// How far off a clock is set: seconds, hours, ten years.
fn jump(chance: &mut Chance) -> i64 {
    let most = *chance.one_of(&[5_000, 3_600_000, 315_360_000_000]);
    let ms = i64::try_from(chance.between(1, most)).expect("fits");
    if chance.percent(50) { ms } else { -ms }
}
