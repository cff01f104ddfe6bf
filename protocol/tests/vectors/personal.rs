//! Entries about credentials and requests to erase: acts 48 to 51.

use talea_protocol::act::Act;
use talea_protocol::charter::Member;
use talea_protocol::hash::Hash;
use talea_protocol::personal::*;

use crate::entries::{World, code, day};

/// Adds all of them to what is written.
pub fn write(world: &mut World) {
    let attest = AttestCredential {
        subject: Member(3),
        kind: code("contributions"),
        document: Hash([0x42; 32]),
        from: day(20_500),
        until: None,
    };
    let ends = AttestCredential { until: Some(day(20_865)), ..attest.clone() };
    world.write("attest-credential", 1, None, Act::AttestCredential(attest));
    let credential =
        world.write("attest-credential, with an end", 1, None, Act::AttestCredential(ends));
    let ground = code("mistake");
    let revoke = RevokeCredential { credential, ground };
    world.write("revoke-credential", 1, None, Act::RevokeCredential(revoke));
    let entry = world.entry("admit").id();
    let request = RequestErasure { entry };
    let request = world.write("request-erasure", 4, None, Act::RequestErasure(request));
    let refuse = RefuseErasure { request, ground: code("accounts") };
    world.write("refuse-erasure", 1, None, Act::RefuseErasure(refuse));
}
