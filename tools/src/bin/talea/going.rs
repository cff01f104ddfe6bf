//! Members that go, roles that are handed over, a registrar that is to be replaced.
//!
//! Whoever leaves or calls signs twice: an entry, by which nodes stand still, and a slip, which the
//! registrar or the successor writes down. What a decision orders is looked up, not typed.

use talea_ledger::register::Office;
use talea_ledger::verdict::Verdict;
use talea_protocol::act::{Act, Content, Effect};
use talea_protocol::bytes::List;
use talea_protocol::charter::Member;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::{Call, Depart, HandOver, Remove};
use talea_tools::book::Book;
use talea_tools::word::{Calling, Leaving};

use crate::acts;
use crate::cli::Common;
use crate::desk::{self, Desk, SIGN};
use crate::devices::{cut, give};
use crate::failure::{Failure, Outcome};
use crate::people::{me, slip_failure};
use crate::standing::Standing;

/// `talea leave`.
pub fn leave(common: &Common) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let member = me(&desk)?;
    let has_left = stated(&desk.book, member, |act| matches!(act, Act::Leave)).is_some();
    let Some(standing) = declare_once(common, &mut desk, &Act::Leave, has_left)? else {
        return Ok(());
    };
    let slip = Leaving::new(desk.known.cooperative, member, desk.key()?).render();
    give(common, &standing, Some(&slip), "Pass this to the registrar, who ends your chains:");
    Ok(())
}

/// States an act unless that was done before; then only the slip is made anew.
fn declare_once(
    common: &Common,
    desk: &mut Desk<'_>,
    act: &Act,
    done: bool,
) -> Outcome<Option<Vec<Standing>>> {
    if done {
        crate::out::note("This was stated before; here is the slip once more.");
        return Ok(desk::confirm(common, SIGN)?.then(Vec::new));
    }
    desk.declare(act, None)
}

/// An entry of a member that counts and says so.
fn stated(book: &Book, member: Member, says: impl Fn(&Act) -> bool) -> Option<&Signed> {
    let says = |entry: &&Signed| matches!(entry.content(), Content::Known(act) if says(act));
    book.entries().filter(says).find(|entry| {
        book.author(entry) == Some(member)
            && !matches!(book.verdict(&entry.id()), Some(Verdict::Void(_)))
    })
}

/// `talea depart`.
pub fn depart(common: &Common, slip: &str) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let Leaving { member, word, .. } =
        Leaving::parse(slip, desk.known.cooperative).map_err(slip_failure)?;
    present(&desk.book, member)?;
    let cut = cut(common, &desk, &writing(&desk.book, member), None)?;
    desk.state(&Act::Depart(Depart { member, cut, word }), None)
}

/// `talea remove`.
pub fn remove(common: &Common, member: &str, decision: Option<&str>) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let member = acts::member(&desk.book, member)?;
    present(&desk.book, member)?;
    let ordered = |effect: &Effect| *effect == Effect::Remove(member);
    let decision = decided(&desk.book, decision, ordered)?;
    let cut = cut(common, &desk, &writing(&desk.book, member), None)?;
    desk.state(&Act::Remove(Remove { member, decision, cut }), None)
}

/// `talea hand-over`.
pub fn hand_over(common: &Common, role: &str, member: &str, decision: Option<&str>) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let (office, holder) = (acts::office(&desk.book, role)?, acts::member(&desk.book, member)?);
    let ordered = |effect: &Effect| *effect == Effect::Appoint(office, holder);
    let decision = decided(&desk.book, decision, ordered)?;
    let register = desk.book.register();
    let (at, head) = register.head();
    let spender = register.spender(register.holder(office, at), at);
    let cut = match spender.filter(|_| office != Office::Registrar) {
        Some(device) => cut(common, &desk, &[device], Some(office))?,
        // The register has one writer at each number: its hand-over needs no cut.
        None => Cut { at: head, lengths: List::default(), root: CutRoot::new().finish() },
    };
    desk.state(&Act::HandOver(HandOver { office, holder, decision, cut }), None)
}

/// The decision that orders this and has not been carried out.
pub fn decided(
    book: &Book,
    named: Option<&str>,
    ordered: impl Fn(&Effect) -> bool,
) -> Outcome<EntryId> {
    let named = named.map(|text| book.find(text)).transpose()?;
    let mut orders = book.state().votes().orders().filter(|(id, effect)| {
        named.is_none_or(|named| named == **id) && ordered(effect) && !book.register().executed(id)
    });
    orders.next().map(|(id, _)| *id).ok_or_else(|| {
        Failure::rule(
            "rule 28: no decision that is settled here orders this, or it has been carried out",
            "have the members decide first: `talea propose …` with what it shall do (--remove, \
             --appoint, --roster, --allocate, --admit, --advance), votes, `talea decide`; then \
             `talea fetch`",
        )
    })
}

/// A member that has not gone.
fn present(book: &Book, member: Member) -> Outcome {
    match book.register().member(member).and_then(|record| record.left) {
        None => Ok(()),
        Some(number) => Err(Failure::usage(
            format!("{} has gone already, by register entry {number}", book.handle(member)),
            "there is nothing more to do about it",
        )),
    }
}

/// A member's devices that have not ended.
fn writing(book: &Book, member: Member) -> Vec<u32> {
    let devices = book.register().devices_of(member);
    devices.filter(|(_, record)| record.end.is_none()).map(|(device, _)| device).collect()
}

/// `talea call`.
pub fn call(common: &Common, successor: &str) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let (member, successor) = (me(&desk)?, acts::member(&desk.book, successor)?);
    let call = open_call(&desk.book, successor);
    let has_called = has_called(&desk.book, member, call);
    let Some(standing) = declare_once(common, &mut desk, &Act::Call(call), has_called)? else {
        return Ok(());
    };
    let slip = Calling::new(desk.known.cooperative, call, desk.key()?).render();
    give(common, &standing, Some(&slip), "Pass this to the successor:");
    Ok(())
}

/// Whether a member has said so in an entry, by which nodes stand still.
pub fn has_called(book: &Book, member: Member, call: Call) -> bool {
    stated(book, member, |act| matches!(act, Act::Call(it) if *it == call)).is_some()
}

/// The call that others have begun for this successor under the present registrar, so that all words
/// are about the same; or a new one.
fn open_call(book: &Book, successor: Member) -> Call {
    let register = book.register();
    let (at, head) = register.head();
    let since = register.term(Office::Registrar, at).map_or(0, |term| term.number);
    let begun = book.entries().find_map(|entry| match entry.content() {
        Content::Known(Act::Call(call)) if call.successor == successor => {
            let counts = book.verdict(&entry.id()) == Some(Verdict::Counted);
            let fresh = register.number(&call.at).is_some_and(|at| at >= since);
            (counts && fresh).then_some(*call)
        }
        _ => None,
    });
    begun.unwrap_or(Call { at: head, successor })
}
