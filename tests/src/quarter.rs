//! The worked quarter, played and exported: what an auditor gets of it.
//!
//! The scenario is the file's, the entries are what its members would sign; the three nodes' logs
//! are written by hand, so that a test can go on with what no honest member would say.

use std::collections::BTreeMap;

use serde_json::Value;
use talea_protocol::bytes::{List, Octets};
use talea_protocol::charter::{Roster, Visibility};
use talea_protocol::key::SecretKey;
use talea_protocol::message::Payload;
use talea_tools::play::{Made, Play};
use talea_tools::scenario::Scenario;

use crate::handmade::{Handmade, roster_keys};

/// The salt of every payload.
const SALT: [u8; 32] = [7; 32];

/// The scenario's file.
pub const FILE: &str = include_str!("../data/passerelles-q1.json");
/// The last step of January that the file has before February's own begin.
pub const JANUARY: u32 = 53;

/// The step that closes March.
pub const CLOSED: u32 = 128;
/// Its last step: the result is allocated.
pub const LAST: u32 = 139;

/// The quarter's cooperative up to a step, with every log holding everything, settled.
#[must_use]
pub fn played(until: u32) -> Handmade {
    played_from(FILE, until)
}

/// The same of another file.
#[must_use]
pub fn played_from(file: &str, until: u32) -> Handmade {
    let mut made = unsettled(file, until);
    settle(&mut made);
    made
}

/// The same without a frontier: a test goes on, and then settles.
#[must_use]
pub fn unsettled(file: &str, until: u32) -> Handmade {
    let mut made = signed(file, until);
    made.retain(|made| made.refused.is_none());
    let payload = |made: &Made| {
        let (entry, payload) = (made.entry.id(), made.payload.as_ref()?);
        let bytes = Octets::new(payload.read()?)?;
        Some(Payload { entry, salt: SALT, bytes })
    };
    let payloads = made.iter().filter_map(payload).collect();
    let keys = (1_u8..).take(members(file).len()).map(|n| SecretKey::from_seed(&[n; 32])).collect();
    Handmade::of(keys, made.into_iter().map(|made| made.entry).collect(), payloads)
}

/// What the members of a file sign up to a step, in the file's order; with what follows from a
/// step, and with what is refused.
#[must_use]
pub fn signed(file: &str, until: u32) -> Vec<Made> {
    let scenario = Scenario::parse(file).expect("a scenario");
    let nodes = roster_keys().iter().map(SecretKey::node).collect();
    let roster = Roster { nodes: List::new(nodes).expect("three"), faulty: 0, quorum: 2 };
    let (mut play, charter) =
        Play::found(&scenario, members(file), (roster, Visibility::Private), &SALT)
            .expect("a charter");
    let mut made = vec![charter];
    for step in scenario.steps().iter().skip(1).filter(|step| step.n <= until) {
        made.push(play.step(step, &SALT).expect("the step counts"));
        made.extend(play.follow(step, &SALT).expect("so does what follows from it"));
    }
    made
}

/// The members' keys, by handle.
fn members(file: &str) -> BTreeMap<String, SecretKey> {
    let scenario = Scenario::parse(file).expect("a scenario");
    let keys = (1_u8..).map(|n| SecretKey::from_seed(&[n; 32]));
    scenario.handles().map(str::to_owned).zip(keys).collect()
}

/// Every node states what is settled, and has seen the others' logs.
pub fn settle(made: &mut Handmade) {
    for node in 0..3 {
        made.stand(node);
    }
}

/// What the file expects.
#[must_use]
pub fn expected() -> Value {
    let file: Value = serde_json::from_str(FILE).expect("JSON");
    file["expected"].clone()
}
