//! Each of the auditor's checks V1 to V21 passes on an honest export, and fails on one in which
//! somebody did what it is about, naming who.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use talea_protocol::act::{
    Act, Attest, Choice, Content, Correct, Decide, Dispute, Distribute, Effect, Expense, Matter,
    Method, Propose, Vote,
};
use talea_protocol::bytes::{Bp, Code, List, Octets, Quantity};
use talea_protocol::charter::{Amendment, Change};
use talea_protocol::checkpoint::{Checkpoint, origin};
use talea_protocol::entry::Signed;
use talea_protocol::export::{Section, Sections, Writer};
use talea_protocol::federation::{
    Accord, Balance, Countersign, Link, Send, Statement, Turnover, accordance, confirmation,
};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::Purpose;
use talea_protocol::leaf::Frontier;
use talea_protocol::money::{Allocate, Reconcile};
use talea_protocol::recovery::Erase;
use talea_protocol::tree::TreeHash;
use talea_tests::handmade::Handmade;
use talea_tests::quarter::{self, JANUARY, settle};
use talea_tools::amount;
use talea_tools::cheat::{change_byte, drop_entry, sign_twice};
use talea_tools::checks::{Check, Outcome, checks, closed_alike};
use talea_tools::verify::{Audit, Policy, audit};

#[path = "checks/provenance.rs"]
mod provenance;

const ALBA: usize = 0;
const BRUNO: usize = 1;
const CHLOE: usize = 2;

fn read(file: &[u8]) -> Audit {
    audit(file, &Policy::default(), 0).unwrap()
}

fn checked(file: &[u8], number: usize) -> Check {
    checks(&read(file)).remove(number - 1)
}

/// January, with more that somebody signs, settled.
fn with(until: u32, more: impl FnOnce(&mut Handmade) -> Vec<Signed>) -> Vec<u8> {
    let mut made = quarter::unsettled(quarter::FILE, until);
    for entry in more(&mut made) {
        made.place(&entry, &[0, 1, 2]);
    }
    settle(&mut made);
    made.export(0)
}

/// The check fails and names this entry, and all before it in the list of checks pass or cannot
/// be done.
fn fails(file: &[u8], number: usize, culprit: &EntryId) -> Check {
    let all = checks(&read(file));
    for before in &all[..number - 1] {
        assert_ne!(before.outcome, Outcome::Fail, "{before:?}");
    }
    let check = all[number - 1].clone();
    assert_eq!(check.outcome, Outcome::Fail, "{check:?}");
    let named = check.notes.iter().any(|note| note.fails && note.entry == Some(*culprit));
    assert!(named, "{check:?} does not name {culprit}");
    check
}

fn expense(amount: i64) -> Act {
    Act::Expense(Expense {
        account: Code::try_from("628000").unwrap(),
        payee: Code::try_from("x").unwrap(),
        amount: Quantity::new(amount).unwrap(),
        date: amount::day("2026-02-03").unwrap(),
        decision: None,
    })
}

/// The sections of an export with a change, under a good digest.
fn rewritten(file: &[u8], time: Option<u64>, more: &[Section]) -> Vec<u8> {
    let mut sections: Vec<Section> =
        Sections::new(file).unwrap().map(|section| section.unwrap().1).collect();
    let Section::Head { cooperative, node, time: was } = sections.remove(0) else {
        panic!("a head")
    };
    let (mut writer, mut out) = Writer::begin(cooperative, node, time.unwrap_or(was));
    for section in sections.iter().chain(more) {
        out.extend(writer.frame(section));
    }
    out.extend(writer.end());
    out
}

/// The day after P1 closes.
fn decided_at() -> u64 {
    amount::begins(amount::day("2026-01-10").unwrap())
}

fn act_of<T>(made: &Handmade, pick: impl Fn(&Act) -> Option<T>) -> T {
    let acts = made.entries.iter().filter_map(|entry| match entry.content() {
        Content::Known(act) => pick(act),
        Content::Unknown(_) => None,
    });
    acts.last().expect("the quarter has one")
}

#[test]
fn january_passes_what_can_be_checked_and_says_why_not_of_the_rest() {
    let all = checks(&read(&quarter::played(JANUARY).export(1)));
    let numbers: Vec<u8> = all.iter().map(|check| check.number).collect();
    assert_eq!(numbers, (1..=21).collect::<Vec<u8>>());
    for check in &all {
        let wanted = match check.number {
            14..=16 | 18 => Outcome::Cannot,
            _ => Outcome::Pass,
        };
        assert_eq!(check.outcome, wanted, "{check:?}");
        assert_eq!(check.because.is_some(), wanted == Outcome::Cannot, "{check:?}");
    }
    let looked = |number: usize| all[number - 1].looked_at;
    assert_eq!((looked(1), looked(6), looked(9), looked(12)), (53, 3, 4, 1));
}

#[test]
fn the_whole_quarter_passes_with_its_dispute_and_its_corrections() {
    let all = checks(&read(&quarter::played(quarter::LAST).export(2)));
    for check in &all {
        let wanted = match check.number {
            14..=16 | 18 => Outcome::Cannot,
            _ => Outcome::Pass,
        };
        assert_eq!(check.outcome, wanted, "{check:?}");
    }
    let looked = |number: usize| all[number - 1].looked_at;
    assert_eq!((looked(9), looked(10), looked(11), looked(12)), (12, 1, 3, 4));
    assert!(all[9].notes[0].what.contains(" waits at chloe/"), "{:?}", all[9]);
}

#[test]
fn v1_a_changed_byte_fails_the_signature() {
    let made = quarter::played(JANUARY);
    let check = checked(&change_byte(&made.export(0), 11).unwrap(), 1);
    assert_eq!(check.outcome, Outcome::Fail);
    assert!(check.notes[0].what.contains("bruno/0 "), "{check:?}");
}

#[test]
fn v2_a_place_signed_twice_is_a_fork() {
    let made = quarter::played(JANUARY);
    let (file, second) = sign_twice(&made.export(0), 11, &made.members[BRUNO]).unwrap();
    let check = fails(&file, 2, &second);
    assert!(check.notes[0].what.contains("two signed entries for one place"), "{check:?}");
}

#[test]
fn v3_what_is_missing_is_listed_and_is_nobodys_fault() {
    let made = quarter::played(JANUARY);
    let check = checked(&drop_entry(&made.export(0), 52).unwrap(), 3);
    assert_eq!((check.outcome, check.because), (Outcome::Cannot, Some("cannot-missing")));
    assert!(check.notes.iter().any(|note| note.what.contains("missing")), "{check:?}");
}

#[test]
fn v3_who_names_something_as_what_it_is_not_is_named() {
    let mut culprit = None;
    let file = with(JANUARY, |made| {
        let contribution = made.cooperative();
        let entry = made.sign(BRUNO, &Act::Attest(Attest { contribution }), None);
        culprit = Some(entry.id());
        vec![entry]
    });
    let check = fails(&file, 3, &culprit.unwrap());
    assert!(check.notes[0].what.contains("rule 50"), "{check:?}");
}

#[test]
fn v4_a_node_that_signs_two_roots_is_named() {
    let made = quarter::played(JANUARY);
    let node = &made.nodes[1];
    let size = u64::try_from(made.logs[1].len()).unwrap();
    let origin = origin(&made.cooperative(), &node.node());
    let note = Checkpoint { origin, size, root: TreeHash([9; 32]) }.sign(node);
    let note = Octets::new(note.to_string().into_bytes()).unwrap();
    let other = Section::Checkpoint { log: node.node(), note };
    let check = checked(&rewritten(&made.export(0), None, &[other]), 4);
    assert_eq!(check.outcome, Outcome::Fail);
    assert!(check.notes.iter().any(|note| note.what.contains("signed two roots")), "{check:?}");
}

#[test]
fn v5_who_holds_no_role_has_no_right_to_its_acts() {
    let mut culprit = None;
    let file = with(JANUARY, |made| {
        let entry = made.sign(BRUNO, &expense(100), None);
        culprit = Some(entry.id());
        vec![entry]
    });
    let check = fails(&file, 5, &culprit.unwrap());
    assert!(check.notes[0].what.contains("rule 46"), "{check:?}");
}

#[test]
fn v6_a_node_that_states_another_state_is_named() {
    let mut made = quarter::played(JANUARY);
    let frontier = made.logs[0].last().unwrap().clone();
    let Ok(talea_protocol::leaf::Leaf::Frontier(frontier)) =
        talea_protocol::leaf::Leaf::parse(&frontier)
    else {
        panic!("a frontier")
    };
    made.logs[0].push(Frontier { state: Hash([9; 32]), ..*frontier }.leaf());
    let check = checked(&made.export(0), 6);
    assert_eq!(check.outcome, Outcome::Fail);
    assert!(check.notes[0].what.contains("state root"), "{check:?}");
}

#[test]
fn v7_an_expense_above_the_bank_is_named() {
    let mut culprit = None;
    let file = with(JANUARY, |made| {
        let entry = made.sign(ALBA, &expense(149_901), None);
        culprit = Some(entry.id());
        vec![entry]
    });
    let check = fails(&file, 7, &culprit.unwrap());
    assert!(check.notes[0].what.contains("rule 71"), "{check:?}");
    let file = with(JANUARY, |made| vec![made.sign(ALBA, &expense(149_900), None)]);
    assert_eq!(checked(&file, 7).outcome, Outcome::Pass, "the bank holds as much");
}

#[test]
fn v8_who_attests_their_own_work_is_named() {
    let mut culprit = None;
    let file = with(JANUARY, |made| {
        let contribution = made.entries.iter().find(|entry| {
            let own = entry.header().device == made.members[ALBA].device();
            own && matches!(entry.content(), Content::Known(Act::Contribution(_)))
        });
        let contribution = contribution.unwrap().id();
        let entry = made.sign(ALBA, &Act::Attest(Attest { contribution }), None);
        culprit = Some(entry.id());
        vec![entry]
    });
    let check = fails(&file, 8, &culprit.unwrap());
    assert!(check.notes[0].what.contains("rule 56"), "{check:?}");
}

#[test]
fn v9_a_run_with_a_cent_moved_is_named() {
    let run = act_of(&quarter::played(JANUARY), |act| match act {
        Act::Distribute(run) => Some((**run).clone()),
        _ => None,
    });
    let mut lines: Vec<_> = run.lines.to_vec();
    lines[0].love += 1;
    lines[1].love -= 1;
    let moved = Distribute { lines: List::new(lines).unwrap(), ..run };
    let mut culprit = None;
    let file = with(49, |made| {
        let entry = made.sign(CHLOE, &Act::Distribute(Box::new(moved)), None);
        culprit = Some(entry.id());
        vec![entry]
    });
    let check = fails(&file, 9, &culprit.unwrap());
    assert!(check.notes[0].what.contains("rule 75"), "{check:?}");
}

/// A contribution of a member.
fn work_of(made: &Handmade, member: usize) -> EntryId {
    let own = |entry: &&Signed| {
        entry.header().device == made.members[member].device()
            && matches!(entry.content(), Content::Known(Act::Contribution(_)))
    };
    made.entries.iter().find(own).unwrap().id()
}

#[test]
fn v10_who_disputes_their_own_work_is_named() {
    let mut culprit = None;
    let file = with(JANUARY, |made| {
        let dispute = Dispute { contribution: work_of(made, ALBA) };
        let entry = made.sign(ALBA, &Act::Dispute(dispute), None);
        culprit = Some(entry.id());
        vec![entry]
    });
    let check = fails(&file, 10, &culprit.unwrap());
    assert!(check.notes[0].what.contains("rule 85"), "{check:?}");
}

#[test]
fn v11_who_corrects_anothers_work_or_below_zero_is_named() {
    for (author, difference, rule) in [(BRUNO, -10, "rule 87"), (ALBA, -12_001, "rule 88")] {
        let mut culprit = None;
        let file = with(JANUARY, |made| {
            let correct = Correct { contribution: work_of(made, ALBA), difference };
            let entry = made.sign(author, &Act::Correct(correct), None);
            culprit = Some(entry.id());
            vec![entry]
        });
        let check = fails(&file, 11, &culprit.unwrap());
        assert!(check.notes[0].what.contains(rule), "{check:?}");
    }
}

#[test]
fn v14_an_expense_above_the_limit_without_a_decision_is_named() {
    let limited = quarter::FILE.replace(
        "\"attestations_required\": 1,",
        "\"attestations_required\": 1, \"expense_limit_cents\": 10000,",
    );
    for (amount, wanted) in [(10_000, Outcome::Pass), (10_001, Outcome::Fail)] {
        let mut made = quarter::unsettled(&limited, JANUARY);
        let entry = made.sign(ALBA, &expense(amount), None);
        made.place(&entry, &[0, 1, 2]);
        settle(&mut made);
        let check = checked(&made.export(0), 14);
        assert_eq!(check.outcome, wanted, "{check:?}");
        assert_eq!(check.notes.iter().any(|note| note.entry == Some(entry.id())), amount > 10_000);
    }
}

#[test]
fn v15_a_statement_that_the_books_contradict_is_named() {
    for (balance, wanted) in [(149_900, Outcome::Pass), (149_901, Outcome::Fail)] {
        let mut culprit = None;
        let file = with(JANUARY, |made| {
            let date = amount::day("2026-02-03").unwrap();
            let reference = Code::try_from("2026-02").unwrap();
            let entry =
                made.sign(ALBA, &Act::Reconcile(Reconcile { date, balance, reference }), None);
            culprit = Some(entry.id());
            vec![entry]
        });
        let check = checked(&file, 15);
        assert_eq!(check.outcome, wanted, "{check:?}");
        assert_eq!(check.notes.iter().any(|note| note.entry == culprit), wanted == Outcome::Fail);
    }
}

#[test]
fn v16_a_closed_month_that_differs_in_two_exports_is_named() {
    let one = quarter::played(JANUARY);
    let same = closed_alike(&read(&one.export(0)), &read(&one.export(1)));
    assert_eq!((same.outcome, same.looked_at), (Outcome::Pass, 1), "{same:?}");
    let other = quarter::FILE.replacen("\"amount\": 900,", "\"amount\": 800,", 1);
    let other = quarter::played_from(&other, JANUARY);
    assert_eq!(one.cooperative(), other.cooperative());
    let check = closed_alike(&read(&one.export(0)), &read(&other.export(0)));
    assert_eq!(check.outcome, Outcome::Fail);
    assert!(check.notes[0].what.contains("2026-01: record 14 differs"), "{check:?}");
}

#[test]
fn v17_an_allocation_with_too_little_reserve_is_named() {
    let right = act_of(&quarter::played(quarter::LAST), |act| match act {
        Act::Allocate(it) => Some((**it).clone()),
        _ => None,
    });
    let (statutory, other) = (right.statutory - 1, right.other + 1);
    let act = Act::Allocate(Box::new(Allocate { statutory, other, ..right }));
    let mut culprit = None;
    let file = with(138, |made| {
        let entry = made.sign(ALBA, &act, None);
        culprit = Some(entry.id());
        vec![entry]
    });
    let check = fails(&file, 17, &culprit.unwrap());
    assert!(check.notes[0].what.contains("rule 139"), "{check:?}");
}

#[test]
fn v12_a_tally_with_one_vote_too_many_is_named() {
    let decision = act_of(&quarter::played(JANUARY), |act| match act {
        Act::Decide(it) => Some(it.clone()),
        _ => None,
    });
    let mut colleges = decision.tally.colleges.to_vec();
    colleges[0].yes += 1;
    let tally = talea_protocol::act::Tally {
        colleges: List::new(colleges).unwrap(),
        ..decision.tally.clone()
    };
    let mut culprit = None;
    let file = with(18, |made| {
        made.time = decided_at();
        let entry = made.sign(BRUNO, &Act::Decide(Decide { tally, ..decision }), None);
        culprit = Some(entry.id());
        vec![entry]
    });
    let check = fails(&file, 12, &culprit.unwrap());
    assert!(check.notes[0].what.contains("rule 64"), "{check:?}");
}

#[test]
fn v12_a_ballot_that_a_cut_leaves_out_is_named() {
    let decided = act_of(&quarter::played(JANUARY), |act| match act {
        Act::Decide(it) => Some(it.clone()),
        _ => None,
    });
    // Votes of step 18 on are there; the cut that was signed ends before one that is added.
    let mut culprit = None;
    let file = with(18, |made| {
        let vote = Vote { proposal: decided.proposal, choice: Choice::No };
        let vote = made.sign(3, &Act::Vote(vote), None);
        culprit = Some(vote.id());
        made.time = decided_at();
        let decide = made.sign(BRUNO, &Act::Decide(decided.clone()), None);
        vec![vote, decide]
    });
    let check = fails(&file, 12, &culprit.unwrap());
    assert!(check.notes[0].what.contains("left outside its cut"), "{check:?}");
}

#[test]
fn v13_a_change_that_would_work_backwards_is_named() {
    let mut culprit = None;
    let file = with(JANUARY, |made| {
        let care = Amendment::Care(Bp::new(500).unwrap());
        let change = Change {
            amendments: List::new(vec![care]).unwrap(),
            from: amount::month("2026-01").unwrap(),
        };
        let propose = Propose {
            matter: Matter::Charter,
            method: Method::Headcount,
            statutory: false,
            closes: amount::begins(amount::day("2026-02-20").unwrap()),
            effect: Effect::Amend(change),
        };
        let entry = made.sign(CHLOE, &Act::Propose(propose), None);
        culprit = Some(entry.id());
        vec![entry]
    });
    let check = fails(&file, 13, &culprit.unwrap());
    assert!(check.notes[0].what.contains("rule 60"), "{check:?}");
}

#[test]
fn v19_a_payload_that_was_to_be_erased_and_is_there_is_named() {
    let erase = |made: &mut Handmade| {
        let entry = made
            .entries
            .iter()
            .find(|entry| matches!(entry.content(), Content::Known(Act::Expense(_))));
        let entry = entry.unwrap().id();
        let order = Erase { entry, ground: Code::try_from("request").unwrap() };
        (entry, made.sign(ALBA, &Act::Erase(order), None))
    };
    let mut culprit = None;
    let file = with(JANUARY, |made| {
        let (entry, order) = erase(made);
        culprit = Some(entry);
        vec![order]
    });
    let check = fails(&file, 19, &culprit.unwrap());
    assert!(check.notes.iter().any(|note| note.what.contains("ground: request")), "{check:?}");
    let file = with(JANUARY, |made| {
        let (entry, order) = erase(made);
        made.erase(&entry);
        vec![order]
    });
    let check = checked(&file, 19);
    assert_eq!((check.outcome, check.looked_at), (Outcome::Pass, 1), "{check:?}");
}

/// January, with a partner, an accord, 500 sent under it, and a statement by which the partner has
/// received so much. The quarter's entries stay what they were.
fn with_partner(received: u64) -> (Vec<u8>, EntryId) {
    let other = Handmade::short();
    let speaker = &other.members[0];
    let date = amount::day("2026-02-03").unwrap();
    let mut culprit = None;
    let file = with(JANUARY, |made| {
        let charter = Octets::new(other.entries[0].bytes().to_vec()).unwrap();
        let speakers = List::new(vec![speaker.device()]).unwrap();
        let link = made.sign(ALBA, &Act::Link(Link { charter, roster: None, speakers }), None);
        let (ours, theirs) = (made.cooperative(), other.cooperative());
        let accord = Accord {
            one: ours.min(theirs),
            other: ours.max(theirs),
            reference: Code::try_from("AG1").unwrap(),
            unit: Code::try_from("EUR").unwrap(),
            limit: Quantity::new(1_000).unwrap(),
            from: date,
            until: date,
            text: Hash::ZERO,
        };
        let signature = speaker.sign(Purpose::Accord, &accordance(&accord));
        let act = Countersign { accord: accord.clone(), device: speaker.device(), signature };
        let agreed = made.sign(ALBA, &Act::Countersign(Box::new(act)), None);
        let send = Send {
            accord: accord.id(),
            amount: Quantity::new(500).unwrap(),
            date,
            reference: Code::try_from("a").unwrap(),
            fund: None,
            takes: List::default(),
        };
        let sent = made.sign(ALBA, &Act::Send(send), None);
        let sums = [Turnover { sent: 500, received: 0 }, Turnover { sent: 0, received }];
        let [one, other] = if accord.one == ours { sums } else { [sums[1], sums[0]] };
        let balance = Balance { accord: accord.id(), date, one, other };
        let signature = speaker.sign(Purpose::Statement, &confirmation(&balance));
        let statement = Statement { balance, device: speaker.device(), signature };
        let stated = made.sign(ALBA, &Act::Statement(statement), None);
        culprit = Some(stated.id());
        vec![link, agreed, sent, stated]
    });
    (file, culprit.unwrap())
}

#[test]
fn v18_a_statement_of_more_than_was_sent_is_named() {
    for (received, noted) in [(500, 0), (499, 1)] {
        let (file, _) = with_partner(received);
        let check = checked(&file, 18);
        assert_eq!((check.outcome, check.looked_at), (Outcome::Pass, 2), "{check:?}");
        assert_eq!(check.notes.len(), noted, "what is under way is noted: {check:?}");
    }
    let (file, stated) = with_partner(501);
    let check = fails(&file, 18, &stated);
    assert!(check.notes[0].what.contains("501 received of 500 sent"), "{check:?}");
}

#[test]
fn v21_who_gave_too_little_is_named_once_the_quarter_is_over() {
    let file = quarter::played(JANUARY).export(0);
    assert_eq!(checked(&file, 21).outcome, Outcome::Pass);
    let april = amount::begins(amount::day("2026-04-01").unwrap());
    let check = checked(&rewritten(&file, Some(april), &[]), 21);
    assert_eq!(check.outcome, Outcome::Fail);
    let says = |text: &str| check.notes.iter().any(|note| note.fails && note.what.contains(text));
    assert!(says("bruno: 106.67 love credits of 400.00") && !says("chloe"), "{check:?}");
}

#[test]
fn without_a_charter_nothing_adds_up_and_that_is_said() {
    let file = quarter::played(JANUARY).export(0);
    let all = checks(&read(&drop_entry(&file, 0).unwrap()));
    assert!(all[6..].iter().all(|check| check.because == Some("cannot-charter")), "{all:?}");
}
