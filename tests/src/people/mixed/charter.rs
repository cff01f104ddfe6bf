//! The charter of the mixed cooperative: three colleges, two stages, a unit of its own, a circle.

use talea_protocol::bytes::{List, Quantity};
use talea_protocol::charter::{Category, Charter, College, Rate, Stage, Tier};
use talea_protocol::council::{Attester, Attesting, Circle, Competence, Council};
use talea_protocol::key::{NodeKey, SecretKey};
use talea_protocol::treasury::{Fund, InternalUnit, Treasury};

use super::super::{bp, code, draft};

/// Tasks, their units, and credits for one, in hundredths.
const TASKS: [(&str, &str, u32); 5] = [
    ("bake", "loaf", 30),
    ("care", "minute", 0),
    ("code", "hour", 2_400),
    ("deliver", "hour", 1_800),
    ("teach", "hour", 2_000),
];
/// How far below zero a wallet may go, in minor units.
pub(super) const LIMIT: i64 = 50_000;
/// The most that is spent without a decision, in minor units.
pub(super) const EXPENSE_LIMIT: i64 = 50_000;

/// Without the founders' proofs.
pub(super) fn charter(keys: &[&SecretKey], nodes: &[NodeKey]) -> Charter {
    let mut charter = draft(keys, nodes, 0, 1);
    let college =
        |name, weight, category| College { code: code(name), weight: bp(weight), category };
    let stage = |name, part, binding_vote| Stage {
        code: code(name),
        livelihood: bp(part),
        love: bp(10_000),
        care: bp(10_000),
        binding_vote,
    };
    let colleges = vec![
        college("workers", 5_000, Category::Workers),
        college("users", 3_000, Category::Beneficiaries),
        college("friends", 2_000, Category::Others),
    ];
    charter.colleges = List::new(colleges).expect("three");
    charter.stages =
        List::new(vec![stage("full", 10_000, true), stage("new", 5_000, false)]).expect("two");
    let rate = |(task, unit, credits)| Rate { task: code(task), unit: code(unit), credits };
    charter.rates = List::new(TASKS.into_iter().map(rate).collect()).expect("five");
    let tier = |name, price| Tier { code: code(name), price };
    charter.tiers =
        List::new(vec![tier("solidary", 800), tier("basic", 1_000), tier("high", 1_400)])
            .expect("three");
    charter.internal_price = 1_000;
    charter.roles.treasurer.0 = 1;
    charter.roles.distributor.0 = 2;
    charter.quorum = bp(200);
    charter.sponsors = 1;
    charter.council = council();
    charter.treasury = treasury();
    charter
}

fn council() -> Council {
    let may = vec![Competence::Policy, Competence::Spend];
    let circle = Circle {
        code: code("garden"),
        colleges: List::default(),
        may: List::new(may).expect("two"),
        spend_max: 100_000,
    };
    let twice = Attesting { task: code("code"), by: Attester::Peer, quality: 1 };
    Council {
        proxies: 3,
        circles: List::new(vec![circle]).expect("one"),
        attesting: List::new(vec![twice]).expect("one"),
        ..Council::default()
    }
}

fn treasury() -> Treasury {
    let limit = |limit| Quantity::new(limit);
    let unit = InternalUnit { code: code("HOURS"), exponent: 2, limit: limit(LIMIT).ok() };
    let fund = Fund { code: code("commons"), unit: code("HOURS"), issues: limit(10_000_000).ok() };
    Treasury {
        units: List::new(vec![unit]).expect("one"),
        funds: List::new(vec![fund]).expect("one"),
        expense_limit: limit(EXPENSE_LIMIT).ok(),
        capital_floor: limit(10_000).ok(),
        ..Treasury::default()
    }
}
