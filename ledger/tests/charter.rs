//! Rules 30 to 39: which charters found a cooperative. One test each, both sides of its limit.

use talea_ledger::register::Register;
use talea_protocol::act::{Act, Attest};
use talea_protocol::charter::{Charter, Founder, Kind, Member, Roster, Tier};
use talea_protocol::entry::{Header, SCHEME, VERSION, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{DeviceKey, NodeKey};

mod world;
use world::founded::{changed, refused};
use world::{bp, charter, code, consented, founding, key, list};

fn founder(charter: &mut Charter, number: usize, change: impl FnOnce(&mut Founder)) {
    let mut founders = charter.founders.to_vec();
    change(&mut founders[number]);
    charter.founders = list(founders);
}

#[test]
fn the_charter_of_these_tests_is_accepted() {
    assert_eq!(changed(|_| ()), 0);
}

#[test]
fn rule_30_only_a_charter_of_these_rules_founds_a_cooperative() {
    assert_eq!(changed(|charter| charter.rules = 1), 30);
    assert_eq!(changed(|charter| charter.rules = 3), 30);
    assert_eq!(changed(|charter| charter.rules = 0), 30);
    let author = key(0);
    let header = Header {
        version: VERSION,
        scheme: SCHEME,
        cooperative: EntryId([1; 32]),
        device: author.device(),
        seq: 0,
        prev: EntryId::ZERO,
        basis: EntryId([1; 32]),
        time: 1,
        payload: None,
    };
    let other = Act::Attest(Attest { contribution: EntryId([1; 32]) });
    let entry = sign(&author, &header, &other).unwrap();
    assert_eq!(Register::found(&entry).unwrap_err().rule(), 30);
}

#[test]
fn rule_32_a_scic_keeps_57_and_a_half_percent_in_reserve() {
    let reserves = |legal: u16, statutory: u16| {
        changed(|charter| {
            charter.reserves.legal = bp(legal);
            charter.reserves.statutory = bp(statutory);
        })
    };
    assert_eq!(reserves(1500, 5000), 0);
    assert_eq!(reserves(1500, 4988), 32);
    assert_eq!(reserves(1499, 10_000), 32);
    assert_eq!(reserves(5750, 0), 0);
    assert_eq!(reserves(5740, 0), 32);
}

#[test]
fn rule_33_two_contradicting_entries_cannot_both_settle() {
    let roster = |nodes: usize, faulty: u8, quorum: u8| {
        let mut keys: Vec<NodeKey> = (0..nodes).map(|n| key(1000 + n).node()).collect();
        keys.sort();
        changed(|charter| charter.roster = Roster { nodes: list(keys), faulty, quorum })
    };
    assert_eq!((roster(3, 0, 2), roster(4, 1, 3), roster(1, 0, 1)), (0, 0, 0));
    assert_eq!(roster(3, 1, 2), 33, "2q > n + f");
    assert_eq!(roster(3, 0, 1), 33, "2q > n");
    assert_eq!(roster(3, 1, 3), 33, "q <= n - f");
    assert_eq!(roster(0, 0, 0), 33);
    let twice = list([key(1000).node(), key(1000).node(), key(1000).node()]);
    let bad = list([NodeKey([0xff; 32])]);
    assert_eq!(
        changed(|charter| charter.roster = Roster { nodes: twice, faulty: 0, quorum: 2 }),
        33
    );
    assert_eq!(changed(|charter| charter.roster.nodes = bad), 33);
}

#[test]
fn rule_34_founders_are_of_colleges_and_stages_that_exist() {
    assert_eq!(changed(|charter| founder(charter, 2, |founder| founder.college = 3)), 34);
    assert_eq!(changed(|charter| founder(charter, 2, |founder| founder.stage = 2)), 34);
    assert_eq!(changed(|charter| founder(charter, 2, |founder| founder.stage = 1)), 0);
    assert_eq!(changed(|charter| charter.founders = list([])), 34);
}

#[test]
fn rule_35_each_founder_has_a_device_of_its_own() {
    let same = key(0).device();
    assert_eq!(changed(|charter| founder(charter, 2, |founder| founder.device = same)), 35);
    let identity = DeviceKey([0; 32]);
    assert_eq!(changed(|charter| founder(charter, 2, |founder| founder.device = identity)), 35);
}

#[test]
fn rule_36_every_founder_has_signed_this_charter_and_no_other() {
    assert_eq!(refused(charter()), 36);
    let mut other = consented(charter());
    other.internal_price = 13;
    assert_eq!(refused(other), 36);
    let mut swapped = consented(charter());
    let proof = swapped.founders[1].proof;
    founder(&mut swapped, 0, |founder| founder.proof = proof);
    assert_eq!(refused(swapped), 36);
}

#[test]
fn rule_37_a_founder_writes_the_charter() {
    let stranger = key(99);
    let entry = founding(consented(charter()), 1);
    let header = Header { device: stranger.device(), ..*entry.header() };
    let act = Act::Charter(Box::new(consented(charter())));
    let entry = sign(&stranger, &header, &act).unwrap();
    assert_eq!(Register::found(&entry).unwrap_err().rule(), 37);
}

#[test]
fn rule_38_roles_are_held_by_founders_and_not_by_machines() {
    assert_eq!(changed(|charter| charter.roles.registrar = Member(8)), 38);
    assert_eq!(changed(|charter| charter.roles.treasurer = Member(7)), 38, "a machine");
    assert_eq!(changed(|charter| charter.roles.distributor = Member(6)), 0);
    assert_eq!(charter().founders[7].kind, Kind::Machine);
}

#[test]
fn rule_39_parameters_are_such_that_the_rules_can_be_applied() {
    assert_eq!(changed(|charter| charter.internal_price = 0), 39);
    assert_eq!(changed(|charter| charter.attestations = 0), 39);
    assert_eq!(changed(|charter| charter.currency = code("eur")), 39);
    assert_eq!(changed(|charter| charter.currency = code("EURO")), 39);
    assert_eq!(changed(|charter| charter.exponent = 5), 39);
    assert_eq!(changed(|charter| charter.sponsors = 17), 39);
    assert_eq!(changed(|charter| charter.recovery = 9), 39);
    let tier = |name: &str| Tier { code: code(name), price: 1 };
    assert_eq!(changed(|charter| charter.tiers = list([tier("a"), tier("a")])), 39);
    assert_eq!(changed(|charter| charter.tiers = list([tier("a"), tier("b")])), 0);
}
