//! The state root, computed once more by hand from section 5 of the README: bytes are put together
//! here without the codec, and hashed without the set hash.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use talea_ledger::account::{Account, Unit};
use talea_ledger::state::State;
use talea_protocol::act::{Act, Choice, Close, Effect, Outcome, Pay, Redirect};
use talea_protocol::charter::Member;
use talea_protocol::hash::{EntryId, Hash};

#[path = "../world/mod.rs"]
mod world;
mod council;
use world::acts::{
    DISTRIBUTOR, REGISTRAR, TREASURER, attest, decide, income, invoice, propose, vote, work,
};
use world::{TODAY, World, day, month, quantity};

/// A row of every kind. Returns the world with its run and its redirect.
fn story() -> (World, EntryId, EntryId) {
    let mut charter = world::charter();
    council::council(&mut charter);
    let mut world = World::of(world::consented(charter));
    let shares = world.subscribe(4, 5000, "s1");
    world.good(TREASURER, Act::Subscribe(shares));
    world.good(TREASURER, Act::Invoice(invoice("J1", 2, 100, 1600)));
    world.good(TREASURER, income("J1", 1500, day(TODAY)));
    let given = world.good(0, Act::Contribution(work(100)));
    world.good(1, attest(given));
    assert_eq!(world.void(0, attest(given)), 56);
    let proposal = world.good(0, Act::Propose(propose(Effect::Policy)));
    world.good(0, Act::Propose(propose(Effect::Policy)));
    world.good(5, vote(proposal, Choice::No));
    world.good(5, vote(proposal, Choice::Abstain));
    let decision = decide(&mut world, proposal);
    world.good(REGISTRAR, Act::Decide(decision));
    let (cut, period) = (world.cut(), month(2026, 1));
    let run = world.state.distribute(&world.register, 1, period, &cut).unwrap();
    let run = world.good(DISTRIBUTOR, Act::Distribute(Box::new(run)));
    let redirect = Redirect { run, to: Member(5), amount: quantity(7) };
    let redirect = world.good(0, Act::Redirect(redirect));
    let pay = Pay { run, cut: world.cut(), date: day(TODAY) };
    world.good(TREASURER, Act::Pay(pay));
    let close = Close { period, cut: world.cut() };
    world.good(TREASURER, Act::Close(close));
    (world, run, redirect)
}

fn text(text: &str) -> Vec<u8> {
    [&u64::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
}

fn optional(id: Option<EntryId>) -> Vec<u8> {
    id.map_or(vec![0], |id| [&[1], id.0.as_slice()].concat())
}

fn entries(world: &World, state: &State) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    for device in 0..8_u32 {
        if let Some(last) = state.last(device) {
            let length = state.length(device).to_le_bytes();
            rows.push([&[1], &device.to_le_bytes()[..], &length, &last.0].concat());
        }
    }
    for (id, void) in state.voids() {
        rows.push([&[2], &id.0[..], &void.rule().to_le_bytes()].concat());
    }
    for (id, record) in state.work().iter() {
        let credit = &record.credit;
        let sums = [credit.nominal, credit.livelihood, credit.love, credit.care];
        let sums = sums.map(i64::to_le_bytes).concat();
        rows.push([&[3], &id.0[..], &record.author.0.to_le_bytes(), &sums].concat());
    }
    for (id, proposal) in state.votes().iter() {
        let mut value = optional(proposal.decision.as_ref().map(|decision| decision.id));
        if let Some(decision) = &proposal.decision {
            assert_eq!(decision.outcome, Outcome::NoQuorum);
            value.extend(2_u32.to_le_bytes());
        }
        rows.push([&[4], &id.0[..], &value].concat());
        for (member, ballots) in &proposal.ballots {
            let newest = ballots.last().unwrap();
            let choice = match newest.choice {
                Choice::Yes => 0,
                Choice::No => 1,
                Choice::Abstain => 2,
                Choice::Block => 3,
            };
            let place = newest.place;
            let value = [place.device, place.seq, choice].map(u32::to_le_bytes).concat();
            rows.push([&[5], &id.0[..], &member.0.to_le_bytes(), &value].concat());
        }
    }
    assert_eq!(world.chains.iter().map(Vec::len).sum::<usize>(), state.chains().total());
    rows
}

fn accounts(state: &State) -> Vec<Vec<u8>> {
    let row = |(account, unit, balance): (&Account, Unit, talea_ledger::account::Balance)| {
        let unit = match unit {
            Unit::Money => 0,
            Unit::Livelihood => 1,
            Unit::Love => 2,
            Unit::Care => 3_u8,
            Unit::Internal(_) => panic!("this charter has no unit of its own"),
        };
        let (kind, name) = match account {
            Account::Shares(member) => (0, member.0.to_le_bytes().to_vec()),
            Account::Receivable(client) => (1, client.as_str().as_bytes().to_vec()),
            Account::Payable(member) => (2, member.0.to_le_bytes().to_vec()),
            Account::Bank => (3, vec![]),
            Account::Pay => (4, vec![]),
            Account::Expense(code) => (5, code.as_str().as_bytes().to_vec()),
            Account::Sales => (6, vec![]),
            Account::Claim(member) => (7, member.0.to_le_bytes().to_vec()),
            Account::Issued => (8_u8, vec![]),
            other => panic!("nobody posts to {other:?} here"),
        };
        let length = u64::try_from(name.len() + 1).unwrap().to_le_bytes();
        let net = balance.net();
        let bytes = [&[6, unit], &length[..], &[kind], &name, &net.to_le_bytes()].concat();
        (net != 0).then_some(bytes)
    };
    state.books().iter().filter_map(row).collect()
}

fn money(state: &State, run: EntryId, redirect: EntryId) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    for (code, job) in state.treasury().jobs() {
        let sums = [job.amount, job.received].map(i64::to_le_bytes).concat();
        let (key, client) = (text(code.as_str()), text(job.client.as_str()));
        let (price, booked) = (job.price.to_le_bytes(), job.booked.value().to_le_bytes());
        rows.push([&[7], &key[..], &job.invoice.0, &client, &price, &sums, &booked].concat());
    }
    for ((member, reference), id) in state.treasury().subscriptions() {
        let reference = text(reference.as_str());
        rows.push([&[8], &member.0.to_le_bytes()[..], &reference, &id.0].concat());
    }
    let record = state.runs().record(&run).unwrap();
    let payment = optional(record.payment.as_ref().map(|payment| payment.id));
    rows.push([&[9], &run.0[..], &record.period.value().to_le_bytes(), &payment].concat());
    let (to, amount) = (5_u32.to_le_bytes(), 7_i64.to_le_bytes());
    rows.push([&[10], &redirect.0[..], &run.0, &to, &amount].concat());
    rows.push([&[11], &state.treasury().closed().unwrap().value().to_le_bytes()[..]].concat());
    for (number, line) in (1_u64..).zip(state.treasury().journal().numbered()) {
        let (part, month) = (line.part.to_le_bytes(), line.month.value().to_le_bytes());
        let number = number.to_le_bytes();
        rows.push([&[25], &line.entry.0[..], &part, &number, &month].concat());
    }
    rows
}

fn root(rows: &[Vec<u8>]) -> Hash {
    let mut lanes = [0_u16; 1024];
    for row in rows {
        let mut hasher = blake3::Hasher::new_derive_key("talea 2026-11 state row v1");
        let mut bytes = [0; 2048];
        hasher.update(row).finalize_xof().fill(&mut bytes);
        for (lane, pair) in lanes.iter_mut().zip(bytes.chunks(2)) {
            *lane = lane.wrapping_add(u16::from_le_bytes([pair[0], pair[1]]));
        }
    }
    let bytes: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
    Hash(blake3::derive_key("talea 2026-11 state root v1", &bytes))
}

#[test]
fn a_stranger_computes_the_state_root_from_the_readme() {
    let (mut world, run, redirect) = story();
    let more = council::write(&mut world);
    let state = &world.state;
    let parts = [entries(&world, state), accounts(state), money(state, run, redirect), more];
    let rows = parts.concat();
    let kinds: std::collections::BTreeSet<u8> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(kinds, (1..=25).filter(|kind| *kind != 12).collect());
    assert_eq!(world.state.root(), root(&rows));
}

#[test]
fn the_root_of_nothing_is_that_of_no_rows() {
    assert_eq!(State::new().root(), root(&[]));
}
