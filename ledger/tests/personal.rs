//! Rules 150 to 152: credentials, and requests to erase with their answers. One test each: what
//! the rule refuses, and that its neighbour counts.

use talea_ledger::verdict::{Need, Verdict};
use talea_protocol::act::Act;
use talea_protocol::charter::Member;
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::personal::{AttestCredential, RefuseErasure, RequestErasure, RevokeCredential};
use talea_protocol::recovery::Erase;

mod world;
use world::acts::{MACHINE, REGISTRAR, work};
use world::{TODAY, World, code, day};

fn credential(subject: u32) -> AttestCredential {
    AttestCredential {
        subject: Member(subject),
        kind: code("contributions"),
        document: Hash([7; 32]),
        from: day(TODAY),
        until: Some(day(TODAY)),
    }
}

fn revoke(credential: EntryId) -> Act {
    Act::RevokeCredential(RevokeCredential { credential, ground: code("mistake") })
}

fn request(entry: EntryId) -> Act {
    Act::RequestErasure(RequestErasure { entry })
}

fn refuse(request: EntryId) -> Act {
    Act::RefuseErasure(RefuseErasure { request, ground: code("accounts") })
}

#[test]
fn rule_150_a_credential_is_about_another_member() {
    let mut world = World::new();
    assert_eq!(world.void(0, Act::AttestCredential(credential(0))), 150);
    assert_eq!(world.void(0, Act::AttestCredential(credential(9))), 43);
    let backwards = AttestCredential { until: Some(day(TODAY - 1)), ..credential(4) };
    assert_eq!(world.void(0, Act::AttestCredential(backwards)), 150);
    let good = world.good(0, Act::AttestCredential(credential(4)));
    world.good(0, Act::AttestCredential(credential(MACHINE)));
    let held = &world.state.personal().credentials()[&good];
    assert_eq!((held.issuer, held.revoked.is_none()), (Member(0), true));
}

#[test]
fn rule_151_a_credential_is_taken_back_by_who_stands_for_it_or_the_registrar() {
    let mut world = World::new();
    let one = world.good(0, Act::AttestCredential(credential(4)));
    let other = world.good(0, Act::AttestCredential(credential(5)));
    assert_eq!(world.void(4, revoke(one)), 151, "its subject does not");
    world.good(0, revoke(one));
    world.good(REGISTRAR, revoke(other));
    let nothing = world.put(0, Act::Contribution(work(1)));
    assert_eq!(world.void(REGISTRAR, revoke(nothing)), 50);
    let held = world.state.personal().credentials()[&one].revoked.clone().unwrap();
    assert_eq!(held.ground, code("mistake"));
}

#[test]
fn of_two_revocations_the_one_with_the_lowest_id_is_shown_in_any_order() {
    let mut world = World::new();
    let one = world.good(0, Act::AttestCredential(credential(4)));
    let both = [world.good(REGISTRAR, revoke(one)), world.good(0, revoke(one))];
    let shown = |state: &talea_ledger::state::State| {
        state.personal().credentials()[&one].revoked.as_ref().unwrap().id
    };
    assert_eq!(shown(&world.state), both[0].min(both[1]));
    let mut turned = world.fold(&[0, 0, 0, REGISTRAR]);
    assert_eq!(shown(&turned), shown(&world.state));
    assert_eq!(turned.root(), world.state.root());
}

#[test]
fn rule_152_a_request_to_erase_is_refused_by_the_registrar_alone() {
    let mut world = World::new();
    let entry = world.good(4, Act::Contribution(work(5)));
    let asked = world.good(4, request(entry));
    assert_eq!(world.void(0, refuse(asked)), 152);
    assert_eq!(world.void(REGISTRAR, refuse(entry)), 50, "no request");
    let answer = world.good(REGISTRAR, refuse(asked));
    let held = world.state.personal().requests()[&asked].clone();
    let refused = held.refused.unwrap();
    assert_eq!((held.entry, held.member, refused.id), (entry, Member(4), answer));
    assert_eq!(refused.ground, code("accounts"));
}

#[test]
fn a_request_is_granted_by_an_order_to_erase_with_its_ground() {
    let mut world = World::new();
    let entry = world.good(4, Act::Contribution(work(5)));
    let asked = world.good(4, request(entry));
    assert!(!world.state.erased().contains_key(&entry));
    let order = world.good(REGISTRAR, Act::Erase(Erase { entry, ground: code("request") }));
    assert_eq!(world.state.erased()[&world.state.personal().requests()[&asked].entry], order);
}

#[test]
fn a_request_waits_for_the_entry_that_it_is_about() {
    let mut world = World::new();
    let entry = world.sign(4, Act::Contribution(work(5)));
    let asked = world.put(5, request(entry.id()));
    assert_eq!(world.verdict(&asked), Verdict::Pending(Need::Entry { id: entry.id() }));
    world.place(4, entry);
    world.counts(&asked);
}
