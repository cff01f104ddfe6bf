//! V20: from a payout back to clients, work, attesters and clauses of the charter; each failure names
//! who is to blame. And V8 of work of which only a part is confirmed.

use talea_protocol::act::{Act, Content, Distribute, Extent, Line, Review, Stream};
use talea_protocol::bytes::{List, Quantity};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_tests::handmade::Handmade;
use talea_tests::quarter::{self, JANUARY};
use talea_tools::amount;
use talea_tools::checks::{Check, Outcome, checks};
use talea_tools::verify::Audit;

use super::{BRUNO, CHLOE, checked, read, with};

fn act_of<T>(made: &Handmade, pick: impl Fn(&Act) -> Option<T>) -> T {
    let acts = made.entries.iter().filter_map(|entry| match entry.content() {
        Content::Known(act) => pick(act),
        Content::Unknown(_) => None,
    });
    acts.last().expect("the quarter has one")
}

/// January's run, changed, in an export in which it was signed.
fn with_run(change: impl FnOnce(&mut Distribute)) -> (Vec<u8>, EntryId) {
    let mut run = act_of(&quarter::played(JANUARY), |act| match act {
        Act::Distribute(run) => Some((**run).clone()),
        _ => None,
    });
    change(&mut run);
    let mut culprit = None;
    let file = with(49, |made| {
        let entry = made.sign(CHLOE, &Act::Distribute(Box::new(run)), None);
        culprit = Some(entry.id());
        vec![entry]
    });
    (file, culprit.unwrap())
}

/// What V20 has against an entry.
fn against(check: &Check, culprit: &EntryId) -> Vec<String> {
    assert_eq!(check.outcome, Outcome::Fail, "{check:?}");
    let notes = check.notes.iter().filter(|note| note.fails && note.entry == Some(*culprit));
    notes.map(|note| note.what.clone()).collect()
}

#[test]
fn v20_a_run_with_a_line_for_who_gave_nothing_is_named() {
    let (file, run) = with_run(|run| {
        let mut lines: Vec<_> = run.lines.to_vec();
        lines.push(Line { member: Member(4), livelihood: 0, love: 1, care: 0 });
        run.lines = List::new(lines).unwrap();
    });
    let found = against(&checked(&file, 20), &run);
    assert!(found.len() == 1 && found[0].contains("farida"), "{found:?}");
}

#[test]
fn v20_a_run_whose_cut_holds_the_work_and_not_who_attested_it_is_named() {
    let (file, run) = with_run(|run| {
        // Alba's own chain stays inside, and nobody's who attests.
        let lengths = (0..).zip(run.cut.lengths.iter());
        let kept = lengths.map(|(device, length)| if device == 0 { *length } else { 0 });
        run.cut.lengths = List::new(kept.collect()).unwrap();
    });
    let found = against(&checked(&file, 20), &run);
    let alba = "no attested work of alba inside its cut earned the livelihood";
    assert!(found.iter().any(|what| what.contains(alba)), "{found:?}");
}

#[test]
fn v20_a_run_that_no_client_paid_for_is_named() {
    let (file, run) = with_run(|run| run.period = amount::month("2025-12").unwrap());
    let found = against(&checked(&file, 20), &run);
    assert!(found.iter().any(|what| what.contains("no payment by a client")), "{found:?}");
}

#[test]
fn v20_a_run_divided_otherwise_than_its_clause_says_is_named_with_who_set_that() {
    let (file, run) = with_run(|run| {
        run.totals.care_pool += 1;
        run.totals.livelihood_pool -= 1;
    });
    let found = against(&checked(&file, 20), &run);
    let formula = "divided otherwise than 2000 / 1000 / 7500 (retained, care, livelihood)";
    assert!(found.len() == 1 && found[0].contains(formula), "{found:?}");
    // The care share was decided, the others are the charter's.
    let audit = read(&file);
    let sum = audit.sum.as_ref().unwrap();
    let (number, _) = sum.state.terms().changes()[0];
    let decision = &audit.shown.entries[&sum.register.entry(number).unwrap()];
    assert!(found[0].contains(&format!("/{}", decision.header().seq)), "{found:?}");
}

#[test]
fn v20_a_credit_whose_attester_invoice_or_clause_is_not_shown_is_named() {
    let file = quarter::played(JANUARY).export(0);
    let passes = |audit: &Audit| checks(audit)[19].outcome == Outcome::Pass;
    assert!(passes(&read(&file)));
    let mut audit = read(&file);
    let sum = audit.sum.as_ref().unwrap();
    let credited = sum.state.work().iter().find(|(_, record)| record.credit.nominal > 0);
    let (work, record) = credited.unwrap();
    let (work, word) = (*work, record.attestations[0].id);
    audit.shown.entries.remove(&word);
    let found = against(&checks(&audit)[19], &work);
    assert!(found[0].contains("0 of the 1 words that it needs"), "{found:?}");
    let mut audit = read(&file);
    audit.shown.entries.remove(&audit.shown.cooperative);
    let found = against(&checks(&audit)[19], &work);
    assert!(found.iter().any(|what| what.contains("\"attestations needed\"")), "{found:?}");
    let mut audit = read(&file);
    let sum = audit.sum.as_ref().unwrap();
    let invoices: Vec<EntryId> =
        sum.state.treasury().jobs().values().map(|job| job.invoice).collect();
    invoices.iter().for_each(|id| drop(audit.shown.entries.remove(id)));
    let check = &checks(&audit)[19];
    let named = check.notes.iter().filter(|note| note.fails && note.what.contains("no invoice to"));
    assert_eq!(named.count(), 2, "{check:?}");
}

#[test]
fn v8_a_part_that_is_confirmed_is_credited_and_no_more() {
    let mut given = None;
    let file = with(JANUARY, |made| {
        let work = act_of(made, |act| match act {
            Act::Contribution(work) if work.stream == Stream::Livelihood => Some(work.clone()),
            _ => None,
        });
        let part = Quantity::new(work.quantity.value() / 2).unwrap();
        let entry = made.sign(BRUNO, &Act::Contribution(work), None);
        let extent = Extent::Part(part);
        let review = Review { contribution: entry.id(), extent };
        given = Some(entry.id());
        vec![entry, made.sign(CHLOE, &Act::Review(review), None)]
    });
    let audit = read(&file);
    let record = audit.sum.as_ref().unwrap().state.work().record(&given.unwrap()).unwrap();
    assert!(record.credit.nominal > 0, "{record:?}");
    for number in [8, 20] {
        let check = &checks(&audit)[number - 1];
        assert_eq!(check.outcome, Outcome::Pass, "{check:?}");
    }
}

#[test]
fn a_line_leads_back_to_clients_and_work_and_one_of_who_gave_nothing_to_no_work() {
    let audit = read(&quarter::played(JANUARY).export(0));
    let sum = audit.sum.as_ref().unwrap();
    let (run, _) = sum.state.runs().iter().next().unwrap();
    let paid = talea_tools::origin::sources(sum, run, Member(0));
    assert!(!paid.contributions.is_empty());
    assert_eq!((paid.receipts.len(), paid.expenses.len()), (2, 2));
    // Farida has given no work.
    assert_eq!(talea_tools::origin::sources(sum, run, Member(4)).contributions, []);
}
