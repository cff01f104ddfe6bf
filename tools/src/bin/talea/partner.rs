//! Other cooperatives: who they are, what is agreed, what goes from one to the other.
//!
//! Nothing of the other's log is here. What its treasurer passes on is a slip or a file that proves
//! itself, and the ledger's rules 142 to 149 judge it.

use std::path::Path;

use talea_ledger::pact::Pact;
use talea_protocol::act::{Act, Content};
use talea_protocol::bytes::{List, Octets};
use talea_protocol::charter::Charter;
use talea_protocol::entry::{Entry, Signed, check};
use talea_protocol::federation::{Accord, Balance, Link, Receive, Send, Turnover};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::DeviceKey;
use talea_protocol::money::Purse;
use talea_tools::amount::{decimal, show_day};
use talea_tools::book::Book;
use talea_tools::draft;
use talea_tools::preview;
use talea_tools::table::Align;
use talea_tools::treaty::{self, Parcel};
use talea_tools::verify::{self, Policy};

use crate::acts::{code, day, minor, positive, value};
use crate::cli::{Common, Partner};
use crate::clock;
use crate::desk::{self, Desk, SIGN};
use crate::failure::{Failure, Outcome};
use crate::http::{Node, Reader};
use crate::out;
use crate::people::{give_slip, slip_failure};

/// `talea partner`.
pub fn run(common: &Common, command: &Partner) -> Outcome {
    match command {
        Partner::Link { file, speakers } => link(common, file, speakers),
        Partner::List => list(common),
        Partner::Accord { .. } => accord(common, command),
        Partner::Countersign { slip } => countersign(common, slip),
        Partner::Send { accord, amount, reference, fund, date } => {
            send(common, (accord, amount, reference), fund.as_deref(), date.as_deref())
        }
        Partner::Proof { send, output } => proof(common, send, output),
        Partner::Receive { file, fund, date } => {
            receive(common, file, fund.as_deref(), date.as_deref())
        }
        Partner::Balance { accord, their_sent, their_received, date } => {
            let theirs = (their_sent.as_deref(), their_received.as_deref());
            balance(common, accord, theirs, date.as_deref())
        }
        Partner::Statement { slip } => {
            let statement = treaty::parse_statement(slip).map_err(slip_failure)?;
            Desk::signing(common)?.state(&Act::Statement(statement), None)
        }
    }
}

fn link(common: &Common, path: &Path, speakers: &[String]) -> Outcome {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let entry = charter_in(&bytes).ok_or_else(|| {
        Failure::usage(
            format!("{} holds no charter", path.display()),
            "ask the other for an export, or for its charter: talea show CHARTER --bytes FILE",
        )
    })?;
    let Content::Known(Act::Charter(charter)) = entry.content() else { return Ok(()) };
    let mut speakers = match speakers {
        [] => treasurer(charter).into_iter().collect(),
        named => named.iter().map(|text| device(text)).collect::<Outcome<Vec<_>>>()?,
    };
    speakers.sort_unstable();
    let charter = Octets::new(entry.bytes().to_vec()).ok_or_else(|| {
        Failure::usage("the charter is longer than a link can hold", "there is no way around it")
    })?;
    let speakers = List::try_from(speakers).map_err(|fault| value("the speakers", fault))?;
    Desk::signing(common)?.state(&Act::Link(Link { charter, roster: None, speakers }), None)
}

/// The charter in an export, or an entry that is one.
fn charter_in(bytes: &[u8]) -> Option<Signed> {
    if let Ok(audit) = verify::audit(bytes, &Policy::default(), clock::now_ms() / 1000) {
        return audit.shown.entries.get(&audit.shown.cooperative).cloned();
    }
    let entry = Entry::parse(bytes.to_vec()).ok()?;
    let is_charter = matches!(entry.content(), Content::Known(Act::Charter(_)));
    check(vec![entry]).into_iter().next()?.ok().filter(|_| is_charter)
}

fn treasurer(charter: &Charter) -> Option<DeviceKey> {
    let place = usize::try_from(charter.roles.treasurer.0).ok()?;
    charter.founders.get(place).map(|founder| founder.device)
}

fn device(text: &str) -> Outcome<DeviceKey> {
    text.parse().map_err(|_| {
        Failure::usage(format!("`{text}` is no device"), "write the 64 digits of its key")
    })
}

fn list(common: &Common) -> Outcome {
    let desk = Desk::reading(common)?;
    let pacts = desk.book.state().treasury().pacts();
    let partners = pacts.partners().iter();
    let partners = partners.map(|(id, it)| serde_json::json!({ "id": id, "name": it.name }));
    let rows = pacts.pacts().iter().map(|(id, pact)| {
        let Turnover { sent, received } = pact.turnover();
        serde_json::json!({
            "accord": id, "reference": pact.accord.reference, "partner": pact.partner,
            "unit": pact.accord.unit, "limit": pact.accord.limit, "from": pact.accord.from,
            "until": pact.accord.until, "sent": sent, "received": received,
        })
    });
    let value = serde_json::json!({
        "partners": partners.collect::<Vec<_>>(), "accords": rows.collect::<Vec<_>>(),
    });
    desk::form(common).give(&value, |_| {
        for (id, partner) in pacts.partners() {
            out::say(&format!("{}  {id}", partner.name));
        }
        let columns = ["accord", "with", "unit", "limit", "sent", "received", "until"];
        let is_sum = |name: &str| matches!(name, "limit" | "sent" | "received");
        let align = |name| (name, if is_sum(name) { Align::Right } else { Align::Left });
        let rows = pacts.pacts().values().map(|pact| {
            let places = exponent(&desk.book, pact.accord.unit.as_str());
            let sum = |sum: u64| decimal(i64::try_from(sum).unwrap_or(i64::MAX), places);
            let Turnover { sent, received } = pact.turnover();
            let name = pacts.partners().get(&pact.partner).map_or("", |it| it.name.as_str());
            vec![
                pact.accord.reference.to_string(),
                name.to_owned(),
                pact.accord.unit.to_string(),
                decimal(pact.accord.limit.value(), places),
                sum(sent),
                sum(received),
                show_day(pact.accord.until),
            ]
        });
        out::table(&columns.map(align), rows.collect());
    });
    Ok(())
}

fn accord(common: &Common, command: &Partner) -> Outcome {
    let Partner::Accord { other, reference, limit, until, from, unit, text } = command else {
        return Ok(());
    };
    let desk = Desk::signing(common)?;
    let (own, other) = (desk.known.cooperative, partner(&desk.book, other)?);
    let charter = desk.book.register().charter();
    let unit = unit.as_deref().unwrap_or(charter.currency.as_str());
    let text = match text {
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
            Hash(*blake3::hash(&bytes).as_bytes())
        }
        None => Hash::ZERO,
    };
    let accord = Accord {
        one: own.min(other),
        other: own.max(other),
        reference: code("the reference", reference)?,
        unit: code("the unit", unit)?,
        limit: positive(minor(limit, exponent(&desk.book, unit))?)?,
        from: day(from.as_deref())?,
        until: day(Some(until))?,
        text,
    };
    consent(common, &desk, accord)
}

/// Shows an accord, and prints this side's consent.
fn consent(common: &Common, desk: &Desk<'_>, accord: Accord) -> Outcome {
    let consent = treaty::consent(accord, desk.key()?);
    let line = preview::line(&Act::Countersign(Box::new(consent.clone())), Some(&desk.book));
    out::preview("To consent to", &[("accord", line)]);
    if desk::confirm(common, SIGN)? {
        let words = "Pass this to the other's treasurer (`talea partner countersign`):";
        give_slip(common, words, &treaty::render_consent(&consent));
    }
    Ok(())
}

fn countersign(common: &Common, slip: &str) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let consent = treaty::parse_consent(slip, desk.known.cooperative).map_err(slip_failure)?;
    if consent.device == desk.device() {
        return Err(Failure::usage(
            "this slip is this wallet's own",
            "pass it to the other's treasurer, and enter the one that comes back",
        ));
    }
    let accord = consent.accord.clone();
    let act = Act::Countersign(Box::new(consent));
    let Some(standing) = desk.declare(&act, None)? else { return Ok(()) };
    let slip = treaty::render_consent(&treaty::consent(accord, desk.key()?));
    let value = serde_json::json!({ "standing": standing, "slip": slip });
    desk::form(common).give(&value, |_| {
        standing.iter().for_each(crate::standing::say);
        out::note("If the other has not entered it yet, pass this to its treasurer:");
        out::say(&slip);
    });
    Ok(())
}

fn send(
    common: &Common,
    (accord, amount, reference): (&str, &str, &str),
    fund: Option<&str>,
    date: Option<&str>,
) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let (name, pact) = pact(&desk.book, accord)?;
    let unit = pact.accord.unit.clone();
    let fund = fund.map(|name| code("the fund", name)).transpose()?;
    let takes = match &fund {
        Some(fund) => draft::takes(&desk.book, &Purse::Fund(fund.clone()), &unit),
        None => Vec::new(),
    };
    let act = Send {
        accord: name,
        amount: positive(minor(amount, exponent(&desk.book, unit.as_str()))?)?,
        date: day(date)?,
        reference: code("the reference", reference)?,
        fund,
        takes: List::try_from(takes).map_err(|fault| value("what is taken in", fault))?,
    };
    desk.state(&Act::Send(act), None)
}

fn proof(common: &Common, send: &str, output: &Path) -> Outcome {
    let mut desk = Desk::reading(common)?;
    desk.open_key()?;
    let id = desk.book.find(send)?;
    let entry = desk.entry(&id);
    let sent = |entry: &Signed| matches!(entry.content(), Content::Known(Act::Send(_)));
    let entry = entry.filter(sent).ok_or_else(|| {
        Failure::usage(format!("`{send}` sends nothing"), "name an entry of `talea partner send`")
    })?;
    let mut receipts = Vec::new();
    for server in &desk.known.nodes {
        let path = format!("/v1/cooperatives/{}/proofs/{id}", desk.known.cooperative);
        let reader = Reader { key: desk.key()?, node: server.node };
        match Node::at(&server.http).read_bytes(&path, Some(&reader)) {
            Ok(receipt) => receipts.push((server.node, receipt)),
            Err(failure) => out::note(&format!("{}: {failure}", server.http)),
        }
    }
    let (have, need) = (receipts.len(), desk.book.register().roster().quorum);
    if have < usize::from(need) {
        return Err(Failure::node(
            format!("{have} of the {need} receipts that the other asks for are here"),
            "wait until more nodes hold it (`talea outbox`), or name more with `talea join`",
        ));
    }
    let parcel = Parcel::new(&entry, &receipts);
    let file =
        serde_json::to_vec_pretty(&parcel).map_err(|_| Failure::usage("no JSON", "report this"))?;
    std::fs::write(output, &file).map_err(|error| Failure::file(output, &error))?;
    let value = serde_json::json!({ "file": output, "receipts": have });
    desk::form(common).give(&value, |_| {
        out::say(&format!("{}: {} with {have} receipts", output.display(), desk.book.label(&id)));
        out::note("Pass this file to the other's treasurer (`talea partner receive`).");
    });
    Ok(())
}

fn receive(common: &Common, path: &Path, fund: Option<&str>, date: Option<&str>) -> Outcome {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let parcel: Option<Parcel> = serde_json::from_slice(&bytes).ok();
    let (send, evidence) = parcel.and_then(|parcel| parcel.open()).ok_or_else(|| {
        Failure::usage(
            format!("{} is nothing that was sent", path.display()),
            "ask the other for the file again: talea partner proof SEND",
        )
    })?;
    let fund = fund.map(|name| code("the fund", name)).transpose()?;
    let act = Receive { send, evidence, date: day(date)?, fund };
    Desk::signing(common)?.state(&Act::Receive(act), None)
}

fn balance(
    common: &Common,
    accord: &str,
    (sent, received): (Option<&str>, Option<&str>),
    date: Option<&str>,
) -> Outcome {
    let desk = Desk::signing(common)?;
    let (name, pact) = pact(&desk.book, accord)?;
    let places = exponent(&desk.book, pact.accord.unit.as_str());
    let ours = pact.turnover();
    let sum = |text: Option<&str>, usual: u64| {
        text.map_or(Ok(usual), |text| minor(text, places).map(i64::unsigned_abs))
    };
    let theirs = Turnover { sent: sum(sent, ours.received)?, received: sum(received, ours.sent)? };
    let is_one = pact.accord.one == desk.known.cooperative;
    let (one, other) = if is_one { (ours, theirs) } else { (theirs, ours) };
    let balance = Balance { accord: name, date: day(date)?, one, other };
    let shown = |side: Turnover| {
        let sum = |sum: u64| decimal(i64::try_from(sum).unwrap_or(i64::MAX), places);
        format!("{} sent, {} received, in {}", sum(side.sent), sum(side.received), pact.accord.unit)
    };
    let rows = [("we", shown(ours)), ("they", shown(theirs)), ("on", show_day(balance.date))];
    out::preview("To state", &rows);
    if desk::confirm(common, SIGN)? {
        let slip = treaty::render_statement(&treaty::confirm(balance, desk.key()?));
        give_slip(common, "Pass this to the other's treasurer (`talea partner statement`):", &slip);
    }
    Ok(())
}

/// Another cooperative, by its name or the start of its id.
fn partner(book: &Book, text: &str) -> Outcome<EntryId> {
    let partners = book.state().treasury().pacts().partners();
    let mut fits = partners.iter().filter(|(id, it)| {
        it.name == text || (text.len() >= 6 && id.to_string().starts_with(text))
    });
    match (fits.next(), fits.next()) {
        (Some((id, _)), None) => Ok(*id),
        _ => Err(Failure::usage(
            format!("no cooperative that is linked is called `{text}`"),
            "see `talea partner list`; enter it with `talea partner link FILE`",
        )),
    }
}

/// An accord, by its reference or the start of its name.
fn pact<'b>(book: &'b Book, text: &str) -> Outcome<(Hash, &'b Pact)> {
    let pacts = book.state().treasury().pacts().pacts();
    let mut fits = pacts.iter().filter(|(id, pact)| {
        pact.accord.reference.as_str() == text
            || (text.len() >= 6 && id.to_string().starts_with(text))
    });
    match (fits.next(), fits.next()) {
        (Some((id, pact)), None) => Ok((*id, pact)),
        _ => Err(Failure::usage(
            format!("no accord here is called `{text}`"),
            "see `talea partner list`; one begins with `talea partner accord`",
        )),
    }
}

/// Decimal places of a unit: the currency's, or those of the charter's own.
fn exponent(book: &Book, unit: &str) -> u8 {
    let charter = book.register().charter();
    let own = charter.treasury.units.iter().find(|known| known.code.as_str() == unit);
    own.map_or(charter.exponent, |unit| unit.exponent)
}
