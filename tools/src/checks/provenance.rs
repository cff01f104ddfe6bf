//! V20: from any payout back to clients, contributions, attesters and clauses of the charter; from any
//! receipt forward to the run that shares it.
//!
//! Each contribution, each receipt and each line is asked once. What a void run would have shared is
//! nobody's, and its lines are asked all the same: somebody signed them.

use std::collections::BTreeMap;

use talea_ledger::contribution::{Attestation, Credit, Record};
use talea_ledger::money::Job;
use talea_ledger::terms::When;
use talea_ledger::view::runs::brought;
use talea_protocol::act::{Act, Content, Distribute, Line, Totals};
use talea_protocol::bytes::Bp;
use talea_protocol::charter::Formula;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;

use super::{Seen, called, said};
use crate::lang::Lang;
use crate::origin::{Origins, of_run, of_work, standing};
use crate::verify::text::handle;
use crate::verify::{Audit, Sum};

pub(super) fn provenance(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let (mut seen, origins) = (Seen::of(0), Origins::new(sum));
    let credited = sum.state.work().iter().filter(|(_, work)| work.credit != Credit::default());
    for (id, record) in credited {
        seen.looked_at += 1;
        credit(&mut seen, audit, sum, (id, record), lang);
    }
    receipts(&mut seen, audit, sum, &origins, lang);
    for entry in audit.shown.entries.values() {
        if let Content::Known(Act::Distribute(run)) = entry.content()
            && sum.state.chains().place(&entry.id()).is_some()
        {
            formula(&mut seen, audit, sum, (entry, run), lang);
            lines(&mut seen, audit, &origins, sum, (entry, run), lang);
        }
    }
    seen
}

/// A credit: as many members' words as it needs are there, each about it and by another than its
/// author, and so is what set each clause.
fn credit(
    seen: &mut Seen,
    audit: &Audit,
    sum: &Sum,
    (id, record): (&EntryId, &Record),
    lang: Lang,
) {
    let words = standing(record, |_| true).map_or_else(Vec::new, |it| it.words);
    let stands = words.iter().filter(|word| is_word(audit, sum, word, (id, record))).count();
    let needed = usize::from(record.needed) + usize::from(record.quality_needed());
    if stands < needed {
        let what = said(lang, "found-attesters", &[&called(audit, id), &stands, &needed]);
        seen.fail(Some(*id), what);
    }
    let missing = |by: &EntryId| !audit.shown.entries.contains_key(by);
    for clause in of_work(sum, record).into_iter().filter(|clause| missing(&clause.by)) {
        let what = said(lang, "found-clause", &[&called(audit, id), &lang.say(clause.key)]);
        seen.fail(Some(*id), what);
    }
}

/// Whether an attestation is what it is taken for: signed by that member, and about this.
fn is_word(
    audit: &Audit,
    sum: &Sum,
    word: &Attestation,
    (id, record): (&EntryId, &Record),
) -> bool {
    let Some(entry) = audit.shown.entries.get(&word.id) else { return false };
    let about = match entry.content() {
        Content::Known(Act::Attest(act)) => Some(act.contribution),
        Content::Known(Act::Review(act)) => Some(act.contribution),
        _ => None,
    };
    let device = sum.register.known(&entry.header().device);
    let by = device.and_then(|device| sum.register.record(device)).map(|device| device.member);
    about == Some(*id) && by == Some(word.member) && by != Some(record.author)
}

/// A receipt: its client was invoiced, and a run shares it or one will.
fn receipts(seen: &mut Seen, audit: &Audit, sum: &Sum, origins: &Origins<'_>, lang: Lang) {
    let invoices: BTreeMap<&str, &Job> =
        sum.state.treasury().jobs().iter().map(|(code, job)| (code.as_str(), job)).collect();
    let mut waiting = 0_usize;
    for (id, run) in origins.receipts() {
        seen.looked_at += 1;
        waiting += usize::from(run.is_none());
        let Some(Content::Known(Act::Income(act))) =
            audit.shown.entries.get(&id).map(|entry| entry.content())
        else {
            continue;
        };
        let invoice = invoices.get(act.job.as_str()).filter(|job| job.client == act.client);
        if !invoice.is_some_and(|job| audit.shown.entries.contains_key(&job.invoice)) {
            let what = said(lang, "found-invoice", &[&called(audit, &id), &act.client]);
            seen.fail(Some(id), what);
        }
    }
    if waiting > 0 {
        seen.note(None, said(lang, "found-receipts", &[&waiting]));
    }
}

/// A run divides as the clause says that is in force for it.
fn formula(
    seen: &mut Seen,
    audit: &Audit,
    sum: &Sum,
    (entry, run): (&Signed, &Distribute),
    lang: Lang,
) {
    let basis = sum.register.number(&entry.header().basis).unwrap_or(0);
    let (formula, clauses) = of_run(sum, When { at: basis, month: run.period });
    if divides(&run.totals, &formula) {
        return;
    }
    let by: Vec<String> = clauses.iter().map(|clause| called(audit, &clause.by)).collect();
    let value = clauses.first().map_or("", |clause| &clause.value);
    let values: [&dyn std::fmt::Display; 3] = [&called(audit, &entry.id()), &value, &by.join(", ")];
    seen.fail(Some(entry.id()), said(lang, "found-formula", &values));
}

/// Whether a run's sums are those that a formula gives: design's domain, section 1, "Distribution".
fn divides(totals: &Totals, formula: &Formula) -> bool {
    let part = |amount: i128, share: Bp| amount * i128::from(share.value()) / 10_000;
    let (surplus, brought) = (i128::from(totals.surplus), brought(totals));
    let base = i128::from(totals.receipts) - surplus - i128::from(totals.expenses);
    let kept = if base > 0 { part(base, formula.retain) } else { base };
    // What a month lacks comes from the surplus, then from what was brought.
    let lacking = (-base).max(0);
    let from_surplus = lacking.min(surplus);
    let from_brought = (lacking - from_surplus).min(brought);
    let shared = base - kept + brought - from_brought;
    let care = part(shared, formula.care);
    let livelihood = part(shared - care, formula.livelihood);
    let love = shared - care - livelihood + surplus - from_surplus;
    let wanted = [kept + from_surplus + from_brought, care, livelihood, love];
    let found = [totals.retained, totals.care_pool, totals.livelihood_pool, totals.love_pool];
    found.map(i128::from) == wanted
}

/// Each part of each line leads back to attested work that earned such, and the run to clients.
fn lines(
    seen: &mut Seen,
    audit: &Audit,
    origins: &Origins<'_>,
    sum: &Sum,
    (entry, run): (&Signed, &Distribute),
    lang: Lang,
) {
    let id = entry.id();
    let counts = sum.state.runs().record(&id).is_some();
    let has_receipts = if counts {
        !origins.money(&id).0.is_empty()
    } else {
        origins.has_receipts(run.period, &run.cut)
    };
    if run.totals.paid > 0 && !has_receipts {
        seen.fail(Some(id), said(lang, "found-no-client", &[&called(audit, &id)]));
    }
    for line in run.lines.iter().filter(|line| line.total() > 0) {
        seen.looked_at += 1;
        for word in unfounded(origins, run, line) {
            let (run, who) = (called(audit, &id), handle(sum, line.member));
            let what = said(lang, "found-nowhere", &[&run, &who, &lang.say(word)]);
            seen.fail(Some(id), what);
        }
    }
}

/// Parts of a line that no attested work of the member inside the run's cut has earned, by the keys
/// of their names.
fn unfounded(origins: &Origins<'_>, run: &Distribute, line: &Line) -> Vec<&'static str> {
    let parts =
        [("word-livelihood", line.livelihood), ("word-love", line.love), ("word-care", line.care)];
    let mut sought: Vec<usize> = (0..parts.len()).filter(|at| parts[*at].1 > 0).collect();
    for (_, credit) in origins.work(line.member, run.period, &run.cut) {
        let earned = [credit.livelihood, credit.love, credit.care];
        sought.retain(|at| earned[*at] <= 0);
        if sought.is_empty() {
            break;
        }
    }
    sought.into_iter().map(|at| parts[at].0).collect()
}
