//! V18: what one cooperative has sent is what the other has received.
//!
//! One export has its own side, and of the other what that has signed: its sends, with receipts of its
//! nodes (rules 142 to 149), and bilateral statements. Two exports are compared send by send.

use talea_ledger::pact::{Pact, Passage};
use talea_ledger::verdict::Verdict;
use talea_protocol::federation::Turnover;
use talea_protocol::hash::EntryId;

use super::{Check, Seen, called, said};
use crate::lang::Lang;
use crate::verify::{Audit, Sum};

/// V18 of one export: no statement that both signed says that more arrived than was sent.
pub(super) fn passages(audit: &Audit, sum: &Sum, lang: Lang) -> Seen {
    let pacts = sum.state.treasury().pacts();
    if pacts.partners().is_empty() {
        return Seen::nothing("cannot-federation");
    }
    let (mut seen, own) = (Seen::of(0), lang.say("found-this-side"));
    for pact in pacts.pacts().values() {
        seen.looked_at += pact.sent.len() + pact.received.len() + pact.statements.len();
        let name = pacts.partners().get(&pact.partner).map_or("", |it| it.name.as_str());
        for agreed in &pact.statements {
            let (ours, theirs) = sides(sum, pact, agreed.balance.one, agreed.balance.other);
            let place = called(audit, &agreed.entry);
            for (arrived, sent, who) in
                [(theirs.received, ours.sent, name), (ours.received, theirs.sent, own.as_str())]
            {
                if arrived > sent {
                    let what = said(lang, "found-stated", &[&place, &who, &arrived, &sent]);
                    seen.fail(Some(agreed.entry), what);
                }
            }
        }
        let stated = pact.statements.last().map(|last| {
            let (_, theirs) = sides(sum, pact, last.balance.one, last.balance.other);
            theirs.received
        });
        let sent = pact.turnover().sent;
        if sent > stated.unwrap_or(0) {
            let stated = stated.unwrap_or(0);
            let what = said(lang, "found-under-way", &[&name, &stated, &sent]);
            seen.note(Some(pact.entry), what);
        }
    }
    seen
}

/// This side's sums, and the other's.
fn sides(sum: &Sum, pact: &Pact, one: Turnover, other: Turnover) -> (Turnover, Turnover) {
    if pact.accord.one == sum.register.cooperative() { (one, other) } else { (other, one) }
}

/// V18 of the exports of two cooperatives that are partners: what either has received is what the
/// other has sent, and counts there. `None` if neither is linked to the other.
#[must_use]
pub fn sent_alike(one: &Audit, other: &Audit) -> Option<Check> {
    let (ours, theirs) = (one.sum.as_ref()?, other.sum.as_ref()?);
    let knows = |sum: &Sum, id: EntryId| sum.state.treasury().pacts().partners().contains_key(&id);
    let (own, its) = (ours.register.cooperative(), theirs.register.cooperative());
    if !knows(ours, its) && !knows(theirs, own) {
        return None;
    }
    let mut seen = Seen::of(0);
    compare(&mut seen, (one, ours), (other, theirs));
    compare(&mut seen, (other, theirs), (one, ours));
    Some(seen.check(18))
}

/// What the first has received, against what the second has sent.
fn compare(seen: &mut Seen, (receiver, taken): (&Audit, &Sum), (sender, given): (&Audit, &Sum)) {
    let (to, from) = (taken.register.cooperative(), given.register.cooperative());
    for (id, pact) in taken.state.treasury().pacts().pacts() {
        let theirs = given.state.treasury().pacts().pacts().get(id);
        let sent = theirs.filter(|it| it.partner == to).map_or(&[][..], |it| &it.sent);
        for got in pact.received.iter().filter(|_| pact.partner == from) {
            seen.looked_at += 1;
            let same = |it: &Passage| it.send == got.send && it.amount == got.amount;
            if !sent.iter().any(same) {
                let (here, there) = (called(receiver, &got.entry), called(sender, &got.send));
                let why = match given.state.verdict(&got.send) {
                    Some(Verdict::Void(void)) => format!("void there: {void}"),
                    Some(Verdict::Counted) => "of another amount".to_owned(),
                    // An older export of the sender's, perhaps.
                    Some(Verdict::Pending(_)) | None => {
                        seen.because = Some("cannot-missing");
                        seen.note(Some(got.entry), format!("{here}: {there} is not there"));
                        continue;
                    }
                };
                let what =
                    format!("{here}: received {} that {there} did not send ({why})", got.amount);
                seen.fail(Some(got.entry), what);
            }
        }
        let received = |it: &&Passage| !pact.received.iter().any(|got| got.send == it.send);
        for passage in sent.iter().filter(received) {
            let what = format!("{}: not received yet", called(sender, &passage.send));
            seen.note(Some(passage.send), what);
        }
    }
}
