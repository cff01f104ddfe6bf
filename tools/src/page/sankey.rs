//! The flows of value as a drawing: bands whose widths are amounts, in whole units of length.
//!
//! Four columns: clients, the cooperative, what it divides into, members. Each node's height is
//! what enters or leaves it, whichever is more. A table beside the drawing says the same.

use std::collections::BTreeMap;

use talea_ledger::view::runs::{Flow, Node, flows, runs};

use crate::lang::Lang;
use crate::table::plain;
use crate::verify::Sum;
use crate::verify::report;

/// Length of the drawing.
const WIDTH: i128 = 960;
/// Height of all that goes through its fullest column.
const BAND: i128 = 320;
/// Between two nodes of a column; a line of text needs as much.
const GAP: i128 = 26;
/// Width of a node.
const BAR: i128 = 12;
/// Where the columns begin.
const COLUMNS: [i128; 4] = [150, 350, 560, 760];
/// Least height that can be seen.
const LEAST: i128 = 2;

/// A drawing.
pub struct Diagram {
    /// What it shows.
    pub title: String,
    /// The same in a sentence.
    pub about: String,
    /// Length.
    pub width: i128,
    /// Height.
    pub height: i128,
    /// Nodes.
    pub bars: Vec<Bar>,
    /// Flows.
    pub bands: Vec<Band>,
}

/// A node.
pub struct Bar {
    /// Its place and size.
    pub frame: [i128; 4],
    /// Its name.
    pub name: String,
    /// What goes through it.
    pub amount: String,
    /// Where its text stands.
    pub text: [i128; 2],
    /// At which end of the text: `start` or `end`.
    pub end: &'static str,
    /// Which colour.
    pub hue: &'static str,
}

/// A flow.
pub struct Band {
    /// Its outline.
    pub path: String,
    /// What it is.
    pub title: String,
    /// Which colour.
    pub hue: &'static str,
}

struct Box {
    node: Node,
    column: usize,
    amount: i128,
    top: i128,
    height: i128,
}

impl Diagram {
    /// The drawing of all runs; nothing if nothing flowed.
    #[must_use]
    pub fn new(sum: &Sum, lang: Lang) -> Option<Self> {
        let all = flows(&runs(&sum.state));
        let (boxes, height) = boxes(&all)?;
        let exponent = sum.register.charter().exponent;
        let currency = &sum.register.charter().currency;
        let money = |amount: i128| format!("{} {currency}", lang.amount(amount, exponent));
        let named = |node: &Node| plain(&report::node(sum, node, lang));
        let bar = |it: &Box| {
            let x = COLUMNS.get(it.column).copied().unwrap_or(0);
            let left = it.column == 0;
            Bar {
                frame: [x, it.top, BAR, it.height],
                name: named(&it.node),
                amount: money(it.amount),
                text: [if left { x - 8 } else { x + BAR + 8 }, it.top + it.height / 2],
                end: if left { "end" } else { "start" },
                hue: hue(&it.node),
            }
        };
        let bars = boxes.iter().map(bar).collect();
        let titled = |flow: &Flow| {
            format!("{} → {}: {}", named(&flow.from), named(&flow.to), money(flow.amount))
        };
        let bands = bands(&all, &boxes, titled);
        let (title, about) = (lang.say("title-flows"), lang.say("about-diagram"));
        Some(Self { title, about, width: WIDTH, height, bars, bands })
    }
}

const fn column(node: &Node) -> usize {
    match node {
        Node::Client(_) | Node::Brought => 0,
        Node::Cooperative => 1,
        Node::Expenses
        | Node::Retained
        | Node::CarePool
        | Node::LivelihoodPool
        | Node::LovePool => 2,
        Node::Carried | Node::Member(_) => 3,
    }
}

const fn hue(node: &Node) -> &'static str {
    match node {
        Node::Client(_) | Node::Brought => "in",
        Node::Cooperative => "coop",
        Node::CarePool => "care",
        Node::LivelihoodPool => "livelihood",
        Node::LovePool => "love",
        Node::Expenses | Node::Retained | Node::Carried => "kept",
        Node::Member(_) => "member",
    }
}

/// The nodes, placed, and the height of the drawing.
fn boxes(flows: &[Flow]) -> Option<(Vec<Box>, i128)> {
    let mut through: BTreeMap<&Node, (i128, i128)> = BTreeMap::new();
    for flow in flows {
        through.entry(&flow.from).or_default().1 += flow.amount;
        through.entry(&flow.to).or_default().0 += flow.amount;
    }
    let amount = |(taken, given): &(i128, i128)| *taken.max(given);
    let columns = 0..COLUMNS.len();
    let fullest = columns
        .map(|at| through.iter().filter(|(n, _)| column(n) == at).map(|(_, it)| amount(it)).sum())
        .max()
        .filter(|fullest: &i128| *fullest > 0)?;
    let mut tops = [GAP; COLUMNS.len()];
    let mut placed = Vec::new();
    for (node, it) in &through {
        let (at, amount) = (column(node), amount(it));
        let height = (amount * BAND / fullest).max(LEAST);
        if let Some(top) = tops.get_mut(at) {
            placed.push(Box { node: (*node).clone(), column: at, amount, top: *top, height });
            *top += height + GAP;
        }
    }
    let height = tops.iter().max().copied().unwrap_or(GAP);
    for (at, top) in tops.iter().enumerate() {
        let shift = (height - top) / 2;
        placed.iter_mut().filter(|it| it.column == at).for_each(|it| it.top += shift);
    }
    Some((placed, height))
}

fn bands(flows: &[Flow], boxes: &[Box], titled: impl Fn(&Flow) -> String) -> Vec<Band> {
    let mut left: BTreeMap<&Node, i128> = BTreeMap::new();
    let mut entered: BTreeMap<&Node, i128> = BTreeMap::new();
    let mut all = Vec::new();
    for flow in flows {
        let find = |node: &Node| boxes.iter().find(|it| it.node == *node);
        let (Some(from), Some(to)) = (find(&flow.from), find(&flow.to)) else { continue };
        let used = left.entry(&flow.from).or_default();
        let (out, out_high) = part(from, used, flow.amount);
        let used = entered.entry(&flow.to).or_default();
        let (into, into_high) = part(to, used, flow.amount);
        let x = |it: &Box| COLUMNS.get(it.column).copied().unwrap_or(0);
        let same = from.column == to.column;
        let (x0, x1) = (x(from) + BAR, if same { x(to) + BAR } else { x(to) });
        let middle = if same { x0 + 60 } else { (x0 + x1) / 2 };
        let (out_end, into_end) = (out + out_high, into + into_high);
        let path = format!(
            "M{x0} {out}C{middle} {out} {middle} {into} {x1} {into}V{into_end}C{middle} {into_end} {middle} {out_end} {x0} {out_end}Z"
        );
        // A band has the colour of the purse between: the one that is not everybody's.
        let hue = hue(if from.column == 1 { &flow.to } else { &flow.from });
        all.push(Band { path, title: titled(flow), hue });
    }
    all
}

/// The next part of a node's side: where it begins, and how high it is.
fn part(node: &Box, used: &mut i128, amount: i128) -> (i128, i128) {
    let at = |sum: i128| node.top + (sum * node.height).checked_div(node.amount).unwrap_or(0);
    let begin = at(*used);
    *used += amount;
    (begin, (at(*used) - begin).max(1))
}
