//! Entries for when something goes wrong, or somebody goes: acts 17 to 28.
//!
//! Words, cuts and the evidence of a fork are genuine. Whether the ledger would count what the
//! entries say is not this file's business.

use talea_protocol::act::*;
use talea_protocol::bytes::{List, Octets};
use talea_protocol::charter::{Kind, Member, Roster};
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::{Header, Signed, sign};
use talea_protocol::fork::Fork;
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::leaf::Forked;
use talea_protocol::receipt::Receipt;
use talea_protocol::recovery::*;
use talea_protocol::tree::{Tree, leaf_hash};

use crate::entries::{START_MS, World, amount, code, list, nodes, word};
use crate::secret;

/// Adds all of them to what is written.
pub fn write(world: &mut World) {
    devices(world);
    people(world);
    roles(world);
    forks(world);
}

/// What is written of one device's chain; nothing if it is `None`.
fn of(world: &World, device: Option<usize>) -> Cut {
    let all = world.cut();
    let (mut lengths, mut root) = (Vec::new(), CutRoot::new());
    if let Some(device) = device {
        let length = all.lengths[device];
        lengths = vec![0; device];
        lengths.push(length);
        let seed = world.devices[device];
        root.add(&secret(seed).device(), length, &world.last(seed));
    }
    Cut { at: all.at, lengths: list(lengths), root: root.finish() }
}

fn ascending<const MAX: usize>(mut words: Vec<Approval>) -> List<Approval, MAX> {
    words.sort_unstable_by_key(|word| word.device);
    list(words)
}

fn devices(world: &mut World) {
    let cooperative = world.cooperative;
    let (request, proof) = world.request(7, Kind::Person);
    let words = ascending(vec![world.approval(1, &request), world.approval(2, &request)]);
    let enrol = Enrol { member: Member(3), request, proof, words };
    world.write("enrol, by two guardians", 1, None, Act::Enrol(enrol));
    world.devices.push(7);

    let against = revocation(&cooperative, &secret(6).device());
    let words = || ascending(vec![word(1, Purpose::Revocation, &against)]);
    let report = Report { device: 5, words: List::default() };
    world.write("report, one's own device", 4, None, Act::Report(report));
    world.write(
        "report, by a guardian",
        2,
        None,
        Act::Report(Report { device: 5, words: words() }),
    );
    let cut = of(world, Some(5));
    let revoke = Revoke { device: 5, cut, words: words() };
    world.write("revoke", 1, None, Act::Revoke(revoke));

    let approval = |seed, guardians: &Guardians| {
        word(seed, Purpose::Guardians, &guardianship(&cooperative, guardians))
    };
    let unsigned = word(4, Purpose::Guardians, b"");
    let mut keys = vec![secret(1).device(), secret(2).device()];
    keys.sort_unstable();
    let mut chosen = Guardians {
        member: Member(3),
        recovery: Some(secret(8).device()),
        keys: list(keys),
        threshold: 2,
        at: world.basis,
        approval: unsigned,
    };
    chosen.approval = approval(4, &chosen);
    world.write("guardians", 1, None, Act::Guardians(chosen.clone()));
    let mut none = Guardians { recovery: None, keys: List::default(), threshold: 0, ..chosen };
    none.at = world.basis;
    none.approval = approval(4, &none);
    world.write("guardians, none any more", 1, None, Act::Guardians(none));
}

fn people(world: &mut World) {
    world.write("leave", 5, None, Act::Leave);
    let word = word(5, Purpose::Departure, &departure(&world.cooperative, Member(4)));
    let depart = Depart { member: Member(4), cut: of(world, Some(4)), word };
    world.write("depart", 1, None, Act::Depart(depart));
    let decision = propose(world, "propose, to remove a member", Effect::Remove(Member(3)));
    let remove = Remove { member: Member(3), decision, cut: of(world, None) };
    world.write("remove, nothing of it counts", 1, None, Act::Remove(remove));
}

fn propose(world: &mut World, name: &'static str, effect: Effect) -> EntryId {
    let (matter, method) = (Matter::Charter, Method::CollegeWeighted);
    let closes = START_MS + 90_000;
    let act = Propose { matter, method, statutory: false, closes, effect };
    world.write(name, 3, None, Act::Propose(act))
}

fn roles(world: &mut World) {
    let offices = [
        (Office::Registrar, "propose, another registrar", "hand-over, registrar", 0),
        (Office::Treasurer, "propose, another treasurer", "hand-over, treasurer", 1),
        (Office::Distributor, "propose, another distributor", "hand-over, distributor", 2),
    ];
    for (office, proposal, name, device) in offices {
        let decision = propose(world, proposal, Effect::Appoint(office, Member(2)));
        let cut = of(world, Some(device));
        let act = HandOver { office, holder: Member(2), decision, cut };
        world.write(name, 1, None, Act::HandOver(act));
    }
    let call = Call { at: world.basis, successor: Member(1) };
    world.write("call", 3, None, Act::Call(call));
    let bytes = succession(&world.cooperative, &call);
    let words = ascending([2, 3, 4].map(|seed| word(seed, Purpose::Succession, &bytes)).to_vec());
    world.write("succeed", 2, None, Act::Succeed(Succeed { call, words }));
    let roster = Roster { nodes: list(nodes()[..2].to_vec()), faulty: 0, quorum: 2 };
    let decision = propose(world, "propose, another roster", Effect::Reform(roster.clone()));
    world.write("reform", 2, None, Act::Reform(Reform { roster, decision }));
}

/// Another entry in the place of a redirect.
pub fn second(redirect: &Signed) -> Signed {
    let header = Header { time: redirect.header().time + 1, ..*redirect.header() };
    let act = Redirect { run: EntryId([0x16; 32]), to: Member(1), amount: amount(2) };
    sign(&secret(6), &header, &Act::Redirect(act)).unwrap()
}

fn forks(world: &mut World) {
    let redirect = world.entry("redirect");
    let fork = Fork::new(redirect.signed_header(), second(&redirect).signed_header());
    let evidence = |n: u8, held| {
        let node = secret(n).node();
        let receipt = receipt(world.cooperative, n, &Forked { fork, held });
        Evidence { node, receipt: Octets::new(receipt).unwrap() }
    };
    let heal = |adopt, mut evidence: Vec<Evidence>| {
        evidence.sort_unstable_by_key(|evidence| evidence.node);
        Act::Heal(Heal { device: 5, seq: 0, adopt, evidence: list(evidence) })
    };
    let (one, other) = (fork.one.id(), fork.other.id());
    let adopts = heal(Some(one), vec![evidence(17, Some(one)), evidence(18, Some(one))]);
    let held = [Some(one), Some(other), None];
    let all = [17, 18, 19].into_iter().zip(held).map(|(n, held)| evidence(n, held));
    let voids = heal(None, all.collect());
    world.write("heal, one branch goes on", 2, None, adopts);
    world.write("heal, all branches are dead", 2, None, voids);
    let erase = Erase { entry: world.entry("admit").id(), ground: code("request") };
    world.write("erase", 2, None, Act::Erase(erase));
}

/// A receipt of a fork leaf that is the only leaf of a log.
fn receipt(cooperative: EntryId, n: u8, forked: &Forked) -> Vec<u8> {
    let leaf = forked.leaf();
    let mut tree = Tree::default();
    tree.append(leaf_hash(&leaf));
    let origin = origin(&cooperative, &secret(n).node());
    let checkpoint = Checkpoint { origin, size: 1, root: tree.root() }.sign(&secret(n));
    Receipt { index: 0, proof: Vec::new(), checkpoint, extra: leaf }.to_string().into_bytes()
}
